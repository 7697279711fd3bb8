//! What CREATE makes, beside tables.

use sqlparser::ast::{DataType, Ident, ObjectName, Query, SqlOption};

use super::TextSpan;

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
