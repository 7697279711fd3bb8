//! Threads that help with a query, and the processors that they find.
//!
//! A new thread is put where the kernel thinks best. In a virtual machine that is often the processor of the thread that
//! started it, though others sleep: of a processor that has halted for a while the host says that it is taken away, as of one
//! that it gave to another machine, and Linux leaves such alone until it next balances its load. That is after one to four
//! milliseconds, longer than many queries take, and for so long the helper waits behind the one that it should help. So
//! helpers are kept off the processor that they were started on, until they have a place.

use crossbeam_utils::thread::ScopedJoinHandle;
pub(crate) use crossbeam_utils::thread::{Scope, scope};

/// Has a thread work beside this one. Without a thread to be had the work is left to those there are.
pub(crate) fn start<'env>(scope: &Scope<'env>, work: impl FnOnce(&Scope<'env>) + Send + 'env) {
    if let Ok(helper) = scope.builder().name("fluxdb-worker".into()).spawn(work) {
        keep_off(&helper);
    }
}

/// Sees to it that a thread that this one has started does not wait for this one's processor.
#[cfg(target_os = "linux")]
fn keep_off(helper: &ScopedJoinHandle<'_, ()>) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu};

    let (here, Ok(allowed)) = (sched_getcpu(), sched_getaffinity(None)) else { return };
    if here >= CpuSet::MAX_CPU || !allowed.is_set(here) || allowed.count() < 2 {
        return;
    }
    let mut mask = Mask::of(&allowed);
    mask.flip(here);
    mask.allow(helper);
    // Once it has its place, all are as good as any.
    mask.flip(here);
    mask.allow(helper);
}

/// Elsewhere systems are left to do it.
#[cfg(not(target_os = "linux"))]
fn keep_off(_helper: &ScopedJoinHandle<'_, ()>) {}

/// A set of processors, as Linux has it: bits of machine words.
#[cfg(target_os = "linux")]
#[derive(Debug, PartialEq)]
struct Mask([libc::c_ulong; rustix::thread::CpuSet::MAX_CPU / Self::BITS]);

#[cfg(target_os = "linux")]
impl Mask {
    const BITS: usize = libc::c_ulong::BITS as usize;

    fn of(set: &rustix::thread::CpuSet) -> Self {
        let mut mask = Self([0; _]);
        let all = (0..rustix::thread::CpuSet::MAX_CPU).filter(|processor| set.is_set(*processor));
        all.take(set.count() as usize).for_each(|processor| mask.flip(processor));
        mask
    }

    fn flip(&mut self, processor: usize) {
        self.0[processor / Self::BITS] ^= 1 << (processor % Self::BITS);
    }

    /// Allows a thread these processors, and no other. If it cannot be, it stays as it is.
    fn allow(&self, thread: &ScopedJoinHandle<'_, ()>) {
        use std::os::unix::thread::JoinHandleExt;

        // SAFETY: a thread whose handle is there has not been joined, so its number is its own. The mask is read only, and
        // has as many bytes as are told.
        #[allow(unsafe_code)]
        unsafe {
            libc::pthread_setaffinity_np(
                thread.as_pthread_t(),
                size_of_val(&self.0),
                self.0.as_ptr().cast::<libc::cpu_set_t>(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn all_helpers_have_worked_when_their_scope_ends() {
        let done = AtomicUsize::new(0);
        let work = || {
            done.fetch_add(1, Ordering::Relaxed);
        };
        scope(|scope| {
            for _ in 0..3 {
                start(scope, |scope| {
                    start(scope, |_| work());
                });
            }
        })
        .unwrap();
        assert_eq!(done.into_inner(), 3);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn helpers_may_use_all_processors_in_the_end() {
        use rustix::thread::sched_getaffinity;
        let before = sched_getaffinity(None).unwrap();
        let seen = parking_lot::Mutex::new(None);
        scope(|scope| {
            start(scope, |_| {
                // It may have begun before it was told.
                std::thread::sleep(std::time::Duration::from_millis(20));
                *seen.lock() = Some(sched_getaffinity(None).unwrap());
            });
        })
        .unwrap();
        assert_eq!(seen.into_inner(), Some(before));
        assert_eq!(sched_getaffinity(None).unwrap(), before);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn masks_have_the_bits_of_their_processors() {
        let mut set = rustix::thread::CpuSet::new();
        [0, 63, 64, 1000].iter().for_each(|processor| set.set(*processor));
        let mut mask = Mask::of(&set);
        let bits = |mask: &Mask| mask.0.iter().map(|word| word.count_ones()).sum::<u32>();
        assert_eq!((bits(&mask), mask.0[0] & 1), (4, 1));
        mask.flip(1000);
        assert_eq!((bits(&mask), mask.0[1000 / Mask::BITS]), (3, 0));
    }
}
