//! The types of JSON values, guessed from a sample of records, by DuckDB's rules.
//!
//! All records of the sample are laid over each other ([`Structure`]): for each place, which kinds of value
//! were seen there, how often, and which types its strings may have. One kind gives a type, several give
//! JSON. An object is a STRUCT, or a MAP if its keys vary: if they are in few of the objects
//! (`field_appearance_threshold`), or if they are many with values that are alike
//! (`map_inference_threshold`).

use hashbrown::HashMap;

use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::cast::{parse as cast_parse, parse_time};
use crate::io::json::lex::{Kind, Value};
use crate::io::json::shape::{Shape, TimeFormats};
use crate::io::parse;
use crate::io::strptime::Format;

/// What the options say about guessing.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Nested values below this depth are JSON.
    pub max_depth: usize,
    /// An object whose keys are on average in fewer of the objects than this share is a MAP.
    pub field_appearance_threshold: f64,
    /// So are objects of at least so many keys, if their values are alike.
    pub map_inference_threshold: usize,
    /// Whether strings of digits are numbers.
    pub strings_to_integers: bool,
    /// Formats of dates and timestamps instead of the usual ones.
    pub formats: TimeFormats,
}

/// Deeper nesting than this is never typed.
pub(super) const MAX_TYPE_DEPTH: usize = 64;

const TIME: u8 = 1;
const DATE: u8 = 1 << 1;
const STAMP: u8 = 1 << 2;
const STAMP_TZ: u8 = 1 << 3;
const BIGINT: u8 = 1 << 4;
const UUID: u8 = 1 << 5;

/// Formats of dates, the likeliest first; the first is ISO's.
const DATES: [&str; 6] = ["%Y-%m-%d", "%y-%m-%d", "%d-%m-%Y", "%d-%m-%y", "%m-%d-%Y", "%m-%d-%y"];
/// Formats of timestamps, the likeliest first; the first four are ISO's.
const STAMPS: [&str; 9] = [
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%d %H:%M:%S.%f",
    "%y-%m-%d %H:%M:%S",
    "%d-%m-%Y %H:%M:%S",
    "%d-%m-%y %H:%M:%S",
    "%m-%d-%Y %I:%M:%S %p",
    "%m-%d-%y %I:%M:%S %p",
];
const ISO_DATES: usize = 1;
const ISO_STAMPS: usize = 4;

/// Guesses the shape of all records of a sample.
pub(super) struct Guesser {
    rules: Rules,
    dates: Vec<Format>,
    stamps: Vec<Format>,
    root: Structure,
    scratch: Vec<u8>,
}

/// What was seen at one place of the records.
#[derive(Debug, Default)]
struct Structure {
    count: u64,
    nulls: u64,
    boolean: bool,
    number: Option<Number>,
    text: Option<Text>,
    list: Option<Box<Structure>>,
    object: Option<Object>,
}

/// The narrowest type of all numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Number {
    BigInt,
    HugeInt,
    Double,
}

/// The types that all strings may have.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Text {
    open: u8,
    /// The formats that fit all, by bit.
    dates: u8,
    stamps: u16,
}

#[derive(Debug, Default)]
struct Object {
    fields: Vec<(Box<str>, Structure)>,
    places: HashMap<Box<str>, usize, foldhash::fast::RandomState>,
}

impl Object {
    fn field(&mut self, key: &str) -> &mut Structure {
        let place = match self.places.get(key) {
            Some(place) => *place,
            None => {
                self.places.insert(key.into(), self.fields.len());
                self.fields.push((key.into(), Structure::default()));
                self.fields.len() - 1
            }
        };
        &mut self.fields[place].1
    }
}

impl Guesser {
    /// A guesser that has seen nothing.
    pub fn new(rules: &Rules) -> Self {
        let compile = |texts: &[&str]| -> Vec<Format> {
            texts.iter().map(|text| Format::new(text).expect("a format of ours")).collect()
        };
        let dates = match &rules.formats.date {
            Some(format) => vec![format.clone()],
            None => compile(&DATES),
        };
        let stamps = match &rules.formats.timestamp {
            Some(format) => vec![format.clone()],
            None => compile(&STAMPS),
        };
        Self { rules: rules.clone(), dates, stamps, root: Structure::default(), scratch: vec![] }
    }

    /// Takes a record.
    pub fn record(&mut self, value: Value<'_>) {
        let mut root = std::mem::take(&mut self.root);
        self.value(&mut root, value, 0);
        self.root = root;
    }

