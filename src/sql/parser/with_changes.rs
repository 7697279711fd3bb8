//! The grammar of a WITH that has changes: `WITH x AS (INSERT … RETURNING …) SELECT …`.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{Cte, Ident, ObjectName, Query, TableAlias, TableAliasColumnDef, With};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Word};

use crate::sql::ast::{CteStep, Statement, WithChanges};
use crate::sql::error::{Result, SqlError};
use crate::sql::forms::{MATERIALIZED, NOT_MATERIALIZED, is_marker};
use crate::sql::parse_modify;
use crate::sql::parser::{Parsed, parse_query, peek_word, table_query};

/// Words that begin a change.
const CHANGES: &[&str] = &["insert", "update", "delete", "truncate", "merge"];

/// Tokens that are looked at ahead. Each look begins where the parser stands, so that all of a long statement would take
/// time with the square of its length.
const LOOK_AHEAD: usize = 4096;

/// Whether a WITH is ahead of which a CTE is a change; one that begins behind [`LOOK_AHEAD`] tokens is not found.
pub fn is_ahead(parser: &Parser) -> bool {
    if peek_word(parser, 0) != "with" {
        return false;
    }
    let mut depth = 0_usize;
    // The query of a CTE began with a WITH of its own, and what that is for has not come yet.
    let mut behind_inner_with = false;
    for n in 1..LOOK_AHEAD {
        match &parser.peek_nth_token_ref(n).token {
            Token::EOF => return false,
            Token::LParen => {
                if depth == 0 && peek_word(parser, n - 1) == "as" {
                    let first = peek_word(parser, n + 1);
                    if CHANGES.contains(&first.as_str()) {
                        return true;
                    }
                    behind_inner_with = first == "with";
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
                    1 if behind_inner_with && CHANGES.contains(&peek_word(parser, n).as_str()) => {
                        return true;
                    }
                    _ => {}
                }
            }
            _ => {}
        }
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
        let is_change = parse_modify::is_ahead(parser);
        let query = if is_change {
            if recursive {
                return Err(SqlError::parser("Recursive CTEs with DML statements are not supported")
                    .at_span(name.span));
            }
            let mut change = parse_modify::modify(parser)?;
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
    let body = if parse_modify::is_ahead(parser) {
        let mut change = parse_modify::modify(parser)?;
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

/// How often the rest of the statement has that word; of a rest that is too long to tell, as if it were often.
fn uses_ahead(parser: &Parser, name: &str) -> usize {
    let mut uses = 0;
    for n in 0..LOOK_AHEAD {
        match &parser.peek_nth_token_ref(n).token {
            Token::EOF => return uses,
            Token::Word(Word { value, .. }) if value.eq_ignore_ascii_case(name) => uses += 1,
            _ => {}
        }
    }
    usize::MAX
}
