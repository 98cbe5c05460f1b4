//! A sandbox of its own for a test, and a project of collections.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A sandbox that ends with the value.
pub struct Served {
    process: Child,
    pub endpoint: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Served {
    /// Starts one in a folder, with the scenario that lies there if one does, and waits until it takes connections.
    pub fn start(folder: &Path) -> Served {
        let mut command = Command::new(env!("CARGO_BIN_EXE_casefile"));
        command.args(["sandbox", "--listen", "127.0.0.1:0"]).current_dir(folder);
        if folder.join("scenario.yaml").exists() {
            command.args(["--scenario", "scenario.yaml"]);
        }
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let endpoint = loop {
            let line = lines.next().unwrap().unwrap();
            if let Some(url) = line.strip_prefix("Listening on ") {
                break url.to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Served { process, endpoint }
    }

    /// Returns how many collections the service has begun.
    pub fn collections(&self) -> usize {
        let host = self.endpoint.strip_prefix("http://").unwrap();
        let mut stream = std::net::TcpStream::connect(host).unwrap();
        let head = format!("Host: {host}\r\nAuthorization: Bearer t\r\nConnection: close");
        write!(stream, "GET /api/machineactions HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.matches("\"CollectInvestigationPackage\"").count()
    }
}

/// Writes a project whose state is kept at `url`, with so many collections.
pub fn write_project(folder: &Path, url: &str, machines: usize) {
    std::fs::create_dir(folder.join("manifests")).unwrap();
    let project = format!(
        "apiVersion: casefile/v1\nkind: Project\nmetadata: {{ name: ir }}\nspec:\n  state: {{ url: \"{url}\" }}\n"
    );
    std::fs::write(folder.join("casefile.yaml"), project).unwrap();
    for n in 0..machines {
        let text = format!(
            "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: ws-{n:02} }}\nspec:\n  \
             machineId: a{n:039x}\n  comment: \"INC-2042: forensics\"\n"
        );
        std::fs::write(folder.join(format!("manifests/ws-{n:02}.yaml")), text).unwrap();
    }
}
