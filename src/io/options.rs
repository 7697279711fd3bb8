//! Named options of readers and writers, and their values as SQL gives them.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::cast::text::write_value;
use crate::exec::error::{ExecError, Result};

/// Options with known names. Several names may mean the same option; readers ask for all of them.
#[derive(Debug)]
pub(crate) struct Options {
    function: String,
    given: Vec<(String, Scalar, LogicalType)>,
}

impl Options {
    /// Checks the names. Fails on one that is not known, with a suggestion, and on one given twice.
    pub fn new(function: &str, given: &[(String, Scalar, LogicalType)], known: &[&str]) -> Result<Self> {
        let mut options = Self { function: function.to_string(), given: vec![] };
        for (name, value, ty) in given {
            let name = name.to_lowercase();
            if !known.contains(&name.as_str()) {
                return Err(ExecError::InvalidInput(unknown(function, &name, known)));
            }
            if options.given.iter().any(|(n, ..)| *n == name) {
                return Err(options.bad(&name, "is given twice"));
            }
            options.given.push((name, value.clone(), ty.clone()));
        }
        Ok(options)
    }

    /// No option given.
    pub fn none(function: &str) -> Self {
        Self { function: function.to_string(), given: vec![] }
    }

    /// An error about one option: `option "delim" of read_csv must be …`.
    pub fn bad(&self, name: &str, problem: &str) -> ExecError {
        ExecError::InvalidInput(format!("option \"{name}\" of {} {problem}", self.function))
    }

    /// The option of any of these names, if given and not NULL. Fails if two of them are.
    fn get(&self, names: &[&str]) -> Result<Option<(&str, &Scalar)>> {
        let mut found = self.given.iter().filter(|(n, ..)| names.contains(&n.as_str()));
        let Some((name, value, _)) = found.next() else { return Ok(None) };
        if let Some((other, ..)) = found.next() {
            return Err(self.bad(other, &format!("means the same as \"{name}\"; give only one of them")));
        }
        Ok(if matches!(value, Scalar::Null) { None } else { Some((name, value)) })
    }

    /// Whether an option of one of these names is given.
    pub fn has(&self, names: &[&str]) -> bool {
        self.given.iter().any(|(n, ..)| names.contains(&n.as_str()))
    }

    /// The value of an option with one name, and its type, if given and not NULL.
    pub fn value(&self, name: &str) -> Option<(&Scalar, &LogicalType)> {
        let found = self.given.iter().find(|(n, ..)| n == name);
        found.map(|(_, value, ty)| (value, ty)).filter(|(value, _)| !matches!(value, Scalar::Null))
    }

    /// A switch: a boolean, 0 or 1, or their text.
    pub fn boolean(&self, names: &[&str]) -> Result<Option<bool>> {
        let Some((name, value)) = self.get(names)? else { return Ok(None) };
        let parsed = match value {
            Scalar::Boolean(b) => Some(*b),
            Scalar::Int(0) => Some(false),
            Scalar::Int(1) => Some(true),
            Scalar::Text(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "t" | "1" | "on" | "yes" => Some(true),
                "false" | "f" | "0" | "off" | "no" => Some(false),
                _ => None,
            },
            _ => None,
        };
        parsed.map(Some).ok_or_else(|| self.bad(name, "must be true or false"))
    }

    /// A text.
    pub fn text(&self, names: &[&str]) -> Result<Option<String>> {
        let Some((name, value)) = self.get(names)? else { return Ok(None) };
        match value {
            Scalar::Text(text) => Ok(Some(text.to_string())),
            _ => Err(self.bad(name, "must be a text")),
        }
    }

    /// A word, in lower case: a text, or what stands for a boolean.
    pub fn word(&self, names: &[&str]) -> Result<Option<String>> {
        match self.get(names)? {
            Some((_, Scalar::Boolean(b))) => Ok(Some(b.to_string())),
            _ => Ok(self.text(names)?.map(|t| t.to_ascii_lowercase())),
        }
    }

