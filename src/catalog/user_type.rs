//! Types that have been given a name, and their records.
//!
//! ```text
//! header | id u64 | schema id u64 | name text | comment optional text | type
//!        | from version 2, of a domain: not null bool | default optional text
//!          | count u32, then for each condition: name optional text | expression text
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
    /// What its values must satisfy, if it is a domain.
    pub domain: Option<Domain>,
}

/// What the values of a domain must satisfy, and what they are where none is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Domain {
    /// None is NULL.
    pub not_null: bool,
    /// The default of columns that have none of their own, as SQL text.
    pub default: Option<Box<str>>,
    /// Conditions that are not false: their names, and SQL text in which `value` stands for the value.
    pub checks: Vec<(Option<Box<str>>, Box<str>)>,
}

/// The version of the layout of types that are no domains.
const PLAIN_VERSION: u8 = 1;

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
        let version = if self.domain.is_some() { RecordKind::Type.version() } else { PLAIN_VERSION };
        let mut w = RecordWriter::of_version(RecordKind::Type, version);
        w.u64(self.id.0);
        w.u64(self.schema.0);
        w.text(&self.name);
        w.optional_text(self.comment.as_deref());
        write_type(&mut w, &self.ty);
        if let Some(domain) = &self.domain {
            w.bool(domain.not_null);
            w.optional_text(domain.default.as_deref());
            w.count(domain.checks.len());
            for (name, expression) in &domain.checks {
                w.optional_text(name.as_deref());
                w.text(expression);
            }
        }
        w.finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut r = RecordReader::new(bytes, RecordKind::Type)?;
        let mut definition = Self {
            id: ObjectId(r.u64()?),
            schema: SchemaId(r.u64()?),
            name: r.text()?,
            comment: r.optional_text()?,
            ty: read_type(&mut r)?,
            domain: None,
        };
        if r.version() > PLAIN_VERSION {
            let (not_null, default) = (r.bool()?, r.optional_text()?);
            let count = r.count(5)?;
            let checks = (0..count).map(|_| Ok((r.optional_text()?, r.text()?))).collect::<Decoded<_>>()?;
            definition.domain = Some(Domain { not_null, default, checks });
        }
        r.finish()?;
        definition.validate().map_err(|e| Malformed::Bytes(e.to_string()))?;
        Ok(definition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_come_back() {
        let mut definition = TypeDefinition {
            id: ObjectId(9),
            schema: SchemaId(1),
            name: "d".into(),
            comment: None,
            ty: LogicalType::Integer,
            domain: Some(Domain {
                not_null: true,
                default: Some("1".into()),
                checks: vec![(None, "value > 0".into()), (Some("few".into()), "value < 10".into())],
            }),
        };
        let bytes = definition.encode();
        assert_eq!(TypeDefinition::decode(&bytes).unwrap(), definition);
        for cut in 0..bytes.len() {
            assert!(TypeDefinition::decode(&bytes[..cut]).is_err());
        }
        definition.domain = None;
        assert_eq!(TypeDefinition::decode(&definition.encode()).unwrap(), definition);
    }
}
