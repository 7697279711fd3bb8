//! The catalog as a value: all definitions of one moment.
//!
//! Invariants:
//! 1. Ids are unique among all schemas and objects and never used again; `next_id` is above them all.
//! 2. Within a schema, objects of one [`Namespace`] have names of their own, whatever their case.
//! 3. Every object is in a schema that exists; `main` always does.
//! 4. Whatever depends on an object, and what it depends on, exists.
//! 5. The column that owns a sequence exists; the sequence goes with its owner.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::catalog::constraint::refer_to_itself;
use crate::catalog::contents::Schema;
use crate::catalog::error::{CatalogError, Result};
use crate::catalog::names::similar;
use crate::catalog::object::{Namespace, Object, ObjectId, ObjectKind};
use crate::catalog::owners::is_of_column;
use crate::catalog::schema::{MAIN_SCHEMA, SchemaDefinition, SchemaId};
use crate::catalog::sequence::SequenceDefinition;
use crate::catalog::table::{TableDefinition, TableId};
use crate::catalog::view::ViewDefinition;

/// One object needs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dependency {
    /// What is needed.
    pub on: ObjectId,
    /// What needs it.
    pub dependent: ObjectId,
}

/// All definitions of one moment. Cloning is cheap; a change to a clone leaves the original alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    schemas: BTreeMap<SchemaId, Arc<Schema>>,
    objects: Arc<BTreeMap<ObjectId, Object>>,
    dependencies: Arc<BTreeSet<Dependency>>,
    next_id: u64,
}

impl Default for Catalog {
    /// What a new database has: the schema `main`.
    fn default() -> Self {
        let mut catalog = Self::empty(1);
        catalog.create_schema(MAIN_SCHEMA, None).expect("an empty catalog has no such name");
        catalog
    }
}

impl Catalog {
    fn empty(next_id: u64) -> Self {
        Self { schemas: BTreeMap::new(), objects: Arc::default(), dependencies: Arc::default(), next_id }
    }

