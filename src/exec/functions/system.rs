//! Functions that tools for PostgreSQL ask for, and others about the engine. There are no roles here: everyone may
//! do everything.

use std::sync::Arc;

use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, BooleanArray, Int32Array, new_null_array};

use super::ScalarKernel;
use super::kernel::{Str, text};
use super::registry::{P, R, Registry, Resolution, def};
use crate::column::types::LogicalType;
use crate::exec::coerce::implicit_cast_cost;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::repeat;

fn constant(array: ArrayRef) -> ScalarKernel {
    Box::new(move |_, _, rows, context| repeat(&array, rows, context))
}

fn truth(value: bool) -> ScalarKernel {
    constant(Arc::new(BooleanArray::from(vec![value])))
}

fn null() -> ScalarKernel {
    Box::new(|_, ty, rows, _| Ok(new_null_array(&ty.arrow(), rows)))
}

/// The name of a type by its number in PostgreSQL's catalog.
fn type_of_oid(oid: i64) -> &'static str {
    match oid {
        16 => "bool",
        17 => "bytea",
        20 => "int8",
        21 => "int2",
        23 => "int4",
        25 => "text",
        114 => "json",
        700 => "float4",
        701 => "float8",
        1042 => "bpchar",
        1043 => "varchar",
        1082 => "date",
        1083 => "time",
        1114 => "timestamp",
        1184 => "timestamptz",
        1186 => "interval",
        1266 => "timetz",
        1560 => "bit",
        1700 => "numeric",
        2950 => "uuid",
        _ => "unknown",
    }
}

