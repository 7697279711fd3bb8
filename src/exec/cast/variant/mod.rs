//! `VARIANT`: a value of any type, with its type, as bytes.
//!
//! The bytes are in `docs/FORMAT.md`, values of any type. Here they are read ([`Node`]); the other files make them of
//! columns, write them as text, make keys of them that compare as the values do, and make columns of them.
//!
//! A value in a column is never the NULL of this encoding: that is for what is inside of other values.

mod build;
mod compare;
pub(crate) mod read;
mod text;
mod values;

pub(crate) use build::{Draft, to_variant};
pub(crate) use compare::{comparable, comparable_type, is_within, write_key};
pub(crate) use read::{Node, Tag};
pub(crate) use text::{write_json, write_text};
pub(crate) use values::from_variant;
pub use values::variant_value;

use crate::exec::error::ExecError;

/// Values nest no deeper: what goes through them calls itself once a level.
pub(crate) const HEIGHT_MAX: u16 = 200;

/// Bytes that nobody here has written.
fn damaged() -> ExecError {
    ExecError::InvalidInput("the bytes of a VARIANT are damaged".into())
}

#[cfg(test)]
mod tests;
