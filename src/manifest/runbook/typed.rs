//! The values of expressions: typed and of a bounded size, or why there is none.

use minijinja::value::{Value, ValueKind};

use super::ids::IdOf;
use crate::manifest::yaml::reader::NodeKind;
use crate::model::reference;

/// The beginning of an expression.
pub(in crate::manifest) const OPEN: &str = "${{";
/// The longest text that an expression or a scalar may give, in bytes.
pub(super) const MAX_TEXT: usize = 64 * 1024;
/// Why an expression gave no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EvalError {
    #[error("`{0}` has no value here")]
    Undefined(String),
    #[error("the expression has no value here")]
    Nothing,
    #[error("the expression gives a mapping; it can give text, a number, true or false, or a list of these")]
    Mapping,
    #[error("the expression gives a list, which cannot stand inside a text")]
    ListInText,
    #[error("the value holds `{OPEN}`: values are never read as expressions")]
    Nested,
    #[error("the value is longer than {} KiB or {MAX_ITEMS} items", MAX_TEXT / 1024)]
    TooLong,
    #[error("the list is nested too deep")]
    TooDeep,
    #[error("the expression gives no value that a manifest can hold: {0}")]
    Other(String),
    #[error("the expression fails: {0}")]
    Failed(String),
    #[error("the expressions of this incident take too much work, or give too large a value")]
    Work,
    #[error("an id is not known before its call is made: nothing can be made of it")]
    Derived,
}

/// A typed value of a manifest's field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Typed {
    /// A scalar: its text, and what it is.
    Scalar(String, NodeKind),
    /// A list.
    List(Vec<Typed>),
}

/// How deep lists may be nested in a value.
const MAX_DEPTH: usize = 8;
/// How many items a list may have that is a field's value.
const MAX_ITEMS: usize = 10_000;

/// Reads what an expression gave; `depth` is how many lists it lies in.
pub(super) fn typed(value: &Value, depth: usize) -> Result<Typed, EvalError> {
    if depth > MAX_DEPTH {
        return Err(EvalError::TooDeep);
    }
    Ok(match value.kind() {
        ValueKind::Undefined | ValueKind::None => return Err(EvalError::Nothing),
        ValueKind::Bool => Typed::Scalar(value.is_true().to_string(), NodeKind::Bool),
        ValueKind::Number => Typed::Scalar(number(value)?, NodeKind::Number),
        ValueKind::String => {
            let text = value.as_str().ok_or(EvalError::Nothing)?;
            if text.len() > MAX_TEXT {
                return Err(EvalError::TooLong);
            }
            if text.contains(OPEN) {
                return Err(EvalError::Nested);
            }
            Typed::Scalar(text.to_owned(), NodeKind::Text)
        }
        ValueKind::Seq | ValueKind::Iterable => {
            if value.len().is_none_or(|n| n > MAX_ITEMS) {
                return Err(EvalError::TooLong);
            }
            let items = value.try_iter().map_err(|e| EvalError::Failed(e.to_string()))?;
            Typed::List(items.map(|item| typed(&item, depth + 1)).collect::<Result<_, _>>()?)
        }
        ValueKind::Map => return Err(EvalError::Mapping),
        ValueKind::Plain if let Some(IdOf(name)) = value.downcast_object_ref() => {
            Typed::Scalar(reference(name), NodeKind::Text)
        }
        other => return Err(EvalError::Other(other.to_string())),
    })
}

/// A number as a manifest spells it: no exponent, and no point in a whole one.
pub(super) fn number(value: &Value) -> Result<String, EvalError> {
    if let Some(n) = value.as_i64() {
        return Ok(n.to_string());
    }
    match f64::try_from(value.clone()) {
        Ok(n) if n.is_finite() => Ok(n.to_string()),
        _ => Err(EvalError::Other("a number without end".to_owned())),
    }
}
