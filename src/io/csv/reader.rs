//! Reading CSV files: what is known of them before, and the batches of each chunk.

use std::cell::Cell;
use std::sync::Arc;

use arrow_array::{BooleanArray, new_null_array};
use arrow_select::filter::filter;

use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Field};
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::ColumnPredicate;
use crate::io::csv::chunk::{Chunk, Chunks, count_lines, decode_head, too_long};
use crate::io::csv::columns::ColumnReader;
use crate::io::csv::infer::Guesser;
use crate::io::csv::options::{CsvOptions, Types};
use crate::io::csv::rejects::{FileRejects, RecordProblem, ScannedFile};
use crate::io::csv::scan::{Dialect, Newline, PADDING, RecordError, Records, Scanner, Shape, Span, unescape};
use crate::io::csv::sniff::{Nulls, Sample, Sniffed, sniff};
use crate::io::files::FileList;
use crate::io::source::{Batches, FileFormat, FileScan};
use crate::io::strptime::Format as TimeFormat;

/// How much of a file is looked at to tell how its lines end.
pub(super) const NEWLINE_BYTES: usize = 1 << 16;
/// Rows of a batch.
const BATCH_ROWS: usize = 4096;
/// How much of a file is looked at to find its dialect.
const DIALECT_BYTES: usize = 256 << 10;
/// The most that is looked at to guess types, unless all of the file is asked for.
const MAX_SAMPLE_BYTES: usize = 64 << 20;

/// All that is known of some CSV files.
#[derive(Debug)]
pub(crate) struct Csv {
    files: FileList,
    options: CsvOptions,
    /// The columns of the result.
    columns: Vec<Column>,
    fields: Vec<Field>,
    /// What each file is like, as far as it had to be looked at.
    sniffed: Vec<Option<Sniffed>>,
    estimated_rows: Option<u64>,
}

/// A column of the result.
#[derive(Debug, Clone)]
struct Column {
    /// Its name in the files.
    name: String,
    guessed: bool,
    format: Option<TimeFormat>,
}

impl Csv {
    /// Looks at the first file, or at all of them if their columns are to be united.
    pub fn new(files: &FileList, options: CsvOptions) -> Result<Self> {
        let mut sniffed = vec![None; files.len()];
        let first = sniff_file(files, 0, &options)?;
        let mut merged = columns_of(&first, &options, files, 0)?;
        sniffed[0] = Some(first);
        if options.union_by_name {
            for (file, slot) in sniffed.iter_mut().enumerate().skip(1) {
                let found = sniff_file(files, file, &options)?;
                for (field, column) in columns_of(&found, &options, files, file)? {
                    match merged.iter_mut().find(|(f, _)| f.name.eq_ignore_ascii_case(&field.name)) {
                        Some((known, known_column)) => {
                            known.ty = wider(&known.ty, &field.ty);
                            if known_column.format != column.format {
                                known.ty = LogicalType::Varchar;
                                known_column.format = None;
                            }
                        }
                        None => merged.push((field, column)),
                    }
                }
                *slot = Some(found);
            }
        }
        if let Types::ByName(types) = &options.types {
            for (name, _) in types {
                if !merged.iter().any(|(f, _)| f.name.eq_ignore_ascii_case(name)) {
                    return Err(ExecError::InvalidInput(format!(
                        "there is no column \"{name}\" in \"{}\" to set the type of; there are: {}",
                        files.paths()[0],
                        merged.iter().map(|(f, _)| &f.name[..]).collect::<Vec<_>>().join(", ")
                    )));
                }
            }
        }
        for name in &options.force_not_null {
            if !merged.iter().any(|(f, _)| f.name.eq_ignore_ascii_case(name)) {
                return Err(ExecError::InvalidInput(format!(
                    "force_not_null names a column \"{name}\" that \"{}\" does not have; there are: {}",
                    files.paths()[0],
                    merged.iter().map(|(f, _)| &f.name[..]).collect::<Vec<_>>().join(", ")
                )));
            }
        }
        let record_bytes = sniffed[0].as_ref().map_or(1.0, |s| s.record_bytes).max(1.0);
        // Text shrinks to about a quarter.
        let compressed = files.size(0).is_some_and(|size| {
            crate::io::files::Compression::of_name(&files.paths()[0]) != crate::io::files::Compression::None
                && size > 0
        });
        let bytes = files.total_size() as f64 * if compressed { 4.0 } else { 1.0 };
        let known = files.size(0).is_some();
        let (fields, columns) = merged.into_iter().unzip();
        Ok(Self {
            files: files.clone(),
            estimated_rows: known.then(|| (bytes / record_bytes).ceil() as u64),
            options,
            columns,
            fields,
            sniffed,
        })
    }

