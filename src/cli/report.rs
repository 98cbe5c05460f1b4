//! `report`: one page that shows an incident, or the same facts for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::args::{ReportArgs, ReportFormat};
use super::connect;
use super::context::{Context, reading_runtime};
use super::engine;
use super::evidence;
use super::exit::{Code, Error};
use super::look::{Looked, look};
use super::output;
use super::patience::{EVIDENCE, waiting};
use super::project;
use super::store::{self, Check};
use crate::defender::Portal;
use crate::evidence::check;
use crate::files::{self, Links};
use crate::manifest::{self, Project};
use crate::model::{Address, Advice, IdKey};
use crate::plan::Machines;
use crate::render::report::{MARK, ReportDocument, html};
use crate::render::{escape, messages};
use crate::report::{Found, Report, Selection, Service, Sources, build, held_by_hash, held_by_look};
use crate::seal::Seals;
use crate::state::{Custody, HeldPackage, History, Resource, Seq, State, history};

/// The file of a page, if none is named.
const PAGE: &str = "report.html";

/// The longest file that is looked at before it is replaced.
const LONGEST: u64 = 64 << 20;

/// Writes the report. Exits 1 if the service was to be looked at and could not be read: then it tells what is recorded.
pub fn run(ctx: &Context, args: &ReportArgs) -> Result<Code, Error> {
    let selector = engine::selector(args.selector.as_deref())?;
    let project = project::load(ctx)?;
    if let Some(file) = args.out.as_deref().filter(|file| *file != Path::new("-")) {
        output::refuse_kept(ctx, &project, "--out", file, "a report")?;
    }
    let mut state = store::read(ctx, &project, Check::Tail)?.state;
    let (_, journal) = reading_runtime()?.block_on(store::whole(ctx, &project))?;
    let mut history = history(&journal.unwrap_or_default());
    let chosen = engine::chosen(&state, &args.addresses, selector.as_ref())?;
    let select = |address: &Address, _: &Resource| chosen.contains(address);
    let mut looked = None;
    if args.refresh {
        let machines = machines_of(&state, &select);
        let declared = manifest::load(&ctx.dir, &project);
        looked = Some(look(ctx, &project, &mut state, &declared, &machines)?);
    }
    history.look(&state, ctx.now());
    let held = held(ctx, &project, &state, &history, &select, args.verify)?;
    let seals = manifest::find_seals(&ctx.dir, &project).map(Seals::new).unwrap_or_default();
    let (service, portal) = service(ctx, &project, &state);
    let report = build(&Sources {
        now: ctx.now(),
        project: &project.name,
        service,
        portal,
        selection: Selection {
            addresses: if args.addresses.is_empty() { Vec::new() } else { chosen.iter().cloned().collect() },
            selector: args.selector.clone(),
        },
        select: &select,
        state: &state,
        history: &history,
        machines: looked.as_ref().map(|l: &Looked| &l.machines as &Machines),
        held: &held,
        seal_of: &|address, digest| seals.of_request(address, digest).map(str::to_owned),
    });
    write(ctx, args, &report)?;
    match looked.map(|l| l.unread).filter(|unread| !unread.is_empty()) {
        Some(unread) => Err(engine::unread_error("the report tells what is recorded", &unread)),
        None => Ok(Code::Done),
    }
}

fn machines_of(state: &State, select: &dyn Fn(&Address, &Resource) -> bool) -> BTreeSet<IdKey> {
    let chosen = state.resources.iter().filter(|(a, r)| select(a, r));
    chosen.filter_map(|(_, r)| Some(IdKey::of(r.sent.call()?.machine().as_str()))).collect()
}

/// Looks at the selected packages: whether they are there, or what is in them.
fn held(
    ctx: &Context,
    project: &Project,
    state: &State,
    history: &History,
    select: &dyn Fn(&Address, &Resource) -> bool,
    read: bool,
) -> Result<BTreeMap<String, Found>, Error> {
    let chosen = state.resources.iter().filter(|(a, r)| select(a, r));
    let stories = chosen.filter_map(|(a, _)| history.stories.get(a));
    let held: Vec<(Seq, Custody)> =
        stories.flat_map(|s| &s.courses).flat_map(|c| c.fetched.iter().cloned()).collect();
    if held.is_empty() {
        return Ok(BTreeMap::new());
    }
    let store = evidence::store(ctx, project)?;
    if read {
        let _looking = waiting(ctx, EVIDENCE);
        let checked = reading_runtime()?.block_on(check(&held, &*store));
        return Ok(held_by_hash(&held, store.name(), &checked));
    }
    let packages: Vec<HeldPackage> = held.iter().map(|(seq, c)| HeldPackage::of(c, *seq)).collect();
    let looks = evidence::presence(ctx, project, packages.iter(), true)?;
    Ok(held_by_look(&held, store.name(), &looks))
}

/// The service of the project and the state, and the portal in which its alerts are seen.
fn service(ctx: &Context, project: &Project, state: &State) -> (Service, Option<Portal>) {
    let binding = &state.binding;
    let cloud = project.spec.defender.cloud;
    let simulated = connect::is_simulated(ctx, project);
    let service = Service {
        cloud: cloud.to_string(),
        endpoint: binding.endpoint.clone(),
        tenant: binding.tenant.clone(),
    };
    (service, Portal::of(cloud).filter(|_| !simulated))
}

fn write(ctx: &Context, args: &ReportArgs, report: &Report) -> Result<(), Error> {
    let document = ReportDocument::new(report);
    let (text, usual) = match args.format {
        ReportFormat::Html => (html(&document), Some(PAGE)),
        ReportFormat::Json => (document.to_text().map_err(|e| Error::Stdout(e.into()))?, None),
    };
    let file = args.out.clone().or(usual.map(PathBuf::from)).filter(|file| file != Path::new("-"));
    let Some(file) = file else { return ctx.document(&text) };
    replace(ctx, &file, &text)?;
    let s = &report.summary;
    let mut told = vec![messages::resources(report.resources.len())];
    if s.collections > 0 {
        let held =
            format!("{} of {} held", messages::number(s.held), messages::plural(s.collections, "package"));
        told.push(held);
    }
    told.push(match document.problems.len() {
        0 => "nothing needs a person".to_owned(),
        1 => "1 thing needs a person".to_owned(),
        n => format!("{} things need a person", messages::number(n)),
    });
    ctx.out(&format!("Wrote {}: {}.\n", escape::one_line(&file.to_string_lossy()), told.join(", ")))
}

/// Writes a report. A file that is none is not replaced.
fn replace(ctx: &Context, file: &Path, text: &str) -> Result<(), Error> {
    match files::read(&ctx.path(&ctx.typed(file)), Links::Refused, LONGEST) {
        Ok(bytes) if is_report(&bytes) => {}
        Err(e) if e.is_not_found() => {}
        Ok(_) | Err(_) => {
            return Err(Error::Forbidden {
                message: format!(
                    "{} is there and is no report of this tool: nothing was written",
                    escape::one_line(&file.to_string_lossy())
                ),
                next: Advice::run("casefile report --out ANOTHER_NAME.html"),
            });
        }
    }
    output::write_whole(ctx, file, text).map(drop)
}

/// Returns whether a file is one that this command has written.
fn is_report(bytes: &[u8]) -> bool {
    let names = ["formatVersion", "journal", "resources", "problems"];
    let is_document = |v: serde_json::Value| names.iter().all(|name| v.get(name).is_some());
    bytes.starts_with(MARK.as_bytes()) || serde_json::from_slice(bytes).is_ok_and(is_document)
}
