//! States of a fixed size, one struct a group, over one or two primitive arguments.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow_buffer::NullBuffer;

use super::{GroupStates, each_of};
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};

/// What one value does to the state of one group.
pub(crate) trait Accumulate: Clone + Default + Send + Sync + 'static {
    /// The layout of the argument.
    type Input: ArrowPrimitiveType;

    /// Whether values may be added in another order, to states of their own that are merged then.
    const UNORDERED: bool = false;

    /// Adds a value.
    fn add(&mut self, v: <Self::Input as ArrowPrimitiveType>::Native);

    /// Adds many values; override where one loop over them can be made faster.
    fn add_slice(&mut self, values: &[<Self::Input as ArrowPrimitiveType>::Native]) {
        for v in values {
            self.add(*v);
        }
    }

    /// Adds values where `valid`; override where masking beats branching.
    fn add_masked(&mut self, values: &[<Self::Input as ArrowPrimitiveType>::Native], valid: &NullBuffer) {
        for i in valid.valid_indices() {
            self.add(values[i]);
        }
    }

    /// Adds the state of later rows.
    fn merge(&mut self, other: &Self);

    /// Adds rows to the states of at most [`FEW_GROUPS`] groups, if [`Accumulate::UNORDERED`].
    fn add_few(states: &mut [Self], values: &[<Self::Input as ArrowPrimitiveType>::Native], groups: &[u32]) {
        update_few(states, values, groups);
    }

    /// The results, in the layout of `ty`.
    fn finish(states: &[Self], ty: &LogicalType) -> Result<ArrayRef>;

    /// See [`GroupStates::finish_from`].
    fn finish_from(_other: &dyn Any, _ty: &LogicalType) -> Option<Result<ArrayRef>> {
        None
    }
}

/// The states of all groups.
pub(crate) struct Fixed<S> {
    states: Vec<S>,
    ty: LogicalType,
}

/// With so few groups a row often waits for the row before it to be added to the same state.
pub(super) const FEW_GROUPS: usize = 8;
/// Neighbouring rows that are added to states of their own then.
pub(super) const LANES: usize = 4;
/// Rows for which that pays.
const LANES_MIN_ROWS: usize = 256;

/// Adds rows to the states of few groups, neighbouring rows each to a copy of its own.
pub(super) fn update_few<S: Accumulate>(
    states: &mut [S],
    values: &[<S::Input as ArrowPrimitiveType>::Native],
    groups: &[u32],
) {
    let mut lanes: [[S; FEW_GROUPS]; LANES] = std::array::from_fn(|_| std::array::from_fn(|_| S::default()));
    let (values, last_values) = values.as_chunks::<LANES>();
    let (groups, last_groups) = groups.as_chunks::<LANES>();
    for (values, groups) in values.iter().zip(groups) {
        for ((lane, v), g) in lanes.iter_mut().zip(values).zip(groups) {
            lane[*g as usize % FEW_GROUPS].add(*v);
        }
    }
    for (v, g) in last_values.iter().zip(last_groups) {
        states[*g as usize].add(*v);
    }
    for lane in &lanes {
        states.iter_mut().zip(lane).for_each(|(state, own)| state.merge(own));
    }
}

impl<S: Accumulate> Fixed<S> {
    pub fn new(ty: LogicalType) -> Self {
        Self { states: vec![], ty }
    }

    /// A maker of states for an `AggregateFunction`.
    pub fn maker(ty: LogicalType) -> Box<dyn Fn() -> Box<dyn GroupStates> + Send + Sync> {
        Box::new(move || Box::new(Self::new(ty.clone())))
    }

    /// The states of all groups.
    pub fn states(&self) -> &[S] {
        &self.states
    }
}

/// The other states of a merge.
pub(crate) fn same<T: 'static>(other: &mut dyn GroupStates) -> Result<&mut T> {
    other
        .as_any_mut()
        .downcast_mut()
        .ok_or_else(|| ExecError::Internal("states of different aggregates were merged".into()))
}

/// The other states of a merge that leaves them as they are.
pub(crate) fn like<T: 'static>(other: &dyn GroupStates) -> Result<&T> {
    let other: &dyn Any = other;
    other
        .downcast_ref()
        .ok_or_else(|| ExecError::Internal("states of different aggregates were merged".into()))
}

