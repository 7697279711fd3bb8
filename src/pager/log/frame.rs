//! Frames of the log at rest: how they are written, and what a log that a crash or a bad disk left still says.
//!
//! ```text
//! offset  bytes  field
//!      0      4  magic     "FXWL"
//!      4      4  checksum  CRC32 (IEEE) of bytes 8 to the end of the frame, with zeros for 58 and 59
//!      8     16  database  the file's id
//!     24      8  epoch     sequence of the superblock that the frame follows
//!     32      8  number    1 for the first frame of the epoch, and so on; 0 for a mark
//!     40      8  durable   the last frame of which it was certain, when this one was written, that it is durable
//!     48      4  previous  checksum of the frame before; 0 for the first
//!     52      4  length    of the payload
//!     56      1  layout    2, the version of this layout
//!     57      1  extra     units of 64 bytes behind the frame that belong to it
//!     58      2  header    the lower half of the CRC32 of the header's other bytes
//!     60      4  salt      any number; another each time that the log is taken up again
//!     64         payload   then zeros up to a multiple of 64
//! ```
//!
//! The epoch keeps frames of earlier times from being taken for new ones, `previous` those that a crash left behind a
//! torn one: the salt sees to it that the frame which comes into the place of that has another checksum, even if it says
//! the same. `durable` tells a crash from damage: an unreadable frame was lost in a crash, unless a later one says that
//! it had been safe.
//!
//! Behind the last frame comes a *mark*: a frame without payload of number 0, with `previous`. The next frame takes its
//! place. A disk writes a sector of 512 bytes as a whole or not at all. No frame ends where a sector does, and its last 16
//! bytes are its epoch, number and salt, which nothing before had in that place: so the mark, or the header of the frame
//! that took its place, lies in one sector with the end of its frame, and is there if the frame is whole. A log without
//! frames begins with a mark, or with the header of what an earlier epoch left. If nothing of this lies behind the last frame,
//! then that is damage, and no crash.
//!
//! In the last sector of the log a frame like a mark *notes* in `durable` which frames are. It is written after their sync,
//! and waits for none of its own: usually it is there when a page is lost that holds the end of the last frames.
//!
//! Layout 1 had no marks, nothing behind the payload but zeros, and no checksum of the header. Such logs are read, but not
//! written.

use std::ops::Range;

use crate::pager::page::{get_u32, get_u64, put_u32, put_u64};

/// Bytes of a frame before its payload.
pub const FRAME_HEADER_BYTES: usize = 64;
/// Frames begin at multiples of this.
const FRAME_ALIGN: usize = 64;
/// What a disk writes as a whole or not at all.
pub(super) const SECTOR: usize = 512;
/// Bytes at the end of a frame that nothing before had in that place.
const TRAILER_BYTES: usize = 16;
/// Units that a frame takes beyond its payload at most.
const EXTRA_MAX: u8 = 2;
const MAGIC: [u8; 4] = *b"FXWL";
const LAYOUT: u8 = 2;
/// Without marks.
const OLD_LAYOUT: u8 = 1;
/// Where the checksum of the header is.
const HEADER_SUM: Range<usize> = 58..60;
/// Bytes of a payload at most.
pub const PAYLOAD_BYTES_MAX: usize = 256 << 20;

/// The header of a frame that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Of the superblock that it follows.
    pub epoch: u64,
    /// Its place in the epoch, from 1.
    pub number: u64,
    /// The last frame that was known to be durable.
    pub durable: u64,
    /// Checksum of the frame before.
    pub previous: u32,
    /// Makes frames differ that say the same.
    pub salt: u32,
    /// Its own.
    pub checksum: u32,
    /// Bytes of its payload.
    pub length: usize,
    /// Units of 64 bytes that it takes beyond those.
    pub extra: u8,
}

impl FrameHeader {
    /// Bytes that a frame with such a payload and the mark behind it take at most.
    pub(super) fn bytes_max(length: usize) -> usize {
        size(length, EXTRA_MAX) + FRAME_HEADER_BYTES
    }

