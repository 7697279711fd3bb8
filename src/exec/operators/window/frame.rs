//! Where frames begin and end.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use arrow_ord::ord::{DynComparator, make_comparator};
use arrow_schema::SortOptions;

use crate::column::scalar::Scalar;
use crate::exec::error::{ExecError, Result};
use crate::exec::operators::sort::keys::comparable;
use crate::exec::window::{FrameExclude, FrameUnits};

use super::group::Group;
use super::layout::{Arg, Bound, Call, column_of, constant_array};

/// The frames of some rows.
pub(super) struct Frames {
    /// The first row, and the end, of each frame. The end is not before the start.
    pub bounds: Vec<Range<u32>>,
    /// Rows that are left out, for each frame; empty if nothing is.
    holes: Vec<Range<u32>>,
    /// The first of the rows themselves: it stays in although it lies in a hole.
    kept: Option<usize>,
}

impl Frames {
    /// The frames of a call for some rows.
    pub fn new(call: &Call, group: &Group, rows: &Range<usize>) -> Result<Self> {
        let mut bounds = Vec::with_capacity(rows.len());
        let (start, end) = (Side::new(call, group, true)?, Side::new(call, group, false)?);
        let needs_peers = call.units != FrameUnits::Rows
            || matches!(call.exclude, FrameExclude::Group | FrameExclude::Ties);
        let needs_peers = needs_peers && !group.peers.is_empty();
        let mut peers = if needs_peers { group.peers_of(rows.start) } else { 0 };
        let mut holes = vec![];
        for partition in group.partitions_of(rows) {
            let mut row = Row { at: 0, peers, partition: partition.clone(), first_peers: 0, last_peers: 0 };
            if needs_peers {
                row.first_peers = group.peers_of(partition.start);
                row.last_peers = group.peers.partition_point(|&s| (s as usize) < partition.end);
            }
            let (mut start, mut end) = (start.within(&partition), end.within(&partition));
            for at in rows.start.max(partition.start)..rows.end.min(partition.end) {
                if needs_peers {
                    while (group.peers[peers + 1] as usize) <= at {
                        peers += 1;
                    }
                }
                (row.at, row.peers) = (at, peers);
                let (from, to) = (start.of(&row)?, end.of(&row)?);
                bounds.push(from as u32..to.max(from) as u32);
                match call.exclude {
                    FrameExclude::Nothing => {}
                    FrameExclude::CurrentRow => holes.push(at as u32..at as u32 + 1),
                    FrameExclude::Group | FrameExclude::Ties if needs_peers => {
                        holes.push(group.peers[peers]..group.peers[peers + 1]);
                    }
                    FrameExclude::Group | FrameExclude::Ties => {
                        holes.push(partition.start as u32..partition.end as u32);
                    }
                }
            }
        }
        let kept = (call.exclude == FrameExclude::Ties).then_some(rows.start);
        Ok(Self { bounds, holes, kept })
    }

    /// Whether frames may have several pieces.
    pub fn has_holes(&self) -> bool {
        !self.holes.is_empty()
    }

    /// The pieces of frame `i`, in order; some may be empty.
    pub fn pieces(&self, i: usize) -> [Range<u32>; 3] {
        let Range { start, end } = self.bounds[i];
        let Some(hole) = self.holes.get(i) else { return [start..end, end..end, end..end] };
        let clip = |r: Range<u32>| {
            let from = r.start.clamp(start, end);
            from..r.end.clamp(from, end)
        };
        let kept = self.kept.map_or(end..end, |first| {
            let row = (first + i) as u32;
            row..row + 1
        });
        [clip(start..hole.start), clip(kept), clip(hole.end..end)]
    }
}

/// A row and what its frame may depend on.
struct Row {
    at: usize,
    /// The number of its group of peers, and those of the partition's first and of that behind its last.
    peers: usize,
    first_peers: usize,
    last_peers: usize,
    partition: Range<usize>,
}

