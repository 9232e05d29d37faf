//! TLS of the listener: rustls on ring, TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN.
//!
//! A client certificate is asked for if `client_ca` is set, and then a wrong one ends the
//! handshake.
//! One that is not shown does not: health needs none, and who may call is decided for each call, in
//! one place. Revocation lists are not read: take the authority away, or use short-lived
//! certificates. Both end the connections that are open.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_rustls::rustls;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::config::TlsFiles;
use super::file_watch::FileWatch;
use crate::pem_faults;

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing in the configuration.
    #[error("{0} is not set; TLS needs server.tls.certificate and server.tls.key")]
    Missing(&'static str),
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not the PEM that it should be. The fault quotes nothing of it.
    #[error("{} cannot be used: {fault}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Its fault, and the remedy.
        fault: String,
    },
    /// A file holds no certificate.
    #[error("{} holds no certificate", .0.display())]
    Empty(PathBuf),
    /// The key is that of another certificate.
    #[error(
        "the key of {} is not that of the first certificate of {}: give the key that it was made \
         with, and put the server's own certificate before those that lead to its authority",
        key.display(),
        certificate.display()
    )]
    OtherKey {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The certificate or its key is not valid.
    #[error("the certificate and key of server.tls cannot be used: {0}")]
    Identity(rustls::Error),
    /// A client authority is not valid.
    #[error("{} cannot be used to check client certificates: {reason}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// The certificate in use, and the files it comes from.
#[derive(Debug)]
pub(super) struct Tls {
    files: TlsFiles,
    watched: FileWatch,
    current: watch::Sender<TlsSettings>,
    /// The fault of the certificate's dates that was told last.
    told_lapse: Mutex<Option<&'static str>>,
}

/// The settings that the files give.
#[derive(Clone, Debug)]
pub(super) struct TlsSettings {
    /// The settings of a handshake.
    pub(super) server: Arc<ServerConfig>,
    /// Verifies client certificates; `None`: they are not asked for.
    pub(super) clients: Option<Arc<dyn ClientCertVerifier>>,
    /// The time in which the server's own certificate is valid; `None` if it cannot be read.
    validity: Option<Range<SystemTime>>,
}

impl Tls {
    /// Reads the files. Blocks on the file system.
    pub(super) fn open(files: &TlsFiles) -> Result<Self, TlsError> {
        let paths = [&files.certificate, &files.key, &files.client_ca];
        let watched = FileWatch::new(paths.into_iter().flatten().cloned().collect());
        let current = watch::Sender::new(read(files)?);
        Ok(Self { files: files.clone(), watched, current, told_lapse: Mutex::default() })
    }

    /// The settings of a new connection, and those that come after them.
    pub(super) fn settings(&self) -> watch::Receiver<TlsSettings> {
        self.current.subscribe()
    }

    /// Reads the files again if one has changed, and says whether. What cannot be used changes
    /// nothing. Blocks on the file system.
    pub(super) fn reload_if_changed(&self) -> Result<bool, TlsError> {
        if !self.watched.has_changed() {
            return Ok(false);
        }
        let read = read(&self.files);
        if matches!(read, Err(TlsError::File { .. })) {
            // The files are what they were to be; that they could not be read may pass.
            self.watched.look_again();
        }
        self.current.send_replace(read?);
        *self.told_lapse.lock() = None;
        Ok(true)
    }

    /// The fault that the dates of the server's own certificate have at `now`, and for which
    /// clients refuse it; `None` if there is none, or if it was told before.
    pub(super) fn untold_lapse(&self, now: SystemTime) -> Option<&'static str> {
        let lapse = match &self.current.borrow().validity {
            Some(validity) if now < validity.start => Some("it is not valid yet"),
            Some(validity) if now >= validity.end => Some("it has expired: renew it"),
            _ => None,
        };
        let told = std::mem::replace(&mut *self.told_lapse.lock(), lapse);
        lapse.filter(|_| told != lapse)
    }
}

fn read(files: &TlsFiles) -> Result<TlsSettings, TlsError> {
    let certificate = files.certificate.as_deref();
    let certificate = certificate.ok_or(TlsError::Missing("server.tls.certificate"))?;
    let key = files.key.as_deref().ok_or(TlsError::Missing("server.tls.key"))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Identity)?;
    let mut clients: Option<Arc<dyn ClientCertVerifier>> = None;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let authority = |reason: String| TlsError::Authority { path: path.clone(), reason };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| authority(error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error: VerifierBuilderError| authority(error.to_string()))?;
            clients = Some(Arc::clone(&verifier));
            builder.with_client_cert_verifier(verifier)
        }
    };
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unread(key, error))?;
    let chain = certificates(certificate)?;
    let validity = chain.first().and_then(validity);
    let identified = builder.with_single_cert(chain, secret);
    let mut config = identified.map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::OtherKey { certificate: certificate.to_owned(), key: key.to_owned() }
        }
        error => TlsError::Identity(error),
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if clients.is_some() {
        // A resumed session brings the certificate that its first handshake saw, also when that has
        // expired and its owner has a new one.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(TlsSettings { server: Arc::new(config), clients, validity })
}

/// The certificates of a PEM file, at least one. Blocks on the file system.
///
/// # Errors
///
/// If the file cannot be read or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |error| unread(path, error);
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    if certificates.is_empty() {
        return Err(TlsError::Empty(path.to_owned()));
    }
    Ok(certificates)
}

fn unread(path: &Path, error: pem::Error) -> TlsError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(source) => TlsError::File { path, source },
        error => TlsError::Pem { path, fault: pem_faults::describe(&error) },
    }
}

