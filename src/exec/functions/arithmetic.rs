//! `+ - * / // % ^ & | << >> ~` on integers and floats, and on dates, times and intervals.
//!
//! Integers never wrap around: a result out of range is an error, and so is division of integers by zero.

use std::fmt::Display;

use arrow_array::ArrowPrimitiveType;
use arrow_array::types::*;
use arrow_buffer::IntervalMonthDayNano;

use super::date::zoned::on_clock;
use super::decimal;
use super::intervals::{interval_scaled, interval_sum, interval_times};
use super::kernel::{binary, checked, primitive, unary};
use super::registry::{Def, Make, P, R, Registry, def};
use super::{ArgInfo, ScalarKernel};
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::calendar::{
    self, MICROS_PER_DAY, NANOS_PER_MICRO, date_is_finite, join_timestamp, timestamp_is_finite,
};
use crate::exec::cast::physical_name;
use crate::exec::error::{ExecError, Result};
use crate::exec::timetz;
use crate::exec::zone::Zone;

/// Arithmetic of integers that says whether the result is out of range.
pub(crate) trait Checked: Copy + Display + PartialEq + Default {
    fn add(self, o: Self) -> (Self, bool);
    fn sub(self, o: Self) -> (Self, bool);
    fn mul(self, o: Self) -> (Self, bool);
    /// Division and remainder; both fail for a divisor of zero and for the least value by -1.
    fn div(self, o: Self) -> (Self, bool);
    fn rem(self, o: Self) -> (Self, bool);
    fn neg(self) -> Option<Self>;
    fn is_negative(self) -> bool;
    fn and(self, o: Self) -> Self;
    fn or(self, o: Self) -> Self;
    fn xor(self, o: Self) -> Self;
    fn not(self) -> Self;
    fn shl(self, o: Self) -> Result<Self>;
    fn shr(self, o: Self) -> Self;
}

macro_rules! checked_common {
    ($t:ty) => {
        #[inline(always)]
        fn div(self, o: Self) -> (Self, bool) {
            match self.checked_div(o) {
                Some(v) => (v, false),
                None => (0, true),
            }
        }
        #[inline(always)]
        fn rem(self, o: Self) -> (Self, bool) {
            match self.checked_rem(o) {
                Some(v) => (v, false),
                None => (0, true),
            }
        }
        fn neg(self) -> Option<Self> {
            self.checked_neg()
        }
        #[inline(always)]
        fn and(self, o: Self) -> Self {
            self & o
        }
        #[inline(always)]
        fn or(self, o: Self) -> Self {
            self | o
        }
        #[inline(always)]
        fn xor(self, o: Self) -> Self {
            self ^ o
        }
        #[inline(always)]
        fn not(self) -> Self {
            !self
        }
        #[allow(unused_comparisons)]
        fn is_negative(self) -> bool {
            self < 0
        }
        #[allow(unused_comparisons)]
        fn shl(self, o: Self) -> Result<Self> {
            const BITS: u32 = <$t>::BITS;
            if self < 0 {
                return Err(ExecError::OutOfRange(format!("Cannot left-shift negative number {self}")));
            }
            if o < 0 {
                return Err(ExecError::OutOfRange(format!("Cannot left-shift by negative number {o}")));
            }
            let by = u32::try_from(o).ok().filter(|b| *b < BITS);
            match by {
                None if self == 0 => Ok(0),
                None => Err(ExecError::OutOfRange(format!("Left-shift value {o} is out of range"))),
                Some(b) => {
                    let v = self << b;
                    if v >> b == self && v >= 0 {
                        Ok(v)
                    } else {
                        Err(ExecError::OutOfRange(format!("Overflow in left shift ({self} << {o})")))
                    }
                }
            }
        }
        #[allow(unused_comparisons)]
        fn shr(self, o: Self) -> Self {
            match u32::try_from(o) {
                Ok(b) if b < <$t>::BITS => self >> b,
                _ => 0,
            }
        }
    };
}

