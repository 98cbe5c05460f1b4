//! `log`: what was recorded, newest first. Of the service nothing is asked, and no lock is taken.

use super::args::{Format, LogArgs};
use super::context::{Context, reading_runtime};
use super::engine;
use super::exit::{Code, Error};
use super::project;
use super::store;
use crate::model::{Address, Advice, first_label};
use crate::plan::names;
use crate::render::log::{Entry, LogDocument, log};
use crate::state::{History, Recorded, State, Story, folded, history};

/// Shows the records that were asked for.
pub fn run(ctx: &Context, args: &LogArgs) -> Result<Code, Error> {
    let selector = engine::selector(args.selector.as_deref())?;
    let project = project::load(ctx)?;
    let (_, journal) = reading_runtime()?.block_on(store::whole(ctx, &project))?;
    let journal = journal.unwrap_or_default();
    let mut history = history(&journal);
    let state = folded(&journal).state;
    if !args.addresses.is_empty() || selector.is_some() {
        let chosen = engine::chosen(&state, &args.addresses, selector.as_ref())?;
        history.stories.retain(|address, _| chosen.contains(address));
        history.others.clear();
    }
    let entries = entries(&state, &history, args.most.unwrap_or(usize::MAX));
    match args.format {
        Format::Human => ctx.out(&log(&entries, project::style_out(ctx), ctx.now()))?,
        Format::Json => {
            let document = LogDocument::new(history.seq, history.head, &entries);
            ctx.document(&document.to_text().map_err(|e| Error::Stdout(e.into()))?)?;
        }
    }
    match history.damage {
        Some(damage) => Err(Error::State {
            message: format!("the journal is damaged behind that: {damage}"),
            next: Advice::run("casefile verify"),
        }),
        None => Ok(Code::Done),
    }
}

/// The records, the newest first.
fn entries<'a>(state: &'a State, history: &'a History, most: usize) -> Vec<Entry<'a>> {
    let of_story = |(address, story): (&'a Address, &'a Story)| {
        let machine = machine(state, address, story);
        let entry = move |recorded: &'a Recorded| Entry { recorded, address: Some(address), machine };
        story.records.iter().map(entry)
    };
    let others = history.others.iter().map(|recorded| Entry { recorded, address: None, machine: None });
    let mut entries: Vec<Entry<'a>> = history.stories.iter().flat_map(of_story).chain(others).collect();
    entries.sort_by_key(|e| std::cmp::Reverse(e.recorded.seq));
    entries.truncate(most);
    entries
}

/// The first label of the name of a resource's machine: as the state knows it, or as the service gave it once.
fn machine<'a>(state: &'a State, address: &Address, story: &'a Story) -> Option<&'a str> {
    let known = state.resources.get(address).and_then(names::recorded_name);
    let given = || story.courses.iter().rev().find_map(|c| c.object.as_ref()?.computer_dns_name.as_deref());
    known.or_else(given).map(first_label).filter(|name| !name.is_empty())
}
