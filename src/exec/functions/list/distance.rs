//! Lists and arrays of floats as vectors: distances and products.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, FixedSizeListArray, PrimitiveArray, new_null_array};
use arrow_schema::Field;

use super::{Nulls, nulls_of};
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::registry::{Registry, Resolution, def};
use crate::exec::functions::{ArgInfo, ScalarKernel};

/// What two vectors give.
#[derive(Clone, Copy)]
enum Measure {
    Euclidean,
    Cosine,
    CosineDistance,
    Inner,
    NegativeInner,
}

impl Measure {
    fn of<T: Copy + Into<f64>>(self, a: &[T], b: &[T]) -> Option<f64> {
        let pairs = || a.iter().zip(b).map(|(x, y)| ((*x).into(), (*y).into()));
        let inner = || pairs().fold(0.0, |sum, (x, y): (f64, f64)| sum + x * y);
        let cosine = || {
            let (xx, yy) = pairs().fold((0.0, 0.0), |(xx, yy), (x, y)| (xx + x * x, yy + y * y));
            (inner() / (xx * yy).sqrt()).clamp(-1.0, 1.0)
        };
        match self {
            Self::Euclidean => {
                Some(pairs().fold(0.0, |sum, (x, y): (f64, f64)| sum + (x - y) * (x - y)).sqrt())
            }
            Self::Inner => Some(inner()),
            Self::NegativeInner => Some(-inner()),
            Self::Cosine | Self::CosineDistance if a.is_empty() => None,
            Self::Cosine => Some(cosine()),
            Self::CosineDistance => Some(1.0 - cosine()),
        }
    }

    /// The same in single precision, as vectors of it are computed.
    fn of_single(self, a: &[f32], b: &[f32]) -> Option<f32> {
        let pairs = || a.iter().zip(b).map(|(x, y)| (*x, *y));
        let inner = || pairs().fold(0.0, |sum, (x, y)| sum + x * y);
        let cosine = || {
            let (xx, yy) = pairs().fold((0.0f32, 0.0f32), |(xx, yy), (x, y)| (xx + x * x, yy + y * y));
            (inner() / (xx * yy).sqrt()).clamp(-1.0, 1.0)
        };
        match self {
            Self::Euclidean => Some(pairs().fold(0.0, |sum, (x, y)| sum + (x - y) * (x - y)).sqrt()),
            Self::Inner => Some(inner()),
            Self::NegativeInner => Some(-inner()),
            Self::Cosine | Self::CosineDistance if a.is_empty() => None,
            Self::Cosine => Some(cosine()),
            Self::CosineDistance => Some(1.0 - cosine()),
        }
    }
}

fn holds_null(name: &str, side: &str) -> ExecError {
    ExecError::InvalidInput(format!("{name}: {side} argument can not contain NULL values"))
}

/// The rows of a list or array of floats.
struct Vectors<'a, T: ArrowPrimitiveType> {
    array: &'a ArrayRef,
    values: &'a PrimitiveArray<T>,
    rows: usize,
}

impl<'a, T: ArrowPrimitiveType> Vectors<'a, T> {
    fn open(array: &'a ArrayRef, rows: usize) -> Result<Self> {
        let values = match array.as_fixed_size_list_opt() {
            Some(list) => list.values(),
            None => array.as_list::<i32>().values(),
        };
        let values = values
            .as_primitive_opt::<T>()
            .ok_or_else(|| ExecError::Internal("a vector is no list of floats".into()))?;
        Ok(Self { array, values, rows })
    }

    /// The values of a row, and whether one of them is NULL.
    fn row(&self, row: usize) -> (&'a [T::Native], bool) {
        let row = if self.array.len() == self.rows { row } else { 0 };
        let range = match self.array.as_fixed_size_list_opt() {
            Some(list) => {
                let n = list.value_length() as usize;
                row * n..(row + 1) * n
            }
            None => {
                let offsets = self.array.as_list::<i32>().value_offsets();
                offsets[row] as usize..offsets[row + 1] as usize
            }
        };
        let null = self.values.null_count() > 0 && range.clone().any(|i| self.values.is_null(i));
        (&self.values.values()[range], null)
    }
}