macro_rules! checked_signed {
    ($($t:ty, $wide:ty);*) => {$(
        impl Checked for $t {
            #[inline(always)]
            fn add(self, o: Self) -> (Self, bool) {
                // Signs agree but for the result: the form that turns into vector code.
                let v = self.wrapping_add(o);
                (v, (self ^ v) & (o ^ v) < 0)
            }
            #[inline(always)]
            fn sub(self, o: Self) -> (Self, bool) {
                let v = self.wrapping_sub(o);
                (v, (self ^ o) & (self ^ v) < 0)
            }
            #[inline(always)]
            fn mul(self, o: Self) -> (Self, bool) {
                let v = (self as $wide).wrapping_mul(o as $wide);
                (v as $t, v as $t as $wide != v)
            }
            checked_common!($t);
        }
    )*};
}
checked_signed!(i8, i32; i16, i32; i32, i64);

macro_rules! checked_wide {
    ($($t:ty),*) => {$(
        impl Checked for $t {
            #[inline(always)]
            fn add(self, o: Self) -> (Self, bool) {
                let v = self.wrapping_add(o);
                (v, (self ^ v) & (o ^ v) < 0)
            }
            #[inline(always)]
            fn sub(self, o: Self) -> (Self, bool) {
                let v = self.wrapping_sub(o);
                (v, (self ^ o) & (self ^ v) < 0)
            }
            #[inline(always)]
            fn mul(self, o: Self) -> (Self, bool) {
                self.overflowing_mul(o)
            }
            checked_common!($t);
        }
    )*};
}
checked_wide!(i64, i128);

macro_rules! checked_unsigned {
    ($($t:ty),*) => {$(
        impl Checked for $t {
            #[inline(always)]
            fn add(self, o: Self) -> (Self, bool) {
                let v = self.wrapping_add(o);
                (v, v < self)
            }
            #[inline(always)]
            fn sub(self, o: Self) -> (Self, bool) {
                (self.wrapping_sub(o), o > self)
            }
            #[inline(always)]
            fn mul(self, o: Self) -> (Self, bool) {
                self.overflowing_mul(o)
            }
            checked_common!($t);
        }
    )*};
}
checked_unsigned!(u8, u16, u32, u64);

/// The error for division by zero.
pub(crate) fn by_zero(a: impl Display, op: &str, b: impl Display) -> ExecError {
    ExecError::InvalidInput(format!("Division by zero in expression ({a} {op} {b})"))
}

/// The error for a sum, difference or product out of range.
fn overflow(what: &str, ty: &LogicalType, a: impl Display, op: &str, b: impl Display) -> ExecError {
    ExecError::OutOfRange(format!("Overflow in {what} of {} ({a} {op} {b})!", physical_name(ty)))
}

fn division_fault<N: Checked>(a: N, op: &str, b: N) -> ExecError {
    if b == N::default() {
        by_zero(a, op, b)
    } else {
        ExecError::OutOfRange(format!("Overflow in division of {a} / {b}"))
    }
}

#[derive(Clone, Copy)]
enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

fn integer_kernel<T>(op: Op, ty: &LogicalType) -> ScalarKernel
where
    T: ArrowPrimitiveType,
    T::Native: Checked,
{
    let ty = ty.clone();
    match op {
        Op::Add => checked::<T, T>(Checked::add, move |a, b| overflow("addition", &ty, a, "+", b)),
        Op::Sub => checked::<T, T>(Checked::sub, move |a, b| overflow("subtraction", &ty, a, "-", b)),
        Op::Mul => checked::<T, T>(Checked::mul, move |a, b| overflow("multiplication", &ty, a, "*", b)),
        Op::Div => checked::<T, T>(Checked::div, |a, b| division_fault(a, "//", b)),
        Op::Rem => checked::<T, T>(Checked::rem, |a, b| division_fault(a, "%", b)),
    }
}

/// Runs `$body` with `$t` as the Arrow type of an integer type.
macro_rules! with_integer {
    ($ty:expr, $t:ident => $body:expr) => {
        match $ty {
            LogicalType::TinyInt => {
                type $t = Int8Type;
                $body
            }
            LogicalType::SmallInt => {
                type $t = Int16Type;
                $body
            }
            LogicalType::Integer => {
                type $t = Int32Type;
                $body
            }
            LogicalType::HugeInt => {
                type $t = Decimal128Type;
                $body
            }
            LogicalType::UTinyInt => {
                type $t = UInt8Type;
                $body
            }
            LogicalType::USmallInt => {
                type $t = UInt16Type;
                $body
            }
            LogicalType::UInteger => {
                type $t = UInt32Type;
                $body
            }
            LogicalType::UBigInt => {
                type $t = UInt64Type;
                $body
            }
            _ => {
                type $t = Int64Type;
                $body
            }
        }
    };
}

