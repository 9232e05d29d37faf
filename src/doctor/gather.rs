//! Gathers the facts: everything side by side, each within its time.

mod address;
mod banner_probe;
mod dns_client;
mod nameserver;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::{join, join_all, join3};
use tokio::time::timeout_at;

use super::checks;
use super::config::Config;
use super::facts::{
    ConnectionAttempt, HeloFacts, IdentityFacts, IdentitySetup, NoTarget, Observations, SenderFacts,
};
use super::finding::Report;
use crate::address::DomainName;
use crate::clock::Clock;
use crate::dns::query::{Query, QueryResult};
use crate::dns::{self, DnsFailure, SetupError};
use crate::egress::{Dial, EgressIdentity, Tcp};
use crate::registration::RegistrationLookup;
use crate::smtp::target::is_global_unicast;
use crate::smtp::{self, Sender};
use crate::spf::is_dmarc;
use banner_probe::DialTarget;
use dns_client::DnsClient;

/// The shortest time everything may take.
const SHORTEST: Duration = Duration::from_secs(1);

/// Times by which the parts of a look have to be over.
#[derive(Clone, Copy)]
struct Stages {
    /// It is known where to connect.
    known: SystemTime,
    /// The connections have shown what they show.
    connected: SystemTime,
}

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
        // What a connection shows has to be looked up after it, and where to connect before it.
        let (deadline, by) =
            (start + time, Stages { known: start + time / 4, connected: start + time / 2 });
        let client = DnsClient::new(self.dns.clone(), self.clock, deadline)?;
        let mut servers = Vec::new();
        for server in client.servers() {
            let own = dns::Config { nameservers: vec![*server], attempts: 1, ..self.dns.clone() };
            servers.push((*server, DnsClient::new(own, self.clock, deadline)?));
        }
        let nameservers = join_all(
            servers.iter().map(|(at, client)| nameserver::gather_facts(*at, client, &self.config)),
        );
        let (nameservers, identities) = join(nameservers, self.identities(&client, by)).await;
        Ok(Observations { identities, nameservers })
    }

    async fn identities(&self, client: &DnsClient, by: Stages) -> Vec<IdentityFacts> {
        let targets_by = self.clock.instant(by.known);
        let targets = self.config.exchangers.iter().map(async |domain| {
            let domain = domain.name();
            // A domain that DNS is slow about keeps no other one waiting.
            let found = banner_probe::dial_targets(domain, client, &self.smtp);
            let in_time = timeout_at(targets_by, found).await;
            let late = || (domain.clone(), Err(NoTarget::Dns(DnsFailure::Timeout)));
            in_time.unwrap_or_else(|_| late())
        });
        let targets = join_all(targets).await;
        let targets = &targets;
        let identities = self.identities.iter();
        join_all(identities.map(|identity| self.identity(identity, targets, client, by.connected)))
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
            let named = address::gather_facts(public, &smtp, &self.config, client);
            let (attempts, mut looked_at) = join(attempts, named).await;
            let further = unnamed_addresses(&setup, &attempts);
            looked_at.extend(address::gather_facts(&further, &smtp, &self.config, client).await);
            (attempts, looked_at)
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

/// Our public addresses, as seen on the connections, each once: those of a family of which the
/// configuration names none. Exchangers see them all the same.
fn unnamed_addresses(setup: &IdentitySetup, attempts: &[ConnectionAttempt]) -> Vec<IpAddr> {
    let named = &setup.public_addresses;
    let is_named = |address: &IpAddr| match setup.proxy {
        Some(_) => !named.is_empty(),
        None => named.iter().any(|at| at.to_canonical().is_ipv4() == address.is_ipv4()),
    };
    let locals = attempts.iter().filter_map(|attempt| attempt.local);
    let mut public: Vec<IpAddr> =
        locals.filter(|local| is_global_unicast(*local) && !is_named(local)).collect();
    public.sort_unstable();
    public.dedup();
    public
}

/// The HELO name, if it is a name.
fn helo_name(smtp: &smtp::Config) -> Option<DomainName> {
    let name = smtp.helo_name.as_ref()?.as_str();
    let is_address = name.starts_with('[') || name.parse::<IpAddr>().is_ok();
    (!is_address).then(|| DomainName::from_ascii(name))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::NoReply;

    #[test]
    fn an_address_in_helo_is_no_name_to_look_up() {
        for (helo, name) in [
            ("[192.0.2.1]", None),
            ("192.0.2.1", None),
            ("probe.mailvet.example", Some("probe.mailvet.example")),
        ] {
            let smtp =
                smtp::Config { helo_name: Some(helo.parse().unwrap()), ..smtp::Config::default() };
            let found = helo_name(&smtp);
            assert_eq!(found.as_ref().map(DomainName::as_str), name, "{helo}");
        }
    }

    #[test]
    fn addresses_of_a_family_that_the_configuration_does_not_name_are_looked_at_too() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let attempt = |local: &str| ConnectionAttempt {
            domain: DomainName::from_ascii("a.example"),
            target: Err(NoTarget::Nowhere),
            connected: true,
            outcome: Err(NoReply::Timeout),
            local: Some(ip(local)),
        };
        let attempts = ["10.0.0.5", "2a00:1450::25", "2a00:1450::25"].map(attempt);
        let look = |named: &[&str], proxy: Option<&str>| {
            let setup = IdentitySetup {
                public_addresses: named.iter().map(|text| ip(text)).collect(),
                proxy: proxy.map(|proxy| proxy.parse().unwrap()),
                ..IdentitySetup::default()
            };
            unnamed_addresses(&setup, &attempts)
        };
        let v6 = [ip("2a00:1450::25")];
        assert_eq!(look(&[], None), v6);
        assert_eq!(look(&["192.88.1.25"], None), v6);
        assert!(look(&["2a00:1450::26"], None).is_empty(), "told by the check of the address");
        let proxied = look(&["192.88.1.25"], Some("[2a00:1450::25]:1080"));
        assert!(proxied.is_empty(), "the proxy's own");
    }
}
