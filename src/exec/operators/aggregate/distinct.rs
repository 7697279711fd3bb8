//! The distinct arguments of a `DISTINCT` aggregate.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, UInt32Array, UInt64Array};
use arrow_schema::DataType;
use arrow_select::concat::concat;
use parking_lot::Mutex;

use super::Aggregation;
use super::distinct_words::{self, ScatteredWords};
use super::merge::{partition_count, partition_of, remap, split_by, take_all};
use super::partition::PARTITIONS;
use super::repeated::Repeated;
use super::scatter::{Scatter, can_scatter};
use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::expr::{AggregateCall, Expr};
use crate::exec::memory::Reservation;
use crate::exec::operators::groups::hash::{KeyHasher, hash_keys, is_text, mix};
use crate::exec::operators::groups::key_set::KeySet;
use crate::exec::operators::groups::word_set::WordKeys;
use crate::exec::scheduler::parallel;
use crate::exec::spill::partition::Partitioner;
use crate::exec::spill::{Chunk, Spill};

/// A table of this many keys may be too large for the caches.
pub(super) const MANY_KEYS: usize = 1 << 16;
/// So may one of this many bytes, if its keys are long.
const MANY_BYTES: usize = 1 << 22;
/// A table of this many keys is too large for them.
const TOO_MANY_KEYS: usize = 1 << 18;
/// With more groups than this they are partitioned themselves, so that their arguments need not be.
pub(super) const MOST_GROUPS: usize = 1 << 16;

/// An empty set for the distinct arguments of a call; with the group in front, if there are groups.
pub(super) fn distinct_set(call: &AggregateCall, grouped: bool) -> Result<KeySet> {
    key_set(&column_types(call, grouped), grouped, is_ordered(call))
}

fn key_set(columns: &[LogicalType], grouped: bool, ordered: bool) -> Result<KeySet> {
    if grouped { KeySet::of_groups(columns, ordered) } else { KeySet::new(columns) }
}

/// Whether rows are to come in the order in which they were found.
fn is_ordered(call: &AggregateCall) -> bool {
    call.function.order_sensitive || !call.order_by.is_empty()
}

fn column_types(call: &AggregateCall, grouped: bool) -> Vec<LogicalType> {
    let mut types: Vec<LogicalType> = if grouped { vec![LogicalType::UInteger] } else { vec![] };
    types.extend(call.args.iter().map(Expr::ty));
    types
}

/// How the same are words, if they can be.
fn word_keys(columns: &[LogicalType], grouped: bool) -> Option<WordKeys> {
    let types: Vec<DataType> = columns.iter().map(LogicalType::arrow).collect();
    match &types[..] {
        types if grouped => WordKeys::numbered(types),
        [single] => WordKeys::single(single),
        _ => None,
    }
}

/// When keys are so many that looking them up is slow, and so rarely met again that it does not pay.
///
/// How many of the last rows had a new key says it: that keys are rare so far says nothing, as all are when the table
/// is young.
pub(super) struct Repeats {
    /// The rows since the trial began, and the keys at that time, if there is one.
    trial: Option<(usize, usize)>,
    /// Keys, and bytes of the table, at which the next trial begins.
    next: (usize, usize),
}

impl Default for Repeats {
    fn default() -> Self {
        Self { trial: None, next: (MANY_KEYS, MANY_BYTES) }
    }
}

impl Repeats {
    /// Whether it is being tried how often keys come that are new.
    pub fn is_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// Notes rows; there are so many keys with them, in a table of so many bytes. Whether keys are too many and too rarely
    /// repeated.
    pub fn are_few(&mut self, rows: usize, keys: usize, bytes: usize) -> bool {
        let Some((tried, known)) = &mut self.trial else {
            if keys >= self.next.0 || bytes >= self.next.1 {
                self.trial = Some((0, keys));
            }
            return false;
        };
        *tried += rows;
        let (rows, new) = (*tried, keys - *known);
        if rows < *known / 2 {
            return false;
        }
        self.trial = None;
        self.next = (keys * 2, bytes * 2);
        rows < new * if keys < TOO_MANY_KEYS { 2 } else { 8 }
    }
}

/// One worker's distinct rows of one aggregate: groups, if there are any, and arguments.
pub(super) struct DistinctSet {
    keys: KeySet,
    grouped: bool,
    repeats: Repeats,
    /// Rows that may be in the table or among each other, if they are laid out by the hash of their arguments.
    scattered: Option<Scattered>,
    /// Where rows go once memory holds no more of them, by the hash of their arguments.
    spilled: Option<Partitioner>,
    types: Vec<DataType>,
    /// How many of the types are hashes of texts, at the end.
    texts: usize,
    columns: Vec<LogicalType>,
    ordered: bool,
}

