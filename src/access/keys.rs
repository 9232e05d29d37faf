//! API keys: the file that lists them, and the one that a caller sends. Pure.
//!
//! The file holds hashes, so that who reads it cannot call. A plain SHA-256 is the right hash here:
//! a key is 256 random bits, which cannot be guessed, however fast a guess is. Salt and stretching
//! protect passwords, which people choose; on every call they would only cost time.
//!
//! Comparing takes the same time whichever key it is, or none: each hash is compared in full, with
//! every key.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use super::caller::{AdmissionError, KeyFingerprint};
use super::config::Quota;
use crate::toml_reader::{self, TomlError};

/// Prefix of a key, so that people and secret scanners know one.
const PREFIX: &str = "mailvet_";

/// Prefix of a hash.
const HASH_PREFIX: &str = "sha256:";

/// The longest name of a key, in octets.
const LONGEST_NAME: usize = 64;

type KeyHash = [u8; 32];

/// The keys that may call.
#[derive(Debug, Default)]
pub struct Keys {
    entries: Vec<KeyEntry>,
    hashes: Vec<KeyHash>,
    by_name: HashMap<String, usize>,
}

/// One `[[key]]` of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyEntry {
    /// The caller's name.
    pub(super) name: String,
    /// `sha256:` and the key's SHA-256 in hexadecimal.
    hash: String,
    /// The beginning of that hash.
    #[serde(skip)]
    pub(super) fingerprint: KeyFingerprint,
    /// Its own quotas, in place of `server.quota`; 0: as many as it likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calls_per_minute: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    addresses_per_day: Option<u64>,
    /// From when on it is not valid, such as `"2027-01-31T00:00:00Z"`.
    #[serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    expires: Option<SystemTime>,
    /// `true` if it is switched off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    disabled: bool,
}

impl KeyEntry {
    /// Checks that the key is valid now.
    pub(super) fn check(&self, now: SystemTime) -> Result<(), AdmissionError> {
        if self.disabled {
            return Err(AdmissionError::Disabled(self.name.clone()));
        }
        if self.expires.is_some_and(|expires| expires <= now) {
            return Err(AdmissionError::Expired(self.name.clone()));
        }
        Ok(())
    }

    /// The entry's own quotas, and the rest from `default`.
    pub(super) fn quota(&self, default: Quota) -> Quota {
        Quota {
            calls_per_minute: self.calls_per_minute.unwrap_or(default.calls_per_minute),
            addresses_per_day: self.addresses_per_day.unwrap_or(default.addresses_per_day),
        }
    }
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    #[serde(default)]
    key: Vec<KeyEntry>,
}

/// Why the file cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It is not TOML, or not such TOML.
    #[error("{0}")]
    Toml(#[from] TomlError),
    /// A name that is not one.
    #[error("{0:?} is no name for a key: use 1 to 64 of A-Z, a-z, 0-9 and . _ - @")]
    Name(String),
    /// Two keys of one name.
    #[error("the name {0:?} appears twice")]
    TwoNames(String),
    /// A hash that is not one.
    #[error("the hash of {0:?} is none: it is `sha256:` and 64 hexadecimal digits")]
    Hash(String),
    /// Two keys with one hash.
    #[error("the key of {0:?} appears twice")]
    TwoHashes(String),
}

impl Keys {
    /// Reads the file's text.
    ///
    /// # Errors
    ///
    /// [`KeysError`] for the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let KeysFile { key: entries } = toml_reader::read(text)?;
        let mut keys = Self::default();
        let mut seen = HashSet::new();
        for mut entry in entries {
            let name = check_name(&entry.name)?.to_owned();
            let hash = read_hash(&entry.hash).ok_or_else(|| KeysError::Hash(name.clone()))?;
            if !seen.insert(hash) {
                return Err(KeysError::TwoHashes(name));
            }
            if keys.by_name.insert(name.clone(), keys.entries.len()).is_some() {
                return Err(KeysError::TwoNames(name));
            }
            entry.fingerprint.copy_from_slice(&hash[..size_of::<KeyFingerprint>()]);
            keys.hashes.push(hash);
            keys.entries.push(entry);
        }
        Ok(keys)
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of the key that a caller sent.
    pub(super) fn find(&self, key: &str) -> Option<&KeyEntry> {
        let sent = hash(key);
        let mut found = u64::MAX;
        for (index, hash) in self.hashes.iter().enumerate() {
            found.conditional_assign(&(index as u64), hash.ct_eq(&sent));
        }
        self.entries.get(usize::try_from(found).ok()?)
    }

    pub(super) fn named(&self, name: &str) -> Option<&KeyEntry> {
        self.by_name.get(name).and_then(|index| self.entries.get(*index))
    }
}

