//! A plan for a pull request's comment.
//!
//! Text from manifests and from the service stands in code spans and fenced blocks alone: there it is no
//! link, mention, reference, HTML or markup on any code host.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::destination::destination;
use super::{brief, codes, escape, messages, rows};
use crate::plan::{Action, Change, Plan, PlanWarning};

/// Code hosts refuse a comment of more than 65,536 characters, and a pipeline puts a line of its own in
/// front. Counted in bytes here, so that it holds however they count.
const LIMIT: usize = 65_000;
/// Of it, for the line that counts what is folded away.
const RESERVE: usize = 1_536;
/// Of it, for summary, warnings and table; the rest is left to the details.
const TABLE: usize = 45_000;
/// Warnings of one kind that are written out.
const WARNINGS: usize = 5;
/// Bytes of a text in a line or a table cell.
const CELL: usize = 300;
/// Bytes of the command that sends the calls.
const COMMAND: usize = 4_000;
/// Bytes of one row's details.
const DETAIL: usize = 8_000;

/// Summary, digest, warnings, tables of the rows by incident or file, and the details of each row collapsed below them; less
/// than 65,000 bytes. What does not fit is counted: rows without a call and without a warning go first.
/// `none` rows are listed with `-v` only.
///
/// `selection` are the arguments that the plan was narrowed with: the command that sends its calls repeats them.
pub fn plan_markdown(plan: &Plan, selection: &[String], verbose: u8, now: Timestamp) -> String {
    let counts = messages::tally(plan);
    let counts = if counts.is_empty() { "nothing declared".into() } else { counts };
    let incomplete = !plan.unread().is_empty();
    let title = if incomplete { "casefile plan, not complete" } else { "casefile plan" };
    let mut out = format!("### {title}: {counts}\n\n");
    let calls = plan.requests().count();
    if incomplete {
        out.push_str("**What rows need could not be read. `casefile apply` refuses this plan.**\n\n");
    } else if calls > 0 {
        let selection: String = selection.iter().map(|arg| format!(" {}", shell_word(arg))).collect();
        let command = format!("casefile apply --expect {}{selection}", plan.digest);
        out.push_str(&format!(
            "{} sends exactly {}.\n\n",
            code(&command, COMMAND),
            if calls == 1 {
                "this call".to_owned()
            } else {
                format!("these {} calls", messages::number(calls))
            }
        ));
    }
    if let Some(line) = plan.destination.as_ref().and_then(destination) {
        out.push_str(&format!("Service: {}\n\n", code(&line, CELL)));
    }
    if plan.estimate.seconds > 60
        && let Some(line) = messages::estimate(&plan.estimate)
    {
        out.push_str(&format!("{line}\n\n"));
    }
    warnings(plan, now, &mut out);

    let (groups, _) = rows::groups(plan, true, now);
    let mut rows: Vec<(usize, &Change)> = Vec::new();
    for (at, group) in groups.iter().enumerate() {
        let told = |c: &Change| c.action != Action::NoOp || verbose > 0 || !c.warnings.is_empty();
        rows.extend(group.rows.iter().map(|row| (at, row.change)).filter(|(_, c)| told(c)));
    }
    rows.sort_by_key(|(_, c)| interest(c));
    let mut shown: Vec<(usize, &Change, String)> = Vec::new();
    let mut begun: BTreeSet<usize> = BTreeSet::new();
    let mut folded: BTreeMap<Action, usize> = BTreeMap::new();
    let mut room = TABLE.saturating_sub(out.len());
    for (at, c) in rows {
        let line = table_row(c, now);
        let head = groups.get(at).filter(|_| !begun.contains(&at)).map_or(0, |g| heading(g).len());
        if line.len() + head <= room {
            room -= line.len() + head;
            begun.insert(at);
            shown.push((at, c, line));
        } else {
            // Nothing that is less interesting takes the place of what did not fit.
            room = 0;
            *folded.entry(c.action).or_default() += 1;
        }
    }
    shown.sort_by(|(at, a, _), (bt, b, _)| (at, a.action, &a.address).cmp(&(bt, b.action, &b.address)));
    for rows in shown.chunk_by(|(a, ..), (b, ..)| a == b) {
        if let Some(group) = rows.first().and_then(|(at, ..)| groups.get(*at)) {
            out.push_str(&heading(group));
        }
        rows.iter().for_each(|(_, _, line)| out.push_str(line));
        out.push('\n');
    }
    if !folded.is_empty() {
        out.push_str(&format!(
            "Not listed, to keep this short: {}. `casefile plan` shows them.\n\n",
            messages::counts(&folded)
        ));
    }
    details(shown.iter().map(|(_, c, _)| *c), &mut out);
    out
}

