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

/// What NULL means to `arg_min` and `arg_max`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    /// Rows with a NULL in value or key are left out.
    Skipped,
    /// A NULL may be the value.
    Values,
    /// That, and a row with a NULL as its key is taken where there is no other.
    KeysLast,
}

/// Which row `arg_min` and its kin take.
#[derive(Clone, Copy)]
struct Choice {
    max: bool,
    /// Of equal keys the last row wins, not the first.
    later: bool,
    nulls: Nulls,
}

impl Choice {
    fn first(max: bool, nulls: Nulls) -> Self {
        Self { max, later: false, nulls }
    }

    fn wins(self, o: Ordering) -> bool {
        match o {
            Ordering::Equal => self.later,
            Ordering::Less => !self.max,
            Ordering::Greater => self.max,
        }
    }
}

/// The value where the key is least or greatest.
struct ArgExtreme<K: Key> {
    key: K,
    ty: LogicalType,
    choice: Choice,
    keys: Vec<Option<K::Stored>>,
    /// Whether there is a value; it may be one whose key is NULL.
    seen: Vec<bool>,
    values: Vec<Scalar>,
    pending: Pending,
}

impl<K: Key> ArgExtreme<K> {
    fn new(key: K, ty: LogicalType, choice: Choice) -> Self {
        Self { key, ty, choice, keys: vec![], seen: vec![], values: vec![], pending: Pending::default() }
    }

    fn each(&mut self, args: &[ArrayRef], rows: usize, group: impl Fn(usize) -> usize) -> Result<()> {
        let keys_array = crate::exec::eval::flatten(&args[1])?;
        let null_keys = keys_array.logical_nulls().filter(|n| n.null_count() > 0);
        let null_values = match self.choice.nulls {
            Nulls::Skipped => args[0].logical_nulls().filter(|n| n.null_count() > 0),
            Nulls::Values | Nulls::KeysLast => None,
        };
        let column = self.key.open(&keys_array);
        let is_null = |nulls: &Option<NullBuffer>, row| nulls.as_ref().is_some_and(|n| n.is_null(row));
        for row in 0..rows {
            if is_null(&null_values, row) {
                continue;
            }
            let g = group(row);
            if is_null(&null_keys, row) {
                if self.choice.nulls == Nulls::KeysLast && !self.seen[g] {
                    self.seen[g] = true;
                    self.pending.set(g, row);
                }
                continue;
            }
            let better = match &self.keys[g] {
                None => true,
                Some(k) => self.choice.wins(self.key.compare(&column, row, k)),
            };
            if better {
                self.keys[g] = Some(self.key.get(&column, row));
                self.seen[g] = true;
                self.pending.set(g, row);
            }
        }
        let (values, ty) = (&mut self.values, &self.ty);
        self.pending.take(|g, row| {
            values[g] =
                if *ty == LogicalType::Null { Scalar::Null } else { Scalar::from_array(&args[0], row, ty) };
        });
        Ok(())
    }

    /// Whether the row of another state's group is to take the place of the one here.
    fn yields_to(&self, group: usize, other: &Self, from: usize) -> bool {
        match (&other.keys[from], &self.keys[group]) {
            (Some(theirs), Some(own)) => self.choice.wins(K::order(theirs, own)),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => other.seen[from] && !self.seen[group],
        }
    }
}

impl<K: Key> GroupStates for ArgExtreme<K> {
    fn resize(&mut self, groups: usize) {
        if groups > self.values.len() {
            self.values.resize(groups, Scalar::Null);
            self.keys.resize(groups, None);
            self.seen.resize(groups, false);
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
            if self.yields_to(t, other, f) {
                self.keys[t] = other.keys[f].take();
                self.seen[t] = true;
                self.values[t] = std::mem::take(&mut other.values[f]);
            }
        }
        Ok(())
    }

    fn merge_ranges(&mut self, other: &dyn GroupStates, ranges: &[Range<u32>]) -> Result<bool> {
        let other = like::<Self>(other)?;
        each_of(ranges, |group, from| {
            if self.yields_to(group, other, from) {
                self.keys[group].clone_from(&other.keys[from]);
                self.seen[group] = true;
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
fn arg_extreme(value: &LogicalType, key: &LogicalType, choice: Choice) -> Maker {
    let (value, key) = (value.clone(), key.clone());
    macro_rules! of {
        ($t:ty) => {
            Box::new(move || {
                Box::new(ArgExtreme::new(Primitive::<$t>(std::marker::PhantomData), value.clone(), choice))
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
        _ => Box::new(move || Box::new(ArgExtreme::new(AnyKey(key.clone()), value.clone(), choice))),
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
                arg_extreme(&x.ty, &t.ty, Choice::first(false, Nulls::Skipped)),
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
                arg_extreme(&x.ty, &t.ty, Choice { max: true, later: true, nulls: Nulls::Skipped }),
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
        arg(args, false, Nulls::Skipped)
    });
    r.add(
        "arg_max",
        &["argmax", "max_by"],
        ARG,
        "Value where another is greatest",
        "arg_max(x, y)",
        |args| arg(args, true, Nulls::Skipped),
    );
    r.add(
        "arg_min_null",
        &[],
        &ARG[..1],
        "Value, be it NULL, where another is least",
        "arg_min_null(x, y)",
        |args| arg(args, false, Nulls::Values),
    );
    r.add(
        "arg_max_null",
        &[],
        &ARG[..1],
        "Value, be it NULL, where another is greatest",
        "arg_max_null(x, y)",
        |args| arg(args, true, Nulls::Values),
    );
    r.add(
        "arg_min_nulls_last",
        &[],
        ARG,
        "Value, be it NULL, where another is least; where that is NULL, if it is nothing else",
        "arg_min_nulls_last(x, y)",
        |args| arg(args, false, Nulls::KeysLast),
    );
    r.add(
        "arg_max_nulls_last",
        &[],
        ARG,
        "Value, be it NULL, where another is greatest; where that is NULL, if it is nothing else",
        "arg_max_nulls_last(x, y)",
        |args| arg(args, true, Nulls::KeysLast),
    );
}

fn arg(args: &[crate::exec::functions::ArgInfo], max: bool, nulls: Nulls) -> Option<Chosen> {
    match args {
        [x, y] => {
            let chosen = Chosen::new(
                vec![x.ty.clone(), y.ty.clone()],
                x.ty.clone(),
                arg_extreme(&x.ty, &y.ty, Choice::first(max, nulls)),
            );
            // Of equal keys the first row is kept.
            Some(chosen.ordered())
        }
        [x, y, n] if n.ty.is_integer() => match nulls {
            Nulls::Skipped => Some(super::gather::top(&x.ty, Some(&y.ty), max)),
            Nulls::Values => None,
            Nulls::KeysLast => Some(super::gather::top_with_nulls(&x.ty, &y.ty, max)),
        },
        _ => None,
    }
}
