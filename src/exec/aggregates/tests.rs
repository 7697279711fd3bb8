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
    let rows = arrays.first().map_or(0, arrow_array::Array::len);
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
    assert!(rows == 0 || args[0].1.null_count() == rows || first.size() > 0);
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

fn texts(v: Vec<Option<&str>>) -> (T, ArrayRef) {
    (T::Varchar, Arc::new(StringViewArray::from(v)))
}

fn float(s: Scalar) -> f64 {
    match s {
        Scalar::Float(f) => f,
        other => panic!("{other:?} is no float"),
    }
}

#[test]
fn statistics() {
    let x = || ints(vec![Some(1), Some(2), None, Some(3), Some(10)]);
    let close = |name: &str, v: f64| {
        let got = float(run_loose(name, &[x()]));
        assert!((got - v).abs() < 1e-9, "{name}: {got}");
    };
    close("stddev", 4.082_482_904_638_63);
    close("var_pop", 12.5);
    close("skewness", 1.763_632_614_803_888);
    close("kurtosis", 3.228);
    close("kurtosis_pop", -0.769_6);
    close("sem", 1.767_766_952_966_368_9);
    close("geomean", 2.783_157_683_713_741);
    close("product", 60.0);
    close("entropy", 2.0);
    close("mad", 1.0);
    assert_eq!(run("stddev", &[ints(vec![Some(1)])]), Scalar::Null);
    assert_eq!(run("stddev_pop", &[ints(vec![Some(1)])]), Scalar::Float(0.0));
    assert_eq!(run("bit_xor", &[ints(vec![Some(1), Some(3), None])]), Scalar::Int(2));
    assert_eq!(run("bit_and", &[ints(vec![Some(1), Some(3), None])]), Scalar::Int(1));
    let (y, x) = (doubles(vec![1.0, 2.0, 3.0]), doubles(vec![2.0, 3.0, 5.0]));
    let pair = |name: &str| float(run_loose(name, &[x.clone(), y.clone()]));
    assert!((pair("corr") - 0.981_980_506_061_965_9).abs() < 1e-12);
    assert!((pair("regr_slope") - 1.5).abs() < 1e-12);
    assert!((pair("regr_intercept") - 1.0 / 3.0).abs() < 1e-12);
    assert!((pair("covar_samp") - 1.5).abs() < 1e-12);
}

/// [`run`] for results that rounding may tell apart.
fn run_loose(name: &str, args: &[(T, ArrayRef)]) -> Scalar {
    let infos: Vec<_> = args.iter().map(|(t, _)| ArgInfo::of(t.clone())).collect();
    let f = bind_aggregate(name, &infos, false).unwrap();
    let arrays: Vec<ArrayRef> = args
        .iter()
        .zip(&f.arg_types)
        .map(|((t, a), wanted)| crate::exec::cast::cast(a, t, wanted, false).unwrap())
        .collect();
    let rows = arrays[0].len();
    let part =
        |from: usize, len: usize| -> Vec<ArrayRef> { arrays.iter().map(|a| a.slice(from, len)).collect() };
    let (mut a, mut b) = ((f.new_states)(), (f.new_states)());
    a.update_single(&part(0, 2), 2).unwrap();
    b.resize(1);
    b.update(&part(2, rows - 2), &vec![0; rows - 2]).unwrap();
    a.merge(b.as_mut(), &[0], &[0]).unwrap();
    Scalar::from_array(&a.finish().unwrap(), 0, &f.return_type)
}

#[test]
fn picks() {
    let x = || texts(vec![Some("a"), None, Some("b"), None]);
    assert_eq!(run("first", &[x()]), Scalar::text("a"));
    assert_eq!(run("last", &[x()]), Scalar::Null);
    assert_eq!(run("any_value", &[texts(vec![None, Some("z"), Some("b")])]), Scalar::text("z"));
    let y = || ints(vec![Some(2), Some(9), Some(1), None]);
    assert_eq!(run("arg_min", &[x(), y()]), Scalar::text("b"));
    assert_eq!(run("arg_max", &[x(), y()]), Scalar::text("a"));
    assert_eq!(run("last", &[x(), y()]), Scalar::text("a"));
    assert_eq!(run("arg_max", &[y(), texts(vec![Some("q"), Some("z"), None, None])]), Scalar::Int(9));
    assert_eq!(run("first", &[ints(vec![])]), Scalar::Null);
}

fn shown(name: &str, args: &[(T, ArrayRef)]) -> String {
    let infos: Vec<_> = args.iter().map(|(t, _)| ArgInfo::of(t.clone())).collect();
    let ty = bind_aggregate(name, &infos, false).unwrap().return_type.clone();
    let array = run(name, args).to_array(&ty, 1).unwrap();
    let mut text = String::new();
    crate::exec::cast::text::write_value(&array, 0, &ty, &mut text).unwrap();
    text
}

