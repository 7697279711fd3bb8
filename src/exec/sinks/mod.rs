//! Where rows go.

mod modify;
mod table;

pub use modify::{Modified, ModifySink, ModifySpec, ROW_ID, RowCheck};
pub use table::table_sink;
