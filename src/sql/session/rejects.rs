//! What readers of files left out becomes rows of temporary tables.

use std::sync::Arc;

use sqlparser::ast::{Ident, ObjectName};

use crate::exec::rejects::RejectTable;
use crate::exec::source::Source;
use crate::sql::bind::name::name_in_sql;
use crate::sql::session::{Failure, Parameters, Session, TEMP_DATABASE};
use crate::sql::sources::RowsBuilder;
use crate::sql::statement::append;

impl Session {
    /// Does so with what statements before have noted. Not while a transaction can only be rolled back.
    pub(super) fn store_rejects(&mut self) -> Result<(), Failure> {
        if self.transaction.is_failed() {
            return Ok(());
        }
        for table in self.rejects.take() {
            self.store_rejects_of(table)?;
        }
        Ok(())
    }

    fn store_rejects_of(&mut self, table: RejectTable) -> Result<(), Failure> {
        let columns: Vec<String> = table.columns.iter().map(|(name, ty)| format!("{name} {ty}")).collect();
        let make =
            format!("CREATE TEMP TABLE IF NOT EXISTS {}({})", name_in_sql(&table.name), columns.join(", "));
        self.run_text(&make, Parameters::default())?;
        let name: Vec<Ident> =
            [TEMP_DATABASE, "main", &table.name].map(|part| Ident::with_quote('"', part)).to_vec();
        let given: Vec<Ident> = table.columns.iter().map(|(name, _)| Ident::new(*name)).collect();
        let mut rows = RowsBuilder::new(table.columns);
        table.into_rows().for_each(|row| rows.push(row));
        let source: Arc<dyn Source> = Arc::new(rows.finish("REJECTS")?);
        append(self, &ObjectName::from(name), &given, |_, _| Ok(source)).map(|_| ())
    }
}
