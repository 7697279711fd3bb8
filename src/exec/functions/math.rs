//! Functions of numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrowPrimitiveType, Float64Array, new_null_array};

use super::arithmetic::{Checked, INTEGERS, with_integer};
use super::decimal::by_width;
use super::kernel::{binary, boolean, primitive, unary};
use super::registry::{Def, P, R, Registry, Resolution, def};
use super::{ArgInfo, ScalarKernel};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::calendar::{date_is_finite, timestamp_is_finite};
use crate::exec::cast::number::{Integer, POWERS, div_round};
use crate::exec::error::{ExecError, Result};

type F = Float64Type;

fn abs_kernel<T>() -> ScalarKernel
where
    T: ArrowPrimitiveType,
    T::Native: Checked,
{
    primitive::<(T,), T>(|(v,)| {
        if Checked::is_negative(v) {
            Checked::neg(v).map(Some).ok_or_else(|| ExecError::OutOfRange(format!("Overflow on abs({v})")))
        } else {
            Ok(Some(v))
        }
    })
}

/// How a number loses digits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rounding {
    /// Half away from zero.
    Round,
    /// Half to an even digit.
    Even,
    /// Towards zero.
    Trunc,
    /// Down.
    Floor,
    /// Up.
    Ceil,
}

impl Rounding {
    fn divide(self, v: i128, by: i128) -> i128 {
        match self {
            Self::Round => div_round(v, by),
            Self::Even => {
                let (down, rest) = (v.div_euclid(by), v.rem_euclid(by));
                let up = rest > by - rest || rest == by - rest && down % 2 != 0;
                down + i128::from(up)
            }
            Self::Trunc => v / by,
            Self::Floor => v.div_euclid(by),
            Self::Ceil => -(-v).div_euclid(by),
        }
    }

    fn float(self, v: f64) -> f64 {
        match self {
            Self::Round => v.round(),
            Self::Even => v.round_ties_even(),
            Self::Trunc => v.trunc(),
            Self::Floor => v.floor(),
            Self::Ceil => v.ceil(),
        }
    }

    /// To `digits` behind the point, or before it if negative.
    fn float_to(self, v: f64, digits: i32) -> f64 {
        if !v.is_finite() {
            return v;
        }
        let power = 10f64.powi(digits.saturating_abs());
        if digits >= 0 {
            let back = self.float(v * power) / power;
            return if back.is_finite() { back } else { v };
        }
        if power.is_infinite() { 0.0 } else { self.float(v / power) * power }
    }

    /// An integer with zeros for its last digits.
    fn integer_to<N: Integer>(self, v: N, digits: i32) -> Result<N> {
        if digits >= 0 {
            return Ok(v);
        }
        let Some(power) = POWERS.get(digits.unsigned_abs() as usize) else { return Ok(N::default()) };
        let r = self.divide(v.wide(), *power).checked_mul(*power);
        r.filter(|r| N::MIN <= *r && *r <= N::MAX)
            .map(N::narrow)
            .ok_or_else(|| ExecError::OutOfRange(format!("Overflow in rounding of {}", v.wide())))
    }
}

fn decimal_to_whole(ty: &LogicalType, how: Rounding) -> ScalarKernel {
    let LogicalType::Decimal { scale, .. } = *ty else {
        return Box::new(|args, _, _, _| Ok(args[0].clone()));
    };
    let power = POWERS[usize::from(scale)];
    by_width(
        ty,
        || unary::<Decimal64Type, Decimal64Type>(move |v| how.divide(v.into(), power) as i64),
        || unary::<Decimal128Type, Decimal128Type>(move |v| how.divide(v, power)),
    )
}

fn whole_decimal(types: &[LogicalType]) -> LogicalType {
    match types.first() {
        Some(LogicalType::Decimal { width, .. }) => LogicalType::Decimal { width: *width, scale: 0 },
        other => other.cloned().unwrap_or(LogicalType::Null),
    }
}

