//! The record of an incident, as runs write it: with a text in every field that comes from outside, and of any size.

use std::collections::BTreeMap;

use casefile::defender::{Cloud, Portal};
use casefile::evidence::{Held, Wrong};
use casefile::model::{Address, Call, CreateAlert, Machine, PlanDigest, RequestDigest, Sha256Hex};
use casefile::plan::Machines;
use casefile::report::{Report, Selection, Service, Sources, build, held_by_look};
use casefile::state::{
    Binding, CallAction, Custody, Intent, Object, Operator, Outcome, PackageEntry, Record, Refusal, Sent,
    State, custody_records, history, journal,
};
use jiff::{SignedDuration, Timestamp};

/// An incident under way.
pub struct Incident {
    /// A text that is put behind every text from outside.
    text: String,
    records: Vec<(Timestamp, Record)>,
    machines: Machines,
    /// The names of held files that are gone.
    lost: Vec<String>,
}

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const COMMIT: &str = "1f2e3d4c5b6a79880716253443526170f1e2d3c4";

/// Second `n` of the incident.
fn at(n: i64) -> Timestamp {
    "2026-03-01T08:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(n)
}

fn machine_id(name: &str) -> String {
    Sha256Hex::of(name.as_bytes()).to_string()[..40].to_owned()
}

