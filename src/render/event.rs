//! What an apply tells while it runs: JSON lines, log lines, the text of a progress bar, a closing block.

use jiff::Timestamp;

use super::age::{ahead, clock, duration};
use super::board::{self, Board};
use super::layout::{Paint, Paragraph};
use super::{Style, brief, commands, escape, messages, refusals, unread, ways_out};
use crate::engine::{Event, Progress};
use crate::model::{Address, Advice, Hindrance, Kind, RefusalCause, quota_calls};
use crate::plan::Action;
use crate::state::{Object, Refusal};

/// Machines that a closing block names one by one without `-v`.
const ATTENTION: usize = 10;
/// Lines that an event takes on a terminal without `-v`.
const LINES: usize = 2;

/// One line of `apply --format json`, without its line break.
///
/// # Errors
/// None that an event can cause: the keys of all maps are text.
pub fn json_line(event: &Event) -> Result<String, serde_json::Error> {
    Ok(escape::json_in_a_log(&serde_json::to_string(event)?).into_owned())
}

/// One event as a line that ends with a line break: when, the machine, what it is about, what happened; the summary as the
/// closing block of a run. With `-v` the address, ids and the service's own words are told, and the commands that help.
///
/// Times are those of the event, in UTC.
pub fn human(event: &Event, board: &Board, style: Style) -> String {
    let mut out = String::new();
    // A line of a log is as long as it has to be.
    let whole = style.verbose > 0 || style.width == usize::MAX;
    match event {
        Event::Planned { at, summary, .. } => {
            let counts = messages::counts(summary);
            let counts = if counts.is_empty() { "nothing to do".into() } else { counts };
            Paragraph::new(0, 11)
                .push(Paint::Faint, clock(*at, *at))
                .text(format!("  plan: {counts}"))
                .write(style, &mut out);
            return out;
        }
        Event::Summary { at, left, exit_code, .. } => {
            closing(board, *at, *left, *exit_code, style, &mut out);
            return out;
        }
        Event::Stopped { at, quota, permission, error, until } => {
            let text = match whole {
                true => stopped(board, *at, quota, permission, error.as_ref(), *until),
                false => stopped_in_brief(*at, quota, permission, error.as_ref(), *until),
            };
            Paragraph::new(0, 11)
                .push(Paint::Faint, clock(*at, *at))
                .push(Paint::Bad, "  stopped  ")
                .text(text)
                .write(style, &mut out);
            return out;
        }
        _ => {}
    }
    let Some(Told { at, address, paint, what, more }) = told(event, board, whole) else { return out };
    let (machine, kind) = board.name(address);
    let (wide, wide_kind) = board.widths();
    let mut line = Paragraph::new(0, 11)
        .push(Paint::Faint, clock(at, at))
        .push(Paint::Strong, format!("  {machine:wide$}"))
        .text(format!("  {kind:wide_kind$}  "))
        .push(paint, what);
    // What went wrong is told in a log with the service's own words; ids are for whoever asks.
    let explains = matches!(
        event,
        Event::Busy { .. } | Event::Rejected { .. } | Event::Throttled { .. } | Event::Unknown { .. }
    );
    if !more.is_empty() && (style.verbose > 0 || whole && explains) {
        line = line.text(format!("; {more}"));
    }
    if style.verbose > 0 {
        line = line.push(Paint::Faint, format!("  {address}"));
    }
    match whole {
        true => line.write(style, &mut out),
        false => line.write_lines(LINES, style, &mut out),
    }
    out
}

/// The event of a resource in words.
struct Told<'a> {
    at: Timestamp,
    address: &'a Address,
    paint: Paint,
    what: String,
    /// Ids, and the service's own words.
    more: String,
}