    /// A number.
    pub fn number(&self, names: &[&str]) -> Result<Option<f64>> {
        let Some((name, value)) = self.get(names)? else { return Ok(None) };
        let scale = self.given.iter().find(|(n, ..)| n == name).map_or(0, |(.., ty)| match ty {
            LogicalType::Decimal { scale, .. } => i32::from(*scale),
            _ => 0,
        });
        let parsed = match value {
            Scalar::Float(v) => Some(*v),
            Scalar::Int(n) => Some(*n as f64 / 10_f64.powi(scale)),
            Scalar::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        parsed.map(Some).ok_or_else(|| self.bad(name, "must be a number"))
    }

    /// A whole number.
    pub fn integer(&self, names: &[&str]) -> Result<Option<i64>> {
        let Some((name, value)) = self.get(names)? else { return Ok(None) };
        let parsed = match value {
            Scalar::Int(n) => i64::try_from(*n).ok(),
            Scalar::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        parsed.map(Some).ok_or_else(|| self.bad(name, "must be a whole number"))
    }

    /// A number that is not negative.
    pub fn count(&self, names: &[&str]) -> Result<Option<usize>> {
        match self.integer(names)? {
            None => Ok(None),
            Some(n) => usize::try_from(n).map(Some).map_err(|_| self.bad(names[0], "must not be negative")),
        }
    }

    /// A text or a list of texts.
    pub fn list(&self, names: &[&str]) -> Result<Option<Vec<String>>> {
        let Some((name, value)) = self.get(names)? else { return Ok(None) };
        texts(value).map(Some).ok_or_else(|| self.bad(name, "must be a text or a list of texts"))
    }

    /// A struct or map of texts, such as `{'a': 'INTEGER'}`, as pairs.
    pub fn pairs(&self, names: &[&str]) -> Result<Option<Vec<(String, String)>>> {
        let Some((name, value)) = self.get(names)? else { return Ok(None) };
        pairs(value)
            .map(Some)
            .ok_or_else(|| self.bad(name, "must be a struct of texts, such as {'a': 'INTEGER'}"))
    }

    /// A struct of any values, which become texts, or a map of texts, as pairs.
    pub fn pairs_as_text(&self, name: &str) -> Result<Option<Vec<(String, String)>>> {
        let Some((Scalar::Nested(array), LogicalType::Struct(fields))) = self.value(name) else {
            return self.pairs(&[name]);
        };
        let columns = array.as_struct().columns();
        let pairs = fields.iter().zip(columns).map(|((field, ty), column)| {
            let mut text = String::new();
            write_value(column, 0, ty, &mut text)?;
            Ok((field.to_string(), text))
        });
        pairs.collect::<Result<_>>().map(Some)
    }

    /// The name of the column with the file's name, if there is to be one: `true`, or a name.
    pub fn filename(&self) -> Result<Option<String>> {
        match self.text(&["filename"]) {
            Ok(Some(name)) if !matches!(name.as_str(), "true" | "false") => Ok(Some(name)),
            _ => Ok(self.boolean(&["filename"])?.unwrap_or(false).then(|| "filename".to_string())),
        }
    }

    /// The options as they were given, by name: `delim=',', skip=2`. Those with nested values are left out.
    pub fn shown(&self) -> String {
        let mut shown: Vec<String> = self
            .given
            .iter()
            .filter_map(|(name, value, ty)| {
                let value = match value {
                    Scalar::Text(text) => format!("'{}'", text.replace('\'', "''")),
                    Scalar::Int(_) | Scalar::Boolean(_) | Scalar::Float(_) => {
                        let array = value.to_array(ty, 1).ok()?;
                        let mut out = String::new();
                        write_value(&array, 0, ty, &mut out).ok()?;
                        out
                    }
                    _ => return None,
                };
                Some(format!("{name}={value}"))
            })
            .collect();
        shown.sort_unstable();
        shown.join(", ")
    }

    /// Whether the value of the option is a struct or map.
    pub fn is_pairs(&self, names: &[&str]) -> bool {
        matches!(self.get(names), Ok(Some((_, value))) if pairs(value).is_some())
    }
}

/// The message for an unknown option.
fn unknown(function: &str, name: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(k, name), *k))
        .filter(|(distance, k)| *distance <= 1 + k.len() / 4)
        .min()
        .map(|(_, k)| k)
        .or_else(|| known.iter().find(|k| name.len() > 2 && k.starts_with(name)).copied());
    match near {
        Some(near) => format!("{function} has no option \"{name}\"; did you mean \"{near}\"?"),
        None => format!("{function} has no option \"{name}\"; it has: {}", known.join(", ")),
    }
}

