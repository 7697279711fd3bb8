//! CREATE MATERIALIZED VIEW.

use std::collections::BTreeSet;

use crate::catalog::{ColumnDefinition, ColumnRole, Materialized, ObjectId, ObjectKind, TableDefinition};
use crate::column::types::LogicalType;
use crate::sql::ast::CreateMaterializedView;
use crate::sql::error::SqlError;
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::statement::create_table::unique_name;
use crate::sql::statement::materialized::{BoundView, refresh};
use crate::sql::statement::object;
use crate::sql::statement::table_options::set_options;

/// Makes a view, and its rows unless it is WITH NO DATA. `sql` is the statement.
pub fn create(session: &mut Session, view: &CreateMaterializedView, sql: &str) -> Result<Outcome, Failure> {
    let text =
        view.text.of(sql).ok_or_else(|| SqlError::internal("the text of the view's query was lost"))?;
    let mut writer = session.writer_to(&view.create)?;
    let Some(place) = object::place(&mut writer, &view.create, ObjectKind::MaterializedView)? else {
        return Ok(Outcome::Done);
    };
    let now = writer.read_view()?;
    let schema = now.new_place(&view.create.name, view.create.temporary)?.schema;
    let (table, needs) = writer.session().bind(&now, |binder| {
        let bound = BoundView::bind(binder, &view.query, &now)?;
        let yielded = bound.plan.columns();
        if view.columns.len() > yielded.len() {
            let message = format!(
                "the view is given {} columns, but its query yields {}",
                view.columns.len(),
                yielded.len()
            );
            return Err(SqlError::binder(message).at(&view.create.name).into());
        }
        let mut columns: Vec<ColumnDefinition> = vec![];
        for (i, column) in yielded.iter().enumerate() {
            let name = match view.columns.get(i) {
                Some(given) => given.value.clone(),
                None => unique_name(&column.name, &columns),
            };
            let mut column = ColumnDefinition::new(&name, column.ty.clone());
            if let Some(shape) = &bound.shape {
                let is_tag = |c: &ColumnDefinition| {
                    c.role == ColumnRole::Tag && c.ty == column.ty && c.name.eq_ignore_ascii_case(&name)
                };
                if i == shape.output && column.ty != LogicalType::Date {
                    column.role = ColumnRole::Time;
                } else if shape.table.definition().columns.iter().any(is_tag) {
                    column.role = ColumnRole::Tag;
                }
            }
            columns.push(column);
        }
        let mut table = TableDefinition::new(place.schema, &place.name, columns);
        table.materialized = Some(Box::new(Materialized {
            query: text.into(),
            refreshed: false,
            frozen_before: None,
            sources: vec![],
        }));
        set_options(binder, &mut table, &view.options)?;
        let needs: BTreeSet<ObjectId> = bound.tables.iter().flatten().map(|t| t.id().into()).collect();
        Ok((table, needs))
    })?;
    table.validate().map_err(|e| SqlError::from_catalog(&e).at(&view.create.name))?;
    let id = object::put(&mut writer, &place, table, &needs)?.into();
    let rows = if view.with_data { refresh(&mut writer, id, &schema)? } else { 0 };
    writer.finish()?;
    Ok(if view.with_data { Outcome::Changed(rows) } else { Outcome::Done })
}
