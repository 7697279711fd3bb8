//! Calls of macros: the arguments take the places of the parameters in the macro's text, and the result is bound in
//! place of the call.

use std::collections::HashMap;
use std::sync::Arc;

use sqlparser::ast::{
    AccessExpr, CastKind, Expr as Syntax, Function, FunctionArg, FunctionArgExpr, Ident, LambdaFunction,
    ObjectName, OneOrManyWithParens, Value, Visit, VisitMut,
};

use crate::catalog::{MacroDefinition, MacroKind, MacroOverload, MacroParameter, Object, ObjectKind, fold};
use crate::column::types::LogicalType;
use crate::exec::coerce::argument_cost;
use crate::exec::expr::{Expr, is_volatile};
use crate::exec::functions::ArgInfo;
use crate::sql::bind::builtin_macros::builtin_macro;
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::from::storable;
use crate::sql::bind::functions::{Arguments, arguments};
use crate::sql::bind::scope::{Outer, Relation, Scope, ScopeColumn};
use crate::sql::bind::{Binder, BoundQuery};
use crate::sql::error::{Result, SqlError, SqlErrorKind};
use crate::sql::parser::{parse_expr, parse_query, parse_type, tokens};
use crate::sql::plan::Column;
use crate::sql::stack;
use crate::sql::walk::{self, Rewrite};

/// Macros in macros, at most this deep.
const DEPTH_MAX: usize = 32;
/// What an argument costs whose parameter has no type: more than any conversion.
const UNTYPED_COST: u64 = 1_000_000;
/// What a text that is written out costs where another type is asked for: more than any conversion.
const LITERAL_COST: u64 = 500_000;
/// Calls of macros that a statement can come to, those in macros counted each time.
const CALLS_MAX: usize = 100_000;

/// How far arguments are from the types of parameters.
#[derive(Default)]
struct Cost {
    sum: u64,
    /// The type of an argument is only known where it will stand.
    is_guess: bool,
}

/// What stands in the places of a macro's parameters, by their folded names.
type Replacements = HashMap<String, Syntax>;

/// Whether a name is that of a form of the language, which no macro takes the place of, written plainly.
fn is_form(name: &ObjectName) -> bool {
    let [part] = &name.0[..] else { return false };
    let plain = part.as_ident().filter(|ident| ident.quote_style.is_none());
    plain.is_some_and(|ident| {
        ["coalesce", "ifnull", "try"].iter().any(|form| ident.value.eq_ignore_ascii_case(form))
    })
}

