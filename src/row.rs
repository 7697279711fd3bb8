//! Rows as Rust values.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::connection::Rows;
use crate::error::{Error, Result};
use crate::exec::batch::{Batch, Field};
use crate::exec::calendar::{DATE_INFINITY, TIMESTAMP_INFINITY};
use crate::exec::cast::temporal::units_per_second;
use crate::exec::cast::text::Writer;
use crate::exec::functions::flatten;

/// One row of a result.
///
/// ```
/// let connection = fluxdb::Database::open_in_memory()?.connect();
/// let row = connection.query("SELECT 42 AS answer, 'why' AS question, NULL AS nothing")?.into_rows().next().unwrap()?;
/// assert_eq!(row.get::<_, i64>("answer")?, 42);
/// assert_eq!(row.get::<_, String>(1)?, "why");
/// assert_eq!(row.get::<_, Option<f64>>("nothing")?, None);
/// assert!(row.get::<_, bool>("question").is_err());
/// # Ok::<(), fluxdb::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Row {
    columns: Arc<[Field]>,
    batch: Arc<Batch>,
    row: usize,
}

impl Row {
    pub(crate) fn new(columns: Arc<[Field]>, batch: Arc<Batch>, row: usize) -> Self {
        Self { columns, batch, row }
    }

    /// Names and types of the columns.
    pub fn columns(&self) -> &[Field] {
        &self.columns
    }

    /// Whether there is such a column.
    pub fn has<I: ColumnIndex>(&self, column: I) -> bool {
        column.position(&self.columns).is_ok()
    }

    /// The value of a column, which is named by its position or its name.
    ///
    /// # Errors
    ///
    /// There is no such column, or its value is not of that type.
    pub fn get<I: ColumnIndex, T: FromValue>(&self, column: I) -> Result<T> {
        let position = column.position(&self.columns)?;
        let field = &self.columns[position];
        let column = &self.batch.columns[position];
        T::from_column(column, self.row, &field.ty)
            .map_or_else(|| T::from_value(&self.value(position), &field.ty), Ok)
            .map_err(|what| Error::Usage(format!("column \"{}\" of type {}: {what}", field.name, field.ty)))
    }

    /// The value of the column at that position, as it is.
    ///
    /// # Panics
    ///
    /// If there is no such column.
    pub fn value(&self, position: usize) -> Scalar {
        let ty = &self.columns[position].ty;
        if *ty == LogicalType::Null {
            return Scalar::Null;
        }
        Scalar::from_array(&*self.batch.columns[position], self.row, ty)
    }

    /// The value of the column at that position, as the shell shows it; `None` for NULL.
    ///
    /// # Panics
    ///
    /// If there is no such column.
    pub fn text(&self, position: usize) -> Option<String> {
        let writer = Writer::new(&self.batch.columns[position], &self.columns[position].ty).ok()?;
        let mut out = String::new();
        (!writer.is_null(self.row)).then(|| writer.write(self.row, &mut out)).map(|()| out)
    }
}

/// What names a column: a position, from 0, or a name, whatever its case.
pub trait ColumnIndex {
    /// The position among these columns.
    ///
    /// # Errors
    ///
    /// There is no such column.
    fn position(&self, columns: &[Field]) -> Result<usize>;
}

impl ColumnIndex for usize {
    fn position(&self, columns: &[Field]) -> Result<usize> {
        if *self < columns.len() {
            return Ok(*self);
        }
        Err(Error::Usage(format!("there is no column {self}: the result has {}", columns.len())))
    }
}

impl ColumnIndex for &str {
    fn position(&self, columns: &[Field]) -> Result<usize> {
        columns.iter().position(|c| c.name.eq_ignore_ascii_case(self)).ok_or_else(|| {
            let names: Vec<_> = columns.iter().map(|c| c.name.as_str()).collect();
            Error::Usage(format!("there is no column \"{self}\": there are {}", names.join(", ")))
        })
    }
}

/// A Rust type that a value can become.
pub trait FromValue: Sized {
    /// The value, whose meaning `ty` tells.
    ///
    /// # Errors
    ///
    /// What keeps it from being one.
    fn from_value(value: &Scalar, ty: &LogicalType) -> Result<Self, String>;

