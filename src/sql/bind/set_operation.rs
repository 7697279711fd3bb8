//! UNION, EXCEPT and INTERSECT.

use sqlparser::ast::{SetExpr, SetOperator, SetQuantifier};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::{CompareOp, Expr};
use crate::sql::bind::from::storable;
use crate::sql::bind::scope::Outer;
use crate::sql::bind::{Binder, BoundQuery, QUERY_DEPTH_MAX, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::plan::{Column, Definition, JoinType, LogicalPlan};

impl Binder<'_> {
    pub(super) fn bind_set_operation(
        &mut self,
        body: &SetExpr,
        outer: Option<&Outer<'_>>,
    ) -> Result<BoundQuery> {
        // The left spine of a chain is as long as the chain: walk it instead of recursing.
        let mut operations = vec![];
        let mut rest = body;
        while let SetExpr::SetOperation { left, op, set_quantifier, right } = rest {
            operations.push((*op, *set_quantifier, &**right));
            rest = left;
        }
        operations.reverse();
        let mut bound = self.bind_set_expr(rest, outer)?;
        let mut i = 0;
        let mut combined = 0;
        while i < operations.len() {
            let (op, quantifier, _) = operations[i];
            // Neighbours of the same kind of UNION are one.
            let mut inputs = vec![bound];
            while let Some((next_op, next_quantifier, right)) = operations.get(i)
                && *next_op == op
                && *next_quantifier == quantifier
                && (op == SetOperator::Union || inputs.len() < 2)
            {
                inputs.push(self.bind_set_expr(right, outer)?);
                i += 1;
            }
            // Counting rows takes several operators.
            let counts = quantifier == SetQuantifier::All && op != SetOperator::Union;
            combined += if counts { 5 } else { 1 };
            if combined > QUERY_DEPTH_MAX {
                return Err(SqlError::binder("too many set operations in one query").at(body));
            }
            bound = match op {
                SetOperator::Union => self.union(inputs, quantifier)?,
                SetOperator::Except | SetOperator::Minus => {
                    self.membership(inputs, quantifier, JoinType::Anti)?
                }
                SetOperator::Intersect => self.membership(inputs, quantifier, JoinType::Semi)?,
            };
        }
        Ok(bound)
    }

    fn union(&mut self, mut inputs: Vec<BoundQuery>, quantifier: SetQuantifier) -> Result<BoundQuery> {
        let by_name = matches!(
            quantifier,
            SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName
        );
        if by_name {
            inputs = self.align_by_name(inputs)?;
        }
        let inputs = self.align(inputs)?;
        let BoundQuery { plan, columns } = self.union_all(inputs);
        let all = matches!(quantifier, SetQuantifier::All | SetQuantifier::AllByName);
        let plan = if all { plan } else { self.distinct_rows(plan, &columns) };
        Ok(BoundQuery { plan, columns })
    }

    /// All rows of queries whose columns have the same types.
    fn union_all(&mut self, inputs: Vec<BoundQuery>) -> BoundQuery {
        let columns: Vec<Column> =
            inputs[0].columns.iter().map(|c| self.ids.column(c.name.clone(), c.ty.clone())).collect();
        for (i, column) in columns.iter().enumerate() {
            let collations = inputs.iter().map(|input| self.collation_of(&input.columns[i].expr()));
            if let Some(key) = collations.flatten().next() {
                self.note_collation(column, key);
            }
        }
        let plan = LogicalPlan::Union {
            inputs: inputs.into_iter().map(BoundQuery::into_plan).collect(),
            columns: columns.clone(),
        };
        BoundQuery { plan, columns }
    }

    /// EXCEPT and INTERSECT: distinct rows of the left that have, or have not, an equal one on the right.
    fn membership(
        &mut self,
        inputs: Vec<BoundQuery>,
        quantifier: SetQuantifier,
        kind: JoinType,
    ) -> Result<BoundQuery> {
        let mut inputs = self.align(inputs)?.into_iter();
        let (Some(left), Some(right)) = (inputs.next(), inputs.next()) else {
            return Err(SqlError::internal("a set operation has two sides"));
        };
        match quantifier {
            SetQuantifier::None | SetQuantifier::Distinct => {}
            SetQuantifier::All => return self.counted_membership(left, right, kind),
            _ => return Err(SqlError::parser("BY NAME is for UNION only")),
        }
        let on = left.columns.iter().zip(&right.columns).map(|(l, r)| {
            let (left, right) = self.compared(l, r);
            let op = CompareOp::NotDistinctFrom;
            Expr::Compare { op, left: Box::new(left), right: Box::new(right) }
        });
        let on = on.collect();
        let columns = left.columns.clone();
        let distinct = self.distinct_rows(left.into_plan(), &columns);
        let plan = LogicalPlan::Join {
            left: Box::new(distinct),
            right: Box::new(right.into_plan()),
            kind,
            on,
            dependent: false,
        };
        Ok(BoundQuery { plan, columns })
    }

    /// EXCEPT ALL and INTERSECT ALL: each row as often as both sides have it, or as the left has it more often
    /// than the right. Equal rows of both sides are counted, and come out so many times.
    fn counted_membership(
        &mut self,
        left: BoundQuery,
        right: BoundQuery,
        kind: JoinType,
    ) -> Result<BoundQuery> {
        let one = || Expr::literal(Scalar::Int(1), LogicalType::Integer);
        let null = || Expr::literal(Scalar::Null, LogicalType::Integer);
        let mut sides = vec![];
        for (input, marks) in [(left, [one(), null()]), (right, [null(), one()])] {
            let mut definitions: Vec<_> = input.columns.iter().cloned().map(Definition::pass).collect();
            for (mark, name) in marks.into_iter().zip(["left", "right"]) {
                definitions.push(Definition { column: self.ids.column(name, mark.ty()), expr: mark });
            }
            let columns = definitions.iter().map(|d| d.column.clone()).collect();
            let plan = LogicalPlan::Project { input: Box::new(input.plan), definitions };
            sides.push(BoundQuery { plan, columns });
        }
        let BoundQuery { plan, mut columns } = self.union_all(sides);
        let marks = columns.split_off(columns.len() - 2);
        let mut aggregates = vec![];
        for mark in &marks {
            aggregates.push(self.aggregate_call(mark.name.clone(), "count", vec![mark.expr()])?);
        }
        let counts: Vec<Expr> = aggregates.iter().map(|(c, _)| c.expr()).collect();
        let group_by = columns.iter().cloned().map(Definition::pass).collect();
        let plan = LogicalPlan::Aggregate { input: Box::new(plan), group_by, aggregates };
        let times = self.call(if kind == JoinType::Anti { "-" } else { "least" }, counts)?;
        let list = self.call("range", vec![coerce::cast(times, &LogicalType::BigInt)])?;
        let item = self.ids.column("time", LogicalType::BigInt);
        let plan = LogicalPlan::Unnest {
            input: Box::new(plan),
            lists: vec![Definition { column: item, expr: list }],
            ordinality: None,
            keep_empty: false,
        };
        Ok(BoundQuery { plan, columns })
    }

    /// Gives all inputs the same types, column by column, and ids of their own.
    fn align(&mut self, inputs: Vec<BoundQuery>) -> Result<Vec<BoundQuery>> {
        let width = inputs[0].columns.len();
        let mut types: Vec<LogicalType> = inputs[0].columns.iter().map(|c| c.ty.clone()).collect();
        for input in &inputs[1..] {
            if input.columns.len() != width {
                return Err(SqlError::binder(
                    "Set operations can only apply to expressions with the same number of result columns",
                ));
            }
            for (ty, column) in types.iter_mut().zip(&input.columns) {
                *ty = coerce::union(ty, &column.ty)?;
            }
        }
        let types: Vec<LogicalType> = types.iter().map(storable).collect();
        inputs.into_iter().map(|input| self.cast_columns(input, &types)).collect()
    }

    /// The query with columns of these types.
    pub fn cast_columns(&mut self, input: BoundQuery, types: &[LogicalType]) -> Result<BoundQuery> {
        if input.columns.iter().zip(types).all(|(c, ty)| c.ty == *ty) {
            return Ok(input);
        }
        let mut definitions = vec![];
        for (column, ty) in input.columns.into_iter().zip(types) {
            if column.ty == *ty {
                definitions.push(Definition::pass(column));
            } else {
                let expr = coerce::explicit(column.expr(), ty, false)?;
                definitions.push(Definition { column: self.ids.column(column.name, ty.clone()), expr });
            }
        }
        let columns = definitions.iter().map(|d| d.column.clone()).collect();
        Ok(BoundQuery { plan: LogicalPlan::Project { input: Box::new(input.plan), definitions }, columns })
    }

    /// Puts the columns of all inputs in one order by their names; what an input lacks is NULL.
    fn align_by_name(&mut self, inputs: Vec<BoundQuery>) -> Result<Vec<BoundQuery>> {
        let mut names: Vec<String> = vec![];
        for (i, input) in inputs.iter().enumerate() {
            for (at, column) in input.columns.iter().enumerate() {
                if input.columns[..at].iter().any(|c| c.name.eq_ignore_ascii_case(&column.name)) {
                    return Err(SqlError::binder(format!(
                        "UNION (ALL) BY NAME operation doesn't support duplicate names in the SELECT list - the name \"{}\" occurs multiple times in the {} side",
                        column.name,
                        if i == 0 { "left" } else { "right" }
                    )));
                }
            }
        }
        for column in inputs.iter().flat_map(|i| &i.columns) {
            if !names.iter().any(|n| n.eq_ignore_ascii_case(&column.name)) {
                names.push(column.name.clone());
            }
        }
        let mut out = vec![];
        for input in inputs {
            let mut definitions: Vec<Definition> = vec![];
            for name in &names {
                let found = input.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name));
                definitions.push(match found {
                    Some(column) => Definition::pass(column.clone()),
                    None => Definition {
                        column: self.ids.column(name.clone(), LogicalType::Null),
                        expr: Expr::literal(Scalar::Null, LogicalType::Null),
                    },
                });
            }
            let columns = definitions.iter().map(|d| d.column.clone()).collect();
            out.push(BoundQuery {
                plan: LogicalPlan::Project { input: Box::new(input.plan), definitions },
                columns,
            });
        }
        Ok(out)
    }
}
