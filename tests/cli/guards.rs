//! Guard rails through the binary and the simulated service: what is refused, and what lets a call through.

use serde_json::{Value, json};

use crate::case::Case;

/// Two machines with names, one of a domain; all others are named `desktop-...`.
const FLEET: &str = "
machines:
  strict: false
  list:
    - { id: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, name: HQ-DC-01.contoso.com }
    - { id: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, name: fin-ws-042 }
";

impl Case {
    /// The codes of the warnings of the plan's rows, by name.
    #[track_caller]
    fn warned(&self, args: &[&str]) -> Vec<(String, String)> {
        let plan = self.plan(args);
        let mut warned = Vec::new();
        for row in plan["changes"].as_array().unwrap() {
            let name = row["address"].as_str().unwrap().split_once('/').unwrap().1;
            for w in row["warnings"].as_array().unwrap() {
                warned.push((name.to_owned(), w["code"].as_str().unwrap().to_owned()));
            }
        }
        warned
    }

    /// What the service was asked to do, by machine.
    fn collected(&self) -> Vec<String> {
        let (out, _) = self.exits(0, &["status", "--no-refresh", "--format", "json"]);
        let state: Value = serde_json::from_str(&out).unwrap();
        let resources = state["resources"].as_object().unwrap();
        resources.keys().map(|a| a.split_once('/').unwrap().1.to_owned()).collect()
    }
}

fn package(name: &str, machine: char, comment: &str, more: &str) -> String {
    let id = machine.to_string().repeat(40);
    format!(
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: {name} }}\nspec:\n  \
         machineId: {}\n  comment: {}\n{more}---\n",
        json!(id),
        json!(comment)
    )
}

const APPROVED: &str = "  approve: { protected: true, reason: INC-2042 needs it }\n";

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

mod protected {
    use super::*;

    #[test]
    fn by_id_needs_no_look_and_an_approval() {
        let case = Case::new(FLEET, &format!("{{ protected: [{}] }}", "A".repeat(40)));
        case.write("manifests/a.yaml", &(package("dc", 'a', "x", "") + &package("ws", 'b', "x", "")));
        assert_eq!(case.warned(&["--no-refresh"]), pairs(&[("dc", "protected-machine")]));
        let (_, why) = case.exits(4, &["apply", "--auto-approve"]);
        assert!(why.contains("InvestigationPackage/dc") && !why.contains("InvestigationPackage/ws"), "{why}");
        assert!(why.contains("--allow-protected"), "{why}");
        let digest = serde_json::from_str::<Value>(&case.exits(0, &["plan", "--format", "json"]).0).unwrap();
        let digest = digest["digest"].as_str().unwrap();
        case.exits(4, &["apply", "--expect", digest]);
        assert!(case.collected().is_empty(), "nothing of the plan is sent");
        case.exits(0, &["apply", "--auto-approve", "--allow-protected"]);
        assert_eq!(case.collected(), ["dc", "ws"]);
        // Done is done: no call, no guard.
        assert_eq!(case.warned(&[]), []);
        case.exits(0, &["apply", "--auto-approve"]);
    }

    #[test]
    fn by_name_in_any_case_with_or_without_its_domain() {
        let case = Case::new(FLEET, "{ protected: [\"hq-dc-??\"] }");
        case.write("manifests/a.yaml", &(package("dc", 'a', "x", "") + &package("ws", 'b', "x", "")));
        case.write("manifests/b.yaml", &package("unlisted", 'c', "x", ""));
        assert_eq!(case.warned(&[]), pairs(&[("dc", "protected-machine")]));
        let (out, why) = case.exits(4, &["apply", "--auto-approve"]);
        assert!(why.contains("hq-dc-01.contoso.com (hq-dc-??)"), "{why}");
        assert!(out.contains("protected machine") || why.contains("protected machine"), "{out}{why}");
        case.exits(0, &["apply", "--auto-approve", "manifests/b.yaml"]);
        // A narrowed plan sees only its own rows.
        assert_eq!(case.collected(), ["unlisted"]);
    }

