//! Hive partitions: columns whose values are in the names of directories, `year=2024/month=1/data.parquet`.

use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::cast::cast;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::HIVE_NULL;
use crate::io::options::Options;
use crate::io::type_name;

/// Types that are tried for a key, the likeliest first.
const CANDIDATES: [LogicalType; 3] = [LogicalType::BigInt, LogicalType::Date, TIMESTAMP];

/// What the options `hive_partitioning`, `hive_types` and `hive_types_autocast` say.
#[derive(Debug, Clone)]
pub(crate) struct HiveOptions {
    /// `None`: if all paths have the same keys.
    enabled: Option<bool>,
    types: Vec<(String, LogicalType)>,
    /// Whether types are guessed.
    guess: bool,
}

impl HiveOptions {
    /// Checks the options.
    pub fn new(options: &Options) -> Result<Self> {
        let types = match options.pairs(&["hive_types"])? {
            None => vec![],
            Some(pairs) => pairs
                .into_iter()
                .map(|(name, ty)| Ok((name, type_name::parse(&ty)?)))
                .collect::<Result<_>>()?,
        };
        let enabled = options.boolean(&["hive_partitioning"])?;
        Ok(Self {
            enabled: enabled.or((!types.is_empty()).then_some(true)),
            types,
            guess: options.boolean(&["hive_types_autocast"])?.unwrap_or(true),
        })
    }

    /// No partitions, whatever the paths look like.
    pub fn off() -> Self {
        Self { enabled: Some(false), types: vec![], guess: true }
    }
}

/// A column that has one value a file.
#[derive(Debug, Clone)]
pub(crate) struct FileColumn {
    pub name: String,
    pub ty: LogicalType,
    /// Its value in each file.
    pub values: Vec<Scalar>,
}

/// The keys of these files, by name.
pub(crate) fn columns(paths: &[String], options: &HiveOptions) -> Result<Vec<FileColumn>> {
    if options.enabled == Some(false) {
        return Ok(vec![]);
    }
    let mut keys: Vec<Vec<(String, Option<String>)>> = paths.iter().map(|p| keys_of(p)).collect();
    keys.iter_mut().for_each(|k| k.sort());
    let names: Vec<String> =
        keys.first().map(|k| k.iter().map(|(n, _)| n.clone()).collect()).unwrap_or_default();
    for (path, found) in paths.iter().zip(&keys) {
        if !found.iter().map(|(n, _)| n).eq(&names) {
            if options.enabled.is_none() {
                return Ok(vec![]);
            }
            return Err(ExecError::InvalidInput(format!(
                "Hive partition mismatch: \"{path}\" has other keys than \"{}\", which has: {}",
                paths[0],
                names.join(", ")
            )));
        }
    }
    if let Some((unknown, _)) =
        options.types.iter().find(|(n, _)| !names.iter().any(|k| k.eq_ignore_ascii_case(n)))
    {
        let keys = if names.is_empty() {
            "it has none".to_owned()
        } else {
            format!("there are: {}", names.join(", "))
        };
        return Err(ExecError::InvalidInput(format!(
            "hive_types names \"{unknown}\", which is no key of \"{}\"; {keys}",
            paths[0],
        )));
    }
    let columns = names.into_iter().enumerate().map(|(i, name)| {
        let texts: Vec<Option<&str>> = keys.iter().map(|k| k[i].1.as_deref()).collect();
        let given = options.types.iter().find(|(n, _)| n.eq_ignore_ascii_case(&name));
        let (ty, values) = match given {
            Some((_, ty)) => {
                let values = values_of(&texts, ty).ok_or_else(|| {
                    ExecError::Conversion(format!("the key \"{name}\" has a value that is no {ty}"))
                })?;
                (ty.clone(), values)
            }
            None => guess(&texts, options.guess),
        };
        Ok(FileColumn { name, ty, values })
    });
    columns.collect()
}

/// The first type that all values have; text if there is none.
fn guess(texts: &[Option<&str>], guess: bool) -> (LogicalType, Vec<Scalar>) {
    let candidates = if guess && texts.iter().any(Option::is_some) { &CANDIDATES[..] } else { &[] };
    for ty in candidates {
        // A time is no date: the cast would drop the time of day.
        if *ty == LogicalType::Date && texts.iter().flatten().any(|text| text.contains(':')) {
            continue;
        }
        if let Some(values) = values_of(texts, ty) {
            return (ty.clone(), values);
        }
    }
    let text = |t: Option<&str>| t.map_or(Scalar::Null, Scalar::text);
    (LogicalType::Varchar, texts.iter().copied().map(text).collect())
}

/// All values as this type, if they are of it.
fn values_of(texts: &[Option<&str>], ty: &LogicalType) -> Option<Vec<Scalar>> {
    let array: arrow_array::ArrayRef =
        std::sync::Arc::new(texts.iter().copied().collect::<arrow_array::StringViewArray>());
    let array = cast(&array, &LogicalType::Varchar, ty, false).ok()?;
    Some((0..texts.len()).map(|i| Scalar::from_array(&array, i, ty)).collect())
}

/// The keys and values in the directories of a path.
fn keys_of(path: &str) -> Vec<(String, Option<String>)> {
    let mut directories: Vec<&str> = path.split(['/', '\\']).collect();
    directories.pop();
    directories
        .into_iter()
        .filter_map(|d| {
            let (key, value) = d.split_once('=')?;
            let value = (value != HIVE_NULL).then(|| decode(value));
            (!key.is_empty()).then(|| (decode(key), value))
        })
        .collect()
}

/// The name of a directory for a key and its value.
pub(crate) fn directory(key: &str, value: Option<&str>) -> String {
    format!("{}={}", encode(key), value.map_or_else(|| HIVE_NULL.to_string(), encode))
}

/// Writes what could be misread in a path as `%` and two hexadecimal digits.
fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The reverse of [`encode`]; a `%` that begins no escape is itself.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = vec![];
    let mut at = 0;
    while at < bytes.len() {
        let escaped = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
        match escaped.filter(|_| bytes[at] == b'%').and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(paths: &[&str]) -> String {
        let paths: Vec<String> = paths.iter().map(|p| (*p).to_string()).collect();
        let options = HiveOptions { enabled: None, types: vec![], guess: true };
        let columns = columns(&paths, &options).unwrap();
        columns.iter().map(|c| format!("{} {}", c.name, c.ty)).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn keys_and_their_types() {
        assert_eq!(found(&["a/k=1/d=2024-01-01/x.csv", "a/k=2/d=2024-01-02/x.csv"]), "d DATE, k BIGINT");
        assert_eq!(found(&["k=1/x", "k=b/x"]), "k VARCHAR");
        assert_eq!(found(&["k=__HIVE_DEFAULT_PARTITION__/x"]), "k VARCHAR");
        assert_eq!(found(&["k=1/x", "j=1/x"]), "");
        assert_eq!(found(&["x=1.csv"]), "");
    }

    #[test]
    fn names_come_back() {
        for text in ["a b/1", "größe", "100%", "x=y", ""] {
            assert_eq!(
                keys_of(&format!("d/{}/f", directory("k", Some(text)))),
                [("k".into(), Some(text.into()))]
            );
        }
        assert_eq!(decode("50%zz%"), "50%zz%");
    }
}
