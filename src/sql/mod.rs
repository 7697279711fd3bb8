//! From text to plan: dialect, FluxQL, binder, logical plan, optimizer, physical planner.

pub mod explain;
pub mod optimize;
pub mod physical;
pub mod plan;
pub mod unnest;
