//! What a statement reads: databases as of one moment, and which names mean what in them.

use std::sync::Arc;

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::catalog::{Catalog, CatalogError, MAIN_SCHEMA, Namespace, Object, ObjectKind, Schema, TableId};
use crate::sql::bind::Tables;
use crate::sql::error::{Result, SqlError};
use crate::sql::session::databases::{NamedDatabase, TEMP_DATABASE};
use crate::table::{Snapshot, TableError, TableSnapshot};

/// Where names are looked up that are not qualified: databases and their schemas. In the first, objects are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPath(Vec<(String, String)>);

impl SearchPath {
    /// The main schema of a database.
    pub fn of_database(name: &str) -> Self {
        Self(vec![(name.to_owned(), MAIN_SCHEMA.to_owned())])
    }

    /// These databases and schemas, at least one.
    pub fn new(entries: Vec<(String, String)>) -> Result<Self> {
        if entries.is_empty() {
            return Err(SqlError::parser("the search path needs at least one schema"));
        }
        Ok(Self(entries))
    }

    /// The database in which objects are made.
    pub fn database(&self) -> &str {
        &self.0[0].0
    }

    /// The schema in which objects are made.
    pub fn schema(&self) -> &str {
        &self.0[0].1
    }

    /// Takes a schema that is no more from the path; what had only that has the main schema.
    pub fn leave(&mut self, database: &str, schema: &str) {
        self.0.retain(|(d, s)| !(d.eq_ignore_ascii_case(database) && s.eq_ignore_ascii_case(schema)));
        if self.0.is_empty() {
            *self = Self::of_database(database);
        }
    }

    /// All databases and schemas.
    pub fn entries(&self) -> &[(String, String)] {
        &self.0
    }
}

/// A database as of one moment.
#[derive(Debug, Clone)]
pub struct DatabaseView {
    database: Arc<NamedDatabase>,
    snapshot: Arc<Snapshot>,
}

impl DatabaseView {
    /// A database as a snapshot has it.
    pub fn new(database: Arc<NamedDatabase>, snapshot: Arc<Snapshot>) -> Self {
        Self { database, snapshot }
    }

    /// The database.
    pub fn database(&self) -> &Arc<NamedDatabase> {
        &self.database
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.database.name()
    }

    /// What is in it.
    pub fn catalog(&self) -> &Catalog {
        self.snapshot.catalog()
    }

    /// The same, to tell whether it is another.
    pub fn shared_catalog(&self) -> &Arc<Catalog> {
        self.snapshot.catalog()
    }

    /// The table with that id.
    pub fn table(&self, id: TableId) -> Result<Arc<TableSnapshot>, TableError> {
        self.snapshot.table(id)
    }

    /// Whether it is the database that goes on of which the other is a snapshot.
    pub fn is_live_of(&self, then: &Self) -> bool {
        then.database.is_frozen()
            && !self.database.is_frozen()
            && Arc::ptr_eq(self.database.storage(), then.database.storage())
    }
}

/// An object that a name means.
#[derive(Debug, Clone, Copy)]
pub struct FoundObject<'v> {
    /// The database it is in.
    pub database: &'v DatabaseView,
    /// The schema it is in.
    pub schema: &'v Schema,
    /// The object.
    pub object: &'v Object,
}

/// Where an object is to be made.
#[derive(Debug)]
pub struct NewPlace<'n> {
    /// In this database.
    pub database: Arc<NamedDatabase>,
    /// In this schema.
    pub schema: String,
    /// Under this name.
    pub name: &'n Ident,
}

/// What a statement reads.
#[derive(Debug, Clone)]
pub struct ReadView {
    databases: Vec<DatabaseView>,
    path: SearchPath,
    /// The database that the statement is about: that which it writes to, else that in which objects are made.
    focus: usize,
    /// Temporary objects are found where there are no others of their names, not before them.
    temporary_last: bool,
}

