//! Machines that cannot be told: each as a problem at its place.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::diagnostic::{Looked, human as human_diagnostics};
use super::{Style, words};
use crate::manifest::Diagnostic;
use crate::model::Address;
use crate::plan::{TargetError, Unresolved};

/// What to show of names, tags and files that could not be resolved.
pub fn diagnostics(errors: &[TargetError], now: Timestamp) -> Vec<Diagnostic> {
    errors.iter().map(|e| diagnostic(e, now)).collect()
}

/// The same for people.
pub fn human(errors: &[TargetError], style: Style, now: Timestamp) -> String {
    let problems = diagnostics(errors, now);
    let files: BTreeSet<&str> = errors.iter().map(|e| &*e.place.file).collect();
    let resources: BTreeSet<&Address> = errors.iter().map(|e| &e.address).collect();
    human_diagnostics(&problems, Looked { files: files.len(), resources: resources.len() }, style)
}

fn diagnostic(e: &TargetError, now: Timestamp) -> Diagnostic {
    let new = |code, message: String| Diagnostic::of_place(code, &e.place, message);
    match &e.why {
        Unresolved::NotFound { name } => {
            new("machine-not-found", format!("{}: no machine is called {name}", e.address)).with_help(
                "correct the name, or write machineId; the service forgets machines that are silent for long",
            )
        }
        Unresolved::NoneActive { name, candidates } => {
            let found = words::records(candidates, now);
            let message = format!("{}: no active machine is called {name}: {found}", e.address);
            new("machine-not-active", message)
                .with_help("to ask one of them all the same, write its machineId")
        }
        Unresolved::Several { name, candidates } => {
            let found = words::records(candidates, now);
            let message = format!("{}: several active machines are called {name}: {found}", e.address);
            new("machine-ambiguous", message).with_help("write the whole DNS name, or machineId")
        }
        Unresolved::NotLooked { what, why } => {
            new("machines-not-listed", format!("{}: {what}: {why}", e.address))
                .with_help("write machineId, or try again when the service can be asked")
        }
    }
}
