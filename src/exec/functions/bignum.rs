//! Arithmetic of `BIGNUM`: sums and differences. All else is done with the nearest `DOUBLE`.

use super::kernel::{Bytes, bytes};
use super::registry::Registry;
use crate::column::types::LogicalType;
use crate::exec::cast::bignum::BigNum;

pub(super) fn register(r: &mut Registry) {
    const TYPE: LogicalType = LogicalType::BigNum;
    r.extend("+", |d| {
        d.map(&[TYPE, TYPE], TYPE, |_| {
            bytes::<(Bytes, Bytes)>(|(a, b), out| {
                out.extend(BigNum::decode(a).plus(&BigNum::decode(b)).encode()?);
                Ok(true)
            })
        })
        .map(&[TYPE], TYPE, |_| Box::new(|args, _, _, _| Ok(args[0].clone())))
    });
    r.extend("-", |d| {
        d.map(&[TYPE, TYPE], TYPE, |_| {
            bytes::<(Bytes, Bytes)>(|(a, b), out| {
                out.extend(BigNum::decode(a).plus(&BigNum::decode(b).negated()).encode()?);
                Ok(true)
            })
        })
        .map(&[TYPE], TYPE, |_| {
            bytes::<(Bytes,)>(|(a,), out| {
                out.extend(BigNum::decode(a).negated().encode()?);
                Ok(true)
            })
        })
    });
}
