//! Conversions of lists, arrays, structs and maps, element by element, and from text.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, ListArray, MapArray, StringViewArray, StructArray, UInt32Array,
    new_null_array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_ord::ord::make_comparator;
use arrow_schema::{DataType, Field as ArrowField, SortOptions};

use super::Mode;
use super::nested_text;
use super::text::shorten;
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};

/// Pairs of fields (from, to) of a struct conversion: by name if any name matches, else by place.
pub(super) fn pair_fields(
    from: &[(Box<str>, LogicalType)],
    to: &[(Box<str>, LogicalType)],
) -> Vec<(usize, usize)> {
    // Values without names go by place.
    let unnamed = |fields: &[(Box<str>, LogicalType)]| fields.iter().any(|(n, _)| n.is_empty());
    if unnamed(from) || unnamed(to) {
        let places = if from.len() == to.len() { from.len() } else { 0 };
        return (0..places).map(|i| (i, i)).collect();
    }
    let by_name: Vec<(usize, usize)> = to
        .iter()
        .enumerate()
        .filter_map(|(j, (name, _))| {
            from.iter().position(|(n, _)| n.eq_ignore_ascii_case(name)).map(|i| (i, j))
        })
        .collect();
    if by_name.is_empty() && from.len() == to.len() {
        return (0..from.len()).map(|i| (i, i)).collect();
    }
    by_name
}

/// The values of a list or array, with offsets.
fn list_parts(array: &ArrayRef) -> Result<(ArrayRef, OffsetBuffer<i32>, Option<NullBuffer>)> {
    match array.data_type() {
        DataType::List(_) => {
            let l = array.as_list::<i32>();
            Ok((l.values().clone(), l.offsets().clone(), l.nulls().cloned()))
        }
        DataType::FixedSizeList(_, n) => {
            let l = array.as_fixed_size_list();
            let offsets = OffsetBuffer::from_repeated_length(*n as usize, l.len());
            Ok((l.values().clone(), offsets, l.nulls().cloned()))
        }
        other => Err(ExecError::Internal(format!("{other} is no list"))),
    }
}

fn item_field(ty: &LogicalType) -> Arc<ArrowField> {
    Arc::new(ArrowField::new("item", ty.arrow(), true))
}

/// A list array of these values.
pub(crate) fn list_array(
    item: &LogicalType,
    offsets: OffsetBuffer<i32>,
    values: ArrayRef,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    Ok(Arc::new(ListArray::try_new(item_field(item), offsets, values, nulls)?))
}

pub(super) fn cast(
    array: &ArrayRef,
    from: &LogicalType,
    to: &LogicalType,
    mode: Mode<'_>,
) -> Result<ArrayRef> {
    use LogicalType as T;
    let strict = Mode { or_null: false, ..mode };
    match (from, to) {
        (T::List(a) | T::Array(a, _), T::List(b)) => {
            let (values, offsets, nulls) = list_parts(array)?;
            list_array(b, offsets, super::cast_in(&values, a, b, mode)?, nulls)
        }
        (T::List(a) | T::Array(a, _), T::Array(b, n)) => {
            let (values, offsets, nulls) = list_parts(array)?;
            let values = super::cast_in(&values, a, b, mode)?;
            fixed_list(&values, &offsets, nulls.as_ref(), b, *n as usize, mode.or_null)
        }
        (T::Struct(a), T::Struct(b)) => {
            let s = array.as_struct();
            let pairs = pair_fields(a, b);
            let columns = b
                .iter()
                .enumerate()
                .map(|(j, (_, ty))| match pairs.iter().find(|p| p.1 == j) {
                    Some((i, _)) => super::cast_in(s.column(*i), &a[*i].1, ty, mode),
                    None => Ok(new_null_array(&ty.arrow(), s.len())),
                })
                .collect::<Result<Vec<_>>>()?;
            struct_array(to, columns, s.nulls().cloned(), s.len())
        }
        (T::Map(ak, av), T::Map(bk, bv)) => {
            let m = array.as_map();
            let keys = super::cast_in(m.keys(), ak, bk, mode)?;
            let values = super::cast_in(m.values(), av, bv, mode)?;
            if keys.null_count() == 0 {
                return map_array(to, m.offsets().clone(), keys, values, m.nulls().cloned());
            }
            // A key that cannot be one of the new type leaves no map.
            let has_keys = |(row, ends): (usize, &[i32])| {
                m.is_valid(row) && (ends[0]..ends[1]).all(|at| keys.is_valid(at as usize))
            };
            let valid = m.offsets().windows(2).enumerate().map(has_keys).collect();
            maps_where(to, m.offsets(), keys, values, valid)
        }
        (T::Struct(fields), T::Map(key, value)) => {
            let s = array.as_struct();
            let names: StringViewArray = fields.iter().map(|(n, _)| Some(n.as_ref())).collect();
            let names = super::cast_in(&(Arc::new(names) as ArrayRef), &T::Varchar, key, strict)?;
            let columns = s
                .columns()
                .iter()
                .zip(fields.iter())
                .map(|(c, (_, ty))| super::cast_in(c, ty, value, mode))
                .collect::<Result<Vec<_>>>()?;
            let (rows, width) = (s.len(), fields.len());
            let all = arrow_select::concat::concat(&columns.iter().map(AsRef::as_ref).collect::<Vec<_>>())?;
            // Row by row the value of each column.
            let places = (0..rows).flat_map(|row| (0..width).map(move |c| (c * rows + row) as u32));
            let values = arrow_select::take::take(&all, &UInt32Array::from_iter_values(places), None)?;
            let repeated = (0..rows).flat_map(|_| 0..width as u32);
            let keys = arrow_select::take::take(&names, &UInt32Array::from_iter_values(repeated), None)?;
            let offsets = OffsetBuffer::from_repeated_length(width, rows);
            map_array(to, offsets, keys, values, s.nulls().cloned())
        }
        _ => Err(ExecError::Conversion(format!("Unimplemented type for cast ({from} -> {to})"))),
    }
}

