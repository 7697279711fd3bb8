//! The grammar of INSERT, UPDATE, DELETE, TRUNCATE and MERGE: DuckDB's, of which `sqlparser` has a part.

use sqlparser::ast::{Expr, Ident, ObjectName, SetExpr, TableWithJoins, With};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use crate::sql::ast::{
    Assignment, Change, ConflictAction, Insert, Merge, MergeAction, MergeClause, MergeCondition, MergeKind,
    Modify, OnConflict, Overriding, Truncate, Update,
};
use crate::sql::error::{Result, SqlError};
use crate::sql::lookahead::{self, peek_word, peek_words, take_word};
use crate::sql::parser::Parsed;

/// Whether a statement that changes rows is ahead, possibly behind WITH.
pub fn is_ahead(parser: &Parser) -> bool {
    match peek_word(parser, 0).as_str() {
        "insert" | "update" | "delete" | "truncate" | "merge" => true,
        // InfluxQL's word for the deletion of a measurement's rows.
        "drop" => peek_words(parser, 1, &["series", "from"]),
        "with" => first_word_behind_with(parser).is_some_and(|w| {
            matches!(w, Keyword::INSERT | Keyword::UPDATE | Keyword::DELETE | Keyword::MERGE)
        }),
        _ => false,
    }
}

/// The word that begins what the CTEs are for.
fn first_word_behind_with(parser: &Parser) -> Option<Keyword> {
    let mut depth = 0_usize;
    for token in lookahead::tokens(parser) {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.checked_sub(1)?,
            // What stands between AS and the brackets are other words.
            Token::Word(w) if depth == 0 && w.quote_style.is_none() => {
                if matches!(
                    w.keyword,
                    Keyword::SELECT
                        | Keyword::FROM
                        | Keyword::VALUES
                        | Keyword::INSERT
                        | Keyword::UPDATE
                        | Keyword::DELETE
                        | Keyword::MERGE
                ) {
                    return Some(w.keyword);
                }
            }
            _ => {}
        }
    }
    None
}

/// Parses a statement that changes rows.
pub fn modify(parser: &mut Parser) -> Result<Modify> {
    let mut with = vec![];
    if parser.parse_keyword(Keyword::WITH) {
        let with_token = parser.get_current_token().clone();
        let recursive = parser.parse_keyword(Keyword::RECURSIVE);
        let cte_tables = parser.parse_comma_separated(Parser::parse_cte)?;
        with.push(With { with_token: with_token.into(), recursive, cte_tables });
    }
    let change = peek_word(parser, 0);
    parser.advance_token();
    let mut statement = match change.as_str() {
        "insert" => insert(parser)?,
        "update" => update(parser)?,
        "delete" => delete(parser)?,
        "drop" => {
            parser.advance_token();
            delete(parser)?
        }
        "truncate" => truncate(parser)?,
        "merge" => merge(parser)?,
        _ => parser.expected_ref("INSERT, UPDATE, DELETE or MERGE", parser.get_current_token())?,
    };
    statement.with = with;
    if change != "truncate" && parser.parse_keyword(Keyword::RETURNING) {
        statement.returning = Some(parser.parse_comma_separated(Parser::parse_select_item)?);
    }
    Ok(statement)
}

/// Words that end the name of a table rather than being its alias.
const NO_ALIAS: &[&str] = &[
    "set",
    "using",
    "where",
    "returning",
    "values",
    "select",
    "default",
    "by",
    "overriding",
    "on",
    "when",
    "from",
    "with",
    "table",
];

fn table(parser: &mut Parser) -> Parsed<(ObjectName, Option<Ident>)> {
    let name = parser.parse_object_name(false)?;
    let alias = if parser.parse_keyword(Keyword::AS) {
        Some(parser.parse_identifier()?)
    } else {
        match &parser.peek_token_ref().token {
            Token::Word(w) if w.quote_style.is_some() => Some(parser.parse_identifier()?),
            Token::Word(w) if !NO_ALIAS.contains(&w.value.to_lowercase().as_str()) => {
                Some(parser.parse_identifier()?)
            }
            _ => None,
        }
    };
    Ok((name, alias))
}

