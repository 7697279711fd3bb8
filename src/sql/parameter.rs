//! Parameters whose values are put in later.
//!
//! A plan that is kept for other values of its parameters has a call in the place of each. Nothing looks into it: it
//! cannot be evaluated, so nothing is folded that depends on it, and it is no literal, so it takes no other type.

use std::sync::{Arc, LazyLock};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::error::ExecError;
use crate::exec::expr::Expr;
use crate::exec::functions::ScalarFunction;

/// No function of SQL is called so.
const NAME: &str = "$";

static FUNCTION: LazyLock<Arc<ScalarFunction>> = LazyLock::new(|| {
    Arc::new(ScalarFunction {
        name: NAME,
        strict: false,
        volatile: false,
        kernel: Box::new(|_, _, _, _| Err(ExecError::Internal("a parameter has no value yet".into()))),
        lambda: None,
    })
});

/// The parameter of that name.
pub fn open(name: &str, ty: LogicalType) -> Expr {
    let name = Expr::literal(Scalar::text(name), LogicalType::Varchar);
    Expr::Call { function: Arc::clone(&FUNCTION), args: vec![name], ty }
}

/// The name of the parameter, if the expression is one.
pub fn name_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Call { function, args, .. } if function.name == NAME => match &args[..] {
            [Expr::Literal { value: Scalar::Text(name), .. }] => Some(name),
            _ => None,
        },
        _ => None,
    }
}