/// A key that was just made.
pub struct IssuedKey {
    /// The key itself: to be given to its owner and kept nowhere.
    pub key: String,
    /// The entry to add to the file.
    pub entry: String,
}

/// Makes a key of 32 random octets.
///
/// # Errors
///
/// [`KeysError`] if the name is none, or the time of expiry cannot be written.
pub fn issue(
    name: &str,
    random: [u8; 32],
    expires: Option<SystemTime>,
) -> Result<IssuedKey, KeysError> {
    let name = check_name(name)?.to_owned();
    let key = format!("{PREFIX}{}", hex(&random));
    let mut entry =
        format!("[[key]]\nname = \"{name}\"\nhash = \"{HASH_PREFIX}{}\"\n", hex(&hash(&key)));
    if let Some(expires) = expires {
        let expires = jiff::Timestamp::try_from(expires).unwrap_or(jiff::Timestamp::MAX);
        let expires = expires.strftime("%Y-%m-%dT%H:%M:%SZ");
        // A String takes whatever is written to it.
        let _ = writeln!(entry, "expires = \"{expires}\"");
    }
    Ok(IssuedKey { key, entry })
}

fn check_name(name: &str) -> Result<&str, KeysError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-@".contains(&b);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(allowed) {
        return Err(KeysError::Name(name.to_owned()));
    }
    Ok(name)
}

fn hash(key: &str) -> KeyHash {
    Sha256::digest(key.as_bytes()).into()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn read_hash(text: &str) -> Option<KeyHash> {
    let digits = text.strip_prefix(HASH_PREFIX)?;
    if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = KeyHash::default();
    for (index, octet) in hash.iter_mut().enumerate() {
        *octet = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_key_that_was_issued_is_found_by_its_entry_and_no_other_is() {
        let crm = issue("crm", [7; 32], None).unwrap();
        let erp = issue("erp", [8; 32], Some(at(100))).unwrap();
        let keys = Keys::parse(&format!("{}{}", crm.entry, erp.entry)).unwrap();
        assert_eq!(keys.find(&crm.key).unwrap().name, "crm");
        let found = keys.find(&erp.key).unwrap();
        assert_eq!(found.name, "erp");
        assert_eq!(found.check(at(99)), Ok(()));
        assert_eq!(found.check(at(100)), Err(AdmissionError::Expired("erp".to_owned())));
        let stranger = issue("x", [9; 32], None).unwrap();
        for key in [&stranger.key, &crm.key[..crm.key.len() - 1], "", "mailvet_"] {
            assert!(keys.find(key).is_none(), "{key}");
        }
        assert!(!crm.entry.contains(&crm.key), "the file never holds the key");
    }

    #[test]
    fn a_key_holds_all_the_randomness_it_was_given() {
        let key = issue("a", std::array::from_fn(|n| n as u8), None).unwrap().key;
        assert_eq!(key.len(), PREFIX.len() + 64, "{key}");
        assert!(key.ends_with("1c1d1e1f"), "{key}");
    }

    #[test]
    fn a_file_with_a_mistake_is_refused_by_name() {
        let hash = "a".repeat(64);
        let entry = |name: &str, hash: &str| format!("[[key]]\nname='{name}'\nhash='{hash}'\n");
        let good = entry("a", &format!("sha256:{hash}"));
        assert_eq!(Keys::parse(&good).unwrap().len(), 1);
        assert!(Keys::parse("").unwrap().is_empty());
        for (text, says) in [
            (entry("a b", &format!("sha256:{hash}")), "a b"),
            (entry("", &format!("sha256:{hash}")), "64"),
            (entry("crm", &hash), "crm"),
            (entry("crm", "sha256:zz"), "crm"),
            (entry("crm", &format!("sha256:{}", "é".repeat(32))), "crm"),
            (format!("{good}{good}"), "twice"),
            (format!("{good}{}", entry("a", &format!("sha256:{}", "b".repeat(64)))), "twice"),
            (format!("{good}quota = 5\n"), "quota"),
            (format!("{good}expires = 'soon'\n"), "expires"),
        ] {
            let error = Keys::parse(&text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_key_s_own_quotas_come_before_the_default_and_zero_is_none() {
        let issued = issue("crm", [7; 32], None).unwrap();
        let keys = Keys::parse(&format!("{}addresses_per_day = 0\n", issued.entry)).unwrap();
        let default = Quota { calls_per_minute: 5, addresses_per_day: 9 };
        let quota = keys.named("crm").unwrap().quota(default);
        assert_eq!(quota, Quota { calls_per_minute: 5, addresses_per_day: 0 });
    }
}