fn guid(name: &str) -> String {
    let hex = Sha256Hex::of(format!("id of {name}").as_bytes()).to_string();
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

impl Incident {
    pub fn new(text: &str) -> Incident {
        let binding = Binding {
            cloud: Some("public".into()),
            endpoint: None,
            tenant: Some(TENANT.into()),
            project: Some("contoso-ir".into()),
        };
        let lineage = "0b7c2f5e-6a53-4c1e-9a2f-2f1d3c9f1b11".to_owned();
        let open = Record::Open { lineage, binding, tool: "casefile/0.1.0".into() };
        Incident {
            text: text.to_owned(),
            records: vec![(at(0), open)],
            machines: Machines::default(),
            lost: Vec::new(),
        }
    }

    fn record(&mut self, second: i64, record: Record) -> u64 {
        self.records.push((at(second), record));
        self.records.len() as u64
    }

    fn dns(&self, name: &str) -> String {
        format!("{name}.contoso.com{}", self.text)
    }

    fn object(&self, name: &str, status: &str, created: i64, changed: i64) -> Object {
        Object {
            id: guid(name),
            status: status.into(),
            requestor: Some(format!("casefile@contoso.com{}", self.text)),
            created_at: Some(at(created).into()),
            updated_at: Some(at(changed).into()),
            cancelled_by: None,
            computer_dns_name: Some(self.dns(name)),
        }
    }

    fn refusal(&self, status: u16, code: &str, message: &str) -> Refusal {
        Refusal {
            status,
            code: format!("{code}{}", self.text),
            message: format!("{message}{}", self.text),
            target: None,
        }
    }

    fn intent(&mut self, second: i64, address: &Address, action: CallAction, call: &Call, job: bool) -> u64 {
        let request = call.request();
        let sent = Sent::new(request.clone(), 1, RequestDigest::of(&request, 1));
        let run = format!("https://github.com/contoso/cases/actions/runs/811{}", self.text);
        let job = job.then_some(run);
        let by = Operator { user: format!("ann{}", self.text), host: "soc-1".into(), job };
        let runner = by.to_string();
        let plan = PlanDigest(Sha256Hex::of(runner.as_bytes()));
        let labels = BTreeMap::from([("incident".to_owned(), format!("INC-2042{}", self.text))]);
        let intent = Intent {
            address: address.clone(),
            action,
            sent,
            plan,
            runner,
            send_by: at(second + 10),
            server_at: at(second).into(),
            timeout_seconds: None,
            labels,
            on_remove: Default::default(),
            ids: Default::default(),
            replaces: Vec::new(),
            over: None,
            by: Some(by),
            commit: Some(COMMIT.to_owned()),
        };
        self.record(second, Record::Intent(Box::new(intent)))
    }

    fn outcome(&mut self, second: i64, address: &Address, attempt: u64, result: Outcome) {
        let address = address.clone();
        self.record(second, Record::Outcome { attempt, address, result, server_at: None });
    }

    fn package(&mut self, name: &str, comment: &str) -> (Address, Call) {
        let id = machine_id(name);
        let machine = serde_json::json!({
            "id": id, "computerDnsName": self.dns(name), "healthStatus": format!("Active{}", self.text),
            "osPlatform": format!("Windows11{}", self.text), "version": "23H2", "lastSeen": "2026-03-01T09:02:11Z"
        });
        self.machines.insert(&id, Some(serde_json::from_value::<Machine>(machine).unwrap()));
        let call = Call::collect(id.parse().unwrap(), format!("{comment}{}", self.text));
        (format!("InvestigationPackage/inc-2042.{name}").parse().unwrap(), call)
    }

    /// A collection: asked for, begun, over and, if it is fetched, held. Seconds of the incident.
    pub fn collected(&mut self, name: &str, asked: i64, runs: i64, over: i64, fetched: Option<i64>) {
        let (address, call) = self.package(name, "INC-2042 collects forensics of all who opened the mail");
        let attempt = self.intent(asked, &address, CallAction::Create, &call, true);
        self.accepted(&address, name, attempt, asked, runs, over, fetched);
    }

    #[allow(clippy::too_many_arguments, reason = "the moments of one collection")]
    fn accepted(
        &mut self,
        address: &Address,
        name: &str,
        attempt: u64,
        asked: i64,
        runs: i64,
        over: i64,
        fetched: Option<i64>,
    ) {
        let object = self.object(name, "Pending", asked + 1, asked + 1);
        self.outcome(asked + 1, address, attempt, Outcome::Made { object });
        for (second, status) in [(runs, "InProgress"), (over, "Succeeded")] {
            let object = self.object(name, status, asked + 1, second);
            self.record(second + 15, Record::Observed { address: address.clone(), object });
        }
        if let Some(second) = fetched {
            self.fetched(address, name, asked + 1, over, second);
        }
    }

    fn fetched(&mut self, address: &Address, name: &str, asked: i64, over: i64, second: i64) {
        let id = guid(name);
        self.record(second - 40, Record::LinkRequested { address: address.clone(), id: id.clone() });
        let day = at(asked).strftime("%Y%m%dT%H%M%SZ").to_string();
        let custody = Custody {
            address: address.clone(),
            action_id: id.clone(),
            machine_id: Some(machine_id(name)),
            machine_name: Some(self.dns(name)),
            requestor: None,
            comment: None,
            requested_at: Some(at(asked).into()),
            finished_at: Some(at(over).into()),
            download_began: at(second - 38),
            download_ended: at(second),
            store: "file:evidence".into(),
            file: format!(
                "InvestigationPackage/inc-2042.{name}/{name}.contoso.com-{day}-{id}{}.zip",
                self.text
            ),
            size: 12_000_000 + u64::from_str_radix(&guid(name)[..7], 16).unwrap(),
            sha256: Sha256Hex::of(name.as_bytes()),
            entries: vec![PackageEntry { name: "a.csv".into(), size: 1, crc32: "00000000".into() }; 47],
            unchecked: 0,
            tool: "casefile/0.1.0".into(),
            by: Operator { user: format!("ann{}", self.text), host: "soc-1".into(), job: None },
            request: RequestDigest(Sha256Hex::ZERO),
            plan: None,
            manifest: None,
            commit: None,
        };
        self.record(second, Record::Fetched(Box::new(custody)));
    }

    /// A collection that the machine was too busy for, and that a person asked for again.
    pub fn busy_first(&mut self, name: &str, asked: i64, again: i64) {
        let (address, call) = self.package(name, "INC-2042 collects forensics of all who opened the mail");
        let attempt = self.intent(asked, &address, CallAction::Create, &call, true);
        let error = self.refusal(400, "ActiveRequestAlreadyExists", "Action is already in progress");
        self.outcome(asked + 1, &address, attempt, Outcome::Busy { error });
        let attempt = self.intent(again, &address, CallAction::Create, &call, false);
        self.accepted(&address, name, attempt, again, again + 70, again + 1_300, Some(again + 1_800));
    }

    /// A collection that the hour's quota kept waiting.
    pub fn throttled_first(&mut self, name: &str, asked: i64) {
        let (address, call) = self.package(name, "INC-2042 collects forensics of all who opened the mail");
        let attempt = self.intent(asked, &address, CallAction::Create, &call, true);
        let error = self.refusal(429, "TooManyRequests", "API calls quota exceeded");
        self.outcome(asked, &address, attempt, Outcome::Throttled { error, retry_after_seconds: 600 });
        let attempt = self.intent(asked + 601, &address, CallAction::Create, &call, true);
        self.accepted(&address, name, attempt, asked + 601, asked + 690, asked + 1_500, Some(asked + 2_400));
    }

    /// One that ended otherwise, one that was refused, one that runs, one that got no answer, one whose package is gone.
    pub fn troubles(&mut self) {
        let comment = "INC-2042 collects forensics of all who opened the mail";
        let (address, call) = self.package("fin-ws-047", comment);
        let attempt = self.intent(9, &address, CallAction::Create, &call, true);
        let object = self.object("fin-ws-047", "Pending", 10, 10);
        self.outcome(10, &address, attempt, Outcome::Made { object });
        let object = self.object("fin-ws-047", &format!("TimeOut{}", self.text), 10, 3_610);
        let object = Object {
            status: if self.text.is_empty() { "TimeOut".into() } else { object.status.clone() },
            ..object
        };
        self.record(3_620, Record::Observed { address, object });

        let (address, call) = self.package("fin-ws-048", comment);
        let attempt = self.intent(10, &address, CallAction::Create, &call, true);
        let error =
            self.refusal(400, "OsPlatformNotSupported", "The machine's platform does not support this");
        self.outcome(11, &address, attempt, Outcome::Rejected { error });

        let (address, call) = self.package("fin-srv-02", comment);
        let attempt = self.intent(2_700, &address, CallAction::Create, &call, false);
        let object = self.object("fin-srv-02", "Pending", 2_701, 2_701);
        self.outcome(2_701, &address, attempt, Outcome::Made { object });
        let object = self.object("fin-srv-02", "InProgress", 2_701, 2_790);
        self.record(2_800, Record::Observed { address, object });

        let (address, call) = self.package("hr-ws-007", comment);
        let attempt = self.intent(2_702, &address, CallAction::Create, &call, false);
        let why = format!("connection reset while the answer was read{}", self.text);
        self.outcome(2_712, &address, attempt, Outcome::Unknown { why, other: None });

        self.collected("hr-ws-009", 12, 70, 900, Some(2_000));
        let gone = self.records.iter().rev().find_map(|(_, r)| match r {
            Record::Fetched(c) => Some(c.file.clone()),
            _ => None,
        });
        self.lost.extend(gone);
    }

    /// An alert, raised at once or there already.
    pub fn alert(&mut self, name: &str, title: &str, second: i64, id: &str) {
        let address: Address = format!("Alert/inc-2042.{name}").parse().unwrap();
        let t = &self.text;
        let call = Call::Alert(CreateAlert {
            machine_id: machine_id(name).parse().unwrap(),
            severity: format!("High{t}").as_str().into(),
            title: format!("{title}{t}"),
            description: "d".into(),
            recommended_action: "r".into(),
            event_time: at(-4_000).into(),
            report_id: serde_json::from_str("\"20776\"").unwrap(),
            category: "InitialAccess".into(),
        });
        let object = Object {
            id: id.to_owned(),
            status: format!("New{t}"),
            created_at: Some(at(second + 1).into()),
            ..self.object(name, "New", second + 1, second + 1)
        };
        let attempt = self.intent(second, &address, CallAction::Create, &call, true);
        self.outcome(second + 2, &address, attempt, Outcome::Made { object });
    }

    pub fn journal(&self) -> Vec<u8> {
        let mut prev = Sha256Hex::ZERO;
        let mut out = String::new();
        let mut records: Vec<&(Timestamp, Record)> = self.records.iter().collect();
        records.sort_by_key(|(at, _)| *at);
        // Attempts are named by the number of their intent's record, which sorting changes.
        let old: BTreeMap<usize, u64> =
            self.records.iter().zip(1..).map(|(r, n)| (std::ptr::from_ref(r) as usize, n)).collect();
        let new: BTreeMap<u64, u64> =
            records.iter().zip(1..).map(|(r, n)| (old[&(std::ptr::from_ref(*r) as usize)], n)).collect();
        for (seq, (at, record)) in (1..).zip(records) {
            let mut record = record.clone();
            if let Record::Outcome { attempt, .. } = &mut record {
                *attempt = new[attempt];
            }
            let (line, hash) = journal::encode(seq, prev, *at, &record).unwrap();
            prev = hash;
            out.push_str(&line);
        }
        out.into_bytes()
    }

    /// The report of all of it, at 09:20.
    pub fn report(&self, refreshed: bool) -> Report {
        let journal = self.journal();
        let mut state = State::default();
        for entry in journal::Reader::new(&journal) {
            let entry = entry.unwrap();
            state.apply(entry.seq, entry.at, &entry.record).unwrap();
        }
        let told = history(&journal);
        assert!(told.damage.is_none());
        let custody = custody_records(&journal);
        let look = |f: &String| if self.lost.contains(f) { Held::Missing } else { Held::There };
        let looks = custody.iter().map(|(_, c)| (c.file.clone(), look(&c.file))).collect();
        let held = held_by_look(&custody, "file:evidence", &looks);
        assert!(self.lost.iter().all(|f| held[f].wrong == Some(Wrong::Missing)));
        let selector = Some(format!("incident=INC-2042{}", self.text));
        build(&Sources {
            now: at(4_800),
            project: &format!("contoso-ir{}", self.text),
            service: Service { cloud: "public".into(), endpoint: None, tenant: Some(TENANT.into()) },
            portal: Portal::of(Cloud::Public),
            selection: Selection { addresses: Vec::new(), selector },
            select: &|_, _| true,
            state: &state,
            history: &told,
            machines: refreshed.then_some(&self.machines),
            held: &held,
            seal_of: &|address, _| Some(format!("manifests/{}.sealed.yaml{}", address.name(), self.text)),
        })
    }
}

/// The incident of the picture: most of it went well.
pub fn usual() -> Incident {
    full("")
}

/// The same, with a text behind everything that comes from outside.
pub fn full(text: &str) -> Incident {
    let mut i = Incident::new(text);
    i.collected("fin-ws-041", 5, 64, 790, Some(1_560));
    i.collected("fin-ws-042", 6, 61, 655, Some(1_590));
    i.collected("fin-ws-043", 7, 95, 1_240, Some(1_620));
    i.collected("fin-ws-044", 66, 150, 980, Some(1_650));
    i.busy_first("fin-ws-045", 67, 2_690);
    i.collected("fin-ws-046", 68, 140, 1_900, Some(2_460));
    i.throttled_first("fin-ws-049", 69);
    i.troubles();
    i.alert(
        "fin-ws-041",
        "Mail with a hostile attachment was opened",
        130,
        "da639080000000000001_-961444813",
    );
    i.alert("fin-ws-046", "Mail with a hostile attachment was opened", 131, "da639080000000000002_118200127");
    i
}

/// So many machines, with a package and every tenth with an alert.
pub fn large(machines: usize) -> Incident {
    let mut i = Incident::new("");
    for n in 0..machines {
        let (name, asked) = (format!("ws-{n:04}"), 5 + (n / 100) as i64 * 60);
        let over = asked + 600 + (n % 37) as i64 * 20;
        match n % 50 {
            49 => i.throttled_first(&name, asked),
            _ => i.collected(&name, asked, asked + 60, over, (n % 7 != 0).then_some(over + n as i64 * 3)),
        }
        if n % 10 == 0 {
            i.alert(&name, "Mail with a hostile attachment was opened", asked + 30, &format!("da{n}_1"));
        }
    }
    i
}
