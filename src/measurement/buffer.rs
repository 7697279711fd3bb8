//! The points of one measurement that wait to be written, column by column.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringViewArray, UInt32Array, UInt64Array,
    new_null_array,
};
use arrow_buffer::{NullBuffer, NullBufferBuilder};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, TimeUnit};
use arrow_select::take::take;

use crate::catalog::{ColumnDefinition, ColumnRole, SchemaId, TableDefinition};
use crate::column::types::LogicalType;
use crate::exec::calendar::timestamp_is_finite;

/// The name of the column that has the time.
pub(super) const TIME: &str = "time";

/// What a field's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Float,
    Int,
    UInt,
    Bool,
    Text,
}

impl Kind {
    /// The type of a new column.
    fn ty(self) -> LogicalType {
        match self {
            Self::Float => LogicalType::Double,
            Self::Int => LogicalType::BigInt,
            Self::UInt => LogicalType::UBigInt,
            Self::Bool => LogicalType::Boolean,
            Self::Text => LogicalType::Varchar,
        }
    }

    /// What a column of that type takes.
    fn of(ty: &LogicalType) -> Option<Self> {
        Some(match ty {
            LogicalType::Float | LogicalType::Double => Self::Float,
            LogicalType::TinyInt | LogicalType::SmallInt | LogicalType::Integer | LogicalType::BigInt => {
                Self::Int
            }
            LogicalType::UTinyInt | LogicalType::USmallInt | LogicalType::UInteger | LogicalType::UBigInt => {
                Self::UInt
            }
            LogicalType::Boolean => Self::Bool,
            LogicalType::Varchar => Self::Text,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Float => "a float",
            Self::Int => "an integer",
            Self::UInt => "an unsigned integer",
            Self::Bool => "a boolean",
            Self::Text => "a text",
        }
    }
}

/// What a value takes, or a text without its bytes, or the lack of one.
const PLACE_BYTES: usize = 8;

/// Fields for whose values there is room from the beginning.
const EXPECTED_FIELDS: usize = 64;

/// A value on its way into a column.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Float(f64),
    Int(i64),
    UInt(u64),
    Bool(bool),
    Text(&'a str),
}

impl Value<'_> {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Float(_) => Kind::Float,
            Self::Int(_) => Kind::Int,
            Self::UInt(_) => Kind::UInt,
            Self::Bool(_) => Kind::Bool,
            Self::Text(_) => Kind::Text,
        }
    }
}

/// Values of a field; shorter than the buffer where the last rows have none.
enum Values {
    Float(Vec<f64>),
    Int(Vec<i64>),
    UInt(Vec<u64>),
    Bool(Vec<bool>),
    Text(StringViewBuilder),
}

/// A field and its values.
struct Field {
    name: Box<str>,
    /// It is written as it is called, without escapes.
    is_plain: bool,
    /// `None` if the table's column takes no field.
    kind: Option<Kind>,
    values: Values,
    valid: NullBufferBuilder,
    rows: usize,
    /// The push that set it last.
    pushed: u64,
}

impl Field {
    fn new(name: &str, kind: Option<Kind>, rows: usize) -> Self {
        let values = match kind {
            Some(Kind::Float) => Values::Float(Vec::with_capacity(rows)),
            Some(Kind::Int) => Values::Int(Vec::with_capacity(rows)),
            None => Values::Int(vec![]),
            Some(Kind::UInt) => Values::UInt(Vec::with_capacity(rows)),
            Some(Kind::Bool) => Values::Bool(vec![]),
            Some(Kind::Text) => Values::Text(StringViewBuilder::new().with_deduplicate_strings()),
        };
        let is_plain = !name.contains(['\\', '=', ',', ' ']);
        Self {
            name: name.into(),
            is_plain,
            kind,
            values,
            valid: NullBufferBuilder::new(0),
            rows: 0,
            pushed: 0,
        }
    }

    /// NULL up to row `rows`.
    fn pad(&mut self, rows: usize) {
        let missing = rows - self.rows;
        if missing == 0 {
            return;
        }
        match &mut self.values {
            Values::Float(v) => v.resize(rows, 0.0),
            Values::Int(v) => v.resize(rows, 0),
            Values::UInt(v) => v.resize(rows, 0),
            Values::Bool(v) => v.resize(rows, false),
            Values::Text(v) => (0..missing).for_each(|_| v.append_value("")),
        }
        self.valid.append_n_nulls(missing);
        self.rows = rows;
    }

