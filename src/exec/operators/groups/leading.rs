//! Groups that some of their keys tell apart.
//!
//! `GROUP BY id, name, address` has one name and one address for each id, mostly: whoever asks for the columns of a row has to
//! list them. Where rows come out of a join, texts are those of the rows of its build side, so that it is told by where they
//! lie that they are the ones of their group. They are neither read nor hashed then.

use arrow_array::cast::AsArray;
use arrow_array::types::{BinaryViewType, StringViewType};
use arrow_array::{ArrayRef, UInt32Array};
use arrow_schema::DataType;

use super::direct::is_integral;
use super::hash::is_text;
use super::packed::packed_table;
use super::{FindCache, GroupTable, MISSING, MakeTable};
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::flatten;
use crate::exec::views::SharedViews;

/// A table over whole numbers and texts that looks up the numbers alone, as long as groups with the same numbers have the same
/// texts, and all batches list the same buffers.
pub(crate) struct LeadingTable {
    types: Vec<DataType>,
    groups: Groups,
    /// Makes the table that may take over.
    whole: MakeTable,
}

enum Groups {
    /// The table of the numbers, and the texts of the groups.
    Leading(Box<dyn GroupTable>, Vec<Texts>),
    /// A table of all keys, which takes over when that does not hold.
    Whole(Box<dyn GroupTable>),
}

/// One key of all groups.
enum Texts {
    Strings(SharedViews<StringViewType>),
    Bytes(SharedViews<BinaryViewType>),
}

/// Calls a method of the views of a key, with the column as what they are of.
macro_rules! with_views {
    ($texts:expr, $column:expr, |$views:ident, $array:ident| $call:expr) => {
        match $texts {
            Texts::Strings($views) => {
                let $array = $column.as_byte_view::<StringViewType>();
                $call
            }
            Texts::Bytes($views) => {
                let $array = $column.as_byte_view::<BinaryViewType>();
                $call
            }
        }
    };
}

impl LeadingTable {
    /// A table over keys of these types, which may be replaced by one that `whole` makes; `None` if they are not whole numbers
    /// and texts, some of each.
    pub fn new(types: &[DataType], whole: MakeTable) -> Option<Self> {
        let (texts, numbers): (Vec<DataType>, Vec<DataType>) = types.iter().cloned().partition(is_text);
        if texts.is_empty() || numbers.is_empty() || !numbers.iter().all(is_integral) {
            return None;
        }
        let texts = texts.iter().map(|t| match t {
            DataType::BinaryView => Texts::Bytes(SharedViews::default()),
            _ => Texts::Strings(SharedViews::default()),
        });
        let groups = Groups::Leading(packed_table(&numbers, false)?, texts.collect());
        Some(Self { types: types.to_vec(), groups, whole })
    }

    /// The columns that are whole numbers, and those that are texts.
    fn divide(&self, keys: &[ArrayRef]) -> Result<(Vec<ArrayRef>, Vec<ArrayRef>)> {
        let (mut numbers, mut texts) = (vec![], vec![]);
        for (t, key) in self.types.iter().zip(keys) {
            if is_text(t) { texts.push(flatten(key)?) } else { numbers.push(key.clone()) }
        }
        Ok((numbers, texts))
    }

    /// Puts columns of numbers and of texts side by side again.
    fn unite(types: &[DataType], numbers: Vec<ArrayRef>, texts: Vec<ArrayRef>) -> Vec<ArrayRef> {
        let (mut numbers, mut texts) = (numbers.into_iter(), texts.into_iter());
        types.iter().filter_map(|t| if is_text(t) { texts.next() } else { numbers.next() }).collect()
    }

    /// Goes over to a table of all keys, such as are about to come, with the first so many groups.
    fn leave(&mut self, groups: usize, keys: &[ArrayRef]) -> Result<&mut Box<dyn GroupTable>> {
        let mut whole = (self.whole)(&self.types, keys)?;
        if let Groups::Leading(table, texts) = &mut self.groups
            && groups > 0
        {
            let numbers = table.take_keys_of(&UInt32Array::from_iter_values(0..groups as u32))?;
            let texts = texts.iter_mut().map(|texts| texts.take(groups)).collect();
            let mut numbered = vec![];
            whole.intern(&Self::unite(&self.types, numbers, texts), groups, &mut numbered)?;
            if !numbered.iter().copied().eq(0..groups as u32) {
                return Err(ExecError::Internal("groups were numbered otherwise".into()));
            }
        }
        self.groups = Groups::Whole(whole);
        match &mut self.groups {
            Groups::Whole(whole) => Ok(whole),
            Groups::Leading(..) => Err(ExecError::Internal("a table that was left".into())),
        }
    }
}

impl Texts {
    fn take(&mut self, groups: usize) -> ArrayRef {
        match self {
            Self::Strings(views) => views.take(groups),
            Self::Bytes(views) => views.take(groups),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Strings(views) => views.size(),
            Self::Bytes(views) => views.size(),
        }
    }
}

impl GroupTable for LeadingTable {
    fn intern(&mut self, keys: &[ArrayRef], rows: usize, groups: &mut Vec<u32>) -> Result<()> {
        if let Groups::Whole(whole) = &mut self.groups {
            return whole.intern(keys, rows, groups);
        }
        let (numbers, columns) = self.divide(keys)?;
        let mut before = 0;
        if let Groups::Leading(table, texts) = &mut self.groups {
            before = table.len();
            let mut all = texts.iter_mut().zip(&columns);
            if all.all(|(texts, column)| with_views!(texts, column, |views, array| views.accepts(array))) {
                table.intern(&numbers, rows, groups)?;
                let len = table.len();
                let mut all = texts.iter_mut().zip(&columns);
                let same = all.all(|(texts, column)| {
                    with_views!(texts, column, |views, array| {
                        views.resize(len);
                        views.set_or_compare(groups, array)
                    })
                });
                if same {
                    return Ok(());
                }
            }
        }
        self.leave(before, keys)?.intern(keys, rows, groups)
    }

