//! Implicit conversions: which are made, what they cost in choosing an overload, and the type that two
//! values have in common. The rules are DuckDB's.

use crate::column::scalar::Scalar;
use crate::column::types::{DECIMAL_MAX_WIDTH, LogicalType};
use crate::exec::functions::ArgInfo;
use arrow_schema::TimeUnit;

/// The cost of making JSON of an argument that is neither JSON nor text.
const JSON_COST: u32 = 300;

/// The cost of making a text of a VARIANT.
const VARIANT_TEXT_COST: u32 = 100;

/// How little a type is wanted as the target of an implicit conversion.
fn target_cost(ty: &LogicalType) -> u32 {
    match ty {
        LogicalType::BigInt => 101,
        LogicalType::Integer => 102,
        LogicalType::HugeInt => 103,
        LogicalType::Double => 104,
        LogicalType::Decimal { .. } => 105,
        LogicalType::Timestamp(TimeUnit::Nanosecond) => 119,
        LogicalType::Timestamp(TimeUnit::Microsecond) => 120,
        LogicalType::Timestamp(TimeUnit::Millisecond) => 121,
        LogicalType::Timestamp(TimeUnit::Second) => 122,
        LogicalType::TimestampTz => 123,
        LogicalType::Varchar => 149,
        t if t.is_nested() => 160,
        _ => 110,
    }
}

/// The cost of converting implicitly, or `None` if that is never done. The same type costs nothing.
pub fn implicit_cast_cost(from: &LogicalType, to: &LogicalType) -> Option<u32> {
    use LogicalType as T;
    if from == to {
        return Some(0);
    }
    let allowed = match (from, to) {
        (T::Null, _) => true,
        // A VARIANT goes wherever its value may, best as a text, which any value is. Nothing becomes one but where types
        // are mixed.
        (T::Variant, T::Varchar) => return Some(VARIANT_TEXT_COST),
        (T::Variant, _) => true,
        (a, b) if a.is_integer() && b.is_integer() => {
            let (a, b) = (a.integer_range()?, b.integer_range()?);
            b.0 <= a.0 && a.1 <= b.1
        }
        (a, T::Float | T::Double | T::Decimal { .. }) if a.is_integer() || *a == T::UHugeInt => true,
        (a, T::BigNum) if a.is_integer() || *a == T::UHugeInt => true,
        (T::BigNum, T::Double) => true,
        (a, T::UHugeInt) if a.is_unsigned_integer() => true,
        (T::Float, T::Double) => true,
        (T::Decimal { .. }, T::Float | T::Double) => true,
        (T::Decimal { width: w1, scale: s1 }, T::Decimal { width: w2, scale: s2 }) => {
            s2 >= s1 && w2 - s2 >= w1 - s1
        }
        (T::Date, T::Timestamp(_) | T::TimestampTz) => true,
        (T::Timestamp(a), T::Timestamp(b)) => precision(*b) >= precision(*a) || *b == TimeUnit::Microsecond,
        (T::Timestamp(_), T::TimestampTz) => true,
        (T::Enum(_) | T::Json, T::Varchar) => true,
        (T::Varchar, T::Json) => true,
        (T::List(a) | T::Array(a, _), T::List(b)) => return implicit_cast_cost(a, b).map(|c| c + 1),
        (T::Array(a, n), T::Array(b, m)) if n == m => return implicit_cast_cost(a, b),
        (T::Struct(a), T::Struct(b)) if a.len() == b.len() => {
            let mut cost = 0;
            for ((n, x), (m, y)) in a.iter().zip(b.iter()) {
                if !n.is_empty() && !m.is_empty() && !n.eq_ignore_ascii_case(m) {
                    return None;
                }
                cost += implicit_cast_cost(x, y)?;
            }
            return Some(cost);
        }
        (T::Union(a), T::Union(b)) if is_part_of(a, b) => true,
        (other, T::Union(members)) => {
            matches!(union_member(other, members), Member::One(_) | Member::Several(..))
        }
        (T::Map(ak, av), T::Map(bk, bv)) => {
            return Some(implicit_cast_cost(ak, bk)? + implicit_cast_cost(av, bv)?);
        }
        _ => false,
    };
    allowed.then(|| target_cost(to))
}

type Members = [(Box<str>, LogicalType)];

/// Whether all members of a union are members of another, of whatever types.
fn is_part_of(members: &Members, of: &Members) -> bool {
    members.iter().all(|(name, _)| of.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)))
}

