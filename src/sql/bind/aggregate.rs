//! Aggregates: their calls, and expressions over groups.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, ListArray};
use sqlparser::ast::{self, Function, Spanned};
use sqlparser::tokenizer::Span;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::aggregates::{AggregateFunction, bind_aggregate};
use crate::exec::expr::{AggregateCall, Expr, SortKey};
use crate::exec::functions::BindError;
use crate::exec::functions::{compared_by_key, comparison_key};
use crate::exec::window::{Frame, WindowCall, WindowFunction};
use crate::sql::bind::every::Bucket;
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::functions::Arguments;
use crate::sql::bind::grouping::Key;
use crate::sql::bind::name::column_name;
use crate::sql::bind::scope::{Outer, Scope};
use crate::sql::bind::subquery::PendingSubquery;
use crate::sql::bind::window::{Over, WindowCollector, Windows};
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::optimize::exprs::same_lambda;
use crate::sql::plan::{Column, ColumnId, Definition};

/// The percentile of `percentile(v)`.
const PERCENTILE_DEFAULT: f64 = 99.0;

/// Aggregates that take the value of the row where another value is least or greatest.
const PICKS: &[&str] = &[
    "arg_max",
    "arg_max_null",
    "arg_max_nulls_last",
    "arg_min",
    "arg_min_null",
    "arg_min_nulls_last",
    "argmax",
    "argmin",
    "max_by",
    "min_by",
];

/// What becomes of calls of aggregate functions.
pub enum Aggregates<'c> {
    /// They are an error here.
    Forbidden,
    /// This is the argument of one: there can be no other inside.
    Nested,
    /// They are collected; each becomes a column.
    Collected(&'c mut Collector),
}

/// The aggregates of one SELECT.
#[derive(Default)]
pub struct Collector {
    /// The calls and the columns they define.
    pub calls: Vec<(Column, AggregateCall)>,
    /// Subqueries in their arguments.
    pub subqueries: Vec<PendingSubquery>,
    /// Where the first of them stands.
    pub first: Option<Span>,
    /// Calls of GROUPING, each a column until the keys are known.
    pub(super) groupings: Vec<(Column, Vec<Key>)>,
    /// Window functions over the rows, which aggregates of series are made of.
    pub(super) windows: WindowCollector,
    /// What EVERY says.
    pub(super) bucket: Option<Bucket>,
    /// Aggregates that are made of others: in a group that FILL makes they get its value, and not what is made of it.
    pub(super) composites: Vec<Definition>,
}

/// A call in a subquery that is about columns of a query around: it is one of that query's.
pub struct OuterCall {
    /// The rows of the query.
    scope: *const Scope,
    column: Column,
    what: OuterCalled,
    span: Span,
}

/// What is called.
enum OuterCalled {
    /// An aggregate of the query's rows.
    Aggregate(AggregateCall),
    /// GROUPING of its keys.
    Grouping(Vec<Key>),
}

/// The rows of a query around that a call is about, if it uses no columns but such.
fn scope_around<'e>(exprs: impl IntoIterator<Item = &'e Expr>, cx: &ExprContext<'_>) -> Option<*const Scope> {
    let mut used = ColumnSet::new();
    used.add_exprs(exprs);
    let columns = |scope: &Scope| scope.columns().map(|c| c.column.id).collect::<ColumnSet>();
    let all: ColumnSet = Outer::chain(cx.outer).flat_map(Scope::columns).map(|c| c.column.id).collect();
    if used.is_empty() || !used.is_subset(&all) {
        return None;
    }
    let nearest = Outer::chain(cx.outer).find(|scope| !columns(scope).is_disjoint(&used));
    nearest.map(std::ptr::from_ref)
}

