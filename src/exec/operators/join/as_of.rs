//! As-of joins: of the right rows with equal keys, the one nearest to a left row in time, or in whatever has an order.
//!
//! The right side is kept key by key, each key's rows sorted by what must be near; a left row finds its key in a
//! table and its partner by binary search. Left rows stream past in their order.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_buffer::NullBuffer;
use arrow_row::Rows;
use arrow_select::take::take;
use parking_lot::Mutex;

use super::JoinShape;
use super::build::{BuildRows, collect_build};
use super::matcher::Matcher;
use crate::column::predicate::CompareOp;
use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::eval::evaluate;
use crate::exec::expr::{Expr, SortKey};
use crate::exec::memory::Reservation;
use crate::exec::operators::groups::{FindCache, GroupTable, MISSING, group_table};
use crate::exec::operators::sort::keys::{Entry, KeyEncoder, prefix};
use crate::exec::operators::sort::parallel::sort_entries;
use crate::exec::pipeline::{Flow, LocalOperator, Next, Operator, Pipeline};
use crate::exec::scheduler::parallel;

/// Rows whose order is encoded at a time.
const ENCODE_ROWS: usize = 1 << 15;
/// Keys are sorted in tasks of about so many rows.
const SORT_ROWS: usize = 1 << 16;

/// The conditions of an as-of join, over its inputs.
pub(crate) struct AsOf {
    /// Pairs that must be equal.
    pub keys: Vec<(Expr, Expr)>,
    /// What must be near, on the left.
    pub left: Expr,
    /// How the left is to the right.
    pub op: CompareOp,
    /// What must be near, on the right.
    pub right: Expr,
    /// Keys that are NULL are equal.
    pub null_equals_null: bool,
    /// There is a further condition: the nearest row that satisfies it is wanted.
    pub conditional: bool,
}

impl AsOf {
    /// Whether the nearest row is the last one that is not too far.
    fn looks_back(&self) -> bool {
        matches!(self.op, CompareOp::Gt | CompareOp::GtEq)
    }

    /// An encoder for what must be near.
    fn encoder(&self) -> Result<KeyEncoder> {
        KeyEncoder::new(&[SortKey { expr: self.right.clone(), descending: false, nulls_first: false }])
    }
}

/// The right side.
pub(crate) struct AsOfBuild {
    pub rows: BuildRows,
    /// None without keys.
    table: Option<Box<dyn GroupTable>>,
    /// Where each key's rows begin in `entries`, and the end.
    starts: Vec<u32>,
    /// Of equally near rows only the first, unless there is a condition that it may not satisfy.
    entries: Vec<Entry>,
    order: Order,
    _memory: Reservation,
}

/// What must be near, encoded, of all rows of the right side.
struct Order {
    rows: Vec<Rows>,
    fits_prefix: bool,
}

impl Order {
    fn key(&self, row: u32) -> &[u8] {
        self.rows[row as usize / ENCODE_ROWS].row(row as usize % ENCODE_ROWS).data()
    }

    fn compare(&self, a: &Entry, b: &Entry) -> Ordering {
        let order = a.prefix.cmp(&b.prefix);
        if self.fits_prefix || order.is_ne() { order } else { self.key(a.row).cmp(self.key(b.row)) }
    }
}

