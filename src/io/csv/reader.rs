//! Reading CSV files: what is known of them before.

use std::sync::Arc;

use crate::column::types::LogicalType;
use crate::exec::batch::Field;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::ColumnPredicate;
use crate::io::csv::batches::{BATCH_ROWS, CsvScan, ScanPlan};
use crate::io::csv::chunk::{Chunks, decode_head};
use crate::io::csv::columns::ColumnReader;
use crate::io::csv::infer::Guesser;
use crate::io::csv::options::{CsvOptions, Types};
use crate::io::csv::rejects::{FileRejects, ScannedFile};
use crate::io::csv::scan::{Records, Scanner, Shape, unescape};
use crate::io::csv::sniff::{Nulls, Sample, Sniffed, sniff};
use crate::io::files::FileList;
use crate::io::source::{FileFormat, FileScan};
use crate::io::strptime::Format as TimeFormat;

/// How much of a file is looked at to tell how its lines end.
pub(super) const NEWLINE_BYTES: usize = 1 << 16;
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
