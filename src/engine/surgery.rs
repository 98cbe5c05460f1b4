//! Surgery: what a person does to the state by hand. Each step is journaled, and what the protocol forbids
//! is refused.
//!
//! `cancel` is a plan of one row and goes the way of every other call. `import`, `remove` and `rename` only
//! record. Not responsible for asking a person (`cli`) or for a damaged journal (`state`).

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::error::{Mistyped, RunError};
use super::refresh::observe;
use super::report::Report;
use super::run::Run;
use super::targets::Depth;
use crate::defender::{Endpoint, ReadError};
use crate::model::{Address, Call, Desired, Kind};
use crate::plan::names::{self, Misplaced, Named};
use crate::plan::{self, Action, IdIndex, ImportRefusal, Input, LOOK_BACK, Need, Plan, Selector, Unread};
use crate::state::{Binding, CallAction, Object, Phase, Record, Resource, State, Store, StoreError};

/// So long an `import` waits until its resource's open call can be called lost.
const SETTLE_PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Why a step was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SurgeryError {
    /// The protocol forbids it; nothing was recorded.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The run cannot go on.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The journal cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the protocol forbids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// The state has no such resource.
    #[error("the state holds no {0}")]
    NotInState(Address),
    /// No manifest says what the object should be.
    #[error("no manifest declares {0}")]
    NotDeclared(Address),
    /// A creating call has no outcome, and it is not a person's turn.
    #[error("{address}: its call has no outcome yet and may still be found")]
    CallOpen {
        /// The resource.
        address: Address,
    },
    /// An earlier change has no outcome.
    #[error("{address}: an earlier {} has no outcome yet", word(*.action))]
    ChangeOpen {
        /// The resource.
        address: Address,
        /// What was asked.
        action: CallAction,
    },
    /// Only collections can be cancelled.
    #[error("{0}: an alert cannot be cancelled")]
    Alert(Address),
    /// Nothing runs that could be cancelled.
    #[error("{address} is {phase}: no collection of it is running")]
    NotActive {
        /// The resource.
        address: Address,
        /// Where it stands.
        phase: Phase,
    },
    /// The service does not know the object.
    #[error("the service does not know {id}")]
    NotFound {
        /// Its id.
        id: String,
    },
    /// An action of another type.
    #[error("{id} is no package collection but {found}")]
    OtherType {
        /// Its id.
        id: String,
        /// Its type.
        found: String,
    },
    /// An object of another machine.
    #[error("{id} is of machine {found}, the manifest says {declared}")]
    OtherMachine {
        /// Its id.
        id: String,
        /// Its machine.
        found: String,
        /// The manifest's.
        declared: String,
    },
    /// A call of another resource made it.
    #[error("{id} was made by a call of {by}")]
    MadeBy {
        /// Its id.
        id: String,
        /// The resource.
        by: Address,
    },
    /// There is nothing to take over.
    #[error("{address} holds {id} already")]
    Held {
        /// The resource.
        address: Address,
        /// The object's id.
        id: String,
    },
    /// What it holds still runs: a second one would be left alone.
    #[error("{address} holds {id}, which still runs")]
    StillRuns {
        /// The resource.
        address: Address,
        /// The object that it holds.
        id: String,
    },
    /// The new address is none that the resource can have.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    /// The new name is in use.
    #[error("the state holds a {0} already")]
    Taken(Address),
    /// A resource cannot become one of another kind.
    #[error("{from} and {to} are of different kinds")]
    OtherKind {
        /// The old address.
        from: Address,
        /// The new one.
        to: Address,
    },
}

impl Forbidden {
    fn of(id: &str, why: ImportRefusal) -> Forbidden {
        let id = id.to_owned();
        match why {
            ImportRefusal::NotFound => Forbidden::NotFound { id },
            ImportRefusal::OtherType { found } => Forbidden::OtherType { id, found },
            ImportRefusal::OtherMachine { found, declared } => {
                Forbidden::OtherMachine { id, found, declared }
            }
            ImportRefusal::MadeBy { by } => Forbidden::MadeBy { id, by },
        }
    }
}

