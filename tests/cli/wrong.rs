//! Messages to a person when something is wrong with the sign-in, the place or the command.

use crate::case::Case;

const PACKAGE: &str = "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: { name: a }\nspec: { machineId: \
                       fb9ab6be3965095a09c057be7c90f0a2, comment: x }\n";

fn case(scenario: &str) -> Case {
    let case = Case::new(scenario, "{}");
    case.write("manifests/a.yaml", PACKAGE);
    case
}

#[test]
fn a_token_that_was_copied_with_more_is_told_so_and_shown_nowhere() {
    let mut case = case("{}");
    for (token, word) in [
        ("Bearer s3cret-token", "begins with the word of the header"),
        ("\"s3cret-token\"", "stands in quotes"),
        ("s3cret-\ntoken", "holds a line break"),
    ] {
        case.env = vec![("CASEFILE_ACCESS_TOKEN", token.to_owned())];
        let (out, err) = case.exits(1, &["plan"]);
        assert!(err.starts_with(&format!("error: CASEFILE_ACCESS_TOKEN {word}")), "{err}");
        assert!(!err.contains("s3cret") && !out.contains("s3cret"), "{err}");
        assert_eq!(err.lines().count(), 2, "{err}");
    }
}

#[test]
fn a_refusal_of_graph_is_told_with_its_request_id() {
    let case = case("faults: [{ on: graphHunt, then: error, status: 403 }]");
    let (_, err) = case.exits(1, &["hunt", "Nothing"]);
    assert!(err.contains(" (request id |5a4db0c5-"), "{err}");
}

#[test]
fn what_to_run_next_is_about_the_folder_that_was_typed() {
    let case = case("{}");
    let dir = case.dir.path().to_string_lossy().into_owned();
    for (code, args) in [(1, &["state", "show", "Alert/x"][..]), (1, &["apply"]), (4, &["apply", "--sealed"])]
    {
        let (_, err) = case.exits(code, args);
        let next = err.lines().find_map(|l| l.strip_prefix("next: ")).unwrap_or_default();
        assert!(next.starts_with(&format!("casefile -C {dir} ")), "{err}");
    }
}

#[test]
fn a_run_that_finds_the_lock_taken_is_told_its_own_command() {
    let case = case("{}");
    case.exits(0, &["apply", "--auto-approve"]);
    // Held as another run would hold it.
    let lock = std::fs::OpenOptions::new().write(true).open(case.path(".casefile/lock")).unwrap();
    lock.lock().unwrap();
    let args = ["cancel", "--comment", "INC-1: not needed", "--auto-approve", "InvestigationPackage/a"];
    let (_, err) = case.exits(4, &args);
    let next = err.lines().find_map(|l| l.strip_prefix("next: ")).unwrap_or_default();
    assert!(
        next.ends_with(
            " cancel --comment 'INC-1: not needed' --auto-approve InvestigationPackage/a --lock-timeout 5m"
        ),
        "{err}"
    );
}

#[test]
fn an_outdated_seal_tells_new_from_renamed_and_shows_both_values() {
    let case = case("{}");
    case.exits(0, &["seal"]);
    let outdated = |text: &str| {
        case.write("manifests/a.yaml", text);
        let (out, _) = case.exits(1, &["validate", "--sealed", "--format", "json"]);
        let problems: serde_json::Value = serde_json::from_str(&out).unwrap();
        let d = problems["diagnostics"][0].clone();
        (d["message"].as_str().unwrap().to_owned(), d["sourceLine"].as_str().unwrap().trim().to_owned())
    };
    let (message, line) = outdated(&PACKAGE.replace("name: a", "name: b"));
    assert_eq!(
        message,
        "outdated: InvestigationPackage/a is called InvestigationPackage/b now, its call has not changed"
    );
    assert_eq!(line, "- address: InvestigationPackage/a");
    let (message, line) = outdated(&PACKAGE.replace("comment: x", "comment: new"));
    assert_eq!(
        message,
        "outdated: the call of InvestigationPackage/a has changed: comment was \"x\", is \"new\""
    );
    assert_eq!(line, "comment: x");
    let (message, line) = outdated(&PACKAGE.replace("comment: x", "comment: x, maxAttempts: 5"));
    assert_eq!(
        message,
        "outdated: InvestigationPackage/a has changed, its call has not: maxAttempts was 3, is 5"
    );
    assert_eq!(line, "maxAttempts: 3");
    let added = PACKAGE.replace("name: a", "name: c").replace("comment: x", "comment: z");
    let (message, _) = outdated(&format!("{PACKAGE}---\n{added}"));
    assert_eq!(message, "outdated: InvestigationPackage/c was added since");
}
