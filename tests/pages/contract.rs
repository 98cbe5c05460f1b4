//! `docs/api-contract.md` says what the code does: it is written from the code's own tables and requests.
//!
//! `CONTRACT=write cargo test --test pages` writes it anew. What no table of the code can say stands here: where a fact
//! was read, and how either answer to an open question is tolerated.

use std::fmt::Write as _;

use casefile::defender::{ActionFilter, Answer, Cloud, Endpoint, HttpAnswer, Read, Service, classify};
use casefile::model::{
    Alert, AlertComment, Call, ERROR_CODES, HuntingApi, HuntingQuery, Machine, MachineAction, MachineName,
    Meaning, Mutation, Region, Request,
};
use serde::de::{DeserializeOwned, Visitor};

use crate::calls::{alert, triage};
use crate::named::{all_there, named};

const PAGE: &str = include_str!("../../docs/api-contract.md");

const MACHINE: &str = "fb9ab6be3965095a09c057be7c90f0a2b84d0cc0";
const ACTION: &str = "5382f7ea-7557-4ab7-9782-d50480024a4e";
const ALERT: &str = "da637472900382838869_1364969609";

/// Where an endpoint is documented, and what of it is not verified.
fn source(endpoint: Endpoint) -> (&'static str, &'static str) {
    match endpoint {
        Endpoint::Collect => ("`collect-investigation-package`", "yes"),
        Endpoint::ListActions => {
            ("`get-machineactions-collection`", "but for [permission](#permissions) and `$orderby`")
        }
        Endpoint::GetAction => ("`get-machineaction-object`", "but for [permission](#permissions)"),
        Endpoint::CancelAction => {
            ("`cancel-machine-action`, a prerelease page", "but for an action that is over")
        }
        Endpoint::PackageUri => ("`get-package-sas-uri`", "but for [permission](#permissions) and lifetimes"),
        Endpoint::CreateAlert => ("`create-alert-by-reference`", "but for merges and old events"),
        Endpoint::ListAlerts => ("`get-alerts`", "but for [permission](#permissions)"),
        Endpoint::GetAlert => ("`get-alert-info-by-id`", "but for [permission](#permissions)"),
        Endpoint::PatchAlert => ("`update-alert`", "but for some words"),
        Endpoint::MachineAlerts => ("`get-machine-related-alerts`", "but for [permission](#permissions)"),
        Endpoint::ListMachines => ("`get-machines`", "yes"),
        Endpoint::GetMachine => ("`get-machine-by-id`", "yes"),
        Endpoint::FindByTag => ("`find-machines-by-tag`", "yes"),
        Endpoint::Hunt => ("`run-advanced-query-api`", "yes; ends on 1 February 2027"),
        Endpoint::GraphHunt => ("Graph `security-security-runhuntingquery`", "but for an hour's quota"),
    }
}

/// A request as the code makes it: endpoint, method, path and query, fields of the body.
struct Made {
    endpoint: Endpoint,
    method: &'static str,
    target: String,
    fields: Vec<String>,
}

/// The names of a JSON object's fields, in order.
fn fields(body: &str) -> Vec<String> {
    let body: serde_json::Map<String, serde_json::Value> = serde_json::from_str(body).unwrap();
    body.keys().cloned().collect()
}

