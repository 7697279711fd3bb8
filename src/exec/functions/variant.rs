//! Functions of VARIANTs.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringViewBuilder, UInt64Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, BooleanArray, new_null_array};
use arrow_buffer::{NullBuffer, OffsetBuffer};

use super::registry::{Registry, Resolution, def};
use super::room::Room;
use super::{ArgInfo, ScalarKernel};
use crate::column::types::LogicalType as T;
use crate::exec::cast::nested::list_array;
use crate::exec::cast::variant::{
    Node, Tag, comparable, comparable_type, is_within, write_json, write_key, write_text,
};
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::kernel::{Bytes, Column, Nulls, Str, boolean, bytes, list_end, nulls_of};

/// What a function says of a value.
enum Answer {
    Null,
    Text(String),
    Count(u64),
    Truth(bool),
    Texts(Vec<String>),
}

/// Answers a question about a value, or about there being none.
type Question = fn(Option<&[u8]>, &ExecContext) -> Result<Answer>;

/// Answers as a column of their type.
fn column(answers: Vec<Answer>, ty: &T) -> ArrayRef {
    match ty {
        T::Boolean => Arc::new(BooleanArray::from_iter(answers.into_iter().map(|answer| match answer {
            Answer::Truth(v) => Some(v),
            _ => None,
        }))),
        T::UBigInt => {
            let mut out = UInt64Builder::with_capacity(answers.len());
            for answer in answers {
                out.append_option(if let Answer::Count(n) = answer { Some(n) } else { None });
            }
            Arc::new(out.finish())
        }
        T::List(_) => {
            let mut out = ListBuilder::new(StringViewBuilder::new());
            for answer in answers {
                match answer {
                    Answer::Texts(texts) => {
                        texts.iter().for_each(|text| out.values().append_value(text));
                        out.append(true);
                    }
                    _ => out.append(false),
                }
            }
            Arc::new(out.finish())
        }
        _ => {
            let mut out = StringViewBuilder::with_capacity(answers.len());
            for answer in answers {
                out.append_option(if let Answer::Text(text) = answer { Some(text) } else { None });
            }
            Arc::new(out.finish())
        }
    }
}

/// The value that a path leads to: the empty one to the value itself, others to the member of that name.
fn at_path<'a>(value: &'a [u8], path: &str) -> Result<Option<&'a [u8]>> {
    if path.is_empty() {
        return Ok(Some(value));
    }
    match Node::read(value)? {
        Node::Object(object) => object.get(path),
        _ => Ok(None),
    }
}

/// Answers that have been given so far.
struct Asked<'c> {
    question: Question,
    context: &'c ExecContext,
    answers: Vec<Answer>,
    room: Room<'c>,
}

impl Asked<'_> {
    fn ask(&mut self, value: Option<&[u8]>) -> Result<()> {
        let answer = (self.question)(value, self.context)?;
        self.room.take(match &answer {
            Answer::Text(text) => text.len(),
            Answer::Texts(texts) => texts.iter().map(|text| text.len() + 16).sum(),
            _ => 8,
        })?;
        self.answers.push(answer);
        Ok(())
    }

    /// NULL is not asked about.
    fn skip(&mut self) {
        self.answers.push(Answer::Null);
    }
}