/// Runs the right side and puts it in order.
pub(crate) fn build_as_of(
    pipeline: Pipeline,
    types: &[LogicalType],
    as_of: &AsOf,
    wanted: &[bool],
    track: bool,
    context: &Arc<ExecContext>,
) -> Result<AsOfBuild> {
    let mut exprs: Vec<&Expr> = as_of.keys.iter().map(|(_, right)| right).collect();
    exprs.push(&as_of.right);
    let (rows, mut columns) = collect_build(pipeline, types, &exprs, wanted, track, context)?;
    let near = columns.pop().unwrap_or_else(|| arrow_array::new_empty_array(&as_of.right.ty().arrow()));
    let total = rows.batch.rows;
    let mut memory = Reservation::new(context);
    memory.grow(total * (size_of::<Entry>() + size_of::<u32>()))?;
    // Rows that nothing can be near to are not looked at.
    let mut nulls = near.logical_nulls();
    if !as_of.null_equals_null {
        for key in &columns {
            nulls = NullBuffer::union(nulls.as_ref(), key.logical_nulls().as_ref());
        }
    }
    let kept: Option<UInt32Array> =
        nulls.filter(|n| n.null_count() > 0).map(|n| n.valid_indices().map(|i| i as u32).collect());
    let count = kept.as_ref().map_or(total, Array::len);
    let row_of = |i: usize| kept.as_ref().map_or(i as u32, |k| k.value(i));
    let (table, ids) = if columns.is_empty() {
        (None, vec![0; count])
    } else {
        if let Some(kept) = &kept {
            for key in &mut columns {
                *key = take(key, kept, None)?;
            }
        }
        let key_types: Vec<LogicalType> = as_of.keys.iter().map(|(_, right)| right.ty()).collect();
        let mut table = group_table(&key_types)?;
        let mut ids = vec![];
        table.intern(&columns, count, &mut ids)?;
        memory.grow(table.size())?;
        (Some(table), ids)
    };
    drop(columns);
    let encoder = as_of.encoder()?;
    let order = Order {
        rows: parallel(context, total.div_ceil(ENCODE_ROWS), |i| {
            let start = i * ENCODE_ROWS;
            encoder.encode(&[near.slice(start, ENCODE_ROWS.min(total - start))])
        })?,
        fits_prefix: encoder.fits_prefix(),
    };
    memory.grow(order.rows.iter().map(Rows::size).sum())?;
    let groups = table.as_ref().map_or(1, |t| t.len());
    let mut starts = vec![0u32; groups + 1];
    ids.iter().for_each(|&id| starts[id as usize + 1] += 1);
    for i in 1..starts.len() {
        starts[i] += starts[i - 1];
    }
    let mut next = starts.clone();
    let mut entries = vec![Entry { prefix: (0, 0), row: 0 }; count];
    for (i, &id) in ids.iter().enumerate() {
        let at = &mut next[id as usize];
        let row = row_of(i);
        entries[*at as usize] = Entry { prefix: prefix(order.key(row)), row };
        *at += 1;
    }
    // The first of equal rows is met first.
    let backwards = as_of.conditional && as_of.looks_back();
    let compare = |a: &Entry, b: &Entry| {
        let (first, second) = if backwards { (b, a) } else { (a, b) };
        order.compare(a, b).then(first.row.cmp(&second.row))
    };
    sort_keys(&mut entries, &starts, &compare, context)?;
    if !as_of.conditional {
        (entries, starts) = firsts(entries, &starts, &order);
    }
    let order = if order.fits_prefix { Order { rows: vec![], ..order } } else { order };
    Ok(AsOfBuild { rows, table, starts, entries, order, _memory: memory })
}

/// Sorts each key's rows: short lists in parallel, long ones each on all threads.
fn sort_keys(
    entries: &mut [Entry],
    starts: &[u32],
    compare: &(impl Fn(&Entry, &Entry) -> Ordering + Sync),
    context: &Arc<ExecContext>,
) -> Result<()> {
    let mut tasks: Vec<(usize, usize)> = vec![];
    let mut from = 0;
    for key in 1..starts.len() {
        let is_last = key + 1 == starts.len();
        let next = if is_last { 0 } else { (starts[key + 1] - starts[key]) as usize };
        if is_last || (starts[key] - starts[from]) as usize >= SORT_ROWS || next >= SORT_ROWS {
            tasks.push((from, key));
            from = key;
        }
    }
    let mut parts: Vec<Mutex<&mut [Entry]>> = vec![];
    let mut rest = entries;
    for &(from, to) in &tasks {
        let (part, behind) = rest.split_at_mut((starts[to] - starts[from]) as usize);
        parts.push(Mutex::new(part));
        rest = behind;
    }
    let is_long = |&(from, to): &(usize, usize)| to == from + 1;
    parallel(context, tasks.len(), |i| {
        if is_long(&tasks[i]) {
            return Ok(());
        }
        let (from, to) = tasks[i];
        let mut part = parts[i].lock();
        for key in from..to {
            let bounds = (starts[key] - starts[from]) as usize..(starts[key + 1] - starts[from]) as usize;
            sort_entries(&mut part[bounds], compare, context, 1)?;
        }
        Ok(())
    })?;
    for (task, part) in tasks.iter().zip(parts) {
        if is_long(task) {
            sort_entries(part.into_inner(), compare, context, context.threads)?;
        }
    }
    Ok(())
}

/// Of each key's equally near rows the first alone, and where keys then begin.
fn firsts(entries: Vec<Entry>, starts: &[u32], order: &Order) -> (Vec<Entry>, Vec<u32>) {
    let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
    let mut new_starts = Vec::with_capacity(starts.len());
    for key in starts.windows(2) {
        let first = kept.len();
        new_starts.push(first as u32);
        for entry in &entries[key[0] as usize..key[1] as usize] {
            if kept.len() == first || order.compare(&kept[kept.len() - 1], entry).is_ne() {
                kept.push(*entry);
            }
        }
    }
    new_starts.push(kept.len() as u32);
    (kept, new_starts)
}

impl AsOfBuild {
    /// Where a key's rows lie in `entries`.
    fn range(&self, key: u32) -> Range<usize> {
        self.starts[key as usize] as usize..self.starts[key as usize + 1] as usize
    }

