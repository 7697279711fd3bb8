//! Encoded values, made of the values of columns and of JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use arrow_schema::TimeUnit;

use super::HEIGHT_MAX;
use super::read::{Tag, height};
use crate::column::types::{DECIMAL64_MAX_WIDTH, LogicalType};
use crate::exec::cast::uhuge;
use crate::exec::error::{ExecError, Result};
use crate::exec::json;

/// An array or object that is being encoded: its parts come one after another.
pub(crate) struct Draft<'o> {
    out: &'o mut Vec<u8>,
    /// Where its tag is.
    start: usize,
    /// Where the end of the next part goes.
    place: usize,
    /// Where its values begin.
    values: usize,
    height: u16,
}

fn too_long() -> ExecError {
    ExecError::OutOfRange("a VARIANT has no more than 4 GiB".into())
}

fn small(n: usize) -> Result<[u8; 4]> {
    u32::try_from(n).map(u32::to_le_bytes).map_err(|_| too_long())
}

impl<'o> Draft<'o> {
    fn begin(out: &'o mut Vec<u8>, tag: Tag, count: usize) -> Result<(usize, &'o mut Vec<u8>)> {
        let start = out.len();
        out.extend([tag as u8, 0, 0]);
        out.extend(small(count)?);
        Ok((start, out))
    }

    /// An array of so many parts.
    ///
    /// # Errors
    /// They are too many.
    pub(crate) fn array(out: &'o mut Vec<u8>, count: usize) -> Result<Self> {
        let (start, out) = Self::begin(out, Tag::Array, count)?;
        let place = out.len();
        out.resize(place + 4 * count, 0);
        Ok(Self { start, place, values: out.len(), height: 0, out })
    }

    /// An object of these keys, which are in the order of their bytes, and of which none is there twice.
    ///
    /// # Errors
    /// They are too long.
    pub(crate) fn object(out: &'o mut Vec<u8>, keys: &[&str]) -> Result<Self> {
        debug_assert!(keys.windows(2).all(|w| w[0] < w[1]), "keys are in order");
        let (start, out) = Self::begin(out, Tag::Object, keys.len())?;
        let mut end = 0;
        for key in keys {
            end += key.len();
            out.extend(small(end)?);
        }
        let place = out.len();
        out.resize(place + 4 * keys.len(), 0);
        keys.iter().for_each(|key| out.extend(key.as_bytes()));
        Ok(Self { start, place, values: out.len(), height: 0, out })
    }

    /// The next part, which `write` appends.
    ///
    /// # Errors
    /// Those of `write`, or all together is too long.
    pub(crate) fn part(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let from = self.out.len();
        write(self.out)?;
        self.height = self.height.max(height(&self.out[from..]));
        let end = small(self.out.len() - self.values)?;
        self.out[self.place..self.place + 4].copy_from_slice(&end);
        self.place += 4;
        Ok(())
    }

    /// Behind the last part.
    ///
    /// # Errors
    /// It nests too deeply.
    pub(crate) fn finish(self) -> Result<()> {
        let height = self.height.saturating_add(1);
        if height > HEIGHT_MAX {
            return Err(ExecError::InvalidInput(format!(
                "a VARIANT cannot nest deeper than {HEIGHT_MAX} levels"
            )));
        }
        self.out[self.start + 1..self.start + 3].copy_from_slice(&height.to_le_bytes());
        Ok(())
    }
}

/// Appends the value of a row of a column, NULL too.
type Encode<'a> = Box<dyn Fn(usize, &mut Vec<u8>) -> Result<()> + 'a>;

