//! Batches as bytes: each array's NULLs, buffers and children, one after another. Types and counts are kept by who
//! wrote the bytes and alone can read them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{BinaryViewType, ByteViewType, StringViewType};
use arrow_array::{Array, ArrayRef, make_array};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, Field};

use crate::exec::batch::Batch;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::flatten;

/// Buffers begin at multiples of this, as the widest values must.
const ALIGNMENT: usize = 16;

/// The bytes of a batch, and the types of its columns.
pub(super) fn encode(batch: &Batch) -> Result<(Vec<u8>, Arc<[DataType]>)> {
    let mut out = vec![];
    let mut types = vec![];
    for column in &batch.columns {
        let column = flatten(column)?;
        types.push(column.data_type().clone());
        write_array(&column, &mut out)?;
    }
    Ok((out, types.into()))
}

/// The batch of these bytes.
pub(super) fn decode(bytes: Buffer, types: &[DataType], rows: usize) -> Result<Batch> {
    let mut reader = Reader { bytes, at: 0 };
    let columns =
        types.iter().map(|t| Ok(make_array(reader.array(t, rows)?))).collect::<Result<Vec<ArrayRef>>>()?;
    Ok(Batch::new(columns, rows))
}

fn write_buffer(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    out.extend_from_slice(bytes);
}

fn write_array(array: &ArrayRef, out: &mut Vec<u8>) -> Result<()> {
    let nulls = array.nulls().filter(|n| n.null_count() > 0);
    match nulls {
        Some(nulls) => write_buffer(&nulls.inner().sliced(), out),
        None => write_buffer(&[], out),
    }
    match array.data_type() {
        DataType::Null => {}
        DataType::Boolean => write_buffer(&array.as_boolean().values().sliced(), out),
        DataType::Utf8View => write_views::<StringViewType>(array, out),
        DataType::BinaryView => write_views::<BinaryViewType>(array, out),
        DataType::FixedSizeBinary(_) => write_buffer(array.as_fixed_size_binary().value_data(), out),
        DataType::Struct(_) => {
            for column in array.as_struct().columns() {
                write_array(&flatten(column)?, out)?;
            }
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            write_list(list.value_offsets(), list.values(), out)?;
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            write_list(map.value_offsets(), &entries, out)?;
        }
        DataType::FixedSizeList(_, width) => {
            let list = array.as_fixed_size_list();
            let values = list.values().slice(0, list.len() * *width as usize);
            write_array(&flatten(&values)?, out)?;
        }
        t => {
            let width = t.primitive_width().ok_or_else(|| unknown(t))?;
            let data = array.to_data();
            let (from, to) = (data.offset() * width, (data.offset() + data.len()) * width);
            let values = data.buffers().first().and_then(|b| b.as_slice().get(from..to));
            write_buffer(values.ok_or_else(|| unknown(t))?, out);
        }
    }
    Ok(())
}

/// Strings without those of the rows that are not here.
fn write_views<T: ByteViewType>(array: &ArrayRef, out: &mut Vec<u8>) {
    let views = array.as_byte_view::<T>();
    let own = if views.data_buffers().is_empty() { views.clone() } else { views.gc() };
    write_buffer(own.views().inner(), out);
    out.extend_from_slice(&(own.data_buffers().len() as u64).to_le_bytes());
    own.data_buffers().iter().for_each(|buffer| write_buffer(buffer, out));
}

fn write_list(offsets: &[i32], values: &ArrayRef, out: &mut Vec<u8>) -> Result<()> {
    let (first, last) = match offsets {
        [first, .., last] => (*first, *last),
        // No lists, from the middle of some.
        [only] => (*only, *only),
        [] => (0, 0),
    };
    let moved: Vec<i32> = offsets.iter().map(|o| o - first).collect();
    write_buffer(bytemuck::cast_slice(&moved), out);
    write_array(&flatten(&values.slice(first as usize, (last - first) as usize))?, out)
}

fn unknown(t: &DataType) -> ExecError {
    ExecError::Internal(format!("{t} cannot be written to a temporary file"))
}

struct Reader {
    bytes: Buffer,
    at: usize,
}

fn damaged() -> ExecError {
    ExecError::Internal("a temporary file is shorter than what was written".into())
}

impl Reader {
    fn number(&mut self) -> Result<usize> {
        let bytes = self.bytes.get(self.at..self.at + 8).ok_or_else(damaged)?;
        self.at += 8;
        let mut number = [0; 8];
        number.copy_from_slice(bytes);
        usize::try_from(u64::from_le_bytes(number)).map_err(|_| damaged())
    }

    fn buffer(&mut self) -> Result<Buffer> {
        let len = self.number()?;
        let from = self.at.next_multiple_of(ALIGNMENT);
        let to = from.checked_add(len).filter(|to| *to <= self.bytes.len()).ok_or_else(damaged)?;
        self.at = to;
        Ok(self.bytes.slice_with_length(from, len))
    }

    fn array(&mut self, t: &DataType, rows: usize) -> Result<ArrayData> {
        let nulls = self.buffer()?;
        let nulls = (!nulls.is_empty()).then(|| NullBuffer::new(BooleanBuffer::new(nulls, 0, rows)));
        let mut data = ArrayData::builder(t.clone()).len(rows);
        match t {
            DataType::Null => {}
            DataType::Utf8View | DataType::BinaryView => {
                data = data.add_buffer(self.buffer()?);
                for _ in 0..self.number()? {
                    data = data.add_buffer(self.buffer()?);
                }
            }
            DataType::Struct(fields) => {
                for field in fields {
                    data = data.add_child_data(self.array(field.data_type(), rows)?);
                }
            }
            DataType::List(item) | DataType::Map(item, _) => data = self.list(item, data)?,
            DataType::FixedSizeList(item, width) => {
                data = data.add_child_data(self.array(item.data_type(), rows * *width as usize)?);
            }
            _ => data = data.add_buffer(self.buffer()?),
        }
        Ok(data.nulls(nulls).build()?)
    }

    fn list(
        &mut self,
        item: &Field,
        data: arrow_data::ArrayDataBuilder,
    ) -> Result<arrow_data::ArrayDataBuilder> {
        let offsets = self.buffer()?;
        let last = offsets.typed_data::<i32>().last().copied().unwrap_or(0);
        let values = self.array(item.data_type(), usize::try_from(last).map_err(|_| damaged())?)?;
        Ok(data.add_buffer(offsets).add_child_data(values))
    }
}
