//! What SHOW lists.

use sqlparser::ast::{Expr, Ident, ObjectName};

/// What there is to list.
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

/// What SHOW lists of measurements.
#[derive(Debug, Clone)]
pub struct ShowMeasurements {
    /// What.
    pub what: MeasurementPart,
    /// How many there are, instead of them.
    pub cardinality: Option<Cardinality>,
    /// Of those in this database.
    pub database: Option<Ident>,
    /// Of these measurements, or, if there are none, of all.
    pub of: Vec<Ident>,
    /// Of those whose names fit.
    pub names: Names,
    /// Of rows for which this holds.
    pub condition: Option<Expr>,
    /// At most so many rows.
    pub limit: Option<u64>,
    /// Without so many rows.
    pub offset: Option<u64>,
}

/// How things that measurements have are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cardinality {
    /// Those of all measurements together.
    Together,
    /// Those of each measurement.
    OfEach,
}

/// Names of tags or of measurements.
#[derive(Debug, Clone)]
pub enum Names {
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
    TagValues(Names),
    /// Names and types of its fields.
    FieldKeys,
    /// Its series.
    Series,
    /// How long its rows stay.
    RetentionPolicies,
}
