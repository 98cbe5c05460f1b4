//! What the calls of the last hour cost the service's quotas, as the journal tells of them.
//!
//! Reads the journal's end backwards and no further than asked; the chain is checked elsewhere. Of each line only
//! what is needed becomes a value: plans are made every few seconds, over journals that grow by thousands of records
//! an hour.

use std::collections::HashMap;
use std::io;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::disk::{Disk, FileName};
use super::exchange::{CallAction, Seq};
use crate::model::{Address, Kind};

/// A call that the service may have counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaUsage {
    /// What it acted on.
    pub kind: Kind,
    /// What it was for.
    pub action: CallAction,
    /// It asked for the link to a package, and for nothing else.
    pub is_link: bool,
    /// When its outcome was written down, by our clock: at the latest then the service has counted it. `None`
    /// where it has no outcome yet.
    pub at: Option<Timestamp>,
    /// The same moment by the service's clock, as far as the outcome tells: clocks of machines may be wrong.
    pub server_at: Option<Timestamp>,
    /// The service refused it, and takes no other before.
    pub blocked_until: Option<Timestamp>,
}

impl QuotaUsage {
    /// A call without an outcome.
    fn open(kind: Kind, action: CallAction) -> QuotaUsage {
        QuotaUsage { kind, action, is_link: false, at: None, server_at: None, blocked_until: None }
    }

    /// How far back records are read: no quota of the service has a longer period than an hour, and the clocks that the
    /// records were written by may be a quarter of an hour slow.
    pub fn since(now: Timestamp) -> Timestamp {
        now.saturating_sub(SignedDuration::from_mins(75)).unwrap_or(Timestamp::MIN)
    }

    /// As it counts for a run that began at `began`, by that run's clock, of which the service's is so far `ahead`, as far
    /// as known. An earlier run's call was answered before the run began, whatever a clock said, and a block lasts as long
    /// as it was meant to.
    #[must_use]
    pub fn by(self, began: Timestamp, ahead: Option<SignedDuration>) -> QuotaUsage {
        let Some(written) = self.at else { return self };
        let told = self.server_at.zip(ahead).and_then(|(at, ahead)| at.checked_sub(ahead).ok());
        let at = told.unwrap_or(written).min(began);
        let moved = |t: Timestamp| t.saturating_sub(written.duration_since(at)).unwrap_or(Timestamp::MIN);
        QuotaUsage { at: Some(at), blocked_until: self.blocked_until.map(moved), ..self }
    }
}

/// Between a call's intent and its outcome: the intent's `sendBy` and a request's time-out, generously.
const LONGEST_CALL: SignedDuration = SignedDuration::from_mins(5);

/// How much of the file is read at once, from its end.
const CHUNK: u64 = 64 * 1024;

/// The calls that were answered, or not, since `since`. A file that cannot be read as a journal has none.
pub(super) fn read(disk: &mut impl Disk, since: Timestamp) -> io::Result<Vec<QuotaUsage>> {
    let Some(length) = disk.len(FileName::Journal)? else { return Ok(Vec::new()) };
    let mut scan = Scan::new(since);
    let mut end = length;
    // The beginning of the last chunk, up to its first newline: the end of a line in the chunk before.
    let mut rest: Vec<u8> = Vec::new();
    while end > 0 {
        let from = end.saturating_sub(CHUNK);
        let mut chunk = disk.read(FileName::Journal, from, end)?;
        chunk.append(&mut rest);
        let whole = if from == 0 { Some(0) } else { memchr::memchr(b'\n', &chunk).map(|i| i + 1) };
        let Some(whole) = whole else {
            (rest, end) = (chunk, from);
            continue;
        };
        let mut lines = &chunk[whole..];
        while !lines.is_empty() {
            let start = memchr::memrchr(b'\n', lines).map_or(0, |i| i + 1);
            if !scan.line(&lines[start..]) {
                return Ok(scan.finish());
            }
            lines = &lines[..start.saturating_sub(1)];
        }
        chunk.truncate(whole);
        (rest, end) = (chunk, from);
    }
    Ok(scan.finish())
}

