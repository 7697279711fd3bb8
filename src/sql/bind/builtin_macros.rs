//! Macros that are always there. One of the user's with the same name comes first.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::catalog::{MacroDefinition, MacroKind, MacroOverload, MacroParameter, ObjectId, SchemaId};

/// A macro, and what is told of it.
pub struct BuiltinMacro {
    /// The name, in lower case.
    pub name: &'static str,
    /// Names of the parameters.
    pub parameters: &'static [&'static str],
    /// The expression that it stands for.
    pub body: &'static str,
    /// `(ANY) -> ANY`.
    pub signature: &'static str,
    /// One line.
    pub description: &'static str,
    /// A call.
    pub example: &'static str,
}

/// All of them, in alphabetical order.
pub const BUILTIN_MACROS: &[BuiltinMacro] = &[
    BuiltinMacro {
        name: "array_to_string_comma_default",
        parameters: &["arr"],
        body: "array_to_string(arr, ',')",
        signature: "(ANY[]) -> VARCHAR",
        description: "The elements of a list as text with commas between them",
        example: "array_to_string_comma_default([1, 2])",
    },
    BuiltinMacro {
        name: "date",
        parameters: &["x"],
        body: "CAST(x AS DATE)",
        signature: "(ANY) -> DATE",
        description: "The date of a text or an instant",
        example: "date('2024-01-31')",
    },
    BuiltinMacro {
        name: "generate_subscripts",
        parameters: &["arr", "dim"],
        body: "unnest(generate_series(1, array_length(arr, dim)))",
        signature: "(ANY[], BIGINT) -> BIGINT",
        description: "A row for each element of a list: its number",
        example: "generate_subscripts([4, 5, 6], 1)",
    },
    BuiltinMacro {
        name: "json_group_structure",
        parameters: &["x"],
        body: "json_structure(json_group_array(x)) -> 0",
        signature: "(JSON) -> JSON",
        description: "The types in all JSON values of a group, as JSON",
        example: "json_group_structure(x)",
    },
    BuiltinMacro {
        name: "list_kurtosis_pop",
        parameters: &["l"],
        body: "list_aggr(l, 'kurtosis_pop')",
        signature: "(ANY[]) -> DOUBLE",
        description: "Kurtosis of the elements of a list, as a whole population",
        example: "list_kurtosis_pop([1, 2, 3, 10])",
    },
    BuiltinMacro {
        name: "regexp_split_to_table",
        parameters: &["text", "pattern"],
        body: "unnest(string_split_regex(text, pattern))",
        signature: "(VARCHAR, VARCHAR) -> VARCHAR",
        description: "A row for each part of a text between matches of a pattern",
        example: "regexp_split_to_table('a, b', ', *')",
    },
];

static DEFINITIONS: LazyLock<HashMap<&'static str, Arc<MacroDefinition>>> = LazyLock::new(|| {
    let parameter = |name: &&str| MacroParameter { name: (*name).into(), ty: None, default: None };
    let definition = |m: &BuiltinMacro| MacroDefinition {
        id: ObjectId::NONE,
        schema: SchemaId(0),
        name: m.name.into(),
        comment: None,
        kind: MacroKind::Scalar,
        overloads: vec![MacroOverload {
            parameters: m.parameters.iter().map(parameter).collect(),
            body: m.body.into(),
        }],
    };
    BUILTIN_MACROS.iter().map(|m| (m.name, Arc::new(definition(m)))).collect()
});

/// The macro of that name, in any case.
pub fn builtin_macro(name: &str) -> Option<&'static Arc<MacroDefinition>> {
    DEFINITIONS.get(name.to_ascii_lowercase().as_str())
}
