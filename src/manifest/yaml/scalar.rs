//! What an unquoted scalar means, here and to other YAML readers.
//!
//! Here only what JSON spells the same way leaves the world of strings: `null`, `true`, `false`, plain
//! decimal numbers. Other readers go further (`no`, `0123`, `1_000`, `0x1f`, `123e45`), each in its own
//! way, so where a string is meant such a text must be quoted: a manifest means one thing to everybody.

/// What a plain scalar is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::manifest) enum Plain {
    Null,
    Bool,
    Number,
    Text,
}

/// Longer digits than these are text; no number here means anything near it.
const NUMBER_LIMIT: usize = 100;

/// How this tool reads a plain scalar.
pub(in crate::manifest) fn resolve(text: &str) -> Plain {
    match text.as_bytes() {
        b"" | b"~" | b"null" => Plain::Null,
        b"true" | b"false" => Plain::Bool,
        b if b.len() <= NUMBER_LIMIT && is_decimal(b) => Plain::Number,
        _ => Plain::Text,
    }
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?`: no exponent, leading zero, base or underscore.
fn is_decimal(b: &[u8]) -> bool {
    let b = b.strip_prefix(b"-").unwrap_or(b);
    let whole = b.iter().take_while(|c| c.is_ascii_digit()).count();
    if whole == 0 || (whole > 1 && b.first() == Some(&b'0')) {
        return false;
    }
    match b.get(whole..) {
        None | Some([]) => true,
        Some([b'.', fraction @ ..]) => !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    }
}

/// Whether other readers of YAML may take a text without quotes for something else.
pub fn is_ambiguous(text: &str) -> bool {
    retyped(text).is_some()
}

/// What readers of YAML 1.1 or 1.2 may take a plain scalar for, if not for text.
pub(in crate::manifest) fn retyped(text: &str) -> Option<&'static str> {
    match resolve(text) {
        Plain::Null => return Some("an empty value"),
        Plain::Bool => return Some("a boolean"),
        Plain::Number => return Some("a number"),
        Plain::Text => {}
    }
    let first = *text.as_bytes().first()?;
    // The cheap way out for nearly every text; all spellings below begin with one of these.
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.' | b'=' | b'<'))
        && (text.len() > 5 || !first.is_ascii_alphabetic())
    {
        return None;
    }
    let one_case = |word: &str| {
        text == word
            || text.bytes().eq(word.bytes().map(|b| b.to_ascii_uppercase()))
            || (text.as_bytes().first().copied() == word.bytes().next().map(|b| b.to_ascii_uppercase())
                && text.as_bytes().get(1..) == word.as_bytes().get(1..))
    };
    if ["y", "n", "yes", "no", "on", "off", "true", "false"].into_iter().any(one_case) {
        return Some("a boolean");
    }
    if one_case("null") {
        return Some("an empty value");
    }
    if matches!(text, "=" | "<<") {
        return Some("a special key");
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let named = unsigned.strip_prefix('.').is_some_and(|word| {
        ["inf", "Inf", "INF", "nan", "NaN", "NAN"].contains(&word)
            && (text == unsigned || !word.starts_with(['n', 'N']))
    });
    if named || is_other_number(unsigned) {
        return Some("a number");
    }
    is_date(text).then_some("a date")
}

/// Numbers beyond plain decimals: signs, bases, underscores, exponents, open points, base 60.
fn is_other_number(unsigned: &str) -> bool {
    let digits_of =
        |rest: &str, ok: fn(u8) -> bool| rest.bytes().any(ok) && rest.bytes().all(|b| ok(b) || b == b'_');
    if let Some(rest) = unsigned.strip_prefix("0x") {
        return digits_of(rest, |b| b.is_ascii_hexdigit());
    }
    if let Some(rest) = unsigned.strip_prefix("0o") {
        return digits_of(rest, |b| matches!(b, b'0'..=b'7'));
    }
    if let Some(rest) = unsigned.strip_prefix("0b") {
        return digits_of(rest, |b| matches!(b, b'0' | b'1'));
    }
    if unsigned.contains(':') {
        let mut parts = unsigned.split(':');
        let first = parts.next().is_some_and(|p| digits_of(p, |b| b.is_ascii_digit()));
        return first
            && parts.all(|p| {
                let p = p.split_once('.').map_or(p, |(whole, _)| whole);
                matches!(p.len(), 1 | 2) && p.bytes().all(|b| b.is_ascii_digit()) && p < "6"
            });
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && e.bytes().all(|b| b.is_ascii_digit())
    });
    let points = mantissa.bytes().filter(|b| *b == b'.').count();
    exponent
        && points <= 1
        && mantissa.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && mantissa.bytes().any(|b| b.is_ascii_digit())
        && mantissa.bytes().all(|b| b.is_ascii_digit() || b == b'_' || b == b'.')
}

/// A YAML 1.1 timestamp: `2018-08-03`, alone or with a time behind it.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let day = rest.bytes().take_while(u8::is_ascii_digit).count();
    year.len() == 4
        && digits(year)
        && matches!(month.len(), 1 | 2)
        && digits(month)
        && matches!(day, 1 | 2)
        && match rest.as_bytes().get(day..) {
            None | Some([]) => true,
            Some([b'T' | b't' | b' ' | b'\t', time @ ..]) => time.first().is_some_and(u8::is_ascii_digit),
            Some(_) => false,
        }
}

/// The text in double quotes, as it can stand in a manifest.
pub(in crate::manifest) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A JSON value as a manifest would hold it on one line.
pub(in crate::manifest) fn written(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::String(text) => {
            let special = |c: char| c.is_control() || "{}[],&*#?|<>=!%@`\"'\\".contains(c);
            // A documented time stands unquoted although old readers know dates.
            let plain = !text.is_empty()
                && text.trim() == text
                && (retyped(text).is_none() || retyped(text) == Some("a date"))
                && !text.contains(special)
                && !text.contains(": ")
                && !text.starts_with("- ");
            if plain { text.clone() } else { quoted(text) }
        }
        Value::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let fields: Vec<String> = map.iter().map(|(k, v)| format!("{k}: {}", written(v))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_spellings_leave_the_world_of_strings() {
        for (text, plain) in [
            ("", Plain::Null),
            ("~", Plain::Null),
            ("Null", Plain::Text),
            ("true", Plain::Bool),
            ("True", Plain::Text),
            ("0", Plain::Number),
            ("-12.50", Plain::Number),
            ("20776", Plain::Number),
            ("0123", Plain::Text),
            ("1.", Plain::Text),
            ("1e3", Plain::Text),
            ("+1", Plain::Text),
            ("-", Plain::Text),
        ] {
            assert_eq!(resolve(text), plain, "{text}");
        }
    }

    #[test]
    fn what_other_readers_retype() {
        for text in [
            "no",
            "No",
            "NO",
            "yes",
            "on",
            "OFF",
            "y",
            "N",
            "True",
            "NULL",
            "0123",
            "0x1f",
            "0o17",
            "0b11",
            "1_000",
            "1e3",
            "123e45",
            "1E+5",
            "+12",
            ".5",
            "5.",
            ".inf",
            "-.INF",
            ".NaN",
            "12:30:45",
            "1:30",
            "2018-08-03",
            "2018-8-3",
            "2018-08-03T16:45:21Z",
            "2018-08-03 16:45",
            "=",
            "<<",
            "1.5e3",
        ] {
            assert!(retyped(text).is_some(), "{text}");
        }
        for text in [
            "nO",
            "none",
            "yEs",
            "1h",
            "30s",
            "0xfg",
            "1e",
            "e5",
            "fin-ws-042",
            "INC-2042",
            "a1",
            "1.2.3",
            "..",
            "-",
            "--",
            ".",
            "_1",
            "casefile/v1",
            "nothing",
            "12:99x",
            "10-20-30",
            "fb9ab6be3965",
            "2018-08-03x",
            "-.nan",
            "Noon",
            "1 2",
        ] {
            assert_eq!(retyped(text), None, "{text}");
        }
    }

    #[test]
    fn values_as_they_are_written() {
        use serde_json::json;
        for (value, text) in [
            (json!("20776"), "\"20776\""),
            (json!("Collect forensics due to alert 1234"), "Collect forensics due to alert 1234"),
            (json!("2018-08-03T16:45:21.7115183Z"), "2018-08-03T16:45:21.7115183Z"),
            (json!({"name": "a", "x": ["no", 1, true]}), "{ name: a, x: [\"no\", 1, true] }"),
            (json!("a: b"), "\"a: b\""),
        ] {
            assert_eq!(written(&value), text);
        }
    }
}
