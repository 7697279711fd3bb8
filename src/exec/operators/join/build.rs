//! The build side of a join.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{Array, ArrayRef, BooleanArray, NullArray, UInt32Array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::DataType;
use arrow_select::take::take;

use parking_lot::Mutex;

use super::key_filter::KeyFilter;
use super::key_points::KeyPoints;
use super::parts::{How, WrittenBuild};
use crate::column::predicate::{CompareOp, Predicate};
use crate::column::scalar::Scalar;
use crate::column::stats::ChunkStats;
use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::flatten;
use crate::exec::expr::Expr;
use crate::exec::memory::Reservation;
use crate::exec::operators::coalesce::concat_arrays;
use crate::exec::operators::collect::{Collected, Gathered, collect, gather};
use crate::exec::operators::groups::direct::range_of;
use crate::exec::operators::groups::{FindCache, GroupTable, MISSING, group_table};
use crate::exec::operators::project::Project;
use crate::exec::pipeline::Pipeline;
use crate::exec::scheduler::parallel;
use crate::exec::spill::Spill;
use crate::exec::views::compact;

/// Build sides of fewer rows are not worth a thread.
const PARALLEL_ROWS: usize = 1 << 16;

/// The rows of a build side, and which of them have found a partner.
pub(crate) struct BuildRows {
    /// All rows; columns that nobody reads are NULL arrays.
    pub batch: Batch,
    /// A bit for each row, where unmatched rows are wanted.
    matched: Option<Vec<AtomicU64>>,
    _memory: Vec<Reservation>,
}

