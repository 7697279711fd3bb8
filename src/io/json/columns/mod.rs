//! Columns from values: for each shape a builder that takes one value a row.
//!
//! A value that is not of its column's type becomes NULL and is noted in [`Misfits`]; whether that is an error
//! is decided by whoever reads.

mod nested;
mod scalars;

use arrow_array::ArrayRef;
use arrow_array::types::*;

pub(super) use nested::Fields;
use nested::{Lists, Maps, Structs};
use scalars::{Booleans, Nulls, Primitives, Texts, float, formatted, integer, string};

use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::cast::parse_time;
use crate::exec::error::Result;
use crate::exec::zone::Zone;
use crate::io::json::lex::{Kind, Value};
use crate::io::json::shape::Shape;
use crate::io::parse;
use crate::io::text::Text;

/// What keys of objects mean to their readers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strictness {
    /// A key that no column has is a misfit.
    pub unknown_keys: bool,
    /// So is a key that comes twice.
    pub duplicate_keys: bool,
}

/// The first value that did not fit.
#[derive(Debug, Default)]
pub(super) struct Misfits {
    first: Option<Misfit>,
}

/// A value that is not of its column's type, or an object of the wrong keys.
#[derive(Debug, Clone)]
pub(super) struct Misfit {
    /// Where it begins and ends in the text.
    pub start: usize,
    pub end: usize,
    pub problem: Problem,
}

/// What does not fit.
#[derive(Debug, Clone)]
pub(super) enum Problem {
    /// The value is not of this type.
    Type(LogicalType),
    /// No column has this key.
    UnknownKey(String),
    /// The object has this key twice.
    DuplicateKey(String),
}

impl Misfits {
    pub fn note(&mut self, value: Value<'_>, problem: impl FnOnce() -> Problem) {
        self.note_at(value.start(), value.end(), problem);
    }

    fn note_at(&mut self, start: usize, end: usize, problem: impl FnOnce() -> Problem) {
        if self.first.as_ref().is_none_or(|m| start < m.start) {
            self.first = Some(Misfit { start, end, problem: problem() });
        }
    }

    /// The first in the order of the text.
    pub fn take(&mut self) -> Option<Misfit> {
        self.first.take()
    }
}

