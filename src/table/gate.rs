//! Lets one writer through at a time; the others wait in line.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// How often one who waits looks whether it still makes sense.
const LOOK: Duration = Duration::from_millis(20);

/// Where writers queue.
#[derive(Debug, Default)]
pub(super) struct WriterGate {
    inside: Mutex<Inside>,
    left: Condvar,
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
        let mut inside = self.inside.lock();
        while *inside != Inside::Nobody {
            let tired = patience.is_some_and(|patience| start.elapsed() >= patience);
            if (tired && *inside == Inside::Staying) || gives_up() {
                return None;
            }
            self.left.wait_for(&mut inside, LOOK);
        }
        *inside = Inside::Working;
        Some(WriterPass(Arc::clone(self)))
    }

    /// Whether somebody is inside who may stay for as long as others like.
    pub(super) fn is_occupied(&self) -> bool {
        *self.inside.lock() == Inside::Staying
    }
}

/// The right to write, until dropped. It may move between threads.
#[derive(Debug)]
pub(super) struct WriterPass(Arc<WriterGate>);

impl WriterPass {
    /// Tells those who wait whether this may take as long as others like.
    pub(super) fn stay(&self, stays: bool) {
        *self.0.inside.lock() = if stays { Inside::Staying } else { Inside::Working };
    }
}

impl Drop for WriterPass {
    fn drop(&mut self) {
        *self.0.inside.lock() = Inside::Nobody;
        self.0.left.notify_one();
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
}
