//! Reading Parquet files: footers, the choice of row groups and pages, and batches decoded piece by piece.

use std::iter;
use std::ops::Range;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::{ArrayRef, Int64Array, new_null_array};
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    RowSelection, RowSelector,
};
use parquet::basic::ColumnOrder;
use parquet::bloom_filter::Sbbf;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::ChunkReader;
use parquet::file::statistics::Statistics;

use crate::column::predicate::{CompareOp, Predicate};
use crate::column::types::{LogicalType, TimeUnit};
use crate::exec::batch::{Batch, Field};
use crate::exec::cast::{can_cast, cast};
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::ColumnPredicate;
use crate::io::files::FileList;
use crate::io::foreign::{self, conform};
use crate::io::parquet::file::Positioned;
use crate::io::parquet::types::{Mapping, map, plain_name, without_intervals};
use crate::io::parquet::{ParquetOptions, page_index, prune};
use crate::io::source::{Batches, FileFormat, FileScan};

/// The column with the places of rows in their files.
const ROW_NUMBER: &str = "file_row_number";
/// Rows of a batch.
const BATCH_ROWS: usize = 8192;
/// Row groups are cut into pieces of at least this many rows where there are fewer than threads.
const PIECE_ROWS: usize = 122_880;

/// All that is known of some Parquet files.
#[derive(Debug)]
pub(crate) struct Parquet {
    files: FileList,
    options: ParquetOptions,
    fields: Vec<Field>,
    /// The files opened so far: the first, or all if their columns are to be united.
    opened: Vec<Option<Arc<OpenFile>>>,
    /// The column with the places of rows in their files.
    row_number: Option<usize>,
    /// Columns of a target table are matched by position, not by name.
    by_position: bool,
    estimated_rows: u64,
}

/// A file and its footer.
#[derive(Debug)]
struct OpenFile {
    path: String,
    reader: Positioned,
    metadata: ArrowReaderMetadata,
    fields: Vec<Field>,
    /// The units of timestamps as stored.
    units: Vec<Option<TimeUnit>>,
    /// For each column, the place of its statistics, if it is not nested.
    leaves: Vec<Option<usize>>,
}

impl Parquet {
    /// Reads the footer of the first file, or of all if their columns are to be united.
    pub fn new(files: &FileList, options: ParquetOptions, target: Option<&[Field]>) -> Result<Self> {
        let first = Arc::new(OpenFile::open(files, 0, &options)?);
        let mut opened = vec![None; files.len()];
        let mut fields = first.fields.clone();
        let mut rows = first.rows();
        if options.union_by_name {
            for (file, slot) in opened.iter_mut().enumerate().skip(1) {
                let next = OpenFile::open(files, file, &options)?;
                rows += next.rows();
                for field in &next.fields {
                    match fields.iter_mut().find(|f| f.name.eq_ignore_ascii_case(&field.name)) {
                        Some(known) => known.ty = wider(&known.ty, &field.ty),
                        None => fields.push(field.clone()),
                    }
                }
                *slot = Some(Arc::new(next));
            }
        } else if let Some(size) = files.size(0).filter(|s| *s > 0) {
            rows = (rows as f64 * files.total_size() as f64 / size as f64) as u64;
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
        let row_number = Some(fields.len());
        if options.file_row_number {
            if fields.iter().any(|f| f.name.eq_ignore_ascii_case(ROW_NUMBER)) {
                return Err(ExecError::InvalidInput(format!(
                    "file_row_number cannot be given: \"{}\" has a column of that name",
                    files.paths()[0]
                )));
            }
            fields.push(Field::new(ROW_NUMBER, LogicalType::BigInt));
        }
        opened[0] = Some(first);
        let by_position = target.is_some();
        let files = files.clone();
        Ok(Self { files, options, fields, opened, row_number, by_position, estimated_rows: rows })
    }

    /// Where the file has a column of the result.
    fn position(&self, file: &OpenFile, column: usize) -> Result<Option<usize>> {
        let field = &self.fields[column];
        if self.by_position {
            return match file.fields.get(column) {
                Some(_) => Ok(Some(column)),
                None => Err(ExecError::InvalidInput(format!(
                    "\"{}\" has {} columns, but the table has {}",
                    file.path,
                    file.fields.len(),
                    self.fields.len()
                ))),
            };
        }
        // The first file's own names may differ in nothing but case.
        let exact = file.fields.iter().position(|f| f.name == field.name);
        let found =
            exact.or_else(|| file.fields.iter().position(|f| f.name.eq_ignore_ascii_case(&field.name)));
        if found.is_none() && !self.options.union_by_name {
            return Err(ExecError::InvalidInput(format!(
                "\"{}\" has no column \"{}\", which \"{}\" has; union_by_name=true reads files of different \
                 columns",
                file.path,
                field.name,
                self.files.paths()[0]
            )));
        }
        Ok(found)
    }
}

impl FileFormat for Parquet {
    fn name(&self) -> &'static str {
        "READ_PARQUET"
    }

    fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn hidden(&self) -> Vec<Field> {
        let is_shown = self.options.file_row_number;
        if is_shown { vec![] } else { vec![Field::new(ROW_NUMBER, LogicalType::BigInt)] }
    }

    fn estimated_rows(&self) -> Option<u64> {
        Some(self.estimated_rows)
    }

    fn open(
        &self,
        file: usize,
        columns: &[usize],
        predicates: &[ColumnPredicate],
        context: &Arc<ExecContext>,
    ) -> Result<Box<dyn FileScan>> {
        let opened = match &self.opened[file] {
            Some(opened) => opened.clone(),
            None => Arc::new(OpenFile::open(&self.files, file, &self.options)?),
        };
        let mut outputs = vec![];
        for &column in columns {
            if self.row_number == Some(column) {
                outputs.push(Output { position: None, ty: LogicalType::BigInt, is_row_number: true });
                continue;
            }
            let ty = self.fields[column].ty.clone();
            let position = if file == 0 && !self.options.union_by_name {
                Some(column)
            } else {
                self.position(&opened, column)?
            };
            if let Some(p) = position
                && !can_cast(&opened.fields[p].ty, &ty)
            {
                return Err(ExecError::InvalidInput(format!(
                    "column \"{}\" of \"{}\" is {}, which cannot become {ty}",
                    opened.fields[p].name, opened.path, opened.fields[p].ty
                )));
            }
            outputs.push(Output { position, ty, is_row_number: false });
        }
        // Predicates hold for the file's own column only if it has the type of the result.
        let mut conditions = vec![];
        for predicate in predicates.iter().filter(|p| self.row_number != Some(p.column)) {
            let position = self.position(&opened, predicate.column).ok().flatten();
            if let Some(p) = position.filter(|p| opened.fields[*p].ty == self.fields[predicate.column].ty) {
                conditions.push((p, predicate.predicate.clone()));
            }
        }
        let pieces = opened.pieces(&conditions, columns.is_empty(), context);
        let mut roots: Vec<usize> = outputs.iter().filter_map(|o| o.position).collect();
        roots.sort_unstable();
        roots.dedup();
        Ok(Box::new(ParquetScan {
            plan: Arc::new(ScanPlan { file: opened, outputs, roots, context: context.clone() }),
            total: pieces.len(),
            pieces: pieces.into_iter(),
        }))
    }
}

