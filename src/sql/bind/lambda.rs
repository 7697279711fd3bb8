//! Functions that take a function: `list_transform(l, lambda x: x + 1)`.

use sqlparser::ast::{Expr as Syntax, LambdaFunction, OneOrManyWithParens};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::coerce::common_type;
use crate::exec::expr::{CompareOp, Expr};
use crate::exec::functions::{LambdaKind, attempt_function, lambda_function};
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::optimize::exprs::is_volatile;
use crate::sql::plan::Column;

/// Functions that take a lambda, and what it is to them.
pub const LAMBDA_FUNCTIONS: &[(&str, LambdaKind)] = &[
    ("list_transform", LambdaKind::Transform),
    ("list_apply", LambdaKind::Transform),
    ("apply", LambdaKind::Transform),
    ("array_transform", LambdaKind::Transform),
    ("array_apply", LambdaKind::Transform),
    ("list_filter", LambdaKind::Filter),
    ("filter", LambdaKind::Filter),
    ("array_filter", LambdaKind::Filter),
    ("list_reduce", LambdaKind::Reduce { initial: false }),
    ("reduce", LambdaKind::Reduce { initial: false }),
    ("array_reduce", LambdaKind::Reduce { initial: false }),
    ("invoke", LambdaKind::Invoke),
];

/// What a function does with a lambda, if it takes one.
pub fn lambda_kind(name: &str) -> Option<LambdaKind> {
    LAMBDA_FUNCTIONS.iter().find(|(n, _)| *n == name).map(|(_, kind)| *kind)
}

fn parameters(lambda: &LambdaFunction) -> Vec<&str> {
    match &lambda.params {
        OneOrManyWithParens::One(one) => vec![&one.name.value],
        OneOrManyWithParens::Many(many) => many.iter().map(|p| p.name.value.as_str()).collect(),
    }
}

