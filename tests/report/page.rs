//! Rules that hold for every page, whatever is recorded.

use casefile::model::Sha256Hex;
use casefile::render::report::{ReportDocument, html, report_schema};
use casefile::report::Report;

use crate::incident::{self, Incident};

/// Texts that mean something to HTML, to SVG, to a browser's address bar, to a log, or to an eye.
const HOSTILE: [&str; 14] = [
    "<script>alert(1)</script>",
    "</title></style><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</text></svg><script>alert(1)</script>",
    "javascript:alert(1)",
    "<!--",
    "]]><x:script xmlns:x=\"http://www.w3.org/1999/xhtml\">alert(1)</x:script>",
    "&lt;script&gt;&#x3c;script&#62;",
    "\u{202e}gpj.exe\u{2066}",
    "a\u{0}b\u{1b}[31mc\u{7f}\u{85}\r\n\t",
    "{{constructor.constructor('alert(1)')()}} ${alert(1)} ##vso[task.complete]",
    "<iframe srcdoc='<script>alert(1)</script>'><base href=//evil.example>",
    "@import url(https://evil.example/x.css);}*{background:url(https://evil.example/y)}",
];

fn page(report: &Report) -> String {
    html(&ReportDocument::new(report))
}

/// The names of all tags, and of all attributes with their values.
fn parts(page: &str) -> (Vec<&str>, Vec<(&str, &str)>) {
    let (mut tags, mut attributes) = (Vec::new(), Vec::new());
    for part in page.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("a tag that ends");
        let name = tag.split([' ', '/']).find(|n| !n.is_empty()).unwrap_or_default();
        tags.push(name);
        let mut rest = tag;
        while let Some((before, after)) = rest.split_once("=\"") {
            let (value, next) = after.split_once('"').expect("a value that ends");
            attributes.push((before.rsplit(' ').next().unwrap_or_default(), value));
            rest = next;
        }
    }
    (tags, attributes)
}

