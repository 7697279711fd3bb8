//! From a closure over values to a kernel over columns.
//!
//! A kernel gets each argument as a column of all rows or as one row that stands for all ([`Input`] hides
//! which); the adapters here combine the null masks once and call the closure for the other rows.

use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, BinaryViewBuilder, StringViewBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray,
    StringViewArray, new_null_array,
};
use arrow_buffer::{BooleanBufferBuilder, NullBuffer};

use super::ScalarKernel;
use super::room::{Room, Texts};
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};
use crate::exec::slices::Slices;

/// An argument type: how to open a column of it and read a row.
pub(crate) trait Input {
    type Column: Array + Clone + 'static;
    type Item<'a>;
    fn get(column: &Self::Column, row: usize) -> Self::Item<'_>;
}

impl<T: ArrowPrimitiveType> Input for T {
    type Column = PrimitiveArray<T>;
    type Item<'a> = T::Native;
    #[inline(always)]
    fn get(column: &Self::Column, row: usize) -> T::Native {
        column.values()[row]
    }
}

/// Text.
pub(crate) struct Str;

impl Input for Str {
    type Column = StringViewArray;
    type Item<'a> = &'a str;
    #[inline(always)]
    fn get(column: &StringViewArray, row: usize) -> &str {
        column.value(row)
    }
}

/// Bytes.
pub(crate) struct Bytes;

impl Input for Bytes {
    type Column = BinaryViewArray;
    type Item<'a> = &'a [u8];
    #[inline(always)]
    fn get(column: &BinaryViewArray, row: usize) -> &[u8] {
        column.value(row)
    }
}

/// `UHUGEINT`.
pub(crate) struct UHuge;

impl Input for UHuge {
    type Column = FixedSizeBinaryArray;
    type Item<'a> = u128;
    #[inline(always)]
    fn get(column: &FixedSizeBinaryArray, row: usize) -> u128 {
        crate::exec::cast::uhuge::value(column, row)
    }
}

/// `UUID`.
pub(crate) struct Uuid;

impl Input for Uuid {
    type Column = FixedSizeBinaryArray;
    type Item<'a> = &'a [u8];
    #[inline(always)]
    fn get(column: &FixedSizeBinaryArray, row: usize) -> &[u8] {
        column.value(row)
    }
}

/// Booleans.
pub(crate) struct Bool;

impl Input for Bool {
    type Column = BooleanArray;
    type Item<'a> = bool;
    #[inline(always)]
    fn get(column: &BooleanArray, row: usize) -> bool {
        column.value(row)
    }
}

/// A column that has all rows, or one that stands for all.
pub(crate) struct Column<'a, T: Input> {
    array: &'a T::Column,
    mask: usize,
}

impl<'a, T: Input> Column<'a, T> {
    pub fn open(args: &'a [ArrayRef], i: usize, rows: usize) -> Result<Self> {
        let array = args.get(i).and_then(|a| a.as_any().downcast_ref::<T::Column>()).ok_or_else(|| {
            ExecError::Internal(format!(
                "argument {i} came as {:?}",
                args.get(i).map(arrow_array::Array::data_type)
            ))
        })?;
        let mask = if array.len() == rows { usize::MAX } else { 0 };
        Ok(Self { array, mask })
    }

    #[inline(always)]
    pub fn get(&self, row: usize) -> T::Item<'a> {
        T::get(self.array, row & self.mask)
    }
}

/// The arguments of one function together.
pub(crate) trait Inputs {
    type Columns<'a>;
    type Items<'a>;
    fn open(args: &[ArrayRef], rows: usize) -> Result<Self::Columns<'_>>;
    fn get<'a>(columns: &Self::Columns<'a>, row: usize) -> Self::Items<'a>;
}

macro_rules! inputs {
    ($($t:ident $i:tt),*) => {
        impl<$($t: Input + 'static),*> Inputs for ($($t,)*) {
            type Columns<'a> = ($(Column<'a, $t>,)*);
            type Items<'a> = ($($t::Item<'a>,)*);
            fn open(args: &[ArrayRef], rows: usize) -> Result<Self::Columns<'_>> {
                Ok(($(Column::<$t>::open(args, $i, rows)?,)*))
            }
            #[inline(always)]
            fn get<'a>(columns: &Self::Columns<'a>, row: usize) -> Self::Items<'a> {
                ($(columns.$i.get(row),)*)
            }
        }
    };
}

