//! What an apply tells while it runs: JSON lines, log lines, the text of a progress bar, a closing block.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::age::{ahead, clock};
use super::layout::{Paint, Paragraph};
use super::{Style, escape, messages, plan, unread, ways_out};
use crate::engine::{Event, Progress};
use crate::model::{Address, Hindrance, quota_calls};
use crate::plan::Action;
use crate::state::{Object, Refusal};

/// Addresses that a closing block lists one by one without `-v`.
const ATTENTION: usize = 10;

/// One line of `apply --format json`, without its line break.
///
/// # Errors
/// None that an event can cause: the keys of all maps are text.
pub fn json_line(event: &Event) -> Result<String, serde_json::Error> {
    Ok(escape::json_in_a_log(&serde_json::to_string(event)?).into_owned())
}

/// One event as a log line that ends with a line break; the summary as its closing block.
///
/// Times are those of the event, in UTC.
pub fn human(event: &Event, style: Style) -> String {
    let mut out = String::new();
    let (at, address, paint, verb, rest) = match event {
        Event::Planned { at, summary, .. } => {
            let counts = messages::counts(summary);
            let counts = if counts.is_empty() { "nothing to do".into() } else { counts };
            line(*at, Paint::Plain, "plan", None, &counts, style, &mut out);
            return out;
        }
        Event::Summary { counts, attention, left, exit_code, .. } => {
            closing(counts, attention, *left, *exit_code, style, &mut out);
            return out;
        }
        Event::Intent { at, address, action, .. } => {
            (at, address, Paint::Faint, "sending", action.to_string())
        }
        Event::Accepted { at, address, action, object } => {
            let done = match action {
                Action::Update | Action::Cancel | Action::Resolve => format!("{action}: "),
                _ => String::new(),
            };
            (at, address, Paint::Good, "accepted", format!("{done}{}", of(object)))
        }
        Event::Busy { at, address, error } => (
            at,
            address,
            Paint::Notice,
            "busy",
            format!("pending, another action keeps the machine busy ({})", messages::refusal_words(error)),
        ),
        Event::Adopted { at, address, object, ours: true } => (
            at,
            address,
            Paint::Info,
            "found",
            format!("our call without an answer had made it: {}", of(object)),
        ),
        Event::Adopted { at, address, object, ours: false } => {
            (at, address, Paint::Info, "adopted", format!("it was there: {}", of(object)))
        }
        Event::Rejected { at, address, action, error } => {
            let next = ways_out::of_refusal(error, address, *action);
            let text = format!("{}; to {}: {}", messages::refusal(error), next.what, next.command());
            (at, address, Paint::Bad, "refused", text)
        }
        Event::Throttled { at, address, until, error } => (
            at,
            address,
            Paint::Notice,
            "throttled",
            format!(
                "not carried out; the service takes it again {} ({})",
                not_before(*at, *until),
                messages::refusal_words(error)
            ),
        ),
        Event::Unsent { at, address, why } => {
            (at, address, Paint::Notice, "unsent", format!("never reached the service: {why}"))
        }
        Event::Unknown { at, address, why, until } => (
            at,
            address,
            Paint::Notice,
            "no answer",
            format!("it may have taken effect; looked up until {} ({why})", clock(*at, *until)),
        ),
        Event::Stopped { at, quota, permission, error, until } => {
            let text = stopped(*at, quota, permission, error.as_ref(), *until);
            line(*at, Paint::Bad, "stopped", None, &text, style, &mut out);
            return out;
        }
        Event::Observed { at, address, object } => (at, address, Paint::Plain, "status", of(object)),
        Event::Late { at, address, object } => (
            at,
            address,
            Paint::Notice,
            "late",
            format!("a call given up earlier took effect after all, a second object: {}", of(object)),
        ),
        Event::Fetching { at, address, file, resumed, .. } => {
            let more = match resumed {
                0 => String::new(),
                n => format!(", goes on behind {}", messages::bytes(*n)),
            };
            (at, address, Paint::Faint, "fetching", format!("{file}{more}"))
        }
        Event::Fetched { at, address, file, size, sha256, .. } => {
            let text = format!("{}, sha256 {sha256}, {file}", messages::bytes(*size));
            (at, address, Paint::Good, "fetched", text)
        }
        Event::FetchFailed { at, address, why, later: true, .. } => {
            (at, address, Paint::Notice, "not ready", why.clone())
        }
        Event::FetchFailed { at, address, why, later: false, .. } => {
            (at, address, Paint::Bad, "not held", why.clone())
        }
        Event::Executed { at, address, why: None, .. } => {
            (at, address, Paint::Good, "executed", "the command ended well".to_owned())
        }
        Event::Executed { at, address, why: Some(why), .. } => {
            (at, address, Paint::Bad, "failed", format!("the command: {why}"))
        }
        Event::Held { at, address, waits_for } => {
            (at, address, Paint::Notice, "held", format!("not sent yet: {}", messages::waits(waits_for)))
        }
    };
    line(*at, paint, verb, Some(address), &rest, style, &mut out);
    out
}

