//! Physical plans: what the SQL layer hands to execution.

use std::sync::Arc;

use crate::catalog::TableDefinition;
use crate::column::LengthUnit;
use crate::column::scalar::Scalar;
use crate::exec::aggregates::AggregateFunction;
use crate::exec::batch::Schema;
use crate::exec::expr::{AggregateCall, CompareOp, Expr, SortKey};
use crate::exec::hints::{HintKind, first_values};
pub use crate::exec::operators::sample::Choice;
use crate::exec::operators::scan::access::Access;
use crate::exec::source::{Sink, Source};
use crate::exec::window::WindowCall;
use crate::exec::zone::Zone;
use crate::table::TableSnapshot;

/// What a series has where it has no row, or NULL in one.
#[derive(Debug, Clone, PartialEq)]
pub enum Fill {
    /// NULL.
    Null,
    /// The value before.
    Previous,
    /// The value on the line between those before and after; NULL at the ends.
    Linear,
    /// A value of the column's type.
    Value(Scalar),
}

/// The distance between two rows of a series without gaps. Months alone, or days and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Calendar months.
    pub months: i32,
    /// Days of 24 hours.
    pub days: i32,
    /// Nanoseconds.
    pub nanos: i64,
}

/// How gaps are filled.
#[derive(Debug, Clone)]
pub struct GapFill {
    /// The column of times, a `TIMESTAMP` of any precision.
    pub time: usize,
    /// Columns that tell series apart.
    pub series: Vec<usize>,
    /// How many of them, from the first, tell apart series that do not share a range.
    pub apart: usize,
    /// From one time to the next.
    pub step: Step,
    /// By whose clock steps are counted, and from what it shows when, in the unit of the column; UTC if absent.
    pub zone: Option<(Zone, i64)>,
    /// The first time, in the unit of the column; else the least that there is.
    pub first: Option<i64>,
    /// The last time, in the unit of the column; else the greatest that there is.
    pub last: Option<i64>,
    /// Columns that are filled. Others are NULL in rows that were not there.
    pub fills: Vec<(usize, Fill)>,
}

/// How a join treats rows without a partner. "Left" is the first input and the probe side; "right" is
/// the second input, the build side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// Pairs only.
    Inner,
    /// Pairs, and left rows without a partner.
    Left,
    /// Pairs, and right rows without a partner.
    Right,
    /// Pairs, and rows of both sides without a partner.
    Full,
    /// Left rows that have a partner, once. Output: left columns only.
    LeftSemi,
    /// Left rows that have no partner. Output: left columns only.
    LeftAnti,
    /// Right rows that have a partner, once: a semi-join that builds on the rows it keeps. Output: right
    /// columns only.
    RightSemi,
    /// Right rows that have no partner. Output: right columns only.
    RightAnti,
    /// All left rows, each with the columns of its one partner, or NULLs. More than one partner is an error:
    /// "More than one row returned by a subquery used as an expression".
    LeftSingle,
    /// All left rows, and a boolean that says whether there is a partner (NULL as `IN` has it). Output:
    /// left columns and the mark.
    Mark,
}

/// A column of a recursion with keys that is an aggregate over all rows of its key.
#[derive(Debug, Clone)]
pub struct KeyedAggregate {
    /// The position of the column.
    pub column: usize,
    /// The aggregate.
    pub function: Arc<AggregateFunction>,
    /// Positions of its arguments in the rows.
    pub args: Vec<usize>,
}

/// What a recursion keeps of the rows that a step makes.
#[derive(Debug, Clone)]
pub enum Recursion {
    /// All.
    All,
    /// Those that were not there before.
    Distinct,
    /// One row for each key: the last, but for columns that are aggregates.
    Keyed {
        /// Positions of the key columns.
        keys: Vec<usize>,
        /// What takes the place of columns.
        aggregates: Vec<KeyedAggregate>,
        /// A row that leaves its key's row as it was does not take part in the next step.
        distinct: bool,
    },
}

/// An operator, its inputs, and what it yields.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The operator.
    pub node: PlanNode,
    /// Its output columns.
    pub schema: Schema,
    /// The optimizer's guess of its output rows.
    pub estimated_rows: Option<u64>,
}

