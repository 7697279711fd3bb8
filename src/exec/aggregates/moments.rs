//! Variance and its kin, products, bitwise aggregates.

use std::marker::PhantomData;

use arrow_array::types::*;
use arrow_array::{ArrayRef, ArrowPrimitiveType};

use super::fixed::{Accumulate, Fixed, collect};
use super::registry::{Chosen, Maker, Registry, cheapest};
use crate::column::types::LogicalType;
use crate::exec::error::Result;
use crate::exec::functions::{ArgInfo, Checked, with_integer};

type F = Float64Type;

/// What is made of count, mean and the sum of squared differences from the mean.
trait Statistic: 'static {
    fn of(count: f64, m2: f64) -> Option<f64>;
}

macro_rules! statistics {
    ($($name:ident |$n:ident, $m2:ident| $f:expr;)*) => {$(
        struct $name;
        impl Statistic for $name {
            fn of($n: f64, $m2: f64) -> Option<f64> {
                $f
            }
        }
    )*};
}
statistics! {
    VarSamp |n, m2| (n > 1.0).then(|| m2 / (n - 1.0));
    // One value does not vary, be it NaN.
    VarPop |n, m2| (n > 0.0).then(|| if n == 1.0 { 0.0 } else { m2 / n });
    StddevSamp |n, m2| (n > 1.0).then(|| (m2 / (n - 1.0)).sqrt());
    StddevPop |n, m2| (n > 0.0).then(|| if n == 1.0 { 0.0 } else { (m2 / n).sqrt() });
    Sem |n, m2| (n > 0.0).then(|| (m2 / n).sqrt() / n.sqrt());
}

/// Welford's running mean and sum of squared differences.
struct Moments<S> {
    count: u64,
    mean: f64,
    m2: f64,
    of: PhantomData<fn() -> S>,
}

impl<S> Clone for Moments<S> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<S> Default for Moments<S> {
    fn default() -> Self {
        Self { count: 0, mean: 0.0, m2: 0.0, of: PhantomData }
    }
}

impl<S> Moments<S> {
    /// Adds what is known of other values (Chan's formula).
    fn combine(&mut self, count: u64, mean: f64, m2: f64) {
        if count == 0 {
            return;
        }
        if self.count == 0 {
            (self.count, self.mean, self.m2) = (count, mean, m2);
            return;
        }
        let (a, b) = (self.count as f64, count as f64);
        let delta = mean - self.mean;
        self.count += count;
        self.mean += delta * b / (a + b);
        self.m2 += m2 + delta * delta * a * b / (a + b);
    }
}

impl<S: Statistic> Accumulate for Moments<S> {
    type Input = F;

    #[inline(always)]
    fn add(&mut self, v: f64) {
        self.count += 1;
        let delta = v - self.mean;
        self.mean += delta / self.count as f64;
        self.m2 += delta * (v - self.mean);
    }

    fn add_slice(&mut self, values: &[f64]) {
        // Two passes over pieces that stay in the cache: no division a row. Differences from the first value, so that
        // the mean of equal values is exactly that value.
        for chunk in values.chunks(1024) {
            let first = chunk[0];
            let mean = first + chunk.iter().map(|v| v - first).sum::<f64>() / chunk.len() as f64;
            let m2 = chunk.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
            self.combine(chunk.len() as u64, mean, m2);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.combine(other.count, other.mean, other.m2);
    }

    fn finish(states: &[Self], ty: &LogicalType) -> Result<ArrayRef> {
        Ok(collect::<F>(states.iter().map(|s| S::of(s.count as f64, s.m2)), ty))
    }
}

/// Sums of powers, for skewness and kurtosis.
#[derive(Clone, Default)]
struct Powers<const KIND: u8> {
    n: f64,
    sums: [f64; 4],
}

const SKEWNESS: u8 = 0;
const KURTOSIS: u8 = 1;
const KURTOSIS_POP: u8 = 2;

impl<const KIND: u8> Powers<KIND> {
    fn value(&self) -> Option<f64> {
        let n = self.n;
        let [s1, s2, s3, s4] = self.sums;
        let t = 1.0 / n;
        if KIND == SKEWNESS {
            if n <= 2.0 {
                return None;
            }
            let p = (t * (s2 - s1 * s1 * t)).powi(3).max(0.0);
            let div = p.sqrt();
            if div == 0.0 {
                return Some(f64::NAN);
            }
            let scale = (n * (n - 1.0)).sqrt() / (n - 2.0);
            return Some(scale * t * (s3 - 3.0 * s2 * s1 * t + 2.0 * s1.powi(3) * t * t) / div);
        }
        if n == 0.0 || KIND == KURTOSIS && n <= 3.0 {
            return None;
        }
        let m2 = t * (s2 - s1 * s1 * t);
        if m2 <= 0.0 {
            return None;
        }
        let m4 = t * (s4 - 4.0 * s3 * s1 * t + 6.0 * s2 * s1 * s1 * t * t - 3.0 * s1.powi(4) * t.powi(3));
        Some(if KIND == KURTOSIS {
            (n - 1.0) * ((n + 1.0) * m4 / (m2 * m2) - 3.0 * (n - 1.0)) / ((n - 2.0) * (n - 3.0))
        } else {
            m4 / (m2 * m2) - 3.0
        })
    }
}

impl<const KIND: u8> Accumulate for Powers<KIND> {
    type Input = F;

