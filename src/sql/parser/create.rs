//! CREATE, DROP, ALTER and COMMENT ON of what is not a table: views, schemas, sequences, macros, types.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use sqlparser::ast::{
    AlterTable, AlterTableOperation, ColumnDef, ColumnOption, DataType, Expr, Ident, ObjectName, SqlOption,
    Statement as SqlStatement, StructBracketKind, StructField, Value, WithData,
};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::sequence::{alter_identity, sequence_options};
use super::{Parsed, function, skip_words, text_span};
use crate::catalog::ObjectKind;
use crate::sql::ast::{
    AlterObject, Alteration, Comment, CommentTarget, Create, CreateDomain, CreateMacro,
    CreateMaterializedView, CreateSequence, CreateTableLike, CreateType, CreateView, Drop, DropFunction,
    LikeParts, LikeTable, MacroBody, NewType, Parameter, Statement,
};
use crate::sql::error::{Result, SqlError};
use crate::sql::lookahead::{expect_word, peek_word, peek_words, take_word};

/// What CREATE is about to make, and how many words are before the word for it.
struct Head {
    or_replace: bool,
    temporary: bool,
    recursive: bool,
    kind: String,
    words: usize,
}

/// `CREATE [OR REPLACE] [TEMP | TEMPORARY | PERSISTENT] [RECURSIVE] kind`.
fn head(parser: &Parser) -> Head {
    let mut head =
        Head { or_replace: false, temporary: false, recursive: false, kind: String::new(), words: 1 };
    loop {
        match (peek_word(parser, head.words).as_str(), peek_word(parser, head.words + 1).as_str()) {
            ("or", "replace") if !head.or_replace => {
                head.or_replace = true;
                head.words += 2;
            }
            ("temp" | "temporary", _) if !head.temporary => {
                head.temporary = true;
                head.words += 1;
            }
            ("persistent", _) => head.words += 1,
            ("recursive", _) if !head.recursive => {
                head.recursive = true;
                head.words += 1;
            }
            (kind, _) => {
                kind.clone_into(&mut head.kind);
                return head;
            }
        }
    }
}

/// CREATE of something that is not a table or an index; `None` leaves it to others.
pub fn create(parser: &mut Parser) -> Result<Option<Statement>> {
    let head = head(parser);
    let is_table = head.kind == "table";
    if is_table && head.or_replace && peek_words(parser, head.words + 1, &["if", "not", "exists"]) {
        return Err(either_replaced_or_kept());
    }
    if is_table {
        if let Some(like) = table_like(parser, &head)? {
            return Ok(Some(like));
        }
        return Ok(table_as(parser, &head)?);
    }
    if head.kind == "snapshot" && !head.temporary {
        skip_words(parser, head.words + 1);
        let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
        let name = parser.parse_identifier()?;
        return Ok(Some(Statement::CreateSnapshot { name, or_replace: head.or_replace, if_not_exists }));
    }
    if head.kind == "retention" && peek_word(parser, head.words + 1) == "policy" {
        skip_words(parser, head.words + 2);
        return Ok(Some(retention_policy(parser)?));
    }
    if head.kind == "materialized" && peek_word(parser, head.words + 1) == "view" {
        return Ok(Some(materialized_view(parser, &head)?));
    }
    if !matches!(
        head.kind.as_str(),
        "view" | "schema" | "sequence" | "macro" | "function" | "type" | "domain"
    ) {
        return Ok(None);
    }
    skip_words(parser, head.words + 1);
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    if head.or_replace && if_not_exists {
        return Err(either_replaced_or_kept());
    }
    let name = parser.parse_object_name(false)?;
    let create = Create { name, or_replace: head.or_replace, if_not_exists, temporary: head.temporary };
    Ok(Some(match head.kind.as_str() {
        "view" => Statement::CreateView(Box::new(view(parser, create, head.recursive)?)),
        "schema" => Statement::CreateSchema(create),
        "sequence" => {
            Statement::CreateSequence(CreateSequence { create, options: sequence_options(parser, false)? })
        }
        "domain" => Statement::CreateDomain(Box::new(domain(parser, create)?)),
        "function" if function::is_ahead(parser) => {
            Statement::CreateFunction(Box::new(function::function(parser, create)?))
        }
        "type" => Statement::CreateType(Box::new(CreateType { create, ty: new_type(parser)? })),
        _ => Statement::CreateMacro(Box::new(CreateMacro { create, overloads: overloads(parser)? })),
    }))
}

