//! Stable kebab-case names of reasons and warnings, for programs that read the JSON documents.

use crate::plan::{PlanWarning, Reason, Warning};

/// Every code that [`reason`] gives.
pub const REASONS: &[&str] = &[
    "new",
    "declared-again",
    "asked-by-name",
    "new-revision",
    "new-target",
    "found-ours",
    "alert-shows-event",
    "found-watched",
    "look-alikes",
    "intent-too-old",
    "outcome-not-looked",
    "settling",
    "ask-before-resend",
    "lost-call",
    "known-from-before",
    "renamed-from",
    "renamed-while-open",
    "refused-for-good",
    "no-attempts-left",
    "refused-before",
    "busy-not-looked",
    "busy-with-own",
    "adopt-running",
    "running-too-old",
    "wait-for-running",
    "fail-on-running",
    "adopt-finished",
    "free-now",
    "busy-with-other-type",
    "gone",
    "running-text-differs",
    "running",
    "old-still-runs",
    "retry-later",
    "retry-now",
    "cancelled",
    "triage-differs",
    "text-differs",
    "done",
    "done-and-gone",
    "manifest-gone",
    "cancel-on-remove",
    "resolve-on-remove",
    "side-call-open",
    "saved",
];

/// The name of a reason's variant.
pub fn reason(reason: &Reason) -> &'static str {
    match reason {
        Reason::New => "new",
        Reason::DeclaredAgain => "declared-again",
        Reason::AskedByName => "asked-by-name",
        Reason::NewRevision { .. } => "new-revision",
        Reason::NewTarget => "new-target",
        Reason::FoundOurs { .. } => "found-ours",
        Reason::AlertShowsEvent { .. } => "alert-shows-event",
        Reason::FoundWatched { .. } => "found-watched",
        Reason::LookAlikes { .. } => "look-alikes",
        Reason::IntentTooOld => "intent-too-old",
        Reason::OutcomeNotLooked => "outcome-not-looked",
        Reason::Settling { .. } => "settling",
        Reason::AskBeforeResend => "ask-before-resend",
        Reason::LostCall => "lost-call",
        Reason::KnownFromBefore { .. } => "known-from-before",
        Reason::RenamedFrom { .. } => "renamed-from",
        Reason::RenamedWhileOpen { .. } => "renamed-while-open",
        Reason::RefusedForGood { .. } => "refused-for-good",
        Reason::NoAttemptsLeft { .. } => "no-attempts-left",
        Reason::RefusedBefore { .. } => "refused-before",
        Reason::BusyNotLooked => "busy-not-looked",
        Reason::BusyWithOwn { .. } => "busy-with-own",
        Reason::AdoptRunning { .. } => "adopt-running",
        Reason::RunningTooOld { .. } => "running-too-old",
        Reason::WaitForRunning { .. } => "wait-for-running",
        Reason::FailOnRunning { .. } => "fail-on-running",
        Reason::AdoptFinished { .. } => "adopt-finished",
        Reason::FreeNow => "free-now",
        Reason::BusyWithOtherType { .. } => "busy-with-other-type",
        Reason::Gone { .. } => "gone",
        Reason::RunningTextDiffers { .. } => "running-text-differs",
        Reason::Running { .. } => "running",
        Reason::OldStillRuns { .. } => "old-still-runs",
        Reason::RetryLater { .. } => "retry-later",
        Reason::RetryNow { .. } => "retry-now",
        Reason::Cancelled { .. } => "cancelled",
        Reason::TriageDiffers { .. } => "triage-differs",
        Reason::TextDiffers { .. } => "text-differs",
        Reason::Done => "done",
        Reason::DoneAndGone => "done-and-gone",
        Reason::ManifestGone => "manifest-gone",
        Reason::CancelOnRemove => "cancel-on-remove",
        Reason::ResolveOnRemove => "resolve-on-remove",
        Reason::SideCallOpen { .. } => "side-call-open",
        Reason::Saved { .. } => "saved",
    }
}

/// The name of a row warning's variant.
pub fn warning(warning: &Warning) -> &'static str {
    match warning {
        Warning::ActiveCollection { .. } => "active-collection",
        Warning::MergesIntoOpenAlert { .. } => "merges-into-open-alert",
        Warning::SameTitle { .. } => "same-title",
        Warning::SecondCollection { .. } => "second-collection",
        Warning::AutomatedInvestigation => "automated-investigation",
        Warning::AdoptsForeign { .. } => "adopts-foreign",
        Warning::Watched { .. } => "watched",
        Warning::LateArrival { .. } => "late-arrival",
        Warning::Saved { .. } => "saved",
    }
}

/// The name of a plan warning's variant.
pub fn plan_warning(warning: &PlanWarning) -> &'static str {
    match warning {
        PlanWarning::OverLimit { .. } => "over-limit",
        PlanWarning::NotLooked { .. } => "not-looked",
        PlanWarning::LookAlikes { .. } => "look-alikes",
        PlanWarning::Narrowed { .. } => "narrowed",
    }
}
