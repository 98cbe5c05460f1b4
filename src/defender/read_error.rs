//! Why a read gave no result.

use std::time::Duration;

use jiff::Timestamp;

use super::answer::{self, ApiError};
use super::auth::AuthError;
use super::endpoint::Endpoint;
use crate::model::{Hindrance, RefusalCause, quota_calls};

/// Why a read gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No token.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// 401 with a renewed token, 403, or another definite refusal.
    #[error("{0}")]
    Refused(ApiError),
    /// 429, and the wait is longer than a read is worth.
    #[error("{error}; the service asks to wait {}", answer::told(*retry_after))]
    Throttled {
        /// The service's words.
        error: ApiError,
        /// How long it asks to wait.
        retry_after: Duration,
    },
    /// Our own count says that the quota is used up for longer than a read is worth waiting.
    #[error("the quota of {} is used up for {} s", quota_calls(endpoint.quota_name()), wait.as_secs())]
    OverQuota {
        /// The endpoint whose quota it is.
        endpoint: Endpoint,
        /// For how long.
        wait: Duration,
    },
    /// No usable answer, however often it was asked.
    #[error("{why}")]
    Unavailable {
        /// The last thing seen.
        why: String,
        /// The kind of failure.
        cause: Hindrance,
    },
    /// A list that cannot be read to its end.
    #[error("the list is not complete: {why}")]
    Incomplete {
        /// The cause, in words.
        why: String,
    },
}

impl ReadError {
    /// The id to quote to the service's support, if it has answered.
    pub fn support_id(&self) -> Option<&str> {
        match self {
            ReadError::Refused(error) | ReadError::Throttled { error, .. } => error.support_id(),
            _ => None,
        }
    }

    /// The error with that id, for where it is told once.
    pub fn in_full(&self) -> String {
        match self.support_id() {
            Some(id) => format!("{self} (correlation id {id})"),
            None => self.to_string(),
        }
    }

    /// Returns the cause that a person can do something about, for a read of this endpoint that failed at `now`, by our
    /// clock.
    pub fn cause(&self, endpoint: Endpoint, now: Timestamp) -> Hindrance {
        let after = |wait: &Duration| now.saturating_add(*wait).unwrap_or(Timestamp::MAX);
        match self {
            ReadError::Auth(AuthError::Unreachable { cause, .. }) => *cause,
            ReadError::Auth(_) => Hindrance::SignIn,
            ReadError::Refused(e) if e.status == 407 => Hindrance::Proxy,
            ReadError::Refused(e) => match e.cause().filter(|_| e.is_denied()) {
                Some(RefusalCause::SignIn) => Hindrance::SignIn,
                Some(RefusalCause::Licence | RefusalCause::FeatureOff) => Hindrance::Licence,
                Some(_) => Hindrance::Permission(e.permission(endpoint)),
                None => Hindrance::Refused,
            },
            ReadError::Throttled { retry_after, .. } => Hindrance::Quota(after(retry_after)),
            ReadError::OverQuota { wait, .. } => Hindrance::Quota(after(wait)),
            ReadError::Unavailable { cause, .. } => *cause,
            ReadError::Incomplete { .. } => Hindrance::Endless,
        }
    }
}
