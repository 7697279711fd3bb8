//! Rows in memory, without those whose keys came before.

use arrow_array::{Array, ArrayRef, BooleanArray};

use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::eval::evaluate;
use crate::exec::expr::Expr;
use crate::exec::operators::filter::filter_batch;
use crate::exec::operators::groups::{GroupTable, group_table};

/// A key, and which of its values were seen.
struct Seen {
    table: Box<dyn GroupTable>,
    taken: Vec<bool>,
    groups: Vec<u32>,
    nulls: Vec<bool>,
}

/// Of the rows that have a key in common only the first is left, in order. A row that is left out takes no keys, so
/// that a later one may have them. A key with NULL is like no other.
pub fn first_rows(batches: Vec<Batch>, keys: &[Vec<Expr>], context: &ExecContext) -> Result<Vec<Batch>> {
    let mut seen = keys
        .iter()
        .map(|parts| {
            let types: Vec<LogicalType> = parts.iter().map(Expr::ty).collect();
            Ok(Seen { table: group_table(&types)?, taken: vec![], groups: vec![], nulls: vec![] })
        })
        .collect::<Result<Vec<_>>>()?;
    let mut out = Vec::with_capacity(batches.len());
    let mut memory = 0;
    for batch in batches {
        context.check_cancelled()?;
        for (seen, parts) in seen.iter_mut().zip(keys) {
            let columns: Vec<ArrayRef> =
                parts.iter().map(|e| evaluate(e, &batch, context)).collect::<Result<_>>()?;
            seen.table.intern(&columns, batch.rows, &mut seen.groups)?;
            seen.taken.resize(seen.table.len(), false);
            seen.nulls.clear();
            seen.nulls.resize(batch.rows, false);
            for nulls in columns.iter().filter_map(|c| c.logical_nulls()) {
                seen.nulls.iter_mut().zip(nulls.iter()).for_each(|(is_null, valid)| *is_null |= !valid);
            }
        }
        let keep: Vec<bool> = (0..batch.rows)
            .map(|row| {
                let free = |s: &Seen| s.nulls[row] || !s.taken[s.groups[row] as usize];
                let keep = seen.iter().all(free);
                if keep {
                    seen.iter_mut().for_each(|s| s.taken[s.groups[row] as usize] = true);
                }
                keep
            })
            .collect();
        let size: usize = seen.iter().map(|s| s.table.size() + s.taken.len()).sum();
        if let Err(e) = context.memory.grow(size.saturating_sub(memory) as u64) {
            context.memory.shrink(memory as u64);
            return Err(e);
        }
        memory = memory.max(size);
        let batch = filter_batch(batch, &BooleanArray::from(keep))?;
        if batch.rows > 0 {
            out.push(batch);
        }
    }
    context.memory.shrink(memory as u64);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Int32Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;

    use super::*;
    use crate::exec::context::CancelToken;

    fn ints(values: &[Option<i32>]) -> ArrayRef {
        Arc::new(Int32Array::from(values.to_vec()))
    }

    #[test]
    fn a_row_left_out_takes_no_keys() {
        let context = ExecContext::new(1, 1 << 20, CancelToken::default());
        let first = Batch::new(vec![ints(&[Some(1), Some(1)]), ints(&[Some(10), Some(20)])], 2);
        let second = Batch::new(vec![ints(&[Some(2), None, None]), ints(&[Some(20), Some(30), Some(30)])], 3);
        let key = |c| vec![Expr::column(c, LogicalType::Integer)];
        let kept = first_rows(vec![first, second], &[key(0), key(1)], &context).unwrap();
        let b: Vec<i32> =
            kept.iter().flat_map(|b| b.columns[1].as_primitive::<Int32Type>().values().to_vec()).collect();
        // The second row (1, 20) is left out, so (2, 20) is free to come.
        assert_eq!(b, [10, 20, 30]);
        assert_eq!(context.memory.used(), 0);
    }
}