/// `round` or `trunc` of a decimal to constant digits: the scale of the result follows the digits.
fn decimal_digits(args: &[ArgInfo], how: Rounding) -> Option<Result<Resolution, String>> {
    let [value, digits] = args else { return None };
    let LogicalType::Decimal { width, scale } = value.ty else { return None };
    if !digits.ty.is_integer() {
        return None;
    }
    let Some(Scalar::Int(n)) = &digits.literal else {
        if digits.ty == LogicalType::Null {
            return None;
        }
        return Some(Err("the number of digits of a decimal must be a constant".into()));
    };
    let n = (*n).clamp(-100, 100) as i32;
    let new_scale = n.clamp(0, i32::from(scale)) as u8;
    let ret = LogicalType::Decimal { width, scale: new_scale };
    let drop = i32::from(scale) - n;
    let limit = POWERS[usize::from(width)] - 1;
    let convert = move |v: i128| -> Result<i128> {
        if drop <= 0 {
            return Ok(v);
        }
        let Some(power) = POWERS.get(drop as usize) else { return Ok(0) };
        let r = how.divide(v, *power);
        // Digits before the point come back as zeros.
        let back = if n < 0 { POWERS[n.unsigned_abs() as usize] } else { 1 };
        r.checked_mul(back)
            .filter(|r| r.abs() <= limit)
            .ok_or_else(|| ExecError::OutOfRange("the rounded value does not fit the decimal".into()))
    };
    let kernel = by_width(
        &ret,
        || {
            primitive::<(Decimal64Type,), Decimal64Type>(move |(v,)| {
                convert(v.into()).map(|v| Some(v as i64))
            })
        },
        || primitive::<(Decimal128Type,), Decimal128Type>(move |(v,)| convert(v).map(Some)),
    );
    let kernel: ScalarKernel = Box::new(move |args, ty, rows, ctx| kernel(&args[..1], ty, rows, ctx));
    Some(Ok(Resolution { arg_types: vec![value.ty.clone(), LogicalType::Integer], return_type: ret, kernel }))
}

macro_rules! float_functions {
    ($r:ident; $($name:literal [$($alias:literal),*] $f:expr, $what:literal;)*) => {$(
        $r.add(
            def($name, $what, concat!($name, "(0.5)"))
                .aliases(&[$($alias),*])
                .map(&[LogicalType::Double], LogicalType::Double, |_| unary::<F, F>($f)),
        );
    )*};
}

/// What is not a number has no sign.
fn logarithm(x: f64, of: fn(f64) -> f64) -> f64 {
    if x < 0.0 { f64::NAN } else { of(x) }
}

fn even(x: f64) -> f64 {
    let up = x.abs().ceil();
    let up = if up % 2.0 == 0.0 { up } else { up + 1.0 };
    up.copysign(x)
}

fn factorial(n: i32) -> Result<i128> {
    let out_of_range = || ExecError::OutOfRange("Value out of range".into());
    if n < 0 {
        return Err(ExecError::OutOfRange("factorial of a negative number is undefined".into()));
    }
    (2..=i128::from(n)).try_fold(1i128, i128::checked_mul).ok_or_else(out_of_range)
}

fn gcd(a: i128, b: i128) -> Result<i128> {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    i128::try_from(a).map_err(|_| ExecError::OutOfRange("Overflow in gcd".into()))
}

fn lcm(a: i128, b: i128) -> Result<i128> {
    if a == 0 || b == 0 {
        return Ok(0);
    }
    (a / gcd(a, b)?)
        .checked_mul(b)
        .and_then(i128::checked_abs)
        .ok_or_else(|| ExecError::OutOfRange("lcm value is out of range".into()))
}

/// A function of two integers, for 64 bits.
fn in_64_bits(f: fn(i128, i128) -> Result<i128>) -> ScalarKernel {
    primitive::<(Int64Type, Int64Type), Int64Type>(move |(a, b)| {
        let v = i64::try_from(f(a.into(), b.into())?);
        v.map(Some).map_err(|_| ExecError::OutOfRange("the value does not fit BIGINT".into()))
    })
}

/// The same for 128 bits.
fn in_128_bits(f: fn(i128, i128) -> Result<i128>) -> ScalarKernel {
    primitive::<(Decimal128Type, Decimal128Type), Decimal128Type>(move |(a, b)| f(a, b).map(Some))
}

fn next_after<N: PartialOrd + Copy>(x: N, towards: N, nan: N, up: fn(N) -> N, down: fn(N) -> N) -> N {
    match x.partial_cmp(&towards) {
        Some(std::cmp::Ordering::Less) => up(x),
        Some(std::cmp::Ordering::Greater) => down(x),
        Some(std::cmp::Ordering::Equal) => towards,
        None => nan,
    }
}

/// The remainder that has the sign of the divisor.
fn floor_modulo(a: f64, b: f64) -> f64 {
    let r = a % b;
    if r == 0.0 {
        0.0
    } else if (r < 0.0) != (b < 0.0) {
        r + b
    } else {
        r
    }
}

