//! Signatures by Standard Webhooks: HMAC-SHA256 over id, time and body. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use super::secrets::Secret;

/// The value of `webhook-signature`: one signature by each secret, with a space between them.
/// `timestamp`: the time of the try, in seconds since 1970.
#[must_use]
pub fn sign(secrets: &[Secret], id: &str, timestamp: u64, body: &[u8]) -> String {
    let head = format!("{id}.{timestamp}.");
    let signatures = secrets.iter().map(|secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.octets());
        let mut context = hmac::Context::with_key(&key);
        context.update(head.as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    });
    signatures.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callbacks::read_secrets;

    /// The example of the specification.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secrets = read_secrets(SECRET).unwrap();
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        assert_eq!(sign(&secrets, id, 1_614_265_330, body), SIGNATURE);
        let both = read_secrets(&format!("{SECRET}\n{SECRET}")).unwrap();
        assert_eq!(sign(&both, id, 1_614_265_330, body), format!("{SIGNATURE} {SIGNATURE}"));
        assert_ne!(sign(&secrets, id, 1_614_265_331, body), SIGNATURE);
    }
}
