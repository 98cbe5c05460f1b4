//! A project with packages, its service, and runs of the tool.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::sandbox::{BIN, Sandbox};
use crate::server::Server;

/// The token that the tool signs in with.
pub const BEARER: &str = "bearer-that-nobody-may-see";

/// The key that the bucket is asked with.
pub const SECRET: &str = "s3cret-key-that-nobody-may-see";

pub struct Lab {
    dir: tempfile::TempDir,
    sandbox: Sandbox,
    /// Where the bucket is, if evidence is kept in one.
    bucket: Option<String>,
}

/// A run that ended.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Everything that was printed, in one line.
    pub fn text(&self) -> String {
        let text = format!("{} {}", self.stdout, self.stderr);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The events of a kind.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let lines = self.stdout.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
        lines.filter(|e| e["event"] == kind).collect()
    }
}

impl Lab {
    /// So many packages whose collections are over at once, by a service with these rules beside.
    pub fn new(packages: usize, scenario: &str) -> Lab {
        let usual = "quotas: { enabled: false }\ndelays: { pending: 0, running: 0 }\n";
        Lab::with(
            packages,
            &format!("{usual}{scenario}"),
            "quotas: { package: { perMinute: unlimited, perHour: unlimited } }",
        )
    }

    pub fn with(packages: usize, scenario: &str, spec: &str) -> Lab {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("manifests")).unwrap();
        let head = "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: lab }\n";
        let spec = format!("{head}spec:\n  auth: {{ method: token }}\n  {spec}\n");
        std::fs::write(dir.path().join("casefile.yaml"), spec).unwrap();
        let manifests: String = (0..packages)
            .map(|n| {
                format!(
                    "---\napiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: p{n}, labels: {{ part: \"{n}\" }} }}\n\
                     spec: {{ machineId: \"{}\", comment: INC-2042 }}\n",
                    machine(n)
                )
            })
            .collect();
        std::fs::write(dir.path().join("manifests/a.yaml"), manifests).unwrap();
        Lab { dir, sandbox: Sandbox::start(scenario), bucket: None }
    }

    /// The same, its collections asked for.
    pub fn applied(packages: usize, scenario: &str) -> Lab {
        let lab = Lab::new(packages, scenario);
        lab.apply();
        lab
    }

    /// The same, with evidence in a bucket.
    pub fn in_bucket(server: &Server, packages: usize, scenario: &str) -> Lab {
        let usual = "quotas: { enabled: false }\ndelays: { pending: 0, running: 0 }\n";
        let spec = "quotas: { package: { perMinute: unlimited, perHour: unlimited } }\n  evidence: { url: \"s3://bucket/case\" }";
        let mut lab = Lab::with(packages, &format!("{usual}{scenario}"), spec);
        lab.bucket = Some(server.endpoint.clone());
        lab.apply();
        lab
    }

    /// Goes on with the same service by another scenario. Its world is that of the last time, from the second one on.
    pub fn go_on_with(&mut self, scenario: &str) {
        let usual = "quotas: { enabled: false }\ndelays: { pending: 0, running: 0 }\n";
        let world = self.path("world.json");
        let args = ["--world", world.to_str().unwrap()];
        self.sandbox.restart(&format!("{usual}{scenario}"), &args);
    }

    pub fn apply(&self) {
        let ran = self.run(&["apply", "--auto-approve"]);
        assert_eq!(ran.code, Some(0), "{}", ran.text());
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for name in ["CASEFILE_STATE_URL", "CASEFILE_ALLOW_STORE", "AZURE_CLIENT_SECRET", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.env("CASEFILE_CACHE_DIR", self.path("cache"));
        if let Some(endpoint) = &self.bucket {
            command.env("AWS_ENDPOINT_URL", endpoint);
            command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", SECRET);
        }
        command.env("CASEFILE_ENDPOINT", &self.sandbox.url).env("CASEFILE_ACCESS_TOKEN", BEARER);
        command.env("USER", "ann").stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.command(BIN);
        command.arg("-C").arg(self.dir.path()).args(args);
        Lab::ran(command)
    }

    pub fn ran(mut command: Command) -> Ran {
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    #[track_caller]
    pub fn fetch(&self, code: i32) -> Ran {
        let ran = self.run(&["fetch", "--format", "json"]);
        assert_eq!(ran.code, Some(code), "{}", ran.text());
        ran
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Every file below the evidence folder, by its path, sorted.
    pub fn evidence(&self) -> Vec<PathBuf> {
        files(&self.path("evidence"))
    }

    pub fn held(&self, ending: &str) -> Vec<PathBuf> {
        self.evidence().into_iter().filter(|p| p.to_string_lossy().ends_with(ending)).collect()
    }

    /// The records of a kind.
    pub fn records(&self, kind: &str) -> Vec<Value> {
        let journal = std::fs::read_to_string(self.path(".casefile/journal.jsonl")).unwrap();
        let lines = journal.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
        lines.filter_map(|l| l["record"].get(kind).cloned()).collect()
    }

    /// Checks that every package is held, once, readable only, as its record says.
    #[track_caller]
    pub fn holds(&self, packages: usize) {
        let records = self.records("fetched");
        let zips = self.held(".zip");
        assert_eq!((zips.len(), records.len()), (packages, packages));
        assert_eq!(self.evidence().len(), 2 * packages, "{:?}", self.evidence());
        for record in records {
            let zip = self.path("evidence").join(record["file"].as_str().unwrap());
            let bytes = std::fs::read(&zip).unwrap();
            assert_eq!(record["sha256"], data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)));
            assert_eq!(record["size"], bytes.len());
            assert_eq!(mode(&zip), 0o400);
            assert_eq!(mode(zip.parent().unwrap()), 0o700);
            let json: Value =
                serde_json::from_slice(&std::fs::read(zip.with_extension("json")).unwrap()).unwrap();
            assert_eq!(json, record);
        }
        let ran = self.run(&["verify"]);
        assert_eq!(ran.code, Some(0), "{}", ran.text());
    }
}

pub fn machine(n: usize) -> String {
    format!("{n:040x}")
}

pub fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return out };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() { out.extend(files(&path)) } else { out.push(path) }
    }
    out.sort();
    out
}

/// Changes a file that is readable only.
pub fn edit(path: &Path, bytes: &[u8]) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o400)).unwrap();
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { std::fs::copy(&path, target).map(drop).unwrap() }
    }
}
