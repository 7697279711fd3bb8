//! One value outside a vector: literals, statistics, bounds.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::builder::make_view;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray, StringViewArray,
    UInt32Array, downcast_integer, new_null_array,
};
use arrow_buffer::{BooleanBuffer, Buffer, ScalarBuffer};
use arrow_schema::{DataType, IntervalUnit, SortOptions, TimeUnit};

use crate::column::error::{ColumnError, Result};
use crate::column::types::LogicalType;

/// One value in its physical form; what it means is told by the `LogicalType` that goes with it.
///
/// All integers, dates, times, timestamps, decimals (unscaled), huge integers and enum positions are
/// [`Scalar::Int`]; `REAL` is widened to [`Scalar::Float`] exactly; `VARCHAR` and `JSON` are
/// [`Scalar::Text`]; `BLOB` and `UUID` are [`Scalar::Bytes`].
///
/// `==` and `Hash` follow the order of [`Scalar::total_cmp`]: NULL equals NULL, NaN equals NaN, -0.0
/// equals 0.0, and intervals are equal if they are equally long with 30 days a month and 24 hours a day.
#[derive(Debug, Clone, Default)]
pub enum Scalar {
    /// SQL's NULL.
    #[default]
    Null,
    /// A boolean.
    Boolean(bool),
    /// Anything that is a whole number in memory.
    Int(i128),
    /// A float; NaN is greater than all others and equal to itself, as in DuckDB.
    Float(f64),
    /// Text.
    Text(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// An interval.
    Interval {
        /// Calendar months.
        months: i32,
        /// Calendar days.
        days: i32,
        /// Nanoseconds.
        nanos: i64,
    },
    /// A list, array, struct or map: an Arrow array of one row.
    Nested(ArrayRef),
}

/// The total order of floats: as numbers, with -0.0 equal to 0.0 and every NaN equal to the others and
/// greater than all numbers.
pub fn float_cmp(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// The length of an interval in nanoseconds, with 30 days a month and 24 hours a day: what DuckDB compares.
pub fn interval_nanos(months: i32, days: i32, nanos: i64) -> i128 {
    const DAY: i128 = 86_400_000_000_000;
    (i128::from(months) * 30 + i128::from(days)) * DAY + i128::from(nanos)
}

impl Scalar {
    /// A text value.
    pub fn text(value: impl AsRef<str>) -> Self {
        Self::Text(value.as_ref().into())
    }

    /// A value of bytes.
    pub fn bytes(value: impl AsRef<[u8]>) -> Self {
        Self::Bytes(value.as_ref().into())
    }

    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The order of two values of one type; `None` if either is NULL, or if they are not of one type.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Float(a), Self::Float(b)) => Some(float_cmp(*a, *b)),
            (Self::Text(a), Self::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Self::Bytes(a), Self::Bytes(b)) => Some(a.cmp(b)),
            (
                Self::Interval { months, days, nanos },
                Self::Interval { months: months_b, days: days_b, nanos: nanos_b },
            ) => Some(
                interval_nanos(*months, *days, *nanos).cmp(&interval_nanos(*months_b, *days_b, *nanos_b)),
            ),
            (Self::Nested(a), Self::Nested(b)) => {
                let options = SortOptions { descending: false, nulls_first: false };
                let compare = arrow_ord::ord::make_comparator(a, b, options).ok()?;
                (a.len() == 1 && b.len() == 1).then(|| compare(0, 0))
            }
            _ => None,
        }
    }

    /// The total order of values of one type, NULLs last. Values of different types are ordered by kind.
    pub fn total_cmp(&self, other: &Self) -> Ordering {
        match (self.is_null(), other.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => self.compare(other).unwrap_or_else(|| self.kind().cmp(&other.kind())),
        }
    }

    /// The number of the variant.
    fn kind(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Boolean(_) => 1,
            Self::Int(_) => 2,
            Self::Float(_) => 3,
            Self::Text(_) => 4,
            Self::Bytes(_) => 5,
            Self::Interval { .. } => 6,
            Self::Nested(_) => 7,
        }
    }

    /// The error for a value that is not of the type it was said to be.
    fn mismatch(&self, ty: &LogicalType) -> ColumnError {
        ColumnError::TypeMismatch { value: format!("{self:?}"), ty: ty.to_string() }
    }

    /// An array of `len` times this value, in the layout of `ty`.
    ///
    /// # Errors
    ///
    /// If the value is not of the type, a number out of its range included.
    pub fn to_array(&self, ty: &LogicalType, len: usize) -> Result<ArrayRef> {
        /// A primitive array of one value.
        fn repeat<T: ArrowPrimitiveType>(value: T::Native, dt: DataType, len: usize) -> ArrayRef {
            let values = ScalarBuffer::from(vec![value; len]);
            Arc::new(PrimitiveArray::<T>::new(values, None).with_data_type(dt))
        }
        macro_rules! int {
            ($t:ty, $v:expr, $dt:expr) => {
                repeat::<$t>((*$v).try_into().map_err(|_| self.mismatch(ty))?, $dt, len)
            };
        }
        let dt = ty.arrow();
        Ok(match (self, &dt) {
            (Self::Null, _) => new_null_array(&dt, len),
            (Self::Boolean(v), DataType::Boolean) => {
                let bits = if *v { BooleanBuffer::new_set(len) } else { BooleanBuffer::new_unset(len) };
                Arc::new(BooleanArray::new(bits, None))
            }
            (Self::Int(v), DataType::Int8) => int!(Int8Type, v, dt),
            (Self::Int(v), DataType::Int16) => int!(Int16Type, v, dt),
            (Self::Int(v), DataType::Int32) => int!(Int32Type, v, dt),
            (Self::Int(v), DataType::Int64) => int!(Int64Type, v, dt),
            (Self::Int(v), DataType::UInt8) => int!(UInt8Type, v, dt),
            (Self::Int(v), DataType::UInt16) => int!(UInt16Type, v, dt),
            (Self::Int(v), DataType::UInt32) => int!(UInt32Type, v, dt),
            (Self::Int(v), DataType::UInt64) => int!(UInt64Type, v, dt),
            (Self::Int(v), DataType::Decimal64(..)) => int!(Decimal64Type, v, dt),
            (Self::Int(v), DataType::Decimal128(..)) => repeat::<Decimal128Type>(*v, dt, len),
            (Self::Int(v), DataType::Date32) => int!(Date32Type, v, dt),
            (Self::Int(v), DataType::Time64(TimeUnit::Microsecond)) => int!(Time64MicrosecondType, v, dt),
            (Self::Int(v), DataType::Time64(TimeUnit::Nanosecond)) => int!(Time64NanosecondType, v, dt),
            (Self::Int(v), DataType::Timestamp(unit, _)) => match unit {
                TimeUnit::Second => int!(TimestampSecondType, v, dt),
                TimeUnit::Millisecond => int!(TimestampMillisecondType, v, dt),
                TimeUnit::Microsecond => int!(TimestampMicrosecondType, v, dt),
                TimeUnit::Nanosecond => int!(TimestampNanosecondType, v, dt),
            },
            (Self::Float(v), DataType::Float32) => repeat::<Float32Type>(*v as f32, dt, len),
            (Self::Float(v), DataType::Float64) => repeat::<Float64Type>(*v, dt, len),
            (Self::Text(v), DataType::Utf8View) => {
                let (views, buffers) = repeat_view(v.as_bytes(), len);
                Arc::new(
                    StringViewArray::try_new(views, buffers, None)
                        .map_err(|e| ColumnError::Unsupported(e.to_string()))?,
                )
            }
            (Self::Bytes(v), DataType::BinaryView) => {
                let (views, buffers) = repeat_view(v, len);
                Arc::new(
                    BinaryViewArray::try_new(views, buffers, None)
                        .map_err(|e| ColumnError::Unsupported(e.to_string()))?,
                )
            }
            (Self::Bytes(v), DataType::FixedSizeBinary(16)) if v.len() == 16 => {
                Arc::new(FixedSizeBinaryArray::new(16, Buffer::from_vec(v.repeat(len)), None))
            }
            (Self::Interval { months, days, nanos }, DataType::Interval(IntervalUnit::MonthDayNano)) => {
                let value = IntervalMonthDayNanoType::make_value(*months, *days, *nanos);
                repeat::<IntervalMonthDayNanoType>(value, dt, len)
            }
            (Self::Nested(row), _) if row.len() == 1 && row.data_type().equals_datatype(&dt) => {
                arrow_select::take::take(row, &UInt32Array::from(vec![0; len]), None)
                    .map_err(|e| ColumnError::Unsupported(e.to_string()))?
            }
            _ => return Err(self.mismatch(ty)),
        })
    }

    /// The value of one row. `VARCHAR` may also be dictionary-coded.
    ///
    /// # Panics
    ///
    /// If the row does not exist, or the array does not have the layout of `ty`.
    pub fn from_array(array: &dyn Array, row: usize, ty: &LogicalType) -> Self {
        assert!(row < array.len(), "row {row} of an array of {}", array.len());
        if array.data_type() == &DataType::Null || array.is_null(row) {
            return Self::Null;
        }
        macro_rules! int {
            ($t:ty) => {
                Self::Int(i128::from(array.as_primitive::<$t>().value(row)))
            };
        }
        macro_rules! key {
            ($t:ty, $values:expr) => {
                Self::from_array($values, array.as_dictionary::<$t>().key(row).unwrap_or_default(), ty)
            };
        }
        match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean(array.as_boolean().value(row)),
            DataType::Int8 => int!(Int8Type),
            DataType::Int16 => int!(Int16Type),
            DataType::Int32 => int!(Int32Type),
            DataType::Int64 => int!(Int64Type),
            DataType::UInt8 => int!(UInt8Type),
            DataType::UInt16 => int!(UInt16Type),
            DataType::UInt32 => int!(UInt32Type),
            DataType::UInt64 => int!(UInt64Type),
            DataType::Decimal64(..) => int!(Decimal64Type),
            DataType::Decimal128(..) => int!(Decimal128Type),
            DataType::Date32 => int!(Date32Type),
            DataType::Time64(TimeUnit::Microsecond) => int!(Time64MicrosecondType),
            DataType::Time64(TimeUnit::Nanosecond) => int!(Time64NanosecondType),
            DataType::Timestamp(TimeUnit::Second, _) => int!(TimestampSecondType),
            DataType::Timestamp(TimeUnit::Millisecond, _) => int!(TimestampMillisecondType),
            DataType::Timestamp(TimeUnit::Microsecond, _) => int!(TimestampMicrosecondType),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => int!(TimestampNanosecondType),
            DataType::Float32 => Self::Float(f64::from(array.as_primitive::<Float32Type>().value(row))),
            DataType::Float64 => Self::Float(array.as_primitive::<Float64Type>().value(row)),
            DataType::Utf8View => Self::text(array.as_string_view().value(row)),
            DataType::BinaryView => Self::bytes(array.as_binary_view().value(row)),
            DataType::FixedSizeBinary(_) => Self::bytes(array.as_fixed_size_binary().value(row)),
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                let v = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
                Self::Interval { months: v.months, days: v.days, nanos: v.nanoseconds }
            }
            DataType::Dictionary(key, _) => {
                let values = array.as_any_dictionary().values().as_ref();
                downcast_integer! {
                    key.as_ref() => (key, values),
                    other => unreachable!("dictionary key of type {other}"),
                }
            }
            _ if ty.is_nested() => Self::Nested(array.slice(row, 1)),
            other => unreachable!("a {ty} in the layout {other}"),
        }
    }
}

