//! `dependsOn` of templates: which templates a name means, and which resources of an incident.
//!
//! A template is named by its `metadata.name`; if that holds an expression, by what stands before it, without the
//! dash or dot at its end: `collect` for `collect-${{ item | slug }}`. That means all that the template makes. The
//! whole name of what it makes means that one.

use std::collections::{HashMap, HashSet};

use super::expression::Scalar;
use super::ids;
use super::resource::Resource;
use super::template::{Computed, Template};
use super::typed::OPEN;
use crate::manifest::depends::{self, Wanted};
use crate::manifest::diagnostic::Finding;
use crate::manifest::kinds::Named;
use crate::manifest::nearest::nearest;
use crate::manifest::references;
use crate::manifest::yaml::reader::{Document, Id, NodeKind};
use crate::manifest::yaml::syntax::shown;
use crate::model::{Address, Dependency, Kind, REFERENCE_FIELDS};

/// How many pairs of resources one incident may put in order.
const MAX_PAIRS: usize = 100_000;

/// How many problems are told: to look for what was meant takes longer than to find that something is wrong.
const MAX_FINDINGS: usize = 100;

/// What a template is called.
#[derive(Debug)]
pub(super) struct Called {
    kind: Option<Kind>,
    /// Empty if its name begins with an expression: only what it makes can be named then.
    name: String,
}

impl Called {
    fn of(doc: &Document<'_>, t: &Template, computed: &Computed) -> Called {
        let text = &*doc.node(t.name).text;
        let fixed = computed.get(t.name as usize).is_none_or(Option::is_none);
        let name = match text.find(OPEN) {
            Some(at) if !fixed => text.get(..at).unwrap_or_default().trim_end_matches(['-', '.']),
            _ => text,
        };
        let kind = Kind::ALL.into_iter().find(|k| k.as_str() == doc.node(t.kind_id).text);
        Called { kind, name: name.to_owned() }
    }

    fn is(&self, kind: Option<Kind>, name: &str) -> bool {
        self.name == name && kind.is_none_or(|k| self.kind == Some(k))
    }
}

/// The entries of a template as they are written: their names, and whether these hold no expression.
fn entries(doc: &Document<'_>, t: &Template, computed: &Computed) -> Vec<(Id, String, bool)> {
    let list = doc.get(t.root, "dependsOn").map(|(_, list)| doc.children(list)).unwrap_or_default();
    let name = |&entry: &Id| match doc.node(entry).kind {
        NodeKind::Mapping => doc.get(entry, "name").map(|(_, name)| name),
        _ => Some(entry),
    };
    let fixed = |id: Id| computed.get(id as usize).is_none_or(Option::is_none);
    list.iter().filter_map(name).map(|id| (id, doc.node(id).text.to_string(), fixed(id))).collect()
}

/// The resources whose ids the texts of a template hold, as far as these are spelled out: `resources.NAME.id`.
/// A name that is computed is the empty one.
fn ids_of(doc: &Document<'_>, t: &Template, computed: &Computed) -> Vec<(Id, String, bool)> {
    let Some((_, spec)) = doc.get(t.root, "spec") else { return Vec::new() };
    let mut all = Vec::new();
    for id in REFERENCE_FIELDS.iter().filter_map(|f| doc.get(spec, f)).map(|(_, id)| id) {
        let expressions = computed.get(id as usize).and_then(Option::as_ref).map(Scalar::expressions);
        let names = expressions.into_iter().flatten().flat_map(|e| &e.analysis.names);
        for name in names.filter(|name| name.first() == ids::NAME) {
            let meant = name.field(1);
            let entry = (id, meant.to_owned(), !meant.is_empty());
            if !all.contains(&entry) {
                all.push(entry);
            }
        }
    }
    all
}

