//! The arguments of `draft`.

use std::str::FromStr;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::{Label, Placing};

/// How far back to look: a whole number and `d` or `h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(pub Duration);

/// The service keeps actions for half a year.
const LONGEST: u64 = 180 * 24 * 3_600;

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write a whole number and d or h, such as 30d or 12h, and 180d at most".to_owned();
        let (digits, unit) = match (text.strip_suffix('d'), text.strip_suffix('h')) {
            (Some(days), _) => (days, 24 * 3_600),
            (None, Some(hours)) => (hours, 3_600),
            (None, None) => return Err(wrong()),
        };
        let seconds = digits.parse::<u32>().ok().and_then(|n| u64::from(n).checked_mul(unit));
        match seconds.filter(|s| (1..=LONGEST).contains(s)) {
            Some(seconds) => Ok(Window(Duration::from_secs(seconds))),
            None => Err(wrong()),
        }
    }
}

/// The id of an alert.
fn alert(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match (1..=253).contains(&text.len()) && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => {
            Err("the id of an alert is letters, digits, dots, dashes and underscores, such as da637472900382838869_1364969609".to_owned())
        }
    }
}

/// `draft`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("subject").required(true).args(["alert", "window"])))]
pub struct DraftArgs {
    /// The alert: a package of its device and an alert that follows it up are written, or an incident where a runbook fits
    #[arg(long, value_name = "ID", value_parser = alert)]
    pub alert: Option<String>,
    /// Collections that began so long ago or later, such as 30d or 12h: those that nothing manages here become packages
    /// with `import`
    #[arg(long = "since", value_name = "DURATION")]
    pub window: Option<Window>,
    /// Write an incident for this runbook
    #[arg(long, value_name = "RUNBOOK", requires = "alert")]
    pub runbook: Option<String>,
    /// Write plain manifests, whatever runbook fits
    #[arg(long, requires = "alert", conflicts_with = "runbook")]
    pub plain: bool,
    /// A value that the alert does not tell: as for `new incident`; repeatable
    #[arg(long, value_name = "KEY=VALUE", requires = "runbook")]
    pub set: Vec<String>,
    /// The name of the manifests; made from the alert, if it is left out
    #[arg(long, value_name = "NAME", requires = "alert")]
    pub name: Option<String>,
    /// A label of the manifests, before those that are made from the alert or its comment; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<Label>,
    /// The comment of the package; with `--since` of those whose own is empty or not allowed
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub comment: Option<String>,
    /// Where they go.
    #[command(flatten)]
    pub placing: Placing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_days_or_hours() {
        assert_eq!("30d".parse(), Ok(Window(Duration::from_secs(30 * 86_400))));
        assert_eq!("12h".parse(), Ok(Window(Duration::from_secs(12 * 3_600))));
        for wrong in ["", "d", "0d", "181d", "-1d", "30", "30m", "1.5d", "99999999999d"] {
            assert!(wrong.parse::<Window>().is_err(), "{wrong}");
        }
    }
}