/// A type with each part of it that is `from` made `to`.
fn replaced(ty: &LogicalType, from: &LogicalType, to: &LogicalType) -> LogicalType {
    use LogicalType as T;
    let fields = |fields: &[(Box<str>, T)]| {
        fields.iter().map(|(name, ty)| (name.clone(), replaced(ty, from, to))).collect()
    };
    match ty {
        ty if ty == from => to.clone(),
        T::List(item) => T::List(Box::new(replaced(item, from, to))),
        T::Array(item, size) => T::Array(Box::new(replaced(item, from, to)), *size),
        T::Map(key, value) => T::Map(Box::new(replaced(key, from, to)), Box::new(replaced(value, from, to))),
        T::Struct(of) => T::Struct(fields(of)),
        T::Union(of) => T::Union(fields(of)),
        ty => ty.clone(),
    }
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    macro_rules! privileges {
        ($($name:literal)*) => {$(
            r.add(
                def($name, "Whether someone may do something: always true", concat!($name, "('x', 'select')"))
                    .sees_nulls()
                    .on([P::Any, P::Any], R::T(T::Boolean), |_| truth(true))
                    .on([P::Any, P::Any, P::Any], R::T(T::Boolean), |_| truth(true))
                    .on([P::Any, P::Any, P::Any, P::Any], R::T(T::Boolean), |_| truth(true)),
            );
        )*};
    }
    privileges! {
        "has_any_column_privilege" "has_column_privilege" "has_database_privilege"
        "has_foreign_data_wrapper_privilege" "has_function_privilege" "has_language_privilege"
        "has_schema_privilege" "has_sequence_privilege" "has_server_privilege" "has_table_privilege"
        "has_tablespace_privilege" "pg_has_role"
    }
    macro_rules! visible {
        ($($name:literal)*) => {$(
            r.add(
                def($name, "Whether an object can be seen: always true", concat!($name, "(1)"))
                    .sees_nulls()
                    .on([P::Any], R::T(T::Boolean), |_| truth(true)),
            );
        )*};
    }
    visible! {
        "pg_collation_is_visible" "pg_conversion_is_visible" "pg_function_is_visible" "pg_opclass_is_visible"
        "pg_operator_is_visible" "pg_opfamily_is_visible" "pg_table_is_visible" "pg_ts_config_is_visible"
        "pg_ts_dict_is_visible" "pg_ts_parser_is_visible" "pg_ts_template_is_visible" "pg_type_is_visible"
    }
    macro_rules! unknown {
        ($($name:literal $count:literal;)*) => {$(
            r.add(
                def($name, "What PostgreSQL knows and this database does not: NULL", concat!($name, "()"))
                    .sees_nulls()
                    .on(vec![P::Any; $count], R::T(T::Varchar), |_| null()),
            );
        )*};
    }
    unknown! {
        "inet_client_addr" 0; "inet_client_port" 0; "inet_server_addr" 0; "inet_server_port" 0;
        "obj_description" 2; "shobj_description" 2; "col_description" 2; "pg_get_viewdef" 1;
    }
    r.add(def("pg_get_expr", "The text of an expression, which is text already", "pg_get_expr('a', 1)").map(
        &[T::Varchar, T::BigInt],
        T::Varchar,
        |_| Box::new(|args, _, rows, context| repeat_if_one(&args[0], rows, context)),
    ));
    r.add(
        def("pg_my_temp_schema", "The number of the schema of temporary tables: 0", "pg_my_temp_schema()")
            .map(&[], T::Integer, |_| constant(Arc::new(Int32Array::from(vec![0])))),
    );
    r.add(
        def(
            "pg_is_other_temp_schema",
            "Whether a schema is another session's: always false",
            "pg_is_other_temp_schema(1)",
        )
        .sees_nulls()
        .on([P::Any], R::T(T::Boolean), |_| truth(false)),
    );
    r.add(
        def("format_type", "The name of a type by its number in PostgreSQL", "format_type(23, NULL)")
            .aliases(&["format_pg_type"])
            .sees_nulls()
            .map(&[T::BigInt, T::Integer], T::Varchar, |_| {
                let name = text::<(Int64Type,)>(|(oid,), out| {
                    out.push_str(type_of_oid(oid));
                    Ok(true)
                });
                Box::new(move |args, ty, rows, ctx| name(&args[..1], ty, rows, ctx))
            }),
    );
    r.add(
        def(
            "in_search_path",
            "Whether objects of a schema are found by their bare names",
            "in_search_path('fluxdb', 'main')",
        )
        .map(&[T::Varchar, T::Varchar], T::Boolean, |_| {
            super::kernel::boolean::<(Str, Str)>(|(_, schema)| Ok(Some(schema.eq_ignore_ascii_case("main"))))
        }),
    );
    r.add(
        def(
            "can_cast_implicitly",
            "Whether values of the first type become the second's by themselves",
            "can_cast_implicitly(1::INTEGER, 1::BIGINT)",
        )
        .sees_nulls()
        .on([P::Any, P::Any], R::T(T::Boolean), |site| {
            truth(implicit_cast_cost(&site.types[0], &site.types[1]).is_some())
        }),
    );
    r.add(
        def("constant_or_null", "The first argument; NULL where another is", "constant_or_null(1, 2)")
            .variadic([P::Any, P::Any], P::Any, R::Arg(0), |_| {
                Box::new(|args, ty, rows, context| match super::kernel::nulls_of(args, rows) {
                    super::kernel::Nulls::All => Ok(new_null_array(&ty.arrow(), rows)),
                    super::kernel::Nulls::None => repeat_if_one(&args[0], rows, context),
                    super::kernel::Nulls::Some(nulls) => {
                        let all = repeat_if_one(&args[0], rows, context)?;
                        let missing = BooleanArray::new(!nulls.inner(), None);
                        Ok(arrow_select::nullif::nullif(&all, &missing)?)
                    }
                })
            }),
    );
    r.add(
        def(
            "cast_to_type",
            "The first argument as the type of the second",
            "cast_to_type('42', NULL::INTEGER)",
        )
        .sees_nulls()
        .on([P::Any, P::Any], R::Arg(1), |site| {
            let from = site.types[0].clone();
            Box::new(move |args, ty, _, ctx| {
                let mode = crate::exec::cast::Mode { or_null: false, zone: &ctx.zone };
                crate::exec::cast::cast_in(&args[0], &from, ty, mode)
            })
        }),
    );
    r.add(
        def(
            "replace_type",
            "A value with every part of the type of the second argument as that of the third",
            "replace_type([1, 2], NULL::INTEGER, NULL::BIGINT)",
        )
        .sees_nulls()
        .custom(&["(ANY, ANY, ANY) -> ANY"], |args| {
            let [value, from, to] = args else { return None };
            let arg_types = [value, from, to].map(|arg| arg.ty.clone());
            let [own, from, to] = &arg_types;
            let own = own.clone();
            let return_type = replaced(&own, from, to);
            let kernel: ScalarKernel = Box::new(move |args, ty, _, ctx| {
                let mode = crate::exec::cast::Mode { or_null: false, zone: &ctx.zone };
                crate::exec::cast::cast_in(&args[0], &own, ty, mode)
            });
            Some(Ok(Resolution { arg_types: arg_types.to_vec(), return_type, kernel }))
        }),
    );
    for name in ["pg_sleep", "sleep_ms"] {
        let by = if name == "pg_sleep" { 1_000.0 } else { 1.0 };
        r.add(
            def(
                name,
                "Waits: pg_sleep seconds, sleep_ms milliseconds",
                if by > 1.0 { "pg_sleep(0.1)" } else { "sleep_ms(100)" },
            )
            .volatile()
            .map(
                &[T::Double],
                T::Null,
                if by > 1.0 { |_| sleep(1_000.0) } else { |_| sleep(1.0) },
            ),
        );
    }
    r.add(
        def("assert_true", "Fails unless the argument is true", "assert_true(1 < 2)")
            .sees_nulls()
            .volatile()
            .map(&[T::Boolean], T::Null, |_| assertion())
            .map(&[T::Boolean, T::Varchar], T::Null, |_| assertion()),
    );
    r.add(def("get_block_size", "The size of a block of a database", "get_block_size('fluxdb')").map(
        &[T::Varchar],
        T::Integer,
        |_| constant(Arc::new(Int32Array::from(vec![16_384]))),
    ));
}

