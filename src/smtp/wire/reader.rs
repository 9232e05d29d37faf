//! Replies out of a stream of bytes: lines put together, within bounds (RFC 5321 section 4.2.1).
//!
//! One fixed buffer holds at most one unfinished line; the reply under construction is bounded in
//! octets and in lines, and the replies that are kept to be shared are few and short. So whatever a
//! server sends, a reader's memory has a ceiling, and a reply that breaks a bound is a fault, not a
//! longer wait. It does no I/O: the shell writes into [`ReplyReader::space`]. (`smtp-proto`'s
//! receiver was tried: it takes the first of two differing codes, and its length bound does not see
//! lines without text.)

mod recent;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::recent::RecentReplies;
use super::Reply;
use super::parse::{self, ReplyFault};

/// Size limits of one reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplyLimits {
    /// Octets in one line, with its line ending, and the size of the read buffer. RFC 5321 section
    /// 4.5.3.1.5 says 512, which real servers exceed. Default 4096.
    pub line_octets: usize,
    /// Octets in one reply of several lines. Default 16384.
    pub reply_octets: usize,
    /// Lines in one reply: the longest EHLO replies have about 40. Default 200.
    pub lines: usize,
}

impl Default for ReplyLimits {
    fn default() -> Self {
        Self { line_octets: 4096, reply_octets: 16_384, lines: 200 }
    }
}

/// Reads replies from bytes as they arrive.
#[derive(Debug)]
pub struct ReplyReader {
    limits: ReplyLimits,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Up to here no line ending was found.
    scanned: usize,
    unfinished: Option<Reply>,
    octets: usize,
    /// Nothing in them is of one connection: a line that is a whole reply always reads the same.
    recent: RecentReplies,
}

impl ReplyReader {
    /// A reader with nothing read.
    #[must_use]
    pub fn new(limits: ReplyLimits) -> Self {
        // A line that can hold no code could never be read.
        let size = limits.line_octets.max(16);
        Self {
            limits,
            buffer: vec![0; size].into_boxed_slice(),
            start: 0,
            end: 0,
            scanned: 0,
            unfinished: None,
            octets: 0,
            recent: RecentReplies::default(),
        }
    }

    /// The space for the next bytes. Never empty after [`Self::next_reply`] returned `Ok(None)`.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.scanned -= self.start;
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.buffer[self.end..]
    }

    /// Says that `count` bytes were written to [`Self::space`].
    pub fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.buffer.len());
    }

    /// `true` while bytes of a reply, whole or in part, are waiting.
    #[must_use]
    pub fn has_bytes(&self) -> bool {
        self.start < self.end || self.unfinished.is_some()
    }

    /// Forgets everything that was read and not taken.
    pub fn discard(&mut self) {
        (self.start, self.end, self.scanned, self.octets) = (0, 0, 0, 0);
        self.unfinished = None;
    }

    /// The next whole reply, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// When the bytes are no reply, or too much of one. Nothing after it can be trusted.
    pub fn next_reply(&mut self) -> Result<Option<Arc<Reply>>, ReplyFault> {
        self.assemble(false)
    }

    /// The same for the reply that a server speaks first. One that took itself for ready (220)
    /// and refuses us (4yz, 5yz) before it has said so has changed its mind: postscreen says
    /// `220-` to see who talks too early, then looks into its blocklists. The refusal is the
    /// banner then, alone. No command was sent, so nothing is taken for the reply to another one.
    ///
    /// # Errors
    /// As those of [`Self::next_reply`].
    pub fn next_banner(&mut self) -> Result<Option<Arc<Reply>>, ReplyFault> {
        self.assemble(true)
    }

    fn assemble(&mut self, is_banner: bool) -> Result<Option<Arc<Reply>>, ReplyFault> {
        while let Some(feed) =
            self.buffer[self.scanned..self.end].iter().position(|octet| *octet == b'\n')
        {
            let (from, after) = (self.start, self.scanned + feed + 1);
            self.octets += after - from;
            if self.octets > self.limits.reply_octets {
                return Err(ReplyFault::ReplyTooLong(self.limits.reply_octets));
            }
            (self.start, self.scanned) = (after, after);
            let raw = &self.buffer[from..after - 1];
            let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
            if self.unfinished.is_none()
                && let Some(reply) = self.recent.find(raw)
            {
                self.octets = 0;
                return Ok(Some(reply));
            }
            let line = parse::line(raw)?;
            let empty = || Reply { code: line.code, enhanced: None, lines: Vec::with_capacity(1) };
            let reply = self.unfinished.get_or_insert_with(empty);
            if is_banner && reply.code == 220 && line.code >= 400 {
                *reply = empty();
            } else if reply.code != line.code {
                return Err(ReplyFault::MixedCodes { first: reply.code, later: line.code });
            }
            if reply.lines.len() == self.limits.lines {
                return Err(ReplyFault::TooManyLines(self.limits.lines));
            }
            reply.push_line(line.text);
            if line.last {
                self.octets = 0;
                let reply = self.unfinished.take().map(Arc::new);
                if let Some(reply) = reply.as_ref().filter(|reply| reply.lines.len() == 1) {
                    self.recent.keep(raw, reply);
                }
                return Ok(reply);
            }
        }
        self.scanned = self.end;
        if self.start == 0 && self.end == self.buffer.len() {
            return Err(ReplyFault::LineTooLong(self.buffer.len()));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