/// A question about values themselves, about the value at a path, or about those at several.
fn asking(question: Question) -> ScalarKernel {
    Box::new(move |args, ty, rows, context| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(nulls) => Some(nulls),
        };
        let is_null = |row: usize| nulls.as_ref().is_some_and(|n| n.is_null(row));
        let values = Column::<Bytes>::open(args, 0, rows)?;
        let mut asked = Asked { question, context, answers: vec![], room: Room::new(context) };
        let Some(paths) = args.get(1) else {
            for row in 0..rows {
                if is_null(row) { asked.skip() } else { asked.ask(Some(values.get(row)))? }
            }
            return Ok(column(asked.answers, ty));
        };
        let Some(lists) = paths.as_list_opt::<i32>() else {
            let paths = Column::<Str>::open(args, 1, rows)?;
            for row in 0..rows {
                if is_null(row) {
                    asked.skip();
                } else {
                    asked.ask(at_path(values.get(row), paths.get(row))?)?;
                }
            }
            return Ok(column(asked.answers, ty));
        };
        let T::List(item) = ty else { return Err(ExecError::Internal("several paths, one answer".into())) };
        let all = lists.values().as_string_view();
        let mut ends = vec![0];
        let mut count = 0;
        for row in 0..rows {
            let at = if lists.len() == rows { row } else { 0 };
            if !is_null(row) {
                let paths = lists.value_offsets()[at] as usize..lists.value_offsets()[at + 1] as usize;
                count += paths.len();
                for path in paths {
                    if all.is_null(path) {
                        return Err(ExecError::InvalidInput("a path into a VARIANT cannot be NULL".into()));
                    }
                    asked.ask(at_path(values.get(row), all.value(path))?)?;
                }
            }
            ends.push(list_end(count)?);
        }
        let nulls: Option<NullBuffer> = nulls;
        list_array(item, OffsetBuffer::new(ends.into()), column(asked.answers, item), nulls)
    })
}

fn type_of(value: Option<&[u8]>, _: &ExecContext) -> Result<Answer> {
    let Some(value) = value else { return Ok(Answer::Null) };
    Ok(Answer::Text(Node::read(value)?.tag().name().into()))
}

fn keys(value: Option<&[u8]>, _: &ExecContext) -> Result<Answer> {
    let Some(value) = value else { return Ok(Answer::Null) };
    Ok(Answer::Texts(match Node::read(value)? {
        Node::Object(object) => {
            (0..object.len()).map(|at| Ok(object.key(at)?.into())).collect::<Result<_>>()?
        }
        _ => vec![],
    }))
}

fn array_length(value: Option<&[u8]>, _: &ExecContext) -> Result<Answer> {
    let Some(value) = value else { return Ok(Answer::Null) };
    Ok(Answer::Count(match Node::read(value)? {
        Node::Array(array) => array.len() as u64,
        _ => 0,
    }))
}

fn exists(value: Option<&[u8]>, _: &ExecContext) -> Result<Answer> {
    Ok(Answer::Truth(value.is_some()))
}

/// A value that is not made of others as its text, else as JSON.
fn as_text(value: Option<&[u8]>, context: &ExecContext) -> Result<Answer> {
    let Some(value) = value else { return Ok(Answer::Null) };
    let clock = context.zone.clock();
    let mut text = String::new();
    match Node::read(value)? {
        Node::Null => return Ok(Answer::Null),
        Node::Leaf(leaf) if matches!(leaf.tag, Tag::Float | Tag::Double | Tag::Decimal) => {
            write_json(value, &clock, &mut text)?;
        }
        Node::Leaf(_) => write_text(value, &clock, &mut text)?,
        _ => write_json(value, &clock, &mut text)?,
    }
    Ok(Answer::Text(text))
}

/// What `variant_typeof` says of a value: also how long an array is, and which keys an object has.
fn full_type(value: &[u8]) -> Result<String> {
    Ok(match Node::read(value)? {
        Node::Array(array) => format!("ARRAY({})", array.len()),
        Node::Object(object) => {
            let mut text = String::from("OBJECT(");
            for at in 0..object.len() {
                text.push_str(if at == 0 { "" } else { ", " });
                text.push_str(object.key(at)?);
            }
            text.push(')');
            text
        }
        Node::Leaf(leaf) => match leaf.ty() {
            T::Decimal { width, scale } => format!("DECIMAL({width}, {scale})"),
            _ => leaf.tag.name().into(),
        },
        Node::Null => Tag::Null.name().into(),
    })
}

