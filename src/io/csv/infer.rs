//! The types of columns, guessed from a sample of their values.
//!
//! A column starts with every type open; each value closes those that it is not. The first type still open
//! in the order below is the guess. A column without values is VARCHAR.

use crate::column::types::{LogicalType, TIMESTAMP};
use crate::io::parse::{self, NumberStyle};
use crate::io::strptime::Format;

const BOOLEAN: u16 = 1;
const TIME: u16 = 1 << 1;
const DATE: u16 = 1 << 2;
const TIMESTAMP_BIT: u16 = 1 << 3;
const TIMESTAMP_TZ: u16 = 1 << 4;
const TINYINT: u16 = 1 << 5;
const SMALLINT: u16 = 1 << 6;
const INTEGER: u16 = 1 << 7;
const BIGINT: u16 = 1 << 8;
const HUGEINT: u16 = 1 << 9;
const DECIMAL: u16 = 1 << 10;
const FLOAT: u16 = 1 << 11;
const DOUBLE: u16 = 1 << 12;
const NUMERIC: u16 = TINYINT | SMALLINT | INTEGER | BIGINT | HUGEINT | DECIMAL | FLOAT | DOUBLE;
/// What is guessed unless types are given.
const USUAL: u16 = BOOLEAN | TIME | DATE | TIMESTAMP_BIT | TIMESTAMP_TZ | BIGINT | HUGEINT | DOUBLE;

/// The types in the order of preference. Which decimals there are the candidates say.
const ORDER: [(u16, LogicalType); 13] = [
    (BOOLEAN, LogicalType::Boolean),
    (TIME, LogicalType::Time),
    (DATE, LogicalType::Date),
    (TIMESTAMP_BIT, TIMESTAMP),
    (TIMESTAMP_TZ, LogicalType::TimestampTz),
    (TINYINT, LogicalType::TinyInt),
    (SMALLINT, LogicalType::SmallInt),
    (INTEGER, LogicalType::Integer),
    (BIGINT, LogicalType::BigInt),
    (HUGEINT, LogicalType::HugeInt),
    (DECIMAL, LogicalType::Decimal { width: 0, scale: 0 }),
    (FLOAT, LogicalType::Float),
    (DOUBLE, LogicalType::Double),
];

/// The bit of a type that may be guessed.
fn bit(ty: &LogicalType) -> Option<u16> {
    if matches!(ty, LogicalType::Decimal { .. }) {
        return Some(DECIMAL);
    }
    ORDER.iter().find(|(_, known)| known == ty).map(|(bit, _)| *bit)
}

/// Whether a type may be among the candidates: one that is guessed, or what a column is of which nothing is.
pub(crate) fn is_candidate(ty: &LogicalType) -> bool {
    bit(ty).is_some() || matches!(ty, LogicalType::Varchar | LogicalType::Json | LogicalType::Null)
}

/// Orders of day, month and year, the likeliest first; each with every separator.
const DATE_ORDERS: [&str; 6] = ["%Y-%m-%d", "%y-%m-%d", "%d-%m-%Y", "%d-%m-%y", "%m-%d-%Y", "%m-%d-%y"];
/// Separators of dates.
const SEPARATORS: [&str; 3] = ["/", "-", "."];
/// Who writes AM and PM puts the month first.
const DATE_ORDERS_OF_12_HOURS: [&str; 6] =
    ["%m-%d-%Y", "%m-%d-%y", "%Y-%m-%d", "%y-%m-%d", "%d-%m-%Y", "%d-%m-%y"];
/// Times behind dates, with the orders of those.
const TIMES: [(&str, [&str; 6]); 2] = [(" %H:%M:%S", DATE_ORDERS), (" %I:%M:%S %p", DATE_ORDERS_OF_12_HOURS)];

/// What is known of the types of a sample's columns.
pub(crate) struct Guesser {
    columns: Vec<Column>,
    allowed: u16,
    numbers: Numbers,
    /// Formats of dates that are not ISO's, by bit.
    date_formats: Vec<Format>,
    timestamp_formats: Vec<Format>,
}

/// How numbers are written, and the decimals that they may be.
#[derive(Clone, Copy)]
struct Numbers {
    style: NumberStyle,
    width: u8,
    scale: u8,
}

struct Column {
    open: u16,
    /// Whether there was any value.
    any: bool,
    /// Whether all dates so far can be ISO's.
    iso_date: bool,
    iso_timestamp: bool,
    /// The other formats that fit all values so far.
    dates: u64,
    timestamps: u64,
}

