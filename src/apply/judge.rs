//! What an accepted call means for its resource: made, adopted, or busy after all. Pure.
//!
//! A duplicate request is sometimes answered with the action that is there instead of a 400, so a 2xx
//! alone proves nothing: the object's age, text and id are compared first.

use jiff::SignedDuration;

use crate::model::{Alert, Call, MachineAction, OnInProgress, Timestamp};
use crate::plan::{CLOCK_TOLERANCE, PlannedCall};
use crate::state::{Object, Origin, Outcome, Refusal, Resource, State};

/// The object of an accepted call, of either kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Entity {
    /// A machine action.
    Action(Box<MachineAction>),
    /// An alert.
    Alert(Box<Alert>),
}

impl Entity {
    /// What the journal keeps of it.
    pub fn object(&self) -> Object {
        match self {
            Entity::Action(a) => Object::from(&**a),
            Entity::Alert(a) => Object::from(&**a),
        }
    }

    fn created(&self) -> Option<jiff::Timestamp> {
        let at = match self {
            Entity::Action(a) => &a.creation_date_time_utc,
            Entity::Alert(a) => &a.alert_creation_time,
        };
        at.as_ref().map(Timestamp::instant)
    }

    /// Whether it carries the text as sent; what the service leaves out counts as equal.
    fn carries(&self, call: &Call) -> bool {
        match (self, call) {
            (Entity::Action(a), Call::Collect { comment, .. }) => {
                a.requestor_comment.as_deref().is_none_or(|c| c.trim() == comment.trim())
            }
            (Entity::Alert(a), Call::Alert(c)) => {
                let event = [&a.first_event_time, &a.last_event_time];
                let title = a.title.as_deref();
                title.is_none_or(|t| t.trim().eq_ignore_ascii_case(c.title.trim()))
                    && a.severity.as_deref().is_none_or(|s| c.severity.means(s))
                    && a.category.as_deref().is_none_or(|s| c.category.means(s))
                    && (event.iter().all(|t| t.is_none()) || event.contains(&&Some(c.event_time.clone())))
            }
            _ => false,
        }
    }
}

/// Which ids the state knows, as far as a judgement needs it.
pub trait Knows {
    /// Whether any record holds this id.
    fn knows(&self, id: &str) -> bool;
}

/// The outcome of a creating call that the service accepted with `entity`.
///
/// `server_at` is the intent's moment by the service's clock, `server_now` the answer's.
pub fn accepted(
    call: &PlannedCall,
    entity: &Entity,
    server_at: jiff::Timestamp,
    server_now: jiff::Timestamp,
    before: Option<&Resource>,
    known: &dyn Knows,
) -> Outcome {
    let object = entity.object();
    let sent = Call::from_request(call.request());
    let young = entity.created().is_none_or(|t| t >= server_at - CLOCK_TOLERANCE);
    let ours = young && sent.is_some_and(|c| entity.carries(&c)) && !known.knows(&object.id);
    if ours {
        return Outcome::Made { object };
    }
    let Entity::Action(action) = entity else { return Outcome::Adopted { object } };
    let own = before.is_some_and(|r| {
        r.past.iter().any(|p| p.origin == Origin::Made && p.id.eq_ignore_ascii_case(&object.id))
    });
    let within = SignedDuration::try_from(call.adopt_within.get()).unwrap_or(SignedDuration::MAX);
    let recent = entity.created().is_some_and(|t| server_now.duration_since(t) <= within);
    if own || call.on_in_progress != OnInProgress::Adopt || !recent {
        let who = action.requestor.as_deref().unwrap_or("somebody");
        return Outcome::Busy {
            error: Refusal {
                status: 200,
                code: "ActiveRequestAlreadyExists".into(),
                message: format!("the service answered with the running collection {} of {who}", object.id),
                target: None,
            },
        };
    }
    Outcome::Adopted { object }
}

/// Every id that a state holds or held.
pub fn ids_of(state: &State) -> impl Iterator<Item = &str> {
    state
        .resources
        .values()
        .flat_map(|r| r.id.iter().map(String::as_str).chain(r.past.iter().map(|p| p.id.as_str())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{OnRemove, RequestDigest, Span};
    use crate::state::Sent;

    struct Ids(&'static [&'static str]);
    impl Knows for Ids {
        fn knows(&self, id: &str) -> bool {
            self.0.contains(&id)
        }
    }

    fn at(text: &str) -> jiff::Timestamp {
        text.parse().unwrap()
    }

    fn call(on_in_progress: OnInProgress) -> PlannedCall {
        let call = Call::Collect { machine_id: "ab".repeat(20).parse().unwrap(), comment: "why".into() };
        let request = call.request();
        PlannedCall {
            sent: Sent {
                digest: RequestDigest::of(&request, 1),
                request,
                revision: 1,
                marker: Default::default(),
                machine_name: Default::default(),
                query_digest: Default::default(),
            },
            machine: "ab".repeat(20),
            labels: BTreeMap::new(),
            on_remove: OnRemove::Retain,
            on_in_progress,
            adopt_within: Span::from_secs(3600),
            ids: Vec::new(),
            objects: 0,
            follow_up: None,
            enforce: false,
        }
    }

    fn action(created: &str, comment: &str) -> Entity {
        Entity::Action(Box::new(
            serde_json::from_value(serde_json::json!({
                "id": "one", "type": "CollectInvestigationPackage", "status": "Pending",
                "creationDateTimeUtc": created, "requestorComment": comment, "requestor": "ann"
            }))
            .unwrap(),
        ))
    }

    fn judge(call: &PlannedCall, entity: &Entity, known: &'static [&'static str]) -> Outcome {
        accepted(call, entity, at("2026-01-01T12:00:00Z"), at("2026-01-01T12:00:01Z"), None, &Ids(known))
    }

    #[test]
    fn made_if_young_ours_and_unknown() {
        let c = call(OnInProgress::Adopt);
        let made = |e: &Entity, k| matches!(judge(&c, e, k), Outcome::Made { .. });
        assert!(made(&action("2026-01-01T12:00:00Z", " why "), &[]));
        // Two minutes are left to clocks.
        assert!(made(&action("2026-01-01T11:58:30Z", "why"), &[]));
        assert!(!made(&action("2026-01-01T11:57:00Z", "why"), &[]));
        assert!(!made(&action("2026-01-01T12:00:00Z", "other"), &[]));
        assert!(!made(&action("2026-01-01T12:00:00Z", "why"), &["one"]));
    }

    #[test]
    fn another_s_collection_is_adopted_or_busy() {
        let foreign = action("2026-01-01T11:30:00Z", "other");
        assert!(matches!(judge(&call(OnInProgress::Adopt), &foreign, &[]), Outcome::Adopted { .. }));
        assert!(matches!(judge(&call(OnInProgress::Wait), &foreign, &[]), Outcome::Busy { .. }));
        assert!(matches!(judge(&call(OnInProgress::Fail), &foreign, &[]), Outcome::Busy { .. }));
        let old = action("2026-01-01T10:30:00Z", "other");
        assert!(matches!(judge(&call(OnInProgress::Adopt), &old, &[]), Outcome::Busy { .. }));
    }
}
