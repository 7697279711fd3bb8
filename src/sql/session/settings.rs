//! Settings of one connection, and their names in SET.

use crate::column::scalar::Scalar;
use crate::exec::zone::Zone;
use crate::sql::error::{Result, SqlError};

/// Settings of one connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Worker threads of one query, at least 1.
    pub threads: usize,
    /// Working memory of one query.
    pub memory_limit_bytes: u64,
    /// `/` between integers gives an integer.
    pub integer_division: bool,
    /// ORDER BY without a direction is descending.
    pub default_descending: bool,
    /// ORDER BY without NULLS FIRST or LAST puts NULLs first.
    pub default_nulls_first: bool,
    /// Apply the optimizer's rules.
    pub optimizer: bool,
    /// Milliseconds to wait for another connection's open transaction.
    pub lock_timeout_ms: u64,
    /// The zone in which TIMESTAMP WITH TIME ZONE is read and shown.
    pub time_zone: Zone,
}

/// A setting as SET knows it.
struct Known {
    name: &'static str,
    aliases: &'static [&'static str],
    description: &'static str,
    get: fn(&Settings) -> String,
    set: fn(&mut Settings, &Scalar) -> Result<(), String>,
}

const KNOWN: &[Known] = &[
    Known {
        name: "default_null_order",
        aliases: &["null_order"],
        description: "NULL ordering used when none is specified (NULLS_FIRST or NULLS_LAST)",
        get: |s| if s.default_nulls_first { "NULLS_FIRST" } else { "NULLS_LAST" }.into(),
        set: |s, v| {
            s.default_nulls_first = match word(v)?.replace([' ', '_'], "").as_str() {
                "nullsfirst" | "first" => true,
                "nullslast" | "last" => false,
                _ => return Err("it must be NULLS_FIRST or NULLS_LAST".into()),
            };
            Ok(())
        },
    },
    Known {
        name: "default_order",
        aliases: &[],
        description: "The order type used when none is specified (ASC or DESC)",
        get: |s| if s.default_descending { "DESC" } else { "ASC" }.into(),
        set: |s, v| {
            s.default_descending = match word(v)?.as_str() {
                "asc" | "ascending" => false,
                "desc" | "descending" => true,
                _ => return Err("it must be ASC or DESC".into()),
            };
            Ok(())
        },
    },
    Known {
        name: "integer_division",
        aliases: &[],
        description: "Whether / between integers gives an integer, as // does",
        get: |s| s.integer_division.to_string(),
        set: |s, v| boolean(v).map(|b| s.integer_division = b),
    },
    Known {
        name: "lock_timeout",
        aliases: &[],
        description: "Milliseconds to wait for another connection's open transaction before giving up",
        get: |s| s.lock_timeout_ms.to_string(),
        set: |s, v| whole(v).map(|n| s.lock_timeout_ms = n),
    },
    Known {
        name: "memory_limit",
        aliases: &["max_memory"],
        description: "The working memory of one query, such as 1GB",
        get: |s| format_bytes(s.memory_limit_bytes),
        set: |s, v| bytes(v).map(|n| s.memory_limit_bytes = n),
    },
    Known {
        name: "optimizer",
        aliases: &[],
        description: "Whether the optimizer's rules are applied",
        get: |s| s.optimizer.to_string(),
        set: |s, v| boolean(v).map(|b| s.optimizer = b),
    },
    Known {
        name: "preserve_insertion_order",
        aliases: &[],
        description: "Whether rows keep their order where nothing else orders them; always true",
        get: |_| "true".into(),
        set: |_, v| if boolean(v)? { Ok(()) } else { Err("rows always keep their order".into()) },
    },
    Known {
        name: "threads",
        aliases: &["worker_threads"],
        description: "Worker threads of one query",
        get: |s| s.threads.to_string(),
        set: |s, v| match whole(v)? {
            n @ 1..=1_024 => {
                s.threads = n as usize;
                Ok(())
            }
            _ => Err("it must be 1 to 1024".into()),
        },
    },
    Known {
        name: "timezone",
        aliases: &["time zone"],
        description: "The zone in which TIMESTAMP WITH TIME ZONE is read and shown",
        get: |s| s.time_zone.name().to_owned(),
        set: |s, v| match v {
            Scalar::Text(name) => Zone::named(name).map(|zone| s.time_zone = zone),
            _ => Err("it must be a text".into()),
        },
    },
];

