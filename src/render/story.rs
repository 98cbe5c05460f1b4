//! The story of a resource, from the call that asked for it to the package that is held: for `status -v`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::layout::{Paint, Paragraph};
use super::{Style, age, messages, records, refusals};
use crate::model::Address;
use crate::state::{Course, Origin, Resource, Story};

/// Columns of what belongs to a line of a table. A digest with its name fits into what is left of 80.
const INDENT: usize = 4;

/// The ids of a resource, and where it is declared if nothing is recorded of it.
pub fn details(
    address: &Address,
    resource: Option<&Resource>,
    place: Option<&str>,
    style: Style,
    out: &mut String,
) {
    let mut say = |paint: Paint, text: String| {
        Paragraph::new(INDENT, INDENT).push(paint, text).write(style, out);
    };
    say(Paint::Strong, address.to_string());
    if let Some(place) = place {
        say(Paint::Plain, format!("declared at {place}"));
    }
    let Some(r) = resource else { return };
    if let Some(id) = &r.id {
        say(Paint::Plain, format!("id {id}"));
    }
    if let Some(requestor) = r.requestor.as_deref().filter(|who| !who.is_empty()) {
        say(Paint::Plain, format!("requestor {requestor}"));
    }
    say(Paint::Plain, format!("revision {}, request {}", r.sent.revision, r.digest));
    if let Some(error) = &r.error {
        say(Paint::Bad, format!("refused: {}", refusals::refusal(error)));
    }
}

/// Writes a story, the oldest step first: when, what and by whom in a line, and below it what is long.
pub fn write(story: &Story, style: Style, now: Timestamp, out: &mut String) {
    for step in steps(story) {
        let mut line = Paragraph::new(INDENT - 2, INDENT)
            .push(Paint::Faint, format!("{}  ", age::clock(now, step.at)))
            .push(Paint::Strong, &step.what);
        if let Some(by) = &step.by {
            line = line.text(format!(", by {by}"));
        }
        line.write(style, out);
        let commit = step.commit.as_ref().map(|commit| format!("commit {commit}"));
        let plan = step.plan.as_ref().map(|plan| format!("plan {plan}"));
        for text in step.details.iter().chain(&commit).chain(&plan) {
            Paragraph::new(INDENT, INDENT).text(text).write(style, out);
        }
    }
}

/// Something that happened to a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// When: by the service's clock as far as it tells, else by that of the run.
    #[schemars(example = &"2026-03-01T09:30:00Z")]
    pub at: Timestamp,
    /// The kind of step: `asked`, `answered`, `accepted`, `adopted`, `running`, `finished`, `missing` or `fetched`.
    #[schemars(example = &"accepted")]
    pub code: &'static str,
    /// The same for people.
    #[schemars(example = &"accepted: 5382f7ea-7557-4ab7-9782-d50480024a4e")]
    pub what: String,
    /// Further facts: digests, names of files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!(["file:evidence"]))]
    pub details: Vec<String>,
    /// The person or job that did it, where a record says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"alice@ir-box")]
    pub by: Option<String>,
    /// The git commit that was checked out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"e97b40eb1dbe6a87f72830618bc54db320a617b3")]
    pub commit: Option<String>,
    /// The plan that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub plan: Option<String>,
}

impl Step {
    fn new(at: Timestamp, code: &'static str, what: impl Into<String>) -> Self {
        Step { at, code, what: what.into(), details: Vec::new(), by: None, commit: None, plan: None }
    }
}

/// Everything that happened to a resource, the oldest first.
pub fn steps(story: &Story) -> Vec<Step> {
    let mut out: Vec<Step> = story.courses.iter().flat_map(of_object).collect();
    for change in &story.changes {
        out.extend(asked(change));
        out.extend(ended(change));
    }
    out.sort_by_key(|step| step.at);
    out
}

fn asked(course: &Course) -> Option<Step> {
    let asked = course.asked.as_ref()?;
    let mut step = Step::new(asked.server_at, "asked", records::intended(asked.action));
    step.by = asked.by.as_ref().map(ToString::to_string);
    step.commit.clone_from(&asked.commit);
    step.plan = Some(asked.plan.to_string());
    Some(step)
}

fn ended(course: &Course) -> Option<Step> {
    let (at, outcome) = course.ended.as_ref()?;
    Some(Step::new(*at, "answered", records::outcome(outcome)))
}

/// The steps of one object, and of the call that asked for it.
fn of_object(course: &Course) -> Vec<Step> {
    let mut out: Vec<Step> = asked(course).into_iter().chain(ended(course)).collect();
    let id = course.object.as_ref().map(|o| o.id.as_str()).unwrap_or_default();
    if let Some(at) = course.accepted {
        out.push(match course.origin {
            Some(Origin::Adopted) => Step::new(at, "adopted", format!("was there already: {id}")),
            _ => Step::new(at, "accepted", format!("accepted: {id}")),
        });
    }
    if let Some(at) = course.running {
        out.push(Step::new(at, "running", "running"));
    }
    if let Some(at) = course.finished {
        let status = course.object.as_ref().map(|o| o.status.as_str()).unwrap_or_default();
        out.push(Step::new(at, "finished", format!("over: {}", messages::word(status))));
    }
    if let Some(at) = course.missing {
        out.push(Step::new(at, "missing", "not listed any more"));
    }
    for (_, custody) in &course.fetched {
        let what = format!("fetched: {}", messages::bytes(custody.size));
        let mut step = Step::new(custody.download_ended, "fetched", what);
        step.details =
            vec![format!("sha256:{}", custody.sha256), custody.store.clone(), custody.file.clone()];
        step.by = Some(custody.by.to_string());
        step.commit.clone_from(&custody.commit);
        out.push(step);
    }
    // Two clocks tell of it: what follows from something comes behind it.
    let mut last = Timestamp::MIN;
    for step in &mut out {
        step.at = step.at.max(last);
        last = step.at;
    }
    out
}
