//! Queries in FluxQL by chance, each with one in plain SQL that must have the same rows. The SQL knows nothing of
//! buckets, series and gaps: it divides, joins and looks at neighbours.

use std::fmt::Write;

/// A few numbers that look random and are the same each time.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// A query, and its twin.
#[derive(Debug, Clone)]
pub struct Twins {
    pub flux: String,
    pub sql: String,
}

/// The first time of the data, 2026-03-05, in seconds since 1970.
pub const FROM: i64 = 1_772_668_800;
/// How many days of it there are.
pub const DAYS: i64 = 34;

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// How time is cut.
struct Buckets {
    /// What follows EVERY.
    flux: String,
    kind: Kind,
    zone: Option<&'static str>,
}

enum Kind {
    /// Seconds, and where they are counted from.
    Seconds(i64, i64),
    /// What date_trunc calls it, and months that it is moved by.
    Calendar(&'static str, i64),
}

impl Buckets {
    fn random(r: &mut Random) -> Self {
        let zone =
            r.chance(35).then(|| r.pick(&["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC"]));
        let in_zone = |flux: String| zone.map_or(flux.clone(), |z| format!("{flux} TZ '{z}'"));
        if r.chance(25) {
            let (width, name) =
                [("1mo", "month"), ("1q", "quarter"), ("3mo", "quarter"), ("1y", "year"), ("12mo", "year")]
                    [r.below(5) as usize];
            let by = if r.chance(30) && name != "month" { 1 + r.below(2) as i64 } else { 0 };
            let shift = if by == 0 { String::new() } else { format!(" OFFSET {by}mo") };
            return Self { flux: in_zone(format!("{width}{shift}")), kind: Kind::Calendar(name, by), zone };
        }
        let days = [
            ("1d", DAY),
            ("1w", 7 * DAY),
            ("2d", 2 * DAY),
            ("7d", 7 * DAY),
            ("1w3d", 10 * DAY),
            ("24h", DAY),
        ];
        let hours = [
            ("15m", 900),
            ("1h", 3_600),
            ("1h30m", 5_400),
            ("90m", 5_400),
            ("6h", 21_600),
            ("7h", 25_200),
            ("1d12h", 129_600),
            ("2500s", 2_500),
        ];
        let all: Vec<(&str, i64)> =
            if zone.is_some() { days.to_vec() } else { [&days[..], &hours[..]].concat() };
        let (text, width) = all[r.below(all.len() as u64) as usize];
        let (shift_text, shift) = match r.below(10) {
            0 => (" OFFSET 6h", 21_600),
            1 => (" OFFSET 10m", 600),
            2 => (" OFFSET -5m", -300),
            3 => (" OFFSET 1d", DAY),
            _ => ("", 0),
        };
        // Nobody's clock is changed at one of these times, at whatever zone's midnight they are counted from.
        let origin = if matches!(text, "1w" | "7d") { 4 * DAY } else { 0 };
        Self {
            flux: in_zone(format!("{text}{shift_text}")),
            kind: Kind::Seconds(width, origin + shift),
            zone,
        }
    }

    /// The start of the bucket of a time, in SQL.
    fn start(&self, time: &str) -> String {
        let local = match self.zone {
            Some(zone) => format!("(({time}) AT TIME ZONE 'UTC' AT TIME ZONE '{zone}')"),
            None => time.to_owned(),
        };
        let start = match self.kind {
            Kind::Seconds(width, from) => {
                let (width, from) = (width * MICROS, from * MICROS);
                format!("make_timestamp((epoch_us({local}) - ({from})) // {width} * {width} + ({from}))")
            }
            Kind::Calendar(name, 0) => format!("date_trunc('{name}', {local})::TIMESTAMP"),
            Kind::Calendar(name, by) => {
                let by = format!("INTERVAL {by} MONTH");
                format!("(date_trunc('{name}', {local} - {by}) + {by})::TIMESTAMP")
            }
        };
        match self.zone {
            Some(zone) => format!("(({start}) AT TIME ZONE '{zone}' AT TIME ZONE 'UTC')"),
            None => start,
        }
    }

