//! The words for an append, for those who look at the history of the place.

use crate::model::Address;
use crate::state::record::Record;

/// Says in one line what is recorded.
pub(super) fn message<'a, I: Iterator<Item = &'a Record>>(records: impl Fn() -> I) -> String {
    let intents: Vec<&Address> = records()
        .filter_map(|r| match r {
            Record::Intent(i) => Some(&i.address),
            _ => None,
        })
        .collect();
    let answers: Vec<&Address> = records()
        .filter_map(|r| match r {
            Record::Outcome { address, .. } | Record::Answered { address, .. } => Some(address),
            _ => None,
        })
        .collect();
    let some = |word: &str, of: &[&Address]| match of {
        [] => None,
        [one] => Some(format!("{word} {one}")),
        [first, rest @ ..] => Some(format!("{word} {first} and {} more", rest.len())),
    };
    let parts: Vec<String> =
        [some("answered", &answers), some("asking", &intents)].into_iter().flatten().collect();
    match parts.is_empty() {
        true => records().next().map_or_else(|| "end of a run".to_owned(), |r| word(r).to_owned()),
        false => parts.join("; "),
    }
}

fn word(record: &Record) -> &'static str {
    match record {
        Record::Open { .. } => "begin the state",
        Record::Imported { .. } => "import",
        Record::Moved { .. } => "rename",
        Record::Removed { .. } => "remove",
        Record::Bound { .. } => "bind the state",
        Record::Ended { .. } => "end of a run",
        _ => "what a look showed",
    }
}
