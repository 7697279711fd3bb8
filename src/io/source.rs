//! A source over files: one after another in order, each cut into pieces that workers drain.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Field, Schema};
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::source::{ColumnPredicate, Morsel, Source, SourceScan};
use crate::io::files::FileList;

/// Batches of one piece of a file, in order.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<Batch>> + Send>;

/// What a format knows of its files.
pub(crate) trait FileFormat: Send + Sync + fmt::Debug {
    /// The name of the reader for EXPLAIN: `READ_CSV`.
    fn name(&self) -> &'static str;

    /// The columns of all files together, without the file's name.
    fn fields(&self) -> &[Field];

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
    /// Whether the last column is the name of the file.
    filename: bool,
}

impl<F: FileFormat + 'static> FileSource<F> {
    /// A source of these files. With `filename` each row has the name of its file as last column.
    pub fn new(files: FileList, format: F, filename: Option<&str>) -> Arc<dyn Source> {
        let mut fields = format.fields().to_vec();
        if let Some(name) = filename {
            fields.push(Field::new(name, LogicalType::Varchar));
        }
        let filename = filename.is_some();
        Arc::new(Self { files, format: Arc::new(format), schema: fields.into(), filename })
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

    fn estimated_rows(&self) -> Option<u64> {
        self.format.estimated_rows()
    }

    fn scan(
        &self,
        columns: &[usize],
        predicates: &[ColumnPredicate],
        context: &Arc<ExecContext>,
    ) -> Result<Box<dyn SourceScan>> {
        let filename_column = if self.filename { self.schema.len() - 1 } else { usize::MAX };
        let filename_places: Vec<usize> =
            (0..columns.len()).filter(|i| columns[*i] == filename_column).collect();
        let columns = columns.iter().copied().filter(|c| *c != filename_column).collect();
        let predicates = predicates.iter().filter(|p| p.column != filename_column).cloned().collect();
        Ok(Box::new(FilesScan {
            files: self.files.clone(),
            format: self.format.clone(),
            columns,
            filename_places,
            predicates,
            context: context.clone(),
            state: Mutex::new(State { file: 0, current: None, sequence: 0 }),
        }))
    }
}

/// A scan over the files.
struct FilesScan<F> {
    files: FileList,
    format: Arc<F>,
    columns: Vec<usize>,
    /// Where in the output the name of the file goes.
    filename_places: Vec<usize>,
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
    /// Adds the file's name, and the checks that every batch wants.
    fn finish(&self, file: usize, batches: Batches) -> Batches {
        let context = self.context.clone();
        let places = self.filename_places.clone();
        let name = Scalar::text(&self.files.paths()[file]);
        Box::new(batches.map(move |batch| {
            context.check_cancelled()?;
            let mut batch = batch?;
            for place in &places {
                let names = name
                    .to_array(&LogicalType::Varchar, batch.rows)
                    .map_err(|e| crate::exec::error::ExecError::Internal(e.to_string()))?;
                batch.columns.insert(*place, names);
            }
            Ok(batch)
        }))
    }
}
