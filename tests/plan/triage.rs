//! The triage of alerts: what is set, and what stays as people left it.

use casefile::model::{Address, OnRemove, Triage, TriageField, TriageMode};
use casefile::plan::{Action, Plan, Reason, Row, TriageLeft, Warning};
use casefile::state::{Object, Outcome, Phase, Record, Refusal};
use proptest::prelude::*;

use crate::world::{World, alert, calls};

const A: &str = "Alert/a";

fn verdict() -> Triage {
    Triage {
        status: Some("Resolved".into()),
        assigned_to: Some("secop@contoso.com".into()),
        classification: Some("FalsePositive".into()),
        determination: Some("Clean".into()),
        comment: Some("INC-1".into()),
        ..Triage::default()
    }
}

/// An alert that was raised, and has no triage yet.
fn raised(triage: Triage) -> World {
    let mut w = World::new(vec![alert("a", 1, "bad", 1)]);
    // The runner of every intent is the one that plans.
    w.settings.runner = Some("r".into());
    w.apply();
    w.declared(A).triage = Some(triage).into();
    w.pass(600);
    w
}

/// An alert that has the declared triage.
fn triaged(triage: Triage) -> World {
    let mut w = raised(triage);
    w.apply();
    w.pass(600);
    assert_eq!(w.row(A), Some((Row::Done, Action::NoOp)));
    w
}

fn declare(w: &mut World, change: impl FnOnce(&mut Triage)) {
    let triage = w.declared(A).triage.as_mut().unwrap();
    change(triage);
}

/// The body of the only call of a plan.
fn body(plan: &Plan) -> String {
    let all: Vec<_> = plan.calls().collect();
    assert_eq!(all.len(), 1);
    all[0].1.request().body.as_str().to_owned()
}

/// What stays as people left it, by field.
fn left(plan: &Plan) -> Vec<(TriageField, String, bool)> {
    let row = &plan.changes[0];
    let fields: &[TriageLeft] = match &row.reason {
        Reason::TriageLeft { fields } => fields,
        _ => row
            .warnings
            .iter()
            .find_map(|w| match w {
                Warning::TriageLeft { fields } => Some(fields.as_slice()),
                _ => None,
            })
            .unwrap_or_default(),
    };
    fields.iter().map(|l| (l.field, l.now.clone(), l.set)).collect()
}

#[test]
fn each_value_is_set_once() {
    let mut w = raised(verdict());
    let plan = w.plan();
    assert_eq!(calls(&plan), [(A.to_owned(), Action::Update)]);
    let (_, call) = plan.calls().next().unwrap();
    assert_eq!(call.request().path, "/api/alerts/alert-1");
    assert_eq!(
        body(&plan),
        r#"{"status":"Resolved","assignedTo":"secop@contoso.com","classification":"FalsePositive","determination":"Clean","comment":"INC-1"}"#
    );
    w.apply();
    w.pass(1);
    assert_eq!(w.row(A), Some((Row::Done, Action::NoOp)));
}

#[test]
fn a_verdict_that_an_analyst_changed_stays() {
    let mut w = triaged(verdict());
    w.triage(
        0,
        &[("status", "InProgress"), ("classification", "TruePositive"), ("determination", "Malware")],
    );
    for _ in 0..3 {
        w.pass(3600);
        let plan = w.plan();
        assert_eq!((plan.changes[0].row, plan.changes[0].action), (Some(Row::TriageLeft), Action::Differs));
        assert_eq!(
            left(&plan),
            [
                (TriageField::Status, "InProgress".to_owned(), true),
                (TriageField::Classification, "TruePositive".to_owned(), true),
                (TriageField::Determination, "Malware".to_owned(), true),
            ]
        );
        w.apply();
    }
    declare(&mut w, |t| t.mode = TriageMode::Enforce);
    let sent = r#"{"status":"Resolved","classification":"FalsePositive","determination":"Clean"}"#;
    assert_eq!(body(&w.plan()), sent);
    w.apply();
    w.pass(600);
    assert_eq!(w.row(A), Some((Row::Done, Action::NoOp)));
}

