//! The way to the service: proxy, TLS, and the nearest of its regional hosts.

use std::time::Duration;

use super::Check;
use crate::defender::Region;

/// The proxy between here and the service's host, if there is one, in words that hold no password. `broken` is the name of a
/// variable that names none although it should.
pub fn proxy(way: Option<&str>, broken: Option<&str>) -> Check {
    const NAME: &str = "proxy";
    match (broken, way) {
        (Some(variable), _) => Check::failed(NAME, format!("{variable} is no address"))
            .fix(format!("write {variable}=http://HOST:PORT, or unset it")),
        (None, Some(way)) => Check::ok(NAME, format!("calls go through {way}")),
        (None, None) => Check::ok(NAME, "none: calls go to the service itself"),
    }
}

/// How the connection is kept from others. `issuers` is the variable that names the trusted ones, if one does, and whether
/// its file can be read.
pub fn tls(plain: bool, issuers: Option<(&str, bool)>) -> Check {
    const NAME: &str = "tls";
    match issuers {
        _ if plain => Check::ok(NAME, "plain http, which stays on this computer"),
        Some((variable, false)) => {
            Check::failed(NAME, format!("the trusted issuers that {variable} names cannot be read"))
                .fix(format!("name a file of PEM certificates by {variable}, or unset it"))
        }
        Some((variable, true)) => {
            Check::ok(NAME, format!("TLS 1.2 or 1.3, by the trusted issuers of {variable}"))
        }
        None => Check::ok(NAME, "TLS 1.2 or 1.3, by the issuers that this computer trusts"),
    }
}

/// How fast the regional hosts answered, those that did. `chosen` is the project's region.
pub fn region(chosen: Option<Region>, answered: &[(Region, Duration)]) -> Check {
    const NAME: &str = "region";
    let mut told = answered.to_vec();
    told.sort_by_key(|(_, took)| *took);
    let Some((nearest, _)) = told.first() else { return Check::not_seen(NAME, "no regional host answers") };
    let list: Vec<String> =
        told.iter().map(|(region, took)| format!("{} {} ms", region.as_str(), took.as_millis())).collect();
    let seen = list.join(", ");
    match chosen {
        None => Check::ok(NAME, seen)
            .fix(format!("write region: {} under spec.defender, for the nearest one", nearest.as_str())),
        Some(chosen) if !told.iter().any(|(region, _)| *region == chosen) => {
            Check::warning(NAME, format!("{} does not answer; {seen}", chosen.as_str()))
                .fix(format!("write region: {} under spec.defender", nearest.as_str()))
        }
        Some(_) => Check::ok(NAME, seen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn the_nearest_region_is_named_and_one_that_is_silent_is_told() {
        let ms = Duration::from_millis;
        let answered = [(Region::Us, ms(120)), (Region::Eu, ms(18)), (Region::Swa, ms(60))];
        let none = region(None, &answered);
        assert_eq!((none.verdict, &*none.seen), (Verdict::Ok, "eu 18 ms, swa 60 ms, us 120 ms"));
        assert_eq!(none.fix, ["write region: eu under spec.defender, for the nearest one"]);
        assert_eq!(region(Some(Region::Us), &answered), Check::ok("region", none.seen));
        let silent = region(Some(Region::Uk), &answered);
        assert!(silent.verdict == Verdict::Warning && silent.seen.starts_with("uk does not"), "{silent:?}");
        assert_eq!(region(None, &[]).verdict, Verdict::Warning);
    }

    #[test]
    fn proxy_and_tls_in_use_are_named() {
        assert_eq!(proxy(None, None).verdict, Verdict::Ok);
        assert_eq!(
            proxy(Some("the proxy p:1 of HTTPS_PROXY"), None).seen,
            "calls go through the proxy p:1 of HTTPS_PROXY"
        );
        let broken = proxy(None, Some("ALL_PROXY"));
        assert!(broken.verdict == Verdict::Failed && broken.fix[0].contains("ALL_PROXY="), "{broken:?}");
        assert!(tls(true, Some(("SSL_CERT_FILE", false))).seen.starts_with("plain http"));
        assert_eq!(tls(false, Some(("SSL_CERT_FILE", false))).verdict, Verdict::Failed);
        assert!(tls(false, Some(("SSL_CERT_FILE", true))).seen.ends_with("of SSL_CERT_FILE"));
        assert_eq!(tls(false, None).verdict, Verdict::Ok);
    }
}