/// Collects the values of a column, or of one place in a nested one.
pub(super) trait Builder {
    /// Appends a value.
    fn push(&mut self, value: Value<'_>, misfits: &mut Misfits);

    /// Appends NULL.
    fn push_null(&mut self);

    /// The array of all values so far.
    fn finish(&mut self, misfits: &mut Misfits) -> Result<ArrayRef>;
}

/// A builder for this shape, of values in this text.
pub(super) fn builder<'t>(
    shape: &Shape,
    text: &'t Text,
    strictness: Strictness,
    capacity: usize,
) -> Box<dyn Builder + 't> {
    use LogicalType as T;
    macro_rules! integers {
        ($t:ty, $ty:expr) => {
            Box::new(Primitives::<$t, _>::new($ty, capacity, |value, scratch| {
                integer(value, scratch).and_then(|n| n.try_into().ok())
            }))
        };
    }
    match shape {
        Shape::List(item) => Box::new(Lists::new(builder(item, text, strictness, capacity), item.ty(), None)),
        Shape::Array(item, n) => {
            Box::new(Lists::new(builder(item, text, strictness, capacity), item.ty(), Some(*n)))
        }
        Shape::Struct(fields) => {
            let fields = Fields::new(fields, text, strictness, capacity);
            Box::new(Structs::new(shape.ty(), fields, capacity))
        }
        Shape::Map(key, value) => {
            Box::new(Maps::new(shape.ty(), key, builder(value, text, strictness, capacity), text, strictness))
        }
        Shape::Formatted(ty, format) if *ty == T::Date => Box::new(Primitives::<Date32Type, _>::new(
            ty,
            capacity,
            formatted(format.clone(), |m| m.offset.is_none().then_some(m.days)),
        )),
        Shape::Formatted(ty, format) => Box::new(Primitives::<TimestampMicrosecondType, _>::new(
            ty,
            capacity,
            formatted(format.clone(), |m| m.timestamp(TimestampMicrosecondType::UNIT)),
        )),
        Shape::Plain(ty) => match ty {
            T::Null => Box::new(Nulls { len: 0 }),
            T::Boolean => Box::new(Booleans::new(capacity)),
            T::TinyInt => integers!(Int8Type, ty),
            T::SmallInt => integers!(Int16Type, ty),
            T::Integer => integers!(Int32Type, ty),
            T::BigInt => Box::new(Primitives::<Int64Type, _>::new(ty, capacity, |value, scratch| {
                if value.kind() == Kind::Integer {
                    return parse::int64(value.raw());
                }
                integer(value, scratch).and_then(|n| n.try_into().ok())
            })),
            T::HugeInt => Box::new(Primitives::<Decimal128Type, _>::new(ty, capacity, integer)),
            T::UTinyInt => integers!(UInt8Type, ty),
            T::USmallInt => integers!(UInt16Type, ty),
            T::UInteger => integers!(UInt32Type, ty),
            T::UBigInt => integers!(UInt64Type, ty),
            T::Float => Box::new(Primitives::<Float32Type, _>::new(ty, capacity, |value, scratch| {
                float(value, scratch).map(|v| v as f32)
            })),
            T::Double => Box::new(Primitives::<Float64Type, _>::new(ty, capacity, float)),
            T::Date => Box::new(Primitives::<Date32Type, _>::new(ty, capacity, |value, scratch| {
                let text = string(value, scratch)?;
                parse::date(text).or_else(|| parse_time::date(std::str::from_utf8(text).ok()?).ok())
            })),
            T::Time => {
                Box::new(Primitives::<Time64MicrosecondType, _>::new(ty, capacity, |value, scratch| {
                    parse_time::time(std::str::from_utf8(string(value, scratch)?).ok()?).ok()
                }))
            }
            ty if *ty == TIMESTAMP => {
                Box::new(Primitives::<TimestampMicrosecondType, _>::new(ty, capacity, |value, scratch| {
                    let text = string(value, scratch)?;
                    match parse::moment(text) {
                        Some(m) => m.timestamp(TimestampMicrosecondType::UNIT),
                        None => {
                            let text = std::str::from_utf8(text).ok()?;
                            parse_time::timestamp(text, TimestampMicrosecondType::UNIT).ok()
                        }
                    }
                }))
            }
            T::TimestampTz => {
                Box::new(Primitives::<TimestampMicrosecondType, _>::new(ty, capacity, |value, scratch| {
                    let text = string(value, scratch)?;
                    match parse::moment(text) {
                        Some(m) => m.timestamp(TimestampMicrosecondType::UNIT),
                        None => parse_time::timestamp_tz(
                            std::str::from_utf8(text).ok()?,
                            &Zone::utc_ref().clock(),
                        )
                        .ok(),
                    }
                }))
            }
            other => Box::new(Texts::new(text, other, capacity)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::json::lex::Tape;
    use crate::io::json::shape::TimeFormats;
    use crate::io::testing::show;
    use crate::io::type_name;
    use arrow_array::cast::AsArray;

    const LAX: Strictness = Strictness { unknown_keys: false, duplicate_keys: false };

    /// The column of a type that these values make, and the first misfit.
    fn column(ty: &str, values: &str) -> (Vec<String>, Option<String>) {
        let ty = type_name::parse(ty).unwrap();
        let bytes = format!("[{values}]").into_bytes();
        let len = bytes.len();
        let (text, _) = Text::new(bytes, len);
        let mut tape = Tape::default();
        tape.read(text.padded(), 0).unwrap();
        let strict = Strictness { unknown_keys: false, duplicate_keys: true };
        let mut builder = builder(&Shape::of(&ty, &TimeFormats::default()), &text, strict, 4);
        let mut misfits = Misfits::default();
        tape.root(text.padded()).elements().for_each(|v| builder.push(v, &mut misfits));
        let array = builder.finish(&mut misfits).unwrap();
        array.to_data().validate_full().unwrap();
        assert_eq!(*array.data_type(), ty.arrow());
        let misfit =
            misfits.take().map(|m| String::from_utf8_lossy(&text.padded()[m.start..m.end]).into_owned());
        (show(&array, &ty), misfit)
    }

    #[test]
    fn values_of_all_types() {
        for (ty, values, shown) in [
            ("INTEGER", "1, null, 2.5, 3.5, -2.5, true, \"7\"", "1 ␀ 2 4 -2 1 7"),
            ("UBIGINT", "18446744073709551615", "18446744073709551615"),
            ("HUGEINT", "-9223372036854775809, 1e2", "-9223372036854775809 100"),
            ("DOUBLE", "1, 2.5, NaN, -inf, \"1e3\"", "1.0 2.5 nan -inf 1000.0"),
            ("BOOLEAN", "true, 0, 2.5, \"f\"", "true false true false"),
            ("DECIMAL(5,2)", "1.005, 2, \"3.1\"", "1.01 2.00 3.10"),
            (
                "VARCHAR",
                "\"a\\u00e9\\n\", 1.50, 7, true, {\"k\": [1, \"x\"]}",
                "aé\n 1.5 7 true {\"k\":[1,\"x\"]}",
            ),
            (
                "JSON",
                "\"a\\u00e9\", {\"k\" : 1e5}, [], 12345678901234567890123",
                "\"aé\" {\"k\":100000.0} [] 12345678901234567890123",
            ),
            ("DATE", "\"2020-01-02\", null", "2020-01-02 ␀"),
            ("TIME", "\"12:30\"", "12:30:00"),
            (
                "TIMESTAMP",
                "\"2020-01-02T03:04:05Z\", \"2020-01-02\"",
                "2020-01-02 03:04:05 2020-01-02 00:00:00",
            ),
            ("TIMESTAMP_S", "\"2020-01-02 03:04:05\"", "2020-01-02 03:04:05"),
            ("TIMESTAMPTZ", "\"2020-01-02T03:04:05+02:00\"", "2020-01-02 01:04:05+00"),
            ("UUID", "\"550e8400-e29b-41d4-a716-446655440000\"", "550e8400-e29b-41d4-a716-446655440000"),
            ("INT[]", "[1, null], null, []", "[1, NULL] ␀ []"),
            ("INT[2]", "[1, 2], null", "[1, 2] ␀"),
            (
                "STRUCT(a INT, b VARCHAR[])",
                "{\"b\": [\"x\"]}, null, {\"a\": 1, \"q\": 2}",
                "{'a': NULL, 'b': [x]} ␀ {'a': 1, 'b': NULL}",
            ),
            ("MAP(INT, VARCHAR)", "{\"1\": 1, \"2\": null}, null, {}", "{1=1, 2=NULL} ␀ {}"),
        ] {
            let (found, misfit) = column(ty, values);
            assert_eq!((found.join(" "), misfit), (shown.to_string(), None), "{ty}");
        }
    }

    #[test]
    fn values_of_other_types() {
        for (ty, values, bad) in [
            ("INTEGER", "1, \"x\", {}", "\"x\""),
            ("TINYINT", "300", "300"),
            ("BIGINT", "9223372036854775808", "9223372036854775808"),
            ("BOOLEAN", "[1]", "[1]"),
            ("DATE", "\"2020-02-30\"", "\"2020-02-30\""),
            ("DATE", "12", "12"),
            ("UUID", "\"x\"", "\"x\""),
            ("INT[]", "[1, \"x\"]", "\"x\""),
            ("INT[]", "{\"a\": 1}", "{\"a\": 1}"),
            ("INT[2]", "[1], [1, 2]", "[1]"),
            ("STRUCT(a INT)", "[1]", "[1]"),
            ("STRUCT(a INT)", "{\"a\": 1, \"a\": 2}", "{\"a\": 1, \"a\": 2}"),
            ("MAP(VARCHAR, INT)", "{\"a\": 1, \"a\": 2}", "{\"a\": 1, \"a\": 2}"),
            ("DECIMAL(3,1)", "1.5, 1000, \"y\"", "1000"),
        ] {
            assert_eq!(column(ty, values).1.as_deref(), Some(bad), "{ty}");
        }
    }

    #[test]
    fn keys_in_any_order() {
        let source = br#"[{"a":1,"b":2},{"b":3},{"c":9,"b":4,"a":5},{}]"#.to_vec();
        let len = source.len();
        let (text, _) = Text::new(source, len);
        let mut tape = Tape::default();
        tape.read(text.padded(), 0).unwrap();
        let int = Shape::Plain(LogicalType::Integer);
        let mut fields = Fields::new(&[("a".into(), int.clone()), ("b".into(), int)], &text, LAX, 4);
        let mut misfits = Misfits::default();
        tape.root(text.padded()).elements().for_each(|v| fields.push(v, &mut misfits));
        let columns = fields.finish(&mut misfits).unwrap();
        assert_eq!(show(&columns[0], &LogicalType::Integer), ["1", "␀", "5", "␀"]);
        assert_eq!(show(&columns[1], &LogicalType::Integer), ["2", "3", "4", "␀"]);
        assert!(misfits.take().is_none());
        assert_eq!(columns[0].as_primitive::<Int32Type>().len(), 4);
    }
}
