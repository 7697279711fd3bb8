//! Which sealed row groups may have a key, without a look at each.
//!
//! Row groups whose keys do not overlap make a layer, in which a key is in one row group at most, found by bisection. Where
//! rows are in the order of the key there are few layers, however many row groups; so a look-up costs the same in a large
//! table. A map is made when it is first asked for, and shared by all versions of the table with the same sealed row
//! groups: commits to the log make none anew. If it has many layers, row groups are to be merged
//! ([`key_overlap`](crate::table::key_overlap)).

use std::ops::Bound;
use std::sync::Arc;

use crate::catalog::{ColumnId, TableDefinition};
use crate::column::key::{after_prefix, encode_value};
use crate::sync::RwLock;
use crate::table::data::{Group, TableData};
use crate::table::error::Result;
use crate::table::key_overlap::DEPTH_MAX;
use crate::table::keys::cursor::{KeyRange, is_above};
use crate::table::order::RowOrder;
use crate::table::pin::Pin;

/// The maps of a table, by their keys.
#[derive(Debug, Default)]
pub(in crate::table) struct KeyMaps(RwLock<Vec<Arc<KeyMap>>>);

impl KeyMaps {
    /// The map of a version of a table by a key.
    pub(in crate::table) fn get(
        &self,
        data: &TableData,
        table: &TableDefinition,
        pin: &Pin,
        key: &[ColumnId],
    ) -> Result<Arc<KeyMap>> {
        let known = |maps: &[Arc<KeyMap>]| maps.iter().find(|map| *map.key == *key).cloned();
        if let Some(map) = known(&self.0.read()) {
            return Ok(map);
        }
        let map = Arc::new(KeyMap::of(data, table, pin, key)?);
        let is_order = matches!(RowOrder::of(table), Some(RowOrder::Key(order, _)) if *order == *key);
        if is_order && map.layers() > DEPTH_MAX {
            data.set_late(true);
        }
        let mut maps = self.0.write();
        Ok(known(&maps).unwrap_or_else(|| {
            maps.push(Arc::clone(&map));
            map
        }))
    }
}

/// Row groups by the keys that they may have.
#[derive(Debug)]
pub(in crate::table) struct KeyMap {
    key: Box<[ColumnId]>,
    /// Each in the order of the keys, of which no two are in reach of both of two entries.
    layers: Vec<Vec<Entry>>,
}

/// A row group, and bounds of its keys.
#[derive(Debug)]
pub(in crate::table) struct Entry {
    least: Vec<u8>,
    greatest: Bound<Vec<u8>>,
    /// Its place among the row groups of the table, and the number of its first row.
    pub(in crate::table) index: usize,
    pub(in crate::table) first_row: u64,
    pub(in crate::table) group: Arc<Group>,
}

impl Entry {
    /// No key is less.
    pub(super) fn least(&self) -> &[u8] {
        &self.least
    }

    /// No key is greater, if that is known.
    pub(super) fn greatest(&self) -> Option<&[u8]> {
        match &self.greatest {
            Bound::Included(key) | Bound::Excluded(key) => Some(key),
            Bound::Unbounded => None,
        }
    }
}

impl KeyMap {
    fn of(data: &TableData, table: &TableDefinition, pin: &Pin, key: &[ColumnId]) -> Result<Self> {
        let mut layers = layers(data, pin, |group| bounds(group, table, pin, key))?;
        // A first column of few values tells little, and reading the whole key of each row group is only then worth it.
        if key.len() > 1 && layers.len() > DEPTH_MAX {
            layers = self::layers(data, pin, |group| index_bounds(group, pin, key))?;
        }
        Ok(Self { key: key.into(), layers })
    }

    /// The row groups that may have a key.
    pub(in crate::table) fn with(&self, key: &[u8]) -> impl Iterator<Item = &Entry> {
        self.layers.iter().filter_map(move |layer| {
            let at = layer.partition_point(|entry| &*entry.least <= key).checked_sub(1)?;
            Some(&layer[at]).filter(|entry| !is_above(&entry.greatest, key))
        })
    }

