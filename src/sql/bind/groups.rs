//! The groups of a SELECT: their keys, as columns that stand above them for what they are made of.

use crate::exec::expr::{AggregateCall, Expr};
use crate::exec::functions::{collation, compared_by_key};
use crate::sql::bind::aggregate::{Collector, same_expr};
use crate::sql::bind::every::Bucket;
use crate::sql::bind::from::storable;
use crate::sql::bind::grouping::{Key, Keys};
use crate::sql::bind::select::Output;
use crate::sql::bind::subquery::{PendingSubquery, made_by, needed, take_needed};
use crate::sql::bind::window::WindowCollector;
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::Result;
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::plan::{Column, Definition};

/// The keys of a SELECT with groups.
pub(super) struct Groups {
    pub definitions: Vec<Definition>,
    /// What each key's column replaces.
    pub replacements: Vec<Definition>,
    pub names: Vec<String>,
    /// Of several grouping sets: the definition of each key, that of the bucket first.
    places: Vec<usize>,
}

impl Groups {
    /// The grouping sets, as places of definitions. Each has the bucket, if there is one.
    pub(super) fn sets(&self, keys: &Keys, has_bucket: bool) -> Option<Vec<Vec<usize>>> {
        let bucket = usize::from(has_bucket);
        let places = |set: &Vec<usize>| {
            let mut places: Vec<usize> = (0..bucket).collect();
            places.extend(set.iter().map(|key| self.places[bucket + key]).filter(|place| *place >= bucket));
            places
        };
        Some(keys.sets.as_ref()?.iter().map(places).collect())
    }
}

impl Binder<'_> {
    pub(super) fn make_groups(&mut self, keys: &Keys, bucket: Option<&Bucket>) -> Groups {
        let mut groups = Groups { definitions: vec![], replacements: vec![], names: vec![], places: vec![] };
        let bucket_time = bucket.map(|b| b.time.clone());
        let first = bucket.map(|b| Key { name: "time".into(), expr: b.start.clone() });
        for key in first.iter().chain(&keys.keys) {
            // Of several grouping sets each may have another of two equal keys.
            if keys.sets.is_none() && groups.replacements.iter().any(|d| same_expr(&d.expr, &key.expr)) {
                continue;
            }
            // In a bucketed query the time of a row means the start of its bucket.
            if bucket_time.as_ref().is_some_and(|time| same_expr(time, &key.expr)) {
                groups.places.push(0);
                continue;
            }
            groups.places.push(groups.definitions.len());
            let ty = storable(&key.expr.ty());
            let column = match &key.expr {
                // A bare column keeps its id: subqueries above the groups may use it.
                Expr::Column { index, .. } if keys.sets.is_none() => {
                    Column { id: *index, name: key.name.clone(), ty }
                }
                _ => self.ids.column(key.name.clone(), ty),
            };
            groups.replacements.push(Definition { column: column.clone(), expr: key.expr.clone() });
            groups.definitions.push(Definition { expr: coerce::cast(key.expr.clone(), &column.ty), column });
            groups.names.push(key.name.clone());
        }
        if let Some(time) = bucket_time {
            let column = groups.definitions[0].column.clone();
            groups.replacements.push(Definition { column, expr: time });
        }
        groups
    }

    /// Keys that have a collation, and VARIANTs, are equal where what they compare by is; a group shows the first. Of
    /// several sets of keys (`of_sets`), where the keys are columns already, only those show it that have the key.
    pub(super) fn group_by_collation(
        &mut self,
        keys: &mut [Definition],
        replacements: &mut [Definition],
        calls: &mut Vec<(Column, AggregateCall)>,
        of_sets: bool,
    ) -> Result<()> {
        for key in keys {
            let Some((value, by)) = compared_by_key(&key.expr) else { continue };
            let (shown, mut call) = self.aggregate_call(key.column.name.clone(), "first", vec![value])?;
            if of_sets {
                call.filter = Some(Expr::IsNull { input: Box::new(key.column.expr()), negated: true });
            }
            if let Some((_, collation)) = collation(&key.expr) {
                self.note_collation(&shown, collation.clone());
            }
            for replacement in replacements.iter_mut().filter(|r| r.column.id == key.column.id) {
                replacement.column = shown.clone();
            }
            key.expr = by;
            key.column.ty = key.expr.ty();
            calls.push((shown, call));
        }
        Ok(())
    }
}

/// The keys of GROUP BY ALL: all items without aggregates. One that only asks subqueries that are not about the row is the
/// same for all groups, so it is none.
pub(super) fn all_keys(
    outputs: &[Output],
    collector: &Collector,
    windows: &WindowCollector,
    above: &mut Vec<PendingSubquery>,
    below: &mut Vec<PendingSubquery>,
) -> Vec<Key> {
    let mut computed: ColumnSet = collector.calls.iter().map(|(c, _)| c.id).collect();
    computed.extend(windows.columns());
    let made = made_by(above);
    let is_key = |output: &&Output| {
        let mut needs = needed(&output.expr, above);
        let asks = !needs.is_disjoint(&made);
        let is_computed = !needs.is_disjoint(&computed);
        needs.remove_all(&made);
        !(is_computed || asks && needs.is_empty())
    };
    let keys = outputs.iter().filter(is_key);
    let keys: Vec<Key> = keys.map(|o| Key { name: o.name.clone(), expr: o.expr.clone() }).collect();
    for key in &keys {
        below.extend(take_needed(&key.expr, above));
    }
    keys
}
