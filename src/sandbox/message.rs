//! Requests and answers as plain values: what the state machine sees of HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A request as the world sees it.
///
/// Written down (for replay) without its `Authorization`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpRequest {
    /// Upper case.
    pub method: String,
    /// Absolute and percent-encoded, without the query.
    pub path: String,
    /// Behind the `?`, percent-encoded; empty without one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// `Host`: answers name their own address in `@odata.context` and in links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `X-Forwarded-Proto`: a proxy in front speaks HTTPS, and links have to say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded_proto: Option<String>,
    /// `Authorization`.
    #[serde(skip)]
    pub authorization: Option<String>,
    /// `Content-Type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `Range`, for downloads.
    #[serde(skip)]
    pub range: Option<String>,
    /// `If-Range`, for downloads.
    #[serde(skip)]
    pub if_range: Option<String>,
    /// The bytes of the body.
    #[serde(default, with = "body_text")]
    pub body: Vec<u8>,
}

impl HttpRequest {
    /// A request with an accepted bearer token and a JSON content type, for tests and scripts.
    pub fn new(method: &str, target: &str, body: impl Into<Vec<u8>>) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        HttpRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            authorization: Some("Bearer sandbox".to_owned()),
            content_type: Some("application/json".to_owned()),
            body: body.into(),
            ..HttpRequest::default()
        }
    }

    /// Whether it may change anything.
    pub fn is_mutating(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }
}

impl fmt::Debug for HttpRequest {
    /// Method and path only: tokens travel in the header and in download links.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpRequest({} {})", self.method, self.path)
    }
}

/// An answer, and what becomes of it on the way.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Headers; `Content-Length` is the front's business.
    pub headers: Vec<(&'static str, String)>,
    /// The bytes of the body.
    pub body: Vec<u8>,
    /// The bytes behind them in a long body.
    pub filling: Option<Filling>,
    /// Whether and how it reaches the client.
    pub delivery: Delivery,
}

/// The rest of a long body: a block that repeats, and what is behind it. Its pieces are made when they are asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct Filling {
    /// The bytes that repeat.
    pub block: Arc<[u8]>,
    /// The place in the repetitions that comes first.
    pub from: u64,
    /// The number of bytes of repetitions.
    pub length: u64,
    /// The bytes behind them.
    pub behind: Vec<u8>,
}

impl Iterator for Filling {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let block = self.block.len() as u64;
        if self.length == 0 || block == 0 {
            return Some(std::mem::take(&mut self.behind)).filter(|rest| !rest.is_empty());
        }
        let start = self.from % block;
        let length = self.length.min(block - start);
        self.from += length;
        self.length -= length;
        // Both lie within the block.
        self.block.get(start as usize..(start + length) as usize).map(<[u8]>::to_vec)
    }
}

/// What happens to an answer between the service and the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// It arrives.
    #[default]
    Normal,
    /// It arrives this much later.
    Delayed(Duration),
    /// The connection is closed in its place.
    Closed,
    /// The connection is reset in its place.
    Reset,
    /// The connection is closed in the middle of the body.
    Truncated,
    /// Nothing comes behind the middle of the body.
    Stalled,
}

impl HttpResponse {
    /// An answer without a body.
    pub(super) fn empty(status: u16) -> Self {
        HttpResponse {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            filling: None,
            delivery: Delivery::Normal,
        }
    }

    /// The length of the body, in bytes.
    pub fn length(&self) -> u64 {
        let filling = self.filling.as_ref().map_or(0, |f| f.length + f.behind.len() as u64);
        self.body.len() as u64 + filling
    }

    /// Puts all of a long body into `body`.
    pub(super) fn hold(&mut self) {
        for piece in self.filling.take().into_iter().flatten() {
            self.body.extend_from_slice(&piece);
        }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

impl fmt::Debug for HttpResponse {
    /// Status and size only: bodies may hold download links.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpResponse({}, {} bytes, {:?})", self.status, self.length(), self.delivery)
    }
}

/// A refusal in the service's error envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
    pub form: Envelope,
    pub retry_after: Option<u64>,
    pub allow: Option<&'static str>,
}

/// The shapes in which errors have been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    /// `code`, `message` and `target`, the correlation id.
    Full,
    /// Without `target`.
    NoTarget,
    /// As the OData layer writes it: no `target`, but an empty `details`.
    ODataLayer,
    /// No body at all.
    Empty,
}

