//! Which row groups are merged when rows are added or deleted.
//!
//! Every commit that adds rows leaves a row group, however few they are. To bound their number, trailing
//! row groups are kept like the digits of a binary counter: when the last is at least as large as the
//! one before it, and both fit one row group, they become one. So sizes fall towards the end, each row is
//! written again O(log n) times, and n single-row commits leave O(log n) row groups.
//!
//! Row groups that are written in any case, because their rows are in memory or many of them are deleted, become one
//! with the one before if that is written too.

use std::ops::Range;

/// A row group before merging.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Rows that are left of it.
    pub rows: u64,
    /// It was just added, or is written anew: only such ones set off merging, so that what was left alone before
    /// stays alone.
    pub changed: bool,
    /// It will be written in any case.
    pub written: bool,
}

/// What becomes of a list of row groups: ranges of their positions, in order, each one row group
/// afterwards. A range of length 1 is a row group that is not merged.
pub fn plan_merges(groups: &[Candidate], rows_max: u64) -> Vec<Range<usize>> {
    let mut plan: Vec<(Range<usize>, Candidate)> = vec![];
    for (i, &group) in groups.iter().enumerate() {
        let mut last = (i..i + 1, group);
        while last.1.changed
            && let Some((range, before)) = plan.last()
        {
            let rows = last.1.rows + before.rows;
            let pays = last.1.rows >= before.rows || (last.1.written && before.written);
            if !pays || rows > rows_max {
                break;
            }
            last = (range.start..last.0.end, Candidate { rows, changed: true, written: true });
            plan.pop();
        }
        plan.push(last);
    }
    plan.into_iter().map(|(range, _)| range).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: u64 = 122_880;

    /// A plan for row groups of these sizes, the last `new` of which were just added.
    fn plan_merges(rows: &[u64], new: usize, rows_max: u64) -> Vec<Range<usize>> {
        let old = rows.len() - new.min(rows.len());
        let candidate = |(i, &rows)| Candidate { rows, changed: i >= old, written: false };
        super::plan_merges(&rows.iter().enumerate().map(candidate).collect::<Vec<_>>(), rows_max)
    }

    #[test]
    fn merges_like_a_binary_counter() {
        assert_eq!(plan_merges(&[1, 1], 1, MAX), vec![0..2]);
        assert_eq!(plan_merges(&[2, 1], 1, MAX), vec![0..1, 1..2]);
        assert_eq!(plan_merges(&[4, 2, 1, 1], 1, MAX), vec![0..4]);
        assert_eq!(plan_merges(&[4, 3, 1, 1], 1, MAX), vec![0..1, 1..2, 2..4]);
        assert_eq!(plan_merges(&[MAX, MAX], 2, MAX), vec![0..1, 1..2]);
        assert_eq!(plan_merges(&[MAX, 1, 1, MAX, 5], 2, MAX), vec![0..1, 1..2, 2..3, 3..4, 4..5]);
        assert_eq!(plan_merges(&[], 0, MAX), Vec::<Range<usize>>::new());
    }

    #[test]
    fn single_rows_leave_few_groups_and_little_work() {
        let (mut groups, mut written, mut most) = (vec![], 0, 0);
        for _ in 0..10_000 {
            groups.push(1u64);
            let plan = plan_merges(&groups, 1, MAX);
            written += plan
                .iter()
                .filter(|r| r.len() > 1)
                .map(|r| groups[r.clone()].iter().sum::<u64>())
                .sum::<u64>();
            groups = plan.into_iter().map(|r| groups[r].iter().sum()).collect();
            most = most.max(groups.len());
        }
        assert_eq!(groups.iter().sum::<u64>(), 10_000);
        assert!(most <= 14, "{most}");
        assert!(written <= 14 * 10_000, "{written}");
    }

    #[test]
    fn what_is_written_anyway_becomes_one() {
        let old = |rows| Candidate { rows, changed: false, written: false };
        let rest = |rows| Candidate { rows, changed: true, written: true };
        let plan = |groups: &[Candidate]| super::plan_merges(groups, MAX);
        assert_eq!(
            plan(&[old(MAX), rest(40_000), rest(30_000), rest(20_000), rest(50_000), old(5)]),
            [0..1, 1..4, 4..5, 5..6]
        );
        assert_eq!(plan(&[old(100), rest(3), rest(2)]), [0..1, 1..3]);
        assert_eq!(plan(&[rest(5), old(3), rest(2)]), [0..1, 1..2, 2..3]);
    }

    proptest! {
        #[test]
        fn keeps_every_row_group_once_and_in_order(
            rows in prop::collection::vec(1..=MAX, 0..40), new in 0..40usize,
        ) {
            let plan = plan_merges(&rows, new, MAX);
            let flat: Vec<usize> = plan.iter().cloned().flatten().collect();
            prop_assert_eq!(flat, (0..rows.len()).collect::<Vec<_>>());
            for range in plan {
                prop_assert!(range.len() == 1 || rows[range].iter().sum::<u64>() <= MAX);
            }
        }
    }
}