fn word(action: CallAction) -> &'static str {
    match action {
        CallAction::Update => "update",
        CallAction::Cancel => "cancel",
        CallAction::Resolve => "resolve",
        CallAction::Create | CallAction::Retry | CallAction::Replace => "call",
    }
}

/// What a search for the objects of a lost state found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Discovered {
    /// Exactly one object matches the manifest, beyond doubt.
    pub matches: Vec<(Address, Object)>,
    /// Several do, or one that does not name its machine: a person has to say which one.
    pub ambiguous: Vec<(Address, Vec<Object>)>,
    /// None does.
    pub unmatched: Vec<Address>,
}

/// The collections that a person wants cancelled, and the reason.
#[derive(Clone, Copy, Debug)]
pub struct Cancellation<'a> {
    /// Names of resources, machines and groups.
    pub names: &'a [Named],
    /// The labels that they carry; with these alone all collections are meant that carry them.
    pub labels: Option<&'a Selector>,
    /// The comment that goes out.
    pub comment: &'a str,
}

/// The plan of a cancellation, and what is no part of it.
#[derive(Debug)]
pub struct PlannedCancel {
    /// A row for each collection that runs.
    pub plan: Plan,
    /// The collections that have nothing left to cancel.
    pub over: Vec<Over>,
    /// The collections that cannot be cancelled before an earlier call is settled.
    pub held: Vec<Forbidden>,
}

/// A resource of which nothing runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    /// The resource.
    pub address: Address,
    /// Where it stands.
    pub phase: Phase,
    /// It ran by what was recorded, and has ended since.
    pub meanwhile: bool,
}

/// Returns whether a collection of a resource runs, that of a released one too.
fn is_active(r: &Resource) -> bool {
    r.released_from.unwrap_or(r.phase) == Phase::InProgress
}

