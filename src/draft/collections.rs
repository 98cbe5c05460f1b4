//! From collections that are at the service to packages that take them over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::text::{plain, slug};
use crate::model::{ActionStatus, CommentRule, IdKey, MachineAction, MachineId, first_label};

/// How much of a comment is kept, in characters.
const COMMENT: usize = 1_000;

/// The name of what belongs to no ticket.
const REST: &str = "drafted";

/// A ticket, as people write it into a comment.
static TICKET: LazyLock<regex::Regex> = LazyLock::new(|| {
    regex::Regex::new(r"\b[A-Z][A-Z0-9]{1,9}-[0-9]{1,12}\b")
        .unwrap_or_else(|e| unreachable!("a constant: {e}"))
});

/// The project's resources, and the settings of its drafts.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Returns whether the state or a manifest has an action of this id.
    pub manages: &'a dyn Fn(&str) -> bool,
    /// The rule for comments.
    pub rule: Option<&'a CommentRule>,
    /// The comment of those whose own is empty or not allowed.
    pub comment: Option<&'a str>,
}

/// A package that takes a collection over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftedPackage {
    /// Its name.
    pub name: String,
    /// The device.
    pub machine: MachineId,
    /// The comment.
    pub comment: String,
    /// The id of the collection.
    pub id: String,
}

/// Packages of one ticket, or of none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftedFile {
    /// The name of the file, without its ending.
    pub name: String,
    /// The ticket, as it stands in the comments.
    pub ticket: Option<String>,
    /// The packages, in the order in which they were asked for.
    pub packages: Vec<DraftedPackage>,
}

/// The collections that can be taken over, and those that are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drafted {
    /// The files, by ticket; the one without a ticket comes last.
    pub files: Vec<DraftedFile>,
    /// How many the project has already.
    pub managed: usize,
    /// How many failed or were cancelled: as a manifest they would be asked for again.
    pub failed: usize,
    /// How many name no device.
    pub unplaced: usize,
    /// How many have a comment that the project does not allow.
    pub not_allowed: usize,
}

/// Drafts packages for collections, oldest first.
pub fn collections(actions: &[MachineAction], known: Known<'_>) -> Drafted {
    let mut out = Drafted::default();
    let mut by_ticket: BTreeMap<(bool, Option<String>), Vec<DraftedPackage>> = BTreeMap::new();
    let (mut seen, mut names) = (BTreeSet::new(), BTreeSet::new());
    for action in actions.iter().filter(|a| a.is_collection()) {
        if !seen.insert(IdKey::of(&action.id)) {
            continue;
        }
        if (known.manages)(&action.id) {
            out.managed += 1;
            continue;
        }
        if !matches!(action.status, ActionStatus::Succeeded) && !action.status.is_active() {
            out.failed += 1;
            continue;
        }
        let machine = action.machine_id.as_deref().and_then(|id| id.parse::<MachineId>().ok());
        let Some(machine) = machine.filter(MachineId::is_whole) else {
            out.unplaced += 1;
            continue;
        };
        let Some(comment) = comment(action, known) else {
            out.not_allowed += 1;
            continue;
        };
        let ticket = TICKET.find(&comment).map(|found| found.as_str().to_owned());
        let mut name = name(action, &machine);
        if !names.insert(name.clone()) {
            name = slug(&format!("{name}-{}", action.id));
            names.insert(name.clone());
        }
        let package = DraftedPackage { name, machine, comment, id: action.id.clone() };
        by_ticket.entry((ticket.is_none(), ticket)).or_default().push(package);
    }
    let file = |((_, ticket), packages): ((bool, Option<String>), Vec<DraftedPackage>)| DraftedFile {
        name: ticket.as_deref().map_or(REST.to_owned(), |ticket| format!("{REST}-{}", slug(ticket))),
        ticket,
        packages,
    };
    out.files = by_ticket.into_iter().map(file).collect();
    out
}

