//! Answers from a recording: a HAR document in place of a world, so that somebody else's problem can be looked at.
//!
//! A request is answered with what was recorded for the same method, path, query and body, in the order of the recording.
//! Three things cannot be the same again, and are made equal: the host, moments in a query (they follow from the clock), and
//! the order of fields in a JSON body. A read that is asked more often than it was recorded gets its last answer again; a
//! call that changes something does not. The `Date` of an answer is the recorded one, so a client takes the recording's
//! time for the service's.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use super::message::{Delivery, HttpRequest, HttpResponse, Refusal};
use super::wire;

/// A text that is no recording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// No HAR document, nor the beginning of one that this tool wrote.
    #[error("it is no HAR document: {0}")]
    NoHar(String),
    /// There is nothing to answer with.
    #[error("it holds no exchange")]
    Empty,
}

/// The identity of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    method: String,
    path: String,
    query: String,
    body: String,
}

/// A recorded answer.
struct Recorded {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// Scheme and host of the recorded request: links in the answer lead there.
    origin: String,
    /// Why the body is not all, in the recording's words.
    cut: Option<String>,
    used: bool,
}

/// A recording, and how far it has been played.
pub struct Replay {
    answers: HashMap<Asked, Vec<Recorded>>,
    length: usize,
    serial: u64,
}

impl fmt::Debug for Replay {
    /// Bodies are somebody's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Replay({} exchanges)", self.length)
    }
}

impl Replay {
    /// Reads a HAR document. Of one that this tool wrote and that was cut, the entries before the cut count.
    pub fn from_har(text: &str) -> Result<Replay, ReplayError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let entries = match serde_json::from_str::<Har>(text) {
            Ok(har) => har.log.entries,
            Err(e) => {
                // An entry is a line there.
                let begins =
                    text.starts_with("{\"log\":{\"version\":\"1.2\",\"creator\":{\"name\":\"casefile\"");
                let whole = |line: &str| serde_json::from_str(line.trim_matches(',')).ok();
                let entries: Vec<Entry> = text.lines().skip(1).map_while(whole).collect();
                if !begins || entries.is_empty() {
                    return Err(ReplayError::NoHar(e.to_string()));
                }
                entries
            }
        };
        let length = entries.len();
        let mut answers: HashMap<Asked, Vec<Recorded>> = HashMap::new();
        for entry in entries {
            let (asked, recorded) = entry.read();
            answers.entry(asked).or_default().push(recorded);
        }
        if length == 0 { Err(ReplayError::Empty) } else { Ok(Replay { answers, length, serial: 0 }) }
    }

    /// Answers as the recorded service did; 501 with words for what is not in the recording.
    pub fn answer(&mut self, request: &HttpRequest) -> HttpResponse {
        self.serial += 1;
        let body = String::from_utf8_lossy(&request.body);
        let asked = asked(&request.method, &request.path, &request.query, &body);
        let refused = |words: String| Refusal::new(501, "NotRecorded", words).into_response(self.serial);
        let what = format!("{} {}", request.method, request.path);
        let Some(list) = self.answers.get_mut(&asked) else {
            return refused(format!(
                "the recording has no {what} with this query and body ({} exchanges)",
                self.length
            ));
        };
        let next = list.iter().position(|r| !r.used);
        // What only looks may look again.
        let again = is_read(request).then(|| list.len() - 1);
        let Some(recorded) = next.or(again).and_then(|at| list.get_mut(at)) else {
            return refused(format!("{what} was recorded {} times, and is asked once more", list.len()));
        };
        recorded.used = true;
        if let Some(cut) = &recorded.cut {
            return refused(format!("the recorded answer to {what} is not whole: {cut}"));
        }
        recorded.response(request)
    }
}

/// Returns whether a request changes nothing, whatever its method: hunting queries are sent by POST.
fn is_read(request: &HttpRequest) -> bool {
    let path = request.path.to_ascii_lowercase();
    let hunts = ["/advancedqueries/run", "/runhuntingquery", "/advancedhunting/run"];
    !request.is_mutating() || hunts.iter().any(|end| path.ends_with(end))
}

impl Recorded {
    fn response(&self, request: &HttpRequest) -> HttpResponse {
        if self.status == 0 {
            // There was no answer.
            return HttpResponse { delivery: Delivery::Reset, ..HttpResponse::empty(500) };
        }
        let here = wire::base(request);
        let text = String::from_utf8_lossy(&self.body);
        let body = match request.path.ends_with("/getPackageUri") {
            true => with_origins(&text, &here),
            false if self.origin.is_empty() => text.into_owned(),
            false => text.replace(&self.origin, &here),
        };
        HttpResponse {
            headers: self.headers.clone(),
            body: body.into_bytes(),
            ..HttpResponse::empty(self.status)
        }
    }
}

