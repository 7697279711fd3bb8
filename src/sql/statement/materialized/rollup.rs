//! Queries that are answered from a materialized view, in the place of the table that both read.
//!
//! It takes a query that makes groups of a table, of which a view has finer ones: its keys are keys of the view's, or
//! coarser buckets of the same time; its conditions are over such keys, and on the time at the edges of buckets; its
//! aggregates can be put together from those of parts. What the view lacks is not looked at by its clock but by what has
//! changed (`refresh.rs`): the rows of buckets that have are made from the table, as a refresh would make them. So the
//! answer is that of the table, but for how sums of floating-point numbers are rounded.

use std::sync::Arc;

use crate::catalog::{ALL_TIME, Object, TableDefinition};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND, NANOS_PER_MICRO, timestamp_is_finite};
use crate::exec::eval::evaluate_constant;
use crate::exec::expr::{AggregateCall, CompareOp, Expr};
use crate::exec::zone::Zone;
use crate::sql::bind::aggregate::same_expr;
use crate::sql::bind::expiry::TTL;
use crate::sql::bind::{Binder, Environment};
use crate::sql::error::Result;
use crate::sql::parser::{parse_expr, parse_query};
use crate::sql::plan::{Column, Definition, LogicalPlan};
use crate::sql::session::{ReadView, SearchPath};
use crate::sql::statement::materialized::BoundView;
use crate::sql::statement::materialized::refresh::{changed_ranges, whole_buckets};
use crate::sql::statement::materialized::shape::{self, Shape};
use crate::sql::statement::table_options::horizon;
use crate::table::TableSnapshot;

/// A view is read if it has so many times fewer rows than the table.
const ROWS_SAVED: u64 = 4;
const DAY_NANOS: i128 = 86_400_000_000_000;
/// A view is not read by a clock that is changed more often while the table has rows.
const CLOCK_CHANGES_MAX: usize = 1_000;
/// 2000-01-03, from which `time_bucket` counts where nothing else is said.
const DEFAULT_ORIGIN_NANOS: i128 = 946_857_600_000_000_000;

/// Answers the groups of a plan from views where that can be.
pub fn use_rollups(binder: &mut Binder<'_>, plan: &mut LogicalPlan) -> Result<()> {
    if !binder.env.settings.optimizer {
        return Ok(());
    }
    let is_view = |t: &Arc<TableDefinition>| t.materialized.as_ref().is_some_and(|m| m.refreshed);
    if !binder.env.tables.catalog().tables().any(is_view) {
        return Ok(());
    }
    // Which rows a view has, and how many, decides.
    binder.env.uses.moment.set(true);
    rewrite(binder, plan)
}

fn rewrite(binder: &mut Binder<'_>, plan: &mut LogicalPlan) -> Result<()> {
    for input in plan.inputs_mut() {
        rewrite(binder, input)?;
    }
    let Some(query) = Groups::of(plan) else { return Ok(()) };
    let mut best: Option<(u64, Rollup)> = None;
    for (view, schema) in views_of(binder.env.tables.names(), &query.table) {
        let rows = binder.env.tables.table(view.id).map_or(u64::MAX, |t| t.rows());
        let saves = rows.saturating_mul(ROWS_SAVED) <= query.table.rows();
        if saves && best.as_ref().is_none_or(|(least, _)| rows < *least) {
            best = rollup(binder, &query, &view, &schema)?.map(|found| (rows, found)).or(best);
        }
    }
    if let Some((_, found)) = best {
        *plan = found.plan(binder, &query)?;
    }
    Ok(())
}

/// The refreshed views that are made of a table alone, with their schemas.
fn views_of(view: &ReadView, source: &TableSnapshot) -> Vec<(Arc<TableDefinition>, String)> {
    let mut found = vec![];
    for schema in view.focus().catalog().schemas() {
        for object in schema.objects() {
            if let Object::Table(table) = object
                && let Some(m) = &table.materialized
                && m.refreshed
                && !table.options.contains_key(TTL)
                && matches!(&m.sources[..], [one] if one.table == source.id() && one.time.is_some())
            {
                found.push((Arc::clone(table), schema.definition().name.to_string()));
            }
        }
    }
    found
}

