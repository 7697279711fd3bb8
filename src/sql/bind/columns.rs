//! `COLUMNS(…)`: an expression once for each column that matches, and `*COLUMNS(…)`, all of them side by side.

use std::borrow::Cow;
use std::ops::ControlFlow;

use arrow_array::cast::AsArray;
use regex::Regex;
use sqlparser::ast::{
    self, AccessExpr, Expr as Syntax, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArguments,
    Ident, ObjectName, OneOrManyWithParens, Spanned, Value, WildcardAdditionalOptions,
};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::sql::bind::Binder;
use crate::sql::bind::name::{column_name, function_name};
use crate::sql::bind::scope::Scope;
use crate::sql::bind::select::Item;
use crate::sql::bind::star::{StarColumn, StarValue, all_columns, star};
use crate::sql::error::{Result, SqlError};
use crate::sql::forms;
use crate::sql::walk;

/// The columns that a call of COLUMNS stands for.
struct Matching {
    columns: Vec<StarColumn>,
    /// The regular expression that their names match, if they were chosen by one.
    pattern: Option<Regex>,
}

impl Binder<'_> {
    /// An item with an expression; one that has `COLUMNS(…)` in it once for each column that matches.
    pub(super) fn expand_expr<'q>(
        &mut self,
        expr: &'q Syntax,
        alias: Option<&Ident>,
        scope: &Scope,
        items: &mut Vec<Item<'q>>,
    ) -> Result<()> {
        let expr = match self.unpack_columns(expr, scope)? {
            Some(unpacked) => Cow::Owned(unpacked),
            None => Cow::Borrowed(expr),
        };
        let plain = |expr: Cow<'q, Syntax>| match alias {
            Some(alias) => Item::syntax(alias.value.clone(), true, expr),
            None => Item::syntax(column_name(&expr), false, expr),
        };
        let Some(call) = columns_call(&expr)? else {
            items.push(plain(expr));
            return Ok(());
        };
        let Matching { columns, pattern } = self.matching_columns(&call, scope).map_err(|e| e.at(&*expr))?;
        for column in columns {
            let alias = alias.map(|a| expand_alias(&a.value, &column.name, pattern.as_ref())).transpose()?;
            if columns_argument(&expr).is_some() {
                let name = alias.clone().unwrap_or_else(|| column.name.clone());
                items.push(Item { name, is_alias: alias.is_some(), source: column.value.into_source() });
                continue;
            }
            let copy = replace_columns(&expr, &column);
            let name = alias.unwrap_or_else(|| match column.value {
                StarValue::Column(_) => column.name.clone(),
                StarValue::Replaced(_) => column_name(&copy),
            });
            items.push(Item::syntax(name, false, Cow::Owned(copy)));
        }
        Ok(())
    }

    /// A condition with `COLUMNS(…)`: it must hold for each column that matches. `None` if it has none.
    pub(super) fn expand_condition(&mut self, expr: &Syntax, scope: &Scope) -> Result<Option<Syntax>> {
        let unpacked = self.unpack_columns(expr, scope)?;
        let expr = unpacked.as_ref().unwrap_or(expr);
        if !walk::any_own_expression(expr, |e| columns_argument(e).is_some()) {
            return Ok(unpacked);
        }
        let and = |left: Syntax, right: Syntax| Syntax::BinaryOp {
            left: Box::new(left),
            op: ast::BinaryOperator::And,
            right: Box::new(right),
        };
        // Each of several conditions may be about other columns.
        if let Syntax::BinaryOp { left, op: ast::BinaryOperator::And, right } = expr {
            let expanded_left = self.expand_condition(left, scope)?;
            let expanded_right = self.expand_condition(right, scope)?;
            return Ok(Some(and(
                expanded_left.unwrap_or_else(|| (**left).clone()),
                expanded_right.unwrap_or_else(|| (**right).clone()),
            )));
        }
        let Some(call) = columns_call(expr)? else { return Ok(unpacked) };
        let columns = self.matching_columns(&call, scope).map_err(|e| e.at(expr))?.columns;
        let each = columns.iter().map(|c| Syntax::Nested(Box::new(replace_columns(expr, c)))).reduce(and);
        each.map(Some).ok_or_else(|| SqlError::binder("COLUMNS matches no column").at(expr))
    }

    /// The columns that a call of COLUMNS stands for, each as an expression.
    pub(super) fn columns_of_call(&mut self, expr: &Syntax, scope: &Scope) -> Result<Option<Vec<Syntax>>> {
        let Some(call) = columns_call(expr)? else { return Ok(None) };
        let columns = self.matching_columns(&call, scope).map_err(|e| e.at(expr))?.columns;
        Ok(Some(columns.iter().map(|c| replace_columns(expr, c)).collect()))
    }

    /// The expression with each `*COLUMNS(…)` replaced by the columns, side by side.
    fn unpack_columns(&mut self, expr: &Syntax, scope: &Scope) -> Result<Option<Syntax>> {
        if !walk::any_own_expression(expr, |e| unpacked_call(e).is_some()) {
            return Ok(None);
        }
        let mut copy = expr.clone();
        let mut done = Ok(());
        walk::rewrite_own_expressions(&mut copy, |e| {
            if done.is_ok() {
                done = self.unpack_arguments(e, scope);
            }
        });
        done.map(|()| Some(copy))
    }

    fn unpack_arguments(&mut self, expr: &mut Syntax, scope: &Scope) -> Result<()> {
        let unpack = |binder: &mut Self, e: &Syntax| -> Result<Option<Vec<Syntax>>> {
            match unpacked_call(e) {
                Some(call) => binder.columns_of_call(&call, scope),
                None => Ok(None),
            }
        };
        match expr {
            Syntax::Function(f) => {
                let names_fields = function_name(&f.name) == "struct_pack";
                let FunctionArguments::List(list) = &mut f.args else { return Ok(()) };
                let mut args = vec![];
                for arg in std::mem::take(&mut list.args) {
                    let FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) = &arg else {
                        args.push(arg);
                        continue;
                    };
                    if names_fields
                        && let Some(call) = unpacked_call(e)
                        && let Some(parsed) = columns_call(&call)?
                    {
                        let columns = self.matching_columns(&parsed, scope).map_err(|err| err.at(e))?.columns;
                        args.extend(columns.iter().map(|c| FunctionArg::Named {
                            name: Ident::with_quote('"', c.name.as_str()),
                            arg: FunctionArgExpr::Expr(replace_columns(&call, c)),
                            operator: FunctionArgOperator::Assignment,
                        }));
                        continue;
                    }
                    match unpack(self, e)? {
                        Some(columns) => args.extend(
                            columns.into_iter().map(|c| FunctionArg::Unnamed(FunctionArgExpr::Expr(c))),
                        ),
                        None => args.push(arg),
                    }
                }
                list.args = args;
            }
            Syntax::InList { list: all, .. }
            | Syntax::Array(ast::Array { elem: all, .. })
            | Syntax::Tuple(all) => {
                let mut out = vec![];
                for e in std::mem::take(all) {
                    match unpack(self, &e)? {
                        Some(columns) => out.extend(columns),
                        None => out.push(e),
                    }
                }
                *all = out;
            }
            _ => {}
        }
        Ok(())
    }

    fn matching_columns(&mut self, call: &ColumnsCall, scope: &Scope) -> Result<Matching> {
        let mut columns = match &call.table {
            Some(table) => {
                let name = ObjectName::from(vec![table.clone()]);
                self.qualified_columns(&name, scope, None)?
            }
            None if scope.relations.is_empty() => {
                return Err(SqlError::binder("* expression without FROM clause!"));
            }
            None => all_columns(scope),
        };
        let mut pattern = None;
        match &call.argument {
            ColumnsArgument::All => {}
            ColumnsArgument::Star(options) => columns = star(&columns, options)?,
            ColumnsArgument::Lambda(lambda) => {
                let mut kept = vec![];
                for column in columns {
                    if self.accepts(lambda, &column.name)? {
                        kept.push(column);
                    }
                }
                columns = kept;
            }
            ColumnsArgument::Computed(argument) => match self.column_choice(argument, scope)? {
                Choice::Pattern(text) => {
                    let regex = Regex::new(&text)
                        .map_err(|e| SqlError::binder(format!("COLUMNS: bad regular expression: {e}")))?;
                    columns.retain(|c| regex.is_match(&c.name));
                    if columns.is_empty() {
                        return Err(SqlError::binder(format!(
                            "No matching columns found that match regex \"{text}\""
                        )));
                    }
                    pattern = Some(regex);
                }
                Choice::Names(names) => {
                    if let Some(name) =
                        names.iter().find(|n| !columns.iter().any(|c| c.name.eq_ignore_ascii_case(n)))
                    {
                        return Err(SqlError::binder(format!(
                            "Column \"{name}\" in COLUMNS list not found in FROM clause"
                        )));
                    }
                    columns.retain(|c| names.iter().any(|n| c.name.eq_ignore_ascii_case(n)));
                }
            },
        }
        if columns.is_empty() {
            return Err(SqlError::binder("COLUMNS resulted in an empty set of columns"));
        }
        Ok(Matching { columns, pattern })
    }

    /// What an argument of COLUMNS that must be computed says of the columns.
    fn column_choice(&mut self, argument: &Syntax, scope: &Scope) -> Result<Choice> {
        let mut argument = argument.clone();
        let mut done = Ok(());
        walk::rewrite_expressions(&mut argument, |e| {
            if done.is_err() {
                return;
            }
            let Some(table) = forms::star_names(e) else { return };
            let columns = match table {
                Some(table) => self.qualified_columns(table, scope, None),
                None => Ok(all_columns(scope)),
            };
            match columns {
                Ok(columns) => {
                    let name = |c: StarColumn| Value::SingleQuotedString(c.name).with_empty_span();
                    let elem = columns.into_iter().map(|c| Syntax::Value(name(c))).collect();
                    *e = Syntax::Array(ast::Array { elem, named: false });
                }
                Err(error) => done = Err(error),
            }
        });
        done?;
        let (value, ty) = self.bind_constant(&argument, "COLUMNS")?;
        let wrong = || {
            SqlError::binder(
                "COLUMNS expects either a VARCHAR argument (regex) or a LIST of VARCHAR (list of columns)",
            )
        };
        match value {
            Scalar::Text(text) => Ok(Choice::Pattern(text.to_string())),
            Scalar::Nested(list) if matches!(&ty, LogicalType::List(item) if **item == LogicalType::Varchar) =>
            {
                let items = list.as_list_opt::<i32>().map(|list| list.value(0));
                let items = items.as_ref().and_then(|items| items.as_string_view_opt());
                let names = items.and_then(|items| items.iter().map(|n| n.map(str::to_owned)).collect());
                names.map(Choice::Names).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }

    /// Whether a lambda is true of a name.
    fn accepts(&mut self, lambda: &ast::LambdaFunction, name: &str) -> Result<bool> {
        let param = match &lambda.params {
            OneOrManyWithParens::One(one) => &one.name.value,
            OneOrManyWithParens::Many(many) => match &many[..] {
                [one] => &one.name.value,
                _ => return Err(SqlError::binder("the lambda of COLUMNS takes one name")),
            },
        };
        let mut body = (*lambda.body).clone();
        walk::rewrite_expressions(&mut body, |e| {
            if matches!(e, Syntax::Identifier(i) if i.value.eq_ignore_ascii_case(param)) {
                let span = e.span();
                *e = Syntax::Value(Value::SingleQuotedString(name.to_owned()).with_span(span));
            }
        });
        let value = self.bind_constant_as(&body, &LogicalType::Boolean, "COLUMNS")?;
        Ok(matches!(value, Scalar::Boolean(true)))
    }
}

/// The call of COLUMNS in `*COLUMNS(…)`, `unpack(COLUMNS(…))` and `COLUMNS(…).unpack()`.
fn unpacked_call(expr: &Syntax) -> Option<Syntax> {
    let mut expr = expr;
    while let Syntax::Nested(inner) = expr {
        expr = inner;
    }
    if let Syntax::CompoundFieldAccess { root, access_chain } = expr
        && let [AccessExpr::Dot(Syntax::Function(function))] = &access_chain[..]
        && function_name(&function.name) == "unpack"
        && matches!(&function.args, FunctionArguments::List(list) if list.args.is_empty())
        && columns_argument(root).is_some()
    {
        return Some((**root).clone());
    }
    let Syntax::Function(function) = expr else { return None };
    if is_unpacked(&function.name) {
        let mut call = function.clone();
        call.name = ObjectName::from(vec![Ident::new("columns")]);
        return Some(Syntax::Function(call));
    }
    let FunctionArguments::List(list) = &function.args else { return None };
    match &list.args[..] {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(call))]
            if function_name(&function.name) == "unpack" && columns_argument(call).is_some() =>
        {
            Some(call.clone())
        }
        _ => None,
    }
}