    /// What a frame with such a payload takes beyond that, if it begins there in the log.
    pub(super) fn extra_at(offset: u64, length: usize) -> u8 {
        let has_room = |extra| size(length, extra) - FRAME_HEADER_BYTES - length >= TRAILER_BYTES;
        let is_cut = |extra| (offset + size(length, extra) as u64).is_multiple_of(SECTOR as u64);
        (0..EXTRA_MAX).find(|extra| has_room(*extra) && !is_cut(*extra)).unwrap_or(EXTRA_MAX)
    }

    /// Bytes of the frame, with its header and what lies behind its payload.
    pub fn bytes(&self) -> usize {
        size(self.length, self.extra)
    }

    /// Whether, if it begins there in the log, it has sectors in which neither its header nor what is behind it lies.
    pub(super) fn is_long(&self, offset: u64) -> bool {
        (offset + self.bytes() as u64) / SECTOR as u64 - offset / SECTOR as u64 > 1
    }

    /// The header of the mark behind a frame with that checksum.
    pub(in crate::pager) fn mark(epoch: u64, previous: u32, salt: u32) -> Self {
        Self { epoch, number: 0, durable: 0, previous, salt, checksum: 0, length: 0, extra: 0 }
    }

    /// Reads the header at the beginning of `bytes`, of a frame of the database with that id. `None` if there is none that
    /// is whole; one of layout 1 cannot tell.
    pub(super) fn peek(bytes: &[u8], database: &[u8; 16]) -> Option<Self> {
        let header = bytes.get(..FRAME_HEADER_BYTES)?;
        if header[..4] != MAGIC || header[8..24] != database[..] {
            return None;
        }
        let extra = match header[56] {
            OLD_LAYOUT => 0,
            LAYOUT if header[HEADER_SUM] == header_sum(header) => header[57],
            _ => return None,
        };
        let length = get_u32(header, 52) as usize;
        (length <= PAYLOAD_BYTES_MAX).then(|| Self {
            epoch: get_u64(header, 24),
            number: get_u64(header, 32),
            durable: get_u64(header, 40),
            previous: get_u32(header, 48),
            salt: get_u32(header, 60),
            checksum: get_u32(header, 4),
            length,
            extra,
        })
    }

    /// Reads the frame at the beginning of `bytes`, of the database with that id. `None` if there is no whole one.
    pub(super) fn parse(bytes: &[u8], database: &[u8; 16]) -> Option<Self> {
        let header = Self::peek(bytes, database)?;
        let frame = bytes.get(..header.bytes())?;
        (frame_sum(frame) == header.checksum).then_some(header)
    }
}

fn size(length: usize, extra: u8) -> usize {
    (FRAME_HEADER_BYTES + length).next_multiple_of(FRAME_ALIGN) + usize::from(extra) * FRAME_ALIGN
}

/// The checksum of a frame.
fn frame_sum(frame: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&frame[8..HEADER_SUM.start]);
    sum.update(&[0; 2]);
    sum.update(&frame[HEADER_SUM.end..]);
    sum.finalize()
}

/// That of its header.
fn header_sum(header: &[u8]) -> [u8; 2] {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&header[..HEADER_SUM.start]);
    sum.update(&header[HEADER_SUM.end..FRAME_HEADER_BYTES]);
    let sum = sum.finalize().to_le_bytes();
    [sum[0], sum[1]]
}

