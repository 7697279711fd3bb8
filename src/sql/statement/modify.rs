//! INSERT, UPDATE, DELETE, TRUNCATE, MERGE.

use std::sync::Arc;

use sqlparser::ast::Query;

use crate::catalog::{ObjectKind, TableDefinition};
use crate::exec::batch::{Batch, Field, Schema};
use crate::exec::context::ExecContext;
use crate::exec::error::ExecError;
use crate::exec::eval::evaluate;
use crate::exec::expr::Expr;
use crate::exec::first_rows::first_rows;
use crate::exec::memory::{Reservation, batch_bytes};
use crate::exec::plan::Plan;
use crate::exec::sinks::ModifySink;
use crate::exec::source::Source;
use crate::sql::ast::{Change, ConflictAction, Modify, Statement};
use crate::sql::bind::Tables;
use crate::sql::bind::expiry::ttl_column;
use crate::sql::bind::modify::keys::UniqueKey;
use crate::sql::bind::modify::{
    BoundChange, BoundModify, InsertRows, Target, plain_values, replaces_whole_rows,
};
use crate::sql::bind::name::name_in_sql;
use crate::sql::error::{Result, SqlError};
use crate::sql::parser;
use crate::sql::physical;
use crate::sql::plan::{ColumnIds, LogicalPlan};
use crate::sql::session::{
    Failure, Outcome, PlanCache, ResultRows, Session, Turn, Writer, beside_others, has_its_rows,
};
use crate::sql::sources::StaticRows;
use crate::sql::statement::cascade;
use crate::sql::statement::key_checks::{Checker, Consequences, LOOKED_UP_MAX, indexed, is_few, probes_of};
use crate::sql::statement::truncate;
use crate::table::TableSnapshot;

/// VALUES of more rows are worth waiting for.
const ROWS_BESIDE_MAX: usize = 1_000;

/// Changes the rows of a table. `plans` has what the statement keeps, if it runs several times.
pub fn run(session: &mut Session, statement: &Modify, plans: Option<&PlanCache>) -> Result<Outcome, Failure> {
    if let Change::Truncate(truncate) = &statement.change {
        return truncate::run(session, statement, truncate);
    }
    let has_values = has_values(statement);
    let is_of_rows = matches!(statement.change, Change::Update(_) | Change::Delete { .. });
    let plans = plans.filter(|_| has_values || (is_of_rows && statement.with.is_empty()));
    let outcome = if has_values && !session.is_in_transaction() {
        beside_others(|turn| run_at(session, statement, plans, turn))?
    } else {
        None
    };
    match outcome {
        Some(outcome) => Ok(outcome),
        None => run_at(session, statement, plans, Turn::First)?
            .ok_or_else(|| SqlError::internal("it is its turn").into()),
    }
}

/// Whether a statement adds rows that it has itself, as far as its syntax tells.
fn has_values(statement: &Modify) -> bool {
    let Change::Insert(insert) = &statement.change else { return false };
    let few = |source: &Query| plain_values(source).is_some_and(|v| v.rows.len() <= ROWS_BESIDE_MAX);
    statement.with.is_empty() && insert.conflict.is_none() && insert.source.as_deref().is_none_or(few)
}

/// `None` if it is not to be done beside others.
fn run_at(
    session: &mut Session,
    statement: &Modify,
    plans: Option<&PlanCache>,
    turn: Turn,
) -> Result<Option<Outcome>, Failure> {
    let mut writer = session.writer_of_at(ObjectKind::Table, &statement.table, turn)?;
    let view = writer.read_view()?;
    let verb = match &statement.change {
        Change::Insert(_) => "insert into",
        Change::Update(_) => "update",
        Change::Delete { .. } | Change::Truncate(_) => "delete from",
        Change::Merge(_) => "merge into",
    };
    let target = Target::find(&view, &statement.table, statement.alias.as_ref(), verb)?;
    let kept = plans.and_then(|plans| plans.change(writer.session_mut(), &view, statement, &target));
    let changed = if let Some((bound, ids)) = kept {
        apply_optimized(&mut writer, &view, &target, bound, ids)?
    } else {
        let (bound, ids) = writer.session().bind(&view, |binder| {
            let bound = binder.bind_modify(statement, &target)?;
            Ok((bound, std::mem::take(&mut binder.ids)))
        })?;
        match bound {
            BoundChange::Whole(bound) if turn == Turn::Last && !has_its_rows(&bound.plan) => return Ok(None),
            BoundChange::Whole(bound) => apply(&mut writer, &view, &target, *bound, ids)?,
            BoundChange::Conflict(rows) => {
                insert_or_change(&mut writer, &view, statement, &target, *rows, ids)?
            }
        }
    };
    writer.finish()?;
    Ok(Some(changed.outcome()))
}

