//! Functions through their public interface: bound by name, evaluated on literals.

use std::sync::Arc;

use super::*;
use crate::exec::batch::Batch;
use crate::exec::context::{CancelToken, ExecContext};
use crate::exec::eval::evaluate;
use crate::exec::expr::Expr;
use LogicalType as T;

pub(super) fn context() -> ExecContext {
    ExecContext::new(1, u64::MAX, CancelToken::default())
}

/// A literal.
pub(super) fn lit(value: impl Into<Lit>) -> (Scalar, T) {
    let Lit(v, t) = value.into();
    (v, t)
}

pub(super) struct Lit(Scalar, T);

impl From<i32> for Lit {
    fn from(v: i32) -> Self {
        Lit(Scalar::Int(v.into()), T::Integer)
    }
}
impl From<f64> for Lit {
    fn from(v: f64) -> Self {
        Lit(Scalar::Float(v), T::Double)
    }
}
impl From<&str> for Lit {
    fn from(v: &str) -> Self {
        Lit(Scalar::text(v), T::Varchar)
    }
}
impl From<bool> for Lit {
    fn from(v: bool) -> Self {
        Lit(Scalar::Boolean(v), T::Boolean)
    }
}

/// Text read as a type.
pub(super) fn typed(text: &str, ty: T) -> (Scalar, T) {
    let array = Scalar::text(text).to_array(&T::Varchar, 1).unwrap();
    let cast = crate::exec::cast::cast(&array, &T::Varchar, &ty, false).unwrap();
    (Scalar::from_array(&cast, 0, &ty), ty)
}

/// Calls a function on constants and, for the same result, on columns of three equal rows; returns the result
/// as text and its type.
pub(super) fn call(name: &str, args: &[(Scalar, T)]) -> Result<(String, String)> {
    let infos: Vec<ArgInfo> =
        args.iter().map(|(v, t)| ArgInfo { ty: t.clone(), literal: Some(v.clone()) }).collect();
    let bound = match bind_scalar(name, &infos) {
        Ok(b) => b,
        Err(BindError::NoMatch(m)) => return Err(crate::exec::error::ExecError::InvalidInput(m)),
        Err(BindError::Unknown(n)) => {
            return Err(crate::exec::error::ExecError::InvalidInput(format!("unknown; {n:?}")));
        }
    };
    let with = |columns: bool| -> Expr {
        let args = args.iter().enumerate().zip(&bound.arg_types).map(|((i, (v, t)), to)| {
            let e = if columns { Expr::column(i, t.clone()) } else { Expr::literal(v.clone(), t.clone()) };
            if t == to { e } else { Expr::Cast { input: Box::new(e), to: to.clone(), or_null: false } }
        });
        Expr::Call { args: args.collect(), function: bound.function.clone(), ty: bound.return_type.clone() }
    };
    let ctx = context();
    let show = |array: &ArrayRef, row: usize| -> String {
        if array.is_null(row) {
            return "NULL".into();
        }
        let mut out = String::new();
        crate::exec::cast::text::write_value(array, row, &bound.return_type, &mut out).unwrap();
        out
    };
    let constant = evaluate(&with(false), &Batch::new(vec![], 1), &ctx)?;
    assert!(
        constant.data_type().equals_datatype(&bound.return_type.arrow())
            || matches!(constant.data_type(), arrow_schema::DataType::Dictionary(..)),
        "{name}: {} for {}",
        constant.data_type(),
        bound.return_type
    );
    let result = show(&constant, 0);
    let columns: Vec<ArrayRef> = args.iter().map(|(v, t)| v.to_array(t, 3).unwrap()).collect();
    let rows = evaluate(&with(true), &Batch::new(columns, 3), &ctx)?;
    assert_eq!(rows.len(), 3);
    if !bound.function.volatile {
        assert_eq!(show(&rows, 2), result, "{name}: columns and constants differ");
    }
    let none: Vec<ArrayRef> = args.iter().map(|(v, t)| v.to_array(t, 0).unwrap()).collect();
    assert!(args.is_empty() || evaluate(&with(true), &Batch::new(none, 0), &ctx)?.is_empty());
    Ok((result, bound.return_type.to_string()))
}

