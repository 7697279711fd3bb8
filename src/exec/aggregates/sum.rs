//! `sum` and `avg`.
//!
//! Sums of integers are exact: 128 bits in the result, and in the state no more than it takes. Integers
//! of up to 32 bits are added in 64 bits, 64-bit ones in 128 bits without a branch.

use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use arrow_buffer::{IntervalMonthDayNano, NullBuffer};
use std::any::Any;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use super::fixed::{Accumulate, FEW_GROUPS, Fixed, LANES as GROUP_LANES, collect, like, same, update_few};
use super::{GroupStates, each_of};
use crate::column::types::LogicalType;
use crate::exec::cast::number::{Integer, POWERS};
use crate::exec::error::{ExecError, Result};

/// An exact sum, and how many values went into it.
pub(super) trait Total: Clone + Default + Send + 'static {
    fn total(&self) -> Result<i128>;
    fn count(&self) -> u64;
}

/// Makes the array of a state's results: `sum` or `avg`.
pub(super) trait Output: 'static {
    fn finish<S: Total>(states: &[S], ty: &LogicalType) -> Result<ArrayRef>;
}

/// `sum`: `HUGEINT`, or a decimal of 38 digits.
pub(super) struct Sum;

impl Output for Sum {
    fn finish<S: Total>(states: &[S], ty: &LogicalType) -> Result<ArrayRef> {
        let limit = match ty {
            LogicalType::Decimal { width, .. } => POWERS[usize::from(*width)] - 1,
            _ => i128::MAX,
        };
        let mut values = Vec::with_capacity(states.len());
        let mut valid = Vec::with_capacity(states.len());
        for s in states {
            let v = s.total()?;
            if v > limit || v < -limit {
                return Err(ExecError::OutOfRange(format!("Overflow in sum of {ty}")));
            }
            values.push(v);
            valid.push(s.count() > 0);
        }
        let nulls = Some(NullBuffer::from(valid)).filter(|n| n.null_count() > 0);
        Ok(Arc::new(PrimitiveArray::<Decimal128Type>::new(values.into(), nulls).with_data_type(ty.arrow())))
    }
}

/// `avg` of `count` numbers of type `summed`, whose sum in units of the last digit is `total`.
pub(crate) fn average(total: i128, count: u64, summed: &LogicalType) -> Option<f64> {
    let scale = if let LogicalType::Decimal { scale, .. } = summed { *scale } else { 0 };
    let power = POWERS[usize::from(scale)] as f64;
    (count > 0).then_some(total as f64 / (count as f64 * power))
}

/// `avg` as `DOUBLE`. Unlike the others it is given the type of what was summed, for its scale.
pub(super) struct Avg;

impl Output for Avg {
    fn finish<S: Total>(states: &[S], summed: &LogicalType) -> Result<ArrayRef> {
        let values: Result<Vec<Option<f64>>> =
            states.iter().map(|s| Ok(average(s.total()?, s.count(), summed))).collect();
        Ok(collect::<Float64Type>(values?.into_iter(), &LogicalType::Double))
    }
}

/// `avg` of dates and times: the mean in whole units.
pub(super) struct AvgWhole;

/// The mean of some whole numbers: the nearest, of two the one nearer to zero; below zero cut off, as in DuckDB.
pub(super) fn whole_mean(sum: i128, count: u64) -> i64 {
    let count = i128::from(count);
    (sum / count + i128::from(sum % count > count / 2)) as i64
}

impl Output for AvgWhole {
    fn finish<S: Total>(states: &[S], ty: &LogicalType) -> Result<ArrayRef> {
        let values: Result<Vec<Option<i64>>> = states
            .iter()
            .map(|s| match s.count() {
                0 => Ok(None),
                n => Ok(Some(whole_mean(s.total()?, n))),
            })
            .collect();
        let values = values?.into_iter();
        Ok(match ty {
            LogicalType::Time => collect::<Time64MicrosecondType>(values, ty),
            _ => collect::<TimestampMicrosecondType>(values, ty),
        })
    }
}

