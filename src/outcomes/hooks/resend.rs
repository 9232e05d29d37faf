//! Signatures of Resend: those of Standard Webhooks, with headers that begin with `svix-`. Pure.

use http::HeaderMap;
use subtle::ConstantTimeEq as _;

use super::headers::single;
use super::refusal::HookRefusal;
use super::time_window::TimeWindow;
use crate::callbacks::{Secret, sign};

const ID: &str = "svix-id";
const TIMESTAMP: &str = "svix-timestamp";
const SIGNATURES: &str = "svix-signature";

/// Most signatures that are looked at.
const MOST: usize = 16;

/// Verifies that one of the signatures of `body` is by one of `secrets`.
pub(super) fn verify(
    secrets: &[Secret],
    headers: &HeaderMap,
    body: &[u8],
    window: TimeWindow,
) -> Result<(), HookRefusal> {
    let (id, time) = (single(headers, ID)?, single(headers, TIMESTAMP)?);
    let shown = single(headers, SIGNATURES)?;
    // The time is part of what is signed: nothing is compared for one that does not count.
    let seconds = window.check_seconds(time)?;
    let expected = sign(secrets, id, seconds, body);
    let is_expected = |shown: &str| {
        expected.split(' ').any(|it| bool::from(it.as_bytes().ct_eq(shown.as_bytes())))
    };
    match shown.split(' ').take(MOST).any(is_expected) {
        true => Ok(()),
        false => Err(HookRefusal::WrongSignature),
    }
}
