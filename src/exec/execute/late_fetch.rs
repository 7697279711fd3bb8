//! A top-N over a scan that reads only keys, and fetches the rest of the rows that are left.

use crate::column::types::LogicalType;
use crate::exec::batch::Field;
use crate::exec::execute::columns_read;
use crate::exec::expr::{Expr, SortKey};
use crate::exec::operators::scan::fetch::{Fetch, Fetched};
use crate::exec::plan::{Plan, PlanNode};
use crate::table::{ROW_ID, ROW_ID_NAME};

/// Rows of a top-N that are worth being read one by one.
const FETCHED_MAX: u64 = 4096;

/// A top-N right over a scan reads only the keys of all rows, and the numbers of the rows; what else is wanted is
/// fetched for the rows that are left. Gives the scan, the keys over it, and what fetches; `wanted` becomes that of the
/// scan's columns.
pub(super) fn fetched_late(
    input: Plan,
    keys: Vec<SortKey>,
    wanted: &mut Vec<bool>,
    rows: u64,
) -> (Plan, Vec<SortKey>, Option<Fetch>) {
    let PlanNode::TableScan { table, columns, output, lengths, filter } = &input.node else {
        return (input, keys, None);
    };
    if !lengths.is_empty() {
        return (input, keys, None);
    }
    let of_keys = columns_read(output.len(), keys.iter().map(|k| &k.expr));
    let is_late = |c: usize| wanted[c] && !of_keys[c];
    if rows > FETCHED_MAX || table.rows() / 4 < rows || !(0..output.len()).any(is_late) {
        return (input, keys, None);
    }
    // Places of the keys in the new scan.
    let early: Vec<usize> = (0..output.len()).filter(|&c| of_keys[c]).collect();
    let place = |c: usize| early.iter().position(|&e| e == c);
    let fetched = (0..output.len())
        .map(|c| match (place(c), columns[output[c]]) {
            (Some(at), _) => Fetched::Input(at),
            (None, ROW_ID) => Fetched::Input(early.len()),
            (None, column) if wanted[c] => Fetched::Table(column),
            (None, _) => Fetched::Nothing,
        })
        .collect();
    let fetch = Fetch { table: table.clone(), columns: fetched };
    let mut keys = keys;
    fn move_columns(expr: &mut Expr, place: &impl Fn(usize) -> Option<usize>) {
        if let Expr::Column { index, .. } = expr {
            *index = place(*index).unwrap_or(*index);
        }
        expr.children_mut().into_iter().for_each(|e| move_columns(e, place));
    }
    keys.iter_mut().for_each(|k| move_columns(&mut k.expr, &place));
    let mut new_columns = columns.clone();
    new_columns.push(ROW_ID);
    let mut new_output: Vec<usize> = early.iter().map(|&c| output[c]).collect();
    new_output.push(columns.len());
    let mut schema: Vec<Field> = early.iter().map(|&c| input.schema[c].clone()).collect();
    schema.push(Field::new(ROW_ID_NAME, LogicalType::BigInt));
    *wanted = vec![true; new_output.len()];
    let node = PlanNode::TableScan {
        table: table.clone(),
        columns: new_columns,
        output: new_output,
        lengths: vec![],
        filter: filter.clone(),
    };
    (Plan { node, schema: schema.into(), estimated_rows: input.estimated_rows }, keys, Some(fetch))
}
