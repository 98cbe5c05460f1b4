//! What came of the cases of runbooks, for people.

use super::diagnostic::problem;
use super::layout::{Paint, Paragraph};
use super::text_diff::{self, Fate};
use super::{Style, messages};
use crate::manifest::{CaseOutcome, CaseRun};

/// A line for each case, and for each runbook that has none or cannot be read; what is wrong below it, and a closing
/// line that counts them.
pub fn cases(runs: &[CaseRun], style: Style) -> String {
    let mut out = String::new();
    let (mut passed, mut failed, mut broken, mut skipped) = (0, 0, 0, 0);
    let line = |paint, word: &str, rest: String, out: &mut String| {
        Paragraph::new(0, 4).push(paint, word).text(format!(" {rest}")).write(style, out);
    };
    for run in runs {
        if !run.problems.is_empty() {
            broken += 1;
            skipped += run.skipped.len();
            line(Paint::Bad, "FAIL", run.file.clone(), &mut out);
            run.problems.iter().for_each(|p| problem(p, style, &mut out));
        } else if run.cases.is_empty() {
            line(Paint::Faint, "none", format!("{}: no cases", run.file), &mut out);
        }
        for (file, outcome) in &run.cases {
            let (word, paint) = match outcome {
                CaseOutcome::Passed => ("pass", Paint::Good),
                CaseOutcome::Differs { .. } | CaseOutcome::Broken(_) => ("FAIL", Paint::Bad),
            };
            line(paint, word, file.clone(), &mut out);
            match outcome {
                CaseOutcome::Passed => passed += 1,
                CaseOutcome::Differs { expected, actual } => {
                    failed += 1;
                    difference(expected, actual, style, &mut out);
                }
                CaseOutcome::Broken(problems) => {
                    failed += 1;
                    problems.iter().for_each(|p| problem(p, style, &mut out));
                }
            }
        }
    }
    let mut parts = Vec::new();
    if broken > 0 {
        let runbooks = messages::plural(broken, "runbook file");
        parts.push(match skipped {
            0 => format!("{runbooks} with errors"),
            skipped => format!("{runbooks} with errors ({} not run)", messages::plural(skipped, "case")),
        });
    }
    if failed > 0 {
        parts.push(format!("{} failed", messages::plural(failed, "case")));
    }
    let line = match (parts.is_empty(), passed) {
        (true, 0) => "No cases: they stand in NAME/cases/*.yaml beside NAME.yaml.".to_owned(),
        (true, passed) => format!("{} passed.", messages::plural(passed, "case")),
        (false, passed) => format!("{}, {passed} passed.", parts.join(", ")),
    };
    Paragraph::new(0, 2).push(Paint::Strong, line).write(style, &mut out);
    out
}

/// How many lines of each side are compared: the time for two texts without a common line grows with its square.
const MAX_LINES: usize = 1_000;

fn difference(expected: &[String], actual: &[String], style: Style, out: &mut String) {
    fn lines(side: &[String]) -> Vec<&str> {
        side.iter().take(MAX_LINES).map(String::as_str).collect()
    }
    let (a, b) = (lines(expected), lines(actual));
    Paragraph::new(4, 4).push(Paint::Faint, "- expected, + made").write(style, out);
    for line in text_diff::all(&a, &b) {
        let (sign, paint) = match line.fate {
            Fate::Removed => ("- ", Paint::Bad),
            Fate::Added => ("+ ", Paint::Good),
            Fate::Kept => ("  ", Paint::Faint),
        };
        let text: String = line.pieces.iter().map(|(_, piece)| *piece).collect();
        Paragraph::new(4, 8).push(paint, sign).push(paint, text).write(style, out);
    }
    let more = expected.len().max(actual.len()).saturating_sub(MAX_LINES);
    if more > 0 {
        let rest = format!("... and {} on each side at most, not compared", messages::plural(more, "line"));
        Paragraph::new(4, 8).push(Paint::Faint, rest).write(style, out);
    }
}
