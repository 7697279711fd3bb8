//! Whether a history of transactions is one of snapshot isolation.
//!
//! Transactions append values to lists, of which each is read whole, and insert items, which are read all at once. So reads
//! tell in which order the versions of a list came, and who has seen what. From that follow dependencies: B *depends* on A
//! if it has seen or overwritten what A wrote, or began after A had ended; A has *missed* B if it has read what was there
//! before B's write. A history is one of snapshot isolation exactly if these go together with each transaction having
//! one moment at which it reads and a later one at which all that it wrote appears: if B depends on A, then A's writes come
//! before B's reads; if A has missed B, A's reads come before B's writes. (Cerone and Gotsman, "Analysing snapshot
//! isolation", say the same as the absence of cycles.) So two transactions may have missed each other: write skew
//! is allowed.

use std::collections::{BTreeMap, BTreeSet};

/// What a transaction did, in order.
#[derive(Debug, Clone)]
pub enum Step {
    Append { list: i64, value: i64 },
    Read { list: i64, values: Vec<i64> },
    Insert { item: i64 },
    Scan { items: BTreeSet<i64> },
}

/// A transaction.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Moments of a clock that never stands still: before it began, and after it had ended.
    pub begun: u64,
    pub ended: u64,
    pub committed: bool,
    pub steps: Vec<Step>,
}

/// What is wrong with a history; `finals` are the lists as they are in the end.
pub fn check(transactions: &[Transaction], finals: &BTreeMap<i64, Vec<i64>>) -> Result<(), String> {
    let mut history = History::new(transactions, finals)?;
    for index in 0..transactions.len() {
        history.transaction(index)?;
    }
    history.versions()?;
    history.clock();
    history.cycle()
}

struct History<'a> {
    transactions: &'a [Transaction],
    finals: &'a BTreeMap<i64, Vec<i64>>,
    /// Who appended a value to a list, and who inserted an item.
    appends: BTreeMap<(i64, i64), usize>,
    inserts: BTreeMap<i64, usize>,
    /// What comes before what. Transaction i reads at moment 2i and writes at moment 2i + 1; others are of the clock.
    before: Vec<Vec<usize>>,
}

impl<'a> History<'a> {
    fn new(transactions: &'a [Transaction], finals: &'a BTreeMap<i64, Vec<i64>>) -> Result<Self, String> {
        let (mut appends, mut inserts) = (BTreeMap::new(), BTreeMap::new());
        for (index, transaction) in transactions.iter().enumerate() {
            for step in &transaction.steps {
                let twice = match step {
                    Step::Append { list, value } => appends.insert((*list, *value), index).is_some(),
                    Step::Insert { item } => inserts.insert(*item, index).is_some(),
                    _ => false,
                };
                if twice {
                    return Err(format!("{step:?} was done twice: the test is wrong"));
                }
            }
        }
        let before = (0..transactions.len()).flat_map(|i| [vec![2 * i + 1], vec![]]).collect();
        Ok(Self { transactions, finals, appends, inserts, before })
    }

    /// `later` has seen, or overwritten, what `earlier` wrote.
    fn depends(&mut self, later: usize, earlier: usize) {
        if later != earlier {
            self.before[2 * earlier + 1].push(2 * later);
        }
    }

    /// `reader` has read what was there before `writer` wrote.
    fn missed(&mut self, reader: usize, writer: usize) {
        if reader != writer && self.transactions[writer].committed {
            self.before[2 * reader].push(2 * writer + 1);
        }
    }

    /// Looks at what one transaction has read.
    fn transaction(&mut self, index: usize) -> Result<(), String> {
        let fail = |what: String| Err(format!("transaction {index}: {what}"));
        let mut known: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        // What it appended to lists that it has not read yet, and items that it inserted.
        let mut own: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        let (mut own_items, mut known_items): (BTreeSet<i64>, Option<BTreeSet<i64>>) =
            (BTreeSet::new(), None);
        for step in &self.transactions[index].steps {
            match step {
                Step::Append { list, value } => {
                    own.entry(*list).or_default().push(*value);
                    if let Some(known) = known.get_mut(list) {
                        known.push(*value);
                    }
                }
                Step::Insert { item } => {
                    own_items.insert(*item);
                    if let Some(known) = &mut known_items {
                        known.insert(*item);
                    }
                }
                Step::Read { list, values } => {
                    if let Some(known) = known.insert(*list, values.clone())
                        && known != *values
                    {
                        return fail(format!(
                            "list {list} was {known:?} and then {values:?}: the read is not repeatable"
                        ));
                    }
                    let appended = own.get(list).cloned().unwrap_or_default();
                    let Some(seen) = values.strip_suffix(&appended[..]) else {
                        return fail(format!(
                            "it does not see its own {appended:?} in list {list}: {values:?}"
                        ));
                    };
                    self.seen(index, *list, seen)?;
                }
                Step::Scan { items } => {
                    if let Some(known) = known_items.replace(items.clone())
                        && known != *items
                    {
                        return fail(format!("items were {known:?} and then {items:?}: phantoms"));
                    }
                    if !own_items.is_subset(items) {
                        return fail(format!("it does not see its own {own_items:?}: {items:?}"));
                    }
                    for item in items.difference(&own_items) {
                        let Some(writer) = self.inserts.get(item).copied() else {
                            return fail(format!("item {item} comes from nowhere"));
                        };
                        if !self.transactions[writer].committed {
                            return fail(format!(
                                "item {item} is of transaction {writer}, which was not committed"
                            ));
                        }
                        self.depends(index, writer);
                    }
                    let missing: Vec<usize> = self
                        .inserts
                        .iter()
                        .filter(|(item, _)| !items.contains(item))
                        .map(|(_, w)| *w)
                        .collect();
                    missing.into_iter().for_each(|writer| self.missed(index, writer));
                }
            }
        }
        Ok(())
    }

