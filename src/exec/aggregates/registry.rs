//! The table of all aggregate functions.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::collected::bignum_sum;
use super::gather::gather;
use super::{AggregateFunction, GroupStates, count, fixed::Fixed, minmax, quantile, sum};
use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::coerce::argument_cost;
use crate::exec::functions::{ArgInfo, BindError, FunctionInfo, closest, no_match};

pub(super) type Maker = Box<dyn Fn() -> Box<dyn GroupStates> + Send + Sync>;

/// An aggregate chosen for its arguments.
pub(super) struct Chosen {
    pub arg_types: Vec<LogicalType>,
    pub return_type: LogicalType,
    pub order_sensitive: bool,
    pub new_states: Maker,
}

impl Chosen {
    pub fn new(arg_types: Vec<LogicalType>, return_type: LogicalType, new_states: Maker) -> Self {
        Self { arg_types, return_type, order_sensitive: false, new_states }
    }

    /// The result depends on the order of rows.
    pub fn ordered(mut self) -> Self {
        self.order_sensitive = true;
        self
    }
}

/// Chooses an aggregate; `None` if the arguments do not fit.
pub(super) type Choose = fn(&[ArgInfo]) -> Option<Chosen>;

struct Def {
    name: &'static str,
    aliases: &'static [&'static str],
    signatures: &'static [&'static str],
    description: &'static str,
    example: &'static str,
    choose: Choose,
}

/// The aggregates by name.
pub(super) struct Registry {
    defs: Vec<Def>,
    names: HashMap<&'static str, usize>,
}

impl Registry {
    /// Adds an aggregate. Signatures are without the name: `(DOUBLE) -> DOUBLE`.
    pub fn add(
        &mut self,
        name: &'static str,
        aliases: &'static [&'static str],
        signatures: &'static [&'static str],
        description: &'static str,
        example: &'static str,
        choose: Choose,
    ) {
        let at = self.defs.len();
        for n in std::iter::once(&name).chain(aliases) {
            let before = self.names.insert(n, at);
            debug_assert!(before.is_none(), "aggregate {n} is registered twice");
        }
        self.defs.push(Def { name, aliases, signatures, description, example, choose });
    }
}

/// The first of the types that the argument converts to at the least cost.
pub(super) fn cheapest(arg: &ArgInfo, types: &[LogicalType]) -> Option<LogicalType> {
    // A text literal would fit anything, so it says nothing where there is a choice.
    if matches!(arg.literal, Some(Scalar::Text(_)))
        && types.len() > 1
        && !types.contains(&LogicalType::Varchar)
    {
        return None;
    }
    let costs = types.iter().filter_map(|t| Some((argument_cost(arg, t)?, t)));
    costs.min_by_key(|(cost, _)| *cost).map(|(_, t)| t.clone())
}

/// An argument of a type that is taken as it is, or of one that costs least to convert to.
fn number(arg: &ArgInfo, others: &[LogicalType]) -> Option<LogicalType> {
    match &arg.ty {
        LogicalType::Null => Some(LogicalType::Integer),
        t if t.is_integer() || matches!(t, LogicalType::Decimal { .. }) => Some(t.clone()),
        LogicalType::Float | LogicalType::UHugeInt => Some(LogicalType::Double),
        _ => cheapest(arg, others),
    }
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut r = Registry { defs: vec![], names: HashMap::new() };
    register(&mut r);
    super::moments::register(&mut r);
    super::regression::register(&mut r);
    super::pick::register(&mut r);
    super::gather::register(&mut r);
    super::lttb::register(&mut r);
    super::collected::register(&mut r);
    super::variants::register(&mut r);
    super::quantile::register(&mut r);
    super::distinct::register(&mut r);
    super::ema::register(&mut r);
    super::t_digest::register(&mut r);
    r
});

