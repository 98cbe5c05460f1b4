//! `completions SHELL`

use super::args::CompletionsArgs;
use super::context::Context;
use super::exit::{Code, Error};

/// Prints the script; the shell's own documentation says where it goes.
pub fn run(ctx: &Context, args: &CompletionsArgs) -> Result<Code, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "casefile", &mut script);
    ctx.out(&String::from_utf8_lossy(&script))?;
    Ok(Code::Done)
}
