//! Rows laid out by partition.
//!
//! Rows whose groups are many are not looked up as they come, as each lookup would wait for memory: they are first
//! copied, column by column, to the partition that the hash of their key says. The rows of one partition then need
//! only a small part of all groups, which stays in the caches.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{BinaryViewType, ByteViewType, StringViewType, UInt32Type};
use arrow_array::{Array, ArrayRef, BooleanArray, GenericByteViewArray, make_array};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, BooleanBufferBuilder, Buffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::DataType;
use hashbrown::HashSet;

use crate::exec::batch::Batch;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::flatten;
use crate::exec::pipeline::BATCH_ROWS;
use crate::exec::views::Views;

/// Rows of a partition that make a batch, and the most that are laid out at a time.
const CHUNK_ROWS: usize = BATCH_ROWS;
/// Places of a partition: for rows that do not make a batch, and for all of those that are laid out next.
const ROOM: usize = 2 * CHUNK_ROWS;

/// Rows by partition; the latest of each are still being collected.
pub(super) struct Scatter {
    columns: Vec<Column>,
    /// Rows of each partition that are being collected.
    rows: Vec<usize>,
    chunks: Vec<Vec<Batch>>,
    bytes: usize,
    /// Where the buffers of texts lie that the rows keep, whose bytes were counted.
    buffers: HashSet<usize>,
    /// The place of each row of a batch in the columns: its partition times [`ROOM`], and the number of rows of that
    /// partition before it.
    places: Vec<u32>,
}

/// The values of one column that are being collected, for each partition.
struct Column {
    values: Values,
    /// Which of the collected rows are NULL.
    nulls: Vec<Vec<u32>>,
    data_type: DataType,
    width: usize,
}

/// Those of all partitions, one after another, with room for [`ROOM`] each; strings grow with their rows.
enum Values {
    Booleans(Vec<u8>),
    W1(Vec<u8>),
    W2(Vec<u16>),
    W4(Vec<u32>),
    W8(Vec<u64>),
    W16(Vec<u128>),
    Texts(Vec<Views<StringViewType>>),
    Bytes(Vec<Views<BinaryViewType>>),
}

/// Whether columns of this type can be scattered.
pub(super) fn can_scatter(t: &DataType) -> bool {
    width(t).is_some()
}

/// Bytes of a value, long texts left out.
fn width(t: &DataType) -> Option<usize> {
    match t {
        DataType::Boolean => Some(1),
        DataType::Utf8View | DataType::BinaryView | DataType::FixedSizeBinary(16) => Some(16),
        t => t.primitive_width().filter(|w| matches!(w, 1 | 2 | 4 | 8 | 16)),
    }
}

/// The partition of a place.
fn partition(place: u32) -> usize {
    place as usize / ROOM
}

impl Column {
    fn new(data_type: &DataType, partitions: usize) -> Result<Self> {
        let unsupported = || ExecError::Internal(format!("{data_type} cannot be laid out by partition"));
        let width = width(data_type).ok_or_else(unsupported)?;
        // Memory is taken as places are written to, not now.
        let places = partitions * ROOM;
        let values = match data_type {
            DataType::Boolean => Values::Booleans(vec![0; places]),
            DataType::Utf8View => Values::Texts(views(partitions)),
            DataType::BinaryView => Values::Bytes(views(partitions)),
            _ => match width {
                1 => Values::W1(vec![0; places]),
                2 => Values::W2(vec![0; places]),
                4 => Values::W4(vec![0; places]),
                8 => Values::W8(vec![0; places]),
                _ => Values::W16(vec![0; places]),
            },
        };
        Ok(Self { values, nulls: vec![vec![]; partitions], data_type: data_type.clone(), width })
    }

