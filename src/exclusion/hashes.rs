//! Hashes of addresses, as suppression files hold them that agencies and affiliates exchange: MD5,
//! SHA-1 and SHA-256 of the lower-cased address, in hexadecimal. Pure.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// A hash of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressHash {
    /// 32 digits (RFC 1321).
    Md5([u8; 16]),
    /// 40 digits (FIPS 180-4).
    Sha1([u8; 20]),
    /// 64 digits (FIPS 180-4).
    Sha256([u8; 32]),
}

impl AddressHash {
    /// The hash that a cell holds and nothing else; its length says which one it is.
    pub(super) fn parse(cell: &str) -> Option<Self> {
        let digits = digits(cell).as_bytes();
        match digits.len() {
            32 => octets(digits).map(Self::Md5),
            40 => octets(digits).map(Self::Sha1),
            64 => octets(digits).map(Self::Sha256),
            _ => None,
        }
    }
}

/// The names that programs give their standard input behind its hash: `md5sum`, `md5sum -b` and
/// `openssl dgst -r`.
const BEHIND: [&str; 3] = ["  -", " *-", " *stdin"];

/// And before it: `openssl dgst`, and `md5sum --tag` as the BSDs write it.
const BEFORE: [&str; 2] = ["(stdin)", "(-)"];

/// The text of a cell, without what a program that makes hashes writes beside one if it has read no
/// file. One of a file is none of an address.
fn digits(cell: &str) -> &str {
    let text = cell.trim();
    if let Some(digits) = BEHIND.iter().find_map(|name| text.strip_suffix(name)) {
        return digits;
    }
    let is_input = |label: &str| BEFORE.iter().any(|name| label.trim_end().ends_with(name));
    match text.rsplit_once("= ") {
        Some((label, digits)) if is_input(label) => digits,
        _ => text,
    }
}

/// The octets that hexadecimal digits of any case say.
fn octets<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut octets = [0; N];
    for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *octet = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(octets)
}

/// The hashes of one suppression list, sorted: each costs its own octets, 16, 20 or 32, and up to
/// three times that for a moment while the list is read.
#[derive(Debug, Default)]
pub(super) struct HashedAddresses {
    md5: Vec<[u8; 16]>,
    sha1: Vec<[u8; 20]>,
    sha256: Vec<[u8; 32]>,
}

impl HashedAddresses {
    /// Takes a hash; it is found once they are [sorted](Self::sort).
    pub(super) fn push(&mut self, hash: AddressHash) {
        match hash {
            AddressHash::Md5(octets) => self.md5.push(octets),
            AddressHash::Sha1(octets) => self.sha1.push(octets),
            AddressHash::Sha256(octets) => self.sha256.push(octets),
        }
    }

    /// Makes the hashes ready to be looked up, none of them twice.
    pub(super) fn sort(&mut self) {
        pack(&mut self.md5);
        pack(&mut self.sha1);
        pack(&mut self.sha256);
    }

    /// Number of hashes.
    pub(super) fn len(&self) -> usize {
        self.md5.len() + self.sha1.len() + self.sha256.len()
    }

    /// `true` if a hash of `text` is among them. What no hash is of is not computed.
    pub(super) fn holds(&self, text: &str) -> bool {
        holds(&self.md5, || Md5::digest(text).into())
            || holds(&self.sha1, || Sha1::digest(text).into())
            || holds(&self.sha256, || Sha256::digest(text).into())
    }
}

fn pack<const N: usize>(digests: &mut Vec<[u8; N]>) {
    digests.sort_unstable();
    digests.dedup();
    digests.shrink_to_fit();
}

fn holds<const N: usize>(digests: &[[u8; N]], digest: impl FnOnce() -> [u8; N]) -> bool {
    !digests.is_empty() && digests.binary_search(&digest()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `jane.doe@acme.test` by each kind.
    const JANE: [&str; 3] = [
        "efbd0da1b924f9ca6c60d9f43928b4f3",
        "21759760961cf76e5813382362d2f693f843c39c",
        "402dc0cdf4bdb278b890e61c3a609828c55253d149576755358d493f81b66f44",
    ];

    fn list(cells: &[&str]) -> HashedAddresses {
        let mut hashes = HashedAddresses::default();
        cells.iter().filter_map(|cell| AddressHash::parse(cell)).for_each(|it| hashes.push(it));
        hashes.sort();
        hashes
    }

    #[test]
    fn each_kind_of_hash_is_found_in_either_case() {
        for hash in JANE {
            for cell in [hash.to_owned(), hash.to_uppercase(), format!(" {hash} ")] {
                let hashes = list(&[&cell]);
                assert!(hashes.holds("jane.doe@acme.test"), "{cell}");
                assert!(!hashes.holds("john.smith@acme.test"), "{cell}");
            }
        }
    }

    #[test]
    fn a_line_of_a_program_that_hashed_its_standard_input_is_a_hash() {
        let [md5, sha1, sha256] = JANE;
        for line in [
            format!("{md5}  -"),
            format!("{sha1} *-"),
            format!("{sha256} *stdin"),
            format!("MD5(stdin)= {md5}"),
            format!("SHA2-256(stdin)= {sha256}"),
            format!("(stdin)= {md5}"),
            format!("MD5 (-) = {md5}"),
        ] {
            assert!(list(&[&line]).holds("jane.doe@acme.test"), "{line}");
        }
        for line in [format!("{md5}  jane.txt"), format!("MD5(a)= {md5}"), format!("k= {md5}")] {
            assert_eq!(AddressHash::parse(&line), None, "{line}");
        }
    }

    #[test]
    fn kinds_stand_side_by_side_and_a_hash_that_stands_twice_counts_once() {
        let hashes = list(&[JANE[0], JANE[1], JANE[2], JANE[1]]);
        assert_eq!(hashes.len(), 3);
        assert!(hashes.holds("jane.doe@acme.test"));
    }

    #[test]
    fn what_has_another_length_or_another_digit_is_no_hash() {
        for cell in
            ["", &JANE[0][1..], &format!("{}g", &JANE[0][1..]), &"0".repeat(128), "acme.test"]
        {
            assert_eq!(AddressHash::parse(cell), None, "{cell}");
        }
    }
}
