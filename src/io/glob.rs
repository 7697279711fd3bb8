//! Glob patterns over the file system, and the table function `glob`.
//!
//! `*` and `?` match within one part of a path, `[a-z]` and `[!a-z]` a set, `{a,b}` alternatives, and a part
//! `**` any number of directories. Names that begin with a dot match only patterns that do. Results are
//! sorted, so that the order of rows does not depend on the file system.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::StringViewArray;

use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Field, Schema};
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::{ColumnPredicate, Source, SourceScan, TableFunctionArgs, batches_scan};

/// The most alternatives that the braces of one pattern may stand for.
const MAX_ALTERNATIVES: usize = 1024;
/// The most files that one pattern may match.
const MAX_FILES: usize = 1_000_000;
/// How deep `**` goes.
const MAX_DEPTH: usize = 64;

/// Whether a path has a wildcard.
pub(crate) fn has_wildcard(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

/// The files that match, sorted. Directories that cannot be read are an error only if the pattern names
/// them.
pub(crate) fn expand(pattern: &str) -> Result<Vec<String>> {
    let mut out = vec![];
    for pattern in alternatives(pattern)? {
        let (root, rest) = match pattern.strip_prefix('/') {
            Some(rest) => (PathBuf::from("/"), rest),
            None => (PathBuf::new(), &pattern[..]),
        };
        let mut parts: Vec<&str> = rest.split('/').filter(|p| !p.is_empty()).collect();
        // What is below directories of any depth is files.
        if parts.last() == Some(&"**") {
            parts.push("*");
        }
        walk(&root, &parts, 0, &mut out)?;
    }
    out.sort_unstable();
    out.dedup();
    Ok(out)
}

/// The pattern with each choice of its braces.
fn alternatives(pattern: &str) -> Result<Vec<String>> {
    let mut done = vec![];
    let mut open = vec![pattern.to_string()];
    while let Some(next) = open.pop() {
        let braces = next.find('{').and_then(|start| Some((start, start + next[start..].find('}')?)));
        match braces {
            Some((start, end)) => {
                for choice in next[start + 1..end].split(',') {
                    open.push(format!("{}{choice}{}", &next[..start], &next[end + 1..]));
                }
            }
            None => done.push(next),
        }
        if open.len() + done.len() > MAX_ALTERNATIVES {
            return Err(ExecError::InvalidInput(format!(
                "too many alternatives in the pattern \"{pattern}\""
            )));
        }
    }
    Ok(done)
}

/// Adds the files under `base` that match the parts.
fn walk(base: &PathBuf, parts: &[&str], depth: usize, out: &mut Vec<String>) -> Result<()> {
    let Some((&part, rest)) = parts.split_first() else {
        if base.is_file() {
            out.push(base.to_string_lossy().into_owned());
            if out.len() > MAX_FILES {
                return Err(ExecError::InvalidInput(format!(
                    "a pattern matches more than {MAX_FILES} files"
                )));
            }
        }
        return Ok(());
    };
    if !has_wildcard(part) {
        return walk(&base.join(part), rest, depth, out);
    }
    let any_depth = part == "**";
    if any_depth {
        walk(base, rest, depth, out)?;
    }
    let here = if base.as_os_str().is_empty() { PathBuf::from(".") } else { base.clone() };
    let Ok(entries) = fs::read_dir(&here) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.starts_with('.') && !part.starts_with('.') {
            continue;
        }
        if any_depth {
            // Links are not followed here, so that a loop of links ends.
            let is_dir = entry.file_type().is_ok_and(|t| t.is_dir());
            if is_dir && depth < MAX_DEPTH {
                walk(&base.join(name), parts, depth + 1, out)?;
            }
        } else if matches(part.as_bytes(), name.as_bytes()) {
            walk(&base.join(name), rest, depth, out)?;
        }
    }
    Ok(())
}

