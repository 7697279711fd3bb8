//! Rows in the order of the window: partition by partition, each sorted.

use std::ops::Range;
use std::sync::OnceLock;

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_row::Rows;
use arrow_select::take::take;

use crate::exec::error::{ExecError, Result};
use crate::exec::eval::flatten;
use crate::exec::memory::Reservation;
use crate::exec::operators::coalesce::concat_arrays;
use crate::exec::operators::groups::group_table;
use crate::exec::operators::sort::keys::{Entry, KeyEncoder, prefix};
use crate::exec::operators::sort::parallel::sort_entries;

use super::Threads;
use super::collect::Bin;
use super::layout::{Layout, column_of};

/// Rows whose keys are encoded at a time.
const ENCODE_ROWS: usize = 1 << 15;

/// Whole partitions in the order of the window. A row's number, unless it says otherwise, is its place in that order.
pub(super) struct Group {
    rows: usize,
    /// The kept columns, in the order of the source.
    columns: Vec<ArrayRef>,
    /// The source's row at each place, unless it is the same.
    order: Option<UInt32Array>,
    /// The columns in the order of the window, made when they are first asked for.
    sorted: Vec<OnceLock<ArrayRef>>,
    /// Where partitions begin, and the end.
    pub partitions: Vec<u32>,
    /// Where groups of peers begin, and the end; partitions if there is no order. Only if some call asks.
    pub peers: Vec<u32>,
    _memory: Reservation,
}

/// Keys as bytes that compare as the order does.
pub(super) struct Keys {
    rows: Vec<Rows>,
    fits_prefix: bool,
}

impl Keys {
    /// The keys of all rows of some columns.
    pub fn new(
        encoder: &KeyEncoder,
        columns: &[ArrayRef],
        rows: usize,
        threads: &Threads<'_>,
    ) -> Result<Self> {
        let rows = threads.run(rows.div_ceil(ENCODE_ROWS), |i| {
            let start = i * ENCODE_ROWS;
            let len = ENCODE_ROWS.min(rows - start);
            let part: Vec<ArrayRef> = columns.iter().map(|c| c.slice(start, len)).collect();
            encoder.encode(&part)
        })?;
        Ok(Self { rows, fits_prefix: encoder.fits_prefix() })
    }

    /// The whole key of a row.
    pub fn key(&self, row: u32) -> &[u8] {
        let row = row as usize;
        self.rows[row / ENCODE_ROWS].row(row % ENCODE_ROWS).data()
    }

    /// What is sorted for a row.
    pub fn entry(&self, row: u32) -> Entry {
        Entry { prefix: prefix(self.key(row)), row }
    }

    /// Compares two rows.
    pub fn compare(&self, a: &Entry, b: &Entry) -> std::cmp::Ordering {
        let order = a.prefix.cmp(&b.prefix);
        if self.fits_prefix || order.is_ne() { order } else { self.key(a.row).cmp(self.key(b.row)) }
    }

    fn size(&self) -> usize {
        self.rows.iter().map(Rows::size).sum()
    }
}