/// A column's type, and the format of its dates where it is not ISO's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guess {
    /// The type.
    pub ty: LogicalType,
    /// The format.
    pub format: Option<Format>,
}

impl Guesser {
    /// A guesser for this many columns, among these types if given.
    pub fn new(
        columns: usize,
        candidates: Option<&[LogicalType]>,
        date_format: Option<&Format>,
        timestamp_format: Option<&Format>,
        style: NumberStyle,
    ) -> Self {
        let allowed = match candidates {
            None => USUAL,
            Some(types) => types.iter().filter_map(bit).fold(0, |all, bit| all | bit),
        };
        let decimal = candidates.into_iter().flatten().find_map(|ty| match ty {
            LogicalType::Decimal { width, scale } => Some((*width, *scale)),
            _ => None,
        });
        let (width, scale) = decimal.unwrap_or_default();
        let compile = |text: String| Format::new(&text).expect("a format of ours");
        let date_formats: Vec<Format> = match date_format {
            Some(format) => vec![format.clone()],
            None => SEPARATORS
                .iter()
                .flat_map(|s| DATE_ORDERS.iter().map(|order| compile(order.replace('-', s))))
                .collect(),
        };
        let timestamp_formats: Vec<Format> = match timestamp_format {
            Some(format) => vec![format.clone()],
            None => SEPARATORS
                .iter()
                .flat_map(|s| TIMES.iter().map(move |(time, orders)| (s, time, orders)))
                .flat_map(|(s, time, orders)| {
                    orders.iter().map(move |order| compile(format!("{}{time}", order.replace('-', s))))
                })
                .collect(),
        };
        let fresh = || Column {
            open: allowed,
            any: false,
            iso_date: date_format.is_none(),
            iso_timestamp: timestamp_format.is_none(),
            dates: mask(date_formats.len()),
            timestamps: mask(timestamp_formats.len()),
        };
        let columns = (0..columns).map(|_| fresh()).collect();
        Self { columns, allowed, numbers: Numbers { style, width, scale }, date_formats, timestamp_formats }
    }

    /// Takes a value that is not NULL.
    pub fn value(&mut self, column: usize, field: &[u8]) {
        let state = &mut self.columns[column];
        state.any = true;
        if state.open == 0 {
            return;
        }
        if field.len() > 64 {
            state.open = 0;
            return;
        }
        if state.open & BOOLEAN != 0 && !is_boolean(field) {
            state.open &= !BOOLEAN;
        }
        if state.open & NUMERIC != 0 {
            state.open &= !NUMERIC | self.numbers.types_of(field);
        }
        if state.open & TIME != 0 && (!field.contains(&b':') || parse::time(field).is_none()) {
            state.open &= !TIME;
        }
        let dates = DATE | TIMESTAMP_BIT | TIMESTAMP_TZ;
        if state.open & dates != 0 {
            let iso = parse::moment(field);
            if state.open & DATE != 0 {
                state.iso_date &= parse::date(field).is_some();
                keep(&mut state.dates, &self.date_formats, field);
                if !state.iso_date && state.dates == 0 {
                    state.open &= !DATE;
                }
            }
            // A timestamp with a zone is no TIMESTAMP, but any timestamp may stand among those with one.
            let zoned = iso.is_some_and(|m| m.offset.is_some() && !ends_in_utc(field));
            if state.open & (TIMESTAMP_BIT | TIMESTAMP_TZ) != 0 {
                state.iso_timestamp &= iso.is_some();
                keep(&mut state.timestamps, &self.timestamp_formats, field);
                if zoned {
                    state.open &= !TIMESTAMP_BIT;
                }
                if !state.iso_timestamp {
                    state.open &= !TIMESTAMP_TZ;
                    if state.timestamps == 0 {
                        state.open &= !TIMESTAMP_BIT;
                    }
                }
            }
        }
    }

    /// Whether a value fits what is guessed for its column.
    pub fn fits(&self, column: usize, field: &[u8]) -> bool {
        let guess = self.guess(column);
        if guess.ty == LogicalType::Varchar {
            return true;
        }
        let mut probe = Self {
            columns: vec![Column {
                open: self.allowed,
                any: false,
                iso_date: guess.format.is_none(),
                iso_timestamp: guess.format.is_none(),
                dates: u64::from(guess.format.is_some()),
                timestamps: u64::from(guess.format.is_some()),
            }],
            allowed: self.allowed,
            numbers: self.numbers,
            date_formats: guess.format.iter().cloned().collect(),
            timestamp_formats: guess.format.iter().cloned().collect(),
        };
        probe.value(0, field);
        probe.columns[0].open & bit(&guess.ty).unwrap_or(0) != 0
    }

