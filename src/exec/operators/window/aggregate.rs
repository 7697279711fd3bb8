//! Aggregates of frames.
//!
//! Rows that a filter drops are left out first, and frames are then counted in rows that are left. Of frames that
//! begin with their partition, `DISTINCT` is such a filter too: the first row of each value. What then remains is
//! chosen by the frame:
//!
//! - all of the partition: one state for each partition;
//! - its beginning: running states, one result for each row at which a frame may end;
//! - any other: a [`Tree`] of states;
//! - what has states too large for a tree, and `DISTINCT` or ordered arguments of such frames: each frame's rows,
//!   one after another.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow_select::concat::concat;
use arrow_select::filter::filter;
use arrow_select::take::take;

use crate::column::types::LogicalType;
use crate::exec::aggregates::{AggregateFunction, GroupStates};
use crate::exec::error::Result;
use crate::exec::operators::groups::group_table;

use super::frame::Frames;
use super::group::Group;
use super::layout::{Arg, Call, constant_array};
use super::order::ArgumentOrder;
use super::tree::Tree;
use super::{Evaluate, Threads};

/// Rows that running states are made for at a time.
const RUNNING_ROWS: usize = 1 << 16;
/// Rows of frames that are gathered at a time.
const GATHER_ROWS: usize = 1 << 20;

pub(super) fn prepare(
    function: &Arc<AggregateFunction>,
    call: &Call,
    group: &Group,
    threads: &Threads<'_>,
) -> Result<Box<dyn Evaluate>> {
    let mut args = vec![];
    for arg in &call.args {
        args.push(match arg {
            Arg::Column(c) => group.sorted(*c)?,
            Arg::Constant(value, ty) => constant_array(value, ty, group.rows())?,
        });
    }
    let mut mask = match call.filter {
        Some(c) => Some(true_rows(&group.sorted(c)?)),
        None => None,
    };
    let order = if function.order_sensitive && !call.order_by.is_empty() {
        Some(ArgumentOrder::new(&call.order_by, group, threads)?)
    } else {
        None
    };
    let distinct = call.distinct && !args.is_empty();
    if call.sees_partition() {
        if let Some(order) = &order {
            // The partition's rows in the order of the arguments; partitions lie where they lay.
            for arg in &mut args {
                *arg = take(arg, order.rows(), None)?;
            }
            if let Some(mask) = &mut mask {
                let ordered = take(mask, order.rows(), None)?;
                *mask = true_rows(&ordered);
            }
        }
        if distinct {
            mask = Some(first_of_each(&args, call, group, mask.as_ref())?);
        }
        let rows = Selection::new(mask, &mut args, group.rows())?;
        return Ok(Box::new(OfPartitions::new(function, &args, group, &rows)?));
    }
    if let Some(order) = order {
        let rows = Gathered { function: function.clone(), args, mask, order: Some(order), distinct };
        return Ok(Box::new(rows));
    }
    if distinct {
        if !call.sees_prefix() {
            let rows = Gathered { function: function.clone(), args, mask, order: None, distinct };
            return Ok(Box::new(rows));
        }
        mask = Some(first_of_each(&args, call, group, mask.as_ref())?);
    }
    let rows = Selection::new(mask, &mut args, group.rows())?;
    if call.sees_prefix()
        && let Some(running) = Running::new(function, &args, group, &rows, threads)?
    {
        return Ok(Box::new(running));
    }
    match Tree::new(function, &args, rows.len())? {
        Some(tree) => Ok(Box::new(OfFrames { function: function.clone(), rows, tree })),
        None => {
            // Frames are counted in rows that are left, as those of a tree.
            Ok(Box::new(Copied { function: function.clone(), args, rows }))
        }
    }
}

/// Where a boolean is true.
fn true_rows(condition: &ArrayRef) -> BooleanArray {
    use arrow_array::cast::AsArray;
    let condition = condition.as_boolean();
    match condition.nulls() {
        None => condition.clone(),
        Some(nulls) => BooleanArray::new(condition.values() & nulls.inner(), None),
    }
}

