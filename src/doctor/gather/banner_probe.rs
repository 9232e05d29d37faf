//! Banner probes: connects as an egress identity does, reads the banner, sends `QUIT`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout_at;

use super::dns_client::DnsClient;
use crate::address::DomainName;
use crate::clock::Clock;
use crate::doctor::facts::{ConnectionAttempt, Greeting, NoTarget};
use crate::egress::{Connection, Dial, DialOptions, Socks5, Stream};
use crate::smtp::wire::{Command, ReplyReader};
use crate::smtp::{self, NoReply, Reply, Target};

/// Time a server has to close after `QUIT`.
const GOODBYE: Duration = Duration::from_secs(1);

/// An exchanger's address that may be dialled.
pub(super) struct DialTarget {
    exchanger: DomainName,
    target: Target,
}

/// Exchangers of a domain that are looked up, best first, until one has an address.
const MOST_LOOKED_UP: usize = 3;

/// The first IPv4 and the first IPv6 address of the best exchanger of a domain that has any.
pub(super) async fn dial_targets(
    domain: &DomainName,
    client: &DnsClient,
    smtp: &smtp::Config,
) -> (DomainName, Result<Vec<DialTarget>, NoTarget>) {
    let found = async {
        let route = client.route(domain).await.map_err(NoTarget::Dns)?;
        let mut why = NoTarget::Nowhere;
        for exchanger in route.exchangers().iter().take(MOST_LOOKED_UP) {
            let addresses = match client.host(&exchanger.host).await {
                Ok(host) => host.addresses,
                Err(failure) => {
                    why = NoTarget::Dns(failure);
                    continue;
                }
            };
            let targets = addresses.iter().filter_map(|a| smtp.allow_networks.target(*a));
            let targets = first_of_each_family(&exchanger.host, &targets.collect::<Vec<_>>());
            if !targets.is_empty() {
                return Ok(targets);
            }
        }
        Err(why)
    };
    (domain.clone(), found.await)
}

fn first_of_each_family(exchanger: &DomainName, targets: &[Target]) -> Vec<DialTarget> {
    let first = |v4| targets.iter().find(|target| target.address().is_ipv4() == v4);
    [first(true), first(false)]
        .into_iter()
        .flatten()
        .map(|target| DialTarget { exchanger: exchanger.clone(), target: *target })
        .collect()
}

/// Connects to exchangers as one egress identity.
pub(super) struct BannerProber<'a> {
    pub(super) dial: &'a dyn Dial,
    pub(super) smtp: &'a smtp::Config,
    pub(super) socks5: Option<&'a Socks5>,
    pub(super) clock: Clock,
    pub(super) deadline: SystemTime,
}

impl BannerProber<'_> {
    /// Probes a domain's targets concurrently, except those of a family the identity does not
    /// use.
    pub(super) async fn probe_domain(
        &self,
        domain: &DomainName,
        targets: &Result<Vec<DialTarget>, NoTarget>,
    ) -> Vec<ConnectionAttempt> {
        let targets = match targets {
            Ok(targets) => targets,
            Err(why) => {
                let outcome = Err(NoReply::NoAddress);
                let target = Err(why.clone());
                let domain = domain.clone();
                return vec![ConnectionAttempt {
                    domain,
                    target,
                    connected: false,
                    outcome,
                    local: None,
                }];
            }
        };
        let chosen = self.smtp.source_v4.is_some() || self.smtp.source_v6.is_some();
        let used = targets
            .iter()
            .filter(|target| !chosen || self.smtp.source(target.target.address()).is_some());
        join_all(used.map(|target| self.connect_and_greet(domain, target))).await
    }

    async fn connect_and_greet(
        &self,
        domain: &DomainName,
        target: &DialTarget,
    ) -> ConnectionAttempt {
        let address = target.target.address();
        let limits = &self.smtp.time_limits;
        let path = DialOptions {
            source: self.smtp.source(address),
            socks5: self.socks5,
            port: self.smtp.port,
            deadline: self.deadline.min(self.clock.now() + limits.connect),
        };
        let (connected, local, outcome) = match self.dial.dial(target.target, path).await {
            Err(why) => (false, None, Err(why)),
            Ok(Connection { stream, local }) => {
                let until = self.deadline.min(self.clock.now() + limits.banner);
                (true, local, self.greeting(stream, until).await)
            }
        };
        let (domain, target) = (domain.clone(), Ok((target.exchanger.clone(), address)));
        ConnectionAttempt { domain, target, connected, outcome, local: local.map(canonical) }
    }

    async fn greeting(
        &self,
        mut stream: Box<dyn Stream>,
        until: SystemTime,
    ) -> Result<Greeting, NoReply> {
        let mut reader = ReplyReader::new(self.smtp.reply_limits.clone());
        let banner = banner(&mut stream, &mut reader);
        let banner = timeout_at(self.clock.instant(until), banner).await;
        let banner = banner.unwrap_or(Err(NoReply::Timeout))?;
        let at = self.clock.now();
        let goodbye = async {
            let mut quit = Vec::new();
            Command::Quit.write_to(&mut quit);
            if stream.write_all(&quit).await.is_ok() && stream.flush().await.is_ok() {
                let mut rest = [0; 512];
                while matches!(stream.read(&mut rest).await, Ok(1..)) {}
            }
        };
        // A server that does not close is left to it.
        let _ = timeout_at(self.clock.instant(at + GOODBYE), goodbye).await;
        Ok(Greeting { banner, at })
    }
}

async fn banner(stream: &mut Box<dyn Stream>, reader: &mut ReplyReader) -> Result<Reply, NoReply> {
    loop {
        match reader.next_banner() {
            Ok(Some(reply)) => return Ok(Arc::unwrap_or_clone(reply)),
            Ok(None) => match stream.read(reader.space()).await {
                Ok(0) | Err(_) => return Err(NoReply::Closed),
                Ok(count) => reader.filled(count),
            },
            Err(fault) => return Err(NoReply::Protocol(fault.to_string())),
        }
    }
}

fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
