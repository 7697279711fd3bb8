//! One measured point.

use std::time::SystemTime;

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue {
    /// A `DOUBLE`; finite.
    Float(f64),
    /// A `BIGINT`.
    Int(i64),
    /// A `UBIGINT`.
    UInt(u64),
    /// A `BOOLEAN`.
    Bool(bool),
    /// A `VARCHAR`.
    Text(String),
}

macro_rules! from {
    ($($from:ty => $variant:ident),* $(,)?) => {$(
        impl From<$from> for FieldValue {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

from!(f64 => Float, f32 => Float, i64 => Int, i32 => Int, u64 => UInt, u32 => UInt, bool => Bool, &str => Text, String => Text);

/// A point of a measurement: tags that name its series, fields with values, and a time.
///
/// ```
/// use fluxdb::{Database, Point};
///
/// let db = Database::open_in_memory()?;
/// db.write(&[Point::new("cpu").tag("host", "web01").field("usage", 72.4).at_micros(1_700_000_000_000_000)])?;
/// assert_eq!(db.connect().query("SELECT * FROM cpu WHERE usage > 70")?.count_rows()?, 1);
/// # Ok::<(), fluxdb::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub(super) measurement: String,
    pub(super) tags: Vec<(String, String)>,
    pub(super) fields: Vec<(String, FieldValue)>,
    /// Nanoseconds since 1970; the present if absent.
    pub(super) nanos: Option<i128>,
}

impl Point {
    /// A point without tags and fields, of the present.
    pub fn new(measurement: impl Into<String>) -> Self {
        Self { measurement: measurement.into(), tags: vec![], fields: vec![], nanos: None }
    }

    /// With a tag.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((name.into(), value.into()));
        self
    }

    /// With a field.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<FieldValue>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// At a time.
    #[must_use]
    pub fn at(mut self, time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        // A SystemTime has less than 2⁶⁴ seconds on either side, which are less than 2⁹⁴ nanoseconds.
        self.nanos = Some(match since {
            Ok(since) => since.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        });
        self
    }

    /// At a time, in microseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn at_micros(mut self, micros: i64) -> Self {
        self.nanos = Some(i128::from(micros) * 1_000);
        self
    }

    /// At a time, in nanoseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn at_nanos(mut self, nanos: i64) -> Self {
        self.nanos = Some(nanos.into());
        self
    }
}
