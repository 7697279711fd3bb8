//! CREATE FUNCTION with typed parameters and RETURNS, and DROP FUNCTION of one among several: macros whose arguments
//! and results have the types that are declared.

use std::collections::BTreeSet;

use sqlparser::ast::{DataType, Expr as Syntax, GroupByExpr, ObjectName, Query, SelectItem, SetExpr};

use sqlparser::tokenizer::{Location, Token, Tokenizer, Word};

use crate::catalog::{
    MacroDefinition, MacroKind, MacroOverload, MacroParameter, Object, ObjectId, ObjectKind,
};
use crate::exec::aggregates::is_aggregate;
use crate::sql::ast::{CreateFunction, DropFunction, FunctionBody, FunctionResult, TextSpan, byte_offset};
use crate::sql::bind::Binder;
use crate::sql::bind::macros::parameter_number;
use crate::sql::bind::name::name_in_sql;
use crate::sql::dialect::FluxDialect;
use crate::sql::error::{Result, SqlError};
use crate::sql::expr_text::canonical;
use crate::sql::parser::{parse_expr, parse_single_query, parse_type};
use crate::sql::session::{Failure, Outcome, Session, Writer};
use crate::sql::statement::object;
use crate::sql::walk;

/// Makes a function, or one more of a name that other functions with other parameters have.
pub fn run(session: &mut Session, create: &CreateFunction, sql: &str) -> Result<Outcome, Failure> {
    let name = &create.create.name;
    let parameters = parameters(create, sql)?;
    let mut writer = session.writer_to(&create.create)?;
    let view = writer.read_view()?;
    let (kind, overload) = writer.session().bind(&view, |binder| {
        let made = overload(binder, create, parameters, sql);
        Ok(made.map_err(|e| SqlError { position: e.position.or(None), ..e })?)
    })?;
    let object_kind = match kind {
        MacroKind::Scalar => ObjectKind::Macro,
        MacroKind::Table => ObjectKind::TableMacro,
    };
    writer.session().bind(&view, |binder| {
        Ok(binder.check_function(kind, &overload).map_err(|e| SqlError { position: None, ..e }.at(name))?)
    })?;
    if let Some(mut known) = functions_named(&mut writer, object_kind, name, create.create.temporary)? {
        let same = writer.session().bind(&view, |binder| {
            let wanted = types(binder, &overload)?;
            let mut same = None;
            for (at, other) in known.overloads.iter().enumerate() {
                if types(binder, other)? == wanted {
                    same = Some(at);
                }
            }
            Ok(same)
        })?;
        match same {
            Some(at) if create.create.or_replace => known.overloads[at] = overload,
            Some(_) if create.create.if_not_exists => return Ok(Outcome::Done),
            Some(_) => {
                let message = format!("function \"{}\" already exists with same argument types", known.name);
                return Err(SqlError::catalog(message).at(name).into());
            }
            None => known.overloads.push(overload),
        }
        writer.transaction()?.alter_object(known)?;
        writer.finish()?;
        return Ok(Outcome::Done);
    }
    let Some(place) = object::place(&mut writer, &create.create, object_kind)? else {
        return Ok(Outcome::Done);
    };
    let definition = MacroDefinition {
        id: ObjectId::NONE,
        schema: place.schema,
        name: place.name.clone(),
        comment: None,
        kind,
        overloads: vec![overload],
    };
    object::put(&mut writer, &place, definition, &BTreeSet::new())?;
    writer.finish()?;
    Ok(Outcome::Done)
}

/// The functions that have a name in the schema that it leads to; `None` if what has it is none, or is a macro.
fn functions_named(
    writer: &mut Writer<'_>,
    kind: ObjectKind,
    name: &ObjectName,
    temporary: bool,
) -> Result<Option<MacroDefinition>, Failure> {
    let view = writer.read_view()?;
    let new = view.new_place(name, temporary)?;
    let Some(namespace) = kind.namespace() else { return Ok(None) };
    let schema = if temporary { crate::catalog::MAIN_SCHEMA } else { &new.schema };
    let schema = view.focus().catalog().schema(schema).map_err(|e| SqlError::from_catalog(&e).at(name))?;
    Ok(match schema.find(namespace, &new.name.value) {
        Some(Object::Macro(found)) if is_function(found) => Some(MacroDefinition::clone(found)),
        _ => None,
    })
}

