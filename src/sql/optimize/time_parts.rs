//! Rule: a comparison of a part of a time becomes bounds of the time itself, so that statistics and encodings can be used.
//!
//! `year(d) = 1994` becomes `d >= DATE '1994-01-01' AND d < DATE '1995-01-01'`; so do conditions on `CAST(t AS DATE)` and
//! `date_trunc('month', t)`. That is so where NULL counts as FALSE: infinite times have no year.

use arrow_schema::TimeUnit;

use crate::column::predicate::CompareOp;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::calendar::{
    DATE_INFINITY, DATE_NEG_INFINITY, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND,
    TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY, days_from_civil,
};
use crate::exec::context::ExecContext;
use crate::exec::eval::evaluate_constant;
use crate::exec::expr::Expr;
use crate::sql::optimize::exprs::compare;

/// Years that every calendar counts alike.
const YEARS: std::ops::RangeInclusive<i128> = 1..=9_998;

/// Bounds of a column that hold where the comparison of a part of it does.
pub fn bounds(e: &Expr, context: &ExecContext) -> Option<Expr> {
    let Expr::Compare { op, left, right } = e else { return None };
    let Expr::Literal { value: Scalar::Int(constant), ty } = &**right else { return None };
    match &**left {
        Expr::Cast { input, to: LogicalType::Date, .. }
            if matches!(input.ty(), LogicalType::Timestamp(_)) =>
        {
            let time = Time::of(input)?;
            let day = time.at_day(*constant)?;
            time.between(*op, day, time.at_day(constant + 1)?)
        }
        Expr::Call { function, args, .. } => match (function.name, &args[..]) {
            ("year", [input]) => of_year(&Time::of(input)?, *op, *constant),
            ("date_part", [part, input]) if text(part)?.eq_ignore_ascii_case("year") => {
                of_year(&Time::of(input)?, *op, *constant)
            }
            ("date_trunc", [unit, input]) if input.ty() == *ty => {
                let time = Time::of(input)?;
                let cut = |n: i128| {
                    let args = vec![unit.clone(), time.literal(n)];
                    let call = Expr::Call { function: function.clone(), args, ty: left.ty() };
                    match evaluate_constant(&call, context) {
                        Ok(Scalar::Int(n)) if left.ty() == *ty => Some(n),
                        _ => None,
                    }
                };
                // Of what lies between two starts nothing is the start.
                let start = cut(*constant).filter(|start| start == constant && time.is_finite(*start))?;
                let next = cut(start + time.ticks(more_than_a(text(unit)?)?)?)?;
                (next > start).then(|| time.between(*op, start, next))?
            }
            _ => None,
        },
        _ => None,
    }
}

/// The text of a literal.
fn text(e: &Expr) -> Option<&str> {
    match e {
        Expr::Literal { value: Scalar::Text(text), .. } => Some(text),
        _ => None,
    }
}

/// Microseconds after the start of a unit that lie in the next one.
fn more_than_a(unit: &str) -> Option<i64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "year" => 370 * MICROS_PER_DAY,
        "quarter" => 95 * MICROS_PER_DAY,
        "month" => 32 * MICROS_PER_DAY,
        "week" => 7 * MICROS_PER_DAY,
        "day" => MICROS_PER_DAY,
        "hour" => MICROS_PER_HOUR,
        "minute" => MICROS_PER_MINUTE,
        "second" => MICROS_PER_SECOND,
        _ => return None,
    })
}

/// The year compared with a number.
fn of_year(time: &Time<'_>, op: CompareOp, year: i128) -> Option<Expr> {
    let first = |year: i128| time.at_day(days_from_civil(year as i32, 1, 1)?.into());
    if !YEARS.contains(&year) {
        return None;
    }
    let (start, next) = (first(year)?, first(year + 1)?);
    let (least, greatest) = time.infinities();
    let bounds = time.between(op, start, next)?;
    Some(match op {
        CompareOp::Lt | CompareOp::LtEq => Expr::And(vec![bounds, time.compare(CompareOp::Gt, least)]),
        CompareOp::Gt | CompareOp::GtEq => Expr::And(vec![bounds, time.compare(CompareOp::Lt, greatest)]),
        _ => bounds,
    })
}

/// A column of dates or of timestamps without a zone.
struct Time<'a> {
    column: &'a Expr,
    ty: LogicalType,
    /// How many of its units a day has.
    per_day: i128,
}

impl<'a> Time<'a> {
    fn of(column: &'a Expr) -> Option<Self> {
        let Expr::Column { ty, .. } = column else { return None };
        let per_day = match ty {
            LogicalType::Date => 1,
            LogicalType::Timestamp(TimeUnit::Second) => 86_400,
            LogicalType::Timestamp(TimeUnit::Millisecond) => 86_400_000,
            LogicalType::Timestamp(TimeUnit::Microsecond) => i128::from(MICROS_PER_DAY),
            LogicalType::Timestamp(TimeUnit::Nanosecond) => i128::from(MICROS_PER_DAY) * 1000,
            _ => return None,
        };
        Some(Self { column, ty: ty.clone(), per_day })
    }

