//! The operators of a running query, a file or folder each.
//!
//! Streaming operators implement [`Operator`](crate::exec::pipeline::Operator); those that need all their input
//! first implement [`PipelineSink`](crate::exec::pipeline::PipelineSink) and yield a source for the next pipeline.

pub(crate) mod aggregate;
pub(crate) mod coalesce;
pub(crate) mod collect;
pub(crate) mod cte;
pub(crate) mod expand;
pub(crate) mod filter;
pub(crate) mod gap_fill;
pub(crate) mod groups;
pub(crate) mod join;
mod keyed_rows;
pub(crate) mod limit;
pub(crate) mod limit_by;
pub(crate) mod or_else;
pub(crate) mod positional;
pub(crate) mod project;
pub(crate) mod sample;
pub(crate) mod scan;
pub(crate) mod sort;
pub(crate) mod stored;
pub(crate) mod unnest;
pub(crate) mod values;
pub(crate) mod window;
pub(crate) mod write;
