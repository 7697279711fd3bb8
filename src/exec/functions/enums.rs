//! Functions of enums.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, StringViewArray};

use super::registry::{Registry, Resolution, def};
use super::{ArgInfo, ScalarKernel};
use crate::column::types::LogicalType;
use crate::exec::cast::nested::list_array;
use crate::exec::error::Result;
use crate::exec::eval::repeat;

type Names = Arc<[Box<str>]>;

fn names(arg: &ArgInfo) -> Option<&Names> {
    if let LogicalType::Enum(names) = &arg.ty { Some(names) } else { None }
}

fn one_of(args: &[ArgInfo], pick: fn(&Names) -> Option<String>) -> Option<Result<Resolution, String>> {
    let [arg] = args else { return None };
    let name = pick(names(arg)?);
    let array: ArrayRef = Arc::new(StringViewArray::from(vec![name]));
    let kernel: ScalarKernel = Box::new(move |_, _, rows, context| repeat(&array, rows, context));
    Some(Ok(Resolution { arg_types: vec![arg.ty.clone()], return_type: LogicalType::Varchar, kernel }))
}

fn list_of(names: &[Box<str>]) -> Result<ArrayRef> {
    let values: StringViewArray = names.iter().map(|n| Some(n.as_ref())).collect();
    let offsets = arrow_buffer::OffsetBuffer::from_lengths([names.len()]);
    list_array(&LogicalType::Varchar, offsets, Arc::new(values), None)
}

fn list_type() -> LogicalType {
    LogicalType::List(Box::new(LogicalType::Varchar))
}

fn all(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [arg] = args else { return None };
    let list = list_of(names(arg)?);
    let kernel: ScalarKernel = Box::new(move |_, _, rows, context| repeat(&list.clone()?, rows, context));
    Some(Ok(Resolution { arg_types: vec![arg.ty.clone()], return_type: list_type(), kernel }))
}

/// The values from one to another, both included; NULL for an end of the enum.
fn boundary(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [low, high] = args else { return None };
    let ty = if names(low).is_some() { &low.ty } else { &high.ty };
    let LogicalType::Enum(names) = ty else { return None };
    if [low, high].iter().any(|a| a.ty != *ty && a.ty != LogicalType::Null) {
        return Some(Err("Both arguments of enum_range_boundary must be of the same ENUM".into()));
    }
    let names = names.clone();
    let kernel: ScalarKernel = Box::new(move |args, ty, rows, _| {
        let place = |i: usize, row: usize| {
            let a = args[i].as_primitive::<UInt32Type>();
            let row = if a.len() == rows { row } else { 0 };
            a.is_valid(row).then(|| a.value(row) as usize)
        };
        let mut lists = Vec::with_capacity(rows);
        for row in 0..rows {
            let from = place(0, row).unwrap_or(0).min(names.len());
            let to = place(1, row).map_or(names.len(), |i| (i + 1).min(names.len()));
            lists.push(list_of(&names[from..to.max(from)])?);
        }
        if lists.is_empty() {
            return Ok(arrow_array::new_empty_array(&ty.arrow()));
        }
        Ok(arrow_select::concat::concat(&lists.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>())?)
    });
    Some(Ok(Resolution { arg_types: vec![ty.clone(), ty.clone()], return_type: list_type(), kernel }))
}

/// The position, in the smallest type that all positions fit.
fn code(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [arg] = args else { return None };
    let ret = match names(arg)?.len() {
        0..=0xFF => LogicalType::UTinyInt,
        0x100..=0xFFFF => LogicalType::USmallInt,
        _ => LogicalType::UInteger,
    };
    let kernel: ScalarKernel =
        Box::new(|args, ty, _, _| crate::exec::cast::cast(&args[0], &LogicalType::UInteger, ty, false));
    Some(Ok(Resolution { arg_types: vec![arg.ty.clone()], return_type: ret, kernel }))
}

pub(super) fn register(r: &mut Registry) {
    const ENUM: &[&str] = &["(ENUM) -> VARCHAR"];
    r.add(
        def("enum_code", "The position of an enum's value, from 0", "enum_code('b'::ENUM('a', 'b'))")
            .custom(&["(ENUM) -> UTINYINT"], code),
    );
    r.add(
        def("enum_first", "The first value of an enum", "enum_first(NULL::ENUM('a', 'b'))")
            .sees_nulls()
            .custom(ENUM, |args| one_of(args, |n| n.first().map(ToString::to_string))),
    );
    r.add(
        def("enum_last", "The last value of an enum", "enum_last(NULL::ENUM('a', 'b'))")
            .sees_nulls()
            .custom(ENUM, |args| one_of(args, |n| n.last().map(ToString::to_string))),
    );
    r.add(
        def("enum_range", "All values of an enum, as a list", "enum_range(NULL::ENUM('a', 'b'))")
            .sees_nulls()
            .custom(&["(ENUM) -> VARCHAR[]"], all),
    );
    r.add(
        def(
            "enum_range_boundary",
            "The values of an enum from one to another; NULL for its beginning or end",
            "enum_range_boundary(NULL, 'b'::ENUM('a', 'b', 'c'))",
        )
        .sees_nulls()
        .custom(&["(ENUM, ENUM) -> VARCHAR[]"], boundary),
    );
}
