//! The catalog as a value: all definitions of one moment.
//!
//! Invariants:
//! 1. Ids are unique among all objects and never used again; `next_id` is above them all.
//! 2. Within a schema, tables and views have names of their own, whatever their case.
//! 3. Every table and view is in a schema that exists; `main` always does.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::catalog::error::{CatalogError, Result};
use crate::catalog::names::{NameMap, similar};
use crate::catalog::schema::{MAIN_SCHEMA, SchemaDefinition, SchemaId};
use crate::catalog::table::{TableDefinition, TableId};
use crate::catalog::view::{ViewDefinition, ViewId};

/// The kinds of things that have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A schema.
    Schema,
    /// A table.
    Table,
    /// A view.
    View,
    /// A column of a table.
    Column,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Schema => "Schema",
            Self::Table => "Table",
            Self::View => "View",
            Self::Column => "Column",
        })
    }
}

/// Something that lives in a schema and that a query can name in FROM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A table.
    Table(Arc<TableDefinition>),
    /// A view.
    View(Arc<ViewDefinition>),
}

impl Object {
    /// What it is.
    pub fn kind(&self) -> ObjectKind {
        match self {
            Self::Table(_) => ObjectKind::Table,
            Self::View(_) => ObjectKind::View,
        }
    }

    /// Its name, as written.
    pub fn name(&self) -> &str {
        match self {
            Self::Table(table) => &table.name,
            Self::View(view) => &view.name,
        }
    }
}

/// A schema and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    definition: Arc<SchemaDefinition>,
    objects: NameMap<Object>,
}

impl Schema {
    /// Its definition.
    pub fn definition(&self) -> &Arc<SchemaDefinition> {
        &self.definition
    }

    /// The table or view of that name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&Object> {
        self.objects.get(name)
    }

    /// All tables and views, ordered by name.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    /// All tables, ordered by name.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableDefinition>> {
        self.objects.values().filter_map(|object| match object {
            Object::Table(table) => Some(table),
            Object::View(_) => None,
        })
    }

    /// All views, ordered by name.
    pub fn views(&self) -> impl Iterator<Item = &Arc<ViewDefinition>> {
        self.objects.values().filter_map(|object| match object {
            Object::View(view) => Some(view),
            Object::Table(_) => None,
        })
    }
}

/// All definitions of one moment. Cloning is cheap; a change to a clone leaves the original alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    schemas: BTreeMap<SchemaId, Arc<Schema>>,
    tables: Arc<BTreeMap<TableId, Arc<TableDefinition>>>,
    next_id: u64,
}

impl Default for Catalog {
    /// What a new database has: the schema `main`.
    fn default() -> Self {
        let mut catalog = Self { schemas: BTreeMap::new(), tables: Arc::default(), next_id: 1 };
        catalog.create_schema(MAIN_SCHEMA, None).expect("an empty catalog has no such name");
        catalog
    }
}

impl Catalog {
    /// Puts a catalog together from its definitions, as they were read from a file. An error says which
    /// invariant does not hold.
    pub fn from_parts(
        schemas: Vec<SchemaDefinition>,
        tables: Vec<TableDefinition>,
        views: Vec<ViewDefinition>,
        next_id: u64,
    ) -> Result<Self> {
        let invalid = |what: String| Err(CatalogError::Invalid(what));
        let mut catalog = Self { schemas: BTreeMap::new(), tables: Arc::default(), next_id };
        let mut ids = std::collections::HashSet::new();
        let all = schemas.iter().map(|s| s.id.0);
        let all = all.chain(tables.iter().map(|t| t.id.0)).chain(views.iter().map(|v| v.id.0));
        for id in all {
            if id == 0 || id >= next_id || !ids.insert(id) {
                return invalid(format!("the id {id} is not unique, or not below {next_id}"));
            }
        }
        for schema in schemas {
            if catalog.schema(&schema.name).is_ok() {
                return invalid(format!("two schemas have the name \"{}\"", schema.name));
            }
            let schema = Schema { definition: Arc::new(schema), objects: NameMap::default() };
            catalog.schemas.insert(schema.definition.id, Arc::new(schema));
        }
        catalog.schema(MAIN_SCHEMA)?;
        for table in tables {
            let (id, schema, table) = (table.id, table.schema, Arc::new(table));
            catalog.add(schema, Object::Table(Arc::clone(&table)))?;
            Arc::make_mut(&mut catalog.tables).insert(id, table);
        }
        for view in views {
            catalog.add(view.schema, Object::View(Arc::new(view)))?;
        }
        Ok(catalog)
    }