    fn value(&mut self, seen: &mut Structure, value: Value<'_>, depth: usize) {
        seen.count += 1;
        if depth >= self.rules.max_depth {
            return;
        }
        match value.kind() {
            Kind::Null => seen.nulls += 1,
            Kind::True | Kind::False => seen.boolean = true,
            Kind::Integer => {
                let number = match parse::int128(value.raw()) {
                    Some(n) if i64::try_from(n).is_ok() => Number::BigInt,
                    Some(n) if u64::try_from(n).is_ok() => Number::HugeInt,
                    _ => Number::Double,
                };
                seen.number = seen.number.max(Some(number));
            }
            Kind::Float => seen.number = Some(Number::Double),
            Kind::Text | Kind::EscapedText => {
                let mut text = seen.text.unwrap_or_else(|| self.any_text());
                if text.open != 0 {
                    let mut scratch = std::mem::take(&mut self.scratch);
                    self.narrow(&mut text, value.string(&mut scratch));
                    self.scratch = scratch;
                }
                seen.text = Some(text);
            }
            Kind::Array => {
                let items = seen.list.get_or_insert_default();
                for item in value.elements() {
                    self.value(items, item, depth + 1);
                }
            }
            Kind::Object => {
                let object = seen.object.get_or_insert_default();
                let mut scratch = vec![];
                for (key, member) in value.members() {
                    let key = String::from_utf8_lossy(key.string(&mut scratch)).into_owned();
                    self.value(object.field(&key), member, depth + 1);
                }
            }
        }
    }

    fn any_text(&self) -> Text {
        let tz = if self.rules.formats.timestamp.is_none() { STAMP_TZ } else { 0 };
        let digits = if self.rules.strings_to_integers { BIGINT } else { 0 };
        Text {
            open: TIME | DATE | STAMP | tz | digits | UUID,
            dates: ((1_u16 << self.dates.len()) - 1) as u8,
            stamps: (1_u16 << self.stamps.len()) - 1,
        }
    }

    /// Closes the types that a string is not of.
    fn narrow(&self, text: &mut Text, value: &[u8]) {
        let Ok(value_text) = std::str::from_utf8(value) else {
            text.open = 0;
            return;
        };
        if value.len() > 64 || value.is_empty() {
            text.open = 0;
            return;
        }
        let mut close = |bit: u8, fits: &mut dyn FnMut(&mut u8, &mut u16) -> bool| {
            if text.open & bit != 0 && !fits(&mut text.dates, &mut text.stamps) {
                text.open &= !bit;
            }
        };
        let has_colon = value.contains(&b':');
        close(TIME, &mut |_, _| is_clock(value) && parse_time::time(value_text).is_ok());
        close(DATE, &mut |dates, _| {
            for (i, format) in self.dates.iter().enumerate() {
                if *dates & (1 << i) != 0 && format.parse(value).is_none() {
                    *dates &= !(1 << i);
                }
            }
            *dates != 0
        });
        close(STAMP, &mut |_, stamps| {
            for (i, format) in self.stamps.iter().enumerate() {
                if *stamps & (1 << i) != 0 && !(value.len() > 8 && format.parse(value).is_some()) {
                    *stamps &= !(1 << i);
                }
            }
            *stamps != 0
        });
        close(STAMP_TZ, &mut |_, _| has_colon && is_zoned(value));
        close(BIGINT, &mut |_, _| parse::int64(value).is_some());
        close(UUID, &mut |_, _| value.len() == 36 && cast_parse::uuid(value_text).is_some());
    }

    /// The shape of all records; `None` if there were none.
    pub fn finish(&self) -> Option<Shape> {
        (self.root.count > 0).then(|| self.shape(&self.root, 0, &LogicalType::Json))
    }

    /// The shape of what was seen. `null` is the type of a place without values.
    fn shape(&self, seen: &Structure, depth: usize, null: &LogicalType) -> Shape {
        if depth >= self.rules.max_depth {
            return Shape::Plain(LogicalType::Json);
        }
        let kinds = [
            seen.boolean,
            seen.number.is_some(),
            seen.text.is_some(),
            seen.list.is_some(),
            seen.object.is_some(),
        ];
        match kinds.iter().filter(|k| **k).count() {
            0 => return Shape::Plain(null.clone()),
            1 => {}
            _ => return Shape::Plain(LogicalType::Json),
        }
        if let Some(number) = seen.number {
            return Shape::Plain(match number {
                Number::BigInt => LogicalType::BigInt,
                Number::HugeInt => LogicalType::HugeInt,
                Number::Double => LogicalType::Double,
            });
        }
        if let Some(text) = &seen.text {
            return self.text_shape(text);
        }
        if let Some(items) = &seen.list {
            return Shape::List(Box::new(self.shape(items, depth + 1, null)));
        }
        if let Some(object) = &seen.object {
            return self.object_shape(seen, object, depth, null);
        }
        Shape::Plain(LogicalType::Boolean)
    }