/// Writes a frame behind `out`, and returns its checksum. That of `header` means nothing.
pub(in crate::pager) fn write_frame(
    out: &mut Vec<u8>,
    database: &[u8; 16],
    header: &FrameHeader,
    payload: &[u8],
) -> u32 {
    let start = out.len();
    out.resize(start + FRAME_HEADER_BYTES, 0);
    out.extend_from_slice(payload);
    out.resize(start + size(payload.len(), header.extra), 0);
    let frame = &mut out[start..];
    frame[..4].copy_from_slice(&MAGIC);
    frame[8..24].copy_from_slice(database);
    put_u64(frame, 24, header.epoch);
    put_u64(frame, 32, header.number);
    put_u64(frame, 40, header.durable);
    put_u32(frame, 48, header.previous);
    put_u32(frame, 52, payload.len() as u32);
    frame[56] = LAYOUT;
    frame[57] = header.extra;
    put_u32(frame, 60, header.salt);
    let at = frame.len() - TRAILER_BYTES;
    if header.number > 0 && at >= FRAME_HEADER_BYTES + payload.len() {
        put_u64(frame, at, header.epoch);
        put_u32(frame, at + 8, header.number as u32);
        put_u32(frame, at + 12, header.salt);
    }
    seal_frame(frame)
}

/// Makes the checksums of a frame right, and returns that of the whole.
pub fn seal_frame(frame: &mut [u8]) -> u32 {
    let sum = frame_sum(frame);
    put_u32(frame, 4, sum);
    let of_header = header_sum(frame);
    frame[HEADER_SUM].copy_from_slice(&of_header);
    sum
}

/// A whole frame and where its payload lies in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What the frame says.
    pub header: FrameHeader,
    /// Where its payload is, in bytes of the log.
    pub payload: Range<usize>,
}

/// How a log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEnd {
    /// After a frame.
    Clean,
    /// In the middle of what was being written when a crash came, and had been promised to nobody.
    Torn {
        /// Bytes of it that are there.
        bytes: usize,
    },
    /// Before something that had been durable and is not readable any more.
    Damaged {
        /// Where, in bytes of the log.
        at: usize,
        /// What is wrong.
        what: String,
    },
}

/// What a log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogContent {
    /// Its frames, in order.
    pub frames: Vec<Frame>,
    /// Where the next frame would begin.
    pub end: usize,
    /// How it ends.
    pub tail: LogEnd,
    /// There is a mark behind its frames.
    pub marked: bool,
    /// Where it is noted which of its frames are durable, if it is.
    pub note: Option<usize>,
}

impl LogContent {
    /// A log without frames.
    pub fn empty() -> Self {
        Self { frames: vec![], end: 0, tail: LogEnd::Clean, marked: false, note: None }
    }

    /// Reads the log of a superblock: all frames from the first that follow each other. `marked` says that there must be a
    /// mark behind them.
    pub fn read(bytes: &[u8], database: &[u8; 16], epoch: u64, marked: bool) -> Self {
        let (mut frames, mut end, mut previous): (Vec<Frame>, _, _) = (vec![], 0, 0);
        while let Some(header) = bytes.get(end..).and_then(|rest| FrameHeader::parse(rest, database)) {
            let expected = (epoch, frames.len() as u64 + 1, previous);
            if (header.epoch, header.number, header.previous) != expected {
                break;
            }
            let payload = end + FRAME_HEADER_BYTES..end + FRAME_HEADER_BYTES + header.length;
            end += header.bytes();
            previous = header.checksum;
            frames.push(Frame { header, payload });
        }
        let last = Last { end, number: frames.len() as u64, checksum: previous };
        let tail = match tail(bytes, end, database, epoch, last.number) {
            LogEnd::Damaged { at, what } => LogEnd::Damaged { at, what },
            tail if !marked => tail,
            tail => match no_crash(bytes, database, epoch, &last) {
                Some(what) => LogEnd::Damaged { at: end, what },
                None => tail,
            },
        };
        let is_note = |at: &usize| {
            let note = FrameHeader::parse(&bytes[*at..], database);
            *at > end && note.is_some_and(|note| (note.epoch, note.number) == (epoch, 0))
        };
        let note = bytes.len().checked_sub(SECTOR).filter(is_note);
        Self { frames, end, tail, marked: is_mark(bytes, end, database, epoch, previous), note }
    }
}

