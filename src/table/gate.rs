//! Lets one writer through at a time; the others wait in line.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

/// Where writers queue.
#[derive(Debug, Default)]
pub(super) struct WriterGate {
    busy: Mutex<bool>,
    left: Condvar,
}

impl WriterGate {
    /// Waits for the writer before to leave.
    pub(super) fn enter(self: &Arc<Self>) -> WriterPass {
        let mut busy = self.busy.lock();
        while *busy {
            self.left.wait(&mut busy);
        }
        *busy = true;
        WriterPass(Arc::clone(self))
    }

    /// Enters if nobody is inside.
    pub(super) fn try_enter(self: &Arc<Self>) -> Option<WriterPass> {
        let mut busy = self.busy.lock();
        if *busy {
            return None;
        }
        *busy = true;
        Some(WriterPass(Arc::clone(self)))
    }
}

/// The right to write, until dropped. It may move between threads.
#[derive(Debug)]
pub(super) struct WriterPass(Arc<WriterGate>);

impl Drop for WriterPass {
    fn drop(&mut self) {
        *self.0.busy.lock() = false;
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
                        let pass = gate.enter();
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        assert!(gate.try_enter().is_none());
                        entered.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(pass);
                    }
                });
            }
        });
        assert_eq!(entered.into_inner(), 200);
        assert!(gate.try_enter().is_some());
    }
}
