//! Scanning a table.
//!
//! A morsel is a row group. What can be known without decoding comes first: a condition that the chunk's
//! statistics refute skips the row group, one that they prove is not evaluated in it; then the same for each
//! block. What is left is evaluated condition by condition, cheap and selective ones first, on the encoded values
//! where the chunk offers that, else on decoded ones. Columns that only the output needs are decoded last, and only
//! the rows that are left of them where those are few ([`group`]). Where only the newest row of each key is wanted, the
//! newest rows come first, and rule out older ones ([`newest`]).

pub(crate) mod access;
mod conjunct;
pub(crate) mod fetch;
mod group;
pub(crate) mod newest;
mod statistics;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::column::LengthUnit;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::expr::Expr;
use crate::exec::hints::{Hint, HintKind};
use crate::exec::pipeline::metrics;
use crate::exec::source::{Morsel, SourceScan};
use crate::table::{ROW_ID, TableSnapshot};

use access::{Access, Visit};
use conjunct::{Conjunct, Observed};
use group::GroupScan;
use newest::NewestFirst;

pub(crate) use statistics::aggregate_from_statistics;

/// One scan of a table, shared by all workers.
struct TableScan {
    table: Arc<TableSnapshot>,
    /// Columns of the table that the conditions or the output need.
    columns: Vec<usize>,
    /// Positions in `columns` that leave the scan.
    output: Vec<usize>,
    /// Positions in `columns` of strings whose lengths leave the scan, behind those.
    lengths: Vec<(usize, LengthUnit)>,
    conjuncts: Vec<Conjunct>,
    /// Positions in `columns`, and what rows must satisfy to matter to somebody behind the scan.
    hints: Vec<Hint>,
    /// For each hint that asks for members, how many rows it drops.
    observed: Vec<Observed>,
    /// Of each key only the newest row is wanted.
    newest: Option<NewestFirst>,
    context: Arc<ExecContext>,
    /// The scan's number in the plan.
    node: usize,
}

/// Hands out the row groups.
struct RowGroups {
    scan: Arc<TableScan>,
    next: AtomicUsize,
    /// Those that are scanned, in their order.
    visits: Vec<Visit>,
    /// Whether statistics refute the conditions, for each visit that was looked at before its turn.
    refuted: Vec<OnceLock<bool>>,
    /// The order in which they are handed out, if it is not their own.
    order: Option<Vec<u32>>,
}

/// Visits that are looked at before their turn to see whether there is work for another thread.
const LOOKED_AHEAD: usize = 64;

