//! Where keys lie in the words that they are packed into.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, NullArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::too_many_groups;
use super::words::{FixedWords, word_count};
use crate::exec::error::Result;

/// Bits that a value takes; a text takes those of its number.
fn bits(t: &DataType) -> Option<u32> {
    match t {
        DataType::Null => Some(0),
        DataType::Boolean => Some(1),
        DataType::Utf8View | DataType::BinaryView => Some(32),
        t => match word_count(t)? {
            2 => Some(128),
            _ => t.primitive_width().map(|w| w as u32 * 8),
        },
    }
}

/// Where the value of one key lies in the words.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub data_type: DataType,
    pub bits: u32,
    pub word: usize,
    pub shift: u32,
    /// Word and bit that are set where the key is NULL. The only key of a table has none: its NULL is a group
    /// outside the slots.
    pub null: Option<(usize, u32)>,
}

impl Part {
    /// The bits of a value, at the lower end of a word.
    pub fn mask(&self) -> u64 {
        if self.bits >= 64 { u64::MAX } else { (1 << self.bits) - 1 }
    }

    pub fn is_text(&self) -> bool {
        matches!(self.data_type, DataType::Utf8View | DataType::BinaryView)
    }
}

/// Bits of the number of a group: with 32 bits of another key and one for its being NULL they fill a word.
pub(super) const NUMBER_BITS: u32 = 31;

/// Places for all keys, and how many words that takes. If `numbered`, the first is the number of a group.
pub(super) fn layout(types: &[DataType], numbered: bool) -> Option<(Vec<Part>, usize)> {
    let mut widths: Vec<u32> = types.iter().map(bits).collect::<Option<_>>()?;
    if numbered {
        *widths.first_mut()? = NUMBER_BITS;
    }
    let mut order: Vec<usize> = (0..types.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(widths[i]));
    let mut used: Vec<u32> = vec![];
    let place = |width: u32, used: &mut Vec<u32>| {
        if width == 128 {
            used.extend([64, 64]);
            return (used.len() - 2, 0);
        }
        let word = used.iter().position(|u| u + width <= 64).unwrap_or_else(|| {
            used.push(0);
            used.len() - 1
        });
        used[word] += width;
        (word, used[word] - width)
    };
    let mut places = vec![(0, 0); types.len()];
    for &i in &order {
        places[i] = place(widths[i], &mut used);
    }
    let parts: Vec<Part> = types
        .iter()
        .enumerate()
        .map(|(i, t)| Part {
            data_type: t.clone(),
            bits: widths[i],
            word: places[i].0,
            shift: places[i].1,
            null: (types.len() > 1 && !(numbered && i == 0)).then(|| place(1, &mut used)),
        })
        .collect();
    Some((parts, used.len()))
}

/// The words of fixed-width keys. Texts are added by the caller.
pub(super) fn pack<const W: usize>(
    parts: &[Part],
    keys: &[ArrayRef],
    rows: usize,
    words: &mut Vec<u64>,
) -> Result<()> {
    words.clear();
    words.resize(rows * W, 0);
    let words = words.as_chunks_mut::<W>().0;
    for (part, key) in parts.iter().zip(keys) {
        if let Some((word, bit)) = part.null {
            match key.data_type() {
                DataType::Null => words.iter_mut().for_each(|w| w[word] |= 1 << bit),
                _ => {
                    if let Some(nulls) = key.logical_nulls().filter(|n| n.null_count() > 0) {
                        for i in (0..rows).filter(|&i| nulls.is_null(i)) {
                            words[i][word] |= 1 << bit;
                        }
                    }
                }
            }
        }
        if part.is_text() || part.data_type == DataType::Null {
            continue;
        }
        // That a word is the first is known when this is compiled, where there is no other.
        let word = if W == 1 { 0 } else { part.word };
        let (shift, mask) = (part.shift, part.mask());
        if part.bits == 128 {
            FixedWords::zip(key, words, |to, v| {
                to[word] = v[0];
                to[word + 1] = v[1];
            })?;
        } else if parts.len() == 1 {
            FixedWords::zip(key, words, |to, v| to[0] = v[0])?;
        } else {
            let mut all = 0;
            FixedWords::zip(key, words, |to, v| {
                all |= v[0];
                to[word] |= (v[0] & mask) << shift;
            })?;
            if part.bits == NUMBER_BITS && all > mask {
                return Err(too_many_groups());
            }
        }
    }
    Ok(())
}

/// Adds the numbers of texts to the words.
pub(super) fn pack_ids<const W: usize>(part: &Part, ids: &[u32], words: &mut [u64]) {
    for (words, &id) in words.as_chunks_mut::<W>().0.iter_mut().zip(ids) {
        words[part.word] |= u64::from(id) << part.shift;
    }
}

/// What the words of some keys have for one part; of a text its number.
pub(super) fn fields<const W: usize>(parts: &[Part], part: &Part, keys: &[[u64; W]]) -> Vec<u64> {
    // One pass for all types of one word, which does nothing else.
    let (shift, mask) = (part.shift, part.mask());
    match (parts.len(), W) {
        (1, _) => keys.iter().map(|key| key[0]).collect(),
        (_, 1) => keys.iter().map(|key| (key[0] >> shift) & mask).collect(),
        _ => keys.iter().map(|key| (key[part.word] >> shift) & mask).collect(),
    }
}

/// Which keys are not NULL, where the words say it.
pub(super) fn validity<const W: usize>(part: &Part, keys: &[[u64; W]]) -> Option<NullBuffer> {
    let (word, bit) = part.null?;
    let nulls: NullBuffer = keys.iter().map(|key| key[word] >> bit & 1 == 0).collect();
    (nulls.null_count() > 0).then_some(nulls)
}

/// The column of a part that is no text.
pub(super) fn unpack<const W: usize>(
    parts: &[Part],
    part: &Part,
    keys: &[[u64; W]],
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    if part.data_type == DataType::Null {
        return Ok(Arc::new(NullArray::new(keys.len())));
    }
    if part.bits == 128 {
        let word = part.word;
        return FixedWords::array(&part.data_type, keys.len(), nulls, |i| [keys[i][word], keys[i][word + 1]]);
    }
    let fields = fields(parts, part, keys);
    FixedWords::array(&part.data_type, keys.len(), nulls, |i| [fields[i], 0])
}
