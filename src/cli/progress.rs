//! Shows a run while it goes on: JSON lines on stdout, or lines and a bar on stderr.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::args::Format;
use super::context::{Context, complain};
use super::exit::Error;
use super::project;
use super::stream;
use crate::engine::{Event, Progress};
use crate::model::Address;
use crate::plan::{Change, Plan};
use crate::render::{self, Style};

/// Where a run's progress goes.
pub struct Display {
    format: Format,
    style: Style,
    /// Of what goes to stdout.
    result: Style,
    quiet: bool,
    clock: crate::defender::Clock,
    /// Whether a person watches, and is shown a line of what is under way below the events.
    bar: bool,
    calls: Mutex<Calls>,
    /// The ends of pauses that were told.
    told: Mutex<BTreeMap<&'static str, jiff::Timestamp>>,
    /// How people see the addresses of groups.
    shown: Mutex<BTreeMap<Address, Address>>,
}

#[derive(Default)]
struct Calls {
    planned: u64,
    under_way: u64,
    done: u64,
    /// The text that the bar shows besides the numbers.
    message: String,
}

/// Columns of the bar that its time and numbers take.
const NUMBERS: usize = 24;

impl Calls {
    fn draw(&self) {
        let (done, all) = (self.done, self.planned.max(self.done));
        stream::status(Some(format!("{done}/{all} {}", self.message)));
    }
}

impl Display {
    /// A bar only where a person watches.
    pub fn new(ctx: &Context, format: Format) -> Self {
        Display {
            format,
            style: project::style_err(ctx),
            result: project::style_out(ctx),
            quiet: ctx.quiet,
            clock: ctx.clock(),
            bar: ctx.interactive && format == Format::Human && !ctx.quiet,
            calls: Mutex::default(),
            told: Mutex::default(),
            shown: Mutex::default(),
        }
    }

    /// Shows the plan before it is approved. Where stdout is for events, only a person who is about to be
    /// asked sees it.
    pub fn plan(&self, ctx: &Context, plan: &Plan, asks: bool) -> Result<(), Error> {
        let shown = |c: &Change| Some((c.address.clone(), c.shown.as_ref()?.parse().ok()?));
        *self.names() = plan.changes.iter().filter_map(shown).collect();
        if self.format == Format::Json {
            if asks {
                complain(&render::plan::plan(plan, self.style, ctx.now()));
            }
            return Ok(());
        }
        self.finish();
        match ctx.out(&render::plan::plan(plan, project::style_out(ctx), ctx.now())) {
            // The approval came with the command line: that nobody reads along does not take it back.
            Err(Error::Closed) if !asks => Ok(()),
            Err(Error::Closed) => Err(Error::Declined),
            other => other,
        }
    }

    /// Shows one step.
    pub fn show(&self, progress: &Progress) {
        match (progress, self.format) {
            (Progress::Event(event), Format::Json) => {
                if let Ok(line) = render::event::json_line(event) {
                    match event {
                        // No call starts before a reader could know of its plan. A failure stops the run.
                        Event::Planned { .. } => drop(stream::document(&(line + "\n"))),
                        _ => stream::event(&(line + "\n")),
                    }
                }
            }
            (Progress::Event(event), Format::Human) if self.names().is_empty() => self.event(event),
            (Progress::Event(event), Format::Human) => {
                let shown = |a: &Address| self.names().get(a).unwrap_or(a).clone();
                self.event(&event.clone().readdressed(shown));
            }
            (_, Format::Json) => {}
            (other, Format::Human) => self.state(other),
        }
    }

    fn event(&self, event: &Event) {
        self.count(event);
        match event {
            // The plan was shown already; an intent is what the bar is for.
            Event::Planned { .. } => {}
            Event::Intent { .. } if self.bar || self.style.verbose == 0 => {}
            Event::Summary { .. } => {
                self.finish();
                // A reader that went away changes nothing any more; another failure is told at the end.
                let _ = stream::show(&render::event::human(event, self.result));
            }
            _ if self.quiet => {}
            _ => complain(&render::event::human(event, self.style)),
        }
    }

    fn state(&self, progress: &Progress) {
        // The numbers and the time stand before it.
        let style = Style { width: self.style.width.saturating_sub(NUMBERS), ..self.style };
        let text = render::event::progress(progress, style, self.clock.now());
        match progress {
            Progress::Started { calls } if self.bar => {
                let mut now = self.lock();
                now.planned = *calls as u64;
                now.draw();
            }
            Progress::Fetching { done, all, .. } if self.bar => {
                let mut now = self.lock();
                (now.done, now.planned) = (*done as u64, *all as u64);
                stream::status(Some(text));
            }
            _ if self.bar => {
                let mut now = self.lock();
                now.message = text;
                now.draw();
            }
            // Without a bar only what makes a run pause is worth a line, and each pause one.
            pause if !self.quiet && self.is_news(pause) => complain(&format!("{text}\n")),
            _ => tracing::debug!("{text}"),
        }
    }

    /// Returns whether a run pauses longer than it was told to pause already.
    fn is_news(&self, progress: &Progress) -> bool {
        // Many calls wait for the same end, which moves a little with each answer.
        const SAME: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
        let (what, until) = match progress {
            Progress::Settling { until, .. } => ("settling", *until),
            Progress::Following { until, .. } => ("following", *until),
            Progress::WaitingForQuota { quota, until } => (*quota, *until),
            Progress::Event(_) | Progress::Started { .. } | Progress::Fetching { .. } => return false,
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let news = told.get(what).is_none_or(|last: &jiff::Timestamp| until.duration_since(*last) > SAME);
        if news {
            told.insert(what, until);
        }
        news
    }

    fn count(&self, event: &Event) {
        let mut calls = self.lock();
        match event {
            Event::Intent { .. } => calls.under_way += 1,
            Event::Accepted { .. } | Event::Busy { .. } | Event::Rejected { .. } | Event::Unknown { .. } => {
                calls.under_way = calls.under_way.saturating_sub(1);
                calls.done += 1;
            }
            Event::Throttled { .. } | Event::Unsent { .. } => {
                calls.under_way = calls.under_way.saturating_sub(1);
            }
            _ => return,
        }
        if self.bar {
            calls.message = format!("{} under way", calls.under_way);
            calls.draw();
        }
    }

    /// Takes the bar away: the run is over, or a plan is read and a question asked.
    pub fn finish(&self) {
        if self.bar {
            stream::status(None);
        }
    }

    fn names(&self) -> std::sync::MutexGuard<'_, BTreeMap<Address, Address>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
