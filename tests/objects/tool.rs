//! The whole tool with its state in a bucket, against the sandbox.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use super::served::{Served, write_project};
use super::server::{Fate, Server};

/// A sandbox, a project, and where its state is.
pub struct Lab {
    dir: TempDir,
    served: Served,
    environment: Vec<(&'static str, String)>,
}

/// The names under which a bucket and its secrets are found; none of them is taken from outside.
const NAMES: [&str; 16] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_USE_EMULATOR",
    "AZURITE_BLOB_STORAGE_URL",
    "GOOGLE_BASE_URL",
    "GOOGLE_SKIP_SIGNATURE",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "CASEFILE_STATE_URL",
    "CASEFILE_ALLOW_STORE",
    "RUST_LOG",
];

impl Lab {
    pub fn new(machines: usize, url: &str, environment: Vec<(&'static str, String)>) -> Lab {
        Lab::with(TempDir::new().unwrap(), machines, url, environment)
    }

    /// The same, with packages that are sent in several pieces and are held at a URL.
    pub fn with_evidence(url: &str, environment: Vec<(&'static str, String)>) -> Lab {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("scenario.yaml"), "packages: { fillerKib: 20000 }\n").unwrap();
        let lab = Lab::with(dir, 2, &format!("{url}/state"), environment);
        let path = lab.dir.path().join("casefile.yaml");
        let project = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{project}  evidence: {{ url: \"{url}/evidence\" }}\n")).unwrap();
        lab
    }

    fn with(dir: TempDir, machines: usize, url: &str, environment: Vec<(&'static str, String)>) -> Lab {
        let served = Served::start(dir.path());
        let lab = Lab { dir, served, environment };
        write_project(&lab.project(), url, machines);
        lab
    }

    pub fn on(server: &Server, machines: usize) -> Lab {
        let environment = vec![
            ("AWS_ENDPOINT_URL", server.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", "key".into()),
            ("AWS_SECRET_ACCESS_KEY", "s3cret-key".into()),
        ];
        Lab::new(machines, "s3://bucket/ir", environment)
    }

    /// The same by the language of Google Cloud Storage.
    fn on_google(server: &Server, machines: usize) -> Lab {
        let environment = vec![
            ("GOOGLE_BASE_URL", server.endpoint.clone()),
            (
                "GOOGLE_SERVICE_ACCOUNT_KEY",
                r#"{"private_key":"k","private_key_id":"i","client_email":"e","disable_oauth":true}"#.into(),
            ),
        ];
        Lab::new(machines, "gs://bucket/ir", environment)
    }

    pub fn project(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// The tool, as on the machine `name`: each has a cache of its own.
    pub fn command(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_casefile"));
        command.arg("-C").arg(self.dir.path()).args(words).stdin(Stdio::null());
        for name in NAMES {
            command.env_remove(name);
        }
        command.env("CASEFILE_ENDPOINT", &self.served.endpoint).env("CASEFILE_ACCESS_TOKEN", "t");
        command.env("CASEFILE_CACHE_DIR", self.dir.path().join(format!("{name}.cache")));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn run(&self, name: &str, words: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(name, words).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(stdout), text(stderr));
        assert!(!format!("{stdout}{stderr}").contains("s3cret"), "{stdout}{stderr}");
        (status.code().unwrap_or(-1), stdout, stderr)
    }

    /// How many collections the service has begun.
    pub fn collections(&self) -> usize {
        self.served.collections()
    }

    /// One machine applies, another one that knows nothing goes on: what holds of every store.
    pub fn goes_on(&self, machines: usize) {
        let (code, _, stderr) = self.run("one", &["apply", "--auto-approve"]);
        assert_eq!(code, 0, "{stderr}");
        assert!(stderr.contains("head sha256:") && stderr.contains("lineage: "), "{stderr}");
        assert_eq!(self.collections(), machines);
        let (code, stdout, stderr) = self.run("two", &["plan", "--detailed-exitcode"]);
        assert_eq!(code, 0, "{stdout}{stderr}");
        let (code, ..) = self.run("two", &["apply", "--auto-approve"]);
        assert_eq!((code, self.collections()), (0, machines));
        let (code, stdout, _) = self.run("two", &["verify"]);
        assert_eq!(code, 0, "{stdout}");
        let copy = self.dir.path().join("copy");
        assert_eq!(self.run("two", &["state", "pull", copy.to_str().unwrap()]).0, 0);
        let mut verify = self.command("two", &["verify"]);
        let local = verify.env("CASEFILE_STATE_URL", format!("file:{}", copy.display())).output().unwrap();
        assert!(local.status.success(), "{}", String::from_utf8_lossy(&local.stdout));
    }

    /// Packages are held once, found as they were, and handed on: what holds of every store.
    pub fn holds_evidence(&self) {
        let (code, _, stderr) = self.run("one", &["apply", "--auto-approve", "--wait", "--fetch"]);
        assert_eq!(code, 0, "{stderr}");
        let (code, stdout, stderr) = self.run("two", &["fetch"]);
        assert!(code == 0 && stdout.contains("2 packages held already"), "{stdout}{stderr}");
        let (code, stdout, stderr) = self.run("two", &["verify"]);
        assert!(code == 0 && stdout.contains("2 packages are as they were"), "{stdout}{stderr}");
        let (code, stdout, stderr) = self.run("two", &["export", "--bagit", "bag"]);
        assert_eq!(code, 0, "{stdout}{stderr}");
        assert!(self.dir.path().join("bag/bagit.txt").exists() && !self.dir.path().join("evidence").exists());
    }

    /// Several processes on one set of resources.
    pub fn at_once(&self, processes: usize, machines: usize) {
        let words = ["apply", "--auto-approve", "--lock-timeout", "2m"];
        let names: Vec<String> = (0..processes).map(|n| format!("at-once-{n}")).collect();
        let running: Vec<Child> = names
            .iter()
            .map(|n| self.command(n, &words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
            .collect();
        let mut ends = Vec::new();
        for child in running {
            let output = child.wait_with_output().unwrap();
            ends.push((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        assert_eq!(self.collections(), machines, "{ends:?}");
        assert!(ends.iter().all(|(code, _)| matches!(code, Some(0 | 4))), "{ends:?}");
        assert!(ends.iter().any(|(code, _)| *code == Some(0)), "{ends:?}");
        let (code, stdout, _) = self.run("after", &["verify"]);
        assert_eq!(code, 0, "{stdout}");
    }
}

#[test]
fn another_machine_goes_on() {
    let server = Server::start();
    let lab = Lab::on(&server, 40);
    lab.goes_on(40);
    assert!(server.inner().puts() <= 14, "{} puts", server.inner().puts());
    server.inner().requests.clear();
    assert_eq!(lab.run("three", &["plan"]).0, 0);
    let requests = server.inner().requests.clone();
    assert!(requests.len() <= 4, "{requests:?}");
    // However many pages a list has.
    server.inner().page = 2;
    assert_eq!(lab.run("three", &["verify"]).0, 0);
    assert_eq!(lab.run("four", &["plan", "--detailed-exitcode"]).0, 0);
}

/// No emulator that can be had holds to `x-goog-if-generation-match`, so this server does.
#[test]
fn google_cloud_storage_is_spoken_to_by_generations() {
    let server = Server::start();
    let lab = Lab::on_google(&server, 10);
    lab.goes_on(10);
    server.inner().requests.clear();
    assert_eq!(lab.run("three", &["plan"]).0, 0);
    let requests = server.inner().requests.clone();
    assert!(requests.len() <= 4, "{requests:?}");
    Lab::on_google(&Server::start(), 6).at_once(8, 6);
    // A store that does not hold to it is told off.
    let server = Server::start();
    server.inner().lies = true;
    let lab = Lab::on_google(&server, 1);
    let (code, _, stderr) = lab.run("one", &["apply", "--auto-approve"]);
    assert!(code == 1 && stderr.contains("twice"), "{stderr}");
    assert_eq!(lab.collections(), 0);
}

#[test]
fn a_package_is_fetched_once_whoever_asks() {
    let server = Server::start();
    let lab = Lab::on(&server, 1);
    let (code, _, stderr) = lab.run("one", &["apply", "--auto-approve", "--wait", "--fetch"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("fetched"), "{stderr}");
    let (code, stdout, stderr) = lab.run("two", &["fetch"]);
    assert!(code == 0 && stdout.contains("held already"), "{stdout}{stderr}");
    let (code, stdout, _) = lab.run("two", &["verify"]);
    assert!(code == 0 && stdout.contains("1 package is as it was"), "{stdout}");
}

#[test]
fn large_packages_are_held_in_the_bucket_and_handed_on() {
    let server = Server::start();
    let lab = Lab::on(&server, 0);
    Lab::with_evidence("s3://bucket/ir", lab.environment.clone()).holds_evidence();
    let server = Server::start();
    let lab = Lab::on_google(&server, 0);
    Lab::with_evidence("gs://bucket/ir", lab.environment.clone()).holds_evidence();
}

#[test]
fn eight_processes_at_once_do_everything_once() {
    let server = Server::start();
    Lab::on(&server, 6).at_once(8, 6);
}

/// The tool is killed while the `nth` object is put, which is there afterwards or is not; another machine goes on.
#[test]
fn a_process_that_is_killed_at_any_put_loses_nothing() {
    for (nth, fate) in [
        (1, Fate::NeverArrives),
        (1, Fate::AnswerLost),
        (2, Fate::AnswerLost),
        (3, Fate::NeverArrives),
        (3, Fate::AnswerLost),
        (4, Fate::NeverArrives),
        (4, Fate::AnswerLost),
    ] {
        let server = Server::start();
        let lab = Lab::on(&server, 2);
        let tell = server.kill_at(nth, fate);
        let mut command = lab.command("one", &["apply", "--auto-approve"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tell.send(child.id()).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), None, "put {nth}, {fate:?}: it was not killed");
        server.rule(|_, _| Fate::Done);
        let made = lab.collections();
        // The first put holds the intents, the second is the proof that nothing is put twice; calls follow.
        assert_eq!(made, if nth < 3 { 0 } else { 2 }, "put {nth}, {fate:?}");
        let (_, stdout, stderr) = lab.run("two", &["plan"]);
        let creates = stdout.matches("\n  + package").count();
        let expected = if (nth, fate) == (1, Fate::NeverArrives) { 2 } else { 0 };
        assert_eq!(creates, expected, "put {nth}, {fate:?}: {stdout}{stderr}");
        // What has no outcome yet waits until it can no longer come, or is found.
        assert_eq!(lab.collections(), made, "put {nth}, {fate:?}");
    }
}

#[test]
fn what_a_bucket_refuses_is_told_and_nothing_is_sent() {
    type Make = fn(&Server);
    let cases: [(&str, Make, &[&str]); 6] = [
        ("lies", |s| s.inner().lies = true, &["took", "twice", "If-None-Match"]),
        ("no ETags", |s| s.inner().no_etags = true, &["without an ETag"]),
        (
            "may not write",
            |s| s.rule(|m, _| if m == "PUT" { Fate::Refused(403, "AccessDenied") } else { Fate::Done }),
            &["AccessDenied", "docs/shared-state.md"],
        ),
        (
            "may not read",
            |s| s.rule(|_, _| Fate::Refused(403, "AccessDenied")),
            &["AccessDenied", "docs/shared-state.md"],
        ),
        (
            "no bucket",
            |s| s.rule(|_, _| Fate::Refused(404, "NoSuchBucket")),
            &["NoSuchBucket", "create the bucket"],
        ),
        (
            "no conditional writes",
            |s| s.rule(|m, _| if m == "PUT" { Fate::Refused(501, "NotImplemented") } else { Fate::Done }),
            &["NotImplemented", "conditional writes"],
        ),
    ];
    for (name, make, words) in cases {
        let server = Server::start();
        let lab = Lab::on(&server, 1);
        make(&server);
        let (code, _, stderr) = lab.run("one", &["apply", "--auto-approve"]);
        assert_eq!(code, 1, "{name}: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "{name}: `{word}` is missing: {stderr}");
        }
        assert_eq!(lab.collections(), 0, "{name}");
    }
}

#[test]
fn an_outcome_that_cannot_be_put_is_kept_and_comes_back() {
    let server = Server::start();
    let lab = Lab::on(&server, 1);
    let mut puts = 0;
    server.rule(move |method, _| {
        puts += usize::from(method == "PUT");
        if puts > 2 && method == "PUT" { Fate::Refused(403, "AccessDenied") } else { Fate::Done }
    });
    let (code, _, stderr) = lab.run("one", &["apply", "--auto-approve"]);
    assert_eq!((code, lab.collections()), (1, 1), "{stderr}");
    server.rule(|_, _| Fate::Done);
    let (_, _, stderr) = lab.run("one", &["apply", "--auto-approve"]);
    assert!(stderr.contains("taken in"), "{stderr}");
    assert_eq!(lab.collections(), 1);
    let (_, stdout, _) = lab.run("two", &["state", "list"]);
    assert!(stdout.contains("InProgress"), "{stdout}");
}

#[test]
fn a_bucket_that_the_project_alone_names_gets_no_credentials() {
    let server = Server::start();
    let lab = Lab::on(&server, 1);
    let elsewhere = |names: &[(&str, &str)]| {
        let mut command = lab.command("one", &["plan"]);
        command.env_remove("AWS_ENDPOINT_URL").envs(names.iter().copied());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, stderr) = elsewhere(&[]);
    assert!(code == Some(1) && stderr.contains("CASEFILE_ALLOW_STORE=s3://bucket/ir"), "{stderr}");
    let (code, stderr) = elsewhere(&[("AWS_ENDPOINT_URL", "http://storage.invalid")]);
    assert!(code == Some(1) && stderr.contains("no https address"), "{stderr}");
    for url in ["s3://key:s3cret@bucket/ir", "s3://bucket/ir?X-Amz-Signature=s3cret"] {
        let (code, stderr) = elsewhere(&[("CASEFILE_STATE_URL", url)]);
        assert!(code == Some(1) && !stderr.contains("s3cret"), "{url}: {stderr}");
    }
    assert_eq!(server.inner().requests, Vec::<String>::new());
}

#[test]
fn a_state_moves_into_a_bucket_and_out_of_it() {
    let server = Server::start();
    let lab = Lab::on(&server, 2);
    let file = lab.project().join("casefile.yaml");
    let project = std::fs::read_to_string(&file).unwrap();
    let at = |url: &str| std::fs::write(&file, project.replace("s3://bucket/ir", url)).unwrap();
    at("file:.casefile");
    assert_eq!(lab.run("one", &["apply", "--auto-approve"]).0, 0);
    // Refused before the old place is closed.
    server.inner().lies = true;
    let (code, _, stderr) = lab.run("one", &["state", "migrate", "--to", "s3://bucket/ir"]);
    assert!(code == 1 && stderr.contains("twice"), "{stderr}");
    server.inner().lies = false;
    assert_eq!(lab.run("one", &["plan", "--detailed-exitcode"]).0, 0);
    let (code, _, stderr) = lab.run("one", &["state", "migrate", "--to", "s3://bucket/ir"]);
    assert_eq!(code, 0, "{stderr}");
    let (code, _, stderr) = lab.run("one", &["apply", "--auto-approve"]);
    assert!(code == 4 && stderr.contains("has moved to s3://bucket/ir"), "{code} {stderr}");
    at("s3://bucket/ir");
    let (code, _, stderr) = lab.run("two", &["apply", "--auto-approve"]);
    assert_eq!((code, lab.collections()), (0, 2), "{stderr}");
    assert_eq!(lab.run("two", &["verify"]).0, 0);
    let (code, _, stderr) = lab.run("two", &["state", "migrate", "--to", "file:back"]);
    assert_eq!(code, 0, "{stderr}");
    at("file:back");
    let (code, _, stderr) = lab.run("two", &["apply", "--auto-approve"]);
    assert_eq!((code, lab.collections()), (0, 2), "{stderr}");
}
