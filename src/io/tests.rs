//! What is written comes back: all types, all formats, pieces in any order.

use std::fs;
use std::sync::Arc;

use arrow_array::{ArrayRef, StringViewArray};
use proptest::prelude::*;

use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP, TimeUnit};
use crate::exec::batch::{Batch, Field, Schema};
use crate::exec::cast::cast;
use crate::io::testing::{open, rows, schema, show, text};

/// A column of these values of a type; `None` is NULL.
fn column(ty: &LogicalType, values: &[Option<&str>]) -> ArrayRef {
    let texts: ArrayRef = Arc::new(values.iter().copied().collect::<StringViewArray>());
    cast(&texts, &LogicalType::Varchar, ty, false).unwrap()
}

/// One column of every type, with its values; the last says what a reader of the format makes of it.
fn samples() -> Vec<(LogicalType, Vec<Option<&'static str>>)> {
    use LogicalType as T;
    let pair = T::Struct([("a".into(), T::Integer), ("b c".into(), T::Varchar)].into());
    vec![
        (T::Boolean, vec![Some("true"), None, Some("false")]),
        (T::TinyInt, vec![Some("-128"), None, Some("127")]),
        (T::SmallInt, vec![Some("-32768"), None, Some("32767")]),
        (T::Integer, vec![Some("-2147483648"), None, Some("2147483647")]),
        (T::BigInt, vec![Some("-9223372036854775808"), None, Some("9223372036854775807")]),
        (T::UTinyInt, vec![Some("0"), None, Some("255")]),
        (T::USmallInt, vec![Some("0"), None, Some("65535")]),
        (T::UInteger, vec![Some("0"), None, Some("4294967295")]),
        (T::UBigInt, vec![Some("0"), None, Some("18446744073709551615")]),
        (T::Float, vec![Some("1.5"), None, Some("-3.4e38")]),
        (T::Double, vec![Some("0.1"), None, Some("1e300")]),
        (T::Decimal { width: 5, scale: 2 }, vec![Some("-123.45"), None, Some("0.01")]),
        (T::Decimal { width: 15, scale: 3 }, vec![Some("123456789012.345"), None, Some("-0.001")]),
        (
            T::Decimal { width: 38, scale: 10 },
            vec![Some("1234567890123456789012345678.0123456789"), None, Some("-1.0000000000")],
        ),
        (T::Varchar, vec![Some("plain"), None, Some("with, \"all\"\n\tsigns; ü€😀 and long enough")]),
        (T::Blob, vec![Some("ab\\xFF"), None, Some("x")]),
        (
            T::Uuid,
            vec![
                Some("00112233-4455-6677-8899-aabbccddeeff"),
                None,
                Some("ffffffff-ffff-ffff-ffff-ffffffffffff"),
            ],
        ),
        (T::Json, vec![Some("{\"a\": [1, null]}"), None, Some("1.0")]),
        (T::Date, vec![Some("2024-02-29"), None, Some("0001-01-01")]),
        (T::Time, vec![Some("23:59:59.999999"), None, Some("00:00:00")]),
        (TIMESTAMP, vec![Some("2024-01-31 12:00:00.123456"), None, Some("1900-01-01 00:00:00")]),
        (
            T::Timestamp(TimeUnit::Second),
            vec![Some("2024-01-31 12:00:00"), None, Some("1900-01-01 00:00:00")],
        ),
        (
            T::Timestamp(TimeUnit::Millisecond),
            vec![Some("2024-01-31 12:00:00.123"), None, Some("1900-01-01 00:00:00")],
        ),
        (
            T::Timestamp(TimeUnit::Nanosecond),
            vec![Some("2024-01-31 12:00:00.123456789"), None, Some("1900-01-01 00:00:00")],
        ),
        (T::TimestampTz, vec![Some("2024-01-31 12:00:00+00"), None, Some("1900-01-01 00:00:00+00")]),
        (T::Interval, vec![Some("1 year 2 months 3 days 04:05:06.007"), None, Some("00:00:00")]),
        (T::Enum(["x".into(), "y".into()].into()), vec![Some("y"), None, Some("x")]),
        (T::List(Box::new(T::Integer)), vec![Some("[1, NULL, 3]"), None, Some("[]")]),
        (T::Array(Box::new(T::Integer), 2), vec![Some("[1, 2]"), None, Some("[3, NULL]")]),
        (pair, vec![Some("{'a': 1, 'b c': x}"), None, Some("{'a': NULL, 'b c': NULL}")]),
    ]
}

