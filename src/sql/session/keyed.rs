//! Rows of a table by their keys, without a statement: what programs do a million times.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use arrow_array::{Array, ArrayRef};
use arrow_select::concat::concat;

use crate::catalog::{Catalog, ColumnId, ConstraintKind, ObjectKind, TableDefinition, TableId};
use crate::column::key::{Keys, encode_value};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::cast::{Mode, cast_in};
use crate::exec::error::ExecError;
use crate::sql::bind::expiry::ttl_column;
use crate::sql::error::{SqlError, SqlErrorKind};
use crate::sql::parser::parse_name;
use crate::sql::session::databases::NamedDatabase;
use crate::sql::session::transaction::Transaction;
use crate::sql::session::{Failure, Session, Turn, TypedValue, beside_others};
use crate::sql::sources::column_of;
use crate::table::{KeyCursor, KeyPlace, KeyRange, Places, Probes, TableSnapshot};

/// A table with a primary key.
#[derive(Debug, Clone)]
pub(crate) struct KeyedTable {
    /// It keeps no database open.
    database: Weak<NamedDatabase>,
    id: TableId,
    name: String,
}

/// A change of a keyed table.
#[derive(Debug, Clone)]
pub(crate) enum KeyedChange {
    /// The row with these values is there, in the place of any other with its key.
    Put(Vec<TypedValue>),
    /// There is no row with this key.
    Delete(Vec<TypedValue>),
}

/// When rows expire.
#[derive(Debug, Clone)]
pub(crate) struct Expiry {
    /// The position of the column that tells their time.
    pub column: usize,
    /// Rows from before have expired.
    pub before: Scalar,
}

impl Expiry {
    /// Whether a row of that time has expired.
    pub(crate) fn is_over(&self, time: &Scalar) -> bool {
        !time.is_null() && time.total_cmp(&self.before).is_lt()
    }
}

/// A condition of a change: the row with the key of what is put has this value in a column; NULL, if it is not there.
#[derive(Debug)]
pub(crate) struct Expected {
    /// The position of the column.
    pub column: usize,
    /// Its value.
    pub value: TypedValue,
}

impl KeyedTable {
    /// Its name, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn database(&self) -> Result<Arc<NamedDatabase>, Failure> {
        self.database.upgrade().ok_or_else(|| usage(format!("the database of \"{}\" is detached", self.name)))
    }
}

fn usage(message: String) -> Failure {
    SqlError::new(SqlErrorKind::Binder, message).into()
}

fn no_order() -> Failure {
    usage("a key of a type without order".into())
}

/// A key of values none of which needs a cast.
fn encode_key(table: &TableDefinition, columns: &[ColumnId], key: &[TypedValue]) -> Option<Vec<u8>> {
    if key.len() != columns.len() {
        return None;
    }
    let mut encoded = Vec::with_capacity(32);
    for (i, (id, (value, ty))) in columns.iter().zip(key).enumerate() {
        let column = &table.columns[table.position_of(*id)?].ty;
        let is_same = column == ty || (column.is_integer() && ty.is_integer());
        let is_last = i + 1 == columns.len();
        if !is_same || !encode_value(value, &column.arrow(), is_last, &mut encoded) {
            return None;
        }
    }
    Some(encoded)
}

/// The positions of the primary key's columns.
fn key_positions(table: &TableDefinition) -> Result<Vec<usize>, Failure> {
    let key =
        table.primary_key().ok_or_else(|| usage(format!("table \"{}\" has no primary key", table.name)))?;
    Ok(key.iter().filter_map(|id| table.position_of(*id)).collect())
}

/// Whether rows that are put need to satisfy nothing but NOT NULL and unique keys.
fn is_plain(table: &TableDefinition, catalog: &Catalog) -> bool {
    let only_keys = table.constraints.iter().all(|c| matches!(c.kind, ConstraintKind::Unique { .. }));
    only_keys
        && table.indexes.iter().all(|index| !index.unique || table.key_of_index(index).is_some())
        && catalog.referencing(table.id).next().is_none()
}

/// Makes columns of values.
struct Columns<'a> {
    session: &'a Session,
    table: &'a TableDefinition,
}

