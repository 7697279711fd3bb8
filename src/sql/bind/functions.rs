//! Calls of functions.

use std::sync::Arc;

use sqlparser::ast::{
    self, DuplicateTreatment, Expr as Syntax, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, NullTreatment,
};

use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::aggregates::{bind_aggregate, is_aggregate};
use crate::exec::calendar::MICROS_PER_DAY;
use crate::exec::expr::{CompareOp, Expr};
use crate::exec::functions::{ArgInfo, BindError, bind_scalar, bind_struct_pack, collated};
use crate::exec::timetz;
use crate::exec::window::WindowFunction;
use crate::sql::bind::collation::{collate_arguments, collated_like};
use crate::sql::bind::expr::{ExprContext, is_constant, with_first_argument};
use crate::sql::bind::from::storable;
use crate::sql::bind::histogram::HISTOGRAM_FUNCTIONS;
use crate::sql::bind::lambda::{LAMBDA_FUNCTIONS, lambda_kind};
use crate::sql::bind::name::{column_name, function_name};
use crate::sql::bind::presence::rows_counted;
use crate::sql::bind::query_functions::QUERY_FUNCTIONS;
use crate::sql::bind::series::is_series_function;
use crate::sql::bind::subquery::PendingSubquery;
use crate::sql::bind::unnest::is_unnest;
use crate::sql::bind::{Binder, coerce, session_functions};
use crate::sql::error::{Result, SqlError};
use crate::sql::forms;
use crate::sql::plan::{JoinType, LogicalPlan};
use crate::sql::tokens;

/// Functions that the binder itself knows.
pub const SPECIAL_FUNCTIONS: &[&str] = &[
    "alias",
    "coalesce",
    "current_catalog",
    "current_database",
    "current_date",
    "current_localtime",
    "current_localtimestamp",
    "current_time",
    "current_timestamp",
    "if",
    "iff",
    "ifnull",
    "localtime",
    "localtimestamp",
    "mean",
    "now",
    "nullif",
    "nvl",
    "percentile",
    "statement_timestamp",
    "struct_pack",
    "switch",
    "today",
    "transaction_timestamp",
    "try",
    "typeof",
];

/// The names of all functions that the binder itself knows, in expressions and in FROM.
pub fn own_functions() -> impl Iterator<Item = &'static str> {
    let lambdas = LAMBDA_FUNCTIONS.iter().map(|(name, _)| *name);
    SPECIAL_FUNCTIONS
        .iter()
        .chain(session_functions::FUNCTIONS)
        .chain(QUERY_FUNCTIONS)
        .chain(HISTOGRAM_FUNCTIONS)
        .chain(&["grouping", "grouping_id", "unnest", "unlist"])
        .copied()
        .chain(lambdas)
}

