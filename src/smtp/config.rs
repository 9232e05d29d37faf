//! Configuration of the SMTP part.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Stage;
use super::target::AllowedNetworks;
use super::wire::{HeloName, Mailbox, ReplyLimits, Sender};

/// Configuration of the SMTP part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The TCP port of exchangers. Default 25 (RFC 5321 section 4.5.4.2); others are for labs.
    pub port: u16,
    /// The name given in `EHLO`. It must be a name of *this* machine, and resolve to the address
    /// we connect from; a machine cannot know that about itself. Default: none, and then the
    /// address literal of the connection's own address is given (RFC 5321 section 4.1.4), which is
    /// honest and which many servers refuse: set it.
    pub helo_name: Option<HeloName>,
    /// The sender in `MAIL FROM`. Default `"<>"`, which every server must accept (RFC 5321 section
    /// 6.1) and which can bring no mail back.
    pub mail_from: Sender,
    /// A mailbox of ours that exists, used where a server refuses `<>`. Default: none.
    #[serde(with = "optional_mailbox")]
    pub fallback_mail_from: Option<Mailbox>,
    /// The occasion to start TLS. Default `on-demand`.
    pub starttls: StartTlsMode,
    /// The address to connect from over IPv4. Default: the system chooses.
    pub source_v4: Option<Ipv4Addr>,
    /// The address to connect from over IPv6. Default: the system chooses.
    pub source_v6: Option<Ipv6Addr>,
    /// Time limits of a server.
    pub time_limits: TimeLimits,
    /// Size limits of a reply.
    pub reply_limits: ReplyLimits,
    /// Networks that may be dialled although they are not global unicast. Default: none.
    pub allow_networks: AllowedNetworks,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port: 25,
            helo_name: None,
            mail_from: Sender::Null,
            fallback_mail_from: None,
            starttls: StartTlsMode::OnDemand,
            source_v4: None,
            source_v6: None,
            time_limits: TimeLimits::default(),
            reply_limits: ReplyLimits::default(),
            allow_networks: AllowedNetworks::default(),
        }
    }
}

impl Config {
    /// The identity on a connection that has this address on our side.
    #[must_use]
    pub fn identity(&self, local: IpAddr) -> ClientIdentity {
        ClientIdentity {
            address: local,
            helo: self.helo_name.clone().unwrap_or_else(|| HeloName::literal(local)),
            sender: self.mail_from.clone(),
            fallback: self.fallback_mail_from.clone(),
        }
    }

    /// Checks that every limit leaves a server something to answer with.
    ///
    /// # Errors
    ///
    /// [`ZeroSetting`] with the first that does not.
    pub fn check(&self) -> Result<(), ZeroSetting> {
        let TimeLimits { connect, banner, ehlo, starttls, mail, rcpt, session } = &self.time_limits;
        let ReplyLimits { line_octets, reply_octets, lines } = &self.reply_limits;
        ZeroSetting::check(&[
            ("smtp.port", self.port == 0),
            ("smtp.time_limits.connect", connect.is_zero()),
            ("smtp.time_limits.banner", banner.is_zero()),
            ("smtp.time_limits.ehlo", ehlo.is_zero()),
            ("smtp.time_limits.starttls", starttls.is_zero()),
            ("smtp.time_limits.mail", mail.is_zero()),
            ("smtp.time_limits.rcpt", rcpt.is_zero()),
            ("smtp.time_limits.session", session.is_zero()),
            ("smtp.reply_limits.line_octets", *line_octets == 0),
            ("smtp.reply_limits.reply_octets", *reply_octets == 0),
            ("smtp.reply_limits.lines", *lines == 0),
        ])
    }

    /// The address to connect from, for a target of the same family.
    #[must_use]
    pub fn source(&self, target: IpAddr) -> Option<IpAddr> {
        match target {
            IpAddr::V4(_) => self.source_v4.map(IpAddr::V4),
            IpAddr::V6(_) => self.source_v6.map(IpAddr::V6),
        }
    }
}

/// A setting of zero with which no server could be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} is zero, and then no server can be asked: give more, or leave it out")]
pub struct ZeroSetting {
    key: &'static str,
}

impl ZeroSetting {
    /// Refuses the first of these keys that is zero.
    ///
    /// # Errors
    ///
    /// [`ZeroSetting`] with its name.
    pub fn check(keys: &[(&'static str, bool)]) -> Result<(), Self> {
        match keys.iter().find(|(_, is_zero)| *is_zero) {
            Some(&(key, _)) => Err(Self { key }),
            None => Ok(()),
        }
    }
}

/// The identity that we give to servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The address on our side of the connection.
    pub address: IpAddr,
    /// The name in `EHLO`.
    pub helo: HeloName,
    /// The sender in `MAIL FROM`.
    pub sender: Sender,
    /// The sender where the null sender is refused.
    pub fallback: Option<Mailbox>,
}

/// Occasions to start TLS (RFC 3207). Certificates are never required to verify (RFC 7435).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartTlsMode {
    /// On demand: after the server asked for it (530), or is known to. Cheapest: no message is
    /// protected,
    /// because none is sent.
    #[default]
    OnDemand,
    /// Whenever the server offers it; in the clear when it refuses after all.
    Opportunistic,
    /// Always; a server without it gets no probe.
    Always,
}