fn type_kernel() -> ScalarKernel {
    Box::new(|args, _, rows, context| {
        let values = Column::<Bytes>::open(args, 0, rows)?;
        let nulls = args[0].logical_nulls();
        let is_null = |row: usize| {
            let at = if args[0].len() == rows { row } else { 0 };
            nulls.as_ref().is_some_and(|n| n.is_null(at))
        };
        let mut out = super::room::Texts::new(rows, context);
        for row in 0..rows {
            if is_null(row) {
                out.push(Tag::Null.name())?;
            } else {
                out.push(&full_type(values.get(row))?)?;
            }
        }
        Ok(out.finish())
    })
}

/// Appends a part of a value unless it is NULL.
fn append(part: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    match part {
        Some(part) if *part != [Tag::Null as u8] => {
            out.extend(part);
            true
        }
        _ => false,
    }
}

/// The item of an array at a place, the first of which is 1.
fn item(value: &[u8], place: u32) -> Result<Option<&[u8]>> {
    let Some(at) = place.checked_sub(1) else {
        return Err(ExecError::InvalidInput(
            "Extracting index 0 from VARIANT(ARRAY) is invalid, indexes are 1-based".into(),
        ));
    };
    match Node::read(value)? {
        Node::Array(array) if (at as usize) < array.len() => array.item(at as usize).map(Some),
        _ => Ok(None),
    }
}

/// Whether two values that are not made of others are one.
fn is_equal(a: &[u8], b: &[u8]) -> Result<bool> {
    let (mut left, mut right) = (vec![], vec![]);
    write_key(a, &mut left)?;
    write_key(b, &mut right)?;
    Ok(left == right)
}

