//! Gathers the facts: everything side by side, each within its time.

mod address;
mod banner_probe;
mod dns_client;
mod nameserver;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::{join, join_all, join3};

use super::checks;
use super::config::Config;
use super::facts::{
    ConnectionAttempt, HeloFacts, IdentityFacts, IdentitySetup, NoTarget, Observations, SenderFacts,
};
use super::finding::Report;
use crate::address::DomainName;
use crate::clock::Clock;
use crate::dns::query::{Query, QueryResult};
use crate::dns::{self, SetupError};
use crate::egress::{Dial, EgressIdentity, Tcp};
use crate::registration::RegistrationLookup;
use crate::smtp::target::is_global_unicast;
use crate::smtp::{self, Sender};
use crate::spf::is_dmarc;
use banner_probe::DialTarget;
use dns_client::DnsClient;

/// The shortest time everything may take.
const SHORTEST: Duration = Duration::from_secs(1);

/// Looks at this host and its egress identities.
pub struct Doctor {
    config: Config,
    smtp: smtp::Config,
    identities: Vec<EgressIdentity>,
    dns: dns::Config,
    clock: Clock,
    dial: Arc<dyn Dial>,
    registrations: Option<Arc<dyn RegistrationLookup>>,
}

/// Why nothing can be looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DoctorError {
    /// There is no name server to ask, or a setting is out of its range.
    #[error(transparent)]
    Dns(#[from] SetupError),
}

impl Doctor {
    /// A doctor for what these parts of the configuration describe.
    #[must_use]
    pub fn new(
        config: Config,
        smtp: smtp::Config,
        identities: &[EgressIdentity],
        dns: dns::Config,
        clock: Clock,
    ) -> Self {
        let mut identities = identities.to_vec();
        if identities.is_empty() {
            identities.push(EgressIdentity::default());
        }
        let dial = Arc::new(Tcp::new(clock));
        Self { config, smtp, identities, dns, clock, dial, registrations: None }
    }

    /// The same doctor, that asks registries about the domains of senders.
    #[must_use]
    pub fn with_registrations(self, registrations: Arc<dyn RegistrationLookup>) -> Self {
        Self { registrations: Some(registrations), ..self }
    }

