//! Mappings of files, and what becomes of a read that the file cannot serve any more.
//!
//! If another program cuts a file that is mapped, or its medium fails, the kernel raises SIGBUS on access, which ends the
//! process. A program may ask for [`catch_sigbus`]: then the page becomes one of zeros, and it is noted that the file has
//! lost something. Zeros are no answer, so whoever read through a mapping looks at that note afterwards, before anybody
//! sees a result: a query with [`losses`], all that reads or writes later with `File::check`.
//!
//! The handler may call almost nothing, so mappings are listed in a table of atomics. It runs on the thread that reads,
//! which holds the mapping, so the entry that it looks for stays as it is.
#![allow(unsafe_code)] // A signal handler, and a mapping that others may change.

use std::ffi::{c_int, c_void};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use memmap2::{Mmap, MmapOptions};
use parking_lot::Mutex;

/// Mappings that there may be at a time. A file whose next one finds no place is read without.
const MAPPINGS_MAX: usize = 1024;

/// Where a mapping lies. Odd versions are being changed.
struct Entry {
    version: AtomicU64,
    start: AtomicUsize,
    end: AtomicUsize,
    lost: AtomicPtr<AtomicBool>,
}

static ENTRIES: [Entry; MAPPINGS_MAX] = [const {
    Entry {
        version: AtomicU64::new(0),
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        lost: AtomicPtr::new(std::ptr::null_mut()),
    }
}; MAPPINGS_MAX];
/// Held by who changes the table.
static CHANGING: Mutex<()> = Mutex::new(());
/// Pages that became zeros, of all files.
static LOSSES: AtomicU64 = AtomicU64::new(0);
/// Bytes of a page of the system.
static PAGE: AtomicUsize = AtomicUsize::new(0);
/// Who was asked before.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// How many pages of any file could not be read through a mapping, and were given as zeros instead. If it has changed,
/// what was read meanwhile is not to be used.
pub fn losses() -> u64 {
    LOSSES.load(Ordering::Acquire)
}

impl Entry {
    /// By who holds `CHANGING`.
    fn set(&self, start: usize, end: usize, lost: *const AtomicBool) {
        self.version.fetch_add(1, Ordering::SeqCst);
        self.start.store(start, Ordering::SeqCst);
        self.end.store(end, Ordering::SeqCst);
        self.lost.store(lost.cast_mut(), Ordering::SeqCst);
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    /// What to note a loss in, if the address is within.
    fn find(&self, address: usize) -> Option<*const AtomicBool> {
        let version = self.version.load(Ordering::SeqCst);
        let (start, end) = (self.start.load(Ordering::SeqCst), self.end.load(Ordering::SeqCst));
        let lost = self.lost.load(Ordering::SeqCst);
        let whole = version.is_multiple_of(2) && self.version.load(Ordering::SeqCst) == version;
        (whole && (start..end).contains(&address)).then_some(lost.cast_const())
    }
}

/// A mapping of a whole file, for reading.
#[derive(Debug)]
pub(super) struct Mapping {
    bytes: Mmap,
    entry: usize,
    /// The file's. An entry refers to it.
    _lost: Arc<AtomicBool>,
}

impl Mapping {
    /// Maps so many bytes of a file. What it loses is noted in `lost`.
    ///
    /// # Errors
    /// There are too many mappings.
    ///
    /// # Safety
    /// Nobody writes to a part of the file while a slice of it is in use.
    pub(super) unsafe fn new(file: &std::fs::File, bytes: usize, lost: &Arc<AtomicBool>) -> io::Result<Self> {
        let _changing = CHANGING.lock();
        let free = ENTRIES.iter().position(|entry| entry.end.load(Ordering::SeqCst) == 0);
        let Some(entry) = free else { return Err(io::ErrorKind::OutOfMemory.into()) };
        // SAFETY: what the caller promises.
        let bytes = unsafe { MmapOptions::new().len(bytes).map(file)? };
        let start = bytes.as_ptr() as usize;
        ENTRIES[entry].set(start, start + bytes.len(), Arc::as_ptr(lost));
        Ok(Self { bytes, entry, _lost: Arc::clone(lost) })
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // Before the addresses are anybody else's.
        let _changing = CHANGING.lock();
        ENTRIES[self.entry].set(0, 0, std::ptr::null());
    }
}

/// Has a read of a mapped database file that was cut off meanwhile, or whose medium fails, be an error, instead of the end
/// of the process by SIGBUS.
///
/// For programs, not for libraries: there is one handler of a signal in a process. What is not about a database goes to
/// the handler that there was before. After such an error the database is neither read nor written until it is opened
/// again. Rows that a query gave before its error may have been wrong.
///
/// # Errors
/// The system does not let the process handle the signal.
pub fn catch_sigbus() -> io::Result<()> {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock();
    if *installed {
        return Ok(());
    }
    PAGE.store(rustix::param::page_size(), Ordering::SeqCst);
    // SAFETY: `sigaction` may be zero, and both calls are given pointers to whole ones. The handler does what a handler
    // may: it touches atomics and calls `mmap` and `sigaction`.
    let done = unsafe {
        let mut previous: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut previous) != 0 {
            return Err(io::Error::last_os_error());
        }
        let _ = PREVIOUS.set(previous);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut())
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    *installed = true;
    Ok(())
}

extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel gives the handler of a signal about an address this.
    let address = unsafe { (*info).si_addr() } as usize;
    if let Some(lost) = ENTRIES.iter().find_map(|entry| entry.find(address)) {
        // First, so that whoever reads zeros learns it.
        // SAFETY: the mapping is in use by this thread, so it is there, and with it what its entry refers to.
        unsafe { (*lost).store(true, Ordering::SeqCst) };
        LOSSES.fetch_add(1, Ordering::SeqCst);
        if zero(address) {
            return;
        }
    }
    // SAFETY: the handler that was there is called as it asked to be; without one the access is tried again, which then
    // does what it would have done.
    unsafe {
        match PREVIOUS.get() {
            Some(previous) if ![libc::SIG_DFL, libc::SIG_IGN].contains(&previous.sa_sigaction) => {
                if previous.sa_flags & libc::SA_SIGINFO == 0 {
                    std::mem::transmute::<usize, extern "C" fn(c_int)>(previous.sa_sigaction)(signal);
                } else {
                    type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
                    std::mem::transmute::<usize, Handler>(previous.sa_sigaction)(signal, info, context);
                }
            }
            _ => {
                let mut default: libc::sigaction = std::mem::zeroed();
                default.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &raw const default, std::ptr::null_mut());
            }
        }
    }
}

/// Puts zeros in the place of the page of the system that has this address.
fn zero(address: usize) -> bool {
    let page = PAGE.load(Ordering::SeqCst);
    let start = (address & !(page - 1)) as *mut c_void;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // SAFETY: the page lies within a mapping that is in use, is only read, and goes with the mapping.
    unsafe { libc::mmap(start, page, libc::PROT_READ, flags, -1, 0) != libc::MAP_FAILED }
}
