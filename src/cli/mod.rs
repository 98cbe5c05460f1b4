//! The command line: what was typed becomes a request to the library, what the library returns becomes
//! text and an exit code.
//!
//! Responsible for argument types, the process environment, streams, prompts and exit codes. Not
//! responsible for any rule of the domain: a command is one thin file. Nobody else uses this module.

pub mod args;
pub mod context;
mod exec;
pub mod exit;

mod apply;
mod cancel;
mod clock;
mod completions;
mod connect;
mod engine;
mod evidence;
mod export;
mod fetch;
mod git;
mod history;
mod hunt;
mod import;
mod init;
mod lock;
mod locked_run;
mod log;
mod look;
mod new;
mod objects;
mod panics;
mod plan;
mod progress;
pub mod project;
mod render;
mod report;
mod sandbox;
mod saved;
mod schema;
mod seal;
mod signals;
mod since;
mod state;
mod status;
mod store;
mod stream;
mod test;
mod usage;
mod validate;
mod verify;

use std::ffi::OsString;

use clap::{CommandFactory, Parser};

use args::{Cli, Command, NewCommand, StateCommand};
use context::{Context, complain};
use exit::{Code, Error};

use crate::render::targets::{self, Rows};

/// Parses, runs, reports. Returns the exit code of the process.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    if let [_, question, words @ ..] = args.as_slice()
        && question == completions::QUESTION
    {
        return completions::answer(words).as_u8();
    }
    panics::tell();
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) => return usage::show(&e).as_u8(),
    };
    signals::listen();
    let code = run(cli).unwrap_or_else(|e| report(&e));
    stream::finish_lines();
    code.as_u8()
}

/// The command as clap sees it: for completions, and to compare the documentation with.
pub fn command() -> clap::Command {
    Cli::command()
}

fn run(cli: Cli) -> Result<Code, Error> {
    let ctx = Context::new(&cli.global)?;
    log::start(&cli.global, &ctx)?;
    let rows = if cli.command.shows_rows() { Rows::Shown } else { Rows::Counted };
    let ended = dispatch(&ctx, cli.command);
    signals::over();
    // Only the readers are waited for from here on.
    let ended = match stream::finish() {
        Err(e) if ended.is_ok() => Err(Error::Stdout(e)),
        _ => ended,
    };
    if let Err(Error::Unresolved(errors)) = &ended {
        complain(&targets::human(errors, rows, project::style_err(&ctx), ctx.now()));
    }
    ended
}

fn dispatch(ctx: &Context, command: Command) -> Result<Code, Error> {
    match command {
        Command::Init(args) => init::run(ctx, &args),
        Command::Validate(args) => validate::run(ctx, &args),
        Command::Plan(args) => plan::run(ctx, &args),
        Command::Show(args) => saved::show(ctx, &args),
        Command::Apply(args) => apply::run(ctx, &args),
        Command::Seal(args) => seal::run(ctx, &args),
        Command::Render(args) => render::run(ctx, &args),
        Command::Test(args) => test::run(ctx, &args),
        Command::Status(args) => status::run(ctx, &args),
        Command::Log(args) => history::run(ctx, &args),
        Command::Fetch(args) => fetch::run(ctx, &args),
        Command::Report(args) => report::run(ctx, &args),
        Command::Cancel(args) => cancel::run(ctx, &args),
        Command::Hunt(args) => hunt::run(ctx, &args),
        Command::New(NewCommand::Package(args)) => new::package(ctx, &args),
        Command::New(NewCommand::Incident(args)) => new::incident(ctx, &args),
        Command::Import(args) => import::run(ctx, &args),
        Command::Verify(args) => verify::run(ctx, &args),
        Command::State(StateCommand::Rm(args)) => state::rm(ctx, &args),
        Command::State(StateCommand::Mv(args)) => state::mv(ctx, &args),
        Command::State(StateCommand::RenameProject(args)) => state::rename_project(ctx, &args),
        Command::State(StateCommand::Migrate(args)) => state::migrate(ctx, &args),
        Command::State(StateCommand::Pull(args)) => state::pull(ctx, &args),
        Command::State(StateCommand::Rebuild(args)) => state::rebuild(ctx, &args),
        Command::State(StateCommand::List(_)) => state::list(ctx),
        Command::State(StateCommand::Show(args)) => state::show(ctx, &args),
        Command::Export(args) => export::run(ctx, &args),
        Command::Schema(args) => schema::run(ctx, &args),
        Command::Sandbox(args) => sandbox::run(ctx, &args),
        Command::Completions(args) => completions::run(ctx, &args),
    }
}

fn report(error: &Error) -> Code {
    if !matches!(error, Error::Closed) {
        complain(&error.lines());
    }
    error.code()
}