/// The plan of a statement, as EXPLAIN shows it: of ON CONFLICT, that of its rows. And the columns of RETURNING.
pub fn plan(session: &Session, statement: &Modify) -> Result<(Plan, Option<Schema>), Failure> {
    let view = session.read_view();
    let target = Target::find(&view, &statement.table, statement.alias.as_ref(), "change")?;
    let ((bound, returning), mut ids) = session.bind(&view, |binder| {
        let bound = binder.bind_modify(statement, &target)?;
        let returning = match &bound {
            BoundChange::Whole(bound) => bound.returning.clone(),
            BoundChange::Conflict(_) => binder
                .bind_returning(&target, statement.returning.as_deref(), None)?
                .map(|(schema, _)| schema),
        };
        Ok(((bound, returning), std::mem::take(&mut binder.ids)))
    })?;
    let plan = match bound {
        BoundChange::Conflict(rows) => rows.plan,
        BoundChange::Whole(bound) => {
            let context = Arc::new(session.context());
            let sink = ModifySink::new(Arc::clone(&target.table), None, bound.spec, context);
            let count = ids.column("Count", crate::column::types::LogicalType::BigInt);
            LogicalPlan::Write { input: Box::new(bound.plan), sink, count }
        }
    };
    Ok((session.plan(plan, &mut ids)?, returning))
}

/// Removes the rows of a table for which a condition holds, given as SQL text; also those of a materialized view. `schema`
/// is that of the table.
pub fn delete_where(
    writer: &mut Writer<'_>,
    table: &Arc<TableDefinition>,
    schema: &str,
    condition: &str,
) -> Result<u64, Failure> {
    let sql = format!("DELETE FROM {}.{} WHERE {condition}", name_in_sql(schema), name_in_sql(&table.name));
    let Statement::Modify(statement) = parser::parse_statement(parser::tokens(&sql)?)? else {
        return Err(SqlError::internal("DELETE is a change").into());
    };
    let view = writer.read_view()?;
    let target = Target::new(Arc::clone(table), schema).with_expired();
    let (bound, ids) = writer.session().bind(&view, |binder| {
        let bound = binder.bind_modify(&statement, &target)?;
        Ok((bound, std::mem::take(&mut binder.ids)))
    })?;
    let BoundChange::Whole(bound) = bound else {
        return Err(SqlError::internal("DELETE has no conflicts").into());
    };
    Ok(apply(writer, &view, &target, *bound, ids)?.rows)
}

/// What a statement did.
pub struct Changed {
    /// How many rows it changed.
    pub rows: u64,
    /// The rows of RETURNING.
    pub returning: Option<(Schema, Vec<Batch>)>,
}

impl Changed {
    /// What the statement answers.
    pub fn outcome(self) -> Outcome {
        match self.returning {
            Some((schema, batches)) => Outcome::Rows(ResultRows::Static(schema, batches.into())),
            None => Outcome::Changed(self.rows),
        }
    }
}

/// Carries out a bound statement. `view` is what it read.
pub fn apply(
    writer: &mut Writer<'_>,
    view: &dyn Tables,
    target: &Target,
    mut bound: BoundModify,
    mut ids: ColumnIds,
) -> Result<Changed, Failure> {
    bound.plan = writer.session().optimize(bound.plan, &mut ids)?;
    apply_optimized(writer, view, target, bound, ids)
}

