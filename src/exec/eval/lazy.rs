//! Expressions that evaluate some of their parts only for some of the rows.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, NullArray, UInt32Array, new_null_array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_select::filter::FilterBuilder;

use super::{Value, eval, truth};
use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::expr::Expr;

/// Below this share of rows, a subset is gathered before the rest of a condition is evaluated.
const SPARSE: usize = 5;

/// Whether evaluating the expression may fail for some row, or is so costly or volatile that it should
/// see only the rows that need it.
pub fn is_fallible(expr: &Expr) -> bool {
    match expr {
        Expr::Column { .. } | Expr::Literal { .. } => false,
        Expr::Cast { .. } | Expr::Call { .. } => true,
        Expr::Not(e) | Expr::IsNull { input: e, .. } | Expr::InList { input: e, .. } => is_fallible(e),
        Expr::Compare { left, right, .. } => is_fallible(left) || is_fallible(right),
        Expr::And(all) | Expr::Or(all) | Expr::Coalesce(all) => all.iter().any(is_fallible),
        Expr::Case { branches, otherwise, .. } => {
            branches.iter().any(|(c, r)| is_fallible(c) || is_fallible(r))
                || otherwise.as_deref().is_some_and(is_fallible)
        }
    }
}

fn mark_columns(expr: &Expr, used: &mut [bool]) {
    if let Expr::Column { index, .. } = expr
        && let Some(u) = used.get_mut(*index)
    {
        *u = true;
    }
    for child in expr.children() {
        mark_columns(child, used);
    }
}

/// The selected rows of the columns that `exprs` use; other columns come as columns of NULLs.
pub fn filter_batch<'a>(
    batch: &Batch,
    selection: &BooleanBuffer,
    exprs: impl IntoIterator<Item = &'a Expr>,
) -> Result<Batch> {
    let mut used = vec![false; batch.columns.len()];
    for e in exprs {
        mark_columns(e, &mut used);
    }
    let mask = BooleanArray::new(selection.clone(), None);
    let mut builder = FilterBuilder::new(&mask);
    if used.iter().filter(|u| **u).count() > 1 {
        builder = builder.optimize();
    }
    let predicate = builder.build();
    let rows = predicate.count();
    let mut columns = Vec::with_capacity(batch.columns.len());
    for (column, used) in batch.columns.iter().zip(used) {
        columns.push(if used {
            predicate.filter(column)?
        } else {
            Arc::new(NullArray::new(rows)) as ArrayRef
        });
    }
    Ok(Batch { columns, rows })
}

/// Puts the bits of a subset back into place; rows outside the selection become false.
fn scatter(bits: &BooleanBuffer, selection: &BooleanBuffer) -> BooleanBuffer {
    let mut out = arrow_buffer::BooleanBufferBuilder::new(selection.len());
    out.append_n(selection.len(), false);
    for (i, row) in selection.set_indices().enumerate() {
        if bits.value(i) {
            out.set_bit(row, true);
        }
    }
    out.finish()
}

/// Rows for which all conditions are true. Each condition sees only rows that passed those before it
/// where that matters.
pub(super) fn conjunction(all: &[Expr], batch: &Batch, context: &ExecContext) -> Result<BooleanBuffer> {
    let mut selection: Option<(BooleanBuffer, usize)> = None;
    for (i, e) in all.iter().enumerate() {
        let selected = match &selection {
            None => truth(&eval(e, batch, context)?, batch.rows),
            Some((_, 0)) => break,
            Some((bits, count)) => {
                let narrow = *count < batch.rows
                    && (is_fallible(e) || *count * SPARSE < batch.rows && batch.rows > 64);
                if narrow {
                    // All that remains is evaluated over the subset.
                    let rest = &all[i..];
                    let subset = filter_batch(batch, bits, rest)?;
                    return Ok(scatter(&conjunction(rest, &subset, context)?, bits));
                }
                &truth(&eval(e, batch, context)?, batch.rows) & bits
            }
        };
        let count = selected.count_set_bits();
        selection = Some((selected, count));
    }
    Ok(selection.map_or_else(|| BooleanBuffer::new_set(batch.rows), |(bits, _)| bits))
}