impl Binder<'_> {
    /// Binds a call of a macro; `None` if no macro has that name.
    pub(super) fn bind_macro(
        &mut self,
        function: &Function,
        cx: &mut ExprContext<'_>,
    ) -> Result<Option<Expr>> {
        if is_form(&function.name) {
            return Ok(None);
        }
        let Some(definition) = self.find_macro(&function.name, ObjectKind::Macro) else { return Ok(None) };
        if function.over.is_some() || function.filter.is_some() {
            let message = format!("{} is a macro: it takes no OVER and no FILTER", definition.name);
            return Err(SqlError::binder(message));
        }
        let args = arguments(function)?;
        let (overload, replacements) = self.choose(&definition, &args, cx)?;
        let mut body = self.macro_body(&definition, overload, parse_expr)?;
        if overload.returns.is_some() && replacements.values().any(|value| has_names(value, true)) {
            return self.bind_sql_function(&definition, overload, body, &replacements, cx).map(Some);
        }
        self.refuse_several_values(&definition, overload, &body, &replacements, cx)?;
        replace(&mut body, replacements);
        if let Some(returns) = &overload.returns {
            body = cast_to(body, returns)?;
            return self.inside_function(&definition, &body, cx).map(Some);
        }
        let bound = self.inside_macro(&definition, |binder| binder.bind_expr(&body, cx))?;
        Ok(Some(bound))
    }

    /// Binds a call of a table macro; `None` if none has that name.
    pub(super) fn bind_table_macro(
        &mut self,
        name: &ObjectName,
        args: &[FunctionArg],
        outer: Option<&Outer<'_>>,
    ) -> Result<Option<BoundQuery>> {
        let Some(definition) = self.find_macro(name, ObjectKind::TableMacro) else { return Ok(None) };
        let mut given = Arguments::default();
        for arg in args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => {
                    given.positional_behind_named |= !given.named.is_empty();
                    given.positional.push(e);
                }
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(e), .. } => {
                    given.named.push((name.value.to_lowercase(), e));
                }
                FunctionArg::ExprNamed {
                    name: Syntax::Identifier(name),
                    arg: FunctionArgExpr::Expr(e),
                    ..
                } => given.named.push((name.value.to_lowercase(), e)),
                other => return Err(SqlError::binder(format!("{other} cannot be an argument of {name}"))),
            }
        }
        let scope = Scope::default();
        let mut cx = ExprContext::new(&scope, outer, "macro");
        let (overload, replacements) = self.choose(&definition, &given, &mut cx)?;
        let mut body = self.macro_body(&definition, overload, |text| Ok(*parse_query(text)?))?;
        if overload.returns.is_some() && replacements.values().any(|value| has_names(value, false)) {
            let message =
                format!("arguments of the function {name}() that are of other tables are not supported");
            return Err(SqlError::unsupported(message));
        }
        self.refuse_several_values(&definition, overload, &body, &replacements, &cx)?;
        replace(&mut body, replacements);
        // A macro sees no CTEs of the statement that uses it.
        let ctes = self.ctes.take();
        let bound = self.inside_macro(&definition, |binder| binder.bind_query(&body, outer));
        self.ctes = ctes;
        bound.map(Some)
    }

    pub(super) fn find_macro(&self, name: &ObjectName, kind: ObjectKind) -> Option<Arc<MacroDefinition>> {
        match self.env.tables.names().lookup(kind.namespace()?, name).ok()?.map(|found| found.object) {
            Some(Object::Macro(definition)) => Some(Arc::clone(definition)),
            Some(_) => None,
            None => match &name.0[..] {
                [only] if kind == ObjectKind::Macro => builtin_macro(&only.as_ident()?.value).cloned(),
                _ => None,
            },
        }
    }

    /// Looks whether the parameters of a macro that is about to be made tell its bodies apart, and their defaults are
    /// of their types.
    pub fn check_parameters(&mut self, definition: &MacroDefinition) -> Result<()> {
        let mut signatures: Vec<Vec<Option<LogicalType>>> = vec![];
        for overload in &definition.overloads {
            let mut types = vec![];
            for parameter in &overload.parameters {
                let ty = match &parameter.ty {
                    Some(ty) => Some(self.bind_type(&parse_type(ty)?)?),
                    None => None,
                };
                if let Some(default) = &parameter.default {
                    // It is looked up where nothing has a name.
                    let scope = Scope::default();
                    let mut cx = ExprContext::new(&scope, None, "the default of a parameter");
                    self.bind_expr(&parse_expr(default)?, &mut cx)?;
                }
                if let (Some(ty), Some(default)) = (&ty, &parameter.default) {
                    let (_, given) =
                        self.bind_constant(&parse_expr(default)?, "the default of a parameter")?;
                    if cost_of_type(given, ty).is_none() {
                        return Err(SqlError::binder(format!(
                            "Default value '{default}' for parameter '{}' cannot be implicitly cast to '{ty}'. Please \
                             add an explicit type cast.",
                            parameter.name
                        )));
                    }
                }
                types.push(ty);
            }
            if signatures.contains(&types) {
                return Err(SqlError::binder(format!(
                    "Ambiguity in macro overloads - macro {}() has multiple definitions with the same parameters",
                    definition.name
                )));
            }
            signatures.push(types);
        }
        Ok(())
    }

    /// Binds the body of a macro that is about to be made, with NULLs for its parameters.
    pub fn try_macro(&mut self, kind: MacroKind, overload: &MacroOverload) -> Result<()> {
        let null = parse_expr("NULL")?;
        let names = overload.parameters.iter().map(|p| (fold(&p.name), null.clone())).collect();
        for parameter in &overload.parameters {
            if let Some(ty) = &parameter.ty {
                self.bind_type(&parse_type(ty)?)?;
            }
        }
        self.try_body(kind, overload, names)
    }

    /// Binds the body of a function that is about to be made, as far as it does not depend on the arguments, and looks
    /// whether a parameter is called like a column that is meant in its place.
    pub fn check_function(&mut self, kind: MacroKind, overload: &MacroOverload) -> Result<()> {
        let mut nulls = Replacements::new();
        for (position, parameter) in overload.parameters.iter().enumerate() {
            let mut null = parse_expr("NULL")?;
            if let Some(ty) = &parameter.ty {
                self.bind_type_or_domain(&parse_type(ty)?)?;
                null = cast_to(null, ty)?;
            }
            nulls.extend(names_of(parameter, position).into_iter().map(|name| (name, null.clone())));
        }
        if let Err(e) = self.try_body(kind, overload, nulls.clone())
            && is_final(&e)
        {
            return Err(e);
        }
        for parameter in &overload.parameters {
            let names = [fold(&parameter.name)];
            let uses = match kind {
                MacroKind::Scalar => uses(&parse_expr(&overload.body)?, &names),
                MacroKind::Table => uses(&*parse_query(&overload.body)?, &names),
            };
            if uses == 0 {
                continue;
            }
            let mut others = nulls.clone();
            others.remove(&names[0]);
            let is_column = match self.try_body(kind, overload, others) {
                Ok(()) => true,
                Err(e) => e.message.contains("Ambiguous reference"),
            };
            if is_column {
                let name = &parameter.name;
                let message = format!("\"{name}\" is a parameter of the function, and a column in its body");
                return Err(SqlError::binder(message)
                    .hint(format!("Write $1 and the like for parameters, or function.{name}.")));
            }
        }
        Ok(())
    }

    fn try_body(&mut self, kind: MacroKind, overload: &MacroOverload, names: Replacements) -> Result<()> {
        match kind {
            MacroKind::Scalar => {
                let mut body = parse_expr(&overload.body)?;
                replace(&mut body, names);
                let scope = Scope::default();
                let mut cx = ExprContext::new(&scope, None, "macro");
                self.bind_expr(&body, &mut cx).map(|_| ())
            }
            MacroKind::Table => {
                let mut body = *parse_query(&overload.body)?;
                replace(&mut body, names);
                self.bind_query(&body, None).map(|_| ())
            }
        }
    }

    /// The body of a macro that fits the arguments, and what its parameters stand for.
    fn choose<'d>(
        &mut self,
        definition: &'d MacroDefinition,
        args: &Arguments<'_>,
        cx: &mut ExprContext<'_>,
    ) -> Result<(&'d MacroOverload, Replacements)> {
        if args.positional_behind_named {
            return Err(SqlError::binder(format!(
                "Macro \"{}\"() has positional argument following named argument",
                definition.name
            )));
        }
        let mut fitting = vec![];
        for overload in &definition.overloads {
            if let Some(values) = fit(overload, args)? {
                fitting.push((overload, values));
            }
        }
        let typed = |o: &MacroOverload| o.parameters.iter().any(|p| p.ty.is_some());
        let mut costs = vec![];
        let any_typed = fitting.iter().any(|(o, _)| typed(o));
        for (overload, values) in fitting {
            let cost = if any_typed { self.cost(overload, &values, cx)? } else { Some(Cost::default()) };
            costs.extend(cost.map(|cost| (cost, overload, values)));
        }
        costs.sort_by_key(|(cost, ..)| cost.sum);
        if let [(first, ..), (second, ..), ..] = &costs[..]
            && first.sum == second.sum
            && !first.is_guess
        {
            return Err(SqlError::binder(format!(
                "Macro {}() has multiple overloads that match the supplied arguments. In order to select one, please \
                 supply all arguments by name, and/or add explicit type casts",
                definition.name
            )));
        }
        let Some((_, overload, values)) = costs.into_iter().next() else {
            return Err(no_match(definition));
        };
        let mut replacements = Replacements::new();
        for (parameter, value) in overload.parameters.iter().zip(values) {
            let value = match &parameter.ty {
                None => value,
                Some(ty) => cast_to(value, ty)?,
            };
            if overload.returns.is_some() {
                for name in names_of(parameter, replacements.len()) {
                    replacements.insert(name, value.clone());
                }
            }
            replacements.insert(fold(&parameter.name), value);
        }
        Ok((overload, replacements))
    }

    /// Binds a call of a function whose arguments have names in them: these mean what they mean where the call stands, and
    /// those of the body what they mean there.
    fn bind_sql_function(
        &mut self,
        definition: &MacroDefinition,
        overload: &MacroOverload,
        mut body: Syntax,
        replacements: &Replacements,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let mut relation = Relation::new("", vec![]);
        for (position, parameter) in overload.parameters.iter().enumerate() {
            let names = names_of(parameter, position);
            let Some(value) = replacements.get(&names[0]) else { continue };
            let value = self.bind_expr(value, cx)?;
            if is_volatile(&value) && uses(&body, &names) > 1 {
                return Err(several_values(definition));
            }
            for name in names {
                let id = usize::MAX - relation.columns.len();
                let column = Column { id, name, ty: value.ty() };
                relation
                    .columns
                    .push(ScopeColumn { merged: Some(value.clone()), ..ScopeColumn::new(column) });
            }
        }
        if let Some(returns) = &overload.returns {
            body = cast_to(body, returns)?;
        }
        let scope = Scope::of(relation);
        let mut inner = ExprContext::new(&scope, None, cx.clause);
        inner.allow_subqueries = cx.allow_subqueries;
        let bound = self.inside_function(definition, &body, &mut inner);
        cx.subqueries.append(&mut inner.subqueries);
        bound
    }

    /// Binds the body of a function, which sees no CTEs of the statement that uses it.
    fn inside_function(
        &mut self,
        definition: &MacroDefinition,
        body: &Syntax,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let ctes = self.ctes.take();
        let bound = self.inside_macro(definition, |binder| binder.bind_expr(body, cx));
        self.ctes = ctes;
        bound
    }

    /// Fails if a function uses an argument several times that is another each time.
    fn refuse_several_values(
        &mut self,
        definition: &MacroDefinition,
        overload: &MacroOverload,
        body: &impl Visit,
        replacements: &Replacements,
        cx: &ExprContext<'_>,
    ) -> Result<()> {
        if overload.returns.is_none() {
            return Ok(());
        }
        for (position, parameter) in overload.parameters.iter().enumerate() {
            let names = names_of(parameter, position);
            let Some(value) = replacements.get(&names[0]) else { continue };
            if is_plain(value) || uses(body, &names) < 2 {
                continue;
            }
            let mut alone = ExprContext::new(cx.scope, cx.outer, cx.clause);
            alone.allow_subqueries = cx.allow_subqueries;
            if self.bind_expr(value, &mut alone).is_ok_and(|bound| is_volatile(&bound)) {
                return Err(several_values(definition));
            }
        }
        Ok(())
    }

    /// How far the arguments are from the types of the parameters; `None` if they cannot become that.
    fn cost(
        &mut self,
        overload: &MacroOverload,
        values: &[Syntax],
        cx: &mut ExprContext<'_>,
    ) -> Result<Option<Cost>> {
        let mut cost = Cost::default();
        for (parameter, value) in overload.parameters.iter().zip(values) {
            let Some(ty) = &parameter.ty else {
                cost.sum += UNTYPED_COST;
                continue;
            };
            let ty = self.bind_type(&parse_type(ty)?)?;
            // To a function, a text that is written out is what its parameter is, as in PostgreSQL.
            if overload.returns.is_some() && is_text(value) {
                cost.sum += if ty == LogicalType::Varchar { 0 } else { LITERAL_COST };
                continue;
            }
            // What is found while binding counts when the chosen body is bound.
            let (subqueries, aggregates) = (std::mem::take(&mut cx.subqueries), cx.allow_subqueries);
            let mut alone = ExprContext::new(cx.scope, cx.outer, cx.clause);
            alone.allow_subqueries = aggregates;
            let bound = self.bind_expr(value, &mut alone);
            cx.subqueries = subqueries;
            let Ok(bound) = bound else {
                cost.is_guess = true;
                continue;
            };
            match cost_of_type(bound.ty(), &ty) {
                Some(one) => cost.sum += u64::from(one),
                None => return Ok(None),
            }
        }
        Ok(Some(cost))
    }

    fn macro_body<T>(
        &mut self,
        definition: &MacroDefinition,
        overload: &MacroOverload,
        parse: impl FnOnce(&str) -> Result<T>,
    ) -> Result<T> {
        let parsed = tokens(&overload.body).and_then(|tokens| {
            if stack::Size::of(&tokens).fits_beside_another() {
                parse(&overload.body)
            } else {
                Err(SqlError::unsupported("its text is too big"))
            }
        });
        parsed.map_err(|e| inside(definition, e))
    }

    fn inside_macro<T>(
        &mut self,
        definition: &MacroDefinition,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.macro_calls += 1;
        if self.macro_depth >= DEPTH_MAX || self.macro_calls > CALLS_MAX {
            return Err(SqlError::binder(format!(
                "Max expression depth limit exceeded: macro \"{}\" leads to more than {DEPTH_MAX} macros in each \
                 other, or to more than {CALLS_MAX} calls",
                definition.name
            )));
        }
        self.macro_depth += 1;
        let done = work(self);
        self.macro_depth -= 1;
        // Places in the macro's text mean nothing in the statement's.
        done.map_err(|e| SqlError { position: None, ..e })
    }
}

