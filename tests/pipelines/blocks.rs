//! The shell blocks of the pipelines, taken out of their YAML with the variables that each one is given.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::forge::Kind;

/// Variables of a step, with the forge's expressions still in them.
pub type Variables = BTreeMap<String, String>;

/// A step that runs shell.
#[derive(Clone, Debug)]
pub struct Block {
    pub job: String,
    pub shell: String,
    pub variables: Variables,
}

/// The pipeline of pull requests.
pub fn document(kind: Kind) -> Value {
    example(match kind {
        Kind::Github => "github-actions.yaml",
        Kind::Gitlab => "gitlab-ci.yaml",
        Kind::Azure => "azure-pipelines.yaml",
    })
}

/// The pipeline of the main branch. GitLab's is taken together with the file that it takes in.
pub fn applying_document(kind: Kind) -> Value {
    match kind {
        Kind::Github => example("github-actions-apply.yaml"),
        Kind::Gitlab => {
            let mut all = document(kind);
            let own = example("gitlab-ci-apply.yaml");
            assert_eq!(own["include"], serde_json::json!([{ "local": ".gitlab/casefile.yml" }]));
            for (key, value) in own.as_object().unwrap() {
                all[key] = value.clone();
            }
            all
        }
        Kind::Azure => example("azure-pipelines-apply.yaml"),
    }
}

fn example(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pipelines").join(name);
    serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Every shell block of the pipeline of pull requests, in the order in which the forge runs them.
pub fn blocks(kind: Kind) -> Vec<Block> {
    of(kind, &document(kind))
}

/// Every shell block of the pipeline of the main branch.
pub fn applying_blocks(kind: Kind) -> Vec<Block> {
    of(kind, &applying_document(kind))
}

fn of(kind: Kind, document: &Value) -> Vec<Block> {
    match kind {
        Kind::Github => github(document),
        Kind::Gitlab => gitlab(document),
        Kind::Azure => azure(document),
    }
}

fn variables(value: &Value) -> Variables {
    let map = value.as_object().into_iter().flatten();
    map.map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn github(document: &Value) -> Vec<Block> {
    assert_eq!(document["defaults"]["run"]["shell"], "bash");
    let mut out = Vec::new();
    for (job, body) in document["jobs"].as_object().unwrap() {
        for step in list(&body["steps"]) {
            let Some(run) = step["run"].as_str() else { continue };
            let mut all = variables(&document["env"]);
            all.extend(variables(&body["env"]));
            all.extend(variables(&step["env"]));
            // What `shell: bash` means.
            out.push(Block { job: job.clone(), shell: format!("set -eo pipefail\n{run}"), variables: all });
        }
    }
    out
}

fn gitlab(document: &Value) -> Vec<Block> {
    let lines = |v: &Value| list(v).iter().map(|l| l.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let mut out = Vec::new();
    for job in lines(&document["stages"]) {
        let body = &document[&job];
        let parent = &document[body["extends"].as_str().unwrap()];
        let mut script = vec!["set -eo pipefail".to_owned()];
        script.extend(lines(&parent["before_script"]));
        script.extend(lines(&body["script"]));
        let mut all = variables(&document["variables"]);
        for name in body["id_tokens"].as_object().into_iter().flatten().map(|(name, _)| name) {
            all.insert(name.clone(), "$ID_TOKEN".into());
        }
        out.push(Block { job, shell: script.join("\n"), variables: all });
    }
    out
}

fn azure(document: &Value) -> Vec<Block> {
    let mut out = Vec::new();
    for body in list(&document["jobs"]) {
        for step in list(&body["steps"]) {
            let script = step["bash"].as_str().or(step["inputs"]["inlineScript"].as_str());
            let Some(script) = script else { continue };
            // Blocks begin with the options that the agent does not set.
            assert!(script.starts_with("set -euo pipefail\n"), "{script}");
            let job = body["job"].as_str().unwrap().to_owned();
            out.push(Block { job, shell: script.to_owned(), variables: variables(&step["env"]) });
        }
    }
    out
}

/// The value of a variable as the forge would fill it in. An expression that nobody knows is an error.
pub fn expanded(text: &str, known: &BTreeMap<&str, String>) -> String {
    let mut out = text.to_owned();
    for (expression, value) in known {
        out = out.replace(expression, value);
    }
    assert!(!out.contains("${{") && !out.contains("$("), "nothing is known of {text}");
    out
}