impl Columns<'_> {
    /// Values as a column of a table.
    fn of(&self, position: usize, values: &[&TypedValue]) -> Result<ArrayRef, Failure> {
        let column = &self.table.columns[position];
        let ty = &column.ty;
        let mode = Mode { or_null: false, zone: &self.session.settings.time_zone };
        let from = |values: &[&TypedValue], from: &LogicalType| -> Result<ArrayRef, Failure> {
            let scalars: Vec<&Scalar> = values.iter().map(|(value, _)| value).collect();
            let array = if *from == LogicalType::Null {
                arrow_array::new_null_array(&ty.arrow(), values.len())
            } else {
                cast_in(&column_of(&scalars, from)?, from, ty, mode)?
            };
            let nulls = scalars.iter().filter(|value| value.is_null()).count();
            if array.logical_null_count() != nulls {
                return Err(usage(format!(
                    "a value for column \"{}\" is not of the type {from}",
                    column.name
                )));
            }
            Ok(array)
        };
        let mut types = values.iter().map(|(_, ty)| ty).filter(|ty| **ty != LogicalType::Null);
        let first = types.next().unwrap_or(&LogicalType::Null);
        if types.all(|ty| ty == first) {
            return from(values, first);
        }
        let parts = values.iter().map(|value| from(&[*value], &value.1)).collect::<Result<Vec<_>, _>>()?;
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        Ok(concat(&parts).map_err(ExecError::from)?)
    }

    /// Rows of the values of these columns.
    fn all(&self, positions: &[usize], rows: &[&Vec<TypedValue>]) -> Result<Vec<ArrayRef>, Failure> {
        for row in rows {
            if row.len() != positions.len() {
                let (given, wanted) = (row.len(), positions.len());
                return Err(usage(format!(
                    "{given} values for the {wanted} columns of \"{}\"",
                    self.table.name
                )));
            }
        }
        let column = |(i, position): (usize, &usize)| {
            let values: Vec<&TypedValue> = rows.iter().map(|row| &row[i]).collect();
            self.of(*position, &values)
        };
        positions.iter().enumerate().map(column).collect()
    }
}

impl Session {
    /// The table of that name, as it stands in SQL. It must have a primary key.
    pub(crate) fn keyed_table(&self, name: &str) -> Result<KeyedTable, Failure> {
        let object = parse_name(name)?;
        let view = self.read_view();
        let found = view.find(ObjectKind::Table, &object)?;
        let crate::catalog::Object::Table(table) = found.object else {
            return Err(usage(format!("\"{name}\" is no table that has rows of its own")));
        };
        key_positions(table)?;
        if table.columns.iter().any(|column| column.generated.is_some()) {
            return Err(usage(format!("table \"{name}\" has computed columns: its rows are read with SQL")));
        }
        let database = Arc::downgrade(found.database.database());
        Ok(KeyedTable { database, id: table.id, name: name.to_owned() })
    }

    /// A keyed table as the connection sees it now.
    pub(crate) fn keyed_view(&self, table: &KeyedTable) -> Result<Arc<TableSnapshot>, Failure> {
        self.check_keyed()?;
        Ok(self.transaction.view_of(&table.database()?).table(table.id)?)
    }

    fn check_keyed(&self) -> Result<(), Failure> {
        if matches!(self.transaction, Transaction::Failed(_)) {
            let message = "Current transaction is aborted (please ROLLBACK)";
            return Err(SqlError::new(SqlErrorKind::Transaction, message).into());
        }
        Ok(())
    }

    /// When rows of a table expire, if they do.
    pub(crate) fn keyed_expiry(&self, table: &TableDefinition) -> Result<Option<Expiry>, Failure> {
        if ttl_column(table).is_none() {
            return Ok(None);
        }
        let found = self.bind(&self.read_view(), |binder| Ok(binder.bind_expiry(table)?))?;
        Ok(found.map(|(column, before)| Expiry { column, before }))
    }

    /// Which of some rows of a table have not expired; `None` if none can.
    fn unexpired(&self, view: &TableSnapshot, rows: &[u64]) -> Result<Option<Vec<bool>>, Failure> {
        let Some(expiry) = self.keyed_expiry(view.definition())? else { return Ok(None) };
        let times = Places::of(view, rows)?.read(view, expiry.column)?;
        let ty = &view.definition().columns[expiry.column].ty;
        let is_there = |row| !expiry.is_over(&Scalar::from_array(&*times, row, ty));
        Ok(Some((0..rows.len()).map(is_there).collect()))
    }

    /// The row with a key, and the table as it is seen.
    pub(crate) fn keyed_find_one(
        &self,
        keyed: &KeyedTable,
        key: &[TypedValue],
    ) -> Result<(Arc<TableSnapshot>, Option<KeyPlace>), Failure> {
        let view = self.keyed_view(keyed)?;
        let table = view.definition();
        let columns = table.primary_key().unwrap_or_default();
        let encoded = match encode_key(table, columns, key) {
            Some(encoded) => encoded,
            None => {
                let columns =
                    Columns { session: self, table }.all(&key_positions(table)?, &[&key.to_vec()])?;
                let keys = Keys::encode(&columns).ok_or_else(no_order)?;
                let Some(key) = keys.get(0) else { return Ok((view, None)) };
                key.to_vec()
            }
        };
        let mut found = view.find_one(columns, &encoded)?;
        if let Some(place) = &found
            && ttl_column(table).is_some()
            && self.unexpired(&view, &[place.number()])?.is_some_and(|there| there == [false])
        {
            found = None;
        }
        Ok((view, found))
    }

