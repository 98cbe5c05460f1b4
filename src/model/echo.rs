//! Texts as the service gives them back: not always byte for byte what was sent.
//!
//! Seen are blanks at the ends, line ends of another system, and special characters as entities of HTML. A text that
//! differs in nothing else is the text that was sent.

use std::borrow::Cow;

use super::Sha256Hex;

/// How often a text can have been escaped on its way.
const LAYERS: usize = 3;

/// The entities that escape what has a meaning in HTML.
const ENTITIES: [(&str, char); 6] =
    [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\''), ("nbsp", ' ')];

/// Returns whether two texts are the same but for what the service changes.
pub fn same_text(a: &str, b: &str) -> bool {
    a == b || as_meant(a) == as_meant(b)
}

/// Names a text, whatever the service makes of it.
pub fn text_digest(text: &str) -> Sha256Hex {
    Sha256Hex::of(as_meant(text).as_bytes())
}

/// Returns a text without what the service may have added: the same for all texts that [`same_text`] calls the same.
pub fn as_meant(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..LAYERS {
        match unescaped(&text) {
            Some(plain) => text = Cow::Owned(plain),
            None => break,
        }
    }
    if text.contains('\r') {
        text = Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"));
    }
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// A text with its entities replaced by what they stand for; none if it has none.
fn unescaped(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    let mut any = false;
    while let Some(at) = rest.find('&') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        match entity(after) {
            Some((c, length)) => {
                out.push(c);
                rest = &after[length..];
                any = true;
            }
            None => {
                out.push('&');
                rest = &after[1..];
            }
        }
    }
    out.push_str(rest);
    any.then_some(out)
}

/// The character of the entity that a text begins with, and the entity's length.
fn entity(text: &str) -> Option<(char, usize)> {
    // The longest is `&#x10FFFF;`.
    let end = text.bytes().take(12).position(|b| b == b';')?;
    let name = text.get(1..end)?;
    let c = match name.strip_prefix('#') {
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
        None => ENTITIES.iter().find(|(known, _)| *known == name)?.1,
    };
    Some((c, end + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_the_service_changes_does_not_count() {
        for (sent, back) in [
            ("INC-1", " INC-1 "),
            ("a & b <c> \"d\" 'e'", "a &amp; b &lt;c&gt; &quot;d&quot; &#39;e&#39;"),
            ("it's", "it&#39;s"),
            ("it's", "it&#x27;s"),
            ("it's", "it&apos;s"),
            ("a & b", "a &amp;amp; b"),
            ("one\ntwo\n", "one\r\ntwo"),
            ("one\ntwo", "one\rtwo"),
            ("caf\u{e9}", "caf&#233;"),
            ("R&D; x", "R&amp;D; x"),
            ("&unknown; &", "&unknown; &"),
        ] {
            assert!(same_text(sent, back), "{sent} / {back}");
            assert_eq!(text_digest(sent), text_digest(back));
        }
        for (a, b) in
            [("INC-1", "INC-2"), ("a b", "a  b"), ("one\ntwo", "one two"), ("a", "A"), ("&#xD800;", "?")]
        {
            assert!(!same_text(a, b), "{a} / {b}");
        }
    }

    proptest! {
        #[test]
        fn escaping_changes_nothing(text in "[ -~\n\u{e9}]{0,40}") {
            let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&#39;");
            // A text that holds entities itself loses a layer more.
            if !text.contains("&#") && !text.contains("&amp;") {
                prop_assert!(same_text(&text, &escaped.replace('\n', "\r\n")));
            }
        }
    }
}
