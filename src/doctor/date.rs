//! The time in a banner. Pure.
//!
//! RFC 5321 asks for none, but Exim, sendmail and Microsoft write one as messages carry it
//! (RFC 5322 section 3.3): `Wed, 25 Nov 2026 14:34:37 +0000`. It is the one clock a prober meets
//! without asking a new service for it.

use std::time::SystemTime;

use jiff::fmt::rfc2822::DateTimeParser;

/// The date and time in `text`, if there is one with a time zone in digits.
#[must_use]
pub fn find(text: &str) -> Option<SystemTime> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    words.windows(5).find_map(parse)
}

/// The date that five words are. Zones by name and years of two digits are left alone: they would
/// be guesses.
fn parse(words: &[&str]) -> Option<SystemTime> {
    let &[day, month, year, time, zone] = words else { return None };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let day = day.trim_start_matches(|c: char| !c.is_ascii_digit());
    let zone = zone.trim_end_matches(|c: char| !c.is_ascii_digit());
    let digits = zone.strip_prefix(['+', '-'])?;
    let is_whole = is_digits(year) && year.len() == 4 && time.len() == 8;
    if !is_whole || !is_digits(digits) || digits.len() != 4 {
        return None;
    }
    let date = format!("{day} {month} {year} {time} {zone}");
    let at = DateTimeParser::new().parse_timestamp(&date).ok()?;
    SystemTime::try_from(at).ok().filter(|at| *at >= SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(rfc3339: &str) -> SystemTime {
        SystemTime::try_from(rfc3339.parse::<jiff::Timestamp>().unwrap()).unwrap()
    }

    #[test]
    fn the_date_is_found_in_banners_as_servers_write_them() {
        let noon = at("2026-11-25T14:34:37Z");
        for banner in [
            "mx.example.org Microsoft ESMTP MAIL Service ready at Wed, 25 Nov 2026 14:34:37 +0000",
            "mx.example.org ESMTP Exim 4.98 Wed, 25 Nov 2026 15:34:37 +0100",
            "mx.example.org ESMTP Sendmail 8.18.1/8.18.1; Wed, 25 Nov 2026 09:34:37 -0500",
            "mx.example.org ESMTP (25 Nov 2026 14:34:37 +0000)",
        ] {
            assert_eq!(find(banner), Some(noon), "{banner}");
        }
        let early = at("2026-01-02T03:04:05Z");
        assert_eq!(find("x; Fri, 2 Jan 2026 03:04:05 +0000 (UTC)"), Some(early));
    }

    #[test]
    fn what_is_not_a_whole_date_is_not_guessed_at() {
        for banner in [
            "",
            "mx.example.org ESMTP Postfix",
            "ready at Wed, 25 Nov 2026 14:34:37",
            "ready at Wed, 25 Nov 2026 14:34:37 GMT",
            "ready at Wed, 32 Nov 2026 14:34:37 +0000",
            "ready at Wed, 25 Nov 2026 25:34:37 +0000",
            "ready at Wed, 25 Nov 26 14:34:37 +0000",
            "25 Now 2026 14:34:37 +0000",
            "25 Nov 2026 14:34:37 +00é0",
        ] {
            assert_eq!(find(banner), None, "{banner}");
        }
    }
}
