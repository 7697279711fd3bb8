//! The error of the public face.

use std::fmt::{self, Debug, Formatter, Write};

use crate::exec::error::ExecError;
use crate::sql::session::Failure;
use crate::sql::{Position, SqlError};

/// What went wrong. Its text is one line for the user, and that with its place is its debug form too, for that is what a
/// `main` that returns it prints; the alternate form, `{:#?}`, shows the parts.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A statement that cannot be understood, or does not fit what exists.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// A statement that failed while it ran.
    #[error(transparent)]
    Execution(#[from] ExecError),
    /// The file, or what is in it.
    #[error(transparent)]
    Storage(#[from] crate::table::TableError),
    /// The library was asked for something that is not there: a column that a row does not have, a value of another
    /// type.
    #[error("Usage Error: {0}")]
    Usage(String),
}

impl Debug for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            f.write_str(&self.message())?;
            return match self.position() {
                Some(at) => write!(f, " (line {}, column {})", at.line, at.column),
                None => Ok(()),
            };
        }
        match self {
            Self::Sql(e) => f.debug_tuple("Sql").field(e).finish(),
            Self::Execution(e) => f.debug_tuple("Execution").field(e).finish(),
            Self::Storage(e) => f.debug_tuple("Storage").field(e).finish(),
            Self::Usage(message) => f.debug_tuple("Usage").field(message).finish(),
        }
    }
}

impl From<crate::pager::PagerError> for Error {
    fn from(e: crate::pager::PagerError) -> Self {
        Self::Storage(e.into())
    }
}

impl From<crate::column::ColumnError> for Error {
    fn from(e: crate::column::ColumnError) -> Self {
        Self::Storage(e.into())
    }
}

/// The result of asking a database for something.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sql(e) => Self::Sql(e),
            Failure::Exec(e) => Self::Execution(e),
            Failure::Table(e) => Self::Storage(e),
        }
    }
}

/// Runs `work`; a panic in it, which is a mistake of ours or of a closure that the program registered, becomes an error.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    result.unwrap_or_else(|panic| Err(ExecError::panicked(&*panic).into()))
}

/// How much of a long line is shown before and behind the caret.
const CONTEXT_CHARS: usize = 60;