/// Which rows are the first of their partition, among those of the mask, with their arguments.
fn first_of_each(
    args: &[ArrayRef],
    call: &Call,
    group: &Group,
    mask: Option<&BooleanArray>,
) -> Result<BooleanArray> {
    let mut keys: Vec<ArrayRef> = vec![partition_numbers(group, &(0..group.rows()))];
    keys.extend(args.iter().cloned());
    let mut types = vec![LogicalType::UInteger];
    types.extend(call.arg_types.iter().cloned());
    let mut rows = group.rows();
    if let Some(mask) = mask {
        rows = mask.true_count();
        for key in &mut keys {
            *key = filter(key, mask)?;
        }
    }
    let mut ids = vec![];
    group_table(&types)?.intern(&keys, rows, &mut ids)?;
    let mut seen = 0;
    let mut firsts = ids.into_iter().map(|id| {
        let is_first = id == seen;
        seen += u32::from(is_first);
        is_first
    });
    Ok(match mask {
        None => firsts.map(Some).collect(),
        Some(mask) => {
            let all = (0..mask.len()).map(|row| mask.value(row) && firsts.next().unwrap_or(false));
            all.map(Some).collect()
        }
    })
}

/// The number of each row's partition.
fn partition_numbers(group: &Group, rows: &Range<usize>) -> ArrayRef {
    let mut numbers = Vec::with_capacity(rows.len());
    let first = if rows.is_empty() { 0 } else { group.partition_of(rows.start) as u32 };
    for (number, partition) in (first..).zip(group.partitions_of(rows)) {
        let here = rows.start.max(partition.start)..rows.end.min(partition.end);
        numbers.resize(numbers.len() + here.len(), number);
    }
    Arc::new(UInt32Array::from(numbers))
}

/// Which rows of a group an aggregate sees at all.
struct Selection {
    /// How many of them come before each row, one more than there are rows; `None` if all are seen.
    before: Option<Vec<u32>>,
    len: usize,
}

impl Selection {
    /// Takes the rows of the mask out of the arguments.
    fn new(mask: Option<BooleanArray>, args: &mut [ArrayRef], rows: usize) -> Result<Self> {
        let Some(mask) = mask.filter(|m| m.true_count() < rows) else {
            return Ok(Self { before: None, len: rows });
        };
        for arg in args {
            *arg = filter(arg, &mask)?;
        }
        let mut count = 0;
        let mut before = Vec::with_capacity(rows + 1);
        before.push(0);
        for seen in mask.values() {
            count += u32::from(seen);
            before.push(count);
        }
        Ok(Self { before: Some(before), len: count as usize })
    }

    fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn place(&self, row: u32) -> u32 {
        self.before.as_ref().map_or(row, |before| before[row as usize])
    }

    /// A frame in the rows that are seen.
    #[inline]
    fn range(&self, rows: Range<u32>) -> Range<u32> {
        self.place(rows.start)..self.place(rows.end)
    }

    fn size(&self) -> usize {
        self.before.as_ref().map_or(0, |b| b.capacity() * size_of::<u32>())
    }
}

/// The pieces of frames: of each frame the first, then of each the second, and so on.
fn pieces(frames: &Frames, of: impl Fn(Range<u32>) -> Range<u32>) -> Vec<Vec<Range<u32>>> {
    if !frames.has_holes() {
        return vec![frames.bounds.iter().cloned().map(of).collect()];
    }
    let mut out: Vec<_> = (0..3).map(|_| Vec::with_capacity(frames.bounds.len())).collect();
    for i in 0..frames.bounds.len() {
        for (list, piece) in out.iter_mut().zip(frames.pieces(i)) {
            list.push(of(piece));
        }
    }
    out
}

fn states_for(function: &AggregateFunction, groups: usize) -> Box<dyn GroupStates> {
    let mut states = (function.new_states)();
    states.resize(groups);
    states
}

/// One result for each partition.
struct OfPartitions {
    results: ArrayRef,
}

impl OfPartitions {
    fn new(function: &AggregateFunction, args: &[ArrayRef], group: &Group, rows: &Selection) -> Result<Self> {
        let partitions: Vec<Range<u32>> =
            group.partitions.windows(2).map(|p| rows.range(p[0]..p[1])).collect();
        let mut states = states_for(function, partitions.len());
        states.update_ranges(args, &partitions)?;
        Ok(Self { results: states.finish()? })
    }
}

impl Evaluate for OfPartitions {
    fn evaluate(&self, _call: &Call, group: &Group, rows: Range<usize>) -> Result<ArrayRef> {
        Ok(take(&self.results, &partition_numbers(group, &rows), None)?)
    }

