//! A plan for a pull request's comment.

use jiff::Timestamp;

use super::{Style, plan, words};
use crate::plan::Plan;

/// Columns that code hosts show without a scroll bar.
const WIDTH: usize = 100;

/// A heading with the counts, and the plan as people see it in a terminal, in a fenced block: text from
/// manifests or the service becomes no link, mention or markup.
pub fn plan_markdown(plan: &Plan, verbose: u8, now: Timestamp) -> String {
    let text = plan::plan(plan, Style { width: WIDTH, color: false, verbose }, now);
    let counts = words::counts(&plan.summary());
    let counts = if counts.is_empty() { "nothing declared".into() } else { counts };
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    format!("### casefile plan: {counts}\n\n{fence}text\n{text}{fence}\n")
}

/// A fence must be longer than any run of backticks inside.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::samples::*;
    use super::*;
    use crate::plan::{Action, Reason};

    #[test]
    fn no_text_leaves_the_fence() {
        let mut row = change("InvestigationPackage/a", Action::Create, Reason::New);
        row.call = Some(planned(collect("````\n@everyone <img src=x>").request()));
        let out = plan_markdown(&plan(vec![row]), 0, now());
        assert!(out.starts_with("### casefile plan: 1 to create\n\n`````text\n"), "{out}");
        assert!(out.ends_with("\n`````\n"), "{out}");
        assert_eq!(out.matches("`````").count(), 2);
    }
}
