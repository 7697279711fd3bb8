//! What a program adds to SQL: tables of its own, and functions.

use std::any::Any;
use std::sync::Arc;
use std::time::SystemTime;

use arrow_array::{Array, ArrayRef, RecordBatch};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::exec::aggregates::{AggregateFunction, GroupStates};
use crate::exec::batch::{Batch, Field};
use crate::exec::error::ExecError;
use crate::exec::functions::ScalarFunction;
use crate::exec::source::Source;
use crate::params::Param;
use crate::row::FromValue;
use crate::sql::sources::{StaticRows, column_of};

/// A Rust type that stands for one type of SQL.
pub trait SqlType {
    /// That type.
    fn sql_type() -> LogicalType;
    /// Whether it can be NULL.
    const NULLABLE: bool = false;
}

macro_rules! sql_types {
    ($($rust:ty => $sql:ident),* $(,)?) => {
        $(impl SqlType for $rust {
            fn sql_type() -> LogicalType {
                LogicalType::$sql
            }
        })*
    };
}

sql_types!(
    bool => Boolean, i8 => TinyInt, i16 => SmallInt, i32 => Integer, i64 => BigInt, i128 => HugeInt,
    u8 => UTinyInt, u16 => USmallInt, u32 => UInteger, u64 => UBigInt, f32 => Float, f64 => Double,
    String => Varchar, Vec<u8> => Blob, SystemTime => TimestampTz,
);

impl<T: SqlType> SqlType for Option<T> {
    fn sql_type() -> LogicalType {
        T::sql_type()
    }

    const NULLABLE: bool = true;
}

/// A closure that can be a scalar function: its arguments are [`FromValue`], its result goes into a [`Param`]. If
/// an argument is no `Option`, NULL for it makes the result NULL without a call.
pub trait ScalarClosure<Args>: Send + Sync + 'static {
    /// The types of the arguments.
    fn arg_types() -> Vec<LogicalType>;
    /// The type of the result.
    fn return_type() -> LogicalType;
    /// Calls it with the values of a row.
    ///
    /// # Errors
    ///
    /// A value is not what the closure takes.
    fn call(&self, args: &[Scalar]) -> Result<Scalar, String>;
}

macro_rules! closures {
    ($($($name:ident $position:tt)+;)*) => {
        $(impl<Function, Out, $($name),+> ScalarClosure<(Out, $($name,)+)> for Function
        where
            Function: Fn($($name),+) -> Out + Send + Sync + 'static,
            Out: Into<Param> + SqlType,
            $($name: FromValue + SqlType),+
        {
            fn arg_types() -> Vec<LogicalType> {
                vec![$($name::sql_type()),+]
            }

            fn return_type() -> LogicalType {
                Out::sql_type()
            }

            fn call(&self, args: &[Scalar]) -> Result<Scalar, String> {
                $(if args[$position].is_null() && !$name::NULLABLE {
                    return Ok(Scalar::Null);
                })+
                let result = self($($name::from_value(&args[$position], &$name::sql_type())?),+);
                Ok(result.into().into_value().0)
            }
        })*
    };
}

closures!(
    A 0;
    A 0 B 1;
    A 0 B 1 C 2;
    A 0 B 1 C 2 D 3;
);

/// The columns of outside batches in our layouts.
pub(crate) fn source_of(name: &str, batches: Vec<RecordBatch>) -> Result<Arc<dyn Source>> {
    let usage = |e: &dyn std::fmt::Display| Error::Usage(format!("{name}: {e}"));
    let Some(first) = batches.first() else {
        return Err(usage(&"without a batch there are no columns; an empty one will do"));
    };
    let schema = first.schema();
    let mut fields = vec![];
    for field in schema.fields() {
        let ty = LogicalType::from_arrow(field.data_type())
            .ok_or_else(|| usage(&format!("column \"{}\" is of type {}", field.name(), field.data_type())))?;
        fields.push(Field::new(field.name(), ty));
    }
    let mut out = vec![];
    for batch in batches {
        if batch.num_columns() != fields.len() {
            return Err(usage(&"its batches have different columns"));
        }
        let columns = batch.columns().iter().zip(&fields);
        let columns = columns
            .map(|(array, field)| {
                if LogicalType::from_arrow(array.data_type()).as_ref() != Some(&field.ty) {
                    return Err(usage(&format!("column \"{}\" is of several types", field.name)));
                }
                crate::io::conform(array, &field.ty).map_err(|e| usage(&e))
            })
            .collect::<Result<Vec<_>>>()?;
        out.push(Batch::new(columns, batch.num_rows()));
    }
    Ok(Arc::new(StaticRows::new(name, fields.into(), out)))
}

