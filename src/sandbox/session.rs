//! One session as the exchanger sees it: commands in, replies out (RFC 5321). Pure.
//!
//! The regular course is here; what a deviation makes of a reply is decided here too, and carried
//! out by `faults`. Nothing here waits: a delay is part of the answer.

mod transaction;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::command::{self, ClientCommand};
use super::exchanger::{Deviation, ExchangerSpec, InjectedFault, PLACES, SessionPoint, StartTls};
use super::ledger::Ledger;
use super::mailboxes;
use super::reply::{Filling, ReplyTemplate};
use super::world::Served;
use transaction::ServerTransaction;

/// The next step of a session.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SessionStep {
    /// The text to send, as it goes over the wire.
    pub(super) text: String,
    /// Delay before it is sent.
    pub(super) delay: Duration,
    /// The action after it.
    pub(super) then: Continuation,
}

/// The action that follows an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Continuation {
    /// The next command.
    Continue,
    /// The connection is closed.
    Close,
    /// The TLS handshake.
    StartTls,
    /// The answer was not sent as it stands, but spoilt; nothing follows.
    Spoil(InjectedFault, Option<Duration>, usize),
}

/// A session's state.
#[derive(Debug)]
pub(super) struct ServerSession {
    exchanger: Arc<ExchangerSpec>,
    host: Arc<str>,
    served: Arc<Served>,
    client: IpAddr,
    /// Time of the connection.
    since: SystemTime,
    /// Number of connections this exchanger had before.
    earlier: u64,
    tls: bool,
    greeted: bool,
    transaction: Option<ServerTransaction>,
    seen: [u32; PLACES],
    commands: u32,
    errors: u32,
    recipients: u32,
}

impl ServerSession {
    pub(super) fn new(
        exchanger: Arc<ExchangerSpec>,
        host: Arc<str>,
        served: Arc<Served>,
        client: IpAddr,
    ) -> Self {
        Self {
            exchanger,
            host,
            served,
            client,
            since: SystemTime::UNIX_EPOCH,
            earlier: 0,
            tls: false,
            greeted: false,
            transaction: None,
            seen: [0; PLACES],
            commands: 0,
            errors: 0,
            recipients: 0,
        }
    }

    /// The connection is open: what the banner says.
    pub(super) fn connected(&mut self, ledger: &mut Ledger, now: SystemTime) -> SessionStep {
        let (parallel, in_window) = ledger.connected(now);
        self.earlier = ledger.counts.connections - 1;
        self.since = now;
        let exchanger = Arc::clone(&self.exchanger);
        let (limits, words) = (&exchanger.limits, &exchanger.words);
        if limits.parallel.is_some_and(|most| parallel > most.into()) {
            return self.closing(&words.too_many_connections);
        }
        if limits.connections.is_some_and(|most| in_window > most.into()) {
            return self.closing(&words.connecting_too_often);
        }
        let deviation = self.deviation(&exchanger, SessionPoint::Banner, "");
        let reply = deviation.and_then(|d| d.reply.as_ref()).unwrap_or(&words.banner);
        let mut step = self.say(reply);
        if reply.code() >= 400 {
            step.then = Continuation::Close;
        }
        finish(step, deviation)
    }

    /// The line that is said while the banner is held back; another follows it.
    pub(super) fn teaser(&self) -> Option<String> {
        let mut text = self.say(self.exchanger.teaser.as_ref()?).text;
        text.replace_range(3..4, "-");
        Some(text)
    }

    /// Returns whether the TLS handshake is broken off.
    pub(super) fn breaks_handshake(&mut self) -> bool {
        let exchanger = Arc::clone(&self.exchanger);
        self.deviation(&exchanger, SessionPoint::Handshake, "").is_some_and(|d| d.fault.is_some())
    }

    /// The TLS handshake is done: all that was said before is forgotten (RFC 3207 section 4.2).
    pub(super) fn secured(&mut self, ledger: &mut Ledger) {
        ledger.counts.tls += 1;
        self.tls = true;
        self.greeted = false;
        self.transaction = None;
    }

