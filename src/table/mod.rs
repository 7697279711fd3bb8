//! A table in motion: snapshots, write transactions, row groups, checkpoints.

/// A table as of one snapshot.
#[derive(Debug)]
pub struct TableSnapshot;

/// What can go wrong in a table's storage.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {}