impl Binder<'_> {
    pub(super) fn bind_aggregate_call(
        &mut self,
        name: &str,
        function: &Function,
        args: &Arguments<'_>,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let span = function.span();
        let refused = match cx.aggregates {
            Aggregates::Forbidden => {
                Some(SqlError::binder(format!("{} cannot contain aggregates!", cx.clause)).at_span(span))
            }
            Aggregates::Nested => {
                Some(SqlError::binder("aggregate function calls cannot be nested").at_span(span))
            }
            Aggregates::Collected(_) => None,
        };
        if cx.outer.is_none()
            && let Some(error) = refused
        {
            return Err(error);
        }
        if let Some((named, _)) = args.named.first() {
            return Err(SqlError::binder(format!("{name} has no argument named \"{named}\"")));
        }
        // Arguments are evaluated for each row, below the groups.
        let mut inner = ExprContext::new(cx.scope, cx.outer, cx.clause);
        inner.aggregates = Aggregates::Nested;
        inner.aliases = cx.aliases;
        inner.windows = Windows::Refused("aggregate function calls cannot contain window function calls");
        inner.lambda_params.clone_from(&cx.lambda_params);
        let mut call = match &mut cx.aggregates {
            Aggregates::Collected(collector) if name == "integral" => {
                if function.filter.is_some() {
                    return Err(SqlError::unsupported("FILTER of integral is not supported").at_span(span));
                }
                let areas = self.bind_integral(args, collector, &mut inner).map_err(|e| e.at_span(span))?;
                self.aggregate_call(name.into(), "sum", vec![areas])?.1
            }
            Aggregates::Collected(collector) if name == "bitstring_agg" && args.positional.len() == 1 => {
                let mut call = self.aggregate_over_rows("first", function, args, &mut inner)?;
                let value = call.args[0].clone();
                // The bits of all groups stand for the same values.
                let low = self.over_all_rows("min", value.clone(), &mut collector.windows)?;
                let high = self.over_all_rows("max", value.clone(), &mut collector.windows)?;
                let bounded = self.aggregate_call(name.into(), name, vec![value, low, high])?.1;
                (call.function, call.args, call.ty) = (bounded.function, bounded.args, bounded.ty);
                call
            }
            _ => self.aggregate_over_rows(name, function, args, &mut inner)?,
        };
        if let (Aggregates::Collected(collector), true) = (&mut cx.aggregates, call.distinct) {
            self.one_of_equals(&mut call, &mut collector.windows)?;
        }
        let subqueries = std::mem::take(&mut inner.subqueries);
        if let Some(scope) = scope_around(call.exprs(), cx) {
            if !subqueries.is_empty() {
                return Err(SqlError::unsupported(format!(
                    "{name} over columns of a query around the subquery, with a subquery in its arguments"
                ))
                .at_span(span));
            }
            let column = self.ids.column(name, call.ty.clone());
            let expr = column.expr();
            let what = OuterCalled::Aggregate(call);
            self.outer_calls.push(OuterCall { scope, column, what, span });
            return Ok(expr);
        }
        if let Some(error) = refused {
            return Err(error);
        }
        let Aggregates::Collected(collector) = &mut cx.aggregates else {
            return Err(SqlError::internal("aggregates are collected here"));
        };
        collector.subqueries.extend(subqueries);
        collector.first.get_or_insert(span);
        if let Some((column, _)) = collector.calls.iter().find(|(_, other)| same_call(other, &call)) {
            return Ok(column.expr());
        }
        let column = self.ids.column(name, call.ty.clone());
        let expr = column.expr();
        collector.calls.push((column, call));
        Ok(expr)
    }

    /// Takes the calls that a subquery has found to be about the rows of `cx`.
    pub(super) fn claim_calls(&mut self, cx: &mut ExprContext<'_>) -> Result<()> {
        let scope: *const Scope = cx.scope;
        let (own, others) = std::mem::take(&mut self.outer_calls)
            .into_iter()
            .partition(|call| std::ptr::eq(call.scope, scope));
        self.outer_calls = others;
        for OuterCall { column, what, span, .. } in own {
            match (&mut cx.aggregates, what) {
                (Aggregates::Collected(collector), OuterCalled::Aggregate(call)) => {
                    collector.first.get_or_insert(span);
                    collector.calls.push((column, call));
                }
                (Aggregates::Collected(collector), OuterCalled::Grouping(keys)) => {
                    collector.groupings.push((column, keys));
                }
                (_, OuterCalled::Aggregate(_)) => {
                    let message = format!("{} cannot contain aggregates!", cx.clause);
                    return Err(SqlError::binder(message).at_span(span));
                }
                (_, OuterCalled::Grouping(_)) => return Err(no_groups().at_span(span)),
            }
        }
        Ok(())
    }

    /// `GROUPING(a, b)`.
    pub(super) fn bind_grouping(&mut self, args: &Arguments<'_>, cx: &mut ExprContext<'_>) -> Result<Expr> {
        let mut inner = ExprContext::new(cx.scope, cx.outer, cx.clause);
        inner.allow_subqueries = false;
        inner.aliases = cx.aliases;
        let mut bound = Vec::with_capacity(args.positional.len());
        for arg in &args.positional {
            bound.push(Key { name: column_name(arg), expr: self.bind_expr(arg, &mut inner)? });
        }
        let column = self.ids.column("grouping", LogicalType::BigInt);
        let expr = column.expr();
        if let Some(scope) = scope_around(bound.iter().map(|key| &key.expr), cx) {
            let span = args.positional.first().map_or_else(Span::empty, |arg| arg.span());
            self.outer_calls.push(OuterCall { scope, column, what: OuterCalled::Grouping(bound), span });
            return Ok(expr);
        }
        let Aggregates::Collected(collector) = &mut cx.aggregates else { return Err(no_groups()) };
        collector.groupings.push((column, bound));
        Ok(expr)
    }

    /// Of values that are equal by what they compare by, DISTINCT takes the first of the group.
    fn one_of_equals(&mut self, call: &mut AggregateCall, windows: &mut WindowCollector) -> Result<()> {
        for arg in &mut call.args {
            let Some((value, key)) = compared_by_key(arg) else { continue };
            let ty = value.ty();
            let first = WindowCall {
                function: WindowFunction::First,
                args: vec![value],
                distinct: false,
                filter: None,
                order_by: vec![],
                ignore_nulls: false,
                frame: Frame::partition(),
                ty,
            };
            let over = Over { partition_by: vec![key], per_series: true, order_by: vec![] };
            *arg = windows.add(&mut self.ids, "first", over, first).expr();
        }
        Ok(())
    }

    /// An aggregate of all rows below the groups.
    fn over_all_rows(&mut self, name: &str, value: Expr, windows: &mut WindowCollector) -> Result<Expr> {
        let function = self.choose_aggregate(name, std::slice::from_ref(&value), false)?;
        let ty = function.return_type.clone();
        let call = WindowCall {
            function: WindowFunction::Aggregate(function),
            args: vec![value],
            distinct: false,
            filter: None,
            order_by: vec![],
            ignore_nulls: false,
            frame: Frame::partition(),
            ty,
        };
        let over = Over { partition_by: vec![], per_series: false, order_by: vec![] };
        Ok(windows.add(&mut self.ids, name, over, call).expr())
    }

    pub(super) fn aggregate_over_rows(
        &mut self,
        name: &str,
        function: &Function,
        args: &Arguments<'_>,
        cx: &mut ExprContext<'_>,
    ) -> Result<AggregateCall> {
        let mut bound = Vec::with_capacity(args.positional.len());
        for arg in &args.positional {
            bound.push(self.bind_expr(arg, cx)?);
        }
        let mut order_by = self.bind_aggregate_order(args.order_by, cx)?;
        let mut name = name;
        let mut descending = false;
        if let ("quantile" | "quantile_cont" | "quantile_disc" | "median", [key]) = (name, &order_by[..]) {
            // The order of a quantile is that of its values: `quantile_cont(x, 0.75 ORDER BY x DESC)`, where `x` may be
            // left out.
            descending = key.descending;
            if bound.len() < 2 && name != "median" {
                bound.insert(0, key.expr.clone());
            }
            order_by.clear();
        }
        if let [key, rest @ ..] = &function.within_group[..] {
            // `percentile_cont(0.5) WITHIN GROUP (ORDER BY x)` is `quantile_cont(x, 0.5)`.
            if !rest.is_empty() || !order_by.is_empty() {
                return Err(SqlError::unsupported("WITHIN GROUP with several keys is not supported"));
            }
            descending = key.options.sort == Some(ast::OrderBySort::Desc);
            name = match name {
                "percentile_cont" => "quantile_cont",
                "percentile_disc" => "quantile_disc",
                "mode" => name,
                other => {
                    let message =
                        format!("{other} takes no WITHIN GROUP; an order may stand behind its arguments");
                    return Err(SqlError::binder(message));
                }
            };
            let value = self.bind_expr(&key.expr, cx)?;
            if name == "mode" {
                // Of the most frequent values the first in order.
                let nulls_first = key.options.nulls_first.unwrap_or(false);
                order_by.push(SortKey { expr: value.clone(), descending, nulls_first });
            }
            bound.insert(0, value);
        }
        if descending && bound.len() == 2 {
            // Fractions below zero count from the greatest.
            let share = bound.remove(1);
            bound.push(match share.ty() {
                LogicalType::List(_) | LogicalType::Array(..) => {
                    let ty = LogicalType::List(Box::new(LogicalType::Double));
                    let shares = coerce::explicit(share, &ty, false)?;
                    let Scalar::Nested(list) = self.evaluate(&shares)? else {
                        return Err(SqlError::binder("QUANTILE parameter cannot be NULL"));
                    };
                    Expr::literal(Scalar::Nested(negated(&list)?), ty)
                }
                _ => {
                    let share = coerce::explicit(share, &LogicalType::Double, false)?;
                    self.call("-", vec![share])?
                }
            });
        }
        match name {
            "mean" => name = "avg",
            "percentile" => {
                name = "quantile_cont";
                bound = self.percentile_args(bound, args)?;
            }
            // The value whose key is least or greatest.
            "min" | "max" if matches!(bound.len(), 1 | 2) && compared_by_key(&bound[0]).is_some() => {
                let key = comparison_key(bound[0].clone());
                bound.insert(1, key);
                name = if name == "min" { "arg_min" } else { "arg_max" };
            }
            _ if PICKS.contains(&name) && bound.len() > 1 => {
                let by = comparison_key(bound.remove(1));
                bound.insert(1, by);
            }
            "count" if args.distinct && bound.len() == 1 => {
                bound = bound.into_iter().map(comparison_key).collect();
            }
            "first" | "last" | "any_value" | "arbitrary" if bound.len() == 1 && order_by.is_empty() => {
                // A source with a time column has an order of its own.
                if matches!(name, "first" | "last")
                    && let Some(time) = cx.scope.time_column()
                {
                    bound.push(time.unqualified());
                    name = if name == "first" { "arg_min" } else { "arg_max" };
                }
            }
            _ => {}
        }
        if args.star && args.distinct {
            return Err(SqlError::binder(
                "count(DISTINCT *) counts nothing that is distinct; count(*) counts rows",
            ));
        }
        if args.star && name != "count" {
            return Err(SqlError::binder(format!("{name}(*) makes no sense; count(*) does")));
        }
        let filter = match &function.filter {
            Some(filter) => Some(self.bind_condition(filter, cx)?),
            None => None,
        };
        // `count()` counts rows.
        let distinct = args.distinct && !bound.is_empty();
        let aggregate = self.choose_aggregate(name, &bound, distinct)?;
        if let Some(at) = constant_argument(name)
            && bound.get(at).is_some_and(|arg| !super::expr::is_constant(arg))
        {
            return Err(SqlError::binder(format!("Argument {} of \"{name}\" must be a constant", at + 1)));
        }
        let args: Vec<Expr> =
            bound.into_iter().zip(&aggregate.arg_types).map(|(e, ty)| coerce::cast(e, ty)).collect();
        if !aggregate.order_sensitive {
            order_by.clear();
        }
        let ty = aggregate.return_type.clone();
        Ok(AggregateCall { function: aggregate, args, distinct, filter, order_by, ty })
    }

    pub(super) fn bind_aggregate_order(
        &mut self,
        keys: &[ast::OrderByExpr],
        cx: &mut ExprContext<'_>,
    ) -> Result<Vec<SortKey>> {
        let mut out = Vec::with_capacity(keys.len());
        for key in keys {
            self.refuse_literal_key(&key.expr, "ORDER BY")?;
            let expr = self.bind_expr(&key.expr, cx)?;
            out.push(self.sort_key(expr, &key.options)?);
        }
        Ok(out)
    }

    /// `percentile(v, p)` with p in percent becomes a quantile with a share.
    fn percentile_args(&mut self, mut bound: Vec<Expr>, args: &Arguments<'_>) -> Result<Vec<Expr>> {
        if !(1..=2).contains(&bound.len()) {
            return Err(SqlError::binder("percentile takes a value and, if it is not 99, the percentage"));
        }
        let percent = match bound.len() {
            2 => {
                let expr = coerce::explicit(bound.remove(1), &LogicalType::Double, false)?;
                if !super::expr::is_constant(&expr) {
                    return Err(SqlError::binder("the percentage of percentile must be a constant")
                        .at(args.positional[1]));
                }
                match self.evaluate(&expr)? {
                    Scalar::Float(p) if (0.0..=100.0).contains(&p) => p,
                    _ => {
                        return Err(SqlError::binder("the percentage of percentile must be 0 to 100")
                            .at(args.positional[1]));
                    }
                }
            }
            _ => PERCENTILE_DEFAULT,
        };
        bound.push(Expr::literal(Scalar::Float(percent / 100.0), LogicalType::Double));
        Ok(bound)
    }

    /// The aggregate function of that name for these arguments.
    pub(super) fn choose_aggregate(
        &mut self,
        name: &str,
        args: &[Expr],
        distinct: bool,
    ) -> Result<Arc<AggregateFunction>> {
        let infos: Vec<_> = args.iter().map(coerce::arg_info).collect();
        let bound = bind_aggregate(name, &infos, distinct)
            .or_else(|e| self.env.extensions.aggregate(name, &infos).ok_or(e));
        bound.map_err(|e| match e {
            BindError::Unknown(similar) => {
                SqlError::catalog(format!("Aggregate Function with name {name} does not exist!"))
                    .did_you_mean(name, similar)
            }
            BindError::NoMatch(message) => SqlError::binder(message),
        })
    }
}

