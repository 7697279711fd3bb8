//! Settings of one connection, and their names in SET.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::functions::collation_key;
use crate::exec::zone::Zone;
use crate::sql::error::{Result, SqlError};
use crate::sql::session::external_access::{PLACES, refusal};
use crate::sql::session::inert_settings::{self, INERT};
pub use crate::sql::session::null_order::NullOrder;
use crate::sql::session::read_view::SearchPath;
use crate::sql::session::reports::{ProfileFormat, Reports};
use crate::sql::session::setting_value::{
    boolean, bytes, duration, format_bytes, format_duration, path, plain_text, synchronous, whole, word,
};
use crate::table::Synchronous;

/// Settings of one connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Worker threads of one query, at least 1.
    pub threads: usize,
    /// Working memory of one query.
    pub memory_limit_bytes: u64,
    /// Where a query puts what its memory does not hold.
    pub temp_directory: PathBuf,
    /// The most bytes that all queries may have there.
    pub max_temp_directory_bytes: u64,
    /// `/` between integers gives an integer.
    pub integer_division: bool,
    /// ORDER BY without a direction is descending.
    pub default_descending: bool,
    /// ORDER BY without NULLS FIRST or LAST puts NULLs first.
    pub default_null_order: NullOrder,
    /// A division of floating-point numbers by zero gives an infinity or NaN.
    pub ieee_floating_point_ops: bool,
    /// A division by zero that IEEE does not answer is an error, not NULL.
    pub error_on_division_by_zero: bool,
    /// A scalar subquery of more than one row is an error; else its first row is its value.
    pub scalar_subquery_error: bool,
    /// A literal that is no position may stand in ORDER BY, where it orders nothing.
    pub order_by_literal: bool,
    /// Columns that a PIVOT may make.
    pub pivot_limit: u64,
    /// What compares texts that no column or COLLATE has given a collation; empty for none.
    pub default_collation: String,
    /// Apply the optimizer's rules.
    pub optimizer: bool,
    /// Milliseconds to wait for another connection's open transaction.
    pub lock_timeout_ms: u64,
    /// How long a statement may take.
    pub max_execution_time: Option<Duration>,
    /// How safe a commit is when it returns.
    pub synchronous: Synchronous,
    /// The zone in which TIMESTAMP WITH TIME ZONE is read and shown.
    pub time_zone: Zone,
    /// Where names are looked up that are not qualified.
    pub search_path: SearchPath,
    /// Files other than those of databases that are open may be touched.
    pub external_access: bool,
    /// What is written about statements that are done.
    pub reports: Reports,
    /// What settings that change nothing were set to.
    pub inert: BTreeMap<String, String>,
}

/// A setting as SET knows it.
struct Known {
    name: &'static str,
    aliases: &'static [&'static str],
    description: &'static str,
    ty: LogicalType,
    get: fn(&Settings) -> String,
    set: fn(&mut Settings, &Scalar) -> Result<(), String>,
}

