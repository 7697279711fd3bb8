//! The options of the CSV reader, by DuckDB's names.

use crate::column::types::LogicalType;
use crate::exec::batch::Field;
use crate::exec::error::{ExecError, Result};
use crate::io::csv::dialect::{Delimiter, Newline};
use crate::io::csv::infer::is_candidate;
use crate::io::csv::rejects::RejectOptions;
use crate::io::files::Compression;
use crate::io::format::Format;
use crate::io::options::Options;
use crate::io::parse::NumberStyle;
use crate::io::strptime;
use crate::io::type_name;

/// All names, aliases included.
pub(crate) const READ_OPTIONS: &[&str] = &[
    "all_varchar",
    "allow_quoted_nulls",
    "auto_detect",
    "auto_type_candidates",
    "buffer_size",
    "column_names",
    "column_types",
    "columns",
    "comment",
    "compression",
    "dateformat",
    "date_format",
    "decimal_separator",
    "delim",
    "delimiter",
    "dtypes",
    "encoding",
    "escape",
    "filename",
    "hive_partitioning",
    "hive_types",
    "hive_types_autocast",
    "force_not_null",
    "header",
    "ignore_errors",
    "max_line_size",
    "maximum_line_size",
    "names",
    "new_line",
    "normalize_names",
    "null",
    "null_padding",
    "nullstr",
    "parallel",
    "quote",
    "rejects_limit",
    "rejects_scan",
    "rejects_table",
    "sample_size",
    "sep",
    "skip",
    "store_rejects",
    "strict_mode",
    "thousands",
    "timestampformat",
    "timestamp_format",
    "types",
    "union_by_name",
];

/// Rows that types are guessed from, unless said otherwise.
pub(crate) const SAMPLE_ROWS: usize = 20_480;
/// The longest record in bytes, unless said otherwise.
const MAX_LINE_SIZE: usize = 2 << 20;
/// Bytes that one worker parses at a time, unless said otherwise.
const CHUNK_SIZE: usize = 4 << 20;

/// How the bytes of a file are to be read as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// UTF-8.
    Utf8,
    /// ISO 8859-1.
    Latin1,
    /// UTF-16 with a byte order mark, else little-endian.
    Utf16,
}

/// Types that are set by hand.
#[derive(Debug, Clone)]
pub(crate) enum Types {
    /// None.
    Guess,
    /// Of the columns with these names.
    ByName(Vec<(String, LogicalType)>),
    /// Of the first columns.
    ByPosition(Vec<LogicalType>),
}

/// The options, checked. What is `None` is found out from the file.
#[derive(Debug, Clone)]
pub(crate) struct CsvOptions {
    pub delimiter: Option<Delimiter>,
    /// `Some(None)`: no quotes.
    pub quote: Option<Option<u8>>,
    pub escape: Option<Option<u8>>,
    pub comment: Option<Option<u8>>,
    pub newline: Option<Newline>,
    pub header: Option<bool>,
    pub skip: Option<usize>,
    /// All columns, in order; their names need not be those of the header.
    pub columns: Option<Vec<Field>>,
    pub names: Vec<String>,
    pub types: Types,
    pub all_varchar: bool,
    /// Whether anything may be found out from the file.
    pub auto_detect: bool,
    /// Rows to guess types from; `None` for all.
    pub sample_rows: Option<usize>,
    /// Types that may be guessed; `None` for all.
    pub candidates: Option<Vec<LogicalType>>,
    pub null_strings: Vec<Vec<u8>>,
    pub quoted_nulls: bool,
    pub force_not_null: Vec<String>,
    pub date_format: Option<strptime::Format>,
    pub timestamp_format: Option<strptime::Format>,
    pub number_style: NumberStyle,
    pub ignore_errors: bool,
    /// Where what is left out for errors goes.
    pub rejects: Option<RejectOptions>,
    pub strict: bool,
    pub null_padding: bool,
    pub max_record: usize,
    pub normalize_names: bool,
    pub union_by_name: bool,
    pub encoding: Encoding,
    pub compression: Option<Compression>,
    pub parallel: bool,
    pub chunk_size: usize,
}