fn either_replaced_or_kept() -> SqlError {
    SqlError::parser("Cannot specify both OR REPLACE and IF NOT EXISTS within single create statement")
}

/// `CREATE TABLE name(a, b) AS query`, whose columns have names and no types; `None` leaves all else to others.
fn table_as(parser: &mut Parser, head: &Head) -> Parsed<Option<Statement>> {
    parser.maybe_parse(|p| {
        skip_words(p, head.words + 1);
        let if_not_exists = p.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
        let name = p.parse_object_name(false)?;
        p.expect_token(&Token::LParen)?;
        let names = p.parse_comma_separated(Parser::parse_identifier)?;
        p.expect_token(&Token::RParen)?;
        p.expect_keyword_is(Keyword::AS)?;
        let query = p.parse_query()?;
        let mut data = true;
        if p.parse_keyword(Keyword::WITH) {
            data = !p.parse_keyword(Keyword::NO);
            expect_word(p, "data")?;
        }
        let column = |name| ColumnDef { name, data_type: DataType::Unspecified, options: vec![] };
        let create = CreateTableBuilder::new(name)
            .or_replace(head.or_replace)
            .if_not_exists(if_not_exists)
            .temporary(head.temporary)
            .columns(names.into_iter().map(column).collect())
            .query(Some(query))
            .with_data(Some(WithData { data, statistics: None }));
        Ok(Statement::Sql(Box::new(SqlStatement::CreateTable(create.build()))))
    })
}

/// `CREATE TABLE name(a int, LIKE other INCLUDING ALL, …)`; `None` leaves what has no LIKE to others.
fn table_like(parser: &mut Parser, head: &Head) -> Parsed<Option<Statement>> {
    parser.maybe_parse(|p| {
        skip_words(p, head.words + 1);
        let if_not_exists = p.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
        let name = p.parse_object_name(false)?;
        p.expect_token(&Token::LParen)?;
        let (mut columns, mut constraints, mut likes) = (vec![], vec![], vec![]);
        loop {
            if take_word(p, "like") {
                let name = p.parse_object_name(false)?;
                likes.push(LikeTable { position: columns.len(), name, parts: like_parts(p)? });
            } else if let Some(constraint) = p.parse_optional_table_constraint()? {
                constraints.push(constraint);
            } else {
                columns.push(p.parse_column_def()?);
            }
            if !p.consume_token(&Token::Comma) {
                break;
            }
        }
        p.expect_token(&Token::RParen)?;
        if likes.is_empty() {
            return p.expected_ref("LIKE", p.peek_token_ref());
        }
        let create = CreateTableBuilder::new(name)
            .or_replace(head.or_replace)
            .if_not_exists(if_not_exists)
            .temporary(head.temporary)
            .columns(columns)
            .constraints(constraints)
            .build();
        Ok(Statement::CreateTableLike(Box::new(CreateTableLike { create, likes })))
    })
}

/// `INCLUDING ALL EXCLUDING INDEXES …`
fn like_parts(parser: &mut Parser) -> Parsed<LikeParts> {
    let mut parts = LikeParts::default();
    loop {
        let including = take_word(parser, "including");
        if !including && !take_word(parser, "excluding") {
            return Ok(parts);
        }
        let what = peek_word(parser, 0);
        let all = what == "all";
        match what.as_str() {
            "all" | "comments" | "constraints" | "defaults" | "generated" | "identity" | "indexes" => {
                let slots = [
                    ("comments", &mut parts.comments),
                    ("constraints", &mut parts.constraints),
                    ("defaults", &mut parts.defaults),
                    ("generated", &mut parts.generated),
                    ("identity", &mut parts.identity),
                    ("indexes", &mut parts.indexes),
                ];
                for (name, slot) in slots {
                    if all || name == what {
                        *slot = including;
                    }
                }
            }
            // Nothing here has such.
            "compression" | "statistics" | "storage" => {}
            _ => {
                return parser.expected_ref(
                    "ALL, DEFAULTS, CONSTRAINTS, INDEXES and the like",
                    parser.peek_token_ref(),
                );
            }
        }
        parser.advance_token();
    }
}

