//! Golden output of whole commands. `TRYCMD=overwrite cargo test --test cmd` writes it anew; read the
//! difference before you commit it.

#[test]
fn commands() {
    // An empty variable counts as not set: a developer's own endpoint is not for tests.
    trycmd::TestCases::new().env("CASEFILE_ENDPOINT", "").case("tests/cmd/*.trycmd");
}
