//! `TIME WITH TIME ZONE` in memory: one number that orders as the instants do, and by offset where they are
//! the same.

use crate::exec::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};

/// The greatest offset from UTC, in seconds: 15:59:59.
pub const OFFSET_MAX: i64 = 16 * 3_600 - 1;
const OFFSET_BITS: u32 = 24;

/// Packs a time of day in microseconds and the seconds that its zone is ahead of UTC.
#[inline]
pub fn pack(micros: i64, offset: i64) -> i64 {
    let code = OFFSET_MAX - offset.clamp(-OFFSET_MAX, OFFSET_MAX);
    ((micros + code * MICROS_PER_SECOND) << OFFSET_BITS) | code
}

/// Time of day in microseconds, and seconds ahead of UTC. Any number gives something.
#[inline]
pub fn unpack(packed: i64) -> (i64, i64) {
    let code = packed & ((1 << OFFSET_BITS) - 1);
    ((packed >> OFFSET_BITS) - code * MICROS_PER_SECOND, OFFSET_MAX - code)
}

/// Microseconds from midnight in UTC, negative or of the next day where the zone has another day.
pub fn instant(packed: i64) -> i64 {
    let (micros, offset) = unpack(packed);
    micros - offset * MICROS_PER_SECOND
}

/// The time of an instant in UTC.
pub fn at_instant(micros: i64) -> i64 {
    pack(micros.rem_euclid(MICROS_PER_DAY), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_instants() {
        let noon = 12 * 3_600 * MICROS_PER_SECOND;
        for offset in [-OFFSET_MAX, -3_600, 0, 1, 7_200, OFFSET_MAX] {
            assert_eq!(unpack(pack(noon, offset)), (noon, offset));
        }
        assert!(pack(noon, 7_200) < pack(noon, 0));
        assert!(pack(noon, 0) < pack(noon + 1, 0));
        // The same instant: the zone farther east comes first.
        assert!(pack(noon, 7_200) < pack(noon - 7_200 * MICROS_PER_SECOND, 0));
    }
}
