//! What fits nowhere else: types, hashes, identifiers, greatest and least.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringViewArray, UInt64Array};

use super::ScalarKernel;
use super::registry::{CallSite, P, R, Registry, def};
use crate::column::types::LogicalType;
use crate::exec::cast::text::Writer;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::repeat;
use crate::exec::eval::{Side, compare};
use crate::exec::expr::CompareOp;

fn constant_text(s: String) -> ScalarKernel {
    let array: ArrayRef = Arc::new(StringViewArray::from(vec![s]));
    Box::new(move |_, _, _, _| Ok(array.clone()))
}

/// The greatest or least of the arguments that are not NULL.
fn extreme(greatest: bool) -> ScalarKernel {
    Box::new(move |args, _, rows, context| {
        let full = |a: &ArrayRef| if a.len() == rows { Ok(a.clone()) } else { repeat(a, rows, context) };
        let mut best = full(&args[0])?;
        let op = if greatest { CompareOp::Gt } else { CompareOp::Lt };
        for next in &args[1..] {
            let next = full(next)?;
            let side = |array| Side { array, constant: false };
            let wins = compare(op, side(&next), side(&best), rows)?;
            let wins = wins.as_boolean();
            // A value beats NULL, NULL beats nothing.
            let (bn, nn) = (best.logical_nulls(), next.logical_nulls());
            let take_next: arrow_array::BooleanArray = (0..rows)
                .map(|i| {
                    let best_null = bn.as_ref().is_some_and(|n| n.is_null(i));
                    let next_null = nn.as_ref().is_some_and(|n| n.is_null(i));
                    Some(!next_null && (best_null || wins.value(i)))
                })
                .collect();
            best = arrow_select::zip::zip(&take_next, &next, &best)?;
        }
        Ok(best)
    })
}

/// A hash of the text form of all arguments with their types: the same for equal values.
fn hash_kernel(site: &CallSite<'_>) -> ScalarKernel {
    let types = site.types.to_vec();
    Box::new(move |args, _, rows, _| {
        let state = foldhash::quality::FixedState::with_seed(0x666c_7578);
        let writers: Vec<Writer<'_>> =
            args.iter().zip(&types).map(|(a, t)| Writer::new(a, t)).collect::<Result<_>>()?;
        let mut buffer = String::new();
        let values: Vec<u64> = (0..rows)
            .map(|row| {
                let mut hasher = state.build_hasher();
                for (a, w) in args.iter().zip(&writers) {
                    let row = if a.len() == rows { row } else { 0 };
                    buffer.clear();
                    if w.is_null(row) {
                        hasher.write_u8(0);
                    } else {
                        w.write(row, &mut buffer);
                        hasher.write_u8(1);
                        hasher.write(buffer.as_bytes());
                    }
                }
                hasher.finish()
            })
            .collect();
        Ok(Arc::new(UInt64Array::from(values)))
    })
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let s = T::Varchar;
    fn type_name(site: &CallSite<'_>, lower: bool) -> ScalarKernel {
        let name = site.types[0].to_string();
        let name = if lower { name.to_lowercase() } else { name };
        let array: ArrayRef = Arc::new(StringViewArray::from(vec![name]));
        Box::new(move |_, _, rows, context| repeat(&array, rows, context))
    }
    r.add(def("typeof", "The type of the argument", "typeof(1)").sees_nulls().on(
        [P::Any],
        R::T(s.clone()),
        |site| type_name(site, false),
    ));
    r.add(def("pg_typeof", "The type of the argument, in lower case", "pg_typeof(1)").sees_nulls().on(
        [P::Any],
        R::T(s.clone()),
        |site| type_name(site, true),
    ));
    r.add(
        def("greatest", "The greatest of the arguments that are not NULL", "greatest(42, 84)")
            .sees_nulls()
            .variadic([P::Same], P::Same, R::Same, |_| extreme(true)),
    );
    r.add(
        def("least", "The least of the arguments that are not NULL", "least(42, 84)").sees_nulls().variadic(
            [P::Same],
            P::Same,
            R::Same,
            |_| extreme(false),
        ),
    );
    r.add(def("hash", "A hash of the arguments, 64 bits", "hash('🦆')").sees_nulls().variadic(
        [P::Any],
        P::Any,
        R::T(T::UBigInt),
        hash_kernel,
    ));
    r.add(def("error", "Fails with a message", "error('access denied')").volatile().map(
        &[s.clone()],
        T::Null,
        |_| {
            Box::new(|args, ty, rows, _| {
                let messages = args[0].as_string_view();
                match messages.iter().flatten().next() {
                    Some(m) => Err(ExecError::InvalidInput(m.to_owned())),
                    None => Ok(arrow_array::new_null_array(&ty.arrow(), rows)),
                }
            })
        },
    ));
    r.add(
        def("version", "The version of the database engine", "version()")
            .map(&[], s.clone(), |_| constant_text(format!("v{}", env!("CARGO_PKG_VERSION")))),
    );
}
