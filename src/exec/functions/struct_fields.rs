//! Functions that put structs together and take them apart by their fields.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Int32Array, StringViewArray, new_null_array};
use arrow_ord::ord::make_comparator;
use arrow_schema::SortOptions;

use super::registry::{Registry, Resolution, def};
use super::{ArgInfo, ScalarKernel};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::cast::nested::{list_array, struct_array};
use crate::exec::coerce::common_type;
use crate::exec::error::Result;
use crate::exec::eval::repeat;

type Fields = [(Box<str>, LogicalType)];

fn fields(arg: &ArgInfo) -> Option<&Fields> {
    if let LogicalType::Struct(fields) = &arg.ty { Some(fields) } else { None }
}

/// A column of a struct, NULL where the struct is.
fn column(array: &ArrayRef, at: usize) -> Result<ArrayRef> {
    let s = array.as_struct();
    match s.nulls().filter(|n| n.null_count() > 0) {
        None => Ok(s.column(at).clone()),
        Some(nulls) => {
            let missing = BooleanArray::new(!nulls.inner(), None);
            Ok(arrow_select::nullif::nullif(s.column(at), &missing)?)
        }
    }
}

/// Where each field of the result comes from: argument and field.
type Sources = Vec<(usize, usize)>;

/// A struct of fields of the arguments.
fn assemble(sources: Sources) -> ScalarKernel {
    Box::new(move |args, ty, rows, context| {
        let full = |a: &ArrayRef| if a.len() == rows { Ok(a.clone()) } else { repeat(a, rows, context) };
        let args = args.iter().map(full).collect::<Result<Vec<_>>>()?;
        let columns = sources.iter().map(|(a, f)| column(&args[*a], *f)).collect::<Result<Vec<_>>>()?;
        struct_array(ty, columns, None, rows)
    })
}

fn resolution(args: &[ArgInfo], made: Vec<(Box<str>, LogicalType)>, sources: Sources) -> Resolution {
    Resolution {
        arg_types: args.iter().map(|a| a.ty.clone()).collect(),
        return_type: LogicalType::Struct(made.into()),
        kernel: assemble(sources),
    }
}

/// `struct_concat(a, b, …)`: all fields, one after another.
fn concat(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    if args.is_empty() {
        return Some(Err("struct_concat: At least one argument is required".into()));
    }
    let (mut made, mut sources): (Vec<(Box<str>, LogicalType)>, Sources) = (vec![], vec![]);
    for (a, arg) in args.iter().enumerate() {
        let Some(fields) = fields(arg) else {
            return Some(Err(format!("struct_concat: Argument at position \"{}\" is not a STRUCT", a + 1)));
        };
        for (f, (name, ty)) in fields.iter().enumerate() {
            if name.is_empty() != made.first().is_some_and(|(n, _)| n.is_empty()) && !made.is_empty() {
                return Some(Err("struct_concat: Cannot mix named and unnamed STRUCTs".into()));
            }
            if !name.is_empty() && made.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)) {
                return Some(Err(format!(
                    "struct_concat: Arguments contain duplicate STRUCT entry \"{name}\""
                )));
            }
            made.push((name.clone(), ty.clone()));
            sources.push((a, f));
        }
    }
    Some(Ok(resolution(args, made, sources)))
}

/// `struct_insert(s, b := 1)`: the binder packs what is named into a second struct.
fn insert(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [first, second] = args else { return None };
    let (Some(own), Some(new)) = (fields(first), fields(second)) else {
        return Some(Err("The first argument to struct_insert must be a STRUCT".into()));
    };
    if let Some((name, _)) = new.iter().find(|(n, _)| own.iter().any(|(o, _)| o.eq_ignore_ascii_case(n))) {
        return Some(Err(format!("Duplicate struct entry name \"{name}\"")));
    }
    let made = own.iter().chain(new).cloned().collect();
    let sources = (0..own.len()).map(|i| (0, i)).chain((0..new.len()).map(|i| (1, i))).collect();
    Some(Ok(resolution(args, made, sources)))
}

