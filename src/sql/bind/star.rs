//! The select list: `*`, `t.*` with EXCLUDE, REPLACE, RENAME and ILIKE, and `COLUMNS(…)`.

use std::borrow::Cow;
use std::ops::ControlFlow;

use regex::Regex;
use sqlparser::ast::{
    ExcludeSelectItem, Expr as Syntax, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    RenameSelectItem, SelectItem, SelectItemQualifiedWildcardKind, Spanned, Value, WildcardAdditionalOptions,
    visit_expressions, visit_expressions_mut,
};

use crate::sql::bind::name::{column_name, function_name};
use crate::sql::bind::object_name;
use crate::sql::bind::scope::{Scope, ScopeColumn};
use crate::sql::bind::select::{Item, ItemSource};
use crate::sql::error::{Result, SqlError};

/// The items of a select list, `*` expanded.
pub fn expand<'q>(projection: &'q [SelectItem], scope: &Scope) -> Result<Vec<Item<'q>>> {
    let mut items = vec![];
    for item in projection {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                if expand_columns(expr, None, scope, &mut items)? {
                    continue;
                }
                items.push(Item::syntax(column_name(expr), false, Cow::Borrowed(expr)));
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                if expand_columns(expr, Some(alias), scope, &mut items)? {
                    continue;
                }
                items.push(Item::syntax(alias.value.clone(), true, Cow::Borrowed(expr)));
            }
            SelectItem::Wildcard(options) => {
                if scope.relations.is_empty() {
                    return Err(SqlError::binder("SELECT * expression without FROM clause!").at(options));
                }
                star(scope.star(), options, &mut items)?;
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                let (schema, table) = object_name(name)?;
                let relation =
                    scope.relation(schema.map(|s| s.value.as_str()), &table.value).ok_or_else(|| {
                        let names: Vec<_> = scope.relations.iter().map(|r| r.name.clone()).collect();
                        SqlError::binder(format!("Referenced table \"{}\" not found!", table.value))
                            .at_span(table.span)
                            .did_you_mean(&table.value, names)
                    })?;
                star(relation.columns.iter().filter(|c| !c.hidden), options, &mut items)?;
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => {
                return Err(SqlError::unsupported("expanding a struct with .* is not supported yet").at(expr));
            }
            SelectItem::ExprWithAliases { expr, .. } => {
                return Err(
                    SqlError::unsupported("several aliases for one expression are not supported").at(expr)
                );
            }
        }
    }
    Ok(items)
}

/// All columns of FROM: `FROM t` without a select list.
pub fn everything(scope: &Scope) -> Vec<Item<'static>> {
    scope.star().map(passed).collect()
}

fn passed(column: &ScopeColumn) -> Item<'static> {
    let source = ItemSource::Bound(column.unqualified());
    Item { name: column.column.name.clone(), is_alias: false, source }
}

fn star<'s, 'q>(
    columns: impl Iterator<Item = &'s ScopeColumn>,
    options: &'q WildcardAdditionalOptions,
    items: &mut Vec<Item<'q>>,
) -> Result<()> {
    let mut excluded: Vec<(&Ident, bool)> = vec![];
    match &options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => excluded.push((object_name(name)?.1, false)),
        Some(ExcludeSelectItem::Multiple(names)) => {
            for name in names {
                excluded.push((object_name(name)?.1, false));
            }
        }
        None => {}
    }
    if let Some(except) = &options.opt_except {
        excluded.extend(std::iter::once((&except.first_element, false)));
        excluded.extend(except.additional_elements.iter().map(|i| (i, false)));
    }
    let mut replaced: Vec<(&Ident, &'q Syntax, bool)> = match &options.opt_replace {
        Some(list) => list.items.iter().map(|e| (&e.column_name, &e.expr, false)).collect(),
        None => vec![],
    };
    let mut renamed: Vec<(&Ident, &Ident, bool)> = match &options.opt_rename {
        Some(RenameSelectItem::Single(one)) => vec![(&one.ident, &one.alias, false)],
        Some(RenameSelectItem::Multiple(list)) => list.iter().map(|i| (&i.ident, &i.alias, false)).collect(),
        None => vec![],
    };
    let pattern = match &options.opt_ilike {
        Some(ilike) => Some(like_to_regex(&ilike.pattern)?),
        None => None,
    };
    for column in columns {
        let name = &column.column.name;
        let is = |ident: &Ident| ident.value.eq_ignore_ascii_case(name);
        if let Some((_, used)) = excluded.iter_mut().find(|(i, _)| is(i)) {
            *used = true;
            continue;
        }
        if pattern.as_ref().is_some_and(|p| !p.is_match(name)) {
            continue;
        }
        if let Some((_, expr, used)) = replaced.iter_mut().find(|(i, ..)| is(i)) {
            *used = true;
            items.push(Item::syntax(name.clone(), false, Cow::Borrowed(expr)));
            continue;
        }
        let mut item = passed(column);
        if let Some((_, alias, used)) = renamed.iter_mut().find(|(i, ..)| is(i)) {
            *used = true;
            item.name.clone_from(&alias.value);
        }
        items.push(item);
    }
    let unused = excluded
        .iter()
        .map(|(i, used)| (*i, *used, "EXCLUDE"))
        .chain(replaced.iter().map(|(i, _, used)| (*i, *used, "REPLACE")))
        .chain(renamed.iter().map(|(i, _, used)| (*i, *used, "RENAME")));
    for (ident, used, list) in unused {
        if !used {
            return Err(SqlError::binder(format!(
                "Column \"{}\" in {list} list not found in FROM clause",
                ident.value
            ))
            .at_span(ident.span));
        }
    }
    Ok(())
}

