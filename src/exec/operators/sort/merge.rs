//! Sorted runs to one order.
//!
//! The order is cut into ranges by keys drawn from the runs; each range is a morsel whose rows are merged and
//! gathered when it is drawn, so that merging is as parallel as what follows.

use std::sync::Arc;

use arrow_array::{Array, UInt32Array};
use arrow_select::interleave::interleave;
use arrow_select::take::take;

use super::keys::Entry;
use super::run::Run;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::pipeline::{BATCH_ROWS, LazySource};
use crate::exec::source::SourceScan;

/// Rows that are worth a range of their own.
const RANGE_ROWS: usize = 1 << 16;
const SAMPLES_PER_RANGE: usize = 16;

struct Merged {
    runs: Vec<Run>,
    /// For each range and run, where the range begins; one more at the end.
    cuts: Vec<Vec<usize>>,
}

/// Rows `offset .. offset + limit` of sealed runs, in order.
pub(super) fn merge(
    mut runs: Vec<Run>,
    offset: usize,
    limit: Option<usize>,
    context: &Arc<ExecContext>,
) -> Arc<dyn SourceScan> {
    runs.retain(|r| r.len() > 0);
    let rows: usize = runs.iter().map(Run::len).sum();
    let ranges = if limit.is_some() { 1 } else { (rows / RANGE_ROWS).clamp(1, context.threads * 64) };
    let cuts = cut(&runs, ranges);
    let merged = Arc::new(Merged { runs, cuts });
    Arc::new(LazySource::new(ranges, move |range| {
        let merged = merged.clone();
        let order = merged.order(range);
        let from = offset.min(order.len());
        let to = limit.map_or(order.len(), |l| order.len().min(from.saturating_add(l)));
        let mut at = from;
        Ok(Box::new(std::iter::from_fn(move || {
            let end = to.min(at + BATCH_ROWS);
            let part = &order[at..end];
            at = end;
            (!part.is_empty()).then(|| merged.gather(part))
        })) as Box<dyn Iterator<Item = Result<Batch>> + Send>)
    }))
}

/// Where each range begins in each run.
fn cut(runs: &[Run], ranges: usize) -> Vec<Vec<usize>> {
    let mut cuts = vec![vec![0; runs.len()]];
    if ranges > 1 {
        let per_run = ranges * SAMPLES_PER_RANGE / runs.len() + 1;
        let mut samples: Vec<(usize, &Entry)> = vec![];
        for (r, run) in runs.iter().enumerate() {
            samples.extend((0..per_run).map(|i| (r, &run.entries[i * run.len() / per_run])));
        }
        samples.sort_by(|a, b| runs[a.0].compare(a.1, &runs[b.0], b.1));
        for range in 1..ranges {
            let (r, splitter) = samples[range * samples.len() / ranges];
            cuts.push(
                runs.iter()
                    .map(|run| run.entries.partition_point(|e| run.compare(e, &runs[r], splitter).is_lt()))
                    .collect(),
            );
        }
    }
    cuts.push(runs.iter().map(Run::len).collect());
    cuts
}

impl Merged {
    /// The rows of a range, in order, each with its run.
    fn order(&self, range: usize) -> Vec<(u32, Entry)> {
        let mut order = vec![];
        for (r, run) in self.runs.iter().enumerate() {
            let rows = self.cuts[range][r]..self.cuts[range + 1][r];
            order.extend(run.entries[rows].iter().map(|e| (r as u32, *e)));
        }
        if self.runs.len() > 1 {
            // The standard stable sort finds the sorted runs and merges them.
            order.sort_by(|a, b| self.runs[a.0 as usize].compare(&a.1, &self.runs[b.0 as usize], &b.1));
        }
        order
    }

    fn gather(&self, order: &[(u32, Entry)]) -> Result<Batch> {
        let batches: Vec<&Batch> = self.runs.iter().filter_map(Run::batch).collect();
        let width = batches.first().map_or(0, |b| b.columns.len());
        let columns = if let [batch] = batches[..] {
            let rows = UInt32Array::from_iter_values(order.iter().map(|(_, e)| e.row));
            batch.columns.iter().map(|c| Ok(take(c, &rows, None)?)).collect::<Result<_>>()?
        } else {
            let rows: Vec<(usize, usize)> =
                order.iter().map(|(r, e)| (*r as usize, e.row as usize)).collect();
            (0..width)
                .map(|c| {
                    let columns: Vec<&dyn Array> = batches.iter().map(|b| &*b.columns[c]).collect();
                    Ok(interleave(&columns, &rows)?)
                })
                .collect::<Result<_>>()?
        };
        Ok(Batch::new(columns, order.len()))
    }
}
