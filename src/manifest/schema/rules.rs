//! Rules that a schema cannot say, or cannot say well.

use std::collections::HashSet;

use serde_json::Value;

use super::field::Field;
use crate::manifest::diagnostic::{Finding, Level};
use crate::manifest::kinds::{ADDRESS, NAME, TEXT};
use crate::manifest::nearest::nearest;
use crate::manifest::project::{self, GUID, STATE_URL};
use crate::manifest::yaml::reader::{Document, Id, NodeKind};
use crate::manifest::yaml::scalar::{self, quoted};
use crate::manifest::yaml::syntax::shown;
use crate::model::location::{Location, LocationError};
use crate::model::{
    AlertStatuses, Categories, Classifications, CommentRule, Determinations, MachineName, MachineNameError,
    MachinePattern, Marker, Severities, Span, Timestamp, TimestampError, Vocabulary as _, WORD_PATTERN,
};

/// Fields that hold a duration.
const DURATIONS: [&str; 4] = ["retryAfter", "adoptWithin", "settle", "pushInterval"];

/// Checks every text of a document of which not enough is said already.
pub(in crate::manifest) fn check(
    doc: &Document<'_>,
    root: Id,
    settled: &HashSet<Id>,
    out: &mut Vec<Finding>,
) {
    let mut seen = vec![false; doc.len()];
    walk(Field { doc, key: None, value: root }, false, settled, &mut seen, out);
}

/// Checks texts whose names are the user's own: nothing is expected of a field by its name.
pub(in crate::manifest) fn check_values(field: Field<'_>, out: &mut Vec<Finding>) {
    let Field { doc, value, .. } = field;
    match field.node().kind {
        NodeKind::Mapping => {
            for (key, value) in doc.fields(value) {
                let name = Field { doc, key: None, value: key };
                if !control(name, out) && !ambiguous(name, out) {
                    check_values(Field { doc, key: Some(key), value }, out);
                }
            }
        }
        NodeKind::Sequence => {
            for &value in doc.children(value) {
                check_values(Field { doc, key: field.key, value }, out);
            }
        }
        NodeKind::Text => {
            if !control(field, out) && !ambiguous(field, out) {
                out.extend(cut_off(field));
            }
        }
        NodeKind::Null | NodeKind::Bool | NodeKind::Number | NodeKind::Poison => {}
    }
}

fn walk(field: Field<'_>, labels: bool, settled: &HashSet<Id>, seen: &mut [bool], out: &mut Vec<Finding>) {
    let Field { doc, value, .. } = field;
    if settled.contains(&value) || field.key.is_some_and(|key| settled.contains(&key)) {
        return;
    }
    match field.node().kind {
        NodeKind::Mapping => {
            // A value that aliases repeat is looked at once.
            if !std::mem::replace(&mut seen[value as usize], true) {
                let inside = field.name() == "labels";
                if field.name() == "approve" {
                    out.extend(empty_approval(field));
                }
                for (key, value) in doc.fields(value) {
                    let name = Field { doc, key: None, value: key };
                    if control(name, out) || (inside && ambiguous(name, out)) {
                        continue;
                    }
                    walk(Field { doc, key: Some(key), value }, inside, settled, seen, out);
                }
            }
        }
        NodeKind::Sequence => {
            if !std::mem::replace(&mut seen[value as usize], true) {
                if field.name() == "protected" {
                    out.extend(many_patterns(field));
                }
                for &value in doc.children(value) {
                    let item = Field { doc, key: None, value };
                    if field.name() == "protected"
                        && doc.node(value).kind == NodeKind::Text
                        && !settled.contains(&value)
                    {
                        out.extend(machine_pattern(item));
                    }
                    walk(item, false, settled, seen, out);
                }
            }
        }
        NodeKind::Text => {
            if !control(field, out) {
                text(field, labels, out);
            }
        }
        NodeKind::Null | NodeKind::Bool | NodeKind::Number | NodeKind::Poison => {}
    }
}

