//! The checks of `casefile doctor`, for people and for programs.

use serde::Serialize;

use super::layout::{Paint, Paragraph};
use super::{Style, escape, plan_json};
use crate::doctor::{Check, Verdict};

/// Columns before what was seen: the verdict, the name, and a space behind each.
const BEFORE: usize = 24;

/// The checks, one after the other. Commands stand in lines of their own and are never broken.
pub fn checks(checks: &[Check], style: Style) -> String {
    let mut out = String::new();
    for check in checks {
        let paint = match check.verdict {
            Verdict::Ok => Paint::Good,
            Verdict::Warning => Paint::Notice,
            Verdict::Failed => Paint::Bad,
        };
        Paragraph::new(0, BEFORE)
            .push(paint, format!("{:<8} ", check.verdict.word()))
            .push(Paint::Strong, format!("{:<14} ", check.name))
            .text(&check.seen)
            .write(style, &mut out);
        for step in &check.fix {
            out.push_str(&format!("         {}\n", escape::one_line(step)));
        }
    }
    let count = |verdict| checks.iter().filter(|c| c.verdict == verdict).count();
    let (failed, warned) = (count(Verdict::Failed), count(Verdict::Warning));
    let end = match (failed, warned) {
        (0, 0) => "Everything that was looked at is as it should be.".to_owned(),
        (0, n) => format!("Nothing is missing; {}.", super::messages::plural(n, "warning")),
        (n, _) => format!("{n} of {} failed.", super::messages::plural(checks.len(), "check")),
    };
    Paragraph::new(0, 0).push(Paint::Strong, end).write(style, &mut out);
    out
}

/// The document of `doctor --format json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DoctorDocument<'a> {
    format_version: u32,
    /// The worst of all verdicts.
    verdict: &'static str,
    checks: Vec<CheckRow<'a>>,
}

#[derive(Debug, Serialize)]
struct CheckRow<'a> {
    name: &'static str,
    verdict: &'static str,
    seen: &'a str,
    fix: &'a [String],
}

impl<'a> DoctorDocument<'a> {
    /// The document of these checks.
    pub fn new(checks: &'a [Check]) -> Self {
        let worst = checks.iter().map(|c| c.verdict).max().unwrap_or(Verdict::Ok);
        let row =
            |c: &'a Check| CheckRow { name: c.name, verdict: c.verdict.word(), seen: &c.seen, fix: &c.fix };
        DoctorDocument { format_version: 1, verdict: worst.word(), checks: checks.iter().map(row).collect() }
    }

    /// As indented text that ends with a line break; hidden characters inside strings are escaped.
    ///
    /// # Errors
    /// None that checks can cause.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        plan_json::pretty(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_whole_whatever_the_width() {
        let command = format!("az ad app permission add --id {}", "x".repeat(200));
        let list = [
            Check::ok("project", "contoso-ir, 3 resources"),
            Check::failed("collect", "Machine.CollectForensics is not in the token").fix(command.clone()),
            Check::warning(
                "clock",
                "90 s behind the service's\u{1b}[2J, and a text that is so long that it is wrapped",
            ),
        ];
        let text = checks(&list, Style { width: 80, color: false, verbose: 0 });
        assert!(text.contains(&format!("\n         {command}\n")), "{text}");
        assert!(text.lines().filter(|l| !l.contains("az ad")).all(|l| l.len() <= 80), "{text}");
        assert!(text.contains("\\u{1b}") && text.ends_with("1 of 3 checks failed.\n"), "{text}");
        assert!(
            text.starts_with("ok       project        contoso-ir, 3 resources\nfailed   collect        Mach"),
            "{text}"
        );
        let document = DoctorDocument::new(&list).to_text().unwrap();
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(
            (&document["verdict"], &document["checks"][1]["fix"][0]),
            (&"failed".into(), &command.into())
        );
    }
}