/// Groups of a table. Expressions are over the positions of its columns.
struct Groups {
    table: Arc<TableSnapshot>,
    keys: Vec<(Column, Expr)>,
    calls: Vec<(Column, AggregateCall)>,
    conditions: Vec<Expr>,
}

impl Groups {
    /// Those of an aggregation of one table, with nothing between but conditions and columns that are computed.
    fn of(plan: &LogicalPlan) -> Option<Self> {
        let LogicalPlan::Aggregate { input, group_by, aggregates } = plan else { return None };
        let mut keys: Vec<_> = group_by.iter().map(|d| (d.column.clone(), d.expr.clone())).collect();
        let mut calls = aggregates.clone();
        let mut conditions = vec![];
        let mut node = &**input;
        loop {
            match node {
                LogicalPlan::Filter { input, predicates } => {
                    predicates.iter().for_each(|p| conjuncts(p, &mut conditions));
                    node = input;
                }
                LogicalPlan::Project { input, definitions } => {
                    let each = |expr: &mut Expr| shape::substitute(expr, definitions);
                    conditions.iter_mut().for_each(each);
                    keys.iter_mut().for_each(|(_, key)| shape::substitute(key, definitions));
                    for expr in calls.iter_mut().flat_map(|(_, call)| call.exprs_mut()) {
                        shape::substitute(expr, definitions);
                    }
                    node = input;
                }
                LogicalPlan::TableGet { table, positions, columns, filters, .. } => {
                    filters.iter().for_each(|p| conjuncts(p, &mut conditions));
                    let mut known = true;
                    {
                        let mut place = |expr: &mut Expr| known &= to_positions(expr, columns, positions);
                        conditions.iter_mut().for_each(&mut place);
                        keys.iter_mut().for_each(|(_, key)| place(key));
                        calls.iter_mut().flat_map(|(_, call)| call.exprs_mut()).for_each(&mut place);
                    }
                    return known.then(|| Self { table: Arc::clone(table), keys, calls, conditions });
                }
                _ => return None,
            }
        }
    }
}

/// The parts of a condition that must all hold.
fn conjuncts(condition: &Expr, out: &mut Vec<Expr>) {
    match condition {
        Expr::And(all) => all.iter().for_each(|part| conjuncts(part, out)),
        other => out.push(other.clone()),
    }
}

/// Puts positions of the table in the place of ids. Whether all columns are the table's.
fn to_positions(expr: &mut Expr, columns: &[Column], positions: &[usize]) -> bool {
    if let Expr::Column { index, .. } = expr {
        let Some(at) = columns.iter().position(|c| c.id == *index) else { return false };
        *index = positions[at];
        return true;
    }
    expr.children_mut().into_iter().all(|child| to_positions(child, columns, positions))
}

/// How a query is answered from a view. Expressions are over the positions of the view's columns.
struct Rollup {
    view: Arc<TableSnapshot>,
    bound: BoundView,
    /// The position of the bucket's start.
    bucket: usize,
    /// Starts of the first and last bucket of each range that has changed, and the times of its rows.
    changed: Vec<((i64, i64), (i64, i64))>,
    keys: Vec<Expr>,
    conditions: Vec<Expr>,
    /// For each aggregate of the query.
    parts: Vec<Part>,
}

/// How an aggregate is put together from columns of a view.
enum Part {
    /// The same function over the column: `sum`, `min`, `max`.
    Same(usize),
    /// A count: the sum of counts.
    Count(usize),
    /// A mean: that of sums over that of counts.
    Mean(usize, usize),
}