/// A text as a list of one, or a list of texts without NULLs.
pub(crate) fn texts(value: &Scalar) -> Option<Vec<String>> {
    match value {
        Scalar::Text(text) => Some(vec![text.to_string()]),
        Scalar::Nested(array) if array.len() == 1 => match array.data_type() {
            DataType::List(_) => all_texts(&array.as_list::<i32>().value(0)),
            DataType::LargeList(_) => all_texts(&array.as_list::<i64>().value(0)),
            DataType::FixedSizeList(..) => all_texts(&array.as_fixed_size_list().value(0)),
            _ => None,
        },
        _ => None,
    }
}

/// The fields of a struct, or the entries of a map, whose values are texts.
fn pairs(value: &Scalar) -> Option<Vec<(String, String)>> {
    let Scalar::Nested(array) = value else { return None };
    if array.len() != 1 {
        return None;
    }
    match array.data_type() {
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            fields.iter().zip(columns).map(|(f, c)| Some((f.name().clone(), text_at(c, 0)?))).collect()
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(0);
            let keys = all_texts(entries.column(0))?;
            Some(keys.into_iter().zip(all_texts(entries.column(1))?).collect())
        }
        _ => None,
    }
}

/// All values of an array of texts, none of them NULL.
fn all_texts(array: &ArrayRef) -> Option<Vec<String>> {
    (0..array.len()).map(|i| text_at(array, i)).collect()
}

/// One text of an array of texts of any layout.
fn text_at(array: &ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).to_string(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).to_string(),
        DataType::Utf8View => array.as_string_view().value(row).to_string(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow_array::{ListArray, StringViewArray, StructArray};
    use arrow_buffer::OffsetBuffer;
    use arrow_schema::Field;

    const KNOWN: &[&str] = &["delim", "sep", "header", "ignore_errors", "columns", "names"];

    fn options(given: &[(&str, Scalar)]) -> Result<Options> {
        let given: Vec<_> =
            given.iter().map(|(n, v)| ((*n).to_string(), v.clone(), LogicalType::Varchar)).collect();
        Options::new("read_csv", &given, KNOWN)
    }

    #[test]
    fn unknown_names_come_with_a_suggestion() {
        let error = options(&[("ignore_error", Scalar::Boolean(true))]).unwrap_err().to_string();
        assert!(error.contains("did you mean \"ignore_errors\""), "{error}");
        let error = options(&[("zzz", Scalar::Null)]).unwrap_err().to_string();
        assert!(error.contains("it has: delim"), "{error}");
    }

    #[test]
    fn values_are_checked() {
        let o = options(&[("header", Scalar::Text("True".into())), ("delim", Scalar::Int(3))]).unwrap();
        assert_eq!(o.boolean(&["header"]).unwrap(), Some(true));
        assert!(o.text(&["delim"]).unwrap_err().to_string().contains("must be a text"));
        let o = options(&[("delim", Scalar::Text(";".into())), ("sep", Scalar::Text(",".into()))]).unwrap();
        assert!(o.text(&["delim", "sep"]).is_err());
        assert!(options(&[("sep", Scalar::Null), ("sep", Scalar::Null)]).is_err());
    }

    #[test]
    fn nested_values() {
        let names = Arc::new(StringViewArray::from(vec!["a", "b"])) as ArrayRef;
        let list = ListArray::new(
            Arc::new(Field::new("item", DataType::Utf8View, true)),
            OffsetBuffer::from_lengths([2]),
            names,
            None,
        );
        let a = Arc::new(StringViewArray::from(vec!["INTEGER"])) as ArrayRef;
        let columns = StructArray::from(vec![(Arc::new(Field::new("a", DataType::Utf8View, true)), a)]);
        let o = options(&[
            ("names", Scalar::Nested(Arc::new(list))),
            ("columns", Scalar::Nested(Arc::new(columns))),
        ])
        .unwrap();
        assert_eq!(o.list(&["names"]).unwrap().unwrap(), ["a", "b"]);
        assert_eq!(o.pairs(&["columns"]).unwrap().unwrap(), [("a".to_string(), "INTEGER".to_string())]);
    }
}
