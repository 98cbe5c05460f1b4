//! A plan for people.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::destination::destination;
use super::layout::{Paint, Paragraph, columns};
use super::{Style, codes, diff, escape, messages, unread, ways_out};
use crate::model::{Address, Call};
use crate::plan::{Action, Change, Plan, PlanWarning, PlannedCall};

/// Rows of one action and reason beyond which they are folded.
const FOLD_ABOVE: usize = 20;
/// Rows that a folded group still shows.
const FOLD_TO: usize = 10;

/// The whole plan. Rows are grouped by action, calls first; `none` rows without a warning are shown with `-v` only,
/// and more than 20 rows with the same reason are folded without it.
pub fn plan(plan: &Plan, style: Style, now: Timestamp) -> String {
    let mut out = String::new();
    let mut groups: BTreeMap<Action, Vec<&Change>> = BTreeMap::new();
    for change in &plan.changes {
        if change.action != Action::NoOp || style.verbose > 0 || !change.warnings.is_empty() {
            groups.entry(change.action).or_default().push(change);
        }
    }
    for action in Action::ALL {
        if let Some(rows) = groups.get(&action) {
            group(action, rows, style, now, &mut out);
            out.push('\n');
        }
    }
    closing(plan, style, &mut out);
    out
}

/// The sign in front of a row; it reads without colour.
pub(super) fn sign(action: Action) -> (&'static str, Paint) {
    match action {
        Action::Create => ("+", Paint::Good),
        Action::Retry | Action::Replace | Action::Update => ("~", Paint::Notice),
        Action::Cancel | Action::Resolve | Action::Forget => ("-", Paint::Bad),
        Action::Adopt => ("=", Paint::Info),
        Action::Move => (">", Paint::Info),
        Action::Wait => (".", Paint::Faint),
        Action::Differs => ("*", Paint::Notice),
        Action::Exhausted | Action::Unresolved => ("!", Paint::Bad),
        Action::NoOp => (" ", Paint::Faint),
    }
}

/// What a reader may take for granted of all rows of an action.
fn meaning(action: Action) -> &'static str {
    match action {
        Action::Adopt | Action::Move | Action::Forget => ": recorded, nothing is sent",
        Action::Wait => ": nothing is sent yet",
        Action::Differs => ": nothing is sent",
        Action::Exhausted => ": not asked again by itself",
        Action::Unresolved => ": a person has to decide, apply exits 1 until then",
        _ => "",
    }
}

fn group(action: Action, rows: &[&Change], style: Style, now: Timestamp, out: &mut String) {
    Paragraph::new(0, 2)
        .push(Paint::Strong, format!("{} {}", messages::number(rows.len()), messages::counted(action)))
        .push(Paint::Faint, meaning(action))
        .write(style, out);
    if style.verbose > 0 || rows.len() <= FOLD_ABOVE {
        for change in rows {
            row(change, style, now, out);
        }
        return;
    }
    let mut order: Vec<&str> = Vec::new();
    let mut by_reason: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for change in rows {
        let code = codes::reason(&change.reason);
        let same = by_reason.entry(code).or_default();
        if same.is_empty() {
            order.push(code);
        }
        same.push(change);
    }
    for code in order {
        let Some(mut rows) = by_reason.remove(code) else { continue };
        let shown = if rows.len() > FOLD_ABOVE { FOLD_TO } else { rows.len() };
        if shown < rows.len() {
            // What a reader should know must not be folded away.
            rows.sort_by_key(|c| c.warnings.is_empty());
        }
        let (shown, folded) = rows.split_at(shown);
        for change in shown {
            row(change, style, now, out);
        }
        if folded.is_empty() {
            continue;
        }
        let warned = folded.iter().filter(|c| !c.warnings.is_empty()).count();
        let warned =
            if warned > 0 { format!(", {} with warnings", messages::number(warned)) } else { String::new() };
        Paragraph::new(2, 6)
            .push(
                Paint::Faint,
                format!("... and {} more{warned} (-v shows them)", messages::number(folded.len())),
            )
            .write(style, out);
    }
}

