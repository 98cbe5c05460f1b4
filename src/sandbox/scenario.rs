//! A scenario: what there is in a simulated world, and what goes wrong in it. Written in YAML.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::endpoint::Endpoint;
use super::fleet::Fleet;
use super::hunting::{self, CannedQuery};
use super::quota::Throttling;

/// A scenario file. Everything is optional; an empty one is the world that people meet first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Scenario {
    /// Ids are derived from this text: the same seed and the same calls give the same ids.
    pub seed: String,
    /// How strict the service is. `true`: only the machines and events exist that the scenario lists, and the claims
    /// of a token count. `false`: whatever is asked for exists, and any token will do that has not expired. When
    /// missing, the claims of a token count, machines are all that exist if there is a list of them, and so are events
    /// if there is a list of them or a query that finds one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Who API calls come from: an application's id, as `requestor` of a machine action.
    pub requestor: String,
    /// The devices.
    pub machines: Machines,
    /// How long collections take.
    pub delays: Delays,
    /// Which events an alert can be made from.
    pub events: Events,
    /// What hunting queries find. Without any, queries of `DeviceProcessEvents` that look for
    /// `powershell.exe` find three made-up events.
    pub hunting: Vec<CannedQuery>,
    /// Actions of others that are there from the start.
    pub foreign: Vec<Foreign>,
    /// What goes wrong, and when. The first rule that fits a call is applied to it.
    pub faults: Vec<FaultRule>,
    /// Limits of calls.
    pub quotas: Throttling,
    /// Pages of lists.
    pub lists: Lists,
    /// How alerts come back.
    pub alerts: AlertReplies,
    /// How machine actions are taken, and come back.
    pub actions: ActionReplies,
    /// Packages and links to them.
    pub packages: Packages,
    /// Whether an active action of any type makes a collection busy. The documentation does not say;
    /// `false` means that only a collection does.
    pub busy_across_types: bool,
}

impl Default for Scenario {
    fn default() -> Self {
        Scenario {
            seed: "casefile".into(),
            strict: None,
            requestor: "b6e46392-61b9-48c0-ada3-63e3cd30d95b".into(),
            machines: Machines::default(),
            delays: Delays::default(),
            events: Events::default(),
            hunting: Vec::new(),
            foreign: Vec::new(),
            faults: Vec::new(),
            quotas: Throttling::default(),
            lists: Lists::default(),
            alerts: AlertReplies::default(),
            actions: ActionReplies::default(),
            packages: Packages::default(),
            busy_across_types: false,
        }
    }
}

/// The devices of a world.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Machines {
    /// `false`: any id of 32 or 40 hex digits is an active Windows 11 device, and so is any name that a list
    /// is filtered by. `true`: only the listed ones exist. When missing, `true` if any are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// The devices that are there from the start.
    pub list: Vec<MachineSpec>,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MachineSpec {
    /// 32 or 40 hex digits in practice.
    pub id: String,
    /// `computerDnsName`; derived from the id when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `osPlatform`. Systems older than Windows 10 are refused by a collection.
    #[serde(default = "windows")]
    pub os: String,
    /// `version`, such as `21H2`; 23H2 on Windows when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `osBuild`; 22631 on Windows when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<u32>,
    /// `healthStatus`. A collection on an `Inactive` device stays `Pending`.
    #[serde(default = "active")]
    pub health: String,
    /// How long ago it reported last, at whatever moment it is looked at: `lastSeen`. When missing half an hour for an
    /// `Active` device, and ten days for any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<Seconds>,
    /// `onboardingStatus`.
    #[serde(default = "onboarded")]
    pub onboarding: String,
    /// `machineTags`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// `lastIpAddress`, and the one of `ipAddresses`; 192.0.2.4 when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The users who have logged on to it, as `domain\name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// `mergedIntoMachineId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<String>,
    /// How a collection on it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<Collection>,
}

impl MachineSpec {
    /// An active Windows 11 device whose name is derived from its id.
    pub fn derived(id: &str) -> Self {
        MachineSpec {
            id: id.to_owned(),
            name: None,
            os: windows(),
            version: None,
            build: None,
            health: active(),
            silent: None,
            onboarding: onboarded(),
            tags: Vec::new(),
            ip: None,
            users: Vec::new(),
            merged_into: None,
            collection: None,
        }
    }

