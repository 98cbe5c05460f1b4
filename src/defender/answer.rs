//! What an answer means. Pure: a call's endpoint and what came back in, a class out.
//!
//! The rule that matters: a mutating call counts as not carried out only if that is certain. Whatever
//! leaves a doubt is [`Answer::Unknown`], and is looked up, never blindly repeated.

use std::fmt;
use std::time::Duration;

use super::auth::AuthError;
use crate::model::{Alert, MachineAction};

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