/// As which member of a union a value is stored that says nothing about it.
pub enum Member {
    /// The one that its type is converted to at the least cost.
    One(usize),
    /// Two cost the same.
    Several(usize, usize),
    /// Its type is converted implicitly to none.
    None,
}

/// The member for values of a type.
pub fn union_member(ty: &LogicalType, members: &Members) -> Member {
    let costs = || members.iter().enumerate().filter_map(|(i, (_, m))| Some((implicit_cast_cost(ty, m)?, i)));
    let Some((least, first)) = costs().min() else { return Member::None };
    match costs().find(|(cost, i)| *cost == least && *i != first) {
        Some((_, second)) => Member::Several(first, second),
        None => Member::One(first),
    }
}

fn precision(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    }
}

/// The cost for an argument: a literal goes where a column of its type would not.
pub fn argument_cost(arg: &ArgInfo, to: &LogicalType) -> Option<u32> {
    if arg.ty == *to {
        return Some(0);
    }
    match &arg.literal {
        // The text of a literal is read as whatever is wanted.
        Some(Scalar::Text(_)) if arg.ty == LogicalType::Varchar => {
            Some(if *to == LogicalType::Varchar { 1 } else { 20 })
        }
        // An integer literal has any type that holds it.
        Some(Scalar::Int(v)) if arg.ty.is_integer() => {
            let (min, max) = match to {
                LogicalType::UHugeInt => (0, i128::MAX),
                LogicalType::Decimal { width, scale } => {
                    let digits = u32::from(width - scale).min(38);
                    let limit = 10i128.checked_pow(digits).unwrap_or(i128::MAX);
                    (1 - limit, limit - 1)
                }
                LogicalType::Float | LogicalType::Double | LogicalType::BigNum => (i128::MIN, i128::MAX),
                other => other.integer_range()?,
            };
            (min <= *v && *v <= max).then(|| target_cost(to) - 90)
        }
        // Any value can be JSON, if no overload takes it as something else.
        _ => implicit_cast_cost(&arg.ty, to).or_else(|| (*to == LogicalType::Json).then_some(JSON_COST)),
    }
}

/// An integer type as a decimal that holds all of it.
fn integer_as_decimal(ty: &LogicalType) -> Option<(u8, u8)> {
    Some(match ty {
        LogicalType::TinyInt | LogicalType::UTinyInt => (3, 0),
        LogicalType::SmallInt | LogicalType::USmallInt => (5, 0),
        LogicalType::Integer | LogicalType::UInteger => (10, 0),
        LogicalType::BigInt => (19, 0),
        LogicalType::UBigInt => (20, 0),
        LogicalType::HugeInt | LogicalType::UHugeInt => (38, 0),
        LogicalType::Boolean => (1, 0),
        _ => return None,
    })
}

/// Width and scale of a decimal, or of the decimal that an integer type fits in.
pub fn decimal_of(ty: &LogicalType) -> Option<(u8, u8)> {
    match ty {
        LogicalType::Decimal { width, scale } => Some((*width, *scale)),
        other => integer_as_decimal(other),
    }
}

/// The decimal that holds all digits behind the point of both: that of comparisons and sums.
pub fn common_decimal(a: (u8, u8), b: (u8, u8)) -> LogicalType {
    let scale = a.1.max(b.1);
    let whole = (a.0 - a.1).max(b.0 - b.1);
    LogicalType::Decimal { width: (whole + scale).min(DECIMAL_MAX_WIDTH), scale }
}

/// The integer type that holds all values of both.
fn common_integer(a: &LogicalType, b: &LogicalType) -> Option<LogicalType> {
    use LogicalType as T;
    let (ra, rb) = (a.integer_range()?, b.integer_range()?);
    let (min, max) = (ra.0.min(rb.0), ra.1.max(rb.1));
    let candidates: &[LogicalType] = if min >= 0 {
        &[T::UTinyInt, T::USmallInt, T::UInteger, T::UBigInt]
    } else {
        &[T::TinyInt, T::SmallInt, T::Integer, T::BigInt, T::HugeInt]
    };
    candidates.iter().find(|c| c.integer_range().is_some_and(|(lo, hi)| lo <= min && max <= hi)).cloned()
}

