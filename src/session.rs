//! A project as a program uses it: opened once, planned, and applied as it was planned.
//!
//! Here is what every use of a project needs: its manifests with what seals say of its incidents, its settings, its state.
//! What the command line adds is in `cli`: flags and selections, approvals, saved plans, questions, words.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::defender::{Client, Clock, HttpOptions};
use crate::engine::{Control, Locked, Lookups, Options, Report, Run, RunError, Scope, preview};
use crate::manifest::{self, Diagnostic, IncidentState, Level, Project, project as file};
use crate::model::PlanDigest;
use crate::plan::{
    self, Allowed, Guards, Incidents, OnUnknown, Plan, PlanLimits, PlanWarning, RateLimits, Recovery,
    Settings,
};
use crate::seal::{self, Seals};
use crate::state::{Binding, Holder, Loaded, StoreError, local};

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
        let options = Options { parallelism: 8, ..Options::new(runner, self.binding.clone()) };
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
        let mut found = SealsAtNeed::new(&self.folder, &self.project);
        let (mut loaded, incidents) = found.load(&|_| false);
        loaded.diagnostics.extend(found.problems());
        if let Some(seals) = found.seals() {
            loaded.diagnostics.extend(seals.broken(&loaded));
        }
        if loaded.has_errors() {
            loaded.diagnostics.retain(|d| d.severity == Level::Error);
            return Err(SessionError::Invalid(loaded.diagnostics));
        }
        Ok(Scope {
            desired: loaded.resources,
            selected: None,
            replace: BTreeSet::new(),
            settings: Settings { incidents, ..settings(&self.project, self.clock.now()) },
            refresh: true,
            forecast: false,
            lookups: Lookups::new(loaded.templates),
        })
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

    /// Why they could not be read.
    pub fn problems(&self) -> Vec<Diagnostic> {
        match self.read.get() {
            Some(Err(problems)) => problems.clone(),
            _ => Vec::new(),
        }
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