/// What the templates are called; nothing if none of them depends on another. Problems that no incident can
/// mend are reported.
pub(super) fn compile(
    doc: &Document<'_>,
    templates: &[Template],
    computed: &Computed,
    findings: &mut Vec<Finding>,
) -> Vec<Called> {
    let entries = |t: &Template| [entries(doc, t, computed), ids_of(doc, t, computed)].concat();
    if templates.iter().all(|t| entries(t).is_empty()) {
        return Vec::new();
    }
    let called: Vec<Called> = templates.iter().map(|t| Called::of(doc, t, computed)).collect();
    let all_fixed = templates.iter().all(|t| computed.get(t.name as usize).is_none_or(Option::is_none));
    let stand_in = |i: usize| Address::new(called[i].kind.unwrap_or(Kind::Alert), format!("{i}"));
    let mut edges: Vec<(Address, Vec<Dependency>)> = Vec::new();
    let mut places = Vec::new();
    for (i, t) in templates.iter().enumerate() {
        let mut to = Vec::new();
        for (id, text, fixed) in entries(t) {
            if !fixed {
                continue;
            }
            let text = text.as_str();
            let (kind, name) = depends::split(text);
            let meant: Vec<usize> = (0..called.len()).filter(|&j| called[j].is(kind, name)).collect();
            // The whole name of what another template makes can only be told when it is made.
            if meant.is_empty()
                && (all_fixed || !may_be_made(&called, templates, computed, kind, name))
                && findings.len() < MAX_FINDINGS
            {
                findings.push(unknown(doc.node(id).span(), text, called.iter().map(|c| &*c.name)));
            }
            let until = crate::model::Until::Accepted;
            let meant = meant.into_iter().filter(|&j| j != i || called[i].is(kind, text));
            to.extend(meant.map(|j| Dependency { address: stand_in(j), until }));
            places.push((i, doc.node(id).span()));
        }
        edges.push((stand_in(i), to));
    }
    if let Some(circle) = depends::circle(edges.iter().map(|(from, to)| (from, &**to))) {
        let index = |a: &Address| a.name().parse::<usize>().ok();
        let names: Vec<String> = circle
            .iter()
            .filter_map(|a| index(a))
            .map(|i| shown(&doc.node(templates[i].name).text))
            .collect();
        let first = circle.first().and_then(|a| index(a));
        if let Some((_, span)) = places.into_iter().find(|(i, _)| Some(*i) == first) {
            findings.push(in_a_circle(span, &names));
        }
    }
    called
}

/// Whether some template with a computed name could make a resource of this name.
fn may_be_made(
    called: &[Called],
    templates: &[Template],
    computed: &Computed,
    kind: Option<Kind>,
    name: &str,
) -> bool {
    called.iter().zip(templates).any(|(c, t)| {
        computed.get(t.name as usize).is_some_and(Option::is_some)
            && kind.is_none_or(|k| c.kind == Some(k))
            && name.starts_with(&*c.name)
    })
}

pub(in crate::manifest) fn unknown<'n>(
    span: std::ops::Range<usize>,
    name: &str,
    known: impl Iterator<Item = &'n str>,
) -> Finding {
    let finding =
        Finding::new("unknown-dependency", span, format!("nothing here is named `{}`", shown(name)));
    let (_, bare) = depends::split(name);
    match nearest(bare, known.filter(|k| !k.is_empty())) {
        Some(meant) => finding.help(format!("did you mean `{}`?", shown(meant))),
        None => finding.help("name another resource of the incident, or of the project: Kind/name"),
    }
}

pub(in crate::manifest) fn ambiguous(span: std::ops::Range<usize>, name: &str) -> Finding {
    let message = format!("`{}` names resources of both kinds", shown(name));
    let both = Kind::ALL.map(|kind| format!("{kind}/{}", shown(name)));
    Finding::new("ambiguous-dependency", span, message).help(format!("write {}", both.join(" or ")))
}

pub(in crate::manifest) fn in_a_circle(span: std::ops::Range<usize>, names: &[String]) -> Finding {
    let message = match names {
        [one] => format!("{one} depends on itself"),
        [first, ..] => {
            const SHOWN: usize = 8;
            let more = if names.len() > SHOWN { " -> ..." } else { "" };
            let way: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
            format!("these wait for each other: {}{more} -> {first}", way.join(" -> "))
        }
        [] => String::new(),
    };
    Finding::new("dependency-circle", span, message).help("remove one of these from its dependsOn")
}