/// `struct_update(s, a := 1)`: replaces fields, and adds those that are new.
fn update(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [first, second] = args else { return None };
    let (Some(own), Some(new)) = (fields(first), fields(second)) else {
        return Some(Err("The first argument to struct_update must be a STRUCT".into()));
    };
    let mut made: Vec<(Box<str>, LogicalType)> = own.to_vec();
    let mut sources: Sources = (0..own.len()).map(|i| (0, i)).collect();
    for (i, (name, ty)) in new.iter().enumerate() {
        match own.iter().position(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some(at) => {
                made[at].1 = ty.clone();
                sources[at] = (1, i);
            }
            None => {
                made.push((name.clone(), ty.clone()));
                sources.push((1, i));
            }
        }
    }
    Some(Ok(resolution(args, made, sources)))
}

/// `struct_keys(s)`: the names, the same for all rows.
fn keys(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [arg] = args else { return None };
    let fields = fields(arg)?;
    if arg.ty.is_tuple() {
        return Some(Err("struct_keys() cannot be applied to an unnamed STRUCT".into()));
    }
    let names: StringViewArray = fields.iter().map(|(n, _)| Some(n.as_ref())).collect();
    let names: ArrayRef = Arc::new(names);
    let kernel: ScalarKernel = Box::new(move |args, _, rows, _| {
        let n = names.len();
        let places = (0..rows).flat_map(|_| 0..n as u32);
        let all =
            arrow_select::take::take(&names, &arrow_array::UInt32Array::from_iter_values(places), None)?;
        let offsets = arrow_buffer::OffsetBuffer::from_repeated_length(n, rows);
        let nulls = args[0].nulls().filter(|x| x.len() == rows).cloned();
        list_array(&LogicalType::Varchar, offsets, all, nulls)
    });
    Some(Ok(Resolution {
        arg_types: vec![arg.ty.clone()],
        return_type: LogicalType::List(Box::new(LogicalType::Varchar)),
        kernel,
    }))
}

/// `struct_values(s)`: the same without names.
fn values(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [arg] = args else { return None };
    let fields = fields(arg)?;
    let unnamed = fields.iter().map(|(_, ty)| ("".into(), ty.clone())).collect();
    let kernel: ScalarKernel = Box::new(|args, ty, _, _| {
        let s = args[0].as_struct();
        struct_array(ty, s.columns().to_vec(), s.nulls().cloned(), s.len())
    });
    let return_type = LogicalType::Struct(unnamed);
    Some(Ok(Resolution { arg_types: vec![arg.ty.clone()], return_type, kernel }))
}

/// `struct_extract_at(s, 2)`: a field by its place, from 1.
fn extract_at(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [arg, index] = args else { return None };
    let fields = fields(arg)?;
    let Some(Scalar::Int(i)) = &index.literal else {
        return Some(Err("Key index for struct_extract_at needs to be a constant value".into()));
    };
    let Some(at) = usize::try_from(*i - 1).ok().filter(|at| *at < fields.len()) else {
        return Some(Err(format!(
            "Key index {i} for struct_extract out of range - expected an index between 1 and {}",
            fields.len()
        )));
    };
    let kernel: ScalarKernel = Box::new(move |args, _, _, _| column(&args[0], at));
    Some(Ok(Resolution {
        arg_types: vec![arg.ty.clone(), LogicalType::BigInt],
        return_type: fields[at].1.clone(),
        kernel,
    }))
}

