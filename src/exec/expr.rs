//! Bound expressions: every name is an ordinal, every type is known, every implicit cast is explicit.

use std::sync::Arc;

pub use crate::column::predicate::CompareOp;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::aggregates::AggregateFunction;
use crate::exec::functions::ScalarFunction;

/// A bound scalar expression over the columns of its input.
#[derive(Debug, Clone)]
pub enum Expr {
    /// Column `index` of the input.
    Column {
        /// Position in the input.
        index: usize,
        /// Its type.
        ty: LogicalType,
    },
    /// A constant.
    Literal {
        /// The value.
        value: Scalar,
        /// Its type.
        ty: LogicalType,
    },
    /// A conversion.
    Cast {
        /// What to convert.
        input: Box<Expr>,
        /// To which type.
        to: LogicalType,
        /// `TRY_CAST`: NULL where it fails, instead of an error.
        or_null: bool,
    },
    /// A comparison of two values of the same type.
    Compare {
        /// How.
        op: CompareOp,
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
    },
    /// Three-valued AND of two or more booleans.
    And(Vec<Expr>),
    /// Three-valued OR of two or more booleans.
    Or(Vec<Expr>),
    /// Three-valued NOT.
    Not(Box<Expr>),
    /// `IS [NOT] NULL`.
    IsNull {
        /// The value.
        input: Box<Expr>,
        /// `IS NOT NULL`.
        negated: bool,
    },
    /// `[NOT] IN` a list of constants of the input's type. Lists with other expressions are bound as OR.
    InList {
        /// The value.
        input: Box<Expr>,
        /// The constants; may include NULL, with SQL's meaning.
        list: Arc<[Scalar]>,
        /// `NOT IN`.
        negated: bool,
    },
    /// `CASE WHEN … THEN … ELSE … END`; conditions are boolean, results are all of type `ty`. A branch
    /// is evaluated only for the rows that reach it.
    Case {
        /// Conditions and results.
        branches: Vec<(Expr, Expr)>,
        /// The ELSE; NULL if absent.
        otherwise: Option<Box<Expr>>,
        /// Type of the result.
        ty: LogicalType,
    },
    /// The first that is not NULL, evaluated lazily; all of one type.
    Coalesce(Vec<Expr>),
    /// A call of a scalar function, arithmetic and `LIKE` included.
    Call {
        /// The function.
        function: Arc<ScalarFunction>,
        /// Its arguments, already cast to what it wants.
        args: Vec<Expr>,
        /// Type of the result.
        ty: LogicalType,
    },
}

impl Expr {
    /// A column reference.
    pub fn column(index: usize, ty: LogicalType) -> Self {
        Self::Column { index, ty }
    }

    /// A constant.
    pub fn literal(value: Scalar, ty: LogicalType) -> Self {
        Self::Literal { value, ty }
    }

    /// The type of the value.
    pub fn ty(&self) -> LogicalType {
        match self {
            Self::Column { ty, .. }
            | Self::Literal { ty, .. }
            | Self::Cast { to: ty, .. }
            | Self::Case { ty, .. }
            | Self::Call { ty, .. } => ty.clone(),
            Self::Coalesce(args) => args.first().map_or(LogicalType::Null, Self::ty),
            Self::Compare { .. }
            | Self::And(_)
            | Self::Or(_)
            | Self::Not(_)
            | Self::IsNull { .. }
            | Self::InList { .. } => LogicalType::Boolean,
        }
    }

    /// The direct parts, left to right.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Column { .. } | Self::Literal { .. } => vec![],
            Self::Cast { input, .. } | Self::IsNull { input, .. } | Self::InList { input, .. } => vec![input],
            Self::Not(input) => vec![input],
            Self::Compare { left, right, .. } => vec![left, right],
            Self::And(all) | Self::Or(all) | Self::Coalesce(all) | Self::Call { args: all, .. } => {
                all.iter().collect()
            }
            Self::Case { branches, otherwise, .. } => {
                branches.iter().flat_map(|(c, r)| [c, r]).chain(otherwise.as_deref()).collect()
            }
        }
    }

    /// The direct parts, for rewriting in place.
    pub fn children_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Self::Column { .. } | Self::Literal { .. } => vec![],
            Self::Cast { input, .. } | Self::IsNull { input, .. } | Self::InList { input, .. } => vec![input],
            Self::Not(input) => vec![input],
            Self::Compare { left, right, .. } => vec![left, right],
            Self::And(all) | Self::Or(all) | Self::Coalesce(all) | Self::Call { args: all, .. } => {
                all.iter_mut().collect()
            }
            Self::Case { branches, otherwise, .. } => {
                branches.iter_mut().flat_map(|(c, r)| [c, r]).chain(otherwise.as_deref_mut()).collect()
            }
        }
    }
}

/// Whether the value differs from call to call.
pub fn is_volatile(e: &Expr) -> bool {
    matches!(e, Expr::Call { function, .. } if function.volatile) || e.children().into_iter().any(is_volatile)
}

/// One key of a sort order.
#[derive(Debug, Clone)]
pub struct SortKey {
    /// What to sort by.
    pub expr: Expr,
    /// Greatest first.
    pub descending: bool,
    /// NULLs before all other values, whatever the direction.
    pub nulls_first: bool,
}

/// A call of an aggregate function.
#[derive(Debug, Clone)]
pub struct AggregateCall {
    /// The function.
    pub function: Arc<AggregateFunction>,
    /// Its arguments, already cast to what it wants; empty for `count(*)`.
    pub args: Vec<Expr>,
    /// Only distinct argument values count.
    pub distinct: bool,
    /// Only rows where this is true count.
    pub filter: Option<Expr>,
    /// The order in which an order-sensitive aggregate sees its rows.
    pub order_by: Vec<SortKey>,
    /// Type of the result.
    pub ty: LogicalType,
}

impl AggregateCall {
    /// The expressions it evaluates for each row.
    pub fn exprs(&self) -> Vec<&Expr> {
        self.args.iter().chain(&self.filter).chain(self.order_by.iter().map(|k| &k.expr)).collect()
    }

    /// The expressions it evaluates for each row, for rewriting in place.
    pub fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        let order_by = self.order_by.iter_mut().map(|k| &mut k.expr);
        self.args.iter_mut().chain(&mut self.filter).chain(order_by).collect()
    }
}
