//! The table of all scalar functions, and the choice of an overload.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::{ArgInfo, BindError, BoundScalar, ScalarFunction, ScalarKernel};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::coerce::{argument_cost, common_type};

/// What a parameter takes.
#[derive(Debug, Clone)]
pub(crate) enum P {
    /// One type.
    T(LogicalType),
    /// Anything, as it is.
    Any,
    /// The common type of all arguments in such places, `T`.
    Same,
    /// A list of `T`.
    ListOfSame,
    /// Any decimal, as it is.
    Decimal,
    /// Any list or array, as a list.
    List,
    /// Any map.
    Map,
}

/// What a function returns.
#[derive(Debug, Clone)]
pub(crate) enum R {
    /// One type.
    T(LogicalType),
    /// `T`.
    Same,
    /// A list of `T`.
    ListOfSame,
    /// The type of an argument, after its cast.
    Arg(usize),
    /// Computed from the types of the arguments, after their casts.
    Of(fn(&[LogicalType]) -> LogicalType),
}

/// What a kernel is made for.
pub(crate) struct CallSite<'a> {
    /// Their types after the casts.
    pub types: &'a [LogicalType],
    /// The result type.
    pub ret: &'a LogicalType,
}

pub(crate) type Make = fn(&CallSite<'_>) -> ScalarKernel;

/// One signature.
pub(crate) struct Overload {
    pub params: Vec<P>,
    /// Any number of further arguments.
    pub variadic: Option<P>,
    pub ret: R,
    pub make: Make,
}

/// A signature chosen, with its kernel.
pub(crate) struct Resolution {
    pub arg_types: Vec<LogicalType>,
    pub return_type: LogicalType,
    pub kernel: ScalarKernel,
}

/// Binds what signatures cannot express. `None` leaves it to them.
pub(crate) type Custom = fn(&[ArgInfo]) -> Option<Result<Resolution, String>>;

/// A function and its documentation.
pub(crate) struct Def {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub description: &'static str,
    pub example: &'static str,
    pub strict: bool,
    pub volatile: bool,
    pub overloads: Vec<Overload>,
    pub custom: Option<Custom>,
    /// Signatures of what `custom` binds, for the documentation.
    pub custom_signatures: &'static [&'static str],
    /// The heading that it is listed under.
    pub subject: &'static str,
}

/// A function that is NULL where an argument is NULL.
pub(crate) fn def(name: &'static str, description: &'static str, example: &'static str) -> Def {
    Def {
        name,
        aliases: &[],
        description,
        example,
        strict: true,
        volatile: false,
        overloads: vec![],
        custom: None,
        custom_signatures: &[],
        subject: "",
    }
}

impl Def {
    pub fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// The function sees NULLs itself.
    pub fn sees_nulls(mut self) -> Self {
        self.strict = false;
        self
    }

    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    pub fn on(mut self, params: impl Into<Vec<P>>, ret: R, make: Make) -> Self {
        self.overloads.push(Overload { params: params.into(), variadic: None, ret, make });
        self
    }

    /// [`Def::on`] for a function of one type to another.
    pub fn map(self, params: &[LogicalType], ret: LogicalType, make: Make) -> Self {
        self.on(params.iter().cloned().map(P::T).collect::<Vec<_>>(), R::T(ret), make)
    }

    pub fn variadic(mut self, params: impl Into<Vec<P>>, rest: P, ret: R, make: Make) -> Self {
        self.overloads.push(Overload { params: params.into(), variadic: Some(rest), ret, make });
        self
    }

    pub fn custom(mut self, signatures: &'static [&'static str], custom: Custom) -> Self {
        self.custom = Some(custom);
        self.custom_signatures = signatures;
        self
    }
}

/// The functions by name.
pub(crate) struct Registry {
    defs: Vec<Def>,
    names: HashMap<&'static str, usize>,
    /// The heading of the functions that are added.
    subject: &'static str,
}

impl Registry {
    pub fn add(&mut self, mut def: Def) {
        def.subject = self.subject;
        let at = self.defs.len();
        for name in std::iter::once(&def.name).chain(def.aliases) {
            let before = self.names.insert(name, at);
            debug_assert!(before.is_none(), "function {name} is registered twice");
        }
        self.defs.push(def);
    }

    /// Gives a function more overloads.
    pub fn extend(&mut self, name: &str, with: impl FnOnce(Def) -> Def) {
        let at = self.names.get(name).copied();
        debug_assert!(at.is_some(), "there is no function {name} to extend");
        if let Some(at) = at {
            let before = std::mem::replace(&mut self.defs[at], def("", "", ""));
            self.defs[at] = with(before);
        }
    }
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    type Register = fn(&mut Registry);
    // Those below give more overloads to functions of those above.
    const SUBJECTS: &[(&str, Register)] = &[
        ("Operators", super::arithmetic::register),
        ("Numbers", super::math::register),
        ("Text", super::string::register),
        ("Dates and times", super::date::register),
        ("Numbers", super::number_template::register),
        ("Lists and arrays", super::list::register),
        ("Structs", super::structs::register),
        ("Unions", super::unions::register),
        ("Structs", super::struct_fields::register),
        ("Maps", super::maps::register),
        ("General", super::misc::register),
        ("JSON", super::json::register),
        ("General", super::bins::register),
        ("General", super::sort_key::register),
        ("System", super::system::register),
        ("Identifiers", super::identifier::register),
        ("Enums", super::enums::register),
        ("Bit strings", super::bits::register),
        ("Numbers", super::uhuge::register),
        ("Numbers", super::bignum::register),
        ("Variants", super::variant::register),
    ];
    let mut r = Registry { defs: vec![], names: HashMap::new(), subject: "" };
    for (subject, register) in SUBJECTS {
        r.subject = subject;
        register(&mut r);
    }
    r
});

