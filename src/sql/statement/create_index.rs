//! CREATE INDEX and DROP INDEX. An index is part of the definition of its table; a unique one is enforced as a
//! constraint is. There is no structure behind it yet.

use std::sync::Arc;

use sqlparser::ast::{CreateIndex, Expr as Syntax, Ident, IndexType, ObjectName};

use crate::catalog::{Catalog, IndexDefinition, MAIN_SCHEMA, ObjectKind, TableDefinition};
use crate::sql::bind::modify::Target;
use crate::sql::bind::modify::keys::UniqueKey;
use crate::sql::bind::name::name_in_sql;
use crate::sql::bind::types;
use crate::sql::error::{Result, SqlError};
use crate::sql::expr_text::canonical;
use crate::sql::session::{Failure, Outcome, Session, parts};
use crate::sql::statement::key_checks::{first_key, violated};

/// A name for an index that was given none: the table's and those of its keys, with a number behind if it is taken.
fn free_name(table: &TableDefinition, create: &CreateIndex, is_taken: impl Fn(&str) -> bool) -> String {
    let key = |expr: &Syntax| match expr {
        Syntax::Identifier(column) => column.value.clone(),
        _ => "expr".to_owned(),
    };
    let keys: Vec<String> = create.columns.iter().map(|column| key(&column.column.expr)).collect();
    let name = format!("{}_{}_idx", table.name, keys.join("_"));
    let numbered = (1_u64..).map(|n| format!("{name}{n}"));
    std::iter::once(name.clone()).chain(numbered).find(|n| !is_taken(n)).unwrap_or(name)
}

/// Makes an index.
pub fn run(session: &mut Session, create: &CreateIndex) -> Result<Outcome, Failure> {
    let name = &create.name.clone().unwrap_or_else(|| create.table_name.clone());
    if let Some(predicate) = &create.predicate {
        let message = "Creating partial indexes is not supported currently";
        return Err(SqlError::unsupported(message).at(predicate).into());
    }
    if create.nulls_distinct == Some(false) {
        return Err(SqlError::unsupported("NULLS NOT DISTINCT is not supported").at(name).into());
    }
    match &create.using {
        Some(IndexType::Custom(kind)) if !kind.value.eq_ignore_ascii_case("art") => {
            let kind = kind.value.to_uppercase();
            return Err(SqlError::binder(format!("Unknown index type: {kind}")).at(name).into());
        }
        _ => {}
    }
    let mut writer = session.writer_of(ObjectKind::Table, &create.table_name)?;
    let view = writer.read_view()?;
    let target = Target::find(&view, &create.table_name, None, "create an index on a")?;
    let parts = parts(name)?;
    let Some(ident) = parts.last() else { return Err(SqlError::internal("a name is empty").into()) };
    let catalog = writer.transaction()?.catalog();
    let schema = catalog.schema_by_id(target.table.schema).map(|s| s.definition().name.to_string());
    let schema = schema.unwrap_or_default();
    let is_taken = |name: &str| catalog.index(&schema, name).is_ok();
    let ident = match &create.name {
        Some(_) => (*ident).clone(),
        None => Ident::new(free_name(&target.table, create, is_taken)),
    };
    if is_taken(&ident.value) {
        if create.if_not_exists {
            return Ok(Outcome::Done);
        }
        let message = format!("Index with name \"{}\" already exists!", ident.value);
        return Err(SqlError::catalog(message).at(name).into());
    }
    let mut index = IndexDefinition {
        name: ident.value.as_str().into(),
        unique: create.unique,
        comment: None,
        keys: vec![],
    };
    for column in &create.columns {
        index.keys.push(key_text(&target.table, &column.column.expr)?.into());
    }
    let mut table = TableDefinition::clone(&target.table);
    table.indexes.push(index);
    let changed = Target::new(Arc::new(table.clone()), "");
    writer.session().bind(&view, |binder| {
        for column in &create.columns {
            let ty = binder.type_over(&changed, &column.column.expr, "an index")?;
            if !types::can_be_key(&ty) {
                return Err(SqlError::unsupported(format!("Invalid type for index key: {ty}")).into());
            }
        }
        Ok(())
    })?;
    if create.unique {
        let index = &table.indexes[table.indexes.len() - 1];
        let key = UniqueKey::of_index(&table, &index.keys)?;
        check_unique(writer.session(), &view, &target, &key)?;
    }
    writer.transaction()?.alter_table(table)?;
    writer.finish()?;
    Ok(Outcome::Done)
}

/// Whether the rows of a table already have unique keys.
pub fn check_unique(
    session: &Session,
    view: &dyn crate::sql::bind::Tables,
    target: &Target,
    key: &UniqueKey,
) -> Result<(), Failure> {
    match first_key(session, view, |binder| binder.keys_twice_in(target, key))? {
        Some(_) => Err(violated("Data contains duplicates on indexed column(s)".into())),
        None => Ok(()),
    }
}

/// A key as it is kept: the name of a column, or an expression.
fn key_text(table: &TableDefinition, expr: &Syntax) -> Result<String> {
    let Syntax::Identifier(name) = expr else { return Ok(canonical(expr)) };
    let position = table.column_position(&name.value).ok_or_else(|| {
        SqlError::binder(format!("Table \"{}\" does not have a column named \"{}\"", table.name, name.value))
            .at_span(name.span)
            .did_you_mean(&name.value, table.columns.iter().map(|c| &c.name))
    })?;
    Ok(name_in_sql(&table.columns[position].name))
}

/// The index of that name: its table and its position there. It is looked for in the schema that is named, else in all.
pub fn find_index<'c>(catalog: &'c Catalog, name: &ObjectName) -> Result<(&'c Arc<TableDefinition>, usize)> {
    let parts = parts(name)?;
    let Some((last, qualifier)) = parts.split_last() else {
        return Err(SqlError::internal("a name is empty"));
    };
    let schema = qualifier.last().map(|q| q.value.as_str());
    let schema = schema.filter(|schema| catalog.schema(schema).is_ok());
    let found = catalog
        .schemas()
        .map(|s| &*s.definition().name)
        .filter(|s| schema.is_none_or(|wanted| wanted.eq_ignore_ascii_case(s)))
        .find_map(|s| catalog.index(s, &last.value).ok());
    match found {
        Some(found) => Ok(found),
        None => match catalog.index(schema.unwrap_or(MAIN_SCHEMA), &last.value) {
            Ok(found) => Ok(found),
            Err(e) => Err(SqlError::from_catalog(&e).at(name)),
        },
    }
}

/// Removes indexes.
pub fn drop(session: &mut Session, if_exists: bool, names: &[ObjectName]) -> Result<Outcome, Failure> {
    for name in names {
        let mut writer = session.writer_of(ObjectKind::Index, name)?;
        let (table, at) = match find_index(writer.transaction()?.catalog(), name) {
            Ok(found) => found,
            Err(_) if if_exists => continue,
            Err(e) => return Err(e.into()),
        };
        let mut table = TableDefinition::clone(table);
        table.indexes.remove(at);
        writer.transaction()?.alter_table(table)?;
        writer.finish()?;
    }
    Ok(Outcome::Done)
}