/// A type that holds the values of both.
fn wider(a: &LogicalType, b: &LogicalType) -> LogicalType {
    use LogicalType as T;
    if a == b {
        return a.clone();
    }
    match (a, b) {
        (T::Null, other) | (other, T::Null) => other.clone(),
        _ if a.is_integer() && b.is_integer() => {
            let both = [T::TinyInt, T::SmallInt, T::Integer, T::BigInt, T::HugeInt];
            let holds = |wide: &T, narrow: &T| match (wide.integer_range(), narrow.integer_range()) {
                (Some((low, high)), Some((min, max))) => low <= min && max <= high,
                _ => false,
            };
            both.into_iter().find(|t| holds(t, a) && holds(t, b)).unwrap_or(T::HugeInt)
        }
        _ if a.is_numeric() && b.is_numeric() => T::Double,
        _ if a.is_temporal()
            && b.is_temporal()
            && [a, b].iter().all(|t| !matches!(t, T::Time | T::TimeNs)) =>
        {
            if *a == T::TimestampTz || *b == T::TimestampTz {
                T::TimestampTz
            } else {
                crate::column::types::TIMESTAMP
            }
        }
        _ => T::Varchar,
    }
}

impl OpenFile {
    fn open(files: &FileList, file: usize, options: &ParquetOptions) -> Result<Self> {
        let path = files.paths()[file].clone();
        let (handle, size) = files.open_seekable(file)?;
        let reader = Positioned { file: Arc::new(handle), size };
        if size < 12 {
            return Err(not_parquet(&path, "it is too short"));
        }
        let guarded = guard(&path, || -> std::result::Result<_, ParquetError> {
            reader.check_footer()?;
            let plain = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            let inferred = ArrowReaderMetadata::load(&reader, plain.clone())?;
            // Intervals are read as bytes.
            match without_intervals(inferred.parquet_schema()) {
                None => Ok(inferred),
                Some(schema) => {
                    ArrowReaderMetadata::load(&reader, plain.with_parquet_schema(Arc::new(schema)))
                }
            }
        });
        let inferred = guarded?.map_err(|e| not_parquet(&path, &describe(&e)))?;
        let Mapping { mut fields, decoded } =
            map(inferred.schema(), inferred.parquet_schema(), options.binary_as_string).map_err(
                |e| match e {
                    ExecError::Unsupported(m) => ExecError::Unsupported(format!("\"{path}\": {m}")),
                    other => other,
                },
            )?;
        let units = decoded
            .fields()
            .iter()
            .map(|f| match f.data_type() {
                DataType::Timestamp(unit, _) => Some(*unit),
                _ => None,
            })
            .collect();
        for field in &mut fields {
            field.name = plain_name(&field.name).to_string();
        }
        let schema = inferred.parquet_schema();
        let leaves = (0..fields.len())
            .map(|root| {
                let mut of_root =
                    (0..schema.num_columns()).filter(|l| schema.get_column_root_idx(*l) == root);
                let only = of_root.next().filter(|_| of_root.next().is_none());
                only.filter(|_| !fields[root].ty.is_nested())
            })
            .collect();
        let options = ArrowReaderOptions::new().with_schema(Arc::new(decoded));
        let metadata = guard(&path, || ArrowReaderMetadata::try_new(inferred.metadata().clone(), options))?
            .map_err(|e| not_parquet(&path, &describe(&e)))?;
        Ok(Self { path, reader, metadata, fields, units, leaves })
    }

    /// All rows, by the footer.
    fn rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Asks the Bloom filter of a column of a row group, if there is one. It is read only where the statistics know nothing.
    fn filter_may_hold(
        &self,
        group: &RowGroupMetaData,
        leaf: usize,
        column: usize,
        predicate: &Predicate,
    ) -> bool {
        let chunk = group.column(leaf);
        if chunk.bloom_filter_offset().is_none()
            || !matches!(predicate.op, CompareOp::Eq | CompareOp::NotDistinctFrom)
        {
            return true;
        }
        // One that cannot be read says nothing.
        let read = foreign::guard(|| Sbbf::read_from_column_chunk(chunk, &self.reader));
        let Ok(Ok(Some(filter))) = read else { return true };
        let (ty, unit) = (&self.fields[column].ty, self.units[column]);
        prune::filter_may_hold(&filter, chunk.column_type(), ty, unit, predicate)
    }