/// SQL's names live as long as plans that use them, and nobody counts these.
fn leak(name: &str) -> &'static str {
    Box::leak(name.to_lowercase().into_boxed_str())
}

/// What a program adds goes with the database: all connections see it, and it is not in the file.
impl Database {
    /// Makes Arrow batches a table of that name, without copying them; a table in the file hides it. Registering
    /// another of the same name replaces it, for statements that begin later.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use fluxdb::arrow_array::{Int64Array, RecordBatch};
    ///
    /// let batch = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![1, 2, 3])) as _)]).unwrap();
    /// let db = fluxdb::Database::open_in_memory()?;
    /// db.register_batches("numbers", vec![batch])?;
    /// let (sum,): (i64,) = db.connect().query_one("SELECT sum(n) FROM numbers", ())?;
    /// assert_eq!(sum, 6);
    /// db.unregister("numbers");
    /// assert!(db.connect().query("FROM numbers").is_err());
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// There is no batch, they differ in their columns, or a column is of a type that SQL does not have.
    pub fn register_batches(&self, name: &str, batches: Vec<RecordBatch>) -> Result<()> {
        self.extensions().set_table(name, Some(source_of(name, batches)?));
        Ok(())
    }

    /// Takes a table away that was registered.
    pub fn unregister(&self, name: &str) {
        self.extensions().set_table(name, None);
    }

    /// Makes a closure a function of SQL. The types of its arguments and result are those of the closure; there may
    /// be several of one name for different arguments.
    ///
    /// ```
    /// let db = fluxdb::Database::open_in_memory()?;
    /// db.scalar_function("fahrenheit", |celsius: f64| celsius * 1.8 + 32.0);
    /// db.scalar_function("initials", |first: String, last: Option<String>| {
    ///     let letters = [Some(first), last].into_iter().flatten();
    ///     letters.filter_map(|name| name.chars().next()).collect::<String>()
    /// });
    /// let sql = "SELECT fahrenheit(c), initials('Grace', NULL) FROM (VALUES (22.5), (NULL)) t(c)";
    /// let rows: Vec<(Option<f64>, String)> = db.connect().query_as(sql, ())?;
    /// assert_eq!(rows, [(Some(72.5), "G".to_owned()), (None, "G".to_owned())]);
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    pub fn scalar_function<Args, F: ScalarClosure<Args>>(&self, name: &str, function: F) {
        let types = F::arg_types();
        let arg_types = types.clone();
        let result = F::return_type();
        let kernel = move |args: &[ArrayRef], _: &LogicalType, rows: usize, _: &_| {
            // Constants come as one row.
            let count = if args.iter().all(|a| a.len() == 1) { 1 } else { rows };
            let mut out = Vec::with_capacity(count);
            let mut values = vec![Scalar::Null; args.len()];
            for row in 0..count {
                for ((value, array), ty) in values.iter_mut().zip(args).zip(&types) {
                    *value = Scalar::from_array(array, if array.len() == 1 { 0 } else { row }, ty);
                }
                out.push(function.call(&values).map_err(ExecError::InvalidInput)?);
            }
            column_of(&out, &result)
        };
        self.add_scalar(name, arg_types, F::return_type(), Box::new(kernel));
    }

    /// Makes a closure over whole columns a function of SQL. It is given an Arrow array for each argument, all of the
    /// same length, and returns one of that length.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use fluxdb::LogicalType::BigInt;
    /// use fluxdb::arrow_array::{ArrayRef, Int64Array, cast::AsArray, types::Int64Type};
    ///
    /// let db = fluxdb::Database::open_in_memory()?;
    /// db.column_function("double", &[BigInt], BigInt, |args| {
    ///     let doubled: Int64Array = args[0].as_primitive::<Int64Type>().unary(|v| v * 2);
    ///     Ok(Arc::new(doubled) as ArrayRef)
    /// });
    /// let (sum,): (i64,) = db.connect().query_one("SELECT sum(double(range)) FROM range(100)", ())?;
    /// assert_eq!(sum, 9900);
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    pub fn column_function(
        &self,
        name: &str,
        arg_types: &[LogicalType],
        return_type: LogicalType,
        function: impl Fn(&[ArrayRef]) -> Result<ArrayRef, String> + Send + Sync + 'static,
    ) {
        let (called, wanted) = (name.to_owned(), return_type.arrow());
        let kernel = move |args: &[ArrayRef], _: &LogicalType, rows: usize, _: &_| {
            let constant = args.iter().all(|a| a.len() == 1);
            let count = if constant { 1 } else { rows };
            let whole = args.iter().map(|array| {
                let array = crate::exec::functions::flatten(array)?;
                if array.len() == count {
                    return Ok(array);
                }
                let first = arrow_array::UInt32Array::from(vec![0; count]);
                Ok(arrow_select::take::take(&array, &first, None)?)
            });
            let whole = whole.collect::<Result<Vec<ArrayRef>, ExecError>>()?;
            let result = function(&whole).map_err(ExecError::InvalidInput)?;
            if result.len() != count || *result.data_type() != wanted {
                return Err(ExecError::InvalidInput(format!(
                    "function {called} returned {} values of {} for {count} of {wanted}",
                    result.len(),
                    result.data_type()
                )));
            }
            Ok(result)
        };
        self.add_scalar(name, arg_types.to_vec(), return_type, Box::new(kernel));
    }

