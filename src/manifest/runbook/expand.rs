//! A runbook and an incident to resources: each template, for each of its items, as a document of its own.

use std::borrow::Cow;
use std::sync::Arc;

use minijinja::value::{Value, ValueKind};
use serde_json::Value as Json;

use super::incident::{Incident, Origin};
use super::order::{self, Called, Made};
use super::parameters::{Parameters, errors};
use super::resource::Resource;
use super::scope::{Names, Scope};
use super::template::{self, COMPARE, Computed, Each, Template};
use super::typed::{EvalError, OPEN, Typed};
use crate::manifest::diagnostic::{Diagnostic, Finding};
use crate::manifest::document::{self, Entry};
use crate::manifest::kinds::API_VERSION;
use crate::manifest::schema::field::Field;
use crate::manifest::schema::json;
use crate::manifest::yaml::reader::{Document, Id, NodeKind};
use crate::model::Source;

/// How much the incidents of a project may expand to. Everything is counted, so that the same project is refused
/// everywhere or nowhere.
#[derive(Clone, Copy, Debug)]
pub(in crate::manifest) struct Budget {
    /// Resources of one incident.
    pub incident: usize,
    /// Resources of all incidents.
    pub project: usize,
    /// Bytes of what one incident expands to, with [`NODE`] bytes for each of its values.
    pub text: usize,
    /// The same of all incidents.
    pub all_text: usize,
    /// Work of the expressions of one incident: bytes that are looked at or copied.
    pub work: u64,
    /// The same of all incidents.
    pub all_work: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            incident: 5_000,
            project: 100_000,
            text: 64 << 20,
            all_text: 512 << 20,
            work: 4 << 30,
            all_work: 16 << 30,
        }
    }
}

impl Budget {
    /// Reduces the budget to what is left behind an incident.
    pub fn less(&mut self, spent: &QuotaUsage) {
        self.all_text = self.all_text.saturating_sub(spent.text);
        self.all_work = self.all_work.saturating_sub(spent.work);
        self.text = self.text.min(self.all_text);
        self.work = self.work.min(self.all_work);
    }
}

/// The part of a budget that an incident took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::manifest) struct QuotaUsage {
    pub text: usize,
    pub work: u64,
}

/// The work that it counts for to check a value by a rule.
const RULE: u64 = 64;

/// The size that a value counts for besides its text.
const NODE: usize = 32;

/// How many problems of one incident are told.
const MAX_PROBLEMS: usize = 20;

/// A runbook, compiled.
#[derive(Debug)]
pub(in crate::manifest) struct Runbook {
    pub name: Arc<str>,
    pub origin: Origin,
    doc: Document<'static>,
    parameters: Parameters,
    /// Where `spec.parameters` stands, or the name.
    parameters_at: usize,
    computed: Computed,
    templates: Vec<(Template, Source)>,
    /// What the templates are called, if one depends on another.
    called: Vec<Called>,
}

impl Runbook {
    /// The schema of its parameters.
    pub fn parameters(&self) -> &serde_json::Value {
        self.parameters.schema()
    }

    /// Compiles a document that its schema has accepted. `None` if something is wrong with it; that is in
    /// `findings` then. `line` is that of its name.
    pub fn compile(
        doc: &Document<'_>,
        root: Id,
        origin: Origin,
        line: u32,
        findings: &mut Vec<Finding>,
    ) -> Option<Runbook> {
        let known = errors(findings);
        let get = |names: &[&str]| {
            names.iter().try_fold(root, |id, name| doc.get(id, name).map(|(_, value)| value))
        };
        let name_id = get(&["metadata", "name"])?;
        let spec = get(&["spec"])?;
        let field = doc.get(spec, "parameters").map(|(key, value)| Field { doc, key: Some(key), value });
        let parameters = Parameters::compile(doc, field, findings);
        let list = get(&["spec", "resources"])?;
        let (templates, computed) = template::compile(doc, list, parameters.as_ref(), findings);
        let called = order::compile(doc, &templates, &computed, findings);
        if errors(findings) > known {
            return None;
        }
        // Counted from the name on: a file of many runbooks is not gone through for each of their templates.
        let named = doc.node(name_id).start as usize;
        let breaks = |from: usize, to: usize| {
            let between = origin.text.as_bytes().get(from..to).unwrap_or_default();
            u32::try_from(memchr::memchr_iter(b'\n', between).count()).unwrap_or(u32::MAX)
        };
        let source = |t: &Template| {
            let at = doc.node(t.name).start as usize;
            let line = (line + breaks(named, at)).saturating_sub(breaks(at, named));
            Source { file: origin.file.clone(), line }
        };
        let templates = templates.into_iter().map(|t| (source(&t), t)).map(|(s, t)| (t, s)).collect();
        Some(Runbook {
            name: (&*doc.node(name_id).text).into(),
            doc: doc.detached(),
            parameters: parameters?,
            parameters_at: field.map_or(doc.node(name_id).start as usize, |f| f.span().start),
            computed,
            templates,
            called,
            origin,
        })
    }

