//! What can be in a schema: tables, views, sequences, macros and types, as one kind of value. What is told here of
//! each kind is all that the catalog and the storage need to know of it.

use std::fmt;
use std::sync::Arc;

use crate::catalog::error::{CatalogError, Result};
use crate::catalog::macros::{MacroDefinition, MacroKind};
use crate::catalog::record::{Decoded, Malformed, RecordKind};
use crate::catalog::schema::SchemaId;
use crate::catalog::sequence::SequenceDefinition;
use crate::catalog::table::{TableDefinition, TableId};
use crate::catalog::user_type::TypeDefinition;
use crate::catalog::view::ViewDefinition;

/// Names an object for ever; ids are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u64);

impl ObjectId {
    /// The id of an object that has not been given one yet.
    pub const NONE: Self = Self(0);
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "object {}", self.0)
    }
}

impl From<TableId> for ObjectId {
    fn from(id: TableId) -> Self {
        Self(id.0)
    }
}

impl From<ObjectId> for TableId {
    fn from(id: ObjectId) -> Self {
        Self(id.0)
    }
}

/// The kinds of things that have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A schema.
    Schema,
    /// A table.
    Table,
    /// A view.
    View,
    /// A table that holds the rows of a query.
    MaterializedView,
    /// A column of a table.
    Column,
    /// A sequence.
    Sequence,
    /// A macro that stands for an expression.
    Macro,
    /// A macro that stands for a query.
    TableMacro,
    /// A type.
    Type,
    /// An index of a table.
    Index,
}

impl ObjectKind {
    /// Where such a thing is looked up; `None` for what is not in a schema.
    pub fn namespace(self) -> Option<Namespace> {
        match self {
            Self::Schema | Self::Column | Self::Index => None,
            Self::Table | Self::View | Self::MaterializedView => Some(Namespace::Relation),
            Self::Sequence => Some(Namespace::Sequence),
            Self::Macro => Some(Namespace::Function),
            Self::TableMacro => Some(Namespace::TableFunction),
            Self::Type => Some(Namespace::Type),
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Schema => "Schema",
            Self::Table => "Table",
            Self::View => "View",
            Self::MaterializedView => "Materialized View",
            Self::Column => "Column",
            Self::Sequence => "Sequence",
            Self::Macro => "Macro Function",
            Self::TableMacro => "Table Macro Function",
            Self::Type => "Type",
            Self::Index => "Index",
        })
    }
}

/// What shares its names: in a schema, no two objects of one namespace are called the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespace {
    /// What a query can name in FROM.
    Relation,
    /// Sequences.
    Sequence,
    /// What an expression can call.
    Function,
    /// What FROM can call.
    TableFunction,
    /// Types.
    Type,
}

/// Something that is in a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A table.
    Table(Arc<TableDefinition>),
    /// A view.
    View(Arc<ViewDefinition>),
    /// A sequence.
    Sequence(Arc<SequenceDefinition>),
    /// A macro.
    Macro(Arc<MacroDefinition>),
    /// A type.
    Type(Arc<TypeDefinition>),
}

/// The same expression over the definition, whatever it is of.
macro_rules! each {
    ($object:expr, $definition:ident => $value:expr) => {
        match $object {
            Object::Table($definition) => $value,
            Object::View($definition) => $value,
            Object::Sequence($definition) => $value,
            Object::Macro($definition) => $value,
            Object::Type($definition) => $value,
        }
    };
}

impl Object {
    /// What it is.
    pub fn kind(&self) -> ObjectKind {
        match self {
            Self::Table(table) if table.materialized.is_some() => ObjectKind::MaterializedView,
            Self::Table(_) => ObjectKind::Table,
            Self::View(_) => ObjectKind::View,
            Self::Sequence(_) => ObjectKind::Sequence,
            Self::Macro(m) => match m.kind {
                MacroKind::Scalar => ObjectKind::Macro,
                MacroKind::Table => ObjectKind::TableMacro,
            },
            Self::Type(_) => ObjectKind::Type,
        }
    }

    /// Where its name is looked up.
    pub fn namespace(&self) -> Namespace {
        self.kind().namespace().expect("every object has a namespace")
    }