    /// What was found out of a file.
    pub fn sniffed(&self, file: usize) -> Result<Sniffed> {
        match self.sniffed.get(file) {
            Some(Some(sniffed)) => Ok(sniffed.clone()),
            _ => sniff_file(&self.files, file, &self.options),
        }
    }

    /// The columns of the result, and the formats of their dates where they are not ISO's.
    pub fn columns(&self) -> impl Iterator<Item = (&Field, Option<&TimeFormat>)> {
        self.fields.iter().zip(&self.columns).map(|(field, column)| (field, column.format.as_ref()))
    }

    /// How to read the columns of the result from one file: for each its reader, or `None` if the file
    /// does not have it.
    fn readers(
        &self,
        file: usize,
        sniffed: &Sniffed,
        columns: &[usize],
    ) -> Result<Vec<Option<ColumnReader>>> {
        let path = &self.files.paths()[file];
        let by_position = self.options.columns.is_some() || file == 0 || !sniffed.header;
        if !self.options.union_by_name && by_position && sniffed.names.len() != self.fields.len() {
            return Err(ExecError::InvalidInput(format!(
                "\"{path}\" has {} columns, but {} are expected from \"{}\"; union_by_name=true reads files \
                 of different columns",
                sniffed.names.len(),
                self.fields.len(),
                self.files.paths()[0],
            )));
        }
        columns
            .iter()
            .map(|&c| {
                let (field, column) = (&self.fields[c], &self.columns[c]);
                let position = if by_position && !self.options.union_by_name {
                    Some(c)
                } else {
                    sniffed.names.iter().position(|n| n.eq_ignore_ascii_case(&column.name))
                };
                let Some(position) = position else {
                    if self.options.union_by_name {
                        return Ok(None);
                    }
                    return Err(ExecError::InvalidInput(format!(
                        "\"{path}\" has no column \"{}\", which \"{}\" has; union_by_name=true reads files of \
                         different columns",
                        column.name,
                        self.files.paths()[0]
                    )));
                };
                let forced = self.options.force_not_null.iter().any(|n| n.eq_ignore_ascii_case(&field.name));
                Ok(Some(ColumnReader {
                    position,
                    name: field.name.clone(),
                    ty: field.ty.clone(),
                    guessed: column.guessed,
                    format: column.format.clone(),
                    nulls: (!forced).then(|| Nulls::new(&self.options)),
                    style: self.options.number_style,
                }))
            })
            .collect()
    }
}

impl Csv {
    /// What a file was taken for.
    fn scanned(&self, file: usize, sniffed: &Sniffed) -> ScannedFile {
        let dialect = &sniffed.dialect;
        let head = self.files.head(file, NEWLINE_BYTES).unwrap_or_default();
        let used = |byte: Option<u8>| byte.filter(|b| head.contains(b));
        let quote = used(dialect.quote);
        let format = |is: fn(&LogicalType) -> bool| {
            let mut formats =
                self.columns().filter(|(field, _)| is(&field.ty)).filter_map(|(_, format)| format);
            formats.next().map(|format| format.text().to_owned())
        };
        ScannedFile {
            path: self.files.paths()[file].clone(),
            delimiter: String::from_utf8_lossy(dialect.delimiter.as_bytes()).into_owned(),
            quote,
            escape: dialect.escape.filter(|_| quote.is_some()),
            newline: dialect.newline.shown(&head),
            skip: sniffed.skip,
            header: sniffed.header,
            columns: self.fields.iter().map(|f| (f.name.clone(), f.ty.to_string())).collect(),
            dates: format(|ty| *ty == LogicalType::Date),
            timestamps: format(|ty| matches!(ty, LogicalType::Timestamp(_) | LogicalType::TimestampTz)),
        }
    }
}

