//! Statements as parsed. Queries, expressions and the definitions of tables and views are
//! `sqlparser`'s; statements that are DuckDB's or ours have types here.

use sqlparser::ast::{
    DataType, Expr, Ident, ObjectName, Query, SelectItem, SqlOption, Statement as SqlStatement, TableFactor,
    TableWithJoins, With,
};
use sqlparser::tokenizer::{Location, Span};

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
    /// CREATE TYPE.
    CreateType(Box<CreateType>),
    /// DROP.
    Drop(Drop),
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
}

/// A statement that changes the rows of a table.
#[derive(Debug, Clone)]
pub struct Modify {
    /// CTEs that it can use, the innermost last.
    pub with: Vec<With>,
    /// The table.
    pub table: ObjectName,
    /// What the statement calls it.
    pub alias: Option<Ident>,
    /// What happens to the rows.
    pub change: Change,
    /// RETURNING.
    pub returning: Option<Vec<SelectItem>>,
}

/// A query or a change whose WITH has changes.
#[derive(Debug, Clone)]
pub struct WithChanges {
    /// What is done before the statement proper, in order.
    pub steps: Vec<(Ident, CteStep)>,
    /// The statement proper. In its WITH the query of a CTE that is a step stands for the rows of that.
    pub body: Statement,
}

/// A CTE whose rows are there before what comes behind it.
#[derive(Debug, Clone)]
pub enum CteStep {
    /// It changes rows.
    Change(Box<Modify>),
    /// It is used more than once, or to be computed once. What it is, as a query that has the CTEs before it.
    Keep(Box<Query>),
}

/// What happens to the rows of a table.
#[derive(Debug, Clone)]
pub enum Change {
    /// INSERT.
    Insert(Insert),
    /// UPDATE.
    Update(Update),
    /// DELETE.
    Delete {
        /// USING.
        using: Vec<TableWithJoins>,
        /// WHERE.
        condition: Option<Expr>,
    },
    /// MERGE INTO.
    Merge(Merge),
}

/// INSERT.
#[derive(Debug, Clone)]
pub struct Insert {
    /// The columns that get values; all if empty.
    pub columns: Vec<Ident>,
    /// BY NAME: the names of the query's columns say which columns get values.
    pub by_name: bool,
    /// The rows; one row of defaults if absent.
    pub source: Option<Box<Query>>,
    /// What happens to rows whose keys are in the table.
    pub conflict: Option<OnConflict>,
}

/// ON CONFLICT, or OR REPLACE and OR IGNORE, which are short for it.
#[derive(Debug, Clone)]
pub struct OnConflict {
    /// The columns of the key; any key if empty.
    pub target: Vec<Ident>,
    /// What happens.
    pub action: ConflictAction,
}

/// What happens to a row whose key is in the table.
#[derive(Debug, Clone)]
pub enum ConflictAction {
    /// It is left out.
    Nothing,
    /// The row in the table takes all its given values.
    Replace,
    /// The row in the table changes.
    Update {
        /// SET.
        assignments: Vec<Assignment>,
        /// WHERE.
        condition: Option<Expr>,
    },
}

/// UPDATE.
#[derive(Debug, Clone)]
pub struct Update {
    /// SET.
    pub assignments: Vec<Assignment>,
    /// FROM.
    pub from: Vec<TableWithJoins>,
    /// WHERE.
    pub condition: Option<Expr>,
}

/// `column = value`.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The column.
    pub column: Ident,
    /// Its new value.
    pub value: Expr,
}

/// MERGE INTO.
#[derive(Debug, Clone)]
pub struct Merge {
    /// USING: the rows that the table is compared with.
    pub source: TableFactor,
    /// Which rows match.
    pub condition: MergeCondition,
    /// What happens, the first WHEN that holds deciding.
    pub clauses: Vec<MergeClause>,
}

/// Which rows of a table and a source match.
#[derive(Debug, Clone)]
pub enum MergeCondition {
    /// Those for which this holds.
    On(Expr),
    /// Those with equal values in these columns.
    Using(Vec<Ident>),
}

/// A WHEN of MERGE.
#[derive(Debug, Clone)]
pub struct MergeClause {
    /// Which rows it is for.
    pub kind: MergeKind,
    /// AND: what else must hold.
    pub condition: Option<Expr>,
    /// What happens.
    pub action: MergeAction,
    /// Where it stands.
    pub span: Span,
}

/// Which rows a WHEN is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeKind {
    /// Pairs of matching rows.
    Matched,
    /// Rows of the source that match none of the table.
    NotMatchedByTarget,
    /// Rows of the table that match none of the source.
    NotMatchedBySource,
}

/// What a WHEN does.
#[derive(Debug, Clone)]
pub enum MergeAction {
    /// DO NOTHING.
    Nothing,
    /// DELETE.
    Delete,
    /// ERROR, with what to say.
    Error(Option<Expr>),
    /// UPDATE SET.
    Update(Vec<Assignment>),
    /// UPDATE, UPDATE SET * or UPDATE BY NAME: the columns of the source.
    UpdateAll {
        /// By their names rather than their order.
        by_name: bool,
    },
    /// INSERT … VALUES.
    Insert {
        /// The columns that get values; all if empty.
        columns: Vec<Ident>,
        /// The values; defaults if absent.
        values: Option<Vec<Expr>>,
    },
    /// INSERT, INSERT * or INSERT BY NAME: the columns of the source.
    InsertAll {
        /// By their names rather than their order.
        by_name: bool,
        /// The columns that get values; all if empty.
        columns: Vec<Ident>,
    },
}

