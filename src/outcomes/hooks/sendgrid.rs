//! Signatures of SendGrid: ECDSA on P-256 with SHA-256, over a time and the body. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::headers::single;
use super::refusal::HookRefusal;
use super::time_window::TimeWindow;

const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";

/// Octets of a point on P-256 that is not compressed (SEC 1 section 2.3.3).
const POINT: usize = 65;

/// A public key on P-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventPublicKey(Vec<u8>);

impl EventPublicKey {
    /// Reads a key (`SubjectPublicKeyInfo`, RFC 5480) in base64, with or without the lines of PEM
    /// around it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let lines = text.lines().filter(|line| !line.starts_with("-----"));
        let text: String = lines.flat_map(str::split_whitespace).collect();
        let der = STANDARD.decode(text).ok()?;
        let (rest, key) = SubjectPublicKeyInfo::from_der(&der).ok()?;
        let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?;
        let is_p256 = key.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY && curve == OID_EC_P256;
        let point = &key.subject_public_key.data;
        let is_whole = rest.is_empty() && point.len() == POINT && point.first() == Some(&4);
        (is_p256 && is_whole).then(|| Self(point.to_vec()))
    }
}

/// Verifies the signature of `body`.
pub(super) fn verify(
    key: &EventPublicKey,
    headers: &HeaderMap,
    body: &[u8],
    window: TimeWindow,
) -> Result<(), HookRefusal> {
    let (signature, time) = (single(headers, SIGNATURE)?, single(headers, TIMESTAMP)?);
    let signature = STANDARD.decode(signature).map_err(|_| HookRefusal::WrongSignature)?;
    let signed = [time.as_bytes(), body].concat();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &key.0);
    key.verify(&signed, &signature).map_err(|_| HookRefusal::WrongSignature)?;
    window.check_seconds(time).map(drop)
}
