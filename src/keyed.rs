//! Rows by their keys, without SQL.

use std::ops::Bound;
use std::sync::Arc;

use arrow_array::ArrayRef;
use parking_lot::Mutex;

use crate::catalog::TableDefinition;
use crate::column::key::{after_prefix, escape};
use crate::column::scalar::Scalar;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::exec::batch::{Batch, Field};
use crate::params::{Param, Params};
use crate::row::{FromRow, Row};
use crate::sql::session::{self, Expected, Expiry, KeyedChange, TypedValue};
use crate::table::{KeyCursor, KeyRange, Places, RowGroup, TableError, TableSnapshot};

/// Rows that a scan reads at first, and at most, at a time.
const READ_ROWS: (usize, usize) = (16, 1024);

/// A table whose rows are read and written by its primary key. See [`Connection::keyed`].
///
/// Keys are values for the columns of the primary key, rows for all columns of the table, in their order; they are cast
/// to the types of the columns. What is written is committed at once, unless a transaction is open. The same rows are
/// there in SQL, and all constraints hold.
///
/// ```
/// let db = fluxdb::Database::open_in_memory()?;
/// let connection = db.connect();
/// connection.execute("CREATE TABLE readings(device VARCHAR, ts BIGINT, value DOUBLE, PRIMARY KEY (device, ts))")?;
/// let readings = connection.keyed("readings")?;
/// readings.put(("a", 1, 0.5))?;
/// readings.put(("a", 2, 1.5))?;
/// readings.put(("b", 1, 7.0))?;
/// assert_eq!(readings.get_as::<(String, i64, f64)>(("a", 2))?, Some(("a".into(), 2, 1.5)));
/// assert!(readings.get(("c", 1))?.is_none());
///
/// // The rows of a prefix, or of a range, in the order of the key or against it.
/// let newest = readings.get_latest(("a",))?.unwrap();
/// assert_eq!(newest.get::<_, f64>("value")?, 1.5);
/// let all: Vec<(String, i64, f64)> = readings.scan().prefix(("a",)).rows_as()?;
/// assert_eq!(all.len(), 2);
///
/// // Several changes, all or none.
/// let mut batch = readings.batch();
/// batch.put(("b", 2, 8.0)).delete(("b", 1));
/// batch.commit()?;
/// assert_eq!(connection.query_one::<(f64,)>("SELECT sum(value) FROM readings", ())?, (10.0,));
/// # Ok::<(), fluxdb::Error>(())
/// ```
#[derive(Debug)]
pub struct KeyedTable<'c> {
    connection: &'c Connection,
    table: session::KeyedTable,
    /// The columns of its rows, and of which version of it.
    columns: Mutex<Option<(Arc<TableDefinition>, Arc<[Field]>)>>,
}

fn positional(values: impl Into<Params>) -> Result<Vec<TypedValue>> {
    let values = values.into().into_row();
    values.ok_or_else(|| Error::Usage("keys and rows are values by position, without names".to_owned()))
}

impl<'c> KeyedTable<'c> {
    pub(crate) fn new(connection: &'c Connection, name: &str) -> Result<Self> {
        let table = connection.session().keyed_table(name)?;
        Ok(Self { connection, table, columns: Mutex::default() })
    }

    fn view(&self) -> Result<Arc<TableSnapshot>> {
        Ok(self.connection.session().keyed_view(&self.table)?)
    }

    /// The row with a key.
    ///
    /// # Errors
    ///
    /// The values do not fit the key, or reading failed.
    pub fn get(&self, key: impl Into<Params>) -> Result<Option<Row>> {
        let key = positional(key)?;
        let (view, found) = self.connection.session().keyed_find_one(&self.table, &key)?;
        let Some(place) = found else { return Ok(None) };
        let (columns, row) = if place.group.is_held() {
            let columns = 0..view.definition().columns.len();
            let columns: Result<_, TableError> =
                columns.map(|column| place.group.read_column(column)).collect();
            (columns, place.row as usize)
        } else {
            let places = Places::at(&[(&place.group, place.row)]);
            (read_columns(&view, &places), 0)
        };
        let columns: Vec<ArrayRef> = columns?;
        let rows = columns.first().map_or(0, |column| column.len());
        Ok(Some(Row::new(self.columns(&view), Arc::new(Batch::new(columns, rows)), row)))
    }

