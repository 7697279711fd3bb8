//! What foreign keys do when the keys that rows refer to are gone: ON DELETE and ON UPDATE.
//!
//! Each action on the rows of one table is a change like any other, made after the one that it follows from; what it
//! makes others lose waits in a queue, so that chains may be as long as they like. Rows that are to go do so before any
//! are changed. NO ACTION and references within a table are looked at when nothing is left to do, RESTRICT at once.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_array::cast::AsArray;

use crate::catalog::{Catalog, ConstraintKind, ReferenceAction, TableId};
use crate::column::predicate::CompareOp;
use crate::exec::batch::{Batch, Field, Schema};
use crate::exec::context::ExecContext;
use crate::exec::eval::{evaluate_predicate, flatten};
use crate::exec::expr::Expr;
use crate::exec::filter_batch;
use crate::exec::memory::{Reservation, batch_bytes};
use crate::sql::bind::modify::Target;
use crate::sql::bind::modify::cascade::LostKeys;
use crate::sql::bind::modify::keys::KeyChecks;
use crate::sql::bind::{Binder, Tables};
use crate::sql::session::{Failure, Writer};
use crate::sql::sources::StaticRows;
use crate::sql::statement::key_checks::{
    Consequences, Reference, first_key, not_there, still_referenced, violated,
};
use crate::sql::statement::modify::change_rows;

/// The keys that are gone after a change: those of removed rows, and those of changed rows that are others now.
pub(super) fn lost_keys(
    keys: &KeyChecks,
    schemas: &[Schema],
    gathered: &mut [Vec<Batch>],
    context: &Arc<ExecContext>,
) -> Result<Consequences, Failure> {
    let mut found = Consequences::default();
    for ((removed, schema), batches) in keys.removed.iter().zip(schemas).zip(gathered) {
        let (key, width) = (&removed.key, removed.key.referenced.len());
        let (mut deleted, mut changed) = (vec![], vec![]);
        for batch in std::mem::take(batches) {
            if !removed.with_new {
                deleted.push(batch);
                continue;
            }
            let stays = flatten(&batch.columns[width])?;
            let stays = stays.as_boolean();
            let goes = BooleanArray::from_iter(stays.iter().map(|b| Some(b != Some(true))));
            let mut gone = filter_batch(batch.clone(), &goes)?;
            gone.columns.truncate(width);
            deleted.push(gone);
            let differs = evaluate_predicate(&differs(schema, width), &batch, context)?;
            let mut other = filter_batch(batch, &differs)?;
            other.columns.remove(width);
            changed.push(other);
        }
        let now = schema.iter().skip(width + 1);
        let with_new: Schema = schema.iter().take(width).chain(now).cloned().collect();
        let old: Schema = schema.iter().take(width).cloned().collect();
        let actions = [(deleted, old, key.actions.on_delete), (changed, with_new, key.actions.on_update)];
        for (batches, schema, action) in actions {
            let batches: Vec<Batch> = batches.into_iter().filter(|batch| batch.rows > 0).collect();
            if batches.is_empty() {
                continue;
            }
            let mut memory = Reservation::new(context);
            memory.grow(batches.iter().map(batch_bytes).sum())?;
            let rows = Arc::new(StaticRows::new("keys", schema, batches));
            found.lost.push((LostKeys { key: key.clone(), action, rows }, memory));
        }
    }
    Ok(found)
}

/// Whether a row stays and its key is another: over a key, whether it stays, and the key that it has now.
fn differs(schema: &[Field], width: usize) -> Expr {
    let column = |index: usize| Box::new(Expr::Column { index, ty: schema[index].ty.clone() });
    let mut parts: Vec<Expr> = (0..width)
        .map(|at| Expr::Compare {
            op: CompareOp::DistinctFrom,
            left: column(at),
            right: column(width + 1 + at),
        })
        .collect();
    let any = if parts.len() == 1 { parts.remove(0) } else { Expr::Or(parts) };
    Expr::And(vec![*column(width), any])
}

