//! The way to the database: its URL, its password, TLS.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::error::{PostgresError, described};
use crate::batch::store::StoreConfig;
use crate::pem_faults;

/// Longest wait for a connection to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for a connection of the pool to be free.
const WAIT_TIMEOUT: Duration = Duration::from_secs(20);

/// Statements that a connection keeps prepared before it begins anew: each batch with tables of its
/// own has some.
const PREPARED: usize = 500;

/// Settings of every session. A statement that takes longer is ended, and so is a transaction whose
/// client has died. Every statement goes along an index, whatever the database knows of its tables:
/// they grow and are emptied faster than it counts them, and a plan that reads a whole table costs
/// more with every row of a list. What takes whole tables says so, see [`WHOLE_TABLES`].
const SESSION: &str = "-c statement_timeout=30s -c lock_timeout=15s \
     -c idle_in_transaction_session_timeout=60s -c jit=off -c enable_seqscan=off \
     -c enable_bitmapscan=off -c enable_hashjoin=off -c enable_mergejoin=off \
     -c max_parallel_workers_per_gather=0 \
     -c client_min_messages=warning -c standard_conforming_strings=on";

/// Settings of a transaction whose statements take whole tables.
pub(crate) const WHOLE_TABLES: &str = "SET LOCAL enable_seqscan = on; \
     SET LOCAL enable_bitmapscan = on; SET LOCAL enable_hashjoin = on; \
     SET LOCAL enable_mergejoin = on;";

/// A database, as the configuration names it.
#[derive(Clone)]
pub struct DatabaseTarget {
    pub(super) config: tokio_postgres::Config,
    pub(super) tls: MakeRustlsConnect,
    /// The database, as errors name it.
    pub(super) place: String,
}

impl DatabaseTarget {
    /// Reads the configuration, and the files it names.
    ///
    /// # Errors
    /// If one of them cannot be used.
    pub fn read(store: &StoreConfig) -> Result<Self, PostgresError> {
        let url = store.url.as_deref().unwrap_or_default();
        let mut config = parse(url)?;
        if let Some(path) = &store.password_file {
            let text = std::fs::read_to_string(path).map_err(|error| PostgresError::File {
                key: "store.password_file",
                path: path.clone(),
                reason: error.to_string(),
            })?;
            config.password(text.trim_end_matches(['\r', '\n']));
        }
        let place = place(&config);
        config.options(SESSION).connect_timeout(CONNECT_TIMEOUT);
        config.keepalives(true).keepalives_idle(Duration::from_secs(15));
        config.tcp_user_timeout(Duration::from_secs(20));
        if config.get_application_name().is_none() {
            config.application_name("mailvet");
        }
        if config.get_hosts().len() > 1 {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(Self { config, tls: MakeRustlsConnect::new(tls(store.ca.as_deref())?), place })
    }

    /// The hosts and the database, as errors name them.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// A pool of connections.
    ///
    /// # Errors
    /// If it cannot be set up.
    pub fn pool(&self, connections: usize) -> Result<Pool, PostgresError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(self.config.clone(), self.tls.clone(), recycling);
        let tidy = Hook::sync_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
            if client.statement_cache.size() > PREPARED {
                client.statement_cache.clear();
            }
            Ok(())
        });
        let built = Pool::builder(manager)
            .max_size(connections.max(1))
            .wait_timeout(Some(WAIT_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT * 2))
            .runtime(Runtime::Tokio1)
            .post_recycle(tidy)
            .build();
        built.map_err(|error| self.unusable(&error.to_string()))
    }

    /// The error for a database that cannot be used.
    pub(super) fn unusable(&self, reason: &str) -> PostgresError {
        PostgresError::Unusable { place: self.place.clone(), reason: reason.to_owned() }
    }

    /// The same for what the database says.
    pub(super) fn refused(&self, error: &tokio_postgres::Error) -> PostgresError {
        self.unusable(&described(error))
    }
}