/// What encodes the values of a column.
fn encoder<'a>(array: &'a ArrayRef, ty: &'a LogicalType) -> Result<Encode<'a>> {
    use LogicalType as T;
    let wrong = || ExecError::Internal(format!("a column of type {ty} came as {}", array.data_type()));
    macro_rules! fixed {
        ($t:ty, $tag:expr) => {{
            let values = &array.as_primitive_opt::<$t>().ok_or_else(wrong)?.values()[..];
            Box::new(move |row, out: &mut Vec<u8>| {
                out.push($tag as u8);
                out.extend(values[row].to_le_bytes());
                Ok(())
            })
        }};
    }
    macro_rules! bytes {
        ($tag:expr) => {{
            let values = array.as_binary_view_opt().ok_or_else(wrong)?;
            Box::new(move |row, out: &mut Vec<u8>| {
                out.push($tag as u8);
                out.extend(values.value(row));
                Ok(())
            })
        }};
    }
    let encode: Encode<'a> = match ty {
        T::Null => Box::new(|_, out| {
            out.push(Tag::Null as u8);
            Ok(())
        }),
        T::Boolean => {
            let values = array.as_boolean_opt().ok_or_else(wrong)?;
            Box::new(move |row, out| {
                out.push(if values.value(row) { Tag::True } else { Tag::False } as u8);
                Ok(())
            })
        }
        T::TinyInt => fixed!(Int8Type, Tag::Int8),
        T::SmallInt => fixed!(Int16Type, Tag::Int16),
        T::Integer => fixed!(Int32Type, Tag::Int32),
        T::BigInt => fixed!(Int64Type, Tag::Int64),
        T::HugeInt => fixed!(Decimal128Type, Tag::Int128),
        T::UTinyInt => fixed!(UInt8Type, Tag::UInt8),
        T::USmallInt => fixed!(UInt16Type, Tag::UInt16),
        T::UInteger => fixed!(UInt32Type, Tag::UInt32),
        T::UBigInt => fixed!(UInt64Type, Tag::UInt64),
        T::UHugeInt => {
            let values = array.as_fixed_size_binary_opt().ok_or_else(wrong)?;
            Box::new(move |row, out| {
                out.push(Tag::UInt128 as u8);
                out.extend(uhuge::value(values, row).to_le_bytes());
                Ok(())
            })
        }
        T::Float => fixed!(Float32Type, Tag::Float),
        T::Double => fixed!(Float64Type, Tag::Double),
        T::Decimal { width, scale } => {
            let head = [Tag::Decimal as u8, *width, *scale];
            if *width <= DECIMAL64_MAX_WIDTH {
                let values = &array.as_primitive_opt::<Decimal64Type>().ok_or_else(wrong)?.values()[..];
                Box::new(move |row, out| {
                    out.extend(head);
                    out.extend(values[row].to_le_bytes());
                    Ok(())
                })
            } else {
                let values = &array.as_primitive_opt::<Decimal128Type>().ok_or_else(wrong)?.values()[..];
                Box::new(move |row, out| {
                    out.extend(head);
                    out.extend(values[row].to_le_bytes());
                    Ok(())
                })
            }
        }
        T::Varchar => {
            let values = array.as_string_view_opt().ok_or_else(wrong)?;
            Box::new(move |row, out| {
                out.push(Tag::Text as u8);
                out.extend(values.value(row).as_bytes());
                Ok(())
            })
        }
        T::Json => {
            let values = array.as_string_view_opt().ok_or_else(wrong)?;
            Box::new(move |row, out| from_json(values.value(row), out))
        }
        T::Enum(names) => {
            let values = &array.as_primitive_opt::<UInt32Type>().ok_or_else(wrong)?.values()[..];
            Box::new(move |row, out| {
                out.push(Tag::Text as u8);
                out.extend(names.get(values[row] as usize).map_or(&[][..], |name| name.as_bytes()));
                Ok(())
            })
        }
        T::Blob => bytes!(Tag::Blob),
        T::Bit => bytes!(Tag::Bit),
        T::BigNum => bytes!(Tag::BigNum),
        T::Uuid => {
            let values = array.as_fixed_size_binary_opt().ok_or_else(wrong)?;
            Box::new(move |row, out| {
                out.push(Tag::Uuid as u8);
                out.extend(values.value(row));
                Ok(())
            })
        }
        T::Date => fixed!(Date32Type, Tag::Date),
        T::Time => fixed!(Time64MicrosecondType, Tag::Time),
        T::TimeNs => fixed!(Time64NanosecondType, Tag::TimeNs),
        T::TimeTz => fixed!(Int64Type, Tag::TimeTz),
        T::Timestamp(TimeUnit::Second) => fixed!(TimestampSecondType, Tag::Seconds),
        T::Timestamp(TimeUnit::Millisecond) => fixed!(TimestampMillisecondType, Tag::Millis),
        T::Timestamp(TimeUnit::Microsecond) => fixed!(TimestampMicrosecondType, Tag::Micros),
        T::Timestamp(TimeUnit::Nanosecond) => fixed!(TimestampNanosecondType, Tag::Nanos),
        T::TimestampTz => fixed!(TimestampMicrosecondType, Tag::Instant),
        T::Interval => {
            let values = array.as_primitive_opt::<IntervalMonthDayNanoType>().ok_or_else(wrong)?;
            Box::new(move |row, out| {
                let v = values.value(row);
                out.push(Tag::Interval as u8);
                out.extend(v.months.to_le_bytes());
                out.extend(v.days.to_le_bytes());
                out.extend(v.nanoseconds.to_le_bytes());
                Ok(())
            })
        }
        T::Variant => {
            let values = array.as_binary_view_opt().ok_or_else(wrong)?;
            Box::new(move |row, out| {
                out.extend(values.value(row));
                Ok(())
            })
        }
        T::List(item) => {
            let list = array.as_list_opt::<i32>().ok_or_else(wrong)?;
            let (offsets, item) = (list.value_offsets(), encoder(list.values(), item)?);
            Box::new(move |row, out| items(&item, offsets[row] as usize..offsets[row + 1] as usize, out))
        }
        T::Array(item, n) => {
            let list = array.as_fixed_size_list_opt().ok_or_else(wrong)?;
            let (n, item) = (*n as usize, encoder(list.values(), item)?);
            Box::new(move |row, out| items(&item, row * n..(row + 1) * n, out))
        }
        T::Struct(fields) => {
            let of = array.as_struct_opt().ok_or_else(wrong)?;
            let columns = of.columns().iter().zip(fields.iter());
            let mut parts = columns
                .map(|(column, (name, ty))| Ok((&**name, encoder(column, ty)?)))
                .collect::<Result<Vec<_>>>()?;
            if ty.is_tuple() {
                return Ok(or_null(
                    array,
                    Box::new(move |row, out| {
                        let mut draft = Draft::array(out, parts.len())?;
                        parts.iter().try_for_each(|(_, part)| draft.part(|out| part(row, out)))?;
                        draft.finish()
                    }),
                ));
            }
            parts.sort_by_key(|(name, _)| *name);
            let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
            Box::new(move |row, out| {
                let mut draft = Draft::object(out, &names)?;
                parts.iter().try_for_each(|(_, part)| draft.part(|out| part(row, out)))?;
                draft.finish()
            })
        }
        T::Map(key, value) => {
            let map = array.as_map_opt().ok_or_else(wrong)?;
            let offsets = map.value_offsets();
            let (key, value) = (encoder(map.keys(), key)?, encoder(map.values(), value)?);
            Box::new(move |row, out| {
                let entries = offsets[row] as usize..offsets[row + 1] as usize;
                let mut draft = Draft::array(out, entries.len())?;
                for entry in entries {
                    draft.part(|out| {
                        let mut pair = Draft::object(out, &["key", "value"])?;
                        pair.part(|out| key(entry, out))?;
                        pair.part(|out| value(entry, out))?;
                        pair.finish()
                    })?;
                }
                draft.finish()
            })
        }
        T::Union(members) => {
            let of = array.as_struct_opt().ok_or_else(wrong)?;
            let (tags, columns) = of.columns().split_first().ok_or_else(wrong)?;
            let tags = &tags.as_primitive_opt::<UInt8Type>().ok_or_else(wrong)?.values()[..];
            let columns = columns.iter().zip(members.iter());
            let members = columns.map(|(column, (_, ty))| encoder(column, ty)).collect::<Result<Vec<_>>>()?;
            Box::new(move |row, out| match members.get(usize::from(tags[row])) {
                Some(member) => member(row, out),
                None => Err(ExecError::Internal("a union of a member that there is not".into())),
            })
        }
    };
    Ok(or_null(array, encode))
}

