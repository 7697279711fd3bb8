//! Window functions: their calls, windows with names, frames.
//!
//! A call becomes a column that a [`LogicalPlan::Window`] above the rows (or groups) defines. Calls over the same
//! partitions in the same order share one.

use sqlparser::ast::{
    self, Expr as Syntax, Function, Ident, NamedWindowDefinition, NamedWindowExpr, NullTreatment,
    OrderByExpr, Spanned, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};

use crate::column::types::LogicalType;
use crate::exec::aggregates::is_aggregate;
use crate::exec::expr::{AggregateCall, Expr, SortKey};
use crate::exec::functions::{BindError, bind_scalar, comparison_key, no_match};
use crate::exec::window::{Frame, FrameBound, FrameExclude, FrameUnits, WindowCall, WindowFunction};
use crate::sql::bind::aggregate::{same_call, same_expr};
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::from::storable;
use crate::sql::bind::functions::Arguments;
use crate::sql::bind::series::SeriesWants;
use crate::sql::bind::subquery::{PendingSubquery, attach};
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::optimize::exprs::is_null_literal;
use crate::sql::plan::{Column, ColumnId, ColumnIds, LogicalPlan};
use crate::sql::tokens;

/// What becomes of calls of window functions.
pub enum Windows<'c> {
    /// They are an error in this clause.
    Forbidden,
    /// They are an error for this reason.
    Refused(&'static str),
    /// They are collected; each becomes a column.
    Collected(&'c mut WindowCollector),
}

/// The window functions of one SELECT.
#[derive(Default)]
pub struct WindowCollector {
    /// Windows with names, those before the first use of each resolved.
    named: Vec<(Ident, Window)>,
    nodes: Vec<Node>,
    /// Subqueries in arguments and keys.
    pub subqueries: Vec<PendingSubquery>,
    /// What functions over series ask of the query.
    pub series: SeriesWants,
}

/// Calls over the same partitions in the same order.
struct Node {
    over: Over,
    /// How many nodes are below it whose columns it uses.
    depth: usize,
    calls: Vec<(Column, WindowCall)>,
}

/// The rows that a call sees, frames aside.
#[derive(Clone)]
pub(super) struct Over {
    /// Rows that agree in these see each other,
    pub partition_by: Vec<Expr>,
    /// if they also agree in the keys of GROUP BY, which are not known before the whole query is bound.
    pub per_series: bool,
    /// Their order.
    pub order_by: Vec<SortKey>,
}

/// The syntax of a window without references to others.
#[derive(Clone, Default)]
struct Window {
    partition_by: Vec<Syntax>,
    order_by: Vec<OrderByExpr>,
    frame: Option<(ast::WindowFrame, FrameExclude)>,
}

impl WindowCollector {
    /// A collector that knows the windows of a WINDOW clause.
    pub fn new(definitions: &[NamedWindowDefinition]) -> Result<Self> {
        let mut out = Self::default();
        for NamedWindowDefinition(name, definition) in definitions {
            if out.find(name).is_some() {
                return Err(SqlError::parser(format!("window \"{}\" is already defined", name.value))
                    .at_span(name.span));
            }
            let window = match definition {
                NamedWindowExpr::NamedWindow(other) => out.named(other)?.clone(),
                NamedWindowExpr::WindowSpec(spec) => out.window(spec)?,
            };
            out.named.push((name.clone(), window));
        }
        Ok(out)
    }

    /// Whether there are no calls.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The columns that the calls define.
    pub fn columns(&self) -> impl Iterator<Item = ColumnId> {
        self.nodes.iter().flat_map(|n| &n.calls).map(|(c, _)| c.id)
    }

    /// All expressions over the rows.
    pub fn exprs_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let on = self.subqueries.iter_mut().flat_map(|s| &mut s.on);
        let nodes = self.nodes.iter_mut().flat_map(|n| {
            let order_by = n.over.order_by.iter_mut().map(|k| &mut k.expr);
            let keys = n.over.partition_by.iter_mut().chain(order_by);
            keys.chain(n.calls.iter_mut().flat_map(|(_, call)| call.exprs_mut()))
        });
        nodes.chain(on).chain(&mut self.series.condition)
    }

    /// Tells calls over series what series are.
    pub(super) fn set_series(&mut self, keys: &[Expr]) {
        for node in &mut self.nodes {
            if std::mem::take(&mut node.over.per_series) {
                node.over.partition_by.splice(0..0, keys.iter().cloned());
            }
        }
    }

    /// Puts the calls on the plan whose rows they see.
    pub fn apply(mut self, plan: LogicalPlan) -> LogicalPlan {
        self.nodes.sort_by_key(|n| n.depth);
        self.nodes.into_iter().fold(attach(plan, self.subqueries), |input, node| LogicalPlan::Window {
            input: Box::new(input),
            partition_by: node.over.partition_by,
            order_by: node.over.order_by,
            calls: node.calls,
        })
    }

    fn find(&self, name: &Ident) -> Option<&Window> {
        self.named.iter().find(|(n, _)| n.value.eq_ignore_ascii_case(&name.value)).map(|(_, w)| w)
    }

    fn named(&self, name: &Ident) -> Result<&Window> {
        self.find(name).ok_or_else(|| {
            SqlError::parser(format!("window \"{}\" does not exist", name.value))
                .at_span(name.span)
                .did_you_mean(&name.value, self.named.iter().map(|(n, _)| n.value.clone()))
        })
    }

    /// A window in terms of itself alone.
    fn window(&self, spec: &WindowSpec) -> Result<Window> {
        let mut order_by = spec.order_by.clone();
        let exclude = order_by.last().and_then(|key| exclude_of(&key.expr));
        if exclude.is_some() {
            order_by.pop();
        }
        let exclude = exclude.unwrap_or(FrameExclude::Nothing);
        let frame = spec.window_frame.clone().map(|frame| (frame, exclude));
        let mut window = Window { partition_by: spec.partition_by.clone(), order_by, frame };
        let Some(name) = &spec.window_name else { return Ok(window) };
        let base = self.named(name)?;
        let overrides = |clause: &str| {
            Err(SqlError::parser(format!("Cannot override {clause} clause of window \"{}\"", name.value))
                .at_span(name.span))
        };
        if !window.partition_by.is_empty() {
            return overrides("PARTITION BY");
        }
        if !window.order_by.is_empty() && !base.order_by.is_empty() {
            return overrides("ORDER BY");
        }
        if base.frame.is_some() {
            return Err(SqlError::parser(format!(
                "cannot copy window \"{}\" because it has a frame clause",
                name.value
            ))
            .at_span(name.span));
        }
        window.partition_by.clone_from(&base.partition_by);
        if window.order_by.is_empty() {
            window.order_by.clone_from(&base.order_by);
        }
        Ok(window)
    }

    /// The column of a call.
    pub(super) fn add(&mut self, ids: &mut ColumnIds, name: &str, over: Over, call: WindowCall) -> Column {
        let mut used = ColumnSet::new();
        used.add_exprs(over.partition_by.iter().chain(over.order_by.iter().map(|k| &k.expr)));
        used.add_exprs(call.exprs());
        let is_below = |n: &&Node| n.calls.iter().any(|(c, _)| used.contains(c.id));
        let depth = self.nodes.iter().filter(is_below).map(|n| n.depth + 1).max().unwrap_or(0);
        let same_keys = |n: &Node| {
            n.depth == depth
                && n.over.per_series == over.per_series
                && n.over.partition_by.len() == over.partition_by.len()
                && n.over.partition_by.iter().zip(&over.partition_by).all(|(a, b)| same_expr(a, b))
                && same_order(&n.over.order_by, &over.order_by)
        };
        let at = self.nodes.iter().position(same_keys).unwrap_or_else(|| {
            self.nodes.push(Node { over, depth, calls: vec![] });
            self.nodes.len() - 1
        });
        let calls = &mut self.nodes[at].calls;
        if let Some((column, _)) = calls.iter().find(|(_, other)| same_window_call(other, &call)) {
            return column.clone();
        }
        let column = ids.column(name, call.ty.clone());
        calls.push((column.clone(), call));
        column
    }
}