/// What one template made for an incident.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// By template.
    by_template: HashMap<usize, Vec<Address>>,
}

impl Made {
    pub fn note(&mut self, template: usize, address: &Address) {
        self.by_template.entry(template).or_default().push(address.clone());
    }
}

/// Resolves the names in an incident's resources. Gives problems, each at its entry.
pub(super) fn resolve(
    incident: &str,
    called: &[Called],
    made: &Made,
    resources: &mut [Resource],
) -> Vec<Finding> {
    let mut problems = Vec::new();
    let own = |address: &Address| address.name().get(incident.len() + 1..).unwrap_or_default().to_owned();
    let mut whole: HashMap<String, Vec<Address>> = HashMap::new();
    for r in resources.iter() {
        whole.entry(own(&r.desired.address)).or_default().push(r.desired.address.clone());
    }
    let several = |n: &Named| matches!(n, Named::Tag(_) | Named::File(_));
    let groups = resources.iter().filter(|r| r.named.as_ref().is_some_and(|(by, _)| several(by)));
    let groups: HashSet<Address> = groups.map(|r| r.desired.address.clone()).collect();
    let mut pairs = 0;
    for r in resources.iter_mut() {
        let this = r.desired.address.clone();
        let mut to = Vec::new();
        let mut ids = HashMap::new();
        for Wanted { name: text, until, at, for_id } in std::mem::take(&mut r.wanted) {
            let (kind, name) = depends::split(&text);
            let mut found = whole.get(name).cloned().unwrap_or_default();
            found.retain(|a| kind.is_none_or(|k| a.kind() == k));
            if found.len() > 1 {
                // `Alert/x` that waits for `x` means the package of that name.
                found.retain(|a| *a != this);
            }
            if found.is_empty() {
                let meant: Vec<usize> = (0..called.len()).filter(|&i| called[i].is(kind, name)).collect();
                if meant.is_empty() {
                    if problems.len() >= MAX_FINDINGS {
                        return problems;
                    }
                    let known = called.iter().map(|c| &*c.name).chain(whole.keys().map(String::as_str));
                    problems.push(unknown(at, &text, known));
                    continue;
                }
                let of = |i: usize| made.by_template.get(&i).into_iter().flatten().cloned();
                found = meant.into_iter().flat_map(of).collect();
            }
            if kind.is_none() && found.iter().any(|a| a.kind() != found[0].kind()) {
                problems.push(ambiguous(at, &text));
                continue;
            }
            if for_id {
                match &found[..] {
                    [one] if !groups.contains(one) => drop(ids.insert(text, one.clone())),
                    all => {
                        problems.push(references::several(at, &text, all));
                        continue;
                    }
                }
            }
            pairs += found.len();
            if pairs > MAX_PAIRS {
                let message = format!("more than {MAX_PAIRS} pairs of resources wait for each other");
                let finding = Finding::new("expansion-too-large", at, message);
                problems.push(finding.help("let one template wait for one other, not all for all"));
                return problems;
            }
            r.place.get_or_insert(at);
            to.extend(found.into_iter().map(|address| Dependency { address, until }));
        }
        r.desired.depends_on = depends::settled(to).into();
        references::resolve(&mut r.desired, &ids);
    }
    let edges = resources.iter().map(|r| (&r.desired.address, r.desired.depends_on.as_slice()));
    if let Some(circle) = depends::circle(edges.filter(|(_, to)| !to.is_empty())) {
        let names: Vec<String> = circle.iter().map(|a| a.to_string()).collect();
        let at = circle.first().and_then(|a| resources.iter().find(|r| r.desired.address == **a));
        problems.extend(at.and_then(|r| Some(in_a_circle(r.place.clone()?, &names))));
    }
    problems
}
