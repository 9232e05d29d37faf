//! The TLS client for STARTTLS: rustls on ring, TLS 1.2 and 1.3.
//!
//! Opportunistic security (RFC 7435): a mail server's certificate is often self-signed, expired or
//! for another name, and a probe sends no secrets. So every certificate is accepted, and whether it
//! would have verified is recorded after the handshake.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, ProtocolVersion, RootCertStore, SignatureScheme,
};

use crate::address::DomainName;
use crate::smtp::dialogue::{Certificate, TlsFacts, TlsVersion};

/// TLS cannot be set up on this machine.
#[derive(Debug, thiserror::Error)]
pub enum TlsClientError {
    /// rustls refused its configuration.
    #[error("TLS could not be set up: {0}")]
    Setup(#[from] rustls::Error),
    /// The public roots could not be used.
    #[error("the public roots could not be used: {0}")]
    Roots(#[from] rustls::client::VerifierBuilderError),
}

/// Begins TLS on streams. Cheap to clone; keeps TLS session tickets for all sessions together.
#[derive(Clone)]
pub struct TlsClient {
    connector: TlsConnector,
    verifier: Arc<WebPkiServerVerifier>,
}

impl TlsClient {
    /// A client that accepts any certificate and records whether the public roots would.
    ///
    /// # Errors
    /// When rustls cannot be set up.
    pub fn new() -> Result<Self, TlsClientError> {
        let provider = Arc::new(ring::default_provider());
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone()).build()?;
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
            .with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), verifier })
    }

    /// Shakes hands with `exchanger` at `address`. The text of a failure says why; the stream comes
    /// back with it.
    pub(super) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        exchanger: &DomainName,
        address: IpAddr,
        now: SystemTime,
    ) -> Result<(Box<TlsStream<S>>, TlsFacts), (String, S)> {
        // A host name that TLS does not know as one (an underscore) goes without a name.
        let name = ServerName::try_from(exchanger.as_str().to_owned())
            .unwrap_or_else(|_| ServerName::from(address));
        let stream = self
            .connector
            .connect(name.clone(), stream)
            .into_fallible()
            .await
            .map_err(|(error, stream)| (error.to_string(), stream))?;
        let (_, connection) = stream.get_ref();
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => TlsVersion::Tls13,
            _ => TlsVersion::Tls12,
        };
        let cipher = connection
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("unnamed")
            .to_owned();
        let certificate = self.verify(connection.peer_certificates().unwrap_or(&[]), &name, now);
        Ok((Box::new(stream), TlsFacts { version, cipher, certificate }))
    }

    fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: SystemTime,
    ) -> Certificate {
        let Some((leaf, intermediates)) = chain.split_first() else {
            return Certificate::NotVerified("no certificate".to_owned());
        };
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let at = UnixTime::since_unix_epoch(since_1970);
        match self.verifier.verify_server_cert(leaf, intermediates, name, &[], at) {
            Ok(_) => Certificate::Verified,
            Err(error) => Certificate::NotVerified(error.to_string()),
        }
    }
}

/// Accepts every certificate, and every signature: who accepts any key gains nothing from a proof
/// of one, and old servers would be lost.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
