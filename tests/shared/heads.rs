//! Heads that a saved plan keeps: a state whose history does not hold them is another one.

use super::lab::Lab;

#[test]
fn a_saved_plan_is_refused_by_a_state_that_was_put_back() {
    let lab = Lab::new(2);
    let first = lab.path("first");
    let remote = lab.path("remote.git");
    assert_eq!(lab.run(&first, &["apply", "--auto-approve", "manifests/ws-00.yaml"]).0, 0);
    assert_eq!(lab.run(&first, &["plan", "--out", "plan.json", "manifests/ws-01.yaml"]).0, 0);
    let plan: serde_json::Value =
        serde_json::from_slice(&std::fs::read(first.join("plan.json")).unwrap()).unwrap();
    let head = plan["execution"]["head"].as_str().unwrap();
    let tip = lab.git(&remote, &["rev-parse", "refs/casefile/ir"]);
    lab.git(&remote, &["update-ref", "refs/casefile/ir", &format!("{tip}~1")]);
    // A machine that has never seen the state: the plan alone knows.
    let second = lab.clone_as("second");
    std::fs::copy(first.join("plan.json"), second.join("plan.json")).unwrap();
    let (code, _, stderr) = lab.run(&second, &["apply", "plan.json"]);
    assert_eq!((code, lab.collections()), (4, 1), "{stderr}");
    let refused = format!("made at head sha256:{head}");
    let now = "which ends with head sha256:";
    let next = format!(" verify --head sha256:{head}");
    assert!(stderr.contains(&refused) && stderr.contains(now) && stderr.contains(&next), "{stderr}");
    // Restored, it is carried out.
    lab.git(&remote, &["update-ref", "refs/casefile/ir", &tip]);
    let (code, _, stderr) = lab.run(&second, &["apply", "plan.json"]);
    assert_eq!((code, lab.collections()), (0, 2), "{stderr}");
}
