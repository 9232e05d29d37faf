//! Hashes of mailboxes: eight octets in the place of an address. Pure.

use std::hash::BuildHasher as _;

use foldhash::quality::FixedState;

use crate::verifier::Subject;

/// A hash that is equal for addresses of one mailbox, as a batch takes them for one: irregular
/// ones too. Of 64 bits: among a million mailboxes two are taken for one once in forty million
/// lists.
#[must_use]
pub fn mailbox_hash(address: &str) -> u64 {
    subject_hash(&Subject::parse(address))
}

/// The same, of an address that is parsed already.
pub(super) fn subject_hash(subject: &Subject) -> u64 {
    text_hash(subject.key())
}

/// A hash of a text as it stands.
pub(super) fn text_hash(text: &str) -> u64 {
    FixedState::default().hash_one(text)
}
