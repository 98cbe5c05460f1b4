//! Exchanges with the service as entries of HAR 1.2, for support: what was asked and answered, without what must be in no
//! file.
//!
//! Recorded are method, URL, bodies, status and the headers that the client reads. Never recorded: tokens (the header says
//! `redacted`), what looks like one in a body, the query of a link to a package, a package itself. Sign-in is not recorded
//! at all: it does not pass here. A body is cut behind [`LONGEST_BODY`], and its entry says so.
//!
//! Devices, people and comments are not secret here. Who hands the file on has to look at it.

use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::download::{Download, Downloads, Resume};
use super::time::Clock;
use super::transport::{HttpAnswer, HttpCall, Stage, Transport, TransportError};
use super::wire::PackageLink;

/// How many bytes of a body are kept.
pub const LONGEST_BODY: usize = 1 << 20;

/// The word in the place of a secret.
const REDACTED: &str = "redacted";

/// Takes the entries of a trace, in the order in which exchanges ended.
pub trait TraceSink: Send + Sync {
    /// Keeps an entry: one JSON object in one line. What cannot be kept must not end the run.
    fn put(&self, entry: &str);
}

/// A transport whose calls are recorded.
pub struct Traced {
    transport: Arc<dyn Transport>,
    base: String,
    sink: Arc<dyn TraceSink>,
    clock: Clock,
}

impl Traced {
    /// Records the calls of a transport to the service at `base`.
    pub fn new(transport: Arc<dyn Transport>, base: &str, sink: Arc<dyn TraceSink>, clock: Clock) -> Self {
        Traced { transport, base: base.to_owned(), sink, clock }
    }
}

#[async_trait]
impl Transport for Traced {
    async fn send(&self, call: HttpCall) -> Result<HttpAnswer, TransportError> {
        let (asked, begun) = (call.clone(), self.clock.now());
        let result = self.transport.send(call).await;
        let entry = of_call(&self.base, &asked, &result, begun, self.clock.now());
        self.sink.put(&entry.to_string());
        result
    }
}

/// Downloads of packages, recorded without the links' queries and without the packages.
pub struct TracedDownloads {
    downloads: Arc<dyn Downloads>,
    sink: Arc<dyn TraceSink>,
    clock: Clock,
}

impl TracedDownloads {
    /// Records the downloads of another one.
    pub fn new(downloads: Arc<dyn Downloads>, sink: Arc<dyn TraceSink>, clock: Clock) -> Self {
        TracedDownloads { downloads, sink, clock }
    }
}

#[async_trait]
impl Downloads for TracedDownloads {
    async fn get(&self, link: &PackageLink, resume: Option<Resume<'_>>) -> Result<Download, String> {
        let begun = self.clock.now();
        let range = resume.as_ref().map(|r| format!("bytes={}-", r.from));
        let result = self.downloads.get(link, resume).await;
        let request = Asked {
            method: "GET",
            url: without_query(link.url().as_str()),
            authorized: false,
            range,
            body: None,
        };
        let response = match &result {
            Ok(download) => answered(
                download.status,
                &[("Retry-After", download.retry_after.map(|wait| wait.as_secs().to_string()))],
                json!({
                    "size": download.total.unwrap_or_default(), "mimeType": "application/zip",
                    "comment": "packages are not recorded",
                }),
            ),
            Err(why) => unanswered(why),
        };
        self.sink.put(&entry(&request, response, begun, self.clock.now()).to_string());
        result
    }
}

/// The request's side of an entry.
struct Asked<'a> {
    method: &'a str,
    url: String,
    authorized: bool,
    range: Option<String>,
    body: Option<String>,
}

/// The entry of a call. `begun` and `ended` are by our clock.
fn of_call(
    base: &str,
    call: &HttpCall,
    result: &Result<HttpAnswer, TransportError>,
    begun: Timestamp,
    ended: Timestamp,
) -> Value {
    let bearer = call.bearer.expose();
    let request = Asked {
        method: call.method.as_str(),
        url: cleaned(&format!("{base}{}", call.target), bearer, Queries::OfSecrets),
        authorized: true,
        range: None,
        body: call.body.as_deref().map(|body| redacted(body, bearer, Queries::OfSecrets)),
    };
    let response = match result {
        Ok(answer) => {
            let queries =
                if call.path().ends_with("/getPackageUri") { Queries::All } else { Queries::OfSecrets };
            let headers = [
                ("Date", answer.date.clone()),
                ("Retry-After", answer.retry_after.clone()),
                ("mise-correlation-id", answer.correlation.clone()),
            ];
            answered(answer.status, &headers, content(answer, bearer, queries))
        }
        Err(error) => {
            let stage = match error.stage {
                Stage::BeforeSend => "nothing was sent",
                Stage::AfterSend => "no answer",
            };
            unanswered(&cleaned(&format!("{stage}: {}", error.why), bearer, Queries::All))
        }
    };
    entry(&request, response, begun, ended)
}