/// The results from states that another aggregate made: `A` those of `sum`, `B` those of `avg`.
fn finish_from<O: Output, A: Total + Accumulate, B: Total + Accumulate>(
    other: &dyn Any,
    ty: &LogicalType,
) -> Option<Result<ArrayRef>> {
    if let Some(sums) = other.downcast_ref::<Fixed<A>>() {
        return Some(O::finish(sums.states(), ty));
    }
    other.downcast_ref::<Fixed<B>>().map(|averages| O::finish(averages.states(), ty))
}

/// A sum of values of up to 32 bits.
pub(super) struct Narrow<T, O> {
    sum: i64,
    count: u64,
    of: PhantomData<fn() -> (T, O)>,
}

impl<T, O> Clone for Narrow<T, O> {
    fn clone(&self) -> Self {
        Self { sum: self.sum, count: self.count, of: PhantomData }
    }
}

impl<T, O> Default for Narrow<T, O> {
    fn default() -> Self {
        Self { sum: 0, count: 0, of: PhantomData }
    }
}

impl<T: 'static, O: 'static> Total for Narrow<T, O> {
    fn total(&self) -> Result<i128> {
        // 2^31 values of 32 bits cannot leave 64 bits; beyond 2^32 of them the sum might have.
        if self.count > 1 << 31 && self.sum.unsigned_abs() > 1 << 62 {
            return Err(ExecError::OutOfRange("Overflow in sum".into()));
        }
        Ok(self.sum.into())
    }
    fn count(&self) -> u64 {
        self.count
    }
}

impl<T, O> Accumulate for Narrow<T, O>
where
    T: ArrowPrimitiveType,
    T::Native: Integer,
    O: Output,
{
    type Input = T;
    const UNORDERED: bool = true;

    #[inline(always)]
    fn add(&mut self, v: T::Native) {
        self.sum = self.sum.wrapping_add(v.wide() as i64);
        self.count += 1;
    }

    fn add_slice(&mut self, values: &[T::Native]) {
        self.sum += values.iter().map(|v| v.wide() as i64).sum::<i64>();
        self.count += values.len() as u64;
    }

    fn add_masked(&mut self, values: &[T::Native], valid: &NullBuffer) {
        let mut sum = 0i64;
        masked_chunks(values, valid, |v, keep| sum += v.wide() as i64 & -i64::from(keep));
        self.sum += sum;
        self.count += (valid.len() - valid.null_count()) as u64;
    }

    fn merge(&mut self, other: &Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.count += other.count;
    }

    fn finish(states: &[Self], ty: &LogicalType) -> Result<ArrayRef> {
        O::finish(states, ty)
    }

    fn finish_from(other: &dyn Any, ty: &LogicalType) -> Option<Result<ArrayRef>> {
        finish_from::<O, Narrow<T, Sum>, Narrow<T, Avg>>(other, ty)
    }
}

/// Calls `f` for all values, with whether they count: no branch, so that the loop can be vector code.
#[inline(always)]
fn masked_chunks<N: Copy>(values: &[N], valid: &NullBuffer, mut f: impl FnMut(N, bool)) {
    let bits = valid.inner().bit_chunks();
    let mut chunks = values.chunks_exact(64);
    for (chunk, mask) in (&mut chunks).zip(bits.iter()) {
        for (i, v) in chunk.iter().enumerate() {
            f(*v, mask >> i & 1 == 1);
        }
    }
    let mask = bits.remainder_bits();
    for (i, v) in chunks.remainder().iter().enumerate() {
        f(*v, mask >> i & 1 == 1);
    }
}

/// A sum of 64-bit values, in two words.
pub(super) struct Wide<T, O> {
    low: u64,
    high: i64,
    count: u64,
    of: PhantomData<fn() -> (T, O)>,
}

impl<T, O> Clone for Wide<T, O> {
    fn clone(&self) -> Self {
        Self { low: self.low, high: self.high, count: self.count, of: PhantomData }
    }
}

impl<T, O> Default for Wide<T, O> {
    fn default() -> Self {
        Self { low: 0, high: 0, count: 0, of: PhantomData }
    }
}

impl<T, O> Wide<T, O> {
    fn sum(&self) -> i128 {
        (i128::from(self.high) << 64) | i128::from(self.low)
    }

