//! Seals compared with what the manifests say: for `validate --sealed` and for `apply --sealed`.

use std::collections::BTreeMap;
use std::fmt;

use super::difference::differences;
use super::format::{Seal, SealError, Sealed, SealedTarget, manifest_name, sealed_name, shown};
use super::found::{File, Seals, as_in, is_for, seals};
use crate::manifest::{Defender, Diagnostic, Loaded, Related};
use crate::model::{Address, Desired, MachineId, Marker, Target, Template};
use crate::plan::{Action, Change, Deviating, Plan, SealedMachine};

/// The machines, and the events of queries, that intact seals hold for templates, by the template's address. A template is left out where its
/// seal is missing, edited, or says another name, tag or file digest.
pub fn machines(templates: &[Template], found: &Seals) -> BTreeMap<Address, Vec<SealedMachine>> {
    let of = |t: &Template| {
        let file = found.files.get(&sealed_name(&t.declared().source.file)).filter(|f| f.intact)?;
        Some((t.address().clone(), sealed_machines(t, file.read.as_ref().ok()?)?))
    };
    templates.iter().filter_map(of).collect()
}

/// The machines that a seal holds for a template; none if it is about another name, tag or file.
fn sealed_machines(t: &Template, seal: &Seal) -> Option<Vec<SealedMachine>> {
    if !seal.targets.contains(&SealedTarget::of(t)) {
        return None;
    }
    let mut machines = Vec::new();
    for s in &seal.resources {
        let id: MachineId = s.spec.machine_id.parse().ok()?;
        if t.address_on(&id) == s.address {
            let event = match &t.target {
                // Another revision asks anew.
                Target::Event(_) if s.spec.revision != t.declared().revision => return None,
                Target::Event(_) => Some(s.event()?),
                _ => None,
            };
            machines.push(SealedMachine { id, name: s.spec.machine_name.clone(), event });
        }
    }
    // A name stands for one machine.
    (t.target.is_group() || machines.len() == 1).then_some(machines)
}

/// What is wrong with the seals of a project, by file. What templates stand for is not looked up: their name, tag
/// or file is compared with the seal's, and of the machines only what the manifest says of each.
pub fn check(loaded: &Loaded, found: &Seals) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut first: BTreeMap<&str, u32> = BTreeMap::new();
    let mut all = loaded.clone();
    for t in &loaded.templates {
        let file = found.files.get(&sealed_name(&t.declared().source.file));
        let sealed = file.and_then(|f| sealed_machines(t, f.read.as_ref().ok()?));
        all.resources.extend(sealed.unwrap_or_default().iter().map(|m| match &m.event {
            Some(event) => t.on_event(event, None),
            None => t.on(&m.id, m.name.as_deref()),
        }));
    }
    let declared = loaded.resources.iter().chain(loaded.templates.iter().map(Template::declared));
    for source in declared.map(|d| &d.source).chain(loaded.incidents.iter().map(|i| &i.source)) {
        let line = first.entry(&source.file).or_insert(source.line);
        *line = source.line.min(*line);
    }
    let needed = seals(&all, found);
    for (name, seal) in &needed {
        let name = name.as_str();
        let manifest = manifest_name(name);
        let line = first.get(manifest.as_str()).copied().unwrap_or(1);
        match found.files.get(name) {
            None => {
                let message = format!("no seal: `{name}` does not exist");
                let mut problem = Diagnostic::of_file("seal-missing", manifest.as_str(), message);
                problem.line = line;
                problems.push(problem.with_help(match manifest.starts_with("../") {
                    // `seal` writes nothing outside of the project folder.
                    true => "seal it in the project that it belongs to, or move it into this one".to_owned(),
                    false => format!("run `casefile seal {manifest}` and review it"),
                }));
            }
            Some(file) => {
                let here = all.resources.iter().filter(|d| *d.source.file == *manifest);
                let places = here.map(|d| (d.address.clone(), (d.source.line, d.column.max(1)))).collect();
                problems.extend(compare(name, seal, file, line, &places));
            }
        }
    }
    for (name, is_seal) in found.orphans(&needed).into_iter().filter(|(name, _)| !name.starts_with("../")) {
        if let Some(version) = found.newer(name) {
            problems.push(of_newer(name, version));
            continue;
        }
        let message = match found.files.get(name).map(|f| &f.read) {
            Some(Ok(seal)) => format!("seals `{}`, which declares nothing any more", seal.manifest),
            _ => "named like a seal, but none: it cannot be read and no manifest needs it".to_owned(),
        };
        let help = if is_seal { "run `casefile seal`: it removes the file" } else { "remove or rename it" };
        problems.push(Diagnostic::of_file("seal-orphaned", name, message).with_help(help));
    }
    problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    problems
}