/// What it costs that a value becomes one of a parameter's type. A constant has the type that it has in a column.
fn cost_of_type(from: LogicalType, to: &LogicalType) -> Option<u32> {
    let ty = if from == LogicalType::Null { from } else { storable(&from) };
    argument_cost(&ArgInfo { ty, literal: None }, to)
}

fn inside(definition: &MacroDefinition, e: SqlError) -> SqlError {
    SqlError { message: format!("in macro \"{}\": {}", definition.name, e.message), position: None, ..e }
}

/// What each parameter stands for, in order; `None` if the arguments do not fit.
fn fit(overload: &MacroOverload, args: &Arguments<'_>) -> Result<Option<Vec<Syntax>>> {
    let parameters = &overload.parameters;
    if args.star || args.distinct || args.positional.len() > parameters.len() {
        return Ok(None);
    }
    let mut values: Vec<Option<Syntax>> = vec![None; parameters.len()];
    for (slot, value) in values.iter_mut().zip(&args.positional) {
        *slot = Some((*value).clone());
    }
    for (name, value) in &args.named {
        match parameters.iter().position(|p| p.name.eq_ignore_ascii_case(name)) {
            Some(at) if values[at].is_none() => values[at] = Some((*value).clone()),
            _ => return Ok(None),
        }
    }
    let mut out = vec![];
    for (parameter, value) in parameters.iter().zip(values) {
        out.push(match (value, &parameter.default) {
            (Some(value), _) => value,
            (None, Some(default)) => parse_expr(default)?,
            (None, None) => return Ok(None),
        });
    }
    Ok(Some(out))
}

