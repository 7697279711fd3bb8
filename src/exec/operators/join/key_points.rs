//! Where the keys of a small build side lie, for scans that know between which values those of their blocks lie.
//!
//! The range of each key alone says little where one partner lies far off: with the last row of each series, and one
//! series that ended long ago, all times since are within the range. Taken together, few blocks have a key of both.

use std::cmp::Ordering;

use arrow_array::ArrayRef;

use crate::column::scalar::Scalar;
use crate::column::stats::ChunkStats;
use crate::column::types::LogicalType;
use crate::exec::error::Result;
use crate::exec::operators::groups::direct::range_of;

/// Build sides of more rows are not asked.
const POINTS_MAX: usize = 1 << 12;

/// The keys of all rows of a build side, none of which is NULL.
#[derive(Debug)]
pub(crate) struct KeyPoints {
    /// The number of the key that they are sorted by.
    by: usize,
    points: Vec<Box<[Scalar]>>,
}

impl KeyPoints {
    /// `None` where the ranges say as much, or where there are too many.
    pub fn new(keys: &[ArrayRef], types: &[LogicalType]) -> Option<Self> {
        let rows = keys.first()?.len();
        if keys.len() < 2 || rows > POINTS_MAX {
            return None;
        }
        let span =
            |key: &ArrayRef| range_of(key).map(|(least, greatest)| greatest.wrapping_sub(least) as u64);
        let (by, _) =
            keys.iter().enumerate().filter_map(|(k, key)| Some((k, span(key)?))).max_by_key(|k| k.1)?;
        let point = |row| keys.iter().zip(types).map(|(key, ty)| Scalar::from_array(key, row, ty)).collect();
        let mut points: Vec<Box<[Scalar]>> = (0..rows).map(point).collect();
        points.sort_by(|a, b| a[by].total_cmp(&b[by]));
        Some(Self { by, points })
    }

    /// Whether one of the keys lies within the bounds that statistics give for each.
    pub fn any_within(&self, mut stats: impl FnMut(usize) -> Result<ChunkStats>) -> Result<bool> {
        let of = stats(self.by)?;
        let (Some(min), Some(max)) = (&of.min, &of.max) else { return Ok(true) };
        let first = self.points.partition_point(|p| p[self.by].total_cmp(min) == Ordering::Less);
        let end = self.points.partition_point(|p| p[self.by].total_cmp(max) != Ordering::Greater);
        if first >= end {
            return Ok(false);
        }
        let width = self.points[first].len();
        let others =
            (0..width).filter(|k| *k != self.by).map(|k| Ok((k, stats(k)?))).collect::<Result<Vec<_>>>()?;
        let within = |value: &Scalar, stats: &ChunkStats| {
            let is = |order, bound: &Option<Scalar>| {
                bound.as_ref().is_some_and(|bound| value.compare(bound) == Some(order))
            };
            !is(Ordering::Less, &stats.min) && !is(Ordering::Greater, &stats.max)
        };
        Ok(self.points[first..end].iter().any(|p| others.iter().all(|(k, stats)| within(&p[*k], stats))))
    }

    /// Bytes held, roughly.
    pub fn size(&self) -> usize {
        self.points.iter().map(|p| 16 + p.len() * size_of::<Scalar>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringViewArray};

    use super::*;

    #[test]
    fn a_block_must_have_a_key_of_both() {
        let names: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "b", "c"]));
        let times: ArrayRef = Arc::new(Int64Array::from(vec![1000, 10, 1001]));
        let types = [LogicalType::Varchar, LogicalType::BigInt];
        let points = KeyPoints::new(&[names.clone(), times], &types).unwrap();
        let any = |names: [&str; 2], times: [i128; 2]| {
            let bounds =
                |min, max| ChunkStats { rows: 1, min: Some(min), max: Some(max), ..ChunkStats::default() };
            let of = |k| {
                Ok(match k {
                    0 => bounds(Scalar::text(names[0]), Scalar::text(names[1])),
                    _ => bounds(Scalar::Int(times[0]), Scalar::Int(times[1])),
                })
            };
            points.any_within(of).unwrap()
        };
        assert!(any(["a", "z"], [0, 10]));
        assert!(!any(["a", "z"], [11, 999]));
        assert!(any(["a", "c"], [11, 1000]));
        assert!(!any(["b", "c"], [11, 1000]));
        assert!(any(["c", "c"], [500, 2000]));
        assert!(!any(["b", "b"], [500, 2000]));
        assert!(points.any_within(|_| Ok(ChunkStats::default())).unwrap());
        assert!(KeyPoints::new(&[names], &types[..1]).is_none());
    }
}
