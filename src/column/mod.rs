//! A column at rest: types, codecs, statistics, chunk writer and chunk reader.
//!
//! A line belongs here if it is about a run of values of one type at rest.

pub mod error;
pub mod predicate;
pub mod scalar;
pub mod types;
