//! RocksDB through the C interface of the installed library (feature `rocksdb`): what it declares is declared here.

use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_void};
use std::path::Path;
use std::ptr::null_mut;

use crate::stores::Store;

type Handle = *mut c_void;

#[link(name = "rocksdb")]
unsafe extern "C" {
    fn rocksdb_options_create() -> Handle;
    fn rocksdb_options_set_create_if_missing(options: Handle, value: c_uchar);
    fn rocksdb_options_set_compression(options: Handle, kind: c_int);
    fn rocksdb_options_set_block_based_table_factory(options: Handle, table: Handle);
    fn rocksdb_block_based_options_create() -> Handle;
    fn rocksdb_block_based_options_set_filter_policy(table: Handle, policy: Handle);
    fn rocksdb_filterpolicy_create_bloom_full(bits: f64) -> Handle;
    fn rocksdb_open(options: Handle, path: *const c_char, error: *mut *mut c_char) -> Handle;
    fn rocksdb_close(db: Handle);
    fn rocksdb_writeoptions_create() -> Handle;
    fn rocksdb_writeoptions_set_sync(options: Handle, value: c_uchar);
    fn rocksdb_readoptions_create() -> Handle;
    fn rocksdb_flushoptions_create() -> Handle;
    fn rocksdb_flushoptions_set_wait(options: Handle, value: c_uchar);
    fn rocksdb_flush(db: Handle, options: Handle, error: *mut *mut c_char);
    fn rocksdb_compact_range(db: Handle, from: *const c_char, f: usize, to: *const c_char, t: usize);
    fn rocksdb_writebatch_create() -> Handle;
    fn rocksdb_writebatch_destroy(batch: Handle);
    fn rocksdb_writebatch_put(batch: Handle, key: *const c_char, k: usize, value: *const c_char, v: usize);
    fn rocksdb_write(db: Handle, options: Handle, batch: Handle, error: *mut *mut c_char);
    fn rocksdb_get_pinned(
        db: Handle,
        options: Handle,
        key: *const c_char,
        length: usize,
        error: *mut *mut c_char,
    ) -> Handle;
    fn rocksdb_pinnableslice_value(slice: Handle, length: *mut usize) -> *const c_char;
    fn rocksdb_pinnableslice_destroy(slice: Handle);
    fn rocksdb_create_iterator(db: Handle, options: Handle) -> Handle;
    fn rocksdb_iter_destroy(iterator: Handle);
    fn rocksdb_iter_seek(iterator: Handle, key: *const c_char, length: usize);
    fn rocksdb_iter_valid(iterator: Handle) -> c_uchar;
    fn rocksdb_iter_next(iterator: Handle);
    fn rocksdb_iter_value(iterator: Handle, length: *mut usize) -> *const c_char;
}

const LZ4: c_int = 4;

pub struct Rocks {
    db: Handle,
    read: Handle,
    write: Handle,
}

// SAFETY: the library's handles of databases and options are made for use by several threads.
unsafe impl Send for Rocks {}
// SAFETY: as above.
unsafe impl Sync for Rocks {}

fn check(error: *mut c_char) {
    // SAFETY: the library leaves null, or a text that ends with zero.
    assert!(error.is_null(), "{:?}", unsafe { CStr::from_ptr(error) });
}

impl Rocks {
    pub fn open(path: &Path, sync: bool) -> Self {
        let path = CString::new(path.join("rocks").to_str().unwrap()).unwrap();
        let mut error = null_mut();
        // SAFETY: handles are those that the library has just made, of the kinds that it asks for.
        let rocks = unsafe {
            let options = rocksdb_options_create();
            rocksdb_options_set_create_if_missing(options, 1);
            rocksdb_options_set_compression(options, LZ4);
            let table = rocksdb_block_based_options_create();
            rocksdb_block_based_options_set_filter_policy(
                table,
                rocksdb_filterpolicy_create_bloom_full(10.0),
            );
            rocksdb_options_set_block_based_table_factory(options, table);
            let write = rocksdb_writeoptions_create();
            rocksdb_writeoptions_set_sync(write, c_uchar::from(sync));
            let db = rocksdb_open(options, path.as_ptr(), &raw mut error);
            Self { db, read: rocksdb_readoptions_create(), write }
        };
        check(error);
        rocks
    }
}

impl Drop for Rocks {
    fn drop(&mut self) {
        // SAFETY: nobody uses it any more.
        unsafe { rocksdb_close(self.db) }
    }
}

impl Store for Rocks {
    fn put(&self, rows: &[(String, Vec<u8>)]) {
        let mut error = null_mut();
        // SAFETY: pointers and lengths are those of slices, which the library copies.
        unsafe {
            let batch = rocksdb_writebatch_create();
            for (key, value) in rows {
                rocksdb_writebatch_put(
                    batch,
                    key.as_ptr().cast(),
                    key.len(),
                    value.as_ptr().cast(),
                    value.len(),
                );
            }
            rocksdb_write(self.db, self.write, batch, &raw mut error);
            rocksdb_writebatch_destroy(batch);
        }
        check(error);
    }

    fn get(&self, keys: &[String]) -> usize {
        let get = |key: &String| {
            let (mut error, mut length) = (null_mut(), 0);
            // SAFETY: the value is copied before what holds it is destroyed.
            let value = unsafe {
                let key_at = key.as_ptr().cast();
                let slice = rocksdb_get_pinned(self.db, self.read, key_at, key.len(), &raw mut error);
                let value = (!slice.is_null()).then(|| {
                    let start = rocksdb_pinnableslice_value(slice, &raw mut length);
                    std::slice::from_raw_parts(start.cast::<u8>(), length).to_vec()
                });
                rocksdb_pinnableslice_destroy(slice);
                value
            };
            check(error);
            value
        };
        keys.iter().filter_map(get).map(|value| value.len() / 128).sum()
    }

    fn scan(&self, from: &[String], limit: usize) -> usize {
        let mut found = 0;
        for from in from {
            // SAFETY: the iterator is used before it is destroyed, a value before the iterator goes on.
            unsafe {
                let iterator = rocksdb_create_iterator(self.db, self.read);
                rocksdb_iter_seek(iterator, from.as_ptr().cast(), from.len());
                let mut left = limit;
                while left > 0 && rocksdb_iter_valid(iterator) != 0 {
                    let mut length = 0;
                    let start = rocksdb_iter_value(iterator, &raw mut length);
                    let value = std::slice::from_raw_parts(start.cast::<u8>(), length).to_vec();
                    found += value.len() / 128;
                    left -= 1;
                    rocksdb_iter_next(iterator);
                }
                rocksdb_iter_destroy(iterator);
            }
        }
        found
    }

    fn settle(&self) {
        let mut error = null_mut();
        // SAFETY: handles as above; null stands for no bound.
        unsafe {
            let options = rocksdb_flushoptions_create();
            rocksdb_flushoptions_set_wait(options, 1);
            rocksdb_flush(self.db, options, &raw mut error);
            rocksdb_compact_range(self.db, std::ptr::null(), 0, std::ptr::null(), 0);
        }
        check(error);
    }
}
