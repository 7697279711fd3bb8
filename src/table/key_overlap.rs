//! Which row groups of a table with a primary key are merged because too many may have the same key.
//!
//! Runs that are sealed one after another are merged by their sizes ([`tiers`](super::tiers)). That leaves what was loaded at
//! once in no order of the key, of which each row group may have any key, and runs too large to become one beside other
//! work. A look-up reads a filter of each row group that may have its key, so these must not be more in a large table.
//!
//! So a key is chosen that the most row groups may have, and of these some that reach the farthest become one run. Where
//! there were several row groups is one then, and nowhere are more. It is done again until no key is in reach of more than
//! [`DEPTH_MAX`], so each row of a load is written again log₈ n times.

/// Row groups that may have one key, beyond which some are merged.
pub(super) const DEPTH_MAX: usize = 8;
/// Row groups that are merged at once: who waits for it does not wait for long.
const TOGETHER_MAX: usize = 8;
/// As few as this are not worth it.
const TOGETHER_MIN: usize = 4;
/// A row group that overlaps with this part of what the farthest reaching overlaps with is merged with it.
const REACH_PART: usize = 4;

/// A row group as far as this goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeySpan<'a> {
    /// Its least and greatest key; without these it stays where it is.
    pub(super) bounds: Option<(&'a [u8], &'a [u8])>,
    /// Its rows are in the order of the key.
    pub(super) is_in_order: bool,
}

/// Row groups to be merged, as lists of those that become one run. Empty if no key is in reach of too many.
pub(super) fn crowded(spans: &[KeySpan<'_>]) -> Vec<Vec<usize>> {
    let mut leasts: Vec<&[u8]> = spans.iter().filter_map(|span| Some(span.bounds?.0)).collect();
    let mut greatests: Vec<&[u8]> = spans.iter().filter_map(|span| Some(span.bounds?.1)).collect();
    leasts.sort_unstable();
    greatests.sort_unstable();
    // Of the row groups that begin up to one key, those that do not end before another.
    let reach = |least: &[u8], greatest: &[u8]| {
        leasts.partition_point(|other| *other <= greatest) - greatests.partition_point(|other| *other < least)
    };
    // The most begin to be somewhere where one begins.
    let Some((depth, key)) = leasts.iter().map(|key| (reach(key, key), *key)).max() else { return vec![] };
    if depth <= DEPTH_MAX {
        return vec![];
    }
    let mut together: Vec<(usize, usize)> = spans
        .iter()
        .enumerate()
        .filter_map(|(index, span)| {
            let (least, greatest) = span.bounds?;
            (least <= key && key <= greatest).then(|| (reach(least, greatest), index))
        })
        .collect();
    // Those of equal reach in the order in which they came.
    together.sort_unstable_by_key(|(reach, index)| (usize::MAX - reach, *index));
    let farthest = together.first().map_or(0, |(reach, _)| *reach);
    let alike = together.iter().take_while(|(reach, _)| reach * REACH_PART >= farthest).count();
    together.truncate(alike.clamp(TOGETHER_MIN, TOGETHER_MAX));
    let mut together: Vec<usize> = together.into_iter().map(|(_, index)| index).collect();
    together.sort_unstable();
    // To merge them, those whose rows are not in order would need all of their keys in memory. Each is put in order alone.
    let unordered: Vec<Vec<usize>> =
        together.iter().filter(|index| !spans[**index].is_in_order).map(|index| vec![*index]).collect();
    if unordered.is_empty() { vec![together] } else { unordered }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Bounds = (u32, u32);

    fn planned(groups: &[(Bounds, bool)]) -> Vec<Vec<usize>> {
        let bytes: Vec<_> = groups.iter().map(|((a, b), _)| (a.to_be_bytes(), b.to_be_bytes())).collect();
        let spans: Vec<_> = bytes
            .iter()
            .zip(groups)
            .map(|((a, b), (_, in_order))| KeySpan { bounds: Some((a, b)), is_in_order: *in_order })
            .collect();
        crowded(&spans)
    }

    fn depth(groups: &[(Bounds, bool)]) -> usize {
        let at = |key: u32| groups.iter().filter(|((a, b), _)| (*a..=*b).contains(&key)).count();
        groups.iter().map(|((a, _), _)| at(*a)).max().unwrap_or(0)
    }

    /// What becomes of row groups of equally many rows whose keys are spread evenly.
    fn merge(groups: &mut Vec<(Bounds, bool)>, together: &[usize]) {
        let of: Vec<Bounds> = together.iter().map(|index| groups[*index].0).collect();
        let (least, greatest) =
            (of.iter().map(|b| b.0).min().unwrap(), of.iter().map(|b| b.1).max().unwrap());
        let count = (of.len() as u32).min(greatest - least + 1);
        let width = (greatest - least + 1) / count;
        for index in together.iter().rev() {
            groups.remove(*index);
        }
        for i in 0..count {
            let begin = least + i * width;
            let end = if i + 1 == count { greatest } else { begin + width - 1 };
            groups.insert(together[0] + i as usize, ((begin, end), true));
        }
    }

    #[test]
    fn what_follows_one_another_stays() {
        assert!(planned(&[]).is_empty());
        let run: Vec<_> = (0..100).map(|i| ((i * 10, i * 10 + 9), i % 2 == 0)).collect();
        assert!(planned(&run).is_empty());
        let few: Vec<_> = (0..DEPTH_MAX as u32).map(|i| ((i, 1000 + i), true)).collect();
        assert!(planned(&few).is_empty());
        assert!(crowded(&[KeySpan { bounds: None, is_in_order: false }; 100]).is_empty());
    }

    #[test]
    fn those_that_reach_far_are_merged_and_not_those_that_reach_little() {
        let mut groups: Vec<_> = (0..64).map(|i| ((i * 100, i * 100 + 99), true)).collect();
        groups.extend((0..9).map(|i| ((i, 6000 + i), true)));
        assert_eq!(planned(&groups), [(64..72).collect::<Vec<_>>()]);
        groups[70].1 = false;
        groups[66].1 = false;
        assert_eq!(planned(&groups), [vec![66], vec![70]]);
    }

    #[test]
    fn a_load_in_no_order_is_written_few_times() {
        let mut groups: Vec<_> = (0..800).map(|i| ((i, 10_000_000 + i), true)).collect();
        let mut written = 0;
        loop {
            let plan = planned(&groups);
            let [together] = &plan[..] else { break };
            written += together.len();
            merge(&mut groups, together);
        }
        assert!(depth(&groups) <= DEPTH_MAX);
        assert!(written <= 4 * groups.len(), "{written}");
    }

    proptest! {
        /// It comes to an end, after which no key is in reach of too many.
        #[test]
        fn it_ends(groups in prop::collection::vec(((0..1000_u32, 1..1000_u32), any::<bool>()), 0..60)) {
            let mut groups: Vec<_> = groups.into_iter().map(|((a, n), in_order)| ((a, a + n), in_order)).collect();
            for _ in 0..1000 {
                let plan = planned(&groups);
                if plan.is_empty() {
                    break;
                }
                let before = depth(&groups);
                for together in plan {
                    merge(&mut groups, &together);
                }
                prop_assert!(depth(&groups) <= before);
            }
            prop_assert!(depth(&groups) <= DEPTH_MAX);
        }
    }
}
