//! The look of the page: two palettes and one sheet.
//!
//! Nothing is told by colour alone: states are words, the timeline's marks have shapes. The contrast of each pair of colours
//! that meet is computed by a test.

use super::markup::Style;

/// Colours by name.
pub type Palette = [(&'static str, &'static str); 9];

/// On paper, and on light screens.
pub const LIGHT: Palette = [
    ("bg", "#ffffff"),
    ("surface", "#f4f6f8"),
    ("ink", "#17202a"),
    ("muted", "#55606b"),
    ("line", "#d5dbe1"),
    ("run", "#0b5cad"),
    ("good", "#0f6b34"),
    ("note", "#7a4d00"),
    ("bad", "#a3161f"),
];

/// On dark screens.
pub const DARK: Palette = [
    ("bg", "#11161c"),
    ("surface", "#1a2129"),
    ("ink", "#e7ecf1"),
    ("muted", "#a3afba"),
    ("line", "#36414c"),
    ("run", "#74b8ff"),
    ("good", "#5fd68a"),
    ("note", "#e6b450"),
    ("bad", "#ff8a8f"),
];

/// The sheet of the page.
pub fn sheet() -> Style {
    Style::new(
        RULES,
        &[
            (":root{color-scheme:light dark;", &LIGHT),
            ("@media screen and (prefers-color-scheme:dark){:root{", &DARK),
        ],
    )
}

const RULES: &str = "
*{box-sizing:border-box}
html{background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;-webkit-text-size-adjust:100%}
body{max-width:72rem;margin:0 auto;padding:2.5rem 1.5rem 4rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
h1{font-size:2rem;line-height:1.2;margin:0;letter-spacing:-.01em}
h2{font-size:1.2rem;line-height:1.3;margin:2.75rem 0 .75rem}
p{margin:.4rem 0}
a{color:var(--run)}
a:focus-visible,summary:focus-visible{outline:2px solid var(--run);outline-offset:2px}
code{font:.875em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono',monospace}
.muted,.sub{color:var(--muted)}
.sub{font-size:.85rem;font-weight:400}
.lead{font-size:1.15rem;margin:1rem 0 0;max-width:46rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin:1.5rem 0 0;padding:0;list-style:none}
.tiles li{background:var(--surface);border-radius:.5rem;padding:.8rem 1rem}
.tiles b{display:block;font-size:1.6rem;line-height:1.2;font-weight:650}
.tiles span{color:var(--muted);font-size:.85rem}
.tiles .alarm b{color:var(--bad)}
.todo{list-style:none;margin:0;padding:0}
.todo>li{border-left:4px solid var(--bad);background:var(--surface);border-radius:0 .5rem .5rem 0;padding:.7rem 1rem;margin:.6rem 0;break-inside:avoid}
.todo .soft{border-left-color:var(--note)}
.todo p{margin:.2rem 0}
.cmd{display:inline-block;background:var(--bg);border:1px solid var(--line);border-radius:.3rem;padding:.05rem .45rem}
details{margin:.3rem 0}
summary{cursor:pointer;color:var(--muted)}
details ul{margin:.3rem 0;padding-left:1.2rem}
table{border-collapse:collapse;width:100%}
caption{text-align:left;color:var(--muted);font-size:.85rem;padding:0 0 .5rem}
th,td{text-align:left;vertical-align:top;padding:.45rem .9rem .45rem 0;border-bottom:1px solid var(--line)}
th{font-weight:600}
thead th{font-size:.8rem;color:var(--muted);white-space:nowrap;overflow-wrap:normal}
tbody th{overflow-wrap:break-word;min-width:7.5rem}
.asked tbody th{font-weight:400}
.num{text-align:right;white-space:nowrap}
td.t,.nowrap{white-space:nowrap}
.s{white-space:nowrap;font-weight:600;overflow-wrap:normal}
.s.good{color:var(--good)}.s.run{color:var(--run)}.s.note{color:var(--note)}.s.bad{color:var(--bad)}
.time{table-layout:fixed}
.time th:first-child{width:24%}.time th:nth-child(3),.time td:nth-child(3){width:11rem;padding-left:.9rem}
.time th:nth-child(4),.time td:nth-child(4){width:6rem;padding-right:0}
.time tbody th,.time tbody td{padding-top:.3rem;padding-bottom:.3rem}
.time td:nth-child(2),.time thead th:nth-child(2){padding-right:0}
svg{overflow:visible}
.time td>svg,.time th>svg{display:block;width:100%;height:1.3rem}
.time thead svg{height:1.1rem}
.key{display:flex;flex-wrap:wrap;gap:.3rem 1.4rem;list-style:none;margin:.3rem 0 1rem;padding:0;font-size:.85rem;color:var(--muted)}
.key li{display:flex;align-items:center;gap:.45rem}
.key li>svg{width:2.2rem;height:1.3rem;flex:none}
svg text{fill:var(--muted);font-size:.75rem}
.g{stroke:var(--line);stroke-width:1}
.w{stroke:var(--note);stroke-width:2;stroke-dasharray:3 3}
.q{fill:var(--bg);stroke:var(--run);stroke-width:1.5}
.r{fill:var(--run)}
.f{stroke:var(--good);stroke-width:2}
.a{stroke:var(--ink);stroke-width:2}
.d{fill:var(--good);stroke:var(--bg);stroke-width:1}
.e{fill:var(--run);stroke:var(--bg);stroke-width:1}
.x{stroke:var(--bad);stroke-width:2.5;fill:none}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.35rem 1.5rem;margin:0}
dt{color:var(--muted)}dd{margin:0}
footer{margin-top:3rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--muted);font-size:.85rem}
@media (max-width:44rem){
html{font-size:16px}
body{padding:1.25rem 1rem 3rem}
h1{font-size:1.6rem}
.tiles{grid-template-columns:1fr 1fr}
table,caption,thead,tbody,thead tr{display:block}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.time thead{position:static;width:auto;height:auto;overflow:visible;clip-path:none}
.time thead th{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.time thead td{display:block;border:0;width:auto!important}
tbody tr{display:block;padding:.6rem 0;border-bottom:1px solid var(--line)}
tbody th,tbody td{display:block;border:0;padding:.1rem 0;width:auto!important}
tbody td[data-l]::before{content:attr(data-l) ' ';color:var(--muted);font-size:.85rem;font-weight:400}
.num{text-align:left}
.s,td.t,.nowrap{white-space:normal}
.time td:nth-child(3),.time td:nth-child(4){display:inline-block;padding:0 1rem 0 0}
dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.6rem}
}
@page{size:A4;margin:14mm}
@media print{
html{font-size:10.5px}
body{max-width:none;padding:0}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
thead{display:table-header-group}
tr,.tiles li{break-inside:avoid}
h2{break-after:avoid;margin-top:1.8rem}
a[href]::after{content:' (' attr(href) ')';color:var(--muted)}
}
";

