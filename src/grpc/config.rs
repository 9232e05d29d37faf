//! Configuration of the service: listener, callers, limits.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::access::{Harvesting, Protection, Quota, UnprotectedListener};
use crate::http;

/// The listener, the callers and the time limits of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address to listen on. Default `127.0.0.1:50051`. Beyond loopback one of `api_keys`,
    /// `tls.client_ca` and `allow_anonymous` must be set.
    pub listen: SocketAddr,
    /// Admits callers that show neither an API key nor a certificate. Default false: only on
    /// loopback, and only if `api_keys` and `tls.client_ca` are not set.
    pub allow_anonymous: bool,
    /// The file with the API keys (see `mailvet api-key new`). Read again when it changes. Default
    /// none.
    pub api_keys: Option<PathBuf>,
    /// Interval between two checks of the files of `api_keys` and `tls` for changes. Default 10
    /// seconds, at least 1.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
    /// Number of items of one stream under work at a time. Default 1000, at least 1.
    pub stream_concurrency: usize,
    /// The longest a call may take when its caller names no deadline, or a longer one. Default 2
    /// minutes: a server that delays its greeting and its replies is through by then.
    #[serde(with = "humantime_serde")]
    pub longest_call: Duration,
    /// The least time before the caller's deadline at which the verdict is sent; it grows with the
    /// measured round trip, and is at most half of the caller's time. Default 50 ms.
    #[serde(with = "humantime_serde")]
    pub deadline_margin: Duration,
    /// The same as a share of the caller's time, in percent; at most a second. The larger of the
    /// two counts. Default 10.
    pub deadline_margin_percent: u32,
    /// Time a shutdown waits for calls in flight. Default 30 seconds. Closing the sessions takes at
    /// most 5 more.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
    /// TLS.
    pub tls: TlsFiles,
    /// JSON over HTTP and gRPC-Web.
    pub http: http::Config,
    /// The quota of callers whose key has none of its own.
    pub quota: Quota,
    /// The rules against directory harvesting.
    pub harvesting: Harvesting,
    /// The server's limits.
    pub limits: Limits,
}

/// The files of TLS, as PEM. Read again when they change; a new one that is not valid is logged,
/// and
/// the old one stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsFiles {
    /// The server's certificate and those that lead to its authority. Default none: no TLS.
    pub certificate: Option<PathBuf>,
    /// The certificate's private key.
    pub key: Option<PathBuf>,
    /// The authorities whose client certificates are taken. Default none: certificates are not
    /// asked
    /// for.
    pub client_ca: Option<PathBuf>,
}

/// Limits of the server, over all callers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at a time; more are closed as soon as they come, but for a few from this
    /// machine,
    /// so that it can still ask for the health. Default 1000.
    pub connections: usize,
    /// Connections of one peer at a time (an IPv4 address, or an IPv6 network of 64 bits). When
    /// more come, its oldest one without a call gives way; else they are closed, but for a few from
    /// this machine that may ask for the health. Behind a proxy all callers are one peer. Default
    /// 500.
    pub connections_per_peer: usize,
    /// TLS handshakes at a time; when more come, the oldest gives way. Default 200.
    pub handshakes: usize,
    /// Time limit of a handshake, of a request for the health, and of a connection's way to its
    /// first admitted call. Default 10 seconds.
    #[serde(with = "humantime_serde")]
    pub handshake_timeout: Duration,
    /// Calls at a time, streams included; more are answered with RESOURCE_EXHAUSTED. A caller with
    /// a name has three quarters of them at most. Default 10,000.
    pub calls: usize,
    /// Calls at a time on one connection (HTTP/2's MAX_CONCURRENT_STREAMS): clients let more wait.
    /// Default 256.
    pub calls_per_connection: u32,
    /// Streams that watch the health at a time; a check needs no room. Default 100.
    pub health_calls: usize,
    /// The largest message of a request, in octets. Default 64 KiB: an address, an id and options,
    /// with room to grow.
    pub request_octets: usize,
    /// The largest metadata of a request, in octets as HTTP/2 counts them. Default 16 KiB.
    pub header_octets: u32,
    /// Interval of HTTP/2 PINGs that find dead connections. Default 1 minute.
    #[serde(with = "humantime_serde")]
    pub keepalive_interval: Duration,
    /// Time limit for the answer to a PING. Default 20 seconds.
    #[serde(with = "humantime_serde")]
    pub keepalive_timeout: Duration,
    /// Time a connection without a call is kept; up to twice as long. Default 10 minutes.
    #[serde(with = "humantime_serde")]
    pub idle_connection: Duration,
    /// Time a stream is kept on which no item comes and nothing is under work. Default 5 minutes.
    #[serde(with = "humantime_serde")]
    pub idle_stream: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 50051)),
            allow_anonymous: false,
            api_keys: None,
            poll_interval: Duration::from_secs(10),
            stream_concurrency: 1000,
            longest_call: Duration::from_secs(120),
            deadline_margin: Duration::from_millis(50),
            deadline_margin_percent: 10,
            drain_timeout: Duration::from_secs(30),
            tls: TlsFiles::default(),
            http: http::Config::default(),
            quota: Quota::default(),
            harvesting: Harvesting::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1000,
            connections_per_peer: 500,
            handshakes: 200,
            handshake_timeout: Duration::from_secs(10),
            calls: 10_000,
            calls_per_connection: 256,
            health_calls: 100,
            request_octets: 64 * 1024,
            header_octets: 16 * 1024,
            keepalive_interval: Duration::from_secs(60),
            keepalive_timeout: Duration::from_secs(20),
            idle_connection: Duration::from_secs(10 * 60),
            idle_stream: Duration::from_secs(5 * 60),
        }
    }
}