/// Replaces scheme and host of every URL in a text: a package is asked for here, or nowhere.
fn with_origins(text: &str, here: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = ["https://", "http://"].iter().filter_map(|scheme| rest.find(scheme)).min() {
        let (before, url) = rest.split_at(at);
        let host = url.find("://").map_or(0, |at| at + 3);
        let end =
            url.get(host..).and_then(|u| u.find(['/', '"', '\\', '?'])).map_or(url.len(), |end| host + end);
        out.push_str(before);
        out.push_str(here);
        rest = url.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The key of a request: moments count as equal, and so do JSON bodies that say the same.
fn asked(method: &str, path: &str, query: &str, body: &str) -> Asked {
    let body = match serde_json::from_str::<serde_json::Value>(body) {
        Ok(value) => value.to_string(),
        Err(_) => body.to_owned(),
    };
    let query = percent_encoding::percent_decode_str(query).decode_utf8_lossy();
    Asked { method: method.to_ascii_uppercase(), path: path.to_owned(), query: timeless(&query), body }
}

/// A text with every moment of RFC 3339 in UTC written as `TIME`.
fn timeless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match moment(rest) {
            Some(length) => {
                out.push_str("TIME");
                rest = rest.get(length..).unwrap_or_default();
            }
            None => {
                out.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    out
}

/// The length of the moment that a text begins with: `2026-03-01T09:15:42.1830907Z`.
fn moment(text: &str) -> Option<usize> {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    let bytes = text.as_bytes();
    let fits = |(b, form): (&u8, &u8)| if *form == b'0' { b.is_ascii_digit() } else { b == form };
    if bytes.len() <= FORM.len() || !bytes.iter().zip(FORM).all(fits) {
        return None;
    }
    let fraction = bytes.get(FORM.len()..)?.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
    let end = FORM.len() + fraction;
    (bytes.get(end) == Some(&b'Z')).then_some(end + 1)
}

#[derive(Deserialize)]
struct Har {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    request: Request,
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    post_data: Option<Text>,
}

#[derive(Deserialize)]
struct Response {
    status: u16,
    #[serde(default)]
    headers: Vec<Header>,
    content: Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Text {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    mime_type: Option<String>,
    /// Browsers write bytes so.
    #[serde(default)]
    encoding: Option<String>,
    #[serde(default, deserialize_with = "size")]
    size: i64,
    #[serde(default)]
    comment: Option<String>,
}

/// Browsers write -1 where they do not know it.
fn size<'de, D: Deserializer<'de>>(d: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Size {
        Known(i64),
        Other(IgnoredAny),
    }
    Ok(match Size::deserialize(d)? {
        Size::Known(n) => n,
        Size::Other(_) => 0,
    })
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

/// The headers that a client reads. Lengths and encodings are those of the answer that is sent now.
const HEADERS: [&str; 6] =
    ["Date", "Retry-After", "mise-correlation-id", "request-id", "ETag", "Content-Type"];

impl Entry {
    fn read(self) -> (Asked, Recorded) {
        let Entry { request, response } = self;
        let url = request.url.split('#').next().unwrap_or_default();
        let host = url.find("://").map_or(0, |at| at + 3);
        let end = url.get(host..).and_then(|rest| rest.find(['/', '?'])).map_or(url.len(), |at| host + at);
        let (origin, target) = url.split_at(end);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let sent = request.post_data.and_then(|data| data.text).unwrap_or_default();
        let asked = asked(&request.method, path, query, &sent);
        let Text { text, mime_type, encoding, size, comment } = response.content;
        let known = |h: Header| {
            let name = HEADERS.iter().find(|name| h.name.eq_ignore_ascii_case(name))?;
            Some((*name, h.value))
        };
        let mut headers: Vec<(&'static str, String)> =
            response.headers.into_iter().filter_map(known).collect();
        let typed = headers.iter().any(|(name, _)| *name == "Content-Type");
        headers.extend(mime_type.filter(|t| !typed && !t.is_empty()).map(|t| ("Content-Type", t)));
        // A comment on a whole body is somebody's note.
        let is_cut = |comment: &String| {
            text.is_none() || ["cut: ", "the body "].iter().any(|c| comment.starts_with(c))
        };
        let missing = || (text.is_none() && size > 0).then(|| "it is not in the recording".to_owned());
        let encoded = encoding.map(|encoding| format!("it is encoded as {encoding}"));
        let cut = comment.filter(is_cut).or(encoded).or_else(missing);
        let body = text.unwrap_or_default().into_bytes();
        let origin = origin.to_owned();
        (asked, Recorded { status: response.status, headers, body, origin, cut, used: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(method: &str, target: &str, sent: Option<&str>, status: u16, body: &str) -> String {
        serde_json::json!({
            "request": {
                "method": method, "url": format!("https://api.example{target}"),
                "postData": sent.map(|text| serde_json::json!({ "text": text })),
            },
            "response": {
                "status": status, "headers": [{ "name": "date", "value": "Sun, 06 Nov 1994 08:49:37 GMT" }],
                "content": { "mimeType": "application/json", "text": body, "size": body.len() },
            },
        })
        .to_string()
    }

    fn har(entries: &[String]) -> String {
        format!(
            "{{\"log\":{{\"version\":\"1.2\",\"creator\":{{\"name\":\"casefile\"}},\"entries\":[\n{}\n]}}}}\n",
            entries.join(",\n")
        )
    }

    fn asks(replay: &mut Replay, method: &str, target: &str, body: &str) -> (u16, String) {
        let mut request = HttpRequest::new(method, target, body);
        request.host = Some("127.0.0.1:9".into());
        let response = replay.answer(&request);
        (response.status, String::from_utf8(response.body).unwrap())
    }

    #[test]
    fn answers_come_in_order_and_a_read_may_be_asked_again() {
        let text = har(&[
            entry("GET", "/api/x?$filter=a%20ge%202026-03-01T09:15:42.1830907Z", None, 200, "1"),
            entry("GET", "/api/x?$filter=a ge 2026-03-02T00:00:00Z", None, 503, "2"),
            entry("POST", "/api/y", Some(r#"{"a":1,"b":2}"#), 201, r#"{"next":"https://api.example/z"}"#),
        ]);
        let mut replay = Replay::from_har(&text).unwrap();
        assert_eq!((replay.length, format!("{replay:?}")), (3, "Replay(3 exchanges)".to_owned()));
        let list = "/api/x?$filter=a%20ge%202031-01-01T00%3A00%3A00.5Z";
        for expected in [(200, "1"), (503, "2"), (503, "2")] {
            assert_eq!(asks(&mut replay, "GET", list, ""), (expected.0, expected.1.to_owned()));
        }
        let (status, body) = asks(&mut replay, "POST", "/api/y", r#"{ "b": 2, "a": 1 }"#);
        assert_eq!((status, &*body), (201, r#"{"next":"http://127.0.0.1:9/z"}"#), "links lead here");
        let (status, body) = asks(&mut replay, "POST", "/api/y", r#"{"a":1,"b":2}"#);
        assert!(status == 501 && body.contains("was recorded 1 times, and is asked once more"), "{body}");
        for (method, target, body) in
            [("GET", "/api/x", ""), ("GET", "/api/z", ""), ("POST", "/api/y", "{}"), ("PATCH", "/api/x", "")]
        {
            let (status, words) = asks(&mut replay, method, target, body);
            assert!(status == 501 && words.contains(&format!("the recording has no {method}")), "{words}");
        }
    }

    #[test]
    fn what_was_cut_or_left_out_is_told_and_no_answer_is_none() {
        let cut = entry("GET", "/a", None, 200, "[")
            .replace("\"mimeType\"", "\"comment\":\"cut: the first 1 of 9\",\"mimeType\"");
        let left = entry("GET", "/b", None, 200, "x")
            .replace("\"text\":\"x\",", "")
            .replace("\"text\":\"x\"", "\"none\":1");
        let silent = entry("GET", "/c", None, 0, "");
        let mut replay = Replay::from_har(&har(&[cut, left, silent])).unwrap();
        assert!(asks(&mut replay, "GET", "/a", "").1.contains("cut: the first 1 of 9"));
        assert!(asks(&mut replay, "GET", "/b", "").1.contains("it is not in the recording"));
        assert_eq!(replay.answer(&HttpRequest::new("GET", "/c", "")).delivery, Delivery::Reset);
    }

    #[test]
    fn packages_are_asked_for_here_alone() {
        let body = r#"{"value":"\"https://blob.example:443/c/p.zip?redacted\""}"#;
        let text = har(&[entry("GET", "/api/machineactions/1/getPackageUri", None, 200, body)]);
        let mut replay = Replay::from_har(&text).unwrap();
        let (_, body) = asks(&mut replay, "GET", "/api/machineactions/1/getPackageUri", "");
        assert_eq!(body, r#"{"value":"\"http://127.0.0.1:9/c/p.zip?redacted\""}"#);
        assert_eq!(asks(&mut replay, "GET", "/c/p.zip?redacted", "").0, 501);
    }

    #[test]
    fn of_a_recording_that_was_cut_the_whole_entries_count() {
        let whole = har(&[entry("GET", "/a", None, 200, "1"), entry("GET", "/b", None, 200, "2")]);
        let second = whole.find("/b").unwrap();
        let mut replay = Replay::from_har(&whole[..second]).unwrap();
        assert_eq!((replay.length, asks(&mut replay, "GET", "/a", "").0), (1, 200));
        for bad in ["", "{}", "[]", "{\"log\":{", &whole[10..]] {
            assert!(matches!(Replay::from_har(bad), Err(ReplayError::NoHar(_))), "{bad}");
        }
        assert!(matches!(Replay::from_har(&har(&[])), Err(ReplayError::Empty)));
    }
}
