//! The part of a journal that speaks of some resources, to be handed on.
//!
//! A line's hash is that of all its text, so nobody can recompute the hash of a line that is left out. What is handed on
//! beside the lines is therefore the hash of every record. With it a reader can check that each line is what its hash
//! says and stands where it says; that the hashes are those of the journal is shown by the journal alone, or by every
//! line up to its head.

use std::collections::BTreeSet;
use std::ops::Range;

use super::custody::Custody;
use super::exchange::Seq;
use super::journal::{JournalError, Reader};
use super::record::Record;
use crate::model::{Address, Sha256Hex};

/// A part of a journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Extract {
    /// The lines, byte for byte and with their line breaks.
    pub lines: String,
    /// How many lines that are.
    pub records: u64,
    /// The hash of every record of the journal, a line each.
    pub hashes: String,
    /// How many records the journal has.
    pub of: u64,
    /// The hash of the last one.
    pub head: Sha256Hex,
    /// The custody records among the lines.
    pub custody: Vec<(Seq, Custody)>,
}

impl Extract {
    /// Returns whether it is the whole journal.
    pub fn is_whole(&self) -> bool {
        self.records == self.of
    }
}

/// The facts of a line that decide whether it belongs to a part.
enum About {
    /// It says whose state this is.
    Owner,
    /// It speaks of a resource.
    Resource(Address),
    /// A resource got another address.
    Move { from: Address, to: Address },
    /// It belongs to the whole journal alone.
    Everything,
}

impl About {
    fn of(record: &Record) -> About {
        match record {
            Record::Open { .. } | Record::Bound { .. } => About::Owner,
            Record::Moved { from, to } => About::Move { from: from.clone(), to: to.clone() },
            record => record.address().map_or(About::Everything, |a| About::Resource(a.clone())),
        }
    }
}

/// Takes the lines that speak of some resources, by the addresses that they have now, and those that say whose state it
/// is; without resources, all lines. What lies behind the last whole record is left out: a run may be writing it.
///
/// # Errors
/// The journal is damaged.
pub fn extract(journal: &str, of: Option<&BTreeSet<Address>>) -> Result<Extract, JournalError> {
    let mut reader = Reader::new(journal.as_bytes());
    let mut lines: Vec<(Range<usize>, About)> = Vec::new();
    let mut custody = Vec::new();
    let mut hashes = String::new();
    let mut begin = 0;
    while let Some(entry) = reader.next() {
        let entry = entry?;
        let end = usize::try_from(reader.mark().bytes).unwrap_or(usize::MAX);
        lines.push((begin..end, About::of(&entry.record)));
        begin = end;
        hashes.push_str(&format!("{}\n", entry.hash));
        if let Record::Fetched(record) = entry.record {
            custody.push((entry.seq, *record));
        }
    }
    let mark = reader.mark();
    let kept = of.map(|of| kept(&lines, of));
    let is_kept = |n: usize| kept.as_ref().is_none_or(|kept| kept.get(n).copied().unwrap_or(false));
    custody.retain(|(seq, _)| usize::try_from(seq - 1).is_ok_and(is_kept));
    let mut text = String::new();
    let mut records = 0;
    for (n, (range, _)) in lines.iter().enumerate().filter(|(n, _)| is_kept(*n)) {
        text.push_str(journal.get(range.clone()).unwrap_or_default());
        if n + 1 == lines.len() && !text.ends_with('\n') {
            text.push('\n');
        }
        records += 1;
    }
    Ok(Extract { lines: text, records, hashes, of: mark.seq, head: mark.head, custody })
}

/// Says of each line whether it belongs to these resources, from the last one on: a resource had another address before
/// it was moved.
fn kept(lines: &[(Range<usize>, About)], of: &BTreeSet<Address>) -> Vec<bool> {
    let mut names = of.clone();
    let mut kept: Vec<bool> = Vec::with_capacity(lines.len());
    for (_, about) in lines.iter().rev() {
        kept.push(match about {
            About::Owner => true,
            About::Everything => false,
            About::Resource(address) => names.contains(address),
            About::Move { from, to } => {
                // Before the move the new address was not this resource's, and the old one was nobody else's.
                let moved = names.remove(to);
                names.remove(from);
                if moved {
                    names.insert(from.clone());
                }
                moved
            }
        });
    }
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Binding, journal};

    fn address(name: &str) -> Address {
        format!("InvestigationPackage/{name}").parse().unwrap()
    }

    fn journal() -> String {
        let missing = |name: &str| Record::Missing { address: address(name), id: name.into() };
        let moved = |from: &str, to: &str| Record::Moved { from: address(from), to: address(to) };
        let open =
            Record::Open { lineage: "l".into(), binding: Binding::default(), tool: "casefile/0".into() };
        let records =
            [open, missing("a"), missing("b"), moved("a", "c"), missing("a"), missing("c"), Record::Arrived];
        let (mut text, mut head) = (String::new(), Sha256Hex::ZERO);
        for (seq, record) in (1..).zip(records) {
            let (line, hash) =
                journal::encode(seq, head, "2026-03-01T08:00:00Z".parse().unwrap(), &record).unwrap();
            text.push_str(&line);
            head = hash;
        }
        text
    }

    fn numbers(text: &str, of: Option<&[&str]>) -> Vec<usize> {
        let of = of.map(|names| names.iter().map(|n| address(n)).collect());
        let part = extract(text, of.as_ref()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        part.lines.lines().map(|l| 1 + lines.iter().position(|of| *of == l).unwrap()).collect()
    }

    #[test]
    fn a_resource_takes_its_lines_along_under_every_address_that_it_had() {
        let text = journal();
        assert_eq!(numbers(&text, None), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(numbers(&text, Some(&["b"])), [1, 3]);
        assert_eq!(numbers(&text, Some(&["c"])), [1, 2, 4, 6]);
        // The one that has the address now is another one.
        assert_eq!(numbers(&text, Some(&["a"])), [1, 5]);
    }

    #[test]
    fn every_hash_is_told_and_the_rest_of_a_line_is_left_out() {
        let text = journal();
        let whole = extract(&text, None).unwrap();
        assert!(whole.is_whole() && whole.lines == text);
        let part = extract(&text, Some(&[address("b")].into())).unwrap();
        assert_eq!((part.records, part.of, part.is_whole()), (2, 7, false));
        assert_eq!((&part.hashes, part.head), (&whole.hashes, whole.head));
        assert_eq!(whole.hashes.lines().last().unwrap(), whole.head.to_string());
        let torn = format!("{text}{{\"seq\":8,");
        assert_eq!(extract(&torn, None).unwrap(), whole);
        assert_eq!(extract(text.trim_end(), None).unwrap(), whole);
        let edited = text.replace("\"id\":\"b\"", "\"id\":\"x\"");
        assert_eq!(extract(&edited, None).unwrap_err().line, 3);
    }
}
