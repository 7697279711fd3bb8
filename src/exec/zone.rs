//! Time zones: what a clock shows at an instant, and the instant at which a clock shows a time.
//!
//! The rules are those of the IANA database, which is built in. Instants and clock times are microseconds since
//! 1970; infinite ones stay as they are.

use std::cell::Cell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use crate::exec::calendar::{
    MICROS_PER_DAY, MICROS_PER_SECOND, civil_from_days, split_timestamp, timestamp_is_finite,
};

/// A time zone.
#[derive(Clone)]
pub struct Zone {
    name: Arc<str>,
    /// `None` for UTC.
    rules: Option<TimeZone>,
}

/// The calendar repeats itself, weekdays included, after 400 years.
const CYCLE_MICROS: i64 = 146_097 * MICROS_PER_DAY;
/// Instants that the rules are asked for lie in the years -4000 to 4000; others are moved by cycles. Rules
/// begin in the 19th century and for ever repeat themselves in the 21st.
const RULES_FROM: i64 = -2_182_000 * MICROS_PER_DAY;
const RULES_TO: i64 = 741_000 * MICROS_PER_DAY;

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
static UTC: LazyLock<Zone> = LazyLock::new(|| Zone { name: Arc::from("UTC"), rules: None });

/// Zones by three letters, as ICU and Java have them; beside those that the IANA lists itself.
const ABBREVIATIONS: [(&str, &str); 25] = [
    ("ACT", "Australia/Darwin"),
    ("AET", "Australia/Sydney"),
    ("AGT", "America/Argentina/Buenos_Aires"),
    ("ART", "Africa/Cairo"),
    ("AST", "America/Anchorage"),
    ("BET", "America/Sao_Paulo"),
    ("BST", "Asia/Dhaka"),
    ("CAT", "Africa/Harare"),
    ("CNT", "America/St_Johns"),
    ("CST", "America/Chicago"),
    ("CTT", "Asia/Shanghai"),
    ("EAT", "Africa/Addis_Ababa"),
    ("ECT", "Europe/Paris"),
    ("IET", "America/Indiana/Indianapolis"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("MIT", "Pacific/Apia"),
    ("NET", "Asia/Yerevan"),
    ("NST", "Pacific/Auckland"),
    ("PLT", "Asia/Karachi"),
    ("PNT", "America/Phoenix"),
    ("PRT", "America/Puerto_Rico"),
    ("PST", "America/Los_Angeles"),
    ("SST", "Pacific/Guadalcanal"),
    ("VST", "Asia/Ho_Chi_Minh"),
];

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        UTC.clone()
    }

    /// [`Zone::utc`], to borrow.
    pub fn utc_ref() -> &'static Self {
        &UTC
    }

    /// The zone of this name, in any case: `Europe/Berlin`, `UTC`.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn named(name: &str) -> Result<Self, String> {
        let wanted = name.trim();
        // Two spellings that are UTC keep their names.
        for utc in ["UTC", "Etc/UTC", "GMT", "Etc/GMT", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu", "Universal"] {
            if wanted.eq_ignore_ascii_case(utc) {
                return Ok(Self { name: Arc::from(utc), rules: None });
            }
        }
        let abbreviated = ABBREVIATIONS.iter().find(|(short, _)| wanted.eq_ignore_ascii_case(short));
        let Ok(rules) = DATABASE.get(abbreviated.map_or(wanted, |(_, zone)| zone)) else {
            return Self::ahead_of_utc(wanted).ok_or_else(|| format!("Unknown TimeZone '{name}'"));
        };
        let name = abbreviated.map_or_else(|| rules.iana_name().unwrap_or(wanted), |(short, _)| short);
        Ok(Self { name: Arc::from(name), rules: Some(rules) })
    }

    /// `GMT+5`, `GMT-0330` or `UTC+05:30`: a zone that is always so far ahead of UTC.
    fn ahead_of_utc(name: &str) -> Option<Self> {
        let (utc, clock) = name.split_at_checked(3)?;
        if !utc.eq_ignore_ascii_case("GMT") && !utc.eq_ignore_ascii_case("UTC") {
            return None;
        }
        let (sign, clock) = clock.split_at_checked(1)?;
        if !matches!(sign, "+" | "-") || !clock.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let (hours, minutes) = match clock.split_once(':') {
            Some(parts) => parts,
            None if clock.len() > 2 => clock.split_at_checked(clock.len() - 2)?,
            None => (clock, "0"),
        };
        let number = |s: &str, max: i32| {
            let is_number = (1..=2).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
            s.parse::<i32>().ok().filter(|n| is_number && *n <= max)
        };
        let (hours, minutes) = (number(hours, 23)?, number(minutes, 59)?);
        let seconds = (hours * 60 + minutes) * 60;
        let offset = Offset::from_seconds(if sign == "-" { -seconds } else { seconds }).ok()?;
        let name = format!("GMT{sign}{hours:02}:{minutes:02}");
        Some(Self { name: name.into(), rules: Some(TimeZone::fixed(offset)) })
    }

    /// The zone that the system is set to, else UTC.
    pub fn system() -> Self {
        let name = std::env::var("TZ").ok().or_else(|| {
            let link = std::fs::read_link("/etc/localtime").ok()?;
            let path = link.to_str()?;
            path.split_once("zoneinfo/").map(|(_, name)| name.to_owned())
        });
        name.and_then(|n| Self::named(n.trim_start_matches(':')).ok()).unwrap_or_else(Self::utc)
    }

    /// The names of all zones.
    pub fn names() -> Vec<String> {
        DATABASE.available().map(|n| n.as_str().to_owned()).collect()
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is UTC, where clock and instant are the same.
    pub fn is_utc(&self) -> bool {
        self.rules.is_none()
    }

    /// What the zone's clocks are ahead of UTC at an instant, in seconds.
    pub fn offset_seconds(&self, instant: i64) -> i64 {
        self.clock().offset(instant)
    }

    /// Whether daylight saving is in force at an instant, and the abbreviation that is then in use.
    pub fn describe(&self, instant: i64) -> (bool, String) {
        let Some(rules) = &self.rules else { return (false, self.name.to_string()) };
        let info = rules.to_offset_info(timestamp(in_rules(instant)));
        (info.dst().is_dst(), info.abbreviation().to_owned())
    }

    /// Converts many times.
    pub fn clock(&self) -> Clock<'_> {
        Clock { rules: self.rules.as_ref(), known: Cell::new((i64::MAX, i64::MIN, 0)) }
    }

    /// What the clock shows at an instant.
    pub fn local(&self, instant: i64) -> i64 {
        self.clock().local(instant)
    }

    /// The instant at which the clock shows a time.
    pub fn instant(&self, local: i64) -> i64 {
        self.clock().instant(local)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

/// A zone in use. Remembers the offset of the last instant and how long it holds.
pub struct Clock<'z> {
    rules: Option<&'z TimeZone>,
    /// From, to (not included), seconds.
    known: Cell<(i64, i64, i64)>,
}

