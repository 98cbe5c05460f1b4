//! Values into words: plans, events, states and diagnostics as text for people and as JSON.
//!
//! Responsible for every sentence a person reads, for colours, columns and wrapping, for the JSON
//! documents and their schemas, and for keeping text from outside from breaking out of the terminal.
//! Not responsible for deciding anything or for writing anywhere: no terminal, no clock and no
//! environment here; width, colour and the present moment come in as arguments.

pub mod age;
pub mod annotations;
pub mod bag;
pub mod board;
mod brief;
pub mod cases;
pub mod codes;
mod commands;
mod destination;
pub mod diagnostic;
mod diff;
pub mod doctor;
pub mod drafts;
pub mod drill;
pub mod escape;
pub mod event;
pub mod fetch;
pub mod hunting;
mod layout;
pub mod log;
pub mod manifests;
pub mod messages;
mod naming;
pub mod page;
pub mod plan;
mod plan_end;
pub mod plan_json;
pub mod plan_markdown;
pub mod records;
mod refusals;
pub mod report;
mod rows;
pub mod schema;
pub mod state;
pub mod status;
mod story;
pub mod surgery;
pub mod targets;
mod text_diff;
pub mod unread;
pub mod ways_out;

#[cfg(test)]
mod pictures;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod told;
#[cfg(test)]
mod widths;

/// How to write for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns of the terminal; `usize::MAX` never wraps.
    pub width: usize,
    /// Whether to emit SGR sequences.
    pub color: bool,
    /// How often `-v` was given.
    pub verbose: u8,
}

impl Style {
    /// Narrower terminals are taken as this wide: addresses and commands would be torn apart.
    pub const NARROWEST: usize = 40;

    pub(crate) fn columns(self) -> usize {
        self.width.max(Style::NARROWEST)
    }
}
