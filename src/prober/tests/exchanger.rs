//! A scripted exchanger: how it behaves, and what it saw.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::sleep;

use crate::clock::Clock;

/// How an exchanger behaves. Local parts that begin with `user` exist.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) pipelining: bool,
    /// Refuses connections (TCP).
    pub(crate) down: bool,
    /// Said instead of 220.
    pub(crate) banner: Option<&'static str>,
    /// Said to `EHLO` instead of its capabilities.
    pub(crate) ehlo: Option<&'static str>,
    /// Limits that it tells in `EHLO` and keeps: transactions a session, recipients a transaction.
    pub(crate) limits: Option<(usize, usize)>,
    /// Offers TLS, and hangs up when it is to begin.
    pub(crate) broken_tls: bool,
    /// Said to `RSET`.
    pub(crate) reset: Option<&'static str>,
    /// Refuses `RSET` and hangs up after so many in a session, as Exim does.
    pub(crate) resets: usize,
    /// Said to every `MAIL` of a session but the first.
    pub(crate) second_mail: Option<&'static str>,
    /// Throws away what was sent behind a command when it answers that.
    pub(crate) flushes: bool,
    /// Hangs up on `EHLO`.
    pub(crate) rfc821: bool,
    /// Says its banner a second time, a moment later.
    pub(crate) second_banner: bool,
    /// Addresses it has before the one that it answers at.
    pub(crate) refusing: u8,
    /// Refuses `<>`.
    pub(crate) refuses_null_sender: bool,
    /// Said to `MAIL` instead of 250.
    pub(crate) mail: Option<&'static str>,
    /// Said to every `RCPT`.
    pub(crate) rcpt: Option<&'static str>,
    pub(crate) catch_all: bool,
    /// Refuses unknown users with a bare code.
    pub(crate) bare: bool,
    /// 421 in the banner beyond so many sessions.
    pub(crate) sessions: usize,
    /// 421 after so many answered recipients.
    pub(crate) recipients_per_session: usize,
    /// 421 in the banner beyond so many new connections in such a time.
    pub(crate) connections: Option<(usize, Duration)>,
    /// 452 for all beyond so many recipients in a session, whatever the transaction.
    pub(crate) session_full: usize,
    /// Said to `MAIL` after so many transactions in a session.
    pub(crate) messages: Option<(usize, &'static str)>,
    /// Accepts every other unknown recipient.
    pub(crate) unknown_alternates: bool,
    /// 450 for so long after an unknown recipient was first seen.
    pub(crate) greylists_unknown: Option<Duration>,
    /// 421 after so many 452s.
    pub(crate) overshoot: usize,
    /// 452 after so many accepted recipients.
    pub(crate) recipients_per_transaction: usize,
    /// 421 after so many refused recipients in a session, as Postfix does.
    pub(crate) errors: usize,
    /// A second before each reply once so many recipients were refused, as Postfix does.
    pub(crate) soft_errors: usize,
    /// Hangs up when asked about a local part that begins so.
    pub(crate) dies_at: Option<&'static str>,
    /// 450 for so long after a recipient was first seen.
    pub(crate) greylist: Option<Duration>,
    /// Sees these addresses of ours and refuses them.
    pub(crate) blocks: Vec<IpAddr>,
    /// Before each reply.
    pub(crate) delay: Duration,
    /// Before the greeting, beside that.
    pub(crate) greet_delay: Duration,
    /// Before each reply to `RCPT`, from this time on.
    pub(crate) tarpit: Option<(SystemTime, Duration)>,
    /// How long it takes to close a connection that is over. Until then it counts.
    pub(crate) close_delay: Duration,
    /// Has an IPv6 address and no other.
    pub(crate) v6: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            pipelining: true,
            down: false,
            banner: None,
            ehlo: None,
            limits: None,
            broken_tls: false,
            reset: None,
            resets: usize::MAX,
            second_mail: None,
            flushes: false,
            rfc821: false,
            second_banner: false,
            refusing: 0,
            refuses_null_sender: false,
            mail: None,
            rcpt: None,
            catch_all: false,
            bare: false,
            sessions: usize::MAX,
            recipients_per_session: usize::MAX,
            connections: None,
            session_full: usize::MAX,
            messages: None,
            unknown_alternates: false,
            greylists_unknown: None,
            overshoot: usize::MAX,
            recipients_per_transaction: usize::MAX,
            errors: usize::MAX,
            soft_errors: usize::MAX,
            dies_at: None,
            greylist: None,
            blocks: Vec::new(),
            delay: Duration::from_millis(1),
            greet_delay: Duration::ZERO,
            tarpit: None,
            close_delay: Duration::ZERO,
            v6: false,
        }
    }
}