fn is_function(definition: &MacroDefinition) -> bool {
    definition.overloads.iter().all(|overload| overload.returns.is_some())
}

/// The types of the parameters.
fn types(
    binder: &mut Binder<'_>,
    overload: &MacroOverload,
) -> Result<Vec<Option<crate::column::types::LogicalType>>> {
    let of = |ty: &Option<Box<str>>, binder: &mut Binder<'_>| match ty {
        Some(text) => Ok(Some(binder.bind_type_or_domain(&parse_type(text)?)?.0)),
        None => Ok(None),
    };
    overload.parameters.iter().map(|parameter| of(&parameter.ty, binder)).collect()
}

fn text(span: TextSpan, sql: &str) -> Result<Box<str>> {
    span.of(sql).map(Into::into).ok_or_else(|| SqlError::internal("the text of the function was lost"))
}

/// The parameters; one without a name is called by its number.
fn parameters(create: &CreateFunction, sql: &str) -> Result<Vec<MacroParameter>> {
    let mut out: Vec<MacroParameter> = vec![];
    for (at, parameter) in create.parameters.iter().enumerate() {
        let name = match &parameter.name {
            Some(name) => {
                if out.iter().any(|p| p.name.eq_ignore_ascii_case(&name.value)) {
                    let message = format!("parameter name \"{}\" used more than once", name.value);
                    return Err(SqlError::parser(message).at_span(name.span));
                }
                name.value.as_str().into()
            }
            None => parameter_number(at).into(),
        };
        let default = parameter.default.map(|d| text(d, sql)).transpose()?;
        if default.is_none() && out.iter().any(|p| p.default.is_some()) {
            let message = "input parameters after one with a default value must also have defaults";
            return Err(SqlError::parser(message).at(&create.create.name));
        }
        out.push(MacroParameter { name, ty: Some(text(parameter.ty, sql)?), default });
    }
    Ok(out)
}

/// The same, with the numbers of parameters as names that no column has, also where the name of the function is before them.
fn with_names(create: &CreateFunction, parameters: &[MacroParameter]) -> Result<CreateFunction> {
    let mut create = create.clone();
    let FunctionBody::Text(body) = &mut create.body else { return Ok(create) };
    let name = create.create.name.0.last().and_then(|part| part.as_ident());
    let own = |word: &Word| name.is_some_and(|name| name.value.eq_ignore_ascii_case(&word.value));
    let tokens = Tokenizer::new(&FluxDialect, body).tokenize_with_location()?;
    let mut out = String::with_capacity(body.len());
    let mut kept = Location { line: 1, column: 1 };
    let lost = || SqlError::internal("the text of the function was lost");
    let mut at = 0;
    while at < tokens.len() {
        let (found, taken) = match &tokens[at..] {
            [first, ..] if matches!(first.token, Token::Placeholder(_)) => {
                let Token::Placeholder(number) = &first.token else { return Err(lost()) };
                let number = number.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
                let position = number.and_then(|n| n.checked_sub(1)).filter(|at| *at < parameters.len());
                if position.is_none() {
                    return Err(SqlError::binder(format!("there is no parameter {}", first.token)));
                }
                (position, 1)
            }
            [first, dot, second, ..] if dot.token == Token::Period => match (&first.token, &second.token) {
                (Token::Word(word), Token::Word(field)) if own(word) => {
                    (parameters.iter().position(|p| p.name.eq_ignore_ascii_case(&field.value)), 3)
                }
                _ => (None, 1),
            },
            _ => (None, 1),
        };
        if let Some(position) = found {
            let (start, end) = (tokens[at].span.start, tokens[at + taken - 1].span.end);
            out.push_str(between(body, kept, start).ok_or_else(lost)?);
            out.push_str(&name_in_sql(&parameter_number(position)));
            kept = end;
            at += taken;
        } else {
            at += 1;
        }
    }
    out.push_str(&body[byte_offset(body, kept).ok_or_else(lost)?..]);
    *body = out;
    Ok(create)
}

