//! `COPY … TO` a directory: files with numbers in their names, each up to a size, or one for each thread that writes.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, ThreadId};

use parking_lot::{Condvar, Mutex};

use crate::exec::batch::{Batch, Schema};
use crate::exec::error::{ExecError, Result};
use crate::exec::source::Sink;
use crate::io::files::io_error;
use crate::pager::is_database;

/// Makes a sink for the file at this path, of these columns.
pub(crate) type MakeSink = dyn Fn(&str, Schema) -> Result<Arc<dyn Sink>> + Send + Sync;

/// Makes a directory, and those around it.
pub(crate) fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| io_error("create", &path.to_string_lossy(), &e))
}

/// Begins files: their names, their format, how large they get.
pub(crate) struct Numbered {
    /// The name of a file, with `{i}` for its number and `{uuid}` for what nothing else is called.
    pub name: String,
    /// Files that are there stay; new ones get other names.
    pub append: bool,
    /// Whatever else is in the directory goes when all files are whole.
    pub only: Option<PathBuf>,
    /// The bytes at which a file is full.
    pub limit: Option<u64>,
    /// The rows at which a file is full.
    pub rows_max: Option<usize>,
    /// The columns of the files.
    pub schema: Schema,
    /// What writes one.
    pub make: Box<MakeSink>,
    /// The files that were begun.
    pub begun: Mutex<Begun>,
}

/// Files that were begun.
#[derive(Default)]
pub(crate) struct Begun {
    /// All, in the order in which they were.
    order: Vec<PathBuf>,
    names: HashSet<PathBuf>,
    /// Those that are full, and so have their names already.
    full: Vec<PathBuf>,
}

/// A file that rows are added to.
pub(crate) struct Open {
    path: PathBuf,
    sink: Arc<dyn Sink>,
    next: u64,
    rows: usize,
}

impl Numbered {
    fn begin(&self, directory: &Path) -> Result<Open> {
        let mut begun = self.begun.lock();
        let mut number = 0_u64;
        let path = loop {
            let name = self.name.replace("{i}", &number.to_string());
            let path = directory.join(name.replace("{uuid}", &unique_name()));
            let is_taken = begun.names.contains(&path) || self.append && path.exists();
            if !is_taken {
                break path;
            }
            if !self.name.contains('{') {
                return Err(ExecError::InvalidInput(
                    "\"filename_pattern\" needs {i} or {uuid} where there is more than one file".into(),
                ));
            }
            number += 1;
        };
        begun.names.insert(path.clone());
        begun.order.push(path.clone());
        drop(begun);
        let sink = (self.make)(&path.to_string_lossy(), self.schema.clone())?;
        Ok(Open { path, sink, next: 0, rows: 0 })
    }

    /// Adds rows to the file that is open in a directory, or to a new one. Returns the rows of a file that is full.
    pub fn write(&self, open: &mut Option<Open>, directory: &Path, mut rows: Batch) -> Result<u64> {
        let mut done = 0;
        while rows.rows > 0 {
            let file = match open {
                Some(file) => file,
                None => open.insert(self.begin(directory)?),
            };
            let room = self.rows_max.map_or(rows.rows, |max| (max - file.rows).min(rows.rows));
            file.sink.push(file.next, vec![rows.slice(0, room)])?;
            file.next += 1;
            file.rows += room;
            rows = rows.slice(room, rows.rows - room);
            let is_full = self.limit.is_some_and(|limit| file.sink.bytes() >= limit)
                || self.rows_max.is_some_and(|max| file.rows >= max);
            if is_full && let Some(full) = open.take() {
                done += full.sink.finish()?;
                self.begun.lock().full.push(full.path);
            }
        }
        Ok(done)
    }

    /// Ends files; returns how many rows they have.
    pub fn finish(&self, open: Vec<Open>) -> Result<u64> {
        let mut rows = 0;
        for (i, file) in open.iter().enumerate() {
            match file.sink.finish() {
                Ok(n) => rows += n,
                Err(e) => {
                    self.abort(open.into_iter().skip(i + 1));
                    return Err(e);
                }
            }
        }
        if let Some(directory) = &self.only {
            remove_others(directory, &self.begun.lock().names)?;
        }
        Ok(rows)
    }

    /// Takes back files, those that are full among them.
    pub fn abort(&self, open: impl Iterator<Item = Open>) {
        open.for_each(|file| file.sink.abort());
        for path in std::mem::take(&mut self.begun.lock().full) {
            let _gone = fs::remove_file(path);
        }
    }

    /// The files that there are.
    pub fn paths(&self) -> Vec<String> {
        self.begun.lock().order.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    }
}