    /// The pieces to read: row groups that may match, cut where they are few.
    fn pieces(
        &self,
        conditions: &[(usize, Predicate)],
        only_count: bool,
        context: &ExecContext,
    ) -> Vec<Piece> {
        let metadata = self.metadata.metadata();
        let mut groups = vec![];
        let mut first = 0;
        for (index, group) in metadata.row_groups().iter().enumerate() {
            let matches = conditions.iter().all(|(column, predicate)| {
                let Some(leaf) = self.leaves[*column] else { return true };
                let statistics = group.columns().get(leaf).and_then(|c| c.statistics());
                let rows = u64::try_from(group.num_rows()).unwrap_or(0);
                self.may_match(statistics, rows, leaf, *column, predicate)
                    && self.filter_may_hold(group, leaf, *column, predicate)
            });
            let rows = usize::try_from(group.num_rows()).unwrap_or(0);
            let before = first;
            first += rows;
            let selected =
                if matches { self.rows_of_pages(group, rows, conditions, context) } else { vec![] };
            if rows > 0 && selected.is_empty() {
                context.counters.row_groups_skipped.fetch_add(1, Ordering::Relaxed);
            } else if rows > 0 {
                groups.push((index, before, rows, selected));
            }
        }
        let wanted = 2 * context.threads;
        let parts_each = if only_count { 1 } else { wanted.div_ceil(groups.len().max(1)) };
        let mut pieces = vec![];
        for (group, first, rows, selected) in groups {
            let parts = parts_each.min(rows / PIECE_ROWS).max(1);
            let step = rows.div_ceil(parts).next_multiple_of(2048);
            for start in (0..rows).step_by(step) {
                let part = start..rows.min(start + step);
                let selected = page_index::intersect(&selected, slice::from_ref(&part));
                let len = selected.iter().map(Range::len).sum();
                if len > 0 {
                    pieces.push(Piece { group, first, rows, selected, len });
                }
            }
        }
        pieces
    }

    /// Whether rows with these statistics may satisfy a condition on a column, which is the leaf `leaf` of the file.
    fn may_match(
        &self,
        statistics: Option<&Statistics>,
        rows: u64,
        leaf: usize,
        column: usize,
        predicate: &Predicate,
    ) -> bool {
        let orders = self.metadata.metadata().file_metadata().column_orders();
        let order = orders.and_then(|o| o.get(leaf)).copied().unwrap_or(ColumnOrder::UNDEFINED);
        prune::may_match(statistics, rows, &self.fields[column].ty, self.units[column], order, predicate)
    }

    /// The rows of a row group that are in pages which may match all conditions.
    fn rows_of_pages(
        &self,
        group: &RowGroupMetaData,
        rows: usize,
        conditions: &[(usize, Predicate)],
        context: &ExecContext,
    ) -> Vec<Range<usize>> {
        let mut selected: Vec<Range<usize>> = iter::once(0..rows).collect();
        for (at, (column, _)) in conditions.iter().enumerate() {
            // The index of a column is read once for all conditions on it.
            if conditions[..at].iter().any(|(earlier, _)| earlier == column) {
                continue;
            }
            let Some(leaf) = self.leaves[*column] else { continue };
            let Some(pages) = self.pages(group, leaf, rows) else { continue };
            let mut matching: Vec<Range<usize>> = vec![];
            for page in &pages {
                let of_column = conditions.iter().filter(|(c, _)| c == column);
                let size = page.rows.len() as u64;
                let may_match = |(_, p): &(usize, Predicate)| {
                    self.may_match(Some(&page.statistics), size, leaf, *column, p)
                };
                if !of_column.into_iter().all(may_match) {
                    context.counters.blocks_skipped.fetch_add(1, Ordering::Relaxed);
                } else if let Some(last) = matching.last_mut().filter(|last| last.end == page.rows.start) {
                    last.end = page.rows.end;
                } else {
                    matching.push(page.rows.clone());
                }
            }
            selected = page_index::intersect(&selected, &matching);
        }
        selected
    }