    /// `computerDnsName`.
    pub fn dns_name(&self) -> String {
        self.name.as_deref().map_or_else(
            || format!("desktop-{}", self.id.chars().take(7).collect::<String>()),
            str::to_ascii_lowercase,
        )
    }
}

fn windows() -> String {
    "Windows11".into()
}
fn active() -> String {
    "Active".into()
}
fn onboarded() -> String {
    "Onboarded".into()
}

/// How a collection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Collection {
    /// `Succeeded`.
    Succeeds,
    /// `Failed`.
    Fails,
    /// `TimeOut`, from `Pending`, once the delay `timeOut` is over.
    TimesOut,
    /// It never leaves `Pending`.
    StaysPending,
    /// Refused with `OsPlatformNotSupported`.
    OsNotSupported,
    /// Refused with `ClientVersionNotSupported`.
    ClientVersionNotSupported,
}

/// Lengths of time, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Delays {
    /// How long a collection is `Pending`.
    pub pending: Seconds,
    /// How long it is `InProgress` then.
    pub running: Seconds,
    /// How long a device that never answers keeps it `Pending` before `TimeOut`.
    pub time_out: Seconds,
    /// How long a new action or alert is in no list and cannot be read.
    pub list_lag: Seconds,
    /// How long lists and reads show an alert as it was before a change.
    pub update_lag: Seconds,
    /// How long an action goes on after the service has accepted that it is cancelled.
    pub cancel: Seconds,
}

impl Default for Delays {
    fn default() -> Self {
        Delays {
            pending: Seconds(1000),
            running: Seconds(2000),
            time_out: Seconds(10_000),
            list_lag: Seconds(0),
            update_lag: Seconds(0),
            cancel: Seconds(0),
        }
    }
}

/// The events that can be referred to. Without `only`, those are known that a query of the scenario finds; if none finds
/// any, every well-formed event on a known device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Events {
    /// These report ids match no event. `404` unless set, so that the answer can be tried out.
    pub unknown_report_ids: Vec<String>,
    /// If there are any here, nothing else is known.
    pub only: Vec<Event>,
}

impl Default for Events {
    fn default() -> Self {
        Events { unknown_report_ids: vec!["404".into()], only: Vec::new() }
    }
}

/// The key of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// The device.
    pub machine_id: String,
    /// A decimal number as text.
    pub report_id: String,
    /// Compared as an instant of 100 ns.
    pub event_time: String,
}

/// An action that somebody else started before the world began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Foreign {
    /// The device.
    pub machine: String,
    /// The type of the action.
    #[serde(rename = "type", default = "collect_type")]
    pub action_type: String,
    /// Who started it.
    #[serde(default = "analyst")]
    pub requestor: String,
    /// What they wrote.
    #[serde(default)]
    pub comment: String,
    /// `externalId`, where a program started it and gave it one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// How long ago, counted from the start of the world.
    #[serde(default)]
    pub age: Seconds,
    /// How long it runs after the start of the world; without it, until somebody ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<Seconds>,
}

