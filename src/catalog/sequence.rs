//! Sequences, and their records.
//!
//! ```text
//! header | id u64 | schema id u64 | name text | comment optional text
//!        | start i64 | increment i64 | least i64 | greatest i64 | cycles bool
//!        | next i64 | overflowed bool | last i64 | values taken u64
//!        | owner id u64 (from version 2)
//! ```
//!
//! A sequence without an owner is written as version 1, which older readers know.
//!
//! A sequence's counter is the one thing in a catalog that changes: values that were taken stay taken, whatever
//! becomes of the transaction that took them, so all catalogs that have the sequence share one counter.

use std::sync::Arc;

use crate::catalog::error::{CatalogError, Result};
use crate::catalog::object::ObjectId;
use crate::catalog::record::{Decoded, Malformed, RecordKind, RecordReader, RecordWriter};
use crate::catalog::schema::SchemaId;
use crate::sync::Mutex;

/// What a sequence is.
#[derive(Debug, Clone)]
pub struct SequenceDefinition {
    /// Its id. [`Catalog::create_object`](crate::catalog::Catalog::create_object) gives it.
    pub id: ObjectId,
    /// The schema it is in.
    pub schema: SchemaId,
    /// Its name, as written.
    pub name: Box<str>,
    /// `COMMENT ON SEQUENCE`.
    pub comment: Option<Box<str>>,
    /// The first value.
    pub start: i64,
    /// From a value to the next; not 0.
    pub increment: i64,
    /// No value is less.
    pub least: i64,
    /// No value is greater.
    pub greatest: i64,
    /// Behind the last value comes the first at the other end.
    pub cycles: bool,
    /// The object that it goes with.
    pub owner: Option<ObjectId>,
    /// Where it stands.
    pub counter: Arc<SequenceCounter>,
}

/// Where a sequence stands; shared by all that use it.
#[derive(Debug, Default)]
pub struct SequenceCounter {
    state: Mutex<CounterState>,
    /// The state that is in its record.
    saved: Mutex<CounterState>,
    /// The state that is in the file: in the record, or in the log.
    logged: Mutex<CounterState>,
}

/// Where a sequence stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct CounterState {
    /// The value that is taken next, if there is one.
    pub next: i64,
    /// The value behind the last is none of 64 bits; `next` means nothing.
    pub overflowed: bool,
    /// The value that was taken last.
    pub last: i64,
    /// How many were taken.
    pub taken: u64,
}

/// There are no more values in the direction of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// It counts down.
    AtLeast(i64),
    /// It counts up.
    AtGreatest(i64),
}

impl SequenceCounter {
    fn at(state: CounterState) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(state), saved: Mutex::new(state), logged: Mutex::new(state) })
    }

    /// Where it stands.
    pub fn state(&self) -> CounterState {
        *self.state.lock()
    }

    /// Whether its record does not have its state yet.
    pub fn is_dirty(&self) -> bool {
        self.state() != *self.saved.lock()
    }

    /// Whether the file does not have its state yet.
    pub fn is_unlogged(&self) -> bool {
        self.state() != *self.logged.lock()
    }

    /// Says that its record has this state.
    pub fn saved(&self, state: CounterState) {
        *self.saved.lock() = state;
        *self.logged.lock() = state;
    }

    /// Says that the log has this state.
    pub fn logged(&self, state: CounterState) {
        *self.logged.lock() = state;
    }

    /// Takes over the state that the log has.
    pub fn replay(&self, state: CounterState) {
        *self.state.lock() = state;
        *self.logged.lock() = state;
    }
}

impl SequenceDefinition {
    /// The sequence 1, 2, 3, …, yet to be given its id.
    pub fn new(schema: SchemaId, name: &str) -> Self {
        let mut sequence = Self {
            id: ObjectId::NONE,
            schema,
            name: name.into(),
            comment: None,
            start: 1,
            increment: 1,
            least: 1,
            greatest: i64::MAX,
            cycles: false,
            owner: None,
            counter: Arc::default(),
        };
        sequence.restart();
        sequence
    }

    /// Begins from the start, with a counter of its own.
    pub fn restart(&mut self) {
        let state = CounterState { next: self.start, last: self.start, ..CounterState::default() };
        self.counter = SequenceCounter::at(state);
    }

    /// Takes the next value.
    pub fn take(&self) -> Result<i64, Exhausted> {
        let mut state = self.counter.state.lock();
        let up = self.increment > 0;
        let above = if state.overflowed { up } else { state.next > self.greatest };
        let below = if state.overflowed { !up } else { state.next < self.least };
        let taken = match (above, below) {
            (false, false) => state.next,
            (true, _) if self.cycles => self.least,
            (_, true) if self.cycles => self.greatest,
            (true, _) => return Err(Exhausted::AtGreatest(self.greatest)),
            (_, true) => return Err(Exhausted::AtLeast(self.least)),
        };
        self.set(&mut state, taken);
        state.taken += 1;
        Ok(taken)
    }

    /// Makes a value the one that was taken last; or, if not `taken`, the one that is taken next.
    pub fn put(&self, value: i64, taken: bool) {
        let mut state = self.counter.state.lock();
        if taken {
            self.set(&mut state, value);
            state.taken += 1;
        } else {
            (state.next, state.overflowed) = (value, false);
        }
    }

    fn set(&self, state: &mut CounterState, last: i64) {
        state.last = last;
        (state.next, state.overflowed) = last.overflowing_add(self.increment);
    }

    /// The value that was taken last; `None` before the first.
    pub fn last(&self) -> Option<i64> {
        let state = self.counter.state();
        (state.taken > 0).then_some(state.last)
    }