/// Time limits for each step of a server. RFC 5321 section 4.5.3.2 gives a *delivery* five
/// minutes a command; a caller waits for a verification, so these are shorter. A verification that
/// runs into one ends as unknown, never as undeliverable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeLimits {
    /// Opening the connection. Default 10 s: three SYN retransmissions.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// The whole banner. Default 30 s: greet delays of 5 to 20 s are common.
    #[serde(with = "humantime_serde")]
    pub banner: Duration,
    /// `EHLO` or `HELO`. Default 30 s: some look up our name first.
    #[serde(with = "humantime_serde")]
    pub ehlo: Duration,
    /// `STARTTLS` and the handshake, each. Default 20 s.
    #[serde(with = "humantime_serde")]
    pub starttls: Duration,
    /// `MAIL`. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub mail: Duration,
    /// Each `RCPT`, counted from the answer before it. Default 45 s: a server that asks the next
    /// one (address verification, callout) may take 30 s.
    #[serde(with = "humantime_serde")]
    pub rcpt: Duration,
    /// The whole session. Default 10 min. Nothing more is asked in the last part of it, as long as
    /// `rcpt` and half of it at most.
    #[serde(with = "humantime_serde")]
    pub session: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            banner: Duration::from_secs(30),
            ehlo: Duration::from_secs(30),
            starttls: Duration::from_secs(20),
            mail: Duration::from_secs(30),
            rcpt: Duration::from_secs(45),
            session: Duration::from_secs(600),
        }
    }
}

impl TimeLimits {
    /// The age from which on a session is asked nothing more, so that what it was asked is answered
    /// before its own end.
    #[must_use]
    pub fn session_age(&self) -> Duration {
        self.session.saturating_sub(self.rcpt).max(self.session / 2)
    }

    /// The limit for a reply at this stage.
    #[must_use]
    pub fn at(&self, stage: Stage) -> Duration {
        match stage {
            Stage::Connect => self.connect,
            Stage::Banner => self.banner,
            Stage::Ehlo => self.ehlo,
            Stage::StartTls => self.starttls,
            Stage::Mail => self.mail,
            Stage::Rcpt | Stage::Data => self.rcpt,
        }
    }
}

mod optional_mailbox {
    //! An optional mailbox as text; empty is none.

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Mailbox, Sender};

    pub(super) fn serialize<S: Serializer>(
        mailbox: &Option<Mailbox>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        mailbox.clone().map(|m| String::from(Sender::Mailbox(m))).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Mailbox>, D::Error> {
        Ok(match Option::<Sender>::deserialize(deserializer)? {
            Some(Sender::Mailbox(mailbox)) => Some(mailbox),
            Some(Sender::Null) | None => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_survives_being_printed_and_read() {
        let text = r#"
            port = 2525
            helo_name = "probe.example.com"
            mail_from = "<>"
            fallback_mail_from = "postmaster@example.com"
            starttls = "always"
            allow_networks = ["127.0.0.0/8", "::1"]
            [time_limits]
            rcpt = "5s"
            [reply_limits]
            lines = 50
        "#;
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.time_limits.rcpt, Duration::from_secs(5));
        assert_eq!(config.reply_limits.lines, 50);
        assert_eq!(config.starttls, StartTlsMode::Always);
        assert_eq!(config.fallback_mail_from, Some("postmaster@example.com".parse().unwrap()));
        let printed = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&printed).unwrap(), config);
        let default = toml::to_string(&Config::default()).unwrap();
        assert_eq!(toml::from_str::<Config>(&default).unwrap(), Config::default());
    }

    #[test]
    fn what_is_wrong_is_named_with_the_remedy() {
        let error = |text| toml::from_str::<Config>(text).unwrap_err().to_string();
        assert!(error("helo_name = \"a b\"").contains("write a host name"));
        assert!(error("mail_from = \"me\"").contains("write local-part@domain"));
        assert!(error("allow_networks = [\"x\"]").contains("write one such as"));
        assert!(error("helo = \"a\"").contains("unknown field"));
    }

    #[test]
    fn a_limit_of_zero_is_named() {
        assert_eq!(Config::default().check(), Ok(()));
        for (text, key) in [
            ("port = 0", "smtp.port"),
            ("time_limits.rcpt = \"0s\"", "smtp.time_limits.rcpt"),
            ("reply_limits.lines = 0", "smtp.reply_limits.lines"),
        ] {
            let error = toml::from_str::<Config>(text).unwrap().check().unwrap_err().to_string();
            assert!(error.starts_with(key) && error.contains("give more"), "{error}");
        }
    }

    #[test]
    fn a_session_leaves_the_last_recipient_its_time_or_half_of_a_short_one() {
        let limits = TimeLimits::default();
        assert_eq!(limits.session_age(), Duration::from_secs(555));
        let short = TimeLimits { session: Duration::from_secs(60), ..limits };
        assert_eq!(short.session_age(), Duration::from_secs(30));
    }

    #[test]
    fn without_a_name_the_address_is_given() {
        let config = Config::default();
        assert_eq!(config.identity([192, 0, 2, 1].into()).helo.as_str(), "[192.0.2.1]");
        let named = Config { helo_name: "probe.example.com".parse().ok(), ..config };
        assert_eq!(named.identity([192, 0, 2, 1].into()).helo.as_str(), "probe.example.com");
    }
}