fn no_groups() -> SqlError {
    SqlError::binder("GROUPING statement cannot be used without groups")
}

/// The argument of an aggregate that says how it works, and so is the same for all rows.
fn constant_argument(name: &str) -> Option<usize> {
    match name {
        "string_agg" | "group_concat" | "listagg" | "approx_quantile" | "reservoir_quantile" | "quantile"
        | "quantile_cont" | "quantile_disc" => Some(1),
        _ => None,
    }
}

/// Whether two calls give the same value for any group.
pub(super) fn same_call(a: &AggregateCall, b: &AggregateCall) -> bool {
    a.function.name == b.function.name
        && a.function.arg_types == b.function.arg_types
        && a.ty == b.ty
        && a.distinct == b.distinct
        && a.args.len() == b.args.len()
        && a.args.iter().zip(&b.args).all(|(x, y)| same_expr(x, y))
        && match (&a.filter, &b.filter) {
            (None, None) => true,
            (Some(x), Some(y)) => same_expr(x, y),
            _ => false,
        }
        && a.order_by.len() == b.order_by.len()
        && a.order_by.iter().zip(&b.order_by).all(|(x, y)| {
            same_expr(&x.expr, &y.expr) && x.descending == y.descending && x.nulls_first == y.nulls_first
        })
}

