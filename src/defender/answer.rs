//! What an answer means. Pure: a call's endpoint and what came back in, a class out.
//!
//! The rule that matters: a mutating call counts as not carried out only if that is certain. Whatever
//! leaves a doubt is [`Answer::Unknown`], and is looked up, never blindly repeated.

use std::fmt;
use std::time::Duration;

use super::auth::AuthError;
use super::clock::http_date;
use super::endpoint::Endpoint;
use super::request::Subject;
use super::transport::{HttpAnswer, Stage, TransportError};
use super::wire::{ErrorBody, bounded, object};
use crate::model::{Alert, MachineAction, Request};

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
    /// The `mise-correlation-id` header.
    pub correlation: Option<String>,
}

/// What the answer to a mutating call means.
#[derive(Debug)]
pub enum Answer {
    /// Carried out.
    Accepted(Accepted),
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
    },
    /// Certainly not carried out: the call never left.
    NotExecuted(NotSent),
    /// May or may not have been carried out.
    Unknown {
        /// What was seen instead of a clear answer.
        why: String,
        /// The service's words, if it said anything.
        error: Option<ApiError>,
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
    #[error("{0}")]
    Connection(String),
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
    Transient(String),
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
}

const DEFAULT_WAIT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

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
            && (self.code.eq_ignore_ascii_case("ActiveRequestAlreadyExists")
                || self.message.to_ascii_lowercase().contains("already in progress"))
    }

    /// 429.
    pub fn is_throttled(&self) -> bool {
        self.status == 429
    }

    /// 404.
    pub fn is_not_found(&self) -> bool {
        self.status == 404
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
        let retry_after = wait(answer);
        let words: Vec<&str> = error.message.split_whitespace().collect();
        let behind = |word: &str| {
            let at = words.iter().position(|w| w.eq_ignore_ascii_case(word))?;
            Some(words.get(at + 1)?.trim_end_matches(['.', ',', ';']))
        };
        let period = match behind("per").map(str::to_ascii_lowercase).as_deref() {
            Some("00:01:00" | "minute") => Some(Period::Minute),
            Some("01:00:00" | "hour") => Some(Period::Hour),
            // A minute's quota never asks for more than a minute.
            _ => (retry_after > DEFAULT_WAIT).then_some(Period::Hour),
        };
        let maximum = behind("allowed").and_then(|n| n.parse().ok());
        Throttle { error, retry_after, period, maximum }
    }
}

/// `Retry-After`: whole seconds, or a date to be compared with the answer's own.
fn wait(answer: &HttpAnswer) -> Duration {
    let Some(text) = answer.retry_after.as_deref().map(str::trim) else { return DEFAULT_WAIT };
    let asked = if let Ok(seconds) = text.parse::<u64>() {
        Some(Duration::from_secs(seconds))
    } else {
        let until = http_date(text);
        let now = answer.date.as_deref().and_then(http_date);
        until.zip(now).map(|(until, now)| Duration::try_from(until.duration_since(now)).unwrap_or_default())
    };
    // Asking again in the same second would only be refused again.
    asked.unwrap_or(DEFAULT_WAIT).clamp(Duration::from_secs(1), LONGEST_WAIT)
}

/// Classifies the answer to a mutating call.
///
/// 401 is reported as it is; whether the token was already renewed is the caller's to know.
pub fn classify(request: &Request, result: &Result<HttpAnswer, TransportError>) -> Answer {
    let unknown = |why: String, error: Option<ApiError>| Answer::Unknown { why, error };
    let Some(subject) = Subject::of(request) else {
        return unknown("no endpoint is known for this request".into(), None);
    };
    let answer = match result {
        Ok(answer) => answer,
        Err(TransportError { stage: Stage::BeforeSend, why }) => {
            return Answer::NotExecuted(NotSent::Connection(why.clone()));
        }
        Err(TransportError { stage: Stage::AfterSend, why }) => return unknown(why.clone(), None),
    };
    match answer.status {
        200..=299 => match accepted(&subject, answer) {
            Ok(object) => Answer::Accepted(object),
            Err(why) => unknown(format!("{}, but {why}", answer.status), None),
        },
        401 => Answer::Unauthorized(ApiError::of(answer)),
        429 => {
            let Throttle { error, retry_after, period, maximum } = Throttle::of(answer);
            Answer::Throttled { error, retry_after, period, maximum }
        }
        300..=399 => Answer::Rejected(ApiError::of(answer)),
        400..=499 if !matches!(answer.status, 408 | 409) => {
            let error = ApiError::of(answer);
            if subject.endpoint.creates() && error.is_busy() {
                Answer::Busy(error)
            } else {
                Answer::Rejected(error)
            }
        }
        _ => {
            let error = ApiError::of(answer);
            unknown(error.to_string(), Some(error))
        }
    }
}

/// The object of a 2xx, if it is what was asked for.
fn accepted(subject: &Subject, answer: &HttpAnswer) -> Result<Accepted, String> {
    if answer.cut {
        return Err("the body is too long".into());
    }
    let same = |id: Option<&str>| id.is_some_and(|id| id.eq_ignore_ascii_case(&subject.id));
    let action = || object::<MachineAction>(&answer.body).map_err(|e| e.to_string());
    let alert = || object::<Alert>(&answer.body).map_err(|e| e.to_string());
    match subject.endpoint {
        Endpoint::Collect => {
            let action = action()?;
            if !action.is_collection() {
                return Err(format!("it is about an action of type `{}`", bounded(&action.action_type, 50)));
            }
            if !same(action.machine_id.as_deref()) {
                return Err("it is not about this machine".into());
            }
            Ok(Accepted::Action(Box::new(action)))
        }
        Endpoint::CancelAction => {
            let action = action()?;
            if !same(Some(&action.id)) {
                return Err("it is about another action".into());
            }
            Ok(Accepted::Action(Box::new(action)))
        }
        Endpoint::CreateAlert => {
            let alert = alert()?;
            if !same(alert.machine_id.as_deref()) {
                return Err("it is not about this machine".into());
            }
            Ok(Accepted::Alert(Box::new(alert)))
        }
        Endpoint::PatchAlert => {
            let alert = alert()?;
            if !same(Some(&alert.id)) {
                return Err("it is about another alert".into());
            }
            Ok(Accepted::Alert(Box::new(alert)))
        }
        _ => Err("nothing was asked to change".into()),
    }
}

/// Classifies the answer to a read.
pub(super) fn classify_read(result: Result<HttpAnswer, TransportError>) -> ReadAnswer {
    let answer = match result {
        Ok(answer) => answer,
        Err(error) => return ReadAnswer::Transient(error.why),
    };
    match answer.status {
        200..=299 => ReadAnswer::Body(answer),
        401 => ReadAnswer::Unauthorized(ApiError::of(&answer)),
        404 => ReadAnswer::NotFound(ApiError::of(&answer)),
        429 => ReadAnswer::Throttled(Throttle::of(&answer)),
        408 | 500..=599 => ReadAnswer::Transient(ApiError::of(&answer).to_string()),
        _ => ReadAnswer::Refused(ApiError::of(&answer)),
    }
}
