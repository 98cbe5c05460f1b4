//! The client: reads that are repeated where that is safe, mutating calls that are sent once.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::{Instrument, debug, debug_span};

use super::answer::{self, Answer, ApiError, NotSent, ReadAnswer};
use super::auth::{AccessToken, AuthError, Tokens};
use super::clock::{ClockOffset, ServerClock};
use super::cloud::Service;
use super::endpoint::Endpoint;
use super::gate::{Quotas, Slot};
use super::request::{self, ActionFilter, Read};
use super::transport::{HttpAnswer, HttpCall, Stage, Transport, TransportError};
use super::wire::{self, PackageLink, Page};
use crate::model::{Alert, Machine, MachineAction, Method, Request};

/// Tells the time by our wall clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

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
    #[error("{error}; the service asks to wait {} s", retry_after.as_secs())]
    Throttled {
        /// The service's words.
        error: ApiError,
        /// How long it asks to wait.
        retry_after: Duration,
    },
    /// No usable answer, however often it was asked.
    #[error("{why}")]
    Unavailable {
        /// The last thing seen.
        why: String,
    },
    /// A list that cannot be read to its end.
    #[error("the list is not complete: {why}")]
    Incomplete {
        /// What stopped it.
        why: String,
    },
}

/// How reads are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How often a failed read is asked again.
    pub retries: usize,
    /// The first wait; each further one is twice as long.
    pub first: Duration,
    /// The longest `Retry-After` that is waited out.
    pub throttled: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { retries: 4, first: Duration::from_secs(1), throttled: Duration::from_secs(120) }
    }
}

/// Calls one service; clones share token, quotas and clock.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    service: Service,
    transport: Arc<dyn Transport>,
    tokens: Tokens,
    quotas: Quotas,
    clock: Clock,
    server: ServerClock,
    patience: Patience,
}
