//! Which row groups at the end of a table are merged when rows are added.
//!
//! Every commit that adds rows leaves a row group, however few they are. To bound their number, trailing
//! row groups are kept like the digits of a binary counter: when the last is at least as large as the
//! one before it, and both fit one row group, they become one. So sizes fall towards the end, each row is
//! written again O(log n) times, and n single-row commits leave O(log n) row groups.

use std::ops::Range;

/// What becomes of a list of row groups: ranges of their positions, in order, each one row group
/// afterwards. A range of length 1 is a row group that stays as it is.
///
/// `rows` are the sizes of the trailing row groups, the last `new` of which were just added; only these
/// set off merging, so that what was left alone before stays alone.
pub fn plan_merges(rows: &[u64], new: usize, rows_max: u64) -> Vec<Range<usize>> {
    let old = rows.len() - new.min(rows.len());
    let mut plan: Vec<(Range<usize>, u64)> = (0..old).map(|i| (i..i + 1, rows[i])).collect();
    for (i, &size) in rows.iter().enumerate().skip(old) {
        let mut last = (i..i + 1, size);
        while let Some((before, before_rows)) = plan.last() {
            if last.1 < *before_rows || last.1 + before_rows > rows_max {
                break;
            }
            last = (before.start..last.0.end, last.1 + before_rows);
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
