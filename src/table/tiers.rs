//! Merging row groups of a table with a primary key: rows of the delta are sealed in the order of the key, as a *run* of row
//! groups of which none has a key that another has room for, and runs become one when there are enough of a size.
//!
//! A run is not written down: it is row groups, one behind the other in the table, whose rows are in the order of the key and
//! whose keys follow one another. So rows that come in the order of the key make one run, whatever is done, and are never
//! written again.
//!
//! Of runs of a size there are three at most; the fourth makes one of four times the size. So each row is written again
//! log₄ n times, and a key is looked for in 3 log₄ n runs. What is small, less than a row group, is united with the next at
//! once. What that leaves alone is merged where too many row groups may have the same key
//! ([`key_overlap`](super::key_overlap)).

use std::ops::Range;
use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};

use crate::catalog::{ColumnId, TableDefinition};
use crate::column::key::Keys;
use crate::table::commit::{Builder, Made, MadeOf, Part, Selection};
use crate::table::data::{Delta, TableData};
use crate::table::error::{Result, TableError};
use crate::table::fresh::Content;
use crate::table::key_overlap::{DEPTH_MAX, KeySpan, crowded};
use crate::table::keys::{BLOCK_ENTRIES, KeyIndex};
use crate::table::order::RowOrder;
use crate::table::overlap::Thrift;
use crate::table::row_group::{RowGroup, Source};

/// Runs of a size that become one.
const ALIKE_MAX: usize = 4;
/// When asked for, a run is merged with rows that are this part of its own.
const EAGER_PART: u64 = 16;
/// Row groups that are merged beside other work, at most: who waits for the thread does not wait for ever.
const LAZY_GROUPS_MAX: u64 = 32;
/// Row groups that are merged at once when asked for, at most: where each of their rows goes is in memory, 16 bytes a row.
const EAGER_GROUPS_MAX: u64 = 128;

/// Row groups that follow one another in the key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    parts: Range<usize>,
    rows: u64,
}

/// The runs of row groups, of which each is known by its rows and, if these are in order, its least and greatest key.
fn runs<'a>(groups: impl Iterator<Item = (u64, Option<(&'a [u8], &'a [u8])>)>) -> Vec<Run> {
    let mut runs: Vec<Run> = vec![];
    let mut end: Option<&[u8]> = None;
    for (at, (rows, bounds)) in groups.enumerate() {
        match (bounds, runs.last_mut()) {
            (Some((least, greatest)), Some(run)) if end.is_some_and(|end| end < least) => {
                run.parts.end = at + 1;
                run.rows += rows;
                end = Some(greatest);
            }
            (Some((_, greatest)), _) => {
                runs.push(Run { parts: at..at + 1, rows });
                end = Some(greatest);
            }
            (None, _) => end = None,
        }
    }
    runs
}

/// How many of the last runs become one with new rows. `runs` are the rows of each.
fn absorbed(runs: &[u64], new: u64, thrift: Option<Thrift>, row_group_rows: u64) -> usize {
    let eager = thrift == Some(Thrift::EAGER);
    let most = match thrift {
        None => row_group_rows,
        Some(_) if eager => row_group_rows * EAGER_GROUPS_MAX,
        Some(_) => row_group_rows * LAZY_GROUPS_MAX,
    };
    // Without new rows the last run takes their place.
    let (mut total, mut count) = match runs.last() {
        Some(last) if new == 0 && eager => (*last, 1),
        _ => (new, 0),
    };
    while total > 0 {
        let rest = &runs[..runs.len() - count];
        let (reach, enough) = match total {
            _ if eager => (EAGER_PART, 1),
            small if small < row_group_rows => (1, 1),
            _ => (2, ALIKE_MAX - 1),
        };
        // As many as may be merged at once: where many have gathered, they must not keep each other from it.
        let mut united = total;
        let alike = rest.iter().rev().take_while(|rows| {
            let fits = **rows <= total.saturating_mul(reach) && united.saturating_add(**rows) <= most;
            united += if fits { **rows } else { 0 };
            fits
        });
        let alike = alike.count();
        if alike < enough {
            break;
        }
        (total, count) = (united, count + alike);
    }
    if new == 0 && count < 2 { 0 } else { count }
}