#[test]
fn each_field_is_judged_by_itself() {
    for (field, value) in [
        ("status", "New"),
        ("status", "InProgress"),
        ("assignedTo", "somebody@contoso.com"),
        ("assignedTo", ""),
        ("classification", ""),
        ("determination", "Phishing"),
    ] {
        let mut w = triaged(verdict());
        w.triage(0, &[(field, value)]);
        w.pass(600);
        assert_eq!(w.row(A), Some((Row::TriageLeft, Action::Differs)), "{field}: {value}");
        // Everything else can still be declared anew.
        let (other, sent) = match field {
            "assignedTo" => ("status", r#"{"status":"InProgress"}"#),
            _ => ("assignedTo", r#"{"assignedTo":"night@contoso.com"}"#),
        };
        declare(&mut w, |t| match other {
            "status" => t.status = Some("InProgress".into()),
            _ => t.assigned_to = Some("night@contoso.com".into()),
        });
        let plan = w.plan();
        assert_eq!(body(&plan), sent, "{field}: {value}");
        assert_eq!(left(&plan).len(), 1, "the row says what it leaves");
    }
}

#[test]
fn what_was_never_ours_stays() {
    // Judged before the first triage was sent; imported and adopted alerts are like this one.
    let mut w = raised(verdict());
    w.triage(0, &[("classification", "TruePositive")]);
    let plan = w.plan();
    assert_eq!(body(&plan), r#"{"status":"Resolved","assignedTo":"secop@contoso.com","comment":"INC-1"}"#);
    assert_eq!(
        left(&plan),
        [
            (TriageField::Classification, "TruePositive".to_owned(), false),
            // A detail of another verdict.
            (TriageField::Determination, String::new(), false),
        ]
    );
    // Their value taken back is their decision too.
    w.apply();
    w.pass(600);
    w.triage(0, &[("classification", "")]);
    w.pass(600);
    assert_eq!(w.row(A), Some((Row::TriageLeft, Action::Differs)));
}

#[test]
fn the_service_has_several_words_for_a_value_that_nobody_chose() {
    let mut w = raised(verdict());
    w.triage(0, &[("status", "Unknown"), ("classification", "Unknown"), ("determination", "NotAvailable")]);
    assert!(body(&w.plan()).contains("determination"));
}

#[test]
fn a_new_declared_value_is_set_where_the_old_one_still_stands() {
    let mut w = triaged(verdict());
    declare(&mut w, |t| t.status = Some("InProgress".into()));
    assert_eq!(body(&w.plan()), r#"{"status":"InProgress"}"#);

    w.triage(0, &[("status", "New")]);
    w.pass(600);
    assert_eq!(w.row(A), Some((Row::TriageLeft, Action::Differs)));
    // Declared as they left it, nothing differs; that makes it no value of ours.
    declare(&mut w, |t| t.status = Some("New".into()));
    w.apply();
    assert_eq!(w.row(A), Some((Row::Done, Action::NoOp)));
    declare(&mut w, |t| t.status = Some("Resolved".into()));
    assert_eq!(w.row(A), Some((Row::TriageLeft, Action::Differs)));
}

#[test]
fn synonyms_are_no_difference() {
    let mut w = raised(Triage { determination: Some("CompromisedUser".into()), ..Triage::default() });
    w.triage(0, &[("classification", "TruePositive")]);
    w.apply();
    w.alerts[0].determination = Some("CompromisedAccount".into());
    w.pass(600);
    assert_eq!(w.row(A), Some((Row::Done, Action::NoOp)));
    declare(&mut w, |t| t.determination = Some("Malware".into()));
    assert_eq!(body(&w.plan()), r#"{"determination":"Malware"}"#, "it still is what we set");
}

#[test]
fn a_comment_is_appended_once() {
    let text = "R&D's \"host\"\nsecond line";
    let mut w = raised(Triage { comment: Some(text.into()), ..Triage::default() });
    assert_eq!(calls(&w.plan()).len(), 1);
    // It is there already, as the service gives it back.
    for shown in ["R&amp;D&#39;s &quot;host&quot;\r\nsecond line", " R&D's \"host\"\rsecond line\n"] {
        let mut w = w.clone();
        w.triage(0, &[("comment", shown)]);
        assert_eq!(w.row(A), Some((Row::Done, Action::NoOp)), "{shown}");
    }
    w.apply();
    // The journal says that it was accepted, whatever the list shows, and for ever.
    w.alerts[0].comments.clear();
    for _ in 0..3 {
        assert_eq!(w.row(A), Some((Row::Done, Action::NoOp)));
        w.pass(86_400);
    }
    declare(&mut w, |t| t.comment = Some("another".into()));
    w.apply();
    w.alerts[0].comments.clear();
    declare(&mut w, |t| t.comment = Some(text.into()));
    assert_eq!(w.row(A), Some((Row::Done, Action::NoOp)));
    declare(&mut w, |t| t.mode = TriageMode::Enforce);
    assert_eq!(w.row(A), Some((Row::Done, Action::NoOp)), "nobody takes a comment away");
}

#[test]
fn a_list_that_lags_says_nothing() {
    let mut w = raised(verdict());
    let before = w.alerts.clone();
    w.apply();
    let after = std::mem::replace(&mut w.alerts, before);
    // The answer to the update is newer than the list, however long that lasts.
    for seconds in [1, 40, 4000] {
        w.pass(seconds);
        assert_eq!(w.row(A), Some((Row::Done, Action::NoOp)));
    }
    w.alerts = after;
    assert_eq!(w.row(A), Some((Row::Done, Action::NoOp)));
    declare(&mut w, |t| t.status = Some("New".into()));
    assert_eq!(body(&w.plan()), r#"{"status":"New"}"#, "nothing was taken for somebody else's");

    // Without times, lists are given the settle time.
    let mut w = raised(verdict());
    w.alerts[0].last_update_time = None;
    let mut before = w.alerts.clone();
    w.apply();
    before[0].last_update_time.clone_from(&w.alerts[0].last_update_time);
    w.alerts = before;
    w.pass(29);
    assert_eq!(w.row(A), Some((Row::Done, Action::NoOp)));
    w.pass(1);
    assert_eq!(w.row(A), Some((Row::TriageLeft, Action::Differs)));
}

#[test]
fn an_analyst_is_seen_at_once() {
    let mut w = raised(verdict());
    w.apply();
    w.pass(1);
    w.triage(0, &[("status", "New")]);
    assert_eq!(w.row(A), Some((Row::TriageLeft, Action::Differs)));
}

/// An update without an answer, and whether it took effect.
fn lost(taken: bool) -> World {
    let mut w = raised(verdict());
    let plan = w.plan();
    let address: Address = A.parse().unwrap();
    w.intend(&plan, &address);
    if taken {
        let sent = plan.calls().next().unwrap().1.request().body.clone();
        let body: std::collections::BTreeMap<String, String> = serde_json::from_str(sent.as_str()).unwrap();
        let texts: Vec<_> = body.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        w.triage(0, &texts);
    }
    w.pass(1);
    assert_eq!(calls(&w.plan()), [], "not over an open update");
    w.pass(120);
    w
}

#[test]
fn an_unanswered_update_is_settled_by_what_the_alert_shows() {
    // It had no effect: nothing has changed the alert since.
    let mut w = lost(false);
    assert!(body(&w.plan()).contains(r#""status":"Resolved""#));
    // It had.
    let mut w = lost(true);
    assert_eq!(w.row(A), Some((Row::Done, Action::NoOp)));
    declare(&mut w, |t| t.status = Some("InProgress".into()));
    assert_eq!(body(&w.plan()), r#"{"status":"InProgress"}"#);
    // It may have had, and somebody reopened the alert before anybody looked.
    let mut w = lost(true);
    w.triage(0, &[("status", "New"), ("classification", ""), ("determination", "")]);
    assert_eq!(w.row(A), Some((Row::TriageLeft, Action::Differs)));
    assert_eq!(left(&w.plan()).len(), 3);
}

#[test]
fn another_alert_begins_anew() {
    let mut w = triaged(verdict());
    w.triage(0, &[("status", "New")]);
    w.pass(600);
    w.plan();
    let mut again = alert("a", 1, "bad", 2);
    again.triage = Some(verdict()).into();
    *w.declared(A) = again;
    w.apply();
    w.pass(600);
    let plan = w.plan();
    assert_eq!(plan.calls().next().unwrap().1.request().path, "/api/alerts/alert-2");
    assert!(body(&plan).contains("INC-1") && body(&plan).contains("Resolved"));
}

#[test]
fn an_imported_alert_keeps_what_it_shows() {
    let mut w = raised(verdict());
    w.triage(0, &[("status", "Resolved"), ("classification", "TruePositive"), ("determination", "Malware")]);
    let address: Address = A.parse().unwrap();
    let sent = w.state.resources[&address].sent.clone();
    w.record(Record::Removed { address: address.clone() });
    let object = Object::from(&w.alerts[0]);
    let (labels, on_remove) = Default::default();
    w.record(Record::Imported { address, object, sent, labels, on_remove });
    assert_eq!(body(&w.plan()), r#"{"assignedTo":"secop@contoso.com","comment":"INC-1"}"#);
}

fn removed(triage: &[(&str, &str)]) -> World {
    let mut w = World::new(vec![alert("a", 1, "bad", 1)]);
    w.declared(A).on_remove = OnRemove::Resolve;
    w.apply();
    w.triage(0, triage);
    w.forget_manifest(A);
    w.pass(600);
    w
}

#[test]
fn what_somebody_judged_or_works_on_is_not_resolved_when_its_manifest_goes() {
    assert_eq!(calls(&removed(&[]).plan()), [(A.to_owned(), Action::Resolve)]);
    assert_eq!(calls(&removed(&[("assignedTo", "ann")]).plan()), [(A.to_owned(), Action::Resolve)]);
    for judged in [
        &[("status", "InProgress")][..],
        &[("classification", "TruePositive")],
        &[("status", "Resolved"), ("classification", "TruePositive")],
        &[("determination", "Malware")],
    ] {
        let mut w = removed(judged);
        let plan = w.plan();
        assert_eq!(plan.changes[0].action, Action::Forget, "{judged:?}");
        w.apply();
        assert_eq!(w.state.resources[&A.parse::<Address>().unwrap()].phase, Phase::Released);
    }
    // What we set ourselves is no judgement of others.
    let mut w = raised(Triage { status: Some("InProgress".into()), ..Triage::default() });
    w.declared(A).on_remove = OnRemove::Resolve;
    w.apply();
    w.pass(600);
    w.apply();
    w.forget_manifest(A);
    assert_eq!(calls(&w.plan()), [(A.to_owned(), Action::Resolve)]);
    w.triage(0, &[("status", "New")]);
    assert_eq!(w.row(A), Some((Row::Removed, Action::Forget)), "reopened");
}

#[test]
fn an_alert_that_was_not_looked_at_is_not_resolved() {
    let mut w = removed(&[]);
    let mut blind = w.look();
    blind.alerts.clear();
    blind.alerts_asked.clear();
    let plan = w.plan_with(&blind);
    assert_eq!((&plan.changes[0].reason, plan.changes[0].action), (&Reason::ResolveNotLooked, Action::Wait));
    // Lists need not show it yet.
    let without = |w: &mut World| {
        let mut seen = w.look();
        seen.alerts.clear();
        w.plan_with(&seen).changes[0].action
    };
    assert_eq!(without(&mut w), Action::Wait);
    w.pass(86_400);
    assert_eq!(without(&mut w), Action::Forget, "gone");
}

#[test]
fn a_new_alert_that_no_list_shows_yet_is_not_done() {
    let mut w = raised(verdict());
    let without = |w: &mut World| {
        let mut seen = w.look();
        seen.alerts.clear();
        w.plan_with(&seen).changes[0].clone()
    };
    for _ in 0..2 {
        let row = without(&mut w);
        assert_eq!((row.row, row.action), (Some(Row::TriageDiffers), Action::Wait));
        assert_eq!(row.reason, Reason::AlertNotShown { id: "alert-1".into() });
        w.pass(3600);
    }
    assert_eq!(calls(&w.plan()), [(A.to_owned(), Action::Update)], "it is there");
    w.pass(86_400);
    assert_eq!(without(&mut w).reason, Reason::DoneAndGone);
    // What has been set needs no look, and neither does what a new alert has by itself.
    let mut w = triaged(verdict());
    assert_eq!(without(&mut w).row, Some(Row::Done));
    let mut w = raised(Triage { status: Some("New".into()), ..Triage::default() });
    assert_eq!(without(&mut w).row, Some(Row::Done));
}

/// The only call of a plan is refused.
fn refuse(w: &mut World, status: u16, code: &str) {
    let plan = w.plan();
    let address: Address = A.parse().unwrap();
    let attempt = w.intend(&plan, &address);
    let error = Refusal { status, code: code.into(), ..Refusal::default() };
    w.answer(&address, attempt, Outcome::Rejected { error });
}

#[test]
fn a_refused_update_is_not_sent_for_ever() {
    let exhausted = Some((Row::TriageDiffers, Action::Exhausted));
    let due = Some((Row::TriageDiffers, Action::Update));
    // A permanent code, at once.
    let mut w = raised(verdict());
    refuse(&mut w, 400, "InvalidInput");
    let row = w.plan().changes[0].clone();
    assert_eq!((row.row, row.action, row.call), (Some(Row::TriageDiffers), Action::Exhausted, None));
    assert!(matches!(row.reason, Reason::ChangeRefused { .. }), "{:?}", row.reason);
    // Another value is another update; the old one is refused for as long as nothing else was asked.
    declare(&mut w, |t| t.determination = Some("Other".into()));
    assert_eq!(w.row(A), due);
    declare(&mut w, |t| t.determination = verdict().determination);
    assert_eq!(w.row(A), exhausted);
    declare(&mut w, |t| t.determination = Some("Other".into()));
    w.apply();
    w.pass(600);
    assert_eq!(w.row(A), Some((Row::Done, Action::NoOp)));
    // Other codes, as often as attempts are allowed.
    let mut w = raised(verdict());
    for _ in 0..3 {
        assert_eq!(w.row(A), due);
        refuse(&mut w, 400, "Odd");
    }
    assert_eq!(w.row(A), exhausted);
    w.declared(A).policy.max_attempts = 4;
    assert_eq!(w.row(A), due);
    // Missing rights use up nothing.
    let mut w = raised(verdict());
    for _ in 0..5 {
        refuse(&mut w, 403, "Forbidden");
    }
    assert_eq!(w.row(A), due);
}

#[test]
fn a_refused_removal_is_not_sent_for_ever() {
    let mut w = removed(&[]);
    refuse(&mut w, 400, "InvalidInput");
    assert_eq!(w.row(A), Some((Row::Removed, Action::Exhausted)));
    let mut w = removed(&[]);
    for _ in 0..3 {
        assert_eq!(w.row(A), Some((Row::Removed, Action::Resolve)));
        refuse(&mut w, 404, "ResourceNotFound");
    }
    assert_eq!(w.row(A), Some((Row::Removed, Action::Exhausted)));
}

/// What happens to an alert between two plans.
#[derive(Clone, Debug)]
enum Event {
    Apply,
    /// An update without an answer, and whether it takes effect.
    Lost(bool),
    Analyst(usize, &'static str),
    Declare(usize, &'static str),
    /// The list shows what it showed before the last event.
    Lag,
    Pass(u64),
}

const VALUES: [(&str, [&str; 4]); 4] = [
    ("status", ["New", "InProgress", "Resolved", "Resolved"]),
    ("assignedTo", ["", "ann", "bob", "cid"]),
    ("classification", ["", "TruePositive", "FalsePositive", "InformationalExpectedActivity"]),
    ("determination", ["", "Malware", "Clean", "NotMalicious"]),
];

fn events() -> impl Strategy<Value = Vec<Event>> {
    let value = || (0..4_usize, 0..4_usize).prop_map(|(field, v)| (field, VALUES[field].1[v]));
    let event = prop_oneof![
        4 => Just(Event::Apply),
        1 => any::<bool>().prop_map(Event::Lost),
        3 => value().prop_map(|(field, v)| Event::Analyst(field, v)),
        2 => value().prop_map(|(field, v)| Event::Declare(field, v)),
        1 => Just(Event::Lag),
        2 => (1_u64..200).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Whatever happens in whatever order: a value that somebody else gave last is never replaced.
    #[test]
    fn what_people_do_is_never_undone(events in events()) {
        let mut w = raised(Triage { status: Some("InProgress".into()), comment: Some("once".into()), ..Triage::default() });
        let address: Address = A.parse().unwrap();
        // By field: whether an analyst gave the value last, and what we asked for last.
        let mut theirs: [bool; 4] = [false; 4];
        let mut asked: [Option<String>; 4] = Default::default();
        let mut comments = 0;
        let mut shown = None;
        for event in events {
            w.pass(1);
            let mut send = |w: &mut World, answered: bool, taken: bool, lag: Option<Vec<casefile::model::Alert>>| {
                let mut seen = w.look();
                if let Some(old) = lag {
                    seen.alerts = old.into_iter().map(|a| (a.id.clone(), a)).collect();
                }
                let plan = w.plan_with(&seen);
                let Some((_, call)) = plan.calls().next() else {
                    return Ok(());
                };
                let sent: std::collections::BTreeMap<String, String> =
                    serde_json::from_str(call.request().body.as_str()).unwrap();
                for (n, (field, _)) in VALUES.iter().enumerate() {
                    prop_assert!(!(theirs[n] && sent.contains_key(*field)), "{field} was given by somebody else");
                    asked[n] = sent.get(*field).cloned().or(asked[n].take());
                }
                let attempt = w.intend(&plan, &address);
                if taken {
                    let texts: Vec<_> = sent.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
                    w.triage(0, &texts);
                    comments += usize::from(answered && sent.contains_key("comment"));
                }
                if answered {
                    let object = Object::from(&w.alerts[0]);
                    w.answer(&address, attempt, Outcome::Done { object });
                }
                Ok(())
            };
            match event {
                Event::Apply => send(&mut w, true, true, shown.take())?,
                Event::Lost(taken) => send(&mut w, false, taken, None)?,
                Event::Analyst(field, value) => {
                    let now = w.alerts[0].clone();
                    let name = TriageField::ALL[field];
                    if !name.same(name.shown(&now), value) {
                        w.triage(0, &[(VALUES[field].0, value)]);
                        // What we asked for ourselves cannot be told from what they gave, nor what they took back
                        // before anybody looked from what nobody gave.
                        theirs[field] = match &asked[field] {
                            Some(ours) => !name.same(ours, value),
                            None => !name.is_unset(value),
                        };
                        // Lists lag behind our own changes.
                        shown = None;
                    }
                }
                Event::Declare(field, value) if !value.is_empty() => declare(&mut w, |t| match field {
                    0 => t.status = Some(value.into()),
                    1 => t.assigned_to = Some(value.into()),
                    2 => t.classification = Some(value.into()),
                    _ => t.determination = Some(value.into()),
                }),
                Event::Declare(..) => {}
                // Lists lag less than the settle time, as a settled look relies on.
                Event::Lag => shown = Some(w.alerts.clone()),
                Event::Pass(seconds) => {
                    w.pass(seconds);
                    shown = None;
                }
            }
        }
        prop_assert!(comments <= 1, "the comment was appended {comments} times");
    }
}
