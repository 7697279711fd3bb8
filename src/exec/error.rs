//! What can go wrong while a query runs.

/// An error of a running query. Messages are for the user and name the value that is at fault.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// A value does not fit where it should go: text that is no number, a number out of range.
    #[error("Conversion Error: {0}")]
    Conversion(String),
    /// Arithmetic left the range of its type.
    #[error("Out of Range Error: {0}")]
    OutOfRange(String),
    /// A value that an operation does not accept: division of integers by zero, a bad pattern.
    #[error("Invalid Input Error: {0}")]
    InvalidInput(String),
    /// A constraint of a table does not hold.
    #[error("Constraint Error: {0}")]
    Constraint(String),
    /// A sequence has no more values, or none yet.
    #[error("Sequence Error: {0}")]
    Sequence(String),
    /// The query needs more memory than it may have.
    #[error("Out of Memory Error: {0}")]
    OutOfMemory(String),
    /// The query was cancelled.
    #[error("INTERRUPT Error: Interrupted!")]
    Cancelled,
    /// A file of an outside format could not be read or written.
    #[error("IO Error: {0}")]
    Io(String),
    /// Not there yet.
    #[error("Not implemented Error: {0}")]
    Unsupported(String),
    /// The table's storage failed.
    #[error(transparent)]
    Storage(#[from] crate::table::TableError),
    /// A mistake of ours.
    #[error("INTERNAL Error: {0}")]
    Internal(String),
}

impl ExecError {
    /// The error that a panic is.
    pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let message = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self::Internal(format!("something panicked: {}", message.unwrap_or("no message")))
    }
}

impl From<arrow_schema::ArrowError> for ExecError {
    fn from(e: arrow_schema::ArrowError) -> Self {
        use arrow_schema::ArrowError as A;
        match e {
            A::CastError(m) | A::ParseError(m) => Self::Conversion(m),
            A::ArithmeticOverflow(m) | A::ComputeError(m) => Self::OutOfRange(m),
            A::DivideByZero => Self::InvalidInput("division by zero".into()),
            A::InvalidArgumentError(m) => Self::InvalidInput(m),
            A::IoError(m, _) => Self::Io(m),
            A::NotYetImplemented(m) => Self::Unsupported(m),
            other => Self::Internal(other.to_string()),
        }
    }
}

/// The result of running something.
pub type Result<T, E = ExecError> = std::result::Result<T, E>;