    fn scalar<'r>(
        &'r self,
        id: Id,
        scope: &Scope,
        out: &mut Document<'r>,
        spent: &mut usize,
    ) -> Result<Id, (Id, EvalError)> {
        let node = self.doc.node(id);
        match self.computed.get(id as usize).and_then(Option::as_ref) {
            None => {
                *spent += node.text.len() + NODE;
                Ok(out.add_scalar(Cow::Borrowed(&*node.text), node.kind, node.span()))
            }
            Some(scalar) => {
                let value = scalar.eval(scope).map_err(|e| (id, e))?;
                Ok(add(value, node.span(), out, spent))
            }
        }
    }

    fn copy<'r>(
        &'r self,
        id: Id,
        scope: &Scope,
        out: &mut Document<'r>,
        spent: &mut usize,
    ) -> Result<Id, (Id, EvalError)> {
        let node = self.doc.node(id);
        if !matches!(node.kind, NodeKind::Mapping | NodeKind::Sequence) {
            return self.scalar(id, scope, out, spent);
        }
        *spent += NODE * (node.child_count() + 1);
        let mut children = Vec::with_capacity(node.child_count());
        for (i, &child) in self.doc.children(id).iter().enumerate() {
            let is_key = node.kind == NodeKind::Mapping && i % 2 == 0;
            children.push(if is_key {
                out.add_copy(self.doc.node(child))
            } else {
                self.copy(child, scope, out, spent)?
            });
        }
        Ok(out.add_collection(node.kind, &children, node.span()))
    }

    /// The manifest that a template makes in a scope.
    fn manifest<'r>(
        &'r self,
        t: &Template,
        incident: &'r Incident,
        scope: &Scope,
        spent: &mut usize,
    ) -> Result<Document<'r>, (Id, EvalError)> {
        let mut out = Document::of(&self.origin.text, 48);
        let at = self.doc.node(t.kind_id).span();
        let word = |text: &'static str, out: &mut Document<'r>| {
            out.add_scalar(text.into(), NodeKind::Text, at.start..at.start)
        };
        let mut root = vec![word("apiVersion", &mut out), word(API_VERSION, &mut out)];
        for (key, value) in self.doc.fields(t.root) {
            let name = &*self.doc.node(key).text;
            if !["kind", "metadata", "spec", "lifecycle", "dependsOn"].contains(&name) {
                continue;
            }
            root.push(out.add_copy(self.doc.node(key)));
            root.push(if name == "metadata" {
                let own = self.scalar(t.name, scope, &mut out, spent)?;
                let full = format!("{}.{}", incident.name, out.node(own).text);
                let mut fields = vec![
                    word("name", &mut out),
                    out.add_scalar(full.into(), NodeKind::Text, self.doc.node(t.name).span()),
                ];
                let labels = self.labels(t, incident, scope, &mut out, spent)?;
                fields.extend([word("labels", &mut out), labels]);
                out.add_collection(NodeKind::Mapping, &fields, self.doc.node(value).span())
            } else {
                self.copy(value, scope, &mut out, spent)?
            });
        }
        out.root = Some(out.add_collection(NodeKind::Mapping, &root, self.doc.node(t.root).span()));
        Ok(out)
    }

    /// The incident's labels, those of the template in place of equal ones.
    fn labels<'r>(
        &'r self,
        t: &Template,
        incident: &'r Incident,
        scope: &Scope,
        out: &mut Document<'r>,
        spent: &mut usize,
    ) -> Result<Id, (Id, EvalError)> {
        let span = self.doc.node(t.labels.unwrap_or(t.name)).span();
        let mut fields = Vec::new();
        for (name, value) in &incident.labels {
            if t.labels.is_none_or(|own| self.doc.get(own, name).is_none()) {
                *spent += name.len() + value.len() + 2 * NODE;
                fields.push(out.add_scalar(Cow::Borrowed(name), NodeKind::Text, span.clone()));
                fields.push(out.add_scalar(Cow::Borrowed(value), NodeKind::Text, span.clone()));
            }
        }
        for (key, value) in t.labels.into_iter().flat_map(|own| self.doc.fields(own)) {
            fields.push(out.add_copy(self.doc.node(key)));
            fields.push(self.scalar(value, scope, out, spent)?);
        }
        Ok(out.add_collection(NodeKind::Mapping, &fields, span))
    }
}

