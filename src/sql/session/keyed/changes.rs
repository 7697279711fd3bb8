//! Changes of keyed tables: what is put, and what is deleted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::ArrayRef;

use crate::catalog::{Catalog, ColumnId, ConstraintKind, TableDefinition, TableId};
use crate::column::scalar::Scalar;
use crate::exec::error::ExecError;
use crate::exec::zone::Zone;
use crate::sql::bind::expiry::ttl_column;
use crate::sql::session::keyed::{Columns, KeyedTable, key_positions, no_order, usage};
use crate::sql::session::{Failure, Session, Turn, TypedValue, beside_others};
use crate::sync::write_groups::{Served, WriteGroups};
use crate::table::{KeyCursor, KeyRange, Places, Probes, Synchronous, TableError, TableSnapshot};

/// Bytes that the changes of several commits may take to be one; what a commit has in the log is less.
const GROUP_BYTES_MAX: usize = 1 << 20;
/// What a value takes besides its text.
const VALUE_BYTES: usize = 64;

/// A change of a keyed table.
#[derive(Debug, Clone)]
pub(crate) enum KeyedChange {
    /// The row with these values is there, in the place of any other with its key.
    Put(Vec<TypedValue>),
    /// There is no row with this key.
    Delete(Vec<TypedValue>),
}

/// Those of one commit.
type Changes = Arc<[KeyedChange]>;

/// A condition of a change: the row with the key of what is put has this value in a column; NULL, if it is not there.
#[derive(Debug)]
pub(crate) struct Expected {
    /// The position of the column.
    pub column: usize,
    /// Its value.
    pub value: TypedValue,
}

/// Commits that come at once and mean the same to whoever makes them. Each is answered by how many rows it has removed or
/// replaced.
#[derive(Debug)]
pub(in crate::sql::session) struct KeyedGroups(WriteGroups<Likeness, Changes, u64>);

impl Default for KeyedGroups {
    fn default() -> Self {
        Self(WriteGroups::new(GROUP_BYTES_MAX))
    }
}

/// What commits must have in common to be made as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Likeness {
    table: TableId,
    synchronous: Synchronous,
    /// In which texts are read as instants.
    zone: Zone,
}

/// About how many bytes changes take.
fn weight(changes: &[KeyedChange]) -> usize {
    let of_value = |(value, _): &TypedValue| {
        VALUE_BYTES
            + match value {
                Scalar::Text(text) => text.len(),
                Scalar::Bytes(bytes) => bytes.len(),
                Scalar::Nested(array) => array.get_array_memory_size(),
                _ => 0,
            }
    };
    let of_change = |change: &KeyedChange| match change {
        KeyedChange::Put(values) | KeyedChange::Delete(values) => values.iter().map(of_value).sum::<usize>(),
    };
    changes.iter().map(of_change).sum()
}

/// Whether rows that are put need to satisfy nothing but NOT NULL and unique keys.
fn is_plain(table: &TableDefinition, catalog: &Catalog) -> bool {
    let only_keys = table.constraints.iter().all(|c| matches!(c.kind, ConstraintKind::Unique { .. }));
    only_keys
        && table.indexes.iter().all(|index| !index.unique || table.key_of_index(index).is_some())
        && catalog.referencing(table.id).next().is_none()
}

impl Session {
    /// Whether changes of a keyed table can be made without a statement.
    pub(crate) fn keyed_is_plain(&self, table: &KeyedTable) -> Result<bool, Failure> {
        self.check_keyed()?;
        let view = self.transaction.view_of(&table.database()?);
        let definition = Arc::clone(view.table(table.id)?.definition());
        Ok(is_plain(&definition, view.catalog()))
    }

    /// Makes changes, all or none, in their order. Returns how many rows were removed or replaced.
    pub(crate) fn keyed_change(
        &mut self,
        keyed: &KeyedTable,
        changes: Vec<KeyedChange>,
    ) -> Result<u64, Failure> {
        self.check_keyed()?;
        let result = self.change_with_others(keyed, &changes.into());
        if let Err(e) = &result {
            self.transaction.statement_failed(e);
        }
        result
    }

