//! InfluxDB's line protocol: `measurement,tag=value field=1.5,other=2i 1700000000000000000`.
//!
//! One point a line. A blank line and one that begins with `#` are skipped. The part before the first blank
//! names the series; `\` keeps a comma, a blank or an equals sign from ending a name. Values are floats (`1`,
//! `2.5e3`), integers (`1i`), unsigned integers (`1u`), booleans (`t`, `TRUE`, …) and text in double quotes,
//! which may hold line breaks. Source: the line protocol reference of InfluxDB 1.8 and 2.

use std::borrow::Cow;

/// A line cut into its parts, none of them yet decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Measurement and tags, as written.
    pub series: &'a [u8],
    /// Fields, as written.
    pub fields: &'a [u8],
    /// The time, if there is one.
    pub time: Option<i64>,
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldText<'a> {
    /// `1.5`
    Float(f64),
    /// `1i`
    Int(i64),
    /// `1u`
    UInt(u64),
    /// `true`
    Bool(bool),
    /// What stands between the quotes, escapes and all.
    Text(&'a [u8]),
}

/// What is wrong with a line.
pub type LineError = String;

/// The length of the line at the start of `bytes`, without its line break, and how many line breaks it has within;
/// `None` if its end is not there. A line break inside quotes is part of a value, but only behind the series.
pub fn line_length(bytes: &[u8]) -> Option<(usize, u64)> {
    // Quotes are rare: a line without them ends at its line break.
    let end = memchr::memchr(b'\n', bytes)?;
    if memchr::memchr(b'"', &bytes[..end]).is_none() || bytes.first() == Some(&b'#') {
        return Some((end, 0));
    }
    let mut at = series_length(&bytes[..end]);
    let (mut quoted, mut breaks) = (false, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quoted => {
                breaks += u64::from(bytes.get(at + 1) == Some(&b'\n'));
                at += 1;
            }
            b'"' => quoted = !quoted,
            b'\n' if !quoted => return Some((at, breaks)),
            b'\n' => breaks += 1,
            _ => {}
        }
        at += 1;
    }
    None
}

/// Up to the first blank that no `\` stands before.
fn series_length(line: &[u8]) -> usize {
    let mut from = 0;
    while let Some(found) = memchr::memchr(b' ', &line[from..]) {
        let at = from + found;
        if at == 0 || line[at - 1] != b'\\' {
            return at;
        }
        from = at + 1;
    }
    line.len()
}

/// Cuts a line into its parts. `None` for a line that says nothing.
///
/// # Errors
/// There are no fields, or what is behind them is no time.
pub fn parse_line(line: &[u8]) -> Result<Option<Line<'_>>, LineError> {
    let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii();
    if line.is_empty() || line[0] == b'#' {
        return Ok(None);
    }
    let length = series_length(line);
    let (series, rest) = line.split_at(length);
    let rest = rest.trim_ascii_start();
    if rest.is_empty() {
        return Err("it has no fields".into());
    }
    let at = fields_length(rest)?;
    let (fields, time) = rest.split_at(at.min(rest.len()));
    let time = time.trim_ascii();
    let time = match time {
        b"" => None,
        digits => Some(parse_int(digits).ok_or_else(|| format!("\"{}\" is no time", show(digits)))?),
    };
    Ok(Some(Line { series, fields, time }))
}

/// Up to the first blank that is not quoted, and that no `\` stands before.
fn fields_length(rest: &[u8]) -> Result<usize, LineError> {
    let plain = memchr::memchr3(b' ', b'"', b'\\', rest);
    let Some(mut at) = plain else { return Ok(rest.len()) };
    let mut quoted = false;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 1,
            b'"' => quoted = !quoted,
            b' ' if !quoted => break,
            _ => {}
        }
        at += 1;
    }
    if quoted { Err("a text is not closed by a quote".into()) } else { Ok(at) }
}

