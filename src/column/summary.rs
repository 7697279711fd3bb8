//! What a writer learns of the values of a block or chunk: what becomes their statistics.

use arrow_buffer::NullBuffer;

use crate::column::meta::put_sum;
use crate::column::physical::Physical;
use crate::column::scalar::{Scalar, float_cmp};
use crate::column::stats::{Bound, flags, put_bound};

/// What is known of the values of a block or chunk, NULLs left out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    /// The least value.
    pub(crate) min: Option<Scalar>,
    /// The greatest value.
    pub(crate) max: Option<Scalar>,
    /// The sum, if it means something and fits.
    pub(crate) sum: Option<Scalar>,
    /// No value is less than the one before.
    pub(crate) sorted: bool,
}

impl Summary {
    /// Adds what is known of the values that follow.
    pub(crate) fn add(&mut self, next: &Self) {
        let follows = match (&self.max, &next.min) {
            (Some(max), Some(min)) => max.total_cmp(min).is_le(),
            _ => true,
        };
        self.sorted = self.sorted && next.sorted && follows;
        let less = |a: &Scalar, b: &Scalar| a.total_cmp(b).is_lt();
        if next.min.as_ref().is_some_and(|n| self.min.as_ref().is_none_or(|min| less(n, min))) {
            self.min.clone_from(&next.min);
        }
        if next.max.as_ref().is_some_and(|n| self.max.as_ref().is_none_or(|max| less(max, n))) {
            self.max.clone_from(&next.max);
        }
        self.sum = match (self.sum.take(), &next.sum) {
            (Some(Scalar::Int(a)), Some(Scalar::Int(b))) => a.checked_add(*b).map(Scalar::Int),
            (Some(Scalar::Float(a)), Some(Scalar::Float(b))) => Some(Scalar::Float(a + b)),
            _ => None,
        };
    }

    /// Appends minimum, maximum and sum of these widths and returns the flags.
    pub(crate) fn put(
        &self,
        physical: Physical,
        bound_width: usize,
        sum_width: usize,
        out: &mut Vec<u8>,
    ) -> u8 {
        let mut found = if self.sorted { flags::SORTED } else { 0 };
        for (value, bound, there, is_exact) in [
            (&self.min, Bound::Min, flags::MIN, flags::MIN_EXACT),
            (&self.max, Bound::Max, flags::MAX, flags::MAX_EXACT),
        ] {
            let end = out.len() + bound_width;
            if let Some(exact) = value.as_ref().and_then(|v| put_bound(v, bound, physical, bound_width, out))
            {
                found |= there | if exact { is_exact } else { 0 };
            }
            out.resize(end, 0);
        }
        let end = out.len() + sum_width;
        if self.sum.as_ref().is_some_and(|sum| put_sum(sum, sum_width, out)) {
            found |= flags::SUM;
        }
        out.resize(end, 0);
        found
    }
}

/// Gives NULLs the value before them (after them at the start), which all codecs store best.
pub(crate) fn fill<T: Copy>(values: &mut [T], nulls: Option<&NullBuffer>) {
    let Some(nulls) = nulls else { return };
    let Some(first) = nulls.valid_indices().next() else { return };
    let mut last = values[first];
    for (i, v) in values.iter_mut().enumerate() {
        if nulls.is_valid(i) {
            last = *v;
        } else {
            *v = last;
        }
    }
}

/// The values that are not NULL.
pub(crate) fn valid<'v, T: Copy>(
    values: &'v [T],
    nulls: Option<&'v NullBuffer>,
) -> impl Iterator<Item = T> + 'v {
    values.iter().enumerate().filter(move |(i, _)| nulls.is_none_or(|n| n.is_valid(*i))).map(|(_, v)| *v)
}

/// Statistics of floats, NULLs filled with values.
pub(crate) fn float_summary(values: &[f64], nulls: Option<&NullBuffer>) -> Summary {
    let (mut min, mut max) = (values[0], values[0]);
    for v in values {
        if float_cmp(*v, min).is_lt() {
            min = *v;
        }
        if float_cmp(*v, max).is_gt() {
            max = *v;
        }
    }
    Summary {
        min: Some(Scalar::Float(min)),
        max: Some(Scalar::Float(max)),
        sum: Some(Scalar::Float(valid(values, nulls).sum())),
        sorted: values.is_sorted_by(|a, b| float_cmp(*a, *b).is_le()),
    }
}

/// Statistics of byte strings.
pub(crate) fn bytes_summary(values: &[&[u8]], nulls: Option<&NullBuffer>, text: bool) -> Summary {
    let scalar = |v: &[u8]| {
        if text { std::str::from_utf8(v).ok().map(Scalar::text) } else { Some(Scalar::bytes(v)) }
    };
    let mut min: Option<&[u8]> = None;
    let mut max: Option<&[u8]> = None;
    for v in valid(values, nulls) {
        if min.is_none_or(|min| v < min) {
            min = Some(v);
        }
        if max.is_none_or(|max| v > max) {
            max = Some(v);
        }
    }
    Summary {
        min: min.and_then(scalar),
        max: max.and_then(scalar),
        sum: None,
        sorted: nulls.is_none() && values.is_sorted(),
    }
}