/// A database that lies in a directory, or in one of its directories. It is an error if a file cannot be read, as it may be
/// one.
pub(crate) fn database_in(directory: &Path) -> Result<Option<PathBuf>> {
    let failed = |e: io::Error, path: &Path| io_error("read", &path.to_string_lossy(), &e);
    for entry in fs::read_dir(directory).map_err(|e| failed(e, directory))? {
        let path = entry.map_err(|e| failed(e, directory))?.path();
        let kind = fs::symlink_metadata(&path).map_err(|e| failed(e, &path))?;
        let found = if kind.is_dir() {
            database_in(&path)?
        } else {
            let is_one = kind.is_file() && is_database(&path).map_err(|e| failed(e, &path))?;
            is_one.then_some(path)
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Removes all that is in a directory but these files, and directories that are empty then. What a link leads to stays.
fn remove_others(directory: &Path, kept: &HashSet<PathBuf>) -> Result<()> {
    let failed = |e: io::Error, path: &Path| io_error("remove", &path.to_string_lossy(), &e);
    for entry in fs::read_dir(directory).map_err(|e| failed(e, directory))? {
        let path = entry.map_err(|e| failed(e, directory))?.path();
        let kind = fs::symlink_metadata(&path).map_err(|e| failed(e, &path))?;
        if kind.is_dir() {
            remove_others(&path, kept)?;
            // With a file of ours in it, it stays.
            let _not_empty = fs::remove_dir(&path);
        } else if !kept.contains(&path) {
            fs::remove_file(&path).map_err(|e| failed(e, &path))?;
        }
    }
    Ok(())
}

/// A name that nothing else has.
fn unique_name() -> String {
    crate::exec::functions::random_uuid().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Files beside each other.
pub(crate) struct DirectorySink {
    path: String,
    root: PathBuf,
    files: Numbered,
    /// Each thread writes to a file of its own.
    by_thread: bool,
    state: Mutex<State>,
    turn: Condvar,
}

#[derive(Default)]
struct State {
    /// The piece whose turn it is, where there is one file for all.
    next: u64,
    failed: bool,
    open: HashMap<Option<ThreadId>, Arc<Mutex<Option<Open>>>>,
    rows: u64,
}

impl fmt::Debug for DirectorySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DirectorySink({})", self.path)
    }
}

impl DirectorySink {
    /// Files in a directory, which is there.
    pub fn new(path: &str, root: PathBuf, files: Numbered, by_thread: bool) -> Self {
        let path = path.to_owned();
        Self { path, root, files, by_thread, state: Mutex::default(), turn: Condvar::new() }
    }

    fn write(&self, open: &Mutex<Option<Open>>, batches: Vec<Batch>) -> Result<u64> {
        let mut open = open.lock();
        let mut rows = 0;
        for batch in batches.into_iter().filter(|b| b.rows > 0) {
            rows += self.files.write(&mut open, &self.root, batch)?;
        }
        Ok(rows)
    }

    fn take_open(state: &mut State) -> Vec<Open> {
        state.open.drain().filter_map(|(_, open)| open.lock().take()).collect()
    }
}

impl Sink for DirectorySink {
    fn describe(&self) -> String {
        format!("COPY_TO_FILE {}", self.path)
    }

    fn push(&self, sequence: u64, batches: Vec<Batch>) -> Result<()> {
        let open = {
            let mut state = self.state.lock();
            // Within a file rows stay in order.
            while !self.by_thread && state.next != sequence && !state.failed {
                self.turn.wait(&mut state);
            }
            if state.failed {
                return Err(ExecError::Cancelled);
            }
            let thread = self.by_thread.then(|| thread::current().id());
            Arc::clone(state.open.entry(thread).or_default())
        };
        let written = self.write(&open, batches);
        let mut state = self.state.lock();
        state.next += 1;
        state.failed |= written.is_err();
        self.turn.notify_all();
        state.rows += written?;
        Ok(())
    }

    fn finish(&self) -> Result<u64> {
        let mut state = self.state.lock();
        if state.failed {
            return Err(ExecError::Cancelled);
        }
        let mut open = Self::take_open(&mut state);
        if open.is_empty() && state.rows == 0 {
            // A file without rows tells the columns.
            open.push(self.files.begin(&self.root)?);
        }
        Ok(state.rows + self.files.finish(open)?)
    }

    fn files(&self) -> Option<Vec<String>> {
        Some(self.files.paths())
    }

    fn abort(&self) {
        let mut state = self.state.lock();
        state.failed = true;
        self.turn.notify_all();
        let open = Self::take_open(&mut state);
        drop(state);
        self.files.abort(open.into_iter());
    }
}