/// What is to be merged because too many row groups may have the same key, of those that are not to be merged already.
fn apart_from(planned: &[usize], spans: &[KeySpan<'_>]) -> Vec<Vec<usize>> {
    let mut rest = spans.to_vec();
    planned.iter().for_each(|part| rest[*part].bounds = None);
    crowded(&rest)
}

/// A part that is merged with others.
struct Merged {
    part: usize,
    group: RowGroup,
    /// Rows that are not deleted.
    left: BooleanBuffer,
    order: Order,
}

/// The order of the rows of a part.
enum Order {
    /// That of their keys, as an index in the file says.
    OfKeys(Arc<KeyIndex>),
    /// The keys of all rows, and the rows in their order.
    Sorted(Keys, Vec<u32>),
}

impl Builder<'_> {
    /// As [`change`](Self::change), of a table that has this key.
    pub(super) fn change_by_key(
        &mut self,
        table: &Arc<TableDefinition>,
        order: &RowOrder,
        key: &[ColumnId],
        delta: &Delta,
        old: &TableData,
        is_changed: bool,
    ) -> Result<()> {
        let (parts, empty) = self.parts(old, delta, 0)?;
        let held = |part: &Part| matches!(&part.source, Source::Fresh(group) if matches!(group.content(), Content::Held(_)));
        let new: Vec<usize> = (0..parts.len()).filter(|part| held(&parts[*part])).collect();
        let is_loaded = parts.len() - new.len() > old.sealed_groups();
        let new_rows = new.iter().map(|part| parts[*part].rows_left()).sum();
        let index = |part: &Part| match &part.source {
            Source::Sealed(group) => group.key_index(&self.base.pin, key),
            Source::Fresh(_) => Ok(None),
        };
        let indexes = parts.iter().map(index).collect::<Result<Vec<_>>>()?;
        let spans: Vec<KeySpan<'_>> = indexes
            .iter()
            .map(|index| KeySpan {
                bounds: index.as_ref().and_then(|index| index.bounds()),
                is_in_order: index.as_ref().is_some_and(|index| index.is_in_order()),
            })
            .collect();
        let in_order = spans.iter().map(|span| span.bounds.filter(|_| span.is_in_order));
        let runs = runs(parts.iter().map(Part::rows_left).zip(in_order));
        let rows: Vec<u64> = runs.iter().map(|run| run.rows).collect();
        let count = absorbed(&rows, new_rows, self.thrift, self.row_group_rows as u64);
        let old_runs = runs[runs.len() - count..].iter().flat_map(|run| run.parts.clone());
        let together: Vec<usize> = old_runs.chain(new).collect();
        let crowded = if self.thrift.is_some() { apart_from(&together, &spans) } else { vec![] };
        let is_crowded = !crowded.is_empty();
        let planned: Vec<Vec<usize>> =
            crowded.into_iter().chain(Some(together).filter(|together| !together.is_empty())).collect();
        if !is_changed && planned.is_empty() {
            old.set_late(false);
            return Ok(());
        }
        empty.iter().try_for_each(|part| self.free(&part.source))?;
        let mut made = self.merge(table, Some(order), &parts, &planned.concat())?;
        for together in &planned {
            made.push(self.merge_by_key(table, order, key, &parts, together)?);
        }
        let data = self.replace(table, old, 0, &parts, &empty, made)?;
        // Whoever is to put it in order looks whether there is more to do.
        let is_late = match self.thrift {
            Some(_) => is_crowded,
            None => old.is_late() || (is_loaded && data.sealed_groups() > DEPTH_MAX),
        };
        data.set_late(is_late);
        self.tables.insert(table.id, Arc::new(data));
        Ok(())
    }

    /// Makes one run of the rows of some parts, and frees these. What is in memory at a time is what goes into one row
    /// group.
    fn merge_by_key(
        &self,
        table: &Arc<TableDefinition>,
        order: &RowOrder,
        key: &[ColumnId],
        parts: &[Part],
        together: &[usize],
    ) -> Result<Made> {
        let place = together.iter().min().copied().unwrap_or(0);
        let merged = together.iter().map(|part| self.merged(table, order, key, parts, *part));
        let (mut groups, mut moved) = (vec![], vec![]);
        let mut write = |selection: &[Selection]| -> Result<()> {
            if (self.is_stopping)() {
                return Err(TableError::Ended);
            }
            let (made, places) = self.write(table, Some(order), parts, selection)?;
            groups.extend(made);
            match places {
                Some(places) => moved.extend(places),
                None => moved.extend(selection.iter().flat_map(|selected| selected.places(parts))),
            }
            Ok(())
        };
        match merged.collect::<Result<Option<Vec<_>>>>()? {
            Some(merged) => {
                let cuts = cuts(&merged, self.row_group_rows)?;
                let mut begin = vec![0; merged.len()];
                for cut in cuts.iter().map(Some).chain([None]) {
                    let mut selection = Vec::with_capacity(merged.len());
                    for (merged, begin) in merged.iter().zip(&mut begin) {
                        let end = match cut {
                            Some(cut) => merged.place_of(key, cut)?.max(*begin),
                            None => merged.group.rows(),
                        };
                        selection.extend(merged.select(*begin..end));
                        *begin = end;
                    }
                    if !selection.is_empty() {
                        write(&selection)?;
                    }
                }
            }
            // Without an index, as of a key that is too long for one.
            None => {
                let mut selection = vec![];
                for &part in together {
                    let deletes = self.deletes(table, &parts[part])?;
                    selection.push(Selection { part, rows: deletes.map(|deletes| deletes.left()) });
                }
                write(&selection)?;
            }
        }
        together.iter().try_for_each(|part| self.free(&parts[*part].source))?;
        Ok(Made { place, groups, rows: MadeOf::Rows(moved) })
    }

    /// `None`, if a part has no index.
    fn merged(
        &self,
        table: &Arc<TableDefinition>,
        order: &RowOrder,
        key: &[ColumnId],
        parts: &[Part],
        part: usize,
    ) -> Result<Option<Merged>> {
        let group = self.row_group(table, &parts[part]);
        let left = match self.deletes(table, &parts[part])? {
            Some(deletes) => !deletes.bits(),
            None => BooleanBuffer::new_set(group.rows()),
        };
        if !group.is_held() {
            match group.key_index(key)? {
                None => return Ok(None),
                Some(index) if index.is_in_order() => {
                    return Ok(Some(Merged { part, group, left, order: Order::OfKeys(index) }));
                }
                Some(_) => {}
            }
        }
        let columns = order.columns().into_iter().map(|column| group.read_column(column));
        let keys = Keys::encode(&columns.collect::<Result<Vec<_>>>()?);
        let keys = keys.ok_or_else(|| TableError::Unsupported("a key of a type without order".into()))?;
        let rows = keys.sorted();
        if rows.len() != group.rows() || !KeyIndex::can_hold(&keys) {
            return Ok(None);
        }
        Ok(Some(Merged { part, group, left, order: Order::Sorted(keys, rows) }))
    }
}