fn is_unpacked(name: &ObjectName) -> bool {
    matches!(&name.0[..], [part] if part.as_ident().is_some_and(|i| forms::is_marker(i, forms::UNPACKED_COLUMNS)))
}

/// A call of COLUMNS.
#[derive(Clone, PartialEq)]
struct ColumnsCall {
    /// `COLUMNS(t.*)`.
    table: Option<Ident>,
    argument: ColumnsArgument,
}

#[derive(Clone, PartialEq)]
enum ColumnsArgument {
    All,
    Star(WildcardAdditionalOptions),
    Lambda(ast::LambdaFunction),
    /// A regular expression or a list of names, as an expression without columns.
    Computed(Box<Syntax>),
}

/// Columns by their names.
enum Choice {
    /// Those whose names match a regular expression.
    Pattern(String),
    /// These.
    Names(Vec<String>),
}

/// The alias of an item for one column: `\0` in it stands for the column's name, `\1` for what the first group of the
/// pattern matches.
pub(super) fn expand_alias(alias: &str, name: &str, pattern: Option<&Regex>) -> Result<String> {
    let mut out = String::new();
    let mut chars = alias.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match (chars.next(), pattern) {
            (Some('\\'), _) => out.push('\\'),
            (Some('0'), _) => out.push_str(name),
            (Some(digit @ '1'..='9'), Some(pattern)) => {
                let group = digit as usize - '0' as usize;
                let found = pattern.captures(name).and_then(|groups| groups.get(group));
                out.push_str(found.map_or("", |g| g.as_str()));
            }
            (Some('1'..='9'), None) => {
                return Err(SqlError::binder(
                    "Only the backslash escape code \\0 can be used when no regex is supplied to COLUMNS(*)",
                ));
            }
            (Some(_), _) => {
                return Err(SqlError::binder(format!(
                    "Invalid backslash code in COLUMNS(*) \"{alias}\" alias. \
                     Backslashes must either be escaped or followed by a number"
                )));
            }
            (None, _) => {
                return Err(SqlError::binder(format!(
                    "Unterminated backslash in COLUMNS(*) \"{alias}\" alias. \
                     Backslashes must either be escaped or followed by a number"
                )));
            }
        }
    }
    Ok(out)
}

