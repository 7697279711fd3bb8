//! Columns of other types, made of encoded values.
//!
//! A value becomes what a cast makes of it that knows its type. Texts are read as lists, structs and maps where these are
//! wanted, since anything else can be made of texts too.

use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, FixedSizeBinaryBuilder, StringViewBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, StringViewArray, new_null_array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::TimeUnit;

use super::read::{Leaf, Node, Object, Tag};
use super::text::{write_json, write_text};
use crate::column::types::{DECIMAL64_MAX_WIDTH, LogicalType};
use crate::exec::cast::nested::{list_array, map_of_parts, struct_array};
use crate::exec::cast::text::shorten;
use crate::exec::cast::{Mode, can_cast, cast_in, uhuge};
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::list_end;
use crate::exec::zone::Zone;

/// Encoded values; none where there is NULL.
type Rows<'a> = [Option<&'a [u8]>];

/// A column of VARIANT as one of another type. A value of which a part cannot be converted cannot be converted.
///
/// # Errors
/// The bytes of a value are damaged, or it cannot be converted, unless the mode says that this is NULL.
pub(crate) fn from_variant(array: &ArrayRef, to: &LogicalType, mode: Mode<'_>) -> Result<ArrayRef> {
    let values = array
        .as_binary_view_opt()
        .ok_or_else(|| ExecError::Internal(format!("a VARIANT came as {}", array.data_type())))?;
    let rows: Vec<Option<&[u8]>> = values.iter().collect();
    let mut failed = vec![false; rows.len()];
    let out = convert(&rows, to, mode, &mut failed)?;
    if !failed.contains(&true) {
        return Ok(out);
    }
    Ok(arrow_select::nullif::nullif(&out, &BooleanArray::from(failed))?)
}

/// The value of a VARIANT in its own type, as a column of one row: what is inside of an array or an object is a VARIANT
/// again. `bytes` are those of a row of a column.
///
/// # Errors
/// The bytes are damaged.
pub fn variant_value(bytes: &[u8]) -> Result<(LogicalType, ArrayRef)> {
    use LogicalType as T;
    let mode = Mode { or_null: false, zone: Zone::utc_ref() };
    match Node::read(bytes)? {
        Node::Null => Ok((T::Null, new_null_array(&T::Null.arrow(), 1))),
        Node::Leaf(leaf) => Ok((leaf.ty(), column(&[leaf])?)),
        Node::Array(_) => {
            let ty = T::List(Box::new(T::Variant));
            let values = convert(&[Some(bytes)], &ty, mode, &mut [false])?;
            Ok((ty, values))
        }
        Node::Object(object) => {
            let mut fields: Vec<(Box<str>, T)> = vec![];
            let mut columns = vec![];
            for member in object.members() {
                let (name, value) = member?;
                fields.push((name.into(), T::Variant));
                columns.push(convert(&[Some(value)], &T::Variant, mode, &mut [false])?);
            }
            let ty = T::Struct(fields.into());
            let values = struct_array(&ty, columns, None, 1)?;
            Ok((ty, values))
        }
    }
}

/// Marks a row that cannot be converted, or says so.
fn fail(failed: &mut bool, mode: Mode<'_>, message: impl FnOnce() -> String) -> Result<()> {
    if !mode.or_null {
        return Err(ExecError::Conversion(message()));
    }
    *failed = true;
    Ok(())
}

/// How messages call a value.
fn described(bytes: &[u8], mode: Mode<'_>) -> String {
    let mut text = String::new();
    let tag = Node::read(bytes).map_or(Tag::Null, |node| node.tag());
    // What is damaged was told already.
    let _written = write_text(bytes, &mode.zone.clock(), &mut text);
    format!("VARIANT({}) value '{}'", tag.name(), shorten(&text))
}