    /// The columns of rows of a version of the table.
    fn columns(&self, view: &TableSnapshot) -> Arc<[Field]> {
        let table = view.definition();
        let mut known = self.columns.lock();
        match &*known {
            Some((of, columns)) if Arc::ptr_eq(of, table) => Arc::clone(columns),
            _ => {
                let columns: Arc<[Field]> =
                    table.columns.iter().map(|column| Field::new(&*column.name, column.ty.clone())).collect();
                *known = Some((Arc::clone(table), Arc::clone(&columns)));
                columns
            }
        }
    }

    /// The row with a key as a tuple, or a struct that derives [`FromRow`](crate::FromRow).
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); and if a column is missing or of another type.
    pub fn get_as<T: FromRow>(&self, key: impl Into<Params>) -> Result<Option<T>> {
        self.get(key)?.map(|row| T::from_row(&row)).transpose()
    }

    /// The rows with some keys, in the order of these, as of one moment.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_many<K: Into<Params>>(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<Option<Row>>> {
        let keys = keys.into_iter().map(positional).collect::<Result<Vec<_>>>()?;
        if keys.is_empty() {
            return Ok(vec![]);
        }
        let (view, found) = {
            let session = self.connection.session();
            let view = session.keyed_view(&self.table)?;
            let found = session.keyed_find(&view, &keys)?;
            (view, found)
        };
        let rows: Vec<u64> = found.iter().flatten().copied().collect();
        let batch = Arc::new(Batch::new(read_columns(&view, &Places::of(&view, &rows)?)?, rows.len()));
        let columns = self.columns(&view);
        let mut rows = (0..rows.len()).map(|row| Row::new(Arc::clone(&columns), Arc::clone(&batch), row));
        Ok(found.into_iter().map(|row| row.and_then(|_| rows.next())).collect())
    }

    /// Of the rows whose keys begin with some values the one with the greatest key: of keys of an object and a time, the
    /// object's newest.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_latest(&self, prefix: impl Into<Params>) -> Result<Option<Row>> {
        self.scan().prefix(prefix).reverse().limit(1).rows()?.next().transpose()
    }

    /// Adds a row, in the place of the one with its key if there is one. Returns whether there was.
    ///
    /// # Errors
    ///
    /// The row does not fit the table, a constraint does not hold, or writing failed. Nothing has changed then.
    pub fn put(&self, row: impl Into<Params>) -> Result<bool> {
        let mut batch = self.batch();
        batch.put(row);
        Ok(batch.commit()? > 0)
    }

    /// Removes the row with a key. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// The values do not fit the key, a foreign key refers to the row, or writing failed.
    pub fn delete(&self, key: impl Into<Params>) -> Result<bool> {
        let mut batch = self.batch();
        batch.delete(key);
        Ok(batch.commit()? > 0)
    }

    /// Adds a row as [`put`](Self::put) does, if the row that has its key has this value in a column now; NULL stands for
    /// that there is no such row. Returns whether it did.
    ///
    /// ```
    /// let connection = fluxdb::Database::open_in_memory()?.connect();
    /// connection.execute("CREATE TABLE docs(name VARCHAR PRIMARY KEY, body VARCHAR, version BIGINT)")?;
    /// let docs = connection.keyed("docs")?;
    /// assert!(docs.put_if(("a", "first", 1), "version", None::<i64>)?);
    /// assert!(docs.put_if(("a", "second", 2), "version", 1)?);
    /// assert!(!docs.put_if(("a", "too late", 2), "version", 1)?);
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put); or there is no such column.
    pub fn put_if(&self, row: impl Into<Params>, column: &str, expected: impl Into<Param>) -> Result<bool> {
        let row = positional(row)?;
        let view = self.view()?;
        let position = view.definition().find_column(column).map_err(crate::table::TableError::from)?;
        let expected = Expected { column: position, value: expected.into().into_value() };
        let mut session = self.connection.session();
        if !session.keyed_is_plain(&self.table)? {
            return Err(Error::Usage(format!(
                "\"{}\" has constraints besides keys and NOT NULL: rows are put there unconditionally or with SQL",
                self.table.name()
            )));
        }
        Ok(session.keyed_put_if(&self.table, row, &expected)?)
    }

    /// Removes the rows whose keys are in the range of a scan. Returns how many there were.
    ///
    /// # Errors
    ///
    /// As [`delete`](Self::delete).
    pub fn delete_range(&self, scan: KeyedScan<'_>) -> Result<u64> {
        if scan.limit.is_some() {
            return Err(Error::Usage("a range that is removed has no limit".to_owned()));
        }
        let view = self.view()?;
        let range = scan.range(&view)?;
        let mut session = self.connection.session();
        if !session.keyed_is_plain(&self.table)? {
            return Err(Error::Usage(format!(
                "\"{}\" has constraints besides keys and NOT NULL: its rows are removed one by one or with SQL",
                self.table.name()
            )));
        }
        Ok(session.keyed_delete_range(&self.table, range)?)
    }

    /// The rows in the order of the key: all, unless more is said.
    pub fn scan(&self) -> KeyedScan<'_> {
        KeyedScan {
            table: self,
            prefix: Ok(vec![]),
            begins: None,
            low: Bound::Unbounded,
            high: Bound::Unbounded,
            reverse: false,
            limit: None,
        }
    }

    /// Changes that are made together.
    pub fn batch(&self) -> KeyedBatch<'_> {
        KeyedBatch { table: self, changes: vec![], error: None }
    }

    /// By statements, which check what there is to check.
    fn change_by_sql(&self, changes: Vec<KeyedChange>) -> Result<u64> {
        let view = self.view()?;
        let table = view.definition();
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let key: Vec<usize> =
            table.primary_key().unwrap_or_default().iter().filter_map(|id| table.position_of(*id)).collect();
        let stored: Vec<usize> = (0..table.columns.len()).collect();
        let names = |positions: &[usize]| {
            positions.iter().map(|at| quoted(&table.columns[*at].name)).collect::<Vec<_>>().join(", ")
        };
        let others = stored.iter().filter(|at| !key.contains(at));
        let set: Vec<String> = others
            .map(|at| quoted(&table.columns[*at].name))
            .map(|name| format!("{name} = excluded.{name}"))
            .collect();
        let action =
            if set.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", set.join(", ")) };
        let conditions: Vec<String> =
            key.iter().map(|at| format!("{} = ?", quoted(&table.columns[*at].name))).collect();
        let name = self.table.name();
        let (insert, delete) = (
            format!(
                "INSERT INTO {name} ({}) VALUES ({}) ON CONFLICT ({}) DO {action}",
                names(&stored),
                vec!["?"; stored.len()].join(", "),
                names(&key)
            ),
            format!("DELETE FROM {name} WHERE {}", conditions.join(" AND ")),
        );
        let as_params = |values: Vec<TypedValue>| {
            Params::positional(values.into_iter().map(|(value, ty)| Param::new(value, ty)))
        };
        let run = |connection: &Connection| {
            let mut removed = 0;
            for change in changes {
                match change {
                    KeyedChange::Put(row) => {
                        let keys: Vec<TypedValue> =
                            key.iter().filter_map(|at| row.get(*at).cloned()).collect();
                        removed += u64::from(self.get(as_params(keys))?.is_some());
                        connection.execute_with(&insert, as_params(row))?;
                    }
                    KeyedChange::Delete(key) => {
                        removed += connection.execute_with(&delete, as_params(key))?;
                    }
                }
            }
            Ok(removed)
        };
        if self.connection.session().is_in_transaction() {
            return run(self.connection);
        }
        self.connection.transaction(run)
    }
}