pub(crate) use with_integer;

fn numeric_kernel(op: Op, ty: &LogicalType) -> ScalarKernel {
    match (ty, op) {
        (LogicalType::Double, Op::Add) => binary::<Float64Type, Float64Type, Float64Type>(|a, b| a + b),
        (LogicalType::Double, Op::Sub) => binary::<Float64Type, Float64Type, Float64Type>(|a, b| a - b),
        (LogicalType::Double, Op::Mul) => binary::<Float64Type, Float64Type, Float64Type>(|a, b| a * b),
        (LogicalType::Double, Op::Rem) => binary::<Float64Type, Float64Type, Float64Type>(|a, b| a % b),
        (LogicalType::Double, Op::Div) => checked::<Float64Type, Float64Type>(
            |a, b| (a / b, b == 0.0),
            |a, b| {
                by_zero(
                    crate::exec::cast::number_text::float_to_string(a),
                    "//",
                    crate::exec::cast::number_text::float_to_string(b),
                )
            },
        ),
        (LogicalType::Float, Op::Add) => binary::<Float32Type, Float32Type, Float32Type>(|a, b| a + b),
        (LogicalType::Float, Op::Sub) => binary::<Float32Type, Float32Type, Float32Type>(|a, b| a - b),
        (LogicalType::Float, Op::Mul) => binary::<Float32Type, Float32Type, Float32Type>(|a, b| a * b),
        (LogicalType::Float, Op::Rem) => binary::<Float32Type, Float32Type, Float32Type>(|a, b| a % b),
        (LogicalType::Float, Op::Div) => {
            checked::<Float32Type, Float32Type>(|a, b| (a / b, b == 0.0), |a, b| by_zero(a, "//", b))
        }
        (ty, op) => with_integer!(ty, T => integer_kernel::<T>(op, ty)),
    }
}

pub(crate) const INTEGERS: [LogicalType; 9] = [
    LogicalType::TinyInt,
    LogicalType::SmallInt,
    LogicalType::Integer,
    LogicalType::BigInt,
    LogicalType::HugeInt,
    LogicalType::UTinyInt,
    LogicalType::USmallInt,
    LogicalType::UInteger,
    LogicalType::UBigInt,
];

fn numeric_overloads(mut d: Def, make: Make) -> Def {
    for t in INTEGERS.iter().chain(&[LogicalType::Float, LogicalType::Double]) {
        d = d.map(&[t.clone(), t.clone()], t.clone(), make);
    }
    d
}

fn integer_overloads(mut d: Def, make: Make) -> Def {
    for t in &INTEGERS {
        d = d.map(&[t.clone(), t.clone()], t.clone(), make);
    }
    d
}

fn is_decimal_call(args: &[ArgInfo]) -> bool {
    args.len() == 2
        && args.iter().any(|a| matches!(a.ty, LogicalType::Decimal { .. }))
        && args.iter().all(|a| matches!(a.ty, LogicalType::Decimal { .. }) || a.ty.is_integer())
}

pub(super) fn out_of_range(what: &str) -> ExecError {
    ExecError::OutOfRange(format!("{what} out of range"))
}

type I = IntervalMonthDayNanoType;
type Micros = TimestampMicrosecondType;

fn negated(v: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let parts = (v.months.checked_neg(), v.days.checked_neg(), v.nanoseconds.checked_neg());
    match parts {
        (Some(m), Some(d), Some(n)) => Ok(IntervalMonthDayNano::new(m, d, n)),
        _ => Err(out_of_range("Interval")),
    }
}

/// A timestamp and an interval; infinite timestamps stay.
pub(crate) fn shift(t: i64, v: IntervalMonthDayNano) -> Result<i64> {
    if !timestamp_is_finite(t) {
        return Ok(t);
    }
    calendar::add_interval(t, v.months, v.days, v.nanoseconds).ok_or_else(|| {
        ExecError::OutOfRange("Overflow exceeding timestamp range: timestamp + interval".into())
    })
}

