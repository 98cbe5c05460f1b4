//! Why a row is what it is: the decided row and its facts as a [`Reason`].

use super::action::Action;
use super::facts::{Busy, Lookup, Removal, Running};
use super::gather::Findings;
use super::planner::Planner;
use super::reason::Reason;
use super::surgery::{DeclaredMove, Import};
use super::table::Row;
use super::targets::Left;
use crate::model::{Address, Desired, Kind, OnInProgress, Policy};
use crate::state::{CallAction, Phase, Resource};

impl Planner<'_> {
    pub(super) fn reason(
        &self,
        address: &Address,
        desired: Option<&Desired>,
        resource: Option<&Resource>,
        found: &Findings<'_>,
        row: Row,
        action: Action,
    ) -> Reason {
        let policy = desired.map(|d| d.policy).unwrap_or_default();
        let id = || resource.and_then(|r| r.id.clone()).unwrap_or_default();
        let found_id = || found.lookup.object.as_ref().map(|o| o.id.clone()).unwrap_or_default();
        let running_id = || found.running.map(|a| a.id.clone()).unwrap_or_default();
        let error = || resource.and_then(|r| r.error.as_deref().cloned());
        let attempts = resource.map_or(0, |r| r.attempts);
        let same_digest = found.facts.same_target && found.facts.same_text;
        let next_attempt = if same_digest { attempts + 1 } else { 1 };
        let target = || match (desired, resource) {
            (Some(d), Some(r)) if d.revision != r.sent.revision => {
                Reason::NewRevision { from: r.sent.revision, to: d.revision }
            }
            _ => Reason::NewTarget,
        };
        match row {
            Row::AskedByName | Row::MovedByManifest | Row::ImportedByManifest => {
                self.surgery(address, desired, found, row, action)
            }
            Row::OursFound => Reason::FoundOurs { id: found_id() },
            Row::AlertShowsEvent => Reason::AlertShowsEvent { id: found_id() },
            Row::OutcomeUnclear if found.lookup.lookup == Lookup::TooOld => Reason::IntentTooOld,
            Row::OutcomeUnclear => Reason::LookAlikes { ids: found.lookup.ids.clone() },
            Row::OutcomeOpen => match found.lookup.until {
                Some(until) => Reason::Settling { until },
                None => Reason::OutcomeNotLooked,
            },
            Row::WatchedFound => Reason::FoundWatched {
                id: found.watched.as_ref().map(|(_, o)| o.id.clone()).unwrap_or_default(),
            },
            Row::AskBeforeResend => match resource.and_then(|r| r.open.as_ref()).map(|o| &o.attempt) {
                Some(attempt) if attempt.other.is_some() => {
                    Reason::AnsweredOtherwise { why: attempt.why.clone().unwrap_or_default() }
                }
                _ => already_there(found).unwrap_or(Reason::AskBeforeResend),
            },
            Row::LostCall => Reason::LostCall,
            Row::KnownFromBefore => Reason::KnownFromBefore {
                phase: resource.and_then(|r| r.released_from).unwrap_or(Phase::Succeeded),
            },
            Row::Renamed => match self.renames.get(address) {
                Some((from, _)) if action == Action::Move => Reason::RenamedFrom { from: (*from).clone() },
                Some((from, _)) => Reason::RenamedWhileOpen { from: (*from).clone() },
                None => Reason::New,
            },
            Row::LookAlike => already_there(found).unwrap_or(Reason::New),
            Row::New if resource.is_some() => Reason::DeclaredAgain,
            Row::New => Reason::New,
            Row::RefusedForGood if error().is_some_and(|e| e.is_permanent()) => {
                Reason::RefusedForGood { error: error().unwrap_or_default() }
            }
            Row::RefusedForGood => {
                Reason::NoAttemptsLeft { attempts, max: policy.max_attempts, error: error() }
            }
            Row::RefusedBefore => Reason::RefusedBefore {
                error: error().unwrap_or_default(),
                attempt: next_attempt,
                max: policy.max_attempts,
            },
            Row::PendingElsewhere => target(),
            Row::BusyWithOwn if found.facts.busy == Busy::Own => Reason::BusyWithOwn { id: running_id() },
            Row::BusyWithOwn => Reason::BusyNotLooked,
            Row::BusyWithOther => of_busy(policy, found, action),
            Row::OtherSucceeded => Reason::AdoptFinished { id: running_id(), requestor: requestor(found) },
            Row::FreeAgain => match found.other_type {
                Some(t) => Reason::BusyWithOtherType { action_type: t.to_owned() },
                None => Reason::FreeNow,
            },
            Row::Gone => Reason::Gone { id: id() },
            Row::RunningTextDiffers => Reason::RunningTextDiffers { fields: found.edited.clone() },
            Row::StillRuns if !found.facts.same_target => Reason::OldStillRuns { id: id() },
            Row::StillRuns => Reason::Running {
                status: resource.and_then(|r| r.status.as_deref()).unwrap_or_default().to_owned(),
                looked: found.facts.running != Running::NotLooked,
            },
            Row::NewTarget => target(),
            Row::FailedLately => Reason::RetryLater { at: found.retry_at },
            Row::Failed if action == Action::Exhausted && attempts < policy.max_attempts => {
                Reason::TimedOutAgain { times: resource.map_or(0, |r| r.time_outs) }
            }
            Row::Failed if action == Action::Exhausted => {
                Reason::NoAttemptsLeft { attempts, max: policy.max_attempts, error: error() }
            }
            Row::Failed => Reason::RetryNow {
                status: resource.and_then(|r| r.status.as_deref()).unwrap_or_default().to_owned(),
                attempt: next_attempt,
                max: policy.max_attempts,
            },
            Row::Cancelled => Reason::Cancelled { by: resource.and_then(|r| r.cancelled_by.to_inner()) },
            Row::TriageDiffers => match action {
                Action::Wait => Reason::AlertNotShown { id: id() },
                Action::Exhausted => refused(resource, CallAction::Update),
                _ => Reason::TriageDiffers { fields: found.triage.names() },
            },
            Row::TriageLeft => Reason::TriageLeft { fields: found.triage.left.clone() },
            Row::TextDiffers => Reason::TextDiffers { fields: found.edited.clone() },
            Row::Removed => self.manifest_gone(address, resource, found, action),
            Row::Done if found.gone => Reason::DoneAndGone,
            // The last three have no row in the plan.
            Row::Done | Row::MovedAway | Row::NotPlanned | Row::Forgotten => Reason::Done,
        }
    }

    /// Explains a request that a person made, by a flag or in the manifest.
    fn surgery(
        &self,
        address: &Address,
        desired: Option<&Desired>,
        found: &Findings<'_>,
        row: Row,
        action: Action,
    ) -> Reason {
        match row {
            Row::AskedByName => match desired.and_then(Desired::replace) {
                Some(id) if !found.replaces.is_empty() && !self.input.replace.contains(address) => {
                    Reason::ReplaceDeclared { id: id.to_owned() }
                }
                _ => Reason::AskedByName,
            },
            Row::MovedByManifest => match self.moves.get(address) {
                Some(DeclaredMove { from, refused: Some(why), .. }) => {
                    Reason::MoveRefused { from: (*from).clone(), why: *why }
                }
                Some(m) if action == Action::Move => Reason::MoveDeclared { from: m.from.clone() },
                Some(m) => Reason::RenamedWhileOpen { from: m.from.clone() },
                None => Reason::New,
            },
            _ => {
                let id = desired.and_then(Desired::import).unwrap_or_default().to_owned();
                match &found.import {
                    Some(Import::Fits { object, .. }) => Reason::ImportDeclared {
                        id,
                        status: object.status.clone(),
                        requestor: object.requestor.clone(),
                        created_at: object.created_at.clone(),
                    },
                    Some(Import::Refused(why)) => Reason::ImportRefused { id, why: why.clone() },
                    Some(Import::NotLooked) | None => Reason::ImportNotLooked { id },
                }
            }
        }
    }

    /// Explains the row of a resource whose manifest is gone.
    fn manifest_gone(
        &self,
        address: &Address,
        resource: Option<&Resource>,
        found: &Findings<'_>,
        action: Action,
    ) -> Reason {
        match (action, resource.and_then(|r| r.side.as_ref())) {
            (Action::Wait, Some(side)) => Reason::SideCallOpen { action: side.action },
            (Action::Cancel, _) => Reason::CancelOnRemove,
            (Action::Resolve, _) => Reason::ResolveOnRemove,
            (Action::Exhausted, _) if address.kind() == Kind::Alert => refused(resource, CallAction::Resolve),
            (Action::Exhausted, _) => refused(resource, CallAction::Cancel),
            (Action::Wait, None) => Reason::ResolveNotLooked,
            (Action::Forget, _) if found.facts.removal == Removal::LeaveJudged => Reason::JudgedByPeople,
            (Action::NoOp, _) => {
                Reason::LeftGroup { left: self.left(address).cloned().unwrap_or(Left::NotLooked) }
            }
            _ => Reason::ManifestGone,
        }
    }
}