/// Changes of a keyed table that are made all or not at all, in their order. See [`KeyedTable`].
#[derive(Debug)]
#[must_use = "nothing changes before `commit`"]
pub struct KeyedBatch<'t> {
    table: &'t KeyedTable<'t>,
    changes: Vec<KeyedChange>,
    error: Option<Error>,
}

impl KeyedBatch<'_> {
    /// Adds a row, in the place of the one with its key if there is one.
    pub fn put(&mut self, row: impl Into<Params>) -> &mut Self {
        self.add(row, KeyedChange::Put)
    }

    /// Removes the row with a key, if there is one.
    pub fn delete(&mut self, key: impl Into<Params>) -> &mut Self {
        self.add(key, KeyedChange::Delete)
    }

    fn add(&mut self, values: impl Into<Params>, change: fn(Vec<TypedValue>) -> KeyedChange) -> &mut Self {
        match positional(values) {
            Ok(values) => self.changes.push(change(values)),
            Err(error) => self.error = self.error.take().or(Some(error)),
        }
        self
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Makes the changes. Returns how many rows were removed or replaced.
    ///
    /// # Errors
    ///
    /// A row does not fit the table, a constraint does not hold, or writing failed. Nothing has changed then.
    pub fn commit(self) -> Result<u64> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.changes.is_empty() {
            return Ok(0);
        }
        let table = self.table;
        let mut session = table.connection.session();
        if session.keyed_is_plain(&table.table)? {
            return Ok(session.keyed_change(&table.table, self.changes)?);
        }
        drop(session);
        table.change_by_sql(self.changes)
    }
}