#[track_caller]
pub(super) fn check(name: &str, args: &[(Scalar, T)], value: &str, ty: &str) {
    match call(name, args) {
        Ok((v, t)) => assert_eq!((v.as_str(), t.as_str()), (value, ty), "{name}"),
        Err(e) => panic!("{name}: {e}"),
    }
}

#[track_caller]
fn fails(name: &str, args: &[(Scalar, T)], message: &str) {
    match call(name, args) {
        Ok((v, _)) => panic!("{name} returned {v}"),
        Err(e) => assert!(e.to_string().contains(message), "{name}: {e}"),
    }
}

fn dec(text: &str, width: u8, scale: u8) -> (Scalar, T) {
    typed(text, T::Decimal { width, scale })
}

#[test]
fn arithmetic_types() {
    let tiny = |v: i64| (Scalar::Int(v.into()), T::TinyInt);
    let col = |t: T| ArgInfo::of(t);
    check("+", &[lit(1), lit(2)], "3", "INTEGER");
    let types = |op: &str, a: T, b: T| bind_scalar(op, &[col(a), col(b)]).unwrap().return_type.to_string();
    assert_eq!(types("+", T::TinyInt, T::UTinyInt), "BIGINT");
    assert_eq!(types("+", T::SmallInt, T::UTinyInt), "SMALLINT");
    assert_eq!(types("+", T::BigInt, T::UBigInt), "HUGEINT");
    assert_eq!(types("/", T::Integer, T::Integer), "DOUBLE");
    assert_eq!(types("/", T::Float, T::Integer), "FLOAT");
    assert_eq!(types("+", T::Decimal { width: 10, scale: 2 }, T::Integer), "DECIMAL(13,2)");
    assert_eq!(
        types("*", T::Decimal { width: 10, scale: 2 }, T::Decimal { width: 10, scale: 2 }),
        "DECIMAL(18,4)"
    );
    assert_eq!(
        types("*", T::Decimal { width: 38, scale: 10 }, T::Decimal { width: 38, scale: 10 }),
        "DECIMAL(38,20)"
    );
    assert_eq!(types("%", T::BigInt, T::Decimal { width: 10, scale: 2 }), "DECIMAL(21,2)");
    assert_eq!(types("//", T::Integer, T::Decimal { width: 10, scale: 2 }), "DOUBLE");
    assert_eq!(types("-", T::Date, T::Date), "BIGINT");
    assert_eq!(types("+", T::Date, T::Interval), "TIMESTAMP");
    fails("+", &[tiny(127), tiny(1)], "Overflow in addition of INT8 (127 + 1)!");
    fails("*", &[tiny(127), tiny(2)], "Overflow in multiplication of INT8 (127 * 2)!");
    fails(
        "-",
        &[(Scalar::Int(1), T::UTinyInt), (Scalar::Int(2), T::UTinyInt)],
        "subtraction of UINT8 (1 - 2)",
    );
    fails("//", &[lit(1), lit(0)], "Division by zero");
    fails("%", &[lit(1), lit(0)], "Division by zero");
    fails(
        "//",
        &[(Scalar::Int(i64::MIN.into()), T::BigInt), (Scalar::Int(-1), T::BigInt)],
        "Overflow in division",
    );
    check("/", &[lit(1), lit(0)], "inf", "DOUBLE");
    check("//", &[lit(-7), lit(2)], "-3", "INTEGER");
    check("%", &[lit(-7), lit(3)], "-1", "INTEGER");
    check("+", &[dec("1.5", 2, 1), lit(1)], "2.5", "DECIMAL(12,1)");
    check("*", &[dec("1.23", 3, 2), dec("4.567", 4, 3)], "5.61741", "DECIMAL(7,5)");
    check("%", &[dec("7.5", 2, 1), lit(2)], "1.5", "DECIMAL(11,1)");
    fails(
        "*",
        &[dec("9999999999999999.99", 18, 2), dec("9999999.99", 18, 2)],
        "Overflow in multiplication of DECIMAL(18)",
    );
    check("^", &[lit(2), lit(3)], "8.0", "DOUBLE");
    check("-", &[lit(5)], "-5", "INTEGER");
    fails("-", &[tiny(-128)], "Overflow in negation");
    check("<<", &[lit(1), lit(3)], "8", "INTEGER");
    fails("<<", &[lit(1), lit(31)], "Overflow in left shift");
    check("~", &[lit(5)], "-6", "INTEGER");
    fails("+", &[lit(1), lit(true)], "No function matches");
}

