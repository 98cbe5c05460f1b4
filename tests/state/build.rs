//! Records and journals to test with.

use casefile::model::{Address, Body, Method, OnRemove, PlanDigest, Request, RequestDigest, Sha256Hex};
use casefile::state::{
    Binding, CallAction, Holder, Intent, Object, Origin, Outcome, Record, Refusal, Sent, State, journal,
};

pub fn addr(text: &str) -> Address {
    text.parse().unwrap()
}

/// Second `n` of a day.
pub fn at(n: u64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_700_000_000 + n as i64).unwrap()
}

pub fn open() -> Record {
    open_as("lineage-1")
}

pub fn open_as(lineage: &str) -> Record {
    let binding =
        Binding { cloud: Some("public".into()), endpoint: None, tenant: Some("t".into()), project: None };
    Record::Open { lineage: lineage.into(), binding, tool: "casefile/0.1.0".into() }
}

pub fn sent(comment: &str, revision: u32) -> Sent {
    let body = Body::of(&serde_json::json!({ "Comment": comment })).unwrap();
    let request = Request {
        method: Method::Post,
        path: "/api/machines/fb9ab6be3965095a09c057be7c90f0a2/collectInvestigationPackage".into(),
        body,
    };
    let digest = RequestDigest::of(&request, revision);
    Sent::new(request, revision, digest)
}

pub fn intent_of(address: &Address, action: CallAction, sent: Sent) -> Record {
    Record::Intent(Box::new(Intent {
        address: address.clone(),
        action,
        sent,
        plan: PlanDigest(Sha256Hex::ZERO),
        runner: "r1".into(),
        send_by: at(10),
        server_at: at(1).into(),
        timeout_seconds: None,
        labels: Default::default(),
        on_remove: OnRemove::default(),
        ids: Default::default(),
        replaces: Vec::new(),
        over: None,
        by: None,
        commit: None,
    }))
}

pub fn intent(address: &str, action: CallAction) -> Record {
    intent_of(&addr(address), action, sent("a comment", 1))
}

pub fn object(id: &str, status: &str) -> Object {
    Object {
        id: id.into(),
        status: status.into(),
        requestor: None,
        created_at: None,
        updated_at: None,
        cancelled_by: None,
        computer_dns_name: None,
    }
}

pub fn outcome(address: &str, attempt: u64, result: Outcome) -> Record {
    Record::Outcome { attempt, address: addr(address), result, server_at: None }
}

pub fn made(id: &str, status: &str) -> Outcome {
    Outcome::Made { object: object(id, status) }
}

pub fn refusal(status: u16, code: &str) -> Refusal {
    Refusal { status, code: code.into(), ..Refusal::default() }
}

pub fn unsent() -> Outcome {
    Outcome::Unsent { why: "refused".into() }
}

pub fn unknown() -> Outcome {
    Outcome::Unknown { why: "timed out".into(), other: None }
}

pub fn found(address: &str, attempt: Option<u64>, origin: Origin, id: &str) -> Record {
    Record::Found { address: addr(address), attempt, origin, object: object(id, "Pending") }
}

pub fn holder() -> Holder {
    Holder {
        user: "ana".into(),
        host: "soc-1".into(),
        pid: 4711,
        since: at(0),
        command: "casefile apply".into(),
        job: None,
    }
}

/// Folds records, numbered from 1.
pub fn fold(records: &[Record]) -> State {
    let mut state = State::default();
    for (seq, record) in (1..).zip(records) {
        state.apply(seq, at(seq), record).unwrap_or_else(|e| panic!("{e}: {record:?}"));
    }
    state
}

/// The lines of a journal, each with its newline.
pub fn lines(records: &[Record]) -> Vec<String> {
    let mut prev = Sha256Hex::ZERO;
    (1..)
        .zip(records)
        .map(|(seq, record)| {
            let (line, hash) = journal::encode(seq, prev, at(seq), record).unwrap();
            prev = hash;
            line
        })
        .collect()
}

/// A short history of two resources.
pub fn story() -> Vec<Record> {
    let (a, b) = ("InvestigationPackage/a", "InvestigationPackage/b");
    vec![
        open(),
        intent(a, CallAction::Create),
        outcome(a, 2, made("id-a", "Pending")),
        intent_of(&addr(b), CallAction::Create, sent("für \"später\"\n<ü>", 1)),
        outcome(b, 4, unknown()),
        Record::Observed { address: addr(a), object: object("id-a", "Succeeded") },
    ]
}