/// The state of `random()`: a counter that a mixing function turns into numbers (SplitMix64).
static SEED: AtomicU64 = AtomicU64::new(0);

/// The next random 64 bits.
pub(crate) fn random_bits() -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    if SEED.load(Ordering::Relaxed) == 0 {
        use std::hash::{BuildHasher, Hasher};
        let start = std::hash::RandomState::new().build_hasher().finish() | 1;
        let _ = SEED.compare_exchange(0, start, Ordering::Relaxed, Ordering::Relaxed);
    }
    let mut z = SEED.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn bit_count<T: ArrowPrimitiveType>(bits: fn(T::Native) -> u32) -> ScalarKernel {
    unary::<T, Int8Type>(move |v| bits(v) as i8)
}

fn sign_kernel(ty: &LogicalType) -> ScalarKernel {
    macro_rules! float {
        ($t:ty) => {
            unary::<$t, Int8Type>(|v| {
                if v > 0.0 {
                    1
                } else if v < 0.0 {
                    -1
                } else {
                    0
                }
            })
        };
    }
    match ty {
        LogicalType::Float => float!(Float32Type),
        LogicalType::Double => float!(F),
        ty => with_integer!(ty, N => unary::<N, Int8Type>(|v| {
            if Checked::is_negative(v) { -1 } else { i8::from(v != <N as ArrowPrimitiveType>::Native::default()) }
        })),
    }
}

/// Rounded to digits, halves to an even one.
fn even_overloads(mut d: Def) -> Def {
    use LogicalType as T;
    for t in &INTEGERS {
        d = d.map(&[t.clone(), T::Integer], t.clone(), |site| {
            with_integer!(site.ret, N => primitive::<(N, Int32Type), N>(|(v, n)| {
                Rounding::Even.integer_to(v, n).map(Some)
            }))
        });
    }
    d.map(&[T::Float, T::Integer], T::Float, |_| {
        binary::<Float32Type, Int32Type, Float32Type>(|v, n| Rounding::Even.float_to(f64::from(v), n) as f32)
    })
    .map(&[T::Double, T::Integer], T::Double, |_| {
        binary::<F, Int32Type, F>(|v, n| Rounding::Even.float_to(v, n))
    })
    .custom(&["(DECIMAL, INTEGER) -> DECIMAL"], |args| decimal_digits(args, Rounding::Even))
}

/// Ways to choose `k` of `n`.
fn binomial(n: i32, k: i32) -> Result<i128> {
    if n < 0 || k < 0 {
        return Err(ExecError::OutOfRange("binom with negative input is undefined".into()));
    }
    if k > n {
        return Ok(0);
    }
    let k = k.min(n - k);
    (1..=i64::from(k)).try_fold(1i128, |so_far, i| {
        // Divided first, so that no product is bigger than the result.
        let (mut shared, mut rest) = (i128::from(i), so_far % i128::from(i));
        while rest != 0 {
            (shared, rest) = (rest, shared % rest);
        }
        let factor = i128::from(i64::from(n) - i64::from(k) + i) / (i128::from(i) / shared);
        (so_far / shared)
            .checked_mul(factor)
            .ok_or_else(|| ExecError::OutOfRange("Value out of range".into()))
    })
}