impl Settings {
    /// Names, values and descriptions of all settings.
    pub fn list(&self) -> impl Iterator<Item = (&'static str, String, &'static str)> {
        KNOWN.iter().map(|k| (k.name, (k.get)(self), k.description))
    }

    /// The value of a setting, as text.
    pub fn get(&self, name: &str) -> Option<String> {
        find(name).map(|k| (k.get)(self))
    }

    /// Changes a setting.
    pub fn set(&mut self, name: &str, value: &Scalar) -> Result<()> {
        let known = known(name)?;
        (known.set)(self, value)
            .map_err(|why| SqlError::invalid(format!("cannot set \"{}\" to that value: {why}", known.name)))
    }

    /// Gives a setting the value that it has in `defaults`.
    pub fn reset(&mut self, name: &str, defaults: &Settings) -> Result<()> {
        let known = known(name)?;
        let value = Scalar::text((known.get)(defaults));
        (known.set)(self, &value).map_err(SqlError::internal)
    }
}

/// The least change of a query's working memory is a kilobyte, so a limit survives being shown and read.
fn format_bytes(bytes: u64) -> String {
    for (unit, name) in [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{} {name}", bytes / unit);
        }
    }
    format!("{bytes} B")
}

fn find(name: &str) -> Option<&'static Known> {
    let name = name.to_lowercase();
    KNOWN.iter().find(|k| k.name == name || k.aliases.contains(&name.as_str()))
}

fn known(name: &str) -> Result<&'static Known> {
    find(name).ok_or_else(|| {
        let names = KNOWN.iter().flat_map(|k| std::iter::once(&k.name).chain(k.aliases));
        SqlError::catalog(format!("unrecognized configuration parameter \"{name}\""))
            .did_you_mean(name, names)
    })
}

/// A text in lower case.
fn word(value: &Scalar) -> Result<String, String> {
    match value {
        Scalar::Text(text) => Ok(text.trim().to_lowercase()),
        _ => Err("it must be a text".into()),
    }
}

fn boolean(value: &Scalar) -> Result<bool, String> {
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

fn whole(value: &Scalar) -> Result<u64, String> {
    let n = match value {
        Scalar::Int(n) => u64::try_from(*n).ok(),
        Scalar::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    n.ok_or_else(|| "it must be a whole number that is not negative".into())
}

/// A size such as `1GB`, `512 MiB` or a number of bytes. `KB` to `TB` are powers of 1000, `KiB` to `TiB`
/// of 1024.
fn bytes(value: &Scalar) -> Result<u64, String> {
    let wrong = || "it must be a size such as 512MB or 4GiB".to_owned();
    let text = match value {
        Scalar::Int(n) => return u64::try_from(*n).map_err(|_| wrong()),
        Scalar::Text(text) => text.trim().to_lowercase(),
        _ => return Err(wrong()),
    };
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let unit: f64 = match unit.trim() {
        "" | "b" | "byte" | "bytes" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(wrong()),
    };
    let bytes = number * unit;
    if bytes.is_finite() && (0.0..1.8e19).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn settings() -> Settings {
        Settings {
            threads: 2,
            memory_limit_bytes: 1 << 30,
            integer_division: false,
            default_descending: false,
            default_nulls_first: false,
            optimizer: true,
            lock_timeout_ms: 1_000,
            time_zone: Zone::utc(),
        }
    }

    #[test]
    fn set_and_reset() {
        let defaults = settings();
        let mut s = settings();
        s.set("THREADS", &Scalar::Int(4)).unwrap();
        s.set("max_memory", &Scalar::text("512MB")).unwrap();
        s.set("default_null_order", &Scalar::text("nulls_first")).unwrap();
        assert_eq!((s.threads, s.memory_limit_bytes, s.default_nulls_first), (4, 512_000_000, true));
        assert!(s.set("threads", &Scalar::Int(0)).is_err());
        assert!(s.set("memory_limit", &Scalar::text("much")).is_err());
        for known in KNOWN {
            s.reset(known.name, &defaults).unwrap();
        }
        assert_eq!(s, defaults);
        let e = s.set("thread", &Scalar::Int(1)).unwrap_err().to_string();
        assert!(e.contains("Did you mean \"threads\""), "{e}");
    }
}
