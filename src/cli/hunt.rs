//! `hunt QUERY`: rows of advanced hunting, or manifests made of them.

use std::collections::BTreeMap;
use std::io::Read;

use super::args::{HuntArgs, Placing, RowFormat};
use super::connect::{STDIN, auth_error, connect};
use super::context::{Context, complain, runtime};
use super::engine;
use super::exit::{Code, Error};
use super::new;
use super::patience::waiting;
use super::project;
use super::store;
use crate::defender::{Api, Endpoint, HuntError, ReadError};
use crate::manifest::Project;
use crate::model::{
    Advice, CreateAlert, Hindrance, HuntedEvent, HuntingQuery, HuntingTable, MachineId, NoEvent,
};
use crate::render::drafts::{self, Machine};
use crate::render::{escape, hunting, unread};

/// How large a query on stdin may be, in bytes.
const MAX_QUERY: u64 = 1 << 20;

/// Runs the query; writes nothing but stdout, and takes no lock.
pub fn run(ctx: &Context, args: &HuntArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    if args.raw && args.format != RowFormat::Csv {
        return Err(Error::Usage(
            "--raw: only --format csv writes values otherwise than the service".to_owned(),
        ));
    }
    let query = HuntingQuery { text: text(ctx, args)?.into(), timespan: args.timespan.clone() };
    let table = ask(ctx, &project, &query)?;
    match (args.kind, args.format) {
        (Some(_), _) => {
            let placing =
                Placing { out: Some(args.out.clone().unwrap_or_else(|| "-".into())), dry_run: false };
            let text = manifests(ctx, args, &query, &table)?;
            if !text.is_empty() {
                new::place(ctx, &project, &[(args.name.clone(), text)], &placing)?;
            }
        }
        (None, RowFormat::Human) => ctx.out(&hunting::table(&table, project::style_out(ctx)))?,
        (None, RowFormat::Csv) if args.raw => ctx.document(&hunting::raw_csv(&table))?,
        (None, RowFormat::Csv) => ctx.document(&hunting::csv(&table))?,
        (None, RowFormat::Json) => {
            ctx.document(&hunting::json(&query.text, &table).map_err(|e| Error::Stdout(e.into()))?)?;
        }
    }
    Ok(Code::Done)
}

fn text(ctx: &Context, args: &HuntArgs) -> Result<String, Error> {
    if args.query != "-" {
        return Ok(args.query.clone());
    }
    for api in [Api::Defender, Api::Graph] {
        if ctx.env.get(api.token_variable()) == Some(STDIN) {
            let why = "is -, and stdin holds the query: name the token's file, @FILE".to_owned();
            return Err(Error::Environment { name: api.token_variable(), why });
        }
    }
    let bad = |why: String| Error::BadFile { path: "stdin".into(), why };
    let mut bytes = Vec::new();
    let read = std::io::stdin().take(MAX_QUERY + 1).read_to_end(&mut bytes);
    read.map_err(|source| Error::Io { what: "read", path: "stdin".into(), source })?;
    if bytes.len() as u64 > MAX_QUERY {
        return Err(bad(format!("the query is larger than {} MiB", MAX_QUERY >> 20)));
    }
    let text = String::from_utf8(bytes).map_err(|_| bad("the query is no UTF-8 text".to_owned()))?;
    // Editors on Windows put a mark in front that is no part of the query.
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    if text.trim().is_empty() { Err(Error::Usage("there is no query on stdin".into())) } else { Ok(text) }
}

fn ask(ctx: &Context, project: &Project, query: &HuntingQuery) -> Result<HuntingTable, Error> {
    let clock = engine::clock(ctx);
    let world = store::world(ctx, project)?;
    let keep = world.exists().then_some(world.as_path());
    runtime()?.block_on(async {
        let connection = connect(ctx, project, &clock, keep).await?;
        let running = waiting(ctx, "Running the query");
        let answer = connection.client.hunt(query).await;
        drop(running);
        connection.close().await;
        answer.map_err(hunt_error)
    })
}

