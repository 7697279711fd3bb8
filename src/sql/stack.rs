//! Room on the stack for statements that are nested or chained deeply.
//!
//! Parsing, binding and dropping syntax recurse as deep as the syntax does, and a chain such as
//! `1 + 1 + …` is as deep as it is long. The tokens of a statement bound that depth, so statements that
//! may need more than a small thread has are handled on a thread of their own, whose stack is memory that
//! the system hands out only when it is touched. Everyday statements stay on the caller's thread.

use crate::sql::error::{Result, SqlError};
use crate::sql::parser::NESTING_MAX;
use crate::sql::tokens::Tokens;

/// Runs of up to this many tokens are handled on the caller's stack.
const SMALL_RUN: usize = 120;
/// Brackets nested up to this deep are handled on the caller's stack.
const SMALL_DEPTH: usize = 12;
/// Stack for each token of a run, generously.
const BYTES_PER_TOKEN: usize = 4 << 10;
/// Stack for each level of brackets, generously.
const BYTES_PER_LEVEL: usize = 64 << 10;
/// Queries within one statement for which the caller's stack is enough.
const SMALL_QUERIES: usize = 12;
/// Stack for each query, generously: what it becomes may lie below all others in one plan.
const BYTES_PER_QUERY: usize = 192 << 10;
/// More queries than this make a plan no deeper: it is refused for its depth.
const QUERIES_MAX: usize = 1_000;
/// The least that is reserved.
const STACK_MIN: usize = 16 << 20;
/// A run of more tokens is refused: 2 GiB of stack would have to be reserved.
const RUN_MAX: usize = 400_000;

/// How deep the syntax of a statement can get.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    run: usize,
    depth: usize,
    queries: usize,
}

impl Size {
    /// The size of a statement.
    pub fn of(tokens: &Tokens) -> Self {
        Self {
            run: tokens.run,
            depth: tokens.depth.min(NESTING_MAX + 1),
            queries: tokens.queries.min(QUERIES_MAX),
        }
    }

    /// Whether it may be handled on the stack of another statement, such as the text of a view.
    pub fn fits_beside_another(self) -> bool {
        self.run <= SMALL_RUN * 40 && self.depth <= SMALL_DEPTH * 4 && self.queries <= SMALL_QUERIES * 4
    }

    /// Whether it is handled on the stack of whoever runs it.
    pub fn is_small(self) -> bool {
        self.run <= SMALL_RUN && self.depth <= SMALL_DEPTH && self.queries <= SMALL_QUERIES
    }
}

/// Runs `work` where there is enough stack for a statement of this size.
pub fn with_room<T: Send>(size: Size, work: impl FnOnce() -> T + Send) -> Result<T> {
    if size.is_small() {
        return Ok(work());
    }
    if size.run > RUN_MAX {
        return Err(SqlError::parser(format!(
            "an expression or query of {} words without a comma is too long; at most {RUN_MAX} are allowed",
            size.run
        )));
    }
    let levels = size.depth * BYTES_PER_LEVEL + size.queries * BYTES_PER_QUERY;
    let bytes = (size.run * BYTES_PER_TOKEN + levels).max(STACK_MIN);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("fluxdb-plan".into())
            .stack_size(bytes)
            .spawn_scoped(scope, work)
            .map_err(|e| SqlError::internal(format!("cannot start a thread for a big statement: {e}")))?;
        match thread.join() {
            Ok(value) => Ok(value),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