/// Three-valued `AND` (`and`) or `OR`. A part that may fail is not evaluated for rows that an earlier
/// part has decided.
#[inline(never)]
pub(super) fn and_or(all: &[Expr], and: bool, batch: &Batch, context: &ExecContext) -> Result<Value> {
    let rows = batch.rows;
    // Rows known to be true, rows known to be false; the others are NULL so far.
    let mut acc: Option<(BooleanBuffer, BooleanBuffer)> = None;
    let mut constant = true;
    for e in all {
        let (t, f) = match &acc {
            Some((t, f)) => {
                let decided = if and { f } else { t };
                let open = decided.len() - decided.count_set_bits();
                if open == 0 {
                    break;
                }
                if open < rows && !constant && is_fallible(e) {
                    let undecided = !decided;
                    let subset = filter_batch(batch, &undecided, [e])?;
                    let value = eval(e, &subset, context)?;
                    let (st, sf) = split(&value, subset.rows);
                    (scatter(&st, &undecided), scatter(&sf, &undecided))
                } else {
                    let value = eval(e, batch, context)?;
                    constant &= value.constant;
                    split(&value, rows)
                }
            }
            None => {
                let value = eval(e, batch, context)?;
                constant &= value.constant;
                split(&value, rows)
            }
        };
        acc = Some(match acc {
            None => (t, f),
            Some((at, af)) if and => (&at & &t, &af | &f),
            Some((at, af)) => (&at | &t, &af & &f),
        });
    }
    let (t, f) = acc.unwrap_or_else(|| (BooleanBuffer::new_set(rows), BooleanBuffer::new_unset(rows)));
    let known = &t | &f;
    let nulls = Some(NullBuffer::new(known)).filter(|n| n.null_count() > 0);
    Ok(Value::rows(Arc::new(BooleanArray::new(t, nulls))))
}

/// Where a boolean value is true, and where it is false.
fn split(value: &Value, rows: usize) -> (BooleanBuffer, BooleanBuffer) {
    let t = truth(value, rows);
    let f = match value.array.as_boolean_opt() {
        None => BooleanBuffer::new_unset(rows),
        Some(b) if value.constant => {
            if b.is_valid(0) && !b.value(0) {
                BooleanBuffer::new_set(rows)
            } else {
                BooleanBuffer::new_unset(rows)
            }
        }
        Some(b) => match b.nulls() {
            Some(n) if n.null_count() > 0 => n.inner() & &!b.values(),
            _ => !b.values(),
        },
    };
    (t, f)
}

/// Builds a result from pieces: each piece fills the rows that its selection names.
struct Pieces {
    arrays: Vec<ArrayRef>,
    /// For each row, which array and which of its rows.
    places: Vec<(u32, u32)>,
}

const UNSET: u32 = u32::MAX;

impl Pieces {
    fn new(rows: usize) -> Self {
        Self { arrays: vec![], places: vec![(UNSET, 0); rows] }
    }

    /// `value` holds one row for each selected row, or one for all.
    fn put(&mut self, mut value: Value, selection: &BooleanBuffer) -> Result<()> {
        value.flatten()?;
        let piece = self.arrays.len() as u32;
        for (i, row) in selection.set_indices().enumerate() {
            self.places[row] = (piece, if value.constant { 0 } else { i as u32 });
        }
        self.arrays.push(value.array);
        Ok(())
    }

    /// Rows of `value` itself for the selected rows.
    fn put_aligned(&mut self, mut value: Value, selection: &BooleanBuffer) -> Result<()> {
        value.flatten()?;
        let piece = self.arrays.len() as u32;
        for row in selection.set_indices() {
            self.places[row] = (piece, if value.constant { 0 } else { row as u32 });
        }
        self.arrays.push(value.array);
        Ok(())
    }

    fn finish(mut self, ty: &LogicalType) -> Result<Value> {
        let data_type = ty.arrow();
        if self.arrays.iter().all(|a| a.null_count() == a.len()) {
            return Ok(Value::rows(new_null_array(&data_type, self.places.len())));
        }
        if self.places.iter().any(|p| p.0 == UNSET) {
            let null = self.arrays.len() as u32;
            self.arrays.push(new_null_array(&data_type, 1));
            for place in &mut self.places {
                if place.0 == UNSET {
                    *place = (null, 0);
                }
            }
        }
        // One piece in order needs no copy at all.
        if self.arrays.len() == 1
            && self.arrays[0].len() == self.places.len()
            && self.places.iter().enumerate().all(|(i, p)| p.1 as usize == i)
        {
            return Ok(Value::rows(self.arrays.remove(0)));
        }
        if self.arrays.len() == 1 {
            let indices: UInt32Array = self.places.iter().map(|p| p.1).collect();
            return Ok(Value::rows(arrow_select::take::take(&self.arrays[0], &indices, None)?));
        }
        let arrays: Vec<&dyn Array> = self.arrays.iter().map(AsRef::as_ref).collect();
        let places: Vec<(usize, usize)> = self.places.iter().map(|p| (p.0 as usize, p.1 as usize)).collect();
        Ok(Value::rows(arrow_select::interleave::interleave(&arrays, &places)?))
    }
}