/// Expands an item that has `COLUMNS(…)` in it: once for each column that matches.
fn expand_columns<'q>(
    expr: &'q Syntax,
    alias: Option<&Ident>,
    scope: &Scope,
    items: &mut Vec<Item<'q>>,
) -> Result<bool> {
    // Most items have none: look before anything is cloned.
    let mut pattern = None;
    let found: ControlFlow<Result<()>> = visit_expressions(expr, |e| match columns_argument(e) {
        None => ControlFlow::Continue(()),
        Some(argument) => {
            let same = pattern.get_or_insert_with(|| argument.clone()) == &argument;
            if same {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(Err(SqlError::unsupported("two different COLUMNS in one item").at(e)))
            }
        }
    });
    if let ControlFlow::Break(error) = found {
        error?;
    }
    let Some(argument) = pattern else { return Ok(false) };
    let matches: Box<dyn Fn(&str) -> bool> = match argument {
        ColumnsArgument::All => Box::new(|_| true),
        ColumnsArgument::Pattern(text) => {
            let regex = Regex::new(&text)
                .map_err(|e| SqlError::binder(format!("COLUMNS: bad regular expression: {e}")).at(expr))?;
            Box::new(move |name| regex.is_match(name))
        }
        ColumnsArgument::Names(names) => {
            Box::new(move |name| names.iter().any(|n| n.eq_ignore_ascii_case(name)))
        }
        ColumnsArgument::Bad => {
            return Err(
                SqlError::binder("COLUMNS takes *, a regular expression, or a list of names").at(expr)
            );
        }
    };
    let columns: Vec<&ScopeColumn> = scope.star().filter(|c| matches(&c.column.name)).collect();
    if columns.is_empty() {
        return Err(SqlError::binder("COLUMNS matches no column").at(expr));
    }
    for column in columns {
        let mut copy = expr.clone();
        let ident = Ident { value: column.column.name.clone(), quote_style: Some('"'), span: expr.span() };
        let _: ControlFlow<()> = visit_expressions_mut(&mut copy, |e| {
            if columns_argument(e).is_some() {
                *e = Syntax::Identifier(ident.clone());
            }
            ControlFlow::Continue(())
        });
        let name = alias.map_or_else(|| column.column.name.clone(), |a| a.value.clone());
        items.push(Item::syntax(name, false, Cow::Owned(copy)));
    }
    Ok(true)
}

#[derive(Clone, PartialEq)]
enum ColumnsArgument {
    All,
    Pattern(String),
    Names(Vec<String>),
    Bad,
}

/// The argument, if an expression is a call of COLUMNS.
fn columns_argument(expr: &Syntax) -> Option<ColumnsArgument> {
    let Syntax::Function(function) = expr else { return None };
    if function_name(&function.name) != "columns" {
        return None;
    }
    let FunctionArguments::List(list) = &function.args else { return None };
    let text = |e: &Syntax| match e {
        Syntax::Value(v) => match &v.value {
            Value::SingleQuotedString(s) => Some(s.clone()),
            _ => None,
        },
        _ => None,
    };
    Some(match &list.args[..] {
        [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] => ColumnsArgument::All,
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Syntax::Array(array)))] => array
            .elem
            .iter()
            .map(text)
            .collect::<Option<_>>()
            .map_or(ColumnsArgument::Bad, ColumnsArgument::Names),
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(e))] => {
            text(e).map_or(ColumnsArgument::Bad, ColumnsArgument::Pattern)
        }
        _ => ColumnsArgument::Bad,
    })
}

/// A pattern of LIKE as a regular expression that ignores case.
fn like_to_regex(pattern: &str) -> Result<Regex> {
    let mut out = String::from("(?is)^");
    for c in pattern.chars() {
        match c {
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push('$');
    Regex::new(&out).map_err(|e| SqlError::binder(format!("bad pattern: {e}")))
}
