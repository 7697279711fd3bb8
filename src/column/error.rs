//! What can go wrong with a column at rest.

use std::fmt;
use std::sync::Arc;

/// Where a chunk belongs; carried by every error about its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChunkPlace {
    /// Name of the table, for messages.
    pub table: Arc<str>,
    /// Name of the column, for messages.
    pub column: Arc<str>,
    /// Id of the table. Must equal the id in the chunk's header.
    pub table_id: u32,
    /// Id of the column. Must equal the id in the chunk's header.
    pub column_id: u32,
    /// Number of the row group within the table, for messages.
    pub row_group: u64,
}

impl fmt::Display for ChunkPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table \"{}\", column \"{}\", row group {}", self.table, self.column, self.row_group)
    }
}

/// An error of a column at rest.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnError {
    /// The bytes of a chunk are not what was written.
    #[error("corrupt chunk: {place}{}: {reason}", block_suffix(*block))]
    Corrupt {
        /// Where the chunk belongs.
        place: Box<ChunkPlace>,
        /// The block within the chunk, unless the damage is in its header.
        block: Option<u32>,
        /// What is wrong.
        reason: String,
    },
    /// The chunk was written by a newer version of the format.
    #[error("{place}: chunk format version {found} is newer than {supported}, the newest this build reads")]
    FutureVersion {
        /// Where the chunk belongs.
        place: Box<ChunkPlace>,
        /// The version found.
        found: u16,
        /// The newest version that can be read.
        supported: u16,
    },
    /// A type or size that cannot be stored.
    #[error("{0}")]
    Unsupported(String),
    /// A value does not have the type it was said to have: a mistake of the caller.
    #[error("value {value} is not of type {ty}")]
    TypeMismatch {
        /// The value, printed.
        value: String,
        /// The type it should have.
        ty: String,
    },
}

/// How a block is named behind a place.
fn block_suffix(block: Option<u32>) -> String {
    block.map_or_else(String::new, |b| format!(", block {b}"))
}

/// The result of working on a column at rest.
pub type Result<T, E = ColumnError> = std::result::Result<T, E>;
