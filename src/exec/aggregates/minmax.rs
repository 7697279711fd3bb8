//! `min` and `max` of every type.

use std::any::Any;
use std::cmp::Ordering;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, StringViewBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray};
use arrow_buffer::IntervalMonthDayNano;
use arrow_schema::{DataType, TimeUnit};

use super::fixed::{Accumulate, Fixed, collect, like, same, some_nulls};
use super::{GroupStates, each_of};
use crate::column::scalar::{Scalar, interval_nanos};
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::flatten;

/// The order of the values of a layout.
pub(super) trait Ordered: Copy + Default + Send + 'static {
    /// Whether this comes before the other.
    fn before(self, other: Self) -> bool;
}

macro_rules! natural {
    ($($t:ty),*) => {$(
        impl Ordered for $t {
            #[inline(always)]
            fn before(self, other: Self) -> bool {
                self < other
            }
        }
    )*};
}
natural!(i8, i16, i32, i64, i128, u8, u16, u32, u64);

macro_rules! floats {
    ($($t:ty),*) => {$(
        impl Ordered for $t {
            // NaN comes after all others.
            #[inline(always)]
            fn before(self, other: Self) -> bool {
                (self < other) | (other.is_nan() & !self.is_nan())
            }
        }
    )*};
}
floats!(f32, f64);

impl Ordered for IntervalMonthDayNano {
    fn before(self, other: Self) -> bool {
        let length = |v: Self| interval_nanos(v.months, v.days, v.nanoseconds);
        length(self) < length(other)
    }
}

/// The least (or with `MAX` the greatest) value so far.
struct Extreme<T: ArrowPrimitiveType, const MAX: bool> {
    value: T::Native,
    seen: bool,
    of: PhantomData<fn() -> T>,
}

impl<T: ArrowPrimitiveType, const MAX: bool> Clone for Extreme<T, MAX> {
    fn clone(&self) -> Self {
        Self { value: self.value, seen: self.seen, of: PhantomData }
    }
}

impl<T: ArrowPrimitiveType, const MAX: bool> Default for Extreme<T, MAX> {
    fn default() -> Self {
        Self { value: T::Native::default(), seen: false, of: PhantomData }
    }
}

#[inline(always)]
fn better<N: Ordered, const MAX: bool>(v: N, than: N) -> bool {
    if MAX { than.before(v) } else { v.before(than) }
}

impl<T, const MAX: bool> Accumulate for Extreme<T, MAX>
where
    T: ArrowPrimitiveType,
    T::Native: Ordered,
{
    type Input = T;

    #[inline(always)]
    fn add(&mut self, v: T::Native) {
        if !self.seen || better::<_, MAX>(v, self.value) {
            self.value = v;
            self.seen = true;
        }
    }

    fn add_slice(&mut self, values: &[T::Native]) {
        let Some(first) = values.first() else { return };
        // Several lanes, each without a branch, turn into vector code.
        const LANES: usize = 16;
        let mut lanes = [*first; LANES];
        let mut chunks = values.chunks_exact(LANES);
        for chunk in &mut chunks {
            for (lane, v) in lanes.iter_mut().zip(chunk) {
                *lane = if better::<_, MAX>(*v, *lane) { *v } else { *lane };
            }
        }
        for v in lanes.iter().chain(chunks.remainder()) {
            self.add(*v);
        }
    }

    fn merge(&mut self, other: &Self) {
        if other.seen {
            self.add(other.value);
        }
    }

    fn finish(states: &[Self], ty: &LogicalType) -> Result<ArrayRef> {
        Ok(collect::<T>(states.iter().map(|s| s.seen.then_some(s.value)), ty))
    }
}

/// The least or greatest text or bytes. A group's buffer grows only when a better value comes.
struct ExtremeBytes<const MAX: bool> {
    values: Vec<Option<Vec<u8>>>,
    heap: usize,
    text: bool,
}

impl<const MAX: bool> ExtremeBytes<MAX> {
    fn offer(&mut self, group: usize, v: &[u8]) {
        match &mut self.values[group] {
            Some(best) => {
                let wins = if MAX { v > &best[..] } else { v < &best[..] };
                if wins {
                    let before = best.capacity();
                    best.clear();
                    best.extend_from_slice(v);
                    self.heap += best.capacity() - before;
                }
            }
            none => {
                self.heap += v.len();
                *none = Some(v.to_vec());
            }
        }
    }