/// A function's documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionInfo {
    /// The name.
    pub name: &'static str,
    /// Another name of this function, where the entry is for an alias.
    pub alias_of: Option<&'static str>,
    /// Its signatures, such as `abs(DOUBLE) -> DOUBLE`.
    pub signatures: Vec<String>,
    /// One line.
    pub description: &'static str,
    /// A call.
    pub example: &'static str,
    /// Gives another value each time.
    pub volatile: bool,
    /// The heading that it is listed under.
    pub subject: &'static str,
}

/// Whether there is a function of that name, in lower case.
pub fn is_known(name: &str) -> bool {
    REGISTRY.names.contains_key(name)
}

/// All scalar functions and their aliases, in alphabetical order.
pub fn catalog() -> Vec<FunctionInfo> {
    let r = &*REGISTRY;
    let mut out = vec![];
    for def in &r.defs {
        for (i, name) in std::iter::once(&def.name).chain(def.aliases).enumerate() {
            out.push(FunctionInfo {
                name,
                alias_of: (i > 0).then_some(def.name),
                signatures: signatures(name, def),
                description: def.description,
                example: def.example,
                volatile: def.volatile,
                subject: def.subject,
            });
        }
    }
    out.sort_by_key(|f| f.name);
    out
}

/// Whether there is a scalar function of this name.
pub fn is_scalar(name: &str) -> bool {
    REGISTRY.names.contains_key(name.to_ascii_lowercase().as_str())
}

fn show_param(p: &P) -> String {
    match p {
        P::T(t) => t.to_string(),
        P::Any => "ANY".into(),
        P::Same => "T".into(),
        P::ListOfSame => "T[]".into(),
        P::Decimal => "DECIMAL".into(),
        P::List => "ANY[]".into(),
        P::Map => "MAP(K, V)".into(),
    }
}

fn signatures(name: &str, def: &Def) -> Vec<String> {
    let custom = def.custom_signatures.iter().map(|s| format!("{name}{s}"));
    let plain = def.overloads.iter().map(|o| {
        let mut params: Vec<String> = o.params.iter().map(show_param).collect();
        if let Some(v) = &o.variadic {
            params.push(format!("{}...", show_param(v)));
        }
        let ret = match &o.ret {
            R::T(t) => t.to_string(),
            R::Same => "T".into(),
            R::ListOfSame => "T[]".into(),
            R::Arg(i) => o.params.get(*i).map_or_else(|| "ANY".into(), show_param),
            R::Of(_) => "ANY".into(),
        };
        format!("{name}({}) -> {ret}", params.join(", "))
    });
    custom.chain(plain).collect()
}

fn is_text_literal(arg: &ArgInfo) -> bool {
    arg.ty == LogicalType::Varchar && matches!(arg.literal, Some(Scalar::Text(_)))
}

/// The common type of some arguments; a text literal takes the type of the others.
pub(crate) fn common_of<'a>(args: impl Iterator<Item = &'a ArgInfo> + Clone) -> Option<LogicalType> {
    let mut all = args.clone().filter(|a| !is_text_literal(a)).peekable();
    if all.peek().is_none() {
        return Some(if args.clone().next().is_some() { LogicalType::Varchar } else { LogicalType::Null });
    }
    let mut ty = LogicalType::Null;
    for a in all {
        ty = common_type(&ty, &a.ty)?;
    }
    // A text beside members of an enum need not be one of them.
    if matches!(ty, LogicalType::Null | LogicalType::Enum(_)) && args.clone().any(is_text_literal) {
        ty = LogicalType::Varchar;
    }
    Some(ty)
}

fn list_item(ty: &LogicalType) -> Option<LogicalType> {
    match ty {
        LogicalType::List(item) | LogicalType::Array(item, _) => Some((**item).clone()),
        LogicalType::Null => Some(LogicalType::Null),
        _ => None,
    }
}

