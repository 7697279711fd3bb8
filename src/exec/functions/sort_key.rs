//! `create_sort_key`: bytes that compare as ORDER BY does.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::BinaryViewBuilder;

use super::registry::{Registry, Resolution, def};
use super::{ArgInfo, ScalarKernel};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::cast::variant::{comparable, comparable_type};
use crate::exec::eval::{flatten, repeat};
use crate::exec::expr::{Expr, SortKey};
use crate::exec::functions::room::Room;
use crate::exec::operators::sort::keys::KeyEncoder;

const PAIRS: &str =
    "Arguments to create_sort_key must be [key1, sort_specifier1, key2, sort_specifier2, ...]";

/// A key of that type, in the order that is said as `DESC NULLS LAST`.
fn key(ty: &LogicalType, order: &ArgInfo) -> Result<SortKey, String> {
    let Some(Scalar::Text(order)) = &order.literal else {
        return Err("the orders of create_sort_key must be constant texts".into());
    };
    let words: Vec<String> = order.split_ascii_whitespace().map(str::to_uppercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (descending, nulls) = match words[..] {
        ["ASC", ref nulls @ ..] => (false, nulls),
        ["DESC", ref nulls @ ..] => (true, nulls),
        _ => return Err("create_sort_key modifier must start with either ASC or DESC".into()),
    };
    let nulls_first = match nulls {
        ["NULLS", "FIRST"] => true,
        ["NULLS", "LAST"] => false,
        _ => return Err("create_sort_key modifier must end with either NULLS FIRST or NULLS LAST".into()),
    };
    Ok(SortKey { expr: Expr::literal(Scalar::Null, comparable_type(ty)), descending, nulls_first })
}

fn choose(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    if args.is_empty() {
        return None;
    }
    if args.len() % 2 == 1 {
        return Some(Err(PAIRS.into()));
    }
    let keys = args.chunks(2).map(|pair| key(&pair[0].ty, &pair[1])).collect::<Result<Vec<_>, _>>();
    let keys = match keys {
        Ok(keys) => keys,
        Err(message) => return Some(Err(message)),
    };
    let types: Vec<LogicalType> = args.iter().step_by(2).map(|a| a.ty.clone()).collect();
    let kernel: ScalarKernel = Box::new(move |args, _, rows, context| {
        let mut room = Room::new(context);
        let full = |(column, ty): (&ArrayRef, &LogicalType)| {
            let column = comparable(&flatten(column)?, ty, &mut |bytes| room.take(bytes))?;
            if column.len() == rows { Ok(column) } else { repeat(&column, rows, context) }
        };
        let columns = args.iter().step_by(2).zip(&types).map(full).collect::<Result<Vec<_>, _>>()?;
        let encoded = KeyEncoder::new(&keys)?.encode(&columns)?;
        let mut out = BinaryViewBuilder::with_capacity(rows);
        for row in &encoded {
            room.take(row.as_ref().len())?;
            out.try_append_value(row)?;
        }
        Ok(Arc::new(out.finish()))
    });
    let arg_types = args.iter().map(|a| a.ty.clone()).collect();
    Some(Ok(Resolution { arg_types, return_type: LogicalType::Blob, kernel }))
}

pub(super) fn register(r: &mut Registry) {
    r.add(
        def(
            "create_sort_key",
            "Bytes that compare as ORDER BY puts the values in order",
            "create_sort_key('a', 'ASC NULLS FIRST')",
        )
        .sees_nulls()
        .custom(&["(ANY, VARCHAR, ...) -> BLOB"], choose),
    );
}