/// Batches of one row each, out of the columns.
fn table() -> (Schema, Vec<Batch>) {
    let samples = samples();
    let schema: Schema =
        samples.iter().enumerate().map(|(i, (ty, _))| Field::new(format!("c{i}"), ty.clone())).collect();
    let columns: Vec<ArrayRef> = samples.iter().map(|(ty, values)| column(ty, values)).collect();
    let whole = Batch::new(columns, 3);
    (schema, (0..3).map(|i| whole.slice(i, 1)).collect())
}

/// The rows as text.
fn shown(schema: &Schema, batches: &[Batch]) -> Vec<Vec<String>> {
    let mut out = vec![];
    for batch in batches {
        let columns: Vec<Vec<String>> =
            batch.columns.iter().zip(schema.iter()).map(|(c, f)| show(c, &f.ty)).collect();
        out.extend((0..batch.rows).map(|row| columns.iter().map(|c| c[row].clone()).collect::<Vec<_>>()));
    }
    out
}

/// Writes pieces in a wild order from two threads.
fn write(path: &str, options: &[(&str, Scalar)], schema: &Schema, batches: &[Batch]) -> u64 {
    let options: Vec<_> =
        options.iter().map(|(n, v)| ((*n).to_string(), v.clone(), LogicalType::Varchar)).collect();
    let sink = crate::io::copy_sink(path, None, &options, schema.clone()).unwrap();
    std::thread::scope(|scope| {
        for half in 0..2 {
            let sink = &sink;
            scope.spawn(move || {
                for (i, batch) in batches.iter().enumerate().rev() {
                    if i % 2 == half {
                        sink.push(i as u64, vec![batch.clone()]).unwrap();
                    }
                }
            });
        }
    });
    sink.finish().unwrap()
}

#[test]
fn parquet_keeps_all_types() {
    let dir = tempfile::tempdir().unwrap();
    let (schema_in, batches) = table();
    for codec in ["snappy", "zstd", "gzip", "lz4", "brotli", "none"] {
        let path = dir.path().join("x.parquet");
        let path = path.to_str().unwrap();
        let options = [("compression", text(codec)), ("row_group_size", Scalar::Int(2))];
        assert_eq!(write(path, &options, &schema_in, &batches), 3);
        let source = crate::io::source_for_path(path).unwrap();
        let expected: Vec<String> = schema_in
            .iter()
            .map(|f| match &f.ty {
                LogicalType::Enum(_) => "VARCHAR".into(),
                LogicalType::Array(item, _) => format!("{item}[]"),
                LogicalType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond) => "TIMESTAMP".into(),
                ty => ty.to_string(),
            })
            .collect();
        let found: Vec<String> = source.schema().iter().map(|f| f.ty.to_string()).collect();
        assert_eq!(found, expected);
        assert_eq!(rows(&source, 2).unwrap(), shown(&schema_in, &batches));
    }
}

#[test]
fn csv_keeps_all_types_that_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (schema_in, batches) = table();
    for name in ["x.csv", "x.tsv", "x.csv.gz", "x.csv.zst"] {
        let path = dir.path().join(name);
        let path = path.to_str().unwrap();
        assert_eq!(write(path, &[], &schema_in, &batches), 3);
        let source = crate::io::copy_source(path, None, &[], &schema_in).unwrap();
        assert_eq!(source.schema(), schema_in);
        assert_eq!(rows(&source, 2).unwrap(), shown(&schema_in, &batches), "{name}");
    }
}

#[test]
fn maps_in_parquet() {
    use arrow_array::builder::{Int32Builder, MapBuilder, StringViewBuilder};
    let ty = LogicalType::Map(Box::new(LogicalType::Varchar), Box::new(LogicalType::Integer));
    let mut builder = MapBuilder::new(None, StringViewBuilder::new(), Int32Builder::new());
    builder.keys().append_value("k");
    builder.values().append_value(1);
    builder.append(true).unwrap();
    builder.append(false).unwrap();
    builder.append(true).unwrap();
    let built: ArrayRef = Arc::new(builder.finish());
    let layout = ty.arrow();
    let column = arrow_cast::cast(&built, &layout).unwrap();
    let schema_in: Schema = [Field::new("m", ty)].into();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    write(path.to_str().unwrap(), &[], &schema_in, &[Batch::new(vec![column], 3)]);
    let source = crate::io::source_for_path(path.to_str().unwrap()).unwrap();
    assert_eq!(schema(&source), "m MAP(VARCHAR, INTEGER)");
    assert_eq!(rows(&source, 1).unwrap(), [["{k=1}"], ["␀"], ["{}"]]);
}

