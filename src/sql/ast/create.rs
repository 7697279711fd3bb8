//! What CREATE makes, beside tables.

use sqlparser::ast::{CreateTable, DataType, Expr, Ident, ObjectName, Query, SqlOption};

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

/// CREATE TABLE with columns of other tables.
#[derive(Debug, Clone)]
pub struct CreateTableLike {
    /// The rest of it.
    pub create: CreateTable,
    /// The tables, in order.
    pub likes: Vec<LikeTable>,
}

/// A table whose columns another table has.
#[derive(Debug, Clone)]
pub struct LikeTable {
    /// How many columns stand before.
    pub position: usize,
    /// Its name.
    pub name: ObjectName,
    /// What is taken over besides names, types and NOT NULL.
    pub parts: LikeParts,
}

/// What is taken over of another table: INCLUDING.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct LikeParts {
    /// Comments on columns.
    pub comments: bool,
    /// CHECK.
    pub constraints: bool,
    /// Defaults.
    pub defaults: bool,
    /// Expressions of generated columns.
    pub generated: bool,
    /// Sequences of identity columns, as new ones.
    pub identity: bool,
    /// Primary key, UNIQUE, and indexes.
    pub indexes: bool,
}

/// CREATE SEQUENCE.
#[derive(Debug, Clone)]
pub struct CreateSequence {
    /// Its name.
    pub create: Create,
    /// The options, each once.
    pub options: Vec<SequenceOption>,
}

/// An option of CREATE SEQUENCE and ALTER SEQUENCE.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// `AS type`.
    Type(DataType),
    /// `CACHE`: how many values are taken ahead. None are.
    Cache,
    /// `OWNED BY table.column`, or a table; or none.
    OwnedBy(Option<ObjectName>),
    /// `RESTART`: begin again, there or at the start.
    Restart(Option<i64>),
}

/// `GENERATED … AS IDENTITY`: a column has a sequence of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// ALWAYS: other values are refused.
    pub always: bool,
    /// `SEQUENCE NAME`: what the sequence is called.
    pub name: Option<ObjectName>,
    /// Options of the sequence.
    pub options: Vec<SequenceOption>,
}

/// `ALTER TABLE … ALTER COLUMN …` of an identity column.
#[derive(Debug, Clone)]
pub struct AlterIdentity {
    /// The table.
    pub table: ObjectName,
    /// It is no error if the table is not there.
    pub if_exists: bool,
    /// The column.
    pub column: Ident,
    /// What becomes of it.
    pub change: IdentityChange,
}

/// What becomes of an identity column.
#[derive(Debug, Clone)]
pub enum IdentityChange {
    /// `ADD GENERATED … AS IDENTITY`: it becomes one.
    Add(Identity),
    /// `SET GENERATED …`, `SET option` and `RESTART`.
    Set {
        /// Whether ALWAYS; as it was if not said.
        always: Option<bool>,
        /// Options of the sequence.
        options: Vec<SequenceOption>,
    },
    /// `DROP IDENTITY`.
    Drop {
        /// It is no error if it is none.
        if_exists: bool,
    },
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

/// CREATE FUNCTION with typed parameters and RETURNS.
#[derive(Debug, Clone)]
pub struct CreateFunction {
    /// Its name.
    pub create: Create,
    /// Its parameters.
    pub parameters: Vec<FunctionParameter>,
    /// RETURNS.
    pub result: Option<FunctionResult>,
    /// What it does.
    pub body: FunctionBody,
    /// It is NULL, or has no rows, where an argument is NULL.
    pub strict: bool,
}

/// A parameter of a function.
#[derive(Debug, Clone)]
pub struct FunctionParameter {
    /// Its name, if it has one.
    pub name: Option<Ident>,
    /// The text of its type.
    pub ty: TextSpan,
    /// The text of its default.
    pub default: Option<TextSpan>,
}

/// What a function returns.
#[derive(Debug, Clone)]
pub enum FunctionResult {
    /// A value, or rows of them.
    Type {
        /// SETOF.
        set: bool,
        /// The text of the type.
        text: TextSpan,
        /// Its name, which may be that of a table, if it is no more than a name.
        name: Option<ObjectName>,
    },
    /// Rows with these columns: names, and texts of types.
    Table(Vec<(Ident, TextSpan)>),
}

/// What a function does.
#[derive(Debug, Clone)]
pub enum FunctionBody {
    /// A query, as the text that was given.
    Text(String),
    /// An expression, whose text this is.
    Expression(TextSpan),
}

/// DROP FUNCTION that says which of several.
#[derive(Debug, Clone)]
pub struct DropFunction {
    /// It is no error if one is not there.
    pub if_exists: bool,
    /// Their names, and the types of their parameters.
    pub functions: Vec<(ObjectName, Option<Vec<DataType>>)>,
    /// What depends on them goes too.
    pub cascade: bool,
}

/// CREATE TYPE.
#[derive(Debug, Clone)]
pub struct CreateType {
    /// Its name.
    pub create: Create,
    /// What it is.
    pub ty: NewType,
}

/// CREATE DOMAIN.
#[derive(Debug, Clone)]
pub struct CreateDomain {
    /// Its name.
    pub create: Create,
    /// The type of its values.
    pub ty: DataType,
    /// DEFAULT.
    pub default: Option<Expr>,
    /// NOT NULL.
    pub not_null: bool,
    /// CHECK, with names.
    pub checks: Vec<(Option<Ident>, Expr)>,
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
