//! Read-only looks at a file that need not be healthy, for tools.
//!
//! [`Inspection`] shows pages, heaps and superblocks as they lie in the file; [`Contents`] follows the catalog from
//! the root down to the chunks, and keeps going past damage, which it lists. Neither takes a lock, writes, or needs a
//! database that can be opened.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = std::env::temp_dir().join(format!("fluxdb-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&dir)?;
//! # let path = dir.join("doc.flux");
//! use fluxdb::inspect::{Contents, Inspection};
//!
//! # let db = fluxdb::Database::open(&path)?;
//! # db.connect().execute("CREATE OR REPLACE TABLE t AS SELECT 42 AS answer")?;
//! # db.close()?;
//! let file = Inspection::open(&path)?;
//! let contents = Contents::read(&file);
//! assert!(contents.problems.is_empty());
//! let chunk = contents.tables[0].row_groups[0].open_chunk(&file, &contents.tables[0].definition, 0)?;
//! println!("{} rows in {} blocks", chunk.rows(), chunk.blocks());
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok(())
//! # }
//! ```

mod contents;
mod fields;
mod log;
mod lost;
mod map;
mod parts;
pub(crate) mod salvage;
mod search;
mod summary;

pub use contents::{Contents, RowGroupView, TableView};
pub use fields::{Field, fields_of};
pub use log::{LogCommit, LogTable, log_commit, parts_of_log};
pub use map::{PageRange, PageUse, extents, page_map};
pub use parts::{Part, PartKind, parts_of, parts_of_chunk_at, walk_parts};
pub use summary::summary;

pub use crate::catalog::record::RecordKind;
pub use crate::catalog::{
    CatalogRoot, ColumnId, ColumnRole, ConstraintDefinition, ConstraintKind, DirectoryRecord, Object,
    RowGroupRecord, SchemaDefinition, SegmentEntry, SegmentRecord, TableDefinition,
};
pub use crate::column::scalar::Scalar;
pub use crate::column::{
    BLOCK_ROWS, ChunkMeta, ChunkReader, ChunkStats, CodecNode, ROW_GROUP_ROWS, SharedSection,
};
pub use crate::pager::inspect::{Inspection, PageView};
pub use crate::pager::{
    Extent, FRAME_HEADER_BYTES, Frame, FrameHeader, FreeRange, HeapPage, LogContent, LogEnd,
    PAGE_HEADER_BYTES, PageHeader, PageId, PageKind, PagerError, Recovered, Slot, SlotId, SlotState,
    SpaceTable, Superblock,
};
