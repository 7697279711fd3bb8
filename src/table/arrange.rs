//! Putting row groups of late points in order: their rows and those of the row groups that they overlap are divided by
//! time, and each division becomes a row group whose rows are in the order of the table.

use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_buffer::BooleanBuffer;

use crate::catalog::TableDefinition;
use crate::table::commit::{Builder, Made, MadeOf, Part, Selection};
use crate::table::data::TableData;
use crate::table::error::Result;
use crate::table::fresh::Content;
use crate::table::order::{RowOrder, SeriesOrder, ticks};
use crate::table::overlap::{Overlaps, Plan, Span, Thrift, cuts};
use crate::table::row_group::Source;

/// Times that are looked at to find where to divide rows. Of more only every second is, or third.
const TIMES_MAX: usize = 4 << 20;

/// Times of rows of a part, and which rows these are.
struct Times {
    part: usize,
    times: Vec<i64>,
    rows: BooleanBuffer,
}

impl Builder<'_> {
    /// Which row groups are to be put in order with each other, if that is worth it.
    pub(super) fn plan(
        &self,
        table: &Arc<TableDefinition>,
        order: &SeriesOrder,
        parts: &[Part],
        thrift: Thrift,
    ) -> Result<Option<Plan>> {
        let span = |part: &Part| Ok(Span { rows: part.rows_left(), times: times_of(table, order, part)? });
        let spans: Vec<Span> = parts.iter().map(span).collect::<Result<_>>()?;
        let Some(overlaps) = Overlaps::of(&spans) else { return Ok(None) };
        // Where late rows are in truth.
        let mut late_rows = vec![0; overlaps.chosen.len()];
        let times = |chosen: &usize| spans[*chosen].times.unwrap_or((i64::MAX, i64::MIN));
        for late in &overlaps.late {
            let Times { times: of_rows, rows, .. } = self.times(table, order, parts, *late)?;
            let mut at = 0;
            for time in rows.set_indices().map(|row| of_rows[row]) {
                // Neighbours are mostly of the same row group.
                let holds = |at: usize| {
                    overlaps.chosen.get(at).map(times).is_some_and(|(from, to)| from <= time && time <= to)
                };
                if !holds(at) {
                    at = overlaps.chosen.partition_point(|chosen| times(chosen).1 < time);
                }
                if holds(at) {
                    late_rows[at] += 1;
                }
            }
        }
        Ok(overlaps.plan(&spans, &late_rows, thrift))
    }

    /// Whether there is something to plan for a table, as far as can be told without looking at its rows.
    pub(super) fn may_be_late(&self, data: &TableData) -> Result<bool> {
        let mut spans = vec![];
        for segment in &data.segments {
            let of = segment.groups(&self.base.pin)?.iter().map(|group| Span {
                rows: u64::from(group.entry.rows - group.entry.deleted_rows),
                times: group.entry.time_range,
            });
            spans.extend(of);
        }
        let overlaps = Overlaps::of(&spans);
        Ok(overlaps.is_some_and(|overlaps| overlaps.estimate(&spans, Thrift::LAZY).is_some()))
    }

    /// Carries out a plan, and frees the parts that it is about.
    pub(super) fn arrange(
        &self,
        table: &Arc<TableDefinition>,
        order: &SeriesOrder,
        parts: &[Part],
        plan: &Plan,
    ) -> Result<Vec<Made>> {
        let mut made = vec![];
        for (at, window) in plan.windows.iter().enumerate() {
            let mut rows: Vec<Times> = window
                .groups
                .iter()
                .map(|part| self.times(table, order, parts, *part))
                .collect::<Result<_>>()?;
            for part in plan.late.iter().flatten() {
                let late = self.times(table, order, parts, *part)?;
                rows.extend(late.only(|time| plan.window_of(time) == Some(at)));
            }
            let place = window.groups.iter().min().copied().unwrap_or(0);
            made.push(self.divide(table, order, parts, rows, place)?);
        }
        for together in &plan.late {
            let mut rows = vec![];
            for part in together {
                let late = self.times(table, order, parts, *part)?;
                rows.extend(late.only(|time| plan.window_of(time).is_none()));
            }
            let place = together.iter().min().copied().unwrap_or(0);
            made.push(self.divide(table, order, parts, rows, place)?);
        }
        plan.groups().try_for_each(|part| self.free(&parts[part].source))?;
        Ok(made)
    }

    /// Makes row groups of rows, none of which has a time that is within the times of another.
    fn divide(
        &self,
        table: &Arc<TableDefinition>,
        order: &SeriesOrder,
        parts: &[Part],
        mut of: Vec<Times>,
        place: usize,
    ) -> Result<Made> {
        // Of rows of one series and time the first came first.
        of.sort_by_key(|times| times.part);
        let rows: usize = of.iter().map(|times| times.rows.count_set_bits()).sum();
        let step = rows.div_ceil(TIMES_MAX).max(1);
        let times = of.iter().flat_map(|of| of.rows.set_indices().map(|row| of.times[row])).step_by(step);
        let mut bounds = cuts(times.collect(), rows, self.row_group_rows);
        bounds.insert(0, i64::MIN);
        let (mut groups, mut moved) = (vec![], Vec::with_capacity(rows));
        for (at, from) in bounds.iter().enumerate() {
            let is_here = |time: i64| time >= *from && bounds.get(at + 1).is_none_or(|to| time < *to);
            let selection: Vec<Selection> = of.iter().filter_map(|times| times.select(is_here)).collect();
            let order = RowOrder::Series(order.clone());
            let (made, places) = self.write(table, Some(&order), parts, &selection)?;
            groups.extend(made);
            match places {
                Some(places) => moved.extend(places),
                None => moved.extend(selection.iter().flat_map(|selected| selected.places(parts))),
            }
        }
        Ok(Made { place, groups, rows: MadeOf::Rows(moved) })
    }

    /// The times of the rows that are left of a part.
    fn times(
        &self,
        table: &Arc<TableDefinition>,
        order: &SeriesOrder,
        parts: &[Part],
        part: usize,
    ) -> Result<Times> {
        let times = ticks(&self.read_column(table, &parts[part], order.time())?);
        let rows = match self.deletes(table, &parts[part])? {
            Some(deletes) => !deletes.bits(),
            None => BooleanBuffer::new_set(times.len()),
        };
        Ok(Times { part, times, rows })
    }
}

