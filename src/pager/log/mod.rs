//! The write-ahead log: commits that need no superblock.
//!
//! The log is one extent, which the superblock names. Its frames ([`frame`]) are commits that follow that of the
//! superblock; each new superblock begins the log anew, so what its frames said must be part of the new commit.
//! The extent is written with zeros before it is used, so that appending to it changes nothing about the file but these
//! bytes.
//!
//! A commit is *staged* ([`Pager::log_append`]): its frame has a place, and later frames come behind it. Then its owner
//! *waits* ([`Pager::log_wait`]). Whoever waits and finds that nobody writes, writes and syncs all that is staged, for
//! all others: so a hundred committers need few syncs.
//!
//! Invariants:
//! 1. Frames are written in order, by one thread at a time.
//! 2. A frame that could not be written is lost, and so are those behind it; whoever waits for one learns it.
//! 3. If frames that had been promised are lost, or it is not known what became of them, nothing is written any more.

pub(super) mod frame;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::frame::{FrameHeader, LogContent, LogEnd, PAYLOAD_BYTES_MAX, SECTOR, write_frame};
use super::create::random_salt;
use super::error::{PagerError, Result};
use super::file::{Announced, Peers};
use super::metrics;
use super::store::{Inner, Pager};
use super::superblock::Superblock;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// How long what was written may wait for a sync while commits that do not ask for one go on.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// Bytes of commits that may wait in memory where nobody asks for more.
const HELD_BYTES_MAX: usize = 256 << 10;

/// When a commit counts as done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Synchronous {
    /// When it has its place in the log. A killed process, as well as a power cut, may lose the last commits.
    Off,
    /// When the operating system has it. A power cut may lose the last commits, a killed process does not.
    Normal,
    /// When it is durable. Nothing is lost.
    #[default]
    Full,
}

/// Frames that are written together, and who waits for that.
#[derive(Debug, Default)]
struct Group {
    /// They are lost.
    error: OnceLock<PagerError>,
    /// Told to all of them when they are written, or to one who is to write them.
    changed: Condvar,
}

/// A frame that was staged.
#[derive(Debug, Clone)]
pub struct Ticket {
    epoch: u64,
    number: u64,
    /// The last frame before it whose owner waits until it is durable.
    behind: u64,
    group: Arc<Group>,
}

impl Ticket {
    /// Its number, from 1 in each log.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Why it will never be durable, if that is so.
    pub fn loss(&self) -> Option<&PagerError> {
        self.group.error.get()
    }
}

/// A frame that was written together with the superblock that it follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carried {
    pub(super) bytes: u64,
    pub(super) checksum: u32,
}

/// Where in a log of so many bytes it is noted which frames are durable: in its last sector, far from the frames, and
/// without a sync of its own. So a page that is lost with the last frames, which begins within one, is no crash.
fn note_at(bytes: u64) -> u64 {
    bytes.saturating_sub(SECTOR as u64)
}

/// A frame without payload.
fn frame_of(database: &[u8; 16], header: &FrameHeader) -> Vec<u8> {
    let mut frame = vec![];
    write_frame(&mut frame, database, header, &[]);
    frame
}

/// Whether a frame with such a payload goes into so much room, with the mark behind it, before the note.
pub(super) fn fits(payload: usize, room: u64) -> bool {
    payload <= PAYLOAD_BYTES_MAX && FrameHeader::bytes_max(payload) as u64 <= note_at(room)
}

/// The log of an open file.
#[derive(Debug)]
pub(super) struct Log {
    state: Mutex<State>,
    /// Told to those who wait for something else than the frames of one group.
    idle: Condvar,
}

