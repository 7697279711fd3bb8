//! `UUID`: made, and taken apart.

use std::sync::Arc;

use arrow_array::builder::FixedSizeBinaryBuilder;
use arrow_array::types::*;

use super::ScalarKernel;
use super::kernel::{Uuid, primitive};
use super::math::random_bits;
use super::registry::{Registry, def};
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};

fn make(next: impl Fn() -> u128 + Send + Sync + 'static) -> ScalarKernel {
    Box::new(move |_, _, rows, _| {
        let mut out = FixedSizeBinaryBuilder::with_capacity(rows, 16);
        for _ in 0..rows {
            out.append_value(next().to_be_bytes())?;
        }
        Ok(Arc::new(out.finish()))
    })
}

/// Random bits with the version and RFC 9562's variant.
fn versioned(bits: u128, version: u128) -> u128 {
    bits & !(0xf << 76) & !(0x3 << 62) | version << 76 | 0x2 << 62
}

fn random() -> u128 {
    u128::from(random_bits()) << 64 | u128::from(random_bits())
}

/// An identifier that nothing else has.
pub fn random_uuid() -> [u8; 16] {
    versioned(random(), 4).to_be_bytes()
}

/// Milliseconds since 1970, then random bits.
fn by_time() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let bits = random() & (u128::MAX >> 48) | (now.as_millis() & 0xFFFF_FFFF_FFFF) << 80;
    versioned(bits, 7)
}

fn version(uuid: &[u8]) -> u32 {
    u32::from(uuid.get(6).copied().unwrap_or_default() >> 4)
}

/// The instant in a UUID of version 7, in microseconds.
fn instant(uuid: &[u8]) -> Result<i64> {
    match version(uuid) {
        7 => Ok(uuid.iter().take(6).fold(0, |v, b| v << 8 | i64::from(*b)) * 1_000),
        other => Err(ExecError::InvalidInput(format!("Given UUID is with version {other}, not version 7."))),
    }
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    r.add(
        def("uuid", "A random identifier, version 4", "uuid()")
            .aliases(&["gen_random_uuid", "uuidv4"])
            .volatile()
            .sees_nulls()
            .map(&[], T::Uuid, |_| make(|| versioned(random(), 4))),
    );
    r.add(
        def("uuidv7", "An identifier that begins with the time, version 7", "uuidv7()")
            .volatile()
            .sees_nulls()
            .map(&[], T::Uuid, |_| make(by_time)),
    );
    r.add(def("uuid_extract_version", "The version of a UUID", "uuid_extract_version(uuid())").map(
        &[T::Uuid],
        T::UInteger,
        |_| primitive::<(Uuid,), UInt32Type>(|(u,)| Ok(Some(version(u)))),
    ));
    r.add(
        def(
            "uuid_extract_timestamp",
            "The instant in a UUID of version 7",
            "uuid_extract_timestamp(uuidv7())",
        )
        .map(&[T::Uuid], T::TimestampTz, |_| {
            primitive::<(Uuid,), TimestampMicrosecondType>(|(u,)| instant(u).map(Some))
        }),
    );
}
