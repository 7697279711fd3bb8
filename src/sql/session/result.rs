//! What a statement returns.

use crate::exec::QueryStream;
use crate::exec::batch::{Batch, Schema};
use crate::exec::error::Result;
use crate::sql::sources::StaticRows;

/// What a statement returned.
#[derive(Debug)]
pub enum Outcome {
    /// Rows.
    Rows(ResultRows),
    /// The number of rows that were written.
    Changed(u64),
    /// Nothing.
    Done,
}

/// Rows of a result.
#[derive(Debug)]
pub enum ResultRows {
    /// Made while they are read.
    Stream(Box<QueryStream>),
    /// There already.
    Static(Schema, std::collections::VecDeque<Batch>),
}

impl ResultRows {
    /// The columns.
    pub fn schema(&self) -> &Schema {
        match self {
            Self::Stream(stream) => stream.schema(),
            Self::Static(schema, _) => schema,
        }
    }
}

impl From<StaticRows> for Outcome {
    fn from(rows: StaticRows) -> Self {
        let (schema, batches) = rows.into_parts();
        Self::Rows(ResultRows::Static(schema, batches.into()))
    }
}

impl Iterator for ResultRows {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Stream(stream) => stream.next(),
            Self::Static(_, batches) => loop {
                let batch = batches.pop_front()?;
                if batch.rows > 0 {
                    return Some(Ok(batch));
                }
            },
        }
    }
}
