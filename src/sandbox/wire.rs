//! Bodies of answers: one object, or a page of a list, in OData's clothes.

use serde::Serialize;

use super::message::{HttpRequest, HttpResponse, JSON};
use super::odata::{Query, Row};

/// Where this service is, in the eyes of the client.
pub(super) fn base(request: &HttpRequest) -> String {
    format!("http://{}", request.host.as_deref().unwrap_or("127.0.0.1"))
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
    let (page, count): (Vec<R>, _) = if query.order.is_empty() && !query.count {
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
            context: format!("{}/api/$metadata#{kind}", base(request)),
            count,
            value: page.iter().take(limit).map(render).collect(),
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
