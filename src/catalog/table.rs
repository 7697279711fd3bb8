//! Tables and their columns, and the records of their definitions.
//!
//! ```text
//! header | id u64 | schema id u64 | name text | comment optional text | next column id u32
//!        | count u32, then for each column:
//!          id u32 | name text | type | nullable bool | role u8 | default optional text | comment optional text
//!          | generated optional text (from version 2) | collation optional text (from version 5)
//!          | stored bool (from version 6)
//!        | count u32, constraints | count u32, indexes (from version 2)
//!        | count u32, then for each option: name text | value text (from version 3)
//!        | materialized bool, then what it was made from (from version 4)
//! ```
//!
//! A table none of whose columns has a collation is written as version 4, which older readers know.
//!
//! Where the rows are is not told here but in the table's directory, so that appending rows does not
//! write the definition again.

use std::collections::BTreeMap;
use std::fmt;

use crate::catalog::constraint::{ConstraintDefinition, ConstraintKind, IndexDefinition};
use crate::catalog::error::{CatalogError, Result};
use crate::catalog::materialized::Materialized;
use crate::catalog::names::{fold, similar};
use crate::catalog::object::ObjectKind;
use crate::catalog::record::{Decoded, Malformed, RecordKind, RecordReader, RecordWriter};
use crate::catalog::schema::SchemaId;
use crate::catalog::types::{self, read_type, write_type};
use crate::column::types::LogicalType;

/// The version of a table's record without collations.
const PLAIN_VERSION: u8 = 4;
/// The version of the layout of a table with collations, and without columns that are computed when they are written.
const COLLATIONS_VERSION: u8 = 5;

/// Names a table for ever; ids are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u64);

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}", self.0)
    }
}

/// Names a column of a table for ever, whatever becomes of its name and position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId(pub u32);

/// What a column is for in a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum ColumnRole {
    /// A value like any other.
    #[default]
    Plain = 0,
    /// Names the series: few values, constant within it.
    Tag = 1,
    /// The time of the point.
    Time = 2,
}

/// What a column is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDefinition {
    /// Its id. [`TableDefinition::new`] and [`TableDefinition::add_column`] give it.
    pub id: ColumnId,
    /// Its name, as written.
    pub name: Box<str>,
    /// The type of its values.
    pub ty: LogicalType,
    /// Whether NULL may be stored.
    pub nullable: bool,
    /// What it is for.
    pub role: ColumnRole,
    /// The value of rows that do not give one, as SQL text; NULL if absent.
    pub default: Option<Box<str>>,
    /// `COMMENT ON COLUMN`.
    pub comment: Option<Box<str>>,
    /// A column that is computed: the expression over the others, as SQL text.
    pub generated: Option<Box<str>>,
    /// It is computed when its row is written. Else that is done when it is read, and NULL is stored.
    pub stored: bool,
    /// `COLLATE`: what its texts compare by, if not by their bytes.
    pub collation: Option<Box<str>>,
}

impl ColumnDefinition {
    /// A nullable column without default, yet to be given its id.
    pub fn new(name: &str, ty: LogicalType) -> Self {
        Self {
            id: ColumnId(u32::MAX),
            name: name.into(),
            ty,
            nullable: true,
            role: ColumnRole::Plain,
            default: None,
            comment: None,
            generated: None,
            stored: false,
            collation: None,
        }
    }

    /// Whether it is computed when it is read.
    pub fn is_virtual(&self) -> bool {
        self.generated.is_some() && !self.stored
    }
}

/// What a table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDefinition {
    /// Its id. [`Catalog::create_table`](crate::catalog::Catalog::create_table) gives it.
    pub id: TableId,
    /// The schema it is in.
    pub schema: SchemaId,
    /// Its name, as written.
    pub name: Box<str>,
    /// Its columns, in order.
    pub columns: Vec<ColumnDefinition>,
    /// The id that the next new column gets.
    pub next_column_id: u32,
    /// `COMMENT ON TABLE`.
    pub comment: Option<Box<str>>,
    /// What its rows must satisfy, in the order of the definition.
    pub constraints: Vec<ConstraintDefinition>,
    /// Its indexes, in the order they were made.
    pub indexes: Vec<IndexDefinition>,
    /// What was said in `SET (name = value)`, by name in lower case.
    pub options: BTreeMap<Box<str>, Box<str>>,
    /// The query whose rows it holds, if it is a materialized view.
    pub materialized: Option<Box<Materialized>>,
}

