//! The parts of a plan, each alone, over 1,000 alerts: `cargo bench --bench engine`.

use casefile::manifest::parse_manifests;
use casefile::model::{Desired, PlanDigest, Request, RequestDigest, Sha256Hex};
use casefile::plan::{Input, Observed, Settings, plan};
use casefile::state::{
    Binding, CallAction, Holder, Intent, MemoryDisk, Object, Outcome, Record, Sent, State, journal,
};
use divan::Bencher;
use granit_parser::{Parser, options};
use jiff::Timestamp;

const N: usize = 1000;

fn main() {
    divan::main();
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn text() -> String {
    let one = |n| {
        format!(
            "---\napiVersion: casefile/v1\nkind: Alert\nmetadata: {{ name: a-{n:05} }}\nspec:\n  machineId: \
             ab{n:038x}\n  severity: Low\n  title: alert {n}\n  description: an alert of the benchmark\n  \
             recommendedAction: nothing\n  eventTime: 2026-03-03T16:45:21.7115183Z\n  reportId: \
             \"{n}\"\n  category: Exploit\n"
        )
    };
    (0..N).map(one).collect()
}

fn desired() -> Vec<Desired> {
    let (desired, diagnostics) = parse_manifests("a.yaml", text().as_bytes());
    assert!(diagnostics.is_empty());
    desired
}

/// What a first `apply` would have written.
fn records(desired: &[Desired]) -> Vec<Record> {
    let open = Record::Open {
        lineage: "a lineage".into(),
        binding: Binding { cloud: Some("public".into()), ..Binding::default() },
        tool: "casefile/0".into(),
    };
    let mut records = vec![open];
    for (n, d) in desired.iter().enumerate() {
        let attempt = records.len() as u64 + 1;
        let request: Request = d.request().clone();
        records.push(Record::Intent(Box::new(Intent {
            address: d.address.clone(),
            action: CallAction::Create,
            sent: Sent {
                request,
                revision: d.revision,
                digest: digest(d),
                marker: Default::default(),
                machine_name: Default::default(),
                query_digest: Default::default(),
            },
            plan: PlanDigest(Sha256Hex::of(b"p")),
            runner: "r".into(),
            send_by: now(),
            server_at: "2027-01-15T08:00:00Z".parse().unwrap(),
            timeout_seconds: Some(60),
            labels: Default::default(),
            on_remove: d.on_remove,
            ids: Default::default(),
            replaces: Vec::new(),
            over: None,
            by: None,
            commit: None,
        })));
        let object = Object {
            id: format!("da{n}"),
            status: "New".into(),
            requestor: None,
            created_at: Some("2027-01-15T08:00:01Z".parse().unwrap()),
            updated_at: None,
            cancelled_by: None,
            computer_dns_name: None,
        };
        records.push(Record::Outcome {
            attempt,
            address: d.address.clone(),
            result: Outcome::Made { object },
            server_at: None,
        });
    }
    records
}

fn digest(d: &Desired) -> RequestDigest {
    d.digest
}

fn encoded(records: &[Record]) -> Vec<u8> {
    let (mut bytes, mut head) = (Vec::new(), Sha256Hex::ZERO);
    for (seq, record) in (1..).zip(records) {
        let (line, hash) = journal::encode(seq, head, now(), record).unwrap();
        bytes.extend_from_slice(line.as_bytes());
        head = hash;
    }
    bytes
}

fn folded(bytes: &[u8]) -> State {
    let mut state = State::default();
    for entry in journal::Reader::new(bytes) {
        let entry = entry.unwrap();
        state.apply(entry.seq, entry.at, &entry.record).unwrap();
    }
    state
}

/// The parser's events alone: no reader that uses it is faster.
#[divan::bench]
fn floor(bencher: Bencher<'_, '_>) {
    let text = text();
    let parse = || {
        let options = options! { emit_comments: false, strict_indentation: false };
        Parser::new_from_str_with_options(&text, options).filter(Result::is_ok).count()
    };
    bencher.counter(divan::counter::BytesCount::of_str(&text)).bench_local(parse);
}

/// Events to resources: spans, schema, rules, request and digest.
#[divan::bench]
fn read_and_validate(bencher: Bencher<'_, '_>) {
    let text = text();
    bencher
        .counter(divan::counter::BytesCount::of_str(&text))
        .bench_local(|| parse_manifests("a.yaml", text.as_bytes()));
}

/// The decision table over new resources, and over unchanged ones.
#[divan::bench(args = ["new", "unchanged"])]
fn plan_of(bencher: Bencher<'_, '_>, which: &str) {
    let desired = desired();
    let state = match which {
        "new" => State::default(),
        _ => folded(&encoded(&records(&desired))),
    };
    let settings = Settings { new_lineage: "a lineage".into(), fresh: true, ..Settings::at(now()) };
    let observed = Observed { at: now(), server_at: now(), ..Observed::default() };
    let replace = Default::default();
    bencher.bench_local(|| {
        plan(&Input {
            desired: &desired,
            selected: None,
            replace: &replace,
            state: &state,
            observed: &observed,
            settings: &settings,
        })
    });
}

/// The journal's chain and fold.
#[divan::bench]
fn fold(bencher: Bencher<'_, '_>) {
    let bytes = encoded(&records(&desired()));
    bencher.counter(divan::counter::BytesCount::of_slice(&bytes)).bench_local(|| folded(&bytes));
}

/// Records through the store, on a disk in memory, so many a sync.
#[divan::bench(args = [1, 16, 64])]
fn append(bencher: Bencher<'_, '_>, group: usize) {
    let records = records(&desired());
    let holder = Holder {
        user: "u".into(),
        host: "h".into(),
        pid: 1,
        since: now(),
        command: "apply".into(),
        job: None,
    };
    bencher.bench_local(|| {
        let mut store = MemoryDisk::new().open(&holder).unwrap().store;
        for group in records.chunks(group) {
            store.append(now(), group).unwrap();
        }
    });
}
