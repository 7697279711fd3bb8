//! What tables ask to be done from time to time, by `CALL maintain()` or by the database itself: materialized views are
//! refreshed, and rows expire that are older than the table's retention. By hand, row groups of late points are put in
//! order, too, which the database itself does when it seals.

use std::sync::Arc;
use std::time::Duration;

use crate::catalog::{Catalog, Object, TableDefinition};
use crate::sql::bind::expiry::{TTL, ttl_column, ttl_horizon};
use crate::sql::bind::name::name_in_sql;
use crate::sql::error::SqlError;
use crate::sql::fluxql::parse_duration;
use crate::sql::parser::parse_name;
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::statement::materialized;
use crate::sql::statement::modify::delete_where;
use crate::sql::statement::table_options::{horizon, time_column};
use crate::table::TableError;

/// Rows are looked at so much more often than they expire, but not less often than once an hour.
const LOOKS_A_RETENTION: u32 = 10;
const RETENTION_INTERVAL_MAX: Duration = Duration::from_hours(1);

/// Something that is to be done again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The table or materialized view, qualified and quoted.
    pub name: String,
    /// How long after the last time.
    pub every: Duration,
}

/// What the tables of a catalog ask for, in the order in which it is done: a view after those that it reads, and all of
/// them before what they read expires.
pub fn tasks(catalog: &Catalog) -> Vec<Task> {
    policies(catalog)
        .into_iter()
        .map(|(schema, table)| {
            let period =
                |option: &str| table.options.get(option).and_then(|text| parse_duration(text)).map(span);
            let looks = period("retention")
                .into_iter()
                .chain(period(TTL))
                // Where each row has its own moment, no table has a period.
                .filter(|all| !all.is_zero())
                .min()
                .map(|all| (all / LOOKS_A_RETENTION).min(RETENTION_INTERVAL_MAX));
            let every = period("refresh").into_iter().chain(looks).min().unwrap_or(RETENTION_INTERVAL_MAX);
            Task {
                name: format!("{}.{}", name_in_sql(&schema), name_in_sql(&table.name)),
                every: every.max(Duration::from_secs(1)),
            }
        })
        .collect()
}

/// A duration; months are 30 days.
fn span(duration: crate::sql::fluxql::Duration) -> Duration {
    let days = i64::from(duration.months) * 30 + i64::from(duration.days);
    Duration::from_secs(days.max(0).unsigned_abs() * 86_400)
        + Duration::from_nanos(duration.nanos.max(0).unsigned_abs())
}

/// Tables that ask for something, with their schemas: views first.
fn policies(catalog: &Catalog) -> Vec<(String, Arc<TableDefinition>)> {
    let mut found = vec![];
    for schema in catalog.schemas() {
        for object in schema.objects() {
            if let Object::Table(table) = object
                && ["retention", "refresh", TTL].iter().any(|option| table.options.contains_key(*option))
            {
                found.push((schema.definition().name.to_string(), Arc::clone(table)));
            }
        }
    }
    // What a view reads was there before it, so it has a lesser id.
    found.sort_by_key(|(_, table)| (table.materialized.is_none(), table.id));
    found
}

/// Does all of it for the database in which objects are made, each table in a transaction of its own unless one is open.
/// What fails keeps nothing else from being done, but then this fails. Yields how many rows were made or removed.
pub fn run(session: &mut Session) -> Result<Outcome, Failure> {
    let policies = policies(session.read_view().focus().catalog());
    let (mut changed, mut failed) = (0, None);
    for (schema, table) in &policies {
        match materialized::refresh_if_due(session, table.id, schema) {
            Ok(rows) => changed += rows,
            Err(e) => failed = failed.or(Some(e)),
        }
    }
    for (schema, table) in &policies {
        match expire(session, table, schema) {
            Ok(rows) => changed += rows,
            Err(e) => failed = failed.or(Some(e)),
        }
    }
    if let Err(e) = session.put_in_order() {
        failed = failed.or(Some(e));
    }
    failed.map_or(Ok(Outcome::Changed(changed)), Err)
}

/// Does it for one table or view.
pub fn run_one(session: &mut Session, name: &str) -> Result<Outcome, Failure> {
    let view = session.read_view();
    let found = view.find(crate::catalog::ObjectKind::Table, &parse_name(name)?)?;
    let Object::Table(table) = found.object else {
        return Err(SqlError::binder(format!("{name} is no table")).into());
    };
    if !std::ptr::eq(found.database, view.focus()) {
        return Err(
            SqlError::binder(format!("{name} is in another database than objects are made in")).into()
        );
    }
    let schema = &found.schema.definition().name;
    let refreshed = materialized::refresh_if_due(session, table.id, schema)?;
    Ok(Outcome::Changed(refreshed + expire(session, table, schema)?))
}

/// Removes the expired rows of a table. The views that are made from them have them first, in the same commit.
fn expire(session: &mut Session, table: &Arc<TableDefinition>, schema: &str) -> Result<u64, Failure> {
    let expired = expire_ttl(session, table, schema)?;
    let (Some(retention), Some(time)) = (table.options.get("retention"), time_column(table)) else {
        return Ok(expired);
    };
    let database = session.default_database();
    let mut writer = session.writer_in(&database)?;
    let view = writer.read_view()?;
    let now = view.focus().catalog().table_by_id(table.id);
    let table = Arc::clone(now.ok_or_else(|| TableError::Conflict(table.name.to_string()))?);
    // One moment for the rows that go and the buckets that stay.
    let now = format!("'{}'::TIMESTAMPTZ", chrono::Utc::now().to_rfc3339());
    let horizon = horizon(retention).replace("now()", &now);
    materialized::freeze(&mut writer, table.id, &horizon)?;
    let removed = delete_where(&mut writer, &table, schema, &format!("{} < {horizon}", name_in_sql(time)))?;
    // Else nothing has changed, and the views need not be written.
    if removed > 0 {
        writer.finish()?;
    }
    Ok(expired + removed)
}

/// Removes the rows of a table that its ttl hides.
fn expire_ttl(session: &mut Session, table: &Arc<TableDefinition>, schema: &str) -> Result<u64, Failure> {
    let (Some(column), Some(horizon)) = (ttl_column(table), ttl_horizon(table)) else { return Ok(0) };
    let condition = format!("{} < {horizon}", name_in_sql(&table.columns[column].name));
    let database = session.default_database();
    let mut writer = session.writer_in(&database)?;
    let removed = delete_where(&mut writer, table, schema, &condition)?;
    if removed > 0 {
        writer.finish()?;
    }
    Ok(removed)
}