    /// Puts a catalog together from its definitions, as they were read from a file. An error says which
    /// invariant does not hold.
    pub fn from_parts(
        schemas: Vec<SchemaDefinition>,
        objects: Vec<Object>,
        dependencies: Vec<Dependency>,
        next_id: u64,
    ) -> Result<Self> {
        let invalid = |what: String| Err(CatalogError::Invalid(what));
        let mut catalog = Self::empty(next_id);
        let mut ids = std::collections::HashSet::new();
        let all = schemas.iter().map(|s| s.id.0);
        for id in all.chain(objects.iter().map(|o| o.id().0)) {
            if id == 0 || id >= next_id || !ids.insert(id) {
                return invalid(format!("the id {id} is not unique, or not below {next_id}"));
            }
        }
        for schema in schemas {
            if catalog.schema(&schema.name).is_ok() {
                return invalid(format!("two schemas have the name \"{}\"", schema.name));
            }
            catalog.schemas.insert(schema.id, Arc::new(Schema::new(schema)));
        }
        catalog.schema(MAIN_SCHEMA)?;
        for object in objects {
            catalog.add(object)?;
        }
        for dependency in dependencies {
            catalog.add_dependency(dependency)?;
        }
        for table in catalog.tables() {
            catalog.check_references(table)?;
        }
        for sequence in catalog.sequences() {
            catalog.check_owner(sequence)?;
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

    /// All objects of all schemas, in the order they were made.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    /// The object with that id.
    pub fn object_by_id(&self, id: ObjectId) -> Option<&Object> {
        self.objects.get(&id)
    }

    /// All tables, in the order they were made.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableDefinition>> {
        self.objects().filter_map(|object| match object {
            Object::Table(table) => Some(table),
            _ => None,
        })
    }

    /// All sequences, in the order they were made.
    pub fn sequences(&self) -> impl Iterator<Item = &Arc<SequenceDefinition>> {
        self.objects().filter_map(|object| match object {
            Object::Sequence(sequence) => Some(sequence),
            _ => None,
        })
    }

    /// The table with that id.
    pub fn table_by_id(&self, id: TableId) -> Option<&Arc<TableDefinition>> {
        match self.objects.get(&id.into()) {
            Some(Object::Table(table)) => Some(table),
            _ => None,
        }
    }

    /// The object of that name in that schema, or an error that guesses what was meant and calls it by
    /// that kind.
    pub fn find(&self, kind: ObjectKind, schema: &str, name: &str) -> Result<&Object> {
        let namespace =
            kind.namespace().ok_or_else(|| CatalogError::Invalid(format!("{kind} in a schema")))?;
        let schema = self.schema(schema)?;
        schema.find(namespace, name).ok_or_else(|| self.not_found(kind, schema, name))
    }

    /// As [`find`](Self::find), and the object must be of that kind.
    pub fn find_exactly(&self, kind: ObjectKind, schema: &str, name: &str) -> Result<&Object> {
        let found = self.find(kind, schema, name)?;
        if found.kind() == kind { Ok(found) } else { Err(wrong_kind(found, kind)) }
    }

    /// The table or view of that name in that schema, or an error that guesses what was meant.
    pub fn object(&self, schema: &str, name: &str) -> Result<&Object> {
        self.find(ObjectKind::Table, schema, name)
    }

    /// The table of that name in that schema, or an error that guesses what was meant.
    pub fn table(&self, schema: &str, name: &str) -> Result<&Arc<TableDefinition>> {
        match self.find(ObjectKind::Table, schema, name)? {
            Object::Table(table) => Ok(table),
            other => Err(wrong_kind(other, ObjectKind::Table)),
        }
    }

    /// The view of that name in that schema, or an error that guesses what was meant.
    pub fn view(&self, schema: &str, name: &str) -> Result<&Arc<ViewDefinition>> {
        match self.find(ObjectKind::View, schema, name)? {
            Object::View(view) => Ok(view),
            other => Err(wrong_kind(other, ObjectKind::View)),
        }
    }

    /// The error for a name that is not there: names close to it, first those in the same schema, then
    /// those in others with their schema's name.
    fn not_found(&self, kind: ObjectKind, schema: &Schema, name: &str) -> CatalogError {
        let namespace = kind.namespace().unwrap_or(Namespace::Relation);
        let near = similar(name, schema.objects_in(namespace).map(Object::name), 3);
        let mut guesses = owned(near);
        if guesses.is_empty() {
            let others = self.schemas.values().filter(|s| s.definition.id != schema.definition.id);
            guesses.extend(others.filter_map(|s| {
                s.find(namespace, name).map(|object| format!("{}.{}", s.definition.name, object.name()))
            }));
        }
        CatalogError::NotFound { kind, name: name.into(), similar: guesses }
    }

    /// What needs what.
    pub fn dependencies(&self) -> impl Iterator<Item = Dependency> {
        self.dependencies.iter().copied()
    }

    /// What needs the object itself.
    pub fn dependents(&self, on: ObjectId) -> impl Iterator<Item = &Object> {
        let first = Dependency { on, dependent: ObjectId(0) };
        let of_it = self.dependencies.range(first..).take_while(move |d| d.on == on);
        of_it.filter_map(|d| self.objects.get(&d.dependent))
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
        let definition = SchemaDefinition { id, name: name.into(), comment };
        self.schemas.insert(id, Arc::new(Schema::new(definition)));
        Ok(id)
    }

    /// Puts another definition in place of that of the schema with the same id: another name or comment.
    pub fn alter_schema(&mut self, definition: SchemaDefinition) -> Result<()> {
        let same_name = self.schema(&definition.name).ok().map(|s| s.definition.id);
        if same_name.is_some_and(|id| id != definition.id) {
            let name = definition.name.to_string();
            return Err(CatalogError::AlreadyExists { kind: ObjectKind::Schema, name });
        }
        let Some(schema) = self.schemas.get_mut(&definition.id) else {
            return Err(CatalogError::Invalid(format!("{} does not exist", definition.id)));
        };
        let was_main = schema.definition.name.eq_ignore_ascii_case(MAIN_SCHEMA);
        if was_main && !definition.name.eq_ignore_ascii_case(MAIN_SCHEMA) {
            return Err(CatalogError::Invalid(format!("the schema \"{MAIN_SCHEMA}\" cannot be renamed")));
        }
        Arc::make_mut(schema).definition = Arc::new(definition);
        Ok(())
    }

    /// Removes a schema. What is in it, and what needs that, goes with it if `cascade`; otherwise it must be
    /// empty. Returns what went with it.
    pub fn drop_schema(&mut self, name: &str, cascade: bool) -> Result<Vec<Object>> {
        let schema = Arc::clone(self.schema(name)?);
        let name = schema.definition.name.to_string();
        if name.eq_ignore_ascii_case(MAIN_SCHEMA) {
            return Err(CatalogError::Invalid(format!(
                "Cannot drop entry \"{name}\" because it is an internal system entry"
            )));
        }
        if let Some(first) = schema.objects().next().filter(|_| !cascade) {
            let dependent = format!("{} depends on schema \"{name}\"", described(first));
            return Err(CatalogError::InUse { name, dependent });
        }
        let mut dropped = vec![];
        for id in self.unreferenced_first(schema.objects().map(Object::id).collect()) {
            if self.objects.contains_key(&id) {
                dropped.extend(self.drop_object(id, true)?);
            }
        }
        self.schemas.remove(&schema.definition.id);
        Ok(dropped)
    }

    /// Makes an object; its id is given here.
    pub fn create_object(&mut self, object: Object) -> Result<ObjectId> {
        object.validate()?;
        let id = ObjectId(self.next_id);
        let object = refer_to_itself(object.with_id(id));
        match &object {
            Object::Table(table) => self.check_references(table)?,
            Object::Sequence(sequence) => self.check_owner(sequence)?,
            _ => {}
        }
        self.add(object)?;
        self.take_id();
        Ok(id)
    }

    /// Removes an object and, if `cascade`, all that depends on it; otherwise nothing may. Returns all that
    /// went, the object itself last.
    pub fn drop_object(&mut self, id: ObjectId, cascade: bool) -> Result<Vec<Object>> {
        let object = self.require(id)?;
        if let Some(dependent) = self.in_the_way(&object).filter(|_| !cascade) {
            return Err(CatalogError::InUse { name: object.name().into(), dependent });
        }
        // Depth first, without recursion: a chain of dependents may be long.
        let (mut order, mut todo, mut seen) = (vec![], vec![id], BTreeSet::from([id]));
        while let Some(next) = todo.pop() {
            order.push(next);
            let owner = self.objects.get(&next).filter(|o| !is_of_column(o)).and_then(|o| self.owner(o));
            let owner = owner.map(Object::id);
            let others = self.dependents(next).map(Object::id).chain(self.owned_by(next)).chain(owner);
            todo.extend(others.filter(|d| seen.insert(*d)));
        }
        if let Some(other) =
            order.iter().flat_map(|id| self.referencing(TableId(id.0))).find(|t| !seen.contains(&t.id.into()))
        {
            return Err(CatalogError::Invalid(format!(
                "Could not drop the table because this table is main key table of the table \"{}\"",
                other.name
            )));
        }
        let dropped: Vec<Object> = order.iter().rev().filter_map(|id| self.remove(*id)).collect();
        self.forget_dependencies(&seen);
        Ok(dropped)
    }

    /// What needs an object, or a sequence that goes with it, and would not go with it.
    fn in_the_way(&self, object: &Object) -> Option<String> {
        if let Some(owner) = self.owner(object).filter(|_| !is_of_column(object)) {
            return Some(format!("{} owns {}", described(owner), described(object)));
        }
        let (mut along, mut todo) = (BTreeSet::from([object.id()]), vec![object.id()]);
        while let Some(next) = todo.pop() {
            todo.extend(self.owned_by(next).filter(|id| along.insert(*id)));
        }
        along.iter().find_map(|id| {
            let dependent = self.dependents(*id).find(|d| !along.contains(&d.id()))?;
            let needed = self.objects.get(id)?;
            Some(format!("{} depends on {}", described(dependent), described(needed)))
        })
    }

    /// Forgets what needed objects that are gone, and what they needed.
    fn forget_dependencies(&mut self, gone: &BTreeSet<ObjectId>) {
        let is_gone = |d: &Dependency| gone.contains(&d.on) || gone.contains(&d.dependent);
        if self.dependencies.iter().any(is_gone) {
            Arc::make_mut(&mut self.dependencies).retain(|d| !is_gone(d));
        }
    }

    /// Puts another definition in place of that of the object with the same id: another name, schema,
    /// comment, or whatever else may change about it.
    pub fn alter_object(&mut self, object: Object) -> Result<()> {
        let old = self.require(object.id())?;
        if let (Object::Table(old), Object::Table(new)) = (&old, &object) {
            check_altered(old, new)?;
        }
        self.replace_object(object)
    }

    /// As [`alter_table`](Self::alter_table), for a table all of whose rows are written anew: types may change too.
    pub fn replace_table(&mut self, table: TableDefinition) -> Result<()> {
        self.replace_object(table.into())
    }

    fn replace_object(&mut self, object: Object) -> Result<()> {
        object.validate()?;
        let old = self.require(object.id())?;
        let mut lost = BTreeSet::new();
        match (&old, &object) {
            (Object::Table(_), Object::Table(new)) => {
                self.check_references(new)?;
                self.check_referenced(new)?;
                lost = self.lost_sequences(new)?;
            }
            (_, Object::Sequence(new)) => self.check_owner(new)?,
            _ => {}
        }
        self.remove(old.id());
        if let Err(e) = self.add(object) {
            self.add(old).expect("it was there before");
            return Err(e);
        }
        lost.iter().for_each(|id| drop(self.remove(*id)));
        self.forget_dependencies(&lost);
        Ok(())
    }

    /// Notes that one object needs another.
    pub fn add_dependency(&mut self, dependency: Dependency) -> Result<()> {
        let Dependency { on, dependent } = dependency;
        if on == dependent || !self.objects.contains_key(&on) || !self.objects.contains_key(&dependent) {
            return Err(CatalogError::Invalid(format!("{dependent} cannot depend on {on}")));
        }
        Arc::make_mut(&mut self.dependencies).insert(dependency);
        Ok(())
    }

    /// Says what an object needs, in place of all that it was said to need before.
    pub fn set_dependencies(&mut self, dependent: ObjectId, on: &BTreeSet<ObjectId>) -> Result<()> {
        if self.dependencies.iter().any(|d| d.dependent == dependent && !on.contains(&d.on)) {
            Arc::make_mut(&mut self.dependencies).retain(|d| d.dependent != dependent);
        }
        on.iter().try_for_each(|on| self.add_dependency(Dependency { on: *on, dependent }))
    }

    /// Makes a table; its `id` is given here.
    pub fn create_table(&mut self, table: TableDefinition) -> Result<TableId> {
        self.create_object(table.into()).map(TableId::from)
    }

    /// Removes a table and returns what it was.
    pub fn drop_table(&mut self, id: TableId) -> Result<Arc<TableDefinition>> {
        match self.drop_object(id.into(), false)?.pop() {
            Some(Object::Table(table)) => Ok(table),
            _ => Err(CatalogError::Invalid(format!("{id} is no table"))),
        }
    }

    /// Puts another definition in place of that of the table with the same id: another name, schema,
    /// order of columns, comments, columns more or fewer. A column that stays keeps its type.
    pub fn alter_table(&mut self, table: TableDefinition) -> Result<()> {
        self.alter_object(table.into())
    }

    fn require(&self, id: ObjectId) -> Result<Object> {
        self.objects.get(&id).cloned().ok_or_else(|| CatalogError::NotFound {
            kind: ObjectKind::Table,
            name: format!("(with id {})", id.0),
            similar: vec![],
        })
    }

    fn add(&mut self, object: Object) -> Result<()> {
        let Some(schema) = self.schemas.get_mut(&object.schema()) else {
            let what = format!("{} \"{}\" is in a schema that is not there", object.kind(), object.name());
            return Err(CatalogError::Invalid(what));
        };
        if let Some(found) = schema.find(object.namespace(), object.name()) {
            let (kind, name) = (found.kind(), found.name().to_string());
            return Err(CatalogError::AlreadyExists { kind, name });
        }
        let names = Arc::make_mut(schema).objects.entry(object.namespace()).or_default();
        names.insert(object.name(), object.clone());
        Arc::make_mut(&mut self.objects).insert(object.id(), object);
        Ok(())
    }

    fn remove(&mut self, id: ObjectId) -> Option<Object> {
        let object = Arc::make_mut(&mut self.objects).remove(&id)?;
        if let Some(schema) = self.schemas.get_mut(&object.schema())
            && let Some(names) = Arc::make_mut(schema).objects.get_mut(&object.namespace())
        {
            names.remove(object.name());
        }
        Some(object)
    }
}

/// What may not change about a table.
fn check_altered(old: &TableDefinition, new: &TableDefinition) -> Result<()> {
    if new.next_column_id < old.next_column_id {
        return Err(CatalogError::Invalid("ids of columns are never used again".into()));
    }
    for column in &new.columns {
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
    Ok(())
}

/// `table "t"`.
pub(super) fn described(object: &Object) -> String {
    format!("{} \"{}\"", object.kind().to_string().to_lowercase(), object.name())
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
    use crate::catalog::constraint::{
        ConstraintDefinition, ConstraintKind, IndexDefinition, ReferenceAction, ReferenceActions,
    };
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
        let view = |name| Object::from(ViewDefinition::new(main, name, "SELECT 1", vec![]));
        let taken = catalog.create_object(view("T")).unwrap_err();
        assert!(matches!(taken, CatalogError::AlreadyExists { kind: ObjectKind::Table, .. }));
        assert_eq!(catalog.next_id(), next);
        let id = catalog.create_object(view("v")).unwrap();
        assert!(matches!(catalog.table("main", "v"), Err(CatalogError::WrongKind { .. })));
        assert!(matches!(catalog.view("main", "t"), Err(CatalogError::WrongKind { .. })));
        catalog.drop_object(id, false).unwrap();
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
    fn what_is_needed_is_not_dropped() {
        let mut catalog = Catalog::default();
        let main = catalog.schema("main").unwrap().definition().id;
        let sequence = catalog.create_object(SequenceDefinition::new(main, "t").into()).unwrap();
        let table: ObjectId = catalog.create_table(table(&catalog, "main", "t")).unwrap().into();
        catalog.add_dependency(Dependency { on: sequence, dependent: table }).unwrap();
        assert!(catalog.add_dependency(Dependency { on: sequence, dependent: sequence }).is_err());
        let error = catalog.drop_object(sequence, false).unwrap_err().to_string();
        assert!(error.contains("table \"t\" depends on sequence \"t\""), "{error}");
        let mut other = catalog.clone();
        let dropped = other.drop_object(sequence, true).unwrap();
        assert_eq!(dropped.iter().map(Object::id).collect::<Vec<_>>(), [table, sequence]);
        assert_eq!((other.dependencies().count(), other.objects().count()), (0, 0));
        catalog.set_dependencies(table, &BTreeSet::new()).unwrap();
        catalog.drop_object(sequence, false).unwrap();
        assert!(catalog.table("main", "t").is_ok());
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

    /// The first column is computed of none.
    fn text_of(i: usize, computed: Option<&(String, bool)>) -> Option<Box<str>> {
        computed.filter(|_| i > 0).map(|(text, _)| text.as_str().into())
    }

    fn any_columns() -> impl Strategy<Value = Vec<ColumnDefinition>> {
        let role = prop::sample::select(vec![ColumnRole::Plain, ColumnRole::Tag, ColumnRole::Time]);
        let computed = prop::option::of((any::<String>(), any::<bool>()));
        let column =
            (any::<String>(), any_type(), any::<bool>(), role, any_text(), any_text(), any_text(), computed);
        prop::collection::vec(column, 1..6).prop_map(|columns| {
            let columns = columns.into_iter().enumerate();
            let column = |(i, (name, ty, nullable, role, default, comment, collation, computed)): (
                usize,
                (String, _, _, _, _, _, _, Option<(String, bool)>),
            )| ColumnDefinition {
                nullable,
                role,
                default,
                comment,
                collation,
                generated: text_of(i, computed.as_ref()),
                stored: text_of(i, computed.as_ref()).is_some() && computed.is_some_and(|(_, stored)| stored),
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
            table.comment = comment.clone();
            let id = table.columns[0].id;
            let actions = [
                ReferenceActions::default(),
                ReferenceActions { on_delete: ReferenceAction::Cascade, on_update: ReferenceAction::SetDefault },
                ReferenceActions { on_delete: ReferenceAction::Restrict, on_update: ReferenceAction::SetNull },
            ];
            let refer = |actions| ConstraintKind::ForeignKey {
                columns: vec![id], table: TableId(7), referenced: vec![id], actions,
            };
            let kinds = [
                ConstraintKind::Unique { columns: vec![id], primary: name.len().is_multiple_of(2) },
                ConstraintKind::Check { expression: name.clone().into() },
                refer(actions[0]),
                refer(actions[1]),
                refer(actions[2]),
            ];
            let constraint = |kind| ConstraintDefinition { name: comment.clone(), kind };
            table.constraints = kinds.into_iter().map(constraint).collect();
            let keys = vec!["a".into(), name.clone().into()];
            table.indexes.push(IndexDefinition { name: name.into(), unique: true, comment, keys });
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
