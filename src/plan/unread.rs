//! What a run needed to see and could not.

use std::collections::BTreeSet;

use crate::model::Hindrance;

/// The things that a run needed to see and could not read, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unread {
    /// The names of the things, as a reader knows them: `machine actions`.
    pub what: BTreeSet<&'static str>,
    /// The kind of reason.
    pub cause: Hindrance,
    /// The reason, in the service's words.
    pub why: String,
    /// The id to quote to the service's support; of several answers, that of the first one.
    pub support_id: Option<String>,
}

impl Unread {
    /// One thing that could not be read.
    pub fn new(what: &'static str, cause: Hindrance, why: impl Into<String>) -> Self {
        Unread { what: BTreeSet::from([what]), cause, why: why.into(), support_id: None }
    }

    /// The same with the id that the answer gave.
    #[must_use]
    pub fn quoting(self, support_id: Option<&str>) -> Self {
        Unread { support_id: support_id.map(str::to_owned), ..self }
    }

    /// Adds to what could not be read. A reason is told once: what has the same one stands together, and of the
    /// same thing the first one counts.
    pub fn add_to(self, list: &mut Vec<Unread>) {
        let same = |u: &Unread| u.cause == self.cause && (u.why == self.why || u.what == self.what);
        match list.iter_mut().find(|u| same(u)) {
            Some(same) => same.what.extend(self.what),
            None => list.push(self),
        }
    }
}