/// Another action keeps the machine busy.
fn of_busy(policy: Policy, found: &Findings<'_>, action: Action) -> Reason {
    let id = found.running.map(|a| a.id.clone()).unwrap_or_default();
    let requestor = requestor(found);
    let created_at = found.running.and_then(|a| a.creation_date_time_utc.clone());
    match (policy.on_in_progress, action) {
        (_, Action::Adopt) => Reason::AdoptRunning { id, requestor, created_at },
        (OnInProgress::Adopt, _) => Reason::RunningTooOld { id, created_at, within: policy.adopt_within },
        (OnInProgress::Wait, _) => Reason::WaitForRunning { id, requestor },
        (OnInProgress::Fail, _) => Reason::FailOnRunning { id, requestor },
    }
}

fn requestor(found: &Findings<'_>) -> Option<String> {
    found.running.and_then(|a| a.requestor.clone())
}

/// The service refused to change the object.
fn refused(resource: Option<&Resource>, action: CallAction) -> Reason {
    let error = resource.and_then(|r| r.refused.as_ref()).map(|r| r.error.clone()).unwrap_or_default();
    Reason::ChangeRefused { action, error }
}

/// The latest look-alike that the service shows.
fn already_there(found: &Findings<'_>) -> Option<Reason> {
    let (last, others) = found.alike.split_last()?;
    Some(Reason::AlreadyThere {
        id: last.id.clone(),
        requestor: last.requestor.clone(),
        created_at: last.created_at.clone(),
        others: others.len(),
    })
}
