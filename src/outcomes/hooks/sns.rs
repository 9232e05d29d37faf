//! Messages of Amazon SNS: their topic, their signature (RSA with SHA-256), and the certificate
//! that it is verified with. Pure.
//!
//! A good signature says that SNS sent a message, not whose it is: every account has topics. So a
//! hook is for one topic, and certificates come from SNS in that topic's region alone.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde::Deserialize;
use x509_parser::oid_registry::OID_PKCS1_RSAENCRYPTION;
use x509_parser::pem::parse_x509_pem;

use super::refusal::HookRefusal;
use super::time_window::TimeWindow;
use crate::http_client::HttpUrl;
use crate::outcomes::readers::parse_time;

/// The beginning of a certificate's path.
const CERTIFICATE: &str = "/SimpleNotificationService-";

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SnsTopic {
    arn: String,
    /// The host of SNS in its region.
    host: String,
}

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SnsKind {
    Notification,
    SubscriptionConfirmation,
    UnsubscribeConfirmation,
}

/// The fields of a message: what SNS signs, and what it signs it with.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct SnsFields {
    r#type: Option<String>,
    message: Option<String>,
    message_id: Option<String>,
    subject: Option<String>,
    timestamp: Option<String>,
    token: Option<String>,
    topic_arn: Option<String>,
    signature: Option<String>,
    signature_version: Option<String>,
    #[serde(rename = "SigningCertURL")]
    signing_cert_url: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
}

/// A message.
#[derive(Clone, Copy, Debug)]
pub(super) struct SnsMessage<'d> {
    pub(super) kind: SnsKind,
    fields: &'d SnsFields,
}

/// A certificate: its key, and the time in which it is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SigningCertificate {
    key: Vec<u8>,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl SnsTopic {
    /// Reads `arn:PARTITION:sns:REGION:ACCOUNT:NAME`.
    pub(super) fn parse(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "sns", region, account, name] = parts[..] else { return None };
        let is_label = |text: &str| {
            !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
        };
        let is_account = account.len() == 12 && account.bytes().all(|it| it.is_ascii_digit());
        if !is_label(partition) || !is_label(region) || !is_account || name.is_empty() {
            return None;
        }
        let domain = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        Some(Self { arn: arn.to_owned(), host: format!("sns.{region}.{domain}") })
    }

    /// A URL of SNS in the topic's region.
    fn url(&self, text: &str) -> Option<HttpUrl> {
        let url = HttpUrl::parse(text).ok()?;
        (url.is_tls && url.authority == self.host).then_some(url)
    }
}

impl<'d> SnsMessage<'d> {
    /// Takes the fields of a message.
    pub(super) fn new(fields: &'d SnsFields) -> Result<Self, HookRefusal> {
        let kind = match fields.r#type.as_deref() {
            Some("Notification") => SnsKind::Notification,
            Some("SubscriptionConfirmation") => SnsKind::SubscriptionConfirmation,
            Some("UnsubscribeConfirmation") => SnsKind::UnsubscribeConfirmation,
            _ => return Err(HookRefusal::NotFromSns),
        };
        Ok(Self { kind, fields })
    }

    fn text(&self, name: &'static str) -> Result<&'d str, HookRefusal> {
        let fields = self.fields;
        let field = match name {
            "Type" => &fields.r#type,
            "Message" => &fields.message,
            "MessageId" => &fields.message_id,
            "Subject" => &fields.subject,
            "Timestamp" => &fields.timestamp,
            "Token" => &fields.token,
            "TopicArn" => &fields.topic_arn,
            "Signature" => &fields.signature,
            "SignatureVersion" => &fields.signature_version,
            "SigningCertURL" => &fields.signing_cert_url,
            "SubscribeURL" => &fields.subscribe_url,
            _ => &None,
        };
        field.as_deref().ok_or(HookRefusal::MissingField(name))
    }

    /// Checks all but the signature, so that no certificate is fetched in vain.
    pub(super) fn check(&self, topic: &SnsTopic, window: TimeWindow) -> Result<(), HookRefusal> {
        if self.text("TopicArn")? != topic.arn {
            return Err(HookRefusal::OtherTopic);
        }
        if self.text("SignatureVersion")? != "2" {
            return Err(HookRefusal::OlderSignature);
        }
        let signed_at = parse_time(self.text("Timestamp")?);
        window.check(signed_at.ok_or(HookRefusal::MissingField("Timestamp"))?)
    }

    /// The URL of the certificate that the message names.
    pub(super) fn certificate_url(&self, topic: &SnsTopic) -> Result<HttpUrl, HookRefusal> {
        let url = topic.url(self.text("SigningCertURL")?);
        let is_certificate = |url: &HttpUrl| {
            let name = url.path.strip_prefix(CERTIFICATE).and_then(|it| it.strip_suffix(".pem"));
            name.is_some_and(|name| name.bytes().all(|octet| octet.is_ascii_hexdigit()))
        };
        url.filter(is_certificate).ok_or(HookRefusal::ForeignCertificate)
    }

    /// The URL that confirms a subscription.
    pub(super) fn subscribe_url(&self, topic: &SnsTopic) -> Result<HttpUrl, HookRefusal> {
        let url = topic.url(self.text("SubscribeURL")?);
        url.ok_or(HookRefusal::MissingField("SubscribeURL"))
    }

    /// Verifies the signature.
    pub(super) fn verify(
        &self,
        certificate: &SigningCertificate,
        now: SystemTime,
    ) -> Result<(), HookRefusal> {
        if now < certificate.not_before || now > certificate.not_after {
            return Err(HookRefusal::CertificateExpired);
        }
        let signature = STANDARD.decode(self.text("Signature")?);
        let signature = signature.map_err(|_| HookRefusal::WrongSignature)?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &certificate.key);
        let verified = key.verify(self.signed()?.as_bytes(), &signature);
        verified.map_err(|_| HookRefusal::WrongSignature)
    }

    /// The text that is signed: names and values, one a line, in the order of the names.
    fn signed(&self) -> Result<String, HookRefusal> {
        let names = match self.kind {
            SnsKind::Notification => {
                &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"][..]
            }
            _ => {
                &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
            }
        };
        let mut signed = String::new();
        for name in names {
            if *name == "Subject" && self.fields.subject.is_none() {
                continue;
            }
            for part in [*name, "\n", self.text(name)?, "\n"] {
                signed.push_str(part);
            }
        }
        Ok(signed)
    }
}

impl SigningCertificate {
    /// Reads a certificate in PEM (RFC 7468) with an RSA key.
    pub(super) fn parse(pem: &[u8]) -> Option<Self> {
        let (_, pem) = parse_x509_pem(pem).ok()?;
        let certificate = pem.parse_x509().ok()?;
        let key = certificate.public_key();
        if key.algorithm.algorithm != OID_PKCS1_RSAENCRYPTION {
            return None;
        }
        let time = |seconds: i64| {
            let seconds = u64::try_from(seconds).unwrap_or_default();
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
        };
        let validity = certificate.validity();
        Some(Self {
            key: key.subject_public_key.data.to_vec(),
            not_before: time(validity.not_before.timestamp())?,
            not_after: time(validity.not_after.timestamp())?,
        })
    }
}
