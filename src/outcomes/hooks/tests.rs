//! Signatures were made with Python's `hmac` and `cryptography`, that of SNS checked with
//! `openssl dgst -verify`.

use http::{HeaderName, HeaderValue};

use super::refusal::HookRefusal::*;
use super::used_tokens::UsedTokens;
use super::*;

mod posts;

/// 2026-11-28, 09:00 UTC.
const NOW: u64 = 1_795_856_400;

/// 20 seconds before.
const SIGNED: &str = "1795856380";

const NOTIFICATION: &str = include_str!("tests/notification.json");
const CONFIRMATION: &str = include_str!("tests/confirmation.json");
const CERTIFICATE: &str = include_str!("tests/certificate.pem");
const OTHER_CERTIFICATE: &str = include_str!("tests/other_certificate.pem");
const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:bounces";

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn window() -> TimeWindow {
    TimeWindow { now: at(NOW), tolerance: Duration::from_secs(300) }
}

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// `text` with its octet at `place` changed.
fn changed(text: &str, place: usize) -> Vec<u8> {
    let mut octets = text.as_bytes().to_vec();
    octets[place] ^= 1;
    octets
}

const MAILGUN_TOKEN: &str = "c1c2c3c4c5c1c2c3c4c5c1c2c3c4c5c1c2c3c4c5c1c2c3c4c5";
const MAILGUN_SIGNATURE: &str = "78ce1c8e0af3d17e6bb9268cc0953509d6f0f082ce0b8c1bf7e8b840a9551f6f";
const MAILGUN_KEY: &str = "key-of-the-webhooks-0123456789ab";

fn mailgun_post(timestamp: &str, token: &str, name: &str, signature: &str) -> Value {
    serde_json::json!({
        "signature": { "timestamp": timestamp, "token": token, name: signature },
        "event-data": { "event": "complained", "recipient": "jane@acme.test", "id": "m1" },
    })
}

#[test]
fn mailgun_signs_a_time_and_a_token() {
    let key = |text: &str| ring::hmac::Key::new(ring::hmac::HMAC_SHA256, text.as_bytes());
    let verify = |keys: &[&str], document: &Value, window| {
        let keys: Vec<_> = keys.iter().map(|it| key(it)).collect();
        let signed: SignedByMailgun = serde_json::from_value(document.clone()).unwrap();
        mailgun::verify(&keys, &signed, window).map(str::to_owned)
    };
    let good = mailgun_post(SIGNED, MAILGUN_TOKEN, "signature", MAILGUN_SIGNATURE);
    assert_eq!(verify(&[MAILGUN_KEY], &good, window()), Ok(MAILGUN_TOKEN.to_owned()));
    assert!(verify(&["another", MAILGUN_KEY], &good, window()).is_ok(), "while one replaces one");
    let above = mailgun_post(SIGNED, MAILGUN_TOKEN, "parent-signature", MAILGUN_SIGNATURE);
    assert!(verify(&[MAILGUN_KEY], &above, window()).is_ok(), "of the account above");
    let refused = |document: &Value| verify(&[MAILGUN_KEY], document, window()).unwrap_err();
    assert_eq!(verify(&["another"], &good, window()), Err(WrongSignature));
    let post = |time: &str, token: &str, signature: &str| {
        refused(&mailgun_post(time, token, "signature", signature))
    };
    assert_eq!(post("1795856381", MAILGUN_TOKEN, MAILGUN_SIGNATURE), WrongSignature);
    assert_eq!(post(SIGNED, &MAILGUN_TOKEN[1..], MAILGUN_SIGNATURE), WrongSignature);
    assert_eq!(post(SIGNED, MAILGUN_TOKEN, &MAILGUN_SIGNATURE[2..]), WrongSignature);
    assert_eq!(post(SIGNED, MAILGUN_TOKEN, ""), WrongSignature);
    assert_eq!(post(SIGNED, "", MAILGUN_SIGNATURE), NoSignature);
    assert_eq!(refused(&serde_json::json!({ "event-data": {} })), NoSignature);
    let late = |now| verify(&[MAILGUN_KEY], &good, TimeWindow { now: at(now), ..window() });
    assert!(late(NOW - 20 + 300).is_ok() && late(NOW - 20 - 300).is_ok());
    for now in [NOW - 20 + 301, NOW - 20 - 301] {
        assert_eq!(late(now), Err(Stale(Duration::from_secs(300))));
    }
}

