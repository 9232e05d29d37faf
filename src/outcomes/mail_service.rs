//! The mail services whose events are read. Pure.

use serde::{Deserialize, Serialize};

/// A service, or a mail server, that posts what became of mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailService {
    /// Brevo.
    Brevo,
    /// KumoMTA.
    KumoMta,
    /// Mailgun.
    Mailgun,
    /// Mailjet.
    Mailjet,
    /// Postmark.
    Postmark,
    /// Resend.
    Resend,
    /// SendGrid.
    SendGrid,
    /// Amazon SES, by SNS.
    Ses,
    /// SparkPost.
    SparkPost,
}
