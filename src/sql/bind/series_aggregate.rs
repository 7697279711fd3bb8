//! Aggregates over the course of a series: `integral`, and `spread`.

use sqlparser::ast::{Function, Ident, ObjectName, Spanned};

use crate::column::types::LogicalType;
use crate::exec::expr::{CompareOp, Expr, SortKey};
use crate::sql::bind::aggregate::{Aggregates, Collector, same_expr};
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::functions::Arguments;
use crate::sql::bind::series::{InWindow, Listed, double, is_not_null, is_null, only_if};
use crate::sql::bind::window::Over;
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::plan::Definition;

/// The functions that aggregates are made of.
pub const AGGREGATES: &[Listed] = &[
    (
        "integral",
        &["(DOUBLE) -> DOUBLE", "(DOUBLE, INTERVAL) -> DOUBLE"],
        "Area under the line through the values, a unit of time (a second) wide; EVERY cuts it at its buckets' ends",
        "SELECT integral(watts, 1h) FROM meter GROUP BY house EVERY 1d",
    ),
    ("spread", &["(T) -> T"], "Difference of the greatest and the least value", "spread(x)"),
];

impl Binder<'_> {
    /// `spread(x)`: `max(x) - min(x)`, over groups or windows.
    pub(super) fn bind_spread(&mut self, function: &Function, cx: &mut ExprContext<'_>) -> Result<Expr> {
        let mut of = |name: &str| {
            let mut call = function.clone();
            call.name = ObjectName::from(vec![Ident::new(name)]);
            self.bind_function(&call, cx)
        };
        let (greatest, least) = (of("max")?, of("min")?);
        if matches!(greatest.ty(), LogicalType::List(_)) {
            return Err(SqlError::binder("spread takes one value"));
        }
        let spread = self.call("-", vec![greatest, least]).map_err(|e| e.at_span(function.span()))?;
        let Aggregates::Collected(collector) = &mut cx.aggregates else { return Ok(spread) };
        let known: ColumnSet = collector.calls.iter().map(|(column, _)| column.id).collect();
        if collector.bucket.is_none() || ColumnSet::of(&spread).intersection(&known) != ColumnSet::of(&spread)
        {
            return Ok(spread);
        }
        if let Some(same) = collector.composites.iter().find(|d| same_expr(&d.expr, &spread)) {
            return Ok(same.column.expr());
        }
        let column = self.ids.column("spread", spread.ty());
        let expr = column.expr();
        collector.composites.push(Definition { column, expr: spread });
        Ok(expr)
    }

    /// The area under a series as a sum over rows: for each, that from the value before up to it. A bucket's area
    /// goes up to its end, where the line to the next value is cut.
    pub(super) fn bind_integral(
        &mut self,
        args: &Arguments<'_>,
        collector: &mut Collector,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        if args.positional.is_empty() || args.positional.len() > 2 || args.star || args.distinct {
            return Err(SqlError::binder(
                "integral takes a value and, if it is not a second, a unit of time",
            ));
        }
        let unit = match args.positional.get(1) {
            Some(unit) => self.unit_nanos(unit)?,
            None => 1_000_000_000,
        };
        let value = self.bind_expr(args.positional[0], cx)?;
        let value = coerce::explicit(value, &LogicalType::Double, false)?;
        let time = match &collector.bucket {
            Some(bucket) => bucket.time.clone(),
            None => cx
                .scope
                .bucket_column()
                .map_err(|e| SqlError { message: e.message.replace("EVERY", "integral"), ..e })?
                .unqualified(),
        };
        let bucket = collector.bucket.clone();
        let over = Over {
            partition_by: vec![is_null(&value)],
            per_series: true,
            order_by: vec![SortKey { expr: time.clone(), descending: false, nulls_first: false }],
        };
        let mut windows = InWindow {
            binder: self,
            collector: &mut collector.windows,
            over,
            value: value.clone(),
            time: time.clone(),
        };
        let (time_before, value_before) = (windows.before(time.clone())?, windows.before(value.clone())?);
        let (time_after, value_after) = (windows.after(time.clone())?, windows.after(value.clone())?);
        let (_, nanos) = self.ticks(time.clone())?;
        // Times stay whole until one is taken from the other.
        let passed = |binder: &mut Self, from: &Expr, to: &Expr| {
            let ticks = binder.call("-", vec![to.clone(), from.clone()])?;
            coerce::explicit(ticks, &LogicalType::Double, false)
        };
        // Between two points, in units.
        let area = |binder: &mut Self, (t0, v0): (&Expr, &Expr), (t1, v1): (&Expr, &Expr)| {
            let width = passed(binder, t0, t1)?;
            let height = binder.call("+", vec![v0.clone(), v1.clone()])?;
            let area = binder.call("*", vec![width, height])?;
            binder.call("*", vec![area, double(nanos as f64 / unit as f64 / 2.0)])
        };
        // The value at `t` on the line.
        let on_line = |binder: &mut Self, t: &Expr, (t0, v0): (&Expr, &Expr), (t1, v1): (&Expr, &Expr)| {
            let rise = binder.call("-", vec![v1.clone(), v0.clone()])?;
            let (part, whole) = (passed(binder, t0, t)?, passed(binder, t0, t1)?);
            let share = binder.call("/", vec![part, whole])?;
            let rise = binder.call("*", vec![rise, share])?;
            binder.call("+", vec![v0.clone(), rise])
        };
        let at = |binder: &mut Self, time: Expr| binder.ticks(time).map(|(ticks, _)| ticks);
        let (t, t_before, t_after) =
            (at(self, time.clone())?, at(self, time_before.clone())?, at(self, time_after.clone())?);
        let here = (&t, &value);
        let whole = area(self, (&t_before, &value_before), here)?;
        let sum = match bucket {
            None => Expr::Coalesce(vec![whole, double(0.0)]),
            Some(bucket) => {
                let start = bucket.start.clone();
                let start_before = bucket.start_of(&time_before);
                let end = bucket.end_of(self, start.clone())?;
                let end_before = bucket.end_of(self, start_before.clone())?;
                let (end, end_before) = (at(self, end)?, at(self, end_before)?);
                let same = coerce::compare(CompareOp::Eq, start.clone(), start_before)?;
                let v = on_line(self, &end_before, (&t_before, &value_before), here)?;
                let rest = area(self, (&end_before, &v), here)?;
                let up_to = Expr::Case {
                    branches: vec![(is_null(&time_before), double(0.0)), (same, whole)],
                    otherwise: Some(Box::new(rest)),
                    ty: LogicalType::Double,
                };
                let start_after = bucket.start_of(&time_after);
                let leaves = coerce::compare(CompareOp::NotEq, start, start_after)?;
                let v = on_line(self, &end, here, (&t_after, &value_after))?;
                let out = area(self, here, (&end, &v))?;
                let beyond = Expr::Case {
                    branches: vec![(leaves, out)],
                    otherwise: Some(Box::new(double(0.0))),
                    ty: LogicalType::Double,
                };
                self.call("+", vec![up_to, beyond])?
            }
        };
        Ok(only_if(is_not_null(&value), sum))
    }
}
