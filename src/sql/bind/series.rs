//! Functions over the course of a series: `derivative`, `moving_average`, `top` and their like.
//!
//! They have InfluxDB's meaning, and are windows: over rows, or over the groups of EVERY, of one series (what GROUP BY
//! says) in the order of time, those without a value left out. OVER says other windows. Source: InfluxQL's reference
//! of functions, 1.8.

use sqlparser::ast::{Expr as Syntax, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned};

use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::expr::{CompareOp, Expr, SortKey};
use crate::exec::functions::comparison_key;
use crate::exec::window::{Frame, FrameBound, FrameExclude, FrameUnits, WindowCall, WindowFunction};
use crate::sql::bind::aggregate::Aggregates;
use crate::sql::bind::every::Bucket;
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::functions::Arguments;
use crate::sql::bind::name::function_name;
use crate::sql::bind::window::{Over, WindowCollector, Windows};
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::optimize::columns::ColumnSet;

/// Name, signatures, description, example.
pub type Listed = (&'static str, &'static [&'static str], &'static str, &'static str);

/// The functions that windows are made of.
pub const WINDOWS: &[Listed] = &[
    (
        "bottom",
        &["(T, BIGINT) -> T", "(T, ANY, ANY..., BIGINT) -> T"],
        "The n rows of each series with the least values, the earlier of equal ones; with tags between, of each value of theirs one row",
        "SELECT bottom(usage, 3) FROM cpu GROUP BY host",
    ),
    (
        "cumulative_sum",
        &["(T) -> T"],
        "Sum of the values of the series up to this one",
        "SELECT cumulative_sum(usage) FROM cpu GROUP BY host",
    ),
    (
        "derivative",
        &["(T) -> DOUBLE", "(T, INTERVAL) -> DOUBLE"],
        "Change from the value before in a unit of time: a second, or what EVERY says",
        "SELECT derivative(mean(usage), 1s) FROM cpu GROUP BY host EVERY 1m",
    ),
    (
        "difference",
        &["(T) -> T"],
        "Change from the value before",
        "SELECT difference(usage) FROM cpu GROUP BY host",
    ),
    (
        "elapsed",
        &["(T) -> BIGINT", "(T, INTERVAL) -> BIGINT"],
        "Whole units of time, nanoseconds unless said otherwise, since the value before",
        "SELECT elapsed(usage, 1s) FROM cpu GROUP BY host",
    ),
    (
        "exponential_moving_average",
        &["(DOUBLE, BIGINT) -> DOUBLE"],
        "Mean in which a value weighs 2 / (n + 1) and all before it the rest, from the nth value on",
        "SELECT exponential_moving_average(usage, 5) FROM cpu GROUP BY host",
    ),
    (
        "interpolate",
        &["(T) -> T"],
        "The value; where there is none, that on the line between its neighbours",
        "SELECT interpolate(avg(usage)) FROM cpu EVERY 1m FILL(null)",
    ),
    (
        "locf",
        &["(T) -> T"],
        "The value; where there is none, the last before it",
        "SELECT locf(avg(usage)) FROM cpu EVERY 1m FILL(null)",
    ),
    (
        "moving_average",
        &["(T, BIGINT) -> DOUBLE"],
        "Mean of the last n values, from the nth on",
        "SELECT moving_average(usage, 5) FROM cpu GROUP BY host",
    ),
    (
        "non_negative_derivative",
        &["(T) -> DOUBLE", "(T, INTERVAL) -> DOUBLE"],
        "The derivative, where it is not below zero",
        "SELECT non_negative_derivative(max(requests), 1s) FROM web GROUP BY host EVERY 1m",
    ),
    (
        "non_negative_difference",
        &["(T) -> T"],
        "The difference, where it is not below zero",
        "SELECT non_negative_difference(requests) FROM web GROUP BY host",
    ),
    (
        "rate",
        &["(T) -> DOUBLE", "(T, INTERVAL) -> DOUBLE"],
        "Derivative of a counter: where it falls it began again at zero",
        "SELECT rate(max(requests), 1s) FROM web GROUP BY host EVERY 1m",
    ),
    (
        "sample",
        &["(T, BIGINT) -> T"],
        "n rows of each series, chosen at random",
        "SELECT sample(usage, 3) FROM cpu GROUP BY host",
    ),
    (
        "top",
        &["(T, BIGINT) -> T", "(T, ANY, ANY..., BIGINT) -> T"],
        "The n rows of each series with the greatest values, the earlier of equal ones; with tags between, of each value of theirs one row",
        "SELECT top(usage, host, 3) FROM cpu",
    ),
];

/// Whether a name is that of a function of [`WINDOWS`].
pub(super) fn is_series_function(name: &str) -> bool {
    WINDOWS.iter().any(|(n, ..)| *n == name)
}

/// Whether a function over series yields some of its rows as they are, and not what is made of several.
fn chooses_rows(name: &str) -> bool {
    matches!(name, "top" | "bottom" | "sample")
}

/// The tags in a call `top(value, tag, …, n)`, or of `bottom`.
pub(super) fn tags_of_rank(call: &Syntax) -> Vec<Syntax> {
    let Syntax::Function(function) = call else { return vec![] };
    let FunctionArguments::List(list) = &function.args else { return vec![] };
    if !matches!(&*function_name(&function.name), "top" | "bottom") || list.args.len() < 3 {
        return vec![];
    }
    let tag = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(tag)) => Some(tag.clone()),
        _ => None,
    };
    list.args[1..list.args.len() - 1].iter().filter_map(tag).collect()
}

