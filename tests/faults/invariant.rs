//! What has to hold however a run ends. The sentences stand in `docs/reconciliation.md`, "What has to hold", and are
//! read from there: a failure shows the number and the sentence.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

macro_rules! invariants {
    ($($name:ident)*) => {
        /// A line of that list. `tests/protocol_model.py` uses the same numbers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Invariant {
            $($name),*
        }

        const ALL: &[Invariant] = &[$(Invariant::$name),*];
    };
}

// In the order of their numbers, from 1.
invariants! {
    OneEffect
    Recorded
    NobodyElses
    Explained
    OneMaker
    InOrder
    IdsInTexts
    PeopleStand
    CommentOnce
    Triaged
    OneRevision
    YoungIntent
    AnswerKept
    Readable
    OneRun
    AtRest
}

/// The list of the page, by number: `| I1 | sentence |`.
static SENTENCES: LazyLock<BTreeMap<usize, &str>> = LazyLock::new(|| {
    let rows = include_str!("../../docs/reconciliation.md").lines().filter_map(|l| l.strip_prefix("| I"));
    rows.map(|row| {
        let (number, rest) = row.split_once(" | ").expect("a number and a sentence");
        (number.parse().expect("a number"), rest.trim_end_matches(" |"))
    })
    .collect()
});

impl Invariant {
    fn number(self) -> usize {
        self as usize + 1
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "I{} {}", self.number(), SENTENCES[&self.number()])
    }
}

#[test]
fn the_page_has_a_sentence_for_each() {
    let numbers: Vec<usize> = ALL.iter().map(|i| i.number()).collect();
    assert_eq!(SENTENCES.keys().copied().collect::<Vec<_>>(), numbers);
    assert!(SENTENCES.values().all(|s| !s.contains(": ") && s.len() > 20), "{:#?}", *SENTENCES);
}
