//! What `plan`, `apply` and `status` share: the typed flags as a scope, the engine's errors as exit codes.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;

use tokio::sync::{oneshot, watch};

use super::args::Planning;
use super::connect;
use super::context::{Context, complain};
use super::exit::Error;
use super::meant::{did_you_mean, not_in_state};
use super::project;
use super::selected;
use super::since::Changes;
use crate::defender::Clock;
use crate::engine::surgery::{Forbidden, SurgeryError};
use crate::engine::{Lookups, Mistyped, RunError, Scope};
use crate::manifest::{Loaded, Project};
use crate::model::{Address, Advice, Kind, Target};
use crate::plan::names::{self, NameError, Named};
use crate::plan::{
    self, Allowed, Held, Plan, PlanWarning, SavedPlan, Selector, SelectorError, Settings, Unread, Warning,
};
use crate::render::messages::first;
use crate::render::surgery;
use crate::render::{escape, unread, ways_out};
use crate::session::{self, Selection};
use crate::state::{Resource, State, StoreError};

/// Our clock, for the library.
pub fn clock(ctx: &Context) -> Clock {
    ctx.clock()
}

/// Reads the manifests and narrows them to what was typed.
pub fn scope(ctx: &Context, project: &Project, typed: &Planning) -> Result<Scope, Error> {
    let paths = project::paths(ctx, project, &typed.paths, "plan")?;
    let labels = selector(typed.selector.as_deref())?;
    // The whole project is read, so that moves and duplicates are seen.
    let declared = project::declared(ctx, project)?;
    let changes = typed.since.as_deref().map(|r| Changes::since(ctx, r, "plan")).transpose()?;
    let touched = changes.as_ref().map(|changes| |file: &str| changes.touch(file));
    let changed = touched.as_ref().map(|touched| touched as &dyn Fn(&str) -> bool);
    let selection = Selection { paths, labels, changed };
    selected::refuse_nothing(project, &declared.0, &selection)?;
    let replace = typed.replace.iter().map(|name| declared_as("--replace ", name, None, &declared.0));
    let replace = replace.collect::<Result<_, _>>()?;
    let seals = || project::seals(ctx, project);
    let mut scope = session::scope(declared, &selection, &seals, settings(ctx, project, typed.fresh))?;
    scope.lookups.skip_unresolved = typed.skip_unresolved;
    Ok(Scope { replace, refresh: !typed.no_refresh, ..scope })
}

/// The declared resource that a person means. `what` is the argument that named it.
pub fn declared_as(what: &str, typed: &Named, kind: Option<Kind>, loaded: &Loaded) -> Result<Address, Error> {
    let found = names::declared_as(typed, kind, &loaded.resources, &loaded.templates);
    if let Some(address) = found.map_err(|e| Error::Usage(format!("{what}{e}")))? {
        return Ok(address);
    }
    let resources = loaded.resources.iter().map(|d| (&d.address, d.machine_name.as_deref()));
    let templates = loaded.templates.iter().map(|t| match &t.target {
        Target::Name(name) => (t.address(), Some(name.as_str())),
        Target::Tag(_) | Target::File(_) | Target::Event(_) => (t.address(), None),
    });
    let declared = resources.chain(templates);
    let known: Vec<String> = match typed {
        Named::Address(_) => declared.map(|(a, _)| a.to_string()).collect(),
        Named::Bare(_) => declared
            .flat_map(|(a, machine)| [Some(a.name().to_owned()), machine.map(str::to_owned)])
            .flatten()
            .collect(),
    };
    let meant = did_you_mean(&typed.to_string(), known.iter().map(String::as_str));
    Err(Error::Usage(format!("{what}{typed}: no manifest declares it{meant}")))
}

/// Reads `-l`.
pub fn selector(typed: Option<&str>) -> Result<Option<Selector>, Error> {
    typed.map(str::parse).transpose().map_err(|e: SelectorError| Error::Usage(e.to_string()))
}

