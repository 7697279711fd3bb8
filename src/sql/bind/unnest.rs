//! UNNEST, in the select list and in FROM.

use sqlparser::ast::{self, Expr as Syntax, FunctionArguments};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::Expr;
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::from::{Bound, storable};
use crate::sql::bind::functions::{Arguments, arguments};
use crate::sql::bind::name::function_name;
use crate::sql::bind::scope::{Outer, Relation, Scope, ScopeColumn};
use crate::sql::bind::select::Output;
use crate::sql::bind::subquery::attach;
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::plan::{Column, Definition, LogicalPlan};

/// Whether a function is UNNEST.
pub fn is_unnest(name: &str) -> bool {
    matches!(name, "unnest" | "unlist")
}

/// How deep a call of UNNEST goes.
struct Depth {
    levels: usize,
    recursive: bool,
    /// Fields of structs in structs are called by all names that lead to them.
    full_names: bool,
}

fn wrong_type(ty: &LogicalType) -> SqlError {
    SqlError::binder(format!("UNNEST() can only be applied to lists, structs and NULL, not {ty}"))
}

impl Binder<'_> {
    /// The argument of UNNEST, and how deep it goes.
    fn unnest_argument(&mut self, args: &Arguments<'_>, cx: &mut ExprContext<'_>) -> Result<(Expr, Depth)> {
        let mut depth = Depth { levels: 1, recursive: false, full_names: false };
        let (positional, named) = (&args.positional, &args.named);
        if positional.len() > 1 {
            return Err(SqlError::binder(
                "UNNEST - unsupported extra argument, unnest only supports recursive := [true/false], max_depth := #, keep_parent_names := [true/false]",
            ));
        }
        for (name, value) in named {
            match &**name {
                "recursive" => {
                    let value = self.bind_constant_as(value, &LogicalType::Boolean, "UNNEST")?;
                    depth.recursive = matches!(value, Scalar::Boolean(true));
                }
                "keep_parent_names" => {
                    let value = self.bind_constant_as(value, &LogicalType::Boolean, "UNNEST")?;
                    depth.full_names = matches!(value, Scalar::Boolean(true));
                }
                "max_depth" => {
                    let n = self.bind_constant_as(value, &LogicalType::BigInt, "UNNEST")?;
                    match n {
                        Scalar::Int(n) if n > 0 => depth.levels = usize::try_from(n).unwrap_or(usize::MAX),
                        _ => {
                            return Err(
                                SqlError::binder("UNNEST - max_depth must be greater than zero").at(*value)
                            );
                        }
                    }
                    depth.recursive |= depth.levels > 1;
                }
                other => {
                    return Err(SqlError::binder(format!("Invalid named parameter \"{other}\" for UNNEST")));
                }
            }
        }
        if depth.recursive && depth.levels == 1 {
            depth.levels = usize::MAX;
        }
        let [argument] = positional[..] else {
            return Err(SqlError::binder("UNNEST() requires exactly one argument"));
        };
        let allow = std::mem::replace(&mut cx.unnest, Unnests::Nested);
        let bound = self.bind_expr(argument, cx);
        cx.unnest = allow;
        Ok((bound?, depth))
    }

    /// UNNEST of a list in an expression.
    pub(super) fn bind_unnest(&mut self, args: &Arguments<'_>, cx: &mut ExprContext<'_>) -> Result<Expr> {
        match cx.unnest {
            Unnests::Allowed => {}
            Unnests::Nested => {
                return Err(SqlError::binder(
                    "Nested UNNEST calls are not supported - use UNNEST(x, recursive := true) to unnest multiple levels",
                ));
            }
            Unnests::Forbidden => return Err(SqlError::binder("UNNEST not supported here")),
        }
        let (list, depth) = self.unnest_argument(args, cx)?;
        if matches!(list.ty(), LogicalType::Struct(_)) {
            return Err(SqlError::binder(
                "UNNEST() on a struct column can only be applied as the root element of a SELECT expression",
            ));
        }
        Ok(self.unnested(list, &depth, cx)?.expr())
    }

    /// UNNEST as an item of the select list; one of structs yields a column for each field.
    pub(super) fn bind_unnest_item(
        &mut self,
        syntax: &Syntax,
        name: &str,
        is_alias: bool,
        cx: &mut ExprContext<'_>,
    ) -> Result<Option<Vec<Output>>> {
        let Syntax::Function(function) = syntax else { return Ok(None) };
        if !is_unnest(&function_name(&function.name)) || !matches!(function.args, FunctionArguments::List(_))
        {
            return Ok(None);
        }
        let args = arguments(function)?;
        let (value, depth) = self.unnest_argument(&args, cx).map_err(|e| e.at(syntax))?;
        let is_struct = matches!(value.ty(), LogicalType::Struct(_));
        let value = if is_struct {
            value
        } else {
            self.unnested(value, &depth, cx).map_err(|e| e.at(syntax))?.expr()
        };
        let mut out = vec![];
        match value.ty() {
            LogicalType::Struct(_) if is_struct || depth.recursive => {
                let levels = if is_struct { depth.levels } else { depth.levels.saturating_sub(1) };
                if matches!(value.ty(), LogicalType::Struct(fields) if fields.is_empty()) {
                    return Err(SqlError::binder("UNNEST of an empty struct is not supported").at(syntax));
                }
                let parents = depth.full_names.then_some("");
                self.expand_struct(value, levels.max(1), parents, &mut out)?;
                if let ([only], true) = (&mut out[..], is_alias) {
                    name.clone_into(&mut only.name);
                }
            }
            _ => out.push(Output { name: name.to_owned(), is_alias: false, expr: value }),
        }
        Ok(Some(out))
    }

    /// The fields of a struct as columns, those of structs in it too as deep as `levels` says. `parents` are the names
    /// that lead to it, if they are to be kept.
    fn expand_struct(
        &mut self,
        value: Expr,
        levels: usize,
        parents: Option<&str>,
        out: &mut Vec<Output>,
    ) -> Result<()> {
        let LogicalType::Struct(fields) = value.ty() else { return Ok(()) };
        for (i, (name, ty)) in fields.iter().enumerate() {
            // By its place: fields of tuples have no names.
            let place = Expr::literal(Scalar::Int(i as i128 + 1), LogicalType::BigInt);
            let field = self.call("struct_extract_at", vec![value.clone(), place])?;
            let name = if name.is_empty() { format!("element{}", i + 1) } else { name.to_string() };
            let name = match parents {
                Some(parents) if !parents.is_empty() => format!("{parents}.{name}"),
                _ => name,
            };
            if levels > 1 && matches!(ty, LogicalType::Struct(_)) {
                self.expand_struct(field, levels - 1, parents.map(|_| &*name), out)?;
            } else {
                out.push(Output { name, is_alias: false, expr: field });
            }
        }
        Ok(())
    }

    /// The column of the items of a list; lists in it become one first, as deep as UNNEST goes.
    fn unnested(&mut self, mut list: Expr, depth: &Depth, cx: &mut ExprContext<'_>) -> Result<Column> {
        list = as_list(list)?;
        for _ in 1..depth.levels {
            let LogicalType::List(item) = list.ty() else { break };
            if !matches!(*item, LogicalType::List(_) | LogicalType::Array(..)) {
                break;
            }
            list = as_list(self.call("flatten", vec![list])?)?;
        }
        let LogicalType::List(item) = list.ty() else {
            return Err(SqlError::internal("a list is one"));
        };
        let column = self.ids.column("unnest", storable(&item));
        let list = coerce::cast(list, &LogicalType::List(Box::new(column.ty.clone())));
        cx.unnests.push(Definition { column: column.clone(), expr: list });
        Ok(column)
    }

    /// `FROM unnest(list)`.
    pub(super) fn bind_unnest_table(
        &mut self,
        args: &[ast::FunctionArg],
        with_ordinality: bool,
        outer: Option<&Outer<'_>>,
    ) -> Result<Bound> {
        let lists: Option<Vec<&Syntax>> = args
            .iter()
            .map(|arg| match arg {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(list)) => Some(list),
                _ => None,
            })
            .collect();
        let Some((argument, others)) = lists.as_deref().and_then(<[_]>::split_first) else {
            if let Some(ast::FunctionArg::Named { name, .. }) = args.get(1) {
                return Err(SqlError::binder(format!(
                    "Invalid named parameter \"{}\" for function unnest",
                    name.value
                ))
                .at_span(name.span));
            }
            return Err(SqlError::binder(
                "No function matches the given name and argument types: unnest in FROM takes lists",
            ));
        };
        let scope = Scope::default();
        let mut cx = ExprContext::new(&scope, outer, "UNNEST");
        let list = self.bind_expr(argument, &mut cx)?;
        let list = as_list(list).map_err(|e| e.at(*argument))?;
        let mut more = vec![];
        for other in others {
            let list = self.bind_expr(other, &mut cx)?;
            more.push(as_list(list).map_err(|e| e.at(*other))?);
        }
        let subqueries = std::mem::take(&mut cx.subqueries);
        let input = attach(LogicalPlan::Values { rows: vec![vec![]], columns: vec![] }, subqueries);
        let mut bound = self.unnest_rows(input, list, "unnest", with_ordinality);
        if let (LogicalPlan::Unnest { lists, .. }, [relation], false) =
            (&mut bound.plan, &mut bound.scope.relations[..], more.is_empty())
        {
            // Several lists side by side: a column for each, before the numbers of the rows.
            relation.is_value = false;
            for list in more {
                let definition = self.unnested_list(list, "unnest");
                relation.columns.insert(lists.len(), ScopeColumn::new(definition.column.clone()));
                lists.push(definition);
            }
        }
        Ok(bound)
    }

    /// `FROM json_each(value, path)`, where both may be of tables to the left: the structs that the function of that
    /// name lists, a column for each field.
    pub(super) fn bind_json_rows(
        &mut self,
        function: &str,
        args: &[ast::FunctionArg],
        with_ordinality: bool,
        outer: Option<&Outer<'_>>,
    ) -> Result<Bound> {
        let scope = Scope::default();
        let mut cx = ExprContext::new(&scope, outer, "arguments of a table function");
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            let ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value)) = arg else {
                return Err(SqlError::binder(format!(
                    "{function} takes a JSON value and, if need be, a path"
                )));
            };
            values.push(self.bind_expr(value, &mut cx)?);
        }
        let subqueries = std::mem::take(&mut cx.subqueries);
        let input = attach(LogicalPlan::Values { rows: vec![vec![]], columns: vec![] }, subqueries);
        let list = self.call(function, values)?;
        let Bound { plan, scope } = self.unnest_rows(input, list, function, with_ordinality);
        let mut unnested = scope.relations.into_iter().flat_map(|r| r.columns).map(|c| c.column);
        let Some(row) = unnested.next() else { return Err(SqlError::internal("UNNEST makes a column")) };
        let mut fields = vec![];
        self.expand_struct(row.expr(), 1, None, &mut fields)?;
        let mut definitions: Vec<Definition> = fields
            .into_iter()
            .map(|Output { name, expr, .. }| Definition { column: self.ids.column(&name, expr.ty()), expr })
            .collect();
        definitions.extend(unnested.map(|column| Definition { expr: column.expr(), column }));
        let mut relation = Relation::new(function, definitions.iter().map(|d| d.column.clone()).collect());
        relation.is_function = true;
        let plan = LogicalPlan::Project { input: Box::new(plan), definitions };
        Ok(Bound { plan, scope: Scope::of(relation) })
    }

    /// The items of a list as a table with one column.
    pub(super) fn unnest_rows(
        &mut self,
        input: LogicalPlan,
        list: Expr,
        name: &str,
        with_ordinality: bool,
    ) -> Bound {
        let definition = self.unnested_list(list, name);
        let column = definition.column.clone();
        let ordinality = with_ordinality.then(|| self.ids.column("ordinality", LogicalType::BigInt));
        let columns = std::iter::once(column.clone()).chain(ordinality.clone()).collect();
        let mut relation = Relation::new(name, columns);
        relation.is_function = true;
        relation.is_value = true;
        let plan = LogicalPlan::Unnest {
            input: Box::new(input),
            lists: vec![definition],
            ordinality,
            keep_empty: false,
        };
        Bound { plan, scope: Scope::of(relation) }
    }

    /// The column of a list's items.
    fn unnested_list(&mut self, list: Expr, name: &str) -> Definition {
        let item = match list.ty() {
            LogicalType::List(item) => storable(&item),
            other => storable(&other),
        };
        let expr = coerce::cast(list, &LogicalType::List(Box::new(item.clone())));
        Definition { column: self.ids.column(name, item), expr }
    }
}

/// What becomes of calls of UNNEST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unnests {
    /// They are an error here.
    Forbidden,
    /// This is the argument of one.
    Nested,
    /// They are collected; each becomes a column.
    Allowed,
}

/// A row for each item of the lists, side by side.
pub(super) fn unnest(plan: LogicalPlan, lists: Vec<Definition>) -> LogicalPlan {
    if lists.is_empty() {
        return plan;
    }
    LogicalPlan::Unnest { input: Box::new(plan), lists, ordinality: None, keep_empty: false }
}

/// The value as a list, if it is one.
fn as_list(value: Expr) -> Result<Expr> {
    match value.ty() {
        LogicalType::List(_) => Ok(value),
        LogicalType::Array(item, _) => Ok(coerce::cast(value, &LogicalType::List(item))),
        LogicalType::Null => Ok(coerce::cast(value, &LogicalType::List(Box::new(LogicalType::Integer)))),
        other => Err(wrong_type(&other)),
    }
}
