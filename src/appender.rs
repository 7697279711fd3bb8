//! Adding many rows to a table.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{ArrayRef, RecordBatch};

use crate::column::scalar::Scalar;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::exec::batch::Field;
use crate::params::Params;
use crate::sql::session::TypedValue;

/// Rows that are held before they are written.
const HELD_ROWS: usize = 122_880;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Adds rows to a table: one by one, or as Arrow columns and batches. They are written in the order in which they came,
/// a row group at a time; constraints are checked as for INSERT.
///
/// What was written is committed, unless a transaction is open. Call [`finish`](Self::finish) at the end: dropping an
/// appender loses the rows that it still holds.
///
/// ```
/// use fluxdb::params;
///
/// let connection = fluxdb::Database::open_in_memory()?.connect();
/// connection.execute("CREATE TABLE t(i BIGINT, s VARCHAR, x DOUBLE)")?;
/// let mut appender = connection.appender("t")?;
/// for i in 0..1000_i64 {
///     appender.row(params![i, format!("row {i}"), i as f64 / 2.0])?;
/// }
/// assert_eq!(appender.finish()?, 1000);
/// let (n, x): (i64, f64) = connection.query_one("SELECT count(*), sum(x) FROM t", ())?;
/// assert_eq!((n, x), (1000, 249750.0));
/// # Ok::<(), fluxdb::Error>(())
/// ```
#[derive(Debug)]
pub struct Appender<'c> {
    connection: &'c Connection,
    table: String,
    columns: Vec<Field>,
    rows: Vec<Vec<TypedValue>>,
    written: u64,
}

impl<'c> Appender<'c> {
    pub(crate) fn new(connection: &'c Connection, table: &str) -> Result<Self> {
        // The text goes into statements as it is: what it names is found out here, with all that may be wrong with it.
        let rows = connection.query(&format!("FROM {table} LIMIT 0"))?;
        let columns = rows.columns().to_vec();
        Ok(Self { connection, table: table.to_owned(), columns, rows: vec![], written: 0 })
    }

    /// The table's columns.
    pub fn columns(&self) -> &[Field] {
        &self.columns
    }

    /// Adds a row: a value for each column, in order, which is cast to the column's type.
    ///
    /// # Errors
    ///
    /// There are more or fewer values than columns, or the rows that were held could not be written.
    pub fn row(&mut self, values: impl Into<Params>) -> Result<()> {
        let values = values.into().into_row().ok_or_else(|| {
            Error::Usage("a row of an appender is values by position, without names".to_owned())
        })?;
        if values.len() != self.columns.len() {
            let (given, wanted) = (values.len(), self.columns.len());
            return Err(Error::Usage(format!("{given} values for the {wanted} columns of {}", self.table)));
        }
        self.rows.push(values);
        if self.rows.len() == HELD_ROWS { self.flush() } else { Ok(()) }
    }

    /// Adds columns of equal length, one for each of the table's.
    ///
    /// # Errors
    ///
    /// They do not fit the table, or could not be written.
    pub fn columns_of_rows(&mut self, columns: Vec<ArrayRef>) -> Result<()> {
        let fields: Vec<_> = self
            .columns
            .iter()
            .zip(&columns)
            .map(|(field, array)| arrow_schema::Field::new(&field.name, array.data_type().clone(), true))
            .collect();
        if fields.len() != columns.len() {
            let (given, wanted) = (columns.len(), self.columns.len());
            return Err(Error::Usage(format!("{given} columns for the {wanted} of {}", self.table)));
        }
        let schema = Arc::new(arrow_schema::Schema::new(fields));
        let batch = RecordBatch::try_new(schema, columns).map_err(|e| Error::Usage(e.to_string()))?;
        self.batch(batch)
    }

    /// Adds the rows of an Arrow batch, by the position of its columns.
    ///
    /// # Errors
    ///
    /// They do not fit the table, or could not be written.
    pub fn batch(&mut self, batch: RecordBatch) -> Result<()> {
        self.flush()?;
        self.insert(vec![batch])
    }

    /// Writes the rows that are held.
    ///
    /// # Errors
    ///
    /// A value does not fit its column, a constraint does not hold, or writing failed; then none of them is written, and
    /// they are held no longer.
    pub fn flush(&mut self) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        let mut fields = vec![];
        let mut arrays = vec![];
        for (position, column) in self.columns.iter().enumerate() {
            // Values of one type are taken as they are; of several, each is cast to the column's own.
            let mut types = rows.iter().map(|row| &row[position]).filter(|v| !v.0.is_null()).map(|v| &v.1);
            let ty = types.next().unwrap_or(&column.ty).clone();
            let mixed = types.any(|other| *other != ty);
            let ty = if mixed { column.ty.clone() } else { ty };
            let values: Vec<Scalar> = rows
                .iter()
                .map(|row| {
                    let (value, own) = &row[position];
                    if value.is_null() || *own == ty {
                        return Ok(value.clone());
                    }
                    let array = value.to_array(own, 1).map_err(|e| Error::Usage(e.to_string()))?;
                    Ok(Scalar::from_array(&*crate::exec::cast::cast(&array, own, &ty, false)?, 0, &ty))
                })
                .collect::<Result<_>>()?;
            let array = crate::sql::sources::column_of(&values, &ty)?;
            fields.push(Field::new(&column.name, ty));
            arrays.push(array);
        }
        let batch = crate::Batch::new(arrays, rows.len());
        self.insert_from(Arc::new(crate::sql::sources::StaticRows::new(
            "appender",
            fields.into(),
            vec![batch],
        )))
    }

    fn insert(&mut self, batches: Vec<RecordBatch>) -> Result<()> {
        let source = crate::extend::source_of("appender", batches)?;
        self.insert_from(source)
    }

    fn insert_from(&mut self, source: Arc<dyn crate::exec::source::Source>) -> Result<()> {
        let name = format!("__appender_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let extensions = self.connection.extensions();
        extensions.set_table(&name, Some(source));
        let result = self.connection.execute(&format!("INSERT INTO {} SELECT * FROM {name}", self.table));
        extensions.set_table(&name, None);
        self.written += result?;
        Ok(())
    }

    /// Writes the rows that are held. Returns the number of rows written in all.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    pub fn finish(mut self) -> Result<u64> {
        self.flush()?;
        Ok(self.written)
    }
}