fn entry(asked: &Asked<'_>, response: Value, begun: Timestamp, ended: Timestamp) -> Value {
    let milliseconds = ended.duration_since(begun).as_millis();
    let mut headers = vec![json!({ "name": "Accept", "value": "application/json" })];
    if asked.authorized {
        headers.push(json!({ "name": "Authorization", "value": REDACTED }));
    }
    headers.extend(asked.range.iter().map(|range| json!({ "name": "Range", "value": range })));
    let query = asked.url.split_once('?').map_or("", |(_, query)| query);
    let query: Vec<Value> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    let mut request = json!({
        "method": asked.method, "url": asked.url, "httpVersion": "", "cookies": [], "headers": headers,
        "queryString": query, "headersSize": -1, "bodySize": asked.body.as_ref().map_or(0, String::len),
    });
    if let Some(body) = &asked.body {
        let (text, comment) = cut(body);
        request["postData"] = json!({ "mimeType": "application/json", "text": text });
        if let Some(comment) = comment {
            request["postData"]["comment"] = comment.into();
        }
    }
    json!({
        "startedDateTime": begun.to_string(), "time": milliseconds, "request": request, "response": response,
        "cache": {}, "timings": { "send": 0, "wait": milliseconds, "receive": 0 },
    })
}

fn answered(status: u16, headers: &[(&str, Option<String>)], content: Value) -> Value {
    let headers: Vec<Value> = headers
        .iter()
        .filter_map(|(name, value)| Some(json!({ "name": name, "value": value.as_ref()? })))
        .collect();
    json!({
        "status": status, "statusText": "", "httpVersion": "", "cookies": [], "headers": headers,
        "content": content, "redirectURL": "", "headersSize": -1, "bodySize": -1,
    })
}

/// Status 0, as browsers write it.
fn unanswered(why: &str) -> Value {
    let mut response = answered(0, &[], json!({ "size": 0, "mimeType": "" }));
    response["comment"] = why.into();
    response
}

fn content(answer: &HttpAnswer, bearer: &str, queries: Queries) -> Value {
    let mut content = json!({ "size": answer.body.len(), "mimeType": "application/json" });
    match std::str::from_utf8(&answer.body) {
        Ok(text) => {
            let (text, comment) = cut(&redacted(text, bearer, queries));
            content["text"] = text.into();
            if let Some(comment) = comment {
                content["comment"] = comment.into();
            }
        }
        Err(_) => content["comment"] = "the body is no text and is left out".into(),
    }
    if answer.cut {
        content["comment"] = "the body is longer than the client reads, and is cut there".into();
    }
    content
}

/// The beginning of a body, and what is said where it is not all.
fn cut(text: &str) -> (String, Option<String>) {
    if text.len() <= LONGEST_BODY {
        return (text.to_owned(), None);
    }
    let end = (0..=LONGEST_BODY).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let comment = format!("cut: the first {end} of {} bytes", text.len());
    (text.get(..end).unwrap_or_default().to_owned(), Some(comment))
}

/// The owner of the queries that are left out of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Queries {
    /// Those of every URL.
    All,
    /// Those that hold a signature, a token or a code.
    OfSecrets,
}

/// Fields whose text is a secret whatever it looks like, in lower case.
const SECRET_FIELDS: [&str; 10] = [
    "access_token",
    "accesstoken",
    "refresh_token",
    "id_token",
    "token",
    "client_secret",
    "client_assertion",
    "assertion",
    "password",
    "authorization",
];

/// Parameters of a query that let whoever holds them in, in lower case.
const SECRET_PARAMETERS: [&str; 7] =
    ["sig=", "token=", "code=", "secret=", "password=", "assertion=", "signature="];