#[cfg(test)]
mod tests {
    use super::*;

    /// The relative luminance of WCAG 2.
    fn luminance(colour: &str) -> f64 {
        let channel = |i: usize| {
            let value = f64::from(u8::from_str_radix(&colour[i..i + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn colour(palette: &Palette, name: &str) -> &'static str {
        palette.iter().find(|(n, _)| *n == name).unwrap().1
    }

    #[test]
    fn contrast_is_that_of_wcag_aa_on_light_and_dark_screens() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 0.01);
        for (screen, palette) in [("light", LIGHT), ("dark", DARK)] {
            for back in ["bg", "surface"] {
                for name in ["ink", "muted", "run", "good", "note", "bad"] {
                    let ratio = contrast(colour(&palette, name), colour(&palette, back));
                    assert!(ratio >= 4.5, "{screen}: {name} on {back}: {ratio:.2}");
                }
            }
        }
    }

    #[test]
    fn every_colour_of_the_rules_is_one_of_the_palettes() {
        let named: Vec<&str> =
            RULES.split("var(--").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
        for name in &named {
            assert!(LIGHT.iter().chain(&DARK).filter(|(n, _)| n == name).count() == 2, "{name}");
        }
        for (name, _) in LIGHT {
            assert!(named.contains(&name), "{name} is used nowhere");
        }
        assert!(!RULES.contains('#'), "a colour that no test computes the contrast of");
        assert!(!RULES.contains("url(") && !RULES.contains("@import"), "{RULES}");
    }
}