    /// The buffers where the texts of such a column lie, which its rows keep from being freed.
    fn buffers<'a>(&self, array: &'a ArrayRef) -> Option<&'a Arc<[Buffer]>> {
        let values = array.as_any_dictionary_opt().map_or(array, |dictionary| dictionary.values());
        match &self.values {
            Values::Texts(_) => Some(values.as_string_view_opt()?.data_buffers()),
            Values::Bytes(_) => Some(values.as_binary_view_opt()?.data_buffers()),
            _ => None,
        }
    }

    /// Puts the rows of a batch to their places.
    fn push(&mut self, array: &ArrayRef, places: &[u32]) -> Result<()> {
        match &mut self.values {
            Values::Texts(out) => return push_views(array, places, out, &mut self.nulls),
            Values::Bytes(out) => return push_views(array, places, out, &mut self.nulls),
            _ => {}
        }
        let array = &flatten(array)?;
        match &mut self.values {
            Values::Texts(_) | Values::Bytes(_) => {}
            Values::Booleans(out) => {
                let values = array.as_boolean_opt().ok_or_else(|| other_layout(array))?.values();
                values.iter().zip(places).for_each(|(v, &place)| out[place as usize] = u8::from(v));
            }
            Values::W1(out) => push_native(array, places, out)?,
            Values::W2(out) => push_native(array, places, out)?,
            Values::W4(out) => push_native(array, places, out)?,
            Values::W8(out) => push_native(array, places, out)?,
            Values::W16(out) => push_wide(array, places, out)?,
        }
        push_nulls(array.nulls(), places, &mut self.nulls);
        Ok(())
    }

    /// What was collected for a partition.
    fn take(&mut self, partition: usize, rows: usize) -> Result<ArrayRef> {
        let nulls = take_nulls(&mut self.nulls[partition], rows);
        let of_it = partition * ROOM..partition * ROOM + rows;
        let buffer = match &mut self.values {
            Values::Booleans(out) => {
                let values = BooleanBuffer::collect_bool(rows, |row| out[of_it.start + row] != 0);
                return Ok(Arc::new(BooleanArray::new(values, nulls)));
            }
            Values::Texts(out) => return Ok(take_views(&mut out[partition], nulls)),
            Values::Bytes(out) => return Ok(take_views(&mut out[partition], nulls)),
            Values::W1(out) => Buffer::from_slice_ref(&out[of_it]),
            Values::W2(out) => Buffer::from_slice_ref(&out[of_it]),
            Values::W4(out) => Buffer::from_slice_ref(&out[of_it]),
            Values::W8(out) => Buffer::from_slice_ref(&out[of_it]),
            Values::W16(out) => Buffer::from_slice_ref(&out[of_it]),
        };
        let data = ArrayData::builder(self.data_type.clone()).len(rows).add_buffer(buffer).nulls(nulls);
        Ok(make_array(data.build()?))
    }
}

/// Values of 16 bytes, which need not be aligned as numbers of that size are.
fn push_wide(array: &ArrayRef, places: &[u32], out: &mut [u128]) -> Result<()> {
    let data = array.to_data();
    let buffer = data.buffers().first().ok_or_else(|| other_layout(array))?;
    let values = buffer.as_slice().as_chunks::<16>().0;
    let values = values.get(data.offset()..data.offset() + array.len()).ok_or_else(|| other_layout(array))?;
    for (v, &place) in values.iter().zip(places) {
        out[place as usize] = bytemuck::pod_read_unaligned(v);
    }
    Ok(())
}

fn views<T: ByteViewType>(partitions: usize) -> Vec<Views<T>> {
    (0..partitions).map(|_| Views::with_capacity(CHUNK_ROWS)).collect()
}

fn take_views<T: ByteViewType>(views: &mut Views<T>, nulls: Option<NullBuffer>) -> ArrayRef {
    std::mem::replace(views, Views::with_capacity(CHUNK_ROWS)).into_array(nulls)
}

fn other_layout(array: &ArrayRef) -> ExecError {
    ExecError::Internal(format!("a column came as {}", array.data_type()))
}

/// Notes the NULLs of a batch.
fn push_nulls(nulls: Option<&NullBuffer>, places: &[u32], out: &mut [Vec<u32>]) {
    let Some(nulls) = nulls.filter(|n| n.null_count() > 0) else { return };
    for (i, &place) in places.iter().enumerate() {
        if nulls.is_null(i) {
            out[partition(place)].push(place % ROOM as u32);
        }
    }
}

fn take_nulls(nulls: &mut Vec<u32>, rows: usize) -> Option<NullBuffer> {
    if nulls.is_empty() {
        return None;
    }
    let mut valid = BooleanBufferBuilder::new(rows);
    valid.append_n(rows, true);
    nulls.drain(..).for_each(|row| valid.set_bit(row as usize, false));
    Some(NullBuffer::new(valid.finish()))
}

fn push_native<T: ArrowNativeType>(array: &ArrayRef, places: &[u32], out: &mut [T]) -> Result<()> {
    let data = array.to_data();
    let buffer = data.buffers().first().ok_or_else(|| other_layout(array))?;
    let values = buffer.typed_data::<T>();
    let values = values.get(data.offset()..data.offset() + array.len()).ok_or_else(|| other_layout(array))?;
    for (&v, &place) in values.iter().zip(places) {
        out[place as usize] = v;
    }
    Ok(())
}

fn push_views<T: ByteViewType>(
    array: &ArrayRef,
    places: &[u32],
    out: &mut [Views<T>],
    nulls: &mut [Vec<u32>],
) -> Result<()> {
    if let Some(dictionary) = array.as_dictionary_opt::<UInt32Type>() {
        let values: &GenericByteViewArray<T> =
            dictionary.values().as_byte_view_opt().ok_or_else(|| other_layout(array))?;
        if values.null_count() == 0 {
            let codes = dictionary.keys();
            for (i, (&code, &place)) in codes.values().iter().zip(places).enumerate() {
                // The code of a NULL may be none of the dictionary.
                if codes.is_null(i) {
                    out[partition(place)].push_empty();
                } else {
                    out[partition(place)].push(values, code as usize);
                }
            }
            push_nulls(codes.nulls(), places, nulls);
            return Ok(());
        }
    }
    let array = &flatten(array)?;
    let array: &GenericByteViewArray<T> = array.as_byte_view_opt().ok_or_else(|| other_layout(array))?;
    for (i, &place) in places.iter().enumerate() {
        if array.is_null(i) {
            out[partition(place)].push_empty();
        } else {
            out[partition(place)].push(array, i);
        }
    }
    push_nulls(array.nulls(), places, nulls);
    Ok(())
}

