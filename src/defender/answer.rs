//! What an answer means. Pure: a call's endpoint and what came back in, a class out.
//!
//! The rule that matters: a mutating call counts as not carried out only if that is certain. Whatever
//! leaves a doubt is [`Answer::Unknown`], and is looked up, never blindly repeated.

use std::fmt;
use std::time::Duration;

use super::auth::AuthError;
use super::clock::http_date;
use super::endpoint::Endpoint;
use super::transport::{HttpAnswer, Stage, TransportError};
use super::wire::{ErrorBody, WireError, bounded, is_web_page, object};
use crate::model::{
    Alert, Call, Hindrance, MachineAction, Meaning, Mutation, RefusalCause, Request, is_of_machine, meaning,
    refuses_external_id, required_permissions,
};

/// The service's words about a call that it did not carry out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// `error.code`; empty where there is none.
    pub code: String,
    /// `error.message`, or the start of a body that is no error envelope; free text, bounded in length.
    pub message: String,
    /// `error.target`: the correlation id to quote to support; opaque.
    pub target: Option<String>,
    /// The `mise-correlation-id` header, or Microsoft Graph's `request-id`.
    pub correlation: Option<String>,
}

/// What the answer to a mutating call means.
#[derive(Debug)]
pub enum Answer {
    /// Carried out.
    Accepted {
        /// The HTTP status.
        status: u16,
        /// The object that was made or changed.
        object: Accepted,
    },
    /// The machine already has such an action; nothing new was made.
    Busy(ApiError),
    /// 401 with a renewed token.
    Unauthorized(ApiError),
    /// 429: not carried out.
    Throttled {
        /// The service's words.
        error: ApiError,
        /// How long to wait.
        retry_after: Duration,
        /// Which of the two quotas is used up, if the message tells.
        period: Option<Period>,
        /// The maximum that the message names, if it does.
        maximum: Option<u32>,
        /// The message names a quota of an hour.
        hourly: bool,
    },
    /// Certainly not carried out: the call never left.
    NotExecuted(NotSent),
    /// May or may not have been carried out.
    Unknown {
        /// What was seen instead of a clear answer.
        why: String,
        /// How long it asks to wait before the next call, if it says so.
        retry_after: Option<Duration>,
        /// The id of the object that a 2xx named, if that is not what was asked for.
        other: Option<String>,
    },
    /// A definite refusal.
    Rejected(ApiError),
}

/// The object of an accepted call.
#[derive(Clone, Debug, PartialEq)]
pub enum Accepted {
    /// A collection, new or cancelled.
    Action(Box<MachineAction>),
    /// An alert, new or changed.
    Alert(Box<Alert>),
}

/// Why a call never left.
#[derive(Debug, thiserror::Error)]
pub enum NotSent {
    /// No connection.
    #[error("{why}")]
    Connection {
        /// The description of what happened.
        why: String,
        /// The kind of failure.
        cause: Hindrance,
    },
    /// No token.
    #[error(transparent)]
    Token(#[from] AuthError),
    /// The caller's last check said no.
    #[error("{0}")]
    Withheld(String),
}

/// A quota's period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// 60 seconds.
    Minute,
    /// 3600 seconds.
    Hour,
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Period::Minute => "minute",
            Period::Hour => "hour",
        })
    }
}

/// What the answer to a read means.
#[derive(Debug)]
pub(super) enum ReadAnswer {
    /// 2xx: the body is worth reading.
    Body(HttpAnswer),
    /// 404.
    NotFound(ApiError),
    /// 401.
    Unauthorized(ApiError),
    /// 429.
    Throttled(Throttle),
    /// Asking again may help.
    Transient {
        /// The description of what was seen.
        why: String,
        /// The kind of failure.
        cause: Hindrance,
        /// How long the service asks to wait, if it says so.
        retry_after: Option<Duration>,
    },
    /// Asking again does not help.
    Refused(ApiError),
}