    /// A transaction has read a list that others wrote.
    fn seen(&mut self, index: usize, list: i64, values: &[i64]) -> Result<(), String> {
        let fail = |what: String| Err(format!("transaction {index} reads list {list} as {values:?}: {what}"));
        let all = self.finals.get(&list).map_or(&[][..], |values| values);
        if !all.starts_with(values) {
            return fail(format!("it never was so: in the end it is {all:?}"));
        }
        for value in values {
            let Some(writer) = self.appends.get(&(list, *value)).copied() else {
                return fail(format!("{value} comes from nowhere"));
            };
            if !self.transactions[writer].committed || writer == index {
                return fail(format!("{value} is of transaction {writer}, which was not committed"));
            }
            self.depends(index, writer);
        }
        if let Some(next) = all.get(values.len())
            && let Some(writer) = self.appends.get(&(list, *next)).copied()
        {
            if values.last().and_then(|last| self.appends.get(&(list, *last))) == Some(&writer) {
                return fail(format!("transaction {writer} was not done with it"));
            }
            self.missed(index, writer);
        }
        Ok(())
    }

    /// Looks at the versions of the lists: all that was committed is there, each on top of the one before.
    fn versions(&mut self) -> Result<(), String> {
        for ((list, value), writer) in &self.appends {
            let there = self.finals.get(list).is_some_and(|values| values.contains(value));
            if there != self.transactions[*writer].committed {
                let what = if there { "is there, but was not committed" } else { "is lost" };
                return Err(format!("transaction {writer} appended {value} to list {list}, which {what}"));
            }
        }
        let pairs: Vec<(usize, usize)> = self
            .finals
            .iter()
            .flat_map(|(list, values)| values.windows(2).map(|pair| (*list, pair[0], pair[1])))
            .filter_map(|(list, a, b)| Some((*self.appends.get(&(list, a))?, *self.appends.get(&(list, b))?)))
            .collect();
        pairs.into_iter().for_each(|(earlier, later)| self.depends(later, earlier));
        Ok(())
    }

    /// Whoever began after another had ended has seen what that did.
    fn clock(&mut self) {
        let mut moments: Vec<(u64, usize, bool)> = vec![];
        for (index, transaction) in self.transactions.iter().enumerate() {
            moments.push((transaction.begun, index, true));
            if transaction.committed {
                moments.push((transaction.ended, index, false));
            }
        }
        moments.sort_unstable();
        for (_, index, is_begin) in moments {
            let moment = self.before.len();
            let last = moment - 1;
            self.before.push(vec![]);
            if last >= 2 * self.transactions.len() {
                self.before[last].push(moment);
            }
            if is_begin {
                self.before[moment].push(2 * index);
            } else {
                self.before[2 * index + 1].push(moment);
            }
        }
    }

