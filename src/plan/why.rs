//! Why a row is what it is: the decided row and its facts as a [`Reason`].

use super::build::Planner;
use super::change::{Action, Reason};
use super::decide::{Busy, Lookup, Running};
use super::see::Seen;
use super::targets::Left;
use crate::model::{Address, Desired, OnInProgress};
use crate::state::{Phase, Resource};

impl Planner<'_> {
    pub(super) fn reason(
        &self,
        address: &Address,
        desired: Option<&Desired>,
        resource: Option<&Resource>,
        seen: &Seen<'_>,
        row: u8,
        action: Action,
    ) -> Reason {
        let policy = desired.map(|d| d.policy).unwrap_or_default();
        let id = || resource.and_then(|r| r.id.clone()).unwrap_or_default();
        let found_id = || seen.found.object.as_ref().map(|o| o.id.clone()).unwrap_or_default();
        let running_id = || seen.running.map(|a| a.id.clone()).unwrap_or_default();
        let requestor = || seen.running.and_then(|a| a.requestor.clone());
        let began = || seen.running.and_then(|a| a.creation_date_time_utc.clone());
        let error = || resource.and_then(|r| r.error.as_deref().cloned());
        let attempts = resource.map_or(0, |r| r.attempts);
        let same_digest = seen.facts.same_target && seen.facts.same_text;
        let next_attempt = if same_digest { attempts + 1 } else { 1 };
        let target = || match (desired, resource) {
            (Some(d), Some(r)) if d.revision != r.sent.revision => {
                Reason::NewRevision { from: r.sent.revision, to: d.revision }
            }
            _ => Reason::NewTarget,
        };
        match row {
            1 => Reason::AskedByName,
            2 => Reason::FoundOurs { id: found_id() },
            3 => Reason::AlertShowsEvent { id: found_id() },
            4 if seen.found.lookup == Lookup::TooOld => Reason::IntentTooOld,
            4 => Reason::LookAlikes { ids: seen.found.ids.clone() },
            5 => match seen.found.until {
                Some(until) => Reason::Settling { until },
                None => Reason::OutcomeNotLooked,
            },
            6 => Reason::FoundWatched {
                id: seen.watched.as_ref().map(|(_, o)| o.id.clone()).unwrap_or_default(),
            },
            7 => Reason::AskBeforeResend,
            8 => Reason::LostCall,
            9 => Reason::KnownFromBefore {
                phase: resource.and_then(|r| r.released_from).unwrap_or(Phase::Succeeded),
            },
            10 => match self.renames.get(address) {
                Some((from, _)) if action == Action::Move => Reason::RenamedFrom { from: (*from).clone() },
                Some((from, _)) => Reason::RenamedWhileOpen { from: (*from).clone() },
                None => Reason::New,
            },
            11 if resource.is_some() => Reason::DeclaredAgain,
            11 => Reason::New,
            12 if error().is_some_and(|e| e.is_permanent()) => {
                Reason::RefusedForGood { error: error().unwrap_or_default() }
            }
            12 => Reason::NoAttemptsLeft { attempts, max: policy.max_attempts, error: error() },
            13 => Reason::RefusedBefore {
                error: error().unwrap_or_default(),
                attempt: next_attempt,
                max: policy.max_attempts,
            },
            14 => target(),
            15 if seen.facts.busy == Busy::Own => Reason::BusyWithOwn { id: running_id() },
            15 => Reason::BusyNotLooked,
            16 => match (policy.on_in_progress, action) {
                (_, Action::Adopt) => {
                    Reason::AdoptRunning { id: running_id(), requestor: requestor(), created_at: began() }
                }
                (OnInProgress::Adopt, _) => Reason::RunningTooOld {
                    id: running_id(),
                    created_at: began(),
                    within: policy.adopt_within,
                },
                (OnInProgress::Wait, _) => {
                    Reason::WaitForRunning { id: running_id(), requestor: requestor() }
                }
                (OnInProgress::Fail, _) => Reason::FailOnRunning { id: running_id(), requestor: requestor() },
            },
            17 => Reason::AdoptFinished { id: running_id(), requestor: requestor() },
            18 => match seen.other_type {
                Some(t) => Reason::BusyWithOtherType { action_type: t.to_owned() },
                None => Reason::FreeNow,
            },
            19 => Reason::Gone { id: id() },
            20 => Reason::RunningTextDiffers { fields: seen.edited.clone() },
            21 if !seen.facts.same_target => Reason::OldStillRuns { id: id() },
            21 => Reason::Running {
                status: resource.and_then(|r| r.status.as_deref()).unwrap_or_default().to_owned(),
                looked: seen.facts.running != Running::NotLooked,
            },
            22 => target(),
            23 => Reason::RetryLater { at: seen.retry_at },
            24 if action == Action::Exhausted => {
                Reason::NoAttemptsLeft { attempts, max: policy.max_attempts, error: error() }
            }
            24 => Reason::RetryNow {
                status: resource.and_then(|r| r.status.as_deref()).unwrap_or_default().to_owned(),
                attempt: next_attempt,
                max: policy.max_attempts,
            },
            25 => Reason::Cancelled { by: resource.and_then(|r| (*r.cancelled_by).clone()) },
            26 => Reason::TriageDiffers { fields: seen.triage.iter().map(|(n, _, _)| *n).collect() },
            27 => Reason::TextDiffers { fields: seen.edited.clone() },
            31 => match (action, resource.and_then(|r| r.side.as_ref())) {
                (Action::Wait, Some(side)) => Reason::SideCallOpen { action: side.action },
                (Action::Cancel, _) => Reason::CancelOnRemove,
                (Action::Resolve, _) => Reason::ResolveOnRemove,
                (Action::None, _) => {
                    Reason::LeftGroup { left: self.left(address).cloned().unwrap_or(Left::NotLooked) }
                }
                _ => Reason::ManifestGone,
            },
            _ if seen.gone => Reason::DoneAndGone,
            _ => Reason::Done,
        }
    }
}