/// Fills `states` with running states: see [`GroupStates::update_running`]. `add` adds a row to a state.
pub(crate) fn run<S: Clone + Default>(
    states: &mut Vec<S>,
    rows: usize,
    starts: &[u32],
    mut add: impl FnMut(&mut S, usize),
) {
    let mut state = states.first().cloned().unwrap_or_default();
    states.clear();
    states.reserve(rows);
    let mut starts = starts.iter().map(|s| *s as usize).peekable();
    for row in 0..rows {
        if starts.next_if_eq(&row).is_some() {
            state = S::default();
        }
        add(&mut state, row);
        states.push(state.clone());
    }
}

/// An argument as an array of a primitive type.
pub(crate) fn values_of<T: ArrowPrimitiveType>(args: &[ArrayRef], i: usize) -> Result<&PrimitiveArray<T>> {
    args.get(i).and_then(|a| a.as_primitive_opt::<T>()).ok_or_else(|| {
        ExecError::Internal(format!(
            "argument {i} of an aggregate came as {:?}",
            args.get(i).map(|a| a.data_type().clone())
        ))
    })
}

/// Where there are NULLs at all.
pub(crate) fn some_nulls(array: &dyn Array) -> Option<&NullBuffer> {
    array.nulls().filter(|n| n.null_count() > 0)
}

impl<S: Accumulate> GroupStates for Fixed<S> {
    fn resize(&mut self, groups: usize) {
        if groups > self.states.len() {
            self.states.resize(groups, S::default());
        }
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let array = values_of::<S::Input>(args, 0)?;
        let values = &array.values()[..groups.len()];
        let states = &mut self.states[..];
        match some_nulls(array) {
            None if S::UNORDERED && states.len() <= FEW_GROUPS && groups.len() >= LANES_MIN_ROWS => {
                S::add_few(states, values, groups);
            }
            None => {
                for (v, g) in values.iter().zip(groups) {
                    states[*g as usize].add(*v);
                }
            }
            Some(nulls) => {
                for i in nulls.valid_indices() {
                    states[groups[i] as usize].add(values[i]);
                }
            }
        }
        Ok(())
    }

    fn update_single(&mut self, args: &[ArrayRef], rows: usize) -> Result<()> {
        self.resize(1);
        let array = values_of::<S::Input>(args, 0)?;
        let values = &array.values()[..rows];
        match some_nulls(array) {
            None => self.states[0].add_slice(values),
            Some(nulls) => self.states[0].add_masked(values, nulls),
        }
        Ok(())
    }

    fn merge(&mut self, other: &mut dyn GroupStates, from: &[u32], to: &[u32]) -> Result<()> {
        let other = same::<Self>(other)?;
        for (f, t) in from.iter().zip(to) {
            self.states[*t as usize].merge(&other.states[*f as usize]);
        }
        Ok(())
    }