/// Says what is wrong with the address of a state whose beginning is right. One that may hold a secret is told elsewhere: a
/// finding shows its line.
fn state_url(field: Field<'_>) -> Option<Finding> {
    let error = match Location::parse(&field.node().text, "name") {
        Err(LocationError::Scheme(_) | LocationError::UserInfo | LocationError::Parameter(_)) | Ok(_) => {
            return None;
        }
        Err(error) => error,
    };
    let finding = Finding::new("bad-state-url", field.span(), error.to_string());
    Some(finding.help(field.such_as("git:refs/casefile/contoso-ir")))
}

/// `labels` marks a value whose name is the user's own.
fn text(field: Field<'_>, labels: bool, out: &mut Vec<Finding>) {
    let text: &str = &field.node().text;
    match field.name() {
        "eventTime" if !labels => out.extend(event_time(field)),
        name if !labels && DURATIONS.contains(&name) && text.parse::<Span>().is_err() => {
            out.push(duration(field));
        }
        "machineName" if !labels && is_other_than_a_name(text.parse()) => {
            out.push(machine_name(field));
        }
        "requireComment" if !labels => {
            if let Err(error) = text.parse::<CommentRule>() {
                let message = format!("`requireComment` is no usable regular expression: {error}");
                let finding = Finding::new("bad-pattern", field.span(), message);
                out.push(finding.help(field.such_as("'^INC-[0-9]+'")));
            }
        }
        "url" if !labels => out.extend(state_url(field)),
        name @ ("endpoint" | "graphEndpoint") if !labels => {
            if let Err(error) = project::endpoint(text) {
                let finding =
                    Finding::new("bad-endpoint", field.span(), format!("`{name}` is refused: {error}"));
                let host = if name == "endpoint" { "api.security" } else { "graph" };
                out.push(finding.help(field.written(&format!("https://{host}.microsoft.com"))));
            }
        }
        _ => {
            if !ambiguous(field, out) {
                out.extend(cut_off(field));
                out.extend(
                    known_words(field.name()).filter(|_| !labels).and_then(|w| unknown_word(field, w)),
                );
            }
        }
    }
}

/// The words that a field is known to take, if they are those of an enumeration of the service.
fn known_words(field: &str) -> Option<&'static [&'static str]> {
    Some(match field {
        "severity" => Severities::KNOWN,
        "category" => Categories::KNOWN,
        "status" => AlertStatuses::KNOWN,
        "classification" => Classifications::KNOWN,
        "determination" => Determinations::KNOWN,
        _ => return None,
    })
}

/// A word that the service is not known to take: it may be new, or mistyped.
fn unknown_word(field: Field<'_>, known: &[&str]) -> Option<Finding> {
    let text: &str = &field.node().text;
    if known.contains(&text) {
        return None;
    }
    let message = format!("the service is not known to take `{}` as `{}`", shown(text), shown(field.name()));
    let mut finding = Finding::new("unknown-word", field.span(), message);
    finding.level = Level::Warning;
    let otherwise = "it is sent as it is written";
    Some(finding.help(match nearest(text, known.iter().copied()) {
        Some(meant) => format!("{} if that is meant; {otherwise}", field.written(meant)),
        None => format!("{otherwise}; known are {}", known.join(", ")),
    }))
}

/// `Collect for ticket #1234` ends before the number sign: what follows is a comment of the file.
fn cut_off(field: Field<'_>) -> Option<Finding> {
    let node = field.node();
    if !node.plain {
        return None;
    }
    let rest = field.doc.text.get(node.end as usize..)?;
    let blanks = rest.bytes().take_while(|b| *b == b' ').count();
    let comment = rest.get(blanks..)?.strip_prefix('#')?;
    // Who writes a comment puts a space behind the sign.
    if !comment.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let comment = comment.lines().next().unwrap_or("").trim_end();
    let start = node.end as usize + blanks;
    let message = format!("the text ends before `#{}`, which is a comment", shown(comment));
    let whole = quoted(&format!("{} #{comment}", node.text));
    let mut finding = Finding::new("cut-off-text", start..start + 1 + comment.len(), message);
    finding.level = Level::Warning;
    let otherwise = "if it is a comment, put a space behind the number sign";
    Some(finding.help(if whole.chars().count() > 80 {
        format!("quote the whole text; {otherwise}")
    } else {
        format!("{}; {otherwise}", field.written(&whole))
    }))
}

