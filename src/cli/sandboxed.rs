//! The configuration of a product that looks at the sandbox instead of the internet.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::config::Config;
use crate::doctor;
use crate::doctor::config::PublicAddresses;
use crate::egress::EgressIdentity;
use crate::sandbox::Sandbox;
use crate::smtp::{AllowedNetworks, TimeLimits};

/// Time limit for the sandbox's servers: the slowest of them never answer.
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// The domains whose registry is rate limiting or in trouble, each a registry of its own: such a
/// one is left alone for a while, and the other domains' is to go on answering.
const TROUBLED_REGISTRIES: [&str; 2] = ["registry-limit.test", "registry-trouble.test"];

/// Points the configuration at the sandbox, with limits short enough to watch.
pub fn sandboxed(config: &mut Config, sandbox: &Sandbox) {
    config.dns.nameservers = vec![sandbox.nameserver()];
    config.dns.timeout = Duration::from_millis(500);
    config.smtp.port = sandbox.smtp_port();
    config.smtp.allow_networks = AllowedNetworks::new([sandbox.network()]);
    let services = &mut config.registration.services;
    services.entry("test".to_owned()).or_insert_with(|| sandbox.registry_url());
    for (domain, url) in TROUBLED_REGISTRIES.into_iter().zip(sandbox.further_registry_urls()) {
        services.entry(domain.to_owned()).or_insert(url);
    }
    config.registration.bootstrap_refresh = Duration::ZERO;
    config.posture.sandbox_authority = Some(sandbox.authority().to_vec());
    if let Ok(port) = sandbox.policy_port().try_into() {
        config.posture.policy_port = port;
    }
    let limit = |limit: &mut Duration| *limit = (*limit).min(TIME_LIMIT);
    let TimeLimits { connect, banner, ehlo, starttls, mail, rcpt, session: _ } =
        &mut config.smtp.time_limits;
    [connect, banner, ehlo, starttls, mail, rcpt].into_iter().for_each(limit);
}

/// The doctor's configuration in the sandbox's world.
const DOCTOR: &str = r#"
exchangers = ["gmail.com", "outlook.com", "northwind.test", "acme.test"]

[resolver]
registered = ["acme.test"]
bogus = ["bogus.dnssec.test"]
signed = ["signed.dnssec.test"]
large = ["large.sandbox.test"]

[[blocklists]]
zone = "zen.sandbox.test"
ipv6 = true
removal = "https://zen.sandbox.test/"
codes = { "127.0.0.2" = "SBL: a source of spam", "127.0.0.4" = "XBL: an infected machine" }

[[blocklists]]
zone = "psbl.sandbox.test"
weight = "warn"
codes = { "127.0.0.2" = "mailed a spam trap" }

[[blocklists]]
zone = "refusing.sandbox.test"

[[blocklists]]
zone = "mute.sandbox.test"

[[blocklists]]
zone = "bl.sandbox.test"
"#;

/// Points the doctor at the sandbox's world. Without an identity or a HELO name of your own there
/// are two to look at: one that is well kept and one that is neglected.
///
/// # Errors
/// Never, as a test shows: what is read is part of the program.
pub fn sandboxed_doctor(config: &mut Config) -> Result<(), toml::de::Error> {
    let (given, time) = (config.doctor.public_addresses.clone(), config.doctor.timeout);
    config.doctor = toml::from_str::<doctor::Config>(DOCTOR)?;
    config.doctor.timeout = time;
    let well_kept = vec![
        IpAddr::from([192, 0, 2, 25]),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x25).into(),
    ];
    config.doctor.public_addresses = match given {
        PublicAddresses::All(addresses) if addresses.is_empty() => {
            PublicAddresses::All(well_kept.clone())
        }
        given => given,
    };
    if config.smtp.helo_name.is_some() || !config.prober.identities.is_empty() {
        return Ok(());
    }
    let neglected = vec![IpAddr::from([198, 51, 100, 66])];
    let names = ["well-kept", "neglected"].map(str::to_owned);
    let addresses =
        names.clone().into_iter().zip([well_kept, neglected]).collect::<BTreeMap<_, _>>();
    config.doctor.public_addresses = PublicAddresses::ByIdentity(addresses);
    config.smtp.fallback_mail_from = "postmaster@mailvet.test".parse().ok();
    let [well_kept, neglected] = names;
    config.prober.identities = vec![
        EgressIdentity {
            name: well_kept,
            helo_name: "probe.mailvet.test".parse().ok(),
            ..EgressIdentity::default()
        },
        EgressIdentity {
            name: neglected,
            helo_name: "mailer".parse().ok(),
            mail_from: "news@neglected.test".parse().ok(),
            ..EgressIdentity::default()
        },
    ];
    Ok(())
}
