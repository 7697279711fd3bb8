//! Runs statements and writes what they return.

use std::io::{self, BufRead, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fluxdb::{Batch, Connection, Database, Error, Field, Options, StatementResult, StatementSplitter};

use crate::dot;
use crate::format::{Columns, Display, Format, plural, thousands};
use crate::interrupt::Interrupt;
use crate::pager::{self, Paged};
use crate::progress::Progress;
use crate::tell;

/// How a statement, or a run of them, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Ok,
    /// A statement failed; the message has been printed.
    Failed,
    /// Nobody reads the output any more.
    Closed,
    /// The user wants to leave.
    Quit,
}

impl Outcome {
    /// The exit status of a program that ends with this. Who has seen enough has not been failed.
    pub fn status(self) -> ExitCode {
        match self {
            Self::Failed => ExitCode::FAILURE,
            Self::Ok | Self::Closed | Self::Quit => ExitCode::SUCCESS,
        }
    }
}

/// Files of statements that read others, one inside another.
const READ_DEPTH_MAX: usize = 16;

/// Where results go.
pub enum Output {
    /// Standard output.
    Stdout,
    /// A file, after `.output FILE` or `.once FILE`.
    File(BufWriter<std::fs::File>),
}

/// Rows of the last result that are kept for `.plot`.
const KEPT_ROWS_MAX: usize = 100_000;

/// The last result, or its beginning.
pub struct LastResult {
    pub fields: Vec<Field>,
    pub batches: Vec<Batch>,
    /// There were more rows than are kept.
    pub cut: bool,
}

/// A database, a connection to it, and how its results are shown.
pub struct Session {
    database: Database,
    pub connection: Connection,
    pub display: Display,
    pub timer: bool,
    /// Databases that are opened are read through a mapping.
    pub memory_map: bool,
    /// Say what statements without rows did.
    pub chatty: bool,
    /// Say how many rows were changed, by a statement and in all.
    pub changes: bool,
    total_changes: u64,
    /// Print statements before they run.
    pub echo: bool,
    /// Stop at the first error, of a file or of standard input, whatever else was said.
    pub bail: bool,
    pub output: Output,
    /// The next result only goes to `output`.
    pub once: bool,
    /// Whether long output goes through a pager, and through which if not the usual one.
    pub pager: Option<Option<String>>,
    /// The last statement, for `.edit`.
    pub last_sql: Option<String>,
    /// What it returned, for `.plot`.
    pub last_result: Option<LastResult>,
    /// What was written in an editor and run, for the history.
    pub edited: Option<String>,
    /// Whether any statement or command has failed.
    pub failed: bool,
    /// Files that are being read.
    depth: usize,
    interrupt: Interrupt,
}

