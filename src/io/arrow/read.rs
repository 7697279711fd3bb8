//! Reading: one record batch after another, brought into our layouts by whoever drains it.

use std::fs::File;
use std::io::{BufReader, Chain, Cursor, Read};
use std::sync::Arc;

use arrow_array::{RecordBatch, new_null_array};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, Schema as ArrowSchema};

use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Field};
use crate::exec::cast::{can_cast, cast};
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::ColumnPredicate;
use crate::io::files::{FileList, Input};
use crate::io::foreign::{conform, guard};
use crate::io::source::{Batches, FileFormat, FileScan};

/// The first bytes of a file that is no stream.
const FILE_MAGIC: &[u8] = b"ARROW1";
/// They are followed by zeros up to this length.
const FILE_MAGIC_PADDED: usize = 8;

/// All that is known of some Arrow files.
#[derive(Debug)]
pub(super) struct Arrow {
    files: FileList,
    fields: Vec<Field>,
    union_by_name: bool,
    /// Columns of a target table are matched by position, not by name.
    by_position: bool,
}

impl Arrow {
    /// Reads the schema of the first file, or of all if their columns are to be united.
    pub fn new(files: &FileList, union_by_name: bool, target: Option<&[Field]>) -> Result<Self> {
        let mut fields = schema_of(files, 0)?;
        if union_by_name {
            for file in 1..files.len() {
                for field in schema_of(files, file)? {
                    match fields.iter_mut().find(|f| f.name.eq_ignore_ascii_case(&field.name)) {
                        Some(known) if known.ty != field.ty => known.ty = LogicalType::Varchar,
                        Some(_) => {}
                        None => fields.push(field),
                    }
                }
            }
        }
        if let Some(target) = target {
            if target.len() != fields.len() {
                return Err(ExecError::InvalidInput(format!(
                    "\"{}\" has {} columns, but the table has {}",
                    files.paths()[0],
                    fields.len(),
                    target.len()
                )));
            }
            fields = target.to_vec();
        }
        Ok(Self { files: files.clone(), fields, union_by_name, by_position: target.is_some() })
    }

    /// Where a file of these columns has a column of the result.
    fn position(&self, path: &str, own: &[Field], column: usize) -> Result<Option<usize>> {
        let field = &self.fields[column];
        let found = if self.by_position {
            (column < own.len()).then_some(column)
        } else {
            own.iter()
                .position(|f| f.name == field.name)
                .or_else(|| own.iter().position(|f| f.name.eq_ignore_ascii_case(&field.name)))
        };
        match found {
            Some(p) if !can_cast(&own[p].ty, &field.ty) => Err(ExecError::InvalidInput(format!(
                "column \"{}\" of \"{path}\" is {}, which cannot become {}",
                own[p].name, own[p].ty, field.ty
            ))),
            None if !self.union_by_name => Err(ExecError::InvalidInput(format!(
                "\"{path}\" has no column \"{}\", which \"{}\" has; union_by_name=true reads files of different \
                 columns",
                field.name,
                self.files.paths()[0]
            ))),
            found => Ok(found),
        }
    }
}

/// A file or stream that is being read.
enum Reader {
    File(FileReader<BufReader<File>>),
    Stream(StreamReader<Chain<Cursor<Vec<u8>>, Input>>),
}

impl Reader {
    fn open(files: &FileList, file: usize) -> Result<Self> {
        let path = &files.paths()[file];
        let is_file = files.head(file, FILE_MAGIC.len())? == FILE_MAGIC;
        if is_file && files.size(file).is_some() {
            let (handle, _) = files.open_seekable(file)?;
            let reader = foreign(path, || FileReader::try_new_buffered(handle, None))?;
            return Ok(Self::File(reader));
        }
        let mut input = files.open(file)?;
        if is_file {
            // Its end cannot be read first, as that of a file would be; but behind its magic it begins as a stream.
            foreign(path, || Ok(input.read_exact(&mut [0; FILE_MAGIC_PADDED])?))?;
        }
        // Writers pad the magic to as many bytes as they align buffers to: words of zeros.
        let mut word = [0; 8];
        while is_file && word == [0; 8] {
            foreign(path, || Ok(input.read_exact(&mut word)?))?;
        }
        let begun = Cursor::new(if is_file { word.to_vec() } else { vec![] });
        Ok(Self::Stream(foreign(path, || StreamReader::try_new(begun.chain(input), None))?))
    }