/// Evaluates `e` for the rows of `selection` and puts the result into place.
fn put_selected(
    pieces: &mut Pieces,
    e: &Expr,
    batch: &Batch,
    selection: &BooleanBuffer,
    count: usize,
    context: &ExecContext,
) -> Result<()> {
    if count == 0 {
        return Ok(());
    }
    match e {
        Expr::Column { .. } | Expr::Literal { .. } => pieces.put_aligned(eval(e, batch, context)?, selection),
        _ if count == batch.rows => pieces.put(eval(e, batch, context)?, selection),
        _ => {
            let subset = filter_batch(batch, selection, [e])?;
            pieces.put(eval(e, &subset, context)?, selection)
        }
    }
}

/// `CASE`.
#[inline(never)]
pub(super) fn case(
    branches: &[(Expr, Expr)],
    otherwise: Option<&Expr>,
    ty: &LogicalType,
    batch: &Batch,
    context: &ExecContext,
) -> Result<Value> {
    let rows = batch.rows;
    let mut pieces = Pieces::new(rows);
    let mut open = BooleanBuffer::new_set(rows);
    let mut remaining = rows;
    for (condition, result) in branches {
        if remaining == 0 {
            break;
        }
        let hit = if remaining == rows {
            truth(&eval(condition, batch, context)?, rows)
        } else if is_fallible(condition) {
            let subset = filter_batch(batch, &open, [condition])?;
            scatter(&truth(&eval(condition, &subset, context)?, subset.rows), &open)
        } else {
            &truth(&eval(condition, batch, context)?, rows) & &open
        };
        let count = hit.count_set_bits();
        put_selected(&mut pieces, result, batch, &hit, count, context)?;
        open = &open & &!&hit;
        remaining -= count;
    }
    if let Some(otherwise) = otherwise {
        put_selected(&mut pieces, otherwise, batch, &open, remaining, context)?;
    }
    pieces.finish(ty)
}

/// `COALESCE`.
#[inline(never)]
pub(super) fn coalesce(all: &[Expr], batch: &Batch, context: &ExecContext) -> Result<Value> {
    let rows = batch.rows;
    let ty = all.first().map_or(LogicalType::Null, Expr::ty);
    let mut pieces = Pieces::new(rows);
    let mut open = BooleanBuffer::new_set(rows);
    let mut remaining = rows;
    for (i, e) in all.iter().enumerate() {
        if remaining == 0 {
            break;
        }
        let whole = remaining == rows || !is_fallible(e);
        let value = if whole {
            eval(e, batch, context)?
        } else {
            let subset = filter_batch(batch, &open, [e])?;
            eval(e, &subset, context)?
        };
        if i == 0 && !value.constant && value.array.logical_null_count() == 0 {
            return Ok(value);
        }
        let len = if whole { rows } else { remaining };
        let valid = match (value.constant, value.array.logical_nulls()) {
            (_, None) => BooleanBuffer::new_set(len),
            (true, Some(n)) if n.null_count() > 0 => BooleanBuffer::new_unset(len),
            (true, Some(_)) => BooleanBuffer::new_set(len),
            (false, Some(n)) => n.inner().clone(),
        };
        let hit = if whole { &valid & &open } else { scatter(&valid, &open) };
        let count = hit.count_set_bits();
        if count == 0 {
            continue;
        }
        if whole {
            pieces.put_aligned(value, &hit)?;
        } else {
            // Keep the rows of the subset that have a value.
            let mut value = value;
            if !value.constant && count < remaining {
                value.flatten()?;
                value.array = arrow_select::filter::filter(&value.array, &BooleanArray::new(valid, None))?;
            }
            pieces.put(value, &hit)?;
        }
        open = &open & &!&hit;
        remaining -= count;
    }
    pieces.finish(&ty)
}