#[derive(Debug)]
struct State {
    database: [u8; 16],
    epoch: u64,
    /// Where the log lies in the file, in bytes.
    start: u64,
    /// Its length in bytes; 0 if there is none.
    bytes: u64,
    /// Its end is marked. To one whose is not nothing is added.
    marked: bool,
    /// Where the next frame begins, in bytes of the log.
    end: u64,
    /// Checksums of the last frame that was staged and of the last that was written.
    previous: u32,
    written_previous: u32,
    /// Frames that nobody has begun to write, which end at `end`.
    pending: Vec<u8>,
    /// Numbers of the last frame that was staged, written, and known to be durable.
    staged: u64,
    written: u64,
    durable: u64,
    /// The last frame whose owner was told that it is committed.
    promised: u64,
    /// The last frame whose owner waits until it is durable.
    awaited: u64,
    /// The frames in `pending`.
    group: Arc<Group>,
    /// Another after each loss.
    salt: u32,
    /// Somebody writes.
    busy: bool,
    synced_at: Instant,
}

impl State {
    /// Has one of those whose frames nobody has begun to write see to them, unless somebody writes and will do that then.
    fn call_next(&self) {
        if !self.busy && !self.pending.is_empty() {
            self.group.changed.notify_one();
        }
    }
}

impl Log {
    /// The log of a file that was just opened. `salt` is any number.
    pub(super) fn new(superblock: &Superblock, salt: u32) -> Self {
        let state = State {
            database: superblock.database_id,
            epoch: 0,
            start: 0,
            bytes: 0,
            marked: false,
            end: 0,
            previous: 0,
            written_previous: 0,
            pending: vec![],
            staged: 0,
            written: 0,
            durable: 0,
            promised: 0,
            awaited: 0,
            group: Arc::default(),
            salt,
            busy: false,
            synced_at: Instant::now(),
        };
        let log = Self { state: Mutex::new(state), idle: Condvar::new() };
        log.restart(superblock, None);
        log
    }

    /// Begins the log of a superblock, which may have a frame that is durable.
    pub(super) fn restart(&self, superblock: &Superblock, carried: Option<Carried>) {
        let mut state = self.state.lock();
        debug_assert!(state.pending.is_empty() && !state.busy, "the log was settled");
        let page_size = u64::from(superblock.page_size);
        (state.start, state.bytes) =
            superblock.log.map_or((0, 0), |log| (log.start.0 * page_size, log.pages * page_size));
        state.marked = superblock.is_log_marked();
        state.epoch = superblock.sequence;
        (state.end, state.previous, state.written_previous) = (0, 0, 0);
        (state.staged, state.written, state.durable) = (0, 0, 0);
        (state.promised, state.awaited) = (0, 0);
        if let Some(Carried { bytes, checksum }) = carried {
            (state.end, state.previous, state.written_previous) = (bytes, checksum, checksum);
            (state.staged, state.written, state.durable, state.promised) = (1, 1, 1, 1);
        }
        state.group = Arc::default();
        drop(state);
        self.idle.notify_all();
    }

    /// The mark at the beginning of the log of a superblock to be.
    pub(super) fn first_mark(&self, epoch: u64) -> Vec<u8> {
        let state = self.state.lock();
        frame_of(&state.database, &FrameHeader::mark(epoch, 0, state.salt))
    }

    /// Where in a log of so many bytes the note is that its first frame is durable, and the note. It may be written
    /// before that is so: without its superblock it says nothing.
    pub(super) fn first_note(&self, epoch: u64, bytes: u64, carried: Carried) -> (u64, Vec<u8>) {
        let state = self.state.lock();
        let note = FrameHeader { durable: 1, ..FrameHeader::mark(epoch, carried.checksum, state.salt) };
        (note_at(bytes), frame_of(&state.database, &note))
    }

    /// The first frame of the log of a superblock to be with the mark behind it, and what is to be known of the frame.
    pub(super) fn first_frame(&self, epoch: u64, payload: &[u8]) -> (Vec<u8>, Carried) {
        let state = self.state.lock();
        let header = FrameHeader {
            number: 1,
            length: payload.len(),
            extra: FrameHeader::extra_at(0, payload.len()),
            ..FrameHeader::mark(epoch, 0, state.salt)
        };
        let mut frame = vec![];
        let checksum = write_frame(&mut frame, &state.database, &header, payload);
        let bytes = frame.len() as u64;
        write_frame(&mut frame, &state.database, &FrameHeader::mark(epoch, checksum, state.salt), &[]);
        (frame, Carried { bytes, checksum })
    }

