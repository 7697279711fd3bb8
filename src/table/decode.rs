//! From a chunk back to one array, for row groups that are written again.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, new_empty_array};
use arrow_schema::{ArrowError, DataType};

use crate::column::ChunkReader;
use crate::table::error::{Result, TableError};

/// All rows of a chunk, in the layout of its type: where blocks share a dictionary, the values themselves.
pub(super) fn read_rows(reader: &ChunkReader) -> Result<ArrayRef> {
    let mut blocks = Vec::with_capacity(reader.blocks());
    for block in 0..reader.blocks() {
        blocks.push(plain(reader.read_block(block)?)?);
    }
    concat(&blocks, &reader.ty().arrow())
}

/// Arrays of a type one after another.
pub(super) fn concat(arrays: &[ArrayRef], ty: &DataType) -> Result<ArrayRef> {
    match arrays {
        [] => Ok(new_empty_array(ty)),
        [one] => Ok(Arc::clone(one)),
        many => {
            let parts: Vec<&dyn Array> = many.iter().map(AsRef::as_ref).collect();
            arrow_select::concat::concat(&parts).map_err(unexpected)
        }
    }
}

/// The rows of an array that are left.
pub(super) fn keep(array: &ArrayRef, left: &BooleanArray) -> Result<ArrayRef> {
    arrow_select::filter::filter(array, left).map_err(unexpected)
}

/// The values themselves, where they are places in a dictionary.
pub(super) fn plain(array: ArrayRef) -> Result<ArrayRef> {
    let DataType::Dictionary(..) = array.data_type() else { return Ok(array) };
    let dictionary = array.as_any_dictionary();
    arrow_select::take::take(dictionary.values(), dictionary.keys(), None).map_err(unexpected)
}

/// An error of Arrow, where none is expected.
pub(super) fn unexpected(error: ArrowError) -> TableError {
    TableError::Unsupported(format!("rows that do not go into one array: {error}"))
}
