//! The page index of a column chunk: which rows each page has, and between which values its values are.
//!
//! It is read here, and not by the crate, whose interface to it differs between the versions that we go with: it is two
//! small structures in Thrift's compact protocol. It only ever says which rows need not be read, so what cannot be
//! understood is as good as nothing.

use std::ops::Range;

use parquet::basic::Type as Physical;
use parquet::data_type::ByteArray;
use parquet::file::statistics::{Statistics, ValueStatistics};

/// A page of a column.
pub(super) struct Page {
    /// Its rows, in the row group.
    pub rows: Range<usize>,
    /// What is known of its values.
    pub statistics: Statistics,
}

/// The pages of a column chunk of so many rows, from its column index and its offset index.
pub(super) fn pages(columns: &[u8], offsets: &[u8], rows: usize, physical: Physical) -> Option<Vec<Page>> {
    let first_rows = Offsets::read(offsets)?.first_rows;
    let index = Columns::read(columns)?;
    let count = first_rows.len();
    let ascending = first_rows.first() == Some(&0)
        && first_rows.windows(2).all(|w| w[0] < w[1])
        && *first_rows.last()? < rows;
    let fits = index.null_pages.len() == count && index.min.len() == count && index.max.len() == count;
    if !ascending || !fits || index.nulls.as_ref().is_some_and(|n| n.len() != count) {
        return None;
    }
    let ends = first_rows.iter().skip(1).copied().chain([rows]);
    let page = |(i, (start, end)): (usize, (&usize, usize))| {
        let is_null = index.null_pages[i];
        let nulls = match &index.nulls {
            _ if is_null => Some((end - start) as u64),
            Some(nulls) => u64::try_from(nulls[i]).ok(),
            None => None,
        };
        let bounds = (!is_null).then_some((index.min[i], index.max[i]));
        Some(Page { rows: *start..end, statistics: statistics(physical, bounds, nulls)? })
    };
    first_rows.iter().zip(ends).enumerate().map(page).collect()
}

/// Bounds as the footer would have them. They may have been cut short.
fn statistics(physical: Physical, bounds: Option<(&[u8], &[u8])>, nulls: Option<u64>) -> Option<Statistics> {
    macro_rules! of {
        ($variant:ident, $decode:expr) => {{
            let decode = $decode;
            let (min, max) = match bounds {
                Some((min, max)) => (Some(decode(min)?), Some(decode(max)?)),
                None => (None, None),
            };
            let values = ValueStatistics::new(min, max, None, nulls, false);
            Statistics::$variant(values.with_min_is_exact(false).with_max_is_exact(false))
        }};
    }
    Some(match physical {
        Physical::BOOLEAN => of!(Boolean, |b: &[u8]| b.first().map(|b| *b != 0)),
        Physical::INT32 => of!(Int32, |b: &[u8]| b.try_into().ok().map(i32::from_le_bytes)),
        Physical::INT64 => of!(Int64, |b: &[u8]| b.try_into().ok().map(i64::from_le_bytes)),
        Physical::FLOAT => of!(Float, |b: &[u8]| b.try_into().ok().map(f32::from_le_bytes)),
        Physical::DOUBLE => of!(Double, |b: &[u8]| b.try_into().ok().map(f64::from_le_bytes)),
        Physical::BYTE_ARRAY => of!(ByteArray, |b: &[u8]| Some(ByteArray::from(b.to_vec()))),
        Physical::INT96 | Physical::FIXED_LEN_BYTE_ARRAY => return None,
    })
}

/// The rows that are in all of two lists of ranges, each of which ascends.
pub(super) fn intersect(a: &[Range<usize>], b: &[Range<usize>]) -> Vec<Range<usize>> {
    let (mut i, mut j, mut out) = (0, 0, vec![]);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let both = x.start.max(y.start)..x.end.min(y.end);
        if !both.is_empty() {
            out.push(both);
        }
        if x.end < y.end {
            i += 1;
        } else {
            j += 1;
        }
    }
    out
}

/// `OffsetIndex` of the format.
struct Offsets {
    first_rows: Vec<usize>,
}

impl Offsets {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (mut thrift, mut first_rows) = (Thrift { bytes, depth: 0 }, None);
        thrift.fields(|thrift, id, ty| match (id, ty) {
            (1, LIST) => {
                first_rows = Some(thrift.list(STRUCT, |thrift| {
                    let mut first_row = None;
                    thrift.fields(|thrift, id, ty| match (id, ty) {
                        (3, I64) => {
                            first_row = usize::try_from(thrift.int()?).ok();
                            Some(())
                        }
                        (_, ty) => thrift.skip(ty),
                    })?;
                    first_row
                })?);
                Some(())
            }
            (_, ty) => thrift.skip(ty),
        })?;
        Some(Self { first_rows: first_rows? })
    }
}

/// `ColumnIndex` of the format.
#[derive(Default)]
struct Columns<'a> {
    null_pages: Vec<bool>,
    min: Vec<&'a [u8]>,
    max: Vec<&'a [u8]>,
    nulls: Option<Vec<i64>>,
}

