//! Importing line protocol from anything that can be read.

use std::io::Read;
use std::sync::{Arc, mpsc};

use crate::error::{Error, Result};
use crate::exec::error::ExecError;
use crate::io::line_protocol::{line_length, parse_line};
use crate::measurement::batch::{Batch, begin};
use crate::measurement::writer::{PointWriter, Rejected, now_nanos};

/// What one tick of a time in line protocol is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// A nanosecond: InfluxDB's default.
    #[default]
    Nanoseconds,
    /// A microsecond.
    Microseconds,
    /// A millisecond.
    Milliseconds,
    /// A second.
    Seconds,
}

impl Precision {
    /// From `ns`, `us`, `ms` or `s`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "ns" | "n" => Self::Nanoseconds,
            "us" | "u" | "µs" => Self::Microseconds,
            "ms" => Self::Milliseconds,
            "s" => Self::Seconds,
            _ => return None,
        })
    }

    fn nanos(self) -> i128 {
        match self {
            Self::Nanoseconds => 1,
            Self::Microseconds => 1_000,
            Self::Milliseconds => 1_000_000,
            Self::Seconds => 1_000_000_000,
        }
    }
}

/// How line protocol is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImportOptions {
    /// What the times count.
    pub precision: Precision,
}

/// What became of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Points that are in the database.
    pub points: u64,
    /// Lines that are not.
    pub rejected: u64,
    /// The first of these, with their lines.
    pub errors: Vec<Rejected>,
    /// Points whose times were finer than the `time` of their table, and were cut.
    pub cut_times: u64,
}

/// Errors that are kept.
const ERRORS_MAX: usize = 100;
/// A line may be that long.
const LINE_BYTES_MAX: usize = 64 << 20;

/// Reads all lines. Points become durable in batches of a row group or so; a line that is wrong is reported and
/// keeps no other from being written. While one batch is written, the next is read.
pub(crate) fn import(
    mut writer: PointWriter,
    input: impl Read,
    options: ImportOptions,
) -> Result<ImportReport> {
    let mut report = ImportReport::default();
    if writer.shared().settings.threads < 2 {
        report.rejected = read_lines(&mut writer, input, options, &mut report.errors, PointWriter::flush)?;
        writer.flush()?;
        report.points = writer.written();
    } else {
        let shared = Arc::clone(writer.shared());
        std::thread::scope(|scope| {
            // One batch is written, and no other waits for it: memory has two of them.
            let (batches, received) = mpsc::sync_channel::<Batch>(0);
            let commit_all = move || {
                let mut batches = received.into_iter().filter(|batch| batch.points > 0);
                batches.try_fold(0, |sum, batch| Ok(sum + batch.commit(begin(&shared)?)?))
            };
            let committer = std::thread::Builder::new()
                .name("fluxdb-import".into())
                .spawn_scoped(scope, commit_all)
                .map_err(|e| ExecError::Io(format!("cannot start a thread: {e}")))?;
            let hand_over = |writer: &mut PointWriter| {
                // Nobody takes it only where writing failed, which is told below.
                batches.send(writer.take_batch()).map_err(|_| ExecError::Cancelled.into())
            };
            let read = read_lines(&mut writer, input, options, &mut report.errors, hand_over)
                .and_then(|rejected| hand_over(&mut writer).map(|()| rejected));
            drop(batches);
            let written: Result<u64> =
                committer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            report.points = written?;
            report.rejected = read?;
            Ok::<_, Error>(())
        })?;
    }
    report.cut_times = writer.cut_times();
    Ok(report)
}

/// Gives all lines to the writer, and calls `hand_over` when it has enough points. Returns how many lines were wrong.
fn read_lines(
    writer: &mut PointWriter,
    mut input: impl Read,
    options: ImportOptions,
    errors: &mut Vec<Rejected>,
    hand_over: impl Fn(&mut PointWriter) -> Result<()>,
) -> Result<u64> {
    const CHUNK: usize = 1 << 20;
    let mut rejected = 0;
    let (now, nanos_per_tick) = (now_nanos(), options.precision.nanos());
    let mut bytes: Vec<u8> = Vec::with_capacity(2 * CHUNK);
    let mut line_number = 0_u64;
    let mut at_end = false;
    while !at_end {
        let filled = bytes.len();
        bytes.resize(filled + CHUNK, 0);
        let read = read_some(&mut input, &mut bytes[filled..])?;
        bytes.truncate(filled + read);
        at_end = read == 0;
        if at_end && !bytes.is_empty() && bytes.last() != Some(&b'\n') {
            bytes.push(b'\n');
        }
        let mut from = 0;
        loop {
            let rest = &bytes[from..];
            let (length, mut breaks) = match line_length(rest) {
                Some(line) => line,
                // A quote that is never closed: the line is cut at its first break, so that the next is read.
                None if at_end && !rest.is_empty() => (memchr::memchr(b'\n', rest).unwrap_or(rest.len()), 0),
                None => break,
            };
            line_number += 1;
            let line = &rest[..length];
            let outcome = parse_line(line).and_then(|line| match line {
                Some(line) => writer.add_line(&line, nanos_per_tick, now),
                None => Ok(()),
            });
            let mut taken = length;
            if let Err(message) = outcome {
                rejected += 1;
                if errors.len() < ERRORS_MAX {
                    errors.push(Rejected { place: line_number, message });
                }
                // A quote too many makes one line of several: those behind the first get a chance of their own.
                (taken, breaks) = (memchr::memchr(b'\n', line).unwrap_or(length), 0);
            }
            line_number += breaks;
            from += (taken + 1).min(rest.len());
            if writer.is_full() {
                hand_over(writer)?;
            }
        }
        bytes.drain(..from);
        if bytes.len() > LINE_BYTES_MAX {
            return Err(invalid(format!("line {} is longer than {LINE_BYTES_MAX} bytes", line_number + 1)));
        }
    }
    Ok(rejected)
}

fn read_some(input: &mut impl Read, into: &mut [u8]) -> Result<usize> {
    loop {
        match input.read(into) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(ExecError::Io(format!("cannot read line protocol: {e}")).into()),
            Ok(read) => return Ok(read),
        }
    }
}

fn invalid(message: String) -> Error {
    ExecError::InvalidInput(message).into()
}
