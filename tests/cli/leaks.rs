//! What lies outside of a repository, or is hidden in it, is neither shown nor touched, whatever a project names.
#![cfg(unix)]

use std::ops::Deref;
use std::process::Command;

use crate::repository::{Folder, HEAD, by_id, package};
use crate::sandbox::BIN;

/// What must not be seen.
const SECRET: &str = "AZURE_TOKEN=ghs_16C7e42F292c6912E7710c838347Ae178B4a";

/// A repository with a project in `ir`, and a file outside of it.
struct Lab {
    folder: Folder,
}

impl Deref for Lab {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

/// The project file.
fn project() -> String {
    format!("{HEAD}spec:\n  defender: {{ cloud: sandbox }}\n")
}

impl Lab {
    fn new() -> Lab {
        let lab = Lab { folder: Folder::new() };
        std::fs::create_dir_all(lab.path("repo/.git")).unwrap();
        lab.write("repo/.git/config", &format!("[http]\n\textraheader = {SECRET}\n"));
        lab.write("outside/file.yaml", &format!("a: {SECRET}\n  b: [{SECRET}\n"));
        lab.write("repo/ir/casefile.yaml", &project());
        lab.write("repo/ir/manifests/a.yaml", &by_id("a"));
        lab
    }

    /// Runs; whatever comes out, the secret does not.
    #[track_caller]
    fn run(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(BIN);
        command.arg("-C").arg(self.path("repo/ir")).args(args).env("CI", "1");
        for name in ["CASEFILE_ENDPOINT", "CASEFILE_STATE_URL", "RUST_LOG"] {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        for part in ["ghs_", "extraheader", "292c6912E7710c838347"] {
            assert!(!text.contains(part), "{args:?}\n{text}");
        }
        (output.status.code().unwrap(), text)
    }

    #[track_caller]
    fn refused(&self, why: &str) {
        for args in
            [&["validate"][..], &["validate", "--format", "json"], &["plan", "--no-refresh"], &["seal"]]
        {
            let (code, text) = self.run(args);
            assert_eq!(code, 1, "{args:?} {text}");
            let flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains(why), "{args:?} {text}");
        }
    }
}

#[test]
fn links_out_of_the_repository_are_refused_by_name() {
    for (target, why) in [
        ("../../../outside/file.yaml", "leads out of the repository"),
        ("../../.git/config", "begins with a dot"),
        ("/etc/passwd", "leads out of the repository"),
        ("/proc/self/environ", "leads out of the repository"),
    ] {
        let lab = Lab::new();
        lab.link(target, "repo/ir/manifests/b.yaml");
        lab.refused(why);
        // A list of devices.
        let lab = Lab::new();
        lab.link(target, "repo/ir/lists/hosts.txt");
        lab.write("repo/ir/manifests/b.yaml", &package("b", "machines: { fromFile: lists/hosts.txt }"));
        lab.refused(why);
        // A folder of manifests, linked and named.
        let lab = Lab::new();
        let folder = target.rsplit_once('/').unwrap().0;
        lab.link(folder, "repo/ir/manifests/folder");
        lab.refused(why);
        // The project file.
        let lab = Lab::new();
        lab.link(&target.replacen("../", "", 1), "repo/ir/casefile.yaml");
        lab.refused(why);
        // A seal, asked for by an incident; a case.
        let lab = Lab::new();
        lab.link(target, "repo/ir/manifests/a.sealed.yaml");
        let (code, text) = lab.run(&["validate", "--sealed"]);
        assert!(code == 1 && text.contains(why), "{text}");
        let runbook =
            "apiVersion: casefile/v1\nkind: Runbook\nmetadata: { name: r }\nspec:\n  resources: []\n";
        let lab = Lab::new();
        lab.write("repo/ir/manifests/r.yaml", runbook);
        lab.link(&format!("../../{target}"), "repo/ir/manifests/r/cases/c.yaml");
        let (_, text) = lab.run(&["test"]);
        assert!(!text.contains("root:"), "{text}");
    }
}

#[test]
fn hidden_files_and_folders_outside_are_refused_by_name() {
    let lab = Lab::new();
    lab.write("repo/ir/.env", SECRET);
    for name in [".env", "./.env", "../.git/config", "manifests/../.env", ".git/config"] {
        lab.write("repo/ir/manifests/b.yaml", &package("b", &format!("machines: {{ fromFile: {name} }}")));
        let (code, text) = lab.run(&["validate"]);
        assert!(code == 1 && text.contains("bad-path"), "{name} {text}");
    }
    std::fs::remove_file(lab.path("repo/ir/manifests/b.yaml")).unwrap();
    for (name, why) in [
        ("../../outside", "leads out of the repository"),
        ("../../outside/file.yaml", "leads out of the repository"),
        ("../../nothing", "leads out of the repository"),
        ("../../../../../../../../etc", "leads out of the repository"),
        ("../.git", "begins with a dot"),
        (".git/config", "begins with a dot"),
        (".hidden.yaml", "begins with a dot"),
    ] {
        lab.write("repo/ir/casefile.yaml", &format!("{}  manifests: [manifests, \"{name}\"]\n", project()));
        lab.refused(why);
    }
}

#[test]
fn links_inside_and_mounted_folders_are_fine() {
    let lab = Lab::new();
    lab.write("repo/shared/s.yaml", &by_id("s"));
    lab.link("../../shared/s.yaml", "repo/ir/manifests/s.yaml");
    // As Kubernetes mounts a ConfigMap.
    lab.write("repo/ir/manifests/mounted/..2026_03_01/m.yaml", &by_id("m"));
    lab.link("..2026_03_01", "repo/ir/manifests/mounted/..data");
    lab.link("..data/m.yaml", "repo/ir/manifests/mounted/m.yaml");
    lab.write("repo/lists/hosts.txt", "1e5bc9d7e413ddd7902c2932e418702b84d0cc07\n");
    lab.link("../../lists", "repo/ir/lists");
    lab.link("../lists", "repo/ir/lists");
    lab.write("repo/ir/manifests/b.yaml", &package("b", "machines: { fromFile: lists/hosts.txt }"));
    let (code, text) = lab.run(&["plan", "--no-refresh"]);
    assert_eq!(code, 0, "{text}");
    for name in ["a", "s", "m", "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"] {
        assert!(text.contains(&format!("  + package  {name}")), "{name} {text}");
    }
    // Where there is no repository the folder itself is the bound.
    std::fs::remove_dir_all(lab.path("repo/.git")).unwrap();
    let (code, text) = lab.run(&["validate"]);
    assert!(code == 1 && text.contains("manifests/s.yaml") && text.contains("leads out of"), "{text}");
}

#[test]
fn a_line_that_is_no_device_is_quoted_by_its_beginning() {
    let lab = Lab::new();
    let csv = format!("user,host\nann.secretary@contoso.example,not a host\n{SECRET},fin-ws-1\n");
    for (list, column, quoted) in [
        (format!("{SECRET}\n"), "", "`AZURE_TOKEN...`"),
        ("password: hunter2 and more\n".to_owned(), "", "`password...`"),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ghs_\n".to_owned(), "", "`aaaaaaaaaaaaaaaaaaaa...`"),
        ("-----BEGIN PRIVATE KEY ghs_-----\n".to_owned(), "", "`-----BEGIN PRIVATE K...`"),
        (csv.clone(), ", column: host", "`not a host`"),
        (csv, ", column: ghost", "there is no column"),
    ] {
        lab.write("repo/ir/hosts", &list);
        lab.write(
            "repo/ir/manifests/b.yaml",
            &package("b", &format!("machines: {{ fromFile: hosts{column} }}")),
        );
        for args in
            [&["validate"][..], &["validate", "--format", "json"], &["validate", "--format", "github"]]
        {
            let (code, text) = lab.run(args);
            assert!(code == 1 && text.contains(quoted), "{args:?} {text}");
            assert!(!text.contains("secretary") && !text.contains("hunter2"), "{text}");
        }
    }
}

#[test]
fn seal_and_new_keep_to_the_project_folder() {
    let lab = Lab::new();
    // Another project beside this one, with seals of its own.
    lab.write("repo/other/casefile.yaml", &project());
    lab.write("repo/other/manifests/o.yaml", &by_id("o"));
    let sealed = Command::new(BIN).arg("-C").arg(lab.path("repo/other")).arg("seal").output().unwrap();
    assert!(sealed.status.success());
    let seal = lab.path("repo/other/manifests/o.sealed.yaml");
    let before = std::fs::read(&seal).unwrap();
    std::fs::write(lab.path("repo/other/manifests/gone.sealed.yaml"), &before).unwrap();

    lab.write(
        "repo/ir/casefile.yaml",
        &format!("{}  manifests: [../other/manifests, ../bare, manifests]\n", project()),
    );
    lab.write("repo/bare/b.yaml", &by_id("b"));
    lab.write("repo/linked/l.yaml", &by_id("l"));
    lab.link("../../linked", "repo/ir/manifests/linked");
    let (code, text) = lab.run(&["seal"]);
    assert_eq!(code, 0, "{text}");
    assert!(lab.path("repo/ir/manifests/a.sealed.yaml").exists());
    for left in ["../other/manifests/o.yaml", "../bare/b.yaml", "manifests/linked/l.yaml"] {
        assert!(text.contains(&format!("left {left}")), "{left} {text}");
    }
    assert_eq!(std::fs::read(&seal).unwrap(), before);
    assert!(lab.path("repo/other/manifests/gone.sealed.yaml").exists());
    for none in ["repo/bare/b.sealed.yaml", "repo/linked/l.sealed.yaml"] {
        assert!(!lab.path(none).exists(), "{none}");
    }
    // The plan says where else it reads.
    let (code, text) = lab.run(&["plan", "--no-refresh"]);
    let flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(code, 0, "{text}");
    assert!(
        flat.contains("manifests are read outside of the project folder too: ../other/manifests, ../bare"),
        "{text}"
    );
    // A new manifest goes into a folder of the project.
    let (code, text) = lab.run(&["new", "package", "fin-ws-1", "--comment", "c"]);
    assert!(code == 0 && text.contains("Wrote manifests/fin-ws-1.yaml"), "{text}");
}
