//! Simple conditions on one column, as statistics and codecs understand them.

use crate::column::scalar::Scalar;

/// A comparison. Both sides have the same type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `=`
    Eq,
    /// `<>`
    NotEq,
    /// `<`
    Lt,
    /// `<=`
    LtEq,
    /// `>`
    Gt,
    /// `>=`
    GtEq,
    /// `IS DISTINCT FROM`: NULLs are equal to each other; never NULL.
    DistinctFrom,
    /// `IS NOT DISTINCT FROM`.
    NotDistinctFrom,
}

impl CompareOp {
    /// The operator for swapped sides: `a < b` is `b > a`.
    pub fn swap(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::LtEq => Self::GtEq,
            Self::Gt => Self::Lt,
            Self::GtEq => Self::LtEq,
            same => same,
        }
    }

    /// The operator that is true where this one is false, NULLs aside.
    #[must_use]
    pub fn negate(self) -> Self {
        match self {
            Self::Eq => Self::NotEq,
            Self::NotEq => Self::Eq,
            Self::Lt => Self::GtEq,
            Self::LtEq => Self::Gt,
            Self::Gt => Self::LtEq,
            Self::GtEq => Self::Lt,
            Self::DistinctFrom => Self::NotDistinctFrom,
            Self::NotDistinctFrom => Self::DistinctFrom,
        }
    }

    /// The SQL spelling.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::NotEq => "<>",
            Self::Lt => "<",
            Self::LtEq => "<=",
            Self::Gt => ">",
            Self::GtEq => ">=",
            Self::DistinctFrom => "IS DISTINCT FROM",
            Self::NotDistinctFrom => "IS NOT DISTINCT FROM",
        }
    }
}

/// A condition on one column: the column's value on the left, a constant of the column's type on the right.
#[derive(Debug, Clone)]
pub struct Predicate {
    /// The comparison.
    pub op: CompareOp,
    /// The constant; never NULL but for `[NOT] DISTINCT FROM`.
    pub value: Scalar,
}

/// What statistics say about a condition on a run of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prune {
    /// No row can satisfy it.
    None,
    /// Some may.
    Some,
    /// All do.
    All,
}
