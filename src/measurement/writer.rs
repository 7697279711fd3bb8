//! Gathers points and writes them, a row group and a transaction at a time.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::catalog::{MAIN_SCHEMA, Object};
use crate::column::ROW_GROUP_ROWS;
use crate::database::Shared;
use crate::error::{Error, Result};
use crate::exec::context::CancelToken;
use crate::exec::error::ExecError;
use crate::io::line_protocol::{FieldText, Line, fields, parse_series, unescape, unescape_text};
use crate::measurement::buffer::{Buffer, Value};
use crate::measurement::duplicates;
use crate::measurement::point::{FieldValue, Point};
use crate::sql::session::wait_to_write;

/// Series that are known by the text of their line; more than that and all are forgotten, so that memory stays
/// bounded however many there are.
const SERIES_MAX: usize = 200_000;
/// Points of all measurements that wait.
const WAITING_MAX: usize = 4 * ROW_GROUP_ROWS;
/// Bytes that they take, so that memory stays bounded however many fields and however long texts there are.
const WAITING_BYTES_MAX: usize = 128 << 20;

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
        self.flush_if_full()
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
        let snapshot = self.shared.storage().snapshot();
        let table = match snapshot.catalog().object(MAIN_SCHEMA, name) {
            Ok(Object::Table(table)) if table.materialized.is_none() => Some(Arc::clone(table)),
            Ok(other) => return Err(format!("\"{name}\" is a {}, not a measurement", other.kind())),
            Err(_) => None,
        };
        self.buffers.push(Buffer::new(name, table, if self.buffers.is_empty() { self.largest } else { 0 })?);
        self.by_name.insert(name.into(), self.buffers.len() - 1);
        Ok(self.buffers.len() - 1)
    }

    /// Writes if there is a row group to write.
    pub(super) fn flush_if_full(&mut self) -> Result<()> {
        if self.waiting_bytes >= WAITING_BYTES_MAX {
            return self.flush();
        }
        if self.series.len() < SERIES_MAX && self.waiting < ROW_GROUP_ROWS {
            return Ok(());
        }
        let full = self.buffers.iter().any(|b| b.rows() >= ROW_GROUP_ROWS);
        if full || self.waiting >= WAITING_MAX || self.series.len() >= SERIES_MAX {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Makes all points that were taken durable and visible, in one transaction.
    ///
    /// # Errors
    /// Another connection holds a transaction that writes; the disk is full; a table was changed so that the points
    /// no longer fit. The points that waited are gone then.
    pub fn flush(&mut self) -> Result<()> {
        if self.waiting == 0 {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let timeout = shared.settings.lock_timeout_ms;
        let mut transaction = wait_to_write(shared.storage(), timeout, &CancelToken::default())?;
        self.series.clear();
        self.by_name.clear();
        self.largest = self.buffers.iter().map(Buffer::rows).max().unwrap_or(0);
        self.waiting_bytes = 0;
        let points = std::mem::take(&mut self.waiting) as u64;
        // Tables may be others by the next batch, so that nothing that is known of them is kept.
        for buffer in std::mem::take(&mut self.buffers) {
            if buffer.rows() == 0 {
                continue;
            }
            self.cut += buffer.cut;
            let catalog = transaction.catalog();
            let schema = catalog.schema(MAIN_SCHEMA).map_err(crate::table::TableError::from)?;
            let schema_id = schema.definition().id;
            let table = match schema.get(&buffer.name) {
                Some(Object::Table(table)) => Some(Arc::clone(table)),
                _ => None,
            };
            let id = match buffer.widened(table.as_deref(), schema_id) {
                Some(wider) if table.is_some() => {
                    let id = wider.id;
                    transaction.alter_table(wider)?;
                    id
                }
                Some(new) => transaction.create_table(new)?,
                None => table.as_ref().map(|t| t.id).ok_or_else(|| lost(&buffer.name))?,
            };
            let definition =
                transaction.catalog().table_by_id(id).cloned().ok_or_else(|| lost(&buffer.name))?;
            let keep_all = duplicates::are_kept(&definition);
            let mut columns = buffer.into_columns(&definition, keep_all).map_err(|e| {
                Error::from(ExecError::InvalidInput(format!("measurement \"{}\": {e}", definition.name)))
            })?;
            if !keep_all {
                let there = transaction.view()?.table(id)?;
                let replaced = duplicates::absorb(&there, &mut columns)?;
                transaction.delete(id, &replaced)?;
            }
            let appender = transaction.append(id)?;
            let rows = columns.first().map_or(0, |c| c.len());
            for (i, from) in (0..rows).step_by(appender.row_group_rows()).enumerate() {
                let length = appender.row_group_rows().min(rows - from);
                let part: Vec<_> = columns.iter().map(|c| c.slice(from, length)).collect();
                appender.write_row_group(i as u64, &part)?;
            }
        }
        transaction.commit()?;
        self.written += points;
        Ok(())
    }
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

fn lost(name: &str) -> Error {
    ExecError::Internal(format!("the table of measurement \"{name}\" is gone")).into()
}

/// The present.
pub(super) fn now_nanos() -> i128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or_else(|before| -(before.duration().as_nanos() as i128), |since| since.as_nanos() as i128)
}
