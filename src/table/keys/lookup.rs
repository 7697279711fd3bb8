//! Looking for keys in the row groups of a table.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_buffer::BooleanBuffer;

use crate::catalog::{ColumnId, TableDefinition};
use crate::column::ChunkReader;
use crate::column::few::FewStrings;
use crate::column::key::{self, Keys};
use crate::table::decode::{concat, plain};
use crate::table::error::{Result, TableError};
use crate::table::fresh::Content;
use crate::table::keys::delta::IndexedDelta;
use crate::table::keys::filter;
use crate::table::keys::index::{BLOCK_ENTRIES, Entries, KeyIndex};
use crate::table::row_group::{RowGroup, Source};
use crate::table::snapshot::TableSnapshot;

/// Keys that are looked for.
#[derive(Debug)]
pub struct Probes {
    keys: Keys,
    /// Those that are keys, in order, with their hashes.
    order: Vec<(u32, u64)>,
}

impl Probes {
    /// One key, as it is encoded.
    pub fn one(key: &[u8]) -> Self {
        let mut keys = Keys::default();
        keys.push(key);
        Self { keys, order: vec![(0, filter::hash(key))] }
    }

    /// The rows of these columns, one for each part of the key. `None`, if they are of types that have no order.
    pub fn new(columns: &[ArrayRef]) -> Option<Self> {
        let keys = Keys::encode(columns)?;
        let order = keys.sorted();
        let hash = |row: u32| filter::hash(keys.get(row as usize).unwrap_or_default());
        let order = order.into_iter().map(|row| (row, hash(row))).collect();
        Some(Self { keys, order })
    }

    /// The key of a row; `None` if it has NULL in a part.
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        self.keys.get(row)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many of them have no NULL, and so may be found.
    pub fn keys(&self) -> usize {
        self.order.len()
    }

    /// Whether a key comes twice.
    pub fn has_twice(&self) -> bool {
        self.order.windows(2).any(|pair| self.key(pair[0].0) == self.key(pair[1].0))
    }

    fn key(&self, row: u32) -> &[u8] {
        self.keys.get(row as usize).unwrap_or_default()
    }

    /// The places in `order` of the keys that are equal to one.
    fn equal(&self, key: &[u8]) -> Range<usize> {
        let start = self.order.partition_point(|(row, _)| self.key(*row) < key);
        let count = self.order[start..].iter().take_while(|(row, _)| self.key(*row) == key).count();
        start..start + count
    }
}

/// A row that was found: its row group, and its place in that.
#[derive(Debug, Clone)]
pub struct KeyPlace {
    /// The row group.
    pub group: Arc<RowGroup>,
    /// Which of its rows.
    pub row: u32,
}

impl KeyPlace {
    /// The number of the row in the table.
    pub fn number(&self) -> u64 {
        self.group.first_row() + u64::from(self.row)
    }
}

/// The keys of a block, in order, and the row of each.
#[derive(Debug)]
pub(super) enum Block {
    Entries(Entries),
    Rows(Keys, Range<usize>),
    /// Rows whose keys were not read.
    Passed(Range<usize>),
}

impl Block {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Entries(entries) => entries.rows.len(),
            Self::Rows(_, rows) | Self::Passed(rows) => rows.len(),
        }
    }

    /// Whether its keys were not read.
    pub(super) fn is_passed(&self) -> bool {
        matches!(self, Self::Passed(_))
    }

    pub(super) fn key(&self, at: usize) -> &[u8] {
        match self {
            Self::Entries(Entries { keys, .. }) | Self::Rows(keys, _) => keys.get(at).unwrap_or_default(),
            Self::Passed(_) => &[],
        }
    }

    pub(super) fn row(&self, at: usize) -> u32 {
        match self {
            Self::Entries(entries) => entries.rows[at],
            Self::Rows(_, rows) | Self::Passed(rows) => (rows.start + at) as u32,
        }
    }

    /// The places of the keys from `key` on, or behind it if `beyond`.
    pub(super) fn from(&self, key: &[u8], beyond: bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let before = if beyond { self.key(middle) <= key } else { self.key(middle) < key };
            if before { low = middle + 1 } else { high = middle }
        }
        low
    }
}

