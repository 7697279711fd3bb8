//! The select list: `*`, `t.*` and `s.*` with EXCLUDE, REPLACE, RENAME and LIKE, and `COLUMNS(…)`.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use regex::Regex;
use sqlparser::ast::{
    self, ExcludeSelectItem, Expr as Syntax, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    ObjectName, OneOrManyWithParens, RenameSelectItem, SelectItem, SelectItemQualifiedWildcardKind, Spanned,
    Value, WildcardAdditionalOptions,
};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::Expr;
use crate::sql::bind::name::{column_name, function_name};
use crate::sql::bind::scope::{Found, Outer, Scope, ScopeColumn};
use crate::sql::bind::select::{Item, ItemSource};
use crate::sql::bind::{Binder, object_name};
use crate::sql::error::{Result, SqlError};
use crate::sql::forms;
use crate::sql::session::parts;
use crate::sql::tokens::STAR_PATTERN;
use crate::sql::walk;

/// A column that a star may stand for: the table it is of, its name, and its value.
#[derive(Clone)]
struct StarColumn {
    table: String,
    name: String,
    value: Expr,
}

/// All columns of FROM: `FROM t` without a select list.
pub fn everything(scope: &Scope) -> Vec<Item<'static>> {
    scope.star().map(|c| passed(c.column.name.clone(), c.unqualified())).collect()
}

fn passed(name: String, value: Expr) -> Item<'static> {
    Item { name, is_alias: false, source: ItemSource::Bound(value) }
}

fn all_columns(scope: &Scope) -> Vec<StarColumn> {
    let of = |table: &str, c: &ScopeColumn| StarColumn {
        table: table.to_owned(),
        name: c.column.name.clone(),
        value: c.unqualified(),
    };
    scope
        .relations
        .iter()
        .flat_map(|r| r.columns.iter().filter(|c| !c.merged_away).map(|c| of(&r.name, c)))
        .collect()
}

