//! The packages that are handed on of some resources, and those that there are none of.

use std::collections::BTreeMap;

use crate::model::{Address, Kind};
use crate::state::{Custody, Phase, Resource, Seq};

/// The packages of some resources.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Handover {
    /// The custody records of those that are held in one place, by the name of the package.
    pub packages: BTreeMap<String, Custody>,
    /// Those that are not.
    pub absent: Vec<Absent>,
}

/// A package that is not handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// The resource.
    pub address: Address,
    /// The collection, if one was made.
    pub id: Option<String>,
    /// Why there is none.
    pub why: WhyAbsent,
}

/// Why a package is not handed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhyAbsent {
    /// The collection is done, and nobody fetched its package.
    #[error("not fetched")]
    NotFetched,
    /// The collection is not done.
    #[error("not done when it was looked at last")]
    Running,
    /// It is held in another place than the project names now.
    #[error("held in {0}, which the project does not name any more")]
    Elsewhere(String),
}

impl WhyAbsent {
    /// A stable name.
    pub fn code(&self) -> &'static str {
        match self {
            WhyAbsent::NotFetched => "not-fetched",
            WhyAbsent::Running => "running",
            WhyAbsent::Elsewhere(_) => "elsewhere",
        }
    }
}

/// Sorts the packages of some resources by whether they are held in a place, which is named as records name it.
pub fn handover<'a>(
    resources: impl IntoIterator<Item = (&'a Address, &'a Resource)>,
    custody: &[(Seq, Custody)],
    store: &str,
) -> Handover {
    let mut out = Handover::default();
    for (_, record) in custody {
        if record.store == store {
            // Of one name the last record counts, as in `verify`.
            out.packages.insert(record.file.clone(), record.clone());
            continue;
        }
        let (address, id) = (record.address.clone(), Some(record.action_id.clone()));
        out.absent.push(Absent { address, id, why: WhyAbsent::Elsewhere(record.store.clone()) });
    }
    let of_kind = |(a, _): &(&Address, &Resource)| a.kind() == Kind::InvestigationPackage;
    for (address, r) in resources.into_iter().filter(of_kind) {
        let why = match r.released_from.unwrap_or(r.phase) {
            Phase::Succeeded if r.id.as_deref().is_some_and(|id| r.package(id).is_some()) => continue,
            Phase::Succeeded => WhyAbsent::NotFetched,
            Phase::Requested | Phase::Pending | Phase::InProgress => WhyAbsent::Running,
            // Nothing came of these.
            Phase::Failed | Phase::Cancelled | Phase::Rejected | Phase::Released => continue,
        };
        out.absent.push(Absent { address: address.clone(), id: r.id.clone(), why });
    }
    out
}