#[test]
fn a_token_counts_for_one_body_for_as_long_as_its_time_counts() {
    let mut used = UsedTokens::default();
    assert_eq!(used.admit("a", b"one", window()), Ok(()));
    assert_eq!(used.admit("a", b"one", window()), Ok(()), "the same delivery again");
    assert_eq!(used.admit("a", b"other", window()), Err(UsedToken));
    let later = |seconds| TimeWindow { now: at(NOW + seconds), ..window() };
    assert_eq!(used.admit("b", b"one", later(600)), Ok(()));
    assert_eq!(used.admit("a", b"other", later(600)), Err(UsedToken));
    assert_eq!(used.admit("a", b"other", later(601)), Ok(()), "too old by its time");
}

const SENDGRID_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEKKTUJ2vLd+JkHtSNDqEHgNGqIOTi2q3Kj\
    G0pvwoCpyNf2FoL4FPWyURHUm9p7UI+Htir4ZdXeCuGArO41x/Nsw==";
const OTHER_SENDGRID_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsMPGqfPzO/E/YB9YNQSnOtpQc0t\
    qRWkuH0VgLA8D2ee+iBiPjU5yGeh/KhvmD7DUfCUWln9SSf5y1eYy/Y8Z1w==";
const KEY_ON_P384: &str = "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEkDibevUgRY2e1LsDfMhf6rRw9sJ+yDWoXEf4SI\
    fsiCFJ3lW9CoDxRSGkfAaebtc+NKq+Q1gn2GspIdzkAipTfjP7kuatNq8F4/8TSHP65955PceWGv/RGE846FxzbDSb";
const SENDGRID_SIGNATURE: &str = "MEUCIE1sDdQ42mwxvzdR7tN8wxhafUX4xlFZY4R6DY7Do80CAiEArZCw9SG0rhrE\
    BqXd6+2wMAxmg2u+llL57KPQIghtPlg=";
const SENDGRID_BODY: &str = "[{\"email\":\"jane@acme.test\",\"event\":\"bounce\",\"sg_event_id\":\
    \"e1\",\"timestamp\":1795856380,\"type\":\"bounce\",\"status\":\"5.1.1\",\"reason\":\
    \"550 5.1.1 no such user\"}]\r\n";
const SENDGRID_HEADERS: [&str; 2] =
    ["x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"];

