//! Statements as parsed. Queries, expressions and the definitions of tables and views are
//! `sqlparser`'s; statements that are DuckDB's or ours have types here.

mod change;
mod create;
mod show;

use sqlparser::ast::{Expr, Ident, ObjectName, Query, Statement as SqlStatement};
use sqlparser::tokenizer::{Location, Span};

pub use self::change::*;
pub use self::create::*;
pub use self::show::*;
use crate::catalog::ObjectKind;

/// One statement.
#[derive(Debug, Clone)]
pub enum Statement {
    /// Rows.
    Query(Box<Query>),
    /// CREATE, DROP and whatever else the grammar has.
    Sql(Box<SqlStatement>),
    /// INSERT, UPDATE, DELETE, TRUNCATE or MERGE.
    Modify(Box<Modify>),
    /// A query or a change whose WITH has changes.
    WithChanges(Box<WithChanges>),
    /// CREATE VIEW.
    CreateView(Box<CreateView>),
    /// CREATE MATERIALIZED VIEW.
    CreateMaterializedView(Box<CreateMaterializedView>),
    /// REFRESH MATERIALIZED VIEW.
    Refresh(ObjectName),
    /// CREATE SCHEMA.
    CreateSchema(Create),
    /// CREATE SEQUENCE.
    CreateSequence(CreateSequence),
    /// CREATE MACRO.
    CreateMacro(Box<CreateMacro>),
    /// CREATE FUNCTION with typed parameters and RETURNS.
    CreateFunction(Box<CreateFunction>),
    /// DROP FUNCTION that says which of several.
    DropFunction(DropFunction),
    /// SET TRANSACTION: how the open transaction goes on.
    SetTransaction {
        /// READ ONLY: it writes no more.
        read_only: bool,
    },
    /// CREATE DOMAIN.
    CreateDomain(Box<CreateDomain>),
    /// CREATE TABLE with columns of other tables.
    CreateTableLike(Box<CreateTableLike>),
    /// CREATE TYPE.
    CreateType(Box<CreateType>),
    /// DROP.
    Drop(Drop),
    /// ALTER TABLE of an identity column.
    AlterIdentity(Box<AlterIdentity>),
    /// ALTER of something that is not a table.
    Alter(AlterObject),
    /// COMMENT ON.
    Comment(Comment),
    /// COPY.
    Copy(Box<Copy>),
    /// COPY FROM DATABASE.
    CopyDatabase(CopyDatabase),
    /// EXPORT DATABASE.
    Export(Box<Export>),
    /// IMPORT DATABASE.
    Import {
        /// The directory.
        path: Box<Expr>,
    },
    /// EXPLAIN.
    Explain {
        /// Run it and tell what it took.
        analyze: bool,
        /// How to show it.
        format: ExplainFormat,
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
        /// For whom.
        scope: SetScope,
        /// The setting.
        name: Ident,
        /// Its value.
        value: Box<Expr>,
    },
    /// RESET.
    Reset {
        /// For whom.
        scope: SetScope,
        /// The setting.
        name: Ident,
    },
    /// SET VARIABLE.
    SetVariable {
        /// The variable.
        name: Ident,
        /// Its value.
        value: Box<Expr>,
    },
    /// RESET VARIABLE.
    ResetVariable {
        /// The variable.
        name: Ident,
    },
    /// PRAGMA that is no setting.
    Pragma {
        /// Its name.
        name: Ident,
        /// Its arguments.
        args: Vec<Expr>,
    },
    /// CALL of what turns something on or off, or sets it.
    CallSetting {
        /// Its name.
        name: Ident,
        /// Its arguments, of which some may be named.
        args: Vec<(Option<Ident>, Expr)>,
    },
    /// UPDATE EXTENSIONS.
    UpdateExtensions {
        /// Those that are named.
        names: Vec<Ident>,
    },
    /// PREPARE.
    Prepare(Prepare),
    /// EXECUTE.
    Execute(Execute),
    /// DEALLOCATE.
    Deallocate {
        /// The statement; all if absent.
        name: Option<Ident>,
    },
    /// ATTACH.
    Attach(Box<Attach>),
    /// DETACH.
    Detach(Detach),
    /// CREATE SNAPSHOT.
    CreateSnapshot {
        /// What to call it.
        name: Ident,
        /// In place of one of that name.
        or_replace: bool,
        /// Nothing happens if there is one of that name.
        if_not_exists: bool,
    },
    /// DROP SNAPSHOT.
    DropSnapshot {
        /// The snapshot.
        name: Ident,
        /// It is no error if it is not there.
        if_exists: bool,
    },
    /// USE of a database, a schema, or both.
    Use(ObjectName),
    /// INSTALL or LOAD.
    Load {
        /// The extension.
        name: Ident,
    },
    /// BEGIN.
    Begin {
        /// Nothing may be written.
        read_only: bool,
    },
    /// COMMIT.
    Commit,
    /// ROLLBACK.
    Rollback,
    /// SAVEPOINT.
    Savepoint(Ident),
    /// RELEASE SAVEPOINT.
    Release(Ident),
    /// ROLLBACK TO SAVEPOINT.
    RollbackTo(Ident),
    /// CHECKPOINT.
    Checkpoint {
        /// Of which database.
        database: Option<Ident>,
    },
    /// BACKUP.
    Backup {
        /// Of which database.
        database: Option<Ident>,
        /// To which file.
        file: String,
    },
    /// `CALL maintain()`, of all tables and materialized views or of one.
    CallMaintain(Option<String>),
    /// VACUUM and ANALYZE.
    Maintain {
        /// It is VACUUM.
        vacuum: bool,
        /// The table, where one is named.
        table: Option<ObjectName>,
        /// Some of its columns.
        columns: Vec<Ident>,
    },
}