/// An instant and an interval: months and days on the session's calendar, then the rest.
fn shift_instant(t: i64, v: IntervalMonthDayNano, zone: &Zone) -> Result<i64> {
    if v.months == 0 && v.days == 0 {
        return shift(t, v);
    }
    let local = shift(zone.local(t), IntervalMonthDayNano::new(v.months, v.days, 0))?;
    shift(zone.instant(local), IntervalMonthDayNano::new(0, 0, v.nanoseconds))
}

/// `instant + interval`, or `instant - interval`.
pub(super) fn shift_instants(minus: bool) -> ScalarKernel {
    let plain = primitive::<(Micros, I), Micros>(move |(t, v)| {
        shift(t, if minus { negated(v)? } else { v }).map(Some)
    });
    Box::new(move |args, ty, rows, ctx| {
        if ctx.zone.is_utc() {
            return plain(args, ty, rows, ctx);
        }
        let zone = ctx.zone.clone();
        let kernel = primitive::<(Micros, I), Micros>(move |(t, v)| {
            shift_instant(t, if minus { negated(v)? } else { v }, &zone).map(Some)
        });
        kernel(args, ty, rows, ctx)
    })
}

/// A packed time with an offset and an interval; only the clock part counts.
fn time_tz_shift(packed: i64, v: IntervalMonthDayNano) -> i64 {
    let (micros, offset) = timetz::unpack(packed);
    timetz::pack(time_shift(micros, v), offset)
}

/// The timestamp of a date and a time of day.
fn date_time(d: i32, micros: i64) -> Result<i64> {
    match d {
        calendar::DATE_INFINITY => Ok(calendar::TIMESTAMP_INFINITY),
        calendar::DATE_NEG_INFINITY => Ok(calendar::TIMESTAMP_NEG_INFINITY),
        d => join_timestamp(d, micros).ok_or_else(|| out_of_range("Timestamp")),
    }
}

/// The instant of a date and a time with an offset.
fn date_time_tz(d: i32, packed: i64) -> Result<i64> {
    let (micros, offset) = timetz::unpack(packed);
    match d {
        calendar::DATE_INFINITY => Ok(calendar::TIMESTAMP_INFINITY),
        calendar::DATE_NEG_INFINITY => Ok(calendar::TIMESTAMP_NEG_INFINITY),
        d => join_timestamp(d, micros)
            .and_then(|t| t.checked_sub(offset * calendar::MICROS_PER_SECOND))
            .ok_or_else(|| out_of_range("Timestamp with time zone")),
    }
}

fn date_shift(d: i32, v: IntervalMonthDayNano) -> Result<i64> {
    match d {
        calendar::DATE_INFINITY => Ok(calendar::TIMESTAMP_INFINITY),
        calendar::DATE_NEG_INFINITY => Ok(calendar::TIMESTAMP_NEG_INFINITY),
        d => shift(join_timestamp(d, 0).ok_or_else(|| out_of_range("Date"))?, v),
    }
}

fn date_plus(d: i32, days: i64) -> Result<i32> {
    if !date_is_finite(d) {
        return Ok(d);
    }
    i32::try_from(i64::from(d) + days)
        .ok()
        .filter(|d| date_is_finite(*d) && d.unsigned_abs() < 2_147_483_000)
        .ok_or_else(|| out_of_range("Date"))
}

fn time_shift(t: i64, v: IntervalMonthDayNano) -> i64 {
    (t + v.nanoseconds / NANOS_PER_MICRO % MICROS_PER_DAY).rem_euclid(MICROS_PER_DAY)
}

/// The difference of two timestamps in days and microseconds.
fn timestamp_difference(a: i64, b: i64) -> Result<IntervalMonthDayNano> {
    if !timestamp_is_finite(a) || !timestamp_is_finite(b) {
        return Err(ExecError::InvalidInput("Cannot subtract infinite timestamps".into()));
    }
    let d = a.checked_sub(b).ok_or_else(|| out_of_range("Interval"))?;
    Ok(IntervalMonthDayNano::new(0, (d / MICROS_PER_DAY) as i32, d % MICROS_PER_DAY * NANOS_PER_MICRO))
}