fn no_match(definition: &MacroDefinition) -> SqlError {
    let candidates: Vec<String> =
        definition.overloads.iter().map(|o| signature(&definition.name, o)).collect();
    SqlError::binder(format!(
        "Macro {}() does not support the supplied arguments. You might need to add explicit type casts. Candidate \
         macros: {}",
        definition.name,
        candidates.join(", ")
    ))
}

fn several_values(definition: &MacroDefinition) -> SqlError {
    SqlError::unsupported(format!(
        "an argument of {}() is another value each time it is computed, and the function uses it several times",
        definition.name
    ))
    .hint("Compute it in a subquery.")
}

/// Whether there are names in a value that mean something where it stands, or `calls`.
fn has_names(value: &Syntax, calls: bool) -> bool {
    let mut found = false;
    walk::for_each_expression(value, |e| {
        found |= matches!(
            e,
            Syntax::Identifier(_)
                | Syntax::CompoundIdentifier(_)
                | Syntax::Subquery(_)
                | Syntax::Exists { .. }
                | Syntax::InSubquery { .. }
                | Syntax::Wildcard(_)
        ) || (calls && matches!(e, Syntax::Function(_)));
    });
    found
}

fn cast_to(value: Syntax, ty: &str) -> Result<Syntax> {
    let data_type = parse_type(ty)?;
    Ok(Syntax::Cast { kind: CastKind::Cast, expr: Box::new(value), data_type, format: None })
}

