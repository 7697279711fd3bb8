//! What becomes of candidate pairs, and of left rows without a partner.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, NullArray, UInt32Array, new_null_array};
use arrow_select::take::take;
use parking_lot::Mutex;

use super::JoinShape;
use super::build::BuildRows;
use crate::exec::batch::Batch;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::evaluate;
use crate::exec::expr::Expr;
use crate::exec::operators::filter::filter_batch;
use crate::exec::pipeline::{Flow, Next};
use crate::exec::plan::JoinKind;

/// No partner, in [`Matcher::partners`].
const NONE: u32 = u32::MAX;

/// What is known of the left rows of a join whose build side comes in several parts, for each of which all left rows
/// pass by.
#[derive(Default)]
pub(super) struct LeftRows {
    found: Vec<bool>,
    unknown: Vec<bool>,
    /// The next batch's first row.
    at: usize,
    /// The last part is there.
    last: bool,
}

impl LeftRows {
    /// Begins with the first row again.
    pub fn begin_part(&mut self, last: bool) {
        self.at = 0;
        self.last = last;
    }
}

/// Decides about the pairs of one left batch after another.
pub(super) struct Matcher {
    shape: JoinShape,
    /// Columns that the condition reads, of left and right.
    condition_columns: Vec<usize>,
    /// For each left row, a partner or [`NONE`].
    partners: Vec<u32>,
    /// Left rows for which a condition was NULL.
    unknown: Vec<bool>,
    /// Of a build side in parts.
    left_rows: Option<Arc<Mutex<LeftRows>>>,
}

impl Matcher {
    pub fn new(shape: JoinShape, left_rows: Option<Arc<Mutex<LeftRows>>>) -> Self {
        fn columns(expr: &Expr, out: &mut Vec<usize>) {
            if let Expr::Column { index, .. } = expr {
                out.push(*index);
            }
            for child in expr.children() {
                columns(child, out);
            }
        }
        let mut condition_columns = vec![];
        if let Some(condition) = &shape.condition {
            columns(condition, &mut condition_columns);
        }
        condition_columns.sort_unstable();
        condition_columns.dedup();
        Self { shape, condition_columns, partners: vec![], unknown: vec![], left_rows }
    }

    /// Begins a left batch.
    pub fn begin(&mut self, rows: usize) {
        self.partners.clear();
        self.partners.resize(rows, NONE);
        self.unknown.clear();
        self.unknown.resize(rows, false);
        if let Some(left) = &self.left_rows {
            let mut left = left.lock();
            let end = left.at + rows;
            if left.found.len() < end {
                left.found.resize(end, false);
                left.unknown.resize(end, false);
            }
            for i in 0..rows {
                // Which row of an earlier part it was does not matter any more.
                self.partners[i] = if left.found[left.at + i] { 0 } else { NONE };
                self.unknown[i] = left.unknown[left.at + i];
            }
        }
    }

    /// Notes what this part has told of a left batch; whether there are further parts.
    fn waits(&self) -> bool {
        let Some(left) = &self.left_rows else { return false };
        let left = &mut *left.lock();
        for (i, (partner, unknown)) in self.partners.iter().zip(&self.unknown).enumerate() {
            left.found[left.at + i] = *partner != NONE;
            left.unknown[left.at + i] = *unknown;
        }
        left.at += self.partners.len();
        !left.last
    }

    /// Notes that whether this left row has a partner is NULL, unless one is found.
    pub fn set_unknown(&mut self, row: usize) {
        self.unknown[row] = true;
    }

    /// Takes candidate pairs: rows of the left batch and of the build side.
    pub fn pairs(
        &mut self,
        left: &Batch,
        build: &BuildRows,
        mut l: Vec<u32>,
        mut r: Vec<u32>,
        next: &mut Next<'_>,
    ) -> Result<Flow> {
        if l.is_empty() {
            return Ok(Flow::More);
        }
        if let Some(condition) = self.shape.condition.clone() {
            if !self.shape.yields_left() {
                // A build row needs one partner only.
                drop_matched(build, &mut l, &mut r);
            }
            self.apply(&condition, left, build, &mut l, &mut r)?;
        }
        self.accept(left, build, l, r, next)
    }

