//! The configuration of a product that looks at the sandbox instead of the internet.

use std::time::Duration;

use crate::config::Config;
use crate::sandbox::Sandbox;
use crate::smtp::{AllowedNetworks, TimeLimits};

/// How long the sandbox's servers are waited for: the slowest of them never answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Points the configuration at the sandbox, with limits short enough to watch.
pub fn sandboxed(config: &mut Config, sandbox: &Sandbox) {
    config.dns.nameservers = vec![sandbox.nameserver()];
    config.dns.timeout = Duration::from_millis(500);
    config.smtp.port = sandbox.smtp_port();
    config.smtp.allow_networks = AllowedNetworks::new([sandbox.network()]);
    let limit = |limit: &mut Duration| *limit = (*limit).min(PATIENCE);
    let TimeLimits { connect, banner, ehlo, starttls, mail, rcpt, session: _ } =
        &mut config.smtp.time_limits;
    [connect, banner, ehlo, starttls, mail, rcpt].into_iter().for_each(limit);
}
