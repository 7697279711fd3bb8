//! Rows that change a table: some are added, some are removed, an updated one is both.
//!
//! A row comes with the values of the table's columns, and possibly with the id of the row that it replaces. The
//! sink checks what is added, gives it to the sink of the table, and keeps what is asked for behind it: ids of
//! removed rows, rows of RETURNING, keys that are yet to be compared with other rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, BooleanArray, new_null_array};
use parking_lot::Mutex;

use crate::catalog::TableDefinition;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::{evaluate, flatten};
use crate::exec::expr::Expr;
use crate::exec::memory::{Reservation, batch_bytes};
use crate::exec::operators::filter::filter_batch;
use crate::exec::sinks::table_sink;
use crate::exec::source::Sink;
use crate::table::TableAppender;

/// A condition on every row that is added.
#[derive(Debug, Clone)]
pub struct RowCheck {
    /// What must not be false, over the columns of the sink's input.
    pub condition: Expr,
    /// What to say if it is.
    pub failure: String,
}

/// What becomes of the rows of a [`ModifySink`]. Its input has the columns of the table, then what is named here;
/// expressions are over the input.
#[derive(Debug, Clone, Default)]
pub struct ModifySpec {
    /// What the statement is called in EXPLAIN.
    pub name: &'static str,
    /// The column with the id of the row that is removed, NULL if none is.
    pub row_ids: Option<usize>,
    /// The column that says whether the row is added; without it every row is, if there is a place to add it to.
    pub added: Option<usize>,
    /// The column with what is wrong with the row, NULL if nothing is.
    pub error: Option<usize>,
    /// Conditions on rows that are added.
    pub checks: Vec<RowCheck>,
    /// What is kept of every row, for RETURNING.
    pub returning: Option<Vec<Expr>>,
    /// Keys of rows that are added.
    pub added_keys: Vec<Vec<Expr>>,
    /// Keys of rows that are removed.
    pub removed_keys: Vec<Vec<Expr>>,
    /// What to say if a row is removed twice; without it that is no mistake.
    pub twice: Option<&'static str>,
}

/// What came of the rows.
#[derive(Debug, Default)]
pub struct Modified {
    /// How many there were.
    pub rows: u64,
    /// The ids of removed rows, ascending.
    pub removed: Vec<u64>,
    /// What RETURNING asks for.
    pub returning: Vec<Batch>,
    /// For each of [`ModifySpec::added_keys`] the keys.
    pub added_keys: Vec<Vec<Batch>>,
    /// For each of [`ModifySpec::removed_keys`] the keys.
    pub removed_keys: Vec<Vec<Batch>>,
}

/// A sink that changes a table. Rows are added to the transaction of the appender; removing rows, and undoing it
/// all, is the caller's part.
#[derive(Debug)]
pub struct ModifySink {
    spec: ModifySpec,
    table: Arc<TableDefinition>,
    target: Option<Arc<dyn Sink>>,
    context: Arc<ExecContext>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    parts: BTreeMap<u64, Modified>,
    memory: Vec<Reservation>,
    done: Option<Modified>,
}

impl ModifySink {
    /// A sink for a table; without an appender rows are removed only.
    pub fn new(
        table: Arc<TableDefinition>,
        appender: Option<TableAppender>,
        spec: ModifySpec,
        context: Arc<ExecContext>,
    ) -> Arc<Self> {
        let target = appender.map(table_sink);
        Arc::new(Self { spec, table, target, context, state: Mutex::default() })
    }

    /// What came of the rows, once the sink has finished; once.
    pub fn take(&self) -> Modified {
        self.state.lock().done.take().unwrap_or_default()
    }

    /// Takes one batch; adds to `part` and returns the rows to add to the table.
    fn take_batch(&self, batch: Batch, part: &mut Modified) -> Result<Option<Batch>> {
        let spec = &self.spec;
        part.rows += batch.rows as u64;
        if let Some(error) = spec.error {
            self.fail_on(&batch, error)?;
        }
        if let Some(exprs) = &spec.returning {
            part.returning.push(self.evaluate(exprs, &batch)?);
        }
        if let Some(column) = spec.row_ids {
            let ids = flatten(&batch.columns[column])?;
            let ids = ids
                .as_primitive_opt::<Int64Type>()
                .ok_or_else(|| ExecError::Internal("ids of rows are BIGINT".into()))?;
            part.removed.extend(ids.iter().flatten().map(i64::cast_unsigned));
            if !spec.removed_keys.is_empty() {
                let removed = BooleanArray::from_iter((0..ids.len()).map(|i| Some(ids.is_valid(i))));
                let batch = filter_batch(batch.clone(), &removed)?;
                for (exprs, keys) in spec.removed_keys.iter().zip(&mut part.removed_keys) {
                    keys.push(self.evaluate(exprs, &batch)?);
                }
            }
        }
        if self.target.is_none() {
            return Ok(None);
        }
        let batch = match spec.added {
            Some(column) => {
                let mask = flatten(&batch.columns[column])?;
                let mask = mask.as_boolean();
                let mask = BooleanArray::from_iter(mask.iter().map(|b| Some(b == Some(true))));
                filter_batch(batch, &mask)?
            }
            None => batch,
        };
        self.check(&batch)?;
        for (exprs, keys) in spec.added_keys.iter().zip(&mut part.added_keys) {
            keys.push(self.evaluate(exprs, &batch)?);
        }
        Ok(Some(self.stored(batch)))
    }

