//! Keys of hooks: each verifies the posts of its service. Pure.

use std::fmt;
use std::sync::Arc;

use ring::hmac;

use super::config::HookConfig;
use super::sendgrid::EventPublicKey;
use super::sns::{SigningCertificate, SnsTopic};
use crate::callbacks::{Secret, read_secrets};
use crate::outcomes::mail_service::MailService;

/// Most secrets at a time: one that counts, one that comes, and some to spare.
const MOST: usize = 4;

/// The shortest secret of our own choice or Mailgun's, in octets.
const SHORTEST: usize = 16;

/// A key, in the form that its service wants. `Debug` does not show it.
pub(super) enum HookKey {
    /// Secrets of Mailgun.
    Mailgun(Vec<hmac::Key>),
    /// Secrets of Resend.
    Resend(Vec<Secret>),
    /// The public key of SendGrid.
    SendGrid(EventPublicKey),
    /// A topic of SNS, and the certificate, if it is not to be fetched.
    Sns(SnsTopic, Option<Arc<SigningCertificate>>),
    /// Tokens that a service shows which signs nothing.
    Tokens(Vec<String>),
}

impl HookKey {
    /// The key of a hook, given the text of its file, if it has one; an error says in words what
    /// is wrong with it, and shows none of it.
    pub(super) fn parse(config: &HookConfig, text: Option<&str>) -> Result<Self, String> {
        let service = config.service.ok_or("service is missing: say who posts")?;
        match service {
            MailService::Ses => {
                let topic = config.topic.as_deref().and_then(SnsTopic::parse);
                let topic = topic.ok_or("topic is no ARN of SNS")?;
                let pinned = text.map(|text| {
                    let certificate = SigningCertificate::parse(text.as_bytes());
                    certificate.ok_or("it holds no certificate with an RSA key, as PEM")
                });
                Ok(Self::Sns(topic, pinned.transpose()?.map(Arc::new)))
            }
            MailService::SendGrid => {
                let key = config.public_key.as_deref().and_then(EventPublicKey::parse);
                Ok(Self::SendGrid(key.ok_or(
                    "public_key is no verification key: write the base64 that SendGrid shows",
                )?))
            }
            MailService::Resend => {
                let secrets = read_secrets(text.unwrap_or_default());
                Ok(Self::Resend(secrets.map_err(|error| error.to_string())?))
            }
            MailService::Mailgun => {
                let secrets = lines(text.unwrap_or_default())?;
                if secrets.iter().any(|secret| secret.len() < SHORTEST) {
                    return Err(format!(
                        "a signing key in it has fewer than {SHORTEST} characters; copy the whole \
                         HTTP webhook signing key that Mailgun shows"
                    ));
                }
                let key = |secret: &str| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
                Ok(Self::Mailgun(secrets.into_iter().map(key).collect()))
            }
            MailService::Brevo
            | MailService::KumoMta
            | MailService::Mailjet
            | MailService::Postmark
            | MailService::SparkPost => {
                let tokens = lines(text.unwrap_or_default())?;
                if tokens.iter().any(|token| token.len() < SHORTEST) {
                    return Err(format!(
                        "a token in it has fewer than {SHORTEST} characters; make one with \
                         openssl rand -hex 24"
                    ));
                }
                Ok(Self::Tokens(tokens.into_iter().map(str::to_owned).collect()))
            }
        }
    }
}

impl fmt::Debug for HookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookKey")
    }
}

/// The secrets of a file: one a line; blank lines and those that begin with `#` are left out.
fn lines(text: &str) -> Result<Vec<&str>, String> {
    let lines = text.lines().map(str::trim);
    let lines: Vec<&str> =
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    match lines.len() {
        0 => Err("it holds no secret: write one a line".to_owned()),
        1..=MOST => Ok(lines),
        _ => Err(format!("it holds more than {MOST} secrets; take out those that are replaced")),
    }
}