    fn intern_hashed(
        &mut self,
        keys: &[ArrayRef],
        texts: &[&[u64]],
        rows: usize,
        groups: &mut Vec<u32>,
    ) -> Result<()> {
        match &mut self.groups {
            Groups::Whole(whole) => whole.intern_hashed(keys, texts, rows, groups),
            Groups::Leading(..) => self.intern(keys, rows, groups),
        }
    }

    fn find(
        &self,
        keys: &[ArrayRef],
        rows: usize,
        groups: &mut Vec<u32>,
        cache: &mut FindCache,
    ) -> Result<()> {
        match &self.groups {
            Groups::Whole(whole) => whole.find(keys, rows, groups, cache),
            Groups::Leading(table, texts) => {
                let (numbers, columns) = self.divide(keys)?;
                table.find(&numbers, rows, groups, cache)?;
                for (texts, column) in texts.iter().zip(&columns) {
                    with_views!(texts, column, |views, array| {
                        let found = groups.iter_mut().enumerate().filter(|(_, group)| **group != MISSING);
                        let others = found.filter(|(row, group)| !views.is(**group as usize, array, *row));
                        others.for_each(|(_, group)| *group = MISSING);
                    });
                }
                Ok(())
            }
        }
    }

    fn len(&self) -> usize {
        match &self.groups {
            Groups::Leading(table, _) | Groups::Whole(table) => table.len(),
        }
    }

    fn take_keys(&mut self) -> Result<Vec<ArrayRef>> {
        match &mut self.groups {
            Groups::Whole(whole) => whole.take_keys(),
            Groups::Leading(table, texts) => {
                let len = table.len();
                let texts = texts.iter_mut().map(|texts| texts.take(len)).collect();
                Ok(Self::unite(&self.types, table.take_keys()?, texts))
            }
        }
    }

    fn size(&self) -> usize {
        match &self.groups {
            Groups::Whole(whole) => whole.size(),
            Groups::Leading(table, texts) => table.size() + texts.iter().map(Texts::size).sum::<usize>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow_array::types::Int32Type;
    use arrow_array::{Array, Int32Array, StringViewArray};
    use arrow_select::take::take;
    use proptest::prelude::*;

    use super::*;

    fn key(columns: &[ArrayRef], row: usize) -> (Option<i32>, Option<String>, Option<i32>) {
        let number = |c: usize| {
            let column = columns[c].as_primitive::<Int32Type>();
            column.is_valid(row).then(|| column.value(row))
        };
        let texts = columns[1].as_string_view();
        (number(0), texts.is_valid(row).then(|| texts.value(row).to_owned()), number(2))
    }

    proptest! {
        /// Rows of a build side, in which numbers tell texts or do not, from some batch on in other buffers.
        #[test]
        fn groups_are_those_of_a_map(
            build in prop::collection::vec((prop::option::of(0..4_i32), 0..3_usize, prop::option::of(0..2_i32)), 1..12),
            batches in prop::collection::vec((prop::collection::vec(0..12_u32, 0..20), any::<bool>()), 0..6),
            told in any::<bool>(),
        ) {
            let names = [Some("a text of more than twelve bytes"), Some("a"), None];
            let name = |(a, name, b): &(Option<i32>, usize, Option<i32>)| {
                if told { names[a.map_or(2, |a| a as usize % 3)].filter(|_| b.is_some()) } else { names[*name] }
            };
            let build: [ArrayRef; 3] = [
                Arc::new(build.iter().map(|row| row.0).collect::<Int32Array>()),
                Arc::new(build.iter().map(name).collect::<StringViewArray>()),
                Arc::new(build.iter().map(|row| row.2).collect::<Int32Array>()),
            ];
            let types = [DataType::Int32, DataType::Utf8View, DataType::Int32];
            let mut table = LeadingTable::new(&types, super::super::best_table).unwrap();
            let (mut map, mut groups, mut cache) = (HashMap::new(), vec![], FindCache::default());
            for (picks, other) in &batches {
                let picks = UInt32Array::from_iter_values(picks.iter().map(|p| p % build[0].len() as u32));
                let mut columns: Vec<ArrayRef> =
                    build.iter().map(|c| take(c, &picks, None).unwrap()).collect();
                if *other {
                    columns[1] = Arc::new(columns[1].as_string_view().gc());
                }
                let keys: Vec<_> = (0..picks.len()).map(|row| key(&columns, row)).collect();
                let known: Vec<u32> = keys.iter().map(|k| map.get(k).copied().unwrap_or(MISSING)).collect();
                table.find(&columns, picks.len(), &mut groups, &mut cache).unwrap();
                prop_assert_eq!(&groups, &known);
                let expected: Vec<u32> = keys.into_iter().map(|k| {
                    let next = map.len() as u32;
                    *map.entry(k).or_insert(next)
                }).collect();
                table.intern(&columns, picks.len(), &mut groups).unwrap();
                prop_assert_eq!(&groups, &expected);
            }
            prop_assert_eq!(table.len(), map.len());
            let columns = table.take_keys().unwrap();
            for group in 0..map.len() {
                prop_assert_eq!(map.get(&key(&columns, group)), Some(&(group as u32)));
            }
        }
    }
}
