//! Names of types.

use arrow_schema::TimeUnit;
use sqlparser::ast::{
    ArrayElemTypeDef, DataType, EnumMember, ExactNumberInfo, Ident, ObjectName, ObjectNamePart, StructField,
    TimezoneInfo, UnionField,
};

use crate::catalog::types::depth;
use crate::column::types::{DECIMAL_MAX_WIDTH, LogicalType, TIMESTAMP, UNION_MEMBERS_MAX};
use crate::sql::error::{Result, SqlError};
use crate::sql::parser::parse_type;

/// Digits of a DECIMAL without any given.
const DECIMAL_DEFAULT: LogicalType = LogicalType::Decimal { width: 18, scale: 3 };
/// The most values of an ARRAY.
const ARRAY_MAX: u64 = 100_000;

/// What names of types mean that are not built in.
pub type NamedTypes<'n> = &'n dyn Fn(&ObjectName) -> Option<LogicalType>;

/// The type that a name stands for, of those that are built in.
pub fn bind_type(ty: &DataType) -> Result<LogicalType> {
    bind_type_with(ty, &|_| None)
}

/// Types nest at most so deep, like the syntax that makes values of them.
pub const TYPE_DEPTH_MAX: usize = crate::sql::parser::NESTING_MAX;

/// Refuses a type that nests too deeply: work on types recurses as deep as they do.
pub fn check_depth(ty: &LogicalType) -> Result<()> {
    if depth(ty) > TYPE_DEPTH_MAX {
        return Err(too_deep());
    }
    Ok(())
}

fn too_deep() -> SqlError {
    SqlError::binder(format!("a type nests deeper than {TYPE_DEPTH_MAX} levels"))
}

/// How many brackets a type has behind it, as far as that matters.
fn brackets(mut ty: &DataType) -> usize {
    for count in 0..=TYPE_DEPTH_MAX {
        match ty {
            DataType::Array(ArrayElemTypeDef::SquareBracket(item, _)) => ty = item,
            _ => return count,
        }
    }
    TYPE_DEPTH_MAX + 1
}

/// The type that a name stands for.
pub fn bind_type_with(ty: &DataType, known: NamedTypes<'_>) -> Result<LogicalType> {
    let ty = bind_nested(ty, known)?;
    check_depth(&ty)?;
    Ok(ty)
}