impl FileFormat for Csv {
    fn name(&self) -> &'static str {
        "READ_CSV"
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
        let sniffed = match &self.sniffed[file] {
            Some(sniffed) => sniffed.clone(),
            None => sniff_file(&self.files, file, &self.options)?,
        };
        let readers = self.readers(file, &sniffed, columns)?;
        let types = columns.iter().map(|c| self.fields[*c].ty.clone()).collect();
        // Small files are cut so that all workers have some of them.
        let size = self.files.size(file).unwrap_or(u64::MAX) as usize;
        let share = (size / (4 * context.threads.max(1))).max(64 << 10);
        let chunk_size = self.options.chunk_size.min(share);
        let options = &self.options;
        let mut chunks = Chunks::new(
            &self.files.paths()[file],
            self.files.open(file)?,
            options.encoding,
            sniffed.dialect,
            chunk_size,
            options.max_record,
        );
        chunks.skip_lines(sniffed.skip)?;
        let names = match &options.columns {
            Some(columns) => columns.iter().map(|c| c.name.clone()).collect(),
            None => sniffed.names.clone(),
        };
        let rejects = options.rejects.as_ref().map(|rejects| {
            let scan = context.scan_numbers.of(self, &context.rejects);
            FileRejects::new(rejects, scan, file, self.scanned(file, &sniffed), context)
        });
        let plan = ScanPlan {
            names,
            rejects,
            path: self.files.paths()[file].clone(),
            dialect: sniffed.dialect,
            width: sniffed.names.len(),
            readers,
            types,
            ignore_errors: options.ignore_errors,
            null_padding: options.null_padding,
            max_record: options.max_record,
            sample_rows: options.sample_rows,
        };
        Ok(Box::new(CsvScan {
            plan: Arc::new(plan),
            chunks: Some(chunks),
            header: sniffed.header,
            parallel: options.parallel,
            context: context.clone(),
        }))
    }
}

/// Looks at the head of a file, or at all of it if all of it is to be sampled.
fn sniff_file(files: &FileList, file: usize, options: &CsvOptions) -> Result<Sniffed> {
    let read = |bytes: usize| -> Result<Sample> {
        let head = files.head(file, bytes)?;
        let complete = head.len() < bytes;
        Ok(Sample::new(decode_head(head, options.encoding, complete), complete))
    };
    let mut bytes = DIALECT_BYTES;
    let mut sniffed = sniff(&read(bytes)?, options)?;
    // Enough for the records that types are guessed from.
    let rows = options.sample_rows.unwrap_or(usize::MAX);
    let wanted = (sniffed.record_bytes * 1.1 * rows.min(1 << 40) as f64) as usize;
    let limit = if files.size(file).is_none() { MAX_SAMPLE_BYTES / 4 } else { MAX_SAMPLE_BYTES };
    let needs_types = !options.all_varchar && options.columns.is_none();
    if wanted > bytes && needs_types {
        bytes = wanted.min(limit);
        let sample = read(bytes)?;
        sniffed = sniff(&sample, options)?;
        if options.sample_rows.is_none() && files.size(file).is_some() {
            guess_from_all(files, file, options, &mut sniffed)?;
        }
    } else if sniffed.record_bytes > bytes as f64 / 4.0 {
        sniffed = sniff(&read((options.max_record * 2).clamp(bytes, MAX_SAMPLE_BYTES))?, options)?;
    }
    if !sniffed.is_header_text && options.columns.is_none() {
        // Nobody finds a column by a name that is made up in part; and what is no text may be no CSV at all.
        return Err(ExecError::InvalidInput(format!(
            "\"{}\", line {}: the names of its columns are not UTF-8: {} (set encoding='latin-1' or 'utf-16' if the \
             file is that, or header=false if these are no names)",
            files.paths()[file],
            sniffed.skip + 1,
            sniffed.names.join(", "),
        )));
    }
    Ok(sniffed)
}

/// Guesses types from all records.
fn guess_from_all(files: &FileList, file: usize, options: &CsvOptions, sniffed: &mut Sniffed) -> Result<()> {
    let width = sniffed.names.len();
    let mut guesser = Guesser::new(
        width,
        options.candidates.as_deref(),
        options.date_format.as_ref(),
        options.timestamp_format.as_ref(),
        options.number_style,
    );
    let nulls = Nulls::new(options);
    let mut chunks = Chunks::new(
        &files.paths()[file],
        files.open(file)?,
        options.encoding,
        sniffed.dialect,
        options.chunk_size,
        options.max_record,
    );
    chunks.skip_lines(sniffed.skip)?;
    let mut header = sniffed.header;
    let mut records = Records::default();
    let mut scratch = vec![];
    while let Some(chunk) = chunks.next()? {
        // Records of another width are reported when they are read.
        let shape = Shape { fields: Some(width), null_padding: true, max_record: usize::MAX };
        let mut scanner = Scanner::new(sniffed.dialect, shape);
        while scanner.position() < chunk.len {
            records.clear();
            let _bad = scanner.records(&chunk.bytes, chunk.len, BATCH_ROWS, &mut records);
            for row in records.spans.chunks_exact(width) {
                if std::mem::take(&mut header) {
                    continue;
                }
                for (column, span) in row.iter().enumerate() {
                    if !nulls.matches(*span, &chunk.bytes) {
                        let raw = &chunk.bytes[span.start()..span.end()];
                        if span.is_escaped() {
                            scratch.clear();
                            unescape(&sniffed.dialect, raw, &mut scratch);
                            guesser.value(column, &scratch);
                        } else {
                            guesser.value(column, raw);
                        }
                    }
                }
            }
        }
    }
    sniffed.guesses = (0..width).map(|c| guesser.guess(c)).collect();
    Ok(())
}