/// The measurement of a series and its tags, decoded.
///
/// # Errors
/// A name is empty or not UTF-8, or a tag has no value.
pub fn parse_series(series: &[u8]) -> Result<(String, Vec<(String, String)>), LineError> {
    let mut parts = split_escaped(series, b',');
    let measurement = unescape(parts.next().unwrap_or_default(), b", ")?;
    if measurement.is_empty() {
        return Err("the measurement has no name".into());
    }
    let mut tags = vec![];
    for part in parts {
        let at =
            find_escaped(part, b'=').ok_or_else(|| format!("the tag \"{}\" has no value", show(part)))?;
        let (key, value) = (unescape(&part[..at], b",= ")?, unescape(&part[at + 1..], b",= ")?);
        if key.is_empty() {
            return Err("a tag has no name".into());
        }
        if value.is_empty() {
            return Err(format!("the tag \"{key}\" has no value"));
        }
        if find_escaped(&part[at + 1..], b'=').is_some() {
            return Err(format!("the value of the tag \"{key}\" has a = without \\ before it"));
        }
        tags.push((key.into_owned(), value.into_owned()));
    }
    Ok((measurement.into_owned(), tags))
}

/// Yields the fields of a line: names as written, and values.
pub fn fields(fields: &[u8]) -> Fields<'_> {
    Fields { rest: Some(fields) }
}

/// The fields of a line.
pub struct Fields<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(&'a [u8], FieldText<'a>), LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        Some(self.field(rest))
    }
}

impl<'a> Fields<'a> {
    /// The value of the next field, if it is a float of few digits of a field that is called so, without escapes: what
    /// most are. Else nothing is taken.
    pub fn take_float(&mut self, name: &[u8]) -> Option<f64> {
        let [b'=', text @ ..] = self.rest?.strip_prefix(name)? else { return None };
        let (value, length) = short_decimal(text)?;
        self.rest = match &text[length..] {
            [] => None,
            [b',', more @ ..] if !more.is_empty() => Some(more),
            _ => return None,
        };
        Some(value)
    }

    fn field(&mut self, bytes: &'a [u8]) -> Result<(&'a [u8], FieldText<'a>), LineError> {
        let at =
            find_escaped(bytes, b'=').ok_or_else(|| format!("the field \"{}\" has no value", show(bytes)))?;
        let (key, value) = (&bytes[..at], &bytes[at + 1..]);
        if key.is_empty() || key[0] == b',' {
            return Err("a field has no name".into());
        }
        if let Some(comma) = find_escaped(key, b',') {
            return Err(format!("the field \"{}\" has no value", show(&key[..comma])));
        }
        let end = if value.first() == Some(&b'"') {
            let mut at = 1;
            while at < value.len() && value[at] != b'"' {
                at += if value[at] == b'\\' { 2 } else { 1 };
            }
            at + 1
        } else {
            memchr::memchr(b',', value).unwrap_or(value.len())
        };
        let (text, behind) = value.split_at(end.min(value.len()));
        match behind {
            [] => {}
            [b',', more @ ..] if !more.is_empty() => self.rest = Some(more),
            [b','] => return Err("a field has no name".into()),
            _ => return Err(format!("the field \"{}\" goes on behind its value", show(key))),
        }
        match parse_value(text) {
            Some(value) => Ok((key, value)),
            None if text.is_empty() => Err(format!("the field \"{}\" has no value", show(key))),
            None => Err(format!("the field \"{}\" has the value {}, which is none", show(key), show(text))),
        }
    }
}

fn parse_value(text: &[u8]) -> Option<FieldText<'_>> {
    match text {
        [b'"', inner @ .., b'"'] => return Some(FieldText::Text(inner)),
        b"t" | b"T" | b"true" | b"True" | b"TRUE" => return Some(FieldText::Bool(true)),
        b"f" | b"F" | b"false" | b"False" | b"FALSE" => return Some(FieldText::Bool(false)),
        [digits @ .., b'i'] => return parse_int(digits).map(FieldText::Int),
        [digits @ .., b'u'] => return std::str::from_utf8(digits).ok()?.parse().ok().map(FieldText::UInt),
        _ => {}
    }
    // A float is made of these alone; so are no `nan` and `inf`.
    if text.is_empty() || !text.iter().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        return None;
    }
    let value: f64 = fast_float2::parse(text).ok()?;
    value.is_finite().then_some(FieldText::Float(value))
}

