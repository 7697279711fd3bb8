//! Groups of several keys of few values each: an array over all combinations instead of a hash table.

use arrow_array::ArrayRef;

use super::MISSING;
use super::layout::Part;
use super::words::FixedWords;
use crate::exec::error::Result;

/// Bits of all keys together, for which an array stays in the caches where few of its places are used.
const MOST_BITS: u32 = 18;
/// Places for each row that there was, as they have to be cleared.
const MOST_PLACES: u64 = 8;

/// The groups of combinations of keys, by the values of these. It knows those that were asked for; a table has them all.
pub(super) struct Grid {
    /// All keys are whole numbers or texts, and have not yet turned out to have too many values.
    is_possible: bool,
    axes: Vec<Axis>,
    /// By the combined values; [`MISSING`] where nobody has asked.
    groups: Vec<u32>,
    /// The combined values of the rows.
    places: Vec<u32>,
    /// Rows that there were.
    rows: u64,
}

/// The values of one key: those from `least` on, as far as `bits` go, have the numbers from 1 on; NULL has 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axis {
    least: i64,
    bits: u32,
}

/// The rows of one key.
pub(super) enum Values<'k> {
    /// Whole numbers.
    Integers(&'k ArrayRef),
    /// The numbers of texts, of which there are so many, NULL among them; and that of NULL.
    Texts(&'k [u32], usize, Option<u32>),
}

impl Values<'_> {
    /// Least and greatest value; `None` if there is none.
    fn range(&self) -> Result<Option<(i64, i64)>> {
        match self {
            Self::Texts(_, texts, _) => Ok((*texts > 0).then(|| (0, *texts as i64 - 1))),
            Self::Integers(array) => {
                let (mut least, mut greatest) = (i64::MAX, i64::MIN);
                FixedWords::each(array, |_, w| {
                    least = least.min(w[0] as i64);
                    greatest = greatest.max(w[0] as i64);
                })?;
                Ok((least <= greatest).then_some((least, greatest)))
            }
        }
    }

    /// Adds their numbers on an axis to the places of their rows.
    fn place(&self, axis: Axis, shift: u32, places: &mut [u32]) -> Result<()> {
        let number = |v: i64| (v.wrapping_sub(axis.least) as u32 + 1) << shift;
        match self {
            // NULLs are left out.
            Self::Integers(array) => FixedWords::zip(array, places, |place, w| *place |= number(w[0] as i64)),
            Self::Texts(ids, ..) => {
                places.iter_mut().zip(*ids).for_each(|(place, id)| *place |= number(i64::from(*id)));
                Ok(())
            }
        }
    }
}

impl Axis {
    /// For these values, and as many behind them as the bits have room for.
    fn of((least, greatest): (i64, i64)) -> Option<Self> {
        let numbers = greatest.checked_sub(least)?.checked_add(2)? as u64;
        let bits = numbers.next_power_of_two().trailing_zeros();
        Some(Self { least, bits })
    }

    fn has(self, (least, greatest): (i64, i64)) -> bool {
        least >= self.least && (greatest.wrapping_sub(self.least) as u64) < (1 << self.bits) - 1
    }

    /// For these values and its own.
    fn with(self, (least, greatest): (i64, i64)) -> Option<Self> {
        let own = self.least.checked_add((1 << self.bits) - 2)?;
        Self::of((self.least.min(least), own.max(greatest)))
    }
}

impl Grid {
    pub(super) fn new(is_possible: bool) -> Self {
        Self { is_possible, axes: vec![], groups: vec![], places: vec![], rows: 0 }
    }

    pub(super) fn is_possible(&self) -> bool {
        self.is_possible
    }

    /// Makes room for these values of all keys. Returns whether there is.
    fn widen(&mut self, keys: &[Values<'_>]) -> Result<bool> {
        let mut axes = self.axes.clone();
        axes.resize(keys.len(), Axis { least: 0, bits: 0 });
        let mut bits = 0;
        for (axis, key) in axes.iter_mut().zip(keys) {
            if let Some(range) = key.range()?.filter(|range| !axis.has(*range)) {
                let wider = if axis.bits == 0 { Axis::of(range) } else { axis.with(range) };
                match wider.filter(|axis| axis.bits <= MOST_BITS) {
                    Some(wider) => *axis = wider,
                    None => bits = u32::MAX,
                }
            }
            bits = bits.saturating_add(axis.bits);
        }
        if bits > MOST_BITS {
            *self = Self::new(false);
            return Ok(false);
        }
        if 1 << bits > self.rows * MOST_PLACES {
            return Ok(false);
        }
        if axes != self.axes || self.groups.is_empty() {
            self.groups.clear();
            self.groups.resize(1 << bits, MISSING);
            self.axes = axes;
        }
        Ok(true)
    }

    /// The groups of so many rows, from `look_up` where they are not known. Returns whether they can be told: there may be too
    /// many combinations.
    pub(super) fn groups_of<const W: usize>(
        &mut self,
        parts: &[Part],
        keys: &[Values<'_>],
        rows: usize,
        groups: &mut Vec<u32>,
        mut look_up: impl FnMut(&[u64; W]) -> u32,
    ) -> Result<bool> {
        self.rows += rows as u64;
        if !self.widen(keys)? {
            return Ok(false);
        }
        let Self { axes, groups: known, places, .. } = self;
        places.clear();
        places.resize(rows, 0);
        let mut shift = 0;
        for (axis, key) in axes.iter().zip(keys) {
            key.place(*axis, shift, places)?;
            shift += axis.bits;
        }
        groups.extend(places.iter().map(|place| known[*place as usize]));
        if !groups.contains(&MISSING) {
            return Ok(true);
        }
        for (group, place) in groups.iter_mut().zip(&*places).filter(|(group, _)| **group == MISSING) {
            let known = &mut known[*place as usize];
            if *known == MISSING {
                *known = look_up(&key_at(parts, keys, axes, *place));
            }
            *group = *known;
        }
        Ok(true)
    }

    /// Bytes held.
    pub(super) fn size(&self) -> usize {
        (self.groups.len() + self.places.capacity()) * size_of::<u32>()
    }
}

/// The words of the keys of a place.
fn key_at<const W: usize>(parts: &[Part], keys: &[Values<'_>], axes: &[Axis], mut place: u32) -> [u64; W] {
    let mut key = [0; W];
    for ((part, values), axis) in parts.iter().zip(keys).zip(axes) {
        let number = place & ((1 << axis.bits) - 1);
        place >>= axis.bits;
        let value = axis.least.wrapping_add(i64::from(number) - 1) as u64;
        let is_null = match values {
            Values::Integers(_) => number == 0,
            // A text that is NULL has a number all the same.
            Values::Texts(_, _, null) => null.map(u64::from) == Some(value),
        };
        if let (true, Some((word, bit))) = (is_null, part.null) {
            key[word] |= 1 << bit;
        }
        if number > 0 {
            key[part.word] |= (value & part.mask()) << part.shift;
        }
    }
    key
}