fn bind_nested(ty: &DataType, known: NamedTypes<'_>) -> Result<LogicalType> {
    use LogicalType as L;
    Ok(match ty {
        DataType::Boolean | DataType::Bool => L::Boolean,
        DataType::TinyInt(_) => L::TinyInt,
        DataType::SmallInt(_) | DataType::Int2(_) | DataType::Int16 => L::SmallInt,
        DataType::Int(_)
        | DataType::Int4(_)
        | DataType::Integer(_)
        | DataType::Int32
        | DataType::MediumInt(_)
        | DataType::Signed
        | DataType::SignedInteger => L::Integer,
        DataType::BigInt(_) | DataType::Int8(_) | DataType::Int64 => L::BigInt,
        DataType::HugeInt | DataType::Int128 => L::HugeInt,
        DataType::UTinyInt | DataType::TinyIntUnsigned(_) | DataType::UInt8 => L::UTinyInt,
        DataType::USmallInt
        | DataType::SmallIntUnsigned(_)
        | DataType::Int2Unsigned(_)
        | DataType::UInt16 => L::USmallInt,
        DataType::IntUnsigned(_)
        | DataType::IntegerUnsigned(_)
        | DataType::Int4Unsigned(_)
        | DataType::UInt32
        | DataType::Unsigned
        | DataType::UnsignedInteger => L::UInteger,
        DataType::UInt128 => LogicalType::UHugeInt,
        DataType::UBigInt | DataType::BigIntUnsigned(_) | DataType::Int8Unsigned(_) | DataType::UInt64 => {
            L::UBigInt
        }
        DataType::Real | DataType::Float4 | DataType::Float32 => L::Float,
        DataType::Float(ExactNumberInfo::Precision(digits)) if *digits > 24 => L::Double,
        DataType::Float(_) => L::Float,
        DataType::Double(_) | DataType::DoublePrecision | DataType::Float8 | DataType::Float64 => L::Double,
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => decimal(info)?,
        DataType::Varchar(_)
        | DataType::Char(_)
        | DataType::Character(_)
        | DataType::CharacterVarying(_)
        | DataType::CharVarying(_)
        | DataType::Nvarchar(_)
        | DataType::Text
        | DataType::TinyText
        | DataType::MediumText
        | DataType::LongText
        | DataType::String(_) => L::Varchar,
        DataType::Blob(_)
        | DataType::Bytea
        | DataType::Bytes(_)
        | DataType::Binary(_)
        | DataType::Varbinary(_) => L::Blob,
        DataType::Uuid => L::Uuid,
        DataType::JSON | DataType::JSONB => L::Json,
        DataType::Date | DataType::Date32 => L::Date,
        DataType::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => L::Time,
        DataType::Time(..) => L::TimeTz,
        DataType::Bit(_) | DataType::BitVarying(_) | DataType::VarBit(_) => L::Bit,
        DataType::UHugeInt => L::UHugeInt,
        DataType::Datetime(_) => TIMESTAMP,
        DataType::Timestamp(digits, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => match digits {
            None => TIMESTAMP,
            Some(0) => L::Timestamp(TimeUnit::Second),
            Some(1..=3) => L::Timestamp(TimeUnit::Millisecond),
            Some(4..=6) => TIMESTAMP,
            Some(_) => L::Timestamp(TimeUnit::Nanosecond),
        },
        DataType::Timestamp(..) => L::TimestampTz,
        DataType::Interval { .. } => L::Interval,
        DataType::Array(
            ArrayElemTypeDef::SquareBracket(item, size) | ArrayElemTypeDef::Qualified(item, size),
        ) => {
            // The parser counts brackets, of which there may be many, as no depth.
            if brackets(ty) > TYPE_DEPTH_MAX {
                return Err(too_deep());
            }
            let item = Box::new(bind_nested(item, known)?);
            match size {
                None => L::List(item),
                Some(n @ 1..=ARRAY_MAX) => L::Array(item, *n as u32),
                Some(_) => {
                    return Err(SqlError::binder(format!("the size of an ARRAY must be 1 to {ARRAY_MAX}")));
                }
            }
        }
        DataType::Array(ArrayElemTypeDef::AngleBracket(item) | ArrayElemTypeDef::Parenthesis(item)) => {
            L::List(Box::new(bind_nested(item, known)?))
        }
        DataType::Struct(fields, _) => L::Struct(struct_fields(fields, known)?.into()),
        DataType::Tuple(fields) => L::Struct(struct_fields(fields, known)?.into()),
        DataType::Union(members) => union(members, known)?,
        DataType::Map(key, value, _) => {
            L::Map(Box::new(bind_nested(key, known)?), Box::new(bind_nested(value, known)?))
        }
        DataType::Enum(members, _) => enumeration(members)?,
        DataType::Custom(name, modifiers) => named(name, modifiers, known)?,
        // A word that the grammar takes for a type may be the name that was given to one.
        other => {
            let name = other.to_string();
            return known(&ObjectName::from(vec![Ident::new(&name)])).ok_or_else(|| unknown(&name));
        }
    })
}

/// Whether a name is that of a type that is built in.
pub fn is_built_in(name: &str) -> bool {
    is_word(name) && parse_type(name).and_then(|ty| bind_type(&ty)).is_ok()
}

fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn decimal(info: &ExactNumberInfo) -> Result<LogicalType> {
    let (width, scale) = match info {
        ExactNumberInfo::None => return Ok(DECIMAL_DEFAULT),
        ExactNumberInfo::Precision(width) => (*width, 0),
        ExactNumberInfo::PrecisionAndScale(width, scale) => (*width, *scale),
    };
    if !(1..=u64::from(DECIMAL_MAX_WIDTH)).contains(&width) {
        return Err(SqlError::binder(format!("the width of a DECIMAL must be 1 to {DECIMAL_MAX_WIDTH}")));
    }
    if scale < 0 || scale as u64 > width {
        return Err(SqlError::binder("the scale of a DECIMAL must be 0 to its width"));
    }
    Ok(LogicalType::Decimal { width: width as u8, scale: scale as u8 })
}

fn struct_fields(fields: &[StructField], known: NamedTypes<'_>) -> Result<Vec<(Box<str>, LogicalType)>> {
    fields
        .iter()
        .enumerate()
        .map(|(i, f)| {
            let name =
                f.field_name.as_ref().ok_or_else(|| SqlError::binder("a field of a STRUCT needs a name"))?;
            let is_same = |o: &StructField| {
                o.field_name.as_ref().is_some_and(|o| o.value.eq_ignore_ascii_case(&name.value))
            };
            if fields[..i].iter().any(is_same) {
                let message = format!("Duplicate type parameter {} for type \"STRUCT\"", name.value);
                return Err(SqlError::binder(message).at_span(name.span));
            }
            Ok((name.value.as_str().into(), bind_nested(&f.field_type, known)?))
        })
        .collect()
}

fn union(members: &[UnionField], known: NamedTypes<'_>) -> Result<LogicalType> {
    if members.len() > UNION_MEMBERS_MAX {
        return Err(SqlError::binder(format!(
            "UNION type supports at most {UNION_MEMBERS_MAX} type modifiers"
        )));
    }
    let mut bound: Vec<(Box<str>, LogicalType)> = vec![];
    for UnionField { field_name, field_type } in members {
        let name = field_name.value.as_str();
        if bound.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)) {
            return Err(SqlError::binder(format!("Duplicate type parameter {name} for type \"UNION\""))
                .at_span(field_name.span));
        }
        bound.push((name.into(), bind_nested(field_type, known)?));
    }
    Ok(LogicalType::Union(bound.into()))
}

