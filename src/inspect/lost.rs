//! A table whose definition, or what lists its row groups, is lost.
//!
//! Row groups know ids and types of their columns. Names are in the definition alone, and which row groups there are is
//! in the directory; but earlier versions of both may lie in pages that were given up and not used again.

use std::collections::BTreeMap;

use super::RowGroupView;
use super::search::records;
use crate::catalog::{ColumnDefinition, ColumnId, DirectoryRecord, SchemaId, TableDefinition, TableId};
use crate::column::stored_type::stored_type;
use crate::column::types::LogicalType;
use crate::pager::inspect::Inspection;
use crate::pager::{SlotId, Superblock};

/// A definition that fits the row groups of a table, and what is to be said of it.
pub(super) fn definition(
    file: &Inspection,
    id: TableId,
    schema: SchemaId,
    row_groups: &[RowGroupView],
) -> (TableDefinition, String) {
    let stored = stored_columns(file, row_groups);
    let earlier = earlier_definition(file, id);
    let mut table = TableDefinition::new(schema, &format!("lost_table_{}", id.0), vec![]);
    let mut said = format!("its definition is lost; it is called {}, and", table.name);
    if let Some((sequence, earlier)) = &earlier {
        table = earlier.clone();
        said = format!("its definition is lost; commit {sequence} called it \"{}\", and", table.name);
    }
    table.id = id;
    let (mut unnamed, mut others) = (0, vec![]);
    for (id, ty) in &stored {
        let known = table.columns.iter_mut().find(|column| column.id == *id);
        match known {
            Some(column) if same_at_rest(&column.ty, ty) => {}
            Some(column) => {
                others.push(format!("\"{}\"", column.name));
                column.ty = ty.clone();
                (column.default, column.generated, column.collation) = (None, None, None);
                column.stored = false;
            }
            None => {
                unnamed += 1;
                let mut column = ColumnDefinition::new(&format!("column_{}", id.0), ty.clone());
                column.id = *id;
                table.columns.push(column);
            }
        }
    }
    table.columns.sort_by_key(|column| column.id);
    table.next_column_id = table.columns.last().map_or(0, |column| column.id.0.saturating_add(1));
    if !others.is_empty() || unnamed > 0 {
        // What it said of its columns may not hold of these.
        table.constraints.clear();
        table.indexes.clear();
        table.options.clear();
        table.columns.iter_mut().for_each(|column| column.nullable = true);
    }
    table.materialized = None;
    said.push_str(&match (unnamed, others.is_empty()) {
        (0, true) => " what it says of its columns fits what is stored".to_owned(),
        (0, false) => format!(" the types of {} are those that are stored", others.join(", ")),
        _ => format!(" {unnamed} of its columns have the number in the place of the name"),
    });
    (table, said)
}

/// The columns of row groups, with the types that their chunks say. Types that nobody can tell are left out.
fn stored_columns(file: &Inspection, row_groups: &[RowGroupView]) -> BTreeMap<ColumnId, LogicalType> {
    let mut columns: BTreeMap<ColumnId, LogicalType> = BTreeMap::new();
    for group in row_groups {
        for (id, meta) in group.record.columns().iter().zip(group.record.chunks()) {
            let bytes = usize::try_from(meta.byte_len.get()).unwrap_or(usize::MAX);
            let Ok(bytes) = file.bytes(group.chunk_offset(file, meta), bytes) else { continue };
            let Ok(ty) = stored_type(&bytes) else { continue };
            let known = columns.entry(ColumnId(id.get())).or_insert_with(|| ty.clone());
            // The ENUM with the most names has room for the values of all.
            if let (LogicalType::Enum(known), LogicalType::Enum(names)) = (&*known, &ty)
                && known.len() >= names.len()
            {
                continue;
            }
            *known = ty;
        }
    }
    columns
}

/// Whether values of these types are the same bytes, whatever names they have.
fn same_at_rest(named: &LogicalType, stored: &LogicalType) -> bool {
    use LogicalType as T;
    let all = |a: &[(Box<str>, T)], b: &[(Box<str>, T)]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_at_rest(&a.1, &b.1))
    };
    match (named, stored) {
        (T::Enum(names), T::Enum(values)) => names.len() >= values.len(),
        (T::List(a), T::List(b)) => same_at_rest(a, b),
        (T::Array(a, length), T::Array(b, other)) => length == other && same_at_rest(a, b),
        (T::Map(key, value), T::Map(k, v)) => same_at_rest(key, k) && same_at_rest(value, v),
        (T::Struct(a), T::Struct(b)) | (T::Union(a), T::Union(b)) => all(a, b),
        (named, stored) => named == stored,
    }
}

/// The directories of a table that are whole in any page, with the commits that wrote them and the file as of then: what
/// was written later cannot be reached from there. The newest first.
pub(super) fn earlier_directories(file: &Inspection, id: TableId) -> Vec<(u64, SlotId, Inspection)> {
    let Ok(superblock) = file.superblock else { return vec![] };
    let found = records(file, |bytes| DirectoryRecord::decode(bytes).ok().filter(|d| d.table == id));
    let earlier = found.into_iter().filter(|(sequence, ..)| *sequence <= superblock.sequence);
    let then = |sequence| {
        file.as_of(Superblock { sequence, space_root: None, space_pages: 0, log: None, ..superblock })
    };
    earlier.map(|(sequence, slot, _)| (sequence, slot, then(sequence))).collect()
}

/// The newest definition of a table that is whole in any page, and the commit that wrote it.
fn earlier_definition(file: &Inspection, id: TableId) -> Option<(u64, TableDefinition)> {
    let found = records(file, |bytes| TableDefinition::decode(bytes).ok().filter(|table| table.id == id));
    found.into_iter().next().map(|(sequence, _, table)| (sequence, table))
}
