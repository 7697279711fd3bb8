//! Values as text, and as JSON.

use std::fmt::Write;

use arrow_array::types::IntervalMonthDayNano;

use super::damaged;
use super::read::{Leaf, Node, Tag};
use crate::column::types::TimeUnit;
use crate::exec::cast::bignum::BigNum;
use crate::exec::cast::bits;
use crate::exec::cast::number_text::{Point, integer, write_decimal128, write_float, write_float32};
use crate::exec::cast::text::{escape, json_string, needs_quotes, write_blob, write_uuid};
use crate::exec::cast::time_text::{
    write_date, write_instant, write_interval, write_time, write_time_ns, write_time_tz, write_timestamp,
};
use crate::exec::error::Result;
use crate::exec::json;
use crate::exec::zone::Clock;

/// Appends an encoded value as `CAST(… AS VARCHAR)` writes it: nothing if it is NULL.
///
/// # Errors
/// The bytes are damaged.
pub(crate) fn write_text(bytes: &[u8], clock: &Clock<'_>, out: &mut String) -> Result<()> {
    if bytes == [Tag::Null as u8] {
        return Ok(());
    }
    text_at(bytes, clock, 0, out)
}

fn text_at(bytes: &[u8], clock: &Clock<'_>, depth: u16, out: &mut String) -> Result<()> {
    match Node::read_at(bytes, depth)? {
        Node::Null => out.push_str("NULL"),
        Node::Leaf(leaf) => leaf_text(&leaf, clock, out),
        Node::Array(array) => {
            // Values of one type are a list of that type, in which texts have quotes; others stand as they are.
            let mut first: Option<Leaf<'_>> = None;
            let mut is_uniform = true;
            for item in array.items() {
                let Node::Leaf(leaf) = Node::read(item?)? else {
                    is_uniform = false;
                    break;
                };
                is_uniform = first.get_or_insert(leaf).is_like(&leaf);
                if !is_uniform {
                    break;
                }
            }
            out.push('[');
            for (i, item) in array.items().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                match Node::read(item?)? {
                    Node::Leaf(leaf) if is_uniform => quoted_text(&leaf, clock, out),
                    _ => text_at(array.item(i)?, clock, depth + 1, out)?,
                }
            }
            out.push(']');
        }
        Node::Object(object) => {
            out.push('{');
            for (i, member) in object.members().enumerate() {
                let (name, value) = member?;
                out.push_str(if i == 0 { "'" } else { ", '" });
                escape(name, out);
                out.push_str("': ");
                match Node::read(value)? {
                    Node::Leaf(leaf) => quoted_text(&leaf, clock, out),
                    _ => text_at(value, clock, depth + 1, out)?,
                }
            }
            out.push('}');
        }
    }
    Ok(())
}

/// A value inside of another, in quotes where it could be misread.
fn quoted_text(leaf: &Leaf<'_>, clock: &Clock<'_>, out: &mut String) {
    let start = out.len();
    leaf_text(leaf, clock, out);
    if needs_quotes(&out[start..]) {
        let text = out.split_off(start);
        out.push('\'');
        escape(&text, out);
        out.push('\'');
    }
}

/// A value that is not made of others.
fn leaf_text(leaf: &Leaf<'_>, clock: &Clock<'_>, out: &mut String) {
    match leaf.tag {
        Tag::Null | Tag::Array | Tag::Object => {}
        Tag::False => out.push_str("false"),
        Tag::True => out.push_str("true"),
        Tag::Int8
        | Tag::Int16
        | Tag::Int32
        | Tag::Int64
        | Tag::Int128
        | Tag::UInt8
        | Tag::UInt16
        | Tag::UInt32
        | Tag::UInt64 => integer(leaf.int(), out),
        Tag::UInt128 => integer(leaf.uhuge(), out),
        Tag::Float => write_float32(leaf.float() as f32, out),
        Tag::Double => write_float(leaf.float(), out),
        Tag::Decimal => {
            let [width, scale, ..] = *leaf.bytes() else { return };
            write_decimal128(leaf.int(), Point { scale, zero: width > scale }, out);
        }
        Tag::Text => out.push_str(leaf.text().unwrap_or_default()),
        Tag::Blob => write_blob(leaf.bytes(), out),
        Tag::Bit => bits::write(leaf.bytes(), out),
        Tag::BigNum => {
            // Writing to a text cannot fail.
            let _written = write!(out, "{}", BigNum::decode(leaf.bytes()));
        }
        Tag::Uuid => write_uuid(leaf.bytes(), out),
        Tag::Date => write_date(leaf.int() as i32, out),
        Tag::Time => write_time(leaf.int() as i64, out),
        Tag::TimeNs => write_time_ns(leaf.int() as i64, out),
        Tag::TimeTz => write_time_tz(leaf.int() as i64, out),
        Tag::Seconds => write_timestamp(leaf.int() as i64, TimeUnit::Second, out),
        Tag::Millis => write_timestamp(leaf.int() as i64, TimeUnit::Millisecond, out),
        Tag::Micros => write_timestamp(leaf.int() as i64, TimeUnit::Microsecond, out),
        Tag::Nanos => write_timestamp(leaf.int() as i64, TimeUnit::Nanosecond, out),
        Tag::Instant => write_instant(leaf.int() as i64, clock, out),
        Tag::Interval => {
            let (months, days, nanoseconds) = leaf.interval();
            write_interval(IntervalMonthDayNano { months, days, nanoseconds }, out);
        }
    }
}

/// Appends an encoded value as JSON: numbers with all their digits, times and so on as texts.
///
/// # Errors
/// The bytes are damaged.
pub(crate) fn write_json(bytes: &[u8], clock: &Clock<'_>, out: &mut String) -> Result<()> {
    json_at(bytes, clock, 0, out)
}

fn json_at(bytes: &[u8], clock: &Clock<'_>, depth: u16, out: &mut String) -> Result<()> {
    match Node::read_at(bytes, depth)? {
        Node::Null => out.push_str("null"),
        Node::Leaf(leaf) => match leaf.tag {
            Tag::Float | Tag::Double => json::write_number(leaf.float(), out),
            Tag::Text => json_string(leaf.text().ok_or_else(damaged)?, out),
            Tag::False
            | Tag::True
            | Tag::Int8
            | Tag::Int16
            | Tag::Int32
            | Tag::Int64
            | Tag::Int128
            | Tag::UInt8
            | Tag::UInt16
            | Tag::UInt32
            | Tag::UInt64
            | Tag::UInt128
            | Tag::BigNum => leaf_text(&leaf, clock, out),
            Tag::Decimal => write_decimal128(leaf.int(), Point { scale: leaf.scale(), zero: true }, out),
            _ => {
                let mut text = String::new();
                leaf_text(&leaf, clock, &mut text);
                json_string(&text, out);
            }
        },
        Node::Array(array) => {
            out.push('[');
            for (i, item) in array.items().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                json_at(item?, clock, depth + 1, out)?;
            }
            out.push(']');
        }
        Node::Object(object) => {
            out.push('{');
            for (i, member) in object.members().enumerate() {
                let (name, value) = member?;
                out.push_str(if i == 0 { "" } else { "," });
                json_string(name, out);
                out.push(':');
                json_at(value, clock, depth + 1, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}
