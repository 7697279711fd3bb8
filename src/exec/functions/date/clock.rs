//! The clock, which goes on while a statement runs.

use std::sync::Arc;

use arrow_array::TimestampMicrosecondArray;

use crate::column::types::LogicalType as T;
use crate::exec::functions::registry::{Registry, def};

pub(super) fn register(r: &mut Registry) {
    r.add(
        def("clock_timestamp", "The instant when the row is made", "clock_timestamp()")
            .volatile()
            .sees_nulls()
            .map(&[], T::TimestampTz, |_| {
                Box::new(|_, ty, rows, _| {
                    let now = chrono::Utc::now().timestamp_micros();
                    let all = TimestampMicrosecondArray::from_value(now, rows);
                    Ok(Arc::new(all.with_data_type(ty.arrow())))
                })
            }),
    );
}