pub(super) fn collect_type() -> String {
    "CollectInvestigationPackage".into()
}
pub(super) fn analyst() -> String {
    "Analyst@contoso.com".into()
}

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultRule {
    /// The endpoint.
    pub on: Endpoint,
    /// Only calls about this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The first call that fits is 1. Empty, and no `every`: all of them.
    #[serde(default)]
    pub nth: Vec<u64>,
    /// Each call whose number is a multiple of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<std::num::NonZeroU64>,
    /// What happens.
    pub then: Then,
    /// The status of `error`; 500 when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// For `late` and `delay`: how much later. For `throttled` and `error`: `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<Seconds>,
    /// The message of `error` and `throttled` in place of the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Then {
    /// No effect; an error with `status`.
    Error,
    /// No effect; the connection is reset.
    Reset,
    /// It takes effect; the connection is closed without an answer.
    Lost,
    /// The connection is closed without an answer; it takes effect `seconds` later.
    Late,
    /// It takes effect; the body of the answer is cut to something that is no JSON.
    Garbled,
    /// No effect; 429 with `Retry-After`.
    Throttled,
    /// A collection on a busy device answers 201 with the existing action in place of a 400.
    Existing,
    /// It takes effect; the answer comes `seconds` later.
    Delay,
    /// It takes effect; the connection is closed in the middle of the body.
    Truncated,
    /// A list links to a further page of itself, for ever.
    Endless,
    /// Half of a download's body comes, and then nothing, while the connection stays open.
    Stalled,
    /// A download is a zip whose list says that gigabytes are in it, as whoever owns a device could have it made.
    Bomb,
    /// A download is answered with 200 and a web page, as a proxy sends it.
    WebPage,
    /// A download is answered with 200 and the JSON that says that the link is over.
    ExpiredToken,
    /// A download is answered with the whole package and no validator, whatever part was asked for.
    Whole,
    /// A download is answered with the whole package and another validator, as if it had been made anew.
    OtherTag,
    /// A download's body is half of the package, and its length says that this is all.
    Short,
}

/// How alerts come back: the service does not give back every text as it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AlertReplies {
    /// The words of determinations.
    pub words: Words,
    /// The texts of comments.
    pub comments: CommentTexts,
}

/// In which words determinations come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Words {
    /// As they were sent.
    #[default]
    AsSent,
    /// In those of the service's metadata: `CompromisedAccount` for `CompromisedUser`.
    Metadata,
}

/// How the texts of comments come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CommentTexts {
    /// As they were sent.
    #[default]
    AsSent,
    /// With `&`, `<`, `>` and quotes as entities of HTML.
    Escaped,
    /// With line ends of carriage return and line feed.
    Crlf,
}

/// How machine actions are taken, and come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ActionReplies {
    /// The fate of `ExternalId`: the service's metadata has the field, and no page names it.
    pub external_id: ExternalIds,
}

/// The fate of the id that a caller gives an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExternalIds {
    /// It is kept, and given back.
    #[default]
    Kept,
    /// It is taken, and never given back.
    Dropped,
    /// A call with it is refused with 400.
    Refused,
}

/// How lists are paged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Lists {
    /// Rows a page. A longer list has an `@odata.nextLink`.
    #[schemars(range(min = 1, max = 10000))]
    pub page_size: u32,
}

impl Default for Lists {
    fn default() -> Self {
        Lists { page_size: 10_000 }
    }
}

/// Packages and the links to them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Packages {
    /// How long a link works. The real figure is not documented.
    pub link: Seconds,
    /// How much the Security event log holds, in KiB: nothing that could be compressed, made while it is sent.
    #[schemars(range(max = 33554432))]
    pub filler_kib: u32,
    /// True if links lead to another host than the API's, as they mostly do: `localhost` in place of an address.
    pub elsewhere: bool,
}

impl Default for Packages {
    fn default() -> Self {
        Packages { link: Seconds(600_000), filler_kib: 0, elsewhere: false }
    }
}

/// A number of seconds, to the millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(u64);

impl Seconds {
    /// From milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Seconds(millis)
    }

    /// As the standard library's type.
    pub const fn get(self) -> Duration {
        Duration::from_millis(self.0)
    }

    pub(super) fn after(self, at: jiff::Timestamp) -> jiff::Timestamp {
        at.checked_add(self.get()).unwrap_or(jiff::Timestamp::MAX)
    }

    pub(super) fn before(self, at: jiff::Timestamp) -> jiff::Timestamp {
        at.checked_sub(self.get()).unwrap_or(jiff::Timestamp::MIN)
    }
}

impl Serialize for Seconds {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_f64(self.get().as_secs_f64())
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(d)?;
        // A year: longer than any test, and far from overflow.
        if !(0.0..=31_536_000.0).contains(&seconds) {
            return Err(serde::de::Error::custom("not a number of seconds from 0 to 31536000"));
        }
        Ok(Seconds((seconds * 1000.0).round() as u64))
    }
}

impl JsonSchema for Seconds {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Seconds".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "number",
            "description": "Seconds, fractions allowed.",
            "minimum": 0,
            "maximum": 31_536_000
        })
    }
}