/// What carrying a saved plan out needs: the resources come from the plan, not from the manifests.
pub fn scope_of(ctx: &Context, project: &Project, saved: &SavedPlan) -> Scope {
    let mut settings = settings(ctx, project, saved.execution.fresh);
    settings.new_lineage.clone_from(&saved.plan.lineage);
    settings.recovery.marker = saved.marker();
    Scope {
        desired: saved.desired(),
        selected: Some(saved.plan.changes.iter().map(|c| c.address.clone()).collect()),
        replace: BTreeSet::new(),
        settings,
        refresh: true,
        forecast: false,
        lookups: Lookups::default(),
    }
}

/// The project file's settings, for the planner.
pub fn settings(ctx: &Context, project: &Project, fresh: bool) -> Settings {
    Settings { fresh, ..session::settings(project, ctx.now()) }
}

/// How many look-alikes are named.
const LOOK_ALIKES: usize = 5;

/// An empty state that the service contradicts: nothing is planned on top of it. `verbose` says whether ids are told.
pub fn refuse_blind(plan: &Plan, verbose: u8) -> Result<(), Error> {
    for w in &plan.warnings {
        if let PlanWarning::LookAlikes { found } = w {
            let named = |(address, id): &(Address, String)| match verbose {
                0 => shown(plan, address),
                _ => format!("{address} ({id})"),
            };
            return Err(Error::LookAlikes(first(found, LOOK_ALIKES, named)));
        }
    }
    Ok(())
}

/// A plan that could not see what it needs: nothing is sent on top of it, and nothing it shows is to be relied upon.
pub fn refuse_unread(plan: &Plan) -> Result<(), Error> {
    let unread = plan.unread();
    if unread.is_empty() { Ok(()) } else { Err(unread_error("this plan is not complete", &unread)) }
}

/// Returns the error that says what could not be read, each reason once, and what to do about it.
pub fn unread_error(what: &str, unread: &[Unread]) -> Error {
    let reasons: Vec<String> = unread.iter().map(unread::unread).collect();
    let message = match &*reasons {
        // A host that nobody reaches is the cause, and no matter of one list.
        [_] if unread.iter().all(|u| u.cause.is_of_every_call()) => {
            let why = unread.first().map(|u| u.why.to_string()).unwrap_or_default();
            format!("{why}; so {what}")
        }
        [one] => format!("{what}, because this could not be read: {one}"),
        _ => format!("{what}, because these could not be read:\n  {}", reasons.join("\n  ")),
    };
    Error::Service { message, next: unread::next(unread) }
}

/// A plan that a guard rail of the project holds back: too many calls, a protected machine, a text that
/// does not match; or removals that nobody has approved of.
///
/// `reviewed`: somebody has approved of this very plan, or is about to be asked with the number of its removals.
pub fn refuse_held(plan: &Plan, typed: &Planning, reviewed: bool) -> Result<(), Error> {
    refuse_held_unless(
        plan,
        Allowed {
            over_limits: typed.allow_over_limits,
            protected: typed.allow_protected,
            removals: typed.allow_removals || reviewed,
        },
    )
}

/// The same by what is allowed.
pub fn refuse_held_unless(plan: &Plan, allowed: Allowed) -> Result<(), Error> {
    let rows = |rows: &[(&Address, &Warning)]| {
        listed(rows.iter().map(|(address, w)| {
            let row = shown(plan, address);
            match w {
                Warning::Protected { entry, name: Some(name), .. } => format!("{row}: {name} ({entry})"),
                Warning::Protected { entry, .. } => format!("{row}: {entry}"),
                Warning::NameUnknown { .. } => format!("{row}: its machine's name is not known"),
                _ => row,
            }
        }))
    };
    match plan::held(plan, allowed) {
        None => Ok(()),
        Some(Held::Limit { limit, planned, allowed }) => Err(Error::OverLimit { limit, planned, allowed }),
        Some(Held::Removals { calls, resources }) => Err(Error::Removals { calls, resources }),
        Some(Held::Protected(held)) => Err(Error::Protected(rows(&held))),
        Some(Held::Comment(held)) => Err(Error::CommentRule(rows(&held))),
    }
}

