//! Names of types in the options of readers: `types = {'a': 'DECIMAL(10, 2)'}`.

use crate::column::types::{DECIMAL_MAX_WIDTH, LogicalType, TIMESTAMP, TimeUnit};
use crate::exec::error::{ExecError, Result};

/// The type of this name: any scalar type by the names that SQL has for it, and lists and arrays of them.
pub(crate) fn parse(name: &str) -> Result<LogicalType> {
    parse_depth(name, 0)
        .ok_or_else(|| ExecError::InvalidInput(format!("\"{name}\" is not the name of a type")))
}

/// Deeper nesting than anyone needs.
const MAX_DEPTH: usize = 16;

fn parse_depth(name: &str, depth: usize) -> Option<LogicalType> {
    use LogicalType as T;
    if depth > MAX_DEPTH {
        return None;
    }
    let name = name.trim();
    if let Some(inner) = name.strip_suffix(']') {
        let (item, len) = inner.rsplit_once('[')?;
        let item = Box::new(parse_depth(item, depth + 1)?);
        return Some(match len.trim() {
            "" => T::List(item),
            len => T::Array(item, len.parse().ok().filter(|n| *n > 0)?),
        });
    }
    if let Some(names) = name.get(..4).filter(|n| n.eq_ignore_ascii_case("ENUM")).map(|_| name[4..].trim()) {
        return enumeration(names.strip_prefix('(')?.strip_suffix(')')?);
    }
    let upper = name.to_ascii_uppercase();
    let (base, arguments) = match upper.split_once('(') {
        Some((base, rest)) => (base.trim_end(), Some(rest.strip_suffix(')')?)),
        None => (&upper[..], None),
    };
    if matches!(base, "STRUCT" | "UNION") {
        let fields = named_types(&name[name.find('(')? + 1..name.len() - 1], depth)?.into();
        return Some(if base == "STRUCT" { T::Struct(fields) } else { T::Union(fields) });
    }
    if base == "MAP" {
        let inner = &name[name.find('(')? + 1..name.len() - 1];
        let [key, value] = &split(inner)?[..] else { return None };
        return Some(T::Map(
            Box::new(parse_depth(key, depth + 1)?),
            Box::new(parse_depth(value, depth + 1)?),
        ));
    }
    if matches!(base, "DECIMAL" | "NUMERIC" | "DEC") {
        let (width, scale) = match arguments {
            None => (18, 3),
            Some(a) => match a.split_once(',') {
                None => (a.trim().parse().ok()?, 0),
                Some((w, s)) => (w.trim().parse().ok()?, s.trim().parse().ok()?),
            },
        };
        return ((1..=DECIMAL_MAX_WIDTH).contains(&width) && scale <= width)
            .then_some(T::Decimal { width, scale });
    }
    if arguments.is_some() && !matches!(base, "VARCHAR" | "CHAR" | "TIMESTAMP" | "TIME") {
        return None;
    }
    Some(match base {
        "BOOLEAN" | "BOOL" | "LOGICAL" => T::Boolean,
        "TINYINT" | "INT1" => T::TinyInt,
        "SMALLINT" | "INT2" | "INT16" | "SHORT" => T::SmallInt,
        "INTEGER" | "INT" | "INT4" | "INT32" | "SIGNED" => T::Integer,
        "BIGINT" | "INT8" | "INT64" | "LONG" => T::BigInt,
        "HUGEINT" | "INT128" => T::HugeInt,
        "UTINYINT" | "UINT8" => T::UTinyInt,
        "USMALLINT" | "UINT16" => T::USmallInt,
        "UINTEGER" | "UINT32" => T::UInteger,
        "UBIGINT" | "UINT64" => T::UBigInt,
        "UHUGEINT" | "UINT128" => T::UHugeInt,
        "BIGNUM" | "VARINT" => T::BigNum,
        "BIT" | "BITSTRING" => T::Bit,
        "TIME_NS" => T::TimeNs,
        "VARIANT" => T::Variant,
        "TIMETZ" | "TIME WITH TIME ZONE" => T::TimeTz,
        "REAL" | "FLOAT" | "FLOAT4" => T::Float,
        "DOUBLE" | "FLOAT8" | "DOUBLE PRECISION" => T::Double,
        "VARCHAR" | "TEXT" | "STRING" | "CHAR" | "BPCHAR" | "NVARCHAR" => T::Varchar,
        "BLOB" | "BYTEA" | "BINARY" | "VARBINARY" => T::Blob,
        "UUID" => T::Uuid,
        "JSON" => T::Json,
        "DATE" => T::Date,
        "TIME" | "TIME WITHOUT TIME ZONE" => T::Time,
        "TIMESTAMP" | "DATETIME" | "TIMESTAMP_US" | "TIMESTAMP WITHOUT TIME ZONE" => TIMESTAMP,
        "TIMESTAMP_S" => T::Timestamp(TimeUnit::Second),
        "TIMESTAMP_MS" => T::Timestamp(TimeUnit::Millisecond),
        "TIMESTAMP_NS" => T::Timestamp(TimeUnit::Nanosecond),
        "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => T::TimestampTz,
        "INTERVAL" => T::Interval,
        _ => return None,
    })
}