/// What is shown beside a progress bar; one line without a line break. Events have lines of their own.
pub fn progress(progress: &Progress, style: Style, now: Timestamp) -> String {
    let text = match progress {
        Progress::Event(_) => String::new(),
        Progress::Started { calls } => format!("sending {}", messages::plural(*calls, "call")),
        Progress::WaitingForQuota { quota, until } => {
            let (calls, wait, end) = (quota_calls(quota), ahead(now, *until), clock(now, *until));
            format!("{calls} go on {wait} ({end}): their quota, or a pause that the service asks for")
        }
        Progress::Settling { calls, until } => {
            let calls = messages::plural(*calls, "call");
            let (wait, end) = (ahead(now, *until), clock(now, *until));
            format!("{calls} without an answer; can be settled {wait} ({end})")
        }
        Progress::Fetching { done, all, bytes, total, speed, links } => {
            let mut text = format!(
                "{done} of {} fetched, {}",
                messages::plural(*all, "package"),
                messages::bytes(*bytes)
            );
            if total > bytes {
                text.push_str(&format!(" of {}", messages::bytes(*total)));
            }
            if *speed > 0 {
                text.push_str(&format!(", {}/s", messages::bytes(*speed)));
            }
            if let Some(until) = links {
                text.push_str(&format!("; the last link comes {}, by their quota", ahead(now, *until)));
            }
            text
        }
        Progress::Following { running, next, until } => {
            let running = messages::plural(*running, "collection");
            let (wait, end) = (ahead(now, *next), clock(now, *until));
            format!("{running} running; looks again {wait}, until {end} at the latest")
        }
    };
    let mut out = String::new();
    Paragraph::new(0, 0).text(text).write_cut(style, &mut out);
    out.truncate(out.trim_end_matches('\n').len());
    out
}

fn line(
    at: Timestamp,
    paint: Paint,
    verb: &str,
    address: Option<&Address>,
    rest: &str,
    style: Style,
    out: &mut String,
) {
    let mut line =
        Paragraph::new(0, 20).push(Paint::Faint, clock(at, at)).text(" ").push(paint, format!("{verb:<10}"));
    if let Some(address) = address {
        line = line.push(Paint::Strong, address.to_string()).text("  ");
    }
    line.text(rest).write(style, out);
}

/// Why no more calls of a kind are made, and what to do.
fn stopped(
    at: Timestamp,
    quota: &str,
    permission: &str,
    error: Option<&Refusal>,
    until: Option<Timestamp>,
) -> String {
    let calls = quota_calls(quota);
    match (error, until) {
        (Some(error), _) => {
            let next = match error.status {
                401 => unread::remedy(Hindrance::SignIn),
                _ => format!(
                    "{permission}, licence and feature have to be there for the application; then {}",
                    if quota == "cancel" { "the same casefile cancel again" } else { "casefile apply" }
                ),
            };
            let why = messages::refusal(error);
            format!("{calls}: no more such calls in this run, the service denies them: {why}; next: {next}")
        }
        (None, Some(until)) => format!(
            "{calls}: the service takes such calls again {}, so no more are sent; next: casefile apply after that, or casefile apply --wait --timeout {}m, which waits for it",
            not_before(at, until),
            minutes(at, until)
        ),
        (None, None) => format!("{calls}: no more such calls in this run"),
    }
}

/// When the service takes a call again. A day is the longest wait that is kept, and may stand for a longer one.
fn not_before(at: Timestamp, until: Timestamp) -> String {
    const DAY: i64 = 24 * 60;
    let time = clock(at, until);
    // The wait began when the answer came, a little before it is told.
    if until.duration_since(at).as_secs() < (DAY - 1) * 60 {
        format!("at {time}")
    } else {
        format!("after a day or longer, not before {time}")
    }
}

/// The minutes until then, rounded up, and one more for the clocks.
fn minutes(at: Timestamp, until: Timestamp) -> i64 {
    until.duration_since(at).as_secs().max(0) / 60 + 2
}

