//! Reading JSON files: what is known of them before, and the batches of each chunk.

use std::sync::Arc;

use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Field};
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::ColumnPredicate;
use crate::io::files::{FileList, Input};
use crate::io::json::columns::{Builder, Fields, Misfit, Misfits, Problem, Strictness, builder};
use crate::io::json::infer::Guesser;
use crate::io::json::lex::{Kind, Malformed, Tape};
use crate::io::json::options::{JsonOptions, Rows};
use crate::io::json::records::{Chunk, Chunks, Layout, Records, count_lines};
use crate::io::json::shape::Shape;
use crate::io::names::unique;
use crate::io::source::{Batches, FileFormat, FileScan};
use crate::io::text::{Text, ViewBuilder};

/// Rows of a batch.
const BATCH_ROWS: usize = 4096;
/// Bytes that one worker reads at a time.
const CHUNK_SIZE: usize = 4 << 20;
/// How much of a file is looked at to find its layout.
const LAYOUT_BYTES: usize = 256 << 10;
/// The most of a pipe that is looked at to guess types: it must be kept to be read.
const PIPE_SAMPLE_BYTES: usize = 16 << 20;

/// All that is known of some JSON files.
#[derive(Debug)]
pub(super) struct Json {
    files: FileList,
    options: JsonOptions,
    rows: Rows,
    /// The columns of the result: what each is called in the files, and what to make of its values.
    columns: Vec<(Box<str>, Shape)>,
    fields: Vec<Field>,
    /// Whether the columns were guessed.
    guessed: bool,
    estimated_rows: Option<u64>,
}

impl Json {
    /// Looks at as many of the files as types are guessed from.
    pub fn new(files: &FileList, options: JsonOptions) -> Result<Self> {
        let guessed = options.columns.is_none();
        let mut record_bytes = None;
        let mut shape = None;
        if guessed || options.rows.is_none() {
            let sample = sample(files, &options)?;
            record_bytes = sample.record_bytes;
            shape = sample.shape;
        }
        let is_struct = matches!(shape, Some(Shape::Struct(_)));
        let rows = match options.rows {
            Some(Rows::Records) if guessed && shape.is_some() && !is_struct => {
                return Err(ExecError::InvalidInput(format!(
                    "read_json expected records, but \"{}\" has other values; set records='auto' or records=false",
                    files.paths()[0]
                )));
            }
            Some(rows) => rows,
            None if is_struct => Rows::Records,
            None => Rows::Values,
        };
        let columns = match (&options.columns, shape) {
            (Some(given), _) => given
                .iter()
                .map(|f| (f.name.as_str().into(), Shape::of(&f.ty, &options.rules.formats)))
                .collect(),
            (None, Some(Shape::Struct(fields))) if rows == Rows::Records => fields,
            (None, shape) => vec![("json".into(), shape.unwrap_or(Shape::Plain(LogicalType::Json)))],
        };
        let mut names: Vec<String> = columns.iter().map(|(name, _)| name.to_string()).collect();
        if guessed {
            unique(&mut names);
        }
        let fields =
            names.into_iter().zip(&columns).map(|(n, (_, shape))| Field::new(n, shape.ty())).collect();
        let estimated_rows = record_bytes
            .filter(|_| files.size(0).is_some())
            .map(|bytes| (files.total_size() as f64 / bytes).ceil() as u64);
        Ok(Self { files: files.clone(), options, rows, columns, fields, guessed, estimated_rows })
    }
}

/// What a sample shows.
struct Sample {
    /// The shape of all records; `None` if there are none.
    shape: Option<Shape>,
    /// The average length of a record.
    record_bytes: Option<f64>,
}

/// Reads a sample of the records of all files together.
fn sample(files: &FileList, options: &JsonOptions) -> Result<Sample> {
    let mut guesser = Guesser::new(&options.rules);
    let (mut records, mut bytes) = (0_usize, 0_usize);
    let limit = options.sample_records.unwrap_or(usize::MAX);
    let mut left = limit;
    for file in 0..files.len() {
        if options.union_by_name {
            left = limit;
        } else if left == 0 || file >= options.sample_files {
            break;
        }
        let (n, length) = sample_file(files, file, options, &mut guesser, left)?;
        left -= n;
        records += n;
        bytes += length;
    }
    let record_bytes = (records > 0).then(|| bytes as f64 / records as f64);
    Ok(Sample { shape: guesser.finish(), record_bytes })
}

