//! What subcommands say, and how they end. The printing macros of the standard library panic where nobody reads any
//! more, so the shell uses none of them: results go through a writer and `?`, messages through [`tell`](crate::tell).

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

/// Writes a line to standard error. Who has closed it does not want to be told.
#[macro_export]
macro_rules! tell {
    ($($message:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($message)*);
    }};
}

/// The status of a subcommand that did all it could, or why it ended before.
pub type Done = Result<ExitCode, Ended>;

/// Why a subcommand ended early.
#[derive(Debug)]
pub enum Ended {
    /// Nobody reads the output any more, which is no failure.
    Closed,
    /// It was called wrongly; what is wrong, where its usage alone does not say it.
    Usage(Option<String>),
    /// It failed, and this is the message.
    Failed(String),
}

impl Ended {
    /// A failure with this message.
    pub fn failed(message: impl Display) -> Self {
        Self::Failed(message.to_string())
    }

    /// A call with this mistake.
    pub fn usage(message: impl Display) -> Self {
        Self::Usage(Some(message.to_string()))
    }
}

/// Of writing the output: what else goes wrong with files says which file it was.
impl From<io::Error> for Ended {
    fn from(e: io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Failed(format!("cannot write the result: {e}")),
        }
    }
}

impl From<fluxdb::Error> for Ended {
    fn from(e: fluxdb::Error) -> Self {
        Self::failed(e)
    }
}
