//! Shows a run while it goes on: JSON lines on stdout, a line an event on stderr, or on a terminal a table of what it is
//! about, drawn in its place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::args::Format;
use super::context::{Context, complain, terminal};
use super::exit::Error;
use super::project;
use super::signals;
use super::stream;
use crate::engine::{Event, Progress};
use crate::plan::Plan;
use crate::render::board::Board;
use crate::render::{self, Style, escape};

/// Where a run's progress goes.
pub struct Display {
    format: Format,
    style: Style,
    /// Of what goes to stdout.
    result: Style,
    quiet: bool,
    clock: crate::defender::Clock,
    /// Set if a person watches, and is shown a table of what is under way below the events.
    live: bool,
    /// Where everything stands.
    board: Arc<Mutex<Board>>,
    /// The ends of pauses that were told.
    told: Mutex<BTreeMap<&'static str, jiff::Timestamp>>,
}

impl Display {
    /// A table only where a person watches.
    pub fn new(ctx: &Context, format: Format) -> Self {
        Display {
            format,
            style: project::style_err(ctx),
            result: project::style_out(ctx),
            quiet: ctx.quiet,
            clock: ctx.clock(),
            live: ctx.interactive && format == Format::Human && !ctx.quiet,
            board: Arc::default(),
            told: Mutex::default(),
        }
    }

    /// Shows the plan before it is approved. Where stdout is for events, only a person who is about to be
    /// asked sees it. `per_minute` is how many collections the project allows in a minute.
    pub fn plan(&self, ctx: &Context, plan: &Plan, per_minute: Option<u32>, asks: bool) -> Result<(), Error> {
        let board = Board::new(plan, per_minute, ctx.now());
        *lock(&self.board) = board.told_from(ctx.typed_dir.as_deref());
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
        match progress {
            Progress::Started { .. } => signals::say(signals::RUN),
            Progress::Following { .. } => signals::say(signals::FOLLOWING),
            Progress::Fetching { .. } => signals::say(signals::FETCHING),
            _ => {}
        }
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
            (_, Format::Json) => {}
            (progress, Format::Human) => {
                lock(&self.board).note(progress);
                match progress {
                    Progress::Event(event) => self.event(event),
                    other => self.state(other),
                }
                stream::redraw();
            }
        }
    }

    fn event(&self, event: &Event) {
        let line = |style| render::event::human(event, &lock(&self.board), style);
        match event {
            // The plan was shown already; an intent is what the table is for.
            Event::Planned { .. } => {}
            Event::Intent { .. } if self.live || self.style.verbose == 0 => {}
            Event::Summary { .. } => {
                self.finish();
                // A reader that went away changes nothing any more; another failure is told at the end.
                let _ = stream::show(&line(self.result));
            }
            _ if self.quiet => {}
            // The table tells what goes well; what does not stays on the screen.
            _ if self.live && self.style.verbose == 0 && !is_odd(event) => {}
            _ => complain(&line(self.style)),
        }
    }

    fn state(&self, progress: &Progress) {
        match progress {
            Progress::Started { .. } | Progress::Fetching { .. } | Progress::Following { .. }
                if self.live =>
            {
                self.draw();
            }
            // Without a table only what makes a run pause is worth a line, and each pause one.
            pause if !self.live && !self.quiet && self.is_news(pause) => {
                let text = render::event::progress(pause, self.style, self.clock.now());
                complain(&format!("{text}\n"));
            }
            _ => {}
        }
    }

    /// Draws the table from now on.
    fn draw(&self) {
        let (board, clock, style) = (self.board.clone(), self.clock.clone(), self.style);
        stream::live(Some(Box::new(move || {
            let (width, height) = terminal();
            // A line that fills the last column may move the cursor on.
            let style = Style { width: width.saturating_sub(1), ..style };
            let text = lock(&board).draw(style, height.saturating_sub(1), clock.now());
            escape::lines(&text, style.color).into_owned()
        })));
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
        let mut told = lock(&self.told);
        let news = told.get(what).is_none_or(|last: &jiff::Timestamp| until.duration_since(*last) > SAME);
        if news {
            told.insert(what, until);
        }
        news
    }

    /// Takes the table away: the run is over, or a plan is read and a question asked. How everything stands stays.
    pub fn finish(&self) {
        if self.live && stream::is_live() {
            stream::live(None);
            let (_, height) = terminal();
            let table = lock(&self.board).table(self.style, height.max(LEFT_BEHIND), self.clock.now());
            complain(&(table + "\n"));
        }
    }
}

/// Lines of the table that stay on the screen, if it has room for no more.
const LEFT_BEHIND: usize = 24;

/// Returns whether an event stays on the screen while others are drawn over.
fn is_odd(event: &Event) -> bool {
    matches!(
        event,
        Event::Rejected { .. }
            | Event::Unknown { .. }
            | Event::Unsent { .. }
            | Event::Stopped { .. }
            | Event::Late { .. }
            | Event::FetchFailed { .. }
            | Event::Executed { .. }
    )
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
