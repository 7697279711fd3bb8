//! A column at rest: types, codecs, statistics, chunk writer and chunk reader.
//!
//! A line belongs here if it is about a run of values of one type at rest.
//!
//! - [`types`], [`scalar`], [`predicate`]: what values mean, one value, a condition on a column.
//! - [`writer`]: [`encode_chunk`] turns the values of one column in one row group into a *chunk*.
//! - [`reader`]: [`ChunkReader`] decodes a chunk block by block, whole or by selection, and filters it encoded.
//! - `layout`: the fixed parts of a chunk, byte by byte. `codec`: how values are written.
//! - `stored_type`: the type of a chunk whose table is not known any more.
//! - [`plain`]: a few values as bytes that need not be small or fast to search.
//! - [`meta`], [`stats`]: what the catalog keeps of a chunk, and what statistics say about a condition. `array_stats`: those of
//!   values that are in no chunk.

pub(crate) mod array_stats;
pub(crate) mod block;
pub(crate) mod codec;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod corruption;
pub(crate) mod describe;
pub mod dictionary_cache;
pub(crate) mod encode;
pub mod error;
pub(crate) mod few;
pub(crate) mod filter;
#[cfg(test)]
mod format_tests;
pub mod key;
pub(crate) mod layout;
pub mod le;
pub mod length;
pub mod meta;
pub(crate) mod nested;
pub(crate) mod physical;
pub mod plain;
pub mod predicate;
pub mod reader;
pub(crate) mod runs;
pub mod scalar;
pub(crate) mod shared;
pub(crate) mod sketch;
pub mod stats;
pub(crate) mod stored_type;
pub(crate) mod summary;
pub mod types;
pub(crate) mod views;
pub mod words;
pub mod writer;

pub use array_stats::array_stats;
pub use codec::Codec;
pub use describe::{CodecNode, SharedSection};
pub use dictionary_cache::DictionaryCache;
pub use error::{ChunkPlace, ColumnError};
pub use layout::{BLOCK_ROWS, CHUNK_ALIGN, ROW_GROUP_ROWS};
pub use length::LengthUnit;
pub use meta::ChunkMeta;
pub use reader::ChunkReader;
pub(crate) use runs::BlockRuns;
pub(crate) use shared::CodeSet;
pub use stats::ChunkStats;
pub use writer::{EncodeOptions, EncodedChunk, encode_chunk};
