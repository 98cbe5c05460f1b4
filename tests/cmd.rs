//! Golden output of whole commands. `TRYCMD=overwrite cargo test --test cmd` writes it anew; read the
//! difference before you commit it.

#[test]
fn commands() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}
