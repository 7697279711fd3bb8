//! PIVOT and UNPIVOT: each is a query over its source, written out and then bound.
//!
//! PIVOT makes a column of each value, or combination of values: the aggregates with the value as a further
//! condition of FILTER. Values that are not listed are those that the source has, so that it is read once while
//! the statement is bound. UNPIVOT makes a row of each column: lists of the columns' names and values, unnested.

use std::collections::HashSet;

use sqlparser::ast::{
    self, BinaryOperator, CastKind, DataType, Expr as Syntax, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, ObjectName, ObjectNamePart, Query, Select,
    SelectItem, SetExpr, Spanned, TableFactor, TableWithJoins, Value,
};
use sqlparser::tokenizer::Span;

use crate::exec::aggregates::is_aggregate;
use crate::exec::context::ExecContext;
use crate::exec::execute;
use crate::sql::bind::name::{column_name, function_name};
use crate::sql::bind::scope::{Outer, Relation, Scope};
use crate::sql::bind::{Binder, BoundQuery};
use crate::sql::error::{Result, SqlError};
use crate::sql::forms::{PivotSyntax, UnpivotSyntax};
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::optimize::{OptimizerOptions, optimize};
use crate::sql::parser::parse_query;
use crate::sql::physical;
use crate::sql::walk;

/// A value that becomes columns: its name, and the condition that a row has it.
#[derive(Clone)]
struct PivotValue {
    name: String,
    condition: Syntax,
}

fn ident(name: &str) -> Ident {
    Ident { value: name.to_owned(), quote_style: Some('"'), span: Span::empty() }
}

fn text(value: &str) -> Syntax {
    Syntax::Value(Value::SingleQuotedString(value.to_owned()).with_span(Span::empty()))
}

fn function(name: &str, args: Vec<Syntax>) -> Function {
    Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.into_iter().map(|e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e))).collect(),
            clauses: vec![],
        }),
        within_group: vec![],
        filter: None,
        null_treatment: None,
        over: None,
    }
}

fn equals(left: Syntax, right: Syntax) -> Syntax {
    Syntax::BinaryOp { left: Box::new(left), op: BinaryOperator::Eq, right: Box::new(right) }
}

fn and(left: Syntax, right: Syntax) -> Syntax {
    Syntax::BinaryOp {
        left: Box::new(Syntax::Nested(Box::new(left))),
        op: BinaryOperator::And,
        right: Box::new(Syntax::Nested(Box::new(right))),
    }
}

fn as_text(expr: Syntax) -> Syntax {
    Syntax::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type: DataType::Varchar(None),
        format: None,
    }
}

/// `SELECT items FROM (source)`.
fn select_from(source: &Query, items: Vec<SelectItem>) -> Result<(Box<Query>, Box<Select>)> {
    let mut query = parse_query("SELECT 1")?;
    let SetExpr::Select(select) = &mut *query.body else {
        return Err(SqlError::internal("a SELECT is one"));
    };
    select.projection = items;
    select.from = vec![TableWithJoins {
        relation: TableFactor::Derived {
            lateral: false,
            subquery: Box::new(source.clone()),
            alias: None,
            sample: None,
        },
        joins: vec![],
    }];
    let select = select.clone();
    Ok((query, select))
}

/// The expression, and the name that was given to it.
fn named(expr: &Syntax) -> (&Syntax, Option<&Ident>) {
    match expr {
        Syntax::Named { expr, name } => (expr, Some(name)),
        other => (other, None),
    }
}

/// Adds the names of the columns that an expression uses.
fn add_names(expr: &Syntax, out: &mut Vec<String>) {
    walk::for_each_expression(expr, |e| match e {
        Syntax::Identifier(i) => out.push(i.value.to_lowercase()),
        Syntax::CompoundIdentifier(parts) => out.extend(parts.iter().map(|p| p.value.to_lowercase())),
        _ => {}
    });
}

