//! Forms of SELECT that measurements have: `GROUP BY *`, `last(*)`, and the rows of series.

use sqlparser::ast::{
    Expr as Syntax, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    GroupByExpr, Ident, ObjectName, Select, SelectItem, Value,
};

use crate::catalog::ColumnRole;
use crate::exec::aggregates::is_aggregate;
use crate::sql::bind::every;
use crate::sql::bind::name::function_name;
use crate::sql::bind::scope::{Relation, Scope, ScopeColumn};
use crate::sql::bind::series::{is_series_function, tags_of_rank};
use crate::sql::error::{Result, SqlError};
use crate::sql::tokens;
use crate::sql::walk;

/// Aggregates that take any value; all others take numbers.
const OF_ANY_VALUE: &[&str] = &[
    "any_value",
    "arbitrary",
    "approx_count_distinct",
    "array_agg",
    "first",
    "histogram",
    "last",
    "list",
    "max",
    "min",
    "mode",
];

/// What a SELECT says in these forms, put into others.
#[derive(Default)]
pub(super) struct SeriesForm {
    /// The select list with a call for each field in place of `f(*)`.
    pub projection: Option<Vec<SelectItem>>,
    /// The keys of GROUP BY with all tags in place of `*`.
    pub group_by: Option<Vec<Syntax>>,
    /// `GROUP BY *` of a table without tags is GROUP BY ALL.
    pub by_all: bool,
    /// `SELECT *` with keys, over something that has a time: rows, series by series.
    pub rows_of_series: bool,
}

impl SeriesForm {
    pub fn of(select: &Select, scope: &Scope) -> Result<Self> {
        let mut out = Self::default();
        let exprs = match &select.group_by {
            GroupByExpr::Expressions(exprs, _) => &exprs[..],
            GroupByExpr::All(_) => &[],
        };
        if exprs.iter().any(tokens::is_all_tags) {
            let tags: Vec<Syntax> =
                columns(scope).filter(|(_, c)| c.role == ColumnRole::Tag).map(name).collect();
            if tags.is_empty() && exprs.len() > 1 {
                return Err(SqlError::binder(
                    "GROUP BY * stands for all tags of a measurement, and there are none",
                )
                .at(select));
            }
            out.by_all = tags.is_empty();
            let all = exprs
                .iter()
                .flat_map(|e| if tokens::is_all_tags(e) { tags.clone() } else { vec![e.clone()] });
            out.group_by = Some(all.collect());
        }
        let is_star =
            |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
        out.rows_of_series = !exprs.is_empty()
            && !out.by_all
            && select.projection.iter().any(is_star)
            && scope.time_column().is_some();
        let group_by = out.group_by.as_deref().unwrap_or(exprs);
        out.projection = with_fields(select, scope, group_by)?;
        if let Some(with_tags) = with_tags(out.projection.as_deref().unwrap_or(&select.projection), group_by)
        {
            out.projection = Some(with_tags);
        }
        Ok(out)
    }
}

fn columns(scope: &Scope) -> impl Iterator<Item = (&Relation, &ScopeColumn)> {
    scope.relations.iter().flat_map(|r| r.columns.iter().map(move |c| (r, c))).filter(|(_, c)| !c.merged_away)
}

fn name((relation, column): (&Relation, &ScopeColumn)) -> Syntax {
    let quoted = |name: &str| Ident::with_quote('"', name);
    if relation.name.is_empty() {
        return Syntax::Identifier(quoted(&column.column.name));
    }
    Syntax::CompoundIdentifier(vec![quoted(&relation.name), quoted(&column.column.name)])
}

/// A call `f(*)` that stands for one of each field.
fn of_all_fields(expr: &Syntax) -> Option<&Function> {
    let Syntax::Function(function) = expr else { return None };
    let FunctionArguments::List(list) = &function.args else { return None };
    let name = function_name(&function.name);
    let is_star = matches!(list.args.first(), Some(FunctionArg::Unnamed(FunctionArgExpr::Wildcard)));
    (is_star
        && !matches!(&*name, "count" | "count_star")
        && (is_aggregate(&name) || is_series_function(&name) || matches!(&*name, "spread" | "integral")))
    .then_some(function)
}

/// The functions of all such calls in an expression.
fn stars(expr: &Syntax) -> Vec<String> {
    let mut found = vec![];
    walk::for_each_expression(expr, |e| found.extend(of_all_fields(e).map(|f| function_name(&f.name))));
    found
}

