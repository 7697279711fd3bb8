//! Measurements: tables of points, which come to be as points are written.
//!
//! A measurement is a table with a column `time`, a `VARCHAR` column for each tag and a column for each field. The
//! first point makes the table, a new tag or field adds a column; a field keeps the type of its first value. Points
//! are gathered by measurement ([`buffer`], [`writer`]), put in the order of their series and time, and written as row
//! groups, each batch a transaction of its own ([`batch`]). A point that does not fit is an error of its own and keeps no
//! other from being written.

mod batch;
mod buffer;
mod duplicates;
mod import;
mod point;
mod writer;

pub(crate) use import::import;
pub use import::{ImportOptions, ImportReport, Precision};
pub use point::{FieldValue, Point};
pub use writer::{PointWriter, Rejected};
