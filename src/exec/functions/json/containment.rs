//! `@>` of JSON values, as PostgreSQL has it: whether a value has all that another has, at the same places.

use std::collections::HashMap;

use crate::column::types::LogicalType as T;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::kernel::{Str, boolean};
use crate::exec::functions::registry::{Registry, def};
use crate::exec::json;

/// Values that nest more deeply are refused.
const DEPTH_MAX: usize = 500;

fn is_scalar(value: &str) -> bool {
    !value.trim_start().starts_with(['{', '['])
}

/// Whether two texts, numbers, booleans or NULLs are the same: numbers by their value.
fn same_scalar(a: &str, b: &str) -> bool {
    let (a, b) = (a.trim(), b.trim());
    if a == b {
        return true;
    }
    match (json::unquote(a), json::unquote(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => match (a.parse::<i128>(), b.parse::<i128>()) {
            (Ok(a), Ok(b)) => a == b,
            _ => a.parse::<f64>().is_ok_and(|a| b.parse::<f64>() == Ok(a)),
        },
        _ => false,
    }
}

/// Whether a value has all that the other has. The elements of an array may stand in any order, and often as they like.
fn contains(value: &str, other: &str, depth: usize) -> Result<bool> {
    if depth > DEPTH_MAX {
        return Err(ExecError::InvalidInput(format!("JSON that nests deeper than {DEPTH_MAX} levels")));
    }
    if is_scalar(value) || is_scalar(other) {
        return Ok(is_scalar(value) && is_scalar(other) && same_scalar(value, other));
    }
    if let (Some(members), Some(wanted)) = (json::members(value), json::members(other)) {
        let members: HashMap<String, &str> = members.into_iter().collect();
        for (key, wanted) in wanted {
            match members.get(&key) {
                Some(found) if contains(found, wanted, depth + 1)? => {}
                _ => return Ok(false),
            }
        }
        return Ok(true);
    }
    if let (Some(elements), Some(wanted)) = (json::elements(value), json::elements(other)) {
        for wanted in wanted {
            let mut found = false;
            for element in &elements {
                if contains(element, wanted, depth + 1)? {
                    found = true;
                    break;
                }
            }
            if !found {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    Ok(false)
}

/// The same at the top, where an array has the values that it is made of too.
fn contains_at_top(value: &str, other: &str) -> Result<bool> {
    match json::elements(value) {
        Some(elements) if is_scalar(other) => {
            Ok(elements.iter().any(|element| is_scalar(element) && same_scalar(element, other)))
        }
        _ => contains(value, other, 0),
    }
}

pub(super) fn register(r: &mut Registry) {
    r.add(
        def(
            "jsonb_contains",
            "Whether a JSON value has all that another has, at the same places, as the operator `@>` says",
            "jsonb_contains('{\"a\": [1, 2], \"b\": 3}', '{\"a\": [2]}')",
        )
        .map(&[T::Json, T::Json], T::Boolean, |_| {
            boolean::<(Str, Str)>(|(value, other)| contains_at_top(value, other).map(Some))
        }),
    );
}
