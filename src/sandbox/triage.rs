//! Changes of alerts: what an update may say, and how it comes back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::alerts::{Comment, ENTITY, body, is_one_of, unknown_alert};
use super::effect::{EffectKind, Origin};
use super::message::{HttpRequest, HttpResponse, Refusal};
use super::scenario::{AlertReplies, CommentTexts, Words, analyst};
use super::wire;
use super::world::{World, request_body};

/// The fields that an update can change.
pub(super) const TRIAGE: [&str; 5] = ["status", "assignedTo", "classification", "determination", "comment"];

/// `status` of an alert.
const STATUSES: [&str; 3] = ["New", "InProgress", "Resolved"];

/// `classification` of an alert.
const CLASSIFICATIONS: [&str; 4] =
    ["TruePositive", "InformationalExpectedActivity", "FalsePositive", "Informational, expected activity"];

/// `determination` of an alert: the words of the documentation, and those of the service's metadata for the same.
const DETERMINATIONS: [(&str, &str); 19] = [
    ("MultiStagedAttack", "MultiStagedAttack"),
    ("MaliciousUserActivity", "MaliciousUserActivity"),
    ("CompromisedUser", "CompromisedAccount"),
    ("CompromisedAccount", "CompromisedAccount"),
    ("Malware", "Malware"),
    ("Phishing", "Phishing"),
    ("UnwantedSoftware", "UnwantedSoftware"),
    ("SecurityTesting", "SecurityTesting"),
    ("LineOfBusinessApplication", "LineOfBusinessApplication"),
    ("ConfirmedUserActivity", "ConfirmedActivity"),
    ("ConfirmedActivity", "ConfirmedActivity"),
    ("Clean", "NotMalicious"),
    ("NotMalicious", "NotMalicious"),
    ("InsufficientData", "NoEnoughDataToValidate"),
    ("NoEnoughDataToValidate", "NoEnoughDataToValidate"),
    ("NotEnoughDataToValidate", "NoEnoughDataToValidate"),
    ("Other", "Other"),
    ("Apt", "Apt"),
    ("SecurityPersonnel", "SecurityPersonnel"),
];

impl World {
    /// `PATCH /api/alerts/{id}`.
    pub(super) fn update_alert(
        &mut self,
        now: Timestamp,
        id: &str,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refusal> {
        let place = self.visible_alert(now, id)?;
        let changes = self.changes(&request_body(request)?)?;
        let author = self.scenario.requestor.clone();
        self.change_alert(now, place, changes, author, Origin::Api);
        let alert = self.alerts.list.get(place).ok_or_else(|| unknown_alert(id))?;
        Ok(wire::entity(200, request, ENTITY, &body(alert)))
    }

    /// `POST /api/alerts/batchUpdate`: all of them or none. What an unknown id gives is not documented.
    pub(super) fn update_alerts(
        &mut self,
        now: Timestamp,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refusal> {
        let mut input = request_body(request)?;
        let ids: Vec<String> = match input.remove("alertIds") {
            None | Some(Json::Null) => Vec::new(),
            Some(ids) => serde_json::from_value(ids).map_err(|_| Refusal::bad_body())?,
        };
        if ids.is_empty() {
            return Err(Refusal::missing("alertIds"));
        }
        let changes = self.changes(&input)?;
        let mut places = Vec::new();
        for id in &ids {
            let place = self.visible_alert(now, id)?;
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let author = self.scenario.requestor.clone();
        for place in places {
            self.change_alert(now, place, changes.clone(), author.clone(), Origin::Api);
        }
        Ok(HttpResponse::empty(200))
    }

    /// Reads the fields of an update, each as it comes back.
    fn changes(
        &self,
        input: &serde_json::Map<String, Json>,
    ) -> Result<BTreeMap<&'static str, String>, Refusal> {
        let mut changes = BTreeMap::new();
        for (name, value) in input {
            let (Some(known), Json::String(text)) = (TRIAGE.iter().find(|n| *n == name), value) else {
                return Err(Refusal::bad_body());
            };
            let taken = match *known {
                "status" => is_one_of(text, &STATUSES),
                "classification" => is_one_of(text, &CLASSIFICATIONS),
                "determination" => DETERMINATIONS.iter().any(|(word, _)| word.eq_ignore_ascii_case(text)),
                _ => true,
            };
            if !taken {
                return Err(Refusal::invalid(text));
            }
            changes.insert(*known, self.given_back(known, text));
        }
        if changes.is_empty() { Err(Refusal::bad_body()) } else { Ok(changes) }
    }

    /// A value of an update as it comes back.
    fn given_back(&self, name: &str, text: &str) -> String {
        let AlertReplies { words, comments } = self.scenario.alerts;
        let metadata = || DETERMINATIONS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        match (name, words, comments) {
            ("status", ..) => STATUSES
                .iter()
                .find(|word| word.eq_ignore_ascii_case(text))
                .map_or(text, |word| word)
                .to_owned(),
            ("determination", Words::Metadata, _) => metadata().map_or(text, |(_, word)| word).to_owned(),
            ("comment", _, CommentTexts::Escaped) => {
                [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#39;")]
                    .iter()
                    .fold(text.to_owned(), |text, (c, entity)| text.replace(*c, entity))
            }
            ("comment", _, CommentTexts::Crlf) => text.replace('\n', "\r\n"),
            _ => text.to_owned(),
        }
    }

    /// Changes the triage of an alert by hand; `false` when there is no such one.
    pub(super) fn triage_by_hand(
        &mut self,
        now: Timestamp,
        id: &str,
        changes: BTreeMap<&'static str, String>,
    ) -> bool {
        let Some(place) = self.alerts.by_id.get(id).copied() else { return false };
        self.change_alert(now, place, changes, analyst(), Origin::Analyst);
        true
    }

    fn change_alert(
        &mut self,
        now: Timestamp,
        place: usize,
        changes: BTreeMap<&'static str, String>,
        author: String,
        by: Origin,
    ) {
        let until = self.scenario.delays.update_lag.after(now);
        let Some(alert) = self.alerts.list.get_mut(place) else { return };
        alert.earlier.retain(|(until, _)| now < *until);
        if now < until {
            let shown = alert.version();
            alert.earlier.push((until, shown));
        }
        for (name, text) in changes {
            match name {
                "status" => {
                    let resolved = text == "Resolved";
                    alert.resolved = resolved.then(|| alert.resolved.unwrap_or(now));
                    alert.status = text;
                }
                "assignedTo" => alert.assigned_to = Some(text),
                "classification" => alert.classification = Some(text),
                "determination" => alert.determination = Some(text),
                // A comment never takes the place of an older one.
                _ => alert.comments.push(Comment {
                    comment: text,
                    created_by: author.clone(),
                    created_at: now,
                }),
            }
        }
        alert.updated = now;
        let (id, machine, title) = (alert.id.clone(), alert.machine.clone(), alert.title.clone());
        self.note(now, EffectKind::UpdateAlert, by, &id, &machine, &title);
    }
}
