//! Values for the parameters of a statement.

use std::borrow::Cow;
use std::time::SystemTime;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::calendar::TIMESTAMP_INFINITY;
use crate::sql::session::{Parameters, TypedValue};

/// A value for a parameter: whatever [`From`] is there for, `None` for NULL, or any [`Scalar`] with its type.
#[derive(Debug, Clone)]
pub struct Param(TypedValue);

impl Param {
    /// A value of any type, in the form that goes with it.
    pub fn new(value: Scalar, ty: LogicalType) -> Self {
        Self((value, ty))
    }

    pub(crate) fn into_value(self) -> TypedValue {
        self.0
    }

    /// NULL.
    pub fn null() -> Self {
        Self((Scalar::Null, LogicalType::Null))
    }
}

macro_rules! integers {
    ($($rust:ty => $sql:ident),*) => {
        $(impl From<$rust> for Param {
            fn from(value: $rust) -> Self {
                Self::new(Scalar::Int(value.into()), LogicalType::$sql)
            }
        })*
    };
}

integers!(i8 => TinyInt, i16 => SmallInt, i32 => Integer, i64 => BigInt, i128 => HugeInt);
integers!(u8 => UTinyInt, u16 => USmallInt, u32 => UInteger, u64 => UBigInt);

impl From<usize> for Param {
    fn from(value: usize) -> Self {
        (value as u64).into()
    }
}

impl From<isize> for Param {
    fn from(value: isize) -> Self {
        (value as i64).into()
    }
}

/// An instant, as `now()` gives it.
impl From<SystemTime> for Param {
    fn from(value: SystemTime) -> Self {
        Self::new(Scalar::Int(micros_of(value).into()), LogicalType::TimestampTz)
    }
}

/// Microseconds since 1970, those that have begun. What is beyond the years that there are is at their end.
fn micros_of(time: SystemTime) -> i64 {
    let end = TIMESTAMP_INFINITY - 1;
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).map_or(end, |micros| micros.min(end)),
        Err(before) => {
            let nanos = before.duration().as_nanos();
            i64::try_from(nanos.div_ceil(1_000)).map_or(-end, |micros| (-micros).max(-end))
        }
    }
}

impl From<bool> for Param {
    fn from(value: bool) -> Self {
        Self::new(Scalar::Boolean(value), LogicalType::Boolean)
    }
}

impl From<f32> for Param {
    fn from(value: f32) -> Self {
        Self::new(Scalar::Float(value.into()), LogicalType::Float)
    }
}

impl From<f64> for Param {
    fn from(value: f64) -> Self {
        Self::new(Scalar::Float(value), LogicalType::Double)
    }
}

impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Self::new(Scalar::text(value), LogicalType::Varchar)
    }
}

impl From<String> for Param {
    fn from(value: String) -> Self {
        value.as_str().into()
    }
}

impl From<&String> for Param {
    fn from(value: &String) -> Self {
        value.as_str().into()
    }
}

impl From<Cow<'_, str>> for Param {
    fn from(value: Cow<'_, str>) -> Self {
        value.as_ref().into()
    }
}

impl From<&[u8]> for Param {
    fn from(value: &[u8]) -> Self {
        Self::new(Scalar::bytes(value), LogicalType::Blob)
    }
}

impl<const N: usize> From<&[u8; N]> for Param {
    fn from(value: &[u8; N]) -> Self {
        value.as_slice().into()
    }
}

impl From<Vec<u8>> for Param {
    fn from(value: Vec<u8>) -> Self {
        value.as_slice().into()
    }
}

impl<T: Into<Param>> From<Option<T>> for Param {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(Self::null, Into::into)
    }
}

/// Values for the parameters of a statement: a tuple, an array or a vector for `?` and `$1`, [`Params::named`] for
/// `$name`.
#[derive(Debug, Clone)]
pub struct Params(Values);

/// Rows by key are values by position, a million times: these have no names until a statement asks.
#[derive(Debug, Clone)]
enum Values {
    Positional(Vec<TypedValue>),
    Named(Parameters),
}

impl Default for Params {
    fn default() -> Self {
        Self(Values::Positional(vec![]))
    }
}

impl Params {
    /// Values by position, from `$1` on.
    pub fn positional(values: impl IntoIterator<Item = Param>) -> Self {
        Self(Values::Positional(values.into_iter().map(|v| v.0).collect()))
    }

    /// Values by name, which is written without its `$`.
    pub fn named<'n>(values: impl IntoIterator<Item = (&'n str, Param)>) -> Self {
        let mut parameters = Parameters::default();
        for (name, value) in values {
            parameters.insert(name, value.0);
        }
        Self(Values::Named(parameters))
    }
}

impl Params {
    /// The values, if they are by position.
    pub(crate) fn into_row(self) -> Option<Vec<TypedValue>> {
        match self.0 {
            Values::Positional(values) => Some(values),
            Values::Named(parameters) => parameters.into_positional(),
        }
    }

    /// The values as a statement looks for them.
    pub(crate) fn into_parameters(self) -> Parameters {
        match self.0 {
            Values::Positional(values) => Parameters::positional(values),
            Values::Named(parameters) => parameters,
        }
    }
}

/// Values for the parameters of a statement, of any types: by position, or by name.
///
/// ```
/// use fluxdb::params;
///
/// let connection = fluxdb::Database::open_in_memory()?.connect();
/// let (sum,): (f64,) = connection.query_one("SELECT ? + ?", params![1, 2.5])?;
/// assert_eq!(sum, 3.5);
/// let (text,): (String,) = connection.query_one("SELECT $what || '!'", params! { what: "yes" })?;
/// assert_eq!(text, "yes!");
/// # Ok::<(), fluxdb::Error>(())
/// ```
#[macro_export]
macro_rules! params {
    () => { $crate::Params::default() };
    ($($name:ident : $value:expr),+ $(,)?) => {
        $crate::Params::named([$((stringify!($name), $crate::Param::from($value))),+])
    };
    ($($value:expr),+ $(,)?) => {
        $crate::Params::positional([$($crate::Param::from($value)),+])
    };
}

impl From<()> for Params {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl<T: Into<Param>> From<Vec<T>> for Params {
    fn from(values: Vec<T>) -> Self {
        Self::positional(values.into_iter().map(Into::into))
    }
}

impl<T: Into<Param>, const N: usize> From<[T; N]> for Params {
    fn from(values: [T; N]) -> Self {
        Self::positional(values.map(Into::into))
    }
}

macro_rules! tuples {
    ($($($name:ident)+;)*) => {
        $(impl<$($name: Into<Param>),+> From<($($name,)+)> for Params {
            #[allow(non_snake_case)] // The letters name types and values alike.
            fn from(($($name,)+): ($($name,)+)) -> Self {
                Self::positional([$($name.into()),+])
            }
        })*
    };
}

tuples!(
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
    A B C D E F G H I;
    A B C D E F G H I J;
    A B C D E F G H I J K;
    A B C D E F G H I J K L;
);
