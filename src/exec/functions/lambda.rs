//! Functions that take a function: `list_transform`, `list_filter`, `list_reduce`, `invoke`.
//!
//! A lambda is closed when it gets here: its columns are its own parameters and what it takes from around it, which
//! comes as further arguments of the call. So the call is one like any other, for the optimizer and for evaluation.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, ListArray, UInt32Array, new_empty_array};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, FieldRef};
use arrow_select::filter::filter;
use arrow_select::interleave::interleave;
use arrow_select::take::take;

use super::room::{Room, bytes_each};
use super::{ScalarFunction, ScalarKernel};
use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::{evaluate, evaluate_predicate, flatten, repeat};
use crate::exec::expr::Expr;
use crate::exec::operators::coalesce::concat_arrays;

/// Items that a lambda is evaluated for at a time.
const CHUNK: usize = 1 << 16;

/// What a lambda is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LambdaKind {
    /// Makes an item of each item.
    Transform,
    /// Tells which items stay.
    Filter,
    /// Is called with the arguments.
    Invoke,
    /// Makes one value of two, again and again. `initial`: the first argument behind the list is where it starts.
    Reduce {
        /// There is an initial value.
        initial: bool,
    },
}

impl LambdaKind {
    fn name(self) -> &'static str {
        match self {
            Self::Transform => "list_transform",
            Self::Filter => "list_filter",
            Self::Invoke => "invoke",
            Self::Reduce { .. } => "list_reduce",
        }
    }
}

/// A function of a list, and of what the lambda takes from around it. `body` is over the parameters (the item,
/// then its number from 1 if `indexed`; for a reduction the value so far comes first) and then those.
pub fn lambda_function(kind: LambdaKind, body: Expr, indexed: bool, volatile: bool) -> Arc<ScalarFunction> {
    let body = Arc::new(body);
    let run = body.clone();
    let kernel: ScalarKernel = match kind {
        LambdaKind::Transform => Box::new(move |args, ty, rows, context| {
            let items = Items::new(args, rows, context)?;
            let values = items.evaluate(&run, indexed, context)?;
            items.rebuild(values, item_field(ty)?)
        }),
        LambdaKind::Filter => Box::new(move |args, ty, rows, context| {
            let items = Items::new(args, rows, context)?;
            items.filtered(&run, indexed, item_field(ty)?, context)
        }),
        LambdaKind::Invoke => Box::new(move |args, _, rows, context| {
            // A constant call has one row, whatever the batch.
            let rows = args.iter().map(ArrayRef::len).max().unwrap_or(1).min(rows);
            let columns = args.iter().map(|a| full(a, rows, context)).collect::<Result<_>>()?;
            flatten(&evaluate(&run, &Batch::new(columns, rows), context)?)
        }),
        LambdaKind::Reduce { initial } => {
            Box::new(move |args, ty, rows, context| reduce(&run, args, ty, initial, indexed, rows, context))
        }
    };
    Arc::new(ScalarFunction { name: kind.name(), strict: false, volatile, kernel, lambda: Some(body) })
}

fn item_field(ty: &LogicalType) -> Result<FieldRef> {
    match ty.arrow() {
        DataType::List(field) => Ok(field),
        other => Err(ExecError::Internal(format!("a list of type {other}"))),
    }
}

fn full(array: &ArrayRef, rows: usize, context: &ExecContext) -> Result<ArrayRef> {
    let array = flatten(array)?;
    if array.len() == rows { Ok(array) } else { repeat(&array, rows, context) }
}

/// The items of all lists of a batch, one after another.
struct Items {
    list: ListArray,
    /// The rows of the lists, and the length of each; 0 for NULL.
    lengths: Vec<usize>,
    values: ArrayRef,
    captured: Vec<ArrayRef>,
}

impl Items {
    fn new(args: &[ArrayRef], rows: usize, context: &ExecContext) -> Result<Self> {
        let list = full(&args[0], rows, context)?;
        let Some(list) = list.as_list_opt::<i32>().cloned() else {
            return Err(ExecError::Internal("a lambda over what is no list".into()));
        };
        let captured = args[1..].iter().map(|a| full(a, rows, context)).collect::<Result<_>>()?;
        let length = |row| if list.is_valid(row) { list.value_length(row) as usize } else { 0 };
        let lengths: Vec<usize> = (0..rows).map(length).collect();
        let offsets = list.value_offsets();
        let total: usize = lengths.iter().sum();
        let values = if total == (offsets[rows] - offsets[0]) as usize {
            list.values().slice(offsets[0] as usize, total)
        } else {
            // NULL lists may have items behind them.
            let places = (0..rows).flat_map(|row| (0..lengths[row]).map(move |i| (row, i)));
            let places: UInt32Array = places.map(|(row, i)| (offsets[row] as usize + i) as u32).collect();
            take(list.values(), &places, None)?
        };
        Ok(Self { list, lengths, values, captured })
    }

    /// For each item, the row of its list and its number.
    fn places(&self) -> impl Iterator<Item = (u32, i64)> {
        self.lengths
            .iter()
            .enumerate()
            .flat_map(|(row, len)| (0..*len).map(move |i| (row as u32, i as i64 + 1)))
    }

