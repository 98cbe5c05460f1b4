//! The seals of a project: the files that are there, and those that it needs.

use std::collections::{BTreeMap, BTreeSet};

use super::format::{Seal, SealError, Sealed, SealedIncident, SealedTarget, manifest_name, sealed_name};
use crate::manifest::{Declaration, Defender, Diagnostic, IncidentState, Loaded};
use crate::model::{Address, Cloud, Kind, RequestDigest, Sha256Hex, plain_text};

/// The seal files of a project.
#[derive(Clone, Debug, Default)]
pub struct Seals {
    pub(super) files: BTreeMap<String, File>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) text: String,
    pub(super) read: Result<Seal, SealError>,
    /// True if the tool wrote it, every byte of it.
    pub(super) intact: bool,
}

impl Seals {
    /// Takes files by name, relative to the project folder. Line ends and the byte order mark of Windows are no edit.
    pub fn new(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Seals {
        let file = |(name, bytes): (String, Vec<u8>)| {
            let text = String::from_utf8_lossy(&plain_text(&bytes)).into_owned();
            let read = Seal::read(&text);
            let intact = read.as_ref().is_ok_and(|s| s.is_intact() && s.to_text() == text);
            (name, File { text, read, intact })
        };
        Seals { files: files.into_iter().map(file).collect() }
    }

    /// The text of a file.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.files.get(name).map(|f| f.text.as_str())
    }

    /// Returns whether the file with this name is what is expected.
    pub fn is_current(&self, name: &str, expected: &Seal) -> bool {
        self.files.get(name).is_some_and(|file| file.text == as_in(file, expected).to_text())
    }

    /// Returns the intact file that seals exactly this request of a resource.
    pub fn of_request(&self, address: &Address, digest: &RequestDigest) -> Option<&str> {
        let seals = |file: &File| {
            let sealed = file.read.as_ref().ok().filter(|_| file.intact).and_then(|seal| seal.get(address));
            sealed.is_some_and(|sealed| sealed.digest == *digest)
        };
        self.files.iter().find(|(_, file)| seals(file)).map(|(name, _)| name.as_str())
    }

    /// The `apiVersion` of a file that a newer casefile wrote.
    pub fn newer(&self, name: &str) -> Option<&str> {
        self.files.get(name)?.read.as_ref().err()?.newer.as_deref()
    }

    /// The files that are not among the needed ones, and whether each is a seal at all.
    pub fn orphans<'a>(&'a self, needed: &BTreeMap<String, Seal>) -> Vec<(&'a str, bool)> {
        let rest = self.files.iter().filter(|(name, _)| !needed.contains_key(*name));
        rest.map(|(name, f)| (name.as_str(), f.read.is_ok())).collect()
    }

    /// Returns the part of a manifest file's intact seal that is about an incident, if that says the same as when it was
    /// sealed.
    pub fn incident(
        &self,
        file: &str,
        name: &str,
        inputs: &Sha256Hex,
    ) -> Option<impl Iterator<Item = &Sealed>> {
        let file = self.files.get(&sealed_name(file)).filter(|f| f.intact)?;
        let seal = file.read.as_ref().ok()?;
        let wanted = SealedIncident::of(name, inputs);
        seal.incidents.contains(&wanted).then(move || {
            seal.resources.iter().filter(move |r| r.incident.as_deref() == Some(wanted.name.as_str()))
        })
    }

    /// How the intact seal of a manifest file names the machines of an incident.
    pub fn targets<'a>(&'a self, file: &str, incident: &str) -> impl Iterator<Item = &'a SealedTarget> {
        let file = self.files.get(&sealed_name(file)).filter(|f| f.intact);
        let targets = file.and_then(|f| f.read.as_ref().ok()).map(|seal| &seal.targets);
        let prefixes = Kind::ALL.map(|kind| format!("{kind}/{incident}."));
        targets.into_iter().flatten().filter(move |t| prefixes.iter().any(|p| t.address.starts_with(p)))
    }

    /// Seals of incidents that nobody can rely on: edited by hand, or no seals at all. Without them it is not
    /// known what was reviewed, so nothing is planned.
    pub fn broken(&self, loaded: &Loaded) -> Vec<Diagnostic> {
        let open = loaded.incidents.iter().filter(|i| i.state != IncidentState::Closed);
        let names: BTreeSet<String> = open.map(|i| sealed_name(&i.source.file)).collect();
        let broken = names.iter().filter_map(|n| Some((n, self.files.get(n)?))).filter(|(_, f)| !f.intact);
        broken
            .map(|(name, _)| {
                let message =
                    "edited by hand: not what `casefile seal` wrote, so its incidents are not planned";
                let help = format!("run `casefile seal {}` and review the difference", manifest_name(name));
                Diagnostic::of_file("seal-edited", name.as_str(), message).with_help(help)
            })
            .collect()
    }
}

/// Returns whether a seal is for the service that the project names. One of an older version names none: it goes on to
/// count for the simulated service, whose calls reach nobody.
pub(super) fn is_for(seal: &Seal, service: Option<&Defender>) -> bool {
    let simulated = |d: &Defender| d.cloud == Cloud::Sandbox && d.endpoint.is_none();
    seal.service.as_ref() == service || seal.service.is_none() && service.is_some_and(simulated)
}

/// A seal as the version that wrote a file would write it.
pub(super) fn as_in(file: &File, expected: &Seal) -> Seal {
    let older = file.read.as_ref().is_ok_and(|s| s.service.is_none() && is_for(s, expected.service.as_ref()));
    if older { expected.of_older_version() } else { expected.clone() }
}

/// The seals that a project needs, by file. `loaded.resources` hold those of the templates for their machines. What
/// an intact seal holds of a frozen or a closed incident stays as it is.
pub fn seals(loaded: &Loaded, found: &Seals) -> BTreeMap<String, Seal> {
    #[derive(Default)]
    struct OfFile {
        incidents: Vec<SealedIncident>,
        targets: Vec<SealedTarget>,
        resources: Vec<Sealed>,
    }
    let mut by_file: BTreeMap<&str, OfFile> = BTreeMap::new();
    let kept = |i: &&Declaration| i.state != IncidentState::Open;
    let of_seal: BTreeMap<&str, &Declaration> =
        loaded.incidents.iter().filter(kept).map(|i| (&*i.name, i)).collect();
    for d in &loaded.resources {
        if d.expanded.as_ref().is_none_or(|t| !of_seal.contains_key(&*t.incident)) {
            by_file.entry(&d.source.file).or_default().resources.push(Sealed::of(d));
        }
    }
    // Also one that stands for no machine today.
    for t in &loaded.templates {
        by_file.entry(&t.declared().source.file).or_default().targets.push(SealedTarget::of(t));
    }
    for i in &loaded.incidents {
        let sealed = found.incident(&i.source.file, &i.name, &i.inputs);
        if i.state == IncidentState::Open || sealed.is_some() {
            let file = by_file.entry(&i.source.file).or_default();
            file.incidents.push(SealedIncident::of(&i.name, &i.inputs));
            if i.state != IncidentState::Open {
                file.resources.extend(sealed.into_iter().flatten().cloned());
                file.targets.extend(found.targets(&i.source.file, &i.name).cloned());
            }
        }
    }
    let seal = |(file, mut of): (&str, OfFile)| {
        of.incidents.sort();
        of.targets.sort_by(|a, b| a.address.cmp(&b.address));
        of.resources.sort_by(|a, b| a.address.cmp(&b.address));
        (sealed_name(file), Seal::new(file, loaded.service.as_ref(), of.incidents, of.targets, of.resources))
    };
    by_file.into_iter().map(seal).collect()
}
