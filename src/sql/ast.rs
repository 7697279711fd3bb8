//! Statements as parsed. Queries, expressions and the definitions of tables and views are
//! `sqlparser`'s; statements that are DuckDB's or ours have types here.

use sqlparser::ast::{
    Expr, Ident, ObjectName, Query, SelectItem, Statement as SqlStatement, TableFactor, TableWithJoins, With,
};
use sqlparser::tokenizer::{Location, Span};

/// One statement.
#[derive(Debug, Clone)]
pub enum Statement {
    /// Rows.
    Query(Box<Query>),
    /// CREATE, DROP and whatever else the grammar has.
    Sql(Box<SqlStatement>),
    /// INSERT, UPDATE, DELETE, TRUNCATE or MERGE.
    Modify(Box<Modify>),
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

/// A statement that changes the rows of a table.
#[derive(Debug, Clone)]
pub struct Modify {
    /// CTEs that it can use.
    pub with: Option<With>,
    /// The table.
    pub table: ObjectName,
    /// What the statement calls it.
    pub alias: Option<Ident>,
    /// What happens to the rows.
    pub change: Change,
    /// RETURNING.
    pub returning: Option<Vec<SelectItem>>,
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
    /// Tables and views of the current schema.
    Tables,
    /// Tables and views of all schemas, with their columns.
    AllTables,
    /// Schemas.
    Schemas,
    /// Databases.
    Databases,
    /// What measurements have.
    Measurements(ShowMeasurements),
}

/// What SHOW lists of measurements: of one, or of all.
#[derive(Debug, Clone)]
pub struct ShowMeasurements {
    /// What.
    pub what: MeasurementPart,
    /// Of this one.
    pub of: Option<Ident>,
}

/// A part of a measurement.
#[derive(Debug, Clone)]
pub enum MeasurementPart {
    /// The measurement itself.
    Name,
    /// Names of its tags.
    TagKeys,
    /// Values of some of its tags.
    TagValues(Vec<Ident>),
    /// Names and types of its fields.
    FieldKeys,
    /// Its series.
    Series,
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
