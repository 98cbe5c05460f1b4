//! A project of 40 resources, its service, and the question whether all is well at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use casefile::model::Address;
use casefile::sandbox::EffectKind;
use casefile::state::{Origin, Phase, State, local};

use super::process::{self, Ended, Process, Through};
use super::service::Service;

/// How many resources a run has: half of them packages, half alerts, each on its own machine.
pub const RESOURCES: usize = 40;

pub struct Lab {
    dir: tempfile::TempDir,
    pub service: Service,
    /// Where the state is looked at, if it is kept elsewhere than in the project.
    copy: Mutex<Option<PathBuf>>,
}

impl Lab {
    pub fn new() -> Lab {
        Lab::with_settle("1s")
    }

    pub fn with_settle(settle: &str) -> Lab {
        Lab::of(Service::new(), settle)
    }

    /// Collections of this one run for minutes.
    pub fn running() -> Lab {
        Lab::of(Service::with("{ quotas: { enabled: false } }"), "1s")
    }

    fn of(service: Service, settle: &str) -> Lab {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("manifests")).unwrap();
        let mut text = String::new();
        for i in 0..RESOURCES / 2 {
            write!(
                text,
                "---\napiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: p{i:02} }}\n\
                 spec: {{ machineId: {}, comment: INC-2042 package {i} }}\n\
                 ---\napiVersion: casefile/v1\nkind: Alert\nmetadata: {{ name: a{i:02} }}\n\
                 spec: {{ machineId: {}, severity: Low, title: INC-2042 alert {i}, description: d, \
                 recommendedAction: nothing, eventTime: 2026-03-01T16:45:21.7115183Z, reportId: \"{i}\", \
                 category: Exploit }}\n",
                machine(i),
                machine(100 + i),
            )
            .unwrap();
        }
        std::fs::write(dir.path().join("manifests/all.yaml"), text).unwrap();
        let lab = Lab { dir, service, copy: Mutex::default() };
        lab.settle(settle);
        lab
    }

    /// Writes the project file, with this `recovery.settle`.
    pub fn settle(&self, settle: &str) {
        let project = format!(
            "apiVersion: casefile/v1\nkind: Project\nmetadata: {{ name: t }}\nspec:\n  \
             recovery: {{ settle: {settle} }}\n  limits: {{ newCollections: 100, newAlerts: 100 }}\n  \
             quotas: {{ collect: {{ perMinute: unlimited, perHour: unlimited }}, \
             alert: {{ perMinute: unlimited }} }}\n"
        );
        std::fs::write(self.dir.path().join("casefile.yaml"), project).unwrap();
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    pub fn folder(&self) -> PathBuf {
        let copy = self.copy.lock().unwrap_or_else(PoisonError::into_inner).clone();
        copy.unwrap_or_else(|| self.dir.path().join(".casefile"))
    }

    /// From now on the state is looked at in a copy.
    pub fn look_at(&self, copy: PathBuf) {
        *self.copy.lock().unwrap_or_else(PoisonError::into_inner) = Some(copy);
    }

    /// Starts an `apply`; the service must be served.
    pub fn start(&self, through: &Through<'_>, more: &[&str]) -> Process {
        let args = [&["apply", "--auto-approve"], more].concat();
        process::start(through, self.dir.path(), &self.service.url(), &args)
    }

    /// One `apply` from start to end, the service with it.
    pub fn apply(&self, through: &Through<'_>, more: &[&str]) -> Ended {
        let serving = self.service.serve();
        let ended = self.start(through, more).wait();
        self.service.drain(serving);
        ended
    }

    /// One `apply` that is killed right after the `k`-th effect.
    pub fn apply_killed_after(&self, k: usize, more: &[&str]) -> Ended {
        self.killed_after(k, &Through::Nothing, more)
    }

    /// The same, started in some way.
    pub fn killed_after(&self, k: usize, through: &Through<'_>, more: &[&str]) -> Ended {
        let serving = self.service.serve();
        let process = self.service.kill_after(k, || {
            let process = self.start(through, more);
            (process.victim(), process)
        });
        let ended = process.wait();
        self.service.drain(serving);
        ended
    }

    pub fn state(&self) -> State {
        local::read(&self.folder()).unwrap().state
    }

    /// Whether a call is in the journal whose effect is not at the service.
    pub fn has_call_that_never_left(&self) -> bool {
        let effects: Vec<Address> = self.effects().into_iter().map(|(address, _)| address).collect();
        let state = self.state();
        let mut open = state.resources.iter().filter(|(_, r)| r.phase == Phase::Requested);
        open.any(|(address, _)| !effects.contains(address))
    }

    /// The address of each effect with the id that it gave.
    fn effects(&self) -> Vec<(Address, String)> {
        let effects = self.service.effects().into_iter();
        let addresses = addresses();
        effects
            .map(|e| {
                // An absorbed alert is a second call too.
                assert_ne!(e.kind, EffectKind::MergeAlert, "sent twice: {e:?}");
                (addresses[&e.machine].clone(), e.id)
            })
            .collect()
    }

    /// No call leaves before its intent is durable: whatever took effect is in the journal, although the
    /// run that did it is gone.
    #[track_caller]
    pub fn nothing_left_unrecorded(&self) {
        let effects = self.effects();
        if effects.is_empty() {
            return;
        }
        let state = self.state();
        for (address, id) in effects {
            assert!(state.resources.contains_key(&address), "{address} took effect as {id}, unrecorded");
        }
    }

    /// Applies until nothing is left to do, which is after one run or two, and compares with the truth.
    #[track_caller]
    pub fn recover(&self) {
        let mut last = None;
        for _ in 0..3 {
            let ended = self.apply(&Through::Nothing, &[]);
            let done = ended.code() == Some(0);
            last = Some(ended);
            if done {
                break;
            }
        }
        assert_eq!(last.as_ref().and_then(Ended::code), Some(0), "{last:?}");
        self.all_is_well();
    }

    /// Each resource took effect exactly once, and is in the state as made by us, with the right id; the
    /// journal is whole.
    #[track_caller]
    pub fn all_is_well(&self) {
        let mut ids: BTreeMap<Address, Vec<String>> = BTreeMap::new();
        for (address, id) in self.effects() {
            ids.entry(address).or_default().push(id);
        }
        let state = self.state();
        for address in addresses().values() {
            let ids = ids.remove(address).unwrap_or_default();
            let [id] = &ids[..] else { panic!("{address} took effect {} times: {ids:?}", ids.len()) };
            let r = state.resources.get(address).unwrap_or_else(|| panic!("{address} is not in the state"));
            assert_eq!((r.id.as_ref(), r.origin), (Some(id), Some(Origin::Made)), "{address}: {r:?}");
            assert!(r.open.is_none(), "{address}: {r:?}");
        }
        assert!(ids.is_empty(), "{ids:?}");
        self.verified();
    }

    /// Journal and snapshot are whole and say the same.
    #[track_caller]
    pub fn verified(&self) {
        let verified = local::verify(&self.folder(), None).unwrap();
        assert_eq!(verified.findings, [], "{} records", verified.records);
    }
}

/// Does each of the cases, some at a time: a recovery mostly waits.
pub fn each<T: Sync>(cases: &[T], work: impl Fn(&T) + Sync) {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    at_once(cores * 2, cases, work);
}

/// Does each of the cases, so many at a time.
pub fn at_once<T: Sync>(workers: usize, cases: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|s| {
        for _ in 0..workers.min(cases.len()) {
            s.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(case);
                }
            });
        }
    });
}

fn machine(i: usize) -> String {
    format!("fb{i:038x}")
}

/// Every resource by its machine.
fn addresses() -> BTreeMap<String, Address> {
    (0..RESOURCES / 2)
        .flat_map(|i| {
            let address = |text: String| text.parse().unwrap();
            [
                (machine(i), address(format!("InvestigationPackage/p{i:02}"))),
                (machine(100 + i), address(format!("Alert/a{i:02}"))),
            ]
        })
        .collect()
}
