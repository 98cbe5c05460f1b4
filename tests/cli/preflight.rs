//! `apply` begins with what its token says: a run that must fail half-way is not begun.

use crate::case::Case;
use crate::doctor::token;

const PACKAGE: &str = "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: { name: p }\n\
                       spec: { machineId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07, comment: INC-2042 }\n";

const ALERT: &str = "---\napiVersion: casefile/v1\nkind: Alert\nmetadata: { name: a }\n\
                     spec: { machineId: fb9ab6be3965095a09c057be7c90f0a2b84d0cc0, severity: Low, title: t, description: d, \
                     recommendedAction: r, eventTime: 2026-03-01T00:00:00Z, reportId: \"1\", category: Malware }\n";

const READS: &str = r#""Machine.Read.All","Alert.Read.All""#;

fn case() -> Case {
    let case = Case::new("", "{}");
    case.write("manifests/a.yaml", &format!("{PACKAGE}{ALERT}"));
    case
}

/// Signs in with a token of these roles, and for this audience.
fn sign_in(case: &mut Case, audience: &str, roles: &str) {
    let claims = format!(r#"{{"tid":"t1","aud":"{audience}","exp":4102444800,"roles":[{roles}]}}"#);
    case.env.push(("CASEFILE_ACCESS_TOKEN", token(&claims)));
}

const DEFENDER: &str = "https://api.securitycenter.microsoft.com";

#[test]
fn a_run_whose_token_lacks_a_permission_is_not_begun() {
    let mut case = case();
    sign_in(&mut case, DEFENDER, &format!("{READS},\"Machine.CollectForensics\""));
    let (out, err) = case.exits(1, &["apply", "--auto-approve"]);
    assert!(out.contains("To send: 1 package, 1 alert."), "the plan is shown: {out}");
    let lacks = "  the token does not hold Alert.ReadWrite.All, needed for new alerts (1 call)\n";
    assert!(err.contains("error: this run must fail, nothing was sent:\n") && err.contains(lacks), "{err}");
    assert!(err.contains("--no-preflight") && err.contains("next: casefile "), "{err}");
    assert!(err.trim_end().ends_with(" doctor"), "{err}");
    // A reviewed plan goes the same way.
    let digest = case.plan(&[])["digest"].as_str().unwrap().to_owned();
    case.exits(1, &["apply", "--expect", &digest]);
    assert!(case.effects().is_empty());
    // Who knows better starts all the same: the package is asked for, the alert is refused by the service itself.
    let (_, err) = case.exits(1, &["apply", "--auto-approve", "--no-preflight"]);
    assert!(err.contains("the caller lacks Alert.ReadWrite.All"), "{err}");
    assert_eq!(case.effects().len(), 1);
    // What the plan has no call for is not needed.
    case.write("manifests/a.yaml", PACKAGE);
    case.exits(0, &["apply", "--auto-approve"]);
}

#[test]
fn a_token_for_something_else_is_refused_before_anything_is_read() {
    let mut case = case();
    for (audience, of) in [
        ("https://graph.microsoft.com", "Microsoft Graph"),
        ("https://management.core.windows.net/", "Azure Resource Manager"),
    ] {
        sign_in(&mut case, audience, READS);
        let (_, err) = case.exits(1, &["apply", "--auto-approve"]);
        assert!(err.contains(&format!("the token is for {of} ({audience}), not for Defender")), "{err}");
    }
    assert_eq!(case.asked(["listActions", "listAlerts", "collect"]), [0, 0, 0]);
    sign_in(&mut case, "https://graph.microsoft.com", READS);
    let (_, err) = case.exits(1, &["apply", "--auto-approve", "--no-preflight"]);
    assert!(err.contains("403"), "the service says it then: {err}");
}

#[test]
fn a_token_that_cannot_be_read_says_nothing_and_passes() {
    let mut case = case();
    let (_, err) = case.exits(0, &["apply", "--auto-approve"]);
    assert!(!err.contains("token") && !err.contains("preflight"), "{err}");
    // Nor does a scope that is none of the API's own.
    let claims = format!(r#"{{"tid":"t1","aud":"{DEFENDER}","exp":4102444800,"scp":"user_impersonation"}}"#);
    case.env.push(("CASEFILE_ACCESS_TOKEN", token(&claims)));
    case.write("manifests/b.yaml", &PACKAGE.replace("name: p", "name: q").replace("1e5b", "2e5b"));
    let (_, err) = case.exits(1, &["apply", "--auto-approve"]);
    assert!(
        !err.contains("this run must fail"),
        "the service denies it, and the token did not say so: {err}"
    );
}
