//! 401, 403 and 404 of the service explain themselves: what is missing, what to do, and the id to quote to support.

use crate::case::Case;

const MACHINE: &str = "fb9ab6be3965095a09c057be7c90f0a2";

/// A project with one package, and a service that refuses calls to an endpoint like this.
fn refusing(endpoint: &str, status: u16, message: &str) -> Case {
    let fault =
        format!("faults: [{{ on: {endpoint}, then: error, status: {status}, message: {message:?} }}]\n");
    let case = Case::new(&format!("{fault}delays: {{ pending: 3600 }}"), "{}");
    let manifest = "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: { name: p }\n";
    case.write(
        "manifests/a.yaml",
        &format!("{manifest}spec: {{ machineId: {MACHINE}, comment: INC-2042 }}\n"),
    );
    case
}

/// Commands as they are typed in the project's own folder.
fn as_in_the_folder(case: &Case, text: &str) -> String {
    text.replace(&format!("casefile -C {} ", case.dir.path().display()), "casefile ")
}

/// The service's words, their meaning, and the command that is named.
const REFUSALS: [(u16, &str, &str, &str); 7] = [
    (
        403,
        "Missing application roles. API required roles: Machine.CollectForensics, application roles: .",
        "the caller lacks Machine.CollectForensics",
        "once the role is granted",
    ),
    (403, "This feature is disabled for the tenant", "Plan 1 has no collections", "licence and feature"),
    (403, "No Tvm license", "the tenant has no licence for it", "licence and feature"),
    (403, "The operation is not allowed on this machine", "selective response", "casefile doctor"),
    (401, "Account mode is inactive", "the tenant has no licence for it", "licence and feature"),
    (401, "The token is not valid", "for another audience or cloud", "once the sign-in is right"),
    (404, "Machine fb9ab6 was not found", "in a device group that is not the caller's", "--replace"),
];

#[test]
fn a_run_says_what_a_refusal_means_and_the_next_plan_says_it_again() {
    for (status, message, means, next) in REFUSALS {
        let case = refusing("collect", status, message);
        let (_, err) = case.exits(1, &["apply", "--auto-approve"]);
        let err = as_in_the_folder(&case, &err);
        for part in [message.trim_end_matches('.'), means, next, "(correlation id |5a4db0c5-"] {
            assert!(err.contains(part), "{status} {message}: `{part}` in {err}");
        }
        let plan = case.plan(&[])["changes"][0].clone();
        let reason = plan["reason"].as_str().unwrap();
        assert!(reason.contains(message.trim_end_matches('.')) && reason.contains(means), "{reason}");
        assert!(reason.contains("correlation id"), "{reason}");
    }
}

#[test]
fn a_cancel_says_it_too() {
    for (status, message, means, next) in REFUSALS {
        let case = refusing("cancelAction", status, message);
        case.exits(0, &["apply", "--auto-approve"]);
        let (_, err) = case.exits(1, &["cancel", "p", "--comment", "over", "--auto-approve"]);
        let err = as_in_the_folder(&case, &err);
        let next = if status == 404 { "casefile status" } else { next };
        for part in [message.trim_end_matches('.'), means, next, "(correlation id |5a4db0c5-"] {
            assert!(err.contains(part), "{status} {message}: `{part}` in {err}");
        }
    }
}

#[test]
fn a_plan_names_the_permission_that_the_service_names() {
    for (status, message, next) in [
        (
            403,
            "Missing application roles. API required roles: Machine.ReadWrite.All, application roles: Machine.Read.All.",
            "grant the application Machine.ReadWrite.All",
        ),
        (403, "Not possible", "grant the application Machine.Read.All"),
        (403, "No Tvm license", "the tenant has no licence for this"),
        (401, "Account mode is inactive", "the tenant has no licence for this"),
        (401, "The token is not valid", "sign in anew"),
    ] {
        let case = refusing("listActions", status, message);
        let (_, err) = case.exits(1, &["plan"]);
        assert!(err.contains(next) && err.contains("(correlation id |5a4db0c5-"), "{message}: {err}");
        let (out, _) = case.exits(1, &["plan", "--format", "json"]);
        let plan: serde_json::Value = serde_json::from_str(&out).unwrap();
        let id = plan["unread"][0]["correlationId"].as_str().unwrap();
        assert!(id.starts_with("|5a4db0c5-"), "{plan}");
    }
}
