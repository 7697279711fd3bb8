//! Inspector.
fn main() {}
