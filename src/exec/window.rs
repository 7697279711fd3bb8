//! Calls of window functions: what they compute, over which rows.

use std::sync::Arc;

use crate::column::types::LogicalType;
use crate::exec::aggregates::AggregateFunction;
use crate::exec::expr::{Expr, SortKey};
use crate::exec::functions::FunctionInfo;

/// A window function.
#[derive(Debug, Clone)]
pub enum WindowFunction {
    /// The number of the row in its partition, from 1.
    RowNumber,
    /// The number of the first row of the row's peers.
    Rank,
    /// The number of the row's peer group.
    DenseRank,
    /// `(rank - 1) / (rows - 1)`.
    PercentRank,
    /// The share of rows up to and including the row's peers.
    CumeDist,
    /// The number of the row's bucket among `n` of nearly equal size.
    Ntile,
    /// The value so many rows before.
    Lag,
    /// The value so many rows behind.
    Lead,
    /// The first value of the frame.
    First,
    /// The last value of the frame.
    Last,
    /// The `n`th value of the frame.
    Nth,
    /// The value; where it is NULL, one on the line between its neighbours.
    Fill,
    /// An aggregate of the frame.
    Aggregate(Arc<AggregateFunction>),
}

impl WindowFunction {
    /// The function of that name (in lower case), aggregates left out.
    pub fn find(name: &str) -> Option<Self> {
        Some(match name {
            "row_number" => Self::RowNumber,
            "rank" => Self::Rank,
            "dense_rank" | "rank_dense" => Self::DenseRank,
            "percent_rank" => Self::PercentRank,
            "cume_dist" => Self::CumeDist,
            "ntile" => Self::Ntile,
            "lag" => Self::Lag,
            "lead" => Self::Lead,
            "first_value" | "first" => Self::First,
            "last_value" | "last" => Self::Last,
            "nth_value" => Self::Nth,
            "fill" => Self::Fill,
            _ => return None,
        })
    }

    /// The name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RowNumber => "row_number",
            Self::Rank => "rank",
            Self::DenseRank => "dense_rank",
            Self::PercentRank => "percent_rank",
            Self::CumeDist => "cume_dist",
            Self::Ntile => "ntile",
            Self::Lag => "lag",
            Self::Lead => "lead",
            Self::First => "first_value",
            Self::Last => "last_value",
            Self::Nth => "nth_value",
            Self::Fill => "fill",
            Self::Aggregate(function) => function.name,
        }
    }

    /// The least and the most arguments it takes.
    pub fn arity(&self) -> (usize, usize) {
        match self {
            Self::RowNumber | Self::Rank | Self::DenseRank | Self::PercentRank | Self::CumeDist => (0, 0),
            Self::Ntile | Self::First | Self::Last | Self::Fill => (1, 1),
            Self::Lag | Self::Lead => (1, 3),
            Self::Nth => (2, 2),
            Self::Aggregate(function) => (function.arg_types.len(), function.arg_types.len()),
        }
    }

    /// How it is called.
    pub fn signature(&self) -> &'static str {
        match self {
            Self::RowNumber => "row_number() -> BIGINT",
            Self::Rank => "rank() -> BIGINT",
            Self::DenseRank => "dense_rank() -> BIGINT",
            Self::PercentRank => "percent_rank() -> DOUBLE",
            Self::CumeDist => "cume_dist() -> DOUBLE",
            Self::Ntile => "ntile(num_buckets BIGINT) -> BIGINT",
            Self::Lag => "lag(col T, \"offset\" BIGINT := 1, \"default\" ANY := NULL) -> T",
            Self::Lead => "lead(col T, \"offset\" BIGINT := 1, \"default\" ANY := NULL) -> T",
            Self::First => "first_value(expr ANY) -> ANY",
            Self::Last => "last_value(expr ANY) -> ANY",
            Self::Nth => "nth_value(expr ANY, n BIGINT) -> ANY",
            Self::Fill => "fill(expr ANY) -> ANY",
            Self::Aggregate(_) => "",
        }
    }

    /// Whether `IGNORE NULLS` makes a difference.
    pub fn may_ignore_nulls(&self) -> bool {
        matches!(self, Self::Lag | Self::Lead | Self::First | Self::Last | Self::Nth | Self::Fill)
    }

    /// Whether its value depends on the frame; all others see the whole partition.
    pub fn is_framed(&self) -> bool {
        matches!(self, Self::First | Self::Last | Self::Nth | Self::Aggregate(_))
    }
}

