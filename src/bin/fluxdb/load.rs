//! Files of a format into a table: what `.import` and `fluxdb import` have in common.

use std::path::Path;

use fluxdb::Connection;

use crate::repl::quote_name;

/// The reader of a file whose name says what it is.
pub fn reader_of(path: &str) -> Option<&'static str> {
    let known = ["csv", "tsv", "json", "ndjson", "jsonl", "parquet", "parq", "pq", "arrow", "feather", "ipc"];
    known.contains(&kind_of(path)?.as_str()).then(|| reader(path, None).ok()).flatten()
}

/// What the name of a file says that it is, compressed or not.
fn kind_of(path: &str) -> Option<String> {
    let extension = |p: &Path| p.extension().map(|e| e.to_string_lossy().to_lowercase());
    let path = Path::new(path);
    match extension(path).as_deref() {
        Some("gz" | "zst" | "gzip" | "zstd") => path.file_stem().and_then(|s| extension(Path::new(s))),
        other => other.map(str::to_owned),
    }
}

/// The reader of a file: by an option, else by its name.
pub fn reader(path: &str, format: Option<&str>) -> Result<&'static str, String> {
    let by_name = kind_of(path);
    match format.or(by_name.as_deref()) {
        Some("json" | "ndjson" | "jsonl") => Ok("read_json"),
        Some("parquet" | "parq" | "pq") => Ok("read_parquet"),
        Some("arrow" | "feather" | "ipc") => Ok("read_arrow"),
        _ if format.is_some_and(|f| !matches!(f, "csv" | "tsv")) => Err(format!(
            "unknown format {}; there are csv, tsv, json, parquet and arrow",
            format.unwrap_or("")
        )),
        _ => Ok("read_csv"),
    }
}

/// The table that a file is about: `readings.csv.gz` is about readings. A pattern of many files names none.
pub fn table_of(path: &str) -> Option<String> {
    let stem = Path::new(path).file_name()?.to_string_lossy().split('.').next()?.to_owned();
    let is_one_file = || Path::new(path).exists();
    (!stem.is_empty() && (!stem.contains(['*', '?', '[']) || is_one_file())).then_some(stem)
}

/// The statement that puts the rows of a file into a table, which is made if it is not there. `source` is the call that
/// reads the file.
///
/// Columns go by name if the file knows the name of any, and by position if it knows none: a file without a header, or
/// with one of its own. Where it knows some, the statement fails and names the others, rather than guess; and for the same
/// reason a pipe, at whose names nobody can look before, goes by name.
pub fn statement(connection: &Connection, table: &str, path: &str, source: &str) -> fluxdb::Result<String> {
    let name = quote_name(table);
    let relations = connection.relations();
    let Some((_, columns)) = relations.iter().find(|(relation, _)| relation.eq_ignore_ascii_case(table))
    else {
        return Ok(format!("CREATE TABLE {name} AS FROM {source}"));
    };
    let is_column = |name: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
    let by_name = is_pipe(path) || {
        let rows = connection.query(&format!("FROM {source} LIMIT 0"))?;
        rows.columns().iter().any(|field| is_column(&field.name))
    };
    Ok(format!("INSERT INTO {name} {}FROM {source}", if by_name { "BY NAME " } else { "" }))
}

/// Whether it can be read only once, so that nobody can look at its names before.
fn is_pipe(path: &str) -> bool {
    path == "-" || std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_by_name_and_option() {
        assert_eq!(reader("x/a.csv", None), Ok("read_csv"));
        assert_eq!(reader("a.JSON.gz", None), Ok("read_json"));
        assert_eq!(reader("a.parquet", Some("csv")), Ok("read_csv"));
        assert_eq!(reader("a", None), Ok("read_csv"));
        assert_eq!(reader_of("a"), None);
        assert_eq!(reader_of("points.lp.gz"), None);
        assert_eq!(reader_of("a/*.parquet"), Some("read_parquet"));
        assert!(reader("a", Some("xml")).is_err());
    }

    #[test]
    fn tables_are_called_like_their_files() {
        assert_eq!(table_of("x/readings.csv.gz").as_deref(), Some("readings"));
        assert_eq!(table_of("x*/readings.csv").as_deref(), Some("readings"));
        for many in ["*.csv", "logs/**/*.json", "day-[0-9].csv", "day?.csv", ".csv", ".."] {
            assert_eq!(table_of(many), None, "{many}");
        }
    }
}