/// The text of the query is kept, so where it lies must be known.
fn view(parser: &mut Parser, create: Create, recursive: bool) -> Parsed<CreateView> {
    let mut columns = vec![];
    if parser.consume_token(&Token::LParen) {
        columns = parser.parse_comma_separated(Parser::parse_identifier)?;
        parser.expect_token(&Token::RParen)?;
    }
    parser.expect_keyword_is(Keyword::AS)?;
    let (query, text) = text_span(parser, |p| p.parse_query())?;
    Ok(CreateView { create, columns, query, text, recursive })
}

/// `MATERIALIZED VIEW name [(a, b)] [WITH (…)] AS query [WITH (…)] [WITH [NO] DATA]`.
fn materialized_view(parser: &mut Parser, head: &Head) -> Parsed<Statement> {
    skip_words(parser, head.words + 2);
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = parser.parse_object_name(false)?;
    let create = Create { name, or_replace: head.or_replace, if_not_exists, temporary: head.temporary };
    let mut columns = vec![];
    if parser.consume_token(&Token::LParen) {
        columns = parser.parse_comma_separated(Parser::parse_identifier)?;
        parser.expect_token(&Token::RParen)?;
    }
    let mut options = parser.parse_options(Keyword::WITH)?;
    parser.expect_keyword_is(Keyword::AS)?;
    let (query, text) = text_span(parser, |p| p.parse_query())?;
    let is_list = parser.peek_nth_token_ref(1).token == Token::LParen;
    if is_list {
        options.extend(parser.parse_options(Keyword::WITH)?);
    }
    let mut with_data = true;
    if parser.parse_keyword(Keyword::WITH) {
        with_data = !parser.parse_keyword(Keyword::NO);
        expect_word(parser, "data")?;
    }
    let view = CreateMaterializedView { create, columns, options, query, text, with_data };
    Ok(Statement::CreateMaterializedView(Box::new(view)))
}

/// `[name] ON table [DURATION 30d] [REPLICATION n] [SHARD DURATION 1d] [DEFAULT]`, behind CREATE RETENTION POLICY: options
/// of the table. There is one copy of it, and it has no shards.
fn retention_policy(parser: &mut Parser) -> Parsed<Statement> {
    let name = if peek_word(parser, 0) == "on" { None } else { Some(parser.parse_identifier()?) };
    parser.expect_keyword_is(Keyword::ON)?;
    let table = parser.parse_object_name(false)?;
    let mut retention = None;
    loop {
        if take_word(parser, "duration") {
            retention = duration(parser)?;
        } else if take_word(parser, "replication") {
            parser.parse_literal_uint()?;
        } else if peek_words(parser, 0, &["shard", "duration"]) {
            skip_words(parser, 2);
            duration(parser)?;
        } else if !take_word(parser, "default") {
            return Ok(set_retention(table, retention, name));
        }
    }
}

/// `[name] ON table`, behind DROP RETENTION POLICY.
fn drop_retention_policy(parser: &mut Parser) -> Parsed<Statement> {
    if peek_word(parser, 0) != "on" {
        parser.parse_identifier()?;
    }
    parser.expect_keyword_is(Keyword::ON)?;
    Ok(set_retention(parser.parse_object_name(false)?, None, None))
}