/// A 429 in detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Throttle {
    pub(super) error: ApiError,
    pub(super) retry_after: Duration,
    pub(super) period: Option<Period>,
    /// The maximum that the message names.
    pub(super) maximum: Option<u32>,
    /// The message names a quota of an hour.
    pub(super) hourly: bool,
}

const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// An hour's quota that does not say when it takes calls again does so after an hour at the latest.
const HOURLY_WAIT: Duration = Duration::from_secs(3600);
/// The longest wait that is kept, whatever the service asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Returns a wait that the service asks for in words. The longest one that is kept may stand for a longer one.
pub(super) fn told(wait: Duration) -> String {
    if wait < LONGEST_WAIT { format!("{} s", wait.as_secs()) } else { "a day or longer".to_owned() }
}

impl ApiError {
    /// Reads an answer that is no success.
    pub fn of(answer: &HttpAnswer) -> Self {
        let ErrorBody { code, message, target } = ErrorBody::read(&answer.body);
        let correlation = answer.correlation.as_deref().map(|c| bounded(c, 100));
        ApiError { status: answer.status, code, message, target, correlation }
    }

    /// The machine already has such an action: 400 with the code, or with the message under any code.
    pub fn is_busy(&self) -> bool {
        self.status == 400
            && (meaning(&self.code) == Some(Meaning::Busy)
                || self.message.to_ascii_lowercase().contains("already in progress"))
    }

    /// 401 or 403: the caller may not do this.
    pub fn is_denied(&self) -> bool {
        matches!(self.status, 401 | 403)
    }

    /// The service does not take the id that `recovery.marker: external-id` adds, in no call.
    pub fn refuses_external_id(&self) -> bool {
        refuses_external_id(self.status, &self.message)
    }

    /// The cause that a person can do something about.
    pub fn cause(&self) -> Option<RefusalCause> {
        RefusalCause::of(self.status, &self.code, &self.message)
    }

    /// Returns whether a denial is about this kind of call as a whole: every 401, and a 403 that names a missing role,
    /// a licence, or a feature that is off, and a 400 that names a field which every such call has. Any other 403 may be
    /// about the one device.
    pub fn denies_kind(&self) -> bool {
        self.refuses_external_id() || self.is_denied() && self.cause().is_some_and(RefusalCause::is_of_kind)
    }

    /// Returns the permission that is missing for an endpoint: the one that the service's words name, if it is one that
    /// the tool knows, else the one that its documentation names.
    pub fn permission(&self, endpoint: Endpoint) -> &'static str {
        let known = |name: &str| {
            let all = Endpoint::ALL.iter().flat_map(|e| e.roles());
            all.copied().find(|role| role.eq_ignore_ascii_case(name))
        };
        let named = required_permissions(&self.message).into_iter().find_map(known);
        named.unwrap_or_else(|| endpoint.permission())
    }

    /// The id to quote to the service's support.
    pub fn support_id(&self) -> Option<&str> {
        self.target.as_deref().or(self.correlation.as_deref())
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for (mark, text) in [(" ", &self.code), (": ", &self.message)] {
            if !text.is_empty() {
                write!(f, "{mark}{text}")?;
            }
        }
        Ok(())
    }
}

impl Throttle {
    pub(super) fn of(answer: &HttpAnswer) -> Self {
        let error = ApiError::of(answer);
        let words: Vec<&str> = error.message.split_whitespace().collect();
        let behind = |word: &str| {
            let at = words.iter().position(|w| w.eq_ignore_ascii_case(word))?;
            Some(words.get(at + 1)?.trim_end_matches(['.', ',', ';']))
        };
        let named = match behind("per").map(str::to_ascii_lowercase).as_deref() {
            Some("00:01:00" | "minute") => Some(Period::Minute),
            Some("01:00:00" | "hour") => Some(Period::Hour),
            _ => None,
        };
        let hourly = named == Some(Period::Hour);
        let default = if hourly { HOURLY_WAIT } else { DEFAULT_WAIT };
        let retry_after = retry_after(answer).unwrap_or(default);
        // A minute's quota never asks for more than a minute.
        let period = named.or((retry_after > DEFAULT_WAIT).then_some(Period::Hour));
        let maximum = behind("allowed").and_then(|n| n.parse().ok());
        Throttle { error, retry_after, period, maximum, hourly }
    }
}

