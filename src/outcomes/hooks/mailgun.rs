//! Signatures of Mailgun: HMAC-SHA256 of a time and a random token, in hexadecimal. Pure.
//!
//! They stand in the body, which they do not cover: whoever has seen a signature could put other
//! events beside it. So a token counts for one body alone ([`UsedTokens`](super::used_tokens)).

use std::fmt;

use ring::hmac;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

use super::refusal::HookRefusal;
use super::time_window::TimeWindow;

/// The longest token, in octets; Mailgun's have 50.
const LONGEST_TOKEN: usize = 256;

/// The part of a post that tells of its signature.
#[derive(Debug, Deserialize)]
pub(super) struct SignedByMailgun {
    signature: Option<MailgunSignature>,
}

#[derive(Debug, Deserialize)]
struct MailgunSignature {
    #[serde(default)]
    token: String,
    #[serde(default)]
    timestamp: Seconds,
    /// That of the account.
    signature: Option<String>,
    /// That of the account above it.
    #[serde(rename = "parent-signature")]
    of_parent: Option<String>,
}

/// A time in seconds, a number or text, as text. Nothing else is read, however large.
#[derive(Debug, Default)]
struct Seconds(String);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SecondsVisitor;

        impl Visitor<'_> for SecondsVisitor {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time in seconds")
            }

            fn visit_u64<E>(self, seconds: u64) -> Result<Seconds, E> {
                Ok(Seconds(seconds.to_string()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Seconds, E> {
                Ok(Seconds(text.to_owned()))
            }
        }

        deserializer.deserialize_any(SecondsVisitor)
    }
}

/// Verifies a signature with one of `keys`; returns its token.
pub(super) fn verify<'d>(
    keys: &[hmac::Key],
    signed: &'d SignedByMailgun,
    window: TimeWindow,
) -> Result<&'d str, HookRefusal> {
    let part = signed.signature.as_ref().ok_or(HookRefusal::NoSignature)?;
    let token = part.token.as_str();
    if !(1..=LONGEST_TOKEN).contains(&token.len()) {
        return Err(HookRefusal::NoSignature);
    }
    let Seconds(time) = &part.timestamp;
    let signed = format!("{time}{token}");
    let signatures = [&part.signature, &part.of_parent].into_iter().flatten();
    let signatures: Vec<Vec<u8>> = signatures.filter_map(|text| from_hex(text)).collect();
    let is_of = |key: &hmac::Key| {
        signatures.iter().any(|it| hmac::verify(key, signed.as_bytes(), it).is_ok())
    };
    if !keys.iter().any(is_of) {
        return Err(HookRefusal::WrongSignature);
    }
    window.check_seconds(time)?;
    Ok(token)
}

/// The octets of a SHA-256 in hexadecimal.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}