/// Says what an event is; none for those that are about no resource. `whole` is false where a line has to be short.
fn told<'a>(event: &'a Event, board: &Board, whole: bool) -> Option<Told<'a>> {
    let (at, address, paint, what, more) = match event {
        Event::Planned { .. } | Event::Stopped { .. } | Event::Summary { .. } => return None,
        Event::Intent { at, address, action, .. } => {
            (at, address, Paint::Faint, format!("sending: {action}"), String::new())
        }
        Event::Accepted { at, address, action, object } => {
            let what = match action {
                Action::Cancel if object.status == "Cancelled" => "cancelled".to_owned(),
                Action::Cancel => "cancel accepted, and it still runs".to_owned(),
                Action::Resolve => "resolved".into(),
                Action::Update => "triage set".into(),
                _ if address.kind() == Kind::Alert => "raised".into(),
                _ => match board.offline(address) {
                    Some(offline) => format!("accepted, {offline}"),
                    None => "accepted".into(),
                },
            };
            (at, address, Paint::Good, what, of(object))
        }
        Event::Busy { at, address, error } => {
            (at, address, Paint::Notice, "waits, the machine is busy".into(), refusals::refusal_words(error))
        }
        Event::Adopted { at, address, object, ours: true } => {
            (at, address, Paint::Info, "found: a call without an answer had made it".into(), of(object))
        }
        Event::Adopted { at, address, object, ours: false } => {
            let who = object.requestor.as_ref().map(|r| format!(", made by {r}")).unwrap_or_default();
            (at, address, Paint::Info, format!("taken over: it was there{who}"), of(object))
        }
        Event::Rejected { at, address, action, error } => {
            let next = ways_out::of_refusal(error, address, *action);
            let command = board.command(&next.command());
            let more = format!("{}; to {}: {command}", refusals::refusal_explained(error), next.what);
            let words = match error.message.trim_end_matches('.') {
                // The whole of it comes behind.
                _ if whole => String::new(),
                "" => String::new(),
                message => format!(": {message}"),
            };
            (at, address, Paint::Bad, format!("refused: {}{words}", brief::refused(error)), more)
        }
        Event::Throttled { at, address, until, error } => {
            let what = format!("throttled, the service takes it again {}", not_before(*at, *until));
            (at, address, Paint::Notice, what, refusals::refusal_words(error))
        }
        Event::Unsent { at, address, why } => (
            at,
            address,
            Paint::Notice,
            format!("not sent, it never reached the service: {why}"),
            String::new(),
        ),
        Event::Unknown { at, address, why, until } => {
            let what = format!("no answer, it may have taken effect: looked up until {}", clock(*at, *until));
            (at, address, Paint::Notice, what, why.clone())
        }
        Event::Observed { at, address, object } => {
            let (paint, what) = observed(address, object, board);
            (at, address, paint, what, of(object))
        }
        Event::Late { at, address, object } => {
            let what = "a call given up earlier took effect after all: a second object".into();
            (at, address, Paint::Notice, what, of(object))
        }
        Event::Fetching { at, address, file, resumed, .. } => {
            let what = match resumed {
                0 => "fetching".to_owned(),
                n => format!("fetching, goes on behind {}", messages::bytes(*n)),
            };
            (at, address, Paint::Faint, what, file.clone())
        }
        Event::Fetched { at, address, file, size, sha256, .. } => {
            let what = format!("fetched, {}", messages::bytes(*size));
            (at, address, Paint::Good, what, format!("sha256 {sha256}, {file}"))
        }
        Event::FetchFailed { at, address, why, later: true, .. } => {
            (at, address, Paint::Notice, format!("package not ready: {why}"), String::new())
        }
        Event::FetchFailed { at, address, why, later: false, .. } => {
            (at, address, Paint::Bad, format!("package not held: {why}"), String::new())
        }
        Event::Executed { at, address, why: None, .. } => {
            (at, address, Paint::Good, "the command ended well".to_owned(), String::new())
        }
        Event::Executed { at, address, why: Some(why), .. } => {
            (at, address, Paint::Bad, format!("the command failed: {why}"), String::new())
        }
        Event::Held { at, address, waits_for } => (
            at,
            address,
            Paint::Notice,
            format!("not sent yet: {}", messages::waits(waits_for)),
            String::new(),
        ),
    };
    Some(Told { at: *at, address, paint, what, more })
}

