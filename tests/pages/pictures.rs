//! The pictures of the documents are made from what the tool prints today: golden output of the renderer where a run has
//! to stand still, and the built binary. `PICTURES=overwrite cargo test --test pages pictures` writes them anew;
//! `scripts/pictures` does so and takes the report's with a browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use anstyle::RgbColor;
use anstyle_svg::Term;

use crate::page::ROOT;

/// A picture of a terminal.
struct Picture {
    name: &'static str,
    /// The command line.
    typed: &'static str,
    text: String,
}

/// A golden output in colour of `src/render/pictures.rs`, which a test of the library compares with the renderer.
fn golden(name: &str) -> String {
    let path = format!("{ROOT}/src/render/snapshots/casefile__render__pictures__{name}.snap");
    let file = std::fs::read_to_string(path).unwrap();
    let text = file.splitn(3, "---\n").nth(2).expect("a head and a text").replace('␛', "\u{1b}");
    assert!(text.contains('\u{1b}'), "{name} has no colour");
    text
}

/// Returns what a command prints in colour, in a project with this one manifest.
fn printed(args: &[&str], manifest: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let project = "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: contoso-ir }\nspec:\n  defender: { cloud: \
                   sandbox }\n  requireComment: '^INC-[0-9]+: '\n";
    std::fs::write(folder.path().join("casefile.yaml"), project).unwrap();
    std::fs::create_dir(folder.path().join("manifests")).unwrap();
    std::fs::write(folder.path().join("manifests/inc-2042.yaml"), manifest).unwrap();
    let mut tool = Command::new(env!("CARGO_BIN_EXE_casefile"));
    tool.args(["--color", "always"]).args(args).current_dir(folder.path());
    let out = tool.env_clear().env("CI", "true").output().unwrap();
    String::from_utf8([out.stdout, out.stderr].concat()).unwrap()
}

/// Three mistakes of a tired person.
const WRONG: &str = "\
apiVersion: casefile/v1
kind: InvestigationPackage
metadata: { name: fin-ws-042 }
spec:
  machineId: fb9ab6be3965095a09c057be7c90f0a
  comment: \"INC-2042: before the device is rebuilt\"
---
apiVersion: casefile/v1
kind: InvestigationPackage
metadata: { name: fin-fs-01 }
spec:
  machineName: fin-fs-01
  coment: \"INC-2042: before the device is rebuilt\"
---
apiVersion: casefile/v1
kind: InvestigationPackage
metadata: { name: fin-ws-051 }
spec:
  machineName: fin-ws-051
  comment: before the device is rebuilt
";

fn pictures() -> [Picture; 3] {
    [
        Picture { name: "plan", typed: "casefile plan", text: golden("incident_in_colour_at_80") },
        Picture { name: "apply", typed: "casefile apply --wait", text: golden("run_in_colour_in_20_lines") },
        Picture { name: "error", typed: "casefile validate", text: printed(&["validate"], WRONG) },
    ]
}

/// Colours of a scheme: paper, ink, faint ink, and the eight colours of a terminal, bright ones too.
struct Scheme {
    ending: &'static str,
    paper: RgbColor,
    ink: RgbColor,
    faint: RgbColor,
    colours: [RgbColor; 8],
}