/// Whether two expressions give the same value for any row.
pub fn same_expr(a: &Expr, b: &Expr) -> bool {
    let shallow = match (a, b) {
        (Expr::Column { index: x, .. }, Expr::Column { index: y, .. }) => x == y,
        (Expr::Literal { value: x, ty: s }, Expr::Literal { value: y, ty: t }) => {
            s == t && x.total_cmp(y).is_eq()
        }
        (Expr::Cast { to: s, or_null: x, .. }, Expr::Cast { to: t, or_null: y, .. }) => s == t && x == y,
        (Expr::Compare { op: x, .. }, Expr::Compare { op: y, .. }) => x == y,
        (Expr::IsNull { negated: x, .. }, Expr::IsNull { negated: y, .. }) => x == y,
        (Expr::InList { list: x, negated: n, .. }, Expr::InList { list: y, negated: m, .. }) => {
            n == m && x.len() == y.len() && x.iter().zip(y.iter()).all(|(v, w)| v.total_cmp(w).is_eq())
        }
        (
            Expr::Case { branches: x, otherwise: o, ty: s },
            Expr::Case { branches: y, otherwise: p, ty: t },
        ) => s == t && x.len() == y.len() && o.is_some() == p.is_some(),
        (Expr::Call { function: x, ty: s, .. }, Expr::Call { function: y, ty: t, .. }) => {
            s == t && !x.volatile && (Arc::ptr_eq(x, y) || x.name == y.name && same_lambda(x, y))
        }
        (Expr::And(_), Expr::And(_))
        | (Expr::Or(_), Expr::Or(_))
        | (Expr::Not(_), Expr::Not(_))
        | (Expr::Coalesce(_), Expr::Coalesce(_)) => true,
        _ => false,
    };
    if !shallow {
        return false;
    }
    let (x, y) = (a.children(), b.children());
    x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same_expr(x, y))
}

