//! Tokens leave for the hosts of the service and for this machine, whatever a project says.

use std::path::Path;
use std::process::Command;

use crate::case::Case;
use crate::sandbox::{BIN, Sandbox};

/// A project, and a sign-in tool that leaves a mark when it is asked for a token.
struct Lab {
    dir: tempfile::TempDir,
}

const MANIFEST: &str = "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: { name: a }\nspec:\n  \
                        machineId: fb9ab6be3965095a09c057be7c90f0a2\n  comment: c\n";

impl Lab {
    fn new() -> Lab {
        let lab = Lab { dir: tempfile::tempdir().unwrap() };
        for folder in ["project/manifests", "bin"] {
            std::fs::create_dir_all(lab.path(folder)).unwrap();
        }
        std::fs::write(lab.path("project/manifests/a.yaml"), MANIFEST).unwrap();
        let reply = r#"{"accessToken":"minted","expires_on":32503680000,"tokenType":"Bearer"}"#;
        let az = format!("#!/bin/sh\n: >'{}'\necho '{reply}'\n", lab.path("minted").display());
        std::fs::write(lab.path("bin/az"), az).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(lab.path("bin/az"), mode).unwrap();
        }
        lab
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Runs with `defender` in the project file: exit code and stderr.
    fn run(&self, defender: &str, args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String) {
        let head = "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: t }\n";
        let spec = format!("spec: {{ defender: {defender}, auth: {{ method: azure-cli }} }}\n");
        std::fs::write(self.path("project/casefile.yaml"), format!("{head}{spec}")).unwrap();
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        let mut command = Command::new(BIN);
        command.arg("-C").arg(self.path("project")).args(args).env_clear().env("PATH", path).env("CI", "1");
        let output = command.envs(env.iter().copied()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    fn is_minted(&self) -> bool {
        self.path("minted").exists()
    }
}

#[cfg(unix)]
#[test]
fn no_token_is_even_asked_for() {
    let lab = Lab::new();
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/endpoints.txt");
    let list = std::fs::read_to_string(list).unwrap();
    let hostile = list.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
    for url in hostile.chain(["https://defender.example"]) {
        // The text as YAML: JSON is YAML.
        let url = serde_json::to_string(url).unwrap();
        for defender in [
            format!("{{ endpoint: {url} }}"),
            format!("{{ cloud: sandbox, endpoint: {url} }}"),
            format!("{{ hunting: defender, endpoint: {url} }}"),
            format!("{{ graphEndpoint: {url} }}"),
        ] {
            let (code, err) = lab.run(&defender, &["plan"], &[]);
            assert!(matches!(code, Some(1 | 64)), "{defender}: {code:?} {err}");
            assert!(!lab.is_minted(), "{defender}: {err}");
        }
    }
    // The mark means something: a service on this machine gets the token.
    let sandbox = Sandbox::start("{}");
    let (code, err) = lab.run(&format!("{{ endpoint: \"{}\" }}", sandbox.url), &["plan"], &[]);
    assert_eq!(code, Some(0), "{err}");
    assert!(lab.is_minted());
}

#[test]
fn the_way_to_allow_a_host_is_told_and_no_project_file_is_it() {
    let lab = Lab::new();
    let gateway = "{ endpoint: \"https://defender.example:8443\" }";
    let offline = ["plan", "--no-refresh"];
    let (code, err) = lab.run(gateway, &offline, &[]);
    assert_eq!(code, Some(1), "{err}");
    for part in
        ["defender.endpoint: ", "`defender.example:8443`", "CASEFILE_ALLOW_HOST=defender.example:8443"]
    {
        assert!(err.contains(part), "{part}: {err}");
    }
    // Nothing in the folder allows it.
    std::fs::write(lab.path("project/.env"), "CASEFILE_ALLOW_HOST=defender.example:8443\n").unwrap();
    let (code, err) =
        lab.run("{ endpoint: \"https://defender.example\", allowHosts: [defender.example] }", &offline, &[]);
    assert_eq!(code, Some(1), "{err}");

    let name = "CASEFILE_ALLOW_HOST";
    for (args, env, fine) in [
        (&[][..], &[(name, "other.example, defender.example:8443")][..], true),
        (&["--allow-host", "Defender.Example:8443"], &[], true),
        (&["--allow-host", "other.example", "--allow-host", "defender.example:8443"], &[], true),
        (&["--allow-host", "defender.example"], &[], false),
        (&[], &[(name, "example")], false),
    ] {
        let (code, err) = lab.run(gateway, &[&offline, args].concat(), env);
        assert_eq!(code, Some(i32::from(!fine)), "{args:?} {env:?} {err}");
    }
    let (code, err) = lab.run(gateway, &offline, &[(name, "https://defender.example")]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains(name) && err.contains("is no host"), "{err}");
    let (code, err) = lab.run(gateway, &["plan", "--allow-host", "*.example"], &[]);
    assert_eq!(code, Some(64), "{err}");
    // What the environment names is held to the same rule.
    let (code, err) = lab.run("{}", &offline, &[("CASEFILE_ENDPOINT", "https://defender.example")]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("CASEFILE_ENDPOINT: "), "{err}");
}

#[test]
fn a_plan_and_a_seal_say_whose_service_it_is() {
    let case = Case::new("{}", "{}");
    case.write("manifests/a.yaml", MANIFEST);
    let host = case.sandbox.url.strip_prefix("http://").unwrap();
    let line = format!("cloud public, host {host}");
    let (out, _) = case.exits(0, &["plan"]);
    assert!(out.contains(&format!("Service: {line}\n")), "{out}");
    let (out, _) = case.exits(0, &["plan", "--format", "markdown"]);
    assert!(out.contains(&format!("Service: `{line}`\n")), "{out}");
    assert_eq!(case.plan(&[])["service"], serde_json::json!({ "cloud": "public", "host": host }));

    // What was reviewed for one service is not sent to another.
    case.exits(0, &["seal"]);
    assert!(!case.read("manifests/a.sealed.yaml").contains("service:"), "the default one is not named");
    case.project("{ defender: { cloud: public, region: eu } }");
    let (out, _) = case.exits(1, &["validate", "--sealed"]);
    assert!(out.contains("seal-outdated") && out.contains("calls another service"), "{out}");
    let (_, err) = case.exits(4, &["apply", "--sealed"]);
    assert!(err.contains("a.sealed.yaml is for another service"), "{err}");
    assert!(case.effects().is_empty());
    case.exits(0, &["seal"]);
    let seal = case.read("manifests/a.sealed.yaml");
    assert!(seal.contains("service:\n  cloud: public\n  region: eu\n"), "{seal}");
    case.exits(0, &["apply", "--sealed"]);
    assert_eq!(case.effects().len(), 1);
}

#[test]
fn cloud_and_tenant_are_told_where_they_are_not_the_default() {
    let lab = Lab::new();
    let plan = |defender: &str| {
        let head = "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: t }\n";
        std::fs::write(
            lab.path("project/casefile.yaml"),
            format!("{head}spec: {{ defender: {defender} }}\n"),
        )
        .unwrap();
        let mut command = Command::new(BIN);
        command
            .arg("-C")
            .arg(lab.path("project"))
            .args(["plan", "--no-refresh", "--format", "markdown"])
            .env_clear();
        let output = command.output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        text.lines().find_map(|l| l.strip_prefix("Service: `")?.strip_suffix('`').map(str::to_owned))
    };
    let tenant = "00000000-0000-0000-0000-00000000000a";
    assert_eq!(plan("{}"), None);
    assert_eq!(plan("{ cloud: public, endpoint: \"https://api.security.microsoft.com\" }"), None);
    assert_eq!(plan("{ cloud: sandbox }").as_deref(), Some("cloud sandbox, simulated on this computer"));
    assert_eq!(
        plan("{ cloud: dod }").as_deref(),
        Some("cloud dod, host api-gov.securitycenter.microsoft.us")
    );
    assert_eq!(plan("{ region: eu }").as_deref(), Some("cloud public, host eu.api.security.microsoft.com"));
    let of_tenant = format!("cloud public, host api.security.microsoft.com, tenant {tenant}");
    assert_eq!(plan(&format!("{{ tenantId: {tenant} }}")), Some(of_tenant));
    let graph = plan("{ graphEndpoint: \"https://graph.microsoft.us\" }");
    assert_eq!(
        graph.as_deref(),
        Some("cloud public, host api.security.microsoft.com, Microsoft Graph at graph.microsoft.us")
    );
}