/// The columns of a file, with the types that the options set and guesses for the rest.
fn columns_of(
    sniffed: &Sniffed,
    options: &CsvOptions,
    files: &FileList,
    file: usize,
) -> Result<Vec<(Field, Column)>> {
    let mut out: Vec<(Field, Column)> = vec![];
    if options.names.len() > sniffed.names.len() {
        return Err(ExecError::InvalidInput(format!(
            "\"{}\" has {} columns, but {} names are given",
            files.paths()[file],
            sniffed.names.len(),
            options.names.len()
        )));
    }
    if let Some(given) = &options.columns {
        if given.len() != sniffed.names.len() {
            return Err(ExecError::InvalidInput(format!(
                "\"{}\" has {} columns, but {} are expected",
                files.paths()[file],
                sniffed.names.len(),
                given.len()
            )));
        }
        for (i, field) in given.iter().enumerate() {
            out.push((
                field.clone(),
                Column {
                    name: sniffed.names[i].clone(),
                    guessed: false,
                    format: time_format(&field.ty, options),
                },
            ));
        }
    } else {
        for (name, guess) in sniffed.names.iter().zip(&sniffed.guesses) {
            let ty = if options.all_varchar { LogicalType::Varchar } else { guess.ty.clone() };
            let format = if options.all_varchar { None } else { guess.format.clone() };
            out.push((Field::new(name, ty), Column { name: name.clone(), guessed: true, format }));
        }
    }
    let mut set = |i: usize, ty: &LogicalType| {
        let (field, column) = &mut out[i];
        if field.ty != *ty {
            field.ty = ty.clone();
            column.format = time_format(ty, options);
        }
        column.guessed = false;
    };
    match &options.types {
        Types::Guess => {}
        Types::ByPosition(types) if types.len() > sniffed.names.len() => {
            return Err(ExecError::InvalidInput(format!(
                "{} types are given, but \"{}\" has {} columns",
                types.len(),
                files.paths()[file],
                sniffed.names.len()
            )));
        }
        Types::ByPosition(types) => types.iter().enumerate().for_each(|(i, ty)| set(i, ty)),
        Types::ByName(types) => {
            for (name, ty) in types {
                let position = if options.columns.is_some() {
                    options
                        .columns
                        .as_ref()
                        .and_then(|c| c.iter().position(|f| f.name.eq_ignore_ascii_case(name)))
                } else {
                    sniffed.names.iter().position(|n| n.eq_ignore_ascii_case(name))
                };
                if let Some(i) = position {
                    set(i, ty);
                }
            }
        }
    }
    Ok(out)
}

/// The format that the options set for values of this type.
fn time_format(ty: &LogicalType, options: &CsvOptions) -> Option<TimeFormat> {
    match ty {
        LogicalType::Date => options.date_format.clone(),
        LogicalType::Timestamp(_) | LogicalType::TimestampTz => options.timestamp_format.clone(),
        _ => None,
    }
}

/// A type for columns of the same name in different files.
pub(crate) fn wider(a: &LogicalType, b: &LogicalType) -> LogicalType {
    use LogicalType as T;
    let numeric = [T::BigInt, T::HugeInt, T::Double];
    let temporal = [T::Date, crate::column::types::TIMESTAMP, T::TimestampTz];
    for family in [&numeric[..], &temporal[..]] {
        let place = |ty: &T| family.iter().position(|t| t == ty);
        if let (Some(a), Some(b)) = (place(a), place(b)) {
            return family[a.max(b)].clone();
        }
    }
    if a == b { a.clone() } else { T::Varchar }
}

