//! Builds a [`Verifier`] with the parts below it: for programs that use this crate as a library,
//! and for the service, which keeps the parts too.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;

use super::{PriorOutcomes, Verifier};
use crate::cache::{self, DnsCache};
use crate::clock::Clock;
use crate::dns::{self, Resolver};
use crate::lists::{self, ListsHandle};
use crate::prober::{self, Prober};
use crate::smtp;
use crate::smtp::meaning::Classifier;
use crate::verdict::Policy;

/// The reason a [`Builder`] could not build. Each message names the setting and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A name or a mailbox breaks its grammar.
    #[error("{setting} {value:?} cannot be used: {reason}")]
    Setting {
        /// The builder's method.
        setting: &'static str,
        /// The value it was given.
        value: String,
        /// The fault.
        reason: String,
    },
    /// The resolver could not be set up.
    #[error(transparent)]
    Dns(#[from] dns::SetupError),
    /// A lifetime of the cache is out of its range.
    #[error(transparent)]
    Cache(#[from] cache::SettingError),
    /// The folder of name lists could not be read.
    #[error(transparent)]
    Lists(#[from] lists::ListError),
    /// The file of reply rules could not be read or compiled.
    #[error("the reply rules in {}: {reason}", path.display())]
    Rules {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// A setting of the prober cannot be used.
    #[error(transparent)]
    Prober(#[from] prober::ProberError),
}

/// A verifier and what it is made of.
#[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only the service keeps the parts"))]
pub(crate) struct VerifierParts {
    pub(crate) clock: Clock,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) domains: DnsCache,
    pub(crate) classifier: Arc<Classifier>,
    pub(crate) lists: Arc<ListsHandle>,
    pub(crate) prober: Prober,
    pub(crate) verifier: Verifier,
}

/// Settings of a [`Verifier`], all optional.
///
/// The defaults are those of the service: the system's name servers, port 25, the null sender, the
/// built-in lists and reply rules. Set [`helo_name`](Self::helo_name) for anything but a first try:
/// many servers refuse a client that gives its address instead of a name.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    helo_name: Option<String>,
    mail_from: Option<String>,
    reply_rules: Option<PathBuf>,
    allow_networks: Vec<IpNet>,
    dns: dns::Config,
    cache: cache::Config,
    lists: lists::Config,
    smtp: smtp::Config,
    prober: prober::Config,
    policy: Policy,
    config: super::Config,
    prior_outcomes: Option<Arc<dyn PriorOutcomes>>,
}

impl Builder {
    /// The name given in `EHLO` (RFC 5321 section 4.1.1.1). It should resolve to this host's public
    /// address, and that address back to it. Default: the address literal of the connection.
    pub fn helo_name(mut self, name: impl Into<String>) -> Self {
        self.helo_name = Some(name.into());
        self
    }

    /// The sender given in `MAIL FROM`, a mailbox or `<>`. Default `<>`.
    pub fn mail_from(mut self, sender: impl Into<String>) -> Self {
        self.mail_from = Some(sender.into());
        self
    }

    /// Adds a recursive name server. Default: those of the system.
    pub fn name_server(mut self, server: SocketAddr) -> Self {
        self.dns.nameservers.push(server);
        self
    }

    /// The port that exchangers listen on. Default 25; only labs need another.
    pub fn smtp_port(mut self, port: u16) -> Self {
        self.smtp.port = port;
        self
    }

    /// Adds a network that may be dialled although its addresses are not globally routable, for
    /// labs, to those of [`smtp`](Self::smtp). Default: none.
    pub fn allow_network(mut self, network: IpNet) -> Self {
        self.allow_networks.push(network);
        self
    }

    /// A folder of name lists that add to the built-in ones. Default: none.
    pub fn lists_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.lists.dir = Some(dir.into());
        self
    }

    /// A file of reply rules that are asked before the built-in ones. Default: none.
    pub fn reply_rules(mut self, file: impl Into<PathBuf>) -> Self {
        self.reply_rules = Some(file.into());
        self
    }

    /// The actions that reasons lead to. Default: the built-in policy.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// What became of earlier mail: addresses that it suppresses are not asked about. Default:
    /// nothing is known.
    pub fn prior_outcomes(mut self, prior_outcomes: Arc<dyn PriorOutcomes>) -> Self {
        self.prior_outcomes = Some(prior_outcomes);
        self
    }

    /// The folder of name lists and how often it is looked at. A folder set before is replaced.
    pub fn lists(mut self, config: lists::Config) -> Self {
        self.lists = config;
        self
    }

    /// The lifetimes of DNS answers.
    pub fn cache(mut self, config: cache::Config) -> Self {
        self.cache = config;
        self
    }

    /// The memory of evidence: its lifetimes and its size.
    pub fn memory(mut self, config: super::Config) -> Self {
        self.config = config;
        self
    }

    /// The DNS settings. Name servers added before are replaced.
    pub fn dns(mut self, config: dns::Config) -> Self {
        self.dns = config;
        self
    }

    /// The SMTP settings: time limits, reply limits, TLS. A port set before is replaced. A name, a
    /// sender and networks set with the builder's own methods, before or after, stay: the name and
    /// the sender count instead of those given here, the networks beside them.
    pub fn smtp(mut self, config: smtp::Config) -> Self {
        self.smtp = config;
        self
    }

    /// The pacing and the egress identities.
    pub fn prober(mut self, config: prober::Config) -> Self {
        self.prober = config;
        self
    }

    /// Builds the verifier. It must be called within a Tokio runtime, whose tasks hold the
    /// sessions.
    ///
    /// # Errors
    ///
    /// If a setting cannot be used, or a file it names cannot be read: see [`BuildError`].
    pub fn build(self) -> Result<Verifier, BuildError> {
        Ok(self.build_parts()?.verifier)
    }

    /// Builds the verifier as [`build`](Self::build) does, and returns what it is made of too.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub(crate) fn build_parts(self) -> Result<VerifierParts, BuildError> {
        let clock = Clock::start();
        let smtp = self.smtp_config()?;
        let resolver = Arc::new(Resolver::new(self.dns, clock)?);
        let domains = DnsCache::new(resolver.clone(), self.cache, clock)?;
        let classifier = read_reply_rules(self.reply_rules.as_deref())?;
        let lists = Arc::new(ListsHandle::open(&self.lists)?);
        let prober = Prober::new(self.prober, smtp, domains.clone(), classifier.clone(), clock)?;
        let verifier = Verifier::new(
            domains.clone(),
            prober.clone(),
            Arc::clone(&lists),
            self.policy,
            self.config,
            clock,
        );
        let verifier = match self.prior_outcomes {
            Some(prior_outcomes) => verifier.with_prior_outcomes(prior_outcomes),
            None => verifier,
        };
        Ok(VerifierParts { clock, resolver, domains, classifier, lists, prober, verifier })
    }

    fn smtp_config(&self) -> Result<smtp::Config, BuildError> {
        let mut smtp = self.smtp.clone();
        if let Some(name) = &self.helo_name {
            smtp.helo_name = Some(parse_setting("helo_name", name)?);
        }
        if let Some(sender) = &self.mail_from {
            smtp.mail_from = parse_setting("mail_from", sender)?;
        }
        smtp.allow_networks.extend(self.allow_networks.iter().copied());
        Ok(smtp)
    }
}