impl Inputs for () {
    type Columns<'a> = ();
    type Items<'a> = ();
    fn open(_: &[ArrayRef], _: usize) -> Result<()> {
        Ok(())
    }
    fn get<'a>((): &Self::Columns<'a>, _: usize) -> Self::Items<'a> {}
}

inputs!(A 0);
inputs!(A 0, B 1);
inputs!(A 0, B 1, C 2);
inputs!(A 0, B 1, C 2, D 3);

/// Where any argument is NULL.
pub(crate) enum Nulls {
    /// Nowhere.
    None,
    /// In some rows.
    Some(NullBuffer),
    /// In all rows: a constant is NULL.
    All,
}

/// Combines the null masks of the arguments.
pub(crate) fn nulls_of(args: &[ArrayRef], rows: usize) -> Nulls {
    let mut out: Option<NullBuffer> = None;
    for a in args {
        let nulls = a.logical_nulls().filter(|n| n.null_count() > 0);
        if let Some(n) = nulls {
            if n.null_count() == n.len() {
                return Nulls::All;
            }
            debug_assert_eq!(n.len(), rows);
            out = NullBuffer::union(out.as_ref(), Some(&n));
        }
    }
    match out {
        None => Nulls::None,
        Some(n) => Nulls::Some(n),
    }
}

/// A function from values to a primitive value; `None` is NULL.
pub(crate) fn primitive<I, O>(
    f: impl for<'a> Fn(I::Items<'a>) -> Result<Option<O::Native>> + Send + Sync + 'static,
) -> ScalarKernel
where
    I: Inputs,
    O: ArrowPrimitiveType,
{
    Box::new(move |args, ty, rows, _| {
        let mut out = PrimitiveOut::<O>::new(rows);
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let columns = I::open(args, rows)?;
        for row in 0..rows {
            if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                out.push(None);
            } else {
                out.push(f(I::get(&columns, row))?);
            }
        }
        Ok(out.finish(ty))
    })
}

/// Collects primitive values.
pub(crate) struct PrimitiveOut<O: ArrowPrimitiveType> {
    values: Vec<O::Native>,
    valid: Option<BooleanBufferBuilder>,
}

impl<O: ArrowPrimitiveType> PrimitiveOut<O> {
    pub fn new(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows), valid: None }
    }

    #[inline]
    pub fn push(&mut self, v: Option<O::Native>) {
        match (v, &mut self.valid) {
            (Some(v), None) => self.values.push(v),
            (Some(v), Some(valid)) => {
                self.values.push(v);
                valid.append(true);
            }
            (None, valid) => {
                let before = self.values.len();
                let valid = valid.get_or_insert_with(|| {
                    let mut b = BooleanBufferBuilder::new(self.values.capacity());
                    b.append_n(before, true);
                    b
                });
                valid.append(false);
                self.values.push(O::Native::default());
            }
        }
    }

    pub fn finish(self, ty: &LogicalType) -> ArrayRef {
        let nulls = self.valid.map(|mut v| NullBuffer::new(v.finish()));
        Arc::new(PrimitiveArray::<O>::new(self.values.into(), nulls).with_data_type(ty.arrow()))
    }
}

/// A function from values to a boolean; `None` is NULL.
pub(crate) fn boolean<I: Inputs>(
    f: impl for<'a> Fn(I::Items<'a>) -> Result<Option<bool>> + Send + Sync + 'static,
) -> ScalarKernel {
    Box::new(move |args, ty, rows, _| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let columns = I::open(args, rows)?;
        let mut bits = BooleanBufferBuilder::new(rows);
        let mut valid: Option<BooleanBufferBuilder> = None;
        for row in 0..rows {
            let v = if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                Some(false)
            } else {
                f(I::get(&columns, row))?
            };
            match v {
                Some(v) => bits.append(v),
                None => {
                    bits.append(false);
                    valid
                        .get_or_insert_with(|| {
                            let mut b = BooleanBufferBuilder::new(rows);
                            b.append_n(rows, true);
                            b
                        })
                        .set_bit(row, false);
                }
            }
        }
        let own = valid.map(|mut v| NullBuffer::new(v.finish()));
        let nulls = NullBuffer::union(nulls.as_ref(), own.as_ref());
        Ok(Arc::new(BooleanArray::new(bits.finish(), nulls)))
    })
}

