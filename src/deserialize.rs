//! Rows as any type that serde can deserialize.

use std::fmt::Display;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt8Type;
use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::connection::Rows;
use crate::error::{Error, Result};
use crate::row::{FromValue, Row};

impl Row {
    /// The row as a type of serde: a struct or a map by the columns' names, a tuple or a sequence by their order, or
    /// the value of the only column.
    ///
    /// Dates and times are texts as ISO 8601 spells them, which types of `chrono`, `jiff` and `time` read; decimals are
    /// floats, or exact as texts; lists, structs and maps are what they are.
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// struct Reading {
    ///     station: String,
    ///     degrees: f32,
    ///     tags: Vec<String>,
    /// }
    ///
    /// let connection = fluxdb::Database::open_in_memory()?.connect();
    /// let sql = "SELECT 'harbour' AS station, 72.4 AS degrees, ['salt', 'wind'] AS tags";
    /// let readings: Vec<Reading> = connection.query(sql)?.deserialize().collect::<Result<_, _>>()?;
    /// assert_eq!(readings[0].tags, ["salt", "wind"]);
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The row does not have what the type wants.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(RowDeserializer(self)).map_err(|e| Error::Usage(e.0))
    }
}

impl Rows {
    /// The rows one by one, each as a type of serde; see [`Row::deserialize`].
    pub fn deserialize<T: DeserializeOwned>(self) -> impl Iterator<Item = Result<T>> {
        self.into_rows().map(|row| row?.deserialize())
    }
}

/// Why a row is not of a type.
#[derive(Debug)]
struct Wrong(String);

impl Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

impl serde::de::Error for Wrong {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

struct RowDeserializer<'a>(&'a Row);

impl<'a> RowDeserializer<'a> {
    fn values(self) -> impl Iterator<Item = Value<'a>> {
        let columns = self.0.columns().iter().enumerate();
        columns.map(|(i, field)| Value { value: self.0.value(i), ty: &field.ty, name: Some(&field.name) })
    }

    fn only(self) -> Result<Value<'a>, Wrong> {
        match self.0.columns() {
            [field] => Ok(Value { value: self.0.value(0), ty: &field.ty, name: Some(&field.name) }),
            columns => Err(Wrong(format!("a row of {} columns is not one value", columns.len()))),
        }
    }
}

macro_rules! forward_to_only {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            self.only()?.$method(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for RowDeserializer<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let values = self.values().map(|value| (value.name.unwrap_or_default().to_owned(), value));
        visitor.visit_map(MapDeserializer::new(values))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        // Names of columns have no case.
        let values = self.values().map(|value| {
            let name = value.name.unwrap_or_default();
            let field = fields.iter().find(|field| field.eq_ignore_ascii_case(name));
            (field.map_or(name, |field| *field).to_owned(), value)
        });
        visitor.visit_map(MapDeserializer::new(values))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_seq(SeqDeserializer::new(self.values()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.only()?.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.only()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_unit()
    }

    forward_to_only! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_option deserialize_unit deserialize_identifier
    }
}

/// A value of a column, or within one.
struct Value<'a> {
    value: Scalar,
    ty: &'a LogicalType,
    /// The column's name.
    name: Option<&'a str>,
}

impl<'a> Value<'a> {
    fn of(array: &dyn Array, index: usize, ty: &'a LogicalType) -> Self {
        Self { value: Scalar::from_array(array, index, ty), ty, name: None }
    }

    fn named(&self, error: Wrong) -> Wrong {
        match self.name {
            Some(name) => Wrong(format!("column \"{name}\" of type {}: {}", self.ty, error.0)),
            None => error,
        }
    }

    /// As the shell shows it, but that a date and a time have a `T` between them and `Z` for UTC.
    fn text(&self) -> Result<String, Wrong> {
        let text = String::from_value(&self.value, self.ty).map_err(Wrong)?;
        Ok(match self.ty {
            LogicalType::Timestamp(_) => text.replacen(' ', "T", 1),
            LogicalType::TimestampTz => text.replacen(' ', "T", 1).replace("+00", "Z"),
            _ => text,
        })
    }

