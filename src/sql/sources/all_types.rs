//! `test_all_types()`: a column of each type, with its least value, its greatest, and NULL.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringViewArray};

use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Field};
use crate::exec::cast::cast;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::Source;
use crate::sql::bind::types::bind_type;
use crate::sql::parser::parse_type;
use crate::sql::sources::StaticRows;

/// The greatest `DOUBLE`: `BIGNUM` itself has no end worth showing.
const GREATEST_BIGNUM: &str = "1797693134862315708145274237317043567980705675258449965989174768031572607800285387605895586327668781\
    7154045895351438246423432132688946418276846754670353751698604991057655128207624549009038932894407586\
    8508455133942304583236903222948165808559332123348274797826204144723168738177180919299881250404026184\
    124858368";
/// The least `DOUBLE`.
const LEAST_BIGNUM: &str = "-179769313486231570814527423731704356798070567525844996598917476803157260780028538760589558632766878\
    1715404589535143824642343213268894641827684675467035375169860499105765512820762454900903893289440758\
    6850845513394230458323690322294816580855933212334827479782620414472316873817718091929988125040402618\
    4124858368";

/// Name, type, least and greatest value.
const COLUMNS: &[(&str, &str, &str, &str)] = &[
    ("bool", "BOOLEAN", "false", "true"),
    ("tinyint", "TINYINT", "-128", "127"),
    ("smallint", "SMALLINT", "-32768", "32767"),
    ("int", "INTEGER", "-2147483648", "2147483647"),
    ("bigint", "BIGINT", "-9223372036854775808", "9223372036854775807"),
    (
        "hugeint",
        "HUGEINT",
        "-170141183460469231731687303715884105728",
        "170141183460469231731687303715884105727",
    ),
    ("uhugeint", "UHUGEINT", "0", "340282366920938463463374607431768211455"),
    ("utinyint", "UTINYINT", "0", "255"),
    ("usmallint", "USMALLINT", "0", "65535"),
    ("uint", "UINTEGER", "0", "4294967295"),
    ("ubigint", "UBIGINT", "0", "18446744073709551615"),
    ("bignum", "BIGNUM", LEAST_BIGNUM, GREATEST_BIGNUM),
    ("date", "DATE", "5877642-06-25 (BC)", "5881580-07-10"),
    ("time", "TIME", "00:00:00", "24:00:00"),
    ("timestamp", "TIMESTAMP", "290309-12-22 (BC) 00:00:00", "294247-01-10 04:00:54.775806"),
    ("timestamp_s", "TIMESTAMP_S", "290309-12-22 (BC) 00:00:00", "294247-01-10 04:00:54"),
    ("timestamp_ms", "TIMESTAMP_MS", "290309-12-22 (BC) 00:00:00", "294247-01-10 04:00:54.775"),
    ("timestamp_ns", "TIMESTAMP_NS", "1677-09-22 00:00:00", "2262-04-11 23:47:16.854775806"),
    ("time_tz", "TIMETZ", "00:00:00+15:59:59", "24:00:00-15:59:59"),
    ("timestamp_tz", "TIMESTAMPTZ", "290309-12-22 (BC) 00:00:00+00", "294247-01-10 04:00:54.775806+00"),
    ("float", "FLOAT", "-3.4028235e+38", "3.4028235e+38"),
    ("double", "DOUBLE", "-1.7976931348623157e+308", "1.7976931348623157e+308"),
    ("dec_4_1", "DECIMAL(4,1)", "-999.9", "999.9"),
    ("dec_9_4", "DECIMAL(9,4)", "-99999.9999", "99999.9999"),
    ("dec_18_6", "DECIMAL(18,6)", "-999999999999.999999", "999999999999.999999"),
    (
        "dec38_10",
        "DECIMAL(38,10)",
        "-9999999999999999999999999999.9999999999",
        "9999999999999999999999999999.9999999999",
    ),
    ("uuid", "UUID", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    ("interval", "INTERVAL", "00:00:00", "83 years 3 months 999 days 00:16:39.999999"),
    ("varchar", "VARCHAR", "🦆🦆🦆🦆🦆🦆", "goo\0se"),
    ("blob", "BLOB", "thisisalongblob\\x00withnullbytes", "\\x00\\x00\\x00a"),
    ("bit", "BIT", "0010001001011100010101011010111", "10101"),
    ("small_enum", "ENUM('DUCK_DUCK_ENUM', 'GOOSE')", "DUCK_DUCK_ENUM", "GOOSE"),
    ("medium_enum", "", "enum_0", "enum_299"),
    ("large_enum", "ENUM('enum_0', 'enum_69999')", "enum_0", "enum_69999"),
    ("int_array", "INTEGER[]", "[]", "[42, 999, NULL, NULL, -42]"),
    ("double_array", "DOUBLE[]", "[]", "[42.0, nan, inf, -inf, NULL, -42.0]"),
    ("date_array", "DATE[]", "[]", "[1970-01-01, infinity, -infinity, NULL, 2022-05-12]"),
    (
        "timestamp_array",
        "TIMESTAMP[]",
        "[]",
        "['1970-01-01 00:00:00', infinity, -infinity, NULL, '2022-05-12 16:23:45']",
    ),
    (
        "timestamptz_array",
        "TIMESTAMPTZ[]",
        "[]",
        "['1970-01-01 00:00:00+00', infinity, -infinity, NULL, '2022-05-12 23:23:45+00']",
    ),
    ("varchar_array", "VARCHAR[]", "[]", "[🦆🦆🦆🦆🦆🦆, goose, NULL, '']"),
    (
        "nested_int_array",
        "INTEGER[][]",
        "[]",
        "[[], [42, 999, NULL, NULL, -42], NULL, [], [42, 999, NULL, NULL, -42]]",
    ),
    ("struct", "STRUCT(a INTEGER, b VARCHAR)", "{'a': NULL, 'b': NULL}", "{'a': 42, 'b': 🦆🦆🦆🦆🦆🦆}"),
    (
        "struct_of_arrays",
        "STRUCT(a INTEGER[], b VARCHAR[])",
        "{'a': NULL, 'b': NULL}",
        "{'a': [42, 999, NULL, NULL, -42], 'b': [🦆🦆🦆🦆🦆🦆, goose, NULL, '']}",
    ),
    (
        "array_of_structs",
        "STRUCT(a INTEGER, b VARCHAR)[]",
        "[]",
        "[{'a': NULL, 'b': NULL}, {'a': 42, 'b': 🦆🦆🦆🦆🦆🦆}, NULL]",
    ),
    ("map", "MAP(VARCHAR, VARCHAR)", "{}", "{key1=🦆🦆🦆🦆🦆🦆, key2=goose}"),
    ("union", "UNION(name VARCHAR, age SMALLINT)", "{\"name\": \"Frank\"}", "{\"age\": 5}"),
    ("fixed_int_array", "INTEGER[3]", "[NULL, 2, 3]", "[4, 5, 6]"),
    ("fixed_varchar_array", "VARCHAR[3]", "[a, NULL, c]", "[d, e, f]"),
    (
        "fixed_nested_int_array",
        "INTEGER[3][3]",
        "[[NULL, 2, 3], NULL, [NULL, 2, 3]]",
        "[[4, 5, 6], [NULL, 2, 3], [4, 5, 6]]",
    ),
    (
        "fixed_nested_varchar_array",
        "VARCHAR[3][3]",
        "[[a, NULL, c], NULL, [a, NULL, c]]",
        "[[d, e, f], [a, NULL, c], [d, e, f]]",
    ),
    (
        "fixed_struct_array",
        "STRUCT(a INTEGER, b VARCHAR)[3]",
        "[{'a': NULL, 'b': NULL}, {'a': 42, 'b': 🦆🦆🦆🦆🦆🦆}, {'a': NULL, 'b': NULL}]",
        "[{'a': 42, 'b': 🦆🦆🦆🦆🦆🦆}, {'a': NULL, 'b': NULL}, {'a': 42, 'b': 🦆🦆🦆🦆🦆🦆}]",
    ),
    (
        "struct_of_fixed_array",
        "STRUCT(a INTEGER[3], b VARCHAR[3])",
        "{'a': [NULL, 2, 3], 'b': [a, NULL, c]}",
        "{'a': [4, 5, 6], 'b': [d, e, f]}",
    ),
    (
        "fixed_array_of_int_list",
        "INTEGER[][3]",
        "[[], [42, 999, NULL, NULL, -42], []]",
        "[[42, 999, NULL, NULL, -42], [], [42, 999, NULL, NULL, -42]]",
    ),
    (
        "list_of_fixed_int_array",
        "INTEGER[3][]",
        "[[NULL, 2, 3], [4, 5, 6], [NULL, 2, 3]]",
        "[[4, 5, 6], [NULL, 2, 3], [4, 5, 6]]",
    ),
    ("time_ns", "TIME_NS", "00:00:00", "24:00:00"),
];

/// The least and the greatest value of a type without parts, as texts.
pub fn bounds(ty: &LogicalType) -> Option<(String, String)> {
    match ty {
        LogicalType::Decimal { width, scale } => {
            let (whole, rest) = (usize::from(width - scale), usize::from(*scale));
            let digits =
                format!("{}.{}", "9".repeat(whole.max(1)).get(..whole).unwrap_or("0"), "9".repeat(rest));
            let digits = digits.trim_end_matches('.').to_owned();
            Some((format!("-{digits}"), digits))
        }
        LogicalType::Enum(names) => Some((names.first()?.to_string(), names.last()?.to_string())),
        LogicalType::Json => Some(("null".into(), "{}".into())),
        ty if ty.is_nested() => None,
        ty => COLUMNS.iter().find_map(|(_, name, least, greatest)| {
            let column = parse_type(name).and_then(|ty| bind_type(&ty)).ok()?;
            (column == *ty).then(|| ((*least).to_owned(), (*greatest).to_owned()))
        }),
    }
}

/// The rows of `test_all_types()`.
pub fn source() -> Result<Arc<dyn Source>> {
    let (mut schema, mut columns) = (vec![], vec![]);
    for (name, ty, least, greatest) in COLUMNS {
        let ty = if ty.is_empty() {
            LogicalType::Enum((0..300).map(|i| format!("enum_{i}").into()).collect())
        } else {
            let bound = parse_type(ty).and_then(|ty| bind_type(&ty));
            bound.map_err(|e| ExecError::Internal(e.to_string()))?
        };
        let texts: ArrayRef = Arc::new(StringViewArray::from(vec![Some(*least), Some(*greatest), None]));
        // What member a value is of only JSON says.
        let from = if matches!(ty, LogicalType::Union(_)) { LogicalType::Json } else { LogicalType::Varchar };
        columns.push(cast(&texts, &from, &ty, false)?);
        schema.push(Field::new(*name, ty));
    }
    let batch = Batch::new(columns, 3);
    Ok(Arc::new(StaticRows::new("test_all_types", schema.into(), vec![batch])))
}