/// Takes up to `limit` records of one file; returns how many there were, and their length.
fn sample_file(
    files: &FileList,
    file: usize,
    options: &JsonOptions,
    guesser: &mut Guesser,
    limit: usize,
) -> Result<(usize, usize)> {
    let path = &files.paths()[file];
    let layout = layout_of(files, file, options)?;
    let (input, cut_off) = if files.size(file).is_some() {
        (files.open(file)?, false)
    } else {
        let head = files.head(file, PIPE_SAMPLE_BYTES)?;
        let cut_off = head.len() == PIPE_SAMPLE_BYTES;
        (Input::of_bytes(head), cut_off)
    };
    let mut chunks = Chunks::new(path, input, layout, CHUNK_SIZE, options.max_object_size);
    let mut tape = Tape::default();
    let (mut records, mut bytes) = (0, 0);
    while let Some(chunk) = chunks.next()? {
        let mut found = Records::new(layout, chunk.first, chunk.last);
        let (text, invalid) = text_of(chunk.bytes);
        while let Some(read) = found.next(&text.padded()[..text.len()], &mut tape) {
            match check_utf8(read, &tape, &text, &invalid) {
                Ok(_) => guesser.record(tape.root(text.padded())),
                Err(_) if options.ignore_errors && layout == Layout::Lines => {}
                Err((_, error)) if cut_off && chunk.last && error.ended => break,
                Err((start, error)) => {
                    let place = Place { path, layout, first_line: chunk.first_line };
                    return Err(place.malformed(&text, start, error));
                }
            }
            records += 1;
            if records == limit {
                return Ok((records, bytes + found.position()));
            }
        }
        bytes += text.len();
    }
    Ok((records, bytes))
}

/// How the records of a file lie.
fn layout_of(files: &FileList, file: usize, options: &JsonOptions) -> Result<Layout> {
    if let Some(layout) = options.layout {
        return Ok(layout);
    }
    let mut head = files.head(file, LAYOUT_BYTES)?;
    if head.starts_with(b"\xef\xbb\xbf") {
        head[..3].fill(b' ');
    }
    Ok(Layout::detect(&head, head.len() < LAYOUT_BYTES))
}

/// A chunk as text, and the places of bytes that are not UTF-8.
fn text_of(bytes: Vec<u8>) -> (Text, Vec<usize>) {
    let len = bytes.len();
    Text::new(bytes, len)
}

/// Makes a record with bytes that are not UTF-8 a malformed one.
fn check_utf8(
    read: Result<usize, (usize, Malformed)>,
    tape: &Tape,
    text: &Text,
    invalid: &[usize],
) -> Result<usize, (usize, Malformed)> {
    let start = read?;
    if !invalid.is_empty() {
        let end = tape.root(text.padded()).end();
        let next = invalid.partition_point(|at| *at < start);
        if let Some(at) = invalid.get(next).filter(|at| **at < end) {
            return Err((
                start,
                Malformed { at: *at, what: "invalid UTF-8 encoding in string", ended: false },
            ));
        }
    }
    Ok(start)
}

/// Where a chunk lies, for messages.
struct Place<'a> {
    path: &'a str,
    layout: Layout,
    first_line: u64,
}

impl Place<'_> {
    fn line(&self, text: &Text, at: usize) -> u64 {
        self.first_line + count_lines(&text.padded()[..at])
    }

    fn malformed(&self, text: &Text, start: usize, error: Malformed) -> ExecError {
        let at = error.at.min(text.len());
        let line_start = text.padded()[..at].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
        let hint = match self.layout {
            Layout::Lines if error.ended => {
                "; records that go on over several lines are read with format='unstructured'"
            }
            Layout::Lines => "; ignore_errors=true reads such lines as NULL",
            Layout::Stream | Layout::Array => "",
        };
        ExecError::InvalidInput(format!(
            "\"{}\", line {}: malformed JSON at byte {} of the line: {}: {}{hint}",
            self.path,
            self.line(text, at),
            at - line_start + 1,
            error.what,
            excerpt(text, start, text.len()),
        ))
    }

    fn misfit(&self, text: &Text, misfit: &Misfit, guessed: bool) -> ExecError {
        let value = excerpt(text, misfit.start, misfit.end);
        let what = match &misfit.problem {
            Problem::Type(ty) => format!("could not convert {value} to {ty}"),
            Problem::UnknownKey(key) => format!("the object {value} has a key \"{key}\" that no column has"),
            Problem::DuplicateKey(key) => format!("the object {value} has the key \"{key}\" twice"),
        };
        let hint = if guessed {
            "the types were guessed from a sample: raise sample_size, lower maximum_depth, give columns={…}, or set \
             ignore_errors=true"
        } else {
            "give other types, or set ignore_errors=true"
        };
        ExecError::InvalidInput(format!(
            "\"{}\", line {}: {what} ({hint})",
            self.path,
            self.line(text, misfit.start)
        ))
    }
}

