//! The end of a plan for people: how many calls, of what, what else is there, how long it takes, and the digest.

use std::collections::BTreeMap;

use super::age::duration;
use super::destination::destination;
use super::layout::{Paint, Paragraph};
use super::{Style, commands, messages, rows, unread, ways_out};
use crate::model::Kind;
use crate::plan::{Action, Plan, PlanWarning};

/// Writes the end of a plan: the calls, what else is there, the service, the time, and the digest that approves it.
pub(super) fn closing(plan: &Plan, needy: usize, shows_ways: bool, style: Style, out: &mut String) {
    let calls = plan.calls().count();
    let incomplete = !plan.unread().is_empty();
    let mut line = Paragraph::new(0, 4).push(Paint::Strong, first_sentence(plan));
    if calls > 0
        && !incomplete
        && let Some(forecast) = forecast_in_brief(plan)
    {
        line = line.text(" ").text(forecast);
    }
    line.write(style, out);
    let besides = besides(plan);
    if !besides.is_empty() && (calls > 0 || plan.changes.iter().any(|c| c.action.is_change())) && !incomplete
    {
        Paragraph::new(0, 4).text(format!("Besides: {}.", besides.join(", "))).write(style, out);
    }
    if needy > 0 && !shows_ways {
        Paragraph::new(0, 4)
            .push(Paint::Bad, format!("{} need you: ", messages::number(needy)))
            .text("casefile plan -v shows the commands for each.")
            .write(style, out);
    }
    if let Some(line) = plan.destination.as_ref().and_then(destination) {
        Paragraph::new(0, 2).push(Paint::Info, "Service: ").text(line).write(style, out);
    }
    for group in &plan.groups {
        Paragraph::new(0, 2).push(Paint::Info, "group: ").text(messages::group(group)).write(style, out);
    }
    for warning in &plan.warnings {
        let (label, paint) = match warning {
            PlanWarning::Narrowed { .. } => ("note: ", Paint::Info),
            _ => ("warning: ", Paint::Notice),
        };
        let text = match warning {
            // Why is told where the command ends.
            PlanWarning::NotLooked { unread } => {
                format!("what rows need could not be read, so apply refuses: {}", unread::what(unread))
            }
            _ => messages::plan_warning(warning),
        };
        Paragraph::new(0, 2).push(paint, label).text(text).write(style, out);
        commands::next(&ways_out::of_warning(warning), 2, style, out);
    }
    if style.verbose > 0 {
        for line in plan.forecast.iter().flat_map(messages::forecast) {
            Paragraph::new(0, 2).text(line).write(style, out);
        }
        if let Some(line) = messages::estimate(&plan.estimate) {
            Paragraph::new(0, 2).text(line).write(style, out);
        }
    } else {
        for line in plan.forecast.iter().flat_map(messages::scarce) {
            Paragraph::new(0, 2).push(Paint::Notice, "note: ").text(line).write(style, out);
        }
    }
    if calls > 0 && !incomplete {
        Paragraph::new(0, 8).push(Paint::Faint, "Digest: ").text(plan.digest.to_string()).write(style, out);
    }
}

/// How many calls, and of what.
fn first_sentence(plan: &Plan) -> String {
    let counts = messages::tally(plan);
    if !plan.unread().is_empty() {
        let counts = if counts.is_empty() { "nothing is known" } else { &counts };
        return format!("This plan is not complete: {counts}.");
    }
    let done = plan.changes.iter().filter(|c| c.action == Action::NoOp).count();
    let sends = sends(plan);
    if !sends.is_empty() {
        return format!("To send: {}.", sends.join(", "));
    }
    let narrowed =
        plan.warnings.iter().any(|w| matches!(w, PlanWarning::Narrowed { declared, .. } if *declared > 0));
    match plan.resources() {
        0 if narrowed => "No calls to make. Nothing is selected.".into(),
        0 => "No calls to make. No resources are declared.".into(),
        all if all == done => {
            let verb = if all == 1 { "is" } else { "are" };
            format!("No calls to make. {} {verb} up to date.", messages::resources(all))
        }
        _ => format!("No calls to make: {counts}."),
    }
}

/// `17 packages, 8 alerts, 1 cancel`
fn sends(plan: &Plan) -> Vec<String> {
    let mut created: BTreeMap<Kind, usize> = BTreeMap::new();
    let mut others: BTreeMap<&str, usize> = BTreeMap::new();
    for (c, _) in plan.calls() {
        match c.action {
            Action::Update => *others.entry("triage update").or_default() += 1,
            Action::Cancel => *others.entry("cancellation").or_default() += 1,
            Action::Resolve => *others.entry("resolved alert").or_default() += 1,
            _ => *created.entry(c.address.kind()).or_default() += 1,
        }
    }
    let created = (!created.is_empty()).then(|| rows::kinds_of(&created));
    created.into_iter().chain(others.into_iter().map(|(word, n)| messages::plural(n, word))).collect()
}

/// Rows without a call, by what becomes of them.
fn besides(plan: &Plan) -> Vec<String> {
    let counts = messages::tallied(plan, |c| c.call.is_none());
    counts.into_iter().map(|(word, n)| format!("{} {word}", messages::number(n))).collect()
}

/// `16 of 17 machines answer now, about 6 min.`
fn forecast_in_brief(plan: &Plan) -> Option<String> {
    const WORTH_SAYING: u64 = 5;
    let mut parts = Vec::new();
    if let Some(forecast) = plan.forecast.as_ref().filter(|f| f.listed > 0) {
        let machines = messages::plural(forecast.machines, "machine");
        let answering = messages::number(forecast.answering);
        parts.push(match forecast.answering == forecast.machines {
            true if forecast.machines == 1 => "The machine answers now".to_owned(),
            true => format!("All {machines} answer now"),
            false => format!("{answering} of {machines} answer now"),
        });
        let unlisted = forecast.machines - forecast.listed;
        parts.extend((unlisted > 0).then(|| format!("{} not listed", messages::number(unlisted))));
    }
    let finish = plan.forecast.as_ref().and_then(|f| f.finish_seconds);
    let by_quota = Some(plan.estimate.seconds).filter(|s| *s > WORTH_SAYING);
    parts.extend(match (finish, by_quota) {
        (Some(seconds), _) => Some(format!("about {}", duration(seconds))),
        (None, Some(seconds)) => Some(format!("at least {} by the quotas", duration(seconds))),
        (None, None) => None,
    });
    let mut text = parts.join(", ");
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    (!text.is_empty()).then(|| format!("{text}."))
}