    fn text_shape(&self, text: &Text) -> Shape {
        let formatted = |ty: LogicalType, open: u32, formats: &[Format], iso: usize, given: bool| {
            let first = open.trailing_zeros() as usize;
            match formats.get(first) {
                Some(format) if given || first >= iso => Shape::Formatted(ty, format.clone()),
                _ => Shape::Plain(ty),
            }
        };
        let rules = &self.rules.formats;
        match text.open & text.open.wrapping_neg() {
            TIME => Shape::Plain(LogicalType::Time),
            DATE => {
                formatted(LogicalType::Date, text.dates.into(), &self.dates, ISO_DATES, rules.date.is_some())
            }
            STAMP => {
                formatted(TIMESTAMP, text.stamps.into(), &self.stamps, ISO_STAMPS, rules.timestamp.is_some())
            }
            STAMP_TZ => Shape::Plain(LogicalType::TimestampTz),
            BIGINT => Shape::Plain(LogicalType::BigInt),
            UUID => Shape::Plain(LogicalType::Uuid),
            _ => Shape::Plain(LogicalType::Varchar),
        }
    }

    fn object_shape(&self, seen: &Structure, object: &Object, depth: usize, null: &LogicalType) -> Shape {
        let map = |value: Shape| Shape::Map(LogicalType::Varchar, Box::new(value));
        if object.fields.is_empty() {
            return map(Shape::Plain(null.clone()));
        }
        let objects = (seen.count - seen.nulls) as f64;
        let shares: f64 = object.fields.iter().map(|(_, field)| field.count as f64 / objects).sum();
        // A field without a name cannot be asked for.
        let nameless = object.fields.iter().any(|(name, _)| name.is_empty());
        if nameless || shares / (object.fields.len() as f64) < self.rules.field_appearance_threshold {
            return map(self.merged(object, depth, null));
        }
        let fields: Vec<(Box<str>, Shape)> = object
            .fields
            .iter()
            .map(|(name, field)| (name.clone(), self.shape(field, depth + 1, null)))
            .collect();
        if fields.len() >= self.rules.map_inference_threshold {
            let value = self.merged(object, depth, &LogicalType::Null);
            let mut similarity = 0.0;
            for (_, field) in &fields {
                match self.similarity(&value, field, depth + 1) {
                    Some(s) => similarity += s,
                    None => {
                        similarity = 0.0;
                        break;
                    }
                }
            }
            if similarity / fields.len() as f64 >= 0.8 {
                return map(self.merged(object, depth, null));
            }
        }
        Shape::Struct(fields)
    }

    /// The shape of all values of an object together.
    fn merged(&self, object: &Object, depth: usize, null: &LogicalType) -> Shape {
        let mut all = Structure::default();
        object.fields.iter().for_each(|(_, field)| Self::merge(&mut all, field));
        self.shape(&all, depth + 2, null)
    }

    fn merge(all: &mut Structure, seen: &Structure) {
        all.count += seen.count;
        all.nulls += seen.nulls;
        all.boolean |= seen.boolean;
        all.number = all.number.max(seen.number);
        if let Some(text) = &seen.text {
            all.text = Some(match all.text {
                None => *text,
                Some(known) => Text {
                    open: known.open & text.open,
                    dates: known.dates & text.dates,
                    stamps: known.stamps & text.stamps,
                },
            });
            if let Some(text) = &mut all.text {
                if text.dates == 0 {
                    text.open &= !DATE;
                }
                if text.stamps == 0 {
                    text.open &= !STAMP;
                }
            }
        }
        if let Some(items) = &seen.list {
            Self::merge(all.list.get_or_insert_default(), items);
        }
        if let Some(object) = &seen.object {
            let merged = all.object.get_or_insert_default();
            for (name, field) in &object.fields {
                Self::merge(merged.field(name), field);
            }
        }
    }

