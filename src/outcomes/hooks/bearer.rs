//! Credentials of services that sign nothing: a bearer token (RFC 6750), or basic authentication
//! (RFC 7617). Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use ring::digest::{SHA256, digest};
use subtle::{Choice, ConstantTimeEq as _};

use super::headers::single;
use super::refusal::HookRefusal;

const AUTHORIZATION: &str = "authorization";

/// Verifies that the request shows one of `tokens`: as a bearer token, as a password, or as user
/// and password.
pub(super) fn verify(tokens: &[String], headers: &HeaderMap) -> Result<(), HookRefusal> {
    if !headers.contains_key(AUTHORIZATION) {
        return Err(HookRefusal::WrongCredentials);
    }
    let shown = single(headers, AUTHORIZATION)?;
    let (scheme, rest) = shown.split_once(' ').ok_or(HookRefusal::WrongCredentials)?;
    let shown: Vec<Vec<u8>> = if scheme.eq_ignore_ascii_case("bearer") {
        vec![rest.trim().as_bytes().to_vec()]
    } else if scheme.eq_ignore_ascii_case("basic") {
        let both = STANDARD.decode(rest.trim()).map_err(|_| HookRefusal::WrongCredentials)?;
        let colon = both.iter().position(|octet| *octet == b':');
        let password = colon.map(|at| both[at + 1..].to_vec());
        [Some(both), password].into_iter().flatten().collect()
    } else {
        Vec::new()
    };
    // Hashed, so that the time tells nothing of lengths either; all of them are compared.
    let hash = |octets: &[u8]| digest(&SHA256, octets);
    let mut is_one = Choice::from(0);
    for token in tokens {
        for shown in &shown {
            is_one |= hash(token.as_bytes()).as_ref().ct_eq(hash(shown).as_ref());
        }
    }
    if bool::from(is_one) { Ok(()) } else { Err(HookRefusal::WrongCredentials) }
}