    /// The row groups that may have keys of a range.
    pub(in crate::table) fn within<'a>(&'a self, range: &'a KeyRange) -> impl Iterator<Item = &'a Entry> {
        self.layers.iter().flat_map(move |layer| {
            let first = match &range.0 {
                Bound::Unbounded => 0,
                Bound::Included(low) | Bound::Excluded(low) => {
                    layer.partition_point(|entry| is_above(&entry.greatest, low))
                }
            };
            layer[first..].iter().take_while(|entry| !is_above(&range.1, &entry.least))
        })
    }

    /// How many row groups may have one key.
    pub(in crate::table) fn layers(&self) -> usize {
        self.layers.len()
    }
}

/// The row groups of a table in as few layers as can be, given bounds of the keys of each.
fn layers(
    data: &TableData,
    pin: &Pin,
    bounds: impl Fn(&Group) -> Result<(Vec<u8>, Bound<Vec<u8>>)>,
) -> Result<Vec<Vec<Entry>>> {
    let (mut entries, mut first_row) = (vec![], 0);
    for segment in &data.segments {
        for group in segment.groups(pin)? {
            let (index, rows) = (entries.len(), u64::from(group.entry.rows));
            let (least, greatest) = bounds(group)?;
            entries.push(Entry { least, greatest, index, first_row, group: Arc::clone(group) });
            first_row += rows;
        }
    }
    // The newest first among those that begin alike.
    entries.sort_by(|a, b| a.least.cmp(&b.least).then(b.index.cmp(&a.index)));
    let mut layers: Vec<Vec<Entry>> = vec![];
    for entry in entries {
        let free = layers
            .iter_mut()
            .find(|layer| layer.last().is_none_or(|last| is_above(&last.greatest, &entry.least)));
        match free {
            Some(layer) => layer.push(entry),
            None => layers.push(vec![entry]),
        }
    }
    Ok(layers)
}

/// Bounds of the keys of a row group: what the statistics of the first column say, if they are exact, else what the index
/// says. All keys, if there is neither.
fn bounds(
    group: &Group,
    table: &TableDefinition,
    pin: &Pin,
    key: &[ColumnId],
) -> Result<(Vec<u8>, Bound<Vec<u8>>)> {
    let record = group.record(pin)?;
    let column =
        key.first().and_then(|id| Some((record.position(*id)?, &table.columns[table.position_of(*id)?])));
    if let Some((position, column)) = column {
        let (stats, layout) = (record.chunks()[position].stats(&column.ty), column.ty.arrow());
        let is_exact = stats.min_exact && stats.max_exact && !column.ty.is_float();
        if is_exact && let (Some(min), Some(max)) = (&stats.min, &stats.max) {
            let is_last = key.len() == 1;
            let (mut least, mut greatest) = (vec![], vec![]);
            if encode_value(min, &layout, is_last, &mut least)
                && encode_value(max, &layout, is_last, &mut greatest)
            {
                let behind = || after_prefix(&greatest).map_or(Bound::Unbounded, Bound::Excluded);
                let greatest = if is_last { Bound::Included(greatest) } else { behind() };
                return Ok((least, greatest));
            }
        }
    }
    index_bounds(group, pin, key)
}

/// Bounds of the keys of a row group, as the index says. All keys, if there is none.
fn index_bounds(group: &Group, pin: &Pin, key: &[ColumnId]) -> Result<(Vec<u8>, Bound<Vec<u8>>)> {
    Ok(match group.key_index(pin, key)? {
        Some(index) => match index.bounds() {
            Some((least, greatest)) => (least.to_vec(), Bound::Included(greatest.to_vec())),
            // It has no keys: nothing is less than the least.
            None => (vec![], Bound::Excluded(vec![])),
        },
        None => (vec![], Bound::Unbounded),
    })
}
