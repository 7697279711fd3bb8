//! Points of one series and time as others that are there already: the last counts, field by field.
//!
//! A field that the later point does not have keeps the value of the earlier one, as InfluxDB has it. The row of the
//! earlier point is deleted in the transaction that adds the later one, so that readers see one or the other, before
//! any row groups are merged too. Only what may have such rows is looked at: rows of the batch whose times lie within those
//! of a row group, and of that the blocks whose times are within those of the batch.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast;
use arrow_schema::DataType;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::catalog::{ColumnRole, TableDefinition};
use crate::column::scalar::Scalar;
use crate::error::{Error, Result};
use crate::exec::error::ExecError;
use crate::exec::eval::flatten;
use crate::table::{RowGroup, TableError, TableSnapshot};

/// Whether points of one series and time stand side by side in a table.
pub(super) fn are_kept(table: &TableDefinition) -> bool {
    match table.options.get("duplicates").map(|policy| &**policy) {
        Some(policy) => policy == "keep_all",
        // Tables that SQL made know no series.
        None => !table.columns.iter().any(|c| c.role == ColumnRole::Time),
    }
}

/// Where the value of a row comes from: an array and a place in it.
type Place = (usize, usize);

/// A batch of rows, no two of which have the same series and time, beside those that the table has.
struct Batch<'b> {
    columns: &'b mut [ArrayRef],
    time: usize,
    tags: Vec<usize>,
    hasher: FixedState,
    /// Rows by the hash of their series and time.
    rows: HashMap<u64, Vec<u32>, FixedState>,
}

impl Batch<'_> {
    /// The hash of a row's series and time; `columns` are the tags.
    fn hash(&self, time: i64, tags: &[ArrayRef], row: usize) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        time.hash(&mut hasher);
        for tag in tags {
            tag.is_valid(row).then(|| tag.as_string_view().value(row)).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn tag_arrays(&self) -> Vec<ArrayRef> {
        self.tags.iter().map(|&tag| self.columns[tag].clone()).collect()
    }
}

/// Takes what the rows of `columns` lack from those of the table that have their series and time. Returns the numbers
/// of these, which are to be deleted.
pub(super) fn absorb(table: &TableSnapshot, columns: &mut [ArrayRef]) -> Result<Vec<u64>> {
    let definition = table.definition();
    let of_role = |role| {
        let columns = definition.columns.iter().enumerate();
        columns.filter(move |(_, c)| c.role == role).map(|(i, _)| i)
    };
    let Some(time) = of_role(ColumnRole::Time).next() else { return Ok(vec![]) };
    let times = ticks(&columns[time])?;
    let times = times.as_primitive::<Int64Type>();
    let (Some(first), Some(last)) = (times.iter().flatten().min(), times.iter().flatten().max()) else {
        return Ok(vec![]);
    };
    let range_of = |group: &Arc<RowGroup>| group.time_range().unwrap_or((i64::MIN, i64::MAX));
    let overlapping = |group: &&Arc<RowGroup>| {
        let (least, greatest) = range_of(group);
        least <= last && greatest >= first
    };
    let groups: Vec<_> = table.row_groups()?.iter().filter(overlapping).collect();
    if groups.is_empty() {
        return Ok(vec![]);
    }
    let ranges = united(groups.iter().map(|group| range_of(group)).collect());
    let may_be_there = |time: i64| {
        let before = ranges.partition_point(|(least, _)| *least <= time);
        before > 0 && time <= ranges[before - 1].1
    };
    let tags = of_role(ColumnRole::Tag).collect();
    let mut batch = Batch { columns, time, tags, hasher: FixedState::default(), rows: HashMap::default() };
    let own_tags = batch.tag_arrays();
    for row in (0..times.len()).filter(|&row| may_be_there(times.value(row))) {
        let hash = batch.hash(times.value(row), &own_tags, row);
        batch.rows.entry(hash).or_default().push(row as u32);
    }
    let mut removed = vec![];
    // For each row of the batch the rows that it replaces, the oldest first.
    let mut replaced: HashMap<usize, Vec<Place>> = HashMap::new();
    let mut sources: Vec<&RowGroup> = vec![];
    for group in groups {
        let deleted = group.deletes()?;
        let mut any = false;
        for part in parts(group, time, (first, last))? {
            let old_times = ticks(&part.read(group, time)?)?;
            let old_times = old_times.as_primitive::<Int64Type>();
            let is_there = |row: &usize| {
                (first..=last).contains(&old_times.value(*row))
                    && deleted.as_ref().is_none_or(|d| !d.value(part.first_row + *row))
            };
            let candidates: Vec<usize> = (0..old_times.len()).filter(is_there).collect();
            if candidates.is_empty() {
                continue;
            }
            let old_tags: Vec<ArrayRef> =
                batch.tags.iter().map(|&tag| part.read(group, tag)).collect::<Result<_>>()?;
            for row in candidates {
                let time = old_times.value(row);
                let Some(same) = batch.rows.get(&batch.hash(time, &old_tags, row)) else { continue };
                let is_same = |new: &&u32| {
                    let new = **new as usize;
                    times.value(new) == time
                        && own_tags.iter().zip(&old_tags).all(|(a, b)| same_text(a, new, b, row))
                };
                if let Some(&new) = same.iter().find(is_same) {
                    let old = part.first_row + row;
                    removed.push(group.first_row() + old as u64);
                    replaced.entry(new as usize).or_default().push((sources.len(), old));
                    any = true;
                }
            }
        }
        if any {
            sources.push(group);
        }
    }
    take_missing(&mut batch, &replaced, &sources)?;
    removed.sort_unstable();
    Ok(removed)
}