    fn add_sum(&mut self, v: i128) {
        let sum = self.sum().wrapping_add(v);
        self.low = sum as u64;
        self.high = (sum >> 64) as i64;
    }
}

impl<T: 'static, O: 'static> Total for Wide<T, O> {
    fn total(&self) -> Result<i128> {
        Ok(self.sum())
    }
    fn count(&self) -> u64 {
        self.count
    }
}

impl<T, O> Accumulate for Wide<T, O>
where
    T: ArrowPrimitiveType,
    T::Native: Integer,
    O: Output,
{
    type Input = T;
    const UNORDERED: bool = true;

    #[inline(always)]
    fn add(&mut self, v: T::Native) {
        let v = v.wide();
        let (low, carry) = self.low.overflowing_add(v as u64);
        self.low = low;
        self.high += (v >> 64) as i64 + i64::from(carry);
        self.count += 1;
    }

    fn add_slice(&mut self, values: &[T::Native]) {
        // Halves of 32 bits, each summed in 64: vector code, and exact for 2^31 values at a time.
        for chunk in values.chunks(1 << 30) {
            let (mut low, mut high) = (0u64, 0i64);
            for v in chunk {
                let v = v.wide();
                low += u64::from(v as u32);
                high += (v >> 32) as i64;
            }
            self.add_sum((i128::from(high) << 32) + i128::from(low));
        }
        self.count += values.len() as u64;
    }

    fn add_masked(&mut self, values: &[T::Native], valid: &NullBuffer) {
        let mut sum = 0i128;
        let (mut low, mut high, mut n) = (0u64, 0i64, 0u32);
        masked_chunks(values, valid, |v, keep| {
            let v = v.wide();
            let mask = -i64::from(keep);
            low += u64::from(v as u32) & mask as u64;
            high += (v >> 32) as i64 & mask;
            n += 1;
            if n == 1 << 30 {
                sum += (i128::from(high) << 32) + i128::from(low);
                (low, high, n) = (0, 0, 0);
            }
        });
        self.add_sum(sum + (i128::from(high) << 32) + i128::from(low));
        self.count += (valid.len() - valid.null_count()) as u64;
    }

    /// Sum and number of a group's values share one word, so that a row costs one addition.
    fn add_few(states: &mut [Self], values: &[T::Native], groups: &[u32]) {
        const SUM_BITS: u32 = 54;
        /// The sum of a lane's rows, of at most this many bits and a sign each, is of `SUM_BITS`, and their number, at most
        /// `2^(SUM_BITS - 1 - MAX_BITS)`, fits above.
        const MAX_BITS: u32 = 44;
        const ROWS: usize = GROUP_LANES << (SUM_BITS - 1 - MAX_BITS);
        let bits = values.iter().fold(0, |bits, v| {
            let v = v.wide();
            bits | (v ^ (v >> 127)) as u64
        });
        if bits >> MAX_BITS != 0 {
            return update_few(states, values, groups);
        }
        for (values, groups) in values.chunks(ROWS).zip(groups.chunks(ROWS)) {
            let mut lanes = [[0u64; FEW_GROUPS]; GROUP_LANES];
            let one = |v: T::Native| (v.wide() as u64).wrapping_add(1 << SUM_BITS);
            let (values, last_values) = values.as_chunks::<GROUP_LANES>();
            let (groups, last_groups) = groups.as_chunks::<GROUP_LANES>();
            for (values, groups) in values.iter().zip(groups) {
                for ((lane, v), g) in lanes.iter_mut().zip(values).zip(groups) {
                    let both = &mut lane[*g as usize % FEW_GROUPS];
                    *both = both.wrapping_add(one(*v));
                }
            }
            for ((lane, v), g) in lanes.iter_mut().zip(last_values).zip(last_groups) {
                let both = &mut lane[*g as usize % FEW_GROUPS];
                *both = both.wrapping_add(one(*v));
            }
            for lane in lanes {
                for (state, both) in states.iter_mut().zip(lane) {
                    let count = both.wrapping_add(1 << (SUM_BITS - 1)) >> SUM_BITS;
                    state.add_sum((both.wrapping_sub(count << SUM_BITS) as i64).into());
                    state.count += count;
                }
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.add_sum(other.sum());
        self.count += other.count;
    }

    fn finish(states: &[Self], ty: &LogicalType) -> Result<ArrayRef> {
        O::finish(states, ty)
    }

    fn finish_from(other: &dyn Any, ty: &LogicalType) -> Option<Result<ArrayRef>> {
        finish_from::<O, Wide<T, Sum>, Wide<T, Avg>>(other, ty)
    }
}

/// A sum of 128-bit values; whether it overflowed is remembered.
pub(super) struct Huge<O> {
    sum: i128,
    count: u64,
    overflow: bool,
    of: PhantomData<fn() -> O>,
}

impl<O> Clone for Huge<O> {
    fn clone(&self) -> Self {
        Self { sum: self.sum, count: self.count, overflow: self.overflow, of: PhantomData }
    }
}

impl<O> Default for Huge<O> {
    fn default() -> Self {
        Self { sum: 0, count: 0, overflow: false, of: PhantomData }
    }
}

impl<O: 'static> Total for Huge<O> {
    fn total(&self) -> Result<i128> {
        if self.overflow {
            return Err(ExecError::OutOfRange(
                "Overflow in HUGEINT addition: the sum is out of range".into(),
            ));
        }
        Ok(self.sum)
    }
    fn count(&self) -> u64 {
        self.count
    }
}

impl<O: Output> Accumulate for Huge<O> {
    type Input = Decimal128Type;
    const UNORDERED: bool = true;

    #[inline(always)]
    fn add(&mut self, v: i128) {
        let (sum, overflow) = self.sum.overflowing_add(v);
        self.sum = sum;
        self.overflow |= overflow;
        self.count += 1;
    }

    fn merge(&mut self, other: &Self) {
        let (sum, overflow) = self.sum.overflowing_add(other.sum);
        self.sum = sum;
        self.overflow |= overflow | other.overflow;
        self.count += other.count;
    }

    fn finish(states: &[Self], ty: &LogicalType) -> Result<ArrayRef> {
        O::finish(states, ty)
    }

    fn finish_from(other: &dyn Any, ty: &LogicalType) -> Option<Result<ArrayRef>> {
        finish_from::<O, Huge<Sum>, Huge<Avg>>(other, ty)
    }
}

/// A sum of floats.
#[derive(Clone, Default)]
pub(super) struct FloatSum<const AVG: bool> {
    sum: f64,
    count: u64,
}

const LANES: usize = 16;

/// A sum in several lanes, which vector code can do; within rounding that of the plain order.
fn sum_lanes(values: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let mut chunks = values.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane += v;
        }
    }
    let rest: f64 = chunks.remainder().iter().sum();
    lanes.iter().sum::<f64>() + rest
}

