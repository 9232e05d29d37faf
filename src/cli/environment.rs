//! The variables that configured a run, as its folder keeps them: the text of settings, and of what
//! may be a secret no more than its SHA-256.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Parts of the names of variables that may hold a secret.
const SECRET: [&str; 6] = ["KEY", "SECRET", "PASSWORD", "TOKEN", "PROX", "IDENTIT"];

/// The beginnings of names that change nothing of what is asked: the log, and the key that a
/// service is shown, which it judges itself.
const UNKEPT: [&str; 2] = ["MAILVET_LOG", "MAILVET_API_KEY"];

/// The variables of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct KeptEnvironment(BTreeMap<String, KeptValue>);

/// The value of a variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeptValue {
    /// A setting.
    Text(String),
    /// The SHA-256 of what may be a secret.
    Sha256(String),
}

impl KeptEnvironment {
    /// Takes the variables that configure a run.
    pub(super) fn from_variables(variables: &[(String, String)]) -> Self {
        let is_kept = |name: &str| !UNKEPT.iter().any(|unkept| name.starts_with(unkept));
        let kept = variables.iter().filter(|(name, _)| is_kept(name));
        Self(kept.map(|(name, value)| (name.clone(), KeptValue::new(name, value))).collect())
    }

    /// The first variable that has another value now, or that is needed and gone. What is gone
    /// and kept as text is known.
    pub(super) fn difference<'k>(&'k self, now: &'k Self) -> Option<&'k str> {
        let changed = now.0.iter().find(|(name, value)| self.0.get(*name) != Some(value));
        let is_gone = |(name, value): &(&String, &KeptValue)| {
            matches!(value, KeptValue::Sha256(_)) && !now.0.contains_key(*name)
        };
        let differing = changed.or_else(|| self.0.iter().find(is_gone));
        differing.map(|(name, _)| name.as_str())
    }

    /// `now` with the settings that are kept.
    pub(super) fn restore(&self, now: Vec<(String, String)>) -> Vec<(String, String)> {
        let mut variables: BTreeMap<String, String> = now.into_iter().collect();
        for (name, value) in &self.0 {
            if let KeptValue::Text(text) = value {
                variables.insert(name.clone(), text.clone());
            }
        }
        variables.into_iter().collect()
    }
}

impl KeptValue {
    fn new(name: &str, value: &str) -> Self {
        if SECRET.iter().any(|part| name.contains(part)) {
            let digest = Sha256::digest(value.as_bytes());
            return Self::Sha256(digest.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        Self::Text(value.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(variables: &[(&str, &str)]) -> KeptEnvironment {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        KeptEnvironment::from_variables(&variables.iter().map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn settings_come_back_and_a_secret_is_asked_for() {
        let begun = kept(&[("MAILVET_SMTP__HELO_NAME", "a.test"), ("MAILVET_SOME_TOKEN", "hush")]);
        assert!(!serde_json::to_string(&begun).unwrap().contains("hush"));
        assert_eq!(begun.difference(&begun), None);
        assert_eq!(begun.difference(&kept(&[("MAILVET_SOME_TOKEN", "hush")])), None);
        assert_eq!(begun.difference(&kept(&[])), Some("MAILVET_SOME_TOKEN"));
        let now = vec![("MAILVET_SOME_TOKEN".to_owned(), "hush".to_owned())];
        let restored = begun.restore(now);
        assert!(restored.contains(&("MAILVET_SMTP__HELO_NAME".to_owned(), "a.test".to_owned())));
    }

    #[test]
    fn a_variable_with_another_value_is_named_and_the_log_does_not_count() {
        let begun = kept(&[("MAILVET_SMTP__HELO_NAME", "a.test")]);
        let changed = kept(&[("MAILVET_SMTP__HELO_NAME", "b.test")]);
        assert_eq!(begun.difference(&changed), Some("MAILVET_SMTP__HELO_NAME"));
        let more = kept(&[("MAILVET_SMTP__HELO_NAME", "a.test"), ("MAILVET_SMTP__PORT", "26")]);
        assert_eq!(begun.difference(&more), Some("MAILVET_SMTP__PORT"));
        assert_eq!(begun.difference(&kept(&[("MAILVET_LOG__LEVEL", "debug")])), None);
    }
}
