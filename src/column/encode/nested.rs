//! Encodes lists, arrays, structs and maps: what they are made of goes to child chunks.
//!
//! A block of a list or map holds the child row where its first value begins (8 bytes) and a stream of lengths
//! (4-byte numbers), behind a head of codec `children`; a block of an array or struct only that head.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, UInt64Array};
use arrow_buffer::NullBuffer;

use crate::column::codec::{Codec, StreamHead, int};
use crate::column::encode::is_valid;
use crate::column::error::{ColumnError, Result};
use crate::column::physical::Nesting;
use crate::column::summary::Summary;
use crate::column::types::{LogicalType, UNION_TAG};
use crate::column::writer::{ChunkBuilder, encode_chunk};

/// Encodes all blocks and the children.
pub(super) fn encode(array: &ArrayRef, nesting: Nesting, builder: &mut ChunkBuilder<'_>) -> Result<()> {
    let nulls = array.nulls();
    let children: Vec<ArrayRef> = match nesting {
        Nesting::Struct => array.as_struct().columns().to_vec(),
        Nesting::Array(_) => vec![array.as_fixed_size_list().values().clone()],
        Nesting::List => {
            let list = array.as_list::<i32>();
            let (lengths, rows) = lists(list.value_offsets(), nulls)?;
            put_lengths(&lengths, builder);
            vec![rows.of(list.values())?]
        }
        Nesting::Map => {
            let map = array.as_map();
            let (lengths, rows) = lists(map.value_offsets(), nulls)?;
            put_lengths(&lengths, builder);
            vec![rows.of(map.keys())?, rows.of(map.values())?]
        }
    };
    if matches!(nesting, Nesting::Struct | Nesting::Array(_)) {
        for block in builder.blocks.iter_mut().filter(|b| !b.all_null()) {
            StreamHead::write(Codec::Children, 0, 0, 0, &mut block.stream);
            block.codec = Codec::Children;
        }
    }
    let types = child_types(builder.ty);
    if types.len() > usize::from(u8::MAX) {
        return Err(ColumnError::Unsupported(format!(
            "a {} of {} columns cannot be stored",
            if matches!(builder.ty, LogicalType::Union(_)) { "UNION" } else { "STRUCT" },
            types.len()
        )));
    }
    for (child, ty) in children.iter().zip(types) {
        let chunk = encode_chunk(child, ty, builder.options)?;
        builder.memory_len += chunk.meta.memory_len.get() as usize;
        builder.children.push(chunk);
    }
    Ok(())
}

/// The types of the child chunks.
pub(crate) fn child_types(ty: &LogicalType) -> Vec<&LogicalType> {
    match ty {
        LogicalType::List(item) | LogicalType::Array(item, _) => vec![item],
        LogicalType::Map(key, value) => vec![key, value],
        LogicalType::Struct(fields) => fields.iter().map(|(_, ty)| ty).collect(),
        LogicalType::Union(members) => {
            std::iter::once(&UNION_TAG).chain(members.iter().map(|(_, ty)| ty)).collect()
        }
        _ => vec![],
    }
}

/// Which rows of a child belong to some list.
enum ChildRows {
    /// These, without gaps.
    Range(usize, usize),
    /// These; the others lie behind NULLs.
    Some(UInt64Array),
}

impl ChildRows {
    /// The rows of a child.
    fn of(&self, child: &ArrayRef) -> Result<ArrayRef> {
        match self {
            Self::Range(start, end) => Ok(child.slice(*start, end - start)),
            Self::Some(rows) => arrow_select::take::take(child, rows, None)
                .map_err(|e| ColumnError::Unsupported(e.to_string())),
        }
    }
}

/// The length of each list, 0 for NULL, and the child rows that make them up.
fn lists(offsets: &[i32], nulls: Option<&NullBuffer>) -> Result<(Vec<u32>, ChildRows)> {
    let lengths: Vec<u32> = offsets
        .array_windows()
        .enumerate()
        .map(|(i, [start, end])| if is_valid(nulls, i) { (end - start) as u32 } else { 0 })
        .collect();
    let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
    let total: u64 = lengths.iter().map(|n| u64::from(*n)).sum();
    if u32::try_from(total).is_err() {
        return Err(ColumnError::Unsupported(format!(
            "lists of {total} values in all are too large to store"
        )));
    }
    if total == (last - first) as u64 {
        return Ok((lengths, ChildRows::Range(first as usize, last as usize)));
    }
    let rows = offsets.iter().zip(&lengths).flat_map(|(start, len)| (*start as u64..).take(*len as usize));
    Ok((lengths.clone(), ChildRows::Some(rows.collect())))
}

/// Writes the blocks of lists.
fn put_lengths(lengths: &[u32], builder: &mut ChunkBuilder<'_>) {
    let mut at = 0_u64;
    for block in &mut builder.blocks {
        let lengths = &lengths[block.range()];
        if !block.all_null() {
            StreamHead::write(Codec::Children, 0, 0, 0, &mut block.stream);
            block.stream.extend_from_slice(&at.to_le_bytes());
            int::encode_u32(lengths.iter().copied(), &mut block.stream);
            block.codec = Codec::Children;
            block.summary = Summary::default();
        }
        at += lengths.iter().map(|n| u64::from(*n)).sum::<u64>();
    }
}