/// `struct_contains(tuple, value)` and `struct_position`.
fn find(args: &[ArgInfo], name: &str, position: bool) -> Option<Result<Resolution, String>> {
    let [arg, value] = args else { return None };
    let fields = fields(arg)?;
    if !arg.ty.is_tuple() {
        return Some(Err(format!("\"{name}\" can only be used on unnamed structs")));
    }
    // Fields that cannot be equal to the value are passed over.
    let comparable: Vec<Option<LogicalType>> =
        fields.iter().map(|(_, ty)| common_type(ty, &value.ty)).collect();
    let types: Vec<LogicalType> = fields.iter().map(|(_, ty)| ty.clone()).collect();
    let value_type = value.ty.clone();
    let kernel: ScalarKernel = Box::new(move |args, _, rows, _| {
        let s = args[0].as_struct();
        let row_of = |a: &dyn Array, row: usize| if a.len() == rows { row } else { 0 };
        let mut found: Vec<Option<i32>> = vec![None; rows];
        for (i, common) in comparable.iter().enumerate() {
            let Some(common) = common else { continue };
            let left = crate::exec::cast::cast(s.column(i), &types[i], common, false)?;
            let right = crate::exec::cast::cast(&args[1], &value_type, common, false)?;
            let options = SortOptions { descending: false, nulls_first: false };
            let compare = make_comparator(&left, &right, options)?;
            for (row, found) in found.iter_mut().enumerate().filter(|(_, f)| f.is_none()) {
                if compare(row_of(s, row), row_of(&right, row)) == Ordering::Equal {
                    *found = Some(i as i32 + 1);
                }
            }
        }
        let missing =
            |row: usize| s.is_null(row_of(s, row)) || !position && args[1].is_null(row_of(&args[1], row));
        if position {
            let out: Int32Array = (0..rows).map(|row| if missing(row) { None } else { found[row] }).collect();
            return Ok(Arc::new(out));
        }
        let out: BooleanArray =
            (0..rows).map(|row| (!missing(row)).then_some(found[row].is_some())).collect();
        Ok(Arc::new(out))
    });
    Some(Ok(Resolution {
        arg_types: vec![arg.ty.clone(), value.ty.clone()],
        return_type: if position { LogicalType::Integer } else { LogicalType::Boolean },
        kernel,
    }))
}

/// A NULL struct has no value to look in.
fn null_struct(args: &[ArgInfo], ty: LogicalType) -> Option<Result<Resolution, String>> {
    if args.first()?.ty != LogicalType::Null {
        return None;
    }
    let kernel: ScalarKernel = Box::new(|_, ty, rows, _| Ok(new_null_array(&ty.arrow(), rows)));
    let arg_types = args.iter().map(|a| a.ty.clone()).collect();
    Some(Ok(Resolution { arg_types, return_type: ty, kernel }))
}

pub(super) fn register(r: &mut Registry) {
    r.add(
        def("struct_concat", "All fields of all structs", "struct_concat({'i': 1}, {'s': 'text'})")
            .sees_nulls()
            .custom(&["(STRUCT...) -> STRUCT"], concat),
    );
    r.add(
        def("struct_insert", "A struct with further fields", "struct_insert({'a': 1}, b := 2)")
            .sees_nulls()
            .custom(&["(STRUCT, name := ANY...) -> STRUCT"], insert),
    );
    r.add(
        def("struct_update", "A struct with fields replaced or added", "struct_update({'a': 1}, a := 2)")
            .sees_nulls()
            .custom(&["(STRUCT, name := ANY...) -> STRUCT"], update),
    );
    r.add(
        def("struct_keys", "The names of the fields", "struct_keys({'a': 1, 'b': 2})")
            .custom(&["(STRUCT) -> VARCHAR[]"], keys),
    );
    r.add(
        def("struct_values", "The fields without their names", "struct_values({'a': 1, 'b': 'x'})")
            .custom(&["(STRUCT) -> STRUCT"], values),
    );
    r.add(
        def("struct_extract_at", "The field at a place, from 1", "struct_extract_at({'a': 1, 'b': 2}, 2)")
            .custom(&["(STRUCT, BIGINT) -> ANY"], extract_at),
    );
    r.add(
        def(
            "struct_contains",
            "Whether a struct without names contains a value",
            "struct_contains(row(3, 4), 4)",
        )
        .aliases(&["struct_has"])
        .sees_nulls()
        .custom(&["(STRUCT, ANY) -> BOOLEAN"], |args| {
            null_struct(args, LogicalType::Boolean).or_else(|| find(args, "struct_contains", false))
        }),
    );
    r.add(
        def(
            "struct_position",
            "The place, from 1, of a value in a struct without names; NULL if it is not there",
            "struct_position(row(3, 4), 4)",
        )
        .aliases(&["struct_indexof"])
        .sees_nulls()
        .custom(&["(STRUCT, ANY) -> INTEGER"], |args| {
            null_struct(args, LogicalType::Integer).or_else(|| find(args, "struct_position", true))
        }),
    );
}
