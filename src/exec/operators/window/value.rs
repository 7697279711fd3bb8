//! Functions that pick the value of another row.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_select::interleave::interleave;
use arrow_select::take::take;

use crate::column::scalar::Scalar;
use crate::exec::error::Result;
use crate::exec::eval::flatten;
use crate::exec::window::WindowFunction;

use super::Evaluate;
use super::frame::Frames;
use super::group::{Group, ValidRows};
use super::layout::{Arg, Call, constant_array};

/// The values that are picked from, in the order of the source.
pub(super) struct Values {
    array: ArrayRef,
    constant: bool,
}

impl Values {
    pub fn new(arg: &Arg, group: &Group) -> Result<Self> {
        Ok(match arg {
            Arg::Column(c) => Self { array: flatten(group.source(*c))?, constant: false },
            Arg::Constant(value, ty) => Self { array: constant_array(value, ty, 1)?, constant: true },
        })
    }

    /// Where the value of a row lies.
    fn place(&self, group: &Group, row: u32) -> u32 {
        if self.constant { 0 } else { group.source_row(row) }
    }

    /// Which rows have a value, if those without shall be left out.
    pub fn valid(&self, call: &Call, group: &Group) -> Result<Option<ValidRows>> {
        match &call.args[0] {
            Arg::Column(c) if call.ignore_nulls && self.array.logical_null_count() > 0 => {
                Ok(Some(ValidRows::new(&group.sorted(*c)?)))
            }
            Arg::Constant(value, ty) if call.ignore_nulls && value.is_null() => {
                Ok(Some(ValidRows::new(&constant_array(value, ty, group.rows())?)))
            }
            _ => Ok(None),
        }
    }

    /// The values of targets; beyond them the call's default, if it has one.
    pub fn pick(
        &self,
        call: &Call,
        group: &Group,
        rows: &Range<usize>,
        targets: Vec<Target>,
    ) -> Result<ArrayRef> {
        let default = match call.function {
            WindowFunction::Lag | WindowFunction::Lead => call.args.get(2),
            _ => None,
        };
        let Some(default) = default.filter(|a| !a.constant().is_some_and(Scalar::is_null)) else {
            let places = targets.into_iter().map(|t| match t {
                Target::Row(at) => Some(self.place(group, at)),
                Target::Beyond | Target::Unknown => None,
            });
            return Ok(take(&self.array, &places.collect::<UInt32Array>(), None)?);
        };
        let defaults = match default {
            Arg::Column(c) => flatten(&group.in_order(*c, rows.clone())?)?,
            Arg::Constant(value, ty) => constant_array(value, ty, rows.len())?,
        };
        let null = constant_array(&Scalar::Null, &call.ty, 1)?;
        let places: Vec<(usize, usize)> = targets
            .into_iter()
            .enumerate()
            .map(|(i, t)| match t {
                Target::Row(at) => (0, self.place(group, at) as usize),
                Target::Beyond => (1, i),
                Target::Unknown => (2, 0),
            })
            .collect();
        Ok(interleave(&[&*self.array, &*defaults, &*null], &places)?)
    }
}

/// A number for each row.
pub(super) enum Numbers {
    Constant(Option<i64>),
    Column(ArrayRef),
}

impl Numbers {
    pub fn new(arg: Option<&Arg>, otherwise: i64, group: &Group) -> Result<Self> {
        Ok(match arg {
            None => Self::Constant(Some(otherwise)),
            Some(Arg::Constant(Scalar::Int(n), _)) => Self::Constant(i64::try_from(*n).ok()),
            Some(Arg::Constant(..)) => Self::Constant(None),
            Some(Arg::Column(c)) => Self::Column(group.sorted(*c)?),
        })
    }

    #[inline]
    pub fn get(&self, row: usize) -> Option<i64> {
        match self {
            Self::Constant(n) => *n,
            Self::Column(array) => {
                let array = array.as_primitive::<Int64Type>();
                array.is_valid(row).then(|| array.value(row))
            }
        }
    }
}

