//! `switch(key, MAP {value: result, …}, otherwise)`: a CASE as a call.

use std::collections::HashSet;

use sqlparser::ast::{CaseWhen, Expr as Syntax, FunctionArg, FunctionArgExpr, FunctionArguments};

use crate::column::scalar::Scalar;
use crate::exec::expr::Expr;
use crate::sql::bind::Binder;
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::name::function_name;
use crate::sql::error::{Result, SqlError};

impl Binder<'_> {
    /// Binds a call of `switch`. Without a key the keys of the map are the conditions.
    pub(super) fn bind_switch(&mut self, args: &[&Syntax], cx: &mut ExprContext<'_>) -> Result<Expr> {
        let (key, map, otherwise) = match *args {
            [map] => (None, map, None),
            [map, otherwise] if cases_of(otherwise).is_none() => (None, map, Some(otherwise)),
            [key, map] => (Some(key), map, None),
            [key, map, otherwise] => (Some(key), map, Some(otherwise)),
            _ => {
                return Err(SqlError::binder(
                    "switch takes a key, a map of cases, and a value for all other keys",
                ));
            }
        };
        let Some(cases) = cases_of(map) else {
            return Err(SqlError::binder("SWITCH expected a constant map for the cases").at(map));
        };
        if cases.is_empty() {
            return Err(SqlError::binder("No values provided for SWITCH expression").at(map));
        }
        let mut seen = HashSet::new();
        for case in &cases {
            let (value, _) = self.bind_constant(&case.condition, "a key of the cases of SWITCH")?;
            if value == Scalar::Null {
                return Err(SqlError::invalid("Map keys can not be NULL.").at(&case.condition));
            }
            if !seen.insert(format!("{value:?}")) {
                return Err(SqlError::invalid("Map keys must be unique.").at(&case.condition));
            }
        }
        self.bind_case(key, &cases, otherwise, cx)
    }
}

/// The cases of `MAP {key: value, …}` or `map([key, …], [value, …])`.
fn cases_of(map: &Syntax) -> Option<Vec<CaseWhen>> {
    let case = |(condition, result): (&Syntax, &Syntax)| CaseWhen {
        condition: condition.clone(),
        result: result.clone(),
    };
    match map {
        Syntax::Nested(inner) => cases_of(inner),
        Syntax::Map(map) => Some(map.entries.iter().map(|e| case((&*e.key, &*e.value))).collect()),
        Syntax::Function(f) if function_name(&f.name) == "map" => {
            let FunctionArguments::List(list) = &f.args else { return None };
            match &list.args[..] {
                [] => Some(vec![]),
                [
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(Syntax::Array(keys))),
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(Syntax::Array(values))),
                ] if keys.elem.len() == values.elem.len() => {
                    Some(keys.elem.iter().zip(&values.elem).map(case).collect())
                }
                _ => None,
            }
        }
        _ => None,
    }
}
