//! Aggregates over all values of a group: weighted means, bit strings, histograms over bins, the most frequent
//! values, JSON.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, FixedSizeBinaryBuilder, StringViewBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, Float64Array, UInt32Array};
use arrow_buffer::OffsetBuffer;

use super::gather::{ASCENDING, Grouped, gather, item, non_empty, offsets_i32, runs};
use super::registry::{Chosen, Registry};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::calendar::MICROS_PER_DAY;
use crate::exec::cast::bignum::{self, BigNum};
use crate::exec::cast::bits;
use crate::exec::cast::nested::{list_array, map_array, struct_array};
use crate::exec::cast::text::Writer;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::ArgInfo;

/// Sum of products over the sum of weights; rows without a value or weight do not count.
fn weighted_mean(g: &Grouped, _: &LogicalType) -> Result<ArrayRef> {
    let (values, weights) =
        (g.columns[0].as_primitive::<Float64Type>(), g.columns[1].as_primitive::<Float64Type>());
    let out: Float64Array = g
        .offsets
        .windows(2)
        .map(|w| {
            let rows = (w[0]..w[1]).filter(|i| values.is_valid(*i) && weights.is_valid(*i));
            let mut any = false;
            let (sum, weight) = rows.fold((0.0, 0.0), |(s, n), i| {
                any = true;
                (s + values.value(i) * weights.value(i), n + weights.value(i))
            });
            any.then(|| sum / weight)
        })
        .collect();
    Ok(Arc::new(out))
}

/// The longest bit string that is made.
const BITS_MAX: i128 = 1 << 30;

/// Bit `x - min` is set for every value `x`.
fn bit_string(g: &Grouped, _: &LogicalType) -> Result<ArrayRef> {
    let column = |i: usize| g.columns[i].as_primitive::<Decimal128Type>();
    let (values, least, greatest) = (column(0), column(1), column(2));
    let mut out = BinaryViewBuilder::with_capacity(g.offsets.len());
    for w in g.offsets.windows(2) {
        if w[0] == w[1] {
            out.append_null();
            continue;
        }
        let (min, max) = (least.value(w[0]), greatest.value(w[0]));
        let length =
            max.checked_sub(min).and_then(|n| n.checked_add(1)).filter(|n| (1..=BITS_MAX).contains(n));
        let Some(length) = length else {
            return Err(ExecError::OutOfRange(format!(
                "The range between min and max value ({min} <-> {max}) is too large for bitstring aggregation"
            )));
        };
        let mut set = vec![false; length as usize];
        for i in w[0]..w[1] {
            let v = values.value(i);
            if v < min || v > max {
                return Err(ExecError::OutOfRange(format!(
                    "Value {v} is outside of provided min and max range ({min} <-> {max})"
                )));
            }
            set[(v - min) as usize] = true;
        }
        let mut packed = vec![];
        bits::pack(set.into_iter(), &mut packed);
        out.try_append_value(&packed)?;
    }
    Ok(Arc::new(out.finish()))
}

/// The values that come most often, the first of them first; among equals the one that came first.
fn most_frequent(g: &Grouped, ret: &LogicalType) -> Result<ArrayRef> {
    let compare = super::gather::comparator(&g.columns[0])?;
    let wanted = g.columns[1].as_primitive::<Int64Type>();
    let (mut places, mut offsets): (Vec<u32>, _) = (vec![], vec![0]);
    for w in g.offsets.windows(2) {
        if w[0] < w[1] {
            let k = usize::try_from(wanted.value(w[0])).ok().filter(|k| *k > 0 && wanted.is_valid(w[0]));
            let Some(k) = k else {
                return Err(ExecError::InvalidInput(
                    "Invalid input for approx_top_k: k value must be > 0".into(),
                ));
            };
            let mut found = runs(w[0]..w[1], &compare);
            found.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
            places.extend(found.into_iter().take(k).map(|(row, _)| row as u32));
        }
        offsets.push(places.len());
    }
    let values = arrow_select::take::take(&g.columns[0], &UInt32Array::from(places), None)?;
    list_array(&item(ret), offsets_i32(&offsets)?, values, non_empty(&g.offsets))
}

