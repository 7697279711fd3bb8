//! Any few groups, where no more are asked for: `… GROUP BY k LIMIT 10`, `SELECT DISTINCT k … LIMIT 10`.

use std::sync::atomic::{AtomicU8, Ordering};

use arrow_array::{ArrayRef, BooleanArray};
use parking_lot::RwLock;

use crate::column::types::LogicalType;
use crate::exec::error::Result;
use crate::exec::expr::Expr;
use crate::exec::operators::groups::{FindCache, GroupTable, group_table};

/// More groups than this are not looked for: a table of their own costs more than it saves.
pub(super) const MOST: u64 = 1 << 12;
/// Rows after which it is given up: there may be fewer groups than are asked for.
const TRIAL_ROWS: usize = 1 << 16;

/// Not all groups that are asked for are known yet; every row belongs to one of them.
const LOOKING: u8 = 0;
/// They are known; rows of others are left out.
const KNOWN: u8 = 1;
/// All groups are kept.
const GIVEN_UP: u8 = 2;

/// The groups of an aggregation that its workers keep, shared by them: those that any of them saw first.
pub(super) struct FirstGroups {
    most: usize,
    state: AtomicU8,
    found: RwLock<Found>,
}

struct Found {
    /// Groups of numbers from `most` on are not kept.
    table: Box<dyn GroupTable>,
    rows: usize,
}

/// Which rows of a batch belong to groups that are kept.
pub(super) enum Kept {
    All,
    Some(BooleanArray),
}

impl FirstGroups {
    /// None yet; `most` are asked for.
    pub fn new(keys: &[Expr], most: usize) -> Result<Self> {
        let types: Vec<LogicalType> = keys.iter().map(Expr::ty).collect();
        let found = Found { table: group_table(&types)?, rows: 0 };
        Ok(Self { most, state: AtomicU8::new(LOOKING), found: RwLock::new(found) })
    }

    /// Whether rows of other groups are left out. If there is nothing to compute of a group's rows, no further ones are
    /// needed then.
    pub fn are_known(&self) -> bool {
        self.state.load(Ordering::Acquire) == KNOWN
    }

    /// The rows with these keys whose groups are kept. `cache` is the worker's.
    pub fn keep(
        &self,
        keys: &[ArrayRef],
        rows: usize,
        ids: &mut Vec<u32>,
        cache: &mut FindCache,
    ) -> Result<Kept> {
        if self.state.load(Ordering::Acquire) == LOOKING {
            let mut found = self.found.write();
            // Another worker may have found the last ones meanwhile.
            if self.state.load(Ordering::Acquire) == LOOKING {
                found.table.intern(keys, rows, ids)?;
                found.rows += rows;
                if found.table.len() >= self.most {
                    self.state.store(KNOWN, Ordering::Release);
                    return Ok(self.mask(ids));
                }
                if found.rows >= TRIAL_ROWS {
                    // No row was left out so far.
                    self.state.store(GIVEN_UP, Ordering::Release);
                }
                return Ok(Kept::All);
            }
        }
        if !self.are_known() {
            return Ok(Kept::All);
        }
        self.found.read().table.find(keys, rows, ids, cache)?;
        Ok(self.mask(ids))
    }

    fn mask(&self, ids: &[u32]) -> Kept {
        let most = self.most;
        // The number of a group that was not found is greater than all.
        let mask: BooleanArray = ids.iter().map(|&id| Some((id as usize) < most)).collect();
        if mask.true_count() == ids.len() { Kept::All } else { Kept::Some(mask) }
    }
}
