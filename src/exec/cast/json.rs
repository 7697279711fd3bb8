//! JSON to other types: arrays to lists, objects to structs and maps, part by part.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringViewArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};

use super::nested::{list_array, map_array, struct_array};
use super::{Mode, cast_in, unions};
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};
use crate::exec::json::{elements, members, unquote};

fn mismatch(text: &str, to: &LogicalType) -> ExecError {
    ExecError::Conversion(format!(
        "Type JSON with value '{}' can't be cast to the destination type {to}",
        super::text::shorten(text)
    ))
}

/// The parts of each value that is not null, or an error, or NULL.
fn split<'a, T>(
    array: &'a StringViewArray,
    to: &LogicalType,
    mode: Mode<'_>,
    f: impl Fn(&'a str) -> Option<T>,
) -> Result<Vec<Option<T>>> {
    array
        .iter()
        .map(|text| match text.map(str::trim) {
            None | Some("null") => Ok(None),
            Some(text) => match f(text) {
                Some(parts) => Ok(Some(parts)),
                None if mode.or_null => Ok(None),
                None => Err(mismatch(text, to)),
            },
        })
        .collect()
}

fn offsets(lengths: impl Iterator<Item = usize>) -> Result<OffsetBuffer<i32>> {
    let (mut ends, mut end) = (vec![0i32], 0usize);
    for length in lengths {
        end += length;
        ends.push(crate::exec::functions::list_end(end)?);
    }
    Ok(OffsetBuffer::new(ends.into()))
}

fn valid<T>(parts: &[Option<T>]) -> Option<NullBuffer> {
    Some(NullBuffer::from_iter(parts.iter().map(Option::is_some))).filter(|n| n.null_count() > 0)
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringViewArray>())
}

/// Fails unless an object has a member for each field and no others.
fn same_keys(object: &[(String, &str)], fields: &[(Box<str>, LogicalType)], text: &str) -> Result<()> {
    let text = || super::text::shorten(text);
    if let Some((name, _)) = fields.iter().find(|(name, _)| object.iter().all(|(k, _)| k != name.as_ref())) {
        return Err(ExecError::Conversion(format!("Object {} does not have key \"{name}\"", text())));
    }
    if let Some((key, _)) = object.iter().find(|(k, _)| fields.iter().all(|(name, _)| k != name.as_ref())) {
        return Err(ExecError::Conversion(format!("Object {} has unknown key \"{key}\"", text())));
    }
    Ok(())
}

/// Converts JSON. A string stands for its content, `null` for NULL, and a boolean also for a number.
pub(crate) fn cast(array: &ArrayRef, to: &LogicalType, mode: Mode<'_>) -> Result<ArrayRef> {
    use LogicalType as T;
    let strings = array.as_string_view();
    match to {
        T::Json => Ok(texts(strings.iter().map(|s| s.filter(|s| s.trim() != "null")))),
        T::List(item) => {
            let parts = split(strings, to, mode, elements)?;
            let inner = cast(&texts(parts.iter().flatten().flatten().map(|v| Some(*v))), item, mode)?;
            let ends = offsets(parts.iter().map(|p| p.as_ref().map_or(0, Vec::len)))?;
            list_array(item, ends, inner, valid(&parts))
        }
        T::Array(item, _) => {
            let list = T::List(item.clone());
            cast_in(&cast(array, &list, mode)?, &list, to, mode)
        }
        T::Struct(fields) if to.is_tuple() => {
            let parts = split(strings, to, mode, |s| elements(s).filter(|all| all.len() == fields.len()))?;
            let columns = fields
                .iter()
                .enumerate()
                .map(|(i, (_, ty))| cast(&texts(parts.iter().map(|p| Some(p.as_ref()?[i]))), ty, mode))
                .collect::<Result<Vec<_>>>()?;
            struct_array(to, columns, valid(&parts), strings.len())
        }
        T::Struct(fields) => {
            // What is no object has none of the fields, if it may misfit.
            let parts = split(strings, to, mode, |s| members(s).or(mode.or_null.then(Vec::new)))?;
            if !mode.or_null {
                for (object, text) in parts.iter().zip(strings) {
                    if let (Some(object), Some(text)) = (object, text) {
                        same_keys(object, fields, text)?;
                    }
                }
            }
            let columns = fields
                .iter()
                .map(|(name, ty)| {
                    let values = parts.iter().map(|p| {
                        let all = p.as_ref()?;
                        all.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| *v)
                    });
                    cast(&texts(values), ty, mode)
                })
                .collect::<Result<Vec<_>>>()?;
            struct_array(to, columns, valid(&parts), strings.len())
        }
        T::Union(types) => {
            let parts = split(strings, to, mode, members)?;
            let mut tags: Vec<Option<u8>> = vec![];
            for (part, text) in parts.iter().zip(strings) {
                let tag = match part.as_deref() {
                    Some([(name, _)]) => types.iter().position(|(n, _)| n.eq_ignore_ascii_case(name)),
                    _ => None,
                };
                if let (Some(_), None, false) = (part, tag, mode.or_null) {
                    return Err(mismatch(text.unwrap_or_default(), to));
                }
                tags.push(tag.map(|tag| tag as u8));
            }
            let columns = types
                .iter()
                .enumerate()
                .map(|(i, (_, ty))| {
                    let own = tags.iter().zip(&parts).map(|(tag, part)| match (tag, part.as_deref()) {
                        (Some(tag), Some([(_, value)])) if usize::from(*tag) == i => Some(*value),
                        _ => None,
                    });
                    cast(&texts(own), ty, mode)
                })
                .collect::<Result<Vec<_>>>()?;
            unions::union_array(to, &tags, columns)
        }
        T::Map(key, value) => {
            let parts = split(strings, to, mode, members)?;
            let all = || parts.iter().flatten().flatten();
            let keys = cast_in(
                &texts(all().map(|(k, _)| Some(k.as_str()))),
                &T::Varchar,
                key,
                Mode { or_null: false, ..mode },
            )?;
            let values = cast(&texts(all().map(|(_, v)| Some(*v))), value, mode)?;
            let ends = offsets(parts.iter().map(|p| p.as_ref().map_or(0, Vec::len)))?;
            map_array(to, ends, keys, values, valid(&parts))
        }
        _ => {
            let contents: StringViewArray = strings
                .iter()
                .map(|s| match s.map(str::trim) {
                    None | Some("null") => None,
                    Some("true") if to.is_numeric() => Some("1".into()),
                    Some("false") if to.is_numeric() => Some("0".into()),
                    Some(s) => Some(unquote(s).unwrap_or_else(|| s.to_owned())),
                })
                .collect();
            let contents: ArrayRef = Arc::new(contents);
            if *to == T::Varchar { Ok(contents) } else { cast_in(&contents, &T::Varchar, to, mode) }
        }
    }
}