fn between(text: &str, from: Location, to: Location) -> Option<&str> {
    text.get(byte_offset(text, from)?..byte_offset(text, to)?)
}

/// What it stands for.
fn overload(
    binder: &mut Binder<'_>,
    create: &CreateFunction,
    parameters: Vec<MacroParameter>,
    sql: &str,
) -> Result<(MacroKind, MacroOverload)> {
    let name = &create.create.name;
    let create = &with_names(create, &parameters)?;
    let Some(result) = &create.result else {
        return Err(SqlError::parser("function result type must be specified").at(name));
    };
    let short = name.0.last().and_then(|part| part.as_ident()).map(|i| i.value.clone()).unwrap_or_default();
    if let FunctionResult::Type { set, text: ty, name: relation } = result {
        let ty = text(*ty, sql)?;
        if ["void", "trigger", "event_trigger"].iter().any(|other| ty.eq_ignore_ascii_case(other)) {
            let message = format!("functions that return {} are not supported", ty.to_lowercase());
            return Err(SqlError::unsupported(message).at(name));
        }
        let is_record = ty.eq_ignore_ascii_case("record");
        let columns = match relation {
            Some(relation) if !is_record => columns_of_relation(binder, relation),
            _ => None,
        };
        if !set && columns.is_none() && !is_record {
            let body = match &create.body {
                FunctionBody::Expression(span) => text(*span, sql)?.into_string(),
                FunctionBody::Text(query) => value_of_query(query).map_err(|e| in_body(name, e))?,
            };
            let body = if create.strict { unless_null(&body, &parameters) } else { body };
            let overload = MacroOverload { parameters, body: body.into(), returns: Some(ty) };
            return Ok((MacroKind::Scalar, overload));
        }
        let rows = rows_of(create, sql)?;
        let query = match columns {
            None if is_record => rows,
            None => cast_columns(&rows, &[(short, ty.to_string())]),
            Some(columns) => cast_columns(&rows, &columns),
        };
        let query = if *set { query } else { format!("SELECT * FROM ({query}) LIMIT 1") };
        let returns = if *set { format!("SETOF {ty}") } else { ty.into_string() };
        return Ok(table(create, parameters, &query, returns));
    }
    let FunctionResult::Table(columns) = result else {
        return Err(SqlError::internal("a function returns a type or a table"));
    };
    let columns = columns.iter().map(|(name, ty)| Ok((name.value.clone(), text(*ty, sql)?.into_string())));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let query = cast_columns(&rows_of(create, sql)?, &columns);
    let listed: Vec<String> = columns.iter().map(|(n, ty)| format!("{} {ty}", name_in_sql(n))).collect();
    Ok(table(create, parameters, &query, format!("TABLE({})", listed.join(", "))))
}

/// The columns of a table, with their types, if it is one that the name of a type means.
fn columns_of_relation(binder: &Binder<'_>, name: &ObjectName) -> Option<Vec<(String, String)>> {
    let names = binder.env.tables.names();
    if names.lookup(ObjectKind::Type.namespace()?, name).ok()?.is_some() {
        return None;
    }
    match names.lookup(ObjectKind::Table.namespace()?, name).ok()??.object {
        Object::Table(table) => {
            let columns = table.columns.iter().map(|c| (c.name.to_string(), c.ty.to_string()));
            Some(columns.collect())
        }
        _ => None,
    }
}