    fn schema(&self) -> Arc<ArrowSchema> {
        match self {
            Self::File(reader) => reader.schema(),
            Self::Stream(reader) => reader.schema(),
        }
    }

    fn next(&mut self) -> Option<Result<RecordBatch, ArrowError>> {
        match self {
            Self::File(reader) => reader.next(),
            Self::Stream(reader) => reader.next(),
        }
    }
}

/// Runs the crate's code; what goes wrong in it is an error of the file.
fn foreign<T>(path: &str, run: impl FnOnce() -> Result<T, ArrowError>) -> Result<T> {
    let failed = |what: &str| ExecError::Io(format!("\"{path}\" is not valid Arrow IPC: {what}"));
    match guard(run) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(e)) => Err(failed(&e.to_string())),
        Err(panic) => Err(failed(&panic)),
    }
}

/// The columns of a file.
fn columns_of(path: &str, schema: &ArrowSchema) -> Result<Vec<Field>> {
    let field = |f: &Arc<arrow_schema::Field>| match LogicalType::from_arrow(f.data_type()) {
        // A column of NULLs has the type that a table would give it.
        Some(LogicalType::Null) => Ok(Field::new(f.name(), LogicalType::Integer)),
        Some(ty) => Ok(Field::new(f.name(), ty)),
        None => Err(ExecError::Unsupported(format!(
            "\"{path}\": column \"{}\" has the type {}, which is not supported",
            f.name(),
            f.data_type()
        ))),
    };
    schema.fields().iter().map(field).collect()
}

fn schema_of(files: &FileList, file: usize) -> Result<Vec<Field>> {
    let path = &files.paths()[file];
    if files.size(file).is_some() {
        return columns_of(path, &Reader::open(files, file)?.schema());
    }
    // A pipe can be opened once; its schema is in its head.
    let head = files.head(file, 1 << 20)?;
    let stream = match head.strip_prefix(FILE_MAGIC) {
        Some(rest) => &rest[rest.iter().take_while(|b| **b == 0).count()..],
        None => &head[..],
    };
    let reader = foreign(path, || StreamReader::try_new(stream, None))?;
    columns_of(path, &reader.schema())
}

impl FileFormat for Arrow {
    fn name(&self) -> &'static str {
        "READ_ARROW"
    }

    fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn estimated_rows(&self) -> Option<u64> {
        None
    }

    fn open(
        &self,
        file: usize,
        columns: &[usize],
        _predicates: &[ColumnPredicate],
        _context: &Arc<ExecContext>,
    ) -> Result<Box<dyn FileScan>> {
        let path = self.files.paths()[file].clone();
        let reader = Reader::open(&self.files, file)?;
        let own = columns_of(&path, &reader.schema())?;
        let outputs = columns
            .iter()
            .map(|c| {
                let from = self.position(&path, &own, *c)?.map(|p| (p, own[p].ty.clone()));
                Ok(Output { from, to: self.fields[*c].ty.clone() })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Box::new(ArrowScan { path, reader, outputs: outputs.into(), batches: 0 }))
    }
}

/// A column of the result.
#[derive(Debug)]
struct Output {
    /// Its place and type in the file, if the file has it.
    from: Option<(usize, LogicalType)>,
    to: LogicalType,
}

/// One file under way.
struct ArrowScan {
    path: String,
    reader: Reader,
    outputs: Arc<[Output]>,
    batches: usize,
}

impl FileScan for ArrowScan {
    fn next_piece(&mut self) -> Result<Option<Batches>> {
        let Some(batch) = foreign(&self.path, || self.reader.next().transpose())? else { return Ok(None) };
        self.batches += 1;
        let outputs = self.outputs.clone();
        Ok(Some(Box::new(std::iter::once_with(move || convert(&batch, &outputs)))))
    }

    fn progress(&self) -> f64 {
        match &self.reader {
            Reader::File(reader) => self.batches as f64 / reader.num_batches().max(1) as f64,
            Reader::Stream(reader) => reader.get_ref().get_ref().1.progress().unwrap_or(0.0),
        }
    }
}

/// A batch in our layouts.
fn convert(batch: &RecordBatch, outputs: &[Output]) -> Result<Batch> {
    let rows = batch.num_rows();
    let columns = outputs.iter().map(|output| match &output.from {
        None => Ok(new_null_array(&output.to.arrow(), rows)),
        Some((place, ty)) => cast(&conform(batch.column(*place), ty)?, ty, &output.to, false),
    });
    Ok(Batch::new(columns.collect::<Result<_>>()?, rows))
}
