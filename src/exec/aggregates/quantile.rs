//! Medians and quantiles, exact: all values of a group are kept.

use std::any::Any;
use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, Int64Array};
use arrow_schema::{DataType, TimeUnit};

use super::GroupStates;
use super::fixed::{same, some_nulls, values_of};
use super::gather::{Grouped, comparator, gather};
use super::minmax::Ordered;
use super::registry::{Chosen, Maker, Registry};
use super::sum::whole_mean;
use super::values::to_array;
use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::calendar::{MICROS_PER_DAY, NANOS_PER_MICRO};
use crate::exec::cast::nested::list_array;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::{ArgInfo, list_end};
use crate::exec::timetz;

/// Which value between two neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Interpolated.
    Continuous,
    /// One of the values.
    Discrete,
    /// Interpolated; the fraction comes in percent.
    Percentile,
    /// The median of distances from the median.
    Deviation,
    /// Interpolated as a sketch of the values would do it: half of a value lies on each side of it.
    Approximate,
}

/// The place of the discrete quantile among `n` values.
fn discrete(q: f64, n: usize) -> usize {
    let size = n as f64;
    let above = (size - size * q).floor().max(0.0) as usize;
    (n - above.min(n)).max(1) - 1
}

/// A native value as the result of a quantile.
trait Value: Ordered {
    fn scalar(self) -> Scalar;
    /// The value between two, as the result type has it.
    fn between(lo: Self, hi: Self, part: f64, ret: &LogicalType) -> Scalar;
    fn float(self) -> f64;
    /// The value of the type that is nearest.
    fn nearest(value: f64) -> Scalar;
}

/// A value between two, computed as DuckDB does, so that the last digit is the same.
fn on_line(lo: f64, hi: f64, part: f64) -> f64 {
    if part > 0.0 { lo * (1.0 - part) + hi * part } else { lo }
}

macro_rules! whole_values {
    ($($t:ty),*) => {$(
        impl Value for $t {
            fn scalar(self) -> Scalar {
                Scalar::Int(self as i128)
            }
            fn float(self) -> f64 {
                self as f64
            }
            fn nearest(value: f64) -> Scalar {
                Scalar::Int(value.round_ties_even() as i128)
            }
            fn between(lo: Self, hi: Self, part: f64, ret: &LogicalType) -> Scalar {
                match ret {
                    LogicalType::Double => {
                        Scalar::Float(on_line(lo as f64, hi as f64, part))
                    }
                    // One value keeps its offset; what is between two is in UTC.
                    LogicalType::TimeTz if part > 0.0 => {
                        let (lo, hi) = (timetz::instant(lo as i64), timetz::instant(hi as i64));
                        Scalar::Int(timetz::at_instant(lo + ((hi - lo) as f64 * part) as i64).into())
                    }
                    LogicalType::TimeTz => lo.scalar(),
                    _ => {
                        // Towards zero, as a cast of the sum would do it.
                        let moved = (hi as i128 - lo as i128) as f64 * part;
                        let whole = lo as i128 + moved as i128;
                        Scalar::Int(whole + i128::from(whole < 0 && moved.fract() > 0.0))
                    }
                }
            }
        }
    )*};
}
whole_values!(i8, i16, i32, i64, i128, u8, u16, u32, u64);

macro_rules! float_values {
    ($($t:ty),*) => {$(
        impl Value for $t {
            fn scalar(self) -> Scalar {
                Scalar::Float(f64::from(self))
            }
            fn float(self) -> f64 {
                f64::from(self)
            }
            fn nearest(value: f64) -> Scalar {
                Scalar::Float(value)
            }
            fn between(lo: Self, hi: Self, part: f64, _: &LogicalType) -> Scalar {
                Scalar::Float(on_line(f64::from(lo), f64::from(hi), part))
            }
        }
    )*};
}
float_values!(f32, f64);

/// The values of all groups, in the order they came.
struct Quantile<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    groups: Vec<u32>,
    len: usize,
    kind: Kind,
    /// The fractions asked for; several give a list.
    fractions: Option<Vec<f64>>,
    ret: LogicalType,
}

