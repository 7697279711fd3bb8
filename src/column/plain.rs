//! Arrays as plain bytes, for a few rows that will not stay so: the log holds them like this.
//!
//! ```text
//! u8         0, or 1 if there are NULLs
//! ⌈n/8⌉      with NULLs: a bit for each value, set if it is not NULL
//! then by the Arrow layout of the type (LogicalType::arrow):
//!   nothing  NULL
//!   bits     BOOLEAN: ⌈n/8⌉ bytes
//!   fixed    n values, little-endian
//!   text     n lengths (u32), then the bytes of all
//!   list     n lengths (u32), then the items of all as one such array; so are maps, with items of key and value
//!   array    the items of all as one such array
//!   struct   such an array for each field
//! ```
//! Bits fill a byte from the lowest. How many values there are is told by whoever holds the bytes.

use std::sync::Arc;

use arrow_array::builder::make_view;
use arrow_array::cast::AsArray;
use arrow_array::types::{BinaryViewType, ByteViewType, StringViewType};
use arrow_array::{Array, ArrayRef, GenericByteViewArray, make_array};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow_data::{ArrayData, ArrayDataBuilder};
use arrow_schema::{ArrowError, DataType};

/// Values of so many bytes are in their views.
const INLINE_BYTES_MAX: u32 = 12;

/// Writes an array of a [layout that a type has](crate::column::types::LogicalType::arrow) behind `out`.
pub fn write_plain(array: &ArrayRef, out: &mut Vec<u8>) {
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    out.push(u8::from(nulls.is_some()));
    if let Some(nulls) = nulls {
        write_bits(nulls.inner(), out);
    }
    let is_null = |row: usize| nulls.is_some_and(|nulls| nulls.is_null(row));
    match array.data_type() {
        DataType::Boolean => write_bits(array.as_boolean().values(), out),
        DataType::Utf8View => {
            let array = array.as_string_view();
            let value = |row| if is_null(row) { &[][..] } else { array.value(row).as_bytes() };
            write_texts(array.len(), value, out);
        }
        DataType::BinaryView => {
            let array = array.as_binary_view();
            write_texts(array.len(), |row| if is_null(row) { &[][..] } else { array.value(row) }, out);
        }
        DataType::List(_) => {
            let array = array.as_list::<i32>();
            write_lists(array.value_offsets(), array.values(), out);
        }
        DataType::Map(..) => {
            let array = array.as_map();
            let entries: ArrayRef = Arc::new(array.entries().clone());
            write_lists(array.value_offsets(), &entries, out);
        }
        DataType::FixedSizeList(..) => write_plain(array.as_fixed_size_list().values(), out),
        DataType::Struct(_) => array.as_struct().columns().iter().for_each(|field| write_plain(field, out)),
        fixed => {
            let width = fixed_width(fixed).unwrap_or(0);
            let data = array.to_data();
            if let Some(buffer) = data.buffers().first() {
                out.extend_from_slice(&buffer[data.offset() * width..(data.offset() + data.len()) * width]);
            }
        }
    }
}

/// Bytes of a value of a layout in which all have the same.
fn fixed_width(ty: &DataType) -> Option<usize> {
    match ty {
        DataType::FixedSizeBinary(width) => usize::try_from(*width).ok(),
        other => other.primitive_width(),
    }
}

fn write_bits(bits: &BooleanBuffer, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bits.len().div_ceil(8), 0);
    for index in bits.set_indices() {
        out[start + index / 8] |= 1 << (index % 8);
    }
}

fn write_texts<'a>(count: usize, value: impl Fn(usize) -> &'a [u8], out: &mut Vec<u8>) {
    (0..count).for_each(|row| out.extend_from_slice(&(value(row).len() as u32).to_le_bytes()));
    (0..count).for_each(|row| out.extend_from_slice(value(row)));
}

fn write_lists(offsets: &[i32], items: &ArrayRef, out: &mut Vec<u8>) {
    for pair in offsets.windows(2) {
        out.extend_from_slice(&((pair[1] - pair[0]) as u32).to_le_bytes());
    }
    let (first, last) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
    write_plain(&items.slice(first, last - first), out);
}

