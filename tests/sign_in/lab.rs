//! A project folder, and the binary in an environment of its own.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::proxy::Proxy;
use crate::server::{Server, TENANT, everybody, tls};

pub const CLIENT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
pub const SECRET: &str = "s3cret~of.the-client";

/// A sign-in by a client secret.
pub const BY_SECRET: [(&str, &str); 3] =
    [("AZURE_TENANT_ID", TENANT), ("AZURE_CLIENT_ID", CLIENT), ("AZURE_CLIENT_SECRET", SECRET)];

const MANIFEST: &str = "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: { name: a }\nspec:\n  \
                        machineId: fb9ab6be3965095a09c057be7c90f0a2\n  comment: c\n";

/// The output of a run, and its end.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Run {
    /// The run ended well, and told nothing that is secret.
    #[track_caller]
    pub fn succeeds(self) -> Run {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.without_secrets()
    }

    /// The run failed with these words on stderr, in whatever lines, and told nothing that is secret.
    #[track_caller]
    pub fn fails_with(self, parts: &[&str]) -> Run {
        let flat: String = self.err.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in parts {
            assert!(flat.contains(part), "{part}\n{self:#?}");
        }
        assert_eq!(self.code, Some(1), "{self:#?}");
        self.without_secrets()
    }

    fn without_secrets(self) -> Run {
        for secret in
            [SECRET, "eyJ", "e30.", "assertion-", "PRIVATE KEY", "MII", "p@ss", "p%40ss", "dTpwQHNz", "geh"]
        {
            assert!(!self.out.contains(secret) && !self.err.contains(secret), "{secret}\n{self:#?}");
        }
        self
    }
}

/// A project, a server that plays everybody, and the proxy that leads to it.
pub struct Lab {
    dir: tempfile::TempDir,
    pub server: Server,
    pub proxy: Proxy,
}

impl Lab {
    pub fn new() -> Lab {
        Self::over(Server::start("127.0.0.1:0", rustls::DEFAULT_VERSIONS, everybody))
    }

    pub fn over(server: Server) -> Lab {
        let proxy = Proxy::to(server.address);
        let lab = Lab { dir: tempfile::tempdir().unwrap(), server, proxy };
        for folder in ["project/manifests", "bin"] {
            std::fs::create_dir_all(lab.path(folder)).unwrap();
        }
        lab.write("project/manifests/a.yaml", MANIFEST);
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// A sign-in tool that gives a token and writes down what it was asked.
    pub fn azure_cli(&self) {
        let reply = r#"{"accessToken":"of-az","expires_on":32503680000,"tokenType":"Bearer"}"#;
        let asked = self.path("az.txt");
        self.program("az", &format!("echo az \"$@\" >>'{}'\necho '{reply}'\n", asked.display()));
    }

    /// A program of this name, as lines of a shell.
    pub fn program(&self, name: &str, lines: &str) {
        let file = format!("bin/{name}");
        self.write(&file, &format!("#!/bin/sh\n{lines}"));
        std::fs::set_permissions(self.path(&file), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs with `spec` in the project file, behind the proxy, with the authority of the tests trusted; `env` goes before.
    /// Without it nothing is known of who signs in.
    pub fn run(&self, spec: &str, args: &[&str], env: &[(&str, &str)]) -> Run {
        self.piped(spec, args, env, "")
    }

    /// The same, with a text on stdin.
    pub fn piped(&self, spec: &str, args: &[&str], env: &[(&str, &str)], stdin: &str) -> Run {
        let head = "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: t }\n";
        self.write("project/casefile.yaml", &format!("{head}spec: {spec}\n"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_casefile"));
        command.arg("-C").arg(self.path("project")).args(args);
        command.env_clear().env("CI", "1");
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()));
        command.env("HTTPS_PROXY", self.proxy.url()).env("CASEFILE_CA_FILE", tls("ca.pem"));
        // The computer's own authorities, of which there are many: one will do.
        command.env("SSL_CERT_FILE", tls("client-ec.pem"));
        // An empty one counts as not set.
        command.envs(env.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Who reads nothing from it has ended by now, perhaps.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}