#[test]
fn gathered() {
    assert_eq!(shown("list", &[ints(vec![Some(1), None, Some(2)])]), "[1, NULL, 2]");
    assert_eq!(run("list", &[ints(vec![])]), Scalar::Null);
    let s = || texts(vec![Some("a"), None, Some("b")]);
    assert_eq!(run("string_agg", &[s()]), Scalar::text("a,b"));
    assert_eq!(run("string_agg", &[s(), texts(vec![Some("; "); 3])]), Scalar::text("a; b"));
    assert_eq!(run("mode", &[texts(vec![Some("a"), Some("b"), Some("b")])]), Scalar::text("b"));
    assert_eq!(shown("histogram", &[ints(vec![Some(2), Some(1), Some(2)])]), "{1=1, 2=2}");
    let n = |v: i32, len: usize| (T::Integer, Arc::new(Int32Array::from(vec![v; len])) as ArrayRef);
    assert_eq!(shown("max", &[ints(vec![Some(1), Some(5), None, Some(3)]), n(2, 4)]), "[5, 3]");
    assert_eq!(shown("arg_min", &[s(), ints(vec![Some(3), Some(2), Some(1)]), n(2, 3)]), "[b, a]");
}

#[test]
fn quantiles() {
    let x = || ints(vec![Some(4), Some(1), None, Some(3), Some(2)]);
    let q = |v: f64| doubles(vec![v; 5]);
    assert_eq!(run("median", &[x()]), Scalar::Float(2.5));
    assert_eq!(run("quantile_cont", &[x(), q(0.5)]), Scalar::Float(2.5));
    assert_eq!(run("quantile_disc", &[x(), q(0.25)]), Scalar::Int(1));
    assert_eq!(run("quantile_disc", &[x(), q(0.75)]), Scalar::Int(3));
    assert_eq!(run("quantile_disc", &[x(), q(1.0)]), Scalar::Int(4));
    assert_eq!(run("quantile_disc", &[x(), q(0.0)]), Scalar::Int(1));
    assert_eq!(run("percentile", &[x(), q(100.0)]), Scalar::Float(4.0));
    assert_eq!(run("percentile", &[x(), q(50.0)]), Scalar::Float(2.5));
    assert_eq!(run("median", &[texts(vec![Some("b"), Some("a"), None])]), Scalar::text("a"));
    assert_eq!(run("median", &[ints(vec![])]), Scalar::Null);
    let dates: ArrayRef = Arc::new(Date32Array::from(vec![0, 1]));
    assert_eq!(run("median", &[(T::Date, dates)]), Scalar::Int(43_200_000_000));
    let f =
        bind_aggregate("quantile_cont", &[ArgInfo::of(T::Integer), ArgInfo::of(T::Double)], false).unwrap();
    let mut s = (f.new_states)();
    let args: Vec<ArrayRef> =
        vec![Arc::new(Int32Array::from(vec![1])), Arc::new(Float64Array::from(vec![2.0]))];
    assert!(s.update_single(&args, 1).is_err());
}

#[test]
fn approximately_distinct() {
    let n = 100_000;
    let values: ArrayRef = Arc::new((0..n).map(|i| Some(i % 50_000)).collect::<Int64Array>());
    let Scalar::Int(got) = run("approx_count_distinct", &[(T::BigInt, values)]) else { panic!() };
    assert!((got - 50_000).abs() < 2_500, "{got}");
    assert_eq!(
        run("approx_count_distinct", &[texts(vec![Some("a"), None, Some("a"), Some("b")])]),
        Scalar::Int(2)
    );
}

#[test]
fn the_catalog_is_complete() {
    for f in catalog() {
        assert!(!f.description.is_empty() && !f.example.is_empty() && !f.signatures.is_empty(), "{}", f.name);
        assert!(is_aggregate(f.name));
    }
}

#[test]
fn sums_of_few_groups_are_exact() {
    // The first rows are all of one group.
    let groups: Vec<u32> = (0..7000).map(|i| if i < 3000 { 3 } else { i * i % 7 }).collect();
    // Small, negative, of the most bits that share a word with a number, of more, and the greatest.
    for greatest in [1_i64, 100_000, 1 << 43, (1 << 44) - 1, -(1 << 44), 1 << 44, i64::MAX, i64::MIN] {
        let value =
            |i: usize| if i < 3000 || i.is_multiple_of(3) { greatest } else { greatest / (i as i64 + 1) };
        let values: Vec<i64> = (0..7000).map(value).collect();
        let mut exact = [0_i128; 7];
        groups.iter().zip(&values).for_each(|(g, v)| exact[*g as usize] += i128::from(*v));
        let info = [ArgInfo::of(T::BigInt)];
        let (sum, avg) = (bind_aggregate("sum", &info, false), bind_aggregate("avg", &info, false));
        let mut sums = (sum.unwrap().new_states)();
        let mut averages = (avg.unwrap().new_states)();
        for states in [&mut sums, &mut averages] {
            states.resize(7);
            let values: ArrayRef = Arc::new(Int64Array::from(values.clone()));
            states.update(&[values], &groups).unwrap();
        }
        let shared = averages.finish_from(&*sums).unwrap().unwrap();
        assert_eq!(&shared, &averages.finish().unwrap());
        let from_average = sums.finish_from(&*averages).unwrap().unwrap();
        let finished = sums.finish().unwrap();
        assert_eq!(&from_average, &finished);
        assert_eq!(&finished.as_primitive::<Decimal128Type>().values()[..], exact);
    }
}