/// The last frame of a log that is whole; if there is none, its beginning.
struct Last {
    end: usize,
    number: u64,
    checksum: u32,
}

/// Whether there is the mark behind a frame with that checksum.
fn is_mark(bytes: &[u8], at: usize, database: &[u8; 16], epoch: u64, previous: u32) -> bool {
    let mark = bytes.get(at..).and_then(|rest| FrameHeader::parse(rest, database));
    mark.is_some_and(|mark| (mark.epoch, mark.number, mark.previous) == (epoch, 0, previous))
}

/// Why what lies behind the last frame is not what a crash leaves, if so.
fn no_crash(bytes: &[u8], database: &[u8; 16], epoch: u64, last: &Last) -> Option<String> {
    let Last { end, number, checksum } = *last;
    let next = number + 1;
    let missed = || Some(format!("neither frame {next} nor the end of the log is where it should be"));
    let Some(found) = bytes.get(end..).and_then(|rest| FrameHeader::peek(rest, database)) else {
        return missed();
    };
    if (number == 0 && found.epoch < epoch) || is_mark(bytes, end, database, epoch, checksum) {
        return None;
    }
    if (found.epoch, found.number, found.previous) != (epoch, next, checksum) {
        return missed();
    }
    // It was being written. If it has only the sectors of its header and of the mark that was written with it, and both are
    // there, then all of it was written. The header of a frame behind it tells less: that was another write, perhaps.
    let is_written =
        !found.is_long(end as u64) && is_mark(bytes, end + found.bytes(), database, epoch, found.checksum);
    is_written.then(|| format!("frame {next} is damaged, though all of it had been written"))
}