/// The type to which both can be converted implicitly: for `CASE`, `COALESCE`, lists, `IN`. `None` if
/// there is none, as for `VARCHAR` and a number.
pub fn common_type(a: &LogicalType, b: &LogicalType) -> Option<LogicalType> {
    use LogicalType as T;
    if a == b {
        return Some(a.clone());
    }
    Some(match (a, b) {
        (T::Null, other) | (other, T::Null) => other.clone(),
        // JSON is a text that a VARIANT can always be written as.
        (T::Variant, T::Json) | (T::Json, T::Variant) => T::Json,
        (T::Variant, _) | (_, T::Variant) => T::Variant,
        (x, y) if x.is_integer() && y.is_integer() => common_integer(x, y)?,
        (T::Json, x) | (x, T::Json) if *x != T::Varchar => T::Json,
        (T::Boolean, x) | (x, T::Boolean) if x.is_integer() || *x == T::UHugeInt => x.clone(),
        (T::BigNum, x) | (x, T::BigNum) if x.is_integer() || *x == T::UHugeInt => T::BigNum,
        (T::BigNum, x) | (x, T::BigNum) if x.is_float() => T::Double,
        (T::UHugeInt, x) | (x, T::UHugeInt) if x.is_unsigned_integer() => T::UHugeInt,
        (T::UHugeInt, x) | (x, T::UHugeInt) if x.is_signed_integer() => T::Double,
        (T::Double, x) | (x, T::Double) if x.is_numeric() || *x == T::UHugeInt => T::Double,
        (T::Float, x) | (x, T::Float) if x.is_numeric() || *x == T::UHugeInt => T::Float,
        // Digits before the point come first.
        (T::Decimal { width: w1, scale: s1 }, T::Decimal { width: w2, scale: s2 }) => {
            let whole = (w1 - s1).max(w2 - s2);
            let scale = *s1.max(s2).min(&(DECIMAL_MAX_WIDTH - whole));
            T::Decimal { width: whole + scale, scale }
        }
        (T::Decimal { .. }, x) | (x, T::Decimal { .. }) if x.is_integer() || *x == T::UHugeInt => {
            common_decimal(decimal_of(a)?, decimal_of(b)?)
        }
        (T::Date, t @ (T::Timestamp(_) | T::TimestampTz))
        | (t @ (T::Timestamp(_) | T::TimestampTz), T::Date) => t.clone(),
        (T::Timestamp(x), T::Timestamp(y)) => {
            T::Timestamp(if precision(*x) >= precision(*y) { *x } else { *y })
        }
        (T::Timestamp(TimeUnit::Nanosecond), T::TimestampTz)
        | (T::TimestampTz, T::Timestamp(TimeUnit::Nanosecond)) => return None,
        (T::Timestamp(_), T::TimestampTz) | (T::TimestampTz, T::Timestamp(_)) => T::TimestampTz,
        (T::Json, T::Varchar) | (T::Varchar, T::Json) => T::Json,
        (T::Enum(_), T::Varchar) | (T::Varchar, T::Enum(_)) => T::Varchar,
        (T::Enum(_), T::Enum(_)) => T::Varchar,
        (T::Array(x, n), T::Array(y, m)) if n == m => T::Array(Box::new(common_type(x, y)?), *n),
        (T::List(x), T::Array(y, n)) | (T::Array(y, n), T::List(x)) => {
            T::Array(Box::new(common_type(x, y)?), *n)
        }
        (T::List(x) | T::Array(x, _), T::List(y) | T::Array(y, _)) => T::List(Box::new(common_type(x, y)?)),
        (T::Struct(x), T::Struct(y)) if a.is_tuple() || b.is_tuple() => {
            if x.len() != y.len() {
                return None;
            }
            let named = if a.is_tuple() { y } else { x };
            let fields = x.iter().zip(y.iter()).zip(named.iter());
            T::Struct(
                fields
                    .map(|(((_, x), (_, y)), (name, _))| Some((name.clone(), common_type(x, y)?)))
                    .collect::<Option<_>>()?,
            )
        }
        (T::Struct(x), T::Struct(y)) => {
            let mut fields: Vec<(Box<str>, LogicalType)> = x.to_vec();
            for (name, ty) in y.iter() {
                match fields.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
                    Some(field) => field.1 = common_type(&field.1, ty)?,
                    None => fields.push((name.clone(), ty.clone())),
                }
            }
            T::Struct(fields.into())
        }
        (T::Union(x), T::Union(y)) if is_part_of(x, y) => b.clone(),
        (T::Union(x), T::Union(y)) if is_part_of(y, x) => a.clone(),
        (T::Union(_), _) if implicit_cast_cost(b, a).is_some() => a.clone(),
        (_, T::Union(_)) if implicit_cast_cost(a, b).is_some() => b.clone(),
        (T::Map(xk, xv), T::Map(yk, yv)) => {
            T::Map(Box::new(common_type(xk, yk)?), Box::new(common_type(xv, yv)?))
        }
        _ => return None,
    })
}

