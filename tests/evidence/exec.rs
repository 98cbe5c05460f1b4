//! `fetch --exec`: a command for each package that is newly held.

use crate::lab::{BEARER, Lab, SECRET};
use crate::server::Server;

fn run(lab: &Lab, command: &str) -> crate::lab::Ran {
    lab.run(&["fetch", "--format", "json", "--exec", command])
}

#[test]
fn a_command_runs_for_each_package_that_is_newly_held() {
    let server = Server::start();
    for lab in [Lab::applied(2, ""), Lab::in_bucket(&server, 2, "")] {
        let told = lab.path("told");
        let script = format!(
            r#"sh -euc 'sha256sum "$CASEFILE_FILE" | cut -c1-64 >>"{0}"; echo "$CASEFILE_SHA256" >>"{0}"; echo "$CASEFILE_FILE" >>"{0}.files"; \
               echo "$CASEFILE_ADDRESS $CASEFILE_DEVICE $CASEFILE_MACHINE_ID $CASEFILE_ACTION_ID $CASEFILE_SIZE $CASEFILE_STORE $CASEFILE_OBJECT $CASEFILE_INCIDENT." >>"{0}.more"; echo out'"#,
            told.display()
        );
        let ran = run(&lab, &script);
        assert_eq!(ran.code, Some(0), "{}", ran.text());
        let events = ran.events("executed");
        assert!(events.len() == 2 && events.iter().all(|e| e["exitCode"] == 0 && e.get("why").is_none()));
        assert_eq!(ran.events("summary")[0]["counts"]["executed"], 2);
        assert!(ran.stderr.matches("out\n").count() == 2, "stdout is for results alone: {}", ran.stderr);
        let told = std::fs::read_to_string(&told).unwrap();
        let told: Vec<&str> = told.lines().collect();
        assert!(told[0] == told[1] && told[2] == told[3] && told[0] != told[2], "{told:?}");
        let more = std::fs::read_to_string(lab.path("told.more")).unwrap();
        for record in lab.records("fetched") {
            for field in ["address", "machineName", "machineId", "actionId", "store", "file"] {
                assert!(more.contains(record[field].as_str().unwrap()), "{field}: {more}");
            }
        }
        // A copy is gone; what is held stays.
        for file in std::fs::read_to_string(lab.path("told.files")).unwrap().lines() {
            let held = lab.evidence().iter().any(|f| f.as_os_str() == file);
            assert_eq!(std::path::Path::new(file).exists(), held, "{file}");
        }
        // What is held already is not handed on again.
        assert!(run(&lab, &script).events("executed").is_empty());
    }
}

#[test]
fn a_command_that_fails_leaves_the_package_held() {
    let lab = Lab::applied(2, "");
    let ran = run(&lab, r#"sh -c 'case $CASEFILE_ADDRESS in */p0) exit 7;; esac'"#);
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    let codes: Vec<_> = ran.events("executed").iter().map(|e| e["exitCode"].clone()).collect();
    assert_eq!(codes, [7, 0]);
    let summary = &ran.events("summary")[0];
    assert_eq!((&summary["counts"]["executed"], &summary["counts"]["executeFailed"]), (&1.into(), &1.into()));
    assert_eq!(summary["attention"][0], "InvestigationPackage/p0");
    lab.holds(2);
    let lab = Lab::applied(1, "");
    let ran = lab.run(&["fetch", "--exec", "no-such-program-anywhere"]);
    assert!(ran.code == Some(1) && ran.text().contains("cannot be started"), "{}", ran.text());
    assert!(ran.text().contains("1 command failed; the packages are held"), "{}", ran.text());
    lab.holds(1);
}

#[test]
fn no_credential_of_ours_is_in_its_environment() {
    let server = Server::start();
    let lab = Lab::in_bucket(&server, 1, "");
    let mut command = lab.command(crate::sandbox::BIN);
    for name in [
        "AZURE_CLIENT_SECRET",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "GOOGLE_SERVICE_ACCOUNT",
        "SYSTEM_ACCESSTOKEN",
        "IDENTITY_HEADER",
    ] {
        command.env(name, SECRET);
    }
    command.env("OF_THE_USER", "stays");
    command.arg("-C").arg(lab.path("")).args(["fetch", "--exec", "env"]);
    let ran = Lab::ran(command);
    assert!(
        ran.stderr.contains("CASEFILE_SHA256=") && ran.stderr.contains("OF_THE_USER=stays"),
        "{}",
        ran.text()
    );
    for secret in [SECRET, BEARER] {
        assert!(!ran.text().contains(secret), "{}", ran.text());
    }
}

#[test]
fn what_only_a_shell_understands_is_refused_before_anything_is_fetched() {
    let lab = Lab::applied(1, "");
    let ran = lab.run(&["fetch", "--exec", "unzip -l $CASEFILE_FILE"]);
    assert!(ran.code == Some(64) && ran.text().contains("write sh -c"), "{:?} {}", ran.code, ran.text());
    assert!(lab.records("linkRequested").is_empty());
}