/// The names of an enumeration: `'one', 'two'`.
fn enumeration(names: &str) -> Option<LogicalType> {
    let names = split(names)?.into_iter().map(|name| {
        let quoted = name.trim().strip_prefix('\'')?.strip_suffix('\'')?;
        Some(quoted.replace("''", "'").into())
    });
    Some(LogicalType::Enum(names.collect::<Option<_>>()?))
}

/// The fields of a struct or members of a union: `name type, "other name" type`.
fn named_types(fields: &str, depth: usize) -> Option<Vec<(Box<str>, LogicalType)>> {
    let mut out: Vec<(Box<str>, LogicalType)> = vec![];
    for field in split(fields)? {
        let field = field.trim();
        let (name, ty) = match field.strip_prefix('"') {
            Some(rest) => rest.split_once('"')?,
            None => field.split_once(char::is_whitespace)?,
        };
        out.push((name.into(), parse_depth(ty, depth + 1)?));
    }
    Some(out)
}

/// The parts between commas that are not inside parentheses or quotes.
fn split(text: &str) -> Option<Vec<&str>> {
    let (mut depth, mut start) = (0_i32, 0);
    let mut quote: Option<char> = None;
    let mut parts = vec![];
    for (i, c) in text.char_indices() {
        let quoted = quote.is_some();
        match c {
            '"' | '\'' if quote.is_none_or(|q| q == c) => {
                quote = if quote.is_none() { Some(c) } else { None }
            }
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (depth == 0 && quote.is_none()).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, shown) in [
            ("int", "INTEGER"),
            ("Decimal(10, 2)", "DECIMAL(10,2)"),
            ("NUMERIC", "DECIMAL(18,3)"),
            ("varchar(20)", "VARCHAR"),
            ("bigint[]", "BIGINT[]"),
            ("TEXT[][3]", "VARCHAR[][3]"),
            ("timestamp with time zone", "TIMESTAMP WITH TIME ZONE"),
            ("enum('a', 'it''s, (b)')", "ENUM('a', 'it''s, (b)')"),
            (
                "STRUCT(a INT, \"B c\" MAP(VARCHAR, DOUBLE))",
                "STRUCT(a INTEGER, \"B c\" MAP(VARCHAR, DOUBLE))",
            ),
        ] {
            assert_eq!(parse(name).unwrap().to_string(), shown, "{name}");
        }
        for name in [
            "",
            "intt",
            "decimal(50)",
            "decimal(3,5)",
            "int(",
            "int[0]",
            "struct(",
            "[]",
            "STRUCT(a)",
            "enum",
            "enum(a)",
        ] {
            assert!(parse(name).is_err(), "{name}");
        }
        assert!(parse(&"[]".repeat(100)).is_err());
        assert!(parse(&format!("int{}", "[]".repeat(100))).is_err());
    }
}
