//! Frames of the log at rest: how they are written, and what a log that a crash or a bad disk left still says.
//!
//! ```text
//! offset  bytes  field
//!      0      4  magic     "FXWL"
//!      4      4  checksum  CRC32 (IEEE) of bytes 8 to the end of the frame
//!      8     16  database  the file's id
//!     24      8  epoch     sequence of the superblock that the frame follows
//!     32      8  number    1 for the first frame of the epoch, and so on
//!     40      8  durable   the last frame of which it was certain, when this one was written, that it is durable
//!     48      4  previous  checksum of the frame before; 0 for the first
//!     52      4  length    of the payload
//!     56      1  layout    1, the version of this layout
//!     57      3  reserved  zero
//!     60      4  salt      any number; another each time that the log is taken up again
//!     64         payload   then zeros up to a multiple of 64
//! ```
//!
//! The epoch keeps frames of earlier times from being taken for new ones, `previous` those that a crash left behind a
//! torn one: the salt sees to it that the frame which comes into the place of that has another checksum, even if it says
//! the same. `durable` tells a crash from damage: an unreadable frame was lost in a crash, unless a later one says that
//! it had been safe.

use std::ops::Range;

use crate::pager::page::{checksum, get_u32, get_u64, put_u32, put_u64};

/// Bytes of a frame before its payload.
pub const FRAME_HEADER_BYTES: usize = 64;
/// Frames begin at multiples of this.
const FRAME_ALIGN: usize = 64;
const MAGIC: [u8; 4] = *b"FXWL";
const LAYOUT: u8 = 1;
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
}

impl FrameHeader {
    /// Bytes of the frame with such a payload.
    pub fn frame_bytes(length: usize) -> usize {
        (FRAME_HEADER_BYTES + length).next_multiple_of(FRAME_ALIGN)
    }

    /// Bytes of the payload of a frame, by its header, which is that of this number and epoch. The rest is not checked.
    pub(super) fn length_of(header: &[u8], database: &[u8; 16], epoch: u64, number: u64) -> Option<usize> {
        let is_it = header.len() >= FRAME_HEADER_BYTES
            && header[..4] == MAGIC
            && header[8..24] == database[..]
            && (get_u64(header, 24), get_u64(header, 32)) == (epoch, number);
        is_it.then(|| get_u32(header, 52) as usize).filter(|length| *length <= PAYLOAD_BYTES_MAX)
    }

    /// Reads the frame at the beginning of `bytes`, of the database with that id. `None` if there is no whole one.
    pub(super) fn parse(bytes: &[u8], database: &[u8; 16]) -> Option<Self> {
        let header = bytes.get(..FRAME_HEADER_BYTES)?;
        if header[..4] != MAGIC || header[8..24] != database[..] || header[56] != LAYOUT {
            return None;
        }
        let length = get_u32(header, 52) as usize;
        let frame = bytes.get(..Self::frame_bytes(length))?;
        let stored = get_u32(header, 4);
        (checksum(&frame[8..]) == stored).then(|| Self {
            epoch: get_u64(header, 24),
            number: get_u64(header, 32),
            durable: get_u64(header, 40),
            previous: get_u32(header, 48),
            salt: get_u32(header, 60),
            checksum: stored,
            length,
        })
    }
}

/// Writes a frame behind `out`, and returns its checksum. That of `header` means nothing.
pub(super) fn write_frame(
    out: &mut Vec<u8>,
    database: &[u8; 16],
    header: &FrameHeader,
    payload: &[u8],
) -> u32 {
    let start = out.len();
    out.resize(start + FRAME_HEADER_BYTES, 0);
    out.extend_from_slice(payload);
    out.resize(start + FrameHeader::frame_bytes(payload.len()), 0);
    let frame = &mut out[start..];
    frame[..4].copy_from_slice(&MAGIC);
    frame[8..24].copy_from_slice(database);
    put_u64(frame, 24, header.epoch);
    put_u64(frame, 32, header.number);
    put_u64(frame, 40, header.durable);
    put_u32(frame, 48, header.previous);
    put_u32(frame, 52, payload.len() as u32);
    frame[56] = LAYOUT;
    put_u32(frame, 60, header.salt);
    let sum = checksum(&frame[8..]);
    put_u32(frame, 4, sum);
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
}

impl LogContent {
    /// A log without frames.
    pub fn empty() -> Self {
        Self { frames: vec![], end: 0, tail: LogEnd::Clean }
    }