/// The operators.
#[derive(Debug, Clone)]
pub enum PlanNode {
    /// Rows of a table. Output: `columns` of the table, in that order. `filter` is over the *output* of
    /// the scan; conjuncts prune by statistics and are evaluated before columns that only the output
    /// needs are decoded. `output` then keeps a subset of `columns`, so that a column only the filter
    /// needs is dropped early.
    TableScan {
        /// The table as of the query's snapshot.
        table: Arc<TableSnapshot>,
        /// Columns of the table that the filter or the output needs.
        columns: Vec<usize>,
        /// Positions in `columns` that leave the scan.
        output: Vec<usize>,
        /// Positions in `columns` of strings whose lengths leave the scan, behind `output`, as `BIGINT`s.
        lengths: Vec<(usize, LengthUnit)>,
        /// Condition over `columns`.
        filter: Option<Expr>,
    },
    /// Rows of something else. Same meaning of `columns`, `output` and `filter`.
    SourceScan {
        /// The source.
        source: Arc<dyn Source>,
        /// Columns of the source that the filter or the output needs.
        columns: Vec<usize>,
        /// Positions in `columns` that leave the scan.
        output: Vec<usize>,
        /// Condition over `columns`.
        filter: Option<Expr>,
    },
    /// Constant rows; the expressions have no column references.
    Values {
        /// Each of the width of the schema.
        rows: Vec<Vec<Expr>>,
    },
    /// Rows for which the condition is true.
    Filter {
        /// Input.
        input: Box<Plan>,
        /// Condition.
        predicate: Expr,
    },
    /// One output column for each expression.
    Project {
        /// Input.
        input: Box<Plan>,
        /// Expressions over the input.
        exprs: Vec<Expr>,
    },
    /// Groups. Output: group keys, then aggregates. Without keys exactly one row. `DISTINCT` is this
    /// without aggregates.
    Aggregate {
        /// Input.
        input: Box<Plan>,
        /// Keys over the input.
        group_by: Vec<Expr>,
        /// Aggregates over the input.
        aggregates: Vec<AggregateCall>,
        /// Only so many groups are asked for, any of them; others may be left out.
        first: Option<u64>,
    },
    /// A row for each step of each series. The input is ordered by series, then by time; so is the output.
    GapFill {
        /// Input.
        input: Box<Plan>,
        /// How.
        spec: GapFill,
    },
    /// Window functions, all over the same partitions in the same order. Output: the input's columns, then a
    /// column for each call. Rows of a partition come together, in order.
    Window {
        /// Input.
        input: Box<Plan>,
        /// Keys of the partitions, over the input.
        partition_by: Vec<Expr>,
        /// The order of the rows of a partition; rows that are equal in it are peers.
        order_by: Vec<SortKey>,
        /// The calls.
        calls: Vec<WindowCall>,
        /// Only so many rows of a partition, those that come first, are asked for; others may be left out. Every call
        /// is then a number or a rank in the order of the window.
        first: Option<u64>,
    },
    /// All rows in order. Stable.
    Sort {
        /// Input.
        input: Box<Plan>,
        /// Keys over the input.
        keys: Vec<SortKey>,
    },
    /// The first rows of a sort, skipping `offset`.
    TopN {
        /// Input.
        input: Box<Plan>,
        /// Keys over the input.
        keys: Vec<SortKey>,
        /// How many.
        limit: u64,
        /// How many to skip.
        offset: u64,
    },
    /// Rows `offset .. offset + limit` in the order of the input.
    Limit {
        /// Input.
        input: Box<Plan>,
        /// How many, all if absent.
        limit: Option<u64>,
        /// How many to skip.
        offset: u64,
    },
    /// Join on equal keys. Output: left columns, then right columns (see [`JoinKind`]).
    HashJoin {
        /// Probe side.
        left: Box<Plan>,
        /// Build side.
        right: Box<Plan>,
        /// What kind.
        kind: JoinKind,
        /// Pairs of equal type: over the left input, over the right input. At least one.
        keys: Vec<(Expr, Expr)>,
        /// Further condition over left columns, then right columns; part of the join condition.
        residual: Option<Expr>,
        /// Keys compare as `IS NOT DISTINCT FROM` instead of `=`.
        null_equals_null: bool,
    },
    /// Join on any condition, or none. Output as for a hash join.
    NestedLoopJoin {
        /// Outer side.
        left: Box<Plan>,
        /// Inner side, materialised.
        right: Box<Plan>,
        /// What kind.
        kind: JoinKind,
        /// Condition over left columns, then right columns; `None` for a cross join.
        predicate: Option<Expr>,
    },
    /// Each left row with the right row that has equal keys and is nearest. Output as for a hash join; the order of
    /// the left rows is kept.
    AsOfJoin {
        /// Probe side.
        left: Box<Plan>,
        /// Build side.
        right: Box<Plan>,
        /// What kind; none that looks at several partners.
        kind: JoinKind,
        /// Pairs of equal type: over the left input, over the right input.
        keys: Vec<(Expr, Expr)>,
        /// `left op right`, an inequality of values of one type, and the values as near as can be.
        by: (Expr, CompareOp, Expr),
        /// Further condition over left columns, then right columns: the nearest row that satisfies it is wanted.
        residual: Option<Expr>,
        /// Keys compare as `IS NOT DISTINCT FROM` instead of `=`.
        null_equals_null: bool,
    },
    /// Row `i` of the left with row `i` of the right, NULLs where a side has fewer. Output: left columns, then
    /// right columns.
    PositionalJoin {
        /// Left input.
        left: Box<Plan>,
        /// Right input.
        right: Box<Plan>,
    },
    /// All rows of all inputs, in their order; the inputs have equal types.
    UnionAll {
        /// Inputs.
        inputs: Vec<Plan>,
    },
    /// Rows of the input, each once for each item of its lists. Output: the input's columns, the items of each
    /// list, and the item's number if it is asked for.
    Unnest {
        /// Input.
        input: Box<Plan>,
        /// Lists over the input.
        lists: Vec<Expr>,
        /// The number of the item is yielded, from 1.
        ordinality: bool,
        /// A row without items stays, with NULLs.
        keep_empty: bool,
    },
    /// Rows of the input, each once for each grouping set. Output: the input's columns, the keys (NULL where the
    /// set lacks them), the number of the set.
    Expand {
        /// Input.
        input: Box<Plan>,
        /// Keys over the input.
        keys: Vec<Expr>,
        /// For each set, which keys it has.
        sets: Vec<Vec<bool>>,
    },
    /// The input's rows, and a constant one if none of them satisfies the condition.
    OrElse {
        /// Input.
        input: Box<Plan>,
        /// Condition over the input.
        condition: Expr,
        /// The constant row.
        row: Vec<Expr>,
    },
    /// Some of the rows in the order of the input; the expressions are the same in all rows.
    LimitBy {
        /// Input.
        input: Box<Plan>,
        /// How many rows, or percent of all; all where NULL.
        limit: Option<Expr>,
        /// How many to skip.
        offset: Option<Expr>,
        /// The limit is in percent.
        percent: bool,
    },
    /// Some of the rows, chosen at random.
    Sample {
        /// Input.
        input: Box<Plan>,
        /// Which.
        choice: Choice,
        /// With a seed, the same rows each time.
        seed: Option<u64>,
    },
    /// Rows that are computed once, for the scans of this id in the body. Output: that of the body.
    With {
        /// Names the rows.
        id: usize,
        /// For people.
        name: String,
        /// The rows.
        definition: Box<Plan>,
        /// What uses them.
        body: Box<Plan>,
    },
    /// Some columns of the rows of a [`PlanNode::With`] or of a step of a [`PlanNode::Recursive`].
    CteScan {
        /// Names the rows.
        id: usize,
        /// For people.
        name: String,
        /// Their columns.
        columns: Vec<usize>,
    },
    /// The rows of the anchor, then those that the step makes of the rows before, until it makes none. The types
    /// of both are those of the output.
    Recursive {
        /// The rows of the step before.
        id: usize,
        /// All rows so far.
        all: usize,
        /// For people.
        name: String,
        /// Where it starts.
        anchor: Box<Plan>,
        /// What is made of the rows before.
        step: Box<Plan>,
        /// What is kept.
        kind: Recursion,
    },
    /// Writes its input somewhere. Output: one `BIGINT`, the number of rows.
    Write {
        /// Input.
        input: Box<Plan>,
        /// Where to.
        sink: Arc<dyn Sink>,
    },
}