    fn size(&self) -> usize {
        self.results.get_array_memory_size()
    }
}

/// A result for each row at which a frame that begins with its partition may end, and that of no rows.
struct Running {
    results: ArrayRef,
    rows: Selection,
    /// The partitions' starts in rows that are seen.
    len: usize,
}

impl Running {
    fn new(
        function: &AggregateFunction,
        args: &[ArrayRef],
        group: &Group,
        rows: &Selection,
        threads: &Threads<'_>,
    ) -> Result<Option<Self>> {
        let mut probe = (function.new_states)();
        if !probe.update_running(&slice(args, 0, 0), 0, &[])?
            || !probe.merge_ranges(&*(function.new_states)(), &[])?
        {
            return Ok(None);
        }
        let starts: Vec<u32> = group.partitions.iter().map(|&p| rows.place(p)).collect();
        let cuts = cut(&starts, RUNNING_ROWS);
        let parts = threads.run(cuts.len().saturating_sub(1), |i| {
            running(function, args, cuts[i] as usize..cuts[i + 1] as usize, &starts)
        })?;
        let empty = states_for(function, 1).finish()?;
        let mut arrays: Vec<&dyn Array> = parts.iter().flatten().map(|a| &**a).collect();
        arrays.push(&*empty);
        let results = concat(&arrays)?;
        let rows = Selection { before: rows.before.clone(), len: rows.len };
        Ok(Some(Self { results, len: rows.len, rows }))
    }
}

/// Cuts rows where partitions begin, into parts of at least so many rows where that is possible.
fn cut(starts: &[u32], rows: usize) -> Vec<u32> {
    let mut cuts = vec![0];
    let end = starts.last().copied().unwrap_or(0);
    for &start in starts {
        if (start - cuts[cuts.len() - 1]) as usize >= rows {
            cuts.push(start);
        }
    }
    if cuts[cuts.len() - 1] < end {
        cuts.push(end);
    }
    cuts
}

fn slice(args: &[ArrayRef], start: usize, len: usize) -> Vec<ArrayRef> {
    args.iter().map(|a| a.slice(start, len)).collect()
}

/// The running results of some rows, of which the first begins a partition.
fn running(
    function: &AggregateFunction,
    args: &[ArrayRef],
    rows: Range<usize>,
    starts: &[u32],
) -> Result<Vec<ArrayRef>> {
    let mut out = vec![];
    let mut before: Option<Box<dyn GroupStates>> = None;
    for from in rows.clone().step_by(RUNNING_ROWS) {
        let to = rows.end.min(from + RUNNING_ROWS);
        let mut states = states_for(function, 1);
        if let Some(before) = &before {
            states.merge_ranges(&**before, std::slice::from_ref(&(0..1)))?;
        }
        let first = starts.partition_point(|&s| (s as usize) < from);
        let last = starts.partition_point(|&s| (s as usize) < to);
        let mut here: Vec<u32> = starts[first..last].iter().map(|&s| s - from as u32).collect();
        here.dedup();
        states.update_running(&slice(args, from, to - from), to - from, &here)?;
        // Kept before the results are made: that may take the states apart.
        let last = (to - from - 1) as u32;
        let mut kept = states_for(function, 1);
        kept.merge_ranges(&*states, std::slice::from_ref(&(last..last + 1)))?;
        before = Some(kept);
        out.push(states.finish()?);
    }
    Ok(out)
}

impl Evaluate for Running {
    fn evaluate(&self, call: &Call, group: &Group, rows: Range<usize>) -> Result<ArrayRef> {
        let frames = Frames::new(call, group, &rows)?;
        let none = self.len as u32;
        let places: Vec<u32> = frames
            .bounds
            .iter()
            .map(|frame| {
                let Range { start, end } = self.rows.range(frame.clone());
                if end > start { end - 1 } else { none }
            })
            .collect();
        if let Some(&first) = places.first()
            && places.iter().copied().eq(first..first + places.len() as u32)
        {
            return Ok(self.results.slice(first as usize, places.len()));
        }
        Ok(take(&self.results, &UInt32Array::from(places), None)?)
    }

    fn size(&self) -> usize {
        self.results.get_array_memory_size() + self.rows.size()
    }
}