#[test]
fn temporal_arithmetic() {
    let d = |s: &str| typed(s, T::Date);
    let ts = |s: &str| typed(s, crate::column::types::TIMESTAMP);
    let iv = |s: &str| typed(s, T::Interval);
    check("+", &[d("2020-01-01"), lit(1)], "2020-01-02", "DATE");
    check("-", &[d("2020-01-01"), d("2019-01-01")], "365", "BIGINT");
    check("+", &[ts("2020-01-31"), iv("1 month")], "2020-02-29 00:00:00", "TIMESTAMP");
    check("-", &[d("2020-03-31"), iv("1 month")], "2020-02-29 00:00:00", "TIMESTAMP");
    check("-", &[ts("2020-01-05 01:00:00"), ts("2020-01-01")], "4 days 01:00:00", "INTERVAL");
    check("*", &[iv("1 month"), lit(1.5)], "1 month 15 days", "INTERVAL");
    check("/", &[iv("10 days"), lit(3)], "3 days 08:00:00", "INTERVAL");
    check("+", &[typed("23:00:00", T::Time), iv("2 hours")], "01:00:00", "TIME");
    fails("+", &[d("2020-01-01"), lit(i32::MAX)], "Date out of range");
}

#[test]
fn numbers() {
    check("round", &[lit(2.5)], "3.0", "DOUBLE");
    check("round", &[lit(2.567), lit(2)], "2.57", "DOUBLE");
    check("round", &[lit(155), lit(-1)], "160", "INTEGER");
    check("round", &[dec("1.555", 4, 3), lit(2)], "1.56", "DECIMAL(4,2)");
    check("round", &[dec("155.5", 4, 1), lit(-1)], "160", "DECIMAL(4,0)");
    check("round", &[dec("1.5", 2, 1), lit(5)], "1.5", "DECIMAL(2,1)");
    check("floor", &[dec("-1.5", 2, 1)], "-2", "DECIMAL(2,0)");
    check("ceil", &[lit(1)], "1.0", "DOUBLE");
    check("trunc", &[lit(5)], "5", "INTEGER");
    check("abs", &[dec("-5.5", 2, 1)], "5.5", "DECIMAL(2,1)");
    check("sign", &[lit(-2.5)], "-1", "TINYINT");
    check("sqrt", &[lit(4)], "2.0", "DOUBLE");
    check("log", &[lit(2), lit(8)], "3.0", "DOUBLE");
    check("greatest", &[lit(1), (Scalar::Null, T::Null), lit(3)], "3", "INTEGER");
    check("least", &[lit("b"), lit("a")], "a", "VARCHAR");
    check("bit_count", &[lit(-1)], "32", "TINYINT");
    check("pi", &[], "3.141592653589793", "DOUBLE");
}