/// How a view answers a query, if it can.
fn rollup(
    binder: &mut Binder<'_>,
    query: &Groups,
    table: &Arc<TableDefinition>,
    schema: &str,
) -> Result<Option<Rollup>> {
    let Some(materialized) = table.materialized.as_deref() else { return Ok(None) };
    let Some(bound) = bind(binder, table, schema) else { return Ok(None) };
    let (Some(shape), Some((outputs, node))) = (&bound.shape, shape::groups_below(&bound.plan)) else {
        return Ok(None);
    };
    let Some(own) = Groups::of(node).filter(|own| Arc::ptr_eq(&own.table, &query.table)) else {
        return Ok(None);
    };
    // HAVING leaves out groups.
    if shape::drops_groups(&bound.plan) {
        return Ok(None);
    }
    let output = |column: &Column| outputs.iter().position(|id| *id == Some(column.id));
    let matcher = Matcher { binder, shape, own: &own, bound: &bound, output: &output, table };
    let Some((keys, conditions, parts, from)) = matcher.all(query) else { return Ok(None) };

    // The view has what it is to have from some time on.
    let mut least = materialized.frozen_before;
    if let Some(retention) = table.options.get("retention") {
        let ty = &table.columns[shape.output].ty;
        let horizon = binder.bind_constant_as(&parse_expr(&horizon(retention))?, ty, "a horizon")?;
        let Scalar::Int(horizon) = horizon else { return Ok(None) };
        least = least.max(i64::try_from(horizon).ok());
    }
    if least.is_some_and(|least| from.is_none_or(|from| from < least)) {
        return Ok(None);
    }
    let Ok(sources) = bound.state() else { return Ok(None) };
    let context = binder.env.context;
    let ranges = whole_buckets(shape, changed_ranges(materialized, &bound, &sources), None, context);
    let mut changed = vec![];
    for range in ranges {
        let starts = shape.start_of(range.0, context).zip(shape.start_of(range.1, context));
        match starts {
            Some(starts) if range != ALL_TIME => changed.push((starts, range)),
            _ => return Ok(None),
        }
    }
    let Ok(view) = binder.env.tables.table(table.id) else { return Ok(None) };
    Ok(Some(Rollup { view, bucket: shape.output, bound, changed, keys, conditions, parts }))
}

/// Binds the query of a view beside the statement's; `None` if it does not fit the view any more.
fn bind(binder: &mut Binder<'_>, table: &TableDefinition, schema: &str) -> Option<BoundView> {
    let names = binder.env.tables.names();
    let path = SearchPath::new(vec![(names.focus().name().to_owned(), schema.to_owned())]).ok()?;
    let view = names.clone().along(path);
    let query = parse_query(&table.materialized.as_ref()?.query).ok()?;
    let mut inner = Binder::new(Environment { tables: &view, ..binder.env });
    inner.ids = std::mem::take(&mut binder.ids);
    let bound = BoundView::bind(&mut inner, &query, &view);
    let bound = match bound {
        Ok(bound) => {
            binder.ids = bound.ids.clone();
            bound
        }
        Err(_) => {
            binder.ids = inner.ids;
            return None;
        }
    };
    let columns = bound.plan.columns();
    let same = columns.len() == table.columns.len()
        && columns.iter().zip(&table.columns).all(|(now, column)| now.ty == column.ty);
    same.then_some(bound)
}

/// Compares a query with a view.
struct Matcher<'m, 'e> {
    binder: &'m Binder<'e>,
    shape: &'m Shape,
    /// The groups of the view.
    own: &'m Groups,
    bound: &'m BoundView,
    /// The position in the view of a column of its groups.
    output: &'m dyn Fn(&Column) -> Option<usize>,
    table: &'m TableDefinition,
}

impl Matcher<'_, '_> {
    /// Keys, conditions and aggregates of a query over a view, and from when on it looks, if it says that.
    #[allow(clippy::type_complexity)] // It is taken apart at once.
    fn all(&self, query: &Groups) -> Option<(Vec<Expr>, Vec<Expr>, Vec<Part>, Option<i64>)> {
        let mut left: Vec<&Expr> = query.conditions.iter().collect();
        for condition in &self.own.conditions {
            let at = left.iter().position(|c| same_expr(c, condition))?;
            left.remove(at);
        }
        let (mut conditions, mut from) = (vec![], None);
        for condition in left {
            let (condition, least) = self.condition(condition)?;
            conditions.push(condition);
            from = from.max(least);
        }
        let mut keys = vec![];
        for (column, key) in &query.keys {
            let key = self.over_keys(key).or_else(|| self.coarser(key))?;
            if key.ty() != column.ty {
                return None;
            }
            keys.push(key);
        }
        let parts = query.calls.iter().map(|(_, call)| self.part(call)).collect::<Option<_>>()?;
        Some((keys, conditions, parts, from))
    }

