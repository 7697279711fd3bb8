//! Names in expressions: columns, fields of rows, names of the select list, positions.

use std::sync::Arc;

use sqlparser::ast::Ident;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::Expr;
use crate::sql::bind::Binder;
use crate::sql::bind::expr::{
    ALIAS_NODES_MAX, Aliases, ExprContext, cannot_extract, has_fields, lambda_param, node_count,
};
use crate::sql::bind::scope::{Found, Outer, Relation, Scope, ScopeColumn, one_of};
use crate::sql::bind::select::ItemSource;
use crate::sql::error::{Result, SqlError};

impl Binder<'_> {
    pub(super) fn bind_name(&mut self, ident: &Ident, cx: &mut ExprContext<'_>) -> Result<Expr> {
        if let Some(param) = lambda_param(ident, cx) {
            return Ok(param);
        }
        if let Some(aliases) = cx.aliases
            && aliases.first
            && let Some(expr) = self.bind_alias(ident, aliases, cx)?
        {
            return Ok(expr);
        }
        match cx.scope.find(&ident.value) {
            Found::One(column) => {
                cx.spans.insert(column.column.id, ident.span);
                return Ok(self.with_collation(column.unqualified()));
            }
            Found::Many(names) => return Err(ambiguous(ident, &names)),
            Found::Nothing => {}
        }
        if let Some(aliases) = cx.aliases
            && !aliases.first
            && let Some(expr) = self.bind_alias(ident, aliases, cx)?
        {
            return Ok(expr);
        }
        for scope in Outer::chain(cx.outer) {
            match scope.find(&ident.value) {
                Found::One(column) => return Ok(self.with_collation(column.unqualified())),
                Found::Many(names) => return Err(ambiguous(ident, &names)),
                Found::Nothing => {}
            }
        }
        if let Some(row) = self.bind_whole_row(ident, cx)? {
            return Ok(row);
        }
        for around in std::iter::successors(cx.outer, |o| o.parent) {
            let Some(aliases) = around.aliases else { continue };
            let mut there = ExprContext::new(around.scope, around.parent, "an alias in a subquery");
            there.allow_subqueries = false;
            if let Some(expr) = self.bind_alias(ident, aliases, &mut there)? {
                return Ok(expr);
            }
        }
        // Words that are functions without parentheses.
        let name = ident.value.to_lowercase();
        if ident.quote_style.is_none()
            && (name.starts_with("current_")
                || name.starts_with("local")
                || matches!(&*name, "user" | "session_user"))
            && let Some(value) = self.current(&name)
        {
            return Ok(value);
        }
        Err(cx.scope.unknown_column(ident))
    }

    /// The row of a table as a struct, or the column of a function that yields one only.
    pub(super) fn bind_whole_row(&mut self, ident: &Ident, cx: &mut ExprContext<'_>) -> Result<Option<Expr>> {
        self.bind_row_of(&[], ident, cx)
    }

    /// The same of a table whose name says where it is.
    fn bind_row_of(
        &mut self,
        place: &[&str],
        ident: &Ident,
        cx: &mut ExprContext<'_>,
    ) -> Result<Option<Expr>> {
        for (level, scope) in std::iter::once(cx.scope).chain(Outer::chain(cx.outer)).enumerate() {
            let found = scope.relation(place, &ident.value).map_err(|e| e.at_span(ident.span))?;
            let Some(relation) = found.filter(|r| !r.name.is_empty()) else {
                continue;
            };
            let columns: Vec<&ScopeColumn> = relation.columns.iter().collect();
            if level == 0 {
                cx.spans.extend(columns.iter().map(|c| (c.column.id, ident.span)));
            }
            if let ([only], true) = (&columns[..], relation.is_value) {
                return Ok(Some(only.column.expr()));
            }
            let mut fields: Vec<(String, Expr)> = vec![];
            for column in columns {
                // A subquery may yield two columns of one name.
                if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(&column.column.name)) {
                    fields.push((column.column.name.clone(), column.column.expr()));
                }
            }
            return self.struct_pack(fields).map(Some);
        }
        Ok(None)
    }

    /// A column of FROM by its number.
    pub(super) fn bind_position(&mut self, digits: &str, cx: &mut ExprContext<'_>) -> Result<Expr> {
        let columns: Vec<&ScopeColumn> = cx.scope.star().collect();
        match digits.parse::<usize>() {
            Ok(0) => Err(SqlError::parser("Positional reference node needs to be >= 1")),
            Ok(n) if n <= columns.len() => Ok(columns[n - 1].unqualified()),
            _ => Err(SqlError::binder(format!(
                "Positional reference {digits} out of range (total {} columns)",
                columns.len()
            ))),
        }
    }

    /// Expands a name of the select list into the expression that it names, of several the last.
    pub(super) fn bind_alias<'c>(
        &mut self,
        ident: &Ident,
        aliases: Aliases<'c>,
        cx: &mut ExprContext<'c>,
    ) -> Result<Option<Expr>> {
        let visible = &aliases.items[..aliases.visible];
        let Some(at) = visible.iter().rposition(|i| i.is_alias && i.name.eq_ignore_ascii_case(&ident.value))
        else {
            return Ok(None);
        };
        if let Some((_, key)) = aliases.keys.iter().find(|(i, _)| *i == at) {
            return Ok(Some(key.clone()));
        }
        match &visible[at].source {
            ItemSource::Bound(expr) => Ok(Some(expr.clone())),
            ItemSource::Syntax(syntax) => {
                // The expression sees what it saw where it stands: columns, then the aliases before it.
                let inner = Aliases { items: aliases.items, visible: at, first: false, keys: &[] };
                let before = cx.aliases.replace(inner);
                self.alias_depth += 1;
                let bound = self.bind_expr(syntax, cx);
                self.alias_depth -= 1;
                cx.aliases = before;
                let bound = bound?;
                self.alias_nodes += node_count(&bound);
                if self.alias_nodes > ALIAS_NODES_MAX {
                    return Err(SqlError::binder("aliases that use aliases make the query too big")
                        .at_span(ident.span));
                }
                Ok(Some(bound))
            }
        }
    }

    pub(super) fn bind_qualified(&mut self, parts: &[Ident], cx: &mut ExprContext<'_>) -> Result<Expr> {
        if let Some(param) = lambda_param(&parts[0], cx) {
            return self.fields(param, &parts[1..]);
        }
        let names: Vec<&str> = parts.iter().map(|p| p.value.as_str()).collect();
        let mut missing: Option<SqlError> = None;
        let mut no_fields: Option<SqlError> = None;
        for (level, scope) in std::iter::once(cx.scope).chain(Outer::chain(cx.outer)).enumerate() {
            // `table.column`, then `schema.table.column`, each with fields of structs behind.
            let candidates = [
                (names.len() >= 2).then_some((&names[..0], 1)),
                (names.len() >= 3).then_some((&names[..1], 2)),
                (names.len() >= 4).then_some((&names[..2], 3)),
            ];
            for (place, at) in candidates.into_iter().flatten() {
                let called = scope.relations_called(place, names[at - 1]);
                let Some(first) = called.first().copied() else { continue };
                // Of several tables of the name it is the one that has such a column.
                let with_it = called.into_iter().filter(|r| r.column(names[at]).is_some()).collect();
                let relation = one_of(with_it).map_err(|e| e.at_span(parts[at - 1].span))?;
                if let Some(column) = relation.and_then(|r| r.column(names[at])) {
                    // In `a.a.a` the first may be a schema.
                    if let Some(field) = parts.get(at + 1)
                        && !has_fields(&column.column.ty)
                    {
                        no_fields.get_or_insert_with(|| cannot_extract(field));
                        continue;
                    }
                    if level == 0 {
                        cx.spans.insert(column.column.id, parts[at].span);
                    }
                    let value = self.with_collation(column.column.expr());
                    return self.fields(value, &parts[at + 1..]);
                }
                missing.get_or_insert_with(|| no_such_column(first, &parts[at]));
            }
            let Found::One(column) = scope.find(names[0]) else { continue };
            if has_fields(&column.column.ty) {
                if level == 0 {
                    cx.spans.insert(column.column.id, parts[0].span);
                }
                return self.fields(column.unqualified(), &parts[1..]);
            }
            // A table of a query around may have the name, too.
            no_fields.get_or_insert_with(|| cannot_extract(&parts[1]));
        }
        if let Some((last, place)) = names.split_last().filter(|(_, place)| place.len() <= 2)
            && missing.is_none()
            && let Some(ident) = parts.last()
            && ident.value == *last
            && let Some(row) = self.bind_row_of(place, ident, cx)?
        {
            return Ok(row);
        }
        // `alias.x` is what the select list calls x, whatever columns there are.
        if let Some(aliases) = cx.aliases
            && parts[0].value.eq_ignore_ascii_case("alias")
            && let Some(expr) = self.bind_alias(&parts[1], aliases, cx)?
        {
            return self.fields(expr, &parts[2..]);
        }
        Err(no_fields.or(missing).unwrap_or_else(|| no_such_table(&parts[0], cx.scope)))
    }

    /// Fields of a struct, one inside the other.
    pub(super) fn fields(&mut self, mut expr: Expr, names: &[Ident]) -> Result<Expr> {
        for name in names {
            let key = Expr::literal(Scalar::Text(Arc::from(name.value.as_str())), LogicalType::Varchar);
            let function = match expr.ty() {
                LogicalType::Struct(_) => "struct_extract",
                LogicalType::Union(_) => "union_extract",
                LogicalType::Map(..) => "map_extract_value",
                LogicalType::Json => "json_extract",
                LogicalType::Variant => "variant_extract",
                _ => return Err(cannot_extract(name)),
            };
            expr = self.call(function, vec![expr, key]).map_err(|e| e.at_span(name.span))?;
        }
        Ok(expr)
    }
}