/// The select list with its `f(*)` expanded; `None` if it has none. The columns are called `f_field`, as InfluxDB calls
/// them. Without EVERY they come behind the keys and, if they are all first or last values, their time.
fn with_fields(select: &Select, scope: &Scope, group_by: &[Syntax]) -> Result<Option<Vec<SelectItem>>> {
    let expr_of = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } => Some(stars(e)),
        _ => None,
    };
    let found: Vec<Vec<String>> = select.projection.iter().map(|i| expr_of(i).unwrap_or_default()).collect();
    if found.iter().all(Vec::is_empty) {
        return Ok(None);
    }
    let time = scope.time_column().map(|c| c.column.id);
    let is_key = |c: &ScopeColumn| {
        group_by.iter().any(|key| match key {
            Syntax::Identifier(i) => i.value.eq_ignore_ascii_case(&c.column.name),
            Syntax::CompoundIdentifier(parts) => {
                parts.last().is_some_and(|i| i.value.eq_ignore_ascii_case(&c.column.name))
            }
            _ => false,
        })
    };
    let fields: Vec<_> = columns(scope)
        .filter(|(_, c)| c.role == ColumnRole::Plain && Some(c.column.id) != time && !is_key(c))
        .collect();
    let mut out = vec![];
    if every::clause(select)?.is_none() {
        let all: Vec<&str> = found.iter().flatten().map(String::as_str).collect();
        let of_time = match &all[..] {
            [first, rest @ ..] if rest.iter().all(|f| f == first) => match *first {
                "first" => Some("min"),
                "last" => Some("max"),
                _ => None,
            },
            _ => None,
        };
        if let (Some(f), Some((relation, column))) =
            (of_time, columns(scope).find(|(_, c)| Some(c.column.id) == time))
        {
            let alias = Ident::with_quote('"', column.column.name.clone());
            out.push(SelectItem::ExprWithAlias { expr: call(f, name((relation, column))), alias });
        }
        let is_selected = |key: &Syntax| {
            select.projection.iter().any(|item| match item {
                SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } => e == key,
                _ => false,
            })
        };
        let is_ordinal =
            |key: &Syntax| matches!(key, Syntax::Value(v) if matches!(v.value, Value::Number(..)));
        let keys = group_by.iter().filter(|key| !is_ordinal(key) && !is_selected(key));
        out.extend(keys.map(|key| SelectItem::UnnamedExpr(key.clone())));
    }
    for (item, functions) in select.projection.iter().zip(found) {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
            out.push(item.clone());
            continue;
        };
        let Some(outermost) = functions.first() else {
            out.push(item.clone());
            continue;
        };
        let of_any = functions.iter().all(|f| OF_ANY_VALUE.contains(&f.as_str()));
        let outermost = match expr {
            Syntax::Function(f) => function_name(&f.name),
            _ => outermost.clone(),
        };
        let mut any = false;
        for field in fields.iter().filter(|(_, c)| of_any || c.column.ty.is_numeric()) {
            let mut expr = expr.clone();
            walk::rewrite_expressions(&mut expr, |e| {
                if of_all_fields(e).is_some()
                    && let Syntax::Function(Function { args: FunctionArguments::List(list), .. }) = e
                    && let Some(first) = list.args.first_mut()
                {
                    *first = FunctionArg::Unnamed(FunctionArgExpr::Expr(name(*field)));
                }
            });
            let alias = match item {
                SelectItem::ExprWithAlias { alias, .. } => format!("{}_{}", alias.value, field.1.column.name),
                _ => format!("{outermost}_{}", field.1.column.name),
            };
            out.push(SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', alias) });
            any = true;
        }
        if !any {
            return Err(
                SqlError::binder(format!("there is no field that {outermost}(*) could take")).at(expr)
            );
        }
    }
    Ok(Some(out))
}

/// The select list with the tags of `top(value, tag, n)` behind it, where they are neither selected nor keys.
fn with_tags(projection: &[SelectItem], group_by: &[Syntax]) -> Option<Vec<SelectItem>> {
    let expr_of = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } => Some(e.clone()),
        _ => None,
    };
    if projection.iter().filter_map(expr_of).all(|e| tags_of_rank(&e).is_empty()) {
        return None;
    }
    let mut known: Vec<Syntax> =
        projection.iter().filter_map(expr_of).chain(group_by.iter().cloned()).collect();
    let mut out = vec![];
    for item in projection {
        out.push(item.clone());
        for tag in expr_of(item).map(|e| tags_of_rank(&e)).unwrap_or_default() {
            if !known.contains(&tag) {
                out.push(SelectItem::UnnamedExpr(tag.clone()));
                known.push(tag);
            }
        }
    }
    Some(out)
}

fn call(function: &str, argument: Syntax) -> Syntax {
    Syntax::Function(Function {
        name: ObjectName::from(vec![Ident::new(function)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))],
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}
