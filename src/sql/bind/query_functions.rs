//! Table functions whose argument is SQL: `query('SELECT …')` and `query_table('t')`.

use arrow_array::cast::AsArray;
use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, Query, Spanned, Value};

use crate::column::scalar::Scalar;
use crate::sql::bind::{Binder, BoundQuery};
use crate::sql::error::{Result, SqlError};
use crate::sql::parser::{parse_name, parse_query, parse_single_query, tokens};
use crate::sql::stack;
use crate::sql::walk;

/// The names of the functions.
pub const QUERY_FUNCTIONS: &[&str] = &["query", "query_table"];

/// Queries in texts of queries, at most this deep.
const DEPTH_MAX: usize = 32;

impl Binder<'_> {
    /// Binds a call of one of these functions; `None` if it is of another.
    pub(super) fn bind_query_function(
        &mut self,
        name: &str,
        args: &[FunctionArg],
    ) -> Result<Option<BoundQuery>> {
        if !QUERY_FUNCTIONS.contains(&name) {
            return Ok(None);
        }
        let mut constants = vec![];
        for arg in args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => {
                    let mut e = e.clone();
                    if name == "query_table" {
                        walk::rewrite_expressions(&mut e, name_as_text);
                    }
                    constants.push(self.bind_constant(&e, name)?.0);
                }
                other => return Err(SqlError::binder(format!("{name} has no argument such as {other}"))),
            }
        }
        let query = match (name, &constants[..]) {
            ("query", [Scalar::Text(text)]) => {
                if !stack::Size::of(&tokens(text)?).fits_beside_another() {
                    return Err(SqlError::unsupported("the text of a query() is too big"));
                }
                parse_single_query(text).map_err(|e| SqlError { position: None, ..e })?
            }
            ("query_table", [tables]) => union_of(tables, false)?,
            ("query_table", [tables, Scalar::Boolean(by_name)]) => union_of(tables, *by_name)?,
            ("query", _) => return Err(SqlError::binder("query takes the text of a query")),
            _ => {
                return Err(SqlError::binder(
                    "query_table takes the names of tables, and whether to match columns by name",
                ));
            }
        };
        if self.macro_depth >= DEPTH_MAX {
            return Err(SqlError::binder(format!(
                "{name} leads to more than {DEPTH_MAX} queries in each other"
            )));
        }
        self.macro_depth += 1;
        // The text sees no CTEs of the statement that it is in.
        let ctes = self.ctes.take();
        let bound = self.bind_query(&query, None);
        self.ctes = ctes;
        self.macro_depth -= 1;
        // Places in the text mean nothing in the statement's.
        bound.map(Some).map_err(|e| SqlError { position: None, ..e })
    }
}

/// The name of a table, where it stands for itself, as a text.
fn name_as_text(expr: &mut Expr) {
    let (name, span) = match expr {
        Expr::Identifier(name) => (name.to_string(), name.span),
        Expr::CompoundIdentifier(names) => {
            let parts: Vec<String> = names.iter().map(ToString::to_string).collect();
            (parts.join("."), expr.span())
        }
        _ => return,
    };
    *expr = Expr::Value(Value::SingleQuotedString(name).with_span(span));
}

/// All rows of some tables.
fn union_of(tables: &Scalar, by_name: bool) -> Result<Box<Query>> {
    let names = match tables {
        Scalar::Text(name) => vec![name.to_string()],
        Scalar::Nested(list) => {
            let items = list.as_list_opt::<i32>().map(|list| list.value(0));
            let items = items.as_ref().and_then(|items| items.as_string_view_opt());
            let names: Option<Vec<_>> =
                items.and_then(|items| items.iter().map(|name| name.map(str::to_owned)).collect());
            names.ok_or_else(|| SqlError::binder("query_table takes the names of tables as text"))?
        }
        _ => return Err(SqlError::binder("query_table takes the names of tables as text")),
    };
    let mut text = String::new();
    for (i, name) in names.iter().enumerate() {
        if i > 0 {
            text.push_str(if by_name { " UNION ALL BY NAME " } else { " UNION ALL " });
        }
        text.push_str("FROM ");
        // It is a name and nothing else.
        text.push_str(&parse_name(name)?.to_string());
    }
    if names.is_empty() {
        return Err(SqlError::binder("query_table needs at least one table"));
    }
    parse_query(&text)
}