/// Whether one part of a path matches one part of a pattern. Linear but for one star of backtracking.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'[') => match set(&pattern[p..], name[n]) {
                Some((true, len)) => Some(len),
                Some((false, _)) => None,
                None => (name[n] == b'[').then_some(1),
            },
            Some(c) => (*c == name[n]).then_some(1),
            None => None,
        };
        match (step, star) {
            (Some(len), _) => {
                p += len;
                n += 1;
            }
            (None, Some((star_p, star_n))) => {
                p = star_p + 1;
                n = star_n + 1;
                star = Some((star_p, n));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// Whether the set at the head of the pattern has this byte, and how long the set is; `None` if it does
/// not end.
fn set(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let start = 1 + usize::from(negated);
    let mut i = start;
    let mut found = false;
    loop {
        let c = *pattern.get(i)?;
        if c == b']' && i > start {
            return Some((found != negated, i + 1));
        }
        match (pattern.get(i + 1), pattern.get(i + 2)) {
            (Some(b'-'), Some(&end)) if end != b']' => {
                found |= (c..=end).contains(&byte);
                i += 3;
            }
            _ => {
                found |= c == byte;
                i += 1;
            }
        }
    }
}

/// The table function `glob(pattern)`: one row a file.
pub(crate) fn source(args: &TableFunctionArgs) -> Result<Arc<dyn Source>> {
    if let Some((name, ..)) = args.named.first() {
        return Err(ExecError::InvalidInput(format!("glob has no option \"{name}\"")));
    }
    let mut files = vec![];
    for pattern in super::files_argument("glob", args)? {
        files.extend(expand(&super::files::expand_home(&pattern))?);
    }
    Ok(Arc::new(FileNames { files: files.into() }))
}

/// The rows of `glob`.
#[derive(Debug)]
struct FileNames {
    files: Arc<[String]>,
}

impl Source for FileNames {
    fn describe(&self) -> String {
        "GLOB".into()
    }

    fn schema(&self) -> Schema {
        Arc::new([Field::new("file", LogicalType::Varchar)])
    }

    fn estimated_rows(&self) -> Option<u64> {
        Some(self.files.len() as u64)
    }

    fn scan(
        &self,
        columns: &[usize],
        _predicates: &[ColumnPredicate],
        _context: &Arc<ExecContext>,
    ) -> Result<Box<dyn SourceScan>> {
        let names = Arc::new(StringViewArray::from_iter_values(self.files.iter()));
        let batch = Batch::new(columns.iter().map(|_| names.clone() as _).collect(), self.files.len());
        Ok(Box::new(batches_scan(vec![batch])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching() {
        for (pattern, name, yes) in [
            ("*.csv", "a.csv", true),
            ("*.csv", "a.csv.gz", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]x", "]x", true),
            ("[x", "[x", true),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxcxxb", false),
            ("**", "anything", true),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), yes, "{pattern} {name}");
        }
    }

    #[test]
    fn expansion() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("x/y")).unwrap();
        for name in ["b.csv", "a.csv", "c.txt", ".hidden.csv", "x/d.csv", "x/y/e.csv"] {
            fs::write(root.join(name), "").unwrap();
        }
        let base = root.to_str().unwrap();
        let names = |pattern: &str| -> Vec<String> {
            let found = expand(&format!("{base}/{pattern}")).unwrap();
            found.iter().map(|p| p[base.len() + 1..].to_string()).collect()
        };
        assert_eq!(names("*.csv"), ["a.csv", "b.csv"]);
        assert_eq!(names("{a,c}.*"), ["a.csv", "c.txt"]);
        assert_eq!(names("*/*.csv"), ["x/d.csv"]);
        assert_eq!(names("**/*.csv"), ["a.csv", "b.csv", "x/d.csv", "x/y/e.csv"]);
        assert!(names("nothing*").is_empty());
    }

    #[test]
    fn too_many_alternatives() {
        assert!(expand(&"{a,b}".repeat(20)).is_err());
    }
}
