//! Identifiers: found whatever their case, kept as they were written; and guesses at what was meant.

use std::collections::BTreeMap;

/// The form under which a name is looked up. Only ASCII letters fold, as in DuckDB: `Ä` and `ä` are two
/// names, and no name depends on a version of Unicode.
pub fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// A map by name, whatever its case; iteration is in the order of folded names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameMap<V>(BTreeMap<String, V>);

impl<V> Default for NameMap<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V> NameMap<V> {
    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.0.get(&fold(name))
    }

    /// Puts a value under that name; returns the one that was there.
    pub fn insert(&mut self, name: &str, value: V) -> Option<V> {
        self.0.insert(fold(name), value)
    }

    /// Takes the value out.
    pub fn remove(&mut self, name: &str) -> Option<V> {
        self.0.remove(&fold(name))
    }

    /// All values.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.values()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The candidates that look most like `wanted`, the closest first, at most `limit`; none that is too
/// far off to be a slip of the finger.
pub fn similar<'a>(
    wanted: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    limit: usize,
) -> Vec<&'a str> {
    let wanted = fold(wanted);
    let mut close: Vec<(u32, &str)> = candidates
        .into_iter()
        .filter_map(|name| {
            let folded = fold(name);
            // A name that begins with what was typed counts as close, however long it is.
            let score = if wanted.len() >= 3 && (folded.starts_with(&wanted) || wanted.starts_with(&folded)) {
                0.9_f64.max(strsim::jaro_winkler(&wanted, &folded))
            } else {
                let distance = strsim::damerau_levenshtein(&wanted, &folded);
                let longest = wanted.chars().count().max(folded.chars().count()).max(1);
                1.0 - distance as f64 / longest as f64
            };
            (score >= 0.5).then_some(((score * 1e6) as u32, name))
        })
        .collect();
    close.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    close.dedup_by(|a, b| a.1 == b.1);
    close.into_iter().take(limit).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ignore_ascii_case_only() {
        let mut map = NameMap::default();
        assert_eq!(map.insert("Trips", 1), None);
        assert_eq!(map.insert("TRIPS", 2), Some(1));
        assert_eq!(map.get("trips"), Some(&2));
        map.insert("Ä", 3);
        assert_eq!(map.get("ä"), None);
        assert_eq!(map.remove("tRIPS"), Some(2));
        assert_eq!(map.len(), 1);
    }

    #[test]
    fn guesses_what_was_meant() {
        let names = ["customer", "orders", "lineitem", "part", "partsupp"];
        assert_eq!(similar("ordres", names, 1), ["orders"]);
        assert_eq!(similar("CUSTOMERS", names, 1), ["customer"]);
        assert_eq!(similar("line", names, 1), ["lineitem"]);
        assert_eq!(similar("zzz", names, 3), Vec::<&str>::new());
        assert_eq!(similar("", names, 3), Vec::<&str>::new());
    }
}
