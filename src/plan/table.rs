//! The decision table of `docs/reconciliation.md`, row for row: the first row that fits counts.

use super::action::Action;
use super::facts::{
    Busy, Facts, Importing, Lookup, Moving, OnUnknown, Removal, Rename, Running, TriageStanding,
};
use crate::model::OnInProgress;
use crate::state::Phase;

/// A row of the table, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// Named by `--replace`, or its object by the manifest's `replace`.
    AskedByName,
    /// An unknown outcome, and an object that is ours.
    OursFound,
    /// An unknown outcome, and an open alert of somebody else that shows our event.
    AlertShowsEvent,
    /// An unknown outcome that only a person can tell.
    OutcomeUnclear,
    /// An unknown outcome that may still become known.
    OutcomeOpen,
    /// A given-up attempt has turned up.
    WatchedFound,
    /// Our lost call is absent, and a person shall decide.
    AskBeforeResend,
    /// Our lost call is absent.
    LostCall,
    /// Released, and declared again as it was.
    KnownFromBefore,
    /// A renamed manifest.
    Renamed,
    /// A resource that would be asked for, and the service shows it already.
    LookAlike,
    /// A resource without a record that counts.
    New,
    /// Refused for good, or too often.
    RefusedForGood,
    /// Refused, and attempts are left.
    RefusedBefore,
    /// Busy, and another target is declared by now.
    PendingElsewhere,
    /// Busy with an earlier attempt of ours, or not looked at.
    BusyWithOwn,
    /// Busy with a collection of somebody else, or of another resource.
    BusyWithOther,
    /// The collection that was in the way has succeeded.
    OtherSucceeded,
    /// Nothing is in the way any more.
    FreeAgain,
    /// The running collection is gone.
    Gone,
    /// Still running, and the text was edited.
    RunningTextDiffers,
    /// Still running.
    StillRuns,
    /// Another target is declared.
    NewTarget,
    /// Failed a moment ago.
    FailedLately,
    /// Failed.
    Failed,
    /// Cancelled by a person or by us.
    Cancelled,
    /// The alert has another triage than the declared one, and nobody else has changed that.
    TriageDiffers,
    /// The alert shows another triage than the declared one, as people left it.
    TriageLeft,
    /// Done, and the text was edited.
    TextDiffers,
    /// Done, and as declared.
    Done,
    /// Not declared any more: a renamed manifest continues it.
    MovedAway,
    /// Not declared, and the plan is narrowed.
    NotPlanned,
    /// Not declared any more.
    Removed,
    /// Not declared, and released already.
    Forgotten,
    /// The manifest says from where it was moved.
    MovedByManifest,
    /// The manifest names an object that it takes over.
    ImportedByManifest,
}

impl Row {
    /// The row's number in `docs/reconciliation.md`, from 1.
    pub fn number(self) -> u8 {
        self as u8 + 1
    }

    /// Returns whether the row asks for what its resource has never asked for: a new one, or a new target or revision.
    pub fn asks_for_something_new(self) -> bool {
        matches!(self, Row::New | Row::NewTarget | Row::PendingElsewhere)
    }

    /// Returns the row with this number; none for 0, which stands for no row.
    pub fn from_number(number: u8) -> Option<Row> {
        TABLE.get(usize::from(number).checked_sub(1)?).map(|rule| rule.row)
    }
}

/// A row's condition and what it does. An action of `None` means that the resource gets no row in the plan.
struct Rule {
    row: Row,
    fits: fn(&Facts) -> bool,
    action: fn(&Facts) -> Option<Action>,
}

macro_rules! rules {
    ($($row:ident: $fits:expr => $action:expr;)*) => {
        [$(Rule { row: Row::$row, fits: $fits, action: $action }),*]
    };
}

const ACTIVE_OR_UNSEEN: [Running; 2] = [Running::Active, Running::NotLooked];
const NOT_GONE: [Running; 3] = [Running::Active, Running::NotLooked, Running::UnknownStatus];

/// How many rows there were when a row's number was its place in the order too. Those behind them came later, and are
/// asked before them: a number that documents hold never changes.
const NUMBERED_IN_ORDER: usize = Row::Forgotten as usize + 1;