/// The type of a column that two queries of a set operation, or two rows of VALUES, share: where there is
/// no common type, the one that is later in this order: numbers, times, text, bytes. Whether its values can be
/// converted is another question.
pub fn union_type(a: &LogicalType, b: &LogicalType) -> Option<LogicalType> {
    use LogicalType as T;
    fn rank(ty: &LogicalType) -> u8 {
        match ty {
            T::Null => 0,
            T::Boolean => 1,
            t if t.is_numeric() || matches!(t, T::UHugeInt | T::BigNum) => 2,
            T::Date => 3,
            T::Time | T::TimeNs => 4,
            T::TimeTz => 5,
            T::TimestampTz => 6,
            T::Timestamp(_) => 7,
            T::Interval => 8,
            T::Varchar | T::Enum(_) => 9,
            T::Json => 10,
            T::Bit => 11,
            T::Blob => 12,
            T::Uuid => 13,
            _ => 14,
        }
    }
    if let Some(common) = common_type(a, b) {
        return Some(common);
    }
    if let (T::List(x) | T::Array(x, _), T::List(y) | T::Array(y, _)) = (a, b) {
        return Some(T::List(Box::new(union_type(x, y)?)));
    }
    if let (T::Map(xk, xv), T::Map(yk, yv)) = (a, b) {
        return Some(T::Map(Box::new(union_type(xk, yk)?), Box::new(union_type(xv, yv)?)));
    }
    if let (T::Struct(x), T::Struct(y)) = (a, b)
        && !a.is_tuple()
        && !b.is_tuple()
    {
        let mut fields: Vec<(Box<str>, T)> = x.to_vec();
        for (name, ty) in y.iter() {
            match fields.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
                Some(field) => field.1 = union_type(&field.1, ty)?,
                None => fields.push((name.clone(), ty.clone())),
            }
        }
        return Some(T::Struct(fields.into()));
    }
    let winner = if rank(a) >= rank(b) { a } else { b };
    Some(if matches!(winner, T::Enum(_)) { T::Varchar } else { winner.clone() })
}

/// The type in which two values are compared. Text takes the type of the other side. A literal says so in
/// `ArgInfo`: `date_column = '2024-01-01'` reads the text as a date, and an integer literal that does not
/// fit the column's type widens it.
pub fn comparison_type(a: &ArgInfo, b: &ArgInfo) -> Option<LogicalType> {
    use LogicalType as T;
    if a.ty == b.ty {
        return Some(a.ty.clone());
    }
    for (x, y) in [(a, b), (b, a)] {
        if let (Some(Scalar::Int(v)), true) = (&x.literal, x.ty.is_integer())
            && let Some((min, max)) = y.ty.integer_range()
            && y.literal.is_none()
            && min <= *v
            && *v <= max
        {
            return Some(y.ty.clone());
        }
    }
    match (&a.ty, &b.ty) {
        (T::Variant, T::Json) | (T::Json, T::Variant) => Some(T::Json),
        (T::Variant, _) | (_, T::Variant) => Some(T::Variant),
        (T::Varchar, T::Json | T::Enum(_)) | (T::Json | T::Enum(_), T::Varchar) => Some(T::Varchar),
        (T::Json, other) | (other, T::Json) if other.is_nested() => Some(T::Json),
        (T::Json, other) | (other, T::Json) => Some(other.clone()),
        (T::Time, T::TimeTz) | (T::TimeTz, T::Time) => Some(T::Time),
        (T::Time, T::TimeNs) | (T::TimeNs, T::Time) => Some(T::TimeNs),
        (T::Bit, T::Blob) | (T::Blob, T::Bit) => Some(T::Blob),
        (T::Bit, x) | (x, T::Bit) if x.is_numeric() || matches!(x, T::Boolean | T::UHugeInt) => Some(T::Bit),
        (T::Varchar, other) | (other, T::Varchar) => {
            let literal = if a.ty == T::Varchar { &a.literal } else { &b.literal };
            match other {
                // The text of a literal may have more digits than the other side.
                T::Decimal { .. } if literal.is_none() => Some(T::Double),
                T::Null => Some(T::Varchar),
                other => Some(other.clone()),
            }
        }
        (T::Boolean, x) | (x, T::Boolean) if x.is_numeric() => Some(x.clone()),
        (T::Boolean, T::UHugeInt) | (T::UHugeInt, T::Boolean) => Some(T::UHugeInt),
        (x, y) if x.is_nested() && y.is_nested() => union_type(x, y),
        (T::Decimal { width: w1, scale: s1 }, T::Decimal { width: w2, scale: s2 }) => {
            Some(common_decimal((*w1, *s1), (*w2, *s2)))
        }
        (x, y) => common_type(x, y),
    }
}