const KNOWN: &[Known] = &[
    Known {
        name: "default_collation",
        aliases: &[],
        description: "The collation by which texts compare that have no other",
        ty: LogicalType::Varchar,
        get: |s| s.default_collation.clone(),
        set: |s, v| {
            let name = word(v)?;
            if collation_key(&name).is_none() && !name.is_empty() {
                return Err(format!("Collation with name {name} does not exist!"));
            }
            s.default_collation = name;
            Ok(())
        },
    },
    Known {
        name: "default_null_order",
        aliases: &["null_order"],
        description: "NULL ordering used when none is specified (NULLS_FIRST, NULLS_LAST, or that of SQLite, MySQL or Postgres)",
        ty: LogicalType::Varchar,
        get: |s| s.default_null_order.name().into(),
        set: |s, v| {
            let name = word(v)?;
            s.default_null_order = NullOrder::named(&name).ok_or_else(|| {
                format!(
                    "Unrecognized parameter for option NULL_ORDER \"{name}\", expected either NULLS FIRST, NULLS LAST, \
                     SQLite, MySQL or Postgres"
                )
            })?;
            Ok(())
        },
    },
    Known {
        name: "default_order",
        aliases: &[],
        description: "The order type used when none is specified (ASC or DESC)",
        ty: LogicalType::Varchar,
        get: |s| if s.default_descending { "DESC" } else { "ASC" }.into(),
        set: |s, v| {
            s.default_descending = match word(v)?.as_str() {
                "asc" | "ascending" => false,
                "desc" | "descending" => true,
                other => {
                    return Err(format!(
                        "Unrecognized parameter for option DEFAULT_ORDER \"{other}\". Expected ASC or DESC."
                    ));
                }
            };
            Ok(())
        },
    },
    Known {
        name: "enable_external_access",
        aliases: &[],
        description: "Whether statements of this connection may touch files (COPY, ATTACH, readers of files); once it is false it stays so",
        ty: LogicalType::Boolean,
        get: |s| s.external_access.to_string(),
        set: |s, v| {
            let wanted = boolean(v)?;
            if wanted && !s.external_access {
                return Err("Cannot change enable_external_access setting once it is false".into());
            }
            s.external_access = wanted;
            Ok(())
        },
    },
    Known {
        name: "enable_optimizer",
        aliases: &["optimizer"],
        description: "Whether the optimizer's rules are applied",
        ty: LogicalType::Boolean,
        get: |s| s.optimizer.to_string(),
        set: |s, v| boolean(v).map(|b| s.optimizer = b),
    },
    Known {
        name: "error_on_division_by_zero",
        aliases: &[],
        description: "Whether a division by zero is an error rather than NULL",
        ty: LogicalType::Boolean,
        get: |s| s.error_on_division_by_zero.to_string(),
        set: |s, v| boolean(v).map(|b| s.error_on_division_by_zero = b),
    },
    Known {
        name: "ieee_floating_point_ops",
        aliases: &[],
        description: "Whether a division of floating-point numbers by zero gives an infinity or NaN",
        ty: LogicalType::Boolean,
        get: |s| s.ieee_floating_point_ops.to_string(),
        set: |s, v| boolean(v).map(|b| s.ieee_floating_point_ops = b),
    },
    Known {
        name: "integer_division",
        aliases: &[],
        description: "Whether / between integers gives an integer, as // does",
        ty: LogicalType::Boolean,
        get: |s| s.integer_division.to_string(),
        set: |s, v| boolean(v).map(|b| s.integer_division = b),
    },
    Known {
        name: "lock_timeout",
        aliases: &[],
        description: "Milliseconds to wait for another connection's open transaction before giving up; or a time such as 5s",
        ty: LogicalType::BigInt,
        get: |s| s.lock_timeout_ms.to_string(),
        set: |s, v| duration(v).map(|d| s.lock_timeout_ms = u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
    },
    Known {
        name: "max_execution_time",
        aliases: &["statement_timeout"],
        description: "Milliseconds that a statement may take until its last row is read; or a time such as 5s; 0 for any",
        ty: LogicalType::UBigInt,
        get: |s| s.max_execution_time.map_or(0, |d| d.as_millis()).to_string(),
        set: |s, v| duration(v).map(|d| s.max_execution_time = Some(d).filter(|d| !d.is_zero())),
    },
    Known {
        name: "max_temp_directory_size",
        aliases: &[],
        description: "The most bytes that the temporary files of all queries may have together, such as 100GB; -1 for no limit",
        ty: LogicalType::Varchar,
        get: |s| match s.max_temp_directory_bytes {
            u64::MAX => "-1".into(),
            limit => format_bytes(limit),
        },
        set: |s, v| {
            let none = match v {
                Scalar::Int(n) => *n == -1,
                Scalar::Text(text) => text.trim() == "-1",
                _ => false,
            };
            let limit = if none { u64::MAX } else { bytes(v)? };
            s.max_temp_directory_bytes = limit;
            Ok(())
        },
    },
    Known {
        name: "memory_limit",
        aliases: &["max_memory"],
        description: "The working memory of one query, such as 1GB",
        ty: LogicalType::Varchar,
        get: |s| format_bytes(s.memory_limit_bytes),
        set: |s, v| bytes(v).map(|n| s.memory_limit_bytes = n),
    },
    Known {
        name: "preserve_insertion_order",
        aliases: &[],
        description: "Whether rows keep their order where nothing else orders them; always true",
        ty: LogicalType::Boolean,
        get: |_| "true".into(),
        // Rows that keep their order are also right where they need not.
        set: |_, v| boolean(v).map(|_| ()),
    },
    Known {
        name: "profile",
        aliases: &["enable_profiling"],
        description: "Whether what each operator of a query did is kept, and how it is written: off, text, json or html; the last of it is in flux_queries()",
        ty: LogicalType::Varchar,
        get: |s| s.reports.profile.name().to_owned(),
        set: |s, v| {
            let name = match v {
                Scalar::Null => String::new(),
                Scalar::Boolean(on) => on.to_string(),
                other => word(other)?,
            };
            ProfileFormat::named(&name).map(|format| s.reports.profile = format)
        },
    },
    Known {
        name: "profile_output",
        aliases: &["profiling_output"],
        description: "The file that the profile of the last query is written to; empty for none",
        ty: LogicalType::Varchar,
        get: |s| s.reports.profile_output.display().to_string(),
        set: |s, v| path(v).map(|path| s.reports.profile_output = path),
    },
    Known {
        name: "order_by_non_integer_literal",
        aliases: &[],
        description: "Whether ORDER BY takes literals that are no positions, and so order nothing",
        ty: LogicalType::Boolean,
        get: |s| s.order_by_literal.to_string(),
        set: |s, v| boolean(v).map(|b| s.order_by_literal = b),
    },
    Known {
        name: "pivot_limit",
        aliases: &[],
        description: "The most columns that a PIVOT may make",
        ty: LogicalType::UBigInt,
        get: |s| s.pivot_limit.to_string(),
        set: |s, v| whole(v).map(|n| s.pivot_limit = n),
    },
    Known {
        name: "scalar_subquery_error_on_multiple_rows",
        aliases: &[],
        description: "Whether a scalar subquery of more than one row is an error rather than its first row",
        ty: LogicalType::Boolean,
        get: |s| s.scalar_subquery_error.to_string(),
        set: |s, v| boolean(v).map(|b| s.scalar_subquery_error = b),
    },
    Known {
        name: "schema",
        aliases: &[],
        description: "The schema in which objects are made that are not qualified",
        ty: LogicalType::Varchar,
        get: |s| s.search_path.schema().to_owned(),
        set: |_, _| Err("the schema is set against what exists".into()),
    },
    Known {
        name: "search_path",
        aliases: &[],
        description: "The schemas in which names are looked up that are not qualified",
        ty: LogicalType::Varchar,
        get: |s| search_path_text(&s.search_path),
        set: |_, _| Err("the search path is set against what exists".into()),
    },
    Known {
        name: "slow_query_log",
        aliases: &[],
        description: "The file to which a line of JSON is added for each statement that takes as long as slow_query_threshold; empty for none",
        ty: LogicalType::Varchar,
        get: |s| s.reports.slow_log.display().to_string(),
        set: |s, v| {
            let path = path(v)?;
            if !path.as_os_str().is_empty() {
                // Who asks for a log that cannot be written learns it now.
                let opened = std::fs::OpenOptions::new().append(true).create(true).open(&path);
                opened.map_err(|e| format!("cannot write the log \"{}\": {e}", path.display()))?;
            }
            s.reports.slow_log = path;
            Ok(())
        },
    },
    Known {
        name: "slow_query_threshold",
        aliases: &[],
        description: "How long a statement takes that goes to the slow_query_log, such as 100ms or 2s; a number is of milliseconds",
        ty: LogicalType::Varchar,
        get: |s| format_duration(s.reports.slow_threshold),
        set: |s, v| duration(v).map(|d| s.reports.slow_threshold = d),
    },
    Known {
        name: "synchronous",
        aliases: &[],
        description: "How safe a commit is when it returns: FULL, durable; NORMAL, safe unless the power fails; OFF, soon written",
        ty: LogicalType::Varchar,
        get: |s| format!("{:?}", s.synchronous).to_uppercase(),
        set: |s, v| {
            s.synchronous = match v {
                Scalar::Boolean(on) => synchronous(if *on { "full" } else { "off" })?,
                Scalar::Int(level) => synchronous(&level.to_string())?,
                other => synchronous(&word(other)?)?,
            };
            Ok(())
        },
    },
    Known {
        name: "temp_directory",
        aliases: &[],
        description: "The directory for what a query's memory does not hold",
        ty: LogicalType::Varchar,
        get: |s| s.temp_directory.display().to_string(),
        set: |s, v| match v {
            Scalar::Text(path) if !path.is_empty() => {
                s.temp_directory = PathBuf::from(&**path);
                Ok(())
            }
            _ => Err("it must be the path of a directory".into()),
        },
    },
    Known {
        name: "threads",
        aliases: &["worker_threads"],
        description: "Worker threads of one query",
        ty: LogicalType::BigInt,
        get: |s| s.threads.to_string(),
        set: |s, v| match whole(v)? {
            n @ 1..=1_024 => {
                s.threads = n as usize;
                Ok(())
            }
            0 => Err("Must have at least 1 thread!".into()),
            _ => Err("threads must be 1 to 1024".into()),
        },
    },
    Known {
        name: "TimeZone",
        aliases: &["time zone"],
        description: "The zone in which TIMESTAMP WITH TIME ZONE is read and shown",
        ty: LogicalType::Varchar,
        get: |s| s.time_zone.name().to_owned(),
        set: |s, v| match v {
            Scalar::Text(name) => Zone::named(name).map(|zone| s.time_zone = zone),
            _ => Err("it must be a text".into()),
        },
    },
];

/// A setting and its value.
#[derive(Debug)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value, as text.
    pub value: String,
    /// What it is for.
    pub description: &'static str,
    /// The type of its values.
    pub ty: LogicalType,
}

