//! TLS of the sandbox: an authority of its own, and certificates for those that offer TLS.

use std::collections::BTreeMap;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PublicKeyData as _,
};
use sha2::{Digest as _, Sha256, Sha512};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::ResolvesServerCertUsingSni;
use tokio_rustls::rustls::sign::CertifiedKey;

use super::SandboxError;
use super::certificate::{ServerCertificate, TlsaEntry};
use super::zone::RecordData;
use crate::address::DomainName;

/// A certificate with its key, and those above it.
struct HostCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    acceptor: TlsAcceptor,
}

/// The certificates of a sandbox.
pub(super) struct SandboxCertificates {
    authority: CertifiedIssuer<'static, KeyPair>,
    by_host: BTreeMap<DomainName, Arc<HostCertificate>>,
}

fn tls(error: &dyn std::fmt::Display) -> SandboxError {
    SandboxError::Tls(error.to_string())
}

impl SandboxCertificates {
    /// Fresh certificates for these hosts. Those that are self-signed share one.
    pub(super) fn new(
        hosts: impl Iterator<Item = (DomainName, ServerCertificate)>,
    ) -> Result<Self, SandboxError> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "The sandbox's authority");
        let key = KeyPair::generate().map_err(|error| tls(&error))?;
        let authority = CertifiedIssuer::self_signed(params, key).map_err(|error| tls(&error))?;
        let mut certificates = Self { authority, by_host: BTreeMap::new() };
        let mut self_signed = Vec::new();
        for (host, kind) in hosts {
            let name = match kind {
                ServerCertificate::SelfSigned => {
                    self_signed.push(host);
                    continue;
                }
                ServerCertificate::Issued => host.as_str(),
                ServerCertificate::OtherName => "elsewhere.test",
            };
            let issued = Arc::new(certificates.issue(name)?);
            certificates.by_host.insert(host, issued);
        }
        if !self_signed.is_empty() {
            let names: Vec<_> = self_signed.iter().map(|host| host.as_str().to_owned()).collect();
            let signed = rcgen::generate_simple_self_signed(names).map_err(|error| tls(&error))?;
            let chain = vec![signed.cert.der().clone()];
            let shared = Arc::new(HostCertificate::new(chain, signed.signing_key)?);
            let shared = self_signed.into_iter().map(|host| (host, Arc::clone(&shared)));
            certificates.by_host.extend(shared);
        }
        Ok(certificates)
    }

    fn issue(&self, name: &str) -> Result<HostCertificate, SandboxError> {
        let key = KeyPair::generate().map_err(|error| tls(&error))?;
        let params = CertificateParams::new([name.to_owned()]).map_err(|error| tls(&error))?;
        let own = params.signed_by(&key, &self.authority).map_err(|error| tls(&error))?;
        HostCertificate::new(vec![own.der().clone(), self.authority.der().clone()], key)
    }

    /// The authority's certificate, as DER.
    pub(super) fn authority(&self) -> &[u8] {
        self.authority.der()
    }

    /// The acceptor of an exchanger, if it has a certificate.
    pub(super) fn acceptor(&self, host: &DomainName) -> Option<TlsAcceptor> {
        self.by_host.get(host).map(|certificate| certificate.acceptor.clone())
    }

    /// The acceptor of several hosts on one socket: the name that a client asks for decides.
    pub(super) fn acceptor_by_name<'a>(
        &self,
        hosts: impl Iterator<Item = &'a DomainName>,
    ) -> Result<TlsAcceptor, SandboxError> {
        let mut by_name = ResolvesServerCertUsingSni::new();
        for host in hosts {
            let Some(certificate) = self.by_host.get(host) else { continue };
            let key = ring::sign::any_supported_type(&private_key(&certificate.key));
            let key = key.map_err(|error| tls(&error))?;
            let shown = CertifiedKey::new(certificate.chain.clone(), key);
            by_name.add(host.as_str(), shown).map_err(|error| tls(&error))?;
        }
        let config = server_config()?.with_cert_resolver(Arc::new(by_name));
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// The TLSA record of an exchanger.
    pub(super) fn tlsa(&self, host: &DomainName, entry: &TlsaEntry) -> RecordData {
        let TlsaEntry { usage, selector, matching, is_of_another } = *entry;
        let own = self.by_host.get(host);
        let part = match (usage, selector, own) {
            _ if is_of_another => b"another certificate".to_vec(),
            (2, 0, _) => self.authority.der().to_vec(),
            (2, _, _) => self.authority.key().subject_public_key_info(),
            (_, 0, Some(own)) => own.chain[0].to_vec(),
            (_, _, Some(own)) => own.key.subject_public_key_info(),
            (_, _, None) => b"a certificate that is not shown".to_vec(),
        };
        let data = match matching {
            1 => Sha256::digest(&part).to_vec(),
            2 => Sha512::digest(&part).to_vec(),
            _ => part,
        };
        RecordData::Tlsa { usage, selector, matching, data }
    }
}

impl HostCertificate {
    fn new(chain: Vec<CertificateDer<'static>>, key: KeyPair) -> Result<Self, SandboxError> {
        let config = server_config()?
            .with_single_cert(chain.clone(), private_key(&key))
            .map_err(|error| tls(&error))?;
        Ok(Self { chain, key, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}

fn private_key(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

type ConfigBuilder = tokio_rustls::rustls::ConfigBuilder<
    ServerConfig,
    tokio_rustls::rustls::server::WantsServerCert,
>;

fn server_config() -> Result<ConfigBuilder, SandboxError> {
    Ok(ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| tls(&error))?
        .with_no_client_auth())
}
