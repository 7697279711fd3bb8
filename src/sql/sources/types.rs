//! `duckdb_types()`: the types that are built in, by all their names, and those that have been given one.

use arrow_schema::TimeUnit;

use crate::catalog::{MAIN_SCHEMA, Object};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::sql::bind::Environment;
use crate::sql::session::SYSTEM_DATABASE;
use crate::sql::sources::RowsBuilder;
use crate::sql::sources::rows::{empty_map, int, optional, tags, text, texts};
use crate::sql::sources::system::{Listed, placed};

/// A type, its number among DuckDB's, the bytes of a value, its category, and its names; the first of them is listed
/// with the number.
struct BuiltIn {
    logical: &'static str,
    oid: u64,
    size: Option<u64>,
    category: Option<&'static str>,
    names: &'static [&'static str],
}

const fn built_in(
    logical: &'static str,
    oid: u64,
    size: Option<u64>,
    category: Option<&'static str>,
    names: &'static [&'static str],
) -> BuiltIn {
    BuiltIn { logical, oid, size, category, names }
}

const NUMERIC: Option<&str> = Some("NUMERIC");
const STRING: Option<&str> = Some("STRING");
const DATETIME: Option<&str> = Some("DATETIME");
const COMPOSITE: Option<&str> = Some("COMPOSITE");

const BUILT_IN: &[BuiltIn] = &[
    built_in("NULL", 1, Some(4), None, &["null"]),
    built_in("BOOLEAN", 10, Some(1), Some("BOOLEAN"), &["boolean", "bool", "logical"]),
    built_in("TINYINT", 11, Some(1), NUMERIC, &["tinyint", "int1"]),
    built_in("SMALLINT", 12, Some(2), NUMERIC, &["smallint", "int16", "int2", "short"]),
    built_in("INTEGER", 13, Some(4), NUMERIC, &["integer", "int", "int32", "int4", "integral", "signed"]),
    built_in("BIGINT", 14, Some(8), NUMERIC, &["bigint", "int64", "int8", "long", "oid"]),
    built_in("DATE", 15, Some(4), DATETIME, &["date"]),
    built_in("TIME", 16, Some(8), DATETIME, &["time"]),
    built_in("TIME_NS", 35, Some(8), DATETIME, &["time_ns"]),
    built_in("TIMESTAMP_S", 17, Some(8), DATETIME, &["timestamp_s"]),
    built_in("TIMESTAMP_MS", 18, Some(8), DATETIME, &["timestamp_ms"]),
    built_in("TIMESTAMP", 19, Some(8), DATETIME, &["timestamp", "datetime", "timestamp_us"]),
    built_in("TIMESTAMP_NS", 20, Some(8), DATETIME, &["timestamp_ns"]),
    built_in("DECIMAL", 21, None, NUMERIC, &["decimal", "dec", "numeric"]),
    built_in("FLOAT", 22, Some(4), NUMERIC, &["float", "float4", "real"]),
    built_in("DOUBLE", 23, Some(8), NUMERIC, &["double", "float8"]),
    built_in("VARCHAR", 25, Some(16), STRING, &["varchar", "bpchar", "char", "nvarchar", "string", "text"]),
    built_in("BLOB", 26, Some(16), None, &["blob", "binary", "bytea", "varbinary"]),
    built_in("INTERVAL", 27, Some(16), DATETIME, &["interval"]),
    built_in("UTINYINT", 28, Some(1), NUMERIC, &["utinyint", "uint8"]),
    built_in("USMALLINT", 29, Some(2), NUMERIC, &["usmallint", "uint16"]),
    built_in("UINTEGER", 30, Some(4), NUMERIC, &["uinteger", "uint32"]),
    built_in("UBIGINT", 31, Some(8), NUMERIC, &["ubigint", "uint64"]),
    built_in("TIMESTAMP WITH TIME ZONE", 32, Some(8), DATETIME, &["timestamp with time zone", "timestamptz"]),
    built_in("TIME WITH TIME ZONE", 34, Some(8), DATETIME, &["time with time zone", "timetz"]),
    built_in("BIT", 36, Some(16), None, &["bit", "bitstring"]),
    built_in("BIGNUM", 39, Some(16), None, &["bignum", "varint"]),
    built_in("UHUGEINT", 49, Some(16), NUMERIC, &["uhugeint", "uint128"]),
    built_in("HUGEINT", 50, Some(16), NUMERIC, &["hugeint", "int128"]),
    built_in("VARIANT", 109, Some(0), None, &["variant"]),
    built_in("UUID", 54, Some(16), None, &["uuid", "guid"]),
    built_in("STRUCT", 100, Some(0), COMPOSITE, &["struct", "row"]),
    built_in("LIST", 101, Some(16), COMPOSITE, &["list"]),
    built_in("MAP", 102, Some(16), COMPOSITE, &["map"]),
    built_in("UNION", 107, Some(17), COMPOSITE, &["union"]),
    built_in("ENUM", 104, None, None, &["enum"]),
    built_in("ARRAY", 108, Some(0), COMPOSITE, &["array"]),
];