/// The present status of an object in words.
fn observed(address: &Address, object: &Object, board: &Board) -> (Paint, String) {
    match (address.kind(), object.status.as_str()) {
        (Kind::Alert, status) => (Paint::Plain, format!("alert is {}", messages::word(status))),
        (_, "Succeeded") => match board::took(object) {
            Some(seconds) => (Paint::Good, format!("succeeded after {}", duration(seconds))),
            None => (Paint::Good, "succeeded".into()),
        },
        (_, "InProgress") => (Paint::Plain, "running".into()),
        (_, "Pending") => match board.offline(address) {
            Some(offline) => (Paint::Plain, format!("pending, {offline}")),
            None => (Paint::Plain, "pending".into()),
        },
        (_, "TimeOut") => (Paint::Bad, "failed: the device never answered (TimeOut)".into()),
        (_, "Failed") => (Paint::Bad, "failed".into()),
        (_, "Cancelled") => {
            let by = object.cancelled_by.as_ref().map(|who| format!(" by {who}")).unwrap_or_default();
            (Paint::Notice, format!("cancelled{by}"))
        }
        (_, status) => (Paint::Plain, format!("the service says {}", messages::word(status))),
    }
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

/// Why no more calls of a kind are made, and what to do.
fn stopped(
    board: &Board,
    at: Timestamp,
    quota: &str,
    permission: &str,
    error: Option<&Refusal>,
    until: Option<Timestamp>,
) -> String {
    let calls = quota_calls(quota);
    match (error, until) {
        (Some(error), _) => {
            let again = match quota {
                "cancel" => None,
                _ => Some(board.command("casefile apply")),
            };
            let then = |words: String| match &again {
                Some(command) => Advice::then(words, command.clone()),
                None => Advice::say(format!("{words}; then the same casefile cancel again")),
            };
            let next = match error.cause() {
                Some(RefusalCause::SignIn) => unread::remedy(Hindrance::SignIn),
                Some(RefusalCause::Licence | RefusalCause::FeatureOff) => {
                    then("have the licence or the feature put right".to_owned())
                }
                Some(RefusalCause::Permission) => then(format!(
                    "grant the application {permission}, with admin consent: {} prints the commands",
                    board.command("casefile doctor")
                )),
                _ => then(format!(
                    "{permission}, the device groups and the token's audience have to fit: {} shows them",
                    board.command("casefile doctor")
                )),
            };
            let why = refusals::refusal_explained(error);
            format!("{calls}: no more such calls in this run, the service denies them: {why}; next: {next}")
        }
        (None, Some(until)) => format!(
            "{calls}: the service takes such calls again {}, so no more are sent; next: {} after that, or {}, which waits \
             for it",
            not_before(at, until),
            board.command("casefile apply"),
            board.command(&format!("casefile apply --wait --timeout {}m", minutes(at, until)))
        ),
        (None, None) => format!("{calls}: no more such calls in this run"),
    }
}

/// The same in the room that a terminal has for an event; `-v` tells all of it.
fn stopped_in_brief(
    at: Timestamp,
    quota: &str,
    permission: &str,
    error: Option<&Refusal>,
    until: Option<Timestamp>,
) -> String {
    let calls = quota_calls(quota);
    match (error, until) {
        (Some(error), _) => {
            format!("{calls}: denied ({}), no more in this run; needs {permission}", brief::refused(error))
        }
        (None, Some(until)) => format!("{calls}: taken again {}, no more in this run", not_before(at, until)),
        (None, None) => format!("{calls}: no more in this run"),
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

/// Writes the end of a run: results, what still runs, who is needed, and the one command that is next.
fn closing(board: &Board, at: Timestamp, left: usize, exit_code: u8, style: Style, out: &mut String) {
    Paragraph::new(0, 2)
        .push(Paint::Strong, "Result: ")
        .push_list(Paint::Strong, &board.outcome(at))
        .push(Paint::Strong, ".")
        .write(style, out);
    let names = |list: &[String]| match style.verbose {
        0 => messages::first(list, ATTENTION, String::clone),
        _ => list.join(", "),
    };
    let running = board.still_running();
    if !running.is_empty() {
        let verb = if running.len() == 1 { "runs" } else { "run" };
        let text = format!("{} still {verb}: {}", messages::number(running.len()), names(&running));
        Paragraph::new(0, 2).push(Paint::Info, text).write(style, out);
    }
    if !board.needy().is_empty() {
        let verb = if board.needy().len() == 1 { "needs" } else { "need" };
        let text = format!("{} {verb} you: {}", messages::number(board.needy().len()), names(board.needy()));
        Paragraph::new(0, 2).push(Paint::Bad, text).write(style, out);
    }
    if left > 0 {
        let was = if left == 1 { "was" } else { "were" };
        let left = messages::plural(left, "call");
        Paragraph::new(0, 2).push(Paint::Notice, format!("{left} {was} not started.")).write(style, out);
    }
    if exit_code != 0 {
        Paragraph::new(0, 2).text(format!("Exit code {exit_code}: {}.", exit(exit_code))).write(style, out);
    }
    let next = match exit_code {
        130 | 3 if left > 0 => "casefile apply",
        0 | 3 | 130 if !running.is_empty() => "casefile status -w",
        0 if board.is_to_fetch() => "casefile fetch",
        0 => return,
        130 if !board.failed() => "casefile status",
        _ => "casefile plan",
    };
    // The folder is one word, quoted as it is.
    let rest = next.split(' ').skip(1).map(str::to_owned);
    let words: Vec<String> =
        std::iter::once(board.command("casefile ").trim_end().to_owned()).chain(rest).collect();
    commands::next_line(&words, style, out);
}

/// The meaning of an exit code of `docs/cli.md` for an apply.
fn exit(exit_code: u8) -> &'static str {
    match exit_code {
        1 => "something failed or waits for a person; all that was sent is recorded",
        3 => "time ran out while waiting, nothing failed",
        4 => "a conflict, because of which nothing more was sent",
        130 => "interrupted; what was in flight is recorded",
        _ => "not finished",
    }
}