/// Rows of a keyed table in the order of the key. See [`KeyedTable::scan`].
#[derive(Debug)]
#[must_use = "nothing is read before `rows`"]
pub struct KeyedScan<'t> {
    table: &'t KeyedTable<'t>,
    prefix: Result<Vec<TypedValue>>,
    begins: Option<Vec<u8>>,
    low: Bound<Result<Vec<TypedValue>>>,
    high: Bound<Result<Vec<TypedValue>>>,
    reverse: bool,
    limit: Option<u64>,
}

impl KeyedScan<'_> {
    /// Only rows whose keys begin with these values.
    pub fn prefix(mut self, values: impl Into<Params>) -> Self {
        self.prefix = positional(values);
        self
    }

    /// Only rows in whose keys the text or the bytes behind the values of the [`prefix`](Self::prefix) begin with these.
    pub fn starts_with(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.begins = Some(bytes.as_ref().to_vec());
        self
    }

    /// Only rows with this key and greater ones: values for the key, or for the first of its columns.
    pub fn from(mut self, key: impl Into<Params>) -> Self {
        self.low = Bound::Included(positional(key));
        self
    }

    /// Only rows with keys greater than this.
    pub fn after(mut self, key: impl Into<Params>) -> Self {
        self.low = Bound::Excluded(positional(key));
        self
    }

    /// Only rows with keys less than this.
    pub fn to(mut self, key: impl Into<Params>) -> Self {
        self.high = Bound::Excluded(positional(key));
        self
    }

    /// Only rows with this key and lesser ones.
    pub fn through(mut self, key: impl Into<Params>) -> Self {
        self.high = Bound::Included(positional(key));
        self
    }

    /// The greatest key first.
    pub fn reverse(mut self) -> Self {
        self.reverse = !self.reverse;
        self
    }

    /// So many rows at most.
    pub fn limit(mut self, rows: u64) -> Self {
        self.limit = Some(rows);
        self
    }

    /// The range of keys.
    fn range(&self, view: &TableSnapshot) -> Result<KeyRange> {
        let session = self.table.connection.session();
        let encode = |values: &Result<Vec<TypedValue>>| -> Result<(Vec<u8>, bool)> {
            let values = values.as_ref().map_err(Clone::clone)?;
            Ok(session.keyed_prefix(view, values)?)
        };
        let (mut prefix, whole) = encode(&self.prefix)?;
        if let Some(begins) = &self.begins {
            let parts = view.definition().primary_key().unwrap_or_default().len();
            let position = self.prefix.as_ref().map_or(0, Vec::len);
            let column = view.definition().primary_key().and_then(|key| key.get(position).copied());
            let column = column.and_then(|id| view.definition().position_of(id));
            let ty = column.map(|at| view.definition().columns[at].ty.arrow());
            if !matches!(ty, Some(arrow_schema::DataType::Utf8View | arrow_schema::DataType::BinaryView)) {
                return Err(Error::Usage(format!("part {} of the key is no text and no BLOB", position + 1)));
            }
            escape(begins, position + 1 == parts, &mut prefix);
        }
        let behind = |key: &[u8]| after_prefix(key).map_or(Bound::Unbounded, Bound::Excluded);
        let mut low = Bound::Included(prefix.clone());
        let mut high = if whole && self.begins.is_none() { Bound::Included(prefix) } else { behind(&prefix) };
        let tighter = |bound: &Bound<Vec<u8>>, key: &[u8], lower: bool| match bound {
            Bound::Unbounded => true,
            Bound::Included(old) | Bound::Excluded(old) if lower => key > &old[..],
            Bound::Included(old) | Bound::Excluded(old) => key < &old[..],
        };
        match &self.low {
            Bound::Unbounded => {}
            Bound::Included(key) => {
                let (key, _) = encode(key)?;
                if tighter(&low, &key, true) {
                    low = Bound::Included(key);
                }
            }
            Bound::Excluded(key) => {
                let (key, whole) = encode(key)?;
                // Behind all that begin with these values.
                let next = match after_prefix(&key) {
                    _ if whole => Bound::Excluded(key.clone()),
                    Some(next) => Bound::Included(next),
                    None => Bound::Excluded(key.clone()),
                };
                if tighter(&low, &key, true) || matches!(&low, Bound::Included(old) if *old == key) {
                    low = next;
                }
            }
        }
        match &self.high {
            Bound::Unbounded => {}
            Bound::Excluded(key) => {
                let (key, _) = encode(key)?;
                if tighter(&high, &key, false) || matches!(&high, Bound::Included(old) if *old == key) {
                    high = Bound::Excluded(key);
                }
            }
            Bound::Included(key) => {
                let (key, whole) = encode(key)?;
                let next = if whole { Bound::Included(key) } else { behind(&key) };
                let is_tighter = match &next {
                    Bound::Unbounded => false,
                    Bound::Included(key) | Bound::Excluded(key) => tighter(&high, key, false),
                };
                if is_tighter {
                    high = next;
                }
            }
        }
        Ok((low, high))
    }

    /// Begins to read, as of now: what is written later does not show. Rows are read a few at a time, so memory does not
    /// grow with their number.
    ///
    /// # Errors
    ///
    /// The values do not fit the key, or reading failed.
    pub fn rows(self) -> Result<KeyedRows> {
        let view = self.table.view()?;
        let key: Box<[_]> = view.definition().primary_key().unwrap_or_default().into();
        let range = self.range(&view)?;
        let expiry = self.table.connection.session().keyed_expiry(view.definition())?;
        let columns = self.table.columns(&view);
        let cursor = KeyCursor::new(view, &key, range, self.reverse)?;
        Ok(KeyedRows {
            cursor,
            columns,
            held: vec![],
            expiry,
            left: self.limit.unwrap_or(u64::MAX),
            // Who says how many wants them all.
            wanted: self.limit.map_or(READ_ROWS.0, |limit| limit.clamp(1, READ_ROWS.1 as u64) as usize),
            batches: vec![],
            rows: vec![].into_iter(),
            done: false,
        })
    }

    /// All rows, as tuples or structs.
    ///
    /// # Errors
    ///
    /// As [`rows`](Self::rows); and if a column is missing or of another type.
    pub fn rows_as<T: FromRow>(self) -> Result<Vec<T>> {
        self.rows()?.map(|row| T::from_row(&row?)).collect()
    }
}

