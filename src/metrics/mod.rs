//! Measurements, as Prometheus reads them, and the two questions of an orchestrator, on a port of
//! their own: `/metrics`, `/healthz` (the process lives) and `/readyz` (it can do its work).
//!
//! The layers count and name nothing; here what they counted gets its names. Labels come from fixed
//! sets: never a domain, never an address.

mod gather;
mod http;
mod process;
mod text;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use gather::Sources;
pub use http::serve;

/// Configuration of the metrics listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address to listen on, such as `127.0.0.1:9464`. Default: none.
    pub listen: Option<SocketAddr>,
    /// Allows an address that other machines can reach. There is no authentication: whoever
    /// reaches it can read how much is verified and how it went. Default false.
    pub allow_remote: bool,
}

/// Others could read what is not meant for them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "metrics.listen is {0}, which other machines can reach, and there is no authentication: listen \
     on 127.0.0.1, or say that they may (--metrics-allow-remote, metrics.allow_remote)"
)]
pub struct ExposedMetrics(SocketAddr);

impl Config {
    /// # Errors
    ///
    /// [`ExposedMetrics`] if other machines could reach it without anybody having decided that.
    pub fn check(&self) -> Result<(), ExposedMetrics> {
        match self.listen {
            Some(listen) if !self.allow_remote && !listen.ip().to_canonical().is_loopback() => {
                Err(ExposedMetrics(listen))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_loopback_somebody_must_have_decided_it() {
        let at = |listen: &str, allow_remote| {
            Config { listen: Some(listen.parse().unwrap()), allow_remote }.check()
        };
        for listen in ["0.0.0.0:9464", "[::]:9464", "192.0.2.1:9464"] {
            let error = at(listen, false).unwrap_err().to_string();
            assert!(error.contains(listen) && error.contains("--metrics-allow-remote"), "{error}");
            assert_eq!(at(listen, true), Ok(()));
        }
        for listen in ["127.0.0.1:9464", "[::1]:9464", "[::ffff:127.0.0.1]:9464"] {
            assert_eq!(at(listen, false), Ok(()), "{listen}");
        }
        assert_eq!(Config::default().check(), Ok(()));
    }
}
