//! Keywords that were mistyped.

use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::sql::error::{Position, SqlError, SqlErrorKind};

/// What statements and their clauses are made of.
const KEYWORDS: &[&str] = &[
    "FROM",
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "QUALIFY",
    "WINDOW",
    "JOIN",
    "INNER",
    "LEFT",
    "RIGHT",
    "FULL",
    "OUTER",
    "CROSS",
    "USING",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "SELECT",
    "DISTINCT",
    "VALUES",
    "INTO",
    "SET",
    "TABLE",
    "VIEW",
    "INDEX",
    "SCHEMA",
    "SEQUENCE",
    "TYPE",
    "RETURNING",
    "CONFLICT",
    "EVERY",
    "FILL",
    "BETWEEN",
];

/// A syntax error with a guess, where a word at its place, or just before it, is nearly a keyword: `SELECT * FORM t`
/// fails at `FORM`, `LIMT 1` at the `1`, and `VALEUS (1)` within the parentheses.
pub fn with_guess(parser: &Parser, error: SqlError) -> SqlError {
    let (SqlErrorKind::Parser, None, Some(place)) = (error.kind, &error.hint, error.position) else {
        return error;
    };
    let tokens = || (0..).map(|at| parser.token_at(at)).take_while(|t| t.token != Token::EOF);
    let mut before: Vec<&TokenWithSpan> = vec![];
    for token in tokens().filter(|t| !matches!(t.token, Token::Whitespace(_))) {
        let start = token.span.start;
        let start = Position { line: start.line as usize, column: start.column as usize };
        if (start.line, start.column) > (place.line, place.column) {
            break;
        }
        if before.len() == 3 {
            before.remove(0);
        }
        before.push(token);
    }
    let opens = before.len() >= 2 && before[before.len() - 2].token == Token::LParen;
    let guess = before.iter().rev().take(if opens { 3 } else { 2 }).find_map(|t| keyword_like(&t.token));
    match guess {
        Some(keyword) => error.hint(format!("Did you mean \"{keyword}\"?")),
        None => error,
    }
}

/// The keyword that a word which is none is one slip away from.
fn keyword_like(token: &Token) -> Option<&'static str> {
    let Token::Word(word) = token else { return None };
    if word.quote_style.is_some() || word.keyword != Keyword::NoKeyword {
        return None;
    }
    let upper = word.value.to_uppercase();
    // Of three letters only those in another order: one more or other letter makes another word.
    let slips = |keyword: &str| match keyword.len() {
        ..=3 => upper.len() == keyword.len() && strsim::osa_distance(&upper, keyword) == 1,
        _ => strsim::osa_distance(&upper, keyword) == 1,
    };
    KEYWORDS.iter().find(|keyword| slips(keyword)).copied()
}

#[cfg(test)]
mod tests {
    use crate::sql::parser::{parse_statement, tokens};

    fn error(sql: &str) -> String {
        parse_statement(tokens(sql).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn a_mistyped_keyword_is_guessed() {
        for (sql, keyword) in [
            ("SELECT * FORM t", "FROM"),
            ("SELECT *\n  form t", "FROM"),
            ("DELETE FORM t", "FROM"),
            ("SELECT 1 FROM t WERE i = 1", "WHERE"),
            ("SELECT 1 FROM t GROPU BY 1", "GROUP"),
            ("SELECT 1 FROM t ORDR BY 1", "ORDER"),
            ("SELECT 1 FROM t LIMT 1", "LIMIT"),
            ("SELECT 1 FROM t a JION t b ON true", "JOIN"),
            ("INSERT INOT t VALUES (1)", "INTO"),
            ("INSERT INTO t VALEUS (1)", "VALUES"),
            ("UPDATE t STE a = 1", "SET"),
            ("CREATE TABEL t(i INTEGER)", "TABLE"),
            ("DROP TABEL t", "TABLE"),
        ] {
            let message = error(sql);
            assert!(message.ends_with(&format!("Did you mean \"{keyword}\"?")), "{sql}: {message}");
        }
    }

    #[test]
    fn other_errors_get_no_guess() {
        for sql in [
            "SELECT 1 FROM t u v",
            "SELECT (1",
            "SELECT 1 FROM \"form\" \"form\" t",
            "SELECT 1 FROM t a se b",
            "SELECT",
        ] {
            let message = error(sql);
            assert!(!message.contains("Did you mean"), "{sql}: {message}");
        }
    }
}
