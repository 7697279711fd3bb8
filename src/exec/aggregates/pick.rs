//! Aggregates that pick one row of a group: `first`, `last`, `any_value`, `arg_min`, `arg_max`.
//!
//! Within a batch only the place of the row picked last is kept; values are taken out of the batch once
//! a group at its end.

use std::any::Any;
use std::cmp::Ordering;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};

use super::fixed::{like, same};
use super::minmax::Ordered;
use super::registry::{Chosen, Maker, Registry};
use super::values::{heap_size, to_array};
use super::{GroupStates, each_of};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::error::Result;

/// Which row a group keeps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    First,
    Last,
    /// The first that is not NULL.
    Any,
}

/// Places of rows to be taken out of the current batch.
#[derive(Default)]
struct Pending {
    /// Row + 1 by group; 0 for none.
    rows: Vec<u32>,
    groups: Vec<u32>,
}

impl Pending {
    fn set(&mut self, group: usize, row: usize) {
        if self.rows[group] == 0 {
            self.groups.push(group as u32);
        }
        self.rows[group] = row as u32 + 1;
    }

    fn is_set(&self, group: usize) -> bool {
        self.rows[group] != 0
    }

    fn take(&mut self, mut f: impl FnMut(usize, usize)) {
        for g in self.groups.drain(..) {
            let row = std::mem::take(&mut self.rows[g as usize]);
            f(g as usize, row as usize - 1);
        }
    }
}

struct Pick {
    which: Which,
    ty: LogicalType,
    values: Vec<Scalar>,
    seen: Vec<bool>,
    pending: Pending,
}

impl Pick {
    fn each(&mut self, args: &[ArrayRef], rows: usize, group: impl Fn(usize) -> usize) {
        let array = &args[0];
        let nulls = array.logical_nulls();
        match self.which {
            Which::First | Which::Any => {
                let skip_nulls = self.which == Which::Any;
                for row in 0..rows {
                    let g = group(row);
                    let open = !self.seen[g] && !self.pending.is_set(g);
                    if open && (!skip_nulls || nulls.as_ref().is_none_or(|n| n.is_valid(row))) {
                        self.pending.set(g, row);
                    }
                }
            }
            Which::Last => (0..rows).for_each(|row| self.pending.set(group(row), row)),
        }
        let (values, seen, ty) = (&mut self.values, &mut self.seen, &self.ty);
        self.pending.take(|g, row| {
            values[g] =
                if *ty == LogicalType::Null { Scalar::Null } else { Scalar::from_array(array, row, ty) };
            seen[g] = true;
        });
    }
}

impl GroupStates for Pick {
    fn resize(&mut self, groups: usize) {
        if groups > self.values.len() {
            self.values.resize(groups, Scalar::Null);
            self.seen.resize(groups, false);
            self.pending.rows.resize(groups, 0);
        }
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.each(args, groups.len(), |i| groups[i] as usize);
        Ok(())
    }

    fn update_single(&mut self, args: &[ArrayRef], rows: usize) -> Result<()> {
        self.resize(1);
        self.each(args, rows, |_| 0);
        Ok(())
    }

    fn merge(&mut self, other: &mut dyn GroupStates, from: &[u32], to: &[u32]) -> Result<()> {
        let other = same::<Self>(other)?;
        for (f, t) in from.iter().zip(to) {
            let (f, t) = (*f as usize, *t as usize);
            if other.seen[f] && (!self.seen[t] || self.which == Which::Last) {
                self.values[t] = std::mem::take(&mut other.values[f]);
                self.seen[t] = true;
            }
        }
        Ok(())
    }

    fn merge_ranges(&mut self, other: &dyn GroupStates, ranges: &[Range<u32>]) -> Result<bool> {
        let other = like::<Self>(other)?;
        each_of(ranges, |group, from| {
            if other.seen[from] && (!self.seen[group] || self.which == Which::Last) {
                self.values[group] = other.values[from].clone();
                self.seen[group] = true;
            }
        });
        Ok(true)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        to_array(&self.values, &self.ty)
    }