static TABLE: [Rule; 36] = rules! {
    AskedByName: |f| f.desired && f.replace && f.moving == Moving::No && f.importing == Importing::No
        && !f.running_is(&ACTIVE_OR_UNSEEN)
        && !(f.is(Phase::Requested) && f.lookup == Lookup::InFlight)
        => |_| Some(Action::Replace);
    OursFound: |f| f.is(Phase::Requested) && f.lookup == Lookup::Ours => |_| Some(Action::Adopt);
    AlertShowsEvent: |f| f.is(Phase::Requested) && f.lookup == Lookup::OpenAlert => |_| Some(Action::Adopt);
    OutcomeUnclear: |f| f.is(Phase::Requested) && matches!(f.lookup, Lookup::LookAlikes | Lookup::TooOld)
        => |_| Some(Action::Unresolved);
    OutcomeOpen: |f| f.is(Phase::Requested)
        && matches!(f.lookup, Lookup::NotLooked | Lookup::InFlight | Lookup::Settling)
        => |_| Some(Action::Wait);
    WatchedFound: |f| f.desired && f.takes_watched() => |_| Some(Action::Adopt);
    AskBeforeResend: |f| f.desired && f.is(Phase::Requested)
        && (f.on_unknown == OnUnknown::Ask || f.answered_otherwise || f.look_alike)
        => |_| Some(Action::Unresolved);
    LostCall: |f| f.desired && f.is(Phase::Requested) => |_| Some(Action::Create);
    KnownFromBefore: |f| f.desired && f.is(Phase::Released) && f.holds_id && f.same_target => |_| Some(Action::NoOp);
    Renamed: |f| f.desired && f.unclaimed() && f.rename != Rename::No
        => |f| Some(if f.rename == Rename::WhileOpen { Action::Wait } else { Action::Move });
    LookAlike: |f| f.desired && f.look_alike && f.asks_by_itself() => |_| Some(Action::Unresolved);
    New: |f| f.desired && f.unclaimed() => |_| Some(Action::Create);
    RefusedForGood: |f| f.desired && f.is(Phase::Rejected) && f.same_digest() && f.refused_for_good
        => |_| Some(Action::Exhausted);
    RefusedBefore: |f| f.desired && f.is(Phase::Rejected) => |_| Some(Action::Create);
    PendingElsewhere: |f| f.desired && f.is(Phase::Pending) && !f.same_target => |_| Some(Action::Create);
    BusyWithOwn: |f| f.desired && f.is(Phase::Pending) && matches!(f.busy, Busy::NotLooked | Busy::Own)
        => |_| Some(Action::Wait);
    BusyWithOther: |f| f.desired && f.is(Phase::Pending) && matches!(f.busy, Busy::Other { .. })
        => |f| Some(match (f.on_in_progress, f.busy) {
            (OnInProgress::Adopt, Busy::Other { recent: true }) => Action::Adopt,
            (OnInProgress::Adopt | OnInProgress::Wait, _) => Action::Wait,
            (OnInProgress::Fail, _) => Action::Unresolved,
        });
    OtherSucceeded: |f| f.desired && f.is(Phase::Pending) && f.on_in_progress == OnInProgress::Adopt
        && f.busy == Busy::SucceededSince
        => |_| Some(Action::Adopt);
    FreeAgain: |f| f.desired && f.is(Phase::Pending) => |_| Some(Action::Create);
    Gone: |f| f.desired && f.same_target && f.running_is(&[Running::Gone]) => |_| Some(Action::Unresolved);
    RunningTextDiffers: |f| f.desired && f.same_target && f.running_is(&NOT_GONE) && !f.same_text
        => |_| Some(Action::Differs);
    StillRuns: |f| f.desired && f.running_is(&NOT_GONE) => |_| Some(Action::Wait);
    NewTarget: |f| f.desired && f.asks_anew() => |_| Some(Action::Replace);
    FailedLately: |f| f.desired && f.is(Phase::Failed) && !f.retry_due => |_| Some(Action::Wait);
    Failed: |f| f.desired && f.is(Phase::Failed)
        => |f| Some(if f.attempts_left { Action::Retry } else { Action::Exhausted });
    Cancelled: |f| f.desired && f.is(Phase::Cancelled) => |_| Some(Action::NoOp);
    TriageDiffers: |f| f.desired && f.is(Phase::Succeeded)
        && matches!(f.triage, TriageStanding::Due | TriageStanding::NotShown | TriageStanding::Refused)
        => |f| Some(match f.triage {
            TriageStanding::NotShown => Action::Wait,
            TriageStanding::Refused => Action::Exhausted,
            TriageStanding::AsDeclared | TriageStanding::Due | TriageStanding::Left => Action::Update,
        });
    TriageLeft: |f| f.desired && f.is(Phase::Succeeded) && f.triage == TriageStanding::Left
        => |_| Some(Action::Differs);
    TextDiffers: |f| f.desired && f.is(Phase::Succeeded) && !f.same_text => |_| Some(Action::Differs);
    Done: |f| f.desired => |_| Some(Action::NoOp);
    MovedAway: |f| f.taken_by_move => |_| None;
    NotPlanned: |f| !f.whole => |_| None;
    Removed: |f| f.phase.is_some() && !f.is(Phase::Released)
        => |f| Some(match f.removal {
            Removal::Forget | Removal::LeaveJudged => Action::Forget,
            Removal::Cancel => Action::Cancel,
            Removal::Resolve => Action::Resolve,
            Removal::Wait | Removal::WaitForLook => Action::Wait,
            Removal::Refused => Action::Exhausted,
            Removal::Keep => Action::NoOp,
        });
    Forgotten: |_| true => |_| None;
    MovedByManifest: |f| f.desired && f.moving != Moving::No && !f.settles_first()
        => |f| Some(match f.moving {
            Moving::WhileOpen => Action::Wait,
            Moving::Refused => Action::Unresolved,
            Moving::Yes | Moving::No => Action::Move,
        });
    ImportedByManifest: |f| f.desired && f.importing != Importing::No && !f.settles_first() && !f.takes_watched()
        && !f.running_is(&NOT_GONE)
        => |f| Some(match f.importing {
            Importing::NotLooked => Action::Wait,
            Importing::Refused => Action::Unresolved,
            Importing::Fits | Importing::No => Action::Adopt,
        });
};

