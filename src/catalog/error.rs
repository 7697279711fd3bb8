//! What can go wrong with names and with the records of the catalog.

use crate::catalog::object::ObjectKind;

/// An error of the catalog. Messages are for the user, in the words DuckDB's users know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The name is taken.
    #[error("Catalog Error: {kind} with name \"{name}\" already exists!")]
    AlreadyExists {
        /// What has the name.
        kind: ObjectKind,
        /// The name.
        name: String,
    },
    /// Nothing has that name.
    #[error("Catalog Error: {kind} with name {name} does not exist!{}", did_you_mean(.similar))]
    NotFound {
        /// What was looked for.
        kind: ObjectKind,
        /// The name.
        name: String,
        /// Names that are close to it, the closest first.
        similar: Vec<String>,
    },
    /// Something else has that name.
    #[error("Catalog Error: Existing object \"{name}\" is of type {found}, not {wanted}")]
    WrongKind {
        /// The name.
        name: String,
        /// What has it.
        found: ObjectKind,
        /// What was looked for.
        wanted: ObjectKind,
    },
    /// Something else needs it.
    #[error(
        "Dependency Error: Cannot drop entry \"{name}\" because there are entries that depend on it. {dependent}. \
         Use DROP...CASCADE to drop all dependents."
    )]
    InUse {
        /// The name of what was to be dropped.
        name: String,
        /// One thing that needs it, as `table "t" depends on sequence "s"`.
        dependent: String,
    },
    /// A definition that cannot be: two columns of one name, no columns, an empty name.
    #[error("Catalog Error: {0}")]
    Invalid(String),
    /// A record does not say what it should.
    #[error("Corrupt database: {record} at {place}: {what}")]
    Corrupt {
        /// The kind of record.
        record: &'static str,
        /// Where it is: page and slot.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// A record was written by a later version.
    #[error(
        "{record} at {place} is of version {version}; this version of FluxDB reads up to {known}: \
         the database was written by a newer version"
    )]
    Newer {
        /// The kind of record.
        record: &'static str,
        /// Where it is: page and slot.
        place: String,
        /// Its version.
        version: u8,
        /// The latest version known.
        known: u8,
    },
}

fn did_you_mean(similar: &[String]) -> String {
    match similar {
        [] => String::new(),
        [first, rest @ ..] => {
            let mut text = format!(" Did you mean \"{first}\"");
            for name in rest {
                text.push_str(" or \"");
                text.push_str(name);
                text.push('"');
            }
            text.push('?');
            text
        }
    }
}

/// The result of asking the catalog.
pub type Result<T, E = CatalogError> = std::result::Result<T, E>;
