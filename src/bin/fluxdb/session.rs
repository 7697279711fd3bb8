//! Runs statements and writes what they return.

use std::io::{self, BufRead, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use fluxdb::{Connection, Error, StatementResult, StatementSplitter};

use crate::format::Format;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// How a statement, or a run of them, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Ok,
    /// A statement failed; the message has been printed.
    Failed,
    /// Nobody reads the output any more.
    Closed,
}

/// Where results go.
pub enum Output {
    /// Standard output.
    Stdout,
    /// A file, after `.output FILE` or `.once FILE`.
    File(BufWriter<std::fs::File>),
}

/// A connection and how its results are shown.
pub struct Session {
    pub connection: Connection,
    pub format: Format,
    pub null: String,
    pub timer: bool,
    /// Say what statements without rows did.
    pub chatty: bool,
    pub output: Output,
    /// The next result only goes to `output`.
    pub once: bool,
    pub interrupt: Interrupt,
}

impl Session {
    /// A session that writes to standard output.
    pub fn new(connection: Connection, format: Format, interrupt: Interrupt) -> Self {
        let null = if matches!(format, Format::Table | Format::Box) { "NULL" } else { "" };
        Self {
            connection,
            format,
            null: null.to_owned(),
            timer: false,
            chatty: false,
            output: Output::Stdout,
            once: false,
            interrupt,
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
                    eprintln!("Error: cannot read the statements: {e}");
                    return Outcome::Failed;
                }
            }
            line_number += 1;
            match std::str::from_utf8(&bytes) {
                Ok(line) => splitter.push(line),
                Err(e) => {
                    let at = e.valid_up_to() + 1;
                    eprintln!("Error: line {line_number} is not valid UTF-8 (byte {at} of the line)");
                    splitter = StatementSplitter::default();
                    worst = Outcome::Failed;
                    if !go_on {
                        return worst;
                    }
                }
            }
            while let Some(statement) = splitter.next_statement() {
                match self.run_statement(&statement) {
                    Outcome::Ok => {}
                    Outcome::Failed if go_on => worst = Outcome::Failed,
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
        match std::fs::File::open(path) {
            Ok(file) => self.run_reader(io::BufReader::new(file), go_on),
            Err(e) => {
                eprintln!("Error: cannot open {}: {e}", path.display());
                Outcome::Failed
            }
        }
    }

    /// Runs one statement: its result to the output, its error and its time to standard error.
    pub fn run_statement(&mut self, sql: &str) -> Outcome {
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
                eprintln!("{}", e.render(sql));
                Outcome::Failed
            }
            Err(Failure::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => return Outcome::Closed,
            Err(Failure::Output(e)) => {
                eprintln!("Error: cannot write the result: {e}");
                Outcome::Failed
            }
        };
        if self.timer {
            eprintln!("Run Time: real {:.6} s, rows {rows}", spent.as_secs_f64());
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
                if self.chatty {
                    println!("{} row{}", crate::format::thousands(n), if n == 1 { "" } else { "s" });
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        let mut stdout;
        let (out, to_terminal): (&mut dyn Write, bool) = match &mut self.output {
            Output::Stdout => {
                let to_terminal = io::stdout().is_terminal();
                stdout = BufWriter::with_capacity(1 << 16, io::stdout().lock());
                (&mut stdout, to_terminal)
            }
            Output::File(file) => (file, false),
        };
        let mut writer = self.format.writer(&self.null, terminal_width(to_terminal));
        let written = (|| {
            // The header waits for the first batch, so that a statement that fails at once prints none.
            let mut next = timed.run(|| result.next_batch());
            if let Some(Err(e)) = next {
                return Err(Failure::Statement(e));
            }
            progress.clear();
            writer.begin(result.columns(), out)?;
            while let Some(batch) = next {
                let batch = batch.map_err(Failure::Statement)?;
                *rows += batch.rows as u64;
                writer.batch(&batch, out)?;
                next = timed.run(|| result.next_batch());
            }
            writer.end(out)?;
            Ok(())
        })();
        // What came before an error is shown.
        let flushed = out.flush();
        if self.once {
            self.once = false;
            self.output = Output::Stdout;
        }
        written?;
        flushed?;
        Ok(())
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