    fn size(&self) -> usize {
        self.values.capacity() * (size_of::<Scalar>() + 5) + self.values.iter().map(heap_size).sum::<usize>()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// A key to compare rows by.
trait Key: Send + Sync + 'static {
    type Column<'a>;
    type Stored: Clone + Send + Sync + 'static;
    fn open<'a>(&self, array: &'a ArrayRef) -> Self::Column<'a>;
    fn get(&self, column: &Self::Column<'_>, row: usize) -> Self::Stored;
    fn compare(&self, column: &Self::Column<'_>, row: usize, stored: &Self::Stored) -> Ordering;
    fn order(a: &Self::Stored, b: &Self::Stored) -> Ordering;
}

struct Primitive<T>(std::marker::PhantomData<fn() -> T>);

impl<T> Key for Primitive<T>
where
    T: ArrowPrimitiveType,
    T::Native: Ordered,
{
    type Column<'a> = &'a [T::Native];
    type Stored = T::Native;
    fn open<'a>(&self, array: &'a ArrayRef) -> &'a [T::Native] {
        array.as_primitive::<T>().values()
    }
    #[inline]
    fn get(&self, column: &&[T::Native], row: usize) -> T::Native {
        column[row]
    }
    #[inline]
    fn compare(&self, column: &&[T::Native], row: usize, stored: &T::Native) -> Ordering {
        Self::order(&column[row], stored)
    }
    #[inline]
    fn order(a: &T::Native, b: &T::Native) -> Ordering {
        if a.before(*b) {
            Ordering::Less
        } else if b.before(*a) {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }
}

/// A key of any type, as a single value.
struct AnyKey(LogicalType);

impl Key for AnyKey {
    type Column<'a> = &'a ArrayRef;
    type Stored = Scalar;
    fn open<'a>(&self, array: &'a ArrayRef) -> &'a ArrayRef {
        array
    }
    fn get(&self, column: &&ArrayRef, row: usize) -> Scalar {
        Scalar::from_array(*column, row, &self.0)
    }
    fn compare(&self, column: &&ArrayRef, row: usize, stored: &Scalar) -> Ordering {
        Scalar::from_array(*column, row, &self.0).total_cmp(stored)
    }
    fn order(a: &Scalar, b: &Scalar) -> Ordering {
        a.total_cmp(b)
    }
}

/// The value where the key is least or greatest; rows with a NULL in either are left out.
struct ArgExtreme<K: Key> {
    key: K,
    ty: LogicalType,
    max: bool,
    /// Of equal keys the last row wins, not the first.
    later: bool,
    keys: Vec<Option<K::Stored>>,
    values: Vec<Scalar>,
    pending: Pending,
}

impl<K: Key> ArgExtreme<K> {
    fn wins(max: bool, later: bool, o: Ordering) -> bool {
        match o {
            Ordering::Equal => later,
            Ordering::Less => !max,
            Ordering::Greater => max,
        }
    }

    fn each(&mut self, args: &[ArrayRef], rows: usize, group: impl Fn(usize) -> usize) -> Result<()> {
        let keys_array = crate::exec::eval::flatten(&args[1])?;
        let nulls = NullBuffer::union(args[0].logical_nulls().as_ref(), keys_array.logical_nulls().as_ref())
            .filter(|n| n.null_count() > 0);
        let column = self.key.open(&keys_array);
        for row in 0..rows {
            if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                continue;
            }
            let g = group(row);
            let better = match &self.keys[g] {
                None => true,
                Some(k) => Self::wins(self.max, self.later, self.key.compare(&column, row, k)),
            };
            if better {
                self.keys[g] = Some(self.key.get(&column, row));
                self.pending.set(g, row);
            }
        }
        let (values, ty) = (&mut self.values, &self.ty);
        self.pending.take(|g, row| values[g] = Scalar::from_array(&args[0], row, ty));
        Ok(())
    }
}

impl<K: Key> GroupStates for ArgExtreme<K> {
    fn resize(&mut self, groups: usize) {
        if groups > self.values.len() {
            self.values.resize(groups, Scalar::Null);
            self.keys.resize(groups, None);
            self.pending.rows.resize(groups, 0);
        }
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.each(args, groups.len(), |i| groups[i] as usize)
    }

    fn update_single(&mut self, args: &[ArrayRef], rows: usize) -> Result<()> {
        self.resize(1);
        self.each(args, rows, |_| 0)
    }

    fn merge(&mut self, other: &mut dyn GroupStates, from: &[u32], to: &[u32]) -> Result<()> {
        let other = same::<Self>(other)?;
        for (f, t) in from.iter().zip(to) {
            let (f, t) = (*f as usize, *t as usize);
            let Some(k) = &other.keys[f] else { continue };
            let better = match &self.keys[t] {
                None => true,
                Some(own) => Self::wins(self.max, self.later, K::order(k, own)),
            };
            if better {
                self.keys[t] = Some(k.clone());
                self.values[t] = std::mem::take(&mut other.values[f]);
            }
        }
        Ok(())
    }

