//! FluxDB: an embedded analytical and time-series database in one file.
//!
//! Begin at [`Database`] and [`Connection`]; the guide is `docs/LIBRARY.md`. Versions are about what stands here at the root,
//! which `docs/API.txt` lists, and about [`inspect`]. The other modules are public for the inspector, the benches and tests,
//! and may change in any release.

// What the derive writes names the crate.
extern crate self as fluxdb;

mod appender;
pub mod catalog;
pub mod column;
mod connection;
#[cfg(test)]
#[path = "../tests/common/coverage.rs"]
mod coverage;
mod database;
#[cfg(feature = "serde")]
mod deserialize;
mod error;
pub mod exec;
mod extend;
mod formats;
pub mod inspect;
pub mod io;
mod keyed;
mod measurement;
pub mod pager;
mod params;
mod row;
mod salvage;
pub mod sql;
mod statement;
mod sync;
pub mod table;
mod upkeep;

pub use appender::Appender;
pub use column::scalar::Scalar;
pub use column::types::LogicalType;
pub use connection::{ArrowReader, Connection, ProgressHandle, Rows, StatementResult};
pub use database::{Database, DatabaseSnapshot, Options};
pub use error::{Error, Result};
pub use exec::batch::{Batch, Field, arrow_schema, to_record_batch};
pub use exec::cast::text::{Writer as ValueWriter, json_string, write_value};
pub use exec::cast::variant::variant_value;
pub use exec::context::CancelToken;
pub use exec::zone::Zone as TimeZone;
pub use extend::{Argument, ScalarClosure, SqlType};
pub use fluxdb_derive::FromRow;
pub use keyed::{KeyedBatch, KeyedRows, KeyedScan, KeyedTable};
pub use measurement::{FieldValue, ImportOptions, ImportReport, Point, PointWriter, Precision, Rejected};
pub use pager::{FORMAT_VERSION, catch_sigbus};
pub use params::{Param, Params};
pub use row::{ColumnIndex, FromRow, FromValue, Row, RowIter};
pub use salvage::{SalvageReport, SalvagedTable};
pub use sql::Position;
pub use sql::parser::{is_keyword, keywords};
pub use sql::split::{StatementSplitter, is_blank, split_statements};
pub use statement::Statement;
pub use table::{CheckReport, Recovery, Synchronous};

pub use ::arrow_schema as arrow_types;
pub use arrow_array;

/// The examples of the library guide are compiled and run with those of the documentation of the crate.
#[cfg(all(doctest, feature = "serde"))]
#[doc = include_str!("../docs/LIBRARY.md")]
pub struct LibraryGuide;