enum Scattered {
    Columns(ScatteredColumns),
    Words(ScatteredWords),
}

struct ScatteredColumns {
    scatter: Scatter,
    hasher: KeyHasher,
    repeated: Repeated,
    seen: SeenCodes,
}

/// Which values of the dictionary that was seen last were laid out already.
#[derive(Default)]
struct SeenCodes {
    values: Option<ArrayRef>,
    seen: Vec<bool>,
}

impl SeenCodes {
    /// The rows of a dictionary-coded column whose values come for the first time.
    fn fresh(&mut self, column: &ArrayRef) -> Option<UInt32Array> {
        let array = column.as_dictionary_opt::<UInt32Type>()?;
        let same = self
            .values
            .as_ref()
            .is_some_and(|known| std::ptr::addr_eq(Arc::as_ptr(known), Arc::as_ptr(array.values())));
        if !same {
            self.seen.clear();
            self.seen.resize(array.values().len(), false);
            self.values = Some(array.values().clone());
        }
        let codes = array.keys();
        let mut fresh = vec![];
        let mut null = false;
        for (row, &code) in codes.values().iter().enumerate() {
            let seen = if codes.is_null(row) { &mut null } else { &mut self.seen[code as usize] };
            if !std::mem::replace(seen, true) {
                fresh.push(row as u32);
            }
        }
        Some(fresh.into())
    }
}

impl DistinctSet {
    /// Nothing yet.
    pub fn new(call: &AggregateCall, grouped: bool) -> Result<Self> {
        let mut types: Vec<DataType> = column_types(call, grouped).iter().map(LogicalType::arrow).collect();
        let texts = call.args.iter().filter(|a| is_text(&a.ty().arrow())).count();
        types.extend(std::iter::repeat_n(DataType::UInt64, texts));
        Ok(Self {
            keys: distinct_set(call, grouped)?,
            grouped,
            repeats: Repeats::default(),
            scattered: None,
            spilled: None,
            types,
            texts,
            columns: column_types(call, grouped),
            ordered: is_ordered(call),
        })
    }

    /// Whether rows have been laid out.
    pub fn is_scattered(&self) -> bool {
        self.scattered.is_some()
    }

    /// Whether rows have been written away.
    pub fn is_spilled(&self) -> bool {
        self.spilled.is_some()
    }

    /// Begins with these rows.
    pub fn set_keys(&mut self, keys: KeySet) {
        self.keys = keys;
    }

    /// Writes all rows away, and those that are still to come.
    pub fn spill(&mut self, spill: &Spill) -> Result<()> {
        let mut spilled = match self.spilled.take() {
            Some(spilled) => spilled,
            None => Partitioner::new(spill, 0),
        };
        let width = self.types.len() - self.texts;
        let rows = self.keys.len();
        let keys = self.keys.take_keys()?;
        self.keys = key_set(&self.columns, self.grouped, self.ordered)?;
        spill_rows(&mut spilled, keys, rows, self.grouped)?;
        match self.scattered.take() {
            None => {}
            Some(Scattered::Columns(mut scattered)) => {
                for mut batch in scattered.scatter.take()?.into_iter().flatten() {
                    batch.columns.truncate(width);
                    spill_rows(&mut spilled, batch.columns, batch.rows, self.grouped)?;
                }
            }
            Some(Scattered::Words(words)) => {
                for columns in words.into_columns()? {
                    let rows = columns.first().map_or(0, |c| c.len());
                    spill_rows(&mut spilled, columns, rows, self.grouped)?;
                }
            }
        }
        self.spilled = Some(spilled);
        Ok(())
    }

    /// What was written away, by partition.
    pub fn into_spilled(mut self, spill: &Spill) -> Result<Vec<Vec<Chunk>>> {
        self.spill(spill)?;
        let Some(mut spilled) = self.spilled else { return Ok(vec![]) };
        spilled.flush()?;
        Ok(spilled.parts)
    }

