//! Scanning one row group: block by block, and what is left of each ([`selection`]), in an order that may leave out some
//! ([`block_order`]). Columns are decoded when somebody asks for them ([`read`]).

mod block_order;
mod by_dictionary;
mod read;
mod selection;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::{ArrayRef, NullArray};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};

use by_dictionary::ByDictionary;
use read::Decoded;
use selection::Selection;

use super::TableScan;
use super::conjunct::prune;
use super::newest::{Candidates, rank_of_newest};
use crate::column::predicate::{Predicate, Prune};
use crate::column::scalar::Scalar;
use crate::column::stats::ChunkStats;
use crate::column::{ChunkReader, Codec};
use crate::exec::batch::Batch;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::evaluate_predicate;
use crate::exec::hints::{Hint, HintKind};
use crate::exec::operators::coalesce::Coalescer;
use crate::exec::operators::groups::FindCache;
use crate::exec::pipeline::metrics;
use crate::exec::profile::ScanMetrics;
use crate::table::{ROW_ID, RowGroup, TableError};

/// The batches of one row group.
pub(super) struct GroupScan {
    scan: Arc<TableScan>,
    group: Arc<RowGroup>,
    /// The only rows that can satisfy the conditions, in order, if they are known.
    rows: Option<Vec<u32>>,
    /// It is known that no row satisfies them.
    is_refuted: bool,
    /// Opened when first needed, by position in the scan's columns.
    readers: Vec<Option<Arc<ChunkReader>>>,
    /// What is left to evaluate, in order; known once the scan has begun.
    conjuncts: Vec<usize>,
    hints: Vec<(usize, Predicate)>,
    /// In which order conditions and members are asked.
    steps: Vec<Step>,
    /// What dictionaries say, for each of the scan's conditions.
    by_dictionary: Vec<ByDictionary>,
    /// One for each of the scan's hints.
    caches: Vec<FindCache>,
    deletes: Option<BooleanBuffer>,
    /// The keys that the rows can have, where only the newest row of each is wanted; once they were needed.
    candidates: Option<Candidates>,
    begun: bool,
    /// The order in which blocks are read, if it is not their own.
    order: Option<Vec<(Option<i64>, u32)>>,
    block: usize,
    blocks: usize,
    block_rows: usize,
    small: Coalescer,
    work: Work,
}

/// Counted here, added to the query's counters once a row group.
#[derive(Default)]
struct Work {
    rows: u64,
    blocks_skipped: u64,
    bytes: u64,
    /// In detail, where somebody asks for it.
    detail: Option<Box<ScanMetrics>>,
}

impl Work {
    /// Counts something in detail.
    fn note(&mut self, count: impl FnOnce(&mut ScanMetrics)) {
        if let Some(detail) = &mut self.detail {
            count(detail);
        }
    }
}

/// The statistics of the numbers of rows in a row.
fn row_id_stats(first: u64, rows: usize) -> ChunkStats {
    let rows = rows as u64;
    ChunkStats {
        rows,
        min: Some(Scalar::Int(first.into())),
        max: Some(Scalar::Int((first + rows.saturating_sub(1)).into())),
        sorted: true,
        distinct: Some(rows),
        ..ChunkStats::default()
    }
}

/// What is known of a column of a scan in a row group.
fn group_stats(scan: &TableScan, group: &RowGroup, column: usize) -> Result<ChunkStats> {
    match scan.columns[column] {
        ROW_ID => Ok(row_id_stats(group.first_row(), group.rows())),
        column => Ok(group.chunk_stats(column)?),
    }
}

