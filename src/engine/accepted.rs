//! What an accepted call means for its resource: made, adopted, or busy after all. Pure.
//!
//! A duplicate request is sometimes answered with the action that is there instead of a 400, so a 2xx
//! alone proves nothing: the object's age, text and id are compared first.

use jiff::SignedDuration;

use crate::defender::Accepted;
use crate::model::{ActionStatus, Call, Likeness, OnInProgress, Timestamp};
use crate::plan::{CLOCK_TOLERANCE, PlannedCall};
use crate::state::{Object, Origin, Outcome, Refusal, Resource, State};

/// Returns what the journal keeps of the object that an accepted call is about.
pub fn object_of(accepted: &Accepted) -> Object {
    match accepted {
        Accepted::Action(a) => Object::from(&**a),
        Accepted::Alert(a) => Object::from(&**a),
    }
}

fn created_at(accepted: &Accepted) -> Option<jiff::Timestamp> {
    let at = match accepted {
        Accepted::Action(a) => &a.creation_date_time_utc,
        Accepted::Alert(a) => &a.alert_creation_time,
    };
    at.as_ref().map(Timestamp::instant)
}

fn likeness(accepted: &Accepted, call: &Call) -> Likeness {
    match accepted {
        Accepted::Action(a) => call.likeness_of_collection(a, a.requestor_comment.as_deref()),
        Accepted::Alert(a) => call.likeness_of_alert(a),
    }
}

/// The ids that the state knows.
pub trait KnownIds {
    /// Returns whether any record holds this id.
    fn has(&self, id: &str) -> bool;
}

