//! The effective configuration: one TOML file, then `MAILVET_*` variables, then flags; the last one
//! wins. Each part owns its own `Config`; this file only puts them together.
//!
//! A variable names a key with two underscores for each dot: `MAILVET_SMTP__HELO_NAME` is
//! `smtp.helo_name`. `MAILVET_CONFIG` names the file. Unknown keys are errors everywhere.
//! `MAILVET_API_KEY` is what a client shows, and no configuration.

mod empty_setting;
mod longest_time;
mod page;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::toml_reader::{self, TomlError};
use crate::{
    batch, cache, callbacks, campaign, cluster, dns, doctor, grpc, lists, metrics, outcomes,
    posture, prober, registration, smtp, telemetry, verdict, verifier,
};

use empty_setting::first_empty;
use longest_time::too_long;
pub use page::commented;

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The gRPC service.
    pub server: grpc::Config,
    /// The verifier.
    pub verifier: verifier::Config,
    /// Actions by reason.
    pub policy: verdict::Policy,
    /// Whole lists.
    pub batch: batch::Config,
    /// Callbacks about batches.
    pub callbacks: callbacks::Config,
    /// The store that several services share.
    pub store: batch::StoreConfig,
    /// The egress addresses that several services share.
    pub cluster: cluster::Config,
    /// The SMTP sessions.
    pub smtp: smtp::Config,
    /// The lanes: budgets and manners.
    pub prober: prober::Config,
    /// DNS.
    pub dns: dns::Config,
    /// Caching.
    pub cache: cache::Config,
    /// Thresholds for hard bounces of a campaign.
    pub preflight: campaign::preflight::Config,
    /// Roles, free providers, disposable domains.
    pub lists: lists::Config,
    /// Meaning of replies.
    pub replies: RepliesConfig,
    /// Outcomes of earlier mail.
    pub outcomes: outcomes::Config,
    /// Registration data of domains.
    pub registration: registration::Config,
    /// Postures of domains: what strict senders meet there.
    pub posture: posture::Config,
    /// Measurements, and whether the service is ready, on a port of their own.
    pub metrics: metrics::Config,
    /// Checks of `mailvet doctor`.
    pub doctor: doctor::Config,
    /// Logs.
    pub log: telemetry::Config,
    /// Traces.
    pub trace: telemetry::TraceConfig,
}

/// Meaning of replies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RepliesConfig {
    /// A file with rules for replies that come before the built-in ones. Default none.
    pub rules: Option<PathBuf>,
}

/// Why the configuration could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("the configuration file {} cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The file says something that is not configuration.
    #[error("the configuration file {} is not valid: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The parser's error.
        reason: TomlError,
    },
    /// A variable names no key, or its value does not fit.
    #[error("{name} is not valid: {reason}; unset it or see `mailvet config` for the keys")]
    Variable {
        /// The variable.
        name: String,
        /// Why.
        reason: String,
    },
    /// A time is longer than any that can be reckoned with.
    #[error("{key} is longer than 1000 years, the longest time that a setting may be: give less")]
    TooLong {
        /// The key.
        key: String,
    },
    /// A text is given that is empty.
    #[error("{key} is empty: give it a value, or leave it out and unset its variable")]
    Empty {
        /// The key.
        key: String,
    },
    /// The parts do not fit together.
    #[error("the configuration is not valid: {0}")]
    Merged(TomlError),
}

/// The prefix of the variables that are read.
const PREFIX: &str = "MAILVET_";

/// The variable that names the file.
pub const FILE_VARIABLE: &str = "MAILVET_CONFIG";

/// The variable that holds the API key which commands that ask a service show it. It is no
/// configuration key.
const API_KEY_VARIABLE: &str = "MAILVET_API_KEY";

/// The API key to show to a service, if the environment holds one.
#[must_use]
pub fn api_key() -> Option<String> {
    let key = environment().into_iter().find(|(name, _)| name == API_KEY_VARIABLE);
    key.map(|(_, key)| key).filter(|key| !key.is_empty())
}

/// The process's own `MAILVET_*` variables. What is not UTF-8 in a value is U+FFFD, which
/// [`load`] refuses; what other variables hold is no affair of ours.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn environment() -> Vec<(String, String)> {
    let all =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let ours = all.filter(|(name, _)| name.starts_with(PREFIX));
    ours.map(|(name, value)| (name, value.to_string_lossy().into_owned())).collect()
}