/// For whom a setting is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetScope {
    /// Not said.
    Any,
    /// This connection.
    Session,
    /// All connections.
    Global,
    /// It is no setting, but a variable.
    Variable,
}

/// How EXPLAIN shows a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainFormat {
    /// A tree for people.
    Text,
    /// JSON.
    Json,
    /// A page that a browser shows.
    Html,
    /// YAML.
    Yaml,
    /// A graph that Mermaid draws.
    Mermaid,
    /// A graph that Graphviz draws.
    Graphviz,
}

/// Where a piece of a statement lies in its text.
#[derive(Debug, Clone, Copy)]
pub struct TextSpan {
    /// Its first character.
    pub start: Location,
    /// The one behind its last.
    pub end: Location,
}

impl TextSpan {
    /// The piece.
    pub fn of(self, sql: &str) -> Option<&str> {
        let (from, to) = (byte_offset(sql, self.start)?, byte_offset(sql, self.end)?);
        sql.get(from..to).map(str::trim)
    }
}

/// The byte at which a place in a text lies.
pub fn byte_offset(sql: &str, location: Location) -> Option<usize> {
    let line = usize::try_from(location.line).ok()?.checked_sub(1)?;
    let start = if line == 0 { 0 } else { sql.match_indices('\n').nth(line - 1)?.0 + 1 };
    let column = usize::try_from(location.column).ok()?.checked_sub(1)?;
    let rest = &sql[start..];
    Some(start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at))
}

/// DROP.
#[derive(Debug, Clone)]
pub struct Drop {
    /// The kind of the objects.
    pub kind: ObjectKind,
    /// It is no error if one is not there.
    pub if_exists: bool,
    /// Their names.
    pub names: Vec<ObjectName>,
    /// What depends on them goes too.
    pub cascade: bool,
}

/// ALTER of something that is not a table.
#[derive(Debug, Clone)]
pub struct AlterObject {
    /// The kind of the object.
    pub kind: ObjectKind,
    /// It is no error if it is not there.
    pub if_exists: bool,
    /// Its name.
    pub name: ObjectName,
    /// What becomes of it.
    pub alteration: Alteration,
}

/// What ALTER does to an object.
#[derive(Debug, Clone)]
pub enum Alteration {
    /// `RENAME TO`.
    Rename(Ident),
    /// `SET SCHEMA`.
    SetSchema(Ident),
    /// Options of a sequence.
    Sequence(Vec<SequenceOption>),
}

/// COMMENT ON.
#[derive(Debug, Clone)]
pub struct Comment {
    /// On what.
    pub target: CommentTarget,
    /// The comment; none removes it.
    pub comment: Option<String>,
}

/// On what there can be a comment.
#[derive(Debug, Clone)]
pub enum CommentTarget {
    /// A schema, or an object of one.
    Object(ObjectKind, ObjectName),
    /// A column of a table.
    Column {
        /// The table.
        relation: ObjectName,
        /// The column.
        column: Ident,
    },
    /// A database.
    Database(Ident),
}

/// PREPARE.
#[derive(Debug, Clone)]
pub struct Prepare {
    /// The name that EXECUTE will use.
    pub name: Ident,
    /// What it will run.
    pub statement: Box<Statement>,
    /// Its text.
    pub text: TextSpan,
}

/// EXECUTE.
#[derive(Debug, Clone)]
pub struct Execute {
    /// What PREPARE called it.
    pub name: Ident,
    /// Values of its parameters, by position or by name.
    pub values: Vec<(Option<Ident>, Expr)>,
}

/// An option of a statement, and its value; a name alone is `true`.
pub type NamedOption = (Ident, Option<Expr>);

/// ATTACH.
#[derive(Debug, Clone)]
pub struct Attach {
    /// The file.
    pub path: Expr,
    /// What to call it.
    pub name: Option<Ident>,
    /// In place of one of that name.
    pub or_replace: bool,
    /// Nothing happens if there is one of that name.
    pub if_not_exists: bool,
    /// Options.
    pub options: Vec<NamedOption>,
}

/// DETACH.
#[derive(Debug, Clone)]
pub struct Detach {
    /// It is no error if it is not there.
    pub if_exists: bool,
    /// The database.
    pub name: Ident,
}

/// EXPORT DATABASE.
#[derive(Debug, Clone)]
pub struct Export {
    /// The database; the current one if absent.
    pub database: Option<Ident>,
    /// The directory.
    pub path: Expr,
    /// Options of the files.
    pub options: Vec<NamedOption>,
}

/// COPY FROM DATABASE.
#[derive(Debug, Clone)]
pub struct CopyDatabase {
    /// The database that is copied.
    pub from: Ident,
    /// The one it is copied into.
    pub to: Ident,
    /// The definitions.
    pub schema: bool,
    /// The rows.
    pub data: bool,
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
    /// Options.
    pub options: Vec<NamedOption>,
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