    fn evaluate(&self, exprs: &[Expr], batch: &Batch) -> Result<Batch> {
        let columns = exprs.iter().map(|e| evaluate(e, batch, &self.context)).collect::<Result<_>>()?;
        Ok(Batch::new(columns, batch.rows))
    }

    /// The message of the first row that has one.
    fn fail_on(&self, batch: &Batch, column: usize) -> Result<()> {
        let messages = flatten(&batch.columns[column])?;
        match messages.as_string_view().iter().flatten().next() {
            Some(message) => Err(ExecError::Constraint(message.to_owned())),
            None => Ok(()),
        }
    }

    /// NOT NULL, then CHECK.
    fn check(&self, batch: &Batch) -> Result<()> {
        if batch.rows == 0 {
            return Ok(());
        }
        for (column, array) in self.table.columns.iter().zip(&batch.columns) {
            if !column.nullable && !column.is_virtual() && array.logical_null_count() > 0 {
                let (table, column) = (&self.table.name, &column.name);
                return Err(ExecError::Constraint(format!("NOT NULL constraint failed: {table}.{column}")));
            }
        }
        for check in &self.spec.checks {
            let result = evaluate(&check.condition, batch, &self.context)?;
            if result.as_boolean().iter().any(|b| b == Some(false)) {
                return Err(ExecError::Constraint(check.failure.clone()));
            }
        }
        Ok(())
    }

    /// The columns as they are stored: those that are computed when they are read are NULL.
    fn stored(&self, mut batch: Batch) -> Batch {
        batch.columns.truncate(self.table.columns.len());
        for (column, array) in self.table.columns.iter().zip(&mut batch.columns) {
            if column.is_virtual() {
                *array = new_null_array(&column.ty.arrow(), batch.rows);
            }
        }
        batch
    }

    fn empty_part(&self) -> Modified {
        Modified {
            added_keys: vec![vec![]; self.spec.added_keys.len()],
            removed_keys: vec![vec![]; self.spec.removed_keys.len()],
            ..Modified::default()
        }
    }
}

impl Modified {
    fn append(&mut self, mut other: Self) {
        self.rows += other.rows;
        self.removed.append(&mut other.removed);
        self.returning.append(&mut other.returning);
        for (all, part) in self.added_keys.iter_mut().zip(other.added_keys) {
            all.extend(part);
        }
        for (all, part) in self.removed_keys.iter_mut().zip(other.removed_keys) {
            all.extend(part);
        }
    }

    fn bytes(&self) -> usize {
        let keys = self.added_keys.iter().chain(&self.removed_keys).flatten();
        self.returning.iter().chain(keys).map(batch_bytes).sum::<usize>() + self.removed.len() * 8
    }
}

impl Sink for ModifySink {
    fn describe(&self) -> String {
        format!("{} {}", self.spec.name, self.table.name)
    }

    fn push(&self, sequence: u64, batches: Vec<Batch>) -> Result<()> {
        let mut part = self.empty_part();
        let mut rows = Vec::with_capacity(batches.len());
        for batch in batches {
            rows.extend(self.take_batch(batch, &mut part)?);
        }
        let mut memory = Reservation::new(&self.context);
        memory.grow(part.bytes())?;
        {
            let mut state = self.state.lock();
            state.parts.insert(sequence, part);
            state.memory.push(memory);
        }
        match &self.target {
            Some(target) => target.push(sequence, rows),
            None => Ok(()),
        }
    }

    fn finish(&self) -> Result<u64> {
        if let Some(target) = &self.target {
            target.finish()?;
        }
        let mut state = self.state.lock();
        let mut all = self.empty_part();
        for (_, part) in std::mem::take(&mut state.parts) {
            all.append(part);
        }
        all.removed.sort_unstable();
        let found = all.removed.len();
        all.removed.dedup();
        if let (Some(message), true) = (self.spec.twice, all.removed.len() < found) {
            return Err(ExecError::InvalidInput(message.into()));
        }
        let rows = all.rows;
        state.done = Some(all);
        Ok(rows)
    }

    fn abort(&self) {
        if let Some(target) = &self.target {
            target.abort();
        }
    }
}