impl Times {
    /// Those of the rows whose times are wanted.
    fn only(mut self, is_wanted: impl Fn(i64) -> bool) -> Option<Self> {
        self.rows =
            &self.rows & &BooleanBuffer::collect_bool(self.times.len(), |row| is_wanted(self.times[row]));
        (self.rows.count_set_bits() > 0).then_some(self)
    }

    /// The rows whose times are wanted; `None` if there are none.
    fn select(&self, is_wanted: impl Fn(i64) -> bool) -> Option<Selection> {
        let wanted = BooleanBuffer::collect_bool(self.times.len(), |row| is_wanted(self.times[row]));
        let rows = BooleanArray::new(&self.rows & &wanted, None);
        (rows.true_count() > 0).then_some(Selection { part: self.part, rows: Some(rows) })
    }
}

/// Least and greatest time of a part, if that is known. Its deleted rows may be without these.
fn times_of(table: &Arc<TableDefinition>, order: &SeriesOrder, part: &Part) -> Result<Option<(i64, i64)>> {
    let group = match &part.source {
        Source::Sealed(group) => return Ok(group.entry.time_range),
        Source::Fresh(group) => group,
    };
    Ok(match group.content() {
        Content::Written(placed, _) => placed.time_range(table),
        Content::Held(_) => {
            let times = ticks(&group.read_column(table, order.time())?);
            times.iter().min().copied().zip(times.iter().max().copied())
        }
    })
}
