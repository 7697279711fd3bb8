//! Aggregate functions: binding by name and argument types, and vectorized states.
//!
//! The states of one aggregate for all groups lie one after another ([`GroupStates`]). Most aggregates
//! over numbers are written as an `Accumulate` of `fixed`: what one value does to one state.

mod collected;
mod count;
mod distinct;
mod ema;
mod fixed;
mod gather;
mod lttb;
mod minmax;
mod moments;
mod pick;
mod quantile;
mod range_histogram;
mod registry;
mod regression;
mod sum;
mod t_digest;
mod values;
mod variants;

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, UInt32Array};

pub(crate) use collected::other_bin;
pub use registry::{catalog, is_aggregate};
pub(crate) use sum::average;

use crate::column::types::LogicalType;
use crate::exec::error::Result;
use crate::exec::functions::{ArgInfo, BindError};

/// An aggregate function for particular argument types.
pub struct AggregateFunction {
    /// The name, in lower case.
    pub name: &'static str,
    /// The types to cast the arguments to.
    pub arg_types: Vec<LogicalType>,
    /// The type of the result.
    pub return_type: LogicalType,
    /// The result depends on the order of rows (`first`, `list`, `string_agg`).
    pub order_sensitive: bool,
    /// Makes the states of any number of groups.
    pub new_states: Box<dyn Fn() -> Box<dyn GroupStates> + Send + Sync>,
}

impl fmt::Debug for AggregateFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Chooses the aggregate `name` (in any case; `count_star` and `count` without arguments are `count(*)`) for
/// these arguments. With `distinct` the function is told that every value comes once, which lets
/// some choose simpler states; the caller removes the duplicates.
pub fn bind_aggregate(
    name: &str,
    args: &[ArgInfo],
    distinct: bool,
) -> Result<Arc<AggregateFunction>, BindError> {
    registry::bind(name, args, distinct)
}

/// The states of one aggregate for groups `0 .. len`, one after another in memory: no per-group
/// allocation where the state has a fixed size.
pub trait GroupStates: Any + Send + Sync {
    /// Makes room for groups up to `groups`; new ones are empty.
    fn resize(&mut self, groups: usize);

    /// Adds row `i` of the arguments to group `groups[i]`. Arguments have the layout of the function's
    /// `arg_types`; none for `count(*)`.
    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) -> Result<()>;

    /// The same as [`GroupStates::update`] for rows of which each came `times[i]` times. Returns whether it could.
    fn update_repeated(&mut self, _args: &[ArrayRef], _groups: &[u32], _times: &[u16]) -> Result<bool> {
        Ok(false)
    }

    /// Adds all rows to group 0. The fast path of an ungrouped aggregate.
    fn update_single(&mut self, args: &[ArrayRef], rows: usize) -> Result<()>;

    /// Adds group `from[i]` of `other` to group `to[i]` of this, for every `i`; groups of `other` that are not in
    /// `from` stay out, so that states can be merged partition by partition. No group occurs twice in `from`.
    /// `other` is of the same kind and holds *later* rows; what is taken out of it need not be left in it.
    fn merge(&mut self, other: &mut dyn GroupStates, from: &[u32], to: &[u32]) -> Result<()>;

    /// Adds rows `ranges[i]` of the arguments to group `i`, for every `i`: frames of a window, which may overlap.
    fn update_ranges(&mut self, args: &[ArrayRef], ranges: &[Range<u32>]) -> Result<()> {
        let mut groups = vec![];
        each_of(ranges, |group, _| groups.push(group as u32));
        let rows: UInt32Array = ranges.iter().cloned().flatten().collect::<Vec<u32>>().into();
        let args = args.iter().map(|a| arrow_select::take::take(a, &rows, None));
        self.update(&args.collect::<Result<Vec<_>, _>>()?, &groups)
    }

    /// Adds groups `ranges[i]` of `other`, in order, to group `i`, for every `i`; `other` stays as it is. Returns
    /// whether it could: `false` of an aggregate whose states are too large to be copied.
    fn merge_ranges(&mut self, _other: &dyn GroupStates, _ranges: &[Range<u32>]) -> Result<bool> {
        Ok(false)
    }

    /// Makes group `i`, for each of `rows` rows, the state of row `i` and all before it, back to the last of
    /// `starts`, which ascend. What group 0 holds before counts as rows before row 0. Returns whether it could.
    fn update_running(&mut self, _args: &[ArrayRef], _rows: usize, _starts: &[u32]) -> Result<bool> {
        Ok(false)
    }

    /// The results of all groups, in order, in the layout of the function's `return_type`.
    fn finish(&mut self) -> Result<ArrayRef>;

    /// The same results from the states of another aggregate over the same rows, if those hold all that these would:
    /// `avg` from those of `sum`.
    fn finish_from(&self, _other: &dyn GroupStates) -> Option<Result<ArrayRef>> {
        None
    }

    /// Bytes held, for memory accounting.
    fn size(&self) -> usize;

    /// For `merge`: the concrete type behind `other`.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

/// Calls `f` with each range's number and each of its members.
fn each_of(ranges: &[Range<u32>], mut f: impl FnMut(usize, usize)) {
    for (group, range) in ranges.iter().enumerate() {
        range.clone().for_each(|member| f(group, member as usize));
    }
}

#[cfg(test)]
mod tests;
