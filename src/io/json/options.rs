//! The options of the JSON reader, by DuckDB's names.

use crate::column::types::LogicalType;
use crate::exec::batch::Field;
use crate::exec::error::Result;
use crate::io::files::Compression;
use crate::io::format::Format;
use crate::io::json::infer::{MAX_TYPE_DEPTH, Rules};
use crate::io::json::records::Layout;
use crate::io::json::shape::TimeFormats;
use crate::io::options::Options;
use crate::io::strptime;
use crate::io::type_name;

/// All names, aliases included.
pub(crate) const READ_OPTIONS: &[&str] = &[
    "array",
    "auto_detect",
    "columns",
    "compression",
    "convert_strings_to_integers",
    "date_format",
    "dateformat",
    "field_appearance_threshold",
    "filename",
    "format",
    "hive_partitioning",
    "hive_types",
    "hive_types_autocast",
    "ignore_errors",
    "map_inference_threshold",
    "maximum_depth",
    "maximum_object_size",
    "maximum_sample_files",
    "records",
    "sample_size",
    "timestamp_format",
    "timestampformat",
    "union_by_name",
];

/// Those of a reader that does not look into records.
pub(crate) const OBJECT_OPTIONS: &[&str] = &[
    "compression",
    "filename",
    "format",
    "hive_partitioning",
    "hive_types",
    "hive_types_autocast",
    "ignore_errors",
    "maximum_object_size",
    "union_by_name",
];

/// Records that types are guessed from, unless said otherwise.
const SAMPLE_RECORDS: usize = 20_480;
/// Files that types are guessed from, unless said otherwise.
const SAMPLE_FILES: usize = 32;
/// The longest record in bytes, unless said otherwise.
const MAX_OBJECT_SIZE: usize = 16 << 20;

/// What a row is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// The members of an object are the columns.
    Records,
    /// The value is the only column.
    Values,
    /// The value is the only column, as it stands in the file.
    Raw,
}

/// The options, checked.
#[derive(Debug, Clone)]
pub(super) struct JsonOptions {
    /// `None`: each file's own.
    pub layout: Option<Layout>,
    /// `None`: found out.
    pub rows: Option<Rows>,
    pub columns: Option<Vec<Field>>,
    /// Records to guess types from; `None` for all.
    pub sample_records: Option<usize>,
    pub sample_files: usize,
    pub rules: Rules,
    pub max_object_size: usize,
    pub ignore_errors: bool,
    pub union_by_name: bool,
    pub compression: Option<Compression>,
}

impl JsonOptions {
    /// Checks the options. `target` are the columns of a table that a `COPY FROM` fills.
    pub fn new(options: &Options, format: Format, target: Option<&[Field]>) -> Result<Self> {
        let columns = match (options.pairs(&["columns"])?, target) {
            (Some(pairs), _) => {
                let fields = pairs.into_iter().map(|(name, ty)| Ok(Field::new(name, type_name::parse(&ty)?)));
                Some(fields.collect::<Result<Vec<_>>>()?)
            }
            (None, Some(fields)) => Some(fields.to_vec()),
            (None, None) => None,
        };
        if columns.as_ref().is_some_and(Vec::is_empty) {
            return Err(options.bad("columns", "needs at least one column"));
        }
        if columns.is_none() && options.boolean(&["auto_detect"])? == Some(false) {
            return Err(options.bad("auto_detect", "can be false only if \"columns\" is given"));
        }
        let rows = match options.word(&["records"])?.as_deref() {
            None | Some("auto") if target.is_some() => Some(Rows::Records),
            None | Some("auto") => None,
            Some("true") => Some(Rows::Records),
            Some("false") => Some(Rows::Values),
            Some(_) => return Err(options.bad("records", "must be 'auto', true or false")),
        };
        let rows = match &columns {
            Some(columns) if rows == Some(Rows::Values) && columns.len() != 1 => {
                return Err(options.bad("columns", "must name a single column if \"records\" is false"));
            }
            Some(columns) if columns.len() > 1 => Some(Rows::Records),
            _ => rows,
        };
        let sample_records = match options.integer(&["sample_size"])? {
            None => Some(SAMPLE_RECORDS),
            Some(-1) => None,
            Some(n) if n > 0 => Some(n as usize),
            Some(_) => return Err(options.bad("sample_size", "must be a number of records, or -1 for all")),
        };
        let sample_files = match options.integer(&["maximum_sample_files"])? {
            None => SAMPLE_FILES,
            Some(-1) => usize::MAX,
            Some(n) if n > 0 => n as usize,
            Some(_) => {
                return Err(options.bad("maximum_sample_files", "must be a number of files, or -1 for all"));
            }
        };
        let max_object_size =
            options.count(&["maximum_object_size"])?.map_or(MAX_OBJECT_SIZE, |n| n.max(MAX_OBJECT_SIZE));
        if max_object_size > 1 << 30 {
            return Err(options.bad("maximum_object_size", "must be at most 1 GiB"));
        }
        Ok(Self {
            layout: layout(options, format)?,
            rows,
            columns,
            sample_records,
            sample_files,
            rules: rules(options)?,
            max_object_size,
            ignore_errors: options.boolean(&["ignore_errors"])?.unwrap_or(false),
            union_by_name: options.boolean(&["union_by_name"])?.unwrap_or(false),
            compression: match options.text(&["compression"])? {
                Some(name) => Compression::parse(&name)?,
                None => None,
            },
        })
    }

