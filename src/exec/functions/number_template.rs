//! Numbers as text by a template such as PostgreSQL's, and back: `to_char` and `to_number`.

use std::fmt::Write;

use arrow_array::types::*;

use super::kernel::{Cache, Str, primitive, text};
use super::registry::{Registry, Resolution, def};
use super::{ArgInfo, ScalarKernel};
use crate::column::scalar::Scalar;
use crate::column::types::{DECIMAL_MAX_WIDTH, DECIMAL64_MAX_WIDTH, LogicalType as T};
use crate::exec::error::{ExecError, Result};

/// Digits of a template, in front of the point and behind it together.
const DIGITS_MAX: usize = 100;
/// The longest template, in bytes.
const TEMPLATE_MAX: usize = 1 << 12;

/// Where the sign is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// A minus or a blank before the first digit.
    Before,
    /// PR: brackets.
    Brackets,
    /// S: a plus or minus before the first digit.
    Signed,
    /// Pieces of the template say it.
    Pieces,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// A digit: a blank or nothing where the number has none, or, if `zero`, a zero.
    Digit {
        zero: bool,
    },
    Point,
    Group,
    /// S behind the digits, or SG: a plus or minus.
    PlusMinus,
    /// MI: a minus or a blank.
    Minus,
    /// PL: a plus or a blank.
    Plus,
    /// TH or th.
    Ordinal {
        upper: bool,
    },
    /// V: no point; digits behind it are those of a power of ten.
    Shift,
    Text(String),
}

/// A template.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Template {
    pieces: Vec<Piece>,
    sign: Sign,
    /// FM: nothing stands for what is not there.
    bare: bool,
    whole: usize,
    fraction: usize,
    shift: usize,
    /// RN or rn: in Roman numerals.
    roman: Option<bool>,
    /// EEEE: with an exponent.
    exponent: bool,
}

impl Template {
    /// Writes the sign where the template has this piece.
    fn put_sign(&mut self, piece: Piece) {
        self.sign = Sign::Pieces;
        self.pieces.push(piece);
    }
}

fn refused(what: impl Into<String>) -> ExecError {
    ExecError::InvalidInput(what.into())
}

fn parse(text: &str) -> Result<Template> {
    if text.len() > TEMPLATE_MAX {
        return Err(refused(format!("a template of numbers has at most {TEMPLATE_MAX} bytes")));
    }
    let mut t = Template {
        pieces: vec![],
        sign: Sign::Before,
        bare: false,
        whole: 0,
        fraction: 0,
        shift: 0,
        roman: None,
        exponent: false,
    };
    let (mut behind_point, mut shifted) = (false, false);
    let mut rest = text;
    let begins =
        |rest: &str, name: &str| rest.get(..name.len()).is_some_and(|h| h.eq_ignore_ascii_case(name));
    const WORDS: &[&str] = &["FM", "MI", "PL", "SG", "PR", "RN", "TH", "EEEE", "TM", "SP"];
    while let Some(c) = rest.chars().next() {
        if let Some(word) = WORDS.iter().find(|word| begins(rest, word)) {
            let upper = rest.starts_with(|c: char| c.is_ascii_uppercase());
            rest = &rest[word.len()..];
            match *word {
                "FM" => t.bare = true,
                "MI" => t.put_sign(Piece::Minus),
                "PL" => {
                    t.pieces.push(Piece::Plus);
                }
                "SG" => t.put_sign(Piece::PlusMinus),
                "PR" => t.sign = Sign::Brackets,
                "RN" => t.roman = Some(upper),
                "TH" => t.pieces.push(Piece::Ordinal { upper }),
                "EEEE" => t.exponent = true,
                other => {
                    return Err(refused(format!("\"{other}\" is not supported in a template of numbers")));
                }
            }
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '9' | '0' => {
                t.pieces.push(Piece::Digit { zero: c == '0' });
                if shifted {
                    t.shift += 1;
                } else if behind_point {
                    t.fraction += 1;
                } else {
                    t.whole += 1;
                }
            }
            '.' | 'D' | 'd' => {
                if behind_point {
                    return Err(refused("multiple decimal points"));
                }
                behind_point = true;
                t.pieces.push(Piece::Point);
            }
            ',' | 'G' | 'g' => t.pieces.push(Piece::Group),
            'S' | 's' if t.whole + t.fraction == 0 && t.sign == Sign::Before => t.sign = Sign::Signed,
            'S' | 's' => t.put_sign(Piece::PlusMinus),
            'V' | 'v' => {
                shifted = true;
                t.pieces.push(Piece::Shift);
            }
            'L' | 'l' => return Err(refused("\"L\" is not supported in a template of numbers")),
            '"' => {
                let (mut literal, mut chars) = (String::new(), rest.char_indices());
                let mut end = rest.len();
                while let Some((at, c)) = chars.next() {
                    match c {
                        '"' => {
                            end = at + 1;
                            break;
                        }
                        '\\' => literal.extend(chars.next().map(|(_, c)| c)),
                        c => literal.push(c),
                    }
                }
                rest = &rest[end..];
                t.pieces.push(Piece::Text(literal));
            }
            c => t.pieces.push(Piece::Text(c.to_string())),
        }
    }
    if t.whole + t.fraction + t.shift > DIGITS_MAX {
        return Err(refused(format!("a template of numbers has at most {DIGITS_MAX} digits")));
    }
    if behind_point && shifted {
        return Err(refused("cannot use \"V\" and decimal point together"));
    }
    Ok(t)
}

