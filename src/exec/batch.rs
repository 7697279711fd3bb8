//! The unit of execution: some columns of equal length, and their description.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field as ArrowField, Schema as ArrowSchema};

use crate::column::types::LogicalType;

/// A name and a type: one output column of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The name as shown in a header. Need not be unique.
    pub name: String,
    /// The type.
    pub ty: LogicalType,
}

impl Field {
    /// A field of this name and type.
    pub fn new(name: impl Into<String>, ty: LogicalType) -> Self {
        Self { name: name.into(), ty }
    }
}

/// The columns of a plan's output, in order.
pub type Schema = Arc<[Field]>;

/// Columns of equal length. Column `i` has the Arrow layout of field `i` of the schema it goes with
/// (see [`LogicalType::arrow`]), except that `VARCHAR` may also be dictionary-coded:
/// `Dictionary(UInt32, Utf8View)`. Operators that do not care for dictionaries call
/// `functions::flatten`.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The columns.
    pub columns: Vec<ArrayRef>,
    /// The number of rows; needed where there are no columns.
    pub rows: usize,
}

impl Batch {
    /// A batch of these columns.
    pub fn new(columns: Vec<ArrayRef>, rows: usize) -> Self {
        debug_assert!(columns.iter().all(|c| c.len() == rows));
        Self { columns, rows }
    }

    /// Rows `offset .. offset + len`, without copying.
    pub fn slice(&self, offset: usize, len: usize) -> Self {
        Self { columns: self.columns.iter().map(|c| c.slice(offset, len)).collect(), rows: len }
    }
}

/// The Arrow schema of a plan's output.
pub fn arrow_schema(schema: &[Field]) -> Arc<ArrowSchema> {
    Arc::new(ArrowSchema::new(
        schema.iter().map(|f| ArrowField::new(&f.name, f.ty.arrow(), true)).collect::<Vec<_>>(),
    ))
}

/// The batch as Arrow's own type. Columns must already have the layouts of `schema`.
pub fn to_record_batch(
    batch: Batch,
    schema: &Arc<ArrowSchema>,
) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.rows));
    RecordBatch::try_new_with_options(schema.clone(), batch.columns, &options)
}