/// A struct array of a struct type.
pub(crate) fn struct_array(
    ty: &LogicalType,
    columns: Vec<ArrayRef>,
    nulls: Option<NullBuffer>,
    len: usize,
) -> Result<ArrayRef> {
    let DataType::Struct(fields) = ty.arrow() else {
        return Err(ExecError::Internal(format!("{ty} is no struct")));
    };
    if fields.is_empty() {
        return Ok(Arc::new(StructArray::new_empty_fields(len, nulls)));
    }
    Ok(Arc::new(StructArray::try_new(fields, columns, nulls)?))
}

/// A map array of a map type.
pub(crate) fn map_array(
    ty: &LogicalType,
    offsets: OffsetBuffer<i32>,
    keys: ArrayRef,
    values: ArrayRef,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let DataType::Map(entries, _) = ty.arrow() else {
        return Err(ExecError::Internal(format!("{ty} is no map")));
    };
    let DataType::Struct(fields) = entries.data_type().clone() else {
        return Err(ExecError::Internal(format!("{ty} is no map")));
    };
    let pairs = StructArray::try_new(fields, vec![keys, values], None)?;
    Ok(Arc::new(MapArray::try_new(entries, offsets, pairs, nulls, false)?))
}

fn fixed_list(
    values: &ArrayRef,
    offsets: &OffsetBuffer<i32>,
    nulls: Option<&NullBuffer>,
    item: &LogicalType,
    n: usize,
    or_null: bool,
) -> Result<ArrayRef> {
    let mut valid = vec![];
    let mut indices: Vec<Option<u32>> = vec![];
    for (row, w) in offsets.windows(2).enumerate() {
        let len = (w[1] - w[0]) as usize;
        let ok = nulls.is_none_or(|x| x.is_valid(row));
        if ok && len != n && !or_null {
            return Err(ExecError::Conversion(format!(
                "Cannot cast list with length {len} to array with length {n}"
            )));
        }
        let ok = ok && len == n;
        valid.push(ok);
        indices.extend((0..n).map(|i| ok.then(|| w[0] as u32 + i as u32)));
    }
    let values = arrow_select::take::take(values, &UInt32Array::from(indices), None)?;
    let nulls = NullBuffer::from(valid);
    Ok(Arc::new(FixedSizeListArray::try_new(item_field(item), n as i32, values, Some(nulls))?))
}