/// What SHOW lists.
#[derive(Debug, Clone)]
pub enum Show {
    /// Tables and views of the current schema, or of another.
    Tables(Option<ObjectName>),
    /// Tables and views of all schemas, with their columns.
    AllTables,
    /// Schemas.
    Schemas,
    /// Databases.
    Databases,
    /// Variables of the session.
    Variables,
    /// What measurements have.
    Measurements(ShowMeasurements),
    /// Something of that name: a table or view, or a setting.
    Named(ObjectName),
}

/// What SHOW lists of measurements: of one, or of all.
#[derive(Debug, Clone)]
pub struct ShowMeasurements {
    /// What.
    pub what: MeasurementPart,
    /// Of this one.
    pub of: Option<Ident>,
    /// Of rows for which this holds: for values of tags, and series.
    pub condition: Option<Expr>,
}

/// Names of tags.
#[derive(Debug, Clone)]
pub enum TagNames {
    /// All.
    All,
    /// Some.
    Named(Vec<Ident>),
    /// Those that a regular expression matches, or does not.
    Matching {
        /// The expression.
        pattern: String,
        /// Whether it must not match.
        negated: bool,
    },
}

/// A part of a measurement.
#[derive(Debug, Clone)]
pub enum MeasurementPart {
    /// The measurement itself.
    Name,
    /// Names of its tags.
    TagKeys,
    /// Values of some of its tags.
    TagValues(TagNames),
    /// Names and types of its fields.
    FieldKeys,
    /// Its series.
    Series,
    /// How long its rows stay.
    RetentionPolicies,
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
fn byte_offset(sql: &str, location: Location) -> Option<usize> {
    let line = usize::try_from(location.line).ok()?.checked_sub(1)?;
    let start = if line == 0 { 0 } else { sql.match_indices('\n').nth(line - 1)?.0 + 1 };
    let column = usize::try_from(location.column).ok()?.checked_sub(1)?;
    let rest = &sql[start..];
    Some(start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at))
}

/// What all CREATE statements say.
#[derive(Debug, Clone)]
pub struct Create {
    /// The name.
    pub name: ObjectName,
    /// In place of one that exists.
    pub or_replace: bool,
    /// Nothing happens if there is one.
    pub if_not_exists: bool,
    /// It goes with the connection.
    pub temporary: bool,
}

/// CREATE VIEW.
#[derive(Debug, Clone)]
pub struct CreateView {
    /// Its name.
    pub create: Create,
    /// Names of the columns; from the query if empty.
    pub columns: Vec<Ident>,
    /// The query.
    pub query: Box<Query>,
    /// Its text.
    pub text: TextSpan,
    /// The query may use the view's name for its own rows so far.
    pub recursive: bool,
}

/// CREATE MATERIALIZED VIEW.
#[derive(Debug, Clone)]
pub struct CreateMaterializedView {
    /// Its name.
    pub create: Create,
    /// Names of the columns; from the query if empty.
    pub columns: Vec<Ident>,
    /// `WITH (name = value)`.
    pub options: Vec<SqlOption>,
    /// The query.
    pub query: Box<Query>,
    /// Its text.
    pub text: TextSpan,
    /// Its rows are made at once.
    pub with_data: bool,
}

/// CREATE SEQUENCE.
#[derive(Debug, Clone)]
pub struct CreateSequence {
    /// Its name.
    pub create: Create,
    /// The options, each once.
    pub options: Vec<SequenceOption>,
}

/// An option of CREATE SEQUENCE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SequenceOption {
    /// `INCREMENT BY`.
    Increment(i64),
    /// `MINVALUE`, or none.
    Least(Option<i64>),
    /// `MAXVALUE`, or none.
    Greatest(Option<i64>),
    /// `START WITH`.
    Start(i64),
    /// `CYCLE` or `NO CYCLE`.
    Cycle(bool),
}

/// CREATE MACRO, also called CREATE FUNCTION.
#[derive(Debug, Clone)]
pub struct CreateMacro {
    /// Its name.
    pub create: Create,
    /// What it stands for.
    pub overloads: Vec<MacroBody>,
}

/// One body of a macro.
#[derive(Debug, Clone)]
pub struct MacroBody {
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// It is a query.
    pub is_table: bool,
    /// Its text.
    pub text: TextSpan,
}

/// A parameter of a macro.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: Ident,
    /// The text of its type.
    pub ty: Option<TextSpan>,
    /// The text of its default.
    pub default: Option<TextSpan>,
}

/// CREATE TYPE.
#[derive(Debug, Clone)]
pub struct CreateType {
    /// Its name.
    pub create: Create,
    /// What it is.
    pub ty: NewType,
}

/// What a new type is.
#[derive(Debug, Clone)]
pub enum NewType {
    /// An ENUM of these values.
    Enum(Vec<String>),
    /// An ENUM of the values that a query yields.
    EnumOf(Box<Query>),
    /// Another name of a type.
    Alias(DataType),
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
    /// `OWNED BY`: a sequence goes with the table.
    OwnedBy(ObjectName),
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
