//! Distinct arguments, and the numbers of their groups, that are one word each.

use arrow_array::ArrayRef;
use parking_lot::Mutex;

use super::Aggregation;
use super::distinct::DistinctRows;
use super::merge::partition_of;
use super::partition::PARTITIONS;
use crate::exec::error::{ExecError, Result};
use crate::exec::memory::Reservation;
use crate::exec::operators::groups::hash::hash_words;
use crate::exec::operators::groups::recent_words::RecentWords;
use crate::exec::operators::groups::word_set::{WordKeys, WordSet};
use crate::exec::scheduler::parallel;

/// Words of a partition that are allocated at a time.
const CHUNK: usize = 1 << 10;

/// Words laid out by the hash of their arguments, some of them repeatedly.
pub(super) struct ScatteredWords {
    keys: WordKeys,
    recent: RecentWords,
    /// Words of each partition; the last of the chunks is being filled.
    parts: Vec<Vec<Vec<u64>>>,
    chunks: usize,
    /// Whether a NULL came, which has no word.
    null: bool,
    packed: Vec<u64>,
}

impl ScatteredWords {
    /// Nothing.
    pub fn new(keys: WordKeys) -> Self {
        Self {
            keys,
            recent: RecentWords::default(),
            parts: (0..PARTITIONS).map(|_| vec![]).collect(),
            chunks: 0,
            null: false,
            packed: vec![],
        }
    }

    /// Adds words that differ, and NULL, if it is among them.
    pub fn add(&mut self, words: &[u64], null: bool) {
        self.null |= null;
        for &word in words {
            let part = &mut self.parts[partition_of(hash_words(&[self.keys.arguments(word)]), PARTITIONS)];
            match part.last_mut().filter(|chunk| chunk.len() < CHUNK) {
                Some(chunk) => chunk.push(word),
                None => {
                    let mut chunk = Vec::with_capacity(CHUNK);
                    chunk.push(word);
                    part.push(chunk);
                    self.chunks += 1;
                }
            }
        }
    }

    /// Adds rows.
    pub fn push(&mut self, columns: &[ArrayRef], rows: usize) -> Result<()> {
        let mut packed = std::mem::take(&mut self.packed);
        let null = self.keys.pack(columns, rows, &mut packed)?;
        self.recent.drop_from(&mut packed);
        self.add(&packed, null);
        self.packed = packed;
        Ok(())
    }

    /// Columns of the rows, in pieces.
    pub fn into_columns(self) -> Result<Vec<Vec<ArrayRef>>> {
        let mut pieces: Vec<Vec<u64>> = self.parts.into_iter().map(|chunks| chunks.concat()).collect();
        pieces.retain(|words| !words.is_empty());
        if pieces.is_empty() {
            pieces.push(vec![]);
        }
        pieces.iter().enumerate().map(|(i, words)| self.keys.unpack(words, self.null && i == 0)).collect()
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        (self.chunks * CHUNK + self.packed.capacity()) * size_of::<u64>()
    }
}

/// A worker's words by partition, other numbers for its groups, and whether it has NULL.
type Parts = (Vec<Mutex<Vec<Vec<u64>>>>, Option<Vec<u32>>, bool);

/// The distinct rows of several workers, in pieces that have no row in common.
pub(super) fn merge(
    aggregation: &Aggregation,
    keys: &WordKeys,
    sets: Vec<DistinctRows>,
) -> Result<Vec<Vec<ArrayRef>>> {
    let context = &*aggregation.context;
    let sets: Vec<_> = sets.into_iter().map(|set| Mutex::new(Some(set))).collect();
    let workers: Vec<Parts> = parallel(context, sets.len(), |s| {
        let (set, map) = sets[s].lock().take().ok_or_else(|| ExecError::Internal("merged twice".into()))?;
        let words = set.into_words(keys)?;
        let parts: Vec<_> = words.parts.into_iter().map(Mutex::new).collect();
        Ok((parts, map, words.null))
    })?;
    let null = workers.iter().any(|(_, _, null)| *null);
    parallel(context, PARTITIONS, |p| {
        let mut merged = WordSet::default();
        let mut memory = Reservation::new(&aggregation.context);
        let words = |(parts, ..): &Parts| parts[p].lock().iter().map(Vec::len).sum::<usize>();
        // Most are distinct, or they would not have been laid out.
        merged.reserve(workers.iter().map(words).sum::<usize>() / 4 * 3)?;
        memory.resize(merged.size())?;
        for (parts, map, _) in &workers {
            for mut chunk in std::mem::take(&mut *parts[p].lock()) {
                if let Some(map) = map {
                    keys.renumber(&mut chunk, map)?;
                }
                merged.insert(&chunk)?;
            }
            memory.resize(merged.size())?;
        }
        keys.unpack(&merged.take(), null && p == 0)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Int64Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_schema::DataType;

    use super::*;

    fn of(values: impl IntoIterator<Item = Option<i64>>) -> Vec<ArrayRef> {
        vec![Arc::new(Int64Array::from_iter(values))]
    }

    fn rows(words: ScatteredWords) -> Vec<Option<i64>> {
        let pieces = words.into_columns().unwrap();
        let rows = pieces.iter().flat_map(|piece| piece[0].as_primitive::<Int64Type>().iter());
        let mut rows: Vec<_> = rows.collect();
        rows.sort();
        rows
    }

    #[test]
    fn what_came_just_before_is_not_laid_out_again() {
        let mut words = ScatteredWords::new(WordKeys::single(&DataType::Int64).unwrap());
        words.push(&of((0..3000).map(|i| Some(i % 3 + 1)).chain([None, None])), 3002).unwrap();
        let found = rows(words);
        assert_eq!(found[0], None);
        assert!(found.len() < 100, "{}", found.len());
        assert!((1..=3).all(|value| found.contains(&Some(value))));
    }

    #[test]
    fn without_rows_there_is_a_column_without_rows() {
        let words = ScatteredWords::new(WordKeys::single(&DataType::Int64).unwrap());
        assert_eq!(rows(words), []);
    }
}
