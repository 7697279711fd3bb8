//! The order in which the rows of a table lie within a row group, if it has one.
//!
//! Rows of a table with a primary key lie in the order of the key: so neighbours in the key are read from the same blocks,
//! and row groups that follow one another in the key need no filter to be told apart.
//!
//! Rows of a measurement lie series by series, each in the order of time. So
//! the rows of one series are neighbours, which is where it is read from few blocks and packed best.
//!
//! Series are ordered by their tags, in the order of the table's columns and with those that lack a tag last; rows of one
//! series and time keep the order in which they came.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hash, Hasher};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringViewArray};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::catalog::{ColumnId, ColumnRole, TableDefinition};
use crate::column::key::Keys;
use crate::column::types::LogicalType;

/// Which columns say where a row belongs.
#[derive(Debug, Clone)]
pub(super) enum RowOrder {
    /// That of a measurement.
    Series(SeriesOrder),
    /// That of a key, of which these are the columns: their ids and positions.
    Key(Box<[ColumnId]>, Vec<usize>),
}

/// The order of series, and of times within one.
#[derive(Debug, Clone)]
pub(super) struct SeriesOrder {
    tags: Vec<usize>,
    time: usize,
}

impl RowOrder {
    /// That of a table; `None` if its rows stay as they come.
    pub(super) fn of(table: &TableDefinition) -> Option<Self> {
        let Some(time) = table.columns.iter().position(|column| column.role == ColumnRole::Time) else {
            let key = table.primary_key()?;
            let positions: Option<Vec<usize>> = key.iter().map(|id| table.position_of(*id)).collect();
            return Some(Self::Key(key.into(), positions?));
        };
        let of_tags = table.columns.iter().enumerate().filter(|(_, column)| column.role == ColumnRole::Tag);
        let tags: Vec<usize> = of_tags.map(|(position, _)| position).collect();
        let known = matches!(table.columns[time].ty, LogicalType::Timestamp(_))
            && tags.iter().all(|tag| table.columns[*tag].ty == LogicalType::Varchar);
        known.then_some(Self::Series(SeriesOrder { tags, time }))
    }

    /// That of a measurement.
    pub(super) fn series(&self) -> Option<&SeriesOrder> {
        if let Self::Series(order) = self { Some(order) } else { None }
    }

    /// The positions of all columns that it looks at, in the order that [`sort`](Self::sort) takes them.
    pub(super) fn columns(&self) -> Vec<usize> {
        match self {
            Self::Series(SeriesOrder { tags, time }) => tags.iter().copied().chain([*time]).collect(),
            Self::Key(_, positions) => positions.clone(),
        }
    }

    /// Which row comes first, second and so on; `None` if they are in order, or cannot be. The columns are those that
    /// [`columns`](Self::columns) names.
    pub(super) fn sort(&self, columns: &[ArrayRef]) -> Option<Vec<u32>> {
        match self {
            Self::Series(_) => SeriesOrder::sort(columns),
            Self::Key(..) => {
                let keys = Keys::encode(columns)?;
                let rows = keys.sorted();
                // Keys have no NULL.
                (rows.len() == keys.len() && !rows.is_sorted()).then_some(rows)
            }
        }
    }
}

impl SeriesOrder {
    /// The position of the column with the time.
    pub(super) fn time(&self) -> usize {
        self.time
    }

    fn sort(columns: &[ArrayRef]) -> Option<Vec<u32>> {
        let (time, tags) = columns.split_last()?;
        let times = ticks(time);
        let tags: Vec<&StringViewArray> = tags.iter().map(|tag| tag.as_string_view()).collect();
        let ranks = ranks(&tags, time.len());
        let mut rows: Vec<(u32, i64, u32)> =
            ranks.into_iter().zip(times).zip(0..).map(|((rank, time), row)| (rank, time, row)).collect();
        if rows.is_sorted() {
            return None;
        }
        rows.sort_unstable();
        Some(rows.into_iter().map(|(_, _, row)| row).collect())
    }
}

/// The times of a column, where NULL is before all others.
pub(super) fn ticks(times: &ArrayRef) -> Vec<i64> {
    let data = times.to_data();
    let mut ticks = data.buffer::<i64>(0)[..times.len()].to_vec();
    if let Some(nulls) = times.nulls() {
        nulls
            .inner()
            .iter()
            .zip(&mut ticks)
            .filter(|(valid, _)| !valid)
            .for_each(|(_, tick)| *tick = i64::MIN);
    }
    ticks
}

