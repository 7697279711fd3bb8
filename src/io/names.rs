//! Names of columns that files give.

use hashbrown::HashMap;

/// Makes names unique without regard to case: a later one of two gets `_1`, `_2`, … behind it.
pub(crate) fn unique(names: &mut [String]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for name in names {
        while let Some(n) = seen.get_mut(&name.to_lowercase()) {
            let suffix = *n;
            *n += 1;
            *name = format!("{name}_{suffix}");
        }
        seen.insert(name.to_lowercase(), 1);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn later_ones_are_renamed() {
        let mut names = ["a", "A", "b", "a", "a_1"].map(String::from);
        super::unique(&mut names);
        assert_eq!(names, ["a", "A_1", "b", "a_2", "a_1_1"]);
    }
}
