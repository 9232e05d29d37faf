//! Commands of a round that have no reply yet.

use std::collections::VecDeque;
use std::fmt;

/// A command of a transaction; a recipient by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    Reset,
    Mail,
    Rcpt(usize),
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reset => "RSET",
            Self::Mail => "MAIL",
            Self::Rcpt(_) => "RCPT",
        })
    }
}

impl Pending {
    /// Returns whether the command can have a reply with this code: its own positive ones (RFC
    /// 5321 section
    /// 4.3.2; 251 and 252 say that the server takes mail for whom it does not keep or know), or a
    /// refusal. Any other answers something else.
    pub(super) fn admits(self, code: u16) -> bool {
        match code {
            250 | 400..=599 => true,
            251 | 252 => matches!(self, Self::Rcpt(_)),
            _ => false,
        }
    }
}

/// The commands of a round: those that were sent and await their replies, then those to be sent.
/// Both in one queue, since each goes from the one to the other in order.
#[derive(Debug)]
pub(super) struct PendingCommands {
    commands: VecDeque<Pending>,
    /// The number of commands that were sent.
    sent: usize,
}

impl PendingCommands {
    pub(super) fn with_capacity(count: usize) -> Self {
        Self { commands: VecDeque::with_capacity(count), sent: 0 }
    }

    /// Adds a command to be sent behind all others.
    pub(super) fn push(&mut self, command: Pending) {
        self.commands.push_back(command);
    }

    /// The next command to be sent, which awaits its reply from now on.
    pub(super) fn send_next(&mut self) -> Option<Pending> {
        let next = self.commands.get(self.sent).copied()?;
        self.sent += 1;
        Some(next)
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.commands.len() > self.sent
    }

    /// Forgets the commands that were not sent.
    pub(super) fn drop_unsent(&mut self) {
        self.commands.truncate(self.sent);
    }

    pub(super) fn is_awaiting(&self) -> bool {
        self.sent > 0
    }

    /// The command that the next reply answers.
    pub(super) fn awaited(&self) -> Option<Pending> {
        self.commands.front().copied().filter(|_| self.is_awaiting())
    }

    /// Takes the command that a reply answers.
    pub(super) fn take_answered(&mut self) -> Option<Pending> {
        self.sent = self.sent.checked_sub(1)?;
        self.commands.pop_front()
    }
}

impl Extend<Pending> for PendingCommands {
    fn extend<I: IntoIterator<Item = Pending>>(&mut self, commands: I) {
        self.commands.extend(commands);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_go_to_the_commands_that_were_sent_in_their_order_and_to_no_other() {
        let mut commands = PendingCommands::with_capacity(4);
        commands.push(Pending::Mail);
        commands.extend([Pending::Rcpt(0), Pending::Rcpt(1)]);
        assert_eq!((commands.awaited(), commands.take_answered()), (None, None));
        assert_eq!(commands.send_next(), Some(Pending::Mail));
        assert_eq!(commands.send_next(), Some(Pending::Rcpt(0)));
        assert_eq!(commands.awaited(), Some(Pending::Mail));
        assert_eq!(commands.take_answered(), Some(Pending::Mail));
        commands.drop_unsent();
        assert!(commands.is_awaiting() && !commands.has_unsent());
        commands.push(Pending::Reset);
        assert_eq!(commands.send_next(), Some(Pending::Reset));
        assert_eq!(commands.send_next(), None);
        assert_eq!(commands.take_answered(), Some(Pending::Rcpt(0)));
        assert_eq!(commands.take_answered(), Some(Pending::Reset));
        assert_eq!(commands.take_answered(), None);
        assert!(!commands.is_awaiting());
    }
}
