//! What is kept of each row, and the calls over that.

use arrow_array::ArrayRef;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};
use crate::exec::expr::{Expr, SortKey};
use crate::exec::operators::sort::keys::comparable;
use crate::exec::window::{FrameBound, FrameExclude, FrameUnits, WindowCall, WindowFunction};

use super::Windows;
use super::first::MOST;

/// What is kept of each row, and the calls over that.
pub(super) struct Layout {
    /// The columns that are kept, as expressions over the input.
    pub kept: Vec<Expr>,
    /// The input's columns: which of the kept ones each is, if it is wanted, and its type.
    pub output: Vec<(Option<usize>, LogicalType)>,
    /// Keys of the partitions.
    pub partition: Vec<usize>,
    /// The order within a partition; over kept columns.
    pub order: Vec<SortKey>,
    /// The calls.
    pub calls: Vec<Call>,
    /// Some call asks which rows are peers.
    pub uses_peers: bool,
    /// How many rows of a partition are asked for, if few.
    pub first: Option<usize>,
}

/// A kept column or a constant.
#[derive(Clone)]
pub(super) enum Arg {
    Column(usize),
    Constant(Scalar, LogicalType),
}

/// A bound of a frame.
pub(super) enum Bound {
    Unbounded,
    CurrentRow,
    Preceding(Arg),
    Following(Arg),
}

/// A call over kept columns; see [`WindowCall`].
pub(super) struct Call {
    pub function: WindowFunction,
    pub args: Vec<Arg>,
    pub arg_types: Vec<LogicalType>,
    pub distinct: bool,
    pub filter: Option<usize>,
    pub order_by: Vec<SortKey>,
    pub ignore_nulls: bool,
    pub units: FrameUnits,
    pub start: Bound,
    pub end: Bound,
    pub exclude: FrameExclude,
    /// The key that bounds of a RANGE are compared with.
    pub key: Option<SortKey>,
    pub ty: LogicalType,
    /// The first key of the order and its type, for functions that compute with it.
    pub order_key: Option<(usize, LogicalType)>,
}

impl Arg {
    /// The constant.
    pub fn constant(&self) -> Option<&Scalar> {
        match self {
            Self::Constant(value, _) => Some(value),
            Self::Column(_) => None,
        }
    }
}

impl Call {
    /// Whether every frame is the whole partition.
    pub fn sees_partition(&self) -> bool {
        matches!((&self.start, &self.end), (Bound::Unbounded, Bound::Unbounded))
            && self.exclude == FrameExclude::Nothing
    }

    /// Whether every frame begins where its partition does.
    pub fn sees_prefix(&self) -> bool {
        matches!(self.start, Bound::Unbounded) && self.exclude == FrameExclude::Nothing
    }
}

impl Layout {
    pub fn new(windows: Windows, types: &[LogicalType], wanted: &[bool]) -> Result<Self> {
        let mut out = Self {
            kept: vec![],
            output: vec![],
            partition: vec![],
            order: vec![],
            calls: vec![],
            uses_peers: false,
            first: None,
        };
        for (i, ty) in types.iter().enumerate() {
            let kept = wanted.get(i).is_some_and(|w| *w).then(|| out.keep(Expr::column(i, ty.clone())));
            out.output.push((kept, ty.clone()));
        }
        for key in windows.partition_by {
            let column = out.keep(key);
            out.partition.push(column);
        }
        out.order = out.keep_keys(windows.order_by);
        let few = windows.first.filter(|n| (1..=MOST).contains(n) && !out.order.is_empty());
        out.first = few.filter(|_| !out.partition.is_empty()).map(|n| n as usize);
        for call in windows.calls {
            let call = out.call(call);
            out.calls.push(call);
        }
        Ok(out)
    }

    /// The place of an expression among the kept columns.
    fn keep(&mut self, expr: Expr) -> usize {
        let known = self.kept.iter().position(|k| match (k, &expr) {
            (Expr::Column { index: a, .. }, Expr::Column { index: b, .. }) => a == b,
            _ => false,
        });
        known.unwrap_or_else(|| {
            self.kept.push(expr);
            self.kept.len() - 1
        })
    }

    /// The keys of the partitions, equal where their values are.
    pub fn partition_keys(&self, columns: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        let key = |&c: &usize| match self.kept[c].ty() {
            // 30 days are as long as a month.
            LogicalType::Interval => comparable(&columns[c]),
            _ => Ok(columns[c].clone()),
        };
        self.partition.iter().map(key).collect()
    }

    /// The types of these keys.
    pub fn partition_types(&self) -> Vec<LogicalType> {
        let ty = |&c: &usize| match self.kept[c].ty() {
            LogicalType::Interval => LogicalType::HugeInt,
            ty => ty,
        };
        self.partition.iter().map(ty).collect()
    }

    fn keep_keys(&mut self, keys: Vec<SortKey>) -> Vec<SortKey> {
        keys.into_iter()
            .map(|key| {
                let ty = key.expr.ty();
                let expr = Expr::column(self.keep(key.expr), ty);
                SortKey { expr, ..key }
            })
            .collect()
    }

    fn arg(&mut self, expr: Expr) -> Arg {
        match expr {
            Expr::Literal { value, ty } => Arg::Constant(value, ty),
            expr => Arg::Column(self.keep(expr)),
        }
    }

    fn bound(&mut self, bound: FrameBound) -> Bound {
        match bound {
            FrameBound::Unbounded => Bound::Unbounded,
            FrameBound::CurrentRow => Bound::CurrentRow,
            FrameBound::Preceding(e) => Bound::Preceding(self.arg(e)),
            FrameBound::Following(e) => Bound::Following(self.arg(e)),
        }
    }

    fn call(&mut self, call: WindowCall) -> Call {
        use WindowFunction as F;
        let framed = call.function.is_framed() || !call.order_by.is_empty();
        self.uses_peers |= framed && call.frame.uses_peers()
            || matches!(call.function, F::Rank | F::DenseRank | F::PercentRank | F::CumeDist);
        let frame = call.frame;
        Call {
            arg_types: call.args.iter().map(Expr::ty).collect(),
            args: call.args.into_iter().map(|e| self.arg(e)).collect(),
            function: call.function,
            distinct: call.distinct,
            filter: call.filter.map(|e| self.keep(e)),
            order_by: self.keep_keys(call.order_by),
            ignore_nulls: call.ignore_nulls,
            units: frame.units,
            start: self.bound(frame.start),
            end: self.bound(frame.end),
            exclude: frame.exclude,
            key: self.keep_keys(frame.key.into_iter().collect()).pop(),
            ty: call.ty,
            order_key: self.order.first().and_then(|key| Some((column_of(key).ok()?, key.expr.ty()))),
        }
    }
}

/// The kept column that a key is.
pub(super) fn column_of(key: &SortKey) -> Result<usize> {
    match key.expr {
        Expr::Column { index, .. } => Ok(index),
        _ => Err(ExecError::Internal("a key of a window was not kept".into())),
    }
}

/// A constant as a column.
pub(super) fn constant_array(value: &Scalar, ty: &LogicalType, rows: usize) -> Result<ArrayRef> {
    value.to_array(ty, rows).map_err(|e| ExecError::Internal(e.to_string()))
}