/// What functions over series ask of their query.
#[derive(Default)]
pub struct SeriesWants {
    /// Only rows for which this holds: those at the top.
    pub condition: Option<Expr>,
    /// Columns without which a row of a series says nothing.
    dropping: ColumnSet,
    /// There are calls without OVER.
    pub(super) any: bool,
    /// There are others than those that choose rows.
    pub(super) any_but_choices: bool,
}

impl SeriesWants {
    /// Rows that have nothing to say are left out, if all that is selected, `keys` aside, is of functions such as
    /// `derivative`.
    pub(super) fn says_something<'o>(&self, outputs: impl Iterator<Item = &'o Expr>) -> Option<Expr> {
        let mut any = vec![];
        for output in outputs {
            if ColumnSet::of(output).is_disjoint(&self.dropping) {
                return None;
            }
            any.push(is_not_null(output));
        }
        (!any.is_empty()).then_some(Expr::Or(any))
    }
}

/// A function over a series, its arguments bound.
struct Call {
    over: Over,
    value: Expr,
    /// Of each value of these one row.
    tags: Vec<Expr>,
    time: Expr,
}

pub(super) fn is_null(expr: &Expr) -> Expr {
    Expr::IsNull { input: Box::new(expr.clone()), negated: false }
}

pub(super) fn is_not_null(expr: &Expr) -> Expr {
    Expr::IsNull { input: Box::new(expr.clone()), negated: true }
}

fn int(value: i64) -> Expr {
    Expr::literal(Scalar::Int(value.into()), LogicalType::BigInt)
}

pub(super) fn double(value: f64) -> Expr {
    Expr::literal(Scalar::Float(value), LogicalType::Double)
}

/// The value where a condition holds, else NULL.
pub(super) fn only_if(condition: Expr, value: Expr) -> Expr {
    let ty = value.ty();
    Expr::Case { branches: vec![(condition, value)], otherwise: None, ty }
}

/// Rows from so many before up to the row itself.
fn up_to_here(before: FrameBound) -> Frame {
    Frame {
        units: FrameUnits::Rows,
        start: before,
        end: FrameBound::CurrentRow,
        exclude: FrameExclude::Nothing,
        key: None,
    }
}