/// A row's address as people see it.
fn shown(plan: &Plan, address: &Address) -> String {
    let row = plan.changes.binary_search_by(|c| c.address.cmp(address)).ok();
    row.and_then(|i| plan.changes.get(i)).map_or_else(|| address.to_string(), |c| c.shown())
}

/// An error as people read it: with the names of machines in place of their ids, unless `-v` asks for these.
pub fn named(ctx: &Context, e: Error, names: impl Fn(&str) -> String) -> Error {
    if ctx.verbose > 0 { e } else { e.with_names(names) }
}

/// A text with the rows of a plan by the names of their machines.
pub fn by_names(text: &str, plan: &Plan) -> String {
    let shown = plan.changes.iter().filter_map(|c| Some((&c.address, c.shown.as_ref()?.as_str())));
    // The rows of a file have the names of their machines alone.
    let machines = names::shown(plan.changes.iter().map(|c| (&c.address, c.machine_name.as_deref())));
    surgery::named(text, shown.chain(machines.iter().map(|(address, name)| (*address, name.as_str()))))
}

/// The rows on which a plan is another one than the one that was reviewed.
pub fn differing(rows: &[(Address, plan::Difference)]) -> Vec<String> {
    match rows {
        [] => vec!["it has no call any more".to_owned()],
        rows => listed(rows.iter().map(|(address, how)| format!("{address}: {how}"))),
    }
}

/// How many refused calls are named.
const LISTED: usize = 20;

/// The first of some lines, safe for a terminal, and how many more there are.
pub fn listed(rows: impl Iterator<Item = String>) -> Vec<String> {
    let mut rows: Vec<String> = rows.map(|row| escape::one_line(&row).into_owned()).collect();
    let more = rows.len().saturating_sub(LISTED);
    if more > 0 {
        rows.truncate(LISTED);
        rows.push(format!("and {more} more"));
    }
    rows
}

/// The resource of a state that a person means.
pub fn in_state(state: &State, typed: &Named) -> Result<Address, Error> {
    known(state, names::meant_in(state, typed, None).map_err(|e| name_error(state, e))?)
}

/// The resources of a state that a person means: a bare name means all of its machine, or those of a kind.
pub fn all_in_state(state: &State, typed: &[Named], kind: Option<Kind>) -> Result<BTreeSet<Address>, Error> {
    let mut out = BTreeSet::new();
    for typed in typed {
        for address in names::all_meant_in(state, typed, kind).map_err(|e| name_error(state, e))? {
            out.insert(known(state, address)?);
        }
    }
    Ok(out)
}

/// The resources that addresses and a selector mean together; all where there is neither.
pub fn chosen(
    state: &State,
    typed: &[Named],
    selector: Option<&Selector>,
) -> Result<BTreeSet<Address>, Error> {
    let named = all_in_state(state, typed, None)?;
    let is_meant = |(a, r): &(&Address, &Resource)| {
        (typed.is_empty() || named.contains(a)) && selector.is_none_or(|s| s.matches(&r.labels))
    };
    let chosen: BTreeSet<Address> = state.resources.iter().filter(is_meant).map(|(a, _)| a.clone()).collect();
    match selector.filter(|_| chosen.is_empty()) {
        Some(selector) => Err(nothing_recorded(state, &named, selector)),
        None => Ok(chosen),
    }
}

/// The error of labels that none of the resources of a state carries, or none of those that were named.
pub fn nothing_recorded(state: &State, named: &BTreeSet<Address>, selector: &Selector) -> Error {
    let meant = state.resources.iter().filter(|(a, _)| named.is_empty() || named.contains(*a));
    selected::not_recorded(selector, meant.map(|(_, r)| &*r.labels))
}

fn known(state: &State, address: Address) -> Result<Address, Error> {
    match state.resources.contains_key(&address) {
        true => Ok(address),
        false => Err(not_in_state(state, Named::Address(address))),
    }
}

fn name_error(state: &State, e: NameError) -> Error {
    match e {
        NameError::Ambiguous(e) => Error::Usage(e.to_string()),
        NameError::Unknown(word) => not_in_state(state, Named::Bare(word)),
    }
}