    fn visit<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Wrong> {
        use LogicalType as T;
        match (&self.value, self.ty) {
            (Scalar::Null, _) => visitor.visit_unit(),
            (Scalar::Boolean(v), _) => visitor.visit_bool(*v),
            (Scalar::Float(v), _) => visitor.visit_f64(*v),
            (Scalar::Int(v), T::Decimal { scale, .. }) if *scale > 0 => {
                visitor.visit_f64(*v as f64 / 10_f64.powi(i32::from(*scale)))
            }
            (Scalar::Int(v), ty) if ty.is_numeric() => match (i64::try_from(*v), u64::try_from(*v)) {
                (Ok(v), _) => visitor.visit_i64(v),
                (_, Ok(v)) => visitor.visit_u64(v),
                _ => visitor.visit_i128(*v),
            },
            (Scalar::Text(v), _) => visitor.visit_str(v),
            (Scalar::Bytes(v), T::Blob) => visitor.visit_bytes(v),
            (Scalar::Nested(array), T::List(item)) => {
                let items = array.as_list::<i32>().value(0);
                visitor.visit_seq(items_of(&items, item))
            }
            (Scalar::Nested(array), T::Array(item, _)) => {
                let items = array.as_fixed_size_list().value(0);
                visitor.visit_seq(items_of(&items, item))
            }
            (Scalar::Nested(array), T::Struct(fields)) => {
                let columns = array.as_struct().columns().iter().zip(fields.iter());
                let values = columns.map(|(column, (name, ty))| (&**name, Value::of(column, 0, ty)));
                if fields.iter().all(|(name, _)| name.is_empty()) {
                    return visitor.visit_seq(SeqDeserializer::new(values.map(|(_, value)| value)));
                }
                visitor.visit_map(MapDeserializer::new(values))
            }
            (Scalar::Nested(array), T::Union(members)) => {
                let columns = array.as_struct().columns();
                let member = columns[0].as_primitive::<UInt8Type>().value(0) as usize;
                match members.get(member) {
                    Some((_, ty)) => Value::of(&columns[member + 1], 0, ty).visit(visitor),
                    None => visitor.visit_unit(),
                }
            }
            (Scalar::Nested(array), T::Map(key, value)) => {
                let map = array.as_map();
                let (keys, values) = (map.keys(), map.values());
                let range = map.value_offsets()[0] as usize..map.value_offsets()[1] as usize;
                let pairs = range.map(|i| (Value::of(keys, i, key), Value::of(values, i, value)));
                visitor.visit_map(MapDeserializer::new(pairs))
            }
            _ => visitor.visit_string(self.text()?),
        }
    }

    /// The number that stands for the value, of types that are one in memory.
    fn visit_number<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Wrong> {
        match (&self.value, self.ty) {
            (Scalar::Int(v), LogicalType::Timestamp(_) | LogicalType::TimestampTz | LogicalType::Date) => {
                visitor.visit_i64(*v as i64)
            }
            _ => self.visit(visitor),
        }
    }
}

fn items_of<'a>(
    items: &'a dyn Array,
    ty: &'a LogicalType,
) -> SeqDeserializer<impl Iterator<Item = Value<'a>>, Wrong> {
    SeqDeserializer::new((0..items.len()).map(move |i| Value::of(items, i, ty)))
}

impl IntoDeserializer<'_, Wrong> for Value<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            self.visit_number(visitor).map_err(|e| self.named(e))
        })*
    };
}

macro_rules! texts {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            match &self.value {
                Scalar::Null | Scalar::Text(_) | Scalar::Nested(_) => self.visit(visitor),
                _ => self.text().and_then(|text| visitor.visit_string(text)),
            }
            .map_err(|e| self.named(e))
        })*
    };
}