impl Binder<'_> {
    /// Binds a call of a function of [`WINDOWS`].
    pub(super) fn bind_series_call(
        &mut self,
        name: &str,
        function: &Function,
        args: &Arguments<'_>,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let at = |e: SqlError| e.at_span(function.span());
        let collector = match std::mem::replace(&mut cx.windows, Windows::Forbidden) {
            Windows::Collected(collector) => collector,
            other => {
                cx.windows = other;
                let message = format!("{} cannot contain {name}, which looks at other rows", cx.clause);
                return Err(at(SqlError::binder(message)));
            }
        };
        let (mut inner, bound);
        {
            // Calls may be nested.
            inner = ExprContext::new(cx.scope, cx.outer, cx.clause);
            inner.aliases = cx.aliases;
            inner.lambda_params.clone_from(&cx.lambda_params);
            inner.aggregates = std::mem::replace(&mut cx.aggregates, Aggregates::Forbidden);
            inner.windows = Windows::Collected(collector);
            inner.subqueries = std::mem::take(&mut cx.subqueries);
            bound = self.bind_series_parts(name, function, args, &mut inner);
        }
        cx.aggregates = inner.aggregates;
        cx.windows = inner.windows;
        cx.subqueries = inner.subqueries;
        cx.spans.extend(inner.spans);
        bound.map_err(at)
    }

    fn bind_series_parts(
        &mut self,
        name: &str,
        function: &Function,
        args: &Arguments<'_>,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        if args.distinct || args.star || !args.order_by.is_empty() || !args.named.is_empty() {
            return Err(SqlError::binder(format!("{name} takes plain arguments only")));
        }
        if function.filter.is_some() || !function.within_group.is_empty() || args.null_treatment.is_some() {
            return Err(SqlError::binder(format!("FILTER and the like are not for {name}")));
        }
        let most = match name {
            "difference" | "non_negative_difference" | "cumulative_sum" | "locf" | "interpolate" => 1..=1,
            "top" | "bottom" => 2..=usize::MAX,
            "sample" | "moving_average" | "exponential_moving_average" => 2..=2,
            _ => 1..=2,
        };
        if !most.contains(&args.positional.len()) {
            let signatures: Vec<String> = WINDOWS
                .iter()
                .filter(|(n, ..)| *n == name)
                .flat_map(|(_, signatures, ..)| signatures.iter().map(|s| format!("{name}{s}")))
                .collect();
            return Err(SqlError::binder(format!(
                "{name} takes other arguments. Candidate functions: {}",
                signatures.join(", ")
            )));
        }
        let value = self.bind_expr(args.positional[0], cx)?;
        let mut tags = vec![];
        let mut second = args.positional.get(1).copied();
        if let [_, between @ .., last] = &args.positional[..]
            && !between.is_empty()
        {
            second = Some(last);
            for tag in between.iter().filter(|_| matches!(name, "top" | "bottom")) {
                tags.push(comparison_key(self.bind_expr(tag, cx)?));
            }
        }
        // The window, whose definition has no window functions in it.
        let Windows::Collected(collector) = std::mem::replace(
            &mut cx.windows,
            Windows::Refused("window functions are not allowed in window definitions"),
        ) else {
            return Err(SqlError::internal("windows are collected here"));
        };
        let over = match &function.over {
            Some(over) => self.bind_over_clause(over, collector, cx),
            None => cx
                .scope
                .bucket_column()
                .map(|column| Over {
                    partition_by: vec![],
                    per_series: true,
                    order_by: vec![SortKey {
                        expr: column.unqualified(),
                        descending: false,
                        nulls_first: false,
                    }],
                })
                .map_err(|e| SqlError { message: e.message.replace("EVERY", name), ..e }),
        };
        let bound = over.and_then(|over| {
            let time = over.order_by.first().map(|key| key.expr.clone());
            let time = time
                .ok_or_else(|| SqlError::binder(format!("{name} needs an order: OVER (… ORDER BY time)")))?;
            let every = match &cx.aggregates {
                Aggregates::Collected(collected) => collected.bucket.as_ref().and_then(Bucket::nanos),
                _ => None,
            };
            self.make_series_call(name, Call { over, value, tags, time }, second, every, collector)
        });
        cx.windows = Windows::Collected(collector);
        bound
    }

    fn make_series_call(
        &mut self,
        name: &str,
        call: Call,
        second: Option<&Syntax>,
        every: Option<i64>,
        collector: &mut WindowCollector,
    ) -> Result<Expr> {
        let implicit = call.over.per_series;
        let drops = !matches!(name, "locf" | "interpolate") && !chooses_rows(name);
        let Call { mut over, value, tags, time } = call;
        let present = is_not_null(&value);
        if !matches!(name, "locf" | "interpolate") {
            // Rows without a value are apart from the others.
            over.partition_by.push(is_null(&value));
        }
        let mut chosen = vec![present.clone()];
        let mut windows = InWindow { binder: self, collector, over, value: value.clone(), time };
        let result = match name {
            "difference" => windows.difference()?,
            "non_negative_difference" => {
                let difference = windows.difference()?;
                non_negative(difference)?
            }
            "derivative" | "non_negative_derivative" | "rate" => {
                let unit = windows.unit(second, every.unwrap_or(1_000_000_000))?;
                let change = if name == "rate" {
                    let before = windows.before(value.clone())?;
                    let fell = coerce::compare(CompareOp::Lt, value.clone(), before)?;
                    let difference = windows.difference()?;
                    let difference = coerce::explicit(difference, &LogicalType::Double, false)?;
                    let since_zero = coerce::explicit(value.clone(), &LogicalType::Double, false)?;
                    let ty = LogicalType::Double;
                    Expr::Case {
                        branches: vec![(fell, since_zero)],
                        otherwise: Some(Box::new(difference)),
                        ty,
                    }
                } else {
                    windows.difference()?
                };
                let rate = windows.per_unit(change, unit)?;
                if name == "non_negative_derivative" { non_negative(rate)? } else { rate }
            }
            "elapsed" => windows.elapsed(second)?,
            "cumulative_sum" => windows.aggregate("sum", vec![value], up_to_here(FrameBound::Unbounded))?,
            "moving_average" => {
                let n = windows.count(second, name)?;
                let frame = || up_to_here(FrameBound::Preceding(int(n - 1)));
                let mean = windows.aggregate("avg", vec![value.clone()], frame())?;
                let known = windows.aggregate("count", vec![value], frame())?;
                only_if(coerce::compare(CompareOp::Eq, known, int(n))?, mean)
            }
            "exponential_moving_average" => {
                let n = windows.count(second, name)?;
                let args = vec![coerce::explicit(value.clone(), &LogicalType::Double, false)?, int(n)];
                let mean = windows.aggregate("ema", args, up_to_here(FrameBound::Unbounded))?;
                let known = windows.aggregate("count", vec![value], up_to_here(FrameBound::Unbounded))?;
                only_if(coerce::compare(CompareOp::GtEq, known, int(n))?, mean)
            }
            "locf" => windows.last_known(value, up_to_here(FrameBound::Unbounded))?,
            "interpolate" => windows.interpolated()?,
            "top" | "bottom" | "sample" => {
                let n = windows.count(second, name)?;
                let by =
                    if name == "sample" { windows.binder.call("random", vec![])? } else { value.clone() };
                let by = SortKey { expr: by, descending: name == "top", nulls_first: false };
                windows.over.order_by.insert(0, by);
                if !tags.is_empty() {
                    // The first of each value of the tags are apart from the others.
                    let all = windows.over.clone();
                    windows.over.partition_by.extend(tags);
                    let is_first = windows.is_among_first(1)?;
                    windows.over = all;
                    windows.over.partition_by.push(is_first.clone());
                    chosen.push(is_first);
                }
                chosen.push(windows.is_among_first(n)?);
                if collector.series.condition.replace(Expr::And(chosen)).is_some() {
                    return Err(SqlError::unsupported("a query can have one top, bottom or sample"));
                }
                value
            }
            other => return Err(SqlError::internal(format!("{other} is no function over series"))),
        };
        if implicit {
            collector.series.any = true;
            collector.series.any_but_choices |= !chooses_rows(name);
        }
        if !drops {
            return Ok(result);
        }
        let result = only_if(present, result);
        if implicit {
            let windows: ColumnSet = collector.columns().collect();
            collector.series.dropping.add_all(&ColumnSet::of(&result).intersection(&windows));
        }
        Ok(result)
    }

    /// A length of time without months, in nanoseconds.
    pub(super) fn unit_nanos(&mut self, unit: &Syntax) -> Result<i64> {
        const NANOS_PER_DAY: i64 = 86_400_000_000_000;
        let value = self.bind_constant_as(unit, &LogicalType::Interval, "the unit")?;
        let nanos = match value {
            Scalar::Interval { months: 0, days, nanos } => {
                i64::from(days).checked_mul(NANOS_PER_DAY).and_then(|d| d.checked_add(nanos))
            }
            _ => None,
        };
        nanos.filter(|n| *n > 0).ok_or_else(|| {
            SqlError::binder("the unit must be a duration longer than zero and without months").at(unit)
        })
    }

    /// Ticks since the epoch, and how many nanoseconds one is.
    pub(super) fn ticks(&mut self, time: Expr) -> Result<(Expr, i64)> {
        let nanos = matches!(time.ty(), LogicalType::Timestamp(arrow_schema::TimeUnit::Nanosecond));
        let time = match time.ty() {
            LogicalType::Timestamp(_) | LogicalType::TimestampTz => time,
            _ => coerce::explicit(time, &TIMESTAMP, false)?,
        };
        let ticks = self.call(if nanos { "epoch_ns" } else { "epoch_us" }, vec![time])?;
        Ok((ticks, if nanos { 1 } else { 1_000 }))
    }
}

