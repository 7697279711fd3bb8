//! What comes while others are served waits, and is served together: what is done once for many costs each little.
//!
//! Who finds nobody at work leads. Who comes meanwhile waits. When the leader has what it needs, it serves itself and all
//! who wait by then, as far as they are not too much for one commit; when it is done, the first of those who wait leads.
//! Nobody ever waits for others to come. These are the write groups of LevelDB and RocksDB.

use std::collections::VecDeque;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

use crate::sync::{Condvar, Mutex};

/// How often one who waits looks whether it still makes sense.
const LOOK: Duration = Duration::from_millis(20);

/// Where requests wait that can be served together if their keys `K` are the same. The answer to a request `R` is an `A`.
pub(crate) struct WriteGroups<K, R, A> {
    /// Those who wait, in the order in which they came. There is an entry as long as somebody leads.
    waiting: Mutex<HashMap<K, Queue<R, A>>>,
    weight_max: usize,
}

type Queue<R, A> = VecDeque<Arc<Member<R, A>>>;

/// Somebody with a request.
struct Member<R, A> {
    request: R,
    weight: usize,
    state: Mutex<State<A>>,
    changed: Condvar,
}

enum State<A> {
    Waiting,
    /// It is to lead those who wait, of which it is the first.
    Leads,
    Done(Served<A>),
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Served<A> {
    /// It was served.
    Answer(A),
    /// It could not be served together with others: nothing has been done for it.
    Alone,
    /// It gave up before it was served.
    GaveUp,
}

impl<A> State<A> {
    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Waiting)
    }
}

impl<K, R, A> std::fmt::Debug for WriteGroups<K, R, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteGroups").finish_non_exhaustive()
    }
}

impl<K: Hash + Eq + Clone, R: Clone, A> WriteGroups<K, R, A> {
    /// Groups of requests of so much weight, or of one.
    pub(crate) fn new(weight_max: usize) -> Self {
        Self { waiting: Mutex::new(HashMap::new()), weight_max }
    }

    /// Serves a request, by this thread or another. Who leads waits with `enter` for what it needs, while nobody is bound
    /// to it yet; then `serve` is given the requests of the group and has an answer for each. Its error is returned if the
    /// request was the only one, and else all of them are [`Served::Alone`].
    ///
    /// # Errors
    /// That of `enter` or `serve`.
    pub(crate) fn serve<T, E>(
        &self,
        key: &K,
        request: &R,
        weight: usize,
        gives_up: impl Fn() -> bool,
        enter: impl FnOnce() -> Result<T, E>,
        serve: impl FnOnce(T, &[R]) -> Result<Vec<A>, E>,
    ) -> Result<Served<A>, E> {
        let mut waiting = self.waiting.lock();
        match waiting.get_mut(key) {
            None => {
                waiting.insert(key.clone(), VecDeque::new());
                drop(waiting);
            }
            Some(queue) => {
                let (state, changed) = (Mutex::new(State::Waiting), Condvar::new());
                let member = Arc::new(Member { request: request.clone(), weight, state, changed });
                queue.push_back(Arc::clone(&member));
                drop(waiting);
                if let Some(served) = self.wait(key, &member, gives_up) {
                    return Ok(served);
                }
                // It leads, and is the first of those who wait.
                self.waiting.lock().get_mut(key).and_then(VecDeque::pop_front);
            }
        }
        let mut group = Group { groups: self, key, others: vec![], answers: vec![] };
        let entered = enter()?;
        group.gather(self.weight_max.saturating_sub(weight));
        group.serve(request, |requests| serve(entered, requests))
    }

    /// How many wait, if somebody leads.
    #[cfg(test)]
    pub(crate) fn waiting(&self, key: &K) -> Option<usize> {
        self.waiting.lock().get(key).map(VecDeque::len)
    }

    /// Waits until a request is served, or its turn to lead has come.
    fn wait(&self, key: &K, member: &Arc<Member<R, A>>, gives_up: impl Fn() -> bool) -> Option<Served<A>> {
        let mut state = member.state.lock();
        loop {
            match state.take() {
                State::Done(served) => return Some(served),
                State::Leads => return None,
                State::Waiting => {}
            }
            member.changed.wait_for(&mut state, LOOK);
            if !matches!(*state, State::Waiting) || !gives_up() {
                continue;
            }
            drop(state);
            // Who is not in the queue any more leads, or is being served.
            let mut waiting = self.waiting.lock();
            let queue = waiting.get_mut(key);
            let at = queue.as_ref().and_then(|queue| queue.iter().position(|m| Arc::ptr_eq(m, member)));
            if let (Some(queue), Some(at)) = (queue, at)
                && matches!(*member.state.lock(), State::Waiting)
            {
                queue.remove(at);
                return Some(Served::GaveUp);
            }
            drop(waiting);
            state = member.state.lock();
        }
    }
}