fn kernel<T>(
    name: &'static str,
    f: impl Fn(&[T::Native], &[T::Native]) -> Option<T::Native> + Send + Sync + 'static,
) -> ScalarKernel
where
    T: ArrowPrimitiveType,
{
    Box::new(move |args, ty, rows, _| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let (a, b) = (Vectors::<T>::open(&args[0], rows)?, Vectors::<T>::open(&args[1], rows)?);
        let values = (0..rows).map(|row| {
            if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                return Ok(None);
            }
            let ((x, x_null), (y, y_null)) = (a.row(row), b.row(row));
            if x.len() != y.len() {
                return Err(ExecError::InvalidInput(format!(
                    "{name}: list dimensions must be equal, got left length '{}' and right length '{}'",
                    x.len(),
                    y.len()
                )));
            }
            if x_null || y_null {
                return Err(holds_null(name, if x_null { "left" } else { "right" }));
            }
            Ok(f(x, y))
        });
        Ok(Arc::new(values.collect::<Result<PrimitiveArray<T>>>()?))
    })
}

fn make(name: &'static str, measure: Measure, item: &LogicalType) -> ScalarKernel {
    if *item == LogicalType::Float {
        kernel::<Float32Type>(name, move |a, b| measure.of_single(a, b))
    } else {
        kernel::<Float64Type>(name, move |a, b| measure.of(a, b))
    }
}

fn item_of(ty: &LogicalType) -> Option<&LogicalType> {
    match ty {
        LogicalType::List(item) | LogicalType::Array(item, _) => Some(item),
        _ => None,
    }
}

/// Two lists, of floats unless both are of single precision.
fn bind_lists(name: &'static str, measure: Measure, args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [a, b] = args else { return None };
    let mut single = true;
    for arg in [a, b] {
        match (&arg.ty, item_of(&arg.ty)) {
            (LogicalType::Null, _) => {}
            (_, Some(item)) if item.is_numeric() || *item == LogicalType::Null => {
                single &= *item == LogicalType::Float;
            }
            _ => return None,
        }
    }
    let single = single && (item_of(&a.ty).is_some() || item_of(&b.ty).is_some());
    let item = if single { LogicalType::Float } else { LogicalType::Double };
    let list = LogicalType::List(Box::new(item.clone()));
    let kernel = make(name, measure, &item);
    Some(Ok(Resolution { arg_types: vec![list.clone(), list], return_type: item, kernel }))
}

/// The floating point type that two types of numbers have in common: other numbers follow the float beside them.
fn floating(x: &LogicalType, y: &LogicalType) -> LogicalType {
    let is = |t: LogicalType| *x == t || *y == t;
    if is(LogicalType::Float) && !is(LogicalType::Double) { LogicalType::Float } else { LogicalType::Double }
}

/// The common type of two arrays of floats.
fn arrays(name: &str, a: &ArgInfo, b: &ArgInfo) -> Option<Result<(LogicalType, u32), String>> {
    let (item, n) = match (&a.ty, &b.ty) {
        (LogicalType::Array(x, n), LogicalType::Array(y, m)) => {
            if n != m {
                return Some(Err(format!("{name}: Array arguments must be of the same size")));
            }
            let floats = |t: &LogicalType| t.is_float() || matches!(t, LogicalType::Null);
            if !floats(x) && !floats(y) || !x.is_numeric() || !y.is_numeric() {
                return Some(Err(format!("{name}: Arguments must be arrays of FLOAT or DOUBLE")));
            }
            (floating(x, y), *n)
        }
        // A list on one side is read as an array of the other's length.
        (LogicalType::Array(x, n), LogicalType::List(_) | LogicalType::Null)
        | (LogicalType::List(_) | LogicalType::Null, LogicalType::Array(x, n)) => ((**x).clone(), *n),
        _ => return None,
    };
    if !item.is_float() {
        return Some(Err(format!("{name}: Arguments must be arrays of FLOAT or DOUBLE")));
    }
    Some(Ok((item, n)))
}

fn bind_arrays(name: &'static str, measure: Measure, args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [a, b] = args else { return None };
    Some(arrays(name, a, b)?.map(|(item, n)| {
        let array = LogicalType::Array(Box::new(item.clone()), n);
        let kernel = make(name, measure, &item);
        Resolution { arg_types: vec![array.clone(), array], return_type: item, kernel }
    }))
}