fn round_overloads(mut d: Def, trunc: bool) -> Def {
    use LogicalType as T;
    macro_rules! how {
        ($how:expr) => {{
            for t in &INTEGERS {
                d = d.map(&[t.clone()], t.clone(), |_| Box::new(|args, _, _, _| Ok(args[0].clone()))).map(
                    &[t.clone(), T::Integer],
                    t.clone(),
                    |site| {
                        with_integer!(site.ret, N => primitive::<(N, Int32Type), N>(|(v, n)| {
                            $how.integer_to(v, n).map(Some)
                        }))
                    },
                );
            }
            d.map(&[T::Float], T::Float, |_| {
                unary::<Float32Type, Float32Type>(|v| $how.float(f64::from(v)) as f32)
            })
            .map(&[T::Float, T::Integer], T::Float, |_| {
                binary::<Float32Type, Int32Type, Float32Type>(|v, n| $how.float_to(f64::from(v), n) as f32)
            })
            .map(&[T::Double], T::Double, |_| unary::<F, F>(|v| $how.float(v)))
            .map(&[T::Double, T::Integer], T::Double, |_| binary::<F, Int32Type, F>(|v, n| $how.float_to(v, n)))
            .on([P::Decimal], R::Of(whole_decimal), |site| decimal_to_whole(&site.types[0], $how))
            .custom(&["(DECIMAL, INTEGER) -> DECIMAL"], |args| decimal_digits(args, $how))
        }};
    }
    if trunc { how!(Rounding::Trunc) } else { how!(Rounding::Round) }
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let mut d = def("abs", "Absolute value", "abs(-17.4)").aliases(&["@"]);
    for t in &INTEGERS {
        d = d.map(&[t.clone()], t.clone(), |site| with_integer!(site.ret, N => abs_kernel::<N>()));
    }
    r.add(
        d.map(&[T::Float], T::Float, |_| unary::<Float32Type, Float32Type>(f32::abs))
            .map(&[T::Double], T::Double, |_| unary::<F, F>(f64::abs))
            .on([P::Decimal], R::Arg(0), |site| {
                by_width(
                    site.ret,
                    || unary::<Decimal64Type, Decimal64Type>(i64::wrapping_abs),
                    || unary::<Decimal128Type, Decimal128Type>(i128::wrapping_abs),
                )
            }),
    );
    let mut d = def("sign", "-1, 0 or 1", "sign(-349)");
    for t in INTEGERS.iter().chain(&[T::Float, T::Double]) {
        d = d.map(&[t.clone()], T::TinyInt, |site| sign_kernel(&site.types[0]));
    }
    r.add(d);
    r.add(round_overloads(
        def(
            "round",
            "Rounded to a whole number, or to digits behind the point; halves away from zero",
            "round(42.4332, 2)",
        ),
        false,
    ));
    r.add(round_overloads(def("trunc", "Without the digits behind the point", "trunc(17.4)"), true));
    r.add(even_overloads(
        def(
            "round_even",
            "Rounded to digits behind the point, halves to an even digit",
            "round_even(2.45, 1)",
        )
        .aliases(&["roundbankers"]),
    ));
    r.add(def("binom", "Ways to choose k things of n", "binom(5, 2)").map(
        &[T::Integer, T::Integer],
        T::HugeInt,
        |_| primitive::<(Int32Type, Int32Type), Decimal128Type>(|(n, k)| binomial(n, k).map(Some)),
    ));
    macro_rules! to_whole {
        ($name:literal, [$($alias:literal),*], $what:literal, $how:expr) => {
            r.add(
                def($name, $what, concat!($name, "(17.4)"))
                    .aliases(&[$($alias),*])
                    .map(&[T::Float], T::Float, |_| {
                        unary::<Float32Type, Float32Type>(|v| $how.float(f64::from(v)) as f32)
                    })
                    .map(&[T::Double], T::Double, |_| unary::<F, F>(|v| $how.float(v)))
                    .on([P::Decimal], R::Of(whole_decimal), |site| decimal_to_whole(&site.types[0], $how)),
            );
        };
    }
    to_whole!("floor", [], "Rounded down", Rounding::Floor);
    to_whole!("ceil", ["ceiling"], "Rounded up", Rounding::Ceil);
    float_functions! { r;
        "sqrt" [] f64::sqrt, "Square root";
        "cbrt" [] f64::cbrt, "Cube root";
        "exp" [] f64::exp, "e to the power of x";
        "ln" [] |x| logarithm(x, f64::ln), "Natural logarithm";
        "log2" [] |x| logarithm(x, f64::log2), "Logarithm to base 2";
        "log10" [] |x| logarithm(x, f64::log10), "Logarithm to base 10";
        "sin" [] f64::sin, "Sine";
        "cos" [] f64::cos, "Cosine";
        "tan" [] f64::tan, "Tangent";
        "cot" [] |x| 1.0 / x.tan(), "Cotangent";
        "asin" [] f64::asin, "Inverse sine";
        "acos" [] f64::acos, "Inverse cosine";
        "atan" [] f64::atan, "Inverse tangent";
        "sinh" [] f64::sinh, "Hyperbolic sine";
        "cosh" [] f64::cosh, "Hyperbolic cosine";
        "tanh" [] f64::tanh, "Hyperbolic tangent";
        "asinh" [] f64::asinh, "Inverse hyperbolic sine";
        "acosh" [] f64::acosh, "Inverse hyperbolic cosine";
        "atanh" [] f64::atanh, "Inverse hyperbolic tangent";
        "degrees" [] |x| x * (180.0 / std::f64::consts::PI), "Radians to degrees";
        "radians" [] |x| x * (std::f64::consts::PI / 180.0), "Degrees to radians";
        "gamma" [] libm::tgamma, "Gamma function";
        "lgamma" [] libm::lgamma, "Logarithm of the gamma function";
        "even" [] even, "Rounded away from zero to an even number";
    }
    let two = [T::Double, T::Double];
    r.add(
        def("log", "Logarithm to base 10, or to a base given first", "log(2, 64)")
            .map(&[T::Double], T::Double, |_| unary::<F, F>(|x| logarithm(x, f64::log10)))
            .map(&two, T::Double, |_| binary::<F, F, F>(|b, x| x.log10() / b.log10())),
    );
    r.add(def("atan2", "Angle of the point (x, y), given y first", "atan2(0.5, 0.5)").map(
        &two,
        T::Double,
        |_| binary::<F, F, F>(f64::atan2),
    ));
    r.add(def("fmod", "Remainder of the floored division of floats", "fmod(5.5, 2)").map(
        &two,
        T::Double,
        |_| binary::<F, F, F>(floor_modulo),
    ));
    r.add(
        def("fdiv", "Whole quotient of floats", "fdiv(5, 2)")
            .map(&two, T::Double, |_| binary::<F, F, F>(|a, b| (a / b).floor())),
    );
    r.add(
        def("nextafter", "The next float after x towards y", "nextafter(1::DOUBLE, 2::DOUBLE)")
            .map(&two, T::Double, |_| {
                binary::<F, F, F>(|x, y| next_after(x, y, f64::NAN, f64::next_up, f64::next_down))
            })
            .map(&[T::Float, T::Float], T::Float, |_| {
                binary::<Float32Type, Float32Type, Float32Type>(|x, y| {
                    next_after(x, y, f32::NAN, f32::next_up, f32::next_down)
                })
            }),
    );
    r.add(def("pi", "The number pi", "pi()").map(&[], T::Double, |_| {
        Box::new(|_, _, _, _| Ok(Arc::new(Float64Array::from(vec![std::f64::consts::PI]))))
    }));
    r.add(def("random", "A random number from 0 to below 1", "random()").volatile().sees_nulls().map(
        &[],
        T::Double,
        |_| {
            Box::new(|_, _, rows, _| {
                // 53 bits fill the mantissa.
                let values: Vec<f64> =
                    (0..rows).map(|_| (random_bits() >> 11) as f64 / (1u64 << 53) as f64).collect();
                Ok(Arc::new(Float64Array::from(values)))
            })
        },
    ));
    r.add(def("setseed", "Starts random() at a point, -1 to 1", "setseed(0.5)").volatile().map(
        &[T::Double],
        T::Null,
        |_| {
            Box::new(|args, ty, rows, _| {
                let seeds = args[0].as_primitive::<F>();
                if !seeds.is_empty() && seeds.is_valid(0) {
                    let seed = seeds.value(0);
                    if !(-1.0..=1.0).contains(&seed) {
                        return Err(ExecError::InvalidInput(
                            "SETSEED accepts seed values between -1.0 and 1.0, inclusive".into(),
                        ));
                    }
                    SEED.store(seed.to_bits() | 1, Ordering::Relaxed);
                }
                Ok(new_null_array(&ty.arrow(), rows))
            })
        },
    ));
    r.add(def("factorial", "Product of all whole numbers up to x", "factorial(4)").aliases(&["!"]).map(
        &[T::Integer],
        T::HugeInt,
        |_| primitive::<(Int32Type,), Decimal128Type>(|(n,)| factorial(n).map(Some)),
    ));
    r.add(
        def("gcd", "Greatest common divisor", "gcd(42, 57)")
            .aliases(&["greatest_common_divisor"])
            .map(&[T::BigInt, T::BigInt], T::BigInt, |_| in_64_bits(gcd))
            .map(&[T::HugeInt, T::HugeInt], T::HugeInt, |_| in_128_bits(gcd)),
    );
    r.add(
        def("lcm", "Least common multiple", "lcm(42, 57)")
            .aliases(&["least_common_multiple"])
            .map(&[T::BigInt, T::BigInt], T::BigInt, |_| in_64_bits(lcm))
            .map(&[T::HugeInt, T::HugeInt], T::HugeInt, |_| in_128_bits(lcm)),
    );
    r.add(
        def("bit_count", "Number of bits that are set", "bit_count(31)")
            .map(&[T::TinyInt], T::TinyInt, |_| bit_count::<Int8Type>(i8::count_ones))
            .map(&[T::SmallInt], T::TinyInt, |_| bit_count::<Int16Type>(i16::count_ones))
            .map(&[T::Integer], T::TinyInt, |_| bit_count::<Int32Type>(i32::count_ones))
            .map(&[T::BigInt], T::TinyInt, |_| bit_count::<Int64Type>(i64::count_ones))
            .map(&[T::HugeInt], T::TinyInt, |_| bit_count::<Decimal128Type>(i128::count_ones)),
    );
    macro_rules! float_test {
        ($name:literal, $what:literal, $f:expr) => {
            def($name, $what, concat!($name, "('infinity'::DOUBLE)"))
                .map(&[T::Float], T::Boolean, |_| {
                    boolean::<(Float32Type,)>(|(v,)| Ok(Some($f(f64::from(v)))))
                })
                .map(&[T::Double], T::Boolean, |_| boolean::<(F,)>(|(v,)| Ok(Some($f(v)))))
        };
    }
    r.add(float_test!("isnan", "Whether a float is not a number", |v: f64| v.is_nan()));
    r.add(float_test!("signbit", "Whether the sign bit of a float is set", |v: f64| v.is_sign_negative()));
    r.add(
        float_test!("isinf", "Whether a float, date or timestamp is infinite", |v: f64| v.is_infinite())
            .map(&[T::Date], T::Boolean, |_| boolean::<(Date32Type,)>(|(v,)| Ok(Some(!date_is_finite(v)))))
            .map(&[crate::column::types::TIMESTAMP], T::Boolean, |_| {
                boolean::<(TimestampMicrosecondType,)>(|(v,)| Ok(Some(!timestamp_is_finite(v))))
            })
            .map(&[T::TimestampTz], T::Boolean, |_| {
                boolean::<(TimestampMicrosecondType,)>(|(v,)| Ok(Some(!timestamp_is_finite(v))))
            }),
    );
    r.add(
        float_test!("isfinite", "Whether a float, date or timestamp is finite", |v: f64| v.is_finite())
            .map(&[T::Date], T::Boolean, |_| boolean::<(Date32Type,)>(|(v,)| Ok(Some(date_is_finite(v)))))
            .map(&[crate::column::types::TIMESTAMP], T::Boolean, |_| {
                boolean::<(TimestampMicrosecondType,)>(|(v,)| Ok(Some(timestamp_is_finite(v))))
            })
            .map(&[T::TimestampTz], T::Boolean, |_| {
                boolean::<(TimestampMicrosecondType,)>(|(v,)| Ok(Some(timestamp_is_finite(v))))
            }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding() {
        assert_eq!(Rounding::Round.float_to(1234.5, -2), 1200.0);
        assert_eq!(Rounding::Round.float_to(2.567, 2), 2.57);
        assert_eq!(Rounding::Round.float_to(1e300, 20), 1e300);
        assert_eq!(Rounding::Round.float_to(5.0, -400), 0.0);
        assert_eq!(Rounding::Round.integer_to(155i32, -1).unwrap(), 160);
        assert_eq!(Rounding::Trunc.integer_to(155i32, -1).unwrap(), 150);
        assert!(Rounding::Round.integer_to(i32::MAX, -1).unwrap_err().to_string().contains("Overflow"));
        let even: Vec<i128> = [-25, -15, -5, 5, 15, 25, 26].map(|v| Rounding::Even.divide(v, 10)).into();
        assert_eq!(even, [-2, -2, 0, 0, 2, 2, 3]);
        assert_eq!(Rounding::Floor.divide(-15, 10), -2);
        assert_eq!(Rounding::Ceil.divide(-15, 10), -1);
        assert_eq!(Rounding::Ceil.divide(15, 10), 2);
    }

    #[test]
    fn gamma_and_friends() {
        assert_eq!(libm::tgamma(5.0), 24.0);
        assert!((libm::lgamma(5.0) - 24f64.ln()).abs() < 1e-12);
        assert_eq!(even(2.5), 4.0);
        assert_eq!(even(-3.0), -4.0);
        assert_eq!(gcd(12, 18).unwrap(), 6);
        assert_eq!(lcm(4, 6).unwrap(), 12);
        assert!(lcm(i128::MAX, 2).is_err());
        assert!(factorial(40).is_err());
        assert_eq!(factorial(5).unwrap(), 120);
    }

    #[test]
    fn random_numbers_differ() {
        assert_ne!(random_bits(), random_bits());
    }
}