/// How many values each bin has: those that are equal to its end, or up to it from the end before.
fn binned(g: &Grouped, ret: &LogicalType, exact: bool) -> Result<ArrayRef> {
    let LogicalType::Map(key, value) = ret else {
        return Err(ExecError::Internal("a histogram is a map".into()));
    };
    let bins = g.columns[1].as_list::<i32>();
    let rest = other_bin(key)?;
    // Ends of bins, and the bin of what lies beyond them at the end.
    let ends = bins.values();
    let all = match &rest {
        Some(rest) => arrow_select::concat::concat(&[ends.as_ref(), rest.as_ref()])?,
        None => ends.clone(),
    };
    let compare = arrow_ord::ord::make_comparator(&g.columns[0], ends, ASCENDING)?;
    let order = super::gather::comparator(ends)?;
    let (mut keys, mut counts, mut offsets): (Vec<u32>, Vec<u64>, _) = (vec![], vec![], vec![0]);
    for w in g.offsets.windows(2) {
        if w[0] < w[1] {
            if bins.is_null(w[0]) {
                return Err(ExecError::InvalidInput("Histogram bin list cannot be NULL".into()));
            }
            let range = bins.value_offsets()[w[0]] as usize..bins.value_offsets()[w[0] + 1] as usize;
            let mut own: Vec<usize> = range.collect();
            own.sort_by(|a, b| order(*a, *b));
            own.dedup_by(|a, b| order(*a, *b) == Ordering::Equal);
            let mut found = vec![0u64; own.len() + 1];
            for row in w[0]..w[1] {
                let at = own.partition_point(|end| compare(row, *end) == Ordering::Greater);
                let hit = !exact || own.get(at).is_some_and(|end| compare(row, *end) == Ordering::Equal);
                found[if hit { at } else { own.len() }] += 1;
            }
            keys.extend(own.iter().map(|end| *end as u32));
            counts.extend(&found[..own.len()]);
            if rest.is_some() && found[own.len()] > 0 {
                keys.push(ends.len() as u32);
                counts.push(found[own.len()]);
            }
        }
        offsets.push(keys.len());
    }
    debug_assert_eq!(**value, LogicalType::UBigInt);
    let keys = arrow_select::take::take(&all, &UInt32Array::from(keys), None)?;
    let counts = Arc::new(arrow_array::UInt64Array::from(counts));
    let offsets: OffsetBuffer<i32> = offsets_i32(&offsets)?;
    map_array(ret, offsets, keys, counts, non_empty(&g.offsets))
}

fn histogram_bins(g: &Grouped, ret: &LogicalType) -> Result<ArrayRef> {
    binned(g, ret, false)
}

fn histogram_exact(g: &Grouped, ret: &LogicalType) -> Result<ArrayRef> {
    binned(g, ret, true)
}

/// The key of the bin of what lies in no other, in an array of one: the greatest value there is, or an empty one. Types
/// whose values are all alike have none.
pub(crate) fn other_bin(ty: &LogicalType) -> Result<Option<ArrayRef>> {
    let scalar = match ty {
        LogicalType::UHugeInt => Scalar::Bytes([u8::MAX; 16][..].into()),
        t if t.is_integer() => Scalar::Int(t.integer_range().map_or(0, |(_, max)| max)),
        t if t.is_float() => Scalar::Float(f64::INFINITY),
        LogicalType::Date => Scalar::Int(i32::MAX.into()),
        LogicalType::Time => Scalar::Int(MICROS_PER_DAY.into()),
        LogicalType::Timestamp(_) | LogicalType::TimestampTz => Scalar::Int(i64::MAX.into()),
        LogicalType::Varchar => Scalar::text(""),
        LogicalType::Blob => Scalar::Bytes([][..].into()),
        LogicalType::List(item) => {
            let values = arrow_array::new_empty_array(&item.arrow());
            return Ok(Some(list_array(item, OffsetBuffer::from_lengths([0]), values, None)?));
        }
        LogicalType::Struct(fields) => {
            let columns = fields.iter().map(|(_, ty)| arrow_array::new_null_array(&ty.arrow(), 1)).collect();
            return Ok(Some(struct_array(ty, columns, None, 1)?));
        }
        _ => return Ok(None),
    };
    scalar.to_array(ty, 1).map(Some).map_err(|e| ExecError::Internal(e.to_string()))
}

