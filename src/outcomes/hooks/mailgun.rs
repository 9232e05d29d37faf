//! Signatures of Mailgun: HMAC-SHA256 of a time and a random token, in hexadecimal. Pure.
//!
//! They stand in the body, which they do not cover: whoever has seen a signature could put other
//! events beside it. So a token counts for one body alone ([`UsedTokens`](super::used_tokens)).

use ring::hmac;
use serde_json::Value;

use super::refusal::HookRefusal;
use super::time_window::TimeWindow;

/// The longest token, in octets; Mailgun's have 50.
const LONGEST_TOKEN: usize = 256;

/// The names of the signature: that of the account, and of the account above it.
const SIGNATURES: [&str; 2] = ["signature", "parent-signature"];

/// Verifies the signature in `document` with one of `keys`; returns its token.
pub(super) fn verify<'d>(
    keys: &[hmac::Key],
    document: &'d Value,
    window: TimeWindow,
) -> Result<&'d str, HookRefusal> {
    let part = document.get("signature").ok_or(HookRefusal::NoSignature)?;
    let token = part.get("token").and_then(Value::as_str);
    let token = token.filter(|token| (1..=LONGEST_TOKEN).contains(&token.len()));
    let token = token.ok_or(HookRefusal::NoSignature)?;
    let time = match part.get("timestamp") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => return Err(HookRefusal::NoSignature),
    };
    let signed = format!("{time}{token}");
    let signatures = SIGNATURES.iter().filter_map(|name| part.get(name)?.as_str());
    let signatures: Vec<Vec<u8>> = signatures.filter_map(from_hex).collect();
    let is_of = |key: &hmac::Key| {
        signatures.iter().any(|it| hmac::verify(key, signed.as_bytes(), it).is_ok())
    };
    if !keys.iter().any(is_of) {
        return Err(HookRefusal::WrongSignature);
    }
    window.check_seconds(&time)?;
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