/// The requests of every endpoint.
fn made() -> Vec<Made> {
    let time = "2026-03-01T00:00:00Z".parse().unwrap();
    let mutations = [
        Mutation::Create(Call::Collect {
            machine_id: MACHINE.parse().unwrap(),
            comment: "c".into(),
            external_id: None,
        }),
        Mutation::Cancel { action_id: ACTION.into(), comment: "c".into() },
        Mutation::Create(Call::Alert(alert(MACHINE))),
        Mutation::Update { alert_id: ALERT.into(), update: Box::new(triage()) },
    ];
    let calls = mutations.iter().map(|mutation| {
        let Request { method, path, body } = mutation.request();
        let fields = fields(body.as_str());
        Made { endpoint: Endpoint::of(mutation), method: method.as_str(), target: path.into_owned(), fields }
    });
    let name: MachineName = "fin-ws-042".parse().unwrap();
    let query = HuntingQuery { text: "q".into(), timespan: Some(serde_json::from_str("\"P7D\"").unwrap()) };
    let plain = HuntingQuery { timespan: None, ..query.clone() };
    let filter = ActionFilter { machine_id: Some(MACHINE.into()), ..ActionFilter::collections_since(time) };
    let mut reads = vec![
        Read::actions(&filter, 0),
        Read::action(ACTION),
        Read::package_uri(ACTION),
        Read::alerts_since(time, 0),
        Read::alert(ALERT),
        Read::machine_alerts(MACHINE),
        Read::machines(0),
        Read::machines_where(&Read::name_filters([&name])[0], 0),
        Read::machine(MACHINE),
        Read::machines_tagged("tier1"),
        Read::hunt(HuntingApi::Defender, &plain).unwrap(),
        Read::hunt(HuntingApi::Graph, &query).unwrap(),
    ];
    reads.extend(Read::alerts_by_ids(&[ALERT]));
    reads.extend(Read::machines_by_ids(&[MACHINE]));
    let reads = reads.into_iter().map(|read| Made {
        endpoint: read.endpoint,
        method: if read.body.is_some() { "POST" } else { "GET" },
        fields: read.body.as_deref().map(fields).unwrap_or_default(),
        target: read.target,
    });
    calls.chain(reads).collect()
}

