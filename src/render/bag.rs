//! A bag of evidence in words: the lines of its `bag-info.txt`, and what was exported.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::layout::{Paint, Paragraph};
use super::ways_out::Next;
use super::{Style, commands, escape, messages, plan_json};
use crate::evidence::{Absent, BagSize, WhyAbsent, bag_name};
use crate::model::{Address, Sha256Hex};
use crate::state::{Custody, Extract, Operator};

/// The contents of a bag, and what it lacks.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The project's name.
    pub project: String,
    /// The name of the state's history.
    pub lineage: Option<String>,
    /// How many resources it is about.
    pub resources: usize,
    /// The values of their label `incident`.
    pub incidents: BTreeSet<String>,
    /// The custody records of its packages, by the name of the package.
    pub packages: BTreeMap<String, Custody>,
    /// Packages that it does not hold.
    pub absent: Vec<Absent>,
    /// Files of the project in it, by their names there, and their names in the bag.
    pub files: BTreeMap<String, ProjectFile>,
    /// How many problems kept manifests from being read.
    pub unread: usize,
    /// The part of the journal.
    pub journal: Extract,
    /// The person or job that exports.
    pub by: Operator,
}

/// A manifest, a seal or a list of machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectFile {
    /// Its name in the bag.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Hex,
    /// Resources whose packages were fetched when the file was another one.
    pub changed_since: Vec<Address>,
}

/// The lines of `bag-info.txt` that do not follow from the payload.
pub fn info(c: &Contents) -> String {
    let mut out = String::new();
    let mut say = |name: &str, value: &str| {
        // A line break in a value would begin another line.
        out.push_str(&format!("{name}: {}\n", escape::one_line(value)));
    };
    say("Bag-Software-Agent", concat!("casefile/", env!("CARGO_PKG_VERSION")));
    for incident in &c.incidents {
        say("External-Identifier", incident);
    }
    let packages = messages::plural(c.packages.len(), "investigation package");
    say("External-Description", &format!("{packages} of {}", messages::resources(c.resources)));
    let lineage = c.lineage.as_deref().unwrap_or("none");
    say("Internal-Sender-Identifier", &format!("project {}, lineage {lineage}", c.project));
    say("Exported-By", &format!("{}@{}", c.by.user, c.by.host));
    if let Some(job) = &c.by.job {
        say("Exported-By-Job", job);
    }
    say("Journal-Records", &format!("{} of {}", c.journal.records, c.journal.of));
    say("Journal-Head", &format!("sha256:{}", c.journal.head));
    for absent in &c.absent {
        say("Package-Not-Held", &format!("{}: {}", absent.address, absent.why));
    }
    for (path, file) in &c.files {
        for address in &file.changed_since {
            say("Manifest-Changed", &format!("{path}: another one than when {address} was fetched"));
        }
    }
    if c.unread > 0 {
        say("Manifests-Unread", &messages::plural(c.unread, "problem"));
    }
    out
}