/// The same of a journal's last lines.
pub(super) fn of_lines(mut lines: &[u8], since: Timestamp) -> Vec<QuotaUsage> {
    let mut scan = Scan::new(since);
    while let Some(start) = (!lines.is_empty()).then(|| {
        let body = lines.strip_suffix(b"\n").unwrap_or(lines);
        memchr::memrchr(b'\n', body).map_or(0, |i| i + 1)
    }) {
        if !scan.line(&lines[start..]) {
            break;
        }
        lines = &lines[..start];
    }
    scan.finish()
}

struct Scan {
    since: Timestamp,
    /// What was written before is too old.
    oldest: Timestamp,
    /// By attempt: the outcomes whose intents were not met yet.
    outcomes: HashMap<Seq, QuotaUsage>,
    spent: Vec<QuotaUsage>,
}

impl Scan {
    fn new(since: Timestamp) -> Scan {
        let oldest = since.saturating_sub(LONGEST_CALL).unwrap_or(Timestamp::MIN);
        Scan { since, oldest, outcomes: HashMap::new(), spent: Vec::new() }
    }

    /// Takes one line, the younger ones before the older; false once all further ones are too old.
    fn line(&mut self, line: &[u8]) -> bool {
        let Ok(Line { seq, at, record }) = serde_json::from_slice::<Line>(line) else { return true };
        if let Some(outcome) = record.outcome.filter(|_| at >= self.oldest) {
            self.outcome(&outcome, at);
        }
        if let Some(link) = record.link_requested.filter(|_| at >= self.since) {
            let (kind, action) = (link.address.kind(), CallAction::Create);
            self.push(QuotaUsage { is_link: true, at: Some(at), ..QuotaUsage::open(kind, action) });
        }
        if let Some(intent) = record.intent.filter(|_| at >= self.oldest) {
            self.intent(seq, &intent);
        }
        at >= self.oldest
    }

    fn outcome(&mut self, outcome: &Outcome, at: Timestamp) {
        let kind = outcome.address.kind();
        let blocked_until = outcome.result.throttled.as_ref().map(|throttled| {
            let seconds = i64::try_from(throttled.retry_after_seconds).unwrap_or(i64::MAX);
            at.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
        });
        // A later word on the same attempt was met before: it was settled, found, or found late.
        let server_at = outcome.server_at.as_ref().map(crate::model::Timestamp::instant);
        let open = QuotaUsage::open(kind, CallAction::Create);
        let spent = QuotaUsage { at: Some(at), server_at, blocked_until, ..open };
        let known = self.outcomes.entry(outcome.attempt).or_insert(spent);
        if outcome.result.unsent.is_some() {
            known.at = Some(Timestamp::MIN);
        }
    }

    fn intent(&mut self, seq: Seq, intent: &Intent) {
        let (kind, action) = (intent.address.kind(), intent.action);
        let open = QuotaUsage::open(kind, action);
        let spent = self.outcomes.remove(&seq).map_or(open, |known| QuotaUsage { kind, action, ..known });
        self.push(spent);
    }

    fn push(&mut self, spent: QuotaUsage) {
        if spent.at.is_none_or(|at| at >= self.since) {
            self.spent.push(spent);
        }
    }

    fn finish(mut self) -> Vec<QuotaUsage> {
        for spent in std::mem::take(&mut self.outcomes).into_values() {
            self.push(spent);
        }
        self.spent
    }
}

/// The part of a line of the journal that matters to quotas.
#[derive(Deserialize)]
struct Line {
    seq: Seq,
    at: Timestamp,
    record: Record,
}

/// A record, if it is of a kind that counts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    intent: Option<Intent>,
    outcome: Option<Outcome>,
    link_requested: Option<LinkRequested>,
}