impl TableDefinition {
    /// A table yet to be given its id. Columns get ids from 0.
    pub fn new(schema: SchemaId, name: &str, columns: Vec<ColumnDefinition>) -> Self {
        let mut table = Self {
            id: TableId(0),
            schema,
            name: name.into(),
            columns: Vec::with_capacity(columns.len()),
            next_column_id: 0,
            comment: None,
            constraints: vec![],
            indexes: vec![],
            options: BTreeMap::new(),
            materialized: None,
        };
        for column in columns {
            table.add_column(column);
        }
        table
    }

    /// Adds a column behind the others and gives it its id.
    pub fn add_column(&mut self, mut column: ColumnDefinition) -> ColumnId {
        column.id = ColumnId(self.next_column_id);
        self.next_column_id += 1;
        self.columns.push(column);
        ColumnId(self.next_column_id - 1)
    }

    /// The position of the column of that name, whatever its case.
    pub fn column_position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The position of the column with that id.
    pub fn position_of(&self, id: ColumnId) -> Option<usize> {
        self.columns.iter().position(|column| column.id == id)
    }

    /// The columns of the primary key, if there is one.
    pub fn primary_key(&self) -> Option<&[ColumnId]> {
        self.constraints.iter().find(|c| c.is_primary_key()).map(ConstraintDefinition::columns)
    }

    /// The keys by which rows are found, each once: those of constraints, then of indexes. An index with a key that is
    /// not a stored column is not among them.
    pub fn indexed_keys(&self) -> Vec<Box<[ColumnId]>> {
        let mut keys: Vec<Box<[ColumnId]>> = vec![];
        let mut add = |key: Box<[ColumnId]>| {
            if !key.is_empty() && u8::try_from(key.len()).is_ok() && !keys.contains(&key) {
                keys.push(key);
            }
        };
        for constraint in &self.constraints {
            if let ConstraintKind::Unique { columns, .. } = &constraint.kind {
                add(columns.as_slice().into());
            }
        }
        self.indexes.iter().filter_map(|index| self.key_of_index(index)).for_each(&mut add);
        keys
    }

    /// Those of the [`indexed_keys`](Self::indexed_keys) that no two rows share.
    pub fn unique_keys(&self) -> Vec<Box<[ColumnId]>> {
        let constraints = self.constraints.iter().filter_map(|constraint| match &constraint.kind {
            ConstraintKind::Unique { columns, .. } => Some(columns.as_slice().into()),
            _ => None,
        });
        let indexes = self.indexes.iter().filter(|index| index.unique);
        constraints.chain(indexes.filter_map(|index| self.key_of_index(index))).collect()
    }

    /// The columns of an index, if all its keys are stored ones.
    pub fn key_of_index(&self, index: &IndexDefinition) -> Option<Box<[ColumnId]>> {
        index.keys.iter().map(|key| self.column_of_key(key)).collect()
    }

    /// The stored column that a key of an index names.
    fn column_of_key(&self, key: &str) -> Option<ColumnId> {
        let quoted = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
        let name = quoted.map_or_else(|| key.to_owned(), |name| name.replace("\"\"", "\""));
        let column = &self.columns[self.column_position(&name)?];
        (!column.is_virtual()).then_some(column.id)
    }

    /// Whether these columns, in any order, are declared to be unique.
    pub fn is_unique(&self, wanted: &[ColumnId]) -> bool {
        self.constraints.iter().any(|c| {
            matches!(&c.kind, ConstraintKind::Unique { columns, .. }
                if columns.len() == wanted.len() && columns.iter().all(|id| wanted.contains(id)))
        })
    }

    /// As [`column_position`](Self::column_position), with an error that guesses what was meant.
    pub fn find_column(&self, name: &str) -> Result<usize> {
        self.column_position(name).ok_or_else(|| CatalogError::NotFound {
            kind: ObjectKind::Column,
            name: name.into(),
            similar: similar(name, self.columns.iter().map(|c| &*c.name), 3)
                .into_iter()
                .map(String::from)
                .collect(),
        })
    }