    /// Seconds that no two starts are nearer than.
    fn least(&self) -> i64 {
        match self.kind {
            Kind::Seconds(width, _) if self.zone.is_none() => width / 2,
            _ => 3_600,
        }
    }
}

/// The conditions of WHERE, in both languages, and the bounds of time among them.
#[derive(Default)]
struct Conditions {
    flux: Vec<String>,
    sql: Vec<String>,
    first: Option<String>,
    last: Option<String>,
}

impl Conditions {
    fn random(r: &mut Random) -> Self {
        let mut out = Self::default();
        for _ in 0..r.below(3) {
            let (flux, sql) = match r.below(12) {
                0 => ("host = 'h1'", "host = 'h1'"),
                1 => ("host != 'h2'", "host <> 'h2'"),
                2 => ("host IN ('h0', 'h3', 'x')", "(host = 'h0' OR host = 'h3')"),
                3 => ("host =~ /^h[0-2]$/", "regexp_matches(host, '^h[0-2]$')"),
                4 => ("host !~ /[13]/", "NOT regexp_matches(host, '[13]')"),
                5 => ("region =~ /u/", "region LIKE '%u%'"),
                6 => ("region IS NULL", "region IS NULL"),
                7 => ("a > 7.5", "a > 7.5"),
                8 => ("n BETWEEN 100 AND 800", "n >= 100 AND n <= 800"),
                9 => ("NOT b", "b = false"),
                10 => ("(host = 'h4' OR n > 300)", "(host = 'h4' OR n > 300)"),
                _ => ("u != 5", "u <> 5"),
            };
            out.flux.push(flux.into());
            out.sql.push(sql.into());
        }
        if r.chance(60) {
            let from = FROM + r.below((DAYS * DAY) as u64) as i64 / 60 * 60;
            let to = from + [3_600, DAY, 5 * DAY, 20 * DAY][r.below(4) as usize] + r.below(7_200) as i64;
            if r.chance(80) {
                let (op, add) = if r.chance(70) { (">=", 0) } else { (">", 1) };
                out.flux.push(format!("time {op} {}", spelled(r, from)));
                out.sql.push(format!("time {op} {}", timestamp(from)));
                out.first = Some(format!("({} + INTERVAL {add} MICROSECOND)", timestamp(from)));
            }
            if r.chance(80) {
                let (op, add) = if r.chance(70) { ("<", -1) } else { ("<=", 0) };
                out.flux.push(if r.chance(20) {
                    format!("{} {} time", spelled(r, to), if op == "<" { ">" } else { ">=" })
                } else {
                    format!("time {op} {}", spelled(r, to))
                });
                out.sql.push(format!("time {op} {}", timestamp(to)));
                out.last = Some(format!("({} + INTERVAL ({add}) MICROSECOND)", timestamp(to)));
            }
        }
        out
    }