    fn offer_all(&mut self, array: &ArrayRef, rows: usize, group: impl Fn(usize) -> usize) -> Result<()> {
        macro_rules! each {
            ($array:expr) => {{
                let array = $array;
                match some_nulls(array) {
                    None => (0..rows).for_each(|i| self.offer(group(i), array.value(i).as_ref())),
                    Some(n) => n.valid_indices().for_each(|i| self.offer(group(i), array.value(i).as_ref())),
                }
            }};
        }
        let array = &flatten(array)?;
        match array.data_type() {
            DataType::Utf8View => each!(array.as_string_view()),
            DataType::BinaryView => each!(array.as_binary_view()),
            other => return Err(ExecError::Internal(format!("min or max of text was given {other}"))),
        }
        Ok(())
    }
}

impl<const MAX: bool> GroupStates for ExtremeBytes<MAX> {
    fn resize(&mut self, groups: usize) {
        if groups > self.values.len() {
            self.values.resize(groups, None);
        }
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.offer_all(&args[0], groups.len(), |i| groups[i] as usize)
    }

    fn update_single(&mut self, args: &[ArrayRef], rows: usize) -> Result<()> {
        self.resize(1);
        self.offer_all(&args[0], rows, |_| 0)
    }

    fn merge(&mut self, other: &mut dyn GroupStates, from: &[u32], to: &[u32]) -> Result<()> {
        let other = same::<Self>(other)?;
        for (f, t) in from.iter().zip(to) {
            if let Some(v) = &other.values[*f as usize] {
                self.offer(*t as usize, v);
            }
        }
        Ok(())
    }