/// What is still to be done.
#[derive(Default)]
struct Work {
    removals: VecDeque<(LostKeys, Reservation)>,
    changes: VecDeque<(LostKeys, Reservation)>,
    /// What is looked at in the end.
    lost: Vec<(LostKeys, Reservation)>,
    references: Vec<Reference>,
    /// How many rows of each table were changed.
    changed: HashMap<TableId, u64>,
}

/// Does what foreign keys ask for after a change, and looks whether all references are good then.
pub(super) fn carry_out(writer: &mut Writer<'_>, consequences: Consequences) -> Result<(), Failure> {
    let mut work = Work::default();
    work.take(writer, consequences)?;
    while let Some((lost, _memory)) = work.removals.pop_front().or_else(|| work.changes.pop_front()) {
        let view = writer.read_view()?;
        let child = &lost.key.child;
        let schema = view.catalog().schema_by_id(child.schema);
        let schema = schema.map(|s| s.definition().name.to_string()).unwrap_or_default();
        let target = Target::new(Arc::clone(child), &schema);
        let (mut bound, mut ids) = writer.session().bind(&view, |binder| {
            let bound = binder.bind_consequence(&target, &lost)?;
            Ok((bound, std::mem::take(&mut binder.ids)))
        })?;
        bound.plan = writer.session().optimize(bound.plan, &mut ids)?;
        let adds = bound.adds;
        let (changed, more) = change_rows(writer, &view, &target, bound, ids, true)?;
        if adds && changed.rows > 0 {
            let rows = work.changed.entry(child.id).or_default();
            *rows += changed.rows;
            if *rows > changes_max(view.catalog(), view.table(child.id)?.rows()) {
                return Err(violated(format!(
                    "Foreign keys change the rows of table \"{}\" again and again, without an end",
                    child.name
                )));
            }
        }
        if changed.rows > 0 {
            work.take(writer, more)?;
        }
    }
    work.check(writer)
}

/// How many changes of rows of a table foreign keys can ask for, unless some go round in a circle: one row is changed once
/// for each way that leads to it.
fn changes_max(catalog: &Catalog, rows: u64) -> u64 {
    let keys = catalog.tables().flat_map(|table| &table.constraints);
    let keys = keys.filter(|c| matches!(c.kind, ConstraintKind::ForeignKey { .. })).count() as u64;
    rows.saturating_add(1).saturating_mul((keys + 1).saturating_pow(2))
}

impl Work {
    /// Takes in what follows from a change that was just made.
    fn take(&mut self, writer: &mut Writer<'_>, consequences: Consequences) -> Result<(), Failure> {
        self.references.extend(consequences.references);
        for (lost, memory) in consequences.lost {
            match lost.action {
                ReferenceAction::NoAction => self.lost.push((lost, memory)),
                ReferenceAction::Restrict => {
                    let view = writer.read_view()?;
                    let left = first_key(writer.session(), &view, |b| b.references_to_lost(&lost))?;
                    if let Some(values) = left {
                        return Err(still_referenced(&lost.key, &values));
                    }
                }
                ReferenceAction::Cascade if lost.rows.schema().len() == lost.key.columns.len() => {
                    self.removals.push_back((lost, memory));
                }
                _ => self.changes.push_back((lost, memory)),
            }
        }
        Ok(())
    }

