//! Values that a statement can name: parameters, and variables of the session.

use std::collections::{BTreeMap, BTreeSet};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::sql::error::{Result, SqlError};

/// A value and its type.
pub type TypedValue = (Scalar, LogicalType);

/// Values of a statement's parameters: `$1`, `?`, `$name`.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    values: BTreeMap<String, TypedValue>,
    /// Nothing is known of the values: any may be meant.
    unknown: bool,
    /// What is planned is to hold for other values of the same types.
    open: bool,
}

impl Parameters {
    /// Values by position, from `$1` on.
    pub fn positional(values: impl IntoIterator<Item = TypedValue>) -> Self {
        let values = values.into_iter().enumerate();
        Self { values: values.map(|(i, value)| ((i + 1).to_string(), value)).collect(), ..Self::default() }
    }

    /// Parameters whose values are not known yet: all are NULL, which fits everywhere.
    pub fn unknown() -> Self {
        Self { unknown: true, ..Self::default() }
    }

    /// Says whether what is planned is to hold for other values of the same types. Only their types count then.
    pub fn set_open(&mut self, open: bool) {
        self.open = open;
    }

    /// Whether only the types of the values count.
    pub fn are_open(&self) -> bool {
        self.open
    }

    /// The types of all values by name; `None` if one is NULL, which has any type.
    pub fn types(&self) -> Option<Vec<(String, LogicalType)>> {
        let types = self
            .values
            .iter()
            .map(|(name, (value, ty))| (!value.is_null()).then(|| (name.clone(), ty.clone())));
        types.collect()
    }

    /// Whether the values have these types, and none is NULL.
    pub fn are_of(&self, types: &[(String, LogicalType)]) -> bool {
        self.values.len() == types.len()
            && self.values.iter().zip(types).all(|((name, (value, ty)), (known, known_ty))| {
                name == known && ty == known_ty && !value.is_null()
            })
    }

    /// Whether the values that are not NULL have these types.
    pub fn are_of_or_null(&self, types: &[(String, LogicalType)]) -> bool {
        self.values.len() == types.len()
            && self.values.iter().zip(types).all(|((name, (value, ty)), (known, known_ty))| {
                name == known && (ty == known_ty || value.is_null())
            })
    }

    /// The values from `$1` on, if there are no others.
    pub fn into_positional(mut self) -> Option<Vec<TypedValue>> {
        let count = self.values.len();
        (1..=count).map(|i| self.values.remove(&i.to_string())).collect()
    }

    /// Gives a value to the parameter of that name, or of that number as text.
    pub fn insert(&mut self, name: &str, value: TypedValue) -> Option<TypedValue> {
        self.values.insert(name.to_lowercase(), value)
    }

    /// The value of a parameter, which is called as in the text but for its `$`.
    pub fn get(&self, name: &str) -> Result<TypedValue> {
        if self.unknown {
            return Ok((Scalar::Null, LogicalType::Null));
        }
        let value = self.values.get(&name.to_lowercase()).cloned();
        value.ok_or_else(|| missing(&[name]))
    }

    /// Whether there are values for just the parameters of these names.
    ///
    /// # Errors
    /// Names the parameters that have no value, or the values that no parameter has.
    pub fn check(&self, wanted: &[String]) -> Result<()> {
        let wanted: BTreeSet<String> = wanted.iter().map(|name| name.to_lowercase()).collect();
        let mut excess: Vec<&str> =
            self.values.keys().filter(|name| !wanted.contains(*name)).map(String::as_str).collect();
        if !excess.is_empty() {
            by_number(&mut excess);
            return Err(SqlError::invalid(format!(
                "Parameter argument/count mismatch, identifiers of the excess parameters: {}",
                excess.join(", ")
            )));
        }
        let lacking: Vec<&str> =
            wanted.iter().filter(|name| !self.values.contains_key(*name)).map(String::as_str).collect();
        if lacking.is_empty() { Ok(()) } else { Err(missing(&lacking)) }
    }
}

fn missing(names: &[&str]) -> SqlError {
    let mut names = names.to_vec();
    by_number(&mut names);
    SqlError::invalid(format!("Values were not provided for the following parameters: {}", names.join(", ")))
}

/// Numbers in their order, then names.
fn by_number(names: &mut [&str]) {
    names.sort_by_key(|name| (name.parse::<u32>().unwrap_or(u32::MAX), name.to_string()));
}

/// Variables of a session: `SET VARIABLE`.
#[derive(Debug, Clone, Default)]
pub struct Variables(BTreeMap<String, TypedValue>);

impl Variables {
    /// The value of the variable of that name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&TypedValue> {
        self.0.get(&name.to_lowercase())
    }

    /// Gives a variable a value, or takes it away.
    pub fn set(&mut self, name: &str, value: Option<TypedValue>) {
        let name = name.to_lowercase();
        match value {
            Some(value) => self.0.insert(name, value),
            None => self.0.remove(&name),
        };
    }

    /// All of them, by name.
    pub fn list(&self) -> impl Iterator<Item = (&str, &TypedValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_parameters_must_match() {
        let int = |n| (Scalar::Int(n), LogicalType::Integer);
        let values = Parameters::positional([int(7), int(8)]);
        let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        values.check(&names(&["1", "2", "1"])).unwrap();
        assert_eq!(values.get("2").unwrap().0, Scalar::Int(8));
        let message = |e: Result<()>| e.unwrap_err().message;
        assert!(message(values.check(&names(&["1"]))).ends_with("excess parameters: 2"));
        let many = names(&["1", "10", "2", "9"]);
        assert!(message(values.check(&many)).ends_with("parameters: 9, 10"));
        let mut named = Parameters::default();
        named.insert("Limit", int(3));
        named.check(&names(&["limit"])).unwrap();
        assert!(named.get("other").is_err());
        assert!(Parameters::unknown().get("other").unwrap().0.is_null());
    }
}