    fn column(&self, at: usize) -> Expr {
        Expr::column(at, self.table.columns[at].ty.clone())
    }

    /// An expression over keys of the view.
    fn over_keys(&self, expr: &Expr) -> Option<Expr> {
        for (column, key) in &self.own.keys {
            if same_expr(expr, key)
                && let Some(at) = (self.output)(column)
            {
                return Some(self.column(at));
            }
        }
        match expr {
            Expr::Column { .. } => None,
            Expr::Call { function, .. } if function.volatile => None,
            _ => {
                let mut over = expr.clone();
                for child in over.children_mut() {
                    *child = self.over_keys(child)?;
                }
                Some(over)
            }
        }
    }

    /// A condition over the view, and the time that it begins at.
    fn condition(&self, condition: &Expr) -> Option<(Expr, Option<i64>)> {
        if let Some(over) = self.over_keys(condition) {
            return Some((over, None));
        }
        let Expr::Compare { op, left, right } = condition else { return None };
        let is_time = |e: &Expr| matches!(e, Expr::Column { index, .. } if *index == self.shape.time);
        let (op, value) = match (is_time(left), is_time(right)) {
            (true, false) => (*op, &**right),
            (false, true) => (flipped(*op)?, &**left),
            _ => return None,
        };
        let bucket = self.column(self.shape.output);
        let Expr::Column { ty, .. } = (if is_time(left) { &**left } else { &**right }) else { return None };
        if *ty != bucket.ty() || !is_fixed(value) {
            return None;
        }
        let Scalar::Int(at) = evaluate_constant(value, self.binder.env.context).ok()? else { return None };
        let at = i64::try_from(at).ok()?;
        // Before and behind the edge of a bucket are other buckets.
        if !matches!(op, CompareOp::GtEq | CompareOp::Lt)
            || self.shape.start_of(at, self.binder.env.context) != Some(at)
        {
            return None;
        }
        let value = Expr::literal(Scalar::Int(at.into()), ty.clone());
        let from = (op == CompareOp::GtEq).then_some(at);
        Some((Expr::Compare { op, left: Box::new(bucket), right: Box::new(value) }, from))
    }

    /// A key that makes buckets of whole buckets of the view.
    fn coarser(&self, key: &Expr) -> Option<Expr> {
        let own = self.own.keys.iter().find(|(c, _)| (self.output)(c) == Some(self.shape.output))?;
        let (fine, fine_time) = Width::of(&own.1)?;
        let (coarse, time) = Width::of(key)?;
        let fits = match (fine, coarse) {
            (Width::Fixed { nanos, origin }, Width::Fixed { nanos: wide, origin: from }) => {
                wide % nanos == 0 && (from - origin) % nanos == 0
            }
            (Width::Fixed { nanos, origin }, Width::Days) => DAY_NANOS % nanos == 0 && origin % nanos == 0,
            // The clock shows whole buckets of UTC, if its distance to UTC is some.
            (Width::Fixed { nanos, origin }, Width::ByClock { nanos: wide, origin: from, zone }) => {
                wide.unwrap_or(DAY_NANOS) % nanos == 0
                    && (from - origin) % nanos == 0
                    && self.clock_fits(zone, nanos, origin)
            }
            (
                Width::ByClock { nanos: Some(nanos), origin, zone },
                Width::ByClock { nanos: wide, origin: from, zone: coarse },
            ) => {
                let whole_days = nanos % DAY_NANOS == 0 && origin % DAY_NANOS == 0;
                let nest = wide.unwrap_or(DAY_NANOS) % nanos == 0 && (from - origin) % nanos == 0;
                zone == coarse && whole_days && nest
            }
            _ => return None,
        };
        let bucket = self.column(self.shape.output);
        if !fits || !same_expr(time, fine_time) || time.ty() != bucket.ty() {
            return None;
        }
        let mut over = key.clone();
        let Expr::Call { args, .. } = &mut over else { return None };
        *args.get_mut(1)? = bucket;
        Some(over)
    }