    #[test]
    fn a_name_that_cannot_be_told_counts_as_protected() {
        let refused = format!("{FLEET}faults: [{{ on: listMachines, then: error, status: 403 }}]\n");
        let case = Case::new(&refused, "{ protected: [\"*-dc-*\"] }");
        case.write("manifests/a.yaml", &package("ws", 'b', "x", ""));
        for args in [&[][..], &["--no-refresh"]] {
            assert_eq!(case.warned(args), pairs(&[("ws", "machine-name-unknown")]));
        }
        let (out, _) = case.exits(0, &["plan"]);
        assert!(out.contains("403"), "{out}");
        case.exits(4, &["apply", "--auto-approve"]);
        case.write("manifests/a.yaml", &package("ws", 'b', "x", APPROVED));
        assert_eq!(case.warned(&[]), pairs(&[("ws", "machine-name-unknown-approved")]));
        case.exits(0, &["apply", "--auto-approve"]);

        let strict = Case::new("machines: { strict: true }", "{ protected: [\"*-dc-*\"] }");
        strict.write("manifests/a.yaml", &package("ws", 'b', "x", ""));
        let mut warned = strict.warned(&[]);
        warned.sort();
        assert_eq!(warned, pairs(&[("ws", "machine-name-unknown"), ("ws", "unknown-machine")]));
    }

    #[test]
    fn many_machines_take_the_whole_list() {
        let mut fleet = "machines:\n  strict: true\n  list:\n".to_owned();
        let mut manifests = String::new();
        for n in 0..130 {
            let id = format!("{n:040x}");
            let name = if n == 129 { "hq-dc-01".to_owned() } else { format!("ws-{n}") };
            fleet.push_str(&format!("    - {{ id: \"{id}\", name: {name} }}\n"));
            manifests.push_str(&format!(
                "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: p{n} }}\nspec: {{ machineId: \"{id}\", comment: x }}\n---\n"
            ));
        }
        let case = Case::new(&fleet, "{ protected: [\"*-dc-*\"], limits: { newCollections: 200 } }");
        case.write("manifests/a.yaml", &manifests);
        assert_eq!(case.warned(&[]), pairs(&[("p129", "protected-machine")]));
    }

    #[test]
    fn an_approval_in_the_manifest_is_shown_and_changes_no_call() {
        let case = Case::new(FLEET, "{ protected: [\"*-dc-*\"] }");
        let digest = || {
            let (out, _) = case.exits(0, &["plan", "--format", "json"]);
            serde_json::from_str::<Value>(&out).unwrap()["digest"].clone()
        };
        case.write("manifests/a.yaml", &package("dc", 'a', "x", ""));
        let before = digest();
        case.write("manifests/a.yaml", &package("dc", 'a', "x", APPROVED));
        assert_eq!(digest(), before);
        assert_eq!(case.warned(&[]), pairs(&[("dc", "protected-machine-approved")]));
        for format in ["human", "markdown", "json"] {
            let (out, _) = case.exits(0, &["plan", "--format", format]);
            let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(out.contains("approved by its manifest: INC-2042 needs it"), "{out}");
        }
        case.exits(0, &["apply", "--auto-approve"]);
        assert_eq!(case.collected(), ["dc"]);
    }

    #[test]
    fn a_saved_plan_is_judged_by_the_project_that_applies_it() {
        let case = Case::new(FLEET, "{}");
        case.write("manifests/a.yaml", &package("dc", 'a', "x", ""));
        case.exits(0, &["plan", "--out", "plain.json"]);
        case.project("{ protected: [\"*-dc-*\"] }");
        let (out, why) = case.exits(4, &["apply", "plain.json"]);
        assert!(why.contains("hq-dc-01.contoso.com"), "{out}{why}");
        case.exits(0, &["plan", "--out", "warned.json"]);
        let (out, err) = case.exits(4, &["apply", "warned.json"]);
        assert_eq!((out + &err).matches("protected machines (*-dc-*)").count(), 1, "told once");
        case.write("manifests/a.yaml", &package("dc", 'a', "x", APPROVED));
        case.exits(0, &["plan", "--out", "approved.json"]);
        case.write("manifests/a.yaml", &package("dc", 'a', "x", ""));
        case.exits(0, &["apply", "approved.json"]);
        assert_eq!(case.collected(), ["dc"]);
    }