fn add(value: Typed, span: std::ops::Range<usize>, out: &mut Document<'_>, spent: &mut usize) -> Id {
    match value {
        Typed::Scalar(text, kind) => {
            *spent += text.len() + NODE;
            out.add_scalar(text.into(), kind, span)
        }
        Typed::List(items) => {
            let items: Vec<Id> = items.into_iter().map(|item| add(item, span.clone(), out, spent)).collect();
            out.add_collection(NodeKind::Sequence, &items, span)
        }
    }
}

/// What an incident expands to.
#[derive(Debug, Default)]
pub(in crate::manifest) struct Expanded {
    /// In the order of templates and items.
    pub resources: Vec<Resource>,
    /// What is wrong, at the incident or at the runbook.
    pub problems: Vec<Diagnostic>,
    pub spent: QuotaUsage,
}

/// Expands an incident by its runbook.
pub(in crate::manifest) fn expand(incident: &Incident, runbook: &Runbook, budget: Budget) -> Expanded {
    let mut expanded = Expanded::default();
    let given = incident.given();
    let mut findings = Vec::new();
    let with = json::value(&incident.doc, given.value);
    let checking = runbook.parameters.work(&with).saturating_mul(RULE);
    let Some(work) = budget.work.checked_sub(checking) else {
        let message = "it is too much work to check these values by the schema of the runbook's parameters";
        let finding = Finding::new("expansion-too-large", given.span(), message);
        let finding = finding.help("split the incident into several, or let the schema say less");
        expanded.problems = incident.origin.diagnose([finding]);
        return expanded;
    };
    let declared = |at: usize, message: String| runbook.origin.related(at, message);
    runbook.parameters.check(&incident.doc, given, &declared, &mut findings);
    if !findings.is_empty() {
        for finding in findings.iter_mut().filter(|f| f.elsewhere.is_empty()) {
            let message = format!("the parameters of Runbook/{} are declared here", runbook.name);
            finding.elsewhere.push(declared(runbook.parameters_at, message));
        }
        findings.sort_by_key(|f| f.start);
        expanded.problems = incident.origin.diagnose(findings);
        return expanded;
    }
    let with: Json = runbook.parameters.filled(&with);
    let names = Names::new(&incident.name, &incident.labels, &with, work);
    let made = Made::default();
    let mut run =
        Run { incident, runbook, names, budget, spent: 0, findings: Vec::new(), made, out: &mut expanded };
    let mut whole = true;
    for (i, (template, source)) in runbook.templates.iter().enumerate() {
        whole = run.template((i, template), source);
        if !whole {
            break;
        }
    }
    if whole && !runbook.called.is_empty() {
        run.order();
    }
    let findings = std::mem::take(&mut run.findings);
    let spent = QuotaUsage { text: run.spent, work: budget.work - run.names.work_left() };
    expanded.spent = spent;
    expanded.problems.extend(runbook.origin.diagnose(findings));
    expanded
}

struct Run<'a> {
    incident: &'a Incident,
    runbook: &'a Runbook,
    names: Names,
    budget: Budget,
    spent: usize,
    findings: Vec<Finding>,
    made: Made,
    out: &'a mut Expanded,
}