impl CsvOptions {
    /// Checks the options. `target` are the columns of a table that a `COPY FROM` fills.
    pub fn new(options: &Options, format: Format, target: Option<&[Field]>) -> Result<Self> {
        let auto_detect = options.boolean(&["auto_detect"])?.unwrap_or(true);
        let delimiter = match delimiter(options)? {
            None if format == Format::Tsv => Some(Delimiter::byte(b'\t')),
            given => given,
        };
        let quote = byte(options, &["quote"])?;
        let comment = byte(options, &["comment"])?;
        for (name, other) in [("quote", quote.flatten()), ("comment", comment.flatten())] {
            if delimiter.zip(other).is_some_and(|(delimiter, other)| delimiter.contains(other)) {
                return Err(options.bad(name, "must not be in the delimiter"));
            }
        }
        if comment.flatten().is_some() && comment == quote {
            return Err(options.bad("comment", "must not be the quote"));
        }
        let columns = match (options.pairs(&["columns"])?, target) {
            (Some(pairs), _) => {
                let fields = pairs.into_iter().map(|(name, ty)| Ok(Field::new(name, type_name::parse(&ty)?)));
                Some(fields.collect::<Result<Vec<_>>>()?)
            }
            (None, Some(fields)) => Some(fields.to_vec()),
            (None, None) => None,
        };
        if !auto_detect && columns.is_none() {
            return Err(options.bad("auto_detect", "can be false only if \"columns\" is given"));
        }
        let names = options.list(&["names", "column_names"])?.unwrap_or_default();
        if let Some(i) =
            (1..names.len()).find(|i| names[..*i].iter().any(|n| n.eq_ignore_ascii_case(&names[*i])))
        {
            return Err(options.bad("names", &format!("must be unique, and \"{}\" is repeated", names[i])));
        }
        if columns.is_some() && !names.is_empty() {
            return Err(options.bad("names", "cannot go with columns of given names"));
        }
        let newline = match options.text(&["new_line"])?.as_deref() {
            None => None,
            Some("\\n" | "\n" | "\\r\\n" | "\r\n") => Some(Newline::Lf),
            Some("\\r" | "\r") => Some(Newline::Cr),
            Some(_) => return Err(options.bad("new_line", "must be '\\n', '\\r\\n' or '\\r'")),
        };
        let sample_rows = match options.integer(&["sample_size"])? {
            None => Some(SAMPLE_ROWS),
            Some(-1) => None,
            Some(n) if n > 0 => Some(n as usize),
            Some(_) => return Err(options.bad("sample_size", "must be a number of rows, or -1 for all")),
        };
        let max_record =
            options.count(&["max_line_size", "maximum_line_size"])?.unwrap_or(MAX_LINE_SIZE).max(1);
        if max_record > 256 << 20 {
            return Err(options.bad("max_line_size", "must be at most 256 MiB"));
        }
        let chunk_size = options.count(&["buffer_size"])?.unwrap_or(CHUNK_SIZE);
        if !(1..=256 << 20).contains(&chunk_size) {
            return Err(options.bad("buffer_size", "must be between 1 byte and 256 MiB"));
        }
        let rejects = RejectOptions::new(options)?;
        Ok(Self {
            delimiter,
            quote,
            escape: byte(options, &["escape"])?,
            comment,
            newline,
            header: options.boolean(&["header"])?,
            skip: options.count(&["skip"])?,
            columns,
            names,
            types: types(options)?,
            all_varchar: options.boolean(&["all_varchar"])?.unwrap_or(false),
            auto_detect,
            sample_rows,
            candidates: match options.list(&["auto_type_candidates"])? {
                Some(names) if names.is_empty() => {
                    return Err(options.bad("auto_type_candidates", "requires at least one type"));
                }
                Some(names) => {
                    let types = names.iter().map(|n| type_name::parse(n)).collect::<Result<Vec<_>>>()?;
                    if let Some(ty) = types.iter().find(|ty| !is_candidate(ty)) {
                        return Err(
                            options.bad("auto_type_candidates", &format!("cannot have {ty} among its types"))
                        );
                    }
                    Some(types)
                }
                None => None,
            },
            null_strings: match options.list(&["nullstr", "null"])? {
                Some(texts) => texts.into_iter().map(String::into_bytes).collect(),
                None => vec![vec![]],
            },
            quoted_nulls: options.boolean(&["allow_quoted_nulls"])?.unwrap_or(true),
            force_not_null: options.list(&["force_not_null"])?.unwrap_or_default(),
            date_format: time_format(options, &["dateformat", "date_format"])?,
            timestamp_format: time_format(options, &["timestampformat", "timestamp_format"])?,
            number_style: number_style(options)?,
            ignore_errors: options.boolean(&["ignore_errors"])?.unwrap_or(false) || rejects.is_some(),
            rejects,
            strict: options.boolean(&["strict_mode"])?.unwrap_or(true),
            null_padding: options.boolean(&["null_padding"])?.unwrap_or(false),
            max_record,
            normalize_names: options.boolean(&["normalize_names"])?.unwrap_or(false),
            union_by_name: options.boolean(&["union_by_name"])?.unwrap_or(false),
            encoding: match options.text(&["encoding"])?.map(|t| t.to_ascii_lowercase()).as_deref() {
                None | Some("utf-8" | "utf8") => Encoding::Utf8,
                Some("latin-1" | "latin1" | "iso-8859-1" | "iso8859-1") => Encoding::Latin1,
                Some("utf-16" | "utf16") => Encoding::Utf16,
                Some(_) => return Err(options.bad("encoding", "must be utf-8, utf-16 or latin-1")),
            },
            compression: match options.text(&["compression"])? {
                Some(name) => Compression::parse(&name)?,
                None => None,
            },
            parallel: options.boolean(&["parallel"])?.unwrap_or(true),
            chunk_size,
        })
    }
}

