//! The part of the page that says what needs a person, and what to type next.

use std::collections::BTreeMap;

use super::super::messages::plural;
use super::document::Problem;
use super::markup::Html;
use super::words::label;
use crate::report::Report;

/// How many resources a group of problems names before the rest is folded up.
const NAMED: usize = 3;

/// Writes what needs a person: what is the same of several resources once.
pub fn write(h: &mut Html, report: &Report, problems: &[Problem<'_>]) {
    if problems.is_empty() {
        return;
    }
    let shown: BTreeMap<_, _> = report.resources.iter().map(|r| (&r.address, r)).collect();
    let mut groups: Vec<(&Problem<'_>, Vec<&Problem<'_>>)> = Vec::new();
    for p in problems {
        match groups.iter_mut().find(|(first, _)| (first.code, &first.message) == (p.code, &p.message)) {
            Some((_, all)) => all.push(p),
            None => groups.push((p, vec![p])),
        }
    }
    // What is easily put right comes last.
    groups.sort_by_key(|(p, _)| is_soft(p.code));
    h.leaf("h2", &[], "What needs a person");
    h.element("ul", &[("class", "todo")], |h| {
        for (first, all) in groups {
            let class = if is_soft(first.code) { "soft" } else { "hard" };
            h.element("li", &[("class", class)], |h| {
                h.element("p", &[], |h| {
                    let who = |p: &Problem<'_>| {
                        let r = shown.get(p.address?)?;
                        Some(label(r))
                    };
                    let names: Vec<String> = all.iter().filter_map(|p| who(p)).collect();
                    match (&*names, names.len() > NAMED) {
                        ([], _) => {}
                        (names, false) => h.leaf("strong", &[], &names.join(", ")),
                        (names, true) => h.leaf("strong", &[], &plural(names.len(), "resource")),
                    }
                    h.text(if names.is_empty() { "" } else { ": " });
                    h.text(&first.message);
                    h.text(".");
                });
                if let Some(hint) = first.hint {
                    h.leaf("p", &[], &sentence(hint));
                }
                ways_out(h, &all);
                if all.len() > NAMED {
                    names_of_all(h, &all);
                }
            });
            h.line();
        }
    });
}

/// A text that begins in lower case and ends without a full stop, as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

fn is_soft(code: &str) -> bool {
    matches!(code, "not-fetched" | "cancelled" | "watched" | "busy" | "throttled")
}

/// The commands that help a group: one for all, or those of each.
fn ways_out(h: &mut Html, all: &[&Problem<'_>]) {
    let mut commands: Vec<(&str, &str)> = Vec::new();
    for next in all.iter().flat_map(|p| &p.next) {
        let pair = (next.purpose, next.command.as_str());
        if !commands.contains(&pair) {
            commands.push(pair);
        }
    }
    for (purpose, command) in commands.iter().take(NAMED) {
        h.element("p", &[], |h| {
            h.text("To ");
            h.text(purpose);
            h.text(": ");
            h.leaf("code", &[("class", "cmd")], command);
        });
    }
    if commands.len() > NAMED {
        h.leaf("p", &[("class", "sub")], "The same for each of the others.");
    }
}

fn names_of_all(h: &mut Html, all: &[&Problem<'_>]) {
    h.element("details", &[], |h| {
        h.leaf("summary", &[], "Which ones");
        h.element("ul", &[], |h| {
            for address in all.iter().filter_map(|p| p.address) {
                h.leaf("li", &[], &address.to_string());
            }
        });
    });
}