/// Default state directory of the process: `mailvet` in `XDG_STATE_HOME`, else in
/// `.local/state` of `HOME`; `None` if there is neither.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn state_dir() -> Option<PathBuf> {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = named("XDG_STATE_HOME").or_else(|| Some(named("HOME")?.join(".local/state")))?;
    Some(state.join("mailvet"))
}

/// The configuration file that `environment` names. An empty variable names none: Compose sets one
/// for `${NAME:-}`.
#[must_use]
pub fn file_from(environment: &[(String, String)]) -> Option<PathBuf> {
    let mut named = environment.iter().filter(|(name, _)| name == FILE_VARIABLE);
    named.find(|(_, path)| !path.is_empty()).map(|(_, path)| path.into())
}

/// Puts the configuration together.
///
/// `file` comes before the file that `MAILVET_CONFIG` names; `flags` holds the keys that flags set.
///
/// # Errors
///
/// If something cannot be read, names no key, or does not fit; the error names the file or the
/// variable.
pub fn load(
    file: Option<&Path>,
    environment: &[(String, String)],
    flags: Table,
) -> Result<Config, ConfigError> {
    let path = file.map(Path::to_path_buf).or_else(|| file_from(environment));
    let mut merged = path.as_deref().map(read_file).transpose()?.unwrap_or_default();
    for (name, value) in environment {
        if name != FILE_VARIABLE && name != API_KEY_VARIABLE {
            merge(&mut merged, variable(name, value)?);
        }
    }
    merge(&mut merged, flags);
    if let Some(key) = too_long(&merged) {
        return Err(ConfigError::TooLong { key });
    }
    let config = Config::deserialize(merged).map_err(|error| ConfigError::Merged(error.into()))?;
    match first_empty(&config) {
        Some(key) => Err(ConfigError::Empty { key }),
        None => Ok(config),
    }
}

/// The variables of `environment` that set another value than the file has for the same key. They
/// count, and whoever wrote the file may not know of them: an image sets some.
#[must_use]
pub fn outvoting(file: Option<&Path>, environment: &[(String, String)]) -> Vec<String> {
    let path = file.map(Path::to_path_buf).or_else(|| file_from(environment));
    // What cannot be read is told where it is needed.
    let Some(Ok(file)) = path.as_deref().map(read_file) else { return Vec::new() };
    let outvotes = |(name, value): &&(String, String)| {
        let counted = name != FILE_VARIABLE && name != API_KEY_VARIABLE;
        counted && variable(name, value).is_ok_and(|over| differs(&file, &over))
    };
    environment.iter().filter(outvotes).map(|(name, _)| name.clone()).collect()
}

/// `true` if a key of `over` has another value in `base`.
fn differs(base: &Table, over: &Table) -> bool {
    over.iter().any(|(key, value)| match (base.get(key), value) {
        (Some(Value::Table(base)), Value::Table(over)) => differs(base, over),
        (Some(base), value) => base != value,
        (None, _) => false,
    })
}

/// Reads the file, checked by itself so that an error points to its line.
fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|reason| ConfigError::Unreadable { path: path.to_path_buf(), reason })?;
    let wrong = |reason| ConfigError::File { path: path.to_path_buf(), reason };
    toml_reader::read::<Config>(&text).map_err(wrong)?;
    toml_reader::read(&text).map_err(wrong)
}

/// The one key that a variable sets: its value as TOML, as a plain string, or as a list with
/// commas, whichever fits the key first.
fn variable(name: &str, value: &str) -> Result<Table, ConfigError> {
    if value.contains(char::REPLACEMENT_CHARACTER) {
        let reason = "it is not UTF-8".to_owned();
        return Err(ConfigError::Variable { name: name.to_owned(), reason });
    }
    let path: Vec<String> = name[PREFIX.len()..].split("__").map(str::to_ascii_lowercase).collect();
    let literal = toml::from_str::<Table>(&format!("value = {value}"))
        .ok()
        .and_then(|mut table| table.remove("value"));
    let text = Value::String(value.to_owned());
    let list =
        Value::Array(value.split(',').map(|item| Value::String(item.trim().into())).collect());
    let mut reason = String::new();
    for candidate in literal.into_iter().chain([text, list]) {
        let table = nested(&path, candidate);
        match Config::deserialize(table.clone()) {
            Ok(_) => return Ok(table),
            Err(error) if reason.is_empty() => reason = TomlError::from(error).to_string(),
            Err(_) => {}
        }
    }
    Err(ConfigError::Variable { name: name.to_owned(), reason })
}