impl ReadView {
    /// These databases, at least one, with names that are looked up along that path.
    pub fn new(databases: Vec<DatabaseView>, path: SearchPath) -> Self {
        let mut view = Self { databases, path, focus: 0, temporary_last: false };
        view.focus = view.position(view.path.database()).unwrap_or(0);
        view
    }

    /// The same with names that are looked up along another path.
    #[must_use]
    pub fn along(mut self, path: SearchPath) -> Self {
        self.path = path;
        self
    }

    /// The same, but the database of which `then` is a snapshot is as of then, by whatever name it is called.
    #[must_use]
    pub fn as_of(&self, then: &DatabaseView) -> Self {
        let mut names = self.clone();
        for live in names.databases.iter_mut().filter(|d| d.is_live_of(then)) {
            live.snapshot = Arc::clone(&then.snapshot);
        }
        names
    }

    /// What the query of a view in that schema of a database reads, if that is not this: its names are looked up there
    /// first, and those of a view in a snapshot are as of then.
    pub fn within(&self, database: &DatabaseView, schema: &str) -> Option<Self> {
        let name = self.databases.iter().find(|d| d.is_live_of(database)).unwrap_or(database).name();
        if !database.database.is_frozen() && self.path.database() == name && self.path.schema() == schema {
            return None;
        }
        let mut names = self.as_of(database);
        names.path.0.insert(0, (name.to_owned(), schema.to_owned()));
        Some(names)
    }

    /// What expressions in the definition of a table there read: names mean what is in its schema first, and temporary
    /// objects last.
    #[must_use]
    pub fn of_table(&self, database: &DatabaseView, schema: &str) -> Self {
        let mut names = self.within(database, schema).unwrap_or_else(|| self.clone());
        names.temporary_last = true;
        names
    }

    /// The same with another snapshot of a database, which is the one that the statement is about.
    #[must_use]
    pub fn about(mut self, database: &Arc<NamedDatabase>, snapshot: Arc<Snapshot>) -> Self {
        match self.databases.iter().position(|d| Arc::ptr_eq(&d.database, database)) {
            Some(at) => self.focus = at,
            None => {
                self.focus = self.databases.len();
                self.databases.push(DatabaseView::new(Arc::clone(database), Arc::clone(&snapshot)));
            }
        }
        self.databases[self.focus].snapshot = snapshot;
        self
    }

    /// All databases: the one that was opened, those that were attached, that of temporary objects.
    pub fn databases(&self) -> &[DatabaseView] {
        &self.databases
    }

    /// The database that the statement is about.
    pub fn focus(&self) -> &DatabaseView {
        &self.databases[self.focus]
    }

    /// Where names are looked up.
    pub fn path(&self) -> &SearchPath {
        &self.path
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.databases.iter().position(|d| d.name().eq_ignore_ascii_case(name))
    }

    /// The database of that name, whatever its case.
    pub fn database(&self, name: &str) -> Option<&DatabaseView> {
        self.position(name).map(|at| &self.databases[at])
    }

    /// Databases and schemas in which a name without any is looked up, in order.
    fn search(&self) -> impl Iterator<Item = (&DatabaseView, &str)> {
        let temporary = self.database(TEMP_DATABASE).map(|d| (d, MAIN_SCHEMA));
        let path = self.path.entries().iter();
        let path = path.filter_map(|(d, s)| self.database(d).map(|d| (d, s.as_str())));
        let (first, last) = if self.temporary_last { (None, temporary) } else { (temporary, None) };
        first.into_iter().chain(path).chain(last)
    }

    /// Whether unqualified names are looked up in a schema of a database.
    pub fn searches(&self, database: &str, schema: &str) -> bool {
        self.search().any(|(d, s)| d.name().eq_ignore_ascii_case(database) && s.eq_ignore_ascii_case(schema))
    }

    /// The database in which objects are made.
    fn default_database(&self) -> &DatabaseView {
        self.database(self.path.database()).unwrap_or(&self.databases[0])
    }