impl Setting {
    /// Its value, as one of its type.
    pub fn scalar(&self) -> Scalar {
        match &self.ty {
            LogicalType::Boolean => Scalar::Boolean(self.value == "true"),
            LogicalType::Varchar => Scalar::text(&self.value),
            LogicalType::Double => self.value.parse().map_or(Scalar::Null, Scalar::Float),
            _ => self.value.parse().map_or(Scalar::Null, Scalar::Int),
        }
    }
}

/// The part of `memory_limit` that decoded dictionaries of each database may take between queries.
pub(crate) fn dictionary_cache_bytes(memory_limit_bytes: u64) -> usize {
    usize::try_from(memory_limit_bytes / 4).unwrap_or(usize::MAX)
}

/// Bytes of the log of a database that is opened under a `memory_limit`: what is in it is in memory too.
pub(crate) fn log_bytes_max(memory_limit_bytes: u64) -> u64 {
    (memory_limit_bytes / 16).clamp(16 << 20, 64 << 20)
}

impl Settings {
    /// All settings, by name.
    pub fn list(&self) -> Vec<Setting> {
        let known = KNOWN.iter().flat_map(|known| {
            let names = std::iter::once(&known.name).chain(known.aliases);
            names.filter(|name| !name.contains(' ')).map(|name| self.known(known, name))
        });
        let mut all: Vec<Setting> = known.chain(INERT.iter().map(|i| self.inert(i))).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn known(&self, known: &Known, name: &str) -> Setting {
        Setting {
            name: name.to_owned(),
            value: (known.get)(self),
            description: known.description,
            ty: known.ty.clone(),
        }
    }

    fn inert(&self, inert: &inert_settings::Inert) -> Setting {
        let set = self.inert.get(inert.name).map(String::as_str);
        let ty = match inert.ty {
            "BOOLEAN" => LogicalType::Boolean,
            "BIGINT" => LogicalType::BigInt,
            "UBIGINT" => LogicalType::UBigInt,
            "DOUBLE" => LogicalType::Double,
            _ => LogicalType::Varchar,
        };
        Setting {
            name: inert.name.to_owned(),
            value: set.unwrap_or(inert.default).to_owned(),
            description: "A setting of DuckDB that changes nothing here",
            ty,
        }
    }

    /// The setting of that name.
    pub fn get(&self, name: &str) -> Option<Setting> {
        if let Some(known) = find(name) {
            return Some(self.known(known, known.name));
        }
        let name = name.to_lowercase();
        if let Some(inert) = inert_settings::find(&name) {
            return Some(self.inert(inert));
        }
        let value = self.inert.get(&name)?.clone();
        Some(Setting { name, value, description: "", ty: LogicalType::Varchar })
    }

    /// Changes a setting.
    pub fn set(&mut self, name: &str, value: &Scalar) -> Result<()> {
        self.refuse_if_locked(name)?;
        if let Some(known) = find(name) {
            self.refuse_if_place(known)?;
            return (known.set)(self, value).map_err(|e| wrong_value(known.name, &e));
        }
        let name = name.to_lowercase();
        match inert_settings::find(&name) {
            Some(inert) => {
                let text = match inert.ty {
                    "BOOLEAN" => boolean(value).map_err(|e| wrong_value(&name, &e))?.to_string(),
                    _ => plain_text(value),
                };
                if inert.fixed && !text.eq_ignore_ascii_case(inert.default) {
                    return Err(SqlError::unsupported(format!(
                        "the setting \"{name}\" can only be {}",
                        if inert.default.is_empty() { "empty" } else { inert.default }
                    )));
                }
                self.inert.insert(name, text);
            }
            None if inert_settings::is_for_others(&name) => {
                self.inert.insert(name, plain_text(value));
            }
            None => return Err(unknown(&name)),
        }
        Ok(())
    }

    /// Places of files cannot be chosen by who may not touch any.
    fn refuse_if_place(&self, known: &Known) -> Result<()> {
        if self.external_access || !PLACES.contains(&known.name) {
            return Ok(());
        }
        Err(SqlError::invalid(refusal(&format!("the place that \"{}\" would name", known.name))))
    }

    fn refuse_if_locked(&self, name: &str) -> Result<()> {
        if self.inert.get(inert_settings::LOCK).is_some_and(|locked| locked == "true") {
            return Err(SqlError::invalid(format!(
                "Cannot change configuration option \"{name}\" - the configuration has been locked"
            )));
        }
        Ok(())
    }

    /// Gives a setting the value that it has in `defaults`.
    pub fn reset(&mut self, name: &str, defaults: &Settings) -> Result<()> {
        if matches!(name.to_lowercase().as_str(), "schema" | "search_path") {
            self.search_path.clone_from(&defaults.search_path);
            return Ok(());
        }
        self.refuse_if_locked(name)?;
        if let Some(known) = find(name) {
            self.refuse_if_place(known)?;
            let value = Scalar::text((known.get)(defaults));
            return (known.set)(self, &value).map_err(|e| wrong_value(known.name, &e));
        }
        let name = name.to_lowercase();
        if inert_settings::find(&name).is_none() && !inert_settings::is_for_others(&name) {
            return Err(unknown(&name));
        }
        self.inert.remove(&name);
        Ok(())
    }
}

fn find(name: &str) -> Option<&'static Known> {
    let name = name.to_lowercase();
    KNOWN.iter().find(|k| k.name.eq_ignore_ascii_case(&name) || k.aliases.contains(&name.as_str()))
}

