//! Commands that bring data in and out.

use fluxdb::arrow_array::cast::AsArray;

use super::{Next, Words, after};
use crate::format::{Display, Format};
use crate::load;
use crate::repl::quote_name;
use crate::session::{Outcome, Session};

pub(super) fn import(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    let mut names = vec![];
    let mut format = None;
    let mut options = String::new();
    let mut all = words.all.iter();
    while let Some(word) = all.next() {
        match word.strip_prefix("--") {
            None => names.push(word.as_str()),
            Some(known @ ("csv" | "tsv" | "json" | "parquet" | "arrow")) => format = Some(known),
            Some(name) => {
                let value = all.next().ok_or_else(|| format!("--{name} needs a value"))?;
                if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                    return Err(format!("{name} is no name of an option"));
                }
                options += &format!(", {name} = {}", text_literal(value));
            }
        }
    }
    let [file, table] = names[..] else { return Err(String::new()) };
    if format == Some("tsv") {
        options += ", delim = '\t'";
    }
    let source = format!("{}({}{options})", load::reader(file, format)?, text_literal(file));
    let sql = load::statement(&session.connection, table, file, &source).map_err(|e| e.to_string())?;
    Ok(after(session.run_statement(&sql)))
}

/// A text as SQL spells it.
pub fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(super) fn dump(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    let only = words.at_most_one()?;
    let statements = session.connection.create_statements(only).map_err(|e| e.to_string())?;
    // Columns that give their values always take those of the dump only before they are said to.
    let (late, statements): (Vec<_>, Vec<_>) = statements.into_iter().partition(|s| s.starts_with("ALTER "));
    let lines = |statements: &[String]| statements.iter().map(|s| format!("{s}\n")).collect::<String>();
    session.print("BEGIN TRANSACTION;\n")?;
    session.print(&lines(&statements))?;
    // Views have no rows of their own.
    for (schema, table) in base_tables(session).map_err(|e| e.to_string())? {
        let qualified = format!("{schema}.{table}");
        if only.is_some_and(|o| !o.eq_ignore_ascii_case(&table) && !o.eq_ignore_ascii_case(&qualified)) {
            continue;
        }
        let name = if schema == "main" {
            quote_name(&table)
        } else {
            format!("{}.{}", quote_name(&schema), quote_name(&table))
        };
        // Columns that are computed are not written.
        let columns = stored_columns(session, &schema, &table).map_err(|e| e.to_string())?;
        let (into, select) = match columns {
            Some(columns) => (format!("{name}({columns})"), format!("SELECT {columns} FROM {name}")),
            None => (name.clone(), format!("FROM {name}")),
        };
        let display = Display { format: Format::Insert, table: into, ..Display::default() };
        let outcome = session.with_display(display, |s| s.run_statement(&select));
        if outcome != Outcome::Ok {
            return Ok(after(outcome));
        }
    }
    session.print(&lines(&late))?;
    session.print("COMMIT;\n")?;
    Ok(Next::Go)
}

/// The columns of a table that are stored, as a list, if there are others.
fn stored_columns(session: &Session, schema: &str, table: &str) -> fluxdb::Result<Option<String>> {
    let sql = "SELECT column_name, is_generated = 'ALWAYS' FROM information_schema.columns \
               WHERE table_catalog = current_database() AND table_schema = ? AND table_name = ? ORDER BY ordinal_position";
    let columns = session.connection.query_as::<(String, bool)>(sql, (schema, table))?;
    let is_generated = columns.iter().any(|(_, generated)| *generated);
    let stored = columns.iter().filter(|(_, generated)| !generated).map(|(name, _)| quote_name(name));
    Ok(is_generated.then(|| stored.collect::<Vec<_>>().join(", ")))
}

/// Schema and name of every table, those first that were made first: others may refer to their rows.
fn base_tables(session: &Session) -> fluxdb::Result<Vec<(String, String)>> {
    let rows = session.connection.query(
        "SELECT t.table_schema, t.table_name FROM information_schema.tables t JOIN duckdb_tables() d \
         ON (d.database_name, d.schema_name, d.table_name) = (t.table_catalog, t.table_schema, t.table_name) \
         WHERE t.table_type = 'BASE TABLE' AND t.table_catalog = current_database() ORDER BY d.table_oid",
    )?;
    let mut names = vec![];
    for batch in rows {
        let batch = batch?;
        let text = |column: usize, row: usize| {
            batch.column(column).as_string_view_opt().map_or("", |a| a.value(row)).to_owned()
        };
        names.extend((0..batch.num_rows()).map(|row| (text(0, row), text(1, row))));
    }
    Ok(names)
}
