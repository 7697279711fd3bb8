//! Tidying up: moving row groups towards the beginning of the file, so that it can be cut, and records out of
//! pages that are mostly empty.

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog::{Catalog, DeletesRef, SegmentEntry};
use crate::pager::Extent;
use crate::table::commit::Builder;
use crate::table::data::{Delta, Group};
use crate::table::error::Result;
use crate::table::workspace::PlacedGroup;

/// Where something went that was moved.
#[derive(Clone, Copy, Default)]
struct Moved {
    chunks: Option<Extent>,
    deletes: Option<Extent>,
}

/// Removes deleted rows and moves what is worth moving. Returns whether that was anything.
pub(super) fn compact(builder: &mut Builder<'_>, catalog: &Catalog) -> Result<bool> {
    builder.txn.fill_from_start();
    for table in catalog.tables() {
        builder.change(table, &Delta::default()).map_err(|e| e.in_table(table))?;
    }
    let moved = move_extents(builder)?;
    let mut any = !moved.is_empty();
    let tables: Vec<_> = builder.tables.iter().map(|(id, data)| (*id, Arc::clone(data))).collect();
    for (id, data) in tables {
        let Some(directory) = data.directory else { continue };
        let mut sparse = builder.is_scattered(directory);
        let mut groups = Vec::with_capacity(data.row_groups());
        let mut changed = false;
        for segment in &data.segments {
            sparse |= builder.is_scattered(segment.reference.slot);
            for group in segment.groups(&builder.base.pin)? {
                let there = moved.get(&Arc::as_ptr(group)).copied().unwrap_or_default();
                let mut next = Arc::clone(group);
                if there.chunks.is_some() || builder.is_scattered(group.entry.record) {
                    next = Arc::new(rewrite_record(builder, group, there.chunks)?);
                }
                if let (Some(extent), Some(deletes)) = (there.deletes, next.entry.deletes) {
                    let deletes = Some(DeletesRef { page: extent.start.0, ..deletes });
                    next = Arc::new(next.with_entry(SegmentEntry { deletes, ..next.entry }));
                }
                changed |= !Arc::ptr_eq(group, &next);
                groups.push(next);
            }
        }
        if changed || sparse {
            any = true;
            let next = builder.rebuild(id, &data, 0, groups, sparse)?;
            builder.tables.insert(id, Arc::new(next));
        }
    }
    Ok(any)
}

/// Copies the row groups and delete vectors that lie last in the file to places before them, as long as there are
/// such places. Returns where they went. Of the old extents only the marks are made; their records still name them.
fn move_extents(builder: &Builder<'_>) -> Result<HashMap<*const Group, Moved>> {
    let pin = &builder.base.pin;
    let mut all: Vec<(Extent, bool, Arc<Group>)> = vec![];
    for data in builder.tables.values() {
        for segment in &data.segments {
            for group in segment.groups(pin)? {
                all.push((group.extent(pin)?, false, Arc::clone(group)));
                all.extend(group.deletes_extent().map(|extent| (extent, true, Arc::clone(group))));
            }
        }
    }
    all.sort_by_key(|(extent, ..)| std::cmp::Reverse(extent.start));
    let mut moved: HashMap<*const Group, Moved> = HashMap::new();
    for (old, is_deletes, group) in all {
        let length = if is_deletes {
            old.pages * builder.txn.page_size()
        } else {
            group.record(pin)?.header().extent_bytes.get()
        };
        let new = builder.txn.alloc_extent(length)?;
        if new.start > old.start {
            builder.txn.free_extent(new)?;
            break;
        }
        let bytes = builder.txn.read_extent_range(old, 0, length as usize)?;
        builder.txn.write_extent(new, &bytes)?;
        builder.txn.free_extent(old)?;
        let there = moved.entry(Arc::as_ptr(&group)).or_default();
        *(if is_deletes { &mut there.deletes } else { &mut there.chunks }) = Some(new);
    }
    Ok(moved)
}

/// Writes a row group's record anew, with another extent if it has moved.
fn rewrite_record(builder: &Builder<'_>, group: &Group, moved: Option<Extent>) -> Result<Group> {
    let mut placed = PlacedGroup::of(group, &builder.base.pin)?;
    if let Some(extent) = moved {
        placed = placed.moved_to(extent);
    }
    builder.txn.heap_delete(group.entry.record)?;
    let SegmentEntry { deleted_rows, deletes, time_range, .. } = group.entry;
    placed.record_with(builder.txn, |entry| SegmentEntry { deleted_rows, deletes, time_range, ..entry })
}
