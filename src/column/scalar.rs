//! One value outside a vector: literals, statistics, bounds.

use std::sync::Arc;

use arrow_array::ArrayRef;

/// One value in its physical form; what it means is told by the `LogicalType` that goes with it.
///
/// All integers, dates, times, timestamps, decimals (unscaled), huge integers and enum positions are
/// [`Scalar::Int`]; `REAL` is widened to [`Scalar::Float`] exactly; `VARCHAR` and `JSON` are
/// [`Scalar::Text`]; `BLOB` and `UUID` are [`Scalar::Bytes`].
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