impl Binder<'_> {
    pub(super) fn bind_window_call(
        &mut self,
        name: &str,
        function: &Function,
        over: &WindowType,
        args: &Arguments<'_>,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        const NESTED: &str = "window function calls cannot be nested";
        let before = std::mem::replace(&mut cx.windows, Windows::Refused(NESTED));
        let collector = match before {
            Windows::Collected(collector) => collector,
            Windows::Forbidden => {
                cx.windows = Windows::Forbidden;
                let message = format!("{} cannot contain window functions!", cx.clause);
                return Err(SqlError::binder(message).at_span(function.span()));
            }
            Windows::Refused(why) => {
                cx.windows = Windows::Refused(why);
                return Err(SqlError::binder(why).at_span(function.span()));
            }
        };
        let window = match over {
            WindowType::NamedWindow(name) => collector.named(name)?.clone(),
            WindowType::WindowSpec(spec) => collector.window(spec)?,
        };
        let others = std::mem::take(&mut cx.subqueries);
        let bound = self.bind_window_parts(name, function, &window, args, cx);
        let found = std::mem::replace(&mut cx.subqueries, others);
        let (partition_by, order_by, call) = bound?;
        collector.subqueries.extend(found);
        let column =
            collector.add(&mut self.ids, name, Over { partition_by, per_series: false, order_by }, call);
        cx.windows = Windows::Collected(collector);
        Ok(column.expr())
    }

    fn bind_window_parts(
        &mut self,
        name: &str,
        function: &Function,
        window: &Window,
        args: &Arguments<'_>,
        cx: &mut ExprContext<'_>,
    ) -> Result<(Vec<Expr>, Vec<SortKey>, WindowCall)> {
        let mut call = match WindowFunction::find(name) {
            Some(kind) => self.bind_window_function(name, kind, function, args, cx)?,
            None if name == "mean"
                || name == "percentile"
                || is_aggregate(name)
                || self.env.extensions.is_aggregate(name) =>
            {
                if args.null_treatment.is_some() {
                    return Err(SqlError::binder(
                        "RESPECT/IGNORE NULLS is not supported for windowed aggregates",
                    ));
                }
                if let Some((named, _)) = args.named.first() {
                    return Err(SqlError::binder(format!("{name} has no argument named \"{named}\"")));
                }
                let call = self.aggregate_over_rows(name, function, args, cx)?;
                let AggregateCall { function, args, distinct, filter, order_by, ty } = call;
                WindowCall {
                    function: WindowFunction::Aggregate(function),
                    args,
                    distinct,
                    filter,
                    order_by,
                    ignore_nulls: false,
                    frame: Frame::partition(),
                    ty,
                }
            }
            None => return Err(self.no_window_function(name)),
        };
        let (partition_by, order_by) = self.bind_window_keys(window, cx)?;
        let frame = self.bind_frame(window, &order_by, cx)?;
        let is_framed = call.function.is_framed();
        if !is_framed && !call.order_by.is_empty() && frame.exclude != FrameExclude::Nothing {
            return Err(SqlError::binder(format!(
                "EXCLUDE is not supported for the window function \"{name}\""
            )));
        }
        if is_framed || !call.order_by.is_empty() {
            call.frame = frame;
        }
        if matches!(call.function, WindowFunction::Fill) {
            check_fill(&call, &order_by)?;
        }
        Ok((partition_by, order_by, call))
    }

    /// The keys of partitions, and of the order in them.
    fn bind_window_keys(
        &mut self,
        window: &Window,
        cx: &mut ExprContext<'_>,
    ) -> Result<(Vec<Expr>, Vec<SortKey>)> {
        cx.windows = Windows::Refused("window functions are not allowed in window definitions");
        let mut partition_by = Vec::with_capacity(window.partition_by.len());
        for key in &window.partition_by {
            let key = comparison_key(self.bind_expr(key, cx)?);
            // All rows are in one partition of a constant.
            if !super::expr::is_constant(&key) {
                partition_by.push(key);
            }
        }
        let mut order_by = Vec::with_capacity(window.order_by.len());
        for key in &window.order_by {
            if matches!(&key.expr, Syntax::Identifier(i) if i.quote_style.is_none() && i.value.eq_ignore_ascii_case("all"))
            {
                return Err(SqlError::parser("Cannot ORDER BY ALL in a window expression"));
            }
            let expr = self.bind_expr(&key.expr, cx)?;
            order_by.push(self.sort_key(expr, &key.options)?);
        }
        Ok((partition_by, order_by))
    }

    /// The window that stands behind OVER, without a frame.
    pub(super) fn bind_over_clause(
        &mut self,
        over: &WindowType,
        collector: &WindowCollector,
        cx: &mut ExprContext<'_>,
    ) -> Result<Over> {
        let window = match over {
            WindowType::NamedWindow(name) => collector.named(name)?.clone(),
            WindowType::WindowSpec(spec) => collector.window(spec)?,
        };
        if window.frame.is_some() {
            return Err(SqlError::binder("functions over series take no frame"));
        }
        let (partition_by, order_by) = self.bind_window_keys(&window, cx)?;
        Ok(Over { partition_by, per_series: false, order_by })
    }

    fn bind_window_function(
        &mut self,
        name: &str,
        kind: WindowFunction,
        function: &Function,
        args: &Arguments<'_>,
        cx: &mut ExprContext<'_>,
    ) -> Result<WindowCall> {
        let missing = |what: &str| {
            SqlError::binder(format!("{what} is not implemented for the window function \"\"{name}\"\""))
        };
        if args.distinct {
            return Err(missing("DISTINCT"));
        }
        if function.filter.is_some() {
            return Err(missing("FILTER"));
        }
        if args.star {
            return Err(SqlError::binder(format!("{name}(*) makes no sense; count(*) does")));
        }
        let mut bound = Vec::with_capacity(args.positional.len());
        for arg in &args.positional {
            bound.push(self.bind_expr(arg, cx)?);
        }
        let (least, most) = kind.arity();
        if !(least..=most).contains(&bound.len()) || !args.named.is_empty() {
            let infos: Vec<_> = bound.iter().map(coerce::arg_info).collect();
            return Err(match no_match(name, &infos, &[kind.signature().to_owned()]) {
                BindError::NoMatch(message) => SqlError::binder(message),
                BindError::Unknown(_) => SqlError::internal("the function is known"),
            });
        }
        let ignore_nulls = kind.may_ignore_nulls() && args.null_treatment == Some(NullTreatment::IgnoreNulls);
        if matches!(kind, WindowFunction::DenseRank) && !args.order_by.is_empty() {
            return Err(SqlError::binder(format!(
                "ORDER BY is not supported for the window function \"\"{name}\"\""
            )));
        }
        let order_by = self.bind_aggregate_order(args.order_by, cx)?;
        use WindowFunction as F;
        let ty = match kind {
            F::PercentRank | F::CumeDist => LogicalType::Double,
            F::RowNumber | F::Rank | F::DenseRank | F::Ntile => LogicalType::BigInt,
            _ => storable(&bound[0].ty()),
        };
        let value_ty = ty.clone();
        let mut cast = Vec::with_capacity(bound.len());
        for (i, arg) in bound.into_iter().enumerate() {
            let to = match (&kind, i) {
                (F::Ntile, _) | (F::Lag | F::Lead | F::Nth, 1) => &LogicalType::BigInt,
                _ => &value_ty,
            };
            cast.push(coerce::explicit(arg, to, false)?);
        }
        Ok(WindowCall {
            function: kind,
            args: cast,
            distinct: false,
            filter: None,
            order_by,
            ignore_nulls,
            frame: Frame::partition(),
            ty,
        })
    }

    fn no_window_function(&mut self, name: &str) -> SqlError {
        if !bind_scalar(name, &[]).is_err_and(|e| matches!(e, BindError::Unknown(_))) {
            return SqlError::catalog(format!("{name} is not an aggregate function"));
        }
        match self.choose_aggregate(name, &[], false) {
            Err(error) => error,
            Ok(_) => SqlError::internal("the aggregate is known"),
        }
    }

    fn bind_frame(
        &mut self,
        window: &Window,
        order_by: &[SortKey],
        cx: &mut ExprContext<'_>,
    ) -> Result<Frame> {
        let Some((syntax, exclude)) = &window.frame else {
            if order_by.is_empty() {
                return Ok(Frame::partition());
            }
            return Ok(Frame {
                units: FrameUnits::Range,
                start: FrameBound::Unbounded,
                end: FrameBound::CurrentRow,
                exclude: FrameExclude::Nothing,
                key: None,
            });
        };
        let units = match syntax.units {
            WindowFrameUnits::Rows => FrameUnits::Rows,
            WindowFrameUnits::Range => FrameUnits::Range,
            WindowFrameUnits::Groups => FrameUnits::Groups,
        };
        check_bounds(&syntax.start_bound, syntax.end_bound.as_ref())?;
        let mut frame = Frame {
            units,
            start: self.bind_bound(&syntax.start_bound, units, order_by, cx)?,
            end: match &syntax.end_bound {
                Some(bound) => self.bind_bound(bound, units, order_by, cx)?,
                None => FrameBound::CurrentRow,
            },
            exclude: *exclude,
            key: None,
        };
        if order_by.is_empty() && units != FrameUnits::Rows {
            // All rows are peers.
            for bound in [&mut frame.start, &mut frame.end] {
                if matches!(bound, FrameBound::CurrentRow) {
                    *bound = FrameBound::Unbounded;
                }
            }
        }
        if units == FrameUnits::Range && (frame.start.expr().is_some() || frame.end.expr().is_some()) {
            self.unify_range(&mut frame, &order_by[0])?;
        }
        Ok(frame)
    }

    fn bind_bound(
        &mut self,
        bound: &WindowFrameBound,
        units: FrameUnits,
        order_by: &[SortKey],
        cx: &mut ExprContext<'_>,
    ) -> Result<FrameBound> {
        let (offset, preceding) = match bound {
            WindowFrameBound::CurrentRow => return Ok(FrameBound::CurrentRow),
            WindowFrameBound::Preceding(None) | WindowFrameBound::Following(None) => {
                return Ok(FrameBound::Unbounded);
            }
            WindowFrameBound::Preceding(Some(offset)) => (offset, true),
            WindowFrameBound::Following(Some(offset)) => (offset, false),
        };
        let offset = match &**offset {
            // The grammar takes a text for an interval.
            Syntax::Interval(ast::Interval { value, leading_field: None, .. })
                if units != FrameUnits::Range && matches!(**value, Syntax::Value(_)) =>
            {
                &**value
            }
            offset => offset,
        };
        let value = self.bind_expr(offset, cx)?;
        let value = match units {
            FrameUnits::Rows | FrameUnits::Groups => coerce::explicit(value, &LogicalType::BigInt, false)?,
            FrameUnits::Range => {
                let [key] = order_by else {
                    return Err(SqlError::binder("RANGE frames must have only one ORDER BY expression"));
                };
                if is_null_literal(&value) {
                    return Err(SqlError::binder("Window RANGE expressions cannot be NULL").at(offset));
                }
                let name = if preceding == key.descending { "+" } else { "-" };
                self.call(name, vec![key.expr.clone(), value]).map_err(|e| e.at(offset))?
            }
        };
        Ok(if preceding { FrameBound::Preceding(value) } else { FrameBound::Following(value) })
    }

    /// Gives the bounds of a RANGE and the key that they are compared with one type.
    fn unify_range(&mut self, frame: &mut Frame, key: &SortKey) -> Result<()> {
        let mut ty = key.expr.ty();
        for bound in [&frame.start, &frame.end] {
            if let Some(e) = bound.expr() {
                ty = coerce::union(&ty, &e.ty())?;
            }
        }
        for bound in [&mut frame.start, &mut frame.end] {
            if let FrameBound::Preceding(e) | FrameBound::Following(e) = bound {
                *e = coerce::explicit(e.clone(), &ty, false)?;
            }
        }
        frame.key = Some(SortKey { expr: coerce::explicit(key.expr.clone(), &ty, false)?, ..key.clone() });
        Ok(())
    }
}

