//! Length, case, joining, repeating, replacing.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ListArray, StringViewArray, new_null_array};

use super::{byte_of, char_count};
use crate::column::types::LogicalType;
use crate::exec::cast::text::Writer;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::kernel::{Bytes, Str, bytes, primitive, text};
use crate::exec::functions::registry::{CallSite, P, R, Registry, Resolution, def};
use crate::exec::functions::room::{MAX_TEXT, Texts, text_too_long};
use crate::exec::functions::{ArgInfo, ScalarKernel};

/// Appends a text padded to `count` characters on one side.
fn pad(s: &str, count: i32, with: &str, left: bool, out: &mut String) -> Result<bool> {
    let wanted = usize::try_from(count).unwrap_or(0);
    let have = char_count(s);
    if have >= wanted {
        out.push_str(&s[..byte_of(s, wanted)]);
        return Ok(true);
    }
    if with.is_empty() {
        return Err(ExecError::InvalidInput(format!(
            "Insufficient padding in {}.",
            if left { "LPAD" } else { "RPAD" }
        )));
    }
    if wanted.saturating_mul(4) > MAX_TEXT {
        return Err(text_too_long());
    }
    if !left {
        out.push_str(s);
    }
    out.extend(with.chars().cycle().take(wanted - have));
    if left {
        out.push_str(s);
    }
    Ok(true)
}

/// Upper case, a character at a time: characters whose upper case is longer stay as they are, but for `ß`, which
/// has a capital of its own.
fn upper(s: &str, out: &mut String) {
    if s.is_ascii() {
        out.push_str(s);
        out.make_ascii_uppercase();
        return;
    }
    for c in s.chars() {
        let mut up = c.to_uppercase();
        match (up.next(), up.next()) {
            (Some(u), None) => out.push(u),
            _ if c == 'ß' => out.push('ẞ'),
            _ => out.push(c),
        }
    }
}

/// Lower case, a character at a time.
fn lower(s: &str, out: &mut String) {
    if s.is_ascii() {
        out.push_str(s);
        out.make_ascii_lowercase();
        return;
    }
    for c in s.chars() {
        out.push(c.to_lowercase().next().unwrap_or(c));
    }
}

fn replace(s: &str, from: &str, to: &str, out: &mut String) -> Result<bool> {
    if from.is_empty() {
        out.push_str(s);
        return Ok(true);
    }
    let mut rest = 0;
    for at in memchr::memmem::find_iter(s.as_bytes(), from) {
        out.push_str(&s[rest..at]);
        out.push_str(to);
        rest = at + from.len();
        if out.len() > MAX_TEXT {
            return Err(text_too_long());
        }
    }
    out.push_str(&s[rest..]);
    Ok(true)
}

fn translate(s: &str, from: &str, to: &str, out: &mut String) {
    let to: Vec<char> = to.chars().collect();
    for c in s.chars() {
        match from.chars().position(|f| f == c) {
            None => out.push(c),
            Some(i) => out.extend(to.get(i)),
        }
    }
}