    /// Looks at everything and judges it, within `doctor.timeout`.
    ///
    /// # Errors
    /// When no name server can be asked at all. Anything else is a finding.
    pub async fn examine(&self) -> Result<Report, DoctorError> {
        let facts = self.gather().await?;
        Ok(checks::judge(&facts, &self.config))
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// When no name server can be asked at all.
    pub async fn gather(&self) -> Result<Observations, DoctorError> {
        let start = self.clock.now();
        let time = self.config.timeout.max(SHORTEST);
        // What a connection shows has to be looked up after it.
        let (connected_by, deadline) = (start + time / 2, start + time);
        let client = DnsClient::new(self.dns.clone(), self.clock, deadline)?;
        let mut servers = Vec::new();
        for server in client.servers() {
            let own = dns::Config { nameservers: vec![*server], attempts: 1, ..self.dns.clone() };
            servers.push((*server, DnsClient::new(own, self.clock, deadline)?));
        }
        let nameservers = join_all(
            servers.iter().map(|(at, client)| nameserver::gather_facts(*at, client, &self.config)),
        );
        let (nameservers, identities) =
            join(nameservers, self.identities(&client, connected_by)).await;
        Ok(Observations { identities, nameservers })
    }

    async fn identities(&self, client: &DnsClient, connected_by: SystemTime) -> Vec<IdentityFacts> {
        let domains = self.config.exchangers.iter();
        let targets =
            domains.map(|domain| banner_probe::dial_targets(domain.name(), client, &self.smtp));
        let targets = join_all(targets).await;
        let targets = &targets;
        let identities = self.identities.iter();
        join_all(identities.map(|identity| self.identity(identity, targets, client, connected_by)))
            .await
    }

    async fn identity(
        &self,
        identity: &EgressIdentity,
        targets: &[(DomainName, Result<Vec<DialTarget>, NoTarget>)],
        client: &DnsClient,
        connected_by: SystemTime,
    ) -> IdentityFacts {
        let smtp = identity.apply(&self.smtp);
        let public = self.config.public_addresses.for_identity(&identity.name);
        let setup = setup(identity, &smtp, public);
        let caller = banner_probe::BannerProber {
            dial: &*self.dial,
            smtp: &smtp,
            socks5: identity.socks5.as_ref(),
            clock: self.clock,
            deadline: connected_by,
        };
        let attempts = async {
            let targets =
                targets.iter().map(|(domain, targets)| caller.probe_domain(domain, targets));
            join_all(targets).await.into_iter().flatten().collect::<Vec<ConnectionAttempt>>()
        };
        let seen = async {
            if public.is_empty() {
                let attempts = attempts.await;
                let addresses = public_addresses(&attempts);
                let looked_at =
                    address::gather_facts(&addresses, &smtp, &self.config, client).await;
                (attempts, looked_at)
            } else {
                join(attempts, address::gather_facts(public, &smtp, &self.config, client)).await
            }
        };
        let sender = async {
            let mut sender = sender(&smtp, client).await?;
            if let Some(registrations) = &self.registrations {
                // Its own time is the shorter one: nobody waits for a registry alone.
                let found = registrations.find(&sender.domain, connected_by).await;
                sender.registration = Some(found);
            }
            Some(sender)
        };
        let ((attempts, addresses), helo, sender) = join3(seen, helo(&smtp, client), sender).await;
        IdentityFacts { setup, attempts, addresses, helo, sender }
    }
}

/// Describes the configuration of an identity.
fn setup(identity: &EgressIdentity, smtp: &smtp::Config, public: &[IpAddr]) -> IdentitySetup {
    IdentitySetup {
        name: identity.name.clone(),
        helo: smtp.helo_name.as_ref().map(|name| name.as_str().to_owned()),
        null_sender: smtp.mail_from == Sender::Null,
        has_fallback: smtp.fallback_mail_from.is_some(),
        source_v4: smtp.source_v4,
        source_v6: smtp.source_v6,
        proxy: identity.socks5.as_ref().map(|proxy| proxy.address),
        public_addresses: public.to_vec(),
    }
}

/// Our public addresses, as seen on the connections, each once.
fn public_addresses(attempts: &[ConnectionAttempt]) -> Vec<IpAddr> {
    let locals = attempts.iter().filter_map(|attempt| attempt.local);
    let mut public: Vec<IpAddr> = locals.filter(|local| is_global_unicast(*local)).collect();
    public.sort_unstable();
    public.dedup();
    public
}

/// The HELO name, if it is a name.
fn helo_name(smtp: &smtp::Config) -> Option<DomainName> {
    let name = smtp.helo_name.as_ref()?.as_str();
    (!name.starts_with('[')).then(|| DomainName::from_ascii(name))
}

async fn helo(smtp: &smtp::Config, client: &DnsClient) -> Option<HeloFacts> {
    let name = helo_name(smtp)?;
    let (v4, v6) = (Query::Ipv4(name.clone()), Query::Ipv6(name.clone()));
    let (ipv4, ipv6) = join(client.ask(&v4), client.ask(&v6)).await;
    Some(HeloFacts { name, ipv4, ipv6 })
}

async fn sender(smtp: &smtp::Config, client: &DnsClient) -> Option<SenderFacts> {
    let domain = match &smtp.mail_from {
        Sender::Mailbox(mailbox) => mailbox.domain().clone(),
        Sender::Null => smtp.fallback_mail_from.as_ref()?.domain().clone(),
    };
    let (route, (dmarc_of, dmarc)) = join(client.route(&domain), dmarc(&domain, client)).await;
    Some(SenderFacts { domain, route, dmarc, dmarc_of, registration: None })
}

/// The domain's own record, else that of the organisation, and whose it is. Records of anything
/// else are none (RFC 7489 section 6.6.3).
async fn dmarc(domain: &DomainName, client: &DnsClient) -> (DomainName, QueryResult) {
    let at = |name: &DomainName| Query::Texts(DomainName::from_ascii(&format!("_dmarc.{name}")));
    let own = client.ask(&at(domain)).await;
    let is_settled = own.failure().is_some() || own.texts().iter().any(|text| is_dmarc(text));
    let organisation = domain.registrable();
    if is_settled || organisation == *domain {
        return (domain.clone(), own);
    }
    let of_organisation = client.ask(&at(&organisation)).await;
    (organisation, of_organisation)
}