#[derive(Deserialize)]
struct LinkRequested {
    address: Address,
}

#[derive(Deserialize)]
struct Intent {
    address: Address,
    action: CallAction,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    attempt: Seq,
    address: Address,
    server_at: Option<crate::model::Timestamp>,
    #[serde(deserialize_with = "answer")]
    result: Answer,
}

/// A result, if it is one that counts otherwise than all others.
#[derive(Default, Deserialize)]
struct Answer {
    throttled: Option<Throttled>,
    unsent: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Throttled {
    retry_after_seconds: u64,
}

/// Reads a result: a mapping, or a word if there is no more to say.
fn answer<'de, D: Deserializer<'de>>(d: D) -> Result<Answer, D::Error> {
    struct WordOrMapping;

    impl<'de> Visitor<'de> for WordOrMapping {
        type Value = Answer;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a result")
        }

        fn visit_str<E>(self, _: &str) -> Result<Answer, E> {
            Ok(Answer::default())
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Answer, A::Error> {
            Answer::deserialize(MapAccessDeserializer::new(map))
        }
    }

    d.deserialize_any(WordOrMapping)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Body, Method, PlanDigest, Request, RequestDigest, Sha256Hex};
    use crate::state::journal;
    use crate::state::memory::MemoryDisk;
    use crate::state::{Intent, Outcome, Record, Refusal, Sent};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn intent(address: &str, action: CallAction, comment: &str) -> Record {
        let body = serde_json::json!({ "Comment": comment }).to_string();
        Record::Intent(Box::new(Intent {
            address: address.parse().unwrap(),
            action,
            sent: Sent {
                request: Request {
                    method: Method::Post,
                    path: "/x".into(),
                    body: Body::from_json(body).unwrap(),
                },
                revision: 1,
                digest: RequestDigest(Sha256Hex::of(b"r")),
                machine_name: Default::default(),
                query_digest: Default::default(),
                marker: Default::default(),
            },
            plan: PlanDigest(Sha256Hex::of(b"p")),
            runner: "r".into(),
            send_by: at(0),
            server_at: "2027-01-15T08:00:00Z".parse().unwrap(),
            timeout_seconds: None,
            labels: Default::default(),
            on_remove: Default::default(),
            ids: Default::default(),
            replaces: Vec::new(),
            over: None,
            by: None,
            commit: None,
        }))
    }

    fn outcome(attempt: Seq, address: &str, result: Outcome) -> Record {
        Record::Outcome { attempt, address: address.parse().unwrap(), result, server_at: None }
    }

    fn journal(records: &[(i64, Record)]) -> MemoryDisk {
        let (mut lines, mut head) = (String::new(), Sha256Hex::ZERO);
        for (seq, (s, record)) in (1..).zip(records) {
            let (line, hash) = journal::encode(seq, head, at(*s), record).unwrap();
            lines.push_str(&line);
            head = hash;
        }
        let disk = MemoryDisk::new();
        disk.put(FileName::Journal, lines.into_bytes());
        disk
    }

    fn refusal() -> Refusal {
        Refusal { status: 429, code: "TooManyRequests".into(), message: "\"at\":\"x".into(), target: None }
    }

