//! What replicas show each other: the secret of all, and certificates.

use std::path::Path;

use subtle::{Choice, ConstantTimeEq as _};
use tokio_rustls::TlsAcceptor;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::ClientTlsConfig;

use super::ClusterError;
use super::config::Config;
use super::tls::{ReplicaPem, ReplicaTls};

/// The header with the secret.
pub(super) const AUTHORIZATION: &str = "authorization";

/// The shortest secret.
const SHORTEST: usize = 16;

/// See the module.
pub(super) struct ReplicaCredentials {
    /// The first is shown, and each is accepted: while one replaces another, replicas have both.
    headers: Vec<MetadataValue<Ascii>>,
    tls: Option<ReplicaTls>,
}

impl ReplicaCredentials {
    /// Reads the files. Blocks on the file system.
    pub(super) fn read(config: &Config) -> Result<Self, ClusterError> {
        let headers = config.secret_file.as_deref().map(read_secrets).transpose()?;
        let tls = match (&config.certificate, &config.key, &config.ca) {
            (Some(certificate), Some(key), Some(ca)) => Some(ReplicaTls::new(&ReplicaPem {
                certificate: read("cluster.certificate", certificate)?,
                key: read("cluster.key", key)?,
                authority: read("cluster.ca", ca)?,
            })?),
            _ => None,
        };
        Ok(Self { headers: headers.unwrap_or_default(), tls })
    }

    /// The header that goes with each call.
    pub(super) fn header(&self) -> Option<&MetadataValue<Ascii>> {
        self.headers.first()
    }

    /// `true` if a call shows a secret, or none is needed.
    pub(super) fn are_shown(&self, header: Option<&http::HeaderValue>) -> bool {
        if self.headers.is_empty() {
            return true;
        }
        let shown = header.map(http::HeaderValue::as_bytes).unwrap_or_default();
        let matches = self.headers.iter().map(|one| one.as_encoded_bytes().ct_eq(shown));
        matches.fold(Choice::from(0), |any, one| any | one).into()
    }

    /// TLS of the port; `None`: in clear.
    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.tls.as_ref().map(ReplicaTls::acceptor)
    }

    /// TLS of the calls; `None`: in clear.
    pub(super) fn client_tls(&self) -> Option<ClientTlsConfig> {
        self.tls.as_ref().map(ReplicaTls::client)
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, ClusterError> {
    std::fs::read(path).map_err(|error| ClusterError::File {
        key,
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// The headers with the secrets of a file, one a line.
fn read_secrets(path: &Path) -> Result<Vec<MetadataValue<Ascii>>, ClusterError> {
    const KEY: &str = "cluster.secret_file";
    let wrong = |reason: &str| ClusterError::File {
        key: KEY,
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let text = String::from_utf8(read(KEY, path)?).map_err(|_| wrong("it is not text"))?;
    let secrets: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if secrets.is_empty() || secrets.iter().any(|secret| secret.len() < SHORTEST) {
        return Err(wrong(
            "a secret has at least 16 characters, one secret a line; write a longer one",
        ));
    }
    let header = |secret: &&str| -> Result<MetadataValue<Ascii>, ClusterError> {
        let header = format!("Bearer {secret}").parse();
        let mut header: MetadataValue<Ascii> =
            header.map_err(|_| wrong("it holds characters that cannot stand in a header"))?;
        header.set_sensitive(true);
        Ok(header)
    };
    secrets.iter().map(header).collect()
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
        assert!(with("0123456789\nabcdefgh").is_err() && with("\n").is_err());
    }

    #[test]
    fn while_one_secret_replaces_another_both_are_accepted_and_the_first_is_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "the new secret of all\n\nthe old secret of all\n").unwrap();
        let secret_file = Some(file.path().to_owned());
        let config = Config { secret_file, ..Config::default() };
        let credentials = ReplicaCredentials::read(&config).unwrap();
        assert_eq!(credentials.header().unwrap(), "Bearer the new secret of all");
        for (shown, accepted) in [
            ("Bearer the new secret of all", true),
            ("Bearer the old secret of all", true),
            ("Bearer the old secret of alL", false),
            ("Bearer ", false),
        ] {
            let header = http::HeaderValue::from_static(shown);
            assert_eq!(credentials.are_shown(Some(&header)), accepted, "{shown}");
        }
    }

    #[test]
    fn certificates_that_cannot_be_used_are_told_before_anybody_asks() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        let (one, other) =
            (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
        let params = rcgen::CertificateParams::new(vec!["mailvet-replica".to_owned()]).unwrap();
        let certificate = params.self_signed(&one).unwrap().pem();
        let good = Config {
            certificate: write("certificate", certificate.clone()),
            key: write("key", one.serialize_pem()),
            ca: write("ca", certificate),
            ..Config::default()
        };
        assert!(ReplicaCredentials::read(&good).is_ok());
        let garbage = || write("garbage", "change me".to_owned());
        for wrong in [
            Config { certificate: garbage(), ..good.clone() },
            Config { key: garbage(), ..good.clone() },
            Config { ca: garbage(), ..good.clone() },
            Config { key: write("other", other.serialize_pem()), ..good.clone() },
        ] {
            let error = ReplicaCredentials::read(&wrong).err().expect("it cannot be used");
            assert!(matches!(error, ClusterError::Tls(_)), "{error}");
            let problems = crate::cluster::problems(
                &Config { listen: Some(([127, 0, 0, 1], 1).into()), ..wrong },
                true,
            );
            assert_eq!(problems, [error.to_string()]);
        }
    }
}
