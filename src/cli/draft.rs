//! `draft`: manifests for what the service shows. Nothing is sent, and no file is written over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use super::args::DraftArgs;
use super::connect::{Connection, auth_error, connect};
use super::context::{Context, reading_runtime};
use super::engine;
use super::exit::{Code, Error};
use super::meant::no_runbook;
use super::new;
use super::patience::{READING, waiting};
use super::project;
use super::store::{self, Check};
use crate::defender::{Endpoint, ReadError};
use crate::draft::{self, Drafted, DraftedFile, Facts, FollowUp, Known};
use crate::manifest::{self, Loaded, Project};
use crate::model::{Advice, AlertInFull, IdKey, Machine, MachineName, Template};
use crate::plan::{IdIndex, Unread};
use crate::render::drafts::{self, HuntedAlert, Labels};
use crate::render::escape::one_line;
use crate::render::messages::{first, plural};
use crate::render::ways_out::shell;

/// Reads the service and writes manifests.
pub fn run(ctx: &Context, args: &DraftArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    match (&args.alert, args.window) {
        (Some(id), _) => of_alert(ctx, &project, args, id),
        (None, Some(window)) => of_collections(ctx, &project, args, window.0),
        (None, None) => Err(Error::Usage("name an alert by --alert, or a time by --since".to_owned())),
    }
}

