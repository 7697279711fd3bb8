//! The rows of a table in the order of a key.
//!
//! The indexes of the row groups are merged: each that the range touches has one block open, once the merge has come to
//! its least key. So memory does not grow with the rows, only with the row groups that overlap.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ops::{Bound, Range};
use std::sync::Arc;

use arrow_buffer::BooleanBuffer;

use crate::catalog::ColumnId;
use crate::table::error::Result;
use crate::table::keys;
use crate::table::keys::index::KeyIndex;
use crate::table::keys::lookup::Block;
use crate::table::row_group::RowGroup;
use crate::table::snapshot::TableSnapshot;

/// The bounds of keys, as they are encoded.
pub type KeyRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Rows whose keys are in a range, in the order of the keys. Rows with NULL in the key are not there.
#[derive(Debug)]
pub struct KeyCursor {
    table: Arc<TableSnapshot>,
    key: Box<[ColumnId]>,
    range: KeyRange,
    reverse: bool,
    /// Row groups that are not open yet, with a bound of the keys at which they begin; the first comes last.
    waiting: Vec<(Edge, RowGroup)>,
    /// The row group of the row that comes next, or was given out last; the others are behind it.
    current: Option<Box<Head>>,
    /// Boxed, as a heap moves what it has.
    open: BinaryHeap<Box<Head>>,
}

/// Where a row group begins: nothing of it comes before. `None` if that is not known.
type Edge = Option<Vec<u8>>;

/// A row group that is being read, and its next key.
#[derive(Debug)]
struct Head {
    group: Arc<RowGroup>,
    index: Arc<KeyIndex>,
    reverse: bool,
    block: Block,
    /// The number of the block, and the place of the key in it.
    at: (usize, usize),
    deletes: Option<BooleanBuffer>,
}

impl Head {
    fn key(&self) -> &[u8] {
        self.block.key(self.at.1)
    }

    fn row(&self) -> u32 {
        self.block.row(self.at.1)
    }

    /// Adds the rows at some places of the block that are not deleted.
    fn give(&self, places: Range<usize>, reverse: bool, rows: &mut Vec<u32>) {
        let row = |at: usize| self.block.row(at);
        let is_left = |row: &u32| self.deletes.as_ref().is_none_or(|bits| !bits.value(*row as usize));
        if reverse {
            rows.extend(places.rev().map(row).filter(is_left));
        } else {
            rows.extend(places.map(row).filter(is_left));
        }
    }
}

