//! Rows that expire: `WITH (ttl = '7d', ttl_column = ts)`, or each at a moment of its own, `WITH (ttl_column = expires)`.
//!
//! A row whose time is longer ago than that is not there for any statement from that moment on; NULL never expires.
//! Maintenance removes it later, and so does a row that is added with its key.

use crate::catalog::TableDefinition;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::Expr;
use crate::sql::bind::Binder;
use crate::sql::bind::name::name_in_sql;
use crate::sql::bind::scope::{Relation, Scope};
use crate::sql::error::Result;
use crate::sql::parser::parse_expr;

/// The option that says after what time rows expire, and the one that says which column has theirs.
pub const TTL: &str = "ttl";
/// See [`TTL`].
pub const TTL_COLUMN: &str = "ttl_column";

/// The position of the column by which rows expire, if they do.
pub fn ttl_column(table: &TableDefinition) -> Option<usize> {
    table.options.get(TTL)?;
    table.column_position(table.options.get(TTL_COLUMN)?)
}

/// Rows before this moment are expired, if rows expire: an expression over no columns, as SQL text.
pub fn ttl_horizon(table: &TableDefinition) -> Option<String> {
    let column = &table.columns[ttl_column(table)?];
    let now = if column.ty == LogicalType::TimestampTz { "now()" } else { "timezone('UTC', now())" };
    Some(format!("{now} - INTERVAL '{}'", table.options.get(TTL)?))
}

impl Binder<'_> {
    /// The condition of rows that have not expired, over the columns of a relation of the table.
    pub(in crate::sql) fn bind_unexpired(
        &mut self,
        table: &TableDefinition,
        relation: &Relation,
    ) -> Result<Option<Expr>> {
        let (Some(column), Some(horizon)) = (ttl_column(table), ttl_horizon(table)) else { return Ok(None) };
        let name = name_in_sql(&table.columns[column].name);
        let condition = parse_expr(&format!("{name} >= {horizon} OR {name} IS NULL"))?;
        self.bind_over(&condition, &Scope::of(relation.clone()), "a ttl").map(Some)
    }

    /// The position of the column by which rows expire, and before what time they have.
    pub(in crate::sql) fn bind_expiry(&mut self, table: &TableDefinition) -> Result<Option<(usize, Scalar)>> {
        let (Some(column), Some(horizon)) = (ttl_column(table), ttl_horizon(table)) else { return Ok(None) };
        let ty = &table.columns[column].ty;
        Ok(Some((column, self.bind_constant_as(&parse_expr(&horizon)?, ty, "a ttl")?)))
    }
}