/// An instant that has the same offset, for which there are rules.
fn in_rules(instant: i64) -> i64 {
    if (RULES_FROM..RULES_TO).contains(&instant) {
        return instant;
    }
    if instant < RULES_FROM {
        return RULES_FROM;
    }
    RULES_TO - CYCLE_MICROS + (instant - RULES_TO).rem_euclid(CYCLE_MICROS)
}

/// An instant in the range of the rules.
fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Clock<'_> {
    /// Seconds that the clock is ahead of UTC at an instant.
    #[inline]
    pub fn offset(&self, instant: i64) -> i64 {
        let Some(rules) = self.rules else { return 0 };
        let at = in_rules(instant);
        let (from, to, seconds) = self.known.get();
        if from <= at && at < to {
            return seconds;
        }
        let at = timestamp(at);
        let seconds = i64::from(rules.to_offset(at).seconds());
        // Transitions are looked for from the next instant on, since those before leave out one at it.
        let after = at.checked_add(jiff::SignedDuration::from_micros(1)).unwrap_or(at);
        let from = rules.preceding(after).next().map_or(i64::MIN, |t| t.timestamp().as_microsecond());
        let to = rules.following(at).next().map_or(i64::MAX, |t| t.timestamp().as_microsecond());
        self.known.set((from, to, seconds));
        seconds
    }

    /// The instants at which the clock was last changed and is changed next, where there are such.
    pub fn unchanged(&self, instant: i64) -> (Option<i64>, Option<i64>) {
        if self.rules.is_none() {
            return (None, None);
        }
        self.offset(instant);
        let (from, to, _) = self.known.get();
        let moved = instant.saturating_sub(in_rules(instant));
        let known = |at: i64, none: i64| (at != none).then(|| at.saturating_add(moved));
        (known(from, i64::MIN), known(to, i64::MAX))
    }

    /// What the clock shows at an instant.
    #[inline]
    pub fn local(&self, instant: i64) -> i64 {
        if self.rules.is_none() || !timestamp_is_finite(instant) {
            return instant;
        }
        instant.saturating_add(self.offset(instant) * MICROS_PER_SECOND)
    }

    /// The instant at which the clock shows a time: the later one if it does so twice, and as if the clock had
    /// not been put forward if it never does.
    #[inline]
    pub fn instant(&self, local: i64) -> i64 {
        let Some(rules) = self.rules else { return local };
        if !timestamp_is_finite(local) {
            return local;
        }
        // A day and a half from any transition there is only one answer.
        const FAR: i64 = 36 * 3_600 * MICROS_PER_SECOND;
        let (from, to, seconds) = self.known.get();
        let at = in_rules(local);
        if from.saturating_add(FAR) <= at && at < to.saturating_sub(FAR) {
            return local.saturating_sub(seconds * MICROS_PER_SECOND);
        }
        // The offset now known may be one for another time.
        self.offset(at);
        let (days, of_day) = split_timestamp(at);
        let (year, month, day) = civil_from_days(days);
        let civil = i16::try_from(year).ok().and_then(|year| {
            let seconds = of_day / MICROS_PER_SECOND;
            let nanos = of_day % MICROS_PER_SECOND * 1_000;
            DateTime::new(
                year,
                month as i8,
                day as i8,
                (seconds / 3_600) as i8,
                (seconds / 60 % 60) as i8,
                (seconds % 60) as i8,
                nanos as i32,
            )
            .ok()
        });
        let offset = civil
            .and_then(|c| {
                let found = rules.to_ambiguous_timestamp(c).later().ok()?;
                Some((at - found.as_microsecond()) / MICROS_PER_SECOND)
            })
            .unwrap_or_else(|| i64::from(Offset::UTC.seconds()));
        local.saturating_sub(offset * MICROS_PER_SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::cast::parse_time::timestamp as parse;

    fn ts(text: &str) -> i64 {
        parse(text, arrow_schema::TimeUnit::Microsecond).unwrap()
    }

    #[test]
    fn there_and_back() {
        let zone = Zone::named("america/new_york").unwrap();
        assert_eq!(zone.name(), "America/New_York");
        for (instant, local) in [
            ("2024-07-03 05:30:00", "2024-07-03 01:30:00"),
            ("2024-01-03 05:30:00", "2024-01-03 00:30:00"),
            ("1800-07-03 06:26:02", "1800-07-03 01:30:00"),
            ("12024-07-03 05:30:00", "12024-07-03 01:30:00"),
            ("290000-07-03 05:30:00", "290000-07-03 01:30:00"),
            ("2024-11-03 06:30:00", "2024-11-03 01:30:00"),
        ] {
            assert_eq!(zone.local(ts(instant)), ts(local), "{instant}");
            assert_eq!(zone.instant(ts(local)), ts(instant), "{local}");
        }
        // Twice, and never.
        assert_eq!(zone.local(ts("2024-11-03 05:30:00")), ts("2024-11-03 01:30:00"));
        assert_eq!(zone.instant(ts("2024-03-10 02:30:00")), ts("2024-03-10 07:30:00"));
        assert_eq!(zone.local(i64::MAX), i64::MAX);
        assert!(Zone::named("Mars/Olympus").is_err());
    }

    #[test]
    fn zones_of_one_offset() {
        for (name, full, ahead) in [
            ("GMT+5", "GMT+05:00", 18_000),
            ("utc-03:30", "GMT-03:30", -12_600),
            ("GMT+0530", "GMT+05:30", 19_800),
            ("GMT-1130", "GMT-11:30", -41_400),
        ] {
            let zone = Zone::named(name).unwrap();
            assert_eq!((zone.name(), zone.offset_seconds(0)), (full, ahead));
            assert_eq!(zone.local(0), ahead * MICROS_PER_SECOND);
            assert_eq!(Zone::named(full).unwrap(), zone);
        }
        for name in ["GMT+", "GMT+24", "GMT+5:60", "GMT+5:", "GMT+-5", "GMT+12345", "EST+5", "GMTé"] {
            assert!(Zone::named(name).is_err(), "{name}");
        }
    }

    #[test]
    fn one_clock_for_many_times_is_as_good_as_one_for_each() {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let clock = zone.clock();
        for hour in -200_000..600_000i64 {
            let t = hour * 7 * 3_600 * MICROS_PER_SECOND;
            let local = clock.local(t);
            if hour % 97 == 0 {
                assert_eq!(local, zone.local(t));
                assert_eq!(clock.instant(local), zone.instant(local));
            }
        }
    }
}
