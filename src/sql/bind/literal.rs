//! Constants in the text: their values and types.

use std::sync::Arc;

use sqlparser::ast::Value;

use crate::column::scalar::Scalar;
use crate::column::types::{DECIMAL_MAX_WIDTH, LogicalType};
use crate::exec::cast::bignum::BigNum;
use crate::exec::expr::Expr;
use crate::sql::error::{Result, SqlError, SqlErrorKind};

/// The constant that a literal stands for.
pub fn bind_literal(value: &Value) -> Result<Expr> {
    let text = |s: &str| Expr::literal(Scalar::Text(Arc::from(s)), LogicalType::Varchar);
    Ok(match value {
        Value::Null => Expr::literal(Scalar::Null, LogicalType::Null),
        Value::Boolean(b) => Expr::literal(Scalar::Boolean(*b), LogicalType::Boolean),
        Value::Number(digits, _) => bind_number(digits, false)?,
        Value::SingleQuotedString(s)
        | Value::EscapedStringLiteral(s)
        | Value::UnicodeStringLiteral(s)
        | Value::NationalStringLiteral(s) => text(s),
        Value::DollarQuotedString(s) => text(&s.value),
        Value::HexStringLiteral(hex) => {
            let bytes = parse_hex(hex)
                .ok_or_else(|| SqlError::parser(format!("X'{hex}' is no pair-wise hexadecimal number")))?;
            Expr::literal(Scalar::Bytes(bytes.into()), LogicalType::Blob)
        }
        Value::SingleQuotedByteStringLiteral(bits) => {
            let bits = crate::exec::cast::bits::parse(bits)
                .map_err(|e| SqlError::new(SqlErrorKind::Conversion, e))?;
            Expr::literal(Scalar::bytes(bits), LogicalType::Bit)
        }
        other => return Err(SqlError::unsupported(format!("a literal such as {other} is not supported"))),
    })
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || text.len() % 2 == 1 {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok()).collect()
}

/// A number, with its sign. Whole numbers are INTEGER, BIGINT, HUGEINT, UHUGEINT or BIGNUM, the first that holds
/// them, else DOUBLE; with a point they are DECIMAL if 38 digits do; with an exponent DOUBLE.
pub fn bind_number(digits: &str, negative: bool) -> Result<Expr> {
    let digits = digits.replace('_', "");
    let sign = if negative { -1 } else { 1 };
    let double = |digits: &str| {
        let value: f64 = fast_float2::parse(digits)
            .map_err(|_| SqlError::parser(format!("syntax error: {digits} is no number")))?;
        Ok(Expr::literal(Scalar::Float(value * f64::from(sign)), LogicalType::Double))
    };
    if digits.contains(['e', 'E']) {
        return double(&digits);
    }
    if let Some((whole, fraction)) = digits.split_once('.') {
        let (width, scale) = (whole.len() + fraction.len(), fraction.len());
        if width > DECIMAL_MAX_WIDTH as usize {
            return double(&digits);
        }
        let width = width.max(1);
        // The leading zero stands for digits that are not there: `.` alone never comes here.
        let Ok(unscaled) = format!("0{whole}{fraction}").parse::<i128>() else {
            return Err(SqlError::parser(format!("syntax error: {digits} is no number")));
        };
        let ty = LogicalType::Decimal { width: width as u8, scale: scale as u8 };
        return Ok(Expr::literal(Scalar::Int(unscaled * i128::from(sign)), ty));
    }
    // The sign is read with the digits, since the least number has no positive twin.
    let text = if negative { format!("-{digits}") } else { digits.clone() };
    Ok(match text.parse::<i128>() {
        Ok(v) if i32::try_from(v).is_ok() => Expr::literal(Scalar::Int(v), LogicalType::Integer),
        Ok(v) if i64::try_from(v).is_ok() => Expr::literal(Scalar::Int(v), LogicalType::BigInt),
        Ok(v) => Expr::literal(Scalar::Int(v), LogicalType::HugeInt),
        Err(_) => match text.parse::<u128>() {
            Ok(v) => Expr::literal(Scalar::bytes(v.to_be_bytes()), LogicalType::UHugeInt),
            Err(_) => match BigNum::parse(&text).map(|v| v.encode()) {
                Some(Ok(bytes)) => Expr::literal(Scalar::bytes(bytes), LogicalType::BigNum),
                _ => double(&digits)?,
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> String {
        match bind_number(text.trim_start_matches('-'), text.starts_with('-')).unwrap() {
            Expr::Literal { value: Scalar::Int(v), ty } => format!("{v} {ty}"),
            Expr::Literal { value: Scalar::Float(v), ty } => format!("{v} {ty}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn numbers_have_the_types_of_duckdb() {
        for (text, want) in [
            ("1", "1 INTEGER"),
            ("2147483648", "2147483648 BIGINT"),
            ("-2147483648", "-2147483648 INTEGER"),
            ("-9223372036854775808", "-9223372036854775808 BIGINT"),
            ("9223372036854775808", "9223372036854775808 HUGEINT"),
            ("1.5", "15 DECIMAL(2,1)"),
            ("-1.50", "-150 DECIMAL(3,2)"),
            ("0.5", "5 DECIMAL(2,1)"),
            (".5", "5 DECIMAL(1,1)"),
            ("5.", "5 DECIMAL(1,0)"),
            ("1e3", "1000 DOUBLE"),
            ("1_000", "1000 INTEGER"),
            (
                "0.00000000000000000000000000000000000000001",
                "0.00000000000000000000000000000000000000001 DOUBLE",
            ),
        ] {
            assert_eq!(number(text), want, "{text}");
        }
        assert!(number(&"9".repeat(60)).ends_with("ty: BigNum }"));
    }
}