    /// The same for a reader that takes every record as it stands.
    pub fn raw(mut self) -> Self {
        self.rows = Some(Rows::Raw);
        self.columns = Some(vec![Field::new("json", LogicalType::Json)]);
        self
    }
}

/// How records lie in the files, if an option or the format says.
fn layout(options: &Options, format: Format) -> Result<Option<Layout>> {
    if let Some(array) = options.boolean(&["array"])? {
        return Ok(Some(if array { Layout::Array } else { Layout::Lines }));
    }
    match options.text(&["format"])?.map(|t| t.to_ascii_lowercase()).as_deref() {
        None if format == Format::NdJson => Ok(Some(Layout::Lines)),
        None | Some("auto") => Ok(None),
        Some("newline_delimited" | "nd") => Ok(Some(Layout::Lines)),
        Some("unstructured") => Ok(Some(Layout::Stream)),
        Some("array") => Ok(Some(Layout::Array)),
        Some(_) => {
            Err(options
                .bad("format", "must be 'auto', 'newline_delimited' (or 'nd'), 'array' or 'unstructured'"))
        }
    }
}

/// How types are guessed.
fn rules(options: &Options) -> Result<Rules> {
    let threshold = options.number(&["field_appearance_threshold"])?.unwrap_or(0.1);
    if !(0.0..=1.0).contains(&threshold) {
        return Err(options.bad("field_appearance_threshold", "must be between 0 and 1"));
    }
    Ok(Rules {
        max_depth: match options.integer(&["maximum_depth"])? {
            None | Some(-1) => MAX_TYPE_DEPTH,
            Some(n) if n >= 0 => (n as usize).min(MAX_TYPE_DEPTH),
            Some(_) => return Err(options.bad("maximum_depth", "must be a depth, or -1 for any")),
        },
        field_appearance_threshold: threshold,
        map_inference_threshold: match options.integer(&["map_inference_threshold"])? {
            None => 200,
            Some(-1) => usize::MAX,
            Some(n) if n >= 0 => n as usize,
            Some(_) => {
                return Err(
                    options.bad("map_inference_threshold", "must be a number of keys, or -1 for none")
                );
            }
        },
        strings_to_integers: options.boolean(&["convert_strings_to_integers"])?.unwrap_or(false),
        formats: TimeFormats {
            date: time_format(options, &["dateformat", "date_format"], "%Y-%m-%d")?,
            timestamp: time_format(
                options,
                &["timestampformat", "timestamp_format"],
                "%Y-%m-%dT%H:%M:%S.%fZ",
            )?,
        },
    })
}

/// A format of dates; `iso` is one of them, `auto` is none.
fn time_format(options: &Options, names: &[&str], iso: &str) -> Result<Option<strptime::Format>> {
    let Some(text) = options.text(names)? else { return Ok(None) };
    let text = match text.to_ascii_lowercase().as_str() {
        "auto" | "" => return Ok(None),
        "iso" => iso.to_string(),
        _ => text,
    };
    strptime::Format::new(&text)
        .map(Some)
        .map_err(|problem| options.bad(names[0], &format!("is not a format: {problem}")))
}
