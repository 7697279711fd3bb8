//! `count(*)` and `count(x)`.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};

use super::fixed::{FEW_GROUPS, LANES, like, run, same};
use super::{GroupStates, each_of};
use crate::exec::error::Result;

/// Rows per group; with an argument, rows where it is not NULL.
#[derive(Default)]
pub(super) struct Count {
    counts: Vec<i64>,
}

impl GroupStates for Count {
    fn resize(&mut self, groups: usize) {
        if groups > self.counts.len() {
            self.counts.resize(groups, 0);
        }
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let counts = &mut self.counts[..];
        match args.first().and_then(arrow_array::Array::logical_nulls).filter(|n| n.null_count() > 0) {
            None if counts.len() <= FEW_GROUPS => {
                // Neighbouring rows in counters of their own, so that none waits for the one before it.
                let mut lanes = [[0; FEW_GROUPS]; LANES];
                let (whole, rest) = groups.as_chunks::<LANES>();
                for groups in whole {
                    lanes.iter_mut().zip(groups).for_each(|(lane, g)| lane[*g as usize % FEW_GROUPS] += 1);
                }
                rest.iter().for_each(|g| counts[*g as usize] += 1);
                for lane in lanes {
                    counts.iter_mut().zip(lane).for_each(|(count, own)| *count += own);
                }
            }
            None => groups.iter().for_each(|g| counts[*g as usize] += 1),
            Some(nulls) => {
                nulls.valid_indices().for_each(|i| counts[groups[i] as usize] += 1);
            }
        }
        Ok(())
    }

    fn update_repeated(&mut self, args: &[ArrayRef], groups: &[u32], times: &[u16]) -> Result<bool> {
        let nulls = args.first().and_then(arrow_array::Array::logical_nulls).filter(|n| n.null_count() > 0);
        for (row, (group, times)) in groups.iter().zip(times).enumerate() {
            if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                self.counts[*group as usize] += i64::from(*times);
            }
        }
        Ok(true)
    }

    fn update_single(&mut self, args: &[ArrayRef], rows: usize) -> Result<()> {
        self.resize(1);
        let nulls = args.first().map_or(0, arrow_array::Array::logical_null_count);
        self.counts[0] += (rows - nulls) as i64;
        Ok(())
    }

    fn merge(&mut self, other: &mut dyn GroupStates, from: &[u32], to: &[u32]) -> Result<()> {
        let other = same::<Self>(other)?;
        for (f, t) in from.iter().zip(to) {
            self.counts[*t as usize] += other.counts[*f as usize];
        }
        Ok(())
    }

    fn update_ranges(&mut self, args: &[ArrayRef], ranges: &[Range<u32>]) -> Result<()> {
        let nulls = args.first().and_then(arrow_array::Array::logical_nulls).filter(|n| n.null_count() > 0);
        for (count, range) in self.counts.iter_mut().zip(ranges) {
            let rows = range.len();
            let nulls = nulls.as_ref().map_or(0, |n| n.slice(range.start as usize, rows).null_count());
            *count += (rows - nulls) as i64;
        }
        Ok(())
    }

    fn merge_ranges(&mut self, other: &dyn GroupStates, ranges: &[Range<u32>]) -> Result<bool> {
        let other = like::<Self>(other)?;
        each_of(ranges, |group, from| self.counts[group] += other.counts[from]);
        Ok(true)
    }

    fn update_running(&mut self, args: &[ArrayRef], rows: usize, starts: &[u32]) -> Result<bool> {
        let nulls = args.first().and_then(arrow_array::Array::logical_nulls).filter(|n| n.null_count() > 0);
        run(&mut self.counts, rows, starts, |count, row| {
            *count += i64::from(nulls.as_ref().is_none_or(|n| n.is_valid(row)));
        });
        Ok(true)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::from(std::mem::take(&mut self.counts))))
    }

    fn size(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