fn statement(table: (ObjectName, Option<Ident>), change: Change) -> Modify {
    Modify { with: vec![], table: table.0, alias: table.1, change, returning: None }
}

// --- INSERT ---

fn insert(parser: &mut Parser) -> Result<Modify> {
    let mut conflict = None;
    if parser.parse_keyword(Keyword::OR) {
        let action = match parser.expect_one_of_keywords(&[Keyword::REPLACE, Keyword::IGNORE])? {
            Keyword::REPLACE => ConflictAction::Replace,
            _ => ConflictAction::Nothing,
        };
        conflict = Some(OnConflict { target: vec![], constraint: None, action });
    }
    parser.expect_keyword_is(Keyword::INTO)?;
    let table = table(parser)?;
    let by_name = by_name(parser)?.unwrap_or(false);
    let mut columns = vec![];
    if parser.peek_token_ref().token == Token::LParen && !is_query_in_brackets(parser) {
        let bracket = parser.peek_token_ref().span;
        columns = names_in_brackets(parser)?;
        if by_name {
            return Err(SqlError::binder("INSERT BY NAME cannot be combined with an explicit column list")
                .at_span(bracket));
        }
    }
    let overriding = overriding(parser)?;
    let source = if parser.parse_keywords(&[Keyword::DEFAULT, Keyword::VALUES]) {
        None
    } else {
        Some(parser.parse_query()?)
    };
    if let (true, Some(query)) = (by_name, &source)
        && matches!(*query.body, SetExpr::Values(_))
    {
        return Err(SqlError::binder(
            "INSERT BY NAME can only be used when inserting from a SELECT statement",
        )
        .at(&**query));
    }
    if parser.parse_keywords(&[Keyword::ON, Keyword::CONFLICT]) {
        let given = on_conflict(parser)?;
        if conflict.is_some() {
            return Err(SqlError::parser(
                "You can not provide both OR REPLACE|IGNORE and an ON CONFLICT clause, please remove the first if you want to have more granual control",
            ));
        }
        conflict = Some(given);
    }
    Ok(statement(table, Change::Insert(Insert { columns, by_name, overriding, source, conflict })))
}

/// `OVERRIDING SYSTEM VALUE` or `OVERRIDING USER VALUE`.
fn overriding(parser: &mut Parser) -> Parsed<Option<Overriding>> {
    if !take_word(parser, "overriding") {
        return Ok(None);
    }
    let overriding = if take_word(parser, "system") {
        Overriding::System
    } else if take_word(parser, "user") {
        Overriding::User
    } else {
        return parser.expected_ref("SYSTEM or USER", parser.peek_token_ref());
    };
    parser.expect_keyword_is(Keyword::VALUE)?;
    Ok(Some(overriding))
}

/// `BY NAME` or `BY POSITION`.
fn by_name(parser: &mut Parser) -> Parsed<Option<bool>> {
    if !parser.parse_keyword(Keyword::BY) {
        return Ok(None);
    }
    if take_word(parser, "name") {
        Ok(Some(true))
    } else if take_word(parser, "position") {
        Ok(Some(false))
    } else {
        parser.expected_ref("NAME or POSITION", parser.peek_token_ref())
    }
}

/// What stands in the brackets ahead is a query rather than names.
fn is_query_in_brackets(parser: &Parser) -> bool {
    let mut n = 0;
    while parser.peek_nth_token_ref(n).token == Token::LParen {
        n += 1;
    }
    let first = peek_word(parser, n);
    let second = &parser.peek_nth_token_ref(n + 1).token;
    matches!(first.as_str(), "select" | "with" | "from" | "values" | "table")
        && !matches!(second, Token::Comma | Token::RParen)
}

fn names_in_brackets(parser: &mut Parser) -> Parsed<Vec<Ident>> {
    parser.expect_token(&Token::LParen)?;
    let names = parser.parse_comma_separated(Parser::parse_identifier)?;
    parser.expect_token(&Token::RParen)?;
    Ok(names)
}