/// Writes the head of a group: its incident and where it is declared, and the head of their table.
fn heading(group: &rows::Group<'_>) -> String {
    let incident = group.incident.map(|name| format!("**{}** ", code(name, CELL))).unwrap_or_default();
    let place = code(&group.place, CELL);
    format!("{incident}{place}\n\n| resource | action | machine | reason |\n|---|---|---|---|\n")
}

/// Smaller is more interesting.
fn interest(c: &Change) -> (bool, u8) {
    let rank = match c.action {
        Action::Unresolved => 0,
        a if a.call().is_some() => 1,
        Action::Exhausted => 2,
        Action::Adopt | Action::Move | Action::Forget => 3,
        Action::Differs => 4,
        Action::Wait => 5,
        _ => 6,
    };
    (c.warnings.is_empty(), rank)
}

fn warnings(plan: &Plan, now: Timestamp, out: &mut String) {
    let mut by_kind: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for w in plan.warnings.iter().filter(|w| !matches!(w, PlanWarning::Narrowed { .. })) {
        let line = code(&messages::plan_warning(w), CELL);
        by_kind.entry(codes::plan_warning(w)).or_default().push(line);
    }
    // What holds for many rows is said once.
    let mut order: Vec<(&str, String)> = Vec::new();
    let mut of: BTreeMap<(&str, String), Vec<(String, String)>> = BTreeMap::new();
    for c in &plan.changes {
        for w in &c.warnings {
            let key = (codes::warning(w), brief::warning(w, now));
            let rows = of.entry(key.clone()).or_default();
            if rows.is_empty() {
                order.push(key);
            }
            rows.push((code(&c.shown(), CELL), messages::warning(w, now)));
        }
    }
    for key in order {
        let line = match of.get(&key).map(Vec::as_slice).unwrap_or_default() {
            [(address, whole)] => format!("{address}: {}", code(whole, CELL)),
            rows => {
                let named = messages::first(rows, WARNINGS, |(address, _)| address.clone());
                format!("{}: {}: {named}", messages::plural(rows.len(), "row"), code(&key.1, CELL))
            }
        };
        by_kind.entry(key.0).or_default().push(line);
    }
    if !by_kind.is_empty() {
        out.push_str("**Warnings**\n\n");
        for lines in by_kind.values() {
            for line in lines.iter().take(WARNINGS) {
                out.push_str(&format!("- {line}\n"));
            }
            let more = lines.len().saturating_sub(WARNINGS);
            if more > 0 {
                out.push_str(&format!("- and {} more like the last one\n", messages::number(more)));
            }
        }
        out.push('\n');
    }
    for line in plan.forecast.iter().flat_map(messages::forecast) {
        out.push_str(&format!("- {line}\n"));
    }
    for group in &plan.groups {
        out.push_str(&format!("- {}\n", code(&messages::group(group), CELL)));
    }
    if !plan.groups.is_empty() || plan.forecast.is_some() {
        out.push('\n');
    }
    for w in plan.warnings.iter().filter(|w| matches!(w, PlanWarning::Narrowed { .. })) {
        out.push_str(&format!("Note: {}.\n\n", code(&messages::plan_warning(w), CELL)));
    }
}

fn table_row(c: &Change, now: Timestamp) -> String {
    let mut machine = c.machine.as_ref().map(|m| code(m.as_str(), CELL)).unwrap_or_default();
    if let Some(facts) = &c.facts {
        machine.push_str(&format!(" {}", code(&messages::facts(facts, now), CELL)));
    }
    let reason = code(&messages::why(c, now), CELL);
    format!("| {} | {} | {machine} | {reason} |\n", code(&c.shown(), CELL), c.action)
}

fn details<'a>(rows: impl Iterator<Item = &'a Change>, out: &mut String) {
    let mut left_out = 0_usize;
    let mut parts = String::new();
    let room = LIMIT.saturating_sub(RESERVE + out.len());
    for c in rows {
        let Some(text) = detail(c) else { continue };
        let fence = "`".repeat(longest_run(&text).max(2) + 1);
        // An address is kind and DNS name: nothing in it is special to HTML.
        let part = format!(
            "<details><summary><code>{}</code>: {}</summary>\n\n{fence}diff\n{text}{fence}\n\n</details>\n",
            c.address, c.action
        );
        if parts.len() + part.len() <= room && left_out == 0 {
            parts.push_str(&part);
        } else {
            left_out += 1;
        }
    }
    out.push_str(&parts);
    if left_out > 0 {
        let rows = messages::plural(left_out, "row");
        out.push_str(&format!("\nDetails of {rows} are left out. `casefile plan -v` shows them.\n"));
    }
}

