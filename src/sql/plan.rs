//! Logical plans.
//!
//! Every column that any operator of a query yields has a [`ColumnId`] of its own, unique in the query.
//! In a logical plan `Expr::Column { index, .. }` holds such an id, not a position; the physical planner
//! turns ids into positions. So moving an operator never renumbers anything, and a correlated subquery is
//! simply one with free columns: ids that its own subtree does not produce.

use std::sync::Arc;

use crate::column::predicate::CompareOp;
use crate::column::types::LogicalType;
use crate::exec::expr::{AggregateCall, Expr, SortKey};
pub use crate::exec::plan::Recursion;
use crate::exec::plan::{Fill, Step};
use crate::exec::source::{Sink, Source};
use crate::exec::window::WindowCall;
use crate::exec::zone::Zone;
use crate::table::TableSnapshot;

/// Names one column in one query.
pub type ColumnId = usize;

/// Names one common table expression in one query.
pub type CteId = usize;

/// Hands out the column ids of one query.
#[derive(Debug, Clone, Default)]
pub struct ColumnIds {
    next: ColumnId,
}

impl ColumnIds {
    /// An id that no other column of the query has.
    pub fn fresh(&mut self) -> ColumnId {
        self.next += 1;
        self.next - 1
    }

    /// A column with an id of its own.
    pub fn column(&mut self, name: impl Into<String>, ty: LogicalType) -> Column {
        Column { id: self.fresh(), name: name.into(), ty }
    }
}

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

impl Column {
    /// An expression that yields this column.
    pub fn expr(&self) -> Expr {
        Expr::Column { index: self.id, ty: self.ty.clone() }
    }
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

/// How many rows a sample takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SampleSize {
    /// So many.
    Rows(u64),
    /// This share of them, 0 to 100.
    Percent(f64),
}

/// How a sample chooses rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleMethod {
    /// Each row by itself.
    Bernoulli,
    /// Whole batches.
    System,
    /// A fixed number, each row as likely as any other.
    Reservoir,
}

/// `TABLESAMPLE` and `USING SAMPLE`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// How many rows.
    pub size: SampleSize,
    /// How they are chosen.
    pub method: SampleMethod,
    /// `REPEATABLE`: the same rows each time.
    pub seed: Option<u64>,
}

/// The inequality of an as-of join: `left op right` holds, and the values are as near as can be.
#[derive(Debug, Clone)]
pub struct Nearest {
    /// Over the left side.
    pub left: Expr,
    /// `<`, `<=`, `>` or `>=`.
    pub op: CompareOp,
    /// Over the right side, of the same type.
    pub right: Expr,
}

/// A column defined by an expression.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The column it defines.
    pub column: Column,
    /// Its value, over the ids of the input.
    pub expr: Expr,
}

impl Definition {
    /// Passes a column on under its own id.
    pub fn pass(column: Column) -> Self {
        let expr = column.expr();
        Self { column, expr }
    }

    /// Whether this only passes a column on, under its own id.
    pub fn is_pass(&self) -> bool {
        matches!(self.expr, Expr::Column { index, .. } if index == self.column.id)
    }
}