/// The arguments of a call.
#[derive(Default)]
pub(super) struct Arguments<'q> {
    pub positional: Vec<&'q Syntax>,
    pub named: Vec<(String, &'q Syntax)>,
    /// All of them as they come, with their names as written.
    pub in_order: Vec<(Option<String>, &'q Syntax)>,
    /// An argument without a name follows one with a name.
    pub positional_behind_named: bool,
    /// The one argument is `*`.
    pub star: bool,
    pub distinct: bool,
    pub order_by: &'q [ast::OrderByExpr],
    pub null_treatment: Option<NullTreatment>,
}

impl Binder<'_> {
    pub(super) fn bind_function(&mut self, function: &Function, cx: &mut ExprContext<'_>) -> Result<Expr> {
        if let Some(bound) = self.bind_macro(function, cx)? {
            return Ok(bound);
        }
        let name = function_name(&function.name);
        if let (FunctionArguments::Subquery(query), "array") = (&function.args, &*name) {
            return self.bind_array_subquery(query, cx);
        }
        if let Some(digits) = forms::position(&Syntax::Function(function.clone())) {
            return self.bind_position(digits, cx);
        }
        if let Some(call) = self.chained(function, cx)? {
            return self.bind_function(&call, cx);
        }
        if let Some(counted) = rows_counted(function, cx.scope) {
            return self.bind_function(&counted, cx);
        }
        let args = arguments(function)?;
        if is_series_function(&name) {
            return self.bind_series_call(&name, function, &args, cx);
        }
        if name == "time_bucket_gapfill" {
            return self.bind_gap_filled_bucket(&args, cx);
        }
        if name == "spread" {
            return self.bind_spread(function, cx);
        }
        if let Some(over) = &function.over {
            return self.bind_window_call(&name, function, over, &args, cx);
        }
        if args.null_treatment.is_some() {
            return Err(SqlError::parser("RESPECT/IGNORE NULLS is not supported for non-window functions"));
        }
        if is_unnest(&name) {
            return self.bind_unnest(&args, cx);
        }
        if matches!(&*name, "grouping" | "grouping_id") && !args.positional.is_empty() {
            return self.bind_grouping(&args, cx);
        }
        if matches!(&*name, "mean" | "percentile" | "percentile_cont" | "percentile_disc" | "integral")
            || is_aggregate(&name)
            || self.env.extensions.is_aggregate(&name)
        {
            return self.bind_aggregate_call(&name, function, &args, cx);
        }
        if function.filter.is_some()
            || args.distinct
            || !args.order_by.is_empty()
            || !function.within_group.is_empty()
        {
            if bind_scalar(&name, &[]).is_err_and(|e| matches!(e, BindError::Unknown(_))) {
                self.call(&name, vec![])?;
            }
            return Err(SqlError::binder(format!(
                "DISTINCT, FILTER and ORDER BY are for aggregates, and {name} is none"
            )));
        }
        if args.star {
            if bind_scalar(&name, &[]).is_err_and(|e| matches!(e, BindError::Unknown(_))) {
                self.call(&name, vec![])?;
            }
            return Err(SqlError::binder(format!("{name}(*) makes no sense; count(*) does")));
        }
        self.bind_scalar_call(&name, &args, cx)
    }

    /// `ARRAY(SELECT …)`: the values of a subquery as a list, in its order.
    fn bind_array_subquery(&mut self, query: &ast::Query, cx: &mut ExprContext<'_>) -> Result<Expr> {
        let bound = self.bind_one_column(query, cx)?;
        let value = bound.columns[0].expr();
        let ty = LogicalType::List(Box::new(storable(&value.ty())));
        let (column, call) = self.aggregate_call("array".into(), "list", vec![value])?;
        let expr = column.expr();
        let plan = LogicalPlan::Aggregate {
            input: Box::new(bound.into_plan()),
            group_by: vec![],
            aggregates: vec![(column, call)],
        };
        cx.subqueries.push(PendingSubquery { plan, kind: JoinType::Single, on: vec![] });
        let empty = coerce::cast(self.call("list_value", vec![])?, &ty);
        Ok(Expr::Coalesce(vec![coerce::cast(expr, &ty), empty]))
    }

    /// `column.f(x)` as the call `f(column, x)`, if what stands before the dot is a column.
    fn chained(&mut self, function: &Function, cx: &mut ExprContext<'_>) -> Result<Option<Function>> {
        let parts: Option<Vec<_>> = function.name.0.iter().map(|p| p.as_ident().cloned()).collect();
        let Some((name, before)) = parts.as_deref().and_then(|p| p.split_last()) else { return Ok(None) };
        let first = match before {
            [] => return Ok(None),
            [one] => Syntax::Identifier(one.clone()),
            many => Syntax::CompoundIdentifier(many.to_vec()),
        };
        let is_schema = match before {
            [one] => {
                let names = self.env.tables.names();
                names.database(&one.value).is_some()
                    || names.schema(&ast::ObjectName::from(vec![one.clone()])).is_ok()
            }
            _ => false,
        };
        let mut probe = ExprContext::new(cx.scope, cx.outer, cx.clause);
        probe.aliases = cx.aliases;
        probe.lambda_params.clone_from(&cx.lambda_params);
        if is_schema || self.bind_expr(&first, &mut probe).is_err() {
            return Ok(None);
        }
        let mut call = with_first_argument(function.clone(), first)?;
        call.name = ast::ObjectName::from(vec![name.clone()]);
        Ok(Some(call))
    }

    fn bind_scalar_call(
        &mut self,
        name: &str,
        args: &Arguments<'_>,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        if name == "struct_pack" {
            let mut fields = vec![];
            for (name, value) in &args.in_order {
                // A column gives its name to the field.
                let field = match (name, value) {
                    (Some(name), _) => name,
                    (None, Syntax::Identifier(name)) => &name.value,
                    (None, Syntax::CompoundIdentifier(names)) if names.len() == 2 => &names[1].value,
                    (None, other) => {
                        let message = "struct_pack takes columns and named arguments: struct_pack(a := 1)";
                        return Err(SqlError::binder(message).at(*other));
                    }
                };
                fields.push((field.clone(), self.bind_expr(value, cx)?));
            }
            return self.struct_pack(fields);
        }
        if name == "union_value"
            && let [(Some(member), value)] = &args.in_order[..]
        {
            let value = self.bind_expr(value, cx)?;
            let value = self.struct_pack(vec![(member.clone(), value)])?;
            return self.call(name, vec![value]);
        }
        if name == "union_value" && args.named.len() > 1 {
            return Err(SqlError::binder("union_value takes exactly one argument"));
        }
        if let ("struct_insert" | "struct_update", [of]) = (name, &args.positional[..]) {
            let of = self.bind_expr(of, cx)?;
            let mut fields = vec![];
            for (field, value) in &args.in_order {
                if let Some(field) = field {
                    fields.push((field.clone(), self.bind_expr(value, cx)?));
                }
            }
            if fields.is_empty() {
                return Err(SqlError::binder(format!("{name} takes named arguments: {name}(s, a := 1)")));
            }
            let fields = self.struct_pack(fields)?;
            return self.call(name, vec![of, fields]);
        }
        if name == "time_bucket" && !args.named.is_empty() {
            return self.bind_named_bucket(args, cx);
        }
        if let Some((first, _)) = args.named.first() {
            return Err(SqlError::binder(format!("{name} has no argument named \"{first}\"")));
        }
        if let (
            "list_sort" | "array_sort" | "list_grade_up" | "array_grade_up" | "grade_up",
            given @ (1 | 2),
        ) = (name, args.positional.len())
        {
            // What is not said of the order is what it is in ORDER BY.
            let mut bound =
                args.positional.iter().map(|a| self.bind_expr(a, cx)).collect::<Result<Vec<_>>>()?;
            let settings = self.env.settings;
            let mut descending = settings.default_descending;
            let word = |word: &str| Expr::literal(Scalar::text(word), LogicalType::Varchar);
            if given == 1 {
                bound.push(word(if descending { "DESC" } else { "ASC" }));
            } else if let Expr::Literal { value: Scalar::Text(order), .. } = &bound[1] {
                descending = order.to_lowercase().starts_with("desc");
            }
            let first = settings.default_null_order.is_first(descending);
            bound.push(word(if first { "NULLS FIRST" } else { "NULLS LAST" }));
            return self.call(name, bound);
        }
        if let Some(kind) = lambda_kind(name) {
            return self.bind_lambda_call(name, kind, &args.positional, cx);
        }
        if let Some(bound) = self.bind_session_function(name, &args.positional, cx)? {
            return Ok(bound);
        }
        match (name, &args.positional[..]) {
            ("list_value" | "list_pack" | "construct_array", items) => self.bind_list(items, cx),
            ("coalesce", [_, ..]) | ("ifnull" | "nvl", [_, _]) => {
                let mut bound = Vec::with_capacity(args.positional.len());
                for arg in &args.positional {
                    bound.push(self.bind_expr(arg, cx)?);
                }
                let (mut bound, _) = coerce::unify(bound, "COALESCE")?;
                if bound.len() == 1 {
                    return Ok(bound.remove(0));
                }
                let parts = bound.clone();
                Ok(collated_like(Expr::Coalesce(bound), &parts))
            }
            ("nullif", [a, b]) => {
                let (a, b) = (self.bind_expr(a, cx)?, self.bind_expr(b, cx)?);
                let ty = a.ty();
                let equal = coerce::compare(CompareOp::Eq, a.clone(), b)?;
                let null = Expr::literal(Scalar::Null, ty.clone());
                Ok(Expr::Case { branches: vec![(equal, null)], otherwise: Some(Box::new(a)), ty })
            }
            ("if" | "iff", [condition, then, otherwise]) => {
                let condition = self.bind_condition(condition, cx)?;
                let results = vec![self.bind_expr(then, cx)?, self.bind_expr(otherwise, cx)?];
                let (mut results, ty) = coerce::unify(results, "IF")?;
                let otherwise = results.pop().map(Box::new);
                let branches = results.pop().map(|then| (condition, then)).into_iter().collect();
                Ok(Expr::Case { branches, otherwise, ty })
            }
            ("typeof", [value]) => {
                let ty = self.bind_expr(value, cx)?.ty().to_string();
                Ok(Expr::literal(Scalar::Text(Arc::from(ty.as_str())), LogicalType::Varchar))
            }
            ("alias", [value]) => {
                self.bind_expr(value, cx)?;
                Ok(Expr::literal(Scalar::text(column_name(value)), LogicalType::Varchar))
            }
            ("age", [time]) => {
                let time = self.bind_expr(time, cx)?;
                let ty = if time.ty() == LogicalType::TimestampTz { time.ty() } else { TIMESTAMP };
                let today = self.current("current_date").map(|today| coerce::explicit(today, &ty, false));
                let today = today.ok_or_else(|| SqlError::internal("there is a current date"))??;
                self.call("age", vec![today, time])
            }
            ("try", [arg]) => self.bind_try(arg, cx),
            ("switch", args @ [_, ..]) => self.bind_switch(args, cx),
            ("ago", [interval]) => {
                let interval = self.bind_expr(interval, cx)?;
                self.env.uses.moment.set(true);
                let now = Expr::literal(Scalar::Int(self.env.now_micros.into()), LogicalType::TimestampTz);
                self.call("-", vec![now, interval])
            }
            (name, []) => match self.current(name) {
                Some(value) => Ok(value),
                None if WindowFunction::find(name).is_some() => {
                    Err(SqlError::binder("Window functions are not supported here"))
                }
                None => self.call(name, vec![]),
            },
            (name, [_, ..]) if WindowFunction::find(name).is_some() => {
                Err(SqlError::binder("Window functions are not supported here"))
            }
            (name, args) => self.bind_call(name, args, cx),
        }
    }

    /// The present time, the same throughout a statement, if that is what a function without arguments is for.
    pub(super) fn current(&self, name: &str) -> Option<Expr> {
        let now = self.env.now_micros;
        let offset = self.env.settings.time_zone.offset_seconds(now);
        let local = now + offset * 1_000_000;
        let time = local.rem_euclid(MICROS_PER_DAY);
        let (value, ty) = match name {
            "now"
            | "current_timestamp"
            | "get_current_timestamp"
            | "transaction_timestamp"
            | "statement_timestamp" => (now, LogicalType::TimestampTz),
            "localtimestamp" | "current_localtimestamp" => (local, TIMESTAMP),
            "current_date" | "today" => (local.div_euclid(MICROS_PER_DAY), LogicalType::Date),
            "current_time" | "get_current_time" => (timetz::pack(time, offset), LogicalType::TimeTz),
            "localtime" | "current_localtime" => (time, LogicalType::Time),
            _ => return self.session_name(name),
        };
        self.env.uses.moment.set(true);
        Some(Expr::literal(Scalar::Int(i128::from(value)), ty))
    }

    /// Calls a function with bound arguments.
    pub fn call(&mut self, name: &str, mut args: Vec<Expr>) -> Result<Expr> {
        if let Some(made) = self.compare_variants(name, &mut args)? {
            return Ok(made);
        }
        let key = collate_arguments(name, &mut args);
        // What these return depends on the value of the number: how many digits a decimal has, which field it is.
        if let ("round" | "trunc" | "round_even" | "roundbankers" | "struct_extract_at", [value, number]) =
            (name, &mut args[..])
            && matches!(value.ty(), LogicalType::Decimal { .. } | LogicalType::Struct(_))
            && !matches!(number, Expr::Literal { .. })
            && is_constant(number)
        {
            *number = Expr::literal(self.evaluate(number)?, number.ty());
        }
        // Unlike `||`, a sum of lists is what its lists are where another is NULL.
        let name = if matches!(name, "+" | "add") && are_lists(&args) { "list_concat" } else { name };
        let infos: Vec<_> = args.iter().map(|a| self.argument_info(a)).collect();
        let bound = bind_scalar(name, &infos).or_else(|e| self.env.extensions.scalar(name, &infos).ok_or(e));
        let bound = bound.map_err(|e| match e {
            BindError::Unknown(similar) => unknown_function(name, &similar),
            BindError::NoMatch(message) => SqlError::binder(message),
        })?;
        let args = args.into_iter().zip(&bound.arg_types).map(|(a, ty)| coerce::cast(a, ty)).collect();
        let call = Expr::Call { function: bound.function, args, ty: bound.return_type };
        Ok(match key {
            Some(key) if call.ty() == LogicalType::Varchar => collated(call, key),
            _ => call,
        })
    }

    /// What is known of an argument; the value also of a constant list, such as `['%Y', '%d']`.
    fn argument_info(&self, arg: &Expr) -> ArgInfo {
        let mut info = coerce::arg_info(arg);
        if matches!(info.ty, LogicalType::List(_)) && info.literal.is_none() && is_constant(arg) {
            info.literal = self.evaluate(arg).ok();
        }
        info
    }

    /// A struct of these fields.
    pub(super) fn struct_pack(&mut self, fields: Vec<(String, Expr)>) -> Result<Expr> {
        for (i, (name, _)) in fields.iter().enumerate() {
            if fields[..i].iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return Err(SqlError::binder(format!("Duplicate struct entry name \"{name}\"")));
            }
        }
        let (names, args): (Vec<String>, Vec<Expr>) = fields.into_iter().unzip();
        let infos: Vec<_> = args.iter().map(coerce::arg_info).collect();
        let bound = bind_struct_pack(&names, &infos);
        Ok(Expr::Call { function: bound.function, args, ty: bound.return_type })
    }
}

