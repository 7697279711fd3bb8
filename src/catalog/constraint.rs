//! What the rows of a table must satisfy besides NOT NULL, and the table's indexes.
//!
//! They are parts of the table's record:
//!
//! ```text
//! constraint: name optional text | kind u8, then
//!             1 unique, 2 primary key: columns
//!             3 check: expression text
//!             4 foreign key: columns | table id u64 | referenced columns
//!             5 foreign key with actions: as 4, then on delete u8 | on update u8
//! index:      name text | unique bool | comment optional text | count u32, then for each key: expression text
//! columns:    count u32, then for each: column id u32
//! ```

use std::sync::Arc;

use crate::catalog::error::{CatalogError, Result};
use crate::catalog::names::similar;
use crate::catalog::object::{Object, ObjectId, ObjectKind};
use crate::catalog::record::{Decoded, Malformed, RecordReader, RecordWriter};
use crate::catalog::table::{ColumnId, TableDefinition, TableId};
use crate::catalog::value::Catalog;

/// A condition on the rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstraintDefinition {
    /// The name that it was given.
    pub name: Option<Box<str>>,
    /// What must hold.
    pub kind: ConstraintKind,
}

/// What must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConstraintKind {
    /// No two rows have the same values in these columns. Rows with NULL in one of them are like no other.
    Unique {
        /// The columns.
        columns: Vec<ColumnId>,
        /// PRIMARY KEY; the columns are NOT NULL too.
        primary: bool,
    },
    /// The expression, over the columns of the table, is not false.
    Check {
        /// The expression, as SQL text.
        expression: Box<str>,
    },
    /// Rows without NULL in these columns have their values in columns of another table, or of the same.
    ForeignKey {
        /// The columns.
        columns: Vec<ColumnId>,
        /// The referenced table.
        table: TableId,
        /// The referenced columns, which are unique there; as many as `columns`.
        referenced: Vec<ColumnId>,
        /// What becomes of the rows when those that they refer to go.
        actions: ReferenceActions,
    },
}

/// What becomes of rows that refer to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReferenceActions {
    /// When the row that they refer to is removed.
    pub on_delete: ReferenceAction,
    /// When its key changes.
    pub on_update: ReferenceAction,
}

/// What becomes of rows that refer to a key which goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReferenceAction {
    /// Nothing: at the end of the statement there must be none.
    #[default]
    NoAction,
    /// Nothing: there must be none, whatever else the statement would bring about.
    Restrict,
    /// They go too, or have the new key.
    Cascade,
    /// They refer to nothing.
    SetNull,
    /// Their columns have their defaults.
    SetDefault,
}

impl ReferenceActions {
    /// Whether there is any that is more than a check at the end of the statement.
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

impl ReferenceAction {
    const ALL: [Self; 5] = [Self::NoAction, Self::Restrict, Self::Cascade, Self::SetNull, Self::SetDefault];

    /// How it is written behind `ON DELETE` and `ON UPDATE`.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoAction => "NO ACTION",
            Self::Restrict => "RESTRICT",
            Self::Cascade => "CASCADE",
            Self::SetNull => "SET NULL",
            Self::SetDefault => "SET DEFAULT",
        }
    }

    fn tag(self) -> u8 {
        match self {
            Self::NoAction => 0,
            Self::Restrict => 1,
            Self::Cascade => 2,
            Self::SetNull => 3,
            Self::SetDefault => 4,
        }
    }

    fn read(r: &mut RecordReader<'_>) -> Decoded<Self> {
        let tag = r.u8()?;
        let found = Self::ALL.into_iter().find(|action| action.tag() == tag);
        found.ok_or_else(|| Malformed::Bytes(format!("{tag} is no action of a foreign key")))
    }
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexDefinition {
    /// Its name, unique in the schema.
    pub name: Box<str>,
    /// No two rows have the same keys, unless one of them is NULL.
    pub unique: bool,
    /// `COMMENT ON INDEX`.
    pub comment: Option<Box<str>>,
    /// Its keys: expressions over the columns of the table, as SQL text.
    pub keys: Vec<Box<str>>,
}