impl<const AVG: bool> Accumulate for FloatSum<AVG> {
    type Input = Float64Type;
    const UNORDERED: bool = true;

    #[inline(always)]
    fn add(&mut self, v: f64) {
        self.sum += v;
        self.count += 1;
    }

    fn add_slice(&mut self, values: &[f64]) {
        self.sum += sum_lanes(values);
        self.count += values.len() as u64;
    }

    fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    fn finish(states: &[Self], ty: &LogicalType) -> Result<ArrayRef> {
        Ok(Self::finish_like(states, ty))
    }

    fn finish_from(other: &dyn Any, ty: &LogicalType) -> Option<Result<ArrayRef>> {
        if let Some(sums) = other.downcast_ref::<Fixed<FloatSum<false>>>() {
            return Some(Ok(Self::finish_like(sums.states(), ty)));
        }
        let averages = other.downcast_ref::<Fixed<FloatSum<true>>>()?;
        Some(Ok(Self::finish_like(averages.states(), ty)))
    }
}

impl<const AVG: bool> FloatSum<AVG> {
    fn finish_like<const OTHER: bool>(states: &[FloatSum<OTHER>], ty: &LogicalType) -> ArrayRef {
        let value =
            |s: &FloatSum<OTHER>| (s.count > 0).then_some(if AVG { s.sum / s.count as f64 } else { s.sum });
        collect::<Float64Type>(states.iter().map(value), ty)
    }
}