/// How the gaps of series are filled.
#[derive(Debug, Clone)]
pub struct Gaps {
    /// The times: first of all a column; then those that tell series apart; then those that are filled.
    pub columns: Vec<Expr>,
    /// How many of the columns tell series apart.
    pub series: usize,
    /// How many of those, from the first, are of an outer query, for each row of which the range is another.
    pub apart: usize,
    /// What the columns behind them are filled with.
    pub fills: Vec<Fill>,
    /// From one time to the next.
    pub step: Step,
    /// By whose clock steps are counted, and from what it shows when, in the unit of the column; UTC if absent.
    pub zone: Option<(Zone, i64)>,
    /// The first time, in the unit of the column; else the least that there is.
    pub first: Option<i64>,
    /// The last time, in the unit of the column; else the greatest that there is.
    pub last: Option<i64>,
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
    /// A row for each step of each series: FluxQL's FILL. Passes on the columns of its input.
    GapFill {
        /// Input.
        input: Box<LogicalPlan>,
        /// How.
        gaps: Box<Gaps>,
    },
    /// Window functions, all over the same partitions in the same order; passes all columns of its input on.
    Window {
        /// Input.
        input: Box<LogicalPlan>,
        /// Keys of the partitions.
        partition_by: Vec<Expr>,
        /// The order of the rows of a partition.
        order_by: Vec<SortKey>,
        /// Calls and the columns they define.
        calls: Vec<(Column, WindowCall)>,
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
    /// Each left row with the one right row that satisfies all conditions and is nearest in `by`.
    AsOfJoin {
        /// Left input.
        left: Box<LogicalPlan>,
        /// Right input.
        right: Box<LogicalPlan>,
        /// Which rows; neither a mark nor a scalar subquery.
        kind: JoinType,
        /// Conditions, all of which must hold.
        on: Vec<Expr>,
        /// What the row must be nearest in.
        by: Box<Nearest>,
    },
    /// Row `i` of the left with row `i` of the right, NULLs where a side has fewer rows.
    PositionalJoin {
        /// Left input.
        left: Box<LogicalPlan>,
        /// Right input.
        right: Box<LogicalPlan>,
    },
    /// Rows of all inputs; column `i` of each becomes `columns[i]`.
    Union {
        /// Inputs, each of the same types.
        inputs: Vec<LogicalPlan>,
        /// The ids they have here.
        columns: Vec<Column>,
    },
    /// Rows of the input, each once for each item of its lists. The lists of a row go side by side, the shorter
    /// ones filled up with NULL; a row without items is dropped. Yields the input's columns, the items, and the
    /// item's number.
    Unnest {
        /// Input.
        input: Box<LogicalPlan>,
        /// Lists, and the columns of their items.
        lists: Vec<Definition>,
        /// The column of the item's number, from 1.
        ordinality: Option<Column>,
        /// A row without items stays, with NULLs.
        keep_empty: bool,
    },
    /// Rows of the input, each once for each grouping set, with those keys that the set has and NULL for the
    /// others. Yields the input's columns, the keys, and the number of the set.
    Expand {
        /// Input.
        input: Box<LogicalPlan>,
        /// Keys under ids of their own.
        keys: Vec<Definition>,
        /// For each set, which keys it has.
        sets: Vec<Vec<bool>>,
        /// The number of the set.
        set: Column,
    },
    /// The input's rows, and a constant one if no row of the input satisfies the condition.
    OrElse {
        /// Input.
        input: Box<LogicalPlan>,
        /// The condition.
        condition: Expr,
        /// The constant row: columns of the input and their values. A column that is not listed is NULL.
        row: Vec<Definition>,
    },
    /// Some of the rows, how many being computed by the query: the expressions have the same value in all rows.
    LimitBy {
        /// Input.
        input: Box<LogicalPlan>,
        /// How many rows, or percent of all rows; all where NULL.
        limit: Option<Expr>,
        /// How many to skip.
        offset: Option<Expr>,
        /// The limit is in percent.
        percent: bool,
    },
    /// Some of the rows, chosen at random.
    Sample {
        /// Input.
        input: Box<LogicalPlan>,
        /// How.
        sample: Sample,
    },
    /// A common table expression that is computed once, and what uses it.
    With {
        /// Its id.
        id: CteId,
        /// Its name.
        name: String,
        /// What it is; the columns go by position.
        definition: Box<LogicalPlan>,
        /// What uses it.
        body: Box<LogicalPlan>,
    },
    /// Rows of a common table expression, or of the last step of a recursive one. `columns[i]` is its column
    /// `positions[i]`.
    CteScan {
        /// Its id.
        id: CteId,
        /// Its name.
        name: String,
        /// Its column positions.
        positions: Vec<usize>,
        /// The ids they have here.
        columns: Vec<Column>,
        /// A guess of its rows.
        rows: f64,
    },
    /// A recursive common table expression. Columns of the anchor and of the step go by position.
    Recursive {
        /// The rows of the step before, for [`LogicalPlan::CteScan`].
        id: CteId,
        /// All rows so far, for a scan of `recurring.name`.
        all: CteId,
        /// Its name.
        name: String,
        /// Where it starts.
        anchor: Box<LogicalPlan>,
        /// What is made of the rows of the step before.
        step: Box<LogicalPlan>,
        /// The ids of its columns.
        columns: Vec<Column>,
        /// What is kept.
        kind: Recursion,
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
            | Self::Union { columns, .. }
            | Self::CteScan { columns, .. }
            | Self::Recursive { columns, .. } => columns.clone(),
            Self::Filter { input, .. }
            | Self::GapFill { input, .. }
            | Self::Distinct { input, .. }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. }
            | Self::LimitBy { input, .. }
            | Self::OrElse { input, .. }
            | Self::Sample { input, .. }
            | Self::With { body: input, .. } => input.columns(),
            Self::Unnest { input, lists, ordinality, .. } => {
                let mut out = input.columns();
                out.extend(lists.iter().map(|d| d.column.clone()));
                out.extend(ordinality.clone());
                out
            }
            Self::Expand { input, keys, set, .. } => {
                let mut out = input.columns();
                out.extend(keys.iter().map(|d| d.column.clone()));
                out.push(set.clone());
                out
            }
            Self::Project { definitions, .. } => definitions.iter().map(|d| d.column.clone()).collect(),
            Self::Aggregate { group_by, aggregates, .. } => {
                let keys = group_by.iter().map(|d| d.column.clone());
                keys.chain(aggregates.iter().map(|(c, _)| c.clone())).collect()
            }
            Self::Window { input, calls, .. } => {
                let mut out = input.columns();
                out.extend(calls.iter().map(|(c, _)| c.clone()));
                out
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
            Self::AsOfJoin { left, right, kind, .. } => {
                let mut out = left.columns();
                if !matches!(kind, JoinType::Semi | JoinType::Anti) {
                    out.extend(right.columns());
                }
                out
            }
            Self::PositionalJoin { left, right } => {
                left.columns().into_iter().chain(right.columns()).collect()
            }
            Self::Write { count, .. } => vec![count.clone()],
        }
    }

