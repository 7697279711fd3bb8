//! SHOW.

use crate::catalog::Object;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::sql::ast::Show;
use crate::sql::bind::Tables;
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::sources::{RowsBuilder, database_name};
use crate::sql::statement::show_measurements;

/// Lists what exists.
pub fn run(session: &Session, what: &Show) -> Result<Outcome, Failure> {
    let view = session.read_view();
    let catalog = view.catalog();
    let rows = match what {
        Show::Measurements(show) => return show_measurements::run(session, show),
        Show::Databases => {
            let mut rows = RowsBuilder::new(&[("database_name", T::Varchar)]);
            rows.push([Scalar::text(database_name())]);
            rows
        }
        Show::Schemas => {
            let mut rows = RowsBuilder::new(&[("schema_name", T::Varchar)]);
            for schema in catalog.schemas() {
                rows.push([Scalar::text(&schema.definition().name)]);
            }
            rows
        }
        Show::Tables => {
            let mut rows = RowsBuilder::new(&[("name", T::Varchar)]);
            if let Ok(schema) = catalog.schema(crate::catalog::MAIN_SCHEMA) {
                for object in schema.relations() {
                    rows.push([Scalar::text(object.name())]);
                }
            }
            rows
        }
        Show::AllTables => {
            let mut rows = RowsBuilder::new(&[
                ("database", T::Varchar),
                ("schema", T::Varchar),
                ("name", T::Varchar),
                ("kind", T::Varchar),
                ("columns", T::Varchar),
            ]);
            for schema in catalog.schemas() {
                for object in schema.relations() {
                    let (kind, columns) = match object {
                        Object::Table(table) => {
                            let columns: Vec<_> =
                                table.columns.iter().map(|c| format!("{} {}", c.name, c.ty)).collect();
                            ("table", Scalar::text(columns.join(", ")))
                        }
                        _ => ("view", Scalar::Null),
                    };
                    rows.push([
                        Scalar::text(database_name()),
                        Scalar::text(&schema.definition().name),
                        Scalar::text(object.name()),
                        Scalar::text(kind),
                        columns,
                    ]);
                }
            }
            rows
        }
    };
    Ok(rows.finish("show")?.into())
}
