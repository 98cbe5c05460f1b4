//! `status`: where every resource stands, and what is declared and was never sent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::args::{Format, StatusArgs};
use super::context::{Context, reading_runtime, terminal};
use super::engine;
use super::evidence;
use super::exit::{Code, Error};
use super::look::look;
use super::project;
use super::selected;
use super::signals;
use super::store::{self, Check};
use super::stream;
use crate::evidence::Held;
use crate::manifest::{self, Loaded, Project};
use crate::model::{Address, Desired, Target, Template};
use crate::plan::names::Named;
use crate::plan::{Selector, Unread};
use crate::render::age;
use crate::render::messages::plural;
use crate::render::state::StateDocument;
use crate::render::status::{Row, Stage, Unsent, changes, moves, rows, standing, table};
use crate::state::{History, Resource, State, history};

/// Shows all resources, or the named ones, as the service shows them now. Writes nothing.
pub fn run(ctx: &Context, args: &StatusArgs) -> Result<Code, Error> {
    if args.watch {
        return watch(ctx, args);
    }
    let looked = Looked::now(ctx, args)?;
    show(ctx, args, &looked)?;
    if looked.unread.is_empty() {
        Ok(Code::Done)
    } else {
        Err(engine::unread_error("this is what is recorded", &looked.unread))
    }
}

/// The findings of a look.
struct Looked {
    selector: Option<Selector>,
    project: Project,
    state: State,
    declared: Loaded,
    unread: Vec<Unread>,
}

impl Looked {
    /// Reads the project, its state and, unless that is not wanted, the service.
    fn now(ctx: &Context, args: &StatusArgs) -> Result<Self, Error> {
        let selector = engine::selector(args.selector.as_deref())?;
        let project = project::load(ctx)?;
        let mut state = store::read(ctx, &project, Check::Tail)?.state;
        let declared = manifest::load(&ctx.dir, &project);
        let mut unread = Vec::new();
        if !args.no_refresh {
            unread = look(ctx, &project, &mut state, &declared, &BTreeSet::new())?.unread;
        }
        Ok(Looked { selector, project, state, declared, unread })
    }

