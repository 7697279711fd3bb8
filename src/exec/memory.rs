//! Accounting for what operators hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;

/// Bytes taken from a query's limit, given back on drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    context: Arc<ExecContext>,
    bytes: u64,
}

impl Reservation {
    /// Nothing yet.
    pub fn new(context: &Arc<ExecContext>) -> Self {
        Self { context: context.clone(), bytes: 0 }
    }

    /// Takes `bytes` more.
    pub fn grow(&mut self, bytes: usize) -> Result<()> {
        self.context.memory.grow(bytes as u64)?;
        self.bytes += bytes as u64;
        Ok(())
    }

    /// Takes or gives back what is missing to `bytes`.
    pub fn resize(&mut self, bytes: usize) -> Result<()> {
        let bytes = bytes as u64;
        if bytes > self.bytes {
            self.context.memory.grow(bytes - self.bytes)?;
        } else {
            self.context.memory.shrink(self.bytes - bytes);
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Reservation {
    /// Takes or gives back what is missing to `bytes`, also past the limit: for what is about to be written away, and
    /// for little that must be held to go on.
    pub fn force(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        if bytes > self.bytes {
            self.context.memory.grow_past_limit(bytes - self.bytes);
        } else {
            self.context.memory.shrink(self.bytes - bytes);
        }
        self.bytes = bytes;
    }

    /// The bytes taken.
    pub fn bytes(&self) -> usize {
        self.bytes as usize
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.context.memory.shrink(self.bytes);
    }
}

/// What the workers of one operator may hold together before they have to write some of it away.
#[derive(Debug)]
pub(crate) struct Budget {
    context: Arc<ExecContext>,
    bytes: u64,
    held: AtomicU64,
    /// A worker that holds less is left alone: what it could write away would not be worth it.
    floor: u64,
}

impl Budget {
    /// One part in `share` of what the query may still take. What is left is for what the operator makes of it, and
    /// for those that run beside it.
    pub fn new(context: &Arc<ExecContext>, share: u64) -> Arc<Self> {
        let bytes = context.memory.limit().saturating_sub(context.memory.used()) / share;
        let floor = (context.memory.limit() / 64).clamp(32 << 10, 1 << 20);
        Arc::new(Self { context: context.clone(), bytes, held: AtomicU64::new(0), floor })
    }
}

/// One worker's part of a [`Budget`].
#[derive(Debug)]
pub(crate) struct Account {
    budget: Arc<Budget>,
    reservation: Reservation,
}

impl Account {
    /// Nothing yet.
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self { budget: budget.clone(), reservation: Reservation::new(&budget.context) }
    }

    /// Notes what the worker holds; whether it may. If not it should write away what it can, and then
    /// [`Account::settle`].
    #[must_use]
    pub fn fits(&mut self, bytes: usize) -> bool {
        let held = self.note(bytes);
        let own = bytes as u64;
        if own < self.budget.floor {
            return true;
        }
        let memory = &self.budget.context.memory;
        let threads = self.budget.context.threads as u64;
        // Those who hold most of it go first.
        let is_large = own.saturating_mul(2 * threads) >= held;
        !(memory.used() > memory.limit() || held > self.budget.bytes && is_large)
    }

    /// Notes what the worker holds and cannot write away; an error if that is more than the operator's budget, and
    /// more than there is.
    pub fn settle(&mut self, bytes: usize) -> Result<()> {
        self.note(bytes);
        let memory = &self.budget.context.memory;
        // Little more must not fail a query whose other operators have taken nearly all.
        let least = memory.limit() / 4;
        if bytes as u64 > self.budget.bytes.max(least) && memory.used() > memory.limit() {
            return Err(memory.exceeded(bytes as u64));
        }
        Ok(())
    }

    /// Notes what the worker holds, however much it is: it will not become more.
    pub fn force(&mut self, bytes: usize) {
        self.note(bytes);
    }

    /// What the worker holds, without the budget.
    pub fn into_reservation(mut self) -> Reservation {
        let held = self.reservation.bytes() as u64;
        self.budget.held.fetch_sub(held, Ordering::Relaxed);
        let nothing = Reservation::new(&self.budget.context);
        std::mem::replace(&mut self.reservation, nothing)
    }

    fn note(&mut self, bytes: usize) -> u64 {
        let before = self.reservation.bytes() as u64;
        let bytes_held = bytes as u64;
        self.reservation.force(bytes);
        let held = &self.budget.held;
        if bytes_held > before {
            held.fetch_add(bytes_held - before, Ordering::Relaxed) + bytes_held - before
        } else {
            (held.fetch_sub(before - bytes_held, Ordering::Relaxed) + bytes_held).saturating_sub(before)
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.reservation.bytes() as u64, Ordering::Relaxed);
    }
}

/// The bytes that the rows of a batch need, whether or not they share buffers with others.
pub(crate) fn batch_bytes(batch: &Batch) -> usize {
    batch.columns.iter().map(array_bytes).sum()
}

/// The bytes that the rows of an array need, whether or not they share buffers with others.
pub(crate) fn array_bytes(array: &ArrayRef) -> usize {
    let nulls = array.nulls().map_or(0, |_| array.len().div_ceil(8));
    let long = |len: u32| if len > 12 { len as usize } else { 0 };
    nulls
        + match array.data_type() {
            DataType::Utf8View => {
                array.as_string_view().views().iter().map(|v| 16 + long(*v as u32)).sum::<usize>()
            }
            DataType::BinaryView => {
                array.as_binary_view().views().iter().map(|v| 16 + long(*v as u32)).sum::<usize>()
            }
            // The values are shared by all batches of a chunk; charging them to each would be far off.
            DataType::Dictionary(..) => array.len() * 4,
            t => match t.primitive_width() {
                Some(width) => width * array.len(),
                None => {
                    let data = array.to_data();
                    data.get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size())
                }
            },
        }
}

/// A size such as `1GB`, `512 MiB` or a number of bytes. `KB` to `TB` are powers of 1000, `KiB` to `TiB` of 1024.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_lowercase();
    let is_digit = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    // An `e` between digits is that of an exponent.
    let in_number =
        |(at, c): (usize, char)| c.is_ascii_digit() || c == '.' || c == 'e' && at > 0 && is_digit(at + 1);
    let split = text.char_indices().find(|c| !in_number(*c)).map_or(text.len(), |(at, _)| at);
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().ok()?;
    let unit: f64 = match unit.trim() {
        "" | "b" | "byte" | "bytes" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let bytes = number * unit;
    (bytes.is_finite() && (0.0..1.8e19).contains(&bytes)).then_some(bytes as u64)
}
