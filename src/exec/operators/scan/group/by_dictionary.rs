//! Conditions on a column of strings, evaluated once for each of its dictionary.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, NullArray, new_null_array};
use arrow_buffer::BooleanBufferBuilder;

use crate::column::{ChunkReader, CodeSet};
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::eval::evaluate_predicate;
use crate::exec::expr::Expr;
use crate::exec::pipeline::BATCH_ROWS;
use crate::table::TableError;

/// What is known of a condition in a row group.
#[derive(Default)]
pub(super) enum ByDictionary {
    /// Nothing.
    #[default]
    Unknown,
    /// It cannot be told from the dictionary.
    Untold,
    /// It holds for these positions in the dictionary.
    Told {
        set: CodeSet,
        /// And for NULL.
        null_passes: bool,
    },
}

impl ByDictionary {
    /// Asks about each string of the dictionary of a chunk, if these are no more than the rows that would be asked about
    /// otherwise. `column` is the column's position of `width`.
    pub(super) fn ask(
        &mut self,
        expr: &Expr,
        (column, width): (usize, usize),
        reader: &ChunkReader,
        rows: usize,
        context: &ExecContext,
    ) -> Result<()> {
        let Some(strings) = reader.dictionary().map_err(TableError::from)? else {
            *self = Self::Untold;
            return Ok(());
        };
        if strings.len() > rows {
            return Ok(());
        }
        let holds = |values: ArrayRef| {
            let rows = values.len();
            let nothing: ArrayRef = Arc::new(NullArray::new(rows));
            let mut columns = vec![nothing; width];
            columns[column] = values;
            evaluate_predicate(expr, &Batch { columns, rows }, context)
        };
        let mut bits = BooleanBufferBuilder::new(strings.len());
        for start in (0..strings.len()).step_by(BATCH_ROWS) {
            context.check_cancelled()?;
            // It may fail for a string that no row has that is asked about.
            let Ok(part) = holds(strings.slice(start, BATCH_ROWS.min(strings.len() - start))) else {
                *self = Self::Untold;
                return Ok(());
            };
            bits.append_buffer(part.values());
        }
        let Ok(null) = holds(new_null_array(strings.data_type(), 1)) else {
            *self = Self::Untold;
            return Ok(());
        };
        *self = Self::Told { set: CodeSet::new(&bits.finish()), null_passes: null.value(0) };
        Ok(())
    }
}
