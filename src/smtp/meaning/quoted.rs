//! Replies that differ in nothing but the recipient that they repeat.
//!
//! Most servers say the same of every mailbox that they do not know, but for its address:
//! `<ada@example.org>: User unknown`. To the rules an address is a placeholder, so such replies
//! have one explanation. Surely so they have only where the address stands between `<` and `>`,
//! is not ours, and is made of characters that mean nothing to the readers of a reply (of its
//! words, of a status in it, of a waiting time); all else must be the same, octet for octet.

use super::limits::MAX_EXAMINED;
use super::ourselves::Ourselves;
use super::words;

/// The words of a reply to `RCPT`, and the recipient that they may repeat.
#[derive(Clone, Copy, Debug)]
pub(in crate::smtp) struct QuotingReply<'a> {
    /// The text of each line.
    pub(in crate::smtp) lines: &'a [String],
    /// The recipient's local part, as on the wire, and its domain.
    pub(in crate::smtp) recipient: (&'a str, &'a str),
}

impl QuotingReply<'_> {
    /// Returns whether these words, said to `us` behind the same code and status, have the same
    /// explanation as those of `other` for sure.
    pub(in crate::smtp) fn reads_like(&self, other: &QuotingReply<'_>, us: &Ourselves<'_>) -> bool {
        self.lines.len() == other.lines.len()
            && self.lines.iter().zip(other.lines).all(|(line, others)| {
                parts(line, self.recipient).eq(parts(others, other.recipient))
            })
            && [self, other].iter().all(|reply| reply.is_read_whole() && reply.is_neutral(us))
    }

    /// Returns whether all of it is read: what is cut off depends on the length of the address.
    fn is_read_whole(&self) -> bool {
        self.lines.iter().map(|line| line.len() + 1).sum::<usize>() <= MAX_EXAMINED
    }

    /// Returns whether the recipient, between `<` and `>`, is read as an address and nothing else.
    fn is_neutral(&self, us: &Ourselves<'_>) -> bool {
        let (local, domain) = self.recipient;
        let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b".-_+".contains(&octet);
        local.bytes().chain(domain.bytes()).all(is_plain)
            // Nothing is trimmed from either end.
            && local.starts_with(|c: char| c.is_ascii_alphanumeric())
            && domain.ends_with(|c: char| c.is_ascii_alphanumeric())
            && !words::is_url(local)
            && !us.is_sender(local, domain)
    }
}

/// The parts between the `<` of a line; without the recipient, and marked, those before which it
/// stood.
fn parts<'a>(
    line: &'a str,
    recipient: (&'a str, &'a str),
) -> impl Iterator<Item = (bool, &'a str)> {
    line.split('<').enumerate().map(move |(place, part)| {
        let rest = if place > 0 { behind_path(part, recipient) } else { None };
        rest.map_or((false, part), |rest| (true, rest))
    })
}

/// The text behind `local@domain>`, if `part` begins so.
fn behind_path<'a>(part: &'a str, (local, domain): (&str, &str)) -> Option<&'a str> {
    part.strip_prefix(local)?.strip_prefix('@')?.strip_prefix(domain)?.strip_prefix('>')
}