fn enumeration(members: &[EnumMember]) -> Result<LogicalType> {
    let names = members
        .iter()
        .map(|m| match m {
            EnumMember::Name(name) => Ok(name.as_str().into()),
            EnumMember::NamedValue(..) => Err(SqlError::unsupported("an ENUM with numbers is not supported")),
        })
        .collect::<Result<Vec<Box<str>>>>()?;
    let mut sorted = names.clone();
    sorted.sort_unstable();
    if sorted.windows(2).any(|w| w[0] == w[1]) {
        return Err(SqlError::binder("an ENUM cannot have the same name twice"));
    }
    Ok(LogicalType::Enum(names.into()))
}

/// Whether values of a type may be keys and parts of keys.
pub fn can_be_key(ty: &LogicalType) -> bool {
    !ty.is_nested() && *ty != LogicalType::Variant
}

/// Types that `sqlparser` has no word for.
fn named(name: &ObjectName, modifiers: &[String], known: NamedTypes<'_>) -> Result<LogicalType> {
    use LogicalType as L;
    // Quotes around the name of a type do not change what it means.
    if let [ObjectNamePart::Identifier(Ident { value: word, quote_style: Some(_), .. })] = &name.0[..] {
        let modifiers =
            if modifiers.is_empty() { String::new() } else { format!("({})", modifiers.join(", ")) };
        return match parse_type(&format!("{word}{modifiers}")) {
            Ok(ty) if is_word(word) => bind_nested(&ty, known),
            _ => known(name).ok_or_else(|| unknown(word)),
        };
    }
    let text = name.to_string();
    if let ("map", [key, value]) = (text.to_lowercase().as_str(), modifiers) {
        let [key, value] = [key, value].map(|m| parse_type(m).and_then(|ty| bind_nested(&ty, known)));
        return Ok(L::Map(Box::new(key?), Box::new(value?)));
    }
    if text.eq_ignore_ascii_case("tuple") && !modifiers.is_empty() {
        let part = |m: &String| Ok(("".into(), bind_nested(&parse_type(m)?, known)?));
        return Ok(L::Struct(modifiers.iter().map(part).collect::<Result<_>>()?));
    }
    if !modifiers.is_empty() {
        return Err(unknown(&text));
    }
    Ok(match text.to_lowercase().as_str() {
        "hugeint" | "int128" => L::HugeInt,
        "utinyint" | "uint8" => L::UTinyInt,
        "usmallint" | "uint16" => L::USmallInt,
        "uinteger" | "uint32" => L::UInteger,
        "ubigint" | "uint64" => L::UBigInt,
        "int1" => L::TinyInt,
        "short" => L::SmallInt,
        "signed" | "integral" => L::Integer,
        "long" | "oid" => L::BigInt,
        "logical" => L::Boolean,
        "bpchar" | "string" => L::Varchar,
        "timestamp_s" => L::Timestamp(TimeUnit::Second),
        "timestamp_ms" => L::Timestamp(TimeUnit::Millisecond),
        "timestamp_us" => TIMESTAMP,
        "timestamp_ns" => L::Timestamp(TimeUnit::Nanosecond),
        "timestamptz" => L::TimestampTz,
        "timetz" => L::TimeTz,
        "uhugeint" | "uint128" => L::UHugeInt,
        "bignum" | "varint" => L::BigNum,
        "time_ns" => L::TimeNs,
        "variant" => L::Variant,
        "bitstring" => L::Bit,
        "guid" => L::Uuid,
        "null" => L::Null,
        "json" => L::Json,
        _ => return known(name).ok_or_else(|| unknown(&text)),
    })
}