fn table(
    create: &CreateFunction,
    parameters: Vec<MacroParameter>,
    query: &str,
    returns: String,
) -> (MacroKind, MacroOverload) {
    let body = if create.strict && !parameters.is_empty() {
        let all: Vec<String> =
            parameters.iter().map(|p| format!("{} IS NOT NULL", name_in_sql(&p.name))).collect();
        format!("SELECT * FROM ({query}) WHERE {}", all.join(" AND "))
    } else {
        query.to_owned()
    };
    (MacroKind::Table, MacroOverload { parameters, body: body.into(), returns: Some(returns.into()) })
}

fn in_body(name: &ObjectName, e: SqlError) -> SqlError {
    SqlError { message: format!("in function \"{name}\": {}", e.message), position: None, ..e }.at(name)
}

/// The query of a body, as text.
fn rows_of(create: &CreateFunction, sql: &str) -> Result<String> {
    match &create.body {
        FunctionBody::Text(query) => {
            body_query(query).map_err(|e| in_body(&create.create.name, e))?;
            Ok(without_semicolon(query).to_owned())
        }
        FunctionBody::Expression(span) => Ok(format!("SELECT {}", text(*span, sql)?)),
    }
}

/// The one query that a body is.
fn body_query(body: &str) -> Result<Box<Query>> {
    let hint = "The body of a function is one query.";
    let query = parse_single_query(body).map_err(|e| if e.hint.is_none() { e.hint(hint) } else { e })?;
    match *query.body {
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
            Err(SqlError::unsupported("functions that change rows are not supported").hint(hint))
        }
        _ => Ok(query),
    }
}

/// A query is text that ends before its semicolons; a comment behind it ends with its line.
fn without_semicolon(query: &str) -> &str {
    query.trim_end_matches(|c: char| c == ';' || c.is_whitespace())
}

/// The columns of a query with these names and types.
fn cast_columns(query: &str, columns: &[(String, String)]) -> String {
    let names: Vec<String> = (1..=columns.len()).map(|n| format!("\"column {n}\"")).collect();
    let cast = |((name, ty), from): (&(String, String), &String)| {
        format!("CAST({from} AS {ty}) AS {}", name_in_sql(name))
    };
    let cast: Vec<String> = columns.iter().zip(&names).map(cast).collect();
    format!("SELECT {} FROM ({query}\n) AS rows({})", cast.join(", "), names.join(", "))
}

/// The first value that a query yields, as an expression.
fn value_of_query(body: &str) -> Result<String> {
    let query = body_query(body)?;
    if let Some(value) = only_value(&query) {
        // What is kept is the printed form; it must mean the same.
        let printed = canonical(value);
        if parse_expr(&printed).is_ok() {
            return Ok(printed);
        }
    }
    let body = without_semicolon(body);
    let has_one_row = match &*query.body {
        SetExpr::Select(select) => {
            let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(all, _) if all.is_empty());
            !grouped && select.having.is_none() && select.projection.iter().any(has_aggregate)
        }
        _ => false,
    };
    Ok(if has_one_row && query.limit_clause.is_none() {
        format!("({body}\n)")
    } else {
        format!("(SELECT * FROM ({body}\n) LIMIT 1)")
    })
}

/// The value of `SELECT value`, and nothing more.
fn only_value(query: &Query) -> Option<&Syntax> {
    let SetExpr::Select(select) = &*query.body else { return None };
    let [SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }] =
        &select.projection[..]
    else {
        return None;
    };
    let bare = Query { body: query.body.clone(), ..Query::clone(query) };
    let is_bare = bare.with.is_none()
        && bare.order_by.is_none()
        && bare.limit_clause.is_none()
        && bare.fetch.is_none()
        && select.from.is_empty()
        && select.selection.is_none()
        && select.having.is_none()
        && select.qualify.is_none()
        && select.distinct.is_none()
        && matches!(&select.group_by, GroupByExpr::Expressions(all, _) if all.is_empty());
    (is_bare && !yields_others(value)).then_some(value)
}

fn has_aggregate(item: &SelectItem) -> bool {
    match item {
        SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } => calls(e, is_aggregate),
        _ => false,
    }
}

