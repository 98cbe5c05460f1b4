//! Why a saved plan is not carried out on the state of another moment.

use std::fmt;

use crate::model::{Address, Advice, PlanDigest, Sha256Hex};
use crate::plan::change::PlannedId;
use crate::state::{Phase, Seq};

/// Why a saved plan is not carried out on this state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// Made from another state.
    #[error("the plan was made from another state: lineage {plan}, this state is {state}")]
    OtherLineage {
        /// The plan's.
        plan: String,
        /// The state's.
        state: String,
    },
    /// Made from a state that is not here.
    #[error("the plan was made from a state of lineage {plan}, and there is no state here")]
    NoState {
        /// The plan's.
        plan: String,
    },
    /// Made without a state; one was begun since, by something else.
    #[error("the plan was made while there was no state; one has been begun since")]
    StateAppeared,
    /// Made on a record that the state's history does not hold: somebody has rewritten or restored it since.
    #[error(
        "the plan was made at head sha256:{plan}, and the history of this state, which ends with head sha256:{state}, does \
         not hold that: it was rewritten, or restored from a copy"
    )]
    OtherHistory {
        /// The plan's.
        plan: Sha256Hex,
        /// The state's.
        state: Sha256Hex,
    },
    /// Rows with a call have moved.
    #[error("the state has moved on since the plan was made")]
    Moved(Vec<Moved>),
    /// A call changes an object that is not the resource's.
    #[error("the call of {address} is about another object than the state holds of it")]
    OtherObject {
        /// The row.
        address: Address,
    },
    /// The text of a call holds the id of a resource that has another one by now.
    #[error(
        "the text of {address} was planned with the id {} of {}, which {}",
        .planned.id.as_deref().unwrap_or_default(),
        .planned.of,
        .now.as_ref().map_or("it does not have any more".to_owned(), |id| format!("is {id} by now"))
    )]
    OtherId {
        /// The row.
        address: Address,
        /// As planned.
        planned: PlannedId,
        /// Its id in the state.
        now: Option<String>,
    },
    /// The service has what calls ask for by now: something else made it since the plan was made.
    #[error(
        "what the plan asks for is at the service already, and was not when the plan was made: {}",
        .0.iter().map(|(address, ids)| format!("{address} ({})", ids.join(", "))).collect::<Vec<_>>().join("; ")
    )]
    MadeSince(Vec<(Address, Vec<String>)>),
    /// Every call was sent.
    #[error("the plan {digest} was carried out already: {calls} of {calls} calls were sent")]
    Finished {
        /// The plan.
        digest: PlanDigest,
        /// How many calls it has.
        calls: usize,
    },
}

/// A row with a call whose resource has changed since the plan was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The row.
    pub address: Address,
    /// The resource's revision that the row was made from; 0 for none.
    pub planned_from: Seq,
    /// Its revision, its phase and since when it has it; none if it is not in the state.
    pub now: Option<(Seq, Phase, jiff::Timestamp)>,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.address)?;
        match (self.planned_from, &self.now) {
            (_, None) => f.write_str("no longer in the state"),
            (0, Some((seq, phase, since))) => {
                write!(f, "was not in the state, now {phase} since {since:.0} (record {seq})")
            }
            (from, Some((seq, phase, since))) => {
                write!(f, "planned from record {from}, now {phase} since {since:.0} (record {seq})")
            }
        }
    }
}

impl Stale {
    /// Returns the step that helps.
    pub fn advice(&self) -> Advice {
        match self {
            Stale::OtherHistory { plan, .. } => Advice::then(
                "find out who changed it: what is forgotten may be asked for again; if it was meant, have a new plan \
                 reviewed",
                format!("casefile verify --head sha256:{plan}"),
            ),
            _ => Advice::then("have a new plan reviewed", "casefile plan --out plan.json"),
        }
    }

    /// The rows that have moved, if that is the reason.
    pub fn moved(&self) -> &[Moved] {
        match self {
            Stale::Moved(moved) => moved,
            _ => &[],
        }
    }
}