impl Binder<'_> {
    pub(super) fn bind_lambda_call(
        &mut self,
        name: &str,
        kind: LambdaKind,
        args: &[&Syntax],
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        if kind == LambdaKind::Invoke {
            return self.bind_invoke(args, cx);
        }
        let (list, lambda, initial) = match args {
            [list, lambda] => (*list, *lambda, None),
            [list, lambda, initial] if matches!(kind, LambdaKind::Reduce { .. }) => {
                (*list, *lambda, Some(*initial))
            }
            _ => {
                return Err(SqlError::binder(format!(
                    "No function matches the given name and argument types: {name} takes a list and a lambda function"
                )));
            }
        };
        let mut syntax = lambda;
        while let Syntax::Nested(inner) = syntax {
            syntax = inner;
        }
        let Syntax::Lambda(lambda) = syntax else {
            return Err(SqlError::binder(format!(
                "No function matches the given name and argument types: {name} takes a lambda function, such as lambda x: x + 1"
            ))
            .at(lambda));
        };
        let bound = self.bind_expr(list, cx)?;
        let (bound, item) = match bound.ty() {
            LogicalType::List(item) => (bound, *item),
            LogicalType::Array(item, _) => {
                let ty = LogicalType::List(item.clone());
                (coerce::cast(bound, &ty), *item)
            }
            LogicalType::Null => {
                let ty = LogicalType::List(Box::new(LogicalType::Null));
                (coerce::cast(bound, &ty), LogicalType::Null)
            }
            _ => {
                return Err(
                    SqlError::binder("Invalid LIST argument during lambda function binding!").at(list)
                );
            }
        };
        match kind {
            LambdaKind::Transform | LambdaKind::Filter => self.map_list(kind, bound, &item, lambda, cx),
            LambdaKind::Reduce { .. } => self.reduce_list(bound, &item, lambda, initial, cx),
            LambdaKind::Invoke => Err(SqlError::internal("invoke takes no list")),
        }
    }

    /// `invoke(lambda x, y: …, a, b)`: the body with the arguments in the place of the parameters.
    fn bind_invoke(&mut self, args: &[&Syntax], cx: &mut ExprContext<'_>) -> Result<Expr> {
        let [Syntax::Lambda(lambda), args @ ..] = args else {
            return Err(SqlError::binder("Invalid lambda expression passed to 'invoke' function."));
        };
        let names = parameters(lambda);
        if names.len() != args.len() {
            let expected = names.len();
            let expected =
                if args.len() < expected { format!("at least {expected}") } else { expected.to_string() };
            return Err(SqlError::binder(format!(
                "The number of lambda parameters does not match the number of arguments passed to the 'invoke' \
                 function, expected {expected}, got {}.",
                args.len()
            )));
        }
        let args = args.iter().map(|arg| self.bind_expr(arg, cx)).collect::<Result<Vec<_>>>()?;
        let params: Vec<Column> =
            names.iter().zip(&args).map(|(name, arg)| self.ids.column(*name, arg.ty())).collect();
        let body = self.bind_body(lambda, &params, cx)?;
        let ty = body.ty();
        Ok(close(LambdaKind::Invoke, args, body, &params, params.len(), ty))
    }

    fn map_list(
        &mut self,
        kind: LambdaKind,
        list: Expr,
        item: &LogicalType,
        lambda: &LambdaFunction,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let names = parameters(lambda);
        if names.len() > 2 {
            return Err(SqlError::binder("This lambda function only supports up to two lambda parameters!"));
        }
        let types = [item.clone(), LogicalType::BigInt];
        let params: Vec<Column> =
            names.iter().zip(types).map(|(name, ty)| self.ids.column(*name, ty)).collect();
        let body = self.bind_body(lambda, &params, cx)?;
        let body = if kind == LambdaKind::Filter { coerce::boolean(body)? } else { body };
        let ty = if kind == LambdaKind::Filter { list.ty() } else { LogicalType::List(Box::new(body.ty())) };
        Ok(close(kind, vec![list], body, &params, 1, ty))
    }

    fn reduce_list(
        &mut self,
        list: Expr,
        item: &LogicalType,
        lambda: &LambdaFunction,
        initial: Option<&Syntax>,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let names = parameters(lambda);
        if !(2..=3).contains(&names.len()) {
            return Err(SqlError::binder(
                "list_reduce expects a function with 2 or 3 arguments: the value so far, the item, and its number",
            ));
        }
        let initial = initial.map(|e| self.bind_expr(e, cx)).transpose()?;
        let mut so_far = initial.as_ref().map_or_else(|| item.clone(), Expr::ty);
        // What the function yields may be of a wider type than what it begins with; then it takes that type too.
        for attempt in 0..2 {
            // Without a value to begin with the first item is one, so that all are of its type.
            let next = if initial.is_some() { item.clone() } else { so_far.clone() };
            let types = [so_far.clone(), next.clone(), LogicalType::BigInt];
            let params: Vec<Column> =
                names.iter().zip(types).map(|(name, ty)| self.ids.column(*name, ty)).collect();
            let body = self.bind_body(lambda, &params, cx)?;
            let wider = match &initial {
                Some(first) => common_type(&so_far, &body.ty()).ok_or_else(|| {
                    SqlError::binder(format!(
                        "No common super type between initial value type {} and lambda return type {}",
                        first.ty(),
                        body.ty()
                    ))
                })?,
                None => coerce::union(&so_far, &body.ty())?,
            };
            if wider != so_far && attempt == 0 {
                so_far = wider;
                continue;
            }
            // Sums of decimals are wider each time: what does not fit in the end is an error.
            let body = coerce::explicit(body, &so_far, false)?;
            let list = coerce::cast(list, &LogicalType::List(Box::new(next)));
            let kind = LambdaKind::Reduce { initial: initial.is_some() };
            let mut args = vec![list];
            args.extend(initial.map(|e| coerce::cast(e, &so_far)));
            return Ok(close(kind, args, body, &params, 2, so_far));
        }
        Err(SqlError::binder("the type of what list_reduce computes cannot be found"))
    }

    /// The body of a lambda, which sees its parameters before all columns.
    fn bind_body(
        &mut self,
        lambda: &LambdaFunction,
        params: &[Column],
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let allow = std::mem::replace(&mut cx.allow_subqueries, false);
        let clause = std::mem::replace(&mut cx.clause, "lambda expressions");
        cx.lambda_params.push(params.to_vec());
        let body = self.bind_expr(&lambda.body, cx);
        cx.lambda_params.pop();
        cx.clause = clause;
        cx.allow_subqueries = allow;
        body
    }

    /// `TRY(expression)`: NULL where it fails.
    pub(super) fn bind_try(&mut self, arg: &Syntax, cx: &mut ExprContext<'_>) -> Result<Expr> {
        let subqueries = cx.subqueries.len();
        let mut body = self.bind_expr(arg, cx)?;
        if cx.subqueries.len() > subqueries {
            return Err(SqlError::binder("TRY can not be used in combination with a scalar subquery").at(arg));
        }
        if is_volatile(&body) {
            return Err(
                SqlError::binder("TRY can not be used in combination with a volatile function").at(arg)
            );
        }
        let ty = body.ty();
        let args = capture(&mut body, &[]);
        Ok(Expr::Call { function: attempt_function(body), args, ty })
    }

    /// `value op ANY (list)`: NULL where no item satisfies it and it is NULL for one.
    pub(super) fn any_of_list(
        &mut self,
        value: Expr,
        list: Expr,
        holds: impl FnOnce(&mut Self, Expr, Expr) -> Result<Expr>,
    ) -> Result<Expr> {
        let item = match list.ty() {
            LogicalType::List(item) | LogicalType::Array(item, _) => *item,
            LogicalType::Null => LogicalType::Null,
            other => {
                return Err(SqlError::binder(format!(
                    "Cannot compare with ANY or ALL of a value of type {other}: a list is needed"
                )));
            }
        };
        let list = coerce::cast(list, &LogicalType::List(Box::new(item.clone())));
        let (one, other) = (self.ids.column("item", item), self.ids.column("value", value.ty()));
        // A literal is compared as one.
        let compared = if matches!(value, Expr::Literal { .. }) { value.clone() } else { other.expr() };
        let mut body = holds(self, compared, one.expr())?;
        let args = if ColumnSet::of(&body).contains(other.id) { vec![list, value] } else { vec![list] };
        place(&mut body, &[one, other]);
        let ty = LogicalType::List(Box::new(LogicalType::Boolean));
        let function = lambda_function(LambdaKind::Transform, body, false, false);
        let results = Expr::Call { function, args, ty };
        let boolean = |b: bool| Expr::literal(Scalar::Boolean(b), LogicalType::Boolean);
        let found = self.call("list_contains", vec![results.clone(), boolean(true)])?;
        let known = self.call("list_count", vec![results.clone()])?;
        let all = self.call("len", vec![results])?;
        let unknown = coerce::compare(CompareOp::NotEq, known, all)?;
        let null = Expr::literal(Scalar::Null, LogicalType::Boolean);
        Ok(Expr::Case {
            branches: vec![(found, boolean(true)), (unknown, null)],
            otherwise: Some(Box::new(boolean(false))),
            ty: LogicalType::Boolean,
        })
    }
}

