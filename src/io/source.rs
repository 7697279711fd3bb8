//! A source over files: one after another in order, each cut into pieces that workers drain.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::column::predicate::{Predicate, Prune};
use crate::column::scalar::Scalar;
use crate::column::stats::ChunkStats;
use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Field, Schema};
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::{ColumnPredicate, Morsel, Source, SourceScan};
use crate::io::files::FileList;
use crate::io::hive::{self, FileColumn, HiveOptions};
use crate::io::options::Options;

/// Batches of one piece of a file, in order.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<Batch>> + Send>;

/// What a format knows of its files.
pub(crate) trait FileFormat: Send + Sync + fmt::Debug {
    /// The name of the reader for EXPLAIN: `READ_CSV`.
    fn name(&self) -> &'static str;

    /// The columns of all files together, without the file's name.
    fn fields(&self) -> &[Field];

    /// Columns that can be asked for beyond those, numbered behind them.
    fn hidden(&self) -> Vec<Field> {
        vec![]
    }

    /// The number of rows in all files, as far as it can be guessed.
    fn estimated_rows(&self) -> Option<u64>;

    /// Starts to read one file. `columns` are positions in `fields`; batches have exactly those.
    fn open(
        &self,
        file: usize,
        columns: &[usize],
        predicates: &[ColumnPredicate],
        context: &Arc<ExecContext>,
    ) -> Result<Box<dyn FileScan>>;
}

/// One file under way.
pub(crate) trait FileScan: Send {
    /// The next piece. Cheap: the work is done by whoever drains it.
    fn next_piece(&mut self) -> Result<Option<Batches>>;

    /// The share already handed out, 0 to 1.
    fn progress(&self) -> f64;

    /// How many pieces are still to come, where that is known.
    fn pieces_left(&self) -> Option<usize> {
        None
    }
}

/// The source of a reader of files.
#[derive(Debug)]
pub(crate) struct FileSource<F> {
    files: FileList,
    format: Arc<F>,
    schema: Schema,
    hidden: Vec<Field>,
    /// Where each column of the schema comes from, and then each hidden one.
    origins: Vec<Origin>,
}

/// The column with the name of the file, where no other has that name.
const FILENAME: &str = "filename";

/// Where a column comes from.
#[derive(Debug, Clone)]
enum Origin {
    /// From inside the files: a position in the format's fields.
    Format(usize),
    /// From their names.
    Name(Arc<FileColumn>),
}

/// What a source adds to the columns of its format.
#[derive(Debug, Clone)]
pub(crate) struct FileColumns {
    filename: Option<String>,
    hive: HiveOptions,
}

impl FileColumns {
    /// What the options of a reader say.
    pub fn new(options: &Options) -> Result<Self> {
        Ok(Self { filename: options.filename()?, hive: HiveOptions::new(options)? })
    }

    /// For a reader that fills a table, which has exactly its columns.
    pub fn for_target(mut self, target: Option<&[Field]>) -> Self {
        if target.is_some() {
            self.hive = HiveOptions::off();
        }
        self
    }
}

impl<F: FileFormat + 'static> FileSource<F> {
    /// A source of these files.
    pub fn new(files: FileList, format: F, columns: &FileColumns) -> Result<Arc<dyn Source>> {
        let mut fields = format.fields().to_vec();
        let mut origins: Vec<Origin> = (0..fields.len()).map(Origin::Format).collect();
        let named = |name: &str| FileColumn {
            name: name.to_owned(),
            ty: LogicalType::Varchar,
            values: files.paths().iter().map(Scalar::text).collect(),
        };
        let filename = columns.filename.as_deref().map(named);
        let keys = hive::columns(files.paths(), &columns.hive)?;
        for column in filename.into_iter().chain(keys) {
            let column = Arc::new(column);
            let field = Field::new(&column.name, column.ty.clone());
            // A key hides a column of its name.
            match fields.iter().position(|f| f.name.eq_ignore_ascii_case(&column.name)) {
                Some(place) => {
                    fields[place] = field;
                    origins[place] = Origin::Name(column);
                }
                None => {
                    fields.push(field);
                    origins.push(Origin::Name(column));
                }
            }
        }
        let is_taken = |name: &str| fields.iter().any(|f| f.name.eq_ignore_ascii_case(name));
        let mut hidden = vec![];
        for (i, field) in format.hidden().into_iter().enumerate().filter(|(_, f)| !is_taken(&f.name)) {
            origins.push(Origin::Format(format.fields().len() + i));
            hidden.push(field);
        }
        if columns.filename.is_none() && !is_taken(FILENAME) {
            origins.push(Origin::Name(Arc::new(named(FILENAME))));
            hidden.push(Field::new(FILENAME, LogicalType::Varchar));
        }
        Ok(Arc::new(Self { files, format: Arc::new(format), schema: fields.into(), hidden, origins }))
    }
}