fn apply_optimized(
    writer: &mut Writer<'_>,
    view: &dyn Tables,
    target: &Target,
    bound: BoundModify,
    ids: ColumnIds,
) -> Result<Changed, Failure> {
    let is_part = bound.keys.removed.iter().any(|removed| removed.key.actions.any());
    let (changed, consequences) = change_rows(writer, view, target, bound, ids, is_part)?;
    cascade::carry_out(writer, consequences)?;
    Ok(changed)
}

/// Makes the changes of an optimized statement. `is_part` says that others go with them, so that nothing is said yet of
/// rows that refer to keys which are gone.
pub(super) fn change_rows(
    writer: &mut Writer<'_>,
    view: &dyn Tables,
    target: &Target,
    bound: BoundModify,
    mut ids: ColumnIds,
    is_part: bool,
) -> Result<(Changed, Consequences), Failure> {
    let BoundModify { plan, spec, adds, returning, keys, removed: others } = bound;
    let id = target.table.id;
    let appender = if adds { Some(writer.transaction()?.append(id)?) } else { None };
    let context = Arc::new(writer.session().context_of(&plan));
    let added: Vec<Schema> = spec.added_keys.iter().map(|parts| key_fields(parts)).collect();
    let removed: Vec<Schema> = spec.removed_keys.iter().map(|parts| key_fields(parts)).collect();
    let sink = ModifySink::new(Arc::clone(&target.table), appender, spec, Arc::clone(&context));
    let mut consequences = Consequences::default();
    let count = ids.column("Count", crate::column::types::LogicalType::BigInt);
    let input = Box::new(plan);
    let plan = LogicalPlan::Write { input, sink: Arc::<ModifySink>::clone(&sink) as _, count };
    let plan = physical::plan(&plan)?;
    for batch in writer.session().start_in(plan, Arc::clone(&context))? {
        batch?;
    }
    let mut modified = sink.take();
    let returned = std::mem::take(&mut modified.returning);
    if !others.is_empty() {
        modified.removed.extend(others);
        modified.removed.sort_unstable();
        modified.removed.dedup();
    }
    if modified.rows > 0 {
        let session = writer.session();
        let mut checker = Checker { session, view, target, row_ids: None, is_part, sink, references: vec![] };
        let rows = |schema: &Schema, batches: &mut Vec<Batch>| {
            let batches = std::mem::take(batches);
            Arc::new(StaticRows::new("keys", Arc::clone(schema), batches)) as Arc<dyn Source>
        };
        let gather = |schemas: &[Schema], keys: &mut [Vec<Batch>]| -> Vec<Arc<dyn Source>> {
            schemas.iter().zip(keys).map(|(s, k)| rows(s, k)).collect()
        };
        let most = if ttl_column(&target.table).is_some() { usize::MAX } else { LOOKED_UP_MAX };
        let probes: Vec<_> = modified.added_keys.iter().map(|batches| probes_of(batches, most)).collect();
        let added = gather(&added, &mut modified.added_keys);
        let lost = if is_part {
            cascade::lost_keys(&keys, &removed, &mut modified.removed_keys, &context)?
        } else {
            Consequences::default()
        };
        let removed = gather(&removed, &mut modified.removed_keys);
        checker.check(&keys, &added, &probes, &removed, &modified)?;
        let expired = checker.expired(&keys, &probes, &modified)?;
        consequences = Consequences { references: checker.references, ..lost };
        if !expired.is_empty() {
            writer.transaction()?.delete(id, &expired)?;
        }
    }
    if !modified.removed.is_empty() {
        writer.transaction()?.delete(id, &modified.removed)?;
    }
    let returning = returning.map(|schema| (schema, returned));
    Ok((Changed { rows: modified.rows, returning }, consequences))
}

fn key_fields(parts: &[Expr]) -> Schema {
    parts.iter().map(|part| Field::new("key", part.ty())).collect()
}

