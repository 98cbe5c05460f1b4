//! Texts of the service in drafts.

use crate::manifest::kql_literal;

/// Returns at most so many characters of a text in one line. What a manifest would take for an expression is taken apart.
pub(super) fn plain(text: &str, most: usize) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut out = String::new();
    for word in words {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        // A character has four bytes at most.
        if out.len() > 4 * most {
            break;
        }
    }
    let out = out.replace("${{", "$ {{");
    match out.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &out[..end]),
        None => out,
    }
}

/// Returns a text as a literal of a query, which holds no expression either.
pub(super) fn literal(text: &str) -> String {
    kql_literal(text).replace("${", "$\\u007b")
}

/// Returns a part of a name of a manifest: lower-case letters, digits and dashes, at most 63.
pub(super) fn slug(text: &str) -> String {
    let lower = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let mut out = String::new();
    for c in lower {
        if c != '-' || !(out.is_empty() || out.ends_with('-')) {
            out.push(c);
        }
        if out.len() == 63 {
            break;
        }
    }
    out.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_texts_become_plain_ones() {
        assert_eq!(
            plain(" a\u{0}\nb\t ${{ resources.x.id }}\u{1b}[2J ", 100),
            "a b $ {{ resources.x.id }} [2J"
        );
        assert_eq!(plain(&"x".repeat(9), 4), "xxxx...");
        assert_eq!(literal("a\"; | ${{ x\n"), "\"a\\\"; | $\\u007b{ x\\n\"");
        assert_eq!(slug("da6_Ü-.9"), "da6-9");
        assert_eq!(slug("---"), "");
    }
}
