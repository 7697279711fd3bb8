//! Joins.
//!
//! The right input is the build side: it runs first and is kept as one batch of columns ([`build`]). The left input
//! streams past it. A hash join finds candidates by key in a [`GroupTable`](super::groups::GroupTable) over the
//! build side's keys ([`hash`]); a nested-loop join takes every pair for a candidate ([`nested_loop`]);
//! an as-of join finds the one that is nearest ([`as_of`]). What becomes
//! of candidates and of rows without a partner is the same for both ([`matcher`]). Build rows without a partner,
//! where they are wanted, follow when all left rows have passed ([`unmatched`]). A build side that memory does not hold
//! is joined in parts ([`parts`]).

mod as_of;
mod build;
mod hash;
mod key_filter;
mod key_points;
mod matcher;
mod nested_loop;
mod parts;
#[cfg(test)]
mod tests;
mod unmatched;

use std::sync::Arc;

use crate::column::types::LogicalType;
use crate::exec::context::ExecContext;
use crate::exec::expr::Expr;
use crate::exec::plan::JoinKind;

pub(crate) use as_of::{AsOf, AsOfProbe, build_as_of};
pub(crate) use build::{BuildRequest, HashBuild, Side, build_hash, build_rows};
pub(crate) use hash::HashProbe;
pub(crate) use nested_loop::NestedLoop;
pub(crate) use parts::join_written;
pub(crate) use unmatched::unmatched;

/// What both kinds of join need to know.
#[derive(Clone)]
pub(crate) struct JoinShape {
    pub kind: JoinKind,
    /// Types of the left columns.
    pub left: Arc<[LogicalType]>,
    /// Types of the right columns.
    pub right: Arc<[LogicalType]>,
    /// Condition over left and right columns, beside the keys.
    pub condition: Option<Arc<Expr>>,
    /// Which output columns somebody reads; the others are made of nothing.
    pub wanted: Arc<[bool]>,
    pub context: Arc<ExecContext>,
}

impl JoinShape {
    /// Whether the output has the left side's columns.
    pub fn yields_left(&self) -> bool {
        !matches!(self.kind, JoinKind::RightSemi | JoinKind::RightAnti)
    }

    /// Whether build rows come out at the end, by whether they have found a partner.
    pub fn tracks_right(&self) -> bool {
        matches!(self.kind, JoinKind::Right | JoinKind::Full | JoinKind::RightSemi | JoinKind::RightAnti)
    }

    /// Whether a left row without a partner is dropped.
    pub fn drops_unmatched_left(&self) -> bool {
        matches!(
            self.kind,
            JoinKind::Inner
                | JoinKind::Right
                | JoinKind::LeftSemi
                | JoinKind::RightSemi
                | JoinKind::RightAnti
        )
    }
}