/// A function from values to text, written to an empty buffer; `false` is NULL.
pub(crate) fn text<I: Inputs>(
    f: impl for<'a> Fn(I::Items<'a>, &mut String) -> Result<bool> + Send + Sync + 'static,
) -> ScalarKernel {
    Box::new(move |args, ty, rows, context| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let columns = I::open(args, rows)?;
        let mut out = Texts::new(rows, context);
        let mut buffer = String::new();
        for row in 0..rows {
            if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                out.push_null();
                continue;
            }
            buffer.clear();
            if f(I::get(&columns, row), &mut buffer)? {
                out.push(&buffer)?;
            } else {
                out.push_null();
            }
        }
        Ok(out.finish())
    })
}

/// A function from values to `UHUGEINT`; `None` is NULL.
pub(crate) fn uhuge<I: Inputs>(
    f: impl for<'a> Fn(I::Items<'a>) -> Result<Option<u128>> + Send + Sync + 'static,
) -> ScalarKernel {
    Box::new(move |args, ty, rows, _| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let columns = I::open(args, rows)?;
        let values = (0..rows)
            .map(|row| match &nulls {
                Some(n) if n.is_null(row) => Ok(None),
                _ => f(I::get(&columns, row)),
            })
            .collect::<Result<Vec<_>>>()?;
        crate::exec::cast::uhuge::array(values.into_iter())
    })
}

/// A function from values to bytes, written to an empty buffer; `false` is NULL.
pub(crate) fn bytes<I: Inputs>(
    f: impl for<'a> Fn(I::Items<'a>, &mut Vec<u8>) -> Result<bool> + Send + Sync + 'static,
) -> ScalarKernel {
    Box::new(move |args, ty, rows, context| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let columns = I::open(args, rows)?;
        let mut room = Room::new(context);
        let mut out = BinaryViewBuilder::with_capacity(rows);
        let mut buffer = vec![];
        for row in 0..rows {
            if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                out.append_null();
                continue;
            }
            buffer.clear();
            if f(I::get(&columns, row), &mut buffer)? {
                room.take(buffer.len())?;
                out.try_append_value(&buffer)?;
            } else {
                out.append_null();
            }
        }
        Ok(Arc::new(out.finish()))
    })
}

/// A function of one primitive that never fails: one tight loop.
pub(crate) fn unary<A, O>(f: impl Fn(A::Native) -> O::Native + Send + Sync + 'static) -> ScalarKernel
where
    A: ArrowPrimitiveType,
    O: ArrowPrimitiveType,
{
    Box::new(move |args, ty, _, _| {
        Ok(Arc::new(args[0].as_primitive::<A>().unary::<_, O>(&f).with_data_type(ty.arrow())))
    })
}

/// Applies `f` to pairs of values in one tight loop; slots of NULLs are computed too.
#[inline(always)]
pub(crate) fn zip_loop<A: Copy, B: Copy, O>(
    a: &[A],
    b: &[B],
    rows: usize,
    mut f: impl FnMut(A, B) -> O,
) -> Vec<O> {
    match (a.len() == rows, b.len() == rows) {
        (true, true) => a.iter().zip(b).map(|(x, y)| f(*x, *y)).collect(),
        (true, false) => {
            let y = b[0];
            a.iter().map(|x| f(*x, y)).collect()
        }
        (false, true) => {
            let x = a[0];
            b.iter().map(|y| f(x, *y)).collect()
        }
        (false, false) => {
            let (x, y) = (a[0], b[0]);
            (0..rows).map(|_| f(x, y)).collect()
        }
    }
}

/// A function of two primitives that never fails: one tight loop.
pub(crate) fn binary<A, B, O>(
    f: impl Fn(A::Native, B::Native) -> O::Native + Send + Sync + 'static,
) -> ScalarKernel
where
    A: ArrowPrimitiveType,
    B: ArrowPrimitiveType,
    O: ArrowPrimitiveType,
{
    Box::new(move |args, ty, rows, _| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let (a, b) = (args[0].as_primitive::<A>().values(), args[1].as_primitive::<B>().values());
        let values = zip_loop(a, b, rows, &f);
        Ok(Arc::new(PrimitiveArray::<O>::new(values.into(), nulls).with_data_type(ty.arrow())))
    })
}