/// Reads `count` values of a layout from the beginning of `bytes`, and moves that behind them. Nothing is trusted.
///
/// # Errors
/// What is wrong with the bytes.
pub fn read_plain(bytes: &mut &[u8], ty: &DataType, count: usize) -> Result<ArrayRef, String> {
    let nulls = match take(bytes, 1)?[0] {
        0 => None,
        1 => {
            Some(NullBuffer::new(BooleanBuffer::new(Buffer::from(take(bytes, count.div_ceil(8))?), 0, count)))
        }
        other => return Err(format!("{other} says neither that there are NULLs nor that there are none")),
    };
    let data = ArrayData::builder(ty.clone()).len(count);
    let data = match ty {
        DataType::Null if nulls.is_some() => return Err("NULLs are marked as such".into()),
        DataType::Null => return build(data),
        DataType::Utf8View => return read_texts::<StringViewType>(bytes, count, nulls),
        DataType::BinaryView => return read_texts::<BinaryViewType>(bytes, count, nulls),
        DataType::Boolean => data.add_buffer(Buffer::from(take(bytes, count.div_ceil(8))?)),
        DataType::List(item) | DataType::Map(item, _) => {
            let lengths = take(bytes, product(count, 4)?)?;
            let mut offsets = vec![0_i32; count + 1];
            for (row, length) in u32s(lengths).enumerate() {
                let end = i32::try_from(length).ok().and_then(|length| offsets[row].checked_add(length));
                offsets[row + 1] = end.ok_or("lists of too many items")?;
            }
            let items = read_plain(bytes, item.data_type(), offsets[count] as usize)?;
            data.add_buffer(Buffer::from_vec(offsets)).add_child_data(items.to_data())
        }
        DataType::FixedSizeList(item, size) => {
            let size = usize::try_from(*size).map_err(|_| "an array of negative size")?;
            data.add_child_data(read_plain(bytes, item.data_type(), product(count, size)?)?.to_data())
        }
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| read_plain(bytes, field.data_type(), count));
            let fields = fields.collect::<Result<Vec<_>, _>>()?;
            fields.into_iter().fold(data, |data, field| data.add_child_data(field.to_data()))
        }
        fixed => {
            let width = fixed_width(fixed).ok_or_else(|| format!("a layout that no type has: {fixed}"))?;
            data.add_buffer(Buffer::from(take(bytes, product(count, width)?)?))
        }
    };
    build(data.nulls(nulls))
}

fn build(data: ArrayDataBuilder) -> Result<ArrayRef, String> {
    data.build().map(make_array).map_err(|error: ArrowError| error.to_string())
}

fn product(a: usize, b: usize) -> Result<usize, String> {
    a.checked_mul(b).ok_or_else(|| "more values than memory".into())
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], String> {
    let (head, rest) = bytes.split_at_checked(count).ok_or("it ends too early")?;
    *bytes = rest;
    Ok(head)
}

fn u32s(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes))
}

/// The bytes of all values are one buffer of just their length: of single rows, each of which is read alone, there are
/// many.
fn read_texts<T: ByteViewType>(
    bytes: &mut &[u8],
    count: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, String> {
    let lengths = take(bytes, product(count, 4)?)?;
    let total = u32s(lengths).try_fold(0_usize, |total, length| total.checked_add(length as usize));
    let total = total.filter(|total| i32::try_from(*total).is_ok()).ok_or("more bytes than an array has")?;
    let data = take(bytes, total)?;
    let (mut views, mut start, mut is_needed) = (Vec::with_capacity(count), 0, false);
    for (row, length) in u32s(lengths).enumerate() {
        let value = &data[start..start + length as usize];
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            views.push(0);
        } else {
            views.push(make_view(value, 0, start as u32));
            is_needed |= length > INLINE_BYTES_MAX;
        }
        start += value.len();
    }
    let buffers = if is_needed { vec![Buffer::from(data)] } else { vec![] };
    let array = GenericByteViewArray::<T>::try_new(views.into(), buffers, nulls);
    Ok(Arc::new(array.map_err(|e| format!("a text: {e}"))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::conformance::{PATTERNS, Random, nested_types, sample, scalar_types};

    /// Arrays of every type, with and without NULLs.
    fn samples(rows: usize) -> Vec<ArrayRef> {
        let (mut random, mut samples) = (Random::new(5), vec![]);
        for ty in scalar_types().iter().chain(&nested_types()) {
            for (i, pattern) in PATTERNS.into_iter().enumerate() {
                samples.push(sample(ty, pattern, rows, [0, 30, 100][i % 3], &mut random));
            }
        }
        samples
    }

    fn come_back(array: &ArrayRef) -> Vec<u8> {
        let mut bytes = vec![];
        write_plain(array, &mut bytes);
        let mut rest = &bytes[..];
        let read = read_plain(&mut rest, array.data_type(), array.len()).unwrap();
        assert!(rest.is_empty(), "{}", array.data_type());
        assert_eq!(&read, array);
        assert_eq!(read.data_type(), array.data_type());
        bytes
    }

    #[test]
    fn arrays_of_all_types_come_back() {
        for array in samples(100) {
            let bytes = come_back(&array);
            come_back(&array.slice(0, 0));
            come_back(&array.slice(7, 11));
            for cut in (0..bytes.len()).step_by(bytes.len() / 50 + 1) {
                assert!(read_plain(&mut &bytes[..cut], array.data_type(), array.len()).is_err());
            }
        }
    }

    #[test]
    fn any_bytes_are_an_array_or_an_error() {
        let mut random = Random::new(3);
        for array in samples(40) {
            let mut bytes = vec![];
            write_plain(&array, &mut bytes);
            for _ in 0..20 {
                let mut bad = bytes.clone();
                for _ in 0..=random.below(3) {
                    let at = random.below(bad.len() as u64) as usize;
                    bad[at] = random.next() as u8;
                }
                let count = if random.below(2) == 0 { array.len() } else { random.below(1000) as usize };
                if let Ok(read) = read_plain(&mut &bad[..], array.data_type(), count) {
                    assert_eq!(read.len(), count);
                    read.to_data().validate_full().unwrap();
                }
            }
        }
    }
}
