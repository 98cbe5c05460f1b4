//! Stable kebab-case names of reasons and warnings, for programs that read the JSON documents.

use crate::plan::{PlanWarning, Reason, Warning, guard};

/// Gives each reason its code, and lists the codes: a variant without one does not compile.
macro_rules! reasons {
    ($($variant:ident: $code:literal,)*) => {
        /// Every code that [`reason`] gives.
        pub const REASONS: &[&str] = &[$($code),*];

        /// The code of a reason.
        pub fn reason(reason: &Reason) -> &'static str {
            match reason {
                $(Reason::$variant { .. } => $code,)*
            }
        }
    };
}

reasons! {
    New: "new",
    DeclaredAgain: "declared-again",
    AskedByName: "asked-by-name",
    ReplaceDeclared: "replace-declared",
    ImportDeclared: "import-declared",
    ImportNotLooked: "import-not-looked",
    ImportRefused: "import-refused",
    MoveDeclared: "move-declared",
    MoveRefused: "move-refused",
    NewRevision: "new-revision",
    NewTarget: "new-target",
    FoundOurs: "found-ours",
    AlertShowsEvent: "alert-shows-event",
    FoundWatched: "found-watched",
    LookAlikes: "look-alikes",
    AlreadyThere: "already-there",
    IntentTooOld: "intent-too-old",
    OutcomeNotLooked: "outcome-not-looked",
    Settling: "settling",
    AskBeforeResend: "ask-before-resend",
    AnsweredOtherwise: "answered-otherwise",
    LostCall: "lost-call",
    KnownFromBefore: "known-from-before",
    RenamedFrom: "renamed-from",
    RenamedWhileOpen: "renamed-while-open",
    RefusedForGood: "refused-for-good",
    NoAttemptsLeft: "no-attempts-left",
    TimedOutAgain: "timed-out-again",
    RefusedBefore: "refused-before",
    BusyNotLooked: "busy-not-looked",
    BusyWithOwn: "busy-with-own",
    AdoptRunning: "adopt-running",
    RunningTooOld: "running-too-old",
    WaitForRunning: "wait-for-running",
    FailOnRunning: "fail-on-running",
    AdoptFinished: "adopt-finished",
    FreeNow: "free-now",
    BusyWithOtherType: "busy-with-other-type",
    Gone: "gone",
    RunningTextDiffers: "running-text-differs",
    Running: "running",
    OldStillRuns: "old-still-runs",
    RetryLater: "retry-later",
    RetryNow: "retry-now",
    Cancelled: "cancelled",
    TriageDiffers: "triage-differs",
    TriageLeft: "triage-left",
    TextDiffers: "text-differs",
    Done: "done",
    AlertNotShown: "alert-not-shown",
    ChangeRefused: "change-refused",
    DoneAndGone: "done-and-gone",
    CancelAsked: "cancel-asked",
    LeftGroup: "left-group",
    ManifestGone: "manifest-gone",
    CancelOnRemove: "cancel-on-remove",
    ResolveOnRemove: "resolve-on-remove",
    ResolveNotLooked: "resolve-not-looked",
    JudgedByPeople: "judged-by-people",
    SideCallOpen: "side-call-open",
    HeldBy: "held-by",
    Saved: "saved",
}

/// The name of a row warning's variant.
pub fn warning(warning: &Warning) -> &'static str {
    match warning {
        Warning::ActiveCollection { .. } => "active-collection",
        Warning::MergesIntoOpenAlert { .. } => "merges-into-open-alert",
        Warning::SameTitle { .. } => "same-title",
        Warning::SecondCollection { .. } => "second-collection",
        Warning::AddedToRunningIncident { .. } => "added-to-running-incident",
        Warning::AutomatedInvestigation => "automated-investigation",
        Warning::AdoptsForeign { .. } => "adopts-foreign",
        Warning::AlreadyThere { .. } => "already-there",
        Warning::ImportWaits { .. } => "import-waits",
        Warning::ImportOtherText => "import-other-text",
        Warning::ReplaceWaits { .. } => "replace-waits",
        Warning::ReplaceUnknown { .. } => "replace-unknown",
        Warning::Watched { .. } => "watched",
        Warning::LateArrival { .. } => "late-arrival",
        Warning::Protected { approved: None, .. } => guard::PROTECTED,
        Warning::Protected { approved: Some(_), .. } => guard::PROTECTED_APPROVED,
        Warning::NameUnknown { approved: None, .. } => guard::NAME_UNKNOWN,
        Warning::NameUnknown { approved: Some(_), .. } => guard::NAME_UNKNOWN_APPROVED,
        Warning::CommentRule { .. } => guard::COMMENT,
        Warning::TooOld { .. } => "sensor-too-old",
        Warning::UnknownMachine { .. } => "unknown-machine",
        Warning::OtherRecords { .. } => "other-records",
        Warning::QueryChanged => "query-changed",
        Warning::TriageLeft { .. } => "triage-left",
        Warning::Saved { .. } => "saved",
    }
}

/// The name of a plan warning's variant.
pub fn plan_warning(warning: &PlanWarning) -> &'static str {
    match warning {
        w @ PlanWarning::OverLimit { .. } if w.is_over_limit() => "over-limit",
        PlanWarning::OverLimit { .. } => "over-limit-approved",
        PlanWarning::Removals { .. } => "many-removals",
        PlanWarning::NotLooked { .. } => "not-looked",
        PlanWarning::LookAlikes { .. } => "look-alikes",
        PlanWarning::Beside { .. } => "manifests-beside",
        PlanWarning::NotCompared { .. } => "not-compared",
        PlanWarning::HeldBack { .. } => "held-back",
        PlanWarning::Left { .. } => "left-group",
        PlanWarning::EmptyGroup { .. } => "empty-group",
        PlanWarning::Skipped { .. } => "skipped-records",
        PlanWarning::Unresolved { .. } => "skipped-unresolved",
        PlanWarning::SealDrift { .. } => "seal-drift",
        PlanWarning::Narrowed { .. } => "narrowed",
    }
}