/// What parts fields, if it is given. The escape `\t` is understood.
pub(super) fn delimiter(options: &Options) -> Result<Option<Delimiter>> {
    const NAMES: &[&str] = &["delim", "delimiter", "sep"];
    let Some(text) = options.text(NAMES)? else { return Ok(None) };
    let bytes = if text == "\\t" { b"\t" } else { text.as_bytes() };
    if bytes.iter().any(|b| matches!(b, b'\n' | b'\r' | 0)) {
        return Err(options.bad(NAMES[0], "must not be a line break or zero"));
    }
    match Delimiter::new(bytes) {
        Some(delimiter) => Ok(Some(delimiter)),
        None => Err(options.bad(NAMES[0], &format!("must have one to {} bytes", Delimiter::MAX))),
    }
}

/// An option of one ASCII byte; `Some(None)` if it is empty. The escapes `\t`, `\n` are understood.
#[allow(clippy::option_option)]
fn byte(options: &Options, names: &[&str]) -> Result<Option<Option<u8>>> {
    let Some(text) = options.text(names)? else { return Ok(None) };
    match text.as_bytes() {
        [] => Ok(Some(None)),
        b"\\t" => Ok(Some(Some(b'\t'))),
        [b'\n' | b'\r' | 0] => Err(options.bad(names[0], "must not be a line break or zero")),
        [one] if one.is_ascii() => Ok(Some(Some(*one))),
        _ => Err(ExecError::Unsupported(format!(
            "option \"{}\" must be one ASCII character, and is '{text}'",
            names[0]
        ))),
    }
}

/// How numbers are spelled.
fn number_style(options: &Options) -> Result<NumberStyle> {
    let decimal = match byte(options, &["decimal_separator"])? {
        None | Some(Some(b'.')) => b'.',
        Some(Some(b',')) => b',',
        _ => return Err(options.bad("decimal_separator", "must be '.' or ','")),
    };
    let thousands = byte(options, &["thousands"])?.flatten();
    if thousands == Some(decimal) {
        return Err(options.bad("thousands", "must not be the decimal separator"));
    }
    Ok(NumberStyle { decimal, thousands })
}

/// A format of dates; `auto` is none.
fn time_format(options: &Options, names: &[&str]) -> Result<Option<strptime::Format>> {
    match options.text(names)? {
        None => Ok(None),
        Some(usual) if ["", "auto", "iso"].contains(&&*usual.to_ascii_lowercase()) => Ok(None),
        Some(text) => strptime::Format::new(&text)
            .map(Some)
            .map_err(|problem| options.bad(names[0], &format!("is not a format: {problem}"))),
    }
}

/// The types that are set by hand, by name or by position.
fn types(options: &Options) -> Result<Types> {
    const NAMES: &[&str] = &["types", "dtypes", "column_types"];
    if options.is_pairs(NAMES) {
        let pairs = options.pairs(NAMES)?.unwrap_or_default();
        let typed = pairs.into_iter().map(|(name, ty)| Ok((name, type_name::parse(&ty)?)));
        return Ok(Types::ByName(typed.collect::<Result<_>>()?));
    }
    match options.list(NAMES)? {
        Some(names) => {
            Ok(Types::ByPosition(names.iter().map(|n| type_name::parse(n)).collect::<Result<_>>()?))
        }
        None => Ok(Types::Guess),
    }
}
