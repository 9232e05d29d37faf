//! The client certificate of a connection: its owner's name, and its end.
//!
//! A handshake verifies it once, and a connection may live for weeks. It ends with the certificate:
//! the client connects again, with the one that it has by then.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;
use tokio_rustls::rustls::ServerConnection;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};

use super::tls::{self, TlsSettings};
use crate::clock::Clock;

/// A certificate that was verified in a handshake.
pub(super) struct ClientCertificate {
    /// It, and those that lead to its authority.
    chain: Vec<CertificateDer<'static>>,
    settings: watch::Receiver<TlsSettings>,
}

impl ClientCertificate {
    /// The certificate shown in a handshake, if one was; `settings` are those it was verified by,
    /// and those that come after them.
    pub(super) fn of(
        session: &ServerConnection,
        settings: watch::Receiver<TlsSettings>,
    ) -> Option<Self> {
        let chain = session.peer_certificates()?.to_vec();
        (!chain.is_empty()).then_some(Self { chain, settings })
    }

    /// The name in it; empty if it has none.
    pub(super) fn name(&self) -> Arc<str> {
        self.chain.first().and_then(tls::name).unwrap_or_default().into()
    }

    /// Resolves when it has expired, or when its authority is no longer one of ours.
    pub(super) async fn lapsed(self, clock: Clock) {
        let Self { chain, mut settings } = self;
        let Some((certificate, intermediates)) = chain.split_first() else { return };
        let expired = async {
            match tls::expiry(certificate) {
                Some(expiry) => tokio::time::sleep_until(clock.instant(expiry)).await,
                None => std::future::pending().await,
            }
        };
        let distrusted = async {
            while settings.changed().await.is_ok() {
                let clients = settings.borrow_and_update().clients.clone();
                let now = clock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let now = UnixTime::since_unix_epoch(now);
                let is_trusted = clients.is_some_and(|clients| {
                    clients.verify_client_cert(certificate, intermediates, now).is_ok()
                });
                if !is_trusted {
                    return;
                }
            }
            // The listener ends, and with it the connection.
            std::future::pending().await
        };
        tokio::select! {
            () = expired => {}
            () = distrusted => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::pin::pin;
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
    use tokio_rustls::rustls::version::{TLS12, TLS13};
    use tokio_rustls::rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::super::config::TlsFiles;
    use super::super::tls::Tls;
    use super::*;

    fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    /// A certificate that is valid until then.
    fn sign(
        authority: &CertifiedIssuer<'static, KeyPair>,
        until: SystemTime,
    ) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.not_after = until.into();
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, authority).unwrap().der().clone()
    }

    /// The TLS of a service that takes client certificates of this authority.
    fn tls(dir: &Path, clients: &CertifiedIssuer<'static, KeyPair>) -> Tls {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let [certificate, key, client_ca] =
            ["certificate.pem", "key.pem", "clients.pem"].map(|name| dir.join(name));
        std::fs::write(&certificate, own.cert.pem()).unwrap();
        std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
        std::fs::write(&client_ca, clients.pem()).unwrap();
        let (certificate, key) = (Some(certificate), Some(key));
        Tls::open(&TlsFiles { certificate, key, client_ca: Some(client_ca) }).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_certificate_lapses_after_its_last_second() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::start());
        let ours = authority("ours");
        let until = clock.now() + Duration::from_secs(3600);
        let tls = tls(dir.path(), &ours);
        let certificate =
            ClientCertificate { chain: vec![sign(&ours, until)], settings: tls.settings() };
        certificate.lapsed(clock).await;
        let late = clock.now().duration_since(until).unwrap();
        // A timer of tokio is up to a millisecond late.
        assert!(late < Duration::from_millis(1_002), "{late:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_certificate_lapses_when_its_authority_is_taken_away_and_not_when_one_is_added() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::start());
        let (ours, other) = (authority("ours"), authority("other"));
        let tls = tls(dir.path(), &ours);
        let until = clock.now() + Duration::from_secs(3600);
        let chain = vec![sign(&ours, until)];
        let certificate = ClientCertificate { chain, settings: tls.settings() };
        let mut lapsed = pin!(certificate.lapsed(clock));
        let clients = dir.path().join("clients.pem");
        std::fs::write(&clients, format!("{}{}", ours.pem(), other.pem())).unwrap();
        assert!(tls.reload_if_changed().unwrap());
        assert!(lapsed.as_mut().now_or_never().is_none());
        std::fs::write(&clients, other.pem()).unwrap();
        assert!(tls.reload_if_changed().unwrap());
        assert!(lapsed.as_mut().now_or_never().is_some());
    }

    /// The kind of handshake by which a client gets in, which takes what it needs to resume it.
    async fn handshake(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> HandshakeKind {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let name = ServerName::try_from("localhost").unwrap();
        let connecting = async {
            let connected = TlsConnector::from(Arc::clone(client)).connect(name, near).await;
            connected.unwrap().read_exact(&mut [0_u8]).await.unwrap();
        };
        let accepting = async {
            let accepted = TlsAcceptor::from(Arc::clone(server)).accept(far).await;
            let mut stream = accepted.unwrap();
            stream.write_all(b"x").await.unwrap();
            stream.flush().await.unwrap();
            assert!(stream.get_ref().1.peer_certificates().is_some());
            stream.get_ref().1.handshake_kind().unwrap()
        };
        tokio::join!(connecting, accepting).1
    }

    #[tokio::test]
    async fn each_connection_verifies_the_certificate_that_its_client_has_by_then() {
        let (dir, ours) = (tempfile::tempdir().unwrap(), authority("ours"));
        let tls = tls(dir.path(), &ours);
        let server = Arc::clone(&tls.settings().borrow().server);
        let mut roots = RootCertStore::empty();
        for own in tls::certificates(&dir.path().join("certificate.pem")).unwrap() {
            roots.add(own).unwrap();
        }
        let key = KeyPair::generate().unwrap();
        let signed = CertificateParams::default().signed_by(&key, &ours).unwrap();
        for version in [&TLS12, &TLS13] {
            let provider = Arc::new(ring::default_provider());
            let client = ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots.clone())
                .with_client_auth_cert(
                    vec![signed.der().clone()],
                    PrivateKeyDer::Pkcs8(key.serialize_der().into()),
                );
            let client = Arc::new(client.unwrap());
            for _ in 0..2 {
                assert_eq!(handshake(&client, &server).await, HandshakeKind::Full, "{version:?}");
            }
        }
    }
}
