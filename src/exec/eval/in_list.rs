//! `[NOT] IN` a list of constants.

use std::cell::RefCell;
use std::hash::{BuildHasher, Hash};
use std::rc::Rc;
use std::sync::{Arc, Weak};

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, BooleanArray, downcast_integer_array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{DataType, TimeUnit};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::{Side, Value, compare, eval, over_dictionary, scalar_array};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::expr::{CompareOp, Expr};

/// Up to this many constants are compared one by one.
const FEW: usize = 4;

/// A small open-addressing set of values of one type.
struct Set<T> {
    table: HashTable<T>,
    hasher: FixedState,
}

impl<T: Eq + Hash> Set<T> {
    fn new(values: impl Iterator<Item = T>) -> Self {
        let hasher = FixedState::with_seed(0x5eed);
        let mut table = HashTable::new();
        for v in values {
            let h = hasher.hash_one(&v);
            if table.find(h, |x| *x == v).is_none() {
                table.insert_unique(h, v, |x| hasher.hash_one(x));
            }
        }
        Self { table, hasher }
    }

    fn contains<Q: Hash + PartialEq<T> + ?Sized>(&self, v: &Q) -> bool {
        self.table.find(self.hasher.hash_one(v), |x| v == x).is_some()
    }
}

enum Members {
    Integers(Set<i64>),
    Wide(Set<i128>),
    Text(Set<Key>),
    /// Compared one by one.
    Values(Vec<Scalar>),
}

/// Bytes that hash as the slice they hold.
#[derive(PartialEq, Eq)]
struct Key(Box<[u8]>);

impl Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

#[derive(PartialEq, Eq)]
struct Probe<'a>(&'a [u8]);

impl Hash for Probe<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialEq<Key> for Probe<'_> {
    fn eq(&self, other: &Key) -> bool {
        *self.0 == *other.0
    }
}

struct Prepared {
    members: Members,
    has_null: bool,
}

fn prepare(list: &[Scalar], ty: &LogicalType) -> Prepared {
    let has_null = list.iter().any(|s| matches!(s, Scalar::Null));
    let values: Vec<&Scalar> = list.iter().filter(|s| !matches!(s, Scalar::Null)).collect();
    let ints = || values.iter().filter_map(|s| if let Scalar::Int(v) = s { Some(*v) } else { None });
    let members = if values.len() <= FEW {
        Members::Values(values.into_iter().cloned().collect())
    } else if values.iter().all(|s| matches!(s, Scalar::Int(_))) {
        if matches!(ty.arrow(), DataType::Decimal128(..)) || ints().any(|v| i64::try_from(v).is_err()) {
            Members::Wide(Set::new(ints()))
        } else {
            Members::Integers(Set::new(ints().map(|v| v as i64)))
        }
    } else if values.iter().all(|s| matches!(s, Scalar::Text(_))) {
        let text = values.iter().filter_map(|s| match s {
            Scalar::Text(t) => Some(Key(t.as_bytes().into())),
            _ => None,
        });
        Members::Text(Set::new(text))
    } else {
        Members::Values(values.into_iter().cloned().collect())
    };
    Prepared { members, has_null }
}

thread_local! {
    // Lists prepared lately by this thread. The weak reference keeps the allocation of a list, so that
    // its address names it for as long as the entry lives.
    static PREPARED: RefCell<Vec<(Weak<[Scalar]>, LogicalType, Rc<Prepared>)>> = const { RefCell::new(vec![]) };
}

fn prepared(list: &Arc<[Scalar]>, ty: &LogicalType) -> Rc<Prepared> {
    if list.len() <= FEW {
        return Rc::new(prepare(list, ty));
    }
    PREPARED.with_borrow_mut(|cache| {
        let address = Arc::as_ptr(list).cast::<Scalar>();
        if let Some((_, _, p)) =
            cache.iter().find(|(w, t, _)| std::ptr::eq(w.as_ptr().cast::<Scalar>(), address) && t == ty)
        {
            return p.clone();
        }
        cache.retain(|(w, _, _)| w.strong_count() > 0);
        if cache.len() >= 8 {
            cache.remove(0);
        }
        let p = Rc::new(prepare(list, ty));
        cache.push((Arc::downgrade(list), ty.clone(), p.clone()));
        p
    })
}

