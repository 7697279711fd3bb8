//! The rows of a table in the order of a key.
//!
//! The indexes of the row groups are merged: each that the range touches has one block open, once the merge has come to
//! its least key. So memory does not grow with the rows, only with the row groups that overlap.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Bound;
use std::sync::Arc;

use arrow_buffer::BooleanBuffer;

use crate::catalog::ColumnId;
use crate::table::error::Result;
use crate::table::keys;
use crate::table::keys::index::KeyIndex;
use crate::table::keys::lookup::Block;
use crate::table::snapshot::TableSnapshot;

/// The bounds of keys, as they are encoded.
pub type KeyRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Numbers of rows whose keys are in a range, in the order of the keys. Rows with NULL in the key are not there.
#[derive(Debug)]
pub struct KeyCursor {
    table: Arc<TableSnapshot>,
    range: KeyRange,
    reverse: bool,
    /// Row groups that are not open yet, with the key at which they begin; the first comes last.
    waiting: Vec<(Vec<u8>, usize, Arc<KeyIndex>)>,
    open: BinaryHeap<Head>,
    /// The key of the row that was given out last.
    given_out: Vec<u8>,
}

/// A row group that is being read, and its next key.
#[derive(Debug)]
struct Head {
    key: Vec<u8>,
    row: u64,
    reverse: bool,
    group: usize,
    index: Arc<KeyIndex>,
    block: Block,
    /// The number of the block, and the place of the key in it.
    at: (usize, usize),
    deletes: Option<BooleanBuffer>,
}

impl Ord for Head {
    /// The greatest is the next to be given out.
    fn cmp(&self, other: &Self) -> Ordering {
        let order = self.key.cmp(&other.key).then(self.row.cmp(&other.row));
        if self.reverse { order } else { order.reverse() }
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

fn is_below(bound: &Bound<Vec<u8>>, key: &[u8]) -> bool {
    match bound {
        Bound::Included(bound) => key < &bound[..],
        Bound::Excluded(bound) => key <= &bound[..],
        Bound::Unbounded => false,
    }
}

fn is_above(bound: &Bound<Vec<u8>>, key: &[u8]) -> bool {
    match bound {
        Bound::Included(bound) => key > &bound[..],
        Bound::Excluded(bound) => key >= &bound[..],
        Bound::Unbounded => false,
    }
}

impl KeyCursor {
    /// Rows of a table by a key, in the order of the key or against it.
    ///
    /// # Errors
    /// The table has no such columns, or reading it failed.
    pub fn new(table: Arc<TableSnapshot>, key: &[ColumnId], range: KeyRange, reverse: bool) -> Result<Self> {
        let mut waiting = vec![];
        for (at, group) in table.row_groups()?.iter().enumerate() {
            let index = match group.key_index(key)? {
                Some(index) => index,
                // It was written before its table had the key.
                None => match keys::build(key, |id| group.read_column_of(id))? {
                    Some(index) => Arc::new(index),
                    None => continue,
                },
            };
            let Some((least, greatest)) = index.bounds() else { continue };
            if is_below(&range.0, greatest) || is_above(&range.1, least) {
                continue;
            }
            let start = if reverse { greatest.to_vec() } else { least.to_vec() };
            waiting.push((start, at, index));
        }
        waiting.sort_by(|a, b| if reverse { a.0.cmp(&b.0) } else { b.0.cmp(&a.0) });
        Ok(Self { table, range, reverse, waiting, open: BinaryHeap::new(), given_out: vec![] })
    }

    /// The table that it reads.
    pub fn table(&self) -> &Arc<TableSnapshot> {
        &self.table
    }

    /// The key of the last row, as it is encoded.
    pub fn key(&self) -> &[u8] {
        &self.given_out
    }

    /// The next row.
    ///
    /// # Errors
    /// Reading failed.
    pub fn next_row(&mut self) -> Result<Option<u64>> {
        while let Some((start, ..)) = self.waiting.last() {
            let comes_later = |head: &Head| if self.reverse { *start < head.key } else { *start > head.key };
            if self.open.peek().is_some_and(comes_later) {
                break;
            }
            if let Some((_, group, index)) = self.waiting.pop()
                && let Some(head) = self.open_group(group, index)?
            {
                self.open.push(head);
            }
        }
        let Some(mut head) = self.open.pop() else {
            self.table.check_readable()?;
            return Ok(None);
        };
        let row = head.row;
        std::mem::swap(&mut self.given_out, &mut head.key);
        if self.advance(&mut head, true)? {
            self.open.push(head);
        }
        self.table.check_readable()?;
        Ok(Some(row))
    }

    /// A row group at its first key in the range, if it has any.
    fn open_group(&self, group: usize, index: Arc<KeyIndex>) -> Result<Option<Head>> {
        let row_group = &self.table.row_groups()?[group];
        let edge = if self.reverse { &self.range.1 } else { &self.range.0 };
        let number = match edge {
            Bound::Included(key) => index.seek(key, self.reverse),
            Bound::Excluded(key) => index.seek(key, !self.reverse),
            Bound::Unbounded if self.reverse => index.blocks() - 1,
            Bound::Unbounded => 0,
        };
        let block = row_group.key_block(&index, number)?;
        let at = match edge {
            Bound::Included(key) => block.from(key, self.reverse),
            Bound::Excluded(key) => block.from(key, !self.reverse),
            Bound::Unbounded if self.reverse => block.len(),
            Bound::Unbounded => 0,
        };
        let deletes = row_group.deletes()?;
        let (key, reverse) = (vec![], self.reverse);
        let mut head = Head { key, row: 0, reverse, group, index, block, at: (number, at), deletes };
        Ok(self.advance(&mut head, false)?.then_some(head))
    }

    /// Goes to the next row that is not deleted, from the place `at`, which is behind the last one in the direction of
    /// the cursor unless it was given out. Returns whether there is one in the range.
    fn advance(&self, head: &mut Head, given_out: bool) -> Result<bool> {
        let row_group = &self.table.row_groups()?[head.group];
        if given_out && !self.reverse {
            head.at.1 += 1;
        }
        loop {
            let (number, at) = head.at;
            if self.reverse && at == 0 {
                if number == 0 {
                    return Ok(false);
                }
                head.block = row_group.key_block(&head.index, number - 1)?;
                head.at = (number - 1, head.block.len());
                continue;
            }
            if !self.reverse && at >= head.block.len() {
                if number + 1 >= head.index.blocks() {
                    return Ok(false);
                }
                head.block = row_group.key_block(&head.index, number + 1)?;
                head.at = (number + 1, 0);
                continue;
            }
            let at = if self.reverse { at - 1 } else { at };
            let (key, row) = (head.block.key(at), head.block.row(at));
            let is_out =
                if self.reverse { is_below(&self.range.0, key) } else { is_above(&self.range.1, key) };
            if is_out {
                return Ok(false);
            }
            if head.deletes.as_ref().is_some_and(|bits| bits.value(row as usize)) {
                head.at.1 = if self.reverse { at } else { at + 1 };
                continue;
            }
            head.key.clear();
            head.key.extend_from_slice(key);
            head.row = row_group.first_row() + u64::from(row);
            head.at.1 = at;
            return Ok(true);
        }
    }
}