    fn infinities(&self) -> (i128, i128) {
        match self.ty {
            LogicalType::Date => (DATE_NEG_INFINITY.into(), DATE_INFINITY.into()),
            _ => (TIMESTAMP_NEG_INFINITY.into(), TIMESTAMP_INFINITY.into()),
        }
    }

    fn is_finite(&self, n: i128) -> bool {
        let (least, greatest) = self.infinities();
        least < n && n < greatest
    }

    /// The start of a day, if the type has it.
    fn at_day(&self, day: i128) -> Option<i128> {
        let finite = i128::from(DATE_NEG_INFINITY) < day && day < i128::from(DATE_INFINITY);
        Some(day * self.per_day).filter(|n| finite && self.is_finite(*n))
    }

    /// So many microseconds in its unit, if that has them.
    fn ticks(&self, micros: i64) -> Option<i128> {
        let all = i128::from(micros) * self.per_day;
        (all % i128::from(MICROS_PER_DAY) == 0).then(|| all / i128::from(MICROS_PER_DAY))
    }

    fn literal(&self, n: i128) -> Expr {
        Expr::literal(Scalar::Int(n), self.ty.clone())
    }

    fn compare(&self, op: CompareOp, n: i128) -> Expr {
        compare(op, self.column.clone(), self.literal(n))
    }

    /// What holds for the column where its part, which begins at `start` and ends before `next`, compares so with this one.
    fn between(&self, op: CompareOp, start: i128, next: i128) -> Option<Expr> {
        use CompareOp::*;
        Some(match op {
            Eq => Expr::And(vec![self.compare(GtEq, start), self.compare(Lt, next)]),
            Lt => self.compare(Lt, start),
            LtEq => self.compare(Lt, next),
            Gt => self.compare(GtEq, next),
            GtEq => self.compare(GtEq, start),
            NotEq | DistinctFrom | NotDistinctFrom => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::functions::{ArgInfo, bind_scalar};
    use crate::sql::optimize::testing::context;

    fn call(name: &str, args: Vec<Expr>) -> Expr {
        let types: Vec<ArgInfo> = args.iter().map(|e| ArgInfo::of(e.ty())).collect();
        let bound = bind_scalar(name, &types).unwrap();
        Expr::Call { function: bound.function, args, ty: bound.return_type }
    }

    fn shown(e: &Expr, op: CompareOp, constant: Expr) -> Option<String> {
        let e = compare(op, e.clone(), constant);
        let bounds = bounds(&e, &context())?;
        fn each(e: &Expr, out: &mut Vec<String>) {
            match e {
                Expr::And(all) => all.iter().for_each(|e| each(e, out)),
                Expr::Compare { op, right, .. } => {
                    let Expr::Literal { value: Scalar::Int(n), .. } = &**right else { panic!("{e:?}") };
                    out.push(format!("{} {n}", op.sql()));
                }
                _ => panic!("{e:?}"),
            }
        }
        let mut all = vec![];
        each(&bounds, &mut all);
        Some(all.join(", "))
    }

    #[test]
    fn parts_become_bounds_where_they_begin_and_end() {
        use CompareOp::*;
        let column = |ty| Expr::Column { index: 0, ty };
        let bigint = |n: i128| Expr::literal(Scalar::Int(n), LogicalType::BigInt);
        let year = |ty| call("year", vec![column(ty)]);
        let days = year(LogicalType::Date);
        // 1994-01-01 is day 8766 since 1970.
        assert_eq!(shown(&days, Eq, bigint(1994)).unwrap(), ">= 8766, < 9131");
        assert_eq!(shown(&days, Lt, bigint(1994)).unwrap(), "< 8766, > -2147483647");
        assert_eq!(shown(&days, Gt, bigint(1994)).unwrap(), ">= 9131, < 2147483647");
        for (op, n) in [(NotEq, 1994), (Eq, 0), (Eq, -44), (GtEq, i128::from(i64::MAX)), (Lt, 9_999)] {
            assert_eq!(shown(&days, op, bigint(n)), None, "{n}");
        }
        let nanoseconds = year(LogicalType::Timestamp(TimeUnit::Nanosecond));
        assert_eq!(shown(&nanoseconds, Eq, bigint(1970)).unwrap(), ">= 0, < 31536000000000000");
        assert_eq!(shown(&nanoseconds, Eq, bigint(2300)), None, "beyond what nanoseconds reach");

        let seconds = LogicalType::Timestamp(TimeUnit::Second);
        let to_date =
            Expr::Cast { input: Box::new(column(seconds.clone())), to: LogicalType::Date, or_null: false };
        let date = |n: i128| Expr::literal(Scalar::Int(n), LogicalType::Date);
        assert_eq!(shown(&to_date, Eq, date(1)).unwrap(), ">= 86400, < 172800");
        assert_eq!(shown(&to_date, LtEq, date(-1)).unwrap(), "< 0");
        assert_eq!(shown(&to_date, Lt, date(DATE_INFINITY.into())), None);
    }
}
