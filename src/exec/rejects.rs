//! What readers of files left out, on its way to tables.
//!
//! Rows of a result are made while they are read, by many threads, and tables are changed by statements. So a reader
//! notes here what it leaves out, and the session puts it into temporary tables before its next statement: nobody else
//! sees those.

#![cfg_attr(not(feature = "csv"), allow(dead_code, reason = "only readers of CSV leave something out"))]

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;

/// The columns of a table of such rows.
pub(crate) type Columns = &'static [(&'static str, LogicalType)];

/// What a session has yet to put into tables.
#[derive(Debug, Default)]
pub(crate) struct Rejects {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    scans: u64,
    tables: Vec<RejectTable>,
}

/// Rows for a table.
#[derive(Debug)]
pub(crate) struct RejectTable {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Columns,
    rows: Vec<RejectRow>,
    /// The most rows of a scan, where there is a limit.
    limits: HashMap<u64, usize>,
}

/// A row, and where it belongs: the scan, the file, the place in that.
#[derive(Debug)]
pub(crate) struct RejectRow {
    /// Rows are in the order of this.
    pub place: [u64; 4],
    /// One for each column.
    pub values: Vec<Scalar>,
}

impl RejectTable {
    /// The rows in the order of their files, of each scan no more than its limit.
    pub fn into_rows(mut self) -> impl Iterator<Item = Vec<Scalar>> {
        self.rows.sort_by_key(|row| row.place);
        let mut left = self.limits;
        self.rows.into_iter().filter_map(move |row| {
            if let Some(left) = left.get_mut(&row.place[0]) {
                *left = left.checked_sub(1)?;
            }
            Some(row.values)
        })
    }
}

impl Rejects {
    /// The number of another scan.
    pub fn next_scan(&self) -> u64 {
        let mut state = self.state.lock();
        state.scans += 1;
        state.scans
    }

    /// There is to be such a table, though it may get no rows; of a scan at most `limit`.
    pub fn declare(&self, name: &str, columns: Columns, limit: Option<(u64, usize)>) {
        let mut state = self.state.lock();
        let table = table(&mut state, name, columns);
        table.limits.extend(limit);
    }

    /// Another row of a table.
    pub fn add(&self, name: &str, columns: Columns, row: RejectRow) {
        table(&mut self.state.lock(), name, columns).rows.push(row);
    }

    /// All that was noted, which is forgotten here.
    pub fn take(&self) -> Vec<RejectTable> {
        std::mem::take(&mut self.state.lock().tables)
    }
}

fn table<'s>(state: &'s mut State, name: &str, columns: Columns) -> &'s mut RejectTable {
    let place = state.tables.iter().position(|t| t.name.eq_ignore_ascii_case(name));
    let place = place.unwrap_or_else(|| {
        state.tables.push(RejectTable { name: name.into(), columns, rows: vec![], limits: HashMap::new() });
        state.tables.len() - 1
    });
    &mut state.tables[place]
}

/// The numbers that a query has given to its scans.
#[derive(Debug, Default)]
pub(crate) struct ScanNumbers {
    /// By the address of what describes the scan.
    known: Mutex<HashMap<usize, u64>>,
}

impl ScanNumbers {
    /// The number of the scan that this describes.
    pub fn of<T>(&self, scan: &T, rejects: &Arc<Rejects>) -> u64 {
        *self.known.lock().entry(std::ptr::from_ref(scan) as usize).or_insert_with(|| rejects.next_scan())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: Columns = &[("n", LogicalType::BigInt)];

    #[test]
    fn rows_are_in_order_and_limited() {
        let rejects = Arc::new(Rejects::default());
        let (first, second) = (rejects.next_scan(), rejects.next_scan());
        rejects.declare("empty", COLUMNS, None);
        rejects.declare("r", COLUMNS, Some((first, 2)));
        for (scan, place) in [(second, 9), (first, 7), (first, 3), (first, 5), (second, 1)] {
            let row = RejectRow { place: [scan, 0, place, 0], values: vec![Scalar::Int(i128::from(place))] };
            rejects.add("R", COLUMNS, row);
        }
        let mut tables = rejects.take();
        assert!(rejects.take().is_empty());
        assert_eq!(tables.iter().map(|t| &t.name[..]).collect::<Vec<_>>(), ["empty", "r"]);
        let rows: Vec<_> = tables.remove(1).into_rows().flatten().collect();
        assert_eq!(rows, [3, 5, 1, 9].map(Scalar::Int));
    }

    #[test]
    fn a_scan_keeps_its_number() {
        let rejects = Arc::new(Rejects::default());
        let numbers = ScanNumbers::default();
        let (a, b) = (Box::new(1_u8), Box::new(1_u8));
        let of_a = numbers.of(&*a, &rejects);
        assert_ne!(of_a, numbers.of(&*b, &rejects));
        assert_eq!(of_a, numbers.of(&*a, &rejects));
    }
}
