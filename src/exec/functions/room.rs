//! How much one call may make of a batch: a value may be far longer than those that it is made of.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};

/// The longest text that a function makes.
pub(crate) const MAX_TEXT: usize = 1 << 30;

/// The error of a text that would be longer than [`MAX_TEXT`].
pub(crate) fn text_too_long() -> ExecError {
    ExecError::OutOfRange("the text would be longer than 1 GiB".into())
}

/// What a call has made so far, against what its query may still take. It looks now and then, so counting costs
/// nothing; it looks too whether the query was cancelled, since one call may take long.
pub(crate) struct Room<'c> {
    context: &'c ExecContext,
    made: usize,
    /// With how much it looks again.
    next: usize,
}

impl<'c> Room<'c> {
    /// Bytes between two looks.
    const STEP: usize = 1 << 20;

    /// Nothing is made yet.
    pub fn new(context: &'c ExecContext) -> Self {
        Self { context, made: 0, next: Self::STEP }
    }

    /// Counts bytes that are about to be allocated.
    #[inline]
    pub fn take(&mut self, bytes: usize) -> Result<()> {
        self.made = self.made.saturating_add(bytes);
        if self.made < self.next { Ok(()) } else { self.look() }
    }

    #[cold]
    fn look(&mut self) -> Result<()> {
        self.context.check_cancelled()?;
        let memory = &self.context.memory;
        let made = self.made as u64;
        if memory.used().saturating_add(made) > memory.limit() {
            return Err(memory.exceeded(made));
        }
        self.next = self.made.saturating_add(Self::STEP);
        Ok(())
    }
}

/// Texts that a call makes.
pub(crate) struct Texts<'c> {
    texts: StringViewBuilder,
    room: Room<'c>,
}

impl<'c> Texts<'c> {
    /// None yet; room for the views of `rows` texts.
    pub fn new(rows: usize, context: &'c ExecContext) -> Self {
        Self { texts: StringViewBuilder::with_capacity(rows), room: Room::new(context) }
    }

    /// Adds a text.
    #[inline]
    pub fn push(&mut self, text: &str) -> Result<()> {
        if text.len() > MAX_TEXT {
            return Err(text_too_long());
        }
        self.room.take(text.len())?;
        Ok(self.texts.try_append_value(text)?)
    }

    /// Adds NULL.
    #[inline]
    pub fn push_null(&mut self) {
        self.texts.append_null();
    }

    /// All of them.
    pub fn finish(mut self) -> ArrayRef {
        Arc::new(self.texts.finish())
    }
}

/// Bytes for each value of an array that gathers values of this one: what lies behind a view is shared.
pub(crate) fn bytes_each(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::Utf8View | DataType::BinaryView => 16,
        ty => match ty.primitive_width() {
            Some(width) => width,
            None if ty.is_nested() && !array.is_empty() => {
                let bytes = array.to_data().get_slice_memory_size().unwrap_or(usize::MAX);
                bytes.div_ceil(array.len())
            }
            None => 1,
        },
    }
}

/// An error if there is no room for `len` values like those of an array.
pub(crate) fn check_room(array: &dyn Array, len: usize, context: &ExecContext) -> Result<()> {
    // Anything else is little in a batch.
    if !array.data_type().is_nested() {
        return Ok(());
    }
    Room::new(context).take(bytes_each(array).saturating_mul(len))
}