impl Run<'_> {
    /// Looks at resources and makes the plan that cancels their collections.
    pub async fn plan_cancel(&mut self, asked: &Cancellation<'_>) -> Result<PlannedCancel, SurgeryError> {
        let chosen = self.to_cancel(asked)?;
        // What others declare matters only as far as it is recorded.
        self.find_machines(Depth::Recorded).await?;
        let mut ran = BTreeSet::new();
        for address in &chosen {
            let Some(r) = self.state().resources.get(address) else {
                return Err(Forbidden::NotInState(address.clone()).into());
            };
            if address.kind() == Kind::Alert {
                return Err(Forbidden::Alert(address.clone()).into());
            }
            if is_active(r) {
                ran.insert(address.clone());
            }
        }
        // What is recorded says enough to cancel them: that an incident has to be stopped must not fail for a list.
        for unread in self.refresh(Some(&chosen)).await?.unread {
            tracing::warn!("what is cancelled is taken as it is recorded: {}", unread.why);
        }
        let (mut active, mut over, mut held) = (BTreeSet::new(), Vec::new(), Vec::new());
        for address in &chosen {
            let address = address.clone();
            let Some(r) = self.state().resources.get(&address) else {
                return Err(Forbidden::NotInState(address).into());
            };
            if r.phase == Phase::Requested {
                held.push(Forbidden::CallOpen { address });
            } else if let Some(side) = &r.side {
                held.push(Forbidden::ChangeOpen { address, action: side.action });
            } else if is_active(r) {
                active.insert(address);
            } else {
                over.push(Over { meanwhile: ran.contains(&address), phase: r.phase, address });
            }
        }
        // What is asked for alone is told why not. Of several, what is over has what was wanted.
        if let ([one], true) = (&*over, chosen.len() == 1)
            && !one.meanwhile
        {
            return Err(Forbidden::NotActive { address: one.address.clone(), phase: one.phase }.into());
        }
        if active.is_empty() && !held.is_empty() {
            return Err(held.swap_remove(0).into());
        }
        let plan = plan::cancel(self.state(), &active, asked.comment, self.clock.now());
        Ok(PlannedCancel { plan, over, held })
    }

    /// The resources that a person wants cancelled. Of a machine's name or labels an alert is not meant: nothing of it
    /// runs.
    fn to_cancel(&self, asked: &Cancellation<'_>) -> Result<BTreeSet<Address>, SurgeryError> {
        let kind = Kind::InvestigationPackage;
        let mut chosen = BTreeSet::new();
        for typed in asked.names {
            let meant = names::one_or_group_in(self.state(), typed, Some(kind));
            chosen.extend(meant.map_err(Mistyped::from).map_err(RunError::from)?);
        }
        let Some(labels) = asked.labels else { return Ok(chosen) };
        let state = &self.state().resources;
        if asked.names.is_empty() {
            chosen.extend(state.keys().filter(|a| a.kind() == kind).cloned());
        }
        chosen.retain(|a| state.get(a).is_some_and(|r| labels.matches(&r.labels)));
        Ok(chosen)
    }

    /// Carries the plan of [`Run::plan_cancel`] out. A cancel without an answer is settled by reading the
    /// collection again after the settle time.
    pub async fn cancel(&mut self, plan: &Plan) -> Result<Report, RunError> {
        let mut report = self.carry_out(plan).await?;
        let planned: BTreeSet<Address> = plan.changes.iter().map(|c| c.address.clone()).collect();
        for _ in 0..SETTLING_READS {
            let unsettled = |a: &&Address| self.state().resources.get(a).is_some_and(|r| r.side.is_some());
            let open: BTreeSet<Address> = planned.iter().filter(unsettled).cloned().collect();
            if open.is_empty() {
                break;
            }
            let settle = self.scope.settings.recovery.settle.get();
            if !self.sleep_until(self.clock.now() + settle).await {
                report.interrupted = true;
                return Ok(report);
            }
            self.refresh(Some(&open)).await?;
        }
        // A collection that has ended by itself meanwhile cannot be cancelled: the service refuses that.
        let refused: BTreeSet<Address> =
            report.attention.iter().filter(|a| planned.contains(*a) && self.runs(a)).cloned().collect();
        if !refused.is_empty() && !report.interrupted {
            self.refresh(Some(&refused)).await?;
        }
        let unsettled = |a: &Address| self.state().resources.get(a).is_some_and(|r| r.side.is_some());
        report.attention.retain(|a| self.runs(a) || unsettled(a));
        report.failed = report.left > 0 || !report.attention.is_empty() || self.journal.failure().is_some();
        for address in planned.iter().filter(|a| self.runs(a)) {
            report.failed = true;
            if !report.attention.contains(address) {
                report.attention.push(address.clone());
            }
        }
        Ok(report)
    }

    fn runs(&self, address: &Address) -> bool {
        self.state().resources.get(address).is_some_and(is_active)
    }

    /// Takes an object of the service over as that of a declared resource. Nothing is sent.
    ///
    /// A `Requested` resource is refused as long as its call may still be settled without a person; where
    /// the plan would say `unresolved`, its call stays watched.
    pub async fn import(&mut self, typed: &Address, id: &str) -> Result<(Address, Object), SurgeryError> {
        // Of the machines that have to be looked up only those of its own manifest matter.
        let manifest = typed.group().unwrap_or_else(|| typed.clone());
        self.scope.selected = Some([manifest].into());
        self.find_machines(Depth::Planned).await?;
        let known = self.scope.desired.iter().map(|d| (&d.address, d.machine_name.as_deref()));
        let address = &names::meant(typed, known).map_err(Mistyped::from).map_err(RunError::from)?;
        let desired = self.declared(address)?.clone();
        if self.state().resources.contains_key(address) {
            self.may_import(address, id).await?;
        }
        if let Some(by) = IdIndex::of(self.state()).maker(id).filter(|by| *by != address) {
            return Err(Forbidden::MadeBy { id: id.to_owned(), by: by.clone() }.into());
        }
        let object = self.unless_stopped(self.read_object(&desired, id)).await?;
        self.append(&[plan::imported(&desired, &object)]).await?;
        Ok((address.clone(), object))
    }

    /// Whether a person may say what a resource holds that the state knows.
    async fn may_import(&mut self, address: &Address, id: &str) -> Result<(), SurgeryError> {
        let only = only(address);
        let mut observed = self.refresh(Some(&only)).await?;
        // As `apply` does, but not for long: a person is waiting.
        if let Some(until) = self.settling(&observed, |a| a == address)
            && until <= self.clock.now() + SETTLE_PATIENCE
        {
            if !self.sleep_until(until).await {
                return Err(RunError::Interrupted.into());
            }
            observed = self.refresh(Some(&only)).await?;
        }
        let settings = self.settings();
        let plan = plan::plan(&Input {
            desired: &self.scope.desired,
            selected: Some(&only),
            replace: &BTreeSet::new(),
            state: self.state(),
            observed: &observed,
            settings: &settings,
        });
        let unresolved = plan.changes.iter().any(|c| c.address == *address && c.action == Action::Unresolved);
        let Some(r) = self.state().resources.get(address) else { return Ok(()) };
        if let Some(held) = r.id.as_deref().filter(|held| held.eq_ignore_ascii_case(id)) {
            return Err(Forbidden::Held { address: address.clone(), id: held.to_owned() }.into());
        }
        match r.phase {
            Phase::Requested if !unresolved => Err(Forbidden::CallOpen { address: address.clone() }.into()),
            Phase::InProgress if !unresolved => {
                let id = r.id.clone().unwrap_or_default();
                Err(Forbidden::StillRuns { address: address.clone(), id }.into())
            }
            _ => Ok(()),
        }
    }

    /// Reads, unless a person asks the run to stop meanwhile.
    async fn unless_stopped<T>(
        &self,
        read: impl Future<Output = Result<T, SurgeryError>>,
    ) -> Result<T, SurgeryError> {
        let mut stop = self.stopping();
        tokio::select! {
            biased;
            Ok(_) = stop.wait_for(|s| *s) => Err(RunError::Interrupted.into()),
            read = read => read,
        }
    }

    /// A read of one object that failed.
    fn unread(&self, endpoint: Endpoint, e: ReadError) -> RunError {
        match e {
            ReadError::Auth(e) => e.into(),
            e => {
                let cause = e.cause(endpoint, self.clock.now());
                RunError::Unread(vec![Unread::new("the object", cause, e.in_full())])
            }
        }
    }

    async fn read_object(&self, desired: &Desired, id: &str) -> Result<Object, SurgeryError> {
        let read = match desired.address.kind() {
            Kind::InvestigationPackage => {
                let action =
                    self.client.get_action(id).await.map_err(|e| self.unread(Endpoint::GetAction, e))?;
                plan::import_of_action(desired, action.as_ref())
            }
            Kind::Alert => {
                let alert =
                    self.client.get_alert(id).await.map_err(|e| self.unread(Endpoint::GetAlert, e))?;
                plan::import_of_alert(desired, alert.as_ref())
            }
        };
        Ok(read.map_err(|why| Forbidden::of(id, why))?)
    }

    /// Searches the service for objects of manifests that the state does not know: a state that was lost.
    pub async fn discover(&mut self) -> Result<Discovered, SurgeryError> {
        self.find_machines(Depth::Planned).await?;
        let missing: Vec<&Desired> =
            self.scope.desired.iter().filter(|d| !self.state().resources.contains_key(&d.address)).collect();
        let since = |kind| {
            let any = missing.iter().any(|d| d.address.kind() == kind);
            any.then(|| self.clock.now() - LOOK_BACK)
        };
        let need = Need {
            actions_since: since(Kind::InvestigationPackage),
            recent_alerts_since: since(Kind::Alert),
            ..Need::default()
        };
        let read = async { Ok(observe(self.client, self.clock, &need).await.map_err(RunError::from)?) };
        let observed = self.unless_stopped(read).await?;
        if !observed.unread.is_empty() {
            return Err(RunError::Unread(observed.unread).into());
        }
        let calls: Vec<&Call> = missing.iter().map(|d| &d.call).collect();
        let alike = plan::look_alikes(&calls, self.state(), &observed);
        let mut discovered = Discovered::default();
        for (d, found) in missing.into_iter().zip(alike) {
            let sure = found.iter().all(|a| a.placed);
            let mut found: Vec<Object> = found.into_iter().map(|a| a.object).collect();
            match found.len() {
                0 => discovered.unmatched.push(d.address.clone()),
                1 if sure => discovered.matches.extend(found.pop().map(|o| (d.address.clone(), o))),
                _ => discovered.ambiguous.push((d.address.clone(), found)),
            }
        }
        Ok(discovered)
    }

    /// Records what was discovered and is beyond doubt.
    pub async fn take_over(&mut self, discovered: &Discovered) -> Result<(), SurgeryError> {
        let mut records = Vec::new();
        for (address, object) in &discovered.matches {
            records.push(plan::imported(self.declared(address)?, object));
        }
        Ok(self.append(&records).await?)
    }

    fn declared(&self, address: &Address) -> Result<&Desired, Forbidden> {
        let declared = self.scope.desired.iter().find(|d| d.address == *address);
        declared.ok_or_else(|| Forbidden::NotDeclared(address.clone()))
    }
}

