//! Which row groups of a measurement are put in order with each other, because points came late.
//!
//! Points come in the order of time, more or less, so row groups follow one another in time, and a query of an hour reads
//! few of them. Those that do not are *late*: some are chosen, none of which overlaps another, that have as many rows as
//! can be; all others are late. Where the late rows in the time of a chosen row group are many, measured by its own, both
//! are written anew together. The others, which would have much written for little, are put in order among themselves. So
//! for any time there are two row groups that have it, or few more.

/// A row group as far as this goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) rows: u64,
    /// Least and greatest time; `None` if that is not known. Such a row group stays where it is.
    pub(super) times: Option<(i64, i64)>,
}

/// When it is worth it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thrift {
    /// A row group is written anew for late rows that are this part of its own.
    part: u64,
    /// Late row groups are written anew if so many overlap.
    groups: usize,
}

impl Thrift {
    /// Beside other work, again and again: each row is written anew few times.
    pub(super) const LAZY: Self = Self { part: 4, groups: 4 };
    /// When asked for.
    pub(super) const EAGER: Self = Self { part: 16, groups: 2 };
}

/// Row groups that follow one another in time, and the others.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overlaps {
    /// In the order of their times, of which no two have more than an end in common.
    pub(super) chosen: Vec<usize>,
    /// In the order of their least times.
    pub(super) late: Vec<usize>,
}

/// A part of time, and chosen row groups that are all within. With them all late rows go that are, too.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) groups: Vec<usize>,
}

/// What is written anew.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// In the order of time. They have no more than an end in common; then late rows go to the first.
    pub(super) windows: Vec<Window>,
    /// Late row groups. The rows of each list that are in no window are put in order with each other.
    pub(super) late: Vec<Vec<usize>>,
}

/// Chosen row groups that are written anew together, at most. It bounds what is in memory.
const WINDOW_GROUPS_MAX: usize = 8;

impl Overlaps {
    /// Looks at the row groups of a table. `None` if they follow one another in time.
    pub(super) fn of(spans: &[Span]) -> Option<Self> {
        let known = |(index, span): (usize, &Span)| span.times.map(|times| (index, times, span.rows));
        let mut all: Vec<(usize, (i64, i64), u64)> = spans.iter().enumerate().filter_map(known).collect();
        all.sort_by_key(|(_, times, _)| *times);
        if !all.windows(2).any(|pair| pair[0].1.1 > pair[1].1.0) {
            return None;
        }
        // The heaviest set of intervals without overlaps: for each, by its end, the best with it and without.
        all.sort_by_key(|(_, times, _)| (times.1, times.0));
        let before = |at: usize| all.partition_point(|other| other.1.1 <= all[at].1.0).min(at);
        let mut best = vec![0_u64; all.len() + 1];
        for at in 0..all.len() {
            best[at + 1] = best[at].max(best[before(at)] + all[at].2);
        }
        let (mut chosen, mut late, mut end) = (vec![], vec![], all.len());
        while end > 0 {
            let at = end - 1;
            if best[end] == best[at] {
                late.push(all[at].0);
                end = at;
            } else {
                chosen.push(all[at].0);
                let next = before(at);
                late.extend(all[next..at].iter().map(|(index, ..)| *index));
                end = next;
            }
        }
        chosen.reverse();
        late.sort_by_key(|index| (spans[*index].times, *index));
        (!late.is_empty()).then_some(Self { chosen, late })
    }

    /// What is worth it, if anything is. `late_rows` says for each chosen row group how many late rows are in its time.
    pub(super) fn plan(&self, spans: &[Span], late_rows: &[u64], thrift: Thrift) -> Option<Plan> {
        let times = |index: &usize| spans[*index].times.unwrap_or((i64::MAX, i64::MIN));
        let mut windows: Vec<Window> = vec![];
        let mut open = false;
        for (index, late) in self.chosen.iter().zip(late_rows) {
            if late * thrift.part < spans[*index].rows || *late == 0 {
                open = false;
                continue;
            }
            let (from, to) = times(index);
            match windows.last_mut().filter(|window| open && window.groups.len() < WINDOW_GROUPS_MAX) {
                Some(window) => {
                    window.to = to;
                    window.groups.push(*index);
                }
                None => windows.push(Window { from, to, groups: vec![*index] }),
            }
            open = true;
        }
        let touches = |index: &&usize| {
            let (from, to) = times(index);
            let at = windows.partition_point(|window| window.to < from);
            windows.get(at).is_some_and(|window| window.from <= to)
        };
        let mut late = vec![];
        let mut rest = &self.late[..];
        while let Some(first) = rest.first() {
            // Those that overlap, one by the other.
            let mut end = times(first).1;
            let more = rest[1..].iter().take_while(|index| {
                let (from, to) = times(index);
                let within = from < end;
                end = end.max(to);
                within
            });
            let (together, others) = rest.split_at(1 + more.count());
            if together.len() >= thrift.groups {
                late.push(together.to_vec());
            } else {
                let touched: Vec<usize> = together.iter().filter(touches).copied().collect();
                late.extend(Some(touched).filter(|touched| !touched.is_empty()));
            }
            rest = others;
        }
        (!late.is_empty()).then_some(Plan { windows, late })
    }