/// The fractions in the second argument: one number, or a list of them.
fn fractions(array: &ArrayRef, percent: bool) -> Result<Option<Vec<f64>>> {
    if array.is_empty() {
        return Ok(None);
    }
    let null = || ExecError::InvalidInput("QUANTILE parameter cannot be NULL".into());
    let values = match array.as_list_opt::<i32>() {
        Some(list) if list.is_null(0) => return Err(null()),
        Some(list) => list.value(0),
        None => array.slice(0, 1),
    };
    let values = values.as_primitive::<Float64Type>();
    let check = |q: Option<f64>| {
        let q = q.ok_or_else(null)?;
        if percent {
            if !(0.0..=100.0).contains(&q) {
                return Err(ExecError::InvalidInput("percentile takes a percentage from 0 to 100".into()));
            }
            return Ok(q / 100.0);
        }
        if !(-1.0..=1.0).contains(&q) {
            return Err(ExecError::InvalidInput(
                "QUANTILE can only take parameters in the range [-1, 1]".into(),
            ));
        }
        Ok(q)
    };
    values.iter().map(check).collect::<Result<Vec<_>>>().map(Some)
}

impl<T> Quantile<T>
where
    T: ArrowPrimitiveType,
    T::Native: Value,
{
    fn read_fractions(&mut self, args: &[ArrayRef]) -> Result<()> {
        if self.fractions.is_none()
            && let Some(array) = args.get(1)
        {
            self.fractions = fractions(array, self.kind == Kind::Percentile)?;
            let negative = self.fractions.iter().flatten().any(|q| *q < 0.0);
            if self.kind == Kind::Approximate && negative {
                return Err(ExecError::InvalidInput(
                    "APPROXIMATE QUANTILE can only take parameters in range [0, 1]".into(),
                ));
            }
        }
        Ok(())
    }

    fn order(a: &T::Native, b: &T::Native) -> Ordering {
        if a.before(*b) {
            Ordering::Less
        } else if b.before(*a) {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }

    /// One quantile of the values of a group, which it reorders.
    fn one(kind: Kind, values: &mut [T::Native], q: f64, ret: &LogicalType) -> Scalar {
        let n = values.len();
        // A negative fraction counts from the greatest.
        let down = q.is_sign_negative();
        let discrete = if down { n - 1 - discrete(-q, n) } else { discrete(q, n) };
        let q = if down { 1.0 + q } else { q };
        match kind {
            Kind::Discrete => {
                let (_, v, _) = values.select_nth_unstable_by(discrete, Self::order);
                v.scalar()
            }
            Kind::Continuous | Kind::Percentile => {
                let place = (n - 1) as f64 * q;
                let (lo, part) = (place.floor() as usize, place.fract());
                let (_, low, above) = values.select_nth_unstable_by(lo, Self::order);
                let low = *low;
                let high = match above.iter().copied().min_by(Self::order) {
                    Some(h) if part > 0.0 => h,
                    _ => low,
                };
                T::Native::between(low, high, part, ret)
            }
            Kind::Approximate => {
                // The fraction is a FLOAT, as in DuckDB.
                let place = (f64::from(q as f32) * n as f64 - 0.5).clamp(0.0, (n - 1) as f64);
                let (lo, part) = (place.floor() as usize, place.fract());
                let (_, low, above) = values.select_nth_unstable_by(lo, Self::order);
                let low = *low;
                match above.iter().copied().min_by(Self::order) {
                    Some(high) if part > 0.0 && low.before(high) => {
                        let (low, high) = (low.float(), high.float());
                        T::Native::nearest(low + (high - low) * part)
                    }
                    _ => low.scalar(),
                }
            }
            Kind::Deviation => {
                let Scalar::Float(median) = ({
                    let place = (n - 1) as f64 * 0.5;
                    let lo = place.floor() as usize;
                    let (_, low, above) = values.select_nth_unstable_by(lo, Self::order);
                    let low = *low;
                    let high = if place.fract() > 0.0 {
                        above.iter().copied().min_by(Self::order).unwrap_or(low)
                    } else {
                        low
                    };
                    Scalar::Float(low.float() + (high.float() - low.float()) * place.fract())
                }) else {
                    return Scalar::Null;
                };
                let mut distances: Vec<f64> = values.iter().map(|v| (v.float() - median).abs()).collect();
                distances.sort_by(f64::total_cmp);
                let place = (n - 1) as f64 * 0.5;
                let (lo, hi) = (distances[place.floor() as usize], distances[place.ceil() as usize]);
                let distance = lo + (hi - lo) * place.fract();
                match ret {
                    LogicalType::Interval => {
                        let micros = distance as i64;
                        Scalar::Interval {
                            months: 0,
                            days: (micros / MICROS_PER_DAY) as i32,
                            nanos: micros % MICROS_PER_DAY * NANOS_PER_MICRO,
                        }
                    }
                    LogicalType::Decimal { .. } => Scalar::Int(distance as i128),
                    _ => Scalar::Float(distance),
                }
            }
        }
    }
}

impl<T> GroupStates for Quantile<T>
where
    T: ArrowPrimitiveType,
    T::Native: Value,
{
    fn resize(&mut self, groups: usize) {
        self.len = self.len.max(groups);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.read_fractions(args)?;
        let array = values_of::<T>(args, 0)?;
        match some_nulls(array) {
            None => {
                self.values.extend_from_slice(array.values());
                self.groups.extend_from_slice(groups);
            }
            Some(nulls) => {
                for i in nulls.valid_indices() {
                    self.values.push(array.values()[i]);
                    self.groups.push(groups[i]);
                }
            }
        }
        Ok(())
    }

    fn update_single(&mut self, args: &[ArrayRef], rows: usize) -> Result<()> {
        self.resize(1);
        self.update(args, &vec![0; rows])
    }

    fn merge(&mut self, other: &mut dyn GroupStates, from: &[u32], to: &[u32]) -> Result<()> {
        const OUT: u32 = u32::MAX;
        let other = same::<Self>(other)?;
        if self.fractions.is_none() {
            self.fractions.clone_from(&other.fractions);
        }
        let mut map = vec![OUT; other.len];
        for (f, t) in from.iter().zip(to) {
            map[*f as usize] = *t;
        }
        for (v, g) in other.values.iter().zip(&other.groups) {
            if map[*g as usize] != OUT {
                self.values.push(*v);
                self.groups.push(map[*g as usize]);
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let mut offsets = vec![0usize; self.len + 1];
        self.groups.iter().for_each(|g| offsets[*g as usize + 1] += 1);
        for g in 0..self.len {
            offsets[g + 1] += offsets[g];
        }
        let mut sorted = std::mem::take(&mut self.values);
        if self.len > 1 {
            let unsorted = std::mem::replace(&mut sorted, vec![T::Native::default(); self.groups.len()]);
            let mut next = offsets.clone();
            for (v, g) in unsorted.iter().zip(&self.groups) {
                sorted[next[*g as usize]] = *v;
                next[*g as usize] += 1;
            }
        }
        let default = if self.kind == Kind::Percentile { 0.99 } else { 0.5 };
        let wanted = self.fractions.clone().unwrap_or_else(|| vec![default]);
        let item = if let LogicalType::List(item) = &self.ret { (**item).clone() } else { self.ret.clone() };
        let listed = matches!(self.ret, LogicalType::List(_));
        let mut out = Vec::with_capacity(self.len * wanted.len());
        let mut ends = vec![0i32];
        for w in offsets.windows(2) {
            let group = &mut sorted[w[0]..w[1]];
            if group.is_empty() {
                if !listed {
                    out.push(Scalar::Null);
                }
            } else {
                out.extend(wanted.iter().map(|q| Self::one(self.kind, group, *q, &item)));
            }
            ends.push(out.len() as i32);
        }
        let values = to_array(&out, &item)?;
        if !listed {
            return Ok(values);
        }
        let valid: Vec<bool> = offsets.windows(2).map(|w| w[1] > w[0]).collect();
        list_array(&item, arrow_buffer::OffsetBuffer::new(ends.into()), values, Some(valid.into()))
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<T::Native>() + self.groups.capacity() * 4
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

fn states<T>(kind: Kind, ret: LogicalType) -> Maker
where
    T: ArrowPrimitiveType,
    T::Native: Value,
{
    Box::new(move || {
        Box::new(Quantile::<T> {
            values: vec![],
            groups: vec![],
            len: 0,
            kind,
            fractions: None,
            ret: ret.clone(),
        })
    })
}

fn maker(ty: &LogicalType, kind: Kind, ret: LogicalType) -> Option<Maker> {
    Some(match ty.arrow() {
        DataType::Int8 => states::<Int8Type>(kind, ret),
        DataType::Int16 => states::<Int16Type>(kind, ret),
        DataType::Int32 => states::<Int32Type>(kind, ret),
        DataType::Int64 => states::<Int64Type>(kind, ret),
        DataType::UInt8 => states::<UInt8Type>(kind, ret),
        DataType::UInt16 => states::<UInt16Type>(kind, ret),
        DataType::UInt32 if !matches!(ty, LogicalType::Enum(_)) => states::<UInt32Type>(kind, ret),
        DataType::UInt64 => states::<UInt64Type>(kind, ret),
        DataType::Float32 => states::<Float32Type>(kind, ret),
        DataType::Float64 => states::<Float64Type>(kind, ret),
        DataType::Decimal64(..) => states::<Decimal64Type>(kind, ret),
        DataType::Decimal128(..) => states::<Decimal128Type>(kind, ret),
        DataType::Date32 => states::<Date32Type>(kind, ret),
        DataType::Time64(TimeUnit::Microsecond) => states::<Time64MicrosecondType>(kind, ret),
        DataType::Time64(TimeUnit::Nanosecond) => states::<Time64NanosecondType>(kind, ret),
        DataType::Timestamp(TimeUnit::Second, _) => states::<TimestampSecondType>(kind, ret),
        DataType::Timestamp(TimeUnit::Millisecond, _) => states::<TimestampMillisecondType>(kind, ret),
        DataType::Timestamp(TimeUnit::Microsecond, _) => states::<TimestampMicrosecondType>(kind, ret),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => states::<TimestampNanosecondType>(kind, ret),
        _ => return None,
    })
}

/// The mean of times with an offset, in UTC.
pub(super) fn time_tz_mean(g: &Grouped, _: &LogicalType) -> Result<ArrayRef> {
    let times = g.columns[0].as_primitive::<Int64Type>().values();
    let mean = |w: &[usize]| {
        let sum: i128 = times[w[0]..w[1]].iter().map(|t| i128::from(timetz::instant(*t))).sum();
        (w[1] > w[0]).then(|| timetz::at_instant(whole_mean(sum, (w[1] - w[0]) as u64)))
    };
    Ok(Arc::new(g.offsets.windows(2).map(mean).collect::<Int64Array>()))
}

/// The median of values that only have an order: one of them.
fn any_median(g: &Grouped, ret: &LogicalType) -> Result<ArrayRef> {
    any_quantile(g, false, ret)
}

fn any_discrete(g: &Grouped, ret: &LogicalType) -> Result<ArrayRef> {
    any_quantile(g, true, ret)
}

fn any_quantile(g: &Grouped, with_fraction: bool, ret: &LogicalType) -> Result<ArrayRef> {
    let compare = comparator(&g.columns[0])?;
    let wanted = if with_fraction { fractions(&g.columns[1], false)? } else { None };
    let wanted = wanted.unwrap_or_else(|| vec![0.5]);
    let listed = with_fraction && matches!(g.columns[1].data_type(), DataType::List(_));
    let mut places: Vec<Option<u32>> = vec![];
    let (mut ends, mut valid) = (vec![0i32], vec![]);
    for w in g.offsets.windows(2) {
        let mut rows: Vec<usize> = (w[0]..w[1]).collect();
        let n = rows.len();
        valid.push(n > 0);
        if n == 0 && !listed {
            places.push(None);
        }
        for q in wanted.iter().filter(|_| n > 0) {
            let at = if q.is_sign_negative() { n - 1 - discrete(-q, n) } else { discrete(*q, n) };
            let (_, row, _) = rows.select_nth_unstable_by(at, |a, b| compare(*a, *b));
            places.push(Some(*row as u32));
        }
        ends.push(list_end(places.len())?);
    }
    let values = arrow_select::take::take(&g.columns[0], &arrow_array::UInt32Array::from(places), None)?;
    let LogicalType::List(item) = ret.clone() else { return Ok(values) };
    if !listed {
        return Ok(values);
    }
    list_array(&item, arrow_buffer::OffsetBuffer::new(ends.into()), values, Some(valid.into()))
}

/// The result type of interpolation.
fn continuous_type(ty: &LogicalType) -> Option<LogicalType> {
    use LogicalType as T;
    Some(match ty {
        t if t.is_integer() => T::Double,
        T::Float | T::Double | T::Decimal { .. } | T::Timestamp(_) | T::TimestampTz | T::Time | T::TimeTz => {
            ty.clone()
        }
        T::Date => TIMESTAMP,
        _ => return None,
    })
}

fn is_time(ty: &LogicalType) -> bool {
    use LogicalType as T;
    matches!(ty, T::Date | T::Time | T::Timestamp(_) | T::TimestampTz)
}

fn choose(args: &[ArgInfo], kind: Kind) -> Option<Chosen> {
    use LogicalType as T;
    let (value, q) = match args {
        [x] => (x, None),
        [x, q] => (x, Some(q)),
        _ => return None,
    };
    let list = q.is_some_and(|q| matches!(q.ty, T::List(_) | T::Array(..)));
    let fraction = match q {
        None => None,
        Some(_) if list => Some(T::List(Box::new(T::Double))),
        Some(q) if q.ty.is_numeric() => Some(T::Double),
        Some(_) => return None,
    };
    let mut ty = if value.ty == T::Null { T::Double } else { value.ty.clone() };
    let one = match kind {
        Kind::Continuous | Kind::Percentile => match continuous_type(&ty) {
            Some(ret) => {
                if ty == T::Date {
                    ty = TIMESTAMP;
                }
                ret
            }
            None if fraction.is_none() && kind == Kind::Continuous => {
                return Some(gather(vec![ty.clone()], ty, true, any_median));
            }
            None => return None,
        },
        Kind::Deviation if matches!(ty, T::Float | T::Decimal { .. }) => ty.clone(),
        Kind::Deviation if ty.is_numeric() => {
            ty = T::Double;
            T::Double
        }
        Kind::Deviation if matches!(ty, T::Date | T::Timestamp(_)) => {
            ty = TIMESTAMP;
            T::Interval
        }
        Kind::Deviation if matches!(ty, T::Time | T::TimestampTz) => T::Interval,
        Kind::Deviation => return None,
        Kind::Approximate if !ty.is_numeric() && !is_time(&ty) => return None,
        Kind::Discrete | Kind::Approximate => ty.clone(),
    };
    let ret = if list { T::List(Box::new(one)) } else { one };
    let mut types = vec![ty.clone()];
    types.extend(fraction.clone());
    match maker(&ty, kind, ret.clone()) {
        Some(states) => Some(Chosen::new(types, ret, states)),
        None => Some(gather(types, ret, true, if fraction.is_some() { any_discrete } else { any_median })),
    }
}

pub(super) fn register(r: &mut Registry) {
    r.add("median", &[], &["(T) -> T"], "The middle value, interpolated between two", "median(x)", |args| {
        let [_] = args else { return None };
        choose(args, Kind::Continuous)
    });
    r.add(
        "quantile_cont",
        &[],
        &["(T, DOUBLE) -> T", "(T, DOUBLE[]) -> T[]"],
        "Quantile, interpolated between values",
        "quantile_cont(x, 0.5)",
        |args| {
            let [_, _] = args else { return None };
            choose(args, Kind::Continuous)
        },
    );
    r.add(
        "quantile_disc",
        &["quantile"],
        &["(T, DOUBLE) -> T", "(T, DOUBLE[]) -> T[]"],
        "Quantile that is one of the values; exact",
        "quantile_disc(x, 0.5)",
        |args| {
            let [_, _] = args else { return None };
            choose(args, Kind::Discrete)
        },
    );
    r.add(
        "approx_quantile",
        &[],
        &["(T, DOUBLE) -> T", "(T, DOUBLE[]) -> T[]"],
        "Quantile between the values next to it, as of a sketch of them; exact",
        "approx_quantile(x, 0.5)",
        |args| {
            let [_, _] = args else { return None };
            choose(args, Kind::Approximate)
        },
    );
    r.add(
        "reservoir_quantile",
        &[],
        &[
            "(T, DOUBLE) -> T",
            "(T, DOUBLE[]) -> T[]",
            "(T, DOUBLE, INTEGER) -> T",
            "(T, DOUBLE[], INTEGER) -> T[]",
        ],
        "Quantile that is one of the values; exact, whatever size of a sample is given",
        "reservoir_quantile(x, 0.5)",
        |args| {
            let (rest, size) = match args {
                [_, _] => (args, None),
                [_, _, size] if size.ty.is_integer() => (&args[..2], Some(size.ty.clone())),
                _ => return None,
            };
            let mut chosen = choose(rest, Kind::Discrete)?;
            chosen.arg_types.extend(size);
            Some(chosen)
        },
    );
    r.add(
        "percentile",
        &[],
        &["(T) -> T", "(T, DOUBLE) -> T"],
        "Percentile, interpolated between two values, the 99th unless said otherwise; exact",
        "percentile(x, 95)",
        |args| choose(args, Kind::Percentile),
    );
    r.add(
        "mad",
        &[],
        &["(DOUBLE) -> DOUBLE", "(FLOAT) -> FLOAT", "(DECIMAL) -> DECIMAL", "(TIMESTAMP) -> INTERVAL"],
        "Median of the absolute differences from the median",
        "mad(x)",
        |args| {
            let [_] = args else { return None };
            choose(args, Kind::Deviation)
        },
    );
}