/// What an exchanger saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// When connections were made, refused ones too.
    pub(crate) connections: Vec<SystemTime>,
    pub(crate) open: usize,
    pub(crate) peak: usize,
    pub(crate) quits: usize,
    /// From where each connection came.
    pub(crate) clients: Vec<Option<IpAddr>>,
    /// What each said in `EHLO`.
    pub(crate) helos: Vec<String>,
    /// The senders of each transaction.
    pub(crate) senders: Vec<String>,
    /// The parameters of each `RCPT`.
    pub(crate) parameters: Vec<String>,
    /// The recipients of each transaction.
    pub(crate) transactions: Vec<Vec<String>>,
    /// From where each recipient was named, and when.
    pub(crate) named: Vec<(String, Option<IpAddr>, SystemTime)>,
    /// How long each connection lasted that is over.
    pub(crate) lasted: Vec<Duration>,
    /// Replies that were held back, and sessions that were ended, over what the client did.
    pub(crate) punished: usize,
    /// Unknown recipients named.
    unknown: usize,
    first_seen: HashMap<(String, Option<IpAddr>), SystemTime>,
    let_in: Vec<SystemTime>,
}

impl Seen {
    pub(crate) fn rcpt(&self) -> Vec<&str> {
        self.transactions.iter().flatten().map(String::as_str).collect()
    }
}

/// One connection's server.
pub(crate) struct Server {
    pub(crate) rules: Rules,
    pub(crate) seen: Arc<Mutex<Seen>>,
    pub(crate) clock: Clock,
    pub(crate) client: Option<IpAddr>,
}

/// What it counts.
#[derive(Default)]
struct Session {
    transactions: usize,
    /// Recipients named, and accepted, in this transaction.
    named: usize,
    accepted: usize,
    answered: usize,
    errors: usize,
    /// 452s.
    full: usize,
    /// The last `MAIL` was refused.
    refused_mail: bool,
}

impl Server {
    pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(self, mut stream: S) {
        let began = self.clock.now();
        let open = {
            let mut seen = self.seen.lock().unwrap();
            seen.clients.push(self.client);
            seen.open += 1;
            seen.peak = seen.peak.max(seen.open.min(self.rules.sessions));
            seen.open
        };
        // Whatever happens on the connection, it ends.
        let _ = self.talk(&mut stream, open).await;
        sleep(self.rules.close_delay).await;
        let mut seen = self.seen.lock().unwrap();
        seen.open -= 1;
        seen.lasted.push(self.clock.now().duration_since(began).unwrap());
    }

