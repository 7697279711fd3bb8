//! Points of one series and time as others that are there already: the last counts, field by field.
//!
//! A field that the later point does not have keeps the value of the earlier one, as InfluxDB has it. The row of the
//! earlier point is deleted in the transaction that adds the later one, so that readers see one or the other, before
//! any row groups are merged too. Row groups are looked at only where their times overlap those of the batch.

use std::hash::{BuildHasher, Hash, Hasher};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast;
use arrow_schema::DataType;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::catalog::{ColumnRole, TableDefinition};
use crate::error::{Error, Result};
use crate::exec::error::ExecError;
use crate::table::{RowGroup, TableSnapshot};

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
    let overlaps = |group: &&std::sync::Arc<RowGroup>| {
        group.time_range().is_none_or(|(least, greatest)| least <= last && greatest >= first)
    };
    let groups: Vec<_> = table.row_groups()?.iter().filter(overlaps).collect();
    if groups.is_empty() {
        return Ok(vec![]);
    }
    let tags = of_role(ColumnRole::Tag).collect();
    let mut batch = Batch { columns, time, tags, hasher: FixedState::default(), rows: HashMap::default() };
    let own_tags = batch.tag_arrays();
    for row in 0..times.len() {
        let hash = batch.hash(times.value(row), &own_tags, row);
        batch.rows.entry(hash).or_default().push(row as u32);
    }
    let mut removed = vec![];
    // For each row of the batch the rows that it replaces, the oldest first.
    let mut replaced: HashMap<usize, Vec<Place>> = HashMap::new();
    let mut sources: Vec<&RowGroup> = vec![];
    for group in groups {
        let old_times = ticks(&group.read_column(time)?)?;
        let old_times = old_times.as_primitive::<Int64Type>();
        let deleted = group.deletes()?;
        let is_there = |row: &usize| {
            (first..=last).contains(&old_times.value(*row)) && deleted.as_ref().is_none_or(|d| !d.value(*row))
        };
        let candidates: Vec<usize> = (0..old_times.len()).filter(is_there).collect();
        if candidates.is_empty() {
            continue;
        }
        let old_tags: Vec<ArrayRef> =
            batch.tags.iter().map(|&tag| group.read_column(tag)).collect::<Result<_, _>>()?;
        let mut any = false;
        for row in candidates {
            let time = old_times.value(row);
            let Some(same) = batch.rows.get(&batch.hash(time, &old_tags, row)) else { continue };
            let is_same = |new: &&u32| {
                let new = **new as usize;
                times.value(new) == time
                    && own_tags.iter().zip(&old_tags).all(|(a, b)| same_text(a, new, b, row))
            };
            if let Some(&new) = same.iter().find(is_same) {
                removed.push(group.first_row() + row as u64);
                replaced.entry(new as usize).or_default().push((sources.len(), row));
                any = true;
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
