#![no_main]

#[path = "../bodies/mod.rs"]
mod bodies;

// The crate that decodes panics over some damaged files, which is an error of the file; the hook of libFuzzer would not
// let it become one.
libfuzzer_sys::fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |data: &[u8]| bodies::parquet(data));