fn convert(rows: &Rows<'_>, to: &LogicalType, mode: Mode<'_>, failed: &mut [bool]) -> Result<ArrayRef> {
    use LogicalType as T;
    match to {
        T::Varchar => {
            let clock = mode.zone.clock();
            texts(rows, |bytes, out| write_text(bytes, &clock, out))
        }
        T::Json => {
            let clock = mode.zone.clock();
            texts(rows, |bytes, out| write_json(bytes, &clock, out))
        }
        T::Variant => {
            let mut out = BinaryViewBuilder::with_capacity(rows.len());
            for row in rows {
                match row.filter(|bytes| *bytes != [Tag::Null as u8]) {
                    Some(bytes) => out.try_append_value(bytes)?,
                    None => out.append_null(),
                }
            }
            Ok(Arc::new(out.finish()))
        }
        T::List(item) => of_parts(rows, to, mode, failed, |nodes, failed| {
            let (offsets, inner, valid) = lists(nodes, to, mode, failed)?;
            let values = parts(&inner, &owners(&offsets), item, mode, failed)?;
            list_array(item, OffsetBuffer::new(offsets.into()), values, valid)
        }),
        T::Array(item, n) => of_parts(rows, to, mode, failed, |nodes, failed| {
            for (node, failed) in nodes.iter_mut().zip(&mut *failed) {
                if let Some(Node::Array(array)) = node
                    && array.len() != *n as usize
                {
                    let found = array.len();
                    fail(failed, mode, || {
                        format!(
                            "Array size '{n}' was expected, found '{found}', can't convert VARIANT to '{to}'"
                        )
                    })?;
                    *node = None;
                }
            }
            let (offsets, inner, valid) = lists(nodes, to, mode, failed)?;
            let values = parts(&inner, &owners(&offsets), item, mode, failed)?;
            let list = list_array(item, OffsetBuffer::new(offsets.into()), values, valid)?;
            cast_in(&list, &T::List(item.clone()), to, mode)
        }),
        T::Struct(fields) => {
            of_parts(rows, to, mode, failed, |nodes, failed| structs(nodes, to, fields, mode, failed))
        }
        T::Map(key, value) => {
            of_parts(rows, to, mode, failed, |nodes, failed| maps(nodes, to, key, value, mode, failed))
        }
        _ => leaves(rows, to, mode, failed),
    }
}

