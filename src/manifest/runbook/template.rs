//! `spec.resources` of a runbook: templates, checked where they stand and compiled once.
//!
//! A template is a manifest without `apiVersion`. What it says outright is checked as in a manifest; where an
//! expression stands, only its syntax and its names can be: the value is checked when an incident gives it.

use std::ops::Range;

use serde_json::Value as Json;

use super::analysis::{Analysis, Name};
use super::expression::{Expression, Part, Scalar, SyntaxError};
use super::filters::FILTERS;
use super::ids;
use super::parameters::{Parameters, errors};
use super::query;
use super::types::{Gives, Kinds, NoField, Types};
use crate::manifest::diagnostic::Finding;
use crate::manifest::document;
use crate::manifest::kinds::API_VERSION;
use crate::manifest::nearest::nearest;
use crate::manifest::references;
use crate::manifest::schema::field::Field;
use crate::manifest::schema::json;
use crate::manifest::surgery;
use crate::manifest::yaml::reader::{Document, Id, NodeKind};
use crate::manifest::yaml::syntax::shown;
use crate::model::REFERENCE_FIELDS;

/// How many problems of one runbook's expressions are told.
const MAX_FINDINGS: usize = 100;
/// Templates of one runbook.
const MAX_TEMPLATES: usize = 500;
/// How a condition is made of what is none.
pub(super) const COMPARE: &str = "compare it: with.list | length > 0, with.text != \"\"";
/// The fields of a template.
const FIELDS: [&str; 7] = ["kind", "metadata", "spec", "lifecycle", "dependsOn", "forEach", "when"];

/// The scalars of a runbook's document that hold expressions, by node.
pub(super) type Computed = Vec<Option<Scalar>>;

/// One template; ids are those of its runbook's document.
#[derive(Debug)]
pub(super) struct Template {
    pub root: Id,
    pub kind_id: Id,
    pub name: Id,
    pub labels: Option<Id>,
    pub each: Option<Each>,
    /// `when`, and where it stands.
    pub when: Option<(Id, Expression)>,
}

/// `forEach`.
#[derive(Debug)]
pub(super) enum Each {
    /// An expression that gives a list, and where it stands.
    Expression(Id, Expression),
    /// The list itself.
    List(Json),
}

/// The names that have a value in an expression besides `with` and `incident`.
#[derive(Clone, Copy)]
struct Known {
    /// Whether its template has `forEach`.
    looped: bool,
    /// Whether `item` and `index` are known already.
    item: bool,
    /// Whether an id of a resource can stand there.
    ids: bool,
}

/// Where a part of a scalar's text stands in the file: that part, or the whole scalar if it is not written there as it
/// is read (with escapes, or over several lines).
fn place(doc: &Document<'_>, id: Id, part: Range<usize>) -> Range<usize> {
    let node = doc.node(id);
    let (whole, text) = (node.span(), &*node.text);
    let (Some(written), Some(meant)) = (doc.text.get(whole.clone()), text.get(part.clone())) else {
        return whole;
    };
    // Without escapes and line breaks a text differs from what is written by a quote at either end.
    let at = match written.find(text) {
        Some(at) => at + part.start,
        None if meant.trim().is_empty() => return whole,
        None => match written.find(meant) {
            Some(at) => at,
            None => return whole,
        },
    };
    let blanks = meant.len() - meant.trim_start().len();
    whole.start + at + blanks..whole.start + at + meant.len()
}

/// Checks and compiles the templates in the list `list`.
pub(super) fn compile(
    doc: &Document<'_>,
    list: Id,
    parameters: Option<&Parameters>,
    findings: &mut Vec<Finding>,
) -> (Vec<Template>, Computed) {
    let types = Types { with: parameters.map(Parameters::schema), item: None };
    let mut compiler = Compiler { doc, parameters, types, computed: Vec::new(), findings };
    compiler.computed.resize_with(doc.len(), || None);
    let roots = doc.children(list);
    if roots.len() > MAX_TEMPLATES {
        let span = doc.node(list).span().start..doc.node(list).span().start;
        let message =
            format!("a runbook holds {MAX_TEMPLATES} templates at most, and this one {}", roots.len());
        compiler.findings.push(Finding::new("runbook-too-large", span, message).help("split it"));
        return (Vec::new(), Vec::new());
    }
    let templates: Vec<Template> = roots.iter().filter_map(|&root| compiler.template(root)).collect();
    let computed = std::mem::take(&mut compiler.computed);
    same_names(doc, &templates, &computed, compiler.findings);
    (templates, computed)
}