/// Where the window functions of a call go.
pub(super) struct InWindow<'w, 'b, 'e> {
    pub binder: &'w mut Binder<'b>,
    pub collector: &'e mut WindowCollector,
    pub over: Over,
    pub value: Expr,
    pub time: Expr,
}

impl InWindow<'_, '_, '_> {
    fn call(&mut self, function: WindowFunction, args: Vec<Expr>, frame: Frame, ty: LogicalType) -> Expr {
        let name = function.name();
        let ignore_nulls = matches!(function, WindowFunction::Last);
        let call = WindowCall {
            function,
            args,
            distinct: false,
            filter: None,
            order_by: vec![],
            ignore_nulls,
            frame,
            ty,
        };
        self.collector.add(&mut self.binder.ids, name, self.over.clone(), call).expr()
    }

    /// Whether a row is one of the first of its window.
    fn is_among_first(&mut self, rows: i64) -> Result<Expr> {
        let rank = self.call(WindowFunction::RowNumber, vec![], Frame::partition(), LogicalType::BigInt);
        coerce::compare(CompareOp::LtEq, rank, int(rows))
    }

    pub fn before(&mut self, expr: Expr) -> Result<Expr> {
        let ty = expr.ty();
        Ok(self.call(WindowFunction::Lag, vec![expr], Frame::partition(), ty))
    }

    pub fn after(&mut self, expr: Expr) -> Result<Expr> {
        let ty = expr.ty();
        Ok(self.call(WindowFunction::Lead, vec![expr], Frame::partition(), ty))
    }

    fn last_known(&mut self, expr: Expr, frame: Frame) -> Result<Expr> {
        let ty = expr.ty();
        Ok(self.call(WindowFunction::Last, vec![expr], frame, ty))
    }

    fn aggregate(&mut self, name: &str, args: Vec<Expr>, frame: Frame) -> Result<Expr> {
        let function = self.binder.choose_aggregate(name, &args, false)?;
        let args = args.into_iter().zip(&function.arg_types).map(|(e, ty)| coerce::cast(e, ty)).collect();
        let ty = function.return_type.clone();
        Ok(self.call(WindowFunction::Aggregate(function), args, frame, ty))
    }

    /// The change since the value before. Of unsigned numbers it may be below zero too.
    fn difference(&mut self) -> Result<Expr> {
        let value = match self.value.ty() {
            LogicalType::UTinyInt | LogicalType::USmallInt | LogicalType::UInteger => {
                coerce::explicit(self.value.clone(), &LogicalType::BigInt, false)?
            }
            LogicalType::UBigInt => coerce::explicit(self.value.clone(), &LogicalType::HugeInt, false)?,
            ty if ty.is_numeric() => self.value.clone(),
            other => {
                return Err(SqlError::binder(format!("the value must be a number, and is a {other}")));
            }
        };
        let before = self.before(value.clone())?;
        self.binder.call("-", vec![value, before])
    }

    /// Nanoseconds of the second argument.
    fn unit(&mut self, given: Option<&Syntax>, otherwise: i64) -> Result<i64> {
        given.map_or(Ok(otherwise), |unit| self.binder.unit_nanos(unit))
    }

    /// Ticks since the row before, and how many nanoseconds one is.
    fn ticks_passed(&mut self) -> Result<(Expr, i64)> {
        let before = self.before(self.time.clone())?;
        let (before, _) = self.binder.ticks(before)?;
        let (now, nanos) = self.binder.ticks(self.time.clone())?;
        Ok((self.binder.call("-", vec![now, before])?, nanos))
    }

    /// A change since the row before as one in a unit of time; NULL if no time has passed.
    fn per_unit(&mut self, change: Expr, unit: i64) -> Result<Expr> {
        let (passed, nanos) = self.ticks_passed()?;
        let passed = coerce::explicit(passed, &LogicalType::Double, false)?;
        let units = self.binder.call("/", vec![passed.clone(), double(unit as f64 / nanos as f64)])?;
        let change = coerce::explicit(change, &LogicalType::Double, false)?;
        let rate = self.binder.call("/", vec![change, units])?;
        Ok(only_if(coerce::compare(CompareOp::NotEq, passed, double(0.0))?, rate))
    }

    fn elapsed(&mut self, unit: Option<&Syntax>) -> Result<Expr> {
        let unit = self.unit(unit, 1)?;
        let (passed, nanos) = self.ticks_passed()?;
        if unit % nanos == 0 {
            return self.binder.call("//", vec![passed, int(unit / nanos)]);
        }
        let passed = self.binder.call("*", vec![passed, int(nanos)])?;
        self.binder.call("//", vec![passed, int(unit)])
    }

    /// The value, or that on the line between the one before and the one behind.
    fn interpolated(&mut self) -> Result<Expr> {
        let value = self.value.clone();
        if !value.ty().is_numeric() {
            return Err(SqlError::binder(format!("interpolate takes a number, not a {}", value.ty())));
        }
        let from_here = Frame {
            units: FrameUnits::Rows,
            start: FrameBound::CurrentRow,
            end: FrameBound::Unbounded,
            exclude: FrameExclude::Nothing,
            key: None,
        };
        let before = self.aggregate("count", vec![value.clone()], up_to_here(FrameBound::Unbounded))?;
        let behind = self.aggregate("count", vec![value.clone()], from_here)?;
        let ty = value.ty();
        let line = self.call(WindowFunction::Fill, vec![value], Frame::partition(), ty);
        let has_both = Expr::And(vec![
            coerce::compare(CompareOp::Gt, before, int(0))?,
            coerce::compare(CompareOp::Gt, behind, int(0))?,
        ]);
        Ok(only_if(has_both, line))
    }

    /// The second argument as a number of rows.
    fn count(&mut self, given: Option<&Syntax>, name: &str) -> Result<i64> {
        let Some(given) = given else {
            return Err(SqlError::internal("the number of arguments was checked"));
        };
        match self.binder.bind_constant(given, name) {
            Ok((Scalar::Int(n), ty)) if n > 0 && ty.is_integer() => Ok(i64::try_from(n).unwrap_or(i64::MAX)),
            _ => Err(SqlError::binder(format!("{name} takes a number of rows greater than zero")).at(given)),
        }
    }
}

/// The value where it is not below zero.
fn non_negative(value: Expr) -> Result<Expr> {
    let zero = coerce::explicit(int(0), &value.ty(), false)?;
    Ok(only_if(coerce::compare(CompareOp::GtEq, value.clone(), zero)?, value))
}
