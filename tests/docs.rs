//! Every example of the documentation is run, in the order of its page, as a reader would run it.
//!
//! - A block of `sql` runs in a database of the page; a block of `text` behind it is what the shell shows.
//! - A block of `console` is lines of `$ command`, each with what it prints. `sh` runs them where the page's files are.
//! - A block of `csv`, `json` or `text` with a name behind that is a file.
//! - `ignore` behind the language leaves a block alone; `error` behind `sql` says that it must fail.
//!
//! `FLUXDB_UPDATE=1 cargo test --test docs` writes what the pages show.

#![cfg(feature = "cli")]

#[path = "common/coverage.rs"]
mod coverage;
#[path = "common/directory.rs"]
mod directory;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use directory::Directory;

const FLUXDB: &str = env!("CARGO_BIN_EXE_fluxdb");

const PAGES: [&str; 5] = ["GETTING_STARTED.md", "SQL.md", "FLUXQL.md", "COOKBOOK.md", "SHELL.md"];

/// A line outside of blocks, or a block: what stands behind its fence, and its lines.
enum Piece {
    Line(String),
    Block { info: String, body: String },
}

fn pieces(page: &str) -> Vec<Piece> {
    let mut out = vec![];
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        match line.strip_prefix("```") {
            Some(info) => {
                let body: String =
                    lines.by_ref().take_while(|l| *l != "```").map(|l| format!("{l}\n")).collect();
                out.push(Piece::Block { info: info.to_owned(), body });
            }
            None => out.push(Piece::Line(line.to_owned())),
        }
    }
    out
}

fn run(command: &mut Command, directory: &Path) -> Output {
    let path = format!(
        "{}:{}",
        Path::new(FLUXDB).parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let command = command.current_dir(directory).env("PATH", path).env("TZ", "UTC").stdin(Stdio::null());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(|l| format!("{}\n", l.trim_end())).collect()
}

/// What a block of SQL shows, or what is wrong with it.
fn shown_by(sql: &str, must_fail: bool, directory: &Path) -> Result<String, String> {
    std::fs::write(directory.join("block.sql"), sql).unwrap();
    let mut command = Command::new(FLUXDB);
    let out = run(command.args(["page.flux", "--format", "table", "-f", "block.sql"]), directory);
    std::fs::remove_file(directory.join("block.sql")).unwrap();
    let (stdout, stderr) = (text(&out.stdout), text(&out.stderr));
    match (out.status.code(), must_fail) {
        (Some(0), false) | (Some(1), true) => Ok(stdout + &stderr),
        (code, _) => Err(format!("ended with {code:?}:\n{sql}\n{stdout}{stderr}")),
    }
}

fn shown_by_commands(body: &str, directory: &Path) -> Result<String, String> {
    let mut out = String::new();
    let mut commands: Vec<String> = vec![];
    for line in body.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push(command.to_owned()),
            // A command goes on after a backslash.
            (None, Some(last)) if last.ends_with('\\') => *last += &format!("\n{line}"),
            _ => {}
        }
    }
    for command in commands {
        let ran = run(Command::new("sh").args(["-c", &format!("exec 2>&1; {command}")]), directory);
        if !ran.status.success() {
            return Err(format!("{command} ended with {}:\n{}", ran.status, text(&ran.stdout)));
        }
        out += &format!("$ {command}\n{}", text(&ran.stdout));
    }
    Ok(out)
}

/// The page as it should be, and what is wrong with it.
fn followed(page: &str) -> (String, Vec<String>) {
    let directory = Directory::new();
    let directory = directory.path();
    let (mut out, mut wrong) = (String::new(), vec![]);
    let mut all = pieces(page).into_iter().peekable();
    while let Some(piece) = all.next() {
        let (info, body) = match piece {
            Piece::Line(line) => {
                out += &format!("{line}\n");
                continue;
            }
            Piece::Block { info, body } => (info, body),
        };
        let words: Vec<&str> = info.split_whitespace().collect();
        let fence = |info: &str, body: &str| format!("```{info}\n{body}```\n");
        match words[..] {
            ["sql"] | ["sql", "error"] => {
                out += &fence(&info, &body);
                let shown = shown_by(&body, words.len() == 2, directory).unwrap_or_else(|e| {
                    wrong.push(e);
                    String::new()
                });
                // What it shows stands behind it, after an empty line.
                let mut blank = false;
                while matches!(all.peek(), Some(Piece::Line(line)) if line.is_empty()) {
                    blank = all.next().is_some();
                }
                if matches!(all.peek(), Some(Piece::Block { info, .. }) if info == "text") {
                    all.next();
                    blank = false;
                    while matches!(all.peek(), Some(Piece::Line(line)) if line.is_empty()) {
                        blank = all.next().is_some();
                    }
                }
                if !shown.is_empty() {
                    out += &format!("\n{}", fence("text", &shown));
                }
                if blank {
                    out.push('\n');
                }
            }
            ["console"] => {
                let shown = shown_by_commands(&body, directory).unwrap_or_else(|e| {
                    wrong.push(e);
                    body
                });
                out += &fence(&info, &shown);
            }
            ["csv" | "json" | "text", name] if name != "ignore" => {
                std::fs::write(directory.join(name), &body).unwrap();
                out += &fence(&info, &body);
            }
            _ => out += &fence(&info, &body),
        }
    }
    (out, wrong)
}

fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    let page = std::fs::read_to_string(&path).unwrap();
    let (should_be, wrong) = followed(&page);
    assert!(wrong.is_empty(), "docs/{name}:\n{}", wrong.join("\n"));
    if std::env::var_os("FLUXDB_UPDATE").is_some() {
        std::fs::write(&path, &should_be).unwrap();
        return;
    }
    let differs = page.lines().zip(should_be.lines()).enumerate().find(|(_, (a, b))| a != b);
    assert!(
        page == should_be,
        "docs/{name} shows something else than what happens ({differs:?}): FLUXDB_UPDATE=1 cargo test --test docs"
    );
}

#[test]
fn pages_can_be_followed() {
    std::thread::scope(|scope| {
        let checks: Vec<_> = PAGES.iter().map(|page| scope.spawn(move || check(page))).collect();
        for check in checks {
            if let Err(panic) = check.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

#[test]
fn every_page_is_in_the_book() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let summary = std::fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    for entry in std::fs::read_dir(&docs).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.extension().is_some_and(|e| e == "md") && name != "SUMMARY.md" {
            assert!(summary.contains(&format!("({name})")), "docs/SUMMARY.md does not name {name}");
        }
    }
    // Links between pages lead somewhere.
    for entry in std::fs::read_dir(&docs).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "md") {
            continue;
        }
        let page = std::fs::read_to_string(&path).unwrap();
        for link in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.contains(' ') {
                assert!(docs.join(target).exists(), "{}: {link} leads nowhere", path.display());
            }
        }
    }
}
