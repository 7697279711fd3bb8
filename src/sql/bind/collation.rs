//! By what texts compare: the collations of columns and of the session.

use sqlparser::ast::ObjectName;

use crate::catalog::TableDefinition;
use crate::column::types::LogicalType;
use crate::exec::expr::Expr;
use crate::exec::functions::{apply, collated, collation, collation_key};
use crate::sql::bind::Binder;
use crate::sql::error::{Result, SqlError};
use crate::sql::plan::Column;

/// The name of a collation, whose parts may be chained with dots, and what makes the keys that texts compare by.
pub fn collation_named(name: &ObjectName) -> Result<(String, Expr)> {
    let parts = name.0.iter().filter_map(|p| p.as_ident()).map(|i| i.value.as_str());
    let text = parts.collect::<Vec<_>>().join(".");
    let key = collation_key(&text).ok_or_else(|| {
        SqlError::catalog(format!("Collation with name {text} does not exist!"))
            .at(name)
            .did_you_mean(&text, ["NOCASE", "NOACCENT", "BINARY", "C", "POSIX"])
    })?;
    Ok((text, key))
}

/// The values of an IN list and what is looked for, as what they compare by if one of them has a collation.
pub fn collate_list(input: &mut Expr, items: &mut [Expr]) {
    let all = std::iter::once(&*input).chain(items.iter());
    let Some(key) = all.filter_map(collation).map(|(_, key)| key.clone()).next() else { return };
    for expr in std::iter::once(input).chain(items) {
        let text = collation(expr).map_or_else(|| expr.clone(), |(text, _)| text.clone());
        *expr = if text.ty() == LogicalType::Varchar { apply(&key, &text) } else { text };
    }
}

impl Binder<'_> {
    /// Notes the collations of a table's columns.
    pub(super) fn note_collations(&mut self, table: &TableDefinition, columns: &[Column]) {
        for (definition, column) in table.columns.iter().zip(columns) {
            if let Some(key) = definition.collation.as_deref().and_then(collation_key) {
                self.collations.insert(column.id, key);
            }
        }
    }

    /// Notes that a column's texts compare by the keys that `key` makes.
    pub(super) fn note_collation(&mut self, column: &Column, key: Expr) {
        self.collations.insert(column.id, key);
    }

    /// What the texts of an expression compare by, if not by themselves.
    pub(super) fn collation_of(&self, expr: &Expr) -> Option<Expr> {
        match expr {
            Expr::Column { index, .. } => self.collations.get(index).cloned(),
            other => collation(other).map(|(_, key)| key.clone()),
        }
    }

    /// A column or a text, with its collation or that of the session.
    pub(super) fn with_collation(&self, expr: Expr) -> Expr {
        let default = &self.env.settings.default_collation;
        if expr.ty() != LogicalType::Varchar || (default.is_empty() && self.collations.is_empty()) {
            return expr;
        }
        if collation(&expr).is_some() {
            return expr;
        }
        let key = self.collation_of(&expr);
        match key.or_else(|| if default.is_empty() { None } else { collation_key(default) }) {
            Some(key) => collated(expr, key),
            None => expr,
        }
    }

    /// Binds what is about other columns than those of the query, although their ids may be the same.
    pub(super) fn apart<T>(&mut self, bind: impl FnOnce(&mut Self) -> T) -> T {
        let collations = std::mem::take(&mut self.collations);
        let bound = bind(self);
        self.collations = collations;
        bound
    }
}
