//! Names of DNS as a configuration writes them. Pure.

use serde::{Deserialize, Serialize};

use crate::address::DomainName;

/// A name in DNS, in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConfiguredName(DomainName);

/// The text is no name that DNS can carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a name; write one such as example.com")]
pub struct NameError(String);

impl ConfiguredName {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &DomainName {
        &self.0
    }
}

impl TryFrom<String> for ConfiguredName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        let bare = text.trim().trim_end_matches('.');
        let carried = bare.len() <= 253
            && bare.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            });
        if carried { Ok(Self(DomainName::from_ascii(bare))) } else { Err(NameError(text)) }
    }
}

impl From<ConfiguredName> for String {
    fn from(named: ConfiguredName) -> Self {
        named.0.to_string()
    }
}

/// Names that are part of the program.
pub(super) fn configured(names: &[&str]) -> Vec<ConfiguredName> {
    names.iter().map(|name| ConfiguredName(DomainName::from_ascii(name))).collect()
}