fn on_conflict(parser: &mut Parser) -> Result<OnConflict> {
    let mut target = vec![];
    if parser.peek_token_ref().token == Token::LParen {
        target = names_in_brackets(parser)?;
        if parser.parse_keyword(Keyword::WHERE) {
            return Err(SqlError::binder(
                "ON CONFLICT WHERE clause is only supported in DO UPDATE SET ... WHERE ... \
                 The WHERE clause after the conflict columns is used for partial indexes which are not supported.",
            )
            .at_span(parser.get_current_token().span));
        }
    }
    let mut constraint = None;
    if target.is_empty() && parser.parse_keywords(&[Keyword::ON, Keyword::CONSTRAINT]) {
        constraint = Some(parser.parse_identifier()?);
    }
    parser.expect_keyword_is(Keyword::DO)?;
    if parser.parse_keyword(Keyword::NOTHING) {
        return Ok(OnConflict { target, constraint, action: ConflictAction::Nothing });
    }
    parser.expect_keywords(&[Keyword::UPDATE, Keyword::SET])?;
    let assignments = assignments(parser)?;
    let condition = where_clause(parser)?;
    Ok(OnConflict { target, constraint, action: ConflictAction::Update { assignments, condition } })
}

// --- UPDATE, DELETE, TRUNCATE ---

fn where_clause(parser: &mut Parser) -> Parsed<Option<Expr>> {
    if parser.parse_keyword(Keyword::WHERE) { Ok(Some(parser.parse_expr()?)) } else { Ok(None) }
}

fn tables(parser: &mut Parser, keyword: Keyword) -> Parsed<Vec<TableWithJoins>> {
    if !parser.parse_keyword(keyword) {
        return Ok(vec![]);
    }
    parser.parse_comma_separated(Parser::parse_table_and_joins)
}

fn update(parser: &mut Parser) -> Result<Modify> {
    let table = table(parser)?;
    parser.expect_keyword_is(Keyword::SET)?;
    let assignments = assignments(parser)?;
    let from = tables(parser, Keyword::FROM)?;
    let condition = where_clause(parser)?;
    Ok(statement(table, Change::Update(Update { assignments, from, condition })))
}

fn delete(parser: &mut Parser) -> Result<Modify> {
    parser.expect_keyword_is(Keyword::FROM)?;
    let table = table(parser)?;
    let using = tables(parser, Keyword::USING)?;
    let condition = where_clause(parser)?;
    Ok(statement(table, Change::Delete { using, condition }))
}

/// `TRUNCATE [TABLE] [ONLY] a, b [RESTART IDENTITY | CONTINUE IDENTITY] [CASCADE | RESTRICT]`
fn truncate(parser: &mut Parser) -> Result<Modify> {
    let _ = parser.parse_keyword(Keyword::TABLE);
    let mut names = parser.parse_comma_separated(|p| p.parse_object_name(false))?;
    let restart_identity = peek_words(parser, 0, &["restart", "identity"]);
    if restart_identity || peek_words(parser, 0, &["continue", "identity"]) {
        parser.advance_token();
        parser.advance_token();
    }
    let cascade = parser.parse_keyword(Keyword::CASCADE);
    let _ = !cascade && parser.parse_keyword(Keyword::RESTRICT);
    let first = names.remove(0);
    Ok(statement((first, None), Change::Truncate(Truncate { others: names, restart_identity, cascade })))
}

/// `a = 1, (b, c) = (2, 3)`, perhaps with a comma behind the last.
fn assignments(parser: &mut Parser) -> Result<Vec<Assignment>> {
    let mut out = vec![];
    loop {
        assignment(parser, &mut out)?;
        if !parser.consume_token(&Token::Comma) || is_behind_assignments(parser) {
            return Ok(out);
        }
    }
}