/// How often a cancel without an answer is looked at: the first read may be one that failed.
const SETTLING_READS: usize = 3;

fn only(address: &Address) -> BTreeSet<Address> {
    [address.clone()].into()
}

/// Takes a resource out of the state and returns its address: `casefile state rm`. What it held stays at the service.
pub async fn remove(store: &mut dyn Store, at: Timestamp, typed: &Named) -> Result<Address, SurgeryError> {
    let address = &recorded(store, typed)?;
    let resource = known(store.state(), address)?;
    if resource.phase == Phase::Requested {
        return Err(Forbidden::CallOpen { address: address.clone() }.into());
    }
    record(store, at, Record::Removed { address: address.clone() }).await?;
    Ok(address.clone())
}

/// Gives a resource another address and returns both: `casefile state mv`. Open and watched calls go along.
pub async fn rename(
    store: &mut dyn Store,
    at: Timestamp,
    from: &Named,
    to: &Address,
) -> Result<(Address, Address), SurgeryError> {
    let from = &recorded(store, from)?;
    let resource = known(store.state(), from)?;
    if from.kind() != to.kind() {
        return Err(Forbidden::OtherKind { from: from.clone(), to: to.clone() }.into());
    }
    // A resource that is there already is found under its name too.
    let there = recorded(store, &Named::Address(to.clone()))?;
    let to = &match store.state().resources.contains_key(&there) {
        true => there,
        false => names::renamed(from, resource, to).map_err(Forbidden::from)?,
    };
    if from == to || store.state().resources.get(to).is_some_and(|r| r.phase != Phase::Released) {
        return Err(Forbidden::Taken(to.clone()).into());
    }
    record(store, at, Record::Moved { from: from.clone(), to: to.clone() }).await?;
    Ok((from.clone(), to.clone()))
}

