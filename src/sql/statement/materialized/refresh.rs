//! Bringing a materialized view up to date.

use std::sync::Arc;

use sqlparser::ast::ObjectName;

use crate::catalog::{
    ALL_TIME, Materialized, Object, ObjectKind, SourceState, TableDefinition, TableId, TimeRange,
    merge_ranges,
};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::context::ExecContext;
use crate::exec::eval::evaluate_constant;
use crate::exec::expr::{CompareOp, Expr};
use crate::exec::sinks::table_sink;
use crate::sql::bind::name::name_in_sql;
use crate::sql::error::SqlError;
use crate::sql::parser::{parse_expr, parse_query};
use crate::sql::plan::LogicalPlan;
use crate::sql::session::{Failure, Outcome, ReadView, SearchPath, Session, Writer};
use crate::sql::statement::materialized::{BoundView, Shape};
use crate::sql::statement::modify::delete_where;
use crate::sql::statement::table_options::horizon;
use crate::table::TableError;

/// So many ranges of time are made anew one by one; of more, some become one.
const RANGES_MAX: usize = 16;

/// REFRESH MATERIALIZED VIEW.
pub fn refresh_named(session: &mut Session, name: &ObjectName) -> Result<Outcome, Failure> {
    let view = session.read_view();
    let found = view.find_exactly(ObjectKind::MaterializedView, name, "refresh")?;
    let id = TableId::from(found.object.id());
    let schema = found.schema.definition().name.to_string();
    let database = Arc::clone(found.database.database());
    let mut writer = session.writer_in(&database)?;
    let rows = refresh(&mut writer, id, &schema)?;
    writer.finish()?;
    Ok(Outcome::Changed(rows))
}

/// Refreshes a table of the database in which objects are made, if it is a view that asks for it. Returns how many rows
/// were made.
pub fn refresh_if_due(session: &mut Session, id: TableId, schema: &str) -> Result<u64, Failure> {
    let view = session.read_view();
    let table = definition(&view, id)?;
    if table.materialized.is_none() || !table.options.contains_key("refresh") {
        return Ok(0);
    }
    let database = session.default_database();
    let mut writer = session.writer_in(&database)?;
    let rows = refresh(&mut writer, id, schema)?;
    writer.finish()?;
    Ok(rows)
}

/// Brings a view up to date in a transaction. Returns how many rows were made.
pub fn refresh(writer: &mut Writer<'_>, id: TableId, schema: &str) -> Result<u64, Failure> {
    let view = writer.read_view()?;
    let table = definition(&view, id)?;
    let Some(materialized) = table.materialized.as_deref() else {
        return Err(SqlError::internal(format!("\"{}\" is no materialized view", table.name)).into());
    };
    // The query's names are those of the view's schema.
    let path = SearchPath::new(vec![(view.focus().name().to_owned(), schema.to_owned())])?;
    let view = view.along(path);
    let refresh = Refresh { view: &view, table: &table, schema, materialized };
    let bound = refresh.bind(writer)?;
    let sources = bound.state()?;
    let ranges = changed_ranges(materialized, &bound, &sources);
    if ranges.is_empty() && materialized.refreshed {
        return Ok(0);
    }
    let rows = refresh.remake(writer, &bound, ranges)?;
    let mut changed = TableDefinition::clone(&table);
    changed.materialized = Some(Box::new(Materialized { refreshed: true, sources, ..materialized.clone() }));
    writer.transaction()?.alter_table(changed)?;
    Ok(rows)
}

/// Brings the views up to date that make buckets of a table, before its rows older than `horizon` expire, and has them
/// keep what they have of these. The horizon is an expression over no columns, as SQL text.
pub fn freeze(writer: &mut Writer<'_>, source: TableId, horizon: &str) -> Result<(), Failure> {
    let view = writer.read_view()?;
    let catalog = view.focus().catalog();
    let mut dependents = vec![];
    for schema in catalog.schemas() {
        for object in schema.objects() {
            if let Object::Table(table) = object
                && let Some(m) = &table.materialized
                && m.refreshed
                && m.sources.iter().any(|s| s.table == source && s.time.is_some())
            {
                dependents.push((table.id, schema.definition().name.to_string()));
            }
        }
    }
    for (id, schema) in dependents {
        refresh(writer, id, &schema)?;
        let view = writer.read_view()?;
        let table = definition(&view, id)?;
        let path = SearchPath::new(vec![(view.focus().name().to_owned(), schema.clone())])?;
        let view = view.along(path);
        let Some(materialized) = table.materialized.as_deref() else { continue };
        let refresh = Refresh { view: &view, table: &table, schema: &schema, materialized };
        let Some(shape) = refresh.bind(writer)?.shape else { continue };
        let Some(ticks) = refresh.ticks(writer, horizon, &table.columns[shape.output].ty)? else { continue };
        let mut changed = TableDefinition::clone(&table);
        if let Some(materialized) = &mut changed.materialized
            && materialized.frozen_before.is_none_or(|before| before < ticks)
        {
            materialized.frozen_before = Some(ticks);
            writer.transaction()?.alter_table(changed)?;
        }
    }
    Ok(())
}