#[test]
fn texts() {
    check("substring", &[lit("hello"), lit(2), lit(3)], "ell", "VARCHAR");
    check("lpad", &[lit("a"), lit(3), lit("é")], "ééa", "VARCHAR");
    fails("lpad", &[lit("a"), lit(5), lit("")], "Insufficient padding in LPAD.");
    check("concat", &[lit(1), lit("a"), (Scalar::Null, T::Varchar)], "1a", "VARCHAR");
    check("concat_ws", &[lit(","), lit("a"), (Scalar::Null, T::Varchar), lit("b")], "a,b", "VARCHAR");
    check("||", &[lit("a"), lit(1)], "a1", "VARCHAR");
    check("||", &[lit("a"), (Scalar::Null, T::Varchar)], "NULL", "VARCHAR");
    check("upper", &[lit("é")], "É", "VARCHAR");
    check("length", &[lit("héllo")], "5", "BIGINT");
    check("strlen", &[lit("héllo, a longer text")], "21", "BIGINT");
    check("like", &[lit("hello"), lit("h%o")], "true", "BOOLEAN");
    check("ilike", &[lit("HELLO"), lit("h%")], "true", "BOOLEAN");
    check("regexp_replace", &[lit("hello"), lit("(h)(e)"), lit("\\2\\1")], "ehllo", "VARCHAR");
    check("regexp_replace", &[lit("hello"), lit("l"), lit("L"), lit("g")], "heLLo", "VARCHAR");
    check("regexp_extract", &[lit("abc123"), lit("([a-z]+)([0-9]+)"), lit(2)], "123", "VARCHAR");
    fails("regexp_matches", &[lit("a"), lit("(")], "Invalid regular expression");
    check("string_split", &[lit("a,b,c"), lit(",")], "[a, b, c]", "VARCHAR[]");
    check("md5", &[lit("a")], "0cc175b9c0f1b6a831c399e269772661", "VARCHAR");
    check("levenshtein", &[lit("kitten"), lit("sitting")], "3", "BIGINT");
    check("format", &[lit("{} {:.2f}"), lit("a"), lit(2.5)], "a 2.50", "VARCHAR");
    check("translate", &[lit("hello"), lit("el"), lit("ip")], "hippo", "VARCHAR");
    check("bar", &[lit(5), lit(0), lit(10), lit(10)], "█████     ", "VARCHAR");
    fails("length", &[lit(42)], "length(INTEGER_LITERAL)");
    fails("no_such_function", &[], "unknown");
}

#[test]
fn lists() {
    let one = |items: &[i32]| -> (Scalar, T) {
        let text = format!("{items:?}");
        typed(&text, T::List(Box::new(T::Integer)))
    };
    check("list_value", &[lit(1), lit(2)], "[1, 2]", "INTEGER[]");
    check("list_extract", &[one(&[1, 2, 3]), lit(-1)], "3", "INTEGER");
    check("list_extract", &[one(&[1, 2, 3]), lit(0)], "NULL", "INTEGER");
    check("list_slice", &[one(&[1, 2, 3, 4]), lit(2), lit(10)], "[2, 3, 4]", "INTEGER[]");
    check("list_contains", &[one(&[1, 2]), lit(2)], "true", "BOOLEAN");
    check("list_concat", &[one(&[1]), one(&[2])], "[1, 2]", "INTEGER[]");
    check("||", &[one(&[1]), one(&[2])], "[1, 2]", "INTEGER[]");
    check("list_append", &[one(&[1]), lit(2)], "[1, 2]", "INTEGER[]");
    check("list_prepend", &[lit(0), one(&[1])], "[0, 1]", "INTEGER[]");
    check("list_sort", &[one(&[3, 1, 2])], "[1, 2, 3]", "INTEGER[]");
    check("list_reverse_sort", &[one(&[3, 1, 2])], "[3, 2, 1]", "INTEGER[]");
    check("list_distinct", &[one(&[2, 1, 2])], "[1, 2]", "INTEGER[]");
    check("list_sum", &[one(&[1, 2])], "3", "HUGEINT");
    check("list_aggregate", &[one(&[1, 2]), lit("avg")], "1.5", "DOUBLE");
    check("len", &[one(&[1, 2])], "2", "BIGINT");
    check("range", &[lit(5), lit(2), lit(-1)], "[5, 4, 3]", "BIGINT[]");
    check("generate_series", &[lit(1), lit(3)], "[1, 2, 3]", "BIGINT[]");
    fails("range", &[(Scalar::Int(i64::MAX.into()), T::BigInt)], "2^27");
    check("array_to_string", &[one(&[1, 2]), lit("-")], "1-2", "VARCHAR");
    check("list_has_any", &[one(&[1, 2]), one(&[2, 3])], "true", "BOOLEAN");
    check("array_pop_back", &[one(&[1, 2])], "[1]", "INTEGER[]");
    check("array_pop_back", &[one(&[])], "[]", "INTEGER[]");
}