    /// The value of a row of a column, where there is a shorter way than over [`from_value`](Self::from_value); `None`
    /// says nothing about the value.
    fn from_column(_column: &ArrayRef, _row: usize, _ty: &LogicalType) -> Option<Self> {
        None
    }
}

fn other<T>(value: &Scalar, wanted: &str) -> Result<T, String> {
    match value {
        Scalar::Null => Err(format!("it is NULL; an Option<{wanted}> can be that")),
        _ => Err(format!("it is not a {wanted}")),
    }
}

macro_rules! integers {
    ($($rust:ty),*) => {
        $(impl FromValue for $rust {
            fn from_value(value: &Scalar, ty: &LogicalType) -> Result<Self, String> {
                match value {
                    Scalar::Int(v) if !matches!(ty, LogicalType::Decimal { scale: 1.., .. } | LogicalType::Enum(_)) => {
                        (*v).try_into().map_err(|_| format!("{v} does not fit {}", stringify!($rust)))
                    }
                    value => other(value, stringify!($rust)),
                }
            }
        })*
    };
}

integers!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, usize);

impl FromValue for bool {
    fn from_value(value: &Scalar, _: &LogicalType) -> Result<Self, String> {
        match value {
            Scalar::Boolean(v) => Ok(*v),
            value => other(value, "bool"),
        }
    }
}

impl FromValue for f64 {
    fn from_value(value: &Scalar, ty: &LogicalType) -> Result<Self, String> {
        match (value, ty) {
            (Scalar::Float(v), _) => Ok(*v),
            (Scalar::Int(v), LogicalType::Decimal { scale, .. }) => {
                Ok(*v as Self / 10_f64.powi(i32::from(*scale)))
            }
            (Scalar::Int(v), ty) if ty.is_integer() => Ok(*v as Self),
            (value, _) => other(value, "f64"),
        }
    }
}

impl FromValue for f32 {
    fn from_value(value: &Scalar, ty: &LogicalType) -> Result<Self, String> {
        f64::from_value(value, ty).map(|v| v as Self)
    }
}

impl FromValue for String {
    fn from_value(value: &Scalar, ty: &LogicalType) -> Result<Self, String> {
        match value {
            Scalar::Text(v) => Ok(v.to_string()),
            Scalar::Null => other(value, "String"),
            // Anything else as the shell shows it.
            value => {
                let array = value.to_array(ty, 1).map_err(|e| e.to_string())?;
                let mut out = Self::new();
                Writer::new(&array, ty).map_err(|e| e.to_string())?.write(0, &mut out);
                Ok(out)
            }
        }
    }

    fn from_column(column: &ArrayRef, row: usize, _: &LogicalType) -> Option<Self> {
        let texts = column.as_string_view_opt()?;
        texts.is_valid(row).then(|| texts.value(row).to_owned())
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: &Scalar, _: &LogicalType) -> Result<Self, String> {
        match value {
            Scalar::Bytes(v) => Ok(v.to_vec()),
            Scalar::Text(v) => Ok(v.as_bytes().to_vec()),
            value => other(value, "Vec<u8>"),
        }
    }

    fn from_column(column: &ArrayRef, row: usize, _: &LogicalType) -> Option<Self> {
        let values = column.as_binary_view_opt()?;
        values.is_valid(row).then(|| values.value(row).to_vec())
    }
}