/// Rows in memory, accounted for.
struct Held {
    schema: Schema,
    batches: Vec<Batch>,
    memory: Reservation,
}

impl Held {
    fn collect(
        session: &Session,
        plan: LogicalPlan,
        mut ids: ColumnIds,
        context: &Arc<ExecContext>,
    ) -> Result<Self, Failure> {
        let plan = session.plan(plan, &mut ids)?;
        let mut held =
            Self { schema: Arc::clone(&plan.schema), batches: vec![], memory: Reservation::new(context) };
        for batch in session.start_in(plan, Arc::clone(context))? {
            let batch = batch?;
            held.memory.grow(batch_bytes(&batch))?;
            held.batches.push(batch);
        }
        Ok(held)
    }

    fn source(self) -> (Arc<dyn Source>, Reservation) {
        (Arc::new(StaticRows::new("rows", self.schema, self.batches)), self.memory)
    }
}

/// The rows of a table that have the keys of some others, in order; `None` if that is better found out by a join.
fn rows_with_keys(
    table: &TableSnapshot,
    key: &[usize],
    parts: &[Expr],
    batches: &[Batch],
    context: &ExecContext,
) -> Result<Option<Vec<u64>>, Failure> {
    let Some(columns) = indexed(table.definition(), key) else { return Ok(None) };
    let evaluated = batches.iter().map(|batch| {
        let columns = parts.iter().map(|part| evaluate(part, batch, context)).collect::<Result<_, _>>()?;
        Ok::<_, ExecError>(Batch::new(columns, batch.rows))
    });
    let evaluated = evaluated.collect::<Result<Vec<_>, _>>()?;
    let probes = probes_of(&evaluated, LOOKED_UP_MAX).filter(|probes| is_few(probes, table));
    let Some(probes) = probes else { return Ok(None) };
    let mut rows: Vec<u64> = table.find(&columns, &probes)?.into_iter().map(|(_, row)| row).collect();
    rows.sort_unstable();
    rows.dedup();
    Ok(Some(rows))
}