/// The starts, or the ends, of frames.
enum Side<'g> {
    Unbounded { start: bool },
    CurrentRow { start: bool },
    CurrentPeers { start: bool, group: &'g Group },
    Rows { start: bool, offsets: Offsets },
    Groups { start: bool, offsets: Offsets, group: &'g Group },
    Range { start: bool, search: Search, group: &'g Group },
}

/// A side within one partition.
struct Within<'s, 'g> {
    side: &'s Side<'g>,
    /// Rows with a key that is not NULL.
    valid: Range<usize>,
    /// What the last search found.
    hint: usize,
}

impl<'g> Side<'g> {
    fn new(call: &Call, group: &'g Group, start: bool) -> Result<Self> {
        let bound = if start { &call.start } else { &call.end };
        let (offset, preceding) = match bound {
            Bound::Unbounded => return Ok(Self::Unbounded { start }),
            Bound::CurrentRow if call.units == FrameUnits::Rows => return Ok(Self::CurrentRow { start }),
            Bound::CurrentRow => return Ok(Self::CurrentPeers { start, group }),
            Bound::Preceding(offset) => (offset, true),
            Bound::Following(offset) => (offset, false),
        };
        Ok(match call.units {
            FrameUnits::Rows => {
                Self::Rows { start, offsets: Offsets::new(offset, group, preceding, FrameUnits::Rows)? }
            }
            FrameUnits::Groups => {
                let offsets = Offsets::new(offset, group, preceding, FrameUnits::Groups)?;
                Self::Groups { start, offsets, group }
            }
            FrameUnits::Range => {
                Self::Range { start, search: Search::new(call, offset, group, preceding)?, group }
            }
        })
    }

    fn within(&self, partition: &Range<usize>) -> Within<'_, 'g> {
        let valid = match self {
            Self::Range { search, .. } => search.valid(partition),
            _ => partition.clone(),
        };
        Within { side: self, hint: valid.start, valid }
    }
}

impl Within<'_, '_> {
    fn of(&mut self, row: &Row) -> Result<usize> {
        let Range { start: first, end: last } = row.partition;
        Ok(match self.side {
            Side::Unbounded { start: true } => first,
            Side::Unbounded { start: false } => last,
            Side::CurrentRow { start } => row.at + usize::from(!start),
            Side::CurrentPeers { start, group } => group.peers[row.peers + usize::from(!start)] as usize,
            Side::Rows { start, offsets } => {
                let at = row.at + usize::from(!start);
                let n = offsets.of(row.at)?;
                if offsets.preceding {
                    at.saturating_sub(n).max(first)
                } else {
                    at.saturating_add(n).min(last)
                }
            }
            Side::Groups { start, offsets, group } => {
                let at = row.peers + usize::from(!start);
                let n = offsets.of(row.at)?;
                let at = if offsets.preceding {
                    at.saturating_sub(n).max(row.first_peers)
                } else {
                    at.saturating_add(n).min(row.last_peers)
                };
                group.peers[at] as usize
            }
            Side::Range { start, search, group } => {
                if search.is_null(row.at) {
                    group.peers[row.peers + usize::from(!start)] as usize
                } else {
                    self.hint = search.find(row.at, &self.valid, self.hint, *start)?;
                    self.hint
                }
            }
        })
    }
}

/// Numbers of rows or groups.
struct Offsets {
    values: Result<ArrayRef, usize>,
    preceding: bool,
    units: FrameUnits,
}

impl Offsets {
    fn new(arg: &Arg, group: &Group, preceding: bool, units: FrameUnits) -> Result<Self> {
        let mut out = Self { values: Err(0), preceding, units };
        match arg {
            Arg::Column(c) => out.values = Ok(group.sorted(*c)?),
            Arg::Constant(Scalar::Int(n), _) => {
                let n = i64::try_from(*n).map_err(|_| out.error("out of range"))?;
                out.values = Err(out.checked(Some(n))?);
            }
            Arg::Constant(..) => out.values = Err(out.checked(None)?),
        }
        Ok(out)
    }

    #[inline]
    fn of(&self, row: usize) -> Result<usize> {
        match &self.values {
            Err(n) => Ok(*n),
            Ok(values) => {
                let values = values.as_primitive::<Int64Type>();
                self.checked(values.is_valid(row).then(|| values.value(row)))
            }
        }
    }

    fn checked(&self, offset: Option<i64>) -> Result<usize> {
        match (offset, self.units) {
            (Some(n), _) if n >= 0 => Ok(usize::try_from(n).unwrap_or(usize::MAX)),
            (None, FrameUnits::Groups) => Ok(0),
            (Some(_), FrameUnits::Groups) => {
                Err(ExecError::OutOfRange(format!("Invalid GROUPS {} value", self.direction())))
            }
            (Some(_), _) => Err(self.error("negative")),
            (None, _) => Err(self.error("NULL")),
        }
    }

    fn direction(&self) -> &'static str {
        if self.preceding { "PRECEDING" } else { "FOLLOWING" }
    }

    fn error(&self, what: &str) -> ExecError {
        ExecError::InvalidInput(format!("Window ROWS {} expression cannot be {what}", self.direction()))
    }
}

/// A search for keys.
struct Search {
    keys: ArrayRef,
    bounds: ArrayRef,
    /// Compares a row's key with a row's bound.
    compare: DynComparator,
    preceding: bool,
    nulls_first: bool,
}

impl Search {
    fn new(call: &Call, bound: &Arg, group: &Group, preceding: bool) -> Result<Self> {
        let key = call.key.as_ref().ok_or_else(|| ExecError::Internal("a RANGE has no key".into()))?;
        let keys = comparable(&group.sorted(column_of(key)?)?)?;
        let bounds = match bound {
            Arg::Column(c) => group.sorted(*c)?,
            Arg::Constant(value, ty) => constant_array(value, ty, group.rows())?,
        };
        let bounds = comparable(&bounds)?;
        let options = SortOptions { descending: key.descending, nulls_first: key.nulls_first };
        let compare = make_comparator(&keys, &bounds, options)?;
        Ok(Self { keys, bounds, compare, preceding, nulls_first: key.nulls_first })
    }

    fn is_null(&self, row: usize) -> bool {
        self.bounds.is_null(row) || self.keys.is_null(row)
    }

    /// The rows of a partition with a key that is not NULL.
    fn valid(&self, partition: &Range<usize>) -> Range<usize> {
        let nulls = match self.keys.nulls() {
            Some(nulls) => nulls.slice(partition.start, partition.len()).null_count(),
            None => 0,
        };
        if self.nulls_first {
            partition.start + nulls..partition.end
        } else {
            partition.start..partition.end - nulls
        }
    }

    /// The first row whose key is not before the bound of `row`; of an end, the first whose key is behind it.
    fn find(&self, row: usize, valid: &Range<usize>, hint: usize, start: bool) -> Result<usize> {
        let own = (self.compare)(row, row);
        if self.preceding && own.is_lt() || !self.preceding && own.is_gt() {
            let direction = if self.preceding { "PRECEDING" } else { "FOLLOWING" };
            return Err(ExecError::OutOfRange(format!("Invalid RANGE {direction} value")));
        }
        let before = |at: usize| {
            let order = (self.compare)(at, row);
            if start { order.is_lt() } else { order.is_le() }
        };
        // Bounds of neighbours are mostly near each other: steps from the last one, each twice as long.
        let (mut low, mut high) = (valid.start, valid.end);
        let hint = hint.clamp(low, high);
        let mut step = 1;
        if hint < high && before(hint) {
            low = hint + 1;
            while low + step < high && before(low + step) {
                low += step + 1;
                step *= 2;
            }
            high = high.min(low + step);
        } else {
            high = hint;
            while high >= low + step && !before(high - step) {
                high -= step;
                step *= 2;
            }
            low = low.max(high.saturating_sub(step));
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if before(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}
