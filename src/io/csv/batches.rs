//! The batches of a CSV file, chunk by chunk.

use std::cell::Cell;
use std::sync::Arc;

use arrow_array::{BooleanArray, new_null_array};
use arrow_select::filter::filter;

use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::io::csv::chunk::{Chunk, Chunks, count_lines};
use crate::io::csv::columns::ColumnReader;
use crate::io::csv::dialect::Dialect;
use crate::io::csv::rejects::FileRejects;
use crate::io::csv::scan::{PADDING, Records, Scanner, Shape};
use crate::io::source::{Batches, FileScan};
use crate::io::text::Text;

/// Rows of a batch.
pub(super) const BATCH_ROWS: usize = 4096;

/// How to read one file.
#[derive(Debug)]
pub(super) struct ScanPlan {
    pub(super) path: String,
    pub(super) dialect: Dialect,
    pub(super) width: usize,
    pub(super) readers: Vec<Option<ColumnReader>>,
    pub(super) types: Vec<LogicalType>,
    pub(super) ignore_errors: bool,
    pub(super) null_padding: bool,
    pub(super) max_record: usize,
    pub(super) sample_rows: Option<usize>,
    /// The names of the columns in the file.
    pub(super) names: Vec<String>,
    /// Where what is left out is noted, if it is.
    pub(super) rejects: Option<FileRejects>,
}

/// One file under way.
pub(super) struct CsvScan {
    pub(super) plan: Arc<ScanPlan>,
    /// `None` once a serial reader has taken them.
    pub(super) chunks: Option<Chunks>,
    /// The next record is the header.
    pub(super) header: bool,
    pub(super) parallel: bool,
    pub(super) context: Arc<ExecContext>,
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
pub(super) struct ChunkBatches {
    pub(super) plan: Arc<ScanPlan>,
    context: Arc<ExecContext>,
    /// Bytes accounted for.
    held: u64,
    chunk: Option<Chunk>,
    text: Option<Text>,
    /// Positions of bytes that are not UTF-8.
    invalid: Vec<usize>,
    first_line: u64,
    pub(super) first_byte: u64,
    /// A position and how many line breaks are before it, from where the next are counted.
    counted: Cell<(usize, u64)>,
    pub(super) scanner: Scanner,
    pub(super) records: Records,
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
    pub(super) fn line(&self, text: &[u8], position: usize) -> u64 {
        let (from, before) = Some(self.counted.get()).filter(|(at, _)| *at <= position).unwrap_or_default();
        let lines = before + count_lines(&text[from..position], self.plan.dialect.newline);
        self.counted.set((position, lines));
        self.first_line + lines
    }

    /// The records of the next batch, those with errors left out or reported.
    fn fill(&mut self, text: &Text) -> Result<()> {
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
    fn batch(&mut self, text: &Text) -> Result<Batch> {
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
    fn invalid_rows(&mut self, text: &Text) -> Result<Vec<usize>> {
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
                let (text, invalid) = Text::new(chunk.bytes, chunk.len);
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
