//! DESCRIBE and SUMMARIZE: what the columns of a table or query are, and what is in them. Also as tables of FROM.

use sqlparser::ast::{self, FunctionArg, Query, SelectFlavor, SetExpr, TableFactor};

use crate::catalog::{Namespace, Object, TableDefinition};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::exec::expr::{AggregateCall, CompareOp, Expr};
use crate::sql::ast::Show;
use crate::sql::bind::{Binder, BoundQuery, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::forms::{DESCRIBED, SHOWN, SUMMARIZED, argument_expr, listed_query};
use crate::sql::plan::{Column, Definition, LogicalPlan};
use crate::sql::session::ReadView;
use crate::sql::sources::columns::{ColumnInfo, show, table_columns};
use crate::sql::sources::{RowsBuilder, shown};

/// The columns of SUMMARIZE that are computed for each column, as aggregates.
const MEASURES: &[&str] = &["min", "max", "approx_unique", "avg", "std", "q25", "q50", "q75", "count"];

/// What SHOW lists where a query stands, by the words behind it.
const LISTS: &[(&str, Show)] = &[
    ("tables", Show::Tables(None)),
    ("all tables", Show::AllTables),
    ("databases", Show::Databases),
    ("schemas", Show::Schemas),
];

/// What `SHOW TABLES FROM` names.
fn name_of(expr: &ast::Expr) -> Option<ast::ObjectName> {
    match expr {
        ast::Expr::Identifier(ident) => Some(vec![ident.clone()].into()),
        ast::Expr::CompoundIdentifier(idents) => Some(idents.clone().into()),
        _ => None,
    }
}

impl Binder<'_> {
    /// `FROM (DESCRIBE …)` and its like.
    pub(super) fn bind_listing(&mut self, what: &str, args: &[FunctionArg]) -> Result<BoundQuery> {
        let query = || listed_query(args).ok_or_else(|| SqlError::internal("a listing without its query"));
        let rows = match what {
            SUMMARIZED => return self.summarize(query()?),
            DESCRIBED => self.describe(query()?)?,
            _ => {
                let list = LISTS.iter().find(|(words, _)| what.strip_prefix(SHOWN) == Some(words));
                let from = args.first().and_then(argument_expr).and_then(name_of);
                let list = match list {
                    Some((_, Show::Tables(_))) => Some(&Show::Tables(from)),
                    other => other.map(|(_, list)| list),
                };
                let rows = list.map(|list| shown(&self.env, list)).transpose()?.flatten();
                rows.ok_or_else(|| SqlError::parser("this is no table"))?
            }
        };
        let source = rows.finish("describe").map_err(|e| SqlError::from_exec(&e))?;
        let bound = self.source(std::sync::Arc::new(source), "describe");
        let columns = bound.scope.star().map(|c| c.column.clone()).collect();
        Ok(BoundQuery { plan: bound.plan, columns })
    }

    /// The columns of a table or query.
    pub fn describe(&mut self, query: &Query) -> Result<RowsBuilder> {
        let bound = self.bind_query(query, None)?;
        let columns: Vec<ColumnInfo> = match bare_table(query, self.env.tables.names()) {
            // What a generated column is made of is no default.
            Some(table) => {
                table_columns(&table).into_iter().map(|c| ColumnInfo { generated: None, ..c }).collect()
            }
            None => bound.columns.into_iter().map(|c| ColumnInfo::bare(c.name, c.ty)).collect(),
        };
        // Columns of bare NULLs leave as INTEGER.
        let whole = |ty| if ty == T::Null { T::Integer } else { ty };
        let columns: Vec<_> = columns.into_iter().map(|c| ColumnInfo { ty: whole(c.ty), ..c }).collect();
        Ok(show(&columns))
    }

    /// Statistics on each column of a table or query: aggregates over all rows, of which those of one column become
    /// a row.
    pub fn summarize(&mut self, query: &Query) -> Result<BoundQuery> {
        let bound = self.bind_query(query, None)?;
        let types: Vec<T> =
            bound.columns.iter().map(|c| if c.ty == T::Null { T::Integer } else { c.ty.clone() }).collect();
        let bound = self.cast_columns(bound, &types)?;
        let columns = bound.columns.clone();
        let total = self.aggregate_call("total".into(), "count", vec![])?;
        let mut measures = vec![];
        for column in &columns {
            measures.push(self.measures(column));
        }
        let aggregates =
            std::iter::once(total.clone()).chain(measures.iter().flatten().flatten().cloned()).collect();
        let plan =
            LogicalPlan::Aggregate { input: Box::new(bound.into_plan()), group_by: vec![], aggregates };

        let text = |value: &str| Expr::literal(Scalar::text(value), T::Varchar);
        let mut lists: Vec<(&str, T, Vec<Expr>)> = vec![
            ("column_name", T::Varchar, columns.iter().map(|c| text(&c.name)).collect()),
            ("column_type", T::Varchar, columns.iter().map(|c| text(&c.ty.to_string())).collect()),
        ];
        for (m, name) in MEASURES.iter().copied().enumerate() {
            let ty = if matches!(name, "approx_unique" | "count") { T::BigInt } else { T::Varchar };
            let value = |of: &Vec<Option<(Column, AggregateCall)>>| match &of[m] {
                _ if name == "count" => total.0.expr(),
                Some((column, _)) => coerce::cast(column.expr(), &ty),
                None => Expr::literal(Scalar::Null, ty.clone()),
            };
            let values = measures.iter().map(value).collect();
            lists.push((name, ty, values));
        }
        let share = T::Decimal { width: 9, scale: 2 };
        let mut shares = vec![];
        for of in &measures {
            let Some((filled, _)) = of.last().and_then(Option::as_ref) else {
                return Err(SqlError::internal("count takes any column"));
            };
            shares.push(self.null_percentage(total.0.expr(), filled.expr(), &share)?);
        }
        lists.push(("null_percentage", share, shares));

        let mut unnested = vec![];
        for (name, ty, values) in lists {
            let list = self.call("list_value", values)?;
            unnested.push(Definition { column: self.ids.column(name, ty), expr: list });
        }
        let columns = unnested.iter().map(|d| d.column.clone()).collect();
        let plan = LogicalPlan::Unnest {
            input: Box::new(plan),
            lists: unnested,
            ordinality: None,
            keep_empty: false,
        };
        Ok(BoundQuery { plan, columns })
    }

    /// `(total - filled) * 100 / total`, NULL without rows.
    fn null_percentage(&mut self, total: Expr, filled: Expr, ty: &T) -> Result<Expr> {
        let number = |n: i128| Expr::literal(Scalar::Int(n), T::BigInt);
        let missing = self.call("-", vec![total.clone(), filled])?;
        let hundredfold = self.call("*", vec![missing, number(100)])?;
        let value = self.call("/", vec![hundredfold, total.clone()])?;
        let is_empty = coerce::compare(CompareOp::Eq, total, number(0))?;
        let none = Expr::literal(Scalar::Null, ty.clone());
        let value = coerce::cast(value, ty);
        Ok(Expr::Case { branches: vec![(is_empty, none)], otherwise: Some(Box::new(value)), ty: ty.clone() })
    }

    /// The measures of a column, as aggregates, in their order; none where its type has no such thing.
    fn measures(&mut self, column: &Column) -> Vec<Option<(Column, AggregateCall)>> {
        let numeric = column.ty.is_numeric();
        let instant = matches!(column.ty, T::Date | T::Timestamp(_) | T::TimestampTz | T::Time);
        let share = |p: f64| Expr::literal(Scalar::Float(p), T::Double);
        let mut out = vec![];
        for measure in MEASURES {
            let call = match *measure {
                "min" | "max" | "count" => Some((*measure, vec![column.expr()])),
                "approx_unique" => Some(("approx_count_distinct", vec![column.expr()])),
                "avg" if numeric || instant => Some(("avg", vec![column.expr()])),
                "std" if numeric => Some(("stddev", vec![column.expr()])),
                "q25" if numeric || instant => Some(("approx_quantile", vec![column.expr(), share(0.25)])),
                "q50" if numeric || instant => Some(("approx_quantile", vec![column.expr(), share(0.5)])),
                "q75" if numeric || instant => Some(("approx_quantile", vec![column.expr(), share(0.75)])),
                _ => None,
            };
            // A type that an aggregate does not take leaves a NULL.
            out.push(
                call.and_then(|(function, args)| self.aggregate_call((*measure).into(), function, args).ok()),
            );
        }
        out
    }
}

/// The table, if the query is nothing but `FROM table`.
fn bare_table(query: &Query, view: &ReadView) -> Option<std::sync::Arc<TableDefinition>> {
    let SetExpr::Select(select) = &*query.body else { return None };
    let [from] = &select.from[..] else { return None };
    let TableFactor::Table { name, args: None, .. } = &from.relation else { return None };
    let bare =
        select.flavor == SelectFlavor::FromFirstNoSelect && from.joins.is_empty() && query.with.is_none();
    if !bare {
        return None;
    }
    match view.lookup(Namespace::Relation, name).ok()?.map(|found| found.object) {
        Some(Object::Table(table)) => Some(table.clone()),
        _ => None,
    }
}