impl Ord for Head {
    /// The greatest is the next to be given out.
    fn cmp(&self, other: &Self) -> Ordering {
        let row = |head: &Self| head.group.first_row() + u64::from(head.row());
        let order = self.key().cmp(other.key()).then_with(|| row(self).cmp(&row(other)));
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

pub(super) fn is_below(bound: &Bound<Vec<u8>>, key: &[u8]) -> bool {
    match bound {
        Bound::Included(bound) => key < &bound[..],
        Bound::Excluded(bound) => key <= &bound[..],
        Bound::Unbounded => false,
    }
}

pub(super) fn is_above(bound: &Bound<Vec<u8>>, key: &[u8]) -> bool {
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
        let mut waiting: Vec<(Edge, RowGroup)> = vec![];
        for group in table.fresh_groups() {
            let edge = match group.key_index(key)? {
                None => None,
                Some(index) => {
                    let Some((least, greatest)) = index.bounds() else { continue };
                    if is_below(&range.0, greatest) || is_above(&range.1, least) {
                        continue;
                    }
                    Some(if reverse { greatest } else { least }.to_vec())
                }
            };
            waiting.push((edge, group));
        }
        if let Some(map) = table.key_map(key)? {
            for entry in map.within(&range) {
                let edge = if reverse { entry.greatest() } else { Some(entry.least()) };
                waiting.extend(table.sealed_group(entry).map(|group| (edge.map(<[u8]>::to_vec), group)));
            }
        }
        // What has no edge is opened before all others.
        waiting.sort_by(|(a, _), (b, _)| {
            let order = if reverse { a.cmp(b) } else { b.cmp(a) };
            a.is_none().cmp(&b.is_none()).then(order)
        });
        let (key, open) = (key.into(), BinaryHeap::new());
        Ok(Self { table, key, range, reverse, waiting, current: None, open })
    }

    /// The table that it reads.
    pub fn table(&self) -> &Arc<TableSnapshot> {
        &self.table
    }

    /// The key of the row that [`next_row`](Self::next_row) returned last, as it is encoded.
    pub fn key(&self) -> &[u8] {
        self.current.as_ref().map_or(&[], |head| head.key())
    }

    /// The number of the next row.
    ///
    /// # Errors
    /// Reading failed.
    pub fn next_row(&mut self) -> Result<Option<u64>> {
        Ok(self.next_place()?.map(|(group, row)| group.first_row() + u64::from(row)))
    }

    /// The next row: its row group, and its place in that.
    ///
    /// # Errors
    /// Reading failed.
    pub fn next_place(&mut self) -> Result<Option<(&Arc<RowGroup>, u32)>> {
        if let Some(mut head) = self.current.take()
            && self.advance(&mut head, true)?
        {
            self.current = Some(head);
        }
        loop {
            // Mostly the next row is of the same row group as the last.
            let is_next = |head: &Head| match self.waiting.last() {
                Some((Some(edge), _)) if self.reverse => &edge[..] < head.key(),
                Some((Some(edge), _)) => &edge[..] > head.key(),
                Some((None, _)) => false,
                None => true,
            };
            match (&mut self.current, self.open.peek_mut()) {
                (Some(head), Some(mut top)) if *top > *head => std::mem::swap(head, &mut *top),
                (none @ None, Some(top)) => *none = Some(PeekMut::pop(top)),
                _ => {}
            }
            if self.current.as_deref().is_some_and(is_next) {
                break;
            }
            match self.waiting.pop() {
                Some((_, group)) => self.open.extend(self.open_group(group)?),
                None => break,
            }
        }
        self.table.check_readable()?;
        Ok(self.current.as_ref().map(|head| (&head.group, head.row())))
    }

    /// The next rows, all of one row group: their places in that are `rows` then. There are `most` or fewer, but at least one
    /// if there are any. Where no other row group has keys between those of a block of them, these are not read.
    ///
    /// # Errors
    /// Reading failed.
    pub fn next_run(&mut self, most: usize, rows: &mut Vec<u32>) -> Result<Option<Arc<RowGroup>>> {
        rows.clear();
        let Some((group, row)) = self.next_place()? else { return Ok(None) };
        let group = Arc::clone(group);
        rows.push(row);
        let Some(mut head) = self.current.take() else { return Ok(Some(group)) };
        self.go_on(&mut head, most, rows)?;
        self.current = Some(head);
        Ok(Some(group))
    }

    /// Goes on in a row group, which is not among those that wait, for as long as it has the next rows.
    fn go_on(&self, head: &mut Head, most: usize, rows: &mut Vec<u32>) -> Result<()> {
        // The next key of the others. A row group of which nothing is known does not wait when others are read.
        let waiting = self.waiting.last().and_then(|(edge, _)| edge.as_deref());
        let others = [waiting, self.open.peek().map(|head| head.key())].into_iter().flatten();
        let other = if self.reverse { others.max() } else { others.min() };
        let is_next = |key: &[u8]| {
            let (is_out, is_first) = if self.reverse {
                (is_below(&self.range.0, key), other.is_none_or(|other| key > other))
            } else {
                (is_above(&self.range.1, key), other.is_none_or(|other| key < other))
            };
            !is_out && is_first
        };
        while rows.len() < most {
            let (number, at) = head.at;
            let is_last = if self.reverse { at == 0 } else { at + 1 >= head.block.len() };
            if !is_last {
                let rest = if self.reverse { 0..at } else { at + 1..head.block.len() };
                let far = if self.reverse { rest.start } else { rest.end - 1 };
                // What was passed is known to be next as a whole.
                let all = head.block.is_passed() || is_next(head.block.key(far));
                let next = if self.reverse { at - 1 } else { at + 1 };
                if !all && !is_next(head.block.key(next)) {
                    return Ok(());
                }
                let take = if all { rest.len().min(most - rows.len()) } else { 1 };
                let places = if self.reverse { at - take..at } else { at + 1..at + 1 + take };
                head.give(places.clone(), self.reverse, rows);
                head.at.1 = if self.reverse { places.start } else { places.end - 1 };
                continue;
            }
            // The next block, by the keys around it.
            let next = if self.reverse { number.checked_sub(1) } else { Some(number + 1) };
            let Some(next) = next.filter(|next| *next < head.index.blocks()) else { return Ok(()) };
            let far = if !self.reverse && next + 1 == head.index.blocks() {
                head.index.bounds().map_or(&[][..], |(_, greatest)| greatest)
            } else {
                let far = head.index.first_key(if self.reverse { next } else { next + 1 });
                far.map_err(|what| head.group.bad_index(&what))?
            };
            let places = head.index.rows_of(next);
            if !is_next(far) {
                return Ok(());
            }
            let (count, take) = (places.len(), places.len().min(most - rows.len()));
            head.block = if head.index.is_in_order() {
                Block::Passed(places)
            } else {
                head.group.key_block(&head.index, next)?
            };
            let places = if self.reverse { count - take..count } else { 0..take };
            head.give(places.clone(), self.reverse, rows);
            head.at = (next, if self.reverse { places.start } else { places.end - 1 });
        }
        Ok(())
    }

    /// A row group at its first key in the range, if it has any.
    fn open_group(&self, group: RowGroup) -> Result<Option<Box<Head>>> {
        let index = match group.key_index(&self.key)? {
            Some(index) => index,
            // It was written before its table had the key.
            None => match keys::build(&self.key, |id| group.read_column_of(id))? {
                Some(index) => Arc::new(index),
                None => return Ok(None),
            },
        };
        if index.blocks() == 0 {
            return Ok(None);
        }
        let edge = if self.reverse { &self.range.1 } else { &self.range.0 };
        let number = match edge {
            Bound::Included(key) => index.seek(key, self.reverse),
            Bound::Excluded(key) => index.seek(key, !self.reverse),
            Bound::Unbounded if self.reverse => Ok(index.blocks() - 1),
            Bound::Unbounded => Ok(0),
        };
        let number = number.map_err(|what| group.bad_index(&what))?;
        let block = group.key_block(&index, number)?;
        let at = match edge {
            Bound::Included(key) => block.from(key, self.reverse),
            Bound::Excluded(key) => block.from(key, !self.reverse),
            Bound::Unbounded if self.reverse => block.len(),
            Bound::Unbounded => 0,
        };
        let deletes = group.deletes()?;
        let (group, reverse) = (Arc::new(group), self.reverse);
        let mut head = Box::new(Head { group, index, reverse, block, at: (number, at), deletes });
        Ok(self.advance(&mut head, false)?.then_some(head))
    }

    /// Goes to the next row that is not deleted, from the place `at`, which is behind the last one in the direction of
    /// the cursor unless it was given out. Returns whether there is one in the range.
    fn advance(&self, head: &mut Head, given_out: bool) -> Result<bool> {
        if given_out && !self.reverse {
            head.at.1 += 1;
        }
        loop {
            let (number, at) = head.at;
            if self.reverse && at == 0 {
                if number == 0 {
                    return Ok(false);
                }
                head.block = head.group.key_block(&head.index, number - 1)?;
                head.at = (number - 1, head.block.len());
                continue;
            }
            if !self.reverse && at >= head.block.len() {
                if number + 1 >= head.index.blocks() {
                    return Ok(false);
                }
                head.block = head.group.key_block(&head.index, number + 1)?;
                head.at = (number + 1, 0);
                continue;
            }
            if head.block.is_passed() {
                head.block = head.group.key_block(&head.index, number)?;
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
            head.at.1 = at;
            return Ok(true);
        }
    }
}
