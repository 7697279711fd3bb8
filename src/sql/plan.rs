//! Logical plans.
//!
//! Every column that any operator of a query yields has a [`ColumnId`] of its own, unique in the query.
//! In a logical plan `Expr::Column { index, .. }` holds such an id, not a position; the physical planner
//! turns ids into positions. So moving an operator never renumbers anything, and a correlated subquery is
//! simply one with free columns: ids that its own subtree does not produce.

use std::sync::Arc;

use crate::column::types::LogicalType;
use crate::exec::expr::{AggregateCall, Expr, SortKey};
use crate::exec::source::{Sink, Source};
use crate::table::TableSnapshot;

/// Names one column in one query.
pub type ColumnId = usize;

/// An output column: its id, the name it was given, its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The id.
    pub id: ColumnId,
    /// The name, for headers and EXPLAIN.
    pub name: String,
    /// The type.
    pub ty: LogicalType,
}

/// How a join treats rows without a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinType {
    /// Pairs only; without conditions a cross product.
    Inner,
    /// All left rows.
    Left,
    /// All right rows.
    Right,
    /// All rows of both sides.
    Full,
    /// Left rows with a partner: `EXISTS`, `IN`.
    Semi,
    /// Left rows without a partner: `NOT EXISTS`.
    Anti,
    /// Left rows and a boolean under this id: EXISTS or IN inside an expression, `NOT IN`. NULL as `IN`
    /// has it where the conditions are equalities with NULLs.
    Mark(Column),
    /// Left rows and the columns of the one partner or NULL: a scalar subquery.
    Single,
}

/// A column defined by an expression.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The column it defines.
    pub column: Column,
    /// Its value, over the ids of the input.
    pub expr: Expr,
}

/// A logical operator.
#[derive(Debug, Clone)]
pub enum LogicalPlan {
    /// Rows of a table. `columns[i]` is the table's column `positions[i]`.
    TableGet {
        /// The table.
        table: Arc<TableSnapshot>,
        /// Its name as the query calls it.
        alias: String,
        /// Table column positions.
        positions: Vec<usize>,
        /// The ids they have here.
        columns: Vec<Column>,
        /// Conditions pushed down, all of which must hold; over `columns`.
        filters: Vec<Expr>,
    },
    /// Rows of something else.
    SourceGet {
        /// The source.
        source: Arc<dyn Source>,
        /// Source column positions.
        positions: Vec<usize>,
        /// The ids they have here.
        columns: Vec<Column>,
        /// Conditions pushed down.
        filters: Vec<Expr>,
    },
    /// Constant rows (one empty row for a SELECT without FROM).
    Values {
        /// Rows; may have free columns where correlated.
        rows: Vec<Vec<Expr>>,
        /// Their columns.
        columns: Vec<Column>,
    },
    /// Rows for which all conditions are true.
    Filter {
        /// Input.
        input: Box<LogicalPlan>,
        /// Conditions.
        predicates: Vec<Expr>,
    },
    /// New columns; passes on only what it defines (a definition may be a bare column, keeping its id).
    Project {
        /// Input.
        input: Box<LogicalPlan>,
        /// Definitions.
        definitions: Vec<Definition>,
    },
    /// Groups.
    Aggregate {
        /// Input.
        input: Box<LogicalPlan>,
        /// Keys.
        group_by: Vec<Definition>,
        /// Aggregates and the columns they define.
        aggregates: Vec<(Column, AggregateCall)>,
    },
    /// Distinct rows; with `on`, the first row of each distinct `on`.
    Distinct {
        /// Input.
        input: Box<LogicalPlan>,
        /// `DISTINCT ON` expressions.
        on: Option<Vec<Expr>>,
    },
    /// Rows in order.
    Sort {
        /// Input.
        input: Box<LogicalPlan>,
        /// Keys.
        keys: Vec<SortKey>,
    },
    /// Some of the rows.
    Limit {
        /// Input.
        input: Box<LogicalPlan>,
        /// How many.
        limit: Option<u64>,
        /// How many to skip.
        offset: u64,
    },
    /// A join. If `dependent`, the right side may have free columns that the left side yields (lateral
    /// joins and subqueries); the unnesting rule removes these before any other rule runs.
    Join {
        /// Left input.
        left: Box<LogicalPlan>,
        /// Right input.
        right: Box<LogicalPlan>,
        /// Which rows.
        kind: JoinType,
        /// Conditions, all of which must hold; over both sides.
        on: Vec<Expr>,
        /// The right side depends on the left.
        dependent: bool,
    },
    /// Rows of all inputs; column `i` of each becomes `columns[i]`.
    Union {
        /// Inputs, each of the same types.
        inputs: Vec<LogicalPlan>,
        /// The ids they have here.
        columns: Vec<Column>,
    },
    /// Writes its input; yields one `BIGINT` count.
    Write {
        /// Input, in the sink's order of columns.
        input: Box<LogicalPlan>,
        /// Where to.
        sink: Arc<dyn Sink>,
        /// The count.
        count: Column,
    },
}

impl LogicalPlan {
    /// The columns that this yields, in order.
    pub fn columns(&self) -> Vec<Column> {
        match self {
            Self::TableGet { columns, .. }
            | Self::SourceGet { columns, .. }
            | Self::Values { columns, .. }
            | Self::Union { columns, .. } => columns.clone(),
            Self::Filter { input, .. }
            | Self::Distinct { input, .. }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. } => input.columns(),
            Self::Project { definitions, .. } => definitions.iter().map(|d| d.column.clone()).collect(),
            Self::Aggregate { group_by, aggregates, .. } => {
                let keys = group_by.iter().map(|d| d.column.clone());
                keys.chain(aggregates.iter().map(|(c, _)| c.clone())).collect()
            }
            Self::Join { left, right, kind, .. } => {
                let mut out = left.columns();
                match kind {
                    JoinType::Semi | JoinType::Anti => {}
                    JoinType::Mark(mark) => out.push(mark.clone()),
                    _ => out.extend(right.columns()),
                }
                out
            }
            Self::Write { count, .. } => vec![count.clone()],
        }
    }
}