/// Why a text is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The YAML cannot be read, or a field is unknown or of another type; says where.
    #[error("not a scenario: {0}")]
    Yaml(#[from] serde_yaml::Error),
    /// Each part is readable, but they do not go together.
    #[error("not a scenario: {0}")]
    Rule(String),
}

impl Scenario {
    /// Reads YAML. An empty text is the default scenario.
    pub fn from_yaml(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Option<Scenario> = serde_yaml::from_str(text)?;
        let scenario = scenario.unwrap_or_default();
        scenario.check()?;
        Ok(scenario)
    }

    /// Returns the same scenario with everything checked, whatever it says of that.
    pub fn checked(mut self) -> Self {
        self.strict = Some(true);
        self.machines.strict = None;
        self
    }

    /// Returns whether no device exists but those that are listed or came up before.
    pub(super) fn lists_all_machines(&self) -> bool {
        let described = !self.machines.list.is_empty();
        self.machines.strict.or(self.strict).unwrap_or(described)
    }

    /// Returns whether an event has to be one that a query finds.
    pub(super) fn shows_all_events(&self) -> bool {
        let found = || !self.hunting.is_empty() && hunting::shows(&self.hunting, |_, _, _| true);
        self.strict.unwrap_or_else(found)
    }

    /// Returns whether the claims of a token count.
    pub(super) fn reads_claims(&self) -> bool {
        self.strict != Some(false)
    }

    /// Adds the devices of the made-up events to a strict world that says nothing of devices or queries: it would be
    /// one in which nothing can be done.
    pub(super) fn furnished(mut self) -> Self {
        let empty = self.machines.list.is_empty() && self.hunting.is_empty();
        if self.strict == Some(true) && self.machines.strict.is_none() && empty {
            let machine = |(id, name): (&str, &str)| MachineSpec {
                name: Some(name.to_owned()),
                ..MachineSpec::derived(id)
            };
            self.machines.list = hunting::demo_machines().map(machine).collect();
        }
        self
    }

    /// The JSON Schema (draft 2020-12) of a scenario file.
    pub fn json_schema() -> schemars::Schema {
        schemars::schema_for!(Scenario)
    }