impl PlanNode {
    /// The inputs, left to right.
    pub fn inputs(&self) -> Vec<&Plan> {
        match self {
            Self::TableScan { .. } | Self::SourceScan { .. } | Self::Values { .. } | Self::CteScan { .. } => {
                vec![]
            }
            Self::Filter { input, .. }
            | Self::Unnest { input, .. }
            | Self::Expand { input, .. }
            | Self::OrElse { input, .. }
            | Self::LimitBy { input, .. }
            | Self::Sample { input, .. }
            | Self::Project { input, .. }
            | Self::Aggregate { input, .. }
            | Self::GapFill { input, .. }
            | Self::Window { input, .. }
            | Self::Sort { input, .. }
            | Self::TopN { input, .. }
            | Self::Limit { input, .. }
            | Self::Write { input, .. } => vec![input],
            Self::HashJoin { left, right, .. }
            | Self::NestedLoopJoin { left, right, .. }
            | Self::AsOfJoin { left, right, .. }
            | Self::PositionalJoin { left, right } => vec![left, right],
            Self::With { definition, body, .. } => vec![definition, body],
            Self::Recursive { anchor, step, .. } => vec![anchor, step],
            Self::UnionAll { inputs } => inputs.iter().collect(),
        }
    }
}

/// How a scan finds rows, if not by looking at all: in words, for EXPLAIN.
pub fn table_access(table: &TableDefinition, columns: &[usize], filter: Option<&Expr>) -> Option<String> {
    Some(Access::find(table, columns, filter)?.describe(table))
}

/// How the scan that is `input` may find the `most` first rows in the order of `keys`, if not by looking at all: in words.
pub fn first_access(input: &Plan, keys: &[SortKey], most: u64) -> Option<String> {
    let PlanNode::TableScan { table, columns, output, filter, .. } = &input.node else { return None };
    let hint = first_values(keys, most)?;
    let HintKind::First { most, descending } = hint.kind else { return None };
    let (table, first) = (table.definition(), (*output.get(hint.column)?, most, descending));
    Some(Access::find_first(table, columns, filter.as_ref(), first)?.describe(table))
}