/// Joins all arguments but NULLs as text; with `separator` the first argument goes between them.
fn join(site: &CallSite<'_>, separator: bool) -> ScalarKernel {
    let types: Vec<LogicalType> = site.types.to_vec();
    Box::new(move |args, _, rows, ctx| {
        let writers: Vec<Writer<'_>> =
            args.iter().zip(&types).map(|(a, t)| Writer::in_zone(a, t, &ctx.zone)).collect::<Result<_>>()?;
        let mut items: Vec<Option<(&ListArray, Writer<'_>)>> = vec![];
        for (array, ty) in args.iter().zip(&types) {
            items.push(match (ty, array.as_list_opt::<i32>()) {
                (LogicalType::List(item), Some(list)) if separator => {
                    Some((list, Writer::in_zone(list.values(), item, &ctx.zone)?))
                }
                _ => None,
            });
        }
        let place = |i: usize, row: usize| if args[i].len() == rows { row } else { 0 };
        let mut out = Texts::new(rows, ctx);
        let (mut buffer, mut between) = (String::new(), String::new());
        let first = usize::from(separator);
        for row in 0..rows {
            buffer.clear();
            if separator {
                let at = place(0, row);
                if writers[0].is_null(at) {
                    out.push_null();
                    continue;
                }
                between.clear();
                writers[0].write(at, &mut between);
            }
            let mut any = false;
            for (i, w) in writers.iter().enumerate().skip(first) {
                let at = place(i, row);
                if w.is_null(at) {
                    continue;
                }
                // With a separator the elements of a list are values like any other.
                let (w, range) = match &items[i] {
                    Some((list, items)) => {
                        (items, list.value_offsets()[at] as usize..list.value_offsets()[at + 1] as usize)
                    }
                    None => (w, at..at + 1),
                };
                for at in range {
                    if w.is_null(at) {
                        continue;
                    }
                    if any {
                        buffer.push_str(&between);
                    }
                    any = true;
                    w.write(at, &mut buffer);
                    if buffer.len() > MAX_TEXT {
                        return Err(text_too_long());
                    }
                }
            }
            out.push(&buffer)?;
        }
        Ok(out.finish())
    })
}

/// `||` of two values as text: NULL if either is.
fn concat_operator(site: &CallSite<'_>) -> ScalarKernel {
    if site.types.iter().all(|t| matches!(t, LogicalType::Varchar | LogicalType::Json)) {
        return text::<(Str, Str)>(|(a, b), out| {
            out.push_str(a);
            out.push_str(b);
            Ok(true)
        });
    }
    let types = site.types.to_vec();
    Box::new(move |args, _, rows, ctx| {
        let (a, b) = (
            Writer::in_zone(&args[0], &types[0], &ctx.zone)?,
            Writer::in_zone(&args[1], &types[1], &ctx.zone)?,
        );
        let mut out = Texts::new(rows, ctx);
        let mut buffer = String::new();
        for row in 0..rows {
            let i = if args[0].len() == rows { row } else { 0 };
            let j = if args[1].len() == rows { row } else { 0 };
            if a.is_null(i) || b.is_null(j) {
                out.push_null();
                continue;
            }
            buffer.clear();
            a.write(i, &mut buffer);
            b.write(j, &mut buffer);
            out.push(&buffer)?;
        }
        Ok(out.finish())
    })
}

/// The length in characters, for a whole column. Where all texts that the column's buffers hold are ASCII, views alone
/// tell.
fn length_kernel() -> ScalarKernel {
    let each = primitive::<(Str,), Int64Type>(|(s,)| Ok(Some(char_count(s) as i64)));
    Box::new(move |args, ty, rows, context| {
        let Some(array) = args[0].as_any().downcast_ref::<StringViewArray>() else {
            return each(args, ty, rows, context);
        };
        let long: usize = array.views().iter().map(|v| *v as u32 as usize).filter(|len| *len > 12).sum();
        let held: usize = array.data_buffers().iter().map(arrow_buffer::Buffer::len).sum();
        if held > 2 * long || !array.data_buffers().iter().all(|b| b.is_ascii()) {
            return each(args, ty, rows, context);
        }
        const HIGH_BITS: u128 =
            u128::from_le_bytes([0, 0, 0, 0, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128]);
        let length = |(row, &view): (usize, &u128)| {
            let len = view as u32;
            let ascii = len > 12 || view & HIGH_BITS == 0 || array.is_null(row);
            if ascii { i64::from(len) } else { char_count(array.value(row)) as i64 }
        };
        let lengths: Vec<i64> = array.views().iter().enumerate().map(length).collect();
        Ok(Arc::new(arrow_array::Int64Array::new(lengths.into(), array.nulls().cloned())) as ArrayRef)
    })
}

/// The length in bytes: the views know it, the text need not be touched.
fn strlen_kernel() -> ScalarKernel {
    Box::new(|args, ty, _, _| {
        let array: &StringViewArray = args[0]
            .as_any()
            .downcast_ref()
            .ok_or_else(|| ExecError::Internal(format!("strlen was given {}", args[0].data_type())))?;
        let lengths: Vec<i64> = array.views().iter().map(|v| i64::from(*v as u32)).collect();
        let out = arrow_array::Int64Array::new(lengths.into(), array.nulls().cloned());
        debug_assert_eq!(*out.data_type(), ty.arrow());
        Ok(Arc::new(out) as ArrayRef)
    })
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let (s, i, big) = (T::Varchar, T::Integer, T::BigInt);
    r.add(
        def("length", "Number of characters of a text, or of elements of a list", "length('Hello')")
            .aliases(&["char_length", "character_length", "len"])
            .map(&[s.clone()], big.clone(), |_| length_kernel())
            .on([P::List], R::T(big.clone()), |_| super::super::list::length_kernel()),
    );
    r.add(
        def("strlen", "Number of bytes of a text", "strlen('🦆')")
            .map(&[s.clone()], big.clone(), |_| strlen_kernel()),
    );
    r.add(def("bit_length", "Number of bits of a text", "bit_length('abc')").map(
        &[s.clone()],
        big.clone(),
        |_| primitive::<(Str,), Int64Type>(|(s,)| Ok(Some(s.len() as i64 * 8))),
    ));
    r.add(
        def("octet_length", "Number of bytes of a blob or a text", "octet_length('\\xAA\\xBB'::BLOB)")
            .map(&[s.clone()], big.clone(), |_| {
                primitive::<(Str,), Int64Type>(|(s,)| Ok(Some(s.len() as i64)))
            })
            .map(&[T::Blob], big, |_| primitive::<(Bytes,), Int64Type>(|(s,)| Ok(Some(s.len() as i64)))),
    );
    r.add(def("upper", "Text in upper case", "upper('Hello')").aliases(&["ucase"]).map(
        &[s.clone()],
        s.clone(),
        |_| {
            text::<(Str,)>(|(s,), out| {
                upper(s, out);
                Ok(true)
            })
        },
    ));
    r.add(def("lower", "Text in lower case", "lower('Hello')").aliases(&["lcase"]).map(
        &[s.clone()],
        s.clone(),
        |_| {
            text::<(Str,)>(|(s,), out| {
                lower(s, out);
                Ok(true)
            })
        },
    ));
    r.add(def("reverse", "Text with its characters in reverse", "reverse('hello')").map(
        &[s.clone()],
        s.clone(),
        |_| {
            text::<(Str,)>(|(s,), out| {
                super::grapheme::reverse(s, out);
                Ok(true)
            })
        },
    ));
    r.add(
        def("repeat", "Text repeated a number of times", "repeat('A', 5)")
            .map(&[s.clone(), T::BigInt], s.clone(), |_| {
                text::<(Str, Int64Type)>(|(s, n), out| {
                    let n = usize::try_from(n).unwrap_or(0);
                    if s.len().saturating_mul(n) > MAX_TEXT {
                        return Err(text_too_long());
                    }
                    (0..n).for_each(|_| out.push_str(s));
                    Ok(true)
                })
            })
            .map(&[T::Blob, T::BigInt], T::Blob, |_| {
                bytes::<(Bytes, Int64Type)>(|(s, n), out| {
                    let n = usize::try_from(n).unwrap_or(0);
                    if s.len().saturating_mul(n) > MAX_TEXT {
                        return Err(text_too_long());
                    }
                    (0..n).for_each(|_| out.extend_from_slice(s));
                    Ok(true)
                })
            }),
    );
    r.add(
        def(
            "replace",
            "Text with all occurrences of one text replaced by another",
            "replace('hello', 'l', '-')",
        )
        .map(&[s.clone(), s.clone(), s.clone()], s.clone(), |_| {
            text::<(Str, Str, Str)>(|(s, from, to), out| replace(s, from, to, out))
        }),
    );
    r.add(
        def(
            "translate",
            "Text with single characters exchanged, or dropped",
            "translate('12345', '143', 'ax')",
        )
        .map(&[s.clone(), s.clone(), s.clone()], s.clone(), |_| {
            text::<(Str, Str, Str)>(|(s, from, to), out| {
                translate(s, from, to, out);
                Ok(true)
            })
        }),
    );
    r.add(def("lpad", "Text padded on the left to a number of characters", "lpad('hello', 8, '>')").map(
        &[s.clone(), i.clone(), s.clone()],
        s.clone(),
        |_| text::<(Str, Int32Type, Str)>(|(s, n, with), out| pad(s, n, with, true, out)),
    ));
    r.add(def("rpad", "Text padded on the right to a number of characters", "rpad('hello', 8, '<')").map(
        &[s.clone(), i, s.clone()],
        s.clone(),
        |_| text::<(Str, Int32Type, Str)>(|(s, n, with), out| pad(s, n, with, false, out)),
    ));
    r.add(
        def(
            "concat",
            "All arguments as text one after another; NULLs are left out",
            "concat('Hello', ' ', 1)",
        )
        .sees_nulls()
        .variadic([P::ListOfSame], P::ListOfSame, R::ListOfSame, |_| super::super::list::concat_kernel())
        .variadic([P::Any], P::Any, R::T(s.clone()), |site| join(site, false))
        .custom(&[], |args| {
            // NULLs alone are texts, not lists.
            (!args.is_empty() && args.iter().all(|a| a.ty == T::Null)).then(|| {
                let empty: ArrayRef = Arc::new(StringViewArray::from(vec![""]));
                Ok(Resolution {
                    arg_types: vec![T::Null; args.len()],
                    return_type: T::Varchar,
                    kernel: Box::new(move |_, _, rows, context| {
                        crate::exec::eval::repeat(&empty, rows, context)
                    }),
                })
            })
        }),
    );
    r.add(
        def(
            "concat_ws",
            "All arguments but the first as text, with the first between them",
            "concat_ws(', ', 'a', 'b')",
        )
        .sees_nulls()
        .variadic([P::T(s.clone()), P::Any], P::Any, R::T(s.clone()), |site| join(site, true))
        .custom(&[], |args| {
            let nested = |a: &ArgInfo| match &a.ty {
                T::List(item) | T::Array(item, _) => matches!(**item, T::List(_) | T::Array(..)),
                _ => false,
            };
            let all = args.get(1..)?;
            all.iter().any(nested).then(|| Err("concat_ws() does not support nested lists".into()))
        }),
    );
    r.add(
        def("||", "Two texts one after another, or two lists", "'Duck' || 'DB'")
            .map(&[s.clone(), s.clone()], s.clone(), concat_operator)
            .map(&[T::Blob, T::Blob], T::Blob, |_| {
                bytes::<(Bytes, Bytes)>(|(a, b), out| {
                    out.extend_from_slice(a);
                    out.extend_from_slice(b);
                    Ok(true)
                })
            })
            .on([P::ListOfSame, P::ListOfSame], R::ListOfSame, |_| {
                super::super::list::concat_operator_kernel()
            })
            .on([P::Any, P::Any], R::T(s.clone()), concat_operator)
            .custom(&[], |args| {
                let [a, b] = args else { return None };
                if a.ty == T::Null || b.ty == T::Null {
                    // NULL is neither text nor list, and what it is joined to is NULL.
                    return Some(Ok(Resolution {
                        arg_types: vec![a.ty.clone(), b.ty.clone()],
                        return_type: T::Null,
                        kernel: Box::new(|_, ty, rows, _| Ok(new_null_array(&ty.arrow(), rows))),
                    }));
                }
                let is_list = |a: &ArgInfo| matches!(a.ty, T::List(_) | T::Array(..));
                let is_other = |a: &ArgInfo| !is_list(a) && a.ty != T::Null;
                (is_list(a) && is_other(b) || is_other(a) && is_list(b)).then(|| {
                    Err(format!(
                        "Cannot concatenate types {} and {} - an explicit cast is required",
                        a.ty, b.ty
                    ))
                })
            }),
    );
    r.add(
        def("bar", "A bar whose width shows where x lies between min and max", "bar(5, 0, 20, 10)")
            .map(&[T::Double, T::Double, T::Double], s.clone(), |_| {
                text::<(Float64Type, Float64Type, Float64Type)>(|(x, min, max), out| {
                    bar(x, min, max, 80.0, out)
                })
            })
            .map(&[T::Double, T::Double, T::Double, T::Double], s, |_| {
                text::<(Float64Type, Float64Type, Float64Type, Float64Type)>(|(x, min, max, width), out| {
                    bar(x, min, max, width, out)
                })
            }),
    );
}

/// Eighths of a block, from none to seven.
const PARTIAL: [&str; 8] = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

fn bar(x: f64, min: f64, max: f64, width: f64, out: &mut String) -> Result<bool> {
    if !(1.0..=1000.0).contains(&width) {
        return Err(ExecError::InvalidInput("bar() takes a width from 1 to 1000".into()));
    }
    let filled = if x.is_nan() || min.is_nan() || max.is_nan() || x <= min {
        0.0
    } else if x >= max {
        width
    } else {
        width * (x - min) / (max - min)
    };
    if filled.is_nan() {
        return Err(ExecError::InvalidInput("bar() takes no infinite range".into()));
    }
    let eighths = (filled * 8.0).floor() as usize;
    let (full, rest) = (eighths / 8, eighths % 8);
    (0..full).for_each(|_| out.push('█'));
    if rest > 0 {
        out.push_str(PARTIAL[rest]);
    }
    let used = full + usize::from(rest > 0);
    let _ = write!(out, "{:1$}", "", (width as usize).saturating_sub(used));
    Ok(true)
}