impl Error {
    /// The place in the text of the statement that is at fault, where there is one.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Sql(e) => e.position,
            _ => None,
        }
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> String {
        self.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What may have been meant, where that can be guessed.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Sql(e) => e.hint.as_deref(),
            _ => None,
        }
    }

    /// The code of the SQL standard, or PostgreSQL's where that has none, for programs that tell errors apart.
    ///
    /// ```
    /// let connection = fluxdb::Database::open_in_memory()?.connect();
    /// let error = connection.execute("SELECT 'x'::INTEGER FROM range(1)").unwrap_err();
    /// assert_eq!(error.sqlstate(), "22018");
    /// assert_eq!(connection.query("SELEC 1").unwrap_err().sqlstate(), "42601");
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    pub fn sqlstate(&self) -> &'static str {
        use crate::pager::PagerError;
        use crate::sql::SqlErrorKind as K;
        use crate::table::TableError as T;
        fn of_storage(e: &T) -> &'static str {
            match e {
                T::Catalog(_) => "42704",
                T::InTable { source, .. } => of_storage(source),
                T::NotNull { .. } => "23502",
                T::ReadOnly => "25006",
                T::Unsupported(_) => "0A000",
                T::Busy => "55P03",
                T::Conflict { .. } => "40001",
                T::Pager(PagerError::Locked { .. }) => "55006",
                T::Pager(e) if !e.is_corrupt() => "58030",
                T::Shape { .. } | T::NoSuchRow { .. } => "XX000",
                _ => "XX001",
            }
        }
        match self {
            Self::Sql(e) => match e.kind {
                K::Parser => "42601",
                K::Binder => "42000",
                K::Catalog => "42704",
                K::Conversion => "22018",
                K::OutOfRange => "22003",
                K::InvalidInput => "22023",
                K::Dependency => "2BP01",
                K::Io => "58030",
                K::Transaction => "25000",
                K::Unsupported => "0A000",
                K::Internal => "XX000",
            },
            Self::Execution(e) => match e {
                ExecError::Conversion(_) => "22018",
                ExecError::OutOfRange(_) => "22003",
                ExecError::InvalidInput(_) => "22023",
                ExecError::Constraint(_) => "23000",
                ExecError::Sequence(_) => "2200H",
                ExecError::OutOfMemory(_) => "53200",
                ExecError::Cancelled => "57014",
                ExecError::Io(_) => "58030",
                ExecError::Unsupported(_) => "0A000",
                ExecError::Storage(e) => of_storage(e),
                _ => "XX000",
            },
            Self::Storage(e) => of_storage(e),
            Self::Usage(_) => "22023",
        }
    }

    /// Moves the place by the lines and characters that precede the statement in a longer text.
    pub(crate) fn behind(mut self, text_before: &str) -> Self {
        if let Self::Sql(SqlError { position: Some(p), .. }) = &mut self {
            if p.line == 1 {
                let last_line = text_before.rsplit('\n').next().unwrap_or_default();
                p.column += last_line.chars().count();
            }
            p.line += text_before.matches('\n').count();
        }
        self
    }

    /// The error for a terminal: one line that begins with `Error: `, then, where there is a place, the line
    /// of `sql` and a caret under it. Without a line break at the end.
    ///
    /// ```
    /// let db = fluxdb::Database::open_in_memory()?;
    /// let sql = "SELECT 1 +* 2";
    /// let error = db.connect().query(sql).unwrap_err();
    /// let text = error.render(sql);
    /// assert!(text.starts_with("Error: Parser Error: "));
    /// assert_eq!(text.lines().nth(1), Some("LINE 1: SELECT 1 +* 2"));
    /// assert_eq!(text.lines().nth(2), Some("                  ^"));
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    pub fn render(&self, sql: &str) -> String {
        let mut out = String::from("Error: ");
        let message = self.to_string();
        out.push_str(&message.split_whitespace().collect::<Vec<_>>().join(" "));
        let Some(Position { line, column }) = self.position() else { return out };
        let Some(text) = sql.split('\n').nth(line - 1) else { return out };
        let chars: Vec<char> = text.trim_end().chars().collect();
        let at = (column - 1).min(chars.len());
        let from = at.saturating_sub(CONTEXT_CHARS);
        let to = (at + CONTEXT_CHARS).min(chars.len());
        let mut prefix = format!("LINE {line}: ");
        if from > 0 {
            prefix.push('…');
        }
        // Tabs and control characters take one cell, so that the caret stands right.
        let shown: String = chars[from..to].iter().map(|c| if c.is_control() { ' ' } else { *c }).collect();
        let behind = if to < chars.len() { "…" } else { "" };
        let indent = prefix.chars().count() + at - from;
        let _ = write!(out, "\n{prefix}{shown}{behind}\n{:indent$}^", "");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: usize, column: usize) -> Error {
        let mut e = SqlError::binder("no\nsuch thing");
        e.position = Some(Position { line, column });
        e.into()
    }

    #[test]
    fn a_program_that_ends_with_it_prints_a_line() {
        assert_eq!(format!("{:?}", error(2, 8)), "Binder Error: no such thing (line 2, column 8)");
        assert_eq!(format!("{:?}", Error::Usage("no".into())), "Usage Error: no");
        assert!(format!("{:#?}", error(2, 8)).starts_with("Sql(\n"));
    }

    #[test]
    fn a_caret_stands_under_the_place() {
        let text = error(2, 8).render("SELECT\n  a,\tbé nope");
        assert_eq!(text, "Error: Binder Error: no such thing\nLINE 2:   a, bé nope\n               ^");
    }

    #[test]
    fn long_lines_are_cut() {
        let sql = format!("SELECT {} nope {}", "x".repeat(500), "y".repeat(500));
        let text = error(1, 509).render(&sql);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].chars().count() < 140);
        let at = lines[2].chars().count() - 1;
        assert_eq!(lines[1].chars().nth(at), Some('n'));
    }

    #[test]
    fn places_beyond_the_text_do_no_harm() {
        assert!(error(9, 9).render("SELECT").starts_with("Error"));
        assert!(error(1, 900).render("SELECT").ends_with('^'));
    }

    #[test]
    fn places_move_behind_other_text() {
        let e = error(1, 3).behind("SELECT 1;\n ");
        assert_eq!(e.position(), Some(Position { line: 2, column: 4 }));
        let e = error(2, 3).behind("SELECT 1;\n ");
        assert_eq!(e.position(), Some(Position { line: 3, column: 3 }));
    }
}
