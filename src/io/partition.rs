//! `COPY … TO` with `PARTITION_BY`: a directory a value of the keys, with a file of the rows that have it.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, UInt32Array};
use parking_lot::{Condvar, Mutex};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Schema};
use crate::exec::cast::cast;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::Sink;
use crate::io::files::{expand_home, io_error};
use crate::io::hive;
use crate::io::options::Options;

/// Each open partition holds a file and what it buffers.
const PARTITIONS_MAX: usize = 500;

/// The options that concern partitions, and their aliases.
const OPTIONS: [&str; 6] = [
    "append",
    "partition_by",
    "overwrite_or_ignore",
    "overwrite",
    "filename_pattern",
    "write_partition_columns",
];

/// Options of a statement as they were given.
type Given = (String, Scalar, LogicalType);

/// Makes a sink for the file at this path, of these columns.
pub(crate) type MakeSink = dyn Fn(&str, Schema) -> Result<Arc<dyn Sink>> + Send + Sync;

/// How rows are parted.
pub(crate) struct Partitioning {
    keys: Vec<String>,
    write_keys: bool,
    overwrite: bool,
    /// Files that are there stay; new ones get other names.
    append: bool,
    pattern: String,
}

impl Partitioning {
    /// Takes the options that concern partitions out of all; `None` if rows are not to be parted.
    pub fn take(options: &[Given]) -> Result<(Option<Self>, Vec<Given>)> {
        let (ours, rest): (Vec<Given>, Vec<Given>) =
            options.iter().cloned().partition(|(name, ..)| OPTIONS.contains(&name.as_str()));
        let ours = Options::new("COPY TO", &ours, &OPTIONS)?;
        let Some(keys) = ours.list(&["partition_by"])? else {
            if let Some(name) = OPTIONS.iter().find(|name| ours.has(&[name])) {
                return Err(ours.bad(name, "needs \"partition_by\""));
            }
            return Ok((None, rest));
        };
        if ours.boolean(&["overwrite"])? == Some(true) {
            return Err(ExecError::Unsupported(
                "OVERWRITE, which deletes what is in the directory; OVERWRITE_OR_IGNORE keeps files of other names"
                    .into(),
            ));
        }
        let partitioning = Self {
            keys,
            write_keys: ours.boolean(&["write_partition_columns"])?.unwrap_or(false),
            overwrite: ours.boolean(&["overwrite_or_ignore"])?.unwrap_or(false),
            append: ours.boolean(&["append"])?.unwrap_or(false),
            pattern: ours.text(&["filename_pattern"])?.unwrap_or_else(|| "data_{i}".into()),
        };
        if partitioning.keys.is_empty() {
            return Err(ours.bad("partition_by", "needs at least one column"));
        }
        if partitioning.pattern.contains(['/', '\\']) || partitioning.pattern.contains("{uuid}") {
            return Err(ours.bad("filename_pattern", "must be a name with {i} in it"));
        }
        Ok((Some(partitioning), rest))
    }

    /// A sink of files of this extension under a directory.
    pub fn sink(
        self,
        path: &str,
        extension: &str,
        schema: &Schema,
        make: Box<MakeSink>,
    ) -> Result<Arc<dyn Sink>> {
        let mut keys = vec![];
        for name in &self.keys {
            let place = schema.iter().position(|f| f.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
                ExecError::InvalidInput(format!(
                    "\"partition_by\" expected to find {name}, but it was not found in the table; there are: {}",
                    schema.iter().map(|f| &f.name[..]).collect::<Vec<_>>().join(", ")
                ))
            })?;
            if keys.contains(&place) {
                return Err(ExecError::InvalidInput(format!("\"partition_by\" names {name} twice")));
            }
            keys.push(place);
        }
        let written: Vec<usize> =
            (0..schema.len()).filter(|i| self.write_keys || !keys.contains(i)).collect();
        if written.is_empty() {
            return Err(ExecError::Unsupported(
                "all columns are partition columns: none is left to write; WRITE_PARTITION_COLUMNS writes them too"
                    .into(),
            ));
        }
        let root = PathBuf::from(expand_home(path));
        if !self.overwrite
            && !self.append
            && fs::read_dir(&root).is_ok_and(|mut entries| entries.next().is_some())
        {
            return Err(ExecError::Io(format!(
                "directory \"{path}\" is not empty; APPEND and OVERWRITE_OR_IGNORE write into it nevertheless"
            )));
        }
        make_directory(&root)?;
        if self.append && !self.pattern.contains("{i}") {
            return Err(ExecError::InvalidInput(
                "\"append\" needs a \"filename_pattern\" with {i} in it".into(),
            ));
        }
        let file = format!("{}.{extension}", self.pattern);
        Ok(Arc::new(PartitionSink {
            name: format!("COPY_TO_FILE {path}"),
            root,
            file,
            append: self.append,
            file_schema: written.iter().map(|i| schema[*i].clone()).collect(),
            schema: schema.clone(),
            keys,
            written,
            make,
            state: Mutex::new(State::default()),
            turn: Condvar::new(),
        }))
    }
}

fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| io_error("create", &path.to_string_lossy(), &e))
}

/// Parts rows and hands them on.
struct PartitionSink {
    name: String,
    root: PathBuf,
    /// The name of the file in each directory, with `{i}` for its number.
    file: String,
    /// Files that are there stay.
    append: bool,
    schema: Schema,
    keys: Vec<usize>,
    /// The columns that go to the files.
    written: Vec<usize>,
    file_schema: Schema,
    make: Box<MakeSink>,
    state: Mutex<State>,
    turn: Condvar,
}

#[derive(Default)]
struct State {
    /// The piece whose turn it is: rows stay in order within a partition.
    next: u64,
    failed: bool,
    partitions: HashMap<Vec<Option<String>>, Partition>,
}

struct Partition {
    sink: Arc<dyn Sink>,
    next: u64,
}

impl fmt::Debug for PartitionSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartitionSink({})", self.name)
    }
}

impl PartitionSink {
    /// The rows of each partition.
    fn part(&self, batch: &Batch) -> Result<Vec<(Vec<Option<String>>, Batch)>> {
        let texts = self
            .keys
            .iter()
            .map(|k| cast(&batch.columns[*k], &self.schema[*k].ty, &LogicalType::Varchar, false))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let mut rows: HashMap<Vec<Option<&str>>, Vec<u32>> = HashMap::new();
        let mut order = vec![];
        for row in 0..batch.rows {
            let key: Vec<Option<&str>> = texts
                .iter()
                .map(|t| t.as_string_view())
                .map(|t| t.is_valid(row).then(|| t.value(row)))
                .collect();
            rows.entry(key.clone())
                .or_insert_with(|| {
                    order.push(key);
                    vec![]
                })
                .push(row as u32);
        }
        let mut out = vec![];
        for key in order {
            let indices = UInt32Array::from(rows.remove(&key).unwrap_or_default());
            let columns = self
                .written
                .iter()
                .map(|c| arrow_select::take::take(&batch.columns[*c], &indices, None))
                .collect::<std::result::Result<Vec<_>, _>>()?;
            let key = key.into_iter().map(|k| k.map(str::to_owned)).collect();
            out.push((key, Batch::new(columns, indices.len())));
        }
        Ok(out)
    }

    fn write(&self, state: &mut State, batches: &[Batch]) -> Result<()> {
        for batch in batches.iter().filter(|b| b.rows > 0) {
            for (key, rows) in self.part(batch)? {
                if !state.partitions.contains_key(&key) {
                    if state.partitions.len() == PARTITIONS_MAX {
                        return Err(ExecError::InvalidInput(format!(
                            "more than {PARTITIONS_MAX} partitions: part by fewer or coarser columns"
                        )));
                    }
                    let sink = self.open(&key)?;
                    state.partitions.insert(key.clone(), Partition { sink, next: 0 });
                }
                if let Some(partition) = state.partitions.get_mut(&key) {
                    partition.sink.push(partition.next, vec![rows])?;
                    partition.next += 1;
                }
            }
        }
        Ok(())
    }

    /// The sink of a new partition.
    fn open(&self, key: &[Option<String>]) -> Result<Arc<dyn Sink>> {
        let mut path = self.root.clone();
        for (place, value) in self.keys.iter().zip(key) {
            path.push(hive::directory(&self.schema[*place].name, value.as_deref()));
        }
        make_directory(&path)?;
        let named = |number: u64| path.join(self.file.replace("{i}", &number.to_string()));
        let mut number = 0;
        while self.append && named(number).exists() {
            number += 1;
        }
        let path = named(number);
        (self.make)(&path.to_string_lossy(), self.file_schema.clone())
    }

    fn fail(&self, state: &mut State) {
        state.failed = true;
        state.partitions.drain().for_each(|(_, p)| p.sink.abort());
        self.turn.notify_all();
    }
}

impl Sink for PartitionSink {
    fn describe(&self) -> String {
        self.name.clone()
    }

    fn push(&self, sequence: u64, batches: Vec<Batch>) -> Result<()> {
        let mut state = self.state.lock();
        while state.next != sequence && !state.failed {
            self.turn.wait(&mut state);
        }
        if state.failed {
            return Err(ExecError::Cancelled);
        }
        let done = self.write(&mut state, &batches);
        state.next += 1;
        if done.is_err() {
            self.fail(&mut state);
        }
        self.turn.notify_all();
        done
    }

    fn finish(&self) -> Result<u64> {
        let mut state = self.state.lock();
        if state.failed {
            return Err(ExecError::Cancelled);
        }
        let mut rows = 0;
        let partitions: Vec<Partition> = state.partitions.drain().map(|(_, p)| p).collect();
        for (i, partition) in partitions.iter().enumerate() {
            match partition.sink.finish() {
                Ok(n) => rows += n,
                Err(e) => {
                    partitions[i + 1..].iter().for_each(|p| p.sink.abort());
                    state.failed = true;
                    return Err(e);
                }
            }
        }
        Ok(rows)
    }

    fn abort(&self) {
        self.fail(&mut self.state.lock());
    }
}
