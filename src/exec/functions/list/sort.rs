//! Lists in order.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_schema::SortOptions;

use super::{Gather, Lists, comparator};
use crate::column::types::LogicalType as T;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::ScalarKernel;
use crate::exec::functions::kernel::{Nulls, nulls_of};
use crate::exec::functions::registry::{P, R, Registry, def};

/// An order as the words `ASC`, `DESC`, `NULLS FIRST` and `NULLS LAST` of constant arguments give it.
pub(super) fn sort_options(words: &[ArrayRef], default_descending: bool) -> Result<SortOptions> {
    let (mut descending, mut nulls_first) = (default_descending, false);
    for words in words {
        let word = words
            .as_string_view_opt()
            .filter(|w| !w.is_empty() && w.is_valid(0))
            .map(|w| w.value(0).trim().to_ascii_uppercase());
        match word.as_deref() {
            Some("ASC" | "ASCENDING") => descending = false,
            Some("DESC" | "DESCENDING") => descending = true,
            Some("NULLS FIRST" | "NULLS_FIRST") => nulls_first = true,
            Some("NULLS LAST" | "NULLS_LAST") => nulls_first = false,
            other => {
                return Err(ExecError::InvalidInput(format!(
                    "Sorting order must be either ASC or DESC, NULLS FIRST or NULLS LAST, not {}",
                    other.unwrap_or("NULL")
                )));
            }
        }
    }
    Ok(SortOptions { descending, nulls_first })
}

/// Elements in order.
fn sort_kernel(default_descending: bool) -> ScalarKernel {
    Box::new(move |args, ty, rows, context| {
        if matches!(nulls_of(args, rows), Nulls::All) {
            return Ok(new_null_array(&ty.arrow(), rows));
        }
        let options = sort_options(&args[1..], default_descending)?;
        let lists = Lists::open(args, 0, rows)?;
        // Inside a nested value NULL is the largest, wherever NULLs themselves are wanted.
        let within = SortOptions { nulls_first: options.descending, ..options };
        let compare = comparator(lists.values(), lists.values(), within)?;
        let nulls = lists.values().logical_nulls();
        // Rises where NULLs come last.
        let rank = |at: usize| nulls.as_ref().is_some_and(|n| n.is_null(at)) != options.nulls_first;
        let mut out = Gather::new(rows, context);
        for row in 0..rows {
            if lists.is_null(row) {
                out.end(false)?;
                continue;
            }
            let mut places: Vec<usize> = lists.range(row).collect();
            places.sort_by(|a, b| rank(*a).cmp(&rank(*b)).then_with(|| compare(*a, *b)));
            out.places.extend(places.into_iter().map(|i| Some(i as u32)));
            out.end(true)?;
        }
        out.finish(lists.values(), ty)
    })
}

pub(super) fn register(r: &mut Registry) {
    macro_rules! sorter {
        ($name:literal, $alias:literal, $what:literal, $desc:literal) => {
            r.add(
                def($name, $what, concat!($name, "([3, 1, 2])"))
                    .aliases(&[$alias])
                    .on([P::List], R::Arg(0), |_| sort_kernel($desc))
                    .on([P::List, P::T(T::Varchar)], R::Arg(0), |_| sort_kernel($desc))
                    .on([P::List, P::T(T::Varchar), P::T(T::Varchar)], R::Arg(0), |_| sort_kernel($desc)),
            );
        };
    }
    sorter!(
        "list_sort",
        "array_sort",
        "Elements in ascending order, or as 'DESC' and 'NULLS FIRST' say",
        false
    );
    sorter!("list_reverse_sort", "array_reverse_sort", "Elements in descending order", true);
}