impl<'de> Deserializer<'de> for Value<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.visit(visitor).map_err(|e| self.named(e))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let text = self.text().map_err(|e| self.named(e))?;
        let value: StrDeserializer<'_, Wrong> = text.as_str().into_deserializer();
        value.deserialize_enum(name, variants, visitor).map_err(|e| self.named(e))
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
    }

    texts! { deserialize_char deserialize_str deserialize_string deserialize_identifier }

    serde::forward_to_deserialize_any! {
        bool bytes byte_buf unit unit_struct seq tuple tuple_struct map struct ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Database;

    fn one<T: DeserializeOwned>(sql: &str) -> Result<T> {
        let connection = Database::open_in_memory()?.connect();
        connection.query(sql)?.deserialize().next().expect("a row")
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mood {
        Glad,
        Sad,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Inner {
        a: i8,
        b: Option<String>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Outer {
        id: u64,
        price: f64,
        #[serde(rename = "price_text")]
        exact: String,
        day: String,
        at: String,
        at_micros: i64,
        mood: Mood,
        inner: Inner,
        list: Vec<Option<i32>>,
        map: BTreeMap<String, f32>,
        #[serde(default)]
        missing: bool,
    }

    #[test]
    fn structs_are_made_of_rows() {
        let row: Outer = one(
            "SELECT 7 AS ID, 1.25::DECIMAL(5,2) AS price, 1.25::DECIMAL(5,2) AS price_text, DATE '2024-02-29' AS day, \
             TIMESTAMP '2024-02-29 12:00:00.5' AS at, TIMESTAMP '1970-01-01 00:00:01' AS at_micros, \
             'sad'::ENUM('glad', 'sad') AS mood, {'a': 1, 'b': NULL} AS inner, [1, NULL, 3] AS list, \
             MAP {'x': 1.5, 'y': 2} AS map, 'unused' AS other",
        )
        .unwrap();
        assert_eq!((row.id, row.price, row.exact.as_str(), row.missing), (7, 1.25, "1.25", false));
        assert_eq!(
            (row.day.as_str(), row.at.as_str(), row.at_micros),
            ("2024-02-29", "2024-02-29T12:00:00.5", 1_000_000)
        );
        assert_eq!((row.mood, row.inner), (Mood::Sad, Inner { a: 1, b: None }));
        assert_eq!(row.list, [Some(1), None, Some(3)]);
        assert_eq!(row.map, BTreeMap::from([("x".to_owned(), 1.5), ("y".to_owned(), 2.0)]));
    }

    #[test]
    fn rows_are_tuples_maps_and_values_too() {
        assert_eq!(one::<(i32, String)>("SELECT 1, 'x'").unwrap(), (1, "x".to_owned()));
        assert_eq!(
            one::<u128>("SELECT 170141183460469231731687303715884105727::HUGEINT").unwrap(),
            i128::MAX as u128
        );
        assert_eq!(one::<Option<i32>>("SELECT NULL").unwrap(), None);
        assert_eq!(one::<Mood>("SELECT 'glad'").unwrap(), Mood::Glad);
        let any: BTreeMap<String, serde_json::Value> =
            one("SELECT 1 AS a, 'x' AS b, NULL AS c, [1.5] AS d").unwrap();
        assert_eq!(serde_json::to_string(&any).unwrap(), r#"{"a":1,"b":"x","c":null,"d":[1.5]}"#);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for (error, says) in [
            (one::<(u8,)>("SELECT 300 AS big").unwrap_err(), "column \"big\" of type INTEGER"),
            (one::<(bool,)>("SELECT 'x' AS s").unwrap_err(), "column \"s\""),
            (one::<(i32,)>("SELECT NULL AS n").unwrap_err(), "column \"n\""),
            (one::<i32>("SELECT 1, 2").unwrap_err(), "2 columns"),
            (one::<Inner>("SELECT 1 AS b").unwrap_err(), "missing field `a`"),
            (one::<Mood>("SELECT 'cross' AS m").unwrap_err(), "unknown variant `cross`"),
        ] {
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
