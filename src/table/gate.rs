//! Lets one writer through at a time; the others wait in line.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex};

/// How often one who waits looks whether it still makes sense.
const LOOK: Duration = Duration::from_millis(20);

/// Where writers queue.
#[derive(Debug, Default)]
pub(super) struct WriterGate {
    state: Mutex<State>,
    left: Condvar,
    left_for_first: Condvar,
}

#[derive(Debug, Default)]
struct State {
    inside: Inside,
    /// Somebody waits who goes before all others.
    first_waits: bool,
}

/// Who is inside.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Inside {
    #[default]
    Nobody,
    /// Somebody who leaves without waiting for others.
    Working,
    /// Somebody who may stay for as long as others like, and perhaps for those who wait.
    Staying,
}

impl WriterGate {
    /// Waits for the writer before to leave; as long as that one stays, only so long. `None` if it did not leave, or
    /// `gives_up`.
    pub(super) fn enter(
        self: &Arc<Self>,
        patience: Option<Duration>,
        gives_up: impl Fn() -> bool,
    ) -> Option<WriterPass> {
        let start = Instant::now();
        let mut state = self.state.lock();
        while state.inside != Inside::Nobody || state.first_waits {
            let tired = patience.is_some_and(|patience| start.elapsed() >= patience);
            if (tired && state.inside == Inside::Staying) || gives_up() {
                return None;
            }
            self.left.wait_for(&mut state, LOOK);
        }
        state.inside = Inside::Working;
        Some(WriterPass(Arc::clone(self)))
    }

    /// Waits for the writer before to leave, and goes before all others who wait. `None` if it `gives_up`, of which
    /// [`nudge`](Self::nudge) reminds it. Only one may wait like this.
    pub(super) fn enter_first(self: &Arc<Self>, gives_up: impl Fn() -> bool) -> Option<WriterPass> {
        let mut state = self.state.lock();
        state.first_waits = true;
        let gave_up = loop {
            if gives_up() {
                break true;
            }
            if state.inside == Inside::Nobody {
                break false;
            }
            self.left_for_first.wait(&mut state);
        };
        state.first_waits = false;
        if gave_up {
            self.left.notify_one();
            return None;
        }
        state.inside = Inside::Working;
        Some(WriterPass(Arc::clone(self)))
    }

    /// Lets the first who waits look whether that still makes sense.
    pub(super) fn nudge(&self) {
        let _state = self.state.lock();
        self.left_for_first.notify_one();
    }

    /// Whether somebody is inside who may stay for as long as others like.
    pub(super) fn is_occupied(&self) -> bool {
        self.state.lock().inside == Inside::Staying
    }
}

/// The right to write, until dropped. It may move between threads.
#[derive(Debug)]
pub(super) struct WriterPass(Arc<WriterGate>);

impl WriterPass {
    /// Tells those who wait whether this may take as long as others like.
    pub(super) fn stay(&self, stays: bool) {
        self.0.state.lock().inside = if stays { Inside::Staying } else { Inside::Working };
    }
}

impl Drop for WriterPass {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.inside = Inside::Nobody;
        if state.first_waits {
            self.0.left_for_first.notify_one();
        } else {
            self.0.left.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_writer_at_a_time() {
        let gate = Arc::new(WriterGate::default());
        let inside = std::sync::atomic::AtomicU32::new(0);
        let entered = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let pass = gate.enter(None, || false).unwrap();
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        assert!(gate.enter(None, || true).is_none());
                        entered.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(pass);
                    }
                });
            }
        });
        assert_eq!(entered.into_inner(), 200);
        assert!(gate.enter(None, || true).is_some());
    }

    #[test]
    fn patience_ends_where_somebody_stays() {
        let gate = Arc::new(WriterGate::default());
        let pass = gate.enter(None, || false).unwrap();
        pass.stay(true);
        assert!(gate.is_occupied());
        assert!(gate.enter(Some(Duration::ZERO), || false).is_none());
        assert!(gate.enter(None, || true).is_none());
        pass.stay(false);
        std::thread::scope(|scope| {
            scope.spawn(|| drop(gate.enter(Some(Duration::ZERO), || false).expect("it leaves by itself")));
            std::thread::sleep(Duration::from_millis(30));
            drop(pass);
        });
    }

    #[test]
    fn the_first_goes_before_those_who_came_earlier() {
        let gate = Arc::new(WriterGate::default());
        let pass = gate.enter(None, || false).unwrap();
        let order = Mutex::new(vec![]);
        let gives_up = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let pass = gate.enter(None, || false);
                    order.lock().push("other");
                    drop(pass);
                });
            }
            std::thread::sleep(Duration::from_millis(50));
            scope.spawn(|| {
                let pass = gate.enter_first(|| false);
                order.lock().push("first");
                drop(pass);
            });
            while !gate.state.lock().first_waits {
                std::thread::yield_now();
            }
            drop(pass);
        });
        assert_eq!(order.into_inner(), ["first", "other", "other", "other"]);
        let pass = gate.enter(None, || false).unwrap();
        std::thread::scope(|scope| {
            let first = scope
                .spawn(|| gate.enter_first(|| gives_up.load(std::sync::atomic::Ordering::SeqCst)).is_none());
            while !gate.state.lock().first_waits {
                std::thread::yield_now();
            }
            gives_up.store(true, std::sync::atomic::Ordering::SeqCst);
            gate.nudge();
            assert!(first.join().unwrap(), "it gave up");
        });
        drop(pass);
        assert!(gate.enter(None, || true).is_some());
    }
}