/// Types of the arguments, type of the result and cost, if the overload fits.
fn fit(o: &Overload, args: &[ArgInfo]) -> Option<(Vec<LogicalType>, LogicalType, u32)> {
    if args.len() < o.params.len() || (o.variadic.is_none() && args.len() > o.params.len()) {
        return None;
    }
    let param = |i: usize| o.params.get(i).or(o.variadic.as_ref());
    // First what `T` is.
    let mut members: Vec<ArgInfo> = vec![];
    let mut is_read = false;
    for (i, arg) in args.iter().enumerate() {
        match param(i)? {
            P::Same => members.push(arg.clone()),
            // What a text is a list of, the other arguments say.
            P::ListOfSame if is_text_literal(arg) && args.len() > 1 && o.variadic.is_none() => is_read = true,
            P::ListOfSame => members.push(ArgInfo::of(list_item(&arg.ty)?)),
            _ => {}
        }
    }
    if is_read && members.is_empty() {
        return None;
    }
    let same = common_of(members.iter())?;
    let mut types = Vec::with_capacity(args.len());
    let mut cost = 0;
    for (i, arg) in args.iter().enumerate() {
        let wanted = match param(i)? {
            P::T(t) => t.clone(),
            P::Any => arg.ty.clone(),
            P::Same => same.clone(),
            P::ListOfSame => LogicalType::List(Box::new(same.clone())),
            P::Decimal => match &arg.ty {
                t @ LogicalType::Decimal { .. } => t.clone(),
                _ => return None,
            },
            P::List => LogicalType::List(Box::new(list_item(&arg.ty)?)),
            P::Map => match &arg.ty {
                t @ LogicalType::Map(..) => t.clone(),
                LogicalType::Null => {
                    LogicalType::Map(Box::new(LogicalType::Null), Box::new(LogicalType::Null))
                }
                _ => return None,
            },
        };
        cost += match param(i)? {
            P::T(_) => argument_cost(arg, &wanted)?,
            // A general parameter fits less well than a particular one.
            P::Any => 200,
            _ => 1,
        };
        types.push(wanted);
    }
    let ret = match &o.ret {
        R::T(t) => t.clone(),
        R::Same => same,
        R::ListOfSame => LogicalType::List(Box::new(same)),
        R::Arg(i) => types.get(*i)?.clone(),
        R::Of(f) => f(&types),
    };
    Some((types, ret, cost))
}

/// The message for arguments that no overload takes.
pub(crate) fn no_match(name: &str, args: &[ArgInfo], candidates: &[String]) -> BindError {
    let args: Vec<String> = args.iter().map(ArgInfo::describe).collect();
    BindError::NoMatch(format!(
        "No function matches the given name and argument types '{name}({})'. You might need to add explicit \
         type casts. Candidates: {}",
        args.join(", "),
        shortened(candidates)
    ))
}

fn shortened(candidates: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text = candidates[..candidates.len().min(SHOWN)].join("; ");
    if candidates.len() > SHOWN {
        text.push_str("; …");
    }
    text
}

/// The names closest to a misspelt one.
pub(crate) fn closest<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut scored: Vec<(f64, &str)> =
        all.map(|n| (strsim::jaro_winkler(name, n), n)).filter(|(score, _)| *score > 0.8).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.truncate(5);
    scored.into_iter().map(|(_, n)| n.to_owned()).collect()
}

pub(super) fn bind(name: &str, args: &[ArgInfo]) -> Result<BoundScalar, BindError> {
    let r = &*REGISTRY;
    let lower = name.to_ascii_lowercase();
    let Some(def) = r.names.get(lower.as_str()).map(|i| &r.defs[*i]) else {
        return Err(BindError::Unknown(closest(&lower, r.names.keys().copied())));
    };
    let bound = |arg_types, return_type, kernel| BoundScalar {
        function: Arc::new(ScalarFunction {
            name: def.name,
            strict: def.strict,
            volatile: def.volatile,
            kernel,
            lambda: None,
        }),
        arg_types,
        return_type,
    };
    if let Some(custom) = def.custom
        && let Some(result) = custom(args)
    {
        let r = result.map_err(BindError::NoMatch)?;
        return Ok(bound(r.arg_types, r.return_type, r.kernel));
    }
    let mut best: Option<(&Overload, Vec<LogicalType>, LogicalType, u32)> = None;
    let mut tied = vec![];
    for o in &def.overloads {
        let Some((types, ret, cost)) = fit(o, args) else { continue };
        match &best {
            Some((.., c)) if *c < cost => {}
            Some((_, t, _, c)) if *c == cost => {
                if *t != types {
                    tied.push(types);
                }
            }
            _ => {
                tied.clear();
                best = Some((o, types, ret, cost));
            }
        }
    }
    let Some((o, types, ret, _)) = best else {
        return Err(no_match(&lower, args, &signatures(&lower, def)));
    };
    // NULL fits everything equally well; it does not matter then which is chosen.
    if !tied.is_empty() && args.iter().all(|a| a.ty != LogicalType::Null) {
        let described: Vec<String> = args.iter().map(ArgInfo::describe).collect();
        return Err(BindError::NoMatch(format!(
            "Could not choose a best candidate function for the function call \"{lower}({})\". In order to \
             select one, please add explicit type casts. Candidates: {}",
            described.join(", "),
            shortened(&signatures(&lower, def))
        )));
    }
    let kernel = (o.make)(&CallSite { types: &types, ret: &ret });
    Ok(bound(types, ret, kernel))
}
