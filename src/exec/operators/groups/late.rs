//! Tables that are made when their first rows come.

use arrow_array::{ArrayRef, UInt32Array};
use arrow_schema::DataType;

use super::hash::is_text;
use super::{FindCache, GroupTable, MISSING, MakeTable};
use crate::exec::error::Result;

/// A table whose first rows say which is best for them.
struct LateTable {
    types: Vec<DataType>,
    make: MakeTable,
    table: Option<Box<dyn GroupTable>>,
    /// How many rows are about to come.
    expected: usize,
}

/// A table that `make` makes of the first rows, or at once where these do not matter: without texts, or with one alone.
pub(super) fn late_table(types: Vec<DataType>, make: MakeTable) -> Result<Box<dyn GroupTable>> {
    if types.len() == 1 || !types.iter().any(is_text) {
        return make(&types, &[]);
    }
    Ok(Box::new(LateTable { types, make, table: None, expected: 0 }))
}

impl LateTable {
    /// The table, which these rows are the first of if there was none.
    fn table(&mut self, rows: &[ArrayRef]) -> Result<&mut Box<dyn GroupTable>> {
        Ok(match &mut self.table {
            Some(table) => table,
            none => {
                let mut table = (self.make)(&self.types, rows)?;
                table.expect(self.expected);
                none.insert(table)
            }
        })
    }
}

impl GroupTable for LateTable {
    fn intern(&mut self, keys: &[ArrayRef], rows: usize, groups: &mut Vec<u32>) -> Result<()> {
        self.table(keys)?.intern(keys, rows, groups)
    }

    fn intern_hashed(
        &mut self,
        keys: &[ArrayRef],
        texts: &[&[u64]],
        rows: usize,
        groups: &mut Vec<u32>,
    ) -> Result<()> {
        self.table(keys)?.intern_hashed(keys, texts, rows, groups)
    }

    fn is_hashed(&self) -> bool {
        self.table.as_ref().is_none_or(|table| table.is_hashed())
    }

    fn dense_range(&self) -> Option<(i64, i64)> {
        self.table.as_ref()?.dense_range()
    }

    fn find(
        &self,
        keys: &[ArrayRef],
        rows: usize,
        groups: &mut Vec<u32>,
        cache: &mut FindCache,
    ) -> Result<()> {
        if let Some(table) = &self.table {
            return table.find(keys, rows, groups, cache);
        }
        groups.clear();
        groups.resize(rows, MISSING);
        Ok(())
    }

    fn expect(&mut self, rows: usize) {
        match &mut self.table {
            Some(table) => table.expect(rows),
            None => self.expected = rows,
        }
    }

    fn complete(&mut self) {
        if let Some(table) = &mut self.table {
            table.complete();
        }
    }

    fn len(&self) -> usize {
        self.table.as_ref().map_or(0, |table| table.len())
    }

    fn take_keys(&mut self) -> Result<Vec<ArrayRef>> {
        self.table(&[])?.take_keys()
    }

    fn take_keys_of(&mut self, groups: &UInt32Array) -> Result<Vec<ArrayRef>> {
        self.table(&[])?.take_keys_of(groups)
    }

    fn size(&self) -> usize {
        self.table.as_ref().map_or(0, |table| table.size())
    }
}
