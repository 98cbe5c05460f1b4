//! The word that a person most likely meant by one that means nothing: asked in the same words by every command.

use super::exit::Error;
use crate::manifest::nearest;
use crate::model::first_label;
use crate::plan::names::{self, Named};
use crate::state::State;

/// Returns the end of a message about a word that nothing is called: the known one that is nearest, or nothing.
pub fn did_you_mean<'k>(typed: &str, known: impl Iterator<Item = &'k str>) -> String {
    nearest(typed, known).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default()
}

/// The error of a runbook that the project does not have.
pub fn no_runbook<'k>(typed: &str, known: impl Iterator<Item = &'k str>) -> Error {
    let meant = did_you_mean(typed, known);
    Error::Usage(format!("--runbook {typed}: the project has no such runbook{meant}"))
}

/// The error of a name or address that nothing in a state has.
pub fn not_in_state(state: &State, typed: Named) -> Error {
    let resources = || state.resources.iter();
    let known: Vec<String> = match &typed {
        Named::Address(_) => {
            let shown = names::shown_in(state);
            let shown = shown.into_values();
            resources().map(|(address, _)| address.to_string()).chain(shown).collect()
        }
        Named::Bare(word) => resources()
            .flat_map(|(address, r)| {
                // A whole name is meant by a word with a dot alone.
                let machine = names::recorded_name(r).map(|name| match word.contains('.') {
                    true => name.to_owned(),
                    false => first_label(name).to_owned(),
                });
                let own =
                    address.parts().map_or_else(|| address.name().to_owned(), |(group, _)| group.to_owned());
                [machine, Some(own)]
            })
            .flatten()
            .collect(),
    };
    let meant = did_you_mean(&typed.to_string(), known.iter().map(String::as_str));
    Error::NotInState { typed, meant }
}