/// How to read one file.
#[derive(Debug)]
struct ScanPlan {
    path: String,
    dialect: Dialect,
    width: usize,
    readers: Vec<Option<ColumnReader>>,
    types: Vec<LogicalType>,
    ignore_errors: bool,
    null_padding: bool,
    max_record: usize,
    sample_rows: Option<usize>,
    /// The names of the columns in the file.
    names: Vec<String>,
    /// Where what is left out is noted, if it is.
    rejects: Option<FileRejects>,
}

/// One file under way.
struct CsvScan {
    plan: Arc<ScanPlan>,
    /// `None` once a serial reader has taken them.
    chunks: Option<Chunks>,
    /// The next record is the header.
    header: bool,
    parallel: bool,
    context: Arc<ExecContext>,
}

impl FileScan for CsvScan {
    fn next_piece(&mut self) -> Result<Option<Batches>> {
        let header = std::mem::take(&mut self.header);
        if !self.parallel {
            let Some(mut chunks) = self.chunks.take() else { return Ok(None) };
            let (plan, context) = (self.plan.clone(), self.context.clone());
            let mut header = header;
            let mut current: Option<ChunkBatches> = None;
            return Ok(Some(Box::new(std::iter::from_fn(move || {
                loop {
                    if let Some(batch) = current.as_mut().and_then(Iterator::next) {
                        return Some(batch);
                    }
                    let chunk = chunks.next().transpose()?;
                    let next = chunk
                        .and_then(|c| ChunkBatches::new(&plan, &context, c, std::mem::take(&mut header)));
                    match next {
                        Ok(next) => current = Some(next),
                        Err(e) => return Some(Err(e)),
                    }
                }
            }))));
        }
        let Some(chunks) = &mut self.chunks else { return Ok(None) };
        match chunks.next()? {
            Some(chunk) => Ok(Some(Box::new(ChunkBatches::new(&self.plan, &self.context, chunk, header)?))),
            None => Ok(None),
        }
    }

    fn progress(&self) -> f64 {
        self.chunks.as_ref().map_or(0.0, Chunks::progress)
    }
}

/// The batches of a chunk.
struct ChunkBatches {
    plan: Arc<ScanPlan>,
    context: Arc<ExecContext>,
    /// Bytes accounted for.
    held: u64,
    chunk: Option<Chunk>,
    text: Option<crate::io::text::Text>,
    /// Positions of bytes that are not UTF-8.
    invalid: Vec<usize>,
    first_line: u64,
    first_byte: u64,
    /// A position and how many line breaks are before it, from where the next are counted.
    counted: Cell<(usize, u64)>,
    scanner: Scanner,
    records: Records,
    /// Skip the first record.
    header: bool,
    failed: bool,
}

impl ChunkBatches {
    fn new(plan: &Arc<ScanPlan>, context: &Arc<ExecContext>, chunk: Chunk, header: bool) -> Result<Self> {
        let held = chunk.bytes.len() as u64;
        context.memory.grow(held)?;
        let shape =
            Shape { fields: Some(plan.width), null_padding: plan.null_padding, max_record: plan.max_record };
        Ok(Self {
            plan: plan.clone(),
            context: context.clone(),
            held,
            first_line: chunk.first_line,
            first_byte: chunk.first_byte,
            counted: Cell::default(),
            chunk: Some(chunk),
            text: None,
            invalid: vec![],
            scanner: Scanner::new(plan.dialect, shape),
            records: Records::default(),
            header,
            failed: false,
        })
    }

    /// The line on which the record at this position begins.
    fn line(&self, text: &[u8], position: usize) -> u64 {
        let (from, before) = Some(self.counted.get()).filter(|(at, _)| *at <= position).unwrap_or_default();
        let lines = before + count_lines(&text[from..position], self.plan.dialect.newline);
        self.counted.set((position, lines));
        self.first_line + lines
    }

    /// The records of the next batch, those with errors left out or reported.
    fn fill(&mut self, text: &crate::io::text::Text) -> Result<()> {
        self.records.clear();
        loop {
            let max = BATCH_ROWS - self.records.len();
            let done = self.scanner.records(text.padded(), text.len(), max, &mut self.records);
            let Err((at, error)) = done else { return Ok(()) };
            if self.header && self.records.len() == 0 {
                // A header of another width is no error of a record, but it must not be skipped twice.
                self.header = false;
                continue;
            }
            if !self.plan.ignore_errors {
                return Err(self.record_error(text.padded(), text.len(), at, error));
            }
            if let Some(rejects) = &self.plan.rejects {
                self.reject_record(rejects, text, at, error)?;
            }
        }
    }