    /// Sets the value of row `row`, which is behind all that have one.
    fn set(&mut self, row: usize, value: Value<'_>) {
        self.pad(row);
        match (&mut self.values, value) {
            (Values::Float(v), Value::Float(x)) => v.push(x),
            (Values::Int(v), Value::Int(x)) => v.push(x),
            (Values::UInt(v), Value::UInt(x)) => v.push(x),
            (Values::Bool(v), Value::Bool(x)) => v.push(x),
            (Values::Text(v), Value::Text(x)) => v.append_value(x),
            _ => unreachable!("the kind of a field's value was checked"),
        }
        self.valid.append_non_null();
        self.rows = row + 1;
    }

    fn finish(&mut self, rows: usize) -> ArrayRef {
        self.pad(rows);
        let nulls: Option<NullBuffer> = self.valid.finish();
        match &mut self.values {
            Values::Float(v) => Arc::new(Float64Array::new(std::mem::take(v).into(), nulls)),
            Values::Int(v) => Arc::new(Int64Array::new(std::mem::take(v).into(), nulls)),
            Values::UInt(v) => Arc::new(UInt64Array::new(std::mem::take(v).into(), nulls)),
            Values::Bool(v) => Arc::new(BooleanArray::new(std::mem::take(v).into(), nulls)),
            Values::Text(v) => {
                let (views, buffers, _) = v.finish().into_parts();
                Arc::new(StringViewArray::new(views, buffers, nulls))
            }
        }
    }
}

/// Points of one measurement.
pub(super) struct Buffer {
    /// The name of the table.
    pub name: Box<str>,
    /// The table as it was when the buffer was made; `None` if there was none.
    table: Option<Arc<TableDefinition>>,
    unit: TimeUnit,
    time_name: Box<str>,
    tags: Vec<Box<str>>,
    fields: Vec<Field>,
    by_name: HashMap<Box<str>, usize>,
    /// Tags of each series of this batch: index of the tag, value.
    series: Vec<Vec<(usize, Box<str>)>>,
    of_series: Vec<u32>,
    times: Vec<i64>,
    /// So many points may come.
    expected: usize,
    /// What the points take in memory, roughly: a place for each field of each of them, and texts.
    pub bytes: usize,
    /// Counts calls of [`push`](Self::push).
    pushes: u64,
    /// Times that were cut to the precision of the column.
    pub cut: u64,
}