    /// The pages of a column of a row group, if there is an index of them.
    fn pages(&self, group: &RowGroupMetaData, leaf: usize, rows: usize) -> Option<Vec<page_index::Page>> {
        let chunk = group.columns().get(leaf)?;
        let read = |offset: Option<i64>, length: Option<i32>| {
            let (offset, length) = (u64::try_from(offset?).ok()?, usize::try_from(length?).ok()?);
            self.reader.get_bytes(offset, length).ok()
        };
        let columns = read(chunk.column_index_offset(), chunk.column_index_length())?;
        let offsets = read(chunk.offset_index_offset(), chunk.offset_index_length())?;
        page_index::pages(&columns, &offsets, rows, chunk.column_type())
    }
}

/// Rows of a row group.
#[derive(Debug, Clone)]
struct Piece {
    group: usize,
    /// The first row of the group, in the file.
    first: usize,
    /// Of the whole group.
    rows: usize,
    /// Those to read, in order.
    selected: Vec<Range<usize>>,
    /// How many those are.
    len: usize,
}

impl Piece {
    /// The places of its rows in the file.
    fn row_numbers(&self) -> RowNumbers {
        RowNumbers { first: self.first, ranges: self.selected.clone().into_iter().flatten() }
    }
}

/// The places of rows in a file, in order.
struct RowNumbers {
    first: usize,
    ranges: iter::Flatten<std::vec::IntoIter<Range<usize>>>,
}

impl RowNumbers {
    /// A column of the result that is in no column of the file.
    fn column(&mut self, output: &Output, rows: usize) -> ArrayRef {
        if !output.is_row_number {
            return new_null_array(&output.ty.arrow(), rows);
        }
        let first = self.first;
        let numbers = self.ranges.by_ref().take(rows).map(|row| (first + row) as i64);
        Arc::new(Int64Array::from_iter_values(numbers))
    }
}

/// A column of the result.
#[derive(Debug)]
struct Output {
    /// The column in the file, if it has it.
    position: Option<usize>,
    /// The type in the result.
    ty: LogicalType,
    /// It has the places of the rows in the file.
    is_row_number: bool,
}

/// How to read one file.
#[derive(Debug)]
struct ScanPlan {
    file: Arc<OpenFile>,
    outputs: Vec<Output>,
    /// The columns to decode, sorted.
    roots: Vec<usize>,
    context: Arc<ExecContext>,
}

/// One file under way.
struct ParquetScan {
    plan: Arc<ScanPlan>,
    pieces: std::vec::IntoIter<Piece>,
    total: usize,
}

impl FileScan for ParquetScan {
    fn next_piece(&mut self) -> Result<Option<Batches>> {
        let Some(piece) = self.pieces.next() else { return Ok(None) };
        if self.plan.roots.is_empty() {
            return Ok(Some(Box::new(Constant {
                plan: self.plan.clone(),
                left: piece.len,
                numbers: piece.row_numbers(),
            })));
        }
        Ok(Some(Box::new(Decoder {
            plan: self.plan.clone(),
            left: piece.len,
            numbers: piece.row_numbers(),
            piece,
            reader: None,
            done: false,
        })))
    }

    fn progress(&self) -> f64 {
        1.0 - self.pieces.len() as f64 / self.total.max(1) as f64
    }

    fn pieces_left(&self) -> Option<usize> {
        Some(self.pieces.len())
    }
}

/// Batches of a piece of which no column is in the file: only their number counts.
struct Constant {
    plan: Arc<ScanPlan>,
    left: usize,
    numbers: RowNumbers,
}