fn row(change: &Change, style: Style, now: Timestamp, out: &mut String) {
    let (sign, paint) = sign(change.action);
    let head = |action: String| {
        Paragraph::new(2, 6)
            .push(paint, sign)
            .text(" ")
            .push(Paint::Strong, change.shown())
            .text("  ")
            .push(paint, action)
    };
    let reason = messages::why(change, now);
    let places: Vec<String> = [&change.source, &change.template]
        .into_iter()
        .flatten()
        .map(|s| format!("{}:{}", s.file, s.line))
        .collect();
    let source = if places.is_empty() { String::new() } else { format!(" ({})", places.join(", ")) };
    let line = head(format!("{}: ", change.action)).text(&reason).push(Paint::Faint, &source);
    if line.columns() <= style.columns() {
        line.write(style, out);
    } else {
        // A reason torn in the middle is hard to read: it gets a line of its own.
        head(change.action.to_string()).push(Paint::Faint, &source).write(style, out);
        Paragraph::new(6, 8).text(&reason).write(style, out);
    }
    let shows_diff = matches!(
        change.action,
        Action::Create | Action::Retry | Action::Replace | Action::Update | Action::Move | Action::Differs
    );
    let differs = shows_diff
        && match (&*change.before, &*change.after) {
            (Some(before), Some(after)) => diff::fields(before, after, 6, style, out),
            _ => false,
        };
    if let Some(call) = &change.call {
        if style.verbose > 0 {
            exactly(call, &change.address, style, out);
        } else if !differs {
            briefly(call, &change.address, style, out);
        }
    }
    if let Some(facts) = &change.facts {
        Paragraph::new(6, 8).push(Paint::Faint, messages::facts(facts, now)).write(style, out);
    }
    for warning in &change.warnings {
        Paragraph::new(6, 8)
            .push(Paint::Notice, "warning: ")
            .text(messages::warning(warning, now))
            .write(style, out);
    }
    next(&ways_out::of_row(change), 6, style, out);
}

/// `to WHAT: COMMAND`, the commands below each other.
pub(super) fn next(ways: &[ways_out::Next], indent: usize, style: Style, out: &mut String) {
    let labels: Vec<String> = ways.iter().map(|way| format!("to {}: ", way.what)).collect();
    let widest = labels.iter().map(|l| columns(l)).max().unwrap_or(0);
    for (way, label) in ways.iter().zip(labels) {
        let line = Paragraph::new(indent, indent + 2)
            .push(Paint::Info, format!("{label:<widest$}"))
            .push(Paint::Strong, way.command());
        if line.columns() <= style.columns() {
            line.write(style, out);
        } else {
            Paragraph::new(indent, indent + 2).push(Paint::Info, label.trim_end()).write(style, out);
            command(&way.words, indent + 2, style, out);
        }
    }
}

/// A command over as many lines as it needs, each but the last ending in `\`: a copied part of it must
/// not run by itself.
fn command(words: &[String], indent: usize, style: Style, out: &mut String) {
    // Further lines are indented by 2 more and end in two columns of ` \`.
    let room = style.columns().saturating_sub(indent + 4);
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        let shown = escape::one_line(word);
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(&shown) <= room => {
                line.push(' ');
                line.push_str(&shown);
            }
            _ => lines.push(shown.into_owned()),
        }
    }
    let last = lines.len().saturating_sub(1);
    for (i, line) in lines.iter().enumerate() {
        let indent = if i == 0 { indent } else { indent + 2 };
        let end = if i == last { "" } else { " \\" };
        if columns(line) > room && !line.contains(['\'', '"', '\\']) {
            broken_word(line, end, indent, style, out);
            continue;
        }
        Paragraph::new(indent, indent).push(Paint::Strong, format!("{line}{end}")).write(style, out);
    }
}

