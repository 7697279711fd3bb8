//! The shell: `fluxdb [OPTIONS] [DATABASE] [SQL]...`.

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
mod made;
mod measurements;
mod pager;
mod plot;
mod progress;
mod repl;
mod salvage;
mod session;
mod subcommands;
mod tour;

use std::io::{self, BufReader, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use fluxdb::{Database, Options};

use crate::args::{Command, Input, Invocation};
use crate::format::Format;
use crate::interrupt::Interrupt;
use crate::made::Made;
use crate::session::{Outcome, Session};
use crate::subcommands::SUBCOMMANDS;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Without it, a file that others cut would end the process instead of the statement.
    let _ = fluxdb::catch_sigbus();
    match args::parse() {
        Ok(Command::Help) => shown(&args::help()),
        Ok(Command::HelpOf(subcommand)) => shown(&subcommand.long_help()),
        Ok(Command::Version) => shown(&format!("{}\n", args::version())),
        Ok(Command::Run(invocation)) => run(&invocation),
        Ok(Command::Subcommand(subcommand, words)) => (subcommand.run)(&words),
        Err(message) => bad_usage(&message, None),
    }
}

fn shown(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

/// Says what is wrong with the command line, which may be that of a subcommand.
fn bad_usage(message: &str, subcommand: Option<&str>) -> ExitCode {
    let of = subcommand.map_or_else(String::new, |name| format!("{name} "));
    eprintln!("Error: {message}\nTry 'fluxdb {of}--help'.");
    ExitCode::from(2)
}

/// Opens the database at `path`, or one in memory; says if it made that file.
fn open(path: Option<&Path>, options: Options) -> Result<(Database, Option<Made>), fluxdb::Error> {
    match path {
        Some(path) => {
            let (db, made) = made::open(path, options)?;
            if !db.recovery().is_clean() {
                eprintln!("{}: {}", path.display(), db.recovery());
            }
            Ok((db, made))
        }
        None => Ok((Database::open_in_memory()?, None)),
    }
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
            eprintln!("Error: {e}");
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
        eprintln!("HINT: '{database}' was taken for a new database; the subcommand is '{meant}'.");
    }
    if let (true, Some(made)) = ((failed || outcome == Outcome::Failed) && !interactive, made) {
        made.undo(session.database());
    }
    match (outcome, session.close()) {
        (_, Err(e)) => {
            eprintln!("Error: {e}");
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