impl<'a> Columns<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (mut thrift, mut out) = (Thrift { bytes, depth: 0 }, Self::default());
        thrift.fields(|thrift, id, ty| {
            match (id, ty) {
                (1, LIST) => out.null_pages = thrift.list(TRUE, |t| t.byte().map(|b| b == TRUE))?,
                (2, LIST) => out.min = thrift.list(BINARY, Thrift::binary)?,
                (3, LIST) => out.max = thrift.list(BINARY, Thrift::binary)?,
                (5, LIST) => out.nulls = Some(thrift.list(I64, Thrift::int)?),
                (_, ty) => thrift.skip(ty)?,
            }
            Some(())
        })?;
        Some(out)
    }
}

// Types of Thrift's compact protocol.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const STRUCT: u8 = 12;

/// Structures in something that is skipped.
const DEPTH_MAX: usize = 16;

/// What is left of a text in Thrift's compact protocol. `None` is what is not understood.
struct Thrift<'a> {
    bytes: &'a [u8],
    depth: usize,
}

impl<'a> Thrift<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn int(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn binary(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        let (value, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(value)
    }

    /// Calls `read` with number and type of each field of a structure; it must read the field.
    fn fields(&mut self, mut read: impl FnMut(&mut Self, i64, u8) -> Option<()>) -> Option<()> {
        let mut id = 0_i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            id = match head >> 4 {
                0 => self.int()?,
                delta => id.checked_add(i64::from(delta))?,
            };
            read(self, id, head & 0xf)?;
        }
    }

    /// The items of a list of this type.
    fn list<T>(&mut self, ty: u8, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let (count, found) = self.list_head()?;
        let is_bool = |ty| matches!(ty, TRUE | FALSE);
        if found != ty && !(is_bool(found) && is_bool(ty)) {
            return None;
        }
        // Each item takes a byte at least.
        (count <= self.bytes.len()).then_some(())?;
        (0..count).map(|_| item(self)).collect()
    }

    fn list_head(&mut self) -> Option<(usize, u8)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => usize::try_from(self.varint()?).ok()?,
            count => usize::from(count),
        };
        Some((count, head & 0xf))
    }

    fn skip(&mut self, ty: u8) -> Option<()> {
        match ty {
            TRUE | FALSE => Some(()),
            BYTE => self.byte().map(|_| ()),
            I16 | I32 | I64 => self.varint().map(|_| ()),
            DOUBLE => {
                self.bytes = self.bytes.get(8..)?;
                Some(())
            }
            BINARY => self.binary().map(|_| ()),
            LIST | SET => {
                let (count, ty) = self.list_head()?;
                (count <= self.bytes.len()).then_some(())?;
                // Booleans of a list are a byte each.
                let ty = if matches!(ty, TRUE | FALSE) { BYTE } else { ty };
                self.deeper(|thrift| (0..count).try_for_each(|_| thrift.skip(ty)))
            }
            STRUCT => self.deeper(|thrift| thrift.fields(|thrift, _, ty| thrift.skip(ty))),
            _ => None,
        }
    }

    fn deeper(&mut self, work: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        self.depth += 1;
        let done = if self.depth <= DEPTH_MAX { work(self) } else { None };
        self.depth -= 1;
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "lists of ranges are meant")]
    fn ranges_meet() {
        assert_eq!(intersect(&[0..10, 20..30], &[5..22, 25..40]), [5..10, 20..22, 25..30]);
        assert!(intersect(&[0..10], &[]).is_empty());
        assert_eq!(intersect(&[0..10], &[0..10]), [0..10]);
    }

    #[test]
    fn damaged_indexes_say_nothing() {
        // Two pages of rows 0..4 and 4..9, with 1 to 3 and only NULLs.
        let offsets = [0x19, 0x2c, 0x36, 0, 0, 0x36, 8, 0, 0];
        let columns = [
            0x19, 0x21, 2, 1, 0x19, 0x28, 4, 1, 0, 0, 0, 0, 0x19, 0x28, 4, 3, 0, 0, 0, 0, 0x15, 2, 0x19,
            0x26, 2, 10, 0,
        ];
        let found = pages(&columns, &offsets, 9, Physical::INT32).unwrap();
        assert_eq!(found.iter().map(|p| p.rows.clone()).collect::<Vec<_>>(), [0..4, 4..9]);
        let Statistics::Int32(first) = &found[0].statistics else { panic!() };
        assert_eq!((first.min_opt(), first.max_opt(), first.null_count_opt()), (Some(&1), Some(&3), Some(1)));
        assert_eq!(found[1].statistics.null_count_opt(), Some(5));
        for end in 0..columns.len() {
            assert!(pages(&columns[..end], &offsets, 9, Physical::INT32).is_none());
        }
        for end in 0..offsets.len() {
            assert!(pages(&columns, &offsets[..end], 9, Physical::INT32).is_none());
        }
        assert!(pages(&columns, &offsets, 4, Physical::INT32).is_none(), "more rows than the row group");
        assert!(pages(&columns, &offsets, 9, Physical::INT64).is_none(), "values of another width");
        for at in 0..columns.len() {
            for value in 0..=255 {
                let mut damaged = columns;
                damaged[at] = value;
                let _ = pages(&damaged, &offsets, 9, Physical::INT32);
            }
        }
    }
}
