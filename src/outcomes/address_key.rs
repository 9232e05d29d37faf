//! Keyed hashes of addresses: what is kept instead of them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::digest::{Digest, hex};
use crate::address::Identity;

/// Number of bytes of the secret.
const SECRET: usize = 32;

/// Number of characters of a token in an address. 20 hexadecimal ones are 80 bits.
const TOKEN: usize = 20;

/// The secret that addresses are hashed with (HMAC-SHA-256, RFC 2104).
pub(super) struct AddressKey(hmac::Key);

/// The hashes that an address is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AddressDigests {
    /// Equal for spellings of one mailbox: what a server says holds for these.
    pub(super) mailbox: Digest,
    /// Equal for addresses of one person: what a person wants holds for these.
    pub(super) person: Digest,
}

impl AddressKey {
    /// Reads the secret in `file`; makes it if there is none and `may_make` it.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or made, or holds something else.
    pub(super) fn open(file: &Path, may_make: bool) -> io::Result<Self> {
        if may_make && !file.exists() {
            Self::make(file)?;
        }
        let secret: [u8; SECRET] = fs::read(file)?
            .try_into()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no key"))?;
        Ok(Self::new(&secret))
    }

    /// Makes a file with a new secret, whole or not at all, unless there is one by now.
    fn make(file: &Path) -> io::Result<()> {
        let secret = Self::draw_secret()?;
        // Nothing of the secret is in the name.
        let draft = file.with_extension(format!("{}.new", hex(&Self::draw_secret()?[..8])));
        let made = write_new(&draft, &secret).and_then(|()| match fs::hard_link(&draft, file) {
            // Another process was first: its secret counts.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // A file system without links.
            Err(_) => fs::rename(&draft, file),
            Ok(()) => Ok(()),
        });
        let _ = fs::remove_file(&draft);
        made
    }

    /// A new secret.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub(super) fn draw_secret() -> io::Result<[u8; SECRET]> {
        let mut secret = [0; SECRET];
        let random = SystemRandom::new();
        random.fill(&mut secret).map_err(|_| io::Error::other("there is no randomness"))?;
        Ok(secret)
    }

    /// The hash that tells this key from others, and does not tell the key.
    pub(super) fn fingerprint(&self) -> Digest {
        self.digest("fingerprint", &[])
    }

    /// The key of this secret.
    pub(super) fn new(secret: &[u8; SECRET]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The key that only those can make who know this key and the name.
    #[cfg(feature = "postgres")]
    pub(super) fn sealing_key(&self, kind: &str, name: &str) -> [u8; 32] {
        self.mac("seal", &[kind, name])
    }

    /// The hashes of an address.
    pub(super) fn digests(&self, identity: &Identity) -> AddressDigests {
        AddressDigests {
            mailbox: self.digest("mailbox", &[&identity.mailbox]),
            person: self.digest("person", &[identity.person()]),
        }
    }

    /// The hash of these parts, for one `purpose`.
    pub(super) fn digest(&self, purpose: &str, parts: &[&str]) -> Digest {
        Digest::from_mac(&self.mac(purpose, parts))
    }

    /// The token that a sender address carries, so that a bounce to it proves whose it is.
    pub(super) fn token(&self, identity: &Identity) -> String {
        let mac = self.mac("token", &[&identity.mailbox]);
        hex(&mac[..TOKEN / 2])
    }

    fn mac(&self, purpose: &str, parts: &[&str]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in std::iter::once(&purpose).chain(parts) {
            context.update(part.as_bytes());
            context.update(&[0]);
        }
        let mut mac = [0; 32];
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }
}

/// Makes a file for its owner alone, and waits until it is on the disk.
fn write_new(file: &Path, secret: &[u8]) -> io::Result<()> {
    let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    made.write_all(secret)?;
    made.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    #[test]
    fn a_secret_that_is_there_is_never_written_over_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("outcomes.key");
        AddressKey::open(&file, true).unwrap();
        let secret = fs::read(&file).unwrap();
        AddressKey::make(&file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), secret);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// Made with Python's `hmac`: what is kept under a key must be found again by every version.
    #[test]
    fn the_hashes_of_a_key_stay_what_they_are() {
        let key = AddressKey::new(&[7; SECRET]);
        let digest = key.digest("mailbox", &["jane@acme.test"]);
        assert_eq!(digest.to_string(), "3af5449a12bed0d25f86c7719025c859");
        let identity = Address::parse("jane@acme.test").unwrap().identity();
        assert_eq!(key.digests(&identity).mailbox, digest);
        assert_eq!(key.token(&identity), "8482994317b14fa6b91b");
    }
}
