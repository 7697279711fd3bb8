//! `approx_count_distinct`: HyperLogLog over 64-bit hashes.
//!
//! A group begins as a short list of hashes, whose count is exact, and becomes 4,096 registers of one byte
//! when the list would be as long. The standard error is then 1.6 percent.

use std::any::Any;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, Int64Array, downcast_integer_array};
use arrow_schema::{DataType, TimeUnit};

use super::fixed::{like, same};
use super::registry::{Chosen, Registry};
use super::{GroupStates, each_of};
use crate::column::types::LogicalType;
use crate::exec::cast::text::Writer;
use crate::exec::error::Result;
use crate::exec::eval::flatten;

/// Bits of a hash that name a register.
const BITS: u32 = 12;
const REGISTERS: usize = 1 << BITS;
/// Hashes kept before a group gets registers.
const SPARSE: usize = REGISTERS / 8;

enum Sketch {
    /// Sorted, without repetitions.
    Sparse(Vec<u64>),
    Dense(Box<[u8; REGISTERS]>),
}

impl Default for Sketch {
    fn default() -> Self {
        Self::Sparse(vec![])
    }
}

impl Sketch {
    fn register(registers: &mut [u8; REGISTERS], hash: u64) {
        let at = (hash >> (64 - BITS)) as usize;
        // The place of the first bit that is set behind those that name the register.
        let rank = ((hash << BITS) | (1 << (BITS - 1))).leading_zeros() as u8 + 1;
        registers[at] = registers[at].max(rank);
    }

    fn add(&mut self, hash: u64) {
        match self {
            Self::Dense(r) => Self::register(r, hash),
            Self::Sparse(hashes) => {
                if let Err(at) = hashes.binary_search(&hash) {
                    hashes.insert(at, hash);
                    if hashes.len() > SPARSE {
                        self.densify();
                    }
                }
            }
        }
    }

    fn densify(&mut self) {
        if let Self::Sparse(hashes) = self {
            let mut registers = Box::new([0u8; REGISTERS]);
            hashes.iter().for_each(|h| Self::register(&mut registers, *h));
            *self = Self::Dense(registers);
        }
    }

    fn merge(&mut self, other: &Self) {
        match other {
            Self::Sparse(hashes) => hashes.iter().for_each(|h| self.add(*h)),
            Self::Dense(theirs) => {
                self.densify();
                if let Self::Dense(ours) = self {
                    ours.iter_mut().zip(theirs.iter()).for_each(|(a, b)| *a = (*a).max(*b));
                }
            }
        }
    }

    fn estimate(&self) -> i64 {
        match self {
            Self::Sparse(hashes) => hashes.len() as i64,
            Self::Dense(registers) => {
                let m = REGISTERS as f64;
                let sum: f64 = registers.iter().map(|r| 2f64.powi(-i32::from(*r))).sum();
                let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
                let zeros = registers.iter().filter(|r| **r == 0).count();
                if raw <= 2.5 * m && zeros > 0 {
                    return (m * (m / zeros as f64).ln()).round() as i64;
                }
                raw.round() as i64
            }
        }
    }

    fn heap(&self) -> usize {
        match self {
            Self::Sparse(h) => h.capacity() * 8,
            Self::Dense(_) => REGISTERS,
        }
    }
}

