//! Probing a hash join.

use std::sync::Arc;

use arrow_array::ArrayRef;
use parking_lot::Mutex;

use super::JoinShape;
use super::build::HashBuild;
use super::matcher::{LeftRows, Matcher, more_than_one_row};
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::eval::evaluate;
use crate::exec::expr::Expr;
use crate::exec::operators::coalesce::Coalescer;
use crate::exec::operators::groups::{FindCache, MISSING};
use crate::exec::pipeline::{BATCH_ROWS, Flow, LocalOperator, Next, Operator};
use crate::exec::plan::JoinKind;

/// The probe side of a hash join.
pub(crate) struct HashProbe {
    shape: JoinShape,
    build: Arc<HashBuild>,
    /// Over the left columns.
    keys: Arc<[Expr]>,
    null_equals_null: bool,
    left_rows: Option<Arc<Mutex<LeftRows>>>,
}

impl HashProbe {
    pub fn new(shape: JoinShape, build: Arc<HashBuild>, keys: Vec<Expr>, null_equals_null: bool) -> Self {
        Self { shape, build, keys: keys.into(), null_equals_null, left_rows: None }
    }

    /// The build side is one of several parts, which are tried one after another.
    pub(super) fn of_part(mut self, left_rows: Arc<Mutex<LeftRows>>) -> Self {
        self.left_rows = Some(left_rows);
        self
    }
}

impl Operator for HashProbe {
    fn local(&self) -> Box<dyn LocalOperator> {
        Box::new(LocalProbe {
            matcher: Matcher::new(self.shape.clone(), self.left_rows.clone()),
            shape: self.shape.clone(),
            build: self.build.clone(),
            keys: self.keys.clone(),
            null_equals_null: self.null_equals_null,
            cache: FindCache::default(),
            ids: vec![],
            small: Coalescer::default(),
        })
    }
}

struct LocalProbe {
    shape: JoinShape,
    build: Arc<HashBuild>,
    keys: Arc<[Expr]>,
    null_equals_null: bool,
    matcher: Matcher,
    cache: FindCache,
    ids: Vec<u32>,
    small: Coalescer,
}

impl LocalOperator for LocalProbe {
    fn push(&mut self, batch: Batch, next: &mut Next<'_>) -> Result<Flow> {
        let keys: Vec<ArrayRef> =
            self.keys.iter().map(|k| evaluate(k, &batch, &self.shape.context)).collect::<Result<_>>()?;
        // Without `null_equals_null` the table has no NULL, so a NULL key is not found.
        self.build.find(&keys, batch.rows, &mut self.ids, &mut self.cache)?;
        self.matcher.begin(batch.rows);
        if self.shape.kind == JoinKind::Mark && !self.null_equals_null && !self.build_is_empty() {
            for row in 0..batch.rows {
                if self.build.has_null_key || keys.iter().any(|k| k.is_null(row)) {
                    self.matcher.set_unknown(row);
                }
            }
        }
        let small = &mut self.small;
        let next = &mut |batch| match small.push(batch)? {
            Some(batch) => next(batch),
            None => Ok(Flow::More),
        };
        let build = &*self.build;
        let (mut l, mut r) = (vec![], vec![]);
        let hits = self.ids.iter().enumerate().filter(|(_, id)| **id != MISSING);
        // Whether one partner is as good as all of them.
        let any_will_do = self.shape.condition.is_none()
            && matches!(self.shape.kind, JoinKind::LeftSemi | JoinKind::LeftAnti | JoinKind::Mark);
        if build.is_unique() {
            for (row, &id) in hits {
                l.push(row as u32);
                r.push(id);
            }
        } else if any_will_do {
            for (row, &id) in hits {
                l.push(row as u32);
                r.push(build.rows_of(id)[0]);
            }
        } else {
            let single = self.shape.kind == JoinKind::LeftSingle && self.shape.condition.is_none();
            for (row, &id) in hits {
                let partners = build.rows_of(id);
                if single && partners.len() > 1 {
                    return Err(more_than_one_row());
                }
                for part in partners.chunks(BATCH_ROWS) {
                    l.resize(l.len() + part.len(), row as u32);
                    r.extend_from_slice(part);
                    if l.len() >= BATCH_ROWS {
                        self.shape.context.check_cancelled()?;
                        let pairs = (std::mem::take(&mut l), std::mem::take(&mut r));
                        if self.matcher.pairs(&batch, &build.rows, pairs.0, pairs.1, next)? == Flow::Enough {
                            return Ok(Flow::Enough);
                        }
                    }
                }
            }
        }
        if self.matcher.pairs(&batch, &build.rows, l, r, next)? == Flow::Enough {
            return Ok(Flow::Enough);
        }
        self.matcher.end(batch, &build.rows, next)
    }

    fn flush(&mut self, next: &mut Next<'_>) -> Result<Flow> {
        match self.small.flush()? {
            Some(batch) => next(batch),
            None => Ok(Flow::More),
        }
    }
}

impl LocalProbe {
    /// No row could be a partner, in whatever part.
    fn build_is_empty(&self) -> bool {
        self.build.is_empty
    }
}