/// Fields and request of a row; none where there is nothing to see. Each line is marked as in a diff.
fn detail(c: &Change) -> Option<String> {
    let mut out = String::new();
    let empty = Vec::new();
    let (before, after) = (c.before.as_ref().unwrap_or(&empty), c.after.as_ref().unwrap_or(&empty));
    if !after.is_empty() {
        let value = |name: &str| before.iter().find(|(n, _)| n == name).map(|(_, v)| v);
        for (name, new) in after {
            match value(name) {
                Some(old) if old == new => line("  ", name, new, &mut out),
                old => {
                    if let Some(old) = old {
                        line("- ", name, old, &mut out);
                    }
                    line("+ ", name, new, &mut out);
                }
            }
        }
    }
    if let Some(call) = &c.call {
        let request = call.request();
        out.push_str(&format!("  {} {}\n", request.method, escape::inside(&request.path)));
        out.push_str(&format!("  {}\n", escape::inside(request.body.as_str())));
        for id in &call.ids {
            out.push_str(&format!("  {}\n", escape::inside(&id.told(&c.address))));
        }
        if let Some(follow_up) = &call.follow_up {
            out.push_str(&format!("  {} {}\n", follow_up.method, messages::follow_up_path()));
            out.push_str(&format!("  {}\n", escape::one_line(follow_up.body.as_str())));
        }
    }
    if out.is_empty() {
        return None;
    }
    if out.len() > DETAIL {
        out.truncate(out.floor_char_boundary(DETAIL));
        out.push_str("\n  (cut here)\n");
    }
    Some(out)
}

fn line(mark: &str, name: &str, value: &str, out: &mut String) {
    out.push_str(&format!("{mark}{name}: {}\n", escape::inside(value)));
}

/// A code span that holds in a table cell too. What could end the span or the cell is written `\u{60}`,
/// `\u{7c}`, like hidden characters.
fn code(text: &str, most: usize) -> String {
    let text = escape::inside(text.trim()).replace('`', "\\u{60}").replace('|', "\\u{7c}");
    let cut = match text.get(..text.floor_char_boundary(most)) {
        Some(start) if start.len() < text.len() => format!("{start}..."),
        _ => text,
    };
    if cut.is_empty() { String::new() } else { format!("`{cut}`") }
}

/// An argument as a POSIX shell takes it.
fn shell_word(arg: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:@%+".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        Cow::Borrowed(arg)
    } else {
        Cow::Owned(format!("'{}'", arg.replace('\'', r"'\''")))
    }
}

