//! Schemas, and their records.
//!
//! ```text
//! header | id u64 | name text | comment optional text
//! ```

use std::fmt;

use crate::catalog::record::{Decoded, RecordKind, RecordReader, RecordWriter};

/// The schema that every database has.
pub const MAIN_SCHEMA: &str = "main";

/// Names a schema for ever; ids are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaId(pub u64);

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "schema {}", self.0)
    }
}

/// What a schema is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaDefinition {
    /// Its id.
    pub id: SchemaId,
    /// Its name, as written.
    pub name: Box<str>,
    /// `COMMENT ON SCHEMA`.
    pub comment: Option<Box<str>>,
}

impl SchemaDefinition {
    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = RecordWriter::new(RecordKind::Schema);
        w.u64(self.id.0);
        w.text(&self.name);
        w.optional_text(self.comment.as_deref());
        w.finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut r = RecordReader::new(bytes, RecordKind::Schema)?;
        let definition = Self { id: SchemaId(r.u64()?), name: r.text()?, comment: r.optional_text()? };
        r.finish()?;
        Ok(definition)
    }
}
