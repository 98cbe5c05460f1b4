//! What stands in the service's bodies: list and error envelopes, objects, package links.
//!
//! Read tolerantly: unknown fields are passed over, and one field of an unexpected type costs that
//! field, not the object that carries it. Lists are read entry by entry, without a tree of the page.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use url::Url;

use crate::model::{Alert, AlertInFull, Machine, MachineAction};

/// An object of the service: everything it sends about one thing hangs on an id.
pub trait Entity: DeserializeOwned {
    /// The id, as sent.
    fn id(&self) -> &str;
}

impl Entity for MachineAction {
    fn id(&self) -> &str {
        &self.id
    }
}
impl Entity for Alert {
    fn id(&self) -> &str {
        &self.id
    }
}
impl Entity for AlertInFull {
    fn id(&self) -> &str {
        &self.alert.id
    }
}
impl Entity for Machine {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The entries that have an id.
    pub entries: Vec<T>,
    /// Entries without a readable id.
    pub odd: usize,
    /// `@odata.nextLink`, as sent.
    pub next_link: Option<String>,
}

/// Why a 2xx body is of no use.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// No JSON, or not of the expected shape. Only the place is kept: the parser's own message can quote
    /// the body.
    #[error("the body cannot be read at line {line}, column {column}")]
    Json {
        /// 1-based.
        line: usize,
        /// 1-based.
        column: usize,
    },
    /// HTML in place of JSON: a sign-in page of a proxy or a network, with a status that says that all is well.
    #[error("a web page came in place of the service's answer")]
    WebPage,
    /// An object without an `id`.
    #[error("the object has no id")]
    NoId,
    /// A list without `value`.
    #[error("the list has no `value`")]
    NoValue,
    /// A hunting result without rows, not even none.
    #[error("the answer has no `results`")]
    NoResults,
    /// No package link in the answer.
    #[error("the answer holds no link")]
    NoLink,
}

impl From<serde_json::Error> for WireError {
    fn from(e: serde_json::Error) -> Self {
        WireError::Json { line: e.line(), column: e.column() }
    }
}

impl<T: Entity> Page<T> {
    /// Reads a list envelope.
    pub fn read(body: &[u8]) -> Result<Self, WireError> {
        struct Entries<T>(Vec<T>, usize);

        impl<'de, T: Entity> Deserialize<'de> for Entries<T> {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Each<T>(Entries<T>);
                impl<'de, T: Entity> Visitor<'de> for Each<T> {
                    type Value = Entries<T>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an array of objects")
                    }

                    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Entries<T>, A::Error> {
                        while let Some(raw) = seq.next_element::<&'de RawValue>()? {
                            match object(raw.get().as_bytes()) {
                                Ok(entry) => self.0.0.push(entry),
                                Err(_) => self.0.1 += 1,
                            }
                        }
                        Ok(self.0)
                    }
                }
                d.deserialize_seq(Each(Entries(Vec::new(), 0)))
            }
        }

        struct Envelope<T>(Option<Entries<T>>, Option<String>);

        impl<'de, T: Entity> Deserialize<'de> for Envelope<T> {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Fields<T>(Envelope<T>);
                impl<'de, T: Entity> Visitor<'de> for Fields<T> {
                    type Value = Envelope<T>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a list envelope")
                    }

                    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Envelope<T>, A::Error> {
                        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                            match key.as_ref() {
                                "value" => self.0.0 = Some(map.next_value()?),
                                "@odata.nextLink" => self.0.1 = map.next_value()?,
                                _ => {
                                    map.next_value::<IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(self.0)
                    }
                }
                d.deserialize_map(Fields(Envelope(None, None)))
            }
        }

        let Envelope(entries, next_link) = serde_json::from_slice::<Envelope<T>>(body)?;
        let Entries(entries, odd) = entries.ok_or(WireError::NoValue)?;
        Ok(Page { entries, odd, next_link })
    }

    /// How many entries the service counted, odd ones included.
    pub fn len(&self) -> usize {
        self.entries.len() + self.odd
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Returns whether a body is a web page: no JSON begins as one does.
pub(super) fn is_web_page(body: &[u8]) -> bool {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start().starts_with(b"<")
}

/// Reads one object of the service.
///
/// A field of an unexpected type, or one that is there under two names, is left out: only an object
/// without an id is no object.
pub fn object<T: Entity>(body: &[u8]) -> Result<T, WireError> {
    // A derived reader would take an array for a struct.
    if body.trim_ascii_start().first().is_some_and(|b| *b != b'{') {
        return Err(WireError::NoId);
    }
    let object = match serde_json::from_slice(body) {
        Ok(object) => object,
        Err(e) if e.is_data() => field_by_field::<T>(body)?,
        Err(e) => return Err(e.into()),
    };
    if object.id().trim().is_empty() { Err(WireError::NoId) } else { Ok(object) }
}

/// Far more than the service's largest object has: the reading below takes quadratic time.
const MOST_FIELDS: usize = 200;

/// The digits of an id that is a number, as they were sent: an object that was made is not lost for its type.
fn number_as_text(body: &[u8]) -> Result<String, WireError> {
    #[derive(Deserialize)]
    struct Numbered<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    let numbered: Numbered<'_> = serde_json::from_slice(body)?;
    Ok(numbered.id.get().to_owned())
}

fn field_by_field<T: Entity>(body: &[u8]) -> Result<T, WireError> {
    let mut fields: Map<String, Value> = serde_json::from_slice(body)?;
    let id = match fields.remove("id") {
        Some(Value::String(id)) => id,
        Some(Value::Number(_)) => number_as_text(body)?,
        _ => return Err(WireError::NoId),
    };
    let mut kept = Map::from_iter([("id".to_owned(), Value::String(id))]);
    let mut best: T = serde_json::from_value(kept.clone().into())?;
    for (key, value) in fields.into_iter().take(MOST_FIELDS) {
        kept.insert(key.clone(), value);
        match serde_json::from_value(kept.clone().into()) {
            Ok(object) => best = object,
            Err(_) => drop(kept.remove(&key)),
        }
    }
    Ok(best)
}

/// The parts of an error body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) target: Option<String>,
}