    /// The batch of the records at hand.
    fn batch(&mut self, text: &crate::io::text::Text) -> Result<Batch> {
        if std::mem::take(&mut self.header) && self.records.len() > 0 {
            self.records.spans.drain(..self.plan.width);
            self.records.starts.remove(0);
        }
        let rows = self.records.len();
        let mut bad_rows = self.invalid_rows(text)?;
        let mut columns = Vec::with_capacity(self.plan.readers.len());
        // The first bad value in the order of the file.
        let mut first_bad: Option<(usize, usize)> = None;
        let mut all_bad: Vec<(usize, usize)> = vec![];
        for (i, reader) in self.plan.readers.iter().enumerate() {
            let Some(reader) = reader else {
                columns.push(new_null_array(&self.plan.types[i].arrow(), rows));
                continue;
            };
            let mut bad = vec![];
            columns.push(reader.read(text, &self.plan.dialect, &self.records, self.plan.width, &mut bad)?);
            if let Some(row) = bad.first()
                && first_bad.is_none_or(|(r, _)| *row < r)
            {
                first_bad = Some((*row, i));
            }
            if self.plan.rejects.is_some() {
                all_bad.extend(bad.iter().map(|row| (*row, i)));
            }
            bad_rows.extend(bad);
        }
        if let Some(rejects) = &self.plan.rejects {
            all_bad.sort_unstable();
            self.reject_values(rejects, text, &all_bad)?;
        }
        if bad_rows.is_empty() {
            return Ok(Batch::new(columns, rows));
        }
        if let (false, Some((row, column))) = (self.plan.ignore_errors, first_bad) {
            return Err(self.value_error(text.padded(), row, column));
        }
        let mut keep = vec![true; rows];
        bad_rows.iter().for_each(|row| keep[*row] = false);
        let keep = BooleanArray::from(keep);
        let columns = columns.iter().map(|c| filter(c, &keep)).collect::<Result<_, _>>()?;
        Ok(Batch::new(columns, keep.true_count()))
    }

    /// The records at hand with bytes that are not UTF-8, or an error about the first.
    fn invalid_rows(&mut self, text: &crate::io::text::Text) -> Result<Vec<usize>> {
        let mut rows = vec![];
        if self.invalid.is_empty() {
            return Ok(rows);
        }
        let until = self.scanner.position();
        let starts = &self.records.starts;
        for at in self.invalid.iter().take_while(|at| **at < until) {
            let row = starts.partition_point(|s| *s as usize <= *at);
            // Bytes of records that were skipped do not matter, nor those behind the fields.
            let ends = |row: usize| {
                let fields = &self.records.spans[row * self.plan.width..(row + 1) * self.plan.width];
                fields.iter().map(|s| s.end()).max().unwrap_or(0)
            };
            if let Some(row) = row.checked_sub(1)
                && rows.last() != Some(&row)
                && *at < ends(row)
            {
                rows.push(row);
                if let Some(rejects) = &self.plan.rejects {
                    self.reject_encoding(rejects, text, row, *at)?;
                }
            }
        }
        if let (false, Some(row)) = (self.plan.ignore_errors, rows.first()) {
            let start = starts[*row] as usize;
            return Err(ExecError::InvalidInput(format!(
                "\"{}\", line {}: text that is not UTF-8: {} (set encoding='latin-1' or 'utf-16' if the file \
                 is that, or skip such lines with ignore_errors=true)",
                self.plan.path,
                self.line(text.padded(), start),
                self.excerpt(text.padded(), text.len(), start),
            )));
        }
        self.invalid.retain(|at| *at >= until);
        Ok(rows)
    }

    /// The first line of a record, for messages.
    fn excerpt(&self, text: &[u8], len: usize, start: usize) -> String {
        let rest = &text[start..len];
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = String::from_utf8_lossy(&rest[..end]);
        if line.chars().count() > 120 {
            format!("\"{}…\"", line.chars().take(120).collect::<String>())
        } else {
            format!("\"{line}\"")
        }
    }

