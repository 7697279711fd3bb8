//! Completion: columns, tables, functions, keywords, dot commands, file names.

use std::path::{MAIN_SEPARATOR, Path};

use fluxdb::Connection;
use rustyline::Context;
use rustyline::completion::{Completer, Pair};

use crate::dot;
use crate::format::Format;

/// Most candidates shown at a time.
const MOST: usize = 200;

/// A table or view.
struct Relation {
    /// With its schema, where that is not `main`.
    name: String,
    columns: Vec<String>,
}

/// Knows the names that can stand at the cursor.
#[derive(Default)]
pub struct SqlCompleter {
    relations: Vec<Relation>,
    functions: Vec<String>,
    settings: Vec<String>,
}

impl SqlCompleter {
    /// Takes the names of what exists now.
    pub fn refresh(&mut self, connection: &Connection) {
        self.relations =
            connection.relations().into_iter().map(|(name, columns)| Relation { name, columns }).collect();
        self.relations.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        if self.settings.is_empty() {
            self.settings = connection.setting_names();
        }
        self.functions = connection.function_names();
        self.functions.sort_unstable();
        self.functions.dedup();
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
            return self.dot_command(before);
        }
        let tokens = Tokens::of(before);
        if tokens.in_text {
            let start = before.rfind('\'').map_or(0, |i| i + 1);
            return (start, files(&before[start..], if behind.starts_with('\'') { "" } else { "'" }));
        }
        let start = before
            .rfind(|c: char| !c.is_alphanumeric() && c != '_')
            .map_or(0, |i| i + before[i..].chars().next().map_or(1, char::len_utf8));
        let word = &before[start..];
        let mut head = tokens.all;
        if !word.is_empty() {
            head.pop();
        }
        // What is behind the cursor tells of tables too, up to the end of the statement.
        let mut whole = head.clone();
        whole.extend(Tokens::of(behind).all.into_iter().take_while(|t| t != ";"));
        (start, self.candidates(&head, &whole, word))
    }

    /// The name of a command of the shell, or what its usage asks for next.
    fn dot_command(&self, before: &str) -> (usize, Vec<Pair>) {
        let Some(dot::LastWord { start, text, quote, before }) = dot::last_word(before) else {
            return (before.len(), vec![]);
        };
        let Some((name, words)) = before.split_first() else {
            let found = dot::COMMANDS.iter().map(|c| c.name).filter(|n| n.starts_with(text));
            return (start, found.map(|n| pair(n, n)).collect());
        };
        let usage = dot::COMMANDS.iter().find(|c| c.name == name).map_or("", |c| c.words);
        let wanted = usage.split_whitespace().nth(words.len()).unwrap_or("");
        let wanted = wanted.trim_matches(['[', ']', '.']);
        let among = |all: &mut dyn Iterator<Item = &str>| {
            let found = all.filter(|n| starts(n, text));
            (start, found.map(|n| pair(n, &as_word(n, quote, true))).collect())
        };
        let paths = || {
            let found = files(text, "").into_iter().map(|p| {
                let is_whole = !p.replacement.ends_with(MAIN_SEPARATOR);
                pair(&p.display, &as_word(&p.replacement, quote, is_whole))
            });
            (start, found.collect())
        };
        match wanted {
            "TABLE" | "PATTERN" => among(&mut self.relations.iter().map(|r| r.name.as_str())),
            "FORMAT" => among(&mut Format::NAMES.into_iter()),
            "COMMAND" if name == ".help" => among(&mut dot::COMMANDS.iter().map(|c| c.name)),
            "FILE" | "DIRECTORY" => paths(),
            choice => among(&mut choice.split('|').filter(|c| c.starts_with(char::is_lowercase))),
        }
    }

    /// What the word behind the tokens `head` of the statement `whole` could be, the likeliest kind first; keywords in
    /// the case that the user types.
    fn candidates(&self, head: &[String], whole: &[String], word: &str) -> Vec<Pair> {
        let last = behind_if_exists(head);
        let scope = self.scope(whole);
        let mut found = Found { word, pairs: vec![] };
        if last == "." {
            let qualifier = head.get(head.len().wrapping_sub(2)).map_or("", String::as_str);
            self.qualified(qualifier, &scope, &mut found);
            return found.pairs;
        }
        if is_one_of(last, &["set", "reset", "pragma"]) && head.len() == 1 {
            found.names(&self.settings);
            return found.pairs;
        }
        if is_one_of(last, BEFORE_TABLE) {
            found.names(self.relations.iter().map(|r| &r.name));
            if word.is_empty() || (is_one_of(last, ONLY_TABLE) && !found.pairs.is_empty()) {
                return found.pairs;
            }
        } else {
            for (_, relation) in &scope {
                found.names(&relation.columns);
            }
            if word.is_empty() {
                // All that could stand here would be too much.
                let wants_column = is_one_of(last, BEFORE_COLUMN);
                return if wants_column { found.pairs } else { vec![] };
            }
            if scope.is_empty() {
                self.relations.iter().for_each(|r| found.names(&r.columns));
            }
            found.names(scope.iter().map(|(alias, _)| alias));
            if scope.is_empty() {
                found.names(self.relations.iter().map(|r| &r.name));
            }
        }
        found.names(&self.functions);
        let lower = word.chars().any(char::is_lowercase);
        for keyword in fluxdb::keywords() {
            found.add(&if lower { keyword.to_lowercase() } else { keyword.to_owned() });
        }
        found.pairs
    }

    /// What may stand behind `qualifier.`: columns of a table, tables of a schema.
    fn qualified(&self, qualifier: &str, scope: &[(String, &Relation)], found: &mut Found<'_>) {
        let named = |(alias, _): &&(String, &Relation)| alias.eq_ignore_ascii_case(qualifier);
        if let Some((_, relation)) = scope.iter().find(named) {
            return found.names(&relation.columns);
        }
        if let Some(relation) = self.relation(qualifier) {
            return found.names(&relation.columns);
        }
        let inside = self.relations.iter().filter_map(|r| {
            let (schema, name) = r.name.split_once('.')?;
            schema.eq_ignore_ascii_case(qualifier).then_some(name)
        });
        found.names(inside);
        if qualifier.eq_ignore_ascii_case("main") {
            found.names(self.relations.iter().map(|r| &r.name).filter(|n| !n.contains('.')));
        }
    }

    fn relation(&self, name: &str) -> Option<&Relation> {
        self.relations.iter().find(|r| r.name.eq_ignore_ascii_case(name))
    }

    /// The tables that a statement reads or writes, by what it calls them.
    fn scope(&self, tokens: &[String]) -> Vec<(String, &Relation)> {
        let mut found: Vec<(String, &Relation)> = vec![];
        let mut at = 0;
        // Behind a comma of FROM comes another table.
        let mut in_from = false;
        while at < tokens.len() {
            let token = &tokens[at];
            at += 1;
            if is_one_of(token, BEFORE_TABLE) {
                in_from = true;
            } else if !(in_from && token == ",") {
                in_from &= !is_one_of(token, BEHIND_FROM);
                continue;
            }
            let Some(name) = tokens.get(at).filter(|t| is_name(t)) else { continue };
            let mut name = name.clone();
            at += 1;
            while tokens.get(at).is_some_and(|t| t == ".") {
                let Some(part) = tokens.get(at + 1) else { break };
                name =
                    if name.eq_ignore_ascii_case("main") { part.clone() } else { format!("{name}.{part}") };
                at += 2;
            }
            let Some(relation) = self.relation(&name) else { continue };
            if tokens.get(at).is_some_and(|t| t.eq_ignore_ascii_case("as")) {
                at += 1;
            }
            let alias = tokens.get(at).filter(|t| is_name(t) && !is_keyword(t));
            let called = alias.unwrap_or(&name).rsplit('.').next().unwrap_or_default().to_owned();
            found.push((called, relation));
        }
        found
    }
}

