//! What objects of the catalog an expression needs, so that they are not dropped from under it.

use std::collections::BTreeSet;

use sqlparser::ast::{Expr as Syntax, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

use crate::catalog::{Namespace, ObjectId, TableDefinition};
use crate::sql::bind::Binder;
use crate::sql::bind::name::function_name;
use crate::sql::parser::{parse_expr, parse_name};
use crate::sql::sequences;
use crate::sql::session::ReadView;
use crate::sql::walk;

impl Binder<'_> {
    /// The objects that a table's defaults need: the sequences that they take values of.
    pub fn needs_of_table(&self, table: &TableDefinition) -> BTreeSet<ObjectId> {
        let mut needs = BTreeSet::new();
        let Some(names) = self.names_of_table(table) else { return needs };
        for default in table.columns.iter().filter_map(|c| c.default.as_deref()) {
            let Ok(default) = parse_expr(default) else { continue };
            walk::for_each_expression(&default, |expr| {
                needs.extend(sequence_name(expr).and_then(|name| own_sequence(&names, name)));
            });
        }
        needs
    }
}

/// The sequence of that name, if it is in the database that the statement is about.
fn own_sequence(names: &ReadView, text: &str) -> Option<ObjectId> {
    let name = parse_name(text).ok()?;
    let found = names.lookup(Namespace::Sequence, &name).ok()??;
    std::ptr::eq(found.database, names.focus()).then(|| found.object.id())
}

/// The name of the sequence, if the expression is a call of `nextval` or its kin.
fn sequence_name(expr: &Syntax) -> Option<&str> {
    let Syntax::Function(function) = expr else { return None };
    if !sequences::FUNCTIONS.contains(&function_name(&function.name).as_str()) {
        return None;
    }
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.first()? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Syntax::Value(value))) => match &value.value {
            Value::SingleQuotedString(name) => Some(name),
            _ => None,
        },
        _ => None,
    }
}