/// Whether an expression is about more than one row, or makes several of one.
fn yields_others(value: &Syntax) -> bool {
    let makes_rows = |name: &str| {
        ["unnest", "generate_series", "range", "json_array_elements", "regexp_split_to_table"].contains(&name)
    };
    calls(value, |name| is_aggregate(name) || makes_rows(name))
        || matches!(value, Syntax::Wildcard(_) | Syntax::QualifiedWildcard(..))
}

/// Whether a function with such a name is called, outside of subqueries or in one.
fn calls(value: &Syntax, wanted: impl Fn(&str) -> bool) -> bool {
    let mut found = false;
    walk::for_each_expression(value, |e| {
        if let Syntax::Function(function) = e
            && let Some(name) = function.name.0.last().and_then(|part| part.as_ident())
        {
            found |= wanted(&name.value.to_lowercase()) || function.over.is_some();
        }
    });
    found
}

/// NULL if an argument is.
fn unless_null(body: &str, parameters: &[MacroParameter]) -> String {
    if parameters.is_empty() {
        return body.to_owned();
    }
    let any: Vec<String> = parameters.iter().map(|p| format!("{} IS NULL", name_in_sql(&p.name))).collect();
    format!("CASE WHEN {} THEN NULL ELSE {body} END", any.join(" OR "))
}

/// Fails if several functions have a name that is to say which is meant.
pub fn check_unique(definition: &MacroDefinition, name: &ObjectName) -> Result<()> {
    if definition.overloads.len() < 2 || !is_function(definition) {
        return Ok(());
    }
    let message = format!("function name \"{}\" is not unique", definition.name);
    let hint = "Specify the argument list to select the function unambiguously.";
    Err(SqlError::catalog(message).at(name).hint(hint))
}

/// DROP FUNCTION of those that are named with the types of their parameters.
pub fn drop(session: &mut Session, drop: &DropFunction) -> Result<Outcome, Failure> {
    for (name, signature) in &drop.functions {
        drop_one(session, drop, name, signature.as_deref())?;
    }
    Ok(Outcome::Done)
}

fn drop_one(
    session: &mut Session,
    drop: &DropFunction,
    name: &ObjectName,
    signature: Option<&[DataType]>,
) -> Result<(), Failure> {
    for kind in [ObjectKind::Macro, ObjectKind::TableMacro] {
        let mut writer = session.writer_of(kind, name)?;
        let Some(Object::Macro(found)) = object::find(&mut writer, kind, name, true, "drop")? else {
            continue;
        };
        let mut left = MacroDefinition::clone(&found);
        let view = writer.read_view()?;
        let at = writer.session().bind(&view, |binder| {
            let Some(signature) = signature else { return Ok(Some(0)) };
            let wanted = signature.iter().map(|ty| binder.bind_type_or_domain(ty).map(|(ty, _)| Some(ty)));
            let wanted = wanted.collect::<Result<Vec<_>>>()?;
            for (at, overload) in left.overloads.iter().enumerate() {
                let given = types(binder, overload)?;
                // A parameter without a type takes all.
                let fits = given.len() == wanted.len()
                    && std::iter::zip(&given, &wanted)
                        .all(|(given, wanted)| given.is_none() || given == wanted);
                if fits {
                    return Ok(Some(at));
                }
            }
            Ok(None)
        })?;
        let Some(at) = at else { continue };
        if signature.is_none() {
            check_unique(&left, name)?;
        }
        left.overloads.remove(at);
        if left.overloads.is_empty() || signature.is_none() {
            writer.transaction()?.drop_object(found.id, drop.cascade)?;
        } else {
            writer.transaction()?.alter_object(left)?;
        }
        writer.finish()?;
        return Ok(());
    }
    if drop.if_exists {
        return Ok(());
    }
    let types: Vec<String> = signature.unwrap_or_default().iter().map(ToString::to_string).collect();
    let message = format!("function {name}({}) does not exist", types.join(", "));
    Err(SqlError::catalog(message).at(name).into())
}