/// `Retry-After`: whole seconds, or a date to be compared with the answer's own.
fn retry_after(answer: &HttpAnswer) -> Option<Duration> {
    wait_of(answer.retry_after.as_deref()?, answer.date.as_deref())
}

/// The same of the header's text, and of the answer's date.
pub(super) fn wait_of(text: &str, date: Option<&str>) -> Option<Duration> {
    let text = text.trim();
    let asked = if let Ok(seconds) = text.parse::<u64>() {
        Some(Duration::from_secs(seconds))
    } else {
        let until = http_date(text);
        let now = date.and_then(http_date);
        until.zip(now).map(|(until, now)| Duration::try_from(until.duration_since(now)).unwrap_or_default())
    };
    // Asking again in the same second would only be refused again.
    asked.map(|wait| wait.clamp(Duration::from_secs(1), LONGEST_WAIT))
}

/// Classifies the answer to a mutating call.
///
/// 401 is reported as it is; whether the token was already renewed is the caller's to know.
pub fn classify(request: &Request, result: &Result<HttpAnswer, TransportError>) -> Answer {
    let unknown = |why: String| Answer::Unknown { why, retry_after: None, other: None };
    let Some(call) = Mutation::of(request) else {
        return unknown("no endpoint is known for this request".into());
    };
    let answer = match result {
        Ok(answer) => answer,
        Err(TransportError { stage: Stage::BeforeSend, why, cause }) => {
            return Answer::NotExecuted(NotSent::Connection { why: why.clone(), cause: *cause });
        }
        Err(TransportError { stage: Stage::AfterSend, why, .. }) => return unknown(why.clone()),
    };
    match answer.status {
        200..=299 => match accepted(&call, answer) {
            Ok(object) => Answer::Accepted { status: answer.status, object },
            Err(Unfit { why, other }) => {
                Answer::Unknown { why: format!("{}, but {why}", answer.status), retry_after: None, other }
            }
        },
        401 => Answer::Unauthorized(ApiError::of(answer)),
        429 => {
            let Throttle { error, retry_after, period, maximum, hourly } = Throttle::of(answer);
            Answer::Throttled { error, retry_after, period, maximum, hourly }
        }
        300..=399 => Answer::Rejected(ApiError::of(answer)),
        400..=499 if !matches!(answer.status, 408 | 409) => {
            let error = ApiError::of(answer);
            if matches!(call, Mutation::Create(_)) && error.is_busy() {
                Answer::Busy(error)
            } else {
                Answer::Rejected(error)
            }
        }
        _ => {
            let why = ApiError::of(answer).to_string();
            Answer::Unknown { why, retry_after: retry_after(answer), other: None }
        }
    }
}

/// Why the body of a 2xx is not what was asked for.
struct Unfit {
    why: String,
    /// The id of the object that it names instead.
    other: Option<String>,
}

impl From<WireError> for Unfit {
    fn from(e: WireError) -> Self {
        Unfit { why: e.to_string(), other: None }
    }
}

/// The longest id that is kept of an object that was not asked for, in characters.
const ID_CHARS: usize = 256;

impl Unfit {
    /// The object is another one than that which was asked for.
    fn other(id: &str, why: &str) -> Self {
        let id = bounded(id, ID_CHARS);
        Unfit { why: format!("it names {id}, {why}"), other: Some(id) }
    }

    fn machine(id: &str, machine: Option<&str>) -> Self {
        Unfit::other(id, &format!("which is of machine {}", bounded(machine.unwrap_or_default(), 64)))
    }
}