/// The name of a type without its parameters.
fn logical_name(ty: &T) -> &'static str {
    match ty {
        T::Null => "NULL",
        T::Boolean => "BOOLEAN",
        T::TinyInt => "TINYINT",
        T::SmallInt => "SMALLINT",
        T::Integer => "INTEGER",
        T::BigInt => "BIGINT",
        T::HugeInt => "HUGEINT",
        T::UTinyInt => "UTINYINT",
        T::USmallInt => "USMALLINT",
        T::UInteger => "UINTEGER",
        T::UBigInt => "UBIGINT",
        T::UHugeInt => "UHUGEINT",
        T::BigNum => "BIGNUM",
        T::Variant => "VARIANT",
        T::Float => "FLOAT",
        T::Double => "DOUBLE",
        T::Decimal { .. } => "DECIMAL",
        T::Varchar | T::Json => "VARCHAR",
        T::Blob => "BLOB",
        T::Bit => "BIT",
        T::Uuid => "UUID",
        T::Date => "DATE",
        T::Time => "TIME",
        T::TimeNs => "TIME_NS",
        T::TimeTz => "TIME WITH TIME ZONE",
        T::Timestamp(TimeUnit::Second) => "TIMESTAMP_S",
        T::Timestamp(TimeUnit::Millisecond) => "TIMESTAMP_MS",
        T::Timestamp(TimeUnit::Microsecond) => "TIMESTAMP",
        T::Timestamp(TimeUnit::Nanosecond) => "TIMESTAMP_NS",
        T::TimestampTz => "TIMESTAMP WITH TIME ZONE",
        T::Interval => "INTERVAL",
        T::Enum(_) => "ENUM",
        T::List(_) => "LIST",
        T::Array(..) => "ARRAY",
        T::Struct(_) => "STRUCT",
        T::Map(..) => "MAP",
        T::Union(_) => "UNION",
    }
}

fn of_type(ty: &T) -> Option<&'static BuiltIn> {
    let name = logical_name(ty);
    BUILT_IN.iter().find(|b| b.logical == name)
}

/// The number of a type.
pub fn type_oid(ty: &T) -> Option<u64> {
    of_type(ty).map(|b| b.oid)
}

/// Digits of a number, their base, and how many of them are behind the point. DuckDB has none for unsigned types.
pub fn numeric_shape(ty: &T) -> Option<(u64, u64, u64)> {
    Some(match ty {
        T::TinyInt => (8, 2, 0),
        T::SmallInt => (16, 2, 0),
        T::Integer => (32, 2, 0),
        T::BigInt => (64, 2, 0),
        T::HugeInt => (128, 2, 0),
        T::Float => (24, 2, 0),
        T::Double => (53, 2, 0),
        T::Decimal { width, scale } => (u64::from(*width), 10, u64::from(*scale)),
        _ => return None,
    })
}

/// `duckdb_types()`
pub fn types(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = placed(&[
        ("type_oid", T::BigInt),
        ("type_name", T::Varchar),
        ("type_size", T::BigInt),
        ("logical_type", T::Varchar),
        ("type_category", T::Varchar),
        ("comment", T::Varchar),
        ("tags", tags()),
        ("internal", T::Boolean),
        ("labels", T::List(Box::new(T::Varchar))),
    ]);
    for built_in in BUILT_IN {
        for (i, name) in built_in.names.iter().enumerate() {
            rows.push([
                text(SYSTEM_DATABASE),
                int(0),
                text(MAIN_SCHEMA),
                int(0),
                if i == 0 { int(built_in.oid) } else { Scalar::Null },
                text(name),
                built_in.size.map_or(Scalar::Null, int),
                text(built_in.logical),
                optional(built_in.category),
                Scalar::Null,
                empty_map(),
                Scalar::Boolean(true),
                Scalar::Null,
            ]);
        }
    }
    for listed in Listed::all(env) {
        for (schema, object) in listed.named_types() {
            let Object::Type(named) = object else { continue };
            let built_in = of_type(&named.ty);
            let (size, labels) = match &named.ty {
                T::Enum(labels) => {
                    let bytes = match labels.len() {
                        0..=0xFF => 1,
                        0x100..=0xFFFF => 2,
                        _ => 4,
                    };
                    (Some(bytes), texts(labels.iter().map(|l| &**l)))
                }
                _ => (built_in.and_then(|b| b.size), Scalar::Null),
            };
            let mut row = listed.place(schema).to_vec();
            row.extend([
                listed.object_oid(named.id.0),
                text(&named.name),
                size.map_or(Scalar::Null, int),
                text(logical_name(&named.ty)),
                optional(built_in.and_then(|b| b.category)),
                optional(named.comment.as_deref()),
                empty_map(),
                Scalar::Boolean(false),
                labels,
            ]);
            rows.push(row);
        }
    }
    rows
}