impl Binder<'_> {
    /// The items of a select list, `*` expanded.
    pub(super) fn expand_items<'q>(
        &mut self,
        projection: &'q [SelectItem],
        scope: &Scope,
        outer: Option<&Outer<'_>>,
    ) -> Result<Vec<Item<'q>>> {
        let mut items = vec![];
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(Syntax::Named { expr, name }) => {
                    self.expand_expr(expr, Some(name), scope, &mut items)?;
                }
                SelectItem::UnnamedExpr(expr) => self.expand_expr(expr, None, scope, &mut items)?,
                SelectItem::ExprWithAlias { expr, alias } => {
                    self.expand_expr(expr, Some(alias), scope, &mut items)?;
                }
                SelectItem::Wildcard(options) => {
                    if scope.relations.is_empty() {
                        return Err(SqlError::binder("SELECT * expression without FROM clause!").at(options));
                    }
                    star(&all_columns(scope), options, &mut items)?;
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    let columns = self.qualified_columns(name, scope, outer)?;
                    star(&columns, options, &mut items)?;
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => {
                    return Err(SqlError::parser("syntax error at or near \"*\"").at(expr));
                }
                SelectItem::ExprWithAliases { expr, .. } => {
                    return Err(SqlError::unsupported(
                        "several aliases for one expression are not supported",
                    )
                    .at(expr));
                }
            }
        }
        Ok(items)
    }

    /// The columns of a table, or the fields of a struct.
    fn qualified_columns(
        &mut self,
        name: &ObjectName,
        scope: &Scope,
        outer: Option<&Outer<'_>>,
    ) -> Result<Vec<StarColumn>> {
        let parts = parts(name)?;
        let Some((table, qualifier)) = parts.split_last() else {
            return Err(SqlError::internal("a name is empty"));
        };
        let schema = qualifier.first();
        let qualifier: Vec<&str> = qualifier.iter().map(|part| part.value.as_str()).collect();
        let mut scopes = std::iter::once(scope).chain(Outer::chain(outer));
        if let Some(relation) = scopes.find_map(|s| s.relation(&qualifier, &table.value)) {
            // Here a column that was merged into another is there too.
            let columns = relation.columns.iter().map(|c| StarColumn {
                table: relation.name.clone(),
                name: c.column.name.clone(),
                value: c.unqualified(),
            });
            return Ok(columns.collect());
        }
        if schema.is_none()
            && let Found::One(column) = scope.find(&table.value)
            && let LogicalType::Struct(fields) = &column.column.ty
        {
            let mut out = vec![];
            for (field, _) in fields.iter() {
                let key = Expr::literal(Scalar::Text(Arc::from(&**field)), LogicalType::Varchar);
                let value = self.call("struct_extract", vec![column.unqualified(), key])?;
                out.push(StarColumn { table: table.value.clone(), name: field.to_string(), value });
            }
            return Ok(out);
        }
        let names: Vec<_> = scope.relations.iter().map(|r| r.name.clone()).collect();
        Err(SqlError::binder(format!("Referenced table \"{}\" not found!", table.value))
            .at_span(table.span)
            .did_you_mean(&table.value, names))
    }

    /// An item with an expression; one that has `COLUMNS(…)` in it once for each column that matches.
    fn expand_expr<'q>(
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
        let columns = self.matching_columns(&call, scope)?;
        if columns.is_empty() {
            return Err(SqlError::binder(format!(
                "No matching columns found that match regex \"{}\"",
                call.pattern().unwrap_or("COLUMNS")
            ))
            .at(&*expr));
        }
        for column in columns {
            let name = match alias {
                Some(alias) => call.rename(&alias.value, &column.name),
                None => column.name.clone(),
            };
            if columns_argument(&expr).is_some() {
                items.push(Item { name, is_alias: alias.is_some(), source: ItemSource::Bound(column.value) });
                continue;
            }
            let copy = replace_columns(&expr, &column);
            items.push(Item::syntax(name, false, Cow::Owned(copy)));
        }
        Ok(())
    }

    /// A condition with `COLUMNS(…)`: it must hold for each column that matches. `None` if it has none.
    pub(super) fn expand_condition(&mut self, expr: &Syntax, scope: &Scope) -> Result<Option<Syntax>> {
        let unpacked = self.unpack_columns(expr, scope)?;
        let expr = unpacked.as_ref().unwrap_or(expr);
        let Some(call) = columns_call(expr)? else { return Ok(unpacked) };
        let columns = self.matching_columns(&call, scope)?;
        let each =
            columns.iter().map(|c| Syntax::Nested(Box::new(replace_columns(expr, c)))).reduce(|a, b| {
                Syntax::BinaryOp { left: Box::new(a), op: ast::BinaryOperator::And, right: Box::new(b) }
            });
        each.map(Some).ok_or_else(|| SqlError::binder("COLUMNS matches no column").at(expr))
    }

    /// The columns that a call of COLUMNS stands for, each as an expression.
    pub(super) fn columns_of_call(&mut self, expr: &Syntax, scope: &Scope) -> Result<Option<Vec<Syntax>>> {
        let Some(call) = columns_call(expr)? else { return Ok(None) };
        let columns = self.matching_columns(&call, scope)?;
        Ok(Some(columns.iter().map(|c| replace_columns(expr, c)).collect()))
    }

    /// The expression with each `*COLUMNS(…)` replaced by the columns, side by side.
    fn unpack_columns(&mut self, expr: &Syntax, scope: &Scope) -> Result<Option<Syntax>> {
        if !walk::any_expression(expr, |e| matches!(e, Syntax::Function(f) if is_unpacked(&f.name))) {
            return Ok(None);
        }
        let mut copy = expr.clone();
        let mut done = Ok(());
        walk::rewrite_expressions(&mut copy, |e| {
            if done.is_ok() {
                done = self.unpack_arguments(e, scope);
            }
        });
        done.map(|()| Some(copy))
    }

    fn unpack_arguments(&mut self, expr: &mut Syntax, scope: &Scope) -> Result<()> {
        let unpack = |binder: &mut Self, e: &Syntax| -> Result<Option<Vec<Syntax>>> {
            let Syntax::Function(f) = e else { return Ok(None) };
            if !is_unpacked(&f.name) {
                return Ok(None);
            }
            let mut call = f.clone();
            call.name = ObjectName::from(vec![Ident::new("columns")]);
            let call = Syntax::Function(call);
            binder.columns_of_call(&call, scope)
        };
        match expr {
            Syntax::Function(f) => {
                let FunctionArguments::List(list) = &mut f.args else { return Ok(()) };
                let mut args = vec![];
                for arg in std::mem::take(&mut list.args) {
                    let FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) = &arg else {
                        args.push(arg);
                        continue;
                    };
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

    fn matching_columns(&mut self, call: &ColumnsCall, scope: &Scope) -> Result<Vec<StarColumn>> {
        let columns = match &call.table {
            Some(table) => {
                let name = ObjectName::from(vec![table.clone()]);
                self.qualified_columns(&name, scope, None)?
            }
            None => all_columns(scope),
        };
        let matches: Box<dyn Fn(&str) -> bool> = match &call.argument {
            ColumnsArgument::All => return Ok(columns),
            ColumnsArgument::Star(options) => {
                let mut items = vec![];
                star(&columns, options, &mut items)?;
                return Ok(items
                    .into_iter()
                    .filter_map(|item| match item.source {
                        ItemSource::Bound(value) => {
                            Some(StarColumn { table: String::new(), name: item.name, value })
                        }
                        ItemSource::Syntax(_) => None,
                    })
                    .collect());
            }
            ColumnsArgument::Pattern(text) => {
                let regex = Regex::new(text)
                    .map_err(|e| SqlError::binder(format!("COLUMNS: bad regular expression: {e}")))?;
                Box::new(move |name| regex.is_match(name))
            }
            ColumnsArgument::Names(names) => {
                for name in names {
                    if !columns.iter().any(|c| c.name.eq_ignore_ascii_case(name)) {
                        return Err(SqlError::binder(format!(
                            "Column \"{name}\" in COLUMNS list not found in FROM clause"
                        )));
                    }
                }
                let named =
                    |name: &String| columns.iter().find(|c| c.name.eq_ignore_ascii_case(name)).cloned();
                return Ok(names.iter().filter_map(named).collect());
            }
            ColumnsArgument::Lambda(lambda) => {
                let mut out = vec![];
                for column in columns {
                    if self.accepts(lambda, &column.name)? {
                        out.push(column);
                    }
                }
                return Ok(out);
            }
        };
        Ok(columns.into_iter().filter(|c| matches(&c.name)).collect())
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

fn is_unpacked(name: &ObjectName) -> bool {
    matches!(&name.0[..], [part] if part.as_ident().is_some_and(|i| forms::is_marker(i, forms::UNPACKED_COLUMNS)))
}

fn star(
    columns: &[StarColumn],
    options: &WildcardAdditionalOptions,
    items: &mut Vec<Item<'_>>,
) -> Result<()> {
    let mut excluded: Vec<(Option<&Ident>, &Ident, bool)> = vec![];
    let mut exclude = |name| -> Result<()> {
        let (table, column) = object_name(name)?;
        excluded.push((table, column, false));
        Ok(())
    };
    match &options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => exclude(name)?,
        Some(ExcludeSelectItem::Multiple(names)) => names.iter().try_for_each(exclude)?,
        None => {}
    }
    if let Some(except) = &options.opt_except {
        excluded.push((None, &except.first_element, false));
        excluded.extend(except.additional_elements.iter().map(|i| (None, i, false)));
    }
    let mut replaced: Vec<(&Ident, &Syntax, bool)> = match &options.opt_replace {
        Some(list) => list.items.iter().map(|e| (&e.column_name, &e.expr, false)).collect(),
        None => vec![],
    };
    let mut renamed: Vec<(&Ident, &Ident, bool)> = match &options.opt_rename {
        Some(RenameSelectItem::Single(one)) => vec![(&one.ident, &one.alias, false)],
        Some(RenameSelectItem::Multiple(list)) => list.iter().map(|i| (&i.ident, &i.alias, false)).collect(),
        None => vec![],
    };
    let pattern = match &options.opt_ilike {
        Some(ilike) => Some(NamePattern::new(&ilike.pattern)?),
        None => None,
    };
    for column in columns {
        let name = &column.name;
        let is = |ident: &Ident| ident.value.eq_ignore_ascii_case(name);
        let is_excluded = |(table, ident, _): &&mut (Option<&Ident>, &Ident, bool)| {
            is(ident) && table.is_none_or(|t| t.value.eq_ignore_ascii_case(&column.table))
        };
        if let Some((.., used)) = excluded.iter_mut().find(is_excluded) {
            *used = true;
            continue;
        }
        if pattern.as_ref().is_some_and(|p| !p.is_match(name)) {
            continue;
        }
        if let Some((_, expr, used)) = replaced.iter_mut().find(|(i, ..)| is(i)) {
            *used = true;
            items.push(Item::syntax(name.clone(), false, Cow::Owned((*expr).clone())));
            continue;
        }
        let mut item = passed(name.clone(), column.value.clone());
        if let Some((_, alias, used)) = renamed.iter_mut().find(|(i, ..)| is(i)) {
            *used = true;
            item.name.clone_from(&alias.value);
            item.is_alias = true;
        }
        items.push(item);
    }
    let unused = excluded
        .iter()
        .map(|(_, i, used)| (*i, *used, "EXCLUDE"))
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

/// A call of COLUMNS.
#[derive(Clone, PartialEq)]
struct ColumnsCall {
    /// `t.COLUMNS(…)`.
    table: Option<Ident>,
    argument: ColumnsArgument,
}

#[derive(Clone, PartialEq)]
enum ColumnsArgument {
    All,
    Star(WildcardAdditionalOptions),
    Pattern(String),
    Names(Vec<String>),
    Lambda(ast::LambdaFunction),
}

impl ColumnsCall {
    fn pattern(&self) -> Option<&str> {
        match &self.argument {
            ColumnsArgument::Pattern(text) => Some(text),
            _ => None,
        }
    }

    /// The alias of an item for one column: `\1` in it stands for what the pattern's first group matches.
    fn rename(&self, alias: &str, name: &str) -> String {
        let Some(pattern) = self.pattern().filter(|_| alias.contains('\\')) else { return alias.to_owned() };
        let Some(found) = Regex::new(pattern).ok().and_then(|r| {
            let groups = r.captures(name)?;
            Some(groups.iter().map(|g| g.map(|m| m.as_str().to_owned())).collect::<Vec<_>>())
        }) else {
            return alias.to_owned();
        };
        let mut out = String::new();
        let mut chars = alias.chars().peekable();
        while let Some(c) = chars.next() {
            match (c, chars.peek().and_then(|d| d.to_digit(10))) {
                ('\\', Some(n)) => {
                    chars.next();
                    out.push_str(found.get(n as usize).and_then(|g| g.as_deref()).unwrap_or_default());
                }
                _ => out.push(c),
            }
        }
        out
    }
}

/// The call of COLUMNS in an expression; all that there are must be alike.
fn columns_call(expr: &Syntax) -> Result<Option<ColumnsCall>> {
    let mut found: Option<ColumnsCall> = None;
    let failed = walk::expressions(expr, |e| match columns_argument(e) {
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
    let text = |e: &Syntax| match e {
        Syntax::Value(v) => match &v.value {
            Value::SingleQuotedString(s) => Some(s.clone()),
            _ => None,
        },
        Syntax::Identifier(i) => Some(i.value.clone()),
        _ => None,
    };
    let wrong = || SqlError::binder("COLUMNS takes *, a regular expression, a list of names, or a lambda");
    let argument = match &list.args[..] {
        [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] => ColumnsArgument::All,
        [FunctionArg::Unnamed(FunctionArgExpr::WildcardWithOptions(options))] => {
            ColumnsArgument::Star(options.clone())
        }
        [FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name))] => {
            table = name.0.last().and_then(|p| p.as_ident()).cloned();
            ColumnsArgument::All
        }
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Syntax::Array(array)))] => {
            match array.elem.iter().map(text).collect::<Option<_>>() {
                Some(names) => ColumnsArgument::Names(names),
                None => return Some(Err(wrong().at(expr))),
            }
        }
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Syntax::Lambda(lambda)))] => {
            ColumnsArgument::Lambda(lambda.clone())
        }
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Syntax::Value(v)))] => match &v.value {
            Value::SingleQuotedString(s) => ColumnsArgument::Pattern(s.clone()),
            _ => return Some(Err(wrong().at(expr))),
        },
        _ => return Some(Err(wrong().at(expr))),
    };
    Some(Ok(ColumnsCall { table, argument }))
}