    fn update_ranges(&mut self, args: &[ArrayRef], ranges: &[Range<u32>]) -> Result<()> {
        let array = values_of::<S::Input>(args, 0)?;
        let values = array.values();
        let bounds = |r: &Range<u32>| r.start as usize..r.end as usize;
        match some_nulls(array) {
            None => {
                for (state, range) in self.states.iter_mut().zip(ranges) {
                    state.add_slice(&values[bounds(range)]);
                }
            }
            Some(nulls) => {
                for (state, range) in self.states.iter_mut().zip(ranges) {
                    let range = bounds(range);
                    if range.len() >= 64 {
                        state.add_masked(&values[range.clone()], &nulls.slice(range.start, range.len()));
                        continue;
                    }
                    for i in range {
                        if nulls.is_valid(i) {
                            state.add(values[i]);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn merge_ranges(&mut self, other: &dyn GroupStates, ranges: &[Range<u32>]) -> Result<bool> {
        let other = like::<Self>(other)?;
        for (state, range) in self.states.iter_mut().zip(ranges) {
            for from in &other.states[range.start as usize..range.end as usize] {
                state.merge(from);
            }
        }
        Ok(true)
    }

    fn update_running(&mut self, args: &[ArrayRef], rows: usize, starts: &[u32]) -> Result<bool> {
        let array = values_of::<S::Input>(args, 0)?;
        let values = &array.values()[..rows];
        let nulls = some_nulls(array);
        run(&mut self.states, rows, starts, |state, i| {
            if nulls.is_none_or(|n| n.is_valid(i)) {
                state.add(values[i]);
            }
        });
        Ok(true)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        S::finish(&self.states, &self.ty)
    }

    fn finish_from(&self, other: &dyn GroupStates) -> Option<Result<ArrayRef>> {
        S::finish_from(other, &self.ty)
    }

    fn size(&self) -> usize {
        self.states.capacity() * size_of::<S>()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// What a pair of values does to the state of one group; pairs with a NULL are left out.
pub(crate) trait AccumulatePair: Clone + Default + Send + Sync + 'static {
    /// The layout of the first argument.
    type First: ArrowPrimitiveType;
    /// The layout of the second argument.
    type Second: ArrowPrimitiveType;

    /// Adds a pair.
    fn add(
        &mut self,
        a: <Self::First as ArrowPrimitiveType>::Native,
        b: <Self::Second as ArrowPrimitiveType>::Native,
    );

    /// Adds the state of later rows.
    fn merge(&mut self, other: &Self);

    /// The results, in the layout of `ty`.
    fn finish(states: &[Self], ty: &LogicalType) -> Result<ArrayRef>;
}

/// The states of all groups.
pub(crate) struct FixedPair<S> {
    states: Vec<S>,
    ty: LogicalType,
}

impl<S: AccumulatePair> FixedPair<S> {
    /// A maker of states for an `AggregateFunction`.
    pub fn maker(ty: LogicalType) -> Box<dyn Fn() -> Box<dyn GroupStates> + Send + Sync> {
        Box::new(move || Box::new(Self { states: vec![], ty: ty.clone() }))
    }

    fn each(&mut self, args: &[ArrayRef], rows: usize, group: impl Fn(usize) -> usize) -> Result<()> {
        let (a, b) = (values_of::<S::First>(args, 0)?, values_of::<S::Second>(args, 1)?);
        let nulls = NullBuffer::union(a.nulls(), b.nulls()).filter(|n| n.null_count() > 0);
        let (a, b) = (&a.values()[..rows], &b.values()[..rows]);
        match nulls {
            None => (0..rows).for_each(|i| self.states[group(i)].add(a[i], b[i])),
            Some(n) => n.valid_indices().for_each(|i| self.states[group(i)].add(a[i], b[i])),
        }
        Ok(())
    }
}

impl<S: AccumulatePair> GroupStates for FixedPair<S> {
    fn resize(&mut self, groups: usize) {
        if groups > self.states.len() {
            self.states.resize(groups, S::default());
        }
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.each(args, groups.len(), |i| groups[i] as usize)
    }

    fn update_single(&mut self, args: &[ArrayRef], rows: usize) -> Result<()> {
        self.resize(1);
        self.each(args, rows, |_| 0)
    }

    fn merge(&mut self, other: &mut dyn GroupStates, from: &[u32], to: &[u32]) -> Result<()> {
        let other = same::<Self>(other)?;
        for (f, t) in from.iter().zip(to) {
            self.states[*t as usize].merge(&other.states[*f as usize]);
        }
        Ok(())
    }

    fn update_ranges(&mut self, args: &[ArrayRef], ranges: &[Range<u32>]) -> Result<()> {
        let (a, b) = (values_of::<S::First>(args, 0)?, values_of::<S::Second>(args, 1)?);
        each_of(ranges, |group, row| {
            if a.is_valid(row) && b.is_valid(row) {
                self.states[group].add(a.value(row), b.value(row));
            }
        });
        Ok(())
    }

    fn merge_ranges(&mut self, other: &dyn GroupStates, ranges: &[Range<u32>]) -> Result<bool> {
        let other = like::<Self>(other)?;
        each_of(ranges, |group, from| self.states[group].merge(&other.states[from]));
        Ok(true)
    }

    fn update_running(&mut self, args: &[ArrayRef], rows: usize, starts: &[u32]) -> Result<bool> {
        let (a, b) = (values_of::<S::First>(args, 0)?, values_of::<S::Second>(args, 1)?);
        run(&mut self.states, rows, starts, |state, row| {
            if a.is_valid(row) && b.is_valid(row) {
                state.add(a.value(row), b.value(row));
            }
        });
        Ok(true)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        S::finish(&self.states, &self.ty)
    }

    fn size(&self) -> usize {
        self.states.capacity() * size_of::<S>()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// A result column from optional values.
pub(crate) fn collect<T: ArrowPrimitiveType>(
    values: impl Iterator<Item = Option<T::Native>>,
    ty: &LogicalType,
) -> ArrayRef {
    Arc::new(values.collect::<PrimitiveArray<T>>().with_data_type(ty.arrow()))
}