    /// The guess for one column.
    pub fn guess(&self, column: usize) -> Guess {
        let state = &self.columns[column];
        let found = if state.any { ORDER.iter().find(|(bit, _)| state.open & bit != 0) } else { None };
        let Some((bit, ty)) = found else { return Guess { ty: LogicalType::Varchar, format: None } };
        let (iso, open, formats) = match *bit {
            DATE => (state.iso_date, state.dates, &self.date_formats),
            TIMESTAMP_BIT => (state.iso_timestamp, state.timestamps, &self.timestamp_formats),
            _ => (true, 0, &self.date_formats),
        };
        let format = if iso { None } else { formats.get(open.trailing_zeros() as usize).cloned() };
        let ty = match *bit {
            DECIMAL => LogicalType::Decimal { width: self.numbers.width, scale: self.numbers.scale },
            _ => ty.clone(),
        };
        Guess { ty, format }
    }
}

/// The lowest `n` bits.
fn mask(n: usize) -> u64 {
    debug_assert!(n <= 64);
    if n >= 64 { u64::MAX } else { (1 << n) - 1 }
}

/// Closes the formats that do not fit.
fn keep(open: &mut u64, formats: &[Format], field: &[u8]) {
    let mut left = *open;
    while left != 0 {
        let i = left.trailing_zeros();
        left &= left - 1;
        if formats[i as usize].parse(field).is_none() {
            *open &= !(1 << i);
        }
    }
}

/// A boolean that is neither a digit nor a single `y` or `n`, which are as likely to be codes.
fn is_boolean(field: &[u8]) -> bool {
    !matches!(field, [b'0' | b'1' | b'y' | b'Y' | b'n' | b'N']) && parse::boolean(field).is_some()
}

/// Whether a zone is spelled `UTC`, which DuckDB takes as no zone.
fn ends_in_utc(field: &[u8]) -> bool {
    parse::trim(field).to_ascii_uppercase().ends_with(b"UTC")
}

