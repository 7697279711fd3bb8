use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryViewArray, StringViewArray};
use proptest::prelude::*;

use super::build::from_json;
use super::*;
use crate::column::types::{LogicalType as T, TIMESTAMP, TimeUnit};
use crate::exec::cast::cast;
use crate::exec::zone::Zone;

/// A JSON text, which is a value of whatever kinds JSON knows.
fn json_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<u64>().prop_map(|v| v.to_string()),
        any::<i64>().prop_map(|v| v.to_string()),
        "[a-c, ':]{0,4}".prop_map(|text| format!("\"{text}\"")),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map("[a-c]{0,2}", inner, 0..4).prop_map(|members| {
                let members: Vec<String> = members.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn encoded(json: &str) -> Vec<u8> {
    let mut out = vec![];
    from_json(json, &mut out).unwrap();
    out
}

fn key(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    write_key(bytes, &mut out).unwrap();
    out
}

/// Encodes the text that a type is written as.
fn of_text(text: &str, ty: &T) -> Vec<u8> {
    let texts: ArrayRef = Arc::new(StringViewArray::from(vec![text]));
    let values = cast(&texts, &T::Varchar, ty, false).unwrap();
    to_variant(&values, ty).unwrap().as_binary_view().value(0).to_vec()
}

/// Types, and texts of their values.
fn samples() -> Vec<(T, Vec<&'static str>)> {
    vec![
        (T::Boolean, vec!["true", "false"]),
        (T::TinyInt, vec!["-128", "0", "127"]),
        (T::SmallInt, vec!["-32768", "32767"]),
        (T::Integer, vec!["-2147483648", "5"]),
        (T::BigInt, vec!["-9223372036854775808", "9223372036854775807"]),
        (T::HugeInt, vec!["-170141183460469231731687303715884105728", "1"]),
        (T::UTinyInt, vec!["255"]),
        (T::USmallInt, vec!["65535"]),
        (T::UInteger, vec!["4294967295"]),
        (T::UBigInt, vec!["18446744073709551615"]),
        (T::UHugeInt, vec!["340282366920938463463374607431768211455", "0"]),
        (T::BigNum, vec!["-99999999999999999999999999999999999999999999", "7"]),
        (T::Float, vec!["1.5", "nan", "-inf"]),
        (T::Double, vec!["-0.25", "inf", "1e300"]),
        (T::Decimal { width: 4, scale: 1 }, vec!["-999.9", "0.0"]),
        (T::Decimal { width: 38, scale: 10 }, vec!["9999999999999999999999999999.9999999999"]),
        (T::Varchar, vec!["", "a text of more than twelve bytes", "NULL"]),
        (T::Blob, vec!["\\x00\\xFF", ""]),
        (T::Bit, vec!["0010001001011100010101011010111", "1"]),
        (T::Uuid, vec!["ffffffff-ffff-ffff-ffff-ffffffffffff"]),
        (T::Date, vec!["5877642-06-25 (BC)", "infinity"]),
        (T::Time, vec!["24:00:00", "12:34:56.789"]),
        (T::TimeNs, vec!["12:34:56.123456789"]),
        (T::TimeTz, vec!["00:00:00+15:59:59"]),
        (TIMESTAMP, vec!["2022-05-12 16:23:45.000001", "-infinity"]),
        (T::Timestamp(TimeUnit::Second), vec!["2022-05-12 16:23:45"]),
        (T::Timestamp(TimeUnit::Millisecond), vec!["2022-05-12 16:23:45.001"]),
        (T::Timestamp(TimeUnit::Nanosecond), vec!["2022-05-12 16:23:45.000000001"]),
        (T::TimestampTz, vec!["2022-05-12 16:23:45+00"]),
        (T::Interval, vec!["83 years 3 months 999 days 00:16:39.999999"]),
        (T::List(Box::new(T::Integer)), vec!["[1, NULL, 3]", "[]"]),
        (T::Array(Box::new(T::Integer), 2), vec!["[1, NULL]"]),
        (
            T::Struct(vec![("b".into(), T::Integer), ("A".into(), T::Varchar)].into()),
            vec!["{'b': 1, 'A': x}"],
        ),
        (T::Struct(vec![("".into(), T::Integer), ("".into(), T::Varchar)].into()), vec!["(1, x)"]),
        (T::Map(Box::new(T::Varchar), Box::new(T::Double)), vec!["{a=1.5, b=NULL}", "{}"]),
    ]
}

#[test]
fn values_of_every_type_and_back() {
    for (ty, texts) in samples() {
        let texts: ArrayRef =
            Arc::new(texts.into_iter().map(Some).chain([None]).collect::<StringViewArray>());
        let values = cast(&texts, &T::Varchar, &ty, false).unwrap();
        let variants = to_variant(&values, &ty).unwrap();
        assert_eq!(variants.null_count(), 1, "{ty}");
        let back = cast(&variants, &T::Variant, &ty, false).unwrap();
        assert_eq!(back.to_data(), values.to_data(), "{ty}");
    }
}

#[test]
fn keys_are_in_the_order_of_the_values() {
    let int = |text| of_text(text, &T::BigInt);
    let decimal = |text| of_text(text, &T::Decimal { width: 30, scale: 5 });
    let big = |text: &str| of_text(text, &T::BigNum);
    let rising = [
        of_text("false", &T::Boolean),
        of_text("true", &T::Boolean),
        big("-100000000000000000000000000000000000000000001"),
        big("-100000000000000000000000000000000000000000000"),
        int("-101"),
        decimal("-100.5"),
        int("-100"),
        int("-99"),
        decimal("-0.5"),
        decimal("-0.05"),
        int("0"),
        decimal("0.00001"),
        decimal("0.05"),
        int("1"),
        decimal("1.00001"),
        int("9"),
        int("10"),
        big("1000000000000000000000000000000000000000000000000"),
        of_text("-inf", &T::Double),
        of_text("-1.5", &T::Float),
        of_text("0", &T::Double),
        of_text("nan", &T::Float),
        of_text("", &T::Varchar),
        of_text("\0", &T::Varchar),
        of_text("\u{1}", &T::Varchar),
        of_text("a", &T::Varchar),
        of_text("a\0", &T::Varchar),
        of_text("ab", &T::Varchar),
        encoded("[]"),
        encoded("[1]"),
        encoded("[1,1]"),
        encoded("[2]"),
        encoded("[null]"),
        encoded("{}"),
        encoded("{\"\":1}"),
        encoded("{\"a\":1}"),
        encoded("{\"a\":1,\"b\":0}"),
        encoded("{\"a\":2}"),
        encoded("{\"a\":null}"),
        encoded("{\"aa\":1}"),
        encoded("null"),
    ];
    for pair in rising.windows(2) {
        assert!(key(&pair[0]) < key(&pair[1]), "{pair:?}");
    }
    let types =
        [T::TinyInt, T::UInteger, T::HugeInt, T::UHugeInt, T::BigNum, T::Decimal { width: 9, scale: 2 }];
    for ty in types {
        assert_eq!(key(&of_text("100", &ty)), key(&int("100")), "{ty}");
        assert_eq!(key(&of_text("0", &ty)), key(&int("0")), "{ty}");
    }
}

#[test]
fn nesting_has_an_end() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let mut out = vec![];
    assert!(from_json(&nested(usize::from(HEIGHT_MAX)), &mut out).is_ok());
    key(&out);
    let mut text = String::new();
    write_text(&out, &Zone::utc_ref().clock(), &mut text).unwrap();
    assert_eq!(text, nested(usize::from(HEIGHT_MAX)));
    assert!(from_json(&nested(usize::from(HEIGHT_MAX) + 1), &mut vec![]).is_err());
    // Also of what is put together of values that are encoded.
    let mut more = vec![];
    let mut draft = Draft::array(&mut more, 1).unwrap();
    draft
        .part(|more| {
            more.extend(&out);
            Ok(())
        })
        .unwrap();
    assert!(draft.finish().is_err());
}

/// All that reads bytes.
fn read_all(bytes: &[u8]) {
    let mut text = String::new();
    let clock = Zone::utc_ref().clock();
    let _text = write_text(bytes, &clock, &mut text);
    let _json = write_json(bytes, &clock, &mut text);
    let _key = write_key(bytes, &mut vec![]);
    let column: ArrayRef = Arc::new(BinaryViewArray::from_iter_values([bytes]));
    for (ty, _) in samples() {
        for or_null in [false, true] {
            let _values = cast(&column, &T::Variant, &ty, or_null);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn json_and_back(json in json_value()) {
        let bytes = encoded(&json);
        let mut text = String::new();
        write_json(&bytes, &Zone::utc_ref().clock(), &mut text).unwrap();
        // Names are in order in both, but for what the generator wrote.
        prop_assert_eq!(encoded(&text), bytes);
    }

    #[test]
    fn integers_compare(a: i64, b: i64) {
        let (x, y) = (of_text(&a.to_string(), &T::BigInt), of_text(&b.to_string(), &T::HugeInt));
        prop_assert_eq!(key(&x).cmp(&key(&y)), a.cmp(&b));
    }

    #[test]
    fn decimals_compare(a in -10_000_000i64..10_000_000, b in -10_000_000i64..10_000_000, scale in 0u8..8) {
        let ty = T::Decimal { width: 18, scale };
        let decimal = |v: i64| {
            let mut text = String::new();
            crate::exec::cast::number_text::write_decimal(v.into(), scale, &mut text);
            of_text(&text, &ty)
        };
        prop_assert_eq!(key(&decimal(a)).cmp(&key(&decimal(b))), a.cmp(&b));
    }

    #[test]
    fn damaged_bytes_are_no_panic(json in json_value(), at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let mut bytes = encoded(&json);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        read_all(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        read_all(&bytes);
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), tag in 0u8..36) {
        let bytes: Vec<u8> = std::iter::once(tag).chain(bytes).collect();
        read_all(&bytes);
    }
}
