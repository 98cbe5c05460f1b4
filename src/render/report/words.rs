//! Sentences for the things that need a person, with the command that helps.

use jiff::Timestamp;

use super::super::messages::{ended, reason, warning};
use super::super::refusals::refusal;
use super::super::ways_out::{Next, of_refusal};
use super::super::{fetch, records};
use crate::model::{Address, Kind, first_label};
use crate::plan::{Action, Reason, Warning};
use crate::report::{ResourceFacts, Standing, Trouble};
use crate::state::{CallAction, Outcome};

/// A trouble in words.
pub struct Told {
    /// A stable name.
    pub code: &'static str,
    /// The sentence, without its resource; begins in lower case, without a full stop.
    pub message: String,
    /// The step that helps, as a sentence or a command.
    pub next: Vec<Next>,
    /// The step that helps and is no command.
    pub hint: Option<&'static str>,
}

/// Tells a trouble of a resource; of none for one of the whole record.
pub fn tell(trouble: &Trouble, address: Option<&Address>, now: Timestamp) -> Told {
    let again = |what: &'static str| {
        let next = Next::new(what, "casefile apply --replace");
        address.map(|a| next.clone().with(&a.to_string())).into_iter().collect::<Vec<_>>()
    };
    let settle = || vec![Next::new("have it looked up", "casefile apply")];
    let (code, message, next) = match trouble {
        Trouble::Call(outcome) => {
            let next = match outcome {
                Outcome::Rejected { error } => {
                    address.map(|a| of_refusal(error, a, Action::Create)).into_iter().collect()
                }
                Outcome::Busy { .. } | Outcome::Throttled { .. } | Outcome::Unsent { .. } => {
                    vec![Next::new("ask again", "casefile apply")]
                }
                _ => settle(),
            };
            (call_code(outcome), records::outcome(outcome), next)
        }
        Trouble::Unanswered => ("unanswered", "its call got no answer yet".to_owned(), settle()),
        Trouble::Failed(status) => ("failed", ended(status), again("ask again")),
        Trouble::Cancelled(by) => {
            ("cancelled", reason(&Reason::Cancelled { by: by.clone() }, now), again("ask again"))
        }
        Trouble::Gone(id) => ("gone", reason(&Reason::Gone { id: id.clone() }, now), again("ask again")),
        Trouble::ChangeRefused(action, error) => {
            let refused = format!("{} was refused: {}", change(*action), refusal(error));
            ("change-refused", refused, vec![Next::new("see whether it is sent again", "casefile plan")])
        }
        Trouble::ChangeUnanswered(action) => {
            ("change-unanswered", format!("{} got no answer yet", change(*action)), settle())
        }
        Trouble::Watched(attempts) => {
            ("watched", warning(&Warning::Watched { attempts: *attempts }, now), settle())
        }
        Trouble::NotFetched => (
            "not-fetched",
            "done, and its package is not held".to_owned(),
            vec![Next::new("fetch what is done", "casefile fetch")],
        ),
        Trouble::Package(file, wrong) => {
            let message = format!("{file}: {wrong}");
            let next = vec![Next::new("see all findings", "casefile verify")];
            return Told { code: wrong.code(), message, next, hint: Some(fetch::next(wrong)) };
        }
        Trouble::Damage(why) => {
            let message = format!("the journal cannot be read to its end: {why}");
            ("journal", message, vec![Next::new("see what is damaged", "casefile verify")])
        }
    };
    Told { code, message, next, hint: None }
}

fn change(action: CallAction) -> &'static str {
    match action {
        CallAction::Cancel => "its cancellation",
        CallAction::Resolve => "its resolution",
        CallAction::Create | CallAction::Retry | CallAction::Replace | CallAction::Update => {
            "the change of its triage"
        }
    }
}

fn call_code(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Busy { .. } => "busy",
        Outcome::Rejected { .. } => "refused",
        Outcome::Throttled { .. } => "throttled",
        Outcome::Unsent { .. } => "unsent",
        Outcome::Unknown { .. } => "unanswered",
        Outcome::Made { .. } | Outcome::Adopted { .. } | Outcome::Done { .. } | Outcome::Settled => "settled",
    }
}

/// How a resource stands, for people.
pub fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Refused => "Refused",
        Standing::Failed => "Failed",
        Standing::Unanswered => "No answer",
        Standing::Cancelled => "Cancelled",
        Standing::Waiting => "Machine busy",
        Standing::Running => "Running",
        Standing::Done => "Done, not fetched",
        Standing::Damaged => "Package damaged",
        Standing::Held => "Package held",
        Standing::Raised => "Raised",
    }
}

/// The machine's short name, or what there is in its place.
pub fn label(r: &ResourceFacts) -> String {
    match (&r.machine_name, r.kind) {
        (Some(name), _) => first_label(name).to_owned(),
        (None, _) => r.shown.clone(),
    }
}

/// The address with the kind in a word of people.
pub fn kind_and_name(r: &ResourceFacts) -> String {
    let kind = match r.kind {
        Kind::InvestigationPackage => "package",
        Kind::Alert => "alert",
    };
    let name = r.shown.split_once('/').map_or(r.shown.as_str(), |(_, name)| name);
    format!("{kind} {name}")
}