/// Whether no assignment follows, but what may stand behind the last.
fn is_behind_assignments(parser: &Parser) -> bool {
    let is_clause = |word: &sqlparser::tokenizer::Word| {
        word.quote_style.is_none()
            && matches!(word.keyword, Keyword::FROM | Keyword::WHERE | Keyword::RETURNING | Keyword::WHEN)
    };
    match &parser.peek_token_ref().token {
        Token::Word(word) if is_clause(word) => parser.peek_nth_token_ref(1).token != Token::Eq,
        Token::Word(_) | Token::LParen => false,
        _ => true,
    }
}

fn assignment(parser: &mut Parser, out: &mut Vec<Assignment>) -> Result<()> {
    if parser.peek_token_ref().token != Token::LParen {
        let column = parser.parse_identifier()?;
        if parser.peek_token_ref().token == Token::Period {
            return Err(SqlError::parser("Qualified column names in UPDATE .. SET not supported")
                .at_span(column.span));
        }
        parser.expect_token(&Token::Eq)?;
        out.push(Assignment { column, value: parser.parse_expr()?, part: None });
        return Ok(());
    }
    let start = parser.peek_token_ref().span;
    let columns = names_in_brackets(parser)?;
    parser.expect_token(&Token::Eq)?;
    let count = columns.len();
    let values = match parser.parse_expr()? {
        query @ Expr::Subquery(_) if count > 1 => {
            let parts = columns.into_iter().enumerate();
            let part = |(n, column)| Assignment { column, value: query.clone(), part: Some((n, count)) };
            out.extend(parts.map(part));
            return Ok(());
        }
        Expr::Tuple(values) => values,
        Expr::Nested(value) if columns.len() == 1 => vec![*value],
        Expr::Function(call) if call.name.to_string().eq_ignore_ascii_case("row") => row_arguments(&call),
        // One value is that of all columns.
        other => vec![other; columns.len()],
    };
    if values.len() != columns.len() {
        return Err(SqlError::parser(format!(
            "Could not perform assignment, expected {} values, got {}",
            columns.len(),
            values.len()
        ))
        .at_span(start));
    }
    out.extend(columns.into_iter().zip(values).map(|(column, value)| Assignment {
        column,
        value,
        part: None,
    }));
    Ok(())
}

fn row_arguments(call: &sqlparser::ast::Function) -> Vec<Expr> {
    use sqlparser::ast::{FunctionArg, FunctionArgExpr, FunctionArguments};
    let FunctionArguments::List(list) = &call.args else { return vec![] };
    let value = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value.clone()),
        _ => None,
    };
    list.args.iter().filter_map(value).collect()
}

// --- MERGE ---

fn merge(parser: &mut Parser) -> Result<Modify> {
    parser.expect_keyword_is(Keyword::INTO)?;
    let table = table(parser)?;
    parser.expect_keyword_is(Keyword::USING)?;
    let source = parser.parse_table_factor()?;
    let condition = if parser.parse_keyword(Keyword::USING) {
        MergeCondition::Using(names_in_brackets(parser)?)
    } else {
        parser.expect_keyword_is(Keyword::ON)?;
        MergeCondition::On(parser.parse_expr()?)
    };
    let mut clauses: Vec<MergeClause> = vec![];
    while parser.parse_keyword(Keyword::WHEN) {
        let clause = merge_clause(parser)?;
        if clauses.iter().any(|c| c.kind == clause.kind && c.condition.is_none()) {
            let kind = clause.kind.words();
            return Err(SqlError::parser(format!(
                "Unconditional {kind} clause was already defined - any following {kind} clause would be unreachable"
            ))
            .at_span(clause.span));
        }
        clauses.push(clause);
    }
    if clauses.is_empty() {
        parser.expected_ref("WHEN", parser.peek_token_ref())?;
    }
    Ok(statement(table, Change::Merge(Merge { source, condition, clauses })))
}

impl MergeKind {
    /// As it is written.
    pub fn words(self) -> &'static str {
        match self {
            Self::Matched => "WHEN MATCHED",
            Self::NotMatchedByTarget => "WHEN NOT MATCHED",
            Self::NotMatchedBySource => "WHEN NOT MATCHED BY SOURCE",
        }
    }
}

