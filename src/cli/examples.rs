//! Two or three examples at the end of each command's help. `tests/cli/examples.rs` runs them in a copy of
//! `examples/runbooks`.

use clap::Command;

/// The examples, by command.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "init",
        &[
            "casefile init my-cases",
            "casefile init others --pipeline gitlab --state git",
            "casefile init --pipeline github",
        ],
    ),
    (
        "validate",
        &[
            "casefile validate",
            "casefile validate incidents/inc-2042-ransomware.yaml",
            "casefile validate --format github",
        ],
    ),
    (
        "plan",
        &[
            "casefile plan",
            "casefile plan -l incident=INC-2042 -v",
            "casefile plan incidents --out plan.json",
        ],
    ),
    (
        "apply",
        &[
            "casefile apply -l incident=INC-2042 --auto-approve",
            "casefile apply plan.json",
            "casefile apply --wait --fetch --timeout 1h",
        ],
    ),
    ("seal", &["casefile seal", "casefile seal incidents/inc-2042-ransomware.yaml"]),
    ("render", &["casefile render", "casefile render -l incident=INC-2042,step=collect"]),
    ("test", &["casefile test", "casefile test ransomware-triage"]),
    ("status", &["casefile status", "casefile status fin-ws-042 -v", "casefile status -l incident=INC-2042"]),
    ("show", &["casefile show plan.json", "casefile show plan.json -v"]),
    ("doctor", &["casefile doctor", "casefile doctor --format json"]),
    ("log", &["casefile log -n 20", "casefile log fin-ws-042 -v"]),
    (
        "fetch",
        &["casefile fetch fin-ws-042", "casefile fetch fin-ws-051 --exec 'sh -c \"echo $CASEFILE_FILE\"'"],
    ),
    ("report", &["casefile report", "casefile report -l incident=INC-2042 --refresh --out inc-2042.html"]),
    (
        "cancel",
        &[
            "casefile cancel fin-ws-042 --comment 'INC-2042: the device is rebuilt'",
            "casefile cancel -l incident=INC-2042 --comment 'INC-2042: not needed any more' --auto-approve",
        ],
    ),
    (
        "hunt",
        &[
            "casefile hunt 'DeviceLogonEvents | where AccountName =~ \"svc-backup\" | distinct DeviceName'",
            "casefile hunt --as alert --title 'INC-2063: odd logon' --out incidents/found.yaml \
             'DeviceLogonEvents | where AccountName =~ \"k.brandt\"'",
            "casefile hunt - --format csv < query.kql",
        ],
    ),
    (
        "new package",
        &[
            "casefile new package hr-ws-019 --comment 'INC-2090: odd logon'",
            "casefile new package ap-ws-014 hr-ws-019 --comment 'INC-2090: sweep' --label incident=INC-2090",
            "casefile new package --from-file hosts.txt --comment 'INC-2090: sweep' --name inc-2090",
        ],
    ),
    (
        "new incident",
        &[
            "casefile new incident inc-2090 --runbook ransomware-triage",
            "casefile new incident inc-2091 --runbook ransomware-triage --set ticket=INC-2091 --set \
             lead=duty@contoso.com --set hosts=hr-ws-019,ap-ws-014 --set extension=.lockbit",
        ],
    ),
    (
        "draft",
        &[
            "casefile draft --since 30d",
            "casefile draft --alert da637472900382838869_1364969609 --label incident=INC-2090 --dry-run",
        ],
    ),
    (
        "import",
        &[
            "casefile import --discover --auto-approve",
            "casefile import inc-2042.collect-fin-ws-042 5382f7ea-7557-4ab7-9782-d50480024a4e",
        ],
    ),
    (
        "drill",
        &[
            "casefile drill",
            "casefile drill --runbook ransomware-triage --machines 20 --faults",
            "casefile drill --faults --seed 7 --format json",
        ],
    ),
    ("state list", &["casefile state list"]),
    ("state show", &["casefile state show fin-ws-042"]),
    ("state rm", &["casefile state rm fin-ws-051"]),
    ("state mv", &["casefile state mv fin-ws-051 InvestigationPackage/inc-2042-fin-ws-051"]),
    ("state rename-project", &["casefile state rename-project incident-runbooks"]),
    (
        "state migrate",
        &["casefile state migrate --to file:moved", "casefile state migrate --to git:refs/casefile/ir"],
    ),
    ("state pull", &["casefile state pull copy"]),
    ("state rebuild", &["casefile state rebuild", "casefile state rebuild --accept-damage"]),
    ("verify", &["casefile verify", "casefile verify --no-evidence --format json"]),
    (
        "export",
        &["casefile export --bagit bag", "casefile export -l incident=INC-2042 --bagit bags/inc-2042"],
    ),
    ("schema", &["casefile schema", "casefile schema manifest"]),
    (
        "sandbox",
        &[
            "casefile sandbox --scenario scenario.yaml",
            "casefile sandbox --listen 127.0.0.1:9000 --world world.json",
        ],
    ),
    ("completions", &["casefile completions bash", "casefile completions zsh > _casefile"]),
    ("man", &["casefile man share/man"]),
];

/// Adds the examples to the help of each command.
pub fn add(command: Command) -> Command {
    EXAMPLES.iter().fold(command, |command, (path, examples)| {
        let mut text = "Examples:".to_owned();
        for example in *examples {
            text.push_str(&format!("\n  {example}"));
        }
        match path.split_once(' ') {
            Some((group, name)) => {
                command.mut_subcommand(group, |group| group.mut_subcommand(name, |c| c.after_help(text)))
            }
            None => command.mut_subcommand(path, |c| c.after_help(text)),
        }
    })
}
