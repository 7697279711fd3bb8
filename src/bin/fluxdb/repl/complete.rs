//! Completion: columns, tables, functions, keywords, dot commands, file names.

use std::path::{MAIN_SEPARATOR, Path};

use fluxdb::Connection;
use rustyline::Context;
use rustyline::completion::{Completer, Pair};

use crate::dot;

/// Most candidates shown at a time.
const MOST: usize = 200;

/// Knows the names that can stand at the cursor.
#[derive(Default)]
pub struct SqlCompleter {
    tables: Vec<String>,
    columns: Vec<String>,
    functions: Vec<String>,
}

impl SqlCompleter {
    /// Takes the names of what exists now.
    pub fn refresh(&mut self, connection: &Connection) {
        self.tables = connection.table_names();
        self.columns = connection.column_names();
        self.functions = connection.completions();
        self.functions.retain(|f| !self.tables.contains(f) && !self.columns.contains(f));
        for names in [&mut self.tables, &mut self.columns, &mut self.functions] {
            names.sort_unstable();
            names.dedup();
        }
    }
}

impl Completer for SqlCompleter {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(self.at(&line[..pos], &line[pos..]))
    }
}

impl SqlCompleter {
    /// Where the word at the cursor begins, and what it could be.
    fn at(&self, before: &str, behind: &str) -> (usize, Vec<Pair>) {
        if before.starts_with('.') {
            return match before.rsplit_once(' ') {
                // The last word of a command is a file, mostly.
                Some((head, word)) => {
                    let word = word.trim_start_matches(['\'', '"']);
                    (head.len() + 1, files(word, ""))
                }
                None => {
                    let found = dot::COMMANDS.iter().map(|c| c.name).filter(|n| n.starts_with(before));
                    (0, found.map(|n| pair(n, n)).collect())
                }
            };
        }
        if before.bytes().filter(|b| *b == b'\'').count() % 2 == 1 {
            let start = before.rfind('\'').map_or(0, |i| i + 1);
            return (start, files(&before[start..], if behind.starts_with('\'') { "" } else { "'" }));
        }
        let start = before
            .rfind(|c: char| !c.is_alphanumeric() && c != '_')
            .map_or(0, |i| i + before[i..].chars().next().map_or(1, char::len_utf8));
        let word = &before[start..];
        let head = before[..start].trim_end();
        if word.is_empty() && !head.ends_with('.') {
            return (before.len(), vec![]);
        }
        (start, self.candidates(head, word))
    }

    /// What the word behind `head` could be, the likeliest kind first; keywords in the case that the user
    /// types.
    fn candidates(&self, head: &str, word: &str) -> Vec<Pair> {
        let matches = |name: &str| {
            name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
                && name.len() > word.len()
        };
        let last = head.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
        let wants_table = ["from", "join", "into", "update", "table", "describe", "summarize", "view"]
            .iter()
            .any(|k| last.eq_ignore_ascii_case(k));
        let kinds: &[&Vec<String>] = if head.ends_with('.') {
            &[&self.columns]
        } else if wants_table {
            &[&self.tables, &self.functions]
        } else {
            &[&self.columns, &self.tables, &self.functions]
        };
        let mut found: Vec<Pair> = kinds
            .iter()
            .flat_map(|names| names.iter())
            .filter(|n| matches(n))
            .map(|n| pair(n, &quote_name(n)))
            .collect();
        if !head.ends_with('.') {
            let lower = word.chars().any(char::is_lowercase);
            for keyword in fluxdb::keywords().filter(|k| matches(k)) {
                let spelled = if lower { keyword.to_lowercase() } else { keyword.to_owned() };
                found.push(pair(&spelled, &spelled));
            }
        }
        found.truncate(MOST);
        found
    }
}

/// The files whose path begins so; a directory goes on, a file ends with `close`.
fn files(prefix: &str, close: &str) -> Vec<Pair> {
    let (dir, name) = match prefix.rfind(MAIN_SEPARATOR) {
        Some(at) => prefix.split_at(at + 1),
        None => ("", prefix),
    };
    let place = match dir.strip_prefix("~/") {
        Some(rest) => std::env::home_dir().unwrap_or_default().join(rest),
        None if dir.is_empty() => Path::new(".").to_owned(),
        None => Path::new(dir).to_owned(),
    };
    let Ok(entries) = std::fs::read_dir(place) else { return vec![] };
    let mut found: Vec<Pair> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let found = entry.file_name().into_string().ok()?;
            if !found.starts_with(name) || (name.is_empty() && found.starts_with('.')) {
                return None;
            }
            let is_dir = entry.path().is_dir();
            let shown = if is_dir { format!("{found}{MAIN_SEPARATOR}") } else { found };
            let end = if is_dir { "" } else { close };
            Some(pair(&shown, &format!("{dir}{shown}{end}")))
        })
        .collect();
    found.sort_unstable_by(|a, b| a.display.cmp(&b.display));
    found.truncate(MOST);
    found
}

fn pair(display: &str, replacement: &str) -> Pair {
    Pair { display: display.to_owned(), replacement: replacement.to_owned() }
}

/// The name as SQL takes it.
pub fn quote_name(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_numeric())
        && !name.is_empty();
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completer() -> SqlCompleter {
        SqlCompleter {
            tables: vec!["selection".into(), "my table".into()],
            columns: vec!["sensor".into()],
            functions: vec!["sequence".into()],
        }
    }

    fn words(before: &str) -> Vec<String> {
        completer().at(before, "").1.into_iter().map(|p| p.replacement).collect()
    }

    #[test]
    fn the_likeliest_kind_comes_first_and_keywords_in_the_case_typed() {
        assert_eq!(words("SELECT se")[..3], ["sensor", "selection", "sequence"]);
        assert_eq!(words("FROM se")[..2], ["selection", "sequence"]);
        assert_eq!(words("SELECT t.se"), ["sensor"]);
        assert_eq!(words("SELECT t."), ["sensor"]);
        assert!(words("sele").contains(&"select".to_owned()));
        assert!(words("SELE").contains(&"SELECT".to_owned()));
        assert_eq!(words("my"), ["\"my table\""]);
        assert_eq!(words(".tab"), [".tables"]);
    }

    #[test]
    fn completion_in_the_middle_of_a_character_is_safe() {
        assert!(words("é").is_empty());
        assert!(words("").is_empty());
    }

    #[test]
    fn file_names_end_their_quotes() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("data.csv"), "").unwrap();
        std::fs::create_dir(dir.path().join("dir")).unwrap();
        let base = dir.path().display();
        assert_eq!(words(&format!("FROM '{base}/da")), [format!("{base}/data.csv'")]);
        assert_eq!(words(&format!("FROM '{base}/di")), [format!("{base}/dir/")]);
        let behind = completer().at(&format!("FROM '{base}/da"), "'").1;
        assert_eq!(behind[0].replacement, format!("{base}/data.csv"));
        assert!(words("FROM '/no/such/dir/x").is_empty());
    }
}
