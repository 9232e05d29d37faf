//! Settings of hooks. Pure.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::sns::SnsTopic;
use crate::outcomes::mail_service::MailService;

/// The longest name of a hook, in octets.
const LONGEST_NAME: usize = 64;

/// Time by which the time of a signature may be off.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The same for SNS, which signs once and delivers again for up to an hour.
const SNS_TOLERANCE: Duration = Duration::from_secs(60 * 60);

/// The same for Mailgun, which signs once and delivers again for eight hours.
const MAILGUN_TOLERANCE: Duration = Duration::from_secs(9 * 60 * 60);

/// The same for SendGrid, which delivers again for a day and does not say that it signs anew. Its
/// signature covers the events, so whoever repeats a post changes nothing.
const SENDGRID_TOLERANCE: Duration = Duration::from_secs(25 * 60 * 60);

/// The smallest tolerance: a post takes its time, and times are told in whole seconds.
const LEAST_TOLERANCE: Duration = Duration::from_secs(10);

/// A hook: a URL to which a mail service posts its events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HookConfig {
    /// The name, which ends the URL: `/v1/outcomes/hooks/NAME`. Letters, digits, `-` and `_`.
    pub name: String,
    /// The service that posts: `brevo`, `kumomta`, `mailgun`, `mailjet`, `postmark`, `resend`,
    /// `sendgrid`, `ses` or `sparkpost`.
    pub service: Option<MailService>,
    /// The file with the secret, read again when it changes; a line more for a second one, while
    /// one replaces the other. For `mailgun` the webhook signing key, for `resend` the signing
    /// secret (`whsec_...`). For `brevo`, `kumomta`, `mailjet`, `postmark` and `sparkpost`, which
    /// sign nothing, a token of at least 16 characters that they show as a bearer token or as the
    /// password of basic authentication; or `user:password`.
    pub secret_file: Option<PathBuf>,
    /// The verification key of `sendgrid`, as its page shows it.
    pub public_key: Option<String>,
    /// The topic of `ses`, such as `arn:aws:sns:eu-west-1:123456789012:bounces`. Every account of
    /// Amazon's can post with a good signature from a topic of its own.
    pub topic: Option<String>,
    /// The file with the certificate that `ses` signs with, as PEM, in place of the one that is
    /// fetched from SNS. Default none.
    pub certificate_file: Option<PathBuf>,
    /// Confirms the subscription of the topic of `ses` when SNS asks for it. Default false: the
    /// log has the URL to visit.
    pub confirm_subscription: bool,
    /// Time by which the time of a signature may be off, either way: 10 seconds or more. Default 5
    /// minutes; for `ses` an hour, for `mailgun` 9 hours and for `sendgrid` 25 hours, because they
    /// may sign once and deliver again for so long. Not for services that sign nothing.
    #[serde(with = "humantime_serde")]
    pub tolerance: Option<Duration>,
}

impl HookConfig {
    /// Time by which the time of a signature may be off.
    pub(super) fn tolerance(&self) -> Duration {
        let by_default = match self.service {
            Some(MailService::Ses) => SNS_TOLERANCE,
            Some(MailService::Mailgun) => MAILGUN_TOLERANCE,
            Some(MailService::SendGrid) => SENDGRID_TOLERANCE,
            _ => TOLERANCE,
        };
        self.tolerance.unwrap_or(by_default)
    }

    /// The file with the key, if it is in one.
    pub(super) fn key_file(&self) -> Option<&Path> {
        self.secret_file.as_deref().or(self.certificate_file.as_deref())
    }

    /// Everything for which the hook could not be used, but for its file, in words.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !is_name(&self.name) {
            found.push("name: write letters, digits, - and _, as they stand in a URL".to_owned());
        }
        let Some(service) = self.service else {
            found.push("service is missing: say who posts".to_owned());
            return found;
        };
        let (is_sendgrid, is_ses) = (service == MailService::SendGrid, service == MailService::Ses);
        let is_signed =
            is_sendgrid || is_ses || matches!(service, MailService::Mailgun | MailService::Resend);
        let settings = [
            ("secret_file", self.secret_file.is_some(), !is_sendgrid && !is_ses, true),
            ("public_key", self.public_key.is_some(), is_sendgrid, true),
            ("topic", self.topic.is_some(), is_ses, true),
            ("certificate_file", self.certificate_file.is_some(), is_ses, false),
            ("confirm_subscription", self.confirm_subscription, is_ses, false),
            ("tolerance", self.tolerance.is_some(), is_signed, false),
        ];
        for (setting, is_set, is_taken, is_needed) in settings {
            match (is_set, is_taken) {
                (true, false) => found.push(format!("{setting} is not for this service")),
                (false, true) if is_needed => found.push(format!("{setting} is missing")),
                _ => {}
            }
        }
        if self.tolerance.is_some_and(|tolerance| tolerance < LEAST_TOLERANCE) {
            let least = LEAST_TOLERANCE.as_secs();
            found.push(format!("tolerance is less than {least} seconds: posts would be refused"));
        }
        if self.topic.as_deref().is_some_and(|topic| SnsTopic::parse(topic).is_none()) {
            found.push(
                "topic is no ARN of SNS; write one such as \
                 arn:aws:sns:eu-west-1:123456789012:bounces"
                    .to_owned(),
            );
        }
        found
    }
}

fn is_name(name: &str) -> bool {
    let is_part = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_part)
}