    /// Says behind the last frame that the log of a later commit is another. The commit stands whatever comes of this.
    pub(super) fn mark_end(&self, inner: &Inner, epoch: u64) {
        let state = self.state.lock();
        if state.bytes.saturating_sub(state.end) < frame::FRAME_HEADER_BYTES as u64 {
            return;
        }
        let mark = frame_of(&state.database, &FrameHeader::mark(epoch, state.previous, state.salt));
        let offset = state.start + state.end;
        drop(state);
        if let Err(error) = inner.file.write_all_at(offset, &mark) {
            inner.close_latch(&PagerError::io("write to the log of", &inner.name, error));
        }
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_settled(&self) -> bool {
        let state = self.state.lock();
        state.pending.is_empty() && !state.busy
    }

    /// Goes on behind the frames that were found.
    fn resume(&self, content: &LogContent) {
        let mut state = self.state.lock();
        let last = content.frames.last().map_or(0, |frame| frame.header.checksum);
        state.end = content.end as u64;
        (state.previous, state.written_previous) = (last, last);
        let count = content.frames.len() as u64;
        (state.staged, state.written, state.durable, state.promised) = (count, count, 0, count);
    }

    /// The payloads of frames that another process has written behind those that are known, up to the one of that number.
    pub(super) fn read_more(&self, inner: &Inner, up_to: u64) -> Result<Vec<Bytes>> {
        let mut state = self.state.lock();
        let read = |offset: u64, bytes: usize| {
            let mut buffer = vec![0; bytes];
            let read = inner.file.read_at(offset, &mut buffer);
            read.map(|()| buffer).map_err(|error| PagerError::io("read", &inner.name, error))
        };
        let mut payloads = vec![];
        while state.written < up_to && state.bytes - state.end >= frame::FRAME_HEADER_BYTES as u64 {
            let at = state.start + state.end;
            let header = read(at, frame::FRAME_HEADER_BYTES)?;
            let expected = (state.epoch, state.written + 1);
            let Some(header) = FrameHeader::peek(&header, &state.database)
                .filter(|header| (header.epoch, header.number) == expected)
            else {
                break;
            };
            let size = header.bytes();
            if size as u64 > state.bytes - state.end {
                break;
            }
            let bytes = Bytes::from(read(at, size)?);
            let Some(header) = FrameHeader::parse(&bytes, &state.database) else { break };
            if header.previous != state.previous {
                break;
            }
            (state.previous, state.written_previous) = (header.checksum, header.checksum);
            state.end += size as u64;
            state.written += 1;
            state.staged = state.written;
            payloads.push(bytes.slice(frame::FRAME_HEADER_BYTES..frame::FRAME_HEADER_BYTES + header.length));
        }
        Ok(payloads)
    }

    fn append(&self, payload: &[u8], level: Synchronous, behind: Option<&Ticket>) -> Result<Option<Ticket>> {
        let mut state = self.state.lock();
        // Whether that is so changes only while this lock is held.
        if let Some(error) = behind.and_then(Ticket::loss) {
            return Err(error.clone());
        }
        if !state.marked || !fits(payload.len(), state.bytes.saturating_sub(state.end)) {
            return Ok(None);
        }
        let state = &mut *state;
        let header = FrameHeader {
            epoch: state.epoch,
            number: state.staged + 1,
            durable: state.durable,
            previous: state.previous,
            salt: state.salt,
            checksum: 0,
            length: payload.len(),
            extra: FrameHeader::extra_at(state.end, payload.len()),
        };
        state.previous = write_frame(&mut state.pending, &state.database, &header, payload);
        state.end += header.bytes() as u64;
        state.staged += 1;
        let ticket = Ticket {
            epoch: state.epoch,
            number: state.staged,
            behind: state.awaited,
            group: Arc::clone(&state.group),
        };
        if level == Synchronous::Full {
            state.awaited = state.staged;
        }
        Ok(Some(ticket))
    }

    fn wait(&self, inner: &Inner, ticket: &Ticket, level: Synchronous) -> Result<()> {
        let mut state = self.state.lock();
        let outcome = self.wait_in(&mut state, inner, ticket, level);
        if state.written < ticket.number {
            // It may have been told to write.
            state.call_next();
        }
        outcome
    }

    fn wait_in(
        &self,
        state: &mut MutexGuard<'_, State>,
        inner: &Inner,
        ticket: &Ticket,
        level: Synchronous,
    ) -> Result<()> {
        loop {
            if let Some(error) = ticket.loss() {
                return Err(error.clone());
            }
            if state.epoch != ticket.epoch {
                // A superblock has it.
                return Ok(());
            }
            // What others wait for must not be seen before it is durable.
            let synced = state.durable >= ticket.behind;
            let done = match level {
                Synchronous::Full => state.durable >= ticket.number,
                Synchronous::Normal => state.written >= ticket.number && synced,
                Synchronous::Off => state.pending.len() < HELD_BYTES_MAX && synced,
            };
            if done {
                state.promised = state.promised.max(ticket.number);
                return Ok(());
            }
            // What was written may be there when the file is opened again, but nobody can promise it.
            inner.writable()?;
            if state.busy {
                if state.written < ticket.number {
                    ticket.group.changed.wait(state);
                } else {
                    self.idle.wait(state);
                }
                continue;
            }
            let late = state.synced_at.elapsed() >= SYNC_EVERY;
            self.write(inner, state, level == Synchronous::Full || !synced || late);
        }
    }

    /// Writes all that is pending, and makes it and all before it durable if `sync`.
    fn write(&self, inner: &Inner, state: &mut MutexGuard<'_, State>, sync: bool) {
        state.busy = true;
        let mut bytes = std::mem::take(&mut state.pending);
        let group = std::mem::take(&mut state.group);
        let (last, previous) = (state.staged, state.previous);
        let at = state.end - bytes.len() as u64;
        let offset = state.start + at;
        let (written, durable, promised) = (state.written, state.durable, state.promised);
        // What stands behind the frames after this, and what again if they cannot be written.
        let marks = [previous, state.written_previous].map(|previous| {
            let mark = FrameHeader { durable, ..FrameHeader::mark(state.epoch, previous, state.salt) };
            frame_of(&state.database, &mark)
        });
        if !bytes.is_empty() {
            bytes.extend_from_slice(&marks[0]);
        }
        let note = FrameHeader { durable: last, ..FrameHeader::mark(state.epoch, previous, state.salt) };
        let note = (state.start + note_at(state.bytes), frame_of(&state.database, &note));
        let (outcome, alone) = MutexGuard::unlocked(state, || {
            let timer = metrics::Timer::start();
            let outcome = write_frames(inner, offset, &bytes, sync, written > durable);
            if outcome.is_ok() {
                metrics::group_written(last - written, bytes.len());
                if sync {
                    timer.synced("log");
                }
                // For when the system finds the time; the commits stand whatever comes of it.
                if sync && last > durable {
                    match inner.file.write_all_at(note.0, &note.1) {
                        Err(error) if error.kind() != std::io::ErrorKind::StorageFull => {
                            inner.close_latch(&PagerError::io("write to the log of", &inner.name, error));
                        }
                        _ => {}
                    }
                }
            }
            // If nothing of it may be there and nobody was told that it is, these commits alone have failed.
            let alone = match &outcome {
                Err(Failed::Write(PagerError::DiskFull(_))) if promised <= written => {
                    inner.file.write_durable(offset, &marks[1]).is_ok()
                }
                _ => false,
            };
            (outcome, alone)
        });

        state.busy = false;
        match outcome {
            Ok(()) => {
                (state.written, state.written_previous) = (last, previous);
                if sync {
                    (state.durable, state.synced_at) = (last, Instant::now());
                }
                // What somebody waits for is not to be seen before it is durable.
                if (sync || state.awaited <= state.durable)
                    && let Some(peers) = inner.file.peers()
                {
                    peers.announce(state.epoch, last);
                }
            }
            Err(Failed::Write(error) | Failed::Sync(error)) => {
                if !alone {
                    inner.close_latch(&error);
                }
                // Those that were staged meanwhile stand on these.
                let next = std::mem::take(&mut state.group);
                for lost in [&group, &next] {
                    let _ = lost.error.set(error.clone());
                }
                next.changed.notify_all();
                state.pending.clear();
                state.end = at;
                state.staged = state.written;
                state.awaited = state.awaited.min(state.written);
                state.previous = state.written_previous;
                state.salt = state.salt.wrapping_add(1);
            }
        }
        // First whoever writes next, so that the disk does not wait; the others of that group need not wake for it.
        state.call_next();
        group.changed.notify_all();
        self.idle.notify_all();
    }

    /// Waits until nothing is left to be written.
    fn settle(&self, inner: &Inner) -> Result<()> {
        let mut state = self.state.lock();
        loop {
            if state.busy {
                self.idle.wait(&mut state);
                continue;
            }
            let synced = state.durable >= state.awaited;
            if state.pending.is_empty() && synced {
                return Ok(());
            }
            let group = Arc::clone(&state.group);
            self.write(inner, &mut state, !synced);
            if let Some(error) = group.error.get() {
                return Err(error.clone());
            }
            inner.writable()?;
        }
    }
}

enum Failed {
    Write(PagerError),
    Sync(PagerError),
}

/// Writes frames at an offset of the file. `behind` says that something before them is not durable yet.
fn write_frames(inner: &Inner, offset: u64, bytes: &[u8], sync: bool, behind: bool) -> Result<(), Failed> {
    let named = |operation| move |error| PagerError::io(operation, &inner.name, error);
    if let Err(error) = inner.writable() {
        return Err(Failed::Sync(error));
    }
    if sync && !behind && !bytes.is_empty() {
        return inner
            .file
            .write_durable(offset, bytes)
            .map_err(|error| Failed::Write(named("write to the log of")(error)));
    }
    if !bytes.is_empty() {
        inner
            .file
            .write_all_at(offset, bytes)
            .map_err(|error| Failed::Write(named("write to the log of")(error)))?;
    }
    if sync { inner.file.sync().map_err(|error| Failed::Sync(named("sync")(error))) } else { Ok(()) }
}

/// What was found in the log when the file was opened.
#[derive(Debug)]
pub struct Recovered {
    /// The log's frames.
    pub content: LogContent,
    /// The log's bytes.
    pub bytes: Bytes,
}

impl Recovered {
    /// Forgets all frames but the first.
    fn cut_to(&mut self, count: usize) {
        if let Some(gone) = self.content.frames.get(count) {
            self.content.end = gone.payload.start - frame::FRAME_HEADER_BYTES;
            self.content.frames.truncate(count);
        }
    }