    /// All rows, by partition of the hashes of their groups.
    pub fn into_spilled_by_group(self, spill: &Spill, hashes: &[u64]) -> Result<Vec<Vec<Chunk>>> {
        let mut by_group = Partitioner::new(spill, 0);
        for chunk in self.into_spilled(spill)?.into_iter().flatten() {
            let batch = chunk.read()?;
            let groups = batch.columns[0].as_primitive::<UInt32Type>().values();
            let of_rows: Vec<u64> = groups.iter().map(|g| hashes[*g as usize]).collect();
            by_group.push(batch, &of_rows, 0)?;
        }
        by_group.flush()?;
        Ok(by_group.parts)
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        let scattered = match &self.scattered {
            None => 0,
            Some(Scattered::Columns(columns)) => columns.scatter.size(),
            Some(Scattered::Words(words)) => words.size(),
        };
        self.keys.size() + scattered
    }

    /// Groups, if there are any, and arguments. Where [`DistinctSet::is_scattered`] is so, some rows come repeatedly.
    pub fn into_columns(mut self) -> Result<Vec<ArrayRef>> {
        let columns = self.keys.take_keys()?;
        let further: Vec<Vec<ArrayRef>> = match self.scattered {
            None => return Ok(columns),
            Some(Scattered::Columns(mut scattered)) => {
                scattered.scatter.take()?.into_iter().flatten().map(|batch| batch.columns).collect()
            }
            Some(Scattered::Words(words)) => words.into_columns()?,
        };
        let pieces =
            |c: usize| std::iter::once(&columns[c]).chain(further.iter().map(move |columns| &columns[c]));
        (0..columns.len())
            .map(|c| {
                let pieces: Vec<&dyn Array> = pieces(c).map(|piece| &**piece).collect();
                Ok(concat(&pieces)?)
            })
            .collect()
    }

    /// All rows as words, some of which come repeatedly.
    pub fn into_words(mut self, keys: &WordKeys) -> Result<ScatteredWords> {
        let mut scattered = match self.scattered.take() {
            Some(Scattered::Words(words)) => words,
            _ => ScatteredWords::new(keys.clone()),
        };
        let (words, null) = self.keys.take_words(keys)?;
        scattered.add(&words, null);
        Ok(scattered)
    }

    /// Adds rows. `groups` is the number of groups so far.
    pub fn push(&mut self, columns: Vec<ArrayRef>, rows: usize, groups: usize) -> Result<()> {
        if let Some(spilled) = &mut self.spilled {
            return spill_rows(spilled, columns, rows, self.grouped);
        }
        match &mut self.scattered {
            None => {}
            Some(Scattered::Columns(scattered)) => return scattered.push(columns, rows, self.grouped),
            Some(Scattered::Words(words)) => return words.push(&columns, rows),
        }
        let rows = self.keys.insert(&columns, rows)?;
        // The texts of a dictionary are looked up once, while they are in the caches; where they are laid out each has to
        // be fetched from memory again.
        let once = !self.grouped && columns.iter().all(|c| c.as_dictionary_opt::<UInt32Type>().is_some());
        if !once
            && self.repeats.are_few(rows, self.keys.len(), self.keys.size())
            && self.keys.is_hashed()
            && groups <= MOST_GROUPS
            && self.types.iter().all(can_scatter)
        {
            self.scattered = Some(match word_keys(&self.columns, self.grouped).filter(|_| !self.ordered) {
                Some(keys) => Scattered::Words(ScatteredWords::new(keys)),
                None => Scattered::Columns(ScatteredColumns {
                    scatter: Scatter::new(&self.types, PARTITIONS)?,
                    hasher: KeyHasher::default(),
                    repeated: Repeated::default(),
                    seen: SeenCodes::default(),
                }),
            });
        }
        Ok(())
    }
}

/// Writes rows to the partitions of their arguments' hashes.
pub(super) fn spill_rows(
    spilled: &mut Partitioner,
    columns: Vec<ArrayRef>,
    rows: usize,
    grouped: bool,
) -> Result<()> {
    if rows == 0 {
        return Ok(());
    }
    let hashes = hash_keys(&columns[usize::from(grouped)..], rows)?;
    spilled.push(Batch::new(columns, rows), &hashes, 0)
}

impl ScatteredColumns {
    fn push(&mut self, mut columns: Vec<ArrayRef>, mut rows: usize, grouped: bool) -> Result<()> {
        if let ([column], false) = (&columns[..], grouped)
            && let Some(fresh) = self.seen.fresh(column)
        {
            columns = take_all(&columns, &fresh)?;
            rows = fresh.len();
        }
        self.hasher.hash(&columns[usize::from(grouped)..], rows)?;
        let hashes = self.hasher.hashes();
        let left = match columns[0].as_primitive_opt::<UInt32Type>().filter(|_| grouped) {
            None => self.repeated.leave(&columns, hashes),
            Some(groups) => {
                let groups = groups.values().iter().zip(hashes);
                let hashes: Vec<u64> = groups.map(|(group, hash)| mix(*hash, u64::from(*group))).collect();
                self.repeated.leave(&columns, &hashes)
            }
        };
        for hashes in self.hasher.texts() {
            columns.push(Arc::new(UInt64Array::from(hashes.clone())));
        }
        match left {
            None => self.scatter.push(&columns, hashes),
            Some(left) => self.scatter.push(&take_all(&columns, &left.rows)?, &left.of(hashes)),
        }
    }
}

