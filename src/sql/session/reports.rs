//! What is written about a statement when it is done: the slow-query log, profiles, metrics.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::exec::cast::text::json_string;
use crate::sql::ast::ExplainFormat;
use crate::sql::session::activity::Query;

/// What a session wants to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reports {
    /// The slow-query log; an empty path is none.
    pub slow_log: PathBuf,
    /// The least time of a statement that goes there.
    pub slow_threshold: Duration,
    /// Whether queries are profiled.
    pub profile: ProfileFormat,
    /// Where the profile of the last query goes; an empty path is nowhere.
    pub profile_output: PathBuf,
}

impl Default for Reports {
    fn default() -> Self {
        Self {
            slow_log: PathBuf::new(),
            slow_threshold: Duration::from_millis(100),
            profile: ProfileFormat::default(),
            profile_output: PathBuf::new(),
        }
    }
}

/// How profiles are written, if they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProfileFormat(pub Option<ExplainFormat>);

impl ProfileFormat {
    /// The format of that name, among them those of DuckDB's `enable_profiling`.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        Ok(Self(match name {
            "off" | "" | "false" | "none" => None,
            "on" | "true" | "text" | "query_tree" | "query_tree_optimizer" | "no_output" => {
                Some(ExplainFormat::Text)
            }
            "json" => Some(ExplainFormat::Json),
            "html" => Some(ExplainFormat::Html),
            "yaml" => Some(ExplainFormat::Yaml),
            "mermaid" => Some(ExplainFormat::Mermaid),
            "graphviz" => Some(ExplainFormat::Graphviz),
            other => {
                return Err(format!(
                    "Unrecognized parameter for option PROFILE \"{other}\". Expected off, text, json, html, yaml, mermaid or graphviz."
                ));
            }
        }))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self.0 {
            None => "off",
            Some(ExplainFormat::Text) => "text",
            Some(ExplainFormat::Json) => "json",
            Some(ExplainFormat::Html) => "html",
            Some(ExplainFormat::Yaml) => "yaml",
            Some(ExplainFormat::Mermaid) => "mermaid",
            Some(ExplainFormat::Graphviz) => "graphviz",
        }
    }
}

impl Reports {
    /// Writes what is to be written about a statement that is done. It is: what cannot be written here is nobody's
    /// failure any more.
    pub(super) fn write(&self, query: &Query) {
        if !self.slow_log.as_os_str().is_empty() && query.seconds >= self.slow_threshold.as_secs_f64() {
            let file = std::fs::OpenOptions::new().append(true).create(true).open(&self.slow_log);
            // A line in one write, so that those of several connections and processes do not mix.
            let _ = file.and_then(|mut file| file.write_all(line(query).as_bytes()));
        }
        if let (Some(profile), false) = (&query.profile, self.profile_output.as_os_str().is_empty()) {
            let _ = std::fs::write(&self.profile_output, profile.as_bytes());
        }
    }
}

/// A statement as a line of JSON, with the names of the columns of `flux_queries()`.
fn line(query: &Query) -> String {
    let started = chrono::DateTime::from_timestamp_micros(query.started_micros).unwrap_or_default();
    let mut out = format!(
        "{{\"started\": \"{}\", \"seconds\": {}, \"state\": \"{}\", \"connection\": {}, \"id\": {}",
        started.format("%Y-%m-%dT%H:%M:%S%.6fZ"),
        query.seconds,
        query.state,
        query.connection,
        query.id
    );
    for (name, number) in [
        ("rows", query.rows),
        ("rows_scanned", query.rows_scanned),
        ("row_groups_skipped", query.row_groups_skipped),
        ("blocks_skipped", query.blocks_skipped),
        ("bytes_decoded", query.bytes_decoded),
        ("bytes_spilled", query.bytes_spilled),
        ("memory_peak", query.memory_peak),
    ] {
        let _ = write!(out, ", \"{name}\": {number}");
    }
    for (name, text) in [("sql", Some(query.sql.as_str())), ("error", query.error.as_deref())] {
        if let Some(text) = text {
            let _ = write!(out, ", \"{name}\": ");
            json_string(text, &mut out);
        }
    }
    out.push_str("}\n");
    out
}
