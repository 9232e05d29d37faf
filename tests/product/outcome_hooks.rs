//! Hooks: mail services post what became of mail, without a key of ours.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mailvet::access;
use mailvet::clock::Clock;
use mailvet::outcomes::{HookConfig, MailService};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::http::client::{HttpAnswer, HttpRequest};
use crate::process::Service;
use crate::product::Product;

/// A message of SNS as SES posts it, about jane.doe@acme.test, and the certificate that it is
/// signed with. Signed on 28 November 2026.
const NOTIFICATION: &str = include_str!("../../src/outcomes/hooks/tests/notification.json");
const CONFIRMATION: &str = include_str!("../../src/outcomes/hooks/tests/confirmation.json");
const CERTIFICATE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/src/outcomes/hooks/tests/certificate.pem");

const MAILGUN_KEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// `whsec_` and base64 of 24 octets.
const RESEND_SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const TOKEN: &str = "a3f1c5d7e9b2a4c6d8e0f1a2b3c4d5e6";

/// `SubjectPublicKeyInfo` of a key on P-256, up to the point.
const P256_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

fn mac(key: &[u8], message: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes())
}

fn post(hook: &str, body: &str) -> HttpRequest {
    HttpRequest::post(&format!("/v1/outcomes/hooks/{hook}"), body)
}

/// The text of a time in seconds, `later` than now.
fn seconds(later: i64) -> String {
    let now = Clock::start().now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    now.checked_add_signed(later).unwrap().to_string()
}

fn mailgun(address: &str, time: &str, token: &str) -> String {
    let signature = mac(MAILGUN_KEY.as_bytes(), &format!("{time}{token}"));
    let hex: String = signature.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    json!({
        "signature": { "timestamp": time, "token": token, "signature": hex },
        "event-data": { "event": "complained", "recipient": address, "id": token },
    })
    .to_string()
}

fn resend(address: &str) -> HttpRequest {
    let data = json!({ "email_id": "m1", "to": [address],
        "bounce": { "type": "Permanent", "message": "550 5.1.1 no such user" } });
    let body = json!({ "type": "email.bounced", "data": data }).to_string();
    let time = seconds(0);
    let key = STANDARD.decode(RESEND_SECRET).unwrap();
    let signature = STANDARD.encode(mac(&key, &format!("msg_1.{time}.{body}")));
    let request = post("resend", &body).header("svix-id", "msg_1");
    request.header("svix-timestamp", &time).header("svix-signature", &format!("v1,{signature}"))
}

fn sendgrid(key: &EcdsaKeyPair, body: &str) -> HttpRequest {
    let time = seconds(0);
    let signed = format!("{time}{body}");
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    let request = post("sendgrid", body);
    request
        .header("x-twilio-email-event-webhook-signature", &STANDARD.encode(signature))
        .header("x-twilio-email-event-webhook-timestamp", &time)
}