/// For whoever keeps the first rows of an order by one column, or the newest of each key, the row groups that may have
/// such rows first: what they have found soon rules out the others. `None` without such a one.
fn bound_order(
    table: &TableSnapshot,
    visits: &[Visit],
    columns: &[usize],
    hints: &[Hint],
) -> Result<Option<Vec<u32>>> {
    let bound = hints.iter().find_map(|hint| match &hint.kind {
        HintKind::Bound(bound) => Some((columns[hint.column], bound.is_descending())),
        HintKind::Newest { greatest, .. } => Some((columns[hint.column], *greatest)),
        _ => None,
    });
    let Some((column, descending)) = bound else { return Ok(None) };
    let mut order: Vec<u32> = (0..visits.len() as u32).collect();
    if column == ROW_ID {
        if descending {
            order.reverse();
        }
        return Ok(Some(order));
    }
    let mut ends = vec![];
    let groups = table.row_groups()?;
    for visit in visits {
        let stats = groups[visit.group].chunk_stats(column)?;
        ends.push(if descending { stats.max } else { stats.min });
    }
    order.sort_by(|&a, &b| match (&ends[a as usize], &ends[b as usize]) {
        (Some(a), Some(b)) if descending => b.total_cmp(a),
        (Some(a), Some(b)) => a.total_cmp(b),
        // Nothing is known of them, or all is NULL.
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
    Ok(Some(order))
}

/// What a scan reads and yields.
pub(crate) struct ScanColumns {
    /// Columns of the table that the conditions or the output need.
    pub columns: Vec<usize>,
    /// Positions in `columns` that leave the scan.
    pub output: Vec<usize>,
    /// Positions in `columns` of strings whose lengths leave the scan, behind those.
    pub lengths: Vec<(usize, LengthUnit)>,
}

/// A scan of a table, which is node `node` of the plan. `hints` are over the output.
pub(crate) fn table_scan(
    node: usize,
    table: Arc<TableSnapshot>,
    columns: ScanColumns,
    filter: Option<Expr>,
    hints: Vec<Hint>,
    context: &Arc<ExecContext>,
) -> Result<Arc<dyn SourceScan>> {
    let ScanColumns { columns, output, lengths } = columns;
    // Nothing is known of a length before it is measured.
    let of_values = |column: usize| (column < output.len()).then_some(column);
    let hints: Vec<Hint> = hints.into_iter().filter_map(|hint| hint.moved(of_values)).collect();
    context.counters.rows_expected.fetch_add(table.rows(), Ordering::Relaxed);
    let all = || Ok::<_, ExecError>((0..table.row_groups()?.len()).map(|group| Visit { group, rows: None }));
    let first = hints.iter().find_map(|hint| match hint.kind {
        HintKind::First { most, descending } => Some((output[hint.column], most, descending)),
        _ => None,
    });
    let first =
        first.and_then(|first| Access::find_first(table.definition(), &columns, filter.as_ref(), first));
    let mut visits = first.map_or(Ok(None), |access| access.visits(&table))?;
    if visits.is_none()
        && let Some(access) = Access::find(table.definition(), &columns, filter.as_ref())
    {
        visits = access.visits(&table)?;
    }
    let visits = visits.map_or_else(|| Ok::<_, ExecError>(all()?.collect()), Ok)?;
    let conjuncts = filter.map(conjunct::split).unwrap_or_default();
    let newest = hints.iter().find_map(|hint| match &hint.kind {
        HintKind::Newest { keys, greatest } => {
            let types = keys.iter().map(|&key| table.definition().columns.get(columns[output[key]]));
            let types: Option<Vec<_>> = types.map(|c| c.map(|c| c.ty.clone())).collect();
            Some(NewestFirst::new(keys.clone(), hint.column, *greatest, types?))
        }
        _ => None,
    });
    let newest = newest.transpose()?;
    let hints: Vec<Hint> =
        hints.into_iter().filter_map(|hint| hint.moved(|column| Some(output[column]))).collect();
    let order = bound_order(&table, &visits, &columns, &hints)?;
    if let Some(metrics) = metrics(context, node) {
        metrics.begin_scan(conjuncts.iter().map(|c| c.expr.clone()).collect(), visits.len() as u64);
    }
    let observed = hints.iter().map(|_| Observed::default()).collect();
    let context = Arc::clone(context);
    let scan =
        TableScan { table, columns, output, lengths, conjuncts, hints, observed, newest, context, node };
    let refuted = visits.iter().map(|_| OnceLock::new()).collect();
    Ok(Arc::new(RowGroups { scan: Arc::new(scan), next: AtomicUsize::new(0), visits, refuted, order }))
}

impl RowGroups {
    /// The visit that is handed out at a place.
    fn visit_at(&self, place: usize) -> usize {
        self.order.as_ref().map_or(place, |order| order[place] as usize)
    }

    /// Whether a row group need not be read. An error is left to whoever reads it.
    fn is_refuted(&self, visit: usize) -> bool {
        *self.refuted[visit].get_or_init(|| {
            let group = self.scan.table.row_group(self.visits[visit].group);
            group.is_ok_and(|group| group::is_refuted(&self.scan, &group).unwrap_or(false))
        })
    }
}

impl SourceScan for RowGroups {
    fn next_morsel(&self) -> Result<Option<Morsel>> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if index >= self.visits.len() {
            return Ok(None);
        }
        let index = self.visit_at(index);
        let Visit { group, rows } = &self.visits[index];
        let group = self.scan.table.row_group(*group)?;
        let is_refuted = self.refuted[index].get() == Some(&true);
        let scan = GroupScan::new(self.scan.clone(), group, rows.clone(), is_refuted);
        Ok(Some(Morsel { sequence: index as u64, batches: Box::new(scan) }))
    }

    fn morsels_left(&self) -> Option<usize> {
        // Those that need not be read are no work for anybody; and one that must is work for who asks, unless that is busy.
        let all = self.visits.len();
        let next = self.next.load(Ordering::Relaxed).min(all);
        // The first morsel may well be all that has to be read.
        let learns = |hint: &Hint| matches!(&hint.kind, HintKind::Bound(bound) if bound.get().is_none());
        if self.scan.newest.as_ref().is_some_and(NewestFirst::knows_nothing)
            || next <= 1 && self.scan.hints.iter().any(learns)
        {
            return Some(0);
        }
        let looked_at = next.saturating_sub(1)..next.saturating_add(LOOKED_AHEAD).min(all);
        if looked_at.end == all {
            let wanted = looked_at.filter(|place| !self.is_refuted(self.visit_at(*place)));
            if wanted.take(2).count() < 2 {
                return Some(0);
            }
        }
        Some(all - next)
    }

    fn progress(&self) -> Option<f64> {
        let count = self.visits.len();
        Some(self.next.load(Ordering::Relaxed).min(count) as f64 / count.max(1) as f64)
    }
}
