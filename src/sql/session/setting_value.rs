//! Values of settings, from what is set and to what is shown.

use std::path::PathBuf;
use std::time::Duration;

use crate::column::scalar::Scalar;
use crate::exec::memory::parse_bytes;
use crate::table::Synchronous;

/// A value as text.
pub(super) fn plain_text(value: &Scalar) -> String {
    match value {
        Scalar::Text(text) => text.to_string(),
        Scalar::Boolean(b) => b.to_string(),
        Scalar::Int(n) => n.to_string(),
        Scalar::Float(f) => f.to_string(),
        _ => String::new(),
    }
}

/// The least change of a query's working memory is a kilobyte, so a limit survives being shown and read.
pub fn format_bytes(bytes: u64) -> String {
    for (unit, name) in [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{} {name}", bytes / unit);
        }
    }
    format!("{bytes} B")
}

/// A level by its name, or by the number that SQLite gives it.
pub(super) fn synchronous(name: &str) -> Result<Synchronous, String> {
    match name {
        "off" | "0" => Ok(Synchronous::Off),
        "normal" | "1" => Ok(Synchronous::Normal),
        "full" | "on" | "2" => Ok(Synchronous::Full),
        other => Err(format!(
            "Unrecognized parameter for option SYNCHRONOUS \"{other}\". Expected FULL, NORMAL or OFF."
        )),
    }
}

/// A text in lower case.
pub(super) fn word(value: &Scalar) -> Result<String, String> {
    match value {
        Scalar::Text(text) => Ok(text.trim().to_lowercase()),
        _ => Err("it must be a text".into()),
    }
}

pub(super) fn boolean(value: &Scalar) -> Result<bool, String> {
    match value {
        Scalar::Boolean(b) => Ok(*b),
        Scalar::Int(0) => Ok(false),
        Scalar::Int(1) => Ok(true),
        Scalar::Text(text) => match text.trim().to_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => Err("it must be true or false".into()),
        },
        _ => Err("it must be true or false".into()),
    }
}

/// A path; NULL or an empty text for none.
pub(super) fn path(value: &Scalar) -> Result<PathBuf, String> {
    match value {
        Scalar::Null => Ok(PathBuf::new()),
        Scalar::Text(path) => Ok(PathBuf::from(&**path)),
        _ => Err("it must be the path of a file".into()),
    }
}

const DURATION_UNITS: [(&str, f64); 6] =
    [("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// A time such as `100ms` or `1.5s`; a bare number is of milliseconds.
pub(super) fn duration(value: &Scalar) -> Result<Duration, String> {
    let wrong = || "it must be a time such as 100ms or 2s".to_owned();
    let (number, unit) = match value {
        Scalar::Int(ms) => (*ms as f64, 1e-3),
        Scalar::Float(ms) => (*ms, 1e-3),
        Scalar::Text(text) => {
            let text = text.trim();
            let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
            let (number, unit) = (&text[..split], text[split..].trim().to_lowercase());
            let known = DURATION_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, seconds)| *seconds);
            let unit = if unit.is_empty() { Some(1e-3) } else { known };
            (number.parse().map_err(|_| wrong())?, unit.ok_or_else(wrong)?)
        }
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(number * unit).map_err(|_| wrong())
}

pub(super) fn format_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0 => "0ms".into(),
        _ if micros.is_multiple_of(1_000_000) => format!("{}s", micros / 1_000_000),
        _ if micros.is_multiple_of(1_000) => format!("{}ms", micros / 1_000),
        _ => format!("{micros}us"),
    }
}

pub(super) fn whole(value: &Scalar) -> Result<u64, String> {
    let n = match value {
        Scalar::Int(n) => u64::try_from(*n).ok(),
        Scalar::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    n.ok_or_else(|| "it must be a whole number that is not negative".into())
}

/// A size such as `1GB` or a number of bytes.
pub(super) fn bytes(value: &Scalar) -> Result<u64, String> {
    let size = match value {
        Scalar::Int(n) => u64::try_from(*n).ok(),
        Scalar::Text(text) => parse_bytes(text),
        _ => None,
    };
    size.ok_or_else(|| "it must be a size such as 512MB or 4GiB".to_owned())
}
