//! The file: pages, extents, checksums, superblocks, allocator, slotted heaps, and the file trait.
//!
//! A line belongs here if it would be true of any file of pages.
//!
//! [`Pager`] opens a file. A reader takes a [`Snapshot`], one commit that nothing disturbs; the one writer takes a
//! [`WriteTxn`], fills extents and heap records in pages that nobody refers to, and commits by writing the other
//! superblock, or stages a frame of the log ([`Pager::log_append`]) that says what has changed since the last superblock.
//! Bytes live in three kinds of place: [`Extent`]s for bulk data, read without copying; heap records,
//! found by [`SlotId`], for metadata; and two [`Roots`] in the superblock, from which all else is found.
//!
//! | file | subject |
//! |---|---|
//! | `file.rs` | the trait for all access to files; `os_file.rs`, `memory_file.rs`, `fault.rs` implement it |
//! | `mapping.rs` | mappings of files, and reads of them that the file cannot serve any more |
//! | `lock.rs`, `range_lock.rs` | one writer process beside many readers, and what they tell each other |
//! | `page.rs` | page numbers, kinds, headers |
//! | `superblock.rs` | the two roots of the file |
//! | `heap.rs` | slotted pages and overflow chains |
//! | `alloc.rs`, `space.rs` | free space in memory and on disk |
//! | `log/` | commits that need no superblock: frames, group commit, recovery |
//! | `create.rs` | making a database of an empty file |
//! | `store.rs` | the open file: what is current, who reads it, and how |
//! | `snapshot.rs`, `txn.rs` | a reader, and the writer |
//! | `record.rs` | records in heap pages and chains |
//! | `backup.rs` | a copy of one commit |
//! | `check.rs` | accounting: every page has one owner |
//! | `metrics.rs` | what making things durable takes, for a recorder of the program |
//! | `inspect.rs` | looking at a file from outside, healthy or not |

mod alloc;
mod backup;
mod check;
mod create;
mod draft;
mod error;
pub mod fault;
mod file;
mod heap;
#[cfg(test)]
pub(crate) mod hooked_file;
pub mod inspect;
mod lock;
mod log;
mod mapping;
mod memory_file;
mod metrics;
mod os_file;
mod page;
mod range_lock;
mod record;
mod snapshot;
mod space;
mod store;
mod superblock;
#[cfg(test)]
mod tests;
mod txn;

pub use check::{Account, Owner};
pub(crate) use draft::Draft;
pub use error::{PagerError, Result};
pub use file::{Announced, File, Peers};
pub use heap::{HeapPage, MAX_RECORD_BYTES, Slot, SlotId};
pub use log::frame::{FRAME_HEADER_BYTES, Frame, FrameHeader, LogContent, LogEnd, seal_frame};
pub use log::{Recovered, Synchronous, Ticket};
pub use mapping::{catch_sigbus, losses};
pub use memory_file::MemoryFile;
pub use os_file::{Access, OsFile};
pub use page::{
    DEFAULT_PAGE_SIZE, Extent, FIRST_DATA_PAGE, MAX_PAGE_SIZE, MIN_PAGE_SIZE, PAGE_HEADER_BYTES, PageHeader,
    PageId, PageKind, checksum,
};
pub use snapshot::Snapshot;
pub use space::{FreeRange, SpaceTable, SparseHeapPage};
pub use store::{News, Options, Pager, Roots};
pub use superblock::{FORMAT_VERSION, SUPERBLOCK_BYTES, SlotState, Slots, Superblock, is_database};
pub use txn::WriteTxn;