/// The cross product of two arrays of three.
fn cross(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    fn product<T: ArrowPrimitiveType>() -> ScalarKernel
    where
        T::Native: std::ops::Mul<Output = T::Native> + std::ops::Sub<Output = T::Native>,
    {
        Box::new(|args, ty, rows, _| {
            let nulls = match nulls_of(args, rows) {
                Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
                Nulls::None => None,
                Nulls::Some(n) => Some(n),
            };
            let (a, b) = (Vectors::<T>::open(&args[0], rows)?, Vectors::<T>::open(&args[1], rows)?);
            let mut values = Vec::with_capacity(rows * 3);
            for row in 0..rows {
                if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                    values.extend([T::Native::default(); 3]);
                    continue;
                }
                let ((x, x_null), (y, y_null)) = (a.row(row), b.row(row));
                if x_null || y_null {
                    return Err(holds_null("array_cross_product", if x_null { "left" } else { "right" }));
                }
                let ([x0, x1, x2], [y0, y1, y2]) = (x, y) else {
                    return Err(ExecError::Internal("a cross product is of three".into()));
                };
                values.extend([*x1 * *y2 - *x2 * *y1, *x2 * *y0 - *x0 * *y2, *x0 * *y1 - *x1 * *y0]);
            }
            let field = Arc::new(Field::new("item", T::DATA_TYPE, true));
            let values = Arc::new(PrimitiveArray::<T>::new(values.into(), None));
            Ok(Arc::new(FixedSizeListArray::try_new(field, 3, values, nulls)?))
        })
    }
    let [a, b] = args else { return None };
    let of_three = |t: &LogicalType| match t {
        LogicalType::Array(item, 3) | LogicalType::List(item) => Some((**item).clone()),
        LogicalType::Null => Some(LogicalType::Null),
        _ => None,
    };
    let (x, y) = (of_three(&a.ty)?, of_three(&b.ty)?);
    let is_number = |t: &LogicalType| t.is_numeric() || *t == LogicalType::Null;
    if !is_number(&x) || !is_number(&y) {
        return Some(Err("array_cross_product: Arguments must be arrays of numbers".into()));
    }
    let item = floating(&x, &y);
    let kernel = if item == LogicalType::Float { product::<Float32Type>() } else { product::<Float64Type>() };
    let array = LogicalType::Array(Box::new(item), 3);
    Some(Ok(Resolution { arg_types: vec![array.clone(), array.clone()], return_type: array, kernel }))
}

pub(super) fn register(r: &mut Registry) {
    macro_rules! measure {
        ($what:literal, $measure:ident, $list:literal [$($list_alias:literal),*], $array:literal [$($array_alias:literal),*]) => {
            r.add(
                def($list, concat!($what, " of two lists of numbers"), concat!($list, "([1, 2, 3], [1, 2, 5])"))
                    .aliases(&[$($list_alias),*])
                    .custom(&["(DOUBLE[], DOUBLE[]) -> DOUBLE", "(FLOAT[], FLOAT[]) -> FLOAT"], |args| {
                        bind_lists($list, Measure::$measure, args)
                    }),
            );
            r.add(
                def(
                    $array,
                    concat!($what, " of two arrays of floats"),
                    concat!($array, "(array_value(1.0::FLOAT, 2.0::FLOAT), array_value(2.0::FLOAT, 3.0::FLOAT))"),
                )
                .aliases(&[$($array_alias),*])
                .custom(&["(DOUBLE[n], DOUBLE[n]) -> DOUBLE", "(FLOAT[n], FLOAT[n]) -> FLOAT"], |args| {
                    bind_arrays($array, Measure::$measure, args)
                }),
            );
        };
    }
    measure!("Euclidean distance", Euclidean, "list_distance" ["<->"], "array_distance" []);
    measure!("Cosine similarity", Cosine, "list_cosine_similarity" [], "array_cosine_similarity" []);
    measure!("Cosine distance", CosineDistance, "list_cosine_distance" ["<=>"], "array_cosine_distance" []);
    measure!(
        "Inner product",
        Inner,
        "list_inner_product"["list_dot_product"],
        "array_inner_product"["array_dot_product"]
    );
    measure!(
        "Negative inner product",
        NegativeInner,
        "list_negative_inner_product"["list_negative_dot_product"],
        "array_negative_inner_product"["array_negative_dot_product"]
    );
    r.add(
        def(
            "array_cross_product",
            "Cross product of two arrays of three",
            "array_cross_product(array_value(1.0, 2.0, 3.0)::DOUBLE[3], array_value(2.0, 3.0, 4.0)::DOUBLE[3])",
        )
        .custom(&["(DOUBLE[3], DOUBLE[3]) -> DOUBLE[3]", "(FLOAT[3], FLOAT[3]) -> FLOAT[3]"], cross),
    );
}