/// Where columns were last seen.
pub type Spans = HashMap<ColumnId, Span>;

/// Turns expressions over rows into expressions over groups.
pub struct Grouping<'g> {
    /// Keys: what their columns replace.
    keys: &'g [Definition],
    scope: &'g Scope,
    /// The columns of FROM: they are gone above the groups unless they are keys.
    row_columns: ColumnSet,
}

impl<'g> Grouping<'g> {
    /// For these keys over the rows of that scope.
    pub fn new(keys: &'g [Definition], scope: &'g Scope) -> Self {
        Self { keys, scope, row_columns: scope.columns().map(|c| c.column.id).collect() }
    }

    /// Replaces what is a key by the key's column.
    pub fn rewrite(&self, expr: &mut Expr, spans: &Spans) -> Result<()> {
        if let Some(key) = self.keys.iter().find(|k| same_expr(&k.expr, expr)) {
            *expr = key.column.expr();
            return Ok(());
        }
        if let Expr::Column { index, .. } = expr
            && self.row_columns.contains(*index)
        {
            return Err(self.not_grouped(*index, spans));
        }
        expr.children_mut().into_iter().try_for_each(|e| self.rewrite(e, spans))
    }

    /// What a subquery above the groups takes from the rows must be a key.
    pub fn check_subquery(&self, subquery: &PendingSubquery, spans: &Spans) -> Result<()> {
        let used = ColumnSet::free(&subquery.plan).intersection(&self.row_columns);
        let lost = used.iter().find(|id| !self.keys.iter().any(|k| k.column.id == *id));
        lost.map_or(Ok(()), |id| Err(self.not_grouped(id, spans)))
    }

