//! What exists: schemas, tables, columns, views, sequences, macros, types, row-group and chunk metadata, as
//! records in slotted heaps.
//!
//! Two things live here, and nothing that changes over time (but for the counters of sequences):
//!
//! * the [`Catalog`], an immutable value that a snapshot holds: definitions found by id and, ignoring
//!   case, by name; a writer clones it (cheaply: definitions are behind `Arc`), changes the clone, and
//!   publishes that;
//! * the **records** that describe it in the file, one file for each kind, each with its picture,
//!   encoder, decoder and tests ([`record`] has what they share).
//!
//! The records form a tree. Opening reads the first two levels only, which is O(number of objects);
//! the rest is read when a table is first touched:
//!
//! ```text
//! root ─┬─ schema
//!       ├─ view, sequence, macro, type
//!       └─ table ─── directory ─┬─ segment ─┬─ row group (statistics and place of each chunk)
//!                               │           └─ … up to 128
//!                               └─ …
//! ```
//!
//! A row-group record never changes once written: what may change about a row group (its delete
//! vector) is in the segment's entry. So appending a row group writes its record, the last segment, the
//! directory and whatever of table and root has changed, however large the table is.

mod constraint;
mod contents;
mod directory;
mod error;
#[cfg(test)]
mod format_tests;
mod macros;
mod materialized;
mod names;
mod object;
mod owners;
pub mod record;
mod root;
mod row_group;
mod schema;
mod sequence;
mod table;
pub(crate) mod types;
mod user_type;
mod value;
mod view;

pub use constraint::{
    ConstraintDefinition, ConstraintKind, IndexDefinition, ReferenceAction, ReferenceActions,
};
pub use contents::Schema;
pub use directory::{
    DeletesRef, DirectoryRecord, SEGMENT_ENTRIES_MAX, SegmentEntry, SegmentRecord, SegmentRef,
};
pub use error::{CatalogError, Result};
pub use macros::{MacroDefinition, MacroKind, MacroOverload, MacroParameter};
pub use materialized::{ALL_TIME, GroupState, Materialized, SourceState, TimeRange, merge_ranges};
pub use names::{NameMap, fold, similar};
pub use object::{Namespace, Object, ObjectId, ObjectKind};
pub use root::{CatalogRoot, RootEntry};
pub use row_group::{KeysPlace, RowGroupHeader, RowGroupRecord, encode_row_group};
pub use schema::{MAIN_SCHEMA, SchemaDefinition, SchemaId};
pub use sequence::{
    CounterState, Exhausted, SequenceCounter, SequenceDefinition, SequenceOwner, SequenceRole,
};
pub use table::{ColumnDefinition, ColumnId, ColumnRole, TableDefinition, TableId};
pub use user_type::{Domain, TypeDefinition};
pub use value::{Catalog, Dependency};
pub use view::ViewDefinition;