/// Text without quotes that other readers of YAML take for something else.
fn ambiguous(field: Field<'_>, out: &mut Vec<Finding>) -> bool {
    let node = field.node();
    if !node.plain {
        return false;
    }
    let Some(other) = scalar::retyped(&node.text) else { return false };
    let message = format!("`{}` without quotes is {other} to other YAML readers", shown(&node.text));
    out.push(Finding::new("ambiguous-text", field.span(), message).help(field.written(&quoted(&node.text))));
    true
}

/// Says whether a text holds a control character.
fn control(field: Field<'_>, out: &mut Vec<Finding>) -> bool {
    let finding = control_character(field);
    let found = finding.is_some();
    out.extend(finding);
    found
}

/// Control characters other than a newline.
fn control_character(field: Field<'_>) -> Option<Finding> {
    if field.doc.printable {
        return None;
    }
    let node = field.node();
    let suspicious = |b: u8| ((b < 0x20) & (b != b'\n')) | (b == 0x7f) | (b == 0xc2);
    // Without an early end many bytes are looked at together.
    if !node.text.bytes().fold(false, |any, b| any | suspicious(b)) {
        return None;
    }
    let c = node.text.chars().find(|c| c.is_control() && *c != '\n')?;
    let subject =
        if field.name().is_empty() { "this".to_owned() } else { format!("`{}`", shown(field.name())) };
    let what =
        if c == '\t' { "a tab".to_owned() } else { format!("the control character U+{:04X}", u32::from(c)) };
    let message = format!("{subject} holds {what}; only line breaks are allowed");
    let help = if c == '\t' { "write spaces instead" } else { "remove it" };
    Some(Finding::new("control-character", field.span(), message).help(help))
}

/// What a field that holds text is expected to be.
pub(in crate::manifest) fn expected(name: &str) -> &'static str {
    match name {
        _ if DURATIONS.contains(&name) => "a duration with its unit",
        "eventTime" => "a time in UTC",
        "machineId" => "an id of 40 hex digits",
        "machineName" => "a device's name",
        _ => "text",
    }
}

/// What to write for a plain number or boolean where text is meant.
pub(in crate::manifest) enum Replacement {
    Text(String),
    Example,
}

/// See [`Replacement`]. Quotes are not always what was forgotten.
pub(in crate::manifest) fn replacement(name: &str, text: &str) -> Replacement {
    match name {
        _ if DURATIONS.contains(&name) => match text.parse::<u32>() {
            Ok(seconds) => Replacement::Text(Span::from_secs(seconds).to_string()),
            Err(_) => Replacement::Example,
        },
        "eventTime" | "endpoint" | "graphEndpoint" | "url" | "tenantId" | "clientId" => Replacement::Example,
        "machineId" if !matches!(text.len(), 32 | 40) => Replacement::Example,
        _ => Replacement::Text(quoted(text)),
    }
}

