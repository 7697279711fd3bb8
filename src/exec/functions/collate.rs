//! Values that compare by keys that are made of them: texts with a collation, as `'a' COLLATE NOCASE`, and VARIANTs.

use std::sync::Arc;

use super::{ArgInfo, BindError, BoundScalar, ScalarFunction, registry};
use crate::column::types::LogicalType;
use crate::exec::cast::variant;
use crate::exec::eval::repeat;
use crate::exec::expr::Expr;

/// The name of the function that only says by which collation a text compares.
const NAME: &str = "collate";

/// A text that compares by the keys that `key` makes of texts, and is otherwise itself. `key` is over one column.
pub fn collated(value: Expr, key: Expr) -> Expr {
    let function = ScalarFunction {
        name: NAME,
        strict: true,
        volatile: false,
        kernel: Box::new(|args, _, rows, context| {
            if args[0].len() == rows { Ok(args[0].clone()) } else { repeat(&args[0], rows, context) }
        }),
        lambda: Some(Arc::new(key)),
    };
    Expr::Call { function: Arc::new(function), args: vec![value], ty: LogicalType::Varchar }
}

/// The text itself, and what makes the keys that it compares by, if it has a collation.
pub fn collation(value: &Expr) -> Option<(&Expr, &Expr)> {
    let Expr::Call { function, args, .. } = value else { return None };
    match (&function.lambda, &args[..]) {
        (Some(key), [text]) if function.name == NAME => Some((text, key)),
        _ => None,
    }
}

/// What a value compares by: itself, unless it is a text with a collation, or is or has VARIANTs.
pub fn comparison_key(value: Expr) -> Expr {
    match collation(&value) {
        Some((text, key)) => apply(key, text),
        None => variant_key(value),
    }
}

/// Whether values of a type compare by keys that are made of them, whatever collations say.
pub fn has_variant(ty: &LogicalType) -> bool {
    variant::is_within(ty)
}

/// The value with keys in the place of VARIANTs.
pub fn variant_key(value: Expr) -> Expr {
    let ty = value.ty();
    if !has_variant(&ty) {
        return value;
    }
    let bound = registry::bind("variant_comparator", &[ArgInfo::of(ty)]);
    let bound: BoundScalar = bound.expect("there are keys of whatever has VARIANTs");
    Expr::Call { function: bound.function, args: vec![value], ty: bound.return_type }
}

/// A value that does not compare by itself, without its collation, and what it compares by.
pub fn compared_by_key(value: &Expr) -> Option<(Expr, Expr)> {
    match collation(value) {
        Some((text, key)) => Some((text.clone(), apply(key, text))),
        None => has_variant(&value.ty()).then(|| (value.clone(), variant_key(value.clone()))),
    }
}

/// `key` of a text.
pub fn apply(key: &Expr, text: &Expr) -> Expr {
    match key {
        Expr::Column { .. } => text.clone(),
        other => {
            let mut out = other.clone();
            for child in out.children_mut() {
                *child = apply(child, text);
            }
            out
        }
    }
}

/// The name of the collation whose key this is.
pub fn collation_name(key: &Expr) -> String {
    let mut parts = vec![];
    let mut at = key;
    while let Expr::Call { function, args, .. } = at {
        match function.name {
            "lower" => parts.push("NOCASE"),
            "strip_accents" => parts.push("NOACCENT"),
            _ => {}
        }
        let Some(inner) = args.first() else { break };
        at = inner;
    }
    parts.reverse();
    if parts.is_empty() { "BINARY".into() } else { parts.join(".") }
}

/// The key of a collation over one column, or `None` if there is none of that name. Names may be chained with dots.
pub fn collation_key(name: &str) -> Option<Expr> {
    let mut key = Expr::Column { index: 0, ty: LogicalType::Varchar };
    for part in name.split('.') {
        let function = match part.to_ascii_lowercase().as_str() {
            "nocase" => "lower",
            "noaccent" => "strip_accents",
            "binary" | "c" | "posix" => continue,
            _ => return None,
        };
        let bound: Result<_, BindError> = registry::bind(function, &[ArgInfo::of(LogicalType::Varchar)]);
        let bound = bound.ok()?;
        key = Expr::Call { function: bound.function, args: vec![key], ty: bound.return_type };
    }
    Some(key)
}
