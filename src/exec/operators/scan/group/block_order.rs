//! In which order the blocks of a row group are read, and which need not be read any more: those whose rows are behind
//! others that were yielded, where only the newest row of each key is wanted.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, NullArray};

use super::GroupScan;
use crate::column::ChunkReader;
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::eval::evaluate_predicate;
use crate::exec::hints::HintKind;
use crate::exec::operators::scan::newest::{Bounds, Candidates, KEYS_MAX, NewestFirst, rank_of_newest};
use crate::table::TableError;

impl GroupScan {
    /// Puts blocks in an order in which those come first that may rule out others.
    pub(super) fn order_blocks(&mut self) -> Result<()> {
        let scan = self.scan.clone();
        let bound = || {
            scan.hints.iter().find_map(|hint| match &hint.kind {
                HintKind::Bound(bound) if bound.goes_by_blocks() => {
                    Some((hint.column, bound.is_descending()))
                }
                _ => None,
            })
        };
        let by = match &scan.newest {
            Some(newest) => Some((self.yielded(newest.time), newest.greatest)),
            None => bound(),
        };
        let Some((column, greatest)) = by else { return Ok(()) };
        let ranked = (0..self.blocks)
            .map(|index| Ok((rank_of_newest(&self.block_stats(column, index)?, greatest), index as u32)));
        let mut ranked = ranked.collect::<Result<Vec<_>>>()?;
        ranked.sort_by_key(|(rank, index)| std::cmp::Reverse((rank.unwrap_or(i64::MAX), *index)));
        self.order = Some(ranked);
        Ok(())
    }

    /// The column of the scan that is its output at that position.
    pub(super) fn yielded(&self, position: usize) -> usize {
        self.scan.output[position]
    }

    /// Finds out which keys the rows can have. `None` if they are too many, or if it is not worth it.
    fn find_candidates(&mut self, newest: &NewestFirst) -> Result<Option<Candidates>> {
        let keys: Vec<usize> = newest.keys.iter().map(|&key| self.yielded(key)).collect();
        let mut found = None;
        if let [key] = keys[..] {
            let reader = self.reader(key)?;
            if let Some(values) = reader.dictionary().map_err(TableError::from)? {
                let few = values.len() <= KEYS_MAX;
                found = Some(few.then(|| Candidates::of_dictionary(values, reader.null_count() > 0)));
            }
        }
        let found = match found {
            Some(of_dictionary) => of_dictionary.transpose()?,
            None => self.distinct_keys(newest, &keys)?.map(Candidates::of_keys),
        };
        let Some(mut found) = found else { return Ok(None) };
        // Keys that no row with them would be yielded for.
        let scan = self.scan.clone();
        for &c in &self.conjuncts {
            let conjunct = &scan.conjuncts[c];
            if conjunct.fallible || !conjunct.columns.iter().all(|column| keys.contains(column)) {
                continue;
            }
            found = found.keep(|values, rows| {
                let nothing: ArrayRef = Arc::new(NullArray::new(rows));
                let mut columns = vec![nothing; scan.columns.len()];
                keys.iter().zip(values).for_each(|(&key, values)| columns[key] = values.clone());
                evaluate_predicate(&conjunct.expr, &Batch { columns, rows }, &scan.context)
            })?;
        }
        Ok(Some(found))
    }

    /// The distinct keys of all rows, which are looked for once and kept with the row group.
    fn distinct_keys(&mut self, newest: &NewestFirst, keys: &[usize]) -> Result<Option<Vec<ArrayRef>>> {
        let columns: Vec<usize> = keys.iter().map(|&key| self.scan.columns[key]).collect();
        if !self.group.is_sealed() {
            return Ok(None);
        }
        if let Some(known) = self.group.known_keys(&columns)? {
            return Ok(known.map(|keys| keys.to_vec()));
        }
        let readers = keys.iter().map(|&key| self.reader(key)).collect::<Result<Vec<_>>>()?;
        let mut blocks = 0..readers.first().map_or(0, |reader| reader.blocks());
        let found = newest.distinct(|| {
            let Some(index) = blocks.next() else { return Ok(None) };
            let read = |reader: &Arc<ChunkReader>| Ok(reader.read_block(index).map_err(TableError::from)?);
            readers.iter().map(read).collect::<Result<Vec<_>>>().map(Some)
        })?;
        self.group.keep_keys(&columns, found.clone())?;
        Ok(found)
    }

    /// Whether every key that the rows can have was yielded with a row that is not older than `rank`.
    pub(super) fn is_behind(&mut self, newest: &NewestFirst, rank: i64) -> Result<bool> {
        if !newest.may_leave_out() {
            return Ok(false);
        }
        if self.candidates.is_none() {
            self.candidates = self.find_candidates(newest)?;
        }
        self.candidates.as_mut().map_or(Ok(false), |candidates| newest.are_behind(candidates, rank))
    }

    /// The same for the keys that a block can have.
    fn is_block_behind(&mut self, newest: &NewestFirst, index: usize, rank: i64) -> Result<bool> {
        if self.candidates.is_none() {
            return Ok(false);
        }
        let mut bounds = vec![];
        for &key in &newest.keys {
            let stats = self.block_stats(self.yielded(key), index)?;
            bounds.push(Bounds { min: stats.min, max: stats.max, nulls: stats.nulls > 0 });
        }
        self.candidates.as_ref().map_or(Ok(false), |c| newest.are_those_behind(c, &bounds, rank))
    }

    /// The next block to be read, if there is one.
    pub(super) fn next_block(&mut self) -> Result<Option<usize>> {
        let scan = self.scan.clone();
        while self.block < self.blocks {
            let place = self.block;
            self.block += 1;
            let Some(order) = &self.order else { return Ok(Some(place)) };
            let (rank, index) = (order[place].0, order[place].1 as usize);
            let (Some(newest), Some(rank)) = (&scan.newest, rank) else { return Ok(Some(index)) };
            // The rest is not newer.
            let left_out = if self.is_behind(newest, rank)? {
                self.blocks - place
            } else if self.is_block_behind(newest, index, rank)? {
                1
            } else {
                return Ok(Some(index));
            };
            newest.note_left_out(left_out);
            self.work.blocks_skipped += left_out as u64;
            self.work.note(|detail| detail.blocks_unwanted += left_out as u64);
            self.block = place + left_out;
        }
        Ok(None)
    }

    /// What is left of a block, noted as yielded.
    pub(super) fn yield_block(&mut self, index: usize) -> Result<Option<Batch>> {
        let batch = self.scan_block(index)?;
        if let (Some(newest), Some(batch)) = (&self.scan.newest, &batch) {
            let keys: Vec<ArrayRef> = newest.keys.iter().map(|&key| batch.columns[key].clone()).collect();
            newest.note(&keys, &batch.columns[newest.time], batch.rows)?;
        }
        Ok(batch)
    }
}
