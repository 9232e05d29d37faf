//! Keyed hashes of addresses: what is kept instead of them.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::address::Address;

/// Number of bytes of the secret.
const SECRET: usize = 32;

/// Number of characters of a token in an address. 20 hexadecimal ones are 80 bits.
const TOKEN: usize = 20;

/// A keyed hash: 16 bytes find one address among billions.
pub(super) type Digest = [u8; 16];

/// The secret that addresses are hashed with (HMAC-SHA-256, RFC 2104).
#[derive(Clone)]
pub(super) struct AddressKey([u8; SECRET]);

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
            let mut secret = [0; SECRET];
            fs::File::open("/dev/urandom")?.read_exact(&mut secret)?;
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
            match made {
                Ok(mut made) => {
                    made.write_all(&secret)?;
                    made.sync_all()?;
                }
                // Another process was first: its secret counts.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        let secret: [u8; SECRET] = fs::read(file)?
            .try_into()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no key"))?;
        Ok(Self(secret))
    }

    /// The hashes of an address.
    pub(super) fn digests(&self, address: &Address) -> AddressDigests {
        let identity = address.identity();
        AddressDigests {
            mailbox: self.digest("mailbox", &[&identity.mailbox]),
            person: self.digest("person", &[identity.person()]),
        }
    }

    /// The hash of these parts, for one `purpose`.
    pub(super) fn digest(&self, purpose: &str, parts: &[&str]) -> Digest {
        let mut digest = Digest::default();
        digest.copy_from_slice(&self.mac(purpose, parts)[..16]);
        digest
    }

    /// The token that a sender address carries, so that a bounce to it proves whose it is.
    pub(super) fn token(&self, address: &Address) -> String {
        let mac = self.mac("token", &[&address.identity().mailbox]);
        let mut token: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
        token.truncate(TOKEN);
        token
    }

    fn mac(&self, purpose: &str, parts: &[&str]) -> [u8; 32] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            // HMAC takes keys of any length.
            return [0; 32];
        };
        for part in std::iter::once(&purpose).chain(parts) {
            mac.update(part.as_bytes());
            mac.update(&[0]);
        }
        mac.finalize().into_bytes().into()
    }
}