    /// Whether anything would have to come before itself.
    fn cycle(&self) -> Result<(), String> {
        // What has nothing before it is taken away, again and again. What is left has a cycle.
        let mut count = vec![0; self.before.len()];
        self.before.iter().flatten().for_each(|later| count[*later] += 1);
        let mut free: Vec<usize> = (0..count.len()).filter(|at| count[*at] == 0).collect();
        let mut taken = 0;
        while let Some(at) = free.pop() {
            taken += 1;
            for later in &self.before[at] {
                count[*later] -= 1;
                if count[*later] == 0 {
                    free.push(*later);
                }
            }
        }
        if taken == count.len() {
            return Ok(());
        }
        // Backwards from there, until something comes again.
        let mut earlier = vec![usize::MAX; count.len()];
        for (at, list) in self.before.iter().enumerate().filter(|(at, _)| count[*at] > 0) {
            list.iter().filter(|later| count[**later] > 0).for_each(|later| earlier[*later] = at);
        }
        let mut path = vec![count.iter().position(|count| *count > 0).unwrap_or(0)];
        let circle = loop {
            let next = earlier[path[path.len() - 1]];
            if let Some(at) = path.iter().position(|other| *other == next) {
                break path.split_off(at);
            }
            path.push(next);
        };
        let names: Vec<String> = circle
            .iter()
            .rev()
            .map(|at| match at / 2 {
                _ if *at >= 2 * self.transactions.len() => "time".to_owned(),
                index if at % 2 == 0 => format!("{index} reads"),
                index => format!("{index} writes"),
            })
            .collect();
        let members: Vec<&Transaction> =
            circle.iter().filter_map(|at| self.transactions.get(at / 2)).take(8).collect();
        Err(format!("each would have to come before the next: {}; {members:#?}", names.join(", ")))
    }
}

/// The checker must find what is wrong, and only that.
mod tests {
    use super::*;

    fn append(list: i64, value: i64) -> Step {
        Step::Append { list, value }
    }

    fn read(list: i64, values: &[i64]) -> Step {
        Step::Read { list, values: values.to_vec() }
    }

    fn scan(items: &[i64]) -> Step {
        Step::Scan { items: items.iter().copied().collect() }
    }

    fn committed(begun: u64, ended: u64, steps: Vec<Step>) -> Transaction {
        Transaction { begun, ended, committed: true, steps }
    }

    fn verdict(transactions: &[Transaction], finals: &[(i64, &[i64])]) -> Result<(), String> {
        check(transactions, &finals.iter().map(|(list, values)| (*list, values.to_vec())).collect())
    }

    #[track_caller]
    fn assert_found(what: &str, transactions: &[Transaction], finals: &[(i64, &[i64])]) {
        let error = verdict(transactions, finals).unwrap_err();
        assert!(error.contains(what), "{error}");
    }

    #[test]
    fn write_skew_is_allowed() {
        let a = committed(1, 10, vec![read(1, &[]), read(2, &[]), append(1, 5)]);
        let b = committed(2, 11, vec![read(1, &[]), read(2, &[]), append(2, 6)]);
        verdict(&[a, b], &[(1, &[5]), (2, &[6])]).unwrap();
    }

    #[test]
    fn anomalies_are_found() {
        let writer = committed(1, 10, vec![append(1, 5), append(2, 5)]);
        assert_found("is lost", &[writer.clone()], &[(1, &[5])]);
        let skewed = committed(2, 11, vec![read(1, &[5]), read(2, &[])]);
        assert_found("each would have to", &[writer.clone(), skewed], &[(1, &[5]), (2, &[5])]);
        let stale = committed(12, 13, vec![read(1, &[])]);
        assert_found("each would have to", &[writer.clone(), stale], &[(1, &[5]), (2, &[5])]);
        let unrepeatable = committed(2, 11, vec![read(1, &[]), read(1, &[5])]);
        assert_found("not repeatable", &[writer.clone(), unrepeatable], &[(1, &[5]), (2, &[5])]);
        let undone = Transaction { committed: false, ..writer.clone() };
        let dirty = committed(2, 11, vec![read(1, &[5])]);
        assert_found("never was so", &[undone, dirty], &[]);
        let two = committed(1, 10, vec![append(1, 5), append(1, 6)]);
        let early = committed(2, 11, vec![read(1, &[5])]);
        assert_found("was not done", &[two, early], &[(1, &[5, 6])]);
        // Both have read the same and written the same: one did not see the other, though it came on top of it.
        let (a, b) = (vec![read(1, &[]), append(1, 1)], vec![read(1, &[]), append(1, 2)]);
        assert_found("each would have to", &[committed(1, 9, a), committed(2, 8, b)], &[(1, &[1, 2])]);
        let insert = committed(1, 10, vec![Step::Insert { item: 7 }, append(1, 1)]);
        let phantom = committed(2, 11, vec![scan(&[]), scan(&[7])]);
        assert_found("phantoms", &[insert.clone(), phantom], &[(1, &[1])]);
        let half = committed(2, 11, vec![scan(&[]), read(1, &[1])]);
        assert_found("each would have to", &[insert, half], &[(1, &[1])]);
        // Two readers that see two writers in different orders.
        let writers = [committed(1, 20, vec![append(1, 1)]), committed(1, 20, vec![append(2, 2)])];
        let readers = [
            committed(1, 20, vec![read(1, &[1]), read(2, &[])]),
            committed(1, 20, vec![read(1, &[]), read(2, &[2])]),
        ];
        assert_found("each would have to", &[&writers[..], &readers].concat(), &[(1, &[1]), (2, &[2])]);
    }
}
