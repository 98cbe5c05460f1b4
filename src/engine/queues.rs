//! Which call is next: one at a time to each machine, by address, each after what it depends on.
//!
//! A call that waits for another one stands in nobody's way: those behind it go first.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::job::Job;
use crate::defender::Endpoint;
use crate::model::{Address, Dependency, MachineId};

/// Jobs that were not begun.
pub struct Queues {
    machines: Vec<Machine>,
    /// Jobs whose turn it is, with the number of their machine.
    lanes: BTreeMap<Endpoint, VecDeque<(usize, Job)>>,
    /// Jobs that have not ended.
    unfinished: HashSet<Address>,
    /// Whether a dependency is there, as far as it was asked.
    met: HashMap<Dependency, bool>,
    /// Machines whose jobs wait for a job.
    waiting: HashMap<Address, Vec<usize>>,
}

#[derive(Default)]
struct Machine {
    /// By address.
    queue: Vec<Job>,
    /// A job of it stands in a lane, is under way, or ended so that the next one waits.
    taken: bool,
}

impl Queues {
    /// Jobs by address. Call [`start`](Self::start) with what [`asked`](Self::asked) asks before the first job is
    /// taken.
    pub fn new(jobs: Vec<Job>) -> Queues {
        let mut numbers: HashMap<MachineId, usize> = HashMap::new();
        let mut queues = Queues {
            machines: Vec::new(),
            lanes: BTreeMap::new(),
            unfinished: jobs.iter().map(|j| j.address.clone()).collect(),
            met: HashMap::new(),
            waiting: HashMap::new(),
        };
        for job in jobs {
            let next = queues.machines.len();
            let number = *numbers.entry(job.call.machine.clone()).or_insert(next);
            if number == next {
                queues.machines.push(Machine::default());
            }
            for d in job.depends_on.iter().filter(|d| queues.unfinished.contains(&d.address)) {
                let waiting = queues.waiting.entry(d.address.clone()).or_default();
                if waiting.last() != Some(&number) {
                    waiting.push(number);
                }
            }
            queues.machines[number].queue.push(job);
        }
        queues
    }

    /// What must be known of dependencies before the first job.
    pub fn asked(&self) -> Vec<Dependency> {
        let jobs = self.machines.iter().flat_map(|m| &m.queue);
        let all: HashSet<&Dependency> = jobs.flat_map(|j| &j.depends_on).collect();
        all.into_iter().filter(|d| !self.unfinished.contains(&d.address)).cloned().collect()
    }

    /// Takes in what is there at the beginning, and gives each machine its turn.
    pub fn start(&mut self, met: Vec<(Dependency, bool)>) {
        self.met.extend(met);
        (0..self.machines.len()).for_each(|n| self.turn(n));
    }

    /// Takes in what is there of a job that has ended, and gives those machines their turn that waited for it.
    pub fn learn(&mut self, met: Vec<(Dependency, bool)>) {
        let addresses: HashSet<Address> = met.iter().map(|(d, _)| d.address.clone()).collect();
        self.met.extend(met);
        for address in addresses {
            for n in self.waiting.get(&address).cloned().unwrap_or_default() {
                self.turn(n);
            }
        }
    }

    /// The endpoints that have a job to send.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.lanes.keys().copied().collect()
    }

    /// Returns whether an endpoint has a job to send.
    pub fn has_next(&self, endpoint: Endpoint) -> bool {
        self.lanes.get(&endpoint).is_some_and(|lane| !lane.is_empty())
    }

    /// The next job of an endpoint, and the number of its machine.
    pub fn next(&mut self, endpoint: Endpoint) -> Option<(usize, Job)> {
        self.lanes.get_mut(&endpoint)?.pop_front()
    }

    /// A job has ended. Gives what must be known of it now.
    pub fn ended(&mut self, address: &Address) -> Vec<Dependency> {
        self.unfinished.remove(address);
        let machines = self.waiting.get(address).into_iter().flatten();
        let jobs = machines.flat_map(|n| self.machines.get(*n)).flat_map(|m| &m.queue);
        let asked: HashSet<&Dependency> =
            jobs.flat_map(|j| &j.depends_on).filter(|d| d.address == *address).collect();
        asked.into_iter().cloned().collect()
    }

    /// A second call of a job that has ended: it is next, and its machine's turn goes on.
    pub fn follow(&mut self, machine: usize, job: Job) {
        self.lanes.entry(job.endpoint()).or_default().push_back((machine, job));
    }

    /// The next call may go to a machine.
    pub fn free(&mut self, machine: usize) {
        if let Some(m) = self.machines.get_mut(machine) {
            m.taken = false;
        }
        self.turn(machine);
    }

    fn turn(&mut self, machine: usize) {
        let (unfinished, met) = (&self.unfinished, &self.met);
        let ready = |job: &Job| {
            let there = |d: &Dependency| !unfinished.contains(&d.address) && met.get(d) == Some(&true);
            job.depends_on.iter().all(there)
        };
        let Some(m) = self.machines.get_mut(machine).filter(|m| !m.taken) else { return };
        if let Some(i) = m.queue.iter().position(ready) {
            m.taken = true;
            let job = m.queue.remove(i);
            self.lanes.entry(job.endpoint()).or_default().push_back((machine, job));
        }
    }

    /// Jobs that wait for what they depend on, and for nothing else.
    pub fn held(self) -> Vec<Job> {
        let idle = self.machines.into_iter().filter(|m| !m.taken);
        idle.flat_map(|m| m.queue).filter(|j| !j.depends_on.is_empty()).collect()
    }
}
