//! Finds the distinct strings of a chunk.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::column::codec::Codec;
use crate::column::encode::is_valid;
use crate::column::sketch::DistinctSketch;
use crate::column::summary::{Summary, bytes_summary};
use crate::column::writer::ChunkBuilder;

/// Rows after which a dictionary of nearly as many values is given up.
const PROBE_ROWS: usize = 16 * 1024;

/// The distinct strings of a chunk in order of appearance, and the position of each row's string among them.
pub(super) struct Dictionary<'a> {
    pub(super) strings: Vec<&'a [u8]>,
    /// NULLs have any.
    pub(super) codes: Vec<i64>,
}

/// Finds the distinct strings and counts them. `None` if there are too many to be worth storing once.
///
/// Rows of one view have one string.
pub(super) fn find<'a>(
    views: &[u128],
    value: impl Fn(usize) -> &'a [u8],
    builder: &mut ChunkBuilder<'_>,
) -> Option<Dictionary<'a>> {
    let hasher = FixedState::with_seed(0);
    let force = builder.options.force == Some(Codec::Dictionary);
    let mut table: HashTable<(u64, u32)> = HashTable::new();
    let mut strings: Vec<&[u8]> = vec![];
    let mut codes = vec![0_i64; views.len()];
    let mut recent = Recent::new();
    let mut sketch = DistinctSketch::for_rows(views.len());
    let (mut seen, mut given_up) = (0_usize, false);
    for block in builder.blocks.iter().filter(|b| !b.all_null()) {
        // In clustered data most rows have the string of the row before.
        let mut before = None;
        for row in block.range() {
            if !is_valid(block.nulls.as_ref(), row - block.start) {
                continue;
            }
            let view = views[row];
            if let Some((same, code)) = before
                && same == view
            {
                codes[row] = code;
                seen += 1;
                continue;
            }
            if given_up {
                sketch.add_hash(hasher.hash_one(value(row)));
                before = Some((view, 0));
                continue;
            }
            let code = recent.code_of(view, || {
                let v = value(row);
                let hash = hasher.hash_one(v);
                let entry = table
                    .entry(hash, |(h, code)| *h == hash && strings[*code as usize] == v, |(h, _)| *h)
                    .or_insert_with(|| {
                        strings.push(v);
                        (hash, strings.len() as u32 - 1)
                    });
                entry.get().1
            });
            codes[row] = i64::from(code);
            before = Some((view, codes[row]));
            seen += 1;
        }
        recent.judge();
        let few = |share: usize| strings.len() * 8 <= seen * share;
        if !given_up && !force && seen >= PROBE_ROWS && !few(if seen >= 4 * PROBE_ROWS { 6 } else { 7 }) {
            given_up = true;
            table.iter().for_each(|(hash, _)| sketch.add_hash(*hash));
        }
    }
    if given_up {
        builder.sketch = sketch;
        return None;
    }
    builder.distinct = (seen > 0).then_some(strings.len());
    Some(Dictionary { strings, codes })
}

impl Dictionary<'_> {
    /// Gives blocks their statistics. Each string is looked at once in each of them.
    pub(super) fn summarize(&self, text: bool, builder: &mut ChunkBuilder<'_>) {
        // The last block that had each string.
        let mut had = vec![usize::MAX; self.strings.len()];
        for (number, block) in builder.blocks.iter_mut().enumerate().filter(|(_, b)| !b.all_null()) {
            let codes = &self.codes[block.range()];
            let nulls = block.nulls.as_ref();
            let mut strings = vec![];
            for (i, code) in codes.iter().enumerate() {
                let had = &mut had[*code as usize];
                if *had != number && is_valid(nulls, i) {
                    *had = number;
                    strings.push(self.strings[*code as usize]);
                }
            }
            let in_order =
                |a: &i64, b: &i64| a == b || self.strings[*a as usize] <= self.strings[*b as usize];
            block.summary = Summary {
                sorted: nulls.is_none() && codes.is_sorted_by(in_order),
                ..bytes_summary(&strings, None, text)
            };
        }
    }
}

/// The codes of views that came lately, which a table of strings need not be asked for: of sources that report in turn, or of
/// strings that a file had in a dictionary, it is the same few all the time.
struct Recent {
    slots: Box<[(u128, u32); Self::SLOTS]>,
    asked: u32,
    known: u32,
    /// It is not worth its while.
    off: bool,
}

impl Recent {
    /// As many as the nearest cache holds beside what else is used.
    const SLOTS: usize = 512;
    /// No view: a string is not so long.
    const NONE: u128 = u128::MAX;

    fn new() -> Self {
        Self { slots: Box::new([(Self::NONE, 0); Self::SLOTS]), asked: 0, known: 0, off: false }
    }

    #[inline(always)]
    fn code_of(&mut self, view: u128, find: impl FnOnce() -> u32) -> u32 {
        if self.off {
            return find();
        }
        let folded = (view as u64) ^ ((view >> 64) as u64).rotate_left(23);
        let at = folded.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - Self::SLOTS.ilog2());
        let slot = &mut self.slots[at as usize];
        self.asked += 1;
        if slot.0 == view {
            self.known += 1;
        } else {
            *slot = (view, find());
        }
        slot.1
    }

    /// Is no longer asked where it knows less than half.
    fn judge(&mut self) {
        self.off |= self.asked >= 1024 && self.known < self.asked / 2;
        (self.asked, self.known) = (0, 0);
    }
}
