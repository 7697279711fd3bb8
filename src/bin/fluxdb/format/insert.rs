//! `INSERT` statements.

use std::io::{self, Write};

use fluxdb::arrow_array::cast::AsArray;
use fluxdb::arrow_array::types::UInt8Type;
use fluxdb::arrow_array::{Array, ArrayRef};
use fluxdb::{Batch, LogicalType, variant_value, write_value};

use super::{Columns, ResultWriter};

/// Rows of one statement.
const ROWS: usize = 500;

/// Statements that insert the rows into a table.
pub struct InsertWriter {
    table: String,
    columns: Columns,
}

impl InsertWriter {
    /// For a table of this name, which is quoted where it needs to be.
    pub fn new(table: &str) -> Self {
        Self { table: table.to_owned(), columns: Columns::default() }
    }
}

impl ResultWriter for InsertWriter {
    fn begin(&mut self, columns: &Columns, _: &mut dyn Write) -> io::Result<()> {
        self.columns = columns.clone();
        Ok(())
    }

    fn batch(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()> {
        let writers = super::value_writers(&self.columns, batch)?;
        let mut text = String::new();
        for row in 0..batch.rows {
            text.clear();
            if row % ROWS == 0 {
                text.push_str(&format!("INSERT INTO {} VALUES", self.table));
            }
            for (i, (array, column)) in batch.columns.iter().zip(self.columns.iter()).enumerate() {
                text.push_str(if i == 0 { "\n(" } else { ", " });
                if writers[i].is_null(row) {
                    text.push_str("NULL");
                } else {
                    literal(array, row, &column.ty, false, &mut text)?;
                }
            }
            text.push_str(if row % ROWS == ROWS - 1 || row + 1 == batch.rows { ");\n" } else { ")," });
            out.write_all(text.as_bytes())?;
        }
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a value as a literal. Inside a nested one, where no column says the type, the literal does.
fn literal(array: &ArrayRef, row: usize, ty: &LogicalType, nested: bool, out: &mut String) -> io::Result<()> {
    use LogicalType as T;
    if *ty == T::Null || array.is_null(row) {
        out.push_str("NULL");
        return Ok(());
    }
    let list = |values: ArrayRef, item: &T, out: &mut String| -> io::Result<()> {
        out.push('[');
        for i in 0..values.len() {
            if i > 0 {
                out.push_str(", ");
            }
            literal(&values, i, item, true, out)?;
        }
        out.push(']');
        Ok(())
    };
    match ty {
        T::List(item) => return list(array.as_list::<i32>().value(row), item, out),
        T::Array(item, _) => return list(array.as_fixed_size_list().value(row), item, out),
        T::Struct(fields) => {
            let columns = array.as_struct().columns();
            out.push('{');
            for (i, ((name, ty), column)) in fields.iter().zip(columns).enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                out.push_str(&format!("'{}': ", name.replace('\'', "''")));
                literal(column, row, ty, true, out)?;
            }
            out.push('}');
            return Ok(());
        }
        T::Union(members) => {
            let columns = array.as_struct().columns();
            let member = columns[0].as_primitive::<UInt8Type>().value(row) as usize;
            if let Some((name, ty)) = members.get(member) {
                out.push_str(&format!("union_value(\"{}\" := ", name.replace('"', "\"\"")));
                literal(&columns[member + 1], row, ty, true, out)?;
                out.push(')');
            }
            return Ok(());
        }
        T::Map(key, value) => {
            let entries = array.as_map().value(row);
            out.push_str("map(");
            list(entries.column(0).clone(), key, out)?;
            out.push_str(", ");
            list(entries.column(1).clone(), value, out)?;
            out.push(')');
            return Ok(());
        }
        T::Variant => {
            let (ty, value) = variant_value(array.as_binary_view().value(row)).map_err(io::Error::other)?;
            if let T::Struct(fields) = &ty {
                return object(&value, fields, out);
            }
            literal(&value, 0, &ty, true, out)?;
            out.push_str("::VARIANT");
            return Ok(());
        }
        _ => {}
    }
    let mut text = String::new();
    write_value(array, row, ty, &mut text).map_err(io::Error::other)?;
    let bare = match ty {
        T::Boolean => true,
        // Words such as `inf` are no numbers.
        ty if ty.is_numeric() => text.ends_with(|c: char| c.is_ascii_digit()),
        _ => false,
    };
    if bare && nested && text.starts_with('-') {
        // The cast behind it is of the number with its sign.
        out.push_str(&format!("({text})"));
    } else if bare {
        out.push_str(&text);
    } else {
        out.push_str(&format!("'{}'", text.replace('\'', "''")));
    }
    if nested && *ty != T::Varchar && *ty != T::Boolean {
        out.push_str(&format!("::{ty}"));
    }
    Ok(())
}

/// Writes a VARIANT that is an object. Its names may be any, those of a struct literal may not.
fn object(value: &ArrayRef, fields: &[(Box<str>, LogicalType)], out: &mut String) -> io::Result<()> {
    if fields.is_empty() {
        out.push_str("'{}'::JSON::VARIANT");
        return Ok(());
    }
    out.push_str("(SELECT variant_group_object(k, v) FROM (VALUES ");
    for (i, ((name, ty), column)) in fields.iter().zip(value.as_struct().columns()).enumerate() {
        out.push_str(if i > 0 { ", ('" } else { "('" });
        out.push_str(&name.replace('\'', "''"));
        out.push_str("', ");
        if column.is_null(0) {
            out.push_str("NULL::VARIANT");
        } else {
            literal(column, 0, ty, true, out)?;
        }
        out.push(')');
    }
    out.push_str(") t(k, v))");
    Ok(())
}
