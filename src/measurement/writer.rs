//! Gathers points until there is a row group to write.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::catalog::{MAIN_SCHEMA, Object, TableDefinition, fold};
use crate::column::ROW_GROUP_ROWS;
use crate::database::Shared;
use crate::error::Result;
use crate::exec::error::ExecError;
use crate::io::line_protocol::{FieldText, Line, fields, parse_series, unescape, unescape_text};
use crate::measurement::batch::{Batch, begin};
use crate::measurement::buffer::{Buffer, Value};
use crate::measurement::point::{FieldValue, Point};

/// Series that are known by the text of their line; more than that and all are forgotten, so that memory stays
/// bounded however many there are.
const SERIES_MAX: usize = 200_000;
/// Points of all measurements that wait.
const WAITING_MAX: usize = 4 * ROW_GROUP_ROWS;
/// Bytes that they take, so that memory stays bounded however many fields and however long texts there are; an import has as
/// many again, which are being written.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// A point that was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its place: the index of the point, or the number of its line, from 1.
    pub place: u64,
    /// Why.
    pub message: String,
}

/// Writes points in batches. What was written but not flushed is lost when it is dropped; [`flush`](Self::flush)
/// makes it durable.
///
/// ```
/// use fluxdb::{Database, Point};
///
/// let db = Database::open_in_memory()?;
/// let mut writer = db.point_writer();
/// for i in 0..1000 {
///     writer.write(&Point::new("cpu").tag("host", "a").field("usage", f64::from(i)).at_micros(i64::from(i) * 1_000_000))?;
/// }
/// writer.flush()?;
/// assert_eq!(db.connect().query("FROM cpu")?.count_rows()?, 1000);
/// # Ok::<(), fluxdb::Error>(())
/// ```
pub struct PointWriter {
    shared: Arc<Shared>,
    buffers: Vec<Buffer>,
    by_name: HashMap<Box<str>, usize>,
    /// Tables as batches will make them that may not be written yet.
    on_their_way: HashMap<Box<str>, Arc<TableDefinition>>,
    /// Buffer and series of a line's first part, or of what [`key_of`] makes of a point.
    series: HashMap<Box<[u8]>, (usize, u32), foldhash::fast::FixedState>,
    /// Kept for its room.
    key: Vec<u8>,
    waiting: usize,
    /// Bytes that they take, roughly.
    waiting_bytes: usize,
    /// Points of the largest measurement of the batch before.
    largest: usize,
    written: u64,
    cut: u64,
}

impl std::fmt::Debug for PointWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PointWriter").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

