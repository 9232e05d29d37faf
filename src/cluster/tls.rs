//! TLS between replicas: rustls on ring, HTTP/2 by ALPN, and a certificate from both ends.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity as TlsIdentity};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::ClusterError;
use crate::pem_faults;

/// The name in the certificate of every replica.
const NAME: &str = "mailvet-replica";

/// A replica's certificate with its key, and the authority of all replicas, in PEM.
pub(super) struct ReplicaPem {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) authority: Vec<u8>,
}

/// Both ends of a connection between replicas.
#[derive(Clone)]
pub(super) struct ReplicaTls {
    server: TlsAcceptor,
    client: ClientTlsConfig,
}

impl ReplicaTls {
    /// Takes the certificates in, for both ends: what cannot be used is told now, and not when
    /// the first replica asks.
    pub(super) fn new(pem: &ReplicaPem) -> Result<Self, ClusterError> {
        let server = server_config(pem)?;
        let client = ClientTlsConfig::new()
            .identity(TlsIdentity::from_pem(&pem.certificate, &pem.key))
            .ca_certificate(Certificate::from_pem(&pem.authority))
            .domain_name(NAME);
        let address = format!("https://{NAME}");
        let tried = Endpoint::from_shared(address).and_then(|it| it.tls_config(client.clone()));
        tried.map_err(|error| ClusterError::Tls(words(&error)))?;
        Ok(Self { server: TlsAcceptor::from(Arc::new(server)), client })
    }

    /// The end that is asked.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.server.clone()
    }

    /// The end that asks.
    pub(super) fn client(&self) -> ClientTlsConfig {
        self.client.clone()
    }
}

fn server_config(pem: &ReplicaPem) -> Result<ServerConfig, ClusterError> {
    let wrong = |reason: String| ClusterError::Tls(reason);
    let mut roots = RootCertStore::empty();
    for certificate in certificates("cluster.ca", &pem.authority)? {
        roots.add(certificate).map_err(|error| wrong(format!("cluster.ca: {error}")))?;
    }
    let provider = Arc::new(ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| wrong(format!("cluster.ca: {error}")))?;
    let chain = certificates("cluster.certificate", &pem.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&pem.key)
        .map_err(|error| wrong(format!("cluster.key: {}", pem_faults::describe(&error))))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| wrong(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn certificates(
    key: &'static str,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, ClusterError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read
        .map_err(|error| ClusterError::Tls(format!("{key}: {}", pem_faults::describe(&error))))?;
    if read.is_empty() {
        return Err(ClusterError::Tls(format!("{key} holds no certificate")));
    }
    Ok(read)
}

/// An error with its causes: of most transport errors the first words say nothing.
pub(super) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