/// The beginning of a piece of text, up to the end of its line, for messages.
fn excerpt(text: &Text, start: usize, end: usize) -> String {
    let piece = &text.padded()[start..end];
    let line_end = memchr::memchr2(b'\n', b'\r', piece).unwrap_or(piece.len());
    let line = String::from_utf8_lossy(&piece[..line_end]);
    match line.char_indices().nth(120) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line.into_owned(),
    }
}

impl FileFormat for Json {
    fn name(&self) -> &'static str {
        "READ_JSON"
    }

    fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn estimated_rows(&self) -> Option<u64> {
        self.estimated_rows
    }

    fn open(
        &self,
        file: usize,
        columns: &[usize],
        _predicates: &[ColumnPredicate],
        context: &Arc<ExecContext>,
    ) -> Result<Box<dyn FileScan>> {
        let layout = layout_of(&self.files, file, &self.options)?;
        // Small files are cut so that all workers have some of them.
        let size = self.files.size(file).unwrap_or(u64::MAX) as usize;
        let share = (size / (4 * context.threads.max(1))).max(64 << 10);
        let chunks = Chunks::new(
            &self.files.paths()[file],
            self.files.open(file)?,
            layout,
            CHUNK_SIZE.min(share),
            self.options.max_object_size,
        );
        // If not all columns are asked for, keys of no column are no concern.
        let strict = !self.options.ignore_errors;
        let whole = (0..self.columns.len()).all(|c| columns.contains(&c));
        let plan = ScanPlan {
            path: self.files.paths()[file].clone(),
            layout,
            rows: self.rows,
            columns: self.columns.clone(),
            chosen: columns.to_vec(),
            strictness: Strictness {
                unknown_keys: strict && self.guessed && whole && !self.options.union_by_name,
                duplicate_keys: strict,
            },
            ignore_errors: self.options.ignore_errors,
            guessed: self.guessed,
        };
        Ok(Box::new(JsonScan { plan: Arc::new(plan), chunks, context: context.clone() }))
    }
}

/// How to read one file.
#[derive(Debug)]
struct ScanPlan {
    path: String,
    layout: Layout,
    rows: Rows,
    columns: Vec<(Box<str>, Shape)>,
    /// The columns of a batch.
    chosen: Vec<usize>,
    strictness: Strictness,
    ignore_errors: bool,
    guessed: bool,
}

/// One file under way.
struct JsonScan {
    plan: Arc<ScanPlan>,
    chunks: Chunks,
    context: Arc<ExecContext>,
}

impl FileScan for JsonScan {
    fn next_piece(&mut self) -> Result<Option<Batches>> {
        match self.chunks.next()? {
            Some(chunk) => Ok(Some(Box::new(ChunkBatches::new(&self.plan, &self.context, chunk)?))),
            None => Ok(None),
        }
    }

    fn progress(&self) -> f64 {
        self.chunks.progress()
    }
}

/// The batches of a chunk.
struct ChunkBatches {
    plan: Arc<ScanPlan>,
    context: Arc<ExecContext>,
    /// Bytes accounted for.
    held: u64,
    /// What is still to be checked for UTF-8.
    unchecked: Option<Vec<u8>>,
    text: Option<Text>,
    invalid: Vec<usize>,
    first_line: u64,
    records: Records,
    tape: Tape,
}

impl ChunkBatches {
    fn new(plan: &Arc<ScanPlan>, context: &Arc<ExecContext>, chunk: Chunk) -> Result<Self> {
        let held = chunk.bytes.len() as u64;
        context.memory.grow(held)?;
        Ok(Self {
            plan: plan.clone(),
            context: context.clone(),
            held,
            first_line: chunk.first_line,
            records: Records::new(plan.layout, chunk.first, chunk.last),
            unchecked: Some(chunk.bytes),
            text: None,
            invalid: vec![],
            tape: Tape::default(),
        })
    }

    /// The next rows; a batch without any at the end.
    fn batch(&mut self, text: &Text) -> Result<Batch> {
        let plan = self.plan.clone();
        let mut rows = RowBuilder::new(&plan, text);
        let mut misfits = Misfits::default();
        let mut count = 0;
        while count < BATCH_ROWS {
            let Some(read) = self.records.next(&text.padded()[..text.len()], &mut self.tape) else { break };
            match check_utf8(read, &self.tape, text, &self.invalid) {
                Ok(_) => rows.push(&self.tape, text, &mut misfits),
                Err(_) if plan.ignore_errors && plan.layout == Layout::Lines => rows.push_null(),
                Err((start, error)) => return Err(self.place().malformed(text, start, error)),
            }
            count += 1;
        }
        let columns = rows.finish(&mut misfits);
        if let (Some(misfit), false) = (misfits.take(), plan.ignore_errors) {
            return Err(self.place().misfit(text, &misfit, plan.guessed));
        }
        Ok(Batch::new(columns?, count))
    }