/// A number, by its digits.
struct Digits {
    negative: bool,
    /// In front of the point, without zeros at the front.
    whole: String,
    /// Behind the point, as many as the template wants.
    fraction: String,
}

/// What a template is filled with.
trait Number: Copy {
    /// As decimal text with so many digits behind the point, rounded half away from zero; `None` if it has none.
    fn fixed(self, fraction: usize, shift: usize) -> Option<String>;
    /// With one digit in front of the point, so many behind it, and an exponent.
    fn scientific(self, fraction: usize) -> Option<String>;
}

impl Number for f64 {
    fn fixed(self, fraction: usize, shift: usize) -> Option<String> {
        self.is_finite().then(|| format!("{:.fraction$}", self * 10_f64.powi(shift as i32)))
    }

    fn scientific(self, fraction: usize) -> Option<String> {
        self.is_finite().then(|| format!("{self:.fraction$e}"))
    }
}

/// A decimal.
#[derive(Clone, Copy)]
struct Decimal {
    value: i128,
    scale: u8,
}

impl Number for Decimal {
    fn fixed(self, fraction: usize, shift: usize) -> Option<String> {
        // The digits with the point moved to behind those that stay.
        let kept = fraction + shift;
        let mut digits = self.value.unsigned_abs().to_string();
        let scale = usize::from(self.scale);
        if scale > kept {
            let dropped = scale - kept;
            let unit = 10_u128.checked_pow(dropped as u32)?;
            let magnitude = self.value.unsigned_abs();
            digits = (magnitude / unit + u128::from(magnitude % unit >= unit / 2)).to_string();
        } else {
            digits.extend(std::iter::repeat_n('0', kept - scale));
        }
        while digits.len() <= fraction {
            digits.insert(0, '0');
        }
        let (whole, behind) = digits.split_at(digits.len() - fraction);
        let sign = if self.value < 0 { "-" } else { "" };
        Some(if fraction == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{behind}") })
    }

    fn scientific(self, fraction: usize) -> Option<String> {
        let value = self.value as f64 / 10_f64.powi(i32::from(self.scale));
        value.scientific(fraction)
    }
}

fn digits(number: &str) -> Digits {
    let (negative, rest) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let whole = whole.trim_start_matches('0').to_owned();
    let is_zero = whole.is_empty() && fraction.bytes().all(|b| b == b'0');
    Digits { negative: negative && !is_zero, whole, fraction: fraction.to_owned() }
}

fn roman(number: &str, upper: bool, bare: bool, out: &mut String) {
    const NUMERALS: [(i64, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let mut written = String::new();
    match number.parse::<i64>() {
        Ok(mut left @ 1..=3999) => {
            for (value, numeral) in NUMERALS {
                while left >= value {
                    written.push_str(numeral);
                    left -= value;
                }
            }
        }
        _ => written.push_str("###############"),
    }
    if !upper {
        written.make_ascii_lowercase();
    }
    let width = if bare { 0 } else { 15 };
    let _ = write!(out, "{written:>width$}");
}

/// Writes a number by a template.
fn write(t: &Template, number: impl Number, out: &mut String) -> Result<()> {
    if let Some(upper) = t.roman {
        let whole = number.fixed(0, 0).unwrap_or_default();
        roman(&whole, upper, t.bare, out);
        return Ok(());
    }
    if t.exponent {
        let text = number.scientific(t.fraction).unwrap_or_else(|| "#".repeat(t.whole + t.fraction));
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let blank = if digits.starts_with('-') || t.bare { "" } else { " " };
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "{blank}{digits}e{sign}{:02}", exponent.unsigned_abs());
        return Ok(());
    }
    let fixed = number.fixed(t.fraction, t.shift);
    let mut d = fixed
        .as_deref()
        .map_or_else(|| Digits { negative: false, whole: String::new(), fraction: String::new() }, digits);
    let room = t.whole + t.shift;
    if fixed.is_none() || d.whole.len() > room {
        (d.whole, d.fraction) = ("#".repeat(room), "#".repeat(t.fraction));
    }
    // The digits in front of the point, with as many places as the template has.
    let missing = room - d.whole.len();
    let places: Vec<bool> = t
        .pieces
        .iter()
        .take_while(|piece| **piece != Piece::Point)
        .filter_map(|piece| if let Piece::Digit { zero } = piece { Some(*zero) } else { None })
        .collect();
    let first_zero = places.iter().position(|zero| *zero).unwrap_or(room);
    // Zero itself is written where nothing follows it.
    let lone = if d.whole.is_empty() && t.fraction == 0 { room.saturating_sub(1) } else { room };
    let first = missing.min(first_zero).min(lone);
    // Digits behind the point that are left out: zeros at the end, as far as nothing wants them.
    let zeros_behind: Vec<bool> = t
        .pieces
        .iter()
        .skip_while(|piece| **piece != Piece::Point)
        .filter_map(|piece| if let Piece::Digit { zero } = piece { Some(*zero) } else { None })
        .collect();
    let wanted = zeros_behind.iter().rposition(|zero| *zero).map_or(0, |at| at + 1);
    let kept = d.fraction.trim_end_matches('0').len().max(wanted);
    let fraction_end = if t.bare { kept } else { t.fraction };
    let before = match (t.sign, d.negative) {
        (Sign::Before | Sign::Signed, true) => "-",
        (Sign::Before, false) if has_plus(t) => "",
        (Sign::Signed, false) => "+",
        (Sign::Brackets, true) => "<",
        (Sign::Before | Sign::Brackets, false) if !t.bare => " ",
        _ => "",
    };
    let (mut place, mut behind) = (0, None::<usize>);
    let mut signed = false;
    let mut sign = |out: &mut String| {
        if !std::mem::replace(&mut signed, true) {
            out.push_str(before);
        }
    };
    for piece in &t.pieces {
        match piece {
            Piece::Digit { .. } if behind.is_none() => {
                if place >= first {
                    sign(out);
                    let digit = place.checked_sub(missing).and_then(|at| d.whole.get(at..=at));
                    out.push_str(digit.unwrap_or("0"));
                } else if !t.bare {
                    out.push(' ');
                }
                place += 1;
            }
            Piece::Digit { .. } => {
                let at = behind.unwrap_or(0);
                if at < fraction_end {
                    out.push_str(d.fraction.get(at..=at).unwrap_or("0"));
                }
                behind = Some(at + 1);
            }
            Piece::Point => {
                sign(out);
                out.push('.');
                behind = Some(0);
            }
            Piece::Group => {
                if place > first {
                    out.push(',');
                } else if !t.bare {
                    out.push(' ');
                }
            }
            Piece::PlusMinus => out.push(if d.negative { '-' } else { '+' }),
            Piece::Minus if d.negative => out.push('-'),
            Piece::Plus if !d.negative => out.push('+'),
            Piece::Minus | Piece::Plus => {
                if !t.bare {
                    out.push(' ');
                }
            }
            Piece::Ordinal { upper } => {
                if !d.negative && t.fraction == 0 {
                    let tail = &d.whole[d.whole.len().saturating_sub(2)..];
                    let ending = match tail.parse::<u32>().unwrap_or(0) {
                        11..=13 => "th",
                        n => ["th", "st", "nd", "rd"].get(n as usize % 10).copied().unwrap_or("th"),
                    };
                    out.push_str(&if *upper { ending.to_uppercase() } else { ending.to_owned() });
                }
            }
            Piece::Shift => {}
            Piece::Text(text) => out.push_str(text),
        }
    }
    if t.sign == Sign::Brackets {
        match d.negative {
            true => out.push('>'),
            false if !t.bare => out.push(' '),
            false => {}
        }
    }
    Ok(())
}

/// Whether a plus has its own place: then the sign in front is a minus or nothing.
fn has_plus(t: &Template) -> bool {
    t.pieces.contains(&Piece::Plus)
}

/// Reads a number by a template, as a whole number of units of the last digit behind the point.
fn read(t: &Template, text: &str) -> Result<i128> {
    let bad = || ExecError::Conversion(format!("invalid input for to_number: \"{text}\""));
    let mut chars = text.trim().chars().peekable();
    let (mut negative, mut any) = (false, false);
    let (mut value, mut behind) = (0_i128, None::<usize>);
    let add = |value: &mut i128, digit: u32| -> Result<()> {
        *value = value.checked_mul(10).and_then(|v| v.checked_add(i128::from(digit))).ok_or_else(bad)?;
        Ok(())
    };
    let mut sign = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
        while let Some('-' | '+' | '<' | '>' | ' ') = chars.peek() {
            negative |= matches!(chars.next(), Some('-' | '<'));
        }
    };
    for piece in &t.pieces {
        sign(&mut chars);
        match piece {
            Piece::Digit { .. } => {
                if behind.is_none() && chars.peek() == Some(&'.') {
                    continue;
                }
                let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) else { continue };
                chars.next();
                if let Some(places) = &mut behind {
                    *places += 1;
                }
                any = true;
                add(&mut value, digit)?;
            }
            Piece::Point => {
                if chars.peek() == Some(&'.') {
                    chars.next();
                }
                behind = Some(0);
            }
            Piece::Group => {
                if chars.peek() == Some(&',') {
                    chars.next();
                }
            }
            Piece::Text(literal) => {
                for _ in literal.chars() {
                    if chars.peek().is_some_and(|c| !c.is_ascii_digit()) {
                        chars.next();
                    }
                }
            }
            Piece::PlusMinus | Piece::Minus | Piece::Plus | Piece::Ordinal { .. } | Piece::Shift => {}
        }
    }
    sign(&mut chars);
    if !any {
        return Err(bad());
    }
    for _ in behind.unwrap_or(0)..t.fraction {
        add(&mut value, 0)?;
    }
    Ok(if negative { -value } else { value })
}

