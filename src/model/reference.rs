//! References in texts: `${{ resources['Kind/name'].id }}` stands for the id that the service gives another
//! resource.
//!
//! A call is reviewed, sealed and digested with the reference as it is written, because the id is not known
//! before the other call is made. What is sent holds the id.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Address, Call, Request};

const BEGIN: &str = "${{ resources['";
const END: &str = "'].id }}";

/// The longest id that is taken for one, in characters. Those of the service have 40 at most.
const LONGEST_ID: usize = 256;

/// The reference to a resource, by its name or address.
pub fn reference(name: &str) -> String {
    format!("{BEGIN}{name}{END}")
}

/// Returns whether a text is a reference and nothing else.
pub fn is_reference(text: &str) -> bool {
    text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).is_some_and(can_be_named)
}

/// Whether a reference can name this: names and addresses hold letters, digits and a few marks.
pub fn can_be_named(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-./_".contains(&b))
}

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'t> {
    Text(&'t str),
    /// The name in a reference.
    Reference(&'t str),
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    let mut next = None;
    std::iter::from_fn(move || {
        if let Some(name) = next.take() {
            return Some(Piece::Reference(name));
        }
        let mut from = 0;
        while let Some(at) = rest.get(from..).and_then(|r| r.find(BEGIN)).map(|i| from + i) {
            let behind = &rest[at + BEGIN.len()..];
            if let Some((name, after)) = behind.split_once(END).filter(|(name, _)| can_be_named(name)) {
                let before = &rest[..at];
                rest = after;
                if before.is_empty() {
                    return Some(Piece::Reference(name));
                }
                next = Some(name);
                return Some(Piece::Text(before));
            }
            from = at + BEGIN.len();
        }
        let last = std::mem::take(&mut rest);
        (!last.is_empty()).then_some(Piece::Text(last))
    })
}

/// A text with something else for its references; one for which `with` has nothing stays.
pub fn replaced<'t>(text: &'t str, mut with: impl FnMut(&str) -> Option<String>) -> Cow<'t, str> {
    if !text.contains(BEGIN) {
        return Cow::Borrowed(text);
    }
    pieces(text)
        .map(|piece| match piece {
            Piece::Text(text) => Cow::Borrowed(text),
            Piece::Reference(name) => Cow::Owned(with(name).unwrap_or_else(|| reference(name))),
        })
        .collect::<Vec<_>>()
        .concat()
        .into()
}

/// Whether an id can be written into a text.
fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.chars().count() <= LONGEST_ID
        && !id.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// Whether a text is what `declared` gives with ids for its references: with one of those that `ids` tells for a
/// resource, with any where it tells none.
pub fn gives(declared: &str, text: &str, ids: &dyn Fn(&Address) -> Vec<String>) -> bool {
    if !declared.contains(BEGIN) {
        return declared == text;
    }
    let pattern: String = pieces(declared)
        .map(|piece| match piece {
            Piece::Text(text) => regex::escape(text),
            Piece::Reference(name) => {
                let known = name.parse().map(|a| ids(&a)).unwrap_or_default();
                let mut one = match known.is_empty() {
                    true => vec![r"\S+".to_owned()],
                    false => known.iter().map(|id| regex::escape(id)).collect(),
                };
                // What was imported may never have had an id in its place.
                one.push(regex::escape(&reference(name)));
                format!("(?:{})", one.join("|"))
            }
        })
        .collect();
    // Matching is linear in the text. A pattern that grows too large fits nothing.
    regex::Regex::new(&format!(r"\A{pattern}\z")).is_ok_and(|r| r.is_match(text))
}

/// A reference whose id is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of {0} is not known")]
pub struct NoId(pub String);

/// The fields of manifests whose texts can hold references: those of [`Call::texts`]. A title cannot: the service merges
/// alerts by it.
pub const REFERENCE_FIELDS: [&str; 3] = ["comment", "description", "recommendedAction"];

impl Call {
    /// The texts that can hold references, by the names of their fields.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let texts: [Option<(&str, &str)>; 2] = match self {
            Call::Collect { comment, .. } => [Some(("comment", comment)), None],
            Call::Alert(a) => {
                [Some(("description", &a.description)), Some(("recommendedAction", &a.recommended_action))]
            }
        };
        texts.into_iter().flatten()
    }

    /// The names in its references, in order, each once.
    pub fn references(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for (_, text) in self.texts().filter(|(_, t)| t.contains(BEGIN)) {
            for piece in pieces(text) {
                if let Piece::Reference(name) = piece
                    && !names.contains(&name)
                {
                    names.push(name);
                }
            }
        }
        names
    }

    /// The same with something else for its references, as [`replaced`] does it.
    pub fn with_references(&self, mut with: impl FnMut(&str) -> Option<String>) -> Call {
        let mut call = self.clone();
        let mut put = |text: &mut String| {
            if let Cow::Owned(new) = replaced(text, &mut with) {
                *text = new;
            }
        };
        match &mut call {
            Call::Collect { comment, .. } => put(comment),
            Call::Alert(a) => {
                put(&mut a.description);
                put(&mut a.recommended_action);
            }
        }
        call
    }

    /// The same without its references.
    pub fn without_references(&self) -> Call {
        self.with_references(|_| Some(String::new()))
    }
}

