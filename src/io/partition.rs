//! `COPY … TO` with options that make it more than one file: with `PARTITION_BY` a directory a value of the keys, with
//! files of the rows that have it; else files beside each other ([`crate::io::directory`]).

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, UInt32Array};
use parking_lot::{Condvar, Mutex};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Schema};
use crate::exec::cast::cast;
use crate::exec::error::{ExecError, Result};
use crate::exec::memory::parse_bytes;
use crate::exec::source::Sink;
use crate::io::directory::{DirectorySink, MakeSink, Numbered, Open, database_in, make_directory};
use crate::io::files::expand_home;
use crate::io::format::Format;
use crate::io::hive;
use crate::io::options::Options;

/// Each open partition holds a file and what it buffers.
const PARTITIONS_MAX: usize = 500;

/// Rows of a row group of Parquet, unless said otherwise.
pub(crate) const ROW_GROUP_ROWS: usize = 122_880;

/// The options that concern where files go, and their aliases.
const OPTIONS: [&str; 13] = [
    "append",
    "file_extension",
    "file_size_bytes",
    "filename_pattern",
    "hive_file_pattern",
    "overwrite",
    "overwrite_or_ignore",
    "partition_by",
    "per_thread_output",
    "preserve_order",
    "row_groups_per_file",
    "use_tmp_file",
    "write_partition_columns",
];

/// Those that a single file takes: it is written beside its place and takes that when it is whole, whatever is there; its
/// rows are in their order.
const OF_ONE_FILE: [&str; 5] =
    ["file_extension", "overwrite", "overwrite_or_ignore", "preserve_order", "use_tmp_file"];

/// Options of a statement as they were given.
type Given = (String, Scalar, LogicalType);

/// How rows are parted into files of a directory.
pub(crate) struct Partitioning {
    /// No columns where each file may have any row.
    keys: Vec<String>,
    write_keys: bool,
    /// The directory need not be empty.
    overwrite: bool,
    /// What is in the directory goes.
    clear: bool,
    /// Files that are there stay; new ones get other names.
    append: bool,
    pattern: String,
    extension: Option<String>,
    limit: Option<u64>,
    rows_max: Option<usize>,
    by_thread: bool,
    /// All files lie in the one directory.
    flat: bool,
}

impl Partitioning {
    /// Takes the options that concern partitions out of all; `None` if rows go to one file.
    pub fn take(format: Format, options: &[Given]) -> Result<(Option<Self>, Vec<Given>)> {
        let (ours, rest): (Vec<Given>, Vec<Given>) =
            options.iter().cloned().partition(|(name, ..)| OPTIONS.contains(&name.as_str()));
        let ours = Options::new("COPY TO", &ours, &OPTIONS)?;
        let keys = ours.list(&["partition_by"])?;
        let by_thread = ours.boolean(&["per_thread_output"])?.unwrap_or(false);
        let limit = match ours.text(&["file_size_bytes"]) {
            Ok(Some(size)) => {
                Some(parse_bytes(&size).ok_or_else(|| ours.bad("file_size_bytes", "must be a size"))?)
            }
            Ok(None) => None,
            Err(_) => ours.count(&["file_size_bytes"])?.map(|bytes| bytes as u64),
        };
        if limit == Some(0) {
            return Err(ours.bad("file_size_bytes", "must be more than 0"));
        }
        let rows_max = match ours.count(&["row_groups_per_file"])? {
            None => None,
            Some(0) => return Err(ours.bad("row_groups_per_file", "must be more than 0")),
            Some(groups) => Some(row_group_rows(format, &rest, &ours)?.saturating_mul(groups)),
        };
        if keys.is_none() && limit.is_none() && rows_max.is_none() && !by_thread {
            let needless = OPTIONS.iter().find(|name| {
                ours.has(&[name]) && !OF_ONE_FILE.contains(name) && **name != "per_thread_output"
            });
            if let Some(name) = needless {
                return Err(ours.bad(name, "needs \"partition_by\""));
            }
            return Ok((None, rest));
        }
        if keys.is_some() && by_thread {
            return Err(ExecError::Unsupported("PER_THREAD_OUTPUT and PARTITION_BY in one COPY".into()));
        }
        let given = |name: &str| -> Result<bool> { Ok(ours.boolean(&[name])?.unwrap_or(false)) };
        let (clear, keep, append) = (given("overwrite")?, given("overwrite_or_ignore")?, given("append")?);
        if [clear, keep, append].into_iter().filter(|given| *given).count() > 1 {
            return Err(ExecError::InvalidInput(
                "only one of OVERWRITE, OVERWRITE_OR_IGNORE and APPEND can be given".into(),
            ));
        }
        if keys.as_ref().is_some_and(Vec::is_empty) {
            return Err(ours.bad("partition_by", "needs at least one column"));
        }
        let partitioning = Self {
            keys: keys.unwrap_or_default(),
            write_keys: ours.boolean(&["write_partition_columns"])?.unwrap_or(false),
            overwrite: clear || keep,
            clear,
            append,
            pattern: ours.text(&["filename_pattern"])?.unwrap_or_else(|| "data_{i}".into()),
            extension: ours.text(&["file_extension"])?,
            limit,
            rows_max,
            by_thread,
            flat: ours.boolean(&["hive_file_pattern"])? == Some(false),
        };
        let names = [Some(&partitioning.pattern), partitioning.extension.as_ref()];
        if names.into_iter().flatten().any(|name| name.contains(['/', '\\'])) {
            return Err(ours.bad("filename_pattern", "must be a name"));
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
                "directory \"{path}\" is not empty; APPEND and OVERWRITE_OR_IGNORE write into it nevertheless, OVERWRITE deletes what is in it"
            )));
        }
        make_directory(&root)?;
        if self.clear && fs::canonicalize(&root).is_ok_and(|whole| whole.parent().is_none()) {
            return Err(ExecError::InvalidInput("OVERWRITE would delete all files there are".into()));
        }
        if self.clear
            && let Some(database) = database_in(&root)?
        {
            let database = database.display();
            return Err(ExecError::InvalidInput(format!("OVERWRITE would delete the database '{database}'")));
        }
        if self.append && !self.pattern.contains('{') {
            return Err(ExecError::InvalidInput(
                "\"append\" needs a \"filename_pattern\" with {i} or {uuid} in it".into(),
            ));
        }
        let extension = self.extension.as_deref().unwrap_or(extension);
        let files = Numbered {
            name: format!("{}.{extension}", self.pattern),
            append: self.append,
            only: self.clear.then(|| root.clone()),
            limit: self.limit,
            rows_max: self.rows_max,
            schema: written.iter().map(|i| schema[*i].clone()).collect(),
            make,
            begun: Mutex::default(),
        };
        if keys.is_empty() {
            return Ok(Arc::new(DirectorySink::new(path, root, files, self.by_thread)));
        }
        Ok(Arc::new(PartitionSink {
            name: format!("COPY_TO_FILE {path}"),
            root,
            files,
            flat: self.flat,
            schema: schema.clone(),
            keys,
            written,
            state: Mutex::new(State::default()),
            turn: Condvar::new(),
        }))
    }
}