/// The times of rows that may have changed since a view was made; all of time where that is not known.
pub fn changed_ranges(view: &Materialized, bound: &BoundView, sources: &[SourceState]) -> Vec<TimeRange> {
    if !view.refreshed || bound.tables.is_none() || sources.len() != view.sources.len() {
        return vec![ALL_TIME];
    }
    let both = sources.iter().zip(&view.sources);
    let changed: Vec<TimeRange> = both.flat_map(|(now, before)| now.changes_since(before)).collect();
    if changed.is_empty() {
        return vec![];
    }
    let endless = |range: &TimeRange| range.0 == i64::MIN || range.1 == i64::MAX;
    if bound.shape.is_none() || changed.iter().any(endless) {
        return vec![ALL_TIME];
    }
    changed
}

/// Ranges that begin and end with buckets, in order and apart. Buckets that begin before `least` are no part of them.
pub fn whole_buckets(
    shape: &Shape,
    ranges: Vec<TimeRange>,
    least: Option<i64>,
    context: &ExecContext,
) -> Vec<TimeRange> {
    let mut whole = vec![];
    for (from, to) in ranges {
        let found = (from > i64::MIN && to < i64::MAX).then(|| {
            let (first, last) = (shape.start_of(from, context)?, shape.start_of(to, context)?);
            if least.is_some_and(|least| last < least) {
                return Some(None);
            }
            let from = match least {
                Some(least) if first < least => shape.first_from(least, to, context)?,
                _ => shape.first_from(first, from, context)?,
            };
            Some(Some((from, shape.last_until(last, to, context)?)))
        });
        match found.flatten() {
            Some(Some(range)) => whole.push(range),
            Some(None) => {}
            // A time near the end of all times, or all of them.
            None => return vec![ALL_TIME],
        }
    }
    let mut whole = merge_ranges(whole);
    while whole.len() > RANGES_MAX {
        // The two that are nearest to each other.
        let gap = |i: &usize| whole[i + 1].0.saturating_sub(whole[*i].1);
        let Some(nearest) = (0..whole.len() - 1).min_by_key(gap) else { break };
        whole[nearest].1 = whole.remove(nearest + 1).1;
    }
    whole
}

fn definition(view: &ReadView, id: TableId) -> Result<Arc<TableDefinition>, Failure> {
    let found = view.focus().catalog().table_by_id(id);
    Ok(Arc::clone(found.ok_or_else(|| TableError::Conflict(id.to_string()))?))
}

/// One refresh.
struct Refresh<'v> {
    view: &'v ReadView,
    table: &'v Arc<TableDefinition>,
    schema: &'v str,
    materialized: &'v Materialized,
}

