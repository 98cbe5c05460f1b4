//! Compares the packages in the place where they are held with what the journal says of them.

use std::collections::{BTreeMap, BTreeSet};

use super::name::PackageName;
use super::store::EvidenceStore;
use crate::model::{Address, Sha256Hex};
use crate::state::{Custody, Seq};

/// The custody record as the file beside a package holds it.
pub fn record_text(custody: &Custody) -> String {
    // The keys are texts and the values no maps of others: it cannot fail.
    serde_json::to_string_pretty(custody).unwrap_or_default() + "\n"
}

/// The result of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many packages were read and hashed.
    pub packages: usize,
    /// How many are held in another place, which was not looked at.
    pub elsewhere: usize,
    /// Nothing, if all is well.
    pub findings: Vec<Finding>,
    /// Files that a download that was interrupted, or a package that cannot be held, has left.
    pub left: Vec<String>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The kind of finding.
    pub what: Wrong,
    /// The file, by its name where evidence is kept.
    pub file: String,
    /// The resource, if a record speaks of the file.
    pub address: Option<Address>,
    /// The number of that record.
    pub record: Option<Seq>,
}

/// The presence of a package where evidence is kept. Whether its bytes are the right ones is for
/// `verify` to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Held {
    /// It is there, with the length that was recorded.
    There,
    /// It is not there.
    Missing,
    /// It is shorter or longer.
    OtherLength,
    /// It was not looked for.
    NotLooked,
}

/// A way in which a file can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The package is gone.
    #[error("it is held, and not there")]
    Missing,
    /// It is shorter than it was.
    #[error("it is cut short: {0} of {1} bytes")]
    Truncated(u64, u64),
    /// It is shorter or longer; its bytes were not read.
    #[error("it is shorter or longer than it was")]
    OtherLength,
    /// It is another package that is held, under a wrong name.
    #[error("it is the package that is held as {0}")]
    Swapped(String),
    /// Its bytes are others.
    #[error("it was altered: its SHA-256 is {0}")]
    Altered(Sha256Hex),
    /// No record speaks of it.
    #[error("no record speaks of it")]
    Extra,
    /// It is what a record says that the chain does not vouch for.
    #[error(
        "its record lies behind the fault of the journal, so nothing vouches for it; its bytes are those of that record"
    )]
    Unproven,
    /// The custody record beside the package is gone.
    #[error("the custody record is not there; the journal has it")]
    RecordMissing,
    /// That record says something else than the journal.
    #[error("the custody record says something else than the journal")]
    RecordAltered,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

impl Wrong {
    /// Returns whether it is the package that is not what it was, and not the record beside it.
    pub fn is_of_package(&self) -> bool {
        !matches!(self, Wrong::Extra | Wrong::Unproven | Wrong::RecordMissing | Wrong::RecordAltered)
    }

    /// A stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Wrong::Missing => "package-missing",
            Wrong::Truncated(..) => "package-truncated",
            Wrong::OtherLength => "package-other-length",
            Wrong::Swapped(_) => "package-swapped",
            Wrong::Altered(_) => "package-altered",
            Wrong::Extra => "package-extra",
            Wrong::Unproven => "package-unproven",
            Wrong::RecordMissing => "custody-missing",
            Wrong::RecordAltered => "custody-altered",
            Wrong::Unreadable(_) => "package-unreadable",
        }
    }
}

/// Reads every package that is held in a place, and looks for what else is there.
pub async fn check(held: &[(Seq, Custody)], store: &dyn EvidenceStore) -> Checked {
    let mut checked = Checked::default();
    // Of one name the last record counts: there is none twice, unless a state was made anew.
    let mut here: BTreeMap<&str, (Seq, &Custody)> = BTreeMap::new();
    for (seq, custody) in held {
        if custody.store == store.name() {
            here.insert(&custody.file, (*seq, custody));
        } else {
            checked.elsewhere += 1;
        }
    }
    let by_hash: BTreeMap<Sha256Hex, &str> = here.iter().map(|(file, (_, c))| (c.sha256, *file)).collect();
    let mut known: BTreeSet<String> = BTreeSet::new();
    for (file, (seq, custody)) in &here {
        let mut found = |what, file: String| {
            let (address, record) = (Some(custody.address.clone()), Some(*seq));
            checked.findings.push(Finding { what, file, address, record });
        };
        let Some(name) = PackageName::parse(file) else {
            found(Wrong::Unreadable("this is no name of a package".to_owned()), (*file).to_owned());
            continue;
        };
        known.extend([name.file(), name.record()]);
        match store.hash(&name).await {
            Err(e) => found(Wrong::Unreadable(e.to_string()), name.file()),
            Ok(None) => found(Wrong::Missing, name.file()),
            Ok(Some((size, sha256))) => {
                checked.packages += 1;
                if sha256 != custody.sha256 {
                    let what = match by_hash.get(&sha256) {
                        Some(other) => Wrong::Swapped((*other).to_owned()),
                        None if size < custody.size => Wrong::Truncated(size, custody.size),
                        None => Wrong::Altered(sha256),
                    };
                    found(what, name.file());
                }
            }
        }
        match store.record(&name).await {
            Err(e) => found(Wrong::Unreadable(e.to_string()), name.record()),
            Ok(None) => found(Wrong::RecordMissing, name.record()),
            Ok(Some(json)) if json != record_text(custody).as_bytes() => {
                found(Wrong::RecordAltered, name.record());
            }
            Ok(Some(_)) => {}
        }
    }
    match store.list().await {
        Ok(files) => {
            for file in files.into_iter().filter(|f| !known.contains(f)) {
                let left = [".part", ".zip.part.json", ".json.new", ".aside"];
                if left.iter().any(|ending| file.ends_with(ending)) {
                    checked.left.push(file);
                } else {
                    checked.findings.push(Finding { what: Wrong::Extra, file, address: None, record: None });
                }
            }
        }
        Err(e) => {
            let what = Wrong::Unreadable(e.to_string());
            checked.findings.push(Finding { what, file: ".".to_owned(), address: None, record: None });
        }
    }
    checked
}

/// Compares packages with records behind a fault of the journal, and tells each of them: whether it is what its record
/// says or not, nothing vouches for that record. They are no surplus files.
pub async fn check_behind_fault(checked: &mut Checked, behind: &[(Seq, Custody)], store: &dyn EvidenceStore) {
    for (seq, custody) in behind.iter().filter(|(_, c)| c.store == store.name()) {
        let Some(name) = PackageName::parse(&custody.file) else { continue };
        let of_it = |f: &Finding| f.file == name.file() || f.file == name.record();
        checked.findings.retain(|f| f.what != Wrong::Extra || !of_it(f));
        let what = match store.hash(&name).await {
            Err(e) => Wrong::Unreadable(e.to_string()),
            Ok(None) => Wrong::Missing,
            Ok(Some((_, sha256))) if sha256 == custody.sha256 => Wrong::Unproven,
            Ok(Some((size, _))) if size < custody.size => Wrong::Truncated(size, custody.size),
            Ok(Some((_, sha256))) => Wrong::Altered(sha256),
        };
        let (address, record) = (Some(custody.address.clone()), Some(*seq));
        checked.findings.push(Finding { what, file: name.file(), address, record });
    }
}