/// For each row the place of its series among all of them.
fn ranks(tags: &[&StringViewArray], rows: usize) -> Vec<u32> {
    let hasher = FixedState::default();
    let hash = |row: usize| {
        let mut state = hasher.build_hasher();
        tags.iter().for_each(|tag| value(tag, row).hash(&mut state));
        state.finish()
    };
    // The first row of each series.
    let mut firsts: Vec<u32> = vec![];
    let mut table: HashTable<u32> = HashTable::new();
    let mut series: Vec<u32> = Vec::with_capacity(rows);
    for row in 0..rows {
        if row > 0 && is_same(tags, row - 1, row) {
            series.push(series[row - 1]);
            continue;
        }
        let hashed = hash(row);
        let found = table.find(hashed, |number| is_same(tags, firsts[*number as usize] as usize, row));
        let number = found.copied().unwrap_or_else(|| {
            let number = firsts.len() as u32;
            firsts.push(row as u32);
            table.insert_unique(hashed, number, |number| hash(firsts[*number as usize] as usize));
            number
        });
        series.push(number);
    }
    let mut by_tags: Vec<u32> = (0..firsts.len() as u32).collect();
    by_tags
        .sort_unstable_by(|a, b| compare(tags, firsts[*a as usize] as usize, firsts[*b as usize] as usize));
    let mut rank = vec![0_u32; firsts.len()];
    by_tags.iter().zip(0..).for_each(|(number, place)| rank[*number as usize] = place);
    series.iter_mut().for_each(|number| *number = rank[*number as usize]);
    series
}

fn value(tag: &StringViewArray, row: usize) -> Option<&str> {
    tag.is_valid(row).then(|| tag.value(row))
}

fn is_same(tags: &[&StringViewArray], a: usize, b: usize) -> bool {
    const INLINE_MAX: u32 = 12;
    tags.iter().all(|tag| {
        let (x, y) = (tag.views()[a], tag.views()[b]);
        match (tag.is_valid(a), tag.is_valid(b)) {
            // A view of a short text is the text, with zeros behind it.
            (true, true) => {
                x == y || (x as u32 > INLINE_MAX && x as u64 == y as u64 && tag.value(a) == tag.value(b))
            }
            (a, b) => a == b,
        }
    })
}

fn compare(tags: &[&StringViewArray], a: usize, b: usize) -> Ordering {
    let orders = tags.iter().map(|tag| match (value(tag, a), value(tag, b)) {
        (Some(a), Some(b)) => a.cmp(b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    });
    orders.fold(Ordering::Equal, Ordering::then)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::TimestampMicrosecondArray;
    use proptest::prelude::*;

    use super::*;

    fn sort(rows: &[(Option<&str>, Option<&str>, Option<i64>)]) -> Option<Vec<u32>> {
        let tag = |of: fn(&(Option<&str>, Option<&str>, Option<i64>)) -> Option<String>| {
            Arc::new(rows.iter().map(of).collect::<StringViewArray>()) as ArrayRef
        };
        let times: TimestampMicrosecondArray = rows.iter().map(|row| row.2).collect();
        // Arrays that are part of others.
        let columns =
            [tag(|row| row.0.map(str::to_owned)), tag(|row| row.1.map(str::to_owned)), Arc::new(times)];
        let columns = columns.map(|column| {
            let null = arrow_array::new_null_array(column.data_type(), 3);
            let more = arrow_select::concat::concat(&[&null, &column]).unwrap();
            more.slice(3, rows.len())
        });
        SeriesOrder::sort(&columns)
    }

    #[test]
    fn series_by_their_tags_and_rows_by_their_times() {
        let long = "a text that is longer than twelve bytes";
        let other = "a text that is longer, and is another one";
        assert_eq!(
            sort(&[(Some("a"), None, Some(1)), (Some("a"), None, Some(1)), (Some("b"), None, None)]),
            None
        );
        assert_eq!(sort(&[(Some("b"), None, Some(1)), (Some("a"), None, Some(2))]), Some(vec![1, 0]));
        assert_eq!(sort(&[(None, None, Some(1)), (Some("z"), None, Some(2))]), Some(vec![1, 0]));
        assert_eq!(sort(&[(Some(long), None, Some(1)), (Some(other), None, Some(0))]), None);
        assert_eq!(sort(&[(Some(other), None, Some(1)), (Some(long), None, Some(0))]), Some(vec![1, 0]));
        assert_eq!(sort(&[(Some(long), None, Some(2)), (Some(long), None, None)]), Some(vec![1, 0]));
        assert_eq!(SeriesOrder::sort(&[]), None);
    }

    proptest! {
        #[test]
        fn it_is_that_of_the_rows_as_tuples(
            rows in prop::collection::vec(
                (prop::option::of(0..3_usize), prop::option::of(0..3_usize), prop::option::of(0..3_i64)), 0..40,
            ),
        ) {
            let texts = ["x", "a text of more than twelve bytes", "a text of more than 12 bytes"];
            let rows: Vec<_> =
                rows.into_iter().map(|(a, b, time)| (a.map(|a| texts[a]), b.map(|b| texts[b]), time)).collect();
            let key = |row: &u32| {
                let (a, b, time) = rows[*row as usize];
                (a.is_none(), a, b.is_none(), b, time)
            };
            let mut expected: Vec<u32> = (0..rows.len() as u32).collect();
            expected.sort_by_key(key);
            prop_assert_eq!(sort(&rows).unwrap_or_else(|| (0..rows.len() as u32).collect()), expected);
        }
    }
}
