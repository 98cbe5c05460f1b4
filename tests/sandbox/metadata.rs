//! The names and types of what is answered are those of the service's own metadata.

use serde_json::Value;

use super::{Lab, MACHINE};

/// A property or a parameter: its name, its type, and whether it may be null.
pub(super) type Member = (String, String, bool);

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, value) = tag.split_once(&format!(" {name}=\""))?;
    Some(value.split('"').next().unwrap().to_owned())
}

/// The description under a name: the properties and their types.
pub(super) fn described(document: &str, element: &str, name: &str) -> Vec<Member> {
    let from = format!("<{element} Name=\"{name}\">");
    let start = document.find(&from).unwrap_or_else(|| panic!("{name} is not described")) + from.len();
    let rest = &document[start..];
    members("Property", &rest[..rest.find(&format!("</{element}>")).unwrap()])
}

fn members(tag: &str, inside: &str) -> Vec<Member> {
    let begin = format!("<{tag} ");
    let tags = inside.split(&begin).skip(1).map(|tag| format!(" {tag}"));
    tags.map(|tag| {
        let tag = tag.split('>').next().unwrap();
        let kind = attribute(tag, "Type").unwrap().replace("microsoft.windowsDefenderATP.api.", "");
        (attribute(tag, "Name").unwrap(), kind, attribute(tag, "Nullable").is_none())
    })
    .collect()
}

/// The operation of a name in any case: the parameters that stand in a body.
pub(super) fn operation(document: &str, name: &str) -> Option<Vec<Member>> {
    ["Action", "Function"].iter().find_map(|element| {
        let begin = format!("<{element} ");
        let found = document.split(&begin).skip(1).map(|rest| format!(" {rest}"));
        let mut found =
            found.filter(|rest| attribute(rest, "Name").is_some_and(|n| n.eq_ignore_ascii_case(name)));
        let rest = found.next()?;
        let inside = rest.split(&format!("</{element}>")).next()?;
        Some(members("Parameter", inside).into_iter().filter(|m| m.0 != "bindingParameter").collect())
    })
}

/// The type of the entities of a set, by its name in any case.
pub(super) fn entity(document: &str, set: &str) -> Option<String> {
    let mut sets = document.split("<EntitySet ").skip(1).map(|rest| format!(" {rest}"));
    let found = sets.find(|rest| attribute(rest, "Name").is_some_and(|n| n.eq_ignore_ascii_case(set)))?;
    attribute(&found, "EntityType").map(|t| t.replace("microsoft.windowsDefenderATP.api.", ""))
}

/// The words of an enumeration; none if the type is none.
pub(super) fn words(document: &str, name: &str) -> Option<Vec<String>> {
    let (_, rest) = document.split_once(&format!("<EnumType Name=\"{name}\">"))?;
    let inside = rest.split("</EnumType>").next()?;
    Some(inside.split("Name=\"").skip(1).map(|m| m.split('"').next().unwrap().to_owned()).collect())
}

/// Returns whether a value is of a type.
pub(super) fn fits(document: &str, kind: &str, value: &Value) -> bool {
    if let Some(inner) = kind.strip_prefix("Collection(").and_then(|k| k.strip_suffix(')')) {
        return value.as_array().is_some_and(|all| all.iter().all(|v| fits(document, inner, v)));
    }
    let text = || value.as_str();
    match kind {
        "Edm.String" => value.is_string(),
        "Edm.Guid" => text().is_some_and(|t| t.len() == 36),
        "Edm.DateTimeOffset" => text().is_some_and(|t| t.parse::<jiff::Timestamp>().is_ok()),
        "Edm.Boolean" => value.is_boolean(),
        "Edm.Int32" | "Edm.Int64" => value.is_i64(),
        kind => match words(document, kind) {
            Some(words) => text().is_some_and(|t| words.iter().any(|w| w == t)),
            None => differences(document, "ComplexType", kind, value).is_empty(),
        },
    }
}

/// Lists what is in an object and not in its description, the other way round, or of another type.
fn differences(document: &str, element: &str, name: &str, object: &Value) -> Vec<String> {
    let described = described(document, element, name);
    let object = object.as_object().unwrap();
    let strange = object.keys().filter(|k| !k.starts_with("@odata."));
    let strange = strange.filter(|k| described.iter().all(|(name, ..)| name != *k)).cloned();
    let wrong = described.iter().filter_map(|(name, kind, nullable)| match object.get(name) {
        None => Some(format!("{name} is missing")),
        Some(Value::Null) if *nullable => None,
        Some(value) if fits(document, kind, value) => None,
        Some(value) => Some(format!("{name}: {value} is no {kind}")),
    });
    strange.chain(wrong).collect()
}

#[test]
fn objects_have_the_fields_of_the_metadata() {
    let mut lab = Lab::new(&format!(
        "machines: {{ list: [{{ id: {MACHINE}, users: ['contoso\\user1'] }}, {{ id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07 }}] }}"
    ));
    let response = lab.send(&casefile::sandbox::HttpRequest::new("GET", "/api/$metadata", ""));
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/xml")));
    let document = String::from_utf8(response.body).unwrap();

    let action = lab.collected(MACHINE);
    let quarantine = r#"{"Comment":"c","Sha1":"ff836cfb1af40252bd2a2ea843032e99a5b262ed"}"#;
    let target = format!("/api/machines/{MACHINE}/StopAndQuarantineFile");
    let (_, stopped) = lab.call("POST", &target, quarantine);
    let (_, alert) = lab.alert(|_| ());
    let target = format!("/api/alerts/{}", alert["id"].as_str().unwrap());
    let change = r#"{"classification":"TruePositive","determination":"Malware","comment":"c"}"#;
    let (_, alert) = lab.call("PATCH", &target, change);
    let (_, user) = lab.get(&format!("/api/machines/{MACHINE}/logonusers"));
    for (name, object) in [
        ("MachineAction", lab.get(&format!("/api/machineactions/{action}")).1),
        ("MachineAction", stopped),
        ("Machine", lab.get(&format!("/api/machines/{MACHINE}")).1),
        ("Alert", alert),
        ("User", user["value"][0].clone()),
    ] {
        assert_eq!(differences(&document, "EntityType", name, &object), [""; 0], "{name}: {object}");
    }
}