/// Reads something of the service, by the words for it and the endpoint that it mostly comes from.
fn read<T>(
    ctx: &Context,
    project: &Project,
    (words, endpoint): (&'static str, Endpoint),
    what: impl AsyncFnOnce(&Connection) -> Result<T, ReadError>,
) -> Result<T, Error> {
    let clock = ctx.clock();
    reading_runtime()?.block_on(async {
        let world = store::world(ctx, project)?;
        let keep = world.exists().then_some(world.as_path());
        let connection = connect(ctx, project, &clock, keep).await?;
        let reading = waiting(ctx, READING);
        let found = what(&connection).await;
        drop(reading);
        connection.close().await;
        found.map_err(|e| match e {
            ReadError::Auth(e) => auth_error(e),
            e => {
                let unread = Unread::new(words, e.cause(endpoint, clock.now()), e.to_string());
                engine::unread_error("nothing was written", &[unread])
            }
        })
    })
}

fn of_alert(ctx: &Context, project: &Project, args: &DraftArgs, id: &str) -> Result<Code, Error> {
    let (alert, machine) = read(ctx, project, ("alerts", Endpoint::GetAlert), async |connection| {
        let client = &connection.client;
        let alert = client.get_alert_in_full(id).await?;
        let device = alert.as_ref().and_then(|a| a.alert.machine_id.clone());
        let machine = match device {
            Some(device) => client.get_machine(&device).await?,
            None => None,
        };
        Ok((alert, machine))
    })?;
    let refused = |message: String| Error::Service { message, next: Advice::none() };
    let Some(alert) = alert else {
        return Err(refused(format!(
            "the service knows no alert {id}: its id stands in its address in the portal"
        )));
    };
    let labels = new::labels(&args.label);
    let draft = draft::follow_up(&alert, &labels, args.comment.as_deref())
        .map_err(|e| refused(format!("{id}: {e}")))?;
    tell_device(ctx, machine.as_ref());
    let incident = incident(ctx, project, args, &alert, &draft, machine.as_ref())?;
    let is_plain = incident.is_none();
    let (name, text) = incident.unwrap_or_else(|| plain(args, &draft));
    let written = new::place(ctx, project, &[(name, text)], &args.placing)?;
    if is_plain && !written.is_empty() {
        let device = machine.as_ref().and_then(|m| m.computer_dns_name.as_deref());
        let device = device.unwrap_or(draft.machine.as_str());
        ctx.note(&format!(
            "Drafted: a package of {device}, and an alert that follows {id} up. The alert finds its event by a query, which \
             casefile plan runs."
        ));
    }
    tell_next(ctx, &written);
    Ok(Code::Done)
}

/// Says how what was written is looked at, if something was.
fn tell_next(ctx: &Context, written: &[String]) {
    if !written.is_empty() {
        let files: Vec<String> = written.iter().map(|file| shell(file).into_owned()).collect();
        ctx.note(&format!("next: casefile plan {}", files.join(" ")));
    }
}

/// Says what a reader should know of the device.
fn tell_device(ctx: &Context, machine: Option<&Machine>) {
    match machine {
        None => {
            ctx.note("The service lists no such device any more: a collection would most likely be refused.")
        }
        Some(machine) if !machine.may_answer() => {
            let name = machine.computer_dns_name.as_deref().unwrap_or(&machine.id);
            let health = machine.health_status.as_deref().unwrap_or("not active");
            ctx.note(&format!("{name} is {health}: the collection waits for the device."));
        }
        Some(_) => {}
    }
}

/// A package and an alert that share a name.
fn plain(args: &DraftArgs, draft: &FollowUp) -> (String, String) {
    let name = args.name.clone().unwrap_or_else(|| draft.name.clone());
    let package = drafts::package(&name, &draft.labels, drafts::Machine::Id(&draft.machine), &draft.comment);
    let alert = HuntedAlert {
        severity: draft.severity.as_str(),
        category: draft.category.as_str(),
        title: &draft.title,
        description: &draft.description,
        recommended_action: &draft.recommended_action,
        query: &draft.query.text,
    };
    let alert = drafts::hunted_alert(&name, &draft.labels, &alert);
    (name, drafts::documents(&[package, alert]))
}

/// An incident for the runbook that was named, or for the only one whose parameters the alert fills; by name and text.
fn incident(
    ctx: &Context,
    project: &Project,
    args: &DraftArgs,
    alert: &AlertInFull,
    draft: &FollowUp,
    machine: Option<&Machine>,
) -> Result<Option<(String, String)>, Error> {
    if args.plain {
        return Ok(None);
    }
    let named =
        machine.and_then(|m| m.computer_dns_name.as_deref()).or(alert.alert.computer_dns_name.as_deref());
    let named = named.filter(|name| name.parse::<MachineName>().is_ok());
    let device = named.unwrap_or(draft.machine.as_str());
    let facts = Facts::of(alert, device, draft.labels.get("incident").map(String::as_str));
    let parameters = manifest::runbook_parameters(&ctx.dir, project);
    let (runbook, with) = match &args.runbook {
        Some(runbook) => {
            let Some(schema) = parameters.get(runbook) else {
                return Err(no_runbook(runbook, parameters.keys().map(String::as_str)));
            };
            let mut with = draft::filled(&facts, schema).0;
            with.extend(new::values(ctx, &args.set, schema)?);
            new::refuse_keys(&with, schema)?;
            (runbook.clone(), with)
        }
        None => match fitting(ctx, &parameters, &facts, device) {
            Some(fitting) => fitting,
            None => return Ok(None),
        },
    };
    let name = args.name.clone().unwrap_or_else(|| incident_name(draft));
    Ok(Some((name.clone(), drafts::incident(&name, &draft.labels, &runbook, &with))))
}

/// The only runbook whose parameters the alert fills, its device among them.
fn fitting(
    ctx: &Context,
    parameters: &BTreeMap<String, Value>,
    facts: &Facts,
    device: &str,
) -> Option<(String, Map<String, Value>)> {
    let is_device = |value: &Value| value.as_str() == Some(device);
    let names_device = |value: &Value| match value {
        Value::Array(items) => items.iter().any(is_device),
        value => is_device(value),
    };
    let mut fitting: Vec<(String, Map<String, Value>)> = Vec::new();
    for (name, schema) in parameters {
        let (with, lacking) = draft::filled(facts, schema);
        if lacking.is_empty() && with.values().any(names_device) {
            fitting.push((name.clone(), with));
        }
    }
    match fitting.len() {
        0 => None,
        1 => fitting.pop().inspect(|(name, _)| {
            ctx.note(&format!("The runbook {name} fits; --plain writes a package and an alert."));
        }),
        _ => {
            let names = first(&fitting, fitting.len(), |(name, _)| name.clone());
            ctx.note(&format!("Several runbooks fit, so none is taken: {names}; --runbook NAME takes one."));
            None
        }
    }
}

/// `inc-2042` for INC-2042, and `inc-1126093` for the number of an incident of the service.
fn incident_name(draft: &FollowUp) -> String {
    let ticket =
        draft.labels.get("incident").map(|ticket| new::label(ticket)).filter(|name| !name.is_empty());
    match ticket {
        Some(ticket) if ticket.starts_with(|c: char| c.is_ascii_digit()) => format!("inc-{ticket}"),
        Some(ticket) => ticket,
        None => draft.name.clone(),
    }
}

fn of_collections(
    ctx: &Context,
    project: &Project,
    args: &DraftArgs,
    window: Duration,
) -> Result<Code, Error> {
    let loaded = project::manifests(ctx, project)?;
    let state = store::read(ctx, project, Check::Tail)?.state;
    let (held, declared) = (IdIndex::of(&state), imports(&loaded));
    let actions = read(ctx, project, ("machine actions", Endpoint::ListActions), async |connection| {
        let client = &connection.client;
        client.learn_server_time().await;
        let since = client
            .server_time(ctx.now())
            .saturating_sub(jiff::SignedDuration::try_from(window).unwrap_or_default());
        client.list_actions(since.unwrap_or(jiff::Timestamp::MIN)).await
    })?;
    let manages = |id: &str| held.contains(id) || declared.contains(&IdKey::of(id));
    let known = Known {
        manages: &manages,
        rule: project.spec.require_comment.as_ref(),
        comment: args.comment.as_deref(),
    };
    let drafted = draft::collections(&actions, known);
    tell(ctx, &drafted);
    if drafted.files.is_empty() {
        ctx.note("There is no collection of that time to take over, so nothing was written.");
        return Ok(Code::Done);
    }
    let labels = new::labels(&args.label);
    let mut texts: Vec<(String, String)> =
        drafted.files.iter().map(|file| (file.name.clone(), text(file, &labels))).collect();
    // Into one file, or one after another to stdout.
    let shown = args.placing.dry_run || args.placing.out.as_deref() == Some(Path::new("-"));
    if (shown || args.placing.out.is_some())
        && let Some((name, _)) = texts.first()
    {
        let all: Vec<String> = texts.iter().map(|(_, text)| text.clone()).collect();
        texts = vec![(name.clone(), drafts::documents(&all))];
    }
    let written = new::place(ctx, project, &texts, &args.placing)?;
    if !written.is_empty() {
        let packages: usize = drafted.files.iter().map(|file| file.packages.len()).sum();
        ctx.note(&format!(
            "Drafted: {}, each with `import`: a plan takes them over, and sends nothing for them.",
            plural(packages, "package")
        ));
    }
    tell_next(ctx, &written);
    Ok(Code::Done)
}

/// The ids that manifests take over.
fn imports(loaded: &Loaded) -> BTreeSet<IdKey> {
    let all = loaded.resources.iter().chain(loaded.templates.iter().map(Template::declared));
    all.filter_map(|d| d.import()).map(IdKey::of).collect()
}

/// The documents of a file.
fn text(file: &DraftedFile, typed: &Labels) -> String {
    let mut labels: Labels =
        file.ticket.iter().map(|ticket| ("incident".to_owned(), ticket.clone())).collect();
    labels.extend(typed.iter().map(|(key, value)| (key.clone(), value.clone())));
    let package = |p: &draft::DraftedPackage| {
        drafts::taken_over(
            &drafts::package(&p.name, &labels, drafts::Machine::Id(&p.machine), &p.comment),
            &p.id,
        )
    };
    drafts::documents(&file.packages.iter().map(package).collect::<Vec<_>>())
}

/// Says what was left out, and why.
fn tell(ctx: &Context, drafted: &Drafted) {
    let Drafted { managed, failed, unplaced, not_allowed, .. } = drafted;
    for (count, why) in [
        (managed, "this project has them already"),
        (failed, "they failed or were cancelled, and would be asked for again"),
        (unplaced, "they name no device"),
        (not_allowed, "requireComment does not allow their comments; --comment TEXT gives them another one"),
    ] {
        if *count > 0 {
            ctx.note(&format!("{} left out: {}.", plural(*count, "collection"), one_line(why)));
        }
    }
}
