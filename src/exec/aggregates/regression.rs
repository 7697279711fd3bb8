//! Covariance, correlation and linear regression of pairs `(y, x)`.

use std::marker::PhantomData;

use arrow_array::ArrayRef;
use arrow_array::types::*;

use super::fixed::{AccumulatePair, FixedPair, collect};
use super::registry::{Chosen, Registry, cheapest};
use crate::column::types::LogicalType;
use crate::exec::error::Result;
use crate::exec::functions::ArgInfo;

/// Counts, means, and sums of products of differences from the means.
#[derive(Clone, Copy, Default)]
struct Pairs {
    n: f64,
    mean_y: f64,
    mean_x: f64,
    syy: f64,
    sxx: f64,
    sxy: f64,
}

trait Statistic: 'static {
    fn of(p: &Pairs) -> Option<f64>;
}

macro_rules! statistics {
    ($($name:ident |$p:ident| $f:expr;)*) => {$(
        struct $name;
        impl Statistic for $name {
            fn of($p: &Pairs) -> Option<f64> {
                $f
            }
        }
    )*};
}

fn correlation(p: &Pairs) -> f64 {
    let spread = (p.sxx * p.syy).sqrt();
    if spread == 0.0 {
        return f64::NAN;
    }
    let r = p.sxy / spread;
    if r.is_nan() { r } else { r.clamp(-1.0, 1.0) }
}

statistics! {
    CovarPop |p| (p.n > 0.0).then(|| p.sxy / p.n);
    CovarSamp |p| (p.n > 1.0).then(|| p.sxy / (p.n - 1.0));
    Corr |p| (p.n > 0.0).then(|| correlation(p));
    Slope |p| (p.n > 0.0).then(|| if p.sxx == 0.0 { f64::NAN } else { p.sxy / p.sxx });
    Intercept |p| {
        let slope = p.sxy / p.sxx;
        (p.n > 0.0 && !slope.is_nan()).then_some(p.mean_y - slope * p.mean_x)
    };
    R2 |p| if p.n == 0.0 || p.sxx == 0.0 {
        None
    } else if p.syy == 0.0 {
        Some(1.0)
    } else {
        Some(correlation(p).powi(2))
    };
    Sxx |p| (p.n > 0.0).then_some(p.sxx);
    Syy |p| (p.n > 0.0).then_some(p.syy);
    Sxy |p| (p.n > 0.0).then_some(p.sxy);
    AvgX |p| (p.n > 0.0).then_some(p.mean_x);
    AvgY |p| (p.n > 0.0).then_some(p.mean_y);
    Count |p| Some(p.n);
}

struct State<S> {
    pairs: Pairs,
    of: PhantomData<fn() -> S>,
}

impl<S> Clone for State<S> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<S> Default for State<S> {
    fn default() -> Self {
        Self { pairs: Pairs::default(), of: PhantomData }
    }
}

impl<S: Statistic> AccumulatePair for State<S> {
    type First = Float64Type;
    type Second = Float64Type;

    fn add(&mut self, y: f64, x: f64) {
        let p = &mut self.pairs;
        p.n += 1.0;
        let (dy, dx) = (y - p.mean_y, x - p.mean_x);
        p.mean_y += dy / p.n;
        p.mean_x += dx / p.n;
        p.syy += dy * (y - p.mean_y);
        p.sxx += dx * (x - p.mean_x);
        p.sxy += dx * (y - p.mean_y);
    }

    fn merge(&mut self, other: &Self) {
        let (p, o) = (&mut self.pairs, &other.pairs);
        if o.n == 0.0 {
            return;
        }
        if p.n == 0.0 {
            *p = *o;
            return;
        }
        let n = p.n + o.n;
        let (dy, dx) = (o.mean_y - p.mean_y, o.mean_x - p.mean_x);
        let weight = p.n * o.n / n;
        p.syy += o.syy + dy * dy * weight;
        p.sxx += o.sxx + dx * dx * weight;
        p.sxy += o.sxy + dx * dy * weight;
        p.mean_y += dy * o.n / n;
        p.mean_x += dx * o.n / n;
        p.n = n;
    }

    fn finish(states: &[Self], ty: &LogicalType) -> Result<ArrayRef> {
        let values = states.iter().map(|s| S::of(&s.pairs));
        Ok(match ty {
            LogicalType::UInteger => collect::<UInt32Type>(values.map(|v| v.map(|v| v as u32)), ty),
            _ => collect::<Float64Type>(values, ty),
        })
    }
}

fn choose<S: Statistic>(args: &[ArgInfo], ret: LogicalType) -> Option<Chosen> {
    let [y, x] = args else { return None };
    let types = vec![cheapest(y, &[LogicalType::Double])?, cheapest(x, &[LogicalType::Double])?];
    Some(Chosen::new(types, ret.clone(), FixedPair::<State<S>>::maker(ret)))
}

fn double<S: Statistic>(args: &[ArgInfo]) -> Option<Chosen> {
    choose::<S>(args, LogicalType::Double)
}

pub(super) fn register(r: &mut Registry) {
    const D: &[&str] = &["(DOUBLE, DOUBLE) -> DOUBLE"];
    r.add("covar_pop", &[], D, "Population covariance", "covar_pop(y, x)", double::<CovarPop>);
    r.add("covar_samp", &[], D, "Sample covariance", "covar_samp(y, x)", double::<CovarSamp>);
    r.add("corr", &[], D, "Correlation", "corr(y, x)", double::<Corr>);
    r.add("regr_slope", &[], D, "Slope of the regression line", "regr_slope(y, x)", double::<Slope>);
    r.add(
        "regr_intercept",
        &[],
        D,
        "Intercept of the regression line",
        "regr_intercept(y, x)",
        double::<Intercept>,
    );
    r.add("regr_r2", &[], D, "Coefficient of determination", "regr_r2(y, x)", double::<R2>);
    r.add(
        "regr_sxx",
        &[],
        D,
        "Sum of squared differences of x from its mean",
        "regr_sxx(y, x)",
        double::<Sxx>,
    );
    r.add(
        "regr_syy",
        &[],
        D,
        "Sum of squared differences of y from its mean",
        "regr_syy(y, x)",
        double::<Syy>,
    );
    r.add(
        "regr_sxy",
        &[],
        D,
        "Sum of products of differences from the means",
        "regr_sxy(y, x)",
        double::<Sxy>,
    );
    r.add("regr_avgx", &[], D, "Mean of x over pairs", "regr_avgx(y, x)", double::<AvgX>);
    r.add("regr_avgy", &[], D, "Mean of y over pairs", "regr_avgy(y, x)", double::<AvgY>);
    r.add(
        "regr_count",
        &[],
        &["(DOUBLE, DOUBLE) -> UINTEGER"],
        "Number of pairs",
        "regr_count(y, x)",
        |args| choose::<Count>(args, LogicalType::UInteger),
    );
}