/// A limit that would let nothing through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("server.{key} is zero, and then nothing works: give more, or leave it out")]
pub struct NoRoom {
    key: &'static str,
}

impl Limits {
    /// Checks that every limit lets something through.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] with the name of the first that does not.
    pub fn check(&self) -> Result<(), NoRoom> {
        let limits = [
            ("limits.connections", self.connections == 0),
            ("limits.connections_per_peer", self.connections_per_peer == 0),
            ("limits.handshakes", self.handshakes == 0),
            ("limits.handshake_timeout", self.handshake_timeout.is_zero()),
            ("limits.calls", self.calls == 0),
            ("limits.calls_per_connection", self.calls_per_connection == 0),
            ("limits.health_calls", self.health_calls == 0),
            ("limits.request_octets", self.request_octets == 0),
            ("limits.header_octets", self.header_octets == 0),
            ("limits.keepalive_interval", self.keepalive_interval.is_zero()),
            ("limits.keepalive_timeout", self.keepalive_timeout.is_zero()),
            ("limits.idle_connection", self.idle_connection.is_zero()),
            ("limits.idle_stream", self.idle_stream.is_zero()),
        ];
        match limits.into_iter().find(|(_, is_zero)| *is_zero) {
            Some((key, _)) => Err(NoRoom { key }),
            None => Ok(()),
        }
    }
}

impl Config {
    /// The protection between the service and those who can reach it.
    #[must_use]
    pub fn protection(&self) -> Protection {
        Protection {
            client_certificates: self.tls.client_ca.is_some(),
            api_keys: self.api_keys.is_some(),
            allow_anonymous: self.allow_anonymous,
        }
    }

    /// Checks that calls have any time at all, and that every limit lets something through.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] with the name of the first that does not.
    pub fn check_limits(&self) -> Result<(), NoRoom> {
        if self.longest_call.is_zero() {
            return Err(NoRoom { key: "longest_call" });
        }
        self.limits.check()
    }

    /// Checks that the address to listen on is protected.
    ///
    /// # Errors
    ///
    /// [`UnprotectedListener`] if others than this machine could call and nothing in the
    /// configuration allows it.
    pub fn check_listen(&self) -> Result<(), UnprotectedListener> {
        self.protection().check(self.listen)
    }
}

impl TlsFiles {
    /// `true` if any file of TLS is named.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        *self != Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_nothing_is_named() {
        assert_eq!(Limits::default().check(), Ok(()));
        let limits = Limits { idle_stream: Duration::ZERO, ..Limits::default() };
        assert!(limits.check().unwrap_err().to_string().contains("server.limits.idle_stream"));
        let config = Config { longest_call: Duration::ZERO, ..Config::default() };
        let error = config.check_limits().unwrap_err().to_string();
        assert!(error.starts_with("server.longest_call is zero"), "{error}");
    }

    #[test]
    fn the_configuration_survives_a_file() {
        let text = "api_keys = \"k.toml\"\n[tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n\
                    [quota]\naddresses_per_day = 5\n[limits]\nidle_stream = \"1m\"\n";
        let config: Config = toml::from_str(text).unwrap();
        assert!(config.tls.is_wanted() && !config.protection().admits_anonymous());
        let printed = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&printed).unwrap(), config);
    }
}
