//! From text to plan: dialect, FluxQL, binder, logical plan, optimizer, physical planner.

mod analyze;
pub mod ast;
pub mod bind;
pub mod dialect;
pub mod error;
pub mod explain;
pub mod expr_text;
pub mod extensions;
pub mod external;
pub mod fluxql;
mod forms;
mod lengths;
mod lookahead;
pub mod optimize;
pub mod parameter;
pub mod parser;
pub mod physical;
pub mod plan;
mod plan_graph;
mod reserved;
pub mod sequences;
pub mod session;
pub mod sources;
pub mod split;
pub mod stack;
pub mod statement;
pub mod tokens;
pub mod unnest;
mod walk;

pub use error::{Position, SqlError, SqlErrorKind};