    /// The payloads of the frames, in order.
    pub fn payloads(&self) -> impl Iterator<Item = &[u8]> {
        self.content.frames.iter().map(|frame| &self.bytes[frame.payload.clone()])
    }
}

impl Pager {
    /// Reads the log as it was found when the file was opened. Frames that are appended come behind the first `keep` of
    /// the frames; those are made durable first, as is the superblock, unless the file is open for reading only.
    ///
    /// # Errors
    /// `Io`.
    pub fn recover_log(&self, keep: impl FnOnce(&Recovered) -> usize) -> Result<Recovered> {
        let snapshot = self.snapshot();
        let superblock = snapshot.superblock();
        let inner = &self.inner;
        let announced = inner.file.peers().filter(|_| inner.follows).map(Peers::announced);
        let mut recovered = read_log(superblock, |offset, bytes| {
            let failed = |e| PagerError::io("read", &inner.name, e);
            if !inner.follows {
                return inner.file.read(offset, bytes).map_err(failed);
            }
            // A copy: another process may be writing to it.
            let mut buffer = vec![0; bytes];
            inner.file.read_at(offset, &mut buffer).map_err(failed)?;
            Ok(buffer.into())
        })?;
        if let Some(announced) = announced.filter(|announced| *announced != Announced::NoWriter) {
            // What lies behind is being written.
            recovered.cut_to(usize::try_from(announced.frames_of(superblock.sequence)).unwrap_or(usize::MAX));
            recovered.content.tail = LogEnd::Clean;
        }
        let count = recovered.content.frames.len();
        let keep = keep(&recovered).min(count);
        recovered.cut_to(keep);
        if !self.inner.read_only {
            let damaged = keep < count
                || self.lost_commit().is_some()
                || matches!(recovered.content.tail, frame::LogEnd::Damaged { .. });
            let mut frames = recovered.bytes[..if damaged { 0 } else { recovered.content.end }].to_vec();
            if superblock.is_log_marked() && !frames.is_empty() {
                let last = recovered.content.frames.last().map_or(0, |frame| frame.header.checksum);
                let mark = FrameHeader::mark(superblock.sequence, last, random_salt());
                write_frame(&mut frames, &superblock.database_id, &mark, &[]);
            }
            self.make_durable(superblock, &frames)?;
        }
        let log = &self.inner.log;
        log.resume(&recovered.content);
        let mut state = log.state.lock();
        state.durable = state.written;
        let (epoch, frames) = (state.epoch, state.written);
        drop(state);
        if let Some(peers) = inner.file.peers().filter(|_| !inner.read_only) {
            peers.announce(epoch, frames);
        }
        Ok(recovered)
    }