fn texts(rows: &Rows<'_>, mut write: impl FnMut(&[u8], &mut String) -> Result<()>) -> Result<ArrayRef> {
    let mut out = StringViewBuilder::with_capacity(rows.len());
    let mut text = String::new();
    for row in rows {
        match row.filter(|bytes| *bytes != [Tag::Null as u8]) {
            Some(bytes) => {
                text.clear();
                write(bytes, &mut text)?;
                out.try_append_value(&text)?;
            }
            None => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// Puts together what `make` makes of values that have parts, and what is read of texts.
fn of_parts(
    rows: &Rows<'_>,
    to: &LogicalType,
    mode: Mode<'_>,
    failed: &mut [bool],
    make: impl FnOnce(&mut [Option<Node<'_>>], &mut [bool]) -> Result<ArrayRef>,
) -> Result<ArrayRef> {
    let mut nodes = rows
        .iter()
        .map(|row| Ok(row.map(Node::read).transpose()?.filter(|node| *node != Node::Null)))
        .collect::<Result<Vec<_>>>()?;
    let text_of = |node: &Option<Node<'_>>| match node {
        Some(Node::Leaf(leaf)) if leaf.tag == Tag::Text => Some(()),
        _ => None,
    };
    if nodes.iter().all(|node| text_of(node).is_none()) {
        return make(&mut nodes, failed);
    }
    let texts: StringViewArray = nodes
        .iter()
        .map(|node| match node {
            Some(Node::Leaf(leaf)) => leaf.text(),
            _ => None,
        })
        .collect();
    let is_text: Vec<bool> = nodes.iter().map(|node| text_of(node).is_some()).collect();
    for (node, is_text) in nodes.iter_mut().zip(&is_text) {
        if *is_text {
            *node = None;
        }
    }
    let texts: ArrayRef = Arc::new(texts);
    let read = cast_in(&texts, &LogicalType::Varchar, to, mode)?;
    for (row, is_text) in is_text.iter().enumerate() {
        failed[row] |= *is_text && read.is_null(row);
    }
    let made = make(&mut nodes, failed)?;
    let places: Vec<(usize, usize)> =
        is_text.iter().enumerate().map(|(row, is_text)| (usize::from(*is_text), row)).collect();
    Ok(arrow_select::interleave::interleave(&[&made, &read], &places)?)
}

/// The values of parts, whose failures are those of the rows that they are of.
fn parts(
    inner: &Rows<'_>,
    owners: &[usize],
    to: &LogicalType,
    mode: Mode<'_>,
    failed: &mut [bool],
) -> Result<ArrayRef> {
    let mut own = vec![false; inner.len()];
    let values = convert(inner, to, mode, &mut own)?;
    for (part, owner) in own.iter().zip(owners) {
        failed[*owner] |= *part;
    }
    Ok(values)
}

/// The row of each item of lists.
fn owners(offsets: &[i32]) -> Vec<usize> {
    let lengths = offsets.windows(2).map(|w| (w[1] - w[0]) as usize);
    lengths.enumerate().flat_map(|(row, length)| std::iter::repeat_n(row, length)).collect()
}

type Lists<'a> = (Vec<i32>, Vec<Option<&'a [u8]>>, Option<NullBuffer>);

/// The items of arrays, one behind the other.
fn lists<'a>(
    nodes: &[Option<Node<'a>>],
    to: &LogicalType,
    mode: Mode<'_>,
    failed: &mut [bool],
) -> Result<Lists<'a>> {
    let (mut offsets, mut inner, mut valid) = (vec![0], vec![], vec![]);
    for (node, failed) in nodes.iter().zip(failed) {
        match node {
            Some(Node::Array(array)) => {
                for item in array.items() {
                    inner.push(Some(item?));
                }
            }
            Some(other) => fail(failed, mode, || expected("ARRAY", other, to))?,
            None => {}
        }
        valid.push(matches!(node, Some(Node::Array(_))));
        offsets.push(list_end(inner.len())?);
    }
    Ok((offsets, inner, Some(NullBuffer::from(valid)).filter(|n| n.null_count() > 0)))
}

fn expected(kind: &str, found: &Node<'_>, to: &LogicalType) -> String {
    let found = found.tag().name();
    format!("Expected to find VARIANT({kind}), found VARIANT({found}) instead, can't convert to '{to}'")
}

/// The value of a name, in any case if none has it as it is written.
fn member<'a>(object: &Object<'a>, name: &str) -> Result<Option<&'a [u8]>> {
    if let Some(value) = object.get(name)? {
        return Ok(Some(value));
    }
    for member in object.members() {
        let (key, value) = member?;
        if key.eq_ignore_ascii_case(name) {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn structs(
    nodes: &[Option<Node<'_>>],
    to: &LogicalType,
    fields: &[(Box<str>, LogicalType)],
    mode: Mode<'_>,
    failed: &mut [bool],
) -> Result<ArrayRef> {
    let mut columns: Vec<Vec<Option<&[u8]>>> = vec![Vec::with_capacity(nodes.len()); fields.len()];
    let mut valid = vec![];
    for (node, failed) in nodes.iter().zip(&mut *failed) {
        let mut values = vec![None; fields.len()];
        let mut fits = false;
        match node {
            Some(Node::Object(object)) if !to.is_tuple() => {
                for (value, (name, _)) in values.iter_mut().zip(fields) {
                    *value = member(object, name)?;
                }
                fits = fields.is_empty() || values.iter().any(Option::is_some);
                if !fits {
                    let name = fields.first().map_or("", |(name, _)| name);
                    fail(failed, mode, || {
                        format!("VARIANT(OBJECT) is missing key '{name}', can't convert to '{to}'")
                    })?;
                }
            }
            Some(Node::Object(object)) if object.len() == fields.len() => {
                for (at, value) in values.iter_mut().enumerate() {
                    *value = Some(object.value(at)?);
                }
                fits = true;
            }
            Some(Node::Array(array)) if to.is_tuple() && array.len() == fields.len() => {
                for (at, value) in values.iter_mut().enumerate() {
                    *value = Some(array.item(at)?);
                }
                fits = true;
            }
            Some(other) => {
                fail(failed, mode, || expected(if to.is_tuple() { "ARRAY" } else { "OBJECT" }, other, to))?;
            }
            None => {}
        }
        valid.push(fits);
        columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
    }
    let owners: Vec<usize> = (0..nodes.len()).collect();
    let columns = columns
        .iter()
        .zip(fields)
        .map(|(column, (_, ty))| parts(column, &owners, ty, mode, failed))
        .collect::<Result<Vec<_>>>()?;
    let valid = Some(NullBuffer::from(valid)).filter(|n| n.null_count() > 0);
    struct_array(to, columns, valid, nodes.len())
}

/// Maps of arrays of objects with `key` and `value`, as maps are encoded, and of objects.
fn maps(
    nodes: &[Option<Node<'_>>],
    to: &LogicalType,
    key: &LogicalType,
    value: &LogicalType,
    mode: Mode<'_>,
    failed: &mut [bool],
) -> Result<ArrayRef> {
    // Keys of objects are texts, which are encoded first.
    let (mut names, mut keys, mut values, mut owners) = (vec![], vec![], vec![], vec![]);
    let (mut offsets, mut valid) = (vec![0], vec![]);
    for (row, (node, failed)) in nodes.iter().zip(&mut *failed).enumerate() {
        let fits = match node {
            Some(Node::Object(object)) => {
                for member in object.members() {
                    let (name, value) = member?;
                    let mut bytes = vec![Tag::Text as u8];
                    bytes.extend(name.as_bytes());
                    names.push(bytes);
                    keys.push(None);
                    values.push(Some(value));
                    owners.push(row);
                }
                true
            }
            Some(Node::Array(array)) => {
                let mut pairs = vec![];
                for item in array.items() {
                    if let Node::Object(pair) = Node::read(item?)?
                        && let (Some(key), Some(value)) = (pair.get("key")?, pair.get("value")?)
                        && pair.len() == 2
                        && key != [Tag::Null as u8]
                    {
                        pairs.push((key, value));
                    }
                }
                let fits = pairs.len() == array.len();
                if fits {
                    for (key, value) in pairs {
                        keys.push(Some(key));
                        values.push(Some(value));
                        owners.push(row);
                    }
                } else {
                    fail(failed, mode, || {
                        format!("VARIANT(ARRAY) has no keys and values, can't convert to '{to}'")
                    })?;
                }
                fits
            }
            Some(other) => {
                fail(failed, mode, || expected("OBJECT", other, to))?;
                false
            }
            None => false,
        };
        valid.push(fits);
        offsets.push(list_end(keys.len())?);
    }
    let mut names = names.iter();
    let keys: Vec<Option<&[u8]>> =
        keys.into_iter().map(|key| key.or_else(|| names.next().map(Vec::as_slice))).collect();
    let keys = parts(&keys, &owners, key, mode, failed)?;
    let values = parts(&values, &owners, value, mode, failed)?;
    let made =
        map_of_parts(to, &OffsetBuffer::new(offsets.into()), keys, values, valid.clone(), mode.or_null)?;
    for (row, is_valid) in valid.iter().enumerate() {
        failed[row] |= *is_valid && made.is_null(row);
    }
    Ok(made)
}

/// Values that are not made of others, those of each type by themselves.
fn leaves(rows: &Rows<'_>, to: &LogicalType, mode: Mode<'_>, failed: &mut [bool]) -> Result<ArrayRef> {
    let mut groups: Vec<Vec<Leaf<'_>>> = vec![];
    // The first array is a NULL.
    let mut places = Vec::with_capacity(rows.len());
    for (row, bytes) in rows.iter().enumerate() {
        places.push((0, 0));
        let Some(bytes) = bytes else { continue };
        let leaf = match Node::read(bytes)? {
            Node::Null => continue,
            Node::Leaf(leaf) if can_cast(&leaf.ty(), to) => leaf,
            _ => {
                fail(&mut failed[row], mode, || {
                    format!("Can't convert {} to '{to}'", described(bytes, mode))
                })?;
                continue;
            }
        };
        let group = groups.iter().position(|group| group[0].is_like(&leaf)).unwrap_or_else(|| {
            groups.push(vec![]);
            groups.len() - 1
        });
        places[row] = (group + 1, groups[group].len());
        groups[group].push(leaf);
    }
    let mut arrays = vec![new_null_array(&to.arrow(), 1)];
    for group in &groups {
        arrays.push(cast_in(&column(group)?, &group[0].ty(), to, mode)?);
    }
    if mode.or_null {
        for (row, (array, at)) in places.iter().enumerate() {
            failed[row] |= *array > 0 && arrays[*array].is_null(*at);
        }
    }
    if let ([group], false) = (&groups[..], places.iter().any(|place| place.0 == 0))
        && group.len() == rows.len()
    {
        return Ok(arrays.swap_remove(1));
    }
    let arrays: Vec<&dyn Array> = arrays.iter().map(|array| &**array).collect();
    Ok(arrow_select::interleave::interleave(&arrays, &places)?)
}

/// A column of values of one type, in its layout.
fn column(leaves: &[Leaf<'_>]) -> Result<ArrayRef> {
    use LogicalType as T;
    fn ints<A: ArrowPrimitiveType>(leaves: &[Leaf<'_>], ty: &T, of: impl Fn(i128) -> A::Native) -> ArrayRef {
        let values: PrimitiveArray<A> = leaves.iter().map(|leaf| Some(of(leaf.int()))).collect();
        Arc::new(values.with_data_type(ty.arrow()))
    }
    let Some(first) = leaves.first() else { return Ok(new_null_array(&T::Null.arrow(), 0)) };
    let ty = &first.ty();
    Ok(match ty {
        T::Boolean => {
            Arc::new(BooleanArray::from_iter(leaves.iter().map(|leaf| Some(leaf.tag == Tag::True))))
        }
        T::TinyInt => ints::<Int8Type>(leaves, ty, |v| v as i8),
        T::SmallInt => ints::<Int16Type>(leaves, ty, |v| v as i16),
        T::Integer => ints::<Int32Type>(leaves, ty, |v| v as i32),
        T::BigInt | T::TimeTz => ints::<Int64Type>(leaves, ty, |v| v as i64),
        T::HugeInt => ints::<Decimal128Type>(leaves, ty, |v| v),
        T::UTinyInt => ints::<UInt8Type>(leaves, ty, |v| v as u8),
        T::USmallInt => ints::<UInt16Type>(leaves, ty, |v| v as u16),
        T::UInteger => ints::<UInt32Type>(leaves, ty, |v| v as u32),
        T::UBigInt => ints::<UInt64Type>(leaves, ty, |v| v as u64),
        T::UHugeInt => uhuge::array(leaves.iter().map(|leaf| Some(leaf.uhuge())))?,
        T::Float => {
            let values: PrimitiveArray<Float32Type> =
                leaves.iter().map(|leaf| Some(leaf.float() as f32)).collect();
            Arc::new(values)
        }
        T::Double => {
            let values: PrimitiveArray<Float64Type> = leaves.iter().map(|leaf| Some(leaf.float())).collect();
            Arc::new(values)
        }
        T::Decimal { width, .. } if *width <= DECIMAL64_MAX_WIDTH => {
            ints::<Decimal64Type>(leaves, ty, |v| v as i64)
        }
        T::Decimal { .. } => ints::<Decimal128Type>(leaves, ty, |v| v),
        T::Varchar => Arc::new(leaves.iter().map(Leaf::text).collect::<StringViewArray>()),
        T::Blob | T::Bit | T::BigNum => {
            let mut out = BinaryViewBuilder::with_capacity(leaves.len());
            leaves.iter().try_for_each(|leaf| out.try_append_value(leaf.bytes()))?;
            Arc::new(out.finish())
        }
        T::Uuid => {
            let mut out = FixedSizeBinaryBuilder::with_capacity(leaves.len(), 16);
            leaves.iter().try_for_each(|leaf| out.append_value(leaf.bytes()))?;
            Arc::new(out.finish())
        }
        T::Date => ints::<Date32Type>(leaves, ty, |v| v as i32),
        T::Time => ints::<Time64MicrosecondType>(leaves, ty, |v| v as i64),
        T::TimeNs => ints::<Time64NanosecondType>(leaves, ty, |v| v as i64),
        T::Timestamp(TimeUnit::Second) => ints::<TimestampSecondType>(leaves, ty, |v| v as i64),
        T::Timestamp(TimeUnit::Millisecond) => ints::<TimestampMillisecondType>(leaves, ty, |v| v as i64),
        T::Timestamp(TimeUnit::Nanosecond) => ints::<TimestampNanosecondType>(leaves, ty, |v| v as i64),
        T::Timestamp(TimeUnit::Microsecond) | T::TimestampTz => {
            ints::<TimestampMicrosecondType>(leaves, ty, |v| v as i64)
        }
        T::Interval => {
            let values: PrimitiveArray<IntervalMonthDayNanoType> = leaves
                .iter()
                .map(|leaf| {
                    let (months, days, nanoseconds) = leaf.interval();
                    Some(IntervalMonthDayNano { months, days, nanoseconds })
                })
                .collect();
            Arc::new(values)
        }
        other => return Err(ExecError::Internal(format!("a value of a VARIANT is of type {other}"))),
    })
}
