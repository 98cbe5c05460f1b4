//! A simulated service that checks what it is asked as the service does, through the binary.

use data_encoding::BASE64URL_NOPAD;

use crate::case::Case;

/// A machine and an event of the made-up ones.
const MACHINE: &str = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";

fn package(machine: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: a }}\nspec: {{ machineId: {machine}, \
         comment: INC-1 }}\n"
    )
}

fn alert(report: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: Alert\nmetadata: {{ name: b }}\nspec: {{ machineId: {MACHINE}, severity: Low, \
         title: t, description: d, recommendedAction: r, eventTime: 2018-08-03T16:45:21Z, reportId: '{report}', category: \
         Exploit }}\n"
    )
}

/// A token whose claims name these roles.
fn token(roles: &[&str]) -> String {
    let claims = serde_json::json!({
        "aud": "https://api.securitycenter.microsoft.com", "roles": roles, "exp": 4_000_000_000_u64
    });
    format!("e30.{}.x", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()))
}

#[test]
fn a_strict_service_knows_only_its_machines_and_events() {
    let case = Case::strict("{}");
    case.write("manifests/a.yaml", &package(&"ab".repeat(20)));
    case.write("manifests/b.yaml", &alert("4711"));
    let (out, err) = case.exits(1, &["apply", "--auto-approve"]);
    assert!(out.contains("2 refused"), "{out}{err}");
    assert!(err.contains("not found"), "{err}");
    assert!(case.effects().is_empty());
    // Without it, both are taken.
    let case = Case::new("", "{}");
    case.write("manifests/a.yaml", &package(&"ab".repeat(20)));
    case.write("manifests/b.yaml", &alert("4711"));
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(case.effects().len(), 2);
}

#[test]
fn a_strict_service_reads_the_roles_of_a_token() {
    let mut case = Case::strict("{}");
    case.write("manifests/a.yaml", &package(MACHINE));
    let reads = ["Machine.Read.All", "Alert.Read.All"];
    case.env.push(("CASEFILE_ACCESS_TOKEN", token(&reads)));
    case.exits(0, &["plan"]);
    let (_, err) = case.exits(1, &["apply", "--auto-approve"]);
    assert!(err.contains("Machine.CollectForensics"), "{err}");
    assert!(case.effects().is_empty());
    case.env.push(("CASEFILE_ACCESS_TOKEN", token(&[&reads[..], &["Machine.CollectForensics"]].concat())));
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(case.effects().len(), 1);
}