/// The call of COLUMNS in an expression; all that there are must be alike.
fn columns_call(expr: &Syntax) -> Result<Option<ColumnsCall>> {
    let mut found: Option<ColumnsCall> = None;
    let failed = walk::own_expressions(expr, |e| match columns_argument(e) {
        None => ControlFlow::Continue(()),
        Some(Err(error)) => ControlFlow::Break(error),
        Some(Ok(call)) => {
            if found.get_or_insert_with(|| call.clone()) == &call {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(
                    SqlError::binder(
                        "Multiple different STAR/COLUMNS in the same expression are not supported",
                    )
                    .at(e),
                )
            }
        }
    });
    match failed {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(found),
    }
}

/// The call, if an expression is one of COLUMNS.
fn columns_argument(expr: &Syntax) -> Option<Result<ColumnsCall>> {
    let Syntax::Function(function) = expr else { return None };
    if function_name(&function.name) != "columns" {
        return None;
    }
    let FunctionArguments::List(list) = &function.args else { return None };
    let mut table = match &function.name.0[..] {
        [table, _] => table.as_ident().cloned(),
        _ => None,
    };
    let argument = match &list.args[..] {
        [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] => ColumnsArgument::All,
        [FunctionArg::Unnamed(FunctionArgExpr::WildcardWithOptions(options))] => {
            ColumnsArgument::Star(options.clone())
        }
        [FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name))] => {
            table = name.0.last().and_then(|p| p.as_ident()).cloned();
            ColumnsArgument::All
        }
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Syntax::Lambda(lambda)))] => {
            ColumnsArgument::Lambda(lambda.clone())
        }
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] => {
            ColumnsArgument::Computed(Box::new(argument.clone()))
        }
        _ => {
            let wrong = "COLUMNS takes *, a regular expression, a list of names, or a lambda";
            return Some(Err(SqlError::binder(wrong).at(expr)));
        }
    };
    Some(Ok(ColumnsCall { table, argument }))
}

/// The expression with one column in the place of COLUMNS.
fn replace_columns(expr: &Syntax, column: &StarColumn) -> Syntax {
    let mut copy = expr.clone();
    let span = expr.span();
    let ident = |name: &str| Ident { value: name.to_owned(), quote_style: Some('"'), span };
    let with = match &column.value {
        StarValue::Replaced(expr) => Syntax::Nested(Box::new(expr.clone())),
        StarValue::Column(_) if column.merged || column.table.is_empty() => {
            Syntax::Identifier(ident(&column.name))
        }
        StarValue::Column(_) => Syntax::CompoundIdentifier(vec![ident(&column.table), ident(&column.name)]),
    };
    walk::rewrite_own_expressions(&mut copy, |e| {
        if columns_argument(e).is_some() {
            *e = with.clone();
        }
    });
    copy
}