fn of(object: &Object) -> String {
    let mut parts = Vec::new();
    if !object.status.is_empty() {
        parts.push(object.status.clone());
    }
    parts.push(format!("id {}", object.id));
    parts.extend(object.requestor.as_ref().map(|r| format!("by {r}")));
    parts.extend(object.cancelled_by.as_ref().map(|r| format!("cancelled by {r}")));
    parts.join(", ")
}

/// Outcomes in the order in which they are told, with the words for one of them and for several.
const OUTCOMES: [(&str, &str, &str); 13] = [
    ("accepted", "accepted", "accepted"),
    ("adopted", "adopted", "adopted"),
    ("busy", "busy", "busy"),
    ("rejected", "refused", "refused"),
    ("unknown", "without an answer", "without an answer"),
    ("throttled", "throttled", "throttled"),
    ("unsent", "not sent", "not sent"),
    ("observed", "status read", "statuses read"),
    ("late", "late arrival", "late arrivals"),
    ("held", "held back", "held back"),
    ("fetched", "package fetched", "packages fetched"),
    ("fetchFailed", "package not fetched", "packages not fetched"),
    ("notReady", "package not ready", "packages not ready"),
];

fn closing(
    counts: &BTreeMap<String, usize>,
    attention: &[Address],
    left: usize,
    exit_code: u8,
    style: Style,
    out: &mut String,
) {
    let known = OUTCOMES.iter().filter_map(|(key, one, many)| {
        let n = counts.get(*key)?;
        Some((n, if *n == 1 { *one } else { *many }))
    });
    let other = counts
        .iter()
        .filter(|(k, _)| OUTCOMES.iter().all(|(key, ..)| k != key))
        .map(|(k, n)| (n, k.as_str()));
    let parts: Vec<String> = known
        .chain(other)
        .filter(|(n, _)| **n > 0)
        .map(|(n, word)| format!("{} {word}", messages::number(*n)))
        .collect();
    let parts = if parts.is_empty() { vec!["nothing was sent".into()] } else { parts };
    Paragraph::new(0, 2)
        .push(Paint::Strong, "Result: ")
        .push_list(Paint::Strong, &parts)
        .push(Paint::Strong, ".")
        .write(style, out);
    if left > 0 {
        let was = if left == 1 { "was" } else { "were" };
        let left = messages::plural(left, "call");
        Paragraph::new(0, 2).push(Paint::Notice, format!("{left} {was} not started.")).write(style, out);
    }
    if !attention.is_empty() {
        let verb = if attention.len() == 1 { "needs" } else { "need" };
        Paragraph::new(0, 2)
            .push(Paint::Bad, format!("{} {verb} a person:", messages::resources(attention.len())))
            .write(style, out);
        let all = style.verbose > 0 || attention.len() <= ATTENTION;
        let shown = if all { attention.len() } else { ATTENTION };
        for address in attention.iter().take(shown) {
            Paragraph::new(2, 6)
                .push(Paint::Bad, "! ")
                .push(Paint::Strong, address.to_string())
                .write(style, out);
        }
        if shown < attention.len() {
            let more = messages::number(attention.len() - shown);
            Paragraph::new(2, 6)
                .push(Paint::Faint, format!("... and {more} more (-v shows them)"))
                .write(style, out);
        }
        let plan = ways_out::Next::new("see why, and the way out of each", "casefile plan");
        plan::next(&[plan], 2, style, out);
    }
    if exit_code == 0 {
        return;
    }
    let (meaning, command, what) = exit(exit_code);
    Paragraph::new(0, 2).text(format!("Exit code {exit_code}: {meaning}.")).write(style, out);
    plan::next(&[ways_out::Next::new(what, command)], 2, style, out);
}

/// What an exit code of `docs/cli.md` means for an apply, and the next command.
fn exit(exit_code: u8) -> (&'static str, &'static str, &'static str) {
    const REST: &str = "send the rest";
    const SEE: &str = "see what is left";
    match exit_code {
        1 => ("something failed or waits for a person; all that was sent is recorded", "casefile plan", SEE),
        3 => ("time ran out while waiting, nothing failed", "casefile apply --wait", "wait on"),
        4 => ("a conflict, because of which nothing more was sent", "casefile plan", SEE),
        130 => ("interrupted; what was in flight is recorded", "casefile apply", REST),
        _ => ("not finished", "casefile plan", SEE),
    }
}