    /// The id that the next new object gets.
    pub fn next_id(&self) -> u64 {
        self.next_id
    }

    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    // --- looking up ---

    /// All schemas, in the order they were made.
    pub fn schemas(&self) -> impl Iterator<Item = &Arc<Schema>> {
        self.schemas.values()
    }

    /// The schema of that name, whatever its case.
    pub fn schema(&self, name: &str) -> Result<&Arc<Schema>> {
        let found = self.schemas.values().find(|s| s.definition.name.eq_ignore_ascii_case(name));
        found.ok_or_else(|| CatalogError::NotFound {
            kind: ObjectKind::Schema,
            name: name.into(),
            similar: owned(similar(name, self.schemas.values().map(|s| &*s.definition.name), 1)),
        })
    }

    /// The schema with that id.
    pub fn schema_by_id(&self, id: SchemaId) -> Option<&Arc<Schema>> {
        self.schemas.get(&id)
    }

    /// All tables, in the order they were made.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableDefinition>> {
        self.tables.values()
    }

    /// The table with that id.
    pub fn table_by_id(&self, id: TableId) -> Option<&Arc<TableDefinition>> {
        self.tables.get(&id)
    }

    /// The table or view of that name in that schema, or an error that guesses what was meant.
    pub fn object(&self, schema: &str, name: &str) -> Result<&Object> {
        let schema = self.schema(schema)?;
        schema.get(name).ok_or_else(|| self.not_found(ObjectKind::Table, schema, name))
    }

    /// The table of that name in that schema, or an error that guesses what was meant.
    pub fn table(&self, schema: &str, name: &str) -> Result<&Arc<TableDefinition>> {
        let schema = self.schema(schema)?;
        match schema.get(name) {
            Some(Object::Table(table)) => Ok(table),
            Some(other) => Err(wrong_kind(other, ObjectKind::Table)),
            None => Err(self.not_found(ObjectKind::Table, schema, name)),
        }
    }

    /// The view of that name in that schema, or an error that guesses what was meant.
    pub fn view(&self, schema: &str, name: &str) -> Result<&Arc<ViewDefinition>> {
        let schema = self.schema(schema)?;
        match schema.get(name) {
            Some(Object::View(view)) => Ok(view),
            Some(other) => Err(wrong_kind(other, ObjectKind::View)),
            None => Err(self.not_found(ObjectKind::View, schema, name)),
        }
    }

    /// The error for a name that is not there: names close to it, first those in the same schema, then
    /// those in others with their schema's name.
    fn not_found(&self, kind: ObjectKind, schema: &Schema, name: &str) -> CatalogError {
        let near = similar(name, schema.objects().map(Object::name), 3);
        let mut guesses = owned(near);
        if guesses.is_empty() {
            let others = self.schemas.values().filter(|s| s.definition.id != schema.definition.id);
            guesses.extend(others.filter_map(|s| {
                s.get(name).map(|object| format!("{}.{}", s.definition.name, object.name()))
            }));
        }
        CatalogError::NotFound { kind, name: name.into(), similar: guesses }
    }

    // --- changing ---

    /// Makes a schema.
    pub fn create_schema(&mut self, name: &str, comment: Option<Box<str>>) -> Result<SchemaId> {
        if name.is_empty() {
            return Err(CatalogError::Invalid("a schema needs a name".into()));
        }
        if let Ok(schema) = self.schema(name) {
            let name = schema.definition.name.to_string();
            return Err(CatalogError::AlreadyExists { kind: ObjectKind::Schema, name });
        }
        let id = SchemaId(self.take_id());
        let definition = Arc::new(SchemaDefinition { id, name: name.into(), comment });
        self.schemas.insert(id, Arc::new(Schema { definition, objects: NameMap::default() }));
        Ok(id)
    }

    /// Removes a schema. What is in it goes with it if `cascade`; otherwise it must be empty.
    /// Returns what went with it.
    pub fn drop_schema(&mut self, name: &str, cascade: bool) -> Result<Vec<Object>> {
        let schema = Arc::clone(self.schema(name)?);
        let dependent = if schema.definition.name.eq_ignore_ascii_case(MAIN_SCHEMA) {
            Some("every database".to_string())
        } else {
            schema.objects().next().filter(|_| !cascade).map(|o| format!("{} \"{}\"", o.kind(), o.name()))
        };
        if let Some(dependent) = dependent {
            let name = schema.definition.name.to_string();
            return Err(CatalogError::InUse { kind: ObjectKind::Schema, name, dependent });
        }
        self.schemas.remove(&schema.definition.id);
        let objects: Vec<_> = schema.objects().cloned().collect();
        for table in schema.tables() {
            Arc::make_mut(&mut self.tables).remove(&table.id);
        }
        Ok(objects)
    }

    /// Makes a table; its `id` is given here.
    pub fn create_table(&mut self, mut table: TableDefinition) -> Result<TableId> {
        table.validate()?;
        table.id = TableId(self.next_id);
        let (id, table) = (table.id, Arc::new(table));
        self.add(table.schema, Object::Table(Arc::clone(&table)))?;
        Arc::make_mut(&mut self.tables).insert(id, table);
        self.take_id();
        Ok(id)
    }

    /// Removes a table and returns what it was.
    pub fn drop_table(&mut self, id: TableId) -> Result<Arc<TableDefinition>> {
        let table = self.require_table(id)?;
        self.remove(table.schema, &table.name);
        Arc::make_mut(&mut self.tables).remove(&id);
        Ok(table)
    }

    /// Puts another definition in place of that of the table with the same id: another name, schema,
    /// order of columns, comments, columns more or fewer. A column that stays keeps its type.
    pub fn alter_table(&mut self, table: TableDefinition) -> Result<()> {
        table.validate()?;
        let old = self.require_table(table.id)?;
        if table.next_column_id < old.next_column_id {
            return Err(CatalogError::Invalid("ids of columns are never used again".into()));
        }
        for column in &table.columns {
            match old.columns.iter().find(|c| c.id == column.id) {
                Some(before) if before.ty != column.ty => {
                    return Err(CatalogError::Invalid(format!(
                        "the type of column \"{}\" cannot change from {} to {}",
                        column.name, before.ty, column.ty
                    )));
                }
                None if column.id.0 < old.next_column_id => {
                    return Err(CatalogError::Invalid(format!(
                        "column \"{}\" has the id of a column that is gone",
                        column.name
                    )));
                }
                _ => {}
            }
        }
        let (id, table) = (table.id, Arc::new(table));
        self.remove(old.schema, &old.name);
        if let Err(e) = self.add(table.schema, Object::Table(Arc::clone(&table))) {
            self.add(old.schema, Object::Table(old)).expect("it was there before");
            return Err(e);
        }
        Arc::make_mut(&mut self.tables).insert(id, table);
        Ok(())
    }

    /// Makes a view; its `id` is given here.
    pub fn create_view(&mut self, mut view: ViewDefinition) -> Result<ViewId> {
        if view.name.is_empty() {
            return Err(CatalogError::Invalid("a view needs a name".into()));
        }
        let id = ViewId(self.next_id);
        view.id = id;
        self.add(view.schema, Object::View(Arc::new(view)))?;
        self.take_id();
        Ok(id)
    }

    /// Removes a view and returns what it was.
    pub fn drop_view(&mut self, schema: &str, name: &str) -> Result<Arc<ViewDefinition>> {
        let view = Arc::clone(self.view(schema, name)?);
        self.remove(view.schema, &view.name);
        Ok(view)
    }

    fn require_table(&self, id: TableId) -> Result<Arc<TableDefinition>> {
        self.tables.get(&id).cloned().ok_or_else(|| CatalogError::NotFound {
            kind: ObjectKind::Table,
            name: format!("(with id {})", id.0),
            similar: vec![],
        })
    }

    fn add(&mut self, schema: SchemaId, object: Object) -> Result<()> {
        let Some(schema) = self.schemas.get_mut(&schema) else {
            let what = format!("{} \"{}\" is in a schema that is not there", object.kind(), object.name());
            return Err(CatalogError::Invalid(what));
        };
        if let Some(found) = schema.get(object.name()) {
            let (kind, name) = (found.kind(), found.name().to_string());
            return Err(CatalogError::AlreadyExists { kind, name });
        }
        let name = object.name().to_string();
        Arc::make_mut(schema).objects.insert(&name, object);
        Ok(())
    }

    fn remove(&mut self, schema: SchemaId, name: &str) {
        if let Some(schema) = self.schemas.get_mut(&schema) {
            Arc::make_mut(schema).objects.remove(name);
        }
    }
}

