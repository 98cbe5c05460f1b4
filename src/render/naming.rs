//! The names by which people know machines.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crate::model::first_label;

/// Returns the shortest name of each machine that means no other one of them: its first label, or its whole name where
/// two whole names begin with the same label. Names are those that the service gives.
pub(super) fn shortest<'a, K: Eq + Hash>(named: impl Iterator<Item = (K, &'a str)>) -> HashMap<K, String> {
    let named: Vec<(K, String)> =
        named.map(|(key, name)| (key, name.trim_end_matches('.').to_ascii_lowercase())).collect();
    let mut whole: HashMap<&str, HashSet<&str>> = HashMap::new();
    for (_, name) in named.iter().filter(|(_, name)| first_label(name) != name) {
        whole.entry(first_label(name)).or_default().insert(name);
    }
    let several: HashSet<String> =
        whole.iter().filter(|(_, all)| all.len() > 1).map(|(label, _)| (*label).to_owned()).collect();
    let short = |name: String| {
        let label = first_label(&name);
        if several.contains(label) { name } else { label.to_owned() }
    };
    named.into_iter().map(|(key, name)| (key, short(name))).collect()
}

/// The name of an operating system as people write it: `Windows 11`, `Windows Server 2022`.
pub(super) fn system(platform: &str) -> String {
    let mut out = String::new();
    let mut last: Option<char> = None;
    let windows = platform.starts_with("Windows");
    for c in platform.chars() {
        let starts = last.is_some_and(|l| l.is_ascii_lowercase() && !c.is_ascii_lowercase() && c != ' ');
        if windows && starts {
            out.push(' ');
        }
        out.push(c);
        last = Some(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_its_shortest_name_that_means_no_other() {
        let named = ["a.corp.example.", "B.corp.example", "c.corp.example", "C.lab.example", "d"];
        let short = shortest(named.iter().enumerate().map(|(i, n)| (i, *n)));
        let names: Vec<&str> = (0..named.len()).map(|i| &*short[&i]).collect();
        assert_eq!(names, ["a", "b", "c.corp.example", "c.lab.example", "d"]);
    }

    #[test]
    fn systems_are_written_as_people_do() {
        let shown = ["Windows11", "WindowsServer2012R2", "macOS", "Ubuntu", "Windows 10", ""].map(system);
        assert_eq!(shown, ["Windows 11", "Windows Server 2012R2", "macOS", "Ubuntu", "Windows 10", ""]);
    }
}