/// Rows of a [`KeyedScan`], one by one.
#[derive(Debug)]
pub struct KeyedRows {
    cursor: KeyCursor,
    columns: Arc<[Field]>,
    /// Row groups in memory that rows have come from, by their places: such rows are not copied.
    held: Vec<(usize, Arc<Batch>)>,
    /// As of when the scan began.
    expiry: Option<Expiry>,
    left: u64,
    /// How many are read at a time, next.
    wanted: usize,
    /// What was read, a batch for each row group.
    batches: Vec<Arc<Batch>>,
    /// The rows that come next: of which of the batches, and which of its rows.
    rows: std::vec::IntoIter<(u32, u32)>,
    done: bool,
}

impl KeyedRows {
    fn fill(&mut self) -> Result<()> {
        let wanted = (self.wanted as u64).min(self.left) as usize;
        self.wanted = (self.wanted * 4).min(READ_ROWS.1);
        // What is read of each row group; and the rows in the order of the key: of which of them, and where in that.
        let mut groups: Vec<(Arc<RowGroup>, Vec<u32>)> = vec![];
        let mut rows: Vec<(u32, u32)> = Vec::with_capacity(wanted);
        let (mut run, mut last) = (vec![], 0);
        while rows.len() < wanted {
            let Some(group) = self.cursor.next_run(wanted - rows.len(), &mut run)? else { break };
            let is_same = |known: &(Arc<RowGroup>, Vec<u32>)| known.0.index() == group.index();
            if !groups.get(last).is_some_and(is_same) {
                last = groups.iter().position(is_same).unwrap_or(groups.len());
            }
            if last == groups.len() {
                groups.push((group, vec![]));
            }
            let read = &mut groups[last].1;
            rows.extend((read.len()..read.len() + run.len()).map(|at| (last as u32, at as u32)));
            read.append(&mut run);
        }
        self.done = rows.len() < wanted;
        self.batches = groups.iter().map(|(group, rows)| self.read(group, rows)).collect::<Result<_>>()?;
        for (group, row) in &mut rows {
            let (of, places) = &groups[*group as usize];
            if of.is_held() {
                *row = places[*row as usize];
            }
        }
        if let Some(expiry) = &self.expiry {
            let ty = &self.columns[expiry.column].ty;
            rows.retain(|(batch, row)| {
                let times = &self.batches[*batch as usize].columns[expiry.column];
                !expiry.is_over(&Scalar::from_array(&**times, *row as usize, ty))
            });
        }
        self.left -= rows.len() as u64;
        self.done |= self.left == 0;
        self.rows = rows.into_iter();
        Ok(())
    }