/// A body without its secrets; byte for byte the same where there are none.
fn redacted(body: &str, bearer: &str, queries: Queries) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(body) else { return cleaned(body, bearer, queries) };
    if clean(&mut value, bearer, queries) { value.to_string() } else { body.to_owned() }
}

/// Takes secrets out of a JSON value, and says whether there were any.
fn clean(value: &mut Value, bearer: &str, queries: Queries) -> bool {
    match value {
        Value::String(text) => {
            let clean = cleaned(text, bearer, queries);
            let changed = clean != *text;
            *text = clean;
            changed
        }
        Value::Array(list) => list.iter_mut().fold(false, |any, item| clean(item, bearer, queries) | any),
        Value::Object(fields) => fields.iter_mut().fold(false, |any, (name, item)| {
            let is_secret = SECRET_FIELDS.contains(&&*name.to_ascii_lowercase());
            match item {
                Value::String(text) if is_secret && !text.is_empty() => {
                    *text = REDACTED.to_owned();
                    true
                }
                item => clean(item, bearer, queries) | any,
            }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A text without the token of its call, without what looks like a token, and without queries of URLs.
fn cleaned(text: &str, bearer: &str, queries: Queries) -> String {
    let mut out = without_tokens(text);
    // A shorter one is a word of a test, and would turn up in every other.
    if bearer.len() >= 6 {
        out = out.replace(bearer, REDACTED);
    }
    without_queries(&out, queries)
}

/// The characters of a token and of what is put together from several.
fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.~+/=".contains(c)
}

/// Leaves out JSON Web Tokens, and what stands behind `Bearer`.
fn without_tokens(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.find(|c| !is_of_token(c)).unwrap_or(rest.len());
        let (token, behind) = rest.split_at(word);
        let is_jwt =
            token.find("eyJ").is_some_and(|at| token.get(at..).unwrap_or_default().matches('.').count() >= 2);
        // The last bytes alone: a body may be long.
        let is_credential =
            out.as_bytes().last_chunk().is_some_and(|b: &[u8; 7]| b.eq_ignore_ascii_case(b"bearer "));
        let is_secret = is_jwt || is_credential && token.len() >= 6;
        out.push_str(if is_secret { REDACTED } else { token });
        let Some(next) = behind.chars().next() else { break };
        out.push(next);
        rest = behind.get(next.len_utf8()..).unwrap_or_default();
    }
    out
}

/// Leaves out the queries of URLs in a text.
fn without_queries(text: &str, queries: Queries) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at);
        out.push_str(before);
        let end = url.find(|c: char| c.is_whitespace() || "\"'<>\\`".contains(c)).unwrap_or(url.len());
        let (url, behind) = url.split_at(end);
        match url.split_once('?') {
            Some((place, query)) if queries == Queries::All || is_secret(query) => {
                // Writing to a text cannot fail.
                let _ = write!(out, "{place}?{REDACTED}");
            }
            _ => out.push_str(url),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

fn is_secret(query: &str) -> bool {
    let query = query.to_ascii_lowercase();
    SECRET_PARAMETERS.iter().any(|name| query.contains(name))
}

fn without_query(url: &str) -> String {
    without_queries(url, Queries::All)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defender::auth::AccessToken;
    use crate::model::{Hindrance, Method};

    const TOKEN: &str = "eyJ0eXAiOiJKV1QifQ.eyJyb2xlcyI6WyJhIl19.c2lnbmF0dXJl";

    fn call(target: &str, body: Option<&str>) -> HttpCall {
        HttpCall {
            method: if body.is_some() { Method::Post } else { Method::Get },
            target: target.to_owned(),
            body: body.map(str::to_owned),
            bearer: AccessToken::new(TOKEN),
            limit: 1 << 30,
        }
    }

    fn recorded(call: &HttpCall, result: Result<HttpAnswer, TransportError>) -> Value {
        let at = |ms: i64| Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap();
        of_call("https://api.security.microsoft.com", call, &result, at(0), at(250))
    }

    #[test]
    fn an_entry_has_what_the_format_asks_for() {
        let target = "/api/machineactions?$filter=type%20eq%20'x'&$top=10";
        let body = "{\"value\":[],  \"a\": 1.50}";
        let answer =
            HttpAnswer { date: Some("Sun, 06 Nov 1994 08:49:37 GMT".into()), ..HttpAnswer::new(200, body) };
        let entry = recorded(&call(target, None), Ok(answer));
        assert_eq!(entry["startedDateTime"], "2027-01-15T08:00:00Z");
        assert_eq!(entry["time"], 250);
        let url = format!("https://api.security.microsoft.com{target}");
        assert_eq!((&entry["request"]["url"], &entry["request"]["method"]), (&url.into(), &"GET".into()));
        assert_eq!(entry["request"]["queryString"][0], json!({ "name": "$filter", "value": "type eq 'x'" }));
        assert_eq!(entry["response"]["content"]["text"], body, "byte for byte, where nothing is secret");
        assert_eq!(entry["response"]["headers"][0]["name"], "Date");
        for (side, fields) in [
            ("request", ["httpVersion", "cookies", "headers", "headersSize", "bodySize"]),
            ("response", ["statusText", "cookies", "redirectURL", "headersSize", "bodySize"]),
        ] {
            for field in fields {
                assert!(!entry[side][field].is_null(), "{side}.{field}");
            }
        }
        let error = TransportError::after_send(Hindrance::NoAnswer, format!("timed out with {TOKEN}"));
        let entry = recorded(&call("/api/x", Some("{}")), Err(error));
        assert_eq!(
            (&entry["response"]["status"], &entry["request"]["postData"]["text"]),
            (&0.into(), &"{}".into())
        );
        assert_eq!(entry["response"]["comment"], "no answer: timed out with redacted");
    }

    #[test]
    fn no_secret_is_in_an_entry() {
        let other = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.";
        let link = "https://blob.example/container/package.zip?sv=2020&sig=abc%3D&se=2026";
        let body = json!({
            "error": { "message": format!("the token {TOKEN} is over; Bearer s3cret-word-1 too") },
            "access_token": "s3cret-word-2", "deep": [{ "Client_Secret": "s3cret-word-3", "note": other }],
            "link": format!("\"{link}\""), "next": "https://api.security.microsoft.com/api/machines?$skip=100",
        });
        let entry = recorded(
            &call(&format!("/api/x?token={TOKEN}"), Some(&body.to_string())),
            Ok(HttpAnswer::new(400, body.to_string())),
        );
        let text = entry.to_string();
        for secret in [TOKEN, other, "s3cret", "sig=", "abc%3D", "sv=2020"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        assert!(text.contains("https://blob.example/container/package.zip?redacted"), "{text}");
        assert!(text.contains("api/machines?$skip=100"), "what is no secret stays: {text}");
        // A link to a package has no query that is known to be harmless.
        let answer = HttpAnswer::new(200, json!({ "value": "\"https://h.example/p?opaque\"" }).to_string());
        let text = recorded(&call("/api/machineactions/1/getPackageUri", None), Ok(answer)).to_string();
        assert!(!text.contains("opaque") && text.contains("h.example/p?redacted"), "{text}");
        // No JSON: a page of a proxy.
        let page =
            HttpAnswer::new(502, format!("<a href=\"https://x.example/?code=s3cret\">Bearer {TOKEN}</a>"));
        let text = recorded(&call("/api/x", None), Ok(page)).to_string();
        assert!(!text.contains("s3cret") && !text.contains(TOKEN), "{text}");
    }

    #[test]
    fn a_long_body_is_cut_and_its_entry_says_so() {
        let body = format!("{{\"a\":\"{}\"}}", "é".repeat(LONGEST_BODY));
        let entry = recorded(&call("/api/x", None), Ok(HttpAnswer::new(200, body.clone())));
        let content = &entry["response"]["content"];
        let kept = content["text"].as_str().unwrap();
        assert!(kept.len() <= LONGEST_BODY && body.starts_with(kept), "{}", kept.len());
        assert!(
            content["comment"].as_str().unwrap().starts_with("cut: the first "),
            "{}",
            content["comment"]
        );
        assert_eq!(content["size"], body.len());
        let bytes = recorded(&call("/api/x", None), Ok(HttpAnswer::new(200, vec![0xff, 0xfe])));
        assert!(bytes["response"]["content"]["text"].is_null(), "{bytes}");
    }

    #[test]
    fn words_that_are_no_secret_stay() {
        for text in ["a bearer of news", "v1.2.3", "1.2.3.4/eyJ", "https://a.example/b?c=d", "why?"] {
            assert_eq!(cleaned(text, TOKEN, Queries::OfSecrets), text);
        }
        assert_eq!(
            without_query("https://h.example/download?token=x.1.y"),
            "https://h.example/download?redacted"
        );
    }
}