/// INSERT … ON CONFLICT.
fn insert_or_change(
    writer: &mut Writer<'_>,
    view: &dyn Tables,
    statement: &Modify,
    target: &Target,
    rows: InsertRows,
    ids: ColumnIds,
) -> Result<Changed, Failure> {
    let Change::Insert(crate::sql::ast::Insert { conflict: Some(conflict), .. }) = &statement.change else {
        return Err(SqlError::internal("only INSERT has ON CONFLICT").into());
    };
    let session = writer.session();
    let context = Arc::new(session.context());
    let InsertRows { plan, given, keys } = rows;
    let mut held = Held::collect(session, plan, ids, &context)?;
    let is_empty = view.table(target.table.id)?.rows() == 0;
    let nothing = matches!(conflict.action, ConflictAction::Nothing);
    let parts = session.bind(view, |binder| {
        Ok(keys.iter().map(|key| binder.bind_row_key(target, key)).collect::<Result<Vec<_>>>()?)
    })?;
    let table = view.table(target.table.id)?;
    let found = keys.iter().zip(&parts);
    let found =
        found.map(|(key, parts)| rows_with_keys(&table, &key.columns, parts, &held.batches, &context));
    let found = found.collect::<Result<Vec<_>, Failure>>()?;
    let keys: Vec<(UniqueKey, Option<Vec<u64>>)> = keys.into_iter().zip(found).collect();
    if nothing && !is_empty && keys.iter().any(|(_, found)| found.as_ref().is_none_or(|f| !f.is_empty())) {
        let (source, _memory) = held.source();
        let (plan, ids) = session.bind(view, |binder| {
            let plan = binder.bind_free_rows(target, source, &keys)?;
            Ok((plan, std::mem::take(&mut binder.ids)))
        })?;
        held = Held::collect(session, plan, ids, &context)?;
    }
    held.batches = first_rows(std::mem::take(&mut held.batches), &parts, &context)?;
    let (source, _memory) = held.source();
    let returning = statement.returning.as_deref();
    let (bound, ids) = session.bind(view, |binder| {
        let bound = match &keys[..] {
            [(key, found)] if !nothing => {
                let all = Arc::clone(&source);
                let upsert = || {
                    let key = (key, found.as_deref());
                    binder.bind_upsert(target, all, &given, key, &conflict.action, returning)
                };
                match found {
                    // Nothing that the table has of these rows is asked for.
                    Some(found)
                        if found.is_empty()
                            || replaces_whole_rows(target, view.catalog(), &given, key, &conflict.action) =>
                    {
                        if matches!(conflict.action, ConflictAction::Update { .. }) {
                            // What it says must be right all the same.
                            upsert()?;
                        }
                        let added = binder.bind_insert_free(target, source, returning)?;
                        BoundModify { removed: found.clone(), ..added }
                    }
                    _ => upsert()?,
                }
            }
            _ => binder.bind_insert_free(target, source, returning)?,
        };
        Ok((bound, std::mem::take(&mut binder.ids)))
    })?;
    apply(writer, view, target, bound, ids)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use crate::{Connection, Database, params};

    /// Does something with many connections at once, several times each.
    fn at_once(database: &Database, work: impl Fn(&Connection, i64) + Sync) {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let connection = database.connect();
                    (0..100).for_each(|i| work(&connection, i));
                });
            }
        });
    }

    fn number(database: &Database, sql: &str) -> i64 {
        database.connect().query_one::<(i64,)>(sql, ()).unwrap().0
    }

    #[test]
    fn a_statement_by_itself_meets_no_conflict() {
        let database = Database::open_in_memory().unwrap();
        database.connect().execute("CREATE TABLE t(k BIGINT PRIMARY KEY, v BIGINT)").unwrap();
        let added = AtomicU64::new(0);
        at_once(&database, |connection, i| {
            match connection.execute(&format!("INSERT INTO t VALUES ({i}, 0)")) {
                Ok(_) => drop(added.fetch_add(1, Ordering::Relaxed)),
                Err(e) => assert!(e.to_string().contains("Duplicate key"), "{e}"),
            }
        });
        assert_eq!(added.into_inner(), 100);
        assert_eq!(number(&database, "SELECT count(*) FROM t"), 100);
        // The one row is replaced again and again, by rows with other keys between.
        at_once(&database, |connection, i| {
            connection.keyed("t").unwrap().put((i % 3, i)).unwrap();
        });
        assert_eq!(number(&database, "SELECT count(DISTINCT k) * 1000 + count(*) FROM t"), 100_100);
    }

    #[test]
    fn a_row_that_is_made_of_others_waits_for_them() {
        let database = Database::open_in_memory().unwrap();
        database.connect().execute("CREATE TABLE t(n BIGINT)").unwrap();
        at_once(&database, |connection, _| {
            connection.execute("INSERT INTO t VALUES ((SELECT count(*) FROM t))").unwrap();
        });
        assert_eq!(number(&database, "SELECT count(DISTINCT n) FROM t"), 400);
    }

    #[test]
    fn definitions_change_beside_rows_that_are_added() {
        let database = Database::open_in_memory().unwrap();
        database.connect().execute("CREATE TABLE t(a BIGINT); CREATE TABLE other(b BIGINT)").unwrap();
        at_once(&database, |connection, i| {
            connection.execute_with("INSERT INTO t(a) VALUES (?)", params![i]).unwrap();
            if i % 20 == 0 {
                let _ = connection
                    .execute(&format!("ALTER TABLE t ADD COLUMN IF NOT EXISTS c{i} BIGINT DEFAULT 7"));
                let _ =
                    connection.execute(&format!("ALTER TABLE other ADD COLUMN IF NOT EXISTS c{i} BIGINT"));
            }
        });
        assert_eq!(number(&database, "SELECT count(*) FROM t"), 400);
        assert_eq!(number(&database, "SELECT count(*) FROM t WHERE c0 IS NULL"), 0);
    }
}