/// Whether a value, perhaps cast, is the same each time.
fn is_plain(value: &Syntax) -> bool {
    match value {
        Syntax::Cast { expr, .. } | Syntax::Nested(expr) => is_plain(expr),
        other => {
            matches!(other, Syntax::Value(_) | Syntax::Identifier(_) | Syntax::CompoundIdentifier(_))
        }
    }
}

fn is_text(value: &Syntax) -> bool {
    matches!(value, Syntax::Value(value) if matches!(value.value, Value::SingleQuotedString(_)))
}

/// How often one of some names stands in a body by itself.
fn uses(body: &impl Visit, names: &[String]) -> usize {
    let mut found = 0;
    walk::for_each_expression(body, |e| {
        found += usize::from(matches!(e, Syntax::Identifier(ident) if names.contains(&fold(&ident.value))));
    });
    found
}

/// What a parameter of a function is called in its body: its name, and its number, which no column is called by.
fn names_of(parameter: &MacroParameter, position: usize) -> Vec<String> {
    let mut names = vec![fold(&parameter.name), parameter_number(position)];
    names.dedup();
    names
}

/// `$1` is the first.
pub fn parameter_number(position: usize) -> String {
    format!("${}", position + 1)
}

/// Whether an error about a body does not depend on the arguments, of which nothing is known yet.
pub fn is_final(e: &SqlError) -> bool {
    e.kind == SqlErrorKind::Catalog
        || e.kind == SqlErrorKind::Binder
            && (e.message.contains("Referenced column") || e.message.contains("Referenced table"))
}