/// Any frames, from a tree.
struct OfFrames {
    function: Arc<AggregateFunction>,
    rows: Selection,
    tree: Tree,
}

impl Evaluate for OfFrames {
    fn evaluate(&self, call: &Call, group: &Group, rows: Range<usize>) -> Result<ArrayRef> {
        let frames = Frames::new(call, group, &rows)?;
        let mut states = states_for(&self.function, rows.len());
        for ranges in pieces(&frames, |r| self.rows.range(r)) {
            self.tree.query(&mut *states, &ranges)?;
        }
        states.finish()
    }

    fn size(&self) -> usize {
        self.tree.size() + self.rows.size()
    }
}

/// Parts of the rows whose frames have about so many rows in all.
fn parts(frames: &Frames, rows: usize) -> Vec<Range<usize>> {
    let mut out = vec![];
    let (mut start, mut sum) = (0, 0);
    for (i, frame) in frames.bounds.iter().enumerate() {
        sum += frame.len();
        if sum >= rows || i + 1 == frames.bounds.len() {
            out.push(start..i + 1);
            (start, sum) = (i + 1, 0);
        }
    }
    out
}

fn concat_results(results: &[ArrayRef], ty: &LogicalType) -> Result<ArrayRef> {
    let results: Vec<&dyn Array> = results.iter().map(|a| &**a).collect();
    if results.is_empty() {
        return Ok(arrow_array::new_empty_array(&ty.arrow()));
    }
    Ok(concat(&results)?)
}

/// Any frames, row by row.
struct Copied {
    function: Arc<AggregateFunction>,
    args: Vec<ArrayRef>,
    rows: Selection,
}

impl Evaluate for Copied {
    fn evaluate(&self, call: &Call, group: &Group, rows: Range<usize>) -> Result<ArrayRef> {
        let frames = Frames::new(call, group, &rows)?;
        let pieces = pieces(&frames, |r| self.rows.range(r));
        let mut results = vec![];
        for part in parts(&frames, GATHER_ROWS) {
            let mut states = states_for(&self.function, part.len());
            for ranges in &pieces {
                states.update_ranges(&self.args, &ranges[part.clone()])?;
            }
            results.push(states.finish()?);
        }
        concat_results(&results, &call.ty)
    }

    fn size(&self) -> usize {
        self.rows.size()
    }
}

/// Any frames, row by row, each in the order of the arguments and without repeated values.
struct Gathered {
    function: Arc<AggregateFunction>,
    args: Vec<ArrayRef>,
    mask: Option<BooleanArray>,
    order: Option<ArgumentOrder>,
    distinct: bool,
}

impl Evaluate for Gathered {
    fn evaluate(&self, call: &Call, group: &Group, rows: Range<usize>) -> Result<ArrayRef> {
        let frames = Frames::new(call, group, &rows)?;
        let mut results = vec![];
        for part in parts(&frames, GATHER_ROWS) {
            let (mut places, mut groups): (Vec<u32>, Vec<u32>) = (vec![], vec![]);
            for (number, i) in part.clone().enumerate() {
                let from = places.len();
                let rows = frames.pieces(i).into_iter().flatten();
                places.extend(rows.filter(|&row| self.mask.as_ref().is_none_or(|m| m.value(row as usize))));
                if let Some(order) = &self.order {
                    places[from..].sort_unstable_by_key(|&row| order.rank(row));
                }
                groups.resize(places.len(), number as u32);
            }
            let places = UInt32Array::from(places);
            let mut args: Vec<ArrayRef> =
                self.args.iter().map(|a| Ok(take(a, &places, None)?)).collect::<Result<_>>()?;
            if self.distinct {
                let mut keys: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from(groups.clone()))];
                keys.append(&mut args);
                let mut types = vec![LogicalType::UInteger];
                types.extend(call.arg_types.iter().cloned());
                let mut table = group_table(&types)?;
                table.intern(&keys, groups.len(), &mut vec![])?;
                args = table.take_keys()?;
                let numbers = args.remove(0);
                groups = arrow_array::cast::AsArray::as_primitive::<arrow_array::types::UInt32Type>(&numbers)
                    .values()
                    .to_vec();
            }
            let mut states = states_for(&self.function, part.len());
            states.update(&args, &groups)?;
            results.push(states.finish()?);
        }
        concat_results(&results, &call.ty)
    }
}
