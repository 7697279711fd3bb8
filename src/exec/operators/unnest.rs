//! Rows, each once for each item of its lists.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int64Array, ListArray, NullArray, UInt32Array};
use arrow_select::take::take;

use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::{evaluate, flatten};
use crate::exec::expr::Expr;
use crate::exec::pipeline::{BATCH_ROWS, Flow, LocalOperator, Next, Operator};

/// The lists of a row go side by side, the shorter ones filled up with NULL.
#[derive(Clone)]
pub(crate) struct Unnest {
    lists: Arc<[Expr]>,
    /// The number of an item, from 1, is yielded too.
    ordinality: bool,
    /// A row without items yields one row of NULLs.
    keep_empty: bool,
    /// The columns of the input that are wanted behind it.
    wanted: Arc<[bool]>,
    context: Arc<ExecContext>,
}

impl Unnest {
    /// Yields the columns of the input, one of items for each list, and possibly the item's number.
    pub fn new(
        lists: Vec<Expr>,
        ordinality: bool,
        keep_empty: bool,
        wanted: Vec<bool>,
        context: &Arc<ExecContext>,
    ) -> Self {
        Self { lists: lists.into(), ordinality, keep_empty, wanted: wanted.into(), context: context.clone() }
    }
}

impl Operator for Unnest {
    fn local(&self) -> Box<dyn LocalOperator> {
        Box::new(self.clone())
    }
}

/// Output rows that are being put together.
struct Rows {
    /// The input row of each.
    input: Vec<u32>,
    /// For each list, the item of each.
    items: Vec<Vec<Option<u32>>>,
    numbers: Vec<Option<i64>>,
}

impl LocalOperator for Unnest {
    fn push(&mut self, batch: Batch, next: &mut Next<'_>) -> Result<Flow> {
        let lists: Vec<ArrayRef> = self
            .lists
            .iter()
            .map(|e| flatten(&evaluate(e, &batch, &self.context)?))
            .collect::<Result<_>>()?;
        let lists: Vec<&ListArray> = lists
            .iter()
            .map(|l| l.as_list_opt().ok_or_else(|| ExecError::Internal("unnest of what is no list".into())))
            .collect::<Result<_>>()?;
        let mut out =
            Rows { input: vec![], items: vec![vec![]; lists.len()], numbers: Vec::with_capacity(BATCH_ROWS) };
        for row in 0..batch.rows {
            let length = |l: &&ListArray| if l.is_valid(row) { l.value_length(row) as usize } else { 0 };
            let longest = lists.iter().map(length).max().unwrap_or(0);
            let rows = if self.keep_empty { longest.max(1) } else { longest };
            for i in 0..rows {
                out.input.push(row as u32);
                for (list, items) in lists.iter().zip(&mut out.items) {
                    let item = (i < length(list)).then(|| (list.value_offsets()[row] as usize + i) as u32);
                    items.push(item);
                }
                if self.ordinality {
                    out.numbers.push((i < longest).then_some(i as i64 + 1));
                }
                if out.input.len() == BATCH_ROWS && self.emit(&batch, &lists, &mut out, next)? == Flow::Enough
                {
                    return Ok(Flow::Enough);
                }
            }
        }
        self.emit(&batch, &lists, &mut out, next)
    }
}

impl Unnest {
    fn emit(&self, batch: &Batch, lists: &[&ListArray], out: &mut Rows, next: &mut Next<'_>) -> Result<Flow> {
        if out.input.is_empty() {
            return Ok(Flow::More);
        }
        self.context.check_cancelled()?;
        let input = UInt32Array::from(std::mem::take(&mut out.input));
        let rows = input.len();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.columns.len() + lists.len() + 1);
        for (column, wanted) in batch.columns.iter().zip(self.wanted.iter()) {
            columns.push(if *wanted { take(column, &input, None)? } else { Arc::new(NullArray::new(rows)) });
        }
        for (list, items) in lists.iter().zip(&mut out.items) {
            let items = UInt32Array::from(std::mem::take(items));
            columns.push(take(list.values(), &items, None)?);
        }
        if self.ordinality {
            columns.push(Arc::new(Int64Array::from(std::mem::take(&mut out.numbers))));
        }
        next(Batch::new(columns, rows))
    }
}
