//! A table in motion: snapshots, write transactions, row groups, checkpoints.
//!
//! The state of an open database ([`Storage`]) is one immutable [`Snapshot`]: a catalog, and for each table its sealed
//! row groups and what has been added to and deleted from them since. A reader takes the current one and keeps it as long
//! as it likes; it takes no lock, and no writer can disturb it. A [`WriteTransaction`] builds the next beside it.
//!
//! # How a commit goes
//!
//! Rows were encoded and written by [`TableAppender`] before, to extents that nobody refers to, or are still in
//! memory; which rows are deleted is in memory too. All this is the transaction's `Delta` (`data.rs`) of each table,
//! which its own view shows. Then:
//!
//! 1. The transaction is closed to appenders; their row groups are put in order. A few rows that were added or deleted
//!    become a record of the log, and that is all (`unsealed.rs`); those of several that commit at once are staged by
//!    one of them (`commit_groups.rs`). If there are more, or definitions have changed, this
//!    and all that is only in the log is *sealed*. When the log fills, a thread seals what is in it, by the same steps,
//!    while others commit (`sealer.rs`).
//! 2. Small row groups that are still in memory, and small ones at the end of the table, are merged
//!    (`merge.rs`) and written to new extents, and so are those that have lost more than half of their rows, without
//!    these. Rows of a measurement are put in the order of their series and time (`order.rs`); where late points made
//!    row groups overlap in time, those are divided by time anew (`overlap.rs`, `arrange.rs`), when there is time for it. Others that lost rows get a new delete vector. Extents and records of dropped tables, of merged row groups
//!    and of those without rows are marked free.
//! 3. For each table that changed: the records of new row groups, the last segment, the directory.
//! 4. The records of definitions that changed, and the catalog's root.
//! 5. The pager makes all of it durable, then flips the superblock. This is the moment of the commit; up to
//!    here an error or a crash leaves the database as it was.
//! 6. The new snapshot is published to the readers of this process. Space that the commit freed is used
//!    again once no snapshot that can see it is left.
//!
//! Invariants:
//! - Nothing that a snapshot can see is ever written again.
//! - A row group's record never changes; a segment's entry may, by being written anew.
//! - All segments of a table but the last are full.

mod append;
mod arrange;
mod backup;
mod check;
mod commit;
mod commit_groups;
mod compact;
#[cfg(test)]
mod concurrency_tests;
#[cfg(test)]
mod coverage_tests;
mod data;
mod decode;
#[cfg(test)]
mod delete_tests;
pub(crate) mod deletes;
mod deletes_by_group;
mod encode;
mod error;
mod fresh;
mod gate;
mod key_overlap;
pub(crate) mod keys;
pub(crate) mod log_record;
#[cfg(test)]
mod log_tests;
mod merge;
mod metrics;
mod numbering;
mod order;
#[cfg(test)]
mod order_tests;
mod overlap;
mod pin;
mod places;
mod rebase;
mod recovery;
mod reindex;
mod row_group;
#[cfg(all(test, shuttle))]
mod schedule_tests;
mod seal;
mod sealer;
#[cfg(test)]
mod sealer_tests;
mod snapshot;
mod state;
mod statistics;
mod storage;
#[cfg(test)]
mod tests;
mod tiers;
mod transaction;
mod unsealed;
mod workspace;
mod written;

pub use crate::pager::Synchronous;
pub use append::TableAppender;
pub use check::{CheckReport, Finding};
pub use error::{Result, TableError};
pub use keys::{KeyCursor, KeyPlace, KeyRange, Probes};
pub use places::Places;
pub use recovery::Recovery;
pub use row_group::RowGroup;
pub use snapshot::{ROW_ID, ROW_ID_NAME, Snapshot, TableSnapshot};
pub use statistics::ColumnStatistics;
pub use storage::{Storage, StorageOptions};
pub use transaction::{Savepoint, WriteTransaction};
pub use written::Written;