impl BuildRows {
    /// Notes that these rows have a partner.
    pub fn set_matched(&self, rows: &[u32]) {
        let Some(matched) = &self.matched else { return };
        for &row in rows {
            let (word, bit) = (&matched[row as usize / 64], 1 << (row % 64));
            // Most rows are set many times; a read is cheaper than a write that others must see.
            if word.load(Ordering::Relaxed) & bit == 0 {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
    }

    /// Whether this row is known to have a partner.
    pub fn is_matched(&self, row: u32) -> bool {
        let word = self.matched.as_ref().map(|m| m[row as usize / 64].load(Ordering::Relaxed));
        word.is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Those of the rows `from .. to` that have a partner (`matched`), or have none.
    pub fn tracked(&self, from: usize, to: usize, matched: bool) -> Vec<u32> {
        if self.matched.is_none() {
            return vec![];
        }
        (from as u32..to as u32).filter(|row| self.is_matched(*row) == matched).collect()
    }
}

/// Appends all batches into one, column by column on all threads; unwanted columns become NULL arrays.
fn unite(
    collected: Collected,
    width: usize,
    wanted: impl Fn(usize) -> bool + Sync,
    context: &ExecContext,
) -> Result<(Batch, Vec<Reservation>)> {
    let rows = collected.rows();
    if rows >= MISSING as usize {
        return Err(ExecError::Unsupported("more than 4294967294 rows on the build side of a join".into()));
    }
    let Collected { batches, memory } = collected;
    let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::with_capacity(batches.len()); width];
    for batch in batches {
        parts.iter_mut().zip(batch.columns).for_each(|(parts, column)| parts.push(column));
    }
    let parts: Vec<Mutex<Vec<ArrayRef>>> = parts.into_iter().map(Mutex::new).collect();
    let append = |c: usize| -> Result<ArrayRef> {
        // Taken out, so that the parts of a column go as soon as it is copied.
        let parts = std::mem::take(&mut *parts[c].lock());
        if !wanted(c) || parts.is_empty() {
            return Ok(Arc::new(NullArray::new(rows)));
        }
        Ok(compact(flatten(&concat_arrays(&parts)?)?))
    };
    let columns = if rows < PARALLEL_ROWS {
        (0..width).map(append).collect::<Result<_>>()?
    } else {
        parallel(context, width, append)?
    };
    Ok((Batch::new(columns, rows), memory))
}

/// The rows of a build side without keys, as far as they fit into memory.
pub(crate) fn build_rows(
    pipeline: &Pipeline,
    types: &[LogicalType],
    wanted: &[bool],
    track: bool,
    spill: &Spill,
) -> Result<Side<BuildRows>> {
    match gather(pipeline, &[], wanted, false, spill)? {
        Gathered::Kept(collected) => {
            Ok(Side::Kept(rows_of(collected, types, wanted, track, &spill.context)?))
        }
        Gathered::Written { parts, has_null_key } => {
            Ok(Side::Written(WrittenBuild { how: How::All(wanted.to_vec()), parts, has_null_key }))
        }
    }
}

/// Rows that were collected as those of a build side without keys.
pub(super) fn rows_of(
    collected: Collected,
    types: &[LogicalType],
    wanted: &[bool],
    track: bool,
    context: &ExecContext,
) -> Result<BuildRows> {
    let (mut batch, memory) = unite(collected, types.len(), |c| wanted[c], context)?;
    type_empty(&mut batch, types);
    Ok(BuildRows { matched: track.then(|| bitmap(batch.rows)), batch, _memory: memory })
}

/// A build side, wherever it is.
pub(crate) enum Side<T> {
    /// In memory.
    Kept(T),
    /// In the temporary file.
    Written(WrittenBuild),
}

/// Without rows there are no arrays to take the types from.
fn type_empty(batch: &mut Batch, types: &[LogicalType]) {
    if batch.rows == 0 {
        batch.columns = types.iter().map(|t| arrow_array::new_empty_array(&t.arrow())).collect();
    }
}

fn bitmap(rows: usize) -> Vec<AtomicU64> {
    (0..rows.div_ceil(64)).map(|_| AtomicU64::new(0)).collect()
}

/// A build side with a table of its keys.
pub(crate) struct HashBuild {
    pub rows: BuildRows,
    table: Box<dyn GroupTable>,
    /// Rows of key `k`: `lists.1[lists.0[k] .. lists.0[k + 1]]`. None if every key has one row, of its number.
    lists: Option<(Vec<u32>, Vec<u32>)>,
    /// A row has a NULL key, with which nothing is equal.
    pub has_null_key: bool,
    /// There are no rows that could have been found.
    pub is_empty: bool,
    /// For each key, what all rows' values lie between, where that is known.
    ranges: Vec<Option<(Scalar, Scalar)>>,
    /// For each key, which values there are, where somebody may ask and the table is not as good an answer.
    filters: Vec<Option<KeyFilter>>,
    /// All keys together, where somebody may ask and they are few.
    points: Option<KeyPoints>,
    _memory: Reservation,
}

impl HashBuild {
    /// The key number of each row, or [`MISSING`].
    pub fn find(
        &self,
        keys: &[ArrayRef],
        rows: usize,
        ids: &mut Vec<u32>,
        cache: &mut FindCache,
    ) -> Result<()> {
        self.table.find(keys, rows, ids, cache)
    }

    /// Every key has exactly one row, whose number is that of the key.
    pub fn is_unique(&self) -> bool {
        self.lists.is_none()
    }

    /// The rows with a key.
    pub fn rows_of(&self, key: u32) -> &[u32] {
        match &self.lists {
            Some((starts, rows)) => &rows[starts[key as usize] as usize..starts[key as usize + 1] as usize],
            None => &[],
        }
    }

    /// No key can be found.
    pub fn has_no_keys(&self) -> bool {
        self.table.len() == 0
    }

    /// What the left value of key `k` must satisfy to have a partner.
    pub fn predicates(&self, k: usize) -> Vec<Predicate> {
        match &self.ranges[k] {
            Some((min, max)) => vec![
                Predicate { op: CompareOp::GtEq, value: min.clone() },
                Predicate { op: CompareOp::LtEq, value: max.clone() },
            ],
            None => vec![],
        }
    }

    /// Whether [`HashBuild::any_within`] can tell something.
    pub fn knows_points(&self) -> bool {
        self.points.is_some()
    }

    /// Whether there may be a key whose values all lie within the bounds that statistics give for each.
    pub fn any_within(&self, stats: impl FnMut(usize) -> Result<ChunkStats>) -> Result<bool> {
        self.points.as_ref().map_or(Ok(true), |points| points.any_within(stats))
    }

    /// Whether [`HashBuild::members`] can tell something about key `k`.
    pub fn knows_members(&self, k: usize) -> bool {
        self.filters.len() == 1 || self.filters[k].is_some()
    }

    /// The rows of an array of values of key `k` that may be in the table; some of them may not.
    pub fn members(&self, k: usize, key: &ArrayRef, cache: &mut FindCache) -> Result<BooleanArray> {
        if let Some(filter) = &self.filters[k] {
            return filter.members(key);
        }
        let mut ids = vec![];
        self.table.find(std::slice::from_ref(key), key.len(), &mut ids, cache)?;
        Ok(BooleanArray::new(BooleanBuffer::collect_bool(ids.len(), |i| ids[i] != MISSING), None))
    }
}

/// What is asked of a build side.
#[derive(Clone, Copy)]
pub(crate) struct BuildRequest<'a> {
    /// Over the build side's columns.
    pub keys: &'a [Expr],
    /// Columns that somebody reads, beside the keys.
    pub wanted: &'a [bool],
    pub null_equals_null: bool,
    /// Which rows have found a partner matters.
    pub track: bool,
    /// How many rows may ask which values the keys have before they are looked up.
    pub asking: u64,
}

/// Tables of this many keys stay in the caches, so that a smaller filter before them is of little use.
const SMALL_TABLE: usize = 1 << 14;

/// For each key, which values there are. Not where the table itself is as good an answer.
fn key_filters(keys: &[ArrayRef], asking: u64) -> Result<Vec<Option<KeyFilter>>> {
    let filter = |key: &ArrayRef| -> Result<Option<KeyFilter>> {
        let rows = key.len();
        let small = keys.len() == 1 && rows < SMALL_TABLE;
        let text = matches!(key.data_type(), DataType::Utf8View | DataType::BinaryView);
        if asking < rows as u64 || (keys.len() == 1 && text) || *key.data_type() == DataType::Null {
            return Ok(None);
        }
        Ok(Some(KeyFilter::new(key, asking)?).filter(|f| !small || f.is_exact()))
    };
    keys.iter().map(filter).collect()
}

/// Lets workers compute what is no column; yields the columns of all expressions.
fn compute(
    pipeline: &mut Pipeline,
    types: &[LogicalType],
    exprs: &[&Expr],
    context: &Arc<ExecContext>,
) -> Vec<usize> {
    let computed: Vec<&Expr> = exprs.iter().copied().filter(|k| !matches!(k, Expr::Column { .. })).collect();
    if !computed.is_empty() {
        let columns = types.iter().enumerate().map(|(i, t)| Expr::column(i, t.clone()));
        let all = columns.chain(computed.into_iter().cloned()).collect();
        pipeline.operators.push(Arc::new(Project::new(all, context)));
    }
    let mut next = types.len();
    let place = |e: &&Expr| match e {
        Expr::Column { index, .. } => *index,
        _ => {
            next += 1;
            next - 1
        }
    };
    exprs.iter().map(place).collect()
}

/// Runs a build side; yields its rows, and the values of expressions over them.
pub(super) fn collect_build(
    mut pipeline: Pipeline,
    types: &[LogicalType],
    exprs: &[&Expr],
    wanted: &[bool],
    track: bool,
    context: &Arc<ExecContext>,
) -> Result<(BuildRows, Vec<ArrayRef>)> {
    let places = compute(&mut pipeline, types, exprs, context);
    let width = types.len() + exprs.iter().filter(|e| !matches!(e, Expr::Column { .. })).count();
    let read = |c: usize| places.contains(&c) || wanted.get(c).copied().unwrap_or(false);
    let (mut batch, memory) = unite(collect(&pipeline, context)?, width, read, context)?;
    if batch.rows == 0 {
        let empty = exprs.iter().map(|e| arrow_array::new_empty_array(&e.ty().arrow())).collect();
        type_empty(&mut batch, types);
        return Ok((BuildRows { batch, matched: track.then(Vec::new), _memory: memory }, empty));
    }
    let values = places.iter().map(|&c| batch.columns[c].clone()).collect();
    for (c, column) in batch.columns.iter_mut().enumerate().take(types.len()) {
        if !wanted[c] {
            *column = Arc::new(NullArray::new(batch.rows));
        }
    }
    batch.columns.truncate(types.len());
    Ok((BuildRows { matched: track.then(|| bitmap(batch.rows)), batch, _memory: memory }, values))
}

/// What is made of the rows of a build side.
pub(crate) struct BuildSide {
    types: Vec<LogicalType>,
    keys: Vec<Expr>,
    /// Where the keys are among the columns of the rows.
    key_columns: Vec<usize>,
    width: usize,
    wanted: Vec<bool>,
    pub null_equals_null: bool,
    track: bool,
    asking: u64,
    context: Arc<ExecContext>,
}

/// Runs the build side and makes a table of its keys, if it fits into memory.
pub(crate) fn build_hash(
    mut pipeline: Pipeline,
    types: &[LogicalType],
    request: BuildRequest<'_>,
    left_keys: &[Expr],
    spill: &Spill,
) -> Result<Side<HashBuild>> {
    let exprs: Vec<&Expr> = request.keys.iter().collect();
    let key_columns = compute(&mut pipeline, types, &exprs, &spill.context);
    let computed = exprs.iter().filter(|k| !matches!(k, Expr::Column { .. })).count();
    let side = BuildSide {
        types: types.to_vec(),
        keys: request.keys.to_vec(),
        key_columns,
        width: types.len() + computed,
        wanted: request.wanted.to_vec(),
        null_equals_null: request.null_equals_null,
        track: request.track,
        asking: request.asking,
        context: spill.context.clone(),
    };
    let read: Vec<bool> = (0..side.width).map(|c| side.reads(c)).collect();
    match gather(&pipeline, &side.key_exprs(), &read, false, spill)? {
        Gathered::Kept(collected) => Ok(Side::Kept(side.table(collected)?)),
        Gathered::Written { parts, has_null_key } => {
            // Where NULLs are equal they are keys like others.
            let has_null_key = has_null_key && !side.null_equals_null;
            let how = How::Hash(side, left_keys.to_vec());
            Ok(Side::Written(WrittenBuild { how, parts, has_null_key }))
        }
    }
}

impl BuildSide {
    /// The keys over the columns of the rows.
    pub fn key_exprs(&self) -> Vec<Expr> {
        self.key_columns.iter().zip(&self.keys).map(|(&c, key)| Expr::column(c, key.ty())).collect()
    }

