//! Which row groups and pages may have rows that a condition wants, by their statistics.

use parquet::basic::{ColumnOrder, Type as Physical};
use parquet::bloom_filter::Sbbf;
use parquet::data_type::AsBytes;
use parquet::file::statistics::Statistics;

use crate::column::predicate::{CompareOp, Predicate};
use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TimeUnit};

/// Whether some of so many rows, whose values in a column of this type have these statistics, may satisfy a condition.
/// `stored` is the unit of timestamps in the file, `order` what the file says about the order of the column's statistics.
pub(super) fn may_match(
    statistics: Option<&Statistics>,
    rows: u64,
    ty: &LogicalType,
    stored: Option<TimeUnit>,
    order: ColumnOrder,
    predicate: &Predicate,
) -> bool {
    let Some(statistics) = statistics else { return true };
    let nulls = statistics.null_count_opt();
    match predicate.op {
        CompareOp::DistinctFrom => return true,
        CompareOp::NotDistinctFrom if predicate.value.is_null() => return nulls != Some(0),
        _ => {}
    }
    if nulls == Some(rows) && rows > 0 {
        return false;
    }
    let Some((min, max)) = bounds(statistics, ty, stored, order) else { return true };
    let below = |a: &Scalar, b: &Scalar| a.compare(b).is_none_or(std::cmp::Ordering::is_lt);
    let at_most = |a: &Scalar, b: &Scalar| a.compare(b).is_none_or(std::cmp::Ordering::is_le);
    let value = &predicate.value;
    // A NaN is greater than all numbers, and in no statistics.
    let top_known = !ty.is_float();
    match predicate.op {
        CompareOp::Eq | CompareOp::NotDistinctFrom => match value {
            Scalar::Float(f) if f.is_nan() => true,
            _ => at_most(&min, value) && at_most(value, &max),
        },
        CompareOp::NotEq => {
            !(top_known
                && exact(statistics)
                && min.compare(value).is_some_and(std::cmp::Ordering::is_eq)
                && max.compare(value).is_some_and(std::cmp::Ordering::is_eq))
        }
        CompareOp::Lt => below(&min, value),
        CompareOp::LtEq => at_most(&min, value),
        CompareOp::Gt => !top_known || below(value, &max),
        CompareOp::GtEq => !top_known || at_most(value, &max),
        CompareOp::DistinctFrom => true,
    }
}

/// Whether the Bloom filter of a column, of which `physical` is the type in the file, may hold the value that a condition
/// asks for. Whatever else the condition is, it may.
pub(super) fn filter_may_hold(
    filter: &Sbbf,
    physical: Physical,
    ty: &LogicalType,
    stored: Option<TimeUnit>,
    predicate: &Predicate,
) -> bool {
    use LogicalType as T;
    if !matches!(predicate.op, CompareOp::Eq | CompareOp::NotDistinctFrom) {
        return true;
    }
    // Only where a value has one spelling in the file, which is what was hashed.
    let whole = match ty {
        T::Timestamp(unit) => stored == Some(*unit),
        T::TimestampTz => stored == Some(TimeUnit::Microsecond),
        T::Date | T::Decimal { .. } => true,
        ty => ty.is_integer(),
    };
    match (&predicate.value, physical) {
        (Scalar::Int(v), Physical::INT32) if whole => {
            // Unsigned ones are stored as the same bits.
            let bits = i32::try_from(*v).ok().or_else(|| u32::try_from(*v).ok().map(|v| v as i32));
            bits.is_some_and(|v| filter.check(&v))
        }
        (Scalar::Int(v), Physical::INT64) if whole => {
            let bits = i64::try_from(*v).ok().or_else(|| u64::try_from(*v).ok().map(|v| v as i64));
            bits.is_some_and(|v| filter.check(&v))
        }
        (Scalar::Text(v), Physical::BYTE_ARRAY) if *ty == T::Varchar => filter.check(&**v),
        _ => true,
    }
}

/// Whether both bounds are values that occur.
fn exact(statistics: &Statistics) -> bool {
    statistics.min_is_exact() && statistics.max_is_exact()
}

