//! Conversions to unions: of other unions, member by member; of structs that lie as unions do; of all else by the member
//! that fits best.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt8Type;
use arrow_array::{Array, ArrayRef, BooleanArray, StructArray, UInt8Array, new_null_array};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::{Mode, cast_in};
use crate::column::types::{LogicalType, UNION_TAG};
use crate::exec::coerce::{Member, union_member};
use crate::exec::error::{ExecError, Result};

type Members = [(Box<str>, LogicalType)];

/// A union array: for each row its member, `None` for NULL, and the values of the members, NULL in the rows of others.
pub(crate) fn union_array(ty: &LogicalType, tags: &[Option<u8>], columns: Vec<ArrayRef>) -> Result<ArrayRef> {
    let DataType::Struct(fields) = ty.arrow() else {
        return Err(ExecError::Internal(format!("{ty} is no union")));
    };
    let nulls = Some(NullBuffer::from_iter(tags.iter().map(Option::is_some))).filter(|n| n.null_count() > 0);
    let tags: UInt8Array = tags.iter().map(|tag| tag.unwrap_or_default()).collect::<Vec<_>>().into();
    let columns = std::iter::once(Arc::new(tags) as ArrayRef).chain(columns).collect();
    Ok(Arc::new(StructArray::try_new(fields, columns, nulls)?))
}

/// The member of each row, `None` for NULL.
pub(crate) fn tags(array: &ArrayRef) -> Vec<Option<u8>> {
    let union = array.as_struct();
    let tags = union.column(0).as_primitive::<UInt8Type>();
    (0..union.len()).map(|row| union.is_valid(row).then(|| tags.value(row))).collect()
}

fn cannot(from: &LogicalType, to: &LogicalType, why: &str) -> ExecError {
    ExecError::Conversion(format!("Type {from} can't be cast as {to}. {why}"))
}

/// Converts anything to a union.
pub(super) fn cast(
    array: &ArrayRef,
    from: &LogicalType,
    to: &LogicalType,
    members: &Members,
    mode: Mode<'_>,
) -> Result<ArrayRef> {
    match from {
        // Member by member, or else, if the other has a member of this type, as that.
        LogicalType::Union(own)
            if own.iter().all(|(name, _)| place_of(name, members).is_some())
                || !matches!(union_member(from, members), Member::One(_)) =>
        {
            return from_union(array, from, own, to, members, mode);
        }
        LogicalType::Struct(fields) if lies_as(fields, members) => {
            return from_struct(array, to, members.len());
        }
        _ => {}
    }
    let member = match union_member(from, members) {
        Member::One(member) => member,
        Member::Several(a, b) => {
            let named = |i: usize| format!("'{} ({})'", members[i].0, members[i].1);
            let why = format!(
                "The cast is ambiguous, multiple possible members in target: {}, {}. Disambiguate the target type by \
                 using the 'union_value(<tag> := <arg>)' function to promote the source value to a single member \
                 union before casting.",
                named(a),
                named(b)
            );
            return Err(cannot(from, to, &why));
        }
        Member::None => {
            let types: Vec<String> = members.iter().map(|(_, ty)| ty.to_string()).collect();
            let why = format!(
                "{from} can't be implicitly cast to any of the union member types: {}",
                types.join(", ")
            );
            return Err(cannot(from, to, &why));
        }
    };
    let rows = array.len();
    let values = cast_in(array, from, &members[member].1, mode)?;
    let columns = members
        .iter()
        .enumerate()
        .map(|(i, (_, ty))| if i == member { values.clone() } else { new_null_array(&ty.arrow(), rows) });
    union_array(to, &vec![Some(member as u8); rows], columns.collect())
}

fn place_of(name: &str, members: &Members) -> Option<usize> {
    members.iter().position(|(n, _)| n.eq_ignore_ascii_case(name))
}

/// Each member becomes the one of the same name. Where that cannot be and NULL is wanted instead, the whole value is.
fn from_union(
    array: &ArrayRef,
    from: &LogicalType,
    own: &Members,
    to: &LogicalType,
    members: &Members,
    mode: Mode<'_>,
) -> Result<ArrayRef> {
    let mut places = vec![];
    for (name, _) in own {
        match place_of(name, members) {
            Some(place) => places.push(place),
            None => {
                let why = format!("The member '\"{name}\"' is not present in target union");
                return Err(cannot(from, to, &why));
            }
        }
    }
    let union = array.as_struct();
    let mut tags = tags(array);
    let mut columns: Vec<ArrayRef> =
        members.iter().map(|(_, ty)| new_null_array(&ty.arrow(), union.len())).collect();
    for (i, ((_, ty), place)) in own.iter().zip(&places).enumerate() {
        let values = union.column(i + 1);
        let converted = cast_in(values, ty, &members[*place].1, mode)?;
        if mode.or_null {
            for (row, tag) in tags.iter_mut().enumerate().filter(|(_, tag)| **tag == Some(i as u8)) {
                if values.is_valid(row) && converted.is_null(row) {
                    *tag = None;
                }
            }
        }
        columns[*place] = converted;
    }
    let tags: Vec<Option<u8>> = tags.into_iter().map(|tag| Some(*places.get(tag? as usize)? as u8)).collect();
    union_array(to, &tags, columns)
}

/// Whether a struct is a number and then exactly the members.
fn lies_as(fields: &Members, members: &Members) -> bool {
    let [(_, tag), fields @ ..] = fields else { return false };
    *tag == UNION_TAG
        && fields.len() == members.len()
        && fields.iter().zip(members).all(|((a, x), (b, y))| a.eq_ignore_ascii_case(b) && x == y)
}

/// A struct that lies as the union does: it must keep a union's rules.
fn from_struct(array: &ArrayRef, to: &LogicalType, members: usize) -> Result<ArrayRef> {
    let wrong = |why: &str| Err(ExecError::Conversion(why.to_owned()));
    let of = array.as_struct();
    let numbers = of.column(0).as_primitive::<UInt8Type>();
    let mut tags = vec![];
    for row in 0..of.len() {
        if of.is_null(row) || numbers.is_null(row) {
            tags.push(None);
            continue;
        }
        let tag = numbers.value(row);
        if usize::from(tag) >= members {
            return wrong("One or more of the tags do not point to a valid union member");
        }
        let set = (0..members).filter(|i| of.column(i + 1).is_valid(row));
        match set.clone().count() {
            0 => {}
            1 if set.clone().all(|i| i == usize::from(tag)) => {}
            1 => {
                return wrong(
                    "One or more rows in the produced UNION have tags that don't point to the valid member",
                );
            }
            _ => {
                return wrong(
                    "One or more rows in the produced UNION have validity set for more than 1 member of the union",
                );
            }
        }
        tags.push(Some(tag));
    }
    // A NULL struct may have values in its columns, a NULL union may not.
    let missing = BooleanArray::from(tags.iter().map(Option::is_none).collect::<Vec<_>>());
    let columns = (0..members)
        .map(|i| Ok(arrow_select::nullif::nullif(of.column(i + 1), &missing)?))
        .collect::<Result<Vec<_>>>()?;
    union_array(to, &tags, columns)
}