/// A call of a window function.
#[derive(Debug, Clone)]
pub struct WindowCall {
    /// The function.
    pub function: WindowFunction,
    /// Its arguments, already cast to what it wants.
    pub args: Vec<Expr>,
    /// Only distinct argument values count; for aggregates.
    pub distinct: bool,
    /// Only rows where this is true count; for aggregates.
    pub filter: Option<Expr>,
    /// The order of the frame's rows, where it is another than that of the partition.
    pub order_by: Vec<SortKey>,
    /// NULL arguments do not count.
    pub ignore_nulls: bool,
    /// The rows that it sees.
    pub frame: Frame,
    /// Type of the result.
    pub ty: LogicalType,
}

impl WindowCall {
    /// A call without arguments that gives a number.
    pub fn number(function: WindowFunction) -> Self {
        Self {
            function,
            args: vec![],
            distinct: false,
            filter: None,
            order_by: vec![],
            ignore_nulls: false,
            frame: Frame::partition(),
            ty: LogicalType::BigInt,
        }
    }

    /// Whether its value is never NULL.
    pub fn is_never_null(&self) -> bool {
        use WindowFunction as F;
        match &self.function {
            F::RowNumber | F::Rank | F::DenseRank | F::PercentRank | F::CumeDist => self.order_by.is_empty(),
            F::Aggregate(function) => function.name == "count",
            _ => false,
        }
    }

    /// The expressions it evaluates for each row.
    pub fn exprs(&self) -> Vec<&Expr> {
        let order_by = self.order_by.iter().map(|k| &k.expr);
        self.args.iter().chain(&self.filter).chain(order_by).chain(self.frame.exprs()).collect()
    }

    /// The expressions it evaluates for each row, for rewriting in place.
    pub fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        let order_by = self.order_by.iter_mut().map(|k| &mut k.expr);
        let rest = order_by.chain(self.frame.exprs_mut());
        self.args.iter_mut().chain(&mut self.filter).chain(rest).collect()
    }
}

/// The rows around a row that a function sees.
#[derive(Debug, Clone)]
pub struct Frame {
    /// What its bounds count.
    pub units: FrameUnits,
    /// The first row. [`FrameBound::Unbounded`] is the partition's first.
    pub start: FrameBound,
    /// The last row. [`FrameBound::Unbounded`] is the partition's last.
    pub end: FrameBound,
    /// Rows that are left out.
    pub exclude: FrameExclude,
    /// Where the bounds of a RANGE are keys: the key of the order, in their type.
    pub key: Option<SortKey>,
}

impl Frame {
    /// All rows of the partition.
    pub fn partition() -> Self {
        Self {
            units: FrameUnits::Rows,
            start: FrameBound::Unbounded,
            end: FrameBound::Unbounded,
            exclude: FrameExclude::Nothing,
            key: None,
        }
    }

