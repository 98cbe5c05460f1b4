//! The story of each resource, as the journal's records tell it.
//!
//! The state says where a resource stands; the story says how it came there: what was asked, by whom, and when it was
//! accepted, ran, was over and was fetched. Pure: the bytes of a journal in, stories out. Records are read as far as the
//! chain holds; whether it does to the end is said beside them. Nothing here decides anything.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::custody::Custody;
use super::exchange::{AttemptId, CallAction, Object, Origin, Seq};
use super::fold::State;
use super::journal::{Checkpoint, JournalError, Reader};
use super::operator::Operator;
use super::record::{Intent, Outcome, Record};
use super::resource::{Phase, Resource};
use super::resources::Resources;
use crate::model::{Address, Kind, PlanDigest, RequestDigest, Sha256Hex};

/// All that a journal tells.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// The stories, by the address that each resource has now, or had last.
    pub stories: BTreeMap<Address, Story>,
    /// The records that speak of no resource, or of all.
    pub others: Vec<Recorded>,
    /// The number of the last sound record.
    pub seq: Seq,
    /// The hash of that record.
    pub head: Sha256Hex,
    /// The fault of the line behind it, if there is one.
    pub damage: Option<JournalError>,
}

/// The story of one resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    /// Every record that speaks of it, under whatever address, the oldest first.
    pub records: Vec<Recorded>,
    /// One after the other: of each call that was to make an object, and of each object that was there already.
    pub courses: Vec<Course>,
    /// The calls that changed such an object: cancels, updates and resolves.
    pub changes: Vec<Course>,
}

impl History {
    /// Takes in where the resources of a state stand: one that was looked at knows more than the journal.
    pub fn look(&mut self, state: &State, at: Timestamp) {
        for (address, r) in &state.resources {
            self.stories.entry(address.clone()).or_default().look(address, r, at);
        }
    }
}

/// A record with its place in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its number.
    pub seq: Seq,
    /// When it was written, by the clock of the run that wrote it.
    pub at: Timestamp,
    /// Its hash.
    pub hash: Sha256Hex,
    /// The record itself.
    pub record: Record,
}

/// A call as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The number of its intent's record: the attempt's.
    pub attempt: AttemptId,
    /// Why the call was made.
    pub action: CallAction,
    /// When its intent was written, by the clock of the run.
    pub at: Timestamp,
    /// The same moment by the service's clock.
    pub server_at: Timestamp,
    /// When the first call of the same run and plan was written, by the run's clock: in between, this one waited for the
    /// quotas and for its turn.
    pub run_began: Timestamp,
    /// The plan that asked for it.
    pub plan: PlanDigest,
    /// The digest of the request as it was reviewed.
    pub request: RequestDigest,
    /// The sender; none in older records.
    pub by: Option<Operator>,
    /// The git commit that was checked out then.
    pub commit: Option<String>,
}

/// The course of one object at the service, or of a call that made none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// The call that asked for it; none for an object that was there already.
    pub asked: Option<Asked>,
    /// The fate of the call, and when that was written, where it is anything but the object: the last word counts.
    pub ended: Option<(Timestamp, Outcome)>,
    /// The object as it was shown last.
    pub object: Option<Object>,
    /// True if our call made it.
    pub origin: Option<Origin>,
    /// When the service accepted the call, or when the object was met, by the service's clock as far as that is known.
    pub accepted: Option<Timestamp>,
    /// When the object was first seen to run, by the service's clock as far as that is known.
    pub running: Option<Timestamp>,
    /// When it was over, by the service's clock as far as that is known.
    pub finished: Option<Timestamp>,
    /// When lists and a read did not show it any more, by our clock.
    pub missing: Option<Timestamp>,
    /// When links to its package were asked for, by our clock.
    pub links: Vec<Timestamp>,
    /// Its packages that are held, with the numbers of their records.
    pub fetched: Vec<(Seq, Custody)>,
}

impl Course {
    /// Returns whether it is that of the object of this id.
    pub fn holds(&self, id: &str) -> bool {
        self.object.as_ref().is_some_and(|o| o.id.eq_ignore_ascii_case(id))
    }

    fn is_of(&self, attempt: AttemptId) -> bool {
        self.asked.as_ref().is_some_and(|a| a.attempt == attempt)
    }