    /// What may be worth it, if late rows are spread evenly over the time of their row groups.
    pub(super) fn estimate(&self, spans: &[Span], thrift: Thrift) -> Option<Plan> {
        let times = |index: usize| spans[index].times.unwrap_or((i64::MAX, i64::MIN));
        let length = |(from, to): (i64, i64)| (to as f64 - from as f64).max(1.0);
        let mut late_rows = vec![0.0; self.chosen.len()];
        for late in &self.late {
            let own = times(*late);
            let first = self.chosen.partition_point(|chosen| times(*chosen).1 < own.0);
            for (chosen, rows) in self.chosen.iter().zip(&mut late_rows).skip(first) {
                let (from, to) = times(*chosen);
                if from > own.1 {
                    break;
                }
                let share = length((from.max(own.0), to.min(own.1))) / length(own);
                *rows += spans[*late].rows as f64 * share;
            }
        }
        let late_rows: Vec<u64> = late_rows.into_iter().map(|rows: f64| rows.ceil() as u64).collect();
        self.plan(spans, &late_rows, thrift)
    }
}

impl Plan {
    /// The window to which a late row of that time goes.
    pub(super) fn window_of(&self, time: i64) -> Option<usize> {
        let at = self.windows.partition_point(|window| window.to < time);
        self.windows.get(at).filter(|window| window.from <= time).map(|_| at)
    }

    /// Row groups that are written anew.
    pub(super) fn groups(&self) -> impl Iterator<Item = usize> {
        let chosen = self.windows.iter().flat_map(|window| &window.groups);
        chosen.chain(self.late.iter().flatten()).copied()
    }
}

