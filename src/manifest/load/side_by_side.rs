//! Files read by several threads, with the result of reading them one after another.
//!
//! A thread takes runs of neighbouring files, each read as if it were a project of its own, and all are put together
//! in their order. If a name is declared twice, everything is read again in turn: a problem of two files names both of
//! their places.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::{Reading, Seen, by_address};
use crate::THREAD_STACK;
use crate::manifest::discover::{self, Found};
use crate::model::{Address, CommentRule};

/// Fewer files are read sooner than a thread is started.
const FEW: usize = 8;

/// So many runs for each thread: one that is late leaves the rest to the others.
const RUNS: usize = 8;

impl Reading {
    /// Reads files, in their order.
    pub(super) fn files(self, files: &[Found], threads: usize) -> Reading {
        let length = files.len().div_ceil(threads.max(1) * RUNS).max(2);
        let runs: Vec<&[Found]> = files.chunks(length).collect();
        let threads = threads.min(runs.len());
        if threads > 1
            && files.len() >= FEW
            && let Some(all) = together(apart(&runs, threads, self.rule.as_ref()))
        {
            let Reading { mut diagnostics, rule, .. } = self;
            diagnostics.extend(all.diagnostics);
            return Reading { diagnostics, rule, ..all };
        }
        let mut all = Reading { seen: Some(Seen::new()), ..self };
        all.in_turn(files);
        all
    }

    fn in_turn(&mut self, files: &[Found]) {
        for file in files {
            match discover::read(&file.path, &file.name) {
                Ok(bytes) => self.file(&file.name, &bytes),
                Err(problem) => self.diagnostics.push(*problem),
            }
        }
    }

    /// Adds what later files hold; none if a runbook's or an incident's name is there already.
    fn append(&mut self, later: Reading) -> Option<()> {
        let Reading {
            resources,
            seen: _,
            diagnostics,
            incidents,
            runbooks,
            runbook_names,
            incident_names,
            rule: _,
            unruly,
            wanted,
            named,
            moves,
            unknown_runbooks: _,
        } = later;
        let before = self.runbooks.len();
        for (name, (index, at)) in runbook_names {
            self.runbook_names.insert(name, (before + index, at)).is_none().then_some(())?;
        }
        for (name, at) in incident_names {
            self.incident_names.insert(name, at).is_none().then_some(())?;
        }
        self.runbooks.extend(runbooks);
        self.resources.extend(resources);
        self.diagnostics.extend(diagnostics);
        self.incidents.extend(incidents);
        self.unruly.extend(unruly);
        self.wanted.extend(wanted);
        self.named.extend(named);
        self.moves.extend(moves);
        Some(())
    }

    /// Whether no two resources have the same address; `resources` are sorted.
    fn is_unique(&self) -> bool {
        let mut named: Vec<&Address> = self.named.iter().map(|(d, ..)| &d.address).collect();
        named.sort_unstable();
        let alone = |a: &&Address| self.resources.binary_search_by(|d| d.address.cmp(a)).is_err();
        self.resources.is_sorted_by(|a, b| a.address < b.address)
            && named.is_sorted_by(|a, b| a < b)
            && named.iter().all(alone)
    }
}

/// Reads each run by itself.
fn apart(runs: &[&[Found]], threads: usize, rule: Option<&CommentRule>) -> Vec<Reading> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut read = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(run) = runs.get(index) else { return read };
            let mut reading = Reading { rule: rule.cloned(), ..Reading::default() };
            reading.in_turn(run);
            read.push((index, reading));
        }
    };
    let mut read = thread::scope(|scope| {
        // A thread that the system does not give leaves its share to the others.
        let start = |_| thread::Builder::new().stack_size(THREAD_STACK).spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..threads).filter_map(start).collect();
        let mut read = work();
        for other in others {
            read.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        read
    });
    read.sort_unstable_by_key(|(index, _)| *index);
    read.into_iter().map(|(_, reading)| reading).collect()
}

/// Puts runs together; none if a name is declared twice.
fn together(runs: Vec<Reading>) -> Option<Reading> {
    let mut all = Reading::default();
    all.resources.reserve_exact(runs.iter().map(|run| run.resources.len()).sum());
    runs.into_iter().try_for_each(|run| all.append(run))?;
    by_address(&mut all.resources);
    all.is_unique().then_some(all)
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
            format!("{files} {:#?}", reading.finish(Some(dir.path()), &|_, _, _| false))
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