/// Two templates without expressions in their names that would make one address.
fn same_names(doc: &Document<'_>, templates: &[Template], computed: &Computed, findings: &mut Vec<Finding>) {
    let mut seen: std::collections::HashMap<(&str, &str), usize> = std::collections::HashMap::new();
    for t in templates.iter().filter(|t| computed.get(t.name as usize).is_none_or(Option::is_none)) {
        let (kind, name) = (doc.node(t.kind_id), doc.node(t.name));
        match seen.entry((&kind.text, &name.text)) {
            std::collections::hash_map::Entry::Vacant(slot) => drop(slot.insert(name.start as usize)),
            std::collections::hash_map::Entry::Occupied(first) => {
                let message = format!("another {} template is named `{}`", kind.text, shown(&name.text));
                let finding = Finding::new("duplicate-address", name.span(), message);
                let finding = finding.help("give one of the two another metadata.name");
                findings.push(finding.related(*first.get(), "first used here"));
            }
        }
    }
}

struct Compiler<'a> {
    doc: &'a Document<'a>,
    parameters: Option<&'a Parameters>,
    /// The schemas of the names in the template at hand.
    types: Types<'a>,
    computed: Computed,
    findings: &'a mut Vec<Finding>,
}

impl Compiler<'_> {
    fn template(&mut self, root: Id) -> Option<Template> {
        let doc = self.doc;
        let known = errors(self.findings);
        if doc.node(root).kind != NodeKind::Mapping {
            let finding = Finding::new("wrong-type", doc.node(root).span(), "a template is a mapping");
            self.findings
                .push(finding.help("write kind, metadata and spec below each other behind one dash"));
            return None;
        }
        self.unknown_fields(root);
        let value = |name| doc.get(root, name).map(|(_, value)| value);
        self.types.item = None;
        let each = value("forEach").and_then(|id| self.each(id));
        let looped = value("forEach").is_some();
        if let Some(Each::Expression(id, list)) = &each {
            self.gives(
                *id,
                list,
                ("forEach", "a list", Kinds::LIST),
                "name a list: forEach: ${{ with.machines }}",
            );
            if let Gives::Name(path) = &list.analysis.gives {
                self.types.item = self.types.items(path);
            }
        }
        let when = value("when").and_then(|id| Some((id, self.one_expression(id, "when", false, looped)?)));
        if let Some((id, when)) = &when {
            self.gives(*id, when, ("when", "true or false", Kinds::BOOL), COMPARE);
        }
        for name in ["metadata", "spec", "lifecycle", "dependsOn"] {
            if let Some(id) = value(name) {
                self.scalars(id, looped, if name == "spec" { &REFERENCE_FIELDS } else { &[] });
            }
        }
        let query = value("spec").and_then(|spec| doc.get(doc.get(spec, "event")?.1, "query"));
        query.into_iter().for_each(|(_, id)| self.query(id));
        let settled = self.shape(root);
        let kind_id = value("kind")?;
        let name = doc.get(value("metadata")?, "name").map(|(_, id)| id)?;
        let labels = doc.get(value("metadata")?, "labels").map(|(_, id)| id);
        if looped {
            self.name_of_item(name);
        }
        (settled && errors(self.findings) == known).then_some(Template {
            root,
            kind_id,
            name,
            labels,
            each,
            when,
        })
    }

    fn unknown_fields(&mut self, root: Id) {
        for (key, _) in self.doc.fields(root) {
            let node = self.doc.node(key);
            let name: &str = &node.text;
            if FIELDS.contains(&name) {
                continue;
            }
            let finding =
                Finding::new("unknown-field", node.span(), format!("unknown field `{}`", shown(name)));
            self.findings.push(match nearest(name, FIELDS.into_iter()) {
                _ if name == "apiVersion" => finding.help("remove it: the runbook's own counts"),
                _ if surgery::FIELDS.contains(&name) => {
                    let message = format!("`{name}` cannot stand in a template");
                    Finding::new("misplaced-field", node.span(), message).help(surgery::NOT_IN_TEMPLATES)
                }
                Some(meant) => finding.help(format!("did you mean `{meant}`?")),
                None => finding.help(format!("known fields here: {}", FIELDS.join(", "))),
            });
        }
    }

    /// Judges what the template says outright, as a manifest of its kind.
    fn shape(&mut self, root: Id) -> bool {
        let doc = self.doc;
        let mut sketch = Document::of(doc.text, doc.len());
        let start = doc.node(root).start as usize;
        let version = ["apiVersion", API_VERSION]
            .map(|text| sketch.add_scalar(text.into(), NodeKind::Text, start..start));
        let mut fields = version.to_vec();
        for (key, value) in doc.fields(root) {
            if ["kind", "metadata", "spec", "lifecycle", "dependsOn"].contains(&&*doc.node(key).text) {
                let key = sketch.add_owned(doc.node(key));
                fields.extend([key, self.sketch(value, &mut sketch)]);
            }
        }
        let span = doc.node(root).span();
        sketch.root = Some(sketch.add_collection(NodeKind::Mapping, &fields, span));
        let known = errors(self.findings);
        let mut told = document::shape(&sketch);
        // The version is not the user's: where something is missing, the first field of the template counts.
        for finding in told.iter_mut().filter(|f| f.start == start && f.end == start) {
            if let Some((key, _)) = doc.fields(root).next() {
                (finding.start, finding.end) = (doc.node(key).start as usize, doc.node(key).end as usize);
            }
        }
        self.findings.append(&mut told);
        errors(self.findings) == known
    }

    /// The value with nothing said where an expression stands.
    fn sketch(&self, id: Id, out: &mut Document<'_>) -> Id {
        let node = self.doc.node(id);
        match node.kind {
            NodeKind::Mapping | NodeKind::Sequence => {
                let children: Vec<Id> =
                    self.doc.children(id).iter().map(|&child| self.sketch(child, out)).collect();
                out.add_collection(node.kind, &children, node.span())
            }
            _ if self.computed.get(id as usize).is_some_and(Option::is_some) => {
                out.add_scalar("".into(), NodeKind::Poison, node.span())
            }
            _ => out.add_owned(node),
        }
    }

    /// Compiles every expression below a node. Ids of resources can stand in the texts of these fields of it.
    fn scalars(&mut self, id: Id, looped: bool, with_ids: &[&str]) {
        let doc = self.doc;
        let node = doc.node(id);
        match node.kind {
            NodeKind::Mapping => {
                for (key, value) in doc.fields(id) {
                    let key = doc.node(key);
                    if with_ids.contains(&&*key.text) && doc.node(value).kind == NodeKind::Text {
                        self.text(value, looped, true);
                        continue;
                    }
                    if key.text.contains(super::typed::OPEN) {
                        let finding =
                            Finding::new("expression-in-key", key.span(), "a key cannot hold an expression");
                        self.findings
                            .push(finding.help("write the key out: the structure is the runbook's own"));
                    }
                    self.scalars(value, looped, &[]);
                }
            }
            NodeKind::Sequence => {
                doc.children(id).iter().for_each(|&item| self.scalars(item, looped, &[]));
            }
            NodeKind::Text => self.text(id, looped, false),
            _ => {}
        }
    }

    fn text(&mut self, id: Id, looped: bool, with_ids: bool) {
        let Some(scalar) = self.scalar(id) else { return };
        let known = Known { looped, item: true, ids: with_ids };
        self.expressions(id, &scalar, known);
        if let Some(slot) = self.computed.get_mut(id as usize) {
            *slot = Some(scalar);
        }
    }

    /// Reports what is wrong with the expressions of a scalar, whatever an incident gives.
    fn expressions(&mut self, id: Id, scalar: &Scalar, known: Known) {
        // To look for what was meant takes longer than to find that something is wrong.
        if errors(self.findings) >= MAX_FINDINGS {
            return;
        }
        for part in scalar.parts() {
            let Part::Expression(expression, at) = part else { continue };
            let Analysis { names, faults, .. } = &*expression.analysis;
            let place = |inside: &Range<usize>| place(self.doc, id, at + inside.start..at + inside.end);
            let faults =
                faults.iter().map(|f| Finding::new(f.code, place(&f.at), &*f.message).help(&*f.help));
            let names = names.iter().filter_map(|name| self.unknown(name, place(&name.at), known));
            let mut all: Vec<Finding> = faults.chain(names).collect();
            all.sort_by_key(|f| f.start);
            for finding in all {
                if !self.findings.iter().any(|f| f.start == finding.start && f.message == finding.message) {
                    self.findings.push(finding);
                }
            }
        }
    }

    /// Reports an expression that cannot give what its field needs, whatever an incident gives.
    fn gives(
        &mut self,
        id: Id,
        expression: &Expression,
        (field, needed, wanted): (&str, &str, Kinds),
        help: &str,
    ) {
        let kinds = self.types.kinds(&expression.analysis.gives);
        if !kinds.can_be(wanted) {
            let message = format!("`{field}` gives {}, not {needed}", kinds.words());
            let finding = Finding::new("wrong-type", self.doc.node(id).span(), message);
            self.findings.push(finding.help(help));
        }
    }

    /// Reports values that could change a query.
    fn query(&mut self, id: Id) {
        let Some(scalar) = self.computed.get(id as usize).and_then(Option::as_ref) else { return };
        for found in query::unsafe_values(&self.doc.node(id).text, scalar) {
            let at = place(self.doc, id, found.at);
            self.findings.push(Finding::new("value-in-query", at, found.message).help(found.help));
        }
    }

    fn scalar(&mut self, id: Id) -> Option<Scalar> {
        match Scalar::compile(&self.doc.node(id).text) {
            Ok(scalar) => scalar,
            Err(broken) => {
                let at = place(self.doc, id, broken.at);
                let finding = Finding::new("bad-expression", at, broken.why.to_string());
                self.findings.push(match broken.why {
                    SyntaxError::Unclosed => finding.help("close it with `}}`"),
                    SyntaxError::Empty => finding.help("write, for example, ${{ with.ticket }}"),
                    SyntaxError::Repetition => finding.help("give the number or the list as a parameter"),
                    SyntaxError::TooLong => finding.help("move parts of it into parameters"),
                    SyntaxError::Grammar(_) => finding
                        .help("an expression is a name, a value or an operation: ${{ with.ticket | slug }}"),
                });
                None
            }
        }
    }

    /// A field that is one expression and nothing else.
    fn one_expression(&mut self, id: Id, name: &str, item: bool, looped: bool) -> Option<Expression> {
        let node = self.doc.node(id);
        let before = self.findings.len();
        let scalar = if node.kind == NodeKind::Text { self.scalar(id) } else { None };
        if let Some(scalar) = scalar {
            self.expressions(id, &scalar, Known { looped, item: !item, ids: false });
            if let Some(only) = scalar.into_only() {
                return Some(only);
            }
        }
        if self.findings.len() == before {
            let message = format!("`{name}` is one expression");
            let example = if name == "when" { "${{ with.collect }}" } else { "${{ with.machines }}" };
            let finding = Finding::new("wrong-type", node.span(), message);
            self.findings.push(finding.help(format!("write, for example, {name}: {example}")));
        }
        None
    }

    fn each(&mut self, id: Id) -> Option<Each> {
        if self.doc.node(id).kind == NodeKind::Sequence {
            let field = Field { doc: self.doc, key: None, value: id };
            super::parameters::plain(field, self.findings);
            crate::manifest::schema::rules::check_values(field, self.findings);
            return Some(Each::List(json::value(self.doc, id)));
        }
        self.one_expression(id, "forEach", true, false).map(|e| Each::Expression(id, e))
    }

    /// Returns what to say of a name that no incident can give a value.
    fn unknown(&self, name: &Name, at: Range<usize>, known: Known) -> Option<Finding> {
        let new = |message: String| Finding::new("unknown-name", at.clone(), message);
        let parameters = || self.parameters.and_then(Parameters::names);
        let (first, second) = (name.first(), name.field(1));
        Some(match first {
            "with" if !second.is_empty() => {
                let Some(declared) = parameters().filter(|declared| !declared.contains(second)) else {
                    return self.without_field(name, &at);
                };
                let finding = new(format!("the runbook has no parameter `{}`", shown(second)));
                match nearest(second, declared.iter().map(String::as_str)) {
                    Some(meant) => finding.help(format!("did you mean `with.{meant}`?")),
                    None if declared.is_empty() => finding.help("declare it in spec.parameters"),
                    None => {
                        let declared: Vec<&str> = declared.iter().map(String::as_str).collect();
                        finding.help(format!("declared parameters: {}", declared.join(", ")))
                    }
                }
            }
            "incident" if !["", "name", "labels"].contains(&second) => {
                let finding = new(format!("an incident has no `{}`", shown(second)));
                match nearest(second, ["name", "labels"].into_iter()) {
                    Some(meant) => finding.help(format!("did you mean `incident.{meant}`?")),
                    None => finding.help("it has `incident.name` and `incident.labels`"),
                }
            }
            "with" | "incident" => return None,
            "item" | "index" if known.looped && known.item => return self.without_field(name, &at),
            "item" | "index" if known.looped => {
                new(format!("`{first}` has no value in `forEach` itself")).help("it is what forEach gives")
            }
            "item" | "index" => new(format!("`{first}` has a value only in a template with `forEach`"))
                .help("add forEach, or use a parameter: with.NAME"),
            ids::NAME if known.ids => return None,
            ids::NAME => references::misplaced(at),
            name => {
                let finding = new(format!("unknown name `{}`", shown(name)));
                if FILTERS.iter().any(|filter| filter.name == name) {
                    finding.help(format!("a filter stands behind a bar: `value | {name}`"))
                } else if parameters().is_some_and(|declared| declared.contains(name)) {
                    finding.help(format!("did you mean `with.{name}`?"))
                } else {
                    let names = ["with", "incident", "item", "index", ids::NAME];
                    match nearest(name, names.into_iter()) {
                        Some(meant) => finding.help(format!("did you mean `{meant}`?")),
                        None => finding.help("the names are with, incident, item, index and resources"),
                    }
                }
            }
        })
    }

    /// Returns what to say of a field of a name whose schema lets no mapping pass.
    fn without_field(&self, name: &Name, at: &Range<usize>) -> Option<Finding> {
        let NoField { of, kinds, field } = self.types.schema(&name.path).err()?;
        let message = format!("`{of}` is {}, which has no `{}`", kinds.words(), shown(&field));
        let help = format!("write {of}, or declare it with type: object");
        Some(Finding::new("unknown-name", at.clone(), message).help(help))
    }

    /// One item more or less must not rename the others.
    fn name_of_item(&mut self, name: Id) {
        let span = self.doc.node(name).span();
        let expressions = self.computed.get(name as usize).and_then(Option::as_ref).map(Scalar::expressions);
        let names: Vec<&str> =
            expressions.into_iter().flatten().flat_map(|e| &e.analysis.names).map(Name::first).collect();
        let uses = |what: &str| names.contains(&what);
        let help = "write, for example, name: collect-${{ item | slug }}";
        if uses("index") {
            let message = "a name cannot hold `index`: one item more would give the others other names";
            self.findings.push(Finding::new("index-in-name", span, message).help(help));
        } else if !uses("item") {
            let message = "the name of a template with `forEach` must come from `item`";
            self.findings.push(Finding::new("name-without-item", span, message).help(help));
        }
    }
}