fn of_decimal(ty: &T) -> ScalarKernel {
    let T::Decimal { width, scale } = *ty else { return of_double() };
    let cache: Cache<Template> = Cache::new();
    if width <= DECIMAL64_MAX_WIDTH {
        text::<(Decimal64Type, Str)>(move |(value, template), out| {
            write(&*cache.get(template, parse)?, Decimal { value: value.into(), scale }, out).map(|()| true)
        })
    } else {
        text::<(Decimal128Type, Str)>(move |(value, template), out| {
            write(&*cache.get(template, parse)?, Decimal { value, scale }, out).map(|()| true)
        })
    }
}

fn of_double() -> ScalarKernel {
    let cache: Cache<Template> = Cache::new();
    text::<(Float64Type, Str)>(move |(value, template), out| {
        write(&*cache.get(template, parse)?, value, out).map(|()| true)
    })
}

/// `to_char` of a number; `None` leaves other arguments to the signatures.
pub(super) fn to_char(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [number, _] = args else { return None };
    let (ty, kernel) = match &number.ty {
        T::Float | T::Double => (T::Double, of_double()),
        ty @ T::Decimal { .. } => (ty.clone(), of_decimal(ty)),
        ty if ty.is_integer() => {
            let ty = T::Decimal { width: DECIMAL_MAX_WIDTH, scale: 0 };
            let kernel = of_decimal(&ty);
            (ty, kernel)
        }
        _ => return None,
    };
    Some(Ok(Resolution { arg_types: vec![ty, T::Varchar], return_type: T::Varchar, kernel }))
}