/// A table with one key, `path`.
fn nested(path: &[String], value: Value) -> Table {
    let mut value = value;
    for key in path.iter().rev() {
        value = Value::Table(Table::from_iter([(key.clone(), value)]));
    }
    match value {
        Value::Table(table) => table,
        _ => Table::new(),
    }
}

/// Lays `over` over `base`, table by table.
pub fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn variables(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn flags(text: &str) -> Table {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_variable_that_outvotes_the_file_is_named() {
        let file = file("[server]\nlisten = \"[::]:50051\"\n[smtp]\nport = 2525\n");
        let set = variables(&[
            ("MAILVET_SERVER__LISTEN", "0.0.0.0:50051"),
            ("MAILVET_SMTP__PORT", "2525"),
            ("MAILVET_SMTP__HELO_NAME", "a.test"),
            ("MAILVET_API_KEY", "x"),
        ]);
        assert_eq!(outvoting(Some(file.path()), &set), ["MAILVET_SERVER__LISTEN"]);
        assert!(outvoting(None, &set).is_empty());
    }

    #[test]
    fn the_last_word_wins_file_then_variables_then_flags() {
        let file =
            file("[smtp]\nport = 2525\nhelo_name = \"file.test\"\n[log]\nlevel = \"warn\"\n");
        let environment =
            variables(&[("MAILVET_SMTP__PORT", "2626"), ("MAILVET_SMTP__HELO_NAME", "env.test")]);
        let config =
            load(Some(file.path()), &environment, flags("smtp = { port = 2727 }")).unwrap();
        assert_eq!(config.smtp.port, 2727);
        assert_eq!(config.smtp.helo_name.unwrap().as_str(), "env.test");
        assert_eq!(config.log.level, "warn");
    }

    #[test]
    fn a_variable_may_be_a_plain_word_or_a_list_with_commas() {
        let environment = variables(&[
            ("MAILVET_LOG__FORMAT", "json"),
            ("MAILVET_DNS__NAMESERVERS", "127.0.0.1:5353, [::1]:53"),
            ("MAILVET_SERVER__DRAIN_TIMEOUT", "5s"),
            ("MAILVET_SERVER__TLS__KEY", "/k.pem"),
            ("MAILVET_API_KEY", "is no configuration"),
        ]);
        let config = load(None, &environment, Table::new()).unwrap();
        assert_eq!(config.log.format, telemetry::LogFormat::Json);
        assert_eq!(config.dns.nameservers.len(), 2);
        assert_eq!(config.server.drain_timeout.as_secs(), 5);
        assert_eq!(config.server.tls.key.as_deref(), Some(Path::new("/k.pem")));
    }

    #[test]
    fn a_file_may_be_named_by_a_variable() {
        let file = file("[smtp]\nport = 2525\n");
        let environment = variables(&[("MAILVET_CONFIG", file.path().to_str().unwrap())]);
        assert_eq!(load(None, &environment, Table::new()).unwrap().smtp.port, 2525);
    }

    #[test]
    fn an_empty_variable_names_no_file() {
        let environment = variables(&[("MAILVET_CONFIG", "")]);
        assert_eq!(load(None, &environment, Table::new()).unwrap(), Config::default());
        assert_eq!(outvoting(None, &environment), Vec::<String>::new());
    }

    #[test]
    fn an_unknown_key_in_the_file_is_an_error_with_its_line() {
        let file = file("[smtp]\nport = 25\nprot = 26\n");
        let error = load(Some(file.path()), &[], Table::new()).unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("prot"), "{error}");
    }

    #[test]
    fn an_unknown_variable_or_a_value_that_does_not_fit_is_named() {
        for (name, value) in [
            ("MAILVET_SMTP__PROT", "25"),
            ("MAILVET_SMTP__PORT", "many"),
            ("MAILVET_SMPT__PORT", "25"),
            ("MAILVET_", "x"),
        ] {
            let error = load(None, &variables(&[(name, value)]), Table::new()).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load(Some(Path::new("/nowhere/m.toml")), &[], Table::new()).unwrap_err();
        assert!(error.to_string().contains("/nowhere/m.toml"), "{error}");
    }

    #[test]
    fn what_is_printed_can_be_read_back() {
        let config = Config::default();
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), config);
    }
}
