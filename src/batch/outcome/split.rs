//! Splits an outcome into its times and the part it shares with others: a mail host says the same
//! to most who ask, but for their own address in its words, and of most registrations it is said
//! alike that there was no time to ask. A store that keeps what is common once needs a fraction of
//! the room.

use super::Outcome;
use crate::address::DomainName;

/// Stands for the recipient's address in a server's words. No reply holds it: every control
/// character is a space by the time a reply has been read.
const ADDRESS: char = '\u{1a}';

/// The times of one outcome, which it does not share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::batch) struct OutcomeTimes {
    /// Milliseconds since 1970.
    pub(in crate::batch) gathered_at: Option<u64>,
    /// Milliseconds since 1970.
    pub(in crate::batch) retry_at: Option<u64>,
    /// Milliseconds.
    pub(in crate::batch) elapsed: u64,
}

impl Outcome {
    /// Splits into the shared part and the times; `address` is the recipient's.
    pub(in crate::batch) fn split(mut self, address: &str) -> (Self, OutcomeTimes) {
        let times = OutcomeTimes {
            gathered_at: self.gathered_at.take(),
            retry_at: self.retry_at.take(),
            elapsed: std::mem::take(&mut self.elapsed),
        };
        for words in self.reply.iter_mut().chain(&mut self.failure) {
            if words.contains(ADDRESS) {
                *words = words.replace(ADDRESS, " ");
            }
            // Without an @ it may be any word.
            if address.contains('@') && words.contains(address) {
                *words = words.replace(address, ADDRESS.encode_utf8(&mut [0; 4]));
            }
        }
        if let Some(registration) = &mut self.registration
            && organisational(address).is_some_and(|own| own.as_str() == registration.domain)
        {
            registration.domain.clear();
        }
        (self, times)
    }

    /// Joins the shared part and the times to the whole outcome.
    pub(in crate::batch) fn join(&self, times: OutcomeTimes, address: &str) -> Self {
        let mut whole = self.clone();
        let OutcomeTimes { gathered_at, retry_at, elapsed } = times;
        (whole.gathered_at, whole.retry_at, whole.elapsed) = (gathered_at, retry_at, elapsed);
        for words in whole.reply.iter_mut().chain(&mut whole.failure) {
            if words.contains(ADDRESS) {
                *words = words.replace(ADDRESS, address);
            }
        }
        if let Some(registration) = &mut whole.registration
            && registration.domain.is_empty()
            && let Some(own) = organisational(address)
        {
            registration.domain = own.to_string();
        }
        whole
    }
}

/// The organisational domain of an address, whose registration is asked about.
fn organisational(address: &str) -> Option<DomainName> {
    let (_, domain) = address.rsplit_once('@')?;
    DomainName::parse(domain).ok()?.organisational()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str, elapsed: u64) -> Outcome {
        let text = serde_json::json!({
            "reasons": ["mailbox_not_found"],
            "action": "suppress",
            "stage": "rcpt",
            "code": 550,
            "reply": [format!("<{address}>: no such user"), "at all"],
            "failure": format!("{address} was refused"),
            "gathered_at": 1_800_000_000_000 + elapsed,
            "retry_at": 1_800_000_060_000_u64,
            "elapsed": elapsed,
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn the_same_words_to_two_recipients_are_common() {
        let (jane, times) = refused("jane@example.com", 3).split("jane@example.com");
        let (joe, _) = refused("joe@example.com", 4).split("joe@example.com");
        assert!(jane == joe);
        assert_eq!(times.elapsed, 3);
        let (other, _) = refused("joe@example.com", 4).split("jane@example.com");
        assert!(jane != other, "words about somebody else stay");
    }

    #[test]
    fn what_was_not_asked_about_two_domains_is_common() {
        let unasked = |domain: &str| -> Outcome {
            let registration = serde_json::json!({ "domain": domain, "state": "not_in_time" });
            let mut text = serde_json::to_value(refused("", 0)).unwrap();
            text["registration"] = registration;
            serde_json::from_value(text).unwrap()
        };
        let (jane, times) = unasked("example.com").split("jane@mail.Example.com");
        let (joe, _) = unasked("example.net").split("joe@example.net");
        assert!(jane == joe);
        assert!(jane.join(times, "jane@mail.Example.com") == unasked("example.com"));
        let (other, times) = unasked("example.org").split("jane@example.com");
        assert!(other != jane, "another domain's stays its own");
        assert!(other.join(times, "jane@example.com") == unasked("example.org"));
    }

    #[test]
    fn an_outcome_is_whole_again_also_from_its_text() {
        for address in ["jane@example.com", "no address", ""] {
            let (common, times) = refused(address, 7).split(address);
            let text = serde_json::to_string(&common).unwrap();
            let read: Outcome = serde_json::from_str(&text).unwrap();
            assert!(read.join(times, address) == refused(address, 7), "{address:?}");
        }
    }
}
