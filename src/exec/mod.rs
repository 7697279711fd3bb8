//! Running a plan: vectors, expressions, functions, aggregates, operators, pipelines.
//!
//! It receives plans already typed; it knows no SQL text, no page number and no codec.

pub mod aggregates;
pub mod batch;
pub mod calendar;
pub mod cast;
pub mod coerce;
pub mod context;
pub mod error;
pub mod eval;
pub mod expr;
pub mod functions;
pub mod json;
pub mod plan;
pub mod profile;
pub mod source;
