//! Kinds of values that the schema of the parameters tells: what no incident could make right is refused where it stands.

use casefile::manifest::parse_manifests;

/// The codes, places and messages of a runbook with a condition, a list and a comment.
fn told(when: &str, each: &str, comment: &str) -> Vec<String> {
    let runbook = format!(
        "apiVersion: casefile/v1
kind: Runbook
metadata: {{ name: r }}
spec:
  parameters:
    type: object
    properties:
      ticket: {{ type: string }}
      hosts: {{ type: array, items: {{ $ref: \"#/$defs/host\" }} }}
      urgent: {{ type: boolean }}
      mixed: {{ type: [boolean, string] }}
      who: {{ type: object, properties: {{ name: {{ type: string }} }} }}
      any: {{}}
    $defs:
      host: {{ type: string }}
  resources:
    - kind: InvestigationPackage
      metadata: {{ name: \"a-${{{{ item }}}}\" }}
      forEach: {each}
      when: {when}
      spec: {{ machineId: \"${{{{ item }}}}\", comment: \"{comment}\" }}
"
    );
    let (_, problems) = parse_manifests("r.yaml", runbook.as_bytes());
    problems.iter().map(|p| format!("{}:{}:{} {}", p.line, p.column, p.code, p.message)).collect()
}

#[test]
fn what_no_incident_can_make_right_is_refused_where_it_stands() {
    let (when, each, comment) = ("${{ with.urgent }}", "${{ with.hosts }}", "c ${{ with.ticket }}");
    assert_eq!(told(when, each, comment), Vec::<String>::new());
    let last = |when: &str, each: &str, comment: &str| {
        let mut all = told(when, each, comment);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    };
    for (wrong, message) in [
        ("${{ 'yes' }}", "20:13:wrong-type `when` gives a text, not true or false"),
        ("${{ with.ticket }}", "20:13:wrong-type `when` gives a text, not true or false"),
        ("${{ with.hosts | length }}", "20:13:wrong-type `when` gives a number, not true or false"),
        ("${{ item }}", "20:13:wrong-type `when` gives a text, not true or false"),
        (
            "${{ with.ticket if with.urgent else 1 }}",
            "20:13:wrong-type `when` gives a text or a number, not true or false",
        ),
        ("${{ item.name == 'x' }}", "20:17:unknown-name `item` is a text, which has no `name`"),
    ] {
        assert_eq!(last(wrong, each, comment), message);
    }
    for (wrong, message) in [
        ("${{ with.ticket }}", "19:16:wrong-type `forEach` gives a text, not a list"),
        ("${{ with.who }}", "19:16:wrong-type `forEach` gives a mapping, not a list"),
    ] {
        assert_eq!(last(when, wrong, comment), message);
    }
    for (wrong, message) in [
        ("${{ with.ticket.sub }}", "21:55:unknown-name `with.ticket` is a text, which has no `sub`"),
        ("${{ with.who.name.x }}", "21:55:unknown-name `with.who.name` is a text, which has no `x`"),
        ("${{ with.hosts.first }}", "21:55:unknown-name `with.hosts` is a list, which has no `first`"),
    ] {
        assert_eq!(last(when, each, wrong), message);
    }
}

#[test]
fn what_an_incident_may_make_right_passes() {
    for when in [
        "${{ with.mixed }}",
        "${{ with.any }}",
        "${{ with.any.deep.er }}",
        "${{ with.who.other }}",
        "${{ with.urgent and with.ticket }}",
        "${{ with.hosts | first }}",
        "${{ with.urgent | default('no') }}",
        "${{ with.any | default(true) }}",
    ] {
        assert_eq!(told(when, "${{ with.hosts }}", "c"), Vec::<String>::new(), "{when}");
    }
    assert_eq!(told("${{ with.urgent }}", "${{ with.any }}", "${{ item.name }}"), Vec::<String>::new());
}