    /// Whether the definition can be.
    pub fn validate(&self) -> Result<()> {
        let invalid = |what: &str| Err(CatalogError::Invalid(what.into()));
        if self.increment == 0 {
            return invalid("Increment must not be zero");
        }
        if self.least > self.greatest {
            return Err(CatalogError::Invalid(format!(
                "MINVALUE ({}) must be less than MAXVALUE ({})",
                self.least, self.greatest
            )));
        }
        if self.start < self.least {
            return Err(CatalogError::Invalid(format!(
                "START value ({}) cannot be less than MINVALUE ({})",
                self.start, self.least
            )));
        }
        if self.start > self.greatest {
            return Err(CatalogError::Invalid(format!(
                "START value ({}) cannot be greater than MAXVALUE ({})",
                self.start, self.greatest
            )));
        }
        Ok(())
    }

    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        let version = if self.owner.is_some() { 2 } else { 1 };
        let mut w = RecordWriter::of_version(RecordKind::Sequence, version);
        w.u64(self.id.0);
        w.u64(self.schema.0);
        w.text(&self.name);
        w.optional_text(self.comment.as_deref());
        for value in [self.start, self.increment, self.least, self.greatest] {
            w.u64(value as u64);
        }
        w.bool(self.cycles);
        let state = self.counter.state();
        w.u64(state.next as u64);
        w.bool(state.overflowed);
        w.u64(state.last as u64);
        w.u64(state.taken);
        if let Some(owner) = self.owner {
            w.u64(owner.0);
        }
        w.finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut r = RecordReader::new(bytes, RecordKind::Sequence)?;
        let mut sequence = Self {
            id: ObjectId(r.u64()?),
            schema: SchemaId(r.u64()?),
            name: r.text()?,
            comment: r.optional_text()?,
            start: r.u64()? as i64,
            increment: r.u64()? as i64,
            least: r.u64()? as i64,
            greatest: r.u64()? as i64,
            cycles: r.bool()?,
            counter: SequenceCounter::at(CounterState {
                next: r.u64()? as i64,
                overflowed: r.bool()?,
                last: r.u64()? as i64,
                taken: r.u64()?,
            }),
            owner: None,
        };
        if r.version() >= 2 {
            sequence.owner = Some(ObjectId(r.u64()?));
        }
        r.finish()?;
        sequence.validate().map_err(|e| Malformed::Bytes(e.to_string()))?;
        Ok(sequence)
    }
}

/// Two definitions are equal if all but their counters are: where a sequence stands is no part of what it is.
impl PartialEq for SequenceDefinition {
    fn eq(&self, other: &Self) -> bool {
        let key = |s: &Self| (s.id, s.schema, s.start, s.increment, s.least, s.greatest, s.cycles, s.owner);
        key(self) == key(other) && self.name == other.name && self.comment == other.comment
    }
}

impl Eq for SequenceDefinition {}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(increment: i64, least: i64, greatest: i64, start: i64, cycles: bool) -> SequenceDefinition {
        let mut s = SequenceDefinition::new(SchemaId(1), "s");
        (s.increment, s.least, s.greatest, s.start, s.cycles) = (increment, least, greatest, start, cycles);
        s.restart();
        s
    }

    fn taken(s: &SequenceDefinition, count: usize) -> Vec<Result<i64, Exhausted>> {
        (0..count).map(|_| s.take()).collect()
    }

    #[test]
    fn counts_to_its_end_and_stops_or_begins_again() {
        let up = sequence(2, 1, 4, 1, false);
        assert_eq!(up.last(), None);
        assert_eq!(taken(&up, 3), [Ok(1), Ok(3), Err(Exhausted::AtGreatest(4))]);
        assert_eq!(up.last(), Some(3));
        let down = sequence(-1, -2, 0, 0, true);
        assert_eq!(taken(&down, 4), [Ok(0), Ok(-1), Ok(-2), Ok(0)]);
        let edge = sequence(3, 1, i64::MAX, i64::MAX - 1, false);
        let end = Err(Exhausted::AtGreatest(i64::MAX));
        assert_eq!(taken(&edge, 3), [Ok(i64::MAX - 1), end, end]);
        edge.put(7, true);
        assert_eq!((edge.last(), edge.take()), (Some(7), Ok(10)));
        edge.put(7, false);
        assert_eq!(edge.take(), Ok(7));
        let least = sequence(-1, i64::MIN, -1, i64::MIN, false);
        assert_eq!(taken(&least, 2), [Ok(i64::MIN), Err(Exhausted::AtLeast(i64::MIN))]);
    }

    #[test]
    fn records_come_back_with_their_state() {
        let s = sequence(5, -100, 100, 7, true);
        assert!(!s.counter.is_dirty());
        s.take().unwrap();
        assert!(s.counter.is_dirty());
        let read = SequenceDefinition::decode(&s.encode()).unwrap();
        assert_eq!((&read, read.counter.state()), (&s, s.counter.state()));
        assert!(!read.counter.is_dirty() && !read.counter.is_unlogged());
        assert_eq!(read.take(), Ok(12));
        assert!(read.counter.is_dirty() && read.counter.is_unlogged());
        read.counter.logged(read.counter.state());
        assert!(read.counter.is_dirty() && !read.counter.is_unlogged());
        read.counter.replay(s.counter.state());
        assert!(!read.counter.is_dirty() && !read.counter.is_unlogged());
        assert_eq!(read.take(), Ok(12));
        let bytes = s.encode();
        for cut in 0..bytes.len() {
            assert!(SequenceDefinition::decode(&bytes[..cut]).is_err());
        }
        assert!(SequenceDefinition::decode(&sequence(0, 1, 2, 1, false).encode()).is_err());
        assert!(SequenceDefinition::decode(&sequence(1, 3, 2, 1, false).encode()).is_err());
    }
}