    /// Takes in what the service shows. `at` is when that was written.
    fn see(&mut self, address: &Address, at: Timestamp, object: &Object) {
        let changed = object.updated_at.as_ref().map_or(at, |t| t.instant());
        match Phase::of_object(address.kind(), object) {
            Phase::InProgress if object.status == "InProgress" => {
                self.running.get_or_insert(changed);
            }
            Phase::Succeeded | Phase::Failed | Phase::Cancelled
                if address.kind() == Kind::InvestigationPackage =>
            {
                let same = self.object.as_ref().is_some_and(|known| known.status == object.status);
                self.finished = self.finished.filter(|_| same).or(Some(changed));
            }
            _ => {}
        }
        self.missing = None;
        // What a later look does not show was true all the same.
        let known = self.object.take().filter(|known| known.id.eq_ignore_ascii_case(&object.id));
        let mut object = object.clone();
        if let Some(known) = known {
            object.requestor = object.requestor.or(known.requestor);
            object.created_at = object.created_at.or(known.created_at);
            object.cancelled_by = object.cancelled_by.or(known.cancelled_by);
            object.computer_dns_name = object.computer_dns_name.or(known.computer_dns_name);
        }
        self.object = Some(object);
    }

    fn take(&mut self, address: &Address, at: Timestamp, origin: Origin, object: &Object) {
        let made = object.created_at.as_ref().map(|t| t.instant());
        self.accepted.get_or_insert(made.unwrap_or(at));
        self.origin.get_or_insert(origin);
        self.ended = None;
        self.see(address, at, object);
    }
}

/// Tells the story of every resource that a journal speaks of. One that was not begun has no bytes, and tells nothing.
pub fn history(journal: &[u8]) -> History {
    let mut telling = Telling::default();
    let mut reader = Reader::new(journal);
    let mut damage = None;
    for entry in reader.by_ref() {
        match entry {
            Ok(e) => telling.tell(Recorded { seq: e.seq, at: e.at, hash: e.hash, record: e.record }),
            // Where there is no journal yet, nothing is wrong with it.
            Err(e) => damage = Some(e).filter(|_| !journal.is_empty()),
        }
    }
    let Checkpoint { seq, head, .. } = reader.mark();
    let damage = damage.filter(|_| !journal.is_empty());
    History { stories: telling.stories, others: telling.others, seq, head, damage }
}

#[derive(Default)]
struct Telling {
    stories: BTreeMap<Address, Story>,
    others: Vec<Recorded>,
    /// The first call of each run and plan.
    began: BTreeMap<(String, PlanDigest), Timestamp>,
}

impl Telling {
    fn tell(&mut self, recorded: Recorded) {
        let Recorded { seq, at, ref record, .. } = recorded;
        if let Record::Recovered { resources, .. } = record {
            self.recovered(resources, at);
        }
        let Some(address) = record.address().cloned() else {
            self.others.push(recorded);
            return;
        };
        if let Record::Moved { from, to } = record {
            self.moved(from, to);
        }
        let held = match record {
            Record::Moved { to, .. } => to.clone(),
            _ => address,
        };
        let began = match record {
            Record::Intent(intent) => *self.began.entry((intent.runner.clone(), intent.plan)).or_insert(at),
            _ => at,
        };
        let story = self.stories.entry(held.clone()).or_default();
        story.take(seq, at, began, &held, record);
        story.records.push(recorded);
    }

    /// A released resource whose name is taken over is told of in the same story.
    fn moved(&mut self, from: &Address, to: &Address) {
        let Some(moving) = self.stories.remove(from) else { return };
        let mut story = self.stories.remove(to).unwrap_or_default();
        story.records.extend(moving.records);
        story.records.sort_by_key(|r| r.seq);
        story.courses.extend(moving.courses);
        story.changes.extend(moving.changes);
        self.stories.insert(to.clone(), story);
    }

    /// The stories that a damaged journal could still tell.
    fn recovered(&mut self, resources: &Resources, at: Timestamp) {
        for (address, r) in resources {
            self.stories.entry(address.clone()).or_default().look(address, r, at);
        }
    }
}

