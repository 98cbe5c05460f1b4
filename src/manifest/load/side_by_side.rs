//! Files read by several threads, each file by itself, and taken in their order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::file::FileRead;
use crate::THREAD_STACK;
use crate::manifest::diagnostic::Diagnostic;
use crate::manifest::discover::{self, Found};
use crate::model::CommentRule;

/// Fewer files are read sooner than a thread is started.
const FEW: usize = 8;

/// So many runs of neighbouring files for each thread: one that is late leaves the rest to the others.
const RUNS: usize = 8;

/// A file, or why it cannot be read.
type Outcome = Result<FileRead, Box<Diagnostic>>;

/// The runs that wait for earlier ones, and who takes them.
struct Turns<'a> {
    next: usize,
    waiting: BTreeMap<usize, Vec<Outcome>>,
    take: &'a mut (dyn FnMut(Outcome) + Send),
}

impl Turns<'_> {
    fn give(&mut self, index: usize, run: Vec<Outcome>) {
        self.waiting.insert(index, run);
        while let Some(run) = self.waiting.remove(&self.next) {
            self.next += 1;
            run.into_iter().for_each(&mut *self.take);
        }
    }
}

/// Reads files, and gives them in their order.
pub(super) fn read(
    files: &[Found],
    threads: usize,
    rule: Option<&CommentRule>,
    take: &mut (dyn FnMut(Outcome) + Send),
) {
    let of_file = |file: &Found| {
        discover::read(&file.path, &file.name).map(|bytes| FileRead::of(&file.name, bytes, rule))
    };
    let threads = if files.len() < FEW { 1 } else { threads.max(1) };
    let runs: Vec<&[Found]> = files.chunks(files.len().div_ceil(threads * RUNS).max(2)).collect();
    let next = AtomicUsize::new(0);
    let turns = Mutex::new(Turns { next: 0, waiting: BTreeMap::new(), take });
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(run) = runs.get(index) else { return };
            let run = run.iter().map(of_file).collect();
            turns.lock().unwrap_or_else(PoisonError::into_inner).give(index, run);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(runs.len()) {
            // A thread that the system does not give leaves its share to the others.
            let _ = thread::Builder::new().stack_size(THREAD_STACK).spawn_scoped(scope, work);
        }
        work();
    });
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use crate::manifest::Project;
    use crate::manifest::load::Reading;

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
