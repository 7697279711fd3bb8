//! The databases that statements can name: the one that was opened, those that were attached to it, and each
//! connection's own for temporary objects.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::sql::error::{Result, SqlError};
use crate::sql::extensions::Extensions;
use crate::sql::session::activity::Activity;
use crate::sql::session::keyed::KeyedGroups;
use crate::table::{Snapshot, Storage, StorageOptions, TableError};

/// The name of a connection's own database, which is in memory and goes with it.
pub const TEMP_DATABASE: &str = "temp";
/// The name of the database that holds what is built in; nothing can be made there.
pub const SYSTEM_DATABASE: &str = "system";

/// A database that statements can name.
#[derive(Debug)]
pub struct NamedDatabase {
    name: Box<str>,
    path: Option<PathBuf>,
    storage: Arc<Storage>,
    /// The one moment as of which it is seen.
    frozen: Option<Arc<Snapshot>>,
    keyed_groups: KeyedGroups,
}

impl NamedDatabase {
    /// A database of that name; `path` is its file.
    pub fn new(name: &str, path: Option<PathBuf>, storage: Arc<Storage>) -> Arc<Self> {
        Arc::new(Self::seen(name, path, storage, None))
    }

    fn seen(name: &str, path: Option<PathBuf>, storage: Arc<Storage>, frozen: Option<Arc<Snapshot>>) -> Self {
        Self { name: name.into(), path, storage, frozen, keyed_groups: KeyedGroups::default() }
    }

    /// The same database as of now, for good.
    fn freeze(&self) -> Arc<Self> {
        let (path, storage) = (self.path.clone(), Arc::clone(&self.storage));
        Arc::new(Self::seen(&self.name, path, storage, Some(self.newest())))
    }

    /// The same database as of now, for good, under another name.
    pub fn freeze_as(&self, name: &str) -> Arc<Self> {
        let storage = Arc::clone(&self.storage);
        Arc::new(Self::seen(name, None, storage, Some(self.newest())))
    }

    /// It as of the last commit, or of the moment as of which it is seen.
    pub fn newest(&self) -> Arc<Snapshot> {
        self.frozen.clone().unwrap_or_else(|| self.storage.newest())
    }

    /// Whether it is seen as of one moment.
    pub fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// A new database for the temporary objects of a connection.
    pub fn temporary() -> Result<Arc<Self>, TableError> {
        Ok(Self::new(TEMP_DATABASE, None, Storage::memory(&StorageOptions::default())?))
    }

    /// Its name, as written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its file; `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Where changes of its keyed tables meet.
    pub(super) fn keyed_groups(&self) -> &KeyedGroups {
        &self.keyed_groups
    }

    /// What is in it.
    pub fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }

    /// Whether it holds the temporary objects of a connection.
    pub fn is_temporary(&self) -> bool {
        &*self.name == TEMP_DATABASE
    }
}

/// The databases that all connections share. The first is the one that was opened.
#[derive(Debug)]
pub struct Databases {
    opened: Arc<NamedDatabase>,
    attached: RwLock<Vec<Arc<NamedDatabase>>>,
    activity: Arc<Activity>,
    extensions: Arc<Extensions>,
}

impl Databases {
    /// The database that was opened, and no other.
    pub fn new(opened: Arc<NamedDatabase>) -> Self {
        Self { opened, attached: RwLock::default(), activity: Arc::default(), extensions: Arc::default() }
    }

    /// The database that was opened, as of now, and no other.
    pub fn freeze(&self) -> Self {
        Self {
            opened: self.opened.freeze(),
            attached: RwLock::default(),
            activity: Arc::clone(&self.activity),
            extensions: Arc::clone(&self.extensions),
        }
    }

    /// The one that was opened.
    pub fn opened(&self) -> &Arc<NamedDatabase> {
        &self.opened
    }

    /// What runs on them, and ran.
    pub fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Tables and functions that the program adds.
    pub fn extensions(&self) -> &Arc<Extensions> {
        &self.extensions
    }

    /// All, the one that was opened first.
    pub fn list(&self) -> Vec<Arc<NamedDatabase>> {
        std::iter::once(&self.opened).chain(&*self.attached.read()).cloned().collect()
    }

    /// The one of that name, whatever its case.
    pub fn find(&self, name: &str) -> Option<Arc<NamedDatabase>> {
        self.list().into_iter().find(|d| d.name.eq_ignore_ascii_case(name))
    }

    /// Attaches a database.
    ///
    /// # Errors
    /// Its name is taken or reserved, or its file is attached already.
    pub fn attach(&self, database: Arc<NamedDatabase>) -> Result<()> {
        let mut attached = self.attached.write();
        for other in std::iter::once(&self.opened).chain(&*attached) {
            if other.name.eq_ignore_ascii_case(&database.name) {
                return Err(SqlError::binder(format!(
                    "Failed to attach database: database with name \"{}\" already exists",
                    database.name
                )));
            }
        }
        attached.push(database);
        Ok(())
    }

    /// Detaches the database of that name; what uses it keeps it until it is done.
    pub fn detach(&self, name: &str) -> Option<Arc<NamedDatabase>> {
        let mut attached = self.attached.write();
        let at = attached.iter().position(|d| d.name.eq_ignore_ascii_case(name))?;
        Some(attached.remove(at))
    }
}

/// The name of a database whose file is at `path`: the file's, without what follows its first dot.
pub fn name_of_file(path: &Path) -> String {
    let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = file.split('.').find(|part| !part.is_empty()).unwrap_or("database");
    stem.to_owned()
}