/// The rows that a frame leaves out, if the last key of its order is the marker of that.
fn exclude_of(key: &Syntax) -> Option<FrameExclude> {
    Some(match tokens::exclusion(key)? {
        "CURRENT ROW" => FrameExclude::CurrentRow,
        "GROUP" => FrameExclude::Group,
        "TIES" => FrameExclude::Ties,
        _ => FrameExclude::Nothing,
    })
}

/// The bounds must leave room between them.
fn check_bounds(start: &WindowFrameBound, end: Option<&WindowFrameBound>) -> Result<()> {
    use WindowFrameBound as B;
    let message = match (start, end) {
        (B::Following(None), _) => "Frame start cannot be UNBOUNDED FOLLOWING",
        (_, Some(B::Preceding(None))) => "Frame end cannot be UNBOUNDED PRECEDING",
        (B::CurrentRow, Some(B::Preceding(_))) => {
            "Frame starting from current row cannot have preceding rows"
        }
        (B::Following(_), None) => "Frame starting from following row cannot end with current row",
        (B::Following(_), Some(B::CurrentRow | B::Preceding(_))) => {
            "Frame starting from following row cannot have preceding rows"
        }
        _ => return Ok(()),
    };
    Err(SqlError::parser(message))
}

/// FILL draws lines, so both its value and the order must be on one.
fn check_fill(call: &WindowCall, order_by: &[SortKey]) -> Result<()> {
    let on_a_line = |ty: &LogicalType| {
        ty.is_numeric()
            || matches!(
                ty,
                LogicalType::Date | LogicalType::Time | LogicalType::Timestamp(_) | LogicalType::TimestampTz
            )
    };
    if !on_a_line(&call.ty) {
        return Err(SqlError::binder("FILL argument must support subtraction"));
    }
    let keys = if call.order_by.is_empty() { order_by } else { &call.order_by };
    let [key] = keys else {
        return Err(SqlError::binder("FILL functions must have only one ORDER BY expression"));
    };
    if !on_a_line(&key.expr.ty()) {
        return Err(SqlError::binder("FILL ordering must support subtraction"));
    }
    Ok(())
}