/// The seals of incidents that hold something else than the incidents' runbooks make today. A runbook that was edited
/// since leaves them as they were reviewed; a seal that was edited, with its checksum, looks the same.
pub fn deviations(deviating: &[Deviating]) -> Vec<Diagnostic> {
    let problem = |d: &Deviating| {
        let message = format!("Incident/{}: {}", d.incident, unproven(d));
        let help = format!(
            "if the runbook was edited since, name a revision that has the reviewed seal by `--since REF`; or run \
             `casefile seal {}` and review the difference",
            d.file
        );
        Diagnostic::of_file("seal-unproven", sealed_name(&d.file), message).with_help(help)
    };
    deviating.iter().map(problem).collect()
}

/// How an incident deviates, in words.
fn unproven(d: &Deviating) -> String {
    const NAMED: usize = 3;
    let mut names: Vec<String> = d.addresses.iter().take(NAMED).map(ToString::to_string).collect();
    let more = d.addresses.len().saturating_sub(NAMED);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    format!("{} is not as the runbook makes it now: {}", sealed_name(&d.file), names.join(", "))
}

/// Where resources are declared in a manifest file: line and column, from 1.
type Places = BTreeMap<Address, (u32, u32)>;

fn compare(name: &str, expected: &Seal, file: &File, line: u32, places: &Places) -> Option<Diagnostic> {
    let expected = &as_in(file, expected);
    let text = expected.to_text();
    if file.text == text {
        return None;
    }
    let manifest = manifest_name(name);
    let again = format!("run `casefile seal {manifest}` and review the difference");
    let seal = match &file.read {
        Ok(seal) => seal,
        Err(SealError { newer: Some(version), .. }) => {
            return Some(of_newer(name, version));
        }
        Err(e) => {
            let message = format!("edited by hand: no seal any more: {e}");
            let mut problem = Diagnostic::of_file("seal-edited", name, message).with_help(again);
            (problem.line, problem.column, problem.end_column) = (e.line, e.column, e.column);
            problem.source_line =
                file.text.lines().nth(e.line.saturating_sub(1) as usize).unwrap_or_default().to_owned();
            return Some(problem);
        }
    };
    if !file.intact {
        let message = "edited by hand: not what `casefile seal` wrote";
        let mut problem = Diagnostic::of_file("seal-edited", name, message);
        mark_difference(&mut problem, (&file.text, 0), (&text, 0));
        return Some(problem.with_help(again));
    }
    let differences = differences(expected, seal);
    let first = differences.first.clone();
    let declared = first.as_ref().and_then(|place| places.get(place.declared.as_ref()?)).copied();
    let (line, column) = declared.unwrap_or((line, 1));
    let message = format!("outdated: {}", differences.in_words());
    let mut problem = Diagnostic::of_file("seal-outdated", name, message);
    problem.related = vec![Related {
        file: manifest.as_str().into(),
        line,
        column,
        message: "the manifest says otherwise".into(),
    }];
    // The digest of an incident, or a line that moved, would be the first difference of the texts.
    let lines = first.and_then(|place| {
        let sealed = place.line(&file.text, &place.address)?;
        let declared = place.declared.as_ref().and_then(|a| place.line(&text, a));
        Some((sealed, declared.unwrap_or(usize::MAX)))
    });
    let (sealed, declared) = lines.unwrap_or((0, 0));
    mark_difference(&mut problem, (&file.text, sealed), (&text, declared));
    Some(problem.with_help(again))
}

fn of_newer(name: &str, version: &str) -> Diagnostic {
    let message = format!("written by a newer casefile: its format is `{version}`");
    Diagnostic::of_file("seal-newer", name, message).with_help("use a newer casefile")
}