/// Whether arguments are lists, or arrays, or NULL, but not all NULL.
fn are_lists(args: &[Expr]) -> bool {
    let is_list = |arg: &Expr| matches!(arg.ty(), LogicalType::List(_) | LogicalType::Array(..));
    args.iter().any(is_list) && args.iter().all(|arg| is_list(arg) || arg.ty() == LogicalType::Null)
}

/// The error for a function that does not exist.
pub(super) fn unknown_function(name: &str, similar: &[String]) -> SqlError {
    let error = SqlError::catalog(format!("Scalar Function with name {name} does not exist!"));
    if name == "time" {
        // InfluxQL's way to say it.
        return error.hint("EVERY groups by time: GROUP BY host EVERY 5m.");
    }
    let aggregates = match bind_aggregate(name, &[], false) {
        Err(BindError::Unknown(similar)) => similar,
        _ => vec![],
    };
    let candidates = similar
        .iter()
        .chain(&aggregates)
        .map(String::as_str)
        .chain(SPECIAL_FUNCTIONS.iter().chain(session_functions::FUNCTIONS).copied());
    match similar.first() {
        Some(first) if similar.len() == 1 && aggregates.is_empty() => {
            error.hint(format!("Did you mean \"{first}\"?"))
        }
        _ => error.did_you_mean(name, candidates),
    }
}

