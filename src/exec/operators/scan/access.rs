//! Which rows a scan needs to look at, where its conditions give values of a key or numbers of rows, or only the first rows in
//! the order of a key matter.
//!
//! The conditions are evaluated all the same: what is found here may be more than what satisfies them, never less.

use std::ops::Bound;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_select::concat::concat;

use crate::catalog::{ColumnDefinition, ColumnId, TableDefinition};
use crate::column::key::{Keys, after_prefix, escape};
use crate::column::predicate::CompareOp;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::error::Result;
use crate::exec::expr::Expr;
use crate::table::{KeyCursor, KeyRange, Probes, ROW_ID, RowGroup, TableSnapshot};

/// Keys, or rows, that conditions list at most to be looked up.
const LISTED_MAX: usize = 1 << 14;
/// Looking up a key costs as much as scanning so many rows.
const ROWS_PER_LOOKUP: u64 = 256;
/// Of a range of keys rows are looked up one by one if they are at most one in so many.
const RANGE_SHARE: usize = 16;

/// A row group that is scanned: all of it, or some rows in order.
#[derive(Debug)]
pub(super) struct Visit {
    pub group: usize,
    pub rows: Option<Vec<u32>>,
}

/// How rows are found.
#[derive(Debug)]
pub(crate) enum Access {
    /// By their numbers, in order.
    Rows(Vec<u64>),
    /// By whole keys.
    Keys(Box<[ColumnId]>, Probes),
    /// By a range of keys, which begin with values of so many columns.
    Range { key: Box<[ColumnId]>, bound: usize, low: Bound<Vec<u8>>, high: Bound<Vec<u8>> },
    /// Those with the first keys of a range, so many of them, or else with the last.
    First { key: Box<[ColumnId]>, range: KeyRange, most: u64, descending: bool },
}

/// What conditions say about a column.
#[derive(Debug, Default)]
struct Known<'a> {
    /// The only values that it can have.
    values: Option<Vec<&'a Scalar>>,
    lower: Option<&'a Scalar>,
    upper: Option<&'a Scalar>,
    prefix: Option<&'a str>,
}