    /// Calls `work` for the items, some at a time, with what the lambda sees of them.
    fn each(
        &self,
        indexed: bool,
        context: &ExecContext,
        mut work: impl FnMut(&Batch) -> Result<()>,
    ) -> Result<()> {
        let mut places = self.places();
        let mut start = 0;
        while start < self.values.len() {
            context.check_cancelled()?;
            let len = CHUNK.min(self.values.len() - start);
            let (rows, numbers): (Vec<u32>, Vec<i64>) = places.by_ref().take(len).unzip();
            let rows = UInt32Array::from(rows);
            let mut columns = vec![self.values.slice(start, len)];
            if indexed {
                columns.push(Arc::new(Int64Array::from(numbers)));
            }
            for captured in &self.captured {
                columns.push(take(captured, &rows, None)?);
            }
            work(&Batch::new(columns, len))?;
            start += len;
        }
        Ok(())
    }

    fn evaluate(&self, body: &Expr, indexed: bool, context: &ExecContext) -> Result<ArrayRef> {
        let mut parts = vec![];
        let mut room = Room::new(context);
        self.each(indexed, context, |batch| {
            let part = flatten(&evaluate(body, batch, context)?)?;
            // Once as a part, once in all.
            room.take(2 * bytes_each(&part) * part.len())?;
            parts.push(part);
            Ok(())
        })?;
        if parts.is_empty() { Ok(new_empty_array(&body.ty().arrow())) } else { concat_arrays(&parts) }
    }

    /// Lists of the same lengths with other items.
    fn rebuild(&self, values: ArrayRef, field: FieldRef) -> Result<ArrayRef> {
        let offsets = OffsetBuffer::from_lengths(self.lengths.iter().copied());
        Ok(Arc::new(ListArray::try_new(field, offsets, values, self.list.nulls().cloned())?))
    }

    fn filtered(
        &self,
        body: &Expr,
        indexed: bool,
        field: FieldRef,
        context: &ExecContext,
    ) -> Result<ArrayRef> {
        let mut masks = vec![];
        self.each(indexed, context, |batch| {
            masks.push(Arc::new(evaluate_predicate(body, batch, context)?) as ArrayRef);
            Ok(())
        })?;
        if masks.is_empty() {
            return self.rebuild(self.values.clone(), field);
        }
        let mask = concat_arrays(&masks)?;
        let mask: &BooleanArray = mask.as_boolean();
        let mut start = 0;
        let lengths: Vec<usize> = self
            .lengths
            .iter()
            .map(|len| {
                let kept = mask.slice(start, *len).true_count();
                start += len;
                kept
            })
            .collect();
        let values = filter(&self.values, mask)?;
        let offsets = OffsetBuffer::from_lengths(lengths);
        Ok(Arc::new(ListArray::try_new(field, offsets, values, self.list.nulls().cloned())?))
    }
}

/// One value of each list.
fn reduce(
    body: &Expr,
    args: &[ArrayRef],
    ty: &LogicalType,
    initial: bool,
    indexed: bool,
    rows: usize,
    context: &ExecContext,
) -> Result<ArrayRef> {
    // A constant call has one row, whatever the batch.
    let rows = args.iter().map(ArrayRef::len).max().unwrap_or(rows).min(rows);
    let list = full(&args[0], rows, context)?;
    let Some(list) = list.as_list_opt::<i32>() else {
        return Err(ExecError::Internal("a reduction of what is no list".into()));
    };
    let captured: Vec<ArrayRef> =
        args[1 + usize::from(initial)..].iter().map(|a| full(a, rows, context)).collect::<Result<_>>()?;
    let offsets = list.value_offsets();
    let length = |row: usize| if list.is_valid(row) { list.value_length(row) as usize } else { 0 };
    let longest = (0..rows).map(length).max().unwrap_or(0);
    let mut so_far = if initial {
        full(&args[1], rows, context)?
    } else {
        if (0..rows).any(|row| list.is_valid(row) && length(row) == 0) {
            return Err(ExecError::InvalidInput("Cannot perform list_reduce on an empty input list".into()));
        }
        let first: UInt32Array = (0..rows).map(|r| (length(r) > 0).then(|| offsets[r] as u32)).collect();
        take(list.values(), &first, None)?
    };
    for i in usize::from(!initial)..longest {
        context.check_cancelled()?;
        let open: Vec<u32> = (0..rows).filter(|row| length(*row) > i).map(|row| row as u32).collect();
        let items: UInt32Array = open.iter().map(|row| offsets[*row as usize] as u32 + i as u32).collect();
        let chosen = UInt32Array::from(open.clone());
        let mut columns = vec![take(&so_far, &chosen, None)?, take(list.values(), &items, None)?];
        if indexed {
            columns.push(Arc::new(Int64Array::from_value(i as i64 + 1, open.len())));
        }
        for captured in &captured {
            columns.push(take(captured, &chosen, None)?);
        }
        let next = flatten(&evaluate(body, &Batch::new(columns, open.len()), context)?)?;
        if open.len() == rows {
            so_far = next;
            continue;
        }
        let mut places: Vec<(usize, usize)> = (0..rows).map(|row| (0, row)).collect();
        for (at, row) in open.iter().enumerate() {
            places[*row as usize] = (1, at);
        }
        so_far = interleave(&[&*so_far, &*next], &places)?;
    }
    match list.nulls() {
        Some(nulls) if nulls.null_count() > 0 => {
            let keep: UInt32Array =
                (0..rows).map(|row| NullBuffer::is_valid(nulls, row).then_some(row as u32)).collect();
            Ok(take(&so_far, &keep, None)?)
        }
        _ if so_far.data_type() == &DataType::Null => Ok(arrow_array::new_null_array(&ty.arrow(), rows)),
        _ => Ok(so_far),
    }
}