impl RowGroup {
    /// The index of its rows by a key; `None` if it was written without.
    pub(crate) fn key_index(&self, key: &[ColumnId]) -> Result<Option<std::sync::Arc<KeyIndex>>> {
        match self.source() {
            Source::Fresh(group) => group.key_index(self.definition(), key),
            Source::Sealed(group) => {
                group.key_index(self.pin(), key).map_err(|e| e.in_table(self.definition()))
            }
        }
    }

    pub(super) fn key_block(&self, index: &KeyIndex, block: usize) -> Result<Block> {
        if index.is_in_order() {
            let rows = index.rows_of(block);
            let keys = self.read_keys(index.columns(), rows.clone())?;
            return Ok(Block::Rows(keys, rows));
        }
        let entries = index.entries_of(block).map_err(|what| self.bad_index(&what))?;
        Ok(Block::Entries(entries))
    }

    /// The keys of some rows.
    fn read_keys(&self, key: &[ColumnId], rows: Range<usize>) -> Result<Keys> {
        let columns = positions(self.definition(), key)?;
        let columns = columns.into_iter().map(|column| self.read_range(column, rows.clone()));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Keys::encode(&columns).ok_or_else(no_order)
    }

    /// All rows of the column with that id.
    pub(super) fn read_column_of(&self, id: ColumnId) -> Result<ArrayRef> {
        self.read_column(positions(self.definition(), &[id])?[0])
    }

    /// Some rows of a column, deleted ones among them.
    pub(in crate::table) fn read_range(&self, column: usize, rows: Range<usize>) -> Result<ArrayRef> {
        if let Source::Fresh(group) = self.source()
            && let Content::Held(_) = group.content()
        {
            return Ok(self.read_column(column)?.slice(rows.start, rows.len()));
        }
        let reader = self.chunk(column)?;
        let mut parts = vec![];
        let mut row = rows.start;
        while row < rows.end {
            let block = row / reader.block_rows();
            let end = rows.end.min((block + 1) * reader.block_rows());
            parts.push(read_part(&reader, block, row % reader.block_rows(), end - row)?);
            row = end;
        }
        concat(&parts, &reader.ty().arrow())
    }

    /// Calls `found` with each row that is not deleted and has one of the keys, and with the row of the probe.
    pub(super) fn find_keys(
        &self,
        key: &[ColumnId],
        probes: &Probes,
        found: &mut dyn FnMut(u32, u32),
    ) -> Result<()> {
        let mut deletes: Option<Option<BooleanBuffer>> = None;
        let mut report = |probe: u32, row: u32| {
            if deletes.is_none() {
                deletes = Some(self.deletes()?);
            }
            if !deletes.as_ref().and_then(Option::as_ref).is_some_and(|bits| bits.value(row as usize)) {
                found(probe, row);
            }
            Ok::<_, TableError>(())
        };
        let Some(index) = self.key_index(key)? else {
            return self.search_keys(key, probes, &mut report);
        };
        let Some((least, greatest)) = index.bounds() else { return Ok(()) };
        let first = probes.order.partition_point(|(row, _)| probes.key(*row) < least);
        let bad = |what: String| self.bad_index(&what);
        // With as many blocks as keys most have one at most, which costs less by itself than all entries of its block.
        let are_few = probes.order.len() - first <= index.blocks();
        let mut rows = vec![];
        let mut open: Option<(usize, Block)> = None;
        for (probe, hash) in &probes.order[first..] {
            let wanted = probes.key(*probe);
            if wanted > greatest {
                break;
            }
            if !index.may_have(wanted, *hash).map_err(bad)? {
                continue;
            }
            for at in index.blocks_with(wanted).map_err(bad)? {
                if are_few {
                    rows.clear();
                    self.rows_in_block(key, &index, at, wanted, &mut rows)?;
                    rows.iter().try_for_each(|row| report(*probe, *row))?;
                    continue;
                }
                if open.as_ref().is_none_or(|(block, _)| *block != at) {
                    open = Some((at, self.key_block(&index, at)?));
                }
                let Some((_, block)) = &open else { continue };
                for entry in block.from(wanted, false)..block.from(wanted, true) {
                    report(*probe, block.row(entry))?;
                }
            }
        }
        Ok(())
    }