/// The rows of a row group of a file of this format.
fn row_group_rows(format: Format, options: &[Given], ours: &Options) -> Result<usize> {
    if format != Format::Parquet {
        return Err(ours.bad("row_groups_per_file", "is for Parquet"));
    }
    let given: Vec<Given> = options.iter().filter(|(name, ..)| name == "row_group_size").cloned().collect();
    let rows = Options::new("COPY TO", &given, &["row_group_size"])?.count(&["row_group_size"])?;
    // What is no number of rows, the writer of the format says.
    Ok(rows.unwrap_or(ROW_GROUP_ROWS).max(1))
}

/// Parts rows and hands them on.
struct PartitionSink {
    name: String,
    root: PathBuf,
    files: Numbered,
    flat: bool,
    schema: Schema,
    keys: Vec<usize>,
    /// The columns that go to the files.
    written: Vec<usize>,
    state: Mutex<State>,
    turn: Condvar,
}

#[derive(Default)]
struct State {
    /// The piece whose turn it is: rows stay in order within a partition.
    next: u64,
    failed: bool,
    partitions: HashMap<Vec<Option<String>>, Partition>,
    /// Rows of files that are full.
    rows: u64,
}

struct Partition {
    directory: PathBuf,
    open: Option<Open>,
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
                    let directory = self.directory(&key)?;
                    state.partitions.insert(key.clone(), Partition { directory, open: None });
                }
                if let Some(partition) = state.partitions.get_mut(&key) {
                    state.rows += self.files.write(&mut partition.open, &partition.directory, rows)?;
                }
            }
        }
        Ok(())
    }

    /// Where the files of a partition lie.
    fn directory(&self, key: &[Option<String>]) -> Result<PathBuf> {
        let mut path = self.root.clone();
        if self.flat {
            return Ok(path);
        }
        for (place, value) in self.keys.iter().zip(key) {
            path.push(hive::directory(&self.schema[*place].name, value.as_deref()));
        }
        make_directory(&path)?;
        Ok(path)
    }

    fn fail(&self, state: &mut State) {
        state.failed = true;
        self.files.abort(state.partitions.drain().filter_map(|(_, p)| p.open));
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
        let open = state.partitions.drain().filter_map(|(_, p)| p.open).collect();
        let rows = self.files.finish(open);
        state.failed |= rows.is_err();
        Ok(state.rows + rows?)
    }

    fn files(&self) -> Option<Vec<String>> {
        Some(self.files.paths())
    }

    fn abort(&self) {
        self.fail(&mut self.state.lock());
    }
}