    /// Hands on the lines of the table that were asked for.
    fn rows<T>(
        &self,
        ctx: &Context,
        args: &StatusArgs,
        then: impl FnOnce(&[Row<'_>]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Looked { selector, project, state, declared, .. } = self;
        let unsent = unsent(state, declared, args, selector.as_ref());
        let chosen = chosen(state, declared, args, selector.as_ref(), &unsent)?;
        let select = |address: &Address, _: &Resource| chosen.contains(address);
        let all_held =
            || chosen.iter().filter_map(|a| state.resources.get(a)).flat_map(|r| r.packages.iter());
        let held = evidence::presence(ctx, project, all_held(), !args.no_refresh)?;
        let incidents = incidents(declared);
        let unsent: Vec<Unsent> = unsent.into_iter().map(|(_, unsent)| unsent).collect();
        let rows = rows(
            state,
            &unsent,
            &select,
            &|address| incidents.get(&address.group().unwrap_or_else(|| address.clone())).copied(),
            &|package| held.get(&package.file).copied().unwrap_or(Held::NotLooked),
        );
        then(&rows)
    }
}

/// The first pause between two looks, and the longest one.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(60)];

/// Shows the table until nothing moves any more: in its place on a terminal, else once, and then a line for each change.
fn watch(ctx: &Context, args: &StatusArgs) -> Result<Code, Error> {
    if args.format == Format::Json {
        return Err(Error::Usage(
            "--watch shows a table for people: --format json cannot stand beside it".into(),
        ));
    }
    ctx.detach()?;
    // It changes nothing, so a signal is the way out and needs no words.
    signals::over();
    let mut pause = PAUSES[0];
    let mut before: Option<BTreeMap<Address, Stage>> = None;
    loop {
        let mut looked = Looked::now(ctx, args)?;
        let unread = std::mem::take(&mut looked.unread);
        let moves = looked.rows(ctx, args, |rows| {
            let moves = moves(rows) && unread.is_empty();
            let text = match &before {
                Some(before) if !ctx.interactive => changes(before, rows, project::style_out(ctx), ctx.now()),
                _ => table(rows, None, project::style_out(ctx), ctx.now()),
            };
            before = Some(standing(rows));
            if ctx.interactive && moves {
                draw(text, ctx.now(), pause);
                return Ok(moves);
            }
            stream::live(None);
            ctx.out(&text).map(|()| moves)
        })?;
        if !unread.is_empty() {
            return Err(engine::unread_error("this is what is recorded", &unread));
        }
        if !moves {
            return Ok(Code::Done);
        }
        reading_runtime()?.block_on(async { tokio::time::sleep(pause).await });
        pause = (pause * 3 / 2).min(PAUSES[1]);
    }
}

/// Draws a table below all other lines, as much of it as the terminal has room for, and when the next look is.
fn draw(table: String, now: jiff::Timestamp, pause: Duration) {
    stream::live(Some(Box::new(move || {
        let (_, height) = terminal();
        let room = height.saturating_sub(3).max(1);
        let mut lines: Vec<&str> = table.lines().collect();
        let more = lines.len().saturating_sub(room);
        lines.truncate(room);
        let mut text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        if more > 0 {
            text.push_str(&format!("{more} more lines\n"));
        }
        let looked = age::clock(now, now);
        text.push_str(&format!("looked at {looked}, again after {} s; Ctrl-C ends\n", pause.as_secs()));
        text
    })));
}

/// Writes what was asked for.
fn show(ctx: &Context, args: &StatusArgs, looked: &Looked) -> Result<(), Error> {
    let told = match ctx.verbose > 0 {
        true => Some(told(ctx, &looked.project)?),
        false => None,
    };
    let stories = told.as_ref().map(|t| &t.stories);
    let problems = project::errors(&looked.declared.diagnostics);
    looked.rows(ctx, args, |rows| match args.format {
        Format::Human => ctx.out(&table(rows, stories, project::style_out(ctx), ctx.now())),
        Format::Json => {
            let chosen: BTreeSet<&Address> = rows.iter().map(|row| row.address).collect();
            let select = |address: &Address, _: &Resource| chosen.contains(address);
            let document = StateDocument::new(&looked.state, select).with_status(rows, problems, stories);
            ctx.document(&document.to_text().map_err(|e| Error::Stdout(e.into()))?)
        }
    })?;
    if problems > 0 {
        let problems = plural(problems, "error");
        ctx.note(&format!(
            "the manifests have {problems}: what cannot be read and was not sent is not shown; next: casefile validate"
        ));
    }
    if let Some(damage) = told.and_then(|t| t.damage) {
        ctx.note(&format!("the stories end where the journal is damaged: {damage}; next: casefile verify"));
    }
    Ok(())
}

/// The resources of the state that were asked for. A name of something that was never sent means none of them.
fn chosen(
    state: &State,
    declared: &Loaded,
    args: &StatusArgs,
    selector: Option<&Selector>,
    unsent: &[(Address, Unsent)],
) -> Result<BTreeSet<Address>, Error> {
    let of_unsent = |typed: &&Named| !unsent.iter().any(|(address, u)| is_named(typed, address, u));
    let typed: Vec<Named> = args.addresses.iter().filter(of_unsent).cloned().collect();
    if typed.is_empty() && !args.addresses.is_empty() {
        return Ok(BTreeSet::new());
    }
    match engine::chosen(state, &typed, selector) {
        // What they select was never sent.
        Err(Error::NothingSelected { .. }) if !unsent.is_empty() => Ok(BTreeSet::new()),
        // Unlike other commands, this one is about what is declared too.
        Err(error @ Error::NothingSelected { .. }) => Err(match selector.filter(|_| typed.is_empty()) {
            Some(labels) => {
                let recorded = state.resources.iter().map(|(_, r)| &*r.labels);
                selected::neither_declared_nor_recorded(labels, declared, recorded)
            }
            None => error,
        }),
        chosen => chosen,
    }
}

/// Returns the declared resources that were never sent, of those that were asked for, by the address of their manifest.
fn unsent(
    state: &State,
    declared: &Loaded,
    args: &StatusArgs,
    selector: Option<&Selector>,
) -> Vec<(Address, Unsent)> {
    let groups: BTreeSet<Address> = state.resources.iter().filter_map(|(a, _)| a.group()).collect();
    let all: BTreeSet<&Address> = declared.resources.iter().map(|d| &d.address).collect();
    let undeclared = |(a, _): &(&Address, &Resource)| !all.contains(a);
    // What a manifest of another name asked for is moved, and not sent again.
    let renamed: BTreeSet<_> =
        state.resources.iter().filter(undeclared).map(|(a, r)| (a.kind(), r.digest)).collect();
    let was_sent = |d: &Desired| {
        state.resources.contains_key(&d.address)
            || d.moved_from().is_some_and(|from| state.resources.contains_key(from))
            || renamed.contains(&(d.address.kind(), d.digest))
    };
    let of = |d: &Desired, machine: Option<String>| {
        let expanded = d.expanded.as_ref().map(|e| e.incident.to_string());
        let unsent = Unsent {
            address: d.address.clone(),
            machine: machine.or_else(|| d.machine_name.as_ref().map(ToString::to_string)),
            incident: d.labels.get("incident").cloned().or(expanded),
            place: format!("{}:{}", d.source.file, d.source.line),
        };
        (d.address.clone(), unsent)
    };
    let wanted = |d: &Desired| selector.is_none_or(|s| s.matches(&d.labels));
    let resources = declared.resources.iter().filter(|d| !was_sent(d) && wanted(d)).map(|d| of(d, None));
    let templates = declared.templates.iter().filter(|t| {
        let d = t.declared();
        !groups.contains(&d.address) && !state.resources.contains_key(&d.address) && wanted(d)
    });
    let templates = templates.map(|t| of(t.declared(), stands_for(t)));
    let named = |(address, unsent): &(Address, Unsent)| {
        args.addresses.is_empty() || args.addresses.iter().any(|typed| is_named(typed, address, unsent))
    };
    resources.chain(templates).filter(named).collect()
}

/// Returns the machines that a manifest without one of its own stands for.
fn stands_for(template: &Template) -> Option<String> {
    match &template.target {
        Target::Name(name) => Some(name.to_string()),
        Target::Tag(tag) => Some(format!("tag {tag}")),
        Target::File(file) => Some(format!("those of {}", file.file)),
        Target::Event(_) => None,
    }
}

fn is_named(typed: &Named, address: &Address, unsent: &Unsent) -> bool {
    match typed {
        Named::Address(typed) => typed == address,
        Named::Bare(word) => address.name() == word || unsent.machine.as_deref() == Some(word),
    }
}

/// The incident that each declared resource was expanded for.
fn incidents(declared: &Loaded) -> BTreeMap<Address, &str> {
    let templates = declared.templates.iter().map(Template::declared);
    let all = declared.resources.iter().chain(templates);
    all.filter_map(|d| Some((d.address.clone(), &*d.expanded.as_ref()?.incident))).collect()
}

/// The stories of all resources.
fn told(ctx: &Context, project: &Project) -> Result<History, Error> {
    let (_, journal) = reading_runtime()?.block_on(store::whole(ctx, project))?;
    Ok(history(&journal.unwrap_or_default()))
}
