//! Replies that are said again: read once, then shared.
//!
//! Most of what a server says in a session are the same few short lines, such as `250 2.1.5 Ok`.

use std::sync::Arc;

use crate::smtp::wire::Reply;

/// Replies that are kept: those to `MAIL`, `RCPT` and `RSET`, and one that comes between.
const KEPT: usize = 4;

/// The longest line that is kept, in octets. Longer ones tend to differ from each other.
const LONGEST: usize = 64;

/// The replies of one line that were read last, the latest first.
#[derive(Debug, Default)]
pub(super) struct RecentReplies(Vec<RecentReply>);

#[derive(Debug)]
struct RecentReply {
    /// The line as it came, without its line ending.
    line: Vec<u8>,
    reply: Arc<Reply>,
}

impl RecentReplies {
    /// The reply that consists of this line, if it is kept.
    pub(super) fn find(&mut self, line: &[u8]) -> Option<Arc<Reply>> {
        let place = self.0.iter().position(|recent| recent.line == line)?;
        self.0[..=place].rotate_right(1);
        self.0.first().map(|recent| Arc::clone(&recent.reply))
    }

    /// Keeps a reply that consists of this line, in place of the one that was last said the longest
    /// time ago.
    pub(super) fn keep(&mut self, line: &[u8], reply: &Arc<Reply>) {
        if line.len() > LONGEST {
            return;
        }
        let reply = Arc::clone(reply);
        if self.0.len() < KEPT {
            self.0.push(RecentReply { line: line.to_vec(), reply });
        } else if let Some(oldest) = self.0.last_mut() {
            oldest.line.clear();
            oldest.line.extend_from_slice(line);
            oldest.reply = reply;
        }
        self.0.rotate_right(1);
    }
}