/// Whether a condition holds for no row of a row group, as its statistics say.
pub(super) fn is_refuted(scan: &TableScan, group: &RowGroup) -> Result<bool> {
    for conjunct in &scan.conjuncts {
        if prune(&conjunct.expr, &mut |column| group_stats(scan, group, column))? == Prune::None {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What rows must satisfy that statistics cannot tell.
#[derive(Clone, Copy)]
enum Step {
    /// A condition, by its number.
    Conjunct(usize),
    /// Being a key of a join behind the scan, by the number of the hint.
    Members(usize),
}

/// Rows after which it is known whether asking a join for members pays.
const MEMBERS_TRIAL: u64 = 16_384;
/// The join asks again for what is kept, so that this share of the rows must go.
const MEMBERS_MIN_DROPPED: f64 = 0.25;
/// What it costs to ask about a row; see `conjunct::cost`.
const MEMBERS_COST: f64 = 2.0;

/// The order in which conditions and members are best asked. Conditions that may fail come last and stay in the order
/// they were written in. Each condition comes with the share of the rows that the strings of a dictionary are that tells
/// whether it holds, if there is one.
fn evaluation_order(scan: &TableScan, conjuncts: &[(usize, Option<f64>)]) -> Vec<Step> {
    let members = (0..scan.hints.len()).filter(|&h| {
        let observed = &scan.observed[h];
        matches!(scan.hints[h].kind, HintKind::Members(..))
            && (observed.seen() < MEMBERS_TRIAL || observed.dropped() >= MEMBERS_MIN_DROPPED)
    });
    let mut steps: Vec<(bool, f64, Step)> = members
        .map(|h| (false, scan.observed[h].rank(MEMBERS_COST), Step::Members(h)))
        .chain(conjuncts.iter().map(|&(c, dictionary)| {
            let conjunct = &scan.conjuncts[c];
            let rank = if conjunct.fallible { 0.0 } else { conjunct.rank(dictionary) };
            (conjunct.fallible, rank, Step::Conjunct(c))
        }))
        .collect();
    steps.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    steps.into_iter().map(|(_, _, step)| step).collect()
}

impl GroupScan {
    pub fn new(scan: Arc<TableScan>, group: Arc<RowGroup>, rows: Option<Vec<u32>>, is_refuted: bool) -> Self {
        let width = scan.columns.len();
        let detail = scan.context.profile.get().map(|_| Box::default());
        let caches = scan.hints.iter().map(|_| FindCache::default()).collect();
        let by_dictionary = scan.conjuncts.iter().map(|_| ByDictionary::default()).collect();
        Self {
            scan,
            group,
            rows,
            is_refuted,
            readers: vec![None; width],
            conjuncts: vec![],
            hints: vec![],
            steps: vec![],
            by_dictionary,
            caches,
            deletes: None,
            candidates: None,
            begun: false,
            order: None,
            block: 0,
            blocks: 0,
            block_rows: 1,
            small: Coalescer::default(),
            work: Work { detail, ..Work::default() },
        }
    }

    fn reader(&mut self, column: usize) -> Result<Arc<ChunkReader>> {
        if let Some(reader) = &self.readers[column] {
            return Ok(reader.clone());
        }
        let reader = self.group.chunk(self.scan.columns[column])?;
        if reader.rows() != self.group.rows() || (self.blocks > 0 && reader.block_rows() != self.block_rows) {
            return Err(ExecError::Internal(format!(
                "row group {} of table \"{}\": its chunks are cut differently",
                self.group.index(),
                self.scan.table.name()
            )));
        }
        self.readers[column] = Some(reader.clone());
        Ok(reader)
    }

    /// Looks at the statistics of the chunks. The row group is done if they refute a condition.
    fn begin(&mut self) -> Result<()> {
        self.begun = true;
        if self.is_refuted && self.work.detail.is_none() {
            return self.skip();
        }
        let scan = self.scan.clone();
        let group = self.group.clone();
        let stats = |column: usize| group_stats(&scan, &group, column);
        let mut left = vec![];
        for (i, conjunct) in scan.conjuncts.iter().enumerate() {
            match prune(&conjunct.expr, &mut |column| stats(column))? {
                Prune::None => {
                    if self.work.detail.is_some() {
                        let by_nulls = match &conjunct.simple {
                            Some((column, predicate)) => stats(*column)?.nulls_refute(predicate),
                            None => false,
                        };
                        self.work
                            .note(|detail| ScanMetrics::refute(&mut detail.row_groups_refuted, i, by_nulls));
                    }
                    return self.skip();
                }
                Prune::Some => left.push(i),
                Prune::All => {}
            }
        }
        self.read_hints();
        let mut useful = vec![];
        for (column, predicate) in std::mem::take(&mut self.hints) {
            match stats(column)?.prune(&predicate) {
                Prune::None => {
                    self.work.note(|detail| detail.row_groups_unwanted += 1);
                    return self.skip();
                }
                Prune::Some => useful.push((column, predicate)),
                Prune::All => {}
            }
        }
        self.hints = useful;
        for hint in &scan.hints {
            if let HintKind::Points(build, columns) = &hint.kind
                && !build.any_within(|key| stats(columns[key]))?
            {
                self.work.note(|detail| detail.row_groups_unwanted += 1);
                return self.skip();
            }
        }
        self.conjuncts.clone_from(&left);
        if let Some(newest) = &scan.newest
            && let Some(rank) = rank_of_newest(&stats(self.yielded(newest.time))?, newest.greatest)
            && self.is_behind(newest, rank)?
        {
            newest.note_left_out(self.group.rows().div_ceil(crate::exec::pipeline::BATCH_ROWS));
            self.work.note(|detail| detail.row_groups_unwanted += 1);
            return self.skip();
        }
        let mut with_dictionaries = Vec::with_capacity(left.len());
        for &c in &left {
            let dictionary = match scan.conjuncts[c].told_by_dictionary() {
                Some(column) => self.dictionary_share(column, &stats(column)?)?,
                None => None,
            };
            with_dictionaries.push((c, dictionary));
        }
        self.steps = evaluation_order(&scan, &with_dictionaries);
        self.deletes = self.group.deletes()?;
        // The first column to be read says how the row group is cut.
        let conditions = self.conjuncts.iter().flat_map(|&c| &scan.conjuncts[c].columns);
        let measured = scan.lengths.iter().map(|(column, _)| column);
        let mut stored =
            conditions.chain(&scan.output).chain(measured).filter(|&&column| !self.is_row_id(column));
        if let Some(&first) = stored.next() {
            let reader = self.reader(first)?;
            self.block_rows = reader.block_rows();
            self.blocks = reader.blocks();
        } else {
            // Only the number of rows is wanted, or their numbers.
            self.block_rows = crate::exec::pipeline::BATCH_ROWS;
            self.blocks = self.group.rows().div_ceil(self.block_rows);
        }
        self.order_blocks()?;
        let blocks = self.blocks as u64;
        self.work.note(|detail| {
            detail.row_groups_read += 1;
            detail.blocks += blocks;
        });
        Ok(())
    }

    /// The share of the rows that the values of a column's dictionary are; `None` if it has none.
    fn dictionary_share(&mut self, column: usize, stats: &ChunkStats) -> Result<Option<f64>> {
        let codec = self.reader(column)?.codec_of_block(0).map_err(TableError::from)?;
        let distinct = stats.distinct.filter(|_| codec == Codec::Dictionary);
        Ok(distinct.map(|distinct| distinct as f64 / stats.rows.max(1) as f64))
    }

    fn is_row_id(&self, column: usize) -> bool {
        self.scan.columns[column] == ROW_ID
    }

    /// What is known of a column in a block.
    fn block_stats(&mut self, column: usize, index: usize) -> Result<ChunkStats> {
        if self.is_row_id(column) {
            let start = index * self.block_rows;
            let rows = self.block_rows.min(self.group.rows() - start);
            return Ok(row_id_stats(self.group.first_row() + start as u64, rows));
        }
        Ok(self.reader(column)?.block_stats(index).map_err(TableError::from)?)
    }

    fn prune_block(&mut self, column: usize, index: usize, predicate: &Predicate) -> Result<Prune> {
        if self.is_row_id(column) {
            return Ok(self.block_stats(column, index)?.prune(predicate));
        }
        Ok(self.reader(column)?.prune_block(index, predicate).map_err(TableError::from)?)
    }

    /// The rows of a block that satisfy all of some conditions, if that can be told from the encoded values.
    fn filter_block(
        &mut self,
        column: usize,
        index: usize,
        predicates: &[Predicate],
    ) -> Result<Option<BooleanBuffer>> {
        if self.is_row_id(column) {
            return Ok(None);
        }
        let reader = self.reader(column)?;
        let mask = reader.filter_block(index, predicates).map_err(TableError::from)?;
        if mask.is_some() {
            let codec = self.count_decoded(&reader, index)?;
            if codec == Codec::Dictionary {
                self.work.note(|detail| detail.dictionary_filters += 1);
            }
        }
        Ok(mask)
    }

    /// Whether a condition would decode what the output decodes again.
    fn had_better_read(
        &mut self,
        column: usize,
        index: usize,
        predicate: &Predicate,
        selection: &Selection,
    ) -> Result<bool> {
        if self.is_row_id(column) || selection.is_sparse() || !self.scan.output.contains(&column) {
            return Ok(false);
        }
        Ok(self.reader(column)?.filter_decodes(index, predicate).map_err(TableError::from)?)
    }

    /// Counts a block that is decoded, or filtered as it is. Returns its codec.
    fn count_decoded(&mut self, reader: &ChunkReader, index: usize) -> Result<Codec> {
        let (codec, bytes) = reader.size_of_block(index).map_err(TableError::from)?;
        self.work.bytes += bytes as u64;
        self.work.note(|detail| detail.add_decoded(codec, 1, bytes as u64));
        Ok(codec)
    }

    fn skip(&mut self) -> Result<()> {
        self.blocks = 0;
        self.scan.context.counters.row_groups_skipped.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn read_hints(&mut self) {
        self.hints.clear();
        for hint in &self.scan.hints {
            match &hint.kind {
                HintKind::Predicate(p) => self.hints.push((hint.column, p.clone())),
                HintKind::Bound(bound) => self.hints.extend(bound.get().map(|p| (hint.column, p))),
                HintKind::Members(..)
                | HintKind::Newest { .. }
                | HintKind::First { .. }
                | HintKind::Points(..) => {}
            }
        }
    }

    /// What is left of a block: `None` if nothing is.
    fn scan_block(&mut self, index: usize) -> Result<Option<Batch>> {
        let scan = self.scan.clone();
        let rows = self.block_rows.min(self.group.rows() - index * self.block_rows);
        let found = self.rows.as_ref().map(|found| {
            let (start, end) = (index * self.block_rows, index * self.block_rows + rows);
            let at = |row: usize| found.partition_point(|found| (*found as usize) < row);
            &found[at(start)..at(end)]
        });
        if found.is_some_and(<[u32]>::is_empty) {
            self.work.blocks_skipped += 1;
            self.work.note(|detail| detail.blocks_unwanted += 1);
            return Ok(None);
        }
        let found = found.map(|found| {
            let mut mask = BooleanBufferBuilder::new(rows);
            mask.append_n(rows, false);
            found.iter().for_each(|row| mask.set_bit(*row as usize - index * self.block_rows, true));
            mask.finish()
        });
        // The statistics of the block.
        let mut left = vec![];
        for i in 0..self.conjuncts.len() {
            let conjunct = &scan.conjuncts[self.conjuncts[i]];
            let verdict = match &conjunct.simple {
                Some((column, predicate)) => self.prune_block(*column, index, predicate)?,
                None => prune(&conjunct.expr, &mut |column| self.block_stats(column, index))?,
            };
            match verdict {
                Prune::None => {
                    self.work.blocks_skipped += 1;
                    if self.work.detail.is_some() {
                        let by_nulls = match &conjunct.simple {
                            Some((column, predicate)) => {
                                self.block_stats(*column, index)?.nulls_refute(predicate)
                            }
                            None => false,
                        };
                        let condition = self.conjuncts[i];
                        self.work.note(|detail| {
                            ScanMetrics::refute(&mut detail.blocks_refuted, condition, by_nulls);
                        });
                    }
                    return Ok(None);
                }
                Prune::Some => left.push(self.conjuncts[i]),
                Prune::All => {}
            }
        }
        let mut hints = vec![];
        for i in 0..self.hints.len() {
            let (column, predicate) = self.hints[i].clone();
            match self.prune_block(column, index, &predicate)? {
                Prune::None => {
                    self.work.blocks_skipped += 1;
                    self.work.note(|detail| detail.blocks_unwanted += 1);
                    return Ok(None);
                }
                Prune::Some => hints.push(i),
                Prune::All => {}
            }
        }
        for hint in &scan.hints {
            if let HintKind::Points(build, columns) = &hint.kind
                && !build.any_within(|key| self.block_stats(columns[key], index))?
            {
                self.work.blocks_skipped += 1;
                self.work.note(|detail| detail.blocks_unwanted += 1);
                return Ok(None);
            }
        }
        self.work.rows += rows as u64;
        let mut selection = Selection::all(rows);
        if let Some(found) = found {
            selection.and(found);
        }
        if let Some(deletes) = &self.deletes {
            selection.and(!&deletes.slice(index * self.block_rows, rows));
        }
        let mut decoded = Decoded::none_of(scan.columns.len());
        // Those on encoded values first: they are cheap. Where a join tells which values it has, their range adds
        // nothing.
        for i in 0..hints.len() {
            if selection.left == 0 {
                return Ok(None);
            }
            let column = self.hints[hints[i]].0;
            let asks_join = |h: &Hint| h.column == column && matches!(h.kind, HintKind::Members(..));
            let asked = hints[..i].iter().any(|h| self.hints[*h].0 == column);
            if asked || scan.hints.iter().any(asks_join) {
                continue;
            }
            let of_column = hints.iter().map(|h| &self.hints[*h]).filter(|(of, _)| *of == column);
            let predicates: Vec<Predicate> = of_column.map(|(_, predicate)| predicate.clone()).collect();
            if let Some(mask) = self.filter_block(column, index, &predicates)? {
                selection.and(mask);
            }
        }
        for s in 0..self.steps.len() {
            if selection.left == 0 {
                break;
            }
            match self.steps[s] {
                Step::Conjunct(c) if left.contains(&c) => {
                    if !self.apply_encoded(c, index, &mut selection, &decoded, &mut left)? {
                        self.apply(c, index, &mut selection, &mut decoded)?;
                    }
                }
                Step::Conjunct(_) => {}
                Step::Members(h) => self.keep_members(h, index, &mut selection, &mut decoded)?,
            }
        }
        if selection.left == 0 {
            return Ok(None);
        }
        self.output(index, &selection, &decoded).map(Some)
    }

    /// Drops rows that have no partner in a join behind the scan.
    fn keep_members(
        &mut self,
        hint: usize,
        index: usize,
        selection: &mut Selection,
        decoded: &mut Decoded,
    ) -> Result<()> {
        let scan = self.scan.clone();
        let observed = &scan.observed[hint];
        let HintKind::Members(build, key) = &scan.hints[hint].kind else { return Ok(()) };
        if observed.seen() >= MEMBERS_TRIAL && observed.dropped() < MEMBERS_MIN_DROPPED {
            return Ok(());
        }
        let column = scan.hints[hint].column;
        let before = selection.left;
        if selection.is_sparse() && decoded.whole[column].is_none() {
            let values = self.read_rows(column, index, selection.indices())?;
            selection.narrow(build.members(*key, &values, &mut self.caches[hint])?.values());
        } else if let Some(runs) = self.read_runs(column, index, decoded)? {
            let found = build.members(*key, runs.values(), &mut self.caches[hint])?;
            selection.and(runs.rows_of(found.values()));
        } else {
            let values = self.read_block(column, index, decoded)?;
            selection.and(build.members(*key, &values, &mut self.caches[hint])?.values().clone());
        }
        observed.add(before, selection.left);
        Ok(())
    }

    /// Evaluates a condition on the encoded values of a column, with all others on it that are `left` and can be evaluated
    /// so: they are not left then. Returns whether that could be done.
    fn apply_encoded(
        &mut self,
        conjunct: usize,
        index: usize,
        selection: &mut Selection,
        decoded: &Decoded,
        left: &mut Vec<usize>,
    ) -> Result<bool> {
        let scan = self.scan.clone();
        if let Some(column) = scan.conjuncts[conjunct].of_strings {
            return self.apply_by_dictionary(conjunct, column, index, selection);
        }
        let Some((column, predicate)) = &scan.conjuncts[conjunct].simple else { return Ok(false) };
        if decoded.whole[*column].is_some() || self.had_better_read(*column, index, predicate, selection)? {
            return Ok(false);
        }
        let (mut together, mut predicates) = (vec![], vec![]);
        for &c in &*left {
            if let Some((of, predicate)) = &scan.conjuncts[c].simple
                && of == column
                && !self.had_better_read(*column, index, predicate, selection)?
            {
                together.push(c);
                predicates.push(predicate.clone());
            }
        }
        let Some(mask) = self.filter_block(*column, index, &predicates)? else { return Ok(false) };
        let before = selection.left;
        selection.and(mask);
        together.iter().for_each(|c| scan.conjuncts[*c].observe(before, selection.left));
        left.retain(|c| !together.contains(c));
        Ok(true)
    }

    /// Evaluates a condition on a column of strings by what it says of those of the dictionary. Returns whether that could
    /// be done.
    fn apply_by_dictionary(
        &mut self,
        conjunct: usize,
        column: usize,
        index: usize,
        selection: &mut Selection,
    ) -> Result<bool> {
        let scan = self.scan.clone();
        let reader = self.reader(column)?;
        if matches!(self.by_dictionary[conjunct], ByDictionary::Unknown) {
            // As if as many were left of each of the blocks to come.
            let rows = selection.left * (self.blocks - index);
            let place = (column, scan.columns.len());
            let expr = &scan.conjuncts[conjunct].expr;
            self.by_dictionary[conjunct].ask(expr, place, &reader, rows, &scan.context)?;
        }
        let ByDictionary::Told { set, null_passes } = &self.by_dictionary[conjunct] else { return Ok(false) };
        let mask = reader.filter_codes(index, set, *null_passes).map_err(TableError::from)?;
        let Some(mask) = mask else { return Ok(false) };
        self.count_decoded(&reader, index)?;
        self.work.note(|detail| detail.dictionary_filters += 1);
        let before = selection.left;
        selection.and(mask);
        scan.conjuncts[conjunct].observe(before, selection.left);
        Ok(true)
    }

    /// Evaluates one condition.
    fn apply(
        &mut self,
        conjunct: usize,
        index: usize,
        selection: &mut Selection,
        decoded: &mut Decoded,
    ) -> Result<()> {
        let scan = self.scan.clone();
        let conjunct = &scan.conjuncts[conjunct];
        let before = selection.left;
        // Fallible conditions see only rows that are left; so do all if those are few.
        let compact = !selection.is_all() && (conjunct.fallible || selection.is_sparse());
        let rows = if compact { selection.left } else { selection.rows };
        let nothing: ArrayRef = Arc::new(NullArray::new(rows));
        let mut columns = vec![nothing; scan.columns.len()];
        for &column in &conjunct.columns {
            columns[column] = if !compact {
                self.read_block(column, index, decoded)?
            } else if let Some(whole) = &decoded.whole[column] {
                Self::keep(whole, selection)?
            } else {
                self.read_rows(column, index, selection.indices())?
            };
        }
        let batch = Batch { columns, rows };
        let mask = evaluate_predicate(&conjunct.expr, &batch, &scan.context)?;
        if compact {
            selection.narrow(mask.values());
        } else {
            selection.and(mask.values().clone());
        }
        conjunct.observe(before, selection.left);
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<Batch>> {
        if !self.begun {
            self.begin()?;
        }
        while let Some(index) = self.next_block()? {
            self.scan.context.check_cancelled()?;
            let asks_again = self.order.is_some() || index % 16 == 15;
            if asks_again && self.scan.hints.iter().any(|h| matches!(h.kind, HintKind::Bound(_))) {
                self.read_hints();
            }
            if let Some(batch) = self.yield_block(index)?
                && let Some(batch) = self.small.push(batch)?
            {
                return Ok(Some(batch));
            }
        }
        self.small.flush()
    }
}

impl Iterator for GroupScan {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.next_batch();
        if !matches!(item, Ok(Some(_))) {
            self.blocks = 0;
        }
        item.transpose()
    }
}

impl Drop for GroupScan {
    fn drop(&mut self) {
        let counters = &self.scan.context.counters;
        counters.rows_scanned.fetch_add(self.work.rows, Ordering::Relaxed);
        counters.blocks_skipped.fetch_add(self.work.blocks_skipped, Ordering::Relaxed);
        counters.bytes_decoded.fetch_add(self.work.bytes, Ordering::Relaxed);
        if let Some(detail) = &mut self.work.detail {
            detail.rows = self.work.rows;
            if let Some(metrics) = metrics(&self.scan.context, self.scan.node) {
                metrics.add_scan(detail);
            }
        }
    }
}