/// A text that breaks its field's pattern or length.
pub(in crate::manifest) fn bad_text(field: Field<'_>, schema: &Value, example: Option<&str>) -> Finding {
    let text: &str = &field.node().text;
    let name = shown(field.name());
    let new = |code, message: String| Finding::new(code, field.span(), message);
    let with_example = |finding: Finding| match example {
        Some(example) => finding.help(field.such_as(example)),
        None => finding,
    };
    if let Some(finding) = control_character(field) {
        return finding;
    }
    if text.trim().is_empty() {
        return with_example(new("empty-text", format!("`{name}` is empty")));
    }
    match (field.name(), schema.get("pattern").and_then(Value::as_str)) {
        ("machineId", _)
            if text.contains(|c: char| !c.is_ascii_hexdigit()) && text.parse::<MachineName>().is_ok() =>
        {
            machine_id(field).help(format!("write machineName: {text}"))
        }
        ("machineId", _) => with_example(machine_id(field)),
        ("machineName", _) => machine_name(field),
        ("eventTime", _) => event_time(field).unwrap_or_else(|| new("bad-event-time", "not a time".into())),
        ("reportId", _) => {
            with_example(new("bad-report-id", format!("`reportId` cannot hold blanks: `{}`", shown(text))))
        }
        ("timespan", _) => with_example(new(
            "bad-timespan",
            format!("`timespan` is no duration of ISO 8601: `{}`", shown(text)),
        )),
        (durations, _) if DURATIONS.contains(&durations) => duration(field),
        (_, Some(NAME)) => resource_name(field),
        (_, Some(WORD_PATTERN)) => with_example(new(
            "wrong-value",
            format!("`{name}` cannot be `{}`: a word of the service has letters and digits", shown(text)),
        )),
        (_, Some(TEXT)) => with_example(new("empty-text", format!("`{name}` is empty"))),
        (_, Some(ADDRESS)) => {
            let doc = field.doc;
            let kind =
                doc.root.and_then(|root| doc.get(root, "kind")).map(|(_, kind)| shown(&doc.node(kind).text));
            let kind = kind.as_deref().unwrap_or("InvestigationPackage");
            new("invalid-moved", format!("`{}` is not the address of a manifest", shown(text)))
                .help(format!("write the address that it had before: {kind}/NAME"))
        }
        (_, Some(GUID)) => {
            with_example(new("bad-id", format!("`{name}` is no id of the directory: `{}`", shown(text))))
        }
        (_, Some(STATE_URL)) => new("bad-state-url", format!("`{}` names no place for state", shown(text)))
            .help("begin it with file:, git:, az://, s3:// or gs://"),
        (_, Some(project::EVIDENCE_URL)) => {
            new("wrong-value", format!("`{}` names no place for evidence", shown(text)))
                .help("begin it with file:, az://, s3:// or gs://")
        }
        (_, Some(project::UNLIMITED)) => new(
            "wrong-value",
            format!("`{name}` must be a whole number or `unlimited`, not `{}`", shown(text)),
        )
        .help(field.written("unlimited")),
        (_, Some(Marker::PATTERN)) => {
            let is_on = ["yes", "on", "y"].iter().any(|w| text.eq_ignore_ascii_case(w));
            let is_off = ["no", "off", "n"].iter().any(|w| text.eq_ignore_ascii_case(w));
            let meant = if is_on {
                "true"
            } else if is_off {
                "false"
            } else {
                Marker::EXTERNAL_ID
            };
            let message = format!(
                "`{name}` must be `true`, `false` or `{}`, not `{}`",
                Marker::EXTERNAL_ID,
                shown(text)
            );
            new("wrong-value", message).help(field.written(meant))
        }
        ("endpoint" | "graphEndpoint", _) => with_example(new(
            "bad-endpoint",
            format!("`{name}` is refused: {}", project::EndpointError::Form),
        )),
        (_, Some(pattern)) if schema.get("minLength").is_none() => with_example(new(
            "invalid-value",
            format!("`{name}` is `{}`, which does not match `{}`", shown(text), shown(pattern)),
        )),
        _ => with_example(new("invalid-value", format!("`{name}` cannot be `{}`", shown(text)))),
    }
}

/// `approve` with a reason for nothing.
fn empty_approval(field: Field<'_>) -> Option<Finding> {
    let Field { doc, value, .. } = field;
    let limits = doc.get(value, "overLimits").is_some();
    let protected = doc.get(value, "protected").is_some_and(|(_, v)| doc.node(v).text != "false");
    if limits || protected || doc.get(value, "reason").is_none() {
        return None;
    }
    let finding = Finding::new("empty", field.span(), "`approve` approves nothing");
    Some(finding.help("add, for example, `overLimits: 60` or `protected: true`, or remove it"))
}

