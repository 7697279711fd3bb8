//! A new database of what can still be proven good of a damaged one.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::catalog::{Object, TableDefinition};
use crate::database::{Database, Options};
use crate::error::{Error, Result};
use crate::inspect::salvage::{RowCount, Salvage};
use crate::pager::Draft;
use crate::pager::inspect::Inspection;
use crate::sql::bind::name::quoted;
use crate::sql::split::split_statements;
use crate::sql::statement::ddl_text::{
    ObjectSql, index_sql, objects_in_order, ownership_statements, schema_statements,
};
use crate::table::{Finding, TableError};

/// What [`Database::salvage`] found, and what it did not.
#[derive(Debug, Clone, Default)]
pub struct SalvageReport {
    /// The commit that the new database begins with; those of the log that could be read are in it as well.
    pub commit: u64,
    /// The tables, in the order in which they were made.
    pub tables: Vec<SalvagedTable>,
    /// What is lost, where, and why.
    pub lost: Vec<Finding>,
}

/// What was found of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalvagedTable {
    /// `schema.table`.
    pub name: String,
    /// Rows that are in the new database.
    pub rows: u64,
    /// Rows that it should have beyond those, as far as that is known.
    pub lost: u64,
}

impl SalvageReport {
    /// Whether nothing is lost.
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty() && self.tables.iter().all(|table| table.lost == 0)
    }
}

impl fmt::Display for SalvageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.lost {
            writeln!(f, "lost: {finding}")?;
        }
        for SalvagedTable { name, rows, lost } in &self.tables {
            writeln!(
                f,
                "{name}: {rows} rows{}",
                if *lost > 0 { format!(", {lost} are lost") } else { String::new() }
            )?;
        }
        write!(f, "as of commit {}", self.commit)
    }
}

pub(crate) fn salvage(broken: &Path, new: &Path) -> Result<SalvageReport> {
    let draft = Draft::new(new).map_err(TableError::from)?;
    let found =
        Salvage::open(Inspection::search(broken).map_err(TableError::from)?).map_err(TableError::from)?;
    let report = write(&found, draft.path())?;
    draft.publish(Some(broken)).map_err(TableError::from)?;
    Ok(report)
}

fn write(found: &Salvage, new: &Path) -> Result<SalvageReport> {
    let options = Options::default().page_size(found.page_size()).maintenance(false);
    let db = Database::open_with(new, options)?;
    let connection = db.connect();
    let mut report = SalvageReport { commit: found.sequence(), tables: vec![], lost: found.findings.clone() };
    let make = |place: String, sql: &str, lost: &mut Vec<Finding>| {
        // What the file holds of expressions is part of the text, and nobody knows who wrote the file.
        let made = match split_statements(sql)[..] {
            [one] => connection.execute(one).map_err(|error| error.to_string()),
            _ => Err("it is not one statement".to_owned()),
        };
        made.map_err(|error| {
            let what = format!("it could not be made again: {error}; it was: {sql}");
            lost.push(Finding { place, what });
        })
        .is_ok()
    };
    for sql in schema_statements(&found.catalog) {
        make("a schema".into(), &sql, &mut report.lost);
    }
    let objects = objects_in_order(&found.catalog);
    // What is computed from rows comes when they are there.
    let is_late = |object: &Object| match object {
        Object::Table(table) => table.materialized.is_some(),
        Object::View(_) => true,
        _ => false,
    };
    for ObjectSql { schema, object, sql } in objects.iter().filter(|o| !is_late(o.object)) {
        let name = format!("{}.{}", schema.definition().name, object.name());
        let made = make(name.clone(), sql, &mut report.lost);
        let Object::Table(table) = object else { continue };
        let plain = plain_table_sql(&schema.definition().name, table);
        if !made && !make(name.clone(), &plain, &mut report.lost) {
            continue;
        }
        let count = copy_rows(found, &db, &schema.definition().name, table, &mut report.lost)?;
        report.tables.push(SalvagedTable { name, rows: count.found, lost: count.lost });
    }
    for ObjectSql { schema, object, sql } in &objects {
        if is_late(object) {
            make(format!("{}.{}", schema.definition().name, object.name()), sql, &mut report.lost);
        }
        if let Object::Table(table) = object {
            for index in &table.indexes {
                make(format!("index \"{}\"", index.name), &index_sql(schema, table, index), &mut report.lost);
            }
        }
    }
    for sql in ownership_statements(&found.catalog) {
        make("a sequence".into(), &sql, &mut report.lost);
    }
    drop(connection);
    set_comments(&db, &objects)?;
    if let Some(first) = db.check().findings.first() {
        return Err(Error::from(TableError::Corrupt(format!("the new database: {first}"))));
    }
    db.close()?;
    Ok(report)
}

