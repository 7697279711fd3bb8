//! Words that are names only in quotes.

use sqlparser::ast::Ident;
use sqlparser::tokenizer::{Span, Token};

use crate::column::words::is_reserved;
use crate::sql::error::{Result, SqlError};

/// Refuses a name that is such a word without quotes. What was not written by anyone is no mistake.
pub fn check_name(name: &Ident) -> Result<()> {
    if name.quote_style.is_some() || name.span == Span::empty() || !is_reserved(&name.value) {
        return Ok(());
    }
    Err(SqlError::parser(format!("syntax error at or near \"{}\"", name.value))
        .hint(format!("It is a word of SQL; as a name it needs quotes: \"{}\"", name.value))
        .at_span(name.span))
}

/// Whether a token is such a word.
pub fn is_reserved_word(token: &Token) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && is_reserved(&word.value))
}
