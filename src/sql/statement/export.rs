//! EXPORT DATABASE and IMPORT DATABASE: a directory with `schema.sql`, which makes all objects, `load.sql`, which fills
//! the tables, and a file for the rows of each table.

use std::collections::HashSet;
use std::path::Path;

use sqlparser::ast::{Expr as Syntax, Value};

use crate::catalog::{Object, TableDefinition};
use crate::sql::ast::{Export, NamedOption, Statement};
use crate::sql::bind::name::name_in_sql;
use crate::sql::error::{SqlError, SqlErrorKind};
use crate::sql::parser;
use crate::sql::session::{Failure, Outcome, Parameters, Session};
use crate::sql::split::split_statements;
use crate::sql::statement::ddl_text::{index_sql, objects_in_order, ownership_statements, schema_statements};
use crate::sql::statement::{attach, copy, whole};

const SCHEMA_FILE: &str = "schema.sql";
const LOAD_FILE: &str = "load.sql";

/// Options of CSV files that only their writer takes.
const WRITER_OPTIONS: &[&str] = &["force_quote", "prefix", "suffix"];

/// EXPORT DATABASE.
pub fn export(session: &mut Session, export: &Export) -> Result<Outcome, Failure> {
    let directory = attach::text(session, &export.path, "the path of EXPORT DATABASE")?;
    session.check_external_access(&directory).map_err(|e| e.at(&export.path))?;
    let database = match &export.database {
        Some(name) => name.clone(),
        None => session.default_database().name().into(),
    };
    whole(session, true, |session| {
        let view = session.read_view();
        let found = view.database(&database.value).ok_or_else(|| {
            let message = format!("Catalog \"{}\" does not exist!", database.value);
            SqlError::binder(message).at_span(database.span)
        })?;
        let files = Files::new(&export.options);
        let io =
            |e: std::io::Error, path: &Path| io_error(&format!("Cannot write \"{}\": {e}", path.display()));
        let directory = Path::new(&directory);
        std::fs::create_dir_all(directory).map_err(|e| io(e, directory))?;
        let mut schema = schema_statements(found.catalog());
        let (mut load, mut indexes) = (vec![], vec![]);
        let mut taken = HashSet::new();
        for object in objects_in_order(found.catalog()) {
            schema.push(object.sql);
            let Object::Table(table) = object.object else { continue };
            indexes.extend(table.indexes.iter().map(|index| index_sql(object.schema, table, index)));
            let Some(columns) = stored_columns(table) else { continue };
            let schema_name = &object.schema.definition().name;
            let file = file_name(schema_name, &table.name, &mut taken);
            let path = directory.join(format!("{file}.{}", files.extension()));
            let path = text_literal(&path.to_string_lossy());
            let name = format!("{}.{}", name_in_sql(schema_name), name_in_sql(&table.name));
            let rows = format!("SELECT {columns} FROM {}.{name}", name_in_sql(found.name()));
            run(session, &format!("COPY ({rows}) TO {path} ({})", files.write))?;
            load.push(format!("COPY {name}({columns}) FROM {path} ({});", files.read));
        }
        schema.append(&mut indexes);
        schema.extend(ownership_statements(found.catalog()));
        for (file, statements) in [(SCHEMA_FILE, schema), (LOAD_FILE, load)] {
            let path = directory.join(file);
            let text: String = statements.iter().map(|s| format!("{s}\n")).collect();
            std::fs::write(&path, text).map_err(|e| io(e, &path))?;
        }
        Ok(Outcome::Done)
    })
}

/// The columns that have values of their own, as they are named in SQL; `None` if there is none.
pub fn stored_columns(table: &TableDefinition) -> Option<String> {
    let stored = table.columns.iter().filter(|c| c.generated.is_none()).map(|c| name_in_sql(&c.name));
    Some(stored.collect::<Vec<_>>().join(", ")).filter(|names| !names.is_empty())
}

/// How the files of rows are written and read.
struct Files {
    format: String,
    write: String,
    read: String,
}

