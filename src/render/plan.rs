//! A plan for people: its rows by groups, and with `-v` all there is to know of each. `plan_end` has what stands below them.

use std::collections::HashMap;

use jiff::Timestamp;

use super::layout::{Paint, Paragraph, columns};
use super::rows::{self, Group, Notes, Row};
use super::{Style, commands, diff, messages, plan_end, ways_out};
use crate::model::{Address, Call};
use crate::plan::{Action, Change, Plan, PlanWarning, PlannedCall, View};

/// Alike rows of a group beyond which they are one line.
const FOLD_ABOVE: usize = 10;
/// Machines that such a line names.
const NAMED: usize = 3;
/// Lines that a comment, a title or an id's place takes without `-v`: whoever approves it has to see it.
const BRIEF: usize = 3;
/// Rows that need a person and are shown with their commands without `-v`.
const WAYS_OUT: usize = 3;

/// The whole plan, a line a row, grouped by incident. With `-v` all rows, and below each its address, its place, its exact
/// call and what is known of its machine.
pub fn plan(plan: &Plan, style: Style, now: Timestamp) -> String {
    let mut out = String::new();
    let all = style.verbose > 0;
    let (groups, notes) = rows::groups(plan, all, now);
    let needy = groups.iter().flat_map(|g| &g.rows).filter(|r| r.sign == rows::Sign::NeedsYou).count();
    let shows_ways = all || needy <= WAYS_OUT;
    for group in &groups {
        write_group(group, shows_ways, style, now, &mut out);
        out.push('\n');
    }
    if !all && write_notes(&notes, style, &mut out) {
        out.push('\n');
    }
    plan_end::closing(plan, needy, shows_ways, style, &mut out);
    out
}

/// The one line that says what to do with a plan, `next: casefile apply` and words; empty where there is nothing to send, or
/// where something holds the plan back and the ways out stand above. `dir` is the project's folder as `-C` named it.
pub fn next_step(plan: &Plan, dir: Option<&str>, words: &[String], style: Style) -> String {
    let mut out = String::new();
    let held = plan.warnings.iter().any(|w| {
        let unread = matches!(w, PlanWarning::NotLooked { .. });
        unread
            || w.is_over_limit()
            || matches!(w, PlanWarning::Removals { .. } | PlanWarning::LookAlikes { .. })
    });
    if plan.changes.iter().any(|c| c.action.is_change()) && !held {
        // Options are our own words, and their values are not.
        let quoted = |word: &String| match word.strip_prefix("--") {
            Some(option) => format!("--{}", ways_out::shell(option)),
            None => ways_out::shell(word).into_owned(),
        };
        let command = ways_out::from_folder("casefile apply", dir);
        let words: Vec<String> = std::iter::once(command).chain(words.iter().map(quoted)).collect();
        commands::next_line(&words, style, &mut out);
    }
    out
}

fn write_group(group: &Group<'_>, shows_ways: bool, style: Style, now: Timestamp, out: &mut String) {
    let mut head = Paragraph::new(0, 4);
    if let Some(incident) = group.incident {
        head = head.push(Paint::Strong, incident).text("  ");
    }
    head.push(Paint::Faint, &group.place).write(style, out);
    let lines = match style.verbose {
        0 => folded(&group.rows),
        _ => group.rows.iter().map(Line::of).collect(),
    };
    let widths = Widths::of(&lines, style);
    let mut shared = "";
    for line in &lines {
        if line.row.shared != shared && !line.row.shared.is_empty() {
            shared = &line.row.shared;
            let text = Paragraph::new(4, 5).push(Paint::Faint, shared);
            if style.verbose > 0 { text.write(style, out) } else { text.write_lines(BRIEF, style, out) }
        }
        write_row(line, &widths, style, out);
        below(line, shows_ways, style, now, out);
    }
    let mut quiet = Vec::new();
    if group.done > 0 {
        quiet.push(format!("{} done", messages::number(group.done)));
    }
    if !group.running.is_empty() {
        let names = messages::first(&group.running, NAMED, |(machine, _)| machine.clone());
        quiet.push(format!("{} running: {names}", messages::number(group.running.len())));
    }
    if !quiet.is_empty() {
        Paragraph::new(2, 4).push(Paint::Faint, format!("= {}", quiet.join(", "))).write(style, out);
    }
}

/// A line: a row, or several that are alike.
struct Line<'r, 'a> {
    row: &'r Row<'a>,
    machine: String,
    standing: String,
    folded: usize,
}

impl<'r, 'a> Line<'r, 'a> {
    fn of(row: &'r Row<'a>) -> Self {
        Line { row, machine: row.machine.clone(), standing: row.standing.clone(), folded: 1 }
    }
}

/// Puts alike rows into one line, where there are more than ten.
fn folded<'r, 'a>(rows: &'r [Row<'a>]) -> Vec<Line<'r, 'a>> {
    let key = |r: &'r Row<'a>| {
        let answers = r.change.facts.as_ref().map(|f| f.answers);
        let changed = diff_of(r.change).map(|(before, after)| diff::changed(before, after));
        (r.sign, r.change.address.kind(), &r.detail, &r.shared, &r.marks, answers, changed)
    };
    let mut alike: Vec<Vec<&'r Row<'a>>> = Vec::new();
    let mut at = HashMap::new();
    for row in rows {
        let i = *at.entry(key(row)).or_insert(alike.len());
        match alike.get_mut(i) {
            Some(same) => same.push(row),
            None => alike.push(vec![row]),
        }
    }
    let mut lines = Vec::new();
    for rows in alike {
        let Some(first) = rows.first().filter(|_| rows.len() > FOLD_ABOVE) else {
            lines.extend(rows.into_iter().map(Line::of));
            continue;
        };
        let names = messages::first(&rows, NAMED, |r| r.machine.clone());
        let standing = match first.change.facts.as_ref().map(|f| f.answers) {
            Some(true) => "all answer now",
            Some(false) => "all offline",
            None => "",
        };
        lines.push(Line { row: first, machine: names, standing: standing.to_owned(), folded: rows.len() });
    }
    lines
}

