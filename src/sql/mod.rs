//! From text to plan: dialect, FluxQL, binder, logical plan, optimizer, physical planner.

pub mod plan;
