//! The options of a query.

use std::cmp::Ordering;

use super::filter::{Expr, Field, Row, Value};
use super::parser::{field, parse_filter};
use crate::sandbox::message::{Envelope, HttpRequest, Refusal};
use crate::sandbox::metadata;

/// The options of one query.
#[derive(Debug, Default, PartialEq)]
pub(in crate::sandbox) struct Query {
    pub filter: Option<Filter>,
    pub top: Option<usize>,
    pub skip: usize,
    /// Property and whether descending.
    pub(super) order: Vec<(&'static Field, bool)>,
    pub count: bool,
    /// Set if the number of rows is all that is asked for: the path ends with `/$count`.
    pub only_count: bool,
    /// The properties that are asked for; all if it is empty.
    pub select: Vec<&'static str>,
}

/// A filter that was read.
#[derive(Debug, PartialEq)]
pub(in crate::sandbox) struct Filter(Expr);

impl Filter {
    pub fn matches(&self, row: &impl Row) -> bool {
        self.0.matches(row)
    }

    /// The texts one of which a property must equal in every matching row, if the filter says so.
    pub fn candidates(&self, field: &str) -> Option<Vec<&str>> {
        self.0.candidates(field)
    }

    /// The texts that a property equals or begins with somewhere in the filter.
    pub fn looked_for(&self, field: &str) -> Vec<&str> {
        self.0.looked_for(field)
    }
}

/// `$top` and a page hold at most this many rows.
const MAX_ROWS: usize = 10_000;

impl Query {
    /// Reads what a request for a list of `entity` asks for.
    pub fn of(request: &HttpRequest, fields: &'static [Field], entity: &str) -> Result<Self, Refusal> {
        let last = request.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let only_count = matches!(last.to_ascii_lowercase().as_str(), "$count" | "%24count");
        let select = select(request, entity)?;
        Ok(Query { only_count, select, ..Query::parse(&request.query, fields)? })
    }

    /// Reads a percent-encoded query string, but for `$select`. Options without `$` are none of OData's business, and
    /// an empty one is as good as none.
    pub(super) fn parse(query: &str, fields: &'static [Field]) -> Result<Self, Refusal> {
        let mut result = Query::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "$filter" | "$orderby" if value.trim().is_empty() => {}
                "$filter" => result.filter = Some(Filter(parse_filter(&value, fields).map_err(bad_query)?)),
                "$top" => {
                    let top = number("$top", &value)?;
                    if top > MAX_ROWS {
                        return Err(bad_query(format!(
                            "The limit of '{MAX_ROWS}' for Top query has been exceeded. The value from the incoming request is '{top}'."
                        )));
                    }
                    result.top = Some(top);
                }
                "$skip" => result.skip = number("$skip", &value)?,
                "$orderby" => result.order = order(&value, fields)?,
                "$count" => result.count = value.eq_ignore_ascii_case("true"),
                "$expand" | "$select" => {}
                other if other.starts_with('$') => {
                    return Err(Refusal {
                        form: Envelope::ODataLayer,
                        ..Refusal::new(400, "", format!("The query parameter '{other}' is not supported."))
                    });
                }
                _ => {}
            }
        }
        Ok(result)
    }

    /// Returns whether `$orderby` says anything.
    pub fn is_ordered(&self) -> bool {
        !self.order.is_empty()
    }

    /// Orders two rows as `$orderby` says; null comes first.
    pub fn compare(&self, a: &impl Row, b: &impl Row) -> Ordering {
        self.order
            .iter()
            .map(|(field, descending)| {
                let (a, b) = (a.value(field.name), b.value(field.name));
                let ascending = match (a, b) {
                    (Value::Null, Value::Null) => Ordering::Equal,
                    (Value::Null, _) => Ordering::Less,
                    (_, Value::Null) => Ordering::Greater,
                    (a, b) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
                };
                if *descending { ascending.reverse() } else { ascending }
            })
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

/// The properties of an entity that `$select` names, spelt as the service spells them.
pub(in crate::sandbox) fn select(request: &HttpRequest, entity: &str) -> Result<Vec<&'static str>, Refusal> {
    let mut names = Vec::new();
    for (_, value) in url::form_urlencoded::parse(request.query.as_bytes()).filter(|(n, _)| n == "$select") {
        for name in value.split(',').map(str::trim).filter(|n| !n.is_empty()) {
            if name == "*" {
                return Ok(Vec::new());
            }
            let known = metadata::property(entity, name);
            names.push(known.ok_or_else(|| {
                let space = metadata::NAMESPACE;
                bad_query(format!("Could not find a property named '{name}' on type '{space}.{entity}'."))
            })?);
        }
    }
    Ok(names)
}

fn bad_query(why: String) -> Refusal {
    Refusal::new(400, "ODataError", format!("The query specified in the URI is not valid. {why}"))
}

fn number(option: &str, text: &str) -> Result<usize, Refusal> {
    // An example of the documentation ends with a space.
    text.trim()
        .parse::<u32>()
        .map(|n| n as usize)
        .map_err(|_| bad_query(format!("Invalid value '{text}' for {option} query option found.")))
}

fn order(text: &str, fields: &'static [Field]) -> Result<Vec<(&'static Field, bool)>, Refusal> {
    text.split(',')
        .map(|part| {
            let words: Vec<&str> = part.split_whitespace().collect();
            let (name, descending) = match words.as_slice() {
                [name] | [name, "asc"] => (name, false),
                [name, "desc"] => (name, true),
                _ => return Err(bad_query(format!("Syntax error in '$orderby={text}'."))),
            };
            Ok((field(name, fields).map_err(bad_query)?, descending))
        })
        .collect()
}