fn ticks_per_second(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// A column is a tag's if it is marked so, or, in a table that SQL made, if it is text.
fn takes_tag(table: &TableDefinition, column: &ColumnDefinition) -> bool {
    let marked = table.columns.iter().any(|c| c.role == ColumnRole::Tag);
    column.ty == LogicalType::Varchar && (column.role == ColumnRole::Tag || !marked)
}

impl Buffer {
    /// For a measurement whose table exists, or does not yet. There may be about `rows` points.
    ///
    /// # Errors
    /// The table has no time, or must not be written past its constraints.
    pub fn new(name: &str, table: Option<Arc<TableDefinition>>, rows: usize) -> Result<Self, String> {
        let (mut unit, mut time_name) = (TimeUnit::Microsecond, TIME.into());
        if let Some(table) = &table {
            let time = table.columns.iter().find(|c| c.role == ColumnRole::Time);
            let time = time.or_else(|| table.column_position(TIME).map(|i| &table.columns[i]));
            match time {
                Some(ColumnDefinition { name, ty: LogicalType::Timestamp(of), .. }) => {
                    unit = *of;
                    time_name = name.clone();
                }
                _ => return Err(format!("table \"{name}\" has no column time of type TIMESTAMP")),
            }
            if !table.constraints.is_empty() || !table.indexes.is_empty() {
                return Err(format!("table \"{name}\" has constraints: write to it with INSERT"));
            }
        }
        Ok(Self {
            name: name.into(),
            table,
            unit,
            time_name,
            tags: vec![],
            fields: vec![],
            by_name: HashMap::new(),
            series: vec![],
            of_series: Vec::with_capacity(rows),
            times: Vec::with_capacity(rows),
            expected: rows,
            bytes: 0,
            pushes: 0,
            cut: 0,
        })
    }

    /// Points that wait.
    pub fn rows(&self) -> usize {
        self.times.len()
    }

    /// The series of this batch with these tags: a new one.
    ///
    /// # Errors
    /// A tag has the name of something else.
    pub fn add_series(&mut self, tags: &[(String, String)]) -> Result<u32, String> {
        for (i, (tag, _)) in tags.iter().enumerate() {
            if tag.eq_ignore_ascii_case(&self.time_name) {
                return Err(format!("a tag cannot be called \"{tag}\": that is the time"));
            }
            if tags[..i].iter().any(|(other, _)| other.eq_ignore_ascii_case(tag)) {
                return Err(format!("the tag \"{tag}\" is there twice"));
            }
            if self.find_field(tag).is_some_and(|i| self.fields[i].kind.is_some()) {
                return Err(format!("\"{tag}\" is a field in \"{}\", and cannot be a tag", self.name));
            }
            if let Some(table) = &self.table
                && let Some(position) = table.column_position(tag)
                && !takes_tag(table, &table.columns[position])
            {
                let ty = &table.columns[position].ty;
                return Err(format!(
                    "\"{tag}\" is a field of type {ty} in \"{}\", and cannot be a tag",
                    self.name
                ));
            }
        }
        let mut series = Vec::with_capacity(tags.len());
        for (tag, value) in tags {
            let index = self.tags.iter().position(|t| t.eq_ignore_ascii_case(tag)).unwrap_or_else(|| {
                self.tags.push(tag.as_str().into());
                self.tags.len() - 1
            });
            series.push((index, value.as_str().into()));
        }
        self.series.push(series);
        Ok(self.series.len() as u32 - 1)
    }

    fn find_field(&self, name: &str) -> Option<usize> {
        let folded = || self.fields.iter().position(|f| f.name.eq_ignore_ascii_case(name));
        self.by_name.get(name).copied().or_else(folded)
    }

    /// How the field `hint` stands in a line, if it has floats and no escapes in its name.
    pub fn float_name(&self, hint: usize) -> Option<&[u8]> {
        let field = self.fields.get(hint)?;
        (field.kind == Some(Kind::Float) && field.is_plain).then_some(field.name.as_bytes())
    }

    /// The index of a field from its name as it stands in a line, if it is `hint`.
    pub fn likely_field(&self, written: &[u8], kind: Kind, hint: usize) -> Option<usize> {
        let field = self.fields.get(hint)?;
        let is_it = field.kind == Some(kind) && field.is_plain && field.name.as_bytes() == written;
        is_it.then_some(hint)
    }

    /// The index of a field, `hint` being the likeliest.
    ///
    /// # Errors
    /// The column of that name takes other values.
    pub fn field(&mut self, name: &str, kind: Kind, hint: usize) -> Result<usize, String> {
        let index = match self.fields.get(hint) {
            Some(field) if *field.name == *name => hint,
            _ => match self.find_field(name) {
                Some(index) => index,
                None => self.new_field(name, kind)?,
            },
        };
        let field = &mut self.fields[index];
        let is_free =
            field.rows == 0 && self.table.as_ref().is_none_or(|t| t.column_position(name).is_none());
        if is_free && field.kind != Some(kind) {
            // Only points that were refused had it.
            *field = Field::new(name, Some(kind), self.expected);
        }
        match field.kind {
            Some(own) if own == kind => Ok(index),
            Some(own) => Err(format!(
                "the field \"{name}\" of \"{}\" is {}, and here it is {}",
                self.name,
                own.name(),
                kind.name()
            )),
            None => Err(format!("the column \"{name}\" of \"{}\" takes no field", self.name)),
        }
    }

    fn new_field(&mut self, name: &str, kind: Kind) -> Result<usize, String> {
        const FIELDS_MAX: usize = 10_000;
        if name.eq_ignore_ascii_case(&self.time_name) {
            return Err(format!("a field cannot be called \"{name}\": that is the time"));
        }
        if self.tags.iter().any(|t| t.eq_ignore_ascii_case(name)) {
            return Err(format!("\"{name}\" is a tag in \"{}\", and cannot be a field", self.name));
        }
        if self.fields.len() >= FIELDS_MAX {
            return Err(format!(
                "\"{}\" has {FIELDS_MAX} fields, the most that a measurement can have",
                self.name
            ));
        }
        let mut own = Some(kind);
        if let Some(table) = &self.table
            && let Some(position) = table.column_position(name)
        {
            let column = &table.columns[position];
            if column.role == ColumnRole::Tag {
                return Err(format!("\"{name}\" is a tag in \"{}\", and cannot be a field", self.name));
            }
            own = Kind::of(&column.ty);
        }
        // Few fields are in all points, where there are many.
        let rows = if self.fields.len() < EXPECTED_FIELDS { self.expected } else { 0 };
        self.fields.push(Field::new(name, own, rows));
        self.bytes += PLACE_BYTES * self.times.len();
        self.by_name.insert(name.into(), self.fields.len() - 1);
        Ok(self.fields.len() - 1)
    }

    /// Adds a point. Its fields were found with [`field`](Self::field).
    ///
    /// # Errors
    /// The time is out of the range of the column, or a field is there twice.
    pub fn push(&mut self, series: u32, nanos: i128, values: &[(usize, Value<'_>)]) -> Result<(), String> {
        const NANOS: i128 = 1_000_000_000;
        if self.table.is_none() && self.unit != TimeUnit::Nanosecond && nanos % 1_000 != 0 {
            self.refine(nanos);
        }
        let per_tick = NANOS / ticks_per_second(self.unit);
        // The ends of the numbers are infinite times, and not of any point.
        let time = i64::try_from(nanos.div_euclid(per_tick))
            .ok()
            .filter(|time| timestamp_is_finite(*time) && *time != i64::MIN)
            .ok_or_else(|| "the time is out of range".to_owned())?;
        self.pushes += 1;
        for (field, _) in values {
            let field = &mut self.fields[*field];
            if std::mem::replace(&mut field.pushed, self.pushes) == self.pushes {
                return Err(format!("the field \"{}\" is there twice", field.name));
            }
        }
        self.cut += u64::from(nanos.rem_euclid(per_tick) != 0);
        self.bytes += PLACE_BYTES * (2 + self.fields.len());
        let row = self.times.len();
        for (field, value) in values {
            if let Value::Text(text) = value {
                self.bytes += text.len();
            }
            self.fields[*field].set(row, *value);
        }
        self.times.push(time);
        self.of_series.push(series);
        Ok(())
    }

    /// A new measurement has nanoseconds if the first of its points need them and none is too far from 1970 for that;
    /// else microseconds.
    fn refine(&mut self, nanos: i128) {
        const NANOS_PER_MICRO: i64 = 1_000;
        let finer = self.times.iter().map(|time| time.checked_mul(NANOS_PER_MICRO)).collect();
        let fits = i64::try_from(nanos).is_ok_and(timestamp_is_finite);
        if let (Some(finer), true) = (finer, fits) {
            (self.times, self.unit) = (finer, TimeUnit::Nanosecond);
        }
    }

    /// The table with a column for everything that the points have; `None` if it has them all.
    pub fn widened(&self, table: Option<&TableDefinition>, schema: SchemaId) -> Option<TableDefinition> {
        let new = |name: &str, ty, role| ColumnDefinition { role, ..ColumnDefinition::new(name, ty) };
        let mut out = match table {
            Some(table) => table.clone(),
            None => {
                let time = new(TIME, LogicalType::Timestamp(self.unit), ColumnRole::Time);
                TableDefinition::new(schema, &self.name, vec![time])
            }
        };
        let before = table.map_or(0, |t| t.columns.len());
        // Tags and fields that only refused points had make no column.
        let mut used = vec![false; self.tags.len()];
        let series: std::collections::BTreeSet<u32> = self.of_series.iter().copied().collect();
        for (tag, _) in series.iter().flat_map(|&s| &self.series[s as usize]) {
            used[*tag] = true;
        }
        for (tag, _) in self.tags.iter().zip(used).filter(|(_, used)| *used) {
            if out.column_position(tag).is_none() {
                out.add_column(new(tag, LogicalType::Varchar, ColumnRole::Tag));
            }
        }
        for field in self.fields.iter().filter(|f| f.rows > 0) {
            if let (None, Some(kind)) = (out.column_position(&field.name), field.kind) {
                out.add_column(new(&field.name, kind.ty(), ColumnRole::Plain));
            }
        }
        (out.columns.len() > before).then_some(out)
    }

    /// The table as it will be once the points are written, if that is known.
    pub fn table_once_written(&self) -> Option<Arc<TableDefinition>> {
        // Of a table that is to be made nobody asks for the schema before it is there.
        let schema = self.table.as_ref().map_or(SchemaId(0), |table| table.schema);
        let wider = self.widened(self.table.as_deref(), schema).map(Arc::new);
        wider.or_else(|| self.table.clone())
    }

    /// Takes the points as columns of a table that has them all, ordered by series and time. Of points of one series
    /// and time there is one left, unless all are kept: each field has the last value that it was given.
    ///
    /// # Errors
    /// A value does not fit its column.
    pub fn into_columns(mut self, table: &TableDefinition, keep_all: bool) -> Result<Vec<ArrayRef>, String> {
        let rows = self.rows();
        let order = self.order(table);
        // Where each row of the output begins among those that are in order.
        let mut starts: Vec<usize> = (0..order.len())
            .filter(|&i| {
                keep_all || i == 0 || {
                    let ((rank, time, _), (rank_before, time_before, _)) = (order[i], order[i - 1]);
                    (rank, time) != (rank_before, time_before)
                }
            })
            .collect();
        starts.push(order.len());
        let runs = || starts.windows(2).map(|w| &order[w[0]..w[1]]);
        let last = |run: &[(u32, i64, u32)]| run[run.len() - 1].2;
        let last_rows: UInt32Array = runs().map(last).collect();
        let series_of_row: UInt32Array =
            last_rows.values().iter().map(|&row| self.of_series[row as usize]).collect();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let is = |name: &str| name.eq_ignore_ascii_case(&column.name);
            let array: ArrayRef = if is(&self.time_name) {
                let times: Int64Array =
                    last_rows.values().iter().map(|&row| self.times[row as usize]).collect();
                convert(&(Arc::new(times) as ArrayRef), &LogicalType::Timestamp(self.unit).arrow())?
            } else if let Some(tag) = self.tags.iter().position(|t| is(t)) {
                let value = |tags: &Vec<(usize, Box<str>)>| {
                    tags.iter().find(|(index, _)| *index == tag).map(|(_, value)| value.to_string())
                };
                let of_series: StringViewArray = self.series.iter().map(value).collect();
                take(&of_series, &series_of_row, None).map_err(|e| e.to_string())?
            } else if let Some(field) = self.fields.iter_mut().find(|f| is(&f.name)) {
                let array = field.finish(rows);
                if last_rows.len() == rows || array.null_count() == 0 {
                    take(&array, &last_rows, None).map_err(|e| e.to_string())?
                } else {
                    let known = |run: &[(u32, i64, u32)]| {
                        run.iter().rev().map(|r| r.2).find(|&row| array.is_valid(row as usize))
                    };
                    let rows: UInt32Array = runs().map(|run| known(run).unwrap_or(last(run))).collect();
                    take(&array, &rows, None).map_err(|e| e.to_string())?
                }
            } else {
                new_null_array(&column.ty.arrow(), last_rows.len())
            };
            columns.push(if array.data_type() == &column.ty.arrow() {
                array
            } else {
                convert(&array, &column.ty.arrow()).map_err(|e| format!("column \"{}\": {e}", column.name))?
            });
        }
        Ok(columns)
    }

    /// Rows by the tags of their series, then by time, then in the order they came: a number for the tags, the time, the
    /// row. It is the order in which a row group of the table has them.
    fn order(&self, table: &TableDefinition) -> Vec<(u32, i64, u32)> {
        let of_column = |column: &ColumnDefinition| {
            self.tags.iter().position(|tag| tag.eq_ignore_ascii_case(&column.name))
        };
        let tags: Vec<usize> = table.columns.iter().filter_map(of_column).collect();
        let mut by_tags: Vec<u32> = (0..self.series.len() as u32).collect();
        // Those without a tag come last.
        let key = |series: u32| -> Vec<(bool, &str)> {
            let of_tag = |tag: &usize| {
                let found = self.series[series as usize].iter().find(|(index, _)| index == tag);
                found.map_or((true, ""), |(_, value)| (false, &**value))
            };
            tags.iter().map(of_tag).collect()
        };
        by_tags.sort_by_cached_key(|&series| key(series));
        // One rank for series that were written in different ways.
        let mut rank = vec![0_u32; by_tags.len()];
        for (i, &series) in by_tags.iter().enumerate() {
            rank[series as usize] = match i.checked_sub(1).map(|before| by_tags[before]) {
                Some(before) if key(before) == key(series) => rank[before as usize],
                _ => i as u32,
            };
        }
        // By series, then in the order they came, which mostly is that of time.
        let mut next = vec![0_usize; by_tags.len() + 1];
        self.of_series.iter().for_each(|&series| next[rank[series as usize] as usize + 1] += 1);
        (1..next.len()).for_each(|at| next[at] += next[at - 1]);
        let mut order = vec![(0, 0, 0); self.rows()];
        for ((&series, &time), row) in self.of_series.iter().zip(&self.times).zip(0..) {
            let rank = rank[series as usize];
            let place = &mut next[rank as usize];
            order[*place] = (rank, time, row);
            *place += 1;
        }
        if !order.is_sorted() {
            order.sort_unstable();
        }
        order
    }
}

fn convert(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, String> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, to, &options).map_err(|e| e.to_string())
}