    /// The inputs, left to right.
    pub fn inputs(&self) -> Vec<&LogicalPlan> {
        match self {
            Self::TableGet { .. } | Self::SourceGet { .. } | Self::Values { .. } | Self::CteScan { .. } => {
                vec![]
            }
            Self::Filter { input, .. }
            | Self::Project { input, .. }
            | Self::Aggregate { input, .. }
            | Self::GapFill { input, .. }
            | Self::Window { input, .. }
            | Self::Distinct { input, .. }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. }
            | Self::Unnest { input, .. }
            | Self::Expand { input, .. }
            | Self::OrElse { input, .. }
            | Self::LimitBy { input, .. }
            | Self::Sample { input, .. }
            | Self::Write { input, .. } => vec![input],
            Self::Join { left, right, .. }
            | Self::AsOfJoin { left, right, .. }
            | Self::PositionalJoin { left, right } => vec![left, right],
            Self::With { definition, body, .. } => vec![definition, body],
            Self::Recursive { anchor, step, .. } => vec![anchor, step],
            Self::Union { inputs, .. } => inputs.iter().collect(),
        }
    }

    /// The inputs, for rewriting in place.
    pub fn inputs_mut(&mut self) -> Vec<&mut LogicalPlan> {
        match self {
            Self::TableGet { .. } | Self::SourceGet { .. } | Self::Values { .. } | Self::CteScan { .. } => {
                vec![]
            }
            Self::Filter { input, .. }
            | Self::Project { input, .. }
            | Self::Aggregate { input, .. }
            | Self::GapFill { input, .. }
            | Self::Window { input, .. }
            | Self::Distinct { input, .. }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. }
            | Self::Unnest { input, .. }
            | Self::Expand { input, .. }
            | Self::OrElse { input, .. }
            | Self::LimitBy { input, .. }
            | Self::Sample { input, .. }
            | Self::Write { input, .. } => vec![input],
            Self::Join { left, right, .. }
            | Self::AsOfJoin { left, right, .. }
            | Self::PositionalJoin { left, right } => vec![left, right],
            Self::With { definition, body, .. } => vec![definition, body],
            Self::Recursive { anchor, step, .. } => vec![anchor, step],
            Self::Union { inputs, .. } => inputs.iter_mut().collect(),
        }
    }

    /// The expressions that this operator itself evaluates, those of its inputs left out.
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            Self::TableGet { filters, .. } | Self::SourceGet { filters, .. } => filters.iter().collect(),
            Self::Values { rows, .. } => rows.iter().flatten().collect(),
            Self::Filter { predicates, .. } => predicates.iter().collect(),
            Self::Project { definitions, .. } => definitions.iter().map(|d| &d.expr).collect(),
            Self::Aggregate { group_by, aggregates, .. } => {
                let keys = group_by.iter().map(|d| &d.expr);
                keys.chain(aggregates.iter().flat_map(|(_, call)| call.exprs())).collect()
            }
            Self::GapFill { gaps, .. } => gaps.columns.iter().collect(),
            Self::Window { partition_by, order_by, calls, .. } => {
                let keys = partition_by.iter().chain(order_by.iter().map(|k| &k.expr));
                keys.chain(calls.iter().flat_map(|(_, call)| call.exprs())).collect()
            }
            Self::Distinct { on, .. } => on.iter().flatten().collect(),
            Self::Sort { keys, .. } => keys.iter().map(|k| &k.expr).collect(),
            Self::Join { on, .. } => on.iter().collect(),
            Self::AsOfJoin { on, by, .. } => on.iter().chain([&by.left, &by.right]).collect(),
            Self::Unnest { lists: definitions, .. } | Self::Expand { keys: definitions, .. } => {
                definitions.iter().map(|d| &d.expr).collect()
            }
            Self::OrElse { condition, .. } => vec![condition],
            Self::LimitBy { limit, offset, .. } => limit.iter().chain(offset).collect(),
            Self::Limit { .. }
            | Self::PositionalJoin { .. }
            | Self::Sample { .. }
            | Self::With { .. }
            | Self::CteScan { .. }
            | Self::Recursive { .. }
            | Self::Union { .. }
            | Self::Write { .. } => vec![],
        }
    }

    /// The expressions that this operator itself evaluates, for rewriting in place.
    pub fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Self::TableGet { filters, .. } | Self::SourceGet { filters, .. } => filters.iter_mut().collect(),
            Self::Values { rows, .. } => rows.iter_mut().flatten().collect(),
            Self::Filter { predicates, .. } => predicates.iter_mut().collect(),
            Self::Project { definitions, .. } => definitions.iter_mut().map(|d| &mut d.expr).collect(),
            Self::Aggregate { group_by, aggregates, .. } => {
                let keys = group_by.iter_mut().map(|d| &mut d.expr);
                keys.chain(aggregates.iter_mut().flat_map(|(_, call)| call.exprs_mut())).collect()
            }
            Self::GapFill { gaps, .. } => gaps.columns.iter_mut().collect(),
            Self::Window { partition_by, order_by, calls, .. } => {
                let keys = partition_by.iter_mut().chain(order_by.iter_mut().map(|k| &mut k.expr));
                keys.chain(calls.iter_mut().flat_map(|(_, call)| call.exprs_mut())).collect()
            }
            Self::Distinct { on, .. } => on.iter_mut().flatten().collect(),
            Self::Sort { keys, .. } => keys.iter_mut().map(|k| &mut k.expr).collect(),
            Self::Join { on, .. } => on.iter_mut().collect(),
            Self::AsOfJoin { on, by, .. } => on.iter_mut().chain([&mut by.left, &mut by.right]).collect(),
            Self::Unnest { lists: definitions, .. } | Self::Expand { keys: definitions, .. } => {
                definitions.iter_mut().map(|d| &mut d.expr).collect()
            }
            Self::OrElse { condition, .. } => vec![condition],
            Self::LimitBy { limit, offset, .. } => limit.iter_mut().chain(offset).collect(),
            Self::Limit { .. }
            | Self::PositionalJoin { .. }
            | Self::Sample { .. }
            | Self::With { .. }
            | Self::CteScan { .. }
            | Self::Recursive { .. }
            | Self::Union { .. }
            | Self::Write { .. } => vec![],
        }
    }

    /// The columns that this operator lists in itself: made, or passed on by name.
    pub fn made_columns_mut(&mut self) -> Vec<&mut Column> {
        match self {
            Self::TableGet { columns, .. }
            | Self::SourceGet { columns, .. }
            | Self::Values { columns, .. }
            | Self::Union { columns, .. }
            | Self::CteScan { columns, .. }
            | Self::Recursive { columns, .. } => columns.iter_mut().collect(),
            Self::Unnest { lists, ordinality, .. } => {
                lists.iter_mut().map(|d| &mut d.column).chain(ordinality).collect()
            }
            Self::Expand { keys, set, .. } => keys.iter_mut().map(|d| &mut d.column).chain([set]).collect(),
            Self::OrElse { row, .. } => row.iter_mut().map(|d| &mut d.column).collect(),
            Self::Project { definitions, .. } => definitions.iter_mut().map(|d| &mut d.column).collect(),
            Self::Aggregate { group_by, aggregates, .. } => {
                let keys = group_by.iter_mut().map(|d| &mut d.column);
                keys.chain(aggregates.iter_mut().map(|(c, _)| c)).collect()
            }
            Self::Window { calls, .. } => calls.iter_mut().map(|(c, _)| c).collect(),
            Self::Join { kind: JoinType::Mark(mark), .. } => vec![mark],
            Self::Write { count, .. } => vec![count],
            Self::Filter { .. }
            | Self::GapFill { .. }
            | Self::Distinct { .. }
            | Self::Sort { .. }
            | Self::Limit { .. }
            | Self::LimitBy { .. }
            | Self::Sample { .. }
            | Self::With { .. }
            | Self::Join { .. }
            | Self::AsOfJoin { .. }
            | Self::PositionalJoin { .. } => vec![],
        }
    }

    /// A plan without rows, of no columns; what is left behind by [`LogicalPlan::take`].
    pub fn nothing() -> Self {
        Self::Values { rows: vec![], columns: vec![] }
    }

    /// Moves the plan out, leaving [`LogicalPlan::nothing`].
    pub fn take(&mut self) -> Self {
        std::mem::replace(self, Self::nothing())
    }
}
