//! The model of the protocol, as far as it takes seconds: what several runs on one state rely on, and that each of these rules
//! is needed.
#![allow(clippy::disallowed_methods, reason = "tests start programs")]

use std::process::Command;

fn model(words: &[&str]) -> String {
    let output = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/protocol_model.py"))
        .args(words)
        .output()
        .expect("python3 has to be installed");
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{words:?}: {text}");
    text
}

#[test]
fn two_runs_on_one_state_do_everything_once() {
    let text = model(&["two-remote-judged", "two-remote-unnamed"]);
    for name in ["two-remote-judged", "two-remote-unnamed"] {
        let line = text.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        let columns: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(columns[1..3], ["I14", "holds"], "{text}");
    }
}

#[test]
fn a_rule_that_is_taken_back_is_noticed() {
    for (rule, scenario, invariant) in
        [("overtaken", "two-remote-judged", "I1"), ("over", "two-remote-unnamed", "I14")]
    {
        let text = model(&["ablation", rule, scenario]);
        assert!(text.contains(&format!("without `{rule}`: {invariant} {scenario}")), "{text}");
    }
}