/// Puts positions in the place of columns.
fn place(body: &mut Expr, columns: &[Column]) {
    if let Expr::Column { index, .. } = body {
        if let Some(at) = columns.iter().position(|c| c.id == *index) {
            *index = at;
        }
        return;
    }
    body.children_mut().into_iter().for_each(|e| place(e, columns));
}

/// Makes a call of a lambda: what its body takes from around it becomes further arguments. `fixed` is the number of
/// parameters without the item's number.
fn close(
    kind: LambdaKind,
    mut args: Vec<Expr>,
    mut body: Expr,
    params: &[Column],
    fixed: usize,
    ty: LogicalType,
) -> Expr {
    args.extend(capture(&mut body, params));
    let volatile = is_volatile(&body);
    let function = lambda_function(kind, body, params.len() > fixed, volatile);
    Expr::Call { function, args, ty }
}

/// Puts positions in the place of the columns of a body: its parameters, then what it takes from around it, which is
/// returned.
fn capture(body: &mut Expr, params: &[Column]) -> Vec<Expr> {
    fn collect(e: &Expr, params: &[Column], out: &mut Vec<Column>) {
        if let Expr::Column { index, ty } = e {
            let known = |c: &Column| c.id == *index;
            if !params.iter().any(known) && !out.iter().any(known) {
                out.push(Column { id: *index, name: String::new(), ty: ty.clone() });
            }
            return;
        }
        e.children().into_iter().for_each(|e| collect(e, params, out));
    }
    let mut captured = vec![];
    collect(body, params, &mut captured);
    let args = captured.iter().map(Column::expr).collect();
    let columns: Vec<Column> = params.iter().cloned().chain(captured).collect();
    place(body, &columns);
    args
}
