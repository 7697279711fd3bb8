//! A segment tree of aggregate states: combines the rows of any frame from few of them.
//!
//! After Leis, Kundhikanjana, Kemper and Neumann, "Efficient Processing of Window Functions in Analytical SQL
//! Queries". Level 0 are the rows themselves; a node of a level above is the state of [`FANOUT`] below. A frame is a
//! run of nodes, with shorter runs of lower levels on both sides; they are combined from left to right.

use std::ops::Range;

use arrow_array::ArrayRef;

use crate::exec::aggregates::{AggregateFunction, GroupStates};
use crate::exec::error::Result;

const FANOUT: u32 = 16;

/// The tree over the rows of some arguments.
pub(super) struct Tree {
    args: Vec<ArrayRef>,
    /// The states of each level, from level 1 up.
    levels: Vec<Box<dyn GroupStates>>,
}

impl Tree {
    /// The tree, or `None` if the aggregate's states cannot be combined without taking them apart.
    pub fn new(function: &AggregateFunction, args: &[ArrayRef], rows: usize) -> Result<Option<Self>> {
        let mut below = rows as u32;
        let mut levels: Vec<Box<dyn GroupStates>> = vec![];
        loop {
            // With as many nodes a level above would save nothing.
            if below <= 2 * FANOUT && !levels.is_empty() {
                break;
            }
            let nodes: Vec<Range<u32>> =
                (0..below.div_ceil(FANOUT)).map(|i| i * FANOUT..below.min((i + 1) * FANOUT)).collect();
            let mut states = (function.new_states)();
            states.resize(nodes.len());
            match levels.last() {
                None => {
                    if !states.merge_ranges(&*(function.new_states)(), &[])? {
                        return Ok(None);
                    }
                    states.update_ranges(args, &nodes)?;
                }
                Some(lower) => {
                    states.merge_ranges(&**lower, &nodes)?;
                }
            }
            below = nodes.len() as u32;
            levels.push(states);
        }
        Ok(Some(Self { args: args.to_vec(), levels }))
    }

    /// Adds the rows of frame `i` to group `i` of `states`, for every `i`.
    pub fn query(&self, states: &mut dyn GroupStates, frames: &[Range<u32>]) -> Result<()> {
        let mut frames = frames.to_vec();
        let mut right: Vec<Vec<Range<u32>>> = vec![];
        // What is left of each frame, in nodes of the level; empty when it is done.
        for level in 0..=self.levels.len() {
            let is_top = level == self.levels.len();
            let mut behind = Vec::with_capacity(frames.len());
            let mut here = Vec::with_capacity(frames.len());
            let mut more = false;
            for frame in &mut frames {
                let Range { start, end } = *frame;
                if is_top || end - start <= 2 * FANOUT {
                    here.push(start..end);
                    behind.push(end..end);
                    *frame = 0..0;
                    continue;
                }
                let (first, last) = (start.div_ceil(FANOUT), end / FANOUT);
                here.push(start..first * FANOUT);
                behind.push(last * FANOUT..end);
                *frame = first..last;
                more = true;
            }
            self.add(states, level, &here)?;
            right.push(behind);
            if !more {
                break;
            }
        }
        for (level, ranges) in right.iter().enumerate().rev() {
            self.add(states, level, ranges)?;
        }
        Ok(())
    }

    fn add(&self, states: &mut dyn GroupStates, level: usize, ranges: &[Range<u32>]) -> Result<()> {
        match level.checked_sub(1) {
            None => states.update_ranges(&self.args, ranges),
            Some(level) => states.merge_ranges(&*self.levels[level], ranges).map(|_| ()),
        }
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        self.levels.iter().map(|l| l.size()).sum()
    }
}