/// Returns the first row that fits, and what it does. Total: the last one that is asked fits everything.
pub fn decide(facts: &Facts) -> (Row, Option<Action>) {
    let (rows, asked_first) = TABLE.split_at(NUMBERED_IN_ORDER);
    let last = &TABLE[NUMBERED_IN_ORDER - 1];
    let rule = asked_first.iter().chain(rows).find(|rule| (rule.fits)(facts)).unwrap_or(last);
    (rule.row, (rule.action)(facts))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The table once more, told by phase instead of by row.
    fn by_phase(f: &Facts) -> (Row, Option<Action>) {
        use Action::*;
        if let Some(told) = by_manifest(f) {
            return told;
        }
        let by_manifest = f.moving != Moving::No || f.importing != Importing::No;
        let to_replace = f.desired && f.replace && !by_manifest;
        let Some(phase) = f.phase else {
            return match (f.desired, to_replace, f.rename) {
                (true, true, _) => (Row::AskedByName, Some(Replace)),
                (true, _, Rename::No) if f.look_alike => (Row::LookAlike, Some(Unresolved)),
                (true, _, Rename::No) => (Row::New, Some(Create)),
                (true, _, Rename::WhileOpen) => (Row::Renamed, Some(Wait)),
                (true, _, Rename::Yes) => (Row::Renamed, Some(Move)),
                (false, ..) => no_row(f),
            };
        };
        if phase == Phase::Requested {
            if to_replace && f.lookup != Lookup::InFlight {
                return (Row::AskedByName, Some(Replace));
            }
            return match f.lookup {
                Lookup::Ours => (Row::OursFound, Some(Adopt)),
                Lookup::OpenAlert => (Row::AlertShowsEvent, Some(Adopt)),
                Lookup::LookAlikes | Lookup::TooOld => (Row::OutcomeUnclear, Some(Unresolved)),
                Lookup::NotLooked | Lookup::InFlight | Lookup::Settling => (Row::OutcomeOpen, Some(Wait)),
                Lookup::Absent if !f.desired => removed(f),
                Lookup::Absent if f.watched_found => (Row::WatchedFound, Some(Adopt)),
                Lookup::Absent if f.on_unknown == OnUnknown::Ask || f.answered_otherwise || f.look_alike => {
                    (Row::AskBeforeResend, Some(Unresolved))
                }
                Lookup::Absent => (Row::LostCall, Some(Create)),
            };
        }
        if !f.desired {
            return removed(f);
        }
        let may_replace =
            phase != Phase::InProgress || !matches!(f.running, Running::Active | Running::NotLooked);
        if to_replace && may_replace {
            return (Row::AskedByName, Some(Replace));
        }
        if f.watched_found && !matches!(phase, Phase::InProgress | Phase::Succeeded) {
            return (Row::WatchedFound, Some(Adopt));
        }
        match (phase, f.same_target, f.same_text) {
            (Phase::Requested, ..) => unreachable!("told above"),
            (Phase::Released, true, _) if f.holds_id => (Row::KnownFromBefore, Some(NoOp)),
            (Phase::Released, ..) => match f.rename {
                Rename::No if f.look_alike => (Row::LookAlike, Some(Unresolved)),
                Rename::No => (Row::New, Some(Create)),
                Rename::WhileOpen => (Row::Renamed, Some(Wait)),
                Rename::Yes => (Row::Renamed, Some(Move)),
            },
            (Phase::Rejected, true, true) if f.refused_for_good => (Row::RefusedForGood, Some(Exhausted)),
            (Phase::Rejected, ..) if f.look_alike => (Row::LookAlike, Some(Unresolved)),
            (Phase::Rejected, ..) => (Row::RefusedBefore, Some(Create)),
            (Phase::Pending, false, _) if f.look_alike => (Row::LookAlike, Some(Unresolved)),
            (Phase::Pending, false, _) => (Row::PendingElsewhere, Some(Create)),
            (Phase::Pending, true, _) => match (f.busy, f.on_in_progress) {
                (Busy::Free, _) if f.look_alike => (Row::LookAlike, Some(Unresolved)),
                (Busy::SucceededSince, OnInProgress::Wait | OnInProgress::Fail) if f.look_alike => {
                    (Row::LookAlike, Some(Unresolved))
                }
                (Busy::NotLooked | Busy::Own, _) => (Row::BusyWithOwn, Some(Wait)),
                (Busy::Other { recent: true }, OnInProgress::Adopt) => (Row::BusyWithOther, Some(Adopt)),
                (Busy::Other { .. }, OnInProgress::Fail) => (Row::BusyWithOther, Some(Unresolved)),
                (Busy::Other { .. }, _) => (Row::BusyWithOther, Some(Wait)),
                (Busy::SucceededSince, OnInProgress::Adopt) => (Row::OtherSucceeded, Some(Adopt)),
                (Busy::SucceededSince | Busy::Free, _) => (Row::FreeAgain, Some(Create)),
            },
            (Phase::InProgress, true, _) if f.running == Running::Gone => (Row::Gone, Some(Unresolved)),
            (Phase::InProgress, true, false) => (Row::RunningTextDiffers, Some(Differs)),
            (Phase::InProgress, false, _) if f.running == Running::Gone && f.look_alike => {
                (Row::LookAlike, Some(Unresolved))
            }
            (Phase::InProgress, false, _) if f.running == Running::Gone => (Row::NewTarget, Some(Replace)),
            (Phase::InProgress, ..) => (Row::StillRuns, Some(Wait)),
            (_, false, _) if f.look_alike => (Row::LookAlike, Some(Unresolved)),
            (_, false, _) => (Row::NewTarget, Some(Replace)),
            (Phase::Failed, ..) if !f.retry_due => (Row::FailedLately, Some(Wait)),
            (Phase::Failed, ..) if f.attempts_left && f.look_alike => (Row::LookAlike, Some(Unresolved)),
            (Phase::Failed, ..) if f.attempts_left => (Row::Failed, Some(Retry)),
            (Phase::Failed, ..) => (Row::Failed, Some(Exhausted)),
            (Phase::Cancelled, ..) => (Row::Cancelled, Some(NoOp)),
            (Phase::Succeeded, ..) if f.triage == TriageStanding::Due => (Row::TriageDiffers, Some(Update)),
            (Phase::Succeeded, ..) if f.triage == TriageStanding::NotShown => {
                (Row::TriageDiffers, Some(Wait))
            }
            (Phase::Succeeded, ..) if f.triage == TriageStanding::Refused => {
                (Row::TriageDiffers, Some(Exhausted))
            }
            (Phase::Succeeded, ..) if f.triage == TriageStanding::Left => (Row::TriageLeft, Some(Differs)),
            (Phase::Succeeded, _, false) => (Row::TextDiffers, Some(Differs)),
            (Phase::Succeeded, ..) => (Row::Done, Some(NoOp)),
        }
    }

    /// The effect of `moved` and `import`, before anything else is asked.
    fn by_manifest(f: &Facts) -> Option<(Row, Option<Action>)> {
        let needs_nobody = match (f.phase, f.lookup) {
            (Some(Phase::Requested), Lookup::LookAlikes | Lookup::TooOld | Lookup::Absent) => false,
            (phase, _) => phase == Some(Phase::Requested),
        };
        if !f.desired || needs_nobody {
            return None;
        }
        let moved = match f.moving {
            Moving::No => None,
            Moving::Yes => Some(Action::Move),
            Moving::WhileOpen => Some(Action::Wait),
            Moving::Refused => Some(Action::Unresolved),
        };
        if moved.is_some() {
            return Some((Row::MovedByManifest, moved));
        }
        let runs = f.phase == Some(Phase::InProgress) && f.running != Running::Gone;
        let done = matches!(f.phase, None | Some(Phase::InProgress | Phase::Succeeded));
        if runs || f.watched_found && !done {
            return None;
        }
        let imported = match f.importing {
            Importing::No => None,
            Importing::NotLooked => Some(Action::Wait),
            Importing::Fits => Some(Action::Adopt),
            Importing::Refused => Some(Action::Unresolved),
        };
        imported.is_some().then_some((Row::ImportedByManifest, imported))
    }

    fn no_row(f: &Facts) -> (Row, Option<Action>) {
        (
            if f.taken_by_move {
                Row::MovedAway
            } else if !f.whole {
                Row::NotPlanned
            } else {
                Row::Forgotten
            },
            None,
        )
    }

    fn removed(f: &Facts) -> (Row, Option<Action>) {
        if f.taken_by_move || !f.whole || f.phase == Some(Phase::Released) {
            return no_row(f);
        }
        let action = match f.removal {
            Removal::Forget | Removal::LeaveJudged => Action::Forget,
            Removal::Cancel => Action::Cancel,
            Removal::Resolve => Action::Resolve,
            Removal::Wait | Removal::WaitForLook => Action::Wait,
            Removal::Refused => Action::Exhausted,
            Removal::Keep => Action::NoOp,
        };
        (Row::Removed, Some(action))
    }

    fn any_of<T: Clone + std::fmt::Debug + 'static>(all: Vec<T>) -> impl Strategy<Value = T> {
        prop::sample::select(all)
    }

    prop_compose! {
        fn facts()(
            bools in prop::array::uniform13(any::<bool>()),
            triage in any_of(vec![TriageStanding::AsDeclared, TriageStanding::Due, TriageStanding::NotShown,
                TriageStanding::Refused, TriageStanding::Left]),
            phase in prop::option::weighted(0.9, any_of(Phase::ALL.to_vec())),
            lookup in any_of(vec![Lookup::NotLooked, Lookup::InFlight, Lookup::Settling, Lookup::Ours,
                Lookup::OpenAlert, Lookup::LookAlikes, Lookup::TooOld, Lookup::Absent]),
            busy in any_of(vec![Busy::NotLooked, Busy::Own, Busy::Other { recent: true },
                Busy::Other { recent: false }, Busy::SucceededSince, Busy::Free]),
            running in any_of(vec![Running::NotLooked, Running::Active, Running::UnknownStatus, Running::Gone]),
            moving in any_of(vec![Moving::No, Moving::No, Moving::Yes, Moving::WhileOpen, Moving::Refused]),
            importing in any_of(vec![Importing::No, Importing::No, Importing::NotLooked, Importing::Fits,
                Importing::Refused]),
            rename in any_of(vec![Rename::No, Rename::WhileOpen, Rename::Yes]),
            on_in_progress in any_of(vec![OnInProgress::Adopt, OnInProgress::Wait, OnInProgress::Fail]),
            removal in any_of(vec![
                Removal::Forget, Removal::Cancel, Removal::Resolve, Removal::Wait, Removal::Keep,
                Removal::WaitForLook, Removal::LeaveJudged, Removal::Refused,
            ]),
        ) -> Facts {
            let [desired, whole, replace, holds_id, same_target, same_text, watched_found, ask,
                refused_for_good, retry_due, attempts_left, answered_otherwise, look_alike] = bools;
            Facts {
                desired, whole, moving, importing, replace, phase, holds_id, same_target, same_text, lookup, watched_found,
                on_unknown: if ask { OnUnknown::Ask } else { OnUnknown::Resend },
                answered_otherwise,
                rename, look_alike, refused_for_good, busy, on_in_progress, running, retry_due, attempts_left,
                triage, taken_by_move: !desired && rename == Rename::Yes, removal,
            }
        }
    }

    #[test]
    fn rules_stand_in_the_order_of_their_rows() {
        for (i, rule) in TABLE.iter().enumerate() {
            assert_eq!(usize::from(rule.row.number()), i + 1, "{:?}", rule.row);
            assert_eq!(Row::from_number(rule.row.number()), Some(rule.row));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

        #[test]
        fn the_table_by_row_is_the_table_by_phase(f in facts()) {
            prop_assert_eq!(decide(&f), by_phase(&f));
        }

        /// The last row is reached only by what is not declared: the table itself is total.
        #[test]
        fn every_declared_resource_gets_a_row(f in facts()) {
            let (row, action) = decide(&f);
            let asked_first = usize::from(row.number()) > NUMBERED_IN_ORDER;
            prop_assert!(!f.desired || ((row <= Row::Done || asked_first) && action.is_some()));
        }

        /// A call needs a new resource, a new target or revision, a failure of ours, a call known to be
        /// lost, or a name on the command line. An edited text is none of these.
        #[test]
        fn no_call_without_a_reason_that_a_person_gave(f in facts()) {
            let (_, action) = decide(&f);
            let creates = action.and_then(Action::call).is_some_and(|c| c.creates());
            if f.desired && creates && !f.replace && f.same_target {
                prop_assert!(!matches!(f.phase, Some(Phase::Succeeded | Phase::Cancelled | Phase::InProgress)));
                let with_other_text = decide(&Facts { same_text: false, ..f });
                let with_same_text = decide(&Facts { same_text: true, ..f });
                if f.phase != Some(Phase::Rejected) {
                    prop_assert_eq!(with_other_text, with_same_text, "the text alone changed a call");
                }
            }
        }

        /// While our own call may still act, nothing is asked again.
        #[test]
        fn nothing_is_sent_over_an_open_call(f in facts()) {
            let (_, action) = decide(&f);
            let creates = action.and_then(Action::call).is_some_and(|c| c.creates());
            let open = f.phase == Some(Phase::Requested) && f.lookup == Lookup::InFlight
                || f.phase == Some(Phase::InProgress) && f.running == Running::Active;
            prop_assert!(!(open && creates));
            let unknown = f.phase == Some(Phase::Requested) && f.lookup != Lookup::Absent;
            prop_assert!(!(unknown && creates && !f.replace));
        }

        /// Nothing that the service shows already is asked for once more, unless a person names it. An answer that
        /// named something else is never followed by a repetition.
        #[test]
        fn nothing_is_sent_beside_what_is_there(f in facts()) {
            let (_, action) = decide(&f);
            let creates = action.and_then(Action::call).is_some_and(|c| c.creates());
            let answered = f.phase == Some(Phase::Requested) && f.answered_otherwise;
            prop_assert!(!((f.look_alike || answered) && creates && !f.replace));
        }

        /// What a manifest moves or takes over is not asked for in the same plan, and neither is what it must not.
        #[test]
        fn nothing_is_sent_for_what_is_moved_or_imported(f in facts()) {
            let (row, action) = decide(&f);
            let creates = action.and_then(Action::call).is_some_and(|c| c.creates());
            let told = f.moving != Moving::No || f.importing != Importing::No;
            prop_assert!(!(f.desired && told && creates), "{row:?}");
        }

        /// A narrowed plan forgets nothing.
        #[test]
        fn a_narrowed_plan_removes_nothing(f in facts()) {
            let (_, action) = decide(&Facts { whole: false, ..f });
            prop_assert!(!matches!(action, Some(Action::Forget | Action::Cancel | Action::Resolve)));
        }
    }
}
