//! `CREATE TABLE t (…, LIKE other INCLUDING …)`: the columns of another table, written out as they would stand in the
//! definition.

use std::fmt::Write;

use sqlparser::ast::{ColumnDef, Statement as SqlStatement, TableConstraint};

use crate::catalog::{Catalog, ConstraintKind, IndexDefinition, Object, ObjectKind, TableDefinition};
use crate::sql::ast::{CreateTableLike, LikeParts, LikeTable, Statement};
use crate::sql::bind::modify::identity_columns;
use crate::sql::bind::name::name_in_sql;
use crate::sql::error::{Result, SqlError};
use crate::sql::parser;
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::sources::query_columns;
use crate::sql::statement::create_table;
use crate::sql::statement::ddl_text::constraint_text;

/// What is taken over of other tables besides what stands in the definition.
#[derive(Debug, Default)]
pub struct TakenOver {
    /// Indexes, under the names that they have there.
    pub indexes: Vec<IndexDefinition>,
    /// Comments on columns, by their names.
    pub comments: Vec<(Box<str>, Box<str>)>,
}

/// Makes a table.
pub fn run(session: &mut Session, statement: &CreateTableLike) -> Result<Outcome, Failure> {
    let mut create = statement.create.clone();
    let mut taken = TakenOver::default();
    // From the last on, so that those before it stay where they are.
    for like in statement.likes.iter().rev() {
        let (columns, constraints, more) = written_out(session, like)?;
        create.columns.splice(like.position..like.position, columns);
        create.constraints.splice(0..0, constraints);
        taken.indexes.splice(0..0, more.indexes);
        taken.comments.extend(more.comments);
    }
    create_table::run_with(session, &create, &taken)
}

type WrittenOut = (Vec<ColumnDef>, Vec<TableConstraint>, TakenOver);

fn written_out(session: &Session, like: &LikeTable) -> Result<WrittenOut, Failure> {
    let view = session.read_view();
    let found = view.find(ObjectKind::Table, &like.name)?;
    let (parts, taken) = match found.object {
        Object::Table(table) => of_table(found.database.catalog(), table, like.parts),
        Object::View(definition) => {
            let columns = session.bind(&view, |binder| Ok(query_columns(&binder.env, &definition.query)))?;
            let parts = columns.iter().map(|c| format!("{} {}", name_in_sql(&c.name), c.ty));
            (parts.collect(), TakenOver::default())
        }
        _ => return Err(SqlError::binder(format!("{} is no table", like.name)).at(&like.name).into()),
    };
    let sql = format!("CREATE TABLE copied({})", parts.join(", "));
    match parser::parse_statement(parser::tokens(&sql)?)? {
        Statement::Sql(statement) => match *statement {
            SqlStatement::CreateTable(definition) => Ok((definition.columns, definition.constraints, taken)),
            _ => Err(SqlError::internal("a definition is not one of a table").into()),
        },
        _ => Err(SqlError::internal("a definition is not one of a table").into()),
    }
}

/// The columns and constraints of a table that are taken over, as they are written, and the rest.
fn of_table(catalog: &Catalog, table: &TableDefinition, wanted: LikeParts) -> (Vec<String>, TakenOver) {
    let mut parts = vec![];
    let mut taken = TakenOver::default();
    let identities: Vec<(usize, bool)> = identity_columns(catalog, table).collect();
    for (position, column) in table.columns.iter().enumerate() {
        let mut part = format!("{} {}", name_in_sql(&column.name), column.ty);
        // Writing to a String cannot fail.
        if let Some(collation) = &column.collation {
            let _ = write!(part, " COLLATE {collation}");
        }
        let identity = identities.iter().find(|(at, _)| *at == position);
        match identity {
            Some((_, always)) if wanted.identity => {
                let when = if *always { "ALWAYS" } else { "BY DEFAULT" };
                let _ = write!(part, " GENERATED {when} AS IDENTITY");
            }
            Some(_) => {}
            None => {
                if let (Some(default), true) = (&column.default, wanted.defaults) {
                    let _ = write!(part, " DEFAULT({default})");
                }
            }
        }
        if let (Some(expression), true) = (&column.generated, wanted.generated) {
            let stored = if column.stored { " STORED" } else { "" };
            let _ = write!(part, " GENERATED ALWAYS AS({expression}){stored}");
        }
        if !column.nullable {
            part.push_str(" NOT NULL");
        }
        if let (Some(comment), true) = (&column.comment, wanted.comments) {
            taken.comments.push((column.name.clone(), comment.clone()));
        }
        parts.push(part);
    }
    for constraint in &table.constraints {
        let is_wanted = match &constraint.kind {
            ConstraintKind::Check { .. } => wanted.constraints,
            ConstraintKind::Unique { .. } => wanted.indexes,
            ConstraintKind::ForeignKey { .. } => false,
        };
        if is_wanted {
            let name = constraint.name.as_ref().map(|n| format!("CONSTRAINT {} ", name_in_sql(n)));
            parts.push(name.unwrap_or_default() + &constraint_text(catalog, table, constraint));
        }
    }
    if wanted.indexes {
        taken.indexes.clone_from(&table.indexes);
    }
    (parts, taken)
}

impl TakenOver {
    /// Puts it into a definition. `catalog` and the name of the schema tell which names of indexes are free.
    pub fn put_into(&self, table: &mut TableDefinition, catalog: &Catalog, schema: &str) {
        for (name, comment) in &self.comments {
            if let Some(position) = table.column_position(name) {
                table.columns[position].comment = Some(comment.clone());
            }
        }
        for index in &self.indexes {
            let word =
                |key: &str| key.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
            let keys: Vec<String> = index.keys.iter().map(|key| word(key)).collect();
            let base = format!("{}_{}_idx", table.name, keys.join("_"));
            let is_taken = |name: &str| {
                catalog.index(schema, name).is_ok()
                    || table.indexes.iter().any(|other| other.name.eq_ignore_ascii_case(name))
            };
            let numbered = (1_u64..).map(|n| format!("{base}{n}"));
            let name = std::iter::once(base.clone()).chain(numbered).find(|name| !is_taken(name));
            table.indexes.push(IndexDefinition {
                name: name.unwrap_or(base).into(),
                comment: None,
                ..index.clone()
            });
        }
    }
}
