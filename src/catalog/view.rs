//! Views, and their records. A view is kept as its text: what it means is decided when it is used.
//!
//! ```text
//! header | id u64 | schema id u64 | name text | query text
//!        | count u32, then each column name as text | comment optional text
//!        | count u32, then for each comment on a column: name text | comment text (from version 2)
//! ```
//!
//! A view without comments on columns is written as version 1, which older readers know.

use std::collections::BTreeMap;

use crate::catalog::object::ObjectId;
use crate::catalog::record::{Decoded, RecordKind, RecordReader, RecordWriter};
use crate::catalog::schema::SchemaId;

/// What a view is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewDefinition {
    /// Its id. [`Catalog::create_object`](crate::catalog::Catalog::create_object) gives it.
    pub id: ObjectId,
    /// The schema it is in.
    pub schema: SchemaId,
    /// Its name, as written.
    pub name: Box<str>,
    /// The query, as SQL text.
    pub query: Box<str>,
    /// Names of its columns, where they were given: the first names of its columns, or none.
    pub column_names: Vec<Box<str>>,
    /// `COMMENT ON VIEW`.
    pub comment: Option<Box<str>>,
    /// `COMMENT ON COLUMN`, by the names of its columns.
    pub column_comments: BTreeMap<Box<str>, Box<str>>,
}

impl ViewDefinition {
    /// A view yet to be given its id.
    pub fn new(schema: SchemaId, name: &str, query: &str, column_names: Vec<Box<str>>) -> Self {
        Self {
            id: ObjectId::NONE,
            schema,
            name: name.into(),
            query: query.into(),
            column_names,
            comment: None,
            column_comments: BTreeMap::new(),
        }
    }

    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        let version = if self.column_comments.is_empty() { 1 } else { 2 };
        let mut w = RecordWriter::of_version(RecordKind::View, version);
        w.u64(self.id.0);
        w.u64(self.schema.0);
        w.text(&self.name);
        w.text(&self.query);
        w.count(self.column_names.len());
        self.column_names.iter().for_each(|name| w.text(name));
        w.optional_text(self.comment.as_deref());
        if !self.column_comments.is_empty() {
            w.count(self.column_comments.len());
            for (name, comment) in &self.column_comments {
                w.text(name);
                w.text(comment);
            }
        }
        w.finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut r = RecordReader::new(bytes, RecordKind::View)?;
        let definition = Self {
            id: ObjectId(r.u64()?),
            schema: SchemaId(r.u64()?),
            name: r.text()?,
            query: r.text()?,
            column_names: {
                let count = r.count(4)?;
                (0..count).map(|_| r.text()).collect::<Decoded<_>>()?
            },
            comment: r.optional_text()?,
            column_comments: if r.version() >= 2 {
                // Each takes the lengths of two texts at least.
                let count = r.count(8)?;
                (0..count).map(|_| Ok((r.text()?, r.text()?))).collect::<Decoded<_>>()?
            } else {
                BTreeMap::new()
            },
        };
        r.finish()?;
        Ok(definition)
    }
}
