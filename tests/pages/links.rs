//! Links of pages lead to files and headings that are there, pictures have words in their place, and the index of the
//! documents leads to all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::page::{Page, ROOT, pages};

/// A link, or the address of a picture.
struct Link {
    line: usize,
    to: String,
}

/// The result of one reading of a page.
#[derive(Default)]
struct Read {
    links: Vec<Link>,
    /// Headings as they are linked to.
    anchors: BTreeSet<String>,
    /// Pictures without words in their place.
    wordless: Vec<usize>,
}

/// The values of an attribute in HTML.
fn attribute<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let begin = format!("{name}=\"");
    html.split(&*begin).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// A heading's anchor, as code hosts make it: lower case, dashes for blanks, without punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn read(text: &str) -> Read {
    let mut out = Read::default();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut heading: Option<String> = None;
    let mut picture: Option<String> = None;
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        let line = || text[..range.start].lines().count() + 1;
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(
                HeadingLevel::H1 | HeadingLevel::H2 | HeadingLevel::H3 | HeadingLevel::H4,
            )) => {
                let name = anchor(&heading.take().unwrap_or_default());
                let count = seen.entry(name.clone()).or_default();
                out.anchors.insert(if *count == 0 { name } else { format!("{name}-{count}") });
                *count += 1;
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                out.links.push(Link { line: line(), to: dest_url.to_string() })
            }
            Event::Start(Tag::Image { dest_url, .. }) => {
                out.links.push(Link { line: line(), to: dest_url.to_string() });
                picture = Some(String::new());
            }
            Event::End(TagEnd::Image) if picture.take().is_some_and(|words| words.trim().is_empty()) => {
                out.wordless.push(line());
            }
            Event::Text(text) | Event::Code(text) => {
                for open in [&mut heading, &mut picture].into_iter().flatten() {
                    open.push_str(&text);
                }
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                for name in ["src", "srcset", "href"] {
                    out.links.extend(
                        attribute(&html, name).into_iter().map(|to| Link { line: line(), to: to.into() }),
                    );
                }
                let wordless = attribute(&html, "alt").iter().all(|words| words.trim().is_empty());
                if html.contains("<img") && wordless {
                    out.wordless.push(line());
                }
            }
            _ => {}
        }
    }
    out
}

/// Finds the links of a page that lead nowhere.
fn broken(page: &Page, anchors: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let read = read(&page.text);
    let mut wrong: Vec<String> = Vec::new();
    for Link { line, to } in
        read.links.iter().filter(|link| !link.to.starts_with("https://") && !link.to.starts_with("http://"))
    {
        let (file, anchor) = to.split_once('#').map_or((&**to, None), |(file, anchor)| (file, Some(anchor)));
        let target = if file.is_empty() { Some(page.path.clone()) } else { page.beside(file) };
        let place = format!("{}:{line}: {to}", page.path);
        match target {
            None => wrong.push(format!("{place} leads out of the repository")),
            Some(target) if !anchors.contains_key(&target) && !Path::new(ROOT).join(&target).exists() => {
                wrong.push(format!("{place}: there is no {target}"));
            }
            Some(target) => {
                if let Some(anchor) = anchor
                    && anchors.get(&target).is_none_or(|known| !known.contains(anchor))
                {
                    wrong.push(format!("{place}: {target} has no such heading"));
                }
            }
        }
    }
    let wordless = read.wordless.iter().map(|line| format!("{}:{line}: a picture without words", page.path));
    wrong.extend(wordless);
    wrong
}

fn anchors(pages: &[Page]) -> BTreeMap<String, BTreeSet<String>> {
    pages.iter().map(|page| (page.path.clone(), read(&page.text).anchors)).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let pages = pages();
    let anchors = anchors(&pages);
    let wrong: Vec<String> = pages.iter().flat_map(|page| broken(page, &anchors)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_index_leads_to_every_page_of_the_documents() {
    let index = Page::read("docs/README.md");
    let linked: BTreeSet<String> =
        read(&index.text).links.iter().filter_map(|l| index.beside(l.to.split('#').next()?)).collect();
    let missing: Vec<String> = pages()
        .into_iter()
        .map(|page| page.path)
        .filter(|path| path.starts_with("docs/") && *path != index.path && !linked.contains(path))
        .collect();
    assert!(missing.is_empty(), "docs/README.md does not lead to {missing:?}");
}

#[test]
fn every_picture_stands_in_a_page() {
    let shown: BTreeSet<String> = pages()
        .iter()
        .flat_map(|page| {
            read(&page.text).links.into_iter().filter_map(|l| page.beside(&l.to)).collect::<Vec<_>>()
        })
        .collect();
    for entry in std::fs::read_dir(Path::new(ROOT).join("docs/pictures")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_picture = name.ends_with(".svg") || name.ends_with(".png");
        assert!(!is_picture || shown.contains(&format!("docs/pictures/{name}")), "{name} stands in no page");
    }
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = |text: &str| Page { path: "docs/x.md".into(), text: text.into() };
    let known = anchors(&[Page::read("docs/cli.md"), page("# One\n## A `b`, c\n## A `b`, c\n")]);
    for fine in
        ["[a](cli.md#casefile-plan)", "[a](#a-b-c-1)", "[a](../README.md)", "<img src=\"cli.md\" alt=\"a\">"]
    {
        assert_eq!(broken(&page(fine), &known), Vec::<String>::new(), "{fine}");
    }
    for wrong in [
        "[a](cli.md#no-such)",
        "[a](no.md)",
        "[a](../../x)",
        "[a](#none)",
        "<source srcset=\"no.svg\">",
        "![](cli.md)",
        "<img src=\"cli.md\">",
    ] {
        assert_eq!(broken(&page(wrong), &known).len(), 1, "{wrong}");
    }
}