    /// Reads the log of a superblock: all frames from the first that follow each other.
    pub fn read(bytes: &[u8], database: &[u8; 16], epoch: u64) -> Self {
        let (mut frames, mut end, mut previous): (Vec<Frame>, _, _) = (vec![], 0, 0);
        while let Some(header) = bytes.get(end..).and_then(|rest| FrameHeader::parse(rest, database)) {
            let expected = (epoch, frames.len() as u64 + 1, previous);
            if (header.epoch, header.number, header.previous) != expected {
                break;
            }
            let payload = end + FRAME_HEADER_BYTES..end + FRAME_HEADER_BYTES + header.length;
            end += FrameHeader::frame_bytes(header.length);
            previous = header.checksum;
            frames.push(Frame { header, payload });
        }
        let tail = tail(bytes, end, database, epoch, frames.len() as u64);
        Self { frames, end, tail }
    }
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
                    step = FrameHeader::frame_bytes(header.length);
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
            };
            previous = write_frame(&mut bytes, &ID, &header, payload);
        }
        bytes
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
            let content = LogContent::read(&bytes, &ID, EPOCH);
            prop_assert_eq!(payloads(&content, &bytes), frames.iter().map(|(p, _)| &p[..]).collect::<Vec<_>>());
            prop_assert_eq!((content.end, content.tail), (end, LogEnd::Clean));
            // Of another database or another time it is nothing.
            prop_assert_eq!(LogContent::read(&bytes, &[1; 16], EPOCH), LogContent::empty());
            prop_assert_eq!(LogContent::read(&bytes, &ID, EPOCH + 1), LogContent::empty());
        }

        #[test]
        fn a_flipped_bit_ends_the_log_there(frames in frames(), place in any::<u64>()) {
            let bytes = log(&frames);
            prop_assume!(!bytes.is_empty());
            let bit = place as usize % (bytes.len() * 8);
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let (whole, content) = (LogContent::read(&bytes, &ID, EPOCH), LogContent::read(&bad, &ID, EPOCH));
            let hit = whole.frames.iter().position(|frame| bit / 8 < frame.payload.end.next_multiple_of(64)).unwrap();
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
            let (whole, content) = (LogContent::read(&bytes, &ID, EPOCH), LogContent::read(&bytes[..cut], &ID, EPOCH));
            let left = whole.frames.iter().filter(|frame| frame.payload.end.next_multiple_of(64) <= cut).count();
            prop_assert_eq!(&content.frames[..], &whole.frames[..left]);
            let damaged = matches!(content.tail, LogEnd::Damaged { .. });
            prop_assert!(!damaged);
        }

        #[test]
        fn anything_may_lie_in_the_log(bytes in proptest::collection::vec(any::<u8>(), 0..2000), at in 0..20usize) {
            let mut bytes = bytes;
            let header = FrameHeader { epoch: EPOCH, number: 1, durable: 0, previous: 0, salt: 1, checksum: 0, length: 10 };
            let mut frame = vec![];
            write_frame(&mut frame, &ID, &header, b"ten bytes!");
            if let Some(place) = bytes.get_mut(at * 64..at * 64 + frame.len()) {
                place.copy_from_slice(&frame);
                put_u32(place, 52, u32::MAX - at as u32);
            }
            LogContent::read(&bytes, &ID, EPOCH);
        }
    }

    #[test]
    fn what_a_crash_left_behind_is_not_taken_up_again() {
        let old = log(&[(vec![1; 10], 0), (vec![2; 10], 1), (vec![3; 10], 1)]);
        // The second was torn; another of the same length came into its place.
        let mut bytes = log(&[(vec![1; 10], 0), (vec![9; 10], 1)]);
        bytes.extend_from_slice(&old[256..]);
        let content = LogContent::read(&bytes, &ID, EPOCH);
        assert_eq!(payloads(&content, &bytes), [vec![1; 10], vec![9; 10]]);
        assert_eq!(content.tail, LogEnd::Clean);
        // As it was before the other came.
        let mut bytes = old;
        bytes[200] ^= 1;
        let content = LogContent::read(&bytes, &ID, EPOCH);
        assert_eq!((content.frames.len(), content.tail), (1, LogEnd::Torn { bytes: 256 }));
    }

    #[test]
    fn frames_of_a_later_commit_tell_that_its_superblock_is_lost() {
        let bytes = log(&[(vec![1; 10], 0)]);
        let content = LogContent::read(&bytes, &ID, EPOCH - 1);
        assert!(content.frames.is_empty());
        assert!(matches!(content.tail, LogEnd::Damaged { at: 0, .. }), "{content:?}");
    }
}