/// Patterns of `protected`: each name is compared with each of them.
const MAX_PATTERNS: usize = 500;

/// More patterns than can be compared with every name. Names and ids are no patterns.
fn many_patterns(field: Field<'_>) -> Option<Finding> {
    let wild = |id: &&Id| {
        let pattern = field.doc.node(**id).text.parse::<MachinePattern>();
        matches!(pattern, Ok(MachinePattern::Name(glob)) if glob.is_wild())
    };
    let first = field.doc.children(field.value).iter().filter(wild).nth(MAX_PATTERNS)?;
    let message = format!("`protected` holds more than {MAX_PATTERNS} patterns with `*` or `?`");
    let finding = Finding::new("too-many-patterns", field.doc.node(*first).span(), message);
    Some(finding.help("let one pattern stand for several; names without signs are not counted"))
}

/// An entry of `protected`.
fn machine_pattern(item: Field<'_>) -> Option<Finding> {
    let text: &str = &item.node().text;
    let error = text.parse::<MachinePattern>().err()?;
    let message = format!("`{}` protects nothing: {error}", shown(text));
    let finding = Finding::new("bad-machine-pattern", item.span(), message);
    Some(finding.help("write a device id of 40 hex digits, or a name such as `*-dc-*`"))
}

fn machine_id(field: Field<'_>) -> Finding {
    let text: &str = &field.node().text;
    let new = |message: String| Finding::new("bad-machine-id", field.span(), message);
    if let Some(c) = text.chars().find(|c| !c.is_ascii_hexdigit()) {
        return new(format!(
            "`machineId` holds `{c}`, which is no hex digit; it is an id, not a device name"
        ));
    }
    let length = text.len();
    let word = if length < 40 { "short" } else { "long" };
    new(format!("`machineId` is too {word}: {length} hex digits, where ids have 40"))
}

/// Returns whether a text of a name's form is a device id, or the most of one, or an address.
fn is_other_than_a_name(name: Result<MachineName, MachineNameError>) -> bool {
    matches!(name, Err(MachineNameError::Id | MachineNameError::TornId(_) | MachineNameError::Address))
}

/// Also for a text of the right form: an id is none, and neither is an address.
fn machine_name(field: Field<'_>) -> Finding {
    let text: &str = &field.node().text;
    let why = text.parse::<MachineName>().err().unwrap_or(MachineNameError::Form);
    let finding =
        Finding::new("bad-machine-name", field.span(), format!("`{}` names no device: {why}", shown(text)));
    match why {
        MachineNameError::Id => finding.help(format!("write machineId: {text}")),
        MachineNameError::TornId(_) => finding.help("copy the whole id, and write it as machineId"),
        MachineNameError::Address => finding.help(format!(
            "write the device's name, or its id as machineId; casefile hunt 'DeviceNetworkInfo | where IPAddresses has \
             \"{text}\" | distinct DeviceName, DeviceId' finds them"
        )),
        _ => finding.help(field.such_as("fin-ws-042")),
    }
}

fn duration(field: Field<'_>) -> Finding {
    let text: &str = &field.node().text;
    let new = |message: String| Finding::new("bad-duration", field.span(), message);
    let digits = text.strip_suffix(['s', 'm', 'h']).unwrap_or("");
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return new(format!("`{}` is longer than a year", shown(text))).help(field.written("24h"));
    }
    if let Some(days) = text.strip_suffix('d').and_then(|d| d.parse::<u32>().ok()).filter(|d| *d <= 366) {
        let hours = format!("{}h", days * 24);
        return new(format!("`{text}` is no duration: days are not known")).help(field.written(&hours));
    }
    new(format!("`{}` is no duration", shown(text)))
        .help("write a whole number and s, m or h: 30s, 10m or 1h")
}