fn bins(args: &[ArgInfo], finish: fn(&Grouped, &LogicalType) -> Result<ArrayRef>) -> Option<Chosen> {
    let [value, ends] = args else { return None };
    if !matches!(ends.ty, LogicalType::List(_) | LogicalType::Array(..)) {
        return None;
    }
    let key = match &value.ty {
        LogicalType::Decimal { .. } => LogicalType::Double,
        ty => ty.clone(),
    };
    let types = vec![key.clone(), LogicalType::List(Box::new(key.clone()))];
    let ret = LogicalType::Map(Box::new(key), Box::new(LogicalType::UBigInt));
    Some(gather(types, ret, true, finish))
}

/// All values as a JSON array, or pairs as an object.
fn json(g: &Grouped, types: &[LogicalType], object: bool) -> Result<ArrayRef> {
    let writers = g.columns.iter().zip(types).map(|(c, t)| Writer::new(c, t)).collect::<Result<Vec<_>>>()?;
    let mut out = StringViewBuilder::with_capacity(g.offsets.len());
    let mut text = String::new();
    for w in g.offsets.windows(2) {
        if w[0] == w[1] {
            out.append_null();
            continue;
        }
        text.clear();
        text.push(if object { '{' } else { '[' });
        for row in w[0]..w[1] {
            if row > w[0] {
                text.push(',');
            }
            if object {
                let mut key = String::new();
                if writers[0].is_null(row) {
                    return Err(ExecError::InvalidInput("json_group_object: a key is NULL".into()));
                }
                writers[0].write(row, &mut key);
                crate::exec::cast::text::json_string(&key, &mut text);
                text.push(':');
            }
            writers[writers.len() - 1].write_sql_json(row, &mut text);
        }
        text.push(if object { '}' } else { ']' });
        out.try_append_value(&text)?;
    }
    Ok(Arc::new(out.finish()))
}

fn json_array(g: &Grouped, _: &LogicalType) -> Result<ArrayRef> {
    json(g, &[LogicalType::Json], false)
}

fn json_texts(g: &Grouped, _: &LogicalType) -> Result<ArrayRef> {
    json(g, &[LogicalType::Varchar], false)
}

fn json_object_of_texts(g: &Grouped, _: &LogicalType) -> Result<ArrayRef> {
    json(g, &[LogicalType::Varchar, LogicalType::Varchar], true)
}

fn json_object(g: &Grouped, _: &LogicalType) -> Result<ArrayRef> {
    json(g, &[LogicalType::Varchar, LogicalType::Json], true)
}

/// Bit strings of one length, combined bit by bit.
fn combined(g: &Grouped, f: fn(bool, bool) -> bool) -> Result<ArrayRef> {
    let values = g.columns[0].as_binary_view();
    let mut out = BinaryViewBuilder::with_capacity(g.offsets.len());
    for w in g.offsets.windows(2) {
        if w[0] == w[1] {
            out.append_null();
            continue;
        }
        let mut all: Vec<bool> = bits::iter(values.value(w[0])).collect();
        for row in w[0] + 1..w[1] {
            let next = values.value(row);
            if bits::length(next) != all.len() {
                return Err(ExecError::InvalidInput("Cannot combine bit strings of different sizes".into()));
            }
            for (a, b) in all.iter_mut().zip(bits::iter(next)) {
                *a = f(*a, b);
            }
        }
        let mut packed = vec![];
        bits::pack(all.into_iter(), &mut packed);
        out.try_append_value(&packed)?;
    }
    Ok(Arc::new(out.finish()))
}

/// Values of `UHUGEINT`, combined byte by byte.
fn combined_bytes(g: &Grouped, f: fn(u8, u8) -> u8) -> Result<ArrayRef> {
    let values = g.columns[0].as_fixed_size_binary();
    let mut out = FixedSizeBinaryBuilder::with_capacity(g.offsets.len(), values.value_length());
    for w in g.offsets.windows(2) {
        if w[0] == w[1] {
            out.append_null();
            continue;
        }
        let mut all = values.value(w[0]).to_vec();
        for row in w[0] + 1..w[1] {
            all.iter_mut().zip(values.value(row)).for_each(|(a, b)| *a = f(*a, *b));
        }
        out.append_value(all)?;
    }
    Ok(Arc::new(out.finish()))
}