    fn record_error(&self, text: &[u8], len: usize, at: usize, error: RecordError) -> ExecError {
        let line = self.line(text, at);
        let (path, expected) = (&self.plan.path, self.plan.width);
        let excerpt = self.excerpt(text, len, at);
        ExecError::InvalidInput(match error {
            RecordError::Fields(found) => format!(
                "\"{path}\", line {line}: expected {expected} columns, found {found}: {excerpt} \
                 ({}, or skip such lines with ignore_errors=true)",
                if found < expected {
                    "fill them up with NULL with null_padding=true"
                } else {
                    "drop the surplus with strict_mode=false"
                }
            ),
            RecordError::TextBehindQuote => format!(
                "\"{path}\", line {line}: text behind a closing quote: {excerpt} (read it as it stands with \
                 strict_mode=false, read quotes as text with quote='', or skip such lines with \
                 ignore_errors=true)"
            ),
            RecordError::Unterminated => format!(
                "\"{path}\", line {line}: a quote that is not closed: {excerpt} (read quotes as text with \
                 quote='', or skip such lines with ignore_errors=true)"
            ),
            RecordError::TooLong => return too_long(path, line, self.plan.max_record),
        })
    }

    /// Where a record ends, its line break aside.
    fn record_end(&self, text: &[u8], start: usize, next: usize) -> usize {
        let newline = self.plan.dialect.newline;
        let mut end = next;
        if end > start && text[end - 1] == newline.byte() {
            end -= 1;
            if newline == Newline::Lf && end > start && text[end - 1] == b'\r' {
                end -= 1;
            }
        }
        end
    }

    /// A problem with the record at `start`, that ends at `end`.
    fn problem<'a>(&self, text: &[u8], (start, end): (usize, usize), at: usize) -> RecordProblem<'a> {
        RecordProblem {
            line: self.line(text, start),
            line_position: self.first_byte + start as u64 + 1,
            position: self.first_byte + at as u64 + 1,
            column: None,
            name: None,
            kind: "INVALID STATE",
            record: String::from_utf8_lossy(&text[start..end]).into_owned(),
            message: String::new(),
        }
    }

    /// Notes a record that could not be read.
    fn reject_record(
        &self,
        rejects: &FileRejects,
        text: &crate::io::text::Text,
        start: usize,
        error: RecordError,
    ) -> Result<()> {
        let (bytes, width) = (text.padded(), self.plan.width);
        let end = self.record_end(bytes, start, self.scanner.position());
        let problem = |at| self.problem(bytes, (start, end), at);
        match error {
            RecordError::Fields(found) if found < width => {
                for missing in found..width {
                    rejects.add(RecordProblem {
                        column: Some(missing),
                        name: self.plan.names.get(missing).map(String::as_str),
                        kind: "MISSING COLUMNS",
                        message: format!("Expected Number of Columns: {width} Found: {missing}"),
                        ..problem(end)
                    })?;
                }
                Ok(())
            }
            RecordError::Fields(found) => {
                // Its fields once more, for the place of the first one too many.
                let shape = Shape { fields: None, null_padding: false, max_record: usize::MAX };
                let mut fields = Records::default();
                let mut scanner = Scanner::at(self.plan.dialect, shape, start);
                let _ = scanner.records(bytes, text.len(), 1, &mut fields);
                let before =
                    fields.spans.get(width - 1).map_or(start, |s| s.end() + usize::from(s.is_quoted()));
                rejects.add(RecordProblem {
                    column: Some(width + 1),
                    kind: "TOO MANY COLUMNS",
                    message: format!("Expected Number of Columns: {width} Found: {found}"),
                    ..problem(before)
                })
            }
            RecordError::TextBehindQuote => rejects
                .add(RecordProblem { message: "Text behind a closing quote.".into(), ..problem(start) }),
            RecordError::Unterminated => rejects.add(RecordProblem {
                kind: "UNQUOTED VALUE",
                message: "Value with unterminated quote found.".into(),
                ..problem(start)
            }),
            RecordError::TooLong => rejects.add(RecordProblem {
                kind: "LINE SIZE OVER MAXIMUM",
                message: format!(
                    "Maximum line size of {} bytes exceeded. Actual Size:{} bytes.",
                    self.plan.max_record,
                    self.scanner.position() - start
                ),
                ..problem(start)
            }),
        }
    }

    /// Where one of the records at hand begins and ends, and its fields.
    fn record_at(&self, text: &crate::io::text::Text, row: usize) -> ((usize, usize), &[Span]) {
        let start = self.records.starts[row] as usize;
        let shape = Shape { fields: None, null_padding: false, max_record: usize::MAX };
        let mut scanner = Scanner::at(self.plan.dialect, shape, start);
        let _ = scanner.records(text.padded(), text.len(), 1, &mut Records::default());
        let end = self.record_end(text.padded(), start, scanner.position());
        ((start, end), &self.records.spans[row * self.plan.width..(row + 1) * self.plan.width])
    }