/// `30d`, `'30d'`, or `INF`, which is none.
fn duration(parser: &mut Parser) -> Parsed<Option<String>> {
    let token = parser.next_token();
    match (&token.token, &parser.peek_token_ref().token) {
        (Token::SingleQuotedString(text), _) => Ok(Some(text.clone())),
        (Token::Word(word), _) if word.value.eq_ignore_ascii_case("inf") => Ok(None),
        (Token::Number(digits, _), Token::Word(unit)) => {
            let text = format!("{digits}{}", unit.value);
            parser.advance_token();
            Ok(Some(text))
        }
        _ => parser.expected("a duration such as 30d", token),
    }
}

/// `ALTER TABLE table SET (retention = …, retention_policy = …)`.
fn set_retention(table: ObjectName, retention: Option<String>, name: Option<Ident>) -> Statement {
    let option = |key: &str, text: Option<String>| {
        let value = text.map_or(Value::Null, Value::SingleQuotedString);
        SqlOption::KeyValue { key: Ident::new(key), value: Expr::Value(value.into()) }
    };
    let name = name.filter(|_| retention.is_some()).map(|name| name.value);
    let options = vec![option("retention", retention), option("retention_policy", name)];
    Statement::Sql(Box::new(SqlStatement::AlterTable(AlterTable {
        name: table,
        if_exists: false,
        only: false,
        operations: vec![AlterTableOperation::SetOptionsParens { options }],
        location: None,
        on_cluster: None,
        table_type: None,
        end_token: AttachedToken::empty(),
    })))
}

/// Behind REFRESH: a materialized view.
pub fn refresh(parser: &mut Parser) -> Parsed<Statement> {
    expect_word(parser, "materialized")?;
    expect_word(parser, "view")?;
    // Readers are never in the way.
    let _ = take_word(parser, "concurrently");
    Ok(Statement::Refresh(parser.parse_object_name(false)?))
}

/// `[AS] type [DEFAULT value] [NOT NULL | NULL] [[CONSTRAINT name] CHECK (VALUE …)] …`, behind the name.
fn domain(parser: &mut Parser, create: Create) -> Parsed<CreateDomain> {
    let _ = parser.parse_keyword(Keyword::AS);
    let ty = parser.parse_data_type()?;
    let mut domain = CreateDomain { create, ty, default: None, not_null: false, checks: vec![] };
    loop {
        let name =
            if parser.parse_keyword(Keyword::CONSTRAINT) { Some(parser.parse_identifier()?) } else { None };
        match parser.parse_optional_column_option()? {
            Some(ColumnOption::Default(value)) => domain.default = Some(value),
            Some(ColumnOption::NotNull) => domain.not_null = true,
            Some(ColumnOption::Null) => {}
            Some(ColumnOption::Check(check)) => domain.checks.push((name, *check.expr)),
            None if name.is_none() => return Ok(domain),
            _ => return parser.expected_ref("DEFAULT, NOT NULL or CHECK", parser.peek_token_ref()),
        }
    }
}

fn new_type(parser: &mut Parser) -> Parsed<NewType> {
    parser.expect_keyword_is(Keyword::AS)?;
    if peek_word(parser, 0) == "enum" && parser.peek_nth_token_ref(1).token == Token::LParen {
        let first = peek_word(parser, 2);
        if matches!(first.as_str(), "select" | "from" | "with" | "values" | "table")
            || parser.peek_nth_token_ref(2).token == Token::LParen
        {
            skip_words(parser, 2);
            let query = parser.parse_query()?;
            parser.expect_token(&Token::RParen)?;
            return Ok(NewType::EnumOf(query));
        }
        skip_words(parser, 2);
        let names = parser.parse_comma_separated0(Parser::parse_literal_string, Token::RParen)?;
        parser.expect_token(&Token::RParen)?;
        return Ok(NewType::Enum(names));
    }
    if parser.consume_token(&Token::LParen) {
        // PostgreSQL's composite type: a struct.
        let fields = parser.parse_comma_separated(|p| {
            let name = p.parse_identifier()?;
            Ok(StructField { field_name: Some(name), field_type: p.parse_data_type()?, options: None })
        })?;
        parser.expect_token(&Token::RParen)?;
        return Ok(NewType::Alias(DataType::Struct(fields, StructBracketKind::Parentheses)));
    }
    Ok(NewType::Alias(parser.parse_data_type()?))
}

