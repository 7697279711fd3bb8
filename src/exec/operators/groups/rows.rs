//! Keys of any type, as bytes.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{ArrayRef, Float32Array, Float64Array};
use arrow_row::{RowConverter, SortField};
use arrow_schema::DataType;

use super::hash::hash_bytes;
use super::slots::Slots;
use super::{FindCache, GroupTable, MISSING};
use crate::exec::error::Result;
use crate::exec::eval::flatten;

/// A table over keys in Arrow's row format, in which equal rows are equal bytes.
pub(crate) struct RowTable {
    converter: RowConverter,
    slots: Slots,
    bytes: Vec<u8>,
    /// Where each key ends in `bytes`.
    ends: Vec<usize>,
}

/// The array with one zero and one NaN, without dictionary coding.
pub(crate) fn canonical(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Float64 => Arc::new(
            array
                .as_primitive::<Float64Type>()
                .unary::<_, Float64Type>(|v| if v.is_nan() { f64::NAN } else { v + 0.0 }),
        ) as Arc<Float64Array>,
        DataType::Float32 => {
            let canonical: Float32Array =
                array.as_primitive::<Float32Type>().unary(|v| if v.is_nan() { f32::NAN } else { v + 0.0 });
            return Ok(Arc::new(canonical));
        }
        _ => return flatten(array),
    })
}

impl RowTable {
    /// An empty table over keys of these types.
    pub fn new(types: &[DataType]) -> Result<Self> {
        let fields = types.iter().map(|t| SortField::new(t.clone())).collect();
        Ok(Self {
            converter: RowConverter::new(fields)?,
            slots: Slots::default(),
            bytes: vec![],
            ends: vec![],
        })
    }

    /// Calls `f` with each row of one column in row format.
    pub fn each_row(array: &ArrayRef, mut f: impl FnMut(usize, &[u8])) -> Result<()> {
        let array = canonical(array)?;
        let converter = RowConverter::new(vec![SortField::new(array.data_type().clone())])?;
        let rows = converter.convert_columns(&[array])?;
        rows.iter().enumerate().for_each(|(i, row)| f(i, row.as_ref()));
        Ok(())
    }

    fn key(&self, group: usize) -> &[u8] {
        let start = if group == 0 { 0 } else { self.ends[group - 1] };
        &self.bytes[start..self.ends[group]]
    }

    fn convert(&self, keys: &[ArrayRef]) -> Result<arrow_row::Rows> {
        let keys: Vec<ArrayRef> = keys.iter().map(canonical).collect::<Result<_>>()?;
        Ok(self.converter.convert_columns(&keys)?)
    }
}

impl GroupTable for RowTable {
    fn intern(&mut self, keys: &[ArrayRef], rows: usize, groups: &mut Vec<u32>) -> Result<()> {
        groups.clear();
        self.slots.reserve(self.ends.len(), rows)?;
        for row in &self.convert(keys)? {
            let bytes = row.as_ref();
            let hash = hash_bytes(bytes);
            let found = self.slots.find(hash, |group| self.key(group as usize) == bytes);
            groups.push(found.unwrap_or_else(|at| {
                let group = self.ends.len() as u32;
                self.bytes.extend_from_slice(bytes);
                self.ends.push(self.bytes.len());
                self.slots.set(at, hash, group);
                group
            }));
        }
        Ok(())
    }

    fn find(
        &self,
        keys: &[ArrayRef],
        rows: usize,
        groups: &mut Vec<u32>,
        _cache: &mut FindCache,
    ) -> Result<()> {
        groups.clear();
        if self.slots.is_empty() {
            groups.resize(rows, MISSING);
            return Ok(());
        }
        for row in &self.convert(keys)? {
            let bytes = row.as_ref();
            let group = self.slots.get(hash_bytes(bytes), |group| self.key(group as usize) == bytes);
            groups.push(group.unwrap_or(MISSING));
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn take_keys(&mut self) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        let rows: Vec<_> = (0..self.ends.len()).map(|g| parser.parse(self.key(g))).collect();
        Ok(self.converter.convert_rows(rows)?)
    }

    fn size(&self) -> usize {
        self.slots.size() + self.bytes.capacity() + self.ends.capacity() * 8
    }
}