/// A creating request as it is sent: ids for its references. Gives those beside it; none for a request without
/// references, whose bytes are not touched.
///
/// # Errors
/// The first reference whose id is not known, or is nothing that a text can hold.
pub fn filled(
    request: &Request,
    id: impl Fn(&Address) -> Option<String>,
) -> Result<(Request, BTreeMap<Address, String>), NoId> {
    let mut ids = BTreeMap::new();
    if !request.body.as_str().contains(BEGIN) {
        return Ok((request.clone(), ids));
    }
    let Some(call) = Call::from_request(request) else { return Ok((request.clone(), ids)) };
    for name in call.references() {
        let unknown = || NoId(name.to_owned());
        let address: Address = name.parse().map_err(|_| unknown())?;
        let id = id(&address).filter(|id| is_id(id)).ok_or_else(unknown)?;
        ids.insert(address, id);
    }
    let call = call.with_references(|name| ids.get(&name.parse::<Address>().ok()?).cloned());
    Ok((call.request(), ids))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "${{ resources['Alert/a'].id }}";

    fn collect(comment: &str) -> Call {
        Call::collect("ab".repeat(20).parse().unwrap(), comment)
    }

    fn no_ids(_: &Address) -> Vec<String> {
        Vec::new()
    }

    #[test]
    fn only_whole_references_are_found() {
        let names =
            |text: &str| collect(text).references().into_iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            names(&format!("{A}, $ {A} {}", reference("InvestigationPackage/i.c-1"))),
            ["Alert/a", "InvestigationPackage/i.c-1"]
        );
        for text in [
            "${{ resources['Alert/a'].id }",
            "${{ resources['a b'].id }}",
            "${{resources['Alert/a'].id }}",
            "${{ resources[''].id }}",
        ] {
            assert!(names(text).is_empty(), "{text}");
        }
        assert_eq!(names(&format!("${{{{ resources['{A}")), ["Alert/a"], "a torn one before it");
    }

    #[test]
    fn every_text_that_can_hold_a_reference_is_filled() {
        let body = r#"{"machineId":"1e5bc9d7e413ddd7902c2932e418702b84d0cc07","severity":"Low","title":"t","description":"A","recommendedAction":"A","eventTime":"2018-08-03T16:45:21Z","reportId":"1","category":"Exploit"}"#;
        let calls = [
            collect(A),
            Call::Alert(serde_json::from_str(&body.replace("\"A\"", &format!("{A:?}"))).unwrap()),
        ];
        let fields: Vec<&str> = calls.iter().flat_map(Call::texts).map(|(field, _)| field).collect();
        assert_eq!(fields, REFERENCE_FIELDS);
        for call in &calls {
            assert!(call.texts().all(|(_, text)| text == A), "{call:?}");
            assert!(call.without_references().texts().all(|(_, text)| text.is_empty()), "{call:?}");
        }
    }

    #[test]
    fn a_request_is_filled_or_not_made() {
        let call = collect(&format!("see {A} and {}", reference("Alert/b")));
        let id = |a: &Address| Some(format!("da-{}", a.name()));
        let (request, ids) = filled(&call.request(), id).unwrap();
        assert_eq!(request.body.as_str(), r#"{"Comment":"see da-a and da-b"}"#);
        assert_eq!(ids.len(), 2);
        let one = |a: &Address| (a.name() == "a").then(|| "x".to_owned());
        assert_eq!(filled(&call.request(), one), Err(NoId("Alert/b".into())));
        for bad in ["", "a b", "a\u{7}", &"x".repeat(257)] {
            assert!(filled(&call.request(), |_| Some(bad.to_owned())).is_err(), "{bad:?}");
        }
        // An id that looks like a reference is text.
        let odd = filled(&collect(A).request(), |_| Some("${{x}}".into())).unwrap().0;
        assert_eq!(odd.body.as_str(), r#"{"Comment":"${{x}}"}"#);
        let plain = collect("no reference").request();
        assert_eq!(filled(&plain, |_| None).unwrap(), (plain, BTreeMap::new()));
    }

    #[test]
    fn a_text_is_told_from_others_by_its_ids() {
        let declared = format!("see {A}.");
        let known = |_: &Address| vec!["id.1".to_owned(), "id2".to_owned()];
        assert!(gives(&declared, "see id.1.", &known) && gives(&declared, "see id2.", &known));
        assert!(!gives(&declared, "see idx1.", &known) && gives(&declared, "see idx1.", &no_ids));
        assert!(!gives(&declared, "see a b.", &no_ids) && !gives(&declared, "see .", &no_ids));
        assert!(gives(&declared, &declared, &known));
        assert!(gives("plain", "plain", &no_ids) && !gives("plain", "plain ", &no_ids));
    }

    proptest! {
        #[test]
        fn what_is_filled_in_is_recognised(parts in prop::collection::vec("[^\\pC]{0,12}", 1..5), id in "[!-~]{1,40}") {
            let declared = parts.join(A);
            prop_assume!(!parts.iter().any(|p| p.contains(BEGIN)));
            let sent = replaced(&declared, |_| Some(id.clone()));
            prop_assert!(gives(&declared, &sent, &|_| vec![id.clone()]));
            prop_assert!(gives(&declared, &sent, &no_ids));
            prop_assert_eq!(&*replaced(&declared, |_| None), declared.as_str());
        }
    }
}
