//! Bodies of answers: one object, or a page of a list, in OData's clothes.

use serde::Serialize;

use super::message::{HttpRequest, HttpResponse, JSON, Refusal};
use super::odata::{Query, Row, select};

/// Where this service is, in the eyes of the client.
pub(super) fn base(request: &HttpRequest) -> String {
    // The header is of the client's making: only this one word counts.
    let secure = request.forwarded_proto.as_deref().is_some_and(|p| p.trim().eq_ignore_ascii_case("https"));
    let scheme = if secure { "https" } else { "http" };
    format!("{scheme}://{}", request.host.as_deref().unwrap_or("127.0.0.1"))
}

#[derive(Serialize)]
struct Entity<'a, T> {
    #[serde(rename = "@odata.context")]
    context: String,
    #[serde(flatten)]
    entity: &'a T,
}

#[derive(Serialize)]
struct List<T> {
    #[serde(rename = "@odata.context")]
    context: String,
    #[serde(rename = "@odata.count", skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    value: Vec<T>,
    #[serde(rename = "@odata.nextLink", skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// An answer with a JSON body.
pub(super) fn json(status: u16, body: &impl Serialize) -> HttpResponse {
    match serde_json::to_vec(body) {
        Ok(body) => {
            HttpResponse { body, headers: vec![("Content-Type", JSON.into())], ..HttpResponse::empty(status) }
        }
        // No type here has keys or numbers that JSON lacks.
        Err(_) => HttpResponse::empty(500),
    }
}

/// One object; `kind` is what stands behind `$metadata#`.
pub(super) fn entity(
    status: u16,
    request: &HttpRequest,
    kind: &str,
    entity: &impl Serialize,
) -> HttpResponse {
    json(status, &Entity { context: format!("{}/api/$metadata#{kind}", base(request)), entity })
}

/// An object as a whole, or the properties of it that were asked for.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown<T> {
    Whole(T),
    Part(serde_json::Map<String, serde_json::Value>),
}

fn shown<T: Serialize>(whole: T, select: &[&str]) -> Shown<T> {
    if select.is_empty() {
        return Shown::Whole(whole);
    }
    match serde_json::to_value(&whole) {
        Ok(serde_json::Value::Object(all)) => {
            Shown::Part(all.into_iter().filter(|(name, _)| select.contains(&name.as_str())).collect())
        }
        _ => Shown::Whole(whole),
    }
}

/// One object that was asked for, or the part of it that `$select` names; `set` is where it is in the metadata, and
/// `kind` what it is there.
pub(super) fn one(
    request: &HttpRequest,
    set: &str,
    kind: &str,
    object: &impl Serialize,
) -> Result<HttpResponse, Refusal> {
    let select = select(request, kind)?;
    let context = format!("{set}{}/$entity", columns(&select));
    Ok(entity(200, request, &context, &shown(object, &select)))
}

/// How a context names the properties that were asked for.
fn columns(select: &[&str]) -> String {
    if select.is_empty() { String::new() } else { format!("({})", select.join(",")) }
}

/// An answer with a number and nothing else, as `$count` gives it.
fn number(number: usize) -> HttpResponse {
    HttpResponse {
        body: number.to_string().into_bytes(),
        headers: vec![("Content-Type", "text/plain".into())],
        ..HttpResponse::empty(200)
    }
}

/// The page of `rows` that a query asks for. `render` makes the JSON of a row.
pub(super) fn list<R: Row, T: Serialize>(
    request: &HttpRequest,
    kind: &str,
    query: &Query,
    page_size: u32,
    rows: impl Iterator<Item = R>,
    render: impl Fn(&R) -> T,
) -> HttpResponse {
    let page_size = page_size as usize;
    let limit = query.top.map_or(page_size, |top| top.min(page_size));
    let rows = rows.filter(|row| query.filter.as_ref().is_none_or(|f| f.matches(row)));
    if query.only_count {
        return number(rows.count());
    }
    let (page, count): (Vec<R>, _) = if !query.is_ordered() && !query.count {
        // One row more tells whether there is a next page.
        (rows.skip(query.skip).take(limit + 1).collect(), None)
    } else {
        let mut all: Vec<R> = rows.collect();
        all.sort_by(|a, b| query.compare(a, b));
        let count = query.count.then_some(all.len());
        (all.into_iter().skip(query.skip).take(limit + 1).collect(), count)
    };
    let wanted_more = query.top.is_none_or(|top| top > limit);
    let next = (page.len() > limit && wanted_more).then(|| next_link(request, query, limit));
    json(
        200,
        &List {
            context: format!("{}/api/$metadata#{kind}{}", base(request), columns(&query.select)),
            count,
            value: page.iter().take(limit).map(|row| shown(render(row), &query.select)).collect(),
            next,
        },
    )
}

fn next_link(request: &HttpRequest, query: &Query, shown: usize) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(request.query.as_bytes()) {
        if name != "$skip" && name != "$top" {
            pairs.append_pair(&name, &value);
        }
    }
    if let Some(top) = query.top {
        pairs.append_pair("$top", &(top - shown).to_string());
    }
    pairs.append_pair("$skip", &(query.skip + shown).to_string());
    format!("{}{}?{}", base(request), request.path, pairs.finish())
}
