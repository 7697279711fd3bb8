//! Table functions in FROM.

use std::borrow::Cow;

use sqlparser::ast::{self, Expr as Syntax, ObjectName};

use crate::catalog::ObjectKind;
use crate::exec::functions::is_scalar_function;
use crate::exec::source::TableFunctionArgs;
use crate::sql::bind::Binder;
use crate::sql::bind::expr::{ExprContext, is_constant};
use crate::sql::bind::from::{Bound, derived};
use crate::sql::bind::histogram::HISTOGRAM_FUNCTIONS;
use crate::sql::bind::name::function_name;
use crate::sql::bind::query_functions::QUERY_FUNCTIONS;
use crate::sql::bind::scope::{Outer, Scope};
use crate::sql::bind::subquery::attach;
use crate::sql::bind::unnest::is_unnest;
use crate::sql::error::{Result, SqlError};
use crate::sql::forms;
use crate::sql::parser::{parse_expr, parse_type, scalar_query};
use crate::sql::plan::LogicalPlan;
use crate::sql::{sources, walk};

/// Arguments of readers of files that name types.
const TYPE_ARGUMENTS: [&str; 6] =
    ["auto_type_candidates", "column_types", "columns", "dtypes", "hive_types", "types"];

impl Binder<'_> {
    pub(super) fn bind_table_function(
        &mut self,
        name: &ObjectName,
        args: &[ast::FunctionArg],
        with_ordinality: bool,
        lateral: Option<&Outer<'_>>,
    ) -> Result<Bound> {
        if let Some(listing) = forms::listing(name) {
            let bound = self.bind_listing(listing, args)?;
            return Ok(derived("", bound, None));
        }
        let function = function_name(name);
        if is_unnest(&function) {
            return self.bind_unnest_table(args, with_ordinality, lateral);
        }
        if let Some(bound) = self.bind_lateral_series(&function, args, with_ordinality, lateral)? {
            return Ok(bound);
        }
        if matches!(&function[..], "json_each" | "json_tree") {
            return self.bind_json_rows(&function, args, with_ordinality, lateral).map_err(|e| e.at(name));
        }
        if let Some(bound) = self.bind_query_function(&function, args)? {
            return Ok(derived(&function, bound, None));
        }
        if let Some(bound) = self.bind_histogram(&function, args).map_err(|e| e.at(name))? {
            return Ok(derived(&function, bound, None));
        }
        if with_ordinality {
            return Err(SqlError::unsupported("WITH ORDINALITY is not supported for this function").at(name));
        }
        let is_own = sources::TABLE_FUNCTIONS.contains(&&*function)
            || self.env.formats.table_functions().contains(&&*function)
            || self.env.extensions.table_function(&function).is_some();
        if !is_own && let Some(bound) = self.bind_rows_of_function(name, args, lateral)? {
            return Ok(bound);
        }
        let mut given = TableFunctionArgs::default();
        for arg in args {
            self.bind_table_argument(&function, arg, &mut given)?;
        }
        let made = sources::table_function(&self.env, &function, &given)
            .or_else(|| self.env.formats.table_function(&function, &given))
            .or_else(|| self.env.extensions.table_function(&function).map(|f| f(&given)));
        let source = match made {
            Some(source) => source.map_err(|e| SqlError::from_exec(&e).at(name))?,
            None => {
                let known = sources::TABLE_FUNCTIONS.iter().chain(self.env.formats.table_functions());
                let known = known.chain(QUERY_FUNCTIONS).chain(HISTOGRAM_FUNCTIONS);
                return Err(SqlError::catalog(format!(
                    "Table Function with name {function} does not exist!"
                ))
                .at(name)
                .did_you_mean(&function, known));
            }
        };
        let mut bound = self.source(source, &function);
        let relation = &mut bound.scope.relations[0];
        relation.is_function = true;
        relation.is_value = matches!(&function[..], "range" | "generate_series");
        Ok(bound)
    }

    /// `range` and `generate_series` of columns of tables to the left, or with the numbers of its rows: the items of
    /// the list that the function of the same name makes.
    fn bind_lateral_series(
        &mut self,
        function: &str,
        args: &[ast::FunctionArg],
        with_ordinality: bool,
        lateral: Option<&Outer<'_>>,
    ) -> Result<Option<Bound>> {
        if !matches!(function, "range" | "generate_series") {
            return Ok(None);
        }
        let exprs: Option<Vec<&Syntax>> = args
            .iter()
            .map(|arg| match arg {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(e)) => Some(e),
                _ => None,
            })
            .collect();
        let Some(exprs) = exprs else { return Ok(None) };
        let scope = Scope::default();
        let mut cx = ExprContext::new(&scope, lateral, "arguments of a table function");
        let mut bound = Vec::with_capacity(exprs.len());
        for expr in exprs {
            bound.push(self.bind_expr(expr, &mut cx)?);
        }
        if !with_ordinality && cx.subqueries.is_empty() && bound.iter().all(is_constant) {
            return Ok(None);
        }
        let unit = LogicalPlan::Values { rows: vec![vec![]], columns: vec![] };
        let input = attach(unit, std::mem::take(&mut cx.subqueries));
        let list = self.call(function, bound)?;
        Ok(Some(self.unnest_rows(input, list, function, with_ordinality)))
    }

    /// `FROM f(x)` of a function that expressions call: its value as a table of one row, or its rows if it makes some.
    fn bind_rows_of_function(
        &mut self,
        name: &ObjectName,
        args: &[ast::FunctionArg],
        lateral: Option<&Outer<'_>>,
    ) -> Result<Option<Bound>> {
        let function = function_name(name);
        let is_macro = self.find_macro(name, ObjectKind::Macro).is_some();
        if !is_macro && !is_scalar_function(&function) {
            return Ok(None);
        }
        let mut call = parse_expr("f()")?;
        if let Syntax::Function(called) = &mut call {
            called.name = name.clone();
            if let ast::FunctionArguments::List(list) = &mut called.args {
                list.args = args.to_vec();
            }
        }
        let bound = self.bind_query(&*scalar_query(call)?, lateral)?;
        let mut bound = derived(&function, bound, None);
        if let [relation] = &mut bound.scope.relations[..] {
            relation.is_function = true;
            relation.is_value = true;
            if let [only] = &mut relation.columns[..] {
                only.column.name = function;
            }
        }
        Ok(Some(bound))
    }

    fn bind_table_argument(
        &mut self,
        function: &str,
        arg: &ast::FunctionArg,
        given: &mut TableFunctionArgs,
    ) -> Result<()> {
        use ast::{BinaryOperator, FunctionArg, FunctionArgExpr};
        let what = format!("an argument of {function}");
        let (name, value) = match arg {
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => (Some(name), value),
            FunctionArg::ExprNamed {
                name: Syntax::Identifier(name),
                arg: FunctionArgExpr::Expr(value),
                ..
            } => (Some(name), value),
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Syntax::BinaryOp {
                left,
                op: BinaryOperator::Eq | BinaryOperator::Assignment,
                right,
            })) => match &**left {
                Syntax::Identifier(name) => (Some(name), &**right),
                other => return Err(SqlError::binder("the name of an argument is expected here").at(other)),
            },
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => (None, value),
            other => return Err(SqlError::binder(format!("{other} cannot be {what}"))),
        };
        let typed = name.filter(|n| TYPE_ARGUMENTS.contains(&&*n.value.to_lowercase()));
        let value = typed.map_or(Cow::Borrowed(value), |_| Cow::Owned(self.with_named_types(value)));
        let (value, ty) = self.bind_constant(&value, &what)?;
        match name {
            Some(name) => {
                let name_lower = name.value.to_lowercase();
                if given.named.iter().any(|(n, ..)| *n == name_lower) {
                    return Err(SqlError::binder(format!("{function} was given \"{name_lower}\" twice"))
                        .at_span(name.span));
                }
                given.named.push((name_lower, value, ty));
            }
            None if !given.named.is_empty() => {
                return Err(SqlError::binder("unnamed arguments come before named ones"));
            }
            None => given.positional.push((value, ty)),
        }
        Ok(())
    }

    /// Names of types as readers of files know them, which do not know those of CREATE TYPE.
    fn with_named_types(&self, value: &Syntax) -> Syntax {
        let mut value = value.clone();
        walk::rewrite_own_expressions(&mut value, |expr| {
            if let Syntax::Value(text) = expr
                && let ast::Value::SingleQuotedString(text) = &mut text.value
                && let Ok(ty) = parse_type(text)
                && matches!(ty, ast::DataType::Custom(..) | ast::DataType::Array(_))
                && let Ok(ty) = self.bind_type(&ty)
            {
                *text = ty.to_string();
            }
        });
        value
    }
}

/// The first argument of a call.
pub(super) fn first_argument(expr: &Syntax) -> Option<&Syntax> {
    let Syntax::Function(function) = expr else { return None };
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    match list.args.first() {
        Some(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(e))) => Some(e),
        _ => None,
    }
}