/// The expression with one column in the place of COLUMNS.
fn replace_columns(expr: &Syntax, column: &StarColumn) -> Syntax {
    let mut copy = expr.clone();
    let span = expr.span();
    let ident = |name: &str| Ident { value: name.to_owned(), quote_style: Some('"'), span };
    let with = if column.table.is_empty() {
        Syntax::Identifier(ident(&column.name))
    } else {
        Syntax::CompoundIdentifier(vec![ident(&column.table), ident(&column.name)])
    };
    walk::rewrite_expressions(&mut copy, |e| {
        if columns_argument(e).is_some() {
            *e = with.clone();
        }
    });
    copy
}

/// What the names of columns must look like: `* LIKE 'a%'`.
struct NamePattern {
    regex: Regex,
    negated: bool,
}

impl NamePattern {
    fn new(text: &str) -> Result<Self> {
        // The token rewriter puts the operator before the pattern.
        let (operator, pattern) = text.split_once(STAR_PATTERN).unwrap_or(("ilike", text));
        let (negated, operator) = match operator.strip_prefix("not ") {
            Some(rest) => (true, rest),
            None => (false, operator),
        };
        let regex = match operator {
            "similar to" => format!("(?s)^(?:{pattern})$"),
            "glob" => wildcards(pattern, "(?s)^", '*', '?'),
            "like" => wildcards(pattern, "(?s)^", '%', '_'),
            _ => wildcards(pattern, "(?is)^", '%', '_'),
        };
        let regex = Regex::new(&regex).map_err(|e| SqlError::binder(format!("bad pattern: {e}")))?;
        Ok(Self { regex, negated })
    }

    fn is_match(&self, name: &str) -> bool {
        self.regex.is_match(name) != self.negated
    }
}

/// A pattern with a character for any text and one for any character, as a regular expression.
fn wildcards(pattern: &str, start: &str, any: char, one: char) -> String {
    let mut out = String::from(start);
    for c in pattern.chars() {
        match c {
            c if c == any => out.push_str(".*"),
            c if c == one => out.push('.'),
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push('$');
    out
}
