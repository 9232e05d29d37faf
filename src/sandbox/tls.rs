//! TLS for the exchangers that offer it: one self-signed certificate for all of them.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::SandboxError;

/// An acceptor with a fresh certificate for these host names.
pub(super) fn acceptor(hosts: Vec<String>) -> Result<TlsAcceptor, SandboxError> {
    let tls = |error: &dyn std::fmt::Display| SandboxError::Tls(error.to_string());
    let signed = rcgen::generate_simple_self_signed(hosts).map_err(|e| tls(&e))?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| tls(&e))?
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .map_err(|e| tls(&e))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