    /// The reply to a client that said nothing for too long.
    pub(super) fn idle(&self) -> SessionStep {
        self.closing(&self.exchanger.words.idle)
    }

    /// The reply to a client whose command line never ends.
    pub(super) fn endless_line(&self) -> SessionStep {
        self.closing(&self.exchanger.words.syntax)
    }

    /// The reply to a client that talked before the banner; `None` if it is let in.
    pub(super) fn early_talker(&self) -> Option<SessionStep> {
        self.exchanger.early_talker.as_ref().map(|reply| self.closing(reply))
    }

    /// The answer to one command line.
    pub(super) fn command(
        &mut self,
        line: &str,
        ledger: &mut Ledger,
        now: SystemTime,
    ) -> SessionStep {
        let exchanger = Arc::clone(&self.exchanger);
        let (limits, words) = (&exchanger.limits, &exchanger.words);
        self.commands += 1;
        let command = command::parse(line);
        count(&command, ledger);
        let in_window = match command {
            ClientCommand::Rcpt { .. } => ledger.recipient(now),
            _ => 0,
        };
        if limits.errors.is_some_and(|most| self.errors >= most) {
            return self.closing(&words.too_many_errors);
        }
        if limits.commands.is_some_and(|most| self.commands > most) {
            return self.closing(&words.too_many_commands);
        }
        let (at, recipient) = place(&command);
        let deviation = at.and_then(|at| self.deviation(&exchanger, at, recipient));
        let step = match deviation.and_then(|d| d.reply.as_ref()) {
            Some(reply) => self.say_to(recipient, reply, 0),
            None => self.regular(&exchanger, &command, in_window, ledger, now),
        };
        if code(&step.text) >= 400 {
            self.errors += 1;
        }
        finish(step, deviation)
    }

    /// The regular answer to a command.
    fn regular(
        &mut self,
        exchanger: &ExchangerSpec,
        command: &ClientCommand,
        in_window: u64,
        ledger: &mut Ledger,
        now: SystemTime,
    ) -> SessionStep {
        let words = &exchanger.words;
        match command {
            ClientCommand::Ehlo if !exchanger.ehlo => self.say(&words.not_implemented),
            ClientCommand::Ehlo => self.ehlo(exchanger),
            ClientCommand::Helo => {
                self.greeted = true;
                self.transaction = None;
                self.say(&words.hello)
            }
            ClientCommand::StartTls if exchanger.starttls == StartTls::Off => {
                self.say(&words.not_implemented)
            }
            ClientCommand::StartTls if self.tls || !self.greeted => self.say(&words.bad_sequence),
            ClientCommand::StartTls => {
                SessionStep { then: Continuation::StartTls, ..self.say(&words.tls_ready) }
            }
            ClientCommand::Mail { sender, parameters } => self.mail(exchanger, sender, parameters),
            ClientCommand::Rcpt { recipient, parameters } => {
                self.rcpt(exchanger, recipient, parameters, in_window, ledger, now)
            }
            ClientCommand::Rset => {
                self.transaction = None;
                self.say(&words.ok)
            }
            ClientCommand::Noop => self.say(&words.ok),
            ClientCommand::Quit => {
                SessionStep { then: Continuation::Close, ..self.say(&words.bye) }
            }
            ClientCommand::Forbidden => self.say(&words.not_implemented),
            ClientCommand::Malformed => self.say(&words.syntax),
            ClientCommand::Unknown => self.say(&words.unknown_command),
        }
    }

    fn ehlo(&mut self, exchanger: &ExchangerSpec) -> SessionStep {
        self.greeted = true;
        self.transaction = None;
        let offered = [
            (exchanger.pipelining, "PIPELINING"),
            (exchanger.starttls != StartTls::Off && !self.tls, "STARTTLS"),
            (exchanger.smtputf8, "SMTPUTF8"),
            (!exchanger.owners_since.is_empty(), "RRVS"),
        ];
        let lines: Vec<&str> = offered
            .into_iter()
            .filter_map(|(yes, line)| yes.then_some(line))
            .chain(exchanger.capabilities.iter().map(String::as_str))
            .collect();
        let mut step = self.say(&exchanger.words.hello);
        if let Some((last, others)) = lines.split_last() {
            step.text.replace_range(3..4, "-");
            for line in others {
                step.text.push_str(&format!("250-{line}\r\n"));
            }
            step.text.push_str(&format!("250 {last}\r\n"));
        }
        step
    }