/// Requests that are served together, by the first of them. Dropping it tells the others, and who leads next.
struct Group<'a, K: Hash + Eq, R, A> {
    groups: &'a WriteGroups<K, R, A>,
    key: &'a K,
    others: Vec<Arc<Member<R, A>>>,
    /// Of the others, once they are served.
    answers: Vec<A>,
}

impl<K: Hash + Eq, R: Clone, A> Group<'_, K, R, A> {
    /// Takes in those who wait, as far as they have so much weight.
    fn gather(&mut self, mut rest: usize) {
        let mut waiting = self.groups.waiting.lock();
        let Some(queue) = waiting.get_mut(self.key) else { return };
        while let Some(next) = queue.pop_front_if(|next| next.weight <= rest) {
            rest -= next.weight;
            self.others.push(next);
        }
    }

    fn serve<E>(
        mut self,
        request: &R,
        serve: impl FnOnce(&[R]) -> Result<Vec<A>, E>,
    ) -> Result<Served<A>, E> {
        let mut requests = vec![request.clone()];
        requests.extend(self.others.iter().map(|member| member.request.clone()));
        let answers = match serve(&requests) {
            Err(_) if !self.others.is_empty() => return Ok(Served::Alone),
            answers => answers?,
        };
        let mut answers = answers.into_iter();
        let own = answers.next();
        self.answers.extend(answers);
        Ok(own.map_or(Served::Alone, Served::Answer))
    }
}

impl<K: Hash + Eq, R, A> Drop for Group<'_, K, R, A> {
    fn drop(&mut self) {
        let mut waiting = self.groups.waiting.lock();
        match waiting.get(self.key).and_then(VecDeque::front) {
            Some(next) => next.become_(State::Leads),
            None => drop(waiting.remove(self.key)),
        }
        drop(waiting);
        let mut answers = self.answers.drain(..);
        for member in &self.others {
            member.become_(State::Done(answers.next().map_or(Served::Alone, Served::Answer)));
        }
    }
}

impl<R, A> Member<R, A> {
    fn become_(&self, state: State<A>) {
        *self.state.lock() = state;
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    type Groups = WriteGroups<&'static str, Vec<u32>, u32>;

    fn sums((): (), groups: &[Vec<u32>]) -> Result<Vec<u32>, String> {
        Ok(groups.iter().map(|numbers| numbers.iter().sum()).collect())
    }

    /// Whether so many wait.
    fn wait_for(groups: &Groups, key: &'static str, count: usize) {
        while groups.waiting(&key) != Some(count) {
            std::thread::yield_now();
        }
    }

    /// Serves a request of each thread while the first is at work; the sizes of the groups, and what became of each.
    fn while_one_works(
        weights: &[usize],
        weight_max: usize,
        fails: impl Fn(&[Vec<u32>]) -> bool + Sync,
    ) -> (Vec<usize>, Vec<Result<Served<u32>, String>>) {
        let groups = Groups::new(weight_max);
        let (sizes, works) = (Mutex::new(vec![]), AtomicBool::new(false));
        let serve = |(): (), group: &[Vec<u32>]| {
            sizes.lock().push(group.len());
            if fails(group) { Err("no".to_owned()) } else { sums((), group) }
        };
        let served = std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                groups.serve(
                    &"t",
                    &vec![0],
                    1,
                    || false,
                    || Ok(()),
                    |(), group| {
                        works.store(true, Ordering::SeqCst);
                        wait_for(&groups, "t", weights.len());
                        serve((), group)
                    },
                )
            });
            while !works.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            let others = weights.iter().enumerate().map(|(i, weight)| {
                let (groups, serve, request) = (&groups, &serve, vec![i as u32, 1]);
                let other =
                    scope.spawn(move || groups.serve(&"t", &request, *weight, || false, || Ok(()), serve));
                // In this order.
                if i + 1 < weights.len() {
                    wait_for(groups, "t", i + 1);
                }
                other
            });
            let others: Vec<_> = others.collect();
            let served = std::iter::once(first).chain(others).map(|thread| thread.join().unwrap());
            served.collect()
        });
        assert!(groups.waiting.lock().is_empty(), "nobody leads any more");
        (sizes.into_inner(), served)
    }

    #[test]
    fn those_who_wait_are_served_together() {
        let (sizes, served) = while_one_works(&[1, 1, 1, 1], 10, |_| false);
        assert_eq!(sizes, [1, 4]);
        assert_eq!(served, (0..5).map(|i| Ok(Served::Answer(i))).collect::<Vec<_>>());
    }

    #[test]
    fn a_group_is_not_too_much_and_its_first_may_be() {
        let (sizes, served) = while_one_works(&[1, 7, 3, 20, 1], 10, |_| false);
        assert_eq!(sizes, [1, 2, 1, 1, 1]);
        assert_eq!(served, (0..6).map(|i| Ok(Served::Answer(i))).collect::<Vec<_>>());
    }

    #[test]
    fn what_fails_together_is_done_alone_and_what_fails_alone_is_an_error() {
        let (sizes, served) = while_one_works(&[1, 1, 1], 2, |group| group.contains(&vec![0, 1]));
        assert_eq!(sizes, [1, 2, 1]);
        assert_eq!(
            served,
            [Ok(Served::Answer(0)), Ok(Served::Alone), Ok(Served::Alone), Ok(Served::Answer(3))]
        );
        let alone = Groups::new(1).serve(&"t", &vec![], 1, || false, || Ok(()), |(), _| Err("no"));
        assert_eq!(alone, Err("no"));
    }

    #[test]
    fn who_comes_while_the_leader_waits_is_of_its_group_or_gives_up_before() {
        let (groups, waits) = (Groups::new(10), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                let enter = || {
                    waits.store(true, Ordering::SeqCst);
                    wait_for(&groups, "t", 2);
                    wait_for(&groups, "t", 1);
                    Ok::<_, String>(())
                };
                groups.serve(
                    &"t",
                    &vec![1],
                    1,
                    || false,
                    enter,
                    |(), group| {
                        assert_eq!(group, [vec![1], vec![2]]);
                        sums((), group)
                    },
                )
            });
            while !waits.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            let second = scope.spawn(|| groups.serve(&"t", &vec![2], 1, || false, || Ok(()), sums));
            wait_for(&groups, "t", 1);
            let third = scope.spawn(|| groups.serve(&"t", &vec![3], 1, || true, || Ok(()), sums));
            assert_eq!(third.join().unwrap(), Ok(Served::GaveUp));
            assert_eq!(first.join().unwrap(), Ok(Served::Answer(1)));
            assert_eq!(second.join().unwrap(), Ok(Served::Answer(2)));
        });
        let refused = groups.serve(&"t", &vec![1], 1, || false, || Err("no"), |(), _| Ok(vec![1]));
        assert_eq!(refused, Err("no"));
        assert!(groups.waiting.lock().is_empty());
    }

    #[test]
    fn who_gives_up_leaves_the_others_in_line_and_who_panics_does_too() {
        let groups = Groups::new(10);
        let works = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                let served: Result<_, String> = groups.serve(
                    &"t",
                    &vec![0],
                    1,
                    || false,
                    || Ok(()),
                    |(), _| {
                        works.store(true, Ordering::SeqCst);
                        // The third waits, but not the second.
                        wait_for(&groups, "t", 2);
                        wait_for(&groups, "t", 1);
                        panic!("on purpose");
                    },
                );
                served
            });
            while !works.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            let second = scope.spawn(|| groups.serve(&"t", &vec![1], 1, || true, || Ok(()), sums));
            let third = scope.spawn(|| groups.serve(&"t", &vec![2], 1, || false, || Ok(()), sums));
            // Another key waits for nobody.
            assert_eq!(groups.serve(&"u", &vec![3], 1, || false, || Ok(()), sums), Ok(Served::Answer(3)));
            assert!(first.join().is_err());
            assert_eq!(second.join().unwrap(), Ok(Served::GaveUp));
            assert_eq!(third.join().unwrap(), Ok(Served::Answer(2)));
        });
        assert!(groups.waiting.lock().is_empty());
    }
}

