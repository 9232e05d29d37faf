//! Keyed hashes: bytes in the store, hexadecimal for people. Pure.

use std::fmt;

/// Number of bytes: 16 find one address among billions.
const LENGTH: usize = 16;

/// A keyed hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; LENGTH]);

impl Digest {
    /// The hash that is the beginning of a longer one.
    pub(super) fn from_mac(mac: &[u8; 32]) -> Self {
        let mut digest = [0; LENGTH];
        digest.copy_from_slice(&mac[..LENGTH]);
        Self(digest)
    }

    /// The hash of these bytes.
    pub(super) fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The hash that these hexadecimal digits are.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 2 * LENGTH || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut digest = [0; LENGTH];
        for (byte, at) in digest.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(digest))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written_and_nothing_else_is_one() {
        let text = "000102030405060708090a0b0c0d0eff";
        assert_eq!(Digest::parse(text).unwrap().to_string(), text);
        assert_eq!(Digest::parse(&text.to_uppercase()), Digest::parse(text));
        for other in ["", &text[2..], "g00102030405060708090a0b0c0d0eff", "é010203040506070809"] {
            assert_eq!(Digest::parse(other), None, "{other}");
        }
    }
}
