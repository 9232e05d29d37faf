//! Refusals of posts to hooks. Pure.

use std::time::Duration;

/// A post that does not come from its service, as far as it shows. The text goes to the sender: it
/// tells nothing of the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookRefusal {
    /// A header is not there.
    #[error("the header {0} is missing: this hook takes signed posts alone")]
    MissingHeader(&'static str),
    /// A header is there more than once, or is no text.
    #[error("the header {0} must be there once, as text")]
    UnreadableHeader(&'static str),
    /// The body is to hold the signature, and does not.
    #[error("the body holds no signature: this hook takes signed posts alone")]
    NoSignature,
    /// The body is no message of SNS.
    #[error("the body is no message of SNS; turn off raw message delivery at the subscription")]
    NotFromSns,
    /// A message of SNS lacks a field, or has it in another form.
    #[error("the message of SNS has no {0} that can be read")]
    MissingField(&'static str),
    /// It comes from another topic.
    #[error("it comes from another topic of SNS than this hook is for")]
    OtherTopic,
    /// It is signed in the older way.
    #[error("the topic signs with SHA-1; set its attribute SignatureVersion to 2")]
    OlderSignature,
    /// The certificate that it names is not one of SNS in the topic's region.
    #[error("the certificate that it names is not one of SNS in the topic's region")]
    ForeignCertificate,
    /// The certificate has ended, or not begun.
    #[error("the certificate that it is signed with is not valid now")]
    CertificateExpired,
    /// It was signed too long ago, or ahead of now.
    #[error(
        "it was signed more than {} s before or after now: it comes too late, or a clock is wrong",
        .0.as_secs()
    )]
    Stale(Duration),
    /// The signature is another one.
    #[error("its signature is not one of this hook's key over these octets")]
    WrongSignature,
    /// The signature came before, with another body.
    #[error("its token came before, with another body")]
    UsedToken,
    /// The credentials are not there, or others.
    #[error("it shows neither the bearer token nor the password of this hook")]
    WrongCredentials,
}
