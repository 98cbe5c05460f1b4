//! Shows a run while it goes on: JSON lines on stdout, or lines and a bar on stderr.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::Format;
use super::context::{Context, complain};
use super::exit::Error;
use super::project;
use crate::apply::{Event, Progress};
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
    bar: Option<ProgressBar>,
    calls: Mutex<Calls>,
    /// How people see the addresses of groups.
    shown: Mutex<BTreeMap<Address, Address>>,
}

#[derive(Default)]
struct Calls {
    planned: u64,
    under_way: u64,
    done: u64,
}

impl Display {
    /// A bar only where a person watches.
    pub fn new(ctx: &Context, format: Format) -> Self {
        let bar = (ctx.interactive && format == Format::Human && !ctx.quiet).then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
            // The template is ours and well-formed; the default is no worse than none.
            let style = ProgressStyle::with_template("{spinner} [{elapsed_precise}] {pos}/{len} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Display {
            format,
            style: project::style_err(ctx),
            result: project::style_out(ctx),
            quiet: ctx.quiet,
            clock: ctx.clock(),
            bar,
            calls: Mutex::default(),
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
        self.hide();
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
                    self.stdout(&(line + "\n"));
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
            Event::Intent { .. } if self.bar.is_some() || self.style.verbose == 0 => {}
            Event::Summary { .. } => self.stdout(&render::event::human(event, self.result)),
            _ if self.quiet => {}
            _ => self.stderr(&render::event::human(event, self.style)),
        }
    }

    fn state(&self, progress: &Progress) {
        if let Some(bar) = self.bar.as_ref().filter(|b| b.is_hidden()) {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
            bar.enable_steady_tick(std::time::Duration::from_millis(125));
        }
        let text = render::event::progress(progress, self.style, (self.clock)());
        match (&self.bar, progress) {
            (Some(bar), Progress::Started { calls }) => {
                self.lock().planned = *calls as u64;
                bar.set_length(*calls as u64);
            }
            (Some(bar), _) => bar.set_message(text),
            // Without a bar only what makes a run pause is worth a line.
            (None, Progress::Settling { .. } | Progress::WaitingForQuota { .. }) if !self.quiet => {
                tracing::info!("{text}");
            }
            (None, _) => tracing::debug!("{text}"),
        }
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
        if let Some(bar) = &self.bar {
            bar.set_length(calls.planned.max(calls.done));
            bar.set_position(calls.done);
            bar.set_message(format!("{} under way", calls.under_way));
        }
    }

    /// Takes the bar away while a plan is read and a question asked.
    fn hide(&self) {
        if let Some(bar) = &self.bar {
            bar.disable_steady_tick();
            bar.suspend(|| {});
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn stderr(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| complain(text)),
            None => complain(text),
        }
    }

    fn stdout(&self, text: &str) {
        use std::io::Write as _;
        let write = || {
            // A reader that went away must not stop a run that is recording what it did.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn names(&self) -> std::sync::MutexGuard<'_, BTreeMap<Address, Address>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