/// `to_number`, whose template says how many digits the result has behind the point.
fn to_number(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [_, template] = args else { return None };
    let Some(Scalar::Text(template)) = &template.literal else {
        return Some(Err("the template of to_number must be a constant".into()));
    };
    let parsed = match parse(template) {
        Ok(parsed) => parsed,
        Err(e) => return Some(Err(e.to_string())),
    };
    let digits = parsed.whole + parsed.fraction;
    if digits > usize::from(DECIMAL_MAX_WIDTH) {
        return Some(Err(format!("to_number takes at most {DECIMAL_MAX_WIDTH} digits")));
    }
    let scale = parsed.fraction as u8;
    let return_type = T::Decimal { width: DECIMAL_MAX_WIDTH, scale };
    let kernel = primitive::<(Str, Str), Decimal128Type>(move |(text, _)| read(&parsed, text).map(Some));
    Some(Ok(Resolution { arg_types: vec![T::Varchar, T::Varchar], return_type, kernel }))
}

pub(super) fn register(r: &mut Registry) {
    r.add(
        def(
            "to_number",
            "The number that a text is by a template of PostgreSQL's such as '99G999D9S'",
            "to_number('12,454.8-', '99G999D9S')",
        )
        .custom(&["(VARCHAR, VARCHAR) -> DECIMAL"], to_number),
    );
}
