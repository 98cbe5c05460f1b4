//! Golden output at 80 and 120 columns, plain and in colour, of names, comments and reasons that are too
//! long for a line: what is wrapped stays aligned, what is cut ends in `...`.

use std::collections::BTreeMap;

use super::board::Board;
use super::samples::*;
use super::{Style, event, plan as human, state as states};
use crate::engine::Event;
use crate::plan::{Action, Reason};
use crate::state::Phase;

const NAME: &str = "fin-ws-042-frankfurt-second-floor-meeting-room-projector-2";
const COMMENT: &str = "Collect forensics due to alert 1234: credential access on the finance file server, \
                       ticket INC-2042, approved by the duty officer; see the case file for the chain of \
                       custody, the analysts involved, and what was said on the call of Tuesday. The rest \
                       of this text is long enough to leave the three lines that a plan has for it without \
                       -v, even where the terminal is 120 columns wide and the machine's id is a short one.";

fn golden(name: &str, text: impl Fn(Style) -> String) {
    for width in [80, 120] {
        let plain = text(Style { width, color: false, verbose: 0 });
        insta::assert_snapshot!(format!("{name}_at_{width}"), plain);
        let colour = text(Style { width, color: true, verbose: 0 }).replace('\u{1b}', "␛");
        insta::assert_snapshot!(format!("{name}_in_colour_at_{width}"), colour);
    }
}

fn long_names() -> [String; 2] {
    [format!("InvestigationPackage/{NAME}"), format!("Alert/{NAME}")]
}

#[test]
fn a_plan() {
    let [package, alert_name] = long_names();
    let running = Reason::FailOnRunning {
        id: ID.into(),
        requestor: Some("a.very.long.user.name@a-very-long-subsidiary.contoso.example".into()),
    };
    let mut rows = vec![
        change("InvestigationPackage/fin-ws-042", Action::Create, Reason::New),
        change(&package, Action::Create, Reason::New),
        change(&alert_name, Action::Create, Reason::New),
        change(&format!("{package}-b"), Action::Replace, Reason::NewRevision { from: 1, to: 2 }),
        change(&format!("{package}-c"), Action::Unresolved, running),
    ];
    rows[1].call = Some(planned(collect(COMMENT).request()));
    rows[2].call = Some(planned(
        alert("Suspicious PowerShell, started by a macro of a document that came by mail").request(),
    ));
    rows[3].before = view(&[("comment", "Collect forensics due to alert 1234"), ("revision", "1")]).into();
    rows[3].after = view(&[("comment", COMMENT), ("revision", "2")]).into();
    rows[1].warnings = every_warning("").into();
    rows[1].warnings.truncate(2);
    let plan = plan(rows);
    golden("long_plan", |style| human::plan(&plan, style, now()));
}

#[test]
fn a_status() {
    let mut state = state("");
    let mut long = full_resource("");
    (long.phase, long.status) = (Phase::InProgress, Some("Pending".into()));
    long.requestor = Some("a.very.long.user.name@a-very-long-subsidiary.contoso.example".into()).into();
    for name in long_names() {
        state.resources.insert(address(&name), long.clone());
    }
    golden("long_status", |style| {
        let document = states::StateDocument::new(&state, |_, _| true);
        states::table(&document, style, now())
    });
    golden("long_resource", |style| states::show(&address(&long_names()[0]), &long, style, now()));
}

#[test]
fn an_apply() {
    let at = now();
    let [package, alert] = long_names().map(|n| address(&n));
    let error = refusal(400, "OsPlatformNotSupported", COMMENT);
    let events = [
        Event::Intent { at, address: package.clone(), action: Action::Create, attempt: 17 },
        Event::Accepted { at, address: package.clone(), action: Action::Create, object: object("") },
        Event::Rejected { at, address: package.clone(), action: Action::Create, error },
        Event::Unknown { at, address: alert.clone(), why: COMMENT.into(), until: ago(-30) },
        Event::Summary {
            at,
            counts: BTreeMap::from(
                ["accepted", "adopted", "busy", "rejected", "unknown", "throttled", "unsent", "observed"]
                    .map(|k| (k.to_owned(), 1_234)),
            ),
            attention: vec![package, alert],
            left: 3,
            exit_code: 1,
        },
    ];
    golden("long_apply", |style| events.iter().map(|e| event::human(e, &Board::default(), style)).collect());
}