/// The object of a 2xx, if it is what was asked for. A machine or a type that is not told is not another one.
fn accepted(call: &Mutation, answer: &HttpAnswer) -> Result<Accepted, Unfit> {
    if answer.cut {
        return Err(Unfit { why: "the body is too long".into(), other: None });
    }
    if is_web_page(&answer.body) {
        return Err(WireError::WebPage.into());
    }
    let of_another =
        |call: &Call, machine: Option<&str>| is_of_machine(call.machine().as_str(), machine) == Some(false);
    match call {
        Mutation::Create(call @ Call::Collect { .. }) => {
            let action: MachineAction = object(&answer.body)?;
            if !action.action_type.is_empty() && !action.is_collection() {
                let why = format!("which is of type {}", bounded(&action.action_type, 50));
                return Err(Unfit::other(&action.id, &why));
            }
            if of_another(call, action.machine_id.as_deref()) {
                return Err(Unfit::machine(&action.id, action.machine_id.as_deref()));
            }
            Ok(Accepted::Action(Box::new(action)))
        }
        Mutation::Cancel { action_id, .. } => {
            let action: MachineAction = object(&answer.body)?;
            if !action.id.eq_ignore_ascii_case(action_id) {
                return Err(Unfit::other(&action.id, "which is another action"));
            }
            Ok(Accepted::Action(Box::new(action)))
        }
        Mutation::Create(call @ Call::Alert(_)) => {
            let alert: Alert = object(&answer.body)?;
            if of_another(call, alert.machine_id.as_deref()) {
                return Err(Unfit::machine(&alert.id, alert.machine_id.as_deref()));
            }
            Ok(Accepted::Alert(Box::new(alert)))
        }
        Mutation::Update { alert_id, .. } => {
            let alert: Alert = object(&answer.body)?;
            if !alert.id.eq_ignore_ascii_case(alert_id) {
                return Err(Unfit::other(&alert.id, "which is another alert"));
            }
            Ok(Accepted::Alert(Box::new(alert)))
        }
    }
}