/// Points at the first character of `found` that is not as in `expected`, both from a line on.
fn mark_difference(problem: &mut Diagnostic, found: (&str, usize), expected: (&str, usize)) {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let (ours, theirs) = (found.0.lines().skip(found.1), expected.0.lines().skip(expected.1));
    let same = ours.clone().zip(theirs.clone()).take_while(|(a, b)| a == b).count();
    let line = ours.clone().nth(same).unwrap_or_default();
    let other = theirs.clone().nth(same).unwrap_or_default();
    let alike = line.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let indent = line.chars().take_while(|c| *c == ' ').count();
    problem.line = number(found.1 + same + 1);
    problem.column = number(alike.max(indent) + 1);
    problem.end_column = number(line.chars().count() + 1).max(problem.column);
    problem.source_line = line.to_owned();
}

/// A row whose call was not reviewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsealed {
    /// The resource.
    pub address: Address,
    /// What the row does.
    pub action: Action,
    /// What is wrong.
    pub why: String,
    /// The manifest that declares it, where all that is wrong is that there is no seal beside it.
    pub without_seal: Option<String>,
}

impl fmt::Display for Unsealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.address, self.action, self.why)
    }
}

/// The rows of a plan with a call that no current seal covers; `resources` by address, those of `templates`
/// among them. Empty if `apply --sealed` may go on. Calls of `deviating` incidents count as not reviewed.
pub fn unsealed(
    plan: &Plan,
    service: Option<&Defender>,
    resources: &[Desired],
    templates: &[Template],
    found: &Seals,
    deviating: &[Deviating],
) -> Vec<Unsealed> {
    let service = service.map(shown);
    let row = |c: &Change| {
        let declared = resources.binary_search_by(|d| d.address.cmp(&c.address)).ok().map(|i| &resources[i]);
        let incident = declared.and_then(|d| d.expanded.as_ref()).map(|e| &e.incident);
        let why = match deviating.iter().find(|d| Some(&d.incident) == incident) {
            Some(d) => unproven(d),
            None => missing(c, service.as_ref(), declared, templates, found)?,
        };
        let file = declared.map(|d| d.source.file.to_string());
        let without_seal = file.filter(|file| !found.files.contains_key(&sealed_name(file)));
        Some(Unsealed { address: c.address.clone(), action: c.action, why, without_seal })
    };
    plan.changes.iter().filter(|c| c.call.is_some()).filter_map(row).collect()
}

fn missing(
    c: &Change,
    service: Option<&Defender>,
    declared: Option<&Desired>,
    templates: &[Template],
    found: &Seals,
) -> Option<String> {
    let call = c.call.as_ref()?;
    let Some(d) = declared else {
        // The manifest is gone. Its seal must be too, or removing it was not the whole of the review.
        for (name, file) in &found.files {
            match &file.read {
                Ok(seal) if seal.get(&c.address).is_some() => return Some(format!("{name} still seals it")),
                Ok(_) => {}
                Err(_) => return Some(format!("{name} cannot be read and may still seal it")),
            }
        }
        return None;
    };
    let name = sealed_name(&d.source.file);
    let Some(file) = found.files.get(&name) else { return Some(format!("{name} does not exist")) };
    let seal = match &file.read {
        Ok(seal) if file.intact => seal,
        Err(SealError { newer: Some(_), .. }) => {
            return Some(format!("{name} was written by a newer casefile"));
        }
        _ => return Some(format!("{name} was edited by hand")),
    };
    if !is_for(seal, service) {
        return Some(format!("{name} is for another service"));
    }
    let manifest = c.address.group().unwrap_or_else(|| c.address.clone());
    let template =
        templates.iter().find(|t| *t.address() == manifest && t.target.is_group() == (manifest != c.address));
    if template.is_some_and(|t| !seal.targets.contains(&SealedTarget::of(t))) {
        return Some(format!("{name} is about machines that are named otherwise"));
    }
    let expected = Sealed::of(d);
    let Some(sealed) = seal.get(&c.address) else { return Some(format!("{name} does not hold it")) };
    if c.action == Action::Update {
        let current = sealed.triage == expected.triage;
        return (!current).then(|| format!("{name} holds another triage"));
    }
    if *sealed != expected {
        return Some(format!("{name} is outdated"));
    }
    match call.sent.marked_by() {
        Marker::Off => {}
        Marker::Comment => {
            return Some("recovery.marker adds a text to its comment that no seal holds".to_owned());
        }
        Marker::ExternalId => {
            return Some("recovery.marker adds an ExternalId that no seal holds".to_owned());
        }
    }
    let exact = *call.request() == d.request() && call.sent.digest == sealed.digest;
    (!exact).then(|| format!("its call is not the one in {name}"))
}