/// Records that the project of a state has another name now, and returns the one that it had: `casefile state
/// rename-project`. Nothing is recorded if it has the name already.
pub async fn rename_project(
    store: &mut dyn Store,
    at: Timestamp,
    name: &str,
) -> Result<Option<String>, SurgeryError> {
    let binding = store.state().binding.clone();
    let old = binding.project.clone();
    if old.as_deref() != Some(name) {
        let binding = Binding { project: Some(name.to_owned()), ..binding };
        record(store, at, Record::Bound { binding }).await?;
    }
    Ok(old)
}

/// The resource that a person means.
fn recorded(store: &dyn Store, typed: &Named) -> Result<Address, SurgeryError> {
    Ok(names::meant_in(store.state(), typed, None).map_err(Mistyped::from).map_err(RunError::from)?)
}

fn known<'a>(state: &'a State, address: &Address) -> Result<&'a Resource, Forbidden> {
    state.resources.get(address).ok_or_else(|| Forbidden::NotInState(address.clone()))
}

async fn record(store: &mut dyn Store, at: Timestamp, record: Record) -> Result<(), SurgeryError> {
    let numbers = store.append(at, vec![vec![record]], &mut |_, _, _| true).await?;
    if numbers.iter().any(Option::is_none) {
        return Err(StoreError::Overtaken.into());
    }
    store.commit_snapshot(at).await?;
    Ok(())
}