/// An instant; a date or a timestamp without zone is one of UTC.
impl FromValue for SystemTime {
    fn from_value(value: &Scalar, ty: &LogicalType) -> Result<Self, String> {
        let (nanos_per_tick, infinity) = match ty {
            LogicalType::Timestamp(unit) => {
                (1_000_000_000 / i128::from(units_per_second(*unit)), TIMESTAMP_INFINITY.into())
            }
            LogicalType::TimestampTz => (1_000, TIMESTAMP_INFINITY.into()),
            LogicalType::Date => (86_400_000_000_000, i128::from(DATE_INFINITY)),
            _ => return other(value, "SystemTime"),
        };
        let Scalar::Int(ticks) = value else { return other(value, "SystemTime") };
        if ticks.abs() >= infinity {
            return Err("it is infinity, which is no SystemTime".to_owned());
        }
        let nanos = ticks * nanos_per_tick;
        let seconds = u64::try_from(nanos.div_euclid(1_000_000_000).unsigned_abs());
        let rest = nanos.rem_euclid(1_000_000_000) as u64;
        let whole = seconds.ok().map(Duration::from_secs).and_then(|seconds| {
            if nanos < 0 {
                Self::UNIX_EPOCH.checked_sub(seconds)
            } else {
                Self::UNIX_EPOCH.checked_add(seconds)
            }
        });
        whole
            .and_then(|whole| whole.checked_add(Duration::from_nanos(rest)))
            .ok_or_else(|| "it does not fit SystemTime".to_owned())
    }
}

impl FromValue for Scalar {
    fn from_value(value: &Scalar, _: &LogicalType) -> Result<Self, String> {
        Ok(value.clone())
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Scalar, ty: &LogicalType) -> Result<Self, String> {
        if value.is_null() { Ok(None) } else { T::from_value(value, ty).map(Some) }
    }

    fn from_column(column: &ArrayRef, row: usize, ty: &LogicalType) -> Option<Self> {
        T::from_column(column, row, ty).map(Some)
    }
}

/// A Rust type that a row can become: a tuple, or a struct that derives it, whose fields are the columns of their
/// names.
///
/// ```
/// use fluxdb::FromRow;
///
/// #[derive(FromRow)]
/// struct Reading {
///     station: String,
///     #[fluxdb(rename = "temp")]
///     degrees: f64,
///     #[fluxdb(default)] // if there is no such column, or it is NULL
///     remark: String,
///     #[fluxdb(skip)] // never a column
///     seen: bool,
/// }
///
/// let connection = fluxdb::Database::open_in_memory()?.connect();
/// let sql = "SELECT 'harbour' AS station, 72.4 AS temp UNION ALL SELECT 'airport', 71.9";
/// let readings: Vec<Reading> = connection.query_as(sql, ())?;
/// assert_eq!(readings[1].station, "airport");
/// assert_eq!(readings[0].degrees, 72.4);
/// assert!(readings.iter().all(|r| r.remark.is_empty() && !r.seen));
/// # Ok::<(), fluxdb::Error>(())
/// ```
pub trait FromRow: Sized {
    /// The row as one.
    ///
    /// # Errors
    ///
    /// A column is missing, or its value is of another type.
    fn from_row(row: &Row) -> Result<Self>;
}

macro_rules! tuples {
    ($($($name:ident $position:tt)+;)*) => {
        $(impl<$($name: FromValue),+> FromRow for ($($name,)+) {
            fn from_row(row: &Row) -> Result<Self> {
                Ok(($(row.get::<usize, $name>($position)?,)+))
            }
        })*
    };
}

tuples!(
    A 0;
    A 0 B 1;
    A 0 B 1 C 2;
    A 0 B 1 C 2 D 3;
    A 0 B 1 C 2 D 3 E 4;
    A 0 B 1 C 2 D 3 E 4 F 5;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11;
);

/// The rows of a result one by one.
#[derive(Debug)]
pub struct RowIter {
    rows: Rows,
    columns: Arc<[Field]>,
    batch: Option<(Arc<Batch>, usize)>,
}

impl RowIter {
    pub(crate) fn new(rows: Rows) -> Self {
        Self { columns: rows.columns().into(), rows, batch: None }
    }
}

impl Iterator for RowIter {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((batch, next)) = &mut self.batch
                && *next < batch.rows
            {
                let row = Row { columns: Arc::clone(&self.columns), batch: Arc::clone(batch), row: *next };
                *next += 1;
                return Some(Ok(row));
            }
            let batch = match self.rows.next_batch()? {
                Ok(batch) => batch,
                Err(e) => return Some(Err(e)),
            };
            let columns = match batch.columns.iter().map(flatten).collect::<Result<_, _>>() {
                Ok(columns) => columns,
                Err(e) => return Some(Err(e.into())),
            };
            self.batch = Some((Arc::new(Batch::new(columns, batch.rows)), 0));
        }
    }
}
