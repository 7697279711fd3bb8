//! The grammar of a WITH that has changes: `WITH x AS (INSERT … RETURNING …) SELECT …`.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{Cte, Ident, ObjectName, Query, TableAlias, TableAliasColumnDef, With};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use crate::sql::ast::{CteStep, Statement, WithChanges};
use crate::sql::error::{Result, SqlError};
use crate::sql::forms::{MATERIALIZED, NOT_MATERIALIZED, is_marker};
use crate::sql::lookahead::{self, plain_word};
use crate::sql::parser::{Parsed, modify, parse_query, table_query};

/// Words that begin a change.
const CHANGES: &[&str] = &["insert", "update", "delete", "truncate", "merge"];

/// Whether a WITH is ahead of which a CTE is a change.
pub fn is_ahead(parser: &Parser) -> bool {
    let mut ahead = lookahead::tokens(parser).peekable();
    if ahead.next_if(|token| plain_word(token) == "with").is_none() {
        return false;
    }
    let is_change = |token: &Token| CHANGES.contains(&plain_word(token).as_str());
    let mut depth = 0_usize;
    let mut behind_as = false;
    // The query of a CTE began with a WITH of its own, and what that is for has not come yet.
    let mut behind_inner_with = false;
    while let Some(token) = ahead.next() {
        match token {
            Token::LParen => {
                if depth == 0 && behind_as {
                    let first = ahead.peek();
                    if first.is_some_and(|t| is_change(t)) {
                        return true;
                    }
                    behind_inner_with = first.is_some_and(|t| plain_word(t) == "with");
                }
                depth += 1;
            }
            Token::RParen if depth == 0 => return false,
            Token::RParen => depth -= 1,
            Token::Word(w) if w.quote_style.is_none() => {
                let begins_query = matches!(w.keyword, Keyword::SELECT | Keyword::FROM | Keyword::VALUES);
                match depth {
                    // The list of CTEs is over.
                    0 if begins_query => return false,
                    1 if begins_query => behind_inner_with = false,
                    1 if behind_inner_with && is_change(token) => return true,
                    _ => {}
                }
            }
            _ => {}
        }
        behind_as = matches!(token, Token::Word(w) if w.keyword == Keyword::AS);
    }
    false
}

/// Parses such a WITH and what stands behind it.
pub fn parse(parser: &mut Parser) -> Result<WithChanges> {
    parser.expect_keyword_is(Keyword::WITH)?;
    let with_token = AttachedToken::from(parser.get_current_token().clone());
    let recursive = parser.parse_keyword(Keyword::RECURSIVE);
    let with = |cte_tables: &[Cte]| With {
        with_token: with_token.clone(),
        recursive,
        cte_tables: cte_tables.to_vec(),
    };
    let (mut ctes, mut steps) = (vec![], vec![]);
    loop {
        let (name, columns) = head(parser)?;
        let is_change = modify::is_ahead(parser);
        let query = if is_change {
            if recursive {
                return Err(SqlError::parser("Recursive CTEs with DML statements are not supported")
                    .at_span(name.span));
            }
            let mut change = modify::modify(parser)?;
            change.with.insert(0, with(&ctes));
            steps.push((name.clone(), CteStep::Change(Box::new(change))));
            // It stands for the rows of the step, and is never bound.
            parse_query("SELECT 0")?
        } else {
            parser.parse_query()?
        };
        parser.expect_token(&Token::RParen)?;
        let computed_once = columns.iter().any(|c| is_marker(&c.name, MATERIALIZED));
        let inlined = columns.iter().any(|c| is_marker(&c.name, NOT_MATERIALIZED));
        let alias = TableAlias { explicit: false, name: name.clone(), columns, at: None };
        let closing_paren_token = AttachedToken::from(parser.get_current_token().clone());
        ctes.push(Cte { alias, query, from: None, materialized: None, closing_paren_token });
        if !is_change {
            // Changes between its uses must not make it different rows.
            let uses = uses_ahead(parser, &name.value);
            if uses > 0 && (computed_once || uses > 1 && !inlined) {
                let mut rows = table_query(ObjectName::from(vec![name.clone()]))?;
                rows.with = Some(with(&ctes));
                steps.push((name, CteStep::Keep(rows)));
            }
        }
        if !parser.consume_token(&Token::Comma) {
            break;
        }
    }
    // What is used behind the last change only may as well be part of the statement proper.
    while matches!(steps.last(), Some((_, CteStep::Keep(_)))) {
        steps.pop();
    }
    let body = if modify::is_ahead(parser) {
        let mut change = modify::modify(parser)?;
        change.with.insert(0, with(&ctes));
        Statement::Modify(Box::new(change))
    } else {
        let mut query: Box<Query> = parser.parse_query()?;
        query.with = Some(with(&ctes));
        Statement::Query(query)
    };
    Ok(WithChanges { steps, body })
}

/// `name (columns) AS (`.
fn head(parser: &mut Parser) -> Parsed<(Ident, Vec<TableAliasColumnDef>)> {
    let name = parser.parse_identifier()?;
    let mut columns = vec![];
    if parser.consume_token(&Token::LParen) {
        columns = parser.parse_comma_separated(|p| {
            Ok(TableAliasColumnDef { name: p.parse_identifier()?, data_type: None })
        })?;
        parser.expect_token(&Token::RParen)?;
    }
    parser.expect_keyword_is(Keyword::AS)?;
    parser.expect_token(&Token::LParen)?;
    Ok((name, columns))
}

/// How often the rest of the statement has that word.
fn uses_ahead(parser: &Parser, name: &str) -> usize {
    let is_use = |token: &&Token| matches!(token, Token::Word(w) if w.value.eq_ignore_ascii_case(name));
    lookahead::tokens(parser).filter(is_use).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parser::{parse_statement, tokens};

    #[test]
    fn a_change_is_found_however_long_what_stands_before_it_is() {
        let rows = "(0),".repeat(30_000) + "(1)";
        let before = format!("WITH x AS (SELECT a FROM (VALUES {rows}) v(a))");
        let parse = |sql: &str| parse_statement(tokens(sql).unwrap()).unwrap();
        let with_change = format!("{before}, y AS (INSERT INTO t SELECT a FROM x RETURNING a) FROM y");
        assert!(matches!(parse(&with_change), Statement::WithChanges(_)));
        assert!(matches!(parse(&format!("{before} FROM x")), Statement::Query(_)));
    }
}