    /// The last row with a key that is not deleted.
    pub(super) fn find_key(&self, key: &[ColumnId], wanted: &[u8], hash: u64) -> Result<Option<u32>> {
        let mut rows = vec![];
        if let Some(index) = self.key_index(key)? {
            let bad = |what: String| self.bad_index(&what);
            if !index.may_have(wanted, hash).map_err(bad)? {
                return Ok(None);
            }
            let deletes = self.deletes()?;
            let is_left = |row: &u32| deletes.as_ref().is_none_or(|bits| !bits.value(*row as usize));
            for block in index.blocks_with(wanted).map_err(bad)?.rev() {
                rows.clear();
                self.rows_in_block(key, &index, block, wanted, &mut rows)?;
                if let Some(row) = rows.iter().rev().find(|row| is_left(row)) {
                    return Ok(Some(*row));
                }
            }
            return Ok(None);
        }
        self.find_keys(key, &Probes::one(wanted), &mut |_, row| rows.push(row))?;
        Ok(rows.into_iter().max())
    }

    /// Adds the rows of a block of an index that have a key to a list.
    fn rows_in_block(
        &self,
        key: &[ColumnId],
        index: &KeyIndex,
        block: usize,
        wanted: &[u8],
        rows: &mut Vec<u32>,
    ) -> Result<()> {
        if index.is_in_order() {
            rows.extend(self.rows_with(key, index.rows_of(block), wanted)?);
            return Ok(());
        }
        index.find_in(block, wanted, |row| rows.push(row)).map_err(|what| self.bad_index(&what))
    }

    /// How many rows, which are in the order of a key, have lesser ones.
    pub(in crate::table) fn rows_before(
        &self,
        key: &[ColumnId],
        index: &KeyIndex,
        wanted: &[u8],
    ) -> Result<usize> {
        if index.blocks() == 0 {
            return Ok(0);
        }
        let block = index.seek(wanted, false).map_err(|what| self.bad_index(&what))?;
        let (rows, mut before) = (index.rows_of(block), 0);
        self.with_keys(key, rows.clone(), &mut |keys| {
            before = bisect(0..keys.len(), |at| keys.compare(at, wanted).map(Ordering::is_lt))?;
            Ok(())
        })?;
        Ok(rows.start + before)
    }

    /// Those of some rows, which are in the order of a key, that have it. Reads few of their keys, where these can be read
    /// alone.
    fn rows_with(&self, key: &[ColumnId], rows: Range<usize>, wanted: &[u8]) -> Result<Range<u32>> {
        let (mut from, mut to) = (0, 0);
        self.with_keys(key, rows.clone(), &mut |keys| {
            let count = keys.len();
            from = bisect(0..count, |at| keys.compare(at, wanted).map(Ordering::is_lt))?;
            // Mostly there is one, and the next is another.
            to = from;
            while to < count && keys.compare(to, wanted)?.is_eq() {
                to += 1;
            }
            Ok(())
        })?;
        Ok((rows.start + from) as u32..(rows.start + to) as u32)
    }

