//! What happens when nothing goes wrong: the stories that faults are put into.

use casefile::model::{Marker, OnInProgress, OnRemove, Until};
use casefile::sandbox::{Collection, ExternalIds};

use crate::driver::{Res, Step, Story, alert, package};
use crate::fault::{Deed, Random};

const AFTER_P: &[(&str, Until)] = &[("InvestigationPackage/r0", Until::Accepted)];
const BEHIND_P: &[(&str, Until)] = &[("InvestigationPackage/r0", Until::Succeeded)];

fn step(after: u64, desired: &[Res]) -> Step {
    Step { after, ..Step::new(desired.to_vec()) }
}

#[expect(clippy::cloned_ref_to_slice_refs, reason = "lists of manifests read alike, however long they are")]
pub fn all() -> Vec<Story> {
    let p = package("r0", 0, "why");
    let q = package("r1", 1, "why");
    let a = alert("r2", 0, "a title", 1);
    let behind = Res { after: BEHIND_P, ..package("r3", 1, "then") };
    let revised = Res { revision: 2, ..p.clone() };
    let edited = Res { text: "why indeed", ..p.clone() };
    let cancelled = Res { on_remove: OnRemove::Cancel, ..p.clone() };
    let resolved = Res { on_remove: OnRemove::Resolve, ..a.clone() };
    let waits = Res { busy: OnInProgress::Wait, ..p.clone() };
    let fails = Res { busy: OnInProgress::Fail, ..p.clone() };
    let triaged = Res { triage: Some("secop@contoso.com"), ..a.clone() };
    let started =
        |after, r: &Res| Step { deeds: vec![(Deed::Start, 0)], ..step(after, std::slice::from_ref(r)) };
    vec![
        Story::new("one-package", vec![step(5, &[p.clone()])]),
        Story { lag: 8, ..Story::new("one-package-lag", vec![step(5, &[p.clone()])]) },
        Story {
            lag: 8,
            runs: 4,
            ..Story::new("one-package-fast", vec![step(5, &[p.clone()]), step(20, &[p.clone()])])
        },
        Story::new("two-machines", vec![step(5, &[p.clone(), q.clone()])]),
        Story { lag: 3, ..Story::new("one-alert", vec![step(5, &[a.clone()])]) },
        Story::new(
            "same-comment",
            vec![
                step(5, &[p.clone(), package("r1", 0, "why")]),
                step(700, &[p.clone(), package("r1", 0, "why")]),
            ],
        ),
        Story::new(
            "two-comments-one-machine",
            vec![
                step(5, &[p.clone(), package("r1", 0, "else")]),
                step(30, &[p.clone(), package("r1", 0, "else")]),
            ],
        ),
        Story::new(
            "second-waits",
            vec![
                step(5, &[p.clone(), Res { busy: OnInProgress::Wait, ..package("r1", 0, "else") }]),
                step(700, &[p.clone(), Res { busy: OnInProgress::Wait, ..package("r1", 0, "else") }]),
            ],
        ),
        Story::new("alerts-merge", vec![step(5, &[a.clone(), alert("r3", 0, "a title", 2)])]),
        Story::new(
            "triage",
            vec![step(5, &[a.clone()]), step(60, &[triaged.clone()]), step(60, &[triaged.clone()])],
        ),
        // One run creates the alert and sets its triage.
        Story::new("triaged-at-once", vec![step(5, &[triaged.clone()]), step(60, &[triaged.clone()])]),
        Story {
            lag: 8,
            ..Story::new(
                "triaged-at-once-lag",
                vec![step(5, &[triaged.clone()]), step(60, &[triaged.clone()])],
            )
        },
        // An analyst judges the alert before and after the first update, and a person declares something else.
        Story {
            lag: 8,
            ..Story::new(
                "judged",
                vec![
                    step(5, &[a.clone()]),
                    step(60, &[triaged.clone()]),
                    Step { deeds: vec![(Deed::Judge, 0)], ..step(3, &[triaged.clone()]) },
                    step(60, &[Res { triage: Some("night@contoso.com"), ..a.clone() }]),
                ],
            )
        },
        Story::new(
            "judged-first",
            vec![
                step(5, &[a.clone()]),
                Step { deeds: vec![(Deed::Judge, 0)], ..step(60, &[triaged.clone()]) },
                step(60, &[triaged]),
            ],
        ),
        // Lists show the update long after the next run.
        Story {
            lag: 25,
            ..Story::new(
                "comment-lag",
                vec![
                    step(5, &[a.clone()]),
                    step(60, &[Res { triage: Some("secop@contoso.com"), ..a.clone() }]),
                    step(1, &[Res { triage: Some("secop@contoso.com"), ..a.clone() }]),
                    step(1, &[Res { triage: Some("night@contoso.com"), ..a.clone() }]),
                ],
            )
        },
        Story::new(
            "package-and-alert",
            vec![step(5, &[p.clone(), a.clone()]), step(900, &[p.clone(), a.clone()])],
        ),
        Story {
            runs: 4,
            ..Story::new("new-revision", vec![step(5, &[p.clone()]), step(30, &[revised.clone()])])
        },
        Story::new(
            "new-revision-running",
            vec![step(5, &[p.clone()]), step(30, &[revised.clone()]), step(900, &[revised])],
        ),
        Story::new("edited", vec![step(5, &[p.clone()]), step(10, &[edited])]),
        Story::new(
            "removed-cancel",
            vec![step(5, &[cancelled.clone(), q.clone()]), step(30, &[q.clone()]), step(30, &[q.clone()])],
        ),
        Story::new(
            "removed-resolve",
            vec![step(5, &[resolved, q.clone()]), step(30, &[q.clone()]), step(30, &[q.clone()])],
        ),
        Story::new(
            "removed-and-back",
            vec![step(5, &[p.clone(), q.clone()]), step(15, &[q.clone()]), step(15, &[p.clone(), q.clone()])],
        ),
        Story::new(
            "renamed",
            vec![step(5, &[package("r0a", 0, "why")]), step(15, &[package("r0b", 0, "why")])],
        ),
        Story::new(
            "renamed-alert",
            vec![step(5, &[alert("r0a", 0, "t", 3)]), step(15, &[alert("r0b", 0, "t", 3)])],
        ),
        Story::new("analyst-adopted", vec![started(5, &p)]),
        Story::new(
            "analyst-waited-for",
            vec![started(5, &waits), Step { deeds: vec![(Deed::Finish, 0)], ..step(100, &[waits]) }],
        ),
        Story::new(
            "analyst-refused",
            vec![started(5, &fails), Step { deeds: vec![(Deed::Cancel, 0)], ..step(100, &[fails]) }],
        ),
        Story { existing: true, ..Story::new("analyst-2xx", vec![started(5, &p)]) },
        Story {
            ends: Collection::Fails,
            runs: 30,
            ..Story::new(
                "fails",
                vec![
                    step(5, &[p.clone()]),
                    step(60, &[p.clone()]),
                    step(700, &[p.clone()]),
                    step(700, &[p.clone()]),
                ],
            )
        },
        Story {
            ends: Collection::TimesOut,
            ..Story::new(
                "times-out",
                vec![step(5, &[p.clone()]), step(700, &[p.clone()]), step(1500, &[p.clone()])],
            )
        },
        Story {
            runs: 50,
            ..Story::new(
                "followed",
                vec![Step { wait: Some(300), ..step(5, &[p.clone(), package("r1", 0, "else")]) }],
            )
        },
        Story {
            runs: 50,
            ..Story::new(
                "followed-busy",
                vec![Step {
                    wait: Some(600),
                    ..step(5, &[p.clone(), Res { busy: OnInProgress::Wait, ..package("r1", 0, "else") }])
                }],
            )
        },
        // An alert behind the package of its machine, and a package behind the end of another one.
        Story {
            runs: 50,
            ..Story::new(
                "ordered",
                vec![
                    step(5, &[p.clone(), Res { after: AFTER_P, ..a.clone() }]),
                    step(20, &[p.clone(), Res { after: AFTER_P, ..a.clone() }, behind.clone()]),
                    step(90, &[p.clone(), Res { after: AFTER_P, ..a.clone() }, behind.clone()]),
                ],
            )
        },
        Story {
            runs: 50,
            ..Story::new(
                "ordered-and-followed",
                vec![Step { wait: Some(300), ..step(5, &[p.clone(), behind.clone()]) }],
            )
        },
        Story {
            quota: Some(1),
            ..Story::new("throttled", vec![step(5, &[p.clone(), q.clone(), package("r3", 2, "w")])])
        },
        Story {
            runs: 4,
            ..Story::new(
                "replaced",
                vec![step(5, &[p.clone()]), Step { replace: vec!["r0"], ..step(60, &[p.clone()]) }],
            )
        },
        Story {
            marker: Marker::ExternalId,
            ..Story::new(
                "marked-by-id",
                vec![step(5, &[p.clone(), q.clone()]), step(50, &[p.clone(), q.clone()])],
            )
        },
        Story {
            marker: Marker::ExternalId,
            external_ids: ExternalIds::Dropped,
            ..Story::new("marked-by-id-dropped", vec![step(5, &[p.clone()]), step(50, &[p.clone()])])
        },
        Story {
            marker: Marker::Comment,
            ..Story::new("marked", vec![step(5, &[p.clone()]), step(50, &[p.clone()])])
        },
        Story::new(
            "clocks-differ",
            vec![Step { skew: 50_000, ..step(5, &[p.clone()]) }, Step { skew: -40_000, ..step(3, &[p]) }],
        ),
    ]
}

