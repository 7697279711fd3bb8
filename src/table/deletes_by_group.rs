//! Deleted rows of the row groups of a table, by their places in it.
//!
//! Each commit makes another version of these, while many row groups may have some: a hundred thousand keys that are
//! replaced in a table of a hundred million rows are in all of its row groups. So versions share what they have in common,
//! and one more is a copy of one part.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::table::deletes::DeleteVector;

/// Row groups of a part.
const PART_GROUPS: usize = 32;

/// Delete vectors by the place of their row group.
#[derive(Debug, Clone, Default)]
pub(super) struct DeletesByGroup {
    /// By the place of its row groups, divided by how many a part has. None is empty.
    parts: BTreeMap<usize, Arc<Part>>,
}

type Part = BTreeMap<usize, Arc<DeleteVector>>;

impl DeletesByGroup {
    /// Whether no row group has any.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Those of a row group.
    pub(super) fn get(&self, index: usize) -> Option<&Arc<DeleteVector>> {
        self.parts.get(&(index / PART_GROUPS))?.get(&index)
    }

    /// Those of all row groups, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Arc<DeleteVector>)> {
        self.parts.values().flat_map(|part| part.iter().map(|(index, vector)| (*index, vector)))
    }

    /// Those of some row groups, in order.
    pub(super) fn range(&self, groups: Range<usize>) -> impl Iterator<Item = (usize, &Arc<DeleteVector>)> {
        let first = groups.start / PART_GROUPS;
        let parts = first..groups.end.div_ceil(PART_GROUPS).max(first);
        let parts = self.parts.range(parts).map(|(_, part)| part);
        parts.flat_map(move |part| part.range(groups.clone())).map(|(index, vector)| (*index, vector))
    }

    /// The first row group that has any.
    pub(super) fn first(&self) -> Option<usize> {
        self.iter().next().map(|(index, _)| index)
    }

    /// Gives a row group these, in the place of others that it had.
    pub(super) fn insert(&mut self, index: usize, vector: Arc<DeleteVector>) {
        let part = self.parts.entry(index / PART_GROUPS).or_default();
        Arc::make_mut(part).insert(index, vector);
    }

    /// Takes those of a row group away.
    pub(super) fn remove(&mut self, index: usize) -> Option<Arc<DeleteVector>> {
        let at = index / PART_GROUPS;
        let part = self.parts.get_mut(&at)?;
        if !part.contains_key(&index) {
            return None;
        }
        let part = Arc::make_mut(part);
        let vector = part.remove(&index);
        if part.is_empty() {
            self.parts.remove(&at);
        }
        vector
    }

    /// Takes those of all row groups from a place on away, and returns them.
    pub(super) fn split_off(&mut self, index: usize) -> Self {
        let rest: Self =
            self.range(index..usize::MAX).map(|(index, vector)| (index, Arc::clone(vector))).collect();
        rest.iter().for_each(|(index, _)| drop(self.remove(index)));
        rest
    }
}

impl Extend<(usize, Arc<DeleteVector>)> for DeletesByGroup {
    fn extend<T: IntoIterator<Item = (usize, Arc<DeleteVector>)>>(&mut self, all: T) {
        all.into_iter().for_each(|(index, vector)| self.insert(index, vector));
    }
}

impl FromIterator<(usize, Arc<DeleteVector>)> for DeletesByGroup {
    fn from_iter<T: IntoIterator<Item = (usize, Arc<DeleteVector>)>>(all: T) -> Self {
        let mut by_group = Self::default();
        by_group.extend(all);
        by_group
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vector(rows: usize) -> Arc<DeleteVector> {
        Arc::new(DeleteVector::with(None, rows + 1, [rows].into_iter()).unwrap())
    }

    proptest! {
        #[test]
        fn it_is_a_map_of_which_versions_share_parts(
            steps in prop::collection::vec((0..200_usize, any::<bool>()), 0..120), range in (0..220_usize, 0..220_usize),
        ) {
            let (mut map, mut expected) = (DeletesByGroup::default(), BTreeMap::new());
            let mut versions = vec![];
            for (at, (index, is_removed)) in steps.into_iter().enumerate() {
                versions.push((map.clone(), expected.clone()));
                if is_removed {
                    prop_assert_eq!(map.remove(index).map(|v| v.bits().len()), expected.remove(&index));
                } else {
                    map.insert(index, vector(at));
                    expected.insert(index, at + 1);
                }
            }
            versions.push((map, expected));
            for (map, expected) in versions {
                let rows = |(index, vector): (usize, &Arc<DeleteVector>)| (index, vector.bits().len());
                prop_assert!(map.iter().map(rows).eq(expected.clone()));
                prop_assert_eq!(map.first(), expected.keys().next().copied());
                prop_assert_eq!(map.is_empty(), expected.is_empty());
                prop_assert_eq!(map.get(range.0).map(|v| v.bits().len()), expected.get(&range.0).copied());
                let within = range.0..range.1.max(range.0);
                let mut before = map.clone();
                let after = before.split_off(within.start);
                prop_assert!(before.iter().map(rows).eq(expected.range(..within.start).map(|(i, rows)| (*i, *rows))));
                prop_assert!(after.iter().map(rows).eq(expected.range(within.start..).map(|(i, rows)| (*i, *rows))));
                prop_assert!(map.range(within.clone()).map(rows).eq(expected.range(within).map(|(i, rows)| (*i, *rows))));
            }
        }
    }
}