#[test]
fn no_rows() {
    let dir = tempfile::tempdir().unwrap();
    let schema_in: Schema = [Field::new("a", LogicalType::BigInt)].into();
    for (name, expected) in [("x.csv", "a VARCHAR"), ("x.parquet", "a BIGINT")] {
        let path = dir.path().join(name);
        assert_eq!(write(path.to_str().unwrap(), &[], &schema_in, &[]), 0);
        let source = crate::io::source_for_path(path.to_str().unwrap()).unwrap();
        assert_eq!(schema(&source), expected);
        assert!(rows(&source, 1).unwrap().is_empty());
    }
}

#[test]
fn a_failed_copy_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (schema_in, batches) = table();
    for name in ["x.csv", "x.parquet", "x.json"] {
        let path = dir.path().join(name);
        let sink = crate::io::copy_sink(path.to_str().unwrap(), None, &[], schema_in.clone()).unwrap();
        sink.push(0, batches.clone()).unwrap();
        sink.abort();
        assert!(sink.push(1, batches.clone()).is_err());
        drop(sink);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{name}");
    }
    let wrong = [("delimm".to_string(), text(";"), LogicalType::Varchar)];
    let path = dir.path().join("x.csv");
    let error = crate::io::copy_sink(path.to_str().unwrap(), None, &wrong, schema_in).unwrap_err();
    assert!(error.to_string().contains("did you mean \"delim\""), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn huge_integers_that_parquet_has_not() {
    let dir = tempfile::tempdir().unwrap();
    let schema_in: Schema = [Field::new("h", LogicalType::HugeInt)].into();
    let fine = column(&LogicalType::HugeInt, &[Some("99999999999999999999999999999999999999")]);
    let path = dir.path().join("x.parquet");
    let path = path.to_str().unwrap();
    write(path, &[], &schema_in, &[Batch::new(vec![fine], 1)]);
    let source = crate::io::source_for_path(path).unwrap();
    assert_eq!(rows(&source, 1).unwrap(), [["99999999999999999999999999999999999999"]]);
    let wide = column(&LogicalType::HugeInt, &[Some("170141183460469231731687303715884105727")]);
    let sink = crate::io::copy_sink(path, None, &[], schema_in).unwrap();
    sink.push(0, vec![Batch::new(vec![wide], 1)]).unwrap();
    assert!(sink.finish().unwrap_err().to_string().contains("38"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any text in any CSV dialect.
    #[test]
    fn any_text_survives_csv(
        values in prop::collection::vec(prop::option::of("[a-zA-Z0-9 ,;|\t\n\r\"'#\\\\ü-]{0,12}"), 1..40),
        delimiter in prop_oneof![Just(","), Just(";"), Just("\t"), Just("|"), Just("x")],
        quote in prop_oneof![Just("\""), Just("'")],
        escape in prop_oneof![Just(None), Just(Some("\\"))],
        pieces in 1_usize..5,
    ) {
        let ids: Vec<String> = (0..values.len()).map(|i| i.to_string()).collect();
        let ids: Vec<Option<&str>> = ids.iter().map(|s| Some(s.as_str())).collect();
        let texts: Vec<Option<&str>> = values.iter().map(Option::as_deref).collect();
        let schema_in: Schema =
            [Field::new("id", LogicalType::BigInt), Field::new("t", LogicalType::Varchar)].into();
        let whole = Batch::new(
            vec![column(&LogicalType::BigInt, &ids), column(&LogicalType::Varchar, &texts)],
            values.len(),
        );
        let step = values.len().div_ceil(pieces);
        let batches: Vec<Batch> =
            (0..values.len()).step_by(step).map(|at| whole.slice(at, step.min(values.len() - at))).collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.csv");
        let path = path.to_str().unwrap();
        let mut options = vec![("delim", text(delimiter)), ("quote", text(quote))];
        if let Some(escape) = escape {
            options.push(("escape", text(escape)));
        }
        write(path, &options, &schema_in, &batches);
        options.extend([
            ("allow_quoted_nulls", Scalar::Boolean(false)), ("header", Scalar::Boolean(true)),
            ("comment", text("")), ("all_varchar", Scalar::Boolean(true)), ("buffer_size", Scalar::Int(100)),
        ]);
        let source = open("read_csv", path, &options).unwrap();
        prop_assert_eq!(rows(&source, 2).unwrap(), shown(&schema_in, &batches));
    }
}
