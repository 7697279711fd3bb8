//! Commands of the shell itself: a dot, a name, words.

mod catalog;
mod data;
mod results;

pub use data::text_literal;

use std::path::{Path, PathBuf};

use crate::session::{Outcome, Session};

/// Whether the shell goes on.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// It does.
    Go,
    /// It ends.
    Quit,
    /// A statement that the command ran failed, and said so.
    Failed,
}

/// A command and its help.
pub struct DotCommand {
    pub name: &'static str,
    /// What it takes, as `.help` shows it.
    pub words: &'static str,
    help: &'static str,
    run: fn(&mut Session, &Words<'_>) -> Result<Next, String>,
}

/// What follows the name of a command.
pub struct Words<'a> {
    /// The words, without their quotes.
    all: &'a [String],
    /// The same as it was typed.
    rest: &'a str,
}

impl Words<'_> {
    /// The only word, if there is exactly one. An empty error stands for the command's usage.
    fn one(&self) -> Result<&str, String> {
        match self.all {
            [word] => Ok(word),
            _ => Err(String::new()),
        }
    }

    /// The only word, if there is one.
    fn at_most_one(&self) -> Result<Option<&str>, String> {
        match self.all {
            [] => Ok(None),
            _ => self.one().map(Some),
        }
    }

    /// `on` or `off`.
    fn switch(&self) -> Result<bool, String> {
        match self.one()? {
            "on" | "yes" | "true" | "1" => Ok(true),
            "off" | "no" | "false" | "0" => Ok(false),
            _ => Err(String::new()),
        }
    }
}

macro_rules! commands {
    ($($name:literal $words:literal $help:literal $run:path,)*) => {
        &[$(DotCommand { name: $name, words: $words, help: $help, run: $run }),*]
    };
}

/// All commands, in the order of `.help`.
#[rustfmt::skip]
pub const COMMANDS: &[DotCommand] = commands![
    ".help" "[COMMAND]" "this list, or one line of it" help,
    ".tables" "[PATTERN]" "tables and views, by LIKE pattern" catalog::tables,
    ".schema" "[TABLE]" "CREATE statements" catalog::schema,
    ".indexes" "[TABLE]" "indexes" catalog::indexes,
    ".databases" "" "the open and attached databases and their files" catalog::databases,
    ".open" "[--readonly] [FILE]" "another database, or one in memory" catalog::open,
    ".import" "FILE TABLE [--OPTION VALUE]" "a file into a table, made if it is not there" data::import,
    ".dump" "[TABLE]" "statements that make everything again" data::dump,
    ".read" "FILE" "run the statements in a file" read,
    ".mode" "[FORMAT [TABLE]]" "how results look, or what they could look like" results::mode,
    ".headers" "on|off" "column names above results" results::headers,
    ".nullvalue" "TEXT" "what a NULL looks like in tables" results::nullvalue,
    ".width" "[WIDTH]..." "widths of the columns of tables; 0 fits, none forgets all" results::width,
    ".maxrows" "[ROWS]" "rows shown of a long result; 0 for all" results::maxrows,
    ".explain" "[on|off|auto]" "show plans as drawings, not as tables" results::explain,
    ".plot" "[bar|line|hist] [[X] Y]" "draw the last result: column Y over column X" results::plot,
    ".pager" "[on|off|COMMAND]" "long output goes through a pager" results::pager,
    ".edit" "[FILE]" "edit the last statement, or a file, in $EDITOR and run it" results::edit,
    ".output" "[FILE]" "results go to a file, or back to the screen" results::output,
    ".once" "FILE" "the next result goes to a file" results::once,
    ".print" "TEXT" "print a line" results::print,
    ".timer" "on|off" "time statements" timer,
    ".changes" "on|off" "say how many rows each statement changed" changes,
    ".echo" "on|off" "print statements before they run" echo,
    ".bail" "on|off" "stop at the first error of a file" bail,
    ".show" "" "all settings" results::show,
    ".cd" "DIRECTORY" "change the working directory" cd,
    ".shell" "COMMAND" "run a command of the system" shell,
    ".system" "COMMAND" "the same" shell,
    ".quit" "" "leave (also Ctrl-D)" quit,
    ".exit" "" "leave" quit,
];

/// Runs one line that begins with a dot. An error is a message for the user.
pub fn run(session: &mut Session, line: &str) -> Result<Next, String> {
    let line = line.trim().trim_end_matches(';');
    let all = split_words(line);
    let Some((name, words)) = all.split_first() else { return Ok(Next::Go) };
    let command = find(name)?;
    let rest = line.get(name.len()..).unwrap_or("").trim();
    (command.run)(session, &Words { all: words, rest })
        .map_err(|e| if e.is_empty() { format!("usage: {} {}", command.name, command.words) } else { e })
}

/// The command of this name, or of the only name that begins so.
fn find(name: &str) -> Result<&'static DotCommand, String> {
    if let Some(command) = COMMANDS.iter().find(|c| c.name == name) {
        return Ok(command);
    }
    let mut found = COMMANDS.iter().filter(|c| name.len() > 1 && c.name.starts_with(name));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (Some(a), Some(b)) => {
            let all: Vec<&str> = [a, b].into_iter().chain(found).map(|c| c.name).collect();
            Err(format!("{name} could be any of {}", all.join(", ")))
        }
        _ => Err(format!("unknown command {name}; .help lists what there is")),
    }
}

