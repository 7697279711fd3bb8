//! `format('{} {:.2f}', …)` and `printf('%d %s', …)`.

use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};

use super::char_count;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::cast::text::write_value;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::ScalarKernel;
use crate::exec::functions::registry::{CallSite, P, R, Registry, def};
use crate::exec::functions::room::{MAX_TEXT, Texts};

/// How one value is to be shown.
#[derive(Default, Clone)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    /// Between groups of three digits.
    thousands: Option<char>,
    kind: Option<char>,
    /// It is one of `printf`.
    is_c: bool,
    /// It says something about a sign, or what only a number has.
    is_numeric: bool,
}

/// No wider and no more digits than this.
const LIMIT: usize = 100_000;

fn bad(message: impl Into<String>) -> ExecError {
    ExecError::InvalidInput(message.into())
}

/// One argument.
struct Arg {
    value: Scalar,
    text: String,
    is_float: bool,
    /// An integer, whose digits are those of `text`: `UHUGEINT` has no other form.
    is_integer: bool,
}

impl Arg {
    /// How messages call its type.
    fn kind(&self) -> &'static str {
        match &self.value {
            _ if self.is_float => "float",
            _ if self.is_integer => "int",
            Scalar::Boolean(_) => "int",
            _ => "string",
        }
    }

    fn mismatch(&self, specifier: char) -> ExecError {
        bad(format!("Invalid type specifier \"{specifier}\" for formatting a value of type {}", self.kind()))
    }
}

/// The arguments, taken in turn or by their numbers; a format does one or the other.
struct Taken<'a> {
    args: &'a [Arg],
    next: usize,
    numbered: bool,
}

impl<'a> Taken<'a> {
    fn of(args: &'a [Arg]) -> Self {
        Self { args, next: 0, numbered: false }
    }

    fn take(&mut self, number: Option<usize>) -> Result<&'a Arg> {
        let at = match number {
            Some(_) if self.next > 0 => {
                return Err(bad("cannot switch from automatic to manual argument indexing"));
            }
            Some(n) => {
                self.numbered = true;
                n
            }
            None if self.numbered => {
                return Err(bad("cannot switch from manual to automatic argument indexing"));
            }
            None => {
                self.next += 1;
                self.next - 1
            }
        };
        self.args.get(at).ok_or_else(|| bad(format!("Argument index \"{at}\" out of range")))
    }

    /// A width or a precision that an argument gives.
    fn size(&mut self, number: Option<usize>) -> Result<usize> {
        match self.take(number)?.value {
            Scalar::Int(n) if n < 0 => Err(bad("negative width or precision")),
            Scalar::Int(n) if n > LIMIT as i128 => Err(bad("number is too big in format")),
            Scalar::Int(n) => Ok(n as usize),
            _ => Err(bad("a width or precision is not an integer")),
        }
    }
}

fn group_digits(digits: &str, separator: char, out: &mut String) {
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(separator);
        }
        out.push(c);
    }
}

impl Spec {
    /// Refuses what a value of that type cannot be shown as.
    fn check(&self, arg: &Arg) -> Result<()> {
        let (kind, is_boolean) = (arg.kind(), matches!(arg.value, Scalar::Boolean(_)));
        if !self.is_c {
            if kind == "string" && self.is_numeric {
                return Err(bad("format specifier requires numeric argument"));
            }
            if is_boolean && (self.plus || self.space) {
                return Err(bad("format specifier requires signed argument"));
            }
            if kind == "int" && self.precision.is_some() {
                return Err(bad("precision not allowed for this argument type"));
            }
        }
        let is_refused = match self.kind {
            Some('f' | 'F' | 'e' | 'E' | 'g' | 'G') => kind != "float",
            // With digits in groups a number is none but that.
            Some('s') => kind != "string" && self.thousands.is_none() && !(self.is_c && is_boolean),
            Some('c') => !self.is_c,
            _ => false,
        };
        if is_refused { Err(arg.mismatch(self.kind.unwrap_or('d'))) } else { Ok(()) }
    }
}