    async fn talk<S>(&self, stream: &mut S, open: usize) -> std::io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (reader, mut writer) = tokio::io::split(stream);
        let mut lines = BufReader::new(reader).lines();
        sleep(self.rules.delay + self.rules.greet_delay).await;
        let blocked = self.client.is_some_and(|client| self.rules.blocks.contains(&client));
        let banner = match self.rules.banner {
            _ if open > self.rules.sessions => "421 4.7.0 too many connections",
            _ if self.comes_too_often() => "421 4.7.0 too many new connections",
            _ if blocked => "554 5.7.1 your address is listed",
            Some(banner) => banner,
            None => "220 mx.example ESMTP",
        };
        writer.write_all(format!("{banner}\r\n").as_bytes()).await?;
        if !banner.starts_with("220") && !banner.starts_with("554") {
            return Ok(());
        }
        let mut session = Session::default();
        let mut again = self.rules.second_banner;
        while let Some(line) = lines.next_line().await? {
            sleep(self.rules.delay).await;
            if line.starts_with("RCPT")
                && let Some((from, delay)) = self.rules.tarpit
                && from <= self.clock.now()
            {
                sleep(delay).await;
            }
            if std::mem::take(&mut again) {
                writer.write_all(b"220 mx.example ESMTP\r\n").await?;
            }
            let Some(reply) = self.answer(&line, &mut session) else { return Ok(()) };
            if session.errors >= self.rules.soft_errors && reply.starts_with('5') {
                self.seen.lock().unwrap().punished += 1;
                sleep(Duration::from_secs(1)).await;
            }
            writer.write_all(format!("{reply}\r\n").as_bytes()).await?;
            if self.rules.flushes {
                let waiting = lines.get_ref().buffer().len();
                lines.get_mut().consume(waiting);
            }
            if reply.starts_with("421") {
                self.seen.lock().unwrap().punished += 1;
            }
            let is_last = reply.starts_with("421") || reply.starts_with("554 Too many");
            if is_last || line.starts_with("STARTTLS") {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What is said to a command; nothing: it hangs up.
    fn answer(&self, line: &str, session: &mut Session) -> Option<String> {
        let (most_transactions, most_named) = self.rules.limits.unwrap_or((usize::MAX, usize::MAX));
        let reply = match line.get(..4).unwrap_or("") {
            "EHLO" if self.rules.rfc821 => return None,
            "EHLO" => return Some(self.ehlo(line)),
            "RSET" if session.transactions > self.rules.resets => "554 Too many nonmail commands",
            "RSET" => self.rules.reset.unwrap_or("250 2.0.0 ok"),
            "STAR" => "220 go ahead",
            "MAIL" if session.transactions >= most_transactions => {
                "421 4.7.0 too many transactions"
            }
            "MAIL" if session.transactions > 0 && self.rules.second_mail.is_some() => {
                self.rules.second_mail.unwrap_or_default()
            }
            "MAIL" if self.rules.messages.is_some_and(|(most, _)| session.transactions >= most) => {
                session.refused_mail = true;
                self.rules.messages.map_or("", |(_, reply)| reply)
            }
            "RCPT" if session.refused_mail => "503 5.5.1 MAIL first",
            "MAIL" => {
                (session.accepted, session.named) = (0, 0);
                session.transactions += 1;
                return Some(self.mail(line));
            }
            "RCPT" if session.answered >= self.rules.session_full => {
                "452 4.5.3 too many recipients in this session"
            }
            "RCPT" if session.named >= most_named => "452 4.5.3 too many recipients",
            "RCPT" if session.answered >= self.rules.recipients_per_session => {
                "421 4.7.0 too many in this session"
            }
            "RCPT" if session.errors >= self.rules.errors => "421 4.7.0 too many errors",
            "RCPT" => return self.recipient(line, session),
            "QUIT" => {
                self.seen.lock().unwrap().quits += 1;
                return None;
            }
            _ => "250 2.0.0 ok",
        };
        Some(reply.to_owned())
    }

    fn recipient(&self, line: &str, session: &mut Session) -> Option<String> {
        let path = &line["RCPT TO:<".len()..];
        let (recipient, parameters) = path.split_once('>').unwrap();
        let recipient = recipient.to_owned();
        self.seen.lock().unwrap().parameters.push(parameters.trim().to_owned());
        if self.rules.dies_at.is_some_and(|local| recipient.starts_with(local)) {
            return None;
        }
        let reply = self.rcpt(recipient, session.accepted);
        let is_positive = reply.starts_with("250");
        session.answered += 1;
        session.named += 1;
        session.accepted += usize::from(is_positive);
        session.errors += usize::from(!is_positive);
        session.full += usize::from(reply.starts_with("452"));
        let over = session.full > self.rules.overshoot;
        Some(if over { "421 4.7.0 too many errors".to_owned() } else { reply })
    }

    fn comes_too_often(&self) -> bool {
        let Some((most, time)) = self.rules.connections else { return false };
        let now = self.clock.now();
        let mut seen = self.seen.lock().unwrap();
        seen.let_in.retain(|at| *at + time > now);
        if seen.let_in.len() < most {
            seen.let_in.push(now);
            return false;
        }
        true
    }

    fn ehlo(&self, line: &str) -> String {
        self.seen.lock().unwrap().helos.push(line["EHLO ".len()..].to_owned());
        if let Some(reply) = self.rules.ehlo {
            return reply.to_owned();
        }
        let mut offered = vec!["mx.example".to_owned()];
        offered.extend(self.rules.pipelining.then(|| "PIPELINING".to_owned()));
        offered.extend(self.rules.broken_tls.then(|| "STARTTLS".to_owned()));
        let limits =
            self.rules.limits.map(|(mail, rcpt)| format!("LIMITS MAILMAX={mail} RCPTMAX={rcpt}"));
        offered.extend(limits);
        let last = offered.pop().unwrap();
        let others: String = offered.iter().map(|line| format!("250-{line}\r\n")).collect();
        format!("{others}250 {last}")
    }

    fn mail(&self, line: &str) -> String {
        let sender = line["MAIL FROM:<".len()..].split('>').next().unwrap().to_owned();
        let mut seen = self.seen.lock().unwrap();
        let refused = self.rules.refuses_null_sender && sender.is_empty();
        seen.transactions.push(Vec::new());
        seen.senders.push(sender);
        match self.rules.mail {
            Some(reply) => reply.to_owned(),
            None if refused => "550 5.7.1 no null sender here".to_owned(),
            None => "250 2.1.0 ok".to_owned(),
        }
    }

    fn rcpt(&self, recipient: String, accepted: usize) -> String {
        let now = self.clock.now();
        let mut seen = self.seen.lock().unwrap();
        seen.transactions.last_mut().unwrap().push(recipient.clone());
        seen.named.push((recipient.clone(), self.client, now));
        let first = *seen.first_seen.entry((recipient.clone(), self.client)).or_insert(now);
        if let Some(reply) = self.rules.rcpt {
            return reply.to_owned();
        }
        if accepted >= self.rules.recipients_per_transaction {
            return "452 4.5.3 too many recipients".to_owned();
        }
        if let Some(wait) = self.rules.greylist
            && now < first + wait
        {
            return format!("450 4.2.0 greylisted, try again in {} seconds", wait.as_secs());
        }
        let is_user = recipient.starts_with("user");
        let wait = self.rules.greylists_unknown.filter(|wait| !is_user && now < first + *wait);
        if let Some(wait) = wait {
            return format!("450 4.2.0 greylisted, try again in {} seconds", wait.as_secs());
        }
        seen.unknown += usize::from(!is_user);
        let by_chance = self.rules.unknown_alternates && seen.unknown.is_multiple_of(2);
        if self.rules.catch_all || is_user || by_chance {
            "250 2.1.5 ok".to_owned()
        } else if self.rules.bare {
            "550 no".to_owned()
        } else {
            "550 5.1.1 no such user".to_owned()
        }
    }
}
