//! What is wrong with a statement, and where.

use std::fmt;

use sqlparser::ast::Spanned;
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Location, Span, TokenizerError};

/// A place in the text of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
}

/// What kind of mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SqlErrorKind {
    /// The text is not SQL.
    Parser,
    /// A column, a function or a type does not fit.
    Binder,
    /// A table, view, schema or function does not exist, or exists already.
    Catalog,
    /// A constant cannot be converted.
    Conversion,
    /// A constant leaves the range of its type.
    OutOfRange,
    /// A value that a statement does not accept, such as a setting's.
    InvalidInput,
    /// Something else needs what the statement would take away.
    Dependency,
    /// A file could not be read or written.
    Io,
    /// The statement is not possible in the present state of the connection.
    Transaction,
    /// Right, but not there yet.
    Unsupported,
    /// A mistake of ours.
    Internal,
}

impl SqlErrorKind {
    /// The words that begin a message.
    fn label(self) -> &'static str {
        match self {
            Self::Parser => "Parser Error",
            Self::Binder => "Binder Error",
            Self::Catalog => "Catalog Error",
            Self::Conversion => "Conversion Error",
            Self::OutOfRange => "Out of Range Error",
            Self::InvalidInput => "Invalid Input Error",
            Self::Dependency => "Dependency Error",
            Self::Io => "IO Error",
            Self::Transaction => "TransactionContext Error",
            Self::Unsupported => "Not implemented Error",
            Self::Internal => "INTERNAL Error",
        }
    }
}

/// An error found before a statement runs. Its text is one line; the place is told separately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// What kind of mistake it is.
    pub kind: SqlErrorKind,
    /// What is wrong.
    pub message: String,
    /// Where, if that is known.
    pub position: Option<Position>,
    /// What may have been meant.
    pub hint: Option<String>,
}

/// The result of understanding something.
pub type Result<T, E = SqlError> = std::result::Result<T, E>;

impl SqlError {
    /// An error of this kind, without a place.
    pub fn new(kind: SqlErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), position: None, hint: None }
    }

    /// The text is not SQL.
    pub fn parser(message: impl Into<String>) -> Self {
        Self::new(SqlErrorKind::Parser, message)
    }

    /// A column, a function or a type does not fit.
    pub fn binder(message: impl Into<String>) -> Self {
        Self::new(SqlErrorKind::Binder, message)
    }

    /// Something does not exist, or exists already.
    pub fn catalog(message: impl Into<String>) -> Self {
        Self::new(SqlErrorKind::Catalog, message)
    }

    /// A value that a statement does not accept.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(SqlErrorKind::InvalidInput, message)
    }

    /// Right, but not there yet.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(SqlErrorKind::Unsupported, message)
    }

    /// A mistake of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(SqlErrorKind::Internal, message)
    }

    /// The same, at the start of a piece of syntax, unless a place is known already.
    #[must_use]
    pub fn at(self, what: &impl Spanned) -> Self {
        if self.position.is_some() { self } else { self.at_span(what.span()) }
    }

    /// The same, at the start of a span, unless a place is known already.
    #[must_use]
    pub fn at_span(mut self, span: Span) -> Self {
        if self.position.is_none() {
            self.position = position(span.start);
        }
        self
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with "Did you mean" and the candidates that look most like `name`, if any do.
    #[must_use]
    pub fn did_you_mean<S: AsRef<str>>(self, name: &str, candidates: impl IntoIterator<Item = S>) -> Self {
        let similar = similar_names(name, candidates);
        if similar.is_empty() { self } else { self.hint(format!("Did you mean {}?", or_list(&similar))) }
    }
}

/// Up to three candidates that look like `name`, the most similar first.
pub fn similar_names<S: AsRef<str>>(name: &str, candidates: impl IntoIterator<Item = S>) -> Vec<String> {
    let name = name.to_lowercase();
    let mut scored: Vec<(f64, String)> = candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(&name, &c.as_ref().to_lowercase()), c.as_ref().to_owned()))
        .filter(|(score, c)| *score >= 0.75 && !c.is_empty())
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(3).map(|(_, c)| c).collect()
}

/// `"a", "b" or "c"`.
fn or_list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("\"{n}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// The parser marks a missing location by zeros.
fn position(location: Location) -> Option<Position> {
    (location.line > 0)
        .then(|| Position { line: location.line as usize, column: location.column.max(1) as usize })
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.label(), self.message)?;
        match &self.hint {
            Some(hint) => {
                let closed = self.message.ends_with(['.', '!', '?', ':']);
                write!(f, "{}{hint}", if closed { " " } else { ". " })
            }
            None => Ok(()),
        }
    }
}

impl std::error::Error for SqlError {}

impl From<TokenizerError> for SqlError {
    fn from(e: TokenizerError) -> Self {
        let mut out = Self::parser(format!("syntax error: {}", lower_first(&e.message)));
        out.position = position(e.location);
        out
    }
}

impl From<ParserError> for SqlError {
    fn from(e: ParserError) -> Self {
        match e {
            ParserError::RecursionLimitExceeded => Self::parser(format!(
                "the statement is nested too deeply (parentheses, operators or subqueries): the maximum depth is {}",
                crate::sql::parser::NESTING_MAX
            )),
            ParserError::TokenizerError(m) | ParserError::ParserError(m) => {
                let (message, position) = split_location(&m);
                let mut out = Self::parser(format!("syntax error: {}", lower_first(message)));
                out.position = position;
                out
            }
        }
    }
}

/// Takes the location that the parser appends to its messages off again.
fn split_location(message: &str) -> (&str, Option<Position>) {
    let parsed = message.rsplit_once(" at Line: ").and_then(|(text, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((text, Position { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? }))
    });
    match parsed {
        Some((text, position)) => (text, Some(position)),
        None => (message, None),
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(a), Some(b)) if b.is_lowercase() || b == ' ' => a.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn location_is_taken_from_the_message() {
        let e: SqlError =
            ParserError::ParserError("Expected: an expression, found: ) at Line: 2, Column: 17".into())
                .into();
        assert_eq!(e.position, Some(Position { line: 2, column: 17 }));
        assert_eq!(e.to_string(), "Parser Error: syntax error: expected: an expression, found: )");
    }

    #[test]
    fn similar_names_come_closest_first() {
        assert_eq!(similar_names("valeu", ["time", "value", "val"]), ["value", "val"]);
        assert!(similar_names("x", ["abc"]).is_empty());
    }
}