#[test]
fn structs_and_maps() {
    let b = bind_struct_pack(&["a".into()], &[ArgInfo::of(T::Integer)]);
    assert_eq!(b.return_type.to_string(), "STRUCT(a INTEGER)");
    let s = typed("{'a': 1, 'b': x}", T::Struct([("a".into(), T::Integer), ("b".into(), T::Varchar)].into()));
    check("struct_extract", &[s.clone(), lit("b")], "x", "VARCHAR");
    fails("struct_extract", &[s, lit("z")], "Could not find key \"z\"");
    let m = typed("{a=1, b=2}", T::Map(Box::new(T::Varchar), Box::new(T::Integer)));
    check("map_keys", &[m.clone()], "[a, b]", "VARCHAR[]");
    check("element_at", &[m.clone(), lit("b")], "[2]", "INTEGER[]");
    check("list_extract", &[m.clone(), lit("z")], "NULL", "INTEGER");
    check("cardinality", &[m], "2", "UBIGINT");
}

#[test]
fn json() {
    let j = typed("{\"a\": {\"b\": [1, 2]}}", T::Json);
    check("json_extract", &[j.clone(), lit("$.a")], "{\"b\":[1,2]}", "JSON");
    check("->>", &[j.clone(), lit("$.a.b[0]")], "1", "VARCHAR");
    check("json_type", &[j.clone(), lit("$.a.b")], "ARRAY", "VARCHAR");
    check("json_keys", &[j], "[a]", "VARCHAR[]");
    check("to_json", &[lit("x")], "\"x\"", "JSON");
    check("json_object", &[lit("a"), lit(1)], "{\"a\":1}", "JSON");
    check("typeof", &[lit(1)], "INTEGER", "VARCHAR");
}

#[test]
fn the_catalog_is_complete() {
    let all = catalog();
    assert!(all.len() > 200);
    for f in &all {
        assert!(!f.description.is_empty() && !f.example.is_empty(), "{}", f.name);
        assert!(!f.signatures.is_empty(), "{}", f.name);
        assert!(is_scalar(f.name));
    }
    let _ = Arc::new(());
}