const CODE_CHARS: usize = 100;
const MESSAGE_CHARS: usize = 1_000;
const FOREIGN_CHARS: usize = 200;

impl ErrorBody {
    /// Reads an error envelope; of a body that is none, the start.
    pub(super) fn read(body: &[u8]) -> Self {
        let Ok(Value::Object(top)) = serde_json::from_slice::<Value>(body) else {
            let text = String::from_utf8_lossy(&body[..body.len().min(16 * FOREIGN_CHARS)]);
            return ErrorBody { message: bounded(&text, FOREIGN_CHARS), ..ErrorBody::default() };
        };
        // OAuth and gateway forms put the fields at the top.
        let (fields, flat) = match top.get("error") {
            Some(Value::Object(inner)) => (inner, None),
            Some(Value::String(code)) => (&top, Some(code)),
            _ => (&top, None),
        };
        let text = |name: &str| {
            let found = fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            match found {
                Some((_, Value::String(s))) => Some(s.clone()),
                Some((_, Value::Number(n))) => Some(n.to_string()),
                _ => None,
            }
        };
        let code = text("code").or_else(|| flat.cloned()).unwrap_or_default();
        let message = text("message").or_else(|| text("error_description")).unwrap_or_default();
        // Microsoft Graph names a request inside: `innerError: { request-id: ... }`.
        let of_graph = fields.get("innerError").and_then(|inner| inner.get("request-id"));
        let of_graph = of_graph.and_then(Value::as_str).map(str::to_owned);
        ErrorBody {
            code: bounded(&code, CODE_CHARS),
            message: bounded(&message, MESSAGE_CHARS),
            target: text("target").or(of_graph).map(|t| bounded(&t, CODE_CHARS)).filter(|t| !t.is_empty()),
        }
    }
}

/// At most so many characters, white space and control characters collapsed.
pub(super) fn bounded(text: &str, chars: usize) -> String {
    let mut out = String::new();
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty());
    for word in words {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        if out.len() > 4 * chars {
            break;
        }
    }
    match out.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &out[..end]),
        None => out,
    }
}

/// A link to a package: whoever holds it can download the package, so it is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct PackageLink(Url);