impl Numbers {
    /// The numeric types that a value may have. Leading zeros and a plus sign say that it is a code, not a number.
    fn types_of(self, field: &[u8]) -> u16 {
        let trimmed = parse::trim(field);
        let digits = trimmed.strip_prefix(b"-").unwrap_or(trimmed);
        match digits {
            [] | [b'+', ..] => return 0,
            [b'0', b'0'..=b'9', ..] if digits.len() == trimmed.len() => return 0,
            _ => {}
        }
        let style = self.style;
        let whole = style.parse(field, parse::int64).map(i128::from);
        let mut types = match whole.or_else(|| style.parse(field, parse::int128)) {
            Some(whole) => {
                let fits = [
                    (BIGINT, i64::try_from(whole).is_ok()),
                    (INTEGER, i32::try_from(whole).is_ok()),
                    (SMALLINT, i16::try_from(whole).is_ok()),
                    (TINYINT, i8::try_from(whole).is_ok()),
                ];
                let fitting = fits.iter().filter(|(_, fits)| *fits).map(|(bit, _)| bit).sum::<u16>();
                HUGEINT | FLOAT | DOUBLE | fitting
            }
            None => match style.parse(field, parse::float64) {
                // What is greater than all of FLOAT would come back as infinite.
                Some(float) if (float as f32).is_infinite() && float.is_finite() => DOUBLE,
                Some(_) => FLOAT | DOUBLE,
                None => return 0,
            },
        };
        if self.width > 0 && style.parse(field, |f| parse::decimal(f, self.width, self.scale)).is_some() {
            types |= DECIMAL;
        }
        types
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(values: &[&str]) -> String {
        let mut guesser = Guesser::new(1, None, None, None, NumberStyle::PLAIN);
        for value in values {
            guesser.value(0, value.as_bytes());
        }
        let guess = guesser.guess(0);
        for value in values {
            assert!(guesser.fits(0, value.as_bytes()), "{value} in {values:?}");
        }
        match guess.format {
            Some(format) => format!("{} {}", guess.ty, format.text()),
            None => guess.ty.to_string(),
        }
    }

    /// What DuckDB 1.4 and later answer, but where the comment says otherwise.
    #[test]
    fn as_duckdb_guesses() {
        for (value, ty) in [
            ("true", "BOOLEAN"),
            ("T", "BOOLEAN"),
            ("yes", "BOOLEAN"),
            ("y", "VARCHAR"),
            ("N", "VARCHAR"),
            ("1", "BIGINT"),
            ("0", "BIGINT"),
            ("NULL", "VARCHAR"),
            ("nan", "DOUBLE"),
            ("1e5", "DOUBLE"),
            ("1.", "DOUBLE"),
            (".5", "DOUBLE"),
            ("+1", "VARCHAR"),
            (" 1 ", "BIGINT"),
            ("007", "VARCHAR"),
            ("-01", "BIGINT"),
            ("00.5", "VARCHAR"),
            ("0.5", "DOUBLE"),
            ("1_000", "VARCHAR"),
            ("9223372036854775808", "HUGEINT"),
            ("12:30", "TIME"),
            ("1:02:03.5", "TIME"),
            ("2020-1-2", "DATE"),
            ("2020/01/02", "DATE"),
            ("01/02/2020", "DATE %d/%m/%Y"),
            ("02/13/2020", "DATE %m/%d/%Y"),
            ("01/02/20", "DATE %y/%m/%d"),
            ("01.02.2020", "DATE %d.%m.%Y"),
            ("20200102", "BIGINT"),
            ("2020-01-02 03:04:05", "TIMESTAMP"),
            ("2020-01-02 03:04", "TIMESTAMP"),
            ("2020-01-02T03:04:05Z", "TIMESTAMP WITH TIME ZONE"),
            ("2020-01-02 03:04:05+02", "TIMESTAMP WITH TIME ZONE"),
            ("2020-01-02 03:04:05 UTC", "TIMESTAMP"),
            ("01/02/2020 03:04:05", "TIMESTAMP %d/%m/%Y %H:%M:%S"),
            ("01/02/2020 03:04", "VARCHAR"),
            ("13/02/2020 03:04:05 PM", "TIMESTAMP %d/%m/%Y %I:%M:%S %p"),
            ("01/02/2020 03:04:05 PM", "TIMESTAMP %m/%d/%Y %I:%M:%S %p"),
            ("01/02/20 03:04:05 AM", "TIMESTAMP %m/%d/%y %I:%M:%S %p"),
            ("2020-02-30", "VARCHAR"),
            ("-", "VARCHAR"),
            ("", "VARCHAR"),
            ("1,5", "VARCHAR"),
            ("[1, 2]", "VARCHAR"),
            // DuckDB says DATE.
            ("inf", "DOUBLE"),
            // DuckDB takes hexadecimal digits.
            ("0x1f", "VARCHAR"),
        ] {
            assert_eq!(guess(&[value]), ty, "{value}");
        }
    }

    #[test]
    fn candidates() {
        let guess = |types: &[LogicalType], values: &[&str]| {
            let mut guesser = Guesser::new(1, Some(types), None, None, NumberStyle::PLAIN);
            values.iter().for_each(|value| guesser.value(0, value.as_bytes()));
            guesser.guess(0).ty.to_string()
        };
        let decimal = LogicalType::Decimal { width: 4, scale: 1 };
        assert_eq!(guess(&[LogicalType::Float], &["1", "2.5"]), "FLOAT");
        assert_eq!(guess(&[LogicalType::Integer, LogicalType::SmallInt], &["1", "300"]), "SMALLINT");
        assert_eq!(guess(&[LogicalType::Integer, LogicalType::SmallInt], &["1", "70000"]), "INTEGER");
        assert_eq!(guess(&[LogicalType::SmallInt, LogicalType::Double], &["1", "70000"]), "DOUBLE");
        assert_eq!(guess(&[decimal.clone(), LogicalType::Float], &["1", "2.5"]), "DECIMAL(4,1)");
        assert_eq!(guess(&[decimal, LogicalType::Float], &["1", "70000"]), "FLOAT");
        assert_eq!(guess(&[LogicalType::Varchar], &["1"]), "VARCHAR");
    }

    #[test]
    fn mixtures() {
        assert_eq!(guess(&["1", "2.5"]), "DOUBLE");
        assert_eq!(guess(&["1", "true"]), "VARCHAR");
        assert_eq!(guess(&["2020-01-01", "2020-01-01 00:00:00"]), "TIMESTAMP");
        assert_eq!(guess(&["01/02/2020", "02/13/2020"]), "DATE %m/%d/%Y");
        assert_eq!(guess(&["2020-01-01", "01/02/2020"]), "VARCHAR");
        assert_eq!(guess(&["2020-01-01 00:00:00", "2020-01-01 00:00:00Z"]), "TIMESTAMP WITH TIME ZONE");
        assert_eq!(guess(&["1", "12:00"]), "VARCHAR");
        assert_eq!(guess(&[]), "VARCHAR");
    }
}