/// The outcome of a creating call that the service accepted with `answered`, under an HTTP `status`.
///
/// `server_at` is the intent's moment by the service's clock, `server_now` the answer's.
pub fn accepted(
    call: &PlannedCall,
    (status, answered): (u16, &Accepted),
    server_at: jiff::Timestamp,
    server_now: jiff::Timestamp,
    before: Option<&Resource>,
    known: &dyn KnownIds,
) -> Outcome {
    let object = object_of(answered);
    let young = created_at(answered).is_none_or(|t| t >= server_at - CLOCK_TOLERANCE);
    // It is the answer to this call, so what the service leaves out is no sign of another's object.
    let fits = call.created().is_some_and(|c| {
        matches!(likeness(answered, c), Likeness::Same | Likeness::Unplaced | Likeness::Bare)
    });
    let ours = young && fits && !known.has(&object.id);
    if ours {
        return Outcome::Made { object };
    }
    let Accepted::Action(action) = answered else { return Outcome::Adopted { object } };
    let own = before.is_some_and(|r| {
        r.past.iter().any(|p| p.origin == Origin::Made && p.id.eq_ignore_ascii_case(&object.id))
    });
    let within = SignedDuration::try_from(call.adopt_within.get()).unwrap_or(SignedDuration::MAX);
    let recent = created_at(answered).is_some_and(|t| server_now.duration_since(t) <= within);
    let over = action.status.is_over();
    let served = !over || action.status == ActionStatus::Succeeded;
    if served && !own && recent && call.on_in_progress == OnInProgress::Adopt {
        return Outcome::Adopted { object };
    }
    let began = created_at(answered).map(|t| format!(", begun at {t:.0}")).unwrap_or_default();
    let who = action.requestor.as_deref().map(|r| format!(" of {r}")).unwrap_or_default();
    let words = |what| format!("the service answered with the {what} collection {}{who}{began}", object.id);
    if over {
        // Nothing runs that could be waited for, and nothing shows that this call made anything.
        return Outcome::Unknown {
            why: format!("{status}, but {}", words("finished")),
            other: Some(object.id.clone()),
        };
    }
    let message = words("running");
    Outcome::Busy { error: Refusal { status, message, ..Refusal::default() } }
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
    use super::*;
    use crate::model::{Mutation, RequestDigest};
    use crate::state::Sent;

    struct Ids(&'static [&'static str]);
    impl KnownIds for Ids {
        fn has(&self, id: &str) -> bool {
            self.0.contains(&id)
        }
    }

    fn at(text: &str) -> jiff::Timestamp {
        text.parse().unwrap()
    }

    fn call(on_in_progress: OnInProgress) -> PlannedCall {
        let call = Call::collect("ab".repeat(20).parse().unwrap(), "why");
        let request = call.request();
        let sent = Sent::new(request.clone(), 1, RequestDigest::of(&request, 1));
        let machine = call.machine().clone();
        PlannedCall { on_in_progress, ..PlannedCall::new(Mutation::Create(call), sent, machine) }
    }

    fn entity(fields: serde_json::Value) -> Accepted {
        let mut all = serde_json::json!({
            "id": "one", "type": "CollectInvestigationPackage", "status": "Pending", "requestor": "ann"
        });
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        Accepted::Action(Box::new(serde_json::from_value(all).unwrap()))
    }

    fn action(created: &str, comment: &str) -> Accepted {
        entity(serde_json::json!({ "creationDateTimeUtc": created, "requestorComment": comment }))
    }

    fn outcome(call: &PlannedCall, entity: &Accepted, known: &'static [&'static str]) -> Outcome {
        let (at, now) = (at("2026-01-01T12:00:00Z"), at("2026-01-01T12:00:01Z"));
        accepted(call, (201, entity), at, now, None, &Ids(known))
    }

    #[test]
    fn made_if_young_ours_and_unknown() {
        let c = call(OnInProgress::Adopt);
        let made = |e: &Accepted, k| matches!(outcome(&c, e, k), Outcome::Made { .. });
        assert!(made(&action("2026-01-01T12:00:00Z", " why "), &[]));
        // Two minutes are left to clocks.
        assert!(made(&action("2026-01-01T11:58:30Z", "why"), &[]));
        assert!(!made(&action("2026-01-01T11:57:00Z", "why"), &[]));
        assert!(!made(&action("2026-01-01T12:00:00Z", "other"), &[]));
        assert!(!made(&action("2026-01-01T12:00:00Z", "why"), &["one"]));
        // What is left out is no sign of another's object.
        assert!(made(&entity(serde_json::json!({})), &[]));
        assert!(made(&entity(serde_json::json!({ "machineId": null, "requestorComment": "why" })), &[]));
    }

    #[test]
    fn another_s_collection_is_adopted_or_busy() {
        let foreign = action("2026-01-01T11:30:00Z", "other");
        assert!(matches!(outcome(&call(OnInProgress::Adopt), &foreign, &[]), Outcome::Adopted { .. }));
        assert!(matches!(outcome(&call(OnInProgress::Wait), &foreign, &[]), Outcome::Busy { .. }));
        assert!(matches!(outcome(&call(OnInProgress::Fail), &foreign, &[]), Outcome::Busy { .. }));
        let old = action("2026-01-01T10:30:00Z", "other");
        let Outcome::Busy { error } = outcome(&call(OnInProgress::Adopt), &old, &[]) else { panic!("busy") };
        // What was answered, and no word that was not.
        assert_eq!((error.status, error.code.as_str()), (201, ""));
        assert_eq!(
            error.message,
            "the service answered with the running collection one of ann, begun at 2026-01-01T10:30:00Z"
        );
    }

    #[test]
    fn a_finished_collection_is_adopted_or_looked_into() {
        let finished = |created: &str, status: &str| {
            entity(
                serde_json::json!({ "creationDateTimeUtc": created, "status": status, "requestorComment": "x" }),
            )
        };
        let adopt = call(OnInProgress::Adopt);
        let recent = finished("2026-01-01T11:30:00Z", "Succeeded");
        assert!(matches!(outcome(&adopt, &recent, &[]), Outcome::Adopted { .. }));
        let unknown = |call: &PlannedCall, e: &Accepted| match outcome(call, e, &[]) {
            Outcome::Unknown { why, other } => {
                assert!(
                    why.starts_with("201, but the service answered with the finished collection one"),
                    "{why}"
                );
                other.as_deref() == Some("one")
            }
            _ => false,
        };
        assert!(unknown(&call(OnInProgress::Wait), &recent));
        assert!(unknown(&adopt, &finished("2026-01-01T09:30:00Z", "Succeeded")));
        for status in ["Failed", "TimeOut", "Cancelled"] {
            assert!(unknown(&adopt, &finished("2026-01-01T11:30:00Z", status)), "{status}");
        }
    }
}
