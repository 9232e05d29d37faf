//! Rules for the addresses the service may listen on. Pure.

use std::net::SocketAddr;

/// Protection between the service and those who can reach it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    /// Callers show a certificate that a configured authority signed.
    pub client_certificates: bool,
    /// Callers send an API key.
    pub api_keys: bool,
    /// The operator said that every machine may call.
    pub allow_anonymous: bool,
}

/// Why the service will not listen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{listen} can be reached from other machines, and whoever reaches it could have addresses \
     verified in your name; do one of three things: ask callers for an API key (server.api_keys, \
     see `mailvet api-key new`), ask them for a certificate (server.tls with client_ca), or say that \
     anybody may call (--allow-anonymous, server.allow_anonymous); or listen on 127.0.0.1"
)]
pub struct UnprotectedListener {
    listen: SocketAddr,
}

impl Protection {
    /// Returns whether a caller without credentials may call: if the operator said so, and where
    /// nobody asks for anything. The latter is so on loopback only.
    #[must_use]
    pub fn admits_anonymous(self) -> bool {
        self.allow_anonymous || !(self.api_keys || self.client_certificates)
    }

    /// # Errors
    ///
    /// [`UnprotectedListener`] if others than this machine could call without anybody having
    /// decided that.
    pub fn check(self, listen: SocketAddr) -> Result<(), UnprotectedListener> {
        let is_decided = self.client_certificates || self.api_keys || self.allow_anonymous;
        if is_decided || listen.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        Err(UnprotectedListener { listen })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Protection =
        Protection { client_certificates: false, api_keys: false, allow_anonymous: false };

    #[test]
    fn beyond_loopback_somebody_must_have_decided_who_may_call() {
        for listen in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[2001:db8::1]:1", "10.0.0.1:1"] {
            let listen = listen.parse().unwrap();
            let error = NOTHING.check(listen).unwrap_err().to_string();
            for remedy in ["server.api_keys", "server.tls", "--allow-anonymous"] {
                assert!(error.contains(remedy), "{error}");
            }
            for decided in [
                Protection { client_certificates: true, ..NOTHING },
                Protection { api_keys: true, ..NOTHING },
                Protection { allow_anonymous: true, ..NOTHING },
            ] {
                assert_eq!(decided.check(listen), Ok(()));
            }
        }
    }

    #[test]
    fn loopback_needs_no_decision() {
        for listen in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(NOTHING.check(listen.parse().unwrap()), Ok(()), "{listen}");
        }
    }

    #[test]
    fn who_asks_for_keys_admits_nobody_without_one_not_even_on_loopback() {
        assert!(NOTHING.admits_anonymous());
        assert!(!Protection { api_keys: true, ..NOTHING }.admits_anonymous());
        assert!(!Protection { client_certificates: true, ..NOTHING }.admits_anonymous());
        let both = Protection { api_keys: true, allow_anonymous: true, ..NOTHING };
        assert!(both.admits_anonymous());
    }
}