fn merge_clause(parser: &mut Parser) -> Result<MergeClause> {
    let span = parser.get_current_token().span;
    let kind = if parser.parse_keyword(Keyword::NOT) {
        parser.expect_keyword_is(Keyword::MATCHED)?;
        if !parser.parse_keyword(Keyword::BY) || take_word(parser, "target") {
            MergeKind::NotMatchedByTarget
        } else if take_word(parser, "source") {
            MergeKind::NotMatchedBySource
        } else {
            parser.expected_ref("TARGET or SOURCE", parser.peek_token_ref())?
        }
    } else {
        parser.expect_keyword_is(Keyword::MATCHED)?;
        MergeKind::Matched
    };
    let condition = if parser.parse_keyword(Keyword::AND) { Some(parser.parse_expr()?) } else { None };
    parser.expect_keyword_is(Keyword::THEN)?;
    let action = merge_action(parser)?;
    let changes_target =
        matches!(action, MergeAction::Delete | MergeAction::Update(_) | MergeAction::UpdateAll { .. });
    if kind == MergeKind::NotMatchedByTarget && changes_target {
        return Err(SqlError::parser(
            "WHEN NOT MATCHED (BY TARGET) cannot be combined with UPDATE or DELETE actions - as there is no corresponding row in the target to update or delete.",
        )
        .hint("Did you mean to use WHEN MATCHED or WHEN NOT MATCHED BY SOURCE?")
        .at_span(span));
    }
    Ok(MergeClause { kind, condition, action, span })
}

fn merge_action(parser: &mut Parser) -> Result<MergeAction> {
    let ends = |parser: &Parser| {
        matches!(peek_word(parser, 0).as_str(), "when" | "returning")
            || matches!(parser.peek_token_ref().token, Token::EOF | Token::SemiColon)
    };
    if parser.parse_keyword(Keyword::DO) {
        parser.expect_keyword_is(Keyword::NOTHING)?;
        return Ok(MergeAction::Nothing);
    }
    if parser.parse_keyword(Keyword::DELETE) {
        return Ok(MergeAction::Delete);
    }
    if take_word(parser, "error") {
        return Ok(MergeAction::Error(if ends(parser) { None } else { Some(parser.parse_expr()?) }));
    }
    if parser.parse_keyword(Keyword::UPDATE) {
        if let Some(by_name) = by_name(parser)? {
            return Ok(MergeAction::UpdateAll { by_name });
        }
        if ends(parser) {
            return Ok(MergeAction::UpdateAll { by_name: false });
        }
        parser.expect_keyword_is(Keyword::SET)?;
        if parser.consume_token(&Token::Mul) {
            return Ok(MergeAction::UpdateAll { by_name: false });
        }
        return Ok(MergeAction::Update(assignments(parser)?));
    }
    parser.expect_keyword_is(Keyword::INSERT)?;
    if let Some(by_name) = by_name(parser)? {
        let _ = parser.consume_token(&Token::Mul);
        return Ok(MergeAction::InsertAll { by_name, columns: vec![] });
    }
    if parser.consume_token(&Token::Mul) {
        return Ok(MergeAction::InsertAll { by_name: false, columns: vec![] });
    }
    let columns =
        if parser.peek_token_ref().token == Token::LParen { names_in_brackets(parser)? } else { vec![] };
    if ends(parser) {
        return Ok(MergeAction::InsertAll { by_name: false, columns });
    }
    if parser.parse_keywords(&[Keyword::DEFAULT, Keyword::VALUES]) {
        return Ok(MergeAction::Insert { columns, values: None });
    }
    parser.expect_keyword_is(Keyword::VALUES)?;
    parser.expect_token(&Token::LParen)?;
    let values = parser.parse_comma_separated(Parser::parse_expr)?;
    parser.expect_token(&Token::RParen)?;
    Ok(MergeAction::Insert { columns, values: Some(values) })
}