    /// Makes durable what was found. A writer that was killed, or whose sync failed, may have left it in the memory of the
    /// system only; after a failed sync it stays there, and later syncs do not write it, unless it is written again.
    fn make_durable(&self, superblock: &Superblock, frames: &[u8]) -> Result<()> {
        let inner = &self.inner;
        let write = || {
            if let Some(log) = superblock.log.filter(|_| !frames.is_empty()) {
                inner.file.write_all_at(log.start.0 * u64::from(superblock.page_size), frames)?;
                inner.rewrite_superblock(superblock)?;
            }
            inner.file.sync()
        };
        write().map_err(|error| {
            let error = PagerError::io("sync", &inner.name, error);
            inner.close_latch(&error);
            error
        })
    }

    /// Stages a commit that says what it changes of the one of `behind`, if that was staged too. `None`, if the log has no
    /// room for it.
    ///
    /// # Errors
    /// The one before is lost.
    pub fn log_append(
        &self,
        payload: &[u8],
        level: Synchronous,
        behind: Option<&Ticket>,
    ) -> Result<Option<Ticket>> {
        self.inner.log.append(payload, level, behind)
    }

    /// Waits until a commit that was staged is as safe as `level` asks for.
    ///
    /// # Errors
    /// The failure for which it is lost.
    pub fn log_wait(&self, ticket: &Ticket, level: Synchronous) -> Result<()> {
        self.inner.log.wait(&self.inner, ticket, level)
    }

