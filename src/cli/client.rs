//! A client of a running service: where it is, whom to trust, and what to show of oneself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};

use crate::config;

/// The way to reach a service, for commands that ask one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
#[serde(default)]
#[command(next_help_heading = "The service to ask")]
pub(super) struct ClientArgs {
    /// The authorities to trust with an https:// service, as PEM [default: the public ones]
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The certificate to show, as PEM
    #[arg(long, global = true, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// The private key of that certificate, as PEM
    #[arg(long, global = true, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// A file that holds the API key to send [default: MAILVET_API_KEY]
    #[arg(long, global = true, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
}

/// The URL of a service, as a flag has it.
///
/// # Errors
///
/// If it has no scheme, which is the usual slip, or is no URL.
pub(super) fn server_url(text: &str) -> Result<String, String> {
    let is_url = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    if !is_url {
        return Err(format!("give http:// or https://, as in http://{text}"));
    }
    match Endpoint::from_shared(text.to_owned()) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("write http://HOST:PORT or https://HOST:PORT".to_owned()),
    }
}

/// A connected client that shows its API key, if it has one, with each call.
pub(super) type Client = InterceptedService<Channel, ShowKey>;

/// The identity accepted as the service.
#[derive(Clone, Debug)]
pub(super) enum Trust {
    /// A service with a certificate from a trusted authority.
    Authorities,
    /// The first certificate of this file, whatever it names: our own service, asked at
    /// an address that no certificate is for.
    Exactly(PathBuf),
    /// A service on this machine, with any certificate: it is shown nothing, and what it says is
    /// worth no more than that something answers.
    Whichever,
}

impl ClientArgs {
    /// The same with absolute paths.
    pub(super) fn absolute(&self) -> std::io::Result<Self> {
        let absolute = |path: &Option<PathBuf>| path.as_ref().map(std::path::absolute).transpose();
        Ok(Self {
            ca: absolute(&self.ca)?,
            client_cert: absolute(&self.client_cert)?,
            client_key: absolute(&self.client_key)?,
            api_key_file: absolute(&self.api_key_file)?,
        })
    }

    /// `true` if a file is named here and another, or none, in `begun`.
    pub(super) fn differs(&self, begun: &Self) -> bool {
        let other = |given: &Option<PathBuf>, begun| given.is_some() && given != begun;
        other(&self.ca, &begun.ca)
            || other(&self.client_cert, &begun.client_cert)
            || other(&self.client_key, &begun.client_key)
            || other(&self.api_key_file, &begun.api_key_file)
    }

    /// `true` if an API key would be shown.
    pub(super) fn shows_key(&self) -> bool {
        self.api_key_file.is_some() || config::api_key().is_some()
    }

    /// Connects to the service at `url`, within `connect_within`. `longest_call`: how long each
    /// call may take until its answer begins.
    pub(super) async fn connect(
        &self,
        url: &str,
        trust: &Trust,
        connect_within: Duration,
        longest_call: Option<Duration>,
    ) -> anyhow::Result<Client> {
        let key = match trust {
            Trust::Whichever => None,
            Trust::Authorities | Trust::Exactly(_) => self.key()?,
        };
        let mut endpoint = Endpoint::from_shared(url.to_owned())
            .with_context(|| format!("{url} is not a URL; write http://HOST:PORT or https://"))?
            .connect_timeout(connect_within);
        if let Some(longest) = longest_call {
            endpoint = endpoint.timeout(longest);
        }
        if endpoint.uri().scheme_str() == Some("https") {
            endpoint = match trust {
                Trust::Authorities => endpoint.tls_config(self.tls(true)?)?,
                Trust::Exactly(file) => {
                    let verifier = Arc::new(Pinned::read(file)?);
                    endpoint.tls_config_with_verifier(self.tls(false)?, verifier)?
                }
                Trust::Whichever => endpoint
                    .tls_config_with_verifier(ClientTlsConfig::new(), Arc::new(Pinned::none()))?,
            };
        }
        Ok(InterceptedService::new(endpoint.connect().await?, ShowKey(key)))
    }

    fn tls(&self, with_authorities: bool) -> anyhow::Result<ClientTlsConfig> {
        let mut tls = ClientTlsConfig::new();
        tls = match &self.ca {
            _ if !with_authorities => tls,
            Some(file) => tls.ca_certificate(Certificate::from_pem(read(file)?)),
            None => tls.trust_anchors(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        };
        if let (Some(certificate), Some(key)) = (&self.client_cert, &self.client_key) {
            tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        Ok(tls)
    }

    /// The API key to show, from the file or the environment.
    fn key(&self) -> anyhow::Result<Option<MetadataValue<Ascii>>> {
        let key = match &self.api_key_file {
            Some(file) => Some(String::from_utf8(read(file)?).context("an API key is text")?),
            None => config::api_key(),
        };
        let Some(key) = key else { return Ok(None) };
        // The error must not show it.
        let value = MetadataValue::try_from(format!("Bearer {}", key.trim()));
        let mut value = value.ok().context("the API key holds characters that no key has")?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

/// Shows the API key.
#[derive(Clone, Debug)]
pub(super) struct ShowKey(Option<MetadataValue<Ascii>>);

impl ShowKey {
    /// Shows none: to this process itself.
    pub(super) const NOTHING: Self = Self(None);
}

impl Interceptor for ShowKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            request.metadata_mut().insert("authorization", key.clone());
        }
        Ok(request)
    }
}

/// Takes one certificate for the service's, or whichever it shows, and checks that the service has
/// its key.
#[derive(Debug)]
struct Pinned {
    certificate: Option<CertificateDer<'static>>,
    provider: CryptoProvider,
}

impl Pinned {
    fn read(file: &Path) -> anyhow::Result<Self> {
        let certificate = Some(crate::grpc::certificates(file)?.swap_remove(0));
        Ok(Self { certificate, provider: ring::default_provider() })
    }

    fn none() -> Self {
        Self { certificate: None, provider: ring::default_provider() }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.certificate.as_ref().is_none_or(|own| own == end_entity) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::UnknownIssuer.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn shown(text: &str) -> anyhow::Result<Request<()>> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(text.as_bytes())?;
        let path = Some(file.path().to_path_buf());
        let client = ClientArgs { api_key_file: path, ..ClientArgs::default() };
        Ok(ShowKey(client.key()?).call(Request::new(()))?)
    }

    #[test]
    fn the_key_of_a_file_is_shown_with_each_call_without_the_line_s_end() {
        let request = shown("mailvet_0123\n").unwrap();
        assert_eq!(request.metadata().get("authorization").unwrap(), "Bearer mailvet_0123");
    }

    #[test]
    fn a_key_that_cannot_be_shown_is_not_in_the_error() {
        let error = format!("{:?}", shown("hush\u{1}hush").unwrap_err());
        assert!(error.contains("no key has") && !error.contains("hush"), "{error}");
    }
}