    /// Keeps the pairs for which the condition holds.
    pub fn satisfying(
        &mut self,
        left: &Batch,
        build: &BuildRows,
        l: &mut Vec<u32>,
        r: &mut Vec<u32>,
    ) -> Result<()> {
        match self.shape.condition.clone() {
            Some(condition) => self.apply(&condition, left, build, l, r),
            None => Ok(()),
        }
    }

    /// Takes pairs for which the condition holds.
    pub fn accept(
        &mut self,
        left: &Batch,
        build: &BuildRows,
        l: Vec<u32>,
        r: Vec<u32>,
        next: &mut Next<'_>,
    ) -> Result<Flow> {
        if l.is_empty() {
            return Ok(Flow::More);
        }
        build.set_matched(&r);
        match self.shape.kind {
            JoinKind::Inner | JoinKind::Right => next(self.gather(left, build, l, r)?),
            JoinKind::RightSemi | JoinKind::RightAnti => Ok(Flow::More),
            JoinKind::Left | JoinKind::Full => {
                l.iter().zip(&r).for_each(|(&l, &r)| self.partners[l as usize] = r);
                next(self.gather(left, build, l, r)?)
            }
            JoinKind::LeftSemi | JoinKind::LeftAnti | JoinKind::Mark => {
                l.iter().zip(&r).for_each(|(&l, &r)| self.partners[l as usize] = r);
                Ok(Flow::More)
            }
            JoinKind::LeftSingle => {
                for (&l, &r) in l.iter().zip(&r) {
                    if self.partners[l as usize] != NONE {
                        return Err(more_than_one_row());
                    }
                    self.partners[l as usize] = r;
                }
                // The part that has the partner will be gone at the end.
                if self.left_rows.is_some() { next(self.gather(left, build, l, r)?) } else { Ok(Flow::More) }
            }
        }
    }

    /// Keeps the pairs for which the condition is true.
    fn apply(
        &mut self,
        condition: &Expr,
        left: &Batch,
        build: &BuildRows,
        l: &mut Vec<u32>,
        r: &mut Vec<u32>,
    ) -> Result<()> {
        let rows = l.len();
        let nothing: ArrayRef = Arc::new(NullArray::new(rows));
        let width = left.columns.len();
        let mut columns = vec![nothing; width + build.batch.columns.len()];
        let (left_rows, right_rows) = (UInt32Array::from(l.clone()), UInt32Array::from(r.clone()));
        for &c in &self.condition_columns {
            columns[c] = if c < width {
                take(&left.columns[c], &left_rows, None)?
            } else {
                take(&build.batch.columns[c - width], &right_rows, None)?
            };
        }
        let verdict = evaluate(condition, &Batch { columns, rows }, &self.shape.context)?;
        // The only condition that is not boolean is a bare NULL.
        let verdict = match verdict.as_any().downcast_ref::<BooleanArray>() {
            Some(verdict) => verdict.clone(),
            None => BooleanArray::new_null(rows),
        };
        if verdict.null_count() > 0 && self.shape.kind == JoinKind::Mark {
            for (i, &row) in l.iter().enumerate() {
                self.unknown[row as usize] |= verdict.is_null(i);
            }
        }
        let mut kept = 0;
        for i in 0..rows {
            if verdict.is_valid(i) && verdict.value(i) {
                l[kept] = l[i];
                r[kept] = r[i];
                kept += 1;
            }
        }
        l.truncate(kept);
        r.truncate(kept);
        Ok(())
    }