/// Reads a URL, with the manners of this machine or of the network.
fn parse(url: &str) -> Result<tokio_postgres::Config, PostgresError> {
    let wrong = |reason: &str| PostgresError::Url(reason.to_owned());
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(wrong("a URL such as postgres://mailvet@db.example.com/mailvet is wanted"));
    }
    // The driver knows no names for what is done anyway.
    let url = url.replace("sslmode=verify-full", "sslmode=require");
    let mut config: tokio_postgres::Config =
        url.parse().map_err(|error: tokio_postgres::Error| wrong(&described(&error)))?;
    if config.get_password().is_some() {
        return Err(wrong(
            "a password does not belong there: put it into a file, and name that with \
             store.password_file",
        ));
    }
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(wrong("it names no host"));
    }
    if config.get_dbname().is_none() {
        return Err(wrong("it names no database"));
    }
    if config.get_user().is_none() {
        return Err(wrong("it names no user"));
    }
    let is_here = config.get_hosts().iter().all(is_this_machine)
        && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
    match (is_here, config.get_ssl_mode()) {
        (true, SslMode::Prefer) => config.ssl_mode(SslMode::Disable),
        (false, SslMode::Disable) => {
            return Err(wrong("beyond this machine TLS is required: take sslmode=disable away"));
        }
        (false, _) => config.ssl_mode(SslMode::Require),
        (true, _) => &mut config,
    };
    Ok(config)
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

/// The hosts and the database, without the user.
fn place(config: &tokio_postgres::Config) -> String {
    let ports = config.get_ports();
    let named = config.get_hosts().iter().enumerate().map(|(at, host)| {
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) if name.contains(':') => format!("[{name}]:{port}"),
            Host::Tcp(name) => format!("{name}:{port}"),
            Host::Unix(folder) => folder.display().to_string(),
        }
    });
    let hosts: Vec<String> = named.collect();
    format!("postgres://{}/{}", hosts.join(","), config.get_dbname().unwrap_or_default())
}

/// TLS that checks the certificate and the name.
fn tls(ca: Option<&Path>) -> Result<ClientConfig, PostgresError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca {
        let wrong =
            |reason: String| PostgresError::File { key: "store.ca", path: path.to_owned(), reason };
        let unread = |error: pem::Error| wrong(pem_faults::describe(&error));
        let mut count = 0;
        for certificate in CertificateDer::pem_file_iter(path).map_err(unread)? {
            let certificate = certificate.map_err(unread)?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            count += 1;
        }
        if count == 0 {
            return Err(wrong("it holds no certificate".to_owned()));
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| PostgresError::Url(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        parse(url).unwrap_err().to_string()
    }

    #[test]
    fn beyond_this_machine_tls_is_required() {
        for (url, mode) in [
            ("postgres://m@db.example.com/m", SslMode::Require),
            ("postgres://m@db.example.com/m?sslmode=verify-full", SslMode::Require),
            ("postgresql://m@10.0.0.1,127.0.0.1/m?sslmode=prefer", SslMode::Require),
            ("postgres://m@127.0.0.1:5433/m", SslMode::Disable),
            ("postgres://m@localhost/m?sslmode=require", SslMode::Require),
            ("postgres://m@%2Frun%2Fpostgresql/m", SslMode::Disable),
        ] {
            assert_eq!(parse(url).unwrap().get_ssl_mode(), mode, "{url}");
        }
        assert!(refused("postgres://m@db.example.com/m?sslmode=disable").contains("TLS"));
    }

    #[test]
    fn a_url_without_what_it_needs_is_refused() {
        assert!(refused("mysql://m@db/m").contains("postgres://"));
        assert!(refused("postgres://m:secret@db/m").contains("store.password_file"));
        assert!(!refused("postgres://m:secret@db/m").contains("secret"));
        assert!(refused("postgres://m@db").contains("no database"));
        assert!(refused("postgres:///m").contains("no host"));
        assert!(refused("postgres://db/m").contains("no user"));
    }

    #[test]
    fn an_error_names_the_hosts_and_no_user() {
        let config = parse("postgres://joe@a.example,b.example:5433/m").unwrap();
        assert_eq!(place(&config), "postgres://a.example:5432,b.example:5433/m");
        let config = parse("postgres://joe@[::1]/m").unwrap();
        assert_eq!(place(&config), "postgres://[::1]:5432/m");
    }
}