impl Merged {
    /// How many rows have keys less than one.
    fn place_of(&self, key: &[ColumnId], wanted: &[u8]) -> Result<usize> {
        match &self.order {
            Order::Sorted(keys, rows) => {
                Ok(rows.partition_point(|row| keys.get(*row as usize).is_some_and(|key| key < wanted)))
            }
            Order::OfKeys(index) => self.group.rows_before(key, index, wanted),
        }
    }

    /// The rows at these places in the order of the key that are left, if there are some.
    fn select(&self, places: Range<usize>) -> Option<Selection> {
        let mut bits = BooleanBufferBuilder::new(self.group.rows());
        match &self.order {
            Order::Sorted(_, rows) => {
                bits.append_n(self.group.rows(), false);
                rows[places].iter().for_each(|row| bits.set_bit(*row as usize, true));
            }
            Order::OfKeys(_) => {
                bits.append_n(places.start, false);
                bits.append_n(places.len(), true);
                bits.append_n(self.group.rows() - places.end, false);
            }
        }
        let rows = BooleanArray::new(&bits.finish() & &self.left, None);
        (rows.true_count() > 0).then_some(Selection { part: self.part, rows: Some(rows) })
    }
}

/// Keys between which there are equally many rows, more or less, and no more than go into a row group. Each is that of the
/// first of some rows.
fn cuts(merged: &[Merged], rows_max: usize) -> Result<Vec<Vec<u8>>> {
    let mut samples: Vec<(&[u8], usize)> = vec![];
    for Merged { group, left, order, .. } in merged {
        match order {
            Order::OfKeys(index) => {
                for block in 0..index.blocks() {
                    let rows = index.rows_of(block);
                    let count = left.slice(rows.start, rows.len()).count_set_bits();
                    let first = index.first_key(block).map_err(|what| group.bad_index(&what))?;
                    samples.push((first, count));
                }
            }
            Order::Sorted(keys, rows) => {
                let share = left.count_set_bits() as f64 / left.len().max(1) as f64;
                for rows in rows.chunks(BLOCK_ENTRIES) {
                    let first = keys.get(rows[0] as usize).unwrap_or_default();
                    samples.push((first, (rows.len() as f64 * share) as usize));
                }
            }
        }
    }
    samples.sort_unstable();
    // A block may go on behind the cut, and the last before it may be half of what is behind.
    let most = rows_max - ((merged.len() + 1) * BLOCK_ENTRIES).min(rows_max / 8);
    let all: usize = samples.iter().map(|(_, count)| count).sum();
    let groups = all.div_ceil(most).max(1);
    let (mut cuts, mut rows) = (vec![], 0);
    for (key, count) in samples {
        // In the middle of all rows there are half of them, and so on: nothing is left for a small one at the end.
        if rows * groups >= (cuts.len() + 1) * all {
            cuts.push(key.to_vec());
        }
        rows += count;
    }
    cuts.dedup();
    Ok(cuts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GROUP: u64 = 1000;

    #[test]
    fn runs_are_row_groups_whose_keys_follow_one_another() {
        let group = |low: &'static str, high: &'static str| (1, Some((low.as_bytes(), high.as_bytes())));
        let found = |groups: &[(u64, Option<(&'static [u8], &'static [u8])>)]| {
            runs(groups.iter().copied()).into_iter().map(|run| run.parts).collect::<Vec<_>>()
        };
        assert_eq!(found(&[]), [] as [Range<usize>; 0]);
        assert_eq!(
            found(&[group("a", "b"), group("c", "c"), group("d", "x")]),
            vec![Range { start: 0, end: 3 }]
        );
        assert_eq!(
            found(&[group("a", "c"), group("c", "d"), group("e", "f"), group("a", "b")]),
            [0..1, 1..3, 3..4]
        );
        assert_eq!(found(&[group("a", "b"), (9, None), group("c", "d")]), [0..1, 2..3]);
    }

    #[test]
    fn four_of_a_size_become_one() {
        let lazy = |runs: &[u64], new| absorbed(runs, new, Some(Thrift::LAZY), GROUP);
        assert_eq!(lazy(&[1000, 1000], 1000), 0);
        assert_eq!(lazy(&[1000, 1000, 1000], 1000), 3);
        assert_eq!(lazy(&[4000, 1000, 1000, 1000], 1000), 3);
        assert_eq!(lazy(&[4000, 4000, 4000, 1000, 1000, 1000], 1000), 6);
        assert_eq!(lazy(&[9000, 300, 20], 10), 0, "small ones as the digits of a binary counter");
        assert_eq!(lazy(&[9000, 300, 20, 10], 10), 2);
        assert_eq!(lazy(&[9000, 9000, 9000], 9000), 0, "more than is done beside other work");
        assert_eq!(lazy(&[5000; 60], 5000), 5, "as many as are");
        let eager = |runs: &[u64], new| absorbed(runs, new, Some(Thrift::EAGER), GROUP);
        assert_eq!(eager(&[9000, 9000, 9000], 9000), 3);
        assert_eq!((eager(&[9000], 500), eager(&[9000, 10], 500)), (0, 1));
        assert_eq!(eager(&[50_000; 4], 0), 2, "no more than has room in memory");
        assert_eq!((eager(&[9000, 600], 0), eager(&[9000, 500], 0), eager(&[9000], 0)), (2, 0, 0));
        assert_eq!(absorbed(&[1000, 1000, 1000], 1000, None, GROUP), 0);
        assert_eq!(absorbed(&[1000, 100], 100, None, GROUP), 1);
    }

    proptest! {
        /// Whatever sizes come, runs stay few, and rows are written few times.
        #[test]
        fn runs_stay_few_and_so_do_writes(seals in prop::collection::vec(1..2 * GROUP, 1..600)) {
            let (mut runs, mut written, mut all) = (vec![], 0, 0);
            for new in seals {
                let count = absorbed(&runs, new, Some(Thrift::LAZY), GROUP);
                let rows = new + runs.split_off(runs.len() - count).iter().sum::<u64>();
                runs.push(rows);
                (written, all) = (written + rows, all + new);
            }
            let tiers = all.ilog2() as usize + 1;
            // What is too large to be merged beside other work stays.
            let large = runs.iter().filter(|rows| **rows > GROUP * LAZY_GROUPS_MAX / 4).count();
            prop_assert!(runs.len() - large <= 3 * tiers, "{runs:?}");
            prop_assert!(written <= all * tiers as u64, "{written} of {all}");
        }
    }
}