impl Files {
    fn new(options: &[NamedOption]) -> Self {
        let word = |value: &Syntax| match value {
            Syntax::Identifier(word) => word.value.to_lowercase(),
            Syntax::Value(value) => value.value.clone().into_string().unwrap_or_default().to_lowercase(),
            other => other.to_string(),
        };
        let is_format = |name: &str| name.eq_ignore_ascii_case("format");
        let format = options.iter().find(|(name, _)| is_format(&name.value));
        let format = format.and_then(|(_, value)| value.as_ref().map(word)).unwrap_or_else(|| "csv".into());
        let is_csv = format == "csv";
        let mut write = vec![format!("FORMAT {}", text_literal(&format))];
        let mut read = write.clone();
        let given = options.iter().filter(|(name, _)| !is_format(&name.value));
        for (name, value) in given.clone() {
            let value = value.as_ref().map_or_else(String::new, |value| format!(" {value}"));
            let option = format!("{}{value}", name_in_sql(&name.value));
            if is_csv && !WRITER_OPTIONS.iter().any(|o| o.eq_ignore_ascii_case(&name.value)) {
                read.push(option.clone());
            }
            write.push(option);
        }
        if is_csv {
            let has = |names: &[&str]| {
                given.clone().any(|(name, _)| names.iter().any(|n| n.eq_ignore_ascii_case(&name.value)))
            };
            // Nothing is left to guessing.
            let mut both = |names: &[&str], option: &str| {
                if !has(names) {
                    write.push(option.to_owned());
                    read.push(option.to_owned());
                }
            };
            both(&["delimiter", "delim", "sep"], "delimiter ','");
            both(&["quote"], "quote '\"'");
            both(&["header"], "header true");
            read.push("allow_quoted_nulls false".to_owned());
        }
        Self { format, write: write.join(", "), read: read.join(", ") }
    }

    fn extension(&self) -> &str {
        &self.format
    }
}

/// A name for the file of a table that no other has, whatever its case.
fn file_name(schema: &str, table: &str, taken: &mut HashSet<String>) -> String {
    let mut name = if schema.eq_ignore_ascii_case(crate::catalog::MAIN_SCHEMA) {
        table.to_owned()
    } else {
        format!("{schema}_{table}")
    };
    name = name.replace(|c: char| !c.is_alphanumeric() && c != '_', "_");
    let mut unique = name.clone();
    for i in 1.. {
        if taken.insert(unique.to_lowercase()) {
            break;
        }
        unique = format!("{name}_{i}");
    }
    unique
}

/// IMPORT DATABASE. The files of rows are looked for in the directory, wherever they were when it was written.
pub fn import(session: &mut Session, path: &Syntax) -> Result<Outcome, Failure> {
    let directory = attach::text(session, path, "the path of IMPORT DATABASE")?;
    session.check_external_access(&directory).map_err(|e| e.at(path))?;
    let directory = Path::new(&directory);
    whole(session, false, |session| {
        for file in [SCHEMA_FILE, LOAD_FILE] {
            let path = directory.join(file);
            let text = std::fs::read_to_string(&path)
                .map_err(|e| io_error(&format!("Cannot open file \"{}\": {e}", path.display())))?;
            for statement in split_statements(&text) {
                run_imported(session, statement, directory).map_err(|e| e.inside(file))?;
            }
        }
        Ok(Outcome::Done)
    })
}

fn run_imported(session: &mut Session, sql: &str, directory: &Path) -> Result<(), Failure> {
    let Statement::Copy(mut copied) = parser::parse_statement(parser::tokens(sql)?)? else {
        return run(session, sql);
    };
    if let (false, Syntax::Value(value)) = (copied.to, &mut copied.path)
        && let Value::SingleQuotedString(path) = &mut value.value
        && let Some(name) = Path::new(path.as_str()).file_name()
    {
        *path = directory.join(name).to_string_lossy().into_owned();
    }
    copy::run(session, &copied)?;
    Ok(())
}

/// Runs a statement to its end.
pub fn run(session: &mut Session, sql: &str) -> Result<(), Failure> {
    session.run_text(sql, Parameters::default()).map(|_| ())
}

fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn io_error(message: &str) -> Failure {
    SqlError::new(SqlErrorKind::Io, message).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        let mut taken = HashSet::new();
        assert_eq!(file_name("main", "t", &mut taken), "t");
        assert_eq!(file_name("main", "T", &mut taken), "T_1");
        assert_eq!(file_name("s", "a b/c", &mut taken), "s_a_b_c");
        assert_eq!(file_name("main", "s_a_b_c", &mut taken), "s_a_b_c_1");
    }
}
