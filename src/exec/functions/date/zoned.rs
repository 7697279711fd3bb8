//! Functions of clock times on instants: the session's zone says what the clock shows.

use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::cast::temporal::{to_instant, to_local};
use crate::exec::functions::ScalarKernel;

/// Runs a kernel of `TIMESTAMP` on `TIMESTAMP WITH TIME ZONE`, which the arguments `which` are; a result that is
/// one too is a clock time for the kernel.
pub(crate) fn on_clock(which: &'static [usize], inner: ScalarKernel) -> ScalarKernel {
    Box::new(move |args, ty, rows, ctx| {
        if ctx.zone.is_utc() {
            return inner(args, ty, rows, ctx);
        }
        let mut args = args.to_vec();
        for i in which {
            args[*i] = to_local(&args[*i], &ctx.zone);
        }
        if *ty == LogicalType::TimestampTz {
            let out = inner(&args, &TIMESTAMP, rows, ctx)?;
            return Ok(to_instant(&out, &ctx.zone));
        }
        inner(&args, ty, rows, ctx)
    })
}
