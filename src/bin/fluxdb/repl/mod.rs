//! The interactive shell.

mod complete;
mod highlight;

pub use complete::quote_name;

use std::path::{Path, PathBuf};

use fluxdb::StatementSplitter;
use rustyline::error::ReadlineError;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Editor, Helper, Highlighter, Hinter};

use crate::dot;
use crate::repl::complete::SqlCompleter;
use crate::repl::highlight::SqlHighlighter;
use crate::session::{Outcome, Session};
use crate::tell;

const PROMPT: &str = "flux> ";
const HISTORY_LINES: usize = 10_000;

/// Reads, runs and prints until the end of input or `.quit`.
pub fn run(session: &mut Session, database: Option<&Path>) -> Outcome {
    session.chatty = true;
    session.pager = Some(None);
    if let Some(path) = home_file(".fluxdbrc").filter(|p| p.exists()) {
        session.run_file(&path, true);
    }
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .auto_add_history(false)
        .max_history_size(HISTORY_LINES)
        .and_then(|b| b.history_ignore_dups(true))
        .map(rustyline::config::Builder::build);
    let editor = config.and_then(Editor::<LineHelper, _>::with_config);
    let mut editor = match editor {
        Ok(editor) => editor,
        Err(e) => {
            tell!("Error: cannot use the terminal: {e}");
            return Outcome::Failed;
        }
    };
    editor.set_helper(Some(LineHelper::new()));
    let history = home_file(".fluxdb_history");
    if let Some(path) = &history {
        // There is none at the first start.
        let _ = editor.load_history(path);
    }
    let name = database.map_or_else(|| "in memory".to_owned(), |p| p.display().to_string());
    let version = env!("CARGO_PKG_VERSION");
    // Where that cannot be written, the prompt cannot either, and says so.
    let _ =
        session.print(&format!("FluxDB {version} ({name}). Statements end with ';'. Type .help for help.\n"));

    let outcome = loop {
        if let Some(helper) = editor.helper_mut() {
            helper.completer.refresh(&session.connection);
        }
        match editor.readline(PROMPT) {
            Ok(line) => {
                let text = line.trim();
                if text.is_empty() {
                    continue;
                }
                let _ = editor.add_history_entry(text);
                let outcome = session.run_text(dot::meant(text).unwrap_or(text), true);
                if let Some(edited) = session.edited.take() {
                    let _ = editor.add_history_entry(edited);
                }
                if let Some(path) = &history {
                    // Saved as it grows: the terminal may be closed at any time.
                    let _ = editor.append_history(path);
                }
                match outcome {
                    Outcome::Ok | Outcome::Failed => {}
                    end @ (Outcome::Quit | Outcome::Closed) => break end,
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break Outcome::Ok,
            Err(e) => {
                tell!("Error: cannot read from the terminal: {e}");
                break Outcome::Failed;
            }
        }
    };
    // In an interactive session a failed statement is no failure of the session.
    if outcome == Outcome::Failed { Outcome::Failed } else { Outcome::Ok }
}

fn home_file(name: &str) -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(name))
}

/// What the line editor asks: completion, colours, and whether a statement is complete.
#[derive(Helper, Highlighter, Hinter, rustyline::Completer)]
struct LineHelper {
    #[rustyline(Completer)]
    completer: SqlCompleter,
    #[rustyline(Highlighter)]
    highlighter: SqlHighlighter,
    #[rustyline(Hinter)]
    hinter: rustyline::hint::HistoryHinter,
}

impl LineHelper {
    fn new() -> Self {
        Self {
            completer: SqlCompleter::default(),
            highlighter: SqlHighlighter,
            hinter: rustyline::hint::HistoryHinter::new(),
        }
    }
}

impl Validator for LineHelper {
    /// Enter ends the input once every statement in it is complete.
    fn validate(&self, context: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        if text.trim().is_empty() || text.trim_start().starts_with('.') || dot::meant(text).is_some() {
            return Ok(ValidationResult::Valid(None));
        }
        let mut splitter = StatementSplitter::default();
        splitter.push(text);
        while splitter.next_statement().is_some() {}
        Ok(match splitter.rest() {
            None => ValidationResult::Valid(None),
            Some(_) => ValidationResult::Incomplete,
        })
    }
}