impl Binder<'_> {
    /// The names of a query's columns.
    fn columns_of(&mut self, source: &Query, outer: Option<&Outer<'_>>) -> Result<Vec<String>> {
        Ok(self.bind_query(source, outer)?.columns.into_iter().map(|c| c.name).collect())
    }

    pub(super) fn bind_pivot(
        &mut self,
        pivot: &PivotSyntax<'_>,
        source: &Query,
        outer: Option<&Outer<'_>>,
    ) -> Result<BoundQuery> {
        let columns = self.columns_of(source, outer)?;
        let mut combinations = vec![PivotValue { name: String::new(), condition: Syntax::Tuple(vec![]) }];
        for (i, on) in pivot.on.iter().enumerate() {
            let values = self.pivot_values(on, source, outer)?;
            self.check_pivot_limit(combinations.len().saturating_mul(values.len())).map_err(|e| e.at(*on))?;
            let first = i == 0;
            combinations = combinations
                .into_iter()
                .flat_map(|before| {
                    values.iter().map(move |value| {
                        if first {
                            return value.clone();
                        }
                        PivotValue {
                            name: format!("{}_{}", before.name, value.name),
                            condition: and(before.condition.clone(), value.condition.clone()),
                        }
                    })
                })
                .collect();
        }
        let count = Syntax::Function({
            let mut count = function("count", vec![]);
            if let FunctionArguments::List(list) = &mut count.args {
                list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Wildcard));
            }
            count
        });
        // What is turned into columns is counted unless told otherwise.
        let counts = pivot.using.is_empty() && !pivot.on.is_empty();
        let using = if counts { vec![&count] } else { pivot.using.clone() };
        let keys: Vec<Syntax> = match &pivot.group_by {
            Some(keys) => keys.iter().map(|k| (*k).clone()).collect(),
            // Where nothing becomes columns, all rows are one group.
            None if pivot.on.is_empty() => vec![],
            None => {
                let mut used = vec![];
                pivot.on.iter().chain(&pivot.using).for_each(|e| add_names(e, &mut used));
                let free = columns.iter().filter(|c| !used.contains(&c.to_lowercase()));
                free.map(|c| Syntax::Identifier(ident(c))).collect()
            }
        };
        let mut items: Vec<SelectItem> = keys.iter().cloned().map(SelectItem::UnnamedExpr).collect();
        for value in &combinations {
            for aggregate in &using {
                let (expr, alias) = named(aggregate);
                let own = alias.map_or_else(|| column_name(expr), |a| a.value.clone());
                let name = match (pivot.on.is_empty(), using.len() == 1 && alias.is_none()) {
                    (true, _) => own,
                    (false, true) => value.name.clone(),
                    (false, false) => format!("{}_{own}", value.name),
                };
                let mut expr = expr.clone();
                add_filter(&mut expr, (!pivot.on.is_empty()).then_some(&value.condition))
                    .map_err(|message| SqlError::binder(message).at(*aggregate))?;
                items.push(SelectItem::ExprWithAlias { expr, alias: ident(&name) });
            }
        }
        let (mut query, mut select) = select_from(source, items)?;
        select.group_by = GroupByExpr::Expressions(keys, vec![]);
        *query.body = SetExpr::Select(select);
        self.bind_query(&query, outer)
    }

    /// The values of one thing that PIVOT turns into columns.
    fn pivot_values(
        &mut self,
        on: &Syntax,
        source: &Query,
        outer: Option<&Outer<'_>>,
    ) -> Result<Vec<PivotValue>> {
        match on {
            Syntax::InList { expr, list, .. } => {
                let mut out = vec![];
                let mut seen = HashSet::new();
                for item in list {
                    let (value, alias) = named(item);
                    if !seen.insert(value.to_string()) {
                        return Err(SqlError::binder(format!(
                            "The value \"{value}\" was specified multiple times in the IN clause"
                        ))
                        .at(item));
                    }
                    out.push(self.listed_value(expr, value, alias)?);
                }
                Ok(out)
            }
            Syntax::InSubquery { expr, subquery, .. } => {
                let values = self.texts_of(subquery, outer)?;
                Ok(values.into_iter().map(|v| text_value(expr, v)).collect())
            }
            expr => {
                self.pivots_on_data = true;
                let (expr, _) = named(expr);
                let item = SelectItem::ExprWithAlias { expr: as_text(expr.clone()), alias: ident("value") };
                let (mut query, mut select) = select_from(source, vec![item])?;
                select.distinct = Some(ast::Distinct::Distinct);
                *query.body = SetExpr::Select(select);
                let mut values = self.texts_of(&query, outer)?;
                values.sort_unstable();
                Ok(values.into_iter().map(|v| text_value(expr, v)).collect())
            }
        }
    }

    /// A value, or a row of values, of an IN list.
    fn listed_value(&mut self, expr: &Syntax, value: &Syntax, alias: Option<&Ident>) -> Result<PivotValue> {
        let (exprs, values): (Vec<&Syntax>, Vec<&Syntax>) = match (expr, value) {
            (Syntax::Tuple(exprs), Syntax::Tuple(values)) if exprs.len() == values.len() => {
                (exprs.iter().collect(), values.iter().collect())
            }
            (Syntax::Tuple(exprs), other) => {
                let given = if let Syntax::Tuple(values) = other { values.len() } else { 1 };
                return Err(SqlError::binder(format!(
                    "PIVOT IN list - inconsistent amount of rows - expected {} but got {given}",
                    exprs.len()
                ))
                .at(value));
            }
            (_, value) => (vec![expr], vec![value]),
        };
        let mut names = vec![];
        let mut condition: Option<Syntax> = None;
        for (expr, value) in exprs.into_iter().zip(values) {
            let written = match value {
                // A bare name stands for itself.
                Syntax::Identifier(i) => text(&i.value),
                other => other.clone(),
            };
            let (shown, _) = self.bind_constant(&as_text(written.clone()), "PIVOT IN list")?;
            names.push(match shown {
                crate::column::scalar::Scalar::Text(s) => s.to_string(),
                _ => "NULL".into(),
            });
            let equal = Syntax::IsNotDistinctFrom(Box::new(expr.clone()), Box::new(written));
            condition = Some(match condition {
                None => equal,
                Some(before) => and(before, equal),
            });
        }
        Ok(PivotValue {
            name: alias.map_or_else(|| names.join("_"), |a| a.value.clone()),
            condition: condition.unwrap_or_else(|| Syntax::Tuple(vec![])),
        })
    }

    /// The values of a query's one column as texts, those that are not NULL.
    fn texts_of(&mut self, query: &Query, outer: Option<&Outer<'_>>) -> Result<Vec<String>> {
        use arrow_array::Array;
        let bound = self.bind_query(query, outer)?;
        if bound.columns.len() != 1 {
            return Err(SqlError::binder(format!(
                "Subquery returns {} columns - expected 1",
                bound.columns.len()
            ))
            .at(query));
        }
        if !ColumnSet::free(&bound.plan).is_empty() {
            return Err(SqlError::unsupported("a PIVOT whose values depend on a query around it").at(query));
        }
        self.env.uses.moment.set(true);
        let bound = self.cast_columns(bound, &[crate::column::types::LogicalType::Varchar])?;
        let context = self.env.context;
        let options = OptimizerOptions { enabled: self.env.settings.optimizer };
        let failed = |e: &crate::exec::error::ExecError| SqlError::from_exec(e).at(query);
        let plan = self.with_definitions(bound.into_plan());
        let plan = optimize(plan, &mut self.ids, context, &options).map_err(|e| failed(&e))?;
        let plan = physical::plan(&plan).map_err(|e| failed(&e))?;
        let context = ExecContext::new(context.threads, context.memory.limit(), context.cancel.clone());
        let mut out = vec![];
        for batch in execute(plan, std::sync::Arc::new(context)).map_err(|e| failed(&e))? {
            let batch = batch.map_err(|e| failed(&e))?;
            let column = crate::exec::functions::flatten(&batch.columns[0]).map_err(|e| failed(&e))?;
            let column = arrow_array::cast::AsArray::as_string_view(&column);
            out.extend((0..column.len()).filter(|i| column.is_valid(*i)).map(|i| column.value(i).to_owned()));
            self.check_pivot_limit(out.len()).map_err(|e| e.at(query))?;
        }
        Ok(out)
    }

    /// What is kept, a view or a macro, has the same columns whatever its tables have in them.
    pub fn refuse_pivot_on_data(&self, what: &str) -> Result<()> {
        if !self.pivots_on_data {
            return Ok(());
        }
        let message = format!(
            "PIVOT statements with pivot elements extracted from the data cannot be used in {what}s."
        );
        let hint = "The values can be listed: PIVOT ... ON a IN (val1, val2, ...)";
        Err(SqlError::parser(message).hint(hint))
    }

    fn check_pivot_limit(&self, columns: usize) -> Result<()> {
        let limit = self.env.settings.pivot_limit;
        if columns as u64 <= limit {
            return Ok(());
        }
        let message = format!("Pivot column limit of {limit} exceeded");
        Err(SqlError::binder(message).hint("SET pivot_limit says how many columns there may be."))
    }

    pub(super) fn bind_unpivot(
        &mut self,
        unpivot: &UnpivotSyntax<'_>,
        source: &Query,
        outer: Option<&Outer<'_>>,
    ) -> Result<BoundQuery> {
        let bound = self.bind_query(source, outer)?;
        let scope = Scope::of(Relation::new("", bound.columns.clone()));
        let mut used = vec![];
        // Each entry: its name, and a value for each column of values.
        let mut entries: Vec<(String, Vec<Syntax>)> = vec![];
        for on in &unpivot.on {
            let (expr, alias) = named(on);
            if let Syntax::Function(f) = expr
                && function_name(&f.name) == "columns"
            {
                let item = [SelectItem::UnnamedExpr(expr.clone())];
                for item in self.expand_items(&item, &scope, None)? {
                    used.push(item.name.to_lowercase());
                    entries.push((item.name.clone(), vec![Syntax::Identifier(ident(&item.name))]));
                }
                continue;
            }
            add_names(expr, &mut used);
            let values = match expr {
                Syntax::Tuple(values) => values.clone(),
                Syntax::Nested(inner) => vec![(**inner).clone()],
                other => vec![other.clone()],
            };
            let own = || values.iter().map(inner_name).collect::<Vec<_>>().join("_");
            entries.push((alias.map_or_else(own, |a| a.value.clone()), values));
        }
        let known = |name: &String| bound.columns.iter().any(|c| c.name.eq_ignore_ascii_case(name));
        if let Some(unknown) = used.iter().find(|name| !known(name)) {
            return Err(SqlError::binder(format!(
                "Column \"\"{unknown}\"\" referenced in UNPIVOT but no matching entry was found in the table"
            )));
        }
        if entries.is_empty() {
            return Err(SqlError::binder("UNPIVOT clause must unpivot on at least one column"));
        }
        let width = unpivot.values.len();
        if let Some((name, values)) = entries.iter().find(|(_, values)| values.len() != width) {
            return Err(SqlError::binder(format!(
                "UNPIVOT value count mismatch - expected {width} values but \"{name}\" has {}",
                values.len()
            )));
        }
        let array = |elem: Vec<Syntax>| Syntax::Array(ast::Array { elem, named: false });
        let unnest = |list: Syntax| Syntax::Function(function("unnest", vec![list]));
        let free = bound.columns.iter().filter(|c| !used.contains(&c.name.to_lowercase()));
        let mut items: Vec<SelectItem> =
            free.map(|c| SelectItem::UnnamedExpr(Syntax::Identifier(ident(&c.name)))).collect();
        let names = array(entries.iter().map(|(name, _)| text(name)).collect());
        items.push(SelectItem::ExprWithAlias { expr: unnest(names), alias: ident(&unpivot.name) });
        for (i, value) in unpivot.values.iter().enumerate() {
            let values = array(entries.iter().map(|(_, values)| values[i].clone()).collect());
            items.push(SelectItem::ExprWithAlias { expr: unnest(values), alias: ident(value) });
        }
        let (mut inner, select) = select_from(source, items)?;
        inner.body = Box::new(SetExpr::Select(select));
        let query = if unpivot.include_nulls {
            inner
        } else {
            let star = parse_query("FROM t")?;
            let (mut query, mut select) = select_from(&inner, vec![])?;
            if let SetExpr::Select(template) = *star.body {
                select.flavor = template.flavor;
            }
            let not_null =
                unpivot.values.iter().map(|v| Syntax::IsNotNull(Box::new(Syntax::Identifier(ident(v)))));
            select.selection = not_null.reduce(and);
            query.body = Box::new(SetExpr::Select(select));
            query
        };
        self.bind_query(&query, outer).map_err(|e| {
            let (message, what) = (e.message.clone(), " in a list - ");
            match (message.strip_prefix("Cannot mix values of type "), message.split_once(what)) {
                (Some(types), Some(_)) => SqlError {
                    message: format!(
                        "Cannot unpivot columns of types {} - an explicit cast is required",
                        types.split(what).next().unwrap_or(types)
                    ),
                    ..e
                },
                _ => e,
            }
        })
    }
}

