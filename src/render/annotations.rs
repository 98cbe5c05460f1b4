//! Problems in manifests for code hosts: GitHub workflow commands and SARIF 2.1.0.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{escape, plan_json};
use crate::manifest::{Diagnostic, Level};

/// GitHub's workflow commands, one line a problem: they become annotations of a pull request.
///
/// `prefix` is the project folder relative to the repository's root, empty if they are the same.
pub fn github(diagnostics: &[Diagnostic], prefix: &str) -> String {
    let mut out = String::new();
    for d in diagnostics {
        let level = match d.severity {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        let mut message = d.message.clone();
        if let Some(help) = &d.help {
            message.push_str("\nhelp: ");
            message.push_str(help);
        }
        for r in &d.related {
            message.push_str(&format!(
                "\n{}:{}:{}: {}",
                rooted(prefix, &r.file),
                r.line,
                r.column,
                r.message
            ));
        }
        out.push_str(&format!(
            "::{level} file={},line={},endLine={},col={},endColumn={},title={}::{}\n",
            property(&rooted(prefix, &d.file)),
            d.line,
            d.line,
            d.column,
            d.end_column.max(d.column),
            property(d.code),
            data(&message),
        ));
    }
    out
}

/// Text behind `::`, by the rules of `@actions/core`.
fn data(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| escape::inside(line).replace('%', "%25")).collect();
    lines.join("%0A")
}

/// A property's value: `:` and `,` separate there.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The path of a file from the repository's root, without `.` and without a `..` that undoes a folder: code hosts compare
/// paths by their text.
fn rooted(prefix: &str, file: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in prefix.split('/').chain(file.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A SARIF 2.1.0 log with one run. Paths are relative to the repository's root, `%SRCROOT%`.
///
/// # Errors
/// None that a diagnostic can cause: the keys of all maps are text.
pub fn sarif(diagnostics: &[Diagnostic], prefix: &str, version: &str) -> Result<String, serde_json::Error> {
    let codes: BTreeMap<&str, usize> = {
        let sorted: std::collections::BTreeSet<&str> = diagnostics.iter().map(|d| d.code).collect();
        sorted.into_iter().zip(0..).collect()
    };
    let rules: Vec<Value> = codes
        .keys()
        .map(|code| json!({ "id": code, "shortDescription": { "text": code.replace('-', " ") } }))
        .collect();
    let results: Vec<Value> = diagnostics.iter().map(|d| result(d, &codes, prefix)).collect();
    plan_json::pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "casefile", "version": version, "rules": rules } },
            // Columns are counted in characters, as everywhere else here.
            "columnKind": "unicodeCodePoints",
            "results": results
        }]
    }))
}

fn result(d: &Diagnostic, codes: &BTreeMap<&str, usize>, prefix: &str) -> Value {
    let text = match &d.help {
        Some(help) => format!("{}. {help}", d.message),
        None => d.message.clone(),
    };
    let related: Vec<Value> = d
        .related
        .iter()
        .zip(1..)
        .map(|(r, id): (_, u32)| {
            let region = json!({ "startLine": r.line, "startColumn": r.column });
            let mut at = location(&r.file, region, prefix);
            if let Some(at) = at.as_object_mut() {
                at.insert("id".into(), json!(id));
                at.insert("message".into(), json!({ "text": r.message }));
            }
            at
        })
        .collect();
    let region = json!({
        "startLine": d.line,
        "startColumn": d.column,
        "endLine": d.line,
        "endColumn": d.end_column.max(d.column)
    });
    let mut result = json!({
        "ruleId": d.code,
        "ruleIndex": codes.get(d.code),
        "level": match d.severity { Level::Error => "error", Level::Warning => "warning" },
        "message": { "text": text },
        "locations": [location(&d.file, region, prefix)]
    });
    if let (false, Some(result)) = (related.is_empty(), result.as_object_mut()) {
        result.insert("relatedLocations".into(), json!(related));
    }
    result
}

fn location(file: &str, region: Value, prefix: &str) -> Value {
    let artifact = json!({ "uri": uri(&rooted(prefix, file)), "uriBaseId": "%SRCROOT%" });
    json!({ "physicalLocation": { "artifactLocation": artifact, "region": region } })
}

/// A path as a relative URI reference.
fn uri(path: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEEP: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(path, KEEP).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_cannot_be_smuggled_in() {
        let d = Diagnostic::of_file("x", "a,b:c%.yaml", "one\n::error::two 100%\r")
            .with_help("\u{1b}[0m\u{202e}");
        let out = github(&[d], "incidents/");
        assert_eq!(
            out,
            "::error file=incidents/a%2Cb%3Ac%25.yaml,line=1,endLine=1,col=1,endColumn=1,title=x::\
             one%0A::error::two 100%25\\r%0Ahelp: \\u{1b}[0m\\u{202e}\n"
        );
    }

    #[test]
    fn prefixes() {
        for (prefix, file, want) in [
            ("", "a.yaml", "a.yaml"),
            (".", "a.yaml", "a.yaml"),
            ("ir", "a.yaml", "ir/a.yaml"),
            ("ir/", "./a.yaml", "ir/a.yaml"),
            ("ir", "../shared/bad.yaml", "shared/bad.yaml"),
            ("ir/contoso", "./../shared//bad.yaml", "ir/shared/bad.yaml"),
            ("", "../shared/bad.yaml", "../shared/bad.yaml"),
        ] {
            assert_eq!(rooted(prefix, file), want);
        }
        assert_eq!(uri("a b/ü%.yaml"), "a%20b/%C3%BC%25.yaml");
    }
}