/// The number at the start of `text`, and its length, if it is a decimal of so few digits that its value is the quotient
/// of two floats that are exact, and so exactly rounded.
fn short_decimal(text: &[u8]) -> Option<(f64, usize)> {
    const DIGITS_MAX: usize = 15;
    const POWERS: [f64; DIGITS_MAX + 1] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let sign = usize::from(text.first() == Some(&b'-'));
    let (mut at, mut number, mut point) = (sign, 0_u64, None);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'0'..=b'9' => number = number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')),
            b'.' if point.is_none() => point = Some(at),
            b',' => break,
            _ => return None,
        }
        at += 1;
    }
    let (whole, decimals) = match point {
        Some(point) => (point - sign, at - point - 1),
        None => (at - sign, 0),
    };
    // Others are left to who knows them.
    if whole == 0 || (point.is_some() && decimals == 0) || whole + decimals > DIGITS_MAX {
        return None;
    }
    let value = number as f64 / POWERS[decimals];
    Some((if sign == 1 { -value } else { value }, at))
}

fn parse_int(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The first `wanted` that no `\` stands before.
fn find_escaped(bytes: &[u8], wanted: u8) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr(wanted, &bytes[from..])?;
        if at == 0 || bytes[at - 1] != b'\\' {
            return Some(at);
        }
        from = at + 1;
    }
}

fn split_escaped(bytes: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest.take()?;
        match find_escaped(bytes, separator) {
            Some(at) => {
                rest = Some(&bytes[at + 1..]);
                Some(&bytes[..at])
            }
            None => Some(bytes),
        }
    })
}

/// A name without the `\` before the bytes that need one. A `\` before anything else stands for itself.
///
/// # Errors
/// It is not UTF-8.
pub fn unescape<'a>(bytes: &'a [u8], escaped: &[u8]) -> Result<Cow<'a, str>, LineError> {
    let text = std::str::from_utf8(bytes).map_err(|_| format!("\"{}\" is not UTF-8", show(bytes)))?;
    if !bytes.contains(&b'\\') {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\'
            && let Some(next) = chars.peek()
            && next.is_ascii()
            && escaped.contains(&(*next as u8))
        {
            continue;
        }
        out.push(c);
    }
    Ok(Cow::Owned(out))
}

/// A text value without the `\` before quotes and before `\`.
///
/// # Errors
/// It is not UTF-8.
pub fn unescape_text(bytes: &[u8]) -> Result<Cow<'_, str>, LineError> {
    let text = std::str::from_utf8(bytes).map_err(|_| format!("\"{}\" is not UTF-8", show(bytes)))?;
    if !bytes.contains(&b'\\') {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.clone().next() {
                Some(next @ ('"' | '\\')) => {
                    out.push(next);
                    chars.next();
                }
                _ => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    Ok(Cow::Owned(out))
}

/// Bytes for a message: the first of them, control characters escaped.
fn show(bytes: &[u8]) -> String {
    const SHOWN: usize = 60;
    let cut = &bytes[..bytes.len().min(SHOWN)];
    let text: String = String::from_utf8_lossy(cut).chars().flat_map(char::escape_debug).collect();
    if bytes.len() > SHOWN { format!("{text}…") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(line: &str) -> Result<Vec<(String, String)>, LineError> {
        let line = parse_line(line.as_bytes())?.expect("a point");
        let (measurement, tags) = parse_series(line.series)?;
        let mut out = vec![("m".to_owned(), measurement)];
        out.extend(tags);
        for field in fields(line.fields) {
            let (key, value) = field?;
            let value = match value {
                FieldText::Text(t) => format!("{:?}", unescape_text(t)?),
                other => format!("{other:?}"),
            };
            out.push((unescape(key, b",= ")?.into_owned(), value));
        }
        out.push(("time".into(), format!("{:?}", line.time)));
        Ok(out)
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    proptest::proptest! {
        #[test]
        fn short_decimals_are_what_they_are(
            (whole, more, sign) in ("[0-9]{0,17}", "(\\.[0-9]{0,16})?", "-?"), rest in "(,a=1|,|e5|i|\\.|)",
        ) {
            let text = format!("v={sign}{whole}{more}{rest}");
            let (mut quick, mut slow) = (fields(text.as_bytes()), fields(text.as_bytes()));
            let Some(value) = quick.take_float(b"v") else {
                let same = (quick.next(), slow.next());
                proptest::prop_assert_eq!(same.0, same.1);
                return Ok(());
            };
            let expected = format!("{sign}{whole}{more}").parse::<f64>().unwrap();
            proptest::prop_assert_eq!(value.to_bits(), expected.to_bits());
            proptest::prop_assert_eq!(slow.next(), Some(Ok((&b"v"[..], FieldText::Float(value)))));
            proptest::prop_assert_eq!(quick.next(), slow.next());
        }
    }

    #[test]
    fn floats_are_taken_by_their_name() {
        let taken = |text: &str, name: &str| fields(text.as_bytes()).take_float(name.as_bytes());
        assert_eq!(taken("usage=1.25", "usage"), Some(1.25));
        assert_eq!(taken("usage=-0,b=1", "usage").map(f64::to_bits), Some((-0.0_f64).to_bits()));
        for text in [
            "usag=1",
            "usage2=1",
            "usage",
            "usage=",
            "usage=1i",
            "usage=-",
            "usage=.5",
            "usage=1,",
            "usage=\"1\"",
        ] {
            assert_eq!(taken(text, "usage"), None, "{text}");
        }
    }

    #[test]
    fn all_types_and_escapes() {
        let line = r#"my\ m\,x,host=web\ 1,a\=b=c\,d f=1.5,i=-2i,u=3u,b=T,s="say \"hi\", a=b \n" 17"#;
        let expected = pairs(&[
            ("m", "my m,x"),
            ("host", "web 1"),
            ("a=b", "c,d"),
            ("f", "Float(1.5)"),
            ("i", "Int(-2)"),
            ("u", "UInt(3)"),
            ("b", "Bool(true)"),
            ("s", r#""say \"hi\", a=b \\n""#),
            ("time", "Some(17)"),
        ]);
        assert_eq!(all(line).unwrap(), expected);
        assert_eq!(all("m v=1").unwrap(), pairs(&[("m", "m"), ("v", "Float(1.0)"), ("time", "None")]));
        assert_eq!(parse_line(b"# no point").unwrap(), None);
        assert_eq!(parse_line(b"  \r").unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, why) in [
            ("m", "no fields"),
            ("m,host v=1", "tag \"host\" has no value"),
            ("m,host= v=1", "tag \"host\" has no value"),
            (",host=a v=1", "measurement has no name"),
            ("m v", "field \"v\" has no value"),
            ("m v=", "field \"v\" has no value"),
            ("m v=,w=1", "field \"v\" has no value"),
            ("m v=nan", "field \"v\" has the value nan"),
            ("m v=1e999", "field \"v\" has the value"),
            ("m v=99999999999999999999i", "field \"v\" has the value"),
            ("m v=\"open 1", "not closed"),
            ("m v=1,", "no name"),
            ("m v=1,,w=2", "no name"),
            ("m v=1,u,w=2", "field \"u\" has no value"),
            ("m,a=b=c v=1", "tag \"a\" has a ="),
            ("m,,a=b v=1", "tag \"\" has no value"),
            ("m v=1 noon", "\"noon\" is no time"),
            ("m v=\"a\"b 1", "goes on behind"),
        ] {
            let error = all(line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }

    #[test]
    fn a_line_ends_outside_quotes() {
        assert_eq!(line_length(b"m v=1\nm v=2"), Some((5, 0)));
        assert_eq!(line_length(b"m v=\"a\nb\" 1\n"), Some((11, 1)));
        assert_eq!(line_length(b"m,t=a\"b v=1\nx"), Some((11, 0)));
        assert_eq!(line_length(b"m v=\"a\\\n\n\\\"\" 1\nx"), Some((14, 2)));
        assert_eq!(line_length(b"m v=1"), None);
    }
}