    /// Notes values that are not of the types of their columns: rows and positions among the readers.
    fn reject_values(
        &self,
        rejects: &FileRejects,
        text: &crate::io::text::Text,
        bad: &[(usize, usize)],
    ) -> Result<()> {
        let mut raw = vec![];
        for &(row, reader) in bad {
            let Some(reader) = &self.plan.readers[reader] else { continue };
            let (record, fields) = self.record_at(text, row);
            let span = fields[reader.position];
            raw.clear();
            let value = &text.padded()[span.start()..span.end()];
            if span.is_escaped() {
                unescape(&self.plan.dialect, value, &mut raw);
            } else {
                raw.extend_from_slice(value);
            }
            rejects.add(RecordProblem {
                column: Some(reader.position + 1),
                name: Some(&reader.name),
                kind: "CAST",
                message: format!(
                    "Error when converting column \"{}\". Could not convert string \"{}\" to '{}'",
                    reader.name,
                    String::from_utf8_lossy(&raw),
                    reader.ty
                ),
                ..self.problem(text.padded(), record, span.start() - usize::from(span.is_quoted()))
            })?;
        }
        Ok(())
    }

    /// Notes a record with a byte, at `at`, that is not UTF-8.
    fn reject_encoding(
        &self,
        rejects: &FileRejects,
        text: &crate::io::text::Text,
        row: usize,
        at: usize,
    ) -> Result<()> {
        let (record, fields) = self.record_at(text, row);
        let column = fields.iter().position(|s| (s.start()..s.end()).contains(&at));
        rejects.add(RecordProblem {
            column: column.map(|c| c + 1),
            name: column.and_then(|c| self.plan.names.get(c)).map(String::as_str),
            kind: "INVALID ENCODING",
            message: "Invalid unicode (byte sequence mismatch) detected. This file is not utf-8 encoded."
                .into(),
            ..self.problem(text.padded(), record, at)
        })
    }

    fn value_error(&self, text: &[u8], row: usize, column: usize) -> ExecError {
        let reader = self.plan.readers[column].as_ref().expect("a column with values");
        let span = self.records.spans[row * self.plan.width + reader.position];
        let mut raw = vec![];
        if span.is_escaped() {
            unescape(&self.plan.dialect, &text[span.start()..span.end()], &mut raw);
        } else {
            raw.extend_from_slice(&text[span.start()..span.end()]);
        }
        let mut value: String = String::from_utf8_lossy(&raw).chars().take(121).collect();
        if value.chars().count() > 120 {
            value.pop();
            value.push('…');
        }
        let line = self.line(text, self.records.starts[row] as usize);
        let sampled = match self.plan.sample_rows {
            Some(n) => format!("; the type was guessed from the first {n} rows, sample_size=-1 looks at all"),
            None => String::new(),
        };
        ExecError::Conversion(format!(
            "\"{}\", line {line}, column \"{}\": could not convert \"{value}\" to {} (set another type with \
             types={{'{}': 'VARCHAR'}} or all_varchar=true, or skip such lines with ignore_errors=true{})",
            self.plan.path,
            reader.name,
            reader.ty,
            reader.name.replace('\'', "''"),
            if reader.guessed { &sampled } else { "" },
        ))
    }
}

impl Iterator for ChunkBatches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let text = match (self.text.take(), self.chunk.take()) {
            (Some(text), _) => text,
            (None, Some(chunk)) => {
                debug_assert!(chunk.bytes.len() >= chunk.len + PADDING);
                let (text, invalid) = crate::io::text::Text::new(chunk.bytes, chunk.len);
                self.invalid = invalid;
                text
            }
            (None, None) => return None,
        };
        while self.scanner.position() < text.len() {
            let batch = self.fill(&text).and_then(|()| self.batch(&text));
            match batch {
                // All records of it were skipped.
                Ok(batch) if batch.rows == 0 => {}
                Ok(batch) => {
                    self.context.counters.bytes_decoded.fetch_add(0, std::sync::atomic::Ordering::Relaxed);
                    self.text = Some(text);
                    return Some(Ok(batch));
                }
                Err(e) => {
                    self.failed = true;
                    return Some(Err(e));
                }
            }
        }
        None
    }
}

impl Drop for ChunkBatches {
    fn drop(&mut self) {
        self.context.memory.shrink(self.held);
    }
}
