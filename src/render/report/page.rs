//! The page: sections, tables and words, in the order in which a person asks.

use jiff::Timestamp;

use super::super::age::{duration, short};
use super::super::messages::{bytes, number, plural};
use super::document::ReportDocument;
use super::markup::Html;
use super::timeline::{self, Scale};
use super::words::{kind_and_name, label};
use super::{problems, style, words};
use crate::model::Kind;
use crate::report::{Attempt, Holding, Machine, Package, Report, ResourceFacts, Standing};

/// The beginning of every page of ours: a file that begins otherwise is not replaced.
pub const MARK: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"generator\" content=\"casefile report\">";

/// Writes the page of a report.
pub fn html(document: &ReportDocument<'_>) -> String {
    let report = document.report;
    let sheet = style::sheet();
    let mut head = Html::default();
    head.empty("meta", &[("http-equiv", "Content-Security-Policy"), ("content", &sheet.policy())]);
    head.empty("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
    head.empty("meta", &[("name", "referrer"), ("content", "no-referrer")]);
    head.leaf("title", &[], &title(report));
    head.style(&sheet);
    let mut body = Html::default();
    body.element("header", &[], |h| opening(h, report, document.problems.len()));
    body.element("main", &[], |h| {
        problems::write(h, report, &document.problems);
        timeline_of(h, report);
        packages(h, report);
        alerts(h, report);
        machines(h, report);
        asked(h, report);
        approved(h, report);
        record(h, report);
    });
    body.element("footer", &[], |h| closing(h, report));
    format!("{MARK}{}</head>\n<body>{}</body></html>\n", head.finish(), body.finish())
}

fn title(report: &Report) -> String {
    let what = report.incident.as_deref().unwrap_or(&report.project);
    format!("{what}: report of {}", day_and_time(report.created_at))
}

fn opening(h: &mut Html, report: &Report, problems: usize) {
    let s = &report.summary;
    h.leaf("h1", &[], report.incident.as_deref().unwrap_or(&report.project));
    let service = &report.service;
    let mut about = vec![report.project.clone(), format!("cloud {}", service.cloud)];
    about.extend(service.endpoint.clone());
    about.extend(service.tenant.as_ref().map(|t| format!("tenant {t}")));
    about.extend(report.selection.selector.as_ref().map(|s| format!("selected by {s}")));
    h.leaf("p", &[("class", "muted")], &about.join(" · "));
    h.leaf("p", &[("class", "lead")], &verdict(report, problems));
    let tile = |h: &mut Html, class: &str, value: String, words: &str| {
        h.element("li", &[("class", class)], |h| {
            h.leaf("b", &[], &value);
            h.leaf("span", &[], words);
        });
    };
    h.element("ul", &[("class", "tiles")], |h| {
        if s.collections > 0 {
            let of = format!("{} of {}", number(s.held), number(s.collections));
            tile(h, "", of, "packages held");
        }
        if s.packages > 0 {
            tile(h, "", bytes(s.bytes), "of evidence");
        }
        if s.alerts > 0 {
            tile(h, "", format!("{} of {}", number(s.raised), number(s.alerts)), "alerts raised");
        }
        tile(h, "", number(s.machines), if s.machines == 1 { "machine" } else { "machines" });
        let class = if problems > 0 { "alarm" } else { "" };
        tile(h, class, number(problems), if problems == 1 { "needs a person" } else { "need a person" });
    });
}

/// The whole in a sentence or two.
fn verdict(report: &Report, problems: usize) -> String {
    let s = &report.summary;
    let running = s.standing.get(&Standing::Running).copied().unwrap_or_default();
    let mut out = Vec::new();
    if report.resources.is_empty() {
        out.push("Nothing is recorded of what was selected.".to_owned());
    } else if s.held == s.collections && s.raised == s.alerts {
        out.push("Everything that was asked for is there.".to_owned());
    } else if running > 0 {
        out.push(format!(
            "{} still under way.",
            if running == 1 {
                "One collection is".to_owned()
            } else {
                format!("{} are", plural(running, "collection"))
            }
        ));
    }
    match problems {
        0 => {}
        1 => out.push("One thing needs a person.".to_owned()),
        n => out.push(format!("{} things need a person.", number(n))),
    }
    out.join(" ")
}

fn timeline_of(h: &mut Html, report: &Report) {
    let Some(scale) = Scale::of(report) else { return };
    h.leaf("h2", &[], "Timeline");
    let length = u64::try_from(scale.to().duration_since(scale.from()).as_secs()).unwrap_or_default();
    let caption = format!(
        "From {} to {}, {} in all, to scale. Times are in UTC, by the service's clock; those of downloads by the clock of \
         the computer that fetched.",
        day_and_time(scale.from()),
        day_and_time(scale.to()),
        duration(length)
    );
    timeline::key(h);
    h.element("table", &[("class", "time")], |h| {
        h.leaf("caption", &[], &caption);
        h.element("thead", &[], |h| {
            h.element("tr", &[], |h| {
                h.leaf("th", &[("scope", "col")], "Machine");
                h.element("td", &[], |h| timeline::axis(h, &scale));
                h.leaf("th", &[("scope", "col")], "State");
                h.leaf("th", &[("scope", "col"), ("class", "num")], "Took");
            });
        });
        let mut by_time: Vec<&ResourceFacts> = report.resources.iter().collect();
        by_time.sort_by_key(|r| r.attempts.first().and_then(timeline::begin));
        rows(h, by_time.into_iter(), |h, r| {
            h.element("th", &[("scope", "row")], |h| {
                h.text(&label(r));
                h.leaf("div", &[("class", "sub")], &kind_and_name(r));
            });
            h.element("td", &[], |h| timeline::row(h, &scale, r, report.created_at));
            h.element("td", &[], |h| state(h, r.standing));
            h.leaf("td", &[("class", "num")], &took(r, report.created_at));
        });
    });
}

/// From the first moment to the last one.
fn took(r: &ResourceFacts, now: Timestamp) -> String {
    let begin = r.attempts.first().and_then(timeline::begin);
    let last = |a: &Attempt| a.fetched.or(a.finished).or(a.ended).or(a.accepted);
    let end = match r.standing {
        Standing::Running | Standing::Waiting => Some(now),
        _ => r.attempts.iter().filter_map(last).max(),
    };
    match begin.zip(end) {
        Some((begin, end)) => {
            let seconds = end.duration_since(begin).as_secs();
            duration(u64::try_from(seconds).unwrap_or_default())
        }
        None => "–".to_owned(),
    }
}

/// A state as a sign and a word: colour says nothing that they do not.
fn state(h: &mut Html, standing: Standing) {
    let (class, sign) = match standing {
        Standing::Held | Standing::Raised => ("s good", "✓"),
        Standing::Running => ("s run", "…"),
        Standing::Done | Standing::Waiting | Standing::Cancelled => ("s note", "!"),
        Standing::Refused | Standing::Failed | Standing::Unanswered | Standing::Damaged => ("s bad", "✗"),
    };
    h.element("span", &[("class", class)], |h| {
        h.leaf("span", &[("aria-hidden", "true")], sign);
        h.text(" ");
        h.text(words::standing(standing));
    });
}

/// The rows of a table's body.
fn rows<T>(h: &mut Html, items: impl Iterator<Item = T>, row: impl Fn(&mut Html, T)) {
    h.element("tbody", &[], |h| {
        for item in items {
            h.line();
            h.element("tr", &[], |h| row(h, item));
        }
    });
}

/// The head of a table.
fn head(h: &mut Html, columns: &[(&str, &str)]) {
    h.element("thead", &[], |h| {
        h.element("tr", &[], |h| {
            for (class, name) in columns {
                h.leaf("th", &[("scope", "col"), ("class", class)], name);
            }
        });
    });
}

/// A cell with the name of its column, for narrow screens.
fn cell(h: &mut Html, column: &str, class: &str, text: &str) {
    h.leaf("td", &[("data-l", column), ("class", class)], text);
}

fn packages(h: &mut Html, report: &Report) {
    let all: Vec<(&ResourceFacts, &Package)> =
        report.resources.iter().flat_map(|r| r.packages.iter().map(move |p| (r, p))).collect();
    if all.is_empty() {
        return;
    }
    h.leaf("h2", &[], "Packages");
    let read = all.iter().any(|(_, p)| p.holding == Holding::Verified);
    h.element("table", &[], |h| {
        let how = if read {
            "The SHA-256 was computed while a package came in, and again for this page."
        } else {
            "The SHA-256 was computed while a package came in. For this page no package was read: casefile verify does it."
        };
        h.leaf("caption", &[], how);
        head(h, &[("", "Machine"), ("num", "Size"), ("", "SHA-256 and file"), ("", "Fetched"), ("", "Now")]);
        rows(h, all.iter(), |h, (r, p)| {
            h.leaf("th", &[("scope", "row")], &label(r));
            cell(h, "Size", "num", &bytes(p.size));
            h.element("td", &[("data-l", "SHA-256")], |h| {
                h.leaf("code", &[], &p.sha256.to_string());
                let entries = plural(p.entries, if p.entries == 1 { "entry" } else { "entrie" });
                h.leaf("div", &[("class", "sub")], &format!("{} · {entries}", p.file));
            });
            h.element("td", &[("data-l", "Fetched")], |h| {
                time(h, p.fetched);
                h.leaf("div", &[("class", "sub")], &format!("by {}", p.by));
            });
            h.element("td", &[("data-l", "Now")], |h| holding(h, p));
        });
    });
}

fn holding(h: &mut Html, p: &Package) {
    let (class, text) = match p.holding {
        Holding::There => ("s good", "✓ there".to_owned()),
        Holding::Verified => ("s good", "✓ verified".to_owned()),
        Holding::NotLooked => ("s note", "! not looked at".to_owned()),
        Holding::Elsewhere => ("s note", "! held elsewhere".to_owned()),
        Holding::Wrong => {
            let code = p.finding.unwrap_or("wrong");
            ("s bad", format!("✗ {}", code.trim_start_matches("package-")))
        }
    };
    h.leaf("span", &[("class", class)], &text);
}

fn alerts(h: &mut Html, report: &Report) {
    let alerts = || report.resources.iter().filter(|r| r.kind == Kind::Alert);
    if alerts().next().is_none() {
        return;
    }
    h.leaf("h2", &[], "Alerts");
    h.element("table", &[], |h| {
        head(h, &[("", "Alert"), ("", "Severity"), ("", "Machine"), ("", "State"), ("", "In the portal")]);
        rows(h, alerts(), |h, r| {
            h.element("th", &[("scope", "row")], |h| {
                h.text(&r.text);
                h.leaf("div", &[("class", "sub")], &kind_and_name(r));
            });
            cell(h, "Severity", "", r.severity.as_deref().unwrap_or("–"));
            cell(h, "Machine", "", r.machine_name.as_deref().or(r.machine_id.as_deref()).unwrap_or("–"));
            h.element("td", &[("data-l", "State")], |h| {
                state(h, r.standing);
                if let Some(status) = &r.status {
                    h.leaf("div", &[("class", "sub")], status);
                }
            });
            h.element("td", &[("data-l", "Id")], |h| match (&r.portal, &r.id) {
                (Some(link), Some(id)) => h.link(link, id),
                (None, Some(id)) => h.text(id),
                _ => h.text("–"),
            });
        });
    });
}

fn machines(h: &mut Html, report: &Report) {
    if report.machines.is_empty() {
        return;
    }
    h.leaf("h2", &[], "Machines");
    let looked = report.refreshed;
    h.element("table", &[], |h| {
        if !looked {
            let why = "How they are was not looked at: casefile report --refresh does.";
            h.leaf("caption", &[], why);
        }
        let health: &[(&str, &str)] =
            if looked { &[("", "Health"), ("", "Last seen"), ("", "System")] } else { &[] };
        let columns = [&[("", "Machine")], health, &[("", "Id"), ("num", "Resources")]].concat();
        head(h, &columns);
        rows(h, report.machines.iter(), |h, m: &Machine| {
            h.leaf("th", &[("scope", "row")], m.name.as_deref().unwrap_or("no name"));
            if looked {
                cell(h, "Health", "", m.health.as_deref().unwrap_or("not known"));
                let seen = m.last_seen.map(|t| format!("{} ago", short(report.created_at, t)));
                cell(h, "Last seen", "t", seen.as_deref().unwrap_or("–"));
                cell(h, "System", "", m.system.as_deref().unwrap_or("–"));
            }
            h.element("td", &[("data-l", "Id")], |h| h.leaf("code", &[], &m.id));
            cell(h, "Resources", "num", &number(m.resources));
        });
    });
}

fn asked(h: &mut Html, report: &Report) {
    if report.resources.is_empty() {
        return;
    }
    h.leaf("h2", &[], "What was asked");
    let number_of = |digest| report.plans.iter().position(|p| p.digest == digest).map(|i| number(i + 1));
    h.element("table", &[("class", "asked")], |h| {
        head(
            h,
            &[
                ("", "Resource"),
                ("", "Text as sent"),
                ("", "Asked"),
                ("", "By"),
                ("num", "Plan"),
                ("", "Seal"),
            ],
        );
        rows(h, report.resources.iter(), |h, r| {
            let last = r.attempts.iter().rev().find(|a| a.record.is_some());
            h.leaf("th", &[("scope", "row")], &kind_and_name(r));
            h.element("td", &[("data-l", "Text")], |h| {
                h.text(&r.text);
                let attempts = r.attempts.iter().filter(|a| a.record.is_some()).count();
                if attempts > 1 {
                    h.leaf("div", &[("class", "sub")], &plural(attempts, "attempt"));
                }
                if r.released {
                    h.leaf("div", &[("class", "sub")], "its manifest is gone");
                }
            });
            h.element("td", &[("data-l", "Asked"), ("class", "t")], |h| match last.and_then(|a| a.asked) {
                Some(at) => time(h, at),
                None => h.text("was there already"),
            });
            let by = last.and_then(|a| a.by.as_deref()).or(r.requestor.as_deref());
            // The address of a job is long, and stands with the plan.
            let by = by.map(|by| if by.starts_with("https://") { "a pipeline" } else { by });
            cell(h, "By", "", by.unwrap_or("not recorded"));
            let plan = last.and_then(|a| a.plan).and_then(number_of);
            cell(h, "Plan", "num", plan.as_deref().unwrap_or("–"));
            cell(h, "Seal", "", r.seal.as_deref().unwrap_or("–"));
        });
    });
}

fn approved(h: &mut Html, report: &Report) {
    if report.plans.is_empty() {
        return;
    }
    h.leaf("h2", &[], "Where it was approved");
    h.element("table", &[], |h| {
        let caption = "A plan's digest covers each of its calls: what was reviewed is what was sent.";
        h.leaf("caption", &[], caption);
        head(h, &[("", "Plan"), ("num", "Calls here"), ("", "First call"), ("", "Sent by")]);
        rows(h, report.plans.iter().zip(1..), |h, (p, n)| {
            h.element("th", &[("scope", "row")], |h| {
                h.text(&format!("Plan {n}"));
                h.element("div", &[("class", "sub")], |h| h.leaf("code", &[], &p.digest.to_string()));
            });
            cell(h, "Calls here", "num", &number(p.calls));
            h.element("td", &[("data-l", "First call"), ("class", "t")], |h| time(h, p.began));
            h.element("td", &[("data-l", "Sent by")], |h| {
                h.text(&or_none(&p.by, "not recorded"));
                for commit in &p.commits {
                    h.element("div", &[("class", "sub")], |h| {
                        h.text("at commit ");
                        h.leaf("code", &[], commit);
                    });
                }
            });
        });
    });
}

fn or_none(list: &[String], none: &str) -> String {
    if list.is_empty() { none.to_owned() } else { list.join(", ") }
}

fn record(h: &mut Html, report: &Report) {
    let journal = &report.journal;
    h.leaf("h2", &[], "The record");
    let entry = |h: &mut Html, name: &str, value: &dyn Fn(&mut Html)| {
        h.leaf("dt", &[], name);
        h.element("dd", &[], value);
    };
    h.element("dl", &[], |h| {
        entry(h, "Head of the journal", &|h| h.leaf("code", &[], &format!("sha256:{}", journal.head)));
        entry(h, "Records", &|h| h.text(&number(usize::try_from(journal.records).unwrap_or(usize::MAX))));
        if let Some(lineage) = &journal.lineage {
            entry(h, "Lineage", &|h| h.leaf("code", &[], lineage));
        }
        entry(h, "To check it", &|h| {
            h.leaf("code", &[("class", "cmd")], &format!("casefile verify --head sha256:{}", journal.head));
        });
    });
}

fn closing(h: &mut Html, report: &Report) {
    h.text("Made by casefile ");
    h.text(env!("CARGO_PKG_VERSION"));
    h.text(", ");
    time(h, report.created_at);
    h.text(if report.refreshed {
        ", after a look at the service."
    } else {
        ", from what is recorded. The service was not looked at."
    });
    if report.service.cloud == "sandbox" {
        h.text(" The service is the simulated one: nothing here has happened.");
    }
}

fn time(h: &mut Html, at: Timestamp) {
    h.leaf("time", &[("datetime", &at.to_string())], &day_and_time(at));
}

/// A moment in UTC.
fn day_and_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