/// A query that gave no table, with what to do about it.
pub fn hunt_error(e: HuntError) -> Error {
    let message = match &e {
        HuntError::Read(e) => e.in_full(),
        e => e.to_string(),
    };
    let message = escape::one_line(&message).into_owned();
    match e {
        HuntError::Read(ReadError::Auth(e)) => auth_error(e),
        HuntError::Read(ReadError::Refused(e)) if e.status == 403 => Error::Service {
            message,
            next: Advice::say(
                "grant the application ThreatHunting.Read.All of Microsoft Graph (AdvancedQuery.Read.All \
                 for hunting: defender), with admin consent",
            ),
        },
        HuntError::Read(e) => {
            let cause = e.cause(Endpoint::GraphHunt, jiff::Timestamp::MIN);
            // When a quota takes queries again is told in the message. What is to be typed again is the query.
            let remedy = (!matches!(cause, Hindrance::Quota(_))).then(|| unread::remedy(cause));
            let next = Advice { command: None, ..remedy.unwrap_or_default() };
            Error::Service { message, next }
        }
        HuntError::NoHunter => Error::Service { message, next: Advice::none() },
        HuntError::NoTimespan => Error::Usage(message),
    }
}

fn manifests(
    ctx: &Context,
    args: &HuntArgs,
    query: &HuntingQuery,
    table: &HuntingTable,
) -> Result<String, Error> {
    let mut events: Vec<HuntedEvent> = Vec::new();
    for event in table.events().map_err(|e| no_events(&e, table))? {
        // A join can show one event twice.
        if !events.contains(&event) {
            events.push(event);
        }
    }
    if events.is_empty() {
        ctx.note("No rows, so there is nothing to write.");
        return Ok(String::new());
    }
    let labels = new::labels(&args.label);
    let mut machines: BTreeMap<&MachineId, String> = BTreeMap::new();
    let mut out: Vec<String> = Vec::new();
    let description = args.description.clone().unwrap_or_else(|| described(query));
    for (name, event) in names(&args.name, events.len()).zip(&events) {
        let alert = CreateAlert {
            machine_id: event.machine_id.clone(),
            severity: args.severity.word().into(),
            title: args.title.clone(),
            description: description.clone(),
            recommended_action: "Review the event and the device".to_owned(),
            event_time: event.event_time.clone(),
            report_id: event.report_id.clone(),
            category: "SuspiciousActivity".into(),
        };
        out.push(drafts::alert(&name, &labels, &alert));
        // An alert and the package of its machine share a name.
        machines.entry(&event.machine_id).or_insert(name);
    }
    if args.with_package {
        let comment = args.comment.as_deref().unwrap_or(&args.title);
        let mut packages: Vec<(&String, &MachineId)> = machines.iter().map(|(m, name)| (name, *m)).collect();
        // In the order of the alerts: those that are numbered have names of one length for each digit.
        packages.sort_by_key(|(name, _)| (name.len(), *name));
        for (name, machine) in packages {
            out.push(drafts::package(name, &labels, Machine::Id(machine), comment));
        }
    }
    let text = drafts::documents(&out);
    if machines.len() < events.len() {
        ctx.note(
            "Some of these alerts share machine and title: the service merges them while the first is open.",
        );
    }
    Ok(text)
}

/// `NAME` alone, or numbered.
fn names(name: &str, count: usize) -> impl Iterator<Item = String> + use<> {
    let name = name.to_owned();
    (1..=count).map(move |n| if count == 1 { name.clone() } else { format!("{name}-{n}") })
}

/// How much of a query describes an alert.
const DESCRIBED: usize = 500;

fn described(query: &HuntingQuery) -> String {
    let words: Vec<&str> = query.text.split_whitespace().collect();
    let words = words.join(" ");
    let cut: String = words.chars().take(DESCRIBED).collect();
    let more = if cut.len() < words.len() { "..." } else { "" };
    format!("Found by advanced hunting: {cut}{more}")
}

fn no_events(e: &NoEvent, table: &HuntingTable) -> Error {
    let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    let message = match e {
        NoEvent::Missing(_) if names.is_empty() => e.to_string(),
        NoEvent::Missing(_) => format!("{e}; it has {}", names.join(", ")),
        NoEvent::Value { .. } => e.to_string(),
    };
    let message = escape::one_line(&message).into_owned();
    complain(&hunting::table(table, crate::render::Style { width: 80, color: false, verbose: 0 }));
    Error::NoEvents { message }
}
