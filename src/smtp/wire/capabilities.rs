//! The part of a server's reply to `EHLO` that a probe uses (RFC 5321 section 4.1.1.1).

use super::Reply;

/// The extensions of one server, as of its last `EHLO` reply. Empty after `HELO`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Several commands in one flight (RFC 2920).
    pub pipelining: bool,
    /// TLS (RFC 3207).
    pub starttls: bool,
    /// Internationalised addresses (RFC 6531).
    pub smtputf8: bool,
    /// Enhanced status codes in replies (RFC 2034).
    pub enhanced_status_codes: bool,
    /// 8-bit content (RFC 6152).
    pub eight_bit_mime: bool,
    /// The time since when the owner of a recipient is meant, with `RCPT` (RFC 7293).
    pub rrvs: bool,
    /// The largest message in octets (RFC 1870); `None` when not said or 0, "no fixed limit".
    pub size: Option<u64>,
    /// RCPT commands in one transaction (RFC 9422 `RCPTMAX`).
    pub recipients_max: Option<u32>,
    /// Transactions in one session (RFC 9422 `MAILMAX`).
    pub transactions_max: Option<u32>,
    /// Different recipient domains in one transaction (RFC 9422 `RCPTDOMAINMAX`).
    pub domains_max: Option<u32>,
}

impl Capabilities {
    /// Reads a positive reply to `EHLO`. The first line is a greeting; what is not known is
    /// skipped.
    #[must_use]
    pub fn from_reply(reply: &Reply) -> Self {
        let mut found = Self::default();
        for line in reply.lines.iter().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let Some(keyword) = words.next() else { continue };
            match keyword.to_ascii_uppercase().as_str() {
                "PIPELINING" => found.pipelining = true,
                "STARTTLS" => found.starttls = true,
                "SMTPUTF8" => found.smtputf8 = true,
                "ENHANCEDSTATUSCODES" => found.enhanced_status_codes = true,
                "RRVS" => found.rrvs = true,
                "8BITMIME" => found.eight_bit_mime = true,
                "SIZE" => {
                    found.size = words.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                }
                "LIMITS" => words.for_each(|word| found.limit(word)),
                _ => {}
            }
        }
        found
    }

    /// One `NAME=value` of `LIMITS`. A value of 0 would forbid all mail: not believed.
    fn limit(&mut self, word: &str) {
        let Some((name, value)) = word.split_once('=') else { return };
        let value = value.parse().ok().filter(|n| *n > 0);
        match name.to_ascii_uppercase().as_str() {
            "RCPTMAX" => self.recipients_max = value,
            "MAILMAX" => self.transactions_max = value,
            "RCPTDOMAINMAX" => self.domains_max = value,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(text: &str) -> Capabilities {
        Capabilities::from_reply(&Reply::parse_text(text).unwrap())
    }

    #[test]
    fn keywords_are_read_in_any_case() {
        let found = offered(
            "250-mx.example.com Hello\n250-pipelining\n250-SIZE 1000\n250-StartTLS\n250-SMTPUTF8\n\
             250-8BITMIME\n250-ENHANCEDSTATUSCODES\n250-RRVS\n250-X-ODD \u{1f600}\n250 LIMITS RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=1",
        );
        assert_eq!(
            found,
            Capabilities {
                pipelining: true,
                starttls: true,
                smtputf8: true,
                enhanced_status_codes: true,
                eight_bit_mime: true,
                rrvs: true,
                size: Some(1000),
                recipients_max: Some(20),
                transactions_max: Some(5),
                domains_max: Some(1),
            }
        );
    }

    #[test]
    fn the_greeting_offers_nothing() {
        assert_eq!(offered("250 PIPELINING"), Capabilities::default());
        assert_eq!(offered("250-STARTTLS\n250 HELP"), Capabilities::default());
    }

    #[test]
    fn numbers_that_make_no_sense_are_not_limits() {
        let found = offered("250-mx\n250-SIZE\n250 LIMITS RCPTMAX=0 MAILMAX=many RCPTDOMAINMAX");
        assert_eq!(found, Capabilities::default());
        assert_eq!(offered("250-mx\n250 SIZE 99999999999999999999999").size, None);
    }
}