/// Under schedules that a test chooses; see `table/schedule_tests.rs`.
#[cfg(all(test, shuttle))]
mod schedule_tests {
    use std::sync::Arc;

    use shuttle::scheduler::{PctScheduler, RandomScheduler};
    use shuttle::{Config, Runner, thread};

    use super::*;

    fn requests_are_served_once() {
        let groups = Arc::new(WriteGroups::<u8, u32, u32>::new(3));
        let served = Arc::new(Mutex::new(vec![]));
        let threads = (0..4_u32).map(|thread| {
            let (groups, served) = (Arc::clone(&groups), Arc::clone(&served));
            thread::spawn(move || {
                for request in [2 * thread, 2 * thread + 1] {
                    let answer = groups.serve(
                        &0,
                        &request,
                        1,
                        || false,
                        || Ok(()),
                        |(), group| {
                            thread::yield_now();
                            // Some are refused with others.
                            if group.len() > 1 && group.contains(&5) {
                                return Err(());
                            }
                            served.lock().extend_from_slice(group);
                            Ok(group.iter().map(|request| request * 10).collect())
                        },
                    );
                    match answer {
                        Ok(Served::Answer(answer)) => assert_eq!(answer, request * 10),
                        Ok(Served::Alone) => served.lock().push(request),
                        other => panic!("{other:?}"),
                    }
                }
            })
        });
        threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
        let mut served = std::mem::take(&mut *served.lock());
        served.sort_unstable();
        assert_eq!(served, (0..8).collect::<Vec<_>>());
        assert!(groups.waiting.lock().is_empty());
    }

    #[test]
    fn requests_of_many_are_served_once_whoever_goes_on() {
        Runner::new(RandomScheduler::new(2_000), Config::new()).run(requests_are_served_once);
        Runner::new(PctScheduler::new(3, 2_000), Config::new()).run(requests_are_served_once);
    }
}
