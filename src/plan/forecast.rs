//! What a reader wants to know before the calls of a plan are sent, as data.

use jiff::SignedDuration;

use crate::model::Timestamp;

/// A machine reports about once a day; one that was silent for longer than two days is not counted on.
pub const RECENT: SignedDuration = SignedDuration::from_hours(48);

/// The facts that the service tells of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineFacts {
    /// `computerDnsName`
    pub name: Option<String>,
    /// `osPlatform`
    pub os: Option<String>,
    /// `version`
    pub version: Option<String>,
    /// `healthStatus`
    pub health: Option<String>,
    /// `lastSeen`
    pub last_seen: Option<Timestamp>,
    /// `agentVersion`
    pub agent: Option<String>,
    /// It will answer now: `Active`, onboarded, not merged, and seen within [`RECENT`].
    pub answers: bool,
}

/// The calls that create, seen as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// Machines that they go to.
    pub machines: usize,
    /// The machines among these that the service lists.
    pub listed: usize,
    /// The machines among these that will answer now.
    pub answering: usize,
    /// How long collections took that the refresh showed, if it showed any that has ended.
    pub typical: Option<Typical>,
    /// Seconds until the last collection should be over: what the quotas need and what collections take.
    pub finish_seconds: Option<u64>,
    /// The use of each quota with an hourly limit.
    pub shares: Vec<Share>,
}

/// How long collections take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Typical {
    /// The median.
    pub seconds: u64,
    /// The number of collections that it is the median of.
    pub of: usize,
}

/// The use that a plan makes of an hour's quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The quota's name in the project file.
    pub quota: &'static str,
    /// Calls of the plan.
    pub calls: u64,
    /// Calls that the state knows of the last hour.
    pub made: u64,
    /// The limit.
    pub per_hour: u32,
}
