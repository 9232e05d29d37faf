//! One egress identity, ready to use, and how it opens a session.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::context::Context;
use super::control;
use super::stats::TimedPhase;
use crate::address::DomainName;
use crate::egress::{Connection, DialOptions, EgressIdentity, Socks5, Stream};
use crate::smtp::{
    self, Hints, Mailbox, MailboxError, NoReply, Observation, Peer, RecipientAnswer, Session,
    SessionSetup, Stage, Target,
};

/// Addresses of one exchanger that are dialled at most.
const ADDRESSES: usize = 32;

/// Time that dialling all of them may take, in time limits of one connection. An address that
/// refuses costs a round trip, one that is silent a whole limit.
const LIMITS: u32 = 4;

/// One egress identity of the prober.
pub(super) struct Egress {
    pub(super) name: Arc<str>,
    socks5: Option<Socks5>,
    config: Arc<smtp::Config>,
    /// Secret that control recipients are derived from.
    secret: String,
}

/// The addresses of one exchanger that may be dialled, in order. Never empty.
pub(super) struct ExchangerTargets {
    targets: Vec<Target>,
    /// They are from a DNS answer that has expired, and serve because DNS failed.
    stale: bool,
}

impl Egress {
    pub(super) fn new(
        identity: &EgressIdentity,
        base: &smtp::Config,
        secret: Option<&str>,
    ) -> Self {
        let config = identity.apply(base);
        let secret = secret.map(str::to_owned).unwrap_or_else(|| {
            let helo = config.helo_name.as_ref().map(|name| name.as_str());
            format!("{}\0{}", identity.name, helo.unwrap_or_default())
        });
        Self {
            name: identity.name.as_str().into(),
            socks5: identity.socks5.clone(),
            config: Arc::new(config),
            secret,
        }
    }

    /// The control recipient of `domain`.
    pub(super) fn control(&self, domain: &DomainName) -> Result<Mailbox, MailboxError> {
        Mailbox::new(&control::local_part(&self.secret, domain), domain, None)
    }

    /// Connects to `exchanger`, or says why that cannot be. The session still has to greet.
    pub(super) async fn connect(
        &self,
        context: &Context,
        exchanger: &DomainName,
        hints: Hints,
    ) -> Result<Session<Box<dyn Stream>>, Observation> {
        let found = self.targets(context, exchanger, None).await.map_err(|reason| {
            let answer = RecipientAnswer::NoReply { stage: Stage::Connect, reason };
            Observation::new(answer, None, context.clock.now())
        })?;
        let mut last = None;
        let limit = self.config.time_limits.connect;
        let until = context.clock.now() + limit * LIMITS;
        for target in found.targets {
            let began = context.clock.now();
            if last.is_some() && began >= until {
                break;
            }
            let address = target.address();
            let options = DialOptions {
                source: self.config.source(address),
                socks5: self.socks5.as_ref(),
                port: self.config.port,
                deadline: (began + limit).min(until),
            };
            let dialled = context.dial.dial(target, options).await;
            let now = context.clock.now();
            let took = now.duration_since(began).unwrap_or_default();
            context.replies.observe(TimedPhase::Connect, took);
            match dialled {
                Ok(connection) => {
                    context.counters.connections.fetch_add(1, Ordering::Relaxed);
                    let peer = Peer { exchanger: exchanger.clone(), address, stale: found.stale };
                    return Ok(self.session(context, peer, connection, hints));
                }
                Err(reason) => {
                    context.counters.connections_failed.fetch_add(1, Ordering::Relaxed);
                    let answer = RecipientAnswer::NoReply { stage: Stage::Connect, reason };
                    last = Some(Observation::new(answer, Some(address), now));
                }
            }
        }
        Err(last.unwrap_or_else(|| {
            let reason = NoReply::TargetRefused;
            let answer = RecipientAnswer::NoReply { stage: Stage::Connect, reason };
            Observation::new(answer, None, context.clock.now())
        }))
    }

    /// A session before its banner.
    fn session(
        &self,
        context: &Context,
        peer: Peer,
        connection: Connection,
        hints: Hints,
    ) -> Session<Box<dyn Stream>> {
        let local = connection.local.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let setup = SessionSetup {
            config: Arc::clone(&self.config),
            identity: Arc::new(self.config.identity(local)),
            interpreter: Arc::clone(&context.interpreter),
            tls: context.tls.clone(),
            clock: context.clock,
        };
        let deadline = context.clock.now() + self.config.time_limits.session;
        Session::new(connection.stream, peer, &setup, hints, deadline)
    }

    /// The addresses to dial, in order, from an answer of DNS no older than `max_age`.
    pub(super) async fn targets(
        &self,
        context: &Context,
        exchanger: &DomainName,
        max_age: Option<Duration>,
    ) -> Result<ExchangerTargets, NoReply> {
        let (addresses, stale) = match literal(exchanger) {
            Some(address) => (vec![address], false),
            None => match context.hosts.host(exchanger, max_age).await {
                Err(_) => return Err(NoReply::DnsFailure),
                Ok(host) if !host.value.exists => return Err(NoReply::HostNotFound),
                Ok(host) if host.value.addresses.is_empty() => return Err(NoReply::NoAddress),
                Ok(host) => (host.value.addresses.clone(), host.stale),
            },
        };
        let chosen = self.config.source_v4.is_some() || self.config.source_v6.is_some();
        let targets: Vec<Target> = addresses
            .into_iter()
            .filter_map(|address| self.config.allow_networks.target(address))
            // An identity with an address of one family has no business in the other.
            .filter(|target| !chosen || self.config.source(target.address()).is_some())
            .take(ADDRESSES)
            .collect();
        if targets.is_empty() {
            return Err(NoReply::TargetRefused);
        }
        Ok(ExchangerTargets { targets, stale })
    }
}

/// Name of an address literal's host among exchangers: in brackets, as no host name is.
pub(super) fn literal_name(address: IpAddr) -> DomainName {
    DomainName::from_ascii(&format!("[{address}]"))
}

fn literal(exchanger: &DomainName) -> Option<IpAddr> {
    exchanger.as_str().strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}