    fn place(&self) -> Place<'_> {
        Place { path: &self.plan.path, layout: self.plan.layout, first_line: self.first_line }
    }
}

impl Iterator for ChunkBatches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = match (self.text.take(), self.unchecked.take()) {
            (Some(text), _) => text,
            (None, Some(bytes)) => {
                let (text, invalid) = text_of(bytes);
                self.invalid = invalid;
                text
            }
            (None, None) => return None,
        };
        match self.batch(&text) {
            Ok(batch) if batch.rows == 0 => None,
            Ok(batch) => {
                self.text = Some(text);
                Some(Ok(batch))
            }
            // Without its text it ends.
            Err(e) => Some(Err(e)),
        }
    }
}

impl Drop for ChunkBatches {
    fn drop(&mut self) {
        self.context.memory.shrink(self.held);
    }
}

/// Builds the columns of a batch.
struct RowBuilder<'t> {
    plan: &'t ScanPlan,
    columns: Columns<'t>,
}

enum Columns<'t> {
    /// Members of objects.
    Fields(Fields<'t>),
    /// Whole values; `None` if the column is not asked for.
    Values(Option<Box<dyn Builder + 't>>),
    /// Whole values as they stand.
    Raw(Option<ViewBuilder<'t>>, arrow_buffer::NullBufferBuilder),
}

impl<'t> RowBuilder<'t> {
    fn new(plan: &'t ScanPlan, text: &'t Text) -> Self {
        let build = |column: usize| {
            let chosen = plan.chosen.contains(&column);
            chosen.then(|| builder(&plan.columns[column].1, text, plan.strictness, BATCH_ROWS))
        };
        let columns = match plan.rows {
            Rows::Records => {
                let names: Vec<&str> = plan.columns.iter().map(|(name, _)| &**name).collect();
                let builders = (0..plan.columns.len()).map(build).collect();
                Columns::Fields(Fields::of(&names, builders, plan.strictness))
            }
            Rows::Values => Columns::Values(build(0)),
            Rows::Raw => Columns::Raw(
                plan.chosen.contains(&0).then(|| ViewBuilder::new(text, BATCH_ROWS)),
                arrow_buffer::NullBufferBuilder::new(BATCH_ROWS),
            ),
        };
        Self { plan, columns }
    }

    fn push(&mut self, tape: &Tape, text: &Text, misfits: &mut Misfits) {
        let value = tape.root(text.padded());
        match &mut self.columns {
            Columns::Fields(fields) => match value.kind() {
                Kind::Object => fields.push(value, misfits),
                Kind::Null => fields.push_nulls(),
                _ => {
                    misfits.note(value, || {
                        let columns = self.plan.columns.iter().map(|(name, s)| (name.clone(), s.ty()));
                        Problem::Type(LogicalType::Struct(columns.collect()))
                    });
                    fields.push_nulls();
                }
            },
            Columns::Values(Some(builder)) => builder.push(value, misfits),
            Columns::Raw(Some(views), nulls) => {
                views.push_piece(value.start(), value.end());
                nulls.append_non_null();
            }
            Columns::Values(None) | Columns::Raw(None, _) => {}
        }
    }

    fn push_null(&mut self) {
        match &mut self.columns {
            Columns::Fields(fields) => fields.push_nulls(),
            Columns::Values(Some(builder)) => builder.push_null(),
            Columns::Raw(Some(views), nulls) => {
                views.push_null();
                nulls.append_null();
            }
            Columns::Values(None) | Columns::Raw(None, _) => {}
        }
    }

    /// The columns in the order that was asked for.
    fn finish(self, misfits: &mut Misfits) -> Result<Vec<arrow_array::ArrayRef>> {
        let built: Vec<arrow_array::ArrayRef> = match self.columns {
            Columns::Fields(mut fields) => fields.finish(misfits)?,
            Columns::Values(Some(mut builder)) => vec![builder.finish(misfits)?],
            Columns::Raw(Some(views), mut nulls) => vec![Arc::new(views.finish(nulls.finish()))],
            Columns::Values(None) | Columns::Raw(None, _) => vec![],
        };
        // They come in the order of the file.
        let mut order = self.plan.chosen.clone();
        order.sort_unstable();
        order.dedup();
        let place = |column: &usize| order.binary_search(column).ok().and_then(|i| built.get(i)).cloned();
        self.plan
            .chosen
            .iter()
            .map(|c| place(c).ok_or_else(|| ExecError::Internal("a column without a builder".into())))
            .collect()
    }
}