/// Words behind which a table is named.
const BEFORE_TABLE: &[&str] =
    &["from", "join", "into", "update", "table", "describe", "summarize", "view", "using", "copy"];
/// Those of them behind which no function is called.
const ONLY_TABLE: &[&str] = &["into", "update", "table", "describe", "view", "copy"];
/// Words that end a list of tables.
const BEHIND_FROM: &[&str] =
    &["where", "group", "order", "select", "on", "having", "limit", "window", "set", "("];
/// Words behind which columns are listed before anything is typed.
const BEFORE_COLUMN: &[&str] =
    &["select", "where", "by", "on", "and", "or", "having", "set", ",", "(", "distinct"];

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|w| w.eq_ignore_ascii_case(word))
}

/// The last word, as if there were no IF EXISTS.
fn behind_if_exists(head: &[String]) -> &str {
    match head {
        [.., before, a, b] if a.eq_ignore_ascii_case("if") && b.eq_ignore_ascii_case("exists") => before,
        [.., last] => last,
        [] => "",
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn is_keyword(word: &str) -> bool {
    fluxdb::keywords().any(|k| k.eq_ignore_ascii_case(word))
}

fn starts(name: &str, word: &str) -> bool {
    name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// The words and signs of the statement that a text ends in, names without their quotes.
struct Tokens {
    all: Vec<String>,
    /// The text ends in a text of SQL.
    in_text: bool,
}

impl Tokens {
    fn of(text: &str) -> Self {
        let mut out = Self { all: vec![], in_text: false };
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                ';' => out.all.clear(),
                '\'' => out.in_text = !chars.any(|c| c == '\''),
                '"' => out.all.push(chars.by_ref().take_while(|c| *c != '"').collect()),
                '-' if chars.peek() == Some(&'-') => {
                    chars.by_ref().take_while(|c| *c != '\n').for_each(drop);
                }
                c if c.is_alphanumeric() || c == '_' => {
                    let mut word = c.to_string();
                    while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                        word.push(c);
                    }
                    out.all.push(word);
                }
                c if c.is_whitespace() => {}
                c => out.all.push(c.to_string()),
            }
        }
        out
    }
}

