//! Running a plan: vectors, expressions, functions, aggregates, operators, pipelines.
//!
//! It receives plans already typed; it knows no SQL text, no page number and no codec.

pub mod aggregates;
pub mod batch;
pub mod buckets;
pub mod calendar;
pub mod cast;
pub mod coerce;
pub mod context;
pub mod error;
pub mod eval;
mod execute;
pub mod expr;
pub mod first_rows;
pub mod functions;
mod helpers;
mod hints;
pub mod json;
pub(crate) mod memory;
mod operators;
mod pipeline;
pub mod plan;
pub mod profile;
pub(crate) mod rejects;
mod scheduler;
pub mod sinks;
mod slices;
pub mod source;
pub mod spill;
mod stream;
pub mod timetz;
mod views;
pub mod window;
pub mod zone;

pub use execute::execute;
pub(crate) use operators::filter::filter_batch;
pub use stream::QueryStream;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