/// A search path as it is set: `schema` or `database.schema`, with commas between.
fn search_path_text(path: &SearchPath) -> String {
    let entries = path.entries().iter().map(|(database, schema)| format!("{database}.{schema}"));
    entries.collect::<Vec<_>>().join(",")
}

/// The error for a name that no setting has.
pub fn unknown(name: &str) -> SqlError {
    let known = KNOWN.iter().flat_map(|k| std::iter::once(&k.name).chain(k.aliases));
    let names = known.copied().chain(INERT.iter().map(|i| i.name));
    SqlError::catalog(format!("unrecognized configuration parameter \"{name}\"")).did_you_mean(name, names)
}

/// The error for a value that a setting cannot have.
fn wrong_value(name: &str, message: &str) -> SqlError {
    SqlError::invalid(
        message.strip_prefix("it ").map_or_else(|| message.to_owned(), |what| format!("{name} {what}")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn settings() -> Settings {
        Settings {
            threads: 2,
            memory_limit_bytes: 1 << 30,
            temp_directory: std::env::temp_dir(),
            max_temp_directory_bytes: u64::MAX,
            integer_division: false,
            default_descending: false,
            default_null_order: NullOrder::default(),
            default_collation: String::new(),
            ieee_floating_point_ops: true,
            error_on_division_by_zero: true,
            scalar_subquery_error: true,
            order_by_literal: false,
            pivot_limit: 100_000,
            optimizer: true,
            lock_timeout_ms: 1_000,
            max_execution_time: None,
            external_access: true,
            synchronous: Synchronous::Full,
            time_zone: Zone::utc(),
            search_path: SearchPath::of_database("memory"),
            reports: Reports::default(),
            inert: BTreeMap::new(),
        }
    }

    #[test]
    fn set_and_reset() {
        let defaults = settings();
        let mut s = settings();
        s.set("THREADS", &Scalar::Int(4)).unwrap();
        s.set("max_memory", &Scalar::text("512MB")).unwrap();
        s.set("default_null_order", &Scalar::text("nulls_first")).unwrap();
        assert_eq!(
            (s.threads, s.memory_limit_bytes, s.default_null_order),
            (4, 512_000_000, NullOrder::First)
        );
        assert!(s.set("threads", &Scalar::Int(0)).is_err());
        assert!(s.set("memory_limit", &Scalar::text("much")).is_err());
        for (given, shown) in
            [("1.5s", "1500ms"), ("250", "250ms"), ("2 m", "120s"), ("7us", "7us"), ("0", "0ms")]
        {
            s.set("slow_query_threshold", &Scalar::text(given)).unwrap();
            assert_eq!(s.get("slow_query_threshold").unwrap().value, shown);
        }
        for wrong in ["", "fast", "1 fortnight", "-5ms", "1e999s"] {
            assert!(s.set("slow_query_threshold", &Scalar::text(wrong)).is_err(), "{wrong}");
        }
        s.set("enable_profiling", &Scalar::text("JSON")).unwrap();
        assert_eq!(s.get("profile").unwrap().value, "json");
        assert!(s.set("profile", &Scalar::text("xml")).is_err());
        assert!(s.set("slow_query_log", &Scalar::text("/no/such/directory/slow.log")).is_err());
        for known in KNOWN {
            s.reset(known.name, &defaults).unwrap();
        }
        assert_eq!(s, defaults);
        s.set("enable_progress_bar", &Scalar::Int(1)).unwrap();
        assert_eq!(s.get("ENABLE_PROGRESS_BAR").unwrap().scalar(), Scalar::Boolean(true));
        assert!(s.set("preserve_identifier_case", &Scalar::Boolean(false)).is_err());
        s.set("debug_something", &Scalar::text("x")).unwrap();
        let e = s.set("thread", &Scalar::Int(1)).unwrap_err().to_string();
        assert!(e.contains("Did you mean \"threads\""), "{e}");
    }
}