    /// Checks that the parts go together.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let fail = |text: String| Err(ScenarioError::Rule(text));
        if !(1..=10_000).contains(&self.lists.page_size) {
            return fail("lists.pageSize must be 1 to 10000".into());
        }
        if self.packages.filler_kib > 32 << 20 {
            return fail("packages.fillerKib must be at most 33554432, which is 32 GiB".into());
        }
        let mut ids = std::collections::HashSet::new();
        if let Some(twice) = self.machines.list.iter().find(|m| !ids.insert(m.id.to_ascii_lowercase())) {
            return fail(format!("machine {} is listed twice", twice.id));
        }
        let mut fleet = Fleet::default();
        fleet.reindex(self);
        if let Some(nowhere) = self.foreign.iter().find(|f| fleet.get(self, &f.machine).is_none()) {
            return fail(format!("foreign: there is no machine {}", nowhere.machine));
        }
        for (i, canned) in self.hunting.iter().enumerate() {
            if canned.query.is_some() == canned.contains.is_some() {
                return fail(format!("hunting[{i}]: either `query` or `contains`"));
            }
        }
        for (i, rule) in self.faults.iter().enumerate() {
            let place = format!("faults[{i}]");
            let refused = matches!(rule.then, Then::Error | Then::Throttled);
            if rule.seconds.is_some() && !refused && !matches!(rule.then, Then::Late | Then::Delay) {
                return fail(format!("{place}: `seconds` goes with late, delay, throttled and error"));
            }
            if rule.message.is_some() && !refused {
                return fail(format!("{place}: `message` goes with throttled and error"));
            }
            if rule.seconds.is_none() && matches!(rule.then, Then::Late | Then::Delay) {
                return fail(format!("{place}: late and delay need `seconds`"));
            }
            if rule.status.is_some() && rule.then != Then::Error {
                return fail(format!("{place}: `status` goes with error"));
            }
            if rule.status.is_some_and(|s| !(400..=599).contains(&s)) {
                return fail(format!("{place}: `status` must be 400 to 599"));
            }
            if rule.then == Then::Late && !rule.on.is_mutating() {
                return fail(format!("{place}: {} has no effect that could be late", rule.on));
            }
            if rule.then == Then::Endless && !rule.on.is_list() {
                return fail(format!("{place}: endless goes with lists"));
            }
            if rule.then == Then::Existing && rule.on != Endpoint::Collect {
                return fail(format!("{place}: existing goes with collect"));
            }
            if rule.nth.contains(&0) {
                return fail(format!("{place}: the first call is 1"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_in_yaml() {
        let s = Scenario::from_yaml(
            "machines:
  strict: true
  list:
    - id: fb9ab6be3965095a09c057be7c90f0a2
      name: WS-042.contoso.com
      health: Inactive
      tags: [tier1]
      collection: fails
delays: { pending: 0.5, running: 10 }
faults:
  - { on: collect, nth: [1, 3], then: late, seconds: 20 }
  - { on: createAlert, every: 2, then: error, status: 503 }
quotas: { limits: { packageUri: { perMinute: 1 } } }
",
        )
        .unwrap();
        assert_eq!(s.delays.pending.get(), Duration::from_millis(500));
        assert_eq!(s.delays.list_lag.get(), Duration::ZERO);
        assert_eq!(s.machines.list[0].dns_name(), "ws-042.contoso.com");
        assert_eq!(s.faults[0].then, Then::Late);
        assert!(s.quotas.enabled);
        let again = Scenario::from_yaml(&serde_yaml::to_string(&s).unwrap()).unwrap();
        assert_eq!(again, s);
        assert_eq!(Scenario::from_yaml("").unwrap(), Scenario::default());
    }

    #[test]
    fn the_scenarios_of_the_documentation_are_read() {
        let docs = include_str!("../../docs/cli.md");
        let section = docs.split("### `casefile sandbox`").nth(1).unwrap();
        let section = section.split("### `casefile completions`").next().unwrap();
        let blocks = section.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next());
        let read: Vec<Scenario> = blocks.map(|yaml| Scenario::from_yaml(yaml).unwrap()).collect();
        assert!(read.len() == 2 && read.iter().any(|s| s.faults.len() == 2), "{read:?}");
    }

    #[test]
    fn what_is_refused() {
        for (text, reason) in [
            ("machine: {}", "unknown field `machine`"),
            ("delays: { pending: -1 }", "not a number of seconds"),
            ("faults: [{ on: collect, then: explode }]", "unknown variant `explode`"),
            ("faults: [{ on: collect, then: late }]", "need `seconds`"),
            ("faults: [{ on: listAlerts, then: late, seconds: 1 }]", "no effect that could be late"),
            ("faults: [{ on: createAlert, then: existing }]", "goes with collect"),
            ("faults: [{ on: collect, then: lost, status: 500 }]", "goes with error"),
            ("faults: [{ on: collect, then: lost, seconds: 5 }]", "goes with late"),
            ("faults: [{ on: collect, then: lost, message: m }]", "`message` goes with"),
            ("faults: [{ on: collect, then: endless }]", "goes with lists"),
            ("faults: [{ on: collect, then: error, status: 200 }]", "400 to 599"),
            ("faults: [{ on: collect, nth: [0], then: lost }]", "the first call is 1"),
            ("lists: { pageSize: 0 }", "pageSize"),
            ("hunting: [{ rows: [] }]", "either `query` or `contains`"),
            ("foreign: [{ machine: ab }]", "no machine ab"),
            ("machines: { list: [{ id: AB }, { id: ab }] }", "listed twice"),
        ] {
            let error = Scenario::from_yaml(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn the_schema_refuses_what_the_reader_refuses() {
        let schema = serde_json::to_value(Scenario::json_schema()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let good = serde_json::to_value(Scenario::default()).unwrap();
        assert!(validator.is_valid(&good));
        for bad in ["machine: {}", "delays: { pending: -1 }", "lists: { pageSize: 0 }", "faults: [{ on: x }]"]
        {
            let value: serde_json::Value = serde_yaml::from_str(bad).unwrap();
            assert!(!validator.is_valid(&value), "{bad}");
        }
    }
}