/// `f(a, b := 1)`.
pub fn signature(name: &str, overload: &MacroOverload) -> String {
    let parameters = overload.parameters.iter().map(|p| {
        let ty = p.ty.as_ref().map(|ty| format!(" {ty}")).unwrap_or_default();
        let default = p.default.as_ref().map(|d| format!(" := {d}")).unwrap_or_default();
        format!("{}{ty}{default}", p.name)
    });
    format!("{name}({})", parameters.collect::<Vec<_>>().join(", "))
}

/// Puts the arguments in the places of the parameters.
fn replace(body: &mut impl VisitMut, replacements: Replacements) {
    walk::rewrite(body, &mut Replacer { replacements, hidden: vec![] });
}

struct Replacer {
    replacements: Replacements,
    /// Parameters of the lambda functions around, which hide those of the macro.
    hidden: Vec<String>,
}

impl Replacer {
    fn value(&self, name: &Ident) -> Option<Syntax> {
        let folded = fold(&name.value);
        if self.hidden.contains(&folded) {
            return None;
        }
        self.replacements.get(&folded).map(|value| match value {
            Syntax::BinaryOp { .. }
            | Syntax::UnaryOp { .. }
            | Syntax::Cast { .. }
            | Syntax::Between { .. } => Syntax::Nested(Box::new(value.clone())),
            value => value.clone(),
        })
    }
}

fn lambda_parameters(lambda: &LambdaFunction) -> Vec<String> {
    match &lambda.params {
        OneOrManyWithParens::One(parameter) => vec![fold(&parameter.name.value)],
        OneOrManyWithParens::Many(all) => all.iter().map(|p| fold(&p.name.value)).collect(),
    }
}

impl Rewrite for Replacer {
    fn enter(&mut self, expr: &mut Syntax) {
        if let Syntax::Lambda(lambda) = expr {
            self.hidden.extend(lambda_parameters(lambda));
        }
    }

    fn leave(&mut self, expr: &mut Syntax) {
        match expr {
            Syntax::Lambda(lambda) => {
                let count = self.hidden.len() - lambda_parameters(lambda).len();
                self.hidden.truncate(count);
            }
            Syntax::Identifier(name) => {
                if let Some(value) = self.value(name) {
                    *expr = value;
                }
            }
            Syntax::CompoundIdentifier(parts) => {
                if let Some(root) = parts.first().and_then(|name| self.value(name)) {
                    let fields = parts.drain(1..).map(|field| AccessExpr::Dot(Syntax::Identifier(field)));
                    let access_chain = fields.collect();
                    *expr = Syntax::CompoundFieldAccess { root: Box::new(root), access_chain };
                }
            }
            _ => {}
        }
    }
}
