//! `store_rejects`: the records that a reader leaves out, and why, as rows of two tables; and what a reader took the
//! file for that they are from.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::rejects::{Columns, RejectRow};
use crate::io::options::Options;

/// The columns of the table of errors.
const ERRORS: Columns = &[
    ("scan_id", T::UBigInt),
    ("file_id", T::UBigInt),
    ("line", T::UBigInt),
    ("line_byte_position", T::UBigInt),
    ("byte_position", T::UBigInt),
    ("column_idx", T::UBigInt),
    ("column_name", T::Varchar),
    ("error_type", T::Varchar),
    ("csv_line", T::Varchar),
    ("error_message", T::Varchar),
];

/// The columns of the table of files with errors.
const SCANS: Columns = &[
    ("scan_id", T::UBigInt),
    ("file_id", T::UBigInt),
    ("file_path", T::Varchar),
    ("delimiter", T::Varchar),
    ("quote", T::Varchar),
    ("escape", T::Varchar),
    ("newline_delimiter", T::Varchar),
    ("skip_rows", T::UInteger),
    ("has_header", T::Boolean),
    ("columns", T::Varchar),
    ("date_format", T::Varchar),
    ("timestamp_format", T::Varchar),
    ("user_arguments", T::Varchar),
];

/// Where what is left out is to go.
#[derive(Debug, Clone)]
pub(crate) struct RejectOptions {
    errors: String,
    scans: String,
    /// The most errors of a scan.
    limit: Option<usize>,
    /// The options as they were given.
    pub arguments: String,
}

impl RejectOptions {
    /// What the options say; `None` if errors are not to be kept.
    pub fn new(options: &Options) -> Result<Option<Self>> {
        let wanted = options.boolean(&["store_rejects"])?;
        let errors = options.text(&["rejects_table"])?;
        let scans = options.text(&["rejects_scan"])?;
        let limit = options.integer(&["rejects_limit"])?;
        if wanted != Some(true) {
            let named = [("rejects_table", errors.is_some()), ("rejects_scan", scans.is_some())];
            match (wanted, named.iter().find(|(_, given)| *given)) {
                (Some(false), Some((name, _))) => return Err(options.bad(name, "needs store_rejects")),
                (_, None) if limit.is_some() => {
                    return Err(options.bad("rejects_limit", "needs store_rejects"));
                }
                (_, None) => return Ok(None),
                (_, Some(_)) => {}
            }
        }
        if options.boolean(&["ignore_errors"])? == Some(false) {
            return Err(options.bad("store_rejects", "cannot go with ignore_errors=false"));
        }
        if options.boolean(&["union_by_name"])? == Some(true) {
            return Err(options.bad("store_rejects", "cannot go with union_by_name"));
        }
        let limit = match limit {
            Some(n) if n < 0 => return Err(options.bad("rejects_limit", "must not be negative")),
            // No limit.
            None | Some(0) => None,
            Some(n) => usize::try_from(n).ok(),
        };
        let errors = errors.unwrap_or_else(|| "reject_errors".into());
        let scans = scans.unwrap_or_else(|| "reject_scans".into());
        for (name, table) in [("rejects_table", &errors), ("rejects_scan", &scans)] {
            if table.is_empty() {
                return Err(options.bad(name, "must not be empty"));
            }
        }
        if errors.eq_ignore_ascii_case(&scans) {
            return Err(options.bad("rejects_scan", "must be another table than \"rejects_table\""));
        }
        Ok(Some(Self { errors, scans, limit, arguments: options.shown() }))
    }
}

/// What a reader took a file for.
#[derive(Debug)]
pub(crate) struct ScannedFile {
    pub path: String,
    pub delimiter: String,
    pub quote: Option<u8>,
    pub escape: Option<u8>,
    pub newline: &'static str,
    pub skip: usize,
    pub header: bool,
    /// Names and types.
    pub columns: Vec<(String, String)>,
    pub dates: Option<String>,
    pub timestamps: Option<String>,
}

/// What is wrong with a record, or a value of it. Places are bytes of the file, from 1.
#[derive(Debug)]
pub(crate) struct RecordProblem<'a> {
    pub line: u64,
    pub line_position: u64,
    pub position: u64,
    /// From 1.
    pub column: Option<usize>,
    pub name: Option<&'a str>,
    pub kind: &'static str,
    pub record: String,
    pub message: String,
}

/// Notes what is left out of one file.
#[derive(Debug)]
pub(crate) struct FileRejects {
    options: RejectOptions,
    scan: u64,
    file: u64,
    what: ScannedFile,
    noted: AtomicBool,
    context: Arc<ExecContext>,
}

impl FileRejects {
    /// For a file of a scan. The tables are made even if they get no rows.
    pub fn new(
        options: &RejectOptions,
        scan: u64,
        file: usize,
        what: ScannedFile,
        context: &Arc<ExecContext>,
    ) -> Self {
        let rejects = &context.rejects;
        rejects.declare(&options.scans, SCANS, None);
        rejects.declare(&options.errors, ERRORS, options.limit.map(|limit| (scan, limit)));
        let noted = AtomicBool::new(false);
        Self { options: options.clone(), scan, file: file as u64, what, noted, context: context.clone() }
    }

    /// Keeps a problem.
    pub fn add(&self, problem: RecordProblem<'_>) -> Result<()> {
        if !self.noted.swap(true, Ordering::Relaxed) {
            self.note_file();
        }
        // They stay until the next statement: what the query may use bounds them.
        self.context.memory.grow((problem.record.len() + problem.message.len() + 400) as u64)?;
        let count = |n: u64| Scalar::Int(i128::from(n));
        let column = problem.column.map_or(Scalar::Null, |n| count(n as u64));
        let values = vec![
            count(self.scan),
            count(self.file),
            count(problem.line),
            count(problem.line_position),
            count(problem.position),
            column,
            problem.name.map_or(Scalar::Null, Scalar::text),
            Scalar::text(problem.kind),
            Scalar::text(&problem.record),
            Scalar::text(&problem.message),
        ];
        let within = problem.position.max(problem.line_position);
        let place = [self.scan, self.file, within, problem.column.unwrap_or(0) as u64];
        self.context.rejects.add(&self.options.errors, ERRORS, RejectRow { place, values });
        Ok(())
    }

    fn note_file(&self) {
        let what = &self.what;
        let character = |byte: Option<u8>| match byte {
            Some(byte) => Scalar::text(char::from(byte).to_string()),
            None => Scalar::text(super::listing::NONE),
        };
        let optional = |text: &Option<String>| text.as_ref().map_or(Scalar::Null, Scalar::text);
        let columns: Vec<String> =
            what.columns.iter().map(|(name, ty)| format!("'{name}': '{ty}'")).collect();
        let values = vec![
            Scalar::Int(i128::from(self.scan)),
            Scalar::Int(i128::from(self.file)),
            Scalar::text(&what.path),
            Scalar::text(&what.delimiter),
            character(what.quote),
            character(what.escape),
            Scalar::text(what.newline),
            Scalar::Int(what.skip.min(u32::MAX as usize) as i128),
            Scalar::Boolean(what.header),
            Scalar::text(format!("{{{}}}", columns.join(","))),
            optional(&what.dates),
            optional(&what.timestamps),
            Scalar::text(&self.options.arguments),
        ];
        let place = [self.scan, self.file, 0, 0];
        self.context.rejects.add(&self.options.scans, SCANS, RejectRow { place, values });
    }
}