/// Text to a nested type: the parts are cut out, then converted as columns of their own.
pub(super) fn from_text(array: &ArrayRef, to: &LogicalType, mode: Mode<'_>) -> Result<ArrayRef> {
    use LogicalType as T;
    let or_null = mode.or_null;
    let strings = array.as_string_view();
    let mut valid = Vec::with_capacity(strings.len());
    let bad = |s: &str| {
        ExecError::Conversion(format!(
            "Type VARCHAR with value '{}' can't be cast to the destination type {to}",
            shorten(s)
        ))
    };
    let part =
        |parts: Vec<Option<String>>| -> ArrayRef { Arc::new(parts.into_iter().collect::<StringViewArray>()) };
    let text = LogicalType::Varchar;
    match to {
        T::List(item) | T::Array(item, _) => {
            let mut parts: Vec<Option<String>> = vec![];
            let mut offsets = vec![0i32];
            for s in strings {
                let split = s.and_then(nested_text::list);
                if let (Some(s), None, false) = (s, &split, or_null) {
                    return Err(bad(s));
                }
                valid.push(split.is_some());
                parts.extend(split.unwrap_or_default());
                offsets.push(i32::try_from(parts.len()).map_err(|_| bad("…"))?);
            }
            let values = super::cast_in(&part(parts), &text, item, mode)?;
            let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
            let nulls = Some(NullBuffer::from(valid));
            if let T::Array(_, n) = to {
                return fixed_list(&values, &offsets, nulls.as_ref(), item, *n as usize, or_null);
            }
            list_array(item, offsets, values, nulls)
        }
        T::Struct(fields) => {
            let mut columns: Vec<Vec<Option<String>>> = vec![vec![]; fields.len()];
            for s in strings {
                // By place; what is missing is NULL.
                if let Some(values) =
                    s.and_then(nested_text::tuple).filter(|values| values.len() <= fields.len())
                {
                    valid.push(true);
                    let mut values = values.into_iter();
                    columns.iter_mut().for_each(|column| column.push(values.next().flatten()));
                    continue;
                }
                let split = s.and_then(nested_text::fields).filter(|pairs| {
                    pairs.iter().all(|(k, _)| fields.iter().any(|(n, _)| n.eq_ignore_ascii_case(k)))
                });
                if let (Some(s), None, false) = (s, &split, or_null) {
                    return Err(bad(s));
                }
                valid.push(split.is_some());
                let pairs = split.unwrap_or_default();
                for (column, (name, _)) in columns.iter_mut().zip(fields.iter()) {
                    let value = pairs
                        .iter()
                        .rfind(|(k, _)| k.eq_ignore_ascii_case(name))
                        .and_then(|(_, v)| v.clone());
                    column.push(value);
                }
            }
            let columns = columns
                .into_iter()
                .zip(fields.iter())
                .map(|(c, (_, ty))| super::cast_in(&part(c), &text, ty, mode))
                .collect::<Result<Vec<_>>>()?;
            struct_array(to, columns, Some(NullBuffer::from(valid)), strings.len())
        }
        T::Map(key, value) => {
            let (mut keys, mut values) = (vec![], vec![]);
            let mut offsets = vec![0i32];
            for s in strings {
                let split = s.and_then(nested_text::entries).filter(|p| p.iter().all(|(k, _)| k.is_some()));
                if let (Some(s), None, false) = (s, &split, or_null) {
                    return Err(bad(s));
                }
                valid.push(split.is_some());
                for (k, v) in split.unwrap_or_default() {
                    keys.push(k);
                    values.push(v);
                }
                offsets.push(i32::try_from(keys.len()).map_err(|_| bad("…"))?);
            }
            let keys = super::cast_in(&part(keys), &text, key, mode)?;
            let values = super::cast_in(&part(values), &text, value, mode)?;
            map_of_parts(to, &OffsetBuffer::new(ScalarBuffer::from(offsets)), keys, values, valid, or_null)
        }
        _ => Err(bad("")),
    }
}

/// A map array of entries that were cut out of text. A map with a key that is twice, or that could not be converted, is
/// an error or NULL.
pub(super) fn map_of_parts(
    to: &LogicalType,
    offsets: &OffsetBuffer<i32>,
    keys: ArrayRef,
    values: ArrayRef,
    mut valid: Vec<bool>,
    or_null: bool,
) -> Result<ArrayRef> {
    let compare = make_comparator(&keys, &keys, SortOptions::default())?;
    for (row, valid) in valid.iter_mut().enumerate() {
        let mut places: Vec<usize> = (offsets[row] as usize..offsets[row + 1] as usize).collect();
        places.sort_unstable_by(|a, b| compare(*a, *b));
        if places.windows(2).any(|two| compare(two[0], two[1]).is_eq()) {
            if !or_null {
                return Err(ExecError::InvalidInput("Map keys must be unique.".into()));
            }
            *valid = false;
        }
        *valid &= places.iter().all(|place| keys.is_valid(*place));
    }
    maps_where(to, offsets, keys, values, valid)
}

/// A map array of these rows, those that are not valid without the entries that are theirs.
fn maps_where(
    to: &LogicalType,
    offsets: &OffsetBuffer<i32>,
    mut keys: ArrayRef,
    mut values: ArrayRef,
    valid: Vec<bool>,
) -> Result<ArrayRef> {
    let mut kept: Vec<u32> = vec![];
    let mut lengths = Vec::with_capacity(valid.len());
    for (ends, valid) in offsets.windows(2).zip(&valid) {
        let entries = if *valid { ends[0] as u32..ends[1] as u32 } else { 0..0 };
        lengths.push(entries.len());
        kept.extend(entries);
    }
    if kept.len() < keys.len() {
        let kept = UInt32Array::from(kept);
        keys = arrow_select::take::take(&keys, &kept, None)?;
        values = arrow_select::take::take(&values, &kept, None)?;
    }
    map_array(to, OffsetBuffer::from_lengths(lengths), keys, values, Some(NullBuffer::from(valid)))
}