/// The sign, and the rest, of a number shown as the spec says.
fn number(arg: &Arg, spec: &Spec) -> Result<(bool, String)> {
    let as_float = || -> Result<f64> {
        match &arg.value {
            Scalar::Float(f) => Ok(*f),
            _ => arg.text.parse().map_err(|_| bad(format!("\"{}\" is no number", arg.text))),
        }
    };
    let as_int = || -> Result<i128> {
        match &arg.value {
            Scalar::Int(i) if !arg.is_float => Ok(*i),
            Scalar::Boolean(b) => Ok(i128::from(*b)),
            _ => Err(arg.mismatch(spec.kind.unwrap_or('d'))),
        }
    };
    let kind = spec.kind.filter(|k| *k != 's').unwrap_or(if arg.is_float { 'g' } else { 'd' });
    let mut out = String::new();
    Ok(match kind {
        'd' | 'i' | 'u' | 'n' | 'L' => {
            let (negative, digits) = if arg.is_integer {
                (arg.text.starts_with('-'), arg.text.trim_start_matches('-').to_owned())
            } else {
                let v = as_int()?;
                (v < 0, v.unsigned_abs().to_string())
            };
            match spec.thousands {
                Some(s) => group_digits(&digits, s, &mut out),
                None => out = digits,
            }
            (negative, at_least(out, spec.precision))
        }
        'x' | 'X' | 'o' | 'b' | 'B' => {
            let v = as_int()?;
            let (negative, magnitude) = (v < 0, v.unsigned_abs());
            let _ = match kind {
                'x' if spec.alternate => write!(out, "{magnitude:#x}"),
                'x' => write!(out, "{magnitude:x}"),
                'X' if spec.alternate => write!(out, "0X{magnitude:X}"),
                'X' => write!(out, "{magnitude:X}"),
                'o' if spec.alternate && magnitude != 0 => write!(out, "0{magnitude:o}"),
                'o' => write!(out, "{magnitude:o}"),
                _ if spec.alternate => write!(out, "{magnitude:#b}"),
                _ => write!(out, "{magnitude:b}"),
            };
            (negative, at_least(out, spec.precision))
        }
        'c' => {
            let v = as_int()?;
            let c = u32::try_from(v).ok().and_then(char::from_u32).ok_or_else(|| bad("no such character"))?;
            (false, c.to_string())
        }
        'f' | 'F' | 'e' | 'E' | 'g' | 'G' => {
            let v = as_float()?;
            let negative = v.is_sign_negative();
            let v = v.abs();
            if !v.is_finite() {
                return Ok((negative, if v.is_nan() { "nan".into() } else { "inf".into() }));
            }
            let text = match kind.to_ascii_lowercase() {
                'f' => format!("{v:.*}", spec.precision.unwrap_or(6)),
                'e' => scientific(v, spec.precision.unwrap_or(6)),
                _ if spec.kind.is_none() && spec.precision.is_none() => {
                    arg.text.trim_start_matches('-').to_owned()
                }
                // Without a type a float stays one that can be seen to be one.
                _ if spec.kind.is_none() => {
                    let text = general(v, spec.precision.unwrap_or(6));
                    if text.contains(['.', 'e']) { text } else { text + ".0" }
                }
                _ => general(v, spec.precision.unwrap_or(6)),
            };
            let text = if kind.is_ascii_uppercase() { text.to_uppercase() } else { text };
            match spec.thousands {
                Some(s) => {
                    let (whole, rest) = text.split_at(text.find(['.', 'e']).unwrap_or(text.len()));
                    group_digits(whole, s, &mut out);
                    // Who parts digits by points has another mark before decimals.
                    match rest.strip_prefix('.').filter(|_| s == '.') {
                        Some(decimals) => out.extend([",", decimals]),
                        None => out.push_str(rest),
                    }
                    (negative, out)
                }
                None => (negative, text),
            }
        }
        other => return Err(arg.mismatch(other)),
    })
}

