//! The pages that people read hold what they say: commands run, links and anchors lead somewhere, pictures are those of
//! today's output.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "reads pages, sets up folders of its own and runs a shell")]

mod commands;
mod links;
mod page;
mod pictures;
