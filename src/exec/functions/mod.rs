//! Scalar functions: binding by name and argument types, and evaluation.
//!
//! Operators are functions too: `+ - * / // % ^ || ~ …` are bound by their spelling, `LIKE` is
//! `like(text, pattern)`. Each file registers the functions of one subject, with description and example
//! beside the code; [`catalog`] lists them all.

mod arithmetic;
mod attempt;
mod bignum;
mod bins;
mod bits;
mod collate;
mod date;
mod decimal;
mod digest;
mod enums;
mod identifier;
mod intervals;
mod json;
mod kernel;
mod lambda;
pub(crate) mod list;
mod maps;
mod math;
mod misc;
mod number_template;
mod registry;
pub(crate) mod room;
mod sort_key;
mod string;
mod struct_fields;
mod structs;
mod system;
mod uhuge;
mod unions;
mod variant;

use std::fmt;

use arrow_array::ArrayRef;

pub use crate::exec::eval::flatten;
use arithmetic::by_zero;
pub(crate) use arithmetic::{Checked, with_integer};
pub use attempt::attempt_function;
pub use collate::{
    apply, collated, collation, collation_key, collation_name, compared_by_key, comparison_key, has_variant,
    variant_key,
};
pub use date::TimePattern;
pub(crate) use identifier::random_uuid;
pub(crate) use kernel::list_end;
pub use lambda::{LambdaKind, lambda_function};
pub(crate) use list::{FROM_START, TO_END};
pub(crate) use math::random_bits;
pub use registry::{FunctionInfo, catalog, is_scalar};
pub(crate) use registry::{closest, no_match};
pub(crate) use string::HIVE_NULL;
pub use structs::bind_struct_pack;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;

/// An argument at bind time: its type and, where it is a literal, its value.
#[derive(Debug, Clone)]
pub struct ArgInfo {
    /// The type.
    pub ty: LogicalType,
    /// The value of a literal. A literal is converted more freely than a column: `'2024-01-01'` where a
    /// date is wanted, `1` where a `TINYINT` is.
    pub literal: Option<Scalar>,
}

impl ArgInfo {
    /// An argument that is no literal.
    pub fn of(ty: LogicalType) -> Self {
        Self { ty, literal: None }
    }

    /// How messages call it.
    pub(crate) fn describe(&self) -> String {
        match (&self.literal, &self.ty) {
            (Some(Scalar::Text(_)), LogicalType::Varchar) => "STRING_LITERAL".into(),
            (Some(Scalar::Int(_)), t) if t.is_integer() => "INTEGER_LITERAL".into(),
            (_, t) => t.to_string(),
        }
    }
}

/// A function chosen for particular argument types.
#[derive(Debug, Clone)]
pub struct BoundScalar {
    /// The function.
    pub function: std::sync::Arc<ScalarFunction>,
    /// The types to cast the arguments to, one for each argument.
    pub arg_types: Vec<LogicalType>,
    /// The type of the result.
    pub return_type: LogicalType,
}

/// How a function is computed: arguments in the Arrow layout of their types (constants come as arrays of
/// one row, all others have `rows` rows), the result type, the number of rows. It returns `rows` rows, or
/// one row if all arguments are constants.
pub type ScalarKernel =
    Box<dyn Fn(&[ArrayRef], &LogicalType, usize, &ExecContext) -> Result<ArrayRef> + Send + Sync>;

/// A scalar function.
pub struct ScalarFunction {
    /// The name, in lower case.
    pub name: &'static str,
    /// NULL if any argument is NULL (lets the optimizer reason).
    pub strict: bool,
    /// Gives another value each time (`random()`); never folded.
    pub volatile: bool,
    /// The computation.
    pub kernel: ScalarKernel,
    /// The function that it was given, if it takes one: calls of functions of one name may still differ in it.
    pub lambda: Option<std::sync::Arc<crate::exec::expr::Expr>>,
}

impl fmt::Debug for ScalarFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Why a call cannot be bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindError {
    /// No function of this name; the closest names.
    Unknown(Vec<String>),
    /// The function exists, but not for these arguments; a message with the candidates.
    NoMatch(String),
}

/// Chooses the overload of `name` (in any case) that needs the cheapest implicit casts.
pub fn bind_scalar(name: &str, args: &[ArgInfo]) -> Result<BoundScalar, BindError> {
    registry::bind(name, args)
}

/// Whether there is a function of that name, in lower case.
pub fn is_scalar_function(name: &str) -> bool {
    registry::is_known(name)
}

#[cfg(test)]
mod tests;