/// The comment of a collection; none if the project allows neither its own nor the given one.
fn comment(action: &MachineAction, known: Known<'_>) -> Option<String> {
    let own = plain(action.requestor_comment.as_deref().unwrap_or_default(), COMMENT);
    let who = plain(action.requestor.as_deref().unwrap_or("somebody"), COMMENT);
    let nothing = format!("Collected by {who}, without a comment");
    let own = Some(own).filter(|own| !own.is_empty());
    let choices = [own, known.comment.map(str::to_owned), Some(nothing)];
    choices.into_iter().flatten().find(|text| known.rule.is_none_or(|rule| rule.allows_text(text)))
}

/// The device's name and the first digits of the collection's id: a device can have several.
fn name(action: &MachineAction, machine: &MachineId) -> String {
    let device = action.computer_dns_name.as_deref().map(|name| slug(first_label(name)));
    let device = device.filter(|name| !name.is_empty());
    let device: String =
        device.unwrap_or_else(|| machine.as_str().to_ascii_lowercase()).chars().take(48).collect();
    let digits: String = action.id.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    slug(&format!("{device}-{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn action(n: u8, status: &str, comment: &str) -> MachineAction {
        serde_json::from_value(json!({
            "id": format!("{n:08}-7557-4ab7-9782-d50480024a4e"), "type": "CollectInvestigationPackage",
            "status": status, "requestor": "analyst@contoso.com", "requestorComment": comment,
            "machineId": "1e5bc9d7e413ddd7902c2932e418702b84d0cc07", "computerDnsName": "FIN-ws-042.contoso.com",
        }))
        .unwrap()
    }

    fn known(rule: Option<&CommentRule>) -> Known<'_> {
        Known { manages: &|id| id.starts_with("00000009"), rule, comment: None }
    }

    #[test]
    fn collections_become_packages_by_ticket() {
        let actions = [
            action(1, "Succeeded", "by hand"),
            action(2, "Pending", " INC-2042: triage\u{0} "),
            action(3, "Succeeded", "see INC-2042"),
            action(4, "Succeeded", ""),
            action(5, "Failed", "INC-2042"),
            action(9, "Succeeded", "INC-2042"),
        ];
        let drafted = collections(&actions, known(None));
        assert_eq!((drafted.managed, drafted.failed, drafted.unplaced, drafted.not_allowed), (1, 1, 0, 0));
        let names: Vec<&str> = drafted.files.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["drafted-inc-2042", "drafted"]);
        let texts = |file: &DraftedFile| -> Vec<(String, String)> {
            file.packages.iter().map(|p| (p.name.clone(), p.comment.clone())).collect()
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            texts(&drafted.files[0]),
            [pair("fin-ws-042-00000002", "INC-2042: triage"), pair("fin-ws-042-00000003", "see INC-2042")]
        );
        assert_eq!(
            texts(&drafted.files[1])[1],
            pair("fin-ws-042-00000004", "Collected by analyst@contoso.com, without a comment")
        );
    }

    #[test]
    fn comments_that_the_project_does_not_allow_are_left_out_or_replaced() {
        let rule: CommentRule = "^INC-".parse().unwrap();
        let actions = [action(1, "Succeeded", "by hand"), action(2, "Succeeded", "INC-1")];
        let drafted = collections(&actions, known(Some(&rule)));
        assert_eq!((drafted.not_allowed, drafted.files.len()), (1, 1));
        let given = Known { comment: Some("INC-9: taken over"), ..known(Some(&rule)) };
        let drafted = collections(&actions, given);
        let names: Vec<&str> = drafted.files.iter().map(|f| f.name.as_str()).collect();
        assert_eq!((drafted.not_allowed, &*names), (0, &["drafted-inc-1", "drafted-inc-9"][..]));
    }

    #[test]
    fn what_names_no_device_is_counted() {
        let mut nowhere = action(1, "Succeeded", "x");
        nowhere.machine_id = None;
        assert_eq!(collections(&[nowhere], known(None)).unplaced, 1);
    }
}