    /// How much of the merged shape a single one has, 0 to 1; `None` if they cannot go together.
    fn similarity(&self, merged: &Shape, single: &Shape, depth: usize) -> Option<f64> {
        const JSON: Shape = Shape::Plain(LogicalType::Json);
        const NULL: Shape = Shape::Plain(LogicalType::Null);
        if depth >= self.rules.max_depth || *merged == NULL || *single == NULL {
            return Some(1.0);
        }
        if *merged == JSON {
            return None;
        }
        if *single == JSON || merged == single {
            return Some(1.0);
        }
        match (merged, single) {
            (Shape::Struct(all), Shape::Struct(fields)) => {
                let places: HashMap<&str, &Shape> = all.iter().map(|(n, s)| (&**n, s)).collect();
                let mut total = 0.0;
                for (name, field) in fields {
                    total += self.similarity(places.get(&**name)?, field, depth + 1)?;
                }
                Some(total / all.len() as f64)
            }
            (Shape::Struct(fields), Shape::Map(_, value)) => {
                let mut total = 0.0;
                for (_, field) in fields {
                    total += self.similarity(field, value, depth + 1)?;
                }
                Some(total / fields.len() as f64)
            }
            (Shape::Map(_, value), Shape::Struct(fields)) => {
                let mut total = 0.0;
                for (_, field) in fields {
                    total += self.similarity(value, field, depth + 1)?;
                }
                Some(total / fields.len() as f64)
            }
            (Shape::Map(_, all), Shape::Map(_, one)) => self.similarity(all, one, depth + 1),
            (Shape::List(all), Shape::List(one)) => self.similarity(all, one, depth + 1),
            _ => Some(1.0),
        }
    }
}

/// Whether a text begins like a time of day; a cast to TIME would take a timestamp too.
fn is_clock(value: &[u8]) -> bool {
    let hour = parse::trim(value).split(|b| *b == b':').next().unwrap_or_default();
    hour.len() < value.len() && matches!(hour.len(), 1 | 2) && hour.iter().all(u8::is_ascii_digit)
}

