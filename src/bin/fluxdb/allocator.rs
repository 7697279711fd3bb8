//! Where the program's memory comes from, and when what is free goes back to the system.

use libmimalloc_sys::{mi_option_set_default, mi_option_t};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay`, which the bindings do not name: milliseconds after which free memory is given back.
const PURGE_DELAY: mi_option_t = 15;
/// As in jemalloc. A query that comes seconds after another finds the memory of that one again, and does not have the system
/// clear it page by page.
const PURGE_DELAY_MS: std::ffi::c_long = 10_000;

/// Keeps free memory for a while, unless the environment says otherwise (`MIMALLOC_PURGE_DELAY`).
pub fn keep_free_memory() {
    // SAFETY: it sets a number in a table of the allocator's, in which there is one of that index, and nobody reads or sets
    // another meanwhile: the program has one thread yet.
    #[allow(unsafe_code)]
    unsafe {
        mi_option_set_default(PURGE_DELAY, PURGE_DELAY_MS);
    }
}
