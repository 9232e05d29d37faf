//! The time a banner says. Pure.
//!
//! RFC 5321 asks for none, but Exim, sendmail and Microsoft write one as messages carry it
//! (RFC 5322 section 3.3): `Wed, 25 Nov 2026 14:34:37 +0000`. It is the one clock a prober meets
//! without asking a new service for it.

use std::time::{Duration, SystemTime};

/// The date and time in `text`, if there is one with a time zone in digits.
#[must_use]
pub fn find(text: &str) -> Option<SystemTime> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    words.windows(5).find_map(parse_words)
}

fn parse_words(words: &[&str]) -> Option<SystemTime> {
    let &[day, month, year, time, zone] = words else { return None };
    let day: u8 = day.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().ok()?;
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let month = month.to_ascii_lowercase();
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let year: u16 = year.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    if time.len() != 8 {
        return None;
    }
    let local = humantime::parse_rfc3339(&format!("{year}-{month:02}-{day:02}T{time}Z")).ok()?;
    let zone = zone.trim_end_matches(|c: char| !c.is_ascii_digit());
    let (sign, digits) = zone.split_at_checked(1)?;
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (u64, u64) = (digits[..2].parse().ok()?, digits[2..].parse().ok()?);
    let ahead = Duration::from_secs(hours * 3600 + minutes * 60);
    match sign {
        "+" => local.checked_sub(ahead),
        "-" => local.checked_add(ahead),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_found_in_banners_as_servers_write_them() {
        let at = humantime::parse_rfc3339("2026-11-25T14:34:37Z").unwrap();
        for banner in [
            "mx.example.org Microsoft ESMTP MAIL Service ready at Wed, 25 Nov 2026 14:34:37 +0000",
            "mx.example.org ESMTP Exim 4.98 Wed, 25 Nov 2026 15:34:37 +0100",
            "mx.example.org ESMTP Sendmail 8.18.1/8.18.1; Wed, 25 Nov 2026 09:34:37 -0500",
            "mx.example.org ESMTP (25 Nov 2026 14:34:37 +0000)",
        ] {
            assert_eq!(find(banner), Some(at), "{banner}");
        }
        let early = humantime::parse_rfc3339("2026-01-02T03:04:05Z").unwrap();
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