    #[inline]
    fn add(&mut self, v: f64) {
        self.n += 1.0;
        let mut power = v;
        for s in &mut self.sums {
            *s += power;
            power *= v;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.sums.iter_mut().zip(other.sums).for_each(|(a, b)| *a += b);
    }

    fn finish(states: &[Self], ty: &LogicalType) -> Result<ArrayRef> {
        Ok(collect::<F>(states.iter().map(Self::value), ty))
    }
}

/// A product, or with `LOG` the sum of logarithms of a geometric mean.
#[derive(Clone)]
struct Product<const LOG: bool> {
    value: f64,
    count: u64,
}

impl<const LOG: bool> Default for Product<LOG> {
    fn default() -> Self {
        Self { value: if LOG { 0.0 } else { 1.0 }, count: 0 }
    }
}

impl<const LOG: bool> Accumulate for Product<LOG> {
    type Input = F;

    fn add(&mut self, v: f64) {
        if LOG {
            self.value += v.ln();
        } else {
            self.value *= v;
        }
        self.count += 1;
    }

    fn merge(&mut self, other: &Self) {
        if LOG {
            self.value += other.value;
        } else {
            self.value *= other.value;
        }
        self.count += other.count;
    }

    fn finish(states: &[Self], ty: &LogicalType) -> Result<ArrayRef> {
        let value =
            |s: &Self| (s.count > 0).then(|| if LOG { (s.value / s.count as f64).exp() } else { s.value });
        Ok(collect::<F>(states.iter().map(value), ty))
    }
}

const AND: u8 = 0;
const OR: u8 = 1;
const XOR: u8 = 2;

/// All values combined bit by bit.
struct Bits<T: ArrowPrimitiveType, const OP: u8> {
    value: T::Native,
    seen: bool,
}

impl<T: ArrowPrimitiveType, const OP: u8> Clone for Bits<T, OP> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<T: ArrowPrimitiveType, const OP: u8> Default for Bits<T, OP> {
    fn default() -> Self {
        Self { value: T::Native::default(), seen: false }
    }
}

impl<T, const OP: u8> Accumulate for Bits<T, OP>
where
    T: ArrowPrimitiveType,
    T::Native: Checked,
{
    type Input = T;

    #[inline]
    fn add(&mut self, v: T::Native) {
        self.value = match OP {
            _ if !self.seen => v,
            AND => self.value.and(v),
            OR => self.value.or(v),
            _ => self.value.xor(v),
        };
        self.seen = true;
    }

    fn merge(&mut self, other: &Self) {
        if other.seen {
            self.add(other.value);
        }
    }

    fn finish(states: &[Self], ty: &LogicalType) -> Result<ArrayRef> {
        Ok(collect::<T>(states.iter().map(|s| s.seen.then_some(s.value)), ty))
    }
}

/// An aggregate of one `DOUBLE`.
fn double<S: Accumulate<Input = F>>(args: &[ArgInfo]) -> Option<Chosen> {
    let [arg] = args else { return None };
    let ty = cheapest(arg, &[LogicalType::Double])?;
    Some(Chosen::new(vec![ty], LogicalType::Double, Fixed::<S>::maker(LogicalType::Double)))
}

fn bits<const OP: u8>(args: &[ArgInfo]) -> Option<Chosen> {
    let [arg] = args else { return None };
    let ty = if arg.ty == LogicalType::Null { LogicalType::Integer } else { arg.ty.clone() };
    if matches!(ty, LogicalType::Bit | LogicalType::UHugeInt) {
        let name = match OP {
            AND => "bit_and",
            OR => "bit_or",
            _ => "bit_xor",
        };
        return Some(super::collected::bitwise(name, &ty));
    }
    if !ty.is_integer() {
        return None;
    }
    let states: Maker = with_integer!(ty, T => Fixed::<Bits<T, OP>>::maker(ty.clone()));
    Some(Chosen::new(vec![ty.clone()], ty, states))
}

pub(super) fn register(r: &mut Registry) {
    const DOUBLE: &[&str] = &["(DOUBLE) -> DOUBLE"];
    const INTEGER: &[&str] = &["(integer) -> integer"];
    r.add(
        "stddev",
        &["stddev_samp"],
        DOUBLE,
        "Sample standard deviation",
        "stddev(x)",
        double::<Moments<StddevSamp>>,
    );
    r.add(
        "stddev_pop",
        &[],
        DOUBLE,
        "Population standard deviation",
        "stddev_pop(x)",
        double::<Moments<StddevPop>>,
    );
    r.add("var_samp", &["variance"], DOUBLE, "Sample variance", "var_samp(x)", double::<Moments<VarSamp>>);
    r.add("var_pop", &[], DOUBLE, "Population variance", "var_pop(x)", double::<Moments<VarPop>>);
    r.add("sem", &[], DOUBLE, "Standard error of the mean", "sem(x)", double::<Moments<Sem>>);
    r.add("skewness", &[], DOUBLE, "Skewness", "skewness(x)", double::<Powers<SKEWNESS>>);
    r.add(
        "kurtosis",
        &[],
        DOUBLE,
        "Excess kurtosis with bias correction",
        "kurtosis(x)",
        double::<Powers<KURTOSIS>>,
    );
    r.add(
        "kurtosis_pop",
        &[],
        DOUBLE,
        "Excess kurtosis without bias correction",
        "kurtosis_pop(x)",
        double::<Powers<KURTOSIS_POP>>,
    );
    r.add("product", &[], DOUBLE, "Product of all values", "product(x)", double::<Product<false>>);
    r.add("geomean", &["geometric_mean"], DOUBLE, "Geometric mean", "geomean(x)", double::<Product<true>>);
    r.add("bit_and", &[], INTEGER, "Bitwise AND of all values", "bit_and(x)", bits::<AND>);
    r.add("bit_or", &[], INTEGER, "Bitwise OR of all values", "bit_or(x)", bits::<OR>);
    r.add("bit_xor", &[], INTEGER, "Bitwise exclusive OR of all values", "bit_xor(x)", bits::<XOR>);
}
