//! Columns that are computed: when they are read, or when they are written.

use std::collections::HashSet;

use sqlparser::ast::Expr as Syntax;

use crate::catalog::{ColumnDefinition, TableDefinition, fold};
use crate::exec::expr::Expr;
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::scope::{Relation, Scope, ScopeColumn};
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::parser::parse_expr;
use crate::sql::plan::{Column, Definition, LogicalPlan};
use crate::sql::walk;

/// What rows are for.
#[derive(Debug, Clone, Copy)]
pub(in crate::sql::bind) enum Rows {
    /// A table has them.
    Read,
    /// A table will have them.
    Written,
}

impl Binder<'_> {
    /// Puts the computed columns of a table on a plan that yields the others in the order of the table, and possibly
    /// more behind: of rows that are read those that are not stored, of rows to be written all. Returns the columns of
    /// the table in order.
    pub(in crate::sql::bind) fn add_generated(
        &mut self,
        table: &TableDefinition,
        plan: LogicalPlan,
        yielded: &[Column],
        rows: Rows,
    ) -> Result<(LogicalPlan, Vec<Column>)> {
        let is_yielded = |c: &ColumnDefinition| match rows {
            Rows::Read => !c.is_virtual(),
            Rows::Written => c.generated.is_none(),
        };
        if table.columns.iter().all(is_yielded) {
            return Ok((plan, yielded[..table.columns.len()].to_vec()));
        }
        let mut stored = yielded.iter();
        let columns: Vec<Option<Column>> =
            table.columns.iter().map(|c| if is_yielded(c) { stored.next().cloned() } else { None }).collect();
        let exprs = self.generated_columns(table, &columns)?;
        let (mut definitions, mut all) = (vec![], vec![]);
        for ((column, expr), definition) in columns.into_iter().zip(exprs).zip(&table.columns) {
            let column = column.unwrap_or_else(|| self.ids.column(&*definition.name, definition.ty.clone()));
            all.push(column.clone());
            definitions.push(Definition { column, expr });
        }
        definitions.extend(stored.cloned().map(Definition::pass));
        Ok((LogicalPlan::Project { input: Box::new(plan), definitions }, all))
    }

    /// The expressions of all columns of a table over those that are there, which are given by their positions.
    pub(in crate::sql::bind) fn generated_columns(
        &mut self,
        table: &TableDefinition,
        stored: &[Option<Column>],
    ) -> Result<Vec<Expr>> {
        let mut known: Vec<Option<Expr>> = stored.iter().map(|c| c.as_ref().map(Column::expr)).collect();
        let mut open = vec![];
        for (position, column) in table.columns.iter().enumerate() {
            if let (Some(text), None) = (&column.generated, &known[position]) {
                let syntax = parse_expr(text).map_err(|e| {
                    SqlError::internal(format!("the generated column \"{}\": {}", column.name, e.message))
                })?;
                open.push((position, names_in(&syntax), syntax));
            }
        }
        while !open.is_empty() {
            let before = open.len();
            let mut still = vec![];
            for (position, names, syntax) in open {
                let is_open = |(c, e): (&ColumnDefinition, &Option<Expr>)| {
                    e.is_none() && names.contains(&fold(&c.name))
                };
                if table.columns.iter().zip(&known).any(is_open) {
                    still.push((position, names, syntax));
                    continue;
                }
                let scope = Scope::of(relation(table, &known));
                let mut cx = ExprContext::new(&scope, None, "a generated column");
                cx.allow_subqueries = false;
                let bound = self.bind_expr(&syntax, &mut cx)?;
                known[position] = Some(coerce::assign(bound, &table.columns[position].ty)?);
            }
            if still.len() == before {
                return Err(SqlError::invalid(
                    "Circular dependency encountered when resolving generated column expressions",
                ));
            }
            open = still;
        }
        Ok(known.into_iter().flatten().collect())
    }
}

/// The columns whose expressions are known.
fn relation(table: &TableDefinition, known: &[Option<Expr>]) -> Relation {
    let mut relation = Relation::new(&*table.name, vec![]);
    for (position, (definition, expr)) in table.columns.iter().zip(known).enumerate() {
        let Some(expr) = expr else { continue };
        let column = match expr {
            Expr::Column { index, .. } => *index,
            // No name reaches it but the unqualified one, which stands for the expression.
            _ => usize::MAX - position,
        };
        let column = Column { id: column, name: definition.name.to_string(), ty: definition.ty.clone() };
        relation.columns.push(ScopeColumn { merged: Some(expr.clone()), ..ScopeColumn::new(column) });
    }
    relation
}

/// The names in an expression, in one case: those of the columns it uses are among them.
pub fn names_in(expr: &Syntax) -> HashSet<String> {
    let mut names = HashSet::new();
    walk::for_each_expression(expr, |e| match e {
        Syntax::Identifier(name) => {
            names.insert(fold(&name.value));
        }
        Syntax::CompoundIdentifier(parts) => names.extend(parts.iter().map(|p| fold(&p.value))),
        _ => {}
    });
    names
}
