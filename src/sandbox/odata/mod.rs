//! The query options that clients send: `$filter`, `$top`, `$skip`, `$orderby`, `$count`, `$select`, `$expand`.
//!
//! `$filter` knows `eq ne gt ge lt le`, `in`, `and`, `or`, `not`, parentheses, `startswith`, `endswith`, `contains`,
//! `tolower`, `toupper` and `list/any(x: ...)`. Properties are named without regard to case. Text is quoted with `'`
//! (doubled inside), points in time and dates are not quoted.

mod filter;
mod parser;
mod query;
#[cfg(test)]
mod tests;

pub(super) use filter::{Field, FieldKind, Row, Value};
pub(super) use parser::instant;
pub(super) use query::{Query, select};