    /// Whether, as long as the table has rows, the clock of a zone is whole buckets of the view ahead of UTC, and is changed
    /// between two.
    fn clock_fits(&self, zone: &str, nanos: i128, origin: i128) -> bool {
        let (Ok(zone), Ok(sources)) = (Zone::named(zone), self.bound.state()) else { return false };
        let LogicalType::Timestamp(unit) = self.table.columns[self.shape.output].ty else { return false };
        let ranges = || sources.iter().flat_map(|s| s.groups.iter().map(|g| g.times).chain(s.pending));
        let (Some(from), Some(to)) = (ranges().map(|r| r.0).min(), ranges().map(|r| r.1).max()) else {
            return true;
        };
        let micros = |ticks: i64| {
            let micros = (i128::from(ticks) * nanos_per_tick(unit)).div_euclid(NANOS_PER_MICRO.into());
            i64::try_from(micros).ok().filter(|_| timestamp_is_finite(ticks))
        };
        let (Some(from), Some(to)) = (micros(from), micros(to)) else { return false };
        // The bucket of the first row begins before it, and where it does may lie in the shadow of an earlier change.
        let margin = i64::try_from(nanos / 1_000).unwrap_or(i64::MAX).saturating_add(3 * MICROS_PER_DAY);
        let (mut at, to) = (from.saturating_sub(margin), to.saturating_add(margin));
        let clock = zone.clock();
        let fits =
            |micros: i64, from: i128| (i128::from(micros) * i128::from(NANOS_PER_MICRO) - from) % nanos == 0;
        for _ in 0..CLOCK_CHANGES_MAX {
            if !fits(clock.offset(at).saturating_mul(MICROS_PER_SECOND), 0) {
                return false;
            }
            match clock.unchanged(at).1 {
                Some(change) if change <= to => {
                    if !fits(change, origin) {
                        return false;
                    }
                    at = change;
                }
                _ => return true,
            }
        }
        false
    }

    /// The column of the view that has an aggregate.
    fn find(&self, name: &str, args: &[Expr]) -> Option<usize> {
        let same = |call: &AggregateCall| {
            call.function.name == name
                && is_plain(call)
                && call.args.len() == args.len()
                && call.args.iter().zip(args).all(|(a, b)| same_expr(a, b))
        };
        let (column, _) = self.own.calls.iter().find(|(_, call)| same(call))?;
        (self.output)(column)
    }

    fn part(&self, call: &AggregateCall) -> Option<Part> {
        if !is_plain(call) {
            return None;
        }
        match (call.function.name, call.args.len()) {
            (name @ ("sum" | "min" | "max"), 1) => Some(Part::Same(self.find(name, &call.args)?)),
            (name @ ("count" | "count_star"), _) => Some(Part::Count(self.find(name, &call.args)?)),
            ("avg", 1) if call.ty == LogicalType::Double => {
                let of = |name: &str| {
                    let own = self.own.calls.iter().map(|(_, c)| c);
                    own.filter(|c| c.function.name == name && c.args.len() == 1 && is_plain(c))
                        .find(|c| same_expr(bare(&c.args[0]), bare(&call.args[0])))
                        .and_then(|c| self.find(name, &c.args))
                };
                let sum = of("sum")?;
                let is_number = self.table.columns[sum].ty.is_numeric();
                is_number.then_some(Part::Mean(sum, of("count")?))
            }
            _ => None,
        }
    }
}

/// An expression without the casts around it, which differ by function.
fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast { input, or_null: false, to } if to.is_numeric() && input.ty().is_numeric() => bare(input),
        other => other,
    }
}

fn is_plain(call: &AggregateCall) -> bool {
    !call.distinct && call.filter.is_none() && call.order_by.is_empty()
}

