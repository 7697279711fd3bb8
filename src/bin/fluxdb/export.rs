//! `fluxdb export`: tables and results to files.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use fluxdb::{Database, Options};

use crate::dot::text_literal;
use crate::interrupt::Interrupt;
use crate::say::{Done, Ended};

/// Writes a table, a query's rows, or the whole database.
pub fn run(words: &[String], _: &mut dyn Write) -> Done {
    let mut positional = vec![];
    let mut options: Vec<(&str, &str)> = vec![];
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix("--") {
            None => positional.push(word.as_str()),
            Some(option) => {
                let pair = option.split_once('=');
                let Some((name, value)) = pair.or_else(|| Some((option, words.next()?))) else {
                    return Err(Ended::usage(format!("--{option} needs a value")));
                };
                if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                    return Err(Ended::usage(format!("--{name} is no name of an option")));
                }
                options.push((name, value));
            }
        }
    }
    let sql = match positional[..] {
        [_, directory] => statement(&format!("EXPORT DATABASE {}", text_literal(directory)), &options),
        [_, what, file] => {
            let file = if file == "-" { "/dev/stdout" } else { file };
            statement(&format!("COPY {} TO {}", source(what), text_literal(file)), &options)
        }
        _ => return Err(Ended::Usage(None)),
    };
    let db = Database::open_with(Path::new(positional[0]), Options::default().read_only(true))?;
    let connection = db.connect();
    // Cancelled, it takes away the files that it has begun.
    Interrupt::install().statement_begins(connection.cancel_handle());
    connection.execute(&sql)?;
    Ok(ExitCode::SUCCESS)
}

/// What is more than a word is a query.
fn source(what: &str) -> String {
    let what = what.trim().trim_end_matches(';');
    let first = what.split(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    let query = ["select", "from", "with", "values", "table", "show", "describe", "summarize", ""];
    if first.len() < what.len() && query.iter().any(|q| first.eq_ignore_ascii_case(q)) {
        format!("({what})")
    } else {
        what.to_owned()
    }
}

fn statement(head: &str, options: &[(&str, &str)]) -> String {
    if options.is_empty() {
        return head.to_owned();
    }
    let each = options.iter().map(|(name, value)| match name.to_ascii_lowercase().as_str() {
        // Names of columns.
        "partition_by" => format!("{name} ({value})"),
        _ => format!("{name} {}", text_literal(value)),
    });
    format!("{head} ({})", each.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_queries_are_told_apart() {
        assert_eq!(source("t"), "t");
        assert_eq!(source("main.\"my table\""), "main.\"my table\"");
        assert_eq!(source("SELECT 1;"), "(SELECT 1)");
        assert_eq!(source("from t"), "(from t)");
        assert_eq!(source("(SELECT 1)"), "((SELECT 1))");
    }

    #[test]
    fn options_are_those_of_copy() {
        assert_eq!(
            statement("X", &[("format", "csv"), ("partition_by", "a, b")]),
            "X (format 'csv', partition_by (a, b))"
        );
    }
}
