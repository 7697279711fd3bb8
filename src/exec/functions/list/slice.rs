//! Parts of lists and texts from one place to another.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, new_null_array};

use super::{Gather, Lists};
use crate::exec::error::ExecError;
use crate::exec::functions::kernel::{Nulls, nulls_of};
use crate::exec::functions::{ScalarKernel, string};

/// The bound of a slice that is left out: from the first, to the last.
pub(crate) const FROM_START: i64 = i64::MIN;
/// The other.
pub(crate) const TO_END: i64 = i64::MAX;

/// The bounds of a slice, counted from 0 and half open.
fn slice_bounds(n: i64, begin: Option<i64>, end: Option<i64>) -> (i64, i64) {
    let begin = match begin {
        None => 0,
        Some(b) if b < 0 => (n + b).max(0),
        Some(b) => (b - 1).max(0),
    };
    let end = match end {
        None => n,
        Some(e) if e < 0 => n + e + 1,
        Some(e) => e.min(n),
    };
    (begin, end.max(begin))
}

/// The bounds and the step of slices: the arguments behind the first.
struct SliceBounds<'a> {
    args: &'a [ArrayRef],
    rows: usize,
}

impl SliceBounds<'_> {
    fn place(&self, i: usize, row: usize) -> usize {
        if self.args[i].len() == self.rows { row } else { 0 }
    }

    fn is_null(&self, row: usize) -> bool {
        (1..self.args.len()).any(|i| self.args[i].is_null(self.place(i, row)))
    }

    fn value(&self, i: usize, row: usize) -> i64 {
        self.args[i].as_primitive::<Int64Type>().value(self.place(i, row))
    }

    /// A bound, if it is not left out.
    fn get(&self, i: usize, row: usize) -> Option<i64> {
        Some(self.value(i, row)).filter(|v| *v != if i == 1 { FROM_START } else { TO_END })
    }
}

/// `list_slice`, with or without a step.
pub(super) fn slice_kernel(step: bool) -> ScalarKernel {
    Box::new(move |args, ty, rows, context| {
        let lists = Lists::open(args, 0, rows)?;
        let bounds = SliceBounds { args, rows };
        let mut out = Gather::new(rows, context);
        for row in 0..rows {
            if lists.is_null(row) || bounds.is_null(row) {
                out.end(false)?;
                continue;
            }
            let range = lists.range(row);
            let by = if step { bounds.value(3, row) } else { 1 };
            let (mut low, mut high) = (bounds.get(1, row), bounds.get(2, row));
            if by < 0 {
                // A step back goes from the first bound down to the second.
                (low, high) = (high, low);
            }
            let (from, to) = slice_bounds(range.len() as i64, low, high);
            let to = to.min(range.len() as i64);
            let mut picked: Vec<i64> = match by {
                0 => return Err(ExecError::InvalidInput("Slice step cannot be zero".into())),
                b if b > 0 => (from..to).step_by(b as usize).collect(),
                b => (from..to).rev().step_by(b.unsigned_abs() as usize).collect(),
            };
            out.places.extend(picked.drain(..).map(|i| Some(range.start as u32 + i as u32)));
            out.end(true)?;
        }
        out.finish(lists.values(), ty)
    })
}

/// `array_slice` of a text.
pub(super) fn text_slice_kernel() -> ScalarKernel {
    Box::new(|args, ty, rows, _| {
        if let Nulls::All = nulls_of(&args[..1], rows) {
            return Ok(new_null_array(&ty.arrow(), rows));
        }
        let strings = args[0].as_string_view();
        let bounds = SliceBounds { args, rows };
        let mut out = StringViewBuilder::with_capacity(rows);
        for row in 0..rows {
            let at = if strings.len() == rows { row } else { 0 };
            if strings.is_null(at) || bounds.is_null(row) {
                out.append_null();
                continue;
            }
            let s = strings.value(at);
            let (from, to) = slice_bounds(s.chars().count() as i64, bounds.get(1, row), bounds.get(2, row));
            out.try_append_value(string::part(s, from, to - from))?;
        }
        Ok(Arc::new(out.finish()))
    })
}
