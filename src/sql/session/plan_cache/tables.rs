//! The tables of a plan that is kept: which they are, and what was certain of their rows.

use std::sync::Arc;

use crate::catalog::TableId;
use crate::sql::plan::LogicalPlan;
use crate::sql::session::ReadView;
use crate::table::TableSnapshot;

/// A plan is made anew when a table has so many times more or fewer rows than when it was made.
const GROWTH: u64 = 4;
/// Differences of so many rows do not matter.
pub(super) const FEW_ROWS: u64 = 4_096;

/// The tables of a plan, in the order of [`tables_mut`].
#[derive(Debug)]
pub(super) struct KeptTables(Vec<KeptTable>);

impl KeptTables {
    /// Takes the rows out of a plan. `None` if it cannot be found again what they are rows of.
    pub(super) fn take(plan: &mut LogicalPlan, view: &ReadView) -> Option<Self> {
        let mut tables = vec![];
        for table in tables_mut(plan) {
            tables.push(KeptTable::of(table, view)?);
            *table = Arc::new(table.without_rows());
        }
        Some(Self(tables))
    }

    /// Gives a plan the rows that there are now. Whether it still fits them.
    pub(super) fn put(&self, plan: &mut LogicalPlan, view: &ReadView) -> bool {
        tables_mut(plan).into_iter().zip(&self.0).all(|(table, kept)| match kept.now(view) {
            Some(now) => {
                *table = now;
                true
            }
            None => false,
        })
    }
}

/// What was so of a table.
#[derive(Debug)]
struct KeptTable {
    /// The database, by its place in the view.
    database: usize,
    id: TableId,
    rows: u64,
    /// Columns that may have NULLs and have none.
    without_nulls: Vec<usize>,
}

impl KeptTable {
    /// `None` if the table is not one of the view's, or is that of a snapshot as well as that of now.
    fn of(table: &Arc<TableSnapshot>, view: &ReadView) -> Option<Self> {
        let id = table.id();
        let is_it = |found: Arc<TableSnapshot>| Arc::ptr_eq(&found, table);
        let mut holders =
            (0..view.databases().len()).filter(|i| view.databases()[*i].table(id).is_ok_and(is_it));
        let database = holders.next().filter(|_| holders.next().is_none())?;
        // All, not just those that are read: where count(x) became count(*), x is not read.
        let columns = table.definition().columns.iter().enumerate();
        let nullable = columns.filter(|(_, c)| c.nullable).map(|(position, _)| position);
        let without_nulls = nullable.filter(|p| has_no_nulls(table, *p)).collect();
        Some(Self { database, id, rows: table.rows(), without_nulls })
    }

    /// The table as it is now, if the plan still fits it.
    fn now(&self, view: &ReadView) -> Option<Arc<TableSnapshot>> {
        let table = view.databases().get(self.database)?.table(self.id).ok()?;
        let (few, many) = (table.rows().min(self.rows), table.rows().max(self.rows));
        let fits = many <= few.saturating_mul(GROWTH).saturating_add(FEW_ROWS)
            && self.without_nulls.iter().all(|p| has_no_nulls(&table, *p));
        fits.then_some(table)
    }
}

fn has_no_nulls(table: &TableSnapshot, position: usize) -> bool {
    table.null_count(position).is_ok_and(|nulls| nulls == 0)
}

/// The tables of a plan, always in the same order.
fn tables_mut(plan: &mut LogicalPlan) -> Vec<&mut Arc<TableSnapshot>> {
    match plan {
        LogicalPlan::TableGet { table, .. } => vec![table],
        other => other.inputs_mut().into_iter().flat_map(tables_mut).collect(),
    }
}