/// Name in a certificate: its first alternative name that is a DNS name, a URI or a mailbox, else
/// its subject's common name. `None` if it has none of them.
pub(super) fn name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let alternative = alternatives.and_then(|names| {
        names.value.general_names.iter().find_map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => {
                Some((*name).to_owned())
            }
            _ => None,
        })
    });
    let common = || {
        let mut names = certificate.subject().iter_common_name();
        names.next().and_then(|name| name.as_str().ok()).map(str::to_owned)
    };
    alternative.or_else(common).filter(|name| !name.is_empty())
}

/// The time from which on a certificate is not valid any more; `None` if it cannot be read.
pub(super) fn expiry(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let last = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or_default();
    // It is valid in its last second.
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(last.checked_add(1)?))
}

/// The time in which a certificate is valid; `None` if it cannot be read.
fn validity(certificate: &CertificateDer<'_>) -> Option<Range<SystemTime>> {
    let end = expiry(certificate)?;
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let first = u64::try_from(certificate.validity().not_before.timestamp()).unwrap_or_default();
    Some(SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(first))?..end)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn named(common: &str, alternatives: Vec<SanType>) -> Option<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if !common.is_empty() {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        params.subject_alt_names = alternatives;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        name(certificate.der())
    }

    #[test]
    fn a_certificate_is_named_by_its_alternative_name_else_by_its_common_name() {
        let dns = SanType::DnsName("crm.example".try_into().unwrap());
        let uri = SanType::URI("spiffe://example/crm".try_into().unwrap());
        let ip = SanType::IpAddress("192.0.2.1".parse().unwrap());
        assert_eq!(named("crm", vec![]).as_deref(), Some("crm"));
        assert_eq!(named("crm", vec![dns]).as_deref(), Some("crm.example"));
        assert_eq!(named("crm", vec![ip, uri]).as_deref(), Some("spiffe://example/crm"));
        assert_eq!(named("", vec![]), None);
        assert_eq!(name(&CertificateDer::from(vec![1, 2, 3])), None);
    }

    #[test]
    fn a_file_that_is_missing_or_wrong_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("empty.pem");
        std::fs::write(&file, "nothing").unwrap();
        let open = |certificate: Option<&Path>, key: Option<&Path>| {
            let files = TlsFiles {
                certificate: certificate.map(Path::to_path_buf),
                key: key.map(Path::to_path_buf),
                client_ca: None,
            };
            Tls::open(&files).unwrap_err().to_string()
        };
        assert!(open(None, Some(&file)).contains("server.tls.certificate"));
        assert!(open(Some(&file), None).contains("server.tls.key"));
        let missing = dir.path().join("missing.pem");
        assert!(open(Some(&file), Some(&missing)).contains("missing.pem"));
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = dir.path().join("key.pem");
        std::fs::write(&key, signed.signing_key.serialize_pem()).unwrap();
        assert!(open(Some(&file), Some(&key)).contains("empty.pem"));
    }

    #[test]
    fn a_certificate_whose_time_has_not_come_or_is_over_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = at(1_000_000).into();
        params.not_after = at(2_000_000).into();
        let own = KeyPair::generate().unwrap();
        let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| dir.path().join(name));
        std::fs::write(&certificate, params.self_signed(&own).unwrap().pem()).unwrap();
        std::fs::write(&key, own.serialize_pem()).unwrap();
        let (certificate, key) = (Some(certificate), Some(key));
        let tls = Tls::open(&TlsFiles { certificate, key, client_ca: None }).unwrap();
        assert!(tls.untold_lapse(at(999_999)).unwrap().contains("not valid yet"));
        assert_eq!(tls.untold_lapse(at(999_999)), None, "it was told");
        assert_eq!(tls.untold_lapse(at(1_000_000)), None);
        assert_eq!(tls.untold_lapse(at(2_000_000)), None, "its last second");
        assert!(tls.untold_lapse(at(2_000_001)).unwrap().contains("expired"));
        assert_eq!(tls.untold_lapse(at(2_000_002)), None, "it was told");
    }

    #[test]
    fn a_key_of_another_certificate_is_told_with_both_files() {
        let dir = tempfile::tempdir().unwrap();
        let [one, other] =
            [(); 2].map(|()| rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());
        let [chain, key] = ["chain.pem", "key.pem"].map(|name| dir.path().join(name));
        std::fs::write(&chain, other.cert.pem() + &one.cert.pem()).unwrap();
        std::fs::write(&key, one.signing_key.serialize_pem()).unwrap();
        let (certificate, key) = (Some(chain), Some(key));
        let error = Tls::open(&TlsFiles { certificate, key, client_ca: None }).unwrap_err();
        assert!(matches!(error, TlsError::OtherKey { .. }), "{error}");
        let told = error.to_string();
        assert!(told.contains("key.pem") && told.contains("chain.pem"), "{told}");
    }

    #[test]
    fn a_key_that_has_lost_its_line_breaks_stands_in_no_message() {
        let dir = tempfile::tempdir().unwrap();
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| dir.path().join(name));
        std::fs::write(&certificate, signed.cert.pem()).unwrap();
        std::fs::write(&key, signed.signing_key.serialize_pem().replace('\n', "")).unwrap();
        let (certificate, key) = (Some(certificate), Some(key));
        let error = Tls::open(&TlsFiles { certificate, key, client_ca: None }).unwrap_err();
        let octets = error.to_string().len() + format!("{error:?}").len();
        assert!(error.to_string().contains("key.pem") && octets < 500, "{octets} octets");
    }
}
