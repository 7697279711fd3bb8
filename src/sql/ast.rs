//! Statements as parsed. Queries, expressions and the definitions of tables and views are
//! `sqlparser`'s; statements that are DuckDB's or ours have types here.

use sqlparser::ast::{Expr, Ident, ObjectName, Query, Statement as SqlStatement};
use sqlparser::tokenizer::{Location, Span};

/// One statement.
#[derive(Debug, Clone)]
pub enum Statement {
    /// Rows.
    Query(Box<Query>),
    /// CREATE, DROP, INSERT and whatever else the grammar has.
    Sql(Box<SqlStatement>),
    /// CREATE VIEW.
    CreateView(Box<CreateView>),
    /// COPY.
    Copy(Box<Copy>),
    /// EXPLAIN.
    Explain {
        /// Run it and tell what it took.
        analyze: bool,
        /// What is to be explained.
        statement: Box<Statement>,
    },
    /// DESCRIBE: the columns of a table or query.
    Describe(Box<Query>),
    /// SUMMARIZE: statistics on each column of a table or query.
    Summarize(Box<Query>),
    /// SHOW of something that exists.
    Show(Show),
    /// SET, or PRAGMA with a value.
    Set {
        /// The setting.
        name: Ident,
        /// Its value.
        value: Box<Expr>,
    },
    /// RESET.
    Reset {
        /// The setting.
        name: Ident,
    },
    /// PRAGMA that is no setting.
    Pragma {
        /// Its name.
        name: Ident,
        /// Its arguments.
        args: Vec<Expr>,
    },
    /// BEGIN.
    Begin,
    /// COMMIT.
    Commit,
    /// ROLLBACK.
    Rollback,
    /// CHECKPOINT.
    Checkpoint,
}

/// What SHOW lists.
#[derive(Debug, Clone)]
pub enum Show {
    /// Tables and views of the current schema.
    Tables,
    /// Tables and views of all schemas, with their columns.
    AllTables,
    /// Schemas.
    Schemas,
    /// Databases.
    Databases,
}

/// CREATE VIEW.
#[derive(Debug, Clone)]
pub struct CreateView {
    /// The name.
    pub name: ObjectName,
    /// Names of the columns; from the query if empty.
    pub columns: Vec<Ident>,
    /// The query.
    pub query: Box<Query>,
    /// Where the query begins in the text.
    pub query_start: Location,
    /// In place of one that exists.
    pub or_replace: bool,
    /// Nothing happens if there is one.
    pub if_not_exists: bool,
}

/// COPY.
#[derive(Debug, Clone)]
pub struct Copy {
    /// What is copied, or copied into.
    pub subject: CopySubject,
    /// TO a file; else FROM one.
    pub to: bool,
    /// The path.
    pub path: Expr,
    /// Options: names and values; a name alone is `true`.
    pub options: Vec<(Ident, Option<Expr>)>,
}

/// What is copied.
#[derive(Debug, Clone)]
pub enum CopySubject {
    /// A table, or some of its columns.
    Table {
        /// The table.
        name: ObjectName,
        /// The columns; all if empty.
        columns: Vec<Ident>,
    },
    /// The result of a query.
    Query(Box<Query>),
}

impl Copy {
    /// Where the path stands.
    pub fn path_span(&self) -> Span {
        sqlparser::ast::Spanned::span(&self.path)
    }
}
