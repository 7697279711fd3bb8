//! Decoded dictionaries that are kept for later queries, within a budget.
//!
//! A dictionary is decoded as a whole when a block of its chunk is first read, and every later block and query uses it
//! again. All that were ever decoded would be about as large as the database with its texts laid bare, so the cache
//! lets go of those that were not used lately: a clock goes round the chunks that have one, takes the mark of use from
//! those that have it, and the dictionary from those that have not (Corbató's CLOCK). Who reads a dictionary at that
//! moment keeps it for as long.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::sync::{Mutex, RwLock};

/// What an entry costs beside its dictionary, in bytes.
const ENTRY_BYTES: usize = 256;

/// A budget of memory, and the dictionaries that fill it. Those of one database share one.
pub struct DictionaryCache {
    budget: AtomicUsize,
    clock: Mutex<Clock>,
}

#[derive(Default)]
struct Clock {
    /// The sum of the sizes of all entries.
    bytes: usize,
    /// The next to be looked at is in front.
    entries: VecDeque<Entry>,
}

struct Entry {
    place: Weak<dyn Evict>,
    bytes: usize,
}

/// A place from which the cache can take what is in it.
trait Evict: Send + Sync {
    /// Whether it was used since this was last asked.
    fn take_mark(&self) -> bool;
    /// Empties the place. `false` if it is being filled.
    fn evict(&self) -> bool;
}

impl DictionaryCache {
    /// A cache of so many bytes.
    pub fn new(budget: usize) -> Self {
        Self { budget: AtomicUsize::new(budget), clock: Mutex::default() }
    }

    /// How many bytes may be used.
    pub fn budget(&self) -> usize {
        self.budget.load(Ordering::Relaxed)
    }

    /// Changes how many bytes may be used.
    pub fn set_budget(&self, bytes: usize) {
        self.budget.store(bytes, Ordering::Relaxed);
        self.clock.lock().shrink(bytes);
    }

    /// How many bytes are used.
    pub fn bytes(&self) -> usize {
        let mut clock = self.clock.lock();
        let Clock { bytes, entries } = &mut *clock;
        entries.retain(|entry| {
            let lives = entry.place.strong_count() > 0;
            *bytes -= if lives { 0 } else { entry.bytes };
            lives
        });
        *bytes
    }

    fn admit(&self, place: Weak<dyn Evict>, bytes: usize) {
        let bytes = bytes + ENTRY_BYTES;
        let mut clock = self.clock.lock();
        clock.bytes += bytes;
        clock.entries.push_back(Entry { place, bytes });
        clock.shrink(self.budget());
    }
}

impl fmt::Debug for DictionaryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DictionaryCache").field("budget", &self.budget()).finish_non_exhaustive()
    }
}

impl Clock {
    fn shrink(&mut self, budget: usize) {
        // Marks may be set again while the hand goes round; twice is enough then.
        let mut looks = 2 * self.entries.len();
        while self.bytes > budget && looks > 0 {
            looks -= 1;
            let Some(entry) = self.entries.pop_front() else { return };
            let keep = entry.place.upgrade().is_some_and(|place| place.take_mark() || !place.evict());
            if keep {
                self.entries.push_back(entry);
            } else {
                self.bytes -= entry.bytes;
            }
        }
    }
}

/// The place of one dictionary: empty, or with what was decoded.
pub(crate) struct Place<T> {
    value: RwLock<Option<Arc<T>>>,
    used: AtomicBool,
}

impl<T> Default for Place<T> {
    fn default() -> Self {
        Self { value: RwLock::new(None), used: AtomicBool::new(false) }
    }
}