    /// Calls `look` with the keys of some rows, of which none has NULL, to be read one by one.
    fn with_keys(
        &self,
        key: &[ColumnId],
        rows: Range<usize>,
        look: &mut dyn FnMut(&mut FewKeys<'_>) -> Result<()>,
    ) -> Result<()> {
        let columns = positions(self.definition(), key)?;
        if self.is_held() {
            let arrays = columns.iter().map(|column| self.read_range(*column, rows.clone()));
            let arrays = arrays.collect::<Result<Vec<_>>>()?;
            if let Some(parts) = key::Part::all(&arrays) {
                return look(&mut FewKeys::new(rows.len(), KeySource::Parts(&parts)));
            }
        } else if let [column] = columns[..] {
            let reader = self.chunk(column)?;
            let (block, first) = (rows.start / reader.block_rows(), rows.start % reader.block_rows());
            if first + rows.len() <= reader.block_rows() {
                let looked = reader.with_strings(block, |strings| {
                    let source = strings.map(|strings| KeySource::Strings(strings, first));
                    Ok(source.map(|source| look(&mut FewKeys::new(rows.len(), source))))
                });
                if let Some(result) = looked? {
                    return result;
                }
            }
        }
        let keys = self.read_keys(key, rows)?;
        look(&mut FewKeys::new(keys.len(), KeySource::All(&keys)))
    }

    /// What is wrong with its index.
    pub(in crate::table) fn bad_index(&self, what: &str) -> TableError {
        let what = format!("the key index of row group {}: {what}", self.index());
        TableError::Corrupt(what).in_table(self.definition())
    }

    /// Compares the index by a key with the rows. `Some` tells what differs.
    pub(in crate::table) fn check_keys(&self, key: &[ColumnId]) -> Result<Option<String>> {
        let Some(index) = self.key_index(key)? else { return Ok(None) };
        let bad = |what: String| self.bad_index(&what);
        index.check().map_err(bad)?;
        let keys = self.read_keys(key, 0..self.rows())?;
        let wanted = keys.sorted();
        let mut at = 0;
        for block in 0..index.blocks() {
            let entries = self.key_block(&index, block)?;
            for entry in 0..entries.len() {
                let row = entries.row(entry);
                let known = keys.get(row as usize);
                if wanted.get(at) != Some(&row) || known != Some(entries.key(entry)) {
                    return Ok(Some(format!("entry {at} is not that of the row that comes there")));
                }
                let key = known.unwrap_or_default();
                let found = index.may_have(key, filter::hash(key)).map_err(bad)?
                    && index.blocks_with(key).map_err(bad)?.contains(&block);
                if !found {
                    return Ok(Some(format!("row {row} is not found by its key")));
                }
                at += 1;
            }
        }
        let (there, all) = (at, wanted.len());
        Ok((there < all).then(|| format!("it has {there} entries for {all} keys")))
    }

    /// Looks at all rows: there is no index.
    fn search_keys(
        &self,
        key: &[ColumnId],
        probes: &Probes,
        report: &mut dyn FnMut(u32, u32) -> Result<()>,
    ) -> Result<()> {
        let (Some(first), Some(last)) = (probes.order.first(), probes.order.last()) else { return Ok(()) };
        let (least, greatest) = (probes.key(first.0), probes.key(last.0));
        let columns = positions(self.definition(), key)?;
        let mut row = 0;
        while row < self.rows() {
            let reader = self.chunk(columns[0])?;
            let end = self.rows().min(row + reader.block_rows());
            let rows = row..end;
            row = end;
            // Statistics of one column say something about keys of one part.
            if columns.len() == 1
                && !may_be_within(&reader, rows.start / reader.block_rows(), least, greatest)?
            {
                continue;
            }
            let keys = self.read_keys(key, rows.clone())?;
            for at in 0..keys.len() {
                let Some(here) = keys.get(at).filter(|here| least <= *here && *here <= greatest) else {
                    continue;
                };
                for probe in &probes.order[probes.equal(here)] {
                    report(probe.0, (rows.start + at) as u32)?;
                }
            }
        }
        Ok(())
    }

    /// Rows whose keys are in a range, in the order of the keys, that are not deleted. `None` without an index, or if
    /// there are more than `most`.
    pub fn find_range(
        &self,
        key: &[ColumnId],
        range: (Bound<&[u8]>, Bound<&[u8]>),
        most: usize,
    ) -> Result<Option<Vec<u32>>> {
        let Some(index) = self.key_index(key)? else { return Ok(None) };
        let mut rows = vec![];
        let Some((least, greatest)) = index.bounds() else { return Ok(Some(rows)) };
        let (low, high) = range;
        let misses = match low {
            Bound::Included(low) => greatest < low,
            Bound::Excluded(low) => greatest <= low,
            Bound::Unbounded => false,
        } || match high {
            Bound::Included(high) => least > high,
            Bound::Excluded(high) => least >= high,
            Bound::Unbounded => false,
        };
        if misses {
            return Ok(Some(rows));
        }
        let start = match low {
            Bound::Included(low) => index.seek(low, false),
            Bound::Excluded(low) => index.seek(low, true),
            Bound::Unbounded => Ok(0),
        };
        let end = match high {
            Bound::Included(high) => index.seek(high, true),
            Bound::Excluded(high) => index.seek(high, false),
            Bound::Unbounded => Ok(index.blocks()),
        };
        let bad = |what: String| self.bad_index(&what);
        let (start, end) = (start.map_err(bad)?, end.map_err(bad)?);
        // All but the first and the last of these blocks are in the range as a whole.
        if end.saturating_sub(start + 1) * BLOCK_ENTRIES > most {
            return Ok(None);
        }
        let deletes = self.deletes()?;
        for at in start..index.blocks() {
            let block = self.key_block(&index, at)?;
            let from = match low {
                Bound::Included(low) => block.from(low, false),
                Bound::Excluded(low) => block.from(low, true),
                Bound::Unbounded => 0,
            };
            let to = match high {
                Bound::Included(high) => block.from(high, true),
                Bound::Excluded(high) => block.from(high, false),
                Bound::Unbounded => block.len(),
            };
            let left = (from..to).map(|entry| block.row(entry));
            rows.extend(left.filter(|row| deletes.as_ref().is_none_or(|bits| !bits.value(*row as usize))));
            if rows.len() > most {
                return Ok(None);
            }
            if to < block.len() {
                break;
            }
        }
        Ok(Some(rows))
    }
}

/// The first place for which it does not hold; it holds for none behind.
fn bisect(places: Range<usize>, mut holds: impl FnMut(usize) -> Result<bool>) -> Result<usize> {
    let (mut low, mut high) = (places.start, places.end);
    while low < high {
        let middle = usize::midpoint(low, high);
        if holds(middle)? { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// Keys of rows, each read when it is asked for.
struct FewKeys<'a> {
    count: usize,
    source: KeySource<'a>,
    /// The last that was read.
    key: Vec<u8>,
}

enum KeySource<'a> {
    /// The strings of a block, of which the first is at this place.
    Strings(&'a FewStrings<'a>, usize),
    Parts(&'a [key::Part<'a>]),
    All(&'a Keys),
}

impl<'a> FewKeys<'a> {
    fn new(count: usize, source: KeySource<'a>) -> Self {
        Self { count, source, key: vec![] }
    }

    fn len(&self) -> usize {
        self.count
    }

    /// How a key compares with another.
    fn compare(&mut self, at: usize, other: &[u8]) -> Result<Ordering> {
        self.key.clear();
        match self.source {
            KeySource::Strings(strings, first) => strings
                .push(first + at, &mut self.key)
                .map_err(|damage| TableError::Corrupt(format!("a key: {}", damage.0)))?,
            KeySource::Parts(parts) => parts.iter().for_each(|part| part.push(at, &mut self.key)),
            KeySource::All(keys) => return Ok(keys.get(at).unwrap_or_default().cmp(other)),
        }
        Ok(self.key[..].cmp(other))
    }
}

fn no_order() -> TableError {
    TableError::Unsupported("a key of a type without order".into())
}

fn read_part(reader: &ChunkReader, block: usize, first: usize, rows: usize) -> Result<ArrayRef> {
    let values = if first == 0 && rows == reader.rows_of_block(block) {
        reader.read_block(block)?
    } else {
        let rows: Vec<u16> = (first..first + rows).map(|row| row as u16).collect();
        reader.read_few(block, &rows)?
    };
    plain(values)
}

/// Whether a block of a column may have keys between two.
fn may_be_within(reader: &ChunkReader, block: usize, least: &[u8], greatest: &[u8]) -> Result<bool> {
    let stats = reader.block_stats(block)?;
    let (Some(min), Some(max)) = (stats.min, stats.max) else { return Ok(stats.nulls < stats.rows) };
    let ends = [min, max].map(|end| end.to_array(reader.ty(), 1).ok());
    let [Some(min), Some(max)] = ends else { return Ok(true) };
    let ends = [min, max].map(|end| Keys::encode(&[end]));
    let [Some(min), Some(max)] = ends else { return Ok(true) };
    Ok(min.get(0).is_none_or(|min| min <= greatest) && max.get(0).is_none_or(|max| max >= least))
}

/// Where the columns of a key are in the table.
fn positions(table: &TableDefinition, key: &[ColumnId]) -> Result<Vec<usize>> {
    let positions = key.iter().map(|id| table.position_of(*id));
    let positions: Option<Vec<usize>> = positions.collect();
    positions.ok_or_else(|| TableError::Unsupported("a key of columns that are not there".into()))
}

impl TableSnapshot {
    /// The keys by which rows are found, each as columns.
    pub fn indexed_keys(&self) -> Vec<Box<[ColumnId]>> {
        self.definition().indexed_keys()
    }

    /// The rows that have one of the keys, of which `key` says what their columns are: for each the number of the row of
    /// the probe and its own, in no particular order.
    ///
    /// # Errors
    /// The table has no such columns, or reading it failed.
    pub fn find(&self, key: &[ColumnId], probes: &Probes) -> Result<Vec<(u32, u64)>> {
        self.find_beyond(None, key, probes)
    }

    /// As [`find`](Self::find), without row groups that an earlier version of the table has, which were looked at in that.
    pub(in crate::table) fn find_beyond(
        &self,
        before: Option<&Self>,
        key: &[ColumnId],
        probes: &Probes,
    ) -> Result<Vec<(u32, u64)>> {
        let mut rows = vec![];
        let mut look = |group: &RowGroup| {
            let first = group.first_row();
            group.find_keys(key, probes, &mut |probe, row| rows.push((probe, first + u64::from(row))))
        };
        let (is_sealed_known, known) = before.map_or((false, 0), |before| self.shared_with(before));
        let mut indexed = self.indexed_delta(key);
        let new = self.row_group_count() - self.sealed_groups() - known;
        for group in self.fresh_groups().take(new) {
            if indexed.as_ref().is_some_and(|indexed| indexed.has(&group)) {
                break;
            }
            look(&group)?;
            indexed = indexed.map(|indexed| indexed.before(&group));
        }
        if !is_sealed_known && let Some(map) = self.key_map(key)? {
            if probes.order.len() * map.layers() >= self.sealed_groups() * 4 {
                for group in self.row_groups()?[..self.sealed_groups()].iter().rev() {
                    look(group)?;
                }
            } else {
                let few = probes.order.iter().flat_map(|(row, _)| map.with(probes.key(*row)));
                let few: BTreeMap<usize, _> = few.map(|entry| (entry.index, entry)).collect();
                for group in few.into_values().rev().filter_map(|entry| self.sealed_group(entry)) {
                    look(&group)?;
                }
            }
        }
        if let Some(indexed) = indexed {
            let known = self.fresh_rows(known);
            for (probe, hash) in &probes.order {
                let found = indexed.find(probes.key(*probe), *hash, known);
                rows.extend(found.map(|found| (*probe, found.number)));
            }
        }
        self.check_readable()?;
        Ok(rows)
    }

    /// The row with a key, as it is encoded, of a key that no two rows have.
    ///
    /// # Errors
    /// The table has no such columns, or reading it failed.
    pub fn find_one(&self, key: &[ColumnId], wanted: &[u8]) -> Result<Option<KeyPlace>> {
        let hash = filter::hash(wanted);
        let find = |group: RowGroup| -> Result<Option<KeyPlace>> {
            let row = group.find_key(key, wanted, hash)?;
            Ok(row.map(|row| KeyPlace { group: Arc::new(group), row }))
        };
        let (mut found, mut indexed) = (None, self.indexed_delta(key));
        let is_known = indexed.as_ref().is_some_and(IndexedDelta::has_all);
        for group in (!is_known).then(|| self.fresh_groups()).into_iter().flatten() {
            if indexed.as_ref().is_some_and(|indexed| indexed.has(&group)) {
                break;
            }
            indexed = indexed.map(|indexed| indexed.before(&group));
            found = find(group)?;
            if found.is_some() {
                break;
            }
        }
        if found.is_none()
            && let Some(place) = indexed.and_then(|indexed| indexed.find(wanted, hash, 0))
        {
            let group = self.fresh_group(place.group);
            found = group.map(|group| KeyPlace { group: Arc::new(group), row: place.row });
        }
        if found.is_none()
            && let Some(map) = self.key_map(key)?
        {
            for group in map.with(wanted).filter_map(|entry| self.sealed_group(entry)) {
                found = find(group)?;
                if found.is_some() {
                    break;
                }
            }
        }
        self.check_readable()?;
        Ok(found)
    }
}