/// Views on one value, repeated, and the buffers that they point to.
fn repeat_view(value: &[u8], len: usize) -> (ScalarBuffer<u128>, Vec<Buffer>) {
    let view = make_view(value, 0, 0);
    let buffers = if value.len() > 12 { vec![Buffer::from(value)] } else { vec![] };
    (ScalarBuffer::from(vec![view; len]), buffers)
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.total_cmp(other) == Ordering::Equal
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind().hash(state);
        match self {
            Self::Null => {}
            Self::Boolean(v) => v.hash(state),
            Self::Int(v) => v.hash(state),
            Self::Float(v) if v.is_nan() => f64::NAN.to_bits().hash(state),
            // Adding zero turns -0.0 into 0.0 and leaves the rest.
            Self::Float(v) => (v + 0.0).to_bits().hash(state),
            Self::Text(v) => v.hash(state),
            Self::Bytes(v) => v.hash(state),
            Self::Interval { months, days, nanos } => interval_nanos(*months, *days, *nanos).hash(state),
            // Equal values have equal types; more would have to agree with the comparison of children.
            Self::Nested(v) => v.data_type().hash(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::types::TIMESTAMP;

    fn samples() -> Vec<(LogicalType, Scalar)> {
        use LogicalType as T;
        let enum_type = T::Enum(vec!["a".into(), "b".into()].into());
        let row = Scalar::Int(7).to_array(&T::Integer, 2).unwrap();
        let list = arrow_array::ListArray::new(
            Arc::new(arrow_schema::Field::new("item", DataType::Int32, true)),
            arrow_buffer::OffsetBuffer::from_lengths([2]),
            row,
            None,
        );
        vec![
            (T::Boolean, Scalar::Boolean(true)),
            (T::TinyInt, Scalar::Int(-128)),
            (T::SmallInt, Scalar::Int(-3)),
            (T::Integer, Scalar::Int(4)),
            (T::BigInt, Scalar::Int(i128::from(i64::MIN))),
            (T::HugeInt, Scalar::Int(i128::MAX)),
            (T::UTinyInt, Scalar::Int(255)),
            (T::USmallInt, Scalar::Int(65535)),
            (T::UInteger, Scalar::Int(5)),
            (T::UBigInt, Scalar::Int(i128::from(u64::MAX))),
            (T::Float, Scalar::Float(1.5)),
            (T::Double, Scalar::Float(f64::NAN)),
            (T::Decimal { width: 10, scale: 2 }, Scalar::Int(12345)),
            (T::Decimal { width: 30, scale: 2 }, Scalar::Int(-12345)),
            (T::Varchar, Scalar::text("a text that is not inline")),
            (T::Json, Scalar::text("{}")),
            (T::Blob, Scalar::bytes([0, 255, 1])),
            (T::Uuid, Scalar::bytes([9; 16])),
            (T::Date, Scalar::Int(-1)),
            (T::Time, Scalar::Int(1)),
            (TIMESTAMP, Scalar::Int(-5)),
            (T::Timestamp(TimeUnit::Second), Scalar::Int(5)),
            (T::TimestampTz, Scalar::Int(5)),
            (T::Interval, Scalar::Interval { months: 1, days: -2, nanos: 3 }),
            (enum_type, Scalar::Int(1)),
            (T::List(Box::new(T::Integer)), Scalar::Nested(Arc::new(list))),
        ]
    }

    #[test]
    fn arrays_and_back() {
        for (ty, value) in samples() {
            let array = value.to_array(&ty, 3).unwrap();
            assert!(array.data_type().equals_datatype(&ty.arrow()), "{ty}");
            assert_eq!(array.len(), 3);
            assert_eq!(Scalar::from_array(&array, 2, &ty), value, "{ty}");
            let nulls = Scalar::Null.to_array(&ty, 2).unwrap();
            assert!(Scalar::from_array(&nulls, 1, &ty).is_null());
            assert!(value.to_array(&ty, 0).unwrap().is_empty());
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(Scalar::Int(128).to_array(&LogicalType::TinyInt, 1).is_err());
        assert!(Scalar::text("x").to_array(&LogicalType::Integer, 1).is_err());
        assert!(Scalar::bytes([1]).to_array(&LogicalType::Uuid, 1).is_err());
    }

    #[test]
    fn order() {
        assert_eq!(Scalar::Float(f64::NAN), Scalar::Float(-f64::NAN));
        assert_eq!(Scalar::Float(f64::NAN).compare(&Scalar::Float(f64::INFINITY)), Some(Ordering::Greater));
        assert_eq!(Scalar::Float(-0.0), Scalar::Float(0.0));
        assert_eq!(Scalar::Null.compare(&Scalar::Int(1)), None);
        assert_eq!(Scalar::Null.total_cmp(&Scalar::Int(1)), Ordering::Greater);
        assert_eq!(
            Scalar::Interval { months: 1, days: 0, nanos: 0 },
            Scalar::Interval { months: 0, days: 30, nanos: 0 }
        );
        assert!(Scalar::text("a").total_cmp(&Scalar::text("b")).is_lt());
    }

    #[test]
    fn dictionaries_are_looked_through() {
        let values: ArrayRef = Arc::new(StringViewArray::from(vec!["x", "y"]));
        let array = arrow_array::DictionaryArray::<UInt32Type>::new(
            arrow_array::UInt32Array::from(vec![Some(1), None]),
            values,
        );
        assert_eq!(Scalar::from_array(&array, 0, &LogicalType::Varchar), Scalar::text("y"));
        assert!(Scalar::from_array(&array, 1, &LogicalType::Varchar).is_null());
    }
}