    #[test]
    fn what_was_sent_counts_from_its_outcome_on() {
        let (p, a) = ("InvestigationPackage/p", "Alert/a");
        let hostile = r#""action":"cancel","record":{"outcome":{"attempt":1}},"address":"Alert/x"#;
        let mut disk = journal(&[
            (0, intent(p, CallAction::Create, hostile)),
            (10, outcome(1, p, Outcome::Unknown { why: "reset".into(), other: None })),
            (20, intent(a, CallAction::Update, "c")),
            (21, outcome(3, a, Outcome::Throttled { error: refusal(), retry_after_seconds: 300 })),
            (22, intent(p, CallAction::Retry, "c")),
            (23, outcome(5, p, Outcome::Unsent { why: "late".into() })),
            (24, intent(p, CallAction::Replace, "c")),
        ]);
        let all = read(&mut disk, at(-60)).unwrap();
        let spent = |kind, action, at, blocked_until| QuotaUsage {
            at,
            blocked_until,
            ..QuotaUsage::open(kind, action)
        };
        assert_eq!(
            all,
            [
                spent(Kind::InvestigationPackage, CallAction::Replace, None, None),
                spent(Kind::Alert, CallAction::Update, Some(at(21)), Some(at(321))),
                spent(Kind::InvestigationPackage, CallAction::Create, Some(at(10)), None),
            ]
        );
        let late = read(&mut disk, at(15)).unwrap();
        assert_eq!(late.len(), 2, "an old one costs nothing any more");
        assert!(read(&mut MemoryDisk::new(), at(0)).unwrap().is_empty());
    }

    #[test]
    fn links_count_from_their_request_on() {
        let link =
            || Record::LinkRequested { address: "InvestigationPackage/p".parse().unwrap(), id: "i".into() };
        let mut disk = journal(&[(0, link()), (50, link())]);
        let spent = read(&mut disk, at(10)).unwrap();
        assert_eq!(spent.iter().map(|s| (s.is_link, s.at)).collect::<Vec<_>>(), [(true, Some(at(50)))]);
    }

    #[test]
    fn a_clock_that_was_ahead_blocks_nothing_for_long() {
        let call = |at, blocked_until| QuotaUsage {
            at: Some(at),
            blocked_until: Some(blocked_until),
            ..QuotaUsage::open(Kind::Alert, CallAction::Create)
        };
        let day = 86_400;
        assert_eq!(call(at(day), at(day + 60)).by(at(5), None), call(at(5), at(65)));
        assert_eq!(call(at(0), at(60)).by(at(5), None), call(at(0), at(60)));
    }

    #[test]
    fn the_service_tells_when_a_call_counted_whatever_clocks_say() {
        let call = |at, server_at, blocked_until| QuotaUsage {
            at: Some(at),
            server_at: Some(server_at),
            blocked_until: Some(blocked_until),
            ..QuotaUsage::open(Kind::Alert, CallAction::Create)
        };
        let ahead = |seconds| Some(SignedDuration::from_secs(seconds));
        // Written by a clock that is ten minutes slow, or fast, and read by one that is right.
        for wrong in [-600, 600] {
            let read = call(at(wrong), at(0), at(wrong + 60)).by(at(5), ahead(0));
            assert_eq!(read, call(at(0), at(0), at(60)));
        }
        // Written by a right clock, and read by one that is ten minutes fast.
        let read = call(at(0), at(0), at(60)).by(at(605), ahead(-600));
        assert_eq!(read, call(at(600), at(0), at(660)));
        assert_eq!(
            call(at(0), at(0), at(60)).by(at(605), None).at,
            Some(at(0)),
            "nobody has asked the service yet"
        );
    }

    #[test]
    fn lines_that_lie_across_chunks_are_read_once() {
        let p = "InvestigationPackage/p";
        let long = "x".repeat(3000);
        let records: Vec<(i64, Record)> = (0..400)
            .flat_map(|n| {
                let seq = 2 * n as Seq + 1;
                let done = Outcome::Unknown { why: "w".into(), other: None };
                [(n, intent(p, CallAction::Create, &long)), (n, outcome(seq, p, done))]
            })
            .collect();
        let mut disk = journal(&records);
        assert!(disk.len(FileName::Journal).unwrap().unwrap() > 4 * CHUNK);
        assert_eq!(read(&mut disk, at(-60)).unwrap().len(), 400);
        let some = read(&mut disk, at(390)).unwrap();
        assert_eq!(
            some.iter().map(|s| s.at).collect::<Vec<_>>(),
            (390..400).rev().map(|n| Some(at(n))).collect::<Vec<_>>()
        );
    }
}