/// `+` and `-` with dates, times and intervals.
fn temporal(d: Def, minus: bool) -> Def {
    use LogicalType as T;
    let iv = T::Interval;
    if minus {
        return d
            .map(&[T::Date, T::Date], T::BigInt, |_| {
                primitive::<(Date32Type, Date32Type), Int64Type>(|(a, b)| {
                    Ok(Some(i64::from(a) - i64::from(b)))
                })
            })
            .map(&[T::Date, T::Integer], T::Date, |_| {
                primitive::<(Date32Type, Int32Type), Date32Type>(|(a, b)| {
                    date_plus(a, -i64::from(b)).map(Some)
                })
            })
            .map(&[TIMESTAMP, TIMESTAMP], iv.clone(), |_| {
                primitive::<(Micros, Micros), I>(|(a, b)| timestamp_difference(a, b).map(Some))
            })
            .map(&[T::TimestampTz, T::TimestampTz], iv.clone(), |_| {
                on_clock(
                    &[0, 1],
                    primitive::<(Micros, Micros), I>(|(a, b)| timestamp_difference(a, b).map(Some)),
                )
            })
            .map(&[T::Date, iv.clone()], TIMESTAMP, |_| {
                primitive::<(Date32Type, I), Micros>(|(a, v)| date_shift(a, negated(v)?).map(Some))
            })
            .map(&[TIMESTAMP, iv.clone()], TIMESTAMP, |_| {
                primitive::<(Micros, I), Micros>(|(a, v)| shift(a, negated(v)?).map(Some))
            })
            .map(&[T::TimestampTz, iv.clone()], T::TimestampTz, |_| shift_instants(true))
            .map(&[T::Time, iv.clone()], T::Time, |_| {
                primitive::<(Time64MicrosecondType, I), Time64MicrosecondType>(|(a, v)| {
                    Ok(Some(time_shift(a, negated(v)?)))
                })
            })
            .map(&[T::TimeTz, iv.clone()], T::TimeTz, |_| {
                primitive::<(Int64Type, I), Int64Type>(|(a, v)| Ok(Some(time_tz_shift(a, negated(v)?))))
            })
            .map(&[iv.clone(), iv.clone()], iv.clone(), |_| {
                primitive::<(I, I), I>(|(a, b)| interval_sum(a, negated(b)?).map(Some))
            })
            .map(&[iv.clone()], iv, |_| primitive::<(I,), I>(|(a,)| negated(a).map(Some)));
    }
    d.map(&[T::Date, T::Integer], T::Date, |_| {
        primitive::<(Date32Type, Int32Type), Date32Type>(|(a, b)| date_plus(a, i64::from(b)).map(Some))
    })
    .map(&[T::Integer, T::Date], T::Date, |_| {
        primitive::<(Int32Type, Date32Type), Date32Type>(|(a, b)| date_plus(b, i64::from(a)).map(Some))
    })
    .map(&[T::Date, T::Time], TIMESTAMP, |_| {
        primitive::<(Date32Type, Time64MicrosecondType), Micros>(|(d, t)| date_time(d, t).map(Some))
    })
    .map(&[T::Time, T::Date], TIMESTAMP, |_| {
        primitive::<(Time64MicrosecondType, Date32Type), Micros>(|(t, d)| date_time(d, t).map(Some))
    })
    .map(&[T::Date, iv.clone()], TIMESTAMP, |_| {
        primitive::<(Date32Type, I), Micros>(|(a, v)| date_shift(a, v).map(Some))
    })
    .map(&[iv.clone(), T::Date], TIMESTAMP, |_| {
        primitive::<(I, Date32Type), Micros>(|(v, a)| date_shift(a, v).map(Some))
    })
    .map(&[TIMESTAMP, iv.clone()], TIMESTAMP, |_| {
        primitive::<(Micros, I), Micros>(|(a, v)| shift(a, v).map(Some))
    })
    .map(&[iv.clone(), TIMESTAMP], TIMESTAMP, |_| {
        primitive::<(I, Micros), Micros>(|(v, a)| shift(a, v).map(Some))
    })
    .map(&[T::TimestampTz, iv.clone()], T::TimestampTz, |_| shift_instants(false))
    .map(&[iv.clone(), T::TimestampTz], T::TimestampTz, |_| {
        let inner = shift_instants(false);
        Box::new(move |args, ty, rows, ctx| inner(&[args[1].clone(), args[0].clone()], ty, rows, ctx))
    })
    .map(&[T::Time, iv.clone()], T::Time, |_| {
        primitive::<(Time64MicrosecondType, I), Time64MicrosecondType>(|(a, v)| Ok(Some(time_shift(a, v))))
    })
    .map(&[iv.clone(), T::Time], T::Time, |_| {
        primitive::<(I, Time64MicrosecondType), Time64MicrosecondType>(|(v, a)| Ok(Some(time_shift(a, v))))
    })
    .map(&[T::TimeTz, iv.clone()], T::TimeTz, |_| {
        primitive::<(Int64Type, I), Int64Type>(|(a, v)| Ok(Some(time_tz_shift(a, v))))
    })
    .map(&[iv.clone(), T::TimeTz], T::TimeTz, |_| {
        primitive::<(I, Int64Type), Int64Type>(|(v, a)| Ok(Some(time_tz_shift(a, v))))
    })
    .map(&[T::Date, T::TimeTz], T::TimestampTz, |_| {
        primitive::<(Date32Type, Int64Type), Micros>(|(d, t)| date_time_tz(d, t).map(Some))
    })
    .map(&[T::TimeTz, T::Date], T::TimestampTz, |_| {
        primitive::<(Int64Type, Date32Type), Micros>(|(t, d)| date_time_tz(d, t).map(Some))
    })
    .map(&[iv.clone(), iv.clone()], iv, |_| primitive::<(I, I), I>(|(a, b)| interval_sum(a, b).map(Some)))
}