impl<'a> Run<'a> {
    /// `false` if there is no use in going on.
    fn template(&mut self, (i, t): (usize, &'a Template), source: &Source) -> bool {
        let items: Option<Vec<Value>> = match &t.each {
            None => None,
            Some(Each::List(list)) => self.names.items(list),
            Some(Each::Expression(id, e)) => match e.eval(&self.names.scope(None)) {
                Ok(list) if matches!(list.kind(), ValueKind::Seq | ValueKind::Iterable) => {
                    if list.len().is_none_or(|n| n > self.budget.incident) {
                        return self.too_large(*id);
                    }
                    Some(list.try_iter().into_iter().flatten().collect())
                }
                Ok(other) => {
                    let message = format!("`forEach` gives {}, not a list", article(other.kind()));
                    return self.problem(Finding::new("wrong-type", self.span(*id), message));
                }
                Err(e) => return self.failed(*id, &e),
            },
        };
        match items {
            None => self.one((i, t), source, None),
            Some(items) if items.len() > self.budget.incident => {
                let id = match &t.each {
                    Some(Each::Expression(id, _)) => *id,
                    _ => t.name,
                };
                self.too_large(id)
            }
            Some(items) => {
                let mut items = items.into_iter().enumerate();
                items.all(|(n, item)| self.one((i, t), source, Some((item, n))))
            }
        }
    }

    fn span(&self, id: Id) -> std::ops::Range<usize> {
        self.runbook.doc.node(id).span()
    }

    fn one(&mut self, (i, t): (usize, &'a Template), source: &Source, item: Option<(Value, usize)>) -> bool {
        let scope = self.names.scope(item);
        if let Some((id, when)) = &t.when {
            match when.eval(&scope) {
                Ok(v) if v.kind() == ValueKind::Bool => {
                    if !v.is_true() {
                        return true;
                    }
                }
                Ok(other) => {
                    let message = format!("`when` gives {}, not true or false", article(other.kind()));
                    return self.problem(Finding::new("wrong-type", self.span(*id), message).help(COMPARE));
                }
                Err(e) => return self.failed(*id, &e),
            }
        }
        if self.out.resources.len() >= self.budget.incident || self.spent > self.budget.text {
            return self.too_large(t.name);
        }
        let mut doc = match self.runbook.manifest(t, self.incident, &scope, &mut self.spent) {
            Ok(doc) => doc,
            Err((id, e)) => return self.failed(id, &e),
        };
        match document::manifest(&mut doc, |_| self.incident.source.clone()) {
            Some(Entry { mut desired, named, name, reason, wanted, moved: _ }) => {
                if !self.runbook.called.is_empty() {
                    self.made.note(i, &desired.address);
                }
                let incident = self.incident.name.clone();
                let expansion = crate::model::Expansion { incident, source: Some(source.clone()) };
                desired.expanded = Some(expansion).into();
                self.out.resources.push(Resource { desired, named, name, reason, wanted, place: None });
                true
            }
            None => {
                let bad = doc.findings.into_iter().filter(|f| f.level == crate::manifest::Level::Error);
                bad.map(explained).collect::<Vec<_>>().into_iter().all(|finding| self.problem(finding))
            }
        }
    }

    /// Resolves `dependsOn` of all that was made. A name that some item lacks is told without what follows from it.
    fn order(&mut self) {
        if self.findings.is_empty() {
            let (name, called) = (&self.incident.name, &self.runbook.called);
            let problems = order::resolve(name, called, &self.made, &mut self.out.resources);
            problems.into_iter().all(|finding| self.problem(finding));
        }
    }

    fn failed(&mut self, id: Id, error: &EvalError) -> bool {
        if *error == EvalError::Work {
            let finding = Finding::new("expansion-too-large", self.span(id), error.to_string());
            self.problem(finding.help("shorten the expression, or give it smaller values"));
            return false;
        }
        let (code, help) = match error {
            EvalError::Undefined(name) => {
                ("unknown-name", format!("give it a value, or ask first: `{name} is defined`"))
            }
            EvalError::Nested => {
                ("expression-in-value", format!("remove `{OPEN}` from the incident's values"))
            }
            EvalError::Derived => (
                "expression-failed",
                "let it stand alone: ${{ resources.NAME.id }}, the text before and behind it".to_owned(),
            ),
            _ => ("expression-failed", "put the incident's `with` right, or the expression".to_owned()),
        };
        self.problem(Finding::new(code, self.span(id), error.to_string()).help(help))
    }

    fn too_large(&mut self, id: Id) -> bool {
        let Budget { incident, text, .. } = self.budget;
        let message = format!(
            "Incident/{} expands to more than {incident} resources or {} MiB",
            self.incident.name,
            text >> 20
        );
        let message = match self.budget.text < Budget::default().text {
            true => format!(
                "the incidents of this project expand to more than {} MiB",
                Budget::default().all_text >> 20
            ),
            false => message,
        };
        let finding = Finding::new("expansion-too-large", self.span(id), message);
        self.problem(finding.help("split the incident into several"));
        false
    }

    fn problem(&mut self, finding: Finding) -> bool {
        // An item more adds nothing to what is told of the first.
        let same = |f: &&mut Finding| {
            f.start == finding.start && f.code == finding.code && f.message == finding.message
        };
        if self.findings.iter_mut().find(same).is_none() {
            self.findings.push(finding.elsewhere(self.incident.related()));
        }
        self.findings.len() < MAX_PROBLEMS
    }
}

/// What is wrong with a value that an expression gave.
fn explained(mut finding: Finding) -> Finding {
    finding.help = Some(match finding.code {
        "bad-name" => "make it a name: `${{ item | slug }}`".to_owned(),
        _ => "the expression gives this value: put the incident's `with` right, or the expression".to_owned(),
    });
    finding
}

fn article(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Undefined | ValueKind::None => "nothing",
        ValueKind::Bool => "true or false",
        ValueKind::Number => "a number",
        ValueKind::String => "a text",
        ValueKind::Map => "a mapping",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        _ => "something else",
    }
}
