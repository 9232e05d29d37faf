//! Hooks as the configuration has them.

use std::sync::Arc;

use super::config::HookConfig;
use super::key_source::KeySource;
use super::signing_certificates::{SigningCertificates, SnsClient};
use super::used_tokens::SharedTokens;
use super::{FATES, Hook, OutcomeHooks};
use crate::cache::DnsCache;
use crate::clock::Clock;
use crate::http_client::{HttpClient, HttpClientError, HttpTrust};
use crate::instruments::{Counter, CounterVec};
use crate::smtp::AllowedNetworks;

/// An error of setting hooks up.
#[derive(Debug, thiserror::Error)]
pub enum HookSetupError {
    /// A setting cannot be used.
    #[error("{0}")]
    Setting(String),
    /// SNS cannot be asked.
    #[error(transparent)]
    Client(#[from] HttpClientError),
}

/// Everything for which these hooks could not be used, in words. `is_http`: the service answers
/// HTTP.
#[must_use]
pub fn hook_problems(hooks: &[HookConfig], is_http: bool) -> Vec<String> {
    let mut problems = Vec::new();
    if !hooks.is_empty() && !is_http {
        problems.push(
            "outcomes.hooks: services post over HTTP; set server.http.enabled to true".to_owned(),
        );
    }
    for (number, hook) in hooks.iter().enumerate() {
        let name =
            if hook.name.is_empty() { format!("number {}", number + 1) } else { hook.name.clone() };
        let named = |why: String| format!("outcomes.hooks ({name}): {why}");
        let own = hook.problems();
        if own.is_empty() {
            problems.extend(KeySource::open(hook).err().map(named));
        }
        problems.extend(own.into_iter().map(named));
        if hooks[..number].iter().any(|earlier| earlier.name == hook.name) {
            problems.push(named("this name is there twice".to_owned()));
        }
    }
    problems
}

impl OutcomeHooks {
    /// Hooks with these settings. Certificates of SNS are fetched from public addresses, and from
    /// those of `networks`.
    ///
    /// # Errors
    ///
    /// If a setting cannot be used.
    pub fn open(
        hooks: &[HookConfig],
        domains: &DnsCache,
        networks: &AllowedNetworks,
        clock: Clock,
    ) -> Result<Self, HookSetupError> {
        if let Some(problem) = hook_problems(hooks, true).into_iter().next() {
            return Err(HookSetupError::Setting(problem));
        }
        let client = || {
            let trust = HttpTrust {
                networks: networks.clone(),
                networks_setting: "smtp.allow_networks",
                ca: None,
                ca_setting: "outcomes.hooks",
            };
            HttpClient::new(domains.clone(), trust, clock)
        };
        let used = SharedTokens::default();
        let hooks = hooks.iter().map(|config| {
            let asks_sns = config.topic.is_some()
                && (config.certificate_file.is_none() || config.confirm_subscription);
            let sns = match asks_sns {
                true => Some(Arc::new(client()?) as Arc<dyn SnsClient>),
                false => None,
            };
            Hook::new(config, sns, used.clone())
        });
        Ok(Self(hooks.collect::<Result<Vec<_>, _>>()?.into()))
    }
}

impl Hook {
    pub(super) fn new(
        config: &HookConfig,
        sns: Option<Arc<dyn SnsClient>>,
        used: SharedTokens,
    ) -> Result<Self, HookSetupError> {
        let missing = || HookSetupError::Setting("outcomes.hooks: service is missing".to_owned());
        Ok(Self {
            name: config.name.clone(),
            service: config.service.ok_or_else(missing)?,
            tolerance: config.tolerance(),
            confirms: config.confirm_subscription,
            key: KeySource::open(config).map_err(HookSetupError::Setting)?,
            certificates: sns.map(SigningCertificates::new),
            used,
            posts: CounterVec::new(FATES),
            taken: Counter::default(),
            repeated: Counter::default(),
            not_understood: Counter::default(),
        })
    }
}