    /// Puts a row, if the one with its key is as expected; returns whether it was.
    pub(crate) fn keyed_put_if(
        &mut self,
        keyed: &KeyedTable,
        row: Vec<TypedValue>,
        expected: &Expected,
    ) -> Result<bool, Failure> {
        self.check_keyed()?;
        let result = self.change_alone(keyed, &[[KeyedChange::Put(row)].into()], Some(expected));
        if let Err(e) = &result {
            self.transaction.statement_failed(e);
        }
        Ok(result?.is_some())
    }

    /// Makes changes, together with those that come at the same time where that is the same as one after the other.
    fn change_with_others(&mut self, keyed: &KeyedTable, changes: &Changes) -> Result<u64, Failure> {
        let database = keyed.database()?;
        let view = self.transaction.view_of(&database);
        // Which rows have expired depends on when each began; and what several rows must not share, on the rows that others
        // replace in between.
        let is_apart =
            |table: &Arc<TableDefinition>| ttl_column(table).is_some() || table.unique_keys().len() > 1;
        let served = if self.is_in_transaction() || view.catalog().table_by_id(keyed.id).is_none_or(is_apart)
        {
            Served::Alone
        } else {
            let (synchronous, zone) = (self.settings.synchronous, self.settings.time_zone.clone());
            let (like, cancel) = (Likeness { table: keyed.id, synchronous, zone }, self.cancel.clone());
            let (begun, patience) = (Instant::now(), Duration::from_millis(self.settings.lock_timeout_ms));
            let is_tired = || begun.elapsed() >= patience && database.storage().is_occupied();
            let groups = &database.keyed_groups().0;
            groups.serve(
                &like,
                changes,
                weight(changes),
                || cancel.is_cancelled() || is_tired(),
                || Ok(()),
                |(), group| Ok::<_, Failure>(self.change_alone(keyed, group, None)?.unwrap_or_default()),
            )?
        };
        match served {
            Served::Answer(replaced) => Ok(replaced),
            Served::GaveUp if self.cancel.is_cancelled() => Err(ExecError::Cancelled.into()),
            Served::GaveUp => Err(TableError::Busy.into()),
            Served::Alone => {
                let replaced = self.change_alone(keyed, &[Arc::clone(changes)], None)?;
                Ok(replaced.into_iter().flatten().sum())
            }
        }
    }

    /// Makes the changes of some commits as one.
    fn change_alone(
        &mut self,
        keyed: &KeyedTable,
        commits: &[Changes],
        expected: Option<&Expected>,
    ) -> Result<Option<Vec<u64>>, Failure> {
        if self.is_in_transaction() {
            return self.change_at(keyed, commits, expected, Turn::First);
        }
        beside_others(|turn| self.change_at(keyed, commits, expected, turn))
    }

