//! Groups of whole numbers that lie close together: an array instead of a hash table.

use arrow_array::ArrayRef;
use arrow_schema::DataType;

use super::words::{FixedWords, word_count};

/// The most values an array-indexed table spans; beyond, cache misses cost more than hashing.
const DIRECT_MAX_SPAN: u64 = 1 << 22;
/// Spans always worth an array.
const DIRECT_MIN_SPAN: u64 = 1 << 17;
/// An array has at least one key in this many places, or is left; keys of several workers lie closer together than
/// those of each.
const DIRECT_SPARSEST: u64 = 16;
/// Keys that lie as close as this move to an array.
const DIRECT_DENSE: u64 = 8;

/// Whether values are whole numbers in one word, so that close values are close words.
pub(super) fn is_integral(t: &DataType) -> bool {
    word_count(t) == Some(1) && !matches!(t, DataType::Float32 | DataType::Float64 | DataType::Boolean)
}

/// Groups of the integers `base ..`, plus one; 0 where there is none.
pub(super) struct Direct {
    /// The key is one integer, so its range is known.
    pub(super) possible: bool,
    pub(super) active: bool,
    pub(super) base: i64,
    pub(super) groups: Vec<u32>,
    /// The range of all keys seen, if any was.
    pub(super) range: Option<(i64, i64)>,
    /// Keys that were announced.
    pub(super) expected: u64,
}

/// Least and greatest value of a column of whole numbers; `None` if it is no such column or has no values.
pub(crate) fn range_of(array: &ArrayRef) -> Option<(i64, i64)> {
    if !is_integral(array.data_type()) || *array.data_type() == DataType::UInt64 {
        return None;
    }
    let mut range: Option<(i64, i64)> = None;
    FixedWords::each(array, |_, w| {
        let v = w[0] as i64;
        range = Some(range.map_or((v, v), |(lo, hi)| (lo.min(v), hi.max(v))));
    })
    .ok()?;
    range
}

/// Whether so many keys of that range lie so close that they move to an array.
pub(super) fn is_dense(range: (i64, i64), keys: usize) -> bool {
    span(range) / DIRECT_DENSE < keys as u64
}

fn span(range: (i64, i64)) -> u64 {
    range.1.wrapping_sub(range.0) as u64
}

impl Direct {
    /// An empty array, in use from the beginning if the key is one integer.
    pub(super) fn new(possible: bool) -> Self {
        Self { possible, active: possible, base: 0, groups: vec![], range: None, expected: 0 }
    }

    /// Whether an array is the place for keys of that range, so many as there are after so many rows.
    pub(super) fn pays(&self, range: (i64, i64), rows: u64, keys: usize) -> bool {
        let wide = span(range);
        wide < DIRECT_MIN_SPAN
            || (wide < DIRECT_MAX_SPAN && wide / 16 < rows)
            || wide / DIRECT_SPARSEST < self.expected.max(keys as u64)
    }

    /// Makes room for all keys of a range that spans little; `before` is that of the keys so far.
    pub(super) fn widen(&mut self, range: (i64, i64), before: Option<(i64, i64)>) {
        let inside = |v: i64| span((self.base, v)) < self.groups.len() as u64 && v >= self.base;
        if inside(range.0) && inside(range.1) {
            return;
        }
        let before = before.filter(|_| !self.groups.is_empty());
        let (base, end) = match before {
            // Keys mostly go on growing to the side that they grew to.
            Some((least, greatest)) => {
                let room = span(range).max(512) as i64;
                let last = self.base.wrapping_add(self.groups.len() as i64 - 1);
                (
                    if range.0 < least { range.0.saturating_sub(room) } else { self.base },
                    if range.1 > greatest { range.1.saturating_add(room) } else { last },
                )
            }
            None => {
                let room = (span(range) / 2).max(512) as i64;
                (range.0.saturating_sub(room), range.1.saturating_add(room))
            }
        };
        let mut groups = vec![0; span((base, end)) as usize + 1];
        if let Some((least, greatest)) = before {
            // What lies beyond is empty, and may never have been touched.
            let (from, to) = (span((self.base, least)) as usize, span((base, least)) as usize);
            let len = span((least, greatest)) as usize + 1;
            groups[to..to + len].copy_from_slice(&self.groups[from..from + len]);
        }
        self.base = base;
        self.groups = groups;
    }
}