/// Parses the `value` of a setting.
fn parse_setting<T>(setting: &'static str, value: &str) -> Result<T, BuildError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    value.parse().map_err(|fault: T::Err| BuildError::Setting {
        setting,
        value: value.to_owned(),
        reason: fault.to_string(),
    })
}

/// Reads the reply rules in use: the built-in ones, after those of `file`.
///
/// # Errors
///
/// If the file cannot be read or holds a rule that is not one.
pub(crate) fn read_reply_rules(file: Option<&Path>) -> Result<Arc<Classifier>, BuildError> {
    let Some(path) = file else { return Ok(Arc::clone(Classifier::builtin())) };
    let fault = |reason: String| BuildError::Rules { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
    let classifier = Classifier::with_rules(&text).map_err(|error| fault(error.to_string()))?;
    Ok(Arc::new(classifier))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::AllowedNetworks;

    #[tokio::test]
    async fn a_setting_that_cannot_be_used_is_named_with_its_value() {
        let error = Builder::default().helo_name("no name").build().err().unwrap().to_string();
        assert!(error.contains("helo_name") && error.contains("no name"), "{error}");
        let error = Builder::default().mail_from("nobody").build().err().unwrap().to_string();
        assert!(error.contains("mail_from") && error.contains("nobody"), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_named() {
        let error = Builder::default().reply_rules("/no/such.toml").build().err().unwrap();
        assert!(error.to_string().contains("/no/such.toml"), "{error}");
        let error = Builder::default().lists_dir("/no/such/folder").build().err().unwrap();
        assert!(error.to_string().contains("/no/such/folder"), "{error}");
    }

    #[test]
    fn networks_are_added_to_those_of_the_smtp_settings_in_either_order() {
        let network = |text| AllowedNetworks::parse(text).unwrap();
        let lab = network("192.168.0.0/16");
        let allow_networks = AllowedNetworks::new([network("10.0.0.0/8")]);
        let config = smtp::Config { allow_networks, ..smtp::Config::default() };
        for builder in [
            Builder::default().allow_network(lab).smtp(config.clone()),
            Builder::default().smtp(config).allow_network(lab),
        ] {
            let networks = builder.smtp_config().unwrap().allow_networks;
            assert!(networks.contain([192, 168, 1, 1].into()));
            assert!(networks.contain([10, 1, 1, 1].into()));
            assert!(!networks.contain([172, 16, 1, 1].into()));
        }
    }

    #[tokio::test]
    async fn a_verifier_that_is_shared_can_be_closed() {
        let builder = Builder::default().name_server(([127, 0, 0, 1], 1).into());
        let verifier = Arc::new(builder.build().unwrap());
        let other = Arc::clone(&verifier);
        verifier.close().await;
        drop(other);
    }

    #[tokio::test]
    async fn the_parts_of_a_verifier_are_those_it_works_with() {
        let lists = lists::Config { dir: None, ..lists::Config::default() };
        let memory = crate::verifier::Config { max_remembered: 7, ..Default::default() };
        let builder = Builder::default()
            .name_server(([127, 0, 0, 1], 1).into())
            .lists(lists)
            .cache(cache::Config::default())
            .memory(memory.clone());
        let parts = builder.build_parts().unwrap();
        assert!(Arc::ptr_eq(&parts.lists, &parts.verifier.lists));
        assert_eq!(parts.verifier.config, memory);
        assert!(Arc::ptr_eq(&parts.classifier, Classifier::builtin()));
    }
}
