//! The simulated service behind the client's seams, in this process: no connection, and no time but the virtual one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::time::Instant;

use super::fault::{Course, Recovery};
use crate::defender::auth::{AccessToken, AuthError, Token, TokenSource};
use crate::defender::{
    Download, Downloads, HttpAnswer, HttpCall, HttpOptions, PackageLink, Resume, Transport, TransportError,
};
use crate::model::Hindrance;
use crate::sandbox::{Delivery, HttpRequest, HttpResponse, World};

/// The host that the service plays. Nobody connects to it.
pub(super) const HOST: &str = "127.0.0.1:9";

/// Between sending and the service, and between the service and the answer.
const HALF_WAY: Duration = Duration::from_millis(50);

/// A credential whose token the simulated service takes.
#[derive(Debug)]
pub(super) struct AnyToken;

#[async_trait]
impl TokenSource for AnyToken {
    async fn fetch(&self, _: Timestamp) -> Result<Token, AuthError> {
        Ok(Token { access: AccessToken::new("drill"), expires: None })
    }
}

/// A simulated service and the time since it began.
pub(super) struct Service {
    inner: Mutex<Inner>,
    begun: Timestamp,
    since: Instant,
}

struct Inner {
    world: World,
    recovery: Option<Recovery>,
    calls: BTreeMap<&'static str, usize>,
}

impl Service {
    /// Begins now, which is `begun` by the virtual clock.
    pub fn new(course: Course, begun: Timestamp) -> Self {
        let inner =
            Inner { world: World::new(course.begins), recovery: course.recovers, calls: BTreeMap::new() };
        Service { inner: Mutex::new(inner), begun, since: Instant::now() }
    }

    /// How long it has been there.
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// The virtual time.
    pub fn now(&self) -> Timestamp {
        self.begun.saturating_add(self.elapsed()).unwrap_or(Timestamp::MAX)
    }

    /// How many calls there were, by what they are.
    pub fn calls(&self) -> BTreeMap<&'static str, usize> {
        self.lock().calls.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, what: Option<&'static str>, request: &HttpRequest) -> HttpResponse {
        let now = self.now();
        let mut inner = self.lock();
        if inner.recovery.as_ref().is_some_and(|r| r.after <= self.elapsed())
            && let Some(recovery) = inner.recovery.take()
        {
            inner.world.adopt(recovery.scenario);
            for machine in recovery.back {
                let done = serde_json::json!({ "do": "finish", "machine": machine }).to_string();
                // Of a device that was asked for nothing there is nothing to finish.
                let _ = inner.world.handle(now, &HttpRequest::new("POST", "/sandbox/analyst", done));
            }
        }
        if let Some(what) = what {
            *inner.calls.entry(what).or_default() += 1;
        }
        inner.world.handle(now, request)
    }
}

/// The kind of a call, for counting.
fn kind(method: &str, target: &str) -> &'static str {
    let path = target.split('?').next().unwrap_or(target);
    match (method, path.rsplit('/').next().unwrap_or(path)) {
        ("POST", "collectInvestigationPackage") => "collections",
        ("POST", "CreateAlertByReference") => "alerts",
        ("POST", "cancel") => "cancels",
        ("POST", _) => "queries",
        ("PATCH", _) => "updates",
        (_, "getPackageUri") => "links",
        _ => "reads",
    }
}

fn lost(why: &str) -> TransportError {
    TransportError::after_send(Hindrance::NoAnswer, why)
}

#[async_trait]
impl Transport for Service {
    async fn send(&self, call: HttpCall) -> Result<HttpAnswer, TransportError> {
        tokio::time::sleep(HALF_WAY).await;
        let body = call.body.clone().unwrap_or_default().into_bytes();
        let request = HttpRequest {
            host: Some(HOST.to_owned()),
            ..HttpRequest::new(call.method.as_str(), &call.target, body)
        };
        let response = self.handle(Some(kind(&request.method, &call.target)), &request);
        tokio::time::sleep(HALF_WAY).await;
        let patience = HttpOptions::default().timeout;
        match response.delivery {
            Delivery::Normal => {}
            Delivery::Delayed(time) if time <= patience => tokio::time::sleep(time).await,
            Delivery::Delayed(_) | Delivery::Stalled => {
                tokio::time::sleep(patience).await;
                return Err(lost("no answer in time"));
            }
            Delivery::Closed | Delivery::Reset | Delivery::Truncated => {
                return Err(lost("the connection was closed before the answer was there"));
            }
        }
        let header = |name| response.header(name).map(str::to_owned);
        Ok(HttpAnswer {
            status: response.status,
            date: header("Date"),
            retry_after: header("Retry-After"),
            correlation: header("mise-correlation-id"),
            body: response.body,
            cut: false,
        })
    }
}

#[async_trait]
impl Downloads for Service {
    /// Answers with the whole package each time, as a server may that gives no parts.
    async fn get(&self, link: &PackageLink, _: Option<Resume<'_>>) -> Result<Download, String> {
        tokio::time::sleep(HALF_WAY).await;
        let url = link.url();
        let target = url.query().map_or(url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let request = HttpRequest { authorization: None, ..HttpRequest::new("GET", &target, Vec::new()) };
        let response = self.handle(None, &request);
        let total = response.length();
        let whole = match response.delivery {
            Delivery::Normal | Delivery::Delayed(_) => true,
            Delivery::Truncated | Delivery::Stalled => false,
            Delivery::Closed | Delivery::Reset => return Err("the connection was closed".to_owned()),
        };
        let etag = response.header("ETag").filter(|tag| tag.starts_with('"')).map(str::to_owned);
        let status = response.status;
        let half = response.body.len() / 2;
        let pieces: Vec<Result<Vec<u8>, String>> = match whole {
            true => {
                std::iter::once(response.body).chain(response.filling.into_iter().flatten()).map(Ok).collect()
            }
            false => vec![
                Ok(response.body.into_iter().take(half).collect()),
                Err("the connection was closed".to_owned()),
            ],
        };
        let body = futures::stream::iter(pieces).boxed();
        Ok(Download { status, etag, total: Some(total), from: 0, retry_after: None, body })
    }
}
