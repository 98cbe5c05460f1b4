//! The binary: parse, run, exit code. Everything else is the library's.

use std::process::ExitCode;

fn main() -> ExitCode {
    // rustls has no provider of its own here: the build leaves aws-lc out. Only a second call can fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    ExitCode::from(casefile::cli::main(std::env::args_os()))
}
