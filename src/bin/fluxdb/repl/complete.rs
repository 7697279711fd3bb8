//! Completion: keywords, functions, tables and columns, dot commands, file names.

use fluxdb::Connection;
use rustyline::Context;
use rustyline::completion::{Completer, FilenameCompleter, Pair};

use crate::dot;

/// Most candidates shown at a time.
const MOST: usize = 200;

/// Knows the names that can stand at the cursor.
pub struct SqlCompleter {
    files: FilenameCompleter,
    names: Vec<String>,
}

impl SqlCompleter {
    pub fn new() -> Self {
        Self { files: FilenameCompleter::new(), names: vec![] }
    }

    /// Takes the names of what exists now.
    pub fn refresh(&mut self, connection: &Connection) {
        self.names = connection.completions();
        self.names.sort_unstable();
        self.names.dedup();
    }
}

impl Completer for SqlCompleter {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..pos];
        let in_string = before.bytes().filter(|b| *b == b'\'').count() % 2 == 1;
        let path_command = before.starts_with('.') && before.contains(' ');
        if in_string || path_command {
            return self.files.complete(line, pos, context);
        }
        let start = before
            .rfind(|c: char| !c.is_alphanumeric() && c != '_')
            .map_or(0, |i| i + before[i..].chars().next().map_or(1, char::len_utf8));
        if before.starts_with('.') {
            let found = dot::COMMANDS.iter().map(|c| c.name).filter(|n| n.starts_with(before));
            return Ok((0, found.map(|n| pair(n, n)).collect()));
        }
        let word = &before[start..];
        if word.is_empty() {
            return Ok((pos, vec![]));
        }
        Ok((start, self.candidates(word)))
    }
}

impl SqlCompleter {
    /// Names first, then keywords in the case that the user types.
    fn candidates(&self, word: &str) -> Vec<Pair> {
        let matches = |name: &str| {
            name.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
                && name.len() > word.len()
        };
        let mut found: Vec<Pair> =
            self.names.iter().filter(|n| matches(n)).map(|n| pair(n, &quote_name(n))).collect();
        let lower = word.chars().any(char::is_lowercase);
        for keyword in fluxdb::keywords().filter(|k| matches(k)) {
            let spelled = if lower { keyword.to_lowercase() } else { keyword.to_owned() };
            found.push(pair(&spelled, &spelled));
        }
        found.truncate(MOST);
        found
    }
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

    #[test]
    fn completes_names_and_keywords_in_the_case_typed() {
        let mut c = SqlCompleter::new();
        c.names = vec!["selection".into(), "my table".into()];
        let found: Vec<_> = c.candidates("sele").into_iter().map(|p| p.replacement).collect();
        assert_eq!(found[0], "selection");
        assert!(found.contains(&"select".to_owned()));
        assert!(c.candidates("SELE").iter().any(|p| p.replacement == "SELECT"));
        assert_eq!(c.candidates("my")[0].replacement, "\"my table\"");
    }

    #[test]
    fn completion_in_the_middle_of_a_character_is_safe() {
        let c = SqlCompleter::new();
        assert!(c.candidates("é").is_empty());
    }
}
