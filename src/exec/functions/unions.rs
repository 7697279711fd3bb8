//! Functions of unions.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt8Type;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array, new_null_array};

use super::registry::{Registry, Resolution, def};
use super::{ArgInfo, ScalarKernel};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::cast::unions::union_array;
use crate::exec::eval::repeat;

type Members = Arc<[(Box<str>, LogicalType)]>;

fn members(arg: &ArgInfo) -> Option<&Members> {
    if let LogicalType::Union(members) = &arg.ty { Some(members) } else { None }
}

/// `union_value(tag := value)`: the binder packs what is named into a struct.
fn value(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [arg] = args else { return None };
    let LogicalType::Struct(fields) = &arg.ty else { return None };
    let [member] = &fields[..] else { return Some(Err("union_value takes exactly one argument".into())) };
    let return_type = LogicalType::Union(Arc::from([member.clone()]));
    let kernel: ScalarKernel = Box::new(|args, ty, rows, context| {
        let value = args[0].as_struct().column(0);
        let value = if value.len() == rows { value.clone() } else { repeat(value, rows, context)? };
        union_array(ty, &vec![Some(0); rows], vec![value])
    });
    Some(Ok(Resolution { arg_types: vec![arg.ty.clone()], return_type, kernel }))
}

/// `union_tag(u)`: the name of the member, as an enum of all of them.
fn tag(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [arg] = args else { return None };
    if arg.ty == LogicalType::Null {
        return Some(Ok(null(args)));
    }
    let names: Arc<[Box<str>]> = members(arg)?.iter().map(|(name, _)| name.clone()).collect();
    let kernel: ScalarKernel = Box::new(|args, _, _, _| {
        let union = args[0].as_struct();
        let tags = union.column(0).as_primitive::<UInt8Type>();
        let codes = tags.values().iter().map(|tag| u32::from(*tag)).collect::<Vec<_>>();
        Ok(Arc::new(UInt32Array::new(codes.into(), union.nulls().cloned())))
    });
    Some(Ok(Resolution { arg_types: vec![arg.ty.clone()], return_type: LogicalType::Enum(names), kernel }))
}

/// `union_extract(u, 'member')` and `u.member`: the value if it is of that member.
fn extract(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [arg, key] = args else { return None };
    if arg.ty == LogicalType::Null {
        return Some(Ok(null(args)));
    }
    let members = members(arg)?;
    let Some(Scalar::Text(name)) = &key.literal else {
        return Some(Err("union_extract: the key must be a constant text".into()));
    };
    let Some(at) = members.iter().position(|(n, _)| n.eq_ignore_ascii_case(name)) else {
        let names: Vec<&str> = members.iter().map(|(n, _)| &**n).collect();
        let found =
            format!("Could not find key \"{name}\" in union. Candidate entries: {}", names.join(", "));
        return Some(Err(found));
    };
    let kernel: ScalarKernel = Box::new(move |args, _, _, _| {
        let union = args[0].as_struct();
        let column = union.column(at + 1);
        match union.nulls().filter(|n| n.null_count() > 0) {
            None => Ok(column.clone()),
            Some(nulls) => {
                Ok(arrow_select::nullif::nullif(column, &BooleanArray::new(!nulls.inner(), None))?)
            }
        }
    });
    Some(Ok(Resolution {
        arg_types: vec![arg.ty.clone(), LogicalType::Varchar],
        return_type: members[at].1.clone(),
        kernel,
    }))
}

/// NULL has no member.
fn null(args: &[ArgInfo]) -> Resolution {
    let kernel: ScalarKernel = Box::new(|_, ty, rows, _| Ok(new_null_array(&ty.arrow(), rows) as ArrayRef));
    Resolution {
        arg_types: args.iter().map(|a| a.ty.clone()).collect(),
        return_type: LogicalType::Null,
        kernel,
    }
}

pub(super) fn register(r: &mut Registry) {
    r.add(
        def("union_value", "A union with a single member, which is the value", "union_value(k := 'hello')")
            .sees_nulls()
            .custom(&["(name := ANY) -> UNION"], value),
    );
    r.add(
        def(
            "union_tag",
            "The name of the member that a union's value is of",
            "union_tag(union_value(k := 'hello'))",
        )
        .custom(&["(UNION) -> ENUM"], tag),
    );
    r.add(
        def(
            "union_extract",
            "The value of a union if it is of this member, else NULL",
            "union_extract(union_value(k := 'hello'), 'k')",
        )
        .custom(&["(UNION, VARCHAR) -> ANY"], extract),
    );
}