/// An error about a name that nothing in a state has, with the one that was most likely meant.
pub fn with_meant(e: Error, state: &State) -> Error {
    match e {
        Error::NotInState { typed, .. } => not_in_state(state, typed),
        other => other,
    }
}

/// A person's word for it. A signal ends the question too.
///
/// The terminal keeps its mode, so that Ctrl-C is a signal at every moment, and nothing has to be put right behind an
/// answer that never comes.
pub async fn ask(question: &str, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
    complain(&format!("{question} Only 'yes' is taken as a yes: "));
    let (tell, told) = oneshot::channel();
    // Nothing can take a read of a terminal back: the thread ends with the process. Without one there is no answer.
    let _ = std::thread::Builder::new().stack_size(crate::THREAD_STACK).spawn(move || {
        let mut answer = String::new();
        // Nobody waits any more if a signal came first.
        let _ = tell.send(std::io::stdin().read_line(&mut answer).map(|_| answer));
    });
    tokio::select! {
        biased;
        Ok(_) = stop.wait_for(|s| *s) => Err(Error::Interrupted),
        answer = told => match answer {
            Ok(Ok(answer)) if answer.trim() == "yes" => Ok(()),
            // A terminal that has gone away gave no answer, and its signal may still be on the way.
            _ if !std::io::stdin().is_terminal() => Err(Error::Interrupted),
            _ => Err(Error::Declined),
        },
    }
}

/// The errors of surgery, with what to do next.
pub fn surgery_error(e: SurgeryError) -> Error {
    let message = e.to_string();
    match e {
        SurgeryError::Run(e) => run_error(e),
        SurgeryError::Store(e) => project::store_error(e),
        SurgeryError::Forbidden(Forbidden::NotInState(address)) => {
            Error::NotInState { typed: Named::Address(address), meant: String::new() }
        }
        SurgeryError::Forbidden(f) => {
            let way = ways_out::of_forbidden(&f);
            let command = way.command();
            let sends = ["casefile apply", "casefile cancel"].iter().any(|c| command.starts_with(c));
            // What sends is for a person to type: the next command shows what it would be.
            let next = match sends {
                true => Advice::then(format!("{}, by {command}", way.what), "casefile plan"),
                false => Advice::run(command),
            };
            Error::Forbidden { message, next }
        }
    }
}

/// The engine's errors, with what to do next. What cannot be resolved is shown on stderr, with its places.
pub fn run_error(e: RunError) -> Error {
    match e {
        RunError::Unresolved(errors) => Error::Unresolved(errors),
        RunError::Mistyped(Mistyped::Unknown(word)) => {
            Error::NotInState { typed: Named::Bare(word), meant: String::new() }
        }
        RunError::Mistyped(e) => Error::Usage(e.to_string()),
        RunError::Auth(e) => connect::auth_error(e),
        RunError::Store(e) if matches!(*e, StoreError::Io { .. } | StoreError::Poisoned { .. }) => {
            Error::State {
                message: format!("nothing more is sent, because the state cannot be written: {e}"),
                next: Advice::then(
                    "put the cause right: the next apply looks up what was under way",
                    "casefile status",
                ),
            }
        }
        RunError::Store(e) => project::store_words(&e),
        RunError::OtherTenant { .. } | RunError::OtherPlace { .. } => Error::OtherTenant(e.to_string()),
        RunError::OtherProject { state, project } => Error::OtherProject { state, project },
        RunError::Stale(e) => Error::StalePlan {
            message: e.to_string(),
            moved: listed(e.moved().iter().map(ToString::to_string)),
            next: e.advice(),
        },
        RunError::Blind(unread) => {
            unread_error("the state is empty, and what would show earlier calls is not known", &unread)
        }
        RunError::Unread(unread) => unread_error("the run cannot go on", &unread),
        RunError::Fold(_) => {
            Error::State { message: e.to_string(), next: Advice::run("casefile state list") }
        }
        RunError::Interrupted => Error::Interrupted,
    }
}
