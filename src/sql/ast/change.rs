//! Statements that change the rows of a table: INSERT, UPDATE, DELETE, MERGE.

use sqlparser::ast::{Expr, Ident, ObjectName, Query, SelectItem, TableFactor, TableWithJoins, With};
use sqlparser::tokenizer::Span;

use super::Statement;

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
    /// TRUNCATE.
    Truncate(Truncate),
    /// MERGE INTO.
    Merge(Merge),
}

/// TRUNCATE.
#[derive(Debug, Clone)]
pub struct Truncate {
    /// The tables besides the first.
    pub others: Vec<ObjectName>,
    /// RESTART IDENTITY: sequences of the tables' columns begin again.
    pub restart_identity: bool,
    /// CASCADE: and all tables that refer to them.
    pub cascade: bool,
}

/// INSERT.
#[derive(Debug, Clone)]
pub struct Insert {
    /// The columns that get values; all if empty.
    pub columns: Vec<Ident>,
    /// BY NAME: the names of the query's columns say which columns get values.
    pub by_name: bool,
    /// `OVERRIDING … VALUE`: what becomes of values for identity columns.
    pub overriding: Option<Overriding>,
    /// The rows; one row of defaults if absent.
    pub source: Option<Box<Query>>,
    /// What happens to rows whose keys are in the table.
    pub conflict: Option<OnConflict>,
}

/// What INSERT does with values for identity columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overriding {
    /// They are taken, also where the column is GENERATED ALWAYS.
    System,
    /// They are ignored: the columns' own values are taken.
    User,
}

/// ON CONFLICT, or OR REPLACE and OR IGNORE, which are short for it.
#[derive(Debug, Clone)]
pub struct OnConflict {
    /// The columns of the key; any key if empty.
    pub target: Vec<Ident>,
    /// `ON CONSTRAINT`: the name of the key.
    pub constraint: Option<Ident>,
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
    /// The value is a query of so many columns, one for each of as many assignments, and this is the n-th of them.
    pub part: Option<(usize, usize)>,
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
