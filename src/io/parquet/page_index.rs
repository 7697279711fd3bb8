//! The page index of a column chunk: which rows each page has, and between which values its values are.
//!
//! It is read here, and not by the crate, whose interface to it differs between the versions that we go with: it is two
//! small structures in Thrift's compact protocol. It only ever says which rows need not be read, so what cannot be
//! understood is as good as nothing.

use std::ops::Range;

use parquet::basic::Type as Physical;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::thrift::{BINARY, I64, LIST, Reader, STRUCT, TRUE};

/// What is read, in messages that nobody sees.
const WHAT: &str = "the page index";

/// A page of a column.
pub(super) struct Page {
    /// Its rows, in the row group.
    pub rows: Range<usize>,
    /// What is known of its values.
    pub statistics: Statistics,
}

/// The pages of a column chunk of so many rows, from its column index and its offset index.
pub(super) fn pages(columns: &[u8], offsets: &[u8], rows: usize, physical: Physical) -> Option<Vec<Page>> {
    let first_rows = first_rows(offsets).ok()?;
    let index = Columns::read(columns).ok()?;
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

/// The first row of each page, from an `OffsetIndex` of the format.
fn first_rows(bytes: &[u8]) -> Result<Vec<usize>, ParquetError> {
    let mut first_rows = vec![];
    Reader::new(bytes, WHAT).fields(|index, field, ty| match (field, ty) {
        (1, LIST) => {
            first_rows = index.list(STRUCT, |index| {
                let mut first_row = None;
                index.fields(|index, field, ty| match (field, ty) {
                    (3, I64) => index.int().map(|row| first_row = usize::try_from(row).ok()),
                    (_, ty) => index.skip(ty),
                })?;
                first_row.ok_or_else(|| ParquetError::General("a page has no first row".into()))
            })?;
            Ok(())
        }
        (_, ty) => index.skip(ty),
    })?;
    Ok(first_rows)
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
    fn read(bytes: &'a [u8]) -> Result<Self, ParquetError> {
        let mut out = Self::default();
        Reader::new(bytes, WHAT).fields(|index, field, ty| {
            match (field, ty) {
                (1, LIST) => out.null_pages = index.list(TRUE, |index| index.byte().map(|b| b == TRUE))?,
                (2, LIST) => out.min = index.list(BINARY, Reader::binary)?,
                (3, LIST) => out.max = index.list(BINARY, Reader::binary)?,
                (5, LIST) => out.nulls = Some(index.list(I64, Reader::int)?),
                (_, ty) => index.skip(ty)?,
            }
            Ok(())
        })?;
        Ok(out)
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