fn negation<T>() -> ScalarKernel
where
    T: ArrowPrimitiveType,
    T::Native: Checked,
{
    primitive::<(T,), T>(|(v,)| {
        Checked::neg(v)
            .map(Some)
            .ok_or_else(|| ExecError::OutOfRange("Overflow in negation of numeric value!".into()))
    })
}

fn unary_overloads(mut d: Def, minus: bool) -> Def {
    for t in &INTEGERS {
        d = d.map(
            &[t.clone()],
            t.clone(),
            if minus {
                |site| with_integer!(site.ret, T => negation::<T>())
            } else {
                |_| Box::new(|args, _, _, _| Ok(args[0].clone()))
            },
        );
    }
    let same: Make = |_| Box::new(|args, _, _, _| Ok(args[0].clone()));
    if minus {
        d.map(&[LogicalType::Float], LogicalType::Float, |_| unary::<Float32Type, Float32Type>(|v| -v))
            .map(&[LogicalType::Double], LogicalType::Double, |_| unary::<Float64Type, Float64Type>(|v| -v))
            .on([P::Decimal], R::Arg(0), |site| {
                decimal::by_width(
                    site.ret,
                    || unary::<Decimal64Type, Decimal64Type>(|v| -v),
                    || unary::<Decimal128Type, Decimal128Type>(i128::wrapping_neg),
                )
            })
    } else {
        d.map(&[LogicalType::Float], LogicalType::Float, same)
            .map(&[LogicalType::Double], LogicalType::Double, same)
            .on([P::Decimal], R::Arg(0), same)
    }
}

fn bitwise<T>(f: fn(T::Native, T::Native) -> T::Native) -> ScalarKernel
where
    T: ArrowPrimitiveType,
{
    binary::<T, T, T>(f)
}

fn shift_left<T>() -> ScalarKernel
where
    T: ArrowPrimitiveType,
    T::Native: Checked,
{
    primitive::<(T, T), T>(|(a, b)| Checked::shl(a, b).map(Some))
}