#[test]
fn dates() {
    let d = |s: &str| typed(s, T::Date);
    let ts = |s: &str| typed(s, crate::column::types::TIMESTAMP);
    let iv = |s: &str| typed(s, T::Interval);
    let t = ts("2020-03-04 05:06:07.89");
    check("year", &[d("2020-03-04")], "2020", "BIGINT");
    check("minute", &[t.clone()], "6", "BIGINT");
    check("millisecond", &[t.clone()], "7890", "BIGINT");
    check("epoch", &[t.clone()], "1583298367.89", "DOUBLE");
    check("epoch_ms", &[t.clone()], "1583298367890", "BIGINT");
    check("week", &[d("2020-12-31")], "53", "BIGINT");
    check("yearweek", &[d("2020-01-01")], "202001", "BIGINT");
    check("century", &[d("-0001-01-01")], "-1", "BIGINT");
    check("year", &[d("infinity")], "NULL", "BIGINT");
    check("year", &[iv("14 months")], "1", "BIGINT");
    check("date_part", &[lit("epoch"), iv("1 year 1 day")], "31644000.0", "DOUBLE");
    check("date_part", &[lit("dow"), d("2020-03-04")], "3", "BIGINT");
    fails("date_part", &[lit("foo"), d("2020-03-04")], "extract specifier \"foo\" not recognized");
    check("date_trunc", &[lit("quarter"), ts("2020-05-04 05:06:07")], "2020-04-01 00:00:00", "TIMESTAMP");
    check("date_trunc", &[lit("week"), d("2020-03-04")], "2020-03-02 00:00:00", "TIMESTAMP");
    check("date_trunc", &[lit("hour"), t.clone()], "2020-03-04 05:00:00", "TIMESTAMP");
    check("date_trunc", &[lit("isoyear"), d("2021-01-02")], "2019-12-30 00:00:00", "TIMESTAMP");
    check("date_trunc", &[lit("century"), d("-0001-01-01")], "0001-01-01 (BC) 00:00:00", "TIMESTAMP");
    check("date_trunc", &[lit("day"), iv("1 month 3 days 5 hours")], "1 month 3 days", "INTERVAL");
    check("date_diff", &[lit("month"), d("2020-01-31"), d("2020-02-01")], "1", "BIGINT");
    check("date_diff", &[lit("week"), d("2020-01-05"), d("2020-01-06")], "0", "BIGINT");
    check("date_diff", &[lit("week"), d("2020-01-01"), d("2020-01-08")], "1", "BIGINT");
    check("date_sub", &[lit("month"), d("2020-01-31"), d("2020-02-29")], "1", "BIGINT");
    check("date_sub", &[lit("month"), d("2020-03-31"), d("2020-02-29")], "-1", "BIGINT");
    check("age", &[ts("2020-03-01"), ts("2019-01-31")], "1 year 1 month 1 day", "INTERVAL");
    check("age", &[ts("2019-01-31"), ts("2020-03-01")], "-1 year -1 month -1 day", "INTERVAL");
    check("age", &[ts("2001-04-10"), ts("1957-06-13")], "43 years 9 months 27 days", "INTERVAL");
    check("make_date", &[lit(2020), lit(1), lit(5)], "2020-01-05", "DATE");
    fails("make_date", &[lit(2020), lit(13), lit(1)], "Date out of range: 2020-13-1");
    check(
        "make_timestamp",
        &[lit(2020), lit(1), lit(5), lit(10), lit(11), lit(12.5)],
        "2020-01-05 10:11:12.5",
        "TIMESTAMP",
    );
    check("time_bucket", &[iv("5 minutes"), ts("2020-01-01 00:07:00")], "2020-01-01 00:05:00", "TIMESTAMP");
    check(
        "time_bucket",
        &[iv("5 minutes"), ts("2020-01-01 00:07:00"), iv("2 minutes")],
        "2020-01-01 00:07:00",
        "TIMESTAMP",
    );
    check("time_bucket", &[iv("1 month"), d("2020-05-05"), d("2020-01-15")], "2020-05-01", "DATE");
    fails(
        "time_bucket",
        &[iv("1 month 1 day"), d("2020-05-05")],
        "Month intervals cannot have day or time component",
    );
    check(
        "date_bin",
        &[iv("15 minutes"), ts("2020-02-11 15:44:17"), ts("2001-01-01")],
        "2020-02-11 15:30:00",
        "TIMESTAMP",
    );
    check("strftime", &[t, lit("%Y/%m")], "2020/03", "VARCHAR");
    check(
        "strptime",
        &[lit("2020-01-01 +02"), lit("%Y-%m-%d %z")],
        "2019-12-31 22:00:00+00",
        "TIMESTAMP WITH TIME ZONE",
    );
    check("try_strptime", &[lit("x"), lit("%Y")], "NULL", "TIMESTAMP");
    fails("strptime", &[lit("x"), lit("%Y")], "Could not parse string \"x\"");
    check("last_day", &[d("2020-02-05")], "2020-02-29", "DATE");
    check("dayname", &[d("2020-03-04")], "Wednesday", "VARCHAR");
    check("to_timestamp", &[lit(1.5)], "1970-01-01 00:00:01.5+00", "TIMESTAMP WITH TIME ZONE");
    check("to_days", &[lit(5)], "5 days", "INTERVAL");
    check(
        "generate_series",
        &[ts("2020-01-01"), ts("2020-01-02"), iv("1 day")],
        "['2020-01-01 00:00:00', '2020-01-02 00:00:00']",
        "TIMESTAMP[]",
    );
    check(
        "timezone",
        &[lit("Etc/GMT-2"), ts("2020-01-01 02:00:00")],
        "2020-01-01 00:00:00+00",
        "TIMESTAMP WITH TIME ZONE",
    );
}
