//! Where rows go.

mod table;

pub use table::table_sink;