    fn merge_ranges(&mut self, other: &dyn GroupStates, ranges: &[Range<u32>]) -> Result<bool> {
        let other = like::<Self>(other)?;
        each_of(ranges, |group, from| {
            if let Some(v) = &other.values[from] {
                self.offer(group, v);
            }
        });
        Ok(true)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        if self.text {
            let mut out = StringViewBuilder::with_capacity(self.values.len());
            for v in &self.values {
                match v.as_deref().map(std::str::from_utf8) {
                    None => out.append_null(),
                    Some(Ok(s)) => out.try_append_value(s)?,
                    Some(Err(_)) => return Err(ExecError::Internal("text that is not UTF-8".into())),
                }
            }
            return Ok(Arc::new(out.finish()));
        }
        let mut out = BinaryViewBuilder::with_capacity(self.values.len());
        for v in &self.values {
            match v {
                None => out.append_null(),
                Some(v) => out.try_append_value(v)?,
            }
        }
        Ok(Arc::new(out.finish()))
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<Option<Vec<u8>>>() + self.heap
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// `min` and `max` of booleans, which are also `bool_and` and `bool_or`.
pub(super) struct ExtremeBool<const MAX: bool> {
    values: Vec<Option<bool>>,
}

impl<const MAX: bool> Default for ExtremeBool<MAX> {
    fn default() -> Self {
        Self { values: vec![] }
    }
}

impl<const MAX: bool> ExtremeBool<MAX> {
    fn offer(&mut self, group: usize, v: bool) {
        let s = &mut self.values[group];
        *s = Some(s.map_or(v, |o| if MAX { o | v } else { o & v }));
    }
}

impl<const MAX: bool> GroupStates for ExtremeBool<MAX> {
    fn resize(&mut self, groups: usize) {
        if groups > self.values.len() {
            self.values.resize(groups, None);
        }
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let array = args[0].as_boolean();
        for (i, g) in groups.iter().enumerate() {
            if array.is_valid(i) {
                self.offer(*g as usize, array.value(i));
            }
        }
        Ok(())
    }

    fn update_single(&mut self, args: &[ArrayRef], _rows: usize) -> Result<()> {
        self.resize(1);
        let array = args[0].as_boolean();
        let (trues, values) = (array.true_count(), array.len() - array.null_count());
        if values > 0 {
            self.offer(0, if MAX { trues > 0 } else { trues == values });
        }
        Ok(())
    }

    fn merge(&mut self, other: &mut dyn GroupStates, from: &[u32], to: &[u32]) -> Result<()> {
        let other = same::<Self>(other)?;
        for (f, t) in from.iter().zip(to) {
            if let Some(v) = other.values[*f as usize] {
                self.offer(*t as usize, v);
            }
        }
        Ok(())
    }

    fn merge_ranges(&mut self, other: &dyn GroupStates, ranges: &[Range<u32>]) -> Result<bool> {
        let other = like::<Self>(other)?;
        each_of(ranges, |group, from| {
            if let Some(v) = other.values[from] {
                self.offer(group, v);
            }
        });
        Ok(true)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(Arc::new(self.values.iter().copied().collect::<BooleanArray>()))
    }

    fn size(&self) -> usize {
        self.values.capacity()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// The least or greatest value of any other type, kept as a single value.
struct ExtremeAny<const MAX: bool> {
    values: Vec<Scalar>,
    ty: LogicalType,
}

impl<const MAX: bool> ExtremeAny<MAX> {
    fn offer(&mut self, group: usize, v: Scalar) {
        let best = &mut self.values[group];
        let wanted = if MAX { Ordering::Greater } else { Ordering::Less };
        if !v.is_null() && (best.is_null() || v.total_cmp(best) == wanted) {
            *best = v;
        }
    }
}

impl<const MAX: bool> GroupStates for ExtremeAny<MAX> {
    fn resize(&mut self, groups: usize) {
        if groups > self.values.len() {
            self.values.resize(groups, Scalar::Null);
        }
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) -> Result<()> {
        for (i, g) in groups.iter().enumerate() {
            self.offer(*g as usize, Scalar::from_array(&args[0], i, &self.ty));
        }
        Ok(())
    }

    fn update_single(&mut self, args: &[ArrayRef], rows: usize) -> Result<()> {
        self.resize(1);
        for i in 0..rows {
            self.offer(0, Scalar::from_array(&args[0], i, &self.ty));
        }
        Ok(())
    }

    fn merge(&mut self, other: &mut dyn GroupStates, from: &[u32], to: &[u32]) -> Result<()> {
        let other = same::<Self>(other)?;
        for (f, t) in from.iter().zip(to) {
            let v = std::mem::take(&mut other.values[*f as usize]);
            self.offer(*t as usize, v);
        }
        Ok(())
    }

    fn merge_ranges(&mut self, other: &dyn GroupStates, ranges: &[Range<u32>]) -> Result<bool> {
        let other = like::<Self>(other)?;
        each_of(ranges, |group, from| self.offer(group, other.values[from].clone()));
        Ok(true)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        super::values::to_array(&self.values, &self.ty)
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<Scalar>()
            + self.values.iter().map(super::values::heap_size).sum::<usize>()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

type Maker = Box<dyn Fn() -> Box<dyn GroupStates> + Send + Sync>;

/// States of `min` or `max` for a type.
pub(super) fn extreme<const MAX: bool>(ty: &LogicalType) -> Maker {
    let t = ty.clone();
    macro_rules! of {
        ($t:ty) => {
            Fixed::<Extreme<$t, MAX>>::maker(t)
        };
    }
    match ty.arrow() {
        DataType::Boolean => Box::new(|| Box::new(ExtremeBool::<MAX>::default())),
        DataType::Int8 => of!(Int8Type),
        DataType::Int16 => of!(Int16Type),
        DataType::Int32 => of!(Int32Type),
        DataType::Int64 => of!(Int64Type),
        DataType::UInt8 => of!(UInt8Type),
        DataType::UInt16 => of!(UInt16Type),
        DataType::UInt32 => of!(UInt32Type),
        DataType::UInt64 => of!(UInt64Type),
        DataType::Float32 => of!(Float32Type),
        DataType::Float64 => of!(Float64Type),
        DataType::Decimal64(..) => of!(Decimal64Type),
        DataType::Decimal128(..) => of!(Decimal128Type),
        DataType::Date32 => of!(Date32Type),
        DataType::Time64(TimeUnit::Microsecond) => of!(Time64MicrosecondType),
        DataType::Time64(TimeUnit::Nanosecond) => of!(Time64NanosecondType),
        DataType::Timestamp(TimeUnit::Second, _) => of!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => of!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => of!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => of!(TimestampNanosecondType),
        DataType::Interval(_) => of!(IntervalMonthDayNanoType),
        DataType::Utf8View => {
            Box::new(|| Box::new(ExtremeBytes::<MAX> { values: vec![], heap: 0, text: true }))
        }
        DataType::BinaryView => {
            Box::new(|| Box::new(ExtremeBytes::<MAX> { values: vec![], heap: 0, text: false }))
        }
        _ => Box::new(move || Box::new(ExtremeAny::<MAX> { values: vec![], ty: t.clone() })),
    }
}