impl PointWriter {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            buffers: vec![],
            by_name: HashMap::new(),
            on_their_way: HashMap::new(),
            series: HashMap::default(),
            key: vec![],
            waiting: 0,
            waiting_bytes: 0,
            largest: 0,
            written: 0,
            cut: 0,
        }
    }

    /// Points that have been made durable.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Points whose times were cut to the precision of their table.
    pub fn cut_times(&self) -> u64 {
        self.cut + self.buffers.iter().map(|b| b.cut).sum::<u64>()
    }

    /// Takes a point, and writes what waits if that is enough for a row group.
    ///
    /// # Errors
    /// The point does not fit its measurement, and is left out; or writing failed.
    pub fn write(&mut self, point: &Point) -> Result<()> {
        self.hold(point)?;
        if self.is_full() { self.flush() } else { Ok(()) }
    }

    /// Takes a point, however many wait.
    pub(crate) fn hold(&mut self, point: &Point) -> Result<()> {
        let nanos = point.nanos.unwrap_or_else(now_nanos);
        self.add_point(point, nanos).map_err(|e| ExecError::InvalidInput(e).into())
    }

    fn add_point(&mut self, point: &Point, nanos: i128) -> Result<(), String> {
        if point.measurement.is_empty() {
            return Err("the measurement has no name".into());
        }
        if point.fields.is_empty() {
            return Err(format!("a point of \"{}\" has no fields", point.measurement));
        }
        let mut key = std::mem::take(&mut self.key);
        key_of(point, &mut key);
        let outcome = self.add_keyed_point(point, &key, nanos);
        self.key = key;
        outcome
    }

    fn add_keyed_point(&mut self, point: &Point, key: &[u8], nanos: i128) -> Result<(), String> {
        let known = self.series.get(key).copied();
        let index = match known {
            Some((index, _)) => index,
            None => self.buffer(&point.measurement)?,
        };
        let buffer = &mut self.buffers[index];
        let bytes_before = buffer.bytes;
        let mut values = Vec::with_capacity(point.fields.len());
        for (name, value) in &point.fields {
            let value = match value {
                FieldValue::Float(v) if !v.is_finite() => {
                    return Err(format!("the field \"{name}\" is {v}; only finite numbers can be stored"));
                }
                FieldValue::Float(v) => Value::Float(*v),
                FieldValue::Int(v) => Value::Int(*v),
                FieldValue::UInt(v) => Value::UInt(*v),
                FieldValue::Bool(v) => Value::Bool(*v),
                FieldValue::Text(v) => Value::Text(v),
            };
            values.push((buffer.field(name, value.kind(), values.len())?, value));
        }
        let series = match known {
            Some((_, series)) => series,
            None => {
                let series = buffer.add_series(&point.tags)?;
                self.series.insert(key.into(), (index, series));
                series
            }
        };
        buffer.push(series, nanos, &values)?;
        self.waiting_bytes += buffer.bytes - bytes_before;
        self.waiting += 1;
        Ok(())
    }

    /// Takes a line of the line protocol, whose time is in ticks of `nanos_per_tick`.
    pub(super) fn add_line(
        &mut self,
        line: &Line<'_>,
        nanos_per_tick: i128,
        now: i128,
    ) -> Result<(), String> {
        let known = self.series.get(line.series).copied();
        let (index, known_series) = match known {
            Some((index, series)) => (index, Some(series)),
            None => (usize::MAX, None),
        };
        let (index, tags) = match known_series {
            Some(_) => (index, None),
            None => {
                let (measurement, tags) = parse_series(line.series)?;
                (self.buffer(&measurement)?, Some(tags))
            }
        };
        let buffer = &mut self.buffers[index];
        let bytes_before = buffer.bytes;
        let mut values: Vec<(usize, Value<'_>)> = Vec::with_capacity(16);
        // Names and texts with escapes are decoded apart; all others are used as they stand.
        let mut texts: Vec<(usize, String)> = vec![];
        let mut rest = fields(line.fields);
        loop {
            if let Some(name) = buffer.float_name(values.len())
                && let Some(value) = rest.take_float(name)
            {
                values.push((values.len(), Value::Float(value)));
                continue;
            }
            let Some(field) = rest.next() else { break };
            let (key, value) = field?;
            let value = match value {
                FieldText::Float(v) => Value::Float(v),
                FieldText::Int(v) => Value::Int(v),
                FieldText::UInt(v) => Value::UInt(v),
                FieldText::Bool(v) => Value::Bool(v),
                FieldText::Text(bytes) => match unescape_text(bytes)? {
                    std::borrow::Cow::Borrowed(text) => Value::Text(text),
                    std::borrow::Cow::Owned(text) => {
                        texts.push((values.len(), text));
                        Value::Text("")
                    }
                },
            };
            let field = match buffer.likely_field(key, value.kind(), values.len()) {
                Some(field) => field,
                None => buffer.field(&unescape(key, b",= ")?, value.kind(), values.len())?,
            };
            values.push((field, value));
        }
        for (at, text) in &texts {
            values[*at].1 = Value::Text(text);
        }
        let series = match (known_series, tags) {
            (Some(series), _) => series,
            (None, Some(tags)) => {
                let series = buffer.add_series(&tags)?;
                self.series.insert(line.series.into(), (index, series));
                series
            }
            (None, None) => return Err("the line has no series".into()),
        };
        buffer.push(series, line.time.map_or(now, |t| i128::from(t) * nanos_per_tick), &values)?;
        self.waiting_bytes += buffer.bytes - bytes_before;
        self.waiting += 1;
        Ok(())
    }

    /// The buffer of a measurement.
    fn buffer(&mut self, name: &str) -> Result<usize, String> {
        if let Some(&index) = self.by_name.get(name) {
            return Ok(index);
        }
        // Names that differ in case only are of one table, and of one buffer, which knows the types of its fields.
        let folded = fold(name);
        if let Some(&index) = self.by_name.get(&*folded) {
            self.by_name.insert(name.into(), index);
            return Ok(index);
        }
        let snapshot = self.shared.storage().snapshot();
        let there = match snapshot.catalog().object(MAIN_SCHEMA, name) {
            Ok(Object::Table(table)) if table.materialized.is_none() => Some(Arc::clone(table)),
            Ok(other) => return Err(format!("\"{name}\" is a {}, not a measurement", other.kind())),
            Err(_) => None,
        };
        let table = match self.on_their_way.get(&*folded) {
            Some(table) if !there.as_ref().is_some_and(|there| has_all_columns(there, table)) => {
                Some(Arc::clone(table))
            }
            _ => there,
        };
        self.buffers.push(Buffer::new(name, table, if self.buffers.is_empty() { self.largest } else { 0 })?);
        let index = self.buffers.len() - 1;
        self.by_name.insert(name.into(), index);
        self.by_name.insert(folded.into(), index);
        Ok(index)
    }

    /// Makes all points that were taken durable and visible, in one transaction.
    ///
    /// # Errors
    /// Another connection holds a transaction that writes: the points still wait then. The disk is full, or a table was
    /// changed so that the points no longer fit: they are gone then.
    pub fn flush(&mut self) -> Result<()> {
        if self.waiting == 0 {
            return Ok(());
        }
        let transaction = begin(&self.shared)?;
        let batch = self.take_batch();
        self.on_their_way.clear();
        self.written += batch.commit(transaction)?;
        Ok(())
    }

    /// Takes all points that wait, for somebody to write. Until that is done, tables are taken to be as the batch will
    /// make them.
    pub(super) fn take_batch(&mut self) -> Batch {
        self.series.clear();
        self.by_name.clear();
        self.largest = self.buffers.iter().map(Buffer::rows).max().unwrap_or(0);
        self.waiting_bytes = 0;
        let points = std::mem::take(&mut self.waiting) as u64;
        // Tables may be others by the next batch, so that no buffer is kept.
        let buffers = std::mem::take(&mut self.buffers);
        self.cut += buffers.iter().map(|buffer| buffer.cut).sum::<u64>();
        for buffer in &buffers {
            if let Some(table) = buffer.table_once_written() {
                self.on_their_way.insert(fold(&buffer.name).into(), table);
            }
        }
        Batch { buffers, points }
    }

    /// Whether there is enough to write.
    pub(super) fn is_full(&self) -> bool {
        if self.waiting_bytes >= WAITING_BYTES_MAX {
            return true;
        }
        if self.series.len() < SERIES_MAX && self.waiting < ROW_GROUP_ROWS {
            return false;
        }
        self.waiting >= WAITING_MAX
            || self.series.len() >= SERIES_MAX
            || self.buffers.iter().any(|b| b.rows() >= ROW_GROUP_ROWS)
    }

    /// What points are written to.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// Whether a table has all columns of another.
fn has_all_columns(table: &TableDefinition, of: &TableDefinition) -> bool {
    of.columns.iter().all(|column| table.column_position(&column.name).is_some())
}

/// Bytes that tell the series of points apart. They begin with a zero, which no line does.
fn key_of(point: &Point, key: &mut Vec<u8>) {
    key.clear();
    key.push(0);
    let texts = point.tags.iter().flat_map(|(tag, value)| [tag, value]);
    for text in std::iter::once(&point.measurement).chain(texts) {
        key.extend_from_slice(&(text.len() as u64).to_le_bytes());
        key.extend_from_slice(text.as_bytes());
    }
}

/// The present.
pub(super) fn now_nanos() -> i128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or_else(|before| -(before.duration().as_nanos() as i128), |since| since.as_nanos() as i128)
}