fn unknown(name: &str) -> SqlError {
    const NAMES: &[&str] = &[
        "BIGINT",
        "BIT",
        "BLOB",
        "BOOLEAN",
        "DATE",
        "DECIMAL",
        "DOUBLE",
        "FLOAT",
        "HUGEINT",
        "INTEGER",
        "INTERVAL",
        "JSON",
        "REAL",
        "SMALLINT",
        "TEXT",
        "TIME",
        "TIMESTAMP",
        "TIMESTAMPTZ",
        "TINYINT",
        "UBIGINT",
        "UHUGEINT",
        "UINTEGER",
        "USMALLINT",
        "UTINYINT",
        "UUID",
        "VARCHAR",
    ];
    SqlError::catalog(format!("Type with name {name} does not exist!")).did_you_mean(name, NAMES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ty(text: &str) -> String {
        match parse_type(text).and_then(|t| bind_type(&t)) {
            Ok(t) => t.to_string(),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn names_of_types() {
        for (text, want) in [
            ("int", "INTEGER"),
            ("int8", "BIGINT"),
            ("varchar(10)", "VARCHAR"),
            ("decimal", "DECIMAL(18,3)"),
            ("numeric(10, 2)", "DECIMAL(10,2)"),
            ("double precision", "DOUBLE"),
            ("real", "FLOAT"),
            ("hugeint", "HUGEINT"),
            ("uinteger", "UINTEGER"),
            ("timestamp with time zone", "TIMESTAMP WITH TIME ZONE"),
            ("timestamptz", "TIMESTAMP WITH TIME ZONE"),
            ("timestamp_ns", "TIMESTAMP_NS"),
            ("int[]", "INTEGER[]"),
            ("int[3]", "INTEGER[3]"),
            ("int[][]", "INTEGER[][]"),
            ("struct(a int, b varchar[])", "STRUCT(a INTEGER, b VARCHAR[])"),
            ("union(num int, \"A b\" varchar[])", "UNION(num INTEGER, \"A b\" VARCHAR[])"),
            ("map(varchar, int)", "MAP(VARCHAR, INTEGER)"),
            ("enum('a', 'b')", "ENUM('a', 'b')"),
            ("blob", "BLOB"),
            ("uuid", "UUID"),
            ("json", "JSON"),
            ("interval", "INTERVAL"),
            ("datetime", "TIMESTAMP"),
        ] {
            assert_eq!(ty(text), want, "{text}");
        }
        assert!(ty("decimal(40)").contains("width"));
        assert!(ty("decimal(4, 5)").contains("scale"));
        assert!(ty("timestmp").contains("TIMESTAMP"), "{}", ty("timestmp"));
        assert!(ty("enum('a', 'a')").contains("twice"));
        assert!(ty("union(a int, A int)").contains("Duplicate"));
    }
}