    fn clause(list: &[String]) -> String {
        if list.is_empty() { String::new() } else { format!(" WHERE {}", list.join(" AND ")) }
    }
}

fn civil(seconds: i64, separator: char) -> String {
    let (days, of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (mut year, mut day) = (1970, days);
    let is_leap = |y: i64| y % 4 == 0;
    while day >= 365 + i64::from(is_leap(year)) {
        day -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let mut month = 0;
    let lengths = [31, 28 + i64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year}-{:02}-{:02}{separator}{hour:02}:{minute:02}:{second:02}", month + 1, day + 1)
}

fn timestamp(seconds: i64) -> String {
    format!("TIMESTAMP '{}'", civil(seconds, ' '))
}

/// A time in one of the spellings that it is compared with.
fn spelled(r: &mut Random, seconds: i64) -> String {
    match r.below(8) {
        0 => format!("'{}'", civil(seconds, ' ')),
        1 => format!("'{}Z'", civil(seconds, 'T')),
        2 => format!("'{}+02:00'", civil(seconds + 7_200, 'T')),
        3 => format!("{seconds}000000000"),
        4 => format!("{seconds}s"),
        5 => format!("'{}Z' - 1h30m", civil(seconds + 5_400, 'T')),
        6 => format!("{}000000000 + 1d", seconds - DAY),
        _ => timestamp(seconds),
    }
}

/// An aggregate in both languages.
fn aggregate(r: &mut Random) -> (&'static str, &'static str) {
    [
        ("mean(a)", "avg(a)"),
        ("avg(n)", "sum(n) / count(n)"),
        ("sum(a)", "sum(a)"),
        ("sum(n)", "sum(n)"),
        ("count(a)", "count(a)"),
        ("count(*)", "count(*)"),
        ("count(distinct(n))", "count(DISTINCT n)"),
        ("min(a)", "min(a)"),
        ("max(n)", "max(n)"),
        ("max(u)", "max(u)"),
        ("first(n)", "arg_min(n, time)"),
        ("last(a)", "arg_max(a, time)"),
        ("last(b)", "arg_max(b, time)"),
        ("stddev(n)", "stddev_samp(n)"),
        ("median(a)", "quantile_cont(a, 0.5)"),
        ("percentile(n, 90)", "quantile_cont(n, 0.9)"),
        ("spread(u)", "max(u) - min(u)"),
        ("max(host)", "max(host)"),
    ][r.below(18) as usize]
}

/// One that yields a number.
fn number(r: &mut Random) -> (&'static str, &'static str) {
    loop {
        let found = aggregate(r);
        if !matches!(found.0, "last(b)" | "max(host)") {
            return found;
        }
    }
}

const KEYS: &[&[&str]] = &[&[], &["host"], &["region"], &["host", "region"]];

/// A query by chance.
pub fn random(r: &mut Random) -> Twins {
    match r.below(16) {
        0..=4 => buckets(r),
        5..=7 => over_buckets(r),
        8..=10 => over_rows(r),
        11 => ranks(r),
        12 => groups(r),
        13 => newest(r),
        14 => nested(r),
        _ => integral(r),
    }
}

fn keys_of(r: &mut Random) -> (&'static [&'static str], String) {
    let keys = KEYS[r.below(4) as usize];
    let flux = match keys {
        [] => String::new(),
        ["host", "region"] if r.chance(50) => " GROUP BY *".into(),
        keys => format!(" GROUP BY {}", keys.join(", ")),
    };
    (keys, flux)
}

/// `, a, b` of names.
fn behind(names: &[&str]) -> String {
    names.iter().fold(String::new(), |mut out, n| {
        let _ = write!(out, ", {n}");
        out
    })
}

fn ordered(first: &[&str]) -> String {
    format!(" ORDER BY {}", first.join(" NULLS LAST, ") + " NULLS LAST")
}

/// Groups of buckets, without gaps perhaps, as a relation with `t`, the keys and `x0`, `x1`, …
struct Grouped {
    flux_tail: String,
    sql: String,
    keys: &'static [&'static str],
}

fn grouped(r: &mut Random, values: &[(&str, &str)], can_fill: bool) -> Grouped {
    let buckets = Buckets::random(r);
    let conditions = Conditions::random(r);
    let (keys, group_by) = keys_of(r);
    let fill = if can_fill { r.pick(&["", "", "null", "none", "previous", "linear", "7"]) } else { "" };
    // A line is drawn between numbers that are not rounded.
    let fill = if fill == "linear"
        && values.iter().any(|(flux, _)| !flux.ends_with("(a)") || flux.starts_with("count"))
        || fill == "7" && values.iter().any(|(flux, _)| matches!(*flux, "last(b)" | "max(host)"))
    {
        "previous"
    } else {
        fill
    };
    let fill_text = if fill.is_empty() { String::new() } else { format!(" FILL({fill})") };
    let flux_tail =
        format!("{}{group_by} EVERY {}{fill_text}", Conditions::clause(&conditions.flux), buckets.flux);
    let xs: Vec<String> = (0..values.len()).map(|i| format!("x{i}")).collect();
    let xs: Vec<&str> = xs.iter().map(String::as_str).collect();
    let mut of = String::new();
    for ((_, sql), x) in values.iter().zip(&xs) {
        let _ = write!(of, ", {sql} AS {x}");
    }
    let all_keys = behind(keys);
    let groups = format!(
        "SELECT {} AS t{all_keys}{of} FROM m{} GROUP BY t{all_keys}",
        buckets.start("time"),
        Conditions::clause(&conditions.sql)
    );
    if matches!(fill, "" | "none") {
        return Grouped { flux_tail, sql: groups, keys };
    }
    let first = conditions.first.unwrap_or_else(|| "(SELECT min(t) FROM g)".into());
    let last = conditions.last.unwrap_or_else(|| "(SELECT max(t) FROM g)".into());
    // The end may lie in a bucket that no step comes to.
    let end = buckets.start(&last);
    let times = format!(
        "SELECT DISTINCT t FROM (SELECT {} AS t FROM generate_series({first}, {last}, INTERVAL {} SECOND) s(x) \
         UNION ALL SELECT {end} WHERE {} <= {end})",
        buckets.start("x"),
        buckets.least(),
        buckets.start(&first),
    );
    let series = if keys.is_empty() {
        "SELECT 1 AS one FROM g LIMIT 1".into()
    } else {
        format!("SELECT DISTINCT {} FROM g", keys.join(", "))
    };
    let mut on = String::from("g.t = times.t");
    for key in keys {
        let _ = write!(on, " AND g.{key} IS NOT DISTINCT FROM series.{key}");
    }
    let of_series = keys.iter().fold(String::new(), |out, k| format!("{out}, series.{k}"));
    let whole =
        format!("SELECT times.t{of_series}{} FROM times CROSS JOIN series LEFT JOIN g ON {on}", behind(&xs));
    let partition =
        if keys.is_empty() { String::new() } else { format!("PARTITION BY {} ", keys.join(", ")) };
    let over = |frame: &str| format!("OVER ({partition}ORDER BY t ROWS BETWEEN {frame})");
    let (before, after) =
        (over("UNBOUNDED PRECEDING AND CURRENT ROW"), over("CURRENT ROW AND UNBOUNDED FOLLOWING"));
    let filled: Vec<String> = xs
        .iter()
        .map(|x| match fill {
            "null" => (*x).to_owned(),
            "7" => format!("coalesce({x}, 7) AS {x}"),
            "previous" => format!("last_value({x} IGNORE NULLS) {before} AS {x}"),
            _ => {
                let known = format!("CASE WHEN {x} IS NOT NULL THEN epoch_us(t) END");
                format!(
                    "coalesce({x}, last_value({x} IGNORE NULLS) {before} + (first_value({x} IGNORE NULLS) {after} \
                     - last_value({x} IGNORE NULLS) {before}) * (epoch_us(t) - last_value({known} IGNORE NULLS) {before}) \
                     / (first_value({known} IGNORE NULLS) {after} - last_value({known} IGNORE NULLS) {before})) AS {x}"
                )
            }
        })
        .collect();
    let sql = format!(
        "WITH g AS ({groups}), times AS ({times}), series AS ({series}), whole AS ({whole}) \
         SELECT t{all_keys}, {} FROM whole",
        filled.join(", ")
    );
    Grouped { flux_tail, sql, keys }
}

fn buckets(r: &mut Random) -> Twins {
    let values: Vec<_> = (0..=r.below(3)).map(|_| aggregate(r)).collect();
    let of = grouped(r, &values, true);
    let list: Vec<&str> = values.iter().map(|(flux, _)| *flux).collect();
    let columns = [&["t"][..], of.keys].concat();
    let (mut flux_tail, mut sql_tail) = (String::new(), ordered(&columns));
    if of.keys.is_empty() && r.chance(30) {
        flux_tail.push_str(" ORDER BY time DESC LIMIT 5");
        sql_tail = " ORDER BY t DESC LIMIT 5".into();
    } else if r.chance(20) {
        flux_tail.push_str(" LIMIT 7 OFFSET 2");
        sql_tail.push_str(" LIMIT 7 OFFSET 2");
    }
    let xs: Vec<String> = (0..values.len()).map(|i| format!("x{i}")).collect();
    Twins {
        flux: format!("SELECT {} FROM m{}{flux_tail}", list.join(", "), of.flux_tail),
        sql: format!("SELECT {}, {} FROM ({}){sql_tail}", columns.join(", "), xs.join(", "), of.sql),
    }
}

/// A function over a series in both languages, of the value `x`, its time `t` and the window `w`. `EVERY` says the unit
/// of some.
fn function(r: &mut Random, value: &str) -> (String, String) {
    let passed = "(epoch_us(t) - epoch_us(lag(t) OVER w))";
    // Of unsigned numbers too.
    let change = "(x::DOUBLE - lag(x) OVER w)";
    let not_negative = |of: &str| format!("CASE WHEN {of} >= 0 THEN {of} END");
    match r.below(8) {
        0 => (format!("difference({value})"), change.into()),
        1 => (format!("non_negative_difference({value})"), not_negative(change)),
        2 => (format!("derivative({value}, 1m)"), format!("{change} / ({passed} / 60e6)")),
        3 => (
            format!("non_negative_derivative({value}, 1h)"),
            not_negative(&format!("{change} / ({passed} / 3600e6)")),
        ),
        4 => (
            format!("rate({value}, 1s)"),
            format!("CASE WHEN x < lag(x) OVER w THEN x ELSE {change} END / ({passed} / 1e6)"),
        ),
        5 => (format!("elapsed({value}, 1s)"), format!("{passed} // 1000000")),
        6 => (
            format!("cumulative_sum({value})"),
            "sum(x) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)".into(),
        ),
        _ => (
            format!("moving_average({value}, 3)"),
            "CASE WHEN row_number() OVER w >= 3 THEN (x + lag(x) OVER w + lag(x, 2) OVER w) / 3 END".into(),
        ),
    }
}

/// The rows of `base`, which has `t`, the keys and `x`, with a function over each series, where there is a value.
fn with_function(base: &str, keys: &[&str], function: &str) -> String {
    let partition =
        if keys.is_empty() { String::new() } else { format!("PARTITION BY {} ", keys.join(", ")) };
    let keys = behind(keys);
    format!(
        "SELECT t{keys}, y FROM (SELECT t{keys}, {function} AS y FROM ({base}) WHERE x IS NOT NULL \
         WINDOW w AS ({partition}ORDER BY t)) WHERE y IS NOT NULL"
    )
}

fn over_buckets(r: &mut Random) -> Twins {
    let value = number(r);
    let of = grouped(r, &[value], true);
    let (flux, sql) = function(r, value.0);
    let base = format!("SELECT t{}, x0 AS x FROM ({})", behind(of.keys), of.sql);
    Twins {
        flux: format!("SELECT {flux} FROM m{}", of.flux_tail),
        sql: with_function(&base, of.keys, &sql) + &ordered(&[&["t"][..], of.keys].concat()),
    }
}

/// The rows of one field, those that have it if `known`, with `t`, the keys and `x`.
fn rows_of(r: &mut Random, known: bool) -> (&'static str, &'static [&'static str], String, String) {
    let field = r.pick(&["a", "n", "u"]);
    let mut conditions = Conditions::random(r);
    if known {
        conditions.flux.push(format!("{field} IS NOT NULL"));
        conditions.sql.push(format!("{field} IS NOT NULL"));
    }
    let (keys, group_by) = keys_of(r);
    let base = format!(
        "SELECT time AS t{}, {field} AS x FROM m{}",
        behind(keys),
        Conditions::clause(&conditions.sql)
    );
    (field, keys, format!("{}{group_by}", Conditions::clause(&conditions.flux)), base)
}

fn over_rows(r: &mut Random) -> Twins {
    let (field, keys, tail, base) = rows_of(r, false);
    let (flux, sql) = function(r, field);
    Twins {
        flux: format!("SELECT {flux} FROM m{tail}"),
        sql: with_function(&base, keys, &sql) + &ordered(&[keys, &["t"][..]].concat()),
    }
}

fn ranks(r: &mut Random) -> Twins {
    let (field, keys, tail, base) = rows_of(r, false);
    let (name, order) = if r.chance(50) { ("top", "DESC") } else { ("bottom", "ASC") };
    let n = 1 + r.below(4);
    let (every, bucket) = if r.chance(50) {
        let buckets = Buckets::random(r);
        (format!(" EVERY {}", buckets.flux), Some(buckets.start("t")))
    } else {
        (String::new(), None)
    };
    let mut by: Vec<&str> = keys.to_vec();
    by.extend(bucket.as_deref());
    let partition = if by.is_empty() { String::new() } else { format!("PARTITION BY {} ", by.join(", ")) };
    Twins {
        flux: format!("SELECT {name}({field}, {n}) FROM m{tail}{every}"),
        sql: format!(
            "SELECT t{}, x FROM ({base}) WHERE x IS NOT NULL \
             QUALIFY row_number() OVER ({partition}ORDER BY x {order}, t) <= {n}{}",
            behind(keys),
            ordered(&[keys, &["t"][..]].concat())
        ),
    }
}

fn groups(r: &mut Random) -> Twins {
    let values: Vec<_> = (0..=r.below(4)).map(|_| aggregate(r)).collect();
    let conditions = Conditions::random(r);
    let keys = KEYS[r.below(4) as usize];
    let list = |of: fn(&(&'static str, &'static str)) -> &'static str| {
        keys.iter().copied().chain(values.iter().map(of)).collect::<Vec<_>>().join(", ")
    };
    let tail = if keys.is_empty() {
        String::new()
    } else {
        format!(" GROUP BY {}{}", keys.join(", "), ordered(keys))
    };
    Twins {
        flux: format!("SELECT {} FROM m{}{tail}", list(|v| v.0), Conditions::clause(&conditions.flux)),
        sql: format!("SELECT {} FROM m{}{tail}", list(|v| v.1), Conditions::clause(&conditions.sql)),
    }
}

fn newest(r: &mut Random) -> Twins {
    let conditions = Conditions::random(r);
    let (flux, sql) = (Conditions::clause(&conditions.flux), Conditions::clause(&conditions.sql));
    match r.below(3) {
        0 => Twins {
            flux: format!("SELECT last(*) FROM m{flux} GROUP BY host ORDER BY host"),
            sql: format!(
                "SELECT max(time), host, arg_max(a, time), arg_max(n, time), arg_max(u, time), arg_max(b, time) \
                 FROM m{sql} GROUP BY host ORDER BY host NULLS LAST"
            ),
        },
        1 => Twins {
            flux: format!(
                "SELECT host, region, time, a, n FROM m{flux} LATEST ON time PARTITION BY host, region ORDER BY 1, 2"
            ),
            sql: format!(
                "SELECT host, region, time, a, n FROM m{sql} \
                 QUALIFY row_number() OVER (PARTITION BY host, region ORDER BY time DESC) = 1 \
                 ORDER BY host NULLS LAST, region NULLS LAST"
            ),
        },
        _ => Twins {
            flux: format!("SELECT * FROM m{flux} GROUP BY host LIMIT 50"),
            sql: format!(
                "SELECT time, host, region, a, n, u, b FROM m{sql} ORDER BY host NULLS LAST, time LIMIT 50"
            ),
        },
    }
}

/// Buckets of buckets.
fn nested(r: &mut Random) -> Twins {
    let inner = number(r);
    let of = grouped(r, &[inner], true);
    let outer = Buckets::random(r);
    let keys = if r.chance(50) { of.keys } else { &[] };
    let group_by = if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", keys.join(", ")) };
    Twins {
        flux: format!(
            "SELECT max(x), count(x) FROM (SELECT {} AS x FROM m{}){group_by} EVERY {}",
            inner.0, of.flux_tail, outer.flux
        ),
        sql: format!(
            "SELECT s{keys}, max(x0), count(x0) FROM (SELECT {} AS s, * FROM ({})) GROUP BY s{keys}{}",
            outer.start("t"),
            of.sql,
            ordered(&[&["s"][..], keys].concat()),
            keys = behind(keys)
        ),
    }
}

/// The area under a series: of each line between neighbours that up to the end of the bucket of the first, and the rest.
fn integral(r: &mut Random) -> Twins {
    let (field, keys, tail, base) = rows_of(r, true);
    let width = [900, 3_600, 21_600, DAY][r.below(4) as usize];
    let (text, micros) = (format!("{width}s"), width * MICROS);
    let partition =
        if keys.is_empty() { String::new() } else { format!("PARTITION BY {} ", keys.join(", ")) };
    let named = behind(keys);
    let points = format!(
        "SELECT epoch_us(t) AS t{named}, x::DOUBLE AS x, lead(epoch_us(t)) OVER w AS u, lead(x::DOUBLE) OVER w AS y, \
         epoch_us(t) // {micros} AS b, lead(epoch_us(t)) OVER w // {micros} AS c FROM ({base}) WHERE x IS NOT NULL \
         WINDOW w AS ({partition}ORDER BY t)"
    );
    let cut = format!("(x + (y - x) * ((b + 1) * {micros} - t) / (u - t))");
    Twins {
        flux: format!("SELECT integral({field}, 1m) FROM m{tail} EVERY {text}"),
        sql: format!(
            "SELECT make_timestamp(b * {micros}) AS s{named}, sum(area) / 60e6 FROM (\
             SELECT b{named}, CASE WHEN u IS NULL THEN 0 WHEN b = c THEN (x + y) / 2 * (u - t) \
             ELSE (x + {cut}) / 2 * ((b + 1) * {micros} - t) END AS area FROM p \
             UNION ALL SELECT c{named}, ({cut} + y) / 2 * (u - (b + 1) * {micros}) FROM p WHERE c > b) \
             GROUP BY b{named}{}",
            ordered(&[&["s"][..], keys].concat())
        )
        .replacen("SELECT", &format!("WITH p AS ({points}) SELECT"), 1),
    }
}