/// `lag` and `lead`.
pub(super) struct Shift {
    values: Values,
    valid: Option<ValidRows>,
    offsets: Numbers,
}

/// Where a shift leads to.
pub(super) enum Target {
    Row(u32),
    /// There is no such row.
    Beyond,
    /// The offset is NULL.
    Unknown,
}

impl Shift {
    pub fn new(call: &Call, group: &Group) -> Result<Self> {
        let values = Values::new(&call.args[0], group)?;
        let valid = values.valid(call, group)?;
        Ok(Self { values, valid, offsets: Numbers::new(call.args.get(1), 1, group)? })
    }

    fn target(&self, row: usize, partition: &Range<usize>, back: bool) -> Target {
        let Some(offset) = self.offsets.get(row) else { return Target::Unknown };
        let back = back == (offset >= 0);
        let n = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
        let found = match &self.valid {
            _ if n == 0 => Some(row as u32),
            None if back => row.checked_sub(n).map(|at| at as u32),
            None => row.checked_add(n).and_then(|at| u32::try_from(at).ok()),
            Some(valid) if back => valid.before(row).checked_sub(n).and_then(|i| valid.place(i)),
            Some(valid) => valid.before(row + 1).checked_add(n - 1).and_then(|i| valid.place(i)),
        };
        match found {
            Some(at) if partition.contains(&(at as usize)) => Target::Row(at),
            _ => Target::Beyond,
        }
    }
}

impl Evaluate for Shift {
    fn evaluate(&self, call: &Call, group: &Group, rows: Range<usize>) -> Result<ArrayRef> {
        let back = matches!(call.function, WindowFunction::Lag);
        let mut targets = Vec::with_capacity(rows.len());
        for partition in group.partitions_of(&rows) {
            for row in rows.start.max(partition.start)..rows.end.min(partition.end) {
                targets.push(self.target(row, &partition, back));
            }
        }
        self.values.pick(call, group, &rows, targets)
    }

    fn size(&self) -> usize {
        self.valid.as_ref().map_or(0, ValidRows::size)
    }
}

/// `first_value`, `last_value` and `nth_value`.
pub(super) struct Pick {
    values: Values,
    valid: Option<ValidRows>,
    numbers: Numbers,
}

impl Pick {
    pub fn new(call: &Call, group: &Group) -> Result<Self> {
        let values = Values::new(&call.args[0], group)?;
        let valid = values.valid(call, group)?;
        Ok(Self { values, valid, numbers: Numbers::new(call.args.get(1), 1, group)? })
    }

    /// How many rows of a piece count.
    fn count(&self, piece: &Range<u32>) -> usize {
        match &self.valid {
            None => piece.len(),
            Some(valid) => valid.before(piece.end as usize) - valid.before(piece.start as usize),
        }
    }

    /// The `n`th row of a piece that counts; there are more than `n`.
    fn nth(&self, piece: &Range<u32>, n: usize) -> Option<u32> {
        match &self.valid {
            None => Some(piece.start + n as u32),
            Some(valid) => valid.place(valid.before(piece.start as usize) + n),
        }
    }
}

impl Evaluate for Pick {
    fn evaluate(&self, call: &Call, group: &Group, rows: Range<usize>) -> Result<ArrayRef> {
        let frames = Frames::new(call, group, &rows)?;
        let last = matches!(call.function, WindowFunction::Last);
        let pick = |i: usize| {
            let mut pieces = frames.pieces(i);
            let mut n = usize::try_from(self.numbers.get(rows.start + i)?.checked_sub(1)?).ok()?;
            if last {
                pieces.reverse();
            }
            for piece in &pieces {
                let count = self.count(piece);
                if n < count {
                    let n = if last { count - 1 - n } else { n };
                    return self.nth(piece, n).map(|row| self.values.place(group, row));
                }
                n -= count;
            }
            None
        };
        let places: UInt32Array = (0..rows.len()).map(pick).collect();
        Ok(take(&self.values.array, &places, None)?)
    }

    fn size(&self) -> usize {
        self.valid.as_ref().map_or(0, ValidRows::size)
    }
}
