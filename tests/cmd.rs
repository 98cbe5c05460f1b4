//! Golden output of whole commands. `TRYCMD=overwrite cargo test --test cmd` writes it anew; read the
//! difference before you commit it.

#[test]
fn commands() {
    // An empty variable counts as not set: what the developer has set must not show in the output.
    trycmd::TestCases::new()
        .env("RUST_LOG", "")
        .env("CASEFILE_ENDPOINT", "")
        .env("CASEFILE_STATE_URL", "")
        .case("tests/cmd/*.trycmd");
}
