//! Every call that changes something at the service, built and read back in one place.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::{Body, Method, Request};
use crate::model::{Call, Triage, is_reference};

/// A call that changes something at the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Collects a package, or raises an alert.
    Create(Call),
    /// Cancels a machine action.
    Cancel {
        /// The id of the action.
        action_id: String,
        /// Why.
        comment: String,
    },
    /// Changes the triage of an alert.
    Update {
        /// The id of the alert, or the reference that stands for the id of one that is still to be created.
        alert_id: String,
        /// The fields that are set. A comment is appended.
        update: Box<Triage>,
    },
}

const ACTIONS: &str = "/api/machineactions/";
const CANCEL: &str = "/cancel";
const ALERTS: &str = "/api/alerts/";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CancelBody<'a> {
    comment: Cow<'a, str>,
}

impl Mutation {
    /// Reads a request back; none for one that is no call of ours.
    pub fn of(request: &Request) -> Option<Mutation> {
        let body = request.body.as_str();
        match request.method {
            Method::Get => None,
            Method::Post => {
                let Some(rest) = request.path.strip_prefix(ACTIONS) else {
                    return Call::from_request(request).map(Mutation::Create);
                };
                let action_id = decoded(rest.strip_suffix(CANCEL)?)?;
                let CancelBody { comment } = serde_json::from_str(body).ok()?;
                Some(Mutation::Cancel { action_id, comment: comment.into_owned() })
            }
            Method::Patch => {
                let id = request.path.strip_prefix(ALERTS)?;
                let alert_id = if is_reference(id) { id.to_owned() } else { decoded(id)? };
                Some(Mutation::Update { alert_id, update: Box::new(Triage::sent(body)?) })
            }
        }
    }

    /// Returns the request, byte for byte.
    pub fn request(&self) -> Request {
        match self {
            Mutation::Create(call) => call.request(),
            Mutation::Cancel { action_id, comment } => Request {
                method: Method::Post,
                path: format!("{ACTIONS}{}{CANCEL}", segment(action_id)).into(),
                body: body(&CancelBody { comment: comment.into() }),
            },
            Mutation::Update { alert_id, update } => {
                Request { method: Method::Patch, path: alert_path(alert_id).into(), body: body(update) }
            }
        }
    }

    /// Returns an update with the id of its alert, which was not known when the update was planned: what was reviewed
    /// is sent, but for the reference.
    pub fn of_alert(planned: &Request, alert_id: &str) -> Request {
        Request { path: alert_path(alert_id).into(), ..planned.clone() }
    }

    /// The id of the object that the call changes; none for a call that creates one.
    pub fn object_id(&self) -> Option<&str> {
        match self {
            Mutation::Create(_) => None,
            Mutation::Cancel { action_id: id, .. } | Mutation::Update { alert_id: id, .. } => Some(id),
        }
    }
}

/// The path of an alert, by its id or by the reference to one that is still to be created.
fn alert_path(id: &str) -> String {
    match is_reference(id) {
        true => format!("{ALERTS}{id}"),
        false => format!("{ALERTS}{}", segment(id)),
    }
}

fn body(fields: &impl Serialize) -> Body {
    // Plain structs of texts cannot fail to serialise.
    Body::of(fields).unwrap_or_else(|e| unreachable!("a plain struct is JSON: {e}"))
}

/// All but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Writes an id as a segment of a path. One that is empty or consists of dots would lead to another path, also if it
/// were encoded once: it is encoded twice, and is an id that nothing has.
pub fn segment(id: &str) -> String {
    match id {
        "" => "%2520".to_owned(),
        "." | ".." => id.replace('.', "%252E"),
        _ => utf8_percent_encode(id, ENCODED).to_string(),
    }
}

/// Reads a segment of a path.
fn decoded(segment: &str) -> Option<String> {
    let plain = !segment.is_empty() && !segment.contains('/');
    plain.then(|| percent_decode_str(segment).decode_utf8().ok())?.map(|id| id.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_and_an_update_are_read_back() {
        for id in ["a/b", "da1_-2", "x y", "é", "%41"] {
            let cancel = Mutation::Cancel { action_id: id.into(), comment: "no longer needed".into() };
            let request = cancel.request();
            assert_eq!(request.body.as_str(), r#"{"Comment":"no longer needed"}"#);
            assert_eq!(Mutation::of(&request), Some(cancel));
            let update = Box::new(Triage { status: Some("Resolved".into()), ..Triage::default() });
            let update = Mutation::Update { alert_id: id.into(), update };
            let request = update.request();
            assert_eq!(request.body.as_str(), r#"{"status":"Resolved"}"#);
            assert_eq!(Mutation::of(&request), Some(update));
        }
    }

    #[test]
    fn what_is_no_call_of_ours_is_none() {
        let of = |method, path: &'static str, body: &str| {
            let body = Body::from_json(body.into()).unwrap();
            Mutation::of(&Request { method, path: path.into(), body })
        };
        let comment = r#"{"Comment":"why"}"#;
        assert!(of(Method::Post, "/api/machineactions/a/cancel", comment).is_some());
        assert!(of(Method::Patch, "/api/alerts/a", "{}").is_some());
        assert_eq!(of(Method::Get, "/api/machineactions/a/cancel", comment), None);
        assert_eq!(of(Method::Post, "/api/machineactions/a/b/cancel", comment), None);
        assert_eq!(of(Method::Post, "/api/machineactions//cancel", comment), None);
        assert_eq!(of(Method::Post, "/api/machines/x/isolate", comment), None);
        assert_eq!(of(Method::Post, "/api/alerts/a", "{}"), None);
        assert_eq!(of(Method::Patch, "/api/alerts/a/b", "{}"), None);
        assert_eq!(of(Method::Patch, "/api/alerts/", "{}"), None);
    }

    #[test]
    fn an_alert_that_is_still_to_be_created_is_named_by_a_reference() {
        let alert_id = crate::model::reference("Alert/a");
        let planned = Mutation::Update { alert_id: alert_id.clone(), update: Box::default() };
        let request = planned.request();
        assert_eq!(request.path, format!("/api/alerts/{alert_id}"));
        assert_eq!(Mutation::of(&request), Some(planned));
        assert_eq!(Mutation::of_alert(&request, "da1_-2").path, "/api/alerts/da1_-2");
    }

    #[test]
    fn ids_are_one_segment() {
        for odd in ["", ".", "..", "...", "a/../b", "%2e%2e", ".%2E", "\\..\\x", "a?b", "a#b", "\n"] {
            let base = url::Url::parse("https://api.security.microsoft.com").unwrap();
            let request = Mutation::Update { alert_id: odd.into(), update: Box::default() }.request();
            let url = base.join(&request.path).unwrap();
            let segments: Vec<&str> = url.path_segments().unwrap().collect();
            assert!(matches!(&segments[..], ["api", "alerts", id] if !id.is_empty()), "{odd:?}: {url}");
            assert_eq!((url.query(), url.fragment()), (None, None), "{odd:?}");
        }
    }
}