    fn merge_ranges(&mut self, other: &dyn GroupStates, ranges: &[Range<u32>]) -> Result<bool> {
        let other = like::<Self>(other)?;
        each_of(ranges, |group, from| {
            let Some(k) = &other.keys[from] else { return };
            let own = self.keys[group].as_ref();
            if own.is_none_or(|own| Self::wins(self.max, self.later, K::order(k, own))) {
                self.keys[group] = Some(k.clone());
                self.values[group] = other.values[from].clone();
            }
        });
        Ok(true)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        to_array(&self.values, &self.ty)
    }

    fn size(&self) -> usize {
        self.values.capacity() * (size_of::<Scalar>() + size_of::<Option<K::Stored>>() + 4)
            + self.values.iter().map(heap_size).sum::<usize>()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// States of `arg_min` and `arg_max` for types of value and key.
fn arg_extreme(value: &LogicalType, key: &LogicalType, max: bool, later: bool) -> Maker {
    let (value, key) = (value.clone(), key.clone());
    macro_rules! of {
        ($t:ty) => {
            Box::new(move || {
                Box::new(ArgExtreme {
                    key: Primitive::<$t>(std::marker::PhantomData),
                    ty: value.clone(),
                    max,
                    later,
                    keys: vec![],
                    values: vec![],
                    pending: Pending::default(),
                })
            })
        };
    }
    match key.arrow() {
        DataType::Int32 => of!(Int32Type),
        DataType::Int64 => of!(Int64Type),
        DataType::Float64 => of!(Float64Type),
        DataType::Decimal64(..) => of!(Decimal64Type),
        DataType::Decimal128(..) => of!(Decimal128Type),
        DataType::Date32 => of!(Date32Type),
        DataType::Timestamp(TimeUnit::Second, _) => of!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => of!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => of!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => of!(TimestampNanosecondType),
        _ => Box::new(move || {
            Box::new(ArgExtreme {
                key: AnyKey(key.clone()),
                ty: value.clone(),
                max,
                later,
                keys: vec![],
                values: vec![],
                pending: Pending::default(),
            })
        }),
    }
}

fn pick(ty: &LogicalType, which: Which) -> Chosen {
    let t = ty.clone();
    let states: Maker = Box::new(move || {
        Box::new(Pick { which, ty: t.clone(), values: vec![], seen: vec![], pending: Pending::default() })
    });
    Chosen::new(vec![ty.clone()], ty.clone(), states).ordered()
}

pub(super) fn register(r: &mut Registry) {
    const BY_ORDER: &[&str] = &["(T) -> T", "(T, time) -> T"];
    r.add(
        "first",
        &["arbitrary"],
        BY_ORDER,
        "Value of the first row; with a second argument, where that is least",
        "first(x)",
        |args| match args {
            [x] => Some(pick(&x.ty, Which::First)),
            [x, t] => Some(Chosen::new(
                vec![x.ty.clone(), t.ty.clone()],
                x.ty.clone(),
                arg_extreme(&x.ty, &t.ty, false, false),
            )),
            _ => None,
        },
    );
    r.add(
        "last",
        &[],
        BY_ORDER,
        "Value of the last row; with a second argument, where that is greatest",
        "last(x)",
        |args| match args {
            [x] => Some(pick(&x.ty, Which::Last)),
            [x, t] => Some(Chosen::new(
                vec![x.ty.clone(), t.ty.clone()],
                x.ty.clone(),
                arg_extreme(&x.ty, &t.ty, true, true),
            )),
            _ => None,
        },
    );
    r.add(
        "any_value",
        &[],
        &["(T) -> T"],
        "Value of the first row that is not NULL",
        "any_value(x)",
        |args| {
            let [x] = args else { return None };
            Some(pick(&x.ty, Which::Any))
        },
    );
    const ARG: &[&str] = &["(T, ANY) -> T", "(T, ANY, BIGINT) -> T[]"];
    r.add("arg_min", &["argmin", "min_by"], ARG, "Value where another is least", "arg_min(x, y)", |args| {
        arg(args, false)
    });
    r.add(
        "arg_max",
        &["argmax", "max_by"],
        ARG,
        "Value where another is greatest",
        "arg_max(x, y)",
        |args| arg(args, true),
    );
}

fn arg(args: &[crate::exec::functions::ArgInfo], max: bool) -> Option<Chosen> {
    match args {
        [x, y] => {
            let chosen = Chosen::new(
                vec![x.ty.clone(), y.ty.clone()],
                x.ty.clone(),
                arg_extreme(&x.ty, &y.ty, max, false),
            );
            // Of equal keys the first row is kept.
            Some(chosen.ordered())
        }
        [x, y, n] if n.ty.is_integer() => Some(super::gather::top(&x.ty, Some(&y.ty), max)),
        _ => None,
    }
}