/// `~`.
pub(super) fn not_kernel(ty: &LogicalType) -> ScalarKernel {
    with_integer!(ty, T => unary::<T, T>(Checked::not))
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let d = def("+", "Sum; also moves dates and times, and joins lists", "1 + 2").aliases(&["add"]);
    let d = unary_overloads(numeric_overloads(d, |s| numeric_kernel(Op::Add, s.ret)), false);
    r.add(temporal(d, false).custom(&["(DECIMAL, DECIMAL) -> DECIMAL"], |args| {
        is_decimal_call(args).then(|| decimal::add(args, false))
    }));

    let d = def("-", "Difference; one argument: negation", "3 - 1").aliases(&["subtract"]);
    let d = unary_overloads(numeric_overloads(d, |s| numeric_kernel(Op::Sub, s.ret)), true);
    r.add(temporal(d, true).custom(&["(DECIMAL, DECIMAL) -> DECIMAL"], |args| {
        is_decimal_call(args).then(|| decimal::add(args, true))
    }));

    let d = def("*", "Product", "2 * 3").aliases(&["multiply"]);
    let d = numeric_overloads(d, |s| numeric_kernel(Op::Mul, s.ret))
        .map(&[T::Interval, T::BigInt], T::Interval, |_| {
            primitive::<(I, Int64Type), I>(|(v, n)| interval_times(v, n).map(Some))
        })
        .map(&[T::BigInt, T::Interval], T::Interval, |_| {
            primitive::<(Int64Type, I), I>(|(n, v)| interval_times(v, n).map(Some))
        })
        .map(&[T::Interval, T::Double], T::Interval, |_| {
            primitive::<(I, Float64Type), I>(|(v, n)| interval_scaled(v, |part| part * n).map(Some))
        })
        .map(&[T::Double, T::Interval], T::Interval, |_| {
            primitive::<(Float64Type, I), I>(|(n, v)| interval_scaled(v, |part| part * n).map(Some))
        });
    r.add(d.custom(&["(DECIMAL, DECIMAL) -> DECIMAL"], |args| {
        is_decimal_call(args).then(|| decimal::multiply(args))
    }));

    r.add(
        def("/", "Quotient of floats; division by zero gives infinity or NaN", "7 / 2")
            .map(&[T::Float, T::Float], T::Float, |_| {
                binary::<Float32Type, Float32Type, Float32Type>(|a, b| a / b)
            })
            .map(&[T::Double, T::Double], T::Double, |_| {
                binary::<Float64Type, Float64Type, Float64Type>(|a, b| a / b)
            })
            .map(&[T::Interval, T::Double], T::Interval, |_| {
                primitive::<(I, Float64Type), I>(|(v, n)| {
                    if n == 0.0 {
                        return Err(by_zero("INTERVAL", "/", "0.0"));
                    }
                    interval_scaled(v, |part| part / n).map(Some)
                })
            }),
    );

    let d = def("//", "Quotient of integers, without the remainder", "7 // 2").aliases(&["divide"]);
    r.add(numeric_overloads(d, |s| numeric_kernel(Op::Div, s.ret)));

    let d = def("%", "Remainder of a division, with the sign of the dividend", "7 % 3").aliases(&["mod"]);
    r.add(numeric_overloads(d, |s| numeric_kernel(Op::Rem, s.ret)).custom(
        &["(DECIMAL, DECIMAL) -> DECIMAL"],
        |args| {
            let fits = is_decimal_call(args) && args.iter().all(|a| a.ty != LogicalType::HugeInt);
            fits.then(|| decimal::remainder(args))
        },
    ));

    r.add(def("^", "x to the power of y", "2 ^ 10").aliases(&["**", "pow", "power"]).map(
        &[T::Double, T::Double],
        T::Double,
        |_| binary::<Float64Type, Float64Type, Float64Type>(f64::powf),
    ));

    let d = def("&", "Bitwise AND", "91 & 15");
    r.add(integer_overloads(d, |s| with_integer!(s.ret, N => bitwise::<N>(Checked::and))));
    let d = def("|", "Bitwise OR", "32 | 3");
    r.add(integer_overloads(d, |s| with_integer!(s.ret, N => bitwise::<N>(Checked::or))));
    let d = def("xor", "Bitwise exclusive OR", "xor(17, 5)");
    r.add(integer_overloads(d, |s| with_integer!(s.ret, N => bitwise::<N>(Checked::xor))));
    let d = def("<<", "Shift to the left; an error if bits are lost", "1 << 4");
    r.add(integer_overloads(d, |s| with_integer!(s.ret, N => shift_left::<N>())));
    let d = def(">>", "Shift to the right", "8 >> 2");
    r.add(integer_overloads(d, |s| with_integer!(s.ret, N => bitwise::<N>(Checked::shr))));
}