    /// Makes the changes of some commits, all or none, in their order. Returns how many rows each removes or replaces, as
    /// those before it leave them; `None`, if a row is not as expected.
    fn change_at(
        &mut self,
        keyed: &KeyedTable,
        commits: &[Changes],
        expected: Option<&Expected>,
        turn: Turn,
    ) -> Result<Option<Vec<u64>>, Failure> {
        let mut writer = self.writer_at(&keyed.database()?, turn)?;
        let view = writer.transaction()?.view()?.table(keyed.id)?;
        let table = Arc::clone(view.definition());
        let positions = key_positions(&table)?;
        let columns = Columns { session: writer.session(), table: &table };
        let changes: Vec<&KeyedChange> = commits.iter().flat_map(|changes| changes.iter()).collect();
        // All rows that are put, and the keys of all changes.
        let (mut put, mut puts, mut keys) = (vec![], vec![], vec![]);
        let only_puts = changes.iter().all(|change| matches!(change, KeyedChange::Put(_)));
        for (at, change) in changes.iter().enumerate() {
            match change {
                KeyedChange::Put(row) => {
                    put.push(row);
                    puts.push(at);
                    if row.len() != table.columns.len() {
                        let (given, wanted) = (row.len(), table.columns.len());
                        return Err(usage(format!(
                            "{given} values for the {wanted} columns of \"{}\"",
                            table.name
                        )));
                    }
                    if !only_puts {
                        keys.push(positions.iter().map(|at| row[*at].clone()).collect::<Vec<_>>());
                    }
                }
                KeyedChange::Delete(key) => keys.push(key.clone()),
            }
        }
        let everything: Vec<usize> = (0..table.columns.len()).collect();
        let rows = if put.is_empty() { vec![] } else { columns.all(&everything, &put)? };
        let key_columns = if only_puts {
            positions.iter().map(|at| Arc::clone(&rows[*at])).collect()
        } else {
            columns.all(&positions, &keys.iter().collect::<Vec<_>>())?
        };
        let expected = expected.map(|e| Ok::<_, Failure>((e.column, columns.of(e.column, &[&e.value])?)));
        let expected = expected.transpose()?;
        check_not_null(&table, &rows)?;
        let probes = Probes::new(&key_columns).ok_or_else(no_order)?;
        // The last change of a key is what counts.
        let mut last: HashMap<&[u8], usize> = HashMap::new();
        let has_twice = probes.has_twice();
        if has_twice {
            last.extend((0..changes.len()).filter_map(|change| Some((probes.get(change)?, change))));
        }
        let found = view.find(table.primary_key().unwrap_or_default(), &probes)?;
        let mut removed: Vec<u64> = found.iter().map(|(_, row)| *row).collect();
        let there = writer.session().unexpired(&view, &removed)?;
        let mut is_there = vec![false; changes.len()];
        for (i, (probe, _)) in found.into_iter().enumerate() {
            is_there[probe as usize] = there.as_ref().is_none_or(|there| there[i]);
        }
        if let Some((column, value)) = expected {
            let now = Places::of(&view, &removed)?.read(&view, column)?;
            let ty = &table.columns[column].ty;
            let now = if now.is_empty() { Scalar::Null } else { Scalar::from_array(&*now, 0, ty) };
            let value = Scalar::from_array(&*value, 0, ty);
            if is_there[0] == value.is_null() || (is_there[0] && now.total_cmp(&value).is_ne()) {
                return Ok(None);
            }
        }
        let replaced = rows_replaced(commits, has_twice.then_some(&probes), &is_there);
        removed.sort_unstable();
        removed.dedup();
        let kept: Vec<u32> = (0..puts.len())
            .filter(|i| {
                probes.get(puts[*i]).is_some_and(|key| last.get(key).is_none_or(|last| *last == puts[*i]))
            })
            .map(|i| i as u32)
            .collect();
        let rows = if kept.len() == puts.len() {
            rows
        } else {
            let kept = arrow_array::UInt32Array::from(kept.clone());
            let take = |array: &ArrayRef| arrow_select::take::take(array, &kept, None);
            rows.iter().map(take).collect::<Result<_, _>>().map_err(ExecError::from)?
        };
        removed.extend(check_other_keys(writer.session(), &view, &table, &rows, &removed)?);
        let transaction = writer.transaction()?;
        if !removed.is_empty() {
            transaction.delete(keyed.id, &removed)?;
        }
        if !kept.is_empty() {
            let appender = transaction.append(keyed.id)?;
            for (at, start) in (0..kept.len()).step_by(appender.row_group_rows()).enumerate() {
                let length = appender.row_group_rows().min(kept.len() - start);
                let part: Vec<ArrayRef> = rows.iter().map(|array| array.slice(start, length)).collect();
                appender.write_row_group(at as u64, &part)?;
            }
        }
        writer.finish()?;
        Ok(Some(replaced))
    }

    /// Removes the rows whose keys are in a range. Returns how many there were.
    pub(crate) fn keyed_delete_range(&mut self, keyed: &KeyedTable, range: KeyRange) -> Result<u64, Failure> {
        self.check_keyed()?;
        let mut delete = || -> Result<u64, Failure> {
            let mut writer = self.writer_in(&keyed.database()?)?;
            let view = writer.transaction()?.view()?.table(keyed.id)?;
            let key: Box<[ColumnId]> = view.definition().primary_key().unwrap_or_default().into();
            let mut cursor = KeyCursor::new(Arc::clone(&view), &key, range.clone(), false)?;
            let mut rows = vec![];
            while let Some(row) = cursor.next_row()? {
                rows.push(row);
            }
            let there = writer.session().unexpired(&view, &rows)?;
            let seen = there.map_or(rows.len(), |there| there.into_iter().filter(|there| *there).count());
            writer.transaction()?.delete(keyed.id, &rows)?;
            writer.finish()?;
            Ok(seen as u64)
        };
        let result = delete();
        if let Err(e) = &result {
            self.transaction.statement_failed(e);
        }
        result
    }
}

