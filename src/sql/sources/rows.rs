//! Rows in memory as a source.

use std::borrow::Borrow;
use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BinaryViewArray, BooleanArray, Float64Array, PrimitiveArray, StringViewArray};
use arrow_schema::{DataType, TimeUnit};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Field, Schema};
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::{ColumnPredicate, Source, SourceScan, batches_scan};

/// Puts rows together, value by value.
#[derive(Debug)]
pub struct RowsBuilder {
    schema: Vec<Field>,
    columns: Vec<Vec<Scalar>>,
}

impl RowsBuilder {
    /// No rows of these columns.
    pub fn new(columns: &[(&str, LogicalType)]) -> Self {
        Self {
            schema: columns.iter().map(|(name, ty)| Field::new(*name, ty.clone())).collect(),
            columns: vec![vec![]; columns.len()],
        }
    }

    /// Adds a row; its values fit the columns.
    pub fn push(&mut self, row: impl IntoIterator<Item = Scalar>) {
        let mut values = row.into_iter();
        for column in &mut self.columns {
            column.push(values.next().unwrap_or_default());
        }
        debug_assert!(values.next().is_none(), "a row has as many values as there are columns");
    }

    /// The rows.
    pub fn finish(self, name: &str) -> Result<StaticRows> {
        let rows = self.columns.first().map_or(0, Vec::len);
        let columns = self
            .schema
            .iter()
            .zip(&self.columns)
            .map(|(field, values)| column_of(values, &field.ty))
            .collect::<Result<_>>()?;
        Ok(StaticRows::new(name, self.schema.into(), vec![Batch::new(columns, rows)]))
    }
}

/// A text, for [`RowsBuilder::push`].
pub fn text(value: &str) -> Scalar {
    Scalar::Text(Arc::from(value))
}

/// A whole number, for [`RowsBuilder::push`].
pub fn int(value: u64) -> Scalar {
    Scalar::Int(i128::from(value))
}

/// A text or NULL, for [`RowsBuilder::push`].
pub fn optional(value: Option<&str>) -> Scalar {
    value.map_or(Scalar::Null, text)
}

/// The type of tags, of which nothing has any.
pub fn tags() -> LogicalType {
    LogicalType::Map(Box::new(LogicalType::Varchar), Box::new(LogicalType::Varchar))
}

/// No tags, for [`RowsBuilder::push`].
pub fn empty_map() -> Scalar {
    let arrow_schema::DataType::Map(entries, ordered) = tags().arrow() else { return Scalar::Null };
    let arrow_schema::DataType::Struct(fields) = entries.data_type() else { return Scalar::Null };
    let none = arrow_array::StructArray::new_null(fields.clone(), 0);
    let offsets = arrow_buffer::OffsetBuffer::from_lengths([0]);
    Scalar::Nested(Arc::new(arrow_array::MapArray::new(Arc::clone(&entries), offsets, none, None, ordered)))
}

/// A list of texts, for [`RowsBuilder::push`].
pub fn texts(values: impl IntoIterator<Item = impl AsRef<str>>) -> Scalar {
    let values = arrow_array::StringViewArray::from_iter_values(values);
    list(Arc::new(values), &LogicalType::Varchar)
}

/// A list of these items, for [`RowsBuilder::push`].
pub fn list(items: ArrayRef, ty: &LogicalType) -> Scalar {
    let field = Arc::new(arrow_schema::Field::new("item", ty.arrow(), true));
    let offsets = arrow_buffer::OffsetBuffer::from_lengths([items.len()]);
    Scalar::Nested(Arc::new(arrow_array::ListArray::new(field, offsets, items, None)))
}

/// A column of these values, which are of that type.
pub fn column_of<S: Borrow<Scalar>>(values: &[S], ty: &LogicalType) -> Result<ArrayRef> {
    let layout = ty.arrow();
    if values.is_empty() {
        return Ok(arrow_array::new_empty_array(&layout));
    }
    let scalars = values.iter().map(Borrow::borrow);
    macro_rules! integers {
        ($ty:ty) => {{
            let number = |v: &Scalar| if let Scalar::Int(n) = v { (*n).try_into().ok() } else { None };
            let fits = |v: &Scalar| v.is_null() || number(v).is_some();
            // What does not is an error of the way below.
            if scalars.clone().all(fits) {
                let column: PrimitiveArray<$ty> = scalars.map(number).collect();
                return Ok(Arc::new(column.with_data_type(layout)));
            }
        }};
    }
    match &layout {
        DataType::Utf8View => {
            fn text(value: &Scalar) -> Option<&str> {
                if let Scalar::Text(text) = value { Some(text) } else { None }
            }
            return Ok(Arc::new(scalars.map(text).collect::<StringViewArray>()));
        }
        DataType::BinaryView => {
            fn bytes(value: &Scalar) -> Option<&[u8]> {
                if let Scalar::Bytes(bytes) = value { Some(bytes) } else { None }
            }
            return Ok(Arc::new(scalars.map(bytes).collect::<BinaryViewArray>()));
        }
        DataType::Float64 => {
            let number = |v: &Scalar| if let Scalar::Float(n) = v { Some(*n) } else { None };
            return Ok(Arc::new(scalars.map(number).collect::<Float64Array>()));
        }
        DataType::Boolean => {
            let truth = |v: &Scalar| if let Scalar::Boolean(b) = v { Some(*b) } else { None };
            return Ok(Arc::new(scalars.map(truth).collect::<BooleanArray>()));
        }
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::UInt8 => integers!(UInt8Type),
        DataType::UInt16 => integers!(UInt16Type),
        DataType::UInt32 => integers!(UInt32Type),
        DataType::UInt64 => integers!(UInt64Type),
        DataType::Date32 => integers!(Date32Type),
        DataType::Timestamp(TimeUnit::Second, _) => integers!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => integers!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => integers!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => integers!(TimestampNanosecondType),
        _ => {}
    }
    let parts = values
        .iter()
        .map(|v| v.borrow().to_array(ty, 1).map_err(|e| ExecError::Internal(e.to_string())))
        .collect::<Result<Vec<ArrayRef>>>()?;
    let parts: Vec<&dyn arrow_array::Array> = parts.iter().map(|p| &**p).collect();
    Ok(arrow_select::concat::concat(&parts)?)
}

/// Rows in memory.
#[derive(Debug)]
pub struct StaticRows {
    name: String,
    schema: Schema,
    batches: Vec<Batch>,
}

impl StaticRows {
    /// Rows of these columns.
    pub fn new(name: &str, schema: Schema, batches: Vec<Batch>) -> Self {
        Self { name: name.to_owned(), schema, batches }
    }

    /// The columns and the rows.
    pub fn into_parts(self) -> (Schema, Vec<Batch>) {
        (self.schema, self.batches)
    }
}

impl Source for StaticRows {
    fn describe(&self) -> String {
        self.name.to_uppercase()
    }

    fn schema(&self) -> Schema {
        Arc::clone(&self.schema)
    }

    fn estimated_rows(&self) -> Option<u64> {
        Some(self.batches.iter().map(|b| b.rows as u64).sum())
    }

    fn scan(
        &self,
        columns: &[usize],
        _predicates: &[ColumnPredicate],
        _context: &Arc<ExecContext>,
    ) -> Result<Box<dyn SourceScan>> {
        let chosen = |batch: &Batch| {
            Batch::new(columns.iter().map(|&i| Arc::clone(&batch.columns[i])).collect(), batch.rows)
        };
        Ok(Box::new(batches_scan(self.batches.iter().map(chosen).collect())))
    }
}