/// A target with `{id}` in place of ids, and its query decoded.
fn template(target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = [MACHINE, ACTION, ALERT].iter().fold(path.to_owned(), |path, id| path.replace(id, "{id}"));
    let query = percent_encoding::percent_decode_str(query).decode_utf8().unwrap().into_owned();
    let query = [MACHINE, ACTION, ALERT].iter().fold(query, |query, id| query.replace(id, "ID"));
    let query = query.replace("2026-03-01T00:00:00.0000000Z", "TIME").replace("fin-ws-042", "NAME");
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

fn endpoints(out: &mut String) {
    let made = made();
    line(out, "| quota | requests | body | documented in | verified |\n|---|---|---|---|---|");
    for endpoint in Endpoint::ALL {
        let of: Vec<&Made> = made.iter().filter(|m| m.endpoint == endpoint).collect();
        assert!(!of.is_empty(), "{endpoint:?} is never asked");
        let requests = of.iter().map(|m| format!("`{} {}`", m.method, template(&m.target)));
        let body: Vec<String> = of[0].fields.iter().map(|f| format!("`{f}`")).collect();
        let (page, verified) = source(endpoint);
        line(
            out,
            &format!(
                "| `{}` | {} | {} | {page} | {verified} |",
                endpoint.quota_name(),
                requests.collect::<Vec<_>>().join("<br>"),
                body.join(", ")
            ),
        );
    }
}

fn permissions(out: &mut String) {
    let list = |names: &[&str]| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(" or ");
    line(out, "| quota | application | user | a minute | an hour |\n|---|---|---|---|---|");
    for endpoint in Endpoint::ALL {
        let limit = |n: Option<u32>| n.map_or_else(|| "not stated".to_owned(), |n| n.to_string());
        let limits = endpoint.documented_limits();
        line(
            out,
            &format!(
                "| `{}` | {} | {} | {} | {} |",
                endpoint.quota_name(),
                list(endpoint.roles()),
                list(endpoint.scopes()),
                limit(limits.per_minute),
                limit(limits.per_hour)
            ),
        );
    }
}

fn clouds(out: &mut String) {
    line(out, "| cloud | API | sign-in | tokens are asked for | hunting by Graph |\n|---|---|---|---|---|");
    for cloud in Cloud::ALL.into_iter().filter(|c| *c != Cloud::Sandbox) {
        let regions = Region::ALL.into_iter().map(Some).filter(|_| cloud == Cloud::Public);
        for region in std::iter::once(None).chain(regions) {
            let defender = Service::new(cloud, region, None).unwrap();
            let graph = Service::graph(cloud, None).unwrap();
            let name = region.map_or_else(|| cloud.to_string(), |r| format!("{cloud}, {}", r.as_str()));
            line(
                out,
                &format!(
                    "| {name} | `{}` | `{}` | `{}` | `{}` |",
                    defender.base_text(),
                    defender.authority().as_str().trim_end_matches('/'),
                    defender.scope(),
                    graph.base_text()
                ),
            );
        }
    }
}

/// Keeps the fields that a derived reader asks for.
struct Fields<'a>(&'a mut Vec<&'static str>);

impl<'de> serde::Deserializer<'de> for Fields<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom("no structure"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.extend(fields);
        Err(serde::de::Error::custom("read"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn read_fields<T: DeserializeOwned>() -> Vec<&'static str> {
    let mut list = Vec::new();
    assert!(T::deserialize(Fields(&mut list)).is_err() && !list.is_empty());
    list
}

fn objects(out: &mut String) {
    let row = |list: Vec<&str>| list.iter().map(|f| format!("`{f}`")).collect::<Vec<_>>().join(", ");
    line(out, "| object | fields that are read |\n|---|---|");
    for (name, list) in [
        ("machine action", read_fields::<MachineAction>()),
        ("alert", read_fields::<Alert>()),
        ("comment of an alert", read_fields::<AlertComment>()),
        ("machine", read_fields::<Machine>()),
    ] {
        line(out, &format!("| {name} | {} |", row(list)));
    }
}

fn errors(out: &mut String) {
    let meaning = |m: Meaning| match m {
        Meaning::Permanent => "refused; asking again cannot help",
        Meaning::Refused => "refused; another attempt counts",
        Meaning::Busy => "the machine is busy: the running action is looked up, and adopted or waited for",
        Meaning::SignIn => "the token is renewed once, then refused; a message about a licence says so",
        Meaning::Denied => "refused; the message tells permission, licence, feature or device",
        Meaning::FeatureOff => "refused: the feature is off, or not in the plan",
        Meaning::NotFound => "refused: not known, or not shown to the caller",
        Meaning::TooMany => "not carried out; waited for, and sent again with a new intent",
        Meaning::Unknown => "unknown; looked up, never blindly sent again",
    };
    line(out, "| code | status | what it means |\n|---|---|---|");
    for code in ERROR_CODES {
        line(out, &format!("| `{}` | {} | {} |", code.code, code.status, meaning(code.meaning)));
    }
    line(
        out,
        "\nA code that is not here is decided by its status alone, of a call that changes something:\n",
    );
    line(out, "| status | what it means |\n|---|---|");
    let call = Call::Collect { machine_id: MACHINE.parse().unwrap(), comment: "c".into(), external_id: None }
        .request();
    let body = format!(r#"{{"id":"{ACTION}","type":"CollectInvestigationPackage","machineId":"{MACHINE}"}}"#);
    for (status, body) in [
        (200, &*body),
        (201, &*body),
        (202, &*body),
        (201, ""),
        (301, ""),
        (400, ""),
        (401, ""),
        (403, ""),
        (404, ""),
        (405, ""),
        (408, ""),
        (409, ""),
        (429, ""),
        (500, ""),
        (502, ""),
        (503, ""),
        (504, ""),
    ] {
        let means = match classify(&call, &Ok(HttpAnswer::new(status, body))) {
            Answer::Accepted { .. } => "accepted",
            Answer::Busy(_) => "busy",
            Answer::Unauthorized(_) => "the token is renewed once, then refused",
            Answer::Throttled { .. } => "not carried out",
            Answer::NotExecuted(_) => "never left",
            Answer::Unknown { .. } => "unknown",
            Answer::Rejected(_) => "refused",
        };
        let with = if status < 300 && body.is_empty() { " without an object" } else { "" };
        line(out, &format!("| {status}{with} | {means} |"));
    }
}

/// A question that no source answers: what is open, why either answer is fine, and the tests that give both.
const OPEN: [(&str, &str, &str); 29] = [
    (
        "Is a token for the usual audience taken by every regional host?",
        "It is what clients do. `defender.audience` asks for another one, and `doctor` shows the one that a token is for; where tokens go stays the same",
        "`src/defender/cloud.rs::another_audience_changes_the_scope_alone` `tests/cli/doctor.rs::a_token_is_looked_at_before_it_is_used`",
    ),
    (
        "Which audience do the government clouds take?",
        "The same; a 401 or 403 says that audience or cloud may be another",
        "`src/doctor/preflight.rs::only_an_audience_that_is_certainly_another_one_counts` `tests/cli/refused.rs::a_run_says_what_a_refusal_means_and_the_next_plan_says_it_again`",
    ),
    (
        "Do reads need ReadWrite permissions, as pages say since late 2025?",
        "The service is asked: `doctor` believes a harmless read, and names the larger permission if it is denied. A run begins whatever the token says of reads",
        "`src/doctor/permission.rs::what_the_service_does_counts_more_than_what_the_token_says` `src/doctor/preflight.rs::calls_need_their_permission_and_reads_are_tried`",
    ),
    (
        "Which permission does `getPackageUri` need?",
        "The same; and a 403 of the service names it",
        "`tests/cli/doctor.rs::each_call_that_is_not_tried_is_judged_by_the_token` `tests/cli/refused.rs::a_plan_names_the_permission_that_the_service_names`",
    ),
    (
        "Do expiry times of tokens come as numbers or as texts?",
        "Both are read",
        "`src/defender/auth/claims.rs::a_delegated_token_and_odd_types` `src/defender/auth/claims.rs::an_application_token`",
    ),
    (
        "Which values does `requestSource` have?",
        "Nothing depends on it; it may be missing",
        "`tests/wire.rs::collections`",
    ),
    (
        "Is a collection from a silent or inactive device accepted?",
        "Accepted, it waits and may time out; refused, it is a refusal of that one",
        "`tests/cli/run.rs::a_run_is_told_by_names_and_its_end_by_what_came_of_it` `tests/plan/rows.rs::a_collection_that_timed_out_twice_is_left_to_a_person_unless_its_manifest_says_how_often`",
    ),
    (
        "Does a busy machine answer with a code, with words, or with the running action?",
        "Each of them is busy",
        "`src/defender/answer.rs::every_row_of_a_collection` `src/engine/accepted.rs::another_s_collection_is_adopted_or_busy`",
    ),
    (
        "Is the guard against a second action for each type, or for each machine?",
        "Actions of every type are looked at; the reason names the one that may be in the way",
        "`tests/plan/rows.rs::what_keeps_a_machine_busy_may_be_an_action_of_another_type`",
    ),
    (
        "Which code does a missing comment earn?",
        "`MissingRequiredParameter` and `InvalidRequestBody` are both permanent",
        "`tests/plan/rows.rs::refusals`",
    ),
    (
        "Does a malformed machine id earn 400 or 404?",
        "Both are refusals: 400 `InvalidInput` is permanent, after 404 another attempt counts",
        "`tests/plan/rows.rs::refusals` `tests/wire.rs::errors`",
    ),
    (
        "Does a device in another device group earn 403 or 404?",
        "Both say that it may be the device group; a 403 without a reason ends the kind of call after three in a row only",
        "`tests/cli/refused.rs::a_run_says_what_a_refusal_means_and_the_next_plan_says_it_again` `tests/quota.rs::a_denial_without_a_reason_may_be_about_one_device`",
    ),
    (
        "Which code does a high-value device refuse an action with?",
        "403, or 400 with a code that is in no table: a refusal of that one, with that hint",
        "`tests/wire.rs::a_refusal_names_its_cause`",
    ),
    (
        "Is `$orderby` taken for machine actions?",
        "Where it is refused, the list is asked for without it and sorted here",
        "`tests/client.rs::a_service_that_cannot_sort_is_asked_without_an_order` `src/defender/request.rs::a_page_of_actions`",
    ),
    (
        "Does a list link to its next page?",
        "Links are followed; without one, pages are counted until a short one",
        "`tests/client.rs::links_to_the_next_page` `tests/client.rs::lists_go_on_until_a_short_page`",
    ),
    (
        "What does a cancel of an action answer that is over?",
        "Refused, it is shown and not sent for ever; taken, what the service shows of the action counts",
        "`tests/cli/refused.rs::a_cancel_says_it_too` `tests/surgery.rs::cancel_ends_what_runs_and_is_journaled`",
    ),
    (
        "How long is a link to a package good?",
        "It is used at once; one that is dead is renewed, within the quota",
        "`src/evidence/download.rs::a_dead_link_is_renewed` `src/evidence/download.rs::a_download_that_breaks_or_stalls_goes_on`",
    ),
    (
        "Does asking again give the same package?",
        "It is compared: another one starts anew",
        "`src/evidence/download.rs::another_package_under_the_link_starts_anew` `src/evidence/download.rs::what_an_earlier_run_has_fetched_whole_is_not_fetched_again`",
    ),
    (
        "Is there a link to a collection that failed, or whose package is gone?",
        "None is asked for before `Succeeded`; a 404 is told as what it is",
        "`tests/evidence/fetching.rs::a_collection_that_runs_is_not_ready` `tests/evidence/trouble.rs::what_cannot_is_told_apart_and_never_kept`",
    ),
    (
        "How long does a collection take?",
        "`--wait` goes on until `--timeout`; what still runs then is followed by a later run",
        "`tests/cli/order.rs::until_succeeded_waits_for_the_end_within_a_run_or_over_several`",
    ),
    (
        "How are the folders of a package spelled?",
        "Entries are listed as they are named, and nothing is looked for by a name",
        "`src/evidence/archive.rs::entries_are_listed_with_their_checksums` `src/evidence/archive.rs::names_that_would_leave_a_folder_are_only_listed`",
    ),
    (
        "Is `reportId` a number or a text?",
        "It is sent as a text, which is documented, and read from both",
        "`src/model/hunting.rs::values_stay_as_the_service_wrote_them` `tests/apply.rs::the_documented_requests_byte_for_byte`",
    ),
    (
        "Which words do category and triage take?",
        "Any word is sent as written; words that mean the same are equal, and an unknown one is a warning",
        "`tests/cli/triage.rs::an_unknown_word_is_a_warning_and_is_sent` `tests/cli/triage.rs::every_word_of_the_service_converges` `tests/sandbox/requests.rs::the_words_that_we_know_are_those_of_the_metadata_or_mean_one_of_them`",
    ),
    (
        "Which code does an alert earn whose event is not known, or too old?",
        "The status decides, with a code and without",
        "`src/defender/answer.rs::every_row_of_the_other_calls` `tests/wire.rs::a_refusal_names_its_cause`",
    ),
    (
        "Whose id comes back if an open alert absorbs a new one, and what of it changes?",
        "An id that a record knows is adopted; what is shown is compared field by field",
        "`tests/cli/triage.rs::an_alert_that_absorbs_the_new_one_keeps_what_it_shows` `tests/cli/triage.rs::one_apply_creates_an_alert_and_sets_its_triage`",
    ),
    (
        "Which values do the other fields of a new alert have?",
        "A field that is missing or says nothing is unknown, not another",
        "`tests/plan/rows.rs::look_alikes_in_every_form_that_the_service_gives_them_back_in` `src/model/likeness.rs::alerts_field_by_field`",
    ),
    (
        "What do ids of alerts look like?",
        "They are opaque and percent-encoded; a number is kept digit by digit",
        "`src/defender/request.rs::ids_are_one_segment` `src/defender/wire.rs::an_id_that_is_a_number_is_kept_digit_by_digit`",
    ),
    (
        "Do collections that people start in the portal appear in the list?",
        "Those that do are adopted; a machine that is busy with one that no list shows is waited for",
        "`tests/apply.rs::a_running_collection_is_adopted_in_the_same_run` `tests/apply.rs::a_running_collection_that_no_list_shows_yet_is_adopted_later`",
    ),
    (
        "Do endpoints share a quota?",
        "Each is counted by itself; a 429 says that it is otherwise, and is obeyed",
        "`tests/quota.rs::endpoints_do_not_wait_for_each_other` `tests/apply.rs::a_throttled_call_waits_and_is_sent`",
    ),
];

/// Open facts that nothing here depends on.
const NOT_USED: [&str; 5] = [
    "`ExternalId`, `Title` and `RequestSource` in calls, which the metadata knows and no page shows for collections",
    "the first version of the sign-in service's tokens, with `resource` in place of `scope`",
    "`/api/machines/{id}/machineActions` and its siblings",
    "the largest number of alerts that `batchUpdate` takes",
    "filters of machines by a tag (`machineTags/any`); `findbytag` is asked instead",
];

fn not_used(out: &mut String) {
    for item in NOT_USED {
        line(out, &format!("- {item}"));
    }
}

fn open_questions(out: &mut String) {
    line(out, "| open | why either answer is fine | tests with both |\n|---|---|---|");
    for (question, tolerated, tests) in OPEN {
        line(out, &format!("| {question} | {tolerated} | {tests} |"));
    }
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").unwrap();
}

fn page() -> String {
    let mut out = String::new();
    let mut section = |head: &str, table: &dyn Fn(&mut String)| {
        line(&mut out, &format!("{head}\n"));
        table(&mut out);
        line(&mut out, "");
    };
    section(
        "<!-- Written by `CONTRACT=write cargo test --test pages`. -->\n\n# The contract with the service\n\n\
         What `casefile` asks Microsoft Defender for Endpoint, what it reads of the answers, and what it does where nobody\n\
         knows. The tables are those that the code uses, and a test compares this page with them. Pages of the documentation\n\
         are named without their folder, `defender-endpoint/api/`.\n\n\
         Nothing here was tried against a tenant while it was written. *Verified* means that a page or several clients agree.\n\n\
         ## Requests\n\n\
         `{id}`, `ID`, `NAME`, `TIME` stand for values. Names and types are compared with the service's own metadata, and with\n\
         the requests of three foreign clients, by `tests/sandbox/requests.rs`.",
        &endpoints,
    );
    section(
        "## Permissions\n\nOf several permissions one is enough; the first one allows least. The calls of a minute and an hour are\n\
         those that the documentation allows an application in a tenant; `spec.quotas` lowers them.",
        &permissions,
    );
    section("## Clouds", &clouds);
    section(
        "## Objects\n\nEverything else is passed over. A field of another type costs that field alone; an object without an id \
         is none.",
        &objects,
    );
    section("## Errors\n\nCodes are compared without case, and their status counts with them.", &errors);
    section(
        "## Not verified\n\nQuestions that no source answers. The tests named give both answers.",
        &open_questions,
    );
    section("## Not used\n\nOpen too, and nothing depends on it:", &not_used);
    format!("{}\n", out.trim_end())
}

#[test]
fn the_page_says_what_the_code_does() {
    let page = page();
    if std::env::var("CONTRACT").is_ok_and(|v| v == "write") {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api-contract.md");
        return std::fs::write(path, page).unwrap();
    }
    let differs = page.lines().zip(PAGE.lines()).find(|(now, then)| now != then);
    assert!(page == PAGE, "docs/api-contract.md is not what the code does: {differs:?}");
}

#[test]
fn every_open_question_has_its_tests() {
    all_there(PAGE, 30);
    for (question, _, tests) in OPEN {
        assert!(!named(tests).is_empty(), "{question}");
    }
}