impl Group {
    pub fn new(layout: &Layout, bin: Bin, threads: &Threads<'_>) -> Result<Self> {
        let rows = bin.rows();
        if rows >= u32::MAX as usize {
            return Err(ExecError::Unsupported("a window over 4294967295 rows or more".into()));
        }
        let Bin { batches, mut memory, .. } = bin;
        let columns = threads.run(layout.kept.len(), |c| {
            let parts: Vec<ArrayRef> = batches.iter().map(|b| b.columns[c].clone()).collect();
            concat_arrays(&parts)
        })?;
        drop(batches);
        memory.grow(rows * size_of::<u32>())?;
        let (mut order, partitions) = partition(layout, &columns, rows)?;
        let mut peers = vec![];
        if !layout.order.is_empty() {
            let mut transient = Reservation::new(threads.context);
            transient.grow(rows * size_of::<Entry>())?;
            let keys: Vec<ArrayRef> =
                layout.order.iter().map(|k| Ok(columns[column_of(k)?].clone())).collect::<Result<_>>()?;
            let encoder = KeyEncoder::new(&layout.order)?;
            let keys = Keys::new(&encoder, &keys, rows, threads)?;
            transient.grow(keys.size())?;
            let mut entries: Vec<Entry> = match &order {
                Some(order) => order.iter().map(|&row| keys.entry(row)).collect(),
                None => (0..rows as u32).map(|row| keys.entry(row)).collect(),
            };
            // Equal rows stay in the order of the source.
            let compare = |a: &Entry, b: &Entry| keys.compare(a, b).then(a.row.cmp(&b.row));
            let sort = |part: &mut [Entry]| sort_entries(part, &compare, threads.context, threads.count());
            for bounds in partitions.windows(2) {
                sort(&mut entries[bounds[0] as usize..bounds[1] as usize])?;
            }
            if layout.uses_peers {
                peers = peer_starts(&entries, &partitions, &keys);
                memory.grow(peers.len() * size_of::<u32>())?;
            }
            let is_sorted = entries.iter().enumerate().all(|(at, e)| e.row as usize == at);
            order = (!is_sorted).then(|| entries.iter().map(|e| e.row).collect());
        } else if layout.uses_peers {
            peers.clone_from(&partitions);
        }
        let sorted = columns.iter().map(|_| OnceLock::new()).collect();
        Ok(Self { rows, columns, order: order.map(Into::into), sorted, partitions, peers, _memory: memory })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The partitions that have some of these rows, each with its bounds.
    pub fn partitions_of(&self, rows: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<'_> {
        let first = self.partitions.partition_point(|&s| s as usize <= rows.start).saturating_sub(1);
        let end = rows.end;
        self.partitions[first..]
            .windows(2)
            .map(|w| w[0] as usize..w[1] as usize)
            .take_while(move |p| p.start < end)
    }

    /// Which partition a row is in.
    pub fn partition_of(&self, row: usize) -> usize {
        self.partitions.partition_point(|&s| s as usize <= row) - 1
    }

    /// Which group of peers a row is in.
    pub fn peers_of(&self, row: usize) -> usize {
        self.peers.partition_point(|&s| s as usize <= row) - 1
    }

    /// Some rows of a column, in order; may be dictionary-coded.
    pub fn in_order(&self, column: usize, rows: Range<usize>) -> Result<ArrayRef> {
        let source = &self.columns[column];
        match &self.order {
            None => Ok(source.slice(rows.start, rows.len())),
            Some(order) => match self.sorted[column].get() {
                Some(sorted) => Ok(sorted.slice(rows.start, rows.len())),
                None => Ok(take(source, &order.slice(rows.start, rows.len()), None)?),
            },
        }
    }

    /// All rows of a column, in order, flat.
    pub fn sorted(&self, column: usize) -> Result<ArrayRef> {
        if let Some(sorted) = self.sorted[column].get() {
            return Ok(sorted.clone());
        }
        let sorted = flatten(&self.in_order(column, 0..self.rows)?)?;
        Ok(self.sorted[column].get_or_init(|| sorted).clone())
    }

    /// The column in the order of the source.
    pub fn source(&self, column: usize) -> &ArrayRef {
        &self.columns[column]
    }

    /// The source's row at a place.
    #[inline]
    pub fn source_row(&self, place: u32) -> u32 {
        match &self.order {
            Some(order) => order.values()[place as usize],
            None => place,
        }
    }
}

/// Puts the rows of each partition together, in the order of the source; `None` if they are. Yields where partitions
/// begin, and the end.
fn partition(layout: &Layout, columns: &[ArrayRef], rows: usize) -> Result<(Option<Vec<u32>>, Vec<u32>)> {
    if layout.partition.is_empty() || rows == 0 {
        return Ok((None, vec![0, rows as u32]));
    }
    let keys = layout.partition_keys(columns)?;
    let mut table = group_table(&layout.partition_types())?;
    let mut ids = vec![];
    table.intern(&keys, rows, &mut ids)?;
    let mut starts = vec![0u32; table.len() + 1];
    ids.iter().for_each(|&id| starts[id as usize + 1] += 1);
    for i in 1..starts.len() {
        starts[i] += starts[i - 1];
    }
    if ids.is_sorted() {
        return Ok((None, starts));
    }
    let mut next = starts.clone();
    let mut order = vec![0u32; rows];
    for (row, &id) in ids.iter().enumerate() {
        let at = &mut next[id as usize];
        order[*at as usize] = row as u32;
        *at += 1;
    }
    Ok((Some(order), starts))
}

/// Where groups of rows with equal keys begin, and the end.
pub(super) fn peer_starts(entries: &[Entry], partitions: &[u32], keys: &Keys) -> Vec<u32> {
    let mut starts = Vec::with_capacity(partitions.len());
    for bounds in partitions.windows(2) {
        let part = bounds[0] as usize..bounds[1] as usize;
        for at in part.clone() {
            if at == part.start || keys.compare(&entries[at - 1], &entries[at]).is_ne() {
                starts.push(at as u32);
            }
        }
    }
    starts.push(entries.len() as u32);
    starts
}

/// How many rows before each place are not NULL, one more than there are rows; and the places of those rows.
pub(super) struct ValidRows {
    before: Vec<u32>,
    places: Vec<u32>,
}

impl ValidRows {
    /// Those of a column in order.
    pub fn new(column: &ArrayRef) -> Self {
        let nulls = column.logical_nulls();
        let mut before = Vec::with_capacity(column.len() + 1);
        let mut places = vec![];
        before.push(0);
        for at in 0..column.len() {
            if nulls.as_ref().is_none_or(|n| n.is_valid(at)) {
                places.push(at as u32);
            }
            before.push(places.len() as u32);
        }
        Self { before, places }
    }

    /// How many rows before a place are not NULL.
    #[inline]
    pub fn before(&self, place: usize) -> usize {
        self.before[place] as usize
    }

    /// The place of the `n`th row that is not NULL.
    #[inline]
    pub fn place(&self, n: usize) -> Option<u32> {
        self.places.get(n).copied()
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        (self.before.capacity() + self.places.capacity()) * size_of::<u32>()
    }
}
