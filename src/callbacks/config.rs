//! Settings of callbacks. Pure.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::receiver::ReceiverUrl;
use crate::campaign::{BatchEvent, Callback};
use crate::smtp::AllowedNetworks;

/// Callbacks: the secrets that sign them, and the networks that may be called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The file with the secrets that callbacks are signed with, `whsec_` and base64 of 24 to 64
    /// octets, one a line: each signs, so that a new one can be put beside the old one. Read again
    /// for every call. Default none: callbacks are not taken.
    pub secrets: Option<PathBuf>,
    /// Further authorities, as PEM, whose certificates receivers may have. Default none: the public
    /// ones.
    pub ca: Option<PathBuf>,
    /// Networks that may be called although they are not public, such as `10.1.0.0/16`. Default
    /// none. Only on loopback `http` is taken.
    pub allow_networks: AllowedNetworks,
    /// The URL under which receivers reach this service, such as `https://mailvet.example.com`:
    /// links begin with it. Default empty.
    pub service_url: String,
    /// Callbacks of single API keys. Default none.
    pub keys: Vec<KeyCallbacks>,
}

/// Callbacks of the batches of one API key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyCallbacks {
    /// The name of the key.
    pub name: String,
    /// The file with the secrets that its callbacks are signed with, in place of
    /// `callbacks.secrets`. Default that one.
    pub secrets: Option<PathBuf>,
    /// The URL that is told about each of its batches that names no other one. Default none.
    pub url: Option<String>,
    /// The events that this URL is told about, such as `batch.finished`. Default all.
    pub events: Vec<String>,
}

impl Config {
    /// The file with the secrets that callbacks of this key's batches are signed with.
    #[must_use]
    pub fn secrets_of(&self, key: &str) -> Option<&Path> {
        let own = self.key(key).and_then(|key| key.secrets.as_deref());
        own.or(self.secrets.as_deref())
    }

    /// Every file with secrets, with the name of its setting.
    pub(super) fn secrets_files(&self) -> impl Iterator<Item = (String, &Path)> {
        let of_keys = self.keys.iter().filter_map(|key| {
            Some((format!("callbacks.keys ({}): secrets", key.name), key.secrets.as_deref()?))
        });
        let of_all = self.secrets.as_deref().map(|file| ("callbacks.secrets".to_owned(), file));
        of_all.into_iter().chain(of_keys)
    }

    /// The callback of those of this key's batches that name none.
    #[must_use]
    pub fn callback_of(&self, key: &str) -> Option<Callback> {
        let key = self.key(key)?;
        let events = key.events.iter().filter_map(|event| BatchEvent::parse(event)).collect();
        Some(Callback { url: key.url.clone()?, events, is_standing: true })
    }

    /// Everything in the settings of keys for which they could not be used, in words.
    pub(super) fn key_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (number, key) in self.keys.iter().enumerate() {
            let mut wrong = |why: String| {
                problems.push(format!("callbacks.keys ({}): {why}", key.name));
            };
            if key.name.is_empty() {
                wrong("name is missing: say whose callbacks they are".to_owned());
            }
            if self.keys[..number].iter().any(|earlier| earlier.name == key.name) {
                wrong("this key is named twice".to_owned());
            }
            if let Some(url) = &key.url {
                if let Err(error) = ReceiverUrl::parse(url) {
                    wrong(format!("url {error}"));
                }
                if self.secrets_of(&key.name).is_none() {
                    wrong("no secret signs its callbacks: name a file in secrets".to_owned());
                }
            }
            for event in key.events.iter().filter(|event| BatchEvent::parse(event).is_none()) {
                let known = BatchEvent::ALL.map(BatchEvent::name).join(", ");
                wrong(format!("{event:?} is no event; there are {known}"));
            }
        }
        problems
    }

    fn key(&self, name: &str) -> Option<&KeyCallbacks> {
        self.keys.iter().find(|key| key.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(keys: Vec<KeyCallbacks>) -> Config {
        Config { secrets: Some("all.secrets".into()), keys, ..Config::default() }
    }

    #[test]
    fn a_key_with_settings_of_its_own_has_its_own_secrets_and_callback() {
        let config = config(vec![KeyCallbacks {
            name: "crm".to_owned(),
            secrets: Some("crm.secrets".into()),
            url: Some("https://crm.example.com/mailvet".to_owned()),
            events: vec!["batch.cancelled".to_owned()],
        }]);
        assert_eq!(config.secrets_of("crm"), Some(Path::new("crm.secrets")));
        assert_eq!(config.secrets_of("shop"), Some(Path::new("all.secrets")));
        assert_eq!(config.callback_of("shop"), None);
        let callback = config.callback_of("crm").unwrap();
        assert_eq!(callback.events, [BatchEvent::Cancelled]);
        assert_eq!(config.key_problems(), Vec::<String>::new());
    }

    #[test]
    fn settings_of_keys_that_could_not_be_used_are_named() {
        let key = |name: &str, url: &str, events: &[&str]| KeyCallbacks {
            name: name.to_owned(),
            url: Some(url.to_owned()),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            ..KeyCallbacks::default()
        };
        let good = "https://crm.example.com/mailvet";
        let mut config = config(vec![
            key("", good, &[]),
            key("crm", "ftp://crm.example.com", &["batch.deleted"]),
            key("crm", good, &[]),
        ]);
        let found = config.key_problems().join("\n");
        for wanted in ["name is missing", "(crm): url ", "\"batch.deleted\" is no event", "twice"] {
            assert!(found.contains(wanted), "{wanted}: {found}");
        }
        config.secrets = None;
        assert!(config.key_problems().iter().any(|it| it.contains("no secret signs")));
    }
}
