//! Resources as manifests: YAML that reads back to the same requests.
//!
//! Written by hand, not by a serialiser: what other readers would take for something else is quoted, and
//! hidden characters are spelled out.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::escape;
use crate::manifest::{API_VERSION, Written, is_ambiguous};
use crate::model::{Desired, Template, Until};

/// The manifests of resources, one document each, with the places that they come from.
pub fn manifests<'a>(
    resources: impl IntoIterator<Item = &'a Desired>,
    templates: impl IntoIterator<Item = &'a Template>,
) -> String {
    let resources = resources.into_iter().map(|d| (d, Written::of(d)));
    let templates = templates.into_iter().map(|t| (t.declared(), Written::of_template(t)));
    let mut all: Vec<(&Desired, Written)> = resources.chain(templates).collect();
    all.sort_by(|(a, _), (b, _)| a.address.cmp(&b.address));
    let documents: Vec<String> = all.iter().map(|(d, w)| document(d, w)).collect();
    documents.join("---\n")
}

fn document(d: &Desired, w: &Written) -> String {
    let mut out = String::new();
    let template = d.expanded.as_ref().and_then(|t| t.source.as_ref());
    let places: Vec<String> = std::iter::once(&d.source)
        .chain(template)
        .map(|s| format!("{}:{}", escape::inside(&s.file), s.line))
        .collect();
    // Writing into a `String` cannot fail.
    let _ = writeln!(out, "# {}", places.join(", "));
    let _ = writeln!(out, "apiVersion: {API_VERSION}\nkind: {}\nmetadata:", w.address.kind());
    let _ = writeln!(out, "  name: {}", scalar(w.address.name(), 4));
    if !w.labels.is_empty() {
        out.push_str("  labels:\n");
        for (key, value) in &w.labels {
            let _ = writeln!(out, "    {}: {}", scalar(key, 6), scalar(value, 6));
        }
    }
    out.push_str("spec:\n");
    for field in w.spec.iter().filter(|f| !f.is_default) {
        value(field.name, &field.value, 2, &mut out);
    }
    if !w.on_remove.is_default {
        out.push_str("lifecycle:\n");
        value(w.on_remove.name, &w.on_remove.value, 2, &mut out);
    }
    if !w.depends_on.is_empty() {
        out.push_str("dependsOn:\n");
        for d in &w.depends_on {
            let _ = match d.until {
                Until::Accepted => writeln!(out, "  - {}", scalar(&d.name, 4)),
                until => writeln!(out, "  - name: {}\n    until: {}", scalar(&d.name, 6), until.as_str()),
            };
        }
    }
    for field in &w.surgery {
        value(field.name, &field.value, 0, &mut out);
    }
    out
}

fn value(name: &str, json: &Json, indent: usize, out: &mut String) {
    let _ = write!(out, "{}{name}:", " ".repeat(indent));
    match json {
        Json::Object(map) => {
            out.push('\n');
            for (name, json) in map {
                value(name, json, indent + 2, out);
            }
        }
        Json::String(text) => {
            let _ = writeln!(out, " {}", scalar(text, indent + 2));
        }
        other => {
            let _ = writeln!(out, " {other}");
        }
    }
}

/// A text: plain where every reader takes it for text, as a block where it has lines, in quotes else.
fn scalar(text: &str, indent: usize) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    match block(text) {
        Some(chomping) => {
            let mut out = format!("|{chomping}");
            for line in text.lines() {
                out.push('\n');
                if !line.is_empty() {
                    out.push_str(&" ".repeat(indent));
                    out.push_str(line);
                }
            }
            out
        }
        None => quoted(text),
    }
}

/// Whether every reader takes it for text without quotes.
pub(super) fn is_plain(text: &str) -> bool {
    let safe = |c: char| {
        c.is_ascii_alphanumeric()
            || " .,_/@()+;$'-".contains(c)
            || (c.is_alphanumeric() && !escape::is_hidden(c))
    };
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.trim() == text
        && text.chars().all(safe)
        && !is_ambiguous(text)
}

/// How a block of this text ends, if it can be one.
fn block(text: &str) -> Option<&'static str> {
    let first = text.lines().next()?;
    // Nothing can be escaped in a block, and each of its lines begins a line of output.
    let shown = |line: &str| {
        escape::commands(line) == line && !line.chars().any(escape::is_hidden) && !line.ends_with(' ')
    };
    let fits = text.contains('\n')
        && !first.is_empty()
        && !text.ends_with("\n\n")
        && !text.lines().any(|line| line.starts_with(' '))
        && text.split('\n').all(shown);
    fits.then_some(if text.ends_with('\n') { "" } else { "-" })
}

