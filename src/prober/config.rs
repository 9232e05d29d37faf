//! Configuration of the prober.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::egress::EgressIdentity;
use crate::pacing;
use crate::smtp::ZeroSetting;

/// Configuration of the prober.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The secret from which made-up recipients are derived, so that they are the same after a
    /// restart (greylisting remembers them) and nobody can guess them. Default: none; then they
    /// are derived from the egress identity's name alone.
    pub control_secret: Option<String>,
    /// Time for which it is remembered that a domain accepts, or does not accept, everything.
    /// Default 24 hours: administrators change it seldom.
    #[serde(with = "humantime_serde")]
    pub catch_all_known_for: Duration,
    /// Time for which a control recipient's answer is remembered that tells neither. Default 10
    /// minutes.
    #[serde(with = "humantime_serde")]
    pub catch_all_unclear_for: Duration,
    /// Number of domains, and of exchangers, that are remembered. Default 100,000, up to about
    /// 50 MB where replies are of the usual length. Of a long one the first kilobyte is kept.
    pub remembered: NonZeroUsize,
    /// Number of recipients that may wait for one destination; more callers wait their turn.
    /// Default 20,000.
    pub queue: NonZeroUsize,
    /// Exchangers dialled for one address; four times as many are looked up.
    /// Default 5: some domains list a hundred.
    pub exchangers_per_address: NonZeroUsize,
    /// Egress identities. Default: none, and then the one identity that the `smtp` part describes.
    pub identities: Vec<EgressIdentity>,
    /// Limits of each identity at a destination.
    pub pacing: pacing::Config,
}

impl Default for Config {
    fn default() -> Self {
        let count = |n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        Self {
            control_secret: None,
            catch_all_known_for: Duration::from_secs(24 * 60 * 60),
            catch_all_unclear_for: Duration::from_secs(10 * 60),
            remembered: count(100_000),
            queue: count(20_000),
            exchangers_per_address: count(5),
            identities: Vec::new(),
            pacing: pacing::Config::default(),
        }
    }
}

impl Config {
    /// Checks that a session may be asked something before it is too old for it: one that is not
    /// is closed unused, and the next one is opened in its place, for as long as somebody waits.
    ///
    /// # Errors
    ///
    /// [`ZeroSetting`] if it may not.
    pub fn check(&self) -> Result<(), ZeroSetting> {
        ZeroSetting::check(&[("prober.pacing.session_age", self.pacing.session_age.is_zero())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_survives_being_printed_and_read() {
        let text = r#"
            queue = 500
            catch_all_known_for = "2h"
            [pacing]
            sessions_per_exchanger = 2
            session_idle = "3s"
            [[identities]]
            name = "a"
            source_v4 = "192.0.2.1"
            helo_name = "a.example.com"
            [[identities]]
            name = "b"
            socks5 = { address = "192.0.2.9:1080" }
        "#;
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.pacing.sessions_per_exchanger.get(), 2);
        assert_eq!(config.identities.len(), 2);
        let printed = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&printed).unwrap(), config);
    }

    #[test]
    fn a_limit_of_nothing_is_refused_with_its_name() {
        let error = toml::from_str::<Config>("[pacing]\nsessions_per_exchanger = 0").unwrap_err();
        assert!(error.to_string().contains("nonzero"), "{error}");
        let error = toml::from_str::<Config>("[pacing]\nsession = 1").unwrap_err();
        assert!(error.to_string().contains("unknown field"), "{error}");
    }
}
