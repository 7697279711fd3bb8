//! Writes the points that were gathered, in one transaction.

use std::sync::Arc;

use arrow_array::Array;

use crate::catalog::{MAIN_SCHEMA, Object};
use crate::database::Shared;
use crate::error::{Error, Result};
use crate::exec::context::CancelToken;
use crate::exec::error::ExecError;
use crate::measurement::buffer::Buffer;
use crate::measurement::duplicates;
use crate::sql::session::wait_to_write;
use crate::table::{TableError, WriteTransaction};

/// Points of some measurements.
pub(super) struct Batch {
    pub(super) buffers: Vec<Buffer>,
    /// How many there are.
    pub(super) points: u64,
}

/// A transaction to commit a batch in.
///
/// # Errors
/// Another connection holds one that writes.
pub(super) fn begin(shared: &Shared) -> Result<WriteTransaction> {
    let timeout = shared.settings.lock_timeout_ms;
    Ok(wait_to_write(shared.storage(), timeout, &CancelToken::default())?)
}

impl Batch {
    /// Makes all points durable and visible, in one transaction. Returns how many they are.
    ///
    /// # Errors
    /// The disk is full; a table was changed so that the points no longer fit.
    pub(super) fn commit(self, mut transaction: WriteTransaction) -> Result<u64> {
        for buffer in self.buffers.into_iter().filter(|buffer| buffer.rows() > 0) {
            let catalog = transaction.catalog();
            let schema = catalog.schema(MAIN_SCHEMA).map_err(TableError::from)?;
            let schema_id = schema.definition().id;
            let table = match schema.get(&buffer.name) {
                Some(Object::Table(table)) => Some(Arc::clone(table)),
                _ => None,
            };
            let id = match buffer.widened(table.as_deref(), schema_id) {
                Some(wider) if table.is_some() => {
                    let id = wider.id;
                    transaction.alter_table(wider)?;
                    id
                }
                Some(new) => transaction.create_table(new)?,
                None => table.as_ref().map(|t| t.id).ok_or_else(|| lost(&buffer.name))?,
            };
            let definition =
                transaction.catalog().table_by_id(id).cloned().ok_or_else(|| lost(&buffer.name))?;
            let keep_all = duplicates::are_kept(&definition);
            let mut columns = buffer.into_columns(&definition, keep_all).map_err(|e| {
                Error::from(ExecError::InvalidInput(format!("measurement \"{}\": {e}", definition.name)))
            })?;
            if !keep_all {
                let there = transaction.view()?.table(id)?;
                let replaced = duplicates::absorb(&there, &mut columns)?;
                transaction.delete(id, &replaced)?;
            }
            let appender = transaction.append(id)?;
            let rows = columns.first().map_or(0, |c| c.len());
            for (i, from) in (0..rows).step_by(appender.row_group_rows()).enumerate() {
                let length = appender.row_group_rows().min(rows - from);
                let part: Vec<_> = columns.iter().map(|c| c.slice(from, length)).collect();
                appender.write_row_group(i as u64, &part)?;
            }
        }
        transaction.commit()?;
        Ok(self.points)
    }
}

fn lost(name: &str) -> Error {
    ExecError::Internal(format!("the table of measurement \"{name}\" is gone")).into()
}