/// In double quotes, on one line; hidden characters and commands of runners are spelled out.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for (i, c) in text.char_indices() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if escape::is_hidden(c) || escape::is_bracketed_command(&text[i..]) => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::parse_manifests;
    use crate::model::{Call, CreateAlert, OnRemove, ReportId, Source, Span, Triage};

    fn source() -> Source {
        Source { file: "x\u{202e}.yaml".into(), line: 3 }
    }

    fn package(comment: &str) -> Desired {
        let call = Call::collect("ab".repeat(20).parse().unwrap(), comment);
        Desired::new("InvestigationPackage/1e3".parse().unwrap(), source(), call, 1)
    }

    fn check(d: &Desired) {
        let text = manifests([d], []);
        assert!(!text.chars().any(|c| escape::is_hidden(c) && c != '\n'), "{text:?}");
        assert_eq!(escape::commands(&text), text);
        let (read, problems) = parse_manifests("x.yaml", text.as_bytes());
        assert!(problems.is_empty(), "{problems:?}\n{text}");
        let [read] = read.as_slice() else { panic!("{text}") };
        assert_eq!(
            (&read.address, &read.labels, &read.request()),
            (&d.address, &d.labels, &d.request()),
            "{text}"
        );
        assert_eq!((read.digest, read.policy, read.on_remove), (d.digest, d.policy, d.on_remove), "{text}");
        assert_eq!((&read.triage, read.revision), (&d.triage, d.revision), "{text}");
    }

    #[test]
    fn texts_that_readers_could_misread() {
        for text in [
            "no",
            "0123",
            "1e3",
            "12:30:45",
            "2018-08-03",
            "- x",
            "a: b",
            "a #b",
            "#",
            "'",
            "\"",
            "a\\nb",
            "one\ntwo",
            "one\n\n two\n",
            "one\ntwo\n",
            "\nx",
            "x\n\n",
            " x",
            "x ",
            "\u{202e}x\u{200b}",
            "a\n\u{202e}b",
            "{a}",
            "[",
            "*a",
            "&a",
            "!a",
            "|",
            "%",
            "@",
            "`",
            "é→b",
            "\u{1f600}",
            "x\u{85}",
            "key: |\n  y",
            "a\n---\nb",
            "a\n::error::b\n",
            "a\n  ::error::b",
            "::error::b\nc",
            "::error::b",
            "a\n##[error]b\n",
            "a ##vso[task.complete]b",
            "---",
            "...",
        ] {
            if text.chars().any(|c| c.is_control() && c != '\n') {
                continue;
            }
            check(&package(text));
        }
    }

    #[test]
    fn everything_that_is_not_the_default() {
        let mut d = package("c");
        d.policy = crate::model::Policy {
            max_attempts: 7,
            attempts_written: true,
            retry_after: Span::from_secs(90),
            on_in_progress: crate::model::OnInProgress::Fail,
            adopt_within: Span::from_secs(7200),
        };
        d.on_remove = OnRemove::Cancel;
        let labels = [("a/b".to_owned(), "yes".to_owned()), ("no".to_owned(), "1".to_owned())];
        d.labels = labels.into_iter().collect();
        check(&d);
        let call = Call::Alert(CreateAlert {
            machine_id: "ab".repeat(20).parse().unwrap(),
            severity: "Low".into(),
            title: "t".into(),
            description: "one\ntwo".into(),
            recommended_action: "r".into(),
            event_time: "2018-08-03T16:45:21.7115183Z".parse().unwrap(),
            report_id: ReportId("20776".into()),
            category: "Exploit".into(),
        });
        let mut d = Desired::new("Alert/inc-1.a".parse().unwrap(), source(), call, 4);
        d.triage = Some(Triage { comment: Some("a: b".into()), ..Triage::default() }).into();
        d.on_remove = OnRemove::Resolve;
        check(&d);
        insta::assert_snapshot!(manifests([&package("one\ntwo"), &d], []));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn any_text_reads_back(text in "([^\\pC]|\n|[ #:'\"{}-]|[\u{200b}\u{202e}]){0,60}[a-z]([^\\pC]|\n){0,5}") {
            check(&package(&text));
            let mut d = package("c");
            d.labels.insert("k".into(), text);
            check(&d);
        }
    }
}