    /// Databases and schemas that a qualifier means, in the order in which objects are looked for.
    fn places<'v>(&'v self, qualifier: &'v [&'v Ident]) -> Result<Vec<(&'v DatabaseView, &'v str)>> {
        match qualifier {
            [] => Ok(self.search().collect()),
            [one] => {
                let name = one.value.as_str();
                let default = self.default_database();
                let in_default = default.catalog().schema(name).is_ok();
                if let Some(database) = self.database(name) {
                    if in_default {
                        return Err(SqlError::binder(format!(
                            "Ambiguous reference to catalog or schema \"{name}\" - use a fully qualified path like \
                             \"{}.{name}\"",
                            default.name()
                        ))
                        .at_span(one.span));
                    }
                    return Ok(vec![(database, MAIN_SCHEMA)]);
                }
                let mut places: Vec<_> =
                    self.search().filter(|(_, s)| s.eq_ignore_ascii_case(name)).collect();
                if in_default && !places.iter().any(|(d, _)| std::ptr::eq(*d, default)) {
                    places.push((default, name));
                }
                Ok(places)
            }
            [database, schema] => {
                Ok(self.database(&database.value).map(|d| (d, schema.value.as_str())).into_iter().collect())
            }
            _ => Err(SqlError::binder("a name has at most a database, a schema and a name")),
        }
    }

    /// The object of a namespace that a name means.
    pub fn lookup(&self, namespace: Namespace, name: &ObjectName) -> Result<Option<FoundObject<'_>>> {
        let parts = parts(name)?;
        let Some((last, qualifier)) = parts.split_last() else { return Ok(None) };
        self.lookup_parts(namespace, qualifier, &last.value)
    }

    /// As [`lookup`](Self::lookup), for a name in parts.
    pub fn lookup_parts(
        &self,
        namespace: Namespace,
        qualifier: &[&Ident],
        name: &str,
    ) -> Result<Option<FoundObject<'_>>> {
        for (database, schema) in self.places(qualifier).map(own)? {
            let Some(database) = self.database(&database) else { continue };
            let Ok(schema) = database.catalog().schema(&schema) else { continue };
            if let Some(object) = schema.find(namespace, name) {
                return Ok(Some(FoundObject { database, schema, object }));
            }
        }
        Ok(None)
    }

    /// The object that a name means, which is of that kind or shares its namespace.
    ///
    /// # Errors
    /// There is none; the error guesses what was meant.
    pub fn find(&self, kind: ObjectKind, name: &ObjectName) -> Result<FoundObject<'_>> {
        let namespace = kind.namespace().ok_or_else(|| SqlError::internal(format!("{kind} in a schema")))?;
        match self.lookup(namespace, name)? {
            Some(found) => Ok(found),
            None => Err(self.not_found(kind, name)),
        }
    }

    /// As [`find`](Self::find), and the object must be of that kind. `change` is what is to happen to it.
    pub fn find_exactly(&self, kind: ObjectKind, name: &ObjectName, change: &str) -> Result<FoundObject<'_>> {
        let found = self.find(kind, name)?;
        if found.object.kind() == kind {
            return Ok(found);
        }
        let message = format!(
            "Existing object \"{}\" is of type {}, trying to {change} type {kind}",
            found.object.name(),
            found.object.kind()
        );
        Err(SqlError::catalog(message).at(name))
    }

    /// The error for a name that nothing has.
    pub fn not_found(&self, kind: ObjectKind, name: &ObjectName) -> SqlError {
        let parts = match parts(name) {
            Ok(parts) => parts,
            Err(e) => return e,
        };
        let Some((last, qualifier)) = parts.split_last() else {
            return SqlError::internal("a name is empty");
        };
        let places = match self.places(qualifier) {
            Ok(places) => places,
            Err(e) => return e,
        };
        // The last place is the one in which it would be made.
        let error = match places.last() {
            Some((database, schema)) => match database.catalog().find(kind, schema, &last.value) {
                Err(e @ CatalogError::NotFound { kind: missing, .. }) if missing == kind => {
                    SqlError::from_catalog(&e)
                }
                _ => missing_schema(kind, name, schema),
            },
            None => {
                let qualifier: Vec<_> = qualifier.iter().map(|i| i.value.as_str()).collect();
                missing_schema(kind, name, &qualifier.join("."))
            }
        };
        error.at(name)
    }

    /// Where an object of that name is to be made.
    pub fn new_place<'n>(&self, name: &'n ObjectName, temporary: bool) -> Result<NewPlace<'n>> {
        let parts = parts(name)?;
        let Some((last, qualifier)) = parts.split_last() else {
            return Err(SqlError::internal("a name is empty"));
        };
        let default = self.default_database();
        let (database, schema) = match qualifier {
            [] => (default, self.path.schema()),
            [one] if one.value.eq_ignore_ascii_case(TEMP_DATABASE) => (default, MAIN_SCHEMA),
            [one] => match self.places(qualifier)?.last() {
                Some((database, _)) if !database.name().eq_ignore_ascii_case(&one.value) => {
                    (default, one.value.as_str())
                }
                Some((database, schema)) => (*database, *schema),
                None => (default, one.value.as_str()),
            },
            [database, schema] => match self.database(&database.value) {
                Some(found) => (found, schema.value.as_str()),
                None if temporary => (default, schema.value.as_str()),
                None => {
                    let error = CatalogError::NotFound {
                        kind: ObjectKind::Schema,
                        name: format!("{database}.{schema}"),
                        similar: vec![],
                    };
                    return Err(SqlError::from_catalog(&error).at(name));
                }
            },
            _ => return Err(SqlError::binder("a name has at most a database, a schema and a name").at(name)),
        };
        Ok(NewPlace { database: Arc::clone(&database.database), schema: schema.to_owned(), name: last })
    }

    /// The schema that a name of one or two parts means, and its database.
    pub fn schema(&self, name: &ObjectName) -> Result<(&DatabaseView, &str)> {
        let parts = parts(name)?;
        let default = self.default_database();
        let (database, schema) = match parts[..] {
            [schema] => (default, schema),
            [database, schema] => match self.database(&database.value) {
                Some(found) => (found, schema),
                None => {
                    let message = format!("Catalog \"{}\" does not exist!", database.value);
                    return Err(SqlError::binder(message).at_span(database.span));
                }
            },
            _ => return Err(SqlError::binder("a schema has at most a database and a name").at(name)),
        };
        let found = database.catalog().schema(&schema.value);
        let found = found.map_err(|e| SqlError::from_catalog(&e).at(name))?;
        Ok((database, &found.definition().name))
    }
}

fn missing_schema(kind: ObjectKind, name: &ObjectName, schema: &str) -> SqlError {
    SqlError::catalog(format!(
        "{kind} with name \"{name}\" does not exist because schema \"{schema}\" does not exist."
    ))
}

fn own(places: Vec<(&DatabaseView, &str)>) -> Vec<(String, String)> {
    places.into_iter().map(|(d, s)| (d.name().to_owned(), s.to_owned())).collect()
}

/// The parts of a name.
pub fn parts(name: &ObjectName) -> Result<Vec<&Ident>> {
    let parts: Option<Vec<&Ident>> = name.0.iter().map(ObjectNamePart::as_ident).collect();
    match parts {
        Some(parts) if (1..=3).contains(&parts.len()) => Ok(parts),
        _ => Err(SqlError::binder(format!("\"{name}\" has more parts than a database, a schema and a name"))
            .at(name)),
    }
}

impl Tables for ReadView {
    fn catalog(&self) -> &Catalog {
        self.focus().catalog()
    }

    fn table(&self, id: TableId) -> Result<Arc<TableSnapshot>, TableError> {
        self.focus().table(id)
    }

    fn names(&self) -> &ReadView {
        self
    }
}