    fn reads(&self, column: usize) -> bool {
        self.key_columns.contains(&column) || self.wanted.get(column).copied().unwrap_or(false)
    }

    /// A table of the keys of these rows.
    pub fn table(&self, collected: Collected) -> Result<HashBuild> {
        let Self { types, keys, key_columns, wanted, context, .. } = self;
        let (null_equals_null, track, asking) = (self.null_equals_null, self.track, self.asking);
        let (mut batch, memory) = unite(collected, self.width, |c| self.reads(c), context)?;
        let key_types: Vec<LogicalType> = keys.iter().map(Expr::ty).collect();
        let mut table = group_table(&key_types)?;
        let mut has_null_key = false;
        if batch.rows == 0 {
            type_empty(&mut batch, types);
            let rows = BuildRows { batch, matched: track.then(Vec::new), _memory: memory };
            let ranges = keys.iter().map(|_| None).collect();
            let filters = keys.iter().map(|_| None).collect();
            let memory = Reservation::new(context);
            let is_empty = true;
            return Ok(HashBuild {
                rows,
                table,
                lists: None,
                has_null_key,
                is_empty,
                ranges,
                filters,
                points: None,
                _memory: memory,
            });
        }
        let mut key_arrays: Vec<ArrayRef> = key_columns.iter().map(|&c| batch.columns[c].clone()).collect();
        let mut keyed = batch.rows;
        if !null_equals_null {
            let nulls = key_arrays
                .iter()
                .fold(None, |all, key| NullBuffer::union(all.as_ref(), key.logical_nulls().as_ref()));
            if let Some(nulls) = nulls.filter(|n| n.null_count() > 0) {
                has_null_key = true;
                keyed -= nulls.null_count();
                // Rows with a NULL key go to the end, where nothing finds them, or away if nobody wants them.
                let mut order: Vec<u32> = nulls.valid_indices().map(|i| i as u32).collect();
                if track {
                    order.extend((0..batch.rows as u32).filter(|i| nulls.is_null(*i as usize)));
                }
                let order = UInt32Array::from(order);
                for column in &mut batch.columns {
                    *column = take(column, &order, None)?;
                }
                batch.rows = order.len();
                key_arrays = key_columns.iter().map(|&c| batch.columns[c].slice(0, keyed)).collect();
            }
        }
        let ranges = key_arrays
            .iter()
            .map(|key| {
                let (min, max) = range_of(key)?;
                Some((Scalar::Int(min.into()), Scalar::Int(max.into())))
            })
            .collect();
        let filters = key_filters(&key_arrays, asking)?;
        let points = if asking < keyed as u64 { None } else { KeyPoints::new(&key_arrays, &key_types) };
        let mut memory_of_table = Reservation::new(context);
        let mut ids = vec![];
        table.expect(keyed);
        table.intern(&key_arrays, keyed, &mut ids)?;
        table.complete();
        // Without lists, a key's number is its row. A table may number NULL out of turn.
        let unique = table.len() == keyed && ids.iter().enumerate().all(|(row, &id)| id as usize == row);
        let lists = (!unique).then(|| lists(&ids, table.len()));
        let filter_bytes = filters.iter().flatten().map(KeyFilter::size).sum::<usize>()
            + points.as_ref().map_or(0, KeyPoints::size);
        memory_of_table
            .force(table.size() + filter_bytes + if unique { 0 } else { (keyed + table.len()) * 4 });
        for (c, column) in batch.columns.iter_mut().enumerate().take(types.len()) {
            if !wanted[c] {
                *column = Arc::new(NullArray::new(batch.rows));
            }
        }
        batch.columns.truncate(types.len());
        let rows = BuildRows { matched: track.then(|| bitmap(batch.rows)), batch, _memory: memory };
        let is_empty = table.len() == 0 && !has_null_key;
        Ok(HashBuild {
            rows,
            table,
            lists,
            has_null_key,
            is_empty,
            ranges,
            filters,
            points,
            _memory: memory_of_table,
        })
    }
}

/// The rows of each key, in order.
fn lists(ids: &[u32], keys: usize) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0u32; keys + 1];
    for &id in ids {
        starts[id as usize + 1] += 1;
    }
    for k in 0..keys {
        starts[k + 1] += starts[k];
    }
    let mut next = starts.clone();
    let mut rows = vec![0; ids.len()];
    for (row, &id) in ids.iter().enumerate() {
        let at = &mut next[id as usize];
        rows[*at as usize] = row as u32;
        *at += 1;
    }
    (starts, rows)
}