/// A word that no line has room for: a shell puts it together again, if the further lines are not indented.
fn broken_word(word: &str, end: &str, indent: usize, style: Style, out: &mut String) {
    let room = style.columns().saturating_sub(end.len() + 1);
    let (mut rest, mut indent) = (word, indent);
    while !rest.is_empty() {
        let mut used = indent;
        let cut = rest.char_indices().find(|(_, c)| {
            used += columns(c.encode_utf8(&mut [0; 4]));
            used > room
        });
        let (part, next) = rest.split_at(cut.map_or(rest.len(), |(at, _)| at));
        let end = if next.is_empty() { end } else { "\\" };
        Paragraph::new(indent, 0).push(Paint::Strong, format!("{part}{end}")).write(style, out);
        (rest, indent) = (next, 0);
    }
}

/// Lines that a creating request takes without `-v`: machine ids are long, and whoever approves a comment
/// has to see it.
const BRIEF: usize = 3;

/// A creating request in a few lines; others are told by reason and diff.
fn briefly(planned: &PlannedCall, by: &Address, style: Style, out: &mut String) {
    let request = planned.request();
    let call = planned.shown(by);
    let line = match &call {
        Some(Call::Collect { machine_id, comment }) => {
            Paragraph::new(6, 8).push(Paint::Faint, format!("on {machine_id}: ")).text(comment)
        }
        Some(Call::Alert(alert)) => Paragraph::new(6, 8)
            .push(Paint::Faint, format!("on {}: ", alert.machine_id))
            .text(format!("{}, {}", alert.severity, alert.title)),
        None => Paragraph::new(6, 8).push(Paint::Faint, format!("{} {}", request.method, request.path)),
    };
    line.write_lines(BRIEF, style, out);
    if let Some(follow_up) = &planned.follow_up {
        Paragraph::new(6, 8)
            .push(Paint::Faint, "then sets ")
            .text(messages::follow_up(follow_up))
            .write_lines(BRIEF, style, out);
    }
    // Whoever approves an id that is still to come sees where it will stand.
    if let (false, Some(Call::Alert(shown)), Some(Call::Alert(declared))) =
        (planned.ids.is_empty(), &call, planned.created())
    {
        for (name, text, written) in [
            ("description", &shown.description, &declared.description),
            ("recommendedAction", &shown.recommended_action, &declared.recommended_action),
        ] {
            if text != written {
                Paragraph::new(6, 8)
                    .push(Paint::Faint, format!("{name}: "))
                    .text(text)
                    .write_lines(BRIEF, style, out);
            }
        }
    }
}

fn exactly(planned: &PlannedCall, by: &Address, style: Style, out: &mut String) {
    let request = planned.request();
    Paragraph::new(6, 8)
        .push(Paint::Strong, request.method.as_str())
        .text(" ")
        .text(&request.path)
        .write(style, out);
    for (i, line) in fields_of(request.body.as_str()).into_iter().enumerate() {
        Paragraph::new(if i == 0 { 6 } else { 7 }, 9).push(Paint::Faint, line).write(style, out);
    }
    for id in &planned.ids {
        Paragraph::new(6, 8).push(Paint::Info, "id: ").text(id.told(by)).write(style, out);
    }
    if let Some(follow_up) = &planned.follow_up {
        Paragraph::new(6, 8)
            .push(Paint::Strong, follow_up.method.as_str())
            .text(" ")
            .text(messages::follow_up_path())
            .write(style, out);
        for (i, line) in fields_of(follow_up.body.as_str()).into_iter().enumerate() {
            Paragraph::new(if i == 0 { 6 } else { 7 }, 9).push(Paint::Faint, line).write(style, out);
        }
    }
}

/// A compact JSON object, broken after the comma in front of a key; not a byte is added or left out.
fn fields_of(body: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = body;
    // Inside a text a quote is escaped, so a text can hold this pair only at its very end.
    while let Some(at) = rest.find(",\"") {
        let (line, next) = rest.split_at(at + 1);
        lines.push(line);
        rest = next;
    }
    lines.push(rest);
    lines
}