    /// The output of pairs.
    fn gather(&self, left: &Batch, build: &BuildRows, l: Vec<u32>, r: Vec<u32>) -> Result<Batch> {
        let rows = l.len();
        // Each left row once, in order: nothing to copy.
        let whole = rows == left.rows && l.iter().enumerate().all(|(i, &row)| i as u32 == row);
        let l = UInt32Array::from(l);
        let left_column = |c: usize| -> Result<ArrayRef> {
            if whole { Ok(left.columns[c].clone()) } else { Ok(take(&left.columns[c], &l, None)?) }
        };
        let r = UInt32Array::from(r);
        self.output(left.columns.len(), rows, left_column, |c| Ok(take(&build.batch.columns[c], &r, None)?))
    }

    /// An output batch of left and right columns, made by the given functions where somebody reads them.
    fn output(
        &self,
        left_width: usize,
        rows: usize,
        mut left: impl FnMut(usize) -> Result<ArrayRef>,
        mut right: impl FnMut(usize) -> Result<ArrayRef>,
    ) -> Result<Batch> {
        let width = left_width + self.shape.right.len();
        let columns = (0..width)
            .map(|c| {
                if !self.shape.wanted[c] {
                    Ok(Arc::new(NullArray::new(rows)) as ArrayRef)
                } else if c < left_width {
                    left(c)
                } else {
                    right(c - left_width)
                }
            })
            .collect::<Result<_>>()?;
        Ok(Batch::new(columns, rows))
    }

    /// Ends a left batch: what is due for rows with or without a partner.
    pub fn end(&mut self, left: Batch, build: &BuildRows, next: &mut Next<'_>) -> Result<Flow> {
        if self.waits() {
            return Ok(Flow::More);
        }
        let partners = &self.partners;
        let in_parts = self.left_rows.is_some();
        match self.shape.kind {
            JoinKind::Inner | JoinKind::Right | JoinKind::RightSemi | JoinKind::RightAnti => Ok(Flow::More),
            JoinKind::LeftSingle if !in_parts => {
                let r: UInt32Array = partners.iter().map(|p| (*p != NONE).then_some(*p)).collect();
                let batch = self.output(
                    left.columns.len(),
                    left.rows,
                    |c| Ok(left.columns[c].clone()),
                    |c| Ok(take(&build.batch.columns[c], &r, None)?),
                )?;
                next(batch)
            }
            JoinKind::Left | JoinKind::Full | JoinKind::LeftSingle => {
                let mask: BooleanArray = partners.iter().map(|p| Some(*p == NONE)).collect();
                if mask.true_count() == 0 {
                    return Ok(Flow::More);
                }
                let left = filter_batch(left, &mask)?;
                let batch = self.output(
                    left.columns.len(),
                    left.rows,
                    |c| Ok(left.columns[c].clone()),
                    |c| Ok(new_null_array(&self.shape.right[c].arrow(), left.rows)),
                )?;
                next(batch)
            }
            JoinKind::LeftSemi | JoinKind::LeftAnti => {
                let keep_matched = self.shape.kind == JoinKind::LeftSemi;
                let mask: BooleanArray =
                    partners.iter().map(|p| Some((*p != NONE) == keep_matched)).collect();
                let batch = filter_batch(left, &mask)?;
                if batch.rows == 0 { Ok(Flow::More) } else { next(batch) }
            }
            JoinKind::Mark => {
                let mark: BooleanArray = partners
                    .iter()
                    .zip(&self.unknown)
                    .map(|(p, unknown)| if *p == NONE { (!unknown).then_some(false) } else { Some(true) })
                    .collect();
                let mut columns = left.columns;
                columns.push(Arc::new(mark));
                next(Batch::new(columns, left.rows))
            }
        }
    }
}

/// Drops the pairs whose build row is known to have a partner.
fn drop_matched(build: &BuildRows, l: &mut Vec<u32>, r: &mut Vec<u32>) {
    let mut kept = 0;
    for i in 0..r.len() {
        if !build.is_matched(r[i]) {
            l[kept] = l[i];
            r[kept] = r[i];
            kept += 1;
        }
    }
    l.truncate(kept);
    r.truncate(kept);
}

pub(super) fn more_than_one_row() -> ExecError {
    ExecError::InvalidInput(
        "More than one row returned by a subquery used as an expression - scalar subqueries can only return a \
         single row."
            .into(),
    )
}