/// Columns of what stands in front of the details.
struct Widths {
    what: usize,
    machine: usize,
    system: usize,
}

impl Widths {
    /// Those of the longest, but no more than leaves room for the details.
    fn of(lines: &[Line<'_, '_>], style: Style) -> Widths {
        let single = || lines.iter().filter(|l| l.folded == 1);
        let most = style.columns() / 3;
        let widest =
            |of: &dyn Fn(&Line<'_, '_>) -> usize| single().map(of).filter(|w| *w <= most).max().unwrap_or(0);
        Widths {
            what: widest(&|l| columns(&l.row.what)),
            machine: widest(&|l| columns(&l.machine)),
            system: widest(&|l| columns(&l.row.system)),
        }
    }
}

fn write_row(line: &Line<'_, '_>, widths: &Widths, style: Style, out: &mut String) {
    let row = line.row;
    let (sign, paint) = row.sign.shown();
    let what = match line.folded {
        1 => row.what.clone(),
        n => messages::plural(n, super::status::word(row.change.address.kind())),
    };
    let padded = |text: &str, width: usize| format!("{text:width$}  ");
    let hang = 4 + widths.what + 2 + widths.machine + 2;
    let hang = if hang > style.columns() / 2 { 6 } else { hang };
    let mut text = Paragraph::new(2, hang).push(paint, sign).text(" ").text(padded(&what, widths.what));
    text = text.push(Paint::Strong, padded(&line.machine, widths.machine));
    if widths.system > 0 && line.folded == 1 && !row.system.is_empty() {
        text = text.text(padded(&row.system, widths.system));
    }
    let odd = if rows::is_odd(row.change) { Paint::Notice } else { Paint::Plain };
    let rest = [&line.standing, &row.detail];
    let rest: Vec<&str> = rest.into_iter().map(String::as_str).filter(|t| !t.is_empty()).collect();
    text = text.push(odd, rest.join(", "));
    if style.verbose == 0 && !row.marks.is_empty() {
        let marks: Vec<String> = row.marks.iter().map(|n| format!("[{n}]")).collect();
        let gap = if rest.is_empty() { "" } else { "  " };
        text = text.text(gap).push(Paint::Notice, marks.join(" "));
    }
    if style.verbose > 0 { text.write(style, out) } else { text.write_lines(BRIEF, style, out) }
}

/// Writes the lines below a row: changed fields, and with `-v` all there is to know.
fn below(line: &Line<'_, '_>, shows_ways: bool, style: Style, now: Timestamp, out: &mut String) {
    let change = line.row.change;
    if style.verbose > 0 {
        let places: Vec<String> = [&change.source, &change.template]
            .into_iter()
            .flatten()
            .map(|s| format!("{}:{}", s.file, s.line))
            .collect();
        let place = if places.is_empty() { String::new() } else { format!("  ({})", places.join(", ")) };
        Paragraph::new(6, 8).push(Paint::Strong, change.shown()).push(Paint::Faint, place).write(style, out);
        Paragraph::new(6, 8)
            .text(format!("{}: {}", change.action, messages::why(change, now)))
            .write(style, out);
    }
    if let Some((before, after)) = diff_of(change) {
        diff::fields(before, after, 6, style, out);
    }
    if let Some(call) = &change.call {
        match style.verbose {
            0 => texts_with_ids(call, &change.address, style, out),
            _ => exactly(call, &change.address, style, out),
        }
    }
    if style.verbose > 0 {
        if let Some(facts) = &change.facts {
            Paragraph::new(6, 8).push(Paint::Faint, messages::facts(facts, now)).write(style, out);
        }
        for warning in &change.warnings {
            Paragraph::new(6, 8)
                .push(Paint::Notice, "warning: ")
                .text(messages::warning(warning, now))
                .write(style, out);
        }
    }
    if shows_ways && line.folded == 1 {
        commands::next(&ways_out::of_row(change), 6, style, out);
    }
}

/// The two texts that are compared below a row: the one that was sent, and the one that is declared.
fn diff_of(change: &Change) -> Option<(&View, &View)> {
    let shown = matches!(
        change.action,
        Action::Create | Action::Retry | Action::Replace | Action::Update | Action::Move | Action::Differs
    );
    Some((change.before.as_ref()?, change.after.as_ref()?)).filter(|_| shown)
}

/// Writes the numbered notes; false if there are none.
fn write_notes(notes: &Notes, style: Style, out: &mut String) -> bool {
    let mut any = false;
    for (i, text) in notes.told().enumerate() {
        any = true;
        let mark = format!("[{}] ", i + 1);
        Paragraph::new(0, mark.len()).push(Paint::Notice, &mark).text(text).write(style, out);
    }
    any
}

/// The texts of an alert in which the id of another resource will stand: whoever approves an id that is still to come
/// sees where.
fn texts_with_ids(planned: &PlannedCall, by: &Address, style: Style, out: &mut String) {
    let (Some(shown @ Call::Alert(_)), Some(declared)) = (planned.shown(by), planned.created()) else {
        return;
    };
    for ((name, text), written) in shown.texts().zip(declared.texts()) {
        if (name, text) != written {
            Paragraph::new(6, 8)
                .push(Paint::Faint, format!("{name}: "))
                .text(text)
                .write_lines(BRIEF, style, out);
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
}