fn register(r: &mut Registry) {
    use LogicalType as T;
    r.add(
        "count",
        &["count_star"],
        &["() -> BIGINT", "(ANY) -> BIGINT"],
        "Number of rows, or of rows where the argument is not NULL",
        "count(x)",
        |args| {
            (args.len() <= 1).then(|| {
                let types = args.iter().map(|a| a.ty.clone()).collect();
                Chosen::new(types, T::BigInt, Box::new(|| Box::<count::Count>::default()))
            })
        },
    );
    r.add(
        "sum",
        &["sum_no_overflow"],
        &[
            "(BOOLEAN) -> HUGEINT",
            "(integer) -> HUGEINT",
            "(BIGNUM) -> BIGNUM",
            "(DECIMAL) -> DECIMAL(38, s)",
            "(DOUBLE) -> DOUBLE",
        ],
        "Sum of all values; NULL if there are none",
        "sum(x)",
        |args| {
            let [arg] = args else { return None };
            if arg.ty == T::BigNum {
                return Some(gather(vec![T::BigNum], T::BigNum, true, bignum_sum));
            }
            let ty = number(arg, &[T::Double, T::Boolean])?;
            let (ret, states) = sum::sum(&ty)?;
            Some(Chosen::new(vec![ty], ret, states))
        },
    );
    r.add(
        "avg",
        &["mean"],
        &[
            "(integer) -> DOUBLE",
            "(DECIMAL) -> DOUBLE",
            "(DOUBLE) -> DOUBLE",
            "(TIMESTAMP) -> TIMESTAMP",
            "(TIME) -> TIME",
            "(TIME WITH TIME ZONE) -> TIME WITH TIME ZONE",
            "(INTERVAL) -> INTERVAL",
        ],
        "Mean of all values",
        "avg(x)",
        |args| {
            let [arg] = args else { return None };
            if arg.ty == T::TimeTz {
                return Some(gather(vec![T::TimeTz], T::TimeTz, true, quantile::time_tz_mean));
            }
            let ty = number(arg, &[T::Double, TIMESTAMP, T::TimestampTz, T::Time, T::Interval])?;
            let (ret, states) = sum::avg(&ty)?;
            Some(Chosen::new(vec![ty], ret, states))
        },
    );
    r.add(
        "kahan_sum",
        &["fsum", "sumkahan"],
        &["(DOUBLE) -> DOUBLE"],
        "Sum of floats with less rounding error (Kahan's)",
        "kahan_sum(x)",
        |args| {
            let [arg] = args else { return None };
            let ty = cheapest(arg, &[T::Double])?;
            Some(Chosen::new(vec![ty], T::Double, Fixed::<sum::KahanSum<false>>::maker(T::Double)))
        },
    );
    r.add(
        "favg",
        &[],
        &["(DOUBLE) -> DOUBLE"],
        "Mean of floats with less rounding error (Kahan's)",
        "favg(x)",
        |args| {
            let [arg] = args else { return None };
            let ty = cheapest(arg, &[T::Double])?;
            Some(Chosen::new(vec![ty], T::Double, Fixed::<sum::KahanSum<true>>::maker(T::Double)))
        },
    );
    r.add(
        "count_if",
        &["countif"],
        &["(BOOLEAN) -> HUGEINT"],
        "Number of rows where the argument is true",
        "count_if(x > 1)",
        |args| {
            let [arg] = args else { return None };
            let ty = cheapest(arg, &[T::Boolean])?;
            Some(Chosen::new(vec![ty], T::HugeInt, Box::new(|| Box::<sum::BoolSum>::default())))
        },
    );
    const EXTREME: &[&str] = &["(T) -> T", "(T, BIGINT) -> T[]"];
    r.add("min", &[], EXTREME, "Least value, or a list of the n least", "min(x)", |args| match args {
        [x] => Some(Chosen::new(vec![x.ty.clone()], x.ty.clone(), minmax::extreme::<false>(&x.ty))),
        [x, n] if n.ty.is_integer() => Some(super::gather::top(&x.ty, None, false)),
        _ => None,
    });
    r.add("max", &[], EXTREME, "Greatest value, or a list of the n greatest", "max(x)", |args| match args {
        [x] => Some(Chosen::new(vec![x.ty.clone()], x.ty.clone(), minmax::extreme::<true>(&x.ty))),
        [x, n] if n.ty.is_integer() => Some(super::gather::top(&x.ty, None, true)),
        _ => None,
    });
    r.add(
        "bool_and",
        &["every", "logical_and"],
        &["(BOOLEAN) -> BOOLEAN"],
        "Whether all values are true",
        "bool_and(x)",
        |args| {
            let [arg] = args else { return None };
            let ty = cheapest(arg, &[T::Boolean])?;
            Some(Chosen::new(vec![ty], T::Boolean, minmax::extreme::<false>(&T::Boolean)))
        },
    );
    r.add(
        "bool_or",
        &["logical_or"],
        &["(BOOLEAN) -> BOOLEAN"],
        "Whether any value is true",
        "bool_or(x)",
        |args| {
            let [arg] = args else { return None };
            let ty = cheapest(arg, &[T::Boolean])?;
            Some(Chosen::new(vec![ty], T::Boolean, minmax::extreme::<true>(&T::Boolean)))
        },
    );
}

/// Whether there is an aggregate function of this name.
pub fn is_aggregate(name: &str) -> bool {
    REGISTRY.names.contains_key(name.to_ascii_lowercase().as_str())
}

fn signatures(name: &str, def: &Def) -> Vec<String> {
    def.signatures.iter().map(|s| format!("{name}{s}")).collect()
}

/// All aggregate functions and their aliases, in alphabetical order.
pub fn catalog() -> Vec<FunctionInfo> {
    let mut out = vec![];
    for def in &REGISTRY.defs {
        for (i, name) in std::iter::once(&def.name).chain(def.aliases).enumerate() {
            out.push(FunctionInfo {
                name,
                alias_of: (i > 0).then_some(def.name),
                signatures: signatures(name, def),
                description: def.description,
                example: def.example,
                volatile: false,
                subject: "Aggregates",
            });
        }
    }
    out.sort_by_key(|f| f.name);
    out
}

pub(super) fn bind(
    name: &str,
    args: &[ArgInfo],
    _distinct: bool,
) -> Result<Arc<AggregateFunction>, BindError> {
    let lower = name.to_ascii_lowercase();
    let Some(def) = REGISTRY.names.get(lower.as_str()).map(|i| &REGISTRY.defs[*i]) else {
        return Err(BindError::Unknown(closest(&lower, REGISTRY.names.keys().copied())));
    };
    let chosen = (def.choose)(args).ok_or_else(|| no_match(&lower, args, &signatures(&lower, def)))?;
    Ok(Arc::new(AggregateFunction {
        name: def.name,
        arg_types: chosen.arg_types,
        return_type: chosen.return_type,
        order_sensitive: chosen.order_sensitive,
        new_states: chosen.new_states,
    }))
}