/// A fence must be longer than any run of backticks inside.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag};

    use super::super::samples::*;
    use super::*;
    use crate::plan::Reason;

    /// What tries to leave its place.
    const HOSTILE: &[&str] = &[
        "@everyone please look",
        "#1 !2 GH-3 contoso/repo#4 0123456789abcdef0123456789abcdef01234567",
        "https://evil.example www.evil.example mailto:a@evil.example <https://evil.example>",
        "[link](https://evil.example) ![image](https://evil.example/x.png) [r]: https://evil.example",
        "<img src=x onerror=alert(1)> <!-- --> <details><summary>x</summary> </details>",
        "</code></summary></details><h1>approved</h1>",
        "`` ` ``` ```` code | cell | `|` \\| \\`",
        "```\n\n# heading\n\n```",
        "~~~\n# heading\n~~~\n\n</details>\n\n<script>alert(1)</script>",
        "text\n===\n\n---\n\n- item\n1. item\n> quote\n\n    code\n| a | b |\n|---|---|\n",
        "**bold** _em_ ~~gone~~ $math$ [^1] - [x] task :smile:",
        "\u{1b}[31mred\u{1b}[0m \u{9b}0m \u{202e}cba\u{2066} \u{200b}\u{feff} \r\n \u{7}\0",
        "&lt;b&gt; &#64;user &commat;user \\@user",
        "\\",
        "`",
        "| | |",
        "::error::x ##[error]y ##vso[task.complete]z",
    ];

    /// Parses as a code host does and checks that every piece of markup is one of ours.
    fn check(markdown: &str) {
        assert!(markdown.len() < LIMIT, "{}", markdown.len());
        assert_eq!(escape::lines(markdown, false), markdown);
        let (mut headings, mut fence) = (0, false);
        for event in Parser::new_ext(markdown, Options::all()) {
            match event {
                Event::Start(Tag::Heading { level: HeadingLevel::H3, .. }) => headings += 1,
                Event::Start(
                    Tag::Paragraph
                    | Tag::Table(_)
                    | Tag::TableHead
                    | Tag::TableRow
                    | Tag::TableCell
                    | Tag::List(None)
                    | Tag::Item
                    | Tag::Strong
                    | Tag::HtmlBlock,
                )
                | Event::Code(_)
                | Event::SoftBreak => {}
                Event::Start(Tag::CodeBlock(_)) => fence = true,
                Event::End(pulldown_cmark::TagEnd::CodeBlock) => fence = false,
                Event::End(_) => {}
                Event::Text(_) if fence => {}
                Event::Text(text) => {
                    let plain = |c: char| c.is_ascii_alphanumeric() || " ,.:()-".contains(c);
                    assert!(text.chars().all(plain) && !text.contains("www."), "{text:?} in {markdown}");
                }
                Event::Html(html) => {
                    let ours = |l: &str| {
                        l == "</details>"
                            || l.strip_prefix("<details><summary><code>")
                                .and_then(|l| l.strip_suffix("</summary>"))
                                .and_then(|l| l.split_once("</code>: "))
                                .is_some_and(|(address, action)| {
                                    address.parse::<crate::model::Address>().is_ok()
                                        && Action::ALL.iter().any(|a| a.as_str() == action)
                                })
                    };
                    assert!(html.lines().all(ours), "{html:?} in {markdown}");
                }
                other => panic!("{other:?} in {markdown}"),
            }
        }
        assert_eq!(headings, 1, "{markdown}");
    }

    fn hostile_plan(text: &str) -> Plan {
        let mut plan = plan(every_reason(text));
        plan.warnings = every_plan_warning(text);
        plan.estimate.seconds = 240;
        plan.destination = Some(elsewhere(text));
        for c in &mut plan.changes {
            c.warnings.extend(every_warning(text));
        }
        plan
    }

    #[test]
    fn no_text_breaks_out() {
        for text in HOSTILE {
            check(&plan_markdown(&hostile_plan(text), &[], 1, now()));
        }
        check(&plan_markdown(&hostile_plan(&HOSTILE.concat()), &[], 1, now()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_random_text_breaks_out(text in "([`|<>@\\[\\]()!#*_~\\\\\n &;:/.-]|\\PC|[\u{0}-\u{ff}])*") {
            let mut row = change("Alert/a", Action::Create, Reason::New);
            row.call = Some(planned(alert(&text).request()));
            row.after = view(&[("title", &text)]).into();
            row.warnings = every_warning(&text).into();
            check(&plan_markdown(&plan(vec![row]), &[], 0, now()));
        }
    }

    #[test]
    fn what_a_reviewer_reads() {
        let mut plan = plan(every_reason(""));
        plan.estimate.seconds = 240;
        plan.destination = Some(elsewhere(""));
        plan.warnings = every_plan_warning("")[3..].to_vec();
        plan.changes.retain(|c| {
            matches!(c.action, Action::Create | Action::Update | Action::Adopt | Action::Unresolved)
                && (c.address.kind() == crate::model::Kind::Alert || !c.warnings.is_empty())
        });
        insta::assert_snapshot!(plan_markdown(&plan, &[], 0, now()));
    }

    #[test]
    fn a_long_plan_is_folded_from_its_least_interesting_end() {
        let mut rows: Vec<Change> = (0..3_000)
            .map(|n| {
                let (action, reason) = match n {
                    0..1_000 => (Action::Create, Reason::New),
                    _ => (Action::Wait, Reason::BusyNotLooked),
                };
                change(&format!("InvestigationPackage/fin-ws-{n:04}"), action, reason)
            })
            .collect();
        rows[2_999].warnings = every_warning("").into();
        let out = plan_markdown(&plan(rows), &[], 0, now());
        check(&out);
        assert!(out.contains("| `InvestigationPackage/fin-ws-2999` | wait |"), "the row with warnings");
        assert!(out.contains("Not listed, to keep this short: "), "{out}");
        assert!(out.contains(" 1,999 "), "of the waiting rows, all but one: {out}");
        assert!(out.contains("Details of "), "{out}");
    }

    #[test]
    fn one_huge_text_is_cut() {
        let mut row = change("Alert/a", Action::Create, Reason::New);
        row.after = view(&[("description", &"東`".repeat(60_000))]).into();
        let out = plan_markdown(&plan(vec![row]), &[], 0, now());
        check(&out);
        assert!(out.contains("(cut here)"));
    }
}