    /// Whether the definition can be: it has a name and columns, each with a name and an id of its own
    /// and a type that can be stored.
    pub fn validate(&self) -> Result<()> {
        let invalid = |what: String| Err(CatalogError::Invalid(what));
        if self.name.is_empty() {
            return invalid("a table needs a name".into());
        }
        if self.columns.is_empty() {
            return invalid(format!("Table \"{}\" must have at least one column", self.name));
        }
        let mut names = std::collections::HashSet::with_capacity(self.columns.len());
        let mut ids = std::collections::HashSet::with_capacity(self.columns.len());
        for column in &self.columns {
            if column.name.is_empty() {
                return invalid(format!("a column of table \"{}\" needs a name", self.name));
            }
            if !names.insert(fold(&column.name)) {
                return invalid(format!("Column with name {} already exists!", column.name));
            }
            if column.ty == LogicalType::Null {
                return invalid(format!("Column \"{}\" cannot be of type NULL", column.name));
            }
            if types::depth(&column.ty) > types::TYPE_DEPTH_MAX {
                return invalid(format!(
                    "the type of column \"{}\" nests deeper than {} levels",
                    column.name,
                    types::TYPE_DEPTH_MAX
                ));
            }
            if column.id.0 >= self.next_column_id || !ids.insert(column.id) {
                return invalid(format!("column \"{}\" has an id that is not its own", column.name));
            }
        }
        if self.columns.iter().all(|column| column.generated.is_some()) {
            return invalid(format!(
                "Table \"{}\" must have at least one column that is not generated",
                self.name
            ));
        }
        for constraint in &self.constraints {
            constraint.validate(self).map_err(CatalogError::Invalid)?;
        }
        if self.constraints.iter().filter(|c| c.is_primary_key()).count() > 1 {
            return invalid(format!("table \"{}\" has more than one primary key", self.name));
        }
        Ok(())
    }

    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        let has_stored = self.columns.iter().any(|column| column.stored);
        let has_collations = has_stored || self.columns.iter().any(|column| column.collation.is_some());
        let version = match (has_stored, has_collations) {
            (true, _) => RecordKind::Table.version(),
            (false, true) => COLLATIONS_VERSION,
            (false, false) => PLAIN_VERSION,
        };
        let mut w = RecordWriter::of_version(RecordKind::Table, version);
        w.u64(self.id.0);
        w.u64(self.schema.0);
        w.text(&self.name);
        w.optional_text(self.comment.as_deref());
        w.u32(self.next_column_id);
        w.count(self.columns.len());
        for column in &self.columns {
            w.u32(column.id.0);
            w.text(&column.name);
            write_type(&mut w, &column.ty);
            w.bool(column.nullable);
            w.u8(column.role as u8);
            w.optional_text(column.default.as_deref());
            w.optional_text(column.comment.as_deref());
            w.optional_text(column.generated.as_deref());
            if has_collations {
                w.optional_text(column.collation.as_deref());
            }
            if has_stored {
                w.bool(column.stored);
            }
        }
        w.count(self.constraints.len());
        self.constraints.iter().for_each(|constraint| constraint.write(&mut w));
        w.count(self.indexes.len());
        self.indexes.iter().for_each(|index| index.write(&mut w));
        w.count(self.options.len());
        for (name, value) in &self.options {
            w.text(name);
            w.text(value);
        }
        w.bool(self.materialized.is_some());
        if let Some(materialized) = &self.materialized {
            materialized.write(&mut w);
        }
        w.finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut r = RecordReader::new(bytes, RecordKind::Table)?;
        let mut table = Self {
            id: TableId(r.u64()?),
            schema: SchemaId(r.u64()?),
            name: r.text()?,
            comment: r.optional_text()?,
            next_column_id: r.u32()?,
            columns: vec![],
            constraints: vec![],
            indexes: vec![],
            options: BTreeMap::new(),
            materialized: None,
        };
        let has_constraints = r.version() >= 2;
        let count = r.count(13)?;
        table.columns.reserve(count);
        for _ in 0..count {
            table.columns.push(ColumnDefinition {
                id: ColumnId(r.u32()?),
                name: r.text()?,
                ty: read_type(&mut r)?,
                nullable: r.bool()?,
                role: match r.u8()? {
                    0 => ColumnRole::Plain,
                    1 => ColumnRole::Tag,
                    2 => ColumnRole::Time,
                    other => return Err(Malformed::Bytes(format!("{other} is no role of a column"))),
                },
                default: r.optional_text()?,
                comment: r.optional_text()?,
                generated: if has_constraints { r.optional_text()? } else { None },
                collation: if r.version() >= COLLATIONS_VERSION { r.optional_text()? } else { None },
                stored: r.version() > COLLATIONS_VERSION && r.bool()?,
            });
        }
        if has_constraints {
            let count = r.count(6)?;
            table.constraints =
                (0..count).map(|_| ConstraintDefinition::read(&mut r)).collect::<Decoded<_>>()?;
            let count = r.count(10)?;
            table.indexes = (0..count).map(|_| IndexDefinition::read(&mut r)).collect::<Decoded<_>>()?;
        }
        if r.version() >= 3 {
            for _ in 0..r.count(8)? {
                table.options.insert(r.text()?, r.text()?);
            }
        }
        if r.version() >= 4 && r.bool()? {
            table.materialized = Some(Box::new(Materialized::read(&mut r)?));
        }
        r.finish()?;
        table.validate().map_err(|e| Malformed::Bytes(e.to_string()))?;
        Ok(table)
    }
}