/// Whether a value has all that another one has: an object the members, an array the items, in any order.
fn matches(value: &[u8], wanted: &[u8], depth: u16) -> Result<bool> {
    match (Node::read_at(value, depth)?, Node::read_at(wanted, depth)?) {
        (Node::Object(object), Node::Object(wanted)) => {
            for member in wanted.members() {
                let (name, wanted) = member?;
                match object.get(name)? {
                    Some(value) if matches(value, wanted, depth + 1)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (Node::Array(array), Node::Array(wanted)) => {
            for wanted in wanted.items() {
                let wanted = wanted?;
                let mut found = false;
                for item in array.items() {
                    found = matches(item?, wanted, depth + 1)?;
                    if found {
                        break;
                    }
                }
                if !found {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Node::Object(_) | Node::Array(_), _) | (_, Node::Object(_) | Node::Array(_)) => Ok(false),
        _ => is_equal(value, wanted),
    }
}

/// Whether a value or one inside of it has all that another one has.
fn contains(value: &[u8], wanted: &[u8], depth: u16) -> Result<bool> {
    if matches(value, wanted, 0)? {
        return Ok(true);
    }
    match Node::read_at(value, depth)? {
        Node::Object(object) => {
            for at in 0..object.len() {
                if contains(object.value(at)?, wanted, depth + 1)? {
                    return Ok(true);
                }
            }
        }
        Node::Array(array) => {
            for item in array.items() {
                if contains(item?, wanted, depth + 1)? {
                    return Ok(true);
                }
            }
        }
        _ => {}
    }
    Ok(false)
}

/// `variant_comparator(v)`: also of whatever has VARIANTs, with keys in their place.
fn comparator(args: &[ArgInfo]) -> Option<std::result::Result<Resolution, String>> {
    let [arg] = args else { return None };
    let ty = arg.ty.clone();
    if !is_within(&ty) {
        return None;
    }
    let (arg_types, return_type) = (vec![ty.clone()], comparable_type(&ty));
    let kernel: ScalarKernel = Box::new(move |args, _, _, context| {
        let mut room = Room::new(context);
        comparable(&args[0], &ty, &mut |bytes| room.take(bytes))
    });
    Some(Ok(Resolution { arg_types, return_type, kernel }))
}

pub(super) fn register(r: &mut Registry) {
    let texts = T::List(Box::new(T::Varchar));
    macro_rules! about {
        ($name:literal, $question:path, $ret:expr, $what:literal, $example:literal) => {
            let ret: T = $ret;
            r.add(
                def($name, $what, $example)
                    .map(&[T::Variant], ret.clone(), |_| asking($question))
                    .map(&[T::Variant, T::Varchar], ret.clone(), |_| asking($question))
                    .map(&[T::Variant, texts.clone()], T::List(Box::new(ret)), |_| asking($question)),
            );
        };
    }
    about!(
        "variant_type",
        type_of,
        T::Varchar,
        "The type of the value of a VARIANT, or of its members of these names",
        "variant_type({'a': 1}::VARIANT, 'a')"
    );
    about!(
        "variant_keys",
        keys,
        texts.clone(),
        "The names of the members of an object, or of its members of these names",
        "variant_keys({'b': 1, 'a': 2}::VARIANT)"
    );
    about!(
        "variant_array_length",
        array_length,
        T::UBigInt,
        "How many items an array has, or those of an object's members of these names",
        "variant_array_length([1, 2]::VARIANT)"
    );
    r.add(
        def(
            "variant_exists",
            "Whether an object has a member of this name",
            "variant_exists({'a': 1}::VARIANT, 'b')",
        )
        .map(&[T::Variant, T::Varchar], T::Boolean, |_| asking(exists))
        .map(&[T::Variant, texts.clone()], T::List(Box::new(T::Boolean)), |_| asking(exists)),
    );
    r.add(
        def(
            "variant_extract_string",
            "A member of an object as text, one that is made of others as JSON",
            "variant_extract_string({'a': [1, 2]}::VARIANT, 'a')",
        )
        .map(&[T::Variant, T::Varchar], T::Varchar, |_| asking(as_text))
        .map(&[T::Variant, texts.clone()], texts.clone(), |_| asking(as_text)),
    );
    r.add(
        def(
            "variant_typeof",
            "The type of the value of a VARIANT, with the length of an array and the keys of an object",
            "variant_typeof({'a': 1}::VARIANT)",
        )
        .sees_nulls()
        .map(&[T::Variant], T::Varchar, |_| type_kernel()),
    );
    r.add(
        def(
            "variant_extract",
            "The member of an object of that name, or the item of an array at that place",
            "variant_extract({'a': 1}::VARIANT, 'a')",
        )
        .map(&[T::Variant, T::Varchar], T::Variant, |_| {
            bytes::<(Bytes, Str)>(|(value, name), out| {
                Ok(match Node::read(value)? {
                    Node::Object(object) => append(object.get(name)?, out),
                    _ => false,
                })
            })
        })
        .map(&[T::Variant, T::UInteger], T::Variant, |_| {
            bytes::<(Bytes, UInt32Type)>(|(value, place), out| Ok(append(item(value, place)?, out)))
        }),
    );
    r.add(
        def(
            "variant_contains",
            "Whether a value, or one inside of it, has all that another one has",
            "variant_contains([1, 2]::VARIANT, 2::VARIANT)",
        )
        .map(&[T::Variant, T::Variant], T::Boolean, |_| {
            boolean::<(Bytes, Bytes)>(|(value, wanted)| contains(value, wanted, 0).map(Some))
        }),
    );
    r.add(
        def(
            "variant_normalize",
            "The value as all are encoded: it is encoded so already",
            "variant_normalize({'b': 1, 'a': 2}::VARIANT)",
        )
        .map(&[T::Variant], T::Variant, |_| Box::new(|args, _, _, _| Ok(args[0].clone()))),
    );
    r.add(
        def(
            "variant_comparator",
            "Bytes that compare as VARIANTs do",
            "variant_comparator(1::VARIANT) = variant_comparator(1.0::VARIANT)",
        )
        .custom(&["(VARIANT) -> BLOB"], comparator),
    );
}