    /// The error for a column that is neither a key nor in an aggregate.
    fn not_grouped(&self, id: ColumnId, spans: &Spans) -> SqlError {
        let name = self.scope.columns().find(|c| c.column.id == id).map_or("", |c| &c.column.name);
        let error = SqlError::binder(format!(
            "column \"{name}\" must appear in the GROUP BY clause or must be part of an aggregate function."
        ))
        .hint(format!(
            "Either add it to the GROUP BY list, or use \"ANY_VALUE({name})\" if the exact value of \"{name}\" is not important."
        ));
        match spans.get(&id) {
            Some(span) => error.at_span(*span),
            None => error,
        }
    }
}

impl Binder<'_> {
    /// A call of an aggregate over given arguments, and the column that it defines.
    pub fn aggregate_call(
        &mut self,
        column: String,
        name: &str,
        args: Vec<Expr>,
    ) -> Result<(Column, AggregateCall)> {
        let function = self.choose_aggregate(name, &args, false)?;
        let args = args.into_iter().zip(&function.arg_types).map(|(e, ty)| coerce::cast(e, ty)).collect();
        let ty = function.return_type.clone();
        let column = self.ids.column(column, ty.clone());
        let call = AggregateCall { function, args, distinct: false, filter: None, order_by: vec![], ty };
        Ok((column, call))
    }
}

/// A list of floats with the other sign.
fn negated(list: &ArrayRef) -> Result<ArrayRef> {
    let (field, offsets, values, nulls) = list.as_list::<i32>().clone().into_parts();
    let values = values.as_primitive::<Float64Type>().unary::<_, Float64Type>(|v| -v);
    let list = ListArray::try_new(field, offsets, Arc::new(values), nulls);
    Ok(Arc::new(list.map_err(|e| SqlError::binder(e.to_string()))?))
}
