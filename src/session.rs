//! A project as a program uses it: opened once, planned, and applied as it was planned.
//!
//! Here is what every use of a project needs: its manifests with what seals say of its incidents, what is selected of
//! them, its settings, its state. What the command line adds is in `cli`: flags, approvals, saved plans, questions, words.

mod selection;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::defender::{Client, Clock, HttpOptions};
use crate::engine::{Control, Locked, Lookups, Options, Report, Run, RunError, Scope, preview};
use crate::manifest::{self, Diagnostic, IncidentState, Level, Project, project as file};
use crate::model::{Address, PlanDigest, Target, Template};
use crate::plan::{
    self, Allowed, Guards, Incidents, OnUnknown, Plan, PlanLimits, PlanWarning, RateLimits, Recovery,
    SealedMachine, Settings,
};
use crate::seal::{self, Seals};
use crate::state::{Binding, Holder, Loaded, Operator, StoreError, local};

pub use selection::{Paths, Selection};

/// Why a session cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Something is wrong with the project file or the manifests.
    #[error("{} problems in the project, the first: {}", .0.len(), .0.first().map_or("", |d| &d.message))]
    Invalid(Vec<Diagnostic>),
    /// The state cannot be read, or another run holds it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The service cannot be looked at, or the state is another project's.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The calls are not those that were reviewed.
    #[error("the plan has the digest {0}, which is not the reviewed one")]
    OtherPlan(PlanDigest),
    /// The plan is not to be carried out: something that it needs could not be read, the state was lost, or a guard rail
    /// of the project holds it back.
    #[error("the plan is refused: {0}")]
    Refused(&'static str),
}

/// A project, and the service that it is for.
pub struct Session {
    folder: PathBuf,
    project: Project,
    client: Client,
    clock: Clock,
    binding: Binding,
}

impl Session {
    /// Opens the project of a folder. `binding` says whose state it may use: a state of another service, tenant or
    /// project is refused.
    ///
    /// # Errors
    /// Everything that is wrong with the project file.
    pub fn open(folder: &Path, client: Client, clock: Clock, binding: Binding) -> Result<Self, SessionError> {
        let project = manifest::load_project(folder).map_err(SessionError::Invalid)?;
        Ok(Session { folder: folder.to_owned(), project, client, clock, binding })
    }

    /// Returns the plan of the whole project, after a look at the service. Writes nothing and takes no lock.
    ///
    /// # Errors
    /// Mistakes in the manifests, a state that cannot be read, and a service that cannot be looked at.
    pub async fn plan(&self) -> Result<Plan, SessionError> {
        let mut scope = self.scope()?;
        let folder = self.state_folder();
        let Loaded { mut state, .. } = local::read_whole(&folder)?;
        let usage = |since| local::spent(&folder, since);
        let client = Some(&self.client);
        Ok(preview(client, &self.clock, &mut scope, &self.binding, &mut state, &usage).await?)
    }

    /// Plans once more under the state's lock, and sends the calls if they are the reviewed ones. What happens is told
    /// while it happens; `holder` is what others read who find the lock taken.
    ///
    /// # Errors
    /// As [`plan`](Self::plan); another plan than the reviewed one; one that is not to be carried out. Nothing was sent
    /// then, unless the journal could not be written: what was sent is recorded in it.
    pub async fn apply(
        &self,
        reviewed: PlanDigest,
        holder: &Holder,
        control: Control,
    ) -> Result<Report, SessionError> {
        let scope = self.scope()?;
        let store = Box::new(local::open(&self.state_folder(), holder)?.store);
        let runner = uuid::Uuid::new_v4().to_string();
        let by = Some(Operator::from(holder.clone()));
        let options = Options { parallelism: 8, by, ..Options::new(runner, self.binding.clone()) };
        let locked = Locked { store, opened_at: self.clock.now() };
        let mut run = Run::new(&self.client, &self.clock, scope, options, locked, control)?;
        let plan = run.prepare().await?;
        if let Err(refused) = check(&plan, reviewed) {
            // What was observed is recorded even when nothing is sent.
            run.commit().await?;
            return Err(refused);
        }
        let report = run.carry_out(&plan).await?;
        run.close(&report).await?;
        Ok(report)
    }

    fn scope(&self) -> Result<Scope, SessionError> {
        let (mut loaded, incidents) = declared(&self.folder, &self.project);
        if loaded.has_errors() {
            loaded.diagnostics.retain(|d| d.severity == Level::Error);
            return Err(SessionError::Invalid(loaded.diagnostics));
        }
        let seals = || {
            let files = manifest::find_seals(&self.folder, &self.project);
            files.map(Seals::new).map_err(SessionError::Invalid)
        };
        let settings = settings(&self.project, self.clock.now());
        scope((loaded, incidents), &Selection::default(), &seals, settings)
    }

    fn state_folder(&self) -> PathBuf {
        let url = &self.project.spec.state.url;
        self.folder.join(url.strip_prefix("file:").unwrap_or(url))
    }
}