/// Takes the arguments of a call apart.
pub(super) fn arguments(function: &Function) -> Result<Arguments<'_>> {
    let mut out = Arguments {
        positional: vec![],
        named: vec![],
        in_order: vec![],
        positional_behind_named: false,
        star: false,
        distinct: false,
        order_by: &[],
        null_treatment: function.null_treatment,
    };
    let list = match &function.args {
        FunctionArguments::None => return Ok(out),
        FunctionArguments::Subquery(_) => {
            return Err(SqlError::parser("a subquery as an argument needs parentheses of its own"));
        }
        FunctionArguments::List(list) => list,
    };
    if !matches!(function.parameters, FunctionArguments::None) {
        return Err(SqlError::unsupported("functions with two lists of arguments are not supported"));
    }
    out.distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    for arg in &list.args {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) if tokens::is_no_argument(e) => {}
            FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => {
                out.positional_behind_named |= !out.named.is_empty();
                out.positional.push(e);
                out.in_order.push((None, e));
            }
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if list.args.len() == 1 => out.star = true,
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(e), .. } => {
                out.named.push((name.value.to_lowercase(), e));
                out.in_order.push((Some(name.value.clone()), e));
            }
            FunctionArg::ExprNamed {
                name: Syntax::Identifier(name), arg: FunctionArgExpr::Expr(e), ..
            } => {
                out.named.push((name.value.to_lowercase(), e));
                out.in_order.push((Some(name.value.clone()), e));
            }
            other => {
                return Err(SqlError::unsupported(format!("an argument such as {other} is not supported")));
            }
        }
    }
    for clause in &list.clauses {
        match clause {
            FunctionArgumentClause::OrderBy(keys) => out.order_by = keys,
            FunctionArgumentClause::IgnoreOrRespectNulls(nulls) => out.null_treatment = Some(*nulls),
            other => return Err(SqlError::unsupported(format!("{other} in a call is not supported yet"))),
        }
    }
    Ok(out)
}
