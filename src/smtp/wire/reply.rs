//! A server's reply (RFC 5321 section 4.2) and its enhanced status (RFC 3463).

use std::fmt;

use crate::address::redact;

/// An enhanced mail system status code, `class.subject.detail` (RFC 3463 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EnhancedStatus {
    /// 2 success, 4 persistent transient failure, 5 permanent failure.
    pub class: u8,
    /// The subject's detail, 0 to 999.
    pub subject: u16,
    /// The condition itself, 0 to 999.
    pub detail: u16,
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// One reply, all its lines read.
///
/// `Debug` redacts: servers repeat the recipient back.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The three-digit code, 200 to 599.
    pub code: u16,
    /// The enhanced status of the first line that has one.
    pub enhanced: Option<EnhancedStatus>,
    /// The text of each line, without code and enhanced status, without control characters.
    pub lines: Vec<String>,
}

impl Reply {
    /// The text of all lines, joined by one space: the server's own words, *not* redacted.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// The octets of its lines, and of what it takes to hold them.
    #[must_use]
    pub fn size(&self) -> usize {
        self.lines.iter().map(|line| line.len() + size_of::<String>()).sum()
    }

    /// Its first lines, up to a [`Self::size`] of `most`; where they end before the reply did, the
    /// last one ends with three dots.
    #[must_use]
    pub fn shortened(&self, most: usize) -> Self {
        let mut left = most;
        let mut lines = Vec::new();
        for line in &self.lines {
            left = left.saturating_sub(size_of::<String>());
            let kept = &line[..line.floor_char_boundary(left)];
            if kept.len() < line.len() || left == 0 {
                lines.push(format!("{kept}..."));
                break;
            }
            lines.push(kept.to_owned());
            left -= kept.len();
        }
        Self { code: self.code, enhanced: self.enhanced, lines }
    }

    /// 2yz: the command was done.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// 250, 251 or 252: to `RCPT TO`, the recipient is accepted (RFC 5321 section 4.3.2). Any other
    /// 2yz answers some other command, and accepts no recipient.
    #[must_use]
    pub fn accepts_recipient(&self) -> bool {
        matches!(self.code, 250..=252)
    }

    /// 5.7.17 or 5.7.18 (RFC 7293 section 5.2): the mailbox or its domain has had another owner
    /// since the time that `RRVS` named.
    #[must_use]
    pub fn tells_of_another_owner(&self) -> bool {
        let is_so =
            |status: EnhancedStatus| status.subject == 7 && matches!(status.detail, 17 | 18);
        self.is_permanent() && self.enhanced.is_some_and(is_so)
    }

    /// 5.6.7 (RFC 6531 section 3.5): addresses beyond ASCII are not permitted.
    #[must_use]
    pub fn refuses_internationalized(&self) -> bool {
        let is_so = |status: EnhancedStatus| (status.subject, status.detail) == (6, 7);
        self.is_permanent() && self.enhanced.is_some_and(is_so)
    }

    /// 4yz: not now.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// 5yz: no.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        (500..600).contains(&self.code)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        write!(f, " {:?})", redact::text(&self.text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_shortened_to_its_first_lines_and_says_so() {
        let lines: Vec<String> = (0..200).map(|n| format!("{n} é{}", "x".repeat(70))).collect();
        let long = Reply { code: 554, enhanced: None, lines };
        for most in 0..2000 {
            let short = long.shortened(most);
            assert!(short.size() <= most + size_of::<String>() + 3, "{most}: {}", short.size());
            assert!(short.lines.last().unwrap().ends_with("..."));
        }
        assert_eq!(long.shortened(long.size()), long);
        let empty = Reply { code: 554, enhanced: None, lines: vec![String::new(); 200] };
        assert!(empty.shortened(1000).lines.len() <= 50);
    }
}
