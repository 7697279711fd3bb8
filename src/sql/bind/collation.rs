//! By what texts compare: the collations of columns and of the session.

use sqlparser::ast::ObjectName;

use crate::catalog::TableDefinition;
use crate::column::types::LogicalType;
use crate::exec::expr::Expr;
use crate::exec::functions::{
    LambdaKind, apply, collated, collation, collation_key, comparison_key, lambda_function, variant_key,
};
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::plan::{Column, Definition, LogicalPlan};

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

/// Functions that look for one text in another.
const SEARCHES: &[&str] = &[
    "contains",
    "glob",
    "ilike",
    "ilike_escape",
    "instr",
    "like",
    "like_escape",
    "position",
    "starts_with",
    "strpos",
];

/// Functions that look for a value in a list.
pub(super) const LIST_SEARCHES: &[&str] = &[
    "array_contains",
    "array_has",
    "array_indexof",
    "array_position",
    "contains",
    "list_contains",
    "list_has",
    "list_indexof",
    "list_position",
];

/// Arguments of a function of which one has a collation: one that searches sees what the texts compare by; the text that
/// another one makes compares by the same, which is returned.
pub fn collate_arguments(name: &str, args: &mut [Expr]) -> Option<Expr> {
    // A list that is made of texts compares as they do.
    let of_items = |list: &Expr| match list {
        Expr::Call { args, .. } => args.iter().find_map(collation).map(|(_, key)| key.clone()),
        _ => None,
    };
    let is_search = LIST_SEARCHES.contains(&name);
    let key = args.iter().find_map(collation).map(|(_, key)| key.clone());
    let key = key.or_else(|| args.first().filter(|_| is_search).and_then(of_items))?;
    if let [list, text] = args
        && is_search
        && let LogicalType::List(item) | LogicalType::Array(item, _) = list.ty()
    {
        if *item == LogicalType::Varchar {
            let ty = LogicalType::List(item);
            let function = lambda_function(LambdaKind::Transform, key.clone(), false, false);
            let texts = coerce::cast(list.clone(), &ty);
            *list = Expr::Call { function, args: vec![texts], ty };
            *text = apply(&key, collation(text).map_or(&*text, |(text, _)| text));
        }
        return None;
    }
    if !SEARCHES.contains(&name) {
        return Some(key);
    }
    for arg in args.iter_mut().take(2).filter(|arg| arg.ty() == LogicalType::Varchar) {
        let text = collation(arg).map_or_else(|| arg.clone(), |(text, _)| text.clone());
        *arg = apply(&key, &text);
    }
    None
}

/// The value of an expression that yields one of several texts compares as they do.
pub fn collated_like<'e>(result: Expr, parts: impl IntoIterator<Item = &'e Expr>) -> Expr {
    match parts.into_iter().find_map(collation) {
        Some((_, key)) if result.ty() == LogicalType::Varchar => collated(result, key.clone()),
        _ => result,
    }
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

    /// Another column for values of this one: they compare as they did.
    pub(super) fn column_like(&mut self, column: &Column) -> Column {
        let new = self.ids.column(column.name.clone(), column.ty.clone());
        if let Some(key) = self.collation_of(&column.expr()) {
            self.note_collation(&new, key);
        }
        new
    }

    /// What the texts of an expression compare by, if not by themselves.
    pub fn collation_of(&self, expr: &Expr) -> Option<Expr> {
        match expr {
            Expr::Column { index, .. } => self.collations.get(index).cloned(),
            other => collation(other).map(|(_, key)| key.clone()),
        }
    }

    /// What two columns compare by, of which one may have a collation.
    pub(super) fn compared(&self, left: &Column, right: &Column) -> (Expr, Expr) {
        let (left, right) = (self.with_collation(left.expr()), self.with_collation(right.expr()));
        match collation(&left).or_else(|| collation(&right)) {
            Some((_, key)) if left.ty() == right.ty() => {
                let plain = |e: &Expr| collation(e).map_or_else(|| e.clone(), |(text, _)| text.clone());
                (apply(key, &plain(&left)), apply(key, &plain(&right)))
            }
            _ => (variant_key(left), variant_key(right)),
        }
    }

    /// The rows of a query without those that are equal to an earlier one, texts by their collations.
    pub(super) fn distinct_rows(&mut self, plan: LogicalPlan, columns: &[Column]) -> LogicalPlan {
        let keys: Vec<Expr> = columns.iter().map(|c| comparison_key(self.with_collation(c.expr()))).collect();
        if keys
            .iter()
            .zip(columns)
            .all(|(key, c)| matches!(key, Expr::Column { index, .. } if *index == c.id))
        {
            return LogicalPlan::Distinct { input: Box::new(plan), on: None };
        }
        let mut definitions: Vec<Definition> = columns.iter().cloned().map(Definition::pass).collect();
        let mut on = vec![];
        for expr in keys {
            let column = self.ids.column("key", expr.ty());
            on.push(column.expr());
            definitions.push(Definition { column, expr });
        }
        let keyed = LogicalPlan::Project { input: Box::new(plan), definitions };
        LogicalPlan::Distinct { input: Box::new(keyed), on: Some(on) }
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
