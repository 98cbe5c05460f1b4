//! The narrow waist between the client and the network: one call in, one answer or failure out.
//!
//! A transport sends a call once, as given. It does not retry, follow redirects, judge an answer or
//! look at the clock, so that a test can put a service in its place that runs in this process.

use std::fmt;

use async_trait::async_trait;

use super::secret::AccessToken;
use crate::model::{Hindrance, Method};

/// One HTTP call.
#[derive(Clone, Debug)]
pub struct HttpCall {
    /// The method.
    pub method: Method,
    /// Percent-encoded path and query below the service's base: `/api/machineactions?$top=10000`.
    pub target: String,
    /// The JSON body, byte for byte.
    pub body: Option<String>,
    /// Goes into the `Authorization` header and nowhere else.
    pub bearer: AccessToken,
    /// How many bytes of a 2xx body are read, after decompression; see [`HttpAnswer::cut`].
    pub limit: usize,
}

impl HttpCall {
    /// The path alone: queries are kept out of logs and messages.
    pub fn path(&self) -> &str {
        path(&self.target)
    }
}

/// The path of a target, without its query.
pub(super) fn path(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

/// How many bytes of a body other than 2xx are read.
pub const ERROR_BODY_LIMIT: usize = 1 << 20;

/// What came back: any status, as it came.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The `Date` header.
    pub date: Option<String>,
    /// The `Retry-After` header.
    pub retry_after: Option<String>,
    /// The `mise-correlation-id` header, or Microsoft Graph's `request-id`.
    pub correlation: Option<String>,
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// Whether the body was longer than the limit and ends there.
    pub cut: bool,
}

impl HttpAnswer {
    /// An answer without headers.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        HttpAnswer { status, body: body.into(), ..HttpAnswer::default() }
    }

    /// 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl fmt::Debug for HttpAnswer {
    /// Without the body: it may hold a download link.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpAnswer")
            .field("status", &self.status)
            .field("date", &self.date)
            .field("retry_after", &self.retry_after)
            .field("correlation", &self.correlation)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("cut", &self.cut)
            .finish()
    }
}

/// No answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct TransportError {
    /// Whether the service can have seen the call.
    pub stage: Stage,
    /// What happened, without query, token or body.
    pub why: String,
    /// The kind of failure.
    pub cause: Hindrance,
}

impl TransportError {
    /// A call of which no byte left.
    pub fn before_send(cause: Hindrance, why: impl Into<String>) -> Self {
        TransportError { stage: Stage::BeforeSend, why: why.into(), cause }
    }

    /// A call that the service may have carried out.
    pub fn after_send(cause: Hindrance, why: impl Into<String>) -> Self {
        TransportError { stage: Stage::AfterSend, why: why.into(), cause }
    }
}

/// How far a failed call can have got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// No byte of the call left: name not resolved, connection refused or not made in time, TLS failed.
    BeforeSend,
    /// Bytes may have left: the service may have carried the call out.
    AfterSend,
}

/// Sends calls to one service.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends the call once.
    ///
    /// Dropping the future abandons the call: the service may still carry it out.
    async fn send(&self, call: HttpCall) -> Result<HttpAnswer, TransportError>;
}