/// Names that begin with a word, each once.
struct Found<'w> {
    word: &'w str,
    pairs: Vec<Pair>,
}

impl Found<'_> {
    fn names<N: AsRef<str>>(&mut self, names: impl IntoIterator<Item = N>) {
        names.into_iter().for_each(|name| self.add(name.as_ref()));
    }

    fn add(&mut self, name: &str) {
        let is_new = || self.pairs.iter().all(|p| !p.display.eq_ignore_ascii_case(name));
        if self.pairs.len() < MOST && starts(name, self.word) && name.len() > self.word.len() && is_new() {
            let parts: Vec<String> = name.split('.').map(quote_name).collect();
            self.pairs.push(pair(name, &parts.join(".")));
        }
    }
}

/// A word of a dot command, in the quotes that it needs or has been begun in; `is_whole` if it ends there.
fn as_word(word: &str, quote: Option<char>, is_whole: bool) -> String {
    let needs = word.contains(|c: char| c.is_whitespace() || c == '\'' || c == '"');
    let (open, close) = match quote {
        Some(quote) => (None, Some(quote)),
        None if !needs => (None, None),
        None if word.contains('\'') => (Some('"'), Some('"')),
        None => (Some('\''), Some('\'')),
    };
    let close = close.filter(|_| is_whole);
    open.into_iter().chain(word.chars()).chain(close).collect()
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
        let relation = |name: &str, columns: &[&str]| Relation {
            name: name.into(),
            columns: columns.iter().map(|c| (*c).into()).collect(),
        };
        SqlCompleter {
            relations: vec![
                relation("my table", &["value"]),
                relation("other.selection", &["seen"]),
                relation("selection", &["sensor", "Mixed Case"]),
            ],
            functions: vec!["sequence".into()],
            settings: vec!["threads".into(), "time_zone".into()],
        }
    }

    fn words(before: &str) -> Vec<String> {
        completer().at(before, "").1.into_iter().map(|p| p.replacement).collect()
    }

    #[test]
    fn the_likeliest_kind_comes_first_and_keywords_in_the_case_typed() {
        assert_eq!(words("SELECT se")[..4], ["seen", "sensor", "selection", "sequence"]);
        assert_eq!(words("FROM se")[..2], ["selection", "sequence"]);
        assert!(words("sele").contains(&"select".to_owned()));
        assert!(words("SELE").contains(&"SELECT".to_owned()));
        assert_eq!(words("FROM my"), ["\"my table\""]);
        assert_eq!(words("FROM other.s"), ["selection"]);
        assert_eq!(words("FROM o")[0], "other.selection");
    }

    #[test]
    fn columns_are_those_of_the_tables_that_the_statement_names() {
        assert_eq!(words("SELECT x FROM other.selection WHERE se")[..2], ["seen", "selection"]);
        assert_eq!(words("FROM selection AS s JOIN other.selection o ON s."), ["sensor", "\"Mixed Case\""]);
        assert_eq!(words("FROM selection s, other.selection o WHERE o."), ["seen"]);
        assert_eq!(words("SELECT selection.se"), ["sensor"]);
        assert_eq!(words("UPDATE \"my table\" SET "), ["value"]);
        assert_eq!(words("INSERT INTO other.selection ("), ["seen"]);
        assert_eq!(words("SELECT 1; FROM \"my table\" WHERE "), ["value"], "of this statement alone");
        let behind = completer().at("SELECT o.", " FROM other.selection o").1;
        assert_eq!(behind.iter().map(|p| &*p.display).collect::<Vec<_>>(), ["seen"]);
        assert!(words("SELECT nobody.").is_empty());
        assert!(words("SELECT 1 ").is_empty());
    }

    #[test]
    fn tables_and_settings_are_listed_before_a_letter_is_typed() {
        assert_eq!(words("SELECT * FROM ").len(), 3);
        assert_eq!(words("SET "), ["threads", "time_zone"]);
        assert_eq!(words("RESET ti"), ["time_zone"]);
    }

    #[test]
    fn commands_complete_what_they_take() {
        assert_eq!(words(".tab"), [".tables"]);
        assert_eq!(words(".mode js"), ["json"]);
        assert_eq!(words(".timer o"), ["on", "off"]);
        assert_eq!(words(".schema sel"), ["selection"]);
        assert_eq!(words(".help .mo"), [".mode"]);
        assert_eq!(words(".schema my"), ["'my table'"]);
        assert_eq!(words(".schema \"my t"), ["my table\""]);
        assert!(words(".quit x").is_empty());
    }

    #[test]
    fn where_only_a_table_may_stand_only_tables_are_offered() {
        for before in
            ["DROP TABLE se", "ALTER TABLE se", "COPY se", "DROP TABLE IF EXISTS se", "INSERT INTO se"]
        {
            assert_eq!(words(before), ["selection"], "{before}");
        }
        assert!(words("DROP TABLE i").contains(&"if".to_owned()), "there is none, so it is a keyword");
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
        std::fs::create_dir(dir.path().join("my dir")).unwrap();
        std::fs::write(dir.path().join("my dir").join("a b.csv"), "").unwrap();
        let at = |before: &str| {
            let (start, pairs) = completer().at(before, "");
            format!("{}{}", &before[..start], pairs[0].replacement)
        };
        assert_eq!(at(&format!(".import '{base}/my")), format!(".import '{base}/my dir/"));
        assert_eq!(at(&format!(".import {base}/my")), format!(".import '{base}/my dir/"));
        assert_eq!(at(&format!(".import '{base}/my dir/a")), format!(".import '{base}/my dir/a b.csv'"));
        assert_eq!(at(&format!(".import {base}/da")), format!(".import {base}/data.csv"));
    }
}