/// `bit_and`, `bit_or` and `bit_xor` of bit strings, or of `UHUGEINT`, for which Arrow has no numbers.
pub(super) fn bitwise(name: &str, ty: &LogicalType) -> Chosen {
    let finish: fn(&Grouped, &LogicalType) -> Result<ArrayRef> = match (name, ty) {
        ("bit_and", LogicalType::UHugeInt) => |g, _| combined_bytes(g, |a, b| a & b),
        ("bit_or", LogicalType::UHugeInt) => |g, _| combined_bytes(g, |a, b| a | b),
        (_, LogicalType::UHugeInt) => |g, _| combined_bytes(g, |a, b| a ^ b),
        ("bit_and", _) => |g, _| combined(g, |a, b| a & b),
        ("bit_or", _) => |g, _| combined(g, |a, b| a | b),
        _ => |g, _| combined(g, |a, b| a ^ b),
    };
    gather(vec![ty.clone()], ty.clone(), true, finish)
}

/// Sums of `BIGNUM`.
pub(super) fn bignum_sum(g: &Grouped, _: &LogicalType) -> Result<ArrayRef> {
    let values = g.columns[0].as_binary_view();
    let sums = g.offsets.windows(2).map(|w| {
        let numbers = (w[0]..w[1]).map(|row| BigNum::decode(values.value(row)));
        Ok(numbers.reduce(|sum, v| sum.plus(&v)))
    });
    bignum::array(sums)
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    r.add(
        "weighted_avg",
        &["wavg"],
        &["(DOUBLE, DOUBLE) -> DOUBLE"],
        "Mean of values, each with a weight",
        "weighted_avg(x, weight)",
        |args| {
            let [x, w] = args else { return None };
            let number = |a: &ArgInfo| a.ty.is_numeric() || a.ty == T::Null;
            (number(x) && number(w))
                .then(|| gather(vec![T::Double, T::Double], T::Double, true, weighted_mean))
        },
    );
    r.add(
        "bitstring_agg",
        &[],
        &["(integer) -> BIT", "(integer, integer, integer) -> BIT"],
        "Bits that say which values from min to max occur; without them from the least to the greatest value",
        "bitstring_agg(x, 1, 42)",
        |args| {
            (args.len() == 3 && args.iter().all(|a| a.ty.is_integer()))
                .then(|| gather(vec![T::HugeInt, T::HugeInt, T::HugeInt], T::Bit, true, bit_string))
        },
    );
    r.add(
        "approx_top_k",
        &[],
        &["(T, BIGINT) -> T[]"],
        "The k most frequent values; exact",
        "approx_top_k(x, 5)",
        |args| {
            let [x, k] = args else { return None };
            let ret = T::List(Box::new(x.ty.clone()));
            k.ty.is_integer()
                .then(|| gather(vec![x.ty.clone(), T::BigInt], ret, true, most_frequent).ordered())
        },
    );
    r.add(
        "histogram_exact",
        &[],
        &["(T, T[]) -> MAP(T, UBIGINT)"],
        "How often each of some values occurs, and all others together",
        "histogram_exact(x, [0, 1, 2])",
        |args| bins(args, histogram_exact),
    );
    r.add(
        "json_group_array",
        &["json_agg", "jsonb_agg"],
        &["(ANY) -> JSON"],
        "All values as a JSON array",
        "json_group_array(x)",
        |args| {
            let [x] = args else { return None };
            // A text becomes a JSON string; all else is cast.
            Some(if x.ty == T::Varchar {
                gather(vec![T::Varchar], T::Json, false, json_texts).ordered()
            } else {
                gather(vec![T::Json], T::Json, false, json_array).ordered()
            })
        },
    );
    r.add(
        "json_group_object",
        &["json_object_agg", "jsonb_object_agg"],
        &["(ANY, ANY) -> JSON"],
        "Keys and values as a JSON object",
        "json_group_object(k, v)",
        |args| {
            let [_, x] = args else { return None };
            Some(if x.ty == T::Varchar {
                gather(vec![T::Varchar, T::Varchar], T::Json, false, json_object_of_texts).ordered()
            } else {
                gather(vec![T::Varchar, T::Json], T::Json, false, json_object).ordered()
            })
        },
    );
}

/// `histogram` of given ends of bins.
pub(super) fn histogram_of_bins(args: &[ArgInfo]) -> Option<Chosen> {
    bins(args, histogram_bins)
}