/// Whether a text is a timestamp with a zone in numbers, or `Z`, right behind it.
fn is_zoned(value: &[u8]) -> bool {
    let zone = value.iter().rposition(|b| matches!(b, b'+' | b'-' | b'Z' | b'z' | b'C' | b'c'));
    let plain = zone.is_some_and(|at| at > 0 && value[at - 1].is_ascii_digit());
    plain && parse::moment(value).is_some_and(|m| m.offset.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::json::lex::Tape;

    pub(super) fn rules() -> Rules {
        Rules {
            max_depth: MAX_TYPE_DEPTH,
            field_appearance_threshold: 0.1,
            map_inference_threshold: 200,
            strings_to_integers: false,
            formats: TimeFormats::default(),
        }
    }

    fn guess_by(rules: &Rules, records: &[&str]) -> String {
        let mut guesser = Guesser::new(rules);
        let mut tape = Tape::default();
        for record in records {
            tape.read(record.as_bytes(), 0).unwrap();
            guesser.record(tape.root(record.as_bytes()));
        }
        match guesser.finish() {
            Some(Shape::Formatted(ty, format)) => format!("{ty} {}", format.text()),
            Some(shape) => shape.ty().to_string(),
            None => "nothing".into(),
        }
    }

    fn guess(records: &[&str]) -> String {
        guess_by(&rules(), records)
    }

    #[test]
    fn kinds() {
        for (records, ty) in [
            (&["1", "2"][..], "BIGINT"),
            (&["1", "2.5", "null"], "DOUBLE"),
            (&["-1", "9223372036854775808"], "HUGEINT"),
            (&["18446744073709551616"], "DOUBLE"),
            (&["true", "null"], "BOOLEAN"),
            (&["1", "true"], "JSON"),
            (&["\"a\"", "1"], "JSON"),
            (&["null"], "JSON"),
            (&[], "nothing"),
            (&["[]"], "JSON[]"),
            (&["[]", "[1, null]"], "BIGINT[]"),
            (&["[1, \"x\"]"], "JSON[]"),
            (&["{}"], "MAP(VARCHAR, JSON)"),
            (&["{}", "{\"a\": 1}"], "STRUCT(a BIGINT)"),
            (&["{\"\": 1}"], "MAP(VARCHAR, BIGINT)"),
            (&["{\"a\": {\"b\": [1.5]}}", "{\"c\": \"x\"}"], "STRUCT(a STRUCT(b DOUBLE[]), c VARCHAR)"),
        ] {
            assert_eq!(guess(records), ty, "{records:?}");
        }
    }

    /// What DuckDB 2.0 answers.
    #[test]
    fn strings() {
        for (text, ty) in [
            ("x", "VARCHAR"),
            ("", "VARCHAR"),
            ("12", "VARCHAR"),
            ("true", "VARCHAR"),
            ("2020-01-02", "DATE"),
            ("2020-1-2", "DATE"),
            ("01-02-2020", "DATE %d-%m-%Y"),
            ("01-13-2020", "DATE %m-%d-%Y"),
            ("20-01-02", "DATE %y-%m-%d"),
            ("01/02/2020", "VARCHAR"),
            ("2020/01/02", "VARCHAR"),
            ("20200102", "VARCHAR"),
            ("2020-02-30", "VARCHAR"),
            ("12:30", "TIME"),
            ("12:30:01.5", "TIME"),
            ("25:00:00", "VARCHAR"),
            ("2020-01-02 03:04:05", "TIMESTAMP"),
            ("2020-01-02T03:04:05", "TIMESTAMP"),
            ("2020-01-02 03:04:05.123", "TIMESTAMP"),
            ("2020-01-02 03:04", "VARCHAR"),
            ("13-01-2020 10:00:00", "TIMESTAMP %d-%m-%Y %H:%M:%S"),
            ("01-02-2020 10:00:00 AM", "TIMESTAMP %m-%d-%Y %I:%M:%S %p"),
            ("2020-01-02T03:04:05Z", "TIMESTAMP WITH TIME ZONE"),
            ("2020-01-02T03:04:05.123456789Z", "TIMESTAMP WITH TIME ZONE"),
            ("2020-01-02 03:04:05+02:00", "TIMESTAMP WITH TIME ZONE"),
            ("2020-01-02T00:00Z", "TIMESTAMP WITH TIME ZONE"),
            ("2020-01-02 03:04:05 UTC", "VARCHAR"),
            ("2020-01-02 03:04:05 Z", "VARCHAR"),
            ("550E8400-e29b-41d4-a716-446655440000", "UUID"),
            ("550e8400e29b41d4a716446655440000", "VARCHAR"),
        ] {
            assert_eq!(guess(&[&format!("\"{text}\"")]), ty, "{text}");
        }
        for (a, b, ty) in [
            ("2020-01-01", "2020-01-01 00:00:00", "VARCHAR"),
            ("2020-01-01T00:00:00Z", "2020-01-01 00:00:00", "VARCHAR"),
            ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00.5+01:00", "TIMESTAMP WITH TIME ZONE"),
            ("31-01-2020", "01-02-2020", "DATE %d-%m-%Y"),
            ("13-01-2020", "01-13-2020", "VARCHAR"),
            ("2020-01-01", "x", "VARCHAR"),
        ] {
            assert_eq!(guess(&[&format!("\"{a}\""), &format!("\"{b}\"")]), ty, "{a} {b}");
        }
        let mut integers = rules();
        integers.strings_to_integers = true;
        assert_eq!(guess_by(&integers, &["\"12\""]), "BIGINT");
        let mut given = rules();
        given.formats.date = Some(Format::new("%d/%m/%Y").unwrap());
        assert_eq!(guess_by(&given, &["\"01/02/2020\""]), "DATE %d/%m/%Y");
        assert_eq!(guess_by(&given, &["\"2020-01-02\""]), "VARCHAR");
    }

    #[test]
    fn maps() {
        let records: Vec<String> = (0..30).map(|i| format!("{{\"k{i}\": {i}}}")).collect();
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        assert_eq!(guess(&records), "MAP(VARCHAR, BIGINT)");
        assert!(guess(&records[..9]).starts_with("STRUCT(k0 BIGINT, k1"));
        let many = |value: fn(usize) -> String| {
            let fields: Vec<String> = (0..200).map(|i| format!("\"k{i}\": {}", value(i))).collect();
            format!("{{{}}}", fields.join(", "))
        };
        assert_eq!(guess(&[&many(|i| i.to_string())]), "MAP(VARCHAR, BIGINT)");
        assert_eq!(guess(&[&many(|i| format!("{{\"a\": {i}}}"))]), "MAP(VARCHAR, STRUCT(a BIGINT))");
        assert!(
            guess(&[&many(|i| if i % 2 == 0 { "1".into() } else { "\"x\"".into() })]).starts_with("STRUCT")
        );
        let mut shallow = rules();
        shallow.max_depth = 1;
        assert_eq!(guess_by(&shallow, &["{\"a\": [1], \"b\": 1}"]), "STRUCT(a JSON, b JSON)");
        shallow.max_depth = 0;
        assert_eq!(guess_by(&shallow, &["{\"a\": [1], \"b\": 1}"]), "JSON");
    }
}
