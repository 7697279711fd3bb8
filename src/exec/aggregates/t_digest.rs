//! `approx_percentile`: percentiles from a sketch of bounded size, a t-digest. Source: T. Dunning, O. Ertl, "Computing
//! extremely accurate quantiles using t-digests", 2019; the merging variant with scale function k1.

use std::any::Any;
use std::f64::consts::PI;
use std::sync::Arc;

use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array};

use super::GroupStates;
use super::fixed::{same, values_of};
use super::registry::{Chosen, Registry};
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};

/// Centroids of a digest are fewer than this.
const COMPRESSION: f64 = 200.0;
/// Values that wait before they are merged.
const WAITING_MAX: usize = 1024;
/// The percentile unless said otherwise.
const PERCENT_DEFAULT: f64 = 99.0;

#[derive(Clone, Copy)]
struct Centroid {
    mean: f64,
    weight: f64,
}

#[derive(Clone, Default)]
struct Digest {
    /// By mean; behind `merged` in the order they came.
    centroids: Vec<Centroid>,
    merged: usize,
    least: f64,
    greatest: f64,
}

impl Digest {
    fn add(&mut self, value: f64) {
        self.push(Centroid { mean: value, weight: 1.0 }, value, value);
    }

    fn push(&mut self, centroid: Centroid, least: f64, greatest: f64) {
        if self.centroids.is_empty() {
            (self.least, self.greatest) = (least, greatest);
        }
        // NaN is greater than all numbers here, as in an order.
        if least.total_cmp(&self.least).is_lt() {
            self.least = least;
        }
        if greatest.total_cmp(&self.greatest).is_gt() {
            self.greatest = greatest;
        }
        self.centroids.push(centroid);
        if self.centroids.len() - self.merged >= WAITING_MAX {
            self.compress();
        }
    }

    fn merge(&mut self, other: &Self) {
        for centroid in &other.centroids {
            self.push(*centroid, other.least, other.greatest);
        }
    }

    /// Joins neighbours as far as the scale function lets them grow: little at the ends, much in the middle.
    fn compress(&mut self) {
        if self.merged == self.centroids.len() {
            return;
        }
        self.centroids.sort_by(|a, b| a.mean.total_cmp(&b.mean));
        let total: f64 = self.centroids.iter().map(|c| c.weight).sum();
        let limit = |q: f64| {
            let k = COMPRESSION / (2.0 * PI) * (2.0 * q - 1.0).clamp(-1.0, 1.0).asin() + 1.0;
            if k >= COMPRESSION / 4.0 { 1.0 } else { f64::midpoint((2.0 * PI * k / COMPRESSION).sin(), 1.0) }
        };
        let mut out: Vec<Centroid> = Vec::with_capacity(COMPRESSION as usize);
        let mut before = 0.0;
        let mut most = total * limit(0.0);
        for next in self.centroids.drain(..) {
            match out.last_mut() {
                Some(last) if before + last.weight + next.weight <= most => {
                    last.weight += next.weight;
                    last.mean += (next.mean - last.mean) * next.weight / last.weight;
                }
                last => {
                    if let Some(last) = last {
                        before += last.weight;
                        most = total * limit(before / total);
                    }
                    out.push(next);
                }
            }
        }
        self.merged = out.len();
        self.centroids = out;
    }

    fn quantile(&mut self, q: f64) -> Option<f64> {
        self.compress();
        let (first, last) = (*self.centroids.first()?, *self.centroids.last()?);
        let total: f64 = self.centroids.iter().map(|c| c.weight).sum();
        let rank = q * total;
        // Half of a centroid's weight lies on each side of its mean.
        if rank <= first.weight / 2.0 {
            return Some(between(self.least, first.mean, 2.0 * rank / first.weight));
        }
        if rank >= total - last.weight / 2.0 {
            return Some(between(last.mean, self.greatest, 1.0 - 2.0 * (total - rank) / last.weight));
        }
        let mut at = first.weight / 2.0;
        for pair in self.centroids.windows(2) {
            let width = f64::midpoint(pair[0].weight, pair[1].weight);
            if rank <= at + width {
                return Some(between(pair[0].mean, pair[1].mean, (rank - at) / width));
            }
            at += width;
        }
        Some(self.greatest)
    }
}

