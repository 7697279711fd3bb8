//! Accounting for what operators hold.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;

/// Bytes taken from a query's limit, given back on drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    context: Arc<ExecContext>,
    bytes: u64,
}

impl Reservation {
    /// Nothing yet.
    pub fn new(context: &Arc<ExecContext>) -> Self {
        Self { context: context.clone(), bytes: 0 }
    }

    /// Takes `bytes` more.
    pub fn grow(&mut self, bytes: usize) -> Result<()> {
        self.context.memory.grow(bytes as u64)?;
        self.bytes += bytes as u64;
        Ok(())
    }

    /// Takes or gives back what is missing to `bytes`.
    pub fn resize(&mut self, bytes: usize) -> Result<()> {
        let bytes = bytes as u64;
        if bytes > self.bytes {
            self.context.memory.grow(bytes - self.bytes)?;
        } else {
            self.context.memory.shrink(self.bytes - bytes);
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.context.memory.shrink(self.bytes);
    }
}

/// The bytes that the rows of a batch need, whether or not they share buffers with others.
pub(crate) fn batch_bytes(batch: &Batch) -> usize {
    batch.columns.iter().map(array_bytes).sum()
}

/// The bytes that the rows of an array need, whether or not they share buffers with others.
pub(crate) fn array_bytes(array: &ArrayRef) -> usize {
    let nulls = array.nulls().map_or(0, |_| array.len().div_ceil(8));
    let long = |len: u32| if len > 12 { len as usize } else { 0 };
    nulls
        + match array.data_type() {
            DataType::Utf8View => {
                array.as_string_view().views().iter().map(|v| 16 + long(*v as u32)).sum::<usize>()
            }
            DataType::BinaryView => {
                array.as_binary_view().views().iter().map(|v| 16 + long(*v as u32)).sum::<usize>()
            }
            // The values are shared by all batches of a chunk; charging them to each would be far off.
            DataType::Dictionary(..) => array.len() * 4,
            t => match t.primitive_width() {
                Some(width) => width * array.len(),
                None => {
                    let data = array.to_data();
                    data.get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size())
                }
            },
        }
}