/// Digits of an integer with zeros before them up to the precision.
fn at_least(digits: String, precision: Option<usize>) -> String {
    let missing = precision.unwrap_or(0).saturating_sub(digits.len());
    if missing == 0 { digits } else { "0".repeat(missing) + &digits }
}

/// `d.ddde+XX`.
fn scientific(v: f64, precision: usize) -> String {
    let text = format!("{v:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let e: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if e < 0 { '-' } else { '+' }, e.abs())
}

/// The shorter of fixed and scientific, with so many significant digits, without trailing zeros.
fn general(v: f64, precision: usize) -> String {
    let p = precision.max(1);
    let e = scientific(v, p - 1);
    let exponent: i32 = e.split_once('e').and_then(|(_, x)| x.parse().ok()).unwrap_or(0);
    let strip = |s: &str| {
        if s.contains('.') { s.trim_end_matches('0').trim_end_matches('.').to_owned() } else { s.to_owned() }
    };
    if exponent < -4 || exponent >= p as i32 {
        let (m, x) = e.split_once('e').unwrap_or((&e, ""));
        return format!("{}e{x}", strip(m));
    }
    strip(&format!("{v:.*}", (p as i32 - 1 - exponent).max(0) as usize))
}

/// Shows one value.
fn show(arg: &Arg, spec: &Spec, out: &mut String) -> Result<()> {
    spec.check(arg)?;
    let is_text = match spec.kind {
        Some('s') => spec.thousands.is_none() || arg.kind() == "string",
        Some(_) => false,
        None => !arg.is_integer && !matches!(arg.value, Scalar::Int(_) | Scalar::Float(_)),
    };
    let (sign, body) = if is_text {
        let body = match spec.precision {
            Some(p) => arg.text.chars().take(p).collect(),
            None => arg.text.clone(),
        };
        ("", body)
    } else {
        let (negative, body) = number(arg, spec)?;
        let sign = match (negative, spec.plus, spec.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        (sign, body)
    };
    let missing = spec.width.saturating_sub(char_count(&body) + sign.len());
    let fill = spec.fill.unwrap_or(' ');
    let pad = |n: usize, c: char, out: &mut String| out.extend(std::iter::repeat_n(c, n));
    let inside = spec.align == Some('=') || (spec.zero && spec.align.is_none());
    if inside && !is_text {
        out.push_str(sign);
        pad(missing, if spec.zero { '0' } else { fill }, out);
        out.push_str(&body);
        return Ok(());
    }
    let align = spec.align.unwrap_or(if is_text { '<' } else { '>' });
    let before = match align {
        '<' => 0,
        '^' => missing / 2,
        _ => missing,
    };
    pad(before, fill, out);
    out.push_str(sign);
    out.push_str(&body);
    pad(missing - before, fill, out);
    Ok(())
}

/// Reads a number at the front of the characters.
fn digits(chars: &mut Peekable<Chars<'_>>) -> Result<Option<usize>> {
    let mut n = None;
    while let Some(d) = chars.peek().and_then(|c| c.to_digit(10)) {
        chars.next();
        let v = n.unwrap_or(0usize) * 10 + d as usize;
        if v > LIMIT {
            return Err(bad("number is too big in format"));
        }
        n = Some(v);
    }
    Ok(n)
}

/// `,`, `_`, `'` or `t` and any character: what goes between groups of three digits.
fn thousands(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    let first = chars.peek().copied().filter(|c| matches!(c, ',' | '_' | '\'' | 't'))?;
    chars.next();
    if first == 't' { chars.next_if(|c| *c != '}') } else { Some(first) }
}

/// A number, or `{}` or `{1}` for one that an argument gives.
fn size(chars: &mut Peekable<Chars<'_>>, args: &mut Taken<'_>) -> Result<Option<usize>> {
    if chars.next_if_eq(&'{').is_none() {
        return digits(chars);
    }
    let number = digits(chars)?;
    if chars.next() != Some('}') {
        return Err(bad("invalid format string"));
    }
    args.size(number).map(Some)
}

/// What stands behind the colon of `{:…}`.
fn spec(chars: &mut Peekable<Chars<'_>>, args: &mut Taken<'_>) -> Result<Spec> {
    let is_align = |c: &char| matches!(c, '<' | '>' | '^' | '=');
    let mut spec = Spec::default();
    let mut ahead = chars.clone();
    let first = ahead.next();
    if let (Some(f), Some(a)) = (first, ahead.next().filter(is_align)) {
        spec.fill = Some(f);
        spec.align = Some(a);
        chars.next();
        chars.next();
    } else if let Some(a) = first.filter(is_align) {
        spec.align = Some(a);
        chars.next();
    }
    while let Some(f) = chars.next_if(|f| matches!(f, '+' | '-' | ' ' | '#')) {
        spec.plus |= f == '+';
        spec.space |= f == ' ';
        spec.alternate |= f == '#';
        spec.is_numeric = true;
    }
    spec.zero = chars.next_if_eq(&'0').is_some();
    spec.is_numeric |= spec.zero || spec.align == Some('=');
    spec.width = size(chars, args)?.unwrap_or(0);
    spec.thousands = thousands(chars);
    if chars.next_if_eq(&'.').is_some() {
        spec.precision = Some(size(chars, args)?.ok_or_else(|| bad("missing precision specifier"))?);
    }
    if spec.thousands.is_none() {
        spec.thousands = thousands(chars);
    }
    spec.kind = chars.next_if(|c| *c != '}');
    if chars.peek() != Some(&'}') {
        return Err(bad("missing '}' in format string"));
    }
    Ok(spec)
}

/// The style of `{}`.
fn format(pattern: &str, args: &[Arg], out: &mut String) -> Result<()> {
    let mut chars = pattern.chars().peekable();
    let mut args = Taken::of(args);
    while let Some(c) = chars.next() {
        match c {
            '{' if chars.next_if_eq(&'{').is_some() => out.push('{'),
            '}' => {
                if chars.next() != Some('}') {
                    return Err(bad("unmatched '}' in format string"));
                }
                out.push('}');
            }
            '{' => {
                let number = digits(&mut chars)?;
                if let Some(first) = chars.peek().filter(|c| c.is_alphabetic() || **c == '_')
                    && number.is_none()
                {
                    let mut name = String::from(*first);
                    name.extend(chars.skip(1).take_while(|c| c.is_alphanumeric() || *c == '_'));
                    return Err(bad(format!(
                        "Argument with name \"{name}\" not found, did you mean to use it as a format specifier \
                         (e.g. {{:{name}}}"
                    )));
                }
                let arg = args.take(number)?;
                let spec = match chars.next_if_eq(&':') {
                    Some(_) => spec(&mut chars, &mut args)?,
                    None => Spec::default(),
                };
                if chars.next() != Some('}') {
                    return Err(bad("invalid format string"));
                }
                show(arg, &spec, out)?;
            }
            c => out.push(c),
        }
        if out.len() > MAX_TEXT {
            return Err(bad("the text would be longer than 1 GiB"));
        }
    }
    Ok(())
}

/// The style of C.
fn printf(pattern: &str, args: &[Arg], out: &mut String) -> Result<()> {
    let mut chars = pattern.chars().peekable();
    let mut args = Taken::of(args);
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        // `%2$s` takes the second argument.
        let mut ahead = chars.clone();
        let number = match (digits(&mut ahead)?, ahead.next()) {
            (Some(n), Some('$')) => {
                chars = ahead;
                Some(n.checked_sub(1).ok_or_else(|| bad("invalid format string"))?)
            }
            _ => None,
        };
        let mut spec = Spec { is_c: true, ..Spec::default() };
        while let Some(f) = chars.next_if(|f| "+- #0,'_".contains(*f)) {
            match f {
                '+' => spec.plus = true,
                '-' => spec.align = Some('<'),
                ' ' => spec.space = true,
                '#' => spec.alternate = true,
                '0' => spec.zero = true,
                separator => spec.thousands = Some(separator),
            }
        }
        spec.width = match chars.next_if_eq(&'*') {
            Some(_) => args.size(None)?,
            None => digits(&mut chars)?.unwrap_or(0),
        };
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = match chars.next_if_eq(&'*') {
                Some(_) => Some(args.size(None)?),
                None => match digits(&mut chars)? {
                    // `%.d` groups digits by points.
                    None if spec.thousands.is_none() && chars.peek() == Some(&'d') => {
                        spec.thousands = Some('.');
                        None
                    }
                    digits => Some(digits.unwrap_or(0)),
                },
            };
        }
        while chars.next_if(|c| matches!(c, 'l' | 'h' | 'z' | 'j' | 't')).is_some() {}
        let arg = args.take(number)?;
        spec.kind = Some(chars.next().ok_or_else(|| bad("invalid format string"))?);
        if spec.align.is_none() && (spec.kind == Some('s') || !spec.zero) {
            spec.align = Some('>');
        }
        // As in C, what is shown without a sign has none.
        match (&arg.value, spec.kind) {
            (Scalar::Int(v @ -0x8000_0000_0000_0000..=-1), Some('u' | 'x' | 'X' | 'o')) => {
                let v = *v as i64 as u64;
                let value = Scalar::Int(v.into());
                show(&Arg { text: v.to_string(), value, is_float: false, is_integer: true }, &spec, out)?;
            }
            _ => show(arg, &spec, out)?,
        }
        if out.len() > MAX_TEXT {
            return Err(bad("the text would be longer than 1 GiB"));
        }
    }
    Ok(())
}