const UNIQUE: u8 = 1;
const PRIMARY_KEY: u8 = 2;
const CHECK: u8 = 3;
const FOREIGN_KEY: u8 = 4;
const FOREIGN_KEY_WITH_ACTIONS: u8 = 5;

impl ConstraintDefinition {
    /// The columns of the table that it names; for a CHECK they are in its text.
    pub fn columns(&self) -> &[ColumnId] {
        match &self.kind {
            ConstraintKind::Unique { columns, .. } | ConstraintKind::ForeignKey { columns, .. } => columns,
            ConstraintKind::Check { .. } => &[],
        }
    }

    /// Whether it is the primary key.
    pub fn is_primary_key(&self) -> bool {
        matches!(self.kind, ConstraintKind::Unique { primary: true, .. })
    }

    /// Whether it can be one of that table, as far as that is seen without the other tables.
    pub(super) fn validate(&self, table: &TableDefinition) -> Result<(), String> {
        let exists = |id: &ColumnId| table.columns.iter().any(|c| c.id == *id);
        let columns = self.columns();
        if !columns.iter().all(exists) {
            return Err("a constraint names a column that is not there".into());
        }
        if (1..columns.len()).any(|i| columns[..i].contains(&columns[i])) {
            return Err("a constraint names a column twice".into());
        }
        match &self.kind {
            ConstraintKind::Unique { columns, .. } if columns.is_empty() => {
                Err("a UNIQUE constraint needs columns".into())
            }
            ConstraintKind::ForeignKey { columns, referenced, .. }
                if columns.is_empty() || columns.len() != referenced.len() =>
            {
                Err("The number of referencing and referenced columns for foreign keys must be the same"
                    .into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn write(&self, w: &mut RecordWriter) {
        w.optional_text(self.name.as_deref());
        match &self.kind {
            ConstraintKind::Unique { columns, primary } => {
                w.u8(if *primary { PRIMARY_KEY } else { UNIQUE });
                write_columns(w, columns);
            }
            ConstraintKind::Check { expression } => {
                w.u8(CHECK);
                w.text(expression);
            }
            ConstraintKind::ForeignKey { columns, table, referenced, actions } => {
                w.u8(if actions.any() { FOREIGN_KEY_WITH_ACTIONS } else { FOREIGN_KEY });
                write_columns(w, columns);
                w.u64(table.0);
                write_columns(w, referenced);
                if actions.any() {
                    w.u8(actions.on_delete.tag());
                    w.u8(actions.on_update.tag());
                }
            }
        }
    }

    pub(super) fn read(r: &mut RecordReader<'_>) -> Decoded<Self> {
        let name = r.optional_text()?;
        let kind = match r.u8()? {
            tag @ (UNIQUE | PRIMARY_KEY) => {
                ConstraintKind::Unique { columns: read_columns(r)?, primary: tag == PRIMARY_KEY }
            }
            CHECK => ConstraintKind::Check { expression: r.text()? },
            tag @ (FOREIGN_KEY | FOREIGN_KEY_WITH_ACTIONS) => {
                let (columns, table, referenced) = (read_columns(r)?, TableId(r.u64()?), read_columns(r)?);
                let actions = if tag == FOREIGN_KEY {
                    ReferenceActions::default()
                } else {
                    ReferenceActions {
                        on_delete: ReferenceAction::read(r)?,
                        on_update: ReferenceAction::read(r)?,
                    }
                };
                ConstraintKind::ForeignKey { columns, table, referenced, actions }
            }
            other => return Err(Malformed::Bytes(format!("{other} is no kind of constraint"))),
        };
        Ok(Self { name, kind })
    }
}

impl IndexDefinition {
    pub(super) fn write(&self, w: &mut RecordWriter) {
        w.text(&self.name);
        w.bool(self.unique);
        w.optional_text(self.comment.as_deref());
        w.count(self.keys.len());
        self.keys.iter().for_each(|key| w.text(key));
    }

    pub(super) fn read(r: &mut RecordReader<'_>) -> Decoded<Self> {
        let (name, unique, comment) = (r.text()?, r.bool()?, r.optional_text()?);
        let count = r.count(4)?;
        let keys = (0..count).map(|_| r.text()).collect::<Decoded<_>>()?;
        Ok(Self { name, unique, comment, keys })
    }
}

/// A foreign key of a table that is yet to be made, to the table itself: it names it by the id that no table has.
pub(super) fn refer_to_itself(object: Object) -> Object {
    let Object::Table(mut table) = object else { return object };
    let own = |c: &ConstraintDefinition| matches!(&c.kind, ConstraintKind::ForeignKey { table, .. } if table.0 == ObjectId::NONE.0);
    if table.constraints.iter().any(own) {
        let definition = Arc::make_mut(&mut table);
        let id = definition.id;
        for constraint in definition.constraints.iter_mut().filter(|c| own(c)) {
            if let ConstraintKind::ForeignKey { table, .. } = &mut constraint.kind {
                *table = id;
            }
        }
    }
    Object::Table(table)
}

impl Catalog {
    /// The tables with a foreign key that references the table with that id, other than that table itself.
    pub fn referencing(&self, id: TableId) -> impl Iterator<Item = &Arc<TableDefinition>> {
        let references = move |table: &TableDefinition| {
            let to_it = |c: &ConstraintDefinition| matches!(&c.kind, ConstraintKind::ForeignKey { table, .. } if *table == id);
            table.constraints.iter().any(to_it)
        };
        self.tables().filter(move |table| table.id != id && references(table))
    }

    /// The table that has an index of that name, and the index's position there.
    pub fn index(&self, schema: &str, name: &str) -> Result<(&Arc<TableDefinition>, usize)> {
        let schema = self.schema(schema)?;
        let found = schema.tables().find_map(|table| {
            let at = table.indexes.iter().position(|index| index.name.eq_ignore_ascii_case(name))?;
            Some((table, at))
        });
        found.ok_or_else(|| {
            let names = schema.tables().flat_map(|table| table.indexes.iter().map(|index| &*index.name));
            CatalogError::NotFound {
                kind: ObjectKind::Index,
                name: name.into(),
                similar: similar(name, names, 3).into_iter().map(String::from).collect(),
            }
        })
    }

    /// Objects in an order in which they can be dropped: a table after those that reference it.
    pub(super) fn unreferenced_first(&self, mut left: Vec<ObjectId>) -> Vec<ObjectId> {
        let mut order = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let waits = |id: &ObjectId| self.referencing(TableId(id.0)).any(|t| left.contains(&t.id.into()));
            let next = left.iter().position(|id| !waits(id)).unwrap_or(0);
            order.push(left.remove(next));
        }
        order
    }

    /// Whether the foreign keys of a table reference columns that are there.
    pub(super) fn check_references(&self, table: &TableDefinition) -> Result<()> {
        for constraint in &table.constraints {
            let ConstraintKind::ForeignKey { table: id, referenced, .. } = &constraint.kind else { continue };
            let target = if *id == table.id { Some(table) } else { self.table_by_id(*id).map(|t| &**t) };
            if target.is_none_or(|t| referenced.iter().any(|column| t.position_of(*column).is_none())) {
                return Err(CatalogError::Invalid(format!(
                    "a foreign key of table \"{}\" references columns that are not there",
                    table.name
                )));
            }
        }
        Ok(())
    }

    /// Whether a table still has the columns that foreign keys of others reference.
    pub(super) fn check_referenced(&self, table: &TableDefinition) -> Result<()> {
        let gone = |column: &ColumnId| table.position_of(*column).is_none();
        let misses = |c: &ConstraintDefinition| {
            matches!(&c.kind, ConstraintKind::ForeignKey { table: id, referenced, .. }
                if *id == table.id && referenced.iter().any(gone))
        };
        match self.referencing(table.id).find(|other| other.constraints.iter().any(misses)) {
            None => Ok(()),
            Some(other) => Err(CatalogError::Invalid(format!(
                "Cannot drop a column that a foreign key of table \"{}\" references",
                other.name
            ))),
        }
    }
}

fn write_columns(w: &mut RecordWriter, columns: &[ColumnId]) {
    w.count(columns.len());
    columns.iter().for_each(|column| w.u32(column.0));
}

fn read_columns(r: &mut RecordReader<'_>) -> Decoded<Vec<ColumnId>> {
    let count = r.count(4)?;
    (0..count).map(|_| r.u32().map(ColumnId)).collect()
}
