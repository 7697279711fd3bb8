//! Types that have been given a name, and their records.
//!
//! ```text
//! header | id u64 | schema id u64 | name text | comment optional text | type
//! ```

use crate::catalog::error::{CatalogError, Result};
use crate::catalog::object::ObjectId;
use crate::catalog::record::{Decoded, Malformed, RecordKind, RecordReader, RecordWriter};
use crate::catalog::schema::SchemaId;
use crate::catalog::types::{TYPE_DEPTH_MAX, depth, read_type, write_type};
use crate::column::types::LogicalType;

/// What a type of that name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeDefinition {
    /// Its id. [`Catalog::create_object`](crate::catalog::Catalog::create_object) gives it.
    pub id: ObjectId,
    /// The schema it is in.
    pub schema: SchemaId,
    /// Its name, as written.
    pub name: Box<str>,
    /// `COMMENT ON TYPE`.
    pub comment: Option<Box<str>>,
    /// What it stands for.
    pub ty: LogicalType,
}

impl TypeDefinition {
    /// Whether the definition can be.
    pub fn validate(&self) -> Result<()> {
        if depth(&self.ty) > TYPE_DEPTH_MAX {
            return Err(CatalogError::Invalid(format!(
                "the type \"{}\" nests deeper than {TYPE_DEPTH_MAX} levels",
                self.name
            )));
        }
        Ok(())
    }

    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = RecordWriter::new(RecordKind::Type);
        w.u64(self.id.0);
        w.u64(self.schema.0);
        w.text(&self.name);
        w.optional_text(self.comment.as_deref());
        write_type(&mut w, &self.ty);
        w.finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut r = RecordReader::new(bytes, RecordKind::Type)?;
        let definition = Self {
            id: ObjectId(r.u64()?),
            schema: SchemaId(r.u64()?),
            name: r.text()?,
            comment: r.optional_text()?,
            ty: read_type(&mut r)?,
        };
        r.finish()?;
        definition.validate().map_err(|e| Malformed::Bytes(e.to_string()))?;
        Ok(definition)
    }
}