/// Hashes of a column's values: the same in every thread and process.
fn hashes(array: &ArrayRef, ty: &LogicalType) -> Result<Vec<u64>> {
    let state = foldhash::quality::FixedState::with_seed(0x6864_6c6c);
    let array = &flatten(array)?;
    macro_rules! of {
        ($t:ty) => {
            array.as_primitive::<$t>().values().iter().map(|v| state.hash_one(*v)).collect()
        };
    }
    Ok(downcast_integer_array! {
        array => array.values().iter().map(|v| state.hash_one(*v)).collect(),
        DataType::Decimal64(..) => of!(Decimal64Type),
        DataType::Decimal128(..) => of!(Decimal128Type),
        DataType::Date32 => of!(Date32Type),
        DataType::Timestamp(TimeUnit::Microsecond, _) => of!(TimestampMicrosecondType),
        DataType::Float64 => {
            let bits = |v: f64| if v.is_nan() { f64::NAN.to_bits() } else { (v + 0.0).to_bits() };
            array.as_primitive::<Float64Type>().values().iter().map(|v| state.hash_one(bits(*v))).collect()
        }
        DataType::Utf8View => {
            let strings = array.as_string_view();
            (0..strings.len()).map(|i| state.hash_one(strings.value(i).as_bytes())).collect()
        }
        _ => {
            let writer = Writer::new(array, ty)?;
            let mut buffer = String::new();
            (0..array.len())
                .map(|i| {
                    buffer.clear();
                    if !writer.is_null(i) {
                        writer.write(i, &mut buffer);
                    }
                    state.hash_one(buffer.as_bytes())
                })
                .collect()
        }
    })
}

struct ApproxDistinct {
    sketches: Vec<Sketch>,
    heap: usize,
    ty: LogicalType,
}

impl ApproxDistinct {
    fn each(&mut self, args: &[ArrayRef], rows: usize, group: impl Fn(usize) -> usize) -> Result<()> {
        let hashes = hashes(&args[0], &self.ty)?;
        let nulls = args[0].logical_nulls();
        for (row, hash) in hashes.iter().enumerate().take(rows) {
            if nulls.as_ref().is_none_or(|n| n.is_valid(row)) {
                let sketch = &mut self.sketches[group(row)];
                let before = sketch.heap();
                sketch.add(*hash);
                self.heap += sketch.heap().saturating_sub(before);
            }
        }
        Ok(())
    }
}

impl GroupStates for ApproxDistinct {
    fn resize(&mut self, groups: usize) {
        if groups > self.sketches.len() {
            self.sketches.resize_with(groups, Sketch::default);
        }
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.each(args, groups.len(), |i| groups[i] as usize)
    }

    fn update_single(&mut self, args: &[ArrayRef], rows: usize) -> Result<()> {
        self.resize(1);
        // One group soon has more values than a list of hashes can hold.
        if rows > SPARSE {
            self.sketches[0].densify();
        }
        self.each(args, rows, |_| 0)
    }

    fn merge(&mut self, other: &mut dyn GroupStates, from: &[u32], to: &[u32]) -> Result<()> {
        let other = same::<Self>(other)?;
        for (f, t) in from.iter().zip(to) {
            self.sketches[*t as usize].merge(&other.sketches[*f as usize]);
        }
        self.heap = self.sketches.iter().map(Sketch::heap).sum();
        Ok(())
    }

    fn merge_ranges(&mut self, other: &dyn GroupStates, ranges: &[Range<u32>]) -> Result<bool> {
        let other = like::<Self>(other)?;
        each_of(ranges, |group, from| self.sketches[group].merge(&other.sketches[from]));
        self.heap = self.sketches.iter().map(Sketch::heap).sum();
        Ok(true)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(Arc::new(self.sketches.iter().map(|s| Some(s.estimate())).collect::<Int64Array>()))
    }

    fn size(&self) -> usize {
        self.sketches.capacity() * size_of::<Sketch>() + self.heap
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

pub(super) fn register(r: &mut Registry) {
    r.add(
        "approx_count_distinct",
        &[],
        &["(ANY) -> BIGINT"],
        "Number of distinct values, to 1.6 percent (HyperLogLog)",
        "approx_count_distinct(x)",
        |args| {
            let [x] = args else { return None };
            let ty = x.ty.clone();
            Some(Chosen::new(
                vec![ty.clone()],
                LogicalType::BigInt,
                Box::new(move || Box::new(ApproxDistinct { sketches: vec![], heap: 0, ty: ty.clone() })),
            ))
        },
    );
}
