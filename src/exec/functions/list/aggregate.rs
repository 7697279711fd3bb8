//! Aggregates over the elements of lists.

use arrow_array::{Array, ArrayRef, UInt32Array};

use super::{Lists, item_type};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::aggregates::bind_aggregate;
use crate::exec::functions::registry::{Registry, Resolution, def};
use crate::exec::functions::{ArgInfo, BindError, ScalarKernel};

/// `list_aggregate(list, 'sum')`: each list is a group.
fn aggregate(list: &ArgInfo, name: &str, more: &[ArgInfo]) -> Result<Resolution, String> {
    let item = match &list.ty {
        LogicalType::List(_) | LogicalType::Array(..) => item_type(&list.ty),
        LogicalType::Null => LogicalType::Null,
        other => return Err(format!("list_aggregate takes a list, not {other}")),
    };
    let args: Vec<ArgInfo> = std::iter::once(ArgInfo::of(item)).chain(more.iter().cloned()).collect();
    let f = bind_aggregate(name, &args, false).map_err(|e| match e {
        BindError::Unknown(_) => format!("there is no aggregate function {name}"),
        BindError::NoMatch(m) => m,
    })?;
    let mut arg_types = vec![LogicalType::List(Box::new(f.arg_types[0].clone()))];
    arg_types.extend(f.arg_types[1..].iter().cloned());
    let return_type = f.return_type.clone();
    let kernel: ScalarKernel = Box::new(move |args, _, rows, _| {
        let lists = Lists::open(args, 0, rows)?;
        let (mut places, mut groups) = (vec![], vec![]);
        for row in (0..rows).filter(|r| !lists.is_null(*r)) {
            for i in lists.range(row) {
                places.push(i as u32);
                groups.push(row as u32);
            }
        }
        let mut columns = vec![arrow_select::take::take(lists.values(), &UInt32Array::from(places), None)?];
        for a in &args[1..] {
            let rows_of: UInt32Array =
                groups.iter().map(|g| if a.len() == rows { *g } else { 0 }).collect::<Vec<_>>().into();
            columns.push(arrow_select::take::take(a, &rows_of, None)?);
        }
        let mut states = (f.new_states)();
        states.resize(rows);
        states.update(&columns, &groups)?;
        let out = states.finish()?;
        // A NULL list has no result, whatever the aggregate makes of no rows.
        let missing = arrow_array::BooleanArray::from_iter((0..rows).map(|r| Some(lists.is_null(r))));
        Ok(arrow_select::nullif::nullif(&out, &missing)?)
    });
    Ok(Resolution { arg_types, return_type, kernel })
}

fn named_aggregate(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [list, name, more @ ..] = args else { return None };
    let Some(Scalar::Text(name)) = &name.literal else {
        return Some(Err("list_aggregate: the name of the aggregate must be a constant".into()));
    };
    Some(aggregate(list, name, more).map(|r| {
        let Resolution { mut arg_types, return_type, kernel } = r;
        arg_types.insert(1, LogicalType::Varchar);
        // The name has done its work.
        let kernel: ScalarKernel = Box::new(move |args, ty, rows, ctx| {
            let rest: Vec<ArrayRef> =
                args.iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, a)| a.clone()).collect();
            kernel(&rest, ty, rows, ctx)
        });
        Resolution { arg_types, return_type, kernel }
    }))
}

/// Aggregates that also come as `list_…` functions.
macro_rules! list_aggregates {
    ($r:ident: $($name:literal $of:literal),*) => {$(
        $r.add(
            def(concat!("list_", $name), concat!("Aggregate ", $name, " over the elements of a list"), concat!("list_", $name, "([1, 2, 3])"))
                .aliases(&[concat!("array_", $name)])
                .sees_nulls()
                .custom(&["(ANY[], ...) -> ANY"], |args| {
                    let [list, more @ ..] = args else { return None };
                    Some(aggregate(list, $of, more))
                }),
        );
    )*};
}

pub(super) fn register(r: &mut Registry) {
    r.add(
        def(
            "list_aggregate",
            "An aggregate, given by its name, over the elements of a list",
            "list_aggregate([1, 2, NULL], 'min')",
        )
        .aliases(&["list_aggr", "array_aggregate", "array_aggr", "aggregate"])
        .sees_nulls()
        .custom(&["(ANY[], VARCHAR, ...) -> ANY"], named_aggregate),
    );
    list_aggregates!(r: "sum" "sum", "avg" "avg", "min" "min", "max" "max", "count" "count", "first" "first",
        "last" "last", "median" "median", "stddev_samp" "stddev_samp", "stddev_pop" "stddev_pop",
        "var_samp" "var_samp", "var_pop" "var_pop", "any_value" "any_value", "product" "product", "mode" "mode",
        "bool_and" "bool_and", "bool_or" "bool_or", "bit_and" "bit_and", "bit_or" "bit_or", "bit_xor" "bit_xor",
        "string_agg" "string_agg", "approx_count_distinct" "approx_count_distinct", "histogram" "histogram",
        "entropy" "entropy", "kurtosis" "kurtosis", "skewness" "skewness", "mad" "mad", "sem" "sem");
}
