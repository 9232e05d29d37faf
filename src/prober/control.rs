//! The control recipient: a mailbox that cannot exist, always the same one at one domain. Pure.
//!
//! Greylisting remembers (client, sender, recipient), so it must not change; servers that refuse
//! nonsense must not tell it from a name, so it has the shape of one; and nobody may have it, so
//! it is drawn from 10^15.

use sha2::{Digest, Sha256};

use crate::address::DomainName;

const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aeio";

/// The local part for `domain`: such as `velani.kodaro4718`.
pub(super) fn local_part(secret: &str, domain: &DomainName) -> String {
    let hash = Sha256::new()
        .chain_update(b"mailvet control recipient\0")
        .chain_update(secret.as_bytes())
        .chain_update([0])
        .chain_update(domain.as_str().as_bytes())
        .finalize();
    let mut local = String::with_capacity(17);
    for (index, byte) in hash.iter().take(6).enumerate() {
        if index == 3 {
            local.push('.');
        }
        local.push(char::from(CONSONANTS[usize::from(byte & 15)]));
        local.push(char::from(VOWELS[usize::from((byte >> 4) & 3)]));
    }
    for byte in hash.iter().skip(6).take(4) {
        local.push(char::from(b'0' + byte % 10));
    }
    local
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secret: &str, domain: &str) -> String {
        local_part(secret, &DomainName::from_ascii(domain))
    }

    #[test]
    fn it_is_stable_per_domain_and_differs_between_domains_and_secrets() {
        assert_eq!(at("s", "example.com"), at("s", "example.com"));
        assert_ne!(at("s", "example.com"), at("s", "example.org"));
        assert_ne!(at("s", "example.com"), at("t", "example.com"));
    }

    #[test]
    fn it_has_the_shape_of_a_name() {
        for n in 0..100 {
            let local = at("s", &format!("d{n}.example"));
            assert_eq!(local.len(), 17);
            assert!(
                local.bytes().all(|b| b.is_ascii_lowercase() || b == b'.' || b.is_ascii_digit())
            );
            assert!(crate::address::Address::parse(&format!("{local}@example.com")).is_ok());
        }
    }
}