fn is_safe(page: &str) {
    let body = page.split_once("</style>").expect("a style").1;
    let (tags, attributes) = parts(body);
    let known = [
        "a", "article", "b", "body", "caption", "code", "dd", "details", "div", "dl", "dt", "footer", "g",
        "h1", "h2", "head", "header", "html", "li", "line", "main", "p", "path", "rect", "span", "strong",
        "summary", "svg", "table", "tbody", "td", "text", "th", "thead", "time", "tr", "ul", "use",
    ];
    for tag in tags {
        assert!(known.contains(&tag), "<{tag}>");
    }
    for (name, value) in attributes {
        assert!(
            !name.starts_with("on") && !["style", "src", "srcdoc", "action"].contains(&name),
            "{name}={value}"
        );
        let of_portal = || value.starts_with("https://security.microsoft.com/alerts/");
        assert!(name != "href" || value == "#g" || of_portal(), "{name}={value}");
        assert!(!value.contains(['<', '>']), "{name}={value}");
    }
    assert_eq!(page.matches("<style").count(), 1);
    assert_eq!(page.matches("<meta").count(), 5);
    let hidden = |c: &char| {
        (c.is_control() && *c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert_eq!(page.chars().find(hidden), None);
    assert!(!page.contains("##vso["));
}

#[test]
fn hostile_texts_in_every_field_are_shown_and_mean_nothing() {
    for text in HOSTILE {
        for refreshed in [false, true] {
            let report = incident::full(text).report(refreshed);
            let page = page(&report);
            is_safe(&page);
            // The text is there, many times: what the fields hold is not left out.
            let begin: String = text.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
            assert!(begin.is_empty() || page.matches(&begin).count() > 20, "{text}");
        }
    }
    let page = page(&incident::full("<script>").report(true));
    assert!(page.matches("&lt;script&gt;").count() > 100, "{}", page.matches("&lt;script&gt;").count());
}

#[test]
fn a_page_asks_nobody_for_anything_and_says_so_itself() {
    let page = page(&incident::usual().report(true));
    is_safe(&page);
    let policy =
        page.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(policy.starts_with("default-src &#39;none&#39;; style-src &#39;sha256-"), "{policy}");
    assert!(!page.contains("<script") && !page.contains("url(") && !page.contains("@import"));
    // The only addresses are those of alerts in the portal.
    let rest =
        page.replace("https://security.microsoft.com/alerts/", "").replace("https://github.com/contoso", "");
    assert!(!rest.contains("http:") && !rest.contains("https:") && !rest.contains("//"), "an address");
    assert_eq!(page.matches("<a href=\"https://security.microsoft.com/alerts/da6").count(), 2);
    assert!(page.contains("?tid=72f988bf-86f1-41af-91ab-2d7cd011db47\""));
}

/// The picture is taken with a browser, so the page that it was taken of is compared.
#[test]
fn the_picture_in_the_documents_is_of_todays_page() {
    let page = page(&incident::usual().report(true));
    let taken = include_str!("../../docs/pictures/report.sha256");
    assert_eq!(
        taken.trim(),
        Sha256Hex::of(page.as_bytes()).to_string(),
        "another page by now: run scripts/pictures"
    );
}

#[test]
fn a_page_tells_what_a_lead_asks() {
    let report = incident::usual().report(false);
    let page = page(&report);
    for said in [
        "<h1>INC-2042</h1>",
        "7 of 12",
        "the device never answered (TimeOut)",
        "refused: 400 OsPlatformNotSupported",
        "no answer: connection reset while the answer was read",
        "it is held, and not there",
        "casefile apply --replace InvestigationPackage/inc-2042.fin-ws-047",
        "https://github.com/contoso/cases/actions/runs/811",
        "ann@soc-1",
        "1f2e3d4c5b6a79880716253443526170f1e2d3c4",
        "manifests/inc-2042.fin-ws-042.sealed.yaml",
        "casefile report --refresh",
        "Package damaged",
    ] {
        assert!(page.contains(said), "{said}");
    }
    assert!(page.contains(&format!("sha256:{}", report.journal.head)));
    for p in report.resources.iter().flat_map(|r| &r.packages) {
        assert!(page.contains(&p.sha256.to_string()) && page.contains(&p.file));
    }
    // What waited for the quota of an hour is drawn.
    assert!(page.contains("<line class=\"w\""));
}

#[test]
fn five_hundred_machines_stay_below_two_mebibytes() {
    let report = incident::large(500).report(true);
    assert_eq!((report.machines.len(), report.summary.alerts), (500, 50));
    let page = page(&report);
    assert!(page.len() < 2 << 20, "{} bytes", page.len());
    // Troubles of one kind are told once.
    let todo = page.split("class=\"todo\"").nth(1).unwrap().split("<h2>").next().unwrap();
    assert_eq!(todo.matches("its package is not held").count(), 1, "{todo}");
}

#[test]
fn an_empty_report_is_a_page_too() {
    let page = page(&Incident::new("").report(false));
    is_safe(&page);
    assert!(page.contains("Nothing is recorded of what was selected."));
}

#[test]
fn the_document_fits_its_schema_and_holds_what_the_page_shows() {
    let schema = jsonschema::draft202012::new(&report_schema()).unwrap();
    for text in ["", HOSTILE[0], HOSTILE[9], HOSTILE[10]] {
        for report in [incident::full(text).report(true), Incident::new(text).report(false)] {
            let json = ReportDocument::new(&report).to_text().unwrap();
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            let errors: Vec<String> = schema.iter_errors(&value).map(|e| e.to_string()).collect();
            assert_eq!(errors, Vec::<String>::new());
        }
    }
    let report = incident::usual().report(true);
    let value = serde_json::to_value(ReportDocument::new(&report)).unwrap();
    assert_eq!(value["summary"]["held"], 7);
    assert_eq!(value["incident"], "INC-2042");
    let codes: Vec<&str> =
        value["problems"].as_array().unwrap().iter().map(|p| p["code"].as_str().unwrap()).collect();
    for code in ["failed", "refused", "unanswered", "package-missing"] {
        assert!(codes.contains(&code), "{codes:?}");
    }
    let throttled = value["resources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["address"] == "InvestigationPackage/inc-2042.fin-ws-049");
    let attempts = throttled.unwrap()["attempts"].as_array().unwrap();
    assert_eq!(attempts[0]["blockedUntil"], "2026-03-01T08:11:09Z");
    assert_eq!(attempts[1]["finished"], "2026-03-01T08:26:09Z");
    let busy = &value["resources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["address"] == "InvestigationPackage/inc-2042.fin-ws-044");
    assert_eq!(busy.unwrap()["attempts"][0]["waitedSince"], "2026-03-01T08:00:05Z");
}

/// For `scripts/report-look`: writes the pages that a browser looks at.
#[test]
fn pages_to_look_at() {
    let Some(folder) = std::env::var_os("CASEFILE_TEST_REPORTS").map(std::path::PathBuf::from) else {
        return;
    };
    let mut pages = vec![
        ("usual.html".to_owned(), page(&incident::usual().report(true))),
        ("unrefreshed.html".to_owned(), page(&incident::usual().report(false))),
        ("large.html".to_owned(), page(&incident::large(500).report(true))),
        ("empty.html".to_owned(), page(&Incident::new("").report(false))),
    ];
    for (n, text) in HOSTILE.iter().enumerate() {
        pages.push((format!("hostile-{n}.html"), page(&incident::full(text).report(true))));
    }
    for (name, text) in pages {
        std::fs::write(folder.join(name), text).unwrap();
    }
}
