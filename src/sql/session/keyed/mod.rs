//! Rows of a table by their keys, without a statement: what programs do a million times.

mod changes;

use std::sync::{Arc, Weak};

use arrow_array::{Array, ArrayRef};
use arrow_select::concat::concat;

use crate::catalog::{ColumnId, ObjectKind, TableDefinition, TableId};
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
use crate::sql::session::{Failure, Session, TypedValue};
use crate::sql::sources::column_of;
use crate::table::{KeyPlace, Places, Probes, TableSnapshot};

pub(in crate::sql::session) use changes::KeyedGroups;
pub(crate) use changes::{Expected, KeyedChange};

/// A table with a primary key.
#[derive(Debug, Clone)]
pub(crate) struct KeyedTable {
    /// It keeps no database open.
    database: Weak<NamedDatabase>,
    id: TableId,
    name: String,
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
}