fn same_order(a: &[SortKey], b: &[SortKey]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(x, y)| {
            same_expr(&x.expr, &y.expr) && x.descending == y.descending && x.nulls_first == y.nulls_first
        })
}

/// Whether two calls over the same window have the same value in every row.
fn same_window_call(a: &WindowCall, b: &WindowCall) -> bool {
    let same_bound = |a: &FrameBound, b: &FrameBound| {
        std::mem::discriminant(a) == std::mem::discriminant(b)
            && a.expr().zip(b.expr()).is_none_or(|(a, b)| same_expr(a, b))
    };
    a.function.name() == b.function.name()
        && a.ignore_nulls == b.ignore_nulls
        && a.frame.units == b.frame.units
        && a.frame.exclude == b.frame.exclude
        && same_bound(&a.frame.start, &b.frame.start)
        && same_bound(&a.frame.end, &b.frame.end)
        && match (as_aggregate(a), as_aggregate(b)) {
            (Some(a), Some(b)) => same_call(&a, &b),
            (None, None) => {
                a.ty == b.ty
                    && a.args.len() == b.args.len()
                    && a.args.iter().zip(&b.args).all(|(x, y)| same_expr(x, y))
                    && same_order(&a.order_by, &b.order_by)
            }
            _ => false,
        }
}

fn as_aggregate(call: &WindowCall) -> Option<AggregateCall> {
    let WindowFunction::Aggregate(function) = &call.function else { return None };
    Some(AggregateCall {
        function: function.clone(),
        args: call.args.clone(),
        distinct: call.distinct,
        filter: call.filter.clone(),
        order_by: call.order_by.clone(),
        ty: call.ty.clone(),
    })
}
