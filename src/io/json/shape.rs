//! What is to be made of values: a type, and the formats of the dates in it.

use crate::column::types::{LogicalType, TIMESTAMP};
use crate::io::strptime::Format;

/// A type whose dates and timestamps may have formats of their own.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// A type that is not nested.
    Plain(LogicalType),
    /// A date or a timestamp of a format other than ISO's.
    Formatted(LogicalType, Format),
    List(Box<Shape>),
    Array(Box<Shape>, u32),
    Struct(Vec<(Box<str>, Shape)>),
    /// The keys are text, or cast from it.
    Map(LogicalType, Box<Shape>),
}

/// The formats that options set for all dates and timestamps.
#[derive(Debug, Clone, Default)]
pub(super) struct TimeFormats {
    pub date: Option<Format>,
    pub timestamp: Option<Format>,
}

impl Shape {
    /// The shape of a type that was set by hand.
    pub fn of(ty: &LogicalType, formats: &TimeFormats) -> Self {
        let formatted = |format: &Option<Format>| match format {
            Some(format) => Self::Formatted(ty.clone(), format.clone()),
            None => Self::Plain(ty.clone()),
        };
        match ty {
            LogicalType::List(item) => Self::List(Box::new(Self::of(item, formats))),
            LogicalType::Array(item, n) => Self::Array(Box::new(Self::of(item, formats)), *n),
            LogicalType::Struct(fields) => {
                Self::Struct(fields.iter().map(|(name, ty)| (name.clone(), Self::of(ty, formats))).collect())
            }
            LogicalType::Map(key, value) => Self::Map((**key).clone(), Box::new(Self::of(value, formats))),
            LogicalType::Date => formatted(&formats.date),
            ty if *ty == TIMESTAMP => formatted(&formats.timestamp),
            other => Self::Plain(other.clone()),
        }
    }

    /// The type.
    pub fn ty(&self) -> LogicalType {
        match self {
            Self::Plain(ty) | Self::Formatted(ty, _) => ty.clone(),
            Self::List(item) => LogicalType::List(Box::new(item.ty())),
            Self::Array(item, n) => LogicalType::Array(Box::new(item.ty()), *n),
            Self::Struct(fields) => {
                LogicalType::Struct(fields.iter().map(|(name, shape)| (name.clone(), shape.ty())).collect())
            }
            Self::Map(key, value) => LogicalType::Map(Box::new(key.clone()), Box::new(value.ty())),
        }
    }
}
