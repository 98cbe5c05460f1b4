//! The command line: what was typed becomes a request to the library, what the library returns becomes
//! text and an exit code.
//!
//! Responsible for argument types, the process environment, streams, prompts and exit codes. Not
//! responsible for any rule of the domain: a command is one thin file. Nobody else uses this module.

pub mod args;
pub mod context;
pub mod exit;

mod apply;
mod cancel;
mod completions;
mod connect;
mod engine;
mod import;
mod init;
mod lock;
mod log;
mod plan;
mod progress;
pub mod project;
mod render;
mod sandbox;
mod saved;
mod schema;
mod seal;
mod signals;
mod since;
mod state;
mod status;
mod test;
mod validate;
mod verify;

use std::ffi::OsString;

use clap::{CommandFactory, Parser};

use args::{Cli, Command, StateCommand};
use context::{Context, complain};
use exit::{Code, Error};

/// Parses, runs, reports. Returns the exit code of the process.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    if let [_, question, words @ ..] = args.as_slice()
        && question == completions::QUESTION
    {
        return completions::answer(words).as_u8();
    }
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) => {
            // Nobody is left to tell if this fails.
            let _ = e.print();
            // clap's own code for wrong usage is 2, which is taken.
            return if e.use_stderr() { Code::Usage } else { Code::Done }.as_u8();
        }
    };
    match run(cli) {
        Ok(code) => code.as_u8(),
        Err(e) => report(&e).as_u8(),
    }
}

/// The command as clap sees it: for completions, and to compare the documentation with.
pub fn command() -> clap::Command {
    Cli::command()
}

fn run(cli: Cli) -> Result<Code, Error> {
    let ctx = Context::new(&cli.global)?;
    log::start(&cli.global, &ctx)?;
    let ended = dispatch(&ctx, cli.command);
    if let Err(Error::Unresolved(errors)) = &ended {
        complain(&crate::render::targets::human(errors, project::style_err(&ctx), ctx.now()));
    }
    ended
}

fn dispatch(ctx: &Context, command: Command) -> Result<Code, Error> {
    match command {
        Command::Init(args) => init::run(ctx, &args),
        Command::Validate(args) => validate::run(ctx, &args),
        Command::Plan(args) => plan::run(ctx, &args),
        Command::Apply(args) => apply::run(ctx, &args),
        Command::Seal(args) => seal::run(ctx, &args),
        Command::Render(args) => render::run(ctx, &args),
        Command::Test(args) => test::run(ctx, &args),
        Command::Status(args) => status::run(ctx, &args),
        Command::Cancel(args) => cancel::run(ctx, &args),
        Command::Import(args) => import::run(ctx, &args),
        Command::Verify(args) => verify::run(ctx, &args),
        Command::State(StateCommand::Rm(args)) => state::rm(ctx, &args),
        Command::State(StateCommand::Mv(args)) => state::mv(ctx, &args),
        Command::State(StateCommand::Rebuild(args)) => state::rebuild(ctx, &args),
        Command::State(StateCommand::List(_)) => state::list(ctx),
        Command::State(StateCommand::Show(args)) => state::show(ctx, &args),
        Command::Schema(args) => schema::run(ctx, &args),
        Command::Sandbox(args) => sandbox::run(ctx, &args),
        Command::Completions(args) => completions::run(ctx, &args),
    }
}

fn report(error: &Error) -> Code {
    let (code, next) = error.row();
    if !matches!(error, Error::Closed) {
        let mut text = format!("error: {error}\n");
        if let Some(next) = next {
            text.push_str(&format!("next: {next}\n"));
        }
        complain(&text);
    }
    code
}