impl Scatter {
    /// Nothing, in columns of these types.
    pub fn new(types: &[DataType], partitions: usize) -> Result<Self> {
        Ok(Self {
            columns: types.iter().map(|t| Column::new(t, partitions)).collect::<Result<_>>()?,
            rows: vec![0; partitions],
            chunks: (0..partitions).map(|_| vec![]).collect(),
            bytes: 0,
            buffers: HashSet::new(),
            places: Vec::with_capacity(CHUNK_ROWS),
        })
    }

    /// Adds rows, each to the partition that its hash says. Texts may be dictionary-coded.
    pub fn push(&mut self, columns: &[ArrayRef], hashes: &[u64]) -> Result<()> {
        if hashes.len() <= CHUNK_ROWS {
            return self.push_chunk(columns, hashes);
        }
        for (chunk, hashes) in hashes.chunks(CHUNK_ROWS).enumerate() {
            let slices = columns.iter().map(|c| c.slice(chunk * CHUNK_ROWS, hashes.len()));
            self.push_chunk(&slices.collect::<Vec<_>>(), hashes)?;
        }
        Ok(())
    }

    fn push_chunk(&mut self, columns: &[ArrayRef], hashes: &[u64]) -> Result<()> {
        let partitions = self.rows.len();
        let Self { rows, places, .. } = self;
        places.clear();
        places.extend(hashes.iter().map(|&hash| {
            let partition = super::merge::partition_of(hash, partitions);
            let row = &mut rows[partition];
            *row += 1;
            (partition * ROOM + *row - 1) as u32
        }));
        for (column, array) in self.columns.iter_mut().zip(columns) {
            column.push(array, &self.places)?;
            self.bytes += column.width * hashes.len();
            let buffers = column.buffers(array).into_iter().flat_map(|buffers| buffers.iter());
            let new = buffers.filter(|buffer| self.buffers.insert(buffer.as_ptr() as usize));
            self.bytes += new.map(Buffer::capacity).sum::<usize>();
        }
        for partition in 0..partitions {
            if self.rows[partition] >= CHUNK_ROWS {
                self.close(partition)?;
            }
        }
        Ok(())
    }

    /// Makes a batch of what was collected for a partition.
    fn close(&mut self, partition: usize) -> Result<()> {
        let rows = std::mem::take(&mut self.rows[partition]);
        if rows > 0 {
            let columns = self.columns.iter_mut().map(|c| c.take(partition, rows)).collect::<Result<_>>()?;
            self.chunks[partition].push(Batch::new(columns, rows));
        }
        Ok(())
    }

    /// The rows of each partition, in the order they came.
    pub fn take(&mut self) -> Result<Vec<Vec<Batch>>> {
        for partition in 0..self.rows.len() {
            self.close(partition)?;
        }
        self.bytes = 0;
        self.buffers.clear();
        Ok(self.chunks.iter_mut().map(std::mem::take).collect())
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        let room: usize = self.columns.iter().map(|c| c.width).sum();
        self.bytes + room * self.rows.len() * CHUNK_ROWS
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::StringViewArray;

    use super::*;

    #[test]
    fn texts_that_rows_keep_are_counted_once() {
        let text = |i: usize| format!("a text of more than twelve bytes: {i:0>100}");
        let texts = |from: usize| -> ArrayRef {
            Arc::new((from..from + 1000).map(|i| Some(text(i))).collect::<StringViewArray>())
        };
        let hashes: Vec<u64> = (0..1000_u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
        let mut scatter = Scatter::new(&[DataType::Utf8View], 4).unwrap();
        let empty = scatter.size();
        let first = texts(0);
        scatter.push(&[Arc::clone(&first)], &hashes).unwrap();
        let one = scatter.size() - empty;
        assert!(one > 1000 * (100 + 16), "{one}");
        // The same buffers again, then others.
        scatter.push(&[first], &hashes).unwrap();
        assert_eq!(scatter.size() - empty, one + 1000 * 16);
        scatter.push(&[texts(1000)], &hashes).unwrap();
        assert!(scatter.size() - empty > 2 * one);
        let rows = scatter.take().unwrap();
        assert_eq!(rows.iter().flatten().map(|batch| batch.rows).sum::<usize>(), 3000);
        assert_eq!(scatter.size(), empty);
    }
}
