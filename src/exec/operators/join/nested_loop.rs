//! Nested-loop joins: every pair is a candidate.

use std::sync::Arc;

use parking_lot::Mutex;

use super::JoinShape;
use super::build::BuildRows;
use super::matcher::{LeftRows, Matcher};
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::operators::coalesce::Coalescer;
use crate::exec::pipeline::{BATCH_ROWS, Flow, LocalOperator, Next, Operator};
use crate::exec::plan::JoinKind;

/// The outer side of a nested-loop join.
pub(crate) struct NestedLoop {
    shape: JoinShape,
    build: Arc<BuildRows>,
    left_rows: Option<Arc<Mutex<LeftRows>>>,
}

impl NestedLoop {
    /// The build side is one of several parts, which are tried one after another.
    pub(super) fn of_part(mut self, left_rows: Arc<Mutex<LeftRows>>) -> Self {
        self.left_rows = Some(left_rows);
        self
    }

    pub fn new(shape: JoinShape, build: Arc<BuildRows>) -> Self {
        Self { shape, build, left_rows: None }
    }
}

impl Operator for NestedLoop {
    fn local(&self) -> Box<dyn LocalOperator> {
        Box::new(LocalNestedLoop {
            matcher: Matcher::new(self.shape.clone(), self.left_rows.clone()),
            shape: self.shape.clone(),
            build: self.build.clone(),
            small: Coalescer::default(),
        })
    }
}

struct LocalNestedLoop {
    shape: JoinShape,
    build: Arc<BuildRows>,
    matcher: Matcher,
    small: Coalescer,
}

impl LocalOperator for LocalNestedLoop {
    fn push(&mut self, batch: Batch, next: &mut Next<'_>) -> Result<Flow> {
        let small = &mut self.small;
        let next = &mut |batch| match small.push(batch)? {
            Some(batch) => next(batch),
            None => Ok(Flow::More),
        };
        self.matcher.begin(batch.rows);
        let inner = self.build.batch.rows;
        // Without a condition one partner settles these.
        let one_will_do = self.shape.condition.is_none()
            && matches!(self.shape.kind, JoinKind::LeftSemi | JoinKind::LeftAnti | JoinKind::Mark);
        let inner = if one_will_do { inner.min(1) } else { inner };
        let (mut l, mut r): (Vec<u32>, Vec<u32>) = (vec![], vec![]);
        for row in 0..batch.rows as u32 {
            let mut from = 0;
            while from < inner {
                let to = inner.min(from + BATCH_ROWS - l.len().min(BATCH_ROWS - 1));
                l.resize(l.len() + to - from, row);
                r.extend(from as u32..to as u32);
                from = to;
                if l.len() >= BATCH_ROWS {
                    self.shape.context.check_cancelled()?;
                    let pairs = (std::mem::take(&mut l), std::mem::take(&mut r));
                    if self.matcher.pairs(&batch, &self.build, pairs.0, pairs.1, next)? == Flow::Enough {
                        return Ok(Flow::Enough);
                    }
                }
            }
        }
        if self.matcher.pairs(&batch, &self.build, l, r, next)? == Flow::Enough {
            return Ok(Flow::Enough);
        }
        self.matcher.end(batch, &self.build, next)
    }

    fn flush(&mut self, next: &mut Next<'_>) -> Result<Flow> {
        match self.small.flush()? {
            Some(batch) => next(batch),
            None => Ok(Flow::More),
        }
    }
}
