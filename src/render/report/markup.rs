//! A writer of HTML that escapes by construction.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::escape;
use crate::model::Sha256Hex;
use crate::report::PortalLink;

/// An attribute: its name is ours, its value may be anybody's.
pub type Attribute<'a> = (&'static str, &'a str);

/// A page that is being written. Whatever is given as text or as a value is shown, and means nothing: hidden characters
/// are spelled out as everywhere, and so are commands of pipelines' runners, because a page can end up in a log.
#[derive(Debug, Default)]
pub struct Html {
    out: String,
}

impl Html {
    /// An element around what `inside` writes.
    pub fn element(
        &mut self,
        tag: &'static str,
        attributes: &[Attribute<'_>],
        inside: impl FnOnce(&mut Html),
    ) {
        self.start(tag, attributes);
        inside(self);
        self.end(tag);
    }

    /// An element around a text.
    pub fn leaf(&mut self, tag: &'static str, attributes: &[Attribute<'_>], text: &str) {
        self.element(tag, attributes, |h| h.text(text));
    }

    /// An element without anything in it, such as `<meta>`.
    pub fn empty(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) {
        self.start(tag, attributes);
    }

    /// A shape of SVG.
    pub fn shape(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) {
        self.start(tag, attributes);
        self.out.truncate(self.out.len() - 1);
        self.out.push_str("/>");
    }

    /// A link to a page of a portal: the only addresses there are.
    pub fn link(&mut self, link: &PortalLink, text: &str) {
        self.leaf("a", &[("href", link.as_str()), ("rel", "noreferrer")], text);
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        escape_into(&mut self.out, text);
    }

    /// A line break between elements, for who reads the source.
    pub fn line(&mut self) {
        self.out.push('\n');
    }

    /// The document's style.
    pub fn style(&mut self, style: &Style) {
        self.start("style", &[]);
        self.out.push_str(&style.0);
        self.end("style");
    }

    /// The page.
    pub fn finish(self) -> String {
        self.out
    }

    fn start(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) {
        self.out.push('<');
        self.out.push_str(tag);
        for (name, value) in attributes {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape_into(&mut self.out, value);
            self.out.push('"');
        }
        self.out.push('>');
    }

    fn end(&mut self, tag: &'static str) {
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
    }
}

/// A style sheet of ours: made of fixed texts and colours, never of what comes from outside.
#[derive(Debug)]
pub struct Style(String);

impl Style {
    /// A sheet of these rules and these custom properties: `--name: value`, by the block that they stand in.
    pub fn new(rules: &'static str, palettes: &[(&'static str, &[(&'static str, &'static str)])]) -> Style {
        let mut sheet = String::new();
        for (open, colours) in palettes {
            sheet.push_str(open);
            for (name, colour) in *colours {
                sheet.push_str(&format!("--{name}:{colour};"));
            }
            // Each block that is opened is closed.
            sheet.extend(open.matches('{').map(|_| '}'));
        }
        sheet.push_str(rules);
        Style(sheet)
    }

    /// The policy under which this sheet counts, and nothing else does.
    pub fn policy(&self) -> String {
        let hash = STANDARD.encode(Sha256Hex::of(self.0.as_bytes()).0);
        format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
    }
}

fn escape_into(out: &mut String, text: &str) {
    for c in escape::inside(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_becomes_markup(text in "([<>\"'&=/ ]|script|on|\\PC){0,30}") {
            let mut h = Html::default();
            h.leaf("td", &[("title", &text)], &text);
            let page = h.finish();
            prop_assert_eq!(page.matches('<').count(), 2, "{}", page);
            prop_assert_eq!(page.matches('>').count(), 2, "{}", page);
            prop_assert_eq!(page.matches('"').count(), 2, "{}", page);
        }
    }

    #[test]
    fn the_policy_names_the_hash_of_what_stands_in_the_page() {
        let style = Style::new("p{color:var(--ink)}", &[(":root{", &[("ink", "#000")])]);
        let mut h = Html::default();
        h.style(&style);
        let page = h.finish();
        assert_eq!(page, "<style>:root{--ink:#000;}p{color:var(--ink)}</style>");
        // echo -n ':root{--ink:#000;}p{color:var(--ink)}' | openssl dgst -sha256 -binary | base64
        assert!(
            style.policy().contains("'sha256-2qyVjSgls53Sgw95kcCuWWZqRnQEbddDi/PUazd6H5A='"),
            "{}",
            style.policy()
        );
    }
}
