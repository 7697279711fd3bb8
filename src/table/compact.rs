//! Tidying up: moving row groups towards the beginning of the file, so that it can be cut, and records out of
//! pages that are mostly empty.

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog::{SegmentEntry, TableId};
use crate::column::le::U64;
use crate::pager::{Extent, PageId};
use crate::table::commit::Builder;
use crate::table::data::Group;
use crate::table::error::Result;
use crate::table::workspace::PlacedGroup;

/// Moves what is worth moving. Returns whether that was anything.
pub(super) fn compact(builder: &mut Builder<'_>) -> Result<bool> {
    let moved = move_extents(builder)?;
    let mut any = !moved.is_empty();
    let tables: Vec<_> = builder.tables.iter().map(|(id, data)| (*id, Arc::clone(data))).collect();
    for (id, data) in tables {
        let Some(directory) = data.directory else { continue };
        let mut sparse = builder.txn.is_sparse(directory);
        let mut groups = Vec::with_capacity(data.row_groups());
        let mut changed = false;
        for segment in &data.segments {
            sparse |= builder.txn.is_sparse(segment.reference.slot);
            for group in segment.groups(&builder.base.pin)? {
                let there = moved.get(&Arc::as_ptr(group)).copied();
                let next = if there.is_some() || builder.txn.is_sparse(group.entry.record) {
                    changed = true;
                    Arc::new(rewrite_record(builder, group, there)?)
                } else {
                    Arc::clone(group)
                };
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

/// Copies the row groups that lie last in the file to places before them, as long as there are such places.
/// Returns where they went. Of the old extents only the marks are made; their records still name them.
fn move_extents(builder: &Builder<'_>) -> Result<HashMap<*const Group, Extent>> {
    let pin = &builder.base.pin;
    let mut all: Vec<(u64, TableId, Arc<Group>)> = vec![];
    for (id, data) in &builder.tables {
        for segment in &data.segments {
            for group in segment.groups(pin)? {
                let start = group.record(pin)?.header().extent_page.get();
                all.push((start, *id, Arc::clone(group)));
            }
        }
    }
    all.sort_by_key(|(start, ..)| std::cmp::Reverse(*start));
    let mut moved = HashMap::new();
    for (start, _, group) in all {
        let header = group.record(pin)?.header();
        let old = Extent { start: PageId(start), pages: header.extent_pages.get() };
        let length = header.extent_bytes.get();
        let new = builder.txn.alloc_extent(length)?;
        if new.start > old.start {
            builder.txn.free_extent(new)?;
            break;
        }
        let bytes = pin.read_extent_range(old, 0, length as usize)?;
        builder.txn.write_extent(new, &bytes)?;
        builder.txn.free_extent(old)?;
        moved.insert(Arc::as_ptr(&group), new);
    }
    Ok(moved)
}

/// Writes a row group's record anew, with another extent if it has moved.
fn rewrite_record(builder: &Builder<'_>, group: &Group, moved: Option<Extent>) -> Result<Group> {
    let record = group.record(&builder.base.pin)?;
    let header = record.header();
    let extent =
        moved.unwrap_or(Extent { start: PageId(header.extent_page.get()), pages: header.extent_pages.get() });
    let chunks = record.columns().iter().zip(record.chunks()).map(|(column, meta)| {
        let mut meta = *meta;
        meta.extent_page = U64::new(extent.start.0);
        (crate::catalog::ColumnId(column.get()), meta)
    });
    let placed = PlacedGroup {
        rows: header.rows.get(),
        extent,
        bytes: header.extent_bytes.get(),
        chunks: chunks.collect(),
    };
    builder.txn.heap_delete(group.entry.record)?;
    let SegmentEntry { deleted_rows, deletes, time_range, .. } = group.entry;
    placed.record_with(builder.txn, |entry| SegmentEntry { deleted_rows, deletes, time_range, ..entry })
}