fn closing(plan: &Plan, style: Style, out: &mut String) {
    let summary = plan.summary();
    let calls = plan.calls().count();
    let unchanged = summary.get(&Action::NoOp).copied().unwrap_or(0);
    let incomplete = !plan.unread().is_empty();
    let line = if incomplete {
        let counts = messages::counts(&summary);
        format!(
            "This plan is not complete: {}.",
            if counts.is_empty() { "nothing is known" } else { &counts }
        )
    } else if calls > 0 {
        format!("Plan: {}.", messages::counts(&summary))
    } else if plan.resources() == 0 {
        let narrowed = plan
            .warnings
            .iter()
            .any(|w| matches!(w, PlanWarning::Narrowed { declared, .. } if *declared > 0));
        let why = if narrowed { "Nothing is selected." } else { "No resources are declared." };
        format!("No calls to make. {why}")
    } else if unchanged == plan.resources() {
        let verb = if unchanged == 1 { "is" } else { "are" };
        format!("No calls to make. {} {verb} up to date.", messages::resources(unchanged))
    } else {
        format!("No calls to make: {}.", messages::counts(&summary))
    };
    Paragraph::new(0, 6).push(Paint::Strong, line).write(style, out);
    if let Some(line) = plan.destination.as_ref().and_then(destination) {
        Paragraph::new(0, 2).push(Paint::Info, "Service: ").text(line).write(style, out);
    }
    if unchanged > 0 && style.verbose == 0 && unchanged < plan.resources() {
        // The count alone would leave a reader to wonder where those rows are.
        Paragraph::new(0, 2)
            .push(Paint::Faint, "Unchanged rows are hidden; -v shows them.")
            .write(style, out);
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
        next(&ways_out::of_warning(warning), 2, style, out);
    }
    if calls > 0 && !incomplete {
        Paragraph::new(0, 8).push(Paint::Faint, "Digest: ").text(plan.digest.to_string()).write(style, out);
    }
    for line in plan.forecast.iter().flat_map(messages::forecast) {
        Paragraph::new(0, 2).text(line).write(style, out);
    }
    if let Some(line) = messages::estimate(&plan.estimate) {
        Paragraph::new(0, 2).text(line).write(style, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_broken_in_front_of_its_keys() {
        let body = r#"{"a":"x,\"y","b":[1,2],"c":"z,"}"#;
        let lines = fields_of(body);
        assert_eq!(lines, [r#"{"a":"x,\"y","#, r#""b":[1,2],"#, r#""c":"z,"#, r#""}"#]);
        assert_eq!(lines.concat(), body);
    }

    /// What a shell makes of it: a line's end behind a backslash is nothing.
    #[test]
    fn a_long_word_of_a_command_stays_one_word() {
        let address = format!("InvestigationPackage/{}", "long-".repeat(30));
        let words: Vec<String> = ["casefile", "import", &address, "some-id"].map(String::from).into();
        for width in [40, 80, 120] {
            let mut out = String::new();
            command(&words, 8, Style { width, color: false, verbose: 0 }, &mut out);
            assert!(out.lines().all(|l| columns(l) <= width), "{out}");
            assert!(out.lines().rev().skip(1).all(|l| l.ends_with('\\')), "{out}");
            let joined = out.replace("\\\n", "");
            assert_eq!(joined.split_whitespace().collect::<Vec<_>>(), words, "{out}");
        }
    }

    #[test]
    fn a_part_of_a_command_does_not_run() {
        let words: Vec<String> =
            ["casefile", "import", "InvestigationPackage/fin-ws-042", "'x; reboot'"].map(String::from).into();
        let mut out = String::new();
        command(&words, 8, Style { width: 50, color: false, verbose: 0 }, &mut out);
        assert_eq!(
            out,
            "        casefile import \\\n          InvestigationPackage/fin-ws-042 \\\n          'x; reboot'\n"
        );
    }
}
