//! Functions that make JSON, or check it.

use arrow_array::Array;
use arrow_array::cast::AsArray;

use crate::column::types::LogicalType;
use crate::exec::cast::{self, text::Writer};
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::kernel::{Str, boolean, text};
use crate::exec::functions::registry::{CallSite, P, R, Registry, Resolution, def};
use crate::exec::functions::room::Texts;
use crate::exec::functions::{ArgInfo, ScalarKernel};
use crate::exec::json;

/// Values as JSON, if their type is of a kind.
fn of_kind_to_json(
    args: &[ArgInfo],
    is_kind: fn(&LogicalType) -> bool,
    otherwise: &str,
) -> Option<Result<Resolution, String>> {
    let [value] = args else { return None };
    let ty = value.ty.clone();
    if ty != LogicalType::Null && !is_kind(&ty) {
        return Some(Err(otherwise.into()));
    }
    let kernel = to_json(ty.clone());
    Some(Ok(Resolution { arg_types: vec![ty], return_type: LogicalType::Json, kernel }))
}

/// Values of a type as JSON.
fn to_json(ty: LogicalType) -> ScalarKernel {
    Box::new(move |args, _, _, ctx| {
        // A text becomes a JSON string; only other casts read it as JSON.
        if ty == LogicalType::Varchar {
            let mut out = Texts::new(args[0].len(), ctx);
            let mut buffer = String::new();
            for s in args[0].as_string_view() {
                match s {
                    None => out.push_null(),
                    Some(s) => {
                        buffer.clear();
                        cast::text::json_string(s, &mut buffer);
                        out.push(&buffer)?;
                    }
                }
            }
            return Ok(out.finish());
        }
        cast::cast_in(&args[0], &ty, &LogicalType::Json, cast::Mode { or_null: false, zone: &ctx.zone })
    })
}

fn json_make(site: &CallSite<'_>, object: bool) -> ScalarKernel {
    let types = site.types.to_vec();
    Box::new(move |args, _, rows, ctx| {
        if object && args.len() % 2 != 0 {
            return Err(ExecError::InvalidInput("json_object() requires an even number of arguments".into()));
        }
        let writers: Vec<Writer<'_>> =
            args.iter().zip(&types).map(|(a, t)| Writer::in_zone(a, t, &ctx.zone)).collect::<Result<_>>()?;
        let mut out = Texts::new(rows, ctx);
        let (mut buffer, mut key) = (String::new(), String::new());
        for row in 0..rows {
            buffer.clear();
            buffer.push(if object { '{' } else { '[' });
            for (i, (a, w)) in args.iter().zip(&writers).enumerate() {
                let row = if a.len() == rows { row } else { 0 };
                if object && i % 2 == 0 {
                    if i > 0 {
                        buffer.push(',');
                    }
                    key.clear();
                    if w.is_null(row) {
                        return Err(ExecError::InvalidInput("json_object() keys cannot be NULL".into()));
                    }
                    w.write(row, &mut key);
                    cast::text::json_string(&key, &mut buffer);
                    buffer.push(':');
                } else {
                    if !object && i > 0 {
                        buffer.push(',');
                    }
                    w.write_sql_json(row, &mut buffer);
                }
            }
            buffer.push(if object { '}' } else { ']' });
            out.push(&buffer)?;
        }
        Ok(out.finish())
    })
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let s = T::Varchar;
    r.add(def("json_valid", "Whether a text is JSON", "json_valid('{}')").map(
        &[s.clone()],
        T::Boolean,
        |_| boolean::<(Str,)>(|(j,)| Ok(Some(cast::parse::check_json(j).is_ok()))),
    ));
    r.add(def("json", "JSON without blanks", "json('{\"a\" : 1}')").map(&[T::Json], T::Json, |_| {
        text::<(Str,)>(|(j,), out| {
            json::compact(j, out);
            Ok(true)
        })
    }));
    r.add(def("to_json", "Any value as JSON", "to_json([1, 2])").aliases(&["json_quote", "to_jsonb"]).on(
        [P::Any],
        R::T(T::Json),
        |site| to_json(site.types[0].clone()),
    ));
    r.add(def("array_to_json", "A list as JSON", "array_to_json([1, 2])").custom(
        &["(ANY[]) -> JSON"],
        |args| {
            let is_list = |ty: &T| matches!(ty, T::List(_) | T::Array(..));
            of_kind_to_json(args, is_list, "array_to_json() argument type must be LIST or ARRAY")
        },
    ));
    r.add(def("row_to_json", "A struct as JSON", "row_to_json({'a': 1})").custom(
        &["(STRUCT) -> JSON"],
        |args| {
            let is_struct = |ty: &T| matches!(ty, T::Struct(_));
            of_kind_to_json(args, is_struct, "row_to_json() argument type must be STRUCT")
        },
    ));
    r.add(
        def("json_object", "A JSON object of keys and values", "json_object('duck', 42)")
            .aliases(&["json_build_object", "jsonb_build_object"])
            .sees_nulls()
            .variadic([], P::Any, R::T(T::Json), |site| json_make(site, true)),
    );
    r.add(
        def("json_array", "A JSON array of the arguments", "json_array(1, 'x')")
            .aliases(&["json_build_array", "jsonb_build_array"])
            .sees_nulls()
            .variadic([], P::Any, R::T(T::Json), |site| json_make(site, false)),
    );
}
