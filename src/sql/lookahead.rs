//! What stands ahead of a parser.
//!
//! `sqlparser` counts from where it stands each time that it is asked for the n-th token, so that going through a long
//! statement by number takes time with the square of its length. [`tokens`] goes through it once.

use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Word};

/// The tokens ahead, to the end of the text.
pub fn tokens<'p>(parser: &'p Parser<'_>) -> impl Iterator<Item = &'p Token> {
    // The parser says 0 before the first token and behind it.
    let is_at_start = std::ptr::eq(parser.get_next_token(), parser.token_at(0));
    let next = if is_at_start { 0 } else { parser.get_current_index() + 1 };
    (next..)
        .map(|i| &parser.token_at(i).token)
        .take_while(|token| **token != Token::EOF)
        .filter(|token| !matches!(token, Token::Whitespace(_)))
}

/// The token in lower case if it is a plain word, or else an empty text.
pub fn plain_word(token: &Token) -> String {
    match token {
        Token::Word(Word { value, quote_style: None, .. }) => value.to_lowercase(),
        _ => String::new(),
    }
}

/// The [`plain_word`] that is `n` tokens ahead, which should be few.
pub fn peek_word(parser: &Parser, n: usize) -> String {
    plain_word(&parser.peek_nth_token_ref(n).token)
}

/// Whether these words are ahead, from word `n` on.
pub fn peek_words(parser: &Parser, n: usize, words: &[&str]) -> bool {
    words.iter().enumerate().all(|(i, word)| peek_word(parser, n + i) == *word)
}

/// Takes the word if it is next.
pub fn take_word(parser: &mut Parser, word: &str) -> bool {
    let found = peek_word(parser, 0) == word;
    if found {
        parser.advance_token();
    }
    found
}

/// Takes the word, which must be next.
pub fn expect_word(parser: &mut Parser, word: &str) -> Result<(), ParserError> {
    if take_word(parser, word) {
        return Ok(());
    }
    parser.expected_ref(&word.to_uppercase(), parser.peek_token_ref())
}

#[cfg(test)]
mod tests {
    use sqlparser::dialect::GenericDialect;

    use super::*;

    #[test]
    fn tokens_ahead_begin_where_the_parser_stands() {
        let sql = "SELECT  1 , x";
        let mut parser = Parser::new(&GenericDialect).try_with_sql(sql).unwrap();
        for left in (0..=4).rev() {
            assert_eq!(tokens(&parser).count(), left);
            assert_eq!(tokens(&parser).next().unwrap_or(&Token::EOF), &parser.peek_token_ref().token);
            parser.advance_token();
        }
        assert_eq!(tokens(&parser).count(), 0);
    }
}