    /// The expressions it evaluates for each row.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let bounds = [self.start.expr(), self.end.expr()].into_iter().flatten();
        bounds.chain(self.key.iter().map(|k| &k.expr))
    }

    /// The expressions it evaluates for each row, for rewriting in place.
    pub fn exprs_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let bounds = [self.start.expr_mut(), self.end.expr_mut()].into_iter().flatten();
        bounds.chain(self.key.iter_mut().map(|k| &mut k.expr))
    }

    /// Whether it is the whole partition.
    pub fn is_partition(&self) -> bool {
        matches!((&self.start, &self.end), (FrameBound::Unbounded, FrameBound::Unbounded))
            && self.exclude == FrameExclude::Nothing
    }

    /// Whether it depends on which rows are peers.
    pub fn uses_peers(&self) -> bool {
        let by_peers = |b: &FrameBound| !matches!(b, FrameBound::Unbounded);
        self.units != FrameUnits::Rows && (by_peers(&self.start) || by_peers(&self.end))
            || matches!(self.exclude, FrameExclude::Group | FrameExclude::Ties)
    }
}

/// What the bounds of a frame count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameUnits {
    /// Rows.
    Rows,
    /// Differences in the one key of the order.
    Range,
    /// Groups of peers.
    Groups,
}

/// A bound of a frame. The expression is a number of rows or of groups, as `BIGINT`; of a RANGE it is the key at
/// which the frame begins or ends, in the type of [`Frame::key`].
#[derive(Debug, Clone)]
pub enum FrameBound {
    /// The partition's end on this side.
    Unbounded,
    /// The row itself; of RANGE and GROUPS, its first or last peer.
    CurrentRow,
    /// Before the row.
    Preceding(Expr),
    /// Behind the row.
    Following(Expr),
}

impl FrameBound {
    /// The expression.
    pub fn expr(&self) -> Option<&Expr> {
        match self {
            Self::Preceding(e) | Self::Following(e) => Some(e),
            Self::Unbounded | Self::CurrentRow => None,
        }
    }

    fn expr_mut(&mut self) -> Option<&mut Expr> {
        match self {
            Self::Preceding(e) | Self::Following(e) => Some(e),
            Self::Unbounded | Self::CurrentRow => None,
        }
    }
}

/// Rows of a frame that are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameExclude {
    /// None.
    Nothing,
    /// The row itself.
    CurrentRow,
    /// The row and its peers.
    Group,
    /// The row's peers.
    Ties,
}

/// All window functions that are no aggregates, in alphabetical order.
pub fn catalog() -> Vec<FunctionInfo> {
    const ALL: &[(&str, &str, &str)] = &[
        ("cume_dist", "Share of rows up to and including the row's peers", "cume_dist() OVER (ORDER BY x)"),
        ("dense_rank", "Number of the row's group of peers", "dense_rank() OVER (ORDER BY x)"),
        ("fill", "The value, or one on the line between its neighbours", "fill(x) OVER (ORDER BY t)"),
        ("first_value", "First value of the frame", "first_value(x) OVER (ORDER BY t)"),
        ("lag", "Value of a row before, or a default", "lag(x, 1, 0) OVER (ORDER BY t)"),
        ("last_value", "Last value of the frame", "last_value(x) OVER (ORDER BY t)"),
        ("lead", "Value of a row behind, or a default", "lead(x, 1, 0) OVER (ORDER BY t)"),
        ("nth_value", "The nth value of the frame", "nth_value(x, 2) OVER (ORDER BY t)"),
        ("ntile", "Number of the row's bucket among n of nearly equal size", "ntile(4) OVER (ORDER BY x)"),
        (
            "percent_rank",
            "Rank as a share: 0 for the first, 1 for the last",
            "percent_rank() OVER (ORDER BY x)",
        ),
        ("rank", "Rank with gaps", "rank() OVER (ORDER BY x)"),
        ("rank_dense", "Number of the row's group of peers", "rank_dense() OVER (ORDER BY x)"),
        ("row_number", "Number of the row in its partition", "row_number() OVER (ORDER BY x)"),
    ];
    ALL.iter()
        .map(|(name, description, example)| FunctionInfo {
            name,
            alias_of: (*name == "rank_dense").then_some("dense_rank"),
            signatures: WindowFunction::find(name).map(|f| f.signature().to_owned()).into_iter().collect(),
            description,
            example,
            volatile: false,
            subject: "Window functions",
        })
        .collect()
}