/// Times at which rows are divided so that between two of them there are as many as go into a row group, or somewhat
/// fewer. Rows of one time stay together. `times` need not be in order.
pub(super) fn cuts(mut times: Vec<i64>, rows: usize, rows_max: usize) -> Vec<i64> {
    // With some room, as the division is not exact.
    let parts = rows.div_ceil((rows_max - rows_max / 16).max(1));
    times.sort_unstable();
    let mut cuts: Vec<i64> = (1..parts).map(|part| times[times.len() * part / parts]).collect();
    cuts.dedup();
    cuts.retain(|cut| Some(cut) > times.first());
    cuts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn overlap(a: (i64, i64), b: (i64, i64)) -> bool {
        a.0 < b.1 && b.0 < a.1
    }

    fn spans(of: &[(u64, i64, i64)]) -> Vec<Span> {
        of.iter().map(|&(rows, from, to)| Span { rows, times: Some((from, to)) }).collect()
    }

    #[test]
    fn what_follows_one_another_is_left_alone() {
        assert_eq!(Overlaps::of(&[]), None);
        assert_eq!(
            Overlaps::of(&spans(&[(5, 0, 10), (5, 10, 20), (5, 20, 20), (5, 20, 20), (1, 21, 30)])),
            None
        );
        assert_eq!(Overlaps::of(&spans(&[(5, 20, 30), (5, 0, 10)])), None, "whatever its place");
        let unknown = Span { rows: 9, times: None };
        assert_eq!(Overlaps::of(&[unknown, unknown]), None);
    }

    #[test]
    fn few_late_rows_are_put_in_order_among_themselves() {
        let all = spans(&[(100, 0, 10), (100, 10, 20), (100, 20, 30), (5, 3, 30), (4, 0, 25), (100, 30, 40)]);
        let overlaps = Overlaps::of(&all).unwrap();
        assert_eq!(overlaps, Overlaps { chosen: vec![0, 1, 2, 5], late: vec![4, 3] });
        assert_eq!(overlaps.plan(&all, &[3, 3, 3, 0], Thrift::LAZY), None);
        let plan = Plan { windows: vec![], late: vec![vec![4, 3]] };
        assert_eq!(overlaps.plan(&all, &[3, 3, 3, 0], Thrift::EAGER), Some(plan));
        let plan = overlaps.plan(&all, &[1, 6, 7, 0], Thrift::EAGER).unwrap();
        assert_eq!(plan.windows, [Window { from: 20, to: 30, groups: vec![2] }], "7 are a sixteenth of 100");
        let plan = overlaps.plan(&all, &[0, 25, 25, 0], Thrift::LAZY).unwrap();
        assert_eq!(plan.windows, [Window { from: 10, to: 30, groups: vec![1, 2] }]);
        assert_eq!(plan.late, [vec![4, 3]]);
        let windows = [-1, 9, 10, 15, 30, 31].map(|time| plan.window_of(time));
        assert_eq!(windows, [None, None, Some(0), Some(0), Some(0), None]);
        assert_eq!(plan.groups().collect::<Vec<_>>(), [1, 2, 4, 3]);
    }

    #[test]
    fn rows_are_cut_between_times() {
        assert_eq!(cuts(vec![1, 2, 3], 3, 160), [] as [i64; 0]);
        assert_eq!(cuts((0..300).rev().collect(), 300, 160), [150]);
        assert_eq!(cuts(vec![7; 300], 300, 160), [] as [i64; 0]);
        assert_eq!(cuts([vec![1; 10], vec![7; 290]].concat(), 300, 160), [7]);
        assert_eq!(cuts((0..1000).collect(), 1000, 1), (1..1000).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn the_chosen_do_not_overlap_and_weigh_most(
            of in prop::collection::vec((1..9_u64, 0..12_i64, 0..6_i64), 0..9),
            late_rows in prop::collection::vec(0..3_u64, 9),
        ) {
            let all: Vec<_> = of.into_iter().map(|(rows, from, length)| (rows, from, from + length)).collect();
            let all = spans(&all);
            let times = |index: usize| all[index].times.unwrap();
            let are_apart = |set: &[usize]| {
                set.iter().enumerate().all(|(i, a)| set[..i].iter().all(|b| !overlap(times(*a), times(*b))))
            };
            let weight = |set: &[usize]| set.iter().map(|index| all[*index].rows).sum::<u64>();
            let sets = (0..1_usize << all.len()).map(|bits| {
                (0..all.len()).filter(|index| bits >> index & 1 == 1).collect::<Vec<_>>()
            });
            let heaviest = sets.filter(|set| are_apart(set)).map(|set| weight(&set)).max().unwrap();
            let Some(overlaps) = Overlaps::of(&all) else {
                prop_assert_eq!(heaviest, weight(&(0..all.len()).collect::<Vec<_>>()));
                return Ok(());
            };
            prop_assert!(are_apart(&overlaps.chosen) && overlaps.chosen.is_sorted_by_key(|i| times(*i)));
            prop_assert_eq!(weight(&overlaps.chosen), heaviest);
            let mut both = [&overlaps.chosen[..], &overlaps.late].concat();
            both.sort_unstable();
            prop_assert_eq!(both, (0..all.len()).collect::<Vec<_>>());
            for thrift in [Thrift::LAZY, Thrift::EAGER] {
                overlaps.estimate(&all, thrift);
                let Some(plan) = overlaps.plan(&all, &late_rows[..overlaps.chosen.len()], thrift) else { continue };
                let mut groups: Vec<usize> = plan.groups().collect();
                let count = groups.len();
                groups.sort_unstable();
                groups.dedup();
                prop_assert_eq!(groups.len(), count, "each once");
                for window in &plan.windows {
                    let own = |index: &usize| window.from <= times(*index).0 && times(*index).1 <= window.to;
                    prop_assert!(window.groups.iter().all(own));
                }
                for late in &overlaps.late {
                    let window = (times(*late).0..=times(*late).1).find_map(|time| plan.window_of(time));
                    prop_assert!(window.is_none() || plan.late.iter().flatten().any(|other| other == late));
                }
            }
        }
    }
}