    /// Waits until all that is staged is written, and durable as far as somebody waits for that. Unless more is staged,
    /// a superblock may be written then.
    ///
    /// # Errors
    /// The failure for which something is lost.
    pub fn log_settle(&self) -> Result<()> {
        self.inner.log.settle(&self.inner)
    }

    /// Bytes of frames in the log, and bytes that it has room for.
    pub fn log_bytes(&self) -> (u64, u64) {
        let state = self.inner.log.state.lock();
        (state.end, state.bytes)
    }
}

/// Reads the log of a superblock through `read`, which is given an offset in the file and a number of bytes.
pub(super) fn read_log(
    superblock: &Superblock,
    read: impl FnOnce(u64, usize) -> Result<Bytes>,
) -> Result<Recovered> {
    let Some(log) = superblock.log else {
        return Ok(Recovered { content: LogContent::empty(), bytes: Bytes::new() });
    };
    let page_size = u64::from(superblock.page_size);
    // The superblock is checked: this lies in the file.
    let bytes = usize::try_from(log.pages * page_size)
        .map_err(|_| PagerError::corrupt_page(log.start, "a log longer than memory"))?;
    let bytes = read(log.start.0 * page_size, bytes)?;
    let content =
        LogContent::read(&bytes, &superblock.database_id, superblock.sequence, superblock.is_log_marked());
    Ok(Recovered { content, bytes })
}