fn between(low: f64, high: f64, part: f64) -> f64 {
    // Infinities are on no line.
    if low == high || part <= 0.0 {
        low
    } else if part >= 1.0 {
        high
    } else {
        low + (high - low) * part
    }
}

/// The digests of all groups.
#[derive(Default)]
struct Digests {
    digests: Vec<Digest>,
    share: Option<f64>,
}

impl GroupStates for Digests {
    fn resize(&mut self, groups: usize) {
        self.digests.resize(groups.max(self.digests.len()), Digest::default());
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) -> Result<()> {
        if self.share.is_none() && args.len() > 1 && !groups.is_empty() {
            let percent = values_of::<Float64Type>(args, 1)?.iter().next().flatten();
            match percent {
                Some(p) if (0.0..=100.0).contains(&p) => self.share = Some(p / 100.0),
                _ => {
                    let message = "approx_percentile takes a percentage from 0 to 100";
                    return Err(ExecError::InvalidInput(message.into()));
                }
            }
        }
        let values = values_of::<Float64Type>(args, 0)?;
        for (i, group) in groups.iter().enumerate().filter(|(i, _)| values.is_valid(*i)) {
            self.digests[*group as usize].add(values.value(i));
        }
        Ok(())
    }

    fn update_single(&mut self, args: &[ArrayRef], rows: usize) -> Result<()> {
        self.resize(1);
        self.update(args, &vec![0; rows])
    }

    fn merge(&mut self, other: &mut dyn GroupStates, from: &[u32], to: &[u32]) -> Result<()> {
        let other = same::<Self>(other)?;
        self.share = self.share.or(other.share);
        for (f, t) in from.iter().zip(to) {
            self.digests[*t as usize].merge(&other.digests[*f as usize]);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let share = self.share.unwrap_or(PERCENT_DEFAULT / 100.0);
        let out: Float64Array = self.digests.iter_mut().map(|d| d.quantile(share)).collect();
        Ok(Arc::new(out))
    }

    fn size(&self) -> usize {
        let held: usize = self.digests.iter().map(|d| d.centroids.capacity()).sum();
        held * size_of::<Centroid>() + self.digests.capacity() * size_of::<Digest>()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

pub(super) fn register(r: &mut Registry) {
    r.add(
        "approx_percentile",
        &[],
        &["(DOUBLE) -> DOUBLE", "(DOUBLE, DOUBLE) -> DOUBLE"],
        "Percentile, the 99th unless said otherwise, from a t-digest: bounded memory, exact to a fraction of a percent",
        "approx_percentile(x, 95)",
        |args| {
            let ([x] | [x, _]) = args else { return None };
            let is_number = |ty: &LogicalType| ty.is_numeric() || *ty == LogicalType::Null;
            if !is_number(&x.ty) || !args.get(1).is_none_or(|p| is_number(&p.ty)) {
                return None;
            }
            let types = vec![LogicalType::Double; args.len()];
            Some(Chosen::new(types, LogicalType::Double, Box::new(|| Box::<Digests>::default())))
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_to_the_exact_percentiles() {
        let values: Vec<f64> = (0..200_000_u64).map(|i| ((i * 7919) % 200_003) as f64).collect();
        let mut parts = values.chunks(30_000).map(|part| {
            let mut digest = Digest::default();
            part.iter().for_each(|v| digest.add(*v));
            digest
        });
        let mut digest = parts.next().unwrap();
        parts.for_each(|part| digest.merge(&part));
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        for q in [0.001, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999] {
            let got = digest.quantile(q).unwrap();
            let rank = sorted.partition_point(|v| *v <= got) as f64 / sorted.len() as f64;
            assert!((rank - q).abs() < 0.005, "{q}: {rank}");
        }
        assert_eq!(digest.quantile(0.0), Some(0.0));
        assert_eq!(digest.quantile(1.0), Some(sorted[sorted.len() - 1]));
        assert!(digest.centroids.len() <= COMPRESSION as usize);
    }

    #[test]
    fn few_values_and_none() {
        assert_eq!(Digest::default().quantile(0.5), None);
        let mut one = Digest::default();
        one.add(7.0);
        assert_eq!(one.quantile(0.99), Some(7.0));
        let mut odd = Digest::default();
        [f64::NEG_INFINITY, 1.0, f64::INFINITY].iter().for_each(|v| odd.add(*v));
        assert_eq!(odd.quantile(0.5), Some(1.0));
    }
}