fn resource_name(field: Field<'_>) -> Finding {
    let text: &str = &field.node().text;
    let new = |message: String| Finding::new("bad-name", field.span(), message);
    if text.len() > 253 {
        return new(format!("the name is {} characters long; 253 are allowed", text.chars().count()));
    }
    if text.split('.').any(|label| label.len() > 63) {
        return new("a part of the name between dots is longer than 63 characters".into());
    }
    let mut fixed = String::new();
    for c in text.chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => fixed.push(c),
            // Neither two dots nor a dash beside a dot make a label.
            '.' if !fixed.is_empty() && !fixed.ends_with('.') => {
                fixed.truncate(fixed.trim_end_matches('-').len());
                fixed.push('.');
            }
            _ if !fixed.is_empty() && !fixed.ends_with(['-', '.']) => fixed.push('-'),
            _ => {}
        }
    }
    let fixed = fixed.trim_matches(['-', '.']);
    let finding = new(format!("`{}` is no name", shown(text)));
    let rule = "lower-case letters, digits, dashes and dots, a letter or digit at both ends";
    if fixed.is_empty() {
        finding.help(format!("use {rule}"))
    } else {
        let fixed = if scalar::retyped(fixed).is_some() { quoted(fixed) } else { fixed.to_owned() };
        finding.help(format!("{} ({rule})", field.written(&fixed)))
    }
}

/// What keeps a text from being an instant in UTC, if anything does.
fn event_time(field: Field<'_>) -> Option<Finding> {
    let text: &str = &field.node().text;
    let error = text.parse::<Timestamp>().err()?;
    let new = |message: String| Some(Finding::new("bad-event-time", field.span(), message));
    let copy = "copy the event's Timestamp from advanced hunting with all its digits";
    let fits = |fixed: &str| fixed.parse::<Timestamp>().is_ok();
    match error {
        TimestampError::TooPrecise => {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            let fixed = format!("{whole}.{}Z", fraction.chars().take(7).collect::<String>());
            new("`eventTime` has more than 7 digits behind the point; the service counts in 100 ns".into())
                .map(|f| if fits(&fixed) { f.help(field.written(&fixed)) } else { f.help(copy) })
        }
        TimestampError::NotUtc => {
            let zoneless = format!("{text}Z");
            if fits(&zoneless) {
                return new("`eventTime` has no time zone".into())
                    .map(|f| f.help(format!("if it is in UTC, {}", field.written(&zoneless))));
            }
            let finding = new("`eventTime` is not in UTC: it must end in Z".into());
            match in_utc(text).filter(|fixed| fits(fixed)) {
                Some(fixed) => finding.map(|f| f.help(field.written(&fixed))),
                None => finding.map(|f| f.help(copy)),
            }
        }
        TimestampError::Form => {
            let spaced = text.replacen(' ', "T", 1);
            let is_date = text.len() == 10 && fits(&format!("{text}T00:00:00Z"));
            if is_date {
                new("`eventTime` is a day without a time".into()).map(|f| f.help(copy))
            } else if spaced != text && (fits(&spaced) || fits(&format!("{spaced}Z"))) {
                let fixed = if fits(&spaced) { spaced } else { format!("{spaced}Z") };
                new("`eventTime` has a space where a T belongs".into()).map(|f| f.help(field.written(&fixed)))
            } else if shaped(text) {
                new(format!("there is no such day or time: `{}`", shown(text))).map(|f| f.help(copy))
            } else {
                new(format!("`{}` is no time such as 2018-08-03T16:45:21.7115183Z", shown(text)))
                    .map(|f| f.help(copy))
            }
        }
    }
}

/// A time with an offset, in UTC with as many digits.
fn in_utc(text: &str) -> Option<String> {
    let at: jiff::Timestamp = text.parse().ok()?;
    let digits =
        text.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
    Some(match digits {
        0 => format!("{at:.0}"),
        n => format!("{at:.n$}"),
    })
}

/// Digits and separators are where they belong.
fn shaped(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape.starts_with("0000-00-00T00:00:00") && shape.ends_with('Z')
}