/// What lies behind the last frame, which is that of this number.
fn tail(bytes: &[u8], end: usize, database: &[u8; 16], epoch: u64, last: u64) -> LogEnd {
    let damaged = |what: String| LogEnd::Damaged { at: end, what };
    let mut torn = 0;
    let mut at = end;
    while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= FRAME_HEADER_BYTES) {
        let mut step = FRAME_ALIGN;
        if rest[..4] == MAGIC && rest[8..24] == database[..] {
            match FrameHeader::parse(rest, database) {
                Some(header) if header.epoch > epoch => {
                    return damaged(format!(
                        "a frame of commit {} lies in the log of commit {epoch}: the last superblock is lost",
                        header.epoch
                    ));
                }
                Some(header) if header.epoch == epoch && header.durable > last => {
                    return damaged(format!(
                        "frame {} is damaged, but {} and those up to it were durable",
                        last + 1,
                        header.durable
                    ));
                }
                Some(header) => {
                    step = header.bytes();
                    if header.epoch == epoch && header.number > last + 1 {
                        torn = at + step - end;
                    }
                }
                // Only the header may be there, or only some of it.
                None if get_u64(rest, 24) == epoch && get_u64(rest, 32) > last => {
                    torn = torn.max(at + FRAME_HEADER_BYTES - end);
                }
                None => {}
            }
        }
        at += step;
    }
    if torn > 0 { LogEnd::Torn { bytes: torn } } else { LogEnd::Clean }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: [u8; 16] = *b"0123456789abcdef";
    const EPOCH: u64 = 7;

    /// A log of frames with these payloads and what each knew to be durable.
    fn log(frames: &[(Vec<u8>, u64)]) -> Vec<u8> {
        let (mut bytes, mut previous) = (vec![], 0);
        for (i, (payload, durable)) in frames.iter().enumerate() {
            let header = FrameHeader {
                epoch: EPOCH,
                number: i as u64 + 1,
                durable: *durable,
                previous,
                salt: 5,
                checksum: 0,
                length: payload.len(),
                extra: FrameHeader::extra_at(bytes.len() as u64, payload.len()),
            };
            previous = write_frame(&mut bytes, &ID, &header, payload);
        }
        bytes
    }

    /// The same with the mark behind it.
    fn marked(frames: &[(Vec<u8>, u64)]) -> Vec<u8> {
        let mut bytes = log(frames);
        let content = LogContent::read(&bytes, &ID, EPOCH, false);
        let previous = content.frames.last().map_or(0, |frame| frame.header.checksum);
        write_frame(&mut bytes, &ID, &FrameHeader::mark(EPOCH, previous, 1), &[]);
        bytes
    }

    /// A log of layout 1.
    fn old(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = log(&payloads.iter().map(|payload| (payload.clone(), 0)).collect::<Vec<_>>());
        let content = LogContent::read(&bytes, &ID, EPOCH, false);
        let (mut out, mut previous) = (vec![], 0u32);
        for frame in &content.frames {
            let start = frame.payload.start - FRAME_HEADER_BYTES;
            let frame = &mut bytes[start..start + size(frame.header.length, 0)];
            (frame[56], frame[57]) = (OLD_LAYOUT, 0);
            frame[HEADER_SUM].fill(0);
            put_u32(frame, 48, previous);
            previous = crc32fast::hash(&frame[8..]);
            put_u32(frame, 4, previous);
            out.extend_from_slice(frame);
        }
        out
    }

    fn end_of(frame: &Frame) -> usize {
        frame.payload.start - FRAME_HEADER_BYTES + frame.header.bytes()
    }

    fn payloads<'a>(content: &LogContent, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        content.frames.iter().map(|frame| &bytes[frame.payload.clone()]).collect()
    }

    fn frames() -> impl Strategy<Value = Vec<(Vec<u8>, u64)>> {
        let payload = proptest::collection::vec(any::<u8>(), 0..200);
        proptest::collection::vec((payload, any::<bool>()), 0..8).prop_map(|list| {
            let mut durable = 0;
            list.into_iter()
                .enumerate()
                .map(|(i, (payload, synced))| {
                    // At the time of a frame, all before may be durable, or what was before.
                    durable = if synced { i as u64 } else { durable };
                    (payload, durable)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn frames_come_back(frames in frames(), behind in 0..300usize) {
            let mut bytes = log(&frames);
            let end = bytes.len();
            bytes.resize(end + behind, 0);
            let content = LogContent::read(&bytes, &ID, EPOCH, false);
            prop_assert_eq!(payloads(&content, &bytes), frames.iter().map(|(p, _)| &p[..]).collect::<Vec<_>>());
            prop_assert_eq!((content.end, content.tail), (end, LogEnd::Clean));
            // Of another database or another time it is nothing.
            prop_assert_eq!(LogContent::read(&bytes, &[1; 16], EPOCH, false), LogContent::empty());
            prop_assert_eq!(LogContent::read(&bytes, &ID, EPOCH + 1, false), LogContent::empty());
        }

        #[test]
        fn a_flipped_bit_ends_the_log_there(frames in frames(), place in any::<u64>()) {
            let bytes = log(&frames);
            prop_assume!(!bytes.is_empty());
            let bit = place as usize % (bytes.len() * 8);
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let (whole, content) = (LogContent::read(&bytes, &ID, EPOCH, false), LogContent::read(&bad, &ID, EPOCH, false));
            let hit = whole.frames.iter().position(|frame| bit / 8 < end_of(frame)).unwrap();
            prop_assert_eq!(&content.frames[..], &whole.frames[..hit]);
            // A later frame that knew the lost one as durable tells that this is no crash.
            let known = whole.frames[hit + 1..].iter().any(|frame| frame.header.durable > hit as u64);
            let damaged = matches!(content.tail, LogEnd::Damaged { .. });
            prop_assert_eq!(damaged, known);
        }

        #[test]
        fn a_cut_log_is_a_prefix(frames in frames(), place in any::<u64>()) {
            let bytes = log(&frames);
            let cut = place as usize % (bytes.len() + 1);
            let (whole, content) = (LogContent::read(&bytes, &ID, EPOCH, false), LogContent::read(&bytes[..cut], &ID, EPOCH, false));
            let left = whole.frames.iter().filter(|frame| end_of(frame) <= cut).count();
            prop_assert_eq!(&content.frames[..], &whole.frames[..left]);
            let damaged = matches!(content.tail, LogEnd::Damaged { .. });
            prop_assert!(!damaged);
        }

        #[test]
        fn anything_may_lie_in_the_log(bytes in proptest::collection::vec(any::<u8>(), 0..2000), at in 0..20usize) {
            let mut bytes = bytes;
            let header = FrameHeader { epoch: EPOCH, number: 1, durable: 0, previous: 0, salt: 1, checksum: 0, length: 10, extra: 0 };
            let mut frame = vec![];
            write_frame(&mut frame, &ID, &header, b"ten bytes!");
            if let Some(place) = bytes.get_mut(at * 64..at * 64 + frame.len()) {
                place.copy_from_slice(&frame);
                put_u32(place, 52, u32::MAX - at as u32);
            }
            LogContent::read(&bytes, &ID, EPOCH, false);
            LogContent::read(&bytes, &ID, EPOCH, true);
        }
    }

    #[test]
    fn what_should_be_behind_the_last_frame_is_missed() {
        let is_damage =
            |bytes: &[u8]| matches!(LogContent::read(bytes, &ID, EPOCH, true).tail, LogEnd::Damaged { .. });
        for count in 0..12 {
            let frames: Vec<_> = (0..count).map(|i| (vec![7; 50 + 61 * i], 0)).collect();
            let mut bytes = marked(&frames);
            bytes.resize(bytes.len() + 1000, 0);
            let content = LogContent::read(&bytes, &ID, EPOCH, true);
            assert_eq!((content.frames.len(), &content.tail), (count, &LogEnd::Clean));
            assert!(count == 0 || !content.end.is_multiple_of(SECTOR), "{count} frames");
            // A bit of the mark, or of the header of the last frame.
            let last = content.frames.last().map(|frame| frame.payload.start - FRAME_HEADER_BYTES);
            for start in last.into_iter().chain([content.end]) {
                for bit in 0..FRAME_HEADER_BYTES * 8 {
                    let mut bad = bytes.clone();
                    bad[start + bit / 8] ^= 1 << (bit % 8);
                    assert!(is_damage(&bad), "{count} frames, bit {bit} from {start}");
                }
            }
            // From any place on nothing is left.
            for from in (0..=content.end).step_by(FRAME_ALIGN) {
                for fill in [0, 0xff, 0x5a] {
                    let mut bad = bytes.clone();
                    bad[from..].fill(fill);
                    let tail = LogContent::read(&bad, &ID, EPOCH, true).tail;
                    assert_ne!(tail, LogEnd::Clean, "from {from}, {fill}");
                    let in_frame = content.frames.iter().any(|frame| {
                        let start = frame.payload.start - FRAME_HEADER_BYTES;
                        (start + 1..end_of(frame)).contains(&from)
                    });
                    assert!(in_frame || is_damage(&bad), "from {from}, {fill}");
                }
            }
        }
    }

    #[test]
    fn a_bit_of_a_frame_in_few_sectors_is_no_crash() {
        for length in [0, 100, 400, 700, 2000] {
            let bytes = marked(&[(vec![1; 100], 0), (vec![2; length], 0)]);
            let content = LogContent::read(&bytes, &ID, EPOCH, true);
            let frame = &content.frames[1];
            for place in (frame.payload.start - FRAME_HEADER_BYTES..end_of(frame)).step_by(7) {
                let mut bad = bytes.clone();
                bad[place] ^= 4;
                let found = LogContent::read(&bad, &ID, EPOCH, true);
                assert_eq!(found.frames.len() as u64, frame.header.number - 1);
                let start = frame.payload.start - FRAME_HEADER_BYTES;
                let is_told = place < frame.payload.start || !frame.header.is_long(start as u64);
                assert_eq!(matches!(found.tail, LogEnd::Damaged { .. }), is_told, "{length} bytes, {place}");
                // Some of the sectors may never have been written.
                assert_ne!(found.tail, LogEnd::Clean);
            }
        }
    }

    proptest! {
        #[test]
        fn a_power_cut_is_no_damage(
            frames in frames(),
            count in 0..4usize,
            before in any::<bool>(),
            kept in proptest::collection::vec(any::<bool>(), 64),
        ) {
            // Some frames are durable, and the last are being written when the power goes: each sector is there or not.
            let count = count.min(frames.len());
            let safe = (frames.len() - count) as u64;
            let frames: Vec<_> = frames.into_iter().map(|(payload, durable)| (payload, durable.min(safe))).collect();
            let (first, all) = (marked(&frames[..frames.len() - count]), marked(&frames));
            let mut disk = vec![0; all.len() + 2 * SECTOR];
            if before {
                // What an earlier epoch left.
                let mut old = vec![];
                let header = FrameHeader { length: disk.len() * 2, ..FrameHeader::mark(EPOCH - 1, 0, 3) };
                write_frame(&mut old, &ID, &FrameHeader { number: 1, ..header }, &vec![9; disk.len() * 2]);
                disk.copy_from_slice(&old[..all.len() + 2 * SECTOR]);
            }
            disk[..first.len()].copy_from_slice(&first);
            let mut image = disk.clone();
            image[..all.len()].copy_from_slice(&all);
            for (i, sector) in image.chunks_mut(SECTOR).enumerate() {
                if !kept[i % kept.len()] {
                    let start = i * SECTOR;
                    let length = sector.len();
                    sector.copy_from_slice(&disk[start..start + length]);
                }
            }
            let found = LogContent::read(&image, &ID, EPOCH, true);
            prop_assert!(!matches!(found.tail, LogEnd::Damaged { .. }), "{:?}", found.tail);
            prop_assert!(found.frames.len() >= frames.len() - count);
            let whole = LogContent::read(&all, &ID, EPOCH, true);
            prop_assert_eq!(&found.frames[..], &whole.frames[..found.frames.len()]);
        }

        #[test]
        fn logs_of_layout_1_are_read(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..6)) {
            let mut bytes = old(&payloads);
            let end = bytes.len();
            bytes.resize(end + 300, 0);
            let content = LogContent::read(&bytes, &ID, EPOCH, false);
            let read: Vec<_> = content.frames.iter().map(|frame| bytes[frame.payload.clone()].to_vec()).collect();
            prop_assert_eq!(read, payloads);
            prop_assert_eq!((content.end, content.tail), (end, LogEnd::Clean));
        }
    }

    #[test]
    fn what_a_crash_left_behind_is_not_taken_up_again() {
        let old = log(&[(vec![1; 10], 0), (vec![2; 10], 1), (vec![3; 10], 1)]);
        // The second was torn; another of the same length came into its place.
        let mut bytes = log(&[(vec![1; 10], 0), (vec![9; 10], 1)]);
        bytes.extend_from_slice(&old[256..]);
        let content = LogContent::read(&bytes, &ID, EPOCH, false);
        assert_eq!(payloads(&content, &bytes), [vec![1; 10], vec![9; 10]]);
        assert_eq!(content.tail, LogEnd::Clean);
        // As it was before the other came.
        let mut bytes = old;
        bytes[200] ^= 1;
        let content = LogContent::read(&bytes, &ID, EPOCH, false);
        assert_eq!((content.frames.len(), content.tail), (1, LogEnd::Torn { bytes: 256 }));
    }

    #[test]
    fn frames_of_a_later_commit_tell_that_its_superblock_is_lost() {
        let bytes = log(&[(vec![1; 10], 0)]);
        let content = LogContent::read(&bytes, &ID, EPOCH - 1, false);
        assert!(content.frames.is_empty());
        assert!(matches!(content.tail, LogEnd::Damaged { at: 0, .. }), "{content:?}");
    }
}