/// The same for a column that has NULLs.
fn or_null<'a>(array: &'a ArrayRef, encode: Encode<'a>) -> Encode<'a> {
    match array.nulls().filter(|n| n.null_count() > 0) {
        None => encode,
        Some(nulls) => Box::new(move |row, out| {
            if nulls.is_valid(row) {
                return encode(row, out);
            }
            out.push(Tag::Null as u8);
            Ok(())
        }),
    }
}

fn items(item: &Encode<'_>, rows: std::ops::Range<usize>, out: &mut Vec<u8>) -> Result<()> {
    let mut draft = Draft::array(out, rows.len())?;
    for row in rows {
        draft.part(|out| item(row, out))?;
    }
    draft.finish()
}

/// A column of any type as one of VARIANT.
///
/// # Errors
/// A value nests too deeply or is too long.
pub(crate) fn to_variant(array: &ArrayRef, from: &LogicalType) -> Result<ArrayRef> {
    let encode = encoder(array, from)?;
    let mut out = BinaryViewBuilder::with_capacity(array.len());
    let mut bytes = vec![];
    for row in 0..array.len() {
        bytes.clear();
        encode(row, &mut bytes)?;
        if bytes == [Tag::Null as u8] {
            out.append_null();
        } else {
            out.try_append_value(&bytes)?;
        }
    }
    Ok(Arc::new(out.finish()))
}