impl Refresh<'_> {
    fn bind(&self, writer: &Writer<'_>) -> Result<BoundView, Failure> {
        let inside = |e: SqlError| SqlError {
            message: format!("in materialized view \"{}\": {}", self.table.name, e.message),
            position: None,
            ..e
        };
        let query = parse_query(&self.materialized.query).map_err(inside)?;
        let bound = writer.session().bind(self.view, |binder| BoundView::bind(binder, &query, self.view));
        let bound = bound.map_err(|e| match e {
            Failure::Sql(e) => Failure::Sql(inside(e)),
            other => other,
        })?;
        let yielded = bound.plan.columns();
        let same = yielded.len() == self.table.columns.len()
            && yielded.iter().zip(&self.table.columns).all(|(now, column)| now.ty == column.ty);
        if !same {
            let message = format!(
                "the query of materialized view \"{}\" yields other columns than when it was made",
                self.table.name
            );
            return Err(SqlError::binder(message).hint("Make the view anew.").into());
        }
        Ok(bound)
    }

    /// Makes the rows of the buckets anew that have times in these ranges.
    fn remake(
        &self,
        writer: &mut Writer<'_>,
        bound: &BoundView,
        ranges: Vec<TimeRange>,
    ) -> Result<u64, Failure> {
        let Some(shape) = &bound.shape else {
            self.delete(writer, "true")?;
            return self.insert(writer, bound, ALL_TIME, None);
        };
        let column = &self.table.columns[shape.output];
        let mut least = self.materialized.frozen_before;
        if let Some(retention) = self.table.options.get("retention") {
            least = least.max(self.ticks(writer, &horizon(retention), &column.ty)?);
        }
        let mut rows = 0;
        for range in whole_buckets(shape, ranges, least, &writer.session().context()) {
            self.delete(writer, &self.condition(writer, shape, range, least)?)?;
            rows += self.insert(writer, bound, range, least)?;
        }
        Ok(rows)
    }

    /// Which rows of the view make room for a range, as a condition.
    fn condition(
        &self,
        writer: &Writer<'_>,
        shape: &Shape,
        range: TimeRange,
        least: Option<i64>,
    ) -> Result<String, Failure> {
        let context = writer.session().context();
        let column = &self.table.columns[shape.output];
        let name = name_in_sql(&column.name);
        let literal = |ticks: i64| -> Result<String, Failure> {
            let value = Expr::literal(Scalar::Int(ticks.into()), column.ty.clone());
            let text = Expr::Cast { input: Box::new(value), to: LogicalType::Varchar, or_null: false };
            match evaluate_constant(&text, &context)? {
                Scalar::Text(text) => Ok(format!("'{text}'::{}", column.ty)),
                _ => Err(SqlError::internal("a time has no text").into()),
            }
        };
        if range == ALL_TIME {
            return Ok(match least {
                Some(least) => format!("{name} IS NULL OR {name} >= {}", literal(least)?),
                None => "true".into(),
            });
        }
        let start = |time| {
            let start = shape.start_of(time, &context);
            start.ok_or_else(|| SqlError::internal("a bucket was lost"))
        };
        Ok(format!("{name} >= {} AND {name} <= {}", literal(start(range.0)?)?, literal(start(range.1)?)?))
    }

    fn delete(&self, writer: &mut Writer<'_>, condition: &str) -> Result<(), Failure> {
        delete_where(writer, self.table, self.schema, condition).map(|_| ())
    }

    /// Adds the rows of the query over rows of these times, but no buckets that begin before `least`.
    fn insert(
        &self,
        writer: &mut Writer<'_>,
        bound: &BoundView,
        times: TimeRange,
        least: Option<i64>,
    ) -> Result<u64, Failure> {
        let mut plan = bound.plan.clone();
        let mut ids = bound.ids.clone();
        if let Some(shape) = &bound.shape {
            shape.restrict(&mut plan, &[times]);
            if let Some(least) = least {
                let column = plan.columns()[shape.output].clone();
                let least = Expr::literal(Scalar::Int(least.into()), column.ty.clone());
                let is_late = Expr::Compare {
                    op: CompareOp::GtEq,
                    left: Box::new(column.expr()),
                    right: Box::new(least),
                };
                let is_null = Expr::IsNull { input: Box::new(column.expr()), negated: false };
                let predicates = vec![Expr::Or(vec![is_null, is_late])];
                plan = LogicalPlan::Filter { input: Box::new(plan), predicates };
            }
        }
        let sink = table_sink(writer.transaction()?.append(self.table.id)?);
        let count = ids.column("Count", LogicalType::BigInt);
        let plan = LogicalPlan::Write { input: Box::new(plan), sink, count };
        let plan = writer.session().plan(plan, &mut ids)?;
        writer.session().run_write(plan)
    }

    /// The value of an expression without columns, as a time of some type.
    fn ticks(&self, writer: &Writer<'_>, expr: &str, ty: &LogicalType) -> Result<Option<i64>, Failure> {
        let expr = parse_expr(expr)?;
        let value = writer
            .session()
            .bind(self.view, |binder| Ok(binder.bind_constant_as(&expr, ty, "a horizon")?))?;
        Ok(match value {
            Scalar::Int(ticks) => i64::try_from(ticks).ok(),
            _ => None,
        })
    }
}