impl Refusal {
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Refusal {
            status,
            code,
            message: message.into(),
            form: Envelope::Full,
            retry_after: None,
            allow: None,
        }
    }

    pub fn empty(status: u16) -> Self {
        Refusal { form: Envelope::Empty, ..Refusal::new(status, "", "") }
    }

    pub fn bad_body() -> Self {
        Refusal::new(400, "InvalidRequestBody", "Request body is incorrect")
    }

    /// The documented words for a parameter that has to be there.
    pub fn missing(parameter: &str) -> Self {
        Refusal::new(400, "MissingRequiredParameter", format!("Parameter {parameter} is missing."))
    }

    /// The documented words for a value that is none of those that are taken.
    pub fn invalid(input: &str) -> Self {
        Refusal::new(400, "InvalidInput", format!("Invalid input {input}."))
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Refusal::new(404, "ResourceNotFound", message)
    }

    pub fn throttled(message: impl Into<String>, retry_after: u64) -> Self {
        Refusal {
            form: Envelope::NoTarget,
            retry_after: Some(retry_after),
            ..Refusal::new(429, "TooManyRequests", message)
        }
    }

    /// `serial` makes the correlation id.
    pub fn into_response(self, serial: u64) -> HttpResponse {
        let mut response = HttpResponse::empty(self.status);
        if let Some(seconds) = self.retry_after {
            response.headers.push(("Retry-After", seconds.to_string()));
        }
        if let Some(methods) = self.allow {
            response.headers.push(("Allow", methods.to_owned()));
        }
        let mut error = serde_json::json!({ "code": self.code, "message": self.message });
        match self.form {
            Envelope::Empty => return response,
            Envelope::NoTarget => {}
            Envelope::Full => error["target"] = format!("|5a4db0c5-{serial:016x}.").into(),
            Envelope::ODataLayer => error["details"] = serde_json::json!([]),
        }
        response.body = serde_json::json!({ "error": error }).to_string().into_bytes();
        response.headers.push(("Content-Type", JSON.to_owned()));
        response
    }
}

/// The content type seen on replies.
pub(super) const JSON: &str = "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8";

/// A point in time as .NET writes it: 100 ns, trailing zeros trimmed.
pub(super) fn wire_time(at: jiff::Timestamp) -> String {
    let text = format!("{at:.7}");
    match text.strip_suffix('Z').map(|t| t.trim_end_matches('0').trim_end_matches('.')) {
        Some(trimmed) => format!("{trimmed}Z"),
        None => text,
    }
}

/// A body in a JSON document: text, or `null` for bytes that are no UTF-8 (which no rule tells apart).
mod body_text {
    use super::*;

    const NOT_TEXT: &[u8] = &[0xff];

    pub fn serialize<S: Serializer>(body: &[u8], s: S) -> Result<S::Ok, S::Error> {
        std::str::from_utf8(body).ok().serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        Ok(Option::<String>::deserialize(d)?.map_or(NOT_TEXT.to_vec(), String::into_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_trimmed_as_the_service_does() {
        for (given, text) in [
            ("2020-01-01T00:00:11Z", "2020-01-01T00:00:11Z"),
            ("2020-01-01T00:00:10.2Z", "2020-01-01T00:00:10.2Z"),
            ("2020-01-01T00:00:10.123456789Z", "2020-01-01T00:00:10.1234567Z"),
            ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ] {
            assert_eq!(wire_time(given.parse().unwrap()), text);
        }
    }

    #[test]
    fn a_written_request_keeps_its_body_and_loses_its_token() {
        let request = HttpRequest::new("POST", "/api/x?$top=1", r#"{"a":"é"}"#);
        let text = serde_json::to_string(&request).unwrap();
        assert!(!text.contains("Bearer"), "{text}");
        let back: HttpRequest = serde_json::from_str(&text).unwrap();
        assert_eq!(back.body, request.body);
        assert_eq!(back.query, "$top=1");
        assert!(!format!("{request:?}").contains("sandbox"));

        let bytes = HttpRequest::new("POST", "/api/x", vec![b'{', 0xfe]);
        let back: HttpRequest = serde_json::from_str(&serde_json::to_string(&bytes).unwrap()).unwrap();
        assert!(std::str::from_utf8(&back.body).is_err());
    }
}