impl Session {
    /// A session that writes to standard output.
    pub fn new(database: Database, format: Format, interrupt: Interrupt) -> Self {
        let null = format.default_null().to_owned();
        Self {
            connection: database.connect(),
            database,
            display: Display { format, null, ..Display::default() },
            timer: false,
            chatty: false,
            changes: false,
            total_changes: 0,
            echo: false,
            bail: false,
            output: Output::Stdout,
            once: false,
            pager: None,
            last_sql: None,
            edited: None,
            last_result: None,
            failed: false,
            memory_map: true,
            depth: 0,
            interrupt,
        }
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Opens another database in the place of this one, which stays if that fails.
    pub fn open(&mut self, path: Option<&Path>, readonly: bool) -> Result<(), Error> {
        let memory_map = self.memory_map;
        let options = |readonly| Options::default().read_only(readonly).memory_map(memory_map);
        let same =
            |a: &Path, b: &Path| a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b));
        if let (Some(new), Some(old)) = (path, self.database.path())
            && same(new, old)
        {
            // A file cannot be open twice; this one is closed first.
            let old = old.to_owned();
            let was_readonly = self.database.is_read_only();
            self.set_database(Database::open_in_memory()?);
            let opened = crate::open(Some(new), options(readonly));
            let database = match opened {
                Ok((database, _)) => database,
                Err(e) => {
                    self.set_database(crate::open(Some(&old), options(was_readonly))?.0);
                    return Err(e);
                }
            };
            self.set_database(database);
            return Ok(());
        }
        self.set_database(crate::open(path, options(readonly))?.0);
        Ok(())
    }

    fn set_database(&mut self, database: Database) {
        self.connection = database.connect();
        self.database = database;
    }

    /// Writes what is left and closes the database.
    pub fn close(mut self) -> Result<(), Error> {
        if let Err(message) = self.flush()
            && !self.failed
        {
            // What failed before has been told.
            tell!("Error: {message}");
        }
        let Self { database, connection, .. } = self;
        drop(connection);
        database.close()
    }

    /// Runs something with results shown in another way.
    pub fn with_display<T>(&mut self, display: Display, run: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.display, display);
        let result = run(self);
        self.display = before;
        result
    }

    /// Writes text to where results go, through the pager if it is longer than the screen.
    pub fn print_long(&mut self, text: &str) -> Result<(), String> {
        match self.paged() {
            Some(mut paged) => told(paged.write_all(text.as_bytes()).and_then(|()| paged.finish())),
            None => self.print(text),
        }
    }

    /// The pager for output of now, if there is to be one.
    fn paged(&self) -> Option<Paged> {
        let command = pager::command(self.pager.as_ref()?.as_deref());
        let to_screen = matches!(self.output, Output::Stdout) && io::stdout().is_terminal();
        let (_, height) = terminal_size::terminal_size().filter(|_| to_screen)?;
        Some(Paged::new(command, usize::from(height.0)))
    }

    /// Writes text to where results go.
    pub fn print(&mut self, text: &str) -> Result<(), String> {
        told(self.write(text))
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        match &mut self.output {
            Output::Stdout => io::stdout().lock().write_all(text.as_bytes()),
            Output::File(file) => file.write_all(text.as_bytes()),
        }
    }

    /// Hands all output on.
    pub fn flush(&mut self) -> Result<(), String> {
        told(match &mut self.output {
            Output::Stdout => io::stdout().lock().flush(),
            Output::File(file) => file.flush(),
        })
    }

    /// Runs a line that begins with a dot.
    pub fn run_command(&mut self, line: &str) -> Outcome {
        match dot::run(self, line) {
            Ok(dot::Next::Go) => Outcome::Ok,
            Ok(dot::Next::Quit) => Outcome::Quit,
            Ok(dot::Next::Failed) => Outcome::Failed,
            Err(message) => {
                tell!("Error: {message}");
                self.failed = true;
                Outcome::Failed
            }
        }
    }

    /// Runs all statements of a text. Stops at the first error unless `go_on`.
    pub fn run_text(&mut self, text: &str, go_on: bool) -> Outcome {
        self.run_reader(text.as_bytes(), go_on)
    }

    /// Runs statements as they arrive. Each is run as soon as its `;` has been read.
    pub fn run_reader(&mut self, mut reader: impl BufRead, go_on: bool) -> Outcome {
        let mut splitter = StatementSplitter::default();
        let mut worst = Outcome::Ok;
        let mut bytes = vec![];
        let mut line_number = 0_u64;
        loop {
            bytes.clear();
            match reader.read_until(b'\n', &mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                Err(e) => {
                    tell!("Error: cannot read the statements: {e}");
                    return Outcome::Failed;
                }
            }
            line_number += 1;
            match std::str::from_utf8(&bytes) {
                Ok(line)
                    if !splitter.is_pending() && !splitter.is_inside_token() && line.starts_with('.') =>
                {
                    // Blanks and comments before it are done with.
                    splitter.clear();
                    match self.run_command(line) {
                        Outcome::Ok => {}
                        Outcome::Failed if go_on && !self.bail => worst = Outcome::Failed,
                        end => return end,
                    }
                }
                Ok(line) => splitter.push(line),
                Err(e) => {
                    let at = e.valid_up_to() + 1;
                    tell!("Error: line {line_number} is not valid UTF-8 (byte {at} of the line)");
                    splitter = StatementSplitter::default();
                    worst = Outcome::Failed;
                    self.failed = true;
                    if !go_on || self.bail {
                        return worst;
                    }
                }
            }
            while let Some(statement) = splitter.next_statement() {
                match self.run_statement(&statement) {
                    Outcome::Ok => {}
                    Outcome::Failed if go_on && !self.bail => worst = Outcome::Failed,
                    end => return end,
                }
            }
        }
        match splitter.rest() {
            Some(statement) => match self.run_statement(&statement) {
                Outcome::Ok => worst,
                end => end,
            },
            None => worst,
        }
    }

    /// Runs the statements of a file.
    pub fn run_file(&mut self, path: &Path, go_on: bool) -> Outcome {
        if self.depth == READ_DEPTH_MAX {
            tell!("Error: {} is read inside {READ_DEPTH_MAX} other files", path.display());
            self.failed = true;
            return Outcome::Failed;
        }
        let opened = std::fs::File::open(path).and_then(|file| {
            if file.metadata()?.is_dir() {
                Err(io::Error::from(io::ErrorKind::IsADirectory))
            } else {
                Ok(file)
            }
        });
        match opened {
            Ok(file) => {
                self.depth += 1;
                let outcome = self.run_reader(io::BufReader::new(file), go_on);
                self.depth -= 1;
                outcome
            }
            Err(e) => {
                tell!("Error: cannot open {}: {e}", path.display());
                self.failed = true;
                Outcome::Failed
            }
        }
    }

    /// Runs one statement: its result to the output, its error and its time to standard error.
    pub fn run_statement(&mut self, sql: &str) -> Outcome {
        // Behind the one before it lies the end of a line, which is none of its own.
        let sql = sql.trim_start();
        if self.echo && self.write(&format!("{}\n", sql.trim())).is_err() {
            return Outcome::Closed;
        }
        self.last_sql = Some(sql.trim().to_owned());
        self.interrupt.statement_begins(self.connection.cancel_handle());
        let mut progress = Progress::start(&self.connection);
        let mut spent = Duration::ZERO;
        let mut rows = 0;
        let done = self.execute(sql, &mut spent, &mut rows, &mut progress);
        drop(progress);
        self.interrupt.statement_ended();
        let outcome = match done {
            Ok(()) => Outcome::Ok,
            Err(Failure::Statement(e)) => {
                tell!("{}", e.render(sql));
                if let Some(command) = dot::meant(sql) {
                    tell!("HINT: {command} is a command of the shell, with a dot and on a line of its own.");
                }
                Outcome::Failed
            }
            Err(Failure::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => return Outcome::Closed,
            Err(Failure::Output(e)) => {
                tell!("Error: cannot write the result: {e}");
                Outcome::Failed
            }
        };
        self.failed |= outcome == Outcome::Failed;
        if let Some(profile) = self.connection.last_profile() {
            tell!("{}", profile.trim_end());
        }
        if self.timer {
            tell!("Run Time: real {:.6} s, rows {rows}", spent.as_secs_f64());
        }
        outcome
    }

    fn execute(
        &mut self,
        sql: &str,
        spent: &mut Duration,
        rows: &mut u64,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let mut timed = Stopwatch(spent);
        let result = timed.run(|| self.connection.run(sql)).map_err(Failure::Statement)?;
        let mut result = match result {
            StatementResult::Rows(rows) => rows,
            StatementResult::Changed(n) => {
                progress.clear();
                self.total_changes += n;
                if self.changes {
                    writeln!(io::stdout(), "changes: {n}   total changes: {}", self.total_changes)?;
                } else if self.chatty {
                    writeln!(io::stdout(), "{} {}", thousands(n), plural(n, "row"))?;
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        let mut kept = LastResult { fields: result.columns().to_vec(), batches: vec![], cut: false };
        let mut kept_rows = 0;
        // A table that is cut to its first and last rows is meant to be seen at once.
        let is_cut = self.display.format == Format::Table && self.display.max_rows > 0;
        let mut paged = if is_cut { None } else { self.paged() };
        let mut stdout;
        let (out, to_terminal): (&mut dyn Write, bool) = match (&mut self.output, &mut paged) {
            (_, Some(paged)) => (paged, true),
            (Output::Stdout, None) => {
                let to_terminal = io::stdout().is_terminal();
                stdout = BufWriter::with_capacity(1 << 16, io::stdout().lock());
                (&mut stdout, to_terminal)
            }
            (Output::File(file), None) => (file, false),
        };
        let columns = Columns::of(&result);
        let mut writer = self.display.writer(&columns, terminal_width(to_terminal));
        let written = (|| {
            // The header waits for the first batch, so that a statement that fails at once prints none.
            let mut next = timed.run(|| result.next_batch());
            if let Some(Err(e)) = next {
                return Err(Failure::Statement(e));
            }
            progress.clear();
            writer.begin(&columns, out)?;
            while let Some(batch) = next {
                let batch = batch.map_err(Failure::Statement)?;
                *rows += batch.rows as u64;
                if kept_rows < KEPT_ROWS_MAX {
                    kept_rows += batch.rows;
                    kept.batches.push(batch.clone());
                } else {
                    kept.cut = true;
                }
                writer.batch(&batch, out)?;
                next = timed.run(|| result.next_batch());
            }
            writer.end(out)?;
            Ok(())
        })();
        // What came before an error is shown.
        let flushed = out.flush().and_then(|()| paged.map_or(Ok(()), Paged::finish));
        self.last_result = Some(kept);
        if self.once {
            self.once = false;
            self.output = Output::Stdout;
        }
        written?;
        flushed?;
        Ok(())
    }
}

/// The message of an error of writing results. Whoever closed the other end has seen enough, which is none.
fn told(written: io::Result<()>) -> Result<(), String> {
    match written {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(format!("cannot write the result: {e}")),
        _ => Ok(()),
    }
}

enum Failure {
    Statement(Error),
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Self::Output(e)
    }
}

/// Adds up the time of what it runs.
struct Stopwatch<'a>(&'a mut Duration);

impl Stopwatch<'_> {
    fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        *self.0 += start.elapsed();
        result
    }
}

/// Characters in a line of the terminal; a pipe is given a common width.
fn terminal_width(to_terminal: bool) -> usize {
    let size = if to_terminal { terminal_size::terminal_size() } else { None };
    size.map_or(120, |(w, _)| usize::from(w.0))
}