const NAMES: [[&str; 3]; 3] = [["r0a", "r0b", "r0c"], ["r1a", "r1b", "r1c"], ["r2a", "r2b", "r2c"]];

/// A manifest on its way through a random story.
struct Written {
    res: Res,
    name: usize,
    there: bool,
    /// It was removed, or its text was edited: under another name it would be something new, by design.
    touched: bool,
}

/// Manifests that are added, removed, put back, renamed, revised and edited between runs, and analysts.
pub fn random(r: &mut Random) -> Story {
    let texts = ["why", "else", "more"];
    let mut all: Vec<Written> = (0..1 + r.below(3))
        .map(|n| {
            let event = (r.below(3) == 0).then(|| r.below(40) as u8);
            let title = if event.is_some() && r.below(2) == 0 { "a title" } else { texts[n] };
            let mut res = Res { event, ..package(NAMES[n][0], r.below(2), title) };
            res.busy =
                *r.pick(&[OnInProgress::Adopt, OnInProgress::Adopt, OnInProgress::Wait, OnInProgress::Fail]);
            res.on_remove = match (r.below(2), event) {
                (0, _) => OnRemove::Retain,
                (_, None) => OnRemove::Cancel,
                (_, Some(_)) => OnRemove::Resolve,
            };
            Written { res, name: 0, there: true, touched: false }
        })
        .collect();
    let mut steps = Vec::new();
    for n in 0..2 + r.below(3) {
        let mut deeds = Vec::new();
        if n > 0 {
            let at = r.below(all.len());
            let one = &mut all[at];
            match r.below(8) {
                0 => one.res.revision += 1,
                1 => (one.there, one.touched) = (false, true),
                2 => one.there = true,
                3 if one.there && !one.touched && one.name < 2 => {
                    one.name += 1;
                    one.res.name = NAMES[at][one.name];
                }
                4 if one.res.event.is_none() => (one.res.text, one.touched) = ("edited", true),
                5 if one.res.event.is_some() => one.res.triage = Some("secop@contoso.com"),
                6 => deeds.push((
                    *r.pick(&[
                        Deed::Start,
                        Deed::Finish,
                        Deed::Fail,
                        Deed::TimeOut,
                        Deed::Cancel,
                        Deed::Resolve,
                    ]),
                    r.below(3),
                )),
                _ => {}
            }
        }
        let there = all.iter().filter(|w| w.there).map(|w| w.res.clone()).collect();
        let after = *r.pick(&[1, 4, 15, 33, 90, 700]);
        let wait = (r.below(8) == 0).then_some(200);
        steps.push(Step { after, deeds, wait, ..Step::new(there) });
    }
    Story {
        lag: *r.pick(&[0, 0, 3, 9]),
        runs: *r.pick(&[4, 40, 600]),
        existing: r.below(4) == 0,
        ends: *r.pick(&[Collection::Succeeds, Collection::Succeeds, Collection::Fails, Collection::TimesOut]),
        ..Story::new("random", steps)
    }
}