impl<'a> Known<'a> {
    /// What the conditions say that are about a column of the scan.
    fn of(column: usize, conditions: &[&'a Expr]) -> Self {
        let is_column = |e: &Expr| matches!(e, Expr::Column { index, .. } if *index == column);
        let mut known = Self::default();
        for condition in conditions {
            match condition {
                Expr::Compare { op, left, right } => {
                    let (op, value) = match (&**left, &**right) {
                        (e, Expr::Literal { value, .. }) if is_column(e) => (*op, value),
                        (Expr::Literal { value, .. }, e) if is_column(e) => (op.swap(), value),
                        _ => continue,
                    };
                    if value.is_null() {
                        continue;
                    }
                    match op {
                        CompareOp::Eq | CompareOp::NotDistinctFrom => known.values = Some(vec![value]),
                        CompareOp::Gt | CompareOp::GtEq => known.lower = Some(value),
                        CompareOp::Lt | CompareOp::LtEq => known.upper = Some(value),
                        _ => {}
                    }
                }
                Expr::InList { input, list, negated: false }
                    if is_column(input) && known.values.is_none() =>
                {
                    known.values = Some(list.iter().filter(|value| !value.is_null()).collect());
                }
                Expr::Call { function, args, .. }
                    if matches!(function.name, "prefix" | "starts_with" | "like") =>
                {
                    let [input, Expr::Literal { value: Scalar::Text(text), .. }] = &args[..] else {
                        continue;
                    };
                    if is_column(input) {
                        let end = if function.name == "like" { text.find(['%', '_', '\\']) } else { None };
                        known.prefix =
                            Some(&text[..end.unwrap_or(text.len())]).filter(|text| !text.is_empty());
                    }
                }
                _ => {}
            }
        }
        known
    }

    fn bounds(&self) -> bool {
        self.lower.is_some() || self.upper.is_some() || self.prefix.is_some()
    }
}

/// Values of a column as an array; `None` if one is of another type.
fn array(column: &ColumnDefinition, values: &[&Scalar]) -> Option<ArrayRef> {
    let parts: Vec<ArrayRef> =
        values.iter().map(|v| v.to_array(&column.ty, 1).ok()).collect::<Option<_>>()?;
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    concat(&parts).ok()
}

impl Access {
    /// The best way to rows of a table that satisfy a condition over `columns` of it, if there is one.
    pub fn find(table: &TableDefinition, columns: &[usize], filter: Option<&Expr>) -> Option<Self> {
        let filter = filter?;
        let conditions: Vec<&Expr> = match filter {
            Expr::And(all) => all.iter().collect(),
            one => vec![one],
        };
        if let Some(column) = columns.iter().position(|column| *column == ROW_ID)
            && let Some(rows) = Known::of(column, &conditions).values.filter(|v| v.len() <= LISTED_MAX)
        {
            let number = |value: &Scalar| match value {
                Scalar::Int(row) => Some(u64::try_from(*row).ok()),
                _ => None,
            };
            let mut rows: Vec<u64> =
                rows.into_iter().map(number).collect::<Option<Vec<_>>>()?.into_iter().flatten().collect();
            rows.sort_unstable();
            rows.dedup();
            return Some(Self::Rows(rows));
        }
        let mut best: Option<Self> = None;
        for key in table.indexed_keys() {
            let parts: Option<Vec<(&ColumnDefinition, Known<'_>)>> = key
                .iter()
                .map(|id| {
                    let position = table.position_of(*id)?;
                    let column = columns.iter().position(|column| *column == position);
                    let known = column.map(|column| Known::of(column, &conditions)).unwrap_or_default();
                    Some((&table.columns[position], known))
                })
                .collect();
            let Some(parts) = parts else { continue };
            if let Some(probes) = whole_keys(&parts) {
                return Some(Self::Keys(key, probes));
            }
            let found = key_range(&key, &parts);
            if let Some(Self::Range { bound, .. }) = &found
                && !matches!(&best, Some(Self::Range { bound: other, .. }) if other >= bound)
            {
                best = found;
            }
        }
        best
    }

    /// A way to the rows with the `most` first values of a column, or else the last: a key whose last column it is, if
    /// that and the condition leave nothing else that decides which rows there are.
    pub fn find_first(
        table: &TableDefinition,
        columns: &[usize],
        filter: Option<&Expr>,
        (column, most, descending): (usize, u64, bool),
    ) -> Option<Self> {
        let conditions: Vec<&Expr> = match filter {
            None => vec![],
            Some(Expr::And(all)) => all.iter().collect(),
            Some(one) => vec![one],
        };
        let ordered = table.columns.get(*columns.get(column)?)?;
        if !is_ordered_as_key(&ordered.ty) {
            return None;
        }
        table.indexed_keys().into_iter().find_map(|key| {
            let (last, before) = key.split_last()?;
            let mut parts = vec![];
            let mut about_key = 0;
            for id in before.iter().chain([last]) {
                let position = table.position_of(*id).filter(|p| !table.columns[*p].nullable)?;
                let at = columns.iter().position(|column| *column == position);
                let known = at.map(|at| Known::of(at, &conditions)).unwrap_or_default();
                // Where more is asked of a column, more rows than one at each end may be none of those that are wanted.
                let asked = conditions.iter().filter(|c| at.is_some_and(|at| reads(c, at))).count();
                let one_value = known.values.as_ref().is_some_and(|values| values.len() == 1);
                let ends = usize::from(known.lower.is_some()) + usize::from(known.upper.is_some());
                let is_plain = known.values.is_none() && known.prefix.is_none() && asked == ends;
                let fits = if id == last { is_plain } else { one_value && asked == 1 };
                fits.then_some(())?;
                about_key += asked;
                parts.push((&table.columns[position], known));
            }
            if ordered.id != *last || about_key != conditions.len() {
                return None;
            }
            let range = match key_range(&key, &parts) {
                Some(Self::Range { low, high, .. }) => (low, high),
                _ if conditions.is_empty() => (Bound::Unbounded, Bound::Unbounded),
                _ => return None,
            };
            // Values at the ends of the range may be out of it.
            Some(Self::First { key, range, most: most + 2, descending })
        })
    }

    /// A description for EXPLAIN.
    pub fn describe(&self, table: &TableDefinition) -> String {
        let names = |key: &[ColumnId]| {
            let names = key.iter().filter_map(|id| table.position_of(*id)).map(|at| &*table.columns[at].name);
            names.collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::Rows(rows) => format!("{} row numbers", rows.len()),
            Self::Keys(key, probes) if probes.len() == 1 => format!("key ({})", names(key)),
            Self::Keys(key, probes) => format!("{} keys ({})", probes.len(), names(key)),
            Self::Range { key, bound, .. } => format!("range of key ({})", names(&key[..*bound])),
            Self::First { key, .. } => format!("order of key ({})", names(key)),
        }
    }

    /// The row groups to be scanned, in order; `None` if it had better be all.
    pub(super) fn visits(&self, table: &Arc<TableSnapshot>) -> Result<Option<Vec<Visit>>> {
        match self {
            Self::Rows(rows) => rows_visited(table, rows.clone()).map(Some),
            Self::Keys(key, probes) => {
                if probes.len() as u64 > 64 + table.rows() / ROWS_PER_LOOKUP {
                    return Ok(None);
                }
                let mut rows: Vec<u64> = table.find(key, probes)?.into_iter().map(|(_, row)| row).collect();
                rows.sort_unstable();
                rows.dedup();
                rows_visited(table, rows).map(Some)
            }
            Self::Range { key, low, high, .. } => {
                let range = (low.as_ref().map(Vec::as_slice), high.as_ref().map(Vec::as_slice));
                let mut visits = vec![];
                for (group, row_group) in table.row_groups()?.iter().enumerate() {
                    let most = row_group.rows() / RANGE_SHARE;
                    let mut rows = row_group.find_range(key, range, most)?;
                    if let Some(rows) = &mut rows {
                        rows.sort_unstable();
                    }
                    if rows.as_ref().is_none_or(|rows| !rows.is_empty()) {
                        visits.push(Visit { group, rows });
                    }
                }
                Ok(Some(visits))
            }
            Self::First { key, range, most, descending } => {
                let rows_max = 64 + table.rows() / ROWS_PER_LOOKUP;
                // Where an index would first have to be made, reading all rows is no more work.
                let indexed = |group: &Arc<RowGroup>| Ok(group.key_index(key)?.is_some());
                if *most > rows_max || !all(table.row_groups()?, indexed)? {
                    return Ok(None);
                }
                let mut cursor = KeyCursor::new(Arc::clone(table), key, range.clone(), *descending)?;
                let (mut rows, mut values, mut value) = (vec![], 0, vec![]);
                while let Some(row) = cursor.next_row()? {
                    if values == 0 || value != cursor.key() {
                        values += 1;
                        value.clear();
                        value.extend_from_slice(cursor.key());
                    }
                    if values > *most {
                        break;
                    }
                    if rows.len() as u64 == rows_max {
                        return Ok(None);
                    }
                    rows.push(row);
                }
                rows.sort_unstable();
                rows_visited(table, rows).map(Some)
            }
        }
    }
}

fn all<T>(items: &[T], mut is: impl FnMut(&T) -> Result<bool>) -> Result<bool> {
    for item in items {
        if !is(item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether keys with values of this type are in the order of the values.
fn is_ordered_as_key(ty: &LogicalType) -> bool {
    use LogicalType as T;
    matches!(ty, T::Varchar | T::Date | T::Timestamp(_) | T::TimestampTz | T::Decimal { .. })
        || ty.is_integer()
}

/// Whether an expression reads a column.
fn reads(e: &Expr, column: usize) -> bool {
    matches!(e, Expr::Column { index, .. } if *index == column)
        || e.children().into_iter().any(|part| reads(part, column))
}

/// All keys that conditions allow, if they give values for each part.
fn whole_keys(parts: &[(&ColumnDefinition, Known<'_>)]) -> Option<Probes> {
    let lists: Vec<&Vec<&Scalar>> =
        parts.iter().map(|(_, known)| known.values.as_ref()).collect::<Option<_>>()?;
    let count = lists.iter().try_fold(1_usize, |count, list| count.checked_mul(list.len()))?;
    if count > LISTED_MAX {
        return None;
    }
    let mut columns = vec![];
    let mut each = count;
    for ((column, _), list) in parts.iter().zip(lists) {
        if count == 0 {
            columns.push(arrow_array::new_empty_array(&column.ty.arrow()));
            continue;
        }
        each /= list.len();
        let values: Vec<&Scalar> = (0..count).map(|i| list[i / each % list.len()]).collect();
        columns.push(array(column, &values)?);
    }
    Probes::new(&columns)
}

/// The range of keys that conditions allow: those that begin with the only values of some parts, and of which the next
/// is within bounds.
fn key_range(key: &[ColumnId], parts: &[(&ColumnDefinition, Known<'_>)]) -> Option<Access> {
    let mut fixed = vec![];
    for (column, known) in parts {
        match known.values.as_deref() {
            Some([value]) => fixed.push(array(column, &[*value])?),
            _ => break,
        }
    }
    let encode = |columns: &[ArrayRef]| -> Option<Vec<u8>> {
        if columns.is_empty() {
            return Some(vec![]);
        }
        Some(Keys::encode_first(columns, parts.len())?.get(0)?.to_vec())
    };
    let start = encode(&fixed)?;
    let next = parts.get(fixed.len()).filter(|(_, known)| known.bounds());
    if fixed.is_empty() && next.is_none() {
        return None;
    }
    let after = |bytes: &[u8]| after_prefix(bytes).map_or(Bound::Unbounded, Bound::Excluded);
    let (mut low, mut high) = (Bound::Included(start.clone()), after(&start));
    if let Some((column, known)) = next {
        let last = fixed.len() + 1 == parts.len();
        let with = |value: &Scalar| {
            let columns: Vec<ArrayRef> = fixed.iter().cloned().chain([array(column, &[value])?]).collect();
            encode(&columns)
        };
        if let Some(prefix) = known.prefix {
            let mut bytes = start;
            escape(prefix.as_bytes(), last, &mut bytes);
            (low, high) = (Bound::Included(bytes.clone()), after(&bytes));
        } else {
            if let Some(lower) = known.lower {
                low = Bound::Included(with(lower)?);
            }
            if let Some(upper) = known.upper {
                let bytes = with(upper)?;
                high = if last { Bound::Included(bytes) } else { after(&bytes) };
            }
        }
    }
    let bound = fixed.len() + usize::from(next.is_some());
    Some(Access::Range { key: key.into(), bound, low, high })
}

/// The row groups with some rows, given the numbers of these in order. Those that are not there are left out.
fn rows_visited(table: &TableSnapshot, rows: Vec<u64>) -> Result<Vec<Visit>> {
    table.list_for(rows.len())?;
    let mut visits: Vec<Visit> = vec![];
    let mut here: Option<Arc<RowGroup>> = None;
    for row in rows {
        if here.as_ref().is_none_or(|group| row >= group.first_row() + group.rows() as u64) {
            here = table.row_group_of(row)?;
        }
        let Some(here) = &here else { break };
        let (group, offset) = (here.index(), row - here.first_row());
        match visits.last_mut() {
            Some(Visit { group: last, rows: Some(rows) }) if *last == group => rows.push(offset as u32),
            _ => visits.push(Visit { group, rows: Some(vec![offset as u32]) }),
        }
    }
    Ok(visits)
}