impl Iterator for Constant {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        // Without columns a batch costs nothing, however long.
        let rows = if self.plan.outputs.is_empty() { self.left } else { self.left.min(BATCH_ROWS) };
        self.left -= rows;
        let columns = self.plan.outputs.iter().map(|o| self.numbers.column(o, rows)).collect();
        Some(Ok(Batch::new(columns, rows)))
    }
}

/// Batches of a piece. The crate's reader is made by the thread that drains it.
struct Decoder {
    plan: Arc<ScanPlan>,
    piece: Piece,
    reader: Option<ParquetRecordBatchReader>,
    numbers: RowNumbers,
    /// Rows still to come.
    left: usize,
    done: bool,
}

impl Decoder {
    fn start(&self) -> std::result::Result<ParquetRecordBatchReader, ParquetError> {
        let file = &self.plan.file;
        let schema = file.metadata.parquet_schema();
        let mask = ProjectionMask::roots(schema, self.plan.roots.iter().copied());
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file.reader.clone(), file.metadata.clone())
                .with_batch_size(BATCH_ROWS)
                .with_row_groups(vec![self.piece.group])
                .with_projection(mask);
        if self.piece.len < self.piece.rows {
            let (mut selectors, mut at) = (vec![], 0);
            for range in &self.piece.selected {
                if range.start > at {
                    selectors.push(RowSelector::skip(range.start - at));
                }
                selectors.push(RowSelector::select(range.len()));
                at = range.end;
            }
            builder = builder.with_row_selection(RowSelection::from(selectors));
        }
        builder.build()
    }

    fn read(&mut self) -> Result<Option<Batch>> {
        let path = self.plan.file.path.clone();
        if self.reader.is_none() {
            let started = guard(&path, || self.start())?.map_err(|e| damaged(&path, &describe(&e)))?;
            self.reader = Some(started);
        }
        let reader = self.reader.as_mut().expect("just made");
        let next = guard(&path, || reader.next().transpose())?;
        let Some(decoded) = next.map_err(|e| damaged(&path, &e.to_string()))? else {
            if self.left > 0 {
                return Err(damaged(&path, &format!("{} rows are missing", self.left)));
            }
            return Ok(None);
        };
        let rows = decoded.num_rows();
        if rows > self.left {
            return Err(damaged(&path, "it has more rows than its footer says"));
        }
        self.left -= rows;
        let columns = self
            .plan
            .outputs
            .iter()
            .map(|output| -> Result<ArrayRef> {
                let Some(position) = output.position else {
                    return Ok(self.numbers.column(output, rows));
                };
                let place = self.plan.roots.binary_search(&position).expect("a root of the projection");
                let own = &self.plan.file.fields[position];
                let array = conform(decoded.column(place), &own.ty)?;
                if own.ty == output.ty { Ok(array) } else { cast(&array, &own.ty, &output.ty, false) }
            })
            .collect::<Result<Vec<_>>>()?;
        let bytes: usize = decoded.columns().iter().map(|c| c.get_array_memory_size()).sum();
        self.plan.context.counters.bytes_decoded.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(Some(Batch::new(columns, rows)))
    }
}

impl Iterator for Decoder {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.read().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Runs the crate's code; a panic in it becomes an error.
pub(super) fn guard<T>(path: &str, run: impl FnOnce() -> T) -> Result<T> {
    foreign::guard(run).map_err(|what| damaged(path, &what))
}

/// The crate's message without its prefix.
pub(super) fn describe(error: &ParquetError) -> String {
    match error {
        ParquetError::General(m) | ParquetError::EOF(m) | ParquetError::ArrowError(m) => m.clone(),
        other => other.to_string(),
    }
}

pub(super) fn not_parquet(path: &str, what: &str) -> ExecError {
    ExecError::Io(format!("\"{path}\" is not a valid Parquet file: {what}"))
}

fn damaged(path: &str, what: &str) -> ExecError {
    ExecError::Io(format!("the Parquet file \"{path}\" is damaged: {what}"))
}
