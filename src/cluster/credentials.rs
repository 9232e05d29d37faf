//! What replicas show each other: the secret of all, and certificates.

use std::path::Path;

use subtle::ConstantTimeEq as _;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Identity as TlsIdentity, ServerTlsConfig};

use super::ClusterError;
use super::config::Config;

/// The header with the secret.
pub(super) const AUTHORIZATION: &str = "authorization";

/// The name in the certificate of every replica.
const NAME: &str = "mailvet-replica";

/// The shortest secret.
const SHORTEST: usize = 16;

/// See the module.
pub(super) struct ReplicaCredentials {
    header: Option<MetadataValue<Ascii>>,
    tls: Option<(TlsIdentity, Certificate)>,
}

impl ReplicaCredentials {
    pub(super) fn read(config: &Config) -> Result<Self, ClusterError> {
        let header = config.secret_file.as_deref().map(read_secret).transpose()?;
        let tls = match (&config.certificate, &config.key, &config.ca) {
            (Some(certificate), Some(key), Some(ca)) => {
                let identity = TlsIdentity::from_pem(
                    read("cluster.certificate", certificate)?,
                    read("cluster.key", key)?,
                );
                Some((identity, Certificate::from_pem(read("cluster.ca", ca)?)))
            }
            _ => None,
        };
        Ok(Self { header, tls })
    }

    /// The header that goes with each call.
    pub(super) fn header(&self) -> Option<&MetadataValue<Ascii>> {
        self.header.as_ref()
    }

    /// `true` if a call shows the secret, or none is needed.
    pub(super) fn are_shown(&self, header: Option<&http::HeaderValue>) -> bool {
        let Some(expected) = &self.header else { return true };
        let shown = header.map(http::HeaderValue::as_bytes).unwrap_or_default();
        expected.as_encoded_bytes().ct_eq(shown).into()
    }

    pub(super) fn server_tls(&self) -> Option<ServerTlsConfig> {
        let (identity, ca) = self.tls.clone()?;
        Some(ServerTlsConfig::new().identity(identity).client_ca_root(ca))
    }

    pub(super) fn client_tls(&self) -> Option<ClientTlsConfig> {
        let (identity, ca) = self.tls.clone()?;
        Some(ClientTlsConfig::new().identity(identity).ca_certificate(ca).domain_name(NAME))
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, ClusterError> {
    std::fs::read(path).map_err(|error| ClusterError::File {
        key,
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

fn read_secret(path: &Path) -> Result<MetadataValue<Ascii>, ClusterError> {
    const KEY: &str = "cluster.secret_file";
    let wrong = |reason: &str| ClusterError::File {
        key: KEY,
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let text = String::from_utf8(read(KEY, path)?).map_err(|_| wrong("it is not text"))?;
    let secret = text.trim();
    if secret.len() < SHORTEST {
        return Err(wrong("it holds less than 16 characters; write a longer secret"));
    }
    let header = format!("Bearer {secret}").parse();
    let mut header: MetadataValue<Ascii> =
        header.map_err(|_| wrong("it holds characters that cannot stand in a header"))?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_with_another_secret_or_none_is_not_let_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let with = |text: &str| {
            std::fs::write(&file, text).unwrap();
            ReplicaCredentials::read(&Config {
                secret_file: Some(file.clone()),
                ..Config::default()
            })
        };
        let credentials = with("0123456789abcdef\n").unwrap();
        let shown =
            |text: &'static str| credentials.are_shown(Some(&http::HeaderValue::from_static(text)));
        assert!(shown("Bearer 0123456789abcdef"));
        assert!(!shown("Bearer 0123456789abcdeF") && !shown("") && !credentials.are_shown(None));
        assert!(with("short").err().unwrap().to_string().contains("cluster.secret_file"));
        assert!(with("0123456789\nabcdefgh").is_err());
    }
}