/// Classifies the answer to a read.
pub(super) fn classify_read(result: Result<HttpAnswer, TransportError>) -> ReadAnswer {
    let answer = match result {
        Ok(answer) => answer,
        Err(TransportError { why, cause, .. }) => {
            return ReadAnswer::Transient { why, cause, retry_after: None };
        }
    };
    match answer.status {
        200..=299 => ReadAnswer::Body(answer),
        401 => ReadAnswer::Unauthorized(ApiError::of(&answer)),
        404 => ReadAnswer::NotFound(ApiError::of(&answer)),
        429 => ReadAnswer::Throttled(Throttle::of(&answer)),
        // What a server does not have at all it will not have in a second.
        501 => ReadAnswer::Refused(ApiError::of(&answer)),
        408 | 500..=599 => ReadAnswer::Transient {
            why: ApiError::of(&answer).to_string(),
            cause: Hindrance::Unavailable(None),
            retry_after: retry_after(&answer),
        },
        _ => ReadAnswer::Refused(ApiError::of(&answer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Body, Method};

    const M: &str = "fb9ab6be3965095a09c057be7c90f0a2";

    fn request(method: Method, path: &str, body: &str) -> Request {
        Request { method, path: path.to_owned().into(), body: Body::from_json(body.into()).unwrap() }
    }

    fn collect() -> Request {
        let path = format!("/api/machines/{M}/collectInvestigationPackage");
        request(Method::Post, &path, r#"{"Comment":"c"}"#)
    }

    fn alert() -> Request {
        let rest = r#""severity":"Low","title":"t","description":"d","recommendedAction":"r","eventTime":"2018-08-03T16:45:21.7115183Z","reportId":"1","category":"Malware""#;
        let body = format!(r#"{{"machineId":"{M}",{rest}}}"#);
        request(Method::Post, "/api/alerts/CreateAlertByReference", &body)
    }

    fn class(answer: &Answer) -> &'static str {
        match answer {
            Answer::Accepted { .. } => "accepted",
            Answer::Busy(_) => "busy",
            Answer::Unauthorized(_) => "unauthorized",
            Answer::Throttled { .. } => "throttled",
            Answer::NotExecuted(_) => "not executed",
            Answer::Unknown { .. } => "unknown",
            Answer::Rejected(_) => "rejected",
        }
    }

    fn of(request: &Request, status: u16, body: &str) -> &'static str {
        class(&classify(request, &Ok(HttpAnswer::new(status, body))))
    }

    #[test]
    fn every_row_of_a_collection() {
        let action =
            |t: &str, m: &str| format!(r#"{{"id":"a-1","type":"{t}","machineId":"{m}","status":"Pending"}}"#);
        let ours = action("CollectInvestigationPackage", M);
        let error =
            |code: &str, message: &str| format!(r#"{{"error":{{"code":"{code}","message":"{message}"}}}}"#);
        let html = "<html><body>Bad gateway</body></html>";
        for (status, body, expected) in [
            (201, ours.as_str(), "accepted"),
            (200, &ours, "accepted"),
            (202, &ours, "accepted"),
            (201, &action("collectinvestigationpackage", &M.to_uppercase()), "accepted"),
            (201, "", "unknown"),
            (201, "{}", "unknown"),
            (201, html, "unknown"),
            (201, r#"{"id":"","type":"CollectInvestigationPackage"}"#, "unknown"),
            (201, r#"{"id":"a-1","type":"CollectInvestigationPackage"}"#, "accepted"),
            (201, r#"{"id":"a-1","type":null,"machineId":null}"#, "accepted"),
            (201, r#"{"id":"a-1","machineId":" "}"#, "accepted"),
            (201, &action("Isolate", M), "unknown"),
            (201, &action("CollectInvestigationPackage", "0000"), "unknown"),
            (204, "", "unknown"),
            (400, &error("ActiveRequestAlreadyExists", "x"), "busy"),
            (400, &error("activerequestalreadyexists", ""), "busy"),
            (400, &error("BadRequest", "Action is ALREADY IN PROGRESS."), "busy"),
            (400, &error("", "Action is already in progress"), "busy"),
            (400, &error("OsPlatformNotSupported", "x"), "rejected"),
            (400, &error("", ""), "rejected"),
            (400, "", "rejected"),
            (400, html, "rejected"),
            (403, &error("Forbidden", "Missing application roles"), "rejected"),
            (403, &error("ActiveRequestAlreadyExists", ""), "rejected"),
            (404, "", "rejected"),
            (405, "", "rejected"),
            (412, "", "rejected"),
            (451, html, "rejected"),
            (301, "", "rejected"),
            (302, html, "rejected"),
            (307, "", "rejected"),
            (401, &error("Unauthorized", "x"), "unauthorized"),
            (401, "", "unauthorized"),
            (429, &error("TooManyRequests", "x"), "throttled"),
            (429, &error("429", "x"), "throttled"),
            (429, "", "throttled"),
            (408, "", "unknown"),
            (409, &error("Conflict", "x"), "unknown"),
            (500, &error("InternalServerError", ""), "unknown"),
            (502, html, "unknown"),
            (503, "", "unknown"),
            (504, "", "unknown"),
            (599, "", "unknown"),
            (100, "", "unknown"),
            (600, "", "unknown"),
            (0, "", "unknown"),
        ] {
            assert_eq!(of(&collect(), status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn every_row_of_the_other_calls() {
        let busy = r#"{"error":{"code":"ActiveRequestAlreadyExists","message":"x"}}"#;
        let created = format!(r#"{{"id":"da1_-2","machineId":"{M}"}}"#);
        assert_eq!(of(&alert(), 200, &created), "accepted");
        assert_eq!(of(&alert(), 200, r#"{"id":"da1_-2","machineId":"other"}"#), "unknown");
        assert_eq!(of(&alert(), 200, r#"{"id":"da1_-2"}"#), "accepted", "null is not another machine");
        assert_eq!(of(&alert(), 404, ""), "rejected");
        assert_eq!(of(&alert(), 400, busy), "busy");

        let cancel = request(Method::Post, "/api/machineactions/A-1/cancel", r#"{"Comment":"c"}"#);
        assert_eq!(of(&cancel, 200, r#"{"id":"a-1","status":"Cancelled"}"#), "accepted");
        assert_eq!(of(&cancel, 200, r#"{"id":"a-2","status":"Cancelled"}"#), "unknown");
        assert_eq!(of(&cancel, 400, busy), "rejected", "only a creating call can be busy");
        assert_eq!(of(&cancel, 500, ""), "unknown");

        let patch = request(Method::Patch, "/api/alerts/da1_-2", r#"{"status":"Resolved"}"#);
        assert_eq!(of(&patch, 200, r#"{"id":"da1_-2","status":"Resolved"}"#), "accepted");
        assert_eq!(of(&patch, 200, r#"{"id":"da9","status":"Resolved"}"#), "unknown");
        assert_eq!(of(&patch, 200, ""), "unknown");
        assert_eq!(of(&patch, 404, ""), "rejected");

        let strange = request(Method::Post, "/api/machines/x/isolate", "{}");
        assert_eq!(of(&strange, 201, &created), "unknown");
    }

    #[test]
    fn what_a_2xx_names_instead_is_kept() {
        let seen = |request: &Request, body: &str| match classify(request, &Ok(HttpAnswer::new(201, body))) {
            Answer::Unknown { why, other, .. } => (why, other),
            other => panic!("{other:?}"),
        };
        let id = |id: &str| Some(id.to_owned());
        let other = r#"{"id":"a-1","type":"CollectInvestigationPackage","machineId":"0000"}"#;
        let why = "201, but it names a-1, which is of machine 0000";
        assert_eq!(seen(&collect(), other), (why.into(), id("a-1")));
        let why = "201, but it names a-1, which is of type Isolate";
        assert_eq!(seen(&collect(), r#"{"id":"a-1","type":"Isolate"}"#), (why.into(), id("a-1")));
        let why = "201, but it names da1, which is of machine 0000";
        assert_eq!(seen(&alert(), r#"{"id":"da1","machineId":"0000"}"#), (why.into(), id("da1")));
        let cancel = request(Method::Post, "/api/machineactions/A-1/cancel", r#"{"Comment":"c"}"#);
        let why = "201, but it names a-2, which is another action";
        assert_eq!(seen(&cancel, r#"{"id":"a-2"}"#), (why.into(), id("a-2")));
        assert_eq!(seen(&collect(), "{}").1, None);
        let long = seen(&cancel, &format!(r#"{{"id":"{}"}}"#, "x".repeat(100_000)));
        assert!(long.0.len() < 400 && long.1.is_some_and(|id| id.len() < 300));
    }

    #[test]
    fn failures_on_the_way() {
        let unsent = TransportError::before_send(Hindrance::NoConnection, "connection refused");
        let sent = TransportError::after_send(Hindrance::NoAnswer, "connection reset");
        assert_eq!(class(&classify(&collect(), &Err(unsent))), "not executed");
        assert_eq!(class(&classify(&collect(), &Err(sent))), "unknown");
        let long = HttpAnswer { cut: true, ..HttpAnswer::new(201, "{") };
        assert_eq!(class(&classify(&collect(), &Ok(long))), "unknown");
    }

    #[test]
    fn the_services_words_are_kept_and_bounded() {
        let body =
            r#"{"error":{"code":"InvalidInput","message":"m","target":"|76dce355-471ae6d819782413."}}"#;
        let answer = HttpAnswer { correlation: Some("c-1".into()), ..HttpAnswer::new(400, body) };
        let Answer::Rejected(error) = classify(&collect(), &Ok(answer)) else { panic!("rejected") };
        assert_eq!(error.to_string(), "400 InvalidInput: m");
        assert_eq!(error.target.as_deref(), Some("|76dce355-471ae6d819782413."));
        assert_eq!(error.correlation.as_deref(), Some("c-1"));

        let huge =
            format!(r#"{{"error":{{"code":"{0}","message":"{0}","target":"{0}"}}}}"#, "x".repeat(500_000));
        let error = ApiError::of(&HttpAnswer::new(400, huge));
        assert!(error.code.len() + error.message.len() + error.target.unwrap().len() < 1_300);
        assert!(ApiError::of(&HttpAnswer::new(502, "y".repeat(1 << 20))).message.len() < 300);
    }

    #[test]
    fn which_denials_are_about_the_kind_of_call() {
        let denial = |status, code: &str, message: &str| {
            let error = serde_json::json!({ "error": { "code": code, "message": message } });
            ApiError::of(&HttpAnswer::new(status, error.to_string())).denies_kind()
        };
        for (status, code, message) in [
            (401, "Unauthorized", ""),
            (401, "Unauthorized", "Account mode is inactive"),
            (403, "Forbidden", "Missing application roles. API required roles: Machine.CollectForensics"),
            (403, "Forbidden", "The application does not have any of the required application permissions"),
            (403, "DisabledFeature", ""),
            (403, "disallowedoperation", ""),
            (403, "Forbidden", "No Tvm license"),
            (403, "", "This feature is turned off for the tenant"),
            (400, "InvalidRequestBody", "The property 'ExternalId' does not exist on the type"),
        ] {
            assert!(denial(status, code, message), "{status} {code} {message}");
        }
        for (status, code, message) in [
            (403, "", ""),
            (403, "Forbidden", "The device is not in a device group of the caller"),
            (403, "Forbidden", "Machine ab is protected by selective response"),
            (400, "DisabledFeature", ""),
            (404, "Forbidden", "Missing application roles"),
        ] {
            assert!(!denial(status, code, message), "{status} {code} {message}");
        }
    }

    #[test]
    fn how_long_and_for_which_quota() {
        let throttle = |after: Option<&str>, message: &str| {
            let body = serde_json::json!({ "error": { "code": "429", "message": message } }).to_string();
            let t = Throttle::of(&HttpAnswer {
                retry_after: after.map(Into::into),
                date: Some("Sun, 06 Nov 1994 08:49:37 GMT".into()),
                ..HttpAnswer::new(429, body)
            });
            (t.retry_after.as_secs(), t.period, t.maximum)
        };
        let (minute, hour) = (Some(Period::Minute), Some(Period::Hour));
        let quota = |n: u32, per: &str| format!("API calls quota exceeded! maximum allowed {n} per {per}");
        assert_eq!(throttle(Some("17"), &quota(45, "00:01:00")), (17, minute, Some(45)));
        assert_eq!(throttle(Some("900"), &quota(1500, "01:00:00.")), (900, hour, Some(1500)));
        assert_eq!(throttle(None, &quota(1500, "01:00:00")), (3600, hour, Some(1500)));
        assert_eq!(throttle(Some("17"), &quota(1500, "01:00:00")), (17, hour, Some(1500)));
        assert_eq!(throttle(None, "Too many requests."), (60, None, None));
        assert_eq!(throttle(Some("61"), ""), (61, hour, None));
        assert_eq!(throttle(Some("0"), ""), (1, None, None));
        assert_eq!(throttle(Some("soon"), ""), (60, None, None));
        assert_eq!(throttle(Some("-5"), ""), (60, None, None));
        assert_eq!(throttle(Some("99999999999999"), ""), (86_400, hour, None));
        assert_eq!(throttle(Some("Sun, 06 Nov 1994 08:50:07 GMT"), ""), (30, None, None));
        assert_eq!(throttle(Some("Sun, 06 Nov 1994 08:00:00 GMT"), ""), (1, None, None));
    }
}