/// A sum of floats with the running error kept (Neumaier's variant of Kahan's).
#[derive(Clone, Default)]
pub(super) struct KahanSum<const AVG: bool> {
    sum: f64,
    error: f64,
    count: u64,
}

impl<const AVG: bool> KahanSum<AVG> {
    fn plus(&mut self, v: f64) {
        let t = self.sum + v;
        self.error += if self.sum.abs() >= v.abs() { (self.sum - t) + v } else { (v - t) + self.sum };
        self.sum = t;
    }
}

impl<const AVG: bool> Accumulate for KahanSum<AVG> {
    type Input = Float64Type;
    const UNORDERED: bool = true;

    fn add(&mut self, v: f64) {
        self.plus(v);
        self.count += 1;
    }

    fn merge(&mut self, other: &Self) {
        self.plus(other.sum);
        self.error += other.error;
        self.count += other.count;
    }

    fn finish(states: &[Self], ty: &LogicalType) -> Result<ArrayRef> {
        let value = |s: &Self| {
            let sum = if s.error.is_finite() { s.sum + s.error } else { s.sum };
            (s.count > 0).then_some(if AVG { sum / s.count as f64 } else { sum })
        };
        Ok(collect::<Float64Type>(states.iter().map(value), ty))
    }
}

/// `avg` of intervals.
#[derive(Clone, Default)]
pub(super) struct IntervalAvg {
    months: i64,
    days: i64,
    nanos: i128,
    count: u64,
}

impl Accumulate for IntervalAvg {
    type Input = IntervalMonthDayNanoType;

    fn add(&mut self, v: IntervalMonthDayNano) {
        self.months += i64::from(v.months);
        self.days += i64::from(v.days);
        self.nanos += i128::from(v.nanoseconds);
        self.count += 1;
    }

    fn merge(&mut self, other: &Self) {
        self.months += other.months;
        self.days += other.days;
        self.nanos += other.nanos;
        self.count += other.count;
    }

    fn finish(states: &[Self], ty: &LogicalType) -> Result<ArrayRef> {
        let value = |s: &Self| {
            let n = i64::try_from(s.count).ok().filter(|n| *n > 0)?;
            // What does not divide goes to the smaller units, of 30 days a month and 24 hours a day.
            let days = s.days + s.months % n * 30;
            let nanos = s.nanos + i128::from(days % n) * 86_400_000_000_000;
            Some(IntervalMonthDayNano::new(
                (s.months / n) as i32,
                (days / n) as i32,
                (nanos / i128::from(n)) as i64,
            ))
        };
        Ok(collect::<IntervalMonthDayNanoType>(states.iter().map(value), ty))
    }
}

/// `sum` of booleans and `count_if`: how many are true.
#[derive(Default)]
pub(super) struct BoolSum {
    states: Vec<(u64, bool)>,
}

fn booleans(args: &[ArrayRef]) -> Result<&BooleanArray> {
    use arrow_array::cast::AsArray;
    args.first()
        .and_then(|a| a.as_boolean_opt())
        .ok_or_else(|| ExecError::Internal("an aggregate of booleans was given no booleans".into()))
}

impl GroupStates for BoolSum {
    fn resize(&mut self, groups: usize) {
        if groups > self.states.len() {
            self.states.resize(groups, (0, false));
        }
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let array = booleans(args)?;
        for (i, g) in groups.iter().enumerate() {
            if array.is_valid(i) {
                let s = &mut self.states[*g as usize];
                s.0 += u64::from(array.value(i));
                s.1 = true;
            }
        }
        Ok(())
    }

    fn update_single(&mut self, args: &[ArrayRef], _rows: usize) -> Result<()> {
        self.resize(1);
        let array = booleans(args)?;
        self.states[0].0 += array.true_count() as u64;
        self.states[0].1 |= array.null_count() < array.len();
        Ok(())
    }

