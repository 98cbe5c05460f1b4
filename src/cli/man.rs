//! `man DIR`: the manual pages. Those of commands are made of what the parser knows, as `--help` is; those of topics, of the
//! text that `help TOPIC` shows.

use std::path::Path;

use clap_mangen::roff::{Roff, roman};

use super::args::ManArgs;
use super::context::Context;
use super::exit::{Code, Error};
use super::topics::{TOPICS, Topic};
use crate::render::Style;

/// Columns of a topic: manual pages are indented, and made for 80.
const WIDTH: usize = 72;

/// Writes one page for each command (section 1) and each topic (section 7). Pages of an older version are replaced.
pub fn run(ctx: &Context, args: &ManArgs) -> Result<Code, Error> {
    let dir = ctx.path(&args.dir);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { what: "write", path, source }
    };
    let [commands, topics] = ["man1", "man7"].map(|section| dir.join(section));
    for folder in [&commands, &topics] {
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
    }
    clap_mangen::generate_to(described(), &commands).map_err(failed(&commands))?;
    for topic in &TOPICS {
        let path = topics.join(format!("casefile-{}.7", topic.name));
        page(topic, &path).map_err(failed(&path))?;
    }
    ctx.note(&format!("manual pages are in {}", dir.display()));
    Ok(Code::Done)
}

/// The commands as their pages describe them.
fn described() -> clap::Command {
    let mut all = super::command().disable_help_subcommand(true);
    all.build();
    with_usage(all)
}

/// Gives each command the line that its help begins with, as the synopsis of its page: options stand in it with what they
/// take.
fn with_usage(mut command: clap::Command) -> clap::Command {
    let usage = command.render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage).to_owned();
    command.override_usage(usage).mut_subcommands(with_usage)
}

fn page(topic: &Topic, path: &Path) -> std::io::Result<()> {
    let (name, version) =
        (format!("casefile-{}", topic.name), concat!("casefile ", env!("CARGO_PKG_VERSION")));
    let mut roff = Roff::new();
    roff.control("TH", [name.as_str(), "7", "", version, ""]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{name} - {}", topic.about))]);
    roff.control("SH", ["DESCRIPTION"]);
    // The text is laid out already.
    roff.control("nf", []);
    for line in topic.text(Style { width: WIDTH, color: false, verbose: 0 }).lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("casefile(1)")]);
    let mut file = std::fs::File::create(path)?;
    roff.to_writer(&mut file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_synopsis_is_the_usage_of_the_help() {
        let all = described();
        for (command, usage) in [
            (&all, "casefile [OPTIONS] <COMMAND>"),
            (
                all.find_subcommand("draft").unwrap(),
                "casefile draft [OPTIONS] <--alert <ID>|--since <DURATION>>",
            ),
        ] {
            let mut page = Vec::new();
            clap_mangen::Man::new(command.clone()).render_synopsis_section(&mut page).unwrap();
            let page =
                String::from_utf8(page).unwrap().replace("\\-", "-").replace("\\fB", "").replace("\\fR", "");
            assert!(page.contains(usage), "{page}");
        }
    }
}