#[test]
fn sendgrid_signs_a_time_and_the_body() {
    let [signature, time] = SENDGRID_HEADERS;
    let key = |text: &str| sendgrid::EventPublicKey::parse(text).unwrap();
    let verify = |list: &[(&'static str, &str)], body: &[u8], window| {
        sendgrid::verify(&key(SENDGRID_KEY), &headers(list), body, window)
    };
    let good = [(signature, SENDGRID_SIGNATURE), (time, SIGNED)];
    let body = SENDGRID_BODY.as_bytes();
    assert_eq!(verify(&good, body, window()), Ok(()));
    for place in [0, 40, body.len() - 1] {
        assert_eq!(verify(&good, &changed(SENDGRID_BODY, place), window()), Err(WrongSignature));
    }
    let other = key(OTHER_SENDGRID_KEY);
    let by_other = sendgrid::verify(&other, &headers(&good), body, window());
    assert_eq!(by_other, Err(WrongSignature));
    let moved = [(signature, SENDGRID_SIGNATURE), (time, "1795856381")];
    assert_eq!(verify(&moved, body, window()), Err(WrongSignature));
    assert_eq!(verify(&[(signature, "%"), (time, SIGNED)], body, window()), Err(WrongSignature));
    assert_eq!(verify(&good[..1], body, window()), Err(MissingHeader(time)));
    assert_eq!(verify(&good[1..], body, window()), Err(MissingHeader(signature)));
    let twice = [good[0], good[1], good[1]];
    assert_eq!(verify(&twice, body, window()), Err(UnreadableHeader(time)));
    let late = TimeWindow { now: at(NOW + 281), ..window() };
    assert_eq!(verify(&good, body, late), Err(Stale(Duration::from_secs(300))));
}

#[test]
fn only_a_point_on_p256_is_a_key_of_sendgrid() {
    let key = sendgrid::EventPublicKey::parse(SENDGRID_KEY);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{SENDGRID_KEY}\n-----END PUBLIC KEY-----\n");
    assert!(key.is_some() && sendgrid::EventPublicKey::parse(&pem) == key);
    for text in ["", "%", "aGVsbG8=", KEY_ON_P384, &SENDGRID_KEY[4..]] {
        assert_eq!(sendgrid::EventPublicKey::parse(text), None, "{text}");
    }
}

const RESEND_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
const OTHER_RESEND_SECRET: &str = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY";
const RESEND_SIGNATURE: &str = "v1,34yxbUpJiHLAiTK1QdWpM+hLMiliw3F9m4IFUKvAR8c=";
const RESEND_BODY: &str = "{\"type\":\"email.bounced\",\"created_at\":\"2026-11-28T08:59:40.000Z\",\
    \"data\":{\"email_id\":\"m1\",\"to\":[\"jane@acme.test\"],\"bounce\":{\"type\":\"Permanent\",\
    \"subType\":\"NoEmail\",\"message\":\"550 5.1.1 no such user\"}}}";

#[test]
fn resend_signs_an_id_a_time_and_the_body() {
    let secrets = crate::callbacks::read_secrets(RESEND_SECRET).unwrap();
    let verify = |id: &str, time: &str, signatures: &str, body: &[u8]| {
        let list = [("svix-id", id), ("svix-timestamp", time), ("svix-signature", signatures)];
        resend::verify(&secrets, &headers(&list), body, window())
    };
    let body = RESEND_BODY.as_bytes();
    assert_eq!(verify("msg_1", SIGNED, RESEND_SIGNATURE, body), Ok(()));
    let both = format!("v1,AAAA {RESEND_SIGNATURE} v2,BBBB");
    assert_eq!(verify("msg_1", SIGNED, &both, body), Ok(()));
    for place in [0, 40, body.len() - 1] {
        let body = changed(RESEND_BODY, place);
        assert_eq!(verify("msg_1", SIGNED, RESEND_SIGNATURE, &body), Err(WrongSignature));
    }
    assert_eq!(verify("msg_2", SIGNED, RESEND_SIGNATURE, body), Err(WrongSignature));
    assert_eq!(verify("msg_1", "1795856381", RESEND_SIGNATURE, body), Err(WrongSignature));
    assert_eq!(verify("msg_1", SIGNED, &RESEND_SIGNATURE[3..], body), Err(WrongSignature));
    assert_eq!(verify("msg_1", SIGNED, "", body), Err(WrongSignature));
    for time in ["1795856000", "soon", "", "-1", "99999999999999"] {
        let stale = verify("msg_1", time, RESEND_SIGNATURE, body);
        assert_eq!(stale, Err(Stale(Duration::from_secs(300))), "{time}");
    }
    let list = [("svix-id", "msg_1"), ("svix-timestamp", SIGNED)];
    let unsigned = resend::verify(&secrets, &headers(&list), body, window());
    assert_eq!(unsigned, Err(MissingHeader("svix-signature")));
    let others = crate::callbacks::read_secrets(OTHER_RESEND_SECRET).unwrap();
    let list = [list[0], list[1], ("svix-signature", RESEND_SIGNATURE)];
    let by_other = resend::verify(&others, &headers(&list), body, window());
    assert_eq!(by_other, Err(WrongSignature));
}

#[test]
fn services_that_sign_nothing_show_a_token_or_a_password() {
    let tokens = ["0123456789abcdef".to_owned(), "mailjet:correct horse".to_owned()];
    let verify = |value: &str| bearer::verify(&tokens, &headers(&[("authorization", value)]));
    // base64 of `any:0123456789abcdef`, `mailjet:correct horse`, `mailjet:correct hors`.
    for good in [
        "Bearer 0123456789abcdef",
        "basic YW55OjAxMjM0NTY3ODlhYmNkZWY=",
        "Basic bWFpbGpldDpjb3JyZWN0IGhvcnNl",
    ] {
        assert_eq!(verify(good), Ok(()), "{good}");
    }
    for bad in [
        "Bearer 0123456789abcde",
        "Bearer 0123456789abcdeF",
        "Bearer correct horse",
        "Basic bWFpbGpldDpjb3JyZWN0IGhvcnM=",
        "Basic 0123456789abcdef",
        "Digest 0123456789abcdef",
        "0123456789abcdef",
        "Bearer ",
    ] {
        assert_eq!(verify(bad), Err(WrongCredentials), "{bad}");
    }
    let name = "authorization";
    assert_eq!(bearer::verify(&tokens, &HeaderMap::new()), Err(WrongCredentials));
    let twice = headers(&[(name, "Bearer 0123456789abcdef"), (name, "Bearer x")]);
    assert_eq!(bearer::verify(&tokens, &twice), Err(UnreadableHeader(name)));
}

/// The refusal of a message of SNS, if it is refused.
fn sns(document: &Value, certificate: &str, window: TimeWindow) -> Result<(), HookRefusal> {
    let topic = SnsTopic::parse(TOPIC).unwrap();
    let fields: SnsFields = serde_json::from_value(document.clone()).unwrap();
    let message = SnsMessage::new(&fields)?;
    message.check(&topic, window)?;
    let certificate = SigningCertificate::parse(certificate.as_bytes()).unwrap();
    message.verify(&certificate, window.now)
}

#[test]
fn sns_signs_what_a_message_says() {
    let good: Value = serde_json::from_str(NOTIFICATION).unwrap();
    let confirmation: Value = serde_json::from_str(CONFIRMATION).unwrap();
    assert_eq!(sns(&good, CERTIFICATE, window()), Ok(()));
    assert_eq!(sns(&confirmation, CERTIFICATE, window()), Ok(()));
    assert_eq!(sns(&good, OTHER_CERTIFICATE, window()), Err(WrongSignature));
    let with = |document: &Value, name: &str, value: Option<&str>| {
        let mut document = document.clone();
        match value {
            Some(value) => document[name] = value.into(),
            None => drop(document.as_object_mut().unwrap().remove(name)),
        }
        sns(&document, CERTIFICATE, window())
    };
    for name in ["Message", "MessageId", "Subject", "Signature"] {
        let changed = changed(good[name].as_str().unwrap(), 7);
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(with(&good, name, Some(&changed)), Err(WrongSignature), "{name}");
    }
    for name in ["Token", "SubscribeURL", "Message"] {
        assert_eq!(with(&confirmation, name, Some("x")), Err(WrongSignature), "{name}");
    }
    let unsubscribed = with(&good, "Type", Some("UnsubscribeConfirmation"));
    assert_eq!(unsubscribed, Err(MissingField("SubscribeURL")));
    assert_eq!(with(&good, "Subject", None), Err(WrongSignature));
    assert_eq!(with(&good, "Type", None), Err(NotFromSns), "raw message delivery");
    for name in ["Signature", "Timestamp", "TopicArn", "SignatureVersion", "MessageId"] {
        assert_eq!(with(&good, name, None), Err(MissingField(name)));
    }
    assert_eq!(with(&good, "Timestamp", Some("now")), Err(MissingField("Timestamp")));
    assert_eq!(with(&good, "SignatureVersion", Some("1")), Err(OlderSignature));
    let other = "arn:aws:sns:eu-west-1:123456789012:others";
    assert_eq!(with(&good, "TopicArn", Some(other)), Err(OtherTopic));
    let late = TimeWindow { now: at(NOW + 281), ..window() };
    assert_eq!(sns(&good, CERTIFICATE, late), Err(Stale(Duration::from_secs(300))));
    let certificate = SigningCertificate::parse(CERTIFICATE.as_bytes()).unwrap();
    let fields: SnsFields = serde_json::from_value(good).unwrap();
    let message = SnsMessage::new(&fields).unwrap();
    // Before 2020, and after 2125.
    for expired in [at(1_500_000_000), at(5_000_000_000)] {
        assert_eq!(message.verify(&certificate, expired), Err(CertificateExpired));
    }
}

#[test]
fn certificates_come_from_sns_in_the_region_of_the_topic() {
    let url = |topic: &str, url: &str| {
        let document = serde_json::json!({ "Type": "Notification", "SigningCertURL": url });
        let topic = SnsTopic::parse(topic).unwrap();
        let fields: SnsFields = serde_json::from_value(document).unwrap();
        let message = SnsMessage::new(&fields).unwrap();
        message.certificate_url(&topic).map(|url| url.authority)
    };
    let of = |host: &str| format!("https://{host}/SimpleNotificationService-0a9f.pem");
    let host = "sns.eu-west-1.amazonaws.com";
    assert_eq!(url(TOPIC, &of(host)).as_deref(), Ok(host));
    let china = "arn:aws-cn:sns:cn-north-1:123456789012:bounces";
    let host_there = "sns.cn-north-1.amazonaws.com.cn";
    assert_eq!(url(china, &of(host_there)).as_deref(), Ok(host_there));
    for other in [
        of("sns.us-east-1.amazonaws.com"),
        of("sns.eu-west-1.amazonaws.com.evil.example"),
        of("evil.example/sns.eu-west-1.amazonaws.com"),
        of("sns.eu-west-1.amazonaws.com:8443"),
        of("me@sns.eu-west-1.amazonaws.com"),
        of("127.0.0.1"),
        of(host).replace("https", "http"),
        of(host).replace("/Simple", "/bucket/Simple"),
        of(host).replace("0a9f", "../x"),
        of(host) + "?x=.pem",
        "/SimpleNotificationService-0a9f.pem".to_owned(),
    ] {
        assert_eq!(url(TOPIC, &other), Err(ForeignCertificate), "{other}");
    }
    for arn in ["", "bounces", "arn:aws:sqs:eu-west-1:123456789012:b", "arn:aws:sns:a.b:12:b"] {
        assert_eq!(SnsTopic::parse(arn), None, "{arn}");
    }
}
