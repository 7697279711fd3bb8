//! Sort keys as bytes that compare as the sort order does.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, IntervalMonthDayNanoType};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, UInt32Array};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{DataType, SortOptions};

use crate::column::scalar::interval_nanos;
use crate::exec::error::Result;
use crate::exec::expr::SortKey;
use crate::exec::operators::groups::rows::canonical;

/// Bytes of a key that are compared as numbers, before the rest.
const PREFIX_BYTES: usize = 16;

/// A row to be sorted: the beginning of its key, and where it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// The first bytes of the key.
    pub prefix: (u64, u64),
    /// The row.
    pub row: u32,
}

/// The first bytes of a key, as numbers that compare as the bytes do.
#[inline]
pub(crate) fn prefix(key: &[u8]) -> (u64, u64) {
    let mut bytes = [0; PREFIX_BYTES];
    let len = key.len().min(PREFIX_BYTES);
    bytes[..len].copy_from_slice(&key[..len]);
    let all = u128::from_be_bytes(bytes);
    ((all >> 64) as u64, all as u64)
}

/// Turns key columns into bytes.
pub(crate) struct KeyEncoder {
    converter: RowConverter,
    fits_prefix: bool,
    /// For each key, if it has a column of its own in front that says where it is NULL: whether NULLs come first.
    apart: Vec<Option<bool>>,
}

impl KeyEncoder {
    /// An encoder for these keys.
    pub fn new(keys: &[SortKey]) -> Result<Self> {
        let (mut fields, mut apart) = (vec![], vec![]);
        let mut bytes = Some(0);
        for key in keys {
            let data_type = match key.expr.ty().arrow() {
                // Compared by length: a month is 30 days.
                DataType::Interval(_) => DataType::Decimal128(38, 0),
                other => other,
            };
            let width = match &data_type {
                DataType::Boolean => Some(1),
                DataType::Null => Some(0),
                DataType::FixedSizeBinary(n) => Some(*n as usize),
                t => t.primitive_width(),
            };
            bytes = bytes.zip(width).map(|(all, width)| all + 1 + width);
            let mut options = SortOptions { descending: key.descending, nulls_first: key.nulls_first };
            // Inside a nested value NULL is the largest, wherever NULLs themselves are wanted.
            let nulls_apart = data_type.is_nested() && key.nulls_first != key.descending;
            if nulls_apart {
                fields.push(SortField::new(DataType::Boolean));
                options.nulls_first = key.descending;
            }
            apart.push(nulls_apart.then_some(key.nulls_first));
            fields.push(SortField::new_with_options(data_type, options));
        }
        Ok(Self {
            converter: RowConverter::new(fields)?,
            fits_prefix: bytes.is_some_and(|b| b <= PREFIX_BYTES),
            apart,
        })
    }

    /// Whether the first [`PREFIX_BYTES`] bytes are the whole key.
    pub fn fits_prefix(&self) -> bool {
        self.fits_prefix
    }

    /// The keys of all rows.
    pub fn encode(&self, columns: &[ArrayRef]) -> Result<Rows> {
        let mut all = Vec::with_capacity(columns.len());
        for (column, apart) in columns.iter().zip(&self.apart) {
            if let Some(nulls_first) = apart {
                let nulls = column.logical_nulls();
                let valid = |row| nulls.as_ref().is_none_or(|n| n.is_valid(row));
                let flags: BooleanArray =
                    (0..column.len()).map(|row| Some(valid(row) == *nulls_first)).collect();
                all.push(Arc::new(flags) as ArrayRef);
            }
            all.push(comparable(column)?);
        }
        let columns = all;
        Ok(self.converter.convert_columns(&columns)?)
    }

    /// The rows in order; equal ones in the order they have.
    pub fn sort_indices(&self, columns: &[ArrayRef]) -> Result<UInt32Array> {
        let rows = self.encode(columns)?;
        let mut order: Vec<((u64, u64), u32)> =
            (0..rows.num_rows()).map(|i| (prefix(rows.row(i).as_ref()), i as u32)).collect();
        if self.fits_prefix {
            order.sort_unstable();
        } else {
            order.sort_unstable_by(|a, b| {
                a.0.cmp(&b.0)
                    .then_with(|| rows.row(a.1 as usize).cmp(&rows.row(b.1 as usize)))
                    .then(a.1.cmp(&b.1))
            });
        }
        Ok(order.into_iter().map(|(_, i)| i).collect::<Vec<u32>>().into())
    }
}

/// The column in a layout whose byte order is the SQL order.
pub(crate) fn comparable(column: &ArrayRef) -> Result<ArrayRef> {
    if let DataType::Interval(_) = column.data_type() {
        let intervals = column.as_primitive::<IntervalMonthDayNanoType>();
        let lengths: PrimitiveArray<Decimal128Type> =
            intervals.unary(|v| interval_nanos(v.months, v.days, v.nanoseconds));
        return Ok(Arc::new(lengths.with_data_type(DataType::Decimal128(38, 0))));
    }
    canonical(column)
}