/// How many rows each of some commits removes or replaces, as those before it leave them. `is_there` says of each change
/// whether there is a row with its key before all of them; keys are looked at where some are the same.
fn rows_replaced(commits: &[Changes], keys: Option<&Probes>, is_there: &[bool]) -> Vec<u64> {
    // Of each key whether its row is there, and the last commit that changed it.
    let mut known: HashMap<&[u8], (bool, usize)> = HashMap::new();
    let mut changes = 0..;
    let mut replaced = |(number, commit): (usize, &Changes)| {
        let of_change = |(change, at): (&KeyedChange, usize)| {
            let Some(keys) = keys else { return is_there[at] };
            let Some(key) = keys.get(at) else { return false };
            let (there, last) = known.entry(key).or_insert((is_there[at], usize::MAX));
            let counts = *there && *last != number;
            (*there, *last) = (matches!(change, KeyedChange::Put(_)), number);
            counts
        };
        commit.iter().zip(&mut changes).map(of_change).filter(|counts| *counts).count() as u64
    };
    commits.iter().enumerate().map(&mut replaced).collect()
}

fn check_not_null(table: &TableDefinition, rows: &[ArrayRef]) -> Result<(), Failure> {
    for (column, array) in table.columns.iter().zip(rows) {
        if !column.nullable && array.logical_null_count() > 0 {
            let message = format!("NOT NULL constraint failed: {}.{}", table.name, column.name);
            return Err(ExecError::Constraint(message).into());
        }
    }
    Ok(())
}

/// Whether rows that are added have keys, besides the primary, that others have. Returns rows that have, but have expired.
fn check_other_keys(
    session: &Session,
    view: &TableSnapshot,
    table: &TableDefinition,
    rows: &[ArrayRef],
    removed: &[u64],
) -> Result<Vec<u64>, Failure> {
    let mut expired = vec![];
    if rows.is_empty() {
        return Ok(expired);
    }
    for key in table.unique_keys() {
        if Some(&*key) == table.primary_key() {
            continue;
        }
        let columns: Vec<ArrayRef> =
            key.iter().filter_map(|id| table.position_of(*id)).map(|at| Arc::clone(&rows[at])).collect();
        let probes = Probes::new(&columns).ok_or_else(no_order)?;
        let others: Vec<u64> = view.find(&key, &probes)?.into_iter().map(|(_, row)| row).collect();
        let others: Vec<u64> = others.into_iter().filter(|row| removed.binary_search(row).is_err()).collect();
        let taken = match session.unexpired(view, &others)? {
            Some(there) => there.contains(&true),
            None => !others.is_empty(),
        };
        expired.extend(others);
        if taken || probes.has_twice() {
            let names: Vec<&str> = key
                .iter()
                .filter_map(|id| table.position_of(*id))
                .map(|at| &*table.columns[at].name)
                .collect();
            let message = format!("Duplicate key ({}) violates unique constraint.", names.join(", "));
            return Err(ExecError::Constraint(message).into());
        }
    }
    Ok(expired)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_commit_replaces_what_those_before_it_leave() {
        let value = |n: i128| vec![(Scalar::Int(n), crate::column::types::LogicalType::Integer)];
        let (put, delete) = (|n| KeyedChange::Put(value(n)), |n| KeyedChange::Delete(value(n)));
        let commits: [Changes; 4] = [
            [put(1), put(2), put(1)].into(),
            [delete(1), put(2), delete(3), put(1)].into(),
            [delete(1), delete(1)].into(),
            [delete(1), put(3)].into(),
        ];
        let keys = [1, 2, 1, 1, 2, 3, 1, 1, 1, 1, 3];
        let column: ArrayRef = Arc::new(arrow_array::Int32Array::from(keys.to_vec()));
        let probes = Probes::new(&[column]).unwrap();
        // 2 is there before, and nothing else.
        let is_there = keys.map(|key| key == 2);
        assert_eq!(rows_replaced(&commits, Some(&probes), &is_there), [1, 2, 1, 0]);
        let is_there = [true, false, true, true, true, true, true, true, true, true, true];
        assert_eq!(rows_replaced(&commits, None, &is_there), [2, 4, 2, 2]);
    }
}