/// The least and the greatest value, where they can be trusted and mean the same to us.
pub(super) fn bounds(
    statistics: &Statistics,
    ty: &LogicalType,
    stored: Option<TimeUnit>,
    order: ColumnOrder,
) -> Option<(Scalar, Scalar)> {
    use LogicalType as T;
    let physical = statistics.physical_type();
    // Old writers compared everything as signed.
    let signed = matches!(
        ty,
        T::TinyInt
            | T::SmallInt
            | T::Integer
            | T::BigInt
            | T::Date
            | T::Time
            | T::Timestamp(_)
            | T::TimestampTz
            | T::Float
            | T::Double
            | T::Boolean
    ) || (matches!(ty, T::Decimal { .. })
        && matches!(physical, Physical::INT32 | Physical::INT64));
    if statistics.is_min_max_deprecated() && !signed {
        return None;
    }
    if matches!(order, ColumnOrder::UNDEFINED | ColumnOrder::UNKNOWN) && !signed {
        return None;
    }
    let int = |min: i64, max: i64| Some((Scalar::Int(i128::from(min)), Scalar::Int(i128::from(max))));
    match (statistics, ty) {
        (Statistics::Boolean(s), T::Boolean) => {
            Some((Scalar::Boolean(*s.min_opt()?), Scalar::Boolean(*s.max_opt()?)))
        }
        (Statistics::Int32(s), T::UTinyInt | T::USmallInt | T::UInteger) => {
            let (min, max) = (*s.min_opt()? as u32, *s.max_opt()? as u32);
            int(i64::from(min), i64::from(max))
        }
        (Statistics::Int64(s), T::UBigInt) => {
            let (min, max) = (*s.min_opt()? as u64, *s.max_opt()? as u64);
            Some((Scalar::Int(i128::from(min)), Scalar::Int(i128::from(max))))
        }
        (Statistics::Int32(s), T::TinyInt | T::SmallInt | T::Integer | T::Date | T::Decimal { .. }) => {
            int(i64::from(*s.min_opt()?), i64::from(*s.max_opt()?))
        }
        (Statistics::Int64(s), T::BigInt | T::Decimal { .. }) => int(*s.min_opt()?, *s.max_opt()?),
        (Statistics::Int64(s), T::Timestamp(unit)) => {
            Some(scale_timestamps(stored?, *unit, (*s.min_opt()?, *s.max_opt()?)))
        }
        (Statistics::Int64(s), T::TimestampTz) => {
            Some(scale_timestamps(stored?, TimeUnit::Microsecond, (*s.min_opt()?, *s.max_opt()?)))
        }
        (Statistics::Float(s), T::Float) => float(f64::from(*s.min_opt()?), f64::from(*s.max_opt()?)),
        (Statistics::Double(s), T::Double) => float(*s.min_opt()?, *s.max_opt()?),
        (Statistics::ByteArray(s), T::Varchar) => {
            let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(Scalar::text);
            // A bound cut short of a character is no text, but it is no bound that prunes much either.
            Some((text(s.min_opt()?.as_bytes())?, text(s.max_opt()?.as_bytes())?))
        }
        _ => None,
    }
}

fn float(min: f64, max: f64) -> Option<(Scalar, Scalar)> {
    if min.is_nan() || max.is_nan() { None } else { Some((Scalar::Float(min), Scalar::Float(max))) }
}

/// The bounds of a timestamp column as stored, in the unit of our type. Rounded outwards.
fn scale_timestamps(stored: TimeUnit, wanted: TimeUnit, (min, max): (i64, i64)) -> (Scalar, Scalar) {
    let nanos = |unit| match unit {
        TimeUnit::Second => 1_000_000_000_i128,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1000,
        TimeUnit::Nanosecond => 1,
    };
    let (from, to) = (nanos(stored), nanos(wanted));
    let low = (i128::from(min) * from).div_euclid(to);
    let high = -(-i128::from(max) * from).div_euclid(to);
    (Scalar::Int(low), Scalar::Int(high))
}