fn wrong_kind(found: &Object, wanted: ObjectKind) -> CatalogError {
    CatalogError::WrongKind { name: found.name().into(), found: found.kind(), wanted }
}

fn owned(names: Vec<&str>) -> Vec<String> {
    names.into_iter().map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::record::Malformed;
    use crate::catalog::table::{ColumnDefinition, ColumnRole};
    use crate::catalog::types::tests::any_type;
    use crate::column::types::LogicalType;

    fn table(catalog: &Catalog, schema: &str, name: &str) -> TableDefinition {
        let schema = catalog.schema(schema).unwrap().definition().id;
        TableDefinition::new(schema, name, vec![ColumnDefinition::new("a", LogicalType::Integer)])
    }

    #[test]
    fn a_change_to_a_clone_leaves_the_original_alone() {
        let before = Catalog::default();
        let mut after = before.clone();
        let id = after.create_table(table(&after, "main", "Trips")).unwrap();
        assert!(before.table("main", "trips").is_err());
        assert_eq!(&*after.table("MAIN", "trips").unwrap().name, "Trips");
        assert_eq!(after.table_by_id(id).unwrap().id, id);
        let mut later = after.clone();
        later.drop_table(id).unwrap();
        assert!(later.table("main", "trips").is_err() && later.table_by_id(id).is_none());
        assert!(after.table("main", "trips").is_ok());
    }

    #[test]
    fn tables_and_views_share_their_names() {
        let mut catalog = Catalog::default();
        let main = catalog.schema("main").unwrap().definition().id;
        catalog.create_table(table(&catalog, "main", "t")).unwrap();
        let next = catalog.next_id();
        let taken = catalog.create_view(ViewDefinition::new(main, "T", "SELECT 1", vec![])).unwrap_err();
        assert!(matches!(taken, CatalogError::AlreadyExists { kind: ObjectKind::Table, .. }));
        assert_eq!(catalog.next_id(), next);
        catalog.create_view(ViewDefinition::new(main, "v", "SELECT 1", vec![])).unwrap();
        assert!(matches!(catalog.table("main", "v"), Err(CatalogError::WrongKind { .. })));
        assert!(matches!(catalog.drop_view("main", "t"), Err(CatalogError::WrongKind { .. })));
        catalog.drop_view("main", "V").unwrap();
        assert!(catalog.view("main", "v").is_err());
    }

    #[test]
    fn unknown_names_are_guessed() {
        let mut catalog = Catalog::default();
        catalog.create_schema("archive", None).unwrap();
        catalog.create_table(table(&catalog, "main", "customers")).unwrap();
        catalog.create_table(table(&catalog, "archive", "x")).unwrap();
        let message = |e: CatalogError| e.to_string();
        assert_eq!(
            message(catalog.table("main", "custmers").unwrap_err()),
            "Catalog Error: Table with name custmers does not exist! Did you mean \"customers\"?"
        );
        assert!(message(catalog.table("main", "x").unwrap_err()).contains("\"archive.x\""));
        assert!(message(catalog.schema("achive").unwrap_err()).contains("\"archive\""));
        let trips = catalog.table("main", "customers").unwrap();
        assert!(trips.find_column("b").is_err());
        assert_eq!(trips.find_column("A").unwrap(), 0);
    }

    #[test]
    fn schemas_go_only_when_empty_or_with_all_in_them() {
        let mut catalog = Catalog::default();
        catalog.create_schema("s", None).unwrap();
        assert!(catalog.create_schema("S", None).is_err());
        let id = catalog.create_table(table(&catalog, "s", "t")).unwrap();
        assert!(matches!(catalog.drop_schema("s", false), Err(CatalogError::InUse { .. })));
        assert_eq!(catalog.drop_schema("s", true).unwrap().len(), 1);
        assert!(catalog.table_by_id(id).is_none());
        assert!(catalog.drop_schema("main", true).is_err());
    }

    #[test]
    fn altering_keeps_ids_and_types() {
        let mut catalog = Catalog::default();
        let id = catalog.create_table(table(&catalog, "main", "t")).unwrap();
        catalog.create_table(table(&catalog, "main", "other")).unwrap();
        let mut altered = (**catalog.table_by_id(id).unwrap()).clone();
        altered.name = "u".into();
        altered.add_column(ColumnDefinition::new("b", LogicalType::Varchar));
        catalog.alter_table(altered.clone()).unwrap();
        assert!(catalog.table("main", "t").is_err());
        assert_eq!(catalog.table("main", "u").unwrap().columns.len(), 2);
        let mut clash = altered.clone();
        clash.name = "OTHER".into();
        assert!(catalog.alter_table(clash).is_err());
        assert!(catalog.table("main", "u").is_ok());
        let mut retyped = altered.clone();
        retyped.columns[0].ty = LogicalType::BigInt;
        assert!(catalog.alter_table(retyped).is_err());
        let mut gone = altered.clone();
        gone.columns.remove(0);
        catalog.alter_table(gone).unwrap();
        assert!(catalog.alter_table(altered).is_err(), "a column that is gone does not come back");
    }

    #[test]
    fn definitions_that_cannot_be_are_refused() {
        let mut catalog = Catalog::default();
        let main = catalog.schema("main").unwrap().definition().id;
        let column = |name| ColumnDefinition::new(name, LogicalType::Integer);
        let mut refuse = |columns, name| {
            let definition = TableDefinition::new(main, name, columns);
            assert!(matches!(catalog.create_table(definition), Err(CatalogError::Invalid(_))));
        };
        refuse(vec![], "t");
        refuse(vec![column("a"), column("A")], "t");
        refuse(vec![column("")], "t");
        refuse(vec![column("a")], "");
        refuse(vec![ColumnDefinition::new("a", LogicalType::Null)], "t");
    }

    fn any_text() -> impl Strategy<Value = Option<Box<str>>> {
        any::<Option<String>>().prop_map(|text| text.map(Box::from))
    }

    fn any_columns() -> impl Strategy<Value = Vec<ColumnDefinition>> {
        let role = prop::sample::select(vec![ColumnRole::Plain, ColumnRole::Tag, ColumnRole::Time]);
        let column = (any::<String>(), any_type(), any::<bool>(), role, any_text(), any_text());
        prop::collection::vec(column, 1..6).prop_map(|columns| {
            let columns = columns.into_iter().enumerate();
            let column = |(i, (name, ty, nullable, role, default, comment))| ColumnDefinition {
                nullable,
                role,
                default,
                comment,
                ..ColumnDefinition::new(
                    &format!("{i}{name}"),
                    if ty == LogicalType::Null { LogicalType::Integer } else { ty },
                )
            };
            columns.map(column).collect()
        })
    }

    proptest! {
        #[test]
        fn any_definition_comes_back(
            name in any::<String>(), comment in any_text(), columns in any_columns(), id in any::<u64>(),
        ) {
            let schema = SchemaDefinition { id: SchemaId(id), name: name.clone().into(), comment: comment.clone() };
            prop_assert_eq!(&SchemaDefinition::decode(&schema.encode()).unwrap(), &schema);
            let mut view = ViewDefinition::new(
                SchemaId(id), &name, "SELECT 1", columns.iter().map(|c| c.name.clone()).collect(),
            );
            view.comment.clone_from(&comment);
            prop_assert_eq!(&ViewDefinition::decode(&view.encode()).unwrap(), &view);
            let mut table = TableDefinition::new(SchemaId(id), &format!("t{name}"), columns);
            table.comment = comment;
            let bytes = table.encode();
            prop_assert_eq!(&TableDefinition::decode(&bytes).unwrap(), &table);
            for cut in 0..bytes.len() {
                prop_assert!(TableDefinition::decode(&bytes[..cut]).is_err());
            }
        }

        #[test]
        fn any_bytes_are_no_harm(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for kind in [2, 3, 4] {
                bytes.splice(0..4.min(bytes.len()), [kind, 1, 0, 0]);
                let _: Result<_, Malformed> = SchemaDefinition::decode(&bytes);
                let _: Result<_, Malformed> = TableDefinition::decode(&bytes);
                let _: Result<_, Malformed> = ViewDefinition::decode(&bytes);
            }
        }
    }
}
