//! A run as a person sees it: a line an event with the machine's name first, and an end that agrees with the plan.

use crate::case::Case;

/// Ids of devices that are listed below.
fn id(n: usize) -> String {
    format!("{n:040x}")
}

/// Three devices: one is fine, one is silent, and one refuses.
fn fleet() -> Case {
    let list = format!(
        "machines: {{ list: [{{ id: {}, name: fine.contoso.com }}, {{ id: {}, name: silent.contoso.com, health: Inactive }}, \
         {{ id: {}, name: old.contoso.com }}] }}\ndelays: {{ pending: 0, running: 1 }}\n\
         faults: [{{ on: collect, machine: {}, then: error, status: 400 }}]",
        id(1),
        id(2),
        id(3),
        id(3)
    );
    let case = Case::new(&list, "{}");
    let manifest = |name: &str| {
        // Whoever is silent is asked by the id alone.
        let machine = match name {
            "silent" => format!("machineId: \"{}\"", id(2)),
            name => format!("machineName: {name}"),
        };
        format!(
            "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: {name}-1, labels: {{ incident: INC-1 \
             }} }}\nspec: {{ {machine}, comment: INC-1 }}\n---\n"
        )
    };
    case.write("manifests/a.yaml", &["fine", "silent", "old"].map(manifest).concat());
    case
}

#[test]
fn a_run_is_told_by_names_and_its_end_by_what_came_of_it() {
    let case = fleet();
    let (plan, _) = case.exits(0, &["plan"]);
    assert!(plan.contains("INC-1  manifests/a.yaml\n    \"INC-1\"\n"), "{plan}");
    assert!(plan.contains("  + package  silent  Windows 11  offline 10 days  [1]\n"), "{plan}");
    assert!(plan.contains("To send: 3 packages. 2 of 3 machines answer now.\n"), "{plan}");
    let dir = case.dir.path().display();
    assert!(plan.ends_with(&format!("next: casefile -C {dir} apply\n")), "{plan}");
    let (out, err) = case.exits(1, &["apply", "--auto-approve", "--wait", "--timeout", "5s"]);
    let line = |machine: &str, what: &str| {
        let of = |l: &&str| l.contains(&format!("  {machine} ")) && l.contains(&format!("  package  {what}"));
        assert_eq!(err.lines().filter(of).count(), 1, "{machine} {what}: {err}");
    };
    line("fine", "accepted");
    line("fine", "succeeded after ");
    line("silent", "accepted");
    line("old", "refused: ");
    let asked = format!("see whether it is asked again: casefile -C {dir} plan");
    assert!(err.contains(&asked), "{err}");
    let result = out.lines().find(|l| l.starts_with("Result: ")).unwrap();
    assert!(result.starts_with("Result: 1 package succeeded, 1 package accepted, 1 refused (old: "), "{out}");
    assert!(out.contains("1 still runs: silent\n"), "{out}");
    assert!(out.ends_with(&format!("next: casefile -C {dir} plan\n")), "{out}");
    // The plan after it calls the rest what the end called it.
    let (plan, _) = case.exits(0, &["plan"]);
    assert!(plan.contains("1 running: silent") && plan.contains("1 done"), "{plan}");
}

#[test]
fn a_selection_is_part_of_the_next_command() {
    let case = fleet();
    let (plan, _) = case.exits(0, &["plan", "-l", "incident=INC-1"]);
    let dir = case.dir.path().display();
    let next = format!("next: casefile -C {dir} apply --selector=incident=INC-1\n");
    assert!(plan.ends_with(&next), "{plan}");
    // What holds a plan back has its own way out.
    case.project("{ limits: { newCollections: 1 } }");
    let (plan, _) = case.exits(0, &["plan"]);
    assert!(plan.contains("casefile apply --allow-over-limits") && !plan.contains("next: "), "{plan}");
}

#[test]
fn status_watches_until_nothing_runs() {
    let case = fleet();
    case.exits(1, &["apply", "--auto-approve"]);
    let (out, _) = case.exits(0, &["status", "-w", "fine"]);
    let mut lines = out.lines();
    assert!(lines.next().is_some_and(|l| l.starts_with("MACHINE")), "{out}");
    assert!(out.ends_with("  fine  package  done, not fetched\n") || out.contains("1 not fetched."), "{out}");
    case.exits(64, &["status", "-w", "--format", "json"]);
}
