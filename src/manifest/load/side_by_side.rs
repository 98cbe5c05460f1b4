//! Files read by several threads, with the result of reading them one after another.
//!
//! A thread takes runs of neighbouring files, each read as if it were a project of its own. A run that declares
//! nothing which an earlier file declares is what it would have become in its turn, and is appended. Any other is
//! read again in its turn: a problem of two files names both of their places.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::Reading;
use crate::manifest::discover::{self, Found};

/// Fewer files are read sooner than a thread is started.
const FEW: usize = 8;

/// So many runs for each thread: one that is late leaves the rest to the others.
const RUNS: usize = 8;

impl Reading {
    /// Reads files, in their order.
    pub(super) fn files(&mut self, files: &[Found], threads: usize) {
        let length = files.len().div_ceil(threads.max(1) * RUNS).max(2);
        let runs: Vec<&[Found]> = files.chunks(length).collect();
        let threads = threads.min(runs.len());
        if threads < 2 || files.len() < FEW {
            return self.in_turn(files);
        }
        for (run, read) in runs.iter().zip(self.apart(&runs, threads)) {
            match read {
                Some(read) if !self.meets(&read) => self.append(read),
                _ => self.in_turn(run),
            }
        }
    }

    fn in_turn(&mut self, files: &[Found]) {
        for file in files {
            match discover::read(&file.path, &file.name) {
                Ok(bytes) => self.file(&file.name, &bytes),
                Err(problem) => self.diagnostics.push(*problem),
            }
        }
    }

    /// Reads each run by itself.
    fn apart(&self, runs: &[&[Found]], threads: usize) -> Vec<Option<Reading>> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut read = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(run) = runs.get(index) else { return read };
                let mut reading = Reading { rule: self.rule.clone(), ..Reading::default() };
                reading.in_turn(run);
                read.push((index, reading));
            }
        };
        let mut all: Vec<Option<Reading>> = runs.iter().map(|_| None).collect();
        thread::scope(|scope| {
            // A thread that the system does not give leaves its share to the others.
            let start = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
            let others: Vec<_> = (1..threads).filter_map(start).collect();
            let mut read = work();
            for other in others {
                read.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            for (index, reading) in read {
                all[index] = Some(reading);
            }
        });
        all
    }

    /// Whether both declare the same.
    fn meets(&self, later: &Reading) -> bool {
        later.seen.keys().any(|address| self.seen.contains_key(address))
            || later.runbook_names.keys().any(|name| self.runbook_names.contains_key(name))
            || later.incident_names.keys().any(|name| self.incident_names.contains_key(name))
    }

    fn append(&mut self, later: Reading) {
        let Reading {
            resources,
            seen,
            diagnostics,
            incidents,
            runbooks,
            runbook_names,
            incident_names,
            rule: _,
            unruly,
            wanted,
            named,
        } = later;
        let before = self.runbooks.len();
        let names = runbook_names.into_iter().map(|(name, (index, at))| (name, (before + index, at)));
        self.runbook_names.extend(names);
        self.runbooks.extend(runbooks);
        self.resources.extend(resources);
        self.seen.extend(seen);
        self.diagnostics.extend(diagnostics);
        self.incidents.extend(incidents);
        self.incident_names.extend(incident_names);
        self.unruly.extend(unruly);
        self.wanted.extend(wanted);
        self.named.extend(named);
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::manifest::Project;

    /// Files in which everything meets: addresses, runbooks and incidents of the same name, near and far, files
    /// that are no manifests, more problems than are told, references from one file to another.
    fn project(dir: &std::path::Path) -> Project {
        let alert = |name: &str, more: &str| {
            format!(
                "---\napiVersion: casefile/v1\nkind: Alert\nmetadata: {{ name: {name} }}\nspec:\n  machineId: {id}\n  \
                 severity: Low\n  title: t\n  description: d\n  recommendedAction: r\n  eventTime: \
                 2026-03-03T16:45:21.7115183Z\n  reportId: \"1\"\n  category: Exploit\n{more}",
                id = "ab".repeat(20),
            )
        };
        let mut files: Vec<String> = Vec::new();
        for n in 0..40 {
            let mut text = String::new();
            for i in 0..5 {
                text += &alert(&format!("a-{n}-{i}"), "");
            }
            match n % 8 {
                1 => text += &alert(&format!("a-{}-0", n / 2), ""),
                2 => text += "---\nkind: Alert\nkind: Alert\nseverity: {",
                3 => text += &alert(&format!("b-{n}"), &format!("dependsOn: [a-{}-1]\n", 39 - n)),
                4 => {
                    let _ = write!(
                        text,
                        "---\napiVersion: casefile/v1\nkind: Runbook\nmetadata: {{ name: r-{} }}\nspec:\n  resources:\n  \
                         - kind: InvestigationPackage\n    metadata: {{ name: p }}\n    spec: {{ machineId: {}, \
                         comment: c }}\n",
                        n / 16,
                        "cd".repeat(20)
                    );
                }
                5 => {
                    let _ = write!(
                        text,
                        "---\napiVersion: casefile/v1\nkind: Incident\nmetadata: {{ name: i-{} }}\nspec: {{ runbook: \
                         r-{} }}\n",
                        n / 16,
                        n % 7
                    );
                }
                6 => text.clear(),
                7 => text += &alert("same", "").repeat(150),
                _ => {}
            }
            files.push(text);
        }
        for (n, text) in files.iter().enumerate() {
            std::fs::write(dir.join(format!("{n:02}.yaml")), text).unwrap();
        }
        std::fs::write(dir.join("40.yaml"), b"\xff\xfe").unwrap();
        let mut project = Project::new("test");
        project.spec.manifests = vec![".".to_owned()];
        project
    }

    #[test]
    fn any_number_of_threads_reads_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let project = project(dir.path());
        let read = |threads| {
            let (reading, files) = Reading::of_by(dir.path(), &project, threads);
            format!("{files} {:#?}", reading.settle(Some(dir.path()), &|_, _, _| false))
        };
        let alone = read(1);
        for code in ["duplicate-address", "too-many-problems", "unknown-runbook", "not-utf-8", "no-documents"]
        {
            assert!(alone.contains(code), "{code}");
        }
        assert!(alone.contains("expanded: Some"), "incidents are expanded");
        for threads in [2, 3, 4, 7, 64] {
            assert!(read(threads) == alone, "{threads} threads");
        }
    }
}
