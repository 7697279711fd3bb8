//! Sorting keys in memory, on several threads where there are many.

use std::cmp::Ordering;
use std::sync::Arc;

use parking_lot::Mutex;

use super::keys::Entry;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::scheduler::parallel;

/// Fewer entries are sorted on one thread.
const PARALLEL_MIN: usize = 1 << 17;
const SAMPLES_PER_RANGE: usize = 32;

/// Sorts entries by a total order.
pub(crate) fn sort_entries(
    entries: &mut [Entry],
    compare: &(impl Fn(&Entry, &Entry) -> Ordering + Sync),
    context: &Arc<ExecContext>,
    threads: usize,
) -> Result<()> {
    if entries.is_sorted_by(|a, b| compare(a, b).is_le()) {
        return Ok(());
    }
    if threads == 1 || entries.len() < PARALLEL_MIN {
        entries.sort_unstable_by(compare);
        return Ok(());
    }
    let ranges = threads * 4;
    let runs: Vec<Mutex<&mut [Entry]>> =
        entries.chunks_mut(entries.len().div_ceil(ranges)).map(Mutex::new).collect();
    parallel(context, runs.len(), |i| {
        runs[i].lock().sort_unstable_by(compare);
        Ok(())
    })?;
    // Ranges of keys, the same in all runs, can be merged each by itself.
    let runs: Vec<&mut [Entry]> = runs.into_iter().map(Mutex::into_inner).collect();
    let mut samples: Vec<Entry> = vec![];
    for run in &runs {
        samples.extend((0..SAMPLES_PER_RANGE).map(|i| run[i * run.len() / SAMPLES_PER_RANGE]));
    }
    samples.sort_unstable_by(compare);
    let mut cuts = vec![vec![0; runs.len()]];
    for range in 1..ranges {
        let splitter = &samples[range * samples.len() / ranges];
        cuts.push(runs.iter().map(|run| run.partition_point(|e| compare(e, splitter).is_lt())).collect());
    }
    cuts.push(runs.iter().map(|run| run.len()).collect());
    let merged = parallel(context, ranges, |range| {
        let mut out = vec![];
        for (r, run) in runs.iter().enumerate() {
            out.extend_from_slice(&run[cuts[range][r]..cuts[range + 1][r]]);
        }
        // The standard stable sort finds the sorted runs and merges them.
        out.sort_by(compare);
        Ok(out)
    })?;
    let mut rest = entries;
    for part in merged {
        let (here, behind) = rest.split_at_mut(part.len());
        here.copy_from_slice(&part);
        rest = behind;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::context::CancelToken;

    #[test]
    fn many_entries_are_sorted_on_several_threads() {
        let context = Arc::new(ExecContext::new(3, u64::MAX, CancelToken::default()));
        let n = PARALLEL_MIN as u32 * 2 + 7;
        let key = |row: u32| u64::from(row.wrapping_mul(2_654_435_761) % 1000);
        let mut entries: Vec<Entry> = (0..n).map(|row| Entry { prefix: (key(row), 0), row }).collect();
        let compare = |a: &Entry, b: &Entry| a.prefix.cmp(&b.prefix).then(a.row.cmp(&b.row));
        sort_entries(&mut entries, &compare, &context, 3).unwrap();
        assert!(entries.is_sorted_by(|a, b| compare(a, b).is_lt()));
        assert_eq!(entries.len(), n as usize);
    }
}