fn flipped(op: CompareOp) -> Option<CompareOp> {
    Some(match op {
        CompareOp::GtEq => CompareOp::LtEq,
        CompareOp::LtEq => CompareOp::GtEq,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Lt => CompareOp::Gt,
        _ => return None,
    })
}

/// Whether an expression has no columns and always the same value.
fn is_fixed(expr: &Expr) -> bool {
    match expr {
        Expr::Column { .. } => false,
        Expr::Call { function, .. } if function.volatile => false,
        other => other.children().into_iter().all(is_fixed),
    }
}

/// How wide buckets are.
enum Width<'e> {
    /// All the same, from an origin.
    Fixed { nanos: i128, origin: i128 },
    /// Some whole days of UTC.
    Days,
    /// So much, or some whole days, by the clock of a zone, from what it shows when it shows an origin.
    ByClock { nanos: Option<i128>, origin: i128, zone: &'e str },
}

impl<'e> Width<'e> {
    /// Of a call that makes buckets, with the time that it makes them of.
    fn of(expr: &'e Expr) -> Option<(Self, &'e Expr)> {
        let Expr::Call { function, args, .. } = expr else { return None };
        let (first, time) = (args.first()?, args.get(1)?);
        let Expr::Literal { value, .. } = first else { return None };
        let ticks = |at: usize| match args.get(at) {
            Some(Expr::Literal { value: Scalar::Int(ticks), ty: LogicalType::Timestamp(unit) }) => {
                ticks.checked_mul(nanos_per_tick(*unit))
            }
            _ => None,
        };
        match (function.name, value, args.len()) {
            ("clock_bucket", Scalar::Interval { months, days, nanos }, 4) => {
                let Some(Expr::Literal { value: Scalar::Text(zone), .. }) = args.get(3) else { return None };
                let nanos = i128::from(*days) * DAY_NANOS + i128::from(*nanos);
                let nanos = match (*months, nanos) {
                    (0, 1..) => Some(nanos),
                    (1.., 0) => None,
                    _ => return None,
                };
                Some((Self::ByClock { nanos, origin: ticks(2)?, zone }, time))
            }
            ("time_bucket", Scalar::Interval { months, days, nanos }, 2 | 3) => {
                let origin = match args.get(2) {
                    None => DEFAULT_ORIGIN_NANOS,
                    Some(_) => ticks(2)?,
                };
                let nanos = i128::from(*days) * DAY_NANOS + i128::from(*nanos);
                match (*months, nanos) {
                    (0, 1..) => Some((Self::Fixed { nanos, origin }, time)),
                    (1.., 0) if origin % DAY_NANOS == 0 => Some((Self::Days, time)),
                    _ => None,
                }
            }
            ("date_trunc", Scalar::Text(unit), 2) if matches!(time.ty(), LogicalType::Timestamp(_)) => {
                let width = match unit.to_lowercase().as_str() {
                    "second" => Self::Fixed { nanos: 1_000_000_000, origin: 0 },
                    "minute" => Self::Fixed { nanos: 60_000_000_000, origin: 0 },
                    "hour" => Self::Fixed { nanos: 3_600_000_000_000, origin: 0 },
                    "day" => Self::Fixed { nanos: DAY_NANOS, origin: 0 },
                    "week" | "month" | "quarter" | "year" => Self::Days,
                    _ => return None,
                };
                Some((width, time))
            }
            _ => None,
        }
    }
}

fn nanos_per_tick(unit: arrow_schema::TimeUnit) -> i128 {
    match unit {
        arrow_schema::TimeUnit::Second => 1_000_000_000,
        arrow_schema::TimeUnit::Millisecond => 1_000_000,
        arrow_schema::TimeUnit::Microsecond => 1_000,
        arrow_schema::TimeUnit::Nanosecond => 1,
    }
}