#[inline(never)]
pub(super) fn eval_in_list(
    input: &Expr,
    list: &Arc<[Scalar]>,
    negated: bool,
    batch: &Batch,
    context: &ExecContext,
) -> Result<Value> {
    let ty = input.ty();
    let mut value = eval(input, batch, context)?;
    let prepared = prepared(list, &ty);
    if value.is_dictionary() {
        if let Some(done) = over_dictionary(&value.array, |v| contains(v, &prepared, negated, &ty)) {
            return Ok(Value::rows(done?));
        }
        value.flatten()?;
    }
    Ok(Value { array: contains(&value.array, &prepared, negated, &ty)?, constant: value.constant })
}

fn contains(array: &ArrayRef, prepared: &Prepared, negated: bool, ty: &LogicalType) -> Result<ArrayRef> {
    let len = array.len();
    let found = match &prepared.members {
        Members::Values(values) => {
            let mut found = BooleanBuffer::new_unset(len);
            for v in values {
                let constant = scalar_array(v, ty, 1)?;
                let equal = compare(
                    CompareOp::Eq,
                    Side { array, constant: false },
                    Side { array: &constant, constant: true },
                    len,
                )?;
                found = &found | equal.as_boolean().values();
            }
            found
        }
        Members::Integers(set) => integers(array, |v| set.contains(&v)),
        Members::Wide(set) => match array.data_type() {
            DataType::Decimal128(..) => {
                let values = array.as_primitive::<Decimal128Type>().values();
                BooleanBuffer::collect_bool(len, |i| set.contains(&values[i]))
            }
            DataType::UInt64 => {
                let values = array.as_primitive::<UInt64Type>().values();
                BooleanBuffer::collect_bool(len, |i| set.contains(&i128::from(values[i])))
            }
            _ => integers(array, |v| set.contains(&i128::from(v))),
        },
        Members::Text(set) => {
            let values = array.as_string_view();
            BooleanBuffer::collect_bool(len, |i| set.contains(&Probe(values.value(i).as_bytes())))
        }
    };
    let nulls = array.logical_nulls();
    let found = match &nulls {
        Some(n) => &found & n.inner(),
        None => found,
    };
    // x IN (.., NULL) is NULL unless x was found.
    let nulls = if prepared.has_null { Some(NullBuffer::new(found.clone())) } else { nulls };
    let bits = if negated { !&found } else { found };
    Ok(Arc::new(BooleanArray::new(bits, nulls)))
}

fn integers(array: &ArrayRef, contains: impl Fn(i64) -> bool) -> BooleanBuffer {
    macro_rules! by {
        ($t:ty) => {{
            let values = array.as_primitive::<$t>().values();
            BooleanBuffer::collect_bool(values.len(), |i| contains(values[i] as i64))
        }};
    }
    downcast_integer_array! {
        array => {
            let values = array.values();
            BooleanBuffer::collect_bool(values.len(), |i| contains(values[i] as i64))
        },
        DataType::Decimal64(..) => by!(Decimal64Type),
        DataType::Date32 => by!(Date32Type),
        DataType::Time64(TimeUnit::Microsecond) => by!(Time64MicrosecondType),
        DataType::Time64(TimeUnit::Nanosecond) => by!(Time64NanosecondType),
        DataType::Timestamp(TimeUnit::Second, _) => by!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => by!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => by!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => by!(TimestampNanosecondType),
        DataType::Decimal128(..) => {
            let values = array.as_primitive::<Decimal128Type>().values();
            BooleanBuffer::collect_bool(values.len(), |i| i64::try_from(values[i]).is_ok_and(&contains))
        }
        _ => BooleanBuffer::new_unset(array.len()),
    }
}