/// Appends what a JSON text says: whole numbers are UBIGINT or, below zero, BIGINT, if they fit, and other numbers DOUBLE.
///
/// # Errors
/// The text is no JSON, or nests too deeply.
pub(crate) fn from_json(text: &str, out: &mut Vec<u8>) -> Result<()> {
    json_at(text.trim(), 0, out)
}

fn json_at(text: &str, depth: u16, out: &mut Vec<u8>) -> Result<()> {
    let wrong = || ExecError::InvalidInput("Malformed JSON".into());
    if depth > HEIGHT_MAX {
        return Err(ExecError::InvalidInput(format!(
            "a VARIANT cannot nest deeper than {HEIGHT_MAX} levels"
        )));
    }
    match text.as_bytes().first() {
        Some(b'{') => {
            // Of several members of one name the last counts.
            let members: BTreeMap<String, &str> =
                json::members(text).ok_or_else(wrong)?.into_iter().collect();
            let keys: Vec<&str> = members.keys().map(String::as_str).collect();
            let mut draft = Draft::object(out, &keys)?;
            for value in members.values() {
                draft.part(|out| json_at(value, depth + 1, out))?;
            }
            draft.finish()
        }
        Some(b'[') => {
            let elements = json::elements(text).ok_or_else(wrong)?;
            let mut draft = Draft::array(out, elements.len())?;
            for value in elements {
                draft.part(|out| json_at(value, depth + 1, out))?;
            }
            draft.finish()
        }
        Some(b'"') => {
            out.push(Tag::Text as u8);
            out.extend(json::unquote(text).ok_or_else(wrong)?.as_bytes());
            Ok(())
        }
        _ => {
            match text {
                "null" => out.push(Tag::Null as u8),
                "true" => out.push(Tag::True as u8),
                "false" => out.push(Tag::False as u8),
                number => {
                    if let Ok(v) = number.parse::<u64>() {
                        out.push(Tag::UInt64 as u8);
                        out.extend(v.to_le_bytes());
                    } else if let Ok(v) = number.parse::<i64>() {
                        out.push(Tag::Int64 as u8);
                        out.extend(v.to_le_bytes());
                    } else {
                        out.push(Tag::Double as u8);
                        out.extend(number.parse::<f64>().map_err(|_| wrong())?.to_le_bytes());
                    }
                }
            }
            Ok(())
        }
    }
}