/// What COMMENT ON said of objects that are no tables, where they could be made again.
fn set_comments(db: &Database, objects: &[ObjectSql<'_>]) -> Result<()> {
    let mut txn = db.storage().begin()?;
    for ObjectSql { schema, object, .. } in objects {
        let Some(comment) = object.comment() else { continue };
        let made = txn.catalog().schema(&schema.definition().name).ok();
        let made = made.and_then(|schema| schema.find(object.namespace(), object.name())).cloned();
        if let Some(made) = made.filter(|made| made.comment().is_none()) {
            txn.alter_object(made.with_comment(Some(comment)))?;
        }
    }
    txn.commit()?;
    Ok(())
}

/// A new table with all that the statement which made it does not say: what its columns are for, comments and options.
fn with_marks(made: &TableDefinition, table: &TableDefinition) -> TableDefinition {
    let mut marked = made.clone();
    (marked.comment, marked.options) = (table.comment.clone(), table.options.clone());
    for (column, old) in marked.columns.iter_mut().zip(&table.columns) {
        (column.role, column.comment) = (old.role, old.comment.clone());
    }
    marked
}

/// A table with the same columns, and nothing else, for where more cannot be made.
fn plain_table_sql(schema: &str, table: &TableDefinition) -> String {
    let columns = table.columns.iter().map(|column| format!("{} {}", quoted(&column.name), column.ty));
    let columns = columns.collect::<Vec<_>>().join(", ");
    format!("CREATE TABLE {}.{}({columns})", quoted(schema), quoted(&table.name))
}

fn copy_rows(
    found: &Salvage,
    db: &Database,
    schema: &str,
    table: &TableDefinition,
    lost: &mut Vec<Finding>,
) -> Result<RowCount> {
    let mut txn = db.storage().begin()?;
    let made = txn.catalog().table(schema, &table.name).map(Arc::clone).map_err(TableError::from)?;
    let same = made.columns.len() == table.columns.len()
        && made.columns.iter().zip(&table.columns).all(|(new, old)| new.ty == old.ty);
    if !same {
        lost.push(Finding {
            place: format!("{schema}.{}", table.name),
            what: "its columns are others now".into(),
        });
        return Ok(RowCount::default());
    }
    txn.alter_table(with_marks(&made, table))?;
    let appender = txn.append(made.id)?;
    let mut position = 0;
    let mut refused = 0;
    let mut reasons = vec![];
    let mut count = found.rows(table, lost, |columns| -> Result<(), TableError> {
        position += 1;
        match appender.write_row_group(position, &columns) {
            // Rows that contradict their definition are not good, whatever their checksums say.
            Err(error @ (TableError::Shape { .. } | TableError::NotNull { .. })) => {
                refused += columns[0].len() as u64;
                reasons.push(Finding { place: format!("{schema}.{}", table.name), what: error.to_string() });
                Ok(())
            }
            other => other,
        }
    })?;
    (count.found, count.lost) = (count.found - refused, count.lost + refused);
    lost.append(&mut reasons);
    drop(appender);
    txn.commit()?;
    Ok(count)
}