fn ambiguous(ident: &Ident, names: &[String]) -> SqlError {
    SqlError::binder(format!(
        "Ambiguous reference to column name \"{}\" (use: {})",
        ident.value,
        names.join(" or ")
    ))
    .at_span(ident.span)
}

fn no_such_column(relation: &Relation, name: &Ident) -> SqlError {
    let columns: Vec<&str> = relation.columns.iter().map(|c| c.column.name.as_str()).collect();
    let error = SqlError::binder(format!(
        "Table \"{}\" does not have a column named \"{}\"",
        relation.name, name.value
    ));
    let error = error.at_span(name.span).did_you_mean(&name.value, &columns);
    if error.hint.is_some() {
        return error;
    }
    let shown: Vec<_> = columns.iter().take(8).map(|c| format!("\"{c}\"")).collect();
    error.hint(format!("It has: {}{}", shown.join(", "), if columns.len() > 8 { ", …" } else { "" }))
}

fn no_such_table(name: &Ident, scope: &Scope) -> SqlError {
    let tables: Vec<&str> =
        scope.relations.iter().map(|r| r.name.as_str()).filter(|n| !n.is_empty()).collect();
    let error =
        SqlError::binder(format!("Referenced table \"{}\" not found!", name.value)).at_span(name.span);
    if tables.is_empty() {
        return error;
    }
    let shown: Vec<_> = tables.iter().take(8).map(|c| format!("\"{c}\"")).collect();
    error.hint(format!("Candidate tables: {}", shown.join(", ")))
}
