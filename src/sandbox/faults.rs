//! Which fault, if any, a call runs into.

use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::message::{Delivery, HttpResponse, Refusal};
use super::scenario::{FaultRule, Then};

/// How many calls each rule of the scenario has seen.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct FaultCounters {
    seen: Vec<u64>,
}

impl FaultCounters {
    /// Counts the call at every rule that fits it, and gives the first one whose turn it is.
    pub fn pick<'r>(
        &mut self,
        rules: &'r [FaultRule],
        endpoint: Endpoint,
        machine: Option<&str>,
    ) -> Option<&'r FaultRule> {
        self.seen.resize(rules.len(), 0);
        let mut picked = None;
        for (rule, seen) in rules.iter().zip(&mut self.seen) {
            let fits = rule.on == endpoint
                && rule
                    .machine
                    .as_deref()
                    .is_none_or(|m| machine.is_some_and(|id| id.eq_ignore_ascii_case(m)));
            if !fits {
                continue;
            }
            *seen += 1;
            let always = rule.nth.is_empty() && rule.every.is_none();
            let turn =
                always || rule.nth.contains(seen) || rule.every.is_some_and(|every| *seen % every.get() == 0);
            if turn && picked.is_none() {
                picked = Some(rule);
            }
        }
        picked
    }
}

/// The refusal of a fault that keeps a call from taking effect and answers it.
pub(super) fn refusal(rule: &FaultRule) -> Refusal {
    let seconds = rule.seconds.map(|s| s.get().as_secs_f64().ceil() as u64);
    let words = |usual: &'static str| rule.message.clone().unwrap_or_else(|| usual.to_owned());
    if rule.then == Then::Throttled {
        return Refusal::throttled(words("Too many requests."), seconds.unwrap_or(60));
    }
    let status = rule.status.unwrap_or(500);
    let (code, message) = match status {
        401 => ("Unauthorized", "The token is not valid"),
        403 => ("Forbidden", "The application does not have any of the required application permissions"),
        404 => ("ResourceNotFound", "Resource was not found"),
        407 => ("ProxyAuthenticationRequired", "Proxy authentication required"),
        // Unlike `throttled` it may say nothing of when to come back.
        429 => ("TooManyRequests", "Too many requests."),
        400..=499 => ("BadRequest", "Bad request"),
        // A 500 has no message in the documentation's table.
        _ => ("InternalServerError", ""),
    };
    Refusal { retry_after: seconds, ..Refusal::new(status, code, words(message)) }
}

/// The answer of a list, linking to a further page of itself.
pub(super) fn linked(mut response: HttpResponse, link: String) -> HttpResponse {
    if let Ok(serde_json::Value::Object(mut list)) = serde_json::from_slice(&response.body) {
        list.insert("@odata.nextLink".into(), link.into());
        response.body = serde_json::Value::Object(list).to_string().into_bytes();
    }
    response
}

/// What a fault does to the answer of a call that took effect.
pub(super) fn disturb(rule: &FaultRule, mut response: HttpResponse) -> HttpResponse {
    if matches!(rule.then, Then::Garbled | Then::Short | Then::Bomb) {
        response.hold();
    }
    match rule.then {
        Then::Lost | Then::Late => response.delivery = Delivery::Closed,
        Then::Reset => response.delivery = Delivery::Reset,
        Then::Delay => response.delivery = Delivery::Delayed(rule.seconds.unwrap_or_default().get()),
        Then::Truncated => response.delivery = Delivery::Truncated,
        Then::Garbled | Then::Short => response.body.truncate(response.body.len() / 2),
        Then::Stalled => response.delivery = Delivery::Stalled,
        Then::Bomb => {
            // In the first entry of the list, which stands behind all entries, the length of what is in it.
            let list = response.body.windows(4).position(|w| w == b"PK\x01\x02");
            if let Some(length) = list.and_then(|at| response.body.get_mut(at + 24..at + 28)) {
                length.copy_from_slice(&0xffff_fffe_u32.to_le_bytes());
            }
        }
        Then::WebPage => {
            let page = "<!DOCTYPE html><title>Sign in</title><p>This network needs a sign-in.</p>";
            response = HttpResponse::empty(200);
            response.headers.push(("Content-Type", "text/html".into()));
            response.body = page.into();
        }
        Then::ExpiredToken => {
            response = HttpResponse::empty(200);
            response.headers.push(("Content-Type", "application/json".into()));
            response.body = br#"{"error":{"code":"Unauthorized","message":"Expired token"}}"#.to_vec();
        }
        Then::Whole => response.headers.retain(|(name, _)| !matches!(*name, "ETag" | "Accept-Ranges")),
        Then::OtherTag => {
            response.headers.retain(|(name, _)| *name != "ETag");
            response.headers.push(("ETag", "\"made-anew\"".into()));
        }
        Then::Error | Then::Throttled | Then::Existing | Then::Endless => {}
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Scenario;

    #[test]
    fn ordinals_multiples_and_machines() {
        let s = Scenario::from_yaml(
            "faults:
  - { on: collect, nth: [2], then: reset }
  - { on: collect, every: 2, then: lost }
  - { on: collect, machine: AB, then: garbled }
",
        )
        .unwrap();
        let mut counters = FaultCounters::default();
        let mut pick = |e, m| counters.pick(&s.faults, e, m).map(|r| r.then);
        assert_eq!(pick(Endpoint::Collect, Some("cd")), None);
        assert_eq!(pick(Endpoint::CreateAlert, Some("ab")), None);
        assert_eq!(pick(Endpoint::Collect, Some("cd")), Some(Then::Reset), "the first rule wins");
        assert_eq!(pick(Endpoint::Collect, Some("ab")), Some(Then::Garbled), "in any spelling");
        assert_eq!(pick(Endpoint::Collect, None), Some(Then::Lost), "the fourth call");
    }
}
