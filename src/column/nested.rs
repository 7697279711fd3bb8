//! Puts nested values together from the rows of child chunks.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, FixedSizeListArray, ListArray, MapArray, StructArray, new_empty_array};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType};

use crate::column::block::Block;
use crate::column::codec::{Codec, Stream, int};
use crate::column::error::ColumnError;
use crate::column::le::{Damage, Decoded, ensure};
use crate::column::physical::Nesting;
use crate::column::reader::ChunkReader;

/// Damage found in a child.
fn in_child(e: ColumnError) -> Damage {
    match e {
        ColumnError::Corrupt { block, reason, .. } => {
            let block = block.map_or_else(String::new, |b| format!(", block {b}"));
            Damage(format!("in a nested chunk{block}: {reason}").into())
        }
        other => Damage(other.to_string().into()),
    }
}

/// Arrow's objection to what was put together.
fn refused(e: ArrowError) -> Damage {
    Damage(e.to_string().into())
}

/// Checks that the children have the rows that they must have.
pub(crate) fn check_children(nesting: Nesting, rows: usize, children: &[ChunkReader]) -> Decoded<()> {
    let fits = match nesting {
        Nesting::Struct => children.iter().all(|c| c.rows() == rows),
        Nesting::Array(n) => children.iter().all(|c| Some(c.rows()) == rows.checked_mul(n as usize)),
        Nesting::Map => children.iter().all(|c| c.rows() == children[0].rows()),
        Nesting::List => true,
    };
    ensure(fits, "a nested chunk has the wrong number of rows")
}

/// Rows `from .. to` of a chunk, without a dictionary.
fn read_range(chunk: &ChunkReader, from: usize, to: usize) -> Decoded<ArrayRef> {
    ensure(from <= to && to <= chunk.rows(), "nested values lie past the end")?;
    if from == to {
        return Ok(new_empty_array(&chunk.ty().arrow()));
    }
    let size = chunk.block_rows();
    let mut parts = vec![];
    for block in from / size..to.div_ceil(size) {
        let array = flat(chunk.read_block(block).map_err(in_child)?)?;
        let start = block * size;
        let (first, last) = (from.max(start) - start, to.min(start + array.len()) - start);
        parts.push(array.slice(first, last - first));
    }
    if let [one] = parts.as_slice() {
        return Ok(Arc::clone(one));
    }
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    arrow_select::concat::concat(&parts).map_err(refused)
}

/// The values of a dictionary-coded array; other arrays as they are.
fn flat(array: ArrayRef) -> Decoded<ArrayRef> {
    match array.as_any_dictionary_opt() {
        Some(d) => arrow_select::take::take(d.values(), d.keys(), None).map_err(refused),
        None => Ok(array),
    }
}

/// All rows of a block of nested values.
pub(crate) fn read(
    block: &Block<'_>,
    mut stream: Stream<'_>,
    nulls: Option<NullBuffer>,
    nesting: Nesting,
    arrow: &DataType,
) -> Decoded<ArrayRef> {
    if stream.codec != Codec::Children {
        return stream.misplaced();
    }
    let (children, rows) = (&block.chunk.children, block.entry.rows);
    let first_row = block.index * block.chunk.block_rows();
    let mut lists = || -> Decoded<(usize, OffsetBuffer<i32>)> {
        let first =
            usize::try_from(stream.payload.u64()?).map_err(|_| Damage::new("nested values out of range"))?;
        let lengths = int::decode_vec::<u32>(stream.nested_rest()?, rows)?;
        let mut offsets = Vec::with_capacity(rows + 1);
        let mut at = 0_u64;
        offsets.push(0);
        for len in lengths {
            at += u64::from(len);
            offsets.push(i32::try_from(at).map_err(|_| Damage::new("lists of a block are too long"))?);
        }
        // Lengths are unsigned, so that offsets rise, as Arrow wants them.
        Ok((first, OffsetBuffer::new(ScalarBuffer::from(offsets))))
    };
    let range = |child: usize, first: usize, offsets: &OffsetBuffer<i32>| {
        let len = offsets[offsets.len() - 1] as usize;
        let to = first.checked_add(len).ok_or(Damage::new("nested values out of range"))?;
        read_range(&children[child], first, to)
    };
    Ok(match (nesting, arrow) {
        (Nesting::Struct, DataType::Struct(fields)) => {
            let columns = children
                .iter()
                .map(|c| read_range(c, first_row, first_row + rows))
                .collect::<Decoded<_>>()?;
            let array = StructArray::try_new_with_length(fields.clone(), columns, nulls, rows);
            Arc::new(array.map_err(refused)?)
        }
        (Nesting::Array(n), DataType::FixedSizeList(field, size)) => {
            let n = n as usize;
            let values = read_range(&children[0], first_row * n, (first_row + rows) * n)?;
            let array = FixedSizeListArray::try_new_with_length(field.clone(), *size, values, nulls, rows);
            Arc::new(array.map_err(refused)?)
        }
        (Nesting::List, DataType::List(field)) => {
            let (first, offsets) = lists()?;
            let values = range(0, first, &offsets)?;
            Arc::new(ListArray::try_new(field.clone(), offsets, values, nulls).map_err(refused)?)
        }
        (Nesting::Map, DataType::Map(field, ordered)) => {
            let (first, offsets) = lists()?;
            let columns = vec![range(0, first, &offsets)?, range(1, first, &offsets)?];
            let DataType::Struct(fields) = field.data_type() else {
                return Err(Damage::new("a map without entries"));
            };
            let entries = StructArray::try_new(fields.clone(), columns, None).map_err(refused)?;
            Arc::new(MapArray::try_new(field.clone(), offsets, entries, nulls, *ordered).map_err(refused)?)
        }
        _ => return Err(Damage::new("nested values of another type")),
    })
}