impl<F: FileFormat + 'static> Source for FileSource<F> {
    fn describe(&self) -> String {
        let paths = self.files.paths();
        match paths {
            [one] => format!("{} {one}", self.format.name()),
            _ => format!("{} {} and {} more", self.format.name(), paths[0], paths.len() - 1),
        }
    }

    fn schema(&self) -> Schema {
        self.schema.clone()
    }

    fn hidden(&self) -> Vec<Field> {
        self.hidden.clone()
    }

    fn estimated_rows(&self) -> Option<u64> {
        self.format.estimated_rows()
    }

    fn scan(
        &self,
        columns: &[usize],
        predicates: &[ColumnPredicate],
        context: &Arc<ExecContext>,
    ) -> Result<Box<dyn SourceScan>> {
        let mut inside = vec![];
        let mut names = vec![];
        for (place, column) in columns.iter().enumerate() {
            match &self.origins[*column] {
                Origin::Format(c) => inside.push(*c),
                Origin::Name(column) => names.push((place, column.clone())),
            }
        }
        let mut conditions = vec![];
        let mut wanted = vec![true; self.files.len()];
        for predicate in predicates {
            match &self.origins[predicate.column] {
                Origin::Format(column) => {
                    conditions
                        .push(ColumnPredicate { column: *column, predicate: predicate.predicate.clone() });
                }
                Origin::Name(column) => {
                    for (wanted, value) in wanted.iter_mut().zip(&column.values) {
                        *wanted &= may_match(value, &predicate.predicate);
                    }
                }
            }
        }
        Ok(Box::new(FilesScan {
            files: self.files.clone(),
            format: self.format.clone(),
            columns: inside,
            names,
            wanted,
            predicates: conditions,
            context: context.clone(),
            state: Mutex::new(State { file: 0, current: None, sequence: 0 }),
        }))
    }
}

/// Whether a row with this value may satisfy the condition.
fn may_match(value: &Scalar, predicate: &Predicate) -> bool {
    let known = (!value.is_null()).then(|| value.clone());
    let one = ChunkStats {
        rows: 1,
        nulls: u64::from(value.is_null()),
        min: known.clone(),
        max: known,
        min_exact: true,
        max_exact: true,
        ..ChunkStats::default()
    };
    one.prune(predicate) != Prune::None
}

/// A scan over the files.
struct FilesScan<F> {
    files: FileList,
    format: Arc<F>,
    columns: Vec<usize>,
    /// Columns that come from the names of files, and where in the output they go, in order.
    names: Vec<(usize, Arc<FileColumn>)>,
    /// The files that may have rows that are wanted.
    wanted: Vec<bool>,
    predicates: Vec<ColumnPredicate>,
    context: Arc<ExecContext>,
    state: Mutex<State>,
}

struct State {
    /// The file under way, or the next one.
    file: usize,
    current: Option<Box<dyn FileScan>>,
    sequence: u64,
}

impl<F: FileFormat> SourceScan for FilesScan<F> {
    fn next_morsel(&self) -> Result<Option<Morsel>> {
        self.context.check_cancelled()?;
        let mut state = self.state.lock();
        loop {
            if state.file == self.files.len() {
                return Ok(None);
            }
            if state.current.is_none() {
                if !self.wanted[state.file] {
                    state.file += 1;
                    continue;
                }
                let opened = self.format.open(state.file, &self.columns, &self.predicates, &self.context);
                if opened.is_err() {
                    state.file = self.files.len();
                }
                state.current = Some(opened?);
            }
            let Some(current) = &mut state.current else { continue };
            match current.next_piece() {
                Ok(Some(batches)) => {
                    let sequence = state.sequence;
                    state.sequence += 1;
                    return Ok(Some(Morsel { sequence, batches: self.finish(state.file, batches) }));
                }
                Ok(None) => {
                    state.current = None;
                    state.file += 1;
                }
                Err(e) => {
                    // Nothing comes after an error.
                    state.current = None;
                    state.file = self.files.len();
                    return Err(e);
                }
            }
        }
    }

    fn morsels_left(&self) -> Option<usize> {
        // Whoever holds the lock is about to hand something out.
        let state = self.state.try_lock()?;
        if state.file == self.files.len() {
            return Some(0);
        }
        if state.file + 1 < self.files.len() {
            return None;
        }
        state.current.as_ref()?.pieces_left()
    }

    fn progress(&self) -> Option<f64> {
        let state = self.state.lock();
        let current = state.current.as_ref().map_or(0.0, |c| c.progress());
        let total = self.files.total_size() as f64;
        if total == 0.0 {
            return None;
        }
        let done: u64 = (0..state.file).filter_map(|f| self.files.size(f)).sum();
        let here = if state.file < self.files.len() { self.files.size(state.file)? as f64 } else { 0.0 };
        Some(((done as f64 + here * current) / total).min(1.0))
    }
}

impl<F> FilesScan<F> {
    /// Adds the columns that come from the file's name, and the checks that every batch wants.
    fn finish(&self, file: usize, batches: Batches) -> Batches {
        let context = self.context.clone();
        let names = self.names.clone();
        Box::new(batches.map(move |batch| {
            context.check_cancelled()?;
            let mut batch = batch?;
            for (place, column) in &names {
                let values = column.values[file]
                    .to_array(&column.ty, batch.rows)
                    .map_err(|e| ExecError::Internal(e.to_string()))?;
                batch.columns.insert(*place, values);
            }
            Ok(batch)
        }))
    }
}
