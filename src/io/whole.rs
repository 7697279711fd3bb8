//! Whole files as values: the table functions `read_text` and `read_blob`, one row a file.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use arrow_array::ArrayRef;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Field, Schema};
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::{ColumnPredicate, Morsel, Source, SourceScan, TableFunctionArgs};
use crate::io::files::{Compression, FileList, io_error};

/// The longest value: what a view can say.
const MAX_BYTES: u64 = i32::MAX as u64;

const CONTENT: usize = 1;

/// The rows of `read_text` or `read_blob`.
pub(crate) fn source(name: &str, args: &TableFunctionArgs) -> Result<Arc<dyn Source>> {
    if let Some((option, ..)) = args.named.first() {
        return Err(ExecError::InvalidInput(format!("{name} has no option \"{option}\"")));
    }
    let files = FileList::expand_to_any(&super::files_argument(name, args)?)?;
    // The bytes as they are.
    let files = files.with_compression(Some(Compression::None));
    Ok(Arc::new(WholeFiles { files: Arc::new(files), text: name == "read_text" }))
}

#[derive(Debug)]
struct WholeFiles {
    files: Arc<FileList>,
    text: bool,
}

impl WholeFiles {
    fn columns(&self) -> [(&'static str, LogicalType); 4] {
        let content = if self.text { LogicalType::Varchar } else { LogicalType::Blob };
        [
            ("filename", LogicalType::Varchar),
            ("content", content),
            ("size", LogicalType::BigInt),
            ("last_modified", LogicalType::TimestampTz),
        ]
    }
}

impl Source for WholeFiles {
    fn describe(&self) -> String {
        if self.text { "READ_TEXT".into() } else { "READ_BLOB".into() }
    }

    fn schema(&self) -> Schema {
        self.columns().into_iter().map(|(name, ty)| Field::new(name, ty)).collect()
    }

    fn estimated_rows(&self) -> Option<u64> {
        Some(self.files.len() as u64)
    }

    fn scan(
        &self,
        columns: &[usize],
        _predicates: &[ColumnPredicate],
        _context: &Arc<ExecContext>,
    ) -> Result<Box<dyn SourceScan>> {
        let types = self.columns();
        let columns = columns.iter().map(|c| (*c, types[*c].1.clone())).collect();
        Ok(Box::new(WholeScan { files: self.files.clone(), columns, next: AtomicUsize::new(0) }))
    }
}

/// A scan whose morsels are one file each.
struct WholeScan {
    files: Arc<FileList>,
    columns: Arc<[(usize, LogicalType)]>,
    next: AtomicUsize,
}

impl SourceScan for WholeScan {
    fn next_morsel(&self) -> Result<Option<Morsel>> {
        let file = self.next.fetch_add(1, Ordering::Relaxed);
        if file >= self.files.len() {
            return Ok(None);
        }
        let (files, columns) = (self.files.clone(), self.columns.clone());
        let row = std::iter::once_with(move || row(&files, file, &columns));
        Ok(Some(Morsel { sequence: file as u64, batches: Box::new(row) }))
    }
}

fn row(files: &FileList, file: usize, columns: &[(usize, LogicalType)]) -> Result<Batch> {
    let path = &files.paths()[file];
    // A pipe tells its size only when it was read.
    let content = if files.size(file).is_none() || columns.iter().any(|(c, _)| *c == CONTENT) {
        Some(content(files, file)?)
    } else {
        None
    };
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
    for (column, ty) in columns {
        let value = match *column {
            0 => Scalar::text(path),
            CONTENT => {
                let bytes = content.as_deref().unwrap_or_default();
                if *ty == LogicalType::Varchar {
                    let text = std::str::from_utf8(bytes).map_err(|_| {
                        ExecError::InvalidInput(format!(
                            "read_text: could not read content of file '{path}' as valid UTF-8 encoded text. You may \
                             want to use read_blob instead"
                        ))
                    })?;
                    Scalar::text(text)
                } else {
                    Scalar::Bytes(bytes.into())
                }
            }
            2 => {
                let size = files.size(file).or(content.as_ref().map(|c| c.len() as u64));
                size.map_or(Scalar::Null, |size| Scalar::Int(size.into()))
            }
            _ => last_modified(path),
        };
        arrays.push(value.to_array(ty, 1).map_err(|e| ExecError::Internal(e.to_string()))?);
    }
    Ok(Batch::new(arrays, 1))
}

fn content(files: &FileList, file: usize) -> Result<Vec<u8>> {
    let path = &files.paths()[file];
    let too_big = || ExecError::InvalidInput(format!("\"{path}\" is too big to be one value"));
    if files.size(file).is_some_and(|size| size > MAX_BYTES) {
        return Err(too_big());
    }
    let mut bytes = vec![];
    files.open(file)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|e| io_error("read", path, &e))?;
    if bytes.len() as u64 > MAX_BYTES { Err(too_big()) } else { Ok(bytes) }
}

/// In microseconds since the epoch.
fn last_modified(path: &str) -> Scalar {
    let modified = std::fs::metadata(path).and_then(|m| m.modified()).ok();
    let since = modified.and_then(|m| m.duration_since(UNIX_EPOCH).ok());
    since.map_or(Scalar::Null, |d| Scalar::Int(i128::from(d.as_micros() as i64)))
}
