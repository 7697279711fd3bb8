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

/// All of them, in alphabetical order, those of one name by the number of their parameters.
pub const BUILTIN_MACROS: &[BuiltinMacro] = &[
    BuiltinMacro {
        name: "array_fill",
        parameters: &["value", "dims"],
        body: "CASE WHEN len(dims) = 1 THEN list_transform(range(dims[1]), lambda \"place of value\": value) ELSE error('array_fill makes lists of one dimension') END",
        signature: "(ANY, BIGINT[]) -> ANY[]",
        description: "A list that has one value so many times",
        example: "array_fill(7, [3])",
    },
    BuiltinMacro {
        name: "array_lower",
        parameters: &["arr", "dim"],
        body: "CASE WHEN array_length(arr, dim) > 0 THEN 1 END",
        signature: "(ANY[], BIGINT) -> INTEGER",
        description: "PostgreSQL's number of the first element of a list; NULL if it has none",
        example: "array_lower([4, 5, 6], 1)",
    },
    BuiltinMacro {
        name: "array_positions",
        parameters: &["arr", "item"],
        body: "list_filter(range(1, len(arr) + 1), lambda \"array position\": arr[\"array position\"] IS NOT DISTINCT FROM item)",
        signature: "(ANY[], ANY) -> BIGINT[]",
        description: "Where a list has an element",
        example: "array_positions([1, 2, 1], 1)",
    },
    BuiltinMacro {
        name: "array_remove",
        parameters: &["arr", "item"],
        body: "list_filter(arr, lambda \"array item\": \"array item\" IS DISTINCT FROM item)",
        signature: "(ANY[], ANY) -> ANY[]",
        description: "A list without the elements that are equal to a value",
        example: "array_remove([1, 2, 1], 1)",
    },
    BuiltinMacro {
        name: "array_replace",
        parameters: &["arr", "item", "replacement"],
        body: "list_transform(arr, lambda \"array item\": CASE WHEN \"array item\" IS NOT DISTINCT FROM item THEN replacement ELSE \"array item\" END)",
        signature: "(ANY[], ANY, ANY) -> ANY[]",
        description: "A list with another value in the place of one",
        example: "array_replace([1, 2, 1], 1, 5)",
    },
    BuiltinMacro {
        name: "array_to_string_comma_default",
        parameters: &["arr"],
        body: "array_to_string(arr, ',')",
        signature: "(ANY[]) -> VARCHAR",
        description: "The elements of a list as text with commas between them",
        example: "array_to_string_comma_default([1, 2])",
    },
    BuiltinMacro {
        name: "array_upper",
        parameters: &["arr", "dim"],
        body: "array_length(arr, dim)",
        signature: "(ANY[], BIGINT) -> BIGINT",
        description: "PostgreSQL's number of the last element of a list",
        example: "array_upper([4, 5, 6], 1)",
    },
    BuiltinMacro {
        name: "btrim",
        parameters: &["text"],
        body: "trim(text)",
        signature: "(VARCHAR) -> VARCHAR",
        description: "A text without blanks at both ends",
        example: "btrim('  a ')",
    },
    BuiltinMacro {
        name: "btrim",
        parameters: &["text", "characters"],
        body: "trim(text, characters)",
        signature: "(VARCHAR, VARCHAR) -> VARCHAR",
        description: "A text without any of the characters at both ends",
        example: "btrim('xaxy', 'xy')",
    },
    BuiltinMacro {
        name: "convert_from",
        parameters: &["bytes", "encoding"],
        body: "CASE WHEN lower(encoding) IN ('utf8', 'utf-8') THEN decode(bytes) ELSE error('the only encoding is UTF8') END",
        signature: "(BLOB, VARCHAR) -> VARCHAR",
        description: "The text that bytes are in UTF-8",
        example: "convert_from('a'::BLOB, 'UTF8')",
    },
    BuiltinMacro {
        name: "convert_to",
        parameters: &["text", "encoding"],
        body: "CASE WHEN lower(encoding) IN ('utf8', 'utf-8') THEN encode(text) ELSE error('the only encoding is UTF8') END",
        signature: "(VARCHAR, VARCHAR) -> BLOB",
        description: "The bytes of a text in UTF-8",
        example: "convert_to('é', 'UTF8')",
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
        name: "initcap",
        parameters: &["text"],
        body: "array_to_string(list_transform(regexp_extract_all(text, '[\\p{L}\\p{N}]+|[^\\p{L}\\p{N}]+'), lambda \"word of text\": upper(\"word of text\"[1]) || lower(\"word of text\"[2:])), '')",
        signature: "(VARCHAR) -> VARCHAR",
        description: "A text with each word in lower case but for its first letter",
        example: "initcap('hello WORLD')",
    },
    BuiltinMacro {
        name: "json_array_elements",
        parameters: &["x"],
        body: "unnest(json_extract(x, '$[*]'))",
        signature: "(JSON) -> JSON",
        description: "A row for each element of a JSON array",
        example: "json_array_elements('[1, 2]')",
    },
    BuiltinMacro {
        name: "json_array_elements_text",
        parameters: &["x"],
        body: "unnest(json_extract_string(x, '$[*]'))",
        signature: "(JSON) -> VARCHAR",
        description: "A row for each element of a JSON array, as text",
        example: "json_array_elements_text('[1, 2]')",
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
        name: "json_object_keys",
        parameters: &["x"],
        body: "unnest(json_keys(x))",
        signature: "(JSON) -> VARCHAR",
        description: "A row for each key of a JSON object",
        example: "json_object_keys('{\"a\": 1}')",
    },
    BuiltinMacro {
        name: "json_typeof",
        parameters: &["x"],
        body: "CASE json_type(x) WHEN 'OBJECT' THEN 'object' WHEN 'ARRAY' THEN 'array' WHEN 'VARCHAR' THEN 'string' WHEN 'BOOLEAN' THEN 'boolean' WHEN 'NULL' THEN 'null' WHEN 'UBIGINT' THEN 'number' WHEN 'BIGINT' THEN 'number' WHEN 'HUGEINT' THEN 'number' WHEN 'UHUGEINT' THEN 'number' WHEN 'DOUBLE' THEN 'number' END",
        signature: "(JSON) -> VARCHAR",
        description: "What a JSON value is: object, array, string, number, boolean or null",
        example: "json_typeof('[1]')",
    },
    BuiltinMacro {
        name: "jsonb_array_elements",
        parameters: &["x"],
        body: "unnest(json_extract(x, '$[*]'))",
        signature: "(JSON) -> JSON",
        description: "A row for each element of a JSON array",
        example: "jsonb_array_elements('[1, 2]')",
    },
    BuiltinMacro {
        name: "jsonb_array_elements_text",
        parameters: &["x"],
        body: "unnest(json_extract_string(x, '$[*]'))",
        signature: "(JSON) -> VARCHAR",
        description: "A row for each element of a JSON array, as text",
        example: "jsonb_array_elements_text('[1, 2]')",
    },
    BuiltinMacro {
        name: "jsonb_array_length",
        parameters: &["x"],
        body: "json_array_length(x)",
        signature: "(JSON) -> UBIGINT",
        description: "Number of elements of a JSON array",
        example: "jsonb_array_length('[1, 2]')",
    },
    BuiltinMacro {
        name: "jsonb_object_keys",
        parameters: &["x"],
        body: "unnest(json_keys(x))",
        signature: "(JSON) -> VARCHAR",
        description: "A row for each key of a JSON object",
        example: "jsonb_object_keys('{\"a\": 1}')",
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
        name: "pg_get_constraintdef",
        parameters: &["constraint_oid"],
        body: "(SELECT constraint_text FROM duckdb_constraints() WHERE table_oid + (constraint_index + 1) * 4294967296 = constraint_oid)",
        signature: "(BIGINT) -> VARCHAR",
        description: "The text of a constraint, by its oid in pg_constraint",
        example: "pg_get_constraintdef(1)",
    },
    BuiltinMacro {
        name: "pg_get_constraintdef",
        parameters: &["constraint_oid", "pretty_bool"],
        body: "(SELECT constraint_text FROM duckdb_constraints() WHERE table_oid + (constraint_index + 1) * 4294967296 = constraint_oid)",
        signature: "(BIGINT, BOOLEAN) -> VARCHAR",
        description: "The text of a constraint, by its oid in pg_constraint",
        example: "pg_get_constraintdef(1)",
    },
    BuiltinMacro {
        name: "quote_literal",
        parameters: &["text"],
        body: "'''' || replace(CAST(text AS VARCHAR), '''', '''''') || ''''",
        signature: "(ANY) -> VARCHAR",
        description: "A value as a text constant of SQL",
        example: "quote_literal('it''s')",
    },
    BuiltinMacro {
        name: "quote_nullable",
        parameters: &["text"],
        body: "coalesce('''' || replace(CAST(text AS VARCHAR), '''', '''''') || '''', 'NULL')",
        signature: "(ANY) -> VARCHAR",
        description: "A value as a text constant of SQL, or NULL",
        example: "quote_nullable(NULL)",
    },
    BuiltinMacro {
        name: "regexp_count",
        parameters: &["text", "pattern"],
        body: "len(regexp_extract_all(text, pattern))",
        signature: "(VARCHAR, VARCHAR) -> BIGINT",
        description: "How often a pattern matches",
        example: "regexp_count('a1b2', '[0-9]')",
    },
    BuiltinMacro {
        name: "regexp_like",
        parameters: &["text", "pattern"],
        body: "regexp_matches(text, pattern)",
        signature: "(VARCHAR, VARCHAR) -> BOOLEAN",
        description: "Whether a pattern matches somewhere",
        example: "regexp_like('a1b2', '[0-9]')",
    },
    BuiltinMacro {
        name: "regexp_split_to_table",
        parameters: &["text", "pattern"],
        body: "unnest(string_split_regex(text, pattern))",
        signature: "(VARCHAR, VARCHAR) -> VARCHAR",
        description: "A row for each part of a text between matches of a pattern",
        example: "regexp_split_to_table('a, b', ', *')",
    },
    BuiltinMacro {
        name: "regexp_substr",
        parameters: &["text", "pattern"],
        body: "CASE WHEN regexp_matches(text, pattern) THEN regexp_extract(text, pattern) END",
        signature: "(VARCHAR, VARCHAR) -> VARCHAR",
        description: "The first part of a text that a pattern matches; NULL if none does",
        example: "regexp_substr('a12b3', '[0-9]+')",
    },
    BuiltinMacro {
        name: "string_to_table",
        parameters: &["text", "separator"],
        body: "unnest(string_to_array(text, separator))",
        signature: "(VARCHAR, VARCHAR) -> VARCHAR",
        description: "A row for each part of a text between separators",
        example: "string_to_table('a,b', ',')",
    },
    BuiltinMacro {
        name: "trim_array",
        parameters: &["arr", "count"],
        body: "CASE WHEN count BETWEEN 0 AND len(arr) THEN arr[1:len(arr) - count] ELSE error('number of elements to trim must be between 0 and the length of the array') END",
        signature: "(ANY[], BIGINT) -> ANY[]",
        description: "A list without so many elements at its end",
        example: "trim_array([1, 2, 3], 1)",
    },
    BuiltinMacro {
        name: "width_bucket",
        parameters: &["x", "low", "high", "buckets"],
        body: "CASE WHEN low < high THEN CASE WHEN x < low THEN 0 WHEN x >= high THEN buckets + 1 ELSE CAST(floor((x - low) * buckets / (high - low)) AS INTEGER) + 1 END WHEN high < low THEN CASE WHEN x > low THEN 0 WHEN x <= high THEN buckets + 1 ELSE CAST(floor((low - x) * buckets / (low - high)) AS INTEGER) + 1 END END",
        signature: "(ANY, ANY, ANY, INTEGER) -> INTEGER",
        description: "The bucket of a number among equally wide ones; 0 and buckets + 1 are outside",
        example: "width_bucket(5.35, 0.024, 10.06, 5)",
    },
];

static DEFINITIONS: LazyLock<HashMap<&'static str, Arc<MacroDefinition>>> = LazyLock::new(|| {
    let parameter = |name: &&str| MacroParameter { name: (*name).into(), ty: None, default: None };
    let overload = |m: &BuiltinMacro| MacroOverload {
        parameters: m.parameters.iter().map(parameter).collect(),
        body: m.body.into(),
        returns: None,
    };
    // Those of one name stand one behind the other.
    let definition = |group: &[BuiltinMacro]| MacroDefinition {
        id: ObjectId::NONE,
        schema: SchemaId(0),
        name: group[0].name.into(),
        comment: None,
        kind: MacroKind::Scalar,
        overloads: group.iter().map(overload).collect(),
    };
    let groups = BUILTIN_MACROS.chunk_by(|a, b| a.name == b.name);
    groups.map(|group| (group[0].name, Arc::new(definition(group)))).collect()
});

/// The macro of that name, in any case.
pub fn builtin_macro(name: &str) -> Option<&'static Arc<MacroDefinition>> {
    DEFINITIONS.get(name.to_ascii_lowercase().as_str())
}
