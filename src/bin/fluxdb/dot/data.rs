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
        let display = Display { format: Format::Insert, table: name.clone(), ..Display::default() };
        let outcome = session.with_display(display, |s| s.run_statement(&format!("FROM {name}")));
        if outcome != Outcome::Ok {
            return Ok(after(outcome));
        }
    }
    session.print(&lines(&late))?;
    session.print("COMMIT;\n")?;
    Ok(Next::Go)
}

/// Schema and name of every table.
fn base_tables(session: &Session) -> fluxdb::Result<Vec<(String, String)>> {
    let rows = session.connection.query(
        "SELECT table_schema, table_name FROM information_schema.tables \
         WHERE table_type = 'BASE TABLE' AND table_catalog = current_database() ORDER BY table_schema, table_name",
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