impl Story {
    /// Takes in what a resource holds.
    fn look(&mut self, address: &Address, r: &Resource, at: Timestamp) {
        let Some(id) = &r.id else { return };
        let object = Object {
            id: id.clone(),
            status: r.status.as_deref().unwrap_or_default().to_owned(),
            requestor: (*r.requestor).clone(),
            created_at: r.created_at.clone(),
            updated_at: r.updated_at.clone(),
            cancelled_by: (*r.cancelled_by).clone(),
            computer_dns_name: r.computer_dns_name.clone(),
        };
        match self.holder(id) {
            Some(course) => course.see(address, at, &object),
            None => {
                let mut course = Course::default();
                course.take(address, at, r.origin.unwrap_or(Origin::Adopted), &object);
                self.courses.push(course);
            }
        }
    }

    fn take(&mut self, seq: Seq, at: Timestamp, began: Timestamp, address: &Address, record: &Record) {
        match record {
            Record::Intent(intent) => {
                let course = Course { asked: Some(asked(seq, at, began, intent)), ..Course::default() };
                let list = if intent.action.creates() { &mut self.courses } else { &mut self.changes };
                list.push(course);
            }
            Record::Outcome { attempt, result, server_at, .. }
            | Record::Answered { attempt, result, server_at, .. } => {
                let answered = server_at.as_ref().map_or(at, |t| t.instant());
                self.outcome(*attempt, at, answered, address, result);
            }
            Record::Found { attempt, origin, object, .. } => {
                self.found(*attempt, at, *origin, address, object);
            }
            Record::Late { attempt, object, .. } => {
                self.found(Some(*attempt), at, Origin::Made, address, object);
            }
            Record::Imported { object, .. } => self.found(None, at, Origin::Adopted, address, object),
            Record::Observed { object, .. } => {
                if let Some(course) = self.holder(&object.id) {
                    course.see(address, at, object);
                }
            }
            Record::Missing { id, .. } => {
                if let Some(course) = self.holder(id) {
                    course.missing.get_or_insert(at);
                }
            }
            Record::LinkRequested { id, .. } => {
                if let Some(course) = self.holder(id) {
                    course.links.push(at);
                }
            }
            Record::Fetched(custody) => {
                if let Some(course) = self.holder(&custody.action_id) {
                    course.fetched.push((seq, (**custody).clone()));
                }
            }
            _ => {}
        }
    }

    fn holder(&mut self, id: &str) -> Option<&mut Course> {
        self.courses.iter_mut().rev().find(|c| c.holds(id))
    }

    fn outcome(
        &mut self,
        attempt: AttemptId,
        at: Timestamp,
        answered: Timestamp,
        address: &Address,
        result: &Outcome,
    ) {
        let mut all = self.courses.iter_mut().chain(&mut self.changes);
        let Some(course) = all.find(|c| c.is_of(attempt)) else { return };
        let creates = course.asked.as_ref().is_some_and(|a| a.action.creates());
        match result {
            Outcome::Made { object } if creates => course.take(address, answered, Origin::Made, object),
            Outcome::Adopted { object } if creates => course.take(address, answered, Origin::Adopted, object),
            _ => course.ended = Some((at, result.clone())),
        }
        if let (false, Outcome::Done { object } | Outcome::Made { object }) = (creates, result)
            && let Some(changed) = self.holder(&object.id)
        {
            changed.see(address, answered, object);
        }
    }

    /// An object that a look-up or a person found: that of an attempt, or of the last call if that made none.
    fn found(
        &mut self,
        attempt: Option<AttemptId>,
        at: Timestamp,
        origin: Origin,
        address: &Address,
        object: &Object,
    ) {
        let known = self.courses.iter().rposition(|c| c.holds(&object.id));
        let asked = attempt.and_then(|n| self.courses.iter().rposition(|c| c.is_of(n)));
        let index = asked.or(known).unwrap_or_else(|| {
            self.courses.push(Course::default());
            self.courses.len() - 1
        });
        if let Some(course) = self.courses.get_mut(index) {
            course.take(address, at, origin, object);
        }
    }
}

fn asked(seq: Seq, at: Timestamp, run_began: Timestamp, intent: &Intent) -> Asked {
    Asked {
        attempt: seq,
        action: intent.action,
        at,
        server_at: intent.server_at.instant(),
        run_began,
        plan: intent.plan,
        request: intent.sent.digest,
        by: intent.by.clone(),
        commit: intent.commit.clone(),
    }
}
