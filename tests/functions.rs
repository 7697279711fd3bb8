//! docs/FUNCTIONS.md says what `fluxdb_functions()` says. `FLUXDB_UPDATE=1 cargo test --test functions` writes it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use fluxdb::{Database, write_value};

/// All rows of a query, as text.
fn rows(sql: &str) -> Vec<Vec<String>> {
    let connection = Database::open_in_memory().unwrap().connect();
    let mut result = connection.query(sql).unwrap();
    let columns = result.columns().to_vec();
    let mut out = vec![];
    while let Some(batch) = result.next_batch() {
        let batch = batch.unwrap();
        for row in 0..batch.rows {
            let cell = |(array, column): (&_, &fluxdb::Field)| {
                let mut text = String::new();
                write_value(array, row, &column.ty, &mut text).unwrap();
                text
            };
            out.push(batch.columns.iter().zip(&columns).map(cell).collect());
        }
    }
    out
}

fn page() -> String {
    let mut page = String::from(
        "# Functions\n\nWhat `FROM fluxdb_functions()` lists, from the same tables that bind the calls. Written by\n\
         `FLUXDB_UPDATE=1 cargo test --test functions`; do not edit.\n\n\
         `T` is any type, the same wherever it stands; `...` is any number of further arguments.\n",
    );
    let listed = rows(
        "SELECT function_type, subject, coalesce(alias_of, function_name) AS name, function_name,
                function_name || '(' || array_to_string(parameter_types, ', ')
                  || CASE WHEN varargs IS NULL THEN ''
                          WHEN len(parameter_types) = 0 THEN varargs || '...'
                          ELSE ', ' || varargs || '...' END || ') → ' || return_type AS signature,
                description, examples[1]
         FROM fluxdb_functions()
         ORDER BY function_type, subject, name, alias_of IS NOT NULL, function_name, signature",
    );
    let mut sections: BTreeMap<(String, String), Vec<Vec<String>>> = BTreeMap::new();
    for row in listed {
        sections.entry((row[0].clone(), row[1].clone())).or_default().push(row);
    }
    for ((_, subject), functions) in sections {
        let _ = write!(page, "\n## {subject}\n\n| function | what it does | example |\n|---|---|---|\n");
        let mut at = 0;
        while at < functions.len() {
            let name = &functions[at][2];
            let all: Vec<_> = functions[at..].iter().take_while(|f| f[2] == *name).collect();
            let own: Vec<_> = all.iter().filter(|f| f[3] == *name).collect();
            let mut aliases: Vec<&str> = all.iter().map(|f| &*f[3]).filter(|n| n != name).collect();
            aliases.dedup();
            let escape = |s: &str| s.replace('|', "\\|");
            let signatures: Vec<_> = own.iter().map(|f| format!("`{}`", escape(&f[4]))).collect();
            let also = if aliases.is_empty() {
                String::new()
            } else {
                format!(
                    "<br>also {}",
                    aliases.iter().map(|a| format!("`{}`", escape(a))).collect::<Vec<_>>().join(", ")
                )
            };
            let _ = writeln!(
                page,
                "| {}{also} | {} | `{}` |",
                signatures.join("<br>"),
                escape(&functions[at][5]),
                escape(&functions[at][6])
            );
            at += all.len();
        }
    }
    page
}

#[test]
fn the_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FUNCTIONS.md");
    let page = page();
    if std::env::var_os("FLUXDB_UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/FUNCTIONS.md is out of date: FLUXDB_UPDATE=1 cargo test --test functions");
}