    fn add_scalar(
        &self,
        name: &str,
        arg_types: Vec<LogicalType>,
        return_type: LogicalType,
        kernel: crate::exec::functions::ScalarKernel,
    ) {
        let function =
            ScalarFunction { name: leak(name), strict: false, volatile: false, kernel, lambda: None };
        self.extensions().add_scalar(function, arg_types, return_type);
    }

    /// Makes an aggregate function of SQL from an empty state, a closure that adds a value to a state, one that adds a
    /// later state to an earlier one, and one that makes the result of a state. NULLs are not added.
    ///
    /// ```
    /// let db = fluxdb::Database::open_in_memory()?;
    /// db.aggregate_function(
    ///     "geometric_mean",
    ///     (0.0, 0_u32),
    ///     |state, x: f64| *state = (state.0 + x.ln(), state.1 + 1),
    ///     |state, other| *state = (state.0 + other.0, state.1 + other.1),
    ///     |state| (state.1 > 0).then(|| (state.0 / f64::from(state.1)).exp()),
    /// );
    /// let (mean,): (f64,) = db.connect().query_one("SELECT geometric_mean(x) FROM (VALUES (2), (8)) t(x)", ())?;
    /// assert!((mean - 4.0).abs() < 1e-12);
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    pub fn aggregate_function<S, A, R>(
        &self,
        name: &str,
        empty: S,
        add: impl Fn(&mut S, A) + Send + Sync + 'static,
        merge: impl Fn(&mut S, &S) + Send + Sync + 'static,
        result: impl Fn(&S) -> R + Send + Sync + 'static,
    ) where
        S: Clone + Send + Sync + 'static,
        A: FromValue + SqlType + 'static,
        R: Into<Param> + SqlType + 'static,
    {
        let calls = Arc::new(Calls {
            empty,
            add: Box::new(move |state: &mut S, value: &Scalar| {
                add(state, A::from_value(value, &A::sql_type())?);
                Ok(())
            }),
            merge: Box::new(merge),
            result: Box::new(move |state: &S| result(state).into().into_value().0),
            arg_type: A::sql_type(),
            return_type: R::sql_type(),
        });
        self.extensions().add_aggregate(AggregateFunction {
            name: leak(name),
            arg_types: vec![A::sql_type()],
            return_type: R::sql_type(),
            order_sensitive: false,
            new_states: Box::new(move || Box::new(States { states: vec![], calls: Arc::clone(&calls) })),
        });
    }

    /// Makes a closure a table function of SQL: it is given the arguments of the call and returns the rows.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use fluxdb::arrow_array::{RecordBatch, StringArray};
    ///
    /// let db = fluxdb::Database::open_in_memory()?;
    /// db.table_function("words", |args| {
    ///     let text = args.first().map(|v| v.to_string()).unwrap_or_default();
    ///     let words: StringArray = text.split_whitespace().map(Some).collect();
    ///     Ok(vec![RecordBatch::try_from_iter([("word", Arc::new(words) as _)])?])
    /// });
    /// let words: Vec<(String,)> = db.connect().query_as("FROM words('to be or not')", ())?;
    /// assert_eq!(words.len(), 4);
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    pub fn table_function(
        &self,
        name: &str,
        function: impl Fn(&[Argument]) -> Result<Vec<RecordBatch>, Box<dyn std::error::Error>>
        + Send
        + Sync
        + 'static,
    ) {
        let called = name.to_owned();
        self.extensions().set_table_function(
            name,
            Arc::new(move |args| {
                let given: Vec<_> = args
                    .positional
                    .iter()
                    .map(|(v, ty)| Argument { value: v.clone(), ty: ty.clone() })
                    .collect();
                let batches = function(&given).map_err(|e| ExecError::InvalidInput(e.to_string()))?;
                source_of(&called, batches).map_err(|e| ExecError::InvalidInput(e.to_string()))
            }),
        );
    }
}