/// Writes for people what was exported.
pub fn exported(place: &str, c: &Contents, size: BagSize, style: Style) -> String {
    let mut out = String::new();
    let parts = [
        messages::plural(c.packages.len(), "package"),
        messages::plural(c.files.len(), "file") + " of the project",
        match c.journal.is_whole() {
            true => format!("the whole journal of {} records", c.journal.of),
            false => format!("{} of {} records", c.journal.records, c.journal.of),
        },
        messages::bytes(size.bytes),
    ];
    Paragraph::new(0, 2)
        .push(Paint::Strong, format!("{place}: "))
        .push_list(Paint::Strong, &parts)
        .push(Paint::Strong, ".")
        .write(style, &mut out);
    for absent in &c.absent {
        Paragraph::new(2, 6)
            .push(Paint::Notice, "~ ")
            .push(Paint::Strong, absent.address.to_string())
            .text(format!(": {}", absent.why))
            .write(style, &mut out);
    }
    for (path, file) in c.files.iter().filter(|(_, f)| !f.changed_since.is_empty()) {
        let text = format!(": another one than when {} fetched", packages_were(file.changed_since.len()));
        Paragraph::new(2, 6)
            .push(Paint::Notice, "~ ")
            .push(Paint::Strong, path)
            .text(text)
            .write(style, &mut out);
    }
    if c.unread > 0 {
        let text = format!(
            "{} with the manifests: what cannot be read is not in the bag.",
            messages::plural(c.unread, "problem")
        );
        Paragraph::new(0, 2).push(Paint::Notice, text).write(style, &mut out);
    }
    if !c.journal.is_whole() {
        Paragraph::new(0, 2)
            .text(
                "Of the other records the hashes alone are in it: who holds the journal can compare them. \
                 --whole-journal proves them by the head, and shows all records.",
            )
            .write(style, &mut out);
    }
    Paragraph::new(0, 2).push(Paint::Faint, format!("head sha256:{}", c.journal.head)).write(style, &mut out);
    let fetchable = |a: &Absent| matches!(a.why, WhyAbsent::NotFetched | WhyAbsent::Running);
    if c.absent.iter().any(fetchable) {
        let next = Next::new("fetch what is missing, then export again", "casefile fetch");
        commands::next(&[next], 0, style, &mut out);
    }
    out
}

fn packages_were(n: usize) -> String {
    if n == 1 { "its package was".to_owned() } else { format!("{n} packages were") }
}

/// The document of `export --format json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportDocument<'a> {
    format_version: u32,
    bag: &'a str,
    bytes: u64,
    files: usize,
    packages: Vec<PackageInBag<'a>>,
    not_held: Vec<NotHeld<'a>>,
    project_files: Vec<FileInBag<'a>>,
    /// How many problems kept manifests from being read.
    unread: usize,
    journal: JournalInBag,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PackageInBag<'a> {
    address: &'a Address,
    id: &'a str,
    /// Its path in the bag.
    path: String,
    size: u64,
    sha256: Sha256Hex,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NotHeld<'a> {
    address: &'a Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    code: &'static str,
    why: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FileInBag<'a> {
    /// Its path in the project.
    file: &'a str,
    /// Its path in the bag.
    path: String,
    sha256: Sha256Hex,
    /// Resources whose packages were fetched when it was another one.
    changed_since: &'a [Address],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct JournalInBag {
    records: u64,
    of: u64,
    head: String,
}

impl<'a> ExportDocument<'a> {
    /// The document of a bag at a place.
    pub fn new(place: &'a str, c: &'a Contents, size: BagSize) -> Self {
        let package = |(file, custody): (&String, &'a Custody)| PackageInBag {
            address: &custody.address,
            id: &custody.action_id,
            path: format!("data/{}", package_name(file)),
            size: custody.size,
            sha256: custody.sha256,
        };
        let absent = |a: &'a Absent| NotHeld {
            address: &a.address,
            id: a.id.as_deref(),
            code: a.why.code(),
            why: a.why.to_string(),
        };
        let file = |(path, f): (&'a String, &'a ProjectFile)| FileInBag {
            file: path,
            path: format!("data/{}", f.name),
            sha256: f.sha256,
            changed_since: &f.changed_since,
        };
        ExportDocument {
            format_version: 1,
            bag: place,
            bytes: size.bytes,
            files: size.files,
            packages: c.packages.iter().map(package).collect(),
            not_held: c.absent.iter().map(absent).collect(),
            project_files: c.files.iter().map(file).collect(),
            unread: c.unread,
            journal: JournalInBag {
                records: c.journal.records,
                of: c.journal.of,
                head: format!("sha256:{}", c.journal.head),
            },
        }
    }

    /// As indented text that ends with a line break; hidden characters inside strings are escaped.
    ///
    /// # Errors
    /// None that an export can cause.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        plan_json::pretty(self)
    }
}

/// The name in a bag of a package or a custody record that is held under a name.
pub fn package_name(file: &str) -> String {
    format!("packages/{}", bag_name(file))
}