/// Refuses a plan that is not to be carried out.
fn check(plan: &Plan, reviewed: PlanDigest) -> Result<(), SessionError> {
    if plan.digest != reviewed {
        return Err(SessionError::OtherPlan(plan.digest));
    }
    if !plan.unread().is_empty() {
        return Err(SessionError::Refused("something that it needs could not be read"));
    }
    if plan.warnings.iter().any(|w| matches!(w, PlanWarning::LookAlikes { .. })) {
        return Err(SessionError::Refused("the state is empty, and the service has what it asks for"));
    }
    match plan::held(plan, Allowed { over_limits: false, protected: false, removals: true }) {
        None => Ok(()),
        Some(_) => Err(SessionError::Refused("a guard rail of the project holds it back")),
    }
}

/// Reads the manifests of a project, with all that is wrong with them and with the seals of its incidents, and what is
/// known of these besides.
pub fn declared(dir: &Path, project: &Project) -> (manifest::Loaded, Incidents) {
    let mut found = SealsAtNeed::new(dir, project);
    let (mut loaded, incidents) = found.load(&|_| false);
    found.tell(&mut loaded);
    (loaded, incidents)
}

/// Returns what a plan is about: all that is declared, and of it what is selected.
///
/// # Errors
/// Those of `seals`, which are asked for where the manifests hold queries.
pub fn scope<E>(
    (loaded, mut incidents): (manifest::Loaded, Incidents),
    selection: &Selection<'_>,
    seals: &dyn Fn() -> Result<Seals, E>,
    settings: Settings,
) -> Result<Scope, E> {
    let manifest::Loaded { resources: desired, templates, .. } = loaded;
    let selected = selection.of(&desired, &templates, &mut incidents);
    // The event of a query that was reviewed is not looked for again, sealed plan or not.
    let lookups = if templates.iter().any(|t| matches!(t.target, Target::Event(_))) {
        let events = sealed_events(&templates, &seals()?);
        Lookups::sealed(templates, events)
    } else {
        Lookups::new(templates)
    };
    Ok(Scope {
        desired,
        selected,
        replace: BTreeSet::new(),
        settings: Settings { incidents, ..settings },
        refresh: true,
        forecast: false,
        lookups,
    })
}

/// The events that seals hold for queries.
pub fn sealed_events(templates: &[Template], seals: &Seals) -> BTreeMap<Address, Vec<SealedMachine>> {
    let mut sealed = seal::machines(templates, seals);
    sealed.retain(|_, machines| machines.iter().any(|m| m.event.is_some()));
    sealed
}

/// The seals of a project, read when an incident asks for the first time.
pub struct SealsAtNeed<'a> {
    dir: &'a Path,
    project: &'a Project,
    read: OnceCell<Result<Seals, Vec<Diagnostic>>>,
}

impl<'a> SealsAtNeed<'a> {
    /// Reads nothing yet.
    pub fn new(dir: &'a Path, project: &'a Project) -> Self {
        SealsAtNeed { dir, project, read: OnceCell::new() }
    }

    /// Reads the manifests. Incidents that are sealed as they are come from their seals, but for those in
    /// files that `anew` names: these are expanded again.
    pub fn load(&mut self, anew: &dyn Fn(&str) -> bool) -> (manifest::Loaded, Incidents) {
        let read = || manifest::find_seals(self.dir, self.project).map(Seals::new);
        let mut loaded = manifest::load_with(self.dir, self.project, &|file, name, inputs| {
            let seals = self.read.get_or_init(read).as_ref();
            !anew(file) && seals.is_ok_and(|s| s.incident(file, name, inputs).is_some())
        });
        let frozen = self.seals().map(|s| seal::freeze(&mut loaded, s)).unwrap_or_default();
        let closed = loaded.incidents.iter().filter(|i| i.state == IncidentState::Closed);
        let closed = closed.map(|i| i.name.clone()).collect();
        (loaded, Incidents { closed, held: frozen.held, deviating: frozen.deviating })
    }

    /// The seals, if an incident has asked and they could be read.
    pub fn seals(&self) -> Option<&Seals> {
        self.read.get()?.as_ref().ok()
    }

    /// Says why they could not be read, or which of them nobody can rely on.
    pub fn tell(&self, loaded: &mut manifest::Loaded) {
        loaded.diagnostics.extend(match self.read.get() {
            None => Vec::new(),
            Some(Err(problems)) => problems.clone(),
            Some(Ok(seals)) => seals.broken(loaded),
        });
    }
}

/// Returns the project file's settings for the planner, and a new lineage for a state that is still to be begun.
pub fn settings(project: &Project, now: jiff::Timestamp) -> Settings {
    let spec = &project.spec;
    Settings {
        new_lineage: uuid::Uuid::new_v4().to_string(),
        recovery: Recovery {
            settle: spec.recovery.settle,
            on_unknown: match spec.recovery.on_unknown {
                file::OnUnknown::Resend => OnUnknown::Resend,
                file::OnUnknown::Ask => OnUnknown::Ask,
            },
            marker: spec.recovery.marker,
        },
        limits: PlanLimits {
            new_collections: spec.limits.new_collections,
            new_alerts: spec.limits.new_alerts,
        },
        guards: Guards { comment: spec.require_comment.clone(), protected: spec.protected.clone() },
        quotas: RateLimits {
            collect: spec.quotas.of_collections(),
            alert: spec.quotas.of_alerts(),
            ..RateLimits::default()
        },
        request_timeout: HttpOptions::default().timeout,
        beside: manifest::beside(project),
        ..Settings::at(now)
    }
}