/// An argument of a table function.
#[derive(Debug, Clone)]
pub struct Argument {
    value: Scalar,
    ty: LogicalType,
}

impl Argument {
    /// The value as a Rust value.
    ///
    /// # Errors
    ///
    /// It is not of that type.
    pub fn get<T: FromValue>(&self) -> Result<T, String> {
        T::from_value(&self.value, &self.ty)
    }

    /// The value, whose meaning [`ty`](Self::ty) tells.
    pub fn value(&self) -> &Scalar {
        &self.value
    }

    /// Its type.
    pub fn ty(&self) -> &LogicalType {
        &self.ty
    }
}

/// As the shell shows it; NULL is nothing.
impl std::fmt::Display for Argument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.get::<Option<String>>().unwrap_or_default().unwrap_or_default())
    }
}

/// The closures of an aggregate.
struct Calls<S> {
    empty: S,
    add: Box<dyn Fn(&mut S, &Scalar) -> Result<(), String> + Send + Sync>,
    merge: Box<dyn Fn(&mut S, &S) + Send + Sync>,
    result: Box<dyn Fn(&S) -> Scalar + Send + Sync>,
    arg_type: LogicalType,
    return_type: LogicalType,
}

struct States<S> {
    states: Vec<S>,
    calls: Arc<Calls<S>>,
}

impl<S: Clone + Send + Sync + 'static> States<S> {
    fn add(&mut self, array: &dyn Array, row: usize, group: usize) -> Result<(), ExecError> {
        let value = Scalar::from_array(array, row, &self.calls.arg_type);
        if value.is_null() {
            return Ok(());
        }
        (self.calls.add)(&mut self.states[group], &value).map_err(ExecError::InvalidInput)
    }
}

impl<S: Clone + Send + Sync + 'static> GroupStates for States<S> {
    fn resize(&mut self, groups: usize) {
        let empty = self.calls.empty.clone();
        self.states.resize(groups.max(self.states.len()), empty);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) -> Result<(), ExecError> {
        for (row, group) in groups.iter().enumerate() {
            self.add(&*args[0], row, *group as usize)?;
        }
        Ok(())
    }

    fn update_single(&mut self, args: &[ArrayRef], rows: usize) -> Result<(), ExecError> {
        for row in 0..rows {
            self.add(&*args[0], row, 0)?;
        }
        Ok(())
    }

    fn merge(&mut self, other: &mut dyn GroupStates, from: &[u32], to: &[u32]) -> Result<(), ExecError> {
        let other = other
            .as_any_mut()
            .downcast_mut::<Self>()
            .ok_or_else(|| ExecError::Internal("states of another aggregate".to_owned()))?;
        for (from, to) in from.iter().zip(to) {
            (self.calls.merge)(&mut self.states[*to as usize], &other.states[*from as usize]);
        }
        Ok(())
    }

    fn merge_ranges(
        &mut self,
        other: &dyn GroupStates,
        ranges: &[std::ops::Range<u32>],
    ) -> Result<bool, ExecError> {
        let other: &dyn Any = other;
        let other = other
            .downcast_ref::<Self>()
            .ok_or_else(|| ExecError::Internal("states of another aggregate".to_owned()))?;
        for (state, range) in self.states.iter_mut().zip(ranges) {
            for later in &other.states[range.start as usize..range.end as usize] {
                (self.calls.merge)(state, later);
            }
        }
        Ok(true)
    }

    fn update_running(&mut self, args: &[ArrayRef], rows: usize, starts: &[u32]) -> Result<bool, ExecError> {
        let mut starts = starts.iter().copied().peekable();
        let mut running = self.states.first().unwrap_or(&self.calls.empty).clone();
        self.resize(rows);
        for row in 0..rows {
            while starts.next_if(|start| *start as usize <= row).is_some() {
                running = self.calls.empty.clone();
            }
            let value = Scalar::from_array(&*args[0], row, &self.calls.arg_type);
            if !value.is_null() {
                (self.calls.add)(&mut running, &value).map_err(ExecError::InvalidInput)?;
            }
            self.states[row] = running.clone();
        }
        Ok(true)
    }

    fn finish(&mut self) -> Result<ArrayRef, ExecError> {
        let values: Vec<Scalar> = self.states.iter().map(|state| (self.calls.result)(state)).collect();
        column_of(&values, &self.calls.return_type)
    }

    fn size(&self) -> usize {
        self.states.len() * size_of::<S>()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
