//! The command line: what was typed becomes a request to the library, what the library returns becomes
//! text and an exit code.
//!
//! Responsible for argument types, the process environment, streams, prompts and exit codes. Not
//! responsible for any rule of the domain: a command is one thin file. Nobody else uses this module.

pub mod args;
pub mod context;
pub mod exec;
pub mod exit;

mod apply;
mod cancel;
mod clock;
mod completions;
mod connect;
mod doctor;
mod draft;
mod drill;
mod engine;
mod evidence;
mod examples;
mod export;
mod fetch;
mod git;
mod habits;
mod history;
mod hunt;
mod import;
mod init;
mod lock;
mod locked_run;
mod log;
mod look;
mod man;
mod meant;
mod nearby;
mod new;
mod objects;
mod output;
mod panics;
mod parameters;
mod patience;
mod plan;
mod preflight;
mod progress;
pub mod project;
mod render;
mod report;
mod runtime;
mod sandbox;
mod saved;
mod schema;
mod seal;
mod selected;
mod signals;
mod since;
mod state;
mod status;
mod store;
mod stream;
mod test;
mod topics;
mod trace;
mod usage;
mod validate;
mod verify;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches};

use args::{Cli, Command, NewCommand, StateCommand};
use context::{Context, complain};
use exit::{Code, Error};

use crate::render::targets::{self, Rows};
use crate::render::ways_out::shell;

/// Parses, runs, reports. Returns the exit code of the process.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    if let [_, question, words @ ..] = args.as_slice()
        && question == completions::QUESTION
    {
        return completions::answer(words).as_u8();
    }
    panics::end_at_once();
    let typed: Vec<String> = args.iter().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    let mut command = command();
    let parsed = command.try_get_matches_from_mut(&args).and_then(|m| Cli::from_arg_matches(&m));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(mut e) => {
            if let Some(code) = topics::answer(&args) {
                return code.as_u8();
            }
            habits::correct(&mut e, &command, &args);
            return usage::show(&e).as_u8();
        }
    };
    signals::listen();
    let dir = context::typed_dir(&cli.global);
    let code = run(cli).unwrap_or_else(|e| report(&again(e, &typed), dir.as_deref()));
    stream::finish_lines();
    code.as_u8()
}

/// The command as clap sees it: for completions, and to compare the documentation with.
pub fn command() -> clap::Command {
    examples::add(Cli::command())
}

fn run(cli: Cli) -> Result<Code, Error> {
    let mut ctx = Context::new(&cli.global)?;
    if cli.command.is_of_project() {
        ctx = ctx.in_project_above(&cli.global);
    }
    // What goes wrong in a drill is its result, and no matter for a log.
    let quiet = cli.global.quiet || matches!(cli.command, Command::Drill(_)) && cli.global.verbose == 0;
    log::start(&args::Global { quiet, ..cli.global.clone() }, &ctx)?;
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
        Command::Draft(args) => draft::run(ctx, &args),
        Command::Drill(args) => drill::run(ctx, &args),
        Command::Report(args) => report::run(ctx, &args),
        Command::Cancel(args) => cancel::run(ctx, &args),
        Command::Hunt(args) => hunt::run(ctx, &args),
        Command::New(NewCommand::Package(args)) => new::package(ctx, &args),
        Command::New(NewCommand::Incident(args)) => new::incident(ctx, &args),
        Command::Import(args) => import::run(ctx, &args),
        Command::Verify(args) => verify::run(ctx, &args),
        Command::Doctor(args) => doctor::run(ctx, &args),
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
        Command::Man(args) => man::run(ctx, &args),
    }
}

fn report(error: &Error, dir: Option<&str>) -> Code {
    if !matches!(error, Error::Closed) {
        complain(&error.lines(dir));
    }
    error.code()
}

/// Adds to an error what was typed, where to type it again is the way out.
fn again(error: Error, typed: &[String]) -> Error {
    const WAIT: &str = "--lock-timeout";
    let Error::Locked(holder) = error else { return error };
    let mut words: Vec<&str> = typed.iter().map(String::as_str).collect();
    if let Some(at) = words.iter().position(|word| *word == WAIT) {
        words.drain(at..words.len().min(at + 2));
    }
    words.retain(|word| !word.starts_with("--lock-timeout="));
    words.extend([WAIT, "5m"]);
    // Not every command takes the flag.
    let line = std::iter::once("casefile").chain(words.iter().copied());
    if command().try_get_matches_from(line).is_err() {
        return Error::Locked(holder);
    }
    let words: Vec<_> = words.into_iter().map(shell_or_flag).collect();
    Error::LockedOut { holder, again: format!("casefile {}", words.join(" ")) }
}

/// A word as it is typed; flags stay flags.
fn shell_or_flag(word: &str) -> String {
    let is_flag = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if word.starts_with('-') && word.chars().all(is_flag) {
        word.to_owned()
    } else {
        shell(word).into_owned()
    }
}