const fn rgb(hex: u32) -> RgbColor {
    RgbColor((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// Black, red, green, yellow, blue, magenta, cyan and white, each readable on its paper.
const SCHEMES: [Scheme; 2] = [
    Scheme {
        ending: "",
        paper: rgb(0xf6f8fa),
        ink: rgb(0x1f2328),
        faint: rgb(0x59636e),
        colours: [
            rgb(0x1f2328),
            rgb(0xb5202b),
            rgb(0x116329),
            rgb(0x7d4e00),
            rgb(0x0550ae),
            rgb(0x8250df),
            rgb(0x0b6470),
            rgb(0x59636e),
        ],
    },
    Scheme {
        ending: "-dark",
        paper: rgb(0x151b23),
        ink: rgb(0xe6edf3),
        faint: rgb(0x9198a1),
        colours: [
            rgb(0x151b23),
            rgb(0xff7b72),
            rgb(0x56d364),
            rgb(0xe3b341),
            rgb(0x79c0ff),
            rgb(0xd2a8ff),
            rgb(0x56d4dd),
            rgb(0xb1bac4),
        ],
    },
];

fn draw(picture: &Picture, scheme: &Scheme) -> String {
    let [a, b, c, d, e, f, g, h] = scheme.colours;
    let palette = anstyle_svg::Palette::from([a, b, c, d, e, f, g, h, a, b, c, d, e, f, g, h]);
    let term = Term::new().palette(palette).fg_color(scheme.ink.into()).bg_color(scheme.paper.into());
    let text = format!("\u{1b}[2m$\u{1b}[0m \u{1b}[1m{}\u{1b}[0m\n{}", picture.typed, picture.text);
    adapted(&term.render_svg(text.trim_end()), scheme)
}

/// The picture with the size of what is drawn, without which a page that is narrower cuts it off, and with faint text in
/// a colour of its own: half transparent, it is too pale to be read.
fn adapted(svg: &str, scheme: &Scheme) -> String {
    let size = svg.strip_prefix("<svg width=\"").and_then(|rest| rest.split_once("px\" height=\""));
    let (width, rest) = size.expect("a width");
    let (height, rest) = rest.split_once("px\"").expect("a height");
    let (before, dimmed) = rest.split_once(".dimmed { ").expect("the prompt is faint");
    let (_, after) = dimmed.split_once('}').expect("a rule that ends");
    let RgbColor(r, g, b) = scheme.faint;
    format!(
        "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\"{before}.dimmed {{ fill: \
         #{r:02X}{g:02X}{b:02X} }}{after}"
    )
}

fn committed(name: &str) -> PathBuf {
    Path::new(ROOT).join("docs/pictures").join(name)
}

#[test]
fn pictures_of_the_terminal_are_those_of_today() {
    let overwrite = std::env::var("PICTURES").is_ok_and(|v| v == "overwrite");
    let mut stale = Vec::new();
    for picture in pictures() {
        for scheme in &SCHEMES {
            let name = format!("{}{}.svg", picture.name, scheme.ending);
            let svg = draw(&picture, scheme);
            if overwrite {
                std::fs::write(committed(&name), &svg).unwrap();
            }
            if std::fs::read_to_string(committed(&name)).ok().as_ref() != Some(&svg) {
                stale.push(name);
            }
        }
    }
    assert!(stale.is_empty(), "docs/pictures: {stale:?} is not what is printed today: run scripts/pictures");
}

#[test]
fn pictures_load_nothing_and_hold_all_of_the_text() {
    for picture in pictures() {
        for scheme in &SCHEMES {
            let svg = draw(&picture, scheme).replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
            for loads in ["http", "url(", "@import", "@font-face", "href", "<script", "<image", "\u{1b}", "␛"]
            {
                assert!(!svg.contains(loads), "{}: {loads}", picture.name);
            }
            let rows = svg.matches("y=\"").count();
            assert!(rows > picture.text.lines().count(), "{}: {rows} lines", picture.name);
        }
    }
}

/// The contrast of two colours, from 1 to 21, as WCAG 2 defines it. Text needs 4.5.
fn contrast(a: RgbColor, b: RgbColor) -> f64 {
    let light = |RgbColor(r, g, b): RgbColor| {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) + 0.05
    };
    let (a, b) = (light(a), light(b));
    a.max(b) / a.min(b)
}

#[test]
fn every_colour_can_be_read_on_its_paper() {
    assert!((contrast(rgb(0), rgb(0xffffff)) - 21.0).abs() < 0.01);
    for scheme in &SCHEMES {
        for colour in scheme.colours[1..].iter().chain([&scheme.ink, &scheme.faint]) {
            let contrast = contrast(*colour, scheme.paper);
            assert!(contrast >= 4.5, "{colour:?} on {:?}: {contrast:.1}", scheme.paper);
        }
    }
}

#[test]
fn the_error_names_place_and_fix() {
    let text = printed(&["validate"], WRONG);
    for said in ["manifests/inc-2042.yaml", "13", "did you mean", "comment"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}