    /// The numbers of the rows with these keys, in the order of the keys given.
    pub(crate) fn keyed_find(
        &self,
        view: &TableSnapshot,
        keys: &[Vec<TypedValue>],
    ) -> Result<Vec<Option<u64>>, Failure> {
        let table = view.definition();
        let positions = key_positions(table)?;
        let columns = Columns { session: self, table }.all(&positions, &keys.iter().collect::<Vec<_>>())?;
        let probes = Probes::new(&columns).ok_or_else(no_order)?;
        let mut found = vec![None; keys.len()];
        let rows = view.find(table.primary_key().unwrap_or_default(), &probes)?;
        let there = self.unexpired(view, &rows.iter().map(|(_, row)| *row).collect::<Vec<_>>())?;
        for (i, (probe, row)) in rows.into_iter().enumerate() {
            if there.as_ref().is_none_or(|there| there[i]) {
                found[probe as usize] = Some(row);
            }
        }
        Ok(found)
    }

    /// The encoded beginning of keys with these values of the first parts. Whether they are whole.
    pub(crate) fn keyed_prefix(
        &self,
        view: &TableSnapshot,
        values: &[TypedValue],
    ) -> Result<(Vec<u8>, bool), Failure> {
        let table = view.definition();
        let positions = key_positions(table)?;
        if values.len() > positions.len() {
            let (given, wanted) = (values.len(), positions.len());
            return Err(usage(format!("{given} values for the {wanted} columns of the key")));
        }
        if values.is_empty() {
            return Ok((vec![], false));
        }
        let columns = Columns { session: self, table };
        let columns = columns.all(&positions[..values.len()], &[&values.to_vec()])?;
        let keys = Keys::encode_first(&columns, positions.len());
        let key = keys.as_ref().and_then(|keys| keys.get(0));
        let key = key.ok_or_else(|| usage("NULL is in no key".into()))?;
        Ok((key.to_vec(), values.len() == positions.len()))
    }

    /// Whether changes of a keyed table can be made without a statement.
    pub(crate) fn keyed_is_plain(&self, table: &KeyedTable) -> Result<bool, Failure> {
        self.check_keyed()?;
        let view = self.transaction.view_of(&table.database()?);
        let definition = Arc::clone(view.table(table.id)?.definition());
        Ok(is_plain(&definition, view.catalog()))
    }

    /// Makes changes, all or none, in their order. Returns how many rows were added, and how many removed or replaced;
    /// `None`, if a row is not as expected.
    pub(crate) fn keyed_change(
        &mut self,
        keyed: &KeyedTable,
        changes: &[KeyedChange],
        expected: Option<&Expected>,
    ) -> Result<Option<(u64, u64)>, Failure> {
        self.check_keyed()?;
        let result = if self.is_in_transaction() {
            self.keyed_change_in(keyed, changes, expected, Turn::First)
        } else {
            beside_others(|turn| self.keyed_change_in(keyed, changes, expected, turn))
        };
        if let Err(e) = &result {
            self.transaction.statement_failed(e);
        }
        result
    }

    fn keyed_change_in(
        &mut self,
        keyed: &KeyedTable,
        changes: &[KeyedChange],
        expected: Option<&Expected>,
        turn: Turn,
    ) -> Result<Option<(u64, u64)>, Failure> {
        let mut writer = self.writer_at(&keyed.database()?, turn)?;
        let view = writer.transaction()?.view()?.table(keyed.id)?;
        let table = Arc::clone(view.definition());
        let positions = key_positions(&table)?;
        let columns = Columns { session: writer.session(), table: &table };
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
        if probes.has_twice() {
            last.extend((0..changes.len()).filter_map(|change| Some((probes.get(change)?, change))));
        }
        let found = view.find(table.primary_key().unwrap_or_default(), &probes)?;
        if let Some((column, value)) = expected {
            let rows: Vec<u64> = found.iter().map(|(_, row)| *row).collect();
            let there = writer.session().unexpired(&view, &rows)?;
            let is_there = !rows.is_empty() && there.is_none_or(|there| there[0]);
            let now = Places::of(&view, &rows)?.read(&view, column)?;
            let ty = &table.columns[column].ty;
            let now = if now.is_empty() { Scalar::Null } else { Scalar::from_array(&*now, 0, ty) };
            let value = Scalar::from_array(&*value, 0, ty);
            if is_there == value.is_null() || (is_there && now.total_cmp(&value).is_ne()) {
                return Ok(None);
            }
        }
        let mut removed: Vec<u64> = found.into_iter().map(|(_, row)| row).collect();
        removed.sort_unstable();
        removed.dedup();
        let there = writer.session().unexpired(&view, &removed)?;
        let replaced = there.map_or(removed.len(), |there| there.into_iter().filter(|there| *there).count());
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
        Ok(Some((kept.len() as u64, replaced as u64)))
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