impl Rollup {
    /// The plan, which yields the columns of the query's aggregation.
    fn plan(mut self, binder: &mut Binder<'_>, query: &Groups) -> Result<LogicalPlan> {
        let (input, columns) = self.rows(binder);
        let place = |mut expr: Expr| {
            to_ids(&mut expr, &columns);
            expr
        };
        let conditions: Vec<Expr> = std::mem::take(&mut self.conditions).into_iter().map(place).collect();
        let input = if conditions.is_empty() {
            input
        } else {
            LogicalPlan::Filter { input: Box::new(input), predicates: conditions }
        };
        let keys = query.keys.iter().zip(self.keys);
        let group_by: Vec<Definition> =
            keys.map(|((column, _), key)| Definition { column: column.clone(), expr: place(key) }).collect();
        let mut aggregates = vec![];
        let mut definitions: Vec<Definition> =
            group_by.iter().map(|d| Definition::pass(d.column.clone())).collect();
        for ((column, call), part) in query.calls.iter().zip(&self.parts) {
            let mut add = |name: &str, at: usize| -> Result<Expr> {
                let of = columns[at].expr();
                let (part, call) = binder.aggregate_call(column.name.clone(), name, vec![of])?;
                let expr = part.expr();
                aggregates.push((part, call));
                Ok(expr)
            };
            let expr = match *part {
                Part::Same(at) => cast(add(call.function.name, at)?, &column.ty),
                Part::Count(at) => {
                    let none = Expr::literal(Scalar::Int(0), column.ty.clone());
                    Expr::Coalesce(vec![cast(add("sum", at)?, &column.ty), none])
                }
                Part::Mean(sum, count) => {
                    let sum = cast(add("sum", sum)?, &LogicalType::Double);
                    let count = cast(add("sum", count)?, &LogicalType::Double);
                    cast(binder.call("/", vec![sum, count])?, &column.ty)
                }
            };
            definitions.push(Definition { column: column.clone(), expr });
        }
        let input = Box::new(LogicalPlan::Aggregate { input: Box::new(input), group_by, aggregates });
        Ok(LogicalPlan::Project { input, definitions })
    }

    /// The rows of the view as they would be if it were refreshed, and their columns.
    fn rows(&self, binder: &mut Binder<'_>) -> (LogicalPlan, Vec<Column>) {
        let definition = self.view.definition();
        let own = |binder: &mut Binder<'_>| -> Vec<Column> {
            definition.columns.iter().map(|c| binder.ids.column(&*c.name, c.ty.clone())).collect()
        };
        let columns = own(binder);
        let kept = LogicalPlan::TableGet {
            table: Arc::clone(&self.view),
            alias: definition.name.to_string(),
            positions: (0..columns.len()).collect(),
            columns: columns.clone(),
            filters: vec![],
        };
        let Some(shape) = self.bound.shape.as_ref().filter(|_| !self.changed.is_empty()) else {
            return (kept, columns);
        };
        let bucket = &columns[self.bucket];
        let compare = |op, ticks: i64| {
            let value = Expr::literal(Scalar::Int(ticks.into()), bucket.ty.clone());
            Expr::Compare { op, left: Box::new(bucket.expr()), right: Box::new(value) }
        };
        let outside = |((first, last), _): &((i64, i64), (i64, i64))| {
            let no_time = Expr::IsNull { input: Box::new(bucket.expr()), negated: false };
            Expr::Or(vec![no_time, compare(CompareOp::Lt, *first), compare(CompareOp::Gt, *last)])
        };
        let predicates = self.changed.iter().map(outside).collect();
        let kept = LogicalPlan::Filter { input: Box::new(kept), predicates };
        let mut made = self.bound.plan.clone();
        shape.restrict(&mut made, &self.changed.iter().map(|(_, times)| *times).collect::<Vec<_>>());
        let columns = own(binder);
        (LogicalPlan::Union { inputs: vec![kept, made], columns: columns.clone() }, columns)
    }
}

fn cast(expr: Expr, to: &LogicalType) -> Expr {
    if expr.ty() == *to {
        return expr;
    }
    Expr::Cast { input: Box::new(expr), to: to.clone(), or_null: false }
}

/// Puts columns in the place of their positions.
fn to_ids(expr: &mut Expr, columns: &[Column]) {
    if let Expr::Column { index, .. } = expr {
        *index = columns[*index].id;
        return;
    }
    expr.children_mut().into_iter().for_each(|child| to_ids(child, columns));
}
