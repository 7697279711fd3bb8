//! Commands of the shell itself: a dot, a name, words.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use crate::format::Format;
use crate::session::{Output, Session};

/// Whether the shell goes on.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// It does.
    Go,
    /// It ends.
    Quit,
}

/// A command and its help.
pub struct DotCommand {
    pub name: &'static str,
    words: &'static str,
    help: &'static str,
    run: fn(&mut Session, &[String]) -> Result<Next, String>,
}

/// All commands, in the order of `.help`.
pub const COMMANDS: &[DotCommand] = &[
    DotCommand { name: ".help", words: "", help: "this list", run: help },
    DotCommand {
        name: ".tables",
        words: "[PATTERN]",
        help: "tables and views, by LIKE pattern",
        run: tables,
    },
    DotCommand { name: ".schema", words: "[TABLE]", help: "CREATE statements", run: schema },
    DotCommand {
        name: ".mode",
        words: "[FORMAT]",
        help: "how results look, or what they could look like",
        run: mode,
    },
    DotCommand { name: ".timer", words: "on|off", help: "time statements", run: timer },
    DotCommand {
        name: ".nullvalue",
        words: "TEXT",
        help: "what a NULL looks like in tables",
        run: nullvalue,
    },
    DotCommand { name: ".read", words: "FILE", help: "run the statements in a file", run: read },
    DotCommand { name: ".open", words: "[FILE]", help: "another database, or one in memory", run: open },
    DotCommand {
        name: ".output",
        words: "[FILE]",
        help: "results go to a file, or back to the screen",
        run: output,
    },
    DotCommand { name: ".once", words: "FILE", help: "the next result goes to a file", run: once },
    DotCommand { name: ".cd", words: "DIRECTORY", help: "change the working directory", run: cd },
    DotCommand { name: ".quit", words: "", help: "leave (also .exit, Ctrl-D)", run: quit },
    DotCommand { name: ".exit", words: "", help: "leave", run: quit },
];

/// Runs one line that begins with a dot.
pub fn run(session: &mut Session, line: &str) -> Next {
    let words = split_words(line.trim_end_matches(';'));
    let Some((name, words)) = words.split_first() else { return Next::Go };
    let done = match COMMANDS.iter().find(|c| c.name == name) {
        Some(command) => (command.run)(session, words)
            .map_err(|e| if e.is_empty() { format!("usage: {} {}", command.name, command.words) } else { e }),
        None => Err(format!("unknown command {name}; .help lists what there is")),
    };
    done.unwrap_or_else(|message| {
        eprintln!("Error: {message}");
        Next::Go
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

/// The only word, if there is exactly one. An empty error stands for the command's usage.
fn one(words: &[String]) -> Result<&str, String> {
    match words {
        [word] => Ok(word),
        _ => Err(String::new()),
    }
}

/// The only word, if there is one.
fn at_most_one(words: &[String]) -> Result<Option<&str>, String> {
    match words {
        [] => Ok(None),
        _ => one(words).map(Some),
    }
}

fn help(_: &mut Session, _: &[String]) -> Result<Next, String> {
    for command in COMMANDS {
        println!("{:24}{}", format!("{} {}", command.name, command.words), command.help);
    }
    println!(
        "Statements may take several lines and end with ';'. Tab completes, Ctrl-R searches the history,"
    );
    println!("Ctrl-C cancels a statement.");
    Ok(Next::Go)
}

fn tables(session: &mut Session, words: &[String]) -> Result<Next, String> {
    let pattern = at_most_one(words)?.unwrap_or("%").replace('\'', "''");
    session.run_statement(&format!(
        "SELECT table_name AS name, table_type AS kind FROM information_schema.tables \
         WHERE table_schema <> 'information_schema' AND table_name LIKE '{pattern}' ORDER BY table_name"
    ));
    Ok(Next::Go)
}

fn schema(session: &mut Session, words: &[String]) -> Result<Next, String> {
    let statements = session.connection.create_statements(at_most_one(words)?).map_err(|e| e.to_string())?;
    for statement in statements {
        println!("{statement};");
    }
    Ok(Next::Go)
}

fn mode(session: &mut Session, words: &[String]) -> Result<Next, String> {
    match at_most_one(words)? {
        None => {
            println!("{} (of {})", session.format.name(), Format::NAMES.join(", "));
        }
        Some(name) => {
            session.format = Format::from_name(name).ok_or_else(|| {
                format!("unknown format '{name}'; formats are {}", Format::NAMES.join(", "))
            })?;
        }
    }
    Ok(Next::Go)
}

fn timer(session: &mut Session, words: &[String]) -> Result<Next, String> {
    session.timer = match one(words)? {
        "on" => true,
        "off" => false,
        _ => return Err(String::new()),
    };
    Ok(Next::Go)
}

fn nullvalue(session: &mut Session, words: &[String]) -> Result<Next, String> {
    one(words)?.clone_into(&mut session.null);
    Ok(Next::Go)
}

fn read(session: &mut Session, words: &[String]) -> Result<Next, String> {
    session.run_file(Path::new(one(words)?), true);
    Ok(Next::Go)
}

fn open(session: &mut Session, words: &[String]) -> Result<Next, String> {
    let path = at_most_one(words)?.filter(|p| *p != ":memory:").map(PathBuf::from);
    let db = crate::open(path.as_deref(), false).map_err(|e| e.to_string())?;
    session.connection = db.connect();
    Ok(Next::Go)
}

fn create(path: &str) -> Result<Output, String> {
    let file = File::create(path).map_err(|e| format!("cannot write {path}: {e}"))?;
    Ok(Output::File(BufWriter::new(file)))
}

fn output(session: &mut Session, words: &[String]) -> Result<Next, String> {
    session.output = match at_most_one(words)? {
        None | Some("stdout") => Output::Stdout,
        Some(path) => create(path)?,
    };
    session.once = false;
    Ok(Next::Go)
}

fn once(session: &mut Session, words: &[String]) -> Result<Next, String> {
    session.output = create(one(words)?)?;
    session.once = true;
    Ok(Next::Go)
}

fn cd(_: &mut Session, words: &[String]) -> Result<Next, String> {
    let path = one(words)?;
    std::env::set_current_dir(path).map_err(|e| format!("cannot change to {path}: {e}"))?;
    Ok(Next::Go)
}

fn quit(_: &mut Session, _: &[String]) -> Result<Next, String> {
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
    fn every_command_is_found_by_its_name() {
        for (i, c) in COMMANDS.iter().enumerate() {
            assert_eq!(COMMANDS.iter().position(|o| o.name == c.name), Some(i));
        }
    }
}
