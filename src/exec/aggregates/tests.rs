//! Aggregates through their public interface.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::*;

use super::*;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;

/// Runs an aggregate over one group, the rows cut in two states that are merged.
pub(super) fn run(name: &str, args: &[(T, ArrayRef)]) -> Scalar {
    let infos: Vec<_> = args.iter().map(|(t, _)| ArgInfo::of(t.clone())).collect();
    let f = bind_aggregate(name, &infos, false).unwrap();
    let arrays: Vec<ArrayRef> = args
        .iter()
        .zip(&f.arg_types)
        .map(|((t, a), wanted)| crate::exec::cast::cast(a, t, wanted, false).unwrap())
        .collect();
    let rows = arrays.first().map_or(0, |a| a.len());
    let single = {
        let mut s = (f.new_states)();
        s.resize(1);
        s.update_single(&arrays, rows).unwrap();
        Scalar::from_array(&s.finish().unwrap(), 0, &f.return_type)
    };
    let half = rows / 2;
    let part =
        |from: usize, len: usize| -> Vec<ArrayRef> { arrays.iter().map(|a| a.slice(from, len)).collect() };
    let mut first = (f.new_states)();
    first.resize(3);
    first.update(&part(0, half), &vec![2; half]).unwrap();
    let mut second = (f.new_states)();
    second.resize(2);
    second.update(&part(half, rows - half), &vec![1; rows - half]).unwrap();
    first.merge(second.as_mut(), &[1], &[2]).unwrap();
    assert!(first.size() > 0);
    let out = first.finish().unwrap();
    assert_eq!(out.len(), 3);
    assert!(out.data_type().equals_datatype(&f.return_type.arrow()), "{name}: {}", out.data_type());
    assert_eq!(Scalar::from_array(&out, 2, &f.return_type), single, "{name}: merged and single differ");
    single
}

fn ints(v: Vec<Option<i32>>) -> (T, ArrayRef) {
    (T::Integer, Arc::new(Int32Array::from(v)))
}

fn doubles(v: Vec<f64>) -> (T, ArrayRef) {
    (T::Double, Arc::new(Float64Array::from(v)))
}

#[test]
fn sums() {
    assert_eq!(run("sum", &[ints(vec![Some(1), None, Some(i32::MAX)])]), Scalar::Int(2_147_483_648));
    assert_eq!(run("sum", &[ints(vec![])]), Scalar::Null);
    assert_eq!(run("sum", &[ints(vec![None, None])]), Scalar::Null);
    let big: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, i64::MAX, i64::MIN, 5, i64::MIN]));
    let expected = i128::from(i64::MAX) * 2 + i128::from(i64::MIN) * 2 + 5;
    assert_eq!(run("sum", &[(T::BigInt, big)]), Scalar::Int(expected));
    let big: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, u64::MAX]));
    assert_eq!(run("sum", &[(T::UBigInt, big)]), Scalar::Int(i128::from(u64::MAX) * 2));
    let many: ArrayRef = Arc::new((0..1000).map(|i| (i % 3 != 0).then_some(-i)).collect::<Int64Array>());
    let expected: i64 = (0..1000).filter(|i| i % 3 != 0).map(|i: i64| -i).sum();
    assert_eq!(run("sum", &[(T::BigInt, many)]), Scalar::Int(expected.into()));
    let many: ArrayRef =
        Arc::new((0..1000).map(|i| (i % 3 != 0).then_some(-i as i16)).collect::<Int16Array>());
    assert_eq!(run("sum", &[(T::SmallInt, many)]), Scalar::Int(expected.into()));
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]));
    assert_eq!(run("sum", &[(T::Boolean, flags)]), Scalar::Int(2));
    assert_eq!(run("sum", &[doubles(vec![0.5; 37])]), Scalar::Float(18.5));
    assert_eq!(run("avg", &[ints(vec![Some(1), None, Some(2)])]), Scalar::Float(1.5));
    let dec: ArrayRef =
        Arc::new(Decimal64Array::from(vec![150, 250]).with_precision_and_scale(10, 2).unwrap());
    let ty = T::Decimal { width: 10, scale: 2 };
    assert_eq!(run("avg", &[(ty.clone(), dec.clone())]), Scalar::Float(2.0));
    assert_eq!(run("sum", &[(ty, dec)]), Scalar::Int(400));
}

#[test]
fn a_sum_beyond_128_bits_is_an_error() {
    let f = bind_aggregate("sum", &[ArgInfo::of(T::HugeInt)], false).unwrap();
    let mut s = (f.new_states)();
    let values: ArrayRef =
        Arc::new(Decimal128Array::from(vec![i128::MAX, 1]).with_precision_and_scale(38, 0).unwrap());
    s.update_single(&[values], 2).unwrap();
    assert!(s.finish().unwrap_err().to_string().contains("Overflow"));
}

#[test]
fn extremes() {
    let nan = f64::NAN;
    assert_eq!(run("min", &[doubles(vec![nan, 1.0, -1.0])]), Scalar::Float(-1.0));
    assert_eq!(run("max", &[doubles(vec![1.0, nan, -1.0])]), Scalar::Float(nan));
    assert_eq!(run("min", &[doubles(vec![nan, nan])]), Scalar::Float(nan));
    assert_eq!(run("min", &[ints((0..100).map(Some).collect())]), Scalar::Int(0));
    assert_eq!(run("max", &[ints((0..100).map(Some).collect())]), Scalar::Int(99));
    assert_eq!(run("max", &[ints(vec![None])]), Scalar::Null);
    assert_eq!(run("min", &[ints(vec![Some(i32::MIN), Some(i32::MAX)])]), Scalar::Int(i32::MIN.into()));
    let text: ArrayRef =
        Arc::new(StringViewArray::from(vec![Some("b"), None, Some("a long text, not inline"), Some("é")]));
    assert_eq!(run("min", &[(T::Varchar, text.clone())]), Scalar::text("a long text, not inline"));
    assert_eq!(run("max", &[(T::Varchar, text)]), Scalar::text("é"));
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]));
    assert_eq!(run("bool_and", &[(T::Boolean, flags.clone())]), Scalar::Boolean(false));
    assert_eq!(run("bool_or", &[(T::Boolean, flags)]), Scalar::Boolean(true));
}

#[test]
fn counts() {
    assert_eq!(run("count", &[ints(vec![Some(1), None, Some(2)])]), Scalar::Int(2));
    let f = bind_aggregate("COUNT", &[], false).unwrap();
    let mut s = (f.new_states)();
    s.update_single(&[], 7).unwrap();
    assert_eq!(s.finish().unwrap().as_primitive::<Int64Type>().value(0), 7);
}

#[test]
fn binding_errors() {
    let e = bind_aggregate("sun", &[ArgInfo::of(T::Integer)], false).unwrap_err();
    assert!(matches!(e, BindError::Unknown(names) if names.contains(&"sum".to_owned())));
    let e = bind_aggregate("sum", &[ArgInfo::of(T::Varchar)], false).unwrap_err();
    assert!(matches!(e, BindError::NoMatch(m) if m.contains("sum(VARCHAR)")));
}
