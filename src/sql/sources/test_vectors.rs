//! `test_vector_types(NULL::T, …)`: rows of any types, from the least to the greatest value, with NULLs. Where DuckDB
//! gives each of its kinds of vectors, here are the same rows.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringViewArray};

use crate::column::types::LogicalType as T;
use crate::exec::batch::{Batch, Field};
use crate::exec::cast::cast;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::{Source, TableFunctionArgs};
use crate::sql::sources::{StaticRows, all_types};

/// Three values of a type as texts.
type Three = [Option<String>; 3];

/// The rows of `test_vector_types()`: all, one twice, all again, and a sequence.
pub fn source(args: &TableFunctionArgs) -> Result<Arc<dyn Source>> {
    if args.positional.is_empty() {
        return Err(ExecError::InvalidInput(
            "test_vector_types takes a value of each type that it gives, such as NULL::INTEGER".into(),
        ));
    }
    if let Some((name, ..)) = args.named.iter().find(|(name, ..)| !name.eq_ignore_ascii_case("all_flat")) {
        return Err(ExecError::InvalidInput(format!("test_vector_types has no argument named \"{name}\"")));
    }
    let mut fields = vec![];
    let mut columns: Vec<ArrayRef> = vec![];
    let mut rows = 0;
    for (i, (_, ty)) in args.positional.iter().enumerate() {
        let ty = if *ty == T::Null { T::Integer } else { ty.clone() };
        let all = three(&ty)?;
        let sequence = in_sequence(&ty)?;
        let values = all.iter().chain([&all[0], &all[0]]).chain(&all).chain(&sequence);
        let texts: ArrayRef = Arc::new(StringViewArray::from_iter(values.map(Option::as_deref)));
        rows = texts.len();
        columns.push(cast(&texts, &T::Varchar, &ty, false)?);
        let name = if i == 0 { "test_vector".to_owned() } else { format!("test_vector{}", i + 1) };
        fields.push(Field::new(name, ty));
    }
    let batch = Batch::new(columns, rows);
    Ok(Arc::new(StaticRows::new("test_vector_types", fields.into(), vec![batch])))
}

/// The least value, the greatest, and NULL; of nested types values made of these.
fn three(ty: &T) -> Result<Three> {
    combine(ty, &|leaf| {
        let (least, greatest) = all_types::bounds(leaf)?;
        Some([Some(least), Some(greatest), None])
    })
}

/// As [`three`], with numbers that go up in the place of whole numbers.
fn in_sequence(ty: &T) -> Result<Three> {
    combine(ty, &|leaf| match leaf {
        T::Integer | T::BigInt => Some(["3", "5", "7"].map(|v| Some(v.to_owned()))),
        leaf => {
            let (least, greatest) = all_types::bounds(leaf)?;
            Some([Some(least), Some(greatest), None])
        }
    })
}

fn combine(ty: &T, leaf: &dyn Fn(&T) -> Option<Three>) -> Result<Three> {
    let quoted = |value: &Option<String>, ty: &T| match value {
        None => "NULL".to_owned(),
        Some(text) if ty.is_nested() => text.clone(),
        Some(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
    };
    Ok(match ty {
        T::List(item) => {
            let values = combine(item, leaf)?;
            let [a, b, c] = values.each_ref().map(|v| quoted(v, item));
            [format!("[{a}, {b}]"), "[]".into(), format!("[{c}]")].map(Some)
        }
        T::Struct(fields) => {
            let mut parts = [const { vec![] }; 3];
            for (name, ty) in fields.iter() {
                let values = combine(ty, leaf)?;
                for (part, value) in parts.iter_mut().zip(&values) {
                    let value = quoted(value, ty);
                    part.push(if name.is_empty() { value } else { format!("'{name}': {value}") });
                }
            }
            let is_row = fields.iter().all(|(name, _)| name.is_empty());
            parts.map(|parts| {
                let fields = parts.join(", ");
                Some(if is_row { format!("({fields})") } else { format!("{{{fields}}}") })
            })
        }
        other => leaf(other).ok_or_else(|| {
            ExecError::InvalidInput(format!("test_vector_types has no values of type {other}"))
        })?,
    })
}
