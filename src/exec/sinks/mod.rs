//! Where rows go.

mod modify;
mod table;

pub use modify::{Modified, ModifySink, ModifySpec, RowCheck};
pub use table::table_sink;