    #[test]
    fn a_seal_holds_the_approval() {
        let case = Case::new(FLEET, "{ protected: [\"*-dc-*\"] }");
        case.write("manifests/a.yaml", &package("dc", 'a', "x", ""));
        case.exits(0, &["seal"]);
        case.exits(4, &["apply", "--sealed"]);
        // Approved without a review of the seal.
        case.write("manifests/a.yaml", &package("dc", 'a', "x", APPROVED));
        let (out, _) = case.exits(1, &["validate", "--sealed"]);
        let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(out.contains("seal-outdated") && out.contains("has changed, its call has not"), "{out}");
        let (_, why) = case.exits(4, &["apply", "--sealed"]);
        assert!(why.contains("is outdated"), "{why}");
        case.exits(0, &["seal"]);
        let seal = std::fs::read_to_string(case.path("manifests/a.sealed.yaml")).unwrap();
        assert!(seal.contains("reason: INC-2042 needs it"), "{seal}");
        case.exits(0, &["apply", "--sealed"]);
        assert_eq!(case.collected(), ["dc"]);
    }
}

mod limits {
    use super::*;

    fn three(approve: &str) -> String {
        package("a", 'a', "x", approve) + &package("b", 'b', "x", "") + &package("c", 'c', "x", "")
    }

    fn warned(case: &Case) -> Vec<(String, String)> {
        let (out, _) = case.exits(0, &["plan", "--format", "json"]);
        let plan: Value = serde_json::from_str(&out).unwrap();
        let text = |w: &Value, k: &str| w[k].as_str().unwrap().to_owned();
        plan["warnings"].as_array().unwrap().iter().map(|w| (text(w, "code"), text(w, "message"))).collect()
    }

    #[test]
    fn an_approval_counts_up_to_its_number() {
        let case = Case::new("{}", "{ limits: { newCollections: 1 } }");
        case.write("manifests/a.yaml", &three(""));
        assert_eq!(warned(&case)[0].0, "over-limit");
        case.exits(4, &["apply", "--auto-approve"]);
        case.write("manifests/a.yaml", &three("  approve: { overLimits: 2, reason: r }\n"));
        assert_eq!(warned(&case)[0].0, "over-limit");
        assert!(warned(&case)[0].1.contains("InvestigationPackage/a approves 2 only"));
        case.exits(4, &["apply", "--auto-approve"]);
        case.write("manifests/a.yaml", &three("  approve: { overLimits: 3, reason: the whole floor }\n"));
        assert_eq!(warned(&case)[0].0, "over-limit-approved");
        assert!(warned(&case)[0].1.contains("the whole floor"));
        case.exits(0, &["apply", "--auto-approve"]);
        assert_eq!(case.collected(), ["a", "b", "c"]);
    }

    #[test]
    fn an_approval_is_spent_with_its_call() {
        let case = Case::new("{}", "{ limits: { newCollections: 1 } }");
        let approve = "  approve: { overLimits: 100, reason: r }\n";
        case.write("manifests/a.yaml", &package("a", 'a', "x", approve));
        case.exits(0, &["apply", "--auto-approve"]);
        let more = package("d", 'd', "x", "") + &package("e", 'e', "x", "");
        case.write("manifests/b.yaml", &more);
        assert_eq!(warned(&case)[0].0, "over-limit");
        case.exits(4, &["apply", "--auto-approve"]);
        case.exits(0, &["apply", "--auto-approve", "--allow-over-limits"]);
    }

    #[test]
    fn an_approval_is_for_its_own_kind() {
        let case = Case::new("{}", "{ limits: { newCollections: 1, newAlerts: 0 } }");
        let alert = "apiVersion: casefile/v1\nkind: Alert\nmetadata: { name: a }\nspec:\n  machineId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07\n  severity: Low\n  title: t\n  description: d\n  recommendedAction: r\n  eventTime: 2018-08-03T16:45:21.7115183Z\n  reportId: \"20776\"\n  category: Exploit\n  approve: { overLimits: 100, reason: r }\n---\n";
        case.write("manifests/a.yaml", &(three("") + alert));
        let codes: Vec<String> = warned(&case).into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, ["over-limit", "over-limit-approved"]);
    }
}

