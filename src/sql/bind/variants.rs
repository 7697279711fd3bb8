//! Functions that compare values, where these are VARIANTs: they are given what VARIANTs compare by.

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::Expr;
use crate::exec::functions::{has_variant, variant_key};
use crate::sql::bind::collation::LIST_SEARCHES;
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::Result;

fn words<const N: usize>(words: [&str; N]) -> [Expr; N] {
    words.map(|word| Expr::literal(Scalar::text(word), LogicalType::Varchar))
}

impl Binder<'_> {
    /// What a function makes of VARIANTs that has to compare them, or nothing where it may be called with `args` as they
    /// are then.
    pub(super) fn compare_variants(&mut self, name: &str, args: &mut [Expr]) -> Result<Option<Expr>> {
        if !args.iter().any(|arg| has_variant(&arg.ty())) {
            return Ok(None);
        }
        match (name, &mut *args) {
            ("list_sort" | "array_sort", [list, order @ ..]) => {
                self.in_order(list.clone(), order.to_vec()).map(Some)
            }
            ("list_reverse_sort" | "array_reverse_sort", [list, nulls @ ..]) => {
                let order = words(["DESC"]).into_iter().chain(nulls.iter().cloned()).collect();
                self.in_order(list.clone(), order).map(Some)
            }
            ("list_grade_up" | "array_grade_up" | "grade_up", [list, ..]) => {
                *list = variant_key(list.clone());
                Ok(None)
            }
            ("greatest" | "least", values) => {
                let (values, _) = coerce::unify(values.to_vec(), name)?;
                let list = self.call("list_value", values)?;
                let order = words([if name == "greatest" { "DESC" } else { "ASC" }, "NULLS LAST"]);
                let sorted = self.in_order(list, order.to_vec())?;
                let first = Expr::literal(Scalar::Int(1), LogicalType::BigInt);
                self.call("array_extract", vec![sorted, first]).map(Some)
            }
            (name, [list, value]) if LIST_SEARCHES.contains(&name) => {
                if let LogicalType::List(item) | LogicalType::Array(item, _) = list.ty()
                    && let Some(common) = crate::exec::coerce::common_type(&item, &value.ty())
                {
                    let lists = LogicalType::List(Box::new(common.clone()));
                    *list = variant_key(coerce::cast(list.clone(), &lists));
                    *value = variant_key(coerce::cast(value.clone(), &common));
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// A list in the order of what its items compare by.
    fn in_order(&mut self, list: Expr, order: Vec<Expr>) -> Result<Expr> {
        let keys = std::iter::once(variant_key(list.clone())).chain(order).collect();
        let places = self.call("list_grade_up", keys)?;
        self.call("list_select", vec![list, places])
    }
}