impl<T> fmt::Debug for Place<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Place<T> {
    /// What is there; if nothing is, what `make` makes, with its size in bytes, which `cache` then looks after. Without a
    /// cache it stays for as long as the place does.
    pub(crate) fn get_or_make<E>(
        self: &Arc<Self>,
        cache: Option<&DictionaryCache>,
        make: impl FnOnce() -> Result<(T, usize), E>,
    ) -> Result<Arc<T>, E> {
        if let Some(value) = &*self.value.read() {
            if !self.used.load(Ordering::Relaxed) {
                self.used.store(true, Ordering::Relaxed);
            }
            return Ok(Arc::clone(value));
        }
        let (value, bytes) = {
            let mut place = self.value.write();
            if let Some(value) = &*place {
                return Ok(Arc::clone(value));
            }
            let (value, bytes) = make()?;
            let value = Arc::new(value);
            *place = Some(Arc::clone(&value));
            (value, bytes)
        };
        // Only now: the cache takes locks of places, this one's too.
        if let Some(cache) = cache {
            let place: Arc<dyn Evict> = self.clone();
            cache.admit(Arc::downgrade(&place), bytes);
        }
        Ok(value)
    }
}

impl<T: Send + Sync> Evict for Place<T> {
    fn take_mark(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    fn evict(&self) -> bool {
        let Some(mut value) = self.value.try_write() else { return false };
        *value = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    const SIZE: usize = 1_000;

    fn get(place: &Arc<Place<u32>>, cache: &DictionaryCache, value: u32) -> (u32, bool) {
        let mut made = false;
        let make = || {
            made = true;
            Ok::<_, Infallible>((value, SIZE - ENTRY_BYTES))
        };
        let Ok(value) = place.get_or_make(Some(cache), make);
        (*value, made)
    }

    fn places(count: usize) -> Vec<Arc<Place<u32>>> {
        (0..count).map(|_| Arc::default()).collect()
    }

    #[test]
    fn what_was_used_lately_stays() {
        let (cache, places) = (DictionaryCache::new(3 * SIZE), places(4));
        for (place, value) in places[..3].iter().zip(0..) {
            assert_eq!(get(place, &cache, value), (value, true));
        }
        assert_eq!(cache.bytes(), 3 * SIZE);
        assert_eq!(get(&places[0], &cache, 9), (0, false));
        assert_eq!(get(&places[3], &cache, 3), (3, true));
        assert_eq!(cache.bytes(), 3 * SIZE);
        assert_eq!(get(&places[0], &cache, 9), (0, false), "it was used, so another had to go");
        assert_eq!(get(&places[1], &cache, 1), (1, true));
    }

    #[test]
    fn the_budget_can_change() {
        let (cache, places) = (DictionaryCache::new(usize::MAX), places(10));
        for _ in 0..2 {
            places.iter().for_each(|place| _ = get(place, &cache, 0));
        }
        assert_eq!(cache.bytes(), 10 * SIZE);
        cache.set_budget(2 * SIZE);
        assert_eq!(cache.bytes(), 2 * SIZE);
        // What is larger than the budget is made each time.
        cache.set_budget(SIZE / 2);
        assert_eq!(cache.bytes(), 0);
        assert_eq!(get(&places[0], &cache, 5), (5, true));
        assert_eq!(get(&places[0], &cache, 6), (6, true));
        assert_eq!(cache.bytes(), 0);
    }

    #[test]
    fn places_that_are_gone_cost_nothing() {
        let (cache, all) = (DictionaryCache::new(4 * SIZE), places(4));
        all.iter().for_each(|place| _ = get(place, &cache, 0));
        drop(all);
        assert_eq!(cache.bytes(), 0);
        for _ in 0..100 {
            get(&places(1)[0], &cache, 0);
        }
        assert!(cache.clock.lock().entries.len() <= 4);
    }

    #[test]
    fn errors_are_not_kept() {
        let (cache, place) = (DictionaryCache::new(SIZE), Arc::new(Place::<u32>::default()));
        assert_eq!(place.get_or_make(Some(&cache), || Err("damaged")).unwrap_err(), "damaged");
        assert_eq!(get(&place, &cache, 1), (1, true));
    }

    #[test]
    fn threads_share_it() {
        let (cache, places) = (DictionaryCache::new(5 * SIZE), places(8));
        std::thread::scope(|scope| {
            for seed in 1..=4_usize {
                let (cache, places) = (&cache, &places);
                scope.spawn(move || {
                    for step in 0..5_000 {
                        let at = step * seed % places.len();
                        assert_eq!(get(&places[at], cache, at as u32).0, at as u32);
                    }
                });
            }
        });
        assert!(cache.bytes() <= 5 * SIZE);
    }
}