fn kernel(site: &CallSite<'_>, f: fn(&str, &[Arg], &mut String) -> Result<()>) -> ScalarKernel {
    let types: Vec<LogicalType> = site.types.to_vec();
    Box::new(move |args: &[ArrayRef], _, rows, context| {
        let mut out = Texts::new(rows, context);
        let mut buffer = String::new();
        let patterns = args[0].as_string_view();
        'rows: for row in 0..rows {
            let place = |a: &ArrayRef| if a.len() == rows { row } else { 0 };
            let mut values = Vec::with_capacity(args.len() - 1);
            if patterns.is_null(place(&args[0])) {
                out.push_null();
                continue;
            }
            for (a, ty) in args.iter().zip(&types).skip(1) {
                let value = Scalar::from_array(a, place(a), ty);
                if value.is_null() {
                    out.push_null();
                    continue 'rows;
                }
                let mut text = String::new();
                write_value(a, place(a), ty, &mut text)?;
                let is_float = ty.is_float() || matches!(ty, LogicalType::Decimal { .. });
                // What is a number in memory but not to the user is text.
                let value = match value {
                    Scalar::Int(_) if !ty.is_integer() && !is_float => Scalar::Text(text.as_str().into()),
                    other => other,
                };
                values.push(Arg {
                    value,
                    text,
                    is_float,
                    is_integer: ty.is_integer() || *ty == LogicalType::UHugeInt,
                });
            }
            buffer.clear();
            f(patterns.value(place(&args[0])), &values, &mut buffer)?;
            out.push(&buffer)?;
        }
        Ok(Arc::new(out.finish()))
    })
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    r.add(
        def(
            "format",
            "Text with values put in for {} or {:spec}",
            "format('Benchmark \"{}\" took {} seconds', 'CSV', 42)",
        )
        .variadic([P::T(T::Varchar)], P::Any, R::T(T::Varchar), |site| kernel(site, format)),
    );
    r.add(
        def(
            "printf",
            "Text with values put in for %d, %s, %5.2f",
            "printf('Benchmark \"%s\" took %d seconds', 'CSV', 42)",
        )
        .variadic([P::T(T::Varchar)], P::Any, R::T(T::Varchar), |site| kernel(site, printf)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(v: i64) -> Arg {
        Arg { value: Scalar::Int(v.into()), text: v.to_string(), is_float: false, is_integer: true }
    }

    fn float(v: f64) -> Arg {
        Arg { value: Scalar::Float(v), text: v.to_string(), is_float: true, is_integer: false }
    }

    fn text(v: &str) -> Arg {
        Arg { value: Scalar::text(v), text: v.into(), is_float: false, is_integer: false }
    }

    fn f(p: &str, args: &[Arg]) -> String {
        let mut out = String::new();
        format(p, args, &mut out).unwrap();
        out
    }

    fn p(p: &str, args: &[Arg]) -> String {
        let mut out = String::new();
        printf(p, args, &mut out).unwrap();
        out
    }

    #[test]
    fn formats() {
        assert_eq!(f("{} {}", &[text("a"), int(1)]), "a 1");
        assert_eq!(f("{1} {0}", &[text("a"), text("b")]), "b a");
        assert_eq!(f("{:,}", &[int(1_234_567)]), "1,234,567");
        assert_eq!(f("{:.2f}", &[float(3.14159)]), "3.14");
        assert_eq!(f("{:>5}|{:<5}|{:*^5}", &[text("a"), text("b"), text("c")]), "    a|b    |**c**");
        assert_eq!(f("{{{}}}", &[int(-5)]), "{-5}");
        assert_eq!(f("{:t|}|{:_d}|{:=5}", &[int(1234), int(5678), int(-1)]), "1|234|5_678|-   1");
        assert_eq!(f("{:{}}|", &[int(1), int(3)]), "  1|");
        assert_eq!(p("%2$s %1$s", &[text("a"), text("b")]), "b a");
        assert_eq!(p("%*d|%.*f|%.d", &[int(3), int(1), int(2), float(1.25), int(-1234)]), "  1|1.25|-1.234");
        assert_eq!(p("%x", &[int(-1)]), "ffffffffffffffff");
        assert_eq!(p("%.5d|%8.5d|%.5x", &[int(-42), int(-42), int(42)]), "-00042|  -00042|0002a");
        assert_eq!(p("%s %d %5.2f", &[text("a"), int(1), float(2.5)]), "a 1  2.50");
        assert_eq!(
            p("%05d|%,d|%x|%%|%-4d|%+d", &[int(42), int(1_234_567), int(255), int(7), int(7)]),
            "00042|1,234,567|ff|%|7   |+7"
        );
        assert_eq!(
            p("%e|%g|%g", &[float(12345.678), float(0.0001), float(1e20)]),
            "1.234568e+04|0.0001|1e+20"
        );
    }

    #[test]
    fn mistakes() {
        let mut out = String::new();
        assert!(format("{} {}", &[int(1)], &mut out).is_err());
        assert!(format("{", &[int(1)], &mut out).is_err());
        assert!(format("}", &[], &mut out).is_err());
        assert!(format("{:999999999}", &[int(1)], &mut out).is_err());
        assert!(printf("%", &[int(1)], &mut out).is_err());
        assert!(printf("%d", &[text("x")], &mut out).is_err());
        assert!(printf("%s", &[int(1)], &mut out).is_err());
        assert!(printf("%.2f", &[int(1)], &mut out).is_err());
        assert!(format("{:.2f}", &[int(1)], &mut out).is_err());
        assert!(format("{:.2}", &[int(1)], &mut out).is_err());
        assert!(format("{:c}", &[int(65)], &mut out).is_err());
        assert!(format("{:+}", &[text("x")], &mut out).is_err());
    }
}
