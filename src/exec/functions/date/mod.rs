//! Functions of dates, times, timestamps and intervals.
//!
//! All but those of single parts work on microseconds: dates become timestamps by an implicit cast, and
//! timestamps of other units are converted first.

mod bucket;
mod clock;
mod difference;
mod format;
mod from_char;
pub use format::TimePattern;
mod justify;
mod make;
mod named_day;
mod overlaps;
mod part;
mod starts;
mod strptime;
mod to_char;
mod trunc;
pub(super) mod zoned;

use super::registry::Registry;

pub(crate) use part::Part;

pub(super) fn register(r: &mut Registry) {
    part::register(r);
    trunc::register(r);
    difference::register(r);
    bucket::register(r);
    clock::register(r);
    make::register(r);
    justify::register(r);
    format::register(r);
    strptime::register(r);
    to_char::register(r);
    from_char::register(r);
    overlaps::register(r);
}

/// English names, Sunday first.
pub(super) const DAY_NAMES: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// English names, January first.
pub(super) const MONTH_NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