/// The type in which two values are put in order, by `<` and BETWEEN. What is equal to what may be guessed; what comes
/// before what may not: `'10' < 9` as texts is not what it is as numbers. So a text that is not a literal is
/// compared with texts alone.
pub fn ordering_type(a: &ArgInfo, b: &ArgInfo) -> Option<LogicalType> {
    let is_text_literal = |x: &ArgInfo| matches!(x.literal, Some(Scalar::Text(_)));
    let is_fit = is_text_literal(a) || is_text_literal(b) || have_order(&a.ty, &b.ty);
    comparison_type(a, b).filter(|_| is_fit)
}

/// Whether values of two types are in an order without being cast by whoever compares them.
fn have_order(a: &LogicalType, b: &LogicalType) -> bool {
    use LogicalType as T;
    match (a, b) {
        (a, b) if a == b => true,
        (T::Null, _) | (_, T::Null) => true,
        (T::Variant, _) | (_, T::Variant) => true,
        (T::Varchar, other) | (other, T::Varchar) => matches!(other, T::Json | T::Enum(_)),
        (T::Json, _) | (_, T::Json) => true,
        (T::Bit, _) | (_, T::Bit) => false,
        (T::Boolean, other) | (other, T::Boolean) => {
            !matches!(other, T::Float | T::Double | T::Decimal { .. })
        }
        (T::List(x) | T::Array(x, _), T::List(y) | T::Array(y, _)) => have_order(x, y),
        (T::Map(k, v), T::Map(l, w)) => have_order(k, l) && have_order(v, w),
        (T::Struct(x), T::Struct(y)) => {
            x.len() == y.len() && x.iter().zip(y.iter()).all(|(x, y)| have_order(&x.1, &y.1))
        }
        (a, b) => !(a.is_nested() && b.is_nested()) || matches!((a, b), (T::Union(_), _) | (_, T::Union(_))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LogicalType as T;

    fn dec(width: u8, scale: u8) -> T {
        T::Decimal { width, scale }
    }

    #[test]
    fn common() {
        let c = |a: &T, b: &T| common_type(a, b);
        assert_eq!(c(&T::TinyInt, &T::UTinyInt), Some(T::SmallInt));
        assert_eq!(c(&T::BigInt, &T::UBigInt), Some(T::HugeInt));
        assert_eq!(c(&T::Integer, &dec(10, 2)), Some(dec(12, 2)));
        assert_eq!(c(&T::BigInt, &dec(18, 3)), Some(dec(22, 3)));
        assert_eq!(c(&dec(18, 3), &dec(10, 2)), Some(dec(18, 3)));
        assert_eq!(c(&dec(38, 5), &T::HugeInt), Some(dec(38, 5)));
        assert_eq!(c(&dec(38, 0), &dec(30, 10)), Some(dec(38, 0)));
        assert_eq!(c(&T::Float, &T::Integer), Some(T::Float));
        assert_eq!(c(&T::Varchar, &T::Integer), None);
        assert_eq!(c(&T::Date, &crate::column::types::TIMESTAMP), Some(crate::column::types::TIMESTAMP));
        assert_eq!(union_type(&T::Varchar, &T::Integer), Some(T::Varchar));
        assert_eq!(union_type(&T::Date, &T::Integer), Some(T::Date));
    }

    #[test]
    fn costs() {
        assert_eq!(implicit_cast_cost(&T::Integer, &T::Integer), Some(0));
        assert!(implicit_cast_cost(&T::Integer, &T::BigInt) < implicit_cast_cost(&T::Integer, &T::Double));
        assert_eq!(implicit_cast_cost(&T::BigInt, &T::Integer), None);
        assert_eq!(implicit_cast_cost(&T::Integer, &T::Varchar), None);
        assert_eq!(implicit_cast_cost(&T::Varchar, &T::Integer), None);
    }

    #[test]
    fn comparisons() {
        let col = |ty: T| ArgInfo { ty, literal: None };
        let lit = |ty: T, v: Scalar| ArgInfo { ty, literal: Some(v) };
        assert_eq!(comparison_type(&col(T::TinyInt), &lit(T::Integer, Scalar::Int(5))), Some(T::TinyInt));
        assert_eq!(comparison_type(&col(T::TinyInt), &lit(T::Integer, Scalar::Int(500))), Some(T::Integer));
        assert_eq!(
            comparison_type(&lit(T::Varchar, Scalar::text("2020-01-01")), &col(T::Date)),
            Some(T::Date)
        );
    }
}
