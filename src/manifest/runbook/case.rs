//! Cases of a runbook: an incident to try it with, and what shall come of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::expand::{Budget, Runbook, expand};
use super::incident::{Incident, Origin};
use super::resource::Resource;
use crate::manifest::depends::DependsOn;
use crate::manifest::diagnostic::{Diagnostic, Level};
use crate::manifest::document;
use crate::manifest::documents::{column_of, documents, is_blank};
use crate::manifest::kinds::{CaseFile, Expectation, ExpectedResource};
use crate::manifest::load::among_cases;
use crate::manifest::written::Written;
use crate::manifest::yaml::reader::Id;
use crate::manifest::yaml::text::decode;
use crate::model::Address;

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseOutcome {
    /// What was expected.
    Passed,
    /// Something else: both sides line by line.
    Differs {
        /// What the case says.
        expected: Vec<String>,
        /// What the runbook makes, as far as the case speaks of it.
        actual: Vec<String>,
    },
    /// The case cannot be read, or its runbook cannot.
    Broken(Vec<Diagnostic>),
}

/// Runs one case with the runbooks of its file.
pub(in crate::manifest) fn run_case(file: &str, bytes: &[u8], runbooks: &[Runbook]) -> CaseOutcome {
    let file: Arc<str> = file.into();
    let broken = |message: String, help: &str| {
        let problem = Diagnostic::of_file("bad-case", file.clone(), message);
        CaseOutcome::Broken(vec![problem.with_help(help)])
    };
    let Ok(decoded) = decode(bytes) else {
        return broken("the file is UTF-16".to_owned(), "save it as UTF-8");
    };
    let mut found: Vec<_> = documents(&decoded).filter(|doc| !is_blank(doc)).collect();
    let mut doc = match (found.pop(), found.is_empty()) {
        (Some(doc), true) => doc,
        (None, _) => return broken("the file is empty".to_owned(), "write incident and expect into it"),
        (Some(_), false) => {
            return broken("a case is one document".to_owned(), "write each case into a file of its own");
        }
    };
    let origin = Origin { file: file.clone(), text: (&*decoded.text).into() };
    if let Some(finding) = among_cases(&doc) {
        return CaseOutcome::Broken(origin.diagnose([finding]));
    }
    let case: Option<CaseFile> = document::case(&mut doc);
    let findings = std::mem::take(&mut doc.findings);
    let (Some(case), Some(root)) = (case, doc.root) else {
        return CaseOutcome::Broken(origin.diagnose(findings));
    };
    let names: Vec<&str> = runbooks.iter().map(|r| &*r.name).collect();
    let runbook = match (&case.runbook, runbooks) {
        (Some(name), all) => all.iter().find(|r| *r.name == **name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let Some(runbook) = runbook else {
        let help = "name one of its file: runbook: NAME";
        return broken(format!("which runbook? Its file holds {}", names.join(", ")), help);
    };
    let Some(incident) = read_incident(&doc, root, &decoded.text, origin) else {
        return broken("the case names no incident".to_owned(), "write incident: { name: inc-1, with: {} }");
    };
    let expanded = expand(&incident, runbook, Budget::default());
    let mut problems = expanded.problems;
    problems.retain(|p| p.severity == Level::Error);
    let mut resources: BTreeMap<Address, Written> = BTreeMap::new();
    for Resource { desired: d, named, .. } in expanded.resources {
        let written = Written::of_named(&d, named.as_ref().map(|(named, _)| named));
        if let Some(twice) = resources.insert(d.address.clone(), written) {
            let message = format!("{} is declared twice", twice.address);
            problems.push(Diagnostic::of_file("duplicate-address", file.clone(), message));
        }
    }
    compare(&case.expect, &resources, &problems)
}

/// Reads a case; none if anything is wrong with it.
pub(in crate::manifest) fn read_case(bytes: &[u8]) -> Option<CaseFile> {
    let decoded = decode(bytes).ok()?;
    let mut found: Vec<_> = documents(&decoded).filter(|doc| !is_blank(doc)).collect();
    let mut doc = found.pop().filter(|_| found.is_empty())?;
    document::case(&mut doc).filter(|_| doc.findings.is_empty())
}

fn read_incident(
    doc: &crate::manifest::yaml::reader::Document<'_>,
    root: Id,
    text: &str,
    origin: Origin,
) -> Option<Incident> {
    let (_, incident) = doc.get(root, "incident")?;
    let (_, name) = doc.get(incident, "name")?;
    let at = doc.node(name).start as usize;
    let line = origin.related(at, String::new()).line;
    Some(Incident::of_case(doc, incident, name, origin, (line, column_of(text, at))))
}

fn compare(
    expect: &Expectation,
    resources: &BTreeMap<Address, Written>,
    problems: &[Diagnostic],
) -> CaseOutcome {
    let (mut expected, mut actual) = (Vec::new(), Vec::new());
    let told = |p: &Diagnostic| format!("error: {}", p.message);
    match (&expect.errors, &expect.resources) {
        (Some(errors), _) => {
            let holds = |p: &Diagnostic, text: &String| p.message.contains(text.as_str());
            for text in errors {
                expected.push(format!("error: {text}"));
                if problems.iter().any(|p| holds(p, text)) {
                    actual.push(format!("error: {text}"));
                }
            }
            actual.extend(problems.iter().filter(|p| !errors.iter().any(|t| holds(p, t))).map(told));
            if problems.is_empty() {
                actual.push(format!("no error, {} resources", resources.len()));
            }
        }
        (None, wanted) => {
            actual.extend(problems.iter().map(told));
            let mut wanted: Vec<&ExpectedResource> = wanted.iter().flatten().collect();
            wanted.sort_by(|a, b| a.address.cmp(&b.address));
            let mut rest: BTreeMap<&Address, &Written> = resources.iter().collect();
            let mut both: BTreeMap<&Address, (Vec<String>, Vec<String>)> = BTreeMap::new();
            for e in wanted {
                let made = rest.remove(&e.address);
                let sides = both.entry(&e.address).or_default();
                sides.0.extend(expected_lines(e));
                sides.1.extend(made.iter().flat_map(|made| actual_lines(e, made)));
            }
            for (address, d) in rest {
                let sides = both.entry(address).or_default();
                sides.1.extend(all_lines(d));
            }
            for (a, b) in both.into_values() {
                expected.extend(a);
                actual.extend(b);
            }
        }
    }
    if expected == actual { CaseOutcome::Passed } else { CaseOutcome::Differs { expected, actual } }
}

fn line(name: &str, field: &str, value: &Json) -> String {
    format!("  {name}.{field}: {value}")
}

/// In the order of addresses, as resources have it.
fn depends_on(list: &[DependsOn]) -> String {
    let mut list: Vec<&DependsOn> = list.iter().collect();
    list.sort_by(|a, b| a.name.cmp(&b.name));
    format!("  dependsOn: {}", serde_json::json!(list))
}

/// A value without what is not asked for: mappings are compared field by field.
fn narrowed(actual: &Json, expected: &Json) -> Json {
    match (actual, expected) {
        (Json::Object(actual), Json::Object(expected)) => {
            let fields = expected.iter().filter_map(|(k, e)| Some((k.clone(), narrowed(actual.get(k)?, e))));
            Json::Object(fields.collect())
        }
        _ => actual.clone(),
    }
}

fn expected_lines(e: &ExpectedResource) -> Vec<String> {
    let mut out = vec![e.address.to_string()];
    out.extend(e.labels.iter().map(|(k, v)| line("labels", k, &Json::from(v.as_str()))));
    out.extend(e.spec.iter().map(|(k, v)| line("spec", k, v)));
    out.extend(e.lifecycle.iter().map(|(k, v)| line("lifecycle", k, v)));
    out.extend(e.depends_on.iter().map(|list| depends_on(list)));
    out
}

fn actual_lines(e: &ExpectedResource, made: &Written) -> Vec<String> {
    let mut out = vec![made.address.to_string()];
    let label = |k: &String| made.labels.iter().find(|(name, _)| name == k);
    out.extend(e.labels.keys().filter_map(label).map(|(k, v)| line("labels", k, &Json::from(v.as_str()))));
    for (name, wanted) in &e.spec {
        let field = made.spec.iter().find(|f| f.name == name);
        out.extend(field.map(|f| line("spec", name, &narrowed(&f.value, wanted))));
    }
    let on_remove = e.lifecycle.keys().filter(|k| *k == made.on_remove.name);
    out.extend(on_remove.map(|k| line("lifecycle", k, &made.on_remove.value)));
    out.extend(e.depends_on.iter().map(|_| depends_on(&made.depends_on)));
    out
}

fn all_lines(made: &Written) -> Vec<String> {
    let mut out = vec![made.address.to_string()];
    out.extend(made.spec.iter().filter(|f| !f.is_default).map(|f| line("spec", f.name, &f.value)));
    out
}