/// `(a, b := 1) AS body, (a) AS body, …`.
fn overloads(parser: &mut Parser) -> Result<Vec<MacroBody>> {
    let mut out = vec![];
    loop {
        parser.expect_token(&Token::LParen)?;
        let parameters = parser.parse_comma_separated0(parameter, Token::RParen)?;
        parser.expect_token(&Token::RParen)?;
        let without_default = |p: &Parameter| p.default.is_none();
        if let Some(first) = parameters.iter().position(|p| !without_default(p))
            && let Some(late) = parameters[first..].iter().find(|p| without_default(p))
        {
            let message = "Parameter without a default follows parameter with a default";
            return Err(SqlError::parser(message).at_span(late.name.span));
        }
        parser.expect_keyword_is(Keyword::AS)?;
        if peek_word(parser, 0) == "table" {
            parser.advance_token();
            // The query may stand in parentheses, as it must where another body follows.
            let (_, text) = text_span(parser, |p| p.parse_query())?;
            out.push(MacroBody { parameters, is_table: true, text });
        } else {
            let (_, text) = text_span(parser, |p| p.parse_expr())?;
            out.push(MacroBody { parameters, is_table: false, text });
        }
        if !parser.consume_token(&Token::Comma) {
            return Ok(out);
        }
    }
}

/// `name [type] [:= default]`.
fn parameter(parser: &mut Parser) -> Parsed<Parameter> {
    let name = parser.parse_identifier()?;
    let next = &parser.peek_token_ref().token;
    let ty = match next {
        Token::Comma | Token::RParen | Token::Assignment | Token::Eq => None,
        _ if peek_word(parser, 0) == "default" => None,
        _ => Some(text_span(parser, |p| p.parse_data_type())?.1),
    };
    let has_default = parser.consume_token(&Token::Assignment)
        || parser.consume_token(&Token::Eq)
        || take_word(parser, "default");
    let default = if has_default { Some(text_span(parser, |p| p.parse_expr())?.1) } else { None };
    Ok(Parameter { name, ty, default })
}

/// The words that name a kind of object in DROP, ALTER and COMMENT ON.
const KINDS: &[(&[&str], ObjectKind)] = &[
    (&["table"], ObjectKind::Table),
    (&["view"], ObjectKind::View),
    (&["materialized", "view"], ObjectKind::MaterializedView),
    (&["schema"], ObjectKind::Schema),
    (&["sequence"], ObjectKind::Sequence),
    (&["type"], ObjectKind::Type),
    (&["domain"], ObjectKind::Type),
    (&["macro", "table"], ObjectKind::TableMacro),
    (&["function", "table"], ObjectKind::TableMacro),
    (&["macro"], ObjectKind::Macro),
    (&["function"], ObjectKind::Macro),
    (&["index"], ObjectKind::Index),
];

fn kind(parser: &mut Parser, at: usize) -> Option<(ObjectKind, usize)> {
    let found = KINDS.iter().find(|(words, _)| peek_words(parser, at, words));
    found.map(|(words, kind)| (*kind, at + words.len()))
}

fn if_exists(parser: &mut Parser) -> bool {
    parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS])
}