    fn say(&self, reply: &ReplyTemplate) -> SessionStep {
        self.say_to("", reply, 0)
    }

    fn closing(&self, reply: &ReplyTemplate) -> SessionStep {
        SessionStep { then: Continuation::Close, ..self.say(reply) }
    }

    fn say_to(&self, recipient: &str, reply: &ReplyTemplate, seconds: u64) -> SessionStep {
        let sender = self.transaction.as_ref().map_or("", |t| &t.sender);
        let filling = Filling {
            host: &self.host,
            client: self.client,
            since: self.since,
            sender,
            recipient,
            seconds,
        };
        let mut text = String::with_capacity(96);
        reply.render(&mut text, &filling);
        SessionStep { text, delay: Duration::ZERO, then: Continuation::Continue }
    }

    /// The deviation that applies now; counts the visit to this place.
    fn deviation<'a>(
        &mut self,
        exchanger: &'a ExchangerSpec,
        at: SessionPoint,
        recipient: &str,
    ) -> Option<&'a Deviation> {
        let seen = &mut self.seen[at as usize];
        let (before, earlier, client) = (*seen, self.earlier, self.client);
        *seen += 1;
        exchanger.deviations.iter().find(|d| {
            d.at == at
                && (d.clients.is_empty() || d.clients.iter().any(|net| net.contains(&client)))
                && d.recipient.as_ref().is_none_or(|r| mailboxes::names_recipient(r, recipient))
                && before >= d.after
                && d.times.is_none_or(|times| before - d.after < times)
                && earlier >= d.after_connections
                && d.connections.is_none_or(|n| earlier - d.after_connections < n)
        })
    }
}

/// Makes of a step what a deviation wants.
fn finish(mut step: SessionStep, deviation: Option<&Deviation>) -> SessionStep {
    let Some(deviation) = deviation else { return step };
    if let Some(raw) = &deviation.raw {
        step.text.clone_from(raw);
    }
    step.delay += deviation.delay;
    if deviation.close {
        step.then = Continuation::Close;
    }
    if let Some(fault) = deviation.fault.filter(|_| deviation.at != SessionPoint::Handshake) {
        step.then = Continuation::Spoil(fault, deviation.pace, deviation.size);
    }
    step
}

/// The place of a command, and the recipient if it names one.
fn place(command: &ClientCommand) -> (Option<SessionPoint>, &str) {
    match command {
        ClientCommand::Ehlo | ClientCommand::Helo => (Some(SessionPoint::Ehlo), ""),
        ClientCommand::StartTls => (Some(SessionPoint::StartTls), ""),
        ClientCommand::Mail { .. } => (Some(SessionPoint::Mail), ""),
        ClientCommand::Rcpt { recipient, .. } => (Some(SessionPoint::Rcpt), recipient),
        ClientCommand::Rset => (Some(SessionPoint::Rset), ""),
        ClientCommand::Quit => (Some(SessionPoint::Quit), ""),
        ClientCommand::Noop
        | ClientCommand::Forbidden
        | ClientCommand::Malformed
        | ClientCommand::Unknown => (None, ""),
    }
}

fn count(command: &ClientCommand, ledger: &mut Ledger) {
    let counts = &mut ledger.counts;
    match command {
        ClientCommand::Mail { .. } => counts.mail += 1,
        ClientCommand::Rset => counts.rset += 1,
        ClientCommand::Quit => counts.quit += 1,
        ClientCommand::Forbidden => counts.violations += 1,
        _ => {}
    }
}

/// The code of a reply on the wire; 0 if there is none.
fn code(text: &str) -> u16 {
    text.get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