mod comments {
    use super::*;

    #[test]
    fn calls_are_refused_and_history_is_not() {
        let case = Case::new("delays: { pending: 0, running: 0 }", "{}");
        case.write("manifests/old.yaml", &package("old", 'a', "before the rule", ""));
        case.exits(0, &["apply", "--auto-approve", "--wait"]);
        case.project("{ requireComment: '^INC-[0-9]+' }");
        case.exits(0, &["validate"]);
        assert_eq!(case.warned(&[]), []);
        case.exits(0, &["apply", "--auto-approve"]);

        case.write("manifests/new.yaml", &package("new", 'b', "look at it", ""));
        let (out, _) = case.exits(1, &["validate", "--format", "json"]);
        let found: Value = serde_json::from_str(&out).unwrap();
        let [d] = found["diagnostics"].as_array().unwrap().as_slice() else { panic!("{found}") };
        let place = (&d["code"], &d["file"], &d["line"], &d["column"]);
        assert_eq!(
            place,
            (&json!("comment-rule"), &json!("manifests/new.yaml"), &json!(6), &json!(12)),
            "{found}"
        );
        assert_eq!(case.warned(&[]), pairs(&[("new", "comment-rule")]));
        let (_, why) = case.exits(4, &["apply", "--auto-approve"]);
        assert!(
            why.contains("InvestigationPackage/new") && !why.contains("InvestigationPackage/old"),
            "{why}"
        );
        case.exits(0, &["plan", "--out", "plan.json"]);
        case.exits(4, &["apply", "plan.json"]);
        case.write("manifests/new.yaml", &package("new", 'b', "INC-7: look at it", ""));
        case.exits(0, &["validate"]);
        case.exits(0, &["apply", "--auto-approve"]);

        // Asking again sends the old text again: that is a call like any other.
        case.exits(4, &["apply", "--auto-approve", "--replace", "InvestigationPackage/old"]);
        // And so is an edited text.
        case.write("manifests/old.yaml", &package("old", 'a', "before the rule, edited", ""));
        case.exits(1, &["validate"]);
        case.exits(0, &["apply", "--auto-approve"]);
        case.write("manifests/old.yaml", &package("old", 'a', "INC-8: asked again", "  revision: 2\n"));
        case.exits(0, &["validate"]);
        case.exits(0, &["apply", "--auto-approve"]);
    }

    #[test]
    fn a_mark_is_no_part_of_the_text() {
        let case = Case::new("{}", "{ requireComment: '^INC-[0-9]+$', recovery: { marker: true } }");
        case.write("manifests/a.yaml", &package("a", 'a', "INC-1", ""));
        assert_eq!(case.warned(&[]), []);
        case.exits(0, &["plan", "--out", "plan.json"]);
        case.exits(0, &["apply", "plan.json"]);
        assert_eq!(case.collected(), ["a"]);
    }

    #[test]
    fn a_state_that_cannot_be_read_makes_it_a_warning() {
        let case = Case::new("{}", "{ requireComment: '^INC-[0-9]+', state: { url: \"az://a/b\" } }");
        case.write("manifests/a.yaml", &package("a", 'a', "x", ""));
        let (out, _) = case.exits(0, &["validate"]);
        assert!(out.contains("warning[comment-rule]"), "{out}");
    }

    #[test]
    fn cancel_obeys() {
        let case = Case::new("{}", "{ requireComment: '^INC-[0-9]+' }");
        case.write("manifests/a.yaml", &package("a", 'a', "INC-1", ""));
        case.exits(0, &["apply", "--auto-approve"]);
        let cancel = |text| ["cancel", "InvestigationPackage/a", "--auto-approve", "--comment", text];
        let (_, why) = case.exits(64, &cancel("wrong machine"));
        assert!(why.contains("requireComment: ^INC-[0-9]+"), "{why}");
        case.exits(0, &cancel("INC-1: wrong machine"));
    }
}