/// DROP of something in a catalog; `None` leaves it to others.
pub fn drop(parser: &mut Parser) -> Result<Option<Statement>> {
    if peek_words(parser, 1, &["retention", "policy"]) {
        skip_words(parser, 3);
        return Ok(Some(drop_retention_policy(parser)?));
    }
    if peek_words(parser, 1, &["snapshot"]) {
        skip_words(parser, 2);
        let if_exists = if_exists(parser);
        return Ok(Some(Statement::DropSnapshot { name: parser.parse_identifier()?, if_exists }));
    }
    // A measurement is a table.
    let is_measurement = peek_words(parser, 1, &["measurement"]);
    let found = if is_measurement { Some((ObjectKind::Table, 2)) } else { kind(parser, 1) };
    let Some((kind, words)) = found else { return Ok(None) };
    skip_words(parser, words);
    let if_exists = if_exists(parser);
    let named = |p: &mut Parser| {
        let name = p.parse_object_name(false)?;
        let signature = if kind == ObjectKind::Macro { function::signature(p)? } else { None };
        Ok((name, signature))
    };
    let named = parser.parse_comma_separated(named)?;
    let cascade = parser.parse_keyword(Keyword::CASCADE);
    if !cascade {
        let _ = parser.parse_keyword(Keyword::RESTRICT);
    }
    if named.iter().any(|(_, signature)| signature.is_some()) {
        return Ok(Some(Statement::DropFunction(DropFunction { if_exists, functions: named, cascade })));
    }
    let names = named.into_iter().map(|(name, _)| name).collect();
    Ok(Some(Statement::Drop(Drop { kind, if_exists, names, cascade })))
}

/// ALTER of something that is not a table; `None` leaves it to others.
pub fn alter(parser: &mut Parser) -> Result<Option<Statement>> {
    if peek_words(parser, 1, &["retention", "policy"]) {
        skip_words(parser, 3);
        return Ok(Some(retention_policy(parser)?));
    }
    let Some((kind, words)) = kind(parser, 1) else { return Ok(None) };
    if kind == ObjectKind::Table {
        return Ok(alter_identity(parser)?);
    }
    if kind == ObjectKind::Index {
        return Ok(None);
    }
    skip_words(parser, words);
    let if_exists = if_exists(parser);
    let name = parser.parse_object_name(false)?;
    let alteration = if peek_words(parser, 0, &["rename", "to"]) {
        skip_words(parser, 2);
        Alteration::Rename(parser.parse_identifier()?)
    } else if peek_words(parser, 0, &["set", "schema"]) {
        skip_words(parser, 2);
        Alteration::SetSchema(parser.parse_identifier()?)
    } else {
        let options = if kind == ObjectKind::Sequence { sequence_options(parser, true)? } else { vec![] };
        if options.is_empty() {
            return Ok(parser.expected_ref("RENAME TO, SET SCHEMA or OWNED BY", parser.peek_token_ref())?);
        }
        Alteration::Sequence(options)
    };
    Ok(Some(Statement::Alter(AlterObject { kind, if_exists, name, alteration })))
}

/// COMMENT ON.
pub fn comment(parser: &mut Parser) -> Result<Statement> {
    skip_words(parser, 1);
    expect_word(parser, "on")?;
    let target = if take_word(parser, "column") {
        let mut parts: Vec<Ident> = vec![];
        let name = parser.parse_object_name(false)?;
        parts.extend(name.0.iter().filter_map(|p| p.as_ident()).cloned());
        let Some(column) = parts.pop().filter(|_| !parts.is_empty()) else {
            return Err(
                SqlError::parser("COMMENT ON COLUMN needs the name of a table and of its column").at(&name)
            );
        };
        CommentTarget::Column { relation: ObjectName::from(parts), column }
    } else if take_word(parser, "database") {
        CommentTarget::Database(parser.parse_identifier()?)
    } else {
        let Some((kind, words)) = kind(parser, 0) else {
            let wanted = "TABLE, COLUMN, VIEW, INDEX, SEQUENCE, TYPE, MACRO, SCHEMA or DATABASE";
            return Ok(parser.expected_ref(wanted, parser.peek_token_ref())?);
        };
        skip_words(parser, words);
        CommentTarget::Object(kind, parser.parse_object_name(false)?)
    };
    expect_word(parser, "is")?;
    let comment = match parser.parse_expr()? {
        Expr::Value(value) => match value.value {
            sqlparser::ast::Value::Null => None,
            other => match other.into_string() {
                Some(text) => Some(text),
                None => return Err(SqlError::parser("a comment is a text or NULL").at_span(value.span)),
            },
        },
        other => return Err(SqlError::parser("a comment is a text or NULL").at(&other)),
    };
    Ok(Statement::Comment(Comment { target, comment }))
}
