//! docs/API.txt is the promise that versions are about: every public item of the library's face with its signature. What
//! changes there is seen in review: what is taken away or altered asks for a new major version (a minor one before 1.0).
//! `FLUXDB_UPDATE=1 cargo test --test public_api` writes it.

use std::fmt::Write;
use std::path::Path;

/// The files of the face; what else is public is for the inspector, the benches and tests, and promises nothing.
const FILES: [&str; 14] = [
    "src/lib.rs",
    "src/database.rs",
    "src/connection.rs",
    "src/statement.rs",
    "src/params.rs",
    "src/row.rs",
    "src/deserialize.rs",
    "src/appender.rs",
    "src/extend.rs",
    "src/keyed.rs",
    "src/salvage.rs",
    "src/error.rs",
    "src/measurement/point.rs",
    "src/measurement/writer.rs",
];

/// The public items of a file that is formatted: an item in a line, those of a block below its head.
fn items(source: &str) -> String {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut out = String::new();
    let mut lines = source.lines().peekable();
    // The head of an impl whose items are not listed yet; whether all that is in the block is public.
    let (mut head, mut all_public): (Option<String>, bool) = (None, false);
    let mut attributes = String::new();
    while let Some(line) = lines.next() {
        let text = line.trim_start();
        let depth = (line.len() - text.len()) / 4;
        if text.starts_with("//") || text.is_empty() {
            continue;
        }
        if text.starts_with("#[") {
            if text.contains("doctest") {
                lines.by_ref().find(|line| line.ends_with([';', '}']));
                continue;
            }
            if text.contains("non_exhaustive") || text.contains("derive") || text.contains("cfg(feature") {
                attributes = format!("{attributes}{text} ");
            }
            continue;
        }
        if depth == 0 && text.starts_with('}') {
            (head, all_public) = (None, false);
        }
        let opens = |word: &str| text.starts_with(word);
        if depth == 0 && (opens("impl") || opens("pub trait") || opens("pub enum") || opens("pub struct")) {
            let mut whole = text.to_owned();
            while !whole.ends_with(['{', ';', '}']) {
                let Some(next) = lines.next() else { break };
                whole = format!("{whole} {}", next.trim());
            }
            let listed = format!("{attributes}{}", whole.trim_end_matches(" {"));
            all_public = opens("pub trait") || opens("pub enum");
            // A trait that is implemented is public with its items; an impl is when something in it is.
            if opens("impl") && !whole.contains(" for ") {
                head = Some(listed);
            } else {
                let _ = writeln!(out, "{listed}");
                head = None;
            }
            attributes.clear();
            continue;
        }
        let public = text.starts_with("pub ") || (all_public && depth == 1 && !text.starts_with('}'));
        if public && depth <= 1 {
            let mut whole = text.to_owned();
            let ends = |s: &str| {
                s.ends_with([';', ',', '{', '}']) && s.matches('(').count() == s.matches(')').count()
            };
            while !ends(&whole) {
                let Some(next) = lines.next() else { break };
                whole = format!("{whole} {}", next.trim());
            }
            if let Some(head) = head.take() {
                let _ = writeln!(out, "{head}");
            }
            let whole = whole.trim_end_matches([' ', '{', ',', ';']).replace("( ", "(").replace(", )", ")");
            let _ = writeln!(out, "{}{attributes}{whole}", "    ".repeat(depth));
        }
        attributes.clear();
    }
    out
}

#[test]
fn the_public_face_is_as_promised() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut page = String::from(
        "The public items of the library. Written by `FLUXDB_UPDATE=1 cargo test --test public_api`; do not edit.\n",
    );
    for file in FILES {
        let source = std::fs::read_to_string(root.join(file)).unwrap();
        let _ = write!(page, "\n{file}\n\n{}", items(&source));
    }
    for item in [
        "pub fn connect(&self) -> Connection",
        "pub enum Error",
        "    Sql(#[from] SqlError)",
        "pub trait FromRow: Sized",
    ] {
        assert!(page.contains(item), "{item} is not listed");
    }
    let path = root.join("docs/API.txt");
    if std::env::var_os("FLUXDB_UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let changed = written.lines().zip(page.lines()).find(|(a, b)| a != b);
    assert!(
        written == page,
        "the public face has changed ({changed:?}). If that is meant, FLUXDB_UPDATE=1 cargo test --test public_api, and say in \
         CHANGELOG.md what a program has to change"
    );
}