/// A function of two primitives of which some pairs fail. `f` gives a value for every pair, and whether it
/// failed; the loop has no branch, and only if anything failed is the first pair at fault looked for.
pub(crate) fn checked<A, O>(
    f: impl Fn(A::Native, A::Native) -> (O::Native, bool) + Send + Sync + 'static,
    fault: impl Fn(A::Native, A::Native) -> ExecError + Send + Sync + 'static,
) -> ScalarKernel
where
    A: ArrowPrimitiveType,
    O: ArrowPrimitiveType,
{
    Box::new(move |args, ty, rows, _| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let (a, b) = (args[0].as_primitive::<A>().values(), args[1].as_primitive::<A>().values());
        let mut failed = false;
        let values = zip_loop(a, b, rows, |x, y| {
            let (v, bad) = f(x, y);
            failed |= bad;
            v
        });
        if failed {
            for row in 0..rows {
                let x = a[if a.len() == rows { row } else { 0 }];
                let y = b[if b.len() == rows { row } else { 0 }];
                if nulls.as_ref().is_none_or(|n| n.is_valid(row)) && f(x, y).1 {
                    return Err(fault(x, y));
                }
            }
        }
        Ok(Arc::new(PrimitiveArray::<O>::new(values.into(), nulls).with_data_type(ty.arrow())))
    })
}

/// A function from text and further values to a part of that text, or to a text of up to 12 bytes; `None` is NULL. Parts are
/// not copied.
pub(crate) fn slice<I: Inputs>(
    f: impl for<'a, 'b> Fn(&'a str, I::Items<'b>) -> Result<Option<&'a str>> + Send + Sync + 'static,
) -> ScalarKernel {
    Box::new(move |args, ty, rows, _| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let texts = Column::<Str>::open(args, 0, rows)?;
        let columns = I::open(&args[1..], rows)?;
        let mut out = Slices::with_capacity(texts.array, rows);
        for row in 0..rows {
            if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                out.push_null();
                continue;
            }
            match f(texts.get(row), I::get(&columns, row))? {
                Some(s) => out.push(row & texts.mask, s)?,
                None => out.push_null(),
            }
        }
        Ok(out.into_array())
    })
}

/// A function from values to a list of texts, appended to the buffer.
pub(crate) fn text_list<I: Inputs>(
    f: impl for<'a> Fn(I::Items<'a>, &mut StringViewBuilder) -> Result<()> + Send + Sync + 'static,
) -> ScalarKernel {
    text_list_or_null::<I>(move |items, out| f(items, out).map(|()| true))
}

/// As [`text_list`], where the result is NULL if the function says false.
pub(crate) fn text_list_or_null<I: Inputs>(
    f: impl for<'a> Fn(I::Items<'a>, &mut StringViewBuilder) -> Result<bool> + Send + Sync + 'static,
) -> ScalarKernel {
    Box::new(move |args, ty, rows, context| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let columns = I::open(args, rows)?;
        let mut room = Room::new(context);
        let mut out = StringViewBuilder::new();
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0i32);
        let mut valid = arrow_buffer::BooleanBufferBuilder::new(rows);
        for row in 0..rows {
            let mut known = nulls.as_ref().is_none_or(|n| n.is_valid(row));
            if known {
                let before = out.len();
                known = f(I::get(&columns, row), &mut out)?;
                room.take((out.len() - before) * size_of::<u128>())?;
            }
            valid.append(known);
            offsets.push(list_end(out.len())?);
        }
        let nulls = Some(NullBuffer::new(valid.finish())).filter(|n| n.null_count() > 0);
        crate::exec::cast::nested::list_array(
            &LogicalType::Varchar,
            arrow_buffer::OffsetBuffer::new(offsets.into()),
            Arc::new(out.finish()),
            nulls,
        )
    })
}

/// The end of a list, if the lists of one batch do not grow too long.
pub(crate) fn list_end(len: usize) -> Result<i32> {
    i32::try_from(len)
        .map_err(|_| ExecError::OutOfRange("lists of more than 2^31 elements in one batch".into()))
}

/// Something made from a constant argument, such as a compiled pattern: the last one is kept.
pub(crate) struct Cache<T>(parking_lot::Mutex<Option<(String, Arc<T>)>>);

impl<T> Cache<T> {
    pub fn new() -> Self {
        Self(parking_lot::Mutex::new(None))
    }

    /// What `make` makes of the key, or made of it last time.
    pub fn get(&self, key: &str, make: impl FnOnce(&str) -> Result<T>) -> Result<Arc<T>> {
        let mut slot = self.0.lock();
        if let Some((k, v)) = &*slot
            && k == key
        {
            return Ok(v.clone());
        }
        let made = Arc::new(make(key)?);
        *slot = Some((key.to_owned(), made.clone()));
        Ok(made)
    }
}