    /// Where the nearest row of a key to a value that is encoded in `bytes` lies in `entries`.
    fn nearest(&self, key: u32, bytes: &[u8], op: CompareOp) -> Option<usize> {
        let range = self.range(key);
        let entries = &self.entries[range.clone()];
        let value = prefix(bytes);
        let compare = |e: &Entry| {
            let order = e.prefix.cmp(&value);
            if self.order.fits_prefix || order.is_ne() { order } else { self.order.key(e.row).cmp(bytes) }
        };
        let found = match op {
            CompareOp::GtEq => entries.partition_point(|e| compare(e).is_le()).checked_sub(1)?,
            CompareOp::Gt => entries.partition_point(|e| compare(e).is_lt()).checked_sub(1)?,
            CompareOp::LtEq => entries.partition_point(|e| compare(e).is_lt()),
            _ => entries.partition_point(|e| compare(e).is_le()),
        };
        (found < entries.len()).then_some(range.start + found)
    }
}

/// The probe side.
pub(crate) struct AsOfProbe {
    shape: JoinShape,
    build: Arc<AsOfBuild>,
    as_of: Arc<AsOf>,
}

impl AsOfProbe {
    pub fn new(shape: JoinShape, build: Arc<AsOfBuild>, as_of: Arc<AsOf>) -> Self {
        Self { shape, build, as_of }
    }
}

impl Operator for AsOfProbe {
    fn local(&self) -> Box<dyn LocalOperator> {
        Box::new(LocalProbe {
            matcher: Matcher::new(self.shape.clone(), None),
            shape: self.shape.clone(),
            build: self.build.clone(),
            as_of: self.as_of.clone(),
            encoder: self.as_of.encoder(),
            cache: FindCache::default(),
            ids: vec![],
        })
    }
}

struct LocalProbe {
    shape: JoinShape,
    build: Arc<AsOfBuild>,
    as_of: Arc<AsOf>,
    encoder: Result<KeyEncoder>,
    matcher: Matcher,
    cache: FindCache,
    ids: Vec<u32>,
}

impl LocalOperator for LocalProbe {
    fn push(&mut self, batch: Batch, next: &mut Next<'_>) -> Result<Flow> {
        let build = self.build.clone();
        let shape = self.shape.clone();
        let context = &*shape.context;
        if let Some(table) = &build.table {
            let keys: Vec<ArrayRef> = self
                .as_of
                .keys
                .iter()
                .map(|(left, _)| evaluate(left, &batch, context))
                .collect::<Result<_>>()?;
            // Without `null_equals_null` the table has no NULL, so a NULL key is not found.
            table.find(&keys, batch.rows, &mut self.ids, &mut self.cache)?;
        } else {
            self.ids.clear();
            self.ids.resize(batch.rows, 0);
        }
        let near = evaluate(&self.as_of.left, &batch, context)?;
        let nulls = near.logical_nulls();
        let encoder = self.encoder.as_ref().map_err(Clone::clone)?;
        let encoded = encoder.encode(&[near])?;
        self.matcher.begin(batch.rows);
        let (mut l, mut r) = (vec![], vec![]);
        for (row, &key) in self.ids.iter().enumerate() {
            if key == MISSING || nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                continue;
            }
            if let Some(at) = build.nearest(key, encoded.row(row).data(), self.as_of.op) {
                l.push(row as u32);
                r.push(at as u32);
            }
        }
        if self.as_of.conditional {
            (l, r) = self.nearest_satisfying(&batch, l, r)?;
        } else {
            r.iter_mut().for_each(|at| *at = build.entries[*at as usize].row);
        }
        if self.matcher.accept(&batch, &build.rows, l, r, next)? == Flow::Enough {
            return Ok(Flow::Enough);
        }
        self.matcher.end(batch, &build.rows, next)
    }
}

impl LocalProbe {
    /// Of each left row's partners, from the nearest on, the first that satisfies the condition. `places` are where
    /// the nearest lie in the build side's entries; the result is its rows.
    fn nearest_satisfying(
        &mut self,
        batch: &Batch,
        mut rows: Vec<u32>,
        mut places: Vec<u32>,
    ) -> Result<(Vec<u32>, Vec<u32>)> {
        let build = self.build.clone();
        let mut found: Vec<(u32, u32)> = vec![];
        while !rows.is_empty() {
            self.shape.context.check_cancelled()?;
            let mut l = rows.clone();
            let mut r: Vec<u32> = places.iter().map(|&at| build.entries[at as usize].row).collect();
            self.matcher.satisfying(batch, &build.rows, &mut l, &mut r)?;
            let mut satisfied = l.iter().copied().zip(r).peekable();
            let mut left = 0;
            for i in 0..rows.len() {
                if let Some(pair) = satisfied.next_if(|(row, _)| *row == rows[i]) {
                    found.push(pair);
                    continue;
                }
                let range = build.range(self.ids[rows[i] as usize]);
                let at = places[i] as usize;
                let next = if self.as_of.looks_back() { at.checked_sub(1) } else { Some(at + 1) };
                if let Some(next) = next.filter(|next| range.contains(next)) {
                    (rows[left], places[left]) = (rows[i], next as u32);
                    left += 1;
                }
            }
            rows.truncate(left);
            places.truncate(left);
        }
        found.sort_unstable();
        Ok(found.into_iter().unzip())
    }
}