    fn merge(&mut self, other: &mut dyn GroupStates, from: &[u32], to: &[u32]) -> Result<()> {
        let other = same::<Self>(other)?;
        for (f, t) in from.iter().zip(to) {
            let o = other.states[*f as usize];
            let s = &mut self.states[*t as usize];
            s.0 += o.0;
            s.1 |= o.1;
        }
        Ok(())
    }

    fn merge_ranges(&mut self, other: &dyn GroupStates, ranges: &[Range<u32>]) -> Result<bool> {
        let other = like::<Self>(other)?;
        each_of(ranges, |group, from| {
            let (s, o) = (&mut self.states[group], other.states[from]);
            s.0 += o.0;
            s.1 |= o.1;
        });
        Ok(true)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let values = self.states.iter().map(|s| s.1.then_some(i128::from(s.0)));
        Ok(collect::<Decimal128Type>(values, &LogicalType::HugeInt))
    }

    fn size(&self) -> usize {
        self.states.capacity() * size_of::<(u64, bool)>()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

type Maker = Box<dyn Fn() -> Box<dyn GroupStates> + Send + Sync>;

/// States for an exact sum of whole numbers of a type.
fn whole<O: Output>(ty: &LogicalType, ret: &LogicalType) -> Maker {
    use LogicalType as T;
    let ret = ret.clone();
    match ty {
        T::TinyInt => Fixed::<Narrow<Int8Type, O>>::maker(ret),
        T::SmallInt => Fixed::<Narrow<Int16Type, O>>::maker(ret),
        T::Integer => Fixed::<Narrow<Int32Type, O>>::maker(ret),
        T::UTinyInt => Fixed::<Narrow<UInt8Type, O>>::maker(ret),
        T::USmallInt => Fixed::<Narrow<UInt16Type, O>>::maker(ret),
        T::UInteger => Fixed::<Narrow<UInt32Type, O>>::maker(ret),
        T::UBigInt => Fixed::<Wide<UInt64Type, O>>::maker(ret),
        T::HugeInt => Fixed::<Huge<O>>::maker(ret),
        T::Decimal { width, .. } if *width > crate::column::types::DECIMAL64_MAX_WIDTH => {
            Fixed::<Huge<O>>::maker(ret)
        }
        T::Decimal { .. } => Fixed::<Wide<Decimal64Type, O>>::maker(ret),
        T::Time => Fixed::<Wide<Time64MicrosecondType, O>>::maker(ret),
        T::Timestamp(_) | T::TimestampTz => Fixed::<Wide<TimestampMicrosecondType, O>>::maker(ret),
        _ => Fixed::<Wide<Int64Type, O>>::maker(ret),
    }
}

/// Result type and states of `sum`.
pub(super) fn sum(ty: &LogicalType) -> Option<(LogicalType, Maker)> {
    use LogicalType as T;
    Some(match ty {
        T::Boolean => (T::HugeInt, Box::new(|| Box::<BoolSum>::default())),
        t if t.is_integer() => (T::HugeInt, whole::<Sum>(t, &T::HugeInt)),
        T::Decimal { scale, .. } => {
            let ret = T::Decimal { width: 38, scale: *scale };
            (ret.clone(), whole::<Sum>(ty, &ret))
        }
        T::Double => (T::Double, Fixed::<FloatSum<false>>::maker(T::Double)),
        _ => return None,
    })
}

/// Result type and states of `avg`.
pub(super) fn avg(ty: &LogicalType) -> Option<(LogicalType, Maker)> {
    use LogicalType as T;
    Some(match ty {
        T::Decimal { .. } => (T::Double, whole::<Avg>(ty, ty)),
        t if t.is_integer() => (T::Double, whole::<Avg>(t, t)),
        T::Double => (T::Double, Fixed::<FloatSum<true>>::maker(T::Double)),
        T::Interval => (T::Interval, Fixed::<IntervalAvg>::maker(T::Interval)),
        T::Time => (T::Time, whole::<AvgWhole>(ty, ty)),
        T::Timestamp(arrow_schema::TimeUnit::Microsecond) | T::TimestampTz => {
            (ty.clone(), whole::<AvgWhole>(ty, ty))
        }
        _ => return None,
    })
}