    /// Its id.
    pub fn id(&self) -> ObjectId {
        match self {
            Self::Table(table) => table.id.into(),
            Self::View(view) => view.id,
            Self::Sequence(sequence) => sequence.id,
            Self::Macro(definition) => definition.id,
            Self::Type(definition) => definition.id,
        }
    }

    /// Its name, as written.
    pub fn name(&self) -> &str {
        each!(self, definition => &definition.name)
    }

    /// The schema it is in.
    pub fn schema(&self) -> SchemaId {
        each!(self, definition => definition.schema)
    }

    /// What COMMENT ON says of it.
    pub fn comment(&self) -> Option<&str> {
        each!(self, definition => definition.comment.as_deref())
    }

    /// The same with another id.
    #[must_use]
    pub fn with_id(mut self, id: ObjectId) -> Self {
        match &mut self {
            Self::Table(table) => Arc::make_mut(table).id = id.into(),
            Self::View(view) => Arc::make_mut(view).id = id,
            Self::Sequence(sequence) => Arc::make_mut(sequence).id = id,
            Self::Macro(definition) => Arc::make_mut(definition).id = id,
            Self::Type(definition) => Arc::make_mut(definition).id = id,
        }
        self
    }

    /// The same with another name.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Self {
        each!(&mut self, definition => Arc::make_mut(definition).name = name.into());
        self
    }

    /// The same with another comment, or none.
    #[must_use]
    pub fn with_comment(mut self, comment: Option<&str>) -> Self {
        each!(&mut self, definition => Arc::make_mut(definition).comment = comment.map(Into::into));
        self
    }

    /// Whether it is the very same definition, not only an equal one.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Table(a), Self::Table(b)) => Arc::ptr_eq(a, b),
            (Self::View(a), Self::View(b)) => Arc::ptr_eq(a, b),
            (Self::Sequence(a), Self::Sequence(b)) => Arc::ptr_eq(a, b),
            (Self::Macro(a), Self::Macro(b)) => Arc::ptr_eq(a, b),
            (Self::Type(a), Self::Type(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Whether the definition can be.
    pub fn validate(&self) -> Result<()> {
        if self.name().is_empty() {
            return Err(CatalogError::Invalid(format!(
                "a {} needs a name",
                self.kind().to_string().to_lowercase()
            )));
        }
        match self {
            Self::Table(table) => table.validate(),
            Self::Sequence(sequence) => sequence.validate(),
            Self::Macro(definition) => definition.validate(),
            Self::Type(definition) => definition.validate(),
            Self::View(_) => Ok(()),
        }
    }

    /// The kind of its record.
    pub fn record_kind(&self) -> RecordKind {
        match self {
            Self::Table(_) => RecordKind::Table,
            Self::View(_) => RecordKind::View,
            Self::Sequence(_) => RecordKind::Sequence,
            Self::Macro(_) => RecordKind::Macro,
            Self::Type(_) => RecordKind::Type,
        }
    }

    /// Its record.
    pub fn encode(&self) -> Vec<u8> {
        each!(self, definition => definition.encode())
    }

    /// Reads a record of that kind.
    pub fn decode(kind: RecordKind, bytes: &[u8]) -> Decoded<Self> {
        let object: Self = match kind {
            RecordKind::Table => TableDefinition::decode(bytes)?.into(),
            RecordKind::View => ViewDefinition::decode(bytes)?.into(),
            RecordKind::Sequence => SequenceDefinition::decode(bytes)?.into(),
            RecordKind::Macro => MacroDefinition::decode(bytes)?.into(),
            RecordKind::Type => TypeDefinition::decode(bytes)?.into(),
            _ => return Err(Malformed::Bytes(format!("a {} describes no object", kind.name()))),
        };
        object.validate().map_err(|e| Malformed::Bytes(e.to_string()))?;
        Ok(object)
    }
}

macro_rules! into_object {
    ($($variant:ident: $definition:ty),*) => {
        $(impl From<$definition> for Object {
            fn from(definition: $definition) -> Self {
                Self::$variant(Arc::new(definition))
            }
        })*
    };
}

into_object!(
    Table: TableDefinition,
    View: ViewDefinition,
    Sequence: SequenceDefinition,
    Macro: MacroDefinition,
    Type: TypeDefinition
);
