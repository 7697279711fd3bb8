//! One worker's rows and their keys.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::{ArrayRef, UInt32Array, UInt64Array};
use arrow_row::Rows;
use arrow_schema::DataType;
use arrow_select::take::take;

use super::keys::{Entry, prefix};
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::eval::flatten;
use crate::exec::memory::{Account, Budget, batch_bytes};
use crate::exec::operators::coalesce::concat_arrays;
use crate::exec::spill::{Chunk, Spill, chunk_rows};
use crate::exec::views::compact;

/// Rows in the order they came, and their keys. After [`Run::seal`] the keys are sorted and the rows are one batch.
pub(super) struct Run {
    batches: Vec<Batch>,
    rows: usize,
    /// The first row of each morsel.
    morsels: Vec<(u32, u64)>,
    /// The morsels came in the order of the source.
    in_order: bool,
    pub entries: Vec<Entry>,
    /// Whole keys, if they are longer than the prefix.
    key_bytes: Vec<u8>,
    key_ends: Vec<usize>,
    fits_prefix: bool,
    data_bytes: usize,
    memory: Account,
}

impl Run {
    pub fn new(fits_prefix: bool, budget: &Arc<Budget>) -> Self {
        Self {
            batches: vec![],
            rows: 0,
            morsels: vec![],
            in_order: true,
            entries: vec![],
            key_bytes: vec![],
            key_ends: vec![],
            fits_prefix,
            data_bytes: 0,
            memory: Account::new(budget),
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds rows and their keys; whether the run may become longer, or should be written away.
    pub fn append(&mut self, sequence: u64, mut batch: Batch, keys: &Rows) -> Result<bool> {
        if batch.rows == 0 {
            return Ok(true);
        }
        if self.rows + batch.rows > u32::MAX as usize {
            return Err(crate::exec::error::ExecError::Unsupported(
                "sorting more than 4294967295 rows on one thread".into(),
            ));
        }
        if self.morsels.last().is_none_or(|(_, last)| *last != sequence) {
            self.in_order &= self.morsels.last().is_none_or(|(_, last)| *last < sequence);
            self.morsels.push((self.rows as u32, sequence));
        }
        for column in &mut batch.columns {
            *column = flatten(column)?;
        }
        for (i, key) in keys.iter().enumerate() {
            let key = key.as_ref();
            self.entries.push(Entry { prefix: prefix(key), row: (self.rows + i) as u32 });
            if !self.fits_prefix {
                self.key_bytes.extend_from_slice(key);
                self.key_ends.push(self.key_bytes.len());
            }
        }
        self.rows += batch.rows;
        self.data_bytes += batch_bytes(&batch);
        self.batches.push(batch);
        Ok(self.memory.fits(self.size()))
    }

    fn size(&self) -> usize {
        self.data_bytes
            + self.entries.capacity() * size_of::<Entry>()
            + self.key_bytes.capacity()
            + self.key_ends.capacity() * size_of::<usize>()
    }

    /// Writes the rows away in order, behind their columns the number of their morsel. The run is empty then.
    pub fn write(&mut self, spill: &Spill) -> Result<Vec<Chunk>> {
        self.seal()?;
        let mut chunks = vec![];
        let step = chunk_rows(self.data_bytes, self.rows);
        if let Some(batch) = self.batch() {
            for part in self.entries.chunks(step) {
                let rows = UInt32Array::from_iter_values(part.iter().map(|e| e.row));
                let mut columns =
                    batch.columns.iter().map(|c| Ok(take(c, &rows, None)?)).collect::<Result<Vec<_>>>()?;
                let sequences = part.iter().map(|e| self.sequence(e.row));
                columns.push(Arc::new(UInt64Array::from_iter_values(sequences)));
                chunks.push(spill.write(&Batch::new(columns, part.len()), 0)?);
            }
        }
        self.batches.clear();
        self.rows = 0;
        self.morsels.clear();
        self.in_order = true;
        self.entries = vec![];
        self.key_bytes = vec![];
        self.key_ends = vec![];
        self.data_bytes = 0;
        self.memory.force(0);
        Ok(chunks)
    }

    /// The whole key of a row.
    pub fn key(&self, row: u32) -> &[u8] {
        let row = row as usize;
        let start = if row == 0 { 0 } else { self.key_ends[row - 1] };
        &self.key_bytes[start..self.key_ends[row]]
    }

    /// The morsel of a row.
    fn sequence(&self, row: u32) -> u64 {
        let next = self.morsels.partition_point(|(first, _)| *first <= row);
        self.morsels[next - 1].1
    }

    /// Compares the keys of a row of this run and one of `other`.
    #[inline]
    pub fn compare_keys(&self, a: &Entry, other: &Self, b: &Entry) -> Ordering {
        let order = a.prefix.cmp(&b.prefix);
        if self.fits_prefix || order != Ordering::Equal {
            return order;
        }
        self.key(a.row).cmp(other.key(b.row))
    }

    /// Compares a row of this run and one of another; equal keys by their place in the source.
    pub fn compare(&self, a: &Entry, other: &Self, b: &Entry) -> Ordering {
        self.compare_keys(a, other, b)
            .then_with(|| self.sequence(a.row).cmp(&other.sequence(b.row)))
            .then(a.row.cmp(&b.row))
    }

    fn sort_entries(&mut self) {
        let mut entries = std::mem::take(&mut self.entries);
        if self.fits_prefix {
            entries.sort_unstable_by_key(|e| (e.prefix, e.row));
        } else {
            entries.sort_unstable_by(|a, b| {
                let by_place = || {
                    let by_row = a.row.cmp(&b.row);
                    if self.in_order {
                        by_row
                    } else {
                        self.sequence(a.row).cmp(&self.sequence(b.row)).then(by_row)
                    }
                };
                self.compare_keys(a, self, b).then_with(by_place)
            });
        }
        self.entries = entries;
    }

    /// Sorts the keys and makes the rows one batch.
    pub fn seal(&mut self) -> Result<()> {
        self.sort_entries();
        self.unite()
    }

    /// Makes the rows one batch, column by column, so that little is held twice.
    fn unite(&mut self) -> Result<()> {
        if self.batches.len() <= 1 {
            return Ok(());
        }
        let mut batches = std::mem::take(&mut self.batches);
        let width = batches[0].columns.len();
        let mut columns = Vec::with_capacity(width);
        for _ in 0..width {
            let parts: Vec<ArrayRef> = batches
                .iter_mut()
                .map(|b| {
                    b.columns.pop().unwrap_or_else(|| arrow_array::new_null_array(&DataType::Null, b.rows))
                })
                .collect();
            columns.push(compact(concat_arrays(&parts)?));
        }
        columns.reverse();
        self.batches = vec![Batch::new(columns, self.rows)];
        Ok(())
    }

    /// The rows as one batch; only after [`Run::seal`].
    pub fn batch(&self) -> Option<&Batch> {
        self.batches.first()
    }

    /// Keeps only the first `count` rows of the order, and gives the last of them.
    pub fn truncate(&mut self, count: usize) -> Result<Option<Entry>> {
        self.seal()?;
        if self.entries.len() > count {
            // In the order of the source, so that rows of a morsel stay together and ties keep their order.
            let mut kept: Vec<u32> = self.entries[..count].iter().map(|e| e.row).collect();
            kept.sort_unstable();
            let mut place = vec![0; if kept.is_empty() { 0 } else { self.rows }];
            kept.iter().enumerate().for_each(|(new, &old)| place[old as usize] = new as u32);
            let mut morsels: Vec<(u32, u64)> = vec![];
            for (new, &old) in kept.iter().enumerate() {
                let sequence = self.sequence(old);
                if morsels.last().is_none_or(|(_, last)| *last != sequence) {
                    morsels.push((new as u32, sequence));
                }
            }
            if !self.fits_prefix {
                let (mut bytes, mut ends) = (vec![], vec![]);
                for &old in &kept {
                    bytes.extend_from_slice(self.key(old));
                    ends.push(bytes.len());
                }
                self.key_bytes = bytes;
                self.key_ends = ends;
            }
            self.entries.truncate(count);
            self.entries.shrink_to_fit();
            self.entries.iter_mut().for_each(|e| e.row = place[e.row as usize]);
            self.morsels = morsels;
            let kept = UInt32Array::from(kept);
            for batch in &mut self.batches {
                for column in &mut batch.columns {
                    *column = compact(take(column, &kept, None)?);
                }
                batch.rows = kept.len();
            }
            self.rows = kept.len();
            self.data_bytes = self.batches.iter().map(batch_bytes).sum();
            self.memory.force(self.size());
        }
        Ok(self.entries.last().copied())
    }
}
