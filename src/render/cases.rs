//! What came of the cases of runbooks, for people.

use similar::{ChangeTag, TextDiff};

use super::diagnostic::problem;
use super::layout::{Paint, Paragraph};
use super::{Style, words};
use crate::manifest::{CaseOutcome, CaseRun};

/// A line for each case, differences below it, and a closing line that counts them.
pub fn cases(runs: &[CaseRun], style: Style) -> String {
    let mut out = String::new();
    let (mut passed, mut failed) = (0, 0);
    for run in runs {
        if run.cases.is_empty() && style.verbose > 0 {
            Paragraph::new(0, 4)
                .push(Paint::Faint, format!("none {}: no cases", run.file))
                .write(style, &mut out);
        }
        for (file, outcome) in &run.cases {
            let (word, paint) = match outcome {
                CaseOutcome::Passed => ("pass", Paint::Good),
                CaseOutcome::Differs { .. } | CaseOutcome::Broken(_) => ("FAIL", Paint::Bad),
            };
            Paragraph::new(0, 4).push(paint, word).text(format!(" {file}")).write(style, &mut out);
            match outcome {
                CaseOutcome::Passed => passed += 1,
                CaseOutcome::Differs { expected, actual } => {
                    failed += 1;
                    difference(expected, actual, style, &mut out);
                }
                CaseOutcome::Broken(problems) => {
                    failed += 1;
                    for p in problems {
                        problem(p, style, &mut out);
                    }
                }
            }
        }
    }
    let line = match (passed, failed) {
        (0, 0) => "No cases: they stand in NAME/cases/*.yaml beside NAME.yaml.".to_owned(),
        (passed, 0) => format!("{} passed.", words::plural(passed, "case")),
        (passed, failed) => format!("{} failed, {passed} passed.", words::plural(failed, "case")),
    };
    Paragraph::new(0, 2).push(Paint::Strong, line).write(style, &mut out);
    out
}

fn difference(expected: &[String], actual: &[String], style: Style, out: &mut String) {
    let (a, b): (Vec<&str>, Vec<&str>) =
        (expected.iter().map(String::as_str).collect(), actual.iter().map(String::as_str).collect());
    Paragraph::new(4, 4).push(Paint::Faint, "- expected, + made").write(style, out);
    for change in TextDiff::from_slices(&a, &b).iter_all_changes() {
        let (sign, paint) = match change.tag() {
            ChangeTag::Delete => ("- ", Paint::Bad),
            ChangeTag::Insert => ("+ ", Paint::Good),
            ChangeTag::Equal => ("  ", Paint::Faint),
        };
        Paragraph::new(4, 8).push(paint, sign).push(paint, change.value()).write(style, out);
    }
}
