//! Commands on a terminal: what is asked there, and that nothing is silent for long. `script` makes the terminal.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::case::Case;
use crate::sandbox::BIN;

/// A runbook with a parameter of each kind.
const RUNBOOK: &str = r#"apiVersion: casefile/v1
kind: Runbook
metadata: { name: triage }
spec:
  parameters:
    type: object
    required: [ticket, machines, lead]
    properties:
      ticket: { type: string, pattern: "^INC-[0-9]+$", description: The ticket. }
      machines: { type: array, items: { type: string }, description: The machines of the incident }
      lead: { type: integer, minimum: 3, description: Whose shift it is. }
      deep: { type: boolean, default: false }
      mode: { enum: [fast, slow], description: How hard }
  resources:
    - kind: InvestigationPackage
      metadata: { name: "collect-${{ item | slug }}" }
      forEach: ${{ with.machines }}
      spec: { machineName: "${{ item }}", comment: "for ${{ with.ticket }} ${{ with.lead }}" }
"#;

const NEW: [&str; 5] = ["new", "incident", "inc-2042", "--runbook", "triage"];

impl Case {
    /// Runs on a terminal on which a person types. Gives the exit code, and what the terminal shows.
    fn typed(&self, args: &[&str], keys: &str) -> (Option<i32>, String) {
        let quoted: Vec<String> = args.iter().map(|a| format!("'{a}'")).collect();
        let line = format!("'{BIN}' -C '{}' {}", self.dir.path().display(), quoted.join(" "));
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        for name in ["CASEFILE_STATE_URL", "RUST_LOG", "NO_COLOR", "CI"] {
            script.env_remove(name);
        }
        script.env("CASEFILE_ENDPOINT", &self.sandbox.url).env("CASEFILE_ACCESS_TOKEN", "a-token");
        script.env("TERM", "dumb").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = script.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(keys.as_bytes()).unwrap();
        // The terminal stays until the command has ended.
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).replace('\r', ""))
    }
}

fn case() -> Case {
    let case = Case::new("machines: {}\n", "{}");
    case.write("manifests/runbook.yaml", RUNBOOK);
    case
}

#[test]
fn a_new_incident_asks_for_each_parameter_until_its_value_fits() {
    let case = case();
    let (code, shown) = case.typed(&NEW, "seven\n2\n7\n\nfin-ws-042, fin-ws-043\nX\nINC-2042\n\nslow\n");
    assert_eq!(code, Some(0), "{shown}");
    for said in [
        "lead: Whose shift it is (a number)\n",
        "`lead` must be a whole number, but seven is text\n",
        "`lead` must be at least 3; write --set lead=3\n",
        "machines: The machines of the incident (a list); with commas between items\n",
        "a value is needed; Ctrl-D ends the questions, and nothing is written\n",
        "ticket: The ticket.\n",
        "which does not match",
        "deep: true or false; Enter keeps false\n",
        "mode: How hard (one of fast, slow); Enter leaves it out\n",
        "Wrote manifests/inc-2042.yaml\n",
    ] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    let manifest = case.read("manifests/inc-2042.yaml");
    assert!(manifest.contains("    lead: 7\n") && !manifest.contains("deep"), "{manifest}");
    case.exits(0, &["validate"]);
}

#[test]
fn ctrl_d_ends_the_questions_and_nothing_is_written() {
    let case = case();
    for keys in ["\u{4}", "7\n\u{4}", "7\nfin-ws-042\nINC-1\n\n\u{4}"] {
        let (code, shown) = case.typed(&NEW, keys);
        assert_eq!(code, Some(130), "{shown}");
        assert!(shown.contains("the questions were ended, nothing was written"), "{shown}");
        assert!(!case.path("manifests/inc-2042.yaml").exists());
    }
}

#[test]
fn without_a_terminal_the_incident_is_there_to_be_filled_in() {
    let case = case();
    let (out, _) = case.exits(0, &NEW);
    assert!(out.contains("Fill in lead, machines, ticket there"), "{out}");
    assert!(case.read("manifests/inc-2042.yaml").contains("    # Whose shift it is (a number)\n    lead:\n"));
}

#[test]
fn a_value_of_a_wrong_type_is_told_by_its_argument() {
    let case = case();
    let set = ["--set", "lead=seven", "--set", "ticket=X", "--set", "machines=[1, a]", "--set", "mode=x"];
    let (_, err) = case.exits(1, &[&NEW[..], &set].concat());
    for row in [
        "  --set lead=: `lead` must be a whole number, but seven is text\n",
        "  --set machines=: `machines` must be text, but 1 without quotes is a number",
        "  --set mode=: `mode` cannot be `x`; write one of fast, slow\n",
        "  --set ticket=: `ticket` is `X`, which does not match `^INC-[0-9]+$`\n",
    ] {
        assert!(err.contains(row), "{row}: {err}");
    }
    assert!(!err.contains("inc-2042.yaml:") && !case.path("manifests/inc-2042.yaml").exists(), "{err}");
}

#[test]
fn sealing_says_what_it_waits_for() {
    let case = Case::new("faults: [{ on: listMachines, then: delay, seconds: 3 }]", "{}");
    case.write(
        "manifests/a.yaml",
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: { name: a }\nspec: { machineName: ws-1, comment: c }\n",
    );
    let (code, shown) = case.typed(&["seal"], "");
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(shown, "Reading what the service shows ...\nwrote manifests/a.sealed.yaml\n");
}
