//! The locks and threads of what is published and committed: those of `parking_lot` and the standard library, or, with
//! `--cfg shuttle` in unit tests, those whose interleavings a test decides (`src/table/schedule_tests.rs`).

pub(crate) mod write_groups;

#[cfg(not(all(test, shuttle)))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard};
#[cfg(all(test, shuttle))]
pub(crate) use shuttle::{sync::atomic, thread};
#[cfg(all(test, shuttle))]
pub(crate) use shuttle_parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::{sync::atomic, thread};

#[cfg(all(test, shuttle))]
pub(crate) use self::condvar::Condvar;

/// A condition variable for shuttle's locks, which knows no time: who waits for a while waits until it is told.
#[cfg(all(test, shuttle))]
mod condvar {
    use std::time::Duration;

    use super::MutexGuard;

    #[derive(Debug, Default)]
    pub(crate) struct Condvar {
        /// Held by who begins to wait until it does, and by who tells.
        telling: shuttle::sync::Mutex<()>,
        told: shuttle::sync::Condvar,
    }

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self::default()
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let telling = self.telling.lock().unwrap();
            MutexGuard::unlocked(guard, move || drop(self.told.wait(telling).unwrap()));
        }

        pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _: Duration) {
            self.wait(guard);
        }

        pub(crate) fn notify_one(&self) {
            let _telling = self.telling.lock().unwrap();
            self.told.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            let _telling = self.telling.lock().unwrap();
            self.told.notify_all();
        }
    }
}