    /// Some rows of a row group; all of it, if it is held in memory.
    fn read(&mut self, group: &Arc<RowGroup>, rows: &[u32]) -> Result<Arc<Batch>> {
        if !group.is_held() {
            let columns = read_columns(self.cursor.table(), &Places::of_group(group, rows))?;
            return Ok(Arc::new(Batch::new(columns, rows.len())));
        }
        if let Some((_, batch)) = self.held.iter().find(|(index, _)| *index == group.index()) {
            return Ok(Arc::clone(batch));
        }
        let columns = (0..self.columns.len()).map(|column| group.read_column(column));
        let batch = Arc::new(Batch::new(columns.collect::<Result<_, TableError>>()?, group.rows()));
        self.held.push((group.index(), Arc::clone(&batch)));
        Ok(batch)
    }
}

impl Iterator for KeyedRows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((batch, row)) = self.rows.next() {
                let batch = Arc::clone(&self.batches[batch as usize]);
                return Some(Ok(Row::new(Arc::clone(&self.columns), batch, row as usize)));
            }
            if self.done {
                return None;
            }
            if let Err(error) = self.fill() {
                self.done = true;
                return Some(Err(error));
            }
        }
    }
}

/// All columns of some rows.
fn read_columns(view: &TableSnapshot, places: &Places) -> Result<Vec<ArrayRef>, TableError> {
    (0..view.definition().columns.len()).map(|column| places.read(view, column)).collect()
}