/// The command that a statement of one word means without its dot: the words by which one asks for help or leaves.
pub fn meant(sql: &str) -> Option<&'static str> {
    let word = sql.trim().trim_end_matches(';').trim_end();
    let known = [("exit", ".exit"), ("help", ".help"), ("quit", ".quit")];
    known.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, command)| *command)
}

/// The word that a line ends in.
pub struct LastWord<'l> {
    /// Where what it says so far begins, behind its quote.
    pub start: usize,
    pub text: &'l str,
    /// The quote that it is in.
    pub quote: Option<char>,
    /// The words before it.
    pub before: Vec<String>,
}

/// The word at the end of a line, if nothing of it has been quoted and unquoted again.
pub fn last_word(line: &str) -> Option<LastWord<'_>> {
    let mut start = 0;
    let mut quote = None;
    for (i, c) in line.char_indices() {
        match quote {
            // What follows would belong to the same word.
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => (start, quote) = (i, Some(c)),
            None if c.is_whitespace() => start = i + c.len_utf8(),
            None => {}
        }
    }
    let is_whole = line[..start].chars().next_back().is_none_or(char::is_whitespace);
    let before = split_words(&line[..start]);
    let start = start + quote.map_or(0, char::len_utf8);
    let text = &line[start..];
    (is_whole && (quote.is_some() || !text.contains(['\'', '"']))).then_some(LastWord {
        start,
        text,
        quote,
        before,
    })
}

/// Words parted by spaces; quotes keep spaces together.
fn split_words(line: &str) -> Vec<String> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// A result, for the caller of a command that ran a statement.
fn after(outcome: Outcome) -> Next {
    match outcome {
        Outcome::Ok => Next::Go,
        Outcome::Failed => Next::Failed,
        Outcome::Closed | Outcome::Quit => Next::Quit,
    }
}

fn help(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    let only = words.at_most_one()?.map(|w| if w.starts_with('.') { w.to_owned() } else { format!(".{w}") });
    let usage = |c: &DotCommand| format!("{} {}", c.name, c.words);
    let width = COMMANDS.iter().map(|c| usage(c).len()).max().unwrap_or(0) + 2;
    let mut text = String::new();
    for command in COMMANDS.iter().filter(|c| only.as_ref().is_none_or(|o| c.name.starts_with(o.as_str()))) {
        text += &format!("{:width$}{}\n", usage(command), command.help);
    }
    if text.is_empty() {
        return Err(format!("unknown command {}; .help lists what there is", only.unwrap_or_default()));
    }
    if only.is_none() {
        text += "Statements may take several lines and end with ';'. Tab completes, Ctrl-R searches the\n\
                 history, Ctrl-C cancels a statement. Names of commands may be cut short.\n";
    }
    session.print_long(&text)?;
    Ok(Next::Go)
}

fn read(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    let path = words.one()?;
    let go_on = !session.bail;
    Ok(after(session.run_file(Path::new(path), go_on)))
}

fn timer(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    session.timer = words.switch()?;
    Ok(Next::Go)
}

fn changes(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    session.changes = words.switch()?;
    Ok(Next::Go)
}

fn echo(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    session.echo = words.switch()?;
    Ok(Next::Go)
}

fn bail(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    session.bail = words.switch()?;
    Ok(Next::Go)
}

fn cd(_: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    let path = match words.one()?.strip_prefix("~") {
        Some(rest) => std::env::home_dir().unwrap_or_default().join(rest.trim_start_matches('/')),
        None => PathBuf::from(words.one()?),
    };
    std::env::set_current_dir(&path).map_err(|e| format!("cannot change to {}: {e}", path.display()))?;
    Ok(Next::Go)
}

fn shell(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    if words.rest.is_empty() {
        return Err(String::new());
    }
    session.flush()?;
    let status = std::process::Command::new("sh").arg("-c").arg(words.rest).status();
    let status = status.map_err(|e| format!("cannot run a shell: {e}"))?;
    if status.success() { Ok(Next::Go) } else { Err(format!("the command ended with {status}")) }
}

fn quit(_: &mut Session, _: &Words<'_>) -> Result<Next, String> {
    Ok(Next::Quit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_quoted_spaces() {
        assert_eq!(split_words(".read 'my file.sql'  x"), [".read", "my file.sql", "x"]);
        assert_eq!(split_words(".nullvalue ''"), [".nullvalue", ""]);
        assert_eq!(split_words("   "), Vec::<String>::new());
    }

    #[test]
    fn the_last_word_may_be_in_a_quote() {
        let last = |line| last_word(line).map(|w| (w.start, w.text, w.quote, w.before.len()));
        assert_eq!(last(".import my"), Some((8, "my", None, 1)));
        assert_eq!(last(".import 'my d"), Some((9, "my d", Some('\''), 1)));
        assert_eq!(last(".import 'my d' t"), Some((15, "t", None, 2)));
        assert_eq!(last(".import "), Some((8, "", None, 1)));
        assert_eq!(last(".im"), Some((0, ".im", None, 0)));
        assert_eq!(last(".import my'é"), None);
        assert_eq!(last(".import 'é'x"), None);
    }

    #[test]
    fn every_command_is_found_by_its_name() {
        for command in COMMANDS {
            assert_eq!(find(command.name).map(|c| c.name), Ok(command.name));
        }
        assert_eq!(find(".ti").map(|c| c.name), Ok(".timer"));
        assert_eq!(
            find(".s").map(|c| c.name),
            Err(".s could be any of .schema, .show, .shell, .system".to_owned())
        );
        assert!(find(".nope").is_err_and(|e| e.contains("unknown")));
        assert!(find(".").is_err());
    }
}