impl PackageLink {
    /// Reads the answer of `getPackageUri`. The URL has been seen with quotes inside the string.
    pub fn read(body: &[u8]) -> Result<Self, WireError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            value: Option<String>,
        }
        let answer: Answer = serde_json::from_slice(body)?;
        let text = answer.value.unwrap_or_default();
        let trimmed = text.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'');
        let url = Url::parse(trimmed).map_err(|_| WireError::NoLink)?;
        let usable = matches!(url.scheme(), "https" | "http") && url.has_host();
        if usable { Ok(PackageLink(url)) } else { Err(WireError::NoLink) }
    }

    /// The link itself: download without the bearer token, at once, and never write it down.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for PackageLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackageLink({})", self.0.host_str().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_of_graph_is_found_inside() {
        let body =
            br#"{"error":{"code":"BadRequest","message":"m","innerError":{"date":"d","request-id":"r-1"}}}"#;
        assert_eq!(ErrorBody::read(body).target.as_deref(), Some("r-1"));
    }

    #[test]
    fn an_id_that_is_a_number_is_kept_digit_by_digit() {
        for number in ["7", "-1", "123456789012345678901234567890", "1.50"] {
            let body = format!(r#"{{"status":"Pending","id": {number} ,"x":1}}"#);
            let action: MachineAction = object(body.as_bytes()).unwrap();
            assert_eq!((&*action.id, action.status.to_string()), (number, "Pending".to_owned()));
        }
        for none in ["null", "true", "[1]", "{}", "\"\""] {
            let body = format!(r#"{{"id":{none}}}"#);
            assert!(matches!(object::<MachineAction>(body.as_bytes()), Err(WireError::NoId)), "{none}");
        }
        let page = Page::<MachineAction>::read(br#"{"value":[{"id":12,"status":"Pending"}]}"#).unwrap();
        assert_eq!((page.entries[0].id.as_str(), page.odd), ("12", 0));
    }

    #[test]
    fn an_odd_entry_costs_only_itself() {
        let body = br#"{"x":[{}],"value":[{"id":"a"},{"type":"Isolate"},null,["x"],{"id":null},{"id":""},{"id":"b","status":"Pending"}],"@odata.nextLink":null}"#;
        let page = Page::<MachineAction>::read(body).unwrap();
        assert_eq!(page.entries.iter().map(|a| a.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((page.odd, page.len()), (5, 7));
        assert_eq!(page.next_link, None);
    }

    #[test]
    fn an_odd_field_costs_only_itself() {
        let body = br#"{"value":[{"requestor":{"name":"x"},"id":"a","lastUpdateTimeUtc":"2024-01-01T00:00:00Z","lastUpdateDateTimeUtc":"2024-01-01T00:00:01Z","status":"Failed","creationDateTimeUtc":5,"machineId":"m"}]}"#;
        let page = Page::<MachineAction>::read(body).unwrap();
        let a = &page.entries[0];
        assert_eq!((a.id.as_str(), a.status.as_str(), a.machine_id.as_deref()), ("a", "Failed", Some("m")));
        assert!(a.last_update_date_time_utc.is_some());
        assert_eq!((a.requestor.as_deref(), a.creation_date_time_utc.as_ref()), (None, None));
    }

    #[test]
    fn bodies_that_are_no_list() {
        for bad in ["", "[]", "{}", "<html>", r#"{"value":{}}"#, r#"{"value":[{"id":"a"}"#, "null"] {
            assert!(Page::<Alert>::read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Page::<Alert>::read(br#"{"value":[]}"#).unwrap().is_empty());
    }

    #[test]
    fn errors_in_every_form() {
        let e = |b: &str| ErrorBody::read(b.as_bytes());
        let of = |code: &str, message: &str| ErrorBody {
            code: code.into(),
            message: message.into(),
            target: None,
        };
        assert_eq!(e(""), of("", ""));
        assert_eq!(e(r#"{"error":{"code":"","message":"m","details":[]}}"#), of("", "m"));
        assert_eq!(e(r#"{"error":{"code":429,"message":"m"}}"#), of("429", "m"));
        assert_eq!(e(r#"{"error":"invalid_token","error_description":"d"}"#), of("invalid_token", "d"));
        assert_eq!(e(r#"{"Message":"m"}"#), of("", "m"));
        assert_eq!(e("{}"), of("", ""));
        assert_eq!(e("<html>\n<b>502</b>"), of("", "<html> <b>502</b>"));
        assert_eq!(
            e(r#"{"error":{"code":"a","message":"b","target":"|7."}}"#).target.as_deref(),
            Some("|7.")
        );
        assert!(e(&"é".repeat(100_000)).message.chars().count() <= FOREIGN_CHARS + 1);
        assert!(ErrorBody::read(&[0xff; 10]).message.contains('\u{fffd}'));
    }

    #[test]
    fn links_with_and_without_quotes() {
        let read = |v: &str| PackageLink::read(serde_json::json!({ "value": v }).to_string().as_bytes());
        let link = read("\"https://h.example/p.zip?token=geheim\"").unwrap();
        assert_eq!(link.url().as_str(), "https://h.example/p.zip?token=geheim");
        assert_eq!(format!("{link:?}"), "PackageLink(h.example)");
        assert!(read(" https://h.example/p.zip ").is_ok());
        for bad in ["", "\"\"", "p.zip", "file:///etc/passwd"] {
            let error = read(bad).unwrap_err();
            assert!(matches!(error, WireError::NoLink), "{bad}");
        }
        assert!(PackageLink::read(br#"{"value":null}"#).is_err());
        let bare = PackageLink::read(br#""https://h.example/?token=geheim""#).unwrap_err();
        assert!(!format!("{bare} {bare:?}").contains("geheim"));
    }
}
