//! Seals what is kept about a mailbox or a domain: only those can read it who know which one it is
//! about, and the key. Servers repeat the recipient in their replies.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

/// Seals octets (RFC 8439); `None` if the system has no randomness.
pub(super) fn seal(key: &[u8; 32], mut body: Vec<u8>) -> Option<Vec<u8>> {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).ok()?;
    let sealing = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).ok()?);
    let unique = Nonce::assume_unique_for_key(nonce);
    sealing.seal_in_place_append_tag(unique, Aad::empty(), &mut body).ok()?;
    Some([&nonce[..], &body].concat())
}

/// Opens what was sealed; `None` if it was sealed with another key, or changed.
pub(super) fn open(key: &[u8; 32], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let opening = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).ok()?);
    let mut body = body.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let plain = opening.open_in_place(nonce, Aad::empty(), &mut body).ok()?.len();
    body.truncate(plain);
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened_with_its_key_and_with_no_other_and_not_once_it_was_changed() {
        let (key, body) = ([7; 32], b"550 <jane@acme.test> no such user".to_vec());
        let sealed = seal(&key, body.clone()).unwrap();
        assert!(!sealed.windows(4).any(|window| window == b"jane"));
        assert_ne!(sealed, seal(&key, body.clone()).unwrap());
        assert_eq!(open(&key, &sealed), Some(body));
        assert_eq!(open(&[8; 32], &sealed), None);
        for changed in 0..sealed.len() {
            let mut other = sealed.clone();
            other[changed] ^= 1;
            assert_eq!(open(&key, &other), None);
        }
        assert_eq!(open(&key, &sealed[..5]), None);
    }
}
