//! Macros, and their records. A macro is kept as text: what it means is decided where it is used.
//!
//! ```text
//! header | id u64 | schema id u64 | name text | comment optional text | kind u8 (0 scalar, 1 table)
//!        | count u32, then for each overload:
//!          count u32, then for each parameter: name text | type optional text | default optional text
//!          body text | returns optional text (from version 2)
//! ```

use crate::catalog::error::{CatalogError, Result};
use crate::catalog::object::ObjectId;
use crate::catalog::record::{Decoded, Malformed, RecordKind, RecordReader, RecordWriter};
use crate::catalog::schema::SchemaId;

/// What a macro stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MacroKind {
    /// An expression.
    Scalar = 0,
    /// A query.
    Table = 1,
}

/// What a macro is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacroDefinition {
    /// Its id. [`Catalog::create_object`](crate::catalog::Catalog::create_object) gives it.
    pub id: ObjectId,
    /// The schema it is in.
    pub schema: SchemaId,
    /// Its name, as written.
    pub name: Box<str>,
    /// `COMMENT ON MACRO`.
    pub comment: Option<Box<str>>,
    /// What it stands for.
    pub kind: MacroKind,
    /// Its bodies, at least one, which differ in their parameters.
    pub overloads: Vec<MacroOverload>,
}

/// One body of a macro and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacroOverload {
    /// The parameters, in order; those with a default come last.
    pub parameters: Vec<MacroParameter>,
    /// The expression or query, as SQL text.
    pub body: Box<str>,
    /// Of a function: what it was said to return, as SQL text. Each of its arguments is one value wherever it stands.
    pub returns: Option<Box<str>>,
}

/// The version of the layout of macros that are no functions.
const PLAIN_VERSION: u8 = 1;

/// A parameter of a macro.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacroParameter {
    /// Its name, as written.
    pub name: Box<str>,
    /// Its type, as SQL text, where it has one.
    pub ty: Option<Box<str>>,
    /// What it is where a call does not say, as SQL text.
    pub default: Option<Box<str>>,
}

impl MacroDefinition {
    /// Whether the definition can be.
    pub fn validate(&self) -> Result<()> {
        if self.overloads.is_empty() {
            return Err(CatalogError::Invalid(format!("macro \"{}\" has no body", self.name)));
        }
        for overload in &self.overloads {
            for (i, parameter) in overload.parameters.iter().enumerate() {
                let before = &overload.parameters[..i];
                if before.iter().any(|p| p.name.eq_ignore_ascii_case(&parameter.name)) {
                    return Err(CatalogError::Invalid(format!(
                        "Duplicate parameter \"{}\" in macro \"{}\"",
                        parameter.name, self.name
                    )));
                }
            }
        }
        Ok(())
    }

    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        let has_functions = self.overloads.iter().any(|overload| overload.returns.is_some());
        let version = if has_functions { RecordKind::Macro.version() } else { PLAIN_VERSION };
        let mut w = RecordWriter::of_version(RecordKind::Macro, version);
        w.u64(self.id.0);
        w.u64(self.schema.0);
        w.text(&self.name);
        w.optional_text(self.comment.as_deref());
        w.u8(self.kind as u8);
        w.count(self.overloads.len());
        for overload in &self.overloads {
            w.count(overload.parameters.len());
            for parameter in &overload.parameters {
                w.text(&parameter.name);
                w.optional_text(parameter.ty.as_deref());
                w.optional_text(parameter.default.as_deref());
            }
            w.text(&overload.body);
            if has_functions {
                w.optional_text(overload.returns.as_deref());
            }
        }
        w.finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut r = RecordReader::new(bytes, RecordKind::Macro)?;
        let mut definition = Self {
            id: ObjectId(r.u64()?),
            schema: SchemaId(r.u64()?),
            name: r.text()?,
            comment: r.optional_text()?,
            kind: match r.u8()? {
                0 => MacroKind::Scalar,
                1 => MacroKind::Table,
                other => return Err(Malformed::Bytes(format!("{other} is no kind of macro"))),
            },
            overloads: vec![],
        };
        for _ in 0..r.count(8)? {
            let count = r.count(6)?;
            let parameters = (0..count).map(|_| {
                Ok(MacroParameter { name: r.text()?, ty: r.optional_text()?, default: r.optional_text()? })
            });
            let parameters = parameters.collect::<Decoded<_>>()?;
            let body = r.text()?;
            let returns = if r.version() > PLAIN_VERSION { r.optional_text()? } else { None };
            definition.overloads.push(MacroOverload { parameters, body, returns });
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
    fn records_come_back() {
        let parameter = |name: &str, default: Option<&str>| MacroParameter {
            name: name.into(),
            ty: default.map(|_| "INTEGER".into()),
            default: default.map(Into::into),
        };
        let mut definition = MacroDefinition {
            id: ObjectId(9),
            schema: SchemaId(1),
            name: "f".into(),
            comment: Some("twice".into()),
            kind: MacroKind::Scalar,
            overloads: vec![
                MacroOverload { parameters: vec![], body: "1".into(), returns: None },
                MacroOverload {
                    parameters: vec![parameter("a", None), parameter("b", Some("2"))],
                    body: "a * b".into(),
                    returns: Some("INTEGER".into()),
                },
            ],
        };
        let bytes = definition.encode();
        assert_eq!(MacroDefinition::decode(&bytes).unwrap(), definition);
        for cut in 0..bytes.len() {
            assert!(MacroDefinition::decode(&bytes[..cut]).is_err());
        }
        definition.overloads[1].parameters[1].name = "A".into();
        assert!(MacroDefinition::decode(&definition.encode()).is_err());
        definition.overloads.clear();
        assert!(MacroDefinition::decode(&definition.encode()).is_err());
    }
}
