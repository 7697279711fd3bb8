//! The shell: `fluxdb [OPTIONS] [DATABASE] [SQL]...`.

// These panic where nobody reads any more; see `say`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod allocator;
mod args;
mod backup;
mod bench;
mod check;
mod completions;
mod demo;
mod dot;
mod export;
mod format;
mod interrupt;
mod load;
mod made;
mod measurements;
mod pager;
mod plot;
mod progress;
mod repl;
mod salvage;
mod say;
mod session;
mod subcommands;
mod tour;

use std::io::{self, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use fluxdb::{Database, Options};

use crate::args::{Command, Input, Invocation};
use crate::format::Format;
use crate::interrupt::Interrupt;
use crate::made::Made;
use crate::say::{Done, Ended};
use crate::session::{Outcome, Session};
use crate::subcommands::{SUBCOMMANDS, Subcommand};

fn main() -> ExitCode {
    allocator::keep_free_memory();
    // Without it, a file that others cut would end the process instead of the statement.
    let _ = fluxdb::catch_sigbus();
    match args::parse() {
        Ok(Command::Help) => status(None, |out| shown(&args::help(), out)),
        Ok(Command::HelpOf(subcommand)) => status(None, |out| shown(&subcommand.long_help(), out)),
        Ok(Command::Version) => status(None, |out| shown(&format!("{}\n", args::version()), out)),
        Ok(Command::Run(invocation)) => run(&invocation),
        Ok(Command::Subcommand(subcommand, words)) => {
            status(Some(subcommand), |out| (subcommand.run)(&words, out))
        }
        Err(message) => bad_usage(&message, None),
    }
}

fn shown(text: &str, out: &mut dyn Write) -> Done {
    out.write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The exit status of what writes to standard output, and its message if it failed.
fn status(subcommand: Option<&Subcommand>, work: impl FnOnce(&mut dyn Write) -> Done) -> ExitCode {
    // Not locked for so long: statements write to it too.
    let mut out = io::stdout();
    let done = work(&mut out);
    match done.and_then(|status| Ok(out.flush().map(|()| status)?)) {
        Ok(status) => status,
        Err(Ended::Closed) => ExitCode::SUCCESS,
        Err(Ended::Usage(message)) => {
            let usage = || format!("usage: {}", subcommand.map(Subcommand::usage).unwrap_or_default());
            bad_usage(&message.unwrap_or_else(usage), subcommand.map(|s| s.name))
        }
        Err(Ended::Failed(message)) => {
            tell!("Error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Says what is wrong with the command line, which may be that of a subcommand.
fn bad_usage(message: &str, subcommand: Option<&str>) -> ExitCode {
    let of = subcommand.map_or_else(String::new, |name| format!("{name} "));
    tell!("Error: {message}\nTry 'fluxdb {of}--help'.");
    ExitCode::from(2)
}

/// Opens the database at `path`, or one in memory; says if it made that file.
fn open(path: Option<&Path>, options: Options) -> Result<(Database, Option<Made>), fluxdb::Error> {
    match path {
        Some(path) => {
            let (db, made) = made::open(path, options)?;
            if !db.recovery().is_clean() {
                tell!("{}: {}", path.display(), db.recovery());
            }
            Ok((db, made))
        }
        None => Ok((Database::open_in_memory()?, None)),
    }
}

/// Whether another process has the file open.
pub fn is_in_use(e: &fluxdb::Error) -> bool {
    e.sqlstate() == "55006"
}

fn run(invocation: &Invocation) -> ExitCode {
    let meant = invocation.database.as_deref().and_then(subcommand_like);
    let options = Options::default()
        .read_only(invocation.readonly)
        .recover(invocation.recover)
        .memory_map(!invocation.no_mmap);
    let (db, made) = match open(invocation.database.as_deref(), options) {
        Ok(opened) => opened,
        Err(e) => {
            tell!("Error: {e}");
            if is_in_use(&e) && !invocation.readonly {
                tell!("HINT: --readonly reads it beside the process that writes.");
            }
            return ExitCode::FAILURE;
        }
    };
    let to_terminal = io::stdout().is_terminal();
    let format = invocation.format.unwrap_or(if to_terminal { Format::Table } else { Format::Csv });
    let mut session = Session::new(db, format, Interrupt::install());
    session.timer = invocation.timer;
    session.memory_map = !invocation.no_mmap;

    let interactive = invocation.inputs.is_empty() && io::stdin().is_terminal() && !invocation.batch;
    let outcome = if interactive {
        repl::run(&mut session, invocation.database.as_deref())
    } else if invocation.inputs.is_empty() {
        session.run_reader(BufReader::new(io::stdin().lock()), invocation.batch)
    } else {
        run_inputs(&mut session, &invocation.inputs, invocation.batch)
    };
    let failed = session.failed && !interactive;
    if let (true, Some(meant)) = (failed, meant) {
        let database = invocation.database.as_deref().unwrap_or(Path::new("")).display();
        tell!("HINT: '{database}' was taken for a new database; the subcommand is '{meant}'.");
    }
    if let (true, Some(made)) = ((failed || outcome == Outcome::Failed) && !interactive, made) {
        made.undo(session.database());
    }
    match (outcome, session.close()) {
        (_, Err(e)) => {
            tell!("Error: {e}");
            ExitCode::FAILURE
        }
        (Outcome::Failed, Ok(())) => ExitCode::FAILURE,
        (Outcome::Quit, Ok(())) if failed => ExitCode::FAILURE,
        (Outcome::Ok | Outcome::Closed | Outcome::Quit, Ok(())) => ExitCode::SUCCESS,
    }
}

/// The subcommand that the name of a database that is not there may be a mistake for.
fn subcommand_like(path: &Path) -> Option<&'static str> {
    let name = path.to_str().filter(|_| !path.exists())?;
    let near = SUBCOMMANDS.iter().map(|s| (strsim::damerau_levenshtein(s.name, name), s.name)).min()?;
    (near.0 <= 1 + name.len() / 5).then_some(near.1)
}

fn run_inputs(session: &mut Session, inputs: &[Input], go_on: bool) -> Outcome {
    let mut worst = Outcome::Ok;
    for input in inputs {
        let outcome = match input {
            Input::Sql(sql) => session.run_text(sql, go_on),
            Input::File(path) => session.run_file(path, go_on),
        };
        match outcome {
            Outcome::Ok => {}
            Outcome::Failed if go_on => worst = Outcome::Failed,
            end => return end,
        }
    }
    worst
}