    /// Whether all that refers to something finds it.
    fn check(&self, writer: &mut Writer<'_>) -> Result<(), Failure> {
        if self.lost.is_empty() && self.references.is_empty() {
            return Ok(());
        }
        let view: &dyn Tables = &writer.read_view()?;
        for (lost, _) in &self.lost {
            if let Some(values) = first_key(writer.session(), view, |b| b.references_to_lost(lost))? {
                return Err(still_referenced(&lost.key, &values));
            }
        }
        for Reference { key, added, .. } in &self.references {
            let missing = |b: &mut Binder<'_>| b.references_to_none(key, Arc::clone(added));
            if let Some(values) = first_key(writer.session(), view, missing)? {
                return Err(not_there(key, &values));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Database, params};

    fn database(sql: &str) -> Database {
        let database = Database::open_in_memory().unwrap();
        database.connect().execute(sql).unwrap();
        database
    }

    fn number(database: &Database, sql: &str) -> i64 {
        database.connect().query_one::<(i64,)>(sql, ()).unwrap().0
    }

    #[test]
    fn a_chain_of_rows_is_no_chain_of_calls() {
        let database = database(
            "CREATE TABLE t(id BIGINT PRIMARY KEY, parent BIGINT REFERENCES t(id) ON DELETE CASCADE);
             INSERT INTO t SELECT i, nullif(i - 1, -1) FROM range(600) r(i)",
        );
        let connection = database.connect();
        assert_eq!(connection.execute("DELETE FROM t WHERE id = 300").unwrap(), 1);
        assert_eq!(number(&database, "SELECT count(*) FROM t"), 300);
        assert_eq!(connection.execute_with("DELETE FROM t WHERE id = ?", params![0]).unwrap(), 1);
        assert_eq!(number(&database, "SELECT count(*) FROM t"), 0);
    }

    #[test]
    fn whoever_refers_to_a_row_first_wins() {
        let database = database(
            "CREATE TABLE p(id BIGINT PRIMARY KEY); CREATE TABLE c(p BIGINT REFERENCES p ON DELETE CASCADE);
             INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1)",
        );
        let (one, other) = (database.connect(), database.connect());
        one.execute("BEGIN; DELETE FROM p WHERE id = 1").unwrap();
        other.execute("INSERT INTO c VALUES (1)").unwrap();
        assert_eq!(one.execute("COMMIT").unwrap_err().sqlstate(), "40001");
        assert_eq!(number(&database, "SELECT count(*) FROM c JOIN p ON p = id"), 2);
        // By itself, a statement waits for others rather than failing.
        one.execute("DELETE FROM p WHERE id = 1").unwrap();
        assert_eq!(number(&database, "SELECT count(*) FROM c"), 0);
    }

    #[test]
    fn what_is_kept_of_a_statement_knows_tables_that_come_later() {
        let database = database("CREATE TABLE p(id BIGINT PRIMARY KEY); INSERT INTO p VALUES (1), (2), (3)");
        let connection = database.connect();
        let delete = |id: i64| connection.execute_with("DELETE FROM p WHERE id = ?", params![id]);
        delete(1).unwrap();
        connection
            .execute("CREATE TABLE c(p BIGINT REFERENCES p ON DELETE CASCADE); INSERT INTO c VALUES (2), (3)")
            .unwrap();
        delete(2).unwrap();
        assert_eq!(number(&database, "SELECT count(*) FROM c"), 1);
        connection
            .execute("DROP TABLE c; CREATE TABLE c(p BIGINT REFERENCES p); INSERT INTO c VALUES (3)")
            .unwrap();
        assert!(delete(3).unwrap_err().to_string().contains("still referenced"));
    }

    #[test]
    fn rows_that_are_removed_by_their_key_take_others_along() {
        let database = database(
            "CREATE TABLE p(id BIGINT PRIMARY KEY, name VARCHAR);
             CREATE TABLE c(id BIGINT PRIMARY KEY, p BIGINT REFERENCES p ON DELETE SET NULL);
             INSERT INTO p VALUES (1, 'a'), (2, 'b'); INSERT INTO c VALUES (10, 1), (20, 2)",
        );
        let connection = database.connect();
        let keyed = connection.keyed("p").unwrap();
        assert!(keyed.put((1, "other")).unwrap());
        assert_eq!(number(&database, "SELECT count(p) FROM c"), 2);
        assert!(keyed.delete((1,)).unwrap());
        assert_eq!(number(&database, "SELECT count(p) FROM c"), 1);
        assert_eq!(number(&database, "SELECT count(*) FROM c"), 2);
    }
}