fn repeat_if_one(array: &ArrayRef, rows: usize, context: &ExecContext) -> Result<ArrayRef> {
    if array.len() == rows { Ok(array.clone()) } else { repeat(array, rows, context) }
}

/// Waits for the sum of all rows, in steps, so that a cancelled query ends.
fn sleep(millis_each: f64) -> ScalarKernel {
    Box::new(move |args, ty, rows, ctx| {
        use arrow_array::cast::AsArray;
        let values = args[0].as_primitive::<Float64Type>();
        let times = if values.len() == rows { 1.0 } else { rows as f64 };
        let mut left: f64 = values.iter().flatten().filter(|v| *v > 0.0).sum::<f64>() * millis_each * times;
        while left > 0.0 {
            ctx.check_cancelled()?;
            let step = left.min(10.0);
            std::thread::sleep(std::time::Duration::from_micros((step * 1_000.0) as u64));
            left -= step;
        }
        Ok(new_null_array(&ty.arrow(), rows))
    })
}

fn assertion() -> ScalarKernel {
    Box::new(|args, ty, rows, _| {
        use arrow_array::cast::AsArray;
        let holds = args[0].as_boolean();
        if let Some(row) = (0..holds.len()).find(|row| holds.is_null(*row) || !holds.value(*row)) {
            let message = args.get(1).map(|m| m.as_string_view()).filter(|m| !m.is_empty());
            let message =
                message.map_or("Assertion failed", |m| m.value(if m.len() == rows { row } else { 0 }));
            return Err(ExecError::InvalidInput(message.to_owned()));
        }
        Ok(new_null_array(&ty.arrow(), rows))
    })
}
