//! The things that need a person, and the findings of a look at held packages.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::evidence::{Checked, Held, Wrong};
use crate::state::{CallAction, Custody, Outcome, Refusal, Seq};

/// The finding of a look at a held package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Holding {
    /// It is there; its bytes were not read.
    There,
    /// Its bytes were read, and have the recorded SHA-256.
    Verified,
    /// Where it is held could not be looked at.
    NotLooked,
    /// It is held in another place, which was not looked at.
    Elsewhere,
    /// Something is wrong with it.
    Wrong,
}

/// Something that needs a person.
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    /// The last call made nothing: what it was answered with.
    Call(Outcome),
    /// Its call has no outcome yet.
    Unanswered,
    /// The collection ended as this.
    Failed(String),
    /// It was cancelled, by whom.
    Cancelled(Option<String>),
    /// The service does not show it any more.
    Gone(String),
    /// A change of it was refused.
    ChangeRefused(CallAction, Refusal),
    /// A change of it has no outcome yet.
    ChangeUnanswered(CallAction),
    /// So many calls that were given up may still take effect.
    Watched(usize),
    /// It is done, and its package is not held.
    NotFetched,
    /// Something is wrong with the package in this file.
    Package(String, Wrong),
    /// The journal cannot be read to its end.
    Damage(String),
}

/// Returns the findings of a look at held packages that read none of them: `looks` are by file, of those that are kept
/// in `store`.
pub fn held_by_look(
    held: &[(Seq, Custody)],
    store: &str,
    looks: &BTreeMap<String, Held>,
) -> BTreeMap<String, Found> {
    let look = |c: &Custody| {
        if c.store != store {
            return Found { holding: Holding::Elsewhere, wrong: None };
        }
        match looks.get(&c.file) {
            Some(Held::There) => Found { holding: Holding::There, wrong: None },
            Some(Held::Missing) => Found::wrong(Wrong::Missing),
            Some(Held::OtherLength) => Found::wrong(Wrong::OtherLength),
            Some(Held::NotLooked) | None => Found { holding: Holding::NotLooked, wrong: None },
        }
    };
    held.iter().map(|(_, c)| (c.file.clone(), look(c))).collect()
}

/// Returns the findings of reading held packages.
pub fn held_by_hash(held: &[(Seq, Custody)], store: &str, checked: &Checked) -> BTreeMap<String, Found> {
    let mut out: BTreeMap<String, Found> = held
        .iter()
        .map(|(_, c)| {
            let here = c.store == store;
            let holding = if here { Holding::Verified } else { Holding::Elsewhere };
            (c.file.clone(), Found { holding, wrong: None })
        })
        .collect();
    for finding in &checked.findings {
        // What is wrong with the record beside a package bears the record's name.
        let file = finding.file.strip_suffix(".json").map(|f| format!("{f}.zip"));
        if let Some(found) = out.get_mut(file.as_deref().unwrap_or(&finding.file)) {
            *found = Found::wrong(finding.what.clone());
        }
    }
    out
}

/// A held package as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// In one word.
    pub holding: Holding,
    /// The fault, if there is one.
    pub wrong: Option<Wrong>,
}

impl Found {
    fn wrong(what: Wrong) -> Found {
        Found { holding: Holding::Wrong, wrong: Some(what) }
    }
}