/// One worker's distinct rows of one aggregate, and the numbers of its groups in the result, if they are others
/// than its own.
pub(super) type DistinctRows = (DistinctSet, Option<Vec<u32>>);

/// One worker's distinct rows, by partition.
struct Split {
    columns: Vec<ArrayRef>,
    picks: Vec<UInt32Array>,
    /// Rows that may be distinct, and whose groups still have the worker's numbers.
    scattered: Vec<Mutex<Vec<Batch>>>,
    map: Option<Vec<u32>>,
}

/// The distinct rows of several workers, in pieces that have no row in common.
pub(super) fn merge_distinct(
    aggregation: &Aggregation,
    call: &AggregateCall,
    mut sets: Vec<DistinctRows>,
) -> Result<Vec<Vec<ArrayRef>>> {
    let grouped = !aggregation.keys.is_empty();
    let scattered = sets.iter().any(|(set, _)| set.is_scattered());
    if let ([(set, _)], false) = (&mut sets[..], scattered) {
        return Ok(vec![set.keys.take_keys()?]);
    }
    let words = word_keys(&column_types(call, grouped), grouped);
    if let (true, false, Some(keys)) = (scattered, is_ordered(call), words) {
        return distinct_words::merge(aggregation, &keys, sets);
    }
    let context = &*aggregation.context;
    let rows: usize = sets.iter().map(|(s, _)| s.keys.len()).sum();
    let partitions = if scattered { PARTITIONS } else { partition_count(rows, context.threads) };
    let sets: Vec<Mutex<Option<DistinctRows>>> = sets.into_iter().map(|s| Mutex::new(Some(s))).collect();
    let split = parallel(context, sets.len(), |s| {
        let taken = sets[s].lock().take();
        let (mut set, map) =
            taken.ok_or_else(|| crate::exec::error::ExecError::Internal("merged twice".into()))?;
        let rows = set.keys.len();
        let mut columns = set.keys.take_keys()?;
        if let (true, Some(map)) = (grouped, &map) {
            columns[0] = remap(&columns[0], map);
        }
        // By the arguments alone: workers have different numbers for the same group.
        let hashes = hash_keys(&columns[usize::from(grouped)..], rows)?;
        let picks = split_by(rows, partitions, |row| partition_of(hashes[row], partitions));
        let scattered = match &mut set.scattered {
            Some(Scattered::Columns(scattered)) => {
                scattered.scatter.take()?.into_iter().map(Mutex::new).collect()
            }
            _ => vec![],
        };
        Ok(Split { columns, picks, scattered, map })
    })?;
    let width = call.args.len() + usize::from(grouped);
    parallel(context, partitions, |p| {
        let mut merged = distinct_set(call, grouped)?;
        let mut memory = Reservation::new(&aggregation.context);
        let rows: usize = split
            .iter()
            .map(|s| {
                s.picks[p].len() + s.scattered.get(p).map_or(0, |s| s.lock().iter().map(|b| b.rows).sum())
            })
            .sum();
        // Most rows that were laid out are distinct, or they would not have been.
        merged.expect(if scattered { rows / 2 } else { 0 });
        for split in &split {
            let picked = take_all(&split.columns, &split.picks[p])?;
            merged.insert(&picked, split.picks[p].len())?;
            let batches = split.scattered.get(p).map(|s| std::mem::take(&mut *s.lock())).unwrap_or_default();
            for mut batch in batches {
                let hashes = batch.columns.split_off(width);
                let texts: Vec<&[u64]> =
                    hashes.iter().map(|h| &h.as_primitive::<UInt64Type>().values()[..]).collect();
                if let (true, Some(map)) = (grouped, &split.map) {
                    batch.columns[0] = remap(&batch.columns[0], map);
                }
                merged.insert_hashed(&batch.columns, &texts, batch.rows)?;
            }
            memory.resize(merged.size())?;
        }
        merged.take_keys()
    })
}
