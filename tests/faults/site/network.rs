//! The site as the network that a run sees: what goes wrong right before a call, with the call, and with its answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use casefile::defender::{HttpAnswer, HttpCall, Transport, TransportError};
use casefile::model::Hindrance;
use casefile::state::Holder;

use super::{Attempt, HALF_WAY, PATIENCE, Site};
use crate::fault::{Call, Fault, Point};
use crate::invariant::Invariant;

fn reset() -> TransportError {
    TransportError::after_send(Hindrance::Unavailable(None), "the connection was reset")
}

fn unconnected() -> TransportError {
    TransportError::before_send(Hindrance::NoConnection, "the connection was refused")
}

/// The site as the network that a run sees.
pub struct Network(pub Arc<Site>);

#[async_trait]
impl Transport for Network {
    async fn send(&self, call: HttpCall) -> Result<HttpAnswer, TransportError> {
        let site = &*self.0;
        if site.inner().dead {
            return std::future::pending().await;
        }
        let kind = Call::of(&call);
        let fault = site.reach(Point::Send(kind));
        let now = site.time.now();
        match fault {
            Some(fault @ (Fault::Crash | Fault::Orphaned(_) | Fault::PowerLoss(..))) => {
                site.end_before(fault, kind, &call);
                return std::future::pending().await;
            }
            Some(fault) => site.disturb_before(fault, kind),
            None => {}
        }
        let outage = site.inner().outage.is_some_and(|t| now < t);
        if outage || fault == Some(Fault::Unconnected) {
            tokio::time::sleep(HALF_WAY).await;
            return Err(unconnected());
        }
        let attempt = if kind == Call::Read {
            None
        } else {
            let mut inner = site.inner();
            inner.mutating += 1;
            site.check_intent(&mut inner, &call)
        };
        if site.inner().throttled.is_some_and(|t| now < t) {
            tokio::time::sleep(HALF_WAY).await;
            return Ok(site.too_many());
        }
        if let Some(end) = site.go_astray(fault, kind, &call, attempt.as_ref()).await {
            return end;
        }
        let answer = site.go(fault, kind, &call, attempt).await?;
        if !matches!(fault, Some(Fault::Status(_, true))) {
            site.note_told(kind, &call, &answer);
        }
        Ok(answer)
    }
}

impl Site {
    /// A crash lets the bytes go, and the process does not live to hear of it; a power loss comes right before them.
    fn end_before(&self, fault: Fault, kind: Call, call: &HttpCall) {
        let after = match fault {
            Fault::Crash => Some(HALF_WAY),
            Fault::Orphaned(s) => Some(Duration::from_secs(s)),
            _ => None,
        };
        if let Some(after) = after.filter(|_| kind != Call::Read) {
            let attempt = self.check_intent(&mut self.inner(), call);
            self.launch(call, attempt, after, false);
        }
        self.die(fault);
    }

    /// The events right before a call leaves.
    fn disturb_before(&self, fault: Fault, kind: Call) {
        let now = self.time.now();
        match fault {
            Fault::Outage(s) => self.inner().outage = Some(now + Duration::from_secs(s)),
            Fault::Throttled(s) => self.inner().throttled = Some(now + Duration::from_secs(s)),
            Fault::Stop => drop(self.stop.send_replace(true)),
            Fault::Stall(_) | Fault::Frozen(_) if kind == Call::Read => self.time.disturb(fault),
            Fault::Step(s) => self.time.step(s),
            Fault::Analyst(deed) => self.deed(deed, 0),
            Fault::Rival => {
                let holder = Holder {
                    user: "rival".into(),
                    host: "h".into(),
                    pid: 2,
                    since: now,
                    command: "apply".into(),
                    job: None,
                };
                if self.disk().open(&holder).is_ok() {
                    self.inner().violates(Invariant::OneRun, "it got it");
                }
            }
            _ => {}
        }
    }

    /// The end of a call that does not reach the service, or that nobody hears of any more; none if it goes its way.
    async fn go_astray(
        &self,
        fault: Option<Fault>,
        kind: Call,
        call: &HttpCall,
        attempt: Option<&Attempt>,
    ) -> Option<Result<HttpAnswer, TransportError>> {
        let seconds = Duration::from_secs;
        match (fault?, kind) {
            (Fault::Dropped, _) => {
                tokio::time::sleep(seconds(5)).await;
                Some(Err(reset()))
            }
            (Fault::Late(s), _) => {
                let id = self.launch(call, attempt.cloned(), seconds(s), false);
                tokio::time::sleep(HALF_WAY).await;
                self.give_up(id);
                Some(Err(reset()))
            }
            // Frozen between the check and the bytes: nobody can tell this from a slow network.
            (Fault::Held(s) | Fault::Stall(s), Call::Create | Call::Change) => {
                let id = self.launch(call, attempt.cloned(), seconds(s), false);
                if s < PATIENCE {
                    return Some(Ok(self.answer(id, kind, seconds(s)).await));
                }
                tokio::time::sleep(seconds(PATIENCE)).await;
                self.give_up(id);
                Some(Err(reset()))
            }
            (Fault::Status(status, false), _) => {
                tokio::time::sleep(HALF_WAY).await;
                Some(Ok(self.status(status)))
            }
            (Fault::Unauthorized, _) => {
                tokio::time::sleep(HALF_WAY).await;
                self.inner().refused_token = true;
                Some(Ok(self.status(401)))
            }
            _ => None,
        }
    }

    /// Lets a call reach the service. Its answer may be lost, late, torn, or that of its double.
    async fn go(
        &self,
        fault: Option<Fault>,
        kind: Call,
        call: &HttpCall,
        attempt: Option<Attempt>,
    ) -> Result<HttpAnswer, TransportError> {
        if kind == Call::Read && call.target.starts_with("/api/alerts") {
            self.inner().looked = Some(self.time.now());
        }
        let id = self.launch(call, attempt.clone(), HALF_WAY, false);
        let doubled =
            matches!(fault, Some(Fault::Doubled(_))).then(|| self.launch(call, attempt, HALF_WAY, true));
        let mut answer = self.answer(id, kind, HALF_WAY).await;
        match fault {
            Some(Fault::Lost) => return Err(reset()),
            Some(Fault::Slow(s)) => {
                tokio::time::sleep(Duration::from_secs(s.min(PATIENCE))).await;
                if s >= PATIENCE {
                    return Err(reset());
                }
            }
            Some(Fault::Garbled) => answer.body.truncate(answer.body.len() / 2),
            Some(Fault::Status(status, true)) => return Ok(self.status(status)),
            Some(Fault::Doubled(true)) => {
                if let Some(second) = doubled {
                    answer = self.answer(second, kind, Duration::ZERO).await;
                }
            }
            _ => {}
        }
        Ok(answer)
    }

    /// Notes what an answer has told the program: a comment that was accepted, the id of an object.
    fn note_told(&self, kind: Call, call: &HttpCall, answer: &HttpAnswer) {
        #[derive(serde::Deserialize)]
        struct Object {
            id: String,
        }
        if kind == Call::Change && answer.is_success() {
            let body = call.body.as_deref().unwrap_or_default();
            let fields: BTreeMap<String, String> = serde_json::from_str(body).unwrap_or_default();
            if let (Some(text), Some(id)) = (fields.get("comment"), call.target.strip_prefix("/api/alerts/"))
            {
                self.inner().accepted.insert((id.to_owned(), text.clone()));
            }
        }
        if kind == Call::Create
            && answer.is_success()
            && let Ok(object) = serde_json::from_slice::<Object>(&answer.body)
        {
            self.inner().told.push(object.id);
        }
    }
}