fn sendgrid_key() -> EcdsaKeyPair {
    let (algorithm, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap()
}

/// A service with a hook of each kind, which asks its other callers for a key.
struct Hooked {
    service: Service,
    address: SocketAddr,
    api_key: String,
    sendgrid_key: EcdsaKeyPair,
    folder: tempfile::TempDir,
}

impl Hooked {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let issued = access::issue("crm", [7; 32], None).unwrap();
        let sendgrid_key = sendgrid_key();
        let point = [&P256_HEAD[..], sendgrid_key.public_key().as_ref()].concat();
        let public_key = STANDARD.encode(point);
        let (keys, mailgun) = (file("keys.toml", &issued.entry), file("mailgun", MAILGUN_KEY));
        let resend = file("resend", &format!("whsec_{RESEND_SECRET}\n"));
        let (token, database) = (file("token", TOKEN), folder.path().join("outcomes.db"));
        let topic = "arn:aws:sns:eu-west-1:123456789012:bounces";
        let hook = |name: &str, service: &str, rest: &str| {
            format!("[[outcomes.hooks]]\nname = {name:?}\nservice = {service:?}\n{rest}\n")
        };
        let ses = format!("topic = {topic:?}\ncertificate_file = {CERTIFICATE:?}");
        let text = [
            format!("[server]\napi_keys = {keys:?}\n"),
            format!("[outcomes]\nfile = {database:?}\nsuppress_gone = \"36500days\"\n"),
            hook("mailgun-eu", "mailgun", &format!("secret_file = {mailgun:?}")),
            hook("sendgrid", "sendgrid", &format!("public_key = {public_key:?}")),
            hook("resend", "resend", &format!("secret_file = {resend:?}")),
            hook("ses", "ses", &format!("{ses}\ntolerance = \"36500days\"")),
            hook("ses-in-time", "ses", &ses),
            hook("postmark", "postmark", &format!("secret_file = {token:?}")),
        ];
        let config = file("mailvet.toml", &text.concat());
        let mut service = Service::start(&["--sandbox", "--config", &config], &[]).await;
        let address = service.address().await.parse().unwrap();
        Self { service, address, api_key: issued.key, sendgrid_key, folder }
    }

    async fn send(&self, request: HttpRequest) -> HttpAnswer {
        request.send(self.address).await
    }

    /// Posts what is taken; what became of it.
    async fn deliver(&self, request: HttpRequest) -> Value {
        let answer = self.send(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Posts what is not the service's own; the sentence of the refusal.
    async fn refused(&self, request: HttpRequest) -> String {
        let answer = self.send(request).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        answer.json()["message"].as_str().unwrap().to_owned()
    }

    /// The reason of an address's verdict.
    async fn reason(&self, address: &str) -> String {
        let request = HttpRequest::post("/v1/addresses:verify", json!({ "address": address }));
        let request = request.header("authorization", &format!("Bearer {}", self.api_key));
        let answer = self.send(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["verification"]["reason"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn mail_services_post_to_their_hooks_and_need_no_key_of_ours() {
    let hooked = Hooked::start().await;
    let one = json!({ "taken": "1" });
    let complaint = mailgun("sales@acme.test", &seconds(-20), "token-1");
    assert_eq!(hooked.deliver(post("mailgun-eu", &complaint)).await, one);
    assert_eq!(hooked.deliver(post("mailgun-eu", &complaint)).await, json!({ "repeated": "1" }));
    let bounce = r#"[{"email":"info@acme.test","event":"bounce","sg_event_id":"e1",
        "type":"bounce","status":"5.1.1","reason":"550 5.1.1 no such user"},
        {"email":"info@acme.test","event":"open","sg_event_id":"e2"}]"#;
    assert_eq!(hooked.deliver(sendgrid(&hooked.sendgrid_key, bounce)).await, one);
    assert_eq!(hooked.deliver(resend("postmaster@acme.test")).await, one);
    let from_sns = HttpRequest::new("POST", "/v1/outcomes/hooks/ses");
    let from_sns = from_sns.header("content-type", "text/plain; charset=UTF-8");
    assert_eq!(hooked.deliver(from_sns.body(NOTIFICATION)).await, one);
    let gone = r#"{"RecordType":"SpamComplaint","Email":"support@acme.test","ID":7}"#;
    let basic = STANDARD.encode(format!("postmark:{TOKEN}"));
    let with_password = post("postmark", gone).header("authorization", &format!("Basic {basic}"));
    assert_eq!(hooked.deliver(with_password).await, one);
    for (address, reason) in [
        ("sales@acme.test", "REASON_OPTED_OUT"),
        ("info@acme.test", "REASON_BOUNCED_BEFORE"),
        ("postmaster@acme.test", "REASON_BOUNCED_BEFORE"),
        ("jane.doe@acme.test", "REASON_BOUNCED_BEFORE"),
        ("support@acme.test", "REASON_OPTED_OUT"),
    ] {
        assert_eq!(hooked.reason(address).await, reason, "{address}");
    }
    for wanted in [
        "mailvet_outcome_hook_posts_total{hook=\"mailgun-eu\",fate=\"taken\"} 2",
        "mailvet_outcome_hook_events_total{hook=\"mailgun-eu\",fate=\"repeated\"} 1",
        "mailvet_grpc_calls_total{method=\"mailvet.v1.Hooks/Deliver\",code=\"ok\"} 6",
    ] {
        hooked.service.measures(wanted).await;
    }
    // The log says where to confirm a subscription.
    assert_eq!(hooked.deliver(post("ses", CONFIRMATION)).await, json!({}));
    let Hooked { mut service, folder: _folder, .. } = hooked;
    let said = service.said("confirm the subscription").await;
    assert!(said["fields"]["url"].as_str().unwrap().contains("Token=2336412f37"), "{said}");
    service.stop().await;
}

#[tokio::test]
async fn a_post_that_is_not_its_services_own_is_refused_and_nothing_is_kept() {
    let hooked = Hooked::start().await;
    let address = "sales@acme.test";
    let good = mailgun(address, &seconds(0), "token-1");
    let late = mailgun(address, &seconds(-32_420), "token-2");
    assert!(hooked.refused(post("mailgun-eu", &late)).await.contains("32400 s"));
    let other = good.replace("token-1", "token-3");
    assert!(hooked.refused(post("mailgun-eu", &other)).await.contains("signature"));
    let unsigned = r#"{"event-data":{"event":"complained","recipient":"sales@acme.test"}}"#;
    assert!(hooked.refused(post("mailgun-eu", unsigned)).await.contains("no signature"));
    let body = r#"[{"email":"sales@acme.test","event":"spamreport","sg_event_id":"e1"}]"#;
    let changed = body.replace("e1", "e2");
    let request = sendgrid(&hooked.sendgrid_key, body).octets(changed);
    assert!(hooked.refused(request).await.contains("signature"));
    assert!(hooked.refused(sendgrid(&sendgrid_key(), body)).await.contains("signature"));
    let twice = sendgrid(&hooked.sendgrid_key, body)
        .header("x-twilio-email-event-webhook-timestamp", &seconds(0));
    assert!(hooked.refused(twice).await.contains("once"));
    let missing = hooked.refused(post("sendgrid", body)).await;
    assert!(missing.contains("x-twilio-email-event-webhook-signature"), "{missing}");
    let twice = resend(address).header("svix-signature", "v1,x");
    assert!(hooked.refused(twice).await.contains("svix-signature"));
    assert!(hooked.refused(post("ses-in-time", NOTIFICATION)).await.contains("3600 s"));
    let forged = NOTIFICATION.replace("jane.doe@", "sales@");
    assert!(hooked.refused(post("ses", &forged)).await.contains("signature"));
    let wrong = post("postmark", "{}").header("authorization", "Bearer of something");
    assert!(hooked.refused(wrong).await.contains("bearer token"));
    let api_key = format!("Bearer {}", hooked.api_key);
    hooked.refused(post("postmark", "{}").header("authorization", &api_key)).await;
    let with_slash = post("postmark/", "{}").header("authorization", &api_key);
    assert!(hooked.refused(with_slash).await.contains("bearer token"), "it is the same hook");
    let unknown = hooked.send(post("nothing", "{}")).await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    let no_json = hooked.send(post("mailgun-eu", "{")).await;
    assert_eq!(no_json.status, 400, "{no_json:?}");
    let get = HttpRequest::get("/v1/outcomes/hooks/ses").header("authorization", &api_key);
    assert_eq!(hooked.send(get).await.status, 405);
    // Nobody takes the way behind the gate from outside.
    let direct = HttpRequest::new("POST", "/mailvet.v1.Hooks/Deliver");
    let direct = hooked.send(direct.header("content-type", "application/grpc")).await;
    assert_eq!(direct.header("grpc-status"), Some("16"), "{direct:?}");
    assert_eq!(hooked.reason(address).await, "REASON_MAILBOX_ACCEPTED");
    hooked
        .service
        .measures("mailvet_outcome_hook_posts_total{hook=\"mailgun-eu\",fate=\"refused\"} 4")
        .await;
    let Hooked { service, folder: _folder, .. } = hooked;
    let log = service.stop().await;
    let refused = log.iter().filter(|line| line.contains("a post to a hook was refused"));
    assert!(refused.clone().all(|line| line.contains("\"hook\":\"")), "{log:#?}");
    assert_eq!(refused.count(), 14);
    assert!(!log.iter().any(|line| line.contains("acme.test")), "no body is logged: {log:#?}");
}

#[tokio::test]
async fn posts_that_do_not_end_take_no_room_from_others() {
    let hooked = Hooked::start().await;
    let stall = async |hook: &str, octets: usize| {
        let mut stream = TcpStream::connect(hooked.address).await.unwrap();
        let head = format!("POST /v1/outcomes/hooks/{hook} HTTP/1.1\r\nhost: x\r\n");
        let post = format!("{head}content-length: 4000000\r\n\r\n{}", " ".repeat(octets));
        stream.write_all(post.as_bytes()).await.unwrap();
        stream
    };
    let mut stalled = Vec::new();
    // More than there are places, and more octets than there is room for.
    for number in 0..100 {
        stalled.push(stall("mailgun-eu", if number < 20 { 2_000_000 } else { 1 }).await);
    }
    let complaint = mailgun("info@acme.test", &seconds(0), "token-1");
    let delivered = hooked.deliver(post("mailgun-eu", &complaint)).await;
    assert_eq!(delivered, json!({ "taken": "1" }), "of the same hook");
    assert_eq!(hooked.deliver(resend("postmaster@acme.test")).await["taken"], "1", "of another");
    assert_eq!(hooked.reason("sales@acme.test").await, "REASON_MAILBOX_ACCEPTED");
    let crowded_out = "mailvet_outcome_hook_posts_total{hook=\"mailgun-eu\",fate=\"unread\"}";
    hooked.service.measures(crowded_out).await;
    drop(stalled);
    let Hooked { service, folder: _folder, .. } = hooked;
    let log = service.stop().await;
    let is_error = |line: &&String| line.contains("\"level\":\"ERROR\"");
    assert_eq!(log.iter().find(is_error), None, "who breaks off is no error of ours");
}

#[tokio::test]
async fn a_hook_is_reached_by_any_name_and_other_paths_are_not() {
    let mut file = NamedTempFile::new().unwrap();
    write!(file, "{TOKEN}").unwrap();
    let path = file.path().to_owned();
    let outcomes = tempfile::tempdir().unwrap();
    let database = outcomes.path().join("outcomes.db");
    let product = Product::with(|config| {
        config.outcomes.file = Some(database);
        config.outcomes.hooks = vec![HookConfig {
            name: "sparkpost".to_owned(),
            service: Some(MailService::SparkPost),
            secret_file: Some(path),
            ..HookConfig::default()
        }];
    })
    .await;
    let send = async |path: &str, body: String| {
        let request = HttpRequest::post(path, body).header("host", "mailvet.example.com");
        let request = request.header("authorization", &format!("Bearer {TOKEN}"));
        request.send(product.address).await
    };
    let hook = "/v1/outcomes/hooks/sparkpost";
    let event = json!([{ "msys": { "message_event": { "type": "list_unsubscribe",
        "rcpt_to": "jane.doe@acme.test", "event_id": "1" } } }]);
    assert_eq!(send(hook, event.to_string()).await.json(), json!({ "taken": "1" }));
    let looked_at = HttpRequest::get(hook).header("host", "mailvet.example.com");
    let looked_at = looked_at.send(product.address).await;
    assert_eq!(looked_at.status, 405, "nobody is sent to the names of the service: {looked_at:?}");
    let page = json!({ "outcomes": [] }).to_string();
    let report = HttpRequest::post("/v1/outcomes:report", page);
    let report = report.header("host", "mailvet.example.com").send(product.address).await;
    assert_eq!(report.status, 403, "{report:?}");
    // Larger than a call, and as large as a page.
    let large = |octets: usize| format!("[\"{}\"]", "x".repeat(octets));
    let answer = send(hook, large(3 * 1024 * 1024)).await;
    assert_eq!((answer.status, &answer.json()["notUnderstood"]), (200, &json!("1")));
    assert_eq!(send(hook, large(4 * 1024 * 1024)).await.status, 400);
    product.stop().await;
}