/// Ranges as few that have no value in common, in order.
fn united(mut ranges: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    ranges.sort_unstable();
    let mut out: Vec<(i64, i64)> = vec![];
    for (least, greatest) in ranges {
        match out.last_mut() {
            Some(before) if least <= before.1 => before.1 = before.1.max(greatest),
            _ => out.push((least, greatest)),
        }
    }
    out
}

/// Some rows of a row group: a block, or all.
struct Part {
    block: Option<usize>,
    first_row: usize,
}

impl Part {
    fn read(&self, group: &RowGroup, column: usize) -> Result<ArrayRef> {
        match self.block {
            Some(block) => {
                let rows = group.chunk(column)?.read_block(block).map_err(TableError::from)?;
                Ok(flatten(&rows)?)
            }
            None => Ok(group.read_column(column)?),
        }
    }
}

/// The parts of a row group that may have rows of that range of times.
fn parts(group: &RowGroup, time: usize, (first, last): (i64, i64)) -> Result<Vec<Part>> {
    if !group.is_sealed() {
        return Ok(vec![Part { block: None, first_row: 0 }]);
    }
    let reader = group.chunk(time)?;
    let mut parts = vec![];
    for block in 0..reader.blocks() {
        let stats = reader.block_stats(block).map_err(TableError::from)?;
        let is_before = matches!(&stats.max, Some(Scalar::Int(max)) if *max < first.into());
        let is_behind = matches!(&stats.min, Some(Scalar::Int(min)) if *min > last.into());
        if !is_before && !is_behind {
            parts.push(Part { block: Some(block), first_row: block * reader.block_rows() });
        }
    }
    Ok(parts)
}

/// Puts the values of replaced rows where their successors have none.
fn take_missing(
    batch: &mut Batch<'_>,
    replaced: &HashMap<usize, Vec<Place>>,
    sources: &[&RowGroup],
) -> Result<()> {
    for column in 0..batch.columns.len() {
        let own = batch.columns[column].clone();
        if column == batch.time
            || batch.tags.contains(&column)
            || !replaced.keys().any(|&row| own.is_null(row))
        {
            continue;
        }
        let mut arrays = vec![own.clone()];
        for group in sources {
            arrays.push(group.read_column(column)?);
        }
        let place = |row: usize| {
            let known = |(source, old): &&Place| arrays[source + 1].is_valid(*old);
            match replaced.get(&row) {
                Some(places) if own.is_null(row) => {
                    places.iter().rev().find(known).map_or((0, row), |(source, old)| (source + 1, *old))
                }
                _ => (0, row),
            }
        };
        let places: Vec<Place> = (0..own.len()).map(place).collect();
        let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        batch.columns[column] = arrow_select::interleave::interleave(&arrays, &places).map_err(unexpected)?;
    }
    Ok(())
}

fn same_text(a: &ArrayRef, i: usize, b: &ArrayRef, j: usize) -> bool {
    match (a.is_valid(i), b.is_valid(j)) {
        (true, true) => a.as_string_view().value(i) == b.as_string_view().value(j),
        (a, b) => a == b,
    }
}

/// A column of times as whole numbers.
fn ticks(times: &ArrayRef) -> Result<ArrayRef> {
    cast(times, &DataType::Int64).map_err(unexpected)
}

#[allow(clippy::needless_pass_by_value)] // It is a function for `map_err`.
fn unexpected(error: arrow_schema::ArrowError) -> Error {
    ExecError::Internal(error.to_string()).into()
}

#[cfg(test)]
mod tests {
    use super::united;

    #[test]
    fn ranges_that_overlap_are_one() {
        assert_eq!(
            united(vec![(5, 9), (1, 3), (3, 4), (20, 30), (22, 25), (6, 7)]),
            [(1, 4), (5, 9), (20, 30)]
        );
        assert_eq!(united(vec![(i64::MIN, i64::MAX), (0, 1)]), [(i64::MIN, i64::MAX)]);
    }
}