/// The name of the column inside an expression.
fn inner_name(expr: &Syntax) -> String {
    match expr {
        Syntax::Cast { expr, .. } | Syntax::Nested(expr) => inner_name(expr),
        other => column_name(other),
    }
}

fn text_value(expr: &Syntax, value: String) -> PivotValue {
    let condition = equals(as_text(expr.clone()), text(&value));
    PivotValue { name: value, condition }
}

/// Adds a condition to the aggregate in an expression. An error if there is none or another, or columns stand outside.
fn add_filter(expr: &mut Syntax, condition: Option<&Syntax>) -> std::result::Result<(), String> {
    let mut aggregates = 0;
    let mut names = vec![];
    let mut inside = vec![];
    walk::rewrite_expressions(expr, |e| match e {
        Syntax::Function(f) if is_aggregate(&function_name(&f.name)) => {
            aggregates += 1;
            walk::for_each_expression(&*f, |e| {
                if matches!(e, Syntax::Identifier(_) | Syntax::CompoundIdentifier(_)) {
                    inside.push(e.span());
                }
            });
            if let Some(condition) = condition {
                let all = match f.filter.take() {
                    Some(own) => and(*own, condition.clone()),
                    None => condition.clone(),
                };
                f.filter = Some(Box::new(all));
            }
        }
        Syntax::Identifier(_) | Syntax::CompoundIdentifier(_) => names.push(e.span()),
        _ => {}
    });
    if aggregates != 1 {
        let found = match aggregates {
            0 => "no aggregates were".to_owned(),
            n => format!("{n} were"),
        };
        return Err(format!("Pivot expression must contain exactly one aggregate, but {found} found"));
    }
    if names.len() > inside.len() {
        return Err("Columns can only be referenced within the aggregate of a PIVOT expression".into());
    }
    Ok(())
}
